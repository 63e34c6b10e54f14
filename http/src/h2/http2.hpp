// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <optional>

#include <eddy/http/serve.hpp>
#include <eddy/net/serve.hpp>
#include <eddy/net/socket_addr.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/clock.hpp>

#include "h1/message_stream.hpp"

// HTTP/2, or its replacement in a build without nghttp2: http2_connection.cpp or http2_off.cpp.

namespace eddy::detail {

/// Returns whether this build has HTTP/2.
[[nodiscard]] bool has_http2() noexcept;

/// Serves HTTP/2 on a connection that begins with the preface of a client. stream.in() may already contain received
/// bytes. The client must have sent the fields of its first request by `first_until`.
/// Errors: the first error of the service, after the other requests were answered.
/// Preconditions: has_http2().
[[nodiscard]] task<result<void>> serve_http2(message_stream stream, std::shared_ptr<const http_server> server,
                                             std::optional<net::socket_addr> peer,
                                             std::optional<net::serve_connection> connection,
                                             time::time_point first_until);

}  // namespace eddy::detail
