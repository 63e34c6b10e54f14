// SPDX-License-Identifier: MIT
// What is printed when child objects are destroyed that were not used.
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <string>
#include <utility>

#include <eddy/eddy.hpp>
#include <eddy/process.hpp>

#include <support/children.hpp>
#include <support/executors.hpp>
#include <support/gate.hpp>
#include <support/net.hpp>

#include "running_process.hpp"

namespace {

namespace process = eddy::process;
using process::child;
using process::command;
using process::stdio;
using support::all_are_reaped;
using support::comes_true;

/// Returns what is printed while a function runs.
template <class F>
std::string printed_by(F f) {
    testing::internal::CaptureStderr();
    f();
    return testing::internal::GetCapturedStderr();
}

TEST(ProcessDrop, OfAnUnusedChildIsReported) {
    if constexpr (!eddy::detail::has_checks) GTEST_SKIP() << "the report needs EDDY_CHECKS";
    support::executor runs(0);
    const auto spawn = [&](const command& what, unsigned& line) {
        line = __LINE__ + 1;
        return runs.run(what.spawn()).value();
    };
    const command sleeps("sleep", "1000");
    int id = 0;
    unsigned line = 0;
    const auto report = [&] {
        return "eddy: process " + std::to_string(id) +
               " (sleep) was killed because its child object was destroyed at once: keep it until wait() has ended, or "
               "call "
               "detach(). It was started at " +
               __FILE__ + ":" + std::to_string(line) + "\n";
    };
    runs.run(eddy::yield_now());  // an await that is recorded
    const auto of_unused = printed_by([&] {
        auto child = spawn(command(sleeps).out(stdio::pipe()), line);
        id = child.process()->id();
        static_cast<void>(std::move(*child.out()));
    });
    EXPECT_EQ(of_unused, report());
    const auto silent = [&](auto use) {
        return printed_by([&] {
            auto child = spawn(sleeps, line);
            use(child);
        });
    };
    EXPECT_EQ(silent([](child& one) { static_cast<void>(one.id()); }), "");
    EXPECT_EQ(silent([](child& one) { eddy::drop(one.wait()); }), "");
    EXPECT_EQ(silent([](child& one) { static_cast<void>(one.kill()); }), "");
    EXPECT_EQ(silent([](child& one) {
                  const int detached = one.process()->id();
                  std::move(one).detach();
                  ::kill(detached, SIGKILL);
              }),
              "");
    const auto of_ended = printed_by([&] {
        auto child = runs.run(command("true").spawn()).value();
        EXPECT_TRUE(comes_true([&] { return child.process()->exit().is_set(); }));
    });
    EXPECT_EQ(of_ended, "");
    EXPECT_TRUE(all_are_reaped());
}

TEST(ProcessDrop, OfAnUnusedPipelineIsReported) {
    if constexpr (!eddy::detail::has_checks) GTEST_SKIP() << "the report needs EDDY_CHECKS";
    support::executor runs(0);
    const command sleeps("sleep", "1000");
    const unsigned line = __LINE__ + 1;
    const auto of_all = printed_by([&] { EXPECT_TRUE(runs.run(process::pipeline(sleeps, sleeps).spawn())); });
    EXPECT_EQ(std::ranges::count(of_all, '\n'), 2) << of_all;
    EXPECT_TRUE(of_all.ends_with(std::string(__FILE__) + ":" + std::to_string(line) + "\n")) << of_all;
    // The library itself uses those that it has started.
    EXPECT_EQ(printed_by([&] { EXPECT_FALSE(runs.run(process::pipeline(sleeps, command("/no/where")).spawn())); }), "");
    EXPECT_EQ(
        printed_by([&] { EXPECT_FALSE(runs.run(process::run(process::pipeline(sleeps, command("/no/where"))))); }), "");
    EXPECT_TRUE(all_are_reaped());
}

}  // namespace
