// SPDX-License-Identifier: MIT
#include "server/request_input.hpp"

#include <array>
#include <utility>

#include <eddy/http/error.hpp>
#include <eddy/http/status.hpp>

#include "message/fields.hpp"
#include "server/connection.hpp"

namespace eddy::detail {

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
