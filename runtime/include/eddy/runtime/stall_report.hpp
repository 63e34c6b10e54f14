// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <source_location>
#include <string>
#include <vector>

namespace eddy {

/// The limit of a poll if the builder sets none; see runtime_builder::stall_limit().
inline constexpr std::chrono::milliseconds default_stall_limit{250};

/// A poll that has lasted for too long: the task has computed or blocked without a co_await that waits.
/// Thread safety: a plain value.
struct stall_report {
    std::uint64_t task = 0;           ///< the number of the task; 0 if it has none, as the main future of an event loop
    std::string name;                 ///< the name of the task; empty if it has none
    std::source_location spawned_at;  ///< where the task was spawned, or the main future was run
    std::vector<std::string> awaits;  ///< the coroutines, the outermost first, with the place of their last co_await
    std::vector<std::string> native;  ///< the functions, the innermost first; empty if they are not known
    std::chrono::nanoseconds lasted{0};  ///< how long the poll had lasted, at least
    bool is_blocked = false;             ///< whether the thread is blocked in a system call; otherwise it computes
    std::uint64_t count = 1;             ///< stalls at this place until now
    std::string text;                    ///< all of this, as it is printed without a handler

    /// Constructs an empty report.
    stall_report() {}  // NOLINT(modernize-use-equals-default): GCC 12 destroys an aggregate in a co_await twice
};

/// A function that receives reports. It is called on a thread of the library, while the task is still polled or later.
/// It must not throw, and must not destroy the runtime or event loop of the task, whose end waits for it. The thread
/// blocks all signals except faults, such as SIGSEGV. A process that it starts inherits this mask.
using stall_handler = std::function<void(const stall_report&)>;

}  // namespace eddy
