// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include <eddy/future/future.hpp>
#include <eddy/future/waker.hpp>

#include "executor/loop/core_shared.hpp"
#include "executor/task/run_task.hpp"

namespace eddy::detail {

/// Polls the tasks of a loop, one after the other: the policy of run_task(). Its waker, context and mark of the polled
/// task are made once for many polls.
/// Lifetime: lives on the stack, during the polls.
class loop_poller {
public:
    using word = local_word;

    explicit loop_poller(core_shared& loop) noexcept
        : loop_(loop), waker_(&spawned_task_waker, nullptr), context_(waker_.get()) {}

    /// Runs up to `most` queued tasks, or until `stop`.
    void run_some(std::size_t most, const bool& stop) noexcept;
    /// Runs the tasks that are queued now, but not those that are queued meanwhile.
    void run_queued() noexcept;

    [[nodiscard, gnu::always_inline]] poll_end poll(spawned_task& task) noexcept {
        ++loop_.view().counted.polls;
        // SAFETY: run_task() holds the queue's reference during the poll, so the borrowed waker needs none.
        waker_.point_to(&task);
        context_.restore_budget();
        context_access::set_call_site(context_, nullptr);  // the last co_await of another task
        here_.mark(&task);
        const bool has_ended = poll_work(task, context_);
        here_.mark(nullptr);
        return has_ended ? poll_end::has_ended : poll_end::waits;
    }
    void queue_again(spawned_task& task) noexcept { loop_.tasks().queues().run().push(task); }
    [[nodiscard]] static bool destroys_cancelled() noexcept { return false; }
    [[nodiscard]] core_shared& owner() noexcept { return loop_; }

private:
    class observed;

    void run_observed(spawned_task& task) noexcept;

    core_shared& loop_;
    borrowed_waker waker_;
    context context_;
    polled_task here_;
};

}  // namespace eddy::detail
