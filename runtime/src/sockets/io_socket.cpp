// SPDX-License-Identifier: MIT
#include "sockets/io_socket.hpp"

#include <utility>

#include <eddy/future/detail/operation_guard.hpp>

#include "io/buffer_pool.hpp"
#include "reactor/io_handle.hpp"
#include "reactor/source/scheduled_io.hpp"
#include "sockets/socket_transport.hpp"
#include "sys/iovec_list.hpp"
#include "sys/syscall.hpp"

namespace eddy::detail {

// ---- Transfers ----

/// Polls `call` with the transport of the socket. `room` is the number of bytes that the transfer can move: fewer mean
/// that the next call would block. 0 if the number says nothing. Inlined, as poll_call() is: a system call empties the
/// processor's stack of return addresses, so that each return after it is predicted wrongly.
template <class Call>
[[gnu::always_inline]] inline auto io_socket::poll_transfer(direction way, context& cx, const wait_record* future,
                                                            std::size_t room, const Call& call) {
    register_first(cx);
    return poll_call(
        way, cx, future, [&] { return call(transport()); },
        [&](const auto& answer, io::ready seen) {
            return moved_by(answer) < room && transport().has_drained(*this, way, seen);
        });
}

/// Makes the call once, with the transport of the socket.
template <class Call>
auto io_socket::try_transfer(direction way, const Call& call) {
    return try_call(way, [&] { return call(transport()); });
}

poll_result<result<std::size_t>> io_socket::poll_read(context& cx, const wait_record* future,
                                                      std::span<std::byte> into) {
    return poll_transfer(direction::read, cx, future, into.size(),
                         [&](const auto& by) { return by.read(*this, into); });
}

poll_result<result<std::size_t>> io_socket::poll_read_vectored(context& cx, const wait_record* future,
                                                               std::span<const std::span<std::byte>> into) {
    const iovec_list list(into);
    if (list.total() == 0) return ok(std::size_t{0});
    return poll_transfer(direction::read, cx, future, list.total(),
                         [&](const auto& by) { return by.read_vectored(*this, list); });
}

poll_result<result<io::leased_buffer>> io_socket::poll_receive(context& cx, const wait_record* future) {
    return poll_transfer(direction::read, cx, future, buffer_pool::buffer_size,
                         [&](const auto& by) { return by.receive(*this); });
}

poll_result<result<std::size_t>> io_socket::poll_peek(context& cx, const wait_record* future,
                                                      std::span<std::byte> into) {
    return poll_transfer(direction::read, cx, future, 0, [&](const auto& by) { return by.peek(*this, into); });
}

poll_result<result<std::size_t>> io_socket::poll_write(context& cx, const wait_record* future,
                                                       std::span<const std::byte> from) {
    return poll_transfer(direction::write, cx, future, from.size(),
                         [&](const auto& by) { return by.write(*this, from); });
}

poll_result<result<std::size_t>> io_socket::poll_write_leased(context& cx, const wait_record* future,
                                                              io::leased_buffer& lease,
                                                              std::span<const std::byte> from) {
    return poll_transfer(direction::write, cx, future, from.size(),
                         [&](const auto& by) { return by.write_leased(*this, lease, from); });
}

poll_result<result<std::size_t>> io_socket::poll_write_vectored(context& cx, const wait_record* future,
                                                                std::span<const std::span<const std::byte>> from) {
    const iovec_list list(from);
    if (list.total() == 0) return ok(std::size_t{0});
    return poll_transfer(direction::write, cx, future, list.total(),
                         [&](const auto& by) { return by.write_vectored(*this, list, from); });
}

poll_result<result<std::pair<int, net::socket_addr>>> io_socket::poll_accept(context& cx, const wait_record* future) {
    return poll_transfer(direction::read, cx, future, 0, [&](const auto& by) { return by.accept(*this); });
}

result<std::size_t> io_socket::try_read(std::span<std::byte> into) {
    return try_transfer(direction::read, [&](const auto& by) { return by.read(*this, into); });
}

result<std::size_t> io_socket::try_read_vectored(std::span<const std::span<std::byte>> into) {
    const iovec_list list(into);
    if (list.total() == 0) return std::size_t{0};
    return try_transfer(direction::read, [&](const auto& by) { return by.read_vectored(*this, list); });
}

result<std::size_t> io_socket::try_write(std::span<const std::byte> from) {
    return try_transfer(direction::write, [&](const auto& by) { return by.write(*this, from); });
}

result<std::size_t> io_socket::try_write_vectored(std::span<const std::span<const std::byte>> from) {
    const iovec_list list(from);
    if (list.total() == 0) return std::size_t{0};
    return try_transfer(direction::write, [&](const auto& by) { return by.write_vectored(*this, list, from); });
}

bool io_socket::uses_system_calls(const context& cx) {
    register_first(cx);
    return &transport() == &by_system_calls;
}

// ---- Waiting ----

namespace {

result<void> done_or_would_block(const result<bool>& is_done) noexcept {
    if (!is_done) return std::unexpected(is_done.error());
    if (!*is_done) return std::unexpected(std::make_error_code(std::errc::operation_would_block));
    return ok();
}

/// Makes a call that usually succeeds immediately, and waits only if the call would block. So the call can succeed even
/// after the event loop has ended.
template <class Call>
poll_result<result<void>> poll_or_wait(io_socket& socket, direction way, context& cx, const wait_record* future,
                                       const Call& call) {
    if (auto done = call(); done || !would_block(done.error())) return done;
    return socket.poll_call(way, cx, future, call, never_drained);
}

}  // namespace

result<void> io_socket::prepare_call(io::interest wanted) const { return transport().prepare_call(*this, wanted); }

io::ready_event io_socket::look(io::interest wanted) const noexcept {
    return source_->look(io::ready::mask_of(wanted));
}

result<void> io_socket::forget(const io::ready_event& seen) const {
    if (kind_ == descriptor_kind::datagram && seen.ready.is_writable()) {
        const auto watched = io_->watch_more(*source_, io::interest::writable);
        if (!watched) return std::unexpected(watched.error());
    }
    source_->clear_blocked(seen);
    return ok();
}

void io_socket::own(direction way, const waker& mine, const wait_record* future) const noexcept {
    if (is_registered()) source_->own_slot(way, mine, future);
}

template <direction Way>
void socket_hold<Way>::end_poll(bool is_ready, const context& cx) noexcept {
    if (is_ready) {
        of_ = nullptr;
        return;
    }
    record_.wait(cx);
    of_->own(Way, cx.waker(), &record_);
}

template <direction Way>
void socket_hold<Way>::leave() noexcept {
    if (of_ != nullptr) std::exchange(of_, nullptr)->leave(Way, &record_);
}

template class socket_hold<direction::read>;
template class socket_hold<direction::write>;

void io_socket::leave(direction way, const wait_record* future) const noexcept {
    if (is_registered()) source_->leave_slot(way, future);
}

result<void> io_socket::watch_writing() const {
    // Load the readiness before watching, so that clear_blocked() does not clear the readiness of a later event.
    const auto seen = source_->look(io::ready::writable);
    const auto is_new = io_->watch_more(*source_, io::interest::writable);
    if (!is_new) return std::unexpected(is_new.error());
    if (*is_new) source_->clear_blocked(seen);
    return ok();
}

poll_result<result<void>> io_socket::poll_flush_registered(context& cx, const wait_record* future) {
    return poll_or_wait(*this, direction::write, cx, future,
                        [&] { return done_or_would_block(transport().flush(*this)); });
}

poll_result<result<void>> io_socket::poll_sent(context& cx, const wait_record* future) {
    if (!is_registered()) return ok();
    return poll_or_wait(*this, direction::write, cx, future,
                        [&] { return done_or_would_block(transport().finish_sending(*this)); });
}

poll_result<result<void>> io_socket::poll_shutdown(context& cx, const wait_record* future) {
    const auto flushed = poll_flush(cx, future);
    if (!flushed) return not_ready;
    if (!*flushed) return result<void>(std::unexpect, flushed->error());
    check_not_empty(cx.where());
    if (kind_ == descriptor_kind::pipe) return end_pipe();
    register_first(cx);
    if (is_registered()) static_cast<void>(transport().end_writing(*this));  // so that no later write uses the ring
    return shut_down_now();
}

result<void> io_socket::shut_down_now() const noexcept {
    if (kind_ == descriptor_kind::terminal) return ok();
    auto done = sys::shutdown(fd_, sys::half::sending);
    if (!done && done.error() == std::errc::not_connected) return ok();  // the peer has closed first
    return done;
}

void io_socket::shut_down_soon() noexcept {
    if (is_registered() && !transport().end_writing(*this)) return;
    static_cast<void>(shut_down_now());  // fails only if there is nothing to shut down
}

poll_result<result<void>> io_socket::poll_stopped(context& cx, const wait_record* future) {
    check_not_empty(cx.where());
    if (!is_registered()) return ok();
    return poll_or_wait(*this, direction::read, cx, future,
                        [&] { return done_or_would_block(transport().stop_receiving(*this)); });
}

std::vector<std::byte> io_socket::take_received() { return transport().take_received(*this); }
std::vector<int> io_socket::take_connections() { return transport().take_connections(*this); }
std::error_code io_socket::take_connection_error() noexcept { return transport().take_error(*this); }

result<void> io_socket::ensure_ready_for(const context& cx, io::interest wanted) {
    if (auto registered = ensure_registered(cx); !registered) return registered;
    return transport().prepare_wait(*this, wanted);
}

poll_result<result<io::ready>> io_socket::poll_ready(direction way, context& cx) {
    using answer_type = result<io::ready>;
    if (!cx.consume_budget()) return not_ready;
    const auto wanted = way == direction::read ? io::interest::readable : io::interest::writable;
    if (auto registered = ensure_ready_for(cx, wanted); !registered) {
        return answer_type(std::unexpect, registered.error());
    }
    const auto seen = source_->poll_ready(way, cx, nullptr);
    if (!seen) {
        io_->check_may_wait(cx);
        cx.refund_budget();
        return not_ready;
    }
    if (seen->is_shutdown) return answer_type(std::unexpect, make_error_code(errc::runtime_shutdown));
    return answer_type(seen->ready);
}

poll_result<result<void>> io_socket::poll_connected(context& cx, const wait_record* future) {
    if (auto registered = ensure_registered(cx); !registered) return registered;
    if (auto watched = watch_writing(); !watched) return watched;
    const auto finish = [&]() -> result<void> {
        const auto error = sys::take_error(fd_);
        if (!error) return std::unexpected(error.error());
        if (*error) return std::unexpected(**error);
        // A writable socket without an error is not enough: the event may be older than the connect(2). A peer address
        // proves that the socket is connected.
        const auto peer = sys::peer_addr(fd_);
        if (peer) return ok();
        if (peer.error() != std::errc::not_connected) return std::unexpected(peer.error());
        // On Windows, a connection that was reset at once may have neither a peer nor an error. Only its event tells.
        if (source_->look(io::ready::error).ready.is_error()) {
            return std::unexpected(std::make_error_code(std::errc::connection_reset));
        }
        return std::unexpected(std::make_error_code(std::errc::operation_would_block));
    };
    return poll_call(direction::write, cx, future, finish, never_drained);
}

}  // namespace eddy::detail
