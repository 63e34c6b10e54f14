// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <system_error>

#include "reactor/ring/chunk_queue.hpp"
#include "reactor/ring/large_transfers.hpp"
#include "reactor/ring/sending_half.hpp"

namespace eddy::detail {

/// The outcome of a receive or an accept that has ended.
struct operation_end {
    bool closes;         ///< whether the caller must close the stream now
    bool was_cancelled;  ///< whether a stop had cancelled it
};

/// The reading direction of a ring connection. Bytes are received before the task reads them. For a listener, the ring
/// accepts the next connection once a task waits for one. "Readable" means that take() may return something.
///
///     flag           set by                      cleared by                  while it is set
///     wants_receive_ task: begins or posts       owner: has begun; task      the task waits and does not read
///     wants_stop_    task: posts                 owner                       the operation is to end
///     stops_         owner: with a cancel        the last completion         no second cancel is submitted
///     reads_itself_  owner: no buffers, or       owner: receives again;      the task calls recv(2) or accept(2)
///                    accepting has failed; the   task: has accepted, or      first
///                    thread whose request the    small reads; the thread
///                    ring refused                whose watch failed
///     large_ is on   owner: large chunks         task: small reads           the task calls recv(2) when the epoll
///                                                                            reports bytes
///     more_wait_     owner: more connections     task: there are none        the task calls accept(2) before it uses
///                    may be waiting                                          the ring, which saves a tick for each
///     is_watched_    the thread that serves it   owner: has begun; that      the epoll watches it for reading
///                                                thread: the watch failed
///     missed_        the epoll reports bytes     owner: has begun; served    the event was left to the receive
///                    during a receive
///
/// Lifetime: a receive or accept in flight has a reference to the connection.
class receiving_half : public sending_half {
public:
    // ---- Reading: any thread, one at a time ----

    /// The kinds of results of take().
    enum class received { chunk, end, error, nothing, read_it_yourself };
    /// A result of take().
    struct taken {
        received what = received::nothing;
        received_chunk* chunk = nullptr;  ///< owned by the caller
        int error = 0;  ///< an errno. Not an error_code, whose default constructor calls a function of libstdc++
        /// For read_it_yourself: whether a short read has drained the socket.
        bool drains_if_short = false;
    };
    /// Takes the next chunk. If it is the last one that has arrived, and the caller has `room` for all of its bytes,
    /// the stream is no longer readable. `nothing`: there is none yet, and "readable" is reported when that has
    /// changed. `read_it_yourself`: call recv(2) or accept(2), and request_receive() once that would block.
    [[nodiscard]] taken take(ring_reactor& owner, std::size_t room) noexcept;
    /// Returns whether take() would return a chunk. Only the reader takes chunks, so a true result stays valid until
    /// the next take().
    [[nodiscard]] bool has_chunk() noexcept;
    /// Removes the oldest chunk; null if there is none.
    [[nodiscard]] received_chunk* take_chunk() noexcept;
    /// Puts the rest of a chunk back to the front of the queue.
    void put_back(received_chunk& rest) noexcept;
    /// Copies received bytes, followed by bytes that are still in the socket, until `into` is full. Returns the
    /// count.
    [[nodiscard]] std::size_t peek(std::span<std::byte> into) noexcept;
    /// Requests a receive, if there is none.
    void request_receive(ring_reactor& owner) noexcept;
    /// Like request_receive(), for readable(): the stream is not readable until bytes have arrived.
    void request_readiness(ring_reactor& owner) noexcept;
    /// Asks the ring to stop receiving. Returns whether the receive has ended. If not, "readable" is reported once it
    /// has ended.
    [[nodiscard]] bool stop_receiving(ring_reactor& owner) noexcept;

    /// Records that the reader has read `count` bytes itself, or has accepted a connection itself.
    void has_read(std::size_t count) noexcept;
    /// Records that the reader has found the end of the stream itself. For a connection. Returns the error that caused
    /// the end, if any. Returns operation_would_block if the cause is not known yet; "readable" is reported when it is
    /// known.
    [[nodiscard]] std::error_code has_read_end() noexcept;

    // ---- The owner of the ring ----

    /// The result of begin_receive().
    struct begun {
        bool is_wanted;    ///< whether to submit the receive
        bool was_watched;  ///< whether the epoll watches the stream for reading; the caller must end that
    };
    /// Starts a receive. Call it before the submission.
    [[nodiscard]] begun begin_receive() noexcept;
    /// Adds a chunk to the queue. Returns true if the operation should stop. The caller then gets a reference.
    [[nodiscard]] bool deliver(received_chunk& chunk) noexcept;
    /// Returns whether the caller must submit a cancel.
    [[nodiscard]] bool begin_stop() noexcept;
    /// Records that the cancel could not be submitted.
    void stop_failed() noexcept;
    /// Processes the last completion of a receive. The caller releases the operation's reference.
    [[nodiscard]] operation_end receive_ended(int result) noexcept;
    /// Processes the completion of an accept. `connection` may be null. `others_wait`: more connections may be
    /// waiting.
    [[nodiscard]] operation_end accept_ended(received_chunk* connection, int result, bool others_wait) noexcept;
    /// Requests a stop again that cannot be submitted now. Returns false if there is nothing to stop.
    [[nodiscard]] bool wants_stop_again() noexcept;

    // ---- Without the ring ----

    /// Records that the epoll watches the descriptor and that the reader reads it without the ring. Returns whether
    /// there may be bytes that the epoll does not report again: it has reported them during a receive that did not take
    /// them, or to a reader that has left them to the ring.
    bool read_itself() noexcept;
    /// Stores a system error for the next read, or records the shutdown. Called if neither the ring nor the epoll can
    /// watch the descriptor.
    void fail(const std::error_code& error) noexcept;

protected:
    using sending_half::sending_half;
    ~receiving_half() override;

    // The caller of the following functions holds the lock.
    /// Returns whether the task reads without the ring.
    [[nodiscard]] bool is_left_to_reader() const noexcept { return is_listener() ? reads_itself_ : large_.is_on(); }
    /// Takes the error that the next read would have reported, except the end of the stream; 0 if there is none.
    [[nodiscard]] int take_read_error() noexcept;
    /// Records that the operation of the ring has ended. Returns whether a stop had cancelled it.
    bool end_operation() noexcept;
    /// Drops the received data and a request for a receive.
    void end_receiving() noexcept;
    /// Removes from `what` the events that the ring reports while it receives.
    [[nodiscard]] io::ready without_received(io::ready what) noexcept;
    /// Posts the stream: asks the ring's owner to serve its requests. Unlocks `guard` first, because the list belongs
    /// to the ring_reactor.
    void request_service(ring_reactor& owner, std::unique_lock<spin_lock>&& guard) noexcept;

    bool wants_receive_ : 1 = false;
    bool wants_stop_ : 1 = false;

private:
    static constexpr std::uint8_t end_of_stream = 255;  // not an errno

    void begin_or_request(ring_reactor& owner, std::unique_lock<spin_lock>&& guard) noexcept;

    bool stops_ : 1 = false;
    bool reads_itself_ : 1 = false;
    bool more_wait_ : 1 = false;
    bool is_watched_ : 1 = false;
    bool missed_ : 1 = false;
    std::uint8_t end_ = 0;  // end_of_stream, or an errno that the next read reports
    large_transfers large_;
    chunk_queue queue_;
};

}  // namespace eddy::detail
