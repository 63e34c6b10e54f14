// SPDX-License-Identifier: MIT
// Locks and permits under random operations, compared with a model and on several threads.
// runs: tsan
#include <eddy/sync/mutex.hpp>
#include <eddy/sync/rwlock.hpp>
#include <eddy/sync/semaphore.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <random>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include <eddy/runtime/wait.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>

#include "support/futures/passed_around.hpp"
#include "support/stress.hpp"

namespace {

using eddy::sync::mutex;
using eddy::sync::rwlock;
using eddy::sync::semaphore;
using eddy::test::by_hand;

// ---- semaphore: against a model ----

/// A simple model of a semaphore.
class semaphore_model {
public:
    struct request {
        std::size_t needed;
        bool is_granted = false;
    };

    explicit semaphore_model(std::size_t free) : free_(free) {}

    /// Returns whether the request is granted immediately. Otherwise adds the request to the queue.
    bool acquire(request& one) {
        if (!is_open_to(one.needed)) {
            line_.push_back(&one);
            return false;
        }
        free_ -= one.needed;
        one.is_granted = true;
        return true;
    }
    bool try_acquire(std::size_t count) {
        if (!is_open_to(count)) return false;
        free_ -= count;
        return true;
    }
    void release(std::size_t count) {
        free_ += count;
        serve();
    }
    void leave(request& one) {
        if (one.is_granted) return release(one.needed);
        line_.remove(&one);
        serve();
    }
    std::size_t forget(std::size_t count) {
        const auto taken = std::min(count, free_);
        free_ -= taken;
        return taken;
    }
    [[nodiscard]] std::size_t free() const { return free_; }

private:
    [[nodiscard]] bool is_open_to(std::size_t count) const { return line_.empty() && free_ >= count; }
    void serve() {
        while (!line_.empty() && line_.front()->needed <= free_) {
            free_ -= line_.front()->needed;
            line_.front()->is_granted = true;
            line_.pop_front();
        }
    }

    std::size_t free_;
    std::list<request*> line_;
};

// covers: P086
TEST(SyncSemaphore, RandomOperationsMatchAModel) {
    struct waiting {
        semaphore_model::request request;
        by_hand<semaphore::acquire_future> hand;
    };
    std::mt19937_64 random(support::seed());
    const auto below = [&](std::size_t end) { return static_cast<std::size_t>(random() % end); };
    for (int run = 0; run < 200; ++run) {
        const std::size_t at_first = below(5);
        semaphore permits(at_first);
        semaphore_model model(at_first);
        std::list<std::unique_ptr<waiting>> line;
        std::vector<semaphore::permit> held;
        for (int step = 0; step < 200; ++step) {
            const auto what = below(10);
            if (what < 4) {
                const std::size_t count = 1 + below(4);
                auto& one = line.emplace_back(new waiting{{count}, by_hand(permits.acquire(count))});
                auto answer = one->hand.poll();
                ASSERT_EQ(answer.is_ready(), model.acquire(one->request));
                if (answer.is_ready()) {
                    held.push_back(std::move(**answer));
                    line.pop_back();
                }
            } else if (what < 6 && !line.empty()) {
                const auto at = std::next(line.begin(), static_cast<std::ptrdiff_t>(below(line.size())));
                auto answer = (*at)->hand.poll();
                ASSERT_EQ(answer.is_ready(), (*at)->request.is_granted);
                if (answer.is_ready()) {
                    held.push_back(std::move(**answer));
                    line.erase(at);
                }
            } else if (what == 6 && !line.empty()) {
                const auto at = std::next(line.begin(), static_cast<std::ptrdiff_t>(below(line.size())));
                model.leave((*at)->request);
                line.erase(at);
            } else if (what == 7) {
                const std::size_t count = below(3);
                auto taken = permits.try_acquire(count);
                if (count != 0) {
                    ASSERT_EQ(taken.has_value(), model.try_acquire(count));
                }
                if (taken) held.push_back(std::move(*taken));
            } else if (what == 8 && !held.empty()) {
                const auto at = below(held.size());
                std::swap(held[at], held.back());
                if (auto part = held.back().split(1)) {
                    model.release(part->num_permits());
                } else {
                    held.pop_back();
                }
            } else if (what == 9) {
                if (below(2) == 0) {
                    permits.add_permits(1);
                    model.release(1);
                } else {
                    ASSERT_EQ(permits.forget_permits(1), model.forget(1));
                }
            }
            ASSERT_EQ(permits.available_permits(), model.free());
            for (const auto& one : line) ASSERT_EQ(one->hand.is_woken(), one->request.is_granted);
        }
    }
}

// ---- semaphore: many threads ----

// covers: P092
TEST(SyncSemaphoreStress, ThreadsNeverHoldTooManyPermits) {
    constexpr std::size_t all = 5;
    semaphore permits(all);
    std::atomic<std::size_t> out{0};
    const auto rounds = support::rounds(400'000);
    const auto seed = support::seed();
    std::vector<std::thread> threads;
    for (unsigned id = 0; id < 4; ++id) {
        threads.emplace_back([&, id] {
            std::mt19937_64 random(seed + id);
            for (std::uint64_t round = 0; round < rounds; ++round) {
                const std::size_t count = 1 + random() % all;
                switch (random() % 3) {
                case 0: {  // polled once, and dropped in any state
                    by_hand hand(permits.acquire(count));
                    const auto answer = hand.poll();
                    break;
                }
                case 1: {
                    auto permit = permits.try_acquire(count);
                    if (!permit) break;
                    EXPECT_LE(out.fetch_add(count) + count, all);
                    out.fetch_sub(count);
                    break;
                }
                default: {
                    auto permit = permits.blocking_acquire(count);
                    EXPECT_LE(out.fetch_add(count) + count, all);
                    out.fetch_sub(count);
                    break;
                }
                }
            }
        });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(permits.available_permits(), all);
}

// covers: P086
TEST(SyncSemaphoreStress, CloseEndsBlockedThreads) {
    const auto rounds = support::rounds(20'000);
    for (std::uint64_t round = 0; round < rounds; ++round) {
        semaphore permits(1);
        std::thread other([&] {
            while (permits.blocking_acquire()) continue;
        });
        {
            const auto held = permits.blocking_acquire();
            EXPECT_TRUE(held.has_value());
        }
        permits.close();
        other.join();
        EXPECT_EQ(permits.available_permits(), 1u);
    }
}

TEST(SyncSemaphoreStress, AcquiresMovedBetweenThreadsLoseNoPermit) {
    semaphore permits(7);
    std::atomic<std::uint64_t> made = 0;  // relaxed: only a counter
    std::atomic<int> taken = 0;
    support::pass_around([&] { return permits.acquire(1 + made.fetch_add(1, std::memory_order_relaxed) % 7); },
                         [&](auto permit, auto& random) {
                             const int count = static_cast<int>(permit->num_permits());
                             EXPECT_LE(taken += count, 7);
                             if (random() % 4 == 0) std::this_thread::yield();
                             taken -= count;
                         });
    EXPECT_EQ(permits.available_permits(), 7u);
}

// ---- mutex: many threads ----

// covers: P092
TEST(SyncMutexStress, ThreadsLockExclusivelyWithoutRuntime) {
    mutex<std::uint64_t> m;
    const auto rounds = support::rounds(60'000);
    const auto seed = support::seed();
    std::atomic<std::uint64_t> locked{0};  // relaxed: read after join()
    std::vector<std::thread> threads;
    for (unsigned id = 0; id < 4; ++id) {
        threads.emplace_back([&, id] {
            std::mt19937_64 random(seed + id);
            for (std::uint64_t round = 0; round < rounds; ++round) {
                const auto what = random() % 4;
                if (what == 0) {  // dropped after one poll in any state: waiting, granted, or ready
                    by_hand hand(m.lock());
                    if (auto guard = hand.poll()) {
                        ++**guard;
                        locked.fetch_add(1, std::memory_order_relaxed);
                    }
                } else if (what == 1) {
                    if (auto guard = m.try_lock()) {
                        ++**guard;
                        locked.fetch_add(1, std::memory_order_relaxed);
                    }
                } else {
                    auto guard = m.blocking_lock();
                    ++*guard;
                    locked.fetch_add(1, std::memory_order_relaxed);
                }
            }
        });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(m.get_mut(), locked.load());
}

// covers: P084
TEST(SyncMutexStress, NextOwnerMayDestroyTheMutex) {
    // The next owner may destroy the mutex: the previous owner no longer accesses it.
    const auto rounds = support::rounds(20'000);
    for (std::uint64_t round = 0; round < rounds; ++round) {
        auto m = std::make_unique<mutex<bool>>(false);
        std::atomic<bool> is_locked{false};
        std::thread other([&is_locked, &m = *m] {
            auto guard = m.blocking_lock();
            is_locked = true;
            *guard = true;
        });
        while (!is_locked) std::this_thread::yield();
        EXPECT_TRUE(*m->blocking_lock());
        m.reset();
        other.join();
    }
}

// ---- rwlock: against a model ----

// covers: P085
TEST(SyncRwlock, RandomOperationsMatchAModel) {
    // The requests in the order of their arrival. A lock is granted if it is compatible with all earlier requests.
    using guard = std::variant<std::monostate, rwlock<int>::read_guard, rwlock<int>::write_guard>;
    struct visitor {
        bool writes;
        std::optional<by_hand<eddy::sync::lock_future<rwlock<int>::read_guard>>> reading;
        std::optional<by_hand<eddy::sync::lock_future<rwlock<int>::write_guard>>> writing;
        guard held;
        bool is_granted = false;
    };
    std::mt19937_64 random(support::seed());
    const auto below = [&](std::size_t end) { return static_cast<std::size_t>(random() % end); };
    for (int run = 0; run < 200; ++run) {
        const auto limit = static_cast<std::uint32_t>(1 + below(4));
        rwlock<int> lock(0, limit);
        std::list<visitor> line;
        const auto serve = [&] {
            std::size_t readers = 0;
            std::size_t writers = 0;
            for (const auto& one : line) {
                if (one.is_granted) ++(one.writes ? writers : readers);
            }
            for (auto& one : line) {
                if (one.is_granted) continue;
                if (one.writes ? readers + writers != 0 : writers != 0 || readers == limit) return;
                one.is_granted = true;
                ++(one.writes ? writers : readers);
            }
        };
        const auto poll = [](visitor& one) {
            if (one.held.index() != 0) return;
            if (one.writes) {
                if (auto answer = one.writing->poll()) one.held = std::move(*answer);
            } else {
                if (auto answer = one.reading->poll()) one.held = std::move(*answer);
            }
        };
        for (int step = 0; step < 200; ++step) {
            const auto what = below(4);
            if (what < 2 && line.size() < 8) {
                auto& one = line.emplace_back();
                one.writes = below(3) == 0;
                if (one.writes) {
                    one.writing.emplace(lock.write());
                } else {
                    one.reading.emplace(lock.read());
                }
                serve();
                poll(one);
                ASSERT_EQ(one.held.index() != 0, one.is_granted);
            } else if (!line.empty()) {
                const auto at = std::next(line.begin(), static_cast<std::ptrdiff_t>(below(line.size())));
                if (what == 2) {
                    poll(*at);
                    ASSERT_EQ(at->held.index() != 0, at->is_granted);
                } else {
                    line.erase(at);
                    serve();
                }
            }
            for (const auto& one : line) {
                if (one.held.index() != 0) continue;
                ASSERT_EQ(one.writes ? one.writing->is_woken() : one.reading->is_woken(), one.is_granted);
            }
        }
    }
}

// ---- rwlock: many threads ----

// covers: P092
TEST(SyncRwlockStress, ReadersSeeWholeValuesWithoutRuntime) {
    struct pair {
        std::uint64_t a = 0;
        std::uint64_t b = 0;
    };
    rwlock<pair> lock(pair(), 3);
    const auto rounds = support::rounds(200'000);
    const auto seed = support::seed();
    std::atomic<std::uint64_t> written{0};  // relaxed: read after join()
    std::vector<std::thread> threads;
    for (unsigned id = 0; id < 4; ++id) {
        threads.emplace_back([&, id] {
            std::mt19937_64 random(seed + id);
            for (std::uint64_t round = 0; round < rounds; ++round) {
                switch (random() % 5) {
                case 0: {
                    auto writer = lock.blocking_write();
                    ++writer->a;
                    ++writer->b;
                    written.fetch_add(1, std::memory_order_relaxed);
                    const auto reader = std::move(writer).downgrade();
                    EXPECT_EQ(reader->a, reader->b);
                    break;
                }
                case 1: {
                    by_hand hand(lock.write());  // dropped in any state after one poll
                    const auto answer = hand.poll();
                    break;
                }
                case 2: {
                    by_hand hand(lock.read());
                    const auto answer = hand.poll();
                    break;
                }
                default: {
                    const auto reader = lock.blocking_read();
                    EXPECT_EQ(reader->a, reader->b);
                    break;
                }
                }
            }
        });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(lock.get_mut().a, written.load());
}

TEST(SyncRwlockStress, LocksMovedBetweenThreadsAreReleased) {
    rwlock<int> lock(0);
    std::atomic<int> inside = 0;
    std::atomic<std::uint64_t> made = 0;  // relaxed: only a counter
    support::pass_around(
        [&]() -> eddy::task<int> {
            if (made.fetch_add(1, std::memory_order_relaxed) % 3 == 0) {
                auto guard = co_await lock.write();
                EXPECT_EQ(inside.exchange(1), 0);
                ++*guard;
                inside.store(0);
            } else {
                auto guard = co_await lock.read();
                EXPECT_EQ(inside.load(), 0);
            }
            co_return 0;
        },
        [](auto&&...) {});
    EXPECT_TRUE(lock.try_write().has_value());
}

}  // namespace
