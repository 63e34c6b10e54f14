// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <eddy/detail/atomic.hpp>

namespace eddy::detail {

/// The number of blocking jobs that the tasks of an event loop have started and that have not ended. A paused clock
/// does not advance by itself while there are any.
///
///     bit  name       set and cleared by        meaning
///     0    is_waited  the loop                  the loop parks until the number is 0
///     1..  jobs       begin() and end()         the number
///
/// Both fields are in one word, so that the last end() cannot miss that the loop parks.
/// Thread safety: end() on any thread, other functions on the loop's thread.
class blocking_jobs {
public:
    void begin() noexcept {
        // relaxed: begin() and any() run on the same thread.
        word_.fetch_add(one_job, std::memory_order_relaxed);
    }

    /// Ends a job. Call this after the job has woken its waiters. Returns whether the caller must unpark the loop.
    [[nodiscard]] bool end() noexcept {
        // release: pairs with the acquire in any() and wait(), so that the loop sees the wake-ups of the job.
        // acquire: pairs with the release of earlier calls, which makes the last call publish their wake-ups too.
        return word_.fetch_sub(one_job, std::memory_order_acq_rel) == (one_job | is_waited);
    }

    /// Returns whether jobs are pending. If not, all wake-ups of the ended jobs are visible to the loop.
    [[nodiscard]] bool any() const noexcept {
        // acquire: pairs with the release in end().
        return word_.load(std::memory_order_acquire) >= one_job;
    }

    /// Requests that the last end() makes its caller unpark the loop. Returns false if no jobs are pending.
    [[nodiscard]] bool wait() noexcept {
        // acquire: pairs with the release in end().
        return word_.fetch_or(is_waited, std::memory_order_acquire) >= one_job;
    }
    void wait_ended() noexcept {
        // relaxed: an end() that still sees the bit unparks the loop once too often.
        word_.fetch_and(~is_waited, std::memory_order_relaxed);
    }

private:
    static constexpr std::uint32_t is_waited = 1;
    static constexpr std::uint32_t one_job = 2;

    atomic<std::uint32_t> word_{0};
};

}  // namespace eddy::detail
