// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <source_location>

#include <eddy/detail/export.hpp>
#include <eddy/detail/ref_count.hpp>
#include <eddy/future/detail/waiter_list.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/task/detail/executor.hpp>
#include <eddy/task/detail/spawned_task.hpp>
#include <eddy/task/join_handle.hpp>
#include <eddy/task/spawn.hpp>

namespace eddy::detail {

// The functions of a local set that templates call. The class local_tasks is in src/executor/local.

class local_tasks;

/// Creates the shared state of a local set, with one reference.
/// Errors: throws std::bad_alloc.
[[nodiscard]] EDDY_API local_tasks& make_local_tasks();
// The reference count. Both functions may be called on any thread.
EDDY_API void retain(local_tasks& tasks) noexcept;
EDDY_API void release(local_tasks& tasks) noexcept;
[[nodiscard]] EDDY_API spawned_task_owner& owner_of(local_tasks& tasks) noexcept;

/// Returns the approximate number of tasks. Callable on any thread.
[[nodiscard]] EDDY_API std::size_t load_of(const local_tasks& tasks) noexcept;

/// Destroys all tasks and rejects new ones.
/// Preconditions: the set is not being polled; otherwise the program terminates.
EDDY_API void close(local_tasks& tasks) noexcept;

/// A counted reference to a local set, or null.
using local_share = ref_ptr<local_tasks, counts_by_functions>;

/// A future that polls a local set, and is woken when one of the set's tasks is woken. While it waits, it is in the
/// set's list of drivers, and the set's lock guards it.
using local_driver = waiter;

/// Removes a driver from the list. Wakes the remaining drivers if tasks are queued.
EDDY_API void leave(local_tasks& tasks, local_driver& driver) noexcept;

/// Throws `misuse` if another thread is polling the set.
EDDY_API void check_driver(const local_tasks& tasks, std::source_location where);

/// Polls up to 61 queued tasks, each with a full coop budget. Then arranges that `cx` is woken when a task is queued.
EDDY_API void drive(local_tasks& tasks, local_driver& driver, context& cx) noexcept;

/// Same as drive(), for a caller that waits until the set has no tasks. Returns whether the set has no tasks.
/// Errors: throws `misuse` if called from a task of the set, or while another thread is polling the set.
[[nodiscard]] EDDY_API bool drive_to_end(local_tasks& tasks, context& cx);
/// Aborts all tasks.
EDDY_API void cancel_all(local_tasks& tasks) noexcept;

/// Makes the set the current local set of this thread during its lifetime: while its tasks, or the future of
/// run_until(), are polled or destroyed.
class EDDY_API inside_local : immovable {
public:
    explicit inside_local(local_tasks& tasks) noexcept;
    ~inside_local();

private:
    local_tasks& tasks_;
    local_tasks* const outer_;
    spawned_task_owner* const outer_polled_;
    const void* const outer_polled_on_;
};

/// Returns the owner of the tasks that spawn_local() spawns on this thread: the current local set, else the event loop.
/// Errors: throws `misuse` if there is neither.
[[nodiscard]] EDDY_API spawned_task_owner& current_local_owner(std::source_location where);

}  // namespace eddy::detail
