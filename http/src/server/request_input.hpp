// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <system_error>

#include <eddy/detail/atomic.hpp>
#include <eddy/error.hpp>
#include <eddy/future/future.hpp>
#include <eddy/http/body.hpp>
#include <eddy/http/h1.hpp>
#include <eddy/http/method.hpp>
#include <eddy/http/response.hpp>
#include <eddy/http/serve.hpp>
#include <eddy/result.hpp>

#include "h1/message_stream.hpp"
#include "server/incoming_body.hpp"

namespace eddy::detail {

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
