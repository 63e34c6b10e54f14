// SPDX-License-Identifier: MIT
#include "sys/send_file.hpp"

#include <system_error>

namespace eddy::sys {

result<std::size_t> send_file(int, int, std::uint64_t, std::size_t) noexcept {
    return std::unexpected(std::make_error_code(std::errc::operation_not_supported));
}

}  // namespace eddy::sys
