// SPDX-License-Identifier: MIT
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include <eddy/net/socket_addr.hpp>
#include <eddy/result.hpp>

#include "sys/fd.hpp"
#include "sys/sockaddr.hpp"

/// System calls as the rest of the library wants them: errors are values, EINTR is retried where it can occur, and what
/// is opened is non-blocking and closed on exec.
namespace eddy::sys {

/// What `errno` says. In the generic category, so that it compares equal to an std::errc in that category itself.
[[nodiscard]] inline std::error_code last_error() noexcept { return {errno, std::generic_category()}; }

/// Repeats `call` while it fails with EINTR; a failure is any negative value.
template <class Call>
[[gnu::always_inline]] inline auto retry_interrupted(Call call) noexcept {
    for (;;) {
        const auto answer = call();
        if (answer >= 0 || errno != EINTR) return answer;
    }
}

/// The count that a call returned, or its error.
[[nodiscard]] inline result<std::size_t> count_or_error(ssize_t count) noexcept {
    if (count < 0) return std::unexpected(last_error());
    return static_cast<std::size_t>(count);
}

// ---- Descriptors ----

/// Whether O_NONBLOCK is set.
[[nodiscard]] result<bool> is_nonblocking(int fd) noexcept;

/// O_RDONLY, O_WRONLY or O_RDWR.
[[nodiscard]] result<int> access_mode(int fd) noexcept;
/// Whether it is a pipe, with a name or without.
[[nodiscard]] result<bool> is_fifo(int fd) noexcept;

/// Opens a file that exists; `mode` is as access_mode() says. Waits for nobody who would open a FIFO's other end.
[[nodiscard]] result<unique_fd> open(const std::string& path, int mode) noexcept;

/// A pipe(2): the end to read from, and the one to write to.
[[nodiscard]] result<std::pair<unique_fd, unique_fd>> make_pipe() noexcept;

/// An eventfd(2) that counts from 0.
[[nodiscard]] result<unique_fd> make_eventfd() noexcept;

/// A timerfd(2) of the monotonic clock, which is not set.
[[nodiscard]] result<unique_fd> make_timerfd() noexcept;

/// Lets it expire once, after `delay`, and never if that is not positive.
void set_timerfd(int fd, std::chrono::nanoseconds delay) noexcept;

// ---- Sockets ----

/// A connection from accept(), and where it came from.
struct accepted_fd {
    unique_fd fd;
    native_addr peer;
};

/// `family` is AF_INET or AF_INET6.
[[nodiscard]] result<unique_fd> tcp_socket(int family) noexcept;
[[nodiscard]] result<unique_fd> udp_socket(int family) noexcept;
/// `type` is SOCK_STREAM or SOCK_DGRAM.
[[nodiscard]] result<unique_fd> unix_socket(int type) noexcept;
/// Two that are connected to each other.
[[nodiscard]] result<std::pair<unique_fd, unique_fd>> unix_pair(int type) noexcept;

[[nodiscard]] result<void> bind(int fd, const native_addr& addr) noexcept;
[[nodiscard]] result<void> bind(int fd, const net::socket_addr& addr) noexcept;
[[nodiscard]] result<void> listen(int fd, int backlog) noexcept;

/// Takes one connection from the queue; operation_would_block if it is empty.
[[nodiscard]] result<accepted_fd> accept(int fd) noexcept;

/// Starts to connect. No error if it is done at once; operation_in_progress if it will be known once `fd` is writable.
[[nodiscard]] std::error_code connect(int fd, const native_addr& addr) noexcept;
[[nodiscard]] std::error_code connect(int fd, const net::socket_addr& addr) noexcept;

/// `how` is SHUT_RD, SHUT_WR or SHUT_RDWR.
result<void> shutdown(int fd, int how) noexcept;

[[nodiscard]] result<native_addr> native_local_addr(int fd) noexcept;
[[nodiscard]] result<native_addr> native_peer_addr(int fd) noexcept;
[[nodiscard]] result<net::socket_addr> local_addr(int fd) noexcept;
[[nodiscard]] result<net::socket_addr> peer_addr(int fd) noexcept;

/// Takes the error that waits in the socket (SO_ERROR), if any. The outer error is that of asking.
[[nodiscard]] result<std::optional<std::error_code>> take_error(int fd) noexcept;

template <class T>
[[nodiscard]] result<void> set_option(int fd, int level, int name, const T& value) noexcept {
    if (::setsockopt(fd, level, name, &value, sizeof value) != 0) return std::unexpected(last_error());
    return ok();
}

template <class T>
[[nodiscard]] result<T> get_option(int fd, int level, int name) noexcept {
    T value{};
    socklen_t size = sizeof value;
    if (::getsockopt(fd, level, name, &value, &size) != 0) return std::unexpected(last_error());
    return value;
}

/// From here on its close resets the connection, and drops what was not sent.
inline void reset_at_close(int fd) noexcept {
    static_cast<void>(set_option(fd, SOL_SOCKET, SO_LINGER, ::linger{1, 0}));
}
[[nodiscard]] inline bool is_reset_at_close(int fd) noexcept {
    const auto value = get_option<::linger>(fd, SOL_SOCKET, SO_LINGER);
    return value && value->l_onoff != 0 && value->l_linger == 0;
}

// ---- Moving bytes ----
// A write to a closed connection is EPIPE and never SIGPIPE: the process's signals are not ours to change.

[[nodiscard]] inline result<std::size_t> recv(int fd, void* into, std::size_t size, int flags = 0) noexcept {
    return count_or_error(retry_interrupted([&] { return ::recv(fd, into, size, flags); }));
}

[[nodiscard]] inline result<std::size_t> send(int fd, const void* from, std::size_t size, int flags = 0) noexcept {
    return count_or_error(retry_interrupted([&] { return ::send(fd, from, size, flags | MSG_NOSIGNAL); }));
}

/// How much of a datagram was received, and whether it was larger.
struct received {
    std::size_t size = 0;
    bool is_truncated = false;
};

/// Receives a datagram, and writes to `from` where it comes from.
[[nodiscard]] result<received> recv_from(int fd, std::span<std::byte> into, native_addr& from, int flags) noexcept;

[[nodiscard]] result<std::size_t> send_to(int fd, std::span<const std::byte> from, const native_addr& to) noexcept;

/// As recv(), of what is no socket.
[[nodiscard]] result<std::size_t> read(int fd, void* into, std::size_t size) noexcept;
[[nodiscard]] result<std::size_t> read_vectored(int fd, std::span<const iovec> into) noexcept;

/// As send(), into a pipe. There is no flag that says so there: SIGPIPE is blocked for the time of the call, on this
/// thread, and the one that it has raised is taken back. Cost: two system calls besides.
[[nodiscard]] result<std::size_t> write_pipe(int fd, const void* from, std::size_t size) noexcept;
[[nodiscard]] result<std::size_t> write_pipe_vectored(int fd, std::span<const iovec> from) noexcept;

/// Fills the buffers one after the other; those beyond the first IOV_MAX are left alone.
[[nodiscard]] result<std::size_t> recv_vectored(int fd, std::span<const iovec> into) noexcept;

/// Sends the buffers one after the other, as far as there is room; those beyond the first IOV_MAX are left for later.
[[nodiscard]] result<std::size_t> send_vectored(int fd, std::span<const iovec> from) noexcept;

}  // namespace eddy::sys
