// SPDX-License-Identifier: MIT
#pragma once

#include <source_location>
#include <utility>

#include <eddy/detail/closure_guard.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/spawned_cell.hpp>
#include <eddy/join_handle.hpp>

namespace eddy::detail {

class core_shared;
class pool;

// What the templates of runtime.hpp, handle.hpp and spawn.hpp call of the pool; the class itself is in src/runtime.

EDDY_API void retain(pool& shared) noexcept;
EDDY_API void release(pool& shared) noexcept;
[[nodiscard]] EDDY_API task_owner& owner_of(pool& shared) noexcept;

/// Begins a new task: if the pool is closing, it is cancelled at once. Any thread.
EDDY_API void start(pool& shared, spawned_task& task) noexcept;

/// Throws `nested_runtime` on a thread whose tasks would stand still if it blocked; `what` is the caller's name.
EDDY_API void check_may_block(const char* what, std::source_location where);
/// The same for whoever is about to wait for this pool, and `misuse` in the child of a fork, which has none of its
/// workers.
EDDY_API void check_may_block(const pool& shared, const char* what, std::source_location where);
/// The same for what waits until `awaited` is idle: also where that could not be before the caller has ended.
EDDY_API void check_may_await_idle(const pool& awaited, const char* what, std::source_location where);

/// What spawned work may be given besides.
struct spawn_settings {
    bool is_background = false;  ///< an idle runtime may have it

    spawn_settings() noexcept = default;
};

template <class W>
using join_handle_for = std::conditional_t<is_fragile<W> && !future<std::decay_t<W>>,
                                           marked_join_handle<work_output_t<W>>, join_handle<work_output_t<W>>>;

template <class W>
join_handle_for<W> spawn_on(pool& shared, W&& work, std::source_location where, spawn_settings chosen = {}) {
    using cell = spawned_cell<std::decay_t<W>>;
    cell& made = *pool_new<cell>(owner_of(shared), where, true, std::forward<W>(work));
    made.is_background = chosen.is_background;
    start(shared, made);
    return join_handle_for<W>(made);
}

}  // namespace eddy::detail
