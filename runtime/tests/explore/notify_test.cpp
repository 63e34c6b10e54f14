// SPDX-License-Identifier: MIT
// A notify: no notification is lost, a notified waiter sees the writes before the notification, and a dropped future
// forwards its notification.
// covers: P110
#include <eddy/sync/detail/notify_state.hpp>

#include <gtest/gtest.h>

#include <mutex>
#include <optional>
#include <utility>

#include "explore/explore.hpp"
#include "explore/sleeping_task.hpp"

namespace {

using eddy::detail::notify_state;
using eddy::detail::notify_waiter;
using explore::cell;
using explore::check;
using explore::fails;
using explore::holds;
using explore::sleeping_task;

/// Like the future of sync::notify.
template <class Notify = notify_state, class Waiter = notify_waiter>
class future {
public:
    explicit future(Notify& of) : of_(of) { of.begin(one_); }
    future(const future&) = delete;
    future& operator=(const future&) = delete;
    ~future() { of_.leave(one_); }

    bool poll(sleeping_task& task) {
        const eddy::waker waker = task.waker();
        return of_.poll(one_, &waker);
    }
    void wait(sleeping_task& task) {
        while (!poll(task)) task.sleep();
    }

private:
    Notify& of_;
    Waiter one_;
};

TEST(ExploreNotify, NotifyOneWakesWaiterAndPublishesWrites) {
    EXPECT_TRUE(holds({.preemptions = 3}, [] {
        notify_state n;
        sleeping_task task(false);
        cell<int> value;
        explore::thread notifying([&] {
            value.write(7);
            n.notify_one();
        });
        future waits(n);
        waits.wait(task);
        check(value.read() == 7, "writes before the notification are visible");
    }));
}

TEST(ExploreNotify, NotifyWaitersReachesUnpolledFuture) {
    EXPECT_TRUE(holds({.preemptions = 3}, [] {
        notify_state n;
        sleeping_task task(false);
        cell<int> value;
        future waits(n);
        explore::thread notifying([&] {
            value.write(7);
            n.notify_waiters();
        });
        waits.wait(task);
        check(value.read() == 7, "writes before the notification are visible");
    }));
}

// covers: R079
TEST(ExploreNotify, CheckAfterMakingFutureMissesNothing) {
    EXPECT_TRUE(holds({.preemptions = 3}, [] {
        notify_state n;
        sleeping_task task(false);
        eddy::detail::atomic<bool> is_set(false);
        explore::thread notifying([&] {
            is_set.store(true, std::memory_order_relaxed);
            n.notify_waiters();
        });
        for (;;) {
            future waits(n);
            if (is_set.load(std::memory_order_relaxed)) break;
            waits.wait(task);
        }
    }));
}

TEST(ExploreNotify, TwoNotificationsReachTwoWaiters) {
    EXPECT_TRUE(holds([] {
        notify_state n;
        sleeping_task one(false);
        sleeping_task two(false);
        // Both futures wait before the notifications, so neither notification becomes a permit. A notify stores at most
        // one permit, so a second one would be lost.
        future first(n);
        future second(n);
        check(!first.poll(one) && !second.poll(two), "no future has been notified");
        explore::thread notifying([&] { n.notify_one(); });
        explore::thread also([&] { n.notify_last(); });
        first.wait(one);
        second.wait(two);
    }));
}

TEST(ExploreNotify, DroppedFutureForwardsItsNotification) {
    EXPECT_TRUE(holds([] {
        notify_state n;
        sleeping_task one(false);
        sleeping_task two(false);
        explore::thread notifying([&] { n.notify_one(); });
        explore::thread gives_up([&] {
            future first(n);
            if (first.poll(one))
                n.notify_one();  // the drop does not forward a notification that poll() has returned, so do it here
        });
        future second(n);
        second.wait(two);
    }));
}

TEST(ExploreNotify, NotifyWaitersRacesWithDroppedFuture) {
    EXPECT_TRUE(holds([] {
        notify_state n;
        sleeping_task one(false);
        sleeping_task two(false);
        future first(n);
        check(!first.poll(one), "the future has not been notified");
        explore::thread all([&] { n.notify_waiters(); });
        explore::thread drops([&] { future(n).poll(two); });
        first.wait(one);
    }));
}

// covers: R143
TEST(ExploreNotify, WokenWaiterMayDestroyNotify) {
    EXPECT_TRUE(holds({.preemptions = 3}, [] {
        auto* const n = new notify_state;
        sleeping_task task(false);
        explore::thread notifying([=] { n->notify_one(); });
        {
            future waits(*n);
            waits.wait(task);
        }
        check(n->may_be_destroyed(), "there are no waiters");
        delete n;
    }));
}

// ---- Copies with one mistake each fail: a notify for one waiter, with a constant for each mistake ----

struct as_it_is {
    static constexpr auto permit_order = std::memory_order_release;
    static constexpr auto notification_order = std::memory_order_release;
    static constexpr bool looks_with_the_lock = true;
    static constexpr bool leaves_a_held_word_alone = true;
    static constexpr bool hands_on = true;
};
struct permit_that_publishes_nothing : as_it_is {
    static constexpr auto permit_order = std::memory_order_relaxed;
};
struct notification_that_publishes_nothing : as_it_is {
    static constexpr auto notification_order = std::memory_order_relaxed;
};
struct enlists_over_a_permit : as_it_is {
    static constexpr bool looks_with_the_lock = false;
};
struct changes_a_word_that_is_held : as_it_is {
    static constexpr bool leaves_a_held_word_alone = false;
};
struct keeps_what_it_was_given : as_it_is {
    static constexpr bool hands_on = false;
};

template <class How>
class small_notify {
public:
    struct waiter {
        eddy::waker wake;
        eddy::detail::atomic<bool> notification{false};
        bool is_listed = false;
    };

    void notify_one() {
        if (leave_permit()) return;
        eddy::waker wake;
        {
            const std::lock_guard guard(word_);
            if (waiting_ == nullptr) return word_.set(permit);
            wake = std::move(waiting_->wake);
            word_.set(idle);
            std::exchange(waiting_, nullptr)->notification.store(true, How::notification_order);
        }
        std::move(wake).wake();
    }
    bool poll(waiter& one, const eddy::waker* wake) {
        if (one.notification.load(std::memory_order_acquire)) return true;
        word now = word_.snapshot(std::memory_order_acquire);
        if (now == permit && word_.replace(now, idle, std::memory_order_acquire)) return true;
        eddy::waker copy = *wake;
        const std::lock_guard guard(word_);
        if (one.notification.load(std::memory_order_relaxed)) return true;
        if (How::looks_with_the_lock && word_.load(std::memory_order_relaxed) == permit) {
            word_.set(idle);
            return true;
        }
        word_.set(waits);
        one.wake.swap(copy);
        one.is_listed = true;
        waiting_ = &one;
        return false;
    }
    void leave(waiter& one) {
        if (!one.is_listed) return;
        eddy::waker dropped;
        bool is_given = false;
        {
            const std::lock_guard guard(word_);
            is_given = one.notification.load(std::memory_order_relaxed);
            if (waiting_ == &one) {
                waiting_ = nullptr;
                word_.set(idle);
            }
            dropped = std::move(one.wake);
        }
        if (is_given && How::hands_on) notify_one();
    }

private:
    using word = eddy::detail::lock_word::value_type;
    static constexpr word idle = 0;
    static constexpr word waits = eddy::detail::lock_word::unit;
    static constexpr word permit = 2 * eddy::detail::lock_word::unit;

    bool leave_permit() {
        word now = word_.snapshot(std::memory_order_relaxed);
        do {
            if (How::leaves_a_held_word_alone && eddy::detail::lock_word::is_held(now)) return false;
            if ((now & waits) != 0) return false;
        } while (!word_.replace(now, permit, How::permit_order));
        return true;
    }

    eddy::detail::lock_word word_{idle};
    waiter* waiting_ = nullptr;
};

template <class How>
void one_waits() {
    using waiter = typename small_notify<How>::waiter;
    small_notify<How> n;
    sleeping_task task(false);
    cell<int> value;
    explore::thread notifying([&] {
        value.write(7);
        n.notify_one();
    });
    const eddy::waker waker = task.waker();
    waiter one;
    while (!n.poll(one, &waker)) task.sleep();
    check(value.read() == 7, "writes before the notification are visible");
}

template <class How>
void one_gives_up() {
    using waiter = typename small_notify<How>::waiter;
    small_notify<How> n;
    sleeping_task task(false);
    const eddy::waker waker = task.waker();
    explore::thread notifying([&] { n.notify_one(); });
    {
        waiter first;
        if (n.poll(first, &waker)) return;
        n.leave(first);
    }
    waiter second;
    while (!n.poll(second, &waker)) task.sleep();
}

// covers: P087
TEST(ExploreNotify, BrokenCopiesFail) {
    EXPECT_TRUE(holds({.preemptions = 3}, one_waits<as_it_is>));
    EXPECT_TRUE(holds({.preemptions = 3}, one_gives_up<as_it_is>));
    EXPECT_TRUE(fails(one_waits<permit_that_publishes_nothing>, "race"));
    EXPECT_TRUE(fails(one_waits<notification_that_publishes_nothing>, "race"));
    EXPECT_TRUE(fails(one_waits<enlists_over_a_permit>, "lost wake-up"));
    EXPECT_TRUE(fails(one_waits<changes_a_word_that_is_held>, "lost wake-up"));
    EXPECT_TRUE(fails(one_gives_up<keeps_what_it_was_given>, "lost wake-up"));
}

}  // namespace
