// SPDX-License-Identifier: MIT
#include "sys/peer_credentials.hpp"

#include <sys/types.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdint>
#include <optional>

#include "sys/syscall.hpp"

namespace eddy::sys {
namespace {

/// Returns the id of the process on macOS (LOCAL_PEERPID), and nullopt on other systems.
std::optional<std::int32_t> peer_process([[maybe_unused]] int fd) noexcept {
#if defined(LOCAL_PEERPID)
    const auto pid = get_option<pid_t>(fd, SOL_LOCAL, LOCAL_PEERPID);
    if (pid && *pid > 0) return *pid;
#endif
    return std::nullopt;
}

}  // namespace

result<net::peer_credentials> peer_credentials(int fd) noexcept {
    uid_t user{};
    gid_t group{};
    if (::getpeereid(fd, &user, &group) != 0) return std::unexpected(last_error());
    return net::peer_credentials(peer_process(fd), user, group);
}

}  // namespace eddy::sys
