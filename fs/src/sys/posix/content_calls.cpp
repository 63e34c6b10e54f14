// SPDX-License-Identifier: MIT
#include "sys/content_calls.hpp"

#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include "sys/offsets.hpp"
#include "sys/syscall.hpp"

namespace eddy::sys {
namespace {

/// A size that the system accepts. Linux transfers at most this number of bytes in a call; macOS refuses more.
std::size_t most_bytes(std::size_t size) noexcept { return std::min<std::size_t>(size, 0x7fff'f000); }

constexpr auto bad_offset = std::errc::invalid_argument;  // as pread(2)

}  // namespace

result<std::size_t> read_cached(int fd, std::span<const std::span<std::byte>> into, std::uint64_t offset) noexcept {
#if defined(RWF_NOWAIT)
    std::array<iovec, 16> list;  // the caller sees that further buffers were not filled
    std::size_t count = 0;
    for (const auto& part : into.first(std::min(into.size(), list.size()))) list[count++] = {part.data(), part.size()};
    // preadv2(2): an offset of -1 is the position of the descriptor.
    if (!is_offset(offset)) return std::unexpected(std::make_error_code(bad_offset));
    return count_or_error(retry_interrupted(
        [&] { return ::preadv2(fd, list.data(), static_cast<int>(count), static_cast<off_t>(offset), RWF_NOWAIT); }));
#else
    static_cast<void>(fd), static_cast<void>(into), static_cast<void>(offset);
    return std::unexpected(std::make_error_code(std::errc::operation_not_supported));
#endif
}

result<std::size_t> read_some(int fd, std::span<std::byte> into, std::uint64_t offset) noexcept {
    if (!is_offset(offset)) return std::unexpected(std::make_error_code(bad_offset));
    return count_or_error(retry_interrupted(
        [&] { return ::pread(fd, into.data(), most_bytes(into.size()), static_cast<off_t>(offset)); }));
}

result<std::size_t> write_some(int fd, std::span<const std::byte> from, std::uint64_t offset) noexcept {
    if (!is_offset(offset)) return std::unexpected(std::make_error_code(bad_offset));
    return count_or_error(retry_interrupted(
        [&] { return ::pwrite(fd, from.data(), most_bytes(from.size()), static_cast<off_t>(offset)); }));
}

result<appended> append_some(int fd, std::span<const std::byte> from) noexcept {
    // Not pwrite(2), whose position says nothing about the end of the file. write(2) leaves the position behind its
    // bytes; only jobs of one file use it, one after the other.
    const auto count =
        count_or_error(retry_interrupted([&] { return ::write(fd, from.data(), most_bytes(from.size())); }));
    if (!count) return std::unexpected(count.error());
    const off_t end = retry_interrupted([&] { return ::lseek(fd, 0, SEEK_CUR); });
    if (end < 0) return std::unexpected(last_error());
    return appended{*count, static_cast<std::uint64_t>(end)};
}

result<std::size_t> copy_range(int from, std::uint64_t& from_offset, int to, std::uint64_t& to_offset,
                               std::size_t most) noexcept {
#if defined(__linux__)
    if (!is_offset(from_offset) || !is_offset(to_offset)) return std::unexpected(std::make_error_code(bad_offset));
    auto in = static_cast<loff_t>(from_offset), out = static_cast<loff_t>(to_offset);
    const auto count = retry_interrupted([&] { return ::copy_file_range(from, &in, to, &out, most_bytes(most), 0); });
    if (count >= 0) {
        from_offset = static_cast<std::uint64_t>(in);
        to_offset = static_cast<std::uint64_t>(out);
        return static_cast<std::size_t>(count);
    }
    // Two file systems before Linux 5.3, or of two kinds; no system call, or a filter; EPERM on CIFS, EINVAL and
    // EOPNOTSUPP for files that have no range to copy.
    constexpr std::array cannot{EXDEV, ENOSYS, EPERM, EINVAL, EOPNOTSUPP, EBADF, ETXTBSY};
    if (std::ranges::find(cannot, errno) == cannot.end()) return std::unexpected(last_error());
#else
    static_cast<void>(from), static_cast<void>(from_offset), static_cast<void>(to), static_cast<void>(to_offset);
    static_cast<void>(most);
#endif
    return std::unexpected(std::make_error_code(std::errc::operation_not_supported));
}

}  // namespace eddy::sys
