// SPDX-License-Identifier: MIT
#include <eddy/runtime/handle.hpp>

#include <string>
#include <utility>

#include <eddy/detail/runtime_context.hpp>
#include <eddy/future/future.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/task_builder.hpp>

#include "executor/loop/core_shared.hpp"
#include "executor/pool/pool.hpp"
#include "executor/pool/worker.hpp"
#include "executor/task/run_task.hpp"

namespace eddy {

handle handle::current(std::source_location where) {
    if (auto found = try_current()) return *std::move(found);
    throw misuse(
        "no runtime is current on this thread: call this inside eddy::run() or a runtime's task, or enter a runtime "
        "first (runtime::enter); tasks of a core use core_handle::current()",
        where);
}

std::optional<handle> handle::try_current() noexcept {
    detail::pool* const found = detail::pool_here();
    if (found == nullptr) return std::nullopt;
    return handle(*found);
}

runtime_metrics handle::metrics() const { return pool_->metrics(); }
std::uint64_t handle::id() const noexcept { return pool_->id(); }

// ---- enter_guard ----

enter_guard handle::enter(std::source_location where) const { return enter_guard(*this, where); }

enter_guard::enter_guard(const handle& entered, std::source_location where)
    : entered_(entered),
      entered_at_(where),
      outer_executor_(detail::this_thread.executor.runs),
      outer_time_(detail::this_thread.executor.time),
      outer_guard_(std::exchange(detail::this_thread.innermost_guard, this)) {
    detail::this_thread.executor = {entered_.pool_, &entered_.pool_->workers().any_time_driver()};
}

enter_guard::~enter_guard() {
    if (detail::this_thread.innermost_guard != this) {
        detail::fatal_misuse(
            "enter guards were not destroyed in the reverse order of their creation, on the thread that made them: "
            "give each guard its own scope. The guard of this enter() was destroyed too early",
            entered_at_);
    }
    detail::this_thread.innermost_guard = outer_guard_;
    detail::this_thread.executor = {outer_executor_, outer_time_};
}

// ---- The current task and executor ----

std::optional<task_id> current_task_id() noexcept {
    const auto* const task = detail::numbered_task_here();
    return task != nullptr ? std::optional(task->id) : std::nullopt;
}

std::string_view current_task_name() noexcept {
    const auto* const task = detail::polled_task::here();
    return task != nullptr ? task->ops().name(*task) : std::string_view();
}

namespace detail {

const spawned_task* numbered_task_here() noexcept {
    const spawned_task* const task = polled_task::here();
    return task != nullptr && task->id != 0 ? task : nullptr;
}

executor& executor_of(const handle& runtime) noexcept { return runtime_access::get(runtime); }

call_site spawn_site_here() noexcept {
    const auto* const task = numbered_task_here();
    return task != nullptr ? call_site_of(task->spawned_at) : nullptr;
}

void note_forced_yield() noexcept {
    if (this_thread.worker != nullptr) {
        this_thread.worker->budget_used_up();
    } else if (this_thread.running_loop != nullptr) {
        this_thread.running_loop->budget_used_up();
    }
}

pool* pool_here() noexcept {
    executor* const here = this_thread.executor.runs;
    return here != nullptr && !here->is_loop() ? static_cast<pool*>(here) : nullptr;
}

void throw_no_executor(const char* what, const char* instead, std::source_location where) {
    throw misuse(
        std::string(what) +
            " needs a runtime on this thread: call it inside eddy::run(), a runtime's task or core.run(), or " +
            instead,
        where);
}

void check_may_block(const char* what, std::source_location where) {
    if (!this_thread.runs_tasks()) return;
    throw nested_runtime(std::string(what) +
                             "() was called inside a runtime, whose thread it would block: await the future instead, "
                             "or call it in spawn_blocking or on a separate thread",
                         where);
}

}  // namespace detail
}  // namespace eddy
