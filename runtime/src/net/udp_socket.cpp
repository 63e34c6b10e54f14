// SPDX-License-Identifier: MIT
#include <eddy/net/udp_socket.hpp>

#include <array>

#include "net/adopt.hpp"
#include "net/failed.hpp"
#include "net/resolver.hpp"
#include "net/socket_options.hpp"
#include "sockets/io_socket.hpp"
#include "sys/bound_device.hpp"
#include "sys/multicast.hpp"
#include "sys/socket_option.hpp"
#include "sys/syscall.hpp"
#include "sys/udp_batch.hpp"

namespace eddy::detail {

poll_result<result<std::size_t>> poll_send_to(io_socket& socket, context& cx, const wait_record* future,
                                              std::span<const std::byte> from, const net::socket_addr& to) {
    return socket.poll_call(
        direction::write, cx, future, [&] { return sys::send_to(socket.fd(), from, sys::to_native(to)); },
        never_drained);
}

}  // namespace eddy::detail

namespace eddy::net {
namespace {

using detail::direction;
using detail::never_drained;

}  // namespace

// ---- Creation ----

result<udp_socket> udp_socket::bind_now(const socket_addr& at) noexcept {
    auto fd = sys::udp_socket(sys::version_of(at));
    if (!fd) return std::unexpected(fd.error());
    if (auto bound = sys::bind(fd->get(), at); !bound) return std::unexpected(bound.error());
    return udp_socket(fd->release());
}

result<udp_socket> udp_socket::from_native(int fd) noexcept {
    auto owned = adopt_socket(fd, sys::socket_kind::udp);
    if (!owned) return std::unexpected(owned.error());
    return udp_socket(owned->release());
}

// ---- Connecting ----

task<any_result<void>> udp_socket::connect_to(detail::io_socket& socket, lookup_request to,
                                              std::source_location where) {
    socket.check_not_empty(where);
    std::optional<lookup_request> found;
    if (to.is_name()) {
        auto answer = co_await resolve_here(to, where);
        if (!answer) co_return failed("connect to", to, any_error(answer.error()).context("look up the name"));
        found = *std::move(answer);
    }
    const auto addrs = (found ? *found : to).addrs();
    if (!addrs) co_return failed("connect to", to, addrs.error());
    const auto connected = first_of(*addrs, [&socket](const socket_addr& addr) -> result<void> {
        if (const std::error_code error = sys::connect(socket.fd(), addr)) return std::unexpected(error);
        return ok();
    });
    if (!connected)
        co_return failed("connect to", to, failed_attempt(to, addrs->size(), addrs->back(), connected.error()));
    co_return {};
}

task<any_result<void>> udp_socket::connect(lookup_request to, std::source_location where) {
    return connect_to(socket_, std::move(to), where);
}

task<any_result<void>> udp_socket::connect(std::string_view host, std::uint16_t port, std::source_location where) {
    return connect_to(socket_, lookup_request(host, port), where);
}

task<any_result<void>> udp_socket::connect(const ip_addr& host, std::uint16_t port, std::source_location where) {
    return connect_to(socket_, lookup_request(host, port), where);
}

// ---- Sending ----

send_to_future udp_socket::send_to(io::const_buffer from, const socket_addr& to) noexcept {
    return send_to_future(socket_, from, to);
}

poll_result<result<std::size_t>> send_to_future::poll_socket(detail::io_socket& socket, context& cx,
                                                             const detail::wait_record* future) {
    return detail::poll_send_to(socket, cx, future, from_, to_);
}

task<result<std::size_t>> udp_socket::send_to(io::const_buffer from, lookup_request to, std::source_location where) {
    return send_to_named(socket_, from, std::move(to), where);
}

task<result<std::size_t>> udp_socket::send_to_named(detail::io_socket& socket, std::span<const std::byte> from,
                                                    lookup_request to, std::source_location where) {
    if (to.is_name()) {
        auto found = co_await try_(resolve_here(std::move(to), where));
        to = std::move(found);
    }
    const auto addrs = co_await try_(to.addrs());
    co_return co_await send_to_future(socket, from, addrs.front());
}

send_many_future udp_socket::send_many(std::span<const outgoing_datagram> all) noexcept {
    return send_many_future(socket_, all);
}

poll_result<result<std::size_t>> send_many_future::poll_socket(detail::io_socket& socket, context& cx,
                                                               const detail::wait_record* future) {
    if (all_.empty()) return ok(std::size_t{0});
    return socket.poll_call(
        direction::write, cx, future, [&] { return sys::send_batch(socket.fd(), all_); }, never_drained);
}

result<std::size_t> udp_socket::try_send_to(io::const_buffer from, const socket_addr& to) {
    return socket_.try_call(direction::write, [&] { return sys::send_to(socket_.fd(), from, sys::to_native(to)); });
}

result<std::size_t> udp_socket::try_send_many(std::span<const outgoing_datagram> all) {
    if (all.empty()) return std::size_t{0};
    return socket_.try_call(direction::write, [&] { return sys::send_batch(socket_.fd(), all); });
}

poll_result<result<std::size_t>> udp_socket::poll_send_to(context& cx, std::span<const std::byte> from,
                                                          const socket_addr& to) {
    return detail::poll_send_to(socket_, cx, nullptr, from, to);
}

// ---- Receiving ----

recv_many_future udp_socket::recv_many(std::span<incoming_datagram> all) noexcept {
    return recv_many_future(socket_, all);
}

poll_result<result<std::size_t>> recv_many_future::poll_socket(detail::io_socket& socket, context& cx,
                                                               const detail::wait_record* future) {
    if (all_.empty()) return ok(std::size_t{0});
    // A drained socket saves the call that would only report EAGAIN.
    bool is_drained = false;
    const auto drained = [&is_drained](const auto&, io::ready seen) {
        return is_drained && !detail::may_cut_short(seen);
    };
    return socket.poll_call(
        direction::read, cx, future, [&] { return sys::recv_batch(socket.fd(), all_, is_drained); }, drained);
}

result<std::size_t> udp_socket::try_recv_many(std::span<incoming_datagram> all) {
    if (all.empty()) return std::size_t{0};
    bool is_drained = false;
    return socket_.try_call(direction::read, [&] { return sys::recv_batch(socket_.fd(), all, is_drained); });
}

// ---- The socket ----

result<socket_addr> udp_socket::local_addr() const { return sys::local_addr(socket_.open_fd()); }
result<socket_addr> udp_socket::peer_addr() const { return sys::peer_addr(socket_.open_fd()); }

result<bool> udp_socket::broadcast() const { return sys::get_flag(socket_.open_fd(), sys::option::broadcast); }
result<void> udp_socket::set_broadcast(bool on) const {
    return sys::set_flag(socket_.open_fd(), sys::option::broadcast, on);
}
result<std::uint32_t> udp_socket::ttl() const { return get_ttl(socket_.open_fd()); }
result<void> udp_socket::set_ttl(std::uint32_t hops) const { return net::set_ttl(socket_.open_fd(), hops); }
result<std::uint32_t> udp_socket::tos() const { return get_tos(socket_.open_fd()); }
result<void> udp_socket::set_tos(std::uint32_t tos) const { return net::set_tos(socket_.open_fd(), tos); }
result<std::uint32_t> udp_socket::recv_buffer_size() const {
    return sys::get_number(socket_.open_fd(), sys::option::recv_buffer_size);
}
result<void> udp_socket::set_recv_buffer_size(std::uint32_t bytes) const {
    return sys::set_number(socket_.open_fd(), sys::option::recv_buffer_size, bytes);
}

result<std::optional<std::string>> udp_socket::device() const { return sys::bound_device(socket_.open_fd()); }
result<void> udp_socket::bind_device(std::optional<std::string_view> interface) const {
    return sys::bind_device(socket_.open_fd(), interface);
}

// ---- Multicast ----

result<bool> udp_socket::multicast_loop_v4() const {
    return sys::get_flag(socket_.open_fd(), sys::option::multicast_loop_v4);
}
result<void> udp_socket::set_multicast_loop_v4(bool on) const {
    return sys::set_flag(socket_.open_fd(), sys::option::multicast_loop_v4, on);
}
result<bool> udp_socket::multicast_loop_v6() const {
    return sys::get_flag(socket_.open_fd(), sys::option::multicast_loop_v6);
}
result<void> udp_socket::set_multicast_loop_v6(bool on) const {
    return sys::set_flag(socket_.open_fd(), sys::option::multicast_loop_v6, on);
}
result<std::uint32_t> udp_socket::multicast_ttl_v4() const {
    return sys::get_number(socket_.open_fd(), sys::option::multicast_hops_v4);
}
result<void> udp_socket::set_multicast_ttl_v4(std::uint32_t hops) const {
    return sys::set_number(socket_.open_fd(), sys::option::multicast_hops_v4, hops);
}
result<std::uint32_t> udp_socket::multicast_hops_v6() const {
    return sys::get_number(socket_.open_fd(), sys::option::multicast_hops_v6);
}
result<void> udp_socket::set_multicast_hops_v6(std::uint32_t hops) const {
    return sys::set_number(socket_.open_fd(), sys::option::multicast_hops_v6, hops);
}

result<ipv4_addr> udp_socket::multicast_if_v4() const { return sys::multicast_interface(socket_.open_fd()); }
result<void> udp_socket::set_multicast_if_v4(const ipv4_addr& interface) const {
    return sys::set_multicast_interface(socket_.open_fd(), interface);
}
result<std::uint32_t> udp_socket::multicast_if_v6() const {
    return sys::get_number(socket_.open_fd(), sys::option::multicast_interface_v6);
}
result<void> udp_socket::set_multicast_if_v6(std::uint32_t interface) const {
    return sys::set_number(socket_.open_fd(), sys::option::multicast_interface_v6, interface);
}

result<void> udp_socket::join_multicast_v4(const ipv4_addr& group, const ipv4_addr& interface) const {
    return sys::join_multicast(socket_.open_fd(), group, interface);
}
result<void> udp_socket::join_multicast_v6(const ipv6_addr& group, std::uint32_t interface) const {
    return sys::join_multicast(socket_.open_fd(), group, interface);
}
result<void> udp_socket::leave_multicast_v4(const ipv4_addr& group, const ipv4_addr& interface) const {
    return sys::leave_multicast(socket_.open_fd(), group, interface);
}
result<void> udp_socket::leave_multicast_v6(const ipv6_addr& group, std::uint32_t interface) const {
    return sys::leave_multicast(socket_.open_fd(), group, interface);
}

}  // namespace eddy::net
