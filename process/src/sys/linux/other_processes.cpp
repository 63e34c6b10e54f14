// SPDX-License-Identifier: MIT
#include "sys/other_processes.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys/syscall.hpp"

namespace eddy::sys {

result<unique_fd> open_process(int id) noexcept {
    auto opened = own_or_error(static_cast<int>(::syscall(SYS_pidfd_open, id, 0)));
    if (!opened) return opened;
    if (const auto moved = move_above_standard(*opened); !moved) return std::unexpected(moved.error());
    // As PIDFD_NONBLOCK of Linux 5.10: a reactor takes no other descriptors.
    if (::fcntl(opened->get(), F_SETFL, O_NONBLOCK) != 0) return std::unexpected(last_error());
    return opened;
}

bool has_ended(const started_process& process) noexcept {
    pollfd asked{process.watched.get(), POLLIN, 0};
    return retry_interrupted([&] { return ::poll(&asked, 1, 0); }) > 0;
}

}  // namespace eddy::sys
