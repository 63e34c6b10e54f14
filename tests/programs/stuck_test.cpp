// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <list>
#include <optional>
#include <string>
#include <vector>

#include "support/process.hpp"

// The example `stuck`. In its own file, since this example is also built with the sanitizers.

namespace {

// covers: S17
TEST(Stuck, HungKindEndsAfterSecond) {
    std::list<support::process> running;
    const std::vector<std::string> unreported{"EDDY_STALL=0"};  // on a busy machine, the report may be too late
    for (const char* const kind : {"deadlock", "stall", "wait"})
        running.emplace_back(std::vector<std::string>{"stuck", kind}, std::nullopt, unreported);
    for (support::process& each : running) {
        const auto ended = each.wait();
        EXPECT_EQ(ended.out, "in another terminal: eddy tree $(pidof stuck)\nstill stuck after a second\n");
        EXPECT_EQ(ended.err, "");
        EXPECT_EQ(ended.code, 0);
    }
}

// covers: S17 B08
TEST(Stuck, LeakIsReportedAtItsEnd) {
    const auto ended = support::process({"stuck", "leak"}, {}, {"EDDY_LEAKS=1"}).wait();
    EXPECT_EQ(ended.out, "in another terminal: eddy tree $(pidof stuck)\n");
    EXPECT_TRUE(ended.err.starts_with("eddy: leaks: ")) << ended.err;
    EXPECT_NE(ended.err.find("\n  20 tasks, waits: "), std::string::npos) << ended.err;
    EXPECT_EQ(ended.code, 0);
}

// covers: S17
TEST(Stuck, WrongKindPrintsUsage) {
    const auto ended = support::run({"stuck", "somehow"});
    EXPECT_EQ(ended.err, "usage: stuck deadlock|stall|leak|wait [--forever]\n");
    EXPECT_EQ(ended.code, 2);
}

}  // namespace
