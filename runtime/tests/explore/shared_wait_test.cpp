// SPDX-License-Identifier: MIT
// Workers that share a driver: no unpark() is lost, wherever the worker waits.
#include "executor/park/sleeping_place.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <optional>

#include <eddy/detail/atomic.hpp>
#include <eddy/result.hpp>

#include "executor/park/parker.hpp"
#include "explore/explore.hpp"

namespace {

using eddy::detail::atomic;
using eddy::detail::max_wait;
using eddy::detail::parker;
using eddy::detail::shared_wait;
using explore::fails;
using explore::holds;

/// A driver without sources: a tick ends by wake() or without a wait. A wake-up stays until a tick has taken it.
class wake_only_driver {
public:
    [[nodiscard]] bool try_lock_driver() noexcept { return !is_locked_.exchange(true, std::memory_order_acquire); }
    void unlock_driver() noexcept { is_locked_.store(false, std::memory_order_release); }
    void set_alarm(std::chrono::nanoseconds) noexcept {}
    eddy::result<std::size_t> poll_events(max_wait limit) {
        wake_ups_.park(limit);
        return std::size_t{0};
    }
    void wake() noexcept { wake_ups_.unpark(); }

private:
    atomic<bool> is_locked_{false};
    parker wake_ups_;
};

template <class Wait>
struct waiting_worker {
    wake_only_driver& driver;
    Wait wait;
    parker own;
    atomic<int> work{0};

    explicit waiting_worker(wake_only_driver& shared) : driver(shared) {}

    void add_work() {
        // relaxed: only unpark() and wait() order the work. The library's code must not rely on that.
        work.fetch_add(1, std::memory_order_relaxed);
        wait.unpark(driver, own);
    }
    void wait_for(int all) {
        while (work.load(std::memory_order_relaxed) != all)
            static_cast<void>(wait.wait(driver, own, std::nullopt, std::nullopt));
    }
};

/// Two workers wait, one of them in the driver. Each gets work from a third thread.
template <class Wait>
void two_workers_get_work() {
    wake_only_driver driver;
    waiting_worker<Wait> first(driver);
    waiting_worker<Wait> second(driver);
    explore::thread one([&] { first.wait_for(1); });
    explore::thread two([&] { second.wait_for(1); });
    first.add_work();
    second.add_work();
}

/// A worker gets work from two threads.
template <class Wait>
void one_worker_gets_work_twice() {
    wake_only_driver driver;
    waiting_worker<Wait> worker(driver);
    explore::thread one([&] { worker.add_work(); });
    explore::thread two([&] { worker.add_work(); });
    worker.wait_for(2);
}

TEST(ExploreSharedWait, NoUnparkIsLost) {
    EXPECT_TRUE(holds({.preemptions = 3}, two_workers_get_work<shared_wait>));
    EXPECT_TRUE(holds({.preemptions = 3}, one_worker_gets_work_twice<shared_wait>));
}

// ---- Copies with one mistake each fail ----

template <bool SleepsAnyway, bool LocksLate>
class changed_wait {
public:
    eddy::result<std::size_t> wait(wake_only_driver& driver, parker& own, max_wait limit, max_wait) {
        bool has_driver = !LocksLate && driver.try_lock_driver();
        auto before = awake;
        bool sleeps = state_.compare_exchange_strong(before, has_driver || LocksLate ? in_driver : in_parker,
                                                     std::memory_order_acq_rel);
        if (SleepsAnyway && !sleeps) {
            state_.store(has_driver ? in_driver : in_parker, std::memory_order_release);
            sleeps = true;
        }
        if (LocksLate) has_driver = driver.try_lock_driver();
        if (has_driver) {
            static_cast<void>(driver.poll_events(sleeps ? limit : std::chrono::nanoseconds::zero()));
            driver.unlock_driver();
        } else if (sleeps) {
            own.park(limit);
        }
        state_.exchange(awake, std::memory_order_acquire);
        return std::size_t{0};
    }
    void unpark(wake_only_driver& driver, parker& own) noexcept {
        const int before = state_.exchange(notified, std::memory_order_acq_rel);
        if (before == in_driver) driver.wake();
        if (before == in_parker) own.unpark();
    }

private:
    static constexpr int awake = 0, in_driver = 1, in_parker = 2, notified = 3;
    atomic<int> state_{awake};
};

TEST(ExploreSharedWait, BrokenWaitsFail) {
    EXPECT_TRUE(holds({.preemptions = 3}, two_workers_get_work<changed_wait<false, false>>));
    EXPECT_TRUE(fails({.preemptions = 3}, two_workers_get_work<changed_wait<true, false>>, "a lost wake-up"));
    EXPECT_TRUE(fails({.preemptions = 3}, two_workers_get_work<changed_wait<false, true>>, "a lost wake-up"));
}

}  // namespace
