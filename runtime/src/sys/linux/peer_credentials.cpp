// SPDX-License-Identifier: MIT
#include "sys/peer_credentials.hpp"

#include <sys/socket.h>

#include "sys/syscall.hpp"

namespace eddy::sys {

result<net::peer_credentials> peer_credentials(int fd) noexcept {
    const auto cred = get_option<ucred>(fd, SOL_SOCKET, SO_PEERCRED);
    if (!cred) return std::unexpected(cred.error());
    const auto pid = cred->pid > 0 ? std::optional<std::int32_t>(cred->pid) : std::nullopt;
    return net::peer_credentials(pid, cred->uid, cred->gid);
}

}  // namespace eddy::sys
