// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/detail/frame_pool.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/future/detail/of_closure.hpp>
#include <eddy/task/detail/executor.hpp>
#include <eddy/task/detail/spawned_task.hpp>
#include <eddy/task/join_handle.hpp>

namespace eddy::detail {

/// Tells readers of the program's memory that a task is blocking work.
inline constexpr shape_record blocking_shape =
    record_of("blocking work", wait_shape<>{wait_kind::blocking, 0, {}, true});

/// A task for blocking work. A thread of a blocking pool runs it once, and it is never woken. It uses task_state, so
/// join handles and aborts work as for any other spawned task.
template <class F>
class blocking_cell final : public spawned_output<std::decay_t<std::invoke_result_t<F&>>> {
    using output = std::decay_t<std::invoke_result_t<F&>>;
    using base = spawned_output<output>;

public:
    template <class G>
    blocking_cell(spawned_task_owner& runs, std::source_location where, G&& f)
        : base(operations, runs, where), f_(std::in_place, std::forward<G>(f)) {}

private:
    // SAFETY: only tasks of this class use the `operations` below.
    static blocking_cell& of(spawned_task& task) noexcept { return static_cast<blocking_cell&>(task); }

    static bool poll(spawned_task& task, context&) {
        auto& me = of(task);
        me.outcome_.set_result_of([&]() -> decltype(auto) { return std::invoke(*me.f_); });
        return true;
    }
    static void destroy_future(spawned_task& task) noexcept { of(task).f_.reset(); }
    static void free_memory(spawned_task& task) noexcept { pool_delete(&of(task)); }
    static constexpr spawned_ops operations{
        &poll, nullptr, &destroy_future, &base::fail, &free_memory, &base::unnamed, &base::drop_output,
        0,     0,       &blocking_shape};

    std::optional<F> f_;
};

/// Returns the pool that runs blocking work spawned on this thread; null for the process-wide blocking threads.
/// Errors: throws `misuse` if this thread runs neither a runtime nor an event loop.
[[nodiscard]] EDDY_API pool* current_blocking_pool(std::source_location where);

/// Returns the task owner for blocking work of `runs`.
[[nodiscard]] EDDY_API spawned_task_owner& blocking_owner(pool* runs) noexcept;

/// Queues the task for a blocking thread of `runs`. If no thread is available, the task ends without a call.
EDDY_API void start_blocking(spawned_task& task, pool* runs) noexcept;

/// Rejects, with a static_assert, arguments that are not blocking work.
template <class F>
constexpr bool check_blocking() {
    constexpr bool is_callable = std::is_invocable_v<std::decay_t<F>&>;
    static_assert(is_callable, "eddy: spawn_blocking takes a function without parameters");
    if constexpr (is_callable) {
        // A join handle or a channel receiver is a valid result. A coroutine is not: it would never start.
        constexpr bool is_done = !is_entered<std::remove_cvref_t<std::invoke_result_t<std::decay_t<F>&>>>;
        static_assert(is_done,
                      "eddy: this function makes a task, which spawn_blocking would not run: spawn() it, and give "
                      "spawn_blocking the part that blocks");
        return is_done;
    } else {
        return false;
    }
}

/// Spawns `f` on the blocking threads of `runs` (null: of the process) and returns its join handle. If check_blocking()
/// has rejected `f`, returns a placeholder.
template <class F>
auto spawn_blocking_on(pool* runs, F&& f, std::source_location where) {
    if constexpr (check_blocking<F>()) {
        using cell = blocking_cell<std::decay_t<F>>;
        using output = std::decay_t<std::invoke_result_t<std::decay_t<F>&>>;
        cell& made = *pool_new<cell>(blocking_owner(runs), where, std::forward<F>(f));
        start_blocking(made, runs);
        return made_of<join_handle<output>, F>(made);
    } else {
        return broken_future();
    }
}

}  // namespace eddy::detail
