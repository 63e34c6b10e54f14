// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace eddy::sys {

/// Returns the kind and the addresses of a socket, as "tcp 127.0.0.1:80 -> 127.0.0.1:50000"; an empty string if the
/// descriptor is none.
[[nodiscard]] std::string socket_text(int fd);

}  // namespace eddy::sys
