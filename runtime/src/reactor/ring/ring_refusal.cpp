// SPDX-License-Identifier: MIT
#include <system_error>

#include "reactor/ring/ring_support.hpp"

namespace eddy::detail {

ring_refusal refusal_for(const std::error_code& error) noexcept {
    const auto why = [&]() -> std::string_view {
        if (error == std::errc::operation_not_permitted) {
            return "epoll: io_uring is forbidden here (EPERM: a container's seccomp filter, or "
                   "kernel.io_uring_disabled)";
        }
        if (error == std::errc::permission_denied) {
            return "epoll: io_uring is forbidden here (EACCES: a security module of the kernel)";
        }
        if (error == std::errc::function_not_supported) return "epoll: this kernel has no io_uring (ENOSYS)";
        if (error == std::errc::not_enough_memory) {
            return "epoll: no memory may be locked for a ring (ENOMEM: RLIMIT_MEMLOCK)";
        }
        if (error == std::errc::too_many_files_open || error == std::errc::too_many_files_open_in_system) {
            return "epoll: there was no descriptor left for a ring (EMFILE or ENFILE)";
        }
        return "epoll: the kernel refused a ring, with an error that eddy does not know";
    };
    return {error, why()};
}

}  // namespace eddy::detail
