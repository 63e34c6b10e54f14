// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <source_location>

#include <eddy/detail/export.hpp>
#include <eddy/detail/frame_pool.hpp>
#include <eddy/future/future.hpp>
#include <eddy/time/clock.hpp>

namespace eddy::time {
class sleep_future;
}

namespace eddy::detail {

/// Measures how long operations of an I/O object wait without progress, in one or two directions.
///
/// Progress does not touch the timers: a timer that fires too early is set again. So an operation that does not wait
/// costs nothing, unless an operation of the other direction waits.
/// Lifetime: it may be moved while no operation is polled. The timers are not moved, but set again by the next poll.
class EDDY_API idle_timer {
public:
    /// The direction of an operation. Each direction has a timer, because two tasks may wait.
    enum direction : unsigned char { read = 0, write = 1 };

    idle_timer(std::chrono::nanoseconds limit, std::source_location where) noexcept;
    idle_timer(idle_timer&& other) noexcept;
    idle_timer& operator=(idle_timer&& other) noexcept;
    ~idle_timer();

    /// Records that an operation has ended.
    void touch(direction ended) noexcept {
        waits_[ended] = false;
        if (waits_[1 - ended]) last_ = time::clock::now();
    }

    /// Returns whether the limit has passed since the last progress, or since the first operation began to wait.
    /// Otherwise wakes the task when the limit has passed. Called by an operation that waits.
    [[nodiscard]] bool poll_late(context& cx, direction waiting);

    /// Forgets the operations that wait.
    void stop() noexcept { waits_[read] = waits_[write] = false; }

private:
    void take(const idle_timer& other) noexcept;

    time::duration limit_;
    time::time_point last_{};
    std::source_location where_;
    bool waits_[2] = {false, false};
    pool_box<time::sleep_future> timers_[2];  // null while not needed: most connections never wait with a limit
};

}  // namespace eddy::detail
