// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <system_error>

#include <eddy/detail/atomic.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/awaited_part.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/http/body.hpp>
#include <eddy/http/h1.hpp>
#include <eddy/http/headers.hpp>
#include <eddy/http/method.hpp>
#include <eddy/http/response.hpp>
#include <eddy/http/serve.hpp>
#include <eddy/result.hpp>

#include "h1/message_stream.hpp"
#include "message/body_timer.hpp"

namespace eddy::detail {

/// The number of bytes that a connection receives ahead, while a service works.
inline constexpr std::size_t most_ahead = 64 * 1024;

/// The body of a request while it is received. The connection and the http::body share it. The latter may outlive the
/// connection, and another task may read it, while the connection's task waits for the service or sends a response.
///
/// Only the connection's task waits for the connection: a reader that must wait leaves its waker in `reader`, and the
/// connection wakes it. So the connection also notices its end while a reader waits, and after a read was dropped.
///
/// | what                                                 | used by                                            |
/// |------------------------------------------------------|----------------------------------------------------|
/// | all members; the message_stream and the engine       | both tasks, under the lock                         |
/// | the message_stream and the engine after detach()     | the connection's task                              |
class incoming_body final : public std::enable_shared_from_this<incoming_body> {
public:
    incoming_body(message_stream& from, http::h1::server_engine& by, body_timer&& limits) noexcept
        : stream_(&from), engine_(&by), timer_(std::move(limits)) {}

    // ---- For the connection's task ----

    /// Makes the body that a service reads.
    [[nodiscard]] http::body make_body();
    /// Sets the waker of the connection's task. Call it in each poll of that task in which the body may be read.
    void set_connection(waker task) noexcept;
    /// Locks the message_stream and the engine.
    [[nodiscard]] std::unique_lock<mutex> guard() { return std::unique_lock(lock_); }
    /// Records that the connection's task sends the response from now on, while the body may still be read.
    /// Preconditions: guard().
    void begin_response();
    /// Sends all of message_stream::out(). Meanwhile, receives for a reader that waits.
    /// Cancel safety: safe.
    poll_result<result<void>> poll_flush(context& cx);
    /// Returns whether the client has gone: its connection has failed, or has ended and `may_half_close` is false.
    /// Otherwise wakes the task when that may have changed. Receives the bytes that arrive: for a reader that waits, or
    /// ahead, up to a limit. With more of them, only a failed write shows that the client is gone.
    /// Cancel safety: safe.
    [[nodiscard]] bool poll_client_gone(context& cx, bool may_half_close);
    [[nodiscard]] std::error_code failure();
    /// Ends the use of the connection: reading the body fails from now on.
    void detach() noexcept;

    // ---- For the reader ----

    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into);
    /// Returns false: a body with trailer fields has no announced size.
    [[nodiscard]] bool may_have_trailers() const noexcept { return false; }
    [[nodiscard]] http::headers trailers();

    static constexpr auto wait_shape() {
        return inspect::named_wait("the body of an HTTP request", inspect::reader(&incoming_body::stream_));
    }

private:
    void wake_connection();
    poll_result<result<std::size_t>> poll_locked(context& cx, std::span<std::byte> into);
    [[nodiscard]] bool has_waiting_reader() const noexcept { return !reader_.is_noop() && !engine_->has_received(); }
    /// Receives for the reader, which waits. Returns its waker if it must be woken.
    [[nodiscard]] waker poll_for_reader(context& cx);

    mutex lock_;
    message_stream* stream_;           // null after detach()
    http::h1::server_engine* engine_;  // null after detach()
    body_timer timer_;
    std::error_code failure_;
    http::headers trailers_;     // after the end of the body
    waker reader_;               // of a reader that waits
    waker connection_;           // of the connection's task
    bool wants_room_ = false;    // the connection's task waits until the reader has taken bytes from the buffer
    bool has_response_ = false;  // the connection's task sends the response, and what was collected before
};

/// What a client of HTTP/1.1 sends after the head of a request: the body, which the service or the response reads, and
/// what follows it. That is received ahead, so that the connection notices that the client goes away.
/// Thread safety: one thread at a time, on which the connection's task runs. See incoming_body for the readers of the
/// body.
/// Lifetime: refers to the connection, the engine, and the options.
class request_input : immovable {
public:
    request_input(message_stream& from, http::h1::server_engine& by, const http::serve_options& options) noexcept
        : stream_(from), engine_(by), options_(options) {}
    ~request_input() { detach(); }

    /// Gives the request its body, after the event `head`.
    void add_body();
    /// Call it in each poll of the connection's task in which the body may be read.
    void set_task(const context& cx) noexcept {
        if (body_) body_->set_connection(cx.waker());
    }
    /// Returns whether the client has gone. Otherwise wakes the task when that may have changed.
    /// Cancel safety: safe.
    [[nodiscard]] bool poll_client_gone(context& cx);
    /// Prepares for the response to a request with the method `asked`. If the body may still be read, returns the lock
    /// of the engine and the buffers. Otherwise ends the use of the connection by the body.
    [[nodiscard]] std::unique_lock<mutex> begin_response(const http::response& answer, http::method asked);
    /// Ends the use of the connection by the body.
    void detach() noexcept {
        if (body_) end_body();
    }
    /// Returns why the body could not be received, or no error.
    [[nodiscard]] std::error_code failure() const { return body_ ? body_->failure() : failure_; }
    /// Discards the rest of the body. Returns why that is not possible, or no error.
    /// Cancel safety: safe.
    /// Preconditions: detach() was called.
    poll_result<std::error_code> poll_discard(context& cx);

    // ---- For body_sender ----

    [[nodiscard]] std::unique_lock<mutex> lock() const { return body_ ? body_->guard() : std::unique_lock<mutex>(); }
    poll_result<result<void>> poll_flush(context& cx) { return body_ ? body_->poll_flush(cx) : stream_.poll_flush(cx); }
    [[nodiscard]] std::error_code poll_waiting(context& cx, const http::body& from);

private:
    [[nodiscard]] bool may_be_read(const http::response& answer, http::method asked) const noexcept;
    void end_body() noexcept;

    message_stream& stream_;
    http::h1::server_engine& engine_;
    const http::serve_options& options_;
    std::shared_ptr<incoming_body> body_;  // null without a body, if the body is in memory, and after detach()
    std::error_code failure_;              // of the body, after detach()
    std::size_t discarded_ = 0;            // bytes of the body
};

}  // namespace eddy::detail
