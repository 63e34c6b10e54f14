// SPDX-License-Identifier: MIT
// How a local set and its tasks end: by an abort, by a cancellation, with the set, and with the event loop or runtime.
#include <eddy/task/local_set.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/future/poll_fn.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/core_thread.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/task/scope.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>

#include "support/gate.hpp"
#include "support/runtime/destruction_counter.hpp"
#include "support/runtimes.hpp"
#include "support/scripted.hpp"
#include "support/stress.hpp"
#include "support/yields.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::local_set;
using eddy::spawn_local;
using eddy::task;
using eddy::sync::oneshot;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::destruction_counter;
using support::everywhere;
using support::wait_forever;
using support::yields;

// ---- Cancelling ----

// covers: P003
TEST(LocalSet, AbortAwaitsPollCancel) {
    support::script s;
    s.may_end = false;
    local_set set;
    auto handle = set.spawn_local(support::cancellable_scripted(s));
    by_hand hand(set.run_until(eddy::pending<void>()));
    assert_pending(hand.poll());
    EXPECT_EQ(s.polls, 1);
    handle.abort();
    EXPECT_TRUE(hand.is_woken());
    assert_pending(hand.poll());
    EXPECT_TRUE(s.cancel_polls == 1 && s.alive);
    s.may_end = true;
    std::exchange(s.waker, eddy::waker()).wake();
    assert_pending(hand.poll());
    EXPECT_FALSE(s.alive);
    EXPECT_TRUE(eddy::wait(handle).error().is_cancelled());
}

// covers: P003
TEST(LocalSet, PollCancelOfSetAwaitsPollCancelOfTasks) {
    support::script s;
    s.may_end = false;
    local_set set;
    set.spawn_local(support::cancellable_scripted(s)).detach();
    by_hand hand(std::move(set));
    assert_pending(hand.poll());
    assert_pending(hand.poll_cancel());
    EXPECT_TRUE(s.alive);
    s.may_end = true;
    std::exchange(s.waker, eddy::waker()).wake();
    EXPECT_TRUE(hand.is_woken());
    assert_ready(hand.poll_cancel());
    EXPECT_FALSE(s.alive);
}

TEST(LocalSet, TasksRunWhileRunUntilIsCancelled) {
    support::script s;
    s.may_end = false;
    local_set set;
    by_hand hand(set.run_until(support::cancellable_scripted(s)));
    assert_pending(hand.poll());
    auto handle = set.spawn_local(yields(3));
    assert_pending(hand.poll_cancel());
    for (int i = 0; i < 10 && hand.is_woken(); ++i) assert_pending(hand.poll_cancel());
    EXPECT_TRUE(handle.is_finished());
    EXPECT_TRUE(s.alive);
    s.may_end = true;
    assert_ready(hand.poll_cancel());
    EXPECT_FALSE(s.alive);
    assert_ready(hand.poll_cancel());
    EXPECT_THROW(static_cast<void>(hand.poll()), eddy::misuse);
}

// covers: P003
TEST(LocalSet, DropDestroysEachTaskOnce) {
    everywhere([]() -> task<> {
        int destroyed = 0;
        std::optional<eddy::join_handle<void>> waiting;
        std::optional<eddy::join_handle<void>> fresh;
        {
            local_set set;
            waiting.emplace(set.spawn_local(wait_forever(destruction_counter(destroyed))));
            set.spawn_local(yields(1000)).detach();
            co_await set.run_until(yields(3));
            fresh.emplace(set.spawn_local(wait_forever(destruction_counter(destroyed))));
        }
        EXPECT_EQ(destroyed, 2);
        auto first = co_await *waiting;
        EXPECT_TRUE(first.error().is_cancelled());
        auto second = co_await *fresh;
        EXPECT_TRUE(second.error().is_cancelled());
    });
}

// covers: P003
TEST(LocalSet, WakersAndHandlesMayOutliveSet) {
    eddy::waker kept;
    std::optional<eddy::abort_handle> aborts;
    {
        local_set set;
        auto handle = set.spawn_local(eddy::poll_fn([&kept](eddy::context& cx) -> eddy::poll_result<void> {
            kept = cx.waker();
            return eddy::not_ready;
        }));
        aborts.emplace(handle.abort_handle());
        by_hand hand(set.run_until(eddy::pending<void>()));
        assert_pending(hand.poll());
        EXPECT_FALSE(kept.is_noop());
    }
    EXPECT_TRUE(aborts->is_finished());
    aborts->abort();
    kept.wake_by_ref();
    const eddy::waker copy = kept;
    std::move(kept).wake();
}

// covers: P003
TEST(LocalSet, SpawnInTaskDestructorDuringDropIsRefused) {
    struct spawns {
        int* destroyed;
        explicit spawns(int& count) : destroyed(&count) {}
        spawns(spawns&& other) noexcept : destroyed(std::exchange(other.destroyed, nullptr)) {}
        spawns& operator=(spawns&&) = delete;
        ~spawns() {
            if (destroyed == nullptr) return;
            ++*destroyed;
            auto refused = spawn_local(wait_forever(destruction_counter(*destroyed)));
            EXPECT_TRUE(refused.is_finished());
        }
    };
    int destroyed = 0;
    {
        local_set set;
        set.spawn_local([](spawns) -> task<> { co_await eddy::pending<void>(); }(spawns(destroyed)));
        eddy::wait(set.run_until(yields(2)));
    }
    EXPECT_EQ(destroyed, 2);
}

// covers: P003
TEST(LocalSet, TaskDestructorMayWakeSibling) {
    for (const bool sender_first : {false, true}) {
        int destroyed = 0;
        {
            local_set set;
            auto ends = oneshot<int>::channel();
            auto holds_sender = [](oneshot<int>::sender, destruction_counter) -> task<> {
                co_await eddy::pending<void>();
            };
            auto receives = [](oneshot<int>::receiver from, destruction_counter) -> task<> {
                static_cast<void>(co_await from);
                ADD_FAILURE() << "was polled although the set is being destroyed";
            };
            if (sender_first)
                set.spawn_local(holds_sender(std::move(ends.sender), destruction_counter(destroyed))).detach();
            set.spawn_local(receives(std::move(ends.receiver), destruction_counter(destroyed))).detach();
            if (!sender_first)
                set.spawn_local(holds_sender(std::move(ends.sender), destruction_counter(destroyed))).detach();
            eddy::wait(set.run_until(yields(2)));
        }
        EXPECT_EQ(destroyed, 2);
    }
}

// covers: P003
TEST(LocalSet, SetMayBeDestroyedByTaskOfAnotherSet) {
    everywhere([]() -> task<> {
        int destroyed = 0;
        local_set outer;
        outer.spawn_local([](int& count) -> task<> {
            local_set inner;
            inner.spawn_local(wait_forever(destruction_counter(count))).detach();
            co_await inner.run_until(yields(1));
        }(destroyed));
        co_await outer;
        EXPECT_EQ(destroyed, 1);
    });
}

// covers: P003
TEST(LocalSet, EventLoopDestroysSetOfItsTask) {
    int destroyed = 0;
    {
        eddy::core core;
        static_cast<void>(core.handle().spawn([](int& count) -> task<> {
            local_set set;
            set.spawn_local(wait_forever(destruction_counter(count))).detach();
            co_await set;
        }(destroyed)));
        core.turn(0ns);
        core.turn(0ns);
    }
    EXPECT_EQ(destroyed, 1);
}

// covers: P003
TEST(LocalSet, RuntimeDestroysSetOfItsTask) {
    std::atomic<int> destroyed = 0;
    support::gate begun;
    struct counts {
        std::atomic<int>* destroyed;
        explicit counts(std::atomic<int>& n) : destroyed(&n) {}
        counts(counts&& other) noexcept : destroyed(std::exchange(other.destroyed, nullptr)) {}
        counts& operator=(counts&&) = delete;
        ~counts() {
            if (destroyed != nullptr) ++*destroyed;
        }
    };
    {
        const eddy::runtime rt = support::runtime_with(2);
        rt.spawn([](counts mine, support::gate& gate) -> task<> {
            local_set set;
            set.spawn_local([](counts, support::gate& inner) -> task<> {
                inner.open();
                co_await eddy::pending<void>();
            }(std::move(mine), gate));
            co_await set;
        }(counts(destroyed), begun));
        EXPECT_TRUE(begun.wait());
    }
    EXPECT_EQ(destroyed, 1);
}

// covers: P003
TEST(LocalSet, UncaughtExceptionReachesHandlerOfEventLoop) {
    std::vector<std::string> reported;
    auto core = eddy::core::builder()
                    .on_uncaught([&reported](std::exception_ptr thrown, const std::source_location&) {
                        try {
                            std::rethrow_exception(thrown);
                        } catch (const std::exception& e) {
                            reported.emplace_back(e.what());
                        }
                    })
                    .build();
    core->run([]() -> task<> {
        local_set set;
        set.spawn_local([]() -> task<> {
               co_await eddy::yield_now();
               throw std::runtime_error("thrown");
           })
            .detach();
        co_await set;
    }());
    EXPECT_EQ(reported, std::vector<std::string>{"thrown"});
}

// covers: P003
TEST(LocalSet, MoveKeepsTasks) {
    local_set set;
    int ran = 0;
    set.spawn_local([&ran] { ++ran; });
    local_set moved(std::move(set));
    int destroyed = 0;
    local_set third;
    third.spawn_local(wait_forever(destruction_counter(destroyed))).detach();
    third = std::move(moved);
    EXPECT_EQ(destroyed, 1);
    eddy::wait(third);
    EXPECT_EQ(ran, 1);
}

// covers: P003
TEST(LocalSetDeathTest, DestroyedInsideOwnTaskAborts) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(
        {
            auto set = std::make_unique<local_set>();
            local_set& driven = *set;
            driven.spawn_local([set = std::move(set)]() mutable { set.reset(); });
            eddy::wait(driven.run_until(yields(3)));
        },
        "destroyed by one of its own tasks.*The task was spawned .at .*local_set_end_test.cpp:");
}

// covers: P003
TEST(LocalSetDeathTest, EnterGuardsDestroyedOutOfOrderAbort) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(
        {
            local_set first;
            local_set second;
            auto* a = new auto(first.enter());
            auto* b = new auto(second.enter());
            delete a;
            delete b;
        },
        "guards of local_set::enter");
}

// covers: P003
TEST(LocalSetStress, DropRacesWithWakesAndAborts) {
    const auto rounds = support::rounds(2000);
    for (std::uint64_t round = 0; round < rounds; ++round) {
        std::vector<oneshot<int>::sender> senders;
        std::vector<eddy::abort_handle> aborts;
        std::thread other;
        {
            local_set set;
            for (int i = 0; i < 20; ++i) {
                auto ends = oneshot<int>::channel();
                senders.push_back(std::move(ends.sender));
                auto handle = set.spawn_local([](oneshot<int>::receiver rx) -> task<> {
                    auto got = co_await rx;
                    co_await yields(2);
                    static_cast<void>(got);
                }(std::move(ends.receiver)));
                aborts.push_back(handle.abort_handle());
            }
            other = std::thread([&senders, &aborts] {
                for (std::size_t i = 0; i < senders.size(); ++i) {
                    if (i % 3 == 0) aborts[i].abort();
                    static_cast<void>(senders[i].send(1));
                    if (i % 3 == 1) aborts[i].abort();
                }
            });
            eddy::wait(set.run_until(yields(static_cast<int>(round % 20))));
        }
        other.join();
        for (const auto& each : aborts) ASSERT_TRUE(each.is_finished());
    }
}

}  // namespace
