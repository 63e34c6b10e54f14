// SPDX-License-Identifier: MIT
#include "client/http1_exchange.hpp"

#include <cstddef>
#include <limits>
#include <span>
#include <string_view>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/http/error.hpp>

namespace eddy::detail {

http1_exchange::http1_exchange(std::unique_ptr<client_connection> connection, std::shared_ptr<http_client> pool,
                               std::string origin, http::request asked, std::string_view authority, bool is_kept)
    : connection_(std::move(connection)),
      pool_(std::move(pool)),
      origin_(std::move(origin)),
      asked_(std::move(asked)),
      is_kept_(is_kept) {
    limits_.bytes = pool_->options().header_limit();
    limits_.fields = most_response_fields;
    const auto framing = write_request_head(connection_->stream.out(), asked_, authority);
    sending_ = connection_->stream.send_body(asked_.body, framing);
}

void http1_exchange::request_upgrade() {
    may_upgrade_ = true;
    auto& out = connection_->stream.out();
    constexpr std::string_view end = "\r\n";  // the empty line after the fields
    out.resize(out.size() - end.size());
    out.append("Connection: Upgrade\r\n").append(end);
}

io::boxed_stream http1_exchange::take_stream() {
    sending_.reset();
    auto stream = connection_->stream.release();
    connection_.reset();
    return stream;
}

void http1_exchange::poll_send(context& cx) {
    if (!sending_) return;
    const auto sent = sending_->poll(cx);
    if (!sent) return;
    if (!*sent) send_error_ = sent->error();
    sending_.reset();
}

std::error_code http1_exchange::better_reason(std::error_code reason) const noexcept {
    return send_error_ ? send_error_ : reason;
}

poll_result<result<void>> http1_exchange::poll_head(context& cx) {
    for (;;) {
        poll_send(cx);
        // A server may answer without receiving the whole request, so an error of sending does not end the exchange.
        auto count = connection_->stream.poll_fill_idle(cx);  // client_options::timeout() limits the wait
        if (!count) {
            // If reading the body of the request has failed, the server waits for the rest and does not answer. If the
            // server has not received anything for io_timeout(), no more of the request will be sent.
            auto failure = connection_->stream.body_failure();
            if (!failure && send_error_ == errc::timed_out) failure = send_error_;
            if (failure) return result<void>(std::unexpect, failure);
            return not_ready;
        }
        if (!*count) return result<void>(std::unexpect, better_reason(count->error()));
        if (**count == 0) {
            const auto reason =
                has_received_ ? make_error_code(http::errc::bad_message) : make_error_code(errc::unexpected_eof);
            return result<void>(std::unexpect, better_reason(reason));
        }
        has_received_ = true;
        const auto is_complete = parse_head();
        if (!is_complete) return result<void>(std::unexpect, is_complete.error());
        if (*is_complete) return eddy::ok();
    }
}

result<bool> http1_exchange::parse_head() {
    for (;;) {
        using outcome = head_scanner::outcome;
        const auto in = connection_->stream.in();
        switch (scanner_.scan(in, limits_.bytes)) {
        case outcome::incomplete:
            if (!may_be_response(in)) return std::unexpected(make_error_code(http::errc::bad_message));
            return false;
        case outcome::complete: break;
        case outcome::malformed: return std::unexpected(make_error_code(http::errc::bad_message));
        case outcome::line_too_long:
        case outcome::too_large: return std::unexpected(make_error_code(http::errc::header_too_large));
        }
        head_ = response_head();
        const auto text = connection_->stream.in().substr(scanner_.begin(), scanner_.end() - scanner_.begin());
        if (!parse_response_head(text, limits_, asked_.method, head_))
            return std::unexpected(make_error_code(http::errc::bad_message));
        connection_->stream.consume(scanner_.end());
        scanner_ = head_scanner();
        if (head_.status >= 200) return true;
        if (head_.status == 101 && may_upgrade_) return true;
        if (head_.status == 101 || ++interim_ > most_interim_responses)
            return std::unexpected(make_error_code(http::errc::bad_message));
    }
}

http::response http1_exchange::take_response() {
    using kind = body_framing::kind;
    http::response answer(http::status{static_cast<std::uint16_t>(head_.status)});
    answer.version = head_.version;
    answer.headers = std::move(head_.headers);
    if (head_.status == 101) return answer;  // the connection belongs to another protocol: see take_stream()
    decoder_.emplace(head_.framing, std::numeric_limits<std::uint64_t>::max(), body_decoder::message::response);
    const auto in = connection_->stream.in();
    if (head_.framing.is == kind::length && head_.framing.length <= in.size()) {
        const auto size = static_cast<std::size_t>(head_.framing.length);
        answer.body = http::body(in.substr(0, size));
        connection_->stream.consume(size);
        decoder_.emplace(body_framing(), 0);
    }
    if (decoder_->is_finished()) {
        end();
        return answer;
    }
    const auto size = head_.framing.is == kind::length ? std::optional(head_.framing.length) : std::nullopt;
    answer.body = source_of(size);
    return answer;
}

std::optional<http::request> http1_exchange::take_request() {
    if (asked_.body.in_memory() == nullptr) return std::nullopt;
    sending_.reset();
    return std::move(asked_);
}

poll_result<result<std::size_t>> http1_exchange::poll_read(context& cx, std::span<std::byte> into) {
    if (failure_) return result<std::size_t>(std::unexpect, failure_);
    if (!connection_) return eddy::ok(std::size_t{0});
    poll_result<result<std::size_t>> count = not_ready;
    try {
        poll_send(cx);
        count = connection_->stream.poll_body(cx, *decoder_, into);
        if (count && *count && decoder_->is_finished()) end();
    } catch (...) {
        fail(error_of_exception());  // received bytes may be lost
        throw;
    }
    if (count && *count) return count;
    // If reading the body of the request has failed, the server waits for the rest and does not answer.
    const auto failure = count ? count->error() : connection_->stream.body_failure();
    if (!failure) return not_ready;
    fail(failure);
    return result<std::size_t>(std::unexpect, failure);
}

void http1_exchange::fail(std::error_code why) noexcept {
    failure_ = why;
    sending_.reset();
    connection_.reset();
}

void http1_exchange::end() {
    const bool was_sent = is_sent();
    const bool is_usable = head_.keeps_alive && was_sent && connection_->stream.in().empty() &&
                           !asked_.headers.has_token("Connection", "close");
    sending_.reset();
    if (is_usable) {
        pool_->put(origin_, std::move(connection_));
    } else {
        if (was_sent) connection_->end();
        connection_.reset();
    }
}

}  // namespace eddy::detail
