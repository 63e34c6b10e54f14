// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <source_location>
#include <string_view>
#include <utility>
#include <vector>

#include <eddy/detail/export.hpp>
#include <eddy/error/any_error.hpp>
#include <eddy/io/buffer.hpp>
#include <eddy/io/owned_fd.hpp>
#include <eddy/net/basic_stream.hpp>
#include <eddy/net/detail/io_socket.hpp>
#include <eddy/net/unix_addr.hpp>
#include <eddy/result.hpp>
#include <eddy/runtime/core_handle.hpp>
#include <eddy/task/task.hpp>

namespace eddy::net {

struct unix_stream_pair;

/// The process at the other end of a Unix socket. The kernel recorded it when that process connected, listened, or made
/// the pair.
/// Thread safety: a plain value.
struct peer_credentials {
    std::optional<std::int32_t> pid;  ///< nullopt: it has none in this PID namespace, or the system does not report it
    std::uint32_t uid = 0;            ///< the effective user
    std::uint32_t gid = 0;            ///< the effective group

    /// Constructs the credentials from their parts.
    peer_credentials(std::optional<std::int32_t> process, std::uint32_t user, std::uint32_t group) noexcept
        : pid(process), uid(user), gid(group) {}
};

/// What unix_stream::recv_fds() received.
/// Lifetime: closes the descriptors that were not moved out.
struct received_fds {
    std::size_t bytes = 0;          ///< how many bytes
    std::vector<io::owned_fd> fds;  ///< the descriptors, in the order of the sender; they are close-on-exec

    /// Constructs an empty result.
    received_fds() noexcept = default;
};

/// A Unix stream connection. Otherwise same as tcp_stream. Its bytes are not received or sent through io_uring.
/// Thread safety, lifetime: same as tcp_stream.
class EDDY_API unix_stream : public detail::basic_stream<unix_stream> {
public:
    /// Connects to a path or to any address. Does nothing before the future is polled. While the listener's queue is
    /// full, connects again after 1 ms, 2 ms, and so on, up to every 16 ms.
    /// Errors: no_such_file_or_directory, connection_refused if no socket listens, permission_denied and the other
    /// errors of connect(2); the errors of unix_addr::path(). No descriptor stays open after an error.
    /// Cancel safety: safe. The attempt is abandoned, and its socket is closed.
    static task<any_result<unix_stream>> connect(const unix_addr& to,
                                                 std::source_location where = std::source_location::current());
    static task<any_result<unix_stream>> connect(std::string_view path,
                                                 std::source_location where = std::source_location::current());

    /// Makes two unnamed streams that are connected to each other.
    /// Errors: see socketpair(2).
    [[nodiscard]] static result<unix_stream_pair> pair() noexcept;

    /// Takes ownership of a connected socket, also on error.
    /// Errors: errc::blocking_descriptor if O_NONBLOCK is not set; wrong_protocol_type if it is not a Unix stream
    /// socket; bad_file_descriptor.
    [[nodiscard]] static result<unix_stream> from_native(int fd) noexcept;

    /// Returns the local address, or the address of the peer.
    /// Errors: see getsockname(2) and getpeername(2).
    [[nodiscard]] result<unix_addr> local_addr() const;
    [[nodiscard]] result<unix_addr> peer_addr() const;
    /// Returns the credentials of the peer (SO_PEERCRED; getpeereid(3) except on Linux).
    /// Errors: see getsockopt(2) or getpeereid(3).
    [[nodiscard]] result<peer_credentials> peer_cred() const;

    /// Sends bytes, at least one, and with the first of them copies of descriptors (SCM_RIGHTS), which the peer gets by
    /// recv_fds(); a peer that reads the bytes in another way closes them. Returns the number of bytes.
    /// Errors: argument_list_too_long for more than 253 descriptors; bad_file_descriptor; invalid_argument without a
    /// byte.
    /// Cancel safety: safe. Nothing was sent if the future is destroyed before it is ready.
    /// Lifetime: borrows the bytes.
    task<result<std::size_t>> send_fds(io::const_buffer from, std::vector<int> fds);
    /// Receives bytes, and the descriptors that were sent with them. 0 bytes are the end of the stream.
    /// Errors: too_many_files_open if this process cannot have all of the descriptors: none is kept, and the bytes are
    /// lost.
    /// Cancel safety: safe. Nothing is lost if the future is destroyed before it is ready.
    /// Lifetime: borrows the room for the bytes.
    task<result<received_fds>> recv_fds(io::mutable_buffer into);

private:
    friend class unix_listener;
    friend class unix_socket;
    explicit unix_stream(int fd) noexcept : basic_stream(detail::io_socket(fd, detail::descriptor_kind::socket)) {}
    explicit unix_stream(detail::io_socket&& socket) noexcept : basic_stream(std::move(socket)) {}

    static task<any_result<unix_stream>> connect_to(result<unix_addr> to, std::source_location where);
    static task<any_result<unix_stream>> connect_this(detail::io_socket socket, result<unix_addr> to,
                                                      std::source_location where);
};

/// The two streams of unix_stream::pair().
/// Thread safety: same as its parts.
struct unix_stream_pair {
    /// The two streams. Each is the peer of the other.
    unix_stream first;
    unix_stream second;

    /// Takes ownership of both streams.
    unix_stream_pair(unix_stream&& one, unix_stream&& other) noexcept
        : first(std::move(one)), second(std::move(other)) {}
};

}  // namespace eddy::net
