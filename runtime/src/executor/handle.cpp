// SPDX-License-Identifier: MIT
#include <eddy/runtime/handle.hpp>

#include <string>
#include <utility>

#include <eddy/detail/core_spawn.hpp>
#include <eddy/detail/runtime_context.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/task_builder.hpp>

#include "executor/pool/pool.hpp"
#include "executor/task/run_task.hpp"

namespace eddy {

handle handle::current(std::source_location where) {
    if (auto found = try_current()) return *std::move(found);
    throw misuse(
        "no runtime is current on this thread: call this inside eddy::run() or a runtime's task, or enter a runtime "
        "first (runtime::enter)",
        where);
}

std::optional<handle> handle::try_current() noexcept {
    detail::pool* const found = detail::this_thread.executor.pool;
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
      outer_core_(detail::this_thread.executor.core),
      outer_pool_(detail::this_thread.executor.pool),
      outer_time_(detail::this_thread.executor.time),
      outer_guard_(std::exchange(detail::this_thread.innermost_guard, this)) {
    detail::this_thread.executor = {nullptr, entered_.pool_, &entered_.pool_->any_time_driver()};
}

enter_guard::~enter_guard() {
    if (detail::this_thread.innermost_guard != this) {
        detail::fatal_misuse(
            "enter guards were not destroyed in the reverse order of their creation, on the thread that made them: "
            "give each guard its own scope. The guard of this enter() was destroyed too early",
            entered_at_);
    }
    detail::this_thread.innermost_guard = outer_guard_;
    detail::this_thread.executor = {outer_core_, outer_pool_, outer_time_};
}

// ---- The current task and spawn target ----

std::optional<task_id> current_task_id() noexcept {
    if (const auto* const task = detail::polled_task::here()) return task->id;
    if (const auto* const task = detail::this_thread.loop_task) return task->id;
    return std::nullopt;
}

std::string_view current_task_name() noexcept {
    if (const auto* const task = detail::polled_task::here()) return task->ops().name(*task);
    if (const auto* const task = detail::this_thread.loop_task) return task->ops().name(*task);
    return {};
}

namespace detail {

call_site spawn_site_here() noexcept {
    if (const auto* const task = polled_task::here()) return call_site_of(task->spawned_at);
    if (const auto* const task = this_thread.loop_task) return call_site_of(task->spawned_at);
    return nullptr;
}

// Not inlined below: each spawn would save the registers that the text needs.
[[noreturn, gnu::noinline, gnu::cold]] static void throw_no_executor(const char* what, const char* instead,
                                                                     std::source_location where) {
    throw misuse(
        std::string(what) +
            " needs a runtime on this thread: call it inside eddy::run(), a runtime's task or core.run(), or " +
            instead,
        where);
}

spawn_target current_spawn_target(const char* what, const char* instead, std::source_location where) {
    const current_executor here = this_thread.executor;
    if (here.core == nullptr && here.pool == nullptr) [[unlikely]]
        throw_no_executor(what, instead, where);
    return {here.core, here.pool};
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
