// SPDX-License-Identifier: MIT
// Tests of the explorer: litmus tests whose outcomes the C++ memory model defines, and the reduction of executions.
// explorer_finds_test.cpp tests the mistakes that it must find.
#include "explore/explore.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <random>
#include <set>
#include <utility>

#include <eddy/detail/atomic.hpp>

namespace {

using eddy::detail::atomic;
using eddy::detail::mutex;
using explore::check;
using explore::fails;
using explore::holds;
using std::memory_order;
using enum std::memory_order;

/// The results of a model's executions.
class outcomes {
public:
    void add(int first, int second) { seen_.emplace(first, second); }
    [[nodiscard]] bool has(int first, int second) const { return seen_.contains({first, second}); }
    [[nodiscard]] std::size_t count() const { return seen_.size(); }

private:
    std::set<std::pair<int, int>> seen_;
};

constexpr explore::options everything{.preemptions = 100, .stale_reads = 100, .is_reduced = false};
constexpr explore::options everything_reduced{.preemptions = 100, .stale_reads = 100};

// ---- Litmus tests ----

/// Two threads that each store to one atomic and load the other (Dekker).
outcomes store_buffering(memory_order store, memory_order load, const explore::options& chosen) {
    outcomes seen;
    EXPECT_TRUE(holds(chosen, [&] {
        atomic<int> x{0};
        atomic<int> y{0};
        int first = -1;
        int second = -1;
        {
            explore::thread a([&] {
                x.store(1, store);
                first = y.load(load);
            });
            explore::thread b([&] {
                y.store(1, store);
                second = x.load(load);
            });
        }
        explore::outside([&] { seen.add(first, second); });
    }));
    return seen;
}

TEST(ExploreLitmus, StoreBufferingIsSeenUnlessSeqCst) {
    for (const auto& chosen : {everything, everything_reduced}) {
        EXPECT_TRUE(store_buffering(relaxed, relaxed, chosen).has(0, 0));
        EXPECT_TRUE(store_buffering(release, acquire, chosen).has(0, 0));
        EXPECT_TRUE(store_buffering(seq_cst, acquire, chosen).has(0, 0));
        EXPECT_TRUE(store_buffering(release, seq_cst, chosen).has(0, 0));
        const auto ordered = store_buffering(seq_cst, seq_cst, chosen);
        EXPECT_FALSE(ordered.has(0, 0));
        EXPECT_EQ(ordered.count(), 3u);
    }
}

outcomes message_passing(memory_order store, memory_order load, const explore::options& chosen) {
    outcomes seen;
    EXPECT_TRUE(holds(chosen, [&] {
        atomic<int> data{0};
        atomic<int> flag{0};
        int flag_seen = -1;
        int data_seen = -1;
        {
            explore::thread a([&] {
                data.store(1, relaxed);
                flag.store(1, store);
            });
            explore::thread b([&] {
                flag_seen = flag.load(load);
                data_seen = data.load(relaxed);
            });
        }
        explore::outside([&] { seen.add(flag_seen, data_seen); });
    }));
    return seen;
}

TEST(ExploreLitmus, MessagePassingNeedsReleaseAndAcquire) {
    for (const auto& chosen : {everything, everything_reduced}) {
        EXPECT_FALSE(message_passing(release, acquire, chosen).has(1, 0));
        EXPECT_EQ(message_passing(release, acquire, chosen).count(), 3u);
        EXPECT_TRUE(message_passing(relaxed, acquire, chosen).has(1, 0));
        EXPECT_TRUE(message_passing(release, relaxed, chosen).has(1, 0));
    }
}

TEST(ExploreLitmus, ReadModifyWritesContinueReleaseSequence) {
    for (const bool modifies : {true, false}) {
        outcomes seen;
        EXPECT_TRUE(holds(everything_reduced, [&] {
            atomic<int> data{0};
            atomic<int> flag{0};
            int flag_seen = -1;
            int data_seen = -1;
            {
                explore::thread a([&] {
                    data.store(1, relaxed);
                    flag.store(1, release);
                    if (!modifies) flag.store(2, relaxed);  // since C++20 this ends the sequence
                });
                explore::thread b([&] {
                    if (modifies) flag.fetch_add(1, relaxed);
                });
                explore::thread c([&] {
                    flag_seen = flag.load(acquire);
                    data_seen = data.load(relaxed);
                });
            }
            explore::outside([&] { seen.add(flag_seen, data_seen); });
        }));
        EXPECT_TRUE(seen.has(2, 1));
        EXPECT_EQ(seen.has(2, 0), !modifies);
    }
}

TEST(ExploreLitmus, LoadsOfOneThreadAreCoherent) {
    outcomes seen;
    EXPECT_TRUE(holds(everything_reduced, [&] {
        atomic<int> x{0};
        int first = -1;
        int second = -1;
        {
            explore::thread a([&] {
                x.store(1, relaxed);
                x.store(2, relaxed);
            });
            explore::thread b([&] {
                first = x.load(relaxed);
                second = x.load(relaxed);
            });
        }
        explore::outside([&] { seen.add(first, second); });
    }));
    EXPECT_EQ(seen.count(), 6u);
    for (const auto& [first, second] : {std::pair(1, 0), std::pair(2, 0), std::pair(2, 1)}) {
        EXPECT_FALSE(seen.has(first, second));
    }
}

/// Two writers, and two readers that may disagree on the order of the writes.
bool readers_disagree(memory_order store, memory_order load, const explore::options& chosen) {
    outcomes seen;
    EXPECT_TRUE(holds(chosen, [&] {
        atomic<int> x{0};
        atomic<int> y{0};
        int first = 0;
        int second = 0;
        {
            explore::thread a([&] { x.store(1, store); });
            explore::thread b([&] { y.store(1, store); });
            explore::thread c([&] {
                first = x.load(load);
                first = first * 10 + y.load(load);
            });
            explore::thread d([&] {
                second = y.load(load);
                second = second * 10 + x.load(load);
            });
        }
        explore::outside([&] { seen.add(first, second); });
    }));
    return seen.has(10, 10);
}

TEST(ExploreLitmus, ReadersMayDisagreeUnlessSeqCst) {
    EXPECT_TRUE(readers_disagree(release, acquire, everything_reduced));
    EXPECT_TRUE(readers_disagree(release, acquire, {.preemptions = 1}));
    EXPECT_FALSE(readers_disagree(seq_cst, seq_cst, everything_reduced));
}

TEST(ExploreLitmus, ReadModifyWritesReadNewestStore) {
    EXPECT_TRUE(holds(everything, [] {
        atomic<int> x{0};
        {
            explore::thread a([&] { x.fetch_add(1, relaxed); });
            explore::thread b([&] { x.fetch_add(1, relaxed); });
        }
        check(x.load(relaxed) == 2, "no addition is lost");
    }));
    EXPECT_TRUE(fails(
        [] {
            atomic<int> x{0};
            {
                explore::thread a([&] { x.store(x.load(seq_cst) + 1, seq_cst); });
                explore::thread b([&] { x.store(x.load(seq_cst) + 1, seq_cst); });
            }
            check(x.load(relaxed) == 2, "no addition is lost");
        },
        "no addition is lost"));
}

/// Each thread reads what the other one writes afterwards (load buffering).
outcomes load_buffering(memory_order load, memory_order store, unsigned early_reads) {
    outcomes seen;
    EXPECT_TRUE(holds({.preemptions = 100, .early_reads = early_reads}, [&] {
        atomic<int> x{0};
        atomic<int> y{0};
        int first = -1;
        int second = -1;
        {
            explore::thread a([&] {
                first = x.load(load);
                y.store(1, store);
            });
            explore::thread b([&] {
                second = y.load(load);
                x.store(1, store);
            });
        }
        explore::outside([&] { seen.add(first, second); });
    }));
    return seen;
}

TEST(ExploreLitmus, EarlyReadsSeeLaterStores) {
    EXPECT_TRUE(load_buffering(relaxed, relaxed, 1).has(1, 1));
    EXPECT_FALSE(load_buffering(relaxed, relaxed, 0).has(1, 1));
    EXPECT_FALSE(load_buffering(acquire, relaxed, 1).has(1, 1));
    // Release stores alone do not prevent early reads: the relaxed loads that read these stores do not acquire.
    EXPECT_TRUE(load_buffering(relaxed, release, 1).has(1, 1));
}

TEST(ExploreLitmus, ValuesDoNotComeFromThinAir) {
    EXPECT_TRUE(holds({.preemptions = 100, .early_reads = 2}, [] {
        atomic<int> x{0};
        atomic<int> y{0};
        explore::thread a([&] { y.store(x.load(relaxed), relaxed); });
        explore::thread b([&] { x.store(y.load(relaxed), relaxed); });
        a.join();
        b.join();
        check(x.load(relaxed) == 0, "no thread has stored another value");
    }));
}

TEST(ExploreLitmus, ReleaseKeepsEarlierLoadBeforeIt) {
    for (const bool orders : {true, false}) {
        const auto model = [=] {
            atomic<int> place{1};
            atomic<bool> is_free{false};
            explore::thread reader([&] {
                check(place.load(relaxed) == 1, "the place is read before it is released");
                is_free.store(true, orders ? release : relaxed);
            });
            explore::thread writer([&] {
                if (is_free.load(acquire)) place.store(2, relaxed);
            });
        };
        if (orders) {
            EXPECT_TRUE(holds({.early_reads = 1}, model));
        } else {
            EXPECT_TRUE(holds(model));
            EXPECT_TRUE(fails({.early_reads = 1}, model, "the place is read before"));
        }
    }
}

// ---- The reduction skips no outcome ----

TEST(ExploreReduction, FindsSameOutcomesInFewerExecutions) {
    std::uint64_t executions[2] = {};
    outcomes seen[2];
    for (const bool is_reduced : {false, true}) {
        const auto found = explore::run(is_reduced ? everything_reduced : everything, [&, is_reduced] {
            atomic<int> x{0};
            atomic<int> y{0};
            mutex lock;
            int in_order = 0;
            int sum = 0;
            {
                explore::thread a([&] {
                    x.fetch_add(1, relaxed);
                    std::lock_guard guard(lock);
                    in_order = in_order * 10 + 1;
                });
                explore::thread b([&] {
                    y.store(1, release);
                    std::lock_guard guard(lock);
                    in_order = in_order * 10 + 2;
                });
                explore::thread c([&] {
                    sum = x.exchange(5, relaxed);
                    sum = sum * 10 + y.load(acquire);
                });
            }
            sum = sum * 10 + x.load(relaxed);
            explore::outside([&] { seen[is_reduced].add(in_order, sum); });
        });
        EXPECT_TRUE(found.is_complete && !found.has_failed) << found.what;
        executions[is_reduced] = found.executions;
    }
    EXPECT_GT(seen[0].count(), 4u);
    EXPECT_EQ(seen[0].count(), seen[1].count());
    EXPECT_LT(executions[1] * 3, executions[0]);
}

/// A random program of three threads. Its outcome consists of the values that its operations have read.
class random_program {
public:
    explicit random_program(std::uint64_t seed) {
        std::mt19937_64 random(seed);
        for (auto& thread : threads_) {
            for (auto& one : thread)
                one = {static_cast<int>(random() % 7), static_cast<int>(random() % 2), random() % 3};
        }
    }

    [[nodiscard]] std::set<std::uint64_t> outcomes(const explore::options& chosen) const {
        std::set<std::uint64_t> seen;
        const auto found = explore::run(chosen, [&] {
            atomic<std::uint64_t> places[2];
            mutex lock;
            std::uint64_t guarded = 0;
            std::uint64_t ends[3] = {};
            {
                const auto run = [&](unsigned id) {
                    std::uint64_t read = 0;
                    for (const step& one : threads_[id]) {
                        read = read * 16 + perform(one, places[one.place], lock, guarded, id + 1);
                    }
                    ends[id] = read;
                };
                explore::thread a([&] { run(0); });
                explore::thread b([&] { run(1); });
                explore::thread c([&] { run(2); });
            }
            const std::uint64_t end = ends[0] << 32 | ends[1] << 20 | ends[2] << 8 | (guarded & 0xff);
            explore::outside([&] { seen.insert(end); });
        });
        EXPECT_TRUE(found.is_complete && !found.has_failed) << found.what;
        executions_ += found.executions;
        return seen;
    }
    [[nodiscard]] std::uint64_t executions() const { return std::exchange(executions_, 0); }

private:
    struct step {
        int what;
        int place;
        std::uint64_t order;
    };

    static std::uint64_t perform(const step& one, atomic<std::uint64_t>& place, mutex& lock, std::uint64_t& guarded,
                                 std::uint64_t id) {
        constexpr memory_order loads[] = {relaxed, acquire, seq_cst};
        constexpr memory_order stores[] = {relaxed, release, seq_cst};
        constexpr memory_order changes[] = {relaxed, acq_rel, seq_cst};
        switch (one.what) {
        case 0:
        case 1: return place.load(loads[one.order]);
        case 2:
        case 3: place.store(id, stores[one.order]); return 0;
        case 4: return place.fetch_or(id << 2, changes[one.order]);
        case 5: {
            std::uint64_t expected = 0;
            return place.compare_exchange_strong(expected, id, changes[one.order], relaxed);
        }
        default:
            std::lock_guard guard(lock);
            guarded = guarded * 4 + id;
            return guarded & 15;
        }
    }

    std::array<std::array<step, 3>, 3> threads_;
    mutable std::uint64_t executions_ = 0;
};

TEST(ExploreReduction, KeepsOutcomesOfRandomPrograms) {
    std::uint64_t all = 0;
    std::uint64_t reduced = 0;
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        const random_program program(seed);
        // With 100 preemptions the outcomes are the same, too, but the test takes minutes.
        for (const unsigned preemptions : {1u, 2u}) {
            explore::options chosen{.preemptions = preemptions, .stale_reads = 100, .is_reduced = false};
            const auto expected = program.outcomes(chosen);
            all += program.executions();
            chosen.is_reduced = true;
            EXPECT_EQ(program.outcomes(chosen), expected) << "seed " << seed << ", preemptions " << preemptions;
            reduced += program.executions();
        }
    }
    EXPECT_LT(reduced * 3, all);
}

}  // namespace
