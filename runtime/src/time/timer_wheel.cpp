// SPDX-License-Identifier: MIT
#include "time/timer_wheel.hpp"

#include <algorithm>

namespace eddy::detail {

std::optional<std::uint64_t> timer_wheel::next_expiration() const noexcept {
    if (!due_.is_empty()) return elapsed_;
    const auto next = next_slot();
    if (!next) return std::nullopt;
    // A single entry needs no wake-up to move to a lower level. More entries are not searched, because each one is a
    // cache miss. In the top level, entries beyond the range share the slots, so a later slot may be due first.
    const bool wraps_around = next->slot / slots == top_level;
    const wheel_entry* const only = wraps_around ? nullptr : slots_[next->slot].only();
    return only != nullptr ? only->tick : next->tick;
}

void timer_wheel::advance(std::uint64_t now) noexcept {
    for (;;) {
        const auto next = next_slot();
        if (!next || next->tick > now) break;
        elapsed_ = next->tick;
        empty_slot(next->slot);
    }
    elapsed_ = std::max(elapsed_, now);
}

/// Returns the distance in slots from `current` to the next slot with entries. `current` itself comes last, a whole
/// rotation later. Returns 0 if the level is empty.
unsigned timer_wheel::distance_to_next(unsigned level, unsigned current) const noexcept {
    const unsigned first = (current + 1) % slots;
    const std::uint64_t from_first = ~std::uint64_t{0} << (first % word_bits);
    for (unsigned i = 0; i <= words; ++i) {
        const unsigned word = (first / word_bits + i) % words;
        std::uint64_t bits = occupied_[level * words + word];
        if (i == 0) bits &= from_first;
        if (i == words) bits &= ~from_first;
        if (bits == 0) continue;
        const unsigned slot = word * word_bits + static_cast<unsigned>(std::countr_zero(bits));
        return (slot + slots - first) % slots + 1;
    }
    return 0;
}

std::optional<timer_wheel::expiration> timer_wheel::next_slot() const noexcept {
    for (unsigned level = 0; level < levels; ++level) {
        const unsigned shift = shift_of(level);
        const auto current = static_cast<unsigned>((elapsed_ >> shift) & digit_mask);
        // Below the top level, no slot up to the current one contains entries, so this is a plain search.
        const unsigned ahead = distance_to_next(level, current);
        if (ahead == 0) continue;
        const std::uint64_t tick = ((elapsed_ >> shift) + ahead) << shift;
        return expiration{.slot = level * slots + (current + ahead) % slots, .tick = tick};
    }
    return std::nullopt;
}

void timer_wheel::empty_slot(unsigned slot) noexcept {
    entry_list taken;
    taken.take_all(slots_[slot]);
    occupied_[slot / word_bits] &= ~bit_of(slot);
    // Each entry moves to a lower level or becomes due. Entries beyond the range return to the top level, possibly to
    // this slot, so this slot was emptied first.
    const wheel_links* last = taken.last();
    while (wheel_entry* const entry = taken.pop_front()) {
        // Entries are members of futures and scattered in memory, so each entry costs a cache miss before its successor
        // is known. Walk the list from the other end at the same time, which prefetches its second half.
        last = last == nullptr || last == entry ? nullptr : taken.before(*last);
        insert(*entry, entry->tick);
    }
}

}  // namespace eddy::detail
