// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/spawned_task.hpp>
#include <eddy/future/waker.hpp>

// The part of spawned tasks that only executors use.

namespace eddy::detail {

/// Prevents the destruction of every spawned_task_owner while it exists. Used by threads that abort tasks, or
/// wake tasks whose owner does not run on them.
///
/// Without it there is a race. A thread sets a task's `notified` bit. Before it calls schedule() of the owner, a
/// shutdown destroys the task, and with its last task also the owner. So a wake from outside announces itself before it
/// accesses the task's word. Before an owner is freed, it waits until each announcement has ended
/// (await_wakers_outside()).
/// Cost: two atomic additions, normally without contention.
class owner_guard : immovable {
public:
    owner_guard() noexcept;
    ~owner_guard();

private:
    atomic<std::uint32_t>& mine_;
};

/// Waits until all guards that exist now have ended. May also wait for guards that begin meanwhile.
void await_wakers_outside() noexcept;
/// Makes forked child processes start without guards: the guards of the parent's other threads would never end there.
/// Each kind of owner that uses await_wakers_outside() must call this before.
void forget_wakers_in_children() noexcept;

/// Aborts several tasks: add() marks each task under the lock of the list that contains it, and the destructor queues
/// them after the lock is released. It does not allocate: a task that must be queued is in no queue yet, so
/// `next_queued` can link the batch.
class abort_batch {
public:
    /// Queues the tasks that must run in order to be cancelled.
    ~abort_batch();

    /// Marks `task` as cancelled. Runs no user code.
    /// Preconditions: the caller keeps the task alive.
    void add(spawned_task& task) noexcept;

private:
    const owner_guard guard_;
    spawned_task* first_ = nullptr;
};

/// The vtable of wakers of tasks. `data` is the task, of which each waker has a reference.
extern const waker_vtable spawned_task_waker;

/// Gives up `count` references. Frees the memory with the last one.
void release(spawned_task& task, std::uint64_t count = 1) noexcept;

}  // namespace eddy::detail
