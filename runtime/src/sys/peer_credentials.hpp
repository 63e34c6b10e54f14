// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/net/unix_stream.hpp>
#include <eddy/result.hpp>

namespace eddy::sys {

/// Returns the user and group of the process at the other end of a Unix connection. On Linux and macOS, also returns
/// the id of that process.
/// Errors: what getsockopt(2) or getpeereid(3) reports.
[[nodiscard]] result<net::peer_credentials> peer_credentials(int fd) noexcept;

}  // namespace eddy::sys
