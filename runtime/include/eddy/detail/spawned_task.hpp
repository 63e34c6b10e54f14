// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <new>
#include <source_location>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/joinable.hpp>
#include <eddy/detail/slot.hpp>
#include <eddy/detail/unread_failure.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/waker.hpp>

namespace eddy::detail {

struct frame;
struct spawned_task;

/// The operations of a spawned task.
struct spawned_ops : join_ops, work_ops<spawned_task> {
    /// Takes the exception, or a description of the error, out of an outcome that was not taken. Returns an empty
    /// failure if there is none.
    unread_failure (*failure)(spawned_task& task) noexcept;
    void (*destroy_output)(spawned_task& task) noexcept;
};

class task_owner;  // the pool, or a local set: runtime/src/executor/task/spawned_task.hpp

/// A task of the pool or of a local set: the header in front of its outcome and its future. For its states, see
/// task_state in src/executor/task.
///
///     field            access
///     list links       the owner's list of tasks, under its lock: see task_list
///     state            any thread
///     next_queued      the queue that contains the task, or the thread that is about to queue it
///     join_waker       as the state's bit of that name says
///     root, outcome    the owner of the `running` bit; after `complete`, the join handle owns the outcome
///
/// The outcome, a result slot, is directly behind the header (spawned_output). It is empty until the future has ended,
/// and its second word is the root until then. The poll that fills the slot has read the root before.
struct spawned_task : joinable, task_link {
    // The first values of the state word, with and without a join handle, and a bit of it.
    static constexpr std::uint64_t new_with_handle = 0x180'0014;
    static constexpr std::uint64_t new_without_handle = 0x100'0004;
    static constexpr std::uint64_t background = 0x40;

    atomic<std::uint64_t> state;  ///< the word of task_state
    spawned_task* next_queued = nullptr;
    task_owner* const owner;
    waker join_waker;
    std::source_location spawned_at;
    std::uint64_t id = 0;

    spawned_task(const spawned_ops& operations, task_owner& runs, std::source_location where, bool has_handle) noexcept
        : joinable{&operations},
          task_link{},
          state(has_handle ? new_with_handle : new_without_handle),
          owner(&runs),
          spawned_at(where) {}

    /// Sets constant bits of the state word. relaxed, both: the caller publishes the task afterwards.
    void add_constant(std::uint64_t bits) noexcept {
        state.store(state.load(std::memory_order_relaxed) | bits, std::memory_order_relaxed);
    }

    /// Returns the word of the root, see above.
    [[nodiscard]] void* root_word() noexcept { return reinterpret_cast<void**>(this + 1) + 1; }

    [[nodiscard]] const spawned_ops& ops() const noexcept {
        // SAFETY: the constructor sets `join` to a spawned_ops, and it never changes.
        return static_cast<const spawned_ops&>(*join);
    }
    [[nodiscard]] slot_base& outcome() noexcept { return ops().outcome(*this); }
};

/// Returns the outermost frame of a coroutine, which the worker polls directly; else null.
/// Preconditions: the task has not ended, and the caller owns the `running` bit.
[[nodiscard]] inline frame*& root_of(spawned_task& task) noexcept {
    // SAFETY: the constructor of spawned_output has created a pointer in this word. It is there until the task ends.
    return *std::launder(static_cast<frame**>(task.root_word()));
}

// The operations of join_ops that do not depend on the output's type.
EDDY_API bool poll_join(joinable& task, const waker& wake, std::source_location where, const frame* root);
EDDY_API void drop_join_handle(joinable& task) noexcept;
EDDY_API void abort_task(joinable& task) noexcept;
EDDY_API bool is_task_finished(const joinable& task) noexcept;
EDDY_API void add_task_reference(joinable& task) noexcept;
EDDY_API void release_task(joinable& task) noexcept;
EDDY_API std::uint64_t id_of_task(const joinable& task) noexcept;
EDDY_API std::source_location spawn_site_of_task(const joinable& task) noexcept;

}  // namespace eddy::detail
