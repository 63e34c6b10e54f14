// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <eddy/io/interest.hpp>

namespace eddy::io {

/// The conditions that the system reported for a source: a set, possibly empty. A condition means that a call is worth
/// trying. It does not guarantee that the call succeeds.
/// Thread safety: a plain value.
class ready {
public:
    /// The empty set.
    static const ready none;
    static const ready readable;      ///< bytes to read, or a connection to accept
    static const ready writable;      ///< spare capacity to write, or a finished connect
    static const ready read_closed;   ///< no bytes will arrive after those that are already here
    static const ready write_closed;  ///< bytes that are written will not arrive
    static const ready error;         ///< the socket has a pending error, which the next call reports
    static const ready priority;      ///< out-of-band data
    /// The set of all conditions.
    static const ready all;

    /// The empty set.
    constexpr ready() noexcept = default;

    /// Makes a set from bits(). Ignores unknown bits.
    [[nodiscard]] static constexpr ready from_bits(std::uint8_t bits) noexcept { return ready(bits & all_bits); }

    /// Returns the conditions that end a wait for `wanted`: the conditions themselves, the closed states of their
    /// directions, and `error`, which ends every wait. Out-of-band data belongs to the reading direction.
    [[nodiscard]] static constexpr ready mask_of(interest wanted) noexcept;

    /// Returns the set as bits.
    [[nodiscard]] constexpr std::uint8_t bits() const noexcept { return bits_; }
    /// Returns whether the set is empty.
    [[nodiscard]] constexpr bool is_empty() const noexcept { return bits_ == 0; }

    /// Returns whether a read is worth trying: it will return bytes, or report the end of the stream.
    [[nodiscard]] constexpr bool is_readable() const noexcept { return has(readable_bit | read_closed_bit); }
    /// Returns whether a write is worth trying: it will take bytes, or report that the stream is closed.
    [[nodiscard]] constexpr bool is_writable() const noexcept { return has(writable_bit | write_closed_bit); }
    /// Returns whether the set contains the condition.
    [[nodiscard]] constexpr bool is_read_closed() const noexcept { return has(read_closed_bit); }
    [[nodiscard]] constexpr bool is_write_closed() const noexcept { return has(write_closed_bit); }
    [[nodiscard]] constexpr bool is_error() const noexcept { return has(error_bit); }
    [[nodiscard]] constexpr bool is_priority() const noexcept { return has(priority_bit); }

    /// Returns whether this set contains all conditions of `other`.
    [[nodiscard]] constexpr bool contains(ready other) const noexcept { return (bits_ & other.bits_) == other.bits_; }
    /// Returns whether this set contains any condition of `other`.
    [[nodiscard]] constexpr bool intersects(ready other) const noexcept { return has(other.bits_); }
    /// Returns whether a caller that waits for `wanted` should try again now.
    [[nodiscard]] constexpr bool satisfies(interest wanted) const noexcept { return has(mask_of(wanted).bits_); }

    /// Set union and intersection.
    friend constexpr ready operator|(ready a, ready b) noexcept { return ready(a.bits_ | b.bits_); }
    friend constexpr ready operator&(ready a, ready b) noexcept { return ready(a.bits_ & b.bits_); }
    /// Returns the conditions of `a` that are not in `b`.
    friend constexpr ready operator-(ready a, ready b) noexcept { return ready(a.bits_ & ~b.bits_); }
    /// Same as above, but changes this set.
    constexpr ready& operator|=(ready other) noexcept { return *this = *this | other; }
    constexpr ready& operator&=(ready other) noexcept { return *this = *this & other; }
    constexpr ready& operator-=(ready other) noexcept { return *this = *this - other; }
    friend constexpr bool operator==(ready, ready) noexcept = default;

private:
    enum : std::uint8_t {
        readable_bit = 1,
        writable_bit = 2,
        read_closed_bit = 4,
        write_closed_bit = 8,
        error_bit = 16,
        priority_bit = 32,
        all_bits = 63
    };

    constexpr explicit ready(int bits) noexcept : bits_(static_cast<std::uint8_t>(bits)) {}
    [[nodiscard]] constexpr bool has(int mask) const noexcept { return (bits_ & mask) != 0; }

    std::uint8_t bits_ = 0;
};

inline constexpr ready ready::none{0};
inline constexpr ready ready::readable{readable_bit};
inline constexpr ready ready::writable{writable_bit};
inline constexpr ready ready::read_closed{read_closed_bit};
inline constexpr ready ready::write_closed{write_closed_bit};
inline constexpr ready ready::error{error_bit};
inline constexpr ready ready::priority{priority_bit};
inline constexpr ready ready::all{all_bits};

// ---- Implementation ----

// mask_of() uses the bits of an interest as the bits of the conditions with the same names.
static_assert(interest::readable.bits() == ready::readable.bits());
static_assert(interest::writable.bits() == ready::writable.bits());
static_assert(interest::priority.bits() == ready::priority.bits());

constexpr ready ready::mask_of(interest wanted) noexcept {
    ready mask = ready(wanted.bits()) | error;
    if (wanted.is_readable() || wanted.is_priority()) mask |= read_closed;
    if (wanted.is_writable()) mask |= write_closed;
    return mask;
}

}  // namespace eddy::io
