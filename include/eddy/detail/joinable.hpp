// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <source_location>
#include <string_view>

#include <eddy/detail/export.hpp>
#include <eddy/detail/slot.hpp>
#include <eddy/waker.hpp>

namespace eddy::detail {

struct joinable;

/// What a join handle asks of a task, whatever runs that: a core, the pool, a local set. Any thread.
struct join_ops {
    /// Whether the task has ended. If not, `wake` is woken when it has; it takes the place of the waker of an earlier
    /// call. For the one join handle.
    bool (*poll_join)(joinable& task, const waker& wake);
    /// The handle goes, and its reference: what nobody has taken of the output is destroyed.
    void (*drop_handle)(joinable& task) noexcept;
    /// Where the outcome is, once the task has ended. An exception_ptr that is null says that it was cancelled.
    slot_base& (*outcome)(joinable& task) noexcept;
    void (*abort)(joinable& task) noexcept;
    bool (*is_finished)(const joinable& task) noexcept;
    void (*add_reference)(joinable& task) noexcept;
    void (*release)(joinable& task) noexcept;
    std::uint64_t (*id)(const joinable& task) noexcept;
};

/// A task as its handles see it.
struct joinable {
    const join_ops* join;
};

/// A number that no other task of this process has had.
/// Cost: an atomic addition for each 1,024 of a thread.
[[nodiscard]] EDDY_API std::uint64_t next_task_id() noexcept;

/// Of the task of a loop that is polled on this thread: its number, 0 outside of such tasks, and its name.
struct current_task {
    std::uint64_t id = 0;
    std::string_view name;
};
EDDY_API inline constinit thread_local current_task loop_task_here{};

/// Sets the number while it lives: for the poll of a loop's task.
class polled_loop_task {
public:
    explicit polled_loop_task(std::uint64_t id) noexcept { loop_task_here.id = id; }
    polled_loop_task(const polled_loop_task&) = delete;
    polled_loop_task& operator=(const polled_loop_task&) = delete;
    ~polled_loop_task() { loop_task_here.id = 0; }
};

}  // namespace eddy::detail
