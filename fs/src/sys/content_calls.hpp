// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <eddy/result.hpp>

/// The bytes of open files. All functions may block, except read_cached(). EINTR is retried. Errors come from the
/// system call.
namespace eddy::sys {

/// Reads what is in the page cache, without waiting for the disk. Bytes that are not there may make the result short.
/// Uses the first 16 buffers.
/// Errors: operation_would_block if no byte is there; operation_not_supported if the file system cannot tell.
[[nodiscard]] result<std::size_t> read_cached(int fd, std::span<const std::span<std::byte>> into,
                                              std::uint64_t offset) noexcept;
/// Reads at least one byte; 0 at the end of the file.
[[nodiscard]] result<std::size_t> read_some(int fd, std::span<std::byte> into, std::uint64_t offset) noexcept;
[[nodiscard]] result<std::size_t> write_some(int fd, std::span<const std::byte> from, std::uint64_t offset) noexcept;
[[nodiscard]] result<void> write_all(int fd, std::span<const std::byte> from, std::uint64_t offset) noexcept;

/// The count of a write, and the position behind it.
struct appended {
    std::size_t count;
    std::uint64_t end;
};
/// Writes to a file that was opened with O_APPEND.
[[nodiscard]] result<appended> append_some(int fd, std::span<const std::byte> from) noexcept;

/// Copies at most `most` bytes inside the kernel, and advances both offsets.
/// Errors: operation_not_supported if these files cannot be copied so; copy them with reads and writes.
[[nodiscard]] result<std::size_t> copy_range(int from, std::uint64_t& from_offset, int to, std::uint64_t& to_offset,
                                             std::size_t most) noexcept;

}  // namespace eddy::sys
