// SPDX-License-Identifier: MIT
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstddef>
#include <cstdint>

namespace eddy::inline v0_1::detail {

class http2_connection;

/// Makes the session of a server's connection, whose callbacks call the member functions of `connection`.
/// Errors: throws std::bad_alloc.
[[nodiscard]] nghttp2_session* make_http2_session(http2_connection& connection);

/// The read callback of a response's body. The data source is its http2_exchange.
ssize_t read_http2_part(nghttp2_session* session, std::int32_t stream, std::uint8_t* into, std::size_t most,
                        std::uint32_t* flags, nghttp2_data_source* source, void* user);

}  // namespace eddy::detail
