// SPDX-License-Identifier: MIT
// The metrics of an event loop, also for other threads.
#include "executor/loop/loop_view.hpp"

#include "executor/loop/core_shared.hpp"
#include "executor/task/all_metrics.hpp"
#include "sys/own_memory.hpp"

namespace eddy::detail {
namespace {

constinit const poll_durations no_durations;

/// Copies memory that the loop's thread may change meanwhile. A counter that is aligned is not torn.
template <class T>
T copy_of_plain(const void* from) noexcept {
    return sys::copy_own_object<T>(from).value_or(T{});
}

}  // namespace

core_metrics loop_view::metrics_of(const counters& of, std::size_t alive, const io_metrics& io) const noexcept {
    const poll_durations& measured = durations != nullptr ? *durations : no_durations;
    const stall_counters stalled = stalls.counters();
    return {alive,
            of.polls,
            of.turns,
            io,
            of.forced_yields,
            measured.poll_times.read(),
            measured.schedule_latencies.read(),
            stalled.stalls,
            stalled.times};
}

void core_shared::add_metrics_to(all_metrics& all) const {
    const auto counted = copy_of_plain<loop_view::counters>(&view_.counted);
    if (counted.is_closed) return;
    // First the tasks that have ended: so there are not more of them than were added.
    const auto removed = copy_of_plain<std::uint64_t>(tasks_.alive().ring().removed);
    const auto added = copy_of_plain<std::uint64_t>(tasks_.alive().ring().added);
    all.loops.emplace_back(view_.id, view_.metrics_of(counted, added - removed, io_metrics_now()));
}

}  // namespace eddy::detail
