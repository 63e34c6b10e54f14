// SPDX-License-Identifier: MIT
#include "sys/quiet_socket.hpp"

#include <sys/socket.h>
#include <sys/types.h>

#include <cerrno>
#if defined(__linux__)
#include <linux/tcp.h>
#include <netinet/in.h>
#endif

#include "sys/syscall.hpp"

namespace eddy::inline v0_1::sys {

bool is_quiet(int fd) noexcept {
    char byte = 0;
    const auto count = retry_interrupted([&] { return ::recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT); });
    return count < 0 && errno == EAGAIN;
}

std::uint64_t received_bytes(int fd) noexcept {
#if defined(__linux__)
    ::tcp_info info{};  // an old kernel fills only the beginning
    ::socklen_t size = sizeof info;
    if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0) return info.tcpi_bytes_received;
#else
    static_cast<void>(fd);
#endif
    return 0;
}

}  // namespace eddy::sys
