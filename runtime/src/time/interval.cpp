// SPDX-License-Identifier: MIT
#include <eddy/time/interval.hpp>

#include <eddy/error.hpp>

namespace eddy::time {
namespace {

constexpr duration lateness_of_a_loop = std::chrono::milliseconds(5);

duration require_positive(duration period, const std::source_location& where) {
    if (period <= duration::zero()) {
        throw misuse("an interval needs a period above zero; to let other tasks run in between, use yield_now()",
                     where);
    }
    return period;
}

}  // namespace

namespace {

/// Returns the time since `then`; the longest duration if it does not fit.
duration since(time_point then, time_point now) noexcept {
    const auto from = then.time_since_epoch().count();
    const auto to = now.time_since_epoch().count();
    if (from < 0 && to > duration::max().count() + from) return duration::max();
    return duration(to - from);
}

}  // namespace

time_point next_tick(missed_tick_behavior behavior, time_point scheduled, time_point now, duration period) noexcept {
    const time_point on_schedule = saturating_add(scheduled, period);
    switch (behavior) {
    case missed_tick_behavior::burst: break;
    case missed_tick_behavior::delay:
        if (now > saturating_add(scheduled, lateness_of_a_loop) || now >= on_schedule)
            return saturating_add(now, period);
        break;
    case missed_tick_behavior::skip:
        if (now >= on_schedule) return saturating_add(now, period - since(scheduled, now) % period);
        break;
    }
    return on_schedule;
}

interval_stream::interval_stream(time_point start, duration period, std::source_location where)
    : wait_(start, where), where_(where), period_(require_positive(period, where)) {}

poll_result<time_point> interval_stream::poll_tick(context& cx) {
    if (!wait_.poll(cx).is_ready()) return not_ready;
    const time_point scheduled = wait_.deadline();
    wait_.reset(next_tick(behavior_, scheduled, clock::now(), period_));
    return scheduled;
}

poll_result<std::optional<time_point>> interval_stream::poll_next(context& cx) {
    const auto tick = poll_tick(cx);
    if (!tick.is_ready()) return not_ready;
    return std::optional(*tick);
}

}  // namespace eddy::time
