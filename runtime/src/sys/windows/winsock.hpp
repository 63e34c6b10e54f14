// SPDX-License-Identifier: MIT
#pragma once

#include <system_error>

namespace eddy::sys {

/// Starts Winsock, at the first call in this process. Every function that creates a socket or asks for an address calls
/// it. Winsock counts, so other libraries in the process may do the same. It ends together with the static objects of
/// the program.
/// Cost: after the first call, one load.
void start_winsock() noexcept;

/// Converts an error of Winsock to the POSIX error with the same meaning, so that it compares equal to a std::errc.
/// Codes without a counterpart keep their number, in the system category.
[[nodiscard]] std::error_code winsock_error(int code) noexcept;

/// Converts an error of the Windows API in the same way.
[[nodiscard]] std::error_code windows_error(unsigned long code) noexcept;

}  // namespace eddy::sys
