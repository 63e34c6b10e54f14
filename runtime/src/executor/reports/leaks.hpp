// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <eddy/runtime/runtime_hooks.hpp>

#include "inspect/debug_table.hpp"

// What is alive when an executor ends. runtime_builder::report_leaks() defines it.

namespace eddy::detail {

/// Returns the handler that EDDY_LEAKS asks for: one that prints, or null.
[[nodiscard]] leak_handler leak_handler_by_environment();

/// Returns the report about the tasks of an executor, and the blocking work of a pool; empty if there is no leak.
/// Call it before the executor destroys its tasks.
[[nodiscard]] std::string leaked_tasks(inspect::executor_kind kind, std::uint64_t id) noexcept;

/// Returns the report about the descriptors that `registered` returns; empty if there are none. Call it when all tasks
/// of the executor have been destroyed.
[[nodiscard]] std::string leaked_descriptors(inspect::executor_kind kind, std::uint64_t id,
                                             const std::function<std::vector<int>()>& registered) noexcept;

/// Passes a report to the handler, unless it is empty.
void pass_on_leaks(const leak_handler& handler, const std::string& report) noexcept;

}  // namespace eddy::detail
