// SPDX-License-Identifier: MIT
#include "io/accept.hpp"

#include <poll.h>

#include <cerrno>

namespace eddy::detail {
namespace {

/// Returns whether an error of accept(2) concerns only one connection, which is gone, and not the listener. See
/// accept(2).
bool is_transient(const std::error_code& error) noexcept {
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

/// Returns whether the listener has a connection to accept, or an error.
bool has_connection(int fd) noexcept {
    pollfd listener{fd, POLLIN, 0};
    return sys::retry_interrupted([&] { return ::poll(&listener, 1, 0); }) != 0;
}

}  // namespace

bool is_exhausted(const std::error_code& error) noexcept {
    switch (error.value()) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM: return true;
    default: return false;
    }
}

result<sys::accepted_fd> accept_one(int listener) noexcept {
    for (;;) {
        auto accepted = sys::accept(listener);
        if (accepted || !is_transient(accepted.error())) {
            // The kernel allocates a descriptor before it looks for a connection, so it reports a lack of
            // descriptors even if no connection is waiting. In that case, wait for a connection.
            if (!accepted && is_exhausted(accepted.error()) && !has_connection(listener)) {
                return std::unexpected(std::make_error_code(std::errc::operation_would_block));
            }
            return accepted;
        }
    }
}

}  // namespace eddy::detail
