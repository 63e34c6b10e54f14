// SPDX-License-Identifier: MIT
#include "executor/loop/loop_park.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <system_error>

#include <eddy/detail/frame_pool.hpp>

#include "executor/loop/loop_tasks.hpp"
#include "executor/watch/loop_watch.hpp"
#include "reactor/drivers/driver_ticks.hpp"
#include "reactor/io_handle.hpp"

namespace eddy::detail {
namespace {

constexpr auto no_time = std::chrono::nanoseconds::zero();

}  // namespace

loop_park::loop_park(loop_tasks& tasks, loop_watch& watch, io_handle* io, std::optional<driver_kind> kind,
                     std::chrono::nanoseconds spin, bool reports_deadlocks)
    : tasks_(tasks),
      watch_(watch),
      io_(io),
      kind_(kind),
      place_(new sleeping_place(io)),
      time_(time_driver::make(place_->waker(), time_driver::owner::core)),
      spin_(spin) {
    if (reports_deadlocks) deadlocks_.emplace();
}

void loop_park::park(max_wait limit) {
    if (limit == no_time) return look_at_driver(limit);
    if (time_->is_paused()) return park_paused(limit);
    if (spin(limit)) return;
    if (has_work_after_hook()) return look_at_driver(no_time);
    if (const auto next = time_->next_deadline()) {
        // The comparison comes before the subtraction, which would overflow for a deadline at the minimum of the clock.
        const auto now = time_->now();
        const auto left = *next <= now ? time_driver::duration::zero() : *next - now;
        limit = limit ? std::min<std::chrono::nanoseconds>(*limit, left) : left;
    }
    sleep(limit);
    watch_.unparked();
}

/// Calls the hook of a loop that is about to park. Returns whether the hook has queued a task.
bool loop_park::has_work_after_hook() noexcept {
    watch_.parks();
    return !tasks_.is_empty();
}

/// park() while the clock is paused: advances the clock to the next timer instead of waiting for it. It does so only if
/// there is nothing else to do, and no blocking job whose end could give the tasks something to do.
void loop_park::park_paused(max_wait limit) {
    blocking_jobs& jobs = place_->jobs();
    // any() is called before the checks below, so that they find all wake-ups of the jobs that have ended.
    const bool may_advance = !jobs.any();
    look_at_driver(no_time);
    tasks_.drain_inbound();
    if (!tasks_.is_empty() || has_work_after_hook()) return;
    if (may_advance) {
        if (time_->auto_advance()) {
            static_cast<void>(time_->fire());
        } else {
            sleep(limit);
        }
        return watch_.unparked();
    }
    // All due timers have fired, and no later one becomes due before the clock advances.
    sleep(jobs.wait() ? limit : no_time);
    jobs.wait_ended();
    watch_.unparked();
}

/// Waits for an event of the driver, an inbound node or the end of `limit`, whichever is first.
void loop_park::sleep(max_wait limit) {
    flush_freed_blocks();
    if (!tasks_.mark_parked()) limit = no_time;
    watch_.waits();
    watch_.end_run();
    look_at_driver(limit);
    watch_.begin_run();
    watch_.has_waited();
}

/// Spins for up to spin_ before the thread parks. Returns whether a task is queued. Subtracts the time from `limit`.
bool loop_park::spin(max_wait& limit) {
    const auto most = std::min(spin_, limit.value_or(spin_));
    if (most <= most.zero()) return false;
    const auto begin = std::chrono::steady_clock::now();
    do {
        look_at_driver(no_time);
        tasks_.drain_inbound();
        if (!tasks_.is_empty()) return true;
    } while (std::chrono::steady_clock::now() - begin < most);
    if (limit) *limit -= most;
    return false;
}

void loop_park::look_if_due() {
    const auto now = std::chrono::steady_clock::now();
    if (now - last_look_ < look_interval) return;
    last_look_ = now;
    look_at_driver(no_time);
}

/// Runs one driver tick that waits for at most `limit`, and fires the timers.
void loop_park::look_at_driver(max_wait limit) {
    watch_.begin_tick();
    const bool may_be_endless = !limit && endless_wait::is_reported();
    if (may_be_endless) limit = endless_wait_.begin(watch_.counters().polls);
    result<std::size_t> events = std::size_t{0};
    if (io_ == nullptr) {
        place_->park(limit);
    } else {
        events = io_->tick(limit);
    }
    if (may_be_endless) endless_wait_.end();
    if (!events) {
        throw std::system_error(events.error(), std::string("eddy: ") + tick_failed(kind_, events.error()));
    }
    watch_.has_ticked(*events, time_->fire());
}

std::optional<std::chrono::steady_clock::time_point> loop_park::next_deadline() noexcept {
    const auto now = std::chrono::steady_clock::now();
    const bool may_wait = io_ == nullptr || io_->may_wait_outside();  // may queue tasks: call it first
    if (!tasks_.is_empty() || !may_wait || !tasks_.mark_parked()) return now;
    auto next = time_->next_deadline();
    const auto linger = io_ != nullptr ? io_->linger_deadline() : std::nullopt;
    if (linger && (!next || *linger < *next)) next = linger;
    return next;
}

endless_wait::state loop_park::sleep_state() noexcept {
    if (watch_.has_park_hook() || tasks_.has_inbound() || time_->next_deadline()) return {};
    return io_ == nullptr ? 0 : io_->sleep_state();
}

}  // namespace eddy::detail
