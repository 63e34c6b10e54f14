// SPDX-License-Identifier: MIT
// Many processes with random drops, kills and time-outs: none is left, and no descriptor.
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <optional>
#include <utility>

#include <eddy/eddy.hpp>
#include <eddy/process.hpp>

#include <support/dice.hpp>
#include <support/executors.hpp>
#include <support/gate.hpp>
#include <support/net.hpp>
#include <support/process/children.hpp>
#include <support/stress.hpp>

namespace {

namespace process = eddy::process;
using namespace std::chrono_literals;
using process::command;
using process::stdio;

/// Polls a future a few times, then drops it.
template <class F>
eddy::task<void> drop_after(F future, std::size_t polls) {
    static_cast<void>(co_await eddy::select_biased(std::move(future), [](std::size_t count) -> eddy::task<void> {
        while (count-- != 0) co_await eddy::yield_now();
    }(polls)));
}

eddy::task<void> start_and_end(support::dice& dice) {
    command what = dice.one_in(2) ? command("true") : command("sleep", "1000");
    if (dice.one_in(2)) what.group();
    if (dice.one_in(2)) what.in(stdio::pipe()).out(stdio::pipe());
    if (dice.one_in(3)) {
        co_await drop_after(what.spawn(), dice.between(1, 60));
        co_return;
    }
    if (dice.one_in(5)) {
        const auto done = co_await process::run(what.in(stdio::null()), process::run_options().timeout(1ms));
        EXPECT_TRUE(done);
        co_return;
    }
    std::optional<process::terminal> screen;
    if (dice.one_in(5)) screen = process::terminal::open().value();
    auto starting = screen ? screen->spawn(what) : what.spawn();
    auto started = co_await std::move(starting);
    EXPECT_TRUE(started);
    if (!started) co_return;
    switch (dice.below(5)) {
    case 0: break;  // drop
    case 1: static_cast<void>(started->signal(SIGKILL)); break;
    case 2: {
        static_cast<void>(co_await started->stop(dice.one_in(2) ? 0s : 1h));
        break;
    }
    case 3: {
        static_cast<void>(co_await eddy::time::timeout(1ms, started->wait()));
        break;
    }
    default: co_await drop_after(started->stop(1h), dice.between(1, 20));
    }
}

// covers: R116 R118
TEST(ProcessStress, RandomEndsLeaveNeitherProcessesNorDescriptors) {
    const auto run_all = [](std::uint64_t rounds) {
        support::executor runs(2);
        runs.run([&]() -> eddy::task<void> {
            eddy::join_set<> tasks;
            for (std::uint64_t task = 0; task < 10; ++task) {
                tasks.spawn([](std::uint64_t seed, std::uint64_t count) -> eddy::task<void> {
                    support::dice dice(seed);
                    for (std::uint64_t i = 0; i < count; ++i) co_await start_and_end(dice);
                }(support::seed() + task, rounds));
            }
            while (auto ended = co_await tasks.join_next()) EXPECT_TRUE(*ended);
        }());
    };
    run_all(1);  // what is made once
    ASSERT_TRUE(support::all_are_reaped());
    const support::leaves_no_descriptor unchanged;
    run_all(support::rounds(3000));
    EXPECT_TRUE(support::all_are_reaped()) << support::count_children() << " children are left";
}

}  // namespace
