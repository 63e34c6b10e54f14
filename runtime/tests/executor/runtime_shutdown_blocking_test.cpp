// SPDX-License-Identifier: MIT
// Blocking work, and workers that were handed over, when a runtime ends. Also the effect of an uncaught exception.
#include <eddy/runtime/runtime.hpp>

#include <gtest/gtest.h>

#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <source_location>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/future/yield_now.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/handle.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/task/join_handle.hpp>
#include <eddy/task/scope.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/spawn_blocking.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/time/sleep.hpp>

#include "support/gate.hpp"
#include "support/runtime.hpp"

namespace {

using namespace std::chrono_literals;
using support::hold;
using support::last_words;
using support::nothing;
using support::number;
using support::wait_until_closing;

class RuntimeShutdownBlocking : public support::on_workers {};
EDDY_ON_1_2_AND_4_WORKERS(RuntimeShutdownBlocking);

// ---- Blocking work ----

TEST_P(RuntimeShutdownBlocking, DropDoesNotWaitForBlockingWork) {
    support::gate begun;
    support::gate go_on;
    support::gate ended;
    std::optional<eddy::join_handle<int>> joined;
    {
        const auto rt = make();
        const auto entered = rt.enter();
        joined = eddy::spawn_blocking([&] {
            begun.open();
            EXPECT_TRUE(go_on.wait());
            ended.open();
            return 5;
        });
        ASSERT_TRUE(begun.wait());
    }
    EXPECT_FALSE(joined->is_finished());
    go_on.open();
    EXPECT_TRUE(ended.wait());
    EXPECT_EQ(eddy::wait(*joined).value(), 5) << "the handle still returns the output";
}

TEST_P(RuntimeShutdownBlocking, DropCancelsQueuedBlockingWork) {
    support::gate begun;
    support::gate go_on;
    std::atomic<int> ran = 0;
    std::atomic<int> destroyed = 0;
    std::vector<eddy::join_handle<void>> queued;
    std::optional<eddy::join_handle<void>> running;
    {
        const auto rt = eddy::runtime::builder().worker_threads(workers()).max_blocking_threads(1).build().value();
        const auto entered = rt.enter();
        running = eddy::spawn_blocking([&] {
            begun.open();
            EXPECT_TRUE(go_on.wait());
        });
        ASSERT_TRUE(begun.wait());
        for (int i = 0; i < 10; ++i) {
            queued.push_back(eddy::spawn_blocking([&, words = last_words([&] { ++destroyed; })] { ++ran; }));
        }
    }
    EXPECT_EQ(destroyed, 10);
    EXPECT_EQ(ran, 0);
    for (auto& each : queued) EXPECT_TRUE(eddy::wait(each).error().is_cancelled());
    go_on.open();
    EXPECT_TRUE(eddy::wait(*running).has_value());
}

TEST_P(RuntimeShutdownBlocking, SpawnBlockingAfterDropIsCancelled) {
    std::optional<eddy::runtime> rt(make());
    const auto handle = rt->handle();
    rt.reset();
    const auto entered = handle.enter();
    std::atomic<int> ran = 0;
    EXPECT_TRUE(eddy::wait(eddy::spawn_blocking([&] { ++ran; })).error().is_cancelled());
    EXPECT_EQ(ran, 0);
}

TEST_P(RuntimeShutdownBlocking, ShutdownTimeoutWaitsForBlockingWork) {
    const support::watchdog limit("shutdown_timeout", 40s);
    support::gate begun;
    std::atomic<bool> go_on = false;
    std::atomic<bool> ended = false;
    auto rt = make();
    {
        const auto entered = rt.enter();
        eddy::spawn_blocking([&] {
            begun.open();
            support::spin_until([&] { return go_on.load(); });
            ended = true;
        });
    }
    ASSERT_TRUE(begun.wait());
    std::thread releaser([&] { go_on = true; });
    std::move(rt).shutdown_timeout(30s);
    EXPECT_TRUE(ended);
    releaser.join();
}

TEST_P(RuntimeShutdownBlocking, TimeoutDetachesBlockingWorkAtLimit) {
    support::gate begun;
    support::gate go_on;
    auto rt = make();
    std::optional<eddy::join_handle<void>> joined;
    {
        const auto entered = rt.enter();
        joined = eddy::spawn_blocking([&] {
            begun.open();
            EXPECT_TRUE(go_on.wait());
        });
    }
    ASSERT_TRUE(begun.wait());
    const auto began = std::chrono::steady_clock::now();
    std::move(rt).shutdown_timeout(50ms);
    EXPECT_GE(std::chrono::steady_clock::now() - began, 50ms);
    EXPECT_FALSE(joined->is_finished());
    go_on.open();
    EXPECT_TRUE(eddy::wait(*joined).has_value());
}

// covers: P022
TEST_P(RuntimeShutdownBlocking, TimeoutDetachesBlockInPlaceAtLimit) {
    const support::watchdog limit("a thread in block_in_place was joined");
    for (int i = 0; i < 50; ++i) {
        support::gate begun;
        support::gate go_on;
        support::gate ended;
        auto rt = make();
        rt.spawn([&] {
            eddy::block_in_place([&] {
                begun.open();
                EXPECT_TRUE(go_on.wait());
            });
            ended.open();
        });
        ASSERT_TRUE(begun.wait());
        std::move(rt).shutdown_timeout(1ms);
        go_on.open();
        EXPECT_TRUE(ended.wait());
    }
}

// covers: P022
TEST_P(RuntimeShutdownBlocking, DropDestroysTaskInBlockInPlaceOnce) {
    const support::watchdog limit("a drop while a task is in block_in_place", 40s);
    support::gate begun;
    std::atomic<bool> go_on = false;
    std::atomic<int> destroyed = 0;
    std::atomic<bool> ended = false;
    std::atomic<bool> is_over = false;
    std::thread releaser;
    {
        const auto rt = make();
        rt.spawn([&, words = last_words([&] { ++destroyed; })]() -> eddy::task<void> {
            eddy::block_in_place([&] {
                begun.open();
                support::spin_until([&] { return go_on.load(); });
                ended = true;
            });
            // A runtime refuses spawns shortly before its workers end, so the task may be polled again in between.
            for (;;) {
                co_await eddy::yield_now();
                EXPECT_FALSE(is_over) << "the task continued after the runtime had ended";
            }
        });
        ASSERT_TRUE(begun.wait());
        releaser = std::thread([&, handle = rt.handle()] {
            wait_until_closing(handle);
            go_on = true;
        });
    }
    is_over = true;
    releaser.join();
    EXPECT_TRUE(ended);
    EXPECT_EQ(destroyed, 1);
}

TEST_P(RuntimeShutdownBlocking, ShutdownEndsSleepAfterBlockInPlace) {
    std::atomic<int> uncaught = 0;
    support::gate begun;
    support::gate go_on;
    std::atomic<bool> has_gone_on = false;
    auto rt = eddy::runtime::builder()
                  .worker_threads(workers())
                  .on_uncaught([&](const std::exception_ptr&, const std::source_location&) { ++uncaught; })
                  .build()
                  .value();
    rt.spawn([&]() -> eddy::task<void> {
        eddy::block_in_place([&] {
            begun.open();
            EXPECT_TRUE(go_on.wait());
        });
        has_gone_on = true;
        co_await eddy::time::sleep(1h);
        ADD_FAILURE() << "the task continued after the runtime had ended";
    });
    ASSERT_TRUE(begun.wait());
    // Creates one timer on each worker. The timers are woken when they shut down, after all workers have stopped.
    std::list<eddy::test::by_hand<eddy::time::sleep_future>> timers;
    for (unsigned i = 0; i < workers(); ++i) {
        const auto entered = rt.enter();
        timers.emplace_back(eddy::time::sleep(1h));
        EXPECT_FALSE(timers.back().poll().is_ready());
    }
    auto ended = std::move(rt).shutdown_now();
    for (auto& each : timers) EXPECT_TRUE(support::comes_true([&] { return each.is_woken(); }));
    go_on.open();
    ended.wait();
    EXPECT_TRUE(has_gone_on);
    EXPECT_EQ(uncaught, 0);
}

TEST_P(RuntimeShutdownBlocking, BlockInPlaceMayBlockDuringShutdown) {
    const support::watchdog limit("a block_in_place that waits in a runtime that ends");
    const auto other = support::make_runtime(1);
    auto rt = make();
    const auto handle = rt.handle();
    support::gate begun;
    int answer = 0;
    bool is_cancelled = false;
    bool is_refused_after_it = false;
    rt.spawn([&]() -> eddy::task<void> {
        auto own = eddy::spawn(hold(0));
        begun.open();
        wait_until_closing(handle);
        eddy::block_in_place([&] {
            answer = other.block_on(number(7));
            // `own` is cancelled by the thread that has taken over this worker.
            is_cancelled = eddy::wait(own).error().is_cancelled();
        });
        try {
            other.block_on(nothing());
        } catch (const eddy::nested_runtime&) {
            is_refused_after_it = true;
        }
        co_return;
    });
    ASSERT_TRUE(begun.wait());
    std::move(rt).shutdown_now().wait();
    EXPECT_EQ(answer, 7);
    EXPECT_TRUE(is_cancelled);
    EXPECT_TRUE(is_refused_after_it) << "also if the worker was not handed over";
}

TEST_P(RuntimeShutdownBlocking, DestructorMayBlockInPlaceAtShutdown) {
    const support::watchdog limit("a block_in_place that waits in a runtime that ends");
    const auto other = support::make_runtime(1);
    int answer = 0;
    {
        const auto rt = make();
        rt.spawn(hold(last_words([&] { answer = eddy::block_in_place([&] { return other.block_on(number(7)); }); })));
    }
    EXPECT_EQ(answer, 7);
}

// ---- A worker that is handed over while the runtime ends ----

/// Drops its runtime in block_in_place, when a worker destroys this object because the runtime ends.
struct last_owner {
    explicit last_owner(std::shared_ptr<eddy::runtime> of, std::shared_ptr<support::gate> when_gone)
        : rt(std::move(of)), gone(std::move(when_gone)) {}
    last_owner(last_owner&&) = default;
    last_owner& operator=(last_owner&&) = delete;
    ~last_owner() {
        if (rt == nullptr) return;
        eddy::block_in_place([this] { rt.reset(); });
        gone->open();
    }

    std::shared_ptr<eddy::runtime> rt;
    std::shared_ptr<support::gate> gone;  // shared: the thread may still be in open() when the test has ended
};

TEST_P(RuntimeShutdownBlocking, DropInTaskDestructorDoesNotDeadlock) {
    const auto gone = std::make_shared<support::gate>();
    auto builder = eddy::runtime::builder();
    builder.worker_threads(workers()).shutdown_on_uncaught(true).on_uncaught([](auto&&, auto&&) {});
    auto rt = std::make_shared<eddy::runtime>(builder.build().value());
    const auto handle = rt->handle();
    support::gate waits;
    const auto own = [](last_owner, support::gate& begun) -> eddy::task<void> {
        begun.open();
        co_await eddy::time::sleep(1h);
    };
    handle.spawn(own(last_owner(std::move(rt), gone), waits)).detach();
    ASSERT_TRUE(waits.wait());
    const auto detached = std::make_shared<support::gate>();
    handle
        .spawn([detached] {
            EXPECT_TRUE(detached->wait());
            throw std::runtime_error("ends the runtime");
        })
        .detach();
    detached->open();
    EXPECT_TRUE(gone->wait());
}

TEST_P(RuntimeShutdownBlocking, TaskMayShutDownWhileWorkerIsOffered) {
    const support::watchdog limit("a shutdown that finds a worker that was offered", 30s);
    support::gate blocking_begun;
    support::gate blocking_goes_on;
    support::gate in_place;
    std::atomic<bool> go_on = false;
    std::atomic<int> destroyed = 0;
    auto rt = std::make_unique<eddy::runtime>(
        eddy::runtime::builder().worker_threads(workers() + 1).max_blocking_threads(1).build().value());
    const auto handle = rt->handle();
    auto blocking = [&] {
        const auto entered = handle.enter();
        return eddy::spawn_blocking([&] {
            blocking_begun.open();
            EXPECT_TRUE(blocking_goes_on.wait());
        });
    }();
    ASSERT_TRUE(blocking_begun.wait());
    for (int i = 0; i < 10; ++i) handle.spawn(hold(last_words([&] { ++destroyed; })));
    // No thread is free to take over this worker: its offer waits in the queue.
    handle.spawn([&] {
        eddy::block_in_place([&] {
            in_place.open();
            support::spin_until([&] { return go_on.load(); });
        });
    });
    ASSERT_TRUE(in_place.wait());
    support::gate begun;
    auto ended = std::make_shared<std::optional<eddy::runtime_ended>>();
    handle.spawn([&, ended]() -> eddy::task<void> {
        ended->emplace(std::move(*rt).shutdown_now());
        EXPECT_EQ(eddy::handle::try_current(), handle) << "this is still a task of the runtime";
        begun.open();
        co_await eddy::yield_now();
        ADD_FAILURE() << "the task continued after the runtime had ended";
    });
    ASSERT_TRUE(begun.wait());
    go_on = true;
    (*ended)->wait();
    EXPECT_EQ(destroyed, 10);
    blocking_goes_on.open();
    EXPECT_TRUE(eddy::wait(blocking).has_value());
}

TEST_P(RuntimeShutdownBlocking, ShutdownCallInChildDestroysNothing) {
    const support::watchdog limit("a shutdown by a child, that finds a worker that was offered", 30s);
    support::gate blocking_begun;
    support::gate blocking_goes_on;
    support::gate in_place;
    support::gate in_place_goes_on;
    std::mutex held;
    std::atomic<int> destroyed = 0;
    auto rt = std::make_unique<eddy::runtime>(
        eddy::runtime::builder().worker_threads(workers() + 1).max_blocking_threads(1).build().value());
    const auto handle = rt->handle();
    auto blocking = [&] {
        const auto entered = handle.enter();
        return eddy::spawn_blocking([&] {
            blocking_begun.open();
            EXPECT_TRUE(blocking_goes_on.wait());
        });
    }();
    ASSERT_TRUE(blocking_begun.wait());
    handle.spawn(hold(last_words([&] {
        const std::lock_guard guard(held);
        ++destroyed;
    })));
    // No thread is free to take over this worker: its offer waits in the queue.
    handle.spawn([&] {
        eddy::block_in_place([&] {
            in_place.open();
            EXPECT_TRUE(in_place_goes_on.wait());
        });
    });
    ASSERT_TRUE(in_place.wait());
    support::gate begun;
    auto ended = std::make_shared<std::optional<eddy::runtime_ended>>();
    handle.spawn([&, ended]() -> eddy::task<void> {
        co_await eddy::scope([&](auto& s) -> eddy::task<void> {
            s.spawn([&]() -> eddy::task<void> {
                co_await eddy::yield_now();
                {
                    const std::lock_guard guard(held);
                    ended->emplace(std::move(*rt).shutdown_now());
                    EXPECT_EQ(destroyed, 0);
                }
                begun.open();
                co_await eddy::yield_now();
                ADD_FAILURE() << "the task continued after the runtime had ended";
            });
            co_return;
        });
    });
    ASSERT_TRUE(begun.wait());
    in_place_goes_on.open();
    (*ended)->wait();
    EXPECT_EQ(destroyed, 1);
    blocking_goes_on.open();
    EXPECT_TRUE(eddy::wait(blocking).has_value());
}

TEST_P(RuntimeShutdownBlocking, LoopMayDropRuntimeOfOfferedWorker) {
    const support::watchdog limit("a drop that finds a worker that was offered", 30s);
    support::gate blocking_begun;
    support::gate blocking_goes_on;
    support::gate in_place;
    std::atomic<bool> go_on = false;
    std::thread releaser;
    std::optional<eddy::join_handle<void>> blocking;
    eddy::core loop;
    loop.run([&]() -> eddy::task<void> {
        {
            const auto rt = eddy::runtime::builder().worker_threads(workers()).max_blocking_threads(1).build().value();
            {
                const auto entered = rt.enter();
                blocking = eddy::spawn_blocking([&] {
                    blocking_begun.open();
                    EXPECT_TRUE(blocking_goes_on.wait());
                });
            }
            EXPECT_TRUE(blocking_begun.wait());
            rt.spawn([&] {
                eddy::block_in_place([&] {
                    in_place.open();
                    support::spin_until([&] { return go_on.load(); });
                });
            });
            EXPECT_TRUE(in_place.wait());
            releaser = std::thread([&, handle = rt.handle()] {
                wait_until_closing(handle);
                go_on = true;
            });
        }
        auto child = eddy::spawn(number(3));
        EXPECT_EQ((co_await child).value(), 3);
    }());
    releaser.join();
    blocking_goes_on.open();
    EXPECT_TRUE(eddy::wait(*blocking).has_value());
}

/// Makes the start of further threads fail: no address space is left for a stack.
void forbid_threads() {
    std::size_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    const rlim_t limit = pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) + (std::size_t{1} << 20);
    const rlimit none{limit, limit};
    if (::setrlimit(RLIMIT_AS, &none) != 0) std::abort();
}

/// Ends a runtime while a worker is offered for handover and no thread can take it over. Exits with 0 if the task is
/// destroyed.
void end_without_threads(bool ends_in_the_call) {
    const support::watchdog limit("a shutdown without a thread for a worker that was offered");
    support::gate blocking_begun;
    support::gate in_place;
    support::gate in_place_goes_on;
    support::tally destroyed;
    std::optional<eddy::runtime> rt(
        eddy::runtime::builder().worker_threads(1).max_blocking_threads(1).thread_stack_size(8 << 20).build().value());
    const auto handle = rt->handle();
    {
        const auto entered = rt->enter();
        eddy::spawn_blocking([&] {
            blocking_begun.open();
            for (;;) ::pause();
        });
    }
    if (!blocking_begun.wait()) std::abort();
    handle.spawn([&]() -> eddy::task<void> {
        const last_words words([&] { destroyed.add(); });
        co_await eddy::scope([&](auto& s) -> eddy::task<void> {
            s.spawn([&]() -> eddy::task<void> {
                co_await eddy::yield_now();
                eddy::block_in_place([&] {
                    in_place.open();
                    if (!in_place_goes_on.wait()) std::abort();
                    if (ends_in_the_call) rt.reset();
                    if (destroyed.count() != 0) std::abort();
                });
                co_await eddy::yield_now();
                std::abort();
            });
            co_return;
        });
    });
    if (!in_place.wait()) std::abort();
    forbid_threads();
    if (ends_in_the_call) {
        in_place_goes_on.open();
    } else {
        auto ended = std::move(*rt).shutdown_now();
        in_place_goes_on.open();
        ended.wait();
    }
    std::_Exit(destroyed.wait_for(1) ? 0 : 1);
}

TEST(RuntimeShutdownBlockingDeathTest, ShutdownWorksWithoutThreads) {
    if (support::is_sanitized) GTEST_SKIP() << "a sanitizer ends the program if a thread cannot be started";
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_EXIT(end_without_threads(false), testing::ExitedWithCode(0), "");
    EXPECT_EXIT(end_without_threads(true), testing::ExitedWithCode(0), "");
}

// ---- Uncaught exceptions ----

// covers: P012
TEST_P(RuntimeShutdownBlocking, ShutdownOnUncaughtEndsRuntime) {
    std::atomic<int> reported = 0;
    std::atomic<int> destroyed = 0;
    const auto rt = eddy::runtime::builder()
                        .worker_threads(workers())
                        .on_uncaught([&](std::exception_ptr, const std::source_location&) { ++reported; })
                        .shutdown_on_uncaught(true)
                        .build()
                        .value();
    rt.spawn(hold(last_words([&] { ++destroyed; })));
    support::gate detached;
    rt.spawn([&] {
          EXPECT_TRUE(detached.wait());
          throw std::runtime_error("lost");
      }).detach();
    detached.open();
    EXPECT_TRUE(support::comes_true([&] { return destroyed == 1; }));
    EXPECT_EQ(reported, 1);
    EXPECT_TRUE(eddy::wait(rt.spawn(nothing())).error().is_cancelled());
}

// covers: P012
TEST_P(RuntimeShutdownBlocking, UncaughtHandlerGetsBlockingException) {
    std::mutex lock;
    std::vector<std::string> heard;
    support::gate detached;
    const auto rt = eddy::runtime::builder()
                        .worker_threads(workers())
                        .on_uncaught([&](std::exception_ptr thrown, const std::source_location& where) {
                            const std::lock_guard guard(lock);
                            try {
                                std::rethrow_exception(std::move(thrown));
                            } catch (const std::exception& e) {
                                heard.push_back(std::string(e.what()) + " " + where.file_name());
                            }
                        })
                        .build()
                        .value();
    {
        const auto entered = rt.enter();
        eddy::spawn_blocking([&] {
            EXPECT_TRUE(detached.wait());
            throw std::runtime_error("from blocking work");
        }).detach();
        detached.open();
    }
    ASSERT_TRUE(support::comes_true([&] {
        const std::lock_guard guard(lock);
        return !heard.empty();
    }));
    EXPECT_NE(heard[0].find("from blocking work"), std::string::npos) << heard[0];
    EXPECT_NE(heard[0].find("runtime_shutdown_blocking_test.cpp"), std::string::npos) << heard[0];
}

}  // namespace
