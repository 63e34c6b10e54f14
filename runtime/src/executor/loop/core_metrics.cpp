// SPDX-License-Identifier: MIT
// The metrics of an event loop, also for other threads.
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

core_metrics core_shared::metrics_of(const counters& counted, std::size_t alive) const noexcept {
    const poll_durations& durations = durations_ != nullptr ? *durations_ : no_durations;
    const stall_counters stalls = stalls_.counters();
    return {alive,
            counted.polls,
            counted.turns,
            io() != nullptr ? io()->metrics() : io_metrics(),
            counted.forced_yields,
            durations.poll_times.read(),
            durations.schedule_latencies.read(),
            stalls.stalls,
            stalls.times};
}

void core_shared::add_metrics_to(all_metrics& all) const {
    const auto counted = copy_of_plain<counters>(&counters_);
    if (counted.is_closed) return;
    // First the tasks that have ended: so there are not more of them than were added.
    const auto removed = copy_of_plain<std::uint64_t>(live_.ring().removed);
    const auto added = copy_of_plain<std::uint64_t>(live_.ring().added);
    all.loops.emplace_back(id_, metrics_of(counted, added - removed));
}

}  // namespace eddy::detail
