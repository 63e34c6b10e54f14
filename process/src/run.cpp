// SPDX-License-Identifier: MIT
#include <eddy/process/run.hpp>

#include <utility>

#include <eddy/process/pipeline.hpp>

namespace eddy::process {

task<result<run_result>> run(command what, run_options options) {
    auto done = co_await run(pipeline(std::move(what)), std::move(options));
    if (!done) co_return std::unexpected(std::move(done).error());
    const auto status = done->statuses.front();
    co_return run_result(*std::move(done), status);
}

}  // namespace eddy::process
