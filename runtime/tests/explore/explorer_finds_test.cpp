// SPDX-License-Identifier: MIT
// Tests of the explorer: it finds mistakes of each kind, within its bounds, and reports them so that they can be
// repeated.
#include "explore/explore.hpp"

#include <gtest/gtest.h>

#include <condition_variable>
#include <cstddef>
#include <cstdlib>
#include <mutex>
#include <stdexcept>
#include <string>

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

constexpr explore::options everything{.preemptions = 100, .stale_reads = 100, .is_reduced = false};

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
         {"check failed: not seen", "thread 1  stores seq_cst", "explorer_finds_test.cpp:", "EDDY_EXPLORE_PATH='"}) {
        EXPECT_NE(told.find(part), told.npos) << part << "\n" << told;
    }
}

}  // namespace
