// SPDX-License-Identifier: MIT
#include <eddy/net/socket_addr.hpp>

#include <algorithm>
#include <bit>
#include <charconv>
#include <concepts>
#include <optional>
#include <ostream>
#include <span>

#include <eddy/error.hpp>

#include "sys/interface_index.hpp"

namespace eddy::net {
namespace {

// ---- Reading ----
// Does not use inet_pton(3): it accepts different text on different systems and requires a terminated string.

/// The unread text. The take_* functions advance only if they find what they look for.
class cursor {
public:
    explicit cursor(std::string_view text) noexcept : rest_(text) {}

    [[nodiscard]] bool at_end() const noexcept { return rest_.empty(); }

    bool take(std::string_view expected) noexcept {
        if (!rest_.starts_with(expected)) return false;
        rest_.remove_prefix(expected.size());
        return true;
    }

    /// Takes everything before the first `end`. Returns nothing if there is no `end`.
    std::optional<std::string_view> take_until(char end) noexcept {
        const auto size = rest_.find(end);
        if (size == rest_.npos) return std::nullopt;
        const auto taken = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return taken;
    }

    /// Takes an unsigned number of at most `max_digits` digits that fits into a T. Leaves further digits.
    template <std::unsigned_integral T>
    std::optional<T> take_number(int base, std::size_t max_digits) noexcept {
        const auto digits = rest_.substr(0, max_digits);
        T value{};
        // For an unsigned type, from_chars() accepts no sign. It never accepts a space or "0x".
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
        if (error != std::errc()) return std::nullopt;
        rest_.remove_prefix(static_cast<std::size_t>(end - digits.data()));
        return value;
    }

    [[nodiscard]] bool starts_with_leading_zero() const noexcept {
        return rest_.size() >= 2 && rest_[0] == '0' && rest_[1] >= '0' && rest_[1] <= '9';
    }

private:
    std::string_view rest_;
};

std::optional<ipv4_addr> read_v4(cursor& text) noexcept {
    cursor ahead = text;
    ipv4_addr::octets_type octets{};
    for (std::size_t i = 0; i < octets.size(); ++i) {
        if (i != 0 && !ahead.take(".")) return std::nullopt;
        if (ahead.starts_with_leading_zero()) return std::nullopt;
        const auto octet = ahead.take_number<std::uint8_t>(10, 3);
        if (!octet) return std::nullopt;
        octets[i] = *octet;
    }
    text = ahead;
    return ipv4_addr(octets);
}

/// The groups of an IPv6 address on both sides of its "::".
class group_list {
public:
    [[nodiscard]] bool is_full() const noexcept { return size_ == groups_.size(); }
    [[nodiscard]] bool has_room_for_v4() const noexcept { return size_ + 2 <= groups_.size(); }

    void push(std::uint16_t group) noexcept { groups_[size_++] = group; }
    void push(const ipv4_addr& v4) noexcept {
        const auto& octets = v4.octets();
        push(static_cast<std::uint16_t>(octets[0] << 8 | octets[1]));
        push(static_cast<std::uint16_t>(octets[2] << 8 | octets[3]));
    }

    /// Records a "::" here. Returns false if there already is one.
    bool open_gap() noexcept {
        if (gap_) return false;
        gap_ = size_;
        return true;
    }

    /// Returns the address if there are eight groups, or fewer groups and a "::".
    [[nodiscard]] std::optional<ipv6_addr> finish() noexcept {
        if (is_full() == gap_.has_value()) return std::nullopt;
        // The groups behind size_ are zero. The rotation moves them into the gap, because "::" stands for them.
        if (gap_) std::rotate(groups_.begin() + *gap_, groups_.begin() + size_, groups_.end());
        return ipv6_addr(groups_);
    }

private:
    ipv6_addr::segments_type groups_{};
    std::size_t size_ = 0;
    std::optional<std::size_t> gap_;
};

std::optional<ipv6_addr> read_v6(cursor& text) noexcept {
    group_list groups;
    bool may_end = text.take("::") && groups.open_gap();
    while (!groups.is_full()) {
        if (groups.has_room_for_v4()) {
            if (const auto v4 = read_v4(text)) {
                groups.push(*v4);
                break;
            }
        }
        const auto group = text.take_number<std::uint16_t>(16, 4);
        if (!group && !may_end) return std::nullopt;
        if (!group) break;
        groups.push(*group);

        if (text.take("::")) {
            if (!groups.open_gap()) return std::nullopt;
            may_end = true;
        } else if (text.take(":")) {
            may_end = false;
        } else {
            break;
        }
    }
    return groups.finish();
}

std::optional<ip_addr> read_ip(cursor& text) noexcept {
    if (const auto v4 = read_v4(text)) return *v4;
    return read_v6(text);
}

/// Returns the index of an interface. `name` is the index in decimal, or the interface's name.
std::optional<std::uint32_t> scope_of(std::string_view name) noexcept {
    cursor text(name);
    if (const auto number = text.take_number<std::uint32_t>(10, name.size()); number && text.at_end()) return number;

    return sys::interface_index(name);
}

std::optional<std::uint16_t> read_port(cursor& text) noexcept {
    if (!text.take(":")) return std::nullopt;
    return text.take_number<std::uint16_t>(10, 5);
}

std::optional<socket_addr> read_v4_socket(cursor& text) noexcept {
    const auto ip = read_v4(text);
    if (!ip) return std::nullopt;
    const auto port = read_port(text);
    if (!port) return std::nullopt;
    return socket_addr(*ip, *port);
}

std::optional<socket_addr> read_v6_socket(cursor& text) noexcept {
    if (!text.take("[")) return std::nullopt;
    const auto ip = read_v6(text);
    if (!ip) return std::nullopt;

    std::optional<std::uint32_t> scope = 0;
    if (text.take("%")) scope = scope_of(text.take_until(']').value_or(""));
    if (!scope || !text.take("]")) return std::nullopt;

    const auto port = read_port(text);
    if (!port) return std::nullopt;
    return socket_addr(*ip, *port, 0, *scope);
}

/// Returns the value that `read` parses, if it consumes all of `text`.
template <class T>
result<T> read_all(std::string_view text, std::optional<T> (*read)(cursor&) noexcept) noexcept {
    cursor rest(text);
    if (const auto value = read(rest); value && rest.at_end()) return *value;
    return std::unexpected(make_error_code(errc::bad_address));
}

// ---- Writing ----

void append_number(std::string& to, std::uint32_t number, int base = 10) {
    std::array<char, 10> digits;
    const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), number, base);
    to.append(digits.data(), end);
}

void append_v4(std::string& to, const ipv4_addr& v4) {
    for (std::size_t i = 0; i < v4.octets().size(); ++i) {
        if (i != 0) to += '.';
        append_number(to, v4.octets()[i]);
    }
}

struct zero_run {
    std::size_t begin = 0;
    std::size_t size = 0;
};

/// Returns the longest run of zero groups; if there are several, the first one.
zero_run longest_zero_run(const ipv6_addr::segments_type& segments) noexcept {
    zero_run longest, current;
    for (std::size_t i = 0; i < segments.size(); ++i) {
        current = segments[i] != 0 ? zero_run{i + 1, 0} : zero_run{current.begin, current.size + 1};
        if (current.size > longest.size) longest = current;
    }
    return longest;
}

void append_groups(std::string& to, std::span<const std::uint16_t> groups) {
    for (std::size_t i = 0; i < groups.size(); ++i) {
        if (i != 0) to += ':';
        append_number(to, groups[i], 16);
    }
}

void append_v6(std::string& to, const ipv6_addr& v6) {
    if (const auto v4 = v6.to_ipv4_mapped()) {
        to += "::ffff:";
        return append_v4(to, *v4);
    }
    const auto segments = v6.segments();
    const std::span groups(segments);
    const auto zeros = longest_zero_run(segments);
    // RFC 5952, 4.2.2: "::" must not replace a single group of zeros.
    if (zeros.size < 2) return append_groups(to, groups);
    append_groups(to, groups.first(zeros.begin));
    to += "::";
    append_groups(to, groups.subspan(zeros.begin + zeros.size));
}

// ---- Hashing ----

/// One round of mixing. The multiplier is 2^64 divided by the golden ratio (Knuth, TAOCP 3, 6.4).
std::uint64_t mix(std::uint64_t hash, std::uint64_t value) noexcept {
    hash = (hash ^ value) * 0x9e3779b97f4a7c15;
    return hash ^ hash >> 32;
}

std::uint64_t mix(std::uint64_t hash, const ipv6_addr& v6) noexcept {
    const auto halves = std::bit_cast<std::array<std::uint64_t, 2>>(v6.octets());
    return mix(mix(hash, halves[0]), halves[1]);
}

std::uint64_t mix(std::uint64_t hash, const ip_addr& ip) noexcept {
    if (const auto v6 = ip.as_v6()) return mix(hash, *v6);
    return mix(hash, std::bit_cast<std::uint32_t>(ip.as_v4()->octets()));
}

}  // namespace

result<ipv4_addr> ipv4_addr::parse(std::string_view text) noexcept { return read_all(text, read_v4); }

result<ipv6_addr> ipv6_addr::parse(std::string_view text) noexcept { return read_all(text, read_v6); }

result<ip_addr> ip_addr::parse(std::string_view text) noexcept { return read_all(text, read_ip); }

result<socket_addr> socket_addr::parse(std::string_view text) noexcept {
    return read_all(text, text.starts_with('[') ? read_v6_socket : read_v4_socket);
}

std::string ipv4_addr::to_string() const {
    std::string text;
    append_v4(text, *this);
    return text;
}

std::string ipv6_addr::to_string() const {
    std::string text;
    append_v6(text, *this);
    return text;
}

std::string ip_addr::to_string() const { return is_ipv4() ? v4().to_string() : v6().to_string(); }

std::string socket_addr::to_string() const {
    std::string text;
    if (const auto v4 = ip_.as_v4()) {
        append_v4(text, *v4);
    } else {
        text += '[';
        append_v6(text, *ip_.as_v6());
        if (scope_id_ != 0) append_number(text += '%', scope_id_);
        text += ']';
    }
    append_number(text += ':', port_);
    return text;
}

std::ostream& operator<<(std::ostream& to, const ip_addr& addr) { return to << addr.to_string(); }
std::ostream& operator<<(std::ostream& to, const socket_addr& addr) { return to << addr.to_string(); }

}  // namespace eddy::net

namespace net = eddy::net;

std::size_t std::hash<net::ipv4_addr>::operator()(const net::ipv4_addr& addr) const noexcept {
    return net::mix(0, net::ip_addr(addr));
}

std::size_t std::hash<net::ipv6_addr>::operator()(const net::ipv6_addr& addr) const noexcept {
    return net::mix(0, addr);
}

std::size_t std::hash<net::ip_addr>::operator()(const net::ip_addr& addr) const noexcept { return net::mix(0, addr); }

std::size_t std::hash<net::socket_addr>::operator()(const net::socket_addr& addr) const noexcept {
    const auto rest = std::uint64_t{addr.scope_id()} << 16 | addr.port();
    return net::mix(net::mix(net::mix(0, addr.ip()), rest), addr.flowinfo());
}
