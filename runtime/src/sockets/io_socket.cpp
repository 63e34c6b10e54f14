// SPDX-License-Identifier: MIT
#include <eddy/detail/io_socket.hpp>

#include <string>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/await_record.hpp>

#include "io/buffer_pool.hpp"
#include "reactor/current_io.hpp"
#include "reactor/io_handle.hpp"
#include "sockets/poll_call.hpp"
#include "sockets/socket_transport.hpp"
#include "sys/iovec_list.hpp"
#include "sys/syscall.hpp"

namespace eddy::detail {
namespace {

/// Returns the transport of a socket that is, or would be, registered with `io`.
const socket_transport& transport_of(const io_handle& io, descriptor_kind kind) noexcept {
    const bool is_tcp = kind == descriptor_kind::tcp || kind == descriptor_kind::listener;
    return is_tcp && io.ring() != nullptr ? by_ring : by_system_calls;
}

/// Ends the process: a socket was destroyed or moved while an operation, which was awaited at `polled_at`, waits.
[[noreturn, gnu::cold]] void end_borrowed(const std::source_location& polled_at) noexcept {
    std::string text =
        "a socket was destroyed or moved while one of its operations waits: end the operation first, by an abort of "
        "its task and a wait for the task, or drop its future; or move the socket into the task";
    if (*polled_at.file_name() != '\0') text += ". The operation was awaited";
    fatal_misuse(text, polled_at);
}

}  // namespace

void io_socket::check_not_borrowed() const noexcept {
    // SAFETY: a future removes itself from its waker slot before it is destroyed, so the record exists.
    if (const wait_record* const waits = source_->owner()) end_borrowed(source_location_of(waits->polled_at()));
    // The futures of eddy::io leave no wait_record, because they use the public poll functions.
    check_not_awaited(socket_part_of<direction::read>(*this), "a socket, or a stream that contains one,");
    check_not_awaited(socket_part_of<direction::write>(*this), "a socket, or a stream that contains one,");
}

const char* io_socket::name_of_kind() const noexcept {
    switch (kind_) {
    case descriptor_kind::pipe: return "pipe";
    case descriptor_kind::terminal: return "terminal";
    default: return "socket";
    }
}

void io_socket::throw_empty(const std::source_location& where) const {
    const std::string kind = name_of_kind();
    throw misuse("an operation on a " + kind + " that was moved from or destroyed: use the " + kind +
                     " that it was moved into, keep it until the objects that refer to it (its halves, a framed) are "
                     "gone, or make another one",
                 where);
}

void io_socket::close() noexcept {
    if (source_ == nullptr) return sys::close(release());
    check_not_borrowed();
    transport().close(*io_, *std::exchange(source_, nullptr));
    fd_ = -1;
    static_cast<void>(release());
}

void io_socket::bind_to(const reactor_handle& owner) noexcept {
    io_ = reactor_access::get(owner);
    io_->retain();
    // relaxed: the socket was just created, and no other thread has it.
    state_.store(state::bound, std::memory_order_relaxed);
}

const socket_transport& io_socket::transport() const noexcept {
    return is_registered() ? transport_of(*io_, kind_) : by_system_calls;
}

void io_socket::register_first(const context& cx) {
    if (is_registered()) return;
    // relaxed: `bound` was stored by this thread, or before this thread got the socket.
    const io_handle* const io = state_.load(std::memory_order_relaxed) == state::bound ? io_ : io_here();
    if (io != nullptr && transport_of(*io, kind_).registers_first()) static_cast<void>(ensure_registered(cx));
}

bool io_socket::uses_system_calls(const context& cx) {
    register_first(cx);
    return &transport() == &by_system_calls;
}

int io_socket::release() noexcept {
    if (source_ != nullptr) static_cast<void>(io_->remove_source(*std::exchange(source_, nullptr)));
    if (io_ != nullptr) std::exchange(io_, nullptr)->release();
    state_.store(state::unregistered, std::memory_order_relaxed);  // relaxed: no other thread uses it anymore
    return std::exchange(fd_, -1);
}

result<void> io_socket::ensure_registered(const context& cx) {
    io_handle* here = nullptr;
    // acquire, here and below: pairs with the release at the end, executed by the thread of the other direction.
    state before = state_.load(std::memory_order_acquire);
    for (;;) {
        if (before == state::registered) return ok();
        if (before == state::registering) {
            yield_thread();  // the other thread makes one system call
            before = state_.load(std::memory_order_acquire);
            continue;
        }
        if (before == state::unregistered && here == nullptr) {
            check_not_empty(cx.where());
            const auto current = current_io(cx.where());
            if (!current) return std::unexpected(current.error());
            here = *current;
        }
        // acquire: see above. No release: the state only announces that this thread registers; it publishes nothing
        // yet.
        if (state_.compare_exchange_weak(before, state::registering, std::memory_order_acquire)) break;
    }
    io_handle& io = before == state::bound ? *io_ : *here;
    const auto source = transport_of(io, kind_).add(io, fd_, kind_);
    if (source) {
        source_ = *source;
        if (before == state::unregistered) {
            io.retain();
            io_ = &io;
        }
    }
    // release: pairs with the acquire above and in is_registered().
    state_.store(source ? state::registered : before, std::memory_order_release);
    if (!source) return std::unexpected(source.error());
    return ok();
}

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
    register_first(cx);
    if (is_registered()) static_cast<void>(transport().end_writing(*this));  // so that no later write uses the ring
    return shut_down_now();
}

result<void> io_socket::shut_down_now() const noexcept {
    if (kind_ == descriptor_kind::pipe || kind_ == descriptor_kind::terminal) return ok();
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
