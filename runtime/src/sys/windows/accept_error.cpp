// SPDX-License-Identifier: MIT
#include "sys/accept_error.hpp"

namespace eddy::sys {

bool is_of_lost_connection(const std::error_code& error) noexcept {
    // wine accepts such a connection, and then cannot read the address of its peer: not_connected.
    return error == std::errc::connection_reset || error == std::errc::connection_aborted ||
           error == std::errc::not_connected;
}

}  // namespace eddy::sys
