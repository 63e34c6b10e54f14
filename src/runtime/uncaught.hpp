// SPDX-License-Identifier: MIT
#pragma once

#include <exception>
#include <source_location>
#include <string_view>

namespace eddy::detail {

/// The default for an exception that left a task and that nobody takes: one line on standard error, with its text and
/// the place of the spawn, and its name if it has one. It is the only thing that the library prints.
void print_uncaught(const std::exception_ptr& thrown, const std::source_location& where,
                    std::string_view name = {}) noexcept;

class task_owner;

/// Hands an exception to the handler of the runtime or loop that runs on this thread; without one it is printed.
void report_uncaught_here(std::exception_ptr thrown, const std::source_location& where,
                          std::string_view name = {}) noexcept;

/// Hands an exception to the handler of the pool whose worker this is, if that is `owner`, or as
/// above if `owner` is the local set that is polled here; elsewhere it is printed.
void report_uncaught(const task_owner& owner, std::exception_ptr thrown, const std::source_location& where,
                     std::string_view name = {}) noexcept;

}  // namespace eddy::detail
