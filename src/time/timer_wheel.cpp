// SPDX-License-Identifier: MIT
#include <eddy/detail/timer_wheel.hpp>

namespace eddy::detail {

std::optional<std::uint64_t> timer_wheel::next_expiration() const noexcept {
    if (!due_.is_empty()) return elapsed_;
    const auto next = next_slot();
    return next ? std::optional(next->tick) : std::nullopt;
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

std::optional<timer_wheel::expiration> timer_wheel::next_slot() const noexcept {
    for (unsigned level = 0; level < levels; ++level) {
        if (occupied_[level] == 0) continue;
        const unsigned shift = shift_of(level);
        const auto current = static_cast<unsigned>((elapsed_ >> shift) & digit_mask);
        // Counted from the slot after the current one: in the top level the current slot itself comes last, a whole
        // turn later. Below it, no slot up to the current one is occupied, and this is a plain search.
        const unsigned first = (current + 1) % slots;
        const auto ahead =
            1 + static_cast<unsigned>(std::countr_zero(std::rotr(occupied_[level], static_cast<int>(first))));
        const std::uint64_t tick = ((elapsed_ >> shift) + ahead) << shift;
        return expiration{.slot = level * slots + (current + ahead) % slots, .tick = tick};
    }
    return std::nullopt;
}

void timer_wheel::empty_slot(unsigned slot) noexcept {
    entry_list taken;
    taken.take_all(slots_[slot]);
    occupied_[slot / slots] &= ~(std::uint64_t{1} << (slot % slots));
    // Each goes to a lower level, or is due. (Those beyond the range go back to the top level, which is why the slot
    // has been emptied first.)
    while (wheel_entry* const entry = taken.pop_front()) insert(*entry, entry->tick);
}

}  // namespace eddy::detail
