// SPDX-License-Identifier: MIT
#include "reactor/ring/uring.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include <eddy/error.hpp>

#include "reactor/ring/accepted_connection.hpp"
#include "reactor/ring/listener_source.hpp"
#include "reactor/ring/operation_tag.hpp"
#include "reactor/ring/ring.hpp"
#include "reactor/ring/ring_buffers.hpp"
#include "reactor/ring/ring_connection.hpp"
#include "reactor/ring/ring_reactor.hpp"
#include "sys/fd.hpp"

namespace eddy::detail {
namespace {

// A tick yields about 50 completions (Linux 6.18). A tick with more entries than fit makes a second call.
// Completions that do not fit stay in the kernel. Both queues together use about 100 KiB, which counts against
// RLIMIT_MEMLOCK.
constexpr ring::sizes wanted_sizes{.submissions = 512, .completions = 4096};

/// Returns the accepted descriptor with a number above 2, or a negative errno. The number is changed here, and not when
/// a task takes the connection: until then, text that the program prints would be sent to the peer.
int kept_number(int fd) noexcept {
    const int kept = sys::above_standard(fd);
    return kept < 0 ? -errno : kept;
}

}  // namespace

uring::uring(ring_reactor& owner) noexcept : owner_(owner) {}

uring::~uring() {
    ring_.reset();
    if (buffers_ != nullptr) buffers_->close();
}

result<std::unique_ptr<uring>> uring::make(ring_reactor& owner) noexcept {
    std::unique_ptr<uring> made(new (std::nothrow) uring(owner));
    if (!made) return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
    made->ring_.reset(new (std::nothrow) ring);
    if (!made->ring_) return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
    std::error_code error = made->ring_->open(wanted_sizes);
    if (!error) made->buffers_ = ring_buffers::make(made->ring_->native(), error).release();
    if (error) return std::unexpected(error);
    return made;
}

result<void> uring::enable(int epoll_fd, int waker_fd) noexcept {
    if (const auto error = ring_->enable()) return std::unexpected(error);
    buffers_->set_owner();
    epoll_.fd = epoll_fd;
    waker_.fd = waker_fd;
    return ok();
}

// ---- A tick ----

result<ring_tick> uring::tick(max_wait timeout) noexcept {
    ring_tick done = std::exchange(early_, ring_tick());
    watch(epoll_, ring_operation::watch_epoll);
    watch(waker_, ring_operation::watch_waker);
    // Sends of an earlier tick that the kernel has not taken, for lack of memory. A task may wait for them.
    const bool has_late_sends = sends_.has_submitted();
    sends_.submit(*ring_);
    if (is_short_of_buffers_) {
        is_short_of_buffers_ = false;
        static_cast<void>(buffers_->provide_more());
    }
    buffers_->publish();
    // Do not sleep if a task waits for a send: the send completes in this call, and nothing else may end the sleep.
    // Do not sleep either if there was no free entry for the watches: then no thread could end the sleep.
    const bool is_reachable = epoll_.is_watched && waker_.is_watched;
    const bool has_news = ring_->has_completion() || sends_.has_queued() || has_late_sends || done.epoll_is_ready ||
                          done.was_woken || !is_reachable;
    const bool waits = timeout != std::chrono::nanoseconds::zero() && !has_news && !sends_.take_awaited();
    if (waits || ring_->has_entries() || ring_->has_work()) {
        if (const auto error = ring_->enter(waits, timeout)) return std::unexpected(error);
    }
    dispatch_all(done);
    return done;
}

void uring::dispatch_all(ring_tick& done) noexcept {
    // taken() is called before the loop, because a waker may make the kernel take further entries (stop_now(), a full
    // queue), and their failures may be reported only after the loop.
    const unsigned taken = ring_->taken();
    ring_completion what;
    // A waker may call this ring, so remove each completion before dispatching it.
    while (ring_->next(what)) dispatch(what, done);
    // Completions that did not fit are in the kernel. They may include the failure of a send.
    while (ring_->has_overflown()) {
        if (ring_->enter(false, max_wait())) return;
        while (ring_->next(what)) dispatch(what, done);
    }
    sends_.settle_taken(taken);
}

void uring::dispatch(const ring_completion& what, ring_tick& done) noexcept {
    const operation_tag tag(what.user_data);
    switch (tag.what()) {
    case ring_operation::receive: ++done.events; return on_received(tag.stream(), what);
    case ring_operation::send: return tag.stream().send_completed(what.result);
    case ring_operation::watch_epoll:
        done.epoll_is_ready = true;
        if (!what.has_more()) epoll_.is_watched = false;
        return;
    case ring_operation::watch_waker:
        done.was_woken = true;
        if (!what.has_more()) waker_.is_watched = false;
        return;
    case ring_operation::none: return;
    }
}

/// Returns the connection that an accept has delivered; null if there is none.
accepted_connection* uring::connection_of(const listener_source& listener, int fd) noexcept {
    if (fd < 0) return nullptr;
    auto* const connection = accepted_connection::make(fd, listener.peer());
    if (connection == nullptr) reset_connection(fd);  // no memory
    return connection;
}

/// Returns the chunk that a receive has delivered; null if there is none.
received_chunk* uring::chunk_of(const ring_completion& what) noexcept {
    if ((what.flags & IORING_CQE_F_BUFFER) == 0) return nullptr;
    received_chunk& chunk =
        buffers_->take(what.flags >> IORING_CQE_BUFFER_SHIFT, static_cast<std::uint32_t>(std::max(what.result, 0)));
    if (what.result > 0) return &chunk;
    chunk.give_back();
    return nullptr;
}

void uring::on_received(ring_connection& stream, const ring_completion& what) noexcept {
    if (stream.is_listener()) return on_accepted(listener_source::of(stream), what);
    received_chunk* const chunk = chunk_of(what);
    if (chunk != nullptr && stream.deliver(*chunk)) {
        if (what.has_more()) static_cast<void>(stop(stream));  // if this fails, the next chunk tries again
        stream.release();                                      // the reference that deliver() added
    }
    if (what.has_more()) return;
    if (what.result == -ENOBUFS) is_short_of_buffers_ = true;
    end_operation(stream, stream.receive_ended(what.result));
}

void uring::on_accepted(listener_source& listener, const ring_completion& what) noexcept {
    // If the kernel has no such hint, more connections may be waiting.
    const bool may_be_one_of_many = (what.flags & IORING_CQE_F_SOCK_NONEMPTY) != 0 || !ring_->has_accept_hints();
    const int accepted = what.result < 0 ? what.result : kept_number(what.result);
    end_operation(listener, listener.accept_ended(connection_of(listener, accepted), accepted, may_be_one_of_many));
}

void uring::end_operation(ring_connection& stream, operation_end end) noexcept {
    --in_flight_;
    if (end.was_cancelled) owner_.sources().counters().set_given_up(--given_up_);
    if (end.closes) owner_.finish_closing(stream);
    stream.release();  // the operation's reference
}

/// Watches the descriptor again if its last watch has ended. A condition that already holds is reported, too.
void uring::watch(watched_fd& watched, ring_operation what) noexcept {
    if (watched.is_watched) return;
    io_uring_sqe* const entry = ring_->next_entry();
    if (entry == nullptr) return;
    ::io_uring_prep_poll_multishot(entry, watched.fd, POLLIN);
    entry->user_data = operation_tag(what).value;
    watched.is_watched = true;
}

// ---- Receiving ----

bool uring::receive(ring_connection& stream) noexcept {
    if (is_retiring_) return false;
    if (!stream.is_listener() && !buffers_->has_free() && !buffers_->provide_more()) return false;
    io_uring_sqe* const entry = ring_->next_entry();
    if (entry == nullptr) return false;
    const auto begun = stream.begin_receive();
    if (!begun.is_wanted) return true;  // the cleared entry is a no-op
    if (stream.is_listener()) {
        // The accept is not multishot. A multishot accept would take the whole queue of the listener, even if few
        // connections are wanted.
        auto& peer = listener_source::of(stream).peer_buffer();
        ::io_uring_prep_accept(entry, stream.fd(), peer.get(), &peer.size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (ring_->has_accept_hints()) entry->ioprio = IORING_ACCEPT_POLL_FIRST;
    } else {
        ::io_uring_prep_recv_multishot(entry, stream.fd(), nullptr, 0, 0);
        entry->flags |= IOSQE_BUFFER_SELECT;
        entry->buf_group = ring_buffers::group;
    }
    entry->user_data = operation_tag(ring_operation::receive, &stream).value;
    ++in_flight_;
    if (begun.was_watched) owner_.sources().watch_writing_only(stream);
    return true;
}

bool uring::stop(ring_connection& stream) noexcept {
    if (!stream.begin_stop()) return true;
    io_uring_sqe* const entry = ring_->next_entry();
    if (entry == nullptr) {
        stream.stop_failed();
        return false;
    }
    ::io_uring_prep_cancel64(entry, operation_tag(ring_operation::receive, &stream).value, 0);
    entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
    owner_.sources().counters().set_given_up(++given_up_);
    return true;
}

bool uring::stop_now(ring_connection& stream) noexcept {
    if (!stop(stream)) return false;
    // The next tick dispatches the completion. These calls make the kernel release the socket. The kernel does that
    // after other deferred work of this thread, some operations per call.
    constexpr int most_enters = 16;
    for (int i = 0; i < most_enters; ++i) {
        if (ring_->enter(false, max_wait()) || !ring_->has_work()) break;
    }
    if (stream.is_listener()) {  // resets a connection that was accepted meanwhile
        dispatch_all(early_);
    }
    return true;
}

// ---- Sending ----

void uring::flush() noexcept {
    if (sends_.is_empty()) return;
    sends_.submit(*ring_);
    static_cast<void>(ring_->enter(false, max_wait()));
    // Failed sends have a completion. Completions of other operations may precede it, so dispatch all.
    dispatch_all(early_);
}

// ---- Shutdown ----

bool uring::retire() noexcept {
    is_retiring_ = true;
    sends_.submit(*ring_);
    ring_tick last;
    // The kernel ends about 20 operations per call. A cancel examines all operations, so submit another cancel only if
    // the last call has ended no operation. A second cancel can be necessary: a cancel does not find an operation that
    // is being executed.
    bool asks = true;
    while (in_flight_ != 0 || !sends_.is_empty()) {
        io_uring_sqe* const entry = asks ? ring_->next_entry() : nullptr;
        if (entry != nullptr) {
            ::io_uring_prep_cancel64(entry, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
        }
        const std::size_t before = in_flight_;
        if (ring_->enter(true, std::chrono::milliseconds(10))) return false;
        dispatch_all(last);
        sends_.submit(*ring_);
        asks = in_flight_ == before;
    }
    return true;
}

}  // namespace eddy::detail
