// SPDX-License-Identifier: MIT
#include "h2/session.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>
#include <type_traits>

#include <eddy/error.hpp>

#include "h2/heads.hpp"

namespace eddy::detail {

namespace {

constexpr std::size_t frames_read = 16 * 1024;  // bytes of one read
constexpr std::size_t most_frames = 64 * 1024;  // bytes of frames that are collected before they are written
constexpr std::size_t client_preface = 24;      // bytes
constexpr std::size_t frame_head_size = 9;
constexpr int too_many_continuations = -905;  // NGHTTP2_ERR_TOO_MANY_CONTINUATIONS, which older versions do not have

/// Removes the limits of newer versions of nghttp2 that http2_client_frames has instead: for resets of streams, which
/// gives no credit for complete requests, and for the frames of one block of fields. Templates, because older versions
/// do not declare the functions.
template <class Options>
void remove_limits(Options* of) {
    constexpr std::uint64_t unlimited = std::numeric_limits<std::uint32_t>::max();
    if constexpr (requires { nghttp2_option_set_stream_reset_rate_limit(of, unlimited, unlimited); })
        nghttp2_option_set_stream_reset_rate_limit(of, unlimited, unlimited);
    if constexpr (requires { nghttp2_option_set_max_continuations(of, std::size_t{unlimited}); })
        nghttp2_option_set_max_continuations(of, std::size_t{unlimited});
}

// SAFETY: bytes may be read as char.
std::string_view text_of(const std::uint8_t* data, std::size_t size) noexcept {
    return {reinterpret_cast<const char*>(data), size};
}

}  // namespace

// ---- nghttp2 ----

/// The callbacks and options of the sessions of one side. The user data of a session is its http2_session, and the
/// source of a body is its http2_stream.
struct http2_session::settings {
    nghttp2_session_callbacks* all = nullptr;
    nghttp2_option* options = nullptr;

    /// Errors: throws std::bad_alloc.
    explicit settings(role what) {
        if (nghttp2_session_callbacks_new(&all) != 0) throw std::bad_alloc();
        if (nghttp2_option_new(&options) != 0) {
            nghttp2_session_callbacks_del(all);
            throw std::bad_alloc();
        }
        // The flow-control windows grow only by the bytes that were read from the bodies.
        nghttp2_option_set_no_auto_window_update(options, 1);
        // Closed streams are not kept for the tree of priorities.
        nghttp2_option_set_no_closed_streams(options, 1);
        set_callbacks();
        if (what == role::client) return;
        remove_limits(options);
        nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(
            all, [](nghttp2_session*, const nghttp2_frame*, int, void* user) {
                return guarded(user, [](http2_session& on) { on.refuse(on.allowed_.take_frame()); });
            });
    }
    settings(const settings&) = delete;
    settings& operator=(const settings&) = delete;
    ~settings() {
        nghttp2_option_del(options);
        nghttp2_session_callbacks_del(all);
    }

    static const settings& of(role what) {
        if (what == role::client) {
            static const settings client(role::client);
            return client;
        }
        static const settings server(role::server);
        return server;
    }

    /// Calls `function(session)`. Keeps its exception for the connection, because exceptions must not pass through C.
    template <class F>
    static int guarded(void* user, F&& function) noexcept {
        auto& on = *static_cast<http2_session*>(user);
        try {
            if constexpr (std::is_void_v<decltype(function(on))>) {
                function(on);
                return 0;
            } else {
                return function(on);
            }
        } catch (...) {
            on.in_callback_ = std::current_exception();
            return NGHTTP2_ERR_CALLBACK_FAILURE;
        }
    }

    template <auto Member>
    static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user) noexcept {
        return guarded(user, [&](http2_session& on) { (on.*Member)(*frame); });
    }
    /// The read callback of a body that is sent.
    static ssize_t read_part(nghttp2_session*, std::int32_t, std::uint8_t*, std::size_t most, std::uint32_t* flags,
                             nghttp2_data_source* source, void* user) {
        return static_cast<http2_session*>(user)->size_of_part(*static_cast<http2_stream*>(source->ptr), most, *flags);
    }

private:
    void set_callbacks() noexcept {
        nghttp2_session_callbacks_set_on_begin_headers_callback(all, on_frame<&http2_session::begin_head>);
        nghttp2_session_callbacks_set_on_frame_recv_callback(all, on_frame<&http2_session::received>);
        nghttp2_session_callbacks_set_on_frame_send_callback(all, on_frame<&http2_session::frame_sent>);
        nghttp2_session_callbacks_set_on_header_callback(
            all, [](nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
                    const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* user) {
                return guarded(user, [&](http2_session& on) {
                    auto* const one = on.find(frame->hd.stream_id);
                    if (one == nullptr) return 0;
                    if (on.add_field(*one, text_of(name, name_size), text_of(value, value_size))) return 0;
                    // A few received bytes can stand for a field of 4 KiB (HPACK bomb). nghttp2 checks the characters
                    // of each field, but not of those that follow this error.
                    return int{NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE};
                });
            });
        // A field with a character that is not permitted resets the stream.
        nghttp2_session_callbacks_set_on_invalid_header_callback(
            all, [](auto...) { return int{NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE}; });
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
            all, [](nghttp2_session*, std::uint8_t, std::int32_t stream, const std::uint8_t* data, std::size_t size,
                    void* user) {
                return guarded(user, [&](http2_session& on) {
                    on.allowed_.earn_frames();
                    on.data_received(on.find(stream), text_of(data, size));
                });
            });
        nghttp2_session_callbacks_set_on_frame_not_send_callback(
            all, [](nghttp2_session*, const nghttp2_frame* frame, int why, void* user) {
                return guarded(user, [&](http2_session& on) { on.frame_not_sent(*frame, why); });
            });
        nghttp2_session_callbacks_set_on_stream_close_callback(
            all, [](nghttp2_session*, std::int32_t stream, std::uint32_t why, void* user) {
                return guarded(user, [&](http2_session& on) {
                    if (auto* const one = on.find(stream); one != nullptr) on.stream_closed(*one, why);
                });
            });
        nghttp2_session_callbacks_set_send_data_callback(all, [](nghttp2_session*, nghttp2_frame*,
                                                                 const std::uint8_t* head, std::size_t count,
                                                                 nghttp2_data_source* source, void* user) {
            return guarded(user, [&](http2_session& on) {
                return on.append_part(*static_cast<http2_stream*>(source->ptr), text_of(head, frame_head_size), count);
            });
        });
    }
};

http2_session::http2_session(message_stream&& stream, role what, std::chrono::nanoseconds io_timeout)
    : stream_(std::move(stream)),
      io_timeout_(time::round_up(io_timeout)),
      role_(what),
      frames_(what == role::server ? client_preface : 0) {
    nghttp2_session* made = nullptr;
    const auto create = what == role::server ? &nghttp2_session_server_new2 : &nghttp2_session_client_new2;
    const auto& shared = settings::of(what);
    if (create(&made, shared.all, this, shared.options) != 0) throw std::bad_alloc();
    session_.reset(made);
}

bool http2_session::announce(std::span<const nghttp2_settings_entry> settings, std::size_t window) noexcept {
    const auto size = static_cast<std::int32_t>(window);
    return nghttp2_submit_settings(session(), NGHTTP2_FLAG_NONE, settings.data(), settings.size()) == 0 &&
           nghttp2_session_set_local_window_size(session(), NGHTTP2_FLAG_NONE, 0, size) == 0;
}

void http2_session::reset(http2_stream& one, std::uint32_t why) noexcept {
    one.was_reset = true;
    nghttp2_submit_rst_stream(session(), NGHTTP2_FLAG_NONE, one.id, why);
}

// ---- A turn ----

bool http2_session::run(context& cx) try {
    now_.reset();
    if (const auto early = stream_.in(); !early.empty()) {
        feed(std::as_bytes(std::span(early)));
        stream_.consume(early.size());
    }
    do {
        turn(cx);
    } while (!closes_ && wait(cx));
    return closes_;
} catch (...) {
    is_broken_ = true;  // frames may be lost, or in out() in part, so nothing more may be sent: see end_at_once()
    throw;
}

void http2_session::turn(context& cx) {
    for (bool moves = true; moves && !closes_;) {
        moves = work(cx);
        collect();
        if (send(cx)) moves = true;
        closes_ = is_broken_ || is_over();
    }
}

bool http2_session::receive(context& cx) {
    skips_read_ = role_ == role::server && stream_.collected() >= most_frames;
    if (is_broken_ || skips_read_ || nghttp2_session_want_read(session()) == 0) return false;
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

/// Gives bytes to nghttp2, frame by frame.
void http2_session::feed(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const auto part = bytes.first(frames_.next(bytes));
        bytes = bytes.subspan(part.size());
        if (frames_.take_begin()) begin_frame(frames_.current());
        if (!give(part)) return;
        if (frames_.is_complete()) end_frame(frames_.current());
    }
}

/// Returns false if the bytes violate the protocol; the session then ends.
bool http2_session::give(std::span<const std::byte> bytes) {
    // SAFETY: bytes may be read as integers of 8 bits.
    const auto* const data = reinterpret_cast<const std::uint8_t*>(bytes.data());
    const auto used = nghttp2_session_mem_recv(session(), data, bytes.size());
    if (in_callback_) std::rethrow_exception(std::exchange(in_callback_, nullptr));
    if (used == NGHTTP2_ERR_NOMEM) throw std::bad_alloc();
    if (used >= 0) return true;
    const bool is_flood = used == NGHTTP2_ERR_FLOODED || used == too_many_continuations;
    terminate(is_flood ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR);
    return false;
}

void http2_session::received(const nghttp2_frame& frame) {
    auto* const one = frame.hd.stream_id != 0 ? find(frame.hd.stream_id) : nullptr;
    const bool is_end = one != nullptr && ends_stream(frame);
    if (is_end) one->has_ended = true;
    // A server's reset of a request is the answer to it.
    const bool is_answer = role_ == role::client && frame.hd.type == NGHTTP2_RST_STREAM && one != nullptr;
    if (!is_answer) refuse(allowed_.received(frame));
    const bool has_settings = frame.hd.type == NGHTTP2_SETTINGS && (frame.hd.flags & NGHTTP2_FLAG_ACK) == 0;
    if (has_settings && settings_check_.has_failed(session())) terminate(NGHTTP2_FLOW_CONTROL_ERROR);
    frame_received(frame, one);
    if (is_end && one->incoming) one->incoming->finish();
}

/// Collects frames for the next write.
void http2_session::collect() {
    while (!has_lost_output_ && stream_.collected() < most_frames) {
        const std::uint8_t* data = nullptr;
        const auto count = nghttp2_session_mem_send(session(), &data);
        if (in_callback_) std::rethrow_exception(std::exchange(in_callback_, nullptr));
        if (count == NGHTTP2_ERR_NOMEM) throw std::bad_alloc();
        if (count < 0) is_broken_ = true;
        if (count <= 0) return;
        stream_.out().append(text_of(data, static_cast<std::size_t>(count)));
    }
}

/// Writes the collected bytes. Returns whether another turn is needed: there is more to collect, or receive() has read
/// nothing because of these bytes, so that no read will wake the task.
bool http2_session::send(context& cx) {
    if (is_broken_ || has_lost_output_ || !stream_.has_unsent()) return false;
    const auto flushed = stream_.poll_flush(cx);
    if (!flushed) return false;
    if (!*flushed) {
        broken_by_ = flushed->error();
        has_lost_output_ = true;
        stream_.discard_unsent();
        if (broken_by_ == errc::timed_out) is_broken_ = true;
        output_lost();
    }
    return !is_broken_ && (has_lost_output_ || skips_read_ || nghttp2_session_want_write(session()) != 0);
}

// ---- Bodies that are sent ----

nghttp2_data_provider http2_session::source_of(http2_stream& one) noexcept {
    nghttp2_data_provider made{};
    made.source.ptr = &one;
    made.read_callback = &settings::read_part;
    return made;
}

/// Returns the size of the next DATA frame, which append_part() makes, and sets its flags. `most` is the largest size
/// that flow control permits.
std::ptrdiff_t http2_session::size_of_part(const http2_stream& one, std::size_t most,
                                           std::uint32_t& flags) const noexcept {
    const auto [left, is_last] = sendable(one);
    if (left == 0 && !is_last) return NGHTTP2_ERR_DEFERRED;
    const auto count = std::min(left, most);
    flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (is_last && count == left) {
        flags |= NGHTTP2_DATA_FLAG_EOF;
        if (!one.trailers.empty()) {
            flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            if (!submit_trailers(session(), one.id, one.trailers)) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        }
    }
    return static_cast<std::ptrdiff_t>(count);
}

int http2_session::append_part(http2_stream& one, std::string_view frame_head, std::size_t count) {
    // A frame that has waited for room below is not sent after a reset: the body may be gone, as in drop_unread().
    if (one.was_reset) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (stream_.collected() >= most_frames) return NGHTTP2_ERR_WOULDBLOCK;  // is called again
    const auto left = sendable(one).first;
    allowed_.earn_for(count, count == left);
    auto& out = stream_.out();
    out.append(frame_head);
    if (!one.is_streamed) {
        out.append(one.in_memory.substr(0, count));
        one.in_memory.remove_prefix(count);
    } else if (count != 0) {
        // SAFETY: bytes may be read as char. A part is not changed before it is empty.
        out.append(reinterpret_cast<const char*>(one.next.memory.get() + one.next.begin), count);
    }
    one.has_part = left != count;
    one.since = now();
    part_sent(one, count);
    return 0;
}

// ---- Deadlines ----

bool http2_session::poll_timer(context& cx) {
    const bool is_new = !timer_;
    if (is_new) {
        const auto next = check_deadlines();
        if (next == never) return false;
        timer_.reset(pool_new<time::sleep_future>(next));
    }
    if (!timer_->poll(cx)) return is_new && (closes_ || is_broken_ || nghttp2_session_want_write(session()) != 0);
    timer_.reset();
    return true;
}

time::time_point http2_session::deadline_of(http2_stream& one, time::time_point now) {
    auto next = never;
    if (one.incoming && !one.was_reset) {
        next = one.incoming->deadline(io_timeout_);
        if (next <= now) {
            next = never;
            one.incoming->finish(make_error_code(errc::timed_out));
            receive_timed_out(one);
        }
    }
    if (!one.was_reset && sendable(one).first != 0) {
        const auto limit = time::saturating_add(one.since, io_timeout_);
        if (limit > now) return std::min(next, limit);
        send_timed_out(one);
    }
    return one.was_reset ? never : next;
}

// ---- The end ----

void http2_session::terminate(std::uint32_t why) noexcept {
    nghttp2_session_terminate_session(session(), why);
    if (has_lost_output_) is_broken_ = true;  // GOAWAY cannot be sent
}

bool http2_session::is_over() const noexcept {
    return nghttp2_session_want_read(session()) == 0 && nghttp2_session_want_write(session()) == 0 &&
           !stream_.has_unsent();
}

bool http2_session::finish(context& cx) noexcept {
    if (is_broken_ && !broken_by_) stream_.end_writing(cx);  // the peer has ended its direction in order
    return !is_broken_;
}

void http2_session::end_at_once(context& cx) noexcept try {
    if (is_broken_) return;
    collect();
    if (!is_broken_) stream_.end_writing(cx);
} catch (...) {
    is_broken_ = true;  // no memory for GOAWAY
}

}  // namespace eddy::detail
