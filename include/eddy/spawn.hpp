// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <source_location>
#include <utility>

#include <eddy/detail/broken_future.hpp>
#include <eddy/detail/core_spawn.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/pool.hpp>
#include <eddy/join_handle.hpp>

namespace eddy {

namespace detail {

/// Where spawn() goes on this thread: exactly one is not null. Throws `misuse` if there is neither, in the name of the
/// function `what`; `instead` is what can be done without a runtime on this thread.
struct spawn_target {
    core_shared* core;
    class pool* pool;
};
[[nodiscard]] EDDY_API spawn_target current_spawn_target(const char* what, const char* instead,
                                                         std::source_location where);

template <class W>
join_handle_for<W> spawn_here(spawn_target target, W&& work, std::source_location where, spawn_settings chosen) {
    if (target.pool != nullptr) return spawn_on(*target.pool, std::forward<W>(work), where, chosen);
    return spawn_on_core(*target.core, std::forward<W>(work), where);
}

}  // namespace detail

/// Starts a task that runs concurrently, on the current runtime: the innermost one of the runtime whose worker this is,
/// the loop (`core`) that runs on this thread, and the runtime that was entered. `work` is a future, or a callable
/// without parameters that makes one (or returns a value), which is called on the runtime and kept as long as its
/// future.
///
/// Dropping the handle detaches the task; see join_handle.
/// Errors: throws `misuse` without a runtime on this thread. If the runtime is shutting down, the work is destroyed and
/// the handle says that it was cancelled. Cost: one block of the frame pool, and no system call unless a sleeping
/// worker is to help.
template <class W>
auto spawn(W&& work, std::source_location where = std::source_location::current()) {
    if constexpr (detail::check_spawned<W>()) {
        const auto target = detail::current_spawn_target("spawn", "use handle::spawn", where);
        return detail::spawn_here(target, std::forward<W>(work), where, {});
    } else {
        return detail::broken_future();
    }
}

/// As spawn(), for work that does not keep the runtime going: `eddy::run` and the like return although it is alive, and
/// cancel it then.
template <class W>
auto spawn_background(W&& work, std::source_location where = std::source_location::current()) {
    if constexpr (detail::check_spawned<W>()) {
        detail::spawn_settings chosen;
        chosen.is_background = true;
        const auto target = detail::current_spawn_target(
            "spawn_background", "use task_builder().background(true).spawn_on() with a handle", where);
        return detail::spawn_here(target, std::forward<W>(work), where, chosen);
    } else {
        return detail::broken_future();
    }
}

// Only to say in a short error what to write.
template <class W, detail::argument_of_work A, class... More>
auto spawn(W&&, A&&, More&&...) {
    return detail::refuse_arguments<W>();
}
template <class W, detail::argument_of_work A, class... More>
auto spawn_background(W&&, A&&, More&&...) {
    return detail::refuse_arguments<W>();
}

/// The number of the task that is polled on this thread; nothing outside of tasks.
[[nodiscard]] EDDY_API std::optional<task_id> current_task_id() noexcept;

}  // namespace eddy
