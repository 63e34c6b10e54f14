// SPDX-License-Identifier: MIT
#include <chrono>
#include <thread>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/error.hpp>
#include <eddy/task/detail/executor.hpp>

#include "executor/blocking/blocking.hpp"
#include "executor/reports/dump_on_signal.hpp"
#include "executor/reports/stall_watch.hpp"
#include "sys/word_wait.hpp"

// What the library does instead of using another thread, in a build without threads.

namespace eddy::detail {

// The functions of a pool that templates and tasks call; see executor/pool/pool.hpp in this folder.
void retain(pool&) noexcept { std::unreachable(); }
void release(pool&) noexcept { std::unreachable(); }
spawned_task_owner& owner_of(pool&) noexcept { std::unreachable(); }

namespace {

/// Runs the job at once, and thereby blocks the event loop.
result<void> run_here(blocking_job& job) noexcept {
    job.run(job);
    return ok();
}

}  // namespace

result<void> submit_lookup(blocking_job& job) noexcept { return run_here(job); }
result<void> submit_blocking(blocking_job& job) noexcept { return run_here(job); }

/// EDDY_DUMP needs a thread.
void start_dumps_on_signal() noexcept {}

// So does the watchdog of stalls.
stall_watch::stall_watch(const stall_settings&, const void* polls)
    : polls_(polls), limit_(0), executor_(0), is_on_(false) {}
stall_watch::~stall_watch() = default;
void stall_watch::watch_this_thread() noexcept {}
void stall_watch::wake_watchdog() noexcept {}
stall_counters stall_watch::counters() const noexcept { return {}; }

void wait_without_threads() noexcept {
    fatal_misuse(
        "a thread would wait for something that only another thread can do, and this eddy was built without threads "
        "(EDDY_NO_THREADS): await the future on an event loop, inside core.run() or eddy::run()");
}

}  // namespace eddy::detail

namespace eddy::sys {

bool sleep_on(const sleep_word&, std::uint32_t, std::chrono::steady_clock::time_point deadline) noexcept {
    if (deadline == std::chrono::steady_clock::time_point::max()) detail::wait_without_threads();
    std::this_thread::sleep_until(deadline);
    return false;
}

void wake_sleeper(const sleep_word&) noexcept {}

}  // namespace eddy::sys
