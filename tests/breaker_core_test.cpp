// SPDX-License-Identifier: MIT
// What breaks the handles of a loop's tasks that are used on other threads.
#include <eddy/core.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <thread>
#include <utility>

#include <eddy/abort_on_drop.hpp>
#include <eddy/join_handle.hpp>
#include <eddy/spawn.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/task.hpp>
#include <eddy/yield_now.hpp>

#include "support/runtime.hpp"
#include "support/stress.hpp"

namespace {

eddy::task<int> yields(int times) {
    for (int i = 0; i < times; ++i) co_await eddy::yield_now();
    co_return 7;
}

/// A thread that takes one handle after the other and does something with it at once.
template <class Fn>
void on_another_thread(support::handover_rounds rounds, int yields_before, Fn use) {
    std::atomic<eddy::join_handle<int>*> offered{nullptr};
    std::atomic<bool> over = false;
    std::thread other([&] {
        while (!over.load(std::memory_order_acquire)) {
            auto* const mine = offered.exchange(nullptr, std::memory_order_acq_rel);
            if (mine == nullptr) {
                std::this_thread::yield();  // the loop may have no other processor
                continue;
            }
            use(std::move(*mine));
            delete mine;
        }
    });
    {
        eddy::core loop;
        while (rounds.next()) {
            loop.run([&]() -> eddy::task<> {
                auto* made = new eddy::join_handle<int>(eddy::spawn(yields(yields_before)));
                offered.store(made, std::memory_order_release);
                for (int n = 0; n < yields_before + 2; ++n) co_await eddy::yield_now();
            }());
            while (offered.load(std::memory_order_acquire) != nullptr) std::this_thread::yield();
        }
    }
    over.store(true, std::memory_order_release);
    other.join();
}

TEST(BreakerCoreStress, AbortOnAnotherThreadWhileTheTaskEnds) {
    on_another_thread(support::handover_rounds(2'500'000), 3, [](eddy::join_handle<int> task) {
        const eddy::abort_on_drop_handle<int> dropped(std::move(task));
    });
}

TEST(BreakerCoreStress, AbortOfOneThatHasBeenPolledElsewhere) {
    on_another_thread(support::handover_rounds(2'500'000), 5, [](eddy::join_handle<int> task) {
        const eddy::waker none;
        eddy::context cx(none);
        if (task.poll(cx)) return;
        task.abort();
        if (task.poll(cx)) return;
    });
}

TEST(BreakerCoreStress, AbortHandleIsMadeElsewhereWhileTheTaskEnds) {
    on_another_thread(support::handover_rounds(2'500'000), 3, [](eddy::join_handle<int> task) {
        const eddy::abort_handle aborts = task.abort_handle();
        const auto copy = aborts;
        task.detach();
        copy.abort();
    });
}

TEST(BreakerCore, AbortHandleOfATaskThatEndedOnALoopThatIsGone) {
    std::optional<eddy::join_handle<int>> task;
    {
        eddy::core loop;
        loop.run([&]() -> eddy::task<> {
            task.emplace(eddy::spawn(yields(0)));
            for (int n = 0; n < 4; ++n) co_await eddy::yield_now();
        }());
    }
    ASSERT_TRUE(task->is_finished());
    const eddy::abort_handle aborts = task->abort_handle();
    const auto copy = aborts;
    copy.abort();
    EXPECT_TRUE(copy.is_finished());
    task->detach();
}

}  // namespace
