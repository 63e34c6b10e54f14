// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <eddy/detail/export.hpp>
#include <eddy/http/detail/filter.hpp>
#include <eddy/http/request.hpp>
#include <eddy/http/response.hpp>

namespace eddy::http {

/// The options of cors(): which pages of other origins may use a service.
///     http::cors_options().origin("https://app.example").headers("Content-Type, Authorization").credentials(true)
/// Thread safety: a plain value.
class EDDY_API cors_options {
public:
    /// Options that permit no origin.
    cors_options() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug

    /// Permits an origin: a scheme, a host in lower case, and a port unless it is the default of the scheme; or "null",
    /// which is the origin of files and of sandboxed frames. Call it again for further origins.
    /// Errors: throws `misuse` for anything else, for example if there is a slash after the host, or the port 443 of
    /// https. There are no patterns for several hosts.
    cors_options& origin(std::string allowed, std::source_location where = std::source_location::current());
    /// Permits all origins.
    cors_options& any_origin() noexcept {
        any_origin_ = true;
        return *this;
    }
    /// Sets the methods that pages may use in addition to GET, HEAD and POST, as a list with commas. "PUT, PATCH,
    /// DELETE" by default.
    cors_options& methods(std::string list) noexcept {
        methods_ = std::move(list);
        return *this;
    }
    /// Sets the fields that pages may send, as a list with commas: "Content-Type, Authorization". By default, pages may
    /// send only those that need no permission, such as Accept.
    cors_options& headers(std::string list) noexcept {
        headers_ = std::move(list);
        return *this;
    }
    /// Sets the fields of responses that pages may read, as a list with commas: "X-Request-Id". By default, pages may
    /// read only those that need no permission, such as Content-Type.
    cors_options& exposed_headers(std::string list) noexcept {
        exposed_headers_ = std::move(list);
        return *this;
    }
    /// Sets whether requests of pages may have cookies and other credentials. `false` by default.
    cors_options& credentials(bool are_allowed) noexcept {
        credentials_ = are_allowed;
        return *this;
    }
    /// Sets how long a browser may remember the answer to a preflight request. Browsers have limits of their own, and
    /// remember it for 5 s by default.
    cors_options& max_age(std::chrono::seconds time) noexcept {
        max_age_ = time;
        return *this;
    }

    /// Returns the value of the option.
    [[nodiscard]] const std::vector<std::string>& origins() const noexcept { return origins_; }
    [[nodiscard]] bool has_any_origin() const noexcept { return any_origin_; }
    [[nodiscard]] const std::string& methods() const noexcept { return methods_; }
    [[nodiscard]] const std::string& headers() const noexcept { return headers_; }
    [[nodiscard]] const std::string& exposed_headers() const noexcept { return exposed_headers_; }
    [[nodiscard]] bool credentials() const noexcept { return credentials_; }
    [[nodiscard]] std::optional<std::chrono::seconds> max_age() const noexcept { return max_age_; }

private:
    std::vector<std::string> origins_;
    std::string methods_ = "PUT, PATCH, DELETE";
    std::string headers_;
    std::string exposed_headers_;
    std::optional<std::chrono::seconds> max_age_;
    bool any_origin_ = false;
    bool credentials_ = false;
};

}  // namespace eddy::http

namespace eddy::detail {

/// The filter of http::cors().
class EDDY_API cors_filter {
public:
    class pass {
    public:
        pass(const http::cors_options& options, const http::request& asked);
        void finish(http::response& answer) const { allow(answer); }

        std::optional<http::response> refusal;  // to a preflight request

    private:
        void allow(http::response& answer) const;
        [[nodiscard]] http::response preflight() const;

        const http::cors_options* options_;
        std::string allowed_;  // the value of Access-Control-Allow-Origin; empty without permission
    };

    cors_filter(http::cors_options&& options, const std::source_location& where);
    [[nodiscard]] pass begin(const http::request& asked) const { return {*options_, asked}; }

private:
    std::shared_ptr<const http::cors_options> options_;
};

}  // namespace eddy::detail

namespace eddy::http {

/// Returns a layer by which pages of other origins may use a service (CORS, as in the Fetch standard):
///     app | http::cors(http::cors_options().origin("https://app.example"))
///
/// - The layer answers preflight requests itself: OPTIONS with Origin and Access-Control-Request-Method. The answer is
///   204 with what is permitted, and 403 if the origin is not. Other requests reach the service.
/// - A response for a permitted origin gets Access-Control-Allow-Origin, and the fields of credentials() and
///   exposed_headers().
/// - Unless all origins are permitted, each response gets "Vary: Origin", so that a cache does not pass the permission
///   of one origin to another.
///
/// A request without permission still reaches the service; the browser only hides the response from the page. The
/// response that a server makes of an error has no permission either: place proto::recover() inside of this layer to
/// let pages see such a response.
/// Errors: throws `misuse` if a list in the options has anything but names and commas. Throws `misuse` also if
/// credentials are permitted together with all origins, or with "*" in a list. Browsers ignore such permissions.
[[nodiscard]] inline auto cors(cors_options options, std::source_location where = std::source_location::current()) {
    return detail::filter_layer(detail::cors_filter(std::move(options), where));
}

}  // namespace eddy::http
