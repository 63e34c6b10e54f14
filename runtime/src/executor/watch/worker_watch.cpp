// SPDX-License-Identifier: MIT
#include "executor/watch/worker_watch.hpp"

namespace eddy::detail {

void worker_watch::add_to_metrics(worker_metrics& one) const noexcept {
    // relaxed: see worker_counters.
    one.polls = polls.load(std::memory_order_relaxed);
    one.steals = steals.load(std::memory_order_relaxed);
    one.overflows = overflows.load(std::memory_order_relaxed);
    one.parks = parked.load(std::memory_order_relaxed);
    one.forced_yields = forced_yields.load(std::memory_order_relaxed);
    one.busy = busy();
    if (by() != nullptr) {
        one.poll_times = durations().poll_times.read();
        one.schedule_latencies = durations().schedule_latencies.read();
    }
    const stall_counters found = stalls();
    one.stalls = found.stalls;
    one.stall_times = found.times;
}

/// Returns for how long the worker was not parked. Never less than an earlier call.
std::chrono::nanoseconds worker_watch::busy() const noexcept {
    const std::int64_t found = busy_now();
    // A park counts until the time that it read, which is earlier than what a reader has added meanwhile.
    std::int64_t shown = shown_busy_.load(std::memory_order_relaxed);
    while (shown < found &&
           !shown_busy_.compare_exchange_weak(shown, found, std::memory_order_relaxed, std::memory_order_relaxed)) {
    }
    return std::chrono::nanoseconds(std::max(shown, found));
}

std::int64_t worker_watch::busy_now() const noexcept {
    for (;;) {
        // acquire: the clock is read after the word. It belongs to the period of the word if the word is the same
        // afterwards; two periods have different words.
        const std::int64_t word = busy_word_.load(std::memory_order_acquire);
        const auto now = static_cast<std::int64_t>(sys::steady_ns());
        if (busy_word_.load(std::memory_order_acquire) == word) return (word >> 1) + (word % 2 != 0 ? now : 0);
    }
}

}  // namespace eddy::detail
