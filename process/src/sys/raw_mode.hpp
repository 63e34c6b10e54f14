// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/result.hpp>

/// The settings of the terminal of this program, of which there is one. See process::raw_mode.
namespace eddy::sys {

/// Begins raw mode, which also ends at exit and by signals.
/// Errors: device_or_resource_busy if it has begun; what tcgetattr(3) reports.
[[nodiscard]] result<void> begin_raw_mode(int fd) noexcept;
/// Restores the settings. Does nothing without raw mode, and in a process that was forked from the one that has begun.
void end_raw_mode() noexcept;

}  // namespace eddy::sys
