// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>

namespace eddy::io {

/// The conditions that a caller waits for: a set that is never empty. Combine conditions with `|`:
/// `interest::readable | interest::writable`. The system reports conditions as an `io::ready`.
/// Thread safety: a plain value.
class interest {
public:
    static const interest readable;  ///< bytes to read, a connection to accept, or the end of the stream
    static const interest writable;  ///< spare capacity to write, or a finished connect
    static const interest priority;  ///< out-of-band data: urgent bytes of TCP, or POLLPRI of poll(2)

    /// Returns whether this set contains the condition.
    [[nodiscard]] constexpr bool is_readable() const noexcept { return (bits_ & readable_bit) != 0; }
    [[nodiscard]] constexpr bool is_writable() const noexcept { return (bits_ & writable_bit) != 0; }
    [[nodiscard]] constexpr bool is_priority() const noexcept { return (bits_ & priority_bit) != 0; }

    /// Returns whether this set contains all conditions of `other`.
    [[nodiscard]] constexpr bool contains(interest other) const noexcept {
        return (bits_ & other.bits_) == other.bits_;
    }

    /// Returns the union of this set and `other`. Same as `*this | other`.
    [[nodiscard]] constexpr interest add(interest other) const noexcept { return interest(bits_ | other.bits_); }

    /// Returns this set without `other`, or nullopt if that set would be empty.
    [[nodiscard]] constexpr std::optional<interest> remove(interest other) const noexcept {
        const std::uint8_t rest = bits_ & static_cast<std::uint8_t>(~other.bits_);
        return rest == 0 ? std::nullopt : std::optional(interest(rest));
    }

    /// Returns the set as bits. A condition has the same bit here and in `io::ready`.
    [[nodiscard]] constexpr std::uint8_t bits() const noexcept { return bits_; }

    /// Set union and comparison.
    friend constexpr interest operator|(interest a, interest b) noexcept { return a.add(b); }
    constexpr interest& operator|=(interest other) noexcept { return *this = add(other); }
    friend constexpr bool operator==(interest, interest) noexcept = default;

private:
    enum : std::uint8_t { readable_bit = 1, writable_bit = 2, priority_bit = 32 };

    constexpr explicit interest(int bits) noexcept : bits_(static_cast<std::uint8_t>(bits)) {}

    std::uint8_t bits_;
};

inline constexpr interest interest::readable{readable_bit};
inline constexpr interest interest::writable{writable_bit};
inline constexpr interest interest::priority{priority_bit};

}  // namespace eddy::io
