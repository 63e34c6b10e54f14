// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include <eddy/waker.hpp>

namespace eddy::detail {

/// Who waits for something, inside a future that does not move: so waiting takes no allocation. All of it is under the
/// lock of what it waits for. What is waited for derives from it what it wants to hand over.
struct waiter {
    eddy::waker wake;
    waiter* previous;  // these two mean something while it is listed
    waiter* next;
    bool is_listed = false;

    waiter() noexcept = default;
    waiter(const waiter&) = delete;
    waiter& operator=(const waiter&) = delete;
    ~waiter() = default;
};

/// Waiters in the order in which they came, first come, first served. `W` derives from waiter. O(1) each.
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
    [[nodiscard]] W* front() const noexcept { return static_cast<W*>(first_); }
    [[nodiscard]] W* back() const noexcept { return static_cast<W*>(last_); }

    void push_back(W& one) noexcept {
        one.previous = last_;
        one.next = nullptr;
        one.is_listed = true;
        (last_ != nullptr ? last_->next : first_) = &one;
        last_ = &one;
    }

    /// Nothing, if it is not in the list.
    void remove(W& one) noexcept {
        if (!one.is_listed) return;
        (one.previous != nullptr ? one.previous->next : first_) = one.next;
        (one.next != nullptr ? one.next->previous : last_) = one.previous;
        one.is_listed = false;
    }

    /// The first, taken out; null if there is none.
    W* pop_front() noexcept {
        W* const one = front();
        if (one != nullptr) remove(*one);
        return one;
    }

    /// The last, taken out; null if there is none.
    W* pop_back() noexcept {
        W* const one = back();
        if (one != nullptr) remove(*one);
        return one;
    }

    /// Puts all of `others` behind these. O(1).
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
