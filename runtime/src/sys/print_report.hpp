// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <string_view>

#include <eddy/detail/export.hpp>

namespace eddy::sys {

/// Prints a report to standard error. If that is a full pipe, or a terminal that was stopped, waits until it takes more
/// bytes, for at most `patience`; then the rest is lost, and the next report begins with the number of such losses.
/// The lock of the C library's stderr is not used, since another thread may wait for the pipe with it.
/// Thread safety: any thread. A short report to a pipe, and each one to a file, is one system call, so that reports of
/// other threads come before it or after it.
EDDY_API void print_report(std::string_view text,  // also for the other libraries of eddy
                           std::chrono::milliseconds patience = std::chrono::seconds(1)) noexcept;

}  // namespace eddy::sys
