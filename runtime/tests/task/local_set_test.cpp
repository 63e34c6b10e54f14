// SPDX-License-Identifier: MIT
#include <eddy/task/local_set.hpp>

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/future/join.hpp>
#include <eddy/future/poll_fn.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/core_thread.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/task/scope.hpp>
#include <eddy/task/spawn_blocking.hpp>
#include <eddy/task/task.hpp>
#include <eddy/task/task_local.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/time/sleep.hpp>
#include <eddy/time/timeout.hpp>

#include "support/gate.hpp"
#include "support/polling.hpp"
#include "support/runtime/destruction_counter.hpp"
#include "support/runtimes.hpp"
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

static_assert(eddy::cancellable_future<local_set> && std::is_nothrow_move_constructible_v<local_set>);

// ---- Driving ----

// covers: P003
TEST(LocalSet, RunsOneTaskAtATime) {
    everywhere([]() -> task<> {
        local_set set;
        int shared = 0;  // not atomic: ThreadSanitizer reports concurrent access
        int inside = 0;
        co_await set.run_until([](int& count, int& running) -> task<> {
            std::vector<eddy::join_handle<void>> handles;
            for (int i = 0; i < 20; ++i) {
                handles.push_back(spawn_local([&count, &running]() -> task<> {
                    for (int turn = 0; turn < 50; ++turn) {
                        EXPECT_EQ(++running, 1);
                        ++count;
                        --running;
                        co_await eddy::yield_now();
                    }
                }));
            }
            for (auto& handle : handles) {
                auto output = co_await handle;
                EXPECT_TRUE(output.has_value());
            }
        }(shared, inside));
        EXPECT_EQ(shared, 1000);
    });
}

// covers: P003
TEST(LocalSet, DeliversOutputsAndExceptionsToJoiners) {
    everywhere([]() -> task<> {
        local_set set;
        auto value = set.spawn_local([]() -> task<std::string> { co_return "done"; });
        auto text = std::make_unique<int>(4);
        auto callable = set.spawn_local([text = std::move(text)] { return *text; });
        auto failed = set.spawn_local([]() -> task<> {
            co_await eddy::yield_now();
            throw std::runtime_error("thrown");
        });
        co_await set;
        auto first = co_await value;
        EXPECT_EQ(first.value(), "done");
        auto second = co_await callable;
        EXPECT_EQ(second.value(), 4);
        auto third = co_await failed;
        EXPECT_THROW(third.error().rethrow(), std::runtime_error);
    });
}

// covers: P003
TEST(LocalSet, AwaitWaitsForAllTasks) {
    everywhere([]() -> task<> {
        local_set set;
        int ended = 0;
        for (int i = 0; i < 5; ++i) {
            set.spawn_local([&ended, i]() -> task<> {  // eddy-check: ignore: the set is awaited
                co_await eddy::time::sleep(std::chrono::milliseconds(i));
                // The set also waits for tasks that its tasks spawn.
                spawn_local([&ended]() -> task<> {
                    co_await eddy::yield_now();
                    ++ended;
                });
            });
        }
        co_await set;
        EXPECT_EQ(ended, 5);
        co_await set;  // no tasks are left
        co_await std::move(set);
    });
}

// covers: P003
TEST(LocalSet, TasksStayOnThreadOfEventLoop) {
    eddy::core core;
    local_set set;
    const auto here = std::this_thread::get_id();
    int seen = 0;
    core.run(set.run_until([](std::thread::id owner, int& count) -> task<> {
        auto handle = spawn_local([owner, &count]() -> task<> {
            for (int i = 0; i < 3; ++i) {
                count += std::this_thread::get_id() == owner ? 1 : 0;
                auto away = eddy::spawn_blocking([] { return std::this_thread::get_id(); });
                auto other = co_await away;
                EXPECT_NE(other.value(), owner);
            }
        });
        static_cast<void>(co_await handle);
    }(here, seen)));
    EXPECT_EQ(seen, 3);
}

// covers: P003
TEST(LocalSet, RunsUnderWaitWithoutARuntime) {
    local_set set;
    int sum = 0;
    set.spawn_local([&sum]() -> task<> {
        co_await yields(10);
        sum += 1;
    });
    eddy::wait(set.run_until(yields(3)));
    set.spawn_local([&sum] { sum += 2; });
    eddy::wait(set);
    EXPECT_EQ(sum, 3);
}

// covers: P003
TEST(LocalSet, TasksRunOnlyWhileSetIsDriven) {
    eddy::core core;
    local_set set;
    int turns = 0;
    set.spawn_local([&turns]() -> task<> {
        for (int i = 0; i < 100; ++i) {
            ++turns;
            co_await eddy::yield_now();
        }
    });
    EXPECT_EQ(turns, 0);
    core.run(set.run_until(eddy::ready()));
    EXPECT_EQ(turns, 0);  // run_until() completed before it polled the tasks
    core.run(set.run_until(eddy::yield_now()));
    EXPECT_GT(turns, 0);
    EXPECT_LT(turns, 100);
    core.run(set);
    EXPECT_EQ(turns, 100);
}

// covers: P003
TEST(LocalSet, SpawnInsideSetUsesRuntime) {
    everywhere([]() -> task<> {
        local_set set;
        co_await set.run_until([]() -> task<> {
            auto handle = spawn_local([]() -> task<int> {
                auto spawned = eddy::spawn([] { return 3; });
                auto output = co_await spawned;
                co_return output.value();
            });
            auto output = co_await handle;
            EXPECT_EQ(output.value(), 3);
        }());
    });
}

// covers: P003
TEST(LocalSet, PollYieldsAfterLimitedNumberOfTaskPolls) {
    local_set set;
    int polls = 0;
    for (int i = 0; i < 10; ++i) {
        set.spawn_local([&polls]() -> task<> {
            for (;;) {
                ++polls;
                co_await eddy::yield_now();
            }
        });
    }
    by_hand hand(set.run_until(eddy::pending<void>()));
    assert_pending(hand.poll());
    EXPECT_GE(polls, 10);
    EXPECT_LE(polls, 100);
    EXPECT_TRUE(hand.is_woken());
    const int before = polls;
    assert_pending(hand.poll());
    EXPECT_GT(polls, before);
    hand.drop();
    EXPECT_EQ(hand.wakers(), 0u);
}

// covers: P003
TEST(LocalSet, BusySetDoesNotStarveEventLoop) {
    eddy::core core;
    core.run([]() -> task<> {
        local_set set;
        set.spawn_local([]() -> task<> {
            for (;;) co_await eddy::yield_now();
        });
        auto outcome = co_await eddy::time::timeout(10ms, set.run_until(eddy::pending<void>()));
        EXPECT_FALSE(outcome.has_value());
    }());
}

// covers: P003
TEST(LocalSet, TasksHaveTheirOwnCoopBudget) {
    local_set set;
    bool ended = false;
    set.spawn_local([&ended]() -> task<> {
        for (int i = 0; i < 100; ++i) {
            auto ends = oneshot<int>::channel();
            static_cast<void>(ends.sender.send(1));
            auto output = co_await ends.receiver;
            EXPECT_TRUE(output.has_value());
        }
        ended = true;
    });
    by_hand hand(set.run_until(eddy::pending<void>()));
    assert_pending(hand.poll(1));
    EXPECT_TRUE(ended);
}

// ---- spawn_local ----

// covers: P003
TEST(LocalSet, SpawnLocalWithoutSetUsesEventLoop) {
    eddy::core core;
    core.run([]() -> task<> {
        auto handle = spawn_local([owner = std::this_thread::get_id()] { return std::this_thread::get_id() == owner; });
        auto output = co_await handle;
        EXPECT_TRUE(output.value());
    }());
}

// covers: P003
TEST(LocalSet, SpawnLocalWithoutSetOrLoopThrowsMisuse) {
    const auto text = support::text_of_misuse([] { spawn_local(yields(1)); });
    EXPECT_NE(text.find("local_set::run_until()"), std::string::npos) << text;
    EXPECT_NE(text.find("local_set_test.cpp"), std::string::npos) << text;
    support::on_pools([]() -> task<> {
        EXPECT_THROW(spawn_local(yields(1)), eddy::misuse);
        local_set set;
        co_await set.run_until(yields(2));
        EXPECT_THROW(spawn_local(yields(1)), eddy::misuse);
    });
}

// covers: P003 R042
TEST(LocalSet, SpawnLocalInsideEnterWakesSet) {
    local_set set;
    by_hand hand(set.run_until(eddy::pending<void>()));
    assert_pending(hand.poll());
    EXPECT_FALSE(hand.is_woken());
    int ran = 0;
    {
        const auto entered = set.enter();
        spawn_local([&ran] { ++ran; });
    }
    EXPECT_TRUE(hand.is_woken());
    assert_pending(hand.poll());
    EXPECT_EQ(ran, 1);
    EXPECT_THROW(spawn_local([] {}), eddy::misuse);
}

// covers: P003 R042
TEST(LocalSet, SpawnLocalFromOtherTaskWakesWaitingSet) {
    eddy::core core;
    core.run([]() -> task<> {
        local_set set;
        bool ran = false;
        auto ends = oneshot<int>::channel();
        // Another task of the same event loop spawns into the set while the set waits.
        auto other = eddy::spawn([](local_set& into, bool& flag, oneshot<int>::sender tx) -> task<> {
            co_await eddy::time::sleep(1ms);
            into.spawn_local([&flag, tx = std::move(tx)]() mutable {
                flag = true;
                static_cast<void>(tx.send(1));
            });
        }(set, ran, std::move(ends.sender)));
        auto told = co_await set.run_until(std::move(ends.receiver));
        EXPECT_TRUE(told.has_value() && ran);
        static_cast<void>(co_await other);
    }());
}

// covers: P003 R042
TEST(LocalSet, SpawnInOneRunUntilWakesOtherRunUntil) {
    local_set set;
    int ran = 0;
    by_hand all(set.run_until(eddy::pending<void>()));
    assert_pending(all.poll());
    // This run_until() completes in its first poll, so it does not poll the tasks of the set.
    by_hand brief(set.run_until(eddy::poll_fn([&ran](eddy::context&) {
        spawn_local([&ran] { ++ran; });
        return eddy::poll_result<void>::ready();
    })));
    assert_ready(brief.poll());
    EXPECT_TRUE(all.is_woken());
    assert_pending(all.poll());
    EXPECT_EQ(ran, 1);
}

// covers: P003 R042
TEST(LocalSet, DroppedRunUntilLeavesSetToOtherCaller) {
    local_set set;
    auto ends = oneshot<int>::channel();
    auto told = set.spawn_local(std::move(ends.receiver));
    by_hand first(set.run_until(eddy::pending<void>()));
    by_hand second(set.run_until(eddy::pending<void>()));
    assert_pending(first.poll());
    assert_pending(second.poll());
    second.drop();
    EXPECT_EQ(second.wakers(), 0u);
    static_cast<void>(ends.sender.send(5));
    EXPECT_TRUE(first.is_woken());
    assert_pending(first.poll());
    EXPECT_TRUE(told.is_finished());
}

// Each poll may have another waker, for example when the future has moved into another task.
TEST(LocalSet, WakerOfTheLastPollIsWoken) {
    local_set set;
    auto ends = oneshot<int>::channel();
    auto told = set.spawn_local(std::move(ends.receiver));
    auto all = set.run_until(eddy::pending<void>());
    eddy::test::wake_counter before;
    eddy::test::wake_counter last;
    assert_pending(support::poll_with(all, before.waker()));
    assert_pending(support::poll_with(all, last.waker()));
    EXPECT_EQ(before.wakers(), 0u);
    std::thread([&] { static_cast<void>(ends.sender.send(5)); }).join();
    EXPECT_EQ(before.wakes(), 0u);
    EXPECT_GE(last.wakes(), 1u);
    assert_pending(support::poll_with(all, last.waker()));
    EXPECT_TRUE(told.is_finished());
}

// covers: P003 R042
TEST(LocalSet, EndDrivenByRunUntilWakesTaskAwaitingSet) {
    local_set set;
    auto ends = oneshot<int>::channel();
    set.spawn_local(std::move(ends.receiver)).detach();
    by_hand whole(set.run_until(eddy::pending<void>()));
    eddy::test::wake_counter counter;
    const eddy::waker waker = counter.waker();
    assert_pending(support::poll_with(set, waker));
    assert_pending(whole.poll());
    static_cast<void>(ends.sender.send(5));
    assert_pending(whole.poll());
    EXPECT_GE(counter.wakes(), 1u);
    assert_ready(support::poll_with(set, waker));
}

// covers: P003
TEST(LocalSet, TwoTasksCanAwaitOneSet) {
    const auto drive = [](local_set& set, int& ended) -> task<> {
        co_await set;
        ++ended;
    };
    const auto both = [drive]() -> task<> {
        local_set set;
        auto ends = oneshot<int>::channel();
        set.spawn_local(std::move(ends.receiver)).detach();
        int ended = 0;
        auto first = eddy::spawn(drive(set, ended));
        auto second = eddy::spawn(drive(set, ended));
        for (int i = 0; i < 3; ++i) co_await eddy::yield_now();  // both drive the set
        static_cast<void>(ends.sender.send(5));
        static_cast<void>(co_await first);
        static_cast<void>(co_await second);
        EXPECT_EQ(ended, 2);
    };
    eddy::core core;
    core.run(both());
    // One worker, so that the set is driven on one thread.
    support::runtime_with(1).block_on(both());
}

// covers: P003
TEST(LocalSet, DroppedWaiterDoesNotBlockOtherWaiters) {
    local_set set;
    auto ends = oneshot<int>::channel();
    set.spawn_local(std::move(ends.receiver)).detach();
    auto goes_on = oneshot<int>::channel();
    set.spawn_local(std::move(goes_on.receiver)).detach();
    std::array<eddy::test::wake_counter, 4> counters;
    for (auto& each : counters) {
        const eddy::waker waker = each.waker();
        assert_pending(support::poll_with(set, waker));
    }
    static_cast<void>(ends.sender.send(5));
    for (auto& each : counters) EXPECT_EQ(each.wakes(), 1u);
    // The first waiter never polls the set again. The other waiters wait again.
    for (std::size_t i = 1; i < counters.size(); ++i) {
        const eddy::waker waker = counters[i].waker();
        assert_pending(support::poll_with(set, waker));
    }
    static_cast<void>(goes_on.sender.send(5));
    for (std::size_t i = 1; i < counters.size(); ++i) EXPECT_EQ(counters[i].wakes(), 2u);
    const eddy::waker last = counters[3].waker();
    assert_ready(support::poll_with(set, last));
    for (std::size_t i = 1; i < counters.size(); ++i) {
        const eddy::waker waker = counters[i].waker();
        assert_ready(support::poll_with(set, waker));
    }
}

// covers: P003
TEST(LocalSet, RemainingWaiterRunsTasksQueuedForDroppedWaiter) {
    local_set set;
    auto starts = oneshot<int>::channel();
    set.spawn_local([](oneshot<int>::receiver start) -> task<> {
           static_cast<void>(co_await start);
           co_await yields(1000);
       }(std::move(starts.receiver)))
        .detach();
    eddy::test::wake_counter dropped;
    eddy::test::wake_counter stays;
    const eddy::waker one = dropped.waker();
    const eddy::waker other = stays.waker();
    assert_pending(support::poll_with(set, one));
    assert_pending(support::poll_with(set, other));
    static_cast<void>(starts.sender.send(5));
    EXPECT_EQ(stays.wakes(), 1u);
    assert_pending(support::poll_with(set, other));  // tasks are left
    assert_pending(support::poll_with(set, one));    // tasks are left; this waiter is never polled again
    auto before = stays.wakes();
    EXPECT_GT(before, 1u);
    while (!support::poll_with(set, other)) {
        ASSERT_GT(stays.wakes(), before);
        before = stays.wakes();
    }
}

// covers: P003
TEST(LocalSet, ConcurrentPollOnTwoThreadsThrowsMisuse) {
    local_set set;
    support::gate is_polled;
    support::gate may_end;
    set.spawn_local([&] {
           is_polled.open();
           EXPECT_TRUE(may_end.wait());
       })
        .detach();
    by_hand other(set.run_until(eddy::pending<void>()));
    std::thread driver([&] { eddy::wait(set); });
    EXPECT_TRUE(is_polled.wait());
    const eddy::waker none;
    const auto awaited = support::text_of_misuse([&] { static_cast<void>(support::poll_with(set, none)); });
    const auto run = support::text_of_misuse([&] { static_cast<void>(other.poll()); });
    may_end.open();
    driver.join();
    EXPECT_NE(awaited.find("driven by another thread at this moment"), std::string::npos) << awaited;
    EXPECT_NE(run.find("driven by another thread at this moment"), std::string::npos) << run;
    assert_pending(other.poll());
}

// covers: P003
TEST(LocalSet, FiveTasksDriveOneSet) {
    eddy::core core;
    core.run([]() -> task<> {
        local_set set;
        auto serve = [](local_set& shared, int number) -> task<int> {
            co_return co_await shared.run_until([](int n) -> task<int> {
                auto handle = spawn_local([n]() -> task<int> {
                    co_await eddy::time::sleep(std::chrono::milliseconds(n));
                    co_return n;
                });
                auto output = co_await handle;
                co_return output.value();
            }(number));
        };
        std::vector<eddy::join_handle<int>> handles;
        for (int i = 0; i < 5; ++i) handles.push_back(eddy::spawn(serve(set, 5 - i)));
        int sum = 0;
        for (auto& handle : handles) {
            auto output = co_await handle;
            sum += output.value();
        }
        EXPECT_EQ(sum, 15);
    }());
}

// covers: P003
TEST(LocalSet, OneTaskJoinsTwoRunUntilsAndSet) {
    everywhere([]() -> task<> {
        local_set set;
        int ended = 0;
        set.spawn_local([&ended]() -> task<> {  // eddy-check: ignore: the set is awaited
               co_await yields(20);
               ++ended;
           })
            .detach();
        auto all = co_await eddy::join(set.run_until(yields(5)), set.run_until(yields(50)), std::ref(set));
        static_cast<void>(all);
        EXPECT_EQ(ended, 1);
    });
}

// ---- Nesting ----

// covers: P003
TEST(LocalSet, NestedSetsRunInOrder) {
    everywhere([]() -> task<> {
        local_set outer;
        std::vector<std::string> log;
        co_await outer.run_until([](std::vector<std::string>& events) -> task<> {
            auto handle = spawn_local([&events]() -> task<> {
                local_set inner;
                co_await inner.run_until([](std::vector<std::string>& to) -> task<> {
                    auto nested = spawn_local([&to]() -> task<> {
                        co_await eddy::yield_now();
                        to.push_back("inner");
                    });
                    static_cast<void>(co_await nested);
                }(events));
                auto sibling = spawn_local([&events] { events.push_back("outer"); });
                static_cast<void>(co_await sibling);
            });
            static_cast<void>(co_await handle);
        }(log));
        EXPECT_EQ(log, (std::vector<std::string>{"inner", "outer"}));
    });
}

// covers: P003
TEST(LocalSet, RunUntilInsideOwnTaskCompletes) {
    everywhere([]() -> task<> {
        local_set set;
        int ran = 0;
        set.spawn_local([](local_set& own, int& count) -> task<> {
            co_await own.run_until([](int& n) -> task<> {
                auto handle = spawn_local([&n] { ++n; });
                static_cast<void>(co_await handle);
            }(count));
        }(set, ran));
        co_await set;
        EXPECT_EQ(ran, 1);
    });
}

// covers: P003
TEST(LocalSet, AwaitInsideOwnTaskThrowsMisuse) {
    everywhere([]() -> task<> {
        local_set set;
        auto handle = set.spawn_local([](local_set& own) -> task<> { co_await own; }(set));
        co_await set;
        auto output = co_await handle;
        EXPECT_THROW(output.error().rethrow(), eddy::misuse);
    });
}

// covers: P003 P025
TEST(LocalSet, TasksDoNotSeeTaskLocalsOfDrivingTask) {
    static eddy::task_local<int> number;
    everywhere([]() -> task<> {
        local_set set;
        auto sees = set.spawn_local([] { return number.try_get().has_value(); });
        auto scoped = set.spawn_local(number.scope(5, []() -> task<int> {
            co_await eddy::yield_now();
            co_return number.get();
        }()));
        co_await number.scope(4, set.run_until([]() -> task<> {
            EXPECT_EQ(number.get(), 4);
            co_await yields(10);
            EXPECT_EQ(number.get(), 4);
        }()));
        auto first = co_await sees;
        EXPECT_FALSE(first.value());
        auto second = co_await scoped;
        EXPECT_EQ(second.value(), 5);
    });
}

// covers: P003 P026
TEST(LocalSet, TasksHaveIds) {
    everywhere([]() -> task<> {
        local_set set;
        auto handle = set.spawn_local([] { return eddy::current_task_id().value_or(0); });
        const eddy::task_id id = handle.id();
        co_await set;
        auto output = co_await handle;
        EXPECT_EQ(output.value(), id);
    });
}

// ---- Other threads ----

// covers: P003
TEST(LocalSet, WakesFromOtherThreadsResumeTasks) {
    everywhere([]() -> task<> {
        local_set set;
        constexpr int count = 20;
        int sum = 0;
        std::vector<oneshot<int>::sender> senders;
        for (int i = 0; i < count; ++i) {
            auto ends = oneshot<int>::channel();
            senders.push_back(std::move(ends.sender));
            set.spawn_local([](oneshot<int>::receiver rx, int& total) -> task<> {
                auto got = co_await rx;
                total += got.value();
            }(std::move(ends.receiver), sum));
        }
        std::thread other([&senders] {
            for (auto& each : senders) {
                static_cast<void>(each.send(1));
                std::this_thread::yield();
            }
        });
        co_await set;
        other.join();
        EXPECT_EQ(sum, count);
    });
}

// covers: P003
TEST(LocalSet, OtherThreadsMayAbortAndJoinTasks) {
    everywhere([]() -> task<> {
        local_set set;
        int destroyed = 0;
        auto handle = set.spawn_local(wait_forever(destruction_counter(destroyed)));
        std::thread other([&handle] {
            handle.abort();
            auto output = eddy::wait(handle);
            EXPECT_TRUE(output.error().is_cancelled());
        });
        co_await set;
        EXPECT_EQ(destroyed, 1);
        other.join();
    });
}

// covers: P003
TEST(LocalSet, OtherThreadsMaySpawnIntoSet) {
    everywhere([]() -> task<> {
        local_set set;
        auto ends = oneshot<int>::channel();
        int ran = 0;
        std::thread other([&set, &ran, tx = std::move(ends.sender)]() mutable {
            for (int i = 0; i < 100; ++i) set.spawn_local([&ran] { ++ran; });
            set.spawn_local([tx = std::move(tx)]() mutable { static_cast<void>(tx.send(1)); });
        });
        auto told = co_await set.run_until(std::move(ends.receiver));
        EXPECT_TRUE(told.has_value());
        EXPECT_EQ(ran, 100);
        other.join();
    });
}

}  // namespace
