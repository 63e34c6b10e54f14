// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <utility>

#include <eddy/waker.hpp>

namespace eddy::detail {

/// Wakers that were taken out under a lock, to be woken after it: a waker may run a stranger's code, which may come
/// back for the same lock. Bounded, so that taking one out never allocates; the storage is raw, since mostly one is
/// used.
class wake_list {
public:
    static constexpr std::size_t capacity = 32;

    wake_list() noexcept {}  // NOLINT(modernize-use-equals-default): `wakers_` starts without objects
    wake_list(const wake_list&) = delete;
    wake_list& operator=(const wake_list&) = delete;
    ~wake_list() { wake_all(); }

    [[nodiscard]] bool is_full() const noexcept { return count_ == capacity; }

    void push(waker&& taken) noexcept {
        __builtin_prefetch(taken.data_, 1);  // one of many tasks, most likely: it comes while others are looked for
        std::construct_at(&wakers_[count_++], std::move(taken));
    }

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
