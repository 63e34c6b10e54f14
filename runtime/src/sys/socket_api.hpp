// SPDX-License-Identifier: MIT
#pragma once

// The socket functions and types of the system. This is the only header that includes the headers of Windows, which
// define many macros.

#if defined(_WIN32)
#if !defined(WIN32_LEAN_AND_MEAN)
#define WIN32_LEAN_AND_MEAN
#endif
#if !defined(NOMINMAX)
#define NOMINMAX
#endif
#include <winsock2.h>

#include <afunix.h>
#include <iphlpapi.h>
#include <mswsock.h>
#include <ws2tcpip.h>

#undef interface

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

namespace eddy {

/// The buffer of a vectored call, as on other systems. A WSABUF has the members in the opposite order, and a size of
/// 32 bits.
struct iovec {
    void* iov_base;
    std::size_t iov_len;
};

using sa_family_t = ADDRESS_FAMILY;

}  // namespace eddy

namespace eddy::sys {

/// The size of the name of a network interface, with its NUL.
inline constexpr std::size_t longest_interface_name = IF_MAX_STRING_SIZE + 1;

/// A descriptor of this library is an int. On Windows it is a handle, of which Windows uses only the low 32 bits, also
/// in programs of 64 bits. INVALID_SOCKET becomes -1.
[[nodiscard]] constexpr SOCKET to_socket(int fd) noexcept {
    return static_cast<SOCKET>(static_cast<std::intptr_t>(fd));
}
[[nodiscard]] constexpr int from_socket(SOCKET handle) noexcept {
    return static_cast<int>(static_cast<std::intptr_t>(handle));
}

}  // namespace eddy::sys
#else
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include <cstddef>

namespace eddy::sys {

/// The size of the name of a network interface, with its NUL.
inline constexpr std::size_t longest_interface_name = IF_NAMESIZE;

/// The handle of a socket in calls of this system: see the version for Windows.
[[nodiscard]] constexpr int to_socket(int fd) noexcept { return fd; }

}  // namespace eddy::sys
#endif
