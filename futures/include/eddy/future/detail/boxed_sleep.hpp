// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <source_location>

#include <eddy/detail/export.hpp>
#include <eddy/detail/frame_pool.hpp>
#include <eddy/future/future.hpp>

namespace eddy::time {
class sleep_future;
}

namespace eddy::detail {

/// A time::sleep() for futures that need no timers otherwise: their headers do not include those of an executor.
/// Thread safety: one thread at a time.
/// Cost: a block of the frame pool.
class EDDY_API boxed_sleep {
public:
    /// Sets the deadline, which begins now.
    boxed_sleep(std::chrono::nanoseconds limit, std::source_location where);
    boxed_sleep(boxed_sleep&& other) noexcept;
    boxed_sleep& operator=(boxed_sleep&&) = delete;
    ~boxed_sleep();

    /// Returns whether the limit has passed. Otherwise wakes the task then, also if other work has used up the coop
    /// budget, perhaps in every poll.
    [[nodiscard]] bool poll(context& cx);

    static constexpr auto wait_shape() { return inspect::awaits(inspect::wait::timer, &boxed_sleep::deadline_); }

private:
    std::chrono::steady_clock::time_point deadline_;  // for readers of the tasks
    pool_box<time::sleep_future> timer_;
};

}  // namespace eddy::detail
