// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <eddy/http/body.hpp>
#include <eddy/http/request.hpp>
#include <eddy/http/response.hpp>

#include "http/body_decoder.hpp"
#include "http/client_pool.hpp"
#include "http/head_parser.hpp"

namespace eddy::inline v0_1::detail {

/// One request and its response on a connection. Sends and receives at the same time: each poll that waits for the
/// response also continues to send the request. So a server may answer before it has received the whole request.
///
/// The body of the response owns the exchange. When the body has ended, the connection returns to the pool if it can be
/// used again.
/// Thread safety: one thread at a time.
class client_exchange final : public std::enable_shared_from_this<client_exchange> {
public:
    client_exchange(std::unique_ptr<client_connection> connection, std::shared_ptr<http_client> pool,
                    std::string origin, http::request asked, std::string_view authority);

    /// Adds "Connection: Upgrade" to the request. Call it before the first poll.
    void request_upgrade();
    /// Returns the connection after a response 101. Call take_response() before.
    [[nodiscard]] io::boxed_stream take_stream();

    /// Waits for the head of the response.
    poll_result<result<void>> poll_head(context& cx);
    /// Returns the response after poll_head().
    [[nodiscard]] http::response take_response();

    /// Returns whether the request was sent completely.
    [[nodiscard]] bool is_sent() const noexcept {
        return !sending_ && !send_error_ && !(connection_ && connection_->stream.body_failure());
    }
    /// Returns whether a part of a response has arrived.
    [[nodiscard]] bool has_received() const noexcept { return has_received_; }

    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into);

private:
    void poll_send(context& cx);
    /// Parses the heads that have arrived: those of interim responses, and that of the response itself. Returns whether
    /// the latter is complete.
    result<bool> parse_head();
    [[nodiscard]] std::error_code better_reason(std::error_code reason) const noexcept;
    void end();

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
};

}  // namespace eddy::detail
