// SPDX-License-Identifier: MIT
#pragma once

// JSON by nlohmann/json. This header is not part of <eddy/http.hpp>: a program that includes it needs that library
// (Debian: nlohmann-json3-dev). eddy::http itself does not.

#include <cstddef>
#include <expected>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include <eddy/detail/export.hpp>
#include <eddy/future/try.hpp>
#include <eddy/http/body.hpp>
#include <eddy/http/request.hpp>
#include <eddy/http/response.hpp>
#include <eddy/http/status.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>

namespace eddy::detail {

/// Returns whether a request says that its body is JSON: application/json, or a type that ends in "+json".
[[nodiscard]] EDDY_API bool has_json(const http::request& asked) noexcept;

}  // namespace eddy::detail

namespace eddy::http {

/// Makes a response with a JSON value, or with any type that nlohmann/json converts to one. Bytes that are not UTF-8
/// are replaced by U+FFFD.
[[nodiscard]] inline response json_response(const nlohmann::json& value, status outcome = status::ok) {
    return response::json(value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n", outcome);
}

/// Reads the body of a request as JSON, and converts it to `T`. Returns the value, or a response with the reason: 415
/// if Content-Type is not JSON, and 400 if the body is not valid, or does not fit `T`.
///     auto made = co_await try_(http::read_json<note>(asked));
///     if (!made) co_return std::move(made.error());
/// Errors: see body::read_text(). Return the error: the server answers 400, 408 or 413.
/// Cancel safety: not safe. Bytes already read are lost.
/// Lifetime: the request must outlive the task.
template <class T = nlohmann::json>
[[nodiscard]] task<result<std::expected<T, response>>> read_json(request& asked,
                                                                 std::size_t limit = default_body_limit) {
    using outcome = std::expected<T, response>;
    if (!detail::has_json(asked)) {
        auto refusal =
            response::text("a body of the type application/json is needed\n", status::unsupported_media_type);
        co_return outcome(std::unexpected(std::move(refusal)));
    }
    const auto text = co_await try_(asked.body.read_text(limit));
    std::string reason;
    try {
        co_return outcome(nlohmann::json::parse(text).template get<T>());
    } catch (const nlohmann::json::exception& why) {
        reason = why.what();
    }
    co_return outcome(std::unexpected(response::text(reason + "\n", status::bad_request)));
}

}  // namespace eddy::http
