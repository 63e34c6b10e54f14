// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <system_error>

#include <eddy/reactor.hpp>

namespace eddy::detail {

/// What is said of a thread that can wait for events no more, in front of the error's own text: which call it was, and
/// what helps.
[[nodiscard]] const char* turn_failed(std::optional<driver_kind> kind, const std::error_code& error) noexcept;

/// Ends the program with that on standard error: for a thread that has no caller to be told.
[[noreturn, gnu::cold]] void end_without_events(std::optional<driver_kind> kind, const std::error_code& error) noexcept;

}  // namespace eddy::detail
