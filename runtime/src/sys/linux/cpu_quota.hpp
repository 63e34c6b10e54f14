// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace eddy::sys {

/// Returns how many processors' time the control groups of this process allow it, rounded up: the least limit of its
/// group and of the groups above it (cgroups(7), both versions); 0 if they set no limit or cannot be read. Containers
/// are limited so; sched_getaffinity(2) does not show it. `root` is a folder in place of `/`, for tests.
[[nodiscard]] unsigned cpu_quota(const std::string& root = {}) noexcept;

}  // namespace eddy::sys
