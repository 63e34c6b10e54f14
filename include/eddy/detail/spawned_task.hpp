// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <exception>
#include <source_location>

#include <eddy/detail/export.hpp>
#include <eddy/detail/frame_pool.hpp>
#include <eddy/detail/joinable.hpp>
#include <eddy/detail/slot.hpp>
#include <eddy/detail/task_state.hpp>
#include <eddy/detail/unread_failure.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/waker.hpp>

namespace eddy::detail {

struct frame;
struct spawned_task;

/// The operations of a spawned task.
struct spawned_ops : join_ops, work_ops<spawned_task> {
    /// Takes the exception, or a description of the error, of an outcome that was not taken; otherwise empty.
    unread_failure (*failure)(spawned_task& task) noexcept;
    void (*destroy_output)(spawned_task& task) noexcept;
};

/// The scheduler of tasks that can be woken on any thread: the pool, or a local set.
class task_owner {
public:
    task_owner() noexcept = default;
    task_owner(const task_owner&) = delete;
    task_owner& operator=(const task_owner&) = delete;

    /// Queues a woken task. The queue takes over the reference of the `notified` bit.
    /// Thread safety: any thread.
    virtual void schedule(spawned_task& task) noexcept = 0;

protected:
    ~task_owner() = default;
};

/// Prevents the destruction of every task_owner while it exists. For threads that wake tasks and are not workers.
///
/// Without it there is a race. A thread sets a task's `notified` bit. Before it calls schedule() of the owner, a
/// shutdown destroys the task, and with its last task also the owner. So a wake from outside announces itself before it
/// accesses the task's word. Before an owner is freed, it waits until each announcement has ended
/// (await_wakers_outside()).
/// Cost: two atomic additions, normally without contention.
class EDDY_API owner_guard {
public:
    owner_guard() noexcept;
    owner_guard(const owner_guard&) = delete;
    owner_guard& operator=(const owner_guard&) = delete;
    ~owner_guard();

private:
    atomic<std::uint32_t>& mine_;
};

/// Waits until all guards that exist now have ended.
EDDY_API void await_wakers_outside() noexcept;
/// Makes forked child processes start without guards: the guards of the parent's other threads would never end there.
/// Each kind of owner that uses await_wakers_outside() must call this before.
EDDY_API void forget_wakers_in_children() noexcept;

/// Aborts several tasks: add() marks each task under the lock of the list that contains it, and the destructor queues
/// them after the lock is released. It does not allocate: a task that must be queued is in no queue yet, so
/// `next_queued` can link the batch.
class EDDY_API abort_batch {
public:
    abort_batch() noexcept = default;
    abort_batch(const abort_batch&) = delete;
    abort_batch& operator=(const abort_batch&) = delete;
    /// Queues the tasks that must run in order to be cancelled.
    ~abort_batch();

    /// Marks `task` as cancelled. Runs no user code.
    /// Preconditions: the caller keeps the task alive.
    void add(spawned_task& task) noexcept;

private:
    const owner_guard guard_;
    spawned_task* first_ = nullptr;
};

/// A task of the pool or of a local set: the header in front of its outcome and its future. For its states, see
/// task_state.
///
///     field            access
///     state            any thread
///     next_queued      the queue that contains the task, or the thread that is about to queue it
///     root, outcome    the owner of the `running` bit; after `complete`, the join handle owns the outcome
///     join_waker       as the state's bit of that name says
///     list links       the owner's list of tasks, under its lock
struct spawned_task : joinable {
    task_state state;
    spawned_task* next_queued = nullptr;
    frame* root = nullptr;  ///< of a coroutine, which the worker polls directly instead of by the operations
    task_owner* const owner;
    spawned_task* previous_owned = nullptr;
    spawned_task* next_owned = nullptr;
    waker join_waker;
    std::uint64_t id = 0;
    std::source_location spawned_at;
    std::uint32_t shard = 0;     ///< the index of the owner's list that contains it
    bool is_owned = false;       ///< whether it is in that list
    bool is_background = false;  ///< the runtime can be idle while this task exists

    spawned_task(const spawned_ops& operations, task_owner& runs, std::source_location where, bool has_handle) noexcept
        : joinable{&operations}, state(has_handle), owner(&runs), spawned_at(where) {}

    [[nodiscard]] const spawned_ops& ops() const noexcept {
        // SAFETY: the constructor sets `join` to a spawned_ops, and it never changes.
        return static_cast<const spawned_ops&>(*join);
    }
    [[nodiscard]] slot_base& outcome() noexcept { return ops().outcome(*this); }
};

/// The vtable of wakers of spawned tasks. `data` is the task, of which each waker has a reference.
EDDY_API extern const waker_vtable spawned_task_waker;

/// Gives up `count` references. Frees the memory with the last one.
EDDY_API void release(spawned_task& task, std::uint64_t count = 1) noexcept;

// The operations of join_ops that do not depend on the output's type.
EDDY_API bool poll_join(joinable& task, const waker& wake);
EDDY_API void drop_join_handle(joinable& task) noexcept;
EDDY_API void abort_task(joinable& task) noexcept;
EDDY_API bool is_task_finished(const joinable& task) noexcept;
EDDY_API void add_task_reference(joinable& task) noexcept;
EDDY_API void release_task(joinable& task) noexcept;
EDDY_API std::uint64_t id_of_task(const joinable& task) noexcept;

}  // namespace eddy::detail
