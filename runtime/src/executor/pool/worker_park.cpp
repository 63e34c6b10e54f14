// SPDX-License-Identifier: MIT
#include <chrono>
#include <utility>

#include <eddy/detail/frame_pool.hpp>

#include "executor/park/sleeping_place.hpp"
#include "executor/pool/pool.hpp"
#include "executor/pool/worker.hpp"
#include "reactor/drivers/tick_error.hpp"
#include "sys/thread.hpp"

// The part of a worker that waits: its driver ticks, and how it parks.

namespace eddy::detail {
namespace {

using std::chrono::steady_clock;

// Minimum time between two driver ticks while tasks are queued. A driver tick costs as much as many polls.
constexpr auto look_interval = std::chrono::microseconds(20);

// A worker that is notified within this time after it parked spins for about 5 us before it parks again.
constexpr auto soon = std::chrono::microseconds(50);
const unsigned spin_limit = sys::processor_count() > 1 ? 200 : 0;

}  // namespace

void worker::look_if_due() noexcept {
    const auto now = steady_clock::now();
    if (now - last_look_ < look_interval) return;
    last_look_ = now;
    if (!place_->shares_driver()) return look_at_driver(std::chrono::nanoseconds::zero());
    // If another worker waits in the driver, it gets the events.
    const auto events = io_->tick_for_busy_owner();
    note_tick(events && *events ? **events : 0, time_->fire());
}

/// Runs one driver tick, or parks if there is no I/O, and fires the timers. Waits for `limit` or `alarm` at most,
/// whichever is shorter. An alarm costs more to set than `limit`, but stays set if an event ends the wait earlier.
void worker::look_at_driver(max_wait limit, max_wait alarm) noexcept {
    const bool may_be_endless = !limit && !alarm && endless_wait::is_reported();
    if (may_be_endless) limit = endless_wait_.begin(counters().polls.load(std::memory_order_relaxed));  // own counter
    std::size_t found = 0;
    if (io_ == nullptr) {
        place_->park(shorter(limit, alarm));
    } else {
        const auto events = place_->shares_driver() ? place_->wait(limit, alarm) : io_->tick(limit, alarm);
        if (!events) end_without_events(pool_.driver(), events.error());
        found = events.value_or(0);
    }
    if (may_be_endless) endless_wait_.end();
    note_tick(found, time_->fire());
}

/// Notes how many events a driver tick has found, and how many timers have fired after it.
void worker::note_tick(std::size_t events, std::size_t timers) noexcept {
    if (!log_.is_on()) return;
    if (events != 0) log_.note(trace::event_kind::io_event, 0, events);
    if (timers != 0) log_.note(trace::event_kind::timer, 0, timers);
}

endless_wait::state worker::sleep_state() const noexcept {
    const runtime_hooks* const hooks = pool_.hooks();
    const bool calls_hook = hooks != nullptr && (hooks->before_park || hooks->after_unpark);
    if (calls_hook || !pool_.idle().is_parked(index_) || pool_.is_closing() || pool_.has_queued_work()) return {};
    if (time_->next_deadline()) return {};
    return io_ == nullptr ? 0 : io_->sleep_state();
}

max_wait worker::time_to_sleep() const noexcept {
    const auto next = time_->next_deadline();
    if (!next) return std::nullopt;
    const auto now = time_->now();
    return *next <= now ? time_driver::duration::zero() : *next - now;
}

void worker::unpark() noexcept { place_->unpark(); }

void worker::call_as_watchdog() noexcept { place_->unpark_within(watchdog::first_interval / 2); }

bool worker::has_work() const noexcept {
    // relaxed: only this thread stores tasks into the LIFO slot. next_local() finds out if the watchdog took the task.
    return lifo_.load(std::memory_order_relaxed) != nullptr || !queue_.is_empty() || !children_.is_empty();
}

void worker::park() noexcept {
    flush_freed_blocks();
    const runtime_hooks* const hooks = pool_.hooks();
    if (hooks != nullptr && hooks->before_park) hooks->before_park();
    if (has_work()) return;  // the hook has queued a task

    const bool none_searches = pool_.idle().transition_to_parked(index_, std::exchange(is_searching_, false));
    if (none_searches && pool_.has_queued_work()) pool_.notify_one();

    const auto parked_at = steady_clock::now();
    statistics_.note_park(parked_at);
    watchdog_.note_activity(parked_at);
    is_parking_ = true;
    stalls_.end_run();
    const auto now = sleep_until_needed(parked_at);
    stalls_.begin_run();
    is_parking_ = false;
    if (watchdog_.has_role()) watchdog_.resign();
    statistics_.note_start(now);
    last_look_ = now;

    if (hooks != nullptr && hooks->after_unpark) hooks->after_unpark();
    if (pool_.is_closing()) return;
    pool_.wake_watchdog();
    // One driver tick may have woken enough tasks for two workers.
    if (queue_.size() > 0 && is_enough_for_two()) pool_.notify_one();
}

/// Waits until the worker has work, was notified, or the pool closes. Returns the time of the last wake-up.
worker::time_point worker::sleep_until_needed(time_point parked_at) noexcept {
    auto now = parked_at;  // read once per wait: under load, reading the clock was a tenth of the time in user mode
    while (!pool_.is_closing()) {
        if (!watchdog_.has_role() && pool_.size() > 1) watchdog_.volunteer(now);
        // The clock decides, and not the end of a wait, because the worker's own events may end a wait earlier.
        if (watchdog_.has_role() && watchdog_.check_if_due(now) && !has_work()) {
            watchdog_.resign();
            // A worker that began to run before this store has woken no watchdog. volunteer() checks for it.
            continue;
        }
        if (!has_work()) {
            add_to(counters().parks, 1);
            if (log_.is_on()) log_.note(trace::event_kind::park);
            look_at_driver(time_to_sleep(),
                           watchdog_.has_role() ? max_wait(watchdog_.time_to_check(now)) : std::nullopt);
            if (log_.is_on()) log_.note(trace::event_kind::unpark);
            update_observed();
            now = steady_clock::now();
        }
        if (has_work()) {
            // If another thread has notified the worker too, it counts as searching.
            is_searching_ = !pool_.idle().unpark_itself(index_);
            break;
        }
        if (!pool_.idle().is_parked(index_)) {
            is_searching_ = true;
            if (now - parked_at < soon) spins_ = spin_limit;
            break;
        }
    }
    return now;
}

}  // namespace eddy::detail
