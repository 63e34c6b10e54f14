// SPDX-License-Identifier: MIT
#include "server/http2_exchange.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/http/error.hpp>

#include "server/http2_connection.hpp"

// A request of HTTP/2 and its response: what the frames of a client mean, the call of the service, and what nghttp2
// sends of the response.

namespace eddy::detail {

constexpr std::size_t least_held = 4 * 1024;  // smaller responses are not counted

// ---- Frames ----

void http2_connection::begin_frame(const http2_frame_head& frame) noexcept {
    const bool begins_block = frame.type == NGHTTP2_HEADERS;
    const auto limit = time::round_up(options().header_timeout());
    refuse(
        frames_.begin(frame, find(frame.stream) != nullptr, begins_block ? time::saturating_add(now(), limit) : never));
    if (frame.type == NGHTTP2_SETTINGS) settings_check_.begin(session(), exchanges_);
}

void http2_connection::begin_head(const nghttp2_frame& frame) {
    if (frame.hd.type != NGHTTP2_HEADERS || frame.headers.cat != NGHTTP2_HCAT_REQUEST) return;
    const auto stream = frame.hd.stream_id;
    // nghttp2 limits the open streams. Services that are being cancelled have no stream.
    // A connection that is aborted begins no request.
    if (exchanges_.size() >= std::size_t{2} * options().max_streams() || !accepted_.end_idle()) {
        nghttp2_submit_rst_stream(session(), NGHTTP2_FLAG_NONE, stream, NGHTTP2_REFUSED_STREAM);
        return;
    }
    head_limits limits;
    limits.bytes = options().header_limit();
    limits.fields = options().max_headers();
    add_stream(exchanges_, std::make_unique<exchange>(stream, limits));
    http2_stream* const made = exchanges_.back().get();
    nghttp2_session_set_stream_user_data(session(), stream, made);
    if (++requests_ == options().max_requests()) begin_drain();
}

bool http2_connection::add_field(http2_stream& stream, std::string_view name, std::string_view value) {
    auto& one = of(stream);
    if (frames_.add_field(name.size() + value.size() + field_overhead)) {
        reset(one, NGHTTP2_ENHANCE_YOUR_CALM);
        return false;
    }
    if (one.head) {
        one.head->add(name, value);
    } else if (one.incoming) {
        one.incoming->add_trailer(name, value);
    }
    return true;
}

void http2_connection::frame_received(const nghttp2_frame& frame, http2_stream* one) {
    switch (frame.hd.type) {
    case NGHTTP2_HEADERS:
        allowed_.earn_frames();
        if (one != nullptr && of(*one).head) head_received(of(*one), !one->has_ended);
        break;
    case NGHTTP2_RST_STREAM:
        if (one != nullptr) one->has_ended = true;
        break;
    case NGHTTP2_PING:
        if ((frame.hd.flags & NGHTTP2_FLAG_ACK) == 0) break;
        if (std::ranges::equal(frame.ping.opaque_data, window_probe)) {
            probe_answered();
        } else if (drains_) {
            end_drain();
        }
        break;
    default: break;
    }
}

void http2_connection::frame_sent(const nghttp2_frame& frame) {
    if (frame.hd.type == NGHTTP2_RST_STREAM && frame.rst_stream.error_code != NGHTTP2_NO_ERROR) {
        // The client may have caused this reset by a frame that is not permitted (CVE-2025-8671).
        refuse(allowed_.take_reset());
    } else if (ends_stream(frame)) {
        allowed_.earn_reset();
        // The client need not send the rest of its request (RFC 9113, section 8.1).
        const auto stream = frame.hd.stream_id;
        if (auto* const one = exchange_of(stream); one != nullptr) one->call.is_answered = true;
        if (nghttp2_session_get_stream_remote_close(session(), stream) == 0)
            nghttp2_submit_rst_stream(session(), NGHTTP2_FLAG_NONE, stream, NGHTTP2_NO_ERROR);
    }
}

/// Resets the stream of a response whose head is too large for nghttp2.
void http2_connection::frame_not_sent(const nghttp2_frame& frame, int why) {
    auto* const one = find(frame.hd.stream_id);
    if (frame.hd.type != NGHTTP2_HEADERS || one == nullptr) return;
    if (why == NGHTTP2_ERR_FRAME_SIZE_ERROR) fail(of(*one), std::make_error_code(std::errc::message_size), nullptr);
    reset(*one, NGHTTP2_INTERNAL_ERROR);
}

void http2_connection::data_received(http2_stream* stream, std::string_view data) {
    if (stream != nullptr && stream->incoming) {
        auto& one = of(*stream);
        one.received += data.size();
        if (one.received > options().body_limit()) one.incoming->finish(make_error_code(http::errc::body_too_large));
        if (one.incoming->append(data)) return;
    }
    // There is no reader. The window of the stream does not grow, so that the client must stop.
    nghttp2_session_consume_connection(session(), data.size());
}

void http2_connection::stream_closed(http2_stream& stream, std::uint32_t) {
    auto& one = of(stream);
    one.is_open = false;
    if (one.has_ended) frames_.end_stream(one.id);
    if (one.incoming && !one.has_answer) one.incoming->finish(std::make_error_code(std::errc::connection_reset));
    tell_service(one);
    detach_body(one);
    if (one.has_work) {
        one.work.wake_by_ref();
    } else {
        std::erase(begun_, &one);
        take_stream(exchanges_, one);
    }
}

// ---- The service ----

poll_result<http2_exchange*> http2_work::poll(context& cx) { return on_->poll_exchange(*one_, cx); }
poll_result<void> http2_work::poll_cancel(context& cx) { return on_->poll_cancel_exchange(*one_, cx); }

void http2_connection::head_received(exchange& one, bool has_body) {
    const auto head = std::move(one.head);
    auto refused = head->finish(one.asked);
    const std::string_view target = refused ? head->target() : one.asked.target;
    one.asked_method = one.asked.method;
    one.call.name.set(one.asked.method, one.asked.target);
    one.length = head->length();
    if (!refused && one.length.value_or(0) > options().body_limit()) refused = http::status::content_too_large;
    if (refused) {
        note_refusal(accepted_, *refused, head->method_text(), target);
        one.call.replace(http::response::text(std::string(http::reason_of(*refused)) + "\n", *refused));
        respond(one);
        return;
    }
    one.at = phase::answering;
    if (has_body) {
        if (!mailbox_) mailbox_ = std::make_shared<http2_mailbox>();
        const auto rate = rate_limits(options());
        one.incoming = std::make_shared<http2_body>(mailbox_, one.id, head->expects_continue(), rate);
    }
    begun_.push_back(&one);
}

/// Calls the service, and creates the handler of an exchange. If the body of the request has arrived completely, passes
/// it as a body in memory.
void http2_connection::start(exchange& one) {
    std::string whole;
    if (one.incoming && one.incoming->take_complete(whole)) {
        consume(one.id, whole.size());
        one.incoming.reset();
        one.asked.body = http::body(std::move(whole));
    } else if (one.incoming) {
        // The connection keeps the body, too, so the end of this reference is not the end of the body.
        const auto drop = [kept = one.incoming](http2_body* body) { body->drop(); };
        one.asked.body = body_access::from_shared(std::shared_ptr<http2_body>(one.incoming.get(), drop), one.length);
    }
    one.call.counted.begin(server_access::counters(options()).get());
    try {
        one.call.start(accepted_, std::move(one.asked));
    } catch (...) {
        one.call.fail();
    }
    one.has_work = true;
    handlers_.push(http2_work(*this, one));
}

poll_result<http2_exchange*> http2_connection::poll_exchange(exchange& one, context& cx) {
    if (!one.work.will_wake(cx.waker())) one.work = cx.waker();
    if (one.at == phase::answering) {
        if (!one.is_open && !one.call.client->is_watched()) {
            one.at = phase::cancelling;
        } else if (!poll_service(one, cx)) {
            return not_ready;
        }
    }
    if (one.at == phase::cancelling) {
        if (!poll_cancel_exchange(one, cx)) return not_ready;
        one.at = phase::done;
    }
    if (one.at == phase::sending) {
        if (!poll_parts(one, cx)) return not_ready;
        one.at = phase::done;
    }
    return &one;
}

poll_result<void> http2_connection::poll_cancel_exchange(exchange& one, context& cx) {
    auto& call = one.call;
    // At the end of the connection, a service that watches its client still decides itself how it ends.
    if (call.is_running() && !is_aborted_ && one.at == phase::answering && call.client->is_watched()) {
        if (!poll_service(one, cx)) return not_ready;
    } else {
        if (!call.poll_cancel(cx)) return not_ready;
        if (call.thrown) fail(one, {}, std::exchange(call.thrown, nullptr));
    }
    call.counted.end();
    return poll_result<void>::ready();
}

/// Polls the service. Returns whether it has answered.
bool http2_connection::poll_service(exchange& one, context& cx) {
    auto& call = one.call;
    if (!call.poll(cx)) return false;
    if (call.has_failed()) {
        call.answer_failure(one.incoming ? one.incoming->failure() : std::error_code());
        fail(one, call.error.value_or(std::error_code()), std::exchange(call.thrown, nullptr));
    }
    hold(one);
    call.counted.end(call.answer().status);
    if (one.is_open && !closes_) {
        respond(one);
    } else {
        one.at = phase::done;  // the client has gone
    }
    return true;
}

/// Counts the memory of a response.
void http2_connection::hold(exchange& one) {
    const auto& body = one.call.answer().body;
    const auto size = body_access::held_bytes(body) + (body.in_memory() == nullptr ? http2_part::capacity : 0);
    if (size < least_held) return;
    one.call.hold(accepted_, holder_, size);
    has_new_waits_ = true;
}

/// Tells the memory which responses wait for the client. Call it when all was sent that can be.
void http2_connection::begin_waits() {
    if (!std::exchange(has_new_waits_, false)) return;
    for (const auto& one : exchanges_)
        if (one->has_part) one->call.held.begin_wait(now());
}

/// Resets the streams of the responses whose memory was taken for others. Their bytes are freed now: a client that
/// receives nothing would delay the reset.
void http2_connection::drop_unread() {
    for (const auto& one : exchanges_) {
        if (!one->call.held.take_drop()) continue;
        one->call.drop_unread(accepted_);
        one->is_streamed = true;
        one->in_memory = {};
        one->next = http2_part();
        one->next.is_last = true;
        one->trailers = http::headers();
        one->has_part = false;
        if (one->is_open) reset(*one, NGHTTP2_ENHANCE_YOUR_CALM);
    }
}

// ---- The response ----

/// Gives a response to nghttp2. A body in memory is read from the exchange while it is sent.
void http2_connection::respond(exchange& one) {
    auto& answer = one.call.answer();
    if (answer.status == http::status::reset_content) answer.body = http::body();
    if (accepted_.shuts_down() || answer.headers.has_token("Connection", "close")) begin_drain();
    const http2_response_fields fields(answer, one.asked_method);
    if (!fields.has_body()) answer.body = http::body();
    one.is_streamed = answer.body.in_memory() == nullptr;  // a reader may be the body of the request
    one.at = one.is_streamed ? phase::sending : phase::done;
    if (!one.is_streamed) {
        one.in_memory = answer.body.in_memory()->text();
        detach_body(one);
    }
    one.has_part = !one.in_memory.empty();
    if (one.is_streamed && one.incoming && one.incoming->ask()) submit_continue(one.id);
    one.has_answer = true;
    one.since = now();
    const auto provider = source_of(one);
    const auto submitted = nghttp2_submit_response(session(), one.id, fields.data(), fields.size(),
                                                   fields.has_body() ? &provider : nullptr);
    if (submitted == NGHTTP2_ERR_NOMEM) throw std::bad_alloc();
    if (submitted != 0) reset(one, NGHTTP2_INTERNAL_ERROR);
}

void http2_connection::submit_continue(std::int32_t stream) noexcept {
    const auto status = nv_of(":status", "100");
    nghttp2_submit_headers(session(), NGHTTP2_FLAG_NONE, stream, nullptr, &status, 1, nullptr);
}

/// Reads the next part of a response's body once the previous part was sent. Returns whether the last part was read or
/// the stream was reset.
bool http2_connection::poll_parts(exchange& one, context& cx) {
    auto& next = one.next;
    while (one.is_open && next.size() == 0 && !next.is_last) {
        if (!next.memory) next.memory = std::make_unique_for_overwrite<std::byte[]>(http2_part::capacity);
        result<std::size_t> count = 0;
        try {
            auto ready = one.call.answer().body.poll_read(cx, {next.memory.get(), http2_part::capacity});
            if (!ready) return false;
            count = *ready;
            if (!count) fail(one, count.error(), nullptr);
            next.is_last = count && (*count == 0 || body_access::has_ended(one.call.answer().body));
            if (next.is_last) one.trailers = trailers_to_send(one.call.answer().body);
        } catch (...) {
            count = std::unexpected(std::error_code());
            fail(one, {}, std::current_exception());
        }
        if (!count) {
            reset(one, NGHTTP2_INTERNAL_ERROR);
            break;
        }
        next.begin = 0;
        next.end = *count;
        one.has_part = *count != 0;
        has_new_waits_ = true;
        one.since = now();
        nghttp2_session_resume_data(session(), one.id);
    }
    if (one.is_open && !next.is_last && next.size() != 0) return false;  // append_part() wakes the handler
    one.call.answer().body = http::body();
    detach_body(one);
    return true;
}

void http2_connection::part_sent(http2_stream& stream, std::size_t count) noexcept {
    auto& one = of(stream);
    if (one.is_streamed) {
        one.next.begin += count;
        if (one.next.size() == 0) one.work.wake_by_ref();
    }
    one.call.held.has_sent(count, one.has_part, one.since);
}

/// Ends the use of the request's body, and enlarges the connection's window by the bytes that were not read.
void http2_connection::detach_body(exchange& one) noexcept {
    if (!one.incoming) return;
    if (const auto left = one.incoming->detach(); left != 0) nghttp2_session_consume_connection(session(), left);
}

}  // namespace eddy::detail
