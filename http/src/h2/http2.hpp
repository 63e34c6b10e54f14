// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>

#include <eddy/http/request.hpp>
#include <eddy/io/boxed.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/clock.hpp>

// What servers and clients use of HTTP/2: server/http2_connection.cpp and client/http2_client.cpp, or their replacement
// in a build without nghttp2, http2_off.cpp.

namespace eddy::http {
class client_options;
class url;
}  // namespace eddy::http

namespace eddy::detail {

class accepted_connection;
class client_exchange;
class http2_handle;
class message_stream;

/// Returns whether this build has HTTP/2.
[[nodiscard]] bool has_http2() noexcept;

/// Serves HTTP/2 on a connection that begins with the preface of a client. stream.in() may already contain received
/// bytes. The client must have sent the fields of its first request by `first_until`.
/// Errors: the first error of the service, after the other requests were answered.
/// Preconditions: has_http2().
[[nodiscard]] task<result<void>> serve_http2(message_stream&& stream, accepted_connection&& accepted,
                                             time::time_point first_until);

/// Starts an HTTP/2 connection of a client, which runs in a task of its own. It ends when the handle and all requests
/// are destroyed. `socket` is the descriptor of the TCP connection below all layers, or -1.
/// Preconditions: has_http2().
[[nodiscard]] std::shared_ptr<http2_handle> start_http2(io::boxed_stream below, int socket,
                                                        const http::client_options& options, std::string address);

/// Returns whether the connection accepts requests.
[[nodiscard]] bool is_open(const http2_handle& on) noexcept;

/// Returns the address of the server.
[[nodiscard]] const std::string& address_of(const http2_handle& on) noexcept;

/// Sends a request. Returns null, and does not change the request, if the connection does not accept requests.
[[nodiscard]] std::shared_ptr<client_exchange> start_http2_exchange(std::shared_ptr<http2_handle> on,
                                                                    http::request& asked, const http::url& to);

}  // namespace eddy::detail
