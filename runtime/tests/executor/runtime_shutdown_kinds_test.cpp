// SPDX-License-Identifier: MIT
// The other ways to end a work-stealing runtime: with a time limit, in the background, and when it is idle.
// covers: P007
#include <eddy/runtime/runtime.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
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

#include <eddy/error.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/spawn_blocking.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/time/sleep.hpp>

#include "support/gate.hpp"
#include "support/polling.hpp"
#include "support/runtime.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::sync::oneshot;
using support::begin_and_hold;
using support::hold;
using support::last_words;
using support::nothing;
using support::number;
using support::text_of_misuse;

class RuntimeShutdownKinds : public support::on_workers {};
EDDY_ON_1_2_AND_4_WORKERS(RuntimeShutdownKinds);

/// Yields forever.
eddy::task<void> spin(last_words words) {
    for (;;) co_await eddy::yield_now();
    static_cast<void>(words);
}

// ---- shutdown_timeout ----

/// A future whose graceful shutdown (poll_cancel) completes only after allow().
class slow_to_cancel : public eddy::future_ops<slow_to_cancel> {
public:
    using output_type = void;
    struct script {
        std::atomic<bool> may_end = false;
        std::atomic<int> asked = 0;
        std::atomic<int> ended_in_order = 0;
        std::atomic<int> destroyed = 0;
        std::mutex lock;
        eddy::waker waker;

        void allow() {
            may_end = true;
            const std::lock_guard guard(lock);
            waker.wake_by_ref();
        }
    };

    explicit slow_to_cancel(script& by) : by_(&by) {}
    slow_to_cancel(slow_to_cancel&& other) noexcept : by_(std::exchange(other.by_, nullptr)) {}
    slow_to_cancel& operator=(slow_to_cancel&&) = delete;
    ~slow_to_cancel() {
        if (by_ != nullptr) ++by_->destroyed;
    }

    eddy::poll_result<void> poll(eddy::context&) { return eddy::not_ready; }
    eddy::poll_result<void> poll_cancel(eddy::context& cx) {
        {
            const std::lock_guard guard(by_->lock);
            by_->waker = cx.waker();
        }
        ++by_->asked;
        if (!by_->may_end) return eddy::not_ready;
        ++by_->ended_in_order;
        return eddy::poll_result<void>::ready();
    }

private:
    script* by_;
};

TEST_P(RuntimeShutdownKinds, ShutdownTimeoutAwaitsPollCancelOfTasks) {
    const support::watchdog limit("a graceful shutdown", 40s);
    slow_to_cancel::script script;
    auto rt = make();
    rt.spawn(slow_to_cancel(script));
    std::thread allows([&] {
        EXPECT_TRUE(support::comes_true([&] { return script.asked > 0; }));
        script.allow();
    });
    std::move(rt).shutdown_timeout(30s);
    allows.join();
    EXPECT_EQ(script.ended_in_order, 1);
    EXPECT_EQ(script.destroyed, 1);
}

TEST_P(RuntimeShutdownKinds, PollCancelMaySleepDuringShutdownTimeout) {
    const support::watchdog limit("a graceful shutdown that waits", 40s);
    std::atomic<bool> cleaned_up = false;
    support::gate begun;
    auto rt = make();
    // The graceful shutdown of this task needs a timer, so the drivers must still run.
    struct slow_end {
        using output_type = void;
        std::atomic<bool>& cleaned_up;
        support::gate& begun;
        std::optional<eddy::time::sleep_future> rest = std::nullopt;

        eddy::poll_result<void> poll(eddy::context&) {
            begun.open();
            return eddy::not_ready;
        }
        eddy::poll_result<void> poll_cancel(eddy::context& cx) {
            if (!rest) rest.emplace(eddy::time::sleep(10ms));
            if (!rest->poll(cx)) return eddy::not_ready;
            cleaned_up = true;
            return eddy::poll_result<void>::ready();
        }
    };
    rt.spawn(slow_end{cleaned_up, begun});
    ASSERT_TRUE(begun.wait());
    std::move(rt).shutdown_timeout(30s);
    EXPECT_TRUE(cleaned_up);
}

TEST_P(RuntimeShutdownKinds, TimeoutDestroysUnfinishedTasksAtLimit) {
    // On a busy machine, the workers may not run within a short limit. The test then tries a longer one.
    for (std::chrono::milliseconds limit = 100ms; limit < 10s; limit *= 4) {
        slow_to_cancel::script script;
        auto rt = make();
        rt.spawn(slow_to_cancel(script));
        const auto began = std::chrono::steady_clock::now();
        std::move(rt).shutdown_timeout(limit);
        EXPECT_GE(std::chrono::steady_clock::now() - began, limit);
        // shutdown_timeout() has no time left to wait for the workers: they end by themselves.
        EXPECT_TRUE(support::comes_true([&] { return script.destroyed == 1; }));
        EXPECT_EQ(script.ended_in_order, 0);
        if (script.asked != 0) return;
    }
    FAIL() << "no task was cancelled gracefully";
}

TEST_P(RuntimeShutdownKinds, TimeoutReturnsAtLimitDespiteBusyWorker) {
    support::gate begun;
    std::atomic<bool> go_on = false;
    support::gate ended;
    auto rt = make();
    rt.spawn([&] {
        begun.open();
        support::spin_until([&] { return go_on.load(); });
        ended.open();
    });
    ASSERT_TRUE(begun.wait());
    const auto began = std::chrono::steady_clock::now();
    std::move(rt).shutdown_timeout(50ms);
    EXPECT_GE(std::chrono::steady_clock::now() - began, 50ms);
    go_on = true;
    EXPECT_TRUE(ended.wait());
}

TEST_P(RuntimeShutdownKinds, TimeoutOfIdleRuntimeReturnsEarly) {
    const support::watchdog limit("shutdown_timeout of an idle runtime");
    auto rt = make();
    const auto handle = rt.handle();
    rt.block_on(nothing());
    std::move(rt).shutdown_timeout(1h);  // the watchdog above ends a test that waits
    EXPECT_TRUE(handle.spawn(nothing()).is_finished()) << "the runtime has ended";
}

TEST_P(RuntimeShutdownKinds, ShutdownTimeoutOfZeroWaitsForNothing) {
    support::gate begun;
    std::atomic<bool> go_on = false;
    auto rt = make();
    support::gate ended;
    rt.spawn([&] {
        begun.open();
        support::spin_until([&] { return go_on.load(); });
        ended.open();
    });
    ASSERT_TRUE(begun.wait());
    std::move(rt).shutdown_timeout(0s);
    go_on = true;
    EXPECT_TRUE(ended.wait());
}

TEST_P(RuntimeShutdownKinds, TimeoutRefusesNewTasksWhileWaiting) {
    const support::watchdog limit("shutdown_timeout against a spawner", 40s);
    slow_to_cancel::script script;
    auto rt = make();
    const auto handle = rt.handle();
    rt.spawn(slow_to_cancel(script));
    std::thread other([&, handle] {
        EXPECT_TRUE(support::comes_true([&] { return script.asked > 0; }));
        std::atomic<int> destroyed = 0;
        // `late` would never end by itself, and shutdown_timeout() has already requested the shutdown of all tasks.
        auto late = handle.spawn(hold(last_words([&] { ++destroyed; })));
        EXPECT_TRUE(late.is_finished());
        EXPECT_EQ(destroyed, 1);
        script.allow();
        EXPECT_TRUE(eddy::wait(std::move(late)).error().is_cancelled());
    });
    std::move(rt).shutdown_timeout(30s);
    other.join();
}

TEST_P(RuntimeShutdownKinds, ShutdownTimeoutEndsBlockOnWithException) {
    auto rt = make();
    const auto handle = rt.handle();
    support::gate begun;
    std::thread blocked([&, handle] {
        EXPECT_THROW(handle.block_on([](support::gate& g) -> eddy::task<void> {
            g.open();
            co_await eddy::pending<void>();
        }(begun)),
                     std::system_error);
    });
    ASSERT_TRUE(begun.wait());
    std::move(rt).shutdown_timeout(20s);
    blocked.join();
}

TEST_P(RuntimeShutdownKinds, TimeoutInsideRuntimeThrowsMisuse) {
    auto outer = make();
    auto inner = make();
    const auto said = outer.block_on([&]() -> eddy::task<std::string> {
        co_return text_of_misuse([&] { std::move(inner).shutdown_timeout(1s); });
    }());
    EXPECT_NE(said.find("shutdown_timeout"), said.npos) << said;
    EXPECT_NE(said.find("runtime_shutdown_kinds_test.cpp:"), said.npos) << said;
    EXPECT_EQ(inner.block_on(number(2)), 2) << "the refused call does not change the runtime";
}
// ---- shutdown_background ----

TEST_P(RuntimeShutdownKinds, ShutdownBackgroundInTaskDestroysTasks) {
    std::atomic<int> destroyed = 0;
    support::gate ended;
    auto rt = std::make_shared<std::optional<eddy::runtime>>(make());
    const auto handle = (*rt)->handle();
    for (int i = 0; i < 20; ++i) handle.spawn(hold(last_words([&] { ++destroyed; })));
    auto joined = handle.spawn([&, rt]() -> eddy::task<void> {
        const last_words words([&] {
            ++destroyed;
            ended.open();
        });
        std::move(**rt).shutdown_background();
        rt->reset();
        co_await eddy::yield_now();
        ADD_FAILURE() << "the task continued after the runtime had ended";
    });
    EXPECT_TRUE(ended.wait());
    EXPECT_TRUE(eddy::wait(std::move(joined)).error().is_cancelled());
    EXPECT_TRUE(support::comes_true([&] { return destroyed == 21; }));
}

TEST_P(RuntimeShutdownKinds, ShutdownBackgroundDoesNotWait) {
    support::gate begun;
    std::atomic<bool> go_on = false;
    support::tally ended;
    auto rt = make();
    rt.spawn([&] {
        begun.open();
        support::spin_until([&] { return go_on.load(); });
        ended.add();
    });
    ASSERT_TRUE(begun.wait());
    std::move(rt).shutdown_background();
    EXPECT_EQ(ended.count(), 0u);
    go_on = true;
    EXPECT_TRUE(ended.wait_for(1));
}
// ---- shutdown_on_idle, shutdown_now ----

// covers: S24
TEST_P(RuntimeShutdownKinds, ShutdownOnIdleWaitsForAllSpawnedTasks) {
    std::atomic<int> ended = 0;
    auto rt = make();
    for (int i = 0; i < 10; ++i) {
        rt.spawn([&]() -> eddy::task<void> {
            co_await eddy::time::sleep(5ms);
            eddy::spawn([&]() -> eddy::task<void> {
                co_await eddy::time::sleep(5ms);
                ++ended;
            });
            ++ended;
        });
    }
    std::move(rt).shutdown_on_idle().wait();
    EXPECT_EQ(ended, 20);
}

// covers: S24
TEST_P(RuntimeShutdownKinds, OnIdleEndsIdleRuntimeImmediately) {
    const support::watchdog limit("shutdown_on_idle of an idle runtime");
    make().shutdown_on_idle().wait();
    auto used = make();
    const auto handle = used.handle();
    used.block_on(number(1));
    std::move(used).shutdown_on_idle().wait();  // the watchdog above ends a test that waits
    EXPECT_TRUE(handle.spawn(nothing()).is_finished()) << "the runtime has ended";
}

TEST_P(RuntimeShutdownKinds, ShutdownOnIdleWaitsForBlockingWork) {
    std::atomic<bool> ended = false;
    support::gate begun;
    std::atomic<bool> go_on = false;
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
    auto all = std::move(rt).shutdown_on_idle();
    go_on = true;
    all.wait();
    EXPECT_TRUE(ended);
}

TEST_P(RuntimeShutdownKinds, ShutdownOnIdleIgnoresBackgroundTasks) {
    std::atomic<int> destroyed = 0;
    auto rt = make();
    {
        const auto entered = rt.enter();
        eddy::spawn_background(hold(last_words([&] { ++destroyed; })));
        eddy::spawn_background(spin(last_words([&] { ++destroyed; })));
    }
    rt.spawn(number(1));
    std::move(rt).shutdown_on_idle().wait();
    EXPECT_EQ(destroyed, 2);
}

TEST_P(RuntimeShutdownKinds, ShutdownOnIdleContinuesWithoutFuture) {
    std::atomic<int> destroyed = 0;
    auto [tx, rx] = oneshot<>::channel();
    auto rt = make();
    const auto handle = rt.handle();
    handle.spawn([&, ends = std::move(rx)]() mutable -> eddy::task<void> { static_cast<void>(co_await ends); });
    {
        const auto entered = handle.enter();
        eddy::spawn_background(hold(last_words([&] { ++destroyed; })));
    }
    {
        const auto dropped = std::move(rt).shutdown_on_idle();
    }
    EXPECT_EQ(destroyed, 0);
    EXPECT_EQ(handle.block_on(number(6)), 6) << "the runtime is not idle, and keeps running";
    EXPECT_TRUE(tx.send().has_value());
    EXPECT_TRUE(support::comes_true([&] { return destroyed == 1; }));
    EXPECT_TRUE(support::comes_true([&] { return handle.spawn(nothing()).is_finished(); }));
}

TEST_P(RuntimeShutdownKinds, OnIdleCanBeAwaitedInAnotherRuntime) {
    const auto outer = make();
    auto inner = make();
    std::atomic<bool> ended = false;
    inner.spawn([&]() -> eddy::task<void> {
        co_await eddy::time::sleep(5ms);
        ended = true;
    });
    outer.block_on([&]() -> eddy::task<void> {
        auto all = std::move(inner).shutdown_on_idle();
        co_await std::move(all);
        EXPECT_TRUE(ended);
    }());
}

TEST_P(RuntimeShutdownKinds, ShutdownOnIdleCanBeAwaitedOnEventLoop) {
    eddy::core loop;
    auto inner = make();
    auto task = inner.spawn(number(1));
    loop.run(std::move(inner).shutdown_on_idle());
    ASSERT_TRUE(task.is_finished());
    EXPECT_EQ(eddy::wait(task).value(), 1);
}

TEST_P(RuntimeShutdownKinds, RuntimeEndedWakesOnceAndIsReady) {
    auto rt = make();
    support::gate begun;
    std::atomic<bool> go_on = false;
    rt.spawn([&] {
        begun.open();
        support::spin_until([&] { return go_on.load(); });
    });
    ASSERT_TRUE(begun.wait());
    eddy::test::by_hand ended(std::move(rt).shutdown_now());
    EXPECT_FALSE(ended.poll().is_ready());
    EXPECT_FALSE(ended.poll().is_ready());
    go_on = true;
    EXPECT_TRUE(support::comes_true([&] { return ended.is_woken(); }));
    EXPECT_TRUE(ended.poll().is_ready());
    EXPECT_EQ(ended.wakes(), 1u);
}

// covers: S24
TEST_P(RuntimeShutdownKinds, ShutdownNowDestroysAllTasks) {
    std::atomic<int> destroyed = 0;
    support::tally begun;
    auto rt = make();
    for (int i = 0; i < 50; ++i) rt.spawn(begin_and_hold(begun, last_words([&] { ++destroyed; })));
    ASSERT_TRUE(begun.wait_for(50));
    std::move(rt).shutdown_now().wait();
    EXPECT_EQ(destroyed, 50);
}

TEST_P(RuntimeShutdownKinds, WaitInsideRuntimeThrowsMisuse) {
    const auto outer = make();
    auto inner = make();
    auto ended = std::move(inner).shutdown_now();
    const auto said =
        outer.block_on([&]() -> eddy::task<std::string> { co_return text_of_misuse([&] { ended.wait(); }); }());
    EXPECT_NE(said.find("wait() was called inside a runtime"), said.npos) << said;
}
// ---- block_on_all, wait_until_idle ----

// covers: S24
TEST_P(RuntimeShutdownKinds, BlockOnAllWaitsForSpawnedTasks) {
    std::atomic<int> ended = 0;
    const int value = make().block_on_all([&]() -> eddy::task<int> {
        for (int i = 0; i < 3; ++i) {
            eddy::spawn([&]() -> eddy::task<void> {
                co_await eddy::time::sleep(10ms);
                ++ended;
            });
        }
        co_return 8;
    }());
    EXPECT_EQ(value, 8);
    EXPECT_EQ(ended, 3);
}

// covers: S24
TEST_P(RuntimeShutdownKinds, BlockOnAllFailsOnlyAfterAllTasks) {
    std::atomic<int> ended = 0;
    const auto spawn_one = [&] {
        eddy::spawn([&]() -> eddy::task<void> {
            co_await eddy::yield_now();
            ++ended;
        });
    };
    const auto fails = [&]() -> eddy::task<eddy::result<void>> {
        spawn_one();
        co_return std::unexpected(std::make_error_code(std::errc::io_error));
    };
    EXPECT_EQ(make().block_on_all(fails()).error(), std::errc::io_error);
    EXPECT_EQ(ended, 1);
    const auto throws = [&]() -> eddy::task<void> {
        spawn_one();
        throw std::runtime_error("out");
        co_return;
    };
    EXPECT_THROW(make().block_on_all(throws()), std::runtime_error);
    EXPECT_EQ(ended, 2);
}

// covers: S15
TEST_P(RuntimeShutdownKinds, BlockOnAllInsideRuntimeThrowsMisuse) {
    const auto outer = make();
    auto inner = make();
    const auto said = outer.block_on([&]() -> eddy::task<std::string> {
        co_return text_of_misuse([&] { std::move(inner).block_on_all(nothing()); });
    }());
    EXPECT_NE(said.find("was called inside a runtime"), said.npos) << said;
    EXPECT_NE(said.find("runtime_shutdown_kinds_test.cpp:"), said.npos) << said;
}

TEST_P(RuntimeShutdownKinds, WaitUntilIdleKeepsRuntimeRunning) {
    const auto rt = make();
    std::atomic<int> ended = 0;
    for (int round = 1; round <= 3; ++round) {
        for (int i = 0; i < 20; ++i) {
            rt.spawn([&]() -> eddy::task<void> {
                co_await eddy::yield_now();
                ++ended;
            });
        }
        rt.wait_until_idle();
        EXPECT_EQ(ended, 20 * round);
    }
}

TEST_P(RuntimeShutdownKinds, WaitUntilIdleReturnsAtShutdown) {
    const support::watchdog limit("wait_until_idle of a runtime that goes");
    const auto rt = eddy::runtime::builder()
                        .worker_threads(workers())
                        .on_uncaught([](std::exception_ptr, const std::source_location&) {})
                        .shutdown_on_uncaught(true)
                        .build()
                        .value();
    rt.spawn(hold(0));
    support::gate waits;
    std::thread waiter([&] {
        waits.open();
        rt.wait_until_idle();
    });
    EXPECT_TRUE(waits.wait());
    support::gate detached;
    rt.spawn([&] {
          EXPECT_TRUE(detached.wait());
          throw std::runtime_error("the end");
      }).detach();
    detached.open();
    waiter.join();
}
// ---- Waits that would deadlock ----

TEST_P(RuntimeShutdownKinds, WaitForIdleInsideOwnWorkThrowsMisuse) {
    const support::watchdog limit("a runtime that waits for itself");
    auto rt = make();
    std::map<std::string, std::string> said;
    const auto ask = [&](const std::string& place) {
        said["wait_until_idle() " + place] = text_of_misuse([&] { rt.wait_until_idle(); });
        said["block_on_all() " + place] = text_of_misuse([&] { std::move(rt).block_on_all(nothing()); });
    };
    rt.block_on([&]() -> eddy::task<void> {
        ask("in a task");
        eddy::block_in_place([&] { ask("in block_in_place"); });
        auto work = eddy::spawn_blocking([&] { ask("in spawn_blocking"); });
        EXPECT_TRUE((co_await work).has_value());
    }());
    EXPECT_EQ(said.size(), 6u);
    for (const auto& [what, text] : said) {
        const std::string begin = what.substr(0, what.find(' ')) + " was called by work of the very runtime";
        EXPECT_EQ(text.find(begin), 0u) << what << ": " << text;
        EXPECT_NE(text.find("runtime_shutdown_kinds_test.cpp:"), text.npos) << what << ": " << text;
    }
    EXPECT_EQ(rt.block_on(number(1)), 1) << "the refused call does not change the runtime";
}

TEST_P(RuntimeShutdownKinds, WaitForOnIdleInOwnWorkThrowsMisuse) {
    const support::watchdog limit("a runtime that waits for itself");
    auto rt = make();
    std::optional<eddy::runtime_ended> ended;
    std::string said;
    support::gate refused;
    {
        const auto entered = rt.enter();
        eddy::spawn_blocking([&] {
            ended.emplace(std::move(rt).shutdown_on_idle());
            said = text_of_misuse([&] { ended->wait(); });
            refused.open();
        });
    }
    ASSERT_TRUE(refused.wait());
    EXPECT_EQ(said.find("wait() was called by work of the very runtime"), 0u) << said;
    ended->wait();
}

TEST_P(RuntimeShutdownKinds, BlockingWorkMayAwaitOwnShutdownNow) {
    const support::watchdog limit("a runtime that waits for itself");
    auto rt = make();
    support::gate over;
    {
        const auto entered = rt.enter();
        eddy::spawn_blocking([&] {
            std::move(rt).shutdown_now().wait();
            over.open();
        });
    }
    EXPECT_TRUE(over.wait());
}

TEST_P(RuntimeShutdownKinds, BackgroundTaskMayBlockUntilIdle) {
    const auto rt = make();
    support::gate idle;
    {
        const auto entered = rt.enter();
        eddy::spawn_background([&]() -> eddy::task<void> {
            eddy::block_in_place([&] { rt.wait_until_idle(); });
            idle.open();
            co_return;
        });
    }
    EXPECT_TRUE(idle.wait());
}

TEST_P(RuntimeShutdownKinds, ShutdownTimeoutDoesNotWaitForItsCaller) {
    const support::watchdog limit("a runtime that waits for itself");
    for (const bool is_in_place : {false, true}) {
        auto rt = make();
        std::atomic<int> destroyed = 0;
        support::gate over;
        rt.spawn(hold(last_words([&] { ++destroyed; })));
        const auto shut_down = [&] {
            std::move(rt).shutdown_timeout(1h);
            EXPECT_EQ(destroyed, 1);
            over.open();
        };
        if (is_in_place) {
            rt.spawn([&] { eddy::block_in_place(shut_down); });
        } else {
            const auto entered = rt.enter();
            eddy::spawn_blocking(shut_down);
        }
        ASSERT_TRUE(over.wait());
    }
}

}  // namespace
