// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <eddy/result.hpp>

namespace eddy::detail {

/// The parts of a proxy's URL.
struct proxy_server {
    bool is_https = false;  // the client uses TLS to the proxy
    std::string host;
    std::uint16_t port = 0;
    std::string authorization;  // the value of Proxy-Authorization; empty if the URL has no user name

    proxy_server() {}  // NOLINT(modernize-use-equals-default): no aggregate, for GCC 12
};

/// Parses the URL of a proxy.
/// Errors: http::errc::bad_proxy, proxy_not_supported.
[[nodiscard]] result<proxy_server> parse_proxy(std::string_view text);

/// Returns the URL of a proxy without its user name and password, for errors.
[[nodiscard]] std::string proxy_without_password(std::string_view text);

/// Returns "host:port", or "[host]:port" for an IPv6 address.
[[nodiscard]] std::string host_with_port(const std::string& host, std::uint16_t port);

}  // namespace eddy::detail
