// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <optional>
#include <source_location>

#include <eddy/detail/runtime_context.hpp>
#include <eddy/task/task_local.hpp>

#include "reactor/drivers/driver.hpp"

namespace eddy::detail {

/// A run of an event loop: the loop runs on this thread while the object exists. Hides the task-local values of the
/// code that runs the loop, because the loop's tasks are not part of it.
class loop_run : immovable {
public:
    /// When the run ends: when its work has ended, or by itself, so that other loops of the thread can run.
    enum class ends : bool { with_work, by_itself };

    /// Errors: throws what check_entry() throws.
    loop_run(core_shared& loop, std::source_location where, ends when);
    ~loop_run();

    /// Runs the loop until `done`, which a task sets.
    void until(const bool& done);
    /// Runs the loop until no task is alive, or until `deadline`.
    void until_idle(std::optional<std::chrono::steady_clock::time_point> deadline = std::nullopt);
    /// Waits once, for at most `limit`, and polls the tasks that are queued then.
    void once(max_wait limit);

private:
    core_shared& loop_;
    const executor_scope executor_;
    const hidden_task_locals unbound_;
    const bool stopped_before_;  // inside wait()
};

}  // namespace eddy::detail
