// SPDX-License-Identifier: MIT
#include "server/request_input.hpp"

#include <array>
#include <mutex>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/http/error.hpp>
#include <eddy/http/status.hpp>

#include "message/fields.hpp"
#include "server/connection.hpp"

namespace eddy::detail {
namespace {

result<std::size_t> failed(std::error_code why) { return std::unexpected(why); }

}  // namespace

// ---- The connection's task ----

http::body incoming_body::make_body() { return body_access::from_shared(shared_from_this(), engine_->body_size()); }

void incoming_body::set_connection(waker task) noexcept {
    const std::lock_guard guard(lock_);
    connection_.swap(task);  // the former waker is destroyed without the lock
}

void incoming_body::begin_response() {
    has_response_ = true;
    engine_->write_continue(stream_->out());
    if (failure_) engine_->close();
}

poll_result<result<void>> incoming_body::poll_flush(context& cx) {
    set_connection(cx.waker());
    waker to_wake;
    poll_result<result<void>> flushed = not_ready;
    {
        const std::lock_guard guard(lock_);
        flushed = stream_->poll_flush(cx);
        if (!flushed && has_waiting_reader()) to_wake = poll_for_reader(cx);
    }
    std::move(to_wake).wake();  // without the lock
    return flushed;
}

bool incoming_body::poll_client_gone(context& cx, bool may_half_close) {
    waker to_wake;
    bool is_gone = false;
    bool looks_again = false;
    {
        const std::lock_guard guard(lock_);
        const bool is_read = has_waiting_reader() && !stream_->is_broken();
        if (is_read) to_wake = poll_for_reader(cx);
        if (is_read && to_wake.is_noop()) return false;  // poll_for_reader() has registered this task
        if (stream_->poll_ahead(cx, most_ahead)) wants_room_ = true;
        looks_again = stream_->has_ended() && is_read && !stream_->is_broken();
        is_gone = stream_->is_broken() || (stream_->has_ended() && !looks_again && !may_half_close);
    }
    std::move(to_wake).wake();  // without the lock
    // The reader comes first: it gets the error. It may have been dropped, so this task looks again.
    if (looks_again) cx.waker().wake_by_ref();
    return is_gone;
}

waker incoming_body::poll_for_reader(context& cx) {
    const auto received = stream_->poll_fill(cx);
    if (received) {
        timer_.end_wait();
        if (!*received) failure_ = received->error();
    } else {
        if (!timer_.poll_late(cx, engine_->is_in_trailers())) return {};
        failure_ = make_error_code(errc::timed_out);
    }
    return std::exchange(reader_, waker());
}

std::error_code incoming_body::failure() {
    const std::lock_guard guard(lock_);
    return failure_;
}

void incoming_body::detach() noexcept {
    waker waiting;
    waker task;  // destroyed without the lock
    {
        const std::lock_guard guard(lock_);
        stream_ = nullptr;
        engine_ = nullptr;
        timer_.stop();
        task.swap(connection_);
        waiting.swap(reader_);
    }
    std::move(waiting).wake();
}

// ---- The reader ----

/// Wakes the connection's task. Borrows its waker, because a copy could only be made with the lock.
void incoming_body::wake_connection() {
    waker task;
    {
        const std::lock_guard guard(lock_);
        task.swap(connection_);
    }
    task.wake_by_ref();
    const std::lock_guard guard(lock_);
    if (stream_ != nullptr && connection_.is_noop()) connection_.swap(task);
}

poll_result<result<std::size_t>> incoming_body::poll_read(context& cx, std::span<std::byte> into) {
    // Wakers are copied, destroyed and woken without the lock, because that may run user-provided code.
    waker mine = cx.waker();
    waker former;
    bool wakes_connection = false;
    poll_result<result<std::size_t>> count = not_ready;
    {
        const std::lock_guard guard(lock_);
        if (stream_ == nullptr) return failed(make_error_code(http::errc::body_detached));
        if (failure_) return failed(failure_);
        count = poll_locked(cx, into);
        former.swap(reader_);
        if (!count) reader_.swap(mine);
        if (count && !*count) failure_ = count->error();
        // The task of the connection receives again, or looks whether the client has gone.
        wakes_connection = count && (failure_ || std::exchange(wants_room_, false));
    }
    if (wakes_connection) wake_connection();
    return count;
}

poll_result<result<std::size_t>> incoming_body::poll_locked(context& cx, std::span<std::byte> into) {
    engine_->write_continue(stream_->out());
    // The task of the connection waits for more bytes. It may not have been polled yet.
    context own(connection_.is_noop() ? cx.waker() : connection_, cx.budget());
    try {
        auto count = stream_->poll_body(own, *engine_, into);
        cx.restore_budget(own.budget());
        if (count) {
            if (*count) timer_.receive(**count);
            if (engine_->has_received()) trailers_ = engine_->trailers();
            return count;
        }
        if (timer_.poll_late(own, engine_->is_in_trailers())) return failed(make_error_code(errc::timed_out));
    } catch (...) {
        // Received bytes may be lost, so the following bytes must not be parsed as requests.
        failure_ = error_of_exception();
        throw;
    }
    if (has_response_) return not_ready;            // the task of the connection flushes
    const auto flushed = stream_->poll_flush(own);  // "100 Continue", if another task reads the body
    if (flushed && !*flushed) return failed(flushed->error());
    return not_ready;
}

http::headers incoming_body::trailers() {
    const std::lock_guard guard(lock_);
    return trailers_;
}

// ---- After the head ----

constexpr std::size_t most_discarded = 256 * 1024;  // bytes of a body that the service has not read

void request_input::add_body() {
    auto input = stream_.in();
    if (const auto whole = engine_.take_body(input)) {
        engine_.request().body = http::body(*whole);
        stream_.consume_until(input);
        return;
    }
    body_timer limits(rate_limits(options_), options_.header_timeout());
    body_ = std::make_shared<incoming_body>(stream_, engine_, std::move(limits));
    engine_.request().body = body_->make_body();
}

bool request_input::poll_client_gone(context& cx) {
    if (body_) return body_->poll_client_gone(cx, options_.half_close());
    static_cast<void>(stream_.poll_ahead(cx, most_ahead));
    return stream_.is_broken() || (stream_.has_ended() && !options_.half_close());
}

std::error_code request_input::poll_waiting(context& cx, const http::body& from) {
    const bool has_gone = poll_client_gone(cx) || (stream_.has_ended() && body_access::ends_with_peer(from));
    return has_gone ? make_error_code(errc::unexpected_eof) : std::error_code();
}

/// Returns whether the body may be read while the response is sent. The response's body may be the request's.
bool request_input::may_be_read(const http::response& answer, http::method asked) const noexcept {
    if (answer.body.in_memory() != nullptr || body_access::file(answer.body) != nullptr ||
        has_no_body(http::to_int(answer.status), asked))
        return false;
    return body_.use_count() != 1;  // the only other owner is the body that the service has got
}

std::unique_lock<mutex> request_input::begin_response(const http::response& answer, http::method asked) {
    if (!body_) return {};
    if (may_be_read(answer, asked)) {
        auto guard = body_->guard();
        body_->begin_response();
        return guard;
    }
    detach();
    // Too much of the body is unread, so the connection will be closed. The response announces that, so that the client
    // sends no further request on it.
    if (failure_ || engine_.announced() > most_discarded) engine_.close();
    return {};
}

void request_input::end_body() noexcept {
    body_->detach();
    failure_ = body_->failure();
    body_.reset();
}

poll_result<std::error_code> request_input::poll_discard(context& cx) {
    std::array<std::byte, message_stream::read_size> scratch;  // NOLINT(cppcoreguidelines-pro-type-member-init)
    for (;;) {
        const auto count = stream_.poll_body(cx, engine_, scratch);
        if (!count) return not_ready;
        if (!*count) return count->error();
        if (**count == 0) return std::error_code();
        discarded_ += **count;
        if (discarded_ > most_discarded) return make_error_code(http::errc::body_too_large);
    }
}

}  // namespace eddy::detail
