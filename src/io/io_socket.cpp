// SPDX-License-Identifier: MIT
#include <eddy/detail/io_socket.hpp>

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>

#include <eddy/detail/yield_thread.hpp>

#include "io/current_io.hpp"
#include "io/io_handle.hpp"
#include "sys/syscall.hpp"

namespace eddy::detail {
namespace {

// PRI is asked for since an urgent byte cuts a read short without a further edge: see note_short_read().
constexpr io::interest everything = io::interest::readable | io::interest::writable | io::interest::priority;

bool would_block(const std::error_code& error) noexcept {
    return error.value() == EAGAIN && error.category() == std::generic_category();
}

/// Errors of accept(2) that concern one connection, which is gone, and not the listener; see its manual page.
bool is_transient(const std::error_code& error) noexcept {
    switch (error.value()) {
    case ECONNABORTED:
    case EPROTO:
    case EPERM:  // a firewall's answer
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH: return true;
    default: return false;
    }
}

/// Errors of accept(2) for want of a descriptor or of memory.
bool is_exhausted(const std::error_code& error) noexcept {
    switch (error.value()) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM: return true;
    default: return false;
    }
}

/// Whether a connection waits to be accepted, or an error.
bool has_connection(int fd) noexcept {
    pollfd listener{fd, POLLIN, 0};
    return sys::retry_interrupted([&] { return ::poll(&listener, 1, 0); }) != 0;
}

constexpr io::ready mask_of(direction way) noexcept {
    return io::ready::mask_of(way == direction::read ? io::interest::readable : io::interest::writable);
}

/// What a vectored call is given at once: more buffers are left for the next.
class iovec_list {
public:
    template <class Byte>
    explicit iovec_list(std::span<const std::span<Byte>> buffers) noexcept {
        for (const auto& buffer : buffers) {
            if (buffer.empty()) continue;
            if (count_ == list_.size()) break;
            // SAFETY: sendmsg(2) only reads through the pointer that loses its const here.
            list_[count_++] = {const_cast<std::byte*>(buffer.data()), buffer.size()};
            total_ += buffer.size();
        }
    }
    [[nodiscard]] std::span<const iovec> get() const noexcept { return std::span(list_).first(count_); }
    [[nodiscard]] std::size_t total() const noexcept { return total_; }

private:
    std::array<iovec, 64> list_;
    std::size_t count_ = 0;
    std::size_t total_ = 0;
};

/// A short read on a TCP socket means that it is drained, which saves the read that would only say so: unless the event
/// told of a hang-up, an error or urgent data. Those cut a read short, too, and give no further edge.
auto short_read(std::size_t room) noexcept {
    return [room](const result<std::size_t>& count, io::ready seen) {
        return *count < room && (seen - (io::ready::readable | io::ready::writable)).is_empty();
    };
}

/// A short write means that the buffer is full.
auto short_write(std::size_t size) noexcept {
    return [size](const result<std::size_t>& count, io::ready) { return *count < size; };
}

/// How many bytes an operation has moved.
template <class T>
std::size_t moved_by(const result<T>&) noexcept {
    return 0;
}
std::size_t moved_by(const result<std::size_t>& count) noexcept { return count.value_or(0); }
std::size_t moved_by(const result<io::leased_buffer>& lease) noexcept { return lease ? lease->size() : 0; }

/// A large transfer takes as long as many small ones, and is charged as they would be: else a flood of 32 KiB reads would
/// copy hundreds of megabytes before the loop looks at its timers again.
void charge(context& cx, std::size_t bytes) noexcept {
    constexpr std::size_t bytes_per_unit = 4096;
    const auto units = std::min<std::size_t>(bytes / bytes_per_unit, cx.budget());
    cx.restore_budget(cx.budget() - static_cast<std::uint32_t>(units));
}

constexpr auto never_drained = [](const auto&, io::ready) { return false; };

}  // namespace

void io_socket::check_not_borrowed(const scheduled_io& source) noexcept {
    if (source.has_owner()) {
        fatal_misuse(
            "a socket was destroyed or moved while one of its operations waits: let it end, or drop it, before");
    }
}

void io_socket::close() noexcept {
    if (source_ != nullptr) check_not_borrowed(*source_);
    // Taken out of the driver before the close: a duplicate elsewhere would keep it reporting.
    ::close(release());
}

void io_socket::bind_to(const reactor_handle& home) noexcept {
    io_ = reactor_access::get(home);
    io_->retain();
    state_.store(state::bound, std::memory_order_relaxed);  // relaxed: it has just been made, and nobody else has it
}

int io_socket::release() noexcept {
    if (source_ != nullptr) static_cast<void>(io_->remove_source(*std::exchange(source_, nullptr), fd_));
    if (io_ != nullptr) std::exchange(io_, nullptr)->release();
    state_.store(state::unregistered, std::memory_order_relaxed);  // relaxed: nobody else uses it any more
    return std::exchange(fd_, -1);
}

result<void> io_socket::ensure_registered(const context& cx) {
    io_handle* here = nullptr;
    // acquire, here and below: pairs with the release at the end, run by the thread of the other direction.
    state before = state_.load(std::memory_order_acquire);
    for (;;) {
        if (before == state::registered) return ok();
        if (before == state::registering) {
            yield_thread();  // for one system call
            before = state_.load(std::memory_order_acquire);
            continue;
        }
        if (before == state::unregistered && here == nullptr) {
            const auto current = current_io(cx.where());
            if (!current) return std::unexpected(current.error());
            here = *current;
        }
        if (state_.compare_exchange_weak(before, state::registering, std::memory_order_acquire)) break;
    }
    io_handle& io = before == state::bound ? *io_ : *here;
    const auto source = io.add_source(fd_, everything);
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

/// What one direction may forget of `seen`, which was looked at before a call. A read that found nothing has passed the
/// urgent byte, too.
io::ready_event io_socket::part_of(direction way, const io::ready_event& seen) noexcept {
    const io::ready over = way == direction::read ? mask_of(way) | io::ready::priority : mask_of(way);
    return {seen.ready & over, seen.tick, seen.is_shutdown};
}

/// Calls until it does not say that it would block. Readiness is cleared only for the event that was looked at before
/// the call, by the answer "would block", or by `is_drained(answer)`: all was taken that there was.
template <class Call, class IsDrained>
auto io_socket::poll_call(direction way, context& cx, const void* future, Call call, IsDrained is_drained)
    -> poll_result<decltype(call())> {
    using answer_type = decltype(call());
    for (;;) {
        // Each round, since what is closed stays ready: a call that would block all the same must not hold the thread.
        if (!cx.consume_budget()) return not_ready;
        io::ready_event seen;
        const bool can_wait = is_registered();
        if (can_wait) {
            seen = source_->look(io::ready::all);
            if (!seen.is_shutdown && !seen.ready.intersects(mask_of(way))) {
                if (!source_->wait(way, cx, future)) {
                    cx.refund_budget();
                    return not_ready;
                }
                seen = source_->look(io::ready::all);
            }
            if (seen.is_shutdown) return answer_type(std::unexpect, make_error_code(errc::runtime_shutdown));
        } else if (way == direction::read && is_drained_) {
            // Who registers is told of what is there already; so no call is made that would only say "would block". Where
            // nothing can be registered, the call may succeed all the same.
            is_drained_ = false;
            if (has_current_io() && ensure_registered(cx)) continue;
        }
        answer_type answer = call();
        const bool blocked = !answer && would_block(answer.error());
        const bool drained = answer && is_drained(answer, seen.ready);
        if (can_wait && blocked) source_->clear_blocked(part_of(way, seen));
        if (can_wait && drained) source_->clear_readiness(part_of(way, seen));
        if (!can_wait && drained && way == direction::read) is_drained_ = true;
        if (!blocked) {
            charge(cx, moved_by(answer));
            return answer;
        }
        if (!can_wait) {
            if (auto registered = ensure_registered(cx); !registered) {
                return answer_type(std::unexpect, registered.error());
            }
        }
    }
}

/// The same once, without waiting.
template <class Call>
auto io_socket::try_call(direction way, Call call) -> decltype(call()) {
    if (!is_registered()) return call();
    const auto seen = source_->look(io::ready::all);
    if (seen.is_shutdown) return std::unexpected(make_error_code(errc::runtime_shutdown));
    auto answer = call();
    if (!answer && would_block(answer.error())) source_->clear_blocked(part_of(way, seen));
    return answer;
}

poll_result<result<std::size_t>> io_socket::poll_read(context& cx, const void* future, std::span<std::byte> into) {
    return poll_call(
        direction::read, cx, future, [&] { return sys::recv(fd_, into.data(), into.size()); }, short_read(into.size()));
}

poll_result<result<std::size_t>> io_socket::poll_read_vectored(context& cx, const void* future,
                                                               std::span<const std::span<std::byte>> into) {
    const iovec_list list(into);
    if (list.total() == 0) return ok(std::size_t{0});
    return poll_call(
        direction::read, cx, future, [&] { return sys::recv_vectored(fd_, list.get()); }, short_read(list.total()));
}

poll_result<result<io::leased_buffer>> io_socket::poll_receive(context& cx, const void* future) {
    buffer_pool* pool = current_buffer_pool();
    if (pool == nullptr) pool = &thread_buffer_pool();
    const auto receive = [&]() -> result<io::leased_buffer> {
        std::byte* const buffer = pool->take();
        const auto count = sys::recv(fd_, buffer, buffer_pool::buffer_size);
        if (count && *count != 0) return io::leased_buffer(*pool, buffer, *count);
        pool->give_back(buffer);
        if (!count) return std::unexpected(count.error());
        return io::leased_buffer();
    };
    return poll_call(direction::read, cx, future, receive, [](const auto& lease, io::ready seen) {
        return short_read(buffer_pool::buffer_size)(lease->size(), seen);
    });
}

poll_result<result<std::size_t>> io_socket::poll_peek(context& cx, const void* future, std::span<std::byte> into) {
    return poll_call(
        direction::read, cx, future, [&] { return sys::recv(fd_, into.data(), into.size(), MSG_PEEK); }, never_drained);
}

poll_result<result<std::size_t>> io_socket::poll_write(context& cx, const void* future,
                                                       std::span<const std::byte> from) {
    return poll_call(
        direction::write, cx, future, [&] { return sys::send(fd_, from.data(), from.size()); },
        short_write(from.size()));
}

poll_result<result<std::size_t>> io_socket::poll_write_vectored(context& cx, const void* future,
                                                                std::span<const std::span<const std::byte>> from) {
    const iovec_list list(from);
    if (list.total() == 0) return ok(std::size_t{0});
    return poll_call(
        direction::write, cx, future, [&] { return sys::send_vectored(fd_, list.get()); }, short_write(list.total()));
}

poll_result<result<void>> io_socket::poll_connected(context& cx, const void* future) {
    if (auto registered = ensure_registered(cx); !registered) return registered;
    const auto finish = [&]() -> result<void> {
        const auto error = sys::take_error(fd_);
        if (!error) return std::unexpected(error.error());
        if (*error) return std::unexpected(**error);
        // Writable and no error is not enough: the event may be older than the connect. A peer is the proof.
        const auto peer = sys::peer_addr(fd_);
        if (peer) return ok();
        if (peer.error() != std::errc::not_connected) return std::unexpected(peer.error());
        return std::unexpected(std::make_error_code(std::errc::operation_would_block));
    };
    return poll_call(direction::write, cx, future, finish, never_drained);
}

poll_result<result<std::pair<int, net::socket_addr>>> io_socket::poll_accept(context& cx, const void* future) {
    const auto accept = [&]() -> result<std::pair<int, net::socket_addr>> {
        for (;;) {
            auto accepted = sys::accept(fd_);
            if (!accepted) {
                if (is_transient(accepted.error())) continue;
                // The kernel takes the descriptor before it looks for a connection: with nobody there, too, it says that
                // it has none. Then nothing is lost yet, and a client is waited for.
                if (is_exhausted(accepted.error()) && !has_connection(fd_)) {
                    return std::unexpected(std::make_error_code(std::errc::operation_would_block));
                }
                return std::unexpected(accepted.error());
            }
            const auto peer = sys::from_native(accepted->peer.get(), accepted->peer.size);
            if (!peer) return std::unexpected(peer.error());
            return std::pair(accepted->fd.release(), *peer);
        }
    };
    return poll_call(direction::read, cx, future, accept, never_drained);
}

result<std::size_t> io_socket::try_read(std::span<std::byte> into) {
    return try_call(direction::read, [&] { return sys::recv(fd_, into.data(), into.size()); });
}

result<std::size_t> io_socket::try_write(std::span<const std::byte> from) {
    return try_call(direction::write, [&] { return sys::send(fd_, from.data(), from.size()); });
}

}  // namespace eddy::detail
