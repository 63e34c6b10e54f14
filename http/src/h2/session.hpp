// SPDX-License-Identifier: MIT
#pragma once

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

#include <eddy/detail/frame_pool.hpp>
#include <eddy/future/future.hpp>
#include <eddy/time/clock.hpp>
#include <eddy/time/sleep.hpp>

#include "h1/message_stream.hpp"
#include "h2/frames.hpp"
#include "h2/stream.hpp"

namespace eddy::detail {

/// Checks that a SETTINGS frame makes no window for sending too large (RFC 9113, section 6.9.2). nghttp2 only resets
/// the stream, and not the connection.
class http2_settings_check {
public:
    /// Begins with the windows before nghttp2 gets the frame: the windows of the `open` streams, which have a member
    /// `id`.
    template <class Streams>
    void begin(nghttp2_session* session, const Streams& open) noexcept {
        initial_ = initial_window(session);
        largest_ = 0;
        for (const auto& one : open)
            largest_ =
                std::max<std::int64_t>(largest_, nghttp2_session_get_stream_remote_window_size(session, one->id));
    }
    /// Returns whether a window is too large after the frame.
    [[nodiscard]] bool has_failed(nghttp2_session* session) const noexcept {
        return largest_ + initial_window(session) - initial_ > NGHTTP2_MAX_WINDOW_SIZE;
    }

private:
    static std::int64_t initial_window(nghttp2_session* session) noexcept {
        return nghttp2_session_get_remote_settings(session, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE);
    }

    std::int64_t initial_ = 0;
    std::int64_t largest_ = 0;
};

/// An HTTP/2 connection, as far as servers and clients are the same: nghttp2's session, the turns, the transfer of
/// frames, the bodies that are sent, the limits of useless frames, and the timer. The functions that a side overrides
/// add what its requests are.
///
///     open ──────GOAWAY, and no stream is left, or an error of the protocol──────────────────────┐
///      │  │                                                                                      v
///      │  └──the connection below has ended or failed──> broken ──────────────────────────────> closed
///      │                                                   ^
///      └──a write has failed──> lost output ──also the read, at once in a server─┘
///
/// | state       | members                                | what still happens                          |
/// |-------------|----------------------------------------|---------------------------------------------|
/// | open        |                                        | turns: receive, work, collect, send         |
/// | lost output | has_lost_output_                       | turns without the output: the peer may have |
/// |             |                                        | answered before it has closed the connection|
/// | broken      | is_broken_, broken_by_ if it failed    | the rest of the turn                        |
/// | closed      | closes_                                | the side ends its requests                  |
///
/// A turn is repeated until there is nothing to do. Then the task waits until bytes can be received or sent, until a
/// request wakes it, or for the timer.
/// Thread safety: one thread at a time.
class http2_session {
public:
    http2_session(const http2_session&) = delete;
    http2_session& operator=(const http2_session&) = delete;

    [[nodiscard]] message_stream& stream() noexcept { return stream_; }

protected:
    enum class role : unsigned char { server, client };

    static constexpr auto never = time::time_point::max();

    /// A stream whose body makes no progress for `io_timeout` has timed out.
    /// Errors: throws std::bad_alloc.
    http2_session(message_stream&& stream, role what, std::chrono::nanoseconds io_timeout);
    ~http2_session() = default;

    // What a side adds to a turn:

    /// The middle of a turn: receives frames, and lets the requests act. Returns whether there was something to do.
    [[nodiscard]] virtual bool work(context& cx) = 0;
    /// Prepares to wait. Returns true if there is something to do immediately.
    [[nodiscard]] virtual bool wait(context& cx) = 0;
    /// Ends the waits whose deadlines have passed. Returns the time of the next call, or `never`.
    [[nodiscard]] virtual time::time_point check_deadlines() = 0;
    /// The output was lost, which the state `lost output` describes.
    virtual void output_lost() noexcept = 0;

    // What the frames of the peer, and the sent ones, mean. `one` is null if the stream is not known.

    /// Called before nghttp2 gets a frame, and after it has got all of one.
    virtual void begin_frame(const http2_frame_head& frame) noexcept = 0;
    virtual void end_frame(const http2_frame_head&) noexcept {}
    virtual void begin_head(const nghttp2_frame& frame) = 0;
    /// Returns false if the fields are too large, after it has reset the stream.
    [[nodiscard]] virtual bool add_field(http2_stream& one, std::string_view name, std::string_view value) = 0;
    virtual void frame_received(const nghttp2_frame& frame, http2_stream* one) = 0;
    virtual void data_received(http2_stream* one, std::string_view data) = 0;
    virtual void frame_sent(const nghttp2_frame& frame) = 0;
    virtual void frame_not_sent(const nghttp2_frame& frame, int why) = 0;
    virtual void stream_closed(http2_stream& one, std::uint32_t why) = 0;
    /// Returns the size of the part of a body that is a reader, and whether it is the last one.
    [[nodiscard]] virtual std::pair<std::size_t, bool> part_of(const http2_stream& one) const noexcept {
        return {one.next.size(), one.next.is_last};
    }
    /// `count` bytes of a body were collected.
    virtual void part_sent(http2_stream& one, std::size_t count) noexcept = 0;
    /// The body that is sent has timed out.
    virtual void send_timed_out(http2_stream& one) noexcept = 0;
    /// The body that is received has timed out. Its reader has the error.
    virtual void receive_timed_out(http2_stream&) noexcept {}

    // For a side:

    /// Repeats turns and waits. Returns whether the connection is closed.
    [[nodiscard]] bool run(context& cx);
    /// Ends a closed connection. Returns whether the connection below can still be used.
    [[nodiscard]] bool finish(context& cx) noexcept;
    /// Sends what can be sent without a wait, and ends the output, because the event loop of the task ends.
    void end_at_once(context& cx) noexcept;

    /// Receives frames, and gives them to nghttp2. Returns whether there were any. A server reads nothing while too
    /// many frames wait to be sent; then the next send() that succeeds requires another turn. A client always reads:
    /// otherwise both sides could wait until the other one reads.
    [[nodiscard]] bool receive(context& cx);
    /// Polls the timer, which exists while there are deadlines. Returns whether another turn is needed.
    [[nodiscard]] bool poll_timer(context& cx);
    /// Ends the waits of a stream whose deadlines have passed. Returns the next deadline, or `never`.
    [[nodiscard]] time::time_point deadline_of(http2_stream& one, time::time_point now);

    /// Announces these settings, and the window of the connection. Returns false without memory.
    [[nodiscard]] bool announce(std::span<const nghttp2_settings_entry> settings, std::size_t window) noexcept;
    /// Returns the data source of a body that is sent.
    [[nodiscard]] static nghttp2_data_provider source_of(http2_stream& one) noexcept;
    /// Returns the number of bytes of a body that can be sent now, and whether they are the last ones.
    [[nodiscard]] std::pair<std::size_t, bool> sendable(const http2_stream& one) const noexcept {
        return one.is_streamed ? part_of(one) : std::pair(one.in_memory.size(), true);
    }
    void reset(http2_stream& one, std::uint32_t why) noexcept;
    void terminate(std::uint32_t why) noexcept;
    /// Same as above, if there is a reason.
    void refuse(http2_refusal why) noexcept {
        if (why) terminate(*why);
    }
    [[nodiscard]] static bool ends_stream(const nghttp2_frame& frame) noexcept {
        const bool may_end = frame.hd.type == NGHTTP2_HEADERS || frame.hd.type == NGHTTP2_DATA;
        return may_end && (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    }

    [[nodiscard]] nghttp2_session* session() const noexcept { return session_.get(); }
    /// Returns null if the stream is not open, or has no request. Its user data of nghttp2 is the http2_stream.
    [[nodiscard]] http2_stream* find(std::int32_t stream) const noexcept {
        return static_cast<http2_stream*>(nghttp2_session_get_stream_user_data(session(), stream));
    }
    /// Returns whether nghttp2's session has ended, and all of its frames were sent.
    [[nodiscard]] bool is_over() const noexcept;
    /// Returns the time of this poll.
    [[nodiscard]] time::time_point now() noexcept {
        if (!now_) now_ = time::clock::now();
        return *now_;
    }

    message_stream stream_;
    const std::chrono::nanoseconds io_timeout_;  // rounded up
    pool_box<time::sleep_future> timer_;         // null while there is no deadline
    http2_allowances allowed_;
    http2_settings_check settings_check_;
    std::error_code broken_by_;
    bool is_broken_ = false;
    bool has_lost_output_ = false;
    bool closes_ = false;

private:
    struct settings;
    struct session_deleter {
        void operator()(nghttp2_session* session) const noexcept { nghttp2_session_del(session); }
    };

    void turn(context& cx);
    void feed(std::span<const std::byte> bytes);
    [[nodiscard]] bool give(std::span<const std::byte> bytes);
    void collect();
    [[nodiscard]] bool send(context& cx);
    void received(const nghttp2_frame& frame);
    std::ptrdiff_t size_of_part(const http2_stream& one, std::size_t most, std::uint32_t& flags) const noexcept;
    int append_part(http2_stream& one, std::string_view frame_head, std::size_t count);

    const role role_;
    bool skips_read_ = false;  // see receive()
    http2_frames frames_;      // of the peer
    std::optional<time::time_point> now_;
    std::unique_ptr<nghttp2_session, session_deleter> session_;
    std::exception_ptr in_callback_;
};

}  // namespace eddy::detail
