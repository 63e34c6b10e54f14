// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <variant>
#include <vector>

#include <eddy/detail/export.hpp>
#include <eddy/net/socket_addr.hpp>
#include <eddy/result.hpp>

namespace eddy::net {

/// A type that specifies where to connect or bind to. It is a `socket_addr`, or a span, vector or array of them, or
/// text such as "127.0.0.1:80", "[::1]:80" or "localhost:80". A host and a port are two arguments instead.
template <class T>
concept to_socket_addrs =
    std::convertible_to<const T&, socket_addr> || std::convertible_to<const T&, std::string_view> ||
    std::convertible_to<const T&, std::span<const socket_addr>>;

/// The target of a connect, a bind or a look-up. It is made implicitly from any `to_socket_addrs`, which it copies. It
/// holds addresses, or a host name and a port for lookup_host().
///
/// Text is parsed immediately and strictly. A port is a decimal number. A host is an address that ip_addr::parse()
/// accepts (for IPv6 also with an interface), or a name. A name does not end in a number: "127.1" is an address in some
/// programs. Other text yields errc::bad_address when the request is used.
class EDDY_API lookup_request {
public:
    /// Copies the target.
    template <to_socket_addrs T>
    lookup_request(const T& where_to) : lookup_request(kind_of<T>(), where_to) {}
    lookup_request(std::vector<socket_addr> addrs) noexcept;
    lookup_request(const ip_addr& host, std::uint16_t port) noexcept
        : lookup_request(one_addr(), socket_addr(host, port)) {}
    /// Copies `host`, which is the text of an address, without brackets, or a name.
    lookup_request(std::string_view host, std::uint16_t port);

    // Defined out of line. GCC 12 would report false warnings about nonexistent strings in the code of users.
    lookup_request(const lookup_request& other);
    lookup_request(lookup_request&& other) noexcept;
    lookup_request& operator=(const lookup_request& other);
    lookup_request& operator=(lookup_request&& other) noexcept;
    ~lookup_request();

    /// Returns whether host() is a name, which needs a look-up.
    [[nodiscard]] bool is_name() const noexcept { return std::holds_alternative<name>(content_); }
    /// Returns the name to look up. Empty if is_name() is false.
    [[nodiscard]] std::string_view host() const noexcept;
    /// Returns the port for the addresses of the name. 0 if is_name() is false.
    [[nodiscard]] std::uint16_t port() const noexcept;

    /// Returns the addresses that are known without a look-up.
    /// Errors: errc::bad_address for text that is neither an address nor a name with a port; errc::no_address if no
    /// address is known.
    /// Lifetime: the span is valid while this object lives and does not change.
    [[nodiscard]] result<std::span<const socket_addr>> addrs() const noexcept;

    /// Returns the target as text: an address, "localhost:80", the first of several addresses with the number of the
    /// others, or the text that is neither.
    [[nodiscard]] std::string to_string() const;

private:
    struct name {
        std::string host;
        std::uint16_t port;
    };
    struct unreadable {
        std::string text;
    };
    using content = std::variant<socket_addr, std::vector<socket_addr>, name, unreadable>;

    // The kinds of a `to_socket_addrs`. Their constructors are compiled once, because programs would spend more time on
    // the std::variant than on anything else in this class.
    struct one_addr {
        explicit one_addr() = default;
    };
    struct text {
        explicit text() = default;
    };
    struct list {
        explicit list() = default;
    };
    template <class T>
    using kind_of = std::conditional_t<std::convertible_to<const T&, socket_addr>, one_addr,
                                       std::conditional_t<std::convertible_to<const T&, std::string_view>, text, list>>;
    lookup_request(one_addr, const socket_addr& addr) noexcept;
    lookup_request(text, std::string_view to_read);
    lookup_request(list, std::span<const socket_addr> addrs);

    static content read_text(std::string_view text);
    static content read_host(std::string_view host, std::uint16_t port);

    content content_;
};

}  // namespace eddy::net
