// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>

#include <eddy/result.hpp>

/// Operations on descriptors of any kind, for threads that may block. They work with and without O_NONBLOCK: standard
/// input and output are shared with other processes, which may change that flag.
namespace eddy::sys {

/// Reads at least one byte and returns the count; 0 at the end of the file.
/// Errors: what read(2) reports.
[[nodiscard]] result<std::size_t> read_blocking(int fd, std::span<std::byte> into) noexcept;

/// Writes all bytes. Raises SIGPIPE if a pipe has no reader, unless the program ignores that signal.
/// Errors: what write(2) reports; errc::write_zero.
[[nodiscard]] result<void> write_all_blocking(int fd, std::span<const std::byte> from) noexcept;

}  // namespace eddy::sys
