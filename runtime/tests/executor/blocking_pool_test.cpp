// SPDX-License-Identifier: MIT
#include <executor/blocking/blocking_pool.hpp>

#include <gtest/gtest.h>

#include <pthread.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <eddy/runtime/core.hpp>
#include <eddy/sync/oneshot.hpp>
#include <support/emulated.hpp>
#include <support/gate.hpp>
#include <support/sanitizers.hpp>
#include <support/stress.hpp>
#include <support/system.hpp>

namespace {

using namespace std::chrono_literals;
using eddy::detail::blocking_job;
using eddy::detail::blocking_pool;
using support::comes_true;
using support::gate;
using support::tally;

/// A job that calls a function when it is run or cancelled, and then frees itself.
class closure_job : public blocking_job {
public:
    explicit closure_job(std::function<void()> when_run, std::function<void()> when_cancelled = {})
        : blocking_job([](blocking_job& self) noexcept { end(self, &closure_job::run_); },
                       [](blocking_job& self) noexcept { end(self, &closure_job::cancel_); }),
          run_(std::move(when_run)),
          cancel_(std::move(when_cancelled)) {}

private:
    static void end(blocking_job& self, std::function<void()> closure_job::* which) noexcept {
        // SAFETY: only closure_job passes this function to blocking_job. The pool runs or cancels a job once, and does
        // not touch it afterwards, so the job owns itself here.
        const std::unique_ptr<closure_job> own(static_cast<closure_job*>(&self));
        if (const auto& f = (*own).*which) f();
    }

    std::function<void()> run_;
    std::function<void()> cancel_;
};

bool submit(blocking_pool& pool, std::function<void()> run, std::function<void()> cancel = {}) {
    auto job = std::make_unique<closure_job>(std::move(run), std::move(cancel));
    if (!pool.submit(*job)) return false;
    static_cast<void>(job.release());
    return true;
}

blocking_pool::time_point soon() { return std::chrono::steady_clock::now() + 20s; }

/// Shuts the pool down, joins it, and expects that nothing is left.
void expect_clean_end(blocking_pool& pool) {
    pool.shutdown();
    EXPECT_TRUE(pool.join_until(soon()));
    const auto left = pool.count();
    EXPECT_EQ(left.threads, 0u);
    EXPECT_EQ(left.idle, 0u);
    EXPECT_EQ(left.queued, 0u);
}

std::string name_of_this_thread() {
    char name[16]{};
    pthread_getname_np(pthread_self(), name, sizeof name);
    return name;
}

// ---- Jobs ----

// A job function that may throw does not compile.
using throwing_function = void (*)(blocking_job&);
static_assert(!std::is_constructible_v<blocking_job, throwing_function, throwing_function>);

TEST(BlockingPool, RunsAJobOnAnotherThread) {
    const auto pool = blocking_pool::make({});
    EXPECT_EQ(pool->count().threads, 0u) << "a pool without work has no threads";
    gate done;
    std::thread::id where;
    std::string name;
    ASSERT_TRUE(submit(*pool, [&] {
        where = std::this_thread::get_id();
        name = name_of_this_thread();
        done.open();
    }));
    ASSERT_TRUE(done.wait());
    EXPECT_NE(where, std::this_thread::get_id());
    EXPECT_EQ(name, "eddy-blocking");
    EXPECT_EQ(pool->count().jobs, 1u);
    expect_clean_end(*pool);
}

// covers: P021
TEST(BlockingPool, JobsStartInTheOrderOfSubmission) {
    const auto pool = blocking_pool::make({.max_threads = 1});
    std::vector<int> order;
    tally done;
    for (int i = 0; i < 100; ++i) {
        ASSERT_TRUE(submit(*pool, [&, i] {
            order.push_back(i);
            done.add();
        }));
    }
    ASSERT_TRUE(done.wait_for(100));
    for (int i = 0; i < 100; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
    EXPECT_EQ(pool->count().jobs, 100u);
    expect_clean_end(*pool);
}

TEST(BlockingPool, JobMaySubmitJobs) {
    const auto pool = blocking_pool::make({.max_threads = 2});
    tally done;
    std::function<void(int)> again = [&](int left) {
        done.add();
        if (left > 0) {
            EXPECT_TRUE(submit(*pool, [&again, left] { again(left - 1); }));
        }
    };
    ASSERT_TRUE(submit(*pool, [&] { again(99); }));
    ASSERT_TRUE(done.wait_for(100));
    expect_clean_end(*pool);
}

// ---- Number of threads ----

// covers: P021
TEST(BlockingPool, GrowsUpToTheThreadLimit) {
    const auto pool = blocking_pool::make({.max_threads = 4});
    gate hold;
    tally begun;
    tally done;
    for (int i = 0; i < 10; ++i) {
        ASSERT_TRUE(submit(*pool, [&] {
            begun.add();
            EXPECT_TRUE(hold.wait());
            done.add();
        }));
    }
    ASSERT_TRUE(begun.wait_for(4)) << "the jobs must run in parallel";
    const auto full = pool->count();
    EXPECT_EQ(full.threads, 4u);
    EXPECT_EQ(full.idle, 0u);
    EXPECT_EQ(full.queued, 6u);
    EXPECT_EQ(full.jobs, 10u);
    hold.open();
    ASSERT_TRUE(done.wait_for(10));
    expect_clean_end(*pool);
}

TEST(BlockingPool, IdleThreadIsPreferredToANewThread) {
    const auto pool = blocking_pool::make({});
    std::thread::id first;
    std::thread::id second;
    tally done;
    ASSERT_TRUE(submit(*pool, [&] {
        first = std::this_thread::get_id();
        done.add();
    }));
    ASSERT_TRUE(comes_true([&] { return pool->count().idle == 1; }));
    ASSERT_TRUE(submit(*pool, [&] {
        second = std::this_thread::get_id();
        done.add();
    }));
    ASSERT_TRUE(done.wait_for(2));
    EXPECT_EQ(first, second);
    EXPECT_EQ(pool->count().threads, 1u);
    expect_clean_end(*pool);
}

TEST(BlockingPool, LastThreadToBecomeIdleIsWokenFirst) {
    const auto pool = blocking_pool::make({});
    gate hold[2];
    std::thread::id ids[2];
    std::thread::id woken;
    tally begun;
    for (int i = 0; i < 2; ++i) {
        ASSERT_TRUE(submit(*pool, [&, i] {
            ids[i] = std::this_thread::get_id();
            begun.add();
            EXPECT_TRUE(hold[i].wait());
        }));
    }
    ASSERT_TRUE(begun.wait_for(2));
    for (const std::size_t i : {1u, 0u}) {
        const auto idle = pool->count().idle;
        hold[i].open();
        ASSERT_TRUE(comes_true([&] { return pool->count().idle == idle + 1; }));
    }
    ASSERT_TRUE(submit(*pool, [&] {
        woken = std::this_thread::get_id();
        begun.add();
    }));
    ASSERT_TRUE(begun.wait_for(3));
    EXPECT_EQ(woken, ids[0]);
    expect_clean_end(*pool);
}

TEST(BlockingPool, IdleThreadTakesTheJobOfASlowlyStartingThread) {
    gate slow_start;
    std::atomic<int> starts = 0;
    const auto pool = blocking_pool::make({.on_thread_start = [&] {
        if (++starts == 2) {
            EXPECT_TRUE(slow_start.wait());
        }
    }});
    gate hold;
    tally done;
    ASSERT_TRUE(submit(*pool, [&] { EXPECT_TRUE(hold.wait()); }));
    ASSERT_TRUE(submit(*pool, [&] { done.add(); }));  // starts the second thread
    hold.open();
    ASSERT_TRUE(done.wait_for(1)) << "the first thread must take the job";
    ASSERT_TRUE(comes_true([&] { return pool->count().idle == 1; }));
    ASSERT_TRUE(submit(*pool, [&] { done.add(); }));
    EXPECT_TRUE(done.wait_for(2));
    slow_start.open();
    expect_clean_end(*pool);
}

// covers: P021
TEST(BlockingPool, IdleThreadsEndAndNewThreadsStartOnDemand) {
    tally started;
    tally stopped;
    const auto pool = blocking_pool::make(
        {.keep_alive = 1ms, .on_thread_start = [&] { started.add(); }, .on_thread_stop = [&] { stopped.add(); }});
    for (std::uint64_t round = 1; round <= 5; ++round) {
        gate done;
        ASSERT_TRUE(submit(*pool, [&] { done.open(); }));
        ASSERT_TRUE(done.wait());
        ASSERT_TRUE(stopped.wait_for(round));
        EXPECT_EQ(started.count(), round);
        EXPECT_EQ(pool->count().threads, 0u);
        EXPECT_EQ(pool->count().idle, 0u);
    }
    expect_clean_end(*pool);
}

TEST(BlockingPool, MaximalKeepAliveDoesNotOverflow) {
    const auto pool = blocking_pool::make({.keep_alive = std::chrono::nanoseconds::max()});
    gate done;
    ASSERT_TRUE(submit(*pool, [&] { done.open(); }));
    ASSERT_TRUE(comes_true([&] { return pool->count().idle == 1; }));
    expect_clean_end(*pool);
}

TEST(BlockingPool, ThreadsHaveTheRequestedNameAndStackSize) {
    constexpr std::size_t wanted = std::size_t{3} * 1024 * 1024 + 1;
    const auto pool = blocking_pool::make({
        .stack_size = wanted,
        .name_thread = [] { return std::string("a name that is too long for Linux"); },
    });
    gate done;
    std::string name;
    std::size_t size = 0;
    ASSERT_TRUE(submit(*pool, [&] {
        name = name_of_this_thread();
        pthread_attr_t attributes;
        pthread_getattr_np(pthread_self(), &attributes);
        void* begin = nullptr;
        pthread_attr_getstack(&attributes, &begin, &size);
        pthread_attr_destroy(&attributes);
        done.open();
    }));
    ASSERT_TRUE(done.wait());
    EXPECT_EQ(name, "a name that is ");
    EXPECT_GE(size, wanted);
    expect_clean_end(*pool);
}

TEST(BlockingPool, TooSmallStackSizeIsRaised) {
    const auto pool = blocking_pool::make({.stack_size = 1});
    gate done;
    ASSERT_TRUE(submit(*pool, [&] { done.open(); }));
    ASSERT_TRUE(done.wait());
    expect_clean_end(*pool);
}

// ---- Thread creation fails ----

TEST(BlockingPool, SubmitFailsIfNoThreadCanStart) {
    const auto pool = blocking_pool::make({.stack_size = std::size_t{1} << 56});
    closure_job job([] { ADD_FAILURE() << "a rejected job was called"; },
                    [] { ADD_FAILURE() << "a rejected job was called"; });
    const auto refused = pool->submit(job);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error(), eddy::errc::runtime_shutdown);
    const auto left = pool->count();
    EXPECT_EQ(left.threads, 0u);
    EXPECT_EQ(left.queued, 0u);
    EXPECT_EQ(left.jobs, 0u);
    expect_clean_end(*pool);
}

TEST(BlockingPool, JobWaitsForAnExistingThreadIfNoneCanStart) {
    if (support::is_sanitized) GTEST_SKIP() << "a sanitizer needs more memory";
    if (support::is_emulated()) GTEST_SKIP() << "qemu-user ignores RLIMIT_AS";
    EXPECT_TRUE(support::is_true_in_child([] {
        constexpr std::size_t stack = std::size_t{256} * 1024 * 1024;
        const auto pool = blocking_pool::make({.stack_size = stack});
        gate hold;
        tally done;
        const auto work = [&] {
            if (hold.wait()) done.add();
        };
        if (!submit(*pool, work)) return false;
        std::size_t pages = 0;
        std::ifstream("/proc/self/statm") >> pages;
        const rlim_t limit = pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) + stack / 2;
        const rlimit lower{limit, limit};
        ::setrlimit(RLIMIT_AS, &lower);
        if (!submit(*pool, work) || pool->count().threads != 1) return false;
        hold.open();
        return done.wait_for(2);
    }));
}

// ---- Shutdown ----

TEST(BlockingPool, ShutdownCancelsQueuedJobsAndRejectsNewJobs) {
    const auto pool = blocking_pool::make({.max_threads = 1});
    gate begun;
    gate hold;
    tally ran;
    tally cancelled;
    ASSERT_TRUE(submit(*pool, [&] {
        begun.open();
        EXPECT_TRUE(hold.wait());
        EXPECT_FALSE(submit(*pool, [] {})) << "a job must not submit to a pool that is shut down";
        ran.add();
    }));
    ASSERT_TRUE(begun.wait());
    for (int i = 0; i < 5; ++i) {
        ASSERT_TRUE(submit(
            *pool, [] { ADD_FAILURE() << "a cancelled job was run"; },
            [&, here = std::this_thread::get_id()] {
                EXPECT_EQ(std::this_thread::get_id(), here);
                cancelled.add();
            }));
    }
    pool->shutdown();
    EXPECT_EQ(cancelled.count(), 5u);
    EXPECT_EQ(ran.count(), 0u) << "shutdown() must not wait";
    EXPECT_FALSE(submit(*pool, [] { ADD_FAILURE() << "a rejected job was called"; }));
    pool->shutdown();
    hold.open();
    expect_clean_end(*pool);
    EXPECT_EQ(ran.count(), 1u);
    EXPECT_EQ(pool->count().jobs, 6u);
}

// covers: R031
TEST(BlockingPool, CountersAreZeroAfterShutdown) {
    const auto pool = blocking_pool::make({});
    gate hold;
    tally begun;
    for (int i = 0; i < 8; ++i) {
        ASSERT_TRUE(submit(*pool, [&] {
            begun.add();
            EXPECT_TRUE(hold.wait());
        }));
    }
    ASSERT_TRUE(begun.wait_for(8));
    hold.open();
    ASSERT_TRUE(comes_true([&] { return pool->count().idle == 8; }));
    pool->shutdown();
    EXPECT_EQ(pool->count().idle, 0u);
    expect_clean_end(*pool);
}

TEST(BlockingPool, HangingThreadKeepsTheStateOfThePoolAlive) {
    gate begun;
    gate hold;
    gate stopped;
    auto pool = blocking_pool::make({.on_thread_stop = [&] { stopped.open(); }});
    ASSERT_TRUE(submit(*pool, [&] {
        begun.open();
        EXPECT_TRUE(hold.wait());
    }));
    ASSERT_TRUE(begun.wait());
    pool->shutdown();
    EXPECT_FALSE(pool->join_until(std::chrono::steady_clock::now())) << "the job still runs";
    EXPECT_FALSE(pool->join_until(std::chrono::steady_clock::now() + 1ms));
    EXPECT_EQ(pool->count().threads, 1u);
    pool.reset();
    hold.open();
    EXPECT_TRUE(stopped.wait());
}

TEST(BlockingPool, JoinSucceedsAfterAnEarlierTimeout) {
    const auto pool = blocking_pool::make({});
    gate begun;
    gate hold;
    ASSERT_TRUE(submit(*pool, [&] {
        begun.open();
        EXPECT_TRUE(hold.wait());
    }));
    ASSERT_TRUE(begun.wait());
    pool->shutdown();
    EXPECT_FALSE(pool->join_until(std::chrono::steady_clock::now()));
    hold.open();
    expect_clean_end(*pool);
}

TEST(BlockingPool, DroppedPoolIsFreedWhenTheThreadsHaveEnded) {
    auto owned = std::make_shared<int>(0);
    const std::weak_ptr<int> left = owned;
    auto pool = blocking_pool::make({.keep_alive = 1ms, .on_thread_stop = [owned = std::move(owned)] {}});
    tally done;
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(submit(*pool, [&] { done.add(); }));
    ASSERT_TRUE(done.wait_for(3));
    pool.reset();
    EXPECT_TRUE(comes_true([&] { return left.expired(); }));
}

TEST(BlockingPool, JoinOnAPoolThreadDoesNotWaitForThatThread) {
    auto pool = blocking_pool::make({});
    gate done;
    ASSERT_TRUE(submit(*pool, [&] {
        pool->shutdown();
        EXPECT_TRUE(pool->join_until(soon()));
        pool.reset();
        done.open();
    }));
    EXPECT_TRUE(done.wait());
}

// ---- At the end of a thread ----

/// Calls a function in the destructor of a thread-local.
struct at_thread_end {
    std::function<void()> f;
    ~at_thread_end() {
        if (f) f();
    }
};
thread_local at_thread_end last_act;

TEST(BlockingPool, ThreadLocalDestructorMaySubmit) {
    const auto pool = blocking_pool::make({.keep_alive = 0ms});
    gate done;
    ASSERT_TRUE(submit(*pool, [&] { last_act.f = [&] { EXPECT_TRUE(submit(*pool, [&] { done.open(); })); }; }));
    EXPECT_TRUE(done.wait());
    expect_clean_end(*pool);
}

// covers: R028
TEST(BlockingPool, ThreadLocalDestructorMayWakeALoop) {
    eddy::core core;
    const auto pool = blocking_pool::make({.keep_alive = 0ms});
    auto [tx, rx] = eddy::sync::oneshot<int>::channel();
    auto kept = std::make_shared<eddy::sync::oneshot<int>::sender>(std::move(tx));
    ASSERT_TRUE(submit(*pool, [kept] { last_act.f = [kept] { static_cast<void>(kept->send(7)); }; }));
    EXPECT_EQ(core.run(rx), 7);
    expect_clean_end(*pool);
}

// covers: R028
TEST(BlockingPool, ThreadLocalDestructorMayDestroyThePool) {
    auto pool = blocking_pool::make({});
    gate done;
    ASSERT_TRUE(submit(*pool, [&] {
        last_act.f = [&] {
            EXPECT_TRUE(pool->join_until(soon()));
            pool.reset();
            done.open();
        };
        pool->shutdown();
    }));
    EXPECT_TRUE(done.wait());
}

// ---- Stress ----

/// Pauses for a random time: mostly not at all, sometimes about as long as a keep-alive.
class pauses {
public:
    explicit pauses(std::uint64_t stream) : random_(support::seed() + stream) {}

    std::uint64_t draw(std::uint64_t below) { return random_() % below; }
    void pause() {
        switch (draw(16)) {
        case 0: std::this_thread::sleep_for(std::chrono::microseconds(700 + draw(600))); break;
        case 1: std::this_thread::sleep_for(std::chrono::microseconds(draw(100))); break;
        case 2:
        case 3: std::this_thread::yield(); break;
        default: break;
        }
    }

private:
    std::mt19937_64 random_;
};

// covers: R030
TEST(BlockingPoolStress, EveryJobRunsWhileIdleThreadsEnd) {
    constexpr std::uint64_t submitters = 8;
    const auto each = support::rounds(50'000);
    const auto pool = blocking_pool::make({.max_threads = 4, .keep_alive = 1ms});
    std::atomic<std::uint64_t> ran{0};
    {
        std::vector<std::jthread> threads;
        for (std::uint64_t s = 0; s < submitters; ++s) {
            threads.emplace_back([&, s] {
                pauses random(s);
                for (std::uint64_t i = 0; i < each; ++i) {
                    EXPECT_TRUE(submit(*pool, [&] { ran.fetch_add(1); }));
                    random.pause();
                }
            });
        }
    }
    EXPECT_TRUE(comes_true([&] { return ran == submitters * each; })) << ran << " of " << submitters * each;
    EXPECT_EQ(pool->count().jobs, submitters * each);
    expect_clean_end(*pool);
}

// covers: R030
TEST(BlockingPoolStress, JobSubmittedWhileTheLastThreadEndsRuns) {
    const auto pool = blocking_pool::make({.max_threads = 1, .keep_alive = 20us});
    pauses random(0);
    for (auto left = support::rounds(50'000); left > 0; --left) {
        gate done;
        ASSERT_TRUE(submit(*pool, [&] { done.open(); }));
        ASSERT_TRUE(done.wait());
        const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(random.draw(40));
        while (std::chrono::steady_clock::now() < until) {
        }
    }
    expect_clean_end(*pool);
}

TEST(BlockingPoolStress, SequentialJobsNeedFewThreads) {
    const auto pool = blocking_pool::make({});
    for (auto left = support::rounds(200'000); left > 0; --left) {
        gate done;
        ASSERT_TRUE(submit(*pool, [&] { done.open(); }));
        ASSERT_TRUE(done.wait());
    }
    // If a thread is preempted before it becomes idle, the next job starts one more thread.
    EXPECT_LE(pool->count().threads, 16u);
    expect_clean_end(*pool);
}

// covers: R031
TEST(BlockingPoolStress, ShutdownRacesWithSubmitAndIdleTimeout) {
    for (auto left = support::rounds(10'000); left > 0; --left) {
        pauses random(left);
        const auto pool = blocking_pool::make(
            {.max_threads = 1 + random.draw(4), .keep_alive = std::chrono::microseconds(random.draw(100))});
        std::atomic<std::uint64_t> ended{0};
        std::uint64_t accepted = 0;
        std::jthread shuts([&, stream = left + 1'000'000] {
            pauses(stream).pause();
            pool->shutdown();
        });
        for (auto jobs = random.draw(20); jobs > 0; --jobs) {
            accepted += submit(*pool, [&] { ended.fetch_add(1); }, [&] { ended.fetch_add(1); });
            random.pause();
        }
        shuts.join();
        expect_clean_end(*pool);
        ASSERT_EQ(ended, accepted);
    }
}

// covers: R143
TEST(BlockingPoolStress, PoolIsDestroyedWhileTheThreadsEnd) {
    for (auto left = support::rounds(50'000); left > 0; --left) {
        auto pool = blocking_pool::make({});
        const auto ended = std::make_shared<gate>();
        ASSERT_TRUE(submit(*pool, [ended] { ended->open(); }, [ended] { ended->open(); }));
        if (left % 2 == 0) {
            ASSERT_TRUE(ended->wait());
        }
        pool->shutdown();
        if (left % 3 == 0) pool->join_until(std::chrono::steady_clock::now());
        pool.reset();
        ASSERT_TRUE(ended->wait());
    }
}

}  // namespace
