// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <vector>

#include <eddy/result.hpp>

// The processors on which threads run. Processors have the numbers of the system: 0 and more.

namespace eddy::sys {

/// Returns the processors on which this thread may run.
/// Errors: errc::affinity_unsupported; not_enough_memory.
[[nodiscard]] result<std::vector<unsigned>> processors_of_this_thread() noexcept;

/// Makes this thread run on these processors only. Threads that it starts inherit that on most systems.
/// Errors: invalid_argument if one of them does not exist, or if this process may not use it;
/// errc::affinity_unsupported; not_enough_memory.
[[nodiscard]] result<void> run_this_thread_on(std::span<const unsigned> processors) noexcept;

/// Binds this thread to processors for its lifetime. Threads that the library starts meanwhile (start_thread()) run
/// where this thread ran before: work that blocks must not take the time of a processor that a loop has for itself.
/// No processors, or those that the system refuses: binds nothing. A system may also end a binding at any time, for
/// example if a processor is switched off.
class thread_binding {
public:
    explicit thread_binding(std::span<const unsigned> processors) noexcept;
    thread_binding(const thread_binding&) = delete;
    thread_binding& operator=(const thread_binding&) = delete;
    ~thread_binding();

    /// Returns the processors for a thread that this thread starts; empty if it is not bound.
    /// Errors: not_enough_memory.
    [[nodiscard]] static result<std::vector<unsigned>> processors_of_new_thread() noexcept;

private:
    std::vector<unsigned> before_;
};

}  // namespace eddy::sys
