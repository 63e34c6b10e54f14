// SPDX-License-Identifier: MIT
// The replacement of HTTP/2 in a build without nghttp2.
#include "http/http2.hpp"

#include <eddy/error.hpp>

namespace eddy::inline v0_1::detail {

bool has_http2() noexcept { return false; }

task<result<void>> serve_http2(message_stream, std::shared_ptr<const http_server>, std::optional<net::socket_addr>,
                               std::optional<net::serve_connection>) {
    co_return std::unexpected(make_error_code(std::errc::not_supported));
}

}  // namespace eddy::detail
