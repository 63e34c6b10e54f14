// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <eddy/detail/export.hpp>
#include <eddy/result.hpp>

namespace eddy::http {

/// The parts of an http or https URL (RFC 3986), for example "http://example.org:8080/search?q=x". The fragment is
/// removed. User names and passwords are refused.
/// Thread safety: a plain value.
class EDDY_API url {
public:
    /// Parses a URL. The scheme and the host become lower case. Dots in the path ("/a/../b") are resolved.
    /// Errors: errc::bad_url.
    [[nodiscard]] static result<url> parse(std::string_view text);

    /// Returns the URL that `reference` means in a document at this URL: an absolute URL, "//host/path", "/path",
    /// "path" or "?query".
    /// Errors: errc::bad_url.
    [[nodiscard]] result<url> resolve(std::string_view reference) const;

    /// Whether the scheme is "https".
    [[nodiscard]] bool is_https() const noexcept { return is_https_; }
    /// The host name, or an IP address; an IPv6 address without its brackets.
    [[nodiscard]] const std::string& host() const noexcept { return host_; }
    /// The port: by default 80, or 443 for https.
    [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
    /// The path with the query: at least "/".
    [[nodiscard]] const std::string& target() const noexcept { return target_; }

    /// Returns the host with the port, unless that is the default: the value of the Host field.
    [[nodiscard]] std::string authority() const;
    /// Returns the whole URL.
    [[nodiscard]] std::string to_string() const;

    /// Whether scheme, host and port are equal.
    [[nodiscard]] bool has_same_origin(const url& other) const noexcept;

private:
    url() noexcept = default;

    std::string host_;
    std::string target_;
    std::uint16_t port_ = 0;
    bool is_https_ = false;
};

/// Replaces "%41" by "A", and so on. Returns nullopt for a "%" without two hexadecimal digits.
[[nodiscard]] EDDY_API std::optional<std::string> decode_percent(std::string_view text);

/// Returns the decoded value of the first parameter `name` in a query such as "q=a+b&page=2". A "+" means a space.
/// Returns nullopt if there is none, or if it is not valid.
[[nodiscard]] EDDY_API std::optional<std::string> query_value(std::string_view query, std::string_view name);

}  // namespace eddy::http
