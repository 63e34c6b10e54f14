// SPDX-License-Identifier: MIT
#pragma once

// JSON by nlohmann/json. This header is not part of <eddy/http.hpp>: a program that includes it needs that library
// (Debian: nlohmann-json3-dev). eddy::http itself does not.

#include <cstddef>
#include <exception>
#include <expected>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <nlohmann/json.hpp>

#include <eddy/future/try.hpp>
#include <eddy/http/body.hpp>
#include <eddy/http/detail/json_body.hpp>
#include <eddy/http/request.hpp>
#include <eddy/http/response.hpp>
#include <eddy/http/status.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>

namespace eddy::detail {

/// The maximum number of levels of arrays and objects in a body. nlohmann/json copies, converts and writes a value by
/// recursion, so a deep one would overflow the stack.
inline constexpr int max_json_levels = 100;

/// Thrown by parse_json() for a text that nlohmann/json would accept.
class json_refused : public std::exception {
public:
    explicit json_refused(const char* why) noexcept : why_(why) {}
    [[nodiscard]] const char* what() const noexcept override { return why_; }

private:
    const char* why_;
};

/// Parses JSON. Its parser needs no recursion.
/// Errors: throws json_refused above max_json_levels and for a NUL byte, which nlohmann/json takes for the end of the
/// text, and an exception of nlohmann/json if the text is not valid.
[[nodiscard]] inline nlohmann::json parse_json(std::string_view text) {
    if (text.contains('\0')) throw json_refused("the JSON has a NUL byte");
    using event = nlohmann::json::parse_event_t;
    static_assert(max_json_levels == 100, "as the text says");
    return nlohmann::json::parse(text, [](int levels, event what, const nlohmann::json&) {
        if (levels >= max_json_levels && (what == event::array_start || what == event::object_start))
            throw json_refused("the JSON has more than 100 levels");
        return true;
    });
}

}  // namespace eddy::detail

namespace eddy::http {

/// Makes a response with a JSON value, or with any type that nlohmann/json converts to one. Bytes that are not UTF-8
/// are replaced by U+FFFD.
/// Preconditions: the value does not have thousands of levels. nlohmann/json writes it by recursion.
[[nodiscard]] inline response json_response(const nlohmann::json& value, status outcome = status::ok) {
    return response::json(value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n", outcome);
}

/// Reads the body of a request as JSON, and converts it to `T`. Returns the value, or a response with the reason: 415
/// if Content-Type is not JSON, and 400 if the body is not valid, has more than 100 levels of arrays and objects, or
/// does not fit `T`. nlohmann/json does not check the range of numbers: 300 becomes 44 in a std::uint8_t, and -1
/// becomes 4294967295 in an unsigned. Read a wider type and check it, or check it in from_json().
///     auto made = co_await try_(http::read_json<note>(asked));
///     if (!made) co_return std::move(made.error());
/// Errors: see body::read_text(). Return the error: the server answers 400, 408 or 413.
/// Cancel safety: not safe. Bytes already read are lost.
/// Lifetime: the request must outlive the task.
template <class T = nlohmann::json>
task<result<std::expected<T, response>>> read_json(request& asked, std::size_t limit = default_body_limit) {
    using outcome = std::expected<T, response>;
    if (!detail::has_json(asked)) {
        auto refusal =
            response::text("a body of the type application/json is needed\n", status::unsupported_media_type);
        co_return outcome(std::unexpected(std::move(refusal)));
    }
    const auto text = co_await try_(asked.body.read_text(limit));
    std::string reason;
    try {
        auto value = detail::parse_json(text);
        if constexpr (std::is_same_v<T, nlohmann::json>) {
            co_return outcome(std::in_place, std::move(value));
        } else {
            co_return outcome(value.template get<T>());
        }
    } catch (const nlohmann::json::exception& why) {
        reason = why.what();
    } catch (const detail::json_refused& why) {
        reason = why.what();
    }
    co_return outcome(std::unexpected(detail::refuse_json(reason)));
}

}  // namespace eddy::http
