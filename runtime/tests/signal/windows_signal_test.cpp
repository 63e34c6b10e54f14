// SPDX-License-Identifier: MIT
// Events of the console as signals.
// covers: P078
// runs: once, asan, windows
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <future>
#include <thread>

#include <eddy/runtime/core.hpp>
#include <eddy/signal.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/timeout.hpp>

#include "sys/socket_api.hpp"
#include "sys/windows/console_event.hpp"

namespace {

using namespace std::chrono_literals;

// Before the other tests: streams stay counted until the process ends.
TEST(WindowsConsoleOwnProcess, EventWithoutAStreamIsLeftToTheSystem) {
    EXPECT_EQ(eddy::sys::on_console_event(CTRL_CLOSE_EVENT), FALSE);
}

TEST(WindowsConsole, EachCtrlCIsSeenOnce) {
    if (::GetConsoleCP() == 0) GTEST_SKIP() << "this process has no console";
    eddy::core core;
    const auto done = core.run(eddy::time::timeout(20s, []() -> eddy::task<void> {
        auto signals = eddy::signal::stream(eddy::signal::kind::interrupt()).value();
        EXPECT_NE(::GenerateConsoleCtrlEvent(CTRL_C_EVENT, 0), 0);
        const auto first = co_await signals.next();
        EXPECT_EQ(first, eddy::signal::kind::interrupt());
        const auto second = co_await eddy::time::timeout(50ms, signals.next());
        EXPECT_FALSE(second.has_value());
    }()));
    EXPECT_TRUE(done.has_value());
}

// wine cannot send Ctrl-Break, or close a console. The next tests call the handler, as Windows does.

TEST(WindowsConsole, TwoStreamsSeeTheSameEvent) {
    eddy::core core;
    const auto done = core.run(eddy::time::timeout(20s, []() -> eddy::task<void> {
        auto one = eddy::signal::stream(eddy::signal::kind::from_number(SIGBREAK)).value();
        auto other = eddy::signal::stream(eddy::signal::kind::from_number(SIGBREAK)).value();
        EXPECT_TRUE(std::async([] { return eddy::sys::on_console_event(CTRL_BREAK_EVENT) != FALSE; }).get());
        const auto first = co_await one.next();
        const auto second = co_await other.next();
        EXPECT_TRUE(first.has_value() && second.has_value());
    }()));
    EXPECT_TRUE(done.has_value());
}

TEST(WindowsConsole, ClosingTheConsoleCancelsTheShutdownToken) {
    eddy::core core;
    const auto done = core.run(eddy::time::timeout(20s, []() -> eddy::task<void> {
        auto token = eddy::signal::shutdown_token().value();
        // The thread stays there until the process has ended.
        std::thread([] { eddy::sys::on_console_event(CTRL_CLOSE_EVENT); }).detach();
        co_await token.cancelled();
    }()));
    EXPECT_TRUE(done.has_value());
}

}  // namespace
