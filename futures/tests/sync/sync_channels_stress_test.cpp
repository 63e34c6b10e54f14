// SPDX-License-Identifier: MIT
// oneshot, broadcast and watch under random operations, compared with a model and on several threads. For mpsc see
// sync_mpsc_stress_test.cpp.
// runs: tsan
#include <eddy/sync/broadcast.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/sync/watch.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/runtime/wait.hpp>
#include <eddy/test/by_hand.hpp>

#include "support/executors.hpp"
#include "support/futures/channel_ends.hpp"
#include "support/stress.hpp"

namespace {

using eddy::sync::broadcast;
using eddy::sync::broadcast_error;
using eddy::sync::oneshot;
using eddy::sync::watch;
using eddy::test::by_hand;
using support::drop;

// ---- oneshot: two threads ----

/// Lets two threads begin a round at the same time.
class starting_line {
public:
    void cross() {
        // seq_cst (the default): a crossing orders the plain accesses to `ends` and `is_over` before and after it.
        const auto round = arrived_.fetch_add(1) / 2;
        while (arrived_.load() < (round + 1) * 2) std::this_thread::yield();
    }

private:
    std::atomic<std::uint64_t> arrived_{0};
};

// covers: P081 R077
TEST(SyncOneshotStress, SendDropPollAndCloseRaceWithoutLeaks) {
    support::handover_rounds rounds(2'000'000);
    const auto seed = support::seed();
    auto alive = std::make_shared<int>(0);
    using channel = oneshot<std::shared_ptr<int>>;
    std::optional<channel::ends> ends;
    starting_line line;
    bool is_over = false;  // written before a line is crossed, and read after it

    std::thread sending([&] {
        std::mt19937_64 random(seed);
        eddy::test::wake_counter wakes;
        const auto waker = wakes.waker();
        for (;;) {
            line.cross();
            if (is_over) return;
            {
                auto tx = std::move(ends->sender);
                const auto what = random() % 4;
                if (what == 1) {
                    auto closed = tx.closed();
                    eddy::context cx(waker);
                    static_cast<void>(closed.poll(cx));
                }
                if (what != 0) {
                    const auto back = tx.send(alive);
                    EXPECT_TRUE(back.has_value() || back.error() == alive);
                }
            }
            line.cross();
            EXPECT_EQ(wakes.wakers(), 1u);
        }
    });

    std::mt19937_64 random(seed + 1);
    while (rounds.next()) {
        ends.emplace();
        eddy::test::wake_counter wakes;
        {
            const auto waker = wakes.waker();
            line.cross();
            auto rx = std::move(ends->receiver);
            const auto what = random() % 4;
            eddy::context cx(waker);
            bool ended = false;
            if (what != 0) {
                auto answer = rx.poll(cx);
                ended = answer.is_ready();
                EXPECT_TRUE(!ended || !answer->has_value() || **answer == alive);
            }
            if (what == 1) rx.close();
            if (what == 2 && !ended) {
                const auto outcome = rx.blocking_recv();
                EXPECT_TRUE(!outcome.has_value() || *outcome == alive);
            }
        }
        line.cross();
        ends.reset();
        EXPECT_EQ(wakes.wakers(), 0u);
    }
    is_over = true;
    line.cross();
    sending.join();
    EXPECT_EQ(alive.use_count(), 1);
}

TEST(SyncOneshotStress, BlockingRecvGetsAValueFromAnotherThread) {
    const auto rounds = support::rounds(20'000);
    for (std::uint64_t round = 0; round < rounds; ++round) {
        auto ends = oneshot<std::uint64_t>::channel();
        std::thread sender([&round, tx = std::move(ends.sender)]() mutable { static_cast<void>(tx.send(round)); });
        EXPECT_EQ(ends.receiver.blocking_recv(), round);
        sender.join();
    }
}

// ---- broadcast: against a model ----

broadcast_error lagged(std::uint64_t missed) { return broadcast_error(broadcast_error::kinds::lagged, missed); }
const broadcast_error closed(broadcast_error::kinds::closed);
const broadcast_error empty(broadcast_error::kinds::empty);

// covers: P082
TEST(SyncBroadcastStress, RandomOperationsMatchAModel) {
    std::mt19937_64 random(support::seed());
    const auto rounds = support::rounds(30'000);
    const auto live = std::make_shared<int>(0);
    struct message {
        std::uint64_t number;
        std::shared_ptr<int> counts;
    };
    using channel = broadcast<message>;
    struct end {
        channel::receiver rx;
        std::uint64_t next;  // the model: the number of the next message
        std::unique_ptr<by_hand<channel::recv_future>> waits = nullptr;
    };
    for (std::uint64_t round = 0; round < rounds; ++round) {
        const std::size_t capacity = std::size_t{1} << (random() % 4);
        auto ends = channel::channel(capacity);
        std::optional<channel::sender> tx(std::move(ends.sender));
        std::vector<std::unique_ptr<end>> all;
        all.push_back(std::make_unique<end>(std::move(ends.receiver), 0));
        std::uint64_t sent = 0;
        const auto check = [&](end& one, const std::expected<message, broadcast_error>& answer) {
            if (sent - one.next > capacity) {
                ASSERT_EQ(answer.error(), lagged(sent - capacity - one.next)) << "round " << round;
                one.next = sent - capacity;
            } else if (one.next == sent) {
                ASSERT_EQ(answer.error(), tx ? empty : closed) << "round " << round;
            } else {
                ASSERT_TRUE(answer.has_value()) << "round " << round;
                ASSERT_EQ(answer->number, one.next++) << "round " << round;
            }
        };
        for (int step = 0; step < 80; ++step) {
            const auto i = all.empty() ? 0 : random() % all.size();
            switch (random() % 12) {
            case 0:
            case 1:
            case 2:
                if (!tx) break;
                if (all.empty()) {
                    ASSERT_FALSE(tx->send({sent, live}).has_value());
                } else {
                    ASSERT_EQ(tx->send({sent++, live}), all.size());
                }
                break;
            case 3:
                if (tx && all.size() < 5) all.push_back(std::make_unique<end>(tx->subscribe(), sent));
                break;
            case 4:
                if (random() % 4 == 0 && !all.empty()) all.erase(all.begin() + static_cast<std::ptrdiff_t>(i));
                break;
            case 5:
                if (random() % 16 == 0) tx.reset();
                break;
            case 6:
                if (!all.empty()) all[i]->waits.reset();
                break;
            case 7:
                if (tx) {
                    std::uint64_t oldest = sent;
                    for (const auto& one : all) oldest = std::min(oldest, one->next);
                    ASSERT_EQ(tx->len(), std::min<std::uint64_t>(sent - oldest, capacity)) << "round " << round;
                }
                break;
            case 8:
                if (!all.empty()) check(*all[i], all[i]->rx.try_recv());
                break;
            default:
                if (all.empty()) break;
                auto& one = *all[i];
                if (!one.waits) one.waits = std::make_unique<by_hand<channel::recv_future>>(one.rx.recv());
                auto answer = one.waits->poll();
                if (!answer.is_ready()) {
                    ASSERT_TRUE(one.next == sent && tx) << "round " << round;
                } else {
                    check(one, *std::move(answer));
                }
            }
            // A receiver that waits and was not woken has no value to receive, and the channel is open.
            for (const auto& one : all) {
                if (!one->waits || one->waits->wakers() == 0) continue;
                ASSERT_TRUE(one->next == sent && tx) << "round " << round;
            }
        }
        // The channel keeps only the values that at least one receiver has yet to receive.
        std::uint64_t oldest = sent;
        for (const auto& one : all) oldest = std::min(oldest, one->next);
        const auto kept = std::min<std::uint64_t>(sent - oldest, capacity);
        ASSERT_EQ(static_cast<std::uint64_t>(live.use_count()), kept + 1) << "round " << round;
    }
    EXPECT_EQ(live.use_count(), 1);
}

// ---- broadcast: several threads ----

// covers: P092 R075
TEST(SyncBroadcastStress, ReceiversKeepOrderAndCountMissedValues) {
    const std::uint64_t each = support::rounds(1'000'000);
    struct message {
        std::uint64_t sender;
        std::uint64_t number;
        std::shared_ptr<std::uint64_t> copy;
    };
    using channel = broadcast<message>;
    auto ends = channel::channel(64);
    const auto receive = [each](channel::receiver rx) {
        std::uint64_t seen = 0;
        std::uint64_t last[2] = {};
        for (;;) {
            const auto item = rx.blocking_recv();
            if (item) {
                EXPECT_GT(item->number, last[item->sender]);
                EXPECT_EQ(*item->copy, item->number);
                last[item->sender] = item->number;
                ++seen;
            } else if (item.error().is_lagged()) {
                EXPECT_GT(item.error().missed(), 0u);
                seen += item.error().missed();
            } else {
                break;
            }
        }
        EXPECT_EQ(seen, 2 * each);
    };
    std::thread first(receive, ends.sender.subscribe());
    std::thread second(receive, std::move(ends.receiver));
    const auto send = [each](channel::sender tx, std::uint64_t self) {
        for (std::uint64_t i = 1; i <= each; ++i) {
            EXPECT_EQ(tx.send({self, i, std::make_shared<std::uint64_t>(i)}), 2u);
        }
    };
    {
        std::thread other(send, ends.sender, 0);
        send(std::move(ends.sender), 1);
        other.join();
    }
    first.join();
    second.join();
}

/// Only the channel synchronizes these threads, so that ThreadSanitizer can find a missing memory order.
// covers: P082
TEST(SyncBroadcastStress, FailedSendSeesWritesOfReceivers) {
    for (auto left = support::rounds(5'000); left != 0; --left) {
        auto [tx, rx] = broadcast<int>::channel(1);
        std::array<int, 2> told{};
        std::thread first([&told, from = tx.subscribe()]() mutable {
            told[0] = 1;
            drop(std::move(from));
        });
        std::thread second([&told, from = std::move(rx)]() mutable {
            told[1] = 1;
            drop(std::move(from));
        });
        while (tx.receiver_count() != 0) std::this_thread::yield();
        EXPECT_FALSE(tx.send(1).has_value());
        EXPECT_EQ(told[0] + told[1], 2);
        first.join();
        second.join();
    }
}

// covers: P082
TEST(SyncBroadcastStress, ReceiversSubscribeAndDropConcurrently) {
    const auto seed = support::seed();
    const auto value = std::make_shared<int>(1);
    {
        auto ends = broadcast<std::shared_ptr<int>>::channel(4);
        std::atomic<bool> over = false;
        const auto come_and_go = [&](std::uint64_t own_seed) {
            std::mt19937_64 random(own_seed);
            support::handover_rounds rounds(400'000);
            while (rounds.next()) {
                auto rx = ends.sender.subscribe();
                auto recv = rx.recv();
                const auto noop = eddy::waker::noop();
                eddy::context cx(noop);
                static_cast<void>(recv.poll(cx));
                if (random() % 8 == 0) static_cast<void>(eddy::wait(recv));
                if (random() % 4 == 0) static_cast<void>(rx.try_recv());
                static_cast<void>(ends.sender.len());
            }
        };
        std::thread first(come_and_go, seed);
        std::thread second(come_and_go, seed + 1);
        std::thread sends([&] {
            while (!over) static_cast<void>(ends.sender.send(value));
        });
        first.join();
        second.join();
        over = true;
        sends.join();
    }
    EXPECT_EQ(value.use_count(), 1);
}

TEST(SyncBroadcastStress, ValuesAreFreedWhileReceiversChange) {
    support::census values;
    struct value {
        support::census::life life;
        std::uint64_t number;
    };
    {
        auto [tx, rx] = broadcast<value>::channel(4);
        support::handover_rounds rounds(400'000);
        std::uint64_t sent = 0;
        std::atomic<bool> over = false;
        const auto receive = [&, &to = tx](std::uint64_t seed) {
            std::mt19937_64 random(seed);
            // acquire: pairs with the release store of `over`. The flag publishes no other data.
            while (!over.load(std::memory_order_acquire)) {
                auto mine = to.subscribe();
                std::uint64_t last = 0;
                by_hand waiting(mine.recv());
                for (std::uint64_t i = random() % 20; i > 0; --i) {
                    auto got = waiting.poll();
                    if (!got) break;
                    if (!got->has_value()) continue;
                    EXPECT_GT((*got)->number, last);
                    last = (*got)->number;
                }
            }
        };
        std::thread one(receive, support::seed());
        std::thread two(receive, support::seed() + 1);
        while (rounds.next()) {
            EXPECT_TRUE(tx.send(value{values.begin_life(), ++sent}).has_value());
            if (sent % 64 == 0) std::this_thread::yield();
        }
        over.store(true, std::memory_order_release);
        one.join();
        two.join();
        EXPECT_LE(values.alive(), 4);
        EXPECT_EQ(rx.len(), sent);
    }
    EXPECT_EQ(values.alive(), 0);
}

// ---- watch: against a model ----

// covers: P083
TEST(SyncWatchStress, RandomOperationsMatchAModel) {
    std::mt19937_64 random(support::seed());
    const auto rounds = support::rounds(30'000);
    struct end {
        watch<int>::receiver rx;
        int seen;  // the model: the last value that this receiver has seen
        std::unique_ptr<by_hand<watch<int>::changed_future>> waits = nullptr;
    };
    for (std::uint64_t round = 0; round < rounds; ++round) {
        auto ends = watch<int>::channel(0);
        std::optional<watch<int>::sender> tx(std::move(ends.sender));
        std::vector<std::unique_ptr<end>> all;
        all.push_back(std::make_unique<end>(std::move(ends.receiver), 0));
        int now = 0;
        for (int step = 0; step < 60; ++step) {
            if (all.empty()) break;
            auto& one = *all[random() % all.size()];
            switch (random() % 12) {
            case 0:
            case 1:
                if (!tx) break;
                ASSERT_TRUE(tx->send(++now).has_value());
                break;
            case 2:
                if (tx && all.size() < 6) all.push_back(std::make_unique<end>(tx->subscribe(), now));
                break;
            case 3:
                if (all.size() < 6) all.push_back(std::make_unique<end>(one.rx, one.seen));
                break;
            case 4:
                if (random() % 4 == 0) all.erase(all.begin());
                break;
            case 5:
                if (random() % 8 == 0) tx.reset();
                break;
            case 6: one.waits.reset(); break;
            case 7:
                ASSERT_EQ(*one.rx.borrow(), now);
                ASSERT_EQ(one.rx.borrow_and_update().has_changed(), one.seen != now);
                one.seen = now;
                break;
            case 8: one.rx.mark_changed(), one.seen = -1; break;
            default:
                if (!one.waits) one.waits = std::make_unique<by_hand<watch<int>::changed_future>>(one.rx.changed());
                const auto answer = one.waits->poll();
                ASSERT_EQ(answer.is_ready(), one.seen != now || !tx) << "round " << round;
                if (!answer.is_ready()) break;
                ASSERT_EQ(answer->has_value(), one.seen != now) << "round " << round;
                one.seen = now;
                one.waits.reset();
            }
        }
    }
}

// ---- watch: several threads ----

// covers: P083 P092
TEST(SyncWatchStress, ReceiversSeeWholeGrowingValuesUpToTheLast) {
    const std::uint64_t last = support::rounds(1'000'000);
    struct pair {
        std::uint64_t first = 0;
        std::uint64_t second = 0;
    };
    auto [tx, rx] = watch<pair>::channel(pair());
    const auto receive = [last](watch<pair>::receiver mine) {
        std::uint64_t seen = 0;
        while (eddy::wait(mine.changed()).has_value()) {
            const auto look = mine.borrow_and_update();
            EXPECT_EQ(look->first, look->second);
            EXPECT_GE(look->first, seen);
            seen = look->first;
        }
        EXPECT_EQ(seen, last);
    };
    std::thread first(receive, rx);
    std::thread second(receive, rx);
    std::thread third([mine = rx, last]() mutable {
        auto is_last = [last](const pair& value) { return value.first == last; };
        const auto outcome = eddy::wait(mine.wait_for(is_last));
        EXPECT_EQ((*outcome)->second, last);
    });
    for (std::uint64_t i = 1; i <= last; ++i) {
        if (i % 2 == 0) {
            EXPECT_TRUE(tx.send({i, i}).has_value());
        } else {
            tx.send_modify([&](pair& value) {
                value.first = i;
                value.second = i;
            });
        }
    }
    {
        const auto gone = std::move(tx);
    }
    first.join();
    second.join();
    third.join();
}

/// Only the channel synchronizes these threads, so that ThreadSanitizer can find a missing memory order.
// covers: P083
TEST(SyncWatchStress, ClosedSenderSeesTheLastReceiversWrites) {
    for (auto left = support::rounds(5'000); left != 0; --left) {
        auto [tx, rx] = watch<int>::channel(0);
        int told = 0;
        std::thread receiving([&told, from = std::move(rx)]() mutable {
            told = 1;
            const auto gone = std::move(from);
        });
        while (!tx.is_closed()) std::this_thread::yield();
        EXPECT_EQ(told, 1);
        receiving.join();
    }
}

// covers: P083
TEST(SyncWatchStress, EndsAreCreatedAndDroppedConcurrently) {
    const auto seed = support::seed();
    support::handover_rounds rounds(60'000);
    const auto value = std::make_shared<int>(1);
    using channel = watch<std::shared_ptr<int>>;
    std::uint64_t round = 0;
    while (rounds.next()) {
        ++round;
        auto ends = channel::channel(value);
        std::thread sends([tx = std::move(ends.sender), value, which = (seed + round) % 3] {
            if (which == 0) eddy::wait(tx.closed());
            const auto copy = tx;
            while (tx.send(value).has_value()) std::this_thread::yield();
            EXPECT_TRUE(copy.is_closed());
        });
        std::thread receives([rx = ends.receiver, which = (seed + round) % 3]() mutable {
            if (which != 0) {
                auto copy = rx;
                EXPECT_TRUE(eddy::wait(copy.changed()).has_value());
            }
            auto gone = std::move(rx);
        });
        {
            const auto gone = std::move(ends.receiver);
        }
        sends.join();
        receives.join();
        EXPECT_EQ(value.use_count(), 1);
    }
}

// covers: P083
TEST(SyncWatchStress, WritersAndGuardHoldingReadersTakeTurns) {
    const std::uint64_t each = support::rounds(300'000);
    auto [tx, rx] = watch<std::uint64_t>::channel(0);
    const auto write = [each](watch<std::uint64_t>::sender mine) {
        for (std::uint64_t i = 0; i < each; ++i) {
            mine.send_modify([&](std::uint64_t& value) {
                const auto before = value;
                if (i % 64 == 0) std::this_thread::yield();
                value = before + 1;
            });
        }
    };
    std::thread first(write, tx);
    std::thread second(write, tx);
    std::thread reads([mine = rx, each] {
        for (std::uint64_t i = 0; i < each / 4; ++i) {
            const auto outer = mine.borrow();
            if (i % 16 == 0) std::this_thread::yield();
            const auto inner = mine.borrow();  // a second guard on this thread, while a writer may wait
            EXPECT_EQ(*outer, *inner);
        }
    });
    first.join();
    second.join();
    reads.join();
    EXPECT_EQ(*rx.borrow(), 2 * each);
}

}  // namespace
