// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/http/error.hpp>

#include "server/http2_connection.hpp"

// What the frames of a client mean: the callbacks of nghttp2, and how a stream begins and ends.

namespace eddy::detail {

http2_exchange* http2_connection::exchange_of(std::int32_t stream) const noexcept {
    return static_cast<exchange*>(nghttp2_session_get_stream_user_data(session_.get(), stream));
}

void http2_connection::begin_frame(const http2_frame_head& frame) noexcept {
    const bool begins_block = frame.type == NGHTTP2_HEADERS;
    const auto limit = time::round_up(options().header_timeout());
    refuse(frames_.begin(exchange_of(frame.stream) != nullptr,
                         begins_block ? time::saturating_add(now(), limit) : time::time_point::max()));
    if (frame.type == NGHTTP2_SETTINGS) settings_check_.begin(session(), exchanges_);
}

const http2_settings& http2_connection::shared_settings() {
    struct settings_of_server : http2_settings {
        settings_of_server() {
            use_own_limits();
            http2_connection::callbacks::set_in(callbacks);
            nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(
                callbacks, [](nghttp2_session*, const nghttp2_frame*, int, void* user) {
                    return http2_connection::callbacks::guarded(user, [](http2_connection& on) {
                        on.refuse(on.allowed_.take_frame());
                        return 0;
                    });
                });
        }
    };
    static const settings_of_server settings;
    return settings;
}

int http2_connection::begin_head(const nghttp2_frame& frame) {
    if (frame.hd.type != NGHTTP2_HEADERS || frame.headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    const auto stream = frame.hd.stream_id;
    // nghttp2 limits the open streams. Services that are being cancelled have no stream.
    // A connection that is aborted begins no request.
    if (exchanges_.size() >= std::size_t{2} * options().max_streams() || !accepted_.end_idle()) {
        nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, stream, NGHTTP2_REFUSED_STREAM);
        return 0;
    }
    head_limits limits;
    limits.bytes = options().header_limit();
    limits.fields = options().max_headers();
    exchanges_.push_back(std::make_unique<exchange>(stream, limits));
    exchanges_.back()->index = exchanges_.size() - 1;
    nghttp2_session_set_stream_user_data(session_.get(), stream, exchanges_.back().get());
    if (++requests_ == options().max_requests()) begin_drain();
    return 0;
}

int http2_connection::add_field(std::int32_t stream, std::string_view name, std::string_view value) {
    auto* const one = exchange_of(stream);
    if (one == nullptr) return 0;
    if (frames_.add_field(name.size() + value.size() + field_overhead)) {
        // A few received bytes can stand for a field of 4 KiB (HPACK bomb). nghttp2 checks the characters of each
        // field, but not of those that follow this error.
        reset(*one, NGHTTP2_ENHANCE_YOUR_CALM);
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    if (one->head) {
        one->head->add(name, value);
    } else if (one->incoming) {
        one->incoming->add_trailer(name, value);
    }
    return 0;
}

int http2_connection::frame_received(const nghttp2_frame& frame) {
    auto* const one = frame.hd.stream_id != 0 ? exchange_of(frame.hd.stream_id) : nullptr;
    const bool may_end = frame.hd.type == NGHTTP2_HEADERS || frame.hd.type == NGHTTP2_DATA;
    const bool ends_stream = may_end && (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    const bool is_ack = (frame.hd.flags & NGHTTP2_FLAG_ACK) != 0;
    if (one != nullptr && (ends_stream || frame.hd.type == NGHTTP2_RST_STREAM)) one->is_ended = true;
    refuse(allowed_.received(frame));
    switch (frame.hd.type) {
    case NGHTTP2_HEADERS:
        allowed_.earn_frames();
        if (one == nullptr) break;
        if (one->head) head_received(*one, !ends_stream);
        if (ends_stream && one->incoming) one->incoming->finish();
        break;
    case NGHTTP2_DATA:
        if (ends_stream && one != nullptr && one->incoming) one->incoming->finish();
        break;
    case NGHTTP2_PING:
        if (!is_ack) break;
        if (std::ranges::equal(frame.ping.opaque_data, window_probe)) {
            probe_answered();
        } else if (drains_) {
            end_drain();
        }
        break;
    case NGHTTP2_SETTINGS:
        if (!is_ack && settings_check_.has_failed(session())) terminate(NGHTTP2_FLOW_CONTROL_ERROR);
        break;
    default: break;
    }
    return 0;
}

int http2_connection::frame_sent(const nghttp2_frame& frame) {
    const bool may_end = frame.hd.type == NGHTTP2_HEADERS || frame.hd.type == NGHTTP2_DATA;
    if (frame.hd.type == NGHTTP2_RST_STREAM && frame.rst_stream.error_code != NGHTTP2_NO_ERROR) {
        // The client may have caused this reset by a frame that is not permitted (CVE-2025-8671).
        refuse(allowed_.take_reset());
    } else if (may_end && (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
        allowed_.earn_reset();
        // The client need not send the rest of its request (RFC 9113, section 8.1).
        const auto stream = frame.hd.stream_id;
        if (auto* const one = exchange_of(stream); one != nullptr) one->call.is_answered = true;
        if (nghttp2_session_get_stream_remote_close(session_.get(), stream) == 0)
            nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, stream, NGHTTP2_NO_ERROR);
    }
    return 0;
}

/// Resets the stream of a response whose head is too large for nghttp2.
int http2_connection::frame_not_sent(const nghttp2_frame& frame, int why) {
    const auto* const one = exchange_of(frame.hd.stream_id);
    if (frame.hd.type != NGHTTP2_HEADERS || one == nullptr) return 0;
    if (why == NGHTTP2_ERR_FRAME_SIZE_ERROR) fail(std::make_error_code(std::errc::message_size), nullptr);
    reset(*one, NGHTTP2_INTERNAL_ERROR);
    return 0;
}

int http2_connection::data_received(std::int32_t stream, std::string_view data) {
    auto* const one = exchange_of(stream);
    allowed_.earn_frames();
    if (one != nullptr && one->incoming) {
        one->received += data.size();
        if (one->received > options().body_limit()) one->incoming->finish(make_error_code(http::errc::body_too_large));
        if (one->incoming->append(data)) return 0;
    }
    // There is no reader. The window of the stream does not grow, so that the client must stop.
    nghttp2_session_consume_connection(session_.get(), data.size());
    return 0;
}

int http2_connection::stream_closed(std::int32_t stream, std::uint32_t) {
    auto* const one = exchange_of(stream);
    if (one == nullptr) return 0;
    one->is_open = false;
    if (one->is_ended) frames_.end_stream(one->id);
    if (one->incoming && !one->has_answer) one->incoming->finish(std::make_error_code(std::errc::connection_reset));
    tell_service(*one);
    detach_body(*one);
    if (one->has_work) {
        one->work.wake_by_ref();
    } else {
        std::erase(begun_, one);
        remove(*one);
    }
    return 0;
}

}  // namespace eddy::detail
