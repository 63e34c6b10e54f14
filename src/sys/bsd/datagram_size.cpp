// SPDX-License-Identifier: MIT
#include <array>
#include <cstddef>

#include "sys/syscall.hpp"

namespace eddy::sys {

// FIONREAD counts all datagrams in some of these systems, and the headers in others. So copy the datagram.
result<std::size_t> datagram_size(int fd) noexcept {
    std::array<std::byte, 65536> copy;  // no datagram is larger
    return peek(fd, copy);
}

}  // namespace eddy::sys
