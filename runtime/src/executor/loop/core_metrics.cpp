// SPDX-License-Identifier: MIT
// The metrics of an event loop that other threads read.
#include "executor/loop/core_shared.hpp"
#include "executor/task/all_metrics.hpp"
#include "sys/own_memory.hpp"

namespace eddy::detail {
namespace {

/// Copies memory that the loop's thread may change meanwhile. A counter that is aligned is not torn.
template <class T>
T copy_of_plain(const void* from) noexcept {
    return sys::copy_own_object<T>(from).value_or(T{});
}

}  // namespace

void core_shared::add_metrics_to(all_metrics& all) const {
    const auto counted = copy_of_plain<counters>(&counters_);
    if (counted.is_closed) return;
    // First the tasks that have ended: so there are not more of them than were added.
    const auto removed = copy_of_plain<std::uint64_t>(live_.ring().removed);
    const auto added = copy_of_plain<std::uint64_t>(live_.ring().added);
    histograms durations;
    if (histograms_ != nullptr) durations = copy_of_plain<histograms>(histograms_.get());
    const auto io_counters = io() != nullptr ? io()->metrics() : io_metrics();
    const stall_counters stalls = stalls_.counters();
    all.loops.emplace_back(
        id_, core_metrics(added - removed, counted.polls, counted.turns, io_counters, counted.forced_yields,
                          durations.poll_times, durations.schedule_latencies, stalls.stalls, stalls.times));
}

}  // namespace eddy::detail
