// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <system_error>

#include <eddy/runtime/reactor.hpp>

namespace eddy::detail {

/// Returns the message for a thread that can no longer wait for events: the failed call and a remedy. The text of
/// `error` follows it.
[[nodiscard]] const char* tick_failed(std::optional<driver_kind> kind, const std::error_code& error) noexcept;

/// Prints the message of tick_failed() to standard error and ends the program. Called on threads that cannot report an
/// error to a caller.
[[noreturn, gnu::cold]] void end_without_events(std::optional<driver_kind> kind, const std::error_code& error) noexcept;

}  // namespace eddy::detail
