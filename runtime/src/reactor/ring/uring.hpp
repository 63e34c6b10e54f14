// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include <eddy/result.hpp>

#include "reactor/drivers/driver.hpp"
#include "reactor/ring/ring_sends.hpp"

namespace eddy::detail {

class ring_reactor;
class ring;
class ring_buffers;
class listener_source;
class ring_connection;
enum class ring_operation : std::uintptr_t;
struct accepted_connection;
struct operation_end;
struct received_chunk;
struct ring_completion;

/// The outcome of one tick of a ring.
struct ring_tick {
    std::size_t events = 0;
    bool epoll_is_ready = false;
    bool was_woken = false;
};

/// Linux's io_uring(7) for the data of connections: it completes receives, accepts, and sends. It runs beside an epoll
/// and does not replace it. Everything about readiness (a connect, user descriptors, a full socket) uses the epoll,
/// from any thread and with the same meaning as without a ring. The ring watches the epoll's own descriptor, so its
/// owner waits in one place. no_uring.cpp replaces this class in a build without liburing.
///
///     operation            how                                                             ends when
///     receive              multishot, into provided buffers; one per stream                a completion without F_MORE
///     accept               of one connection; one per listener                             its completion
///     send                 of a send buffer, MSG_DONTWAIT | MSG_WAITALL, CQE_SKIP_SUCCESS  enter() has taken it
///     watch the epoll      multishot poll                                                  the ring is closed
///     watch its waker      multishot poll, so that a wake-up needs no epoll_wait(2)        the ring is closed
///     cancel               by the receive's user_data                                      enter() has taken it
///
/// No send is in flight between two ticks: see ring_sends.
///
/// Kernel behavior to know:
///  - A cancelled receive may still deliver bytes. Its own completion ends it, not the completion of the cancel.
///  - A receive without a buffer (ENOBUFS) ends even if there is nothing to read.
///  - A multishot operation may end at any time.
///  - The kernel runs deferred work of this thread only in enter(), about 20 operations per call.
class uring : immovable {
public:
    /// Creates a ring for `owner`.
    /// Errors: what the kernel reports for the ring or its buffers; not_enough_memory.
    [[nodiscard]] static result<std::unique_ptr<uring>> make(ring_reactor& owner) noexcept;
    ~uring();

    /// Makes this thread the owner of the ring. Only the owner may call the functions below.
    /// Errors: what io_uring_register(2) reports.
    [[nodiscard]] result<void> enable(int epoll_fd, int waker_fd) noexcept;

    /// Runs one tick: submits the entries, waits for a completion if there is nothing to report, and dispatches
    /// completions.
    /// Errors: what io_uring_enter(2) reports.
    /// Cost: usually one system call; none if there is nothing to do.
    result<ring_tick> tick(max_wait timeout) noexcept;

    /// Makes the next tick report the epoll as ready, without waiting.
    void look_at_epoll_again() noexcept { early_.epoll_is_ready = true; }

    /// Submits the queued sends without waiting. Dispatches the completions that have arrived. Does nothing if no
    /// send is queued.
    void flush() noexcept;

    /// Starts a receive, or an accept for a listener. Returns false if there is no buffer or no free entry. The
    /// stream must then read without the ring.
    [[nodiscard]] bool receive(ring_connection& stream) noexcept;
    /// Cancels the receive. Returns false if there is no free entry.
    [[nodiscard]] bool stop(ring_connection& stream) noexcept;
    /// Cancels the receive and lets the kernel process the cancel immediately. The kernel has most likely released
    /// the socket afterwards. For a listener, also dispatches all completions, which runs wakers.
    [[nodiscard]] bool stop_now(ring_connection& stream) noexcept;
    /// Queues the send buffer for the next submission. Takes over the caller's reference to the stream.
    /// Preconditions: slot.sender is set.
    void queue(send_buffer& slot) noexcept { sends_.queue(slot); }
    /// The reactor that this ring belongs to.
    [[nodiscard]] ring_reactor& owner() const noexcept { return owner_; }

    /// Ends everything: submits the queued sends, cancels, and waits for the last completion. Returns false if the
    /// kernel refuses the call, for example because of a new seccomp filter. The operations in flight then end with the
    /// ring, without a completion.
    [[nodiscard]] bool retire() noexcept;

private:
    explicit uring(ring_reactor& owner) noexcept;

    void dispatch_all(ring_tick& done) noexcept;
    void dispatch(const ring_completion& what, ring_tick& done) noexcept;
    static accepted_connection* connection_of(const listener_source& listener, int fd) noexcept;
    received_chunk* chunk_of(const ring_completion& what) noexcept;
    void on_received(ring_connection& stream, const ring_completion& what) noexcept;
    void on_accepted(listener_source& listener, const ring_completion& what) noexcept;
    void end_operation(ring_connection& stream, operation_end end) noexcept;

    /// A descriptor whose events end a wait of this ring.
    struct watched_fd {
        int fd = -1;
        bool is_watched = false;
    };
    void watch(watched_fd& watched, ring_operation what) noexcept;

    ring_reactor& owner_;
    // Pointers, so that this header does not include liburing's. The destructor closes the ring first: until then
    // the kernel accesses the buffers.
    ring_buffers* buffers_ = nullptr;
    std::unique_ptr<ring> ring_;
    watched_fd epoll_;
    watched_fd waker_;
    ring_tick early_;  // what was found outside of a tick; the next tick reports it
    bool is_retiring_ = false;
    bool is_short_of_buffers_ = false;
    std::size_t in_flight_ = 0;  // receives and accepts
    std::size_t given_up_ = 0;   // how many of these are cancelled
    ring_sends sends_;
};

}  // namespace eddy::detail
