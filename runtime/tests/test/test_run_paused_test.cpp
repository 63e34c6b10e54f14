// SPDX-License-Identifier: MIT
// covers: I20.5.28
#include <eddy/prelude.hpp>
#include <eddy/test/run_paused.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <source_location>
#include <stdexcept>
#include <string>

namespace {

using namespace std::chrono_literals;
using eddy::test::run_paused;
using std::chrono::steady_clock;

// covers: P032
TEST(RunPaused, SleepsTakeNoTime) {
    const auto began = steady_clock::now();
    const auto slept = run_paused([]() -> eddy::task<eddy::time::duration> {
        const auto before = eddy::time::clock::now();
        co_await eddy::time::sleep(48h);
        co_return eddy::time::clock::now() - before;
    });
    EXPECT_EQ(slept, 48h);
    EXPECT_LT(steady_clock::now() - began, 1h);
}

// covers: P032
TEST(RunPaused, AcceptsFuturesAndFunctions) {
    EXPECT_EQ(run_paused(eddy::ready(1)), 1);
    auto text = std::make_unique<std::string>("captured");
    const auto size = run_paused([text = std::move(text)]() -> eddy::task<std::size_t> {
        co_await eddy::time::sleep(1s);  // the captures of the lambda are used after this wait
        co_return text->size();
    });
    EXPECT_EQ(size, 8u);
    run_paused([]() -> eddy::task<> { co_await eddy::yield_now(); });
}

// covers: P032
TEST(RunPaused, RunsSpawnedTasks) {
    const int sum = run_paused([]() -> eddy::task<int> {
        auto one = eddy::spawn([]() -> eddy::task<int> {
            co_await eddy::time::sleep(1h);
            co_return 1;
        });
        auto two = eddy::spawn_blocking([] { return 2; });
        auto first = co_await one;
        auto second = co_await two;
        co_return first.value() + second.value();
    });
    EXPECT_EQ(sum, 3);
}

// covers: P032
TEST(RunPaused, TestThatNeverEndsThrowsMisuse) {
    const auto line = std::source_location::current().line() + 2;
    try {
        run_paused([]() -> eddy::task<> { co_await eddy::pending<void>(); });
        FAIL() << "it has returned";
    } catch (const eddy::misuse& thrown) {
        EXPECT_EQ(thrown.where().line(), line);
        EXPECT_TRUE(std::string(thrown.what()).contains("run_paused")) << thrown.what();
    }
}

// covers: P032
TEST(RunPaused, LimitUsesThePausedClock) {
    const auto sleeps = []() -> eddy::task<> { co_await eddy::time::sleep(10s); };
    EXPECT_THROW(run_paused(sleeps, 9s), eddy::misuse);
    EXPECT_NO_THROW(run_paused(sleeps, 11s));
}

// covers: P032
TEST(RunPaused, ExceptionsPassThrough) {
    const auto throws = []() -> eddy::task<> {
        co_await eddy::yield_now();
        throw std::runtime_error("thrown");
    };
    EXPECT_THROW(run_paused(throws), std::runtime_error);
}

}  // namespace
