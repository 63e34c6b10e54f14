// SPDX-License-Identifier: MIT
#pragma once

#include <system_error>

#include <eddy/result.hpp>

#include "sys/syscall.hpp"

namespace eddy::detail {

/// Accepts a connection from the kernel's queue. Skips errors that concern only one connection, which is gone.
/// Errors: operation_would_block if no connection is waiting, even if no descriptor is available either; else what
/// accept(2) reports.
[[nodiscard]] result<sys::accepted_fd> accept_one(int listener) noexcept;

/// Returns whether `error` means that no descriptor or no memory is available. An immediate retry would fail again and
/// keep one core fully busy.
[[nodiscard]] bool is_exhausted(const std::error_code& error) noexcept;

}  // namespace eddy::detail
