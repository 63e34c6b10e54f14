// SPDX-License-Identifier: MIT
// The work-stealing runtime: threads, hooks, block_on(), and calls that are refused inside tasks. For worker counts,
// drivers and missing resources, see runtime_builder_test.cpp.
#include <eddy/future/select.hpp>
#include <eddy/runtime/runtime.hpp>

#include <gtest/gtest.h>

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <source_location>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/future/poll_fn.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/handle.hpp>
#include <eddy/runtime/run.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/spawn_blocking.hpp>
#include <eddy/task/task.hpp>

#include "support/gate.hpp"
#include "support/polling.hpp"
#include "support/runtime.hpp"

namespace {

using namespace std::chrono_literals;
using support::hold;
using support::nothing;
using support::number;
using support::text_of_misuse;

class Runtime : public support::on_workers {};
EDDY_ON_1_2_AND_4_WORKERS(Runtime);

// ---- block_on ----

eddy::task<eddy::result<int>> fails() { co_return std::unexpected(std::make_error_code(std::errc::io_error)); }
eddy::task<void> throws() {
    co_await eddy::yield_now();
    throw std::runtime_error("from the main future");
}

TEST_P(Runtime, BlockOnReturnsOutputOrErrorOrThrows) {
    const auto rt = make();
    EXPECT_EQ(rt.block_on(number(3)), 3);
    EXPECT_EQ(rt.block_on(fails()).error(), std::errc::io_error);
    EXPECT_THROW(rt.block_on(throws()), std::runtime_error);
    rt.block_on(nothing());
    EXPECT_EQ(*rt.block_on(eddy::ready(std::make_unique<int>(4))), 4);
    EXPECT_EQ(rt.metrics().alive_tasks, 0u);
}

TEST_P(Runtime, BlockOnPollsOnWorkersOnly) {
    const auto rt = make();
    support::thread_set where;
    rt.block_on([](support::thread_set& seen) -> eddy::task<void> {
        for (int i = 0; i < 20; ++i) {
            seen.add();
            co_await eddy::yield_now();
        }
    }(where));
    EXPECT_FALSE(where.has(std::this_thread::get_id()));
    EXPECT_LE(where.size(), workers());
}

TEST_P(Runtime, BlockOnMayReferToCallersStack) {
    const auto rt = make();
    int count = 0;
    const auto add = [&]() -> eddy::task<void> {
        co_await eddy::yield_now();
        ++count;
    };
    rt.block_on(add());
    auto named = add();
    rt.block_on(named);
    EXPECT_EQ(count, 2);
    int polls = 0;
    auto third = eddy::poll_fn([&](eddy::context& cx) -> eddy::poll_result<int> {
        cx.waker().wake_by_ref();
        if (++polls < 3) return eddy::not_ready;
        return polls;
    });
    EXPECT_EQ(rt.block_on(third), 3);
}

TEST_P(Runtime, BlockOnDoesNotWaitForSpawnedTasks) {
    const auto alive = std::make_shared<int>(1);
    const auto rt = make();
    rt.block_on([](std::shared_ptr<int> held) -> eddy::task<void> {
        eddy::spawn(hold(std::move(held))).detach();
        co_return;
    }(alive));
    EXPECT_EQ(rt.metrics().alive_tasks, 1u);
    EXPECT_EQ(alive.use_count(), 2);
}

TEST_P(Runtime, ManyThreadsBlockOnOneRuntime) {
    const auto rt = make();
    const support::threads all(8, [&](unsigned which) {
        for (int i = 0; i < 50; ++i) {
            const int value = static_cast<int>(which) * 1000 + i;
            EXPECT_EQ(rt.block_on(number(value)), value);
        }
    });
}

TEST_P(Runtime, BlockOnAcceptsJoinHandle) {
    const auto rt = make();
    EXPECT_EQ(rt.block_on(rt.spawn(number(5))).value(), 5);
    EXPECT_TRUE(rt.block_on([&]() -> eddy::task<bool> {
        auto child = eddy::spawn(hold(0));
        child.abort();
        const auto outcome = co_await child;
        co_return outcome.error().is_cancelled();
    }()));
}

TEST_P(Runtime, BlockOnWorksInSpawnBlockingAndBlockInPlace) {
    const auto rt = make();
    const auto handle = rt.handle();
    EXPECT_EQ(rt.block_on([&]() -> eddy::task<int> {
        auto job = eddy::spawn_blocking([&] { return handle.block_on(number(1)); });
        const int first = (co_await job).value();
        co_return first + eddy::block_in_place([&] { return handle.block_on(number(2)); });
    }()),
              3);
}

TEST_P(Runtime, BlockOnDestroysFutureBeforeReturning) {
    const auto rt = make();
    for (int i = 0; i < 100; ++i) {
        const auto alive = std::make_shared<int>(1);
        rt.block_on([](std::shared_ptr<int>) -> eddy::task<void> { co_await eddy::yield_now(); }(alive));
        ASSERT_EQ(alive.use_count(), 1);
    }
}

// ---- Calls that are refused inside a runtime ----

// covers: S15 P006
TEST_P(Runtime, BlockingCallsInsideTaskThrowMisuse) {
    const auto rt = make();
    const auto other = make();
    std::map<std::string, std::string> said;
    rt.block_on([&]() -> eddy::task<void> {
        said["block_on"] = text_of_misuse([&] { other.block_on(nothing()); });
        said["own block_on"] = text_of_misuse([&] { rt.block_on(nothing()); });
        said["handle"] = text_of_misuse([&] { rt.handle().block_on(nothing()); });
        said["run"] = text_of_misuse([&] { static_cast<void>(eddy::run(nothing())); });
        said["idle"] = text_of_misuse([&] { other.wait_until_idle(); });
        said["wait"] = text_of_misuse([&] { eddy::wait(eddy::ready()); });
        co_await eddy::yield_now();
    }());
    for (const auto& [what, text] : said) {
        EXPECT_NE(text.find("runtime_test.cpp:"), text.npos) << what << ": " << text;
        EXPECT_NE(text.find("await the future instead"), text.npos) << what << ": " << text;
    }
    EXPECT_NE(said["block_on"].find("block_on() was called inside a runtime"), std::string::npos) << said["block_on"];
    EXPECT_NE(said["run"].find("eddy::run() was called inside a runtime"), std::string::npos) << said["run"];
    EXPECT_EQ(rt.block_on(number(1)), 1);
}

// covers: S15
TEST_P(Runtime, BlockOnInsideTaskThrowsNestedRuntime) {
    const auto rt = make();
    EXPECT_TRUE(rt.block_on([&]() -> eddy::task<bool> {
        try {
            rt.block_on(nothing());
        } catch (const eddy::nested_runtime&) {
            co_return true;
        }
        co_return false;
    }()));
}

TEST_P(Runtime, BlockOnInsideEventLoopThrowsMisuse) {
    const auto rt = make();
    eddy::core loop;
    const auto said =
        loop.run([&]() -> eddy::task<std::string> { co_return text_of_misuse([&] { rt.block_on(nothing()); }); }());
    EXPECT_NE(said.find("block_on() was called inside a runtime"), said.npos) << said;
}

TEST_P(Runtime, EventLoopRunInsideTaskThrowsMisuse) {
    const auto rt = make();
    const auto said = rt.block_on([]() -> eddy::task<std::string> {
        eddy::core loop;
        co_return text_of_misuse([&] { loop.run(nothing()); });
    }());
    EXPECT_NE(said.find("runtime_test.cpp:"), said.npos) << said;
}

// ---- Threads ----

std::string name_of_this_thread() {
    std::array<char, 16> name{};
    ::pthread_getname_np(::pthread_self(), name.data(), name.size());
    return name.data();
}

// covers: P004
TEST_P(Runtime, WorkerThreadsAreNamedAndNumbered) {
    std::mutex lock;
    std::set<std::string> seen;
    {
        const auto rt = eddy::runtime::builder()
                            .worker_threads(workers())
                            .on_thread_start([&] {
                                const std::lock_guard guard(lock);
                                seen.insert(name_of_this_thread());
                            })
                            .build()
                            .value();
    }
    std::set<std::string> wanted;
    for (unsigned i = 0; i < workers(); ++i) wanted.insert("eddy-worker-" + std::to_string(i));
    EXPECT_EQ(seen, wanted);
    const auto mine = eddy::runtime::builder().worker_threads(1).thread_name("mine-").build().value();
    EXPECT_EQ(eddy::wait(mine.spawn(&name_of_this_thread)).value(), "mine-0");
    const auto longer =
        eddy::runtime::builder().worker_threads(1).thread_name("a-name-that-is-too-long-").build().value();
    EXPECT_EQ(eddy::wait(longer.spawn(&name_of_this_thread)).value(), "a-name-that-is-");
}

std::size_t stack_of_this_thread() {
    pthread_attr_t attributes;
    ::pthread_getattr_np(::pthread_self(), &attributes);
    std::size_t size = 0;
    ::pthread_attr_getstacksize(&attributes, &size);
    ::pthread_attr_destroy(&attributes);
    return size;
}

// covers: P004
TEST_P(Runtime, ThreadStackSizeAppliesToAllThreads) {
    constexpr std::size_t wanted = 32 * 1024 * 1024;  // more than any thread has by default
    const auto rt = eddy::runtime::builder().worker_threads(workers()).thread_stack_size(wanted).build().value();
    EXPECT_GE(eddy::wait(rt.spawn(&stack_of_this_thread)).value(), wanted);
    const auto entered = rt.enter();
    EXPECT_GE(eddy::wait(eddy::spawn_blocking(stack_of_this_thread)).value(), wanted);
    const auto tiny = eddy::runtime::builder().worker_threads(1).thread_stack_size(1).build().value();
    EXPECT_EQ(tiny.block_on(number(1)), 1) << "a size that is too small is increased";
}

// covers: P004
TEST_P(Runtime, BlockingThreadsRespectLimitAndKeepAlive) {
    const auto rt = eddy::runtime::builder()
                        .worker_threads(workers())
                        .max_blocking_threads(3)
                        .thread_keep_alive(1ms)
                        .build()
                        .value();
    const auto entered = rt.enter();
    std::atomic<int> inside = 0;
    std::atomic<int> most = 0;
    support::tally ended;
    std::vector<eddy::join_handle<void>> all;
    for (int i = 0; i < 30; ++i) {
        all.push_back(eddy::spawn_blocking([&] {
            const int now = ++inside;
            for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
            }
            std::this_thread::yield();
            --inside;
            ended.add();
        }));
    }
    EXPECT_TRUE(ended.wait_for(30));
    EXPECT_LE(most, 3);
    for (auto& each : all) EXPECT_TRUE(eddy::wait(each).has_value());
    EXPECT_TRUE(support::comes_true([&] { return rt.metrics().blocking_threads == 0; }));
}

// ---- Hooks ----

// covers: P004
TEST_P(Runtime, ThreadStartAndStopHooksRunOncePerThread) {
    std::mutex lock;
    std::map<std::thread::id, std::pair<int, int>> seen;
    {
        auto rt = eddy::runtime::builder()
                      .worker_threads(workers())
                      .on_thread_start([&] {
                          const std::lock_guard guard(lock);
                          ++seen[std::this_thread::get_id()].first;
                      })
                      .on_thread_stop([&] {
                          const std::lock_guard guard(lock);
                          ++seen[std::this_thread::get_id()].second;
                      })
                      .build()
                      .value();
        rt.block_on([]() -> eddy::task<void> {
            auto job = eddy::spawn_blocking([] {});
            EXPECT_TRUE((co_await job).has_value());
        }());
        // The destructor would not wait for the blocking thread, although that thread is idle.
        std::move(rt).shutdown_timeout(20s);
    }
    const std::lock_guard guard(lock);
    EXPECT_EQ(seen.size(), workers() + 1);
    for (const auto& [id, calls] : seen) {
        EXPECT_EQ(calls.first, 1);
        EXPECT_EQ(calls.second, 1);
    }
}

// covers: P004
TEST_P(Runtime, ThreadHooksStayBalancedAcrossBlockInPlace) {
    std::atomic<int> started = 0;
    std::atomic<int> stopped = 0;
    auto rt = eddy::runtime::builder()
                  .worker_threads(workers())
                  .on_thread_start([&] { ++started; })
                  .on_thread_stop([&] { ++stopped; })
                  .build()
                  .value();
    for (int i = 0; i < 20; ++i) {
        EXPECT_EQ(rt.block_on([]() -> eddy::task<int> {
            co_return eddy::block_in_place([] { return eddy::wait(eddy::spawn(number(1))).value(); });
        }()),
                  1);
    }
    std::move(rt).shutdown_timeout(20s);
    EXPECT_EQ(started, stopped);
    EXPECT_GE(started, static_cast<int>(workers()));
}

// covers: P004
TEST_P(Runtime, ParkAndUnparkHooksAlternate) {
    std::atomic<int> parks = 0;
    std::atomic<int> unparks = 0;
    std::atomic<int> wrong = 0;
    {
        const auto rt = eddy::runtime::builder()
                            .worker_threads(workers())
                            .on_thread_park([&] { ++parks; })
                            .on_thread_unpark([&] {
                                if (++unparks > parks) ++wrong;
                            })
                            .build()
                            .value();
        for (int i = 0; i < 20; ++i) {
            EXPECT_TRUE(support::comes_true([&] { return parks > unparks; }));
            rt.block_on(number(i));
        }
    }
    EXPECT_EQ(wrong, 0);
    EXPECT_GE(unparks, 1);
    EXPECT_EQ(parks, unparks) << "each park ends, at the latest when the runtime ends";
}

// covers: R027
TEST_P(Runtime, TaskSpawnedInParkHookIsNotLost) {
    // The workers run the hook until they are joined, so its data must outlive the runtime.
    std::atomic<bool> armed = false;
    support::tally ran;
    std::mutex lock;
    std::optional<eddy::handle> handle;
    const auto rt = eddy::runtime::builder()
                        .worker_threads(workers())
                        .on_thread_park([&] {
                            if (!armed.exchange(false)) return;
                            const std::lock_guard guard(lock);
                            handle->spawn([&] { ran.add(); }).detach();
                        })
                        .build()
                        .value();
    {
        const std::lock_guard guard(lock);
        handle = rt.handle();
    }
    for (std::uint64_t i = 1; i <= 50; ++i) {
        armed = true;
        rt.block_on(number(1));  // makes a worker run and park again
        EXPECT_TRUE(support::comes_true([&] {
            if (ran.count() >= i) return true;
            rt.spawn(nothing()).detach();
            return false;
        }));
    }
}

// covers: R029
TEST_P(Runtime, TaskSpawnedDuringParkHookWakesWorker) {
    std::atomic<bool> armed = false;
    std::atomic<bool> is_pushed = false;
    support::gate has_looked;
    support::gate ran;
    const auto rt = eddy::runtime::builder()
                        .worker_threads(workers())
                        .on_thread_park([&] {
                            // This worker has searched all queues, and still counts as awake.
                            if (!armed.exchange(false)) return;
                            has_looked.open();
                            support::spin_until([&] { return is_pushed.load(); });
                        })
                        .build()
                        .value();
    armed = true;
    rt.spawn(nothing()).detach();  // afterwards a worker parks, unless one is about to park anyway
    ASSERT_TRUE(has_looked.wait());
    rt.spawn([&] { ran.open(); }).detach();
    is_pushed = true;
    ASSERT_TRUE(ran.wait());
    rt.wait_until_idle();
}

// covers: P011
TEST_P(Runtime, TaskHooksRunInOrderWithTaskId) {
    std::mutex lock;
    std::map<eddy::task_id, std::string> story;
    const auto tells = [&](char what) {
        return [&, what](eddy::task_id id) {
            const std::lock_guard guard(lock);
            story[id] += what;
        };
    };
    std::vector<std::pair<eddy::task_id, std::string>> wanted;
    {
        const auto rt = eddy::runtime::builder()
                            .worker_threads(workers())
                            .on_task_spawn(tells('s'))
                            .on_before_task_poll(tells('b'))
                            .on_after_task_poll(tells('a'))
                            .on_task_terminate(tells('t'))
                            .build()
                            .value();
        auto once = rt.spawn([] {});
        auto twice = rt.spawn(number(1));
        auto throwing = rt.spawn([] { throw std::runtime_error("out"); });
        wanted.emplace_back(once.id(), "sbat");
        wanted.emplace_back(twice.id(), "sbabat");
        wanted.emplace_back(throwing.id(), "sbat");
        EXPECT_TRUE(eddy::wait(once).has_value());
        EXPECT_TRUE(eddy::wait(twice).has_value());
        EXPECT_FALSE(eddy::wait(throwing).has_value());
        auto waits = rt.spawn(hold(0));
        wanted.emplace_back(waits.id(), "sbat");
        EXPECT_TRUE(support::comes_true([&] {
            const std::lock_guard guard(lock);
            return story[waits.id()] == "sba";
        }));
        waits.abort();
        EXPECT_FALSE(eddy::wait(waits).has_value());
        auto dropped = rt.spawn(hold(0));
        wanted.emplace_back(dropped.id(), "sbat");
        EXPECT_TRUE(support::comes_true([&] {
            const std::lock_guard guard(lock);
            return story[dropped.id()] == "sba";
        }));
    }
    for (const auto& [id, text] : wanted) EXPECT_EQ(story[id], text);
}

// covers: P011
TEST_P(Runtime, TerminateHookRunsAfterTaskIsDestroyed) {
    std::atomic<bool> was_gone = false;
    const auto alive = std::make_shared<int>(1);
    const auto rt = eddy::runtime::builder()
                        .worker_threads(workers())
                        .on_task_terminate([&](eddy::task_id) { was_gone = alive.use_count() == 1; })
                        .build()
                        .value();
    EXPECT_TRUE(eddy::wait(rt.spawn([held = alive] { static_cast<void>(held); })).has_value());
    EXPECT_TRUE(was_gone);
}

// ---- Uncaught exceptions ----

// covers: P012
TEST_P(Runtime, UncaughtHandlerGetsExceptionAndSpawnLine) {
    std::mutex lock;
    std::vector<std::pair<std::string, unsigned>> heard;
    support::tally calls;
    const auto rt = eddy::runtime::builder()
                        .worker_threads(workers())
                        .on_uncaught([&](std::exception_ptr thrown, const std::source_location& where) {
                            const std::lock_guard guard(lock);
                            try {
                                std::rethrow_exception(std::move(thrown));
                            } catch (const std::exception& e) {
                                heard.emplace_back(e.what(), where.line());
                            }
                            calls.add();
                        })
                        .build()
                        .value();
    support::gate detached;
    const unsigned line = std::source_location::current().line() + 1;
    rt.spawn([&] {
          EXPECT_TRUE(detached.wait());
          throw std::runtime_error("lost");
      }).detach();
    detached.open();
    ASSERT_TRUE(calls.wait_for(1));
    {
        const std::lock_guard guard(lock);
        EXPECT_EQ(heard[0].first, "lost");
        EXPECT_EQ(heard[0].second, line);
    }
    // The handle is dropped after the end of the task, inside the runtime.
    rt.block_on([]() -> eddy::task<void> {
        auto child = eddy::spawn([] { throw std::runtime_error("late"); });
        while (!child.is_finished()) co_await eddy::yield_now();
    }());
    ASSERT_TRUE(calls.wait_for(2));
    // The exception of a joined task is not uncaught, and a cancellation is not an exception.
    EXPECT_FALSE(eddy::wait(rt.spawn([] { throw std::runtime_error("taken"); })).has_value());
    auto cancelled = rt.spawn(hold(0));
    cancelled.abort();
    cancelled.detach();
    rt.wait_until_idle();
    EXPECT_EQ(calls.count(), 2u);
}

// covers: P012
TEST_P(Runtime, UncaughtExceptionPrintsOneLineByDefault) {
    testing::internal::CaptureStderr();
    {
        const auto rt = make();
        support::gate detached;
        rt.spawn([&] {
              EXPECT_TRUE(detached.wait());
              throw std::runtime_error("lost");
          }).detach();
        detached.open();
        rt.wait_until_idle();
        rt.spawn([] { throw 7; }).detach();
        rt.wait_until_idle();
    }
    const auto said = testing::internal::GetCapturedStderr();
    EXPECT_NE(said.find("runtime_test.cpp:"), said.npos) << said;
    EXPECT_NE(said.find("lost"), said.npos) << said;
    EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 2) << said;
}

// ---- Several runtimes ----

TEST_P(Runtime, TaskAwaitsTasksOfAnotherRuntime) {
    const auto first = make();
    const auto second = make();
    const auto there = second.handle();
    EXPECT_EQ(first.block_on([&]() -> eddy::task<int> {
        int sum = 0;
        for (int i = 0; i < 100; ++i) {
            auto away = there.spawn(number(i));
            sum += (co_await away).value();
        }
        co_return sum;
    }()),
              4950);
}

#if defined(__linux__) || defined(__FreeBSD__) || defined(_WIN32)  // a process can choose its processors
TEST(Runtime, WorkerCountDefaultsToUsableProcessors) {
    cpu_set_t before;
    ASSERT_EQ(::sched_getaffinity(0, sizeof before, &before), 0);
    cpu_set_t first;
    CPU_ZERO(&first);
    for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&first) == 0; ++i) {
        if (CPU_ISSET(i, &before)) CPU_SET(i, &first);
    }
    ASSERT_EQ(::sched_setaffinity(0, sizeof first, &first), 0);
    EXPECT_EQ(eddy::runtime().metrics().workers(), 1u);
    ASSERT_EQ(::sched_setaffinity(0, sizeof before, &before), 0);
    EXPECT_EQ(eddy::runtime().metrics().workers(), static_cast<unsigned>(CPU_COUNT(&before)));
}

#endif

// covers: P013
TEST(Runtime, SeedDeterminesChoicesOfSelect) {
    const auto choices = [](std::uint64_t seed) {
        const auto choose = []() -> eddy::task<std::vector<std::size_t>> {
            std::vector<std::size_t> made;
            for (int i = 0; i < 64; ++i) {
                auto either = eddy::select(eddy::ready(1), eddy::ready(2));
                const auto won = co_await std::move(either);
                made.push_back(won.index());
            }
            co_return made;
        };
        return eddy::runtime::builder().worker_threads(1).rng_seed(seed).build().value().block_on(choose());
    };
    EXPECT_EQ(choices(7), choices(7));
    EXPECT_NE(choices(7), choices(8));
}

}  // namespace
