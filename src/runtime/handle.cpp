// SPDX-License-Identifier: MIT
#include <eddy/runtime/handle.hpp>

#include <string>
#include <utility>

#include <eddy/task/spawn.hpp>
#include <eddy/task/task_builder.hpp>

#include "runtime/current_executor.hpp"
#include "runtime/polled_task.hpp"
#include "runtime/pool.hpp"
#include "runtime/worker_here.hpp"

namespace eddy {

handle handle::current(std::source_location where) {
    if (auto found = try_current()) return *std::move(found);
    throw misuse(
        "no runtime is current on this thread: call this inside eddy::run() or a runtime's task, or enter a runtime "
        "first (runtime::enter)",
        where);
}

std::optional<handle> handle::try_current() noexcept {
    if (detail::executor_here.pool == nullptr) return std::nullopt;
    return handle(*detail::executor_here.pool);
}

runtime_metrics handle::metrics() const { return pool_->metrics(); }
std::uint64_t handle::id() const noexcept { return pool_->id(); }

// ---- enter_guard ----

namespace {
constinit thread_local enter_guard* innermost_guard = nullptr;
}  // namespace

enter_guard handle::enter() const { return enter_guard(*this); }

enter_guard::enter_guard(const handle& entered)
    : entered_(entered),
      outer_core_(detail::executor_here.core),
      outer_pool_(detail::executor_here.pool),
      outer_time_(detail::exchange_current_time_driver(&entered.pool_->any_time_driver())),
      outer_guard_(std::exchange(innermost_guard, this)) {
    detail::executor_here = {nullptr, entered_.pool_};
}

enter_guard::~enter_guard() {
    if (innermost_guard != this) {
        detail::fatal_misuse(
            "enter guards were not destroyed in the reverse order of their creation: give each guard its own scope");
    }
    innermost_guard = outer_guard_;
    detail::executor_here = {outer_core_, outer_pool_};
    detail::exchange_current_time_driver(outer_time_);
}

// ---- The current task and spawn target ----

std::optional<task_id> current_task_id() noexcept {
    if (const auto* const task = detail::polled_task::here()) return task->id;
    if (detail::loop_task_here.id != 0) return detail::loop_task_here.id;
    return std::nullopt;
}

std::string_view current_task_name() noexcept {
    const auto* const task = detail::polled_task::here();
    return task != nullptr ? task->ops().name(*task) : detail::loop_task_here.name;
}

namespace detail {

spawn_target current_spawn_target(const char* what, const char* instead, std::source_location where) {
    const executor here = executor_here;
    if (here.core == nullptr && here.pool == nullptr) {
        throw misuse(
            std::string(what) +
                " needs a runtime on this thread: call it inside eddy::run(), a runtime's task or core.run(), or " +
                instead,
            where);
    }
    return {here.core, here.pool};
}

}  // namespace detail
}  // namespace eddy
