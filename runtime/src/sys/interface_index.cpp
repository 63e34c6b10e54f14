// SPDX-License-Identifier: MIT
#include "sys/interface_index.hpp"

#include <algorithm>
#include <array>

#include "sys/socket_api.hpp"

namespace eddy::sys {

std::optional<std::uint32_t> interface_index(std::string_view name) noexcept {
    std::array<char, longest_interface_name> terminated{};
    if (name.empty() || name.size() >= terminated.size() || name.contains('\0')) return std::nullopt;
    std::ranges::copy(name, terminated.begin());
    const unsigned index = ::if_nametoindex(terminated.data());
    return index == 0 ? std::nullopt : std::optional<std::uint32_t>(index);
}

}  // namespace eddy::sys
