// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>

namespace eddy::io {

/// What somebody wants to hear about a source: a set of directions that is never empty. Combine them with `|`:
/// `interest::readable | interest::writable`. What the system answers is an `io::ready`.
class interest {
public:
    static const interest readable;  ///< bytes to read, a connection to accept, or the end of the stream
    static const interest writable;  ///< room to write, or a finished connect
    static const interest priority;  ///< out-of-band data: an urgent byte on TCP, POLLPRI of poll(2) elsewhere

    [[nodiscard]] constexpr bool is_readable() const noexcept { return (bits_ & readable_bit) != 0; }
    [[nodiscard]] constexpr bool is_writable() const noexcept { return (bits_ & writable_bit) != 0; }
    [[nodiscard]] constexpr bool is_priority() const noexcept { return (bits_ & priority_bit) != 0; }

    /// Whether all of `other` is in this set.
    [[nodiscard]] constexpr bool contains(interest other) const noexcept {
        return (bits_ & other.bits_) == other.bits_;
    }

    /// This set and `other` together; the same as `*this | other`.
    [[nodiscard]] constexpr interest add(interest other) const noexcept { return interest(bits_ | other.bits_); }

    /// This set without `other`; nothing if that would leave it empty.
    [[nodiscard]] constexpr std::optional<interest> remove(interest other) const noexcept {
        const std::uint8_t rest = bits_ & static_cast<std::uint8_t>(~other.bits_);
        return rest == 0 ? std::nullopt : std::optional(interest(rest));
    }

    /// One bit a direction, with the values that `io::ready` gives to the same directions.
    [[nodiscard]] constexpr std::uint8_t bits() const noexcept { return bits_; }

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
