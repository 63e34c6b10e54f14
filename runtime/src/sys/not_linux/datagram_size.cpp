// SPDX-License-Identifier: MIT
#include <array>
#include <cstddef>

#include "sys/syscall.hpp"

namespace eddy::sys {

// Copies the datagram. FIONREAD counts all datagrams on some of these systems, and also the headers on others.
result<std::size_t> datagram_size(int fd) noexcept {
    std::array<std::byte, 65536> copy;  // no datagram is larger
    return peek(fd, copy);
}

}  // namespace eddy::sys
