// SPDX-License-Identifier: MIT
#pragma once

#include <expected>
#include <string>

#include "inspect/target_memory.hpp"
#include "inspect/task_tree.hpp"

namespace eddy::inspect {

/// Reads the tasks of a program, which may run meanwhile.
///
/// A list is read again if it has changed, at most 8 times; then its tasks are shown with a note. A task is read again
/// if its state, its id, its position or the place of a frame has changed, at most 32 times; then it is shown as
/// running. A file does not change, so it is read once. Each list, stack and future has a limit, and so has the whole
/// walk: 16,384 lists, 4,194,304 tasks, and 16,777,216 frames, branches, children of scopes, and units of 64 bytes of
/// their texts; a note says that one was exceeded. Nothing that is read is trusted: a wrong address ends a walk, not
/// the reader. `table` is the address of the debug_table.
/// Errors: a sentence, if the table has another format.
[[nodiscard]] std::expected<task_tree, std::string> read_tasks(target_memory& memory, address table);

/// Reads a task of this process that is being polled, so that its coroutines cannot be found by the task. The innermost
/// one has the frame at `innermost`; if that is 0, or the frame has ended meanwhile, the task has no frames in the
/// result. The tree has one executor, with this task only.
/// Errors: as read_tasks().
[[nodiscard]] std::expected<task_tree, std::string> read_polled_task(target_memory& memory, address table, address task,
                                                                     address innermost);

}  // namespace eddy::inspect
