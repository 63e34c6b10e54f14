// SPDX-License-Identifier: MIT
#include "client/http1_exchange.hpp"

#include <cstddef>
#include <span>
#include <string_view>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/http/error.hpp>

namespace eddy::detail {
namespace {

using event = http::h1::engine::event;

http::h1::limits limits_of(const http::client_options& options) noexcept {
    auto limits = http::h1::client_engine::usual_limits();
    limits.head_bytes = options.header_limit();
    return limits;
}

}  // namespace

http1_exchange::http1_exchange(std::unique_ptr<client_connection> connection, std::shared_ptr<http_client> pool,
                               std::string origin, http::request asked, std::string_view authority, bool is_kept,
                               const std::source_location& asked_at, bool asks_for_upgrade)
    : client_exchange(shape_of<http1_exchange>),
      connection_(std::move(connection)),
      pool_(std::move(pool)),
      origin_(std::move(origin)),
      asked_(std::move(asked)),
      engine_(limits_of(pool_->options())),
      is_kept_(is_kept),
      asked_at_(asked_at) {
    engine_.write_head(connection_->stream.out(), asked_, authority, asks_for_upgrade);
}

http1_exchange::~http1_exchange() {
    if (is_unread_ && connection_) pool_->note_dropped_body(asked_at_);
}

io::boxed_stream http1_exchange::take_stream() {
    auto stream = connection_->stream.release();
    connection_.reset();
    return stream;
}

void http1_exchange::poll_send(context& cx) {
    if (!is_sending_) return;
    const auto sent = sender_.poll(cx, asked_.body, engine_, connection_->stream, *this);
    is_reading_ = sender_.is_reading();
    if (!sent) return;
    if (!*sent) send_error_ = sent->error();
    is_sending_ = false;
}

poll_result<result<void>> http1_exchange::poll_head(context& cx) {
    for (;;) {
        poll_send(cx);
        // A server may answer without receiving the whole request, so an error of sending does not end the exchange.
        auto& stream = connection_->stream;
        const auto count = stream.poll_fill_idle(cx);  // client_options::timeout() limits the wait
        if (!count) {
            // If reading the body of the request has failed, the server waits for the rest and does not answer. If the
            // server has not received anything for io_timeout(), no more of the request will be sent.
            auto failure = sender_.failure();
            if (!failure && send_error_ == errc::timed_out) failure = send_error_;
            if (failure) return result<void>(std::unexpect, failure);
            return not_ready;
        }
        if (!*count) return fail_head(count->error());
        if (**count == 0)
            return fail_head(has_received_ ? make_error_code(http::errc::bad_message)
                                           : make_error_code(errc::unexpected_eof));
        has_received_ = true;
        auto input = stream.in();
        const auto found = engine_.receive(input);
        stream.consume_until(input);
        if (found == event::failed) return result<void>(std::unexpect, engine_.failure());
        if (found == event::head) return eddy::ok();
    }
}

/// An error of sending is the reason for an error of receiving.
poll_result<result<void>> http1_exchange::fail_head(std::error_code why) const {
    return result<void>(std::unexpect, send_error_ ? send_error_ : why);
}

http::response http1_exchange::take_response() {
    auto answer = engine_.take_response();
    if (answer.status == http::status::switching_protocols) return answer;  // see take_stream()
    const auto size = engine_.body_size();
    auto input = connection_->stream.in();
    if (const auto whole = engine_.take_body(input)) {
        if (!whole->empty()) answer.body = http::body(*whole);
        connection_->stream.consume_until(input);
        end();
    } else {
        answer.body = source_of(size);
        is_unread_ = engine_.keeps_alive();
    }
    return answer;
}

std::optional<http::request> http1_exchange::take_request() {
    if (asked_.body.in_memory() == nullptr) return std::nullopt;
    return std::move(asked_);
}

poll_result<result<std::size_t>> http1_exchange::poll_read(context& cx, std::span<std::byte> into) {
    is_unread_ = false;
    if (failure_) return result<std::size_t>(std::unexpect, failure_);
    if (!connection_) return eddy::ok(std::size_t{0});
    poll_result<result<std::size_t>> count = not_ready;
    try {
        poll_send(cx);
        count = connection_->stream.poll_body(cx, engine_, into);
        if (count && *count && engine_.has_received()) end();
    } catch (...) {
        fail(error_of_exception());  // received bytes may be lost
        throw;
    }
    if (count && *count) return count;
    // If reading the body of the request has failed, the server waits for the rest and does not answer.
    const auto failure = count ? count->error() : sender_.failure();
    if (!failure) return not_ready;
    fail(failure);
    return result<std::size_t>(std::unexpect, failure);
}

void http1_exchange::fail(std::error_code why) noexcept {
    failure_ = why;
    is_sending_ = false;
    connection_.reset();
}

void http1_exchange::end() {
    const bool was_sent = is_sent();
    if (engine_.keeps_alive() && was_sent && connection_->stream.in().empty()) {
        pool_->put(origin_, std::move(connection_));
    } else if (was_sent) {
        connection_->end();
    }
    is_sending_ = false;
    connection_.reset();
}

}  // namespace eddy::detail
