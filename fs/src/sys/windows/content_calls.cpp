// SPDX-License-Identifier: MIT
#include "sys/content_calls.hpp"

#include <algorithm>
#include <limits>
#include <system_error>

#include "sys/windows/nt_file.hpp"

namespace eddy::sys {
namespace {

DWORD one_call(std::size_t size) noexcept { return static_cast<DWORD>(std::min<std::size_t>(size, 1U << 30U)); }

OVERLAPPED at(std::uint64_t offset) noexcept {
    OVERLAPPED made{};
    made.Offset = static_cast<DWORD>(offset);
    made.OffsetHigh = static_cast<DWORD>(offset >> 32U);
    return made;
}

std::unexpected<std::error_code> bad_offset() {
    return std::unexpected(std::make_error_code(std::errc::invalid_argument));
}

constexpr std::uint64_t end_of_file = std::numeric_limits<std::uint64_t>::max();  // for a write

result<std::size_t> write_at(int fd, std::span<const std::byte> from, std::uint64_t offset) noexcept {
    auto where = at(offset);
    DWORD count = 0;
    if (::WriteFile(handle_of(fd), from.data(), one_call(from.size()), &count, &where) == 0)
        return std::unexpected(last_windows_error());
    return std::size_t{count};
}

}  // namespace

result<std::size_t> read_cached(int, std::span<const std::span<std::byte>>, std::uint64_t) noexcept {
    return std::unexpected(std::make_error_code(std::errc::operation_not_supported));
}

result<std::size_t> read_some(int fd, std::span<std::byte> into, std::uint64_t offset) noexcept {
    if (offset > last_position) return bad_offset();
    auto where = at(offset);
    DWORD count = 0;
    if (::ReadFile(handle_of(fd), into.data(), one_call(into.size()), &count, &where) != 0) return std::size_t{count};
    if (::GetLastError() == ERROR_HANDLE_EOF) return std::size_t{0};
    return std::unexpected(last_windows_error());
}

result<std::size_t> write_some(int fd, std::span<const std::byte> from, std::uint64_t offset) noexcept {
    if (offset > last_position) return bad_offset();
    return write_at(fd, from, offset);
}

result<appended> append_some(int fd, std::span<const std::byte> from) noexcept {
    const auto count = write_at(fd, from, end_of_file);
    if (!count) return std::unexpected(count.error());
    LARGE_INTEGER end{};
    if (::SetFilePointerEx(handle_of(fd), LARGE_INTEGER{}, &end, FILE_CURRENT) == 0)
        return std::unexpected(last_windows_error());
    return appended{*count, static_cast<std::uint64_t>(end.QuadPart)};
}

result<std::size_t> copy_range(int, std::uint64_t&, int, std::uint64_t&, std::size_t) noexcept {
    return std::unexpected(std::make_error_code(std::errc::operation_not_supported));
}

}  // namespace eddy::sys
