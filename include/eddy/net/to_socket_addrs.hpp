// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

#include <eddy/detail/export.hpp>
#include <eddy/net/socket_addr.hpp>
#include <eddy/result.hpp>

namespace eddy::net {

/// What says where to connect to, or where to listen: a `socket_addr`; text, "127.0.0.1:80", "[::1]:80" or
/// "localhost:80"; a span, vector or array of `socket_addr`. (A host and a port are two arguments.)
template <class T>
concept to_socket_addrs =
    std::convertible_to<const T&, socket_addr> || std::convertible_to<const T&, std::string_view> ||
    std::convertible_to<const T&, std::span<const socket_addr>>;

/// Where to, as functions that look up names take it: made implicitly of what is `to_socket_addrs`. It holds addresses,
/// or the name of a host and a port, for lookup_host(). Copies what it is given.
///
/// Text is read at once, and strictly: a port is a decimal number; a host is an address as ip_addr::parse() reads it
/// (with an interface, if it is one of IPv6), or a name. A name does not end in a number: "127.1" is an address to some
/// programs and no name to any. What is neither becomes errc::bad_address when the request is used.
class EDDY_API lookup_request {
public:
    template <to_socket_addrs T>
    lookup_request(const T& where_to) : lookup_request(read(where_to)) {}
    lookup_request(std::vector<socket_addr> addrs) noexcept : content_(std::move(addrs)) {}
    lookup_request(const ip_addr& host, std::uint16_t port) noexcept : content_(socket_addr(host, port)) {}
    /// The host is the text of an address, without brackets, or a name.
    lookup_request(std::string_view host, std::uint16_t port);

    // Out of line: of an argument, GCC 12 would warn users of strings that are not there.
    lookup_request(const lookup_request& other);
    lookup_request(lookup_request&& other) noexcept;
    lookup_request& operator=(const lookup_request& other);
    lookup_request& operator=(lookup_request&& other) noexcept;
    ~lookup_request();

    /// Whether somebody has to be asked: host() is a name.
    [[nodiscard]] bool is_name() const noexcept { return std::holds_alternative<name>(content_); }
    /// The name to look up. Empty if is_name() is false.
    [[nodiscard]] std::string_view host() const noexcept;
    /// The port for the addresses of the name. 0 if is_name() is false.
    [[nodiscard]] std::uint16_t port() const noexcept;

    /// The addresses, if they are known without a look-up. Borrows this.
    /// Errors: errc::bad_address for text that is neither an address nor a name with a port; errc::no_address if there
    /// are none, or none that are known.
    [[nodiscard]] result<std::span<const socket_addr>> addrs() const noexcept;

private:
    struct name {
        std::string host;
        std::uint16_t port;
    };
    using content = std::variant<socket_addr, std::vector<socket_addr>, name, std::error_code>;

    explicit lookup_request(content&& read) noexcept : content_(std::move(read)) {}

    template <class T>
    static content read(const T& where_to) {
        if constexpr (std::convertible_to<const T&, socket_addr>) {
            return static_cast<socket_addr>(where_to);
        } else if constexpr (std::convertible_to<const T&, std::string_view>) {
            return read_text(where_to);
        } else {
            const std::span<const socket_addr> addrs = where_to;
            return std::vector(addrs.begin(), addrs.end());
        }
    }
    static content read_text(std::string_view text);
    static content read_host(std::string_view host, std::uint16_t port);

    content content_;
};

}  // namespace eddy::net
