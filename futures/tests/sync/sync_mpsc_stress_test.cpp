// SPDX-License-Identifier: MIT
// mpsc channels under random operations, compared with a model and between threads, with a runtime and without.
// runs: tsan
#include <eddy/sync/mpsc.hpp>

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/runtime/wait.hpp>
#include <eddy/task/join_handle.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>

#include "support/futures/passed_around.hpp"
#include "support/runtimes.hpp"
#include "support/stress.hpp"

namespace {

using eddy::sync::mpsc;
using eddy::sync::try_recv_error;
using eddy::sync::try_send_reason;
using eddy::test::by_hand;

constexpr unsigned senders = 3;

/// A value that counts its living objects, and knows its sender and its number. The count is relaxed, because it is
/// read only after all threads have ended.
struct message {
    message(std::atomic<std::int64_t>& count, unsigned from, std::uint64_t as)
        : alive(&count), sender(from), number(as) {
        alive->fetch_add(1, std::memory_order_relaxed);
    }
    message(message&& other) noexcept : alive(other.alive), sender(other.sender), number(other.number) {
        alive->fetch_add(1, std::memory_order_relaxed);
    }
    message& operator=(message&& other) noexcept {
        sender = other.sender;
        number = other.number;
        return *this;
    }
    ~message() { alive->fetch_sub(1, std::memory_order_relaxed); }

    std::atomic<std::int64_t>* alive;
    unsigned sender;
    std::uint64_t number;
};

/// Checks that the values of each sender arrive in order.
class sender_order {
public:
    void see(const message& one) {
        EXPECT_LT(last_.at(one.sender), one.number);
        last_.at(one.sender) = one.number;
        ++count_;
    }
    [[nodiscard]] std::uint64_t count() const { return count_; }

private:
    std::array<std::uint64_t, senders> last_{};
    std::uint64_t count_ = 0;
};

// covers: P092
TEST(SyncMpscStress, ThreadsSendAndReceiveInAllWaysWithoutRuntime) {
    const auto rounds = support::rounds(300'000);
    const auto seed = support::seed();
    for (const std::size_t capacity : {1u, 3u, 64u}) {
        std::atomic<std::int64_t> alive{0};
        std::atomic<std::uint64_t> sent{0};  // relaxed: read after join()
        sender_order seen;
        {
            auto [tx, rx] = mpsc<message>::channel(capacity);
            std::vector<std::thread> threads;
            for (unsigned id = 0; id < senders; ++id) {
                threads.emplace_back([&, id, to = tx] {
                    std::mt19937_64 random(seed + id);
                    for (std::uint64_t round = 1; round <= rounds; ++round) {
                        bool was_sent = false;
                        switch (random() % 6) {
                        case 0: was_sent = to.try_send(message(alive, id, round)).has_value(); break;
                        case 1: {  // dropped in any state after one poll
                            by_hand hand(to.send(message(alive, id, round)));
                            const auto answer = hand.poll();
                            was_sent = answer.is_ready() && answer->has_value();
                            break;
                        }
                        case 2: {
                            by_hand hand(to.reserve());
                            auto answer = hand.poll();
                            if (answer.is_ready() && random() % 2 == 0) {
                                (*answer)->send(message(alive, id, round));
                                was_sent = true;
                            }
                            break;
                        }
                        default: was_sent = to.blocking_send(message(alive, id, round)).has_value(); break;
                        }
                        if (was_sent) sent.fetch_add(1, std::memory_order_relaxed);
                    }
                });
            }
            {
                auto gone = std::move(tx);
            }
            std::mt19937_64 random(seed + senders);
            std::vector<message> some;
            for (;;) {
                const auto what = random() % 4;
                if (what == 0) {
                    auto one = rx.try_recv();
                    if (one) seen.see(*one);
                    if (!one && one.error() == try_recv_error::closed) break;
                } else if (what == 1) {
                    by_hand hand(rx.recv());
                    auto answer = hand.poll();
                    if (answer.is_ready() && answer->has_value()) seen.see(**answer);
                } else if (what == 2) {
                    some.clear();
                    rx.blocking_recv_many(some, 1 + random() % 4);
                    for (const auto& one : some) seen.see(one);
                } else if (const auto one = rx.blocking_recv()) {
                    seen.see(*one);
                } else {
                    break;
                }
            }
            for (auto& thread : threads) thread.join();
            EXPECT_EQ(rx.capacity(), capacity);
        }
        EXPECT_EQ(seen.count(), sent.load());
        EXPECT_EQ(alive.load(), 0);
    }
}

// covers: P092
TEST(SyncMpscStress, UnboundedKeepsSenderOrderBetweenThreads) {
    const auto rounds = support::rounds(1'000'000);
    std::atomic<std::int64_t> alive{0};
    sender_order seen;
    {
        auto [tx, rx] = mpsc<message>::unbounded_channel();
        std::vector<std::thread> threads;
        for (unsigned id = 0; id < senders; ++id) {
            threads.emplace_back([&, id, to = tx] {
                for (std::uint64_t round = 1; round <= rounds; ++round) {
                    EXPECT_TRUE(to.send(message(alive, id, round)).has_value());
                }
            });
        }
        {
            auto gone = std::move(tx);
        }
        while (const auto one = rx.blocking_recv()) seen.see(*one);
        for (auto& thread : threads) thread.join();
    }
    EXPECT_EQ(seen.count(), senders * rounds);
    EXPECT_EQ(alive.load(), 0);
}

// covers: P079
TEST(SyncMpscStress, ReceiverIsDroppedWhileThreadsSend) {
    const auto rounds = support::rounds(20'000);
    const auto seed = support::seed();
    std::mt19937_64 random(seed);
    for (std::uint64_t round = 0; round < rounds; ++round) {
        std::atomic<std::int64_t> alive{0};
        {
            auto [tx, rx] = mpsc<message>::channel(2);
            auto [utx, urx] = mpsc<message>::unbounded_channel();
            std::vector<std::thread> threads;
            for (unsigned id = 0; id < 2; ++id) {
                threads.emplace_back([&alive, id, to = tx, unbounded = utx] {
                    for (std::uint64_t i = 1; to.blocking_send(message(alive, id, i)).has_value(); ++i) {
                    }
                    while (unbounded.send(message(alive, id, 0)).has_value()) {
                    }
                    eddy::wait(to.closed());
                });
            }
            for (auto left = random() % 5; left > 0; --left) static_cast<void>(rx.blocking_recv());
            if (random() % 2 == 0) {
                rx.close();
                while (rx.blocking_recv()) {
                }
            }
            {
                auto gone = std::move(rx);
            }
            {
                auto gone = std::move(urx);
            }
            for (auto& thread : threads) thread.join();
        }
        EXPECT_EQ(alive.load(), 0);
    }
}

/// The receiver passes the freed capacity to a waiting sender, under a lock. The freed buffer slot is then used by a
/// sender whose permit is older. Only the channel synchronizes the threads, so TSan reports a race if the channel does
/// not order them.
// covers: P079
TEST(SyncMpscStress, OlderPermitUsesTheSpaceFreedForANewerOne) {
    for (auto left = support::rounds(5'000); left != 0; --left) {
        auto [tx, rx] = mpsc<int>::channel(2);
        auto old = tx.try_reserve();
        ASSERT_TRUE(old.has_value());
        ASSERT_TRUE(tx.try_send(1).has_value());
        by_hand waits(tx.reserve());
        ASSERT_FALSE(waits.poll());
        // Keeps the wait list non-empty. Otherwise the state word would be updated, which would order the threads.
        by_hand waits_longer(tx.reserve());
        ASSERT_FALSE(waits_longer.poll());

        std::atomic<bool> is_sent{false};  // relaxed: must not order the threads
        std::thread newer([&] {
            for (;;) {
                auto mine = waits.poll();
                if (!mine) continue;
                (*mine)->send(2);
                return is_sent.store(true, std::memory_order_relaxed);
            }
        });
        std::thread older([&] {
            while (!is_sent.load(std::memory_order_relaxed)) std::this_thread::yield();
            old->send(3);
        });
        EXPECT_EQ(rx.try_recv(), 1);
        newer.join();
        older.join();
        EXPECT_EQ(rx.try_recv(), 2);
        EXPECT_EQ(rx.try_recv(), 3);
    }
}

/// A sender that finds the channel closed sees the writes that the receiver made before close(). Here, and in the next
/// test, only the channel synchronizes the threads.
// covers: P079
TEST(SyncMpscStress, FailedSendSeesWritesMadeBeforeClose) {
    for (auto left = support::rounds(5'000); left != 0; --left) {
        auto [tx, rx] = mpsc<int>::channel(1);
        int told = 0;
        std::thread closing([&told, from = std::move(rx)]() mutable {
            told = 1;
            from.close();
        });
        for (;;) {
            const auto sent = tx.try_send(1);
            if (!sent && sent.error().reason == try_send_reason::closed) break;
            std::this_thread::yield();
        }
        EXPECT_EQ(told, 1);
        closing.join();
    }
}

/// An object whose first move lasts until `step` is 2. All accesses to `step` are relaxed, because `step` must not
/// order the threads.
struct blocks_its_first_move {
    explicit blocks_its_first_move(std::atomic<int>& at) noexcept : step(&at) {}
    blocks_its_first_move(blocks_its_first_move&& other) noexcept : step(other.step) {
        int fresh = 0;
        if (!step->compare_exchange_strong(fresh, 1, std::memory_order_relaxed)) return;
        while (step->load(std::memory_order_relaxed) != 2) std::this_thread::yield();
    }
    blocks_its_first_move& operator=(blocks_its_first_move&&) = delete;
    ~blocks_its_first_move() = default;

    std::atomic<int>* step;
};

// covers: P080
TEST(SyncMpscStress, LateUnboundedSendSeesWritesMadeBeforeClose) {
    for (auto left = support::rounds(5'000); left != 0; --left) {
        auto [tx, rx] = mpsc<blocks_its_first_move>::unbounded_channel();
        std::atomic<int> step{0};
        int told = 0;
        std::thread closing([&told, &step, from = std::move(rx)]() mutable {
            while (step.load(std::memory_order_relaxed) != 1) std::this_thread::yield();
            told = 1;
            from.close();
            step.store(2, std::memory_order_relaxed);
        });
        EXPECT_FALSE(tx.send(blocks_its_first_move(step)).has_value());
        EXPECT_EQ(told, 1);
        closing.join();
    }
}

// covers: P079
TEST(SyncMpscStress, TasksOnAllWorkersSendToOneReceiver) {
    const auto rounds = support::rounds(500'000);
    support::everywhere([&]() -> eddy::task<void> {
        auto [tx, rx] = mpsc<std::uint64_t>::channel(8);
        auto produce = [](mpsc<std::uint64_t>::sender to, std::uint64_t count) -> eddy::task<void> {
            for (std::uint64_t i = 1; i <= count; ++i) {
                const auto sent = co_await to.send(i);
                EXPECT_TRUE(sent.has_value());
            }
        };
        for (unsigned id = 0; id < senders; ++id) eddy::spawn(produce(tx, rounds)).detach();
        {
            auto gone = std::move(tx);
        }
        std::uint64_t sum = 0;
        while (const auto value = co_await rx.recv()) sum += *value;
        EXPECT_EQ(sum, senders * (rounds * (rounds + 1) / 2));
    });
}

TEST(SyncMpscStress, ReservesMovedBetweenThreadsLoseNoCapacity) {
    auto [tx, rx] = mpsc<std::unique_ptr<int>>::channel(3);
    std::atomic<std::uint64_t> sent = 0;
    std::atomic<bool> over = false;
    std::uint64_t received = 0;
    std::thread receiver([&, &from = rx] {
        while (true) {
            // acquire: pairs with the release store of `over`. All values were sent before that store.
            const bool was_over = over.load(std::memory_order_acquire);
            bool is_any = false;
            while (from.try_recv()) ++received, is_any = true;
            if (was_over && !is_any) return;
            std::this_thread::yield();
        }
    });
    support::pass_around([&to = tx] { return to.reserve(); },
                         [&](auto permit, auto& random) {
                             if (random() % 2 == 0) return;
                             permit->send(std::make_unique<int>(1));
                             ++sent;
                         });
    over.store(true, std::memory_order_release);
    receiver.join();
    EXPECT_EQ(received, sent.load());
    EXPECT_EQ(tx.capacity(), 3u);
}

// ---- Against a model ----

// covers: P079
TEST(SyncMpsc, RandomOperationsMatchAModel) {
    // The model: a queue, the free capacity, and the waiting requests. A request is granted if it is the first one and
    // capacity is free. It sends its value at the next poll.
    struct request {
        request(const mpsc<int>::sender& tx, int sent) : value(sent), hand(tx.send(sent)) {}

        int value;
        by_hand<mpsc<int>::send_future> hand;
        bool is_granted = false;
    };
    std::mt19937_64 random(support::seed());
    const auto below = [&](std::size_t end) { return static_cast<std::size_t>(random() % end); };
    for (int run = 0; run < 300; ++run) {
        const std::size_t capacity = 1 + below(4);
        auto [tx, rx] = mpsc<int>::channel(capacity);
        std::size_t room = capacity;
        std::deque<int> queue;
        std::list<request> line;
        std::vector<mpsc<int>::permit> permits;
        bool is_closed = false;
        int next = 0;
        const auto has_waiter = [&] {
            for (const auto& one : line) {
                if (!one.is_granted) return true;
            }
            return false;
        };
        const auto serve = [&] {
            for (auto& one : line) {
                if (one.is_granted || is_closed) continue;
                if (room == 0) return;
                --room;
                one.is_granted = true;
            }
        };
        for (int step = 0; step < 150; ++step) {
            const auto what = below(9);
            if (what < 2) {
                auto& one = line.emplace_back(tx, ++next);
                one.is_granted = true;  // keeps has_waiter() from counting this request
                const bool is_open = !is_closed && room > 0 && !has_waiter();
                auto answer = one.hand.poll();
                ASSERT_EQ(answer.is_ready(), is_open || is_closed);
                if (is_open) {
                    --room;
                    queue.push_back(next);
                }
                if (answer.is_ready()) {
                    ASSERT_EQ(answer->has_value(), !is_closed);
                    line.pop_back();
                } else {
                    one.is_granted = false;
                }
            } else if (what == 2) {
                const bool is_open = !is_closed && room > 0 && !has_waiter();
                ASSERT_EQ(tx.try_send(++next).has_value(), is_open);
                if (is_open) {
                    --room;
                    queue.push_back(next);
                }
            } else if (what == 3) {
                const bool is_open = !is_closed && room > 0 && !has_waiter();
                auto permit = tx.try_reserve();
                ASSERT_EQ(permit.has_value(), is_open);
                if (is_open) {
                    --room;
                    permits.push_back(std::move(*permit));
                }
            } else if (what == 4 && !permits.empty()) {
                if (below(2) == 0) {
                    permits.back().send(++next);
                    queue.push_back(next);
                } else {
                    ++room;
                }
                permits.pop_back();
                serve();
            } else if (what == 5 && !line.empty()) {
                const auto at = std::next(line.begin(), static_cast<std::ptrdiff_t>(below(line.size())));
                if (below(2) == 0) {
                    auto answer = at->hand.poll();
                    ASSERT_EQ(answer.is_ready(), at->is_granted || is_closed);
                    if (!answer.is_ready()) continue;
                    ASSERT_EQ(answer->has_value(), at->is_granted);
                    if (at->is_granted) queue.push_back(at->value);
                } else if (at->is_granted) {
                    ++room;
                }
                line.erase(at);
                serve();
            } else if (what < 8) {
                auto value = rx.try_recv();
                ASSERT_EQ(value.has_value(), !queue.empty());
                if (value) {
                    ASSERT_EQ(*value, queue.front());
                    queue.pop_front();
                    ++room;
                    serve();
                } else {
                    ASSERT_EQ(value.error() == try_recv_error::closed, is_closed && room == capacity);
                }
            } else if (below(30) == 0) {
                rx.close();
                is_closed = true;
            }
            ASSERT_EQ(tx.capacity(), room);
            ASSERT_EQ(rx.len(), queue.size());
            for (const auto& one : line) ASSERT_EQ(one.hand.is_woken(), one.is_granted || is_closed);
        }
        line.clear();
        permits.clear();
    }
}

}  // namespace
