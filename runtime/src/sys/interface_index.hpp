// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace eddy::sys {

/// Returns the index of the network interface with this name, if there is one. See if_nametoindex(3).
[[nodiscard]] std::optional<std::uint32_t> interface_index(std::string_view name) noexcept;

}  // namespace eddy::sys
