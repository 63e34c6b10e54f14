// SPDX-License-Identifier: MIT
#include <sys/uio.h>
#include <unistd.h>

#include "sys/iovec_list.hpp"
#include "sys/syscall.hpp"

// Pipes that this library has opened or adopted raise no SIGPIPE: see prevent_sigpipe().

namespace eddy::sys {

result<std::size_t> write_pipe(int fd, std::span<const std::byte> from) noexcept {
    return count_or_error(retry_interrupted([&] { return ::write(fd, from.data(), from.size()); }));
}

result<std::size_t> write_pipe_vectored(int fd, std::span<const iovec> from) noexcept {
    return count_or_error(retry_interrupted([&] { return ::writev(fd, from.data(), iovec_count(from)); }));
}

}  // namespace eddy::sys
