// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/http/detail/filter.hpp>
#include <eddy/http/request.hpp>
#include <eddy/http/response.hpp>

namespace eddy::detail {

/// The filter of http::request_id().
class EDDY_API request_id_filter {
public:
    class pass {
    public:
        explicit pass(std::string id) noexcept : id_(std::move(id)) {}
        void finish(http::response& answer) const { answer.headers.set("X-Request-Id", id_); }

    private:
        std::string id_;
    };

    [[nodiscard]] pass begin(http::request& asked) const;
};

}  // namespace eddy::detail

namespace eddy::http {

/// Returns a layer that gives each request an id, by which the logs of several servers can be compared. The id is in
/// the field X-Request-Id of the request that the service gets, and of the response:
///     const auto id = asked.headers.get("X-Request-Id");  // in a handler inside of app | http::request_id()
/// The layer keeps the id of the client, or of a proxy before the server, if it has 1 to 128 letters, digits and
/// characters of "-_.:/+=". Otherwise it makes an id of 32 hexadecimal digits. Such an id is unique, but can be
/// guessed.
[[nodiscard]] inline auto request_id() { return detail::filter_layer(detail::request_id_filter()); }

}  // namespace eddy::http
