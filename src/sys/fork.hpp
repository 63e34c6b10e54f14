// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace eddy::sys {

/// Counts the forks that lie between this process and the one in which the library was first used. A driver notes it:
/// in a child it differs, and the epoll there is the parent's, shared, so the child must not touch it.
/// Cost: a load. (getpid(2) is a system call.)
[[nodiscard]] std::uint64_t fork_generation() noexcept;

}  // namespace eddy::sys
