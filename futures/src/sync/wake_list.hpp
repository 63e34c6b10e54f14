// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <utility>

#include <eddy/future/waker.hpp>

namespace eddy::detail {

/// Collects wakers under a lock, to wake them after it is released: a waker may run user code that takes the same lock.
/// The capacity is fixed, so that push() never allocates. The storage is uninitialized, because usually only one waker
/// is used.
class wake_list : immovable {
public:
    static constexpr std::size_t capacity = 32;

    wake_list() noexcept {}  // NOLINT(modernize-use-equals-default): no waker is constructed
    ~wake_list() { wake_all(); }

    [[nodiscard]] bool is_full() const noexcept { return count_ == capacity; }

    /// Adds a waker.
    /// Preconditions: !is_full().
    void push(waker&& taken) noexcept {
        __builtin_prefetch(taken.data_, 1);  // probably a task: load its cache line meanwhile
        std::construct_at(&wakers_[count_++], std::move(taken));
    }

    /// Wakes and removes all wakers.
    void wake_all() noexcept {
        const std::size_t count = std::exchange(count_, 0);
        for (std::size_t i = 0; i < count; ++i) {
            std::move(wakers_[i]).wake();
            std::destroy_at(&wakers_[i]);
        }
    }

private:
    std::size_t count_ = 0;
    union {
        waker wakers_[capacity];
    };
};

}  // namespace eddy::detail
