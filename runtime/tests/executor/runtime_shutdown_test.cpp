// SPDX-License-Identifier: MIT
// How a work-stealing runtime ends when it is dropped, and the effect on its tasks, sockets and timers.
// covers: P007
#include <eddy/runtime/runtime.hpp>

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/error.hpp>
#include <eddy/future/poll_fn.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/io/interest.hpp>
#include <eddy/io/registration.hpp>
#include <eddy/net/tcp_listener.hpp>
#include <eddy/net/tcp_stream.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/handle.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/task/join_handle.hpp>
#include <eddy/task/scope.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/spawn_blocking.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/time/sleep.hpp>

#include "support/gate.hpp"
#include "support/net.hpp"
#include "support/polling.hpp"
#include "support/runtime.hpp"
#include "support/system.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::sync::oneshot;
using support::begin_and_hold;
using support::hold;
using support::last_words;
using support::nothing;
using support::number;
using support::text_of_misuse;
using support::wait_until_closing;

class RuntimeShutdown : public support::on_workers {};
EDDY_ON_1_2_AND_4_WORKERS(RuntimeShutdown);

/// Yields forever.
eddy::task<void> spin(support::gate& begun, last_words words) {
    begun.open();
    for (;;) co_await eddy::yield_now();
    static_cast<void>(words);
}

// ---- Drop ----

TEST_P(RuntimeShutdown, DropDestroysEachTaskOnceOnWorkers) {
    constexpr int count = 200;
    support::tally begun;
    std::atomic<int> destroyed = 0;
    std::atomic<int> outside = 0;
    support::thread_set where;
    {
        const auto rt = make();
        for (int i = 0; i < count; ++i) {
            rt.spawn(begin_and_hold(begun, last_words([&] {
                                        ++destroyed;
                                        where.add();
                                        if (eddy::handle::try_current() != rt.handle()) ++outside;
                                    })));
        }
        ASSERT_TRUE(begun.wait_for(count));
        EXPECT_EQ(destroyed, 0);
    }
    EXPECT_EQ(destroyed, count);
    EXPECT_EQ(outside, 0);
    EXPECT_FALSE(where.has(std::this_thread::get_id()));
    EXPECT_LE(where.size(), workers());
}

TEST_P(RuntimeShutdown, DropDestroysTasksThatNeverRan) {
    std::atomic<int> destroyed = 0;
    std::atomic<bool> blocked = false;
    std::atomic<bool> go_on = false;
    std::thread releaser;
    {
        const auto rt = make();
        // Every worker is busy, so that the tasks that are spawned next cannot begin.
        for (unsigned i = 0; i < workers(); ++i) {
            rt.spawn([&] {
                blocked = true;
                support::spin_until([&] { return go_on.load(); });
            });
        }
        ASSERT_TRUE(support::comes_true([&] { return blocked.load(); }));
        for (int i = 0; i < 1000; ++i) rt.spawn(hold(last_words([&] { ++destroyed; })));
        releaser = std::thread([&] { go_on = true; });
    }
    releaser.join();
    EXPECT_EQ(destroyed, 1000);
}

TEST_P(RuntimeShutdown, DropDestroysTasksThatYieldForever) {
    std::atomic<int> destroyed = 0;
    {
        const auto rt = make();
        for (int i = 0; i < 10; ++i) {
            support::gate begun;
            rt.spawn(spin(begun, last_words([&] { ++destroyed; })));
            ASSERT_TRUE(begun.wait());
        }
    }
    EXPECT_EQ(destroyed, 10);
}

TEST_P(RuntimeShutdown, JoinHandlesOfDestroyedTasksReportCancelled) {
    std::optional<eddy::join_handle<void>> kept;
    std::optional<eddy::join_handle<int>> done;
    {
        const auto rt = make();
        kept = rt.spawn(hold(0));
        done = rt.spawn(number(7));
        ASSERT_TRUE(support::comes_true([&] { return done->is_finished(); }));
    }
    EXPECT_TRUE(kept->is_finished());
    const auto id = kept->id();
    const auto outcome = eddy::wait(*kept);
    ASSERT_FALSE(outcome);
    EXPECT_TRUE(outcome.error().is_cancelled());
    EXPECT_EQ(outcome.error().id(), id);
    EXPECT_EQ(outcome.error().to_error_code(), eddy::errc::task_cancelled);
    EXPECT_EQ(eddy::wait(*done).value(), 7) << "a finished task keeps its output";
}

TEST_P(RuntimeShutdown, DropWakesJoinerOnForeignThread) {
    std::optional<eddy::runtime> rt(make());
    auto joined = rt->spawn(hold(0));
    support::gate waits;
    std::thread joiner([&] {
        bool is_first = true;
        const bool is_cancelled = eddy::wait(eddy::poll_fn([&](eddy::context& cx) -> eddy::poll_result<bool> {
            auto answer = joined.poll(cx);
            if (std::exchange(is_first, false)) waits.open();
            if (!answer) return eddy::not_ready;
            return !answer->has_value() && answer->error().is_cancelled();
        }));
        EXPECT_TRUE(is_cancelled);
    });
    EXPECT_TRUE(waits.wait());
    rt.reset();
    joiner.join();
}

TEST_P(RuntimeShutdown, DropWakesJoinerInAnotherRuntime) {
    const auto stays = make();
    std::optional<eddy::runtime> goes(make());
    auto joined = goes->spawn(hold(0));
    support::gate waits;
    auto joiner = stays.spawn([&]() -> eddy::task<bool> {
        waits.open();
        const auto outcome = co_await joined;
        co_return !outcome.has_value() && outcome.error().is_cancelled();
    });
    ASSERT_TRUE(waits.wait());
    goes.reset();
    EXPECT_TRUE(stays.block_on(std::move(joiner)).value());
}

TEST_P(RuntimeShutdown, DropWaitsForRunningPoll) {
    support::gate begun;
    std::atomic<bool> go_on = false;
    std::atomic<bool> ended = false;
    std::thread releaser;
    {
        const auto rt = make();
        rt.spawn([&] {
            begun.open();
            support::spin_until([&] { return go_on.load(); });
            ended = true;
        });
        ASSERT_TRUE(begun.wait());
        releaser = std::thread([&] { go_on = true; });
    }
    EXPECT_TRUE(ended);
    releaser.join();
}

TEST_P(RuntimeShutdown, RunningTaskIsDestroyedAtItsNextAwait) {
    support::gate begun;
    std::atomic<bool> go_on = false;
    std::atomic<int> destroyed = 0;
    std::atomic<bool> went_on = false;
    std::thread releaser;
    {
        const auto rt = make();
        rt.spawn([&, words = last_words([&] { ++destroyed; })]() -> eddy::task<void> {
            begun.open();
            support::spin_until([&] { return go_on.load(); });
            co_await eddy::yield_now();
            went_on = true;
        });
        ASSERT_TRUE(begun.wait());
        releaser = std::thread([&, handle = rt.handle()] {
            wait_until_closing(handle);
            go_on = true;
        });
    }
    releaser.join();
    EXPECT_EQ(destroyed, 1);
    EXPECT_FALSE(went_on) << "the task must be cancelled at the await";
}

TEST_P(RuntimeShutdown, MovedFromRuntimeShutsDownNothing) {
    auto first = make();
    const auto second = std::move(first);
    {
        const auto gone = std::move(first);  // NOLINT(bugprone-use-after-move): the moved-from runtime is tested
    }
    EXPECT_EQ(second.block_on(number(3)), 3);
}

// ---- Task destructors that use the runtime ----

// covers: R035
TEST_P(RuntimeShutdown, SpawnInTaskDestructorDuringDropIsCancelled) {
    const support::watchdog limit("a destructor that spawns");
    std::atomic<int> destroyed = 0;
    std::atomic<int> ran = 0;
    std::atomic<int> cancelled = 0;
    support::tally begun;
    {
        const auto rt = make();
        for (int i = 0; i < 50; ++i) {
            rt.spawn(begin_and_hold(begun, last_words([&] {
                                        ++destroyed;
                                        auto child =
                                            eddy::spawn([&, words = last_words([&] { ++destroyed; })] { ++ran; });
                                        if (child.is_finished()) ++cancelled;
                                    })));
        }
        ASSERT_TRUE(begun.wait_for(50));
    }
    EXPECT_EQ(destroyed, 100);
    EXPECT_EQ(ran, 0);
    EXPECT_EQ(cancelled, 50);
}

// covers: R035
TEST_P(RuntimeShutdown, TaskDestructorMayWakeAllTasksDuringShutdown) {
    const support::watchdog limit("a destructor that wakes");
    std::mutex lock;
    std::vector<eddy::waker> wakers;
    support::tally begun;
    std::atomic<int> destroyed = 0;
    const auto leave_waker = [&](last_words words) -> eddy::task<void> {
        auto once = eddy::poll_fn([&](eddy::context& cx) -> eddy::poll_result<void> {
            const std::lock_guard guard(lock);
            wakers.push_back(cx.waker());
            begun.add();
            return eddy::not_ready;
        });
        co_await std::move(once);
        static_cast<void>(words);
    };
    {
        const auto rt = make();
        for (int i = 0; i < 50; ++i) {
            rt.spawn(leave_waker(last_words([&] {
                ++destroyed;
                const std::lock_guard guard(lock);
                for (const auto& each : wakers) each.wake_by_ref();
            })));
        }
        ASSERT_TRUE(begun.wait_for(50));
    }
    EXPECT_EQ(destroyed, 50);
    for (const auto& each : wakers) each.wake_by_ref();  // the tasks and the runtime no longer exist
    wakers.clear();
}

// covers: R035
TEST_P(RuntimeShutdown, TaskDestructorMayLockMutexOfSpawningThread) {
    const support::watchdog limit("a destructor that locks");
    std::mutex lock;
    support::tally begun;
    std::atomic<int> destroyed = 0;
    {
        auto rt = make();
        for (int i = 0; i < 20; ++i) {
            rt.spawn(begin_and_hold(begun, last_words([&] {
                                        const std::lock_guard guard(lock);
                                        ++destroyed;
                                    })));
        }
        ASSERT_TRUE(begun.wait_for(20));
        std::atomic<bool> is_over = false;
        const auto handle = rt.handle();
        std::thread spawner([&, handle] {
            while (!is_over) {
                const std::lock_guard guard(lock);
                handle.spawn(nothing());
            }
        });
        auto ended = std::move(rt).shutdown_now();
        ended.wait();
        is_over = true;
        spawner.join();
    }
    EXPECT_EQ(destroyed, 20);
}

// covers: R035
TEST_P(RuntimeShutdown, TaskDestructorMayWakeNextTaskOfChain) {
    const support::watchdog limit("destructors in a chain");
    support::tally begun;
    std::atomic<int> destroyed = 0;
    const auto link = [&](oneshot<>::sender mine, oneshot<>::receiver next, last_words words) -> eddy::task<void> {
        begun.add();
        static_cast<void>(co_await next);
        static_cast<void>(mine.send());
        static_cast<void>(words);
    };
    {
        auto rt = make();
        auto [first, rest] = oneshot<>::channel();
        for (int i = 0; i < 100; ++i) {
            auto [tx, rx] = oneshot<>::channel();
            rt.spawn(link(std::move(tx), std::move(rest), last_words([&] { ++destroyed; })));
            rest = std::move(rx);
        }
        ASSERT_TRUE(begun.wait_for(100));
        auto end =
            rt.spawn([&, last = std::move(rest)]() mutable -> eddy::task<void> { static_cast<void>(co_await last); });
        // `first` stays alive: the chain ends because the runtime ends, and each destructor wakes the next task.
        auto ended = std::move(rt).shutdown_now();
        ended.wait();
        EXPECT_TRUE(end.is_finished());
        EXPECT_TRUE(first.is_closed());
    }
    EXPECT_EQ(destroyed, 100);
}

// covers: R035
TEST_P(RuntimeShutdown, TaskDestructorMayAbortOtherTasks) {
    const support::watchdog limit("destructors that abort");
    support::tally begun;
    std::atomic<int> destroyed = 0;
    {
        const auto rt = make();
        for (int i = 0; i < 100; ++i) {
            auto child = rt.spawn(begin_and_hold(begun, last_words([&] { ++destroyed; })));
            rt.spawn([&, child = std::move(child)]() mutable -> eddy::task<void> {
                const last_words words([&] {
                    child.abort();
                    child.detach();
                    ++destroyed;
                });
                begun.add();
                co_await eddy::pending<void>();
            });
        }
        ASSERT_TRUE(begun.wait_for(200));
    }
    EXPECT_EQ(destroyed, 200);
}

// covers: R035
TEST_P(RuntimeShutdown, TaskMayOwnLastRuntimeHandle) {
    support::gate begun;
    std::atomic<int> destroyed = 0;
    {
        const auto rt = make();
        rt.spawn([&, self = rt.handle(), words = last_words([&] { ++destroyed; })]() -> eddy::task<void> {
            begun.open();
            co_await eddy::pending<void>();
            static_cast<void>(self);
        });
        ASSERT_TRUE(begun.wait());
    }
    EXPECT_EQ(destroyed, 1);
}
// ---- After the end of the runtime ----

// covers: R034
TEST_P(RuntimeShutdown, SpawnAfterDropIsCancelled) {
    std::optional<eddy::runtime> rt(make());
    const auto handle = rt->handle();
    rt.reset();
    std::atomic<int> destroyed = 0;
    std::atomic<int> ran = 0;
    auto joined = handle.spawn([&, words = last_words([&] { ++destroyed; })] { ++ran; });
    EXPECT_EQ(destroyed, 1);
    EXPECT_EQ(ran, 0);
    EXPECT_TRUE(joined.is_finished());
    EXPECT_TRUE(eddy::wait(std::move(joined)).error().is_cancelled());
    try {
        handle.block_on(nothing());
        ADD_FAILURE() << "nothing was thrown";
    } catch (const std::system_error& e) {
        EXPECT_EQ(e.code(), eddy::errc::task_cancelled);
    }
}

TEST_P(RuntimeShutdown, ShutdownEndsBlockOnWithException) {
    auto rt = make();
    const auto handle = rt.handle();
    support::gate begun;
    std::thread blocked([&, handle] {
        try {
            handle.block_on([](support::gate& g) -> eddy::task<void> {
                g.open();
                co_await eddy::pending<void>();
            }(begun));
            ADD_FAILURE() << "nothing was thrown";
        } catch (const std::system_error& e) {
            EXPECT_EQ(e.code(), eddy::errc::task_cancelled);
        }
    });
    ASSERT_TRUE(begun.wait());
    std::move(rt).shutdown_now().wait();
    blocked.join();
}

// covers: S21
TEST_P(RuntimeShutdown, DropEndsThousandPendingReads) {
    constexpr int count = 1000;
    std::optional<eddy::runtime> rt(make());
    std::list<support::counter> sources;
    std::list<eddy::io::registration> registered;
    std::list<eddy::test::by_hand<eddy::io::readiness_future>> waiting;
    {
        const auto entered = rt->enter();
        for (int i = 0; i < count; ++i) {
            sources.emplace_back();
            registered.push_back(eddy::io::registration::attach(sources.back(), eddy::io::interest::readable).value());
            waiting.emplace_back(registered.back().readiness(eddy::io::interest::readable));
            ASSERT_FALSE(waiting.back().poll().is_ready());
        }
    }
    EXPECT_EQ(rt->metrics().io().fds_registered, 1000u);
    const auto began = std::chrono::steady_clock::now();
    rt.reset();
#if defined(_WIN32)
    const auto longest = 10s;  // with wine, on a busy machine
#else
    const auto longest = support::is_sanitized ? 5s : 1s;
#endif
    EXPECT_LT(std::chrono::steady_clock::now() - began, longest);
    for (auto& each : waiting) {
        ASSERT_TRUE(each.is_woken());
        EXPECT_EQ(eddy::test::assert_ready(each.poll()).error(), eddy::errc::runtime_shutdown);
    }
    for (auto& each : registered) {
        eddy::test::by_hand<eddy::io::readiness_future> again(each.readiness(eddy::io::interest::readable));
        EXPECT_EQ(eddy::test::assert_ready(again.poll()).error(), eddy::errc::runtime_shutdown);
    }
}

// covers: R019
TEST_P(RuntimeShutdown, SocketsMayOutliveRuntime) {
    std::optional<eddy::runtime> rt(make());
    std::optional<eddy::net::tcp_listener> listener;
    std::optional<eddy::net::tcp_stream> stream;
    support::connection pair;
    stream.emplace(std::move(pair.stream));
    rt->block_on([&]() -> eddy::task<void> {
        listener = (co_await eddy::net::tcp_listener::bind("127.0.0.1:0")).value();
        std::array<std::byte, 1> byte{};
        pair.peer.send("x");
        EXPECT_EQ((co_await stream->read(byte)).value(), 1u);
    }());
    // Both futures register with the runtime, and outlive it.
    std::array<std::byte, 16> into{};
    eddy::test::by_hand read(stream->read(into));
    eddy::test::by_hand accept(listener->accept());
    {
        const auto entered = rt->enter();
        EXPECT_FALSE(read.poll().is_ready());
        EXPECT_FALSE(accept.poll().is_ready());
    }
    rt.reset();
    EXPECT_TRUE(read.is_woken());
    EXPECT_EQ(eddy::test::assert_ready(read.poll()).error(), eddy::errc::runtime_shutdown);
    EXPECT_TRUE(accept.is_woken());
    EXPECT_EQ(eddy::test::assert_ready(accept.poll()).error(), eddy::errc::runtime_shutdown);
    pair.peer.send("y");
    EXPECT_EQ(eddy::wait(stream->read(into)).error(), eddy::errc::runtime_shutdown);
}

TEST_P(RuntimeShutdown, TimersMayOutliveRuntime) {
    std::optional<eddy::runtime> rt(make());
    std::optional<eddy::test::by_hand<eddy::time::sleep_future>> refused;
    std::optional<eddy::test::by_hand<eddy::time::sleep_future>> goes_on;
    {
        const auto entered = rt->enter();
        refused.emplace(eddy::time::sleep(1h));
        goes_on.emplace(eddy::time::sleep(1ms));
        EXPECT_FALSE(refused->poll().is_ready());
        EXPECT_FALSE(goes_on->poll().is_ready());
    }
    rt.reset();
    EXPECT_TRUE(refused->is_woken());
    EXPECT_NE(text_of_misuse([&] { static_cast<void>(refused->poll()); }), "(nothing was thrown)");
    EXPECT_TRUE(goes_on->is_woken());
    const auto other = make();
    other.block_on([&]() -> eddy::task<void> { co_await goes_on->future(); }());
}

TEST_P(RuntimeShutdown, WakersAndHandlesMayOutliveRuntime) {
    std::optional<eddy::runtime> rt(make());
    auto handle = std::make_unique<eddy::handle>(rt->handle());  // GCC 12 warns if this is in a std::optional
    eddy::waker kept;
    support::gate begun;
    std::optional<eddy::join_handle<void>> joined(
        rt->spawn(eddy::poll_fn([&](eddy::context& cx) -> eddy::poll_result<void> {
            kept = cx.waker();
            begun.open();
            return eddy::not_ready;
        })));
    std::optional<eddy::abort_handle> aborts(joined->abort_handle());
    ASSERT_TRUE(begun.wait());
    rt.reset();
    handle.reset();
    kept.wake_by_ref();
    aborts->abort();
    EXPECT_TRUE(aborts->is_finished());
    EXPECT_TRUE(joined->is_finished());
    joined.reset();
    kept.wake_by_ref();
    std::move(kept).wake();
    aborts.reset();
}
// ---- Drops in tasks, in blocking work and in event loops ----

// covers: P006
TEST(RuntimeShutdownDeathTest, DropInsideOwnTaskAborts) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(
        {
            auto rt = std::make_shared<std::optional<eddy::runtime>>(support::make_runtime(2));
            const auto handle = (*rt)->handle();
            static_cast<void>(eddy::wait(handle.spawn([rt] { rt->reset(); })));
        },
        "a runtime was destroyed by one of its own tasks.*The task was spawned .at .*runtime_shutdown_test.cpp:");
}

// covers: P006
TEST_P(RuntimeShutdown, RuntimeMayBeMadeAndDroppedInSpawnBlocking) {
    const auto outer = make();
    const int value = outer.block_on([&]() -> eddy::task<int> {
        auto work = eddy::spawn_blocking([&] { return make().block_on(number(9)); });
        co_return (co_await work).value();
    }());
    EXPECT_EQ(value, 9);
}

TEST_P(RuntimeShutdown, DropOnOwnBlockingThreadWorks) {
    const support::watchdog limit("a drop on a blocking thread of the same runtime");
    auto rt = std::make_shared<std::optional<eddy::runtime>>(make());
    std::atomic<int> destroyed = 0;
    const auto handle = (*rt)->handle();
    handle.spawn(hold(last_words([&] { ++destroyed; })));
    eddy::join_handle<void> dropped = [&] {
        const auto entered = handle.enter();
        return eddy::spawn_blocking([rt] { rt->reset(); });
    }();
    EXPECT_TRUE(eddy::wait(std::move(dropped)).has_value());
    EXPECT_EQ(destroyed, 1);
}

TEST_P(RuntimeShutdown, DropInBlockInPlaceOfOwnTaskWorks) {
    const support::watchdog limit("a drop in block_in_place");
    auto rt = std::make_shared<std::optional<eddy::runtime>>(make());
    std::atomic<int> destroyed = 0;
    const auto handle = (*rt)->handle();
    handle.spawn(hold(last_words([&] { ++destroyed; })));
    auto joined = handle.spawn([rt] { eddy::block_in_place([&] { rt->reset(); }); });
    EXPECT_TRUE(eddy::wait(std::move(joined)).has_value());
    EXPECT_EQ(destroyed, 1);
}

TEST_P(RuntimeShutdown, DropInBlockInPlaceOfScopeChildWorks) {
    const support::watchdog limit("a drop in block_in_place of a scope's child");
    auto rt = std::make_shared<std::optional<eddy::runtime>>(make());
    support::gate handed;
    support::tally destroyed;
    support::tally dropped;
    const auto handle = (*rt)->handle();
    const auto drop = [&, rt]() -> eddy::task<void> {
        co_await eddy::yield_now();
        auto other = eddy::spawn([&] { handed.open(); });
        eddy::block_in_place([&] {
            EXPECT_TRUE(handed.wait());
            rt->reset();
            EXPECT_EQ(destroyed.count(), 0u);
            dropped.add();
        });
        co_await eddy::yield_now();
        ADD_FAILURE() << "the task continued after the runtime had ended";
    };
    handle.spawn([&]() -> eddy::task<void> {
        const last_words outer([&] { destroyed.add(); });
        co_await eddy::scope([&](auto& s) -> eddy::task<void> {
            s.spawn([&]() -> eddy::task<void> {
                const last_words inner([&] { destroyed.add(); });
                co_await eddy::scope([&](auto& s2) -> eddy::task<void> {
                    s2.spawn(drop());
                    co_return;
                });
            });
            co_return;
        });
    });
    EXPECT_TRUE(dropped.wait_for(1));
    EXPECT_TRUE(destroyed.wait_for(2));
}

TEST_P(RuntimeShutdown, DropInsideEventLoopLeavesLoopWorking) {
    eddy::core loop;
    loop.run([&]() -> eddy::task<void> {
        {
            const auto inner = make();
            inner.spawn(hold(0));
        }
        // The loop is still current on this thread.
        auto child = eddy::spawn(number(3));
        EXPECT_EQ((co_await child).value(), 3);
        co_await eddy::time::sleep(1ms);
    }());
}

TEST_P(RuntimeShutdown, MoveAssignmentShutsDownPreviousRuntime) {
    std::atomic<bool> is_gone = false;
    support::tally begun;
    auto rt = make();
    const auto former = rt.handle();
    rt.spawn(begin_and_hold(begun, last_words([&] { is_gone = true; }))).detach();
    ASSERT_TRUE(begun.wait_for(1));
    auto other = make();
    const auto current = other.handle();
    rt = std::move(other);
    EXPECT_TRUE(is_gone);
    EXPECT_TRUE(former.spawn(nothing()).is_finished());
    EXPECT_EQ(rt.handle(), current);
    EXPECT_EQ(rt.block_on(number(1)), 1);
    auto& same = rt;
    rt = std::move(same);
    EXPECT_EQ(rt.block_on(number(2)), 2);
}

}  // namespace
