// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/io/leased_buffer.hpp>
#include <eddy/net/detail/io_socket.hpp>
#include <eddy/net/socket_addr.hpp>
#include <eddy/result.hpp>

#include "reactor/source/scheduled_io.hpp"
#include "sys/iovec_list.hpp"

namespace eddy::detail {

class io_handle;

/// An accepted descriptor, which the caller owns, and the address of the peer.
using accepted_peer = std::pair<int, net::socket_addr>;

/// What differs between sockets whose bytes the system calls of their own thread move, and those whose bytes a
/// ring moves: the transfers, each tried once without waiting, the registration, and the end. A socket
/// asks for its transport in each operation (socket_registration::transport()):
///
///     transport          used by
///     direct_transport   all sockets that are not registered, or that the readiness driver watches
///     ring_transport     ring connections
///
/// A transfer fails with operation_would_block if it must be tried again after the driver has reported the direction as
/// ready.
/// Thread safety: as io_socket. A transport has no state.
class socket_transport {
public:
    // ---- Transfers ----

    virtual result<std::size_t> read(const io_socket& socket, std::span<std::byte> into) const = 0;
    virtual result<std::size_t> read_vectored(const io_socket& socket, const iovec_list& into) const = 0;
    virtual result<io::leased_buffer> receive(const io_socket& socket) const = 0;
    virtual result<std::size_t> peek(const io_socket& socket, std::span<std::byte> into) const = 0;
    virtual result<std::size_t> write(const io_socket& socket, std::span<const std::byte> from) const = 0;
    /// `list` has the same bytes as `parts`.
    virtual result<std::size_t> write_vectored(const io_socket& socket, const iovec_list& list,
                                               std::span<const std::span<const std::byte>> parts) const = 0;
    /// `from` is a part of `lease`. Takes over the lease if that saves a copy.
    virtual result<std::size_t> write_leased(const io_socket& socket, io::leased_buffer& lease,
                                             std::span<const std::byte> from) const = 0;
    virtual result<accepted_peer> accept(const io_socket& socket) const = 0;
    /// Returns whether a transfer that has moved fewer bytes than it had room for shows that the next one would block.
    /// `seen` is what the driver had reported.
    [[nodiscard]] virtual bool has_drained(const io_socket& socket, direction way, io::ready seen) const = 0;

    // ---- Registration ----

    /// Returns whether the first operation registers the socket before its first try.
    [[nodiscard]] virtual bool registers_first() const = 0;
    /// Registers a socket of this descriptor. The caller gets a reference.
    [[nodiscard]] virtual result<scheduled_io*> add(io_handle& io, int fd, descriptor_kind kind) const = 0;
    /// Deregisters the socket and closes the descriptor, now or once the written data was sent. Releases the caller's
    /// reference.
    virtual void close(io_handle& io, scheduled_io& source) const noexcept = 0;

    // ---- Waiting, the end, and what the transport has not passed on. The socket is registered. ----

    /// Prepares a wait for the readiness `wanted`.
    virtual result<void> prepare_wait(const io_socket& socket, io::interest wanted) const = 0;
    /// Prepares a system call of the user.
    /// Errors: operation_not_supported; operation_would_block while written data is unsent.
    virtual result<void> prepare_call(const io_socket& socket, io::interest wanted) const = 0;
    /// Returns whether all written data has been passed to the kernel.
    /// Errors: any error of the connection.
    virtual result<bool> flush(const io_socket& socket) const = 0;
    /// Same as flush(), but leaves an error of the connection for take_error().
    virtual result<bool> finish_sending(const io_socket& socket) const = 0;
    /// Ends writing. Returns whether the caller must shut down the writing side; else the transport does that later.
    virtual bool end_writing(const io_socket& socket) const noexcept = 0;
    /// Returns whether the transport has stopped receiving. If not, "readable" is reported once it has.
    virtual bool stop_receiving(const io_socket& socket) const = 0;
    virtual std::vector<std::byte> take_received(const io_socket& socket) const = 0;
    virtual std::vector<int> take_connections(const io_socket& socket) const = 0;
    virtual std::error_code take_error(const io_socket& socket) const noexcept = 0;

protected:
    ~socket_transport() = default;
};

extern const socket_transport& by_system_calls;
extern const socket_transport& by_ring;

}  // namespace eddy::detail
