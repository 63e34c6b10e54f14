// SPDX-License-Identifier: MIT
#include "sys/accept_error.hpp"

#include <cerrno>

namespace eddy::sys {

bool is_of_lost_connection(const std::error_code& error) noexcept {
    return error.value() == ECONNABORTED || error.value() == EPROTO;
}

}  // namespace eddy::sys
