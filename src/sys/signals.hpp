// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <eddy/result.hpp>

#include "sys/fd.hpp"

// Signals of this process. A handler counts them and then writes to an eventfd, the "bell", which is never read.

namespace eddy::sys {

/// Installs the handler for this signal, if it is not installed.
/// Errors: errc::forbidden_signal; what eventfd(2) reports.
/// Thread safety: any thread.
result<void> count_signal(int number);

/// Returns how many of these signals have arrived since count_signal() installed the handler.
/// Preconditions: count_signal() has succeeded.
[[nodiscard]] std::uint64_t signals_counted(int number) noexcept;

/// Returns a duplicate of the eventfd that the signal handler writes to. An edge-triggered poller reports it as
/// readable each time a signal was counted.
/// Errors: what dup(2) reports.
/// Preconditions: count_signal() has succeeded.
[[nodiscard]] result<unique_fd> open_signal_eventfd() noexcept;

}  // namespace eddy::sys
