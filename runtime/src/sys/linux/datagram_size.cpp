// SPDX-License-Identifier: MIT
#include <sys/socket.h>

#include "sys/syscall.hpp"

namespace eddy::sys {

result<std::size_t> datagram_size(int fd) noexcept {
    return count_or_error(retry_interrupted([&] { return ::recv(fd, nullptr, 0, MSG_PEEK | MSG_TRUNC); }));
}

}  // namespace eddy::sys
