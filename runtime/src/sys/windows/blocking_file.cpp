// SPDX-License-Identifier: MIT
#include "sys/blocking_file.hpp"

#include <algorithm>
#include <optional>

#include <eddy/error.hpp>

#include "sys/socket_api.hpp"
#include "sys/windows/winsock.hpp"

namespace eddy::sys {
namespace {

/// Returns the handle of standard input, output, or error, which have the numbers 0 to 2.
result<HANDLE> standard_handle(int fd) noexcept {
    constexpr DWORD names[] = {STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE};
    if (fd < 0 || fd > 2) return std::unexpected(std::make_error_code(std::errc::bad_file_descriptor));
    const HANDLE found = ::GetStdHandle(names[fd]);
    if (found == nullptr || found == INVALID_HANDLE_VALUE) {  // for example a program without a console
        return std::unexpected(std::make_error_code(std::errc::bad_file_descriptor));
    }
    return found;
}

/// Returns the number of bytes for one call.
DWORD one_call(std::size_t size) noexcept { return static_cast<DWORD>(std::min<std::size_t>(size, 1U << 30U)); }

}  // namespace

result<std::size_t> read_blocking(int fd, std::span<std::byte> into) noexcept {
    const auto file = standard_handle(fd);
    if (!file) return std::unexpected(file.error());
    DWORD count = 0;
    if (::ReadFile(*file, into.data(), one_call(into.size()), &count, nullptr) != 0) return std::size_t{count};
    const DWORD error = ::GetLastError();
    // A pipe whose other end was closed.
    if (error == ERROR_BROKEN_PIPE || error == ERROR_HANDLE_EOF) return std::size_t{0};
    return std::unexpected(windows_error(error));
}

result<void> write_all_blocking(int fd, std::span<const std::byte> from) noexcept {
    const auto file = standard_handle(fd);
    if (!file) return std::unexpected(file.error());
    while (!from.empty()) {
        DWORD count = 0;
        if (::WriteFile(*file, from.data(), one_call(from.size()), &count, nullptr) == 0) {
            return std::unexpected(windows_error(::GetLastError()));
        }
        if (count == 0) return std::unexpected(make_error_code(errc::write_zero));
        from = from.subspan(count);
    }
    return ok();
}

}  // namespace eddy::sys
