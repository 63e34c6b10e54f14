// SPDX-License-Identifier: MIT
#include "client/http2_client_connection.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <new>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/http/error.hpp>

#include "h2/heads.hpp"
#include "sys/quiet_socket.hpp"

namespace eddy::detail {
namespace {

constexpr std::int32_t client_stream_window = 1 << 20;
constexpr std::int32_t client_connection_window = 16 << 20;
constexpr std::uint32_t first_streams = 100;  // requests that are sent before the server's settings have arrived
constexpr unsigned most_early_heads = 10;     // interim responses, such as "103 Early Hints", before the response
constexpr std::size_t most_client_fields = 1000;
constexpr auto ping_limit = std::chrono::seconds(10);    // for the answer to PING
constexpr auto suspect_after = std::chrono::seconds(1);  // a request that waits longer makes its connection suspect

/// The error of a request that the server has not processed.
std::error_code refused() noexcept { return {NGHTTP2_REFUSED_STREAM, http::http2_category()}; }

/// Whether requests on a connection that has ended may be repeated.
repeat repeat_of(const http2_call& one) noexcept {
    return one.was_kept && one.interim == 0 ? repeat::if_idempotent : repeat::never;
}

std::chrono::nanoseconds interval_of_pings(const http::client_options& options) noexcept {
    const auto chosen = options.ping_interval();
    return chosen > chosen.zero() ? chosen : std::chrono::nanoseconds::max();
}

}  // namespace

// ---- The connection ----

http2_client_connection::http2_client_connection(message_stream&& stream, int socket, std::shared_ptr<http2_link> link,
                                                 const http::client_options& options)
    : http2_session(std::move(stream), role::client, options.io_timeout()),
      link_(std::move(link)),
      socket_(socket),
      idle_timeout_(options.idle_timeout()),
      ping_interval_(interval_of_pings(options)),
      header_limit_(options.header_limit()),
      received_at_(time::clock::now()),
      idle_since_(received_at_) {
    const auto most_bytes = static_cast<std::uint32_t>(std::min<std::size_t>(header_limit_, UINT32_MAX));
    const std::array<nghttp2_settings_entry, 3> settings = {{
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, client_stream_window},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, most_bytes},
    }};
    if (!announce(settings, client_connection_window)) throw std::bad_alloc();
}

http2_client_connection::~http2_client_connection() {
    end_calls();  // the calls that are still open remain in open_, because nghttp2 refers to them
    if (closes_) return;
    const waker none = waker::noop();
    context cx(none);
    terminate(NGHTTP2_NO_ERROR);
    end_at_once(cx);
}

poll_result<bool> http2_client_connection::poll(context& cx) {
    link_->begin_turn();
    if (!run(cx)) return not_ready;
    end_calls();
    open_.clear();
    return finish(cx);
}

bool http2_client_connection::work(context& cx) {
    const bool has_received = receive(cx);
    if (has_received) {
        received_at_ = now();
        pinged_at_.reset();
        if (std::exchange(is_suspect_, false) && !is_closing_) link_->set_open(true);
    }
    take_news();
    open_streams();
    return has_received;
}

/// Takes the reads of bodies, and the submitted and changed calls.
void http2_client_connection::take_news() {
    for (const auto& body : link_->take())
        nghttp2_session_consume_stream(session(), body->stream(), body->news().consumed);
    for (auto next = link_->take_call(); next.call; next = link_->take_call()) {
        auto& one = *next.call;
        switch (next.news) {
        case call_news::submitted: add_waiting(std::move(next.call)); break;
        case call_news::dropped: drop(one); break;
        case call_news::filled:
            if (one.id == 0) break;  // it waits for its stream, which begins with the part
            one.since = now();
            one.has_part = sendable(one).first != 0;
            nghttp2_session_resume_data(session(), one.id);
            break;
        }
    }
    // The client sends these requests on another connection.
    if (is_closing_ || is_suspect_) fail_waiting(refused());
}

/// Opens streams for waiting calls, as many as the server permits.
void http2_client_connection::open_streams() {
    has_free_stream_ = false;
    const auto most = nghttp2_session_get_remote_settings(session(), NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    const std::size_t permitted = has_settings_ ? most : std::min(most, first_streams);
    if (may_have_ended()) return;  // the read is ready at the next tick of the driver
    while (!waiting_.empty() && open_.size() < permitted) {
        open_stream(waiting_.front());  // if it throws, the call remains in the list, and fails with the connection
        waiting_.pop_front();
    }
}

/// Returns whether the server has sent something to the idle connection, which may be its end.
bool http2_client_connection::may_have_ended() const noexcept {
    const bool is_reused = open_.empty() && !waiting_.empty() && waiting_.front()->was_kept;
    return is_reused && socket_ >= 0 && !sys::is_quiet(socket_);
}

/// Accepts no further calls. The open ones may still get responses that the server has sent before.
void http2_client_connection::output_lost() noexcept {
    lost_output_at_ = time::clock::now();
    close_to_calls();
    timer_.reset();
    if (open_.empty()) is_broken_ = true;
}

bool http2_client_connection::wait(context& cx) {
    // A stream may end when its last frame is collected. Then a call that waits for a stream can begin.
    if (has_free_stream_ && !waiting_.empty()) return true;
    // A server that sends without a pause uses up the coop budget in each poll.
    context own(cx.waker());
    if (!is_closing_ && link_->is_released()) {
        close_to_calls();
        terminate(NGHTTP2_NO_ERROR);  // sends GOAWAY, which ends the connection
        return true;
    }
    if (open_.empty() && waiting_.empty() && !stream_.has_unsent()) stream_.release_buffers();
    if (poll_timer(own)) return true;
    return !link_->end_turn(cx.waker());
}

/// The result is not later than the deadline of any wait that begins after this call, except the wait for the answer to
/// PING.
time::time_point http2_client_connection::check_deadlines() {
    const auto current = time::clock::now();
    const auto shortest = std::min({io_timeout_, idle_timeout_, ping_interval_});
    auto next = time::saturating_add(current, time::round_up(shortest));
    for (const auto& one : open_) next = std::min(next, deadline_of(*one, current));
    next = std::min(next, ping_deadline(current));
    if (open_.empty() && waiting_.empty() && !is_closing_) {
        const auto limit = time::saturating_add(idle_since_, time::round_up(idle_timeout_));
        if (limit <= current && link_->try_close()) {
            close_to_calls();
            terminate(NGHTTP2_NO_ERROR);
        }
        if (limit > current) next = std::min(next, limit);
    }
    return next;
}

void http2_client_connection::send_timed_out(http2_stream& one) noexcept {
    cancel(of(one), make_error_code(errc::timed_out));
}

/// Returns the time at which the connection is broken, or at which PING is sent.
time::time_point http2_client_connection::ping_deadline(time::time_point now) {
    if (pinged_at_ || lost_output_at_) {
        const auto since = lost_output_at_ ? std::max(*lost_output_at_, received_at_) : *pinged_at_;
        const auto limit = time::saturating_add(since, time::round_up(ping_limit));
        if (limit > now) return limit;
        is_broken_ = closes_ = true;
        if (!lost_output_at_) broken_by_ = make_error_code(errc::timed_out);
        return never;
    }
    if (open_.empty()) return never;
    const auto limit = time::saturating_add(received_at_, time::round_up(ping_interval_));
    if (limit > now) return limit;
    send_ping();
    return time::saturating_add(now, time::round_up(ping_limit));
}

void http2_client_connection::send_ping() {
    if (pinged_at_) return;
    nghttp2_submit_ping(session(), NGHTTP2_FLAG_NONE, nullptr);
    pinged_at_ = time::clock::now();
}

// ---- The end ----

/// Accepts no further calls. The client sends those that wait on another connection.
void http2_client_connection::close_to_calls() noexcept {
    is_closing_ = true;
    link_->set_open(false);
    fail_waiting(refused());
}

/// Fails the calls that the server has not seen.
void http2_client_connection::fail_waiting(std::error_code why) noexcept {
    while (!waiting_.empty()) {
        fail_unsent(*waiting_.front(), why);
        waiting_.pop_front();
    }
}

/// Fails a call that the server has not seen.
void http2_client_connection::fail_unsent(call& one, std::error_code why) noexcept {
    link_->fail(one, why, repeat::always);
    link_->close(one);
}

/// Ends all calls, because the connection has ended.
void http2_client_connection::end_calls() noexcept {
    is_closing_ = true;
    link_->set_open(false);
    // nghttp2 ends a session without an error of the connection if the server violates the protocol.
    auto why = make_error_code(errc::unexpected_eof);
    if (!is_broken_ && is_over()) why = make_error_code(http::errc::bad_message);
    if (broken_by_) why = broken_by_;
    if (goaway_ != NGHTTP2_NO_ERROR) why = {static_cast<int>(goaway_), http::http2_category()};
    for (auto next = link_->take_call(); next.call; next = link_->take_call()) {
        if (next.call->id == 0) fail_unsent(*next.call, why);
    }
    fail_waiting(why);
    for (const auto& one : open_) {
        link_->fail(*one, why, repeat_of(*one));
        if (one->incoming) one->incoming->finish(why);
        link_->close(*one);
    }
    link_->end();
}

// ---- Calls ----

std::shared_ptr<http2_call> http2_client_connection::remove(const call& one) noexcept {
    auto taken = take_stream(open_, one);
    taken->is_open = false;
    has_free_stream_ = true;
    if (open_.empty()) idle_since_ = now();
    link_->close(*taken);
    return taken;
}

/// Adds a call that waits for a stream. If there is no memory for that, the call fails.
void http2_client_connection::add_waiting(std::shared_ptr<call> one) {
    try {
        waiting_.push_back(one);
    } catch (...) {
        fail_unsent(*one, std::make_error_code(std::errc::not_enough_memory));
        throw;
    }
}

void http2_client_connection::open_stream(const std::shared_ptr<call>& one) {
    const http2_request_fields fields(one->asked, one->size, one->authority, one->is_https);
    if (!one->is_streamed) one->in_memory = one->asked.body.in_memory()->text();
    const auto provider = source_of(*one);
    add_stream(open_, one);
    const auto id =
        nghttp2_submit_request(session(), nullptr, fields.data(), fields.size(),
                               fields.has_body() ? &provider : nullptr, static_cast<http2_stream*>(one.get()));
    if (id >= 0) {
        one->id = id;
        one->has_part = sendable(*one).first != 0;
        one->begun = one->since = now();
        return;
    }
    open_.pop_back();
    if (id == NGHTTP2_ERR_NOMEM) throw std::bad_alloc();
    // All stream identifiers were used.
    link_->set_open(false);
    is_closing_ = true;
    fail_unsent(*one, make_error_code(http::errc::bad_message));
}

/// Fails a call, and resets its stream.
void http2_client_connection::cancel(call& one, std::error_code why) noexcept {
    link_->fail(one, why, repeat::never);
    if (one.incoming) one.incoming->finish(why);
    reset(one, NGHTTP2_CANCEL);
}

/// Ends the use of a call by its request.
void http2_client_connection::drop(call& one) {
    if (one.incoming) static_cast<void>(one.incoming->detach());
    if (one.id == 0) {
        std::erase_if(waiting_, [&](const auto& each) { return each.get() == &one; });
        link_->close(one);
        return;
    }
    if (!one.is_open || one.was_reset) return;
    reset(one, NGHTTP2_CANCEL);
    if (now() - std::max(received_at_, one.begun) < suspect_after) return;
    is_suspect_ = true;
    link_->set_open(false);
    send_ping();
    timer_.reset();  // it may be later than the deadline of the answer
}

/// Returns the error of a stream that was closed with the code `why` of HTTP/2.
std::error_code http2_client_connection::reason_of(const call& one, std::uint32_t why) const noexcept {
    // nghttp2 resets a stream on which the server violates the protocol.
    if (one.was_reset && why != NGHTTP2_CANCEL) return make_error_code(http::errc::bad_message);
    if (why == NGHTTP2_NO_ERROR) return make_error_code(errc::unexpected_eof);
    return {static_cast<int>(why), http::http2_category()};
}

// ---- What the frames of the server mean ----

void http2_client_connection::begin_frame(const http2_frame_head& frame) noexcept {
    refuse(allowed_.begin_frame(frame, find(frame.stream) != nullptr));
    if (frame.type == NGHTTP2_SETTINGS) settings_check_.begin(session(), open_);
}

void http2_client_connection::begin_head(const nghttp2_frame& frame) {
    auto* const stream = find(frame.hd.stream_id);
    if (stream == nullptr) return;
    auto& one = of(*stream);
    if (!one.has_final) one.answer = http2_answer();
    one.head_size = 0;
}

bool http2_client_connection::add_field(http2_stream& stream, std::string_view name, std::string_view value) {
    auto& one = of(stream);
    auto& into = one.answer;
    one.head_size += name.size() + value.size() + field_overhead;
    if (one.head_size > header_limit_ || into.headers.size() >= most_client_fields) {
        cancel(one, make_error_code(http::errc::header_too_large));
        return false;
    }
    if (one.has_final) {
        if (one.incoming) one.incoming->add_trailer(name, value);
        return true;
    }
    // nghttp2 has checked the characters, that the status has three digits, and that Content-Length is one number.
    if (name == ":status") {
        std::from_chars(value.data(), value.data() + value.size(), into.status);
        return true;
    }
    if (name.starts_with(':')) return true;
    if (name == "content-length") {
        std::uint64_t length = 0;
        std::from_chars(value.data(), value.data() + value.size(), length);
        into.length = length;
    }
    header_access::add_checked(into.headers, name, value);
    return true;
}

void http2_client_connection::frame_received(const nghttp2_frame& frame, http2_stream* one) {
    switch (frame.hd.type) {
    case NGHTTP2_HEADERS:
        if (one != nullptr && !of(*one).has_final) head_received(of(*one));
        break;
    case NGHTTP2_SETTINGS:
        if ((frame.hd.flags & NGHTTP2_FLAG_ACK) == 0) has_settings_ = true;
        break;
    case NGHTTP2_GOAWAY:
        goaway_ = frame.goaway.error_code;
        close_to_calls();
        break;
    default: break;
    }
}

void http2_client_connection::head_received(call& one) {
    const auto status = one.answer.status;
    if (status < 200) {
        if (status == 101 || ++one.interim > most_early_heads) cancel(one, make_error_code(http::errc::bad_message));
        return;
    }
    one.has_final = true;
    allowed_.earn_frames();
    // Its Content-Length describes another response. The stream may still end later, with an empty DATA frame.
    if (has_no_body(status, one.asked.method)) one.answer.length = 0;
    if (!one.has_ended) one.answer.incoming = one.incoming = std::make_shared<http2_body>(link_, one.id, false);
    link_->answer(one);
}

void http2_client_connection::frame_sent(const nghttp2_frame& frame) {
    auto* const one = frame.hd.stream_id != 0 ? find(frame.hd.stream_id) : nullptr;
    if (one == nullptr) return;
    if (ends_stream(frame)) link_->set_sent(of(*one));
    if (frame.hd.type == NGHTTP2_RST_STREAM) one->was_reset = true;
}

void http2_client_connection::frame_not_sent(const nghttp2_frame& frame, int why) {
    if (frame.hd.type != NGHTTP2_HEADERS) return;
    if (frame.headers.cat != NGHTTP2_HCAT_REQUEST) {  // trailer fields that are too large for nghttp2
        if (auto* const one = find(frame.hd.stream_id); one != nullptr)
            cancel(of(*one), make_error_code(http::errc::header_too_large));
        return;
    }
    // The stream may have been opened, but has no user data before that.
    const auto at = std::ranges::find(open_, frame.hd.stream_id, [](const auto& each) { return each->id; });
    if (at == open_.end()) return;
    nghttp2_session_set_stream_user_data(session(), frame.hd.stream_id, nullptr);
    const auto one = remove(**at);
    if (why == NGHTTP2_ERR_FRAME_SIZE_ERROR) {
        link_->fail(*one, make_error_code(http::errc::header_too_large), repeat::never);
    } else {  // the server has sent GOAWAY
        link_->fail(*one, refused(), repeat::always);
    }
}

void http2_client_connection::data_received(http2_stream* one, std::string_view data) {
    nghttp2_session_consume_connection(session(), data.size());
    if (one != nullptr && one->incoming) static_cast<void>(one->incoming->append(data));
}

void http2_client_connection::stream_closed(http2_stream& stream, std::uint32_t why) {
    const auto one = remove(of(stream));
    if (!one->has_final) {
        auto again = repeat::never;
        if (!one->was_reset && why == NGHTTP2_REFUSED_STREAM) again = repeat::always;
        if (!one->was_reset && why == NGHTTP2_HTTP_1_1_REQUIRED) again = repeat::over_http1;
        link_->fail(*one, reason_of(*one, why), again);
    } else if (one->incoming && !one->has_ended) {
        one->incoming->finish(reason_of(*one, why));
    }
}

void http2_client_connection::part_sent(http2_stream& one, std::size_t count) noexcept {
    if (one.is_streamed) link_->consume(of(one), count);
}

}  // namespace eddy::detail
