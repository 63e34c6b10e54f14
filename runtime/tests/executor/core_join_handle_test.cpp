// SPDX-License-Identifier: MIT
// Join handles of the tasks of an event loop, used on other threads: before the task ends, while it ends, and after the
// loop was destroyed.
#include <eddy/task/join_handle.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/error.hpp>
#include <eddy/future/poll_fn.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/runtime/core.hpp>
#ifndef EDDY_NO_THREADS
#include <eddy/runtime/core_thread.hpp>
#include <eddy/runtime/runtime.hpp>
#endif
#include <eddy/runtime/handle.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/task/abort_on_drop.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>

#include "support/executors.hpp"
#include "support/polling.hpp"
#include "support/stress.hpp"

namespace {

using eddy::join_handle;
using eddy::task;
using eddy::test::wake_counter;
using support::census;

using life = census::life;

/// Completes after `turns` yields; never if `turns` is negative.
task<life> live(census& living, int turns) {
    if (turns < 0) co_await eddy::pending<void>();
    for (; turns > 0; --turns) co_await eddy::yield_now();
    co_return living.begin_life();
}

/// A future that behaves like live(), without a coroutine.
auto live_by_hand(census& living, int turns) {
    return eddy::poll_fn([&living, turns](eddy::context& cx) mutable -> eddy::poll_result<life> {
        if (turns < 0) return eddy::not_ready;
        if (turns-- == 0) return living.begin_life();
        cx.waker().wake_by_ref();
        return eddy::not_ready;
    });
}

join_handle<life> spawn_either(census& living, int turns) {
    if (turns % 2 != 0) return eddy::spawn(live_by_hand(living, turns));
    return eddy::spawn(live(living, turns));
}

void expect_value_or_cancelled(const join_handle<life>::output_type& outcome) {
    EXPECT_TRUE(outcome.has_value() || outcome.error().is_cancelled());
}

/// Waits for the outcome. On the loop's own thread the task must have ended.
void await(join_handle<life>& handle) {
    if (handle.is_finished()) {
        expect_value_or_cancelled(*support::poll_with(handle, eddy::waker::noop()));
    } else {
        expect_value_or_cancelled(eddy::wait(handle));
    }
}

constexpr unsigned ways = 12;

/// Consumes a handle in one of `ways` ways. `may_wait`: the task is known to end, by itself or with its loop.
void consume(join_handle<life> handle, unsigned way, bool may_wait) {
    const wake_counter first;
    const wake_counter second;
    const eddy::waker one = first.waker();
    const eddy::waker two = second.waker();
    const auto poll = [&](const eddy::waker& waker) {
        const auto ended = support::poll_with(handle, waker);
        if (ended) expect_value_or_cancelled(*ended);
        return static_cast<bool>(ended);
    };
    switch (way % ways) {
    case 0: return;
    case 1: poll(one); return;
    case 2:  // the last waker replaces the earlier ones
        if (!poll(one) && !poll(one) && !poll(two)) poll(one);
        return;
    case 3:
        if (may_wait) await(handle);
        return;
    case 4: handle.abort(); return;
    case 5: handle.abort(); return await(handle);
    case 6:
        if (!poll(one)) handle.abort();
        return;
    case 7: {  // the abort handles outlive the join handle
        const auto aborts = handle.abort_handle();
        handle.detach();
        const auto copy = aborts;  // NOLINT(performance-unnecessary-copy-initialization)
        copy.abort();
        return;
    }
    case 8: {  // the join handle outlives its abort handles
        auto aborts = std::make_unique<eddy::abort_handle>(handle.abort_handle());
        aborts->abort();
        aborts.reset();
        return await(handle);
    }
    case 9: {  // the abort handle moves to another thread
        std::thread other([aborts = handle.abort_handle()] { aborts.abort(); });
        poll(one);
        handle.detach();
        return other.join();
    }
    case 10:  // the abort handles are created after the task has ended, if it ends soon
        for (int i = 0; i < 50 && !handle.is_finished(); ++i) std::this_thread::yield();
        static_cast<void>(std::vector<eddy::abort_handle>(3, handle.abort_handle()));
        poll(two);
        return;
    default:  // is_finished() is true before the joiner is woken
        if (!may_wait || poll(one)) return;
        while (first.wakes() == 0) std::this_thread::yield();
        EXPECT_TRUE(handle.is_finished());
        EXPECT_TRUE(poll(two));
    }
}

// ---- Handles of ended tasks ----

class CoreJoinHandle : public testing::Test {
protected:
    /// Returns handles of tasks that have ended, on a loop that was destroyed.
    std::vector<join_handle<life>> handles_of_ended(int count) {
        std::vector<join_handle<life>> handles;
        eddy::core loop;
        const auto main = [&]() -> task<void> {
            for (int i = 0; i < count; ++i) handles.push_back(spawn_either(living, i % 4));
            co_return;
        };
        loop.run(main());
        loop.run_until_idle();
        return handles;
    }

    census living;
};

// covers: S51
TEST_F(CoreJoinHandle, OutputIsAvailableAfterTheLoopIsGone) {
    for (auto& handle : handles_of_ended(8)) {
        EXPECT_TRUE(handle.is_finished());
        handle.abort();
        EXPECT_TRUE(eddy::wait(handle).has_value());
        EXPECT_TRUE(handle.is_finished());
    }
    EXPECT_EQ(living.alive(), 0);
    EXPECT_EQ(living.total(), 8);
}

// covers: S51
TEST_F(CoreJoinHandle, HandleSupportsEachOperationAfterTheLoopIsGone) {
    auto handles = handles_of_ended(4 * ways);
    for (unsigned i = 0; i < 4 * ways; ++i) {
        if (i % 2 == 0) {
            consume(std::move(handles[i]), i / 2, true);
        } else {
            std::thread([&] { consume(std::move(handles[i]), i / 2, true); }).join();
        }
    }
    EXPECT_EQ(living.alive(), 0);
}

// covers: S51
TEST_F(CoreJoinHandle, AbortHandleOfEndedTaskOutlivesJoinHandle) {
    for (const bool detaches : {false, true}) {
        for (auto& handle : handles_of_ended(4)) {
            const int before = living.alive();
            auto aborts = std::optional(handle.abort_handle());
            const auto copy = *aborts;
            EXPECT_TRUE(copy.is_finished());
            EXPECT_EQ(copy.id(), handle.id());
            if (detaches) {
                copy.abort();
                EXPECT_TRUE(copy.is_finished());
                handle.detach();
            } else {
                EXPECT_TRUE(eddy::wait(handle).has_value());
            }
            EXPECT_EQ(living.alive(), before - 1);
            copy.abort();
            aborts.reset();
            EXPECT_TRUE(copy.is_finished());
        }
    }
}

// covers: S51
TEST_F(CoreJoinHandle, HandleSupportsEachOperationInsideTheLoop) {
    eddy::core loop;
    const auto main = [&]() -> task<void> {
        for (unsigned way = 0; way < ways; ++way) {
            auto handle = spawn_either(living, static_cast<int>(way % 3));
            while (!handle.is_finished()) co_await eddy::yield_now();
            consume(std::move(handle), way == 9 ? 0 : way, true);
        }
    };
    loop.run(main());
    EXPECT_EQ(living.alive(), 0);
}

// covers: S51
TEST_F(CoreJoinHandle, HandleOfADestroyedLoopWorksInsideAnotherLoop) {
    // The new loop may have the address of the destroyed one.
    for (int i = 0; i < 3; ++i) {
        auto handles = handles_of_ended(2 * ways);
        eddy::core loop;
        const auto main = [&]() -> task<void> {
            for (unsigned way = 0; way < 2 * ways; ++way) consume(std::move(handles[way]), way / 2, true);
            co_return;
        };
        loop.run(main());
    }
    EXPECT_EQ(living.alive(), 0);
}

// covers: S51
TEST_F(CoreJoinHandle, JoinOfTheNextTaskKeepsTheOrderOfTasks) {
    std::string order;
    const auto log = [&](char name) -> task<void> {
        order += name;
        co_return;
    };
    const auto log_and_spawn = [&](char name, char next) -> task<void> {
        order += name;
        eddy::spawn(log(next)).detach();
        co_return;
    };
    const auto main = [&]() -> task<void> {
        auto first = eddy::spawn(log_and_spawn('a', 'b'));
        static_cast<void>(co_await first);
        order += '1';
        auto second = eddy::spawn(log('c'));
        static_cast<void>(co_await second);
        order += '2';
    };
    eddy::core loop;
    loop.run(main());
    EXPECT_EQ(order, "ab1c2");
}

// covers: S51
TEST_F(CoreJoinHandle, TaskThatIsJoinedAtOnceHasItsOwnId) {
    const auto child = []() -> task<eddy::task_id> { co_return eddy::current_task_id().value(); };
    const auto parent = [&]() -> task<void> {
        const auto mine = eddy::current_task_id();
        for (int i = 0; i < 300; ++i) {
            auto handle = eddy::spawn(child());
            const auto id = handle.id();
            const auto seen = co_await handle;
            EXPECT_EQ(seen.value(), id);
            EXPECT_EQ(eddy::current_task_id(), mine);
        }
    };
    const auto main = [&]() -> task<void> {
        auto handle = eddy::spawn(parent());
        const auto joined = co_await handle;
        EXPECT_TRUE(joined.has_value());
    };
    eddy::core loop;
    loop.run(main());
}

task<int> depth(int levels) {
    if (levels == 0) co_return 0;
    auto handle = eddy::spawn(depth(levels - 1));
    const auto below = co_await handle;
    co_return below.value() + 1;
}

// covers: S51
TEST_F(CoreJoinHandle, ChainOfJoinsDoesNotOverflowTheStack) {
    eddy::core loop;
    EXPECT_EQ(loop.run(depth(20'000)), 20'000);
}

// covers: S51
TEST_F(CoreJoinHandle, TaskThatIsJoinedAtOnceMayAbortItsJoiner) {
    int ends = 0;
    std::optional<eddy::abort_handle> aborts;
    const auto child = [&]() -> task<void> {
        aborts->abort();
        co_return;
    };
    const auto parent = [&]() -> task<void> {
        auto handle = eddy::spawn(child());
        static_cast<void>(co_await handle);
        ++ends;
        co_await eddy::pending<void>();
    };
    const auto main = [&]() -> task<void> {
        auto handle = eddy::spawn(parent());
        aborts.emplace(handle.abort_handle());
        const auto joined = co_await handle;
        EXPECT_TRUE(joined.error().is_cancelled());
    };
    eddy::core loop;
    loop.run(main());
    EXPECT_LE(ends, 1);
}

// covers: S51
TEST_F(CoreJoinHandle, TaskThatIsJoinedAtOnceLeavesTheBudgetAndTheWakerOfItsJoiner) {
    const auto budget = [] {
        return eddy::poll_fn([](eddy::context& cx) -> eddy::poll_result<std::uint32_t> { return cx.budget(); });
    };
    const auto spend = []() -> task<std::uint32_t> {
        const auto had = co_await eddy::poll_fn([](eddy::context& cx) -> eddy::poll_result<std::uint32_t> {
            const std::uint32_t all = cx.budget();
            while (cx.budget() > 1) EXPECT_TRUE(cx.consume_budget());
            return all;
        });
        co_return had;
    };
    const auto parent = [&]() -> task<void> {
        auto [sender, receiver] = eddy::sync::oneshot<int>::channel();
        for (std::uint32_t joins = 1; joins <= 3; ++joins) {
            auto handle = eddy::spawn(spend());
            const auto had = co_await handle;
            EXPECT_EQ(had.value(), eddy::context::default_budget);
            const auto left = co_await budget();
            EXPECT_GE(left, eddy::context::default_budget - joins);  // one unit for each join, or a new budget
        }
        eddy::spawn([sent = std::move(sender)]() mutable -> task<void> {
            EXPECT_TRUE(sent.send(7).has_value());
            co_return;
        }).detach();
        const auto received = co_await receiver;  // waits: the loop must wake this task
        EXPECT_EQ(received, 7);
    };
    eddy::core loop;
    const auto main = [&]() -> task<bool> {
        auto handle = eddy::spawn(parent());
        const auto joined = co_await handle;
        co_return joined.has_value();
    };
    EXPECT_TRUE(loop.run(main()));
}

// covers: S51
TEST_F(CoreJoinHandle, TaskThatIsJoinedAtOnceMaySplitAbortHandlesOffItsHandle) {
    std::vector<eddy::abort_handle> aborts;
    std::optional<join_handle<life>> handle;
    const auto child = [&]() -> task<life> {
        aborts.push_back(handle->abort_handle());
        co_return living.begin_life();
    };
    const auto main = [&]() -> task<void> {
        for (std::size_t i = 0; i < 3; ++i) {
            handle.emplace(eddy::spawn(child()));
            const auto id = handle->id();
            const auto joined = co_await *handle;
            EXPECT_TRUE(joined.has_value());
            EXPECT_EQ(aborts.at(i).id(), id);
            EXPECT_TRUE(aborts.at(i).is_finished());
            aborts.at(i).abort();
        }
    };
    {
        eddy::core loop;
        loop.run(main());
        EXPECT_EQ(aborts.size(), 3u);
    }
    std::thread([all = std::move(aborts)]() mutable { all.clear(); }).join();  // the last references
    EXPECT_EQ(living.alive(), 0);
}

// covers: S51
TEST_F(CoreJoinHandle, TaskThatIsJoinedAtOnceMayMoveItsHandle) {
    std::optional<join_handle<life>> handle;
    std::optional<join_handle<life>> moved;
    const auto child = [&]() -> task<life> {
        moved.emplace(std::move(*handle));
        co_return living.begin_life();
    };
    const auto main = [&]() -> task<bool> {
        handle.emplace(eddy::spawn(child()));
        try {
            static_cast<void>(co_await *handle);
        } catch (const eddy::misuse&) {
            co_return true;
        }
        co_return false;
    };
    eddy::core loop;
    EXPECT_TRUE(loop.run(main()));
    EXPECT_TRUE(moved.value().is_finished());
    moved.reset();
    EXPECT_EQ(living.alive(), 0);
}

// covers: S51
TEST_F(CoreJoinHandle, DetachedExceptionGoesToTheHandlerOfTheLoop) {
    std::atomic<int> reported = 0;
    auto loop = eddy::core::builder().on_uncaught([&](auto, const auto&) { ++reported; }).build().value();
    const auto main = [&]() -> task<void> {
        for (const bool shares : {false, true}) {
            auto handle = eddy::spawn([]() -> task<void> {
                throw std::runtime_error("not joined");
                co_return;
            });
            while (!handle.is_finished()) co_await eddy::yield_now();
            std::optional<eddy::abort_handle> aborts;
            if (shares) aborts = handle.abort_handle();
            handle.detach();
        }
    };
    loop.run(main());
    EXPECT_EQ(reported, 2);
}

// The loop that would report the exception does not run at that moment, or is gone.
// covers: S51
TEST_F(CoreJoinHandle, ExceptionOfHandleDroppedOutsideTheLoopIsPrinted) {
    for (const bool loop_is_gone : {false, true}) {
        std::optional<eddy::core> loop(std::in_place);
        std::optional<join_handle<void>> handle;
        loop->run([&]() -> task<void> {
            handle = eddy::spawn([]() -> task<void> {
                throw std::runtime_error("not joined");
                co_return;
            });
            while (!handle->is_finished()) co_await eddy::yield_now();
        }());
        if (loop_is_gone) loop.reset();
        testing::internal::CaptureStderr();
        handle.reset();
        const auto printed = testing::internal::GetCapturedStderr();
        EXPECT_TRUE(printed.contains("core_join_handle_test.cpp") && printed.contains("threw: not joined")) << printed;
    }
}

// ---- Stress ----

class CoreJoinHandleStress : public testing::Test {
protected:
    std::mt19937_64 random{support::seed()};
    census living;
};

// covers: R038
TEST_F(CoreJoinHandleStress, HandleIsUsedOnAnotherThreadWhileTheTaskEnds) {
    // Passes handles through a mailbox, so that a handle is often used just while its task ends.
    support::handover_rounds rounds(100'000);
    eddy::core loop;
    std::atomic<join_handle<life>*> mailbox = nullptr;
    std::atomic<bool> is_over = false;
    std::thread other([&] {
        for (unsigned way = 0; !is_over || mailbox != nullptr; ++way) {
            const std::unique_ptr<join_handle<life>> handle(mailbox.exchange(nullptr));
            if (handle != nullptr) {
                consume(std::move(*handle), way, true);
            } else {
                std::this_thread::yield();
            }
        }
    });
    const auto is_taken = [&]() -> task<void> {
        while (mailbox != nullptr) {
            std::this_thread::yield();
            co_await eddy::yield_now();
        }
    };
    const auto main = [&]() -> task<void> {
        for (std::uint64_t round = 0; rounds.next(); ++round) {
            auto handle = std::make_unique<join_handle<life>>(spawn_either(living, static_cast<int>(random() % 4)));
            if (round % 3 == 0) static_cast<void>(support::poll_with(*handle, eddy::waker::noop()));
            co_await is_taken();
            mailbox = handle.release();
        }
        is_over = true;
        co_await is_taken();
    };
    loop.run(main());
    loop.run_until_idle();
    other.join();
    loop.run_until_idle();
    EXPECT_EQ(living.alive(), 0);
}

#ifndef EDDY_NO_THREADS
// covers: R038
TEST_F(CoreJoinHandleStress, ManyThreadsUseHandlesOfARunningLoop) {
    constexpr unsigned threads = 4;
    {
        const eddy::core_thread worker;
        std::vector<std::thread> users;
        for (unsigned t = 0; t < threads; ++t) {
            users.emplace_back([&, remote = worker.remote(), draw = std::mt19937_64(random())]() mutable {
                for (support::handover_rounds rounds(5'000); rounds.next();) {
                    const int turns = static_cast<int>(draw() % 20) - 4;  // negative: the task never ends
                    auto handles = remote
                                       .call([&, turns] {
                                           std::vector<join_handle<life>> made;
                                           for (int i = 0; i < 8; ++i) made.push_back(spawn_either(living, turns));
                                           return made;
                                       })
                                       .get();
                    for (auto& each : handles) {
                        consume(std::move(each), static_cast<unsigned>(draw() % ways), turns >= 0);
                    }
                }
            });
        }
        for (auto& user : users) user.join();
    }
    EXPECT_EQ(living.alive(), 0);
}

// covers: R035 R038
TEST_F(CoreJoinHandleStress, HandlesMayBeUsedWhileLoopIsDestroyed) {
    constexpr unsigned threads = 2;
    constexpr int tasks = 12;
    const auto rounds = support::rounds(5'000);
    for (std::uint64_t round = 0; round < rounds; ++round) {
        std::optional<eddy::core_thread> worker(std::in_place);
        std::vector<std::thread> users;
        for (unsigned t = 0; t < threads; ++t) {
            auto handles = worker->remote()
                               .call([&] {
                                   std::vector<join_handle<life>> made;
                                   for (int i = 0; i < tasks; ++i) made.push_back(spawn_either(living, i % 6 - 2));
                                   return made;
                               })
                               .get();
            users.emplace_back([mine = std::move(handles), draw = std::mt19937_64(random())]() mutable {
                std::ranges::shuffle(mine, draw);
                for (auto& each : mine) consume(std::move(each), static_cast<unsigned>(draw() % ways), true);
            });
        }
        if (round % 3 == 0) std::this_thread::yield();
        worker.reset();
        for (auto& user : users) user.join();
        ASSERT_EQ(living.alive(), 0);
    }
}

TEST_F(CoreJoinHandleStress, HandleAbortedByAnotherThreadCompletes) {
    const auto rounds = support::rounds(10'000);
    constexpr int tasks = 16;
    std::atomic<int> outcomes = 0;
    {
        auto runtime = eddy::runtime::builder().worker_threads(2).build().value();
        std::optional<eddy::core_thread> worker(std::in_place);
        for (std::uint64_t round = 0; round < rounds; ++round) {
            auto handles = worker->remote()
                               .call([&] {
                                   std::vector<join_handle<life>> made;
                                   for (int i = 0; i < tasks; ++i) made.push_back(spawn_either(living, i - 2));
                                   return made;
                               })
                               .get();
            std::vector<eddy::abort_handle> aborts;
            for (int i = 0; i < tasks; ++i) {
                if (i % 4 == 0 || i < 2) aborts.push_back(handles[static_cast<std::size_t>(i)].abort_handle());
            }
            for (auto& each : handles) {
                static_cast<void>(runtime.spawn([mine = std::move(each), &outcomes]() mutable -> task<void> {
                    expect_value_or_cancelled(co_await mine);
                    ++outcomes;
                }));
            }
            for (const auto& each : aborts) each.abort();
            if (round % 2 == 0) aborts.clear();
        }
        // Tasks that never complete are cancelled with their loop.
        worker.reset();
        runtime.wait_until_idle();
    }
    EXPECT_EQ(outcomes, static_cast<int>(rounds) * tasks);
    EXPECT_EQ(living.alive(), 0);
}
#endif

/// Passes each new handle to another thread, which calls `use` while the task ends.
template <class Fn>
void hand_over_handles(support::handover_rounds rounds, int yields_before, Fn use) {
    census living;
    std::uint64_t spawned = 0;
    std::uint64_t used = 0;  // used only by the other thread until join()
    std::atomic<join_handle<life>*> offered{nullptr};
    std::atomic<bool> is_over = false;
    std::thread other([&] {
        // acquire: pairs with the release store of is_over. The flag publishes no other data:
        // join() orders the accesses to `used`.
        while (!is_over.load(std::memory_order_acquire)) {
            // acquire: pairs with the release store that publishes the handle.
            // release: pairs with the acquire load that waits until the handle is taken.
            const std::unique_ptr<join_handle<life>> mine(offered.exchange(nullptr, std::memory_order_acq_rel));
            if (mine == nullptr) {
                std::this_thread::yield();  // the loop may need this processor
                continue;
            }
            use(std::move(*mine));
            ++used;
        }
    });
    {
        eddy::core loop;
        for (; rounds.next(); ++spawned) {
            loop.run([&]() -> task<> {
                auto made = std::make_unique<join_handle<life>>(eddy::spawn(live(living, yields_before)));
                // release: pairs with the exchange in `other`, which takes the handle.
                offered.store(made.release(), std::memory_order_release);
                for (int n = 0; n < yields_before + 2; ++n) co_await eddy::yield_now();
            }());
            // acquire: pairs with the release of the exchange in `other`.
            while (offered.load(std::memory_order_acquire) != nullptr) std::this_thread::yield();
        }
    }
    // release: pairs with the acquire load in `other`.
    is_over.store(true, std::memory_order_release);
    other.join();
    EXPECT_EQ(used, spawned);
    EXPECT_EQ(living.alive(), 0);
}

TEST_F(CoreJoinHandleStress, AbortOnDropHandleIsDroppedWhileTheTaskEnds) {
    hand_over_handles(support::handover_rounds(2'500'000), 3, [](join_handle<life> handle) {
        const eddy::abort_on_drop_handle<life> dropped(std::move(handle));
    });
}

TEST_F(CoreJoinHandleStress, PolledHandleAbortsWhileTheTaskEnds) {
    hand_over_handles(support::handover_rounds(2'500'000), 5, [](join_handle<life> handle) {
        const eddy::waker none;
        eddy::context cx(none);
        if (handle.poll(cx)) return;
        handle.abort();
        static_cast<void>(handle.poll(cx));
    });
}

TEST_F(CoreJoinHandleStress, AbortHandleIsCreatedWhileTheTaskEnds) {
    hand_over_handles(support::handover_rounds(2'500'000), 3, [](join_handle<life> handle) {
        const eddy::abort_handle aborts = handle.abort_handle();
        const auto copy = aborts;  // NOLINT(performance-unnecessary-copy-initialization): the copy is under test
        handle.detach();
        copy.abort();
    });
}

}  // namespace
