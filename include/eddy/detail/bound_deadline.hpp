// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>

#include <eddy/detail/export.hpp>
#include <eddy/task_local.hpp>

namespace eddy::detail {

/// What stands for no deadline.
inline constexpr auto no_deadline = std::chrono::steady_clock::time_point::max();

/// The deadline in sight on this thread; `no_deadline` if there is none. Out of line, as all that looks for
/// task-locals.
[[nodiscard]] EDDY_API std::chrono::steady_clock::time_point deadline_here() noexcept;

/// What a deadline is bound to, as a task_local.
[[nodiscard]] EDDY_API const void* deadline_key() noexcept;

/// A deadline that is in sight while this lives: for the length of one poll.
class bound_deadline {
public:
    explicit bound_deadline(std::chrono::steady_clock::time_point deadline) noexcept
        : deadline_(deadline), bound_(deadline_key(), &deadline_) {}
    bound_deadline(const bound_deadline&) = delete;
    bound_deadline& operator=(const bound_deadline&) = delete;
    ~bound_deadline() = default;

private:
    std::chrono::steady_clock::time_point deadline_;
    bound_task_local bound_;
};

/// While it lives, the deadlines around are out of sight: for what goes on after them.
class no_deadline_here : bound_deadline {
public:
    no_deadline_here() noexcept : bound_deadline(no_deadline) {}
};

}  // namespace eddy::detail
