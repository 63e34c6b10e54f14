// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <eddy/io/interest.hpp>

namespace eddy::io {

/// What the system said about a source: a set of conditions, possibly empty. Each is a hint that a call is worth
/// trying, not a promise that it will succeed.
class ready {
public:
    static const ready none;
    static const ready readable;      ///< there is something to read or to accept
    static const ready writable;      ///< there is room to write, or a connect has finished
    static const ready read_closed;   ///< no more bytes will come than those that are here already
    static const ready write_closed;  ///< nothing that is written will arrive
    static const ready error;         ///< an error is waiting in the socket: the next call reports it
    static const ready priority;      ///< there is out-of-band data
    static const ready all;

    constexpr ready() noexcept = default;

    /// The set that `bits()` came from. Bits without a meaning are dropped.
    [[nodiscard]] static constexpr ready from_bits(std::uint8_t bits) noexcept { return ready(bits & all_bits); }

    /// What ends a wait for `wanted`: the conditions themselves, the closing of their side, and an error, since that
    /// wakes every direction. (Out-of-band data belongs to the reading side.)
    [[nodiscard]] static constexpr ready mask_of(interest wanted) noexcept;

    [[nodiscard]] constexpr std::uint8_t bits() const noexcept { return bits_; }
    [[nodiscard]] constexpr bool is_empty() const noexcept { return bits_ == 0; }

    /// Whether a read is worth trying: there are bytes, or it will report the end of the stream.
    [[nodiscard]] constexpr bool is_readable() const noexcept { return has(readable_bit | read_closed_bit); }
    /// Whether a write is worth trying: there is room, or it will report that the stream is closed.
    [[nodiscard]] constexpr bool is_writable() const noexcept { return has(writable_bit | write_closed_bit); }
    [[nodiscard]] constexpr bool is_read_closed() const noexcept { return has(read_closed_bit); }
    [[nodiscard]] constexpr bool is_write_closed() const noexcept { return has(write_closed_bit); }
    [[nodiscard]] constexpr bool is_error() const noexcept { return has(error_bit); }
    [[nodiscard]] constexpr bool is_priority() const noexcept { return has(priority_bit); }

    /// Whether all of `other` is in this set.
    [[nodiscard]] constexpr bool contains(ready other) const noexcept { return (bits_ & other.bits_) == other.bits_; }
    /// Whether any of `other` is in this set.
    [[nodiscard]] constexpr bool intersects(ready other) const noexcept { return has(other.bits_); }
    /// Whether somebody who waits for `wanted` should try again now.
    [[nodiscard]] constexpr bool satisfies(interest wanted) const noexcept { return has(mask_of(wanted).bits_); }

    friend constexpr ready operator|(ready a, ready b) noexcept { return ready(a.bits_ | b.bits_); }
    friend constexpr ready operator&(ready a, ready b) noexcept { return ready(a.bits_ & b.bits_); }
    /// What is in `a` and not in `b`.
    friend constexpr ready operator-(ready a, ready b) noexcept { return ready(a.bits_ & ~b.bits_); }
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

// mask_of() takes the bits of an interest for the conditions of the same name.
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
