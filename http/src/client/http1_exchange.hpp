// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <system_error>

#include <eddy/http/h1.hpp>
#include <eddy/http/request.hpp>
#include <eddy/http/response.hpp>

#include "client/exchange.hpp"
#include "client/pool.hpp"
#include "h1/body_sender.hpp"

namespace eddy::detail {

/// One request and its response on a connection of HTTP/1.1. When the body of the response has ended, the connection
/// returns to the pool if it can be used again.
class http1_exchange final : public client_exchange {
public:
    /// `is_kept` tells whether the connection had been used before. With `asks_for_upgrade`, a response 101 is
    /// expected: see http::h1::client_engine.
    http1_exchange(std::unique_ptr<client_connection> connection, std::shared_ptr<http_client> pool, std::string origin,
                   http::request asked, std::string_view authority, bool is_kept, const std::source_location& asked_at,
                   bool asks_for_upgrade = false);
    ~http1_exchange() override;

    /// Returns the connection after a response 101. Call take_response() before.
    [[nodiscard]] io::boxed_stream take_stream();

    poll_result<result<void>> poll_head(context& cx) override;
    http::response take_response() override;
    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) override;
    bool may_have_trailers() const noexcept override { return false; }  // only a body in chunks has them
    http::headers trailers() override { return engine_.trailers(); }

    bool is_sent() const noexcept override { return !is_sending_ && !send_error_; }
    repeat may_repeat() const noexcept override {
        return is_kept_ && !has_received_ ? repeat::if_idempotent : repeat::never;
    }
    std::optional<http::request> take_request() override;

    // ---- For body_sender ----

    [[nodiscard]] std::unique_lock<mutex> lock() const noexcept { return {}; }
    poll_result<result<void>> poll_flush(context& cx) { return connection_->stream.poll_flush(cx); }
    [[nodiscard]] std::error_code poll_waiting(context&, const http::body&) const noexcept { return {}; }

    static constexpr auto wait_shape() {
        constexpr auto request = [] {
            const auto body =
                child_at<http::body>(offset_of(&http1_exchange::asked_) + offset_of(&http::request::body));
            return inspect::waits_as(inspect::child_while(&http1_exchange::is_reading_, true, body),
                                     inspect::writer(&http1_exchange::connection_));
        };
        const auto sending =
            inspect::child_while(&http1_exchange::is_sending_, true, inspect::part<request>("request"));
        return inspect::named_wait("the response of an HTTP server", sending,
                                   inspect::reader(&http1_exchange::connection_));
    }

private:
    void poll_send(context& cx);
    poll_result<result<void>> fail_head(std::error_code why) const;
    void end();
    /// Closes the connection. Later reads of the body return `why`.
    void fail(std::error_code why) noexcept;

    std::unique_ptr<client_connection> connection_;  // null after the end
    std::shared_ptr<http_client> pool_;
    std::string origin_;
    http::request asked_;
    http::h1::client_engine engine_;
    body_sender sender_;
    std::error_code send_error_;
    std::error_code failure_;  // of the body of the response
    bool is_sending_ = true;
    bool is_reading_ = false;  // waits for the reader of the request's body
    bool has_received_ = false;
    bool is_kept_;
    bool is_unread_ = false;  // the body of the response has a reader, which was not used yet
    std::source_location asked_at_;
};

}  // namespace eddy::detail
