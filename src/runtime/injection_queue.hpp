// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <mutex>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/spawned_task.hpp>

namespace eddy::detail {

/// The tasks of a pool that no worker has in its ring yet: what other threads send, and what a ring has no room for.
/// First in, first out; any thread.
class injection_queue {
public:
    /// Without the lock, so it may be out of date: for a look, and, with the read-modify-writes of idle_workers in
    /// between, to be sure before a worker sleeps.
    [[nodiscard]] std::size_t size() const noexcept {
        // acquire: no more than a look; who wants the tasks takes the lock.
        return size_.load(std::memory_order_acquire);
    }
    [[nodiscard]] bool is_empty() const noexcept { return size() == 0; }

    /// False once it is closed.
    [[nodiscard]] bool push(spawned_task& task) noexcept {
        const std::lock_guard guard(lock_);
        if (is_closed_) return false;
        task.next_queued = nullptr;
        (first_ == nullptr ? first_ : last_->next_queued) = &task;
        last_ = &task;
        // release: pairs with size(). Written under the lock.
        size_.store(size_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
        return true;
    }

    /// Takes up to `most` tasks, oldest first, and hands each to `take`.
    template <class Take>
    void pop(std::size_t most, Take take) noexcept {
        spawned_task* taken = nullptr;
        std::size_t count = 0;
        {
            const std::lock_guard guard(lock_);
            taken = first_;
            while (count < most && first_ != nullptr) {
                first_ = first_->next_queued;
                ++count;
            }
            size_.store(size_.load(std::memory_order_relaxed) - count, std::memory_order_release);
        }
        for (; count > 0; --count) take(*std::exchange(taken, taken->next_queued));
    }

    void close() noexcept {
        const std::lock_guard guard(lock_);
        is_closed_ = true;
    }

private:
    atomic<std::size_t> size_{0};
    mutex lock_;
    spawned_task* first_ = nullptr;
    spawned_task* last_ = nullptr;
    bool is_closed_ = false;
};

}  // namespace eddy::detail
