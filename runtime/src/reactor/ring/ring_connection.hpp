// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <system_error>

#include <eddy/io/interest.hpp>
#include <eddy/io/leased_buffer.hpp>
#include <eddy/result.hpp>

#include "reactor/source/scheduled_io.hpp"

namespace eddy::detail {

class ring_reactor;
class ring_connection;
class uring;
struct received_chunk;
struct send_buffer;

/// The outcome of a receive or an accept that has ended.
struct operation_end {
    bool closes;         ///< whether the caller must close the stream now
    bool was_cancelled;  ///< whether a stop had cancelled it
};

/// The bytes of a write: one span or several.
using send_list = std::span<const std::span<const std::byte>>;

/// The registration of a ring connection: a TCP connection or listener whose data io_uring moves. Bytes are received
/// before the task reads them, and sent after write() has accepted them. For a listener, the ring accepts the next
/// connection once a task waits for one. Waiters use it as a scheduled_io: "readable" means that take() may
/// return something, "writable" that write() may accept bytes.
///
/// In the tables, "the task" is the reader or the writer, and "the owner" is the owner of the ring.
///
///     field                          accessed by                                              guarded by
///     the queue, slot_, end_,        the task: takes bytes, writes; the owner: delivers       lock_
///     flags_, ...                    bytes, reports the outcome of a send
///     next_requested                 the thread that set `posted`; then the one that          posted_streams
///                                    empties the list
///
///     flag           set by                      cleared by                  while it is set
///     receives       owner: with an operation    its last completion         only the ring reads the socket
///     wants_receive  task: begins or posts       owner: has begun; task      the task waits and does not read
///     wants_stop     task: posts                 owner                       the operation is to end
///     stops          owner: with a cancel        the last completion         no second cancel is submitted
///     posted         the thread that posts       owner                       in the list, which has a reference
///     reads_itself   owner: no buffers, or       owner: receives again;      the task calls recv(2) or accept(2)
///                    accepting has failed; the   task: has accepted, or      first
///                    thread whose request the    small reads
///                    ring refused
///     in_large_transfer_mode
///                    owner: large chunks         task: small reads           the task calls recv(2) when the epoll
///                                                                            reports bytes
///     more_wait      owner: more connections     task: there are none        the task calls accept(2) before it uses
///                    may be waiting                                          the ring, which saves a tick for each
///     writer_waits   task: found the send buffer full   the thread that frees it    "writable" is to be reported
///     closing        the socket's destructor     -                           received data is discarded, and no
///                                                                            receive begins
///     wants_close    the socket's destructor,    -                           the driver closes the descriptor when
///                    if operations are in flight                             the operations have ended
///     gone           the thread that closes      -                           later completions are discarded
///     is_watched     the thread that serves it   owner: has begun            the epoll watches it for reading
///     missed         the epoll reports bytes     owner: has begun; served    the event was left to the receive
///                    during a receive
///     reader_waits   reader: at the end of the   the thread that frees the   the reader waits for the outcome of the
///                    stream                      send buffer                 send buffer
///     shuts_down     task: ends writing          with the send buffer        the writing side is to be shut down
///
/// Lifetime: the socket, the list of the ring_reactor, the receive, the list of posted streams, and a queued send
/// buffer have one reference each.
class ring_connection : public scheduled_io {
public:
    /// The kind of source: a connection or a listener.
    enum class brings : bool { bytes, connections };

    explicit ring_connection(int fd, brings what = brings::bytes) noexcept;
    ~ring_connection() override;

    /// SAFETY: ring_reactor::add() has created the source.
    [[nodiscard]] static ring_connection& of(scheduled_io& source) noexcept {
        return static_cast<ring_connection&>(source);
    }
    [[nodiscard]] bool is_listener() const noexcept { return what_ == brings::connections; }

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
    /// Records that the reader has accepted a connection itself. For a listener.
    void accepts_again() noexcept;
    /// Records that the reader has read `count` bytes itself. For a connection.
    void has_read(std::size_t count) noexcept;
    /// Records that the reader has found the end of the stream itself. For a connection. Returns the error that caused
    /// the end, if any. Returns operation_would_block if the cause is not known yet; "readable" is reported when it is
    /// known.
    [[nodiscard]] std::error_code has_read_end() noexcept;
    /// Like request_receive(), for readable(): the stream is not readable until bytes have arrived.
    void request_readiness(ring_reactor& owner) noexcept;
    /// Asks the ring to stop receiving. Returns whether the receive has ended. If not, "readable" is reported once it
    /// has ended.
    [[nodiscard]] bool stop_receiving(ring_reactor& owner) noexcept;

    // ---- Writing: any thread, one at a time ----

    /// Accepts as many bytes as fit and returns their count. `ring` is this thread's ring, or null.
    /// Errors: operation_would_block; the error of an earlier send; what send(2) reports; what watch_more() reports,
    /// since the task would not be woken.
    [[nodiscard]] result<std::size_t> write(ring_reactor& owner, uring* ring, send_list from) noexcept;
    /// Like write(), for a part of a leased buffer. Takes over the lease if that saves a copy.
    [[nodiscard]] result<std::size_t> write_leased(ring_reactor& owner, uring* ring, io::leased_buffer& lease,
                                                   std::span<const std::byte> from) noexcept;
    /// Returns whether everything was passed to the kernel. If not, "writable" is reported once the rest was passed to
    /// it. Sends bytes that are queued for the next tick.
    /// Errors: the error of a send; what watch_more() reports, since the task would not be woken.
    [[nodiscard]] result<bool> flush(ring_reactor& owner) noexcept;
    /// Like flush(), but leaves the error of a send for take_error().
    [[nodiscard]] result<bool> finish_sending(ring_reactor& owner) noexcept;

    /// Ends writing. Returns true if everything was passed to the kernel: the caller then shuts the writing side down.
    /// Otherwise the stream does so after the pending send.
    [[nodiscard]] bool shut_down_when_sent() noexcept;

    /// Returns the error that the next read, or else the next write, would have reported.
    /// Preconditions: nothing is in flight.
    [[nodiscard]] std::error_code take_error() noexcept;

    // ---- Closing ----

    /// The next step of the caller of end(): close the descriptor; cancel the receive first; or wait for a send.
    enum class end_action { close, cancel_first, wait_for_send };
    /// Prepares the stream for its destruction: drops the wakers and the received data, and sends bytes that are
    /// queued for the next tick. `close` means that no operation is in flight, or that the operations belong to
    /// the parent process (`is_copy_in_child`: this is a forked child).
    [[nodiscard]] end_action end(bool is_copy_in_child) noexcept;
    /// Leaves the descriptor to the driver, which closes it later. Call this after end(). Returns true if nothing is in
    /// flight anymore: then the caller must close the descriptor.
    [[nodiscard]] bool leave_to_driver(ring_reactor& owner) noexcept;
    /// Sets the time at which the unsent rest is given up. Call this after end().
    void linger(std::chrono::steady_clock::time_point until) noexcept;
    /// If the time set by linger() is over, drops the unsent rest, resets the connection, and returns whether the
    /// caller must close the descriptor. Otherwise lowers `earliest` to that time, and returns false.
    [[nodiscard]] bool give_up(std::chrono::steady_clock::time_point now,
                               std::chrono::steady_clock::time_point& earliest) noexcept;
    /// Drops the unsent rest immediately. Call this after end(), if the stream cannot be reported as writable. Returns
    /// false if a ring is still sending or receiving; its completion then closes the descriptor.
    [[nodiscard]] bool give_up_now() noexcept;
    /// Claims the right to close the descriptor. Returns false if another thread has claimed it.
    [[nodiscard]] bool mark_gone() noexcept;
    /// Returns whether the descriptor was left to the driver.
    [[nodiscard]] bool is_closing() noexcept;

    // ---- The driver ----

    /// The requests of a posted stream.
    struct wanted {
        bool receive = false;
        bool itself = false;  ///< reads without the ring
        bool stop = false;
        bool close = false;
    };
    /// Takes the requests for which the stream was posted. The request of a receive remains until begin_receive() or
    /// read_itself().
    [[nodiscard]] wanted take_wanted() noexcept;
    /// Requests a stop again that take_wanted() has returned and that cannot be submitted now. Returns true if the
    /// caller must put the stream into a list to try again. Returns false if there is nothing to stop, or if another
    /// thread has posted the stream meanwhile.
    [[nodiscard]] bool wants_stop_again() noexcept;
    /// The result of begin_receive().
    struct begun {
        bool is_wanted;    ///< whether to submit the receive
        bool was_watched;  ///< whether the epoll watches the stream for reading; the caller must end that
    };
    /// Starts a receive. Call it before the submission.
    [[nodiscard]] begun begin_receive() noexcept;
    /// Records that the epoll watches the descriptor and that the reader reads it without the ring. Returns whether the
    /// epoll has reported bytes during a receive that did not take them.
    bool read_itself() noexcept;
    /// Stores a system error for the next read, or records the shutdown. Called if neither the ring nor the epoll can
    /// watch the descriptor.
    void fail(const std::error_code& error) noexcept;
    /// Returns whether the caller must submit a cancel.
    [[nodiscard]] bool begin_stop() noexcept;
    /// Records that the cancel could not be submitted.
    void stop_failed() noexcept;
    /// Adds a chunk to the queue. Returns true if the operation should stop. The caller then gets a reference.
    [[nodiscard]] bool deliver(received_chunk& chunk) noexcept;
    /// Ends the operations of a ring that was destroyed without reporting their completions. The references of accepts
    /// and sends remain, because the kernel may still use the memory.
    /// Preconditions: the caller has a reference.
    void lose_ring(const ring_reactor& owner) noexcept;
    /// Processes the last completion of a receive. The caller releases the operation's reference.
    [[nodiscard]] operation_end receive_ended(int result) noexcept;
    /// Processes the completion of an accept. `connection` may be null. `others_wait`: more connections may be
    /// waiting.
    [[nodiscard]] operation_end accept_ended(received_chunk* connection, int result, bool others_wait) noexcept;
    /// Processes events of the epoll.
    void report(io::ready what) noexcept override;

    /// Returns the bytes of a queued send buffer; empty if there are none. Sets `is_awaited` if a task waits for the
    /// send.
    [[nodiscard]] std::span<const std::byte> begin_send(send_buffer& slot, bool& is_awaited) noexcept;
    /// Processes the completion of a send that has failed, or has not sent everything.
    void send_completed(int result) noexcept;
    /// The outcomes of settle().
    enum class sent { all, rest, close };
    /// Processes the outcome of a send after the ring's enter(). `rest`: the caller must watch the descriptor for
    /// writing. `close`: the caller must close the stream. In both cases the caller gets a reference to
    /// `slot.owner`.
    [[nodiscard]] sent settle(send_buffer& slot) noexcept;

    /// The link of posted_streams.
    ring_connection* next_requested = nullptr;

private:
    enum flag : std::uint16_t {
        receives = 1,
        wants_receive = 2,
        wants_stop = 4,
        stops = 8,
        posted = 16,
        reads_itself = 32,
        writer_waits = 64,
        closing = 128,
        gone = 256,
        wants_close = 512,
        in_large_transfer_mode = 1024,
        more_wait = 2048,
        is_watched = 4096,
        missed = 8192,
        reader_waits = 16384,
        shuts_down = 32768,
    };
    static constexpr std::uint8_t end_of_stream = 255;  // not an errno
    static constexpr std::uint8_t was_shut_down = 255;  // not an errno

    static constexpr io::ready read_side = io::ready::readable | io::ready::read_closed;

    [[nodiscard]] static std::error_code system_error(int number) noexcept { return {number, std::generic_category()}; }
    [[nodiscard]] static std::error_code would_block() noexcept { return system_error(EAGAIN); }
    /// Returns whether the error is temporary, so that the operation is repeated, by the ring or without it.
    [[nodiscard]] static bool is_temporary(int error) noexcept;

    [[nodiscard]] bool has(flag one) const noexcept { return (flags_ & one) != 0; }
    void set(flag one) noexcept { flags_ = static_cast<std::uint16_t>(flags_ | one); }
    void clear(flag one) noexcept { flags_ = static_cast<std::uint16_t>(flags_ & ~one); }
    void destroy() noexcept override;
    [[nodiscard]] bool is_left_to_reader() const noexcept;
    void begin_or_request(ring_reactor& owner, std::unique_lock<spin_lock>&& guard) noexcept;
    void request_service(ring_reactor& owner, std::unique_lock<spin_lock>&& guard) noexcept;
    [[nodiscard]] bool has_unsent() const noexcept;
    void push_newest(received_chunk& chunk) noexcept;
    [[nodiscard]] received_chunk* pop_oldest() noexcept;
    [[nodiscard]] std::error_code reset_of_send() noexcept;
    [[nodiscard]] bool enters_large_transfer_mode(std::size_t count) noexcept;
    [[nodiscard]] bool has_streak(bool one_more, unsigned length) noexcept;
    [[nodiscard]] end_action end_transfers() noexcept;
    void drop_received() noexcept;
    void send_now() noexcept;
    void await_slot() noexcept;
    [[nodiscard]] result<void> await_slot(ring_reactor& owner, std::unique_lock<spin_lock>&& guard) noexcept;
    [[nodiscard]] result<bool> is_sent(ring_reactor& owner, std::unique_lock<spin_lock>&& guard) noexcept;
    void free_slot() noexcept;
    void shut_down_if_requested() noexcept;
    void reset_and_drop_rest() noexcept;
    void report_slot(bool is_free, std::unique_lock<spin_lock>&& guard) noexcept;
    [[nodiscard]] result<std::size_t> write_directly(ring_reactor& owner, send_list from) noexcept;
    [[nodiscard]] result<std::size_t> append(ring_reactor& owner, send_list from, std::size_t size,
                                             std::unique_lock<spin_lock>&& guard) noexcept;
    [[nodiscard]] result<std::size_t> send_behind_slot(send_list from) noexcept;
    [[nodiscard]] std::error_code take_send_error() noexcept;
    void queue(uring& ring, send_buffer& slot, std::unique_lock<spin_lock>&& guard) noexcept;

    // The object has no byte to spare: 128 per connection, as for any other source.
    received_chunk* newest_ = nullptr;  // a circular list: its `next` is the oldest chunk
    send_buffer* slot_ = nullptr;
    std::uint16_t flags_ = 0;
    std::uint16_t queued_ = 0;     // number of chunks
    std::uint8_t end_ = 0;         // end_of_stream, or an errno that the next read reports
    std::uint8_t send_error_ = 0;  // an errno that the next write reports; or was_shut_down, which every write reports
    std::uint8_t streak_ = 0;      // large chunks in a row; in large-transfer mode, small reads
    const brings what_;
};

#ifndef EDDY_EXPLORE
static_assert(sizeof(ring_connection) == 128);
#endif

}  // namespace eddy::detail
