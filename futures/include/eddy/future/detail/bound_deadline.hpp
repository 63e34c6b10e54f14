// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>

#include <eddy/detail/export.hpp>
#include <eddy/future/detail/bound_task_local.hpp>

namespace eddy::detail {

/// The value that means "no deadline".
inline constexpr auto no_deadline = std::chrono::steady_clock::time_point::max();

/// Returns the deadline that is bound on this thread; `no_deadline` if there is none.
/// Out of line like all access to task-locals: a coroutine that resumes on another thread must not use the address of
/// the first thread's list (task_local.hpp).
[[nodiscard]] EDDY_API std::chrono::steady_clock::time_point deadline_here() noexcept;

/// Returns the key under which deadlines are bound as a task-local.
[[nodiscard]] EDDY_API const void* deadline_key() noexcept;

/// Binds a deadline on this thread during its lifetime: for the length of one poll.
/// Lifetime: must be a local variable of the polling function.
class bound_deadline : immovable {
public:
    explicit bound_deadline(std::chrono::steady_clock::time_point deadline) noexcept
        : deadline_(deadline), bound_(deadline_key(), &deadline_) {}

private:
    std::chrono::steady_clock::time_point deadline_;
    bound_task_local bound_;
};

/// Hides the enclosing deadlines during its lifetime: for work that continues after they have passed.
class no_deadline_here : bound_deadline {
public:
    no_deadline_here() noexcept : bound_deadline(no_deadline) {}
};

}  // namespace eddy::detail
