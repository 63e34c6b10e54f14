// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>

#include <eddy/future/future.hpp>
#include <eddy/runtime/reactor.hpp>

#include "executor/park/sleeping_place.hpp"
#include "executor/pool/watchdog.hpp"
#include "executor/reports/endless_wait.hpp"
#include "time/time_driver.hpp"

namespace eddy::detail {

class io_handle;
class worker;

/// The driver and the timers of a worker, and how it waits for them: driver ticks between polls, and parking.
///
///     member                   access
///     io_                      the thread that runs the worker, the watchdog worker while this one is stalled, and the
///                              workers that share it; protected by the driver lock
///     time_                    the same threads; protected by its own lock
///     place_                   see sleeping_place
///
/// Thread safety: as the sections of the class say.
class worker_events : immovable {
public:
    using io_share = std::unique_ptr<io_handle, releasing>;

    /// `io` is null if the pool has no I/O. `shares_io`: other workers have the same driver.
    worker_events(worker& own, io_share&& io, bool shares_io);
    ~worker_events();

    // ---- On the worker's thread ----
    /// Makes this thread the one that parks here.
    void enter_thread() noexcept;
    /// Counts a poll. Now and then, looks at the driver if a tick is due.
    void look_sometimes() noexcept {
        // A countdown, because a division by a variable takes longer than the rest of this function.
        if (--polls_to_look_ == 0) [[unlikely]]
            look_if_due();
    }
    /// Looks at the driver before the next poll, if a tick is due: the present poll has used up its coop budget, so it
    /// was long. Tasks that do so in turn would otherwise delay each event by event_interval long polls.
    void look_soon() noexcept { polls_to_look_ = 1; }
    /// Waits until the worker has tasks, was notified, or the pool closes.
    void park() noexcept;

    /// Gives up the io_uring ring of this thread, if the driver has one. The next tick makes a new one.
    void retire_ring() noexcept;

    // ---- Any thread ----
    /// As the watchdog of this stalled worker: runs a driver tick, and fires the timers.
    void tick_for_stalled() noexcept;
    [[nodiscard]] io_handle* io() const noexcept { return io_.get(); }
    [[nodiscard]] time_driver& time() const noexcept { return *time_; }
    void unpark() noexcept { place_->unpark(); }
    /// Makes a parked worker check soon whether a watchdog is needed. See watchdog.
    void call_as_watchdog() noexcept { place_->unpark_within(watchdog::first_interval / 2); }
    /// See endless_wait.
    [[nodiscard]] endless_wait::state sleep_state() const noexcept;
    /// Ends all waits on the driver and the timers.
    /// Preconditions: called after the worker's last run().
    void shut_down() noexcept;

private:
    using time_point = std::chrono::steady_clock::time_point;

    void look_if_due() noexcept;
    void look_at_driver(max_wait limit, max_wait alarm = std::nullopt) noexcept;
    [[nodiscard]] time_point sleep_until_needed(time_point parked_at) noexcept;
    [[nodiscard]] max_wait time_to_sleep() const noexcept;

    worker& own_;
    const io_share io_;
    const std::unique_ptr<sleeping_place, releasing> place_;
    const std::unique_ptr<time_driver, releasing> time_;
    unsigned polls_to_look_;  // polls until the next check whether a driver tick is due
    time_point last_look_{};
    watchdog watchdog_;
    endless_wait endless_wait_{*this};
};

}  // namespace eddy::detail
