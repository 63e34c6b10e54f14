// SPDX-License-Identifier: MIT
#pragma once

#include <exception>
#include <functional>
#include <source_location>
#include <string_view>

#include <eddy/future/detail/unread_failure.hpp>
#include <eddy/task/unobserved_error.hpp>

namespace eddy::detail {

/// Returns whether a failure is an exception with the code errc::runtime_shutdown, as a scope throws it if a child has
/// this error. It is not reported. (A task that returns an error with this code has no unread_failure, see
/// describe_code().)
[[nodiscard]] bool is_of_shutdown(const unread_failure& failure) noexcept;

/// Prints a failure that no join handle takes: an exception that left a task, or an error that the task returned. This
/// is the default handler. Prints one line to standard error: the name of the task if it has one, the location of the
/// spawn, and the text. Does nothing if is_of_shutdown().
void print_failure(const unread_failure& failure, const std::source_location& where,
                   std::string_view name = {}) noexcept;

/// Passes a failure to the handler for its kind. Prints it if that handler is empty. Does nothing if is_of_shutdown().
void pass_on(unread_failure& failure, const std::source_location& where, std::string_view name,
             const std::function<void(std::exception_ptr, const std::source_location&)>& on_uncaught,
             const unobserved_error_handler& on_error) noexcept;

class spawned_task_owner;

/// Passes a failure to the handler of the runtime or event loop of this thread, or prints it if there is none.
void report_failure_here(unread_failure failure, const std::source_location& where,
                         std::string_view name = {}) noexcept;

/// Passes a failure of a task of `owner` to its handler if this thread runs tasks of `owner`. Otherwise prints the
/// failure, because `owner` may be destroyed already.
void report_failure(spawned_task_owner& owner, unread_failure failure, const std::source_location& where,
                    std::string_view name = {}) noexcept;

}  // namespace eddy::detail
