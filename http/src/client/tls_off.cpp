// SPDX-License-Identifier: MIT
// The functions for https in a build without eddy::tls.
#include <eddy/http/error.hpp>

#include "client/connect.hpp"

namespace eddy::detail {

task<result<opened_connection>> connect_tls(net::tcp_stream, const http::client_options&, std::string,
                                            client_protocols) {
    co_return std::unexpected(make_error_code(http::errc::no_tls));
}

task<result<opened_connection>> connect_tls(io::boxed_stream, const http::client_options&, std::string,
                                            client_protocols) {
    co_return std::unexpected(make_error_code(http::errc::no_tls));
}

}  // namespace eddy::detail
