// SPDX-License-Identifier: MIT
#include "core/parker.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <optional>

#include "explore/explore.hpp"

namespace {

using eddy::detail::atomic;
using eddy::detail::parker;
using explore::check;
using explore::fails;
using explore::holds;

/// One sleeps until the other has left something. The sleeper looks before it sleeps, as a loop does.
template <class Parker>
void look_and_park() {
    Parker place;
    atomic<bool> is_there{false};
    explore::thread other([&] {
        // relaxed: park() must not be what is leaned on, but here it is.
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
    check(left == 1, "who was woken sees what was done before");
}

/// The sleeper destroys the place as soon as it is awake.
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

TEST(ExploreParker, LimitEndsAParkAndLosesNoUnpark) {
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

TEST(ExploreParker, NobodyUnparksAndOnlyALimitEndsThePark) {
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

// ---- What is wrong is found ----

template <bool NotifiesLate, bool ForgetsToNotify, bool IsEdge>
class changed_parker {
public:
    void park(std::optional<std::chrono::nanoseconds>) {
        std::unique_lock guard(lock_);
        if constexpr (IsEdge) {
            woken_.wait(guard);  // forgets an unpark() that came before
        } else {
            woken_.wait(guard, [this] { return is_due_; });
        }
        is_due_ = false;
    }

    void unpark() noexcept {
        std::unique_lock guard(lock_);
        is_due_ = true;
        if (NotifiesLate) guard.unlock();
        if (!ForgetsToNotify) woken_.notify_one();
    }

private:
    eddy::detail::mutex lock_;
    eddy::detail::condition_variable woken_;
    bool is_due_ = false;
};

TEST(ExploreParker, MistakesAreFound) {
    EXPECT_TRUE(holds(park_and_destroy<changed_parker<false, false, false>>));
    EXPECT_TRUE(
        fails(park_and_destroy<changed_parker<true, false, false>>, "condition 1 is destroyed, which nothing orders"));
    EXPECT_TRUE(fails(look_and_park<changed_parker<false, true, false>>, "a lost wake-up"));
    EXPECT_TRUE(fails(look_and_park<changed_parker<false, false, true>>, "a lost wake-up"));
}

}  // namespace
