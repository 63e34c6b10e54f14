// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include <eddy/result.hpp>

namespace eddy::sys {

/// Moves at least one byte and at most `most` from one descriptor to the other, inside the kernel: splice(2). One of
/// them must be a pipe. Returns 0 at the end of `from`. Never waits, and never raises SIGPIPE.
/// Errors: operation_would_block if `from` has no bytes, or `to` no room; operation_not_supported if the system has no
/// such call, or it cannot move bytes between these two.
[[nodiscard]] result<std::size_t> splice(int from, int to, std::size_t most) noexcept;

}  // namespace eddy::sys
