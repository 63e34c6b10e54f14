// SPDX-License-Identifier: MIT
#include "executor/loop/loop_park.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <system_error>

#include <eddy/detail/frame_pool.hpp>

#include "executor/loop/core_shared.hpp"
#include "reactor/drivers/tick_error.hpp"

namespace eddy::detail {
namespace {

constexpr auto no_time = std::chrono::nanoseconds::zero();

}  // namespace

loop_park::loop_park(core_shared& loop, std::chrono::nanoseconds spin, bool reports_deadlocks)
    : loop_(loop),
      place_(new sleeping_place(loop.io())),
      time_(time_driver::make(place_->waker(), time_driver::owner::core)),
      spin_(spin) {
    if (reports_deadlocks) deadlocks_.emplace();
}

void loop_park::park(max_wait limit) {
    if (limit == no_time) return look_at_driver(limit);
    if (time_->is_paused()) return park_paused(limit);
    if (spin(limit)) return;
    if (call_before_park()) return look_at_driver(no_time);
    if (const auto next = time_->next_deadline()) {
        // The comparison comes before the subtraction, which would overflow for a deadline at the minimum of the clock.
        const auto now = time_->now();
        const auto left = *next <= now ? time_driver::duration::zero() : *next - now;
        limit = limit ? std::min<std::chrono::nanoseconds>(*limit, left) : left;
    }
    sleep(limit);
    loop_.view().call_after_unpark();
}

/// Calls the hook of a loop that is about to park. Returns whether the hook has queued a task.
bool loop_park::call_before_park() noexcept {
    return loop_.view().call_before_park() && !loop_.tasks().queues().is_empty();
}

/// park() while the clock is paused: advances the clock to the next timer instead of waiting for it. It does so only if
/// there is nothing else to do, and no blocking job whose end could give the tasks something to do.
void loop_park::park_paused(max_wait limit) {
    blocking_jobs& jobs = place_->jobs();
    // any() is called before the checks below, so that they find all wake-ups of the jobs that have ended.
    const bool may_advance = !jobs.any();
    look_at_driver(no_time);
    loop_.tasks().drain_inbound();
    if (!loop_.tasks().queues().is_empty() || call_before_park()) return;
    if (may_advance) {
        if (time_->auto_advance()) {
            static_cast<void>(time_->fire());
        } else {
            sleep(limit);
        }
        return loop_.view().call_after_unpark();
    }
    // All due timers have fired, and no later one becomes due before the clock advances.
    sleep(jobs.wait() ? limit : no_time);
    jobs.wait_ended();
    loop_.view().call_after_unpark();
}

/// Waits for an event of the driver, an inbound node or the end of `limit`, whichever is first.
void loop_park::sleep(max_wait limit) {
    loop_view& view = loop_.view();
    flush_freed_blocks();
    if (!loop_.tasks().queues().inbound().mark_parked()) limit = no_time;
    if (view.log.is_on()) view.log.note(trace::event_kind::park);
    view.stalls.end_run();
    look_at_driver(limit);
    view.stalls.begin_run();
    if (view.log.is_on()) view.log.note(trace::event_kind::unpark);
}

/// Spins for up to spin_ before the thread parks. Returns whether a task is queued. Subtracts the time from `limit`.
bool loop_park::spin(max_wait& limit) {
    const auto most = std::min(spin_, limit.value_or(spin_));
    if (most <= most.zero()) return false;
    const auto begin = std::chrono::steady_clock::now();
    do {
        look_at_driver(no_time);
        loop_.tasks().drain_inbound();
        if (!loop_.tasks().queues().is_empty()) return true;
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
    loop_view& view = loop_.view();
    ++view.counted.turns;
    const bool may_be_endless = !limit && endless_wait::is_reported();
    if (may_be_endless) limit = endless_wait_.begin(view.counted.polls);
    result<std::size_t> events = std::size_t{0};
    if (loop_.io() == nullptr) {
        place_->park(limit);
    } else {
        events = loop_.io()->tick(limit);
    }
    if (may_be_endless) endless_wait_.end();
    loop_.tasks().look_at_next_spawn();
    if (!events) {
        throw std::system_error(events.error(),
                                std::string("eddy: ") + tick_failed(loop_.chosen().driver, events.error()));
    }
    const std::size_t timers = time_->fire();
    if (!view.log.is_on()) return;
    if (*events != 0) view.log.note(trace::event_kind::io_event, 0, *events);
    if (timers != 0) view.log.note(trace::event_kind::timer, 0, timers);
}

std::optional<std::chrono::steady_clock::time_point> loop_park::next_deadline() noexcept {
    const auto now = std::chrono::steady_clock::now();
    io_handle* const io = loop_.io();
    const bool may_wait = io == nullptr || io->may_wait_outside();  // may queue tasks: call it first
    loop_queues& queues = loop_.tasks().queues();
    if (!queues.is_empty() || !may_wait || !queues.inbound().mark_parked()) return now;
    auto next = time_->next_deadline();
    const auto linger = io != nullptr ? io->linger_deadline() : std::nullopt;
    if (linger && (!next || *linger < *next)) next = linger;
    return next;
}

endless_wait::state loop_park::sleep_state() noexcept {
    const observer* const observes = loop_.observed_by();
    const bool calls_hook = observes != nullptr && (observes->hooks.before_park || observes->hooks.after_unpark);
    if (calls_hook || loop_.tasks().queues().inbound().has_nodes() || time_->next_deadline()) return {};
    return loop_.io() == nullptr ? 0 : loop_.io()->sleep_state();
}

}  // namespace eddy::detail
