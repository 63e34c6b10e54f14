// SPDX-License-Identifier: MIT
#pragma once

#include <expected>
#include <string>

#include "inspect/task_tree.hpp"
#include "inspect/tree_output.hpp"

namespace eddy::detail {

/// Reads the tasks of this process by system calls, so that a wrong address is an error and no crash.
/// Errors: a sentence. Throws std::bad_alloc.
/// Thread safety: any thread.
[[nodiscard]] std::expected<inspect::task_tree, std::string> read_own_tasks();

/// Returns what their texts contain: times until deadlines, and the addresses of sockets.
[[nodiscard]] inspect::output_options own_output_options();

}  // namespace eddy::detail
