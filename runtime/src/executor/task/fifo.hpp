// SPDX-License-Identifier: MIT
#pragma once

namespace eddy::detail {

/// A queue that links its elements: first in, first out. `Next` is the link, a member of each element.
/// Thread safety: none.
/// Lifetime: does not own the elements.
template <class T, T* T::* Next>
class fifo {
public:
    [[nodiscard]] bool is_empty() const noexcept { return first_ == nullptr; }

    void push(T& element) noexcept {
        element.*Next = nullptr;
        (first_ == nullptr ? first_ : last_->*Next) = &element;
        last_ = &element;
    }

    /// Removes the oldest element. Returns null if the queue is empty.
    [[nodiscard]] T* pop() noexcept {
        T* const oldest = first_;
        if (oldest != nullptr) first_ = oldest->*Next;
        return oldest;
    }

private:
    T* first_ = nullptr;
    T* last_ = nullptr;  // not valid while first_ is null
};

}  // namespace eddy::detail
