// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include <eddy/result.hpp>

#include "driver/driver.hpp"
#include "driver/send_slot.hpp"

namespace eddy::detail {

class io_handle;
class ring;
class ring_buffers;
class listener_source;
class stream_source;
struct accepted_connection;
struct operation_end;
struct received_chunk;
struct ring_completion;

/// What a turn of the ring has brought.
struct uring_turn {
    std::size_t events = 0;
    bool epoll_is_ready = false;
    bool was_woken = false;
};

/// Linux's io_uring(7), for the bytes of connections. It completes what epoll would only announce, and stands beside an
/// epoll and not in its place: whatever is about readiness (connecting, listening, any descriptor of a user's, a full
/// socket) is watched there, by any thread and with the meaning that it has without a ring; the ring watches the
/// epoll's own descriptor, so that its owner sleeps in one place.
///
///     operation            how                                                             over when
///     receive              multishot, into provided buffers; one a stream                  a completion without F_MORE
///     accept               of one connection; one a listener                               its completion
///     send                 of a slot, MSG_DONTWAIT | MSG_WAITALL, CQE_SKIP_SUCCESS         enter() has taken it
///     watch the epoll      multishot poll                                                  the ring is closed
///     watch its waker      multishot poll, so that a wake-up costs no look at the epoll    the ring is closed
///     cancel               by the receive's user_data                                      enter() has taken it
///
/// No send is in flight between two turns: with MSG_DONTWAIT it is over when the enter that submits it has taken it,
/// and only one that did not send all (MSG_WAITALL makes a short count a failure) leaves a completion. So a slot is the
/// caller's memory lent for the time of one system call, as with send(2). What becomes of it is known when the
/// completions have been looked at after that call.
///
/// user_data is the address of the stream, with the kind of operation in the low bits; 0 means none.
///
/// Traps: a cancelled receive may have brought bytes before it ends, and ends by its own completion, not by the
/// cancel's. An operation that has no buffer (ENOBUFS) ends also when there is nothing to read. A multishot operation
/// may end at any time. What waits for this thread is done in enter() only, some 20 operations at a time.
class uring {
public:
    /// Errors: what the kernel refuses.
    [[nodiscard]] static result<std::unique_ptr<uring>> make(io_handle& home) noexcept;
    uring(const uring&) = delete;
    uring& operator=(const uring&) = delete;
    ~uring();

    /// This thread is its owner, who alone may call what follows.
    [[nodiscard]] result<void> enable(int epoll_fd, int waker_fd) noexcept;

    /// One system call, if there is anything to do.
    result<uring_turn> turn(max_wait timeout) noexcept;

    /// The next turn says that the epoll is ready, and does not wait.
    void look_at_epoll_again() noexcept { early_.epoll_is_ready = true; }

    /// Sends what is queued, and nothing else, if there is any.
    void flush() noexcept;

    /// Begins a receive. False if the ring has no buffers or no room: the stream has to do without.
    [[nodiscard]] bool receive(stream_source& stream) noexcept;
    /// Has it end. False if the ring has no room.
    [[nodiscard]] bool stop(stream_source& stream) noexcept;
    /// The same at once, so that the socket is free of it, most likely. Of a listener that is told here, with all else
    /// that has completed: wakers run.
    [[nodiscard]] bool stop_now(stream_source& stream) noexcept;
    /// Sends the slot at the end of the turn. The caller's reference of the stream is taken over, and he has set
    /// slot.sender.
    void queue(send_slot& slot) noexcept;
    [[nodiscard]] io_handle& home() const noexcept { return home_; }

    /// Ends everything: submits what is queued, cancels, and waits for the last completion. False if the kernel refuses
    /// that (a filter that was set meanwhile): then what is in flight ends with the ring, and nobody is told.
    [[nodiscard]] bool retire() noexcept;

private:
    explicit uring(io_handle& home) noexcept;

    void dispatch_all(uring_turn& done) noexcept;
    void dispatch(const ring_completion& what, uring_turn& done) noexcept;
    static accepted_connection* connection_of(const listener_source& listener, int fd) noexcept;
    received_chunk* chunk_of(const ring_completion& what) noexcept;
    void on_received(stream_source& stream, const ring_completion& what) noexcept;
    void on_accepted(listener_source& listener, const ring_completion& what) noexcept;
    void end_operation(stream_source& stream, operation_end end) noexcept;
    void watch_both() noexcept;
    [[nodiscard]] bool watch(int fd, std::uint64_t tag) noexcept;
    void submit_sends() noexcept;
    void settle_sends(unsigned taken) noexcept;
    void settle(send_slot& slot) noexcept;

    struct slot_queue {
        send_slot* first = nullptr;
        send_slot* last = nullptr;

        void push(send_slot& slot) noexcept {
            slot.next = nullptr;
            (last != nullptr ? last->next : first) = &slot;
            last = &slot;
        }
        [[nodiscard]] send_slot* pop() noexcept {
            send_slot* const taken = first;
            if (taken == nullptr) return nullptr;
            first = taken->next;
            if (first == nullptr) last = nullptr;
            return taken;
        }
    };

    io_handle& home_;
    // Pointers, so that this header does without liburing's. The ring goes first: the kernel knows the buffers until
    // then.
    ring_buffers* buffers_ = nullptr;
    std::unique_ptr<ring> ring_;
    int epoll_fd_ = -1;
    int waker_fd_ = -1;
    bool watches_epoll_ = false;
    bool watches_waker_ = false;
    uring_turn early_;  // what was found outside of a turn, for the next one to tell
    bool is_retiring_ = false;
    bool is_short_of_buffers_ = false;
    bool is_awaited_ = false;    // a send that is to be submitted
    std::size_t in_flight_ = 0;  // receives
    std::size_t given_up_ = 0;   // of these: cancelled
    slot_queue queued_;
    slot_queue submitted_;
};

}  // namespace eddy::detail
