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

#include <eddy/detail/broken_future.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/io_socket.hpp>
#include <eddy/net/any_call.hpp>
#include <eddy/net/datagram.hpp>
#include <eddy/net/datagram_socket.hpp>
#include <eddy/net/ip_binding.hpp>
#include <eddy/net/socket_addr.hpp>
#include <eddy/net/to_socket_addrs.hpp>
#include <eddy/result.hpp>
#include <eddy/task.hpp>

namespace eddy::net {

using recv_info = basic_recv_info<socket_addr>;

/// A datagram to be received by udp_socket::recv_many(): a buffer, and what became of it.
struct incoming_datagram {
    std::span<std::byte> buffer;
    std::size_t size = 0;
    socket_addr from;
    bool is_truncated = false;  ///< it was larger than the buffer

    explicit incoming_datagram(std::span<std::byte> into) noexcept : buffer(into) {}
    /// The bytes that have come.
    [[nodiscard]] std::span<std::byte> bytes() const noexcept { return buffer.first(size); }
};

/// A datagram to be sent by udp_socket::send_many().
struct outgoing_datagram {
    std::span<const std::byte> bytes;
    std::optional<socket_addr> to;  ///< nothing: where the socket is connected to

    explicit outgoing_datagram(std::span<const std::byte> from) noexcept : bytes(from) {}
    outgoing_datagram(std::span<const std::byte> from, const socket_addr& receiver) noexcept
        : bytes(from), to(receiver) {}
};

class udp_socket;
class send_to_op;
class recv_many_op;
class send_many_op;
template <class B>
using dgram_sent = basic_dgram_sent<udp_socket, B>;
template <class B>
using dgram_received = basic_dgram_received<udp_socket, B, socket_addr>;

/// A socket for UDP datagrams.
///
/// Datagrams get lost, doubled and out of order. A datagram is sent and received as a whole: what does not fit into the
/// buffer of who receives is lost, and recv_from() says so.
///
/// Errors: values, with the system's code. If the socket is connected, what the peer's machine says of a datagram is
/// reported once, by the next operation in either direction: connection_refused, if nobody has the port,
/// host_unreachable, and so on. Of a socket that is not connected the system reports none of that. message_size for a
/// datagram that is too large; errc::runtime_shutdown, if the loop that the socket is registered with is gone;
/// errc::io_disabled. An operation that must wait where no loop runs on the thread throws `misuse`. Thread safety: one
/// operation may be pending in each direction at the same time, on different threads; of two in the same direction only
/// the last to be polled is woken. readable() and writable() may be awaited by any number. Lifetime: the socket must
/// outlive its futures, and must not move while one of them waits. Destroying it closes it. Cost: registers with the
/// loop at the first operation that would block. None of the futures allocates, but where a name is looked up, and
/// those that take the socket over.
class EDDY_API udp_socket : public datagram_socket<socket_addr>,
                            public ip_binding<udp_socket>,
                            public any_call<udp_socket> {
public:
    /// Adopts a UDP socket, bound or not: with options that must be set before, say. It is owned from here on, also if
    /// this fails. Errors: errc::blocking_descriptor, if O_NONBLOCK is not set; wrong_protocol_type, if it is no UDP
    /// socket; bad_file_descriptor.
    [[nodiscard]] static result<udp_socket> from_native(int fd) noexcept;

    /// From now on, send() goes there, and only what comes from there is received. Of several addresses, and of those
    /// of a name, the first is taken to which there is a way. Nothing is sent. Connecting once more changes the peer.
    /// Errors: network_unreachable, ..., as connect(2); else as lookup_host(). Cancel safety: safe.
    [[nodiscard]] task<result<void>> connect(lookup_request to,
                                             std::source_location where = std::source_location::current());
    [[nodiscard]] task<result<void>> connect(std::string_view host, std::uint16_t port,
                                             std::source_location where = std::source_location::current());
    [[nodiscard]] task<result<void>> connect(const ip_addr& host, std::uint16_t port,
                                             std::source_location where = std::source_location::current());

    // ---- Besides what datagram_socket has. All are safe to cancel. ----

    /// As send(), but to `to`.
    [[nodiscard]] detail::io_operation<send_to_op> send_to(std::span<const std::byte> from,
                                                           const socket_addr& to) noexcept;
    /// The same to the first address of what is `to_socket_addrs`, which may have to be looked up.
    /// Errors: besides, as lookup_host(). Cost: an allocation, and that of the look-up.
    [[nodiscard]] task<result<std::size_t>> send_to(std::span<const std::byte> from, lookup_request to,
                                                    std::source_location where = std::source_location::current());
    /// Sends the first datagrams of `all`, at least one and 64 at most, and returns how many: send the others by
    /// another call. 0 only if `all` is empty. Datagrams in a row that have one receiver and one size (the last of them
    /// may be smaller) go through the system as one, if it can do that. Errors: of the first datagram; those of a later
    /// one are met by the next call. Cost: one system call for all.
    [[nodiscard]] detail::io_operation<send_many_op> send_many(std::span<const outgoing_datagram> all) noexcept;
    /// Without waiting. Errors: operation_would_block if there is no room.
    result<std::size_t> try_send_to(std::span<const std::byte> from, const socket_addr& to);
    result<std::size_t> try_send_many(std::span<const outgoing_datagram> all);
    /// In the form of a poll.
    poll_result<result<std::size_t>> poll_send_to(context& cx, std::span<const std::byte> from, const socket_addr& to);

    /// Receives what is there, as many as there are in `all` and 64 at most, and returns how many: at least one, since
    /// it waits for the first. 0 only if `all` is empty. To send them back:
    ///     const std::size_t count = co_await try_(socket.recv_many(all));  // each has its buffer, and keeps it
    ///     std::vector<net::outgoing_datagram> answers;
    ///     for (const auto& each : std::span(all).first(count)) answers.emplace_back(each.bytes(), each.from);
    ///     std::span<const net::outgoing_datagram> left(answers);
    ///     while (!left.empty()) left = left.subspan(co_await try_(socket.send_many(left)));
    /// Errors: of the first datagram; those of a later one are kept by the socket, and met by a later call.
    /// Cost: one system call for all.
    [[nodiscard]] detail::io_operation<recv_many_op> recv_many(std::span<incoming_datagram> all) noexcept;
    /// Without waiting. Errors: operation_would_block if none is there.
    result<std::size_t> try_recv_many(std::span<incoming_datagram> all);

    // ---- With the socket and the buffer handed over, and given back ----

    /// Sends the whole of `buffer` to `to`: `auto [sock, buf, sent] = co_await
    /// std::move(socket).send_dgram(std::move(b), to);` Errors: in `sent`, as of send_to(). Cancel safety: not safe.
    /// The socket and the buffer are destroyed.
    template <class B>
    [[nodiscard]] auto send_dgram(B buffer, const socket_addr& to) &&;
    /// Receives a datagram into `buffer`: `auto [sock, buf, n, from] = co_await
    /// std::move(socket).recv_dgram(std::move(b));` Errors: in `n`, as of recv_from(). Cancel safety: not safe. The
    /// socket and the buffer are destroyed.
    template <class B>
    [[nodiscard]] auto recv_dgram(B buffer) &&;
    // Only to say in a short error what to write.
    template <class... A>
    auto send_dgram(A&&...) & {
        return eddy::detail::refuse_lvalue<A...>();
    }
    template <class... A>
    auto recv_dgram(A&&...) & {
        return eddy::detail::refuse_lvalue<A...>();
    }

    // ---- The socket. Errors: what getsockopt(2) and setsockopt(2) report. ----

    [[nodiscard]] result<socket_addr> local_addr() const noexcept;
    /// Errors: not_connected.
    [[nodiscard]] result<socket_addr> peer_addr() const noexcept;

    /// Whether datagrams may be sent to broadcast addresses (SO_BROADCAST).
    [[nodiscard]] result<bool> broadcast() const noexcept;
    result<void> set_broadcast(bool on) const noexcept;
    /// The time-to-live of what is sent (IP_TTL; the hop limit on IPv6). Not that of multicast.
    [[nodiscard]] result<std::uint32_t> ttl() const noexcept;
    result<void> set_ttl(std::uint32_t hops) const noexcept;
    /// The type of service of what is sent (IP_TOS; the traffic class on IPv6).
    [[nodiscard]] result<std::uint32_t> tos() const noexcept;
    result<void> set_tos(std::uint32_t tos) const noexcept;
    /// As send_buffer_size().
    [[nodiscard]] result<std::uint32_t> recv_buffer_size() const noexcept;
    result<void> set_recv_buffer_size(std::uint32_t bytes) const noexcept;
    /// The interface that it is bound to, by its name, if it is bound to one (SO_BINDTODEVICE).
    [[nodiscard]] result<std::optional<std::string>> device() const;
    /// Nothing: to none any more. Errors: invalid_argument for a name that is too long; no_such_device;
    /// operation_not_permitted.
    result<void> bind_device(std::optional<std::string_view> interface) const noexcept;

    /// Whether what is sent to a group reaches receivers on this machine, too (IP_MULTICAST_LOOP). On by default.
    [[nodiscard]] result<bool> multicast_loop_v4() const noexcept;
    result<void> set_multicast_loop_v4(bool on) const noexcept;
    [[nodiscard]] result<bool> multicast_loop_v6() const noexcept;
    result<void> set_multicast_loop_v6(bool on) const noexcept;
    /// How far what is sent to a group goes (IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS): 1, the local network, by default.
    [[nodiscard]] result<std::uint32_t> multicast_ttl_v4() const noexcept;
    result<void> set_multicast_ttl_v4(std::uint32_t hops) const noexcept;
    [[nodiscard]] result<std::uint32_t> multicast_hops_v6() const noexcept;
    result<void> set_multicast_hops_v6(std::uint32_t hops) const noexcept;
    /// The interface by which what is sent to a group goes: by its address, or its number.
    [[nodiscard]] result<ipv4_addr> multicast_if_v4() const noexcept;
    result<void> set_multicast_if_v4(const ipv4_addr& interface) const noexcept;
    [[nodiscard]] result<std::uint32_t> multicast_if_v6() const noexcept;
    result<void> set_multicast_if_v6(std::uint32_t interface) const noexcept;
    /// From now on, receives what is sent to `group` on this interface; ipv4_addr::any() and 0 let the system choose
    /// one. Errors: address_in_use if it does already; invalid_argument if it is no group.
    result<void> join_multicast_v4(const ipv4_addr& group, const ipv4_addr& interface) const noexcept;
    result<void> join_multicast_v6(const ipv6_addr& group, std::uint32_t interface) const noexcept;
    /// No longer. Errors: address_not_available if it did not.
    result<void> leave_multicast_v4(const ipv4_addr& group, const ipv4_addr& interface) const noexcept;
    result<void> leave_multicast_v6(const ipv6_addr& group, std::uint32_t interface) const noexcept;

private:
    friend ip_binding<udp_socket>;
    using datagram_socket::datagram_socket;

    static result<udp_socket> bind_now(const socket_addr& at) noexcept;
    static task<result<void>> connect_to(detail::io_socket& socket, lookup_request to, std::source_location where);
    static task<result<std::size_t>> send_to_named(detail::io_socket& socket, std::span<const std::byte> from,
                                                   lookup_request to, std::source_location where);
    template <class B>
    static task<dgram_sent<B>> send_dgram_of(udp_socket socket, B buffer, socket_addr to);
    template <class B>
    static task<dgram_received<B>> recv_dgram_of(udp_socket socket, B buffer);
};

// ---- Implementation ----

class EDDY_API send_to_op {
public:
    using value_type = std::size_t;
    static constexpr detail::direction way = detail::direction::write;

    send_to_op(std::span<const std::byte> from, const socket_addr& to) noexcept : from_(from), to_(to) {}

    poll_result<result<std::size_t>> poll(detail::io_socket& socket, context& cx, const void* future);

private:
    std::span<const std::byte> from_;
    socket_addr to_;
};

class EDDY_API recv_many_op {
public:
    using value_type = std::size_t;
    static constexpr detail::direction way = detail::direction::read;

    explicit recv_many_op(std::span<incoming_datagram> all) noexcept : all_(all) {}

    poll_result<result<std::size_t>> poll(detail::io_socket& socket, context& cx, const void* future);

private:
    std::span<incoming_datagram> all_;
};

class EDDY_API send_many_op {
public:
    using value_type = std::size_t;
    static constexpr detail::direction way = detail::direction::write;

    explicit send_many_op(std::span<const outgoing_datagram> all) noexcept : all_(all) {}

    poll_result<result<std::size_t>> poll(detail::io_socket& socket, context& cx, const void* future);

private:
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
