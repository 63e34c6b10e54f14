// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace eddy::inline v0_1::detail {

/// The parts of "host", "host:port" or "[::1]:port".
struct host_parts {
    std::string_view host;              // without brackets
    std::optional<std::uint16_t> port;  // nullopt if there is none

    host_parts(std::string_view name, std::optional<std::uint16_t> number) noexcept : host(name), port(number) {}
};

/// Splits the authority of a URL, or the value of a Host field. Returns nullopt if it is not valid, for example if it
/// contains a user name. The host may be empty.
[[nodiscard]] std::optional<host_parts> parse_host(std::string_view text) noexcept;

}  // namespace eddy::detail
