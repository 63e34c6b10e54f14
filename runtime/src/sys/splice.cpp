// SPDX-License-Identifier: MIT
#include "sys/splice.hpp"

#include <cerrno>
#include <system_error>

#if defined(__linux__)
#include <fcntl.h>

#include "sys/no_sigpipe.hpp"
#endif

namespace eddy::sys {

result<std::size_t> splice([[maybe_unused]] int from, [[maybe_unused]] int to,
                           [[maybe_unused]] std::size_t most) noexcept {
#if defined(__linux__)
    auto count = no_sigpipe().run(
        most, [&] { return ::splice(from, nullptr, to, nullptr, most, SPLICE_F_MOVE | SPLICE_F_NONBLOCK); });
    // EINVAL: one of them cannot be spliced, for example if it was opened with O_APPEND. ENOSYS, EPERM: a filter of
    // system calls.
    if (count || (count.error() != std::errc::invalid_argument && count.error() != std::errc::function_not_supported &&
                  count.error() != std::errc::operation_not_permitted))
        return count;
#endif
    return std::unexpected(std::make_error_code(std::errc::operation_not_supported));
}

}  // namespace eddy::sys
