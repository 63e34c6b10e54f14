// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <system_error>

#include <eddy/detail/scheduled_io.hpp>
#include <eddy/io/interest.hpp>
#include <eddy/io/leased_buffer.hpp>
#include <eddy/result.hpp>

namespace eddy::detail {

class io_handle;
class stream_source;
class uring;
struct received_chunk;
struct send_slot;

/// How a receive, or an accept, has ended.
struct operation_end {
    bool closes;         ///< the stream is to be closed now
    bool was_cancelled;  ///< by a stop
};

/// What a stream's write is to send: one span, or several.
using send_list = std::span<const std::span<const std::byte>>;

/// The registration of a connection whose bytes move through a ring: received before they are asked for, and sent after
/// write() has said that they are; or of a listener that somebody waits for, whose next connection the ring accepts. To
/// those who wait it is a scheduled_io: "readable" means that take() is worth calling, "writable" that write() is.
///
///     field                who                                                     guarded by
///     the queue, slot_,    the task: takes bytes, writes; the ring's owner:        lock_
///     end_, flags_, ...    brings bytes, tells what became of a send
///     next_posted_         whoever has set `posted`; then who empties the list     the list (io_handle)
///     watched_             whoever watches the descriptor                          io_handle's lock
///
///     flag           set by                             cleared by               while it is set
///     receives       the owner, with an operation       its last completion      nobody else reads the socket
///     wants_receive  the task, which begins or posts    the owner, when it has   the task waits, and does not read
///                                                       begun; the task
///     wants_stop     the task, and posts                the owner                the operation is to end
///     stops          the owner, with a cancel           the last completion      no second one is sent
///     posted         whoever posts                      the owner                linked in the list, which has a
///     reference reads_itself   the owner, if it has no buffers,   the owner; for a         the task calls recv(2), or
///     accept(2), first
///                    or accepting has failed            listener, the task
///     is_bulky       the owner: large pieces come       the task: small ones do  the task calls recv(2) when the epoll
///     says so more_wait      the owner, if there may be others  the task, when there     the task calls accept(2)
///     before it asks the ring:
///                    behind what it has accepted        are none                 so a burst takes no turn of the loop
///                    for each
///     writer_waits   the task that found the slot full  who frees it             "writable" is owed
///     closing        the socket, when it is destroyed   -                        the driver closes the descriptor
///     gone           whoever closes it                  -                        what still comes is thrown away
///
/// References: the socket, the registration set, the receive, the list of posted ones and a queued slot have one each.
class stream_source : public scheduled_io {
public:
    enum class brings : bool { bytes, connections };

    explicit stream_source(int fd, brings what = brings::bytes) noexcept;
    stream_source(const stream_source&) = delete;
    stream_source& operator=(const stream_source&) = delete;
    ~stream_source();

    [[nodiscard]] static stream_source& of(scheduled_io& source) noexcept {
        return static_cast<stream_source&>(source);
    }
    [[nodiscard]] int fd() const noexcept { return fd_; }
    [[nodiscard]] bool is_listener() const noexcept { return what_ == brings::connections; }

    // ---- Whoever reads: any thread, one at a time ----

    enum class received { chunk, end, error, nothing, read_it_yourself };
    struct taken {
        received what = received::nothing;
        received_chunk* chunk = nullptr;  ///< the caller's from now on
        std::error_code error{};
        bool was_last = false;  ///< and more will be reported; to read it yourself: so is what comes after a short read
    };
    /// The next bytes. `nothing`: more were asked for. After `read_it_yourself` it is the caller who asks for them, by
    /// request_receive(), once recv(2) would block.
    [[nodiscard]] taken take(io_handle& home) noexcept;
    /// Whether take() would give a chunk. Only whoever reads takes them, so it stays true until then.
    [[nodiscard]] bool has_chunk() noexcept;
    /// The oldest chunk, or null.
    [[nodiscard]] received_chunk* take_chunk() noexcept;
    /// Puts the rest of a chunk back in front.
    void put_back(received_chunk& rest) noexcept;
    /// Copies what was received, and what is behind that in the socket, as far as there is room.
    [[nodiscard]] std::size_t peek(std::span<std::byte> into) noexcept;
    /// Has the ring receive, if it does not.
    void request_receive(io_handle& home) noexcept;
    /// Of a listener, whose caller had to accept by itself: that has succeeded.
    void accepts_again() noexcept;
    /// Of a stream, whose caller had to read by itself, and got so much.
    void has_read(std::size_t count) noexcept;
    /// The same, and found the end of the stream: the error that it was, if it was none in order.
    /// (operation_would_block: that will be known soon, and "readable" be told.)
    [[nodiscard]] std::error_code has_read_end() noexcept;
    /// For readable(): the same, and until bytes are there it is not readable.
    void request_readiness(io_handle& home) noexcept;
    /// Has the ring stop receiving. True once it has; until then "readable" is owed.
    [[nodiscard]] bool stop_receiving(io_handle& home) noexcept;

    // ---- Whoever writes: any thread, one at a time ----

    /// Hands over what there is room for; `ring` is that of this thread, or null.
    [[nodiscard]] result<std::size_t> write(io_handle& home, uring* ring, send_list from) noexcept;
    /// The same for a part of what is leased: the lease is taken over if that saves a copy.
    [[nodiscard]] result<std::size_t> write_leased(io_handle& home, uring* ring, io::leased_buffer& lease,
                                                   std::span<const std::byte> from) noexcept;
    /// Whether all has been handed to the system; if not, "writable" is owed. Sends what waits for the end of a turn.
    /// Errors: what a send has met; and what watch_stream() says, if nobody would tell.
    [[nodiscard]] result<bool> flush(io_handle& home) noexcept;
    /// The same, and what a send has met is left for take_error().
    [[nodiscard]] result<bool> finish_sending(io_handle& home) noexcept;

    /// Nothing more will be written: true if all has been handed to the system. If not, the writing side is shut down
    /// when it has been, or has failed.
    [[nodiscard]] bool shut_down_when_sent() noexcept;

    /// When nothing is in flight any more: what the next read, or else the next write, would have told of the
    /// connection.
    [[nodiscard]] std::error_code take_error() noexcept;

    // ---- The socket's end ----

    enum class end_action { close, cancel_first, wait_for_send };
    /// The socket is destroyed. Drops its wakers and what was received, and sends what waits for the end of a turn.
    /// `close`: nothing is in flight (or it is another process's, as in a forked child), and the caller closes the
    /// descriptor.
    [[nodiscard]] end_action end(bool is_parents) noexcept;
    /// After end(): the driver closes the descriptor, later. True if nothing is in flight any more: now.
    [[nodiscard]] bool leave_to_driver(io_handle& home) noexcept;
    /// After end(): what is left is not waited for any longer than this.
    void linger(std::chrono::steady_clock::time_point until) noexcept;
    /// Gives up what is left, and resets the connection, if that time has come; true if the descriptor is to be closed
    /// now. `earliest` becomes that time, if that is earlier.
    [[nodiscard]] bool give_up(std::chrono::steady_clock::time_point now,
                               std::chrono::steady_clock::time_point& earliest) noexcept;
    /// After end(), when nobody would tell that there is room: gives up what is left at once. False if another loop's
    /// ring is sending it at this moment, or a ring receives still; what becomes of that closes the descriptor.
    [[nodiscard]] bool give_up_now() noexcept;
    /// After another answer of end(): the caller closes the descriptor. False if somebody else does.
    [[nodiscard]] bool mark_gone() noexcept;
    [[nodiscard]] bool is_closing() noexcept;

    // ---- The driver ----

    struct wanted {
        bool receive = false;
        bool itself = false;  ///< but not by the ring
        bool stop = false;
        bool close = false;
    };
    /// What the stream was posted for. A receive stays wanted until begin_receive() or read_itself().
    [[nodiscard]] wanted take_wanted() noexcept;
    /// After take_wanted() has said so: the stop has to wait. False if there is nothing to stop any more, or if
    /// somebody else has posted the stream meanwhile; else it is posted again, and the caller has to put it into a
    /// list.
    [[nodiscard]] bool wants_stop_again() noexcept;
    struct begun {
        bool is_wanted;    ///< else there is to be none
        bool was_watched;  ///< for reading, which is over
    };
    /// Before a receive is submitted.
    [[nodiscard]] begun begin_receive() noexcept;
    /// The descriptor is watched in place of that.
    void read_itself() noexcept;
    /// Nor can it be watched: told to the next read.
    void fail(const std::error_code& error) noexcept;
    /// Whether a cancel is to be sent, which is up to the caller then.
    [[nodiscard]] bool begin_stop() noexcept;
    void stop_failed() noexcept;
    /// True if there are so many that the operation should stop: the caller gets a reference then.
    [[nodiscard]] bool deliver(received_chunk& chunk) noexcept;
    /// The ring has ended without a word about what it has of this stream. The references for that stay: the kernel may
    /// still be at it.
    void lose_ring(const io_handle& home) noexcept;
    /// The last completion of a receive, which gives its reference up.
    [[nodiscard]] operation_end receive_ended(int result) noexcept;
    /// The same of an accept, and what it has brought: a connection, or null. `others_wait`: behind this one, perhaps.
    [[nodiscard]] operation_end accept_ended(received_chunk* connection, int result, bool others_wait) noexcept;
    /// Events of the readiness driver.
    void on_ready(io_handle& home, io::ready what) noexcept;

    /// Of a slot in a ring's queue: what is to be sent, or nothing any more. Says whether somebody waits for that.
    [[nodiscard]] std::span<const std::byte> begin_send(send_slot& slot, bool& is_awaited) noexcept;
    /// A send has failed, or has not sent all.
    void send_completed(int result) noexcept;
    enum class sent { all, rest, close };
    /// The ring's enter is over. `rest`: the descriptor has to be watched for writing; `close`: by the caller. With
    /// both he gets a reference of the slot's home.
    [[nodiscard]] sent settle(send_slot& slot) noexcept;

    stream_source* next_posted = nullptr;

    // ---- Under the io_handle's lock ----
    static constexpr std::uint8_t for_writing = 1;
    static constexpr std::uint8_t for_reading = 2;
    static constexpr std::uint8_t for_all = 4;
    static constexpr std::uint8_t for_bulk = 16;    // for reading, and for what cuts a read short
    static constexpr std::uint8_t never_again = 8;  // it was taken out: the descriptor's number may be somebody else's
    std::uint8_t watched = 0;

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
        is_bulky = 1024,
        more_wait = 2048,
    };
    static constexpr unsigned all_flags = 4095;
    static constexpr std::uint8_t end_of_stream = 255;  // no errno
    static constexpr std::uint8_t was_shut_down = 255;  // nor this

    [[nodiscard]] bool has(flag one) const noexcept { return (flags_ & one) != 0; }
    void set(flag one) noexcept { flags_ = (flags_ | one) & all_flags; }
    void clear(flag one) noexcept { flags_ = flags_ & ~one & all_flags; }
    [[nodiscard]] bool is_left_to_reader() const noexcept;
    void begin_or_post(io_handle& home, std::unique_lock<spin_lock>&& guard) noexcept;
    void post_to(io_handle& home, std::unique_lock<spin_lock>&& guard) noexcept;
    [[nodiscard]] bool has_unsent() const noexcept;
    void push_newest(received_chunk& chunk) noexcept;
    [[nodiscard]] received_chunk* pop_oldest() noexcept;
    [[nodiscard]] std::error_code reset_of_send() noexcept;
    [[nodiscard]] bool becomes_bulky(std::size_t count) noexcept;
    [[nodiscard]] bool has_streak(bool one_more, unsigned length) noexcept;
    [[nodiscard]] end_action end_transfers() noexcept;
    void drop_received() noexcept;
    void send_now() noexcept;
    void await_slot() noexcept;
    [[nodiscard]] result<void> await_slot(io_handle& home, std::unique_lock<spin_lock>&& guard) noexcept;
    [[nodiscard]] result<bool> is_sent(io_handle& home, std::unique_lock<spin_lock>&& guard) noexcept;
    void free_slot() noexcept;
    void shut_down_if_owed() noexcept;
    void reset_and_drop_rest() noexcept;
    void tell_of_slot(bool is_free, std::unique_lock<spin_lock>&& guard) noexcept;
    [[nodiscard]] result<std::size_t> write_directly(io_handle& home, send_list from) noexcept;
    [[nodiscard]] result<std::size_t> append(io_handle& home, send_list from, std::size_t size,
                                             std::unique_lock<spin_lock>&& guard) noexcept;
    [[nodiscard]] result<std::size_t> send_behind_slot(send_list from) noexcept;
    [[nodiscard]] std::error_code take_send_error() noexcept;
    void queue(uring& ring, send_slot& slot, std::unique_lock<spin_lock>&& guard) noexcept;

    // In the padding of scheduled_io, so that a stream takes no more memory than any other source.
    const brings what_;
    std::uint8_t end_ = 0;         // end_of_stream, or an errno that read() has not told yet
    std::uint8_t send_error_ = 0;  // the same of write(); or was_shut_down, by its own side, for every write to tell
    std::uint16_t flags_ : 12 = 0;
    std::uint16_t streak_ : 4 = 0;        // of large pieces; while is_bulky, of small ones
    std::uint16_t queued_ : 13 = 0;       // chunks
    std::uint16_t is_watched_ : 1 = 0;    // for reading, by the epoll
    std::uint16_t reader_waits_ : 1 = 0;  // at the end of the stream, for what has become of the slot
    std::uint16_t shuts_down_ : 1 = 0;    // the writing side, when the slot is free
    received_chunk* newest_ = nullptr;    // the queue is a ring: its next is the oldest
    send_slot* slot_ = nullptr;
};

#ifndef EDDY_EXPLORE
static_assert(sizeof(stream_source) == 128);
#endif

}  // namespace eddy::detail
