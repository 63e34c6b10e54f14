// SPDX-License-Identifier: MIT
// The watchdog worker: it services the queue and the driver of a worker that is stalled in a long poll.
#include <eddy/runtime/runtime.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <eddy/future/poll_fn.hpp>
#include <eddy/io/registration.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/task/scope.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/sleep.hpp>

#include "support/gate.hpp"
#include "support/polling.hpp"
#include "support/runtime.hpp"
#include "support/system.hpp"

namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

/// A task that waits until another thread or task calls notify().
struct waiting_task {
    std::mutex lock;
    eddy::waker waker;
    std::atomic<bool> is_notified = false;
    std::atomic<bool> is_pending = false;

    auto wait() {
        return eddy::poll_fn([this](eddy::context& cx) -> eddy::poll_result<int> {
            if (is_notified) return 1;
            const std::lock_guard guard(lock);
            waker = cx.waker();
            is_pending = true;
            return eddy::not_ready;
        });
    }
    void notify() {
        eddy::waker mine;
        {
            const std::lock_guard guard(lock);
            is_notified = true;
            mine = waker;
        }
        mine.wake_by_ref();
    }
};

/// A waker that takes `lasts` to run. It simulates a watchdog worker that is preempted or has many events to process.
struct slow_waker {
    std::atomic<bool> has_begun = false;
    std::atomic<std::thread::id> thread{};
    std::chrono::milliseconds lasts{40};
    waiting_task* then = nullptr;

    void run() {
        thread = std::this_thread::get_id();
        has_begun = true;
        std::this_thread::sleep_for(lasts);
        then->notify();
    }
    static const eddy::waker_vtable table;
};
// SAFETY: `data` is the slow_waker of woken_task_runs(), which drops all wakers before it returns.
const eddy::waker_vtable slow_waker::table{
    [](void* data) noexcept { return data; },
    [](void* data) noexcept { static_cast<slow_waker*>(data)->run(); },
    [](void* data) noexcept { static_cast<slow_waker*>(data)->run(); },
    [](void*) noexcept {},
};

/// One task wakes a second task, and does not end its poll before the second task has run. Returns whether the second
/// task ran within the time limit. Returns nullopt if no watchdog worker ran a driver tick for the stalled worker.
std::optional<bool> woken_task_runs(std::chrono::milliseconds lasts, unsigned workers) {
    const auto rt = support::make_runtime(workers);
    const support::counter begin;
    const support::counter event;
    waiting_task computes;
    waiting_task waits;
    slow_waker slow;
    slow.lasts = lasts;
    slow.then = &computes;
    std::atomic<bool> is_ready = false;
    std::atomic<bool> was_serviced = false;
    std::atomic<bool> has_run = false;
    std::atomic<bool> in_time = false;

    auto z = rt.spawn([&]() -> eddy::task<void> {
        co_await waits.wait();
        has_run = true;
    });
    auto y = rt.spawn([&]() -> eddy::task<void> {
        co_await computes.wait();
        waits.notify();
        // A long poll: the woken task is in the LIFO slot of this worker.
        in_time = support::spin_until([&] { return has_run.load(); });
    });
    std::optional<eddy::io::registration> second;
    auto x = rt.spawn([&]() -> eddy::task<void> {
        auto first = eddy::io::registration::attach(begin, eddy::io::interest::readable).value();
        second = eddy::io::registration::attach(event, eddy::io::interest::readable).value();
        const eddy::waker mine(&slow_waker::table, &slow);
        eddy::context cx(mine);
        EXPECT_FALSE(second->poll_read_ready(cx).is_ready());
        is_ready = true;
        static_cast<void>(co_await first.readiness(eddy::io::interest::readable));
        const auto me = std::this_thread::get_id();
        event.add();  // for the driver of this worker, which is stalled here
        const auto began = steady_clock::now();
        while (!slow.has_begun && steady_clock::now() - began < 5s) std::this_thread::yield();
        was_serviced = slow.has_begun && slow.thread.load() != me;
    });
    EXPECT_TRUE(support::comes_true([&] { return is_ready && waits.is_pending && computes.is_pending; }));
    // Each check of the watchdog worker counts as a park. After several checks the other workers are parked, and also
    // when no check has followed for a while: soon after the last activity the watchdog ends, perhaps before this line.
    const auto parks = rt.metrics().parks();
    auto last = parks;
    auto changed = steady_clock::now();
    EXPECT_TRUE(support::comes_true([&] {
        const auto now = steady_clock::now();
        if (const auto before = std::exchange(last, rt.metrics().parks()); before != last) changed = now;
        return last >= parks + 6 || now - changed > 30ms;
    }));
    begin.add();
    static_cast<void>(eddy::wait(x));
    static_cast<void>(eddy::wait(y));
    static_cast<void>(eddy::wait(z));
    second.reset();
    if (!was_serviced) return std::nullopt;
    return in_time.load();
}

void expect_woken_task_runs(unsigned workers) {
    int attempts = 0;
    for (int i = 0; i < 20; ++i) {
        const auto runs = woken_task_runs(20ms, workers);
        if (!runs) continue;
        ++attempts;
        ASSERT_TRUE(*runs) << "the woken task stayed in the LIFO slot of a worker that was stalled for 20 s";
    }
    EXPECT_GT(attempts, 0);
}

TEST(RuntimeWatchdog, TaskWokenByAStalledWorkerRunsWithTwoWorkers) { expect_woken_task_runs(2); }

TEST(RuntimeWatchdog, TaskWokenByAStalledWorkerRunsWithFourWorkers) { expect_woken_task_runs(4); }

TEST(RuntimeWatchdog, ChildOfAScopeOnAStalledWorkerRuns) {
    const auto rt = support::make_runtime(2);
    const auto parent = []() -> eddy::task<bool> {
        support::gate has_run;
        co_await eddy::time::sleep(5ms);  // both workers park; the timer wakes one of them
        const bool ran = co_await eddy::scope([&](auto& children) -> eddy::task<bool> {
            children.spawn([&]() -> eddy::task<void> {
                has_run.open();
                co_return;
            });
            co_return has_run.wait();  // a long poll. A single child wakes no other worker
        });
        co_return ran;
    };
    for (int i = 0; i < 20; ++i) {
        ASSERT_TRUE(rt.block_on(rt.spawn(parent())).value()) << "the child waits for the stalled worker";
    }
}

TEST(RuntimeWatchdog, RareTimerCausesFewWakeUps) {
    constexpr std::uint64_t timers = 8;
    const auto rt = support::make_runtime(2);
    const auto before = rt.metrics().parks();
    auto handle = rt.spawn([]() -> eddy::task<void> {
        for (std::uint64_t i = 0; i < timers; ++i) co_await eddy::time::sleep(25ms);
    });
    static_cast<void>(eddy::wait(handle));
    // The worker that fires the timer parks, and the one that it calls as the watchdog, which may check once or twice
    // on a busy machine. A watchdog that stayed for the whole time would check 12 times for each timer.
    EXPECT_LE(rt.metrics().parks() - before, 6 * timers);
}

}  // namespace
