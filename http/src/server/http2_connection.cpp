// SPDX-License-Identifier: MIT
#include "server/http2_connection.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <new>
#include <string>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/http/error.hpp>

#include "h2/http2.hpp"
#include "message/fields.hpp"

namespace eddy::detail {

poll_result<http2_exchange*> http2_work::poll(context& cx) { return on_->poll_exchange(*one_, cx); }
poll_result<void> http2_work::poll_cancel(context& cx) { return on_->poll_cancel_exchange(*one_, cx); }

namespace {

constexpr std::size_t first_window = 1 << 20;           // of a stream; see also http2_window
constexpr std::size_t largest_window = (1U << 31) - 1;  // RFC 9113, section 6.9.1
constexpr std::size_t least_held = 4 * 1024;            // smaller responses are not counted
// PING has 8 bytes, so that its answer can be told apart.
constexpr std::array<std::uint8_t, 8> window_probe = {'w', 'i', 'n', 'd', 'o', 'w', 0, 0};
constexpr std::size_t bytes_per_unit = 2 * 1024;        // of blocks of fields, for one unit of the coop budget
constexpr std::size_t frame_cost = 64;                  // a frame takes as long as this many bytes of a block of fields
constexpr std::size_t bytes_per_token = 256;            // of sent data, see frames_allowed_
constexpr std::size_t tokens_of_rest = 2;               // for sending all data that there is: the client may answer it
constexpr std::size_t fields_factor = 4;                // fields of this many times `header_limit` reset their stream
constexpr auto goaway_limit = std::chrono::seconds(2);  // for the client to close the connection
constexpr auto drain_limit = std::chrono::seconds(1);   // for the answer to the PING that follows the first GOAWAY

/// Returns the window of a connection for a window of its streams: a request whose body is not read leaves room for
/// others.
constexpr std::size_t connection_window(std::size_t of_stream) noexcept { return 2 * of_stream; }

}  // namespace

// ---- The connection ----

http2_connection::http2_connection(message_stream&& stream, std::shared_ptr<const http_server>&& server,
                                   std::optional<net::socket_addr> peer,
                                   std::optional<net::serve_connection>&& connection, time::time_point first_until)
    : http2_session(std::move(stream), role::server, shared_settings(), this),
      server_(std::move(server)),
      peer_(peer),
      connection_(std::move(connection)),
      fields_until_(first_until),
      window_(first_window, std::min(server_->options.window_limit(), largest_window) / 2) {
    const auto& options = server_->options;
    const auto most_bytes = std::min<std::size_t>(options.header_limit(), UINT32_MAX);
    const std::array<nghttp2_settings_entry, 3> settings = {{
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, options.max_streams()},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, static_cast<std::uint32_t>(first_window)},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(most_bytes)},
    }};
    if (nghttp2_submit_settings(session_.get(), NGHTTP2_FLAG_NONE, settings.data(), settings.size()) != 0 ||
        nghttp2_session_set_local_window_size(session_.get(), NGHTTP2_FLAG_NONE, 0,
                                              static_cast<std::int32_t>(connection_window(first_window))) != 0)
        throw std::bad_alloc();
    if (const auto& token = options.connections().shutdown())
        told_ = std::make_unique<cancelled_future>(token->cancelled_owned());
}

http2_connection::~http2_connection() {
    for (const auto& one : exchanges_) {
        if (one->incoming) static_cast<void>(one->incoming->detach());
        tell_service(*one);
    }
    if (mailbox_) mailbox_->end();
}

poll_result<bool> http2_connection::poll(context& cx) {
    now_.reset();
    if (mailbox_) mailbox_->begin_turn();
    if (const auto early = stream_.in(); !early.empty()) {
        feed(std::as_bytes(std::span(early)));
        stream_.consume(early.size());
    }
    do {
        turn(cx);
    } while (!closes_ && wait(cx));
    if (!closes_) return not_ready;
    end_bodies();
    begun_.clear();
    if (!handlers_.poll_cancel(cx)) return not_ready;
    if (is_broken_ && !broken_by_) stream_.end_writing(cx);  // the client has ended its direction in order
    return !is_broken_;
}

/// Ends the bodies of requests that will not be received completely. Other tasks may wait for them.
void http2_connection::end_bodies() noexcept {
    for (const auto& one : exchanges_) {
        if (one->incoming) one->incoming->finish(std::make_error_code(std::errc::connection_reset));
        tell_service(*one);
    }
}

/// Tells the service that its client will not receive the whole response.
void http2_connection::tell_service(const exchange& one) noexcept {
    if (one.call.client && !one.call.is_answered) one.call.client->leave();
}

poll_result<void> http2_connection::poll_cancel(context& cx) {
    is_aborted_ = true;
    end_bodies();
    begun_.clear();
    if (!handlers_.poll_cancel(cx)) return not_ready;
    if (is_broken_) return poll_result<void>::ready();
    try {
        end_drain();
        collect();
        stream_.end_writing(cx);
    } catch (...) {
        is_broken_ = true;  // no memory for GOAWAY
    }
    return poll_result<void>::ready();
}

result<void> http2_connection::outcome() const {
    if (thrown_) std::rethrow_exception(thrown_);
    if (failure_) return std::unexpected(failure_);
    return ok();
}

void http2_connection::turn(context& cx) {
    for (bool moves = true; moves && !closes_;) {
        moves = pay_for_frames(cx) && receive_frames(cx, [this](std::span<const std::byte> bytes) { feed(bytes); });
        if (run_handlers(cx)) moves = true;
        take_notes();
        collect();
        if (send(cx)) moves = true;
        closes_ = is_broken_ || is_over();
    }
}

/// Takes coop budget for the received frames. Returns false if there is not enough. A read takes one unit, but its 16
/// KiB may contain a thousand frames.
bool http2_connection::pay_for_frames(context& cx) noexcept {
    while (unpaid_ >= bytes_per_unit) {
        if (!cx.consume_budget()) return false;
        unpaid_ -= bytes_per_unit;
    }
    return true;
}

/// Gives bytes to nghttp2, frame by frame.
void http2_connection::feed(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const auto part = bytes.first(frames_.next(bytes));
        bytes = bytes.subspan(part.size());
        if (frames_.take_begin()) begin_frame(frames_.current());
        if (!give(part)) return;
        if (frames_.is_complete()) end_frame(frames_.current());
    }
}

/// Polls the woken handlers. Returns whether a handler has begun or ended.
bool http2_connection::run_handlers(context& cx) {
    bool moves = !begun_.empty();
    for (auto* const one : begun_) start(*one);
    begun_.clear();
    while (!handlers_.is_empty()) {
        const auto ended = handlers_.poll_next(cx);
        if (!ended) break;
        exchange& one = ***ended;
        one.has_work = false;
        one.work = waker();
        if (!one.is_open) remove(one);
        moves = true;
    }
    return moves;
}

/// Enlarges the flow-control windows by the bytes that were read, and makes the timer earlier for readers that wait.
void http2_connection::take_notes() {
    if (!mailbox_) return;
    for (const auto& body : mailbox_->take()) {
        const auto news = body->news();
        if (news.consumed != 0) consume(body->stream(), news.consumed);
        if (timer_ && news.deadline < timer_->deadline()) timer_.reset();
        const auto* const one = exchange_of(body->stream());
        if (news.asks && one != nullptr && !one->has_answer) submit_continue(body->stream());
    }
}

/// Enlarges the windows by bytes that a service has read.
void http2_connection::consume(std::int32_t stream, std::size_t bytes) noexcept {
    nghttp2_session_consume(session_.get(), stream, bytes);
    if (window_.consumed(bytes)) send_probe();
}

void http2_connection::send_probe() noexcept {
    nghttp2_submit_ping(session_.get(), NGHTTP2_FLAG_NONE, window_probe.data());
}

/// Makes the windows larger if they limit the speed.
void http2_connection::probe_answered() noexcept {
    if (window_.answered()) send_probe();
    const auto wanted = window_.wanted();
    if (wanted == window_.size()) return;
    const auto& options = server_->options;
    const auto whole = connection_window(wanted);
    const auto added = whole - connection_window(window_.size());
    auto* const memory = options.memory();
    if (!enlarged_.take(memory != nullptr ? &memory->windows : nullptr, added, enlarged_.count(),
                        options.window_memory_limit()))
        return;
    const nghttp2_settings_entry setting{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, static_cast<std::uint32_t>(wanted)};
    auto* const session = session_.get();
    const auto size = static_cast<std::int32_t>(whole);
    // The connection's window bounds the memory. Without memory for either frame, the next answer tries again.
    if (nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, &setting, 1) != 0 ||
        nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, size) != 0)
        return enlarged_.give_back(added);
    window_.grow(wanted);
}

/// Prepares to wait. Returns true if there is something to do immediately.
bool http2_connection::wait(context& cx) {
    // A client that sends without a pause uses up the coop budget in each poll.
    context own(cx.waker());
    if (told_ && told_->poll(own)) {
        told_.reset();
        begin_drain();
        return true;
    }
    mark_idle();
    if (poll_timer(own)) return true;
    return mailbox_ && !mailbox_->end_turn(cx.waker());
}

void http2_connection::mark_idle() {
    // A connection that waits for the answer to its PING is about to end by itself.
    const bool is_idle = exchanges_.empty() && !stream_.has_unsent() && drains_ == has_final_goaway_;
    if (!is_idle) return idle_.end();
    stream_.release_buffers();
    if (connection_) idle_.begin(connection_->state());
}

bool http2_connection::has_deadlines() const noexcept {
    constexpr auto never = time::time_point::max();
    return !exchanges_.empty() || drain_until_ != never || fields_until_ != never;
}

/// Polls the timer, which exists while there are deadlines. Returns whether a deadline has passed.
bool http2_connection::poll_timer(context& cx) {
    if (!timer_ && !has_deadlines()) return false;
    const bool is_new = !timer_;
    if (is_new) timer_.reset(pool_new<time::sleep_future>(check_deadlines()));
    if (!timer_->poll(cx)) return is_new && nghttp2_session_want_write(session_.get()) != 0;
    timer_.reset();
    if (!has_deadlines()) return false;
    static_cast<void>(check_deadlines());
    return true;
}

/// Ends the waits whose deadlines have passed. Returns the time of the next call, which is not later than the deadline
/// of any wait that begins after this call, except that of a slow body: see take_notes().
time::time_point http2_connection::check_deadlines() {
    const auto& options = server_->options;
    const auto current = time::clock::now();
    auto next = time::saturating_add(
        current, std::min(time::round_up(options.io_timeout()), time::round_up(options.header_timeout())));
    if (drain_until_ <= current) end_drain();
    end_late_fields(current);
    next = std::min({next, drain_until_, fields_until_});
    for (const auto& one : exchanges_) next = std::min(next, deadline_of(*one, current));
    return next;
}

/// Ends the connection if its client has not completed its first request, or the current block of fields, in time. In
/// the middle of a block of fields, the connection cannot continue.
void http2_connection::end_late_fields(time::time_point now) noexcept {
    if (fields_until_ > now) return;
    fields_until_ = time::time_point::max();
    terminate(last_stream_ == 0 ? NGHTTP2_NO_ERROR : NGHTTP2_ENHANCE_YOUR_CALM);
}

time::time_point http2_connection::deadline_of(exchange& one, time::time_point now) {
    constexpr auto never = time::time_point::max();
    if (!one.is_open) return never;
    auto next = never;
    const auto io_timeout = time::round_up(server_->options.io_timeout());
    if (one.incoming) {
        next = one.incoming->deadline(io_timeout);
        if (next <= now) one.incoming->finish(make_error_code(errc::timed_out));
    }
    if (one.has_answer && one.sendable() != 0) {
        const auto limit = time::saturating_add(one.since, io_timeout);
        if (limit <= now) reset(one, NGHTTP2_CANCEL);
        next = std::min(next, limit);
    }
    return next > now ? next : never;
}

time::time_point http2_connection::now() noexcept {
    if (!now_) now_ = time::clock::now();
    return *now_;
}

// ---- The end ----

void http2_connection::take_token(http2_allowance& from) noexcept {
    if (!from.take()) terminate(NGHTTP2_ENHANCE_YOUR_CALM);
}

bool http2_connection::shuts_down() const noexcept {
    const auto& token = server_->options.connections().shutdown();
    return token && token->is_cancelled();
}

/// Tells the client that the connection will end. Requests that the client sends before it receives this notice are
/// served.
void http2_connection::begin_drain() noexcept {
    if (std::exchange(drains_, true)) return;
    nghttp2_submit_shutdown_notice(session_.get());
    nghttp2_submit_ping(session_.get(), NGHTTP2_FLAG_NONE, nullptr);
    drain_until_ = time::saturating_add(time::clock::now(), drain_limit);
    timer_.reset();
}

/// Refuses requests from now on. nghttp2 ends the session when the earlier requests were answered.
void http2_connection::end_drain() noexcept {
    drains_ = true;
    drain_until_ = time::time_point::max();
    if (std::exchange(has_final_goaway_, true)) return;
    const auto last = nghttp2_session_get_last_proc_stream_id(session_.get());
    nghttp2_submit_goaway(session_.get(), NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, nullptr, 0);
}

/// Keeps the first failure of the service, which is reported at the end of the connection.
void http2_connection::fail(std::error_code why, std::exception_ptr thrown) {
    if (!failure_ && !thrown_) {
        failure_ = why;
        thrown_ = std::move(thrown);
    }
    begin_drain();
}

void http2_connection::fail(const exchange& one, std::error_code why, std::exception_ptr thrown) {
    // The error of the request's body is the client's. It is not reported, even if the service has passed it on.
    if (!thrown && why && one.incoming && why == one.incoming->failure()) return;
    if (!failure_ && !thrown_ && connection_) connection_->state().set_failed_work(one.call.name.text());
    fail(why, std::move(thrown));
}

// ---- Callbacks ----

http2_exchange* http2_connection::exchange_of(std::int32_t stream) const noexcept {
    return static_cast<exchange*>(nghttp2_session_get_stream_user_data(session_.get(), stream));
}

void http2_connection::begin_frame(const http2_frame_head& frame) noexcept {
    unpaid_ += frame_cost;
    switch (frame.type) {
    case NGHTTP2_DATA:
        check_stream(frame.stream);
        // nghttp2 ignores data on streams that the server has reset.
        if (frame.length < bytes_per_token && exchange_of(frame.stream) == nullptr) take_token(frames_allowed_);
        break;
    case NGHTTP2_HEADERS:
        check_stream(frame.stream);
        begin_block(frame);
        break;
    case NGHTTP2_CONTINUATION: continue_block(frame); break;
    case NGHTTP2_SETTINGS:
        begin_settings();
        for (const auto& one : exchanges_) add_window(one->id);
        break;
    case NGHTTP2_RST_STREAM: break;  // see frame_received()
    default: take_token(frames_allowed_); break;
    }
}

/// Ends the connection if a frame of a request is on a stream that cannot have any more.
void http2_connection::check_stream(std::int32_t stream) noexcept {
    if (stream == 0) return;  // nghttp2 checks that
    // RFC 9113, section 5.1: a frame on a stream that the client has ended is an error. Frames on a stream that the
    // server has reset are valid, because the client may not know that yet.
    if (std::ranges::find(ended_, stream) != ended_.end()) terminate(NGHTTP2_STREAM_CLOSED);
    // Section 5.1.1: a new stream has a higher identifier than all earlier ones.
    const auto contains = [&](const auto& range) { return range.first <= stream && stream < range.second; };
    if (std::ranges::any_of(skipped_, contains)) terminate(NGHTTP2_PROTOCOL_ERROR);
}

/// Begins a block of fields: that of a request, or of its trailers.
void http2_connection::begin_block(const http2_frame_head& frame) noexcept {
    unpaid_ += frame.length;
    block_size_ = frame.length;
    fields_size_ = 0;
    // The time for the first block begins with the connection.
    const auto limit = time::round_up(server_->options.header_timeout());
    fields_until_ = std::min(fields_until_, time::saturating_add(now(), limit));
    if (frame.stream <= last_stream_) {
        if (exchange_of(frame.stream) == nullptr) take_token(frames_allowed_);
        return;
    }
    // The identifiers of a client are odd.
    if (frame.stream - last_stream_ > 2) skipped_[skipped_next_++ % skipped_.size()] = {last_stream_ + 1, frame.stream};
    last_stream_ = frame.stream;
}

void http2_connection::continue_block(const http2_frame_head& frame) noexcept {
    unpaid_ += frame.length;
    block_size_ += frame.length;
    take_token(frames_allowed_);
    // A block of fields is smaller than the decoded fields (HPACK), unless the client pads it.
    if (block_size_ > frames_read && (block_size_ - frames_read) / 2 > server_->options.header_limit())
        terminate(NGHTTP2_ENHANCE_YOUR_CALM);
}

void http2_connection::end_frame(const http2_frame_head& frame) noexcept {
    const bool is_of_block = frame.type == NGHTTP2_HEADERS || frame.type == NGHTTP2_CONTINUATION;
    if (is_of_block && (frame.flags & NGHTTP2_FLAG_END_HEADERS) != 0) fields_until_ = time::time_point::max();
}

const http2_settings& http2_connection::shared_settings() {
    struct settings_of_server : http2_settings {
        settings_of_server() {
            use_own_limits();
            http2_connection::callbacks::set_in(callbacks);
            nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(
                callbacks, [](nghttp2_session*, const nghttp2_frame*, int, void* user) {
                    return http2_connection::callbacks::guarded(user, [](http2_connection& on) {
                        on.take_token(on.frames_allowed_);
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
    const auto& options = server_->options;
    // nghttp2 limits the open streams. Services that are being cancelled have no stream.
    if (exchanges_.size() >= std::size_t{2} * options.max_streams()) {
        nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, stream, NGHTTP2_REFUSED_STREAM);
        return 0;
    }
    idle_.end();
    head_limits limits;
    limits.bytes = options.header_limit();
    limits.fields = options.max_headers();
    exchanges_.push_back(std::make_unique<exchange>(stream, limits));
    exchanges_.back()->index = exchanges_.size() - 1;
    nghttp2_session_set_stream_user_data(session_.get(), stream, exchanges_.back().get());
    if (++requests_ == options.max_requests()) begin_drain();
    return 0;
}

int http2_connection::add_field(std::int32_t stream, std::string_view name, std::string_view value) {
    auto* const one = exchange_of(stream);
    if (one == nullptr) return 0;
    fields_size_ += name.size() + value.size() + field_overhead;
    if (fields_size_ / fields_factor > std::max(server_->options.header_limit(), frames_read)) {
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
    switch (frame.hd.type) {
    case NGHTTP2_HEADERS:
        frames_allowed_.earn();
        if (one == nullptr) break;
        if (one->head) head_received(*one, !ends_stream);
        if (ends_stream && one->incoming) one->incoming->finish();
        break;
    case NGHTTP2_DATA:
        if (ends_stream && one != nullptr && one->incoming) one->incoming->finish();
        if (!ends_stream && frame.hd.length == frame.data.padlen) take_token(frames_allowed_);
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
        take_token(frames_allowed_);
        if (!is_ack) check_windows();
        break;
    case NGHTTP2_RST_STREAM: take_token(resets_allowed_); break;
    default: break;
    }
    return 0;
}

int http2_connection::frame_sent(const nghttp2_frame& frame) {
    const bool may_end = frame.hd.type == NGHTTP2_HEADERS || frame.hd.type == NGHTTP2_DATA;
    if (frame.hd.type == NGHTTP2_RST_STREAM && frame.rst_stream.error_code != NGHTTP2_NO_ERROR) {
        // The client may have caused this reset by a frame that is not permitted (CVE-2025-8671).
        take_token(resets_allowed_);
    } else if (may_end && (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
        resets_allowed_.earn();
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
    frames_allowed_.earn();
    if (one != nullptr && one->incoming) {
        one->received += data.size();
        if (one->received > server_->options.body_limit())
            one->incoming->finish(make_error_code(http::errc::body_too_large));
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
    if (one->is_ended) ended_[ended_next_++ % ended_.size()] = one->id;
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

// ---- Exchanges ----

void http2_connection::head_received(exchange& one, bool has_body) {
    const auto head = std::move(one.head);
    auto refused = head->finish(one.asked);
    const std::string_view target = refused ? head->target() : one.asked.target;
    one.asked_method = one.asked.method;
    one.call.name.set(one.asked.method, one.asked.target);
    one.length = head->length();
    if (!refused && one.length.value_or(0) > server_->options.body_limit()) refused = http::status::content_too_large;
    if (refused) {
        note_refusal(server_->options, *refused, head->method_text(), target, peer_);
        one.call.replace(http::response::text(std::string(http::reason_of(*refused)) + "\n", *refused));
        respond(one);
        return;
    }
    one.at = phase::answering;
    if (has_body) {
        if (!mailbox_) mailbox_ = std::make_shared<http2_mailbox>();
        const auto& options = server_->options;
        const body_rate rate(options.min_body_rate(), options.io_timeout());
        one.incoming = std::make_shared<http2_body>(mailbox_, one.id, head->expects_continue(), rate);
    }
    begun_.push_back(&one);
}

/// Calls the service, and creates the handler of an exchange. If the body of the request has arrived completely, passes it as a body in
/// memory.
void http2_connection::start(exchange& one) {
    std::string whole;
    if (one.incoming && one.incoming->take_complete(whole)) {
        consume(one.id, whole.size());
        one.incoming.reset();
        one.asked.body = http::body(std::move(whole));
    } else if (one.incoming) {
        one.asked.body = http::body::from_source(std::make_unique<http2_source>(one.incoming), one.length);
    }
    try {
        one.call.start(*server_, std::move(one.asked), peer_);
    } catch (...) {
        one.call.fail();
    }
    one.has_work = true;
    handlers_.push(http2_work(*this, one));
}

void http2_connection::remove(exchange& one) noexcept {
    response_bytes_ -= one.call.held.count();
    const auto index = one.index;
    if (index + 1 != exchanges_.size()) {
        std::swap(exchanges_[index], exchanges_.back());
        exchanges_[index]->index = index;
    }
    exchanges_.pop_back();
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
    call.count_cancelled();
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
    call.count();
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
    const auto size = body.held_bytes() + (body.in_memory() == nullptr ? http2_part::capacity : 0);
    if (size < least_held) return;
    one.call.hold(server_->options, size, response_bytes_, peer_);
    response_bytes_ += one.call.held.count();
}

/// Gives a response to nghttp2. A body in memory is read from the exchange while it is sent.
void http2_connection::respond(exchange& one) {
    auto& answer = one.call.answer();
    if (answer.status == http::status::reset_content) answer.body = http::body();
    if (shuts_down() || answer.headers.has_token("Connection", "close")) begin_drain();
    const http2_response_fields fields(answer, one.asked_method);
    if (!fields.has_body()) answer.body = http::body();
    one.is_streamed = answer.body.in_memory() == nullptr;  // a reader may be the body of the request
    one.at = one.is_streamed ? phase::sending : phase::done;
    if (!one.is_streamed) detach_body(one);
    if (one.is_streamed && one.incoming && one.incoming->ask()) submit_continue(one.id);
    one.has_answer = true;
    one.since = now();
    nghttp2_data_provider provider{};
    provider.source.ptr = &one;
    provider.read_callback = &callbacks::read_part;
    const auto submitted = nghttp2_submit_response(session_.get(), one.id, fields.data(), fields.size(),
                                                   fields.has_body() ? &provider : nullptr);
    if (submitted == NGHTTP2_ERR_NOMEM) throw std::bad_alloc();
    if (submitted != 0) reset(one, NGHTTP2_INTERNAL_ERROR);
}

void http2_connection::submit_continue(std::int32_t stream) noexcept {
    const auto status = nv_of(":status", "100");
    nghttp2_submit_headers(session_.get(), NGHTTP2_FLAG_NONE, stream, nullptr, &status, 1, nullptr);
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
            next.is_last = count && (*count == 0 || one.call.answer().body.has_ended());
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
        one.since = now();
        nghttp2_session_resume_data(session_.get(), one.id);
    }
    if (one.is_open && !next.is_last && next.size() != 0) return false;  // append_part() wakes the handler
    one.call.answer().body = http::body();
    detach_body(one);
    return true;
}

/// Returns the size of the next DATA frame, which append_part() makes.
std::ptrdiff_t http2_connection::size_of_part(exchange& one, std::size_t most, std::uint32_t& flags) noexcept {
    const auto size = size_of_data(one.sendable(), !one.is_streamed || one.next.is_last, most, flags);
    return then_trailers(session(), one.id, one.trailers, size, flags);
}

int http2_connection::append_part(exchange& one, std::span<const std::uint8_t> frame_head, std::size_t count) {
    if (stream_.collected() >= most_frames) return NGHTTP2_ERR_WOULDBLOCK;  // is called again
    // A client that opens its windows by a few bytes each time gets small parts of a larger rest.
    frames_allowed_.earn(count / bytes_per_token + (count == one.sendable() ? tokens_of_rest : 0));
    auto& out = stream_.out();
    // SAFETY: bytes may be read as char.
    out.append(reinterpret_cast<const char*>(frame_head.data()), frame_head.size());
    if (one.is_streamed) {
        out.append(reinterpret_cast<const char*>(one.next.memory.get() + one.next.begin), count);
        one.next.begin += count;
        if (one.next.size() == 0) one.work.wake_by_ref();
    } else {
        out.append(one.call.answer().body.in_memory()->text().substr(one.sent, count));
        one.sent += count;
    }
    one.since = now();
    return 0;
}

void http2_connection::reset(const exchange& one, std::uint32_t why) noexcept {
    nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, one.id, why);
}

/// Ends the use of the request's body, and enlarges the connection's window by the bytes that were not read.
void http2_connection::detach_body(exchange& one) noexcept {
    if (!one.incoming) return;
    if (const auto left = one.incoming->detach(); left != 0) nghttp2_session_consume_connection(session_.get(), left);
}

// ---- The task ----

namespace {

/// The future of a connection. It only refers to the connection, which must not move because nghttp2 stores its
/// address.
class http2_serving : public future_ops<http2_serving> {
public:
    using output_type = bool;

    explicit http2_serving(http2_connection& on) noexcept : on_(&on) {}
    poll_result<bool> poll(context& cx) { return on_->poll(cx); }
    poll_result<void> poll_cancel(context& cx) { return on_->poll_cancel(cx); }

private:
    http2_connection* on_;
};

}  // namespace

bool has_http2() noexcept { return true; }

task<result<void>> serve_http2(message_stream stream, std::shared_ptr<const http_server> server,
                               std::optional<net::socket_addr> peer, std::optional<net::serve_connection> connection,
                               time::time_point first_until) {
    http2_connection all(std::move(stream), std::move(server), peer, std::move(connection), first_until);
    http2_serving serving(all);
    const bool is_alive = co_await serving;
    if (is_alive) {
        connection_end closing(all.stream(), goaway_limit);
        co_await closing;
    }
    co_return all.outcome();
}

}  // namespace eddy::detail
