// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <eddy/result.hpp>

#include "sys/fd.hpp"

// Signals of this process: counted by a handler, which then rings a bell that is never read.

namespace eddy::sys {

/// Sets the handler for this signal, if that was not done before.
/// Errors: errc::forbidden_signal; what eventfd(2) reports. Thread safety: any thread.
result<void> count_signal(int number);

/// How many of them have come since. Precondition: count_signal() has succeeded.
[[nodiscard]] std::uint64_t signals_counted(int number) noexcept;

/// A descriptor of the caller's that becomes readable, once more, whenever a signal was counted: what edge-triggered
/// selectors report. Errors: what dup(2) reports. Precondition: count_signal() has succeeded.
[[nodiscard]] result<unique_fd> open_bell() noexcept;

}  // namespace eddy::sys
