// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/result.hpp>

#include "sys/fd.hpp"
#include "sys/processes.hpp"

/// Processes that this program has not started.
namespace eddy::sys {

/// Returns a pidfd of a process, which is readable when it has ended.
/// Errors: not_supported except on Linux; what pidfd_open(2) reports.
[[nodiscard]] result<unique_fd> open_process(int id) noexcept;
/// Returns whether such a process has ended.
[[nodiscard]] bool has_ended(const started_process& process) noexcept;

}  // namespace eddy::sys
