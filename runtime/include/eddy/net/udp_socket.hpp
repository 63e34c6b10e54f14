// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/io/buffer.hpp>
#include <eddy/net/any_call.hpp>
#include <eddy/net/datagram.hpp>
#include <eddy/net/datagram_socket.hpp>
#include <eddy/net/detail/io_socket.hpp>
#include <eddy/net/ip_binding.hpp>
#include <eddy/net/socket_addr.hpp>
#include <eddy/net/to_socket_addrs.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>

namespace eddy::detail {

/// Sends one datagram, or waits until the send buffer has capacity.
[[nodiscard]] EDDY_API poll_result<result<std::size_t>> poll_send_to(io_socket& socket, context& cx,
                                                                     const wait_record* future,
                                                                     std::span<const std::byte> from,
                                                                     const net::socket_addr& to);

}  // namespace eddy::detail

namespace eddy::net {

/// The result of udp_socket::recv_from().
using recv_info = basic_recv_info<socket_addr>;

/// A datagram for udp_socket::recv_many(): a buffer, which the caller supplies, and the result.
/// Thread safety: a plain value.
/// Lifetime: does not own the buffer.
struct incoming_datagram {
    std::span<std::byte> buffer;  ///< receives the datagram
    std::size_t size = 0;         ///< the size of the datagram in bytes
    socket_addr from;             ///< the sender
    bool is_truncated = false;    ///< the datagram was larger than the buffer

    /// Receives into `into`.
    explicit incoming_datagram(std::span<std::byte> into) noexcept : buffer(into) {}
    /// Returns the received bytes.
    [[nodiscard]] std::span<std::byte> bytes() const noexcept { return buffer.first(size); }
};

/// A datagram for udp_socket::send_many().
/// Thread safety: a plain value.
/// Lifetime: does not own the bytes.
struct outgoing_datagram {
    std::span<const std::byte> bytes;  ///< the contents
    std::optional<socket_addr> to;     ///< nullopt: the connected peer

    /// Sends `from`.
    explicit outgoing_datagram(std::span<const std::byte> from) noexcept : bytes(from) {}
    outgoing_datagram(std::span<const std::byte> from, const socket_addr& receiver) noexcept
        : bytes(from), to(receiver) {}
};

class udp_socket;
class send_to_future;
template <class T>
class send_to_moved_future;
class recv_many_future;
class send_many_future;
/// The results of udp_socket::send_dgram() and udp_socket::recv_dgram().
template <class B>
using dgram_sent = basic_dgram_sent<udp_socket, B>;
template <class B>
using dgram_received = basic_dgram_received<udp_socket, B, socket_addr>;

/// A UDP socket.
///
/// Datagrams may be lost, duplicated or reordered. A datagram is sent and received as a whole. The part that does not
/// fit into the receive buffer is lost, and recv_from() reports the loss.
///
/// Errors: message_size for a datagram that is too large, and other errors with the system's code; errc::io_disabled.
/// errc::runtime_shutdown if the event loop of the socket has ended. If the socket is connected, the peer's host may
/// report an error for a datagram, for example connection_refused if no socket has the port. The next operation in
/// either direction returns that error, once. The system reports no such errors for a socket that is not connected. An
/// operation that must wait throws `misuse` if the thread has no event loop.
/// Thread safety: one operation may be pending in each direction at the same time, on different threads. Of two
/// operations in the same direction, the second one throws `misuse` if it is of another task. Any number of tasks may
/// await readable() and writable().
/// Lifetime: the socket must outlive its futures, and must not move while one of them waits. The destructor closes the
/// socket.
/// Cost: registers with the event loop at the first operation that would block. The futures do not allocate, except
/// those that look up a name and those that take ownership of the socket.
class EDDY_API udp_socket : public datagram_socket<socket_addr>,
                            public ip_binding<udp_socket>,
                            public detail::any_call<udp_socket> {
public:
    /// Takes ownership of a UDP socket, bound or not, also on error. Use it for options that must be set before
    /// bind(2).
    /// Errors: errc::blocking_descriptor if O_NONBLOCK is not set; wrong_protocol_type if it is not a UDP socket;
    /// bad_file_descriptor.
    [[nodiscard]] static result<udp_socket> from_native(int fd) noexcept;

    /// Connects to a peer: send() sends to it, and only its datagrams are received. Sends nothing itself. Tries several
    /// addresses in order, also if a name has them, and takes the first one that has a route. A second call changes the
    /// peer.
    /// Errors: network_unreachable and the other errors of connect(2); the errors of lookup_host(). If no address can
    /// be connected to, returns the error of the last one.
    /// Cancel safety: safe. Only the look-up of a name waits.
    /// Lifetime: the future borrows the socket.
    task<any_result<void>> connect(lookup_request to, std::source_location where = std::source_location::current());
    task<any_result<void>> connect(std::string_view host, std::uint16_t port,
                                   std::source_location where = std::source_location::current());
    task<any_result<void>> connect(const ip_addr& host, std::uint16_t port,
                                   std::source_location where = std::source_location::current());

    // ---- Sending and receiving, in addition to datagram_socket ----

    /// Sends a datagram to `to` and returns its size in bytes.
    /// Errors: same as send().
    /// Cancel safety: safe. If the future is destroyed before it is ready, nothing was sent.
    /// Lifetime: as for send(): a temporary container is moved into the future, everything else is borrowed.
    [[nodiscard]] send_to_future send_to(io::const_buffer from, const socket_addr& to) noexcept;
    template <eddy::detail::owned_bytes T>
    [[nodiscard]] send_to_moved_future<T> send_to(T&& from, const socket_addr& to) {
        return send_to_moved_future<T>(socket_, std::forward<T>(from), to);
    }
    /// Sends a datagram to the first address of any `to_socket_addrs`, which may be a name. Returns the size in bytes.
    /// Errors: same as send() and lookup_host().
    /// Cancel safety: safe. If the future is destroyed before it is ready, nothing was sent.
    /// Lifetime: as for send(): a temporary container is moved into the future, everything else is borrowed.
    /// Cost: one allocation, or two for a temporary container, and the cost of the look-up.
    task<result<std::size_t>> send_to(io::const_buffer from, lookup_request to,
                                      std::source_location where = std::source_location::current());
    template <eddy::detail::owned_bytes T>
    task<result<std::size_t>> send_to(T&& from, lookup_request to,
                                      std::source_location where = std::source_location::current()) {
        return send_moved(socket_, std::forward<T>(from), std::move(to), where);
    }
    /// Sends the first datagrams of `all`, at least one and at most 64, and returns their number. Send the rest with
    /// another call. Returns 0 only if `all` is empty. If the kernel supports it, adjacent datagrams with the same
    /// receiver and the same size pass it as one message. The last one may be smaller.
    /// Errors: any error of the first datagram. An error of a later datagram ends the batch, and the next call returns
    /// it.
    /// Cancel safety: safe. If the future is destroyed before it is ready, nothing was sent.
    /// Lifetime: the future borrows the socket and `all`.
    /// Cost: on Linux, one system call for all datagrams; otherwise, one for each datagram.
    [[nodiscard]] send_many_future send_many(std::span<const outgoing_datagram> all) noexcept;
    /// Sends without waiting.
    /// Errors: operation_would_block if the send buffer is full.
    result<std::size_t> try_send_to(io::const_buffer from, const socket_addr& to);
    result<std::size_t> try_send_many(std::span<const outgoing_datagram> all);
    /// Same as send_to(), as a poll function. Only the last task that polled a direction is woken.
    poll_result<result<std::size_t>> poll_send_to(context& cx, std::span<const std::byte> from, const socket_addr& to);

    /// Receives the datagrams that have arrived, at most `all.size()` and at most 64, and returns their number. Waits
    /// for the first datagram. Returns 0 only if `all` is empty. For example, to send them back:
    ///     const std::size_t count = co_await try_(socket.recv_many(all));  // each has its buffer, and keeps it
    ///     std::vector<net::outgoing_datagram> answers;
    ///     for (const auto& each : std::span(all).first(count)) answers.emplace_back(each.bytes(), each.from);
    ///     std::span<const net::outgoing_datagram> left(answers);
    ///     while (!left.empty()) left = left.subspan(co_await try_(socket.send_many(left)));
    /// Errors: any error of the first datagram. An error that follows a datagram stays in the socket, for the next
    /// call.
    /// Cancel safety: safe. If the future is destroyed before it is ready, no datagram was taken.
    /// Lifetime: the future borrows the socket and `all`.
    /// Cost: on Linux, one system call for all datagrams; otherwise, about two for each datagram.
    [[nodiscard]] recv_many_future recv_many(std::span<incoming_datagram> all) noexcept;
    /// Receives without waiting.
    /// Errors: operation_would_block if there is no datagram.
    result<std::size_t> try_recv_many(std::span<incoming_datagram> all);

    // ---- Operations that take ownership of the socket and the buffer, and return both ----

    /// Sends the whole of `buffer` to `to`:
    ///     auto [sock, buf, sent] = co_await std::move(socket).send_dgram(std::move(b), to);
    /// Errors: in `sent`, same as send_to().
    /// Cancel safety: not safe. The socket and the buffer are destroyed.
    template <class B>
    [[nodiscard]] auto send_dgram(B buffer, const socket_addr& to) &&;
    /// Receives a datagram into `buffer`:
    ///     auto [sock, buf, n, from] = co_await std::move(socket).recv_dgram(std::move(b));
    /// Errors: in `n`, same as recv_from().
    /// Cancel safety: not safe. The socket and the buffer are destroyed.
    template <class B>
    [[nodiscard]] auto recv_dgram(B buffer) &&;
    eddy::detail::broken_future send_dgram(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    eddy::detail::broken_future recv_dgram(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);

    // ---- The socket. Errors: see getsockopt(2) and setsockopt(2). ----

    /// Returns the address that the socket is bound to.
    [[nodiscard]] result<socket_addr> local_addr() const;
    /// Returns the address of the connected peer.
    /// Errors: not_connected.
    [[nodiscard]] result<socket_addr> peer_addr() const;

    /// Gets or sets whether datagrams may be sent to broadcast addresses (SO_BROADCAST).
    [[nodiscard]] result<bool> broadcast() const;
    result<void> set_broadcast(bool on) const;
    /// The time-to-live of packets that are sent (IP_TTL; for IPv6, the hop limit). Does not apply to multicast.
    [[nodiscard]] result<std::uint32_t> ttl() const;
    result<void> set_ttl(std::uint32_t hops) const;
    /// The type of service of packets that are sent (IP_TOS; for IPv6, the traffic class).
    [[nodiscard]] result<std::uint32_t> tos() const;
    result<void> set_tos(std::uint32_t tos) const;
    /// The size of the receive buffer in bytes (SO_RCVBUF). See send_buffer_size().
    [[nodiscard]] result<std::uint32_t> recv_buffer_size() const;
    result<void> set_recv_buffer_size(std::uint32_t bytes) const;
    /// Returns the name of the interface that the socket is bound to, or nullopt (SO_BINDTODEVICE).
    [[nodiscard]] result<std::optional<std::string>> device() const;
    /// Binds to an interface. nullopt removes the binding.
    /// Errors: invalid_argument for a name that is empty or too long; no_such_device; operation_not_permitted;
    /// not_supported except on Linux.
    result<void> bind_device(std::optional<std::string_view> interface) const;

    /// Gets or sets whether datagrams to a group also reach receivers on this machine (IP_MULTICAST_LOOP,
    /// IPV6_MULTICAST_LOOP). On by default.
    [[nodiscard]] result<bool> multicast_loop_v4() const;
    result<void> set_multicast_loop_v4(bool on) const;
    [[nodiscard]] result<bool> multicast_loop_v6() const;
    result<void> set_multicast_loop_v6(bool on) const;
    /// The number of hops of datagrams to a group (IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS). 1 by default: the local
    /// network.
    [[nodiscard]] result<std::uint32_t> multicast_ttl_v4() const;
    result<void> set_multicast_ttl_v4(std::uint32_t hops) const;
    [[nodiscard]] result<std::uint32_t> multicast_hops_v6() const;
    result<void> set_multicast_hops_v6(std::uint32_t hops) const;
    /// The interface that datagrams to a group are sent from, as its address or its index (IP_MULTICAST_IF,
    /// IPV6_MULTICAST_IF).
    [[nodiscard]] result<ipv4_addr> multicast_if_v4() const;
    result<void> set_multicast_if_v4(const ipv4_addr& interface) const;
    [[nodiscard]] result<std::uint32_t> multicast_if_v6() const;
    result<void> set_multicast_if_v6(std::uint32_t interface) const;
    /// Joins a group: datagrams to `group` are received on `interface`. ipv4_addr::any() and 0 let the system choose
    /// the interface.
    /// Errors: address_in_use if the socket has joined the group already; invalid_argument if `group` is not a
    /// multicast address.
    result<void> join_multicast_v4(const ipv4_addr& group, const ipv4_addr& interface) const;
    result<void> join_multicast_v6(const ipv6_addr& group, std::uint32_t interface) const;
    /// Leaves a group.
    /// Errors: address_not_available if the socket has not joined it.
    result<void> leave_multicast_v4(const ipv4_addr& group, const ipv4_addr& interface) const;
    result<void> leave_multicast_v6(const ipv6_addr& group, std::uint32_t interface) const;

private:
    friend ip_binding<udp_socket>;
    using datagram_socket::datagram_socket;

    static result<udp_socket> bind_now(const socket_addr& at) noexcept;
    static task<any_result<void>> connect_to(detail::io_socket& socket, lookup_request to, std::source_location where);
    static task<result<std::size_t>> send_to_named(detail::io_socket& socket, std::span<const std::byte> from,
                                                   lookup_request to, std::source_location where);
    template <class T>
    static task<result<std::size_t>> send_moved(detail::io_socket& socket, T from, lookup_request to,
                                                std::source_location where) {
        co_return co_await send_to_named(socket, detail::source_bytes(from), std::move(to), where);
    }
    template <class B>
    static task<dgram_sent<B>> send_dgram_of(udp_socket socket, B buffer, socket_addr to);
    template <class B>
    static task<dgram_received<B>> recv_dgram_of(udp_socket socket, B buffer);
};

// ---- Implementation ----

/// The future of udp_socket::send_to().
/// Cancel safety: safe. If it is destroyed before it is ready, nothing was sent.
class [[nodiscard("an operation does nothing until it is awaited")]] EDDY_API send_to_future
    : public detail::socket_future<send_to_future, std::size_t, detail::direction::write> {
public:
    send_to_future(detail::io_socket& socket, std::span<const std::byte> from, const socket_addr& to) noexcept
        : socket_future(socket), from_(from), to_(to) {}

private:
    friend socket_future;
    poll_result<result<std::size_t>> poll_socket(detail::io_socket& socket, context& cx,
                                                 const detail::wait_record* future);

    std::span<const std::byte> from_;
    socket_addr to_;
};

/// The future of udp_socket::send_to() for a container, which the future owns.
/// Cancel safety: safe. If it is destroyed before it is ready, nothing was sent.
template <class T>
class [[nodiscard("an operation does nothing until it is awaited")]] send_to_moved_future
    : public detail::socket_future<send_to_moved_future<T>, std::size_t, detail::direction::write> {
    using base = typename send_to_moved_future::socket_future;
    friend base;

public:
    send_to_moved_future(detail::io_socket& socket, T&& from,
                         const socket_addr& to) noexcept(std::is_nothrow_move_constructible_v<T>)
        : base(socket), from_(std::move(from)), to_(to) {}

private:
    poll_result<result<std::size_t>> poll_socket(detail::io_socket& socket, context& cx,
                                                 const detail::wait_record* future) {
        return detail::poll_send_to(socket, cx, future, detail::source_bytes(from_), to_);
    }

    T from_;
    socket_addr to_;
};

/// The future of udp_socket::recv_many().
/// Cancel safety: safe. If it is destroyed before it is ready, no datagram was taken.
class [[nodiscard("an operation does nothing until it is awaited")]] EDDY_API recv_many_future
    : public detail::socket_future<recv_many_future, std::size_t, detail::direction::read> {
public:
    recv_many_future(detail::io_socket& socket, std::span<incoming_datagram> all) noexcept
        : socket_future(socket), all_(all) {}

private:
    friend socket_future;
    poll_result<result<std::size_t>> poll_socket(detail::io_socket& socket, context& cx,
                                                 const detail::wait_record* future);

    std::span<incoming_datagram> all_;
};

/// The future of udp_socket::send_many().
/// Cancel safety: safe. If it is destroyed before it is ready, nothing was sent.
class [[nodiscard("an operation does nothing until it is awaited")]] EDDY_API send_many_future
    : public detail::socket_future<send_many_future, std::size_t, detail::direction::write> {
public:
    send_many_future(detail::io_socket& socket, std::span<const outgoing_datagram> all) noexcept
        : socket_future(socket), all_(all) {}

private:
    friend socket_future;
    poll_result<result<std::size_t>> poll_socket(detail::io_socket& socket, context& cx,
                                                 const detail::wait_record* future);

    std::span<const outgoing_datagram> all_;
};

template <class B>
task<dgram_sent<B>> udp_socket::send_dgram_of(udp_socket socket, B buffer, socket_addr to) {
    const auto bytes = std::as_bytes(std::span(buffer));
    const auto count = co_await socket.send_to(bytes, to);
    const auto outcome = eddy::detail::check_whole(count, bytes.size());
    co_return dgram_sent<B>(std::move(socket), std::move(buffer), outcome);
}

template <class B>
task<dgram_received<B>> udp_socket::recv_dgram_of(udp_socket socket, B buffer) {
    const auto info = co_await socket.recv_from(std::as_writable_bytes(std::span(buffer)));
    const auto count = info ? ok(info->size) : result<std::size_t>(std::unexpect, info.error());
    co_return dgram_received<B>(std::move(socket), std::move(buffer), count, info ? info->from : socket_addr());
}

template <class B>
auto udp_socket::send_dgram(B buffer, const socket_addr& to) && {
    constexpr bool fits = dgram_buffer<B>;
    static_assert(fits, "eddy: a buffer for datagrams is a vector, array or string of its own bytes");
    if constexpr (fits) {
        return send_dgram_of<B>(std::move(*this), std::move(buffer), to);
    } else {
        return eddy::detail::broken_future();
    }
}

template <class B>
auto udp_socket::recv_dgram(B buffer) && {
    constexpr bool fits = dgram_buffer<B>;
    static_assert(fits, "eddy: a buffer for datagrams is a vector, array or string of its own bytes");
    if constexpr (fits) {
        return recv_dgram_of<B>(std::move(*this), std::move(buffer));
    } else {
        return eddy::detail::broken_future();
    }
}

}  // namespace eddy::net
