// SPDX-License-Identifier: MIT
#include <poll.h>

#include <cerrno>

#include <eddy/io/async_fd.hpp>

#include "sys/read_hup.hpp"

namespace eddy::detail {

result<io::ready> ready_now(int fd, io::interest wanted) noexcept {
    pollfd one{fd, 0, 0};
    if (wanted.is_readable()) one.events |= POLLIN | sys::read_hup;
    if (wanted.is_writable()) one.events |= POLLOUT;
    if (wanted.is_priority()) one.events |= POLLPRI | sys::read_hup;
    while (::poll(&one, 1, 0) < 0) {
        if (errno != EINTR) return std::unexpected(std::error_code(errno, std::system_category()));
    }
    if ((one.revents & POLLNVAL) != 0) return std::unexpected(std::make_error_code(std::errc::bad_file_descriptor));
    io::ready now;
    if ((one.revents & POLLIN) != 0) now |= io::ready::readable;
    if ((one.revents & POLLOUT) != 0) now |= io::ready::writable;
    if ((one.revents & POLLPRI) != 0) now |= io::ready::priority;
    if ((one.revents & (sys::read_hup | POLLHUP)) != 0) now |= io::ready::read_closed;
    if ((one.revents & (POLLHUP | POLLERR)) != 0) now |= io::ready::write_closed;
    if ((one.revents & POLLERR) != 0) now |= io::ready::error;
    return now & io::ready::mask_of(wanted);
}

}  // namespace eddy::detail
