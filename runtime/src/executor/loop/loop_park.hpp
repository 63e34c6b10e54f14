// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include <eddy/detail/ref_count.hpp>

#include "executor/park/sleeping_place.hpp"
#include "executor/reports/endless_wait.hpp"
#include "time/time_driver.hpp"

namespace eddy::detail {

class loop_tasks;
class loop_watch;

/// The waits of an event loop: for its driver, its timers, and other threads.
/// Thread safety: the event loop's thread, except sleep_state(), unpark() and wakers of the place.
class loop_park : immovable {
public:
    /// `io` is the driver, of this kind; null without I/O. `spin` is how long to spin before the thread parks. The
    /// first three must outlive this object. May be called before `tasks` exists.
    loop_park(loop_tasks& tasks, loop_watch& watch, io_handle* io, std::optional<driver_kind> kind,
              std::chrono::nanoseconds spin, bool reports_deadlocks);

    [[nodiscard]] time_driver& time() const noexcept { return *time_; }
    /// Wakes the thread. See sleeping_place.
    void unpark() noexcept { place_->unpark(); }
    /// Begins a job that the clock waits for. See held_clock.
    [[nodiscard]] sleeping_place* begin_job() noexcept { return place_->begin_job(); }

    /// Waits for an event of the driver, the next timer, an inbound node or the end of `limit`, whichever is first.
    void park(max_wait limit);
    /// Runs a driver tick while tasks are queued, but not more often than once in look_interval, because a driver tick
    /// costs as much as many polls.
    void look_if_due();
    /// Returns the time of the next turn(), and marks the loop as parked. See core::next_deadline().
    [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> next_deadline() noexcept;
    /// See endless_wait.
    [[nodiscard]] endless_wait::state sleep_state() noexcept;

private:
    void park_paused(max_wait limit);
    [[nodiscard]] bool spin(max_wait& limit);
    void sleep(max_wait limit);
    void look_at_driver(max_wait limit);
    [[nodiscard]] bool has_work_after_hook() noexcept;

    static constexpr auto look_interval = std::chrono::microseconds(20);

    loop_tasks& tasks_;
    loop_watch& watch_;
    io_handle* const io_;
    const std::optional<driver_kind> kind_;
    const std::unique_ptr<sleeping_place, releasing> place_;
    const std::unique_ptr<time_driver, releasing> time_;
    const std::chrono::nanoseconds spin_;
    std::chrono::steady_clock::time_point last_look_{};
    endless_wait endless_wait_{*this};
    std::optional<endless_wait::reports> deadlocks_;
};

}  // namespace eddy::detail
