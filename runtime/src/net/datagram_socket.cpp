// SPDX-License-Identifier: MIT
#include <eddy/net/datagram_socket.hpp>

#include <type_traits>

#include <eddy/net/socket_addr.hpp>
#include <eddy/net/unix_addr.hpp>

#include "net/unix_calls.hpp"
#include "sockets/io_socket.hpp"
#include "sys/sockaddr.hpp"
#include "sys/socket_option.hpp"
#include "sys/syscall.hpp"

namespace eddy::detail {
namespace {

result<std::size_t> datagram_size(const io_socket& socket) noexcept { return sys::datagram_size(socket.fd()); }

}  // namespace

poll_result<result<std::size_t>> poll_datagram_size(io_socket& socket, context& cx, const wait_record* future) {
    return socket.poll_call(direction::read, cx, future, [&] { return datagram_size(socket); }, never_drained);
}

result<std::size_t> try_datagram_size(io_socket& socket) {
    return socket.try_call(direction::read, [&] { return datagram_size(socket); });
}

}  // namespace eddy::detail

namespace eddy::net {
namespace {

using detail::direction;
using detail::takes_datagram;

template <class Addr>
result<Addr> sender_of(const sys::native_addr& native) noexcept {
    if constexpr (std::is_same_v<Addr, unix_addr>) {
        return unix_sender(native);
    } else {
        return sys::from_native(native.get(), native.size);
    }
}

template <class Addr>
result<basic_recv_info<Addr>> recv_from_now(int fd, std::span<std::byte> into, takes_datagram takes) noexcept {
    sys::native_addr native;
    const auto got = takes == takes_datagram::yes ? sys::recv_from(fd, into, native) : sys::peek_from(fd, into, native);
    if (!got) return std::unexpected(got.error());
    const auto from = sender_of<Addr>(native);
    if (!from) return std::unexpected(from.error());
    return basic_recv_info<Addr>(got->size, *from, got->is_truncated);
}

}  // namespace
}  // namespace eddy::net

namespace eddy::detail {

template <class Addr>
poll_result<result<net::basic_recv_info<Addr>>> poll_recv_from(io_socket& socket, context& cx,
                                                               const wait_record* future, std::span<std::byte> into,
                                                               takes_datagram takes) {
    return socket.poll_call(
        direction::read, cx, future, [&] { return net::recv_from_now<Addr>(socket.fd(), into, takes); }, never_drained);
}
template poll_result<result<net::basic_recv_info<net::socket_addr>>> poll_recv_from<net::socket_addr>(
    io_socket&, context&, const wait_record*, std::span<std::byte>, takes_datagram);
template poll_result<result<net::basic_recv_info<net::unix_addr>>> poll_recv_from<net::unix_addr>(io_socket&, context&,
                                                                                                  const wait_record*,
                                                                                                  std::span<std::byte>,
                                                                                                  takes_datagram);

}  // namespace eddy::detail

namespace eddy::net {

template <class Addr>
auto datagram_socket<Addr>::try_recv_from(io::mutable_buffer into) -> result<recv_info_type> {
    return socket_.try_call(direction::read,
                            [&] { return recv_from_now<Addr>(socket_.fd(), into.bytes(), takes_datagram::yes); });
}

template <class Addr>
result<std::size_t> datagram_socket<Addr>::try_peek(io::mutable_buffer into) {
    return socket_.try_call(direction::read, [&] { return sys::peek(socket_.fd(), into.bytes()); });
}

template <class Addr>
auto datagram_socket<Addr>::try_peek_from(io::mutable_buffer into) -> result<recv_info_type> {
    return socket_.try_call(direction::read,
                            [&] { return recv_from_now<Addr>(socket_.fd(), into.bytes(), takes_datagram::no); });
}

template <class Addr>
result<std::optional<std::error_code>> datagram_socket<Addr>::take_error() const {
    return sys::take_error(socket_.open_fd());
}

template <class Addr>
result<std::uint32_t> datagram_socket<Addr>::send_buffer_size() const {
    return sys::get_number(socket_.open_fd(), sys::option::send_buffer_size);
}

template <class Addr>
result<void> datagram_socket<Addr>::set_send_buffer_size(std::uint32_t bytes) const {
    return sys::set_number(socket_.open_fd(), sys::option::send_buffer_size, bytes);
}

template class datagram_socket<socket_addr>;
template class datagram_socket<unix_addr>;

}  // namespace eddy::net
