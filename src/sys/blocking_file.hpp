// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>

#include <eddy/result.hpp>

/// Descriptors of any kind, on threads that may be blocked. Whether O_NONBLOCK is set is no matter: of standard input
/// and output other processes decide that, too.
namespace eddy::sys {

/// Reads at least one byte; 0 at the end.
[[nodiscard]] result<std::size_t> read_blocking(int fd, std::span<std::byte> into) noexcept;

/// Writes all. (A pipe that nobody reads raises SIGPIPE, as in any program that does not ignore it.)
[[nodiscard]] result<void> write_all_blocking(int fd, std::span<const std::byte> from) noexcept;

}  // namespace eddy::sys
