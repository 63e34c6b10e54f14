// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>

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

/// Connects to the host of a URL. Tries the addresses of the host in order.
[[nodiscard]] task<result<std::unique_ptr<client_connection>>> connect_client(const http_client& client,
                                                                              const http::url& to, client_progress& at);

/// Performs the TLS handshake: tls_on.cpp, or tls_off.cpp without eddy::tls.
[[nodiscard]] task<result<io::boxed_stream>> connect_tls(net::tcp_stream below, const http::client_options& options,
                                                         std::string host);

}  // namespace eddy::detail
