// SPDX-License-Identifier: MIT
#include <eddy/process/pipeline.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <source_location>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/detail/call_site.hpp>
#include <eddy/process/pipe_ends.hpp>
#include <eddy/process/run.hpp>
#include <eddy/process/stdio.hpp>

#include "capture.hpp"
#include "running_process.hpp"
#include "sys/pipe_ends.hpp"

namespace eddy::process {
namespace {

/// `where` is null for processes that the library uses itself.
task<result<std::vector<child>>> spawn_all(std::vector<command> commands, eddy::detail::call_site where) {
    std::vector<child> started;
    for (std::size_t i = 0; i < commands.size(); ++i) {
        command now = std::move(commands[i]);  // closes its ends of pipes when it has started
        if (i + 1 < commands.size()) {
            auto ends = eddy::sys::make_blocking_pipe();
            if (!ends) co_return std::unexpected(error(ends.error(), now.program(), "standard output"));
            now.out(stdio::from_native(ends->second.release()));
            commands[i + 1].in(stdio::from_native(ends->first.release()));
        }
        auto next = co_await now.spawn();
        if (!next) co_return std::unexpected(std::move(next).error());
        next->process()->note_use();
        started.push_back(*std::move(next));
    }
    for (const auto& each : started) each.process()->expect_use(where);
    co_return started;
}

/// Makes a pipe for the errors of all commands that do not set theirs. One pipe, so stdio::pipe() is that, too.
std::optional<error> share_errors(std::vector<command>& commands, std::optional<pipe_receiver>& ours) {
    const auto fail = [&](std::error_code code) { return error(code, commands.front().program(), "standard error"); };
    auto pipe = eddy::sys::make_output_pipe();
    if (!pipe) return fail(pipe.error());
    ours = std::move(pipe->ours);
    const auto theirs = stdio::from_native(pipe->theirs.release());
    for (auto& each : commands) {
        if (!each.error() || each.error()->what() == stdio::kind::pipe) each.error(theirs);
    }
    return std::nullopt;
}

}  // namespace

pipeline& pipeline::add(command next) {
    commands_.push_back(std::move(next));
    return *this;
}

task<result<std::vector<child>>> pipeline::spawn(std::source_location where) const {
    return spawn_all(commands_, eddy::detail::call_site_of(where));
}

bool pipeline_result::is_success() const noexcept { return std::ranges::all_of(statuses, &exit_status::is_success); }

result<void> pipeline_result::check() const {
    for (const auto& each : statuses) {
        if (auto checked = each.check(); !checked) return checked;
    }
    return {};
}

task<result<pipeline_result>> run(pipeline what, run_options options) {
    auto commands = std::move(what).commands();
    detail::captured_processes processes;
    processes.first_program = commands.front().program();
    processes.last_program = commands.back().program();
    if (auto failed = share_errors(commands, processes.err)) co_return std::unexpected(*std::move(failed));
    if (options.input()) {
        commands.front().in(stdio::pipe());
    } else if (!commands.front().in()) {
        commands.front().in(stdio::null());
    }
    if (!commands.back().out()) commands.back().out(stdio::pipe());
    auto started = co_await spawn_all(std::move(commands), nullptr);
    if (!started) co_return std::unexpected(std::move(started).error());

    processes.all = *std::move(started);
    processes.in = std::move(processes.all.front().in());
    processes.out = std::move(processes.all.back().out());
    auto written = co_await detail::capture(processes, options);
    if (!written) co_return std::unexpected(std::move(written).error());
    std::vector<exit_status> statuses;
    for (const auto& each : processes.all) {
        auto status = co_await each.wait();
        if (!status) co_return std::unexpected(std::move(status).error());
        statuses.push_back(*status);
    }
    co_return pipeline_result(*std::move(written), std::move(statuses));
}

task<result<run_result>> run(command what, run_options options) {
    auto done = co_await run(pipeline(std::move(what)), std::move(options));
    if (!done) co_return std::unexpected(std::move(done).error());
    const auto status = done->statuses.front();
    co_return run_result(*std::move(done), status);
}

}  // namespace eddy::process
