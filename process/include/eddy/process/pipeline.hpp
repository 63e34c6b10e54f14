// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <source_location>
#include <string>
#include <utility>
#include <vector>

#include <eddy/detail/export.hpp>
#include <eddy/process/child.hpp>
#include <eddy/process/command.hpp>
#include <eddy/process/error.hpp>
#include <eddy/process/exit_status.hpp>
#include <eddy/process/run.hpp>
#include <eddy/task/task.hpp>

namespace eddy::process {

/// Commands whose output is the input of the next one, as `a | b | c` in a shell:
///
///     const auto words = process::pipeline(command("cat", path), command("sort"), command("uniq"));
///     auto done = co_await try_(process::run(words));
///
/// Thread safety: a plain value.
class EDDY_API pipeline {
public:
    /// Constructs a pipeline of commands, in the order in which the data go through them.
    template <std::convertible_to<command>... C>
    explicit pipeline(command first, C&&... others) : commands_{std::move(first)} {
        (add(std::forward<C>(others)), ...);
    }

    /// Adds a command at the end.
    pipeline& add(command next);

    /// Starts all commands, and connects them. What command::out() and in() have set between them is replaced. The
    /// first child has in(), the last one out(), as their commands say.
    /// Errors: the errors of command::spawn() for the first command that does not start. The others are killed.
    /// Cancel safety: those that have started are killed.
    task<result<std::vector<child>>> spawn(std::source_location where = std::source_location::current()) const;

    /// For the library: the commands.
    [[nodiscard]] const std::vector<command>& commands() const& noexcept { return commands_; }
    [[nodiscard]] std::vector<command> commands() && noexcept { return std::move(commands_); }

private:
    std::vector<command> commands_;
};

/// What run() returns for a pipeline.
/// Thread safety: a plain value.
struct pipeline_result : captured {
    std::vector<exit_status> statuses;  ///< how each process has ended, in the order of the commands

    /// Constructs a result from its parts.
    pipeline_result(captured&& written, std::vector<exit_status>&& ended) noexcept
        : captured(std::move(written)), statuses(std::move(ended)) {}

    /// Returns whether all processes have ended with the code 0. One that is ended by SIGPIPE, because the next one did
    /// not read all of its output, has not.
    [[nodiscard]] EDDY_API bool is_success() const noexcept;
    /// Returns the first error of exit_status::check() of the processes.
    [[nodiscard]] EDDY_API result<void> check() const;
};

/// Same as run() of one command: `input` goes to the first one, `out` comes from the last one, and `error` has what all
/// of them have written to standard error, if their commands do not set it.
EDDY_API task<result<pipeline_result>> run(pipeline what, run_options options = {});

}  // namespace eddy::process
