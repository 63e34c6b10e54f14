// SPDX-License-Identifier: MIT
#include <eddy/time/delay_queue.hpp>

#include <algorithm>
#include <utility>

namespace eddy::detail {

void deadline_heap::reserve(std::size_t count) {
    items_.reserve(count);
    places_.reserve(count);
}

void deadline_heap::push(std::size_t slot, time_point deadline) {
    if (slot >= places_.size()) places_.resize(slot + 1, nowhere);
    items_.emplace_back();
    sift_up(items_.size() - 1, item{.deadline = deadline, .order = next_order_++, .slot = slot});
}

void deadline_heap::remove(std::size_t slot) noexcept {
    const std::size_t place = std::exchange(places_[slot], nowhere);
    const item last = items_.back();
    items_.pop_back();
    if (place == items_.size()) return;
    // The last item moves to the free position. It may belong above that position, if it comes from another branch.
    if (place != 0 && comes_before(last, items_[(place - 1) / arity])) {
        sift_up(place, last);
    } else {
        sift_down(place, last);
    }
}

void deadline_heap::change(std::size_t slot, time_point deadline) noexcept {
    const std::size_t place = places_[slot];
    const item changed{.deadline = deadline, .order = next_order_++, .slot = slot};
    if (comes_before(changed, items_[place])) {
        sift_up(place, changed);
    } else {
        sift_down(place, changed);
    }
}

void deadline_heap::clear() noexcept {
    items_.clear();
    places_.clear();
}

void deadline_heap::move(std::size_t from, std::size_t to) noexcept {
    const std::size_t place = std::exchange(places_[from], nowhere);
    places_[to] = place;
    items_[place].slot = to;
}

void deadline_heap::shrink_to(std::size_t slots) {
    places_.resize(std::min(slots, places_.size()));
    places_.shrink_to_fit();
    items_.shrink_to_fit();
}

void deadline_heap::put(std::size_t place, const item& what) noexcept {
    items_[place] = what;
    places_[what.slot] = place;
}

/// Stores `what` at `place`, which is free, or above it.
void deadline_heap::sift_up(std::size_t place, const item& what) noexcept {
    while (place != 0) {
        const std::size_t parent = (place - 1) / arity;
        if (!comes_before(what, items_[parent])) break;
        put(place, items_[parent]);
        place = parent;
    }
    put(place, what);
}

/// Stores `what` at `place`, which is free, or below it.
void deadline_heap::sift_down(std::size_t place, const item& what) noexcept {
    for (;;) {
        const std::size_t begin = place * arity + 1;
        if (begin >= items_.size()) break;
        const std::size_t end = std::min(begin + arity, items_.size());
        std::size_t first = begin;
        for (std::size_t child = begin + 1; child < end; ++child) {
            if (comes_before(items_[child], items_[first])) first = child;
        }
        if (!comes_before(items_[first], what)) break;
        put(place, items_[first]);
        place = first;
    }
    put(place, what);
}

}  // namespace eddy::detail
