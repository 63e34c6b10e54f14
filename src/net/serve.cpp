// SPDX-License-Identifier: MIT
#include <eddy/net/serve.hpp>

#include "io/accept.hpp"

namespace eddy::detail {

bool may_accept_later(const std::error_code& error) noexcept {
    if (error.category() != std::generic_category()) return false;
    // eddy's own listeners skip a connection that is gone. A user-defined listener may report it, for example after a
    // reset during its handshake.
    const bool has_gone = error == std::errc::connection_aborted || error == std::errc::connection_reset;
    return has_gone || is_exhausted(error);
}

}  // namespace eddy::detail
