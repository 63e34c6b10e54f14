// SPDX-License-Identifier: MIT
#pragma once

#include <system_error>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/http/error.hpp>
#include <eddy/http/status.hpp>
#include <eddy/net/serve.hpp>

// Functions that the connections of HTTP/1.1 and HTTP/2 share.

namespace eddy::detail {

/// Returns the status for a client whose body could not be received.
inline http::status status_of(const std::error_code& failure) noexcept {
    using http::status;
    if (failure == http::errc::body_too_large) return status::content_too_large;
    if (failure == http::errc::bad_message || failure == http::errc::body_too_short) return status::bad_request;
    if (failure == errc::timed_out) return status::request_timeout;
    return status::internal_server_error;
}

/// Returns the status for an error of the service. body_too_large is the client's fault: a service may read the body
/// with a limit of its own.
inline http::status status_of_service(const std::error_code& failure) noexcept {
    return failure == http::errc::body_too_large ? http::status::content_too_large
                                                 : http::status::internal_server_error;
}

/// Checks the status of a response.
/// Errors: throws `misuse` for an interim status, or one that does not have three digits.
inline void check_status(http::status code) {
    if (to_int(code) < 200 || to_int(code) > 999)
        throw misuse("the service returned a response with an invalid status: use one from 200 to 999");
}

/// The idle time of a connection that net::serve() can abort. Does not own the state, unlike
/// serve_connection::idle_time: shared ownership would cost two atomic operations for each request.
class idle_mark {
public:
    idle_mark() noexcept = default;
    idle_mark(idle_mark&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
    idle_mark& operator=(idle_mark&&) = delete;
    ~idle_mark() { end(); }

    void begin(served_state& of) noexcept {
        if (of_ != nullptr) return;
        of_ = &of;
        of.begin_idle();
    }
    void end() noexcept {
        if (auto* const of = std::exchange(of_, nullptr)) of->end_idle();
    }

private:
    served_state* of_ = nullptr;
};

}  // namespace eddy::detail
