// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/http/body.hpp>
#include <eddy/http/client.hpp>
#include <eddy/http/method.hpp>
#include <eddy/http/request.hpp>
#include <eddy/http/response.hpp>
#include <eddy/result.hpp>

namespace eddy::detail {

/// Whether a request may be sent again after it has failed.
enum class repeat : unsigned char {
    never,          // the server may have processed it
    if_idempotent,  // the connection had been used before, and ended without a part of a response
    always,         // the server has not processed it
    over_http1,     // the server requires HTTP/1.1 for it
};

/// Returns whether a request with this method may be processed twice: RFC 9110, section 9.2.2.
[[nodiscard]] constexpr bool is_idempotent(http::method what) noexcept {
    return what != http::method::post && what != http::method::patch;
}

/// One request and its response. Sends and receives at the same time: each poll that waits for the response also
/// continues to send the request. So a server may answer before it has received the whole request.
///
/// The body of the response owns the exchange.
/// Thread safety: one thread at a time.
class client_exchange : public described_object, public std::enable_shared_from_this<client_exchange> {
public:
    using described_object::described_object;

    /// Waits for the head of the response.
    virtual poll_result<result<void>> poll_head(context& cx) = 0;
    /// Returns the response after poll_head().
    [[nodiscard]] virtual http::response take_response() = 0;
    /// Receives data of the response's body.
    virtual poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) = 0;
    /// Returns whether trailer fields may follow after all announced bytes of the response's body.
    [[nodiscard]] virtual bool may_have_trailers() const noexcept = 0;
    /// Returns the trailer fields of the response's body. Empty before its end.
    [[nodiscard]] virtual http::headers trailers() = 0;

    /// Returns whether the request was sent completely.
    [[nodiscard]] virtual bool is_sent() const noexcept = 0;
    /// Returns whether the request may be sent again, after poll_head() has failed.
    [[nodiscard]] virtual repeat may_repeat() const noexcept = 0;
    /// Returns the request, to send it again; nullopt if a part of its body was read that cannot be sent again. Do not
    /// use the exchange afterwards.
    [[nodiscard]] virtual std::optional<http::request> take_request() = 0;

protected:
    /// Returns a body that is read by poll_read().
    [[nodiscard]] http::body source_of(std::optional<std::uint64_t> size) {
        return body_access::from_shared(shared_from_this(), size);
    }
};

/// Waits for the head of a response. Records meanwhile in `phase` whether the request is still sent.
/// Lifetime: the exchange and `phase` must outlive the future.
class head_future : public future_ops<head_future> {
public:
    using output_type = result<void>;

    head_future(client_exchange& of, http::phase& phase) noexcept : of_(&of), phase_(&phase) {}

    poll_result<result<void>> poll(context& cx) {
        auto head = of_->poll_head(cx);
        *phase_ = of_->is_sent() ? http::phase::receive : http::phase::send;
        return head;
    }

    static constexpr auto wait_shape() { return inspect::waits_as(&head_future::of_); }

private:
    client_exchange* of_;
    http::phase* phase_;
};

}  // namespace eddy::detail
