// SPDX-License-Identifier: MIT
// covers: P108
// runs: asan
#include <eddy/interop/fd_callbacks.hpp>

#include <eddy/future.hpp>
#include <eddy/runtime.hpp>
#include <eddy/sync/notify.hpp>
#include <eddy/task.hpp>
#include <eddy/test/run_paused.hpp>
#include <eddy/time.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <exception>
#include <memory>
#include <optional>
#include <source_location>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <support/net.hpp>

namespace {

using namespace std::chrono_literals;
using eddy::fd_callbacks;
using eddy::task;
using eddy::io::interest;
using eddy::io::ready;
using support::raw_socket;

/// A connection: `library` is the end that a C library would use, in non-blocking mode.
struct connection {
    raw_socket listener = raw_socket::listening();
    raw_socket peer = raw_socket::connected(listener.addr());
    raw_socket library = listener.accept();

    connection() { library.set_nonblocking(); }
    [[nodiscard]] int fd() const { return library.fd(); }
};

void run_on_core(auto main) { eddy::core().run(main()); }

TEST(FdCallbacks, ReportsDescriptorUntilItIsRead) {
    connection pair;
    pair.peer.send("abc");
    std::string got;
    run_on_core([&]() -> task<> {
        eddy::sync::notify is_done;
        // Reads one byte for each call, and never sees EAGAIN.
        fd_callbacks events([&](int fd, ready now) {
            EXPECT_EQ(fd, pair.fd());
            EXPECT_TRUE(now.is_readable());
            EXPECT_FALSE(now.is_writable());
            got += pair.library.receive(1);
            if (got.size() == 3) is_done.notify_one();
        });
        events.watch(pair.fd(), interest::readable);
        co_await is_done.notified();
    });
    EXPECT_EQ(got, "abc");
}

TEST(FdCallbacks, WatchReplacesTheConditions) {
    connection pair;
    pair.peer.send("x");
    std::vector<bool> calls;  // whether the descriptor was readable
    run_on_core([&]() -> task<> {
        eddy::sync::notify is_done;
        std::optional<fd_callbacks> events;
        events.emplace([&](int fd, ready now) {
            calls.push_back(now.is_readable());
            if (calls.size() == 1) events->watch(fd, interest::readable);
            if (calls.size() == 2) is_done.notify_one();
        });
        events->watch(pair.fd(), interest::writable);
        co_await is_done.notified();
    });
    EXPECT_FALSE(calls[0]);
    EXPECT_TRUE(calls[1]);
}

TEST(FdCallbacks, UnwatchedDescriptorIsNotReported) {
    connection first;
    connection second;
    first.peer.send("x");
    second.peer.send("x");
    int calls = 0;
    run_on_core([&]() -> task<> {
        eddy::sync::notify is_done;
        std::optional<fd_callbacks> events;
        // Both are ready in the same round. The first call stops both, and closes the other one.
        events.emplace(
            [&](int fd, ready) {
                ++calls;
                events->unwatch(first.fd());
                events->unwatch(second.fd());
                (fd == first.fd() ? second : first).library.close();
                events->set_timer(1ms);
            },
            [&] { is_done.notify_one(); });
        events->watch(first.fd(), interest::readable);
        events->watch(second.fd(), interest::readable);
        co_await is_done.notified();
    });
    EXPECT_EQ(calls, 1);
}

TEST(FdCallbacks, EndOfStreamIsReported) {
    connection pair;
    std::optional<ready> seen;
    run_on_core([&]() -> task<> {
        eddy::sync::notify is_done;
        std::optional<fd_callbacks> events;
        events.emplace([&](int fd, ready now) {
            seen = now;
            events->unwatch(fd);
            is_done.notify_one();
        });
        events->watch(pair.fd(), interest::readable);
        co_await eddy::yield_now();  // now it waits
        pair.peer.close();
        co_await is_done.notified();
    });
    EXPECT_TRUE(seen->is_readable());
}

TEST(FdCallbacks, TimerIsCalledOnceAndCanBeReplaced) {
    std::vector<std::chrono::milliseconds> calls;
    eddy::test::run_paused([&]() -> task<> {
        const auto start = eddy::time::clock::now();
        std::optional<fd_callbacks> events;
        events.emplace([](int, ready) {},
                       [&] {
                           calls.push_back(
                               std::chrono::duration_cast<std::chrono::milliseconds>(eddy::time::clock::now() - start));
                           if (calls.size() == 1) events->set_timer(0ms);
                       });
        events->set_timer(50ms);
        events->set_timer(20ms);
        co_await eddy::time::sleep(100ms);
        EXPECT_EQ(calls.size(), 2u);
        events->set_timer(10ms);
        events->clear_timer();
        co_await eddy::time::sleep(100ms);
    });
    ASSERT_EQ(calls.size(), 2u);
    EXPECT_EQ(calls[0], 20ms);
    EXPECT_EQ(calls[1], 20ms);
}

TEST(FdCallbacks, TimerClearedByDescriptorIsNotCalled) {
    connection pair;
    int calls = 0;
    bool was_timer_called = false;
    run_on_core([&]() -> task<> {
        eddy::sync::notify is_done;
        std::optional<fd_callbacks> events;
        // The descriptor stays writable, so the timer is due in the round of the second call.
        const auto on_ready = [&](int fd, ready) {
            if (++calls == 1) {
                events->set_timer(0ms);
            } else {
                events->clear_timer();
                events->unwatch(fd);
                is_done.notify_one();
            }
        };
        events.emplace(on_ready, [&] { was_timer_called = true; });
        events->watch(pair.fd(), interest::writable);
        co_await is_done.notified();
        co_await eddy::time::sleep(1ms);
    });
    EXPECT_EQ(calls, 2);
    EXPECT_FALSE(was_timer_called);
}

// The function never reads, so the descriptor is reported in each round.
TEST(FdCallbacks, BusyDescriptorDoesNotStarveOtherTasks) {
    connection pair;
    pair.peer.send("x");
    int calls = 0;
    run_on_core([&]() -> task<> {
        fd_callbacks events([&](int, ready) { ++calls; });
        events.watch(pair.fd(), interest::readable);
        for (int i = 0; i < 10; ++i) co_await eddy::yield_now();
        co_await eddy::time::sleep(1ms);
    });
    EXPECT_GT(calls, 0);
}

TEST(FdCallbacks, ExceptionOfFunctionReachesHandler) {
    connection pair;
    std::string text;
    const auto keep_text = [&](const std::exception_ptr& thrown, const std::source_location&) {
        try {
            std::rethrow_exception(thrown);
        } catch (const std::runtime_error& error) {
            text = error.what();
        }
    };
    auto core = eddy::core::builder().on_uncaught(keep_text).build().value();
    const auto main = [&]() -> task<> {
        fd_callbacks events([](int, ready) { throw std::runtime_error("the library has failed"); });
        events.watch(pair.fd(), interest::writable);
        for (int i = 0; i < 10'000 && text.empty(); ++i) co_await eddy::yield_now();
    };
    core.run(main());
    EXPECT_EQ(text, "the library has failed");
}

TEST(FdCallbacks, RegularFileIsRefused) {
    run_on_core([]() -> task<> {
        fd_callbacks events([](int, ready) {});
        const auto file = std::unique_ptr<std::FILE, int (*)(std::FILE*)>(std::tmpfile(), &std::fclose);
        EXPECT_THROW(events.watch(fileno(file.get()), interest::readable), std::system_error);
        co_return;
    });
}

TEST(FdCallbacks, NeedsAnEventLoop) {
    EXPECT_THROW(fd_callbacks([](int, ready) {}), eddy::misuse);
}

using FdCallbacksDeathTest = testing::Test;

TEST(FdCallbacksDeathTest, DestructionByItsOwnFunctionIsReported) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    const auto destroy_in_callback = [] {
        run_on_core([]() -> task<> {
            std::optional<fd_callbacks> events;
            events.emplace([](int, ready) {}, [&] { events.reset(); });
            events->set_timer(0ms);
            co_await eddy::time::sleep(10s);
        });
    };
    EXPECT_DEATH(destroy_in_callback(), "task_owner");
}

}  // namespace
