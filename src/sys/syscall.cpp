// SPDX-License-Identifier: MIT
#include "sys/syscall.hpp"

#include <fcntl.h>
#include <limits.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include <algorithm>

namespace eddy::sys {
namespace {

result<void> done_or_error(int answer) noexcept {
    if (answer < 0) return std::unexpected(last_error());
    return ok();
}

result<unique_fd> own_or_error(int fd) noexcept {
    if (fd < 0) return std::unexpected(last_error());
    return unique_fd(fd);
}

msghdr message_of(std::span<const iovec> buffers) noexcept {
    msghdr message{};
    // SAFETY: recvmsg(2) and sendmsg(2) only read the array; the type of msg_iov is older than const.
    message.msg_iov = const_cast<iovec*>(buffers.data());
    // More than IOV_MAX would be EMSGSIZE, though a short count says as well that some are left.
    message.msg_iovlen = std::min<std::size_t>(buffers.size(), IOV_MAX);
    return message;
}

/// `ask` is getsockname(2) or getpeername(2).
template <class Ask>
result<net::socket_addr> addr_from(int fd, Ask ask) noexcept {
    native_addr native;
    if (ask(fd, native.get(), &native.size) != 0) return std::unexpected(last_error());
    return from_native(native.get(), native.size);
}

}  // namespace

result<bool> is_nonblocking(int fd) noexcept {
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0) return std::unexpected(last_error());
    return (flags & O_NONBLOCK) != 0;
}

result<unique_fd> make_eventfd() noexcept { return own_or_error(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)); }

result<unique_fd> make_timerfd() noexcept {
    return own_or_error(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
}

void set_timerfd(int fd, std::chrono::nanoseconds delay) noexcept {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(delay);
    itimerspec when{};
    when.it_value = {static_cast<std::time_t>(seconds.count()), static_cast<long>((delay - seconds).count())};
    ::timerfd_settime(fd, 0, &when, nullptr);
}

result<unique_fd> tcp_socket(int family) noexcept {
    return own_or_error(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

result<void> bind(int fd, const net::socket_addr& addr) noexcept {
    const native_addr native = to_native(addr);
    return done_or_error(::bind(fd, native.get(), native.size));
}

result<void> listen(int fd, int backlog) noexcept { return done_or_error(::listen(fd, backlog)); }

result<accepted_fd> accept(int fd) noexcept {
    native_addr peer;
    const int accepted = retry_interrupted([&] {
        peer.size = sizeof peer.storage;
        return ::accept4(fd, peer.get(), &peer.size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    });
    if (accepted < 0) return std::unexpected(last_error());
    return accepted_fd{unique_fd(accepted), peer};
}

std::error_code connect(int fd, const net::socket_addr& addr) noexcept {
    const native_addr native = to_native(addr);
    if (::connect(fd, native.get(), native.size) == 0) return {};
    // Not retried: after EINTR the connection goes on by itself, and a second call would be EALREADY (connect(2)).
    if (errno == EINTR) return std::make_error_code(std::errc::operation_in_progress);
    return last_error();
}

result<void> shutdown(int fd, int how) noexcept { return done_or_error(::shutdown(fd, how)); }

result<net::socket_addr> local_addr(int fd) noexcept { return addr_from(fd, ::getsockname); }

result<net::socket_addr> peer_addr(int fd) noexcept { return addr_from(fd, ::getpeername); }

result<std::optional<std::error_code>> take_error(int fd) noexcept {
    const auto code = get_option<int>(fd, SOL_SOCKET, SO_ERROR);
    if (!code) return std::unexpected(code.error());
    if (*code == 0) return std::optional<std::error_code>();
    return std::error_code(*code, std::generic_category());
}

result<std::size_t> recv_vectored(int fd, std::span<const iovec> into) noexcept {
    msghdr message = message_of(into);
    return count_or_error(retry_interrupted([&] { return ::recvmsg(fd, &message, 0); }));
}

result<std::size_t> send_vectored(int fd, std::span<const iovec> from) noexcept {
    const msghdr message = message_of(from);
    return count_or_error(retry_interrupted([&] { return ::sendmsg(fd, &message, MSG_NOSIGNAL); }));
}

}  // namespace eddy::sys
