// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <eddy/detail/export.hpp>
#include <eddy/http/headers.hpp>

namespace eddy::http {

/// Returns the value of the first cookie `name` in the fields Cookie of a request, or nullopt if there is none. Names
/// are case-sensitive. Quotes are a part of the value, and nothing is decoded (RFC 6265).
///     const auto theme = http::cookie_value(asked.headers, "theme");
/// A client can send any cookie: see cookie_key for those that it must not change.
/// Lifetime: the view is valid until the headers change.
[[nodiscard]] EDDY_API std::optional<std::string_view> cookie_value(const headers& of, std::string_view name) noexcept;

/// When a browser sends a cookie with a request that another site has caused.
enum class same_site : unsigned char {
    strict,  ///< never
    lax,     ///< if the request opens a page by GET, for example by a link
    none,    ///< always; such a cookie must be secure()
};

/// A cookie that a response sets:
///     answer.headers.add("Set-Cookie", http::cookie("theme", "dark").max_age(24h).to_string());
/// By default, it is for all paths of the host, ends with the browser, is sent over HTTPS only, is hidden from scripts,
/// and is same_site::lax. To remove a cookie, set one with the same name, path() and domain(), and max_age(0s).
/// Thread safety: a plain value.
class EDDY_API cookie {
public:
    /// Makes a cookie.
    explicit cookie(std::string name, std::string value = "") : name_(std::move(name)), value_(std::move(value)) {}

    /// Sets the time for which the browser stores the cookie, also after it was closed. 0 removes it.
    cookie& max_age(std::chrono::seconds time) noexcept {
        max_age_ = time;
        return *this;
    }
    /// Sets the path to which, with all paths below it, the browser sends the cookie. "/" by default.
    cookie& path(std::string prefix) noexcept {
        path_ = std::move(prefix);
        return *this;
    }
    /// Sets the domain whose hosts all get the cookie. By default, only the host of the response gets it.
    cookie& domain(std::string of) noexcept {
        domain_ = std::move(of);
        return *this;
    }
    /// Sets whether the cookie is sent over HTTPS only. Browsers treat localhost as HTTPS. `true` by default.
    cookie& secure(bool is_secure) noexcept {
        secure_ = is_secure;
        return *this;
    }
    /// Sets whether the cookie is hidden from scripts. `true` by default.
    cookie& http_only(bool is_hidden) noexcept {
        http_only_ = is_hidden;
        return *this;
    }
    /// Sets when the cookie is sent with requests that another site has caused. same_site::lax by default.
    cookie& same_site(http::same_site when) noexcept {
        same_site_ = when;
        return *this;
    }

    /// Returns the name and the value.
    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] const std::string& value() const noexcept { return value_; }

    /// Returns the value for a field Set-Cookie.
    /// Errors: throws `misuse` if a browser would refuse the cookie, or would not understand it:
    /// - The name is not a token, or the value has a space, a quote, a comma, a semicolon, a backslash, a control
    ///   character or a byte that is not ASCII. Encode such values, for example with encode_percent().
    /// - The name and the value have more than 4,096 bytes together.
    /// - The path does not begin with a slash, or the path or the domain has a semicolon or a control character.
    /// - "__Host-" begins the name, but the cookie has a domain, another path than "/", or is not secure.
    /// - "__Secure-" begins the name, or it is same_site::none, but the cookie is not secure.
    /// The prefixes are compared without case.
    [[nodiscard]] std::string to_string(std::source_location where = std::source_location::current()) const;

private:
    std::string name_;
    std::string value_;
    std::string path_ = "/";
    std::string domain_;
    std::optional<std::chrono::seconds> max_age_;
    http::same_site same_site_ = http::same_site::lax;
    bool secure_ = true;
    bool http_only_ = true;
};

/// A secret by which a server recognizes the cookies that it has made. A client can read a signed cookie, but it cannot
/// change it, or use it under another name.
///     const http::cookie_key key(secret);
///     answer.headers.add("Set-Cookie", key.sign("user", "7").max_age(24h).to_string());
///     const auto user = key.value(asked.headers, "user");  // of a later request: "7"
/// A cookie stays valid after its max_age() if a client has kept it: put a time or a number of a session into the value
/// if that matters.
/// Thread safety: a plain value; reading is safe on several threads.
/// Cost: HMAC-SHA256 (RFC 2104), some microseconds.
class EDDY_API cookie_key {
public:
    /// Takes a secret of at least 32 bytes, which should be random.
    /// Errors: throws `misuse` if it is shorter.
    explicit cookie_key(std::string secret, std::source_location where = std::source_location::current());

    /// Accepts cookies that were signed with a former secret, too.
    /// Errors: see cookie_key().
    cookie_key& accept(std::string former, std::source_location where = std::source_location::current());

    /// Makes a cookie whose value is followed by a period and a signature of its name and value.
    [[nodiscard]] cookie sign(std::string name, std::string_view value) const;
    /// Returns the value of a signed cookie of a request, without the signature. Returns nullopt if there is no such
    /// cookie, or if its signature is wrong.
    /// Lifetime: the view is valid until the headers change.
    [[nodiscard]] std::optional<std::string_view> value(const headers& of, std::string_view name) const;

private:
    std::vector<std::string> secrets_;  // the first one signs
};

}  // namespace eddy::http
