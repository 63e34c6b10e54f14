// SPDX-License-Identifier: MIT
// The metrics of an event loop, also for other threads.
#include <cstdint>

#include "executor/loop/core_shared.hpp"
#include "executor/task/registry.hpp"
#include "sys/own_memory.hpp"

namespace eddy::detail {
namespace {

/// Copies memory that the loop's thread may change meanwhile. A counter that is aligned is not torn.
template <class T>
T copy_of_plain(const void* from) noexcept {
    return sys::copy_own_object<T>(from).value_or(T{});
}

}  // namespace

core_metrics core_shared::metrics() const noexcept {
    return watch_.metrics_of(watch_.counters(), tasks_.alive(), io_metrics_now());
}

void core_shared::add_metrics_to(all_metrics& all) const {
    const auto counted = copy_of_plain<loop_counters>(&watch_.counters());
    if (counted.is_closed) return;
    // First the tasks that have ended: so there are not more of them than were added.
    const auto removed = copy_of_plain<std::uint64_t>(tasks_.ring().removed);
    const auto added = copy_of_plain<std::uint64_t>(tasks_.ring().added);
    all.loops.emplace_back(id(), watch_.metrics_of(counted, added - removed, io_metrics_now()));
}

}  // namespace eddy::detail
