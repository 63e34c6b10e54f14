// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <eddy/process/child.hpp>
#include <eddy/process/error.hpp>
#include <eddy/process/pipe_ends.hpp>
#include <eddy/process/run.hpp>
#include <eddy/task/task.hpp>

namespace eddy::process::detail {

/// Processes whose streams run() moves.
struct captured_processes {
    std::vector<child> all;
    std::optional<pipe_sender> in;
    std::optional<pipe_receiver> out;
    std::optional<pipe_receiver> err;
    std::string first_program;  // for errors
    std::string last_program;
};

/// Moves the streams until all processes have ended, and the output, too, or the time for that has passed.
/// Errors: any error of a stream, except that the process does not read its input; the error of a kill after the
/// time-out. The processes may run then: destroy them.
[[nodiscard]] task<result<captured>> capture(captured_processes& from, const run_options& options);

}  // namespace eddy::process::detail
