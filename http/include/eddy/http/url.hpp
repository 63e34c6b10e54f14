// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <eddy/detail/export.hpp>
#include <eddy/result.hpp>

namespace eddy::http {

/// The parts of an http or https URL (RFC 3986), for example "http://example.org:8080/search?q=x". Parsing removes the
/// fragment, and rejects user names and passwords.
/// Thread safety: a plain value.
class EDDY_API url {
public:
    /// Parses a URL. Converts the host to lower case, and an IPv6 address to the form of RFC 5952, so that equal hosts
    /// are equal texts. Resolves dots in the path ("/a/../b"). A backslash before the query is a slash, as in browsers.
    /// Errors: errc::bad_url.
    [[nodiscard]] static result<url> parse(std::string_view text);

    /// Resolves `reference` relative to this URL. It is an absolute URL, "//host/path", "/path", "path" or "?query".
    /// Returns this URL if `reference` is empty, or only a fragment.
    /// Errors: errc::bad_url.
    [[nodiscard]] result<url> resolve(std::string_view reference) const;

    /// Returns whether the scheme is "https".
    [[nodiscard]] bool is_https() const noexcept { return is_https_; }
    /// Returns the host name or IP address. An IPv6 address has no brackets.
    [[nodiscard]] const std::string& host() const noexcept { return host_; }
    /// Returns the port: by default 80, or 443 for https.
    [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
    /// Returns the path with the query: at least "/".
    [[nodiscard]] const std::string& target() const noexcept { return target_; }

    /// Returns the value of the Host field: the host, and the port unless it is the default.
    [[nodiscard]] std::string authority() const;
    /// Returns the whole URL.
    [[nodiscard]] std::string to_string() const;

    /// Returns whether scheme, host and port are equal.
    [[nodiscard]] bool has_same_origin(const url& other) const noexcept;

private:
    url() noexcept = default;

    std::string host_;
    std::string target_;
    std::uint16_t port_ = 0;
    bool is_https_ = false;
};

/// Decodes percent-encoding: "%41" becomes "A". Returns nullopt for a "%" without two hexadecimal digits.
[[nodiscard]] EDDY_API std::optional<std::string> decode_percent(std::string_view text);

/// Encodes a part of a URL, for example a parameter of a query or a name in a path: "a b/c" becomes "a%20b%2Fc".
/// Letters, digits, '-', '.', '_' and '~' stay as they are.
///     co_await web.get(url + "/search?q=" + http::encode_percent(text));
[[nodiscard]] EDDY_API std::string encode_percent(std::string_view text);

/// Returns the decoded value of the first parameter `name` in a query such as "q=a+b&page=2". A "+" means a space.
/// Returns nullopt if there is no such parameter, or if its encoding is invalid.
[[nodiscard]] EDDY_API std::optional<std::string> query_value(std::string_view query, std::string_view name);

}  // namespace eddy::http
