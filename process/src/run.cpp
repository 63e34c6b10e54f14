// SPDX-License-Identifier: MIT
#include <eddy/process/run.hpp>

#include <utility>

#include <eddy/process/child.hpp>
#include <eddy/process/stdio.hpp>

#include "capture.hpp"

namespace eddy::process {

task<result<run_result>> run(command what, run_options options) {
    if (options.input()) {
        what.in(stdio::pipe());
    } else if (!what.in()) {
        what.in(stdio::null());
    }
    if (!what.out()) what.out(stdio::pipe());
    if (!what.error()) what.error(stdio::pipe());
    auto started = co_await what.spawn();
    if (!started) co_return std::unexpected(std::move(started).error());

    detail::captured_processes processes;
    processes.first_program = what.program();
    processes.last_program = what.program();
    processes.in = std::move(started->in());
    processes.out = std::move(started->out());
    processes.err = std::move(started->error());
    processes.all.push_back(*std::move(started));
    auto written = co_await detail::capture(processes, options);
    if (!written) co_return std::unexpected(std::move(written).error());
    auto status = co_await processes.all.front().wait();
    if (!status) co_return std::unexpected(std::move(status).error());
    co_return run_result(*std::move(written), *status);
}

}  // namespace eddy::process
