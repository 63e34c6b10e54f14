// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <source_location>

#include <eddy/detail/atomic.hpp>
#include <eddy/sync/cancellation_token.hpp>

namespace eddy::detail {

/// What the tasks of a signal::shutdown_token() share.
/// Thread safety: any thread.
class shutdown_request {
public:
    explicit shutdown_request(const std::source_location& made_at) noexcept : where_(made_at) {}

    [[nodiscard]] const sync::cancellation_token& token() const noexcept { return token_; }
    [[nodiscard]] const std::source_location& where() const noexcept { return where_; }

    /// Cancels the token. Two tasks, each with a signal of its own, may call it at the same time: the second one no
    /// longer finds the waiters, so only the first one notes whether there are any.
    void cancel() noexcept {
        auto before = waiters::unknown;
        const auto now = token_access::is_awaited(token_) ? waiters::some : waiters::none;
        // relaxed: was_ignored() is called only after is_cancelled(), which orders it after this.
        waiters_.compare_exchange_strong(before, now, std::memory_order_relaxed, std::memory_order_relaxed);
        token_.cancel();
    }
    /// Returns whether no task waited for the token when the first signal arrived.
    /// Preconditions: the token is cancelled.
    [[nodiscard]] bool was_ignored() const noexcept {
        return waiters_.load(std::memory_order_relaxed) == waiters::none;
    }

private:
    enum class waiters : std::uint8_t { unknown, some, none };

    const sync::cancellation_token token_;
    const std::source_location where_;
    atomic<waiters> waiters_{waiters::unknown};
};

}  // namespace eddy::detail
