// SPDX-License-Identifier: MIT
#include "sys/peer_credentials.hpp"

#include <system_error>

namespace eddy::sys {

result<net::peer_credentials> peer_credentials(int) noexcept {
    return std::unexpected(std::make_error_code(std::errc::not_supported));
}

}  // namespace eddy::sys
