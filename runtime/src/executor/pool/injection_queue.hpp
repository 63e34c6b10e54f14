// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <mutex>

#include <eddy/detail/atomic.hpp>
#include <eddy/task/detail/spawned_task.hpp>

#include "executor/task/fifo.hpp"

namespace eddy::detail {

/// The tasks of a pool that are in no worker's run queue: those from other threads, and those that did not fit. FIFO.
/// The queue owns one reference of each task.
/// Thread safety: any thread.
class injection_queue {
public:
    /// Returns the number of tasks. Takes no lock, so the result may be out of date. A worker that parks relies on the
    /// result: the read-modify-writes of idle_workers order a push before this load.
    [[nodiscard]] std::size_t size() const noexcept {
        // acquire: pairs with the release in push() and pop(). The number alone is used; pop() takes the lock.
        return size_.load(std::memory_order_acquire);
    }
    [[nodiscard]] bool is_empty() const noexcept { return size() == 0; }

    /// Appends a task. Returns false if the queue is closed.
    [[nodiscard]] bool push(spawned_task& task) noexcept {
        const std::lock_guard guard(lock_);
        if (is_closed_) return false;
        tasks_.push(task);
        // release: pairs with the acquire in size(). relaxed: written under the lock only.
        size_.store(size_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
        return true;
    }

    /// Removes up to `most` tasks and calls `take` with each, oldest first, without the lock.
    template <class Take>
    void pop(std::size_t most, Take take) noexcept {
        queue taken;
        {
            const std::lock_guard guard(lock_);
            std::size_t count = 0;
            for (; count < most && !tasks_.is_empty(); ++count) taken.push(*tasks_.pop());
            // release, and relaxed for the load: as in push().
            size_.store(size_.load(std::memory_order_relaxed) - count, std::memory_order_release);
        }
        while (spawned_task* const task = taken.pop()) take(*task);
    }

    /// Makes later calls of push() fail. Queued tasks stay in the queue.
    void close() noexcept {
        const std::lock_guard guard(lock_);
        is_closed_ = true;
    }

private:
    using queue = fifo<spawned_task, &spawned_task::next_queued>;

    atomic<std::size_t> size_{0};
    mutex lock_;
    queue tasks_;
    bool is_closed_ = false;
};

}  // namespace eddy::detail
