// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>

#include <eddy/detail/export.hpp>

#ifdef EDDY_EXPLORE
#include "explore/types.hpp"
#endif

namespace eddy {
class enter_guard;
}

namespace eddy::detail {

class blocking_pool;
class core_shared;
class executor;
class local_tasks;
class polled_task;
class pool;
class spawned_task_owner;
class time_driver;
class worker;
struct task_local_binding;

/// The executor that spawn(), new sockets and sleeps use on a thread: the event loop that runs there, the pool of the
/// thread's worker, or the runtime that was entered, whichever is innermost.
struct current_executor {
    executor* runs = nullptr;
    time_driver* time = nullptr;  ///< null if sleeps are not possible, for example in blocking work
};

/// The state of a thread: which executor, worker and task it runs. All code that asks "where am I" reads this object.
///
///     fields                         set by                                    read by
///     runs_here, running_loop,       the code that runs a worker, a loop or    wakers: whether a task is woken on the
///     polled_local_set               a local set                               thread that runs its executor
///     polled                         polled_task                               wakers; the task's id; misuse checks
///     worker                         worker::enter_thread(), leave_thread();   pool, sockets, scopes
///                                    hidden by in_place_scope
///     executor                       as `worker` and `running_loop`, and       spawn(), sockets, sleeps
///                                    enter_guard, blocking work
///     local_set                      inside_local, local_enter_guard           spawn_local()
///     task_locals                    task_local, hidden_task_locals            task_local, scopes
///     stops_other_loops              as `running_loop`, and wait()             the check for waits that never end
///     poll_entry                     as `worker` and `running_loop`            the check for futures on the stack;
///                                                                              known_scope
///     innermost_guard                enter_guard                               its own check of the order
///     ..._of, is_in_blocking_call    block_in_place, blocking threads          shutdown; the checks whether a thread
///                                                                              may block
///
/// Nesting: the classes that set a field restore its previous value, so executors may nest, for example an event loop
/// inside block_in_place. A worker's fields are the exception: a thread runs one worker, and leaves it before the
/// thread runs anything else.
/// Lifetime: constant initialization and a trivial destructor. So the object can be used while thread-locals of the
/// program are destroyed: their destructors may spawn and wake.
/// Fork: a child has the context of the thread that called fork(2). The pool and the event loop check whether they are
/// copies of a parent's.
/// Thread safety: one thread.
///
/// Separate thread-locals: the caches of memory (frame_pool, buffer_pool, TLS records), some of which have destructors;
/// the random numbers of `select`, which templates use; the range of the native stack (native_stack.hpp).
struct runtime_context {
    // ---- Read by wakers and polls: first, to be in one cache line ----
    /// The owner of the tasks that this thread runs: the pool of `worker`, or `running_loop`. A separate field, so that
    /// a waker compares one pointer.
    spawned_task_owner* runs_here = nullptr;
    /// The innermost local set whose tasks are being polled, or null. The set outlives the poll, and a wake-up of its
    /// tasks on this thread needs no lock.
    spawned_task_owner* polled_local_set = nullptr;
    /// The event loop that runs now, or null.
    core_shared* running_loop = nullptr;
    /// The innermost polled_task, or null.
    const polled_task* polled = nullptr;
    /// The worker that this thread runs, or null.
    class worker* worker = nullptr;

    current_executor executor;
    /// The local set that spawn_local() uses: the innermost one that is polled or was entered; null if there is none.
    local_tasks* local_set = nullptr;
    /// The task_local values that are bound, innermost first.
    task_local_binding* task_locals = nullptr;
    /// An address on the native stack: all frames of the polls that an event loop or a worker makes here are below it.
    /// Null outside of polls.
    const void* poll_entry = nullptr;
    /// True inside run() and run_until_idle() of an event loop, and inside wait(): until they return, no other event
    /// loop of this thread runs.
    bool stops_other_loops = false;
    enter_guard* innermost_guard = nullptr;
    /// The next id for number_task(). A multiple of task_ids_at_once if none are left.
    std::uint64_t next_task_id = 0;

    // ---- Blocking work ----
    /// The pool whose task this thread polls after it has handed its worker over (block_in_place); else null.
    const class executor* in_place_of = nullptr;
    /// The pool whose remaining tasks this worker thread destroys, while it is inside a block_in_place (`worker` is
    /// null then); else null.
    const class executor* ends_worker_of = nullptr;
    /// The pool whose blocking work this thread runs; else null.
    const class executor* blocking_work_of = nullptr;
    /// The blocking pool that this thread belongs to; else null.
    const blocking_pool* blocking_thread_of = nullptr;
    /// True while this thread is inside the function passed to block_in_place, where it may block.
    bool is_in_blocking_call = false;

    /// Returns whether this thread is in the part of a poll that follows a block_in_place. The pool may have closed by
    /// then and its timers are gone. In this case the task is cancelled at the end of the poll.
    [[nodiscard]] bool is_in_rest_of_poll() const noexcept { return in_place_of != nullptr && !is_in_blocking_call; }
    /// Returns whether this thread runs tasks of an event loop or a runtime, so that it must not block. The rest of a
    /// poll counts, whether or not another thread runs the worker by then.
    [[nodiscard]] bool runs_tasks() const noexcept {
        return worker != nullptr || is_in_rest_of_poll() || running_loop != nullptr;
    }
};
static_assert(std::is_trivially_destructible_v<runtime_context>, "thread-locals that are destroyed later may use it");

EDDY_API inline constinit thread_local runtime_context this_thread{};

/// The number of task ids that a thread takes at a time, with one atomic addition.
inline constexpr std::uint64_t task_ids_at_once = 1024;

/// The part of number_task() for a thread that has no ids left.
EDDY_API void take_task_ids(std::uint64_t& id) noexcept;

/// Sets `id` to a task id that is unique in this process, and not 0.
inline void number_task(std::uint64_t& id) noexcept {
    if (this_thread.next_task_id % task_ids_at_once == 0) [[unlikely]]
        return take_task_ids(id);
    id = this_thread.next_task_id++;
}

/// Returns an address that is unique among live threads. Cheaper to compare than a std::thread::id. The address is
/// even, because driver_lock uses the lowest bit as a flag.
#ifdef EDDY_EXPLORE
// If false, the threads of a model count as one thread, so that each of them may run a loop.
inline constinit bool explored_threads_differ = false;
[[nodiscard]] inline const void* this_thread_mark() noexcept {
    return explored_threads_differ ? explore::thread_mark() : &this_thread;
}
#else
[[nodiscard]] inline const void* this_thread_mark() noexcept { return &this_thread; }
#endif

/// Replaces the executor of this thread until the end of the scope.
class executor_scope : immovable {
public:
    explicit executor_scope(current_executor inner) noexcept : outer_(std::exchange(this_thread.executor, inner)) {}
    ~executor_scope() { this_thread.executor = outer_; }

private:
    const current_executor outer_;
};

}  // namespace eddy::detail
