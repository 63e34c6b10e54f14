// SPDX-License-Identifier: MIT
#include "sys/quiet_socket.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "sys/syscall.hpp"

namespace eddy::sys {

bool is_quiet(int fd) noexcept {
    char byte = 0;
    const auto count = retry_interrupted([&] { return ::recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT); });
    return count < 0 && errno == EAGAIN;
}

std::uint64_t received_bytes(int fd) noexcept {
#if defined(__linux__)
    // tcpi_bytes_received of tcp_info, which glibc 2.36 does not declare. linux/tcp.h does, but it cannot be included
    // beside netinet/tcp.h. The kernel only appends fields, and an old kernel fills only the beginning.
    constexpr std::size_t offset = 128;
    std::uint64_t received = 0;
    std::array<std::byte, offset + sizeof received> info{};
    ::socklen_t size = sizeof info;
    if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, info.data(), &size) != 0) return 0;
    std::memcpy(&received, info.data() + offset, sizeof received);
    return received;
#else
    static_cast<void>(fd);
    return 0;
#endif
}

}  // namespace eddy::sys
