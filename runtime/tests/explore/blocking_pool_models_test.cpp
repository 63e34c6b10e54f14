// SPDX-License-Identifier: MIT
// Threads for blocking work: a job that is submitted while the keep_alive of an idle thread passes is run.
#include "executor/blocking/blocking_pool.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <utility>

#include <eddy/detail/runtime_context.hpp>

#include "explore/explore.hpp"
#include "explore/thread_stand_ins.hpp"

namespace {

using eddy::detail::blocking_job;
using eddy::detail::blocking_pool;
using explore::check;
using explore::holds;

class ExploreBlockingPool : public testing::Test {
protected:
    static void SetUpTestSuite() { explore::separate(&eddy::detail::this_thread.blocking_thread_of); }
};

/// A job that calls a function.
class job : public blocking_job {
public:
    explicit job(std::function<void()> does) : blocking_job(&run_it, &cancel_it), does_(std::move(does)) {}

private:
    static void run_it(blocking_job& self) noexcept { static_cast<job&>(self).does_(); }
    static void cancel_it(blocking_job&) noexcept { check(false, "no job is cancelled"); }
    std::function<void()> does_;
};

/// The thread of the first job becomes idle, and may end, while the second job is submitted. The second job ends after
/// the shutdown, so that no thread waits twice: the length of a wait decides whether the next one spins.
TEST_F(ExploreBlockingPool, JobSubmittedAtTheEndOfKeepAliveIsRun) {
    EXPECT_TRUE(holds({.preemptions = 2, .stale_reads = 1, .early_timeouts = true}, [] {
        const auto pool = blocking_pool::make({});
        explore::event has_begun;
        explore::event may_end;
        job first([] {});
        job second([&] {
            has_begun.set();
            may_end.wait();
        });
        const explore::library_threads threads;
        check(pool->submit(first).has_value(), "the first job is accepted");
        check(pool->submit(second).has_value(), "the second job is accepted");
        has_begun.wait();
        pool->shutdown();
        may_end.set();
    }));
}

}  // namespace
