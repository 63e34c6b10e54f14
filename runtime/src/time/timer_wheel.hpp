// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <optional>

#include <eddy/error.hpp>
#include <eddy/time/detail/timer_entry.hpp>

// Hierarchical timing wheel (Varghese and Lauck, SOSP 1987): 5 levels of 256 slots, one tick = 1/16 ms.
//     level 0: 1/16 ms per slot, 16 ms in total     level 3: 17.5 min per slot, 3.1 days in total
//     level 1: 16 ms per slot, 4.1 s in total       level 4: 3.1 days per slot, 2.2 years in total
//     level 2: 4.1 s per slot, 17.5 min in total    beyond:  waits in level 4 and is inserted again when due
// insert, remove: O(1). A timer within the range moves down at most 4 times before it is due. Each move costs a cache
// miss, so the levels are wide: most timers are shorter than 4 s and move once.
//
// Invariants, where `elapsed` is the tick up to which all entries have been moved to the list of due entries:
//     The tick of an entry in level L < 4 equals `elapsed` in all digits (of 8 bits) above digit L, and has a larger
//     digit L. So within a level the slots are due in the order of their numbers, and all slots of a level are due
//     before the slots of the next level. Only level 4 wraps around.
//
// Departures: each level has four occupancy words, so that the next expiration is found by countr_zero instead of a
// walk. Due entries are moved to a list from which they can still be removed, so that they can be fired in batches.

namespace eddy::detail {

/// An intrusive FIFO list of entries. Each entry can be removed at any time.
class entry_list : immovable {
public:
    entry_list() noexcept { head_.prev = head_.next = &head_; }

    [[nodiscard]] bool is_empty() const noexcept { return head_.next == &head_; }

    void push_back(wheel_entry& entry) noexcept {
        EDDY_ASSERT(!entry.is_linked(), "entry_list: an entry can only be in one list");
        entry.prev = head_.prev;
        entry.next = &head_;
        head_.prev->next = &entry;
        head_.prev = &entry;
    }

    /// Removes and returns the oldest entry; null if the list is empty.
    wheel_entry* pop_front() noexcept {
        if (is_empty()) return nullptr;
        // SAFETY: the list is not empty, so the head's successor is the base of a wheel_entry. Its owner keeps it alive
        // while it is linked.
        auto* const first = static_cast<wheel_entry*>(head_.next);
        unlink(*first);
        return first;
    }

    /// Returns the entry of a list that contains only one; else null.
    [[nodiscard]] const wheel_entry* only() const noexcept {
        if (is_empty() || head_.next != head_.prev) return nullptr;
        // SAFETY: see pop_front().
        return static_cast<const wheel_entry*>(head_.next);
    }

    /// Iterate from the last entry to the first. Return null at the end.
    [[nodiscard]] const wheel_links* last() const noexcept { return is_empty() ? nullptr : head_.prev; }
    [[nodiscard]] const wheel_links* before(const wheel_links& entry) const noexcept {
        return entry.prev == &head_ ? nullptr : entry.prev;
    }

    /// Moves all entries of `other` to the end of this list.
    void take_all(entry_list& other) noexcept {
        if (other.is_empty()) return;
        other.head_.next->prev = head_.prev;
        head_.prev->next = other.head_.next;
        other.head_.prev->next = &head_;
        head_.prev = other.head_.prev;
        other.head_.prev = other.head_.next = &other.head_;
    }

    /// Calls `look_at` for each entry, from the oldest to the newest.
    template <class Fn>
    void for_each(Fn&& look_at) const {
        // SAFETY: all links but the head are the base of a wheel_entry.
        for (const wheel_links* at = head_.next; at != &head_; at = at->next)
            look_at(static_cast<const wheel_entry&>(*at));
    }

    /// Removes an entry from the list that contains it. Returns true if it was the only entry of that list.
    static bool unlink(wheel_entry& entry) noexcept {
        // SAFETY: the neighbors of a linked entry are linked entries or the list's head, so they exist. A single entry
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

/// The timing wheel. It has no clock and no lock: time is a number of ticks that the caller passes.
/// Thread safety: external; time_driver has the lock.
class timer_wheel {
public:
    static constexpr unsigned levels = 5;
    static constexpr unsigned digit_bits = 8;
    static constexpr unsigned slots = 1U << digit_bits;

    /// Makes a wheel whose time is tick `elapsed`.
    explicit timer_wheel(std::uint64_t elapsed = 0) noexcept : elapsed_(elapsed) {}

    [[nodiscard]] std::uint64_t elapsed() const noexcept { return elapsed_; }

    /// Links `entry`, to be due at `tick`. If `tick` is not later than elapsed(), appends it to due().
    void insert(wheel_entry& entry, std::uint64_t tick) noexcept;

    /// Removes an entry that insert() has linked, also if the owner of due() has moved it to another list since.
    void remove(wheel_entry& entry) noexcept;

    /// Returns a tick not later than the first deadline: the deadline itself if it is in level 0 or alone in its slot,
    /// else the beginning of its slot, and elapsed() if due() is not empty. Returns nullopt if the wheel is empty.
    [[nodiscard]] std::optional<std::uint64_t> next_expiration() const noexcept;

    /// Advances to tick `now`, and moves all entries that are due by then to due(), in the order of their ticks. Does
    /// nothing if `now` is not later than elapsed().
    void advance(std::uint64_t now) noexcept;

    /// Returns the list of due entries that were not removed.
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
    static constexpr unsigned words = slots / word_bits;  // occupancy words per level

    /// Returns the number of ticks per slot of `level`, as a shift count.
    [[nodiscard]] static constexpr unsigned shift_of(unsigned level) noexcept { return level * digit_bits; }

    /// Returns the level of the highest digit in which `tick` differs from `elapsed_`. A tick beyond the range belongs
    /// to the top level.
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
    std::array<std::uint64_t, levels * words> occupied_{};  // one bit per slot: the slot is not empty
    std::array<entry_list, levels * slots> slots_;
    entry_list due_;
};

// ---- Implementation: inline, because each sleep calls these ----

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
