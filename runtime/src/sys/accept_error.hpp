// SPDX-License-Identifier: MIT
#pragma once

#include <system_error>

namespace eddy::sys {

/// Returns whether an error of accept(2) concerns only one connection, which is lost, and not the listener.
[[nodiscard]] bool is_of_lost_connection(const std::error_code& error) noexcept;

}  // namespace eddy::sys
