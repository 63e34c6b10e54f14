// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <exception>
#include <source_location>
#include <string_view>

#include <eddy/detail/export.hpp>
#include <eddy/detail/slot.hpp>
#include <eddy/future/waker.hpp>

namespace eddy {
class context;
}

namespace eddy::detail {

struct frame;
struct joinable;

/// The operations of a task that its join handle and abort handles use. Implemented by tasks of an event loop, of a
/// worker pool, and of a local set.
/// Thread safety: any thread.
struct join_ops {
    /// Returns whether the task has ended. Otherwise wakes `wake` when it ends; `wake` replaces the waker of earlier
    /// calls. Called by the join handle only. `root` is not null if a coroutine awaits the handle directly: the root of
    /// its virtual stack. If that is the task of `wake`, the task may be run by this call.
    /// Errors: throws `misuse`, with the source location `where`, if `wake` is the waker of the task itself.
    bool (*poll_join)(joinable& task, const waker& wake, std::source_location where, const frame* root);
    /// Drops the join handle and its reference. Destroys the output if it was not taken.
    void (*drop_handle)(joinable& task) noexcept;
    /// Returns the result slot of the task. A null exception_ptr in it means that the task was cancelled.
    /// Preconditions: the task has ended.
    slot_base& (*outcome)(joinable& task) noexcept;
    void (*abort)(joinable& task) noexcept;
    bool (*is_finished)(const joinable& task) noexcept;
    // The references of abort handles.
    void (*add_reference)(joinable& task) noexcept;
    void (*release)(joinable& task) noexcept;
    std::uint64_t (*id)(const joinable& task) noexcept;
    std::source_location (*spawned_at)(const joinable& task) noexcept;
};

/// The base of all tasks that have handles.
struct joinable {
    const join_ops* join;
};

/// The links of a list of tasks that is a ring.
struct task_link {
    task_link* previous;
    task_link* next;
};

/// Throws misuse for a task that awaits its own join handle.
[[noreturn, gnu::cold]] EDDY_API void throw_joins_itself(std::source_location where);

/// The operations of a task that depend on the type of its work. `Task` is the header that its executor knows:
/// spawned_task, or core_task on an event loop.
template <class Task>
struct work_ops {
    /// Polls the future. Returns true if it has ended; the outcome is set then. Throws what the future throws. Not
    /// called for coroutines that have a `root`, whose frames the executor polls.
    bool (*poll)(Task& task, context& cx);
    /// Polls the cancellation. Returns true if the future may be destroyed. If this function has destroyed the frames
    /// of a coroutine, it has set `root` to null. If this pointer is null, the executor cancels a coroutine itself, and
    /// destroys any other future directly.
    bool (*poll_cancel)(Task& task, context& cx);
    /// Destroys the work. Called once.
    void (*destroy_future)(Task& task) noexcept;
    /// Sets the outcome to the exception `thrown`. Null means that the task was cancelled.
    void (*fail)(Task& task, std::exception_ptr thrown) noexcept;
    /// Frees the memory of the task. No other function is called afterwards.
    void (*free_memory)(Task& task) noexcept;
    /// Returns the name of the task. On an event loop, the pointer may be null for a task without a join handle.
    std::string_view (*name)(const Task& task) noexcept;
};

}  // namespace eddy::detail
