// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>

#include <eddy/http/client.hpp>
#include <eddy/http/request.hpp>
#include <eddy/http/url.hpp>
#include <eddy/io/boxed.hpp>

#include "client/exchange.hpp"

// HTTP/2 in the client, or its replacement in a build without nghttp2: http2_client.cpp or http2_off.cpp.

namespace eddy::detail {

class http2_handle;

/// Starts an HTTP/2 connection, which runs in a task of its own. It ends when the handle and all requests are
/// destroyed. `socket` is the descriptor of the TCP connection below all layers, or -1.
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
