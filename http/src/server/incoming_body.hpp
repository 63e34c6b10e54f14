// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include <eddy/future/future.hpp>
#include <eddy/http/body.hpp>
#include <eddy/result.hpp>

#include "h1/message_stream.hpp"

namespace eddy::detail {

/// Appends the response "100 Continue".
inline void append_continue(std::string& out) { out.append("HTTP/1.1 100 Continue\r\n\r\n"); }

/// The state of a request's body while it is received. The connection and the http::body share it. The latter may
/// outlive the connection.
struct incoming_body : received_body {
    message_stream* stream;  // null after detach()
    bool expects_continue;
    bool has_response = false;  // the task of the connection sends the response, and what was collected before

    incoming_body(message_stream& from, const body_framing& framing, std::uint64_t limit, body_timer&& limits,
                  bool expects) noexcept
        : received_body(framing, limit, std::move(limits)), stream(&from), expects_continue(expects) {}

    [[nodiscard]] std::error_code get_failure();
    /// Sends "100 Continue" if the client waits for it.
    void ask();
    /// Ends the use of the connection: reading the body fails from now on.
    void detach() noexcept;
    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into);
    [[nodiscard]] http::headers trailers();

private:
    void wake_connection();
    poll_result<result<std::size_t>> poll_locked(context& cx, std::span<std::byte> into);
};

/// Makes the body that a service reads. `size` is its number of bytes if that is known.
[[nodiscard]] http::body make_incoming_body(std::shared_ptr<incoming_body> from, std::optional<std::uint64_t> size);

}  // namespace eddy::detail
