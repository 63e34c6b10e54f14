// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>

#include <cerrno>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/net/socket_addr.hpp>
#include <eddy/result.hpp>

#include "sys/fd.hpp"
#include "sys/sockaddr.hpp"
#include "sys/socket_api.hpp"

/// System calls with the conventions of this library: errors are values, EINTR is retried where it can occur, and new
/// descriptors are non-blocking, close-on-exec, and not one of 0 to 2.
namespace eddy::sys {

/// Returns the error of the last call, errno or WSAGetLastError(), as an error code. Its category is the generic one,
/// so that it compares equal to a std::errc.
#if defined(_WIN32)
[[nodiscard]] std::error_code last_error() noexcept;
#else
[[nodiscard]] inline std::error_code last_error() noexcept { return {errno, std::generic_category()}; }
#endif

/// Repeats `call` while it fails with EINTR. A negative result is a failure.
template <class Call>
[[gnu::always_inline]] inline auto retry_interrupted(Call call) noexcept {
    for (;;) {
        const auto answer = call();
        if (answer >= 0 || errno != EINTR) return answer;
    }
}

/// Converts the result of a call to a count or an error.
[[nodiscard]] inline result<std::size_t> count_or_error(ssize_t count) noexcept {
    if (count < 0) return std::unexpected(last_error());
    return static_cast<std::size_t>(count);
}

/// Converts the result of a call that returns nothing else to success or an error.
[[nodiscard]] inline result<void> done_or_error(int answer) noexcept {
    if (answer < 0) return std::unexpected(last_error());
    return {};
}

// ---- Descriptors ----

/// Takes ownership of a new descriptor, and replaces one of 0 to 2. If `fd` is -1, returns the error in errno.
[[nodiscard]] inline result<unique_fd> own_or_error(int fd) noexcept {
    unique_fd owned(above_standard(fd));
    if (!owned) return std::unexpected(last_error());
    return owned;
}

#if !defined(_WIN32)
/// Duplicates a descriptor. The copy is close-on-exec, and not one of 0 to 2.
[[nodiscard]] inline result<unique_fd> duplicate(int fd) noexcept {
    return own_or_error(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
}
#endif

/// Returns whether `fd` is a regular file or a directory.
[[nodiscard]] bool is_file(int fd) noexcept;
/// Returns whether O_NONBLOCK is set for `fd`, or it is a kqueue.
[[nodiscard]] result<bool> is_nonblocking(int fd) noexcept;

/// Makes a descriptor that the process has inherited like those that this library opens: non-blocking, close-on-exec.
/// Returns the flags of its file before, for restore_inherited().
/// Errors: bad_file_descriptor, also for one that open(2) has made with O_PATH. Nothing has changed then.
[[nodiscard]] result<int> prepare_inherited(int fd) noexcept;
/// Undoes prepare_inherited().
void restore_inherited(int fd, int flags) noexcept;

/// The values of access_mode().
inline constexpr int read_only = O_RDONLY;
inline constexpr int write_only = O_WRONLY;
inline constexpr int read_write = O_RDWR;

/// Returns read_only, write_only, or read_write.
[[nodiscard]] result<int> access_mode(int fd) noexcept;
/// Returns whether `fd` is a pipe or a FIFO.
[[nodiscard]] result<bool> is_fifo(int fd) noexcept;

/// Refuses regular files and directories, as epoll_ctl(2) does. poll(2) and kqueue(2) always report them as ready.
///
/// Errors: operation_not_permitted; what fstat(2) reports.
[[nodiscard]] result<void> check_pollable(int fd) noexcept;
/// Checks that `fd` is open.
/// Errors: bad_file_descriptor if it is not.
[[nodiscard]] result<void> check_open(int fd) noexcept;

/// Opens an existing file. `mode` is a result of access_mode(). Does not wait for the other end of a FIFO.
[[nodiscard]] result<unique_fd> open(const std::string& path, int mode) noexcept;

/// Creates a pipe(2). Returns the read end and the write end.
[[nodiscard]] result<std::pair<unique_fd, unique_fd>> make_pipe() noexcept;
/// Creates a pipe without a read end, and returns its write end: a write fails with broken_pipe.
[[nodiscard]] result<unique_fd> make_unread_pipe() noexcept;
/// Makes `fd` a close-on-exec descriptor of the file of `by`, by dup2(2). That closes its previous file.
result<void> replace_file(int fd, int by) noexcept;

// ---- Sockets ----

/// A connection from accept(), and the address of its peer.
struct accepted_fd {
    unique_fd fd;
    native_addr peer;
};

/// Creates a socket.
[[nodiscard]] result<unique_fd> tcp_socket(ip_version version) noexcept;
[[nodiscard]] result<unique_fd> udp_socket(ip_version version) noexcept;
[[nodiscard]] result<unique_fd> unix_stream_socket() noexcept;
[[nodiscard]] result<unique_fd> unix_datagram_socket() noexcept;
/// Creates two Unix sockets that are connected to each other.
[[nodiscard]] result<std::pair<unique_fd, unique_fd>> unix_stream_pair() noexcept;
[[nodiscard]] result<std::pair<unique_fd, unique_fd>> unix_datagram_pair() noexcept;

/// Wrappers of bind(2) and listen(2).
[[nodiscard]] result<void> bind(int fd, const native_addr& addr) noexcept;
[[nodiscard]] result<void> bind(int fd, const net::socket_addr& addr) noexcept;
[[nodiscard]] result<void> listen(int fd, int backlog) noexcept;

/// Accepts one connection from the queue.
/// Errors: operation_would_block if the queue is empty; what else accept(2) reports.
[[nodiscard]] result<accepted_fd> accept(int fd) noexcept;

/// Starts to connect. Returns no error if the connect is complete, and operation_in_progress if the outcome is known
/// once `fd` is writable.
[[nodiscard]] std::error_code connect(int fd, const native_addr& addr) noexcept;
[[nodiscard]] std::error_code connect(int fd, const net::socket_addr& addr) noexcept;

/// The directions that shutdown() ends.
enum class half : unsigned char { receiving, sending, both };

/// Calls shutdown(2).
result<void> shutdown(int fd, half which) noexcept;

/// Returns the local address, or the address of the peer.
[[nodiscard]] result<native_addr> native_local_addr(int fd) noexcept;
[[nodiscard]] result<native_addr> native_peer_addr(int fd) noexcept;
[[nodiscard]] result<net::socket_addr> local_addr(int fd) noexcept;
[[nodiscard]] result<net::socket_addr> peer_addr(int fd) noexcept;

/// Takes the pending error of the socket (SO_ERROR), if any.
/// Errors: what getsockopt(2) reports.
[[nodiscard]] result<std::optional<std::error_code>> take_error(int fd) noexcept;

/// Wrappers of setsockopt(2) and getsockopt(2) for an option of type T.
template <class T>
[[nodiscard]] result<void> set_option(int fd, int level, int name, const T& value) noexcept {
    const void* const bytes = &value;
    if (::setsockopt(to_socket(fd), level, name, static_cast<const char*>(bytes), sizeof value) != 0) {
        return std::unexpected(last_error());
    }
    return ok();
}

template <class T>
[[nodiscard]] result<T> get_option(int fd, int level, int name) noexcept {
    T value{};
    socklen_t size = sizeof value;
    void* const bytes = &value;
    if (::getsockopt(to_socket(fd), level, name, static_cast<char*>(bytes), &size) != 0) {
        return std::unexpected(last_error());
    }
    return value;
}

// ---- Data transfer ----
// A write to a closed connection fails with EPIPE and never raises SIGPIPE: the library must not change the signal
// handling of the process.

#if defined(MSG_NOSIGNAL)
inline constexpr int without_sigpipe = MSG_NOSIGNAL;
#else  // older versions of macOS: prevent_sigpipe() has the same effect
inline constexpr int without_sigpipe = 0;
#endif

/// Wrappers of recv(2) and send(2).
#if defined(_WIN32)
[[nodiscard]] result<std::size_t> recv(int fd, std::span<std::byte> into) noexcept;
[[nodiscard]] result<std::size_t> send(int fd, std::span<const std::byte> from) noexcept;
#else
[[nodiscard]] inline result<std::size_t> recv(int fd, std::span<std::byte> into) noexcept {
    return count_or_error(retry_interrupted([&] { return ::recv(fd, into.data(), into.size(), 0); }));
}
[[nodiscard]] inline result<std::size_t> send(int fd, std::span<const std::byte> from) noexcept {
    return count_or_error(retry_interrupted([&] { return ::send(fd, from.data(), from.size(), without_sigpipe); }));
}
#endif

/// Like recv() and send(), but never block, also if the socket has no O_NONBLOCK. peek() leaves the bytes in the
/// socket.
[[nodiscard]] result<std::size_t> peek(int fd, std::span<std::byte> into) noexcept;
[[nodiscard]] result<std::size_t> send_without_waiting(int fd, std::span<const std::byte> from) noexcept;

/// Returns the size of the next datagram, and leaves it in the socket.
[[nodiscard]] result<std::size_t> datagram_size(int fd) noexcept;

/// The size of the received part of a datagram, and whether the datagram was larger.
struct received {
    std::size_t size = 0;
    bool is_truncated = false;
};

/// Receives a datagram and stores the address of its sender in `from`. peek_from() leaves it in the socket.
[[nodiscard]] result<received> recv_from(int fd, std::span<std::byte> into, native_addr& from) noexcept;
[[nodiscard]] result<received> peek_from(int fd, std::span<std::byte> into, native_addr& from) noexcept;

/// Sends a datagram to `to`.
[[nodiscard]] result<std::size_t> send_to(int fd, std::span<const std::byte> from, const native_addr& to) noexcept;

/// Like recv(), for a descriptor that is not a socket.
[[nodiscard]] result<std::size_t> read(int fd, std::span<std::byte> into) noexcept;
[[nodiscard]] result<std::size_t> read_vectored(int fd, std::span<const iovec> into) noexcept;

/// Like send(), for a pipe. write(2) has no MSG_NOSIGNAL, so SIGPIPE is blocked for this thread during the call, and a
/// SIGPIPE that the call has raised is discarded. On macOS, prevent_sigpipe() has the same effect.
/// Cost: two additional system calls, except on macOS.
[[nodiscard]] result<std::size_t> write_pipe(int fd, std::span<const std::byte> from) noexcept;
[[nodiscard]] result<std::size_t> write_pipe_vectored(int fd, std::span<const iovec> from) noexcept;

/// Fills the buffers in order. Ignores the buffers after the first IOV_MAX.
[[nodiscard]] result<std::size_t> recv_vectored(int fd, std::span<const iovec> into) noexcept;

/// Sends the buffers in order, as far as the socket accepts them. Ignores the buffers after the first IOV_MAX.
[[nodiscard]] result<std::size_t> send_vectored(int fd, std::span<const iovec> from) noexcept;

/// Sends bytes, and with the first of them copies of the descriptors `fds`, on a Unix socket. At most most_sent_fds.
[[nodiscard]] result<std::size_t> send_with_fds(int fd, std::span<const std::byte> from,
                                                std::span<const int> fds) noexcept;
/// Receives bytes and the descriptors that were sent with them. These are close-on-exec.
/// Errors: too_many_files_open if the process cannot have all of the descriptors: none is kept then, and the bytes are
/// lost.
[[nodiscard]] result<std::size_t> recv_with_fds(int fd, std::span<std::byte> into, std::vector<unique_fd>& fds);

/// How many descriptors a message may have: the limit of Linux (SCM_MAX_FD).
inline constexpr std::size_t most_sent_fds = 253;

}  // namespace eddy::sys
