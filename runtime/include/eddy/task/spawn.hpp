// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/detail/frame_pool.hpp>
#include <eddy/detail/runtime_context.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/future/detail/of_closure.hpp>
#include <eddy/task/detail/executor.hpp>
#include <eddy/task/detail/spawned_task.hpp>
#include <eddy/task/detail/stored_work.hpp>
#include <eddy/task/join_handle.hpp>

namespace eddy {

class handle;

namespace detail {

/// Returns the runtime of a handle.
[[nodiscard]] EDDY_API executor& executor_of(const handle& runtime) noexcept;

/// Throws misuse: this thread has no executor. The text names the function `what`, and the alternative `instead`.
[[noreturn, gnu::cold]] EDDY_API void throw_no_executor(const char* what, const char* instead,
                                                        std::source_location where);

/// Returns the executor of this thread. Throws `misuse` if there is none; see throw_no_executor().
[[nodiscard]] inline executor& current_executor_or_throw(const char* what, const char* instead,
                                                         std::source_location where) {
    executor* const here = this_thread.executor.runs;
    if (here == nullptr) [[unlikely]]
        throw_no_executor(what, instead, where);
    return *here;
}

/// The join handle that spawn() returns for the work `W`.
template <class W>
using join_handle_for = made_of<join_handle<work_output_t<W>>, W>;

/// Spawns `work` on `runs`, a spawned_task_owner, a pool or a local_tasks, and returns its join handle. If
/// check_spawned() has rejected the work, returns a placeholder. If `is_background`, the runtime can be idle while the
/// task exists. `name` is empty or one std::string.
template <class Runs, class W, class... Name>
auto spawn_on(Runs& runs, W&& work, std::source_location where, bool is_background = false, Name... name) {
    if constexpr (check_spawned<W>()) {
        using cell = task_cell<std::decay_t<W>, Name...>;
        spawned_task_owner& owner = owner_of(runs);
        cell& made = *pool_new<cell>(owner, where, std::forward<W>(work), std::move(name)...);
        if (is_background) made.add_constant(spawned_task::background);
        owner.adopt(made);
        return join_handle_for<W>(made);
    } else {
        return broken_future();
    }
}

}  // namespace detail

/// Spawns a task that runs concurrently, and returns a join_handle. The task runs on the current runtime of this
/// thread: the runtime whose worker this thread is, the event loop (`core`) that runs here, or the runtime that was
/// entered (handle::enter()). If several apply, the innermost is used. `work` is a future, or a callable without
/// parameters that returns a future or a value. The callable is called on the runtime, and lives as long as its future.
///
/// Dropping the handle detaches the task; see join_handle.
/// Errors: throws `misuse` without a runtime on this thread. If the runtime is shutting down, the work is destroyed,
/// and the handle reports that it was cancelled.
/// Thread safety: any thread that has a runtime.
/// Lifetime: the work is moved in. It must own its data, because the task can outlive the caller.
/// Cost: one block from the frame pool; no system call unless it wakes a parked worker.
template <class W>
auto spawn(W&& work, std::source_location where = std::source_location::current()) {
    return detail::spawn_on(detail::current_executor_or_throw("spawn", "use handle::spawn", where),
                            std::forward<W>(work), where);
}

/// Same as spawn(), but `eddy::run` and similar functions do not wait for the task, and cancel it. An event loop
/// (`core`) makes no difference between spawn() and this function.
/// Lifetime: as for spawn(). The task is destroyed after the main task has ended, so it must not refer to objects of
/// the main task. For tasks that refer to an object, use task_owner.
template <class W>
auto spawn_background(W&& work, std::source_location where = std::source_location::current()) {
    constexpr const char* instead = "use task_builder().background(true).spawn_on() with a handle";
    return detail::spawn_on(detail::current_executor_or_throw("spawn_background", instead, where),
                            std::forward<W>(work), where, true);
}

detail::broken_future spawn(auto&&, detail::argument_of_work auto&&, auto&&...) EDDY_DELETED(EDDY_NO_ARGUMENTS);
detail::broken_future spawn_background(auto&&, detail::argument_of_work auto&&, auto&&...)
    EDDY_DELETED(EDDY_NO_ARGUMENTS);

/// Returns the number of the task that is being polled on this thread; nullopt outside of tasks.
[[nodiscard]] EDDY_API std::optional<task_id> current_task_id() noexcept;

}  // namespace eddy
