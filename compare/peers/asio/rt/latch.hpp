// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <utility>

#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>

#include "runtime.hpp"

namespace bench::peer {

/// Lets one task join many tasks. Asio calls a handler when a task ends, but has no way to wait for many tasks: a
/// parallel_group needs a number that is known at compile time, or allocates for each task. The count is atomic, which
/// is not needed on one thread, but costs 5 ns while a spawn takes hundreds.
class latch {
public:
    explicit latch(std::uint64_t count) noexcept : left_(count + 1) {}  // the waiting task counts too

    /// Lifetime: the last call resumes the waiting task, which may destroy the latch.
    void count_down() {
        if (!is_last()) return;
        waiter now = *std::move(waiting_);
        std::move(now)();
    }

    /// Returns whether all tasks have ended.
    [[nodiscard]] bool is_over() const noexcept {
        return left_.load(std::memory_order_acquire) == 1;  // pairs with the release in is_last()
    }

    /// Returns an awaitable that waits for all tasks.
    /// Preconditions: wait() is called at most once.
    [[nodiscard]] auto wait() {
        const auto initiate = [this](waiter arrived) {
            waiting_.emplace(std::move(arrived));
            if (is_last()) asio::post(*std::move(waiting_));
        };
        return asio::async_initiate<const asio::use_awaitable_t<executor>, void()>(initiate, use_task);
    }

private:
    using waiter = asio::async_result<asio::use_awaitable_t<executor>, void()>::handler_type;

    // release: publishes a task's writes to the waiting task. acquire: the last caller, which resumes the waiting task,
    // sees the writes of all others.
    bool is_last() noexcept { return left_.fetch_sub(1, std::memory_order_acq_rel) == 1; }

    std::atomic<std::uint64_t> left_;
    std::optional<waiter> waiting_;
};

}  // namespace bench::peer
