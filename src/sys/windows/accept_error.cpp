// SPDX-License-Identifier: MIT
#include "sys/accept_error.hpp"

namespace eddy::inline v0_1::sys {

bool is_of_lost_connection(const std::error_code& error) noexcept {
    return error == std::errc::connection_reset || error == std::errc::connection_aborted;
}

}  // namespace eddy::sys
