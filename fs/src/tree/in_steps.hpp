// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <utility>

#include <eddy/fs/error.hpp>
#include <eddy/task/task.hpp>

#include "job.hpp"

namespace eddy::fs::detail {

/// Calls `work->step()`, each time on a thread for blocking work, until it returns true. Returns the work.
///
/// Cancel safety: a step that has begun finishes, and no further step begins. The work is destroyed after it.
template <class Work>
task<result<std::unique_ptr<Work>>> run_in_steps(call of, std::unique_ptr<Work> work) {
    struct after_step {
        std::unique_ptr<Work> work;
        bool is_complete;

        after_step(std::unique_ptr<Work>&& its, bool complete) noexcept : work(std::move(its)), is_complete(complete) {}
    };
    for (;;) {
        auto step = blocking(of, [mine = std::move(work)](const call&) mutable -> result<after_step> {
            const auto is_complete = mine->step();
            if (!is_complete) return std::unexpected(is_complete.error());
            return result<after_step>(std::in_place, std::move(mine), *is_complete);
        });
        auto done = co_await std::move(step);
        if (!done) co_return std::unexpected(done.error());
        work = std::move(done->work);
        if (done->is_complete) co_return result<std::unique_ptr<Work>>(std::move(work));
    }
}

}  // namespace eddy::fs::detail
