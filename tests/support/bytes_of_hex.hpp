// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "message/syntax.hpp"

namespace support {

/// Returns the bytes that pairs of hexadecimal digits stand for.
inline std::string bytes_of_hex(std::string_view hex) {
    std::string bytes;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
        bytes += static_cast<char>(eddy::detail::hex_value(hex[i]) * 16 + eddy::detail::hex_value(hex[i + 1]));
    return bytes;
}

}  // namespace support
