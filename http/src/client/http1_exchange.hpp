// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <eddy/http/request.hpp>
#include <eddy/http/response.hpp>

#include "client/exchange.hpp"
#include "client/pool.hpp"
#include "h1/head.hpp"

namespace eddy::detail {

/// One request and its response on a connection of HTTP/1.1. When the body of the response has ended, the connection
/// returns to the pool if it can be used again.
class http1_exchange final : public client_exchange {
public:
    /// `is_kept` tells whether the connection had been used before.
    http1_exchange(std::unique_ptr<client_connection> connection, std::shared_ptr<http_client> pool, std::string origin,
                   http::request asked, std::string_view authority, bool is_kept);

    /// Adds "Connection: Upgrade" to the request. Call it before the first poll.
    void request_upgrade();
    /// Returns the connection after a response 101. Call take_response() before.
    [[nodiscard]] io::boxed_stream take_stream();

    poll_result<result<void>> poll_head(context& cx) override;
    http::response take_response() override;
    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) override;
    bool may_have_trailers() const noexcept override { return false; }  // only a body in chunks has them
    http::headers trailers() override { return decoder_->trailers(); }

    bool is_sent() const noexcept override {
        return !sending_ && !send_error_ && !(connection_ && connection_->stream.body_failure());
    }
    repeat may_repeat() const noexcept override {
        return is_kept_ && !has_received_ ? repeat::if_idempotent : repeat::never;
    }
    std::optional<http::request> take_request() override;

private:
    void poll_send(context& cx);
    /// Parses the heads that have arrived: those of interim responses, and that of the response itself. Returns whether
    /// the latter is complete.
    result<bool> parse_head();
    [[nodiscard]] std::error_code better_reason(std::error_code reason) const noexcept;
    void end();
    /// Closes the connection. Later reads of the body return `why`.
    void fail(std::error_code why) noexcept;

    std::unique_ptr<client_connection> connection_;  // null after the end
    std::shared_ptr<http_client> pool_;
    std::string origin_;
    http::request asked_;
    std::optional<task<result<void>>> sending_;  // refers to asked_ and connection_
    std::error_code send_error_;
    std::error_code failure_;  // of the body of the response
    head_limits limits_;
    head_scanner scanner_;
    response_head head_;
    std::optional<body_decoder> decoder_;
    unsigned interim_ = 0;
    bool has_received_ = false;
    bool may_upgrade_ = false;  // a response 101 is expected
    bool is_kept_;
};

}  // namespace eddy::detail
