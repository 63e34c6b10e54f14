// SPDX-License-Identifier: MIT
// The replacement of HTTP/2 in a build without nghttp2.
#include "h2/http2.hpp"

#include <stdexcept>

#include <eddy/error.hpp>

namespace eddy::detail {

bool has_http2() noexcept { return false; }

task<result<void>> serve_http2(message_stream&&, accepted_connection&&, time::time_point) {
    co_return std::unexpected(make_error_code(std::errc::not_supported));
}

class http2_handle {
public:
    std::string address;
};

std::shared_ptr<http2_handle> start_http2(io::boxed_stream, int, const http::client_options&, std::string) {
    throw std::logic_error("HTTP/2 is not available");
}

bool is_open(const http2_handle&) noexcept { return false; }

const std::string& address_of(const http2_handle& on) noexcept { return on.address; }

std::shared_ptr<client_exchange> start_http2_exchange(std::shared_ptr<http2_handle>, http::request&, const http::url&) {
    return nullptr;
}

}  // namespace eddy::detail
