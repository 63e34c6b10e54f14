// SPDX-License-Identifier: MIT
// Join handles and abort handles that are used while their tasks end.
#include <eddy/task/join_handle.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/future/poll_fn.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>

#include "support/executors.hpp"
#include "support/gate.hpp"
#include "support/polling.hpp"
#include "support/stress.hpp"

namespace {

using eddy::join_handle;
using eddy::task;
using eddy::sync::oneshot;
using eddy::test::by_hand;
using support::async_gate;
using support::census;
using support::ends_slowly;
using support::executor;

// ---- Polls and drops ----

class JoinHandleStress : public testing::TestWithParam<unsigned> {};
INSTANTIATE_TEST_SUITE_P(, JoinHandleStress, testing::Values(1u, 2u, 4u), support::name_of_executor);

// covers: R038
TEST_P(JoinHandleStress, EndRacesWithPollAndDrop) {
    const auto rounds = support::rounds(100'000);
    executor on(GetParam());
    census living;
    for (std::uint64_t round = 0; round < rounds; ++round) {
        auto handle = on.pool().spawn([&, round]() -> task<census::life> {
            for (std::uint64_t i = 0; i < round % 3; ++i) co_await eddy::yield_now();
            co_return living.begin_life();
        });
        {
            by_hand joined(std::move(handle));
            for (std::uint64_t i = 0; i < round % 4; ++i) {
                if (joined.poll().is_ready()) break;
            }
        }
    }
    on.run_until_idle();
    EXPECT_EQ(living.alive(), 0);
    EXPECT_EQ(living.total(), static_cast<int>(rounds));
}

// covers: R038
TEST_P(JoinHandleStress, EndRacesWithPollDropAndAbort) {
    const auto rounds = support::rounds(20'000);
    executor on(GetParam());
    census living;
    std::optional<join_handle<census::life>> handle;
    std::optional<eddy::abort_handle> aborts;
    std::barrier step(2);
    std::thread other([&] {
        for (std::uint64_t round = 0; round < rounds; ++round) {
            step.arrive_and_wait();
            if (round % 2 == 0) aborts->abort();
            static_cast<void>(aborts->is_finished());
            step.arrive_and_wait();
        }
    });
    for (std::uint64_t round = 0; round < rounds; ++round) {
        handle = on.pool().spawn([&]() -> task<census::life> {
            co_await eddy::yield_now();
            co_return living.begin_life();
        });
        aborts = handle->abort_handle();
        step.arrive_and_wait();
        {
            by_hand joined(*std::exchange(handle, std::nullopt));
            if (round % 3 == 0) static_cast<void>(joined.poll());
            if (round % 3 == 1) {
                const auto outcome = eddy::wait(joined.future());
                EXPECT_TRUE(outcome.has_value() || outcome.error().is_cancelled());
            }
        }
        step.arrive_and_wait();
    }
    other.join();
    aborts.reset();
    on.run_until_idle();
    EXPECT_EQ(living.alive(), 0);
}

TEST_P(JoinHandleStress, ManyTasksJoinManyTasks) {
    const auto rounds = support::rounds(5'000);
    executor on(GetParam());
    const auto main = [&]() -> task<std::uint64_t> {
        std::uint64_t sum = 0;
        for (std::uint64_t round = 0; round < rounds; ++round) {
            std::vector<join_handle<int>> handles;
            for (int i = 0; i < 32; ++i) {
                handles.push_back(eddy::spawn([i]() -> task<int> {
                    auto inner = eddy::spawn([i]() -> task<int> {
                        if (i % 2 == 0) co_await eddy::yield_now();
                        co_return 1;
                    });
                    co_return (co_await inner).value();
                }));
            }
            for (auto& each : handles) sum += static_cast<std::uint64_t>((co_await each).value());
        }
        co_return sum;
    };
    EXPECT_EQ(on.run(main()), rounds * 32);
}

// covers: R038
TEST(JoinHandleStressOnCore, OtherThreadUsesHandlesWhileTasksEnd) {
    support::handover_rounds left(20'000);
    census living;
    eddy::core loop;
    auto [tx, rx] = oneshot<int>::channel();
    std::atomic<join_handle<census::life>*> mailbox = nullptr;
    std::atomic<bool> is_over = false;
    std::thread other([&] {
        for (std::uint64_t round = 0; !is_over; ++round) {
            const std::unique_ptr<join_handle<census::life>> handle(mailbox.exchange(nullptr));
            if (handle == nullptr) {
                std::this_thread::yield();
                continue;
            }
            by_hand joined(std::move(*handle));
            const auto aborts = joined.future().abort_handle();
            if (round % 5 == 0) aborts.abort();
            if (round % 3 == 0) static_cast<void>(joined.poll());
            if (round % 3 == 1) {
                const auto outcome = eddy::wait(joined.future());
                EXPECT_TRUE(outcome.has_value() || outcome.error().is_cancelled());
            }
        }
    });
    const auto main = [&]() -> task<void> {
        for (std::uint64_t round = 0; left.next(); ++round) {
            auto handle = std::make_unique<join_handle<census::life>>(eddy::spawn([&]() -> task<census::life> {
                co_await eddy::yield_now();
                co_return living.begin_life();
            }));
            if (round % 2 == 0) static_cast<void>(support::poll_with(*handle, eddy::waker::noop()));
            while (mailbox != nullptr) co_await eddy::yield_now();
            mailbox = handle.release();
        }
        while (mailbox != nullptr) co_await eddy::yield_now();
    };
    loop.run(main());
    loop.run_until_idle();
    is_over = true;
    other.join();
    loop.run_until_idle();
    EXPECT_EQ(living.alive(), 0);
}

// covers: R038
TEST(JoinHandleStressOnCore, LoopEndsWithTaskThatOwnsItsHandleWhileWakerIsCopied) {
    const auto rounds = support::rounds(2'000);
    census living;
    eddy::waker kept;
    std::barrier step(2);
    std::thread other([&] {
        for (std::uint64_t round = 0; round < rounds; ++round) {
            step.arrive_and_wait();
            for (std::uint64_t i = 0; i < round % 100; ++i) {
                const eddy::waker copy = kept;  // NOLINT(performance-unnecessary-copy-initialization)
            }
            kept = eddy::waker();
            step.arrive_and_wait();
        }
    });
    const auto serve = [&](std::shared_ptr<std::optional<join_handle<void>>>) -> task<void> {
        const auto mine = living.begin_life();
        co_await eddy::poll_fn([&](eddy::context& cx) -> eddy::poll_result<void> {
            kept = cx.waker();
            return eddy::not_ready;
        });
    };
    for (std::uint64_t round = 0; round < rounds; ++round) {
        std::optional<eddy::core> loop(eddy::core::builder().enable_io(false).build().value());
        const auto main = [&]() -> task<void> {
            const auto own = std::make_shared<std::optional<join_handle<void>>>();
            own->emplace(eddy::spawn(serve(own)));
            co_await eddy::yield_now();
        };
        loop->run(main());
        step.arrive_and_wait();
        loop.reset();
        step.arrive_and_wait();
        ASSERT_EQ(living.alive(), 0);
    }
    other.join();
}

// ---- Aborts ----

template <class T>
bool was_cancelled(const std::expected<T, eddy::join_error>& ended) {
    return !ended && ended.error().is_cancelled();
}

class AbortStress : public testing::TestWithParam<unsigned> {};
INSTANTIATE_TEST_SUITE_P(, AbortStress, testing::Values(1u, 2u, 4u), support::name_of_executor);

// covers: R047
TEST_P(AbortStress, AbortFromOutsideRacesWithEnd) {
    const auto rounds = support::rounds(50'000);
    executor on(GetParam());
    census living;
    const auto inner = [&](int yields) -> task<int> {
        const auto mine = living.begin_life();
        for (int i = 0; i < yields; ++i) co_await eddy::yield_now();
        co_return yields;
    };
    for (std::uint64_t round = 0; round < rounds; ++round) {
        const int yields = static_cast<int>(round % 3);
        auto handle = on.pool().spawn([&, yields]() -> task<int> {
            const auto mine = living.begin_life();
            co_return co_await inner(yields);
        });
        if (round % 5 > 2) std::this_thread::yield();
        handle.abort();
        const auto ended = eddy::wait(handle);
        ASSERT_TRUE(was_cancelled(ended) || ended.value() == yields);
        ASSERT_EQ(living.alive(), 0);
    }
}

// covers: R040
TEST_P(AbortStress, AbortRacesWithWakesFromTwoThreads) {
    const auto rounds = support::rounds(20'000);
    executor on(GetParam());
    census living;
    std::optional<eddy::abort_handle> aborts;
    async_gate* gate = nullptr;
    std::barrier step(3);
    std::thread aborter([&] {
        for (std::uint64_t round = 0; round < rounds; ++round) {
            step.arrive_and_wait();
            aborts->abort();
            step.arrive_and_wait();
        }
    });
    std::thread opener([&] {
        for (std::uint64_t round = 0; round < rounds; ++round) {
            step.arrive_and_wait();
            gate->open();
            step.arrive_and_wait();
        }
    });
    for (std::uint64_t round = 0; round < rounds; ++round) {
        async_gate own;
        gate = &own;
        auto handle = on.pool().spawn([&]() -> task<void> {
            const auto mine = living.begin_life();
            co_await own.wait();
        });
        aborts = handle.abort_handle();
        if (round % 2 == 0) {
            EXPECT_TRUE(support::comes_true([&] { return own.waiting() > 0; }));
        }
        step.arrive_and_wait();
        const auto ended = eddy::wait(handle);
        EXPECT_TRUE(ended || was_cancelled(ended));
        EXPECT_EQ(living.alive(), 0);
        step.arrive_and_wait();
        aborts.reset();
    }
    aborter.join();
    opener.join();
}

// covers: R047
TEST_P(AbortStress, AbortWithPendingPollCancelRacesWithShutdown) {
    const auto rounds = support::rounds(5'000);
    for (std::uint64_t round = 0; round < rounds; ++round) {
        census living;
        async_gate never;
        async_gate soon;
        executor on(GetParam());
        std::vector<join_handle<void>> handles;
        for (int i = 0; i < 8; ++i) {
            handles.push_back(on.pool().spawn([&, i]() -> task<void> {
                const auto mine = living.begin_life();
                co_await ends_slowly(i % 2 == 0 ? never : soon);
            }));
        }
        if (round % 2 == 0) {
            EXPECT_TRUE(support::comes_true([&] { return living.total() == 8; }));
        }
        for (const auto& each : handles) each.abort();
        soon.open();
        on.end();
        for (auto& each : handles) EXPECT_TRUE(was_cancelled(eddy::wait(each)));
        ASSERT_EQ(living.alive(), 0);
    }
}

// covers: R036
TEST(AbortStressOnCore, AbortsFromAnotherThreadRaceWithEnd) {
    support::handover_rounds left(50'000);
    census living;
    eddy::core loop;
    std::atomic<eddy::abort_handle*> mailbox = nullptr;
    std::atomic<bool> is_over = false;
    std::thread other([&] {
        while (!is_over) {
            const std::unique_ptr<eddy::abort_handle> one(mailbox.exchange(nullptr));
            if (one == nullptr) {
                std::this_thread::yield();
            } else {
                one->abort();
            }
        }
    });
    const auto main = [&]() -> task<void> {
        for (std::uint64_t round = 0; left.next(); ++round) {
            const int yields = static_cast<int>(round % 4);
            auto handle = eddy::spawn([&, yields]() -> task<int> {
                const auto mine = living.begin_life();
                if (yields == 3) co_await eddy::pending();
                for (int i = 0; i < yields; ++i) co_await eddy::yield_now();
                co_return yields;
            });
            auto mine = std::make_unique<eddy::abort_handle>(handle.abort_handle());
            while (mailbox != nullptr) co_await eddy::yield_now();
            mailbox = mine.release();
            const auto ended = co_await handle;
            EXPECT_TRUE(was_cancelled(ended) || ended.value() == yields);
            EXPECT_EQ(living.alive(), 0);
        }
    };
    loop.run(main());
    is_over = true;
    other.join();
    delete mailbox.exchange(nullptr);
    loop.run_until_idle();
}

}  // namespace
