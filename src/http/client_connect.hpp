// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>
#include <utility>

#include <eddy/http/client.hpp>
#include <eddy/http/url.hpp>
#include <eddy/io/boxed.hpp>
#include <eddy/net/tcp_stream.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>

#include "http/client_pool.hpp"

namespace eddy::inline v0_1::detail {

/// The current step of a request, for errors.
struct client_progress {
    http::phase phase = http::phase::url;
    std::string where;

    [[nodiscard]] http::client_error failed(std::error_code why) const { return {phase, where, why}; }
};

/// The versions of HTTP that a request may use.
enum class client_protocols : unsigned char { http1, any, http2 };

/// A connection for a request: of HTTP/1.1, which the request owns, or of HTTP/2, which it shares.
struct client_route {
    std::unique_ptr<client_connection> connection;
    std::shared_ptr<http2_handle> shared;
    bool is_kept = false;  // `connection` had been used before

    client_route() noexcept {}  // NOLINT(modernize-use-equals-default): no aggregate, for GCC 12
};

/// Connects to the host of a URL. Tries its addresses one after the other: see connect_to_any().
[[nodiscard]] task<result<client_route>> connect_client(const http_client& client, const http::url& to,
                                                        client_protocols allowed, client_progress& at);

/// A TLS connection, and whether the server has chosen HTTP/2.
struct secure_connection {
    io::boxed_stream stream;
    bool is_http2;

    secure_connection(io::boxed_stream&& below, bool has_chosen_http2)
        : stream(std::move(below)), is_http2(has_chosen_http2) {}
};

/// Performs the TLS handshake, and offers the protocols: tls_on.cpp, or tls_off.cpp without eddy::tls.
[[nodiscard]] task<result<secure_connection>> connect_tls(net::tcp_stream below, const http::client_options& options,
                                                          std::string host, client_protocols offered);

}  // namespace eddy::detail
