// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace eddy::detail {

/// A date as header fields have it: "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, section 5.6.7).
using date_text = std::array<char, 29>;

/// Formats a time in seconds since 1970, from the years 0 to 9999.
[[nodiscard]] date_text format_date(std::int64_t seconds) noexcept;
/// Parses a date in the form of format_date(). Returns nullopt for any other text, also for the two obsolete forms.
[[nodiscard]] std::optional<std::int64_t> parse_date(std::string_view text) noexcept;

}  // namespace eddy::detail
