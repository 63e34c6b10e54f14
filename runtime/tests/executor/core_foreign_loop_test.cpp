// SPDX-License-Identifier: MIT
// An event loop inside another event loop: native_handle() and next_deadline().
// covers: S51 I20.3.16
#include <eddy/prelude.hpp>
#include <eddy/runtime.hpp>

#include <gtest/gtest.h>

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <source_location>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <support/net.hpp>
#include <support/system.hpp>

namespace {

using namespace std::chrono_literals;
using eddy::task;
using steady = std::chrono::steady_clock;

struct CoreForeignLoop : testing::Test {
    void SetUp() override {
        if (eddy::core().driver() == eddy::driver_kind::poll) {
            GTEST_SKIP() << "the driver on poll(2) has no descriptor that another event loop can watch";
        }
    }
};

/// Runs a poll(2) loop that drives `core` until `done` is set. Returns the number of calls of poll(2). Ends after 20 s
/// at the latest.
int run_foreign_loop(eddy::core& core, const bool& done) {
    const auto limit = steady::now() + 20s;
    int waits = 0;
    while (!done && steady::now() < limit) {
        const auto next = core.next_deadline();
        int timeout = 20'000;
        if (next) {
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(*next - steady::now());
            timeout = static_cast<int>(std::clamp<long long>(left.count(), 0, 20'000));
        }
        pollfd watched{core.native_handle(), POLLIN, 0};
        EXPECT_GE(::poll(&watched, 1, timeout), 0);
        ++waits;
        core.turn(0ns);
    }
    return waits;
}

/// Spawns a task that sets `done` when the returned sender has sent a value.
eddy::sync::oneshot<int>::sender wait_for_value(eddy::core& core, bool& done) {
    auto [tx, rx] = eddy::sync::oneshot<int>::channel();
    core.handle().spawn([&done, from = std::move(rx)]() mutable -> task<void> {
        static_cast<void>(co_await from);
        done = true;
    });
    return std::move(tx);
}

TEST_F(CoreForeignLoop, RunsTasksAndTimers) {
    eddy::core core;
    bool done = false;
    const auto begin = steady::now();
    core.handle().spawn([&done]() -> task<void> {
        co_await eddy::time::sleep(20ms);
        co_await eddy::yield_now();
        done = true;
    });
    const int waits = run_foreign_loop(core, done);
    EXPECT_TRUE(done);
    EXPECT_GE(steady::now() - begin, 20ms);
    EXPECT_LT(waits, 50);
}

// covers: P138
TEST_F(CoreForeignLoop, EchoesOverTcp) {
    eddy::core core;
    bool done = false;
    std::string got;
    core.handle().spawn([&]() -> task<void> {
        auto listener = (co_await eddy::net::tcp_listener::bind("127.0.0.1:0")).value();
        const auto at = listener.local_addr().value();
        auto server = eddy::spawn([listener = std::move(listener)]() mutable -> task<void> {
            auto accepted = co_await listener.accept();
            while (auto data = co_await accepted->stream.receive()) {
                if (data->empty()) break;
                static_cast<void>(co_await accepted->stream.write_all(*data));
            }
        });
        auto client = (co_await eddy::net::tcp_stream::connect(at)).value();
        for (int i = 0; i < 20; ++i) {
            static_cast<void>(co_await client.write_all(support::bytes_of("ping")));
            std::array<std::byte, 4> into{};
            static_cast<void>(co_await client.read_exact(into));
            got += support::text_of(into);
        }
        static_cast<void>(co_await client.shutdown());
        static_cast<void>(co_await server);
        done = true;
    });
    run_foreign_loop(core, done);
    EXPECT_TRUE(done);
    EXPECT_EQ(got.size(), 80u);
}

// covers: P138
TEST_F(CoreForeignLoop, WakeFromAnotherThreadEndsTheWait) {
    for (int round = 0; round < 50; ++round) {
        eddy::core core;
        bool done = false;
        auto [tx, rx] = eddy::sync::oneshot<int>::channel();
        core.handle().spawn([&done, from = std::move(rx)]() mutable -> task<void> {
            const auto got = co_await from;
            EXPECT_EQ(got, 7);
            done = true;
        });
        std::thread sender([to = std::move(tx)]() mutable { static_cast<void>(to.send(7)); });
        const auto begin = steady::now();
        run_foreign_loop(core, done);
        sender.join();
        EXPECT_TRUE(done);
        EXPECT_LT(steady::now() - begin, 15s);
    }
}

TEST_F(CoreForeignLoop, WakeThatArrivesDuringTheWaitEndsIt) {
    eddy::core core;
    bool done = false;
    auto tx = wait_for_value(core, done);
    core.turn(0ns);
    std::thread sender([loop_thread = ::gettid(), to = std::move(tx)]() mutable {
        support::wait_until_asleep(loop_thread);
        static_cast<void>(to.send(7));
    });
    const auto begin = steady::now();
    run_foreign_loop(core, done);
    EXPECT_LT(steady::now() - begin, 15s);
    sender.join();
    EXPECT_TRUE(done);
}

TEST_F(CoreForeignLoop, DataThatArrivesDuringTheWaitEndsIt) {
    eddy::core core;
    auto listener = core.run(eddy::net::tcp_listener::bind("127.0.0.1:0")).value();
    const auto peer = support::raw_socket::connected(listener.local_addr().value());
    auto stream = std::move(core.run(listener.accept()).value().stream);
    peer.send("a");  // received while the core's own loop runs
    std::array<std::byte, 1> first{};
    ASSERT_TRUE(core.run(stream.read_exact(first)));

    bool done = false;
    std::string got;
    core.handle().spawn([&]() -> task<void> {
        std::array<std::byte, 2> rest{};
        const auto read = co_await stream.read_exact(rest);
        EXPECT_TRUE(read);
        got = support::text_of(rest);
        done = true;
    });
    core.turn(0ns);
    std::thread sender([loop_thread = ::gettid(), &peer] {
        support::wait_until_asleep(loop_thread);
        peer.send("bc");
    });
    const auto begin = steady::now();
    run_foreign_loop(core, done);
    EXPECT_LT(steady::now() - begin, 15s);
    sender.join();
    EXPECT_TRUE(done);
    EXPECT_EQ(got, "bc");
}

// With io_uring, the task has read large parts by recv(2), and its small reads would use the ring again.
TEST_F(CoreForeignLoop, SmallReadsAfterLargeTransfersGetEverything) {
    constexpr std::size_t large = std::size_t{4} << 20;
    constexpr std::size_t small = 100'000;
    eddy::core core;
    auto listener = core.run(eddy::net::tcp_listener::bind("127.0.0.1:0")).value();
    const auto peer = support::raw_socket::connected(listener.local_addr().value());
    auto stream = std::move(core.run(listener.accept()).value().stream);
    std::vector<std::byte> into(std::size_t{256} * 1024);
    const auto read = [&](std::size_t total, std::size_t at_once) -> task<std::size_t> {
        std::size_t count = 0;
        while (count < total) {
            const auto some = co_await stream.read(std::span(into).first(at_once));
            if (!some || *some == 0) break;
            count += *some;
        }
        co_return count;
    };
    std::thread sender([&peer] { peer.send(std::string(large, 'x')); });
    EXPECT_EQ(core.run(read(large, into.size())), large);
    sender.join();

    bool done = false;
    std::size_t got = 0;
    core.handle().spawn([&]() -> task<void> {
        got = co_await read(small, 1000);
        done = true;
    });
    static_cast<void>(core.native_handle());  // from here on without a ring
    for (int i = 0; i < 2; ++i) core.turn(0ns);
    peer.send(std::string(small, 'y'));
    run_foreign_loop(core, done);
    EXPECT_TRUE(done);
    EXPECT_EQ(got, small);
}

TEST_F(CoreForeignLoop, ConnectionsThatArriveTogetherAreAccepted) {
    eddy::core core;
    auto listener = core.run(eddy::net::tcp_listener::bind("127.0.0.1:0")).value();
    bool done = false;
    core.handle().spawn([&]() -> task<void> {
        for (int i = 0; i < 3; ++i) {
            const auto accepted = co_await listener.accept();
            EXPECT_TRUE(accepted);
        }
        done = true;
    });
    static_cast<void>(core.native_handle());  // from here on without a ring
    for (int i = 0; i < 2; ++i) core.turn(0ns);
    const auto at = listener.local_addr().value();
    std::vector<support::raw_socket> clients;
    for (int i = 0; i < 3; ++i) clients.push_back(support::raw_socket::connected(at));
    run_foreign_loop(core, done);
    EXPECT_TRUE(done);
}

TEST_F(CoreForeignLoop, ConnectionThatArrivesDuringTheWaitEndsIt) {
    eddy::core core;
    auto listener = core.run(eddy::net::tcp_listener::bind("127.0.0.1:0")).value();
    bool done = false;
    core.handle().spawn([&]() -> task<void> {
        const auto accepted = co_await listener.accept();
        EXPECT_TRUE(accepted);
        done = true;
    });
    core.turn(0ns);
    const auto at = listener.local_addr().value();
    std::thread client([loop_thread = ::gettid(), at] {
        support::wait_until_asleep(loop_thread);
        static_cast<void>(support::raw_socket::connected(at));
    });
    const auto begin = steady::now();
    run_foreign_loop(core, done);
    EXPECT_LT(steady::now() - begin, 15s);
    client.join();
    EXPECT_TRUE(done);
}

TEST_F(CoreForeignLoop, CoreCanRunAfterForeignLoop) {
    eddy::core core;
    bool done = false;
    core.handle().spawn([&done] { done = true; });
    run_foreign_loop(core, done);
    auto listener = core.run(eddy::net::tcp_listener::bind("127.0.0.1:0")).value();
    const auto peer = support::raw_socket::connected(listener.local_addr().value());
    auto stream = std::move(core.run(listener.accept()).value().stream);
    peer.send("a");
    std::array<std::byte, 1> read{};
    EXPECT_TRUE(core.run(stream.read_exact(read)));
    EXPECT_EQ(support::text_of(read), "a");
}

TEST_F(CoreForeignLoop, WakeOnSameThreadBeforeTheWaitIsNotMissed) {
    eddy::core core;
    bool done = false;
    auto tx = wait_for_value(core, done);
    core.turn(0ns);
    while (core.next_deadline()) core.turn(0ns);
    // A callback of the foreign loop may wake a task between next_deadline() and the wait.
    static_cast<void>(tx.send(1));
    pollfd watched{core.native_handle(), POLLIN, 0};
    ASSERT_EQ(::poll(&watched, 1, 10'000), 1);
    run_foreign_loop(core, done);
    EXPECT_TRUE(done);
}

TEST_F(CoreForeignLoop, SpawnedWorkFromAnotherThreadArrives) {
    eddy::core core;
    bool done = false;
    std::thread sender([remote = core.remote(), &done] { static_cast<void>(remote.spawn([&done] { done = true; })); });
    run_foreign_loop(core, done);
    sender.join();
    EXPECT_TRUE(done);
}

TEST_F(CoreForeignLoop, IdleLoopHasNoDeadlineAndIsNotReadable) {
    eddy::core core;
    core.turn(0ns);
    std::optional<steady::time_point> next;
    for (int i = 0; i < 10; ++i) {
        next = core.next_deadline();
        if (!next) break;
        core.turn(0ns);
    }
    EXPECT_FALSE(next.has_value());
    EXPECT_FALSE(core.next_deadline().has_value());
    pollfd watched{core.native_handle(), POLLIN, 0};
    EXPECT_EQ(::poll(&watched, 1, 0), 0);
    EXPECT_EQ(core.native_handle(), watched.fd);
}

// With a ring, the loop sends the rest of a destroyed stream, for a limited time. Otherwise the kernel does.
TEST_F(CoreForeignLoop, DeadlineIncludesTheLimitForUnsentData) {
    eddy::core core;
    support::connection pair;
    pair.peer.send("x");
    static_cast<void>(core.run(support::read_and_fill(pair.stream)));
    static_cast<void>(eddy::net::tcp_stream(std::move(pair.stream)));
    // The first calls return the present time, because the loop has work.
    const auto next = [&] {
        for (int i = 0; i < 20; ++i) {
            const auto at = core.next_deadline();
            if (!at || *at > steady::now()) return at;
            core.turn(0ns);
        }
        return core.next_deadline();
    };
    const auto limit = next();
    if (core.driver() != eddy::driver_kind::io_uring) {
        EXPECT_FALSE(limit.has_value());
        return;
    }
    ASSERT_TRUE(limit.has_value());
    EXPECT_LE(*limit, steady::now() + 30s);
    core.handle().spawn([]() -> task<void> { co_await eddy::time::sleep(1h); });
    EXPECT_EQ(next(), limit) << "the timer is later";
    core.handle().spawn([]() -> task<void> { co_await eddy::time::sleep(100ms); });
    core.turn(0ns);
    const auto earlier = core.next_deadline();
    ASSERT_TRUE(earlier.has_value());
    EXPECT_LT(*earlier, *limit);
}

TEST_F(CoreForeignLoop, LoopWithoutIoHasNoDescriptor) {
    auto core = eddy::core::builder().enable_io(false).build().value();
    EXPECT_EQ(core.native_handle(), -1);
}

TEST_F(CoreForeignLoop, UseOnAnotherThreadThrowsWrongThread) {
    eddy::core core;
    std::thread other([&core] {
        EXPECT_THROW(static_cast<void>(core.native_handle()), eddy::wrong_thread);
        EXPECT_THROW(static_cast<void>(core.next_deadline()), eddy::wrong_thread);
    });
    other.join();
}

}  // namespace
