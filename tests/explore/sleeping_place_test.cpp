// SPDX-License-Identifier: MIT
// Where a worker sleeps that another thread goes on with: who had it before is not taken for its sleeper any more.
#include "core/sleeping_place.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/spin_lock.hpp>
#include <eddy/waker.hpp>

#include "core/this_thread.hpp"
#include "explore/explore.hpp"

namespace {

using eddy::detail::atomic;
using eddy::detail::sleeping_place;
using eddy::detail::spin_lock;
using explore::fails;
using explore::holds;

struct gives_up {
    void operator()(sleeping_place* place) const noexcept { place->release(); }
};

/// The part of a time driver that a sleeper looks at: time_driver::link(), arm(), next_deadline() and synchronise().
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
    void synchronise() { const std::lock_guard guard(lock_); }

private:
    spin_lock lock_;
    atomic<bool> is_armed_{false};
    const eddy::waker& unpark_;
};

/// A thread goes on with a worker, as worker::enter_thread() does it, finds no timer and sleeps. The one that had it before arms
/// one, in the rest of its poll.
template <bool Synchronises>
void arm_while_another_goes_on() {
    const std::unique_ptr<sleeping_place, gives_up> place(new sleeping_place(nullptr));
    const eddy::waker unpark = place->waker();
    timers with(unpark);
    explore::thread next([&] {
        place->set_owner();
        if (Synchronises) with.synchronise();
        while (!with.has_deadline()) place->park(std::nullopt);
    });
    with.arm();
}

class ExploreSleepingPlace : public testing::Test {
protected:
    static void SetUpTestSuite() { eddy::detail::explored_threads_differ = true; }
    static void TearDownTestSuite() { eddy::detail::explored_threads_differ = false; }
};

TEST_F(ExploreSleepingPlace, WhoHadAWorkerBeforeWakesItsSleeper) {
    EXPECT_TRUE(holds({.preemptions = 3}, arm_while_another_goes_on<true>));
    EXPECT_TRUE(fails({.preemptions = 3}, arm_while_another_goes_on<false>, "a lost wake-up"));
}

}  // namespace
