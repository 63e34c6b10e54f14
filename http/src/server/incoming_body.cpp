// SPDX-License-Identifier: MIT
#include "server/incoming_body.hpp"

#include <mutex>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/http/error.hpp>

namespace eddy::detail {
namespace {

class incoming_source final : public body_source {
public:
    explicit incoming_source(std::shared_ptr<incoming_body> from) noexcept : from_(std::move(from)) {}
    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) override {
        return from_->poll_read(cx, into);
    }
    http::headers make_trailers() override { return from_->trailers(); }

private:
    std::shared_ptr<incoming_body> from_;
};

}  // namespace

std::error_code incoming_body::get_failure() {
    const std::lock_guard guard(lock);
    return failure;
}

void incoming_body::ask() {
    if (std::exchange(expects_continue, false)) append_continue(stream->out());
}

void incoming_body::detach() noexcept {
    waker waiting;
    waker task;  // destroyed without the lock
    {
        const std::lock_guard guard(lock);
        stream = nullptr;
        timer.stop();
        task.swap(connection);
        waiting.swap(reader);
    }
    std::move(waiting).wake();
}

/// Wakes the connection's task. Borrows its waker, because a copy could only be made with the lock.
void incoming_body::wake_connection() {
    waker task;
    {
        const std::lock_guard guard(lock);
        task.swap(connection);
    }
    task.wake_by_ref();
    const std::lock_guard guard(lock);
    if (stream != nullptr && connection.is_noop()) connection.swap(task);
}

poll_result<result<std::size_t>> incoming_body::poll_read(context& cx, std::span<std::byte> into) {
    // Wakers are copied, destroyed and woken without the lock, because that may run user-provided code.
    waker mine = cx.waker();
    waker former;
    bool wakes_connection = false;
    poll_result<result<std::size_t>> count = not_ready;
    {
        const std::lock_guard guard(lock);
        if (stream == nullptr) return result<std::size_t>(std::unexpect, make_error_code(http::errc::body_detached));
        if (failure) return result<std::size_t>(std::unexpect, failure);
        count = poll_locked(cx, into);
        former.swap(reader);
        if (!count) reader.swap(mine);
        if (count && !*count) failure = count->error();
        // The task of the connection receives again, or looks whether the client has gone.
        wakes_connection = count && (failure || std::exchange(wants_room, false));
    }
    if (wakes_connection) wake_connection();
    return count;
}

poll_result<result<std::size_t>> incoming_body::poll_locked(context& cx, std::span<std::byte> into) {
    ask();
    // The task of the connection waits for more bytes: see received_body. It may not have been polled yet.
    context own(connection.is_noop() ? cx.waker() : connection, cx.budget());
    try {
        auto count = stream->poll_body(own, decoder, into);
        cx.restore_budget(own.budget());
        if (count) {
            if (*count) timer.receive(**count);
            return count;
        }
        if (timer.poll_late(own, decoder.is_in_trailers()))
            return result<std::size_t>(std::unexpect, make_error_code(errc::timed_out));
    } catch (...) {
        // Received bytes may be lost, so the following bytes must not be parsed as requests.
        failure = error_of_exception();
        throw;
    }
    if (has_response) return not_ready;            // the task of the connection flushes
    const auto flushed = stream->poll_flush(own);  // "100 Continue", if another task reads the body
    if (flushed && !*flushed) return result<std::size_t>(std::unexpect, flushed->error());
    return not_ready;
}

http::headers incoming_body::trailers() {
    const std::lock_guard guard(lock);
    return decoder.trailers();
}

http::body make_incoming_body(std::shared_ptr<incoming_body> from, std::optional<std::uint64_t> size) {
    return http::body::from_source(std::make_unique<incoming_source>(std::move(from)), size);
}

}  // namespace eddy::detail
