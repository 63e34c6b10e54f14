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
#include <eddy/future.hpp>
#include <eddy/waker.hpp>

namespace eddy::detail {

struct frame;
struct spawned_task;

/// What depends on the type of a task's future.
struct spawned_ops : join_ops {
    /// True if it has ended: the outcome is in place. May throw what the future throws. Not called for coroutines.
    bool (*poll)(spawned_task& task, context& cx);
    /// True if its future may be destroyed; a coroutine whose frames are gone by then has no `root` any more. Null: a
    /// coroutine is asked by the worker itself, and other futures are destroyed outright.
    bool (*poll_cancel)(spawned_task& task, context& cx);
    void (*destroy_future)(spawned_task& task) noexcept;
    /// Keeps the exception, or, if it is null, that the task was cancelled.
    void (*fail)(spawned_task& task, std::exception_ptr thrown) noexcept;
    /// The exception, if the outcome is one that nobody has taken.
    std::exception_ptr (*exception)(spawned_task& task) noexcept;
    void (*destroy_output)(spawned_task& task) noexcept;
    void (*free_memory)(spawned_task& task) noexcept;
    std::string_view (*name)(const spawned_task& task) noexcept;
};

/// Who runs tasks that can be woken from anywhere: the pool, or a local set.
class task_owner {
public:
    task_owner() noexcept = default;
    task_owner(const task_owner&) = delete;
    task_owner& operator=(const task_owner&) = delete;

    /// Queues a task that was woken; the reference that goes with `notified` is the queue's now. Any thread.
    virtual void schedule(spawned_task& task) noexcept = 0;

protected:
    ~task_owner() = default;
};

/// While it lives, no task_owner dies: for threads that wake tasks and are no workers. A task that a thread has just
/// notified may be destroyed by a shutdown before the thread comes to queue it, and with the last task goes its owner.
/// So wakes from outside announce themselves before they touch the task's word, and an owner waits, before it is
/// freed, until it has seen each announcement end (await_wakers_outside). Costs two uncontended additions.
class EDDY_API owner_guard {
public:
    owner_guard() noexcept;
    owner_guard(const owner_guard&) = delete;
    owner_guard& operator=(const owner_guard&) = delete;
    ~owner_guard();

private:
    atomic<std::uint32_t>& mine_;
};

/// Waits until every guard that exists now has ended.
EDDY_API void await_wakers_outside() noexcept;
/// From now on a forked child begins without guards: those of the parent's other threads would never end there. To be
/// called by whoever is to await them.
EDDY_API void forget_wakers_in_children() noexcept;

/// Aborts many tasks: marks them one by one, under the lock of whoever has a list of them, and wakes them after it.
/// Nothing is allocated: a task that is to be queued is in no queue yet, so its link serves until then.
class EDDY_API abort_batch {
public:
    abort_batch() noexcept = default;
    abort_batch(const abort_batch&) = delete;
    abort_batch& operator=(const abort_batch&) = delete;
    /// Queues those that are to run for it.
    ~abort_batch();

    /// The caller sees to it that the task is not freed meanwhile. Calls nothing.
    void add(spawned_task& task) noexcept;

private:
    const owner_guard guard_;
    spawned_task* first_ = nullptr;
};

/// One task of the pool or a local set: the header in front of its outcome and its future. See task_state for its life.
///
///     field            who may touch it
///     state            everybody
///     next_queued      the queue that holds the task, or who is about to queue it
///     root, outcome    who has `running`; the outcome after `complete` is the join handle's
///     join_waker       as the state's bit of that name says
///     list links       the owner's list of tasks, under its lock
struct spawned_task : joinable {
    task_state state;
    spawned_task* next_queued = nullptr;
    frame* root = nullptr;  ///< of a coroutine: polled directly, and not by the operations
    task_owner* const owner;
    spawned_task* previous_owned = nullptr;
    spawned_task* next_owned = nullptr;
    waker join_waker;
    std::uint64_t id = 0;
    std::source_location spawned_at;
    std::uint32_t shard = 0;     ///< in which of the owner's lists it is
    bool is_owned = false;       ///< whether it is in that list
    bool is_background = false;  ///< whether an idle runtime may have it

    spawned_task(const spawned_ops& operations, task_owner& runs, std::source_location where, bool has_handle) noexcept
        : joinable{&operations}, state(has_handle), owner(&runs), spawned_at(where) {}

    [[nodiscard]] const spawned_ops& ops() const noexcept {
        // SAFETY: set by the constructor above, and never changed.
        return static_cast<const spawned_ops&>(*join);
    }
    [[nodiscard]] slot_base& outcome() noexcept { return ops().outcome(*this); }
};

/// The vtable of wakers for spawned tasks: `data` is the task.
EDDY_API extern const waker_vtable spawned_task_waker;

/// Gives up `count` references, and frees the memory with the last.
EDDY_API void release(spawned_task& task, std::uint64_t count = 1) noexcept;

// The parts of join_ops that do not depend on the type.
EDDY_API bool poll_join(joinable& task, const waker& wake);
EDDY_API void drop_join_handle(joinable& task) noexcept;
EDDY_API void abort_task(joinable& task) noexcept;
EDDY_API bool is_task_finished(const joinable& task) noexcept;
EDDY_API void add_task_reference(joinable& task) noexcept;
EDDY_API void release_task(joinable& task) noexcept;
EDDY_API std::uint64_t id_of_task(const joinable& task) noexcept;

}  // namespace eddy::detail
