// SPDX-License-Identifier: MIT
// Stubs for the parts of the library that an event loop and a worker call but that are not explored. There is no I/O.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include <eddy/detail/frame_pool.hpp>

#include "executor/blocking/blocking.hpp"
#include "executor/loop/core_shared.hpp"
#include "executor/pool/pool.hpp"
#include "executor/reports/dump_on_signal.hpp"
#include "executor/reports/endless_wait.hpp"
#include "executor/reports/event_log.hpp"
#include "executor/reports/leaks.hpp"
#include "executor/reports/stall_watch.hpp"
#include "executor/task/hook.hpp"
#include "executor/task/registry.hpp"
#include "executor/task/uncaught.hpp"
#include "explore/core_stand_ins.hpp"
#include "explore/explore.hpp"
#include "explore/small_pool.hpp"
#include "reactor/drivers/driver_ticks.hpp"
#include "sockets/accept.hpp"
#include "sys/fork.hpp"
#include "sys/thread.hpp"
#include "sys/thread_probe.hpp"

namespace explore {

unsigned notifications = 0;

// An explicit instantiation may name private members.
pool_members opened_members(eddy::detail::pool& of);
template <auto References, auto Blocking, auto Workers>
struct opened_pool {
    friend pool_members opened_members(eddy::detail::pool& of) {
        return {of.*References, of.*Blocking, of.workers().*Workers};
    }
};
template struct opened_pool<&eddy::detail::pool::references_, &eddy::detail::pool::blocking_,
                            &eddy::detail::worker_set::all_>;
pool_members members_of(eddy::detail::pool& pool) { return opened_members(pool); }

}  // namespace explore

namespace eddy::trace {
extern "C" {
EDDY_PROBE_SEMAPHORE
}
}  // namespace eddy::trace

namespace eddy::sys {

std::uint64_t fork_generation() noexcept { return 0; }
void call_in_children(void (*)()) noexcept {}
unsigned processor_count() noexcept { return 1; }
bool is_probe_signal(int) noexcept { return false; }

}  // namespace eddy::sys

namespace eddy::detail {

void flush_freed_blocks() noexcept {}
void note_forced_yield() noexcept {}
counted_allocations::counted_allocations() noexcept : is_outermost_(false), before_(0) {}
counted_allocations::~counted_allocations() = default;
std::uint64_t counted_allocations::count() const noexcept { return 0; }
// Only readers of the process's memory use the list of executors.
listed_executor::listed_executor(inspect::executor_kind, std::uint64_t, listed_ring, std::size_t, std::size_t) noexcept
    : record_{} {}
listed_executor::~listed_executor() = default;
std::string leaked_tasks(inspect::executor_kind, std::uint64_t) noexcept { return {}; }
std::string leaked_descriptors(inspect::executor_kind, std::uint64_t,
                               const std::function<std::vector<int>()>&) noexcept {
    return {};
}
void pass_on_leaks(const leak_handler&, const std::string&) noexcept {}
// A model has no clock, and its reports are off.
endless_wait::limit endless_wait::begin(std::uint64_t) noexcept { std::abort(); }
void endless_wait::leave() noexcept { std::abort(); }
// Nothing is recorded.
event_log::event_log(const std::string&) noexcept : track_(nullptr) {}
event_log::~event_log() = default;
void event_log::note(trace::event_kind, std::uint64_t, std::uint64_t) noexcept { std::abort(); }
void event_log::note_spawn(const spawned_task&) noexcept { std::abort(); }
bool is_noted_elsewhere() noexcept { std::abort(); }
void note_spawn_elsewhere(const spawned_task&) noexcept { std::abort(); }
// Stalls have clocks.
stall_watch::stall_watch(const stall_settings&, const void* polls)
    : polls_(polls), limit_(0), executor_(0), is_on_(false) {}
stall_watch::~stall_watch() = default;
void stall_watch::watch_this_thread() noexcept {}
void stall_watch::wake_watchdog() noexcept {}
stall_counters stall_watch::counters() const noexcept { return {}; }
void listed_executor::show_metrics_of(executor&) noexcept {}
void start_dumps_on_signal() noexcept {}
void core_shared::add_metrics_to(all_metrics&) const {}
bool is_of_shutdown(const unread_failure&) noexcept { return false; }
void print_failure(const unread_failure&, const std::source_location&, std::string_view) noexcept {}
void pass_on(unread_failure&, const std::source_location&, std::string_view,
             const std::function<void(std::exception_ptr, const std::source_location&)>&,
             const unobserved_error_handler&) noexcept {}

// ---- Errors: never called ----

bool is_exhausted(const std::error_code&) noexcept { std::abort(); }
void hook_has_thrown(const char*, const std::exception_ptr&) noexcept { std::abort(); }

// ---- Blocking work: only block_in_place() is called ----

pool* pool_here() noexcept { std::abort(); }
result<void> submit_blocking(blocking_job&) noexcept { std::abort(); }

// ---- The pool of a worker that runs no tasks: most are never called ----

void pool::release() noexcept {
    if (references_.drop()) std::abort();  // the model has one
}
void pool::adopt(spawned_task&) noexcept { std::abort(); }
void pool::prepare(spawned_task&) noexcept { std::abort(); }
void pool::launch_child(spawned_task&, bool) noexcept { std::abort(); }
void pool::wake_scope_parent(waker&&) noexcept { std::abort(); }
void pool::schedule(spawned_task&) noexcept { std::abort(); }
void pool::report(unread_failure, const std::source_location&, std::string_view) noexcept { std::abort(); }
io_handle* pool::io_for_new_source() noexcept { std::abort(); }
worker_set::worker_set(const worker_drivers& drivers)
    : kind_(drivers.kind), why_(drivers.why), idle_(static_cast<unsigned>(drivers.each.size())) {}
worker_set::~worker_set() = default;
void worker_set::notify_one() noexcept { ++explore::notifications; }
void worker_set::wake_watchdog() noexcept { std::abort(); }
bool worker_set::have_queued_tasks() const noexcept { return false; }
time_driver& worker_set::any_time_driver() noexcept { return all_.at(0)->events().time(); }
void pool::inject(spawned_task&) noexcept { std::abort(); }
void pool::give_up(spawned_task& task) noexcept { eddy::detail::release(task, 2); }  // the queue's and the list's
void pool::complete(spawned_task&, std::uint64_t) noexcept { std::abort(); }
void pool::destroy(spawned_task&, std::uint64_t) noexcept { std::abort(); }
void pool::add_metrics_to(all_metrics&) const { std::abort(); }

}  // namespace eddy::detail
