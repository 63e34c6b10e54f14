// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <eddy/detail/export.hpp>
#include <eddy/http/cookies.hpp>
#include <eddy/http/headers.hpp>

namespace eddy::detail {
class cookie_store;
}  // namespace eddy::detail

namespace eddy::http {

class url;

/// A cookie in a cookie_jar. There is one for each name, domain and path.
/// Thread safety: a plain value.
struct stored_cookie {
    std::string name;    ///< the name, which may be empty
    std::string value;   ///< the value, as the server has sent it
    std::string domain;  ///< the host that has set it, or the domain whose hosts all get it; in lower case
    std::string path;    ///< the path to which, with all paths below it, the cookie is sent
    /// The time at which it ends. A cookie without it ends with the session, which is the life of the jar.
    std::optional<std::chrono::sys_seconds> expires;
    std::optional<http::same_site> same_site;  ///< only kept: the client is not a browser, and has no pages
    bool host_only = true;                     ///< only the host `domain` gets it
    bool secure = false;                       ///< it is sent over HTTPS, or to this machine, only
    bool http_only = false;                    ///< only kept: the client runs no scripts

    /// Makes a cookie without a name.
    stored_cookie() {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug

    friend bool operator==(const stored_cookie&, const stored_cookie&) = default;
};

/// The options of a cookie_jar: `cookie_jar_options().is_public_suffix(decide)`.
/// Thread safety: a plain value.
class cookie_jar_options {
public:
    /// The default options.
    cookie_jar_options() = default;

    /// Sets a function that returns whether the hosts of a domain belong to different owners, for example "co.uk". Such
    /// a domain gets no cookies, except from the host of the same name. Domains without a period, such as "com", are
    /// always treated like that. eddy has no list of these domains: see https://publicsuffix.org. Without the function,
    /// a server below "co.uk" can set cookies for all others there. The function gets the domain in lower case, and
    /// without a period at its end.
    /// The function must be callable on several threads at the same time if the jar is. Its exceptions end the
    /// request, and load().
    cookie_jar_options& is_public_suffix(std::function<bool(std::string_view)> decide) {
        is_public_suffix_ = std::move(decide);
        return *this;
    }
    /// Sets the maximum number of cookies. 3000 by default. 0 is treated as 1.
    cookie_jar_options& max_cookies(std::size_t most) noexcept {
        max_cookies_ = most == 0 ? 1 : most;
        return *this;
    }
    /// Sets the maximum number of cookies of a domain. 50 by default. 0 is treated as 1.
    cookie_jar_options& max_per_domain(std::size_t most) noexcept {
        max_per_domain_ = most == 0 ? 1 : most;
        return *this;
    }
    /// Sets the maximum number of bytes of a cookie, its name and its value together. Larger ones are ignored. 4096 by
    /// default.
    cookie_jar_options& max_size(std::size_t bytes) noexcept {
        max_size_ = bytes;
        return *this;
    }

    /// Sets the maximum number of bytes of the cookies that are sent with a request. 8190 by default, as curl does,
    /// because servers refuse longer fields. Cookies that do not fit are not sent. Those with the longest path come
    /// first, and then the oldest ones.
    cookie_jar_options& max_sent(std::size_t bytes) noexcept {
        max_sent_ = bytes;
        return *this;
    }

    /// Returns the value of the option.
    [[nodiscard]] const std::function<bool(std::string_view)>& is_public_suffix() const noexcept {
        return is_public_suffix_;
    }
    [[nodiscard]] std::size_t max_cookies() const noexcept { return max_cookies_; }
    [[nodiscard]] std::size_t max_per_domain() const noexcept { return max_per_domain_; }
    [[nodiscard]] std::size_t max_size() const noexcept { return max_size_; }
    [[nodiscard]] std::size_t max_sent() const noexcept { return max_sent_; }

private:
    std::function<bool(std::string_view)> is_public_suffix_;
    std::size_t max_cookies_ = 3000;
    std::size_t max_per_domain_ = 50;
    std::size_t max_size_ = 4096;
    std::size_t max_sent_ = 8190;
};

/// Stores the cookies that servers set, and gives them back with later requests, as a browser does (RFC 6265bis):
///     auto jar = std::make_shared<http::cookie_jar>();
///     const http::client web(http::client_options().cookies(jar));
/// Several clients may share a jar. A client without one ignores cookies.
///
/// A server without HTTPS can neither set a cookie that is `secure` nor replace one. A loopback address, and localhost,
/// count as HTTPS. Ignored are cookies with control characters, those that do not keep what their prefix "__Secure-" or
/// "__Host-" promises, and those with SameSite=None that are not `secure`. A cookie may have no name: then its value is
/// sent alone. No cookie lives longer than 400 days.
///
/// If there are too many cookies, the jar removes, in this order: cookies that have expired; of a domain with too many,
/// those that are not `secure`, and then the others; any cookies. Of the same rank, the one that was not used for the
/// longest time is first.
/// Thread safety: any thread.
/// Cost: one lock for each request and each response with cookies; a search in the cookies of the host and of its
/// domains.
class EDDY_API cookie_jar {
public:
    /// Makes a jar without cookies.
    explicit cookie_jar(cookie_jar_options options = cookie_jar_options());
    cookie_jar(const cookie_jar&) = delete;
    cookie_jar& operator=(const cookie_jar&) = delete;
    ~cookie_jar();

    /// Stores the cookies in the fields Set-Cookie of a response to a request for `from`. A client does this itself.
    void receive(const url& from, const headers& of);
    /// Returns the value of the field Cookie of a request for `to`, which is empty if there are no cookies for it. A
    /// client does this itself.
    [[nodiscard]] std::string cookies_for(const url& to);

    /// Returns all cookies that have not expired, the oldest one first, for example to write them into a file. Drop
    /// those without `expires` to end their session.
    [[nodiscard]] std::vector<stored_cookie> snapshot() const;
    /// Adds cookies, for example from a former snapshot(), in their order. Ignores cookies that have expired or
    /// that no response could have set.
    void load(std::vector<stored_cookie> cookies);
    /// Removes all cookies.
    void clear() noexcept;

private:
    std::unique_ptr<detail::cookie_store> store_;
};

}  // namespace eddy::http
