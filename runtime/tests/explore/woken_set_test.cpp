// SPDX-License-Identifier: MIT
// The set of futures that polls only woken futures: no wake is lost, a future sees the writes before its wake, and the
// nodes are freed once, even if the owner is dropped first.
#include <eddy/future/detail/woken_set.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cstddef>

#include "explore/explore.hpp"
#include "explore/sleeping_task.hpp"

namespace {

using eddy::detail::woken_node;
using eddy::detail::woken_set;
using explore::check;
using explore::fails;
using explore::holds;
using explore::sleeping_task;

constexpr explore::options thorough{.preemptions = 3};

/// A future. A thread sets the value, and then wakes the future.
struct job : woken_node {
    explore::cell<int> value;
};

/// SAFETY: group allocates every node of its set as a job. The last reference to this node was dropped.
void free_job(woken_node& node) noexcept { delete &static_cast<job&>(node); }

struct group {
    woken_set set;
    std::array<job*, 2> jobs{};

    explicit group(std::size_t count) {
        set.open(&free_job);
        for (std::size_t i = 0; i < count; ++i) {
            jobs.at(i) = new job;
            set.hold(*jobs.at(i));
            static_cast<void>(set.next_to_poll());
        }
    }
    group(const group&) = delete;
    group& operator=(const group&) = delete;
    ~group() {
        while (set.first() != nullptr) release(*set.first());
    }

    void release(woken_node& node) {
        set.take_out(node);
        eddy::detail::woken_queue::drop_reference(node);
    }

    [[nodiscard]] eddy::waker waker_of(std::size_t which) {
        return jobs.at(which)->make_waker().get();  // a copy, with its own reference
    }

    /// Polls once, as an owner does. Returns false if there is nothing to poll.
    template <class Poll>
    bool poll(const eddy::waker& waker, Poll poll_job) {
        for (;;) {
            while (auto* const next = set.next_to_poll()) {
                if (poll_job(static_cast<job&>(*next))) return true;
            }
            if (!set.fetch(waker)) return false;
        }
    }
};

/// Runs until all jobs have their values.
void run(group& jobs, sleeping_task& owner) {
    const auto poll_job = [&jobs](job& one) {
        check(one.value.read() == 7, "writes before the wake are visible");
        jobs.release(one);
        return jobs.set.size() == 0;
    };
    for (;;) {
        const eddy::waker waker = owner.waker();
        if (jobs.poll(waker, poll_job)) return;
        owner.sleep();
    }
}

// covers: P094
TEST(ExploreWokenSet, EachWakeWakesOwner) {
    EXPECT_TRUE(holds(thorough, [] {
        sleeping_task owner(false);
        group jobs(2);
        job* const first = jobs.jobs[0];
        job* const second = jobs.jobs[1];
        eddy::waker of_first = jobs.waker_of(0);
        eddy::waker of_second = jobs.waker_of(1);
        explore::thread one([&, first] {
            first->value.write(7);
            std::move(of_first).wake();
        });
        explore::thread other([&, second] {
            second->value.write(7);
            std::move(of_second).wake();
        });
        run(jobs, owner);
    }));
}

TEST(ExploreWokenSet, OwnerMayMoveToAnotherTask) {
    EXPECT_TRUE(holds(thorough, [] {
        sleeping_task early(false);
        sleeping_task owner(false);
        group jobs(2);
        job* const first = jobs.jobs[0];
        job* const second = jobs.jobs[1];
        eddy::waker of_first = jobs.waker_of(0);
        eddy::waker of_second = jobs.waker_of(1);
        const eddy::waker old = early.waker();
        check(!jobs.set.fetch(old), "no job was woken");
        explore::thread one([&, first, second] {
            first->value.write(7);
            std::move(of_first).wake();
            second->value.write(7);
            std::move(of_second).wake();
        });
        run(jobs, owner);
    }));
}

TEST(ExploreWokenSet, TwoWakersOfOneJobQueueItOnce) {
    EXPECT_TRUE(holds(thorough, [] {
        sleeping_task owner(false);
        group jobs(1);
        eddy::waker of_first = jobs.waker_of(0);
        explore::cell<int> polls{0};
        explore::thread one([waker = of_first]() mutable { std::move(waker).wake(); });
        explore::thread other([waker = std::move(of_first)]() mutable { std::move(waker).wake(); });
        int polled = 0;
        while (polled == 0) {
            const eddy::waker waker = owner.waker();
            if (jobs.poll(waker, [&](job&) { return ++polled > 0; })) break;
            owner.sleep();
        }
        one.join();
        other.join();
        while (jobs.set.next_to_poll() != nullptr) ++polled;
        const eddy::waker last = owner.waker();
        while (jobs.set.fetch(last)) {
            while (jobs.set.next_to_poll() != nullptr) ++polled;
        }
        check(polled == 1 || polled == 2, "at most one poll for each wake");
    }));
}

/// A poll sees the writes before a wake, even if the node was queued already.
TEST(ExploreWokenSet, WakeOfQueuedJobPublishesWrites) {
    EXPECT_TRUE(holds(thorough, [] {
        sleeping_task owner(false);
        group jobs(1);
        eddy::waker first = jobs.waker_of(0);
        eddy::waker second = first;
        eddy::detail::atomic<bool> is_first_done(false);
        eddy::detail::atomic<bool> is_second_done(false);
        explore::thread one([&] {
            is_first_done.store(true, std::memory_order_relaxed);
            std::move(first).wake();
        });
        explore::thread other([&] {
            is_second_done.store(true, std::memory_order_relaxed);
            std::move(second).wake();
        });
        for (;;) {
            const eddy::waker waker = owner.waker();
            const auto poll_job = [&](job&) {
                return is_first_done.load(std::memory_order_relaxed) && is_second_done.load(std::memory_order_relaxed);
            };
            if (jobs.poll(waker, poll_job)) break;
            owner.sleep();
        }
    }));
}

TEST(ExploreWokenSet, DropOfOwnerRacesWithWakes) {
    EXPECT_TRUE(holds(thorough, [] {
        sleeping_task owner(false);
        eddy::waker of_first;
        eddy::waker of_second;
        auto* const jobs = new group(2);
        of_first = jobs->waker_of(0);
        of_second = jobs->waker_of(1);
        const eddy::waker waker = owner.waker();
        check(!jobs->set.fetch(waker), "no job was woken");
        explore::thread one([&] { std::move(of_first).wake(); });
        explore::thread other([&] { of_second.wake_by_ref(); });
        delete jobs;
    }));
}

TEST(ExploreWokenSet, ReleaseOfJobRacesWithWake) {
    EXPECT_TRUE(holds(thorough, [] {
        sleeping_task owner(false);
        group jobs(2);
        eddy::waker of_first = jobs.waker_of(0);
        const eddy::waker waker = owner.waker();
        check(!jobs.set.fetch(waker), "no job was woken");
        explore::thread one([&] { std::move(of_first).wake(); });
        jobs.release(*jobs.jobs[0]);
        check(!jobs.poll(waker, [](job&) { return true; }), "a released job is not polled");
    }));
}

// ---- Broken on purpose ----

/// Uses a take_out() that does not claim the queued bit.
TEST(ExploreWokenSet, ReleaseWithoutClaimingBitFails) {
    EXPECT_TRUE(fails(
        thorough,
        [] {
            sleeping_task owner(false);
            group jobs(1);
            eddy::waker of_first = jobs.waker_of(0);
            explore::thread one([&] { std::move(of_first).wake(); });
            // take_out() without the claim: drops the queue's reference although the node may be queued.
            jobs.jobs[0]->word.fetch_and(~woken_node::queued, std::memory_order_acq_rel);
            jobs.release(*jobs.jobs[0]);
        },
        ""));
}

/// The owner does not check again after it has stored its waker.
TEST(ExploreWokenSet, OwnerParkingWithoutRecheckFails) {
    EXPECT_TRUE(fails(
        thorough,
        [] {
            sleeping_task owner(false);
            group jobs(1);
            jobs.jobs[0]->value.write(7);
            eddy::waker of_first = jobs.waker_of(0);
            explore::thread one([&] { std::move(of_first).wake(); });
            const eddy::waker waker = owner.waker();
            static_cast<void>(jobs.set.fetch(waker));  // fetched, but not polled
            owner.sleep();
        },
        "deadlock"));
}

}  // namespace
