// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include <eddy/future/future.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/http/method.hpp>
#include <eddy/http/request.hpp>

#include "h2/heads.hpp"
#include "h2/stream.hpp"
#include "server/service_call.hpp"

namespace eddy::detail {

class http2_connection;

/// One stream: a request and its response.
///
///     head ──END_HEADERS──> answering ──response──> sending ──last part──> done
///      │                        │                      │                     ^
///      │ refused                │ the stream is reset  │ the stream is reset │
///      │                        v                      └─────────────────────┤
///      │                    cancelling ──the service has ended───────────────┤
///      └──the status is the response─────────────────────────────────────────┘
///
/// A service that watches its client stays in `answering` after a reset.
/// In `sending`, the body of the response is a reader. A body in memory goes from `answering` to `done` directly: then
/// nghttp2 reads the bytes from this object. The object is deleted when its phase is `done` and nghttp2 has closed the
/// stream. `incoming` is null if the request has no body, or if its body is in memory. `has_ended` is also set if the
/// client has reset the stream.
struct http2_exchange : http2_stream {
    enum class phase : unsigned char { head, answering, cancelling, sending, done };

    http2_exchange(std::int32_t stream, const head_limits& limits)
        : http2_stream(stream), head(std::make_unique<http2_head>(limits)) {
        call.over_http2 = true;
    }

    static constexpr auto wait_shape() {
        constexpr auto body = [] {
            return inspect::named_wait("the body of an HTTP/2 response",
                                       service_call::response_body_in(&http2_exchange::call));
        };
        const auto in = [](phase its, auto part) { return inspect::child_while(&http2_exchange::at, its, part); };
        return inspect::waits_as(
            inspect::child_while(&http2_exchange::has_part, true, inspect::part<&http2_window_shape>()),
            in(phase::head, inspect::part<[] { return inspect::named_wait("the head of an HTTP/2 request"); }>()),
            in(phase::answering, &http2_exchange::call), in(phase::cancelling, &http2_exchange::call),
            in(phase::sending, inspect::part<body>()),
            inspect::part<[] { return inspect::named_wait("the end of an HTTP/2 stream"); }>());
    }

    phase at = phase::head;
    bool has_work = false;    // handlers_ contains a future for it
    bool has_answer = false;  // the head of the response was given to nghttp2
    http::method asked_method = http::method::get;
    std::uint64_t received = 0;           // bytes of the request's body
    std::optional<std::uint64_t> length;  // the announced size of that body
    std::unique_ptr<http2_head> head;     // null after the phase `head`
    http::request asked;
    service_call call;
    waker work;  // of the future in the handlers
};

/// The future of an exchange, among the handlers of its connection.
class http2_work {
public:
    using output_type = http2_exchange*;

    http2_work(http2_connection& on, http2_exchange& one) noexcept : on_(&on), one_(&one) {}
    poll_result<http2_exchange*> poll(context& cx);
    poll_result<void> poll_cancel(context& cx);

    static constexpr auto wait_shape() { return inspect::waits_as(&http2_work::one_); }

private:
    http2_connection* on_;
    http2_exchange* one_;
};

}  // namespace eddy::detail
