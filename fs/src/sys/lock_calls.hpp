// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/result.hpp>

/// Locks of the open file: the locks of a process (F_SETLK) vanish when any descriptor of the file is closed.
namespace eddy::sys {

/// Returns false if another open file has a lock that excludes this one. Does not wait for it.
[[nodiscard]] result<bool> try_lock(int fd, bool is_exclusive) noexcept;
void unlock(int fd) noexcept;

}  // namespace eddy::sys
