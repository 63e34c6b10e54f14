// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include <eddy/future/waker.hpp>

namespace eddy::detail {

/// An entry of a waiter list. It is a member of a future, so waiting needs no allocation. All members are guarded by
/// the lock of the object that the future waits for. If that object hands data to its waiters, it derives a class.
/// Lifetime: must not be moved or destroyed while it is in a list.
struct waiter : immovable {
    eddy::waker wake;
    waiter* previous;  // valid while `is_listed`
    waiter* next;      // valid while `is_listed`
    bool is_listed = false;
};

/// An intrusive FIFO list of waiters. `W` derives from waiter.
/// Thread safety: external; all calls are under one lock.
/// Cost: O(1) each.
template <class W = waiter>
class waiter_list {
public:
    waiter_list() noexcept = default;
    waiter_list(const waiter_list&) = delete;
    waiter_list& operator=(const waiter_list&) = delete;
    waiter_list(waiter_list&& other) noexcept
        : first_(std::exchange(other.first_, nullptr)), last_(std::exchange(other.last_, nullptr)) {}
    ~waiter_list() = default;

    [[nodiscard]] bool is_empty() const noexcept { return first_ == nullptr; }
    // SAFETY, here and in back(): push_back() only takes `W`s, so each waiter in the list is the base of a `W`.
    [[nodiscard]] W* front() const noexcept { return static_cast<W*>(first_); }
    [[nodiscard]] W* back() const noexcept { return static_cast<W*>(last_); }

    void push_back(W& one) noexcept {
        one.previous = last_;
        one.next = nullptr;
        one.is_listed = true;
        (last_ != nullptr ? last_->next : first_) = &one;
        last_ = &one;
    }

    /// Removes `one`. Does nothing if it is not in a list.
    void remove(W& one) noexcept {
        if (!one.is_listed) return;
        (one.previous != nullptr ? one.previous->next : first_) = one.next;
        (one.next != nullptr ? one.next->previous : last_) = one.previous;
        one.is_listed = false;
    }

    /// Removes and returns the first waiter; null if the list is empty.
    W* pop_front() noexcept {
        W* const one = front();
        if (one != nullptr) remove(*one);
        return one;
    }

    /// Removes and returns the last waiter; null if the list is empty.
    W* pop_back() noexcept {
        W* const one = back();
        if (one != nullptr) remove(*one);
        return one;
    }

    /// Moves all waiters of `others` to the end of this list.
    void append(waiter_list& others) noexcept {
        if (others.first_ == nullptr) return;
        others.first_->previous = last_;
        (last_ != nullptr ? last_->next : first_) = others.first_;
        last_ = others.last_;
        others.first_ = others.last_ = nullptr;
    }

private:
    waiter* first_ = nullptr;
    waiter* last_ = nullptr;
};

}  // namespace eddy::detail
