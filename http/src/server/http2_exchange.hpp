// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include <eddy/detail/wait_shape.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/http/method.hpp>
#include <eddy/http/request.hpp>

#include "h2/heads.hpp"
#include "h2/stream.hpp"
#include "server/service_call.hpp"

namespace eddy::detail {

class http2_connection;

struct http2_head_wait {
    EDDY_WAIT_SHAPE(http2_head_wait, named_wait("the head of an HTTP/2 request"));
};
struct http2_end_wait {
    EDDY_WAIT_SHAPE(http2_end_wait, named_wait("the end of an HTTP/2 stream"));
};

/// One stream: a request and its response.
///
///     head ──END_HEADERS──> answering ──response──> sending ──last part──> done
///      │                        │                      │                     ^
///      │ refused                │ the stream is reset  │ the stream is reset │
///      │                        v                      └─────────────────────┤
///      │                    cancelling ──the service has ended───────────────┤
///      └──the status is the response─────────────────────────────────────────┘
///
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

    EDDY_WAIT_SHAPE(http2_exchange,
                    adaptor_of(child_if(child_at<http2_window_wait>(0), EDDY_OFFSET(Its, has_part), 1),
                               in_phase(child_at<http2_head_wait>(0), EDDY_OFFSET(Its, at), phase::head),
                               in_phase(EDDY_CHILD(call), EDDY_OFFSET(Its, at), phase::answering),
                               in_phase(EDDY_CHILD(call), EDDY_OFFSET(Its, at), phase::cancelling),
                               in_phase(child_at<typename Its::body_of_response>(0), EDDY_OFFSET(Its, at),
                                        phase::sending),
                               child_at<http2_end_wait>(0)));
    /// An exchange that waits for the body of its response.
    struct body_of_response {
        EDDY_WAIT_SHAPE(http2_exchange, named_wait("the body of an HTTP/2 response",
                                                   service_call::response_body_at(EDDY_OFFSET(Its, call))));
    };
    static constexpr child_record in_phase(child_record child, std::uint32_t offset, phase its) noexcept {
        return child_if(child, offset, static_cast<std::uint32_t>(its));
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

    EDDY_WAITS_AS(http2_work, one_);

private:
    http2_connection* on_;
    http2_exchange* one_;
};

}  // namespace eddy::detail
