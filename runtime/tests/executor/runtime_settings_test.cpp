// SPDX-License-Identifier: MIT
// Settings that the builder of a runtime has in common with Tokio, and the ID of a runtime.
#include <eddy/runtime/runtime.hpp>

#include <gtest/gtest.h>

#include <pthread.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <string>
#include <system_error>
#include <vector>

#include <eddy/future/select.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/net/unix_stream.hpp>
#include <eddy/task/join_set.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/task.hpp>

#include "support/gate.hpp"
#include "support/runtimes.hpp"

namespace {

using eddy::task;
using support::runtime_with;

std::string name_here() {
    std::array<char, 16> name{};
    ::pthread_getname_np(::pthread_self(), name.data(), name.size());
    return name.data();
}

// covers: P005 I20.5.18
TEST(RuntimeSettings, IdIsUniqueAndSharedByHandles) {
    const eddy::runtime one = runtime_with(1);
    const eddy::runtime other = runtime_with(1);
    EXPECT_EQ(one.handle().id(), one.handle().id());
    EXPECT_NE(one.handle().id(), other.handle().id());
    const auto inside = one.block_on([]() -> task<std::uint64_t> { co_return eddy::handle::current().id(); }());
    EXPECT_EQ(inside, one.handle().id());
    const auto blocking = one.block_on(one.spawn_blocking([] { return eddy::handle::current().id(); })).value();
    EXPECT_EQ(blocking, one.handle().id());
}

// covers: P004 I20.5.16
TEST(RuntimeSettings, ThreadNameFunctionNamesAllThreads) {
    std::atomic<int> calls = 0;
    const auto name = [&calls] { return "mine-" + std::to_string(++calls); };
    const eddy::runtime rt = eddy::runtime::builder().worker_threads(1).thread_name(name).build().value();
    EXPECT_EQ(rt.block_on([]() -> task<std::string> { co_return name_here(); }()), "mine-1");
    EXPECT_EQ(rt.block_on(rt.spawn_blocking([] { return name_here(); })).value(), "mine-2");
    EXPECT_EQ(calls, 2);
}

// covers: P004
TEST(RuntimeSettings, LastThreadNameWins) {
    const auto by_text = eddy::runtime::builder()
                             .worker_threads(1)
                             .thread_name([] { return std::string("function"); })
                             .thread_name("text-")
                             .build()
                             .value();
    EXPECT_EQ(by_text.block_on([]() -> task<std::string> { co_return name_here(); }()), "text-0");
}

/// Spawns three tasks from one task on one worker. Returns the order in which the three tasks run.
std::vector<int> order_of(const eddy::runtime& rt) {
    return rt.block_on([]() -> task<std::vector<int>> {
        std::vector<int> order;
        eddy::join_set<> set;
        for (int i = 0; i < 3; ++i) {
            set.spawn([&order, i] { order.push_back(i); });  // eddy-check: ignore: all are joined
        }
        while (auto ended = co_await set.join_next()) EXPECT_TRUE(ended->has_value());
        co_return order;
    }());
}

// covers: P004 I20.5.15
TEST(RuntimeSettings, DisabledLifoSlotKeepsTheOrder) {
    EXPECT_EQ(order_of(runtime_with(1)), (std::vector<int>{2, 0, 1}));
    const auto fifo = eddy::runtime::builder().worker_threads(1).disable_lifo_slot().build().value();
    EXPECT_EQ(order_of(fifo), (std::vector<int>{0, 1, 2}));
}

// covers: P004 I20.5.15
TEST(RuntimeSettings, WithoutLifoSlotAnotherWorkerTakesTheTask) {
    const auto rt = eddy::runtime::builder().worker_threads(2).disable_lifo_slot().build().value();
    rt.block_on([]() -> task<> {
        for (int i = 0; i < 100; ++i) {
            std::atomic<bool> has_run = false;
            auto child = eddy::spawn([&has_run] { has_run = true; });
            // This worker is busy until another worker has run the task.
            EXPECT_TRUE(support::comes_true([&] { return has_run.load(); }));
            auto ended = co_await child;
            EXPECT_TRUE(ended.has_value());
        }
    }());
}

// covers: P004 I20.5.17
TEST(RuntimeSettings, SmallEventLimitPerTickReachesAllSources) {
    for (const std::size_t limit : {1u, 2u, 1000u}) {
        const auto rt = eddy::runtime::builder().worker_threads(1).max_io_events_per_tick(limit).build().value();
        const int sum = rt.block_on([]() -> task<int> {
            constexpr int count = 20;
            eddy::join_set<int> readers;
            std::vector<eddy::net::unix_stream> writers;
            for (int i = 0; i < count; ++i) {
                auto pair = eddy::net::unix_stream::pair().value();
                writers.push_back(std::move(pair.first));
                readers.spawn([](eddy::net::unix_stream from) -> task<int> {
                    std::array<std::byte, 1> byte{};
                    auto got = co_await from.read(byte);
                    co_return got.value() == 1 ? 1 : 0;
                }(std::move(pair.second)));
            }
            for (int i = 0; i < 3; ++i) co_await eddy::yield_now();
            const std::array<std::byte, 1> byte{};
            for (auto& each : writers) {
                auto written = co_await each.write(byte);
                EXPECT_TRUE(written.has_value());
            }
            int total = 0;
            while (auto ended = co_await readers.join_next()) total += ended->value();
            co_return total;
        }());
        EXPECT_EQ(sum, 20) << limit;
    }
}

}  // namespace
