// SPDX-License-Identifier: MIT
#include "sys/raw_mode.hpp"

#include <system_error>

namespace eddy::sys {

result<void> begin_raw_mode(int) noexcept { return std::unexpected(std::make_error_code(std::errc::not_supported)); }

void end_raw_mode() noexcept {}

}  // namespace eddy::sys
