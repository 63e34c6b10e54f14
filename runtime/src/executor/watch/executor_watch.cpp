// SPDX-License-Identifier: MIT
#include "executor/watch/executor_watch.hpp"

namespace eddy::detail {
namespace {

constinit const poll_durations no_durations;

}  // namespace

executor_watch::executor_watch(const observer* by, const std::string& name, const stall_settings& chosen,
                               const void* polls)
    : by_(by),
      durations_(by != nullptr ? std::make_unique<poll_durations>() : nullptr),
      log_(name),
      stalls_(chosen, polls) {
    update();
}

const poll_durations& executor_watch::durations() const noexcept {
    return durations_ != nullptr ? *durations_ : no_durations;
}

/// The part of spawned() for the first spawn after a driver tick, for all that are made while the thread does not run
/// tasks, and for all if something watches.
[[gnu::cold]] void executor_watch::look_at_spawn(const spawned_task& task) noexcept {
    spawn_time_ = spawn_time::now();
    looks_at_spawns_ = is_on_ || !is_running_;
    if (log_.is_on()) log_.note_spawn(task);
    if (by_ != nullptr) by_->note_spawn(task);
}

[[gnu::cold, gnu::noinline]] void executor_watch::note_woken(const spawned_task& task) noexcept {
    note_in_log(trace::event_kind::wake, task);
    woken_elsewhere(task);
}

void outside_watch::spawned(spawned_task& task) const noexcept {
    spawn_time::now().store_in(task);
    if (by_ != nullptr) by_->note_spawn(task);
    if (is_noted_elsewhere()) [[unlikely]]
        note_spawn_elsewhere(task);
}

}  // namespace eddy::detail
