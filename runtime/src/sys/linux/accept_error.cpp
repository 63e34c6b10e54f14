// SPDX-License-Identifier: MIT
#include "sys/accept_error.hpp"

#include <cerrno>

namespace eddy::sys {

// See accept(2): Linux passes on the network errors that are pending on the new socket.
bool is_of_lost_connection(const std::error_code& error) noexcept {
    switch (error.value()) {
    case ECONNABORTED:
    case EPROTO:
    case EPERM:  // from a firewall
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH: return true;
    default: return false;
    }
}

}  // namespace eddy::sys
