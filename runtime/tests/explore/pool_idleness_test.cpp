// SPDX-License-Identifier: MIT
// Waiting for an idle pool: the wait ends, and not before the last end of a task or of blocking work, whatever ends at
// the same time. The waiter sees what they have written.
#include "executor/pool/pool_idleness.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <source_location>

#include <eddy/detail/runtime_context.hpp>
#include <eddy/task/detail/spawned_task.hpp>

#include "executor/pool/pool.hpp"
#include "executor/task/task_state.hpp"
#include "explore/explore.hpp"
#include "explore/small_pool.hpp"

namespace {

using eddy::detail::spawned_ops;
using eddy::detail::spawned_task;
using eddy::detail::task_flags;
using eddy::detail::this_thread;
using explore::cell;
using explore::check;
using explore::holds;

/// A pool without workers.
struct idle_pool : explore::small_pool {
    idle_pool() : small_pool(false) {}
};

/// A task that only begins and ends.
class counted_task : spawned_task {
public:
    counted_task(idle_pool& of, unsigned list)
        : spawned_task(no_operations, of.get(), std::source_location(), false), of_(of) {
        add_constant(list * task_flags::list_one);
    }

    void begin() {
        check(of_.get().tasks().add(*this), "the list is open");
        static_cast<void>(state_of(*this).transition_to_running());  // abort_all() does not queue a task that runs
    }
    void end() {
        has_run.write(true);
        check(of_.get().tasks().remove(*this), "the task was in the list");
        of_.idleness().note_end();
    }

    cell<bool> has_run{false};

private:
    static constexpr spawned_ops no_operations{};
    idle_pool& of_;
};

TEST(ExplorePoolIdleness, WaitLastsUntilTheLaterOfTwoEnds) {
    EXPECT_TRUE(holds([] {
        const auto pool = std::make_unique<idle_pool>();
        counted_task one(*pool, 0);
        counted_task other(*pool, 1);
        one.begin();
        other.begin();
        explore::thread first([&] { one.end(); });
        explore::thread second([&] { other.end(); });
        pool->idleness().wait();
        check(one.has_run.read() && other.has_run.read(), "both tasks have ended");
    }));
}

TEST(ExplorePoolIdleness, WaitCountsBlockingWork) {
    EXPECT_TRUE(holds([] {
        const auto pool = std::make_unique<idle_pool>();
        counted_task task(*pool, 0);
        cell<bool> has_worked{false};
        task.begin();
        pool->idleness().count_blocking(true);
        explore::thread first([&] { task.end(); });
        explore::thread second([&] {
            has_worked.write(true);
            pool->idleness().count_blocking(false);
        });
        pool->idleness().wait();
        check(task.has_run.read() && has_worked.read(), "the task and the blocking work have ended");
    }));
}

/// Without the order of the counters, the waiter could count the end of the parent and not the spawn of its child.
TEST(ExplorePoolIdleness, WaitSeesTheChildOfATaskThatHasEnded) {
    EXPECT_TRUE(holds([] {
        const auto pool = std::make_unique<idle_pool>();
        counted_task parent(*pool, 1);
        counted_task child(*pool, 0);
        parent.begin();
        explore::event is_spawned;
        explore::thread first([&] {
            child.begin();
            parent.end();
            is_spawned.set();
        });
        explore::thread second([&] {
            is_spawned.wait();
            child.end();
        });
        pool->idleness().wait();
        check(parent.has_run.read() && child.has_run.read(), "parent and child have ended");
    }));
}

TEST(ExplorePoolIdleness, LaterOfTwoEndsBeginsTheShutdown) {
    EXPECT_TRUE(holds([] {
        const auto pool = std::make_unique<idle_pool>();
        counted_task task(*pool, 0);
        task.begin();
        pool->idleness().count_blocking(true);
        {
            explore::thread first([&] { task.end(); });
            explore::thread second([&] { pool->idleness().count_blocking(false); });
            pool->idleness().close_when_idle();
        }
        check(pool->shutdown().is_closing(), "the shutdown has begun");
    }));
}

/// The caller is blocking work of the pool, which is counted until it ends.
TEST(ExplorePoolIdleness, CancelAllWaitsForAllButItsCaller) {
    EXPECT_TRUE(holds([] {
        const auto pool = std::make_unique<idle_pool>();
        counted_task one(*pool, 0);
        counted_task other(*pool, 1);
        one.begin();
        other.begin();
        pool->idleness().count_blocking(true);
        explore::thread first([&] { one.end(); });
        explore::thread second([&] { other.end(); });
        pool->idleness().cancel_all(std::chrono::steady_clock::time_point::max(), true);
        check(one.has_run.read() && other.has_run.read(), "both tasks have ended");
    }));
}

}  // namespace
