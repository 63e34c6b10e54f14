// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <system_error>

#include <eddy/result.hpp>

#include "sys/fd.hpp"
#include "sys/socket_api.hpp"
#include "sys/windows/winsock.hpp"

/// A descriptor of this library is the number of a handle: Windows uses 32 bits of it.
namespace eddy::sys {

[[nodiscard]] inline HANDLE handle_of(int fd) noexcept {
    // SAFETY: a handle is a number.
    return reinterpret_cast<HANDLE>(static_cast<std::intptr_t>(fd));
}
[[nodiscard]] inline unique_fd own_handle(HANDLE handle) noexcept {
    return unique_fd(static_cast<int>(reinterpret_cast<std::intptr_t>(handle)));
}

/// Converts the last error of the Windows API.
[[nodiscard]] inline std::error_code last_windows_error() noexcept { return windows_error(::GetLastError()); }

/// Returns another handle of the same object, which the processes that this one starts may inherit.
[[nodiscard]] inline result<unique_fd> duplicate_handle(int fd, bool is_inheritable) noexcept {
    HANDLE made = nullptr;
    const HANDLE process = ::GetCurrentProcess();
    if (::DuplicateHandle(process, handle_of(fd), process, &made, 0, is_inheritable ? TRUE : FALSE,
                          DUPLICATE_SAME_ACCESS) == 0) {
        return std::unexpected(last_windows_error());
    }
    return own_handle(made);
}

}  // namespace eddy::sys
