// SPDX-License-Identifier: MIT
#include "server/incoming_body.hpp"

#include <mutex>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/http/error.hpp>

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

}  // namespace eddy::detail
