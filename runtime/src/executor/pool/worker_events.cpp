// SPDX-License-Identifier: MIT
#include "executor/pool/worker_events.hpp"

#include <chrono>
#include <utility>

#include <eddy/detail/frame_pool.hpp>

#include "executor/pool/pool.hpp"
#include "executor/pool/worker.hpp"
#include "reactor/drivers/driver_ticks.hpp"
#include "reactor/io_handle.hpp"

namespace eddy::detail {
namespace {

using std::chrono::steady_clock;

// Minimum time between two driver ticks while tasks are queued. A driver tick costs as much as many polls.
constexpr auto look_interval = std::chrono::microseconds(20);

// A worker that is notified within this time after it parked spins before it parks again.
constexpr auto soon = std::chrono::microseconds(50);

}  // namespace

worker_events::worker_events(worker& own, io_share&& io, bool shares_io)
    : own_(own),
      io_(std::move(io)),
      place_(new sleeping_place(io_.get(), shares_io)),
      time_(time_driver::make(place_->waker())),
      polls_to_look_(own.owner().settings().event_interval),
      watchdog_(own.owner().workers(), own.index()) {}

worker_events::~worker_events() = default;

void worker_events::enter_thread() noexcept {
    place_->set_owner();
    // The thread that ran the worker before may still arm a timer here in the rest of its poll. synchronize() takes the
    // lock of the timers. So either this thread sees that timer in next_deadline(), or the other thread sees the new
    // owner and unparks it. Without the lock each thread could miss the store of the other.
    time_->synchronize();
}

void worker_events::shut_down() noexcept {
    time_->shutdown();
    if (io_ != nullptr) io_->shut_down();
}

void worker_events::retire_ring() noexcept {
    if (io_ != nullptr) io_->retire_ring();
}

void worker_events::tick_for_stalled() noexcept {
    if (io_ != nullptr) static_cast<void>(io_->tick_for_busy_owner());
    static_cast<void>(time_->fire());
}

void worker_events::look_if_due() noexcept {
    polls_to_look_ = own_.owner().settings().event_interval;
    own_.watch().update();
    const auto now = steady_clock::now();
    if (now - last_look_ < look_interval) return;
    last_look_ = now;
    if (!place_->shares_driver()) return look_at_driver(std::chrono::nanoseconds::zero());
    // If another worker waits in the driver, it gets the events.
    const auto events = io_->tick_for_busy_owner();
    own_.watch().has_ticked(events && *events ? **events : 0, time_->fire());
}

/// Runs one driver tick, or parks if there is no I/O, and fires the timers. Waits for `limit` or `alarm` at most,
/// whichever is shorter. An alarm costs more to set than `limit`, but stays set if an event ends the wait earlier.
void worker_events::look_at_driver(max_wait limit, max_wait alarm) noexcept {
    const bool may_be_endless = !limit && !alarm && endless_wait::is_reported();
    if (may_be_endless) limit = endless_wait_.begin(own_.watch().polls_until_now());
    std::size_t found = 0;
    if (io_ == nullptr) {
        place_->park(shorter(limit, alarm));
    } else {
        const auto events = place_->shares_driver() ? place_->wait(limit, alarm) : io_->tick(limit, alarm);
        const worker_set& all = own_.owner().workers();
        if (!events) end_without_events(all.driver(), events.error());
        found = events.value_or(0);
    }
    if (may_be_endless) endless_wait_.end();
    own_.watch().has_ticked(found, time_->fire());
}

endless_wait::state worker_events::sleep_state() const noexcept {
    pool& owner = own_.owner();
    worker_set& all = owner.workers();
    if (own_.watch().has_park_hook() || !all.idle().is_parked(own_.index()) || owner.shutdown().is_closing() ||
        all.have_queued_tasks())
        return {};
    if (time_->next_deadline()) return {};
    return io_ == nullptr ? 0 : io_->sleep_state();
}

max_wait worker_events::time_to_sleep() const noexcept {
    const auto next = time_->next_deadline();
    if (!next) return std::nullopt;
    const auto now = time_->now();
    return *next <= now ? time_driver::duration::zero() : *next - now;
}

void worker_events::park() noexcept {
    pool& owner = own_.owner();
    flush_freed_blocks();
    worker_watch& watch = own_.watch();
    watch.parks();
    if (!own_.tasks().is_empty()) return;  // the hook has queued a task

    worker_set& all = owner.workers();
    const bool none_searches = all.idle().transition_to_parked(own_.index(), own_.search().end_to_park());
    if (none_searches && all.have_queued_tasks()) all.notify_one();

    const auto parked_at = steady_clock::now();
    watch.end_busy(parked_at);
    watchdog_.note_activity(parked_at);
    own_.tasks().begin_park();
    watch.end_run();
    const auto now = sleep_until_needed(parked_at);
    watch.begin_run();
    own_.tasks().end_park();
    if (watchdog_.has_role()) watchdog_.resign();
    watch.begin_busy(now);
    last_look_ = now;

    watch.unparked();
    if (owner.shutdown().is_closing()) return;
    all.wake_watchdog();
    // One driver tick may have woken enough tasks for two workers.
    if (own_.tasks().is_enough_for_two()) all.notify_one();
}

/// Waits until the worker has tasks, was notified, or the pool closes. Returns the time of the last wake-up.
worker_events::time_point worker_events::sleep_until_needed(time_point parked_at) noexcept {
    const pool_shutdown& shutdown = own_.owner().shutdown();
    worker_set& all = own_.owner().workers();
    worker_tasks& tasks = own_.tasks();
    auto now = parked_at;  // read once per wait: under load, reading the clock was a tenth of the time in user mode
    while (!shutdown.is_closing()) {
        if (!watchdog_.has_role() && all.size() > 1) watchdog_.volunteer(now);
        // The clock decides, and not the end of a wait, because the worker's own events may end a wait earlier.
        if (watchdog_.has_role() && watchdog_.check_if_due(now, own_) && tasks.is_empty()) {
            watchdog_.resign();
            // A worker that began to run before this store has woken no watchdog. volunteer() checks for it.
            continue;
        }
        if (tasks.is_empty()) {
            own_.watch().waits();
            look_at_driver(time_to_sleep(),
                           watchdog_.has_role() ? max_wait(watchdog_.time_to_check(now)) : std::nullopt);
            own_.watch().has_waited();
            own_.watch().update();
            now = steady_clock::now();
        }
        if (!tasks.is_empty()) {
            // If another thread has notified the worker too, it counts as searching.
            if (!all.idle().unpark_itself(own_.index())) own_.search().begin_notified(false);
            break;
        }
        if (!all.idle().is_parked(own_.index())) {
            own_.search().begin_notified(now - parked_at < soon);
            break;
        }
    }
    return now;
}

}  // namespace eddy::detail
