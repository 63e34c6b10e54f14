// SPDX-License-Identifier: MIT
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstddef>
#include <cstdint>

namespace eddy::detail {

struct http2_settings;

/// Returns the callbacks and options of a server's sessions. The user data of a session is its http2_connection.
/// Errors: throws std::bad_alloc.
[[nodiscard]] const http2_settings& http2_server_settings();

/// The read callback of a response's body. The data source is its http2_exchange.
ssize_t read_http2_part(nghttp2_session* session, std::int32_t stream, std::uint8_t* into, std::size_t most,
                        std::uint32_t* flags, nghttp2_data_source* source, void* user);

}  // namespace eddy::detail
