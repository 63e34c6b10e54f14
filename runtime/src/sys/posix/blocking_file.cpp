// SPDX-License-Identifier: MIT
#include "sys/blocking_file.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>

#include <eddy/error.hpp>

#include "sys/syscall.hpp"

namespace eddy::sys {
namespace {

/// Repeats `call` while it would block, and waits with poll(2) in between.
template <class Call>
result<std::size_t> until_it_moves(int fd, short events, Call call) noexcept {
    for (;;) {
        const ssize_t count = retry_interrupted(call);
        if (count >= 0 || errno != EAGAIN) return count_or_error(count);
        pollfd waits{fd, events, 0};
        // The next call reports an error that poll(2) has found.
        static_cast<void>(retry_interrupted([&] { return ::poll(&waits, 1, -1); }));
    }
}

}  // namespace

result<std::size_t> read_blocking(int fd, std::span<std::byte> into) noexcept {
    return until_it_moves(fd, POLLIN, [&] { return ::read(fd, into.data(), into.size()); });
}

result<void> write_all_blocking(int fd, std::span<const std::byte> from) noexcept {
    while (!from.empty()) {
        const auto count = until_it_moves(fd, POLLOUT, [&] { return ::write(fd, from.data(), from.size()); });
        if (!count) return std::unexpected(count.error());
        if (*count == 0) return std::unexpected(make_error_code(errc::write_zero));
        from = from.subspan(*count);
    }
    return ok();
}

}  // namespace eddy::sys
