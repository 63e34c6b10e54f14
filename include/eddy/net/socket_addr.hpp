// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include <eddy/detail/export.hpp>
#include <eddy/result.hpp>

/// Addresses of the Internet protocols, as plain values: compared, ordered (IPv4 before IPv6), hashed, and read from
/// and written as text. Reading is strict: it takes the forms that the standards describe and nothing around them,
/// neither spaces nor leading zeros ("010" is ten to some programs and eight to others).
namespace eddy::net {

/// An IPv4 address: 127.0.0.1.
class EDDY_API ipv4_addr {
public:
    using octets_type = std::array<std::uint8_t, 4>;

    /// 0.0.0.0
    constexpr ipv4_addr() noexcept = default;
    constexpr ipv4_addr(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) noexcept
        : octets_{a, b, c, d} {}
    constexpr explicit ipv4_addr(const octets_type& octets) noexcept : octets_(octets) {}

    [[nodiscard]] static constexpr ipv4_addr any() noexcept { return {}; }
    [[nodiscard]] static constexpr ipv4_addr loopback() noexcept { return {127, 0, 0, 1}; }
    [[nodiscard]] static constexpr ipv4_addr broadcast() noexcept { return {255, 255, 255, 255}; }

    /// Reads four decimal numbers with dots between them.
    /// Errors: errc::bad_address.
    [[nodiscard]] static result<ipv4_addr> parse(std::string_view text) noexcept;

    [[nodiscard]] constexpr const octets_type& octets() const noexcept { return octets_; }
    [[nodiscard]] constexpr bool is_unspecified() const noexcept { return *this == any(); }
    [[nodiscard]] constexpr bool is_loopback() const noexcept { return octets_[0] == 127; }
    [[nodiscard]] constexpr bool is_multicast() const noexcept { return octets_[0] >= 224 && octets_[0] < 240; }
    [[nodiscard]] constexpr bool is_broadcast() const noexcept { return *this == broadcast(); }

    [[nodiscard]] std::string to_string() const;

    friend constexpr auto operator<=>(const ipv4_addr&, const ipv4_addr&) noexcept = default;

private:
    octets_type octets_{};
};

/// An IPv6 address: 2001:db8::1. Which interface a link-local one belongs to is said by the socket_addr.
class EDDY_API ipv6_addr {
public:
    using octets_type = std::array<std::uint8_t, 16>;
    using segments_type = std::array<std::uint16_t, 8>;

    /// ::
    constexpr ipv6_addr() noexcept = default;
    constexpr explicit ipv6_addr(const octets_type& octets) noexcept : octets_(octets) {}
    constexpr explicit ipv6_addr(const segments_type& segments) noexcept {
        for (std::size_t i = 0; i < segments.size(); ++i) {
            octets_[2 * i] = static_cast<std::uint8_t>(segments[i] >> 8);
            octets_[2 * i + 1] = static_cast<std::uint8_t>(segments[i] & 0xff);
        }
    }

    [[nodiscard]] static constexpr ipv6_addr any() noexcept { return {}; }
    [[nodiscard]] static constexpr ipv6_addr loopback() noexcept {
        return ipv6_addr(segments_type{0, 0, 0, 0, 0, 0, 0, 1});
    }

    /// Reads the three forms of RFC 4291, 2.2: eight groups, "::" for one or more groups of zeros, and an IPv4 address
    /// in place of the last two groups. Errors: errc::bad_address.
    [[nodiscard]] static result<ipv6_addr> parse(std::string_view text) noexcept;

    [[nodiscard]] constexpr const octets_type& octets() const noexcept { return octets_; }
    [[nodiscard]] constexpr segments_type segments() const noexcept {
        segments_type segments{};
        for (std::size_t i = 0; i < segments.size(); ++i) {
            segments[i] = static_cast<std::uint16_t>(octets_[2 * i] << 8 | octets_[2 * i + 1]);
        }
        return segments;
    }

    [[nodiscard]] constexpr bool is_unspecified() const noexcept { return *this == any(); }
    [[nodiscard]] constexpr bool is_loopback() const noexcept { return *this == loopback(); }
    [[nodiscard]] constexpr bool is_multicast() const noexcept { return octets_[0] == 0xff; }

    /// The IPv4 address of ::ffff:a.b.c.d, which is how a socket for both protocols shows an IPv4 peer.
    [[nodiscard]] constexpr std::optional<ipv4_addr> to_ipv4_mapped() const noexcept {
        const auto s = segments();
        if ((s[0] | s[1] | s[2] | s[3] | s[4]) != 0 || s[5] != 0xffff) return std::nullopt;
        return ipv4_addr(octets_[12], octets_[13], octets_[14], octets_[15]);
    }

    /// The one form that RFC 5952 recommends: small letters, no leading zeros, "::" for the longest run of two or more
    /// zero groups (the first of equals), and the last part of ::ffff:a.b.c.d in decimals.
    [[nodiscard]] std::string to_string() const;

    friend constexpr auto operator<=>(const ipv6_addr&, const ipv6_addr&) noexcept = default;

private:
    octets_type octets_{};
};

/// An address of either kind.
class EDDY_API ip_addr {
public:
    /// 0.0.0.0
    constexpr ip_addr() noexcept = default;
    constexpr ip_addr(const ipv4_addr& v4) noexcept {
        for (std::size_t i = 0; i < v4.octets().size(); ++i) octets_[i] = v4.octets()[i];
    }
    constexpr ip_addr(const ipv6_addr& v6) noexcept : kind_(kind::v6), octets_(v6.octets()) {}

    [[nodiscard]] static constexpr ip_addr v4_any() noexcept { return ipv4_addr::any(); }
    [[nodiscard]] static constexpr ip_addr v4_loopback() noexcept { return ipv4_addr::loopback(); }
    [[nodiscard]] static constexpr ip_addr v6_any() noexcept { return ipv6_addr::any(); }
    [[nodiscard]] static constexpr ip_addr v6_loopback() noexcept { return ipv6_addr::loopback(); }

    /// Reads what either of ipv4_addr::parse() and ipv6_addr::parse() reads: no brackets, no scope.
    /// Errors: errc::bad_address.
    [[nodiscard]] static result<ip_addr> parse(std::string_view text) noexcept;

    [[nodiscard]] constexpr bool is_ipv4() const noexcept { return kind_ == kind::v4; }
    [[nodiscard]] constexpr bool is_ipv6() const noexcept { return kind_ == kind::v6; }

    /// The IPv4 address, if it is one. A mapped one (::ffff:a.b.c.d) is not: see ipv6_addr::to_ipv4_mapped().
    [[nodiscard]] constexpr std::optional<ipv4_addr> as_v4() const noexcept {
        return is_ipv4() ? std::optional(v4()) : std::nullopt;
    }
    [[nodiscard]] constexpr std::optional<ipv6_addr> as_v6() const noexcept {
        return is_ipv6() ? std::optional(v6()) : std::nullopt;
    }

    [[nodiscard]] constexpr bool is_unspecified() const noexcept { return octets_ == ipv6_addr::octets_type{}; }
    [[nodiscard]] constexpr bool is_loopback() const noexcept {
        return is_ipv4() ? v4().is_loopback() : v6().is_loopback();
    }
    [[nodiscard]] constexpr bool is_multicast() const noexcept {
        return is_ipv4() ? v4().is_multicast() : v6().is_multicast();
    }

    /// The same text as of the address inside.
    [[nodiscard]] std::string to_string() const;

    friend constexpr auto operator<=>(const ip_addr&, const ip_addr&) noexcept = default;

private:
    enum class kind : std::uint8_t { v4, v6 };

    [[nodiscard]] constexpr ipv4_addr v4() const noexcept { return {octets_[0], octets_[1], octets_[2], octets_[3]}; }
    [[nodiscard]] constexpr ipv6_addr v6() const noexcept { return ipv6_addr(octets_); }

    kind kind_ = kind::v4;
    ipv6_addr::octets_type octets_{};  // an IPv4 address takes the first four, and the others are zero
};

/// Where a socket is bound or connected to: an address and a port.
class EDDY_API socket_addr {
public:
    /// 0.0.0.0:0
    constexpr socket_addr() noexcept = default;
    constexpr socket_addr(const ip_addr& ip, std::uint16_t port) noexcept : ip_(ip), port_(port) {}

    /// An IPv6 address with what else IPv6 knows: the flow label and traffic class of RFC 3493 (in the machine's own
    /// byte order), and the number of the interface that a link-local address belongs to.
    constexpr socket_addr(const ipv6_addr& ip, std::uint16_t port, std::uint32_t flowinfo,
                          std::uint32_t scope_id) noexcept
        : ip_(ip), port_(port), flowinfo_(flowinfo), scope_id_(scope_id) {}

    /// Reads "1.2.3.4:80", "[::1]:80", "[fe80::1%3]:80", and "[fe80::1%eth0]:80" if there is such an interface. Host
    /// names are not looked up. Errors: errc::bad_address. Cost: no allocation; no system call, but for the name of an
    /// interface.
    [[nodiscard]] static result<socket_addr> parse(std::string_view text) noexcept;

    [[nodiscard]] constexpr const ip_addr& ip() const noexcept { return ip_; }
    [[nodiscard]] constexpr std::uint16_t port() const noexcept { return port_; }
    constexpr void set_port(std::uint16_t port) noexcept { port_ = port; }
    [[nodiscard]] constexpr bool is_ipv4() const noexcept { return ip_.is_ipv4(); }
    [[nodiscard]] constexpr bool is_ipv6() const noexcept { return ip_.is_ipv6(); }

    /// 0 if there is none, and for IPv4.
    [[nodiscard]] constexpr std::uint32_t flowinfo() const noexcept { return flowinfo_; }
    /// The number of the interface; 0 if there is none, and for IPv4.
    [[nodiscard]] constexpr std::uint32_t scope_id() const noexcept { return scope_id_; }

    /// Text that parse() reads as the same address, except for flowinfo(), which has no written form.
    [[nodiscard]] std::string to_string() const;

    friend constexpr auto operator<=>(const socket_addr&, const socket_addr&) noexcept = default;

private:
    ip_addr ip_;
    std::uint16_t port_ = 0;
    std::uint32_t flowinfo_ = 0;
    std::uint32_t scope_id_ = 0;
};

}  // namespace eddy::net

template <>
struct std::hash<eddy::net::ipv4_addr> {
    std::size_t operator()(const eddy::net::ipv4_addr& addr) const noexcept;
};
template <>
struct std::hash<eddy::net::ipv6_addr> {
    std::size_t operator()(const eddy::net::ipv6_addr& addr) const noexcept;
};
template <>
struct std::hash<eddy::net::ip_addr> {
    std::size_t operator()(const eddy::net::ip_addr& addr) const noexcept;
};
template <>
struct std::hash<eddy::net::socket_addr> {
    std::size_t operator()(const eddy::net::socket_addr& addr) const noexcept;
};
