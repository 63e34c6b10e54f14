// SPDX-License-Identifier: MIT
// Tests of the explorer: litmus tests whose outcomes the C++ memory model defines, and mistakes of each kind that it
// must find.
#include "explore/explore.hpp"

#include <gtest/gtest.h>

#include <array>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <utility>

#include <eddy/detail/atomic.hpp>

namespace {

using eddy::detail::atomic;
using eddy::detail::condition_variable;
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
    // Release stores alone do not prevent it: the relaxed loads that read them do not acquire.
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

// ---- Each kind of mistake is found ----

TEST(ExploreFinds, RaceOnPlainMemory) {
    EXPECT_TRUE(fails(
        [] {
            int data = 0;
            explore::thread a([&] { data = 1; });
            explore::thread b([&] { data = 2; });
        },
        "a data race"));
    EXPECT_TRUE(fails(
        [] {
            explore::cell<int> data;
            atomic<bool> flag{false};
            explore::thread a([&] {
                data.write(1);
                flag.store(true, relaxed);
            });
            explore::thread b([&] {
                if (flag.load(acquire)) static_cast<void>(data.read());
            });
        },
        "a data race"));
    EXPECT_TRUE(holds([] {
        explore::cell<int> data;
        atomic<bool> flag{false};
        explore::thread a([&] {
            data.write(1);
            flag.store(true, release);
        });
        explore::thread b([&] {
            if (flag.load(acquire)) static_cast<void>(data.read());
        });
    }));
}

TEST(ExploreFinds, NoRaceBetweenNeighboringBytes) {
    EXPECT_TRUE(holds([] {
        struct {
            char first = 0;
            char second = 0;
        } both;
        atomic<bool> flag{false};
        explore::thread a([&] {
            both.first = 1;
            flag.store(true, release);
            both.second = 1;
        });
        explore::thread b([&] {
            if (flag.load(acquire)) check(both.first == 1, "the write is visible");
        });
    }));
}

TEST(ExploreFinds, UseAfterFreeDoubleFreeAndLeak) {
    EXPECT_TRUE(fails(
        [] {
            int* volatile number = new int(1);
            delete number;
            check(*number == 1, "the number is 1");
        },
        "a use of freed memory"));
    EXPECT_TRUE(fails(
        [] {
            int* volatile number = new int(1);
            delete number;
            delete number;
        },
        "a double free"));
    EXPECT_TRUE(fails(
        [] {
            int* volatile number = new int(1);
            static_cast<void>(number);
        },
        "a leak"));
}

struct counted {
    atomic<int> references{2};
    int value = 0;
};

void drop_reference(counted* shared, memory_order order) {
    check(shared->value == 0, "the value is unchanged");
    if (shared->references.fetch_sub(1, order) == 1) delete shared;
}

TEST(ExploreFinds, DeleteUnorderedWithLastUse) {
    for (const memory_order order : {relaxed, acquire, release}) {
        EXPECT_TRUE(fails(
            [&] {
                auto* const shared = new counted;
                explore::thread a([=] { drop_reference(shared, order); });
                explore::thread b([=] { drop_reference(shared, order); });
            },
            "a data race"));
    }
    EXPECT_TRUE(holds([] {
        auto* const shared = new counted;
        explore::thread a([=] { drop_reference(shared, acq_rel); });
        explore::thread b([=] { drop_reference(shared, acq_rel); });
    }));
}

TEST(ExploreFinds, AtomicPublishedBeforeConstruction) {
    const auto publish = [](memory_order order) {
        return [order] {
            struct node {
                atomic<int> number{7};
            };
            node* kept = nullptr;
            {
                atomic<node*> place{nullptr};
                explore::thread a([&] {
                    kept = new node;
                    place.store(kept, order);
                });
                explore::thread b([&] {
                    if (node* const seen = place.load(acquire)) static_cast<void>(seen->number.load(relaxed));
                });
            }
            delete kept;
        };
    };
    EXPECT_TRUE(fails(publish(relaxed), "after its construction"));
    EXPECT_TRUE(holds(publish(release)));
}

TEST(ExploreFinds, DeadlockOfTwoLocks) {
    EXPECT_TRUE(fails(
        [] {
            mutex a;
            mutex b;
            explore::thread first([&] {
                std::lock_guard one(a);
                std::lock_guard two(b);
            });
            explore::thread second([&] {
                std::lock_guard one(b);
                std::lock_guard two(a);
            });
        },
        "a deadlock"));
}

TEST(ExploreFinds, LostWakeUp) {
    const auto wait_for_flag = [](bool looks_under_the_lock) {
        return [=] {
            mutex lock;
            condition_variable changed;
            atomic<bool> flag{false};
            explore::thread waker([&] {
                flag.store(true);
                std::unique_lock guard(lock, std::defer_lock);
                if (looks_under_the_lock) guard.lock();
                changed.notify_one();
            });
            std::unique_lock guard(lock);
            while (!flag.load()) changed.wait(guard);
            guard.unlock();
        };
    };
    EXPECT_TRUE(holds(wait_for_flag(true)));
    EXPECT_TRUE(fails(wait_for_flag(false), "a lost wake-up"));
}

TEST(ExploreFinds, EndlessSpinning) {
    EXPECT_TRUE(fails(
        [] {
            atomic<bool> flag{false};
            while (!flag.load(relaxed)) explore::yield();
        },
        "spins"));
    EXPECT_TRUE(fails(
        [] {
            atomic<bool> flag{false};
            while (!flag.load(relaxed)) {
            }
        },
        "an endless loop"));
    EXPECT_TRUE(holds([] {
        atomic<bool> flag{false};
        explore::thread a([&] { flag.store(true, relaxed); });
        while (!flag.load(relaxed)) explore::yield();
    }));
}

TEST(ExploreFinds, ObjectDestroyedTwiceNeverOrUsedAfterwards) {
    EXPECT_TRUE(fails(
        [] {
            alignas(explore::tracked) std::byte room[sizeof(explore::tracked)];
            auto* const one = new (room) explore::tracked;
            one->~tracked();
            one->~tracked();
        },
        "after its destruction"));
    EXPECT_TRUE(fails(
        [] {
            alignas(explore::tracked) std::byte room[sizeof(explore::tracked)];
            auto* const one = new (room) explore::tracked;
            one->~tracked();
            one->touch();
        },
        "after its destruction"));
    EXPECT_TRUE(fails(
        [] {
            alignas(explore::tracked) std::byte room[sizeof(explore::tracked)];
            new (room) explore::tracked;
        },
        "still alive"));
}

TEST(ExploreFinds, WeakCompareExchangeWithoutRetry) {
    const auto model = [] {
        atomic<int> x{0};
        int expected = 0;
        check(x.compare_exchange_weak(expected, 1), "the exchange succeeds");
    };
    EXPECT_TRUE(holds(model));
    EXPECT_TRUE(fails({.spurious_failures = 1}, model, "the exchange succeeds"));
}

TEST(ExploreFinds, ExceptionLeavingThread) {
    EXPECT_TRUE(fails([] { explore::thread a([] { throw std::runtime_error("too late"); }); }, "too late"));
}

TEST(ExploreFinds, NondeterministicModel) {
    int runs = 0;
    EXPECT_TRUE(fails(
        [&] {
            atomic<int> x{0};
            atomic<int> y{0};
            explore::thread a([&] { x.fetch_add(1); });
            if (++runs % 2 == 0) y.fetch_add(1);
            x.fetch_add(1);
        },
        "is not deterministic"));
}

// ---- Thread-locals ----

constinit thread_local const int* shared_here = nullptr;
constinit thread_local const int* separate_here = nullptr;

/// Two threads each set the pointer and then read it.
void two_set(const int*& here) {
    atomic<int> steps{0};
    const auto set_and_look = [&] {
        const int own = 0;
        check(here == nullptr, "the pointer is null when a thread starts");
        here = &own;
        steps.fetch_add(1);
        check(here == &own, "no other thread has set the pointer");
        here = nullptr;
    };
    explore::thread other(set_and_look);
    set_and_look();
}

TEST(ExploreThreadLocals, AreSharedUnlessSeparated) {
    explore::separate(&separate_here);
    EXPECT_TRUE(holds(everything, [] { two_set(separate_here); }));
    EXPECT_TRUE(fails(everything, [] { two_set(shared_here); }, "a data race"));
    shared_here = nullptr;
}

// ---- Bounds, paths, random executions ----

const explore::model needs_two_preemptions = [] {
    // was_seen is set only if b loads x between the two stores of a, and only then does the check of a fail.
    atomic<int> x{0};
    atomic<bool> was_seen{false};
    explore::thread a([&] {
        x.store(1);
        x.store(2);
        check(!was_seen.load(), "not seen");
    });
    explore::thread b([&] {
        if (x.load() == 1) was_seen.store(true);
    });
};

TEST(ExploreBounds, FewerPreemptionsFindLess) {
    EXPECT_TRUE(holds({.preemptions = 0}, needs_two_preemptions));
    EXPECT_TRUE(fails({.preemptions = 2}, needs_two_preemptions, "not seen"));
}

TEST(ExploreBounds, RandomExecutionsExceedBounds) {
    EXPECT_TRUE(fails({.preemptions = 0, .random_executions = 10'000}, needs_two_preemptions, "not seen"));
}

TEST(ExploreBounds, PathRepeatsFailure) {
    const auto found = explore::run({}, needs_two_preemptions);
    ASSERT_TRUE(found.has_failed);
    setenv("EDDY_EXPLORE_PATH", found.path.c_str(), 1);
    const auto again = explore::run({}, needs_two_preemptions);
    unsetenv("EDDY_EXPLORE_PATH");
    EXPECT_EQ(again.what, found.what);
    EXPECT_EQ(again.executions, 1u);
    EXPECT_EQ(again.events.size(), found.events.size());
}

TEST(ExploreBounds, FailureIsReportedStepByStep) {
    const std::string told = holds(needs_two_preemptions).message();
    for (const char* part :
         {"check failed: not seen", "thread 1  stores seq_cst", "explorer_test.cpp:", "EDDY_EXPLORE_PATH='"}) {
        EXPECT_NE(told.find(part), told.npos) << part << "\n" << told;
    }
}

}  // namespace
