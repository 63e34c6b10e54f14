// SPDX-License-Identifier: MIT
#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <span>
#include <type_traits>

#include <eddy/net/datagram.hpp>
#include <eddy/result.hpp>

#include "io/poll_call.hpp"
#include "net/unix_calls.hpp"
#include "sys/sockaddr.hpp"
#include "sys/syscall.hpp"

// Receiving with the sender's address, in all its forms.

namespace eddy::net {

template <class Addr>
[[nodiscard]] result<Addr> sender_of(const sys::native_addr& native) noexcept {
    if constexpr (std::is_same_v<Addr, unix_addr>) {
        return unix_sender(native);
    } else {
        return sys::from_native(native.get(), native.size);
    }
}

template <class Addr>
result<basic_recv_info<Addr>> recv_from(int fd, std::span<std::byte> into, takes_it takes) noexcept {
    sys::native_addr native;
    const auto got = sys::recv_from(fd, into, native, takes == takes_it::yes ? 0 : MSG_PEEK);
    if (!got) return std::unexpected(got.error());
    const auto from = sender_of<Addr>(native);
    if (!from) return std::unexpected(from.error());
    return basic_recv_info<Addr>(got->size, *from, got->is_truncated);
}

template <class Addr>
poll_result<result<basic_recv_info<Addr>>> poll_recv_from(detail::io_socket& socket, context& cx, const void* future,
                                                          std::span<std::byte> into, takes_it takes) {
    return socket.poll_call(
        detail::direction::read, cx, future, [&] { return recv_from<Addr>(socket.fd(), into, takes); },
        detail::never_drained);
}

template <class Addr>
result<basic_recv_info<Addr>> try_recv_from(detail::io_socket& socket, std::span<std::byte> into, takes_it takes) {
    return socket.try_call(detail::direction::read, [&] { return recv_from<Addr>(socket.fd(), into, takes); });
}

inline result<std::size_t> try_peek(detail::io_socket& socket, std::span<std::byte> into) {
    return socket.try_call(detail::direction::read,
                           [&] { return sys::recv(socket.fd(), into.data(), into.size(), MSG_PEEK); });
}

}  // namespace eddy::net
