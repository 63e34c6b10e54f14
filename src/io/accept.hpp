// SPDX-License-Identifier: MIT
#pragma once

#include <system_error>

#include <eddy/result.hpp>

#include "sys/syscall.hpp"

namespace eddy::detail {

/// Takes a connection from the kernel's queue; errors that concern one connection, which is gone, are passed over.
/// Errors: operation_would_block if there is none, also when there is no descriptor for one.
[[nodiscard]] result<sys::accepted_fd> accept_one(int listener) noexcept;

/// Whether it failed for want of a descriptor or of memory: to try again at once would fail at once, with one core at
/// 100 %.
[[nodiscard]] bool is_exhausted(const std::error_code& error) noexcept;

}  // namespace eddy::detail
