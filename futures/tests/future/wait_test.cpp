// SPDX-License-Identifier: MIT
// runs: asan, plain
#include <eddy/runtime/wait.hpp>

#include <eddy/detail/atomic.hpp>
#include <eddy/future/poll_fn.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/task/task.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>

#include "support/stress.hpp"

namespace {

using eddy::wait;

TEST(Wait, ReturnsTheOutput) {
    EXPECT_EQ(wait(eddy::ready(3)), 3);
    EXPECT_EQ(*wait(eddy::ready(std::make_unique<int>(4))), 4);
    wait(eddy::ready());
    static_assert(std::is_void_v<decltype(wait(eddy::ready()))>);
}

TEST(Wait, BorrowsAnLvalueAndDestroysAnRvalueFuture) {
    auto held = std::make_shared<int>(1);
    auto future = eddy::poll_fn([held, polls = 0](eddy::context& cx) mutable -> eddy::poll_result<int> {
        if (++polls == 2) return polls;
        cx.waker().wake_by_ref();
        return eddy::not_ready;
    });
    EXPECT_EQ(wait(future), 2);

    struct stays {
        using output_type = int;
        std::shared_ptr<int> kept;
        eddy::poll_result<int> poll(eddy::context&) { return 5; }
    };
    stays borrowed{held};
    EXPECT_EQ(wait(borrowed), 5);
    EXPECT_EQ(held.use_count(), 2);
    EXPECT_EQ(wait(std::move(borrowed)), 5);
    EXPECT_EQ(held.use_count(), 1);
}

TEST(Wait, RethrowsTheExceptionOfTheFuture) {
    auto fails = []() -> eddy::task<> {
        throw std::runtime_error("thrown");
        co_return;
    };
    EXPECT_THROW(wait(fails()), std::runtime_error);
}

TEST(Wait, NestedWaitDoesNotLoseTheOuterWake) {
    auto outer = eddy::poll_fn([polls = 0](eddy::context& cx) mutable -> eddy::poll_result<int> {
        if (++polls == 2) return polls;
        cx.waker().wake_by_ref();
        auto inner = eddy::poll_fn([again = false](eddy::context& inner_cx) mutable -> eddy::poll_result<int> {
            if (std::exchange(again, true)) return 1;
            inner_cx.waker().wake_by_ref();
            return eddy::not_ready;
        });
        EXPECT_EQ(wait(inner), 1);
        return eddy::not_ready;
    });
    EXPECT_EQ(wait(outer), 2);
}

// covers: R143
TEST(Wait, WakersCanOutliveTheWait) {
    eddy::waker kept;
    wait(eddy::poll_fn([&](eddy::context& cx) {
        kept = cx.waker();
        return eddy::poll_result<void>::ready();
    }));
    kept.wake_by_ref();
    const auto copy = kept;
    EXPECT_TRUE(copy.will_wake(kept));
    std::move(kept).wake();
}

/// A place in which a waiting future leaves its waker for another thread.
class mailbox {
public:
    void put(eddy::waker waker) {
        std::lock_guard guard(lock_);
        waker_ = std::move(waker);
    }
    eddy::waker take() {
        std::lock_guard guard(lock_);
        return std::exchange(waker_, eddy::waker());
    }

private:
    std::mutex lock_;
    eddy::waker waker_;
};

// covers: R143
TEST(WaitStress, WakesFromAnotherThreadAreNotLost) {
    mailbox box;
    eddy::detail::atomic<std::uint64_t> opened{0};  // the opened rounds; acquire pairs with release
    eddy::detail::atomic<bool> over{false};         // acquire and release: only ends the loop
    std::thread waking([&] {
        while (!over.load(std::memory_order_acquire)) {
            auto sleeper = box.take();
            if (sleeper.is_noop()) {
                std::this_thread::yield();
                continue;
            }
            // The waiting thread may return from wait() as soon as `opened` has grown, or after the first wake. The
            // remaining wakes then arrive after the end of that wait().
            opened.fetch_add(1, std::memory_order_release);
            sleeper.wake_by_ref();
            std::move(sleeper).wake();
        }
    });
    std::uint64_t round = 0;
    for (support::handover_rounds rounds(1'000'000); rounds.next(); ++round) {
        bool left = false;
        wait(eddy::poll_fn([&](eddy::context& cx) -> eddy::poll_result<void> {
            if (!std::exchange(left, true)) box.put(cx.waker());
            if (opened.load(std::memory_order_acquire) > round) return eddy::poll_result<void>::ready();
            return eddy::not_ready;
        }));
    }
    over.store(true, std::memory_order_release);
    waking.join();
    EXPECT_EQ(opened.load(), round);
}

}  // namespace
