// SPDX-License-Identifier: MIT
// Tasks spawned on the thread of the event loop: spawn, call sites, the end of the loop, and uncaught exceptions.
// covers: S51
#include <eddy/runtime/core_handle.hpp>

#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <source_location>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/future/poll_fn.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/io/async_fd.hpp>
#include <eddy/net/tcp_listener.hpp>
#include <eddy/net/tcp_stream.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/task/boxed_future.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/sleep.hpp>

#include "support/last_words.hpp"
#include "support/small_stack.hpp"
#include "support/stress.hpp"
#include "support/system.hpp"
#include "support/yields.hpp"

namespace {

using support::yields;

using namespace std::chrono_literals;
using eddy::core_handle;
using eddy::sync::oneshot;

/// Records how often its value is destroyed, and on which thread.
class witness {
public:
    struct record {
        int destroyed = 0;
        std::thread::id thread;
    };

    explicit witness(record& to) noexcept : record_(&to) {}
    witness(witness&& other) noexcept : record_(std::exchange(other.record_, nullptr)) {}
    witness& operator=(witness&&) = delete;
    ~witness() {
        if (record_ == nullptr) return;
        ++record_->destroyed;
        record_->thread = std::this_thread::get_id();
    }

private:
    record* record_;
};

eddy::task<void> waits_for_ever(witness kept) {
    co_await eddy::poll_fn([&](eddy::context&) -> eddy::poll_result<void> {
        static_cast<void>(kept);
        return eddy::not_ready;
    });
}

// ---- spawn ----

// covers: S69
TEST(CoreHandle, SpawnedTaskDoesNotStartInsideSpawn) {
    eddy::core loop;
    bool has_run = false;
    const auto work = [&]() -> eddy::task<void> {
        has_run = true;
        co_return;
    };
    const auto main = [&]() -> eddy::task<void> {
        EXPECT_TRUE(core_handle::current().spawn(work()).has_value());
        EXPECT_FALSE(has_run);
        co_await eddy::yield_now();
        EXPECT_TRUE(has_run);
    };
    loop.run(main());
}

// covers: S69
TEST(CoreHandle, SpawnAcceptsFuturesAndCallables) {
    eddy::core loop;
    const auto handle = loop.handle();
    std::vector<int> seen;
    const auto notes = [&](int what) -> eddy::task<void> {
        seen.push_back(what);
        co_return;
    };
    handle.spawn(notes(1));
    handle.spawn([&] { seen.push_back(2); });
    handle.spawn([&](core_handle&) { seen.push_back(3); });
    handle.spawn([&] { return notes(4); });
    handle.spawn([&](core_handle& mine) -> eddy::task<void> {
        co_await eddy::yield_now();
        seen.push_back(static_cast<int>(mine.id() == handle.id()) * 5);
    });
    loop.run_until_idle();
    EXPECT_EQ(seen, (std::vector{1, 2, 3, 4, 5}));
}

// covers: R130
TEST(CoreHandle, SpawnedLambdaKeepsCapturesUntilTheTaskEnds) {
    eddy::core loop;
    auto shared = std::make_shared<std::string>("captured, and longer than a small string");
    const std::weak_ptr<std::string> watch = shared;
    std::string seen;
    const auto spawns = [&](std::shared_ptr<std::string> text) {
        loop.handle().spawn([text = std::move(text), &seen]() -> eddy::task<void> {
            co_await yields(3);
            seen = *text;
        });
    };
    spawns(std::move(shared));
    loop.run_until_idle();
    EXPECT_EQ(seen, "captured, and longer than a small string");
    EXPECT_TRUE(watch.expired());
}

// covers: S70
TEST(CoreHandle, TasksOfOneLoopShareDataWithoutAtomics) {
    auto loop = eddy::core::builder().start_paused(true).build().value();
    int counter = 0;
    const auto slow_client = [&]() -> eddy::task<void> {
        for (int i = 0; i < 10; ++i) {
            const int before = counter;
            co_await eddy::time::sleep(1ms);
            counter = std::max(counter, before) + 1;
        }
    };
    eddy::time::time_point began;
    eddy::time::time_point ended;
    const auto main = [&]() -> eddy::task<void> {
        began = eddy::time::clock::now();
        for (int i = 0; i < 100; ++i) core_handle::current().spawn(slow_client());
        co_await eddy::time::sleep(10ms);
        co_await yields(2);
        ended = eddy::time::clock::now();
    };
    loop.run(main());
    EXPECT_EQ(counter, 1000);        // no update is lost: no other task runs between two awaits
    EXPECT_EQ(ended - began, 10ms);  // as long as one client takes
    EXPECT_EQ(loop.metrics().alive_tasks(), 0u);
}

// covers: S71
TEST(CoreHandle, BoxedFuturesCanBeSpawnedLater) {
    eddy::core loop;
    int seen = 0;
    const auto adds = [&](int what) -> eddy::task<void> {
        seen += what;
        co_return;
    };
    std::vector<eddy::boxed_future<void>> kept;
    kept.emplace_back(adds(1));
    kept.emplace_back(eddy::poll_fn([&](eddy::context&) -> eddy::poll_result<void> {
        seen += 10;
        return eddy::poll_result<void>::ready();
    }));
    for (auto& future : kept) loop.handle().spawn(std::move(future));
    EXPECT_EQ(seen, 0);
    loop.run_until_idle();
    EXPECT_EQ(seen, 11);
}

eddy::task<void> spawns_the_next(std::uint64_t left, std::uint64_t& run) {
    ++run;
    if (left > 1) core_handle::current().spawn(spawns_the_next(left - 1, run));
    co_return;
}

// covers: R044
TEST(CoreHandle, ChainOfSpawnsNeedsNoNativeStack) {
    constexpr std::uint64_t depth = 1'000'000;
    std::uint64_t run = 0;
    support::run_on_small_stack([&] {
        eddy::core loop;
        loop.handle().spawn(spawns_the_next(depth, run));
        loop.run_until_idle();
    });
    EXPECT_EQ(run, depth);
}

TEST(CoreHandle, CurrentReturnsTheRunningLoop) {
    EXPECT_EQ(core_handle::try_current(), std::nullopt);
    EXPECT_THROW(static_cast<void>(core_handle::current()), eddy::misuse);
    eddy::core loop;
    const auto main = [&]() -> eddy::task<void> {
        EXPECT_EQ(core_handle::current().id(), loop.id());
        EXPECT_EQ(core_handle::try_current()->id(), loop.id());
        co_return;
    };
    loop.run(main());
    EXPECT_EQ(core_handle::try_current(), std::nullopt);
}

// ---- I/O objects and timers ----

// covers: S72
TEST(CoreHandle, SocketsAndTimersWorkInASpawnedTask) {
    eddy::core loop;
    bool done = false;
    loop.handle().spawn([&](core_handle& handle) -> eddy::task<void> {
        const auto any = eddy::net::socket_addr::parse("127.0.0.1:0").value();
        auto listener = eddy::net::tcp_listener::bind(any, handle).value();
        auto client = co_await eddy::net::tcp_stream::connect(listener.local_addr().value());
        EXPECT_TRUE(client.has_value());
        EXPECT_TRUE((co_await listener.accept()).has_value());
        co_await eddy::time::sleep(1ms);
        done = true;
    });
    loop.run_until_idle();
    EXPECT_TRUE(done);
}

// ---- Threads ----

// covers: S73 P107
TEST(CoreHandle, UseOnAnotherThreadThrowsWithTheCallSite) {
    eddy::core loop;
    const auto handle = loop.handle();
    std::thread([&] {
        unsigned line = 0;
        try {
            line = std::source_location::current().line() + 1;
            handle.spawn([] {});
            ADD_FAILURE() << "nothing was thrown";
        } catch (const eddy::wrong_thread& e) {
            const std::string text = e.what();
            EXPECT_NE(text.find("core_remote"), std::string::npos) << text;
            EXPECT_NE(text.find("core_handle_test.cpp:" + std::to_string(line)), std::string::npos) << text;
        }
    }).join();
    loop.run_until_idle();
    EXPECT_EQ(loop.metrics().alive_tasks(), 0u);
}

// covers: S68
TEST(CoreHandle, SpawnAfterTheLoopIsGoneReturnsShutdown) {
    std::optional<eddy::core> loop(std::in_place);
    const auto handle = loop->handle();
    const auto copy = handle;  // NOLINT(performance-unnecessary-copy-initialization): the copy is under test
    loop.reset();
    witness::record seen;
    const auto answer = copy.spawn([kept = witness(seen)] {});
    ASSERT_FALSE(answer.has_value());
    EXPECT_EQ(answer.error(), eddy::errc::runtime_shutdown);
    EXPECT_EQ(seen.destroyed, 1);
    EXPECT_EQ(handle.reactor().error(), eddy::errc::runtime_shutdown);
}

// ---- The end of the loop ----

// covers: S77
TEST(CoreHandle, PendingTasksAreDestroyedOnceOnTheLoopThread) {
    std::array<witness::record, 3> seen;
    std::thread::id loop_thread;
    std::thread([&] {
        loop_thread = std::this_thread::get_id();
        eddy::core loop;
        loop.handle().spawn(waits_for_ever(witness(seen[0])));
        loop.run(yields(2));
        loop.handle().spawn(waits_for_ever(witness(seen[1])));  // never polled
        loop.remote().spawn(waits_for_ever(witness(seen[2])));  // not yet received by the loop
    }).join();
    for (const auto& one : seen) {
        EXPECT_EQ(one.destroyed, 1);
        EXPECT_EQ(one.thread, loop_thread);
    }
}

// covers: S77
TEST(CoreHandle, QueuedTaskIsNotRunWhenTheLoopIsDestroyed) {
    bool has_run = false;
    bool is_woken = false;
    eddy::waker kept;
    {
        eddy::core loop;
        loop.handle().spawn(eddy::poll_fn([&](eddy::context& cx) -> eddy::poll_result<void> {
            has_run = is_woken;
            kept = cx.waker();
            return eddy::not_ready;
        }));
        loop.turn(0ms);
        is_woken = true;
        kept.wake_by_ref();
    }
    EXPECT_FALSE(has_run);
    std::move(kept).wake();
}

// covers: R034 R035
TEST(CoreHandle, TaskDestructorsMaySpawnAndWakeAtTheEndOfTheLoop) {
    std::vector<eddy::result<void>> answers;
    {
        eddy::core loop;
        auto wakers = std::make_shared<std::vector<eddy::waker>>();
        for (int i = 0; i < 10; ++i) {
            support::last_words guard([&answers, wakers, handle = loop.handle()] {
                answers.push_back(handle.spawn([] { ADD_FAILURE() << "ran on a destroyed loop"; }));
                answers.push_back(handle.remote().spawn([] { ADD_FAILURE() << "ran on a destroyed loop"; }));
                for (const auto& waker : *wakers) waker.wake_by_ref();
            });
            loop.handle().spawn(
                eddy::poll_fn([wakers, guard = std::move(guard)](eddy::context& cx) mutable -> eddy::poll_result<void> {
                    wakers->push_back(cx.waker());
                    return eddy::not_ready;
                }));
        }
        loop.turn(0ms);
    }
    ASSERT_EQ(answers.size(), 20u);
    for (const auto& answer : answers) EXPECT_EQ(answer.error(), eddy::errc::runtime_shutdown);
}

// covers: R134
TEST(CoreHandle, TasksWithSocketsAreDestroyedBeforeTheLoop) {
    const auto fds = support::count_fds();
    auto ends = std::optional(support::make_pipe());
    int destroyed = 0;
    {
        eddy::core loop;
        const auto holds = [&](core_handle handle) -> eddy::task<void> {
            const support::last_words last([&] { ++destroyed; });
            const auto any = eddy::net::socket_addr::parse("127.0.0.1:0").value();
            auto listener = eddy::net::tcp_listener::bind(any, handle).value();
            eddy::io::async_fd<eddy::io::source_fd> fd(eddy::io::source_fd(ends->reader.native_handle()),
                                                       eddy::io::interest::readable);
            const auto remote = handle.remote();
            const auto reactor = handle.reactor().value();
            auto nap = eddy::time::sleep(1h);
            co_await eddy::poll_fn([&](eddy::context& cx) -> eddy::poll_result<void> {
                static_cast<void>(nap.poll(cx));
                return eddy::poll_result<void>::ready();
            });
            static_cast<void>(co_await fd.readable());
        };
        loop.handle().spawn(holds(loop.handle()));
        loop.run(yields(3));
        EXPECT_EQ(loop.metrics().alive_tasks(), 1u);
    }
    EXPECT_EQ(destroyed, 1);
    ends.reset();
    EXPECT_EQ(support::count_fds(), fds);
}

// covers: S77
TEST(CoreHandleDeathTest, LoopDestroyedOnAnotherThreadAborts) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(
        {
            std::optional<eddy::core> loop = eddy::core();
            std::thread([&] { loop.reset(); }).join();
        },
        "destroyed on another thread.*The core was made .at .*core_handle_test.cpp:");
    EXPECT_DEATH(
        {
            auto loop = std::make_unique<eddy::core>();
            loop->run(eddy::yield_now());
            std::thread([&] { loop.reset(); }).join();
        },
        "destroyed on another thread.*The core was last run .at .*core_handle_test.cpp:");
}

TEST(CoreHandleDeathTest, LoopDestroyedByOwnTaskAborts) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(
        {
            std::optional<eddy::core> loop(std::in_place);
            loop->handle().spawn([&] { loop.reset(); });
            loop->run_until_idle();
        },
        "destroyed by work that it runs: own the core outside .*was run \\(at .*core_handle_test.cpp:[0-9]+");
}

// ---- Exceptions ----

TEST(CoreHandle, HandlerGetsUncaughtExceptionsAndLoopContinues) {
    std::vector<std::string> texts;
    std::vector<unsigned> lines;
    auto loop = eddy::core::builder()
                    .on_uncaught([&](const std::exception_ptr& thrown, const std::source_location& where) {
                        lines.push_back(where.line());
                        try {
                            std::rethrow_exception(thrown);
                        } catch (const std::exception& e) {
                            texts.emplace_back(e.what());
                        } catch (int) {
                            texts.emplace_back("int");
                        }
                    })
                    .build()
                    .value();
    const auto late = []() -> eddy::task<void> {
        co_await eddy::yield_now();
        throw std::runtime_error("late");
    };
    const unsigned first = std::source_location::current().line() + 1;
    loop.handle().spawn([] { throw std::runtime_error("early"); });
    loop.handle().spawn(late());
    loop.remote().spawn([] { throw 7; });
    bool has_run = false;
    loop.handle().spawn([&] { has_run = true; });
    loop.run_until_idle();
    loop.run(yields(3));
    EXPECT_EQ(texts.size(), 3u);
    EXPECT_EQ(texts, (std::vector<std::string>{"early", "int", "late"}));
    EXPECT_EQ(lines, (std::vector{first, first + 2, first + 1}));
    EXPECT_TRUE(has_run);
    EXPECT_EQ(loop.metrics().alive_tasks(), 0u);
}

TEST(CoreHandle, UncaughtHandlerMaySpawnInTheDestructor) {
    auto owned = std::make_shared<int>(1);
    const std::weak_ptr<int> left = owned;
    struct spawns_at_end {
        std::shared_ptr<int> owned;
        ~spawns_at_end() {
            eddy::spawn([kept = std::move(owned)] {}).detach();
        }
    };
    {
        auto held = std::make_shared<spawns_at_end>(std::move(owned));
        auto loop = eddy::core::builder()
                        .on_uncaught([h = std::move(held)](const std::exception_ptr&, const std::source_location&) {})
                        .build()
                        .value();
    }
    EXPECT_TRUE(left.expired());
}

// covers: R141
TEST(CoreHandle, UncaughtExceptionPrintsOneLine) {
    eddy::core loop;
    testing::internal::CaptureStderr();
    const unsigned line = std::source_location::current().line() + 1;
    loop.handle().spawn([] { throw std::runtime_error("what it says"); });
    loop.run_until_idle();
    const auto printed = testing::internal::GetCapturedStderr();
    EXPECT_NE(printed.find("core_handle_test.cpp:" + std::to_string(line) + " threw: what it says\n"),
              std::string::npos)
        << printed;
    EXPECT_EQ(std::count(printed.begin(), printed.end(), '\n'), 1) << printed;
}

}  // namespace
