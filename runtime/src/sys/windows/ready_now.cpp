// SPDX-License-Identifier: MIT
#include <eddy/io/async_fd.hpp>

#include "sys/syscall.hpp"

namespace eddy::detail {

result<io::ready> ready_now(int fd, io::interest wanted) noexcept {
    WSAPOLLFD one{};
    one.fd = sys::to_socket(fd);
    if (wanted.is_readable()) one.events |= POLLRDNORM;
    if (wanted.is_writable()) one.events |= POLLWRNORM;
    if (wanted.is_priority()) one.events |= POLLRDBAND;
    if (::WSAPoll(&one, 1, 0) < 0) return std::unexpected(sys::last_error());
    if ((one.revents & POLLNVAL) != 0) return std::unexpected(std::make_error_code(std::errc::bad_file_descriptor));
    io::ready now;
    if ((one.revents & POLLRDNORM) != 0) now |= io::ready::readable;
    if ((one.revents & POLLWRNORM) != 0) now |= io::ready::writable;
    if ((one.revents & POLLRDBAND) != 0) now |= io::ready::priority;
    if ((one.revents & POLLHUP) != 0) now |= io::ready::read_closed;
    if ((one.revents & POLLERR) != 0) now |= io::ready::write_closed | io::ready::error;
    return now & io::ready::mask_of(wanted);
}

}  // namespace eddy::detail
