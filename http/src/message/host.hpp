// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace eddy::detail {

/// The texts in "host", "host:port" or "[::1]:port".
struct host_texts {
    std::string_view host;  // without brackets
    std::string_view port;  // digits; empty if there is no port

    host_texts(std::string_view name, std::string_view digits) noexcept : host(name), port(digits) {}
};

/// Splits the value of a Host field. Returns nullopt if it does not have the form "uri-host [ : port ]" of RFC 9110,
/// section 7.2. The host may be empty. The port may be any number, also 0 or 65536.
[[nodiscard]] std::optional<host_texts> split_host(std::string_view text) noexcept;

/// The parts of "host", "host:port" or "[::1]:port", for a connection.
struct host_parts {
    std::string_view host;              // without brackets
    std::optional<std::uint16_t> port;  // nullopt if there is none

    host_parts(std::string_view name, std::optional<std::uint16_t> number) noexcept : host(name), port(number) {}
};

/// Same as split_host(), for the host and the port of a URL. Returns nullopt also if the port is not in [1, 65535].
[[nodiscard]] std::optional<host_parts> parse_host(std::string_view text) noexcept;

/// Returns whether a client can connect to a host: it is an address, or a name of labels that are not empty. A name
/// such as ".example.org" would match the certificate of each host of the domain.
[[nodiscard]] bool can_be_server(std::string_view host) noexcept;

}  // namespace eddy::detail
