// SPDX-License-Identifier: MIT
#pragma once

#include <exception>
#include <source_location>
#include <string_view>

namespace eddy::detail {

/// Prints an exception that left a task and that no join handle takes. This is the default handler. Prints one line to
/// standard error: the name of the task if it has one, the location of the spawn, and the text of the exception.
void print_uncaught(const std::exception_ptr& thrown, const std::source_location& where,
                    std::string_view name = {}) noexcept;

class task_owner;

/// Passes an exception to the handler of the runtime or event loop that runs on this thread, or prints it if there is
/// none.
void report_uncaught_here(std::exception_ptr thrown, const std::source_location& where,
                          std::string_view name = {}) noexcept;

/// Passes an exception of a task of `owner` to the handler of that pool if one of its workers calls this. Calls
/// report_uncaught_here() if `owner` is the local set that is polled on this thread. Otherwise prints the exception.
/// `owner` may be destroyed already; it is only compared.
void report_uncaught(const task_owner& owner, std::exception_ptr thrown, const std::source_location& where,
                     std::string_view name = {}) noexcept;

}  // namespace eddy::detail
