// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/error.hpp>

// Hierarchical timing wheel (Varghese and Lauck, SOSP 1987): 5 levels of 256 slots, one tick = 1/16 ms.
//     level 0: 1/16 ms a slot, 16 ms in all      level 4: 3.1 days a slot, 2.2 years in all
//     level 1: 16 ms a slot, 4.1 s in all        beyond:  waits in level 4 and is sorted in again when its slot comes
//     level 2: 4.1 s a slot, 17.5 min in all
// insert, remove: O(1). A timer moves down at most 4 times before it is due. That costs a cache miss each time, so the
// levels are wide: most timers, of less than 4 s, move once.
//
// Invariants, with `elapsed` the tick up to which all has been handed out:
//     an entry of level L < 4 agrees with `elapsed` in every digit (of 8 bits) above the L-th, and has a larger L-th
//     digit; so within a level the slots come in the order of their numbers, and all of a level comes before the next
//     one. Only level 4 wraps around.
//
// Departures: four occupancy words per level, so the next expiration is a countr_zero and not a walk; and what is
// due goes into a list from which it can still be removed, so that whoever hands it out may do so in batches.

namespace eddy::detail {

/// A place in a list: an entry, or the head.
struct wheel_links {
    wheel_links* prev = nullptr;
    wheel_links* next = nullptr;
};

/// What the wheel and its lists know of an entry: where it is linked in, and when it is due.
/// Lifetime: must stay where it is while it is linked.
struct wheel_entry : wheel_links {
    static constexpr std::uint16_t no_slot = 0xffff;

    std::uint64_t tick = 0;
    std::uint16_t slot = no_slot;  ///< level * 256 + number; no_slot in a list outside the levels

    [[nodiscard]] bool is_linked() const noexcept { return next != nullptr; }
};

/// A list of entries, in the order in which they came; any of them can be taken out at any time.
class entry_list {
public:
    entry_list() noexcept { head_.prev = head_.next = &head_; }
    entry_list(const entry_list&) = delete;
    entry_list& operator=(const entry_list&) = delete;

    [[nodiscard]] bool is_empty() const noexcept { return head_.next == &head_; }

    void push_back(wheel_entry& entry) noexcept {
        EDDY_ASSERT(!entry.is_linked(), "entry_list: an entry can only be in one list");
        entry.prev = head_.prev;
        entry.next = &head_;
        head_.prev->next = &entry;
        head_.prev = &entry;
    }

    /// The oldest entry, taken out; null if there is none.
    wheel_entry* pop_front() noexcept {
        if (is_empty()) return nullptr;
        // SAFETY: the list is not empty, so what follows the head is an entry.
        auto* const first = static_cast<wheel_entry*>(head_.next);
        unlink(*first);
        return first;
    }

    /// For a walk from the end; null where that is over.
    [[nodiscard]] const wheel_links* last() const noexcept { return is_empty() ? nullptr : head_.prev; }
    [[nodiscard]] const wheel_links* before(const wheel_links& entry) const noexcept {
        return entry.prev == &head_ ? nullptr : entry.prev;
    }

    /// Moves all that `other` holds to the end of this list.
    void take_all(entry_list& other) noexcept {
        if (other.is_empty()) return;
        other.head_.next->prev = head_.prev;
        head_.prev->next = other.head_.next;
        other.head_.prev->next = &head_;
        head_.prev = other.head_.prev;
        other.head_.prev = other.head_.next = &other.head_;
    }

    template <class Fn>
    void for_each(Fn&& look_at) const {
        // SAFETY: all that is linked between the head and itself is an entry.
        for (const wheel_links* at = head_.next; at != &head_; at = at->next)
            look_at(static_cast<const wheel_entry&>(*at));
    }

    /// Takes an entry out of whichever list it is in. True if it was the only one there.
    static bool unlink(wheel_entry& entry) noexcept {
        // SAFETY: a linked entry's neighbours are entries that are linked, too, or the list's own head. A lone entry
        // has the head on both sides.
        const bool alone = entry.prev == entry.next;
        entry.prev->next = entry.next;
        entry.next->prev = entry.prev;
        entry.prev = entry.next = nullptr;
        return alone;
    }

private:
    wheel_links head_;
};

/// The wheel. It has no clock and no lock: time is a number of ticks that is passed in.
class EDDY_API timer_wheel {
public:
    static constexpr unsigned levels = 5;
    static constexpr unsigned digit_bits = 8;
    static constexpr unsigned slots = 1U << digit_bits;

    /// A wheel that stands at tick `elapsed`.
    explicit timer_wheel(std::uint64_t elapsed = 0) noexcept : elapsed_(elapsed) {}

    [[nodiscard]] std::uint64_t elapsed() const noexcept { return elapsed_; }

    /// Links `entry` in, to be due at `tick`. One that is due already goes to the list of those.
    void insert(wheel_entry& entry, std::uint64_t tick) noexcept;

    /// Takes out an entry that insert() has linked in, wherever it is by now: also after the owner of the list of due
    /// entries has moved it to another list.
    void remove(wheel_entry& entry) noexcept;

    /// A tick at which there is something to do, never later than the first deadline: that deadline itself in level 0,
    /// the beginning of its slot above. Nothing if the wheel is empty.
    [[nodiscard]] std::optional<std::uint64_t> next_expiration() const noexcept;

    /// Goes on to tick `now`: all that is due by then moves to due(), in the order of the ticks. Never goes back.
    void advance(std::uint64_t now) noexcept;

    /// What is due and has not been taken out.
    [[nodiscard]] entry_list& due() noexcept { return due_; }
    [[nodiscard]] const entry_list& due() const noexcept { return due_; }

private:
    struct expiration {
        unsigned slot;
        std::uint64_t tick;
    };

    static constexpr unsigned top_level = levels - 1;
    static constexpr std::uint64_t digit_mask = slots - 1;
    static constexpr unsigned word_bits = 64;
    static constexpr unsigned words = slots / word_bits;  // of a level's bits

    /// How many ticks one slot of `level` spans, as a shift.
    [[nodiscard]] static constexpr unsigned shift_of(unsigned level) noexcept { return level * digit_bits; }

    /// The level of the highest digit in which `tick` differs from elapsed. What is beyond the range waits in the top
    /// one.
    [[nodiscard]] unsigned level_for(std::uint64_t tick) const noexcept {
        const auto highest_bit = static_cast<unsigned>(std::bit_width((elapsed_ ^ tick) | 1)) - 1;
        return std::min(highest_bit / digit_bits, top_level);
    }

    [[nodiscard]] static constexpr std::uint64_t bit_of(unsigned slot) noexcept {
        return std::uint64_t{1} << (slot % word_bits);
    }

    [[nodiscard]] unsigned distance_to_next(unsigned level, unsigned current) const noexcept;
    [[nodiscard]] std::optional<expiration> next_slot() const noexcept;
    void empty_slot(unsigned slot) noexcept;

    std::uint64_t elapsed_;
    std::array<std::uint64_t, levels * words> occupied_{};  // a bit for each slot: whether it holds entries
    std::array<entry_list, levels * slots> slots_;
    entry_list due_;
};

// ---- Implementation: what each sleep pays for ----

inline void timer_wheel::insert(wheel_entry& entry, std::uint64_t tick) noexcept {
    entry.tick = tick;
    if (tick <= elapsed_) {
        entry.slot = wheel_entry::no_slot;
        due_.push_back(entry);
        return;
    }
    const unsigned level = level_for(tick);
    const auto number = static_cast<unsigned>((tick >> shift_of(level)) & digit_mask);
    const unsigned slot = level * slots + number;
    entry.slot = static_cast<std::uint16_t>(slot);
    slots_[slot].push_back(entry);
    occupied_[slot / word_bits] |= bit_of(slot);
}

inline void timer_wheel::remove(wheel_entry& entry) noexcept {
    const bool was_alone = entry_list::unlink(entry);
    if (entry.slot == wheel_entry::no_slot) return;
    if (was_alone) occupied_[entry.slot / word_bits] &= ~bit_of(entry.slot);
    entry.slot = wheel_entry::no_slot;
}

}  // namespace eddy::detail
