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

/// What one task joins many with: Asio has handlers that are called when a task ends, but nothing that waits for all of
/// them (a parallel_group is for a number that the compiler knows, or allocates for each). Its count is atomic, which
/// one thread would not need; that is 5 ns where a spawn takes hundreds.
class latch {
public:
    explicit latch(std::uint64_t count) noexcept : left_(count + 1) {}  // whoever waits counts as well

    /// Destroying the latch is right from the last of these on.
    void count_down() {
        if (!is_last()) return;
        waiter now = *std::move(waiting_);
        std::move(now)();
    }

    /// Whether wait() would find nothing to wait for.
    [[nodiscard]] bool is_over() const noexcept {
        return left_.load(std::memory_order_acquire) == 1;  // pairs with is_last()
    }

    /// An awaitable; for one task, once.
    [[nodiscard]] auto wait() {
        const auto initiate = [this](waiter arrived) {
            waiting_.emplace(std::move(arrived));
            if (is_last()) asio::post(*std::move(waiting_));
        };
        return asio::async_initiate<const asio::use_awaitable_t<executor>, void()>(initiate, use_task);
    }

private:
    using waiter = asio::async_result<asio::use_awaitable_t<executor>, void()>::handler_type;

    // release: what a task leaves behind is seen by whoever waits. acquire: by the last one, who resumes that.
    bool is_last() noexcept { return left_.fetch_sub(1, std::memory_order_acq_rel) == 1; }

    std::atomic<std::uint64_t> left_;
    std::optional<waiter> waiting_;
};

}  // namespace bench::peer
