// SPDX-License-Identifier: MIT
// A sentry's alarm (driver/epoll.hpp) that is taken by a visitor's turn while its owner lies down.
#include <eddy/runtime.hpp>

#include <gtest/gtest.h>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include <eddy/io/registration.hpp>
#include <eddy/poll_fn.hpp>
#include <eddy/spawn.hpp>
#include <eddy/task.hpp>
#include <eddy/wait.hpp>

#include "support/polling.hpp"
#include "support/runtime.hpp"

namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

struct pipe_source {
    std::array<int, 2> ends{};
    pipe_source() { EXPECT_EQ(::pipe2(ends.data(), O_NONBLOCK | O_CLOEXEC), 0); }
    ~pipe_source() {
        ::close(ends[0]);
        ::close(ends[1]);
    }
    [[nodiscard]] int native_handle() const noexcept { return ends[0]; }
    void write() const { EXPECT_EQ(::write(ends[1], "x", 1), 1); }
};

/// A task that lies until it is called.
struct sleeper {
    std::mutex lock;
    eddy::waker waker;
    std::atomic<bool> is_called = false;
    std::atomic<bool> lies = false;

    auto wait() {
        return eddy::poll_fn([this](eddy::context& cx) -> eddy::poll_result<int> {
            if (is_called) return 1;
            const std::lock_guard guard(lock);
            waker = cx.waker();
            lies = true;
            return eddy::not_ready;
        });
    }
    void call() {
        eddy::waker mine;
        {
            const std::lock_guard guard(lock);
            is_called = true;
            mine = waker;
        }
        mine.wake_by_ref();
    }
};

/// A waker that takes its time: it stands for a visitor that is preempted, or that has many events to hand out.
struct slow_waker {
    std::atomic<bool> has_begun = false;
    std::atomic<std::thread::id> thread{};
    std::chrono::milliseconds lasts{40};
    sleeper* then = nullptr;

    void run() {
        thread = std::this_thread::get_id();
        has_begun = true;
        std::this_thread::sleep_for(lasts);
        then->call();
    }
    static const eddy::waker_vtable table;
};
const eddy::waker_vtable slow_waker::table{
    [](void* data) noexcept { return data; },
    [](void* data) noexcept { static_cast<slow_waker*>(data)->run(); },
    [](void* data) noexcept { static_cast<slow_waker*>(data)->run(); },
    [](void*) noexcept {},
};

/// How long a task waits that another one has woken before a long computation; nothing if the attempt has not come to it.
std::optional<std::chrono::milliseconds> attempt(std::chrono::milliseconds lasts, unsigned workers) {
    const auto rt = support::make_runtime(workers);
    pipe_source begin;
    pipe_source event;
    sleeper computes;
    sleeper waits;
    slow_waker slow;
    slow.lasts = lasts;
    slow.then = &computes;
    std::atomic<bool> is_ready = false;
    std::atomic<bool> was_visited = false;
    std::atomic<std::int64_t> late_us = -1;
    steady_clock::time_point woken;

    auto z = rt.spawn([&]() -> eddy::task<void> {
        co_await waits.wait();
        late_us = std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now() - woken).count();
    });
    auto y = rt.spawn([&]() -> eddy::task<void> {
        co_await computes.wait();
        woken = steady_clock::now();
        waits.call();
        // A long poll: the one that was woken lies in this worker's LIFO slot.
        while (late_us < 0 && steady_clock::now() - woken < 500ms) std::this_thread::sleep_for(1ms);
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
        event.write();  // to this worker's driver, before its alarm
        const auto began = steady_clock::now();
        while (!slow.has_begun && steady_clock::now() - began < 500ms) {
        }
        was_visited = slow.has_begun && slow.thread.load() != me;
    });
    EXPECT_TRUE(support::comes_true([&] { return is_ready && waits.lies && computes.lies; }));
    // Each look of a sentry is a park: when some have passed, all workers lie at their posts.
    const auto parks = rt.metrics().parks();
    EXPECT_TRUE(support::comes_true([&] { return rt.metrics().parks() >= parks + 6; }));
    begin.write();
    static_cast<void>(eddy::wait(x));
    static_cast<void>(eddy::wait(y));
    static_cast<void>(eddy::wait(z));
    second.reset();
    if (!was_visited) return std::nullopt;
    return std::chrono::milliseconds(late_us / 1000);
}

/// Of many attempts in which a visit and the owner's lying down overlap, one may be late for want of a processor.
void expect_that_nobody_waits(unsigned workers) {
    int counted = 0;
    int starved = 0;
    for (int i = 0; i < 20; ++i) {
        const auto late = attempt(20ms, workers);
        if (!late) continue;
        ++counted;
        if (*late > 400ms) ++starved;
    }
    EXPECT_GT(counted, 0);
    EXPECT_LE(starved, 1) << "a woken task lay in the LIFO slot of a worker that stood still";
}

TEST(BreakerAlarm, AVisitorThatTakesTheAlarmWhileItsOwnerLiesDownLeavesASentryThatLooks) {
    expect_that_nobody_waits(2);
}

TEST(BreakerAlarm, TheSameOfFourWorkers) { expect_that_nobody_waits(4); }

}  // namespace
