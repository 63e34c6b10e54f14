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

namespace eddy::detail {

namespace {

constexpr std::size_t first_window = 1 << 20;           // of a stream; see also http2_window
constexpr std::size_t largest_window = (1U << 31) - 1;  // RFC 9113, section 6.9.1
constexpr auto goaway_limit = std::chrono::seconds(2);  // for the client to close the connection
constexpr auto drain_limit = std::chrono::seconds(1);   // for the answer to the PING that follows the first GOAWAY

/// Returns the window of a connection for a window of its streams: a request whose body is not read leaves room for
/// others.
constexpr std::size_t connection_window(std::size_t of_stream) noexcept { return 2 * of_stream; }

}  // namespace

// ---- The connection ----

http2_connection::http2_connection(message_stream&& stream, accepted_connection&& accepted,
                                   time::time_point first_until)
    : http2_session(std::move(stream), role::server, accepted.options().io_timeout()),
      accepted_(std::move(accepted)),
      window_(first_window, std::min(options().window_limit(), largest_window) / 2),
      frames_(options().header_limit(), first_until, allowed_) {
    const auto most_bytes = std::min<std::size_t>(options().header_limit(), UINT32_MAX);
    const std::array<nghttp2_settings_entry, 3> settings = {{
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, options().max_streams()},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, static_cast<std::uint32_t>(first_window)},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(most_bytes)},
    }};
    if (!announce(settings, connection_window(first_window))) throw std::bad_alloc();
    if (const auto& token = options().connections().shutdown())
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
    if (mailbox_) mailbox_->begin_turn();
    if (!run(cx)) return not_ready;
    end_bodies();
    begun_.clear();
    if (!handlers_.poll_cancel(cx)) return not_ready;
    return finish(cx);
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
    end_drain();
    end_at_once(cx);
    return poll_result<void>::ready();
}

result<void> http2_connection::outcome() const {
    if (thrown_) std::rethrow_exception(thrown_);
    if (failure_) return std::unexpected(failure_);
    return ok();
}

bool http2_connection::work(context& cx) {
    const bool has_received = frames_.pay(cx) && receive(cx);
    const bool moves = run_handlers(cx);
    take_notes();
    return has_received || moves;
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
        if (!one.is_open) take_stream(exchanges_, one);
        moves = true;
    }
    return moves;
}

/// Enlarges the flow-control windows by the bytes that were read or will not be read, and makes the timer earlier for
/// readers that wait.
void http2_connection::take_notes() {
    if (!mailbox_) return;
    for (const auto& body : mailbox_->take()) {
        const auto news = body->news();
        if (news.consumed != 0) consume(body->stream(), news.consumed);
        if (timer_ && news.deadline < timer_->deadline()) timer_.reset();
        auto* const one = exchange_of(body->stream());
        if (news.is_dropped && one != nullptr) detach_body(*one);
        if (news.asks && one != nullptr && !one->has_answer) submit_continue(body->stream());
    }
}

/// Enlarges the windows by bytes that a service has read.
void http2_connection::consume(std::int32_t stream, std::size_t bytes) noexcept {
    nghttp2_session_consume(session(), stream, bytes);
    if (window_.consumed(bytes)) send_probe();
}

void http2_connection::send_probe() noexcept { nghttp2_submit_ping(session(), NGHTTP2_FLAG_NONE, window_probe.data()); }

/// Makes the windows larger if they limit the speed.
void http2_connection::probe_answered() noexcept {
    if (window_.answered()) send_probe();
    const auto wanted = window_.wanted();
    if (wanted == window_.size()) return;
    const auto whole = connection_window(wanted);
    const auto added = whole - connection_window(window_.size());
    auto* const memory = server_access::memory(options());
    if (memory == nullptr || !memory->take_window(holder_, accepted_.peer(), added, options().window_memory_limit()))
        return;
    const nghttp2_settings_entry setting{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, static_cast<std::uint32_t>(wanted)};
    // The connection's window bounds the memory. Without memory for either frame, the next answer tries again.
    if (!announce({&setting, 1}, whole)) return memory->give_back_window(holder_, added);
    window_.grow(wanted);
}

bool http2_connection::wait(context& cx) {
    // A client that sends without a pause uses up the coop budget in each poll.
    context own(cx.waker());
    if (told_ && told_->poll(own)) {
        told_.reset();
        begin_drain();
        return true;
    }
    mark_idle();
    begin_waits();
    if (holder_.poll_dropped(own)) {
        drop_unread();
        return true;
    }
    if (poll_timer(own)) return true;
    return mailbox_ && !mailbox_->end_turn(cx.waker());
}

void http2_connection::mark_idle() {
    // A connection that waits for the answer to its PING is about to end by itself.
    const bool is_idle = exchanges_.empty() && !stream_.has_unsent() && drains_ == has_final_goaway_;
    if (!is_idle) {
        static_cast<void>(accepted_.end_idle());  // begin_head() asks again before it begins a request
        return;
    }
    stream_.release_buffers();
    accepted_.begin_idle();
}

/// The result is not later than the deadline of any wait that begins after this call, except a wait for a slow body:
/// see take_notes().
time::time_point http2_connection::check_deadlines() {
    if (exchanges_.empty() && drain_until_ == never && frames_.block_until() == never) return never;
    const auto current = time::clock::now();
    auto next = time::saturating_add(current, std::min(io_timeout_, time::round_up(options().header_timeout())));
    next = std::min(next, never - time::duration(1));  // poll_timer() must notice the frames of this call
    if (drain_until_ <= current) end_drain();
    // A client that has not completed its first request, or the current block of fields, in time.
    if (frames_.block_until() <= current) terminate(frames_.end_late_block());
    next = std::min({next, drain_until_, frames_.block_until()});
    for (const auto& one : exchanges_)
        if (one->is_open) next = std::min(next, deadline_of(*one, current));
    return next;
}

// ---- The end ----

/// Tells the client that the connection will end. Requests that the client sends before it receives this notice are
/// served.
void http2_connection::begin_drain() noexcept {
    if (std::exchange(drains_, true)) return;
    nghttp2_submit_shutdown_notice(session());
    nghttp2_submit_ping(session(), NGHTTP2_FLAG_NONE, nullptr);
    drain_until_ = time::saturating_add(time::clock::now(), drain_limit);
    timer_.reset();
}

/// Refuses requests from now on. nghttp2 ends the session when the earlier requests were answered.
void http2_connection::end_drain() noexcept {
    drains_ = true;
    drain_until_ = never;
    if (std::exchange(has_final_goaway_, true)) return;
    const auto last = nghttp2_session_get_last_proc_stream_id(session());
    nghttp2_submit_goaway(session(), NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, nullptr, 0);
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
    const auto of_body = one.incoming ? one.incoming->failure() : std::error_code();
    if (!thrown && is_of_client(why, of_body)) return;
    auto* const state = accepted_.state();
    if (!failure_ && !thrown_ && state != nullptr) state->set_failed_work(one.call.name.text());
    fail(why, std::move(thrown));
}

// ---- The task ----

bool has_http2() noexcept { return true; }

static task<result<void>> serve_all(message_stream stream, accepted_connection accepted, time::time_point first_until) {
    http2_connection all(std::move(stream), std::move(accepted), first_until);
    const bool is_alive = co_await all;
    if (is_alive) {
        connection_end closing(all.stream(), goaway_limit);
        co_await closing;
    }
    co_return all.outcome();
}

task<result<void>> serve_http2(message_stream&& stream, accepted_connection&& accepted, time::time_point first_until) {
    return serve_all(std::move(stream), std::move(accepted), first_until);
}

}  // namespace eddy::detail
