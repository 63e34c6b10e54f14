// SPDX-License-Identifier: MIT
#pragma once

#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/detail/broken_future.hpp>
#include <eddy/detail/executor.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/frame_pool.hpp>
#include <eddy/detail/task_cell.hpp>
#include <eddy/task/join_handle.hpp>

namespace eddy::detail {

class pool;

// spawn_on(), which spawns on any owner of tasks, and the functions of the pool (src/executor/pool) that templates
// call.

/// Adds or gives up a reference to the pool. The last release() frees it.
EDDY_API void retain(pool& shared) noexcept;
EDDY_API void release(pool& shared) noexcept;
/// Returns the pool as the owner of its tasks.
[[nodiscard]] EDDY_API spawned_task_owner& owner_of(pool& shared) noexcept;

/// Returns the pool in which spawn() spawns on this thread; null on an event loop, and without an executor.
[[nodiscard]] EDDY_API pool* pool_here() noexcept;

/// Checks that the current thread may block. `what` is the caller's name.
/// Errors: throws `nested_runtime` on a thread that runs tasks, which would be blocked too.
EDDY_API void check_may_block(const char* what, std::source_location where);
/// Same as above, for a caller that is about to wait for `shared`.
/// Errors: also throws `misuse` in a forked child process, which has none of the pool's workers.
EDDY_API void check_may_block(const pool& shared, const char* what, std::source_location where);
/// Same as above, for a caller that waits until `awaited` is idle.
/// Errors: also throws `nested_runtime` if `awaited` cannot become idle before the calling task has ended.
EDDY_API void check_may_await_idle(const pool& awaited, const char* what, std::source_location where);

/// The join handle that spawn() returns for the work `W`.
template <class W>
using join_handle_for = join_handle<work_output_t<W>>;

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

}  // namespace eddy::detail
