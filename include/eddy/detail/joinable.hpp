// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string_view>

#include <eddy/detail/export.hpp>
#include <eddy/detail/slot.hpp>
#include <eddy/future/waker.hpp>

namespace eddy::detail {

struct joinable;

/// The operations of a task that its join handle and abort handles use. Implemented by tasks of an event loop, of a
/// worker pool, and of a local set.
/// Thread safety: any thread.
struct join_ops {
    /// Returns whether the task has ended. Otherwise wakes `wake` when it ends; `wake` replaces the waker of earlier
    /// calls. Called by the join handle only.
    bool (*poll_join)(joinable& task, const waker& wake);
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
};

/// The base of all tasks that have handles.
struct joinable {
    const join_ops* join;
};

/// Returns a task id that is unique in this process, and not 0.
/// Cost: one atomic addition per about 1,000 ids of a thread.
[[nodiscard]] EDDY_API std::uint64_t next_task_id() noexcept;

/// The id and the name of the event loop's task that this thread is polling. The id is 0 outside of such tasks.
struct current_task {
    std::uint64_t id = 0;
    std::string_view name;
};
EDDY_API inline constinit thread_local current_task loop_task_here{};

/// Sets the id of the polled task during its lifetime: for the poll of an event loop's task.
class polled_loop_task {
public:
    explicit polled_loop_task(std::uint64_t id) noexcept { loop_task_here.id = id; }
    polled_loop_task(const polled_loop_task&) = delete;
    polled_loop_task& operator=(const polled_loop_task&) = delete;
    ~polled_loop_task() { loop_task_here.id = 0; }
};

}  // namespace eddy::detail
