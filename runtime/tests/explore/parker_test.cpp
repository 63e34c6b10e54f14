// SPDX-License-Identifier: MIT
// Parks threads: one unpark() ends one park(), and a worker that another thread takes over wakes its new thread.
#include "executor/park/parker.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/runtime_context.hpp>
#include <eddy/detail/spin_lock.hpp>
#include <eddy/future/waker.hpp>

#include "executor/park/sleeping_place.hpp"
#include "explore/explore.hpp"
#include "sys/word_wait.hpp"

namespace {

using eddy::detail::atomic;
using eddy::detail::parker;
using eddy::detail::sleeping_place;
using eddy::detail::spin_lock;
using explore::check;
using explore::fails;
using explore::holds;

/// One thread parks until the other one has set a flag. It checks the flag before it parks, as an event loop does.
template <class Parker>
void look_and_park() {
    Parker place;
    atomic<bool> is_there{false};
    explore::thread other([&] {
        // relaxed: only unpark() and park() order the flag. The library's code must not rely on that.
        is_there.store(true, std::memory_order_relaxed);
        place.unpark();
    });
    while (!is_there.load(std::memory_order_relaxed)) place.park(std::nullopt);
}

template <class Parker>
void park_orders() {
    Parker place;
    int left = 0;
    explore::thread other([&] {
        left = 1;
        place.unpark();
    });
    place.park(std::nullopt);
    check(left == 1, "writes before unpark() are visible after park()");
}

/// The parking thread destroys the parker as soon as it is unparked.
template <class Parker>
void park_and_destroy() {
    auto* const place = new Parker;
    explore::thread other([=] { place->unpark(); });
    place->park(std::nullopt);
    delete place;
}

template <class Parker>
void two_wake_ups_for_two_sleeps() {
    Parker place;
    atomic<int> came{0};
    const auto come = [&] {
        came.fetch_add(1, std::memory_order_relaxed);
        place.unpark();
    };
    explore::thread first(come);
    explore::thread second(come);
    while (came.load(std::memory_order_relaxed) != 2) place.park(std::nullopt);
}

TEST(ExploreParker, OneUnparkEndsOnePark) {
    const explore::options thorough{.preemptions = 4, .spurious_wakeups = 1};
    EXPECT_TRUE(holds(thorough, look_and_park<parker>));
    EXPECT_TRUE(holds(thorough, park_orders<parker>));
    EXPECT_TRUE(holds(thorough, park_and_destroy<parker>));
    EXPECT_TRUE(holds(thorough, two_wake_ups_for_two_sleeps<parker>));
}

TEST(ExploreParker, TimeoutEndsParkAndLosesNoUnpark) {
    EXPECT_TRUE(holds({.preemptions = 4, .early_timeouts = true}, [] {
        parker place;
        atomic<bool> is_there{false};
        explore::thread other([&] {
            is_there.store(true, std::memory_order_relaxed);
            place.unpark();
        });
        place.park(std::chrono::milliseconds(1));
        while (!is_there.load(std::memory_order_relaxed)) place.park(std::nullopt);
    }));
}

TEST(ExploreParker, ParkWithoutUnparkEndsByTimeoutOnly) {
    EXPECT_TRUE(holds([] {
        parker place;
        place.park(std::chrono::milliseconds(1));
    }));
    EXPECT_TRUE(fails(
        [] {
            parker place;
            place.park(std::nullopt);
        },
        "a lost wake-up"));
}

// ---- Copies with one mistake each fail ----

/// thread_signal as a parker.
template <std::memory_order Publishes, bool ForgetsToWake, bool IsEdge>
class changed_parker {
public:
    void park(std::optional<std::chrono::nanoseconds>) {
        std::uint32_t state = 0;
        if constexpr (IsEdge) word_.store(state, std::memory_order_relaxed);  // misses an earlier unpark()
        if (word_.compare_exchange_strong(state, 1, std::memory_order_acquire)) {
            while (word_.load(std::memory_order_acquire) == 1)
                static_cast<void>(eddy::sys::sleep_on(word_, 1, std::chrono::steady_clock::time_point::max()));
        }
        word_.exchange(0, std::memory_order_acquire);
    }

    void unpark() noexcept {
        const bool is_asleep = word_.exchange(2, Publishes) == 1;
        if (is_asleep && !ForgetsToWake) eddy::sys::wake_sleeper(word_);
    }

private:
    eddy::sys::sleep_word word_{0};
};

TEST(ExploreParker, BrokenParkersFail) {
    constexpr auto release = std::memory_order_release;
    EXPECT_TRUE(holds(park_and_destroy<changed_parker<release, false, false>>));
    EXPECT_TRUE(holds(park_orders<changed_parker<release, false, false>>));
    EXPECT_TRUE(fails(park_orders<changed_parker<std::memory_order_relaxed, false, false>>, "a data race"));
    EXPECT_TRUE(fails(look_and_park<changed_parker<release, true, false>>, "a lost wake-up"));
    EXPECT_TRUE(fails(look_and_park<changed_parker<release, false, true>>, "a lost wake-up"));
}

// ---- A worker that another thread takes over ----

struct releases {
    void operator()(sleeping_place* place) const noexcept { place->release(); }
};

/// The part of a time driver that a parking thread reads: time_driver::link(), arm(), next_deadline() and
/// synchronize().
class timers {
public:
    explicit timers(const eddy::waker& unpark) : unpark_(unpark) {}

    void arm() {
        {
            const std::lock_guard guard(lock_);
            is_armed_.store(true, std::memory_order_relaxed);
        }
        unpark_.wake_by_ref();
    }
    [[nodiscard]] bool has_deadline() const { return is_armed_.load(std::memory_order_relaxed); }
    void synchronize() { const std::lock_guard guard(lock_); }

private:
    spin_lock lock_;
    atomic<bool> is_armed_{false};
    const eddy::waker& unpark_;
};

/// A thread takes over a worker, as worker::enter_thread() does, finds no timer and parks. The previous thread is still
/// in its poll and arms a timer.
template <bool Synchronises>
void arm_while_another_goes_on() {
    const std::unique_ptr<sleeping_place, releases> place(new sleeping_place(nullptr));
    const eddy::waker unpark = place->waker();
    timers with(unpark);
    explore::thread next([&] {
        place->set_owner();
        if (Synchronises) with.synchronize();
        while (!with.has_deadline()) place->park(std::nullopt);
    });
    with.arm();
}

class ExploreSleepingPlace : public testing::Test {
protected:
    static void SetUpTestSuite() { eddy::detail::explored_threads_differ = true; }
    static void TearDownTestSuite() { eddy::detail::explored_threads_differ = false; }
};

TEST_F(ExploreSleepingPlace, TimerArmedByPreviousOwnerWakesNewOwner) {
    EXPECT_TRUE(holds({.preemptions = 3}, arm_while_another_goes_on<true>));
    EXPECT_TRUE(fails({.preemptions = 3}, arm_while_another_goes_on<false>, "a lost wake-up"));
}

// ---- A paused clock and blocking jobs ----

/// An event loop with a paused clock, as in loop_park::park_paused(). It parks while a job is pending. When no job is
/// pending, so that the loop could advance the clock, the result of the job must be visible.
template <bool Announces>
void park_while_a_job_is_pending() {
    const std::unique_ptr<sleeping_place, releases> place(new sleeping_place(nullptr));
    explore::cell<int> result;
    explore::thread job([&result, held = place->begin_job()] {
        result.write(1);
        held->end_job();
    });
    auto& jobs = place->jobs();
    while (jobs.any()) {
        const bool parks = Announces ? jobs.wait() : jobs.any();
        if (parks) place->park(std::nullopt);
        jobs.wait_ended();
    }
    check(result.read() == 1, "the result of the job is visible");
}

TEST_F(ExploreSleepingPlace, LastJobUnparksTheLoop) {
    EXPECT_TRUE(holds({.preemptions = 3}, park_while_a_job_is_pending<true>));
    EXPECT_TRUE(fails({.preemptions = 3}, park_while_a_job_is_pending<false>, "a lost wake-up"));
}

}  // namespace
