// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>

#include <eddy/detail/export.hpp>
#include <eddy/net/detail/text_formatter.hpp>
#include <eddy/result.hpp>

/// Addresses of the Internet protocols, as plain values. They can be compared, ordered (IPv4 before IPv6), hashed,
/// parsed and formatted. Parsing is strict: it accepts only the forms of the standards. It rejects spaces, and leading
/// zeros ("010" is ten in some programs and eight in others).
namespace eddy::net {

/// An IPv4 address: 127.0.0.1.
/// Thread safety: a plain value.
class EDDY_API ipv4_addr {
public:
    /// The four bytes, in network byte order.
    using octets_type = std::array<std::uint8_t, 4>;

    /// The address 0.0.0.0.
    constexpr ipv4_addr() noexcept = default;
    /// Makes an address from its four bytes.
    constexpr ipv4_addr(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) noexcept
        : octets_{a, b, c, d} {}
    constexpr explicit ipv4_addr(const octets_type& octets) noexcept : octets_(octets) {}

    /// Returns 0.0.0.0, 127.0.0.1, or 255.255.255.255.
    [[nodiscard]] static constexpr ipv4_addr any() noexcept { return {}; }
    [[nodiscard]] static constexpr ipv4_addr loopback() noexcept { return {127, 0, 0, 1}; }
    [[nodiscard]] static constexpr ipv4_addr broadcast() noexcept { return {255, 255, 255, 255}; }

    /// Parses four decimal numbers with dots between them.
    /// Errors: errc::bad_address.
    [[nodiscard]] static result<ipv4_addr> parse(std::string_view text) noexcept;

    /// Returns the four bytes, in network byte order.
    [[nodiscard]] constexpr const octets_type& octets() const noexcept { return octets_; }
    /// Returns whether the address is 0.0.0.0, or in 127.0.0.0/8, or in 224.0.0.0/4, or 255.255.255.255.
    [[nodiscard]] constexpr bool is_unspecified() const noexcept { return *this == any(); }
    [[nodiscard]] constexpr bool is_loopback() const noexcept { return octets_[0] == 127; }
    [[nodiscard]] constexpr bool is_multicast() const noexcept { return octets_[0] >= 224 && octets_[0] < 240; }
    [[nodiscard]] constexpr bool is_broadcast() const noexcept { return *this == broadcast(); }

    /// Returns the address as text that parse() accepts.
    [[nodiscard]] std::string to_string() const;

    /// Compares byte by byte.
    friend constexpr auto operator<=>(const ipv4_addr&, const ipv4_addr&) noexcept = default;

private:
    octets_type octets_{};
};

/// An IPv6 address: 2001:db8::1. The interface of a link-local address is part of a socket_addr.
/// Thread safety: a plain value.
class EDDY_API ipv6_addr {
public:
    /// The 16 bytes in network byte order, and the 8 groups in host byte order.
    using octets_type = std::array<std::uint8_t, 16>;
    using segments_type = std::array<std::uint16_t, 8>;

    /// The address `::`.
    constexpr ipv6_addr() noexcept = default;
    /// Makes an address from 16 bytes in network byte order, or from 8 groups in host byte order.
    constexpr explicit ipv6_addr(const octets_type& octets) noexcept : octets_(octets) {}
    constexpr explicit ipv6_addr(const segments_type& segments) noexcept {
        for (std::size_t i = 0; i < segments.size(); ++i) {
            octets_[2 * i] = static_cast<std::uint8_t>(segments[i] >> 8);
            octets_[2 * i + 1] = static_cast<std::uint8_t>(segments[i] & 0xff);
        }
    }

    /// Returns `::` or `::1`.
    [[nodiscard]] static constexpr ipv6_addr any() noexcept { return {}; }
    [[nodiscard]] static constexpr ipv6_addr loopback() noexcept {
        return ipv6_addr(segments_type{0, 0, 0, 0, 0, 0, 0, 1});
    }

    /// Parses the forms of RFC 4291, section 2.2. They have eight groups. "::" stands for one or more groups of zeros.
    /// The last two groups may be written as an IPv4 address.
    /// Errors: errc::bad_address.
    [[nodiscard]] static result<ipv6_addr> parse(std::string_view text) noexcept;

    /// Returns the 16 bytes, in network byte order.
    [[nodiscard]] constexpr const octets_type& octets() const noexcept { return octets_; }
    /// Returns the 8 groups, in host byte order.
    [[nodiscard]] constexpr segments_type segments() const noexcept {
        segments_type segments{};
        for (std::size_t i = 0; i < segments.size(); ++i) {
            segments[i] = static_cast<std::uint16_t>(octets_[2 * i] << 8 | octets_[2 * i + 1]);
        }
        return segments;
    }

    /// Returns whether the address is `::`, or `::1`, or in ff00::/8.
    [[nodiscard]] constexpr bool is_unspecified() const noexcept { return *this == any(); }
    [[nodiscard]] constexpr bool is_loopback() const noexcept { return *this == loopback(); }
    [[nodiscard]] constexpr bool is_multicast() const noexcept { return octets_[0] == 0xff; }

    /// Returns the IPv4 address of ::ffff:a.b.c.d, else nullopt. A socket for both protocols reports an IPv4 peer in
    /// this form.
    [[nodiscard]] constexpr std::optional<ipv4_addr> to_ipv4_mapped() const noexcept {
        const auto s = segments();
        if ((s[0] | s[1] | s[2] | s[3] | s[4]) != 0 || s[5] != 0xffff) return std::nullopt;
        return ipv4_addr(octets_[12], octets_[13], octets_[14], octets_[15]);
    }

    /// Returns the text that RFC 5952 recommends. It has lower-case letters, and no leading zeros. "::" replaces the
    /// longest run of two or more zero groups (the first of equal runs). ::ffff:a.b.c.d has decimal numbers.
    [[nodiscard]] std::string to_string() const;

    /// Compares byte by byte.
    friend constexpr auto operator<=>(const ipv6_addr&, const ipv6_addr&) noexcept = default;

private:
    octets_type octets_{};
};

/// An IPv4 address or an IPv6 address.
/// Thread safety: a plain value.
class EDDY_API ip_addr {
public:
    /// The address 0.0.0.0.
    constexpr ip_addr() noexcept = default;
    /// Converts an IPv4 address or an IPv6 address.
    constexpr ip_addr(const ipv4_addr& v4) noexcept {
        for (std::size_t i = 0; i < v4.octets().size(); ++i) octets_[i] = v4.octets()[i];
    }
    constexpr ip_addr(const ipv6_addr& v6) noexcept : kind_(kind::v6), octets_(v6.octets()) {}

    /// Returns 0.0.0.0, 127.0.0.1, `::`, or `::1`.
    [[nodiscard]] static constexpr ip_addr v4_any() noexcept { return ipv4_addr::any(); }
    [[nodiscard]] static constexpr ip_addr v4_loopback() noexcept { return ipv4_addr::loopback(); }
    [[nodiscard]] static constexpr ip_addr v6_any() noexcept { return ipv6_addr::any(); }
    [[nodiscard]] static constexpr ip_addr v6_loopback() noexcept { return ipv6_addr::loopback(); }

    /// Parses the forms of ipv4_addr::parse() and ipv6_addr::parse(). Rejects brackets and scopes.
    /// Errors: errc::bad_address.
    [[nodiscard]] static result<ip_addr> parse(std::string_view text) noexcept;

    /// Returns whether the address is of this version.
    [[nodiscard]] constexpr bool is_ipv4() const noexcept { return kind_ == kind::v4; }
    [[nodiscard]] constexpr bool is_ipv6() const noexcept { return kind_ == kind::v6; }

    /// Returns the IPv4 address, or nullopt for an IPv6 address. A mapped address (::ffff:a.b.c.d) is an IPv6 address:
    /// see ipv6_addr::to_ipv4_mapped().
    [[nodiscard]] constexpr std::optional<ipv4_addr> as_v4() const noexcept {
        return is_ipv4() ? std::optional(v4()) : std::nullopt;
    }
    /// Returns the IPv6 address, or nullopt for an IPv4 address.
    [[nodiscard]] constexpr std::optional<ipv6_addr> as_v6() const noexcept {
        return is_ipv6() ? std::optional(v6()) : std::nullopt;
    }

    /// Same as the functions of the same names in ipv4_addr and ipv6_addr.
    [[nodiscard]] constexpr bool is_unspecified() const noexcept { return octets_ == ipv6_addr::octets_type{}; }
    [[nodiscard]] constexpr bool is_loopback() const noexcept {
        return is_ipv4() ? v4().is_loopback() : v6().is_loopback();
    }
    [[nodiscard]] constexpr bool is_multicast() const noexcept {
        return is_ipv4() ? v4().is_multicast() : v6().is_multicast();
    }

    /// Returns the text of the IPv4 address or the IPv6 address.
    [[nodiscard]] std::string to_string() const;

    /// Orders IPv4 addresses before IPv6 addresses.
    friend constexpr auto operator<=>(const ip_addr&, const ip_addr&) noexcept = default;

private:
    enum class kind : std::uint8_t { v4, v6 };

    [[nodiscard]] constexpr ipv4_addr v4() const noexcept { return {octets_[0], octets_[1], octets_[2], octets_[3]}; }
    [[nodiscard]] constexpr ipv6_addr v6() const noexcept { return ipv6_addr(octets_); }

    kind kind_ = kind::v4;
    ipv6_addr::octets_type octets_{};  // an IPv4 address uses the first four bytes; the other bytes are zero
};

/// The address of a socket: an IP address and a port.
/// Thread safety: a plain value.
class EDDY_API socket_addr {
public:
    /// The address 0.0.0.0:0.
    constexpr socket_addr() noexcept = default;
    /// Makes an address without flow information and scope.
    constexpr socket_addr(const ip_addr& ip, std::uint16_t port) noexcept : ip_(ip), port_(port) {}

    /// Makes an IPv6 address. `flowinfo` is the flow label and traffic class of RFC 3493 in host byte order. `scope_id`
    /// is the interface index of a link-local address.
    constexpr socket_addr(const ipv6_addr& ip, std::uint16_t port, std::uint32_t flowinfo,
                          std::uint32_t scope_id) noexcept
        : ip_(ip), port_(port), flowinfo_(flowinfo), scope_id_(scope_id) {}

    /// Parses "1.2.3.4:80", "[::1]:80", "[fe80::1%3]:80", and "[fe80::1%eth0]:80" if that interface exists. Does not
    /// look up host names.
    /// Errors: errc::bad_address.
    /// Cost: no allocation. No system call, except for the name of an interface.
    [[nodiscard]] static result<socket_addr> parse(std::string_view text) noexcept;

    /// Returns the IP address.
    [[nodiscard]] constexpr const ip_addr& ip() const noexcept { return ip_; }
    /// Returns or sets the port, in host byte order.
    [[nodiscard]] constexpr std::uint16_t port() const noexcept { return port_; }
    constexpr void set_port(std::uint16_t port) noexcept { port_ = port; }
    /// Returns whether the IP address is of this version.
    [[nodiscard]] constexpr bool is_ipv4() const noexcept { return ip_.is_ipv4(); }
    [[nodiscard]] constexpr bool is_ipv6() const noexcept { return ip_.is_ipv6(); }

    /// Returns the flow label and traffic class. 0 if there is none, and for IPv4.
    [[nodiscard]] constexpr std::uint32_t flowinfo() const noexcept { return flowinfo_; }
    /// Returns the interface index. 0 if there is none, and for IPv4.
    [[nodiscard]] constexpr std::uint32_t scope_id() const noexcept { return scope_id_; }

    /// Returns text that parse() converts to the same address, except for flowinfo(), which has no text form.
    [[nodiscard]] std::string to_string() const;

    /// Compares the IP addresses, then the ports, then flowinfo() and scope_id().
    friend constexpr auto operator<=>(const socket_addr&, const socket_addr&) noexcept = default;

private:
    ip_addr ip_;
    std::uint16_t port_ = 0;
    std::uint32_t flowinfo_ = 0;
    std::uint32_t scope_id_ = 0;
};

/// Writes the text of an address, as to_string() returns it. Also for ipv4_addr and ipv6_addr. Include the header
/// `ostream`.
EDDY_API std::ostream& operator<<(std::ostream& to, const ip_addr& addr);
EDDY_API std::ostream& operator<<(std::ostream& to, const socket_addr& addr);

}  // namespace eddy::net

/// Hashes an ipv4_addr.
template <>
struct std::hash<eddy::net::ipv4_addr> {
    std::size_t operator()(const eddy::net::ipv4_addr& addr) const noexcept;
};
/// Hashes an ipv6_addr.
template <>
struct std::hash<eddy::net::ipv6_addr> {
    std::size_t operator()(const eddy::net::ipv6_addr& addr) const noexcept;
};
/// Hashes an ip_addr.
template <>
struct std::hash<eddy::net::ip_addr> {
    std::size_t operator()(const eddy::net::ip_addr& addr) const noexcept;
};
/// Hashes a socket_addr.
template <>
struct std::hash<eddy::net::socket_addr> {
    std::size_t operator()(const eddy::net::socket_addr& addr) const noexcept;
};

#ifdef __cpp_lib_format
/// Formats an ipv4_addr as to_string() does, with the options of a string: `std::format("{:>24}", addr)`.
template <>
struct std::formatter<eddy::net::ipv4_addr> : eddy::detail::text_formatter<eddy::net::ipv4_addr> {};
/// Formats an ipv6_addr as to_string() does, with the options of a string: `std::format("{:>24}", addr)`.
template <>
struct std::formatter<eddy::net::ipv6_addr> : eddy::detail::text_formatter<eddy::net::ipv6_addr> {};
/// Formats an ip_addr as to_string() does, with the options of a string: `std::format("{:>24}", addr)`.
template <>
struct std::formatter<eddy::net::ip_addr> : eddy::detail::text_formatter<eddy::net::ip_addr> {};
/// Formats a socket_addr as to_string() does, with the options of a string: `std::format("{:>24}", addr)`.
template <>
struct std::formatter<eddy::net::socket_addr> : eddy::detail::text_formatter<eddy::net::socket_addr> {};
#endif
