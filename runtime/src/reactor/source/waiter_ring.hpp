// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/io/detail/io_waiter.hpp>

namespace eddy::detail {

/// An intrusive FIFO list of waiters, circular, so that it takes one pointer: the memory block of a source is full.
/// Thread safety: external; all calls are under one lock.
/// Cost: O(1) each.
class waiter_ring {
public:
    [[nodiscard]] io_waiter* front() const noexcept { return first_; }
    /// Returns the waiter after `one`; null after the last one.
    [[nodiscard]] io_waiter* after(const io_waiter& one) const noexcept {
        return one.next == first_ ? nullptr : at(one.next);
    }

    /// Adds a waiter that is in no list.
    void push_back(io_waiter& one) noexcept {
        if (first_ == nullptr) {
            first_ = &one;
            one.previous = one.next = &one;
        } else {
            one.previous = first_->previous;
            one.next = first_;
            one.previous->next = one.next->previous = &one;
        }
        one.is_listed = true;
    }
    /// Removes `one`. Does nothing if it is not in the list.
    void remove(io_waiter& one) noexcept {
        if (!one.is_listed) return;
        one.previous->next = one.next;
        one.next->previous = one.previous;
        if (first_ == &one) first_ = after(one);
        one.is_listed = false;
    }

private:
    // SAFETY: push_back() only takes io_waiter objects.
    static io_waiter* at(waiter* link) noexcept { return static_cast<io_waiter*>(link); }

    io_waiter* first_ = nullptr;
};

}  // namespace eddy::detail
