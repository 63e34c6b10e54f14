// SPDX-License-Identifier: MIT
#include <sys/uio.h>
#include <unistd.h>

#include "sys/iovec_list.hpp"
#include "sys/no_sigpipe.hpp"
#include "sys/syscall.hpp"

// The systems in which only a signal mask prevents the SIGPIPE of write(2).

namespace eddy::sys {

result<std::size_t> write_pipe(int fd, std::span<const std::byte> from) noexcept {
    return no_sigpipe().run(from.size(), [&] { return ::write(fd, from.data(), from.size()); });
}

result<std::size_t> write_pipe_vectored(int fd, std::span<const iovec> from) noexcept {
    std::size_t total = 0;
    for (const iovec& one : from) total += one.iov_len;
    return no_sigpipe().run(total, [&] { return ::writev(fd, from.data(), iovec_count(from)); });
}

}  // namespace eddy::sys
