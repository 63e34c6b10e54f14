// SPDX-License-Identifier: MIT
#pragma once

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include <eddy/future/future.hpp>
#include <eddy/time/clock.hpp>

#include "h1/message_stream.hpp"

namespace eddy::detail {

/// The callbacks and options of nghttp2's sessions. Each callback has the type that nghttp2's C interface needs.
struct http2_settings {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_option* options = nullptr;

    /// Makes empty callbacks, and the options that servers and clients share.
    /// Errors: throws std::bad_alloc.
    http2_settings();
    http2_settings(const http2_settings&) = delete;
    http2_settings& operator=(const http2_settings&) = delete;
    ~http2_settings();

    /// Removes the limits of nghttp2 for resets of streams, which gives no credit for complete requests, and for the
    /// frames of one block of fields. Servers have such limits themselves: http2_client_frames.
    void use_own_limits();
};

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

/// The part of an HTTP/2 connection that servers and clients share: nghttp2's session, and the transfer of its frames.
/// Thread safety: one thread at a time.
class http2_session {
public:
    enum class role : unsigned char { server, client };

    http2_session(const http2_session&) = delete;
    http2_session& operator=(const http2_session&) = delete;

    [[nodiscard]] message_stream& stream() noexcept { return stream_; }

    /// For callbacks of nghttp2: calls `function`. Keeps its exception for the connection, because exceptions must not
    /// pass through C.
    template <class F>
    int guarded(F&& function) noexcept {
        try {
            return function();
        } catch (...) {
            in_callback_ = std::current_exception();
            return NGHTTP2_ERR_CALLBACK_FAILURE;
        }
    }

protected:
    static constexpr std::size_t frames_read = 16 * 1024;  // bytes of one read
    static constexpr std::size_t most_frames = 64 * 1024;  // bytes of frames that are collected before they are written

    /// `self` is the object that nghttp2 passes to the callbacks.
    /// Errors: throws std::bad_alloc.
    http2_session(message_stream&& stream, role what, const http2_settings& settings, void* self);
    ~http2_session() = default;

    /// Receives bytes, and calls `feed(bytes)`. Returns whether there were any. A server reads nothing
    /// while too many frames wait to be sent; then the next send() that succeeds requires another turn. A client always
    /// reads: otherwise both sides could wait until the other one reads.
    template <class Feed>
    [[nodiscard]] bool receive_frames(context& cx, Feed feed) {
        skips_read_ = role_ == role::server && stream_.collected() >= most_frames;
        if (is_broken_ || skips_read_ || nghttp2_session_want_read(session_.get()) == 0) return false;
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): written by the read
        std::array<std::byte, frames_read> bytes;
        const auto count = stream_.poll_receive_idle(cx, bytes);
        if (!count) return false;
        if (!*count || **count == 0) {
            is_broken_ = true;
            if (!*count) broken_by_ = count->error();
            return false;
        }
        feed(std::span<const std::byte>(bytes).first(**count));
        return true;
    }
    /// Gives bytes to nghttp2. Returns false if they violate the protocol; the session then ends.
    [[nodiscard]] bool give(std::span<const std::byte> bytes);
    void collect();
    /// Writes the collected bytes. Returns whether another turn is needed: there is more to collect, or
    /// receive_frames() has read nothing because of these bytes, so that no read will wake the task.
    ///
    /// After a failed write, a server's connection is broken. A client's connection has lost its output, and is broken
    /// at the end of its input: the server may have answered before it has closed the connection.
    [[nodiscard]] bool send(context& cx);
    [[nodiscard]] bool is_over() const noexcept;
    void terminate(std::uint32_t why) noexcept {
        nghttp2_session_terminate_session(session_.get(), why);
        if (has_lost_output_) is_broken_ = true;  // GOAWAY cannot be sent
    }
    [[nodiscard]] nghttp2_session* session() const noexcept { return session_.get(); }

    void output_failed(std::error_code why) noexcept;
    /// Returns the time of this turn. Reset now_ at its beginning.
    [[nodiscard]] time::time_point now() noexcept {
        if (!now_) now_ = time::clock::now();
        return *now_;
    }

    struct session_deleter {
        void operator()(nghttp2_session* session) const noexcept { nghttp2_session_del(session); }
    };

    const role role_;
    message_stream stream_;
    std::optional<time::time_point> now_;
    std::unique_ptr<nghttp2_session, session_deleter> session_;
    std::exception_ptr in_callback_;
    std::error_code broken_by_;     // the error of the connection below, if it has failed
    bool is_broken_ = false;        // the connection below has ended or failed
    bool has_lost_output_ = false;  // see send()
    bool skips_read_ = false;       // see receive_frames()
    http2_settings_check settings_check_;
};

/// For nghttp2's read callback: returns the size of the next DATA frame, and sets its flags. `left` bytes can be sent
/// now, and `is_last` says whether they end the body. `most` is the largest size that flow control permits.
[[nodiscard]] inline std::ptrdiff_t size_of_data(std::size_t left, bool is_last, std::size_t most,
                                                 std::uint32_t& flags) noexcept {
    if (left == 0 && !is_last) return NGHTTP2_ERR_DEFERRED;
    const auto count = std::min(left, most);
    flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (is_last && count == left) flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<std::ptrdiff_t>(count);
}

// SAFETY: bytes may be read as char.
[[nodiscard]] inline std::string_view text_of(const std::uint8_t* data, std::size_t size) noexcept {
    return {reinterpret_cast<const char*>(data), size};
}

/// The callbacks of nghttp2 that servers and clients share: they have the types that its C interface needs. The user
/// data of a session is its Connection, which befriends this class. A body that is sent belongs to a Stream.
template <class Connection, class Stream>
struct http2_callbacks {
    static Connection& connection_of(void* user) noexcept { return *static_cast<Connection*>(user); }
    template <class F>
    static int guarded(void* user, F&& function) noexcept {
        auto& on = connection_of(user);
        return on.guarded([&] { return function(on); });
    }

    static int begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user) {
        return guarded(user, [&](Connection& on) { return on.begin_head(*frame); });
    }
    static int header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
                      const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* user) {
        return guarded(user, [&](Connection& on) {
            return on.add_field(frame->hd.stream_id, text_of(name, name_size), text_of(value, value_size));
        });
    }
    /// Called for a field with a character that is not permitted. Resets the stream.
    static int invalid_header(nghttp2_session*, const nghttp2_frame*, const std::uint8_t*, std::size_t,
                              const std::uint8_t*, std::size_t, std::uint8_t, void*) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    static int frame_received(nghttp2_session*, const nghttp2_frame* frame, void* user) {
        return guarded(user, [&](Connection& on) { return on.frame_received(*frame); });
    }
    static int data_received(nghttp2_session*, std::uint8_t, std::int32_t stream, const std::uint8_t* data,
                             std::size_t size, void* user) {
        return guarded(user, [&](Connection& on) { return on.data_received(stream, text_of(data, size)); });
    }
    static int frame_sent(nghttp2_session*, const nghttp2_frame* frame, void* user) {
        return guarded(user, [&](Connection& on) { return on.frame_sent(*frame); });
    }
    static int frame_not_sent(nghttp2_session*, const nghttp2_frame* frame, int why, void* user) {
        return guarded(user, [&](Connection& on) { return on.frame_not_sent(*frame, why); });
    }
    static int stream_closed(nghttp2_session*, std::int32_t stream, std::uint32_t why, void* user) {
        return guarded(user, [&](Connection& on) { return on.stream_closed(stream, why); });
    }
    static int send_part(nghttp2_session*, nghttp2_frame*, const std::uint8_t* head, std::size_t count,
                         nghttp2_data_source* source, void* user) {
        constexpr std::size_t head_size = 9;
        return guarded(user, [&](Connection& on) {
            return on.append_part(*static_cast<Stream*>(source->ptr), std::span(head, head_size), count);
        });
    }

    /// The read callback of a body that is sent. The data source is its Stream.
    static ssize_t read_part(nghttp2_session*, std::int32_t, std::uint8_t*, std::size_t most, std::uint32_t* flags,
                             nghttp2_data_source* source, void* user) {
        return connection_of(user).size_of_part(*static_cast<Stream*>(source->ptr), most, *flags);
    }

    static void set_in(nghttp2_session_callbacks* all) noexcept {
        nghttp2_session_callbacks_set_on_begin_headers_callback(all, &begin_headers);
        nghttp2_session_callbacks_set_on_header_callback(all, &header);
        nghttp2_session_callbacks_set_on_invalid_header_callback(all, &invalid_header);
        nghttp2_session_callbacks_set_on_frame_recv_callback(all, &frame_received);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(all, &data_received);
        nghttp2_session_callbacks_set_on_frame_send_callback(all, &frame_sent);
        nghttp2_session_callbacks_set_on_frame_not_send_callback(all, &frame_not_sent);
        nghttp2_session_callbacks_set_on_stream_close_callback(all, &stream_closed);
        nghttp2_session_callbacks_set_send_data_callback(all, &send_part);
    }
};

}  // namespace eddy::detail
