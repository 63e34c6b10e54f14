// SPDX-License-Identifier: MIT
// Runtimes that end while threads and tasks use them.
#include <eddy/runtime/runtime.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/future/poll_fn.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/task/join_handle.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/spawn_blocking.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/sleep.hpp>

#include "support/emulated.hpp"
#include "support/gate.hpp"
#include "support/runtime.hpp"
#include "support/stress.hpp"
#include "support/system.hpp"

namespace {

using namespace std::chrono_literals;
using support::last_words;
using support::number;

// ---- Races ----

class RuntimeShutdownStress : public support::on_workers {};
EDDY_ON_1_2_AND_4_WORKERS(RuntimeShutdownStress);

// covers: R034
TEST_P(RuntimeShutdownStress, DropRacesWithSpawnsFromManyThreads) {
    const auto rounds = support::rounds(2'500);
    std::atomic<int> alive = 0;
    for (std::uint64_t round = 0; round < rounds; ++round) {
        std::optional<eddy::runtime> rt(make());
        const auto handle = rt->handle();
        std::atomic<unsigned> begun = 0;
        std::atomic<bool> is_gone = false;
        const unsigned spawners = 4 + static_cast<unsigned>(round % 5);
        support::threads all(spawners, [&, handle](unsigned) {
            std::vector<eddy::join_handle<void>> handles;
            begun.fetch_add(1);
            for (int after = 0; after < 5 && handles.size() < 500;) {
                if (is_gone) ++after;
                ++alive;
                handles.push_back(handle.spawn([words = last_words([&] { --alive; })]() -> eddy::task<void> {
                    co_await eddy::yield_now();
                    co_await eddy::yield_now();
                }));
            }
            for (auto& each : handles) static_cast<void>(eddy::wait(each));
        });
        while (begun < spawners) std::this_thread::yield();
        rt.reset();
        is_gone = true;
        all.join();
        ASSERT_EQ(alive, 0) << "round " << round;
    }
}

TEST_P(RuntimeShutdownStress, DropRacesWithWakesFromOutside) {
    const auto rounds = support::rounds(20'000);
    for (std::uint64_t round = 0; round < rounds; ++round) {
        std::optional<eddy::runtime> rt(make());
        std::mutex lock;
        std::vector<eddy::waker> wakers;
        support::tally begun;
        std::atomic<int> destroyed = 0;
        constexpr int count = 8;
        for (int i = 0; i < count; ++i) {
            rt->spawn(eddy::poll_fn([&, is_first = true, words = last_words([&] { ++destroyed; })](
                                        eddy::context& cx) mutable -> eddy::poll_result<void> {
                  if (!std::exchange(is_first, false)) return eddy::not_ready;
                  const std::lock_guard guard(lock);
                  wakers.push_back(cx.waker());
                  begun.add();
                  return eddy::not_ready;
              }))
                .detach();
        }
        ASSERT_TRUE(begun.wait_for(count));
        std::atomic<bool> go = false;
        std::thread waker([&] {
            while (!go) std::this_thread::yield();
            for (int i = 0; i < 20; ++i) {
                for (const auto& each : wakers) each.wake_by_ref();
            }
            for (auto& each : wakers) std::move(each).wake();
        });
        go = true;
        rt.reset();
        EXPECT_EQ(destroyed, count) << "round " << round;
        waker.join();
    }
}

TEST_P(RuntimeShutdownStress, WaitUntilIdleRacesWithEndOfLastTask) {
    const support::watchdog limit("wait_until_idle", 50s);
    const auto rounds = support::rounds(100'000);
    const auto rt = make();
    for (std::uint64_t round = 0; round < rounds; ++round) {
        for (int i = 0; i < 3; ++i) rt.spawn(number(i)).detach();
        rt.wait_until_idle();
        ASSERT_EQ(rt.metrics().alive_tasks, 0u);
    }
}

TEST_P(RuntimeShutdownStress, DropOfOnIdleRacesWithEndOfLastTask) {
    const auto rounds = support::rounds(10'000);
    for (std::uint64_t round = 0; round < rounds; ++round) {
        std::atomic<int> destroyed = 0;
        auto rt = make();
        rt.spawn([words = last_words([&] { ++destroyed; })] { return eddy::yield_now(); });
        {
            const auto entered = rt.enter();
            eddy::spawn_blocking([words = last_words([&] { ++destroyed; })] {});
        }
        auto ended = std::move(rt).shutdown_on_idle();
        if (round % 2 == 0) ended.wait();
        {
            const auto dropped = std::move(ended);
        }
        ASSERT_TRUE(support::comes_true([&] { return destroyed == 2; }));
    }
}

TEST_P(RuntimeShutdownStress, AllShutdownsRaceWithSpawnsAndWakes) {
    const auto rounds = support::rounds(5'000);
    for (std::uint64_t round = 0; round < rounds; ++round) {
        std::atomic<int> alive = 0;
        auto rt = make();
        support::gate begun;
        const std::function<void()> grow = [&] {
            ++alive;
            eddy::spawn([&, words = last_words([&] { --alive; })]() -> eddy::task<void> {
                for (int i = 0; i < 3; ++i) co_await eddy::yield_now();
                if (alive < 50) {
                    grow();
                    grow();
                }
                begun.open();
                if (alive % 3 == 0) co_await eddy::time::sleep(1ms);
            });
        };
        {
            const auto entered = rt.enter();
            grow();
        }
        ASSERT_TRUE(begun.wait());
        switch (round % 4) {
        case 0: {
            const auto dropped = std::move(rt);
            break;
        }
        case 1: std::move(rt).shutdown_now().wait(); break;
        case 2: {
            std::move(rt).shutdown_timeout(10s);
            break;
        }
        default: {
            const auto handle = rt.handle();
            std::move(rt).shutdown_background();
        }
        }
        ASSERT_TRUE(support::comes_true([&] { return alive == 0; })) << "round " << round;
    }
}

// ---- Many runtimes, one after another ----

std::size_t resident_kib() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with("VmRSS:")) return std::stoul(line.substr(6));
    }
    return 0;
}

// covers: R041
TEST_P(RuntimeShutdownStress, ManyRuntimesLeakNoMemoryOrDescriptors) {
    const auto one = [&] {
        const auto rt = make();
        EXPECT_EQ(rt.block_on(number(1)), 1);
    };
    for (int i = 0; i < 20; ++i) one();
    const auto fds = support::count_fds();
    const auto resident = resident_kib();
    const auto rounds = support::rounds(10'000);
    for (std::uint64_t round = 0; round < rounds; ++round) one();
    // The count may be lower than before: an earlier test of this process may have closed its descriptors late.
    EXPECT_LE(support::count_fds(), fds);
    // A sanitizer keeps freed memory for some time, and qemu-user keeps memory of each thread that has ended.
    if (!support::is_sanitized && !support::is_emulated()) {
        EXPECT_LT(resident_kib(), resident + 2048);
    }
}

}  // namespace
