// SPDX-License-Identifier: MIT
// Tests that fail, crash and hang. They test tests/run.py, see tests/run_test.py, and not eddy.
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <thread>

#include <support/stress.hpp>

namespace {

volatile bool forever = true;

void spin_in_named_function() {
    while (forever) ::usleep(1000);
}

TEST(Misbehaving, Passes) {}

TEST(Misbehaving, PrintsWithoutNewline) { std::printf("no newline"); }

TEST(Misbehaving, PrintsReport) { std::fputs("eddy: leaks: tasks that have not ended\n", stderr); }

TEST(Misbehaving, PrintsStall) {
    std::fputs("eddy: task 7 \"a\" has blocked its thread for 257 ms\n  spawned\n", stderr);
}

TEST(Misbehaving, IsSkipped) { GTEST_SKIP() << "no such device"; }

TEST(Misbehaving, DrawsSeed) { EXPECT_EQ(support::seed(), 42U); }

TEST(Misbehaving, Fails) { EXPECT_EQ(1 + 1, 3) << "the sum is wrong"; }

TEST(Misbehaving, Aborts) { std::abort(); }

TEST(Misbehaving, PassesAfterAbort) {}

TEST(Misbehaving, ThreadThrows) {
    std::thread([] { throw std::runtime_error("thrown by a thread"); }).join();
}

TEST(Misbehaving, Hangs) {
    std::thread other(spin_in_named_function);
    other.join();
}

TEST(Misbehaving, BlocksWatchdog) {
    sigset_t all;
    sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
    spin_in_named_function();
}

TEST(Misbehaving, Exits) { std::exit(0); }

TEST(MisbehavingAtExit, LeavesFailureForExit) {
    std::atexit([] { ::_exit(3); });
}

TEST(MisbehavingAtExit, Passes) {}

class MisbehavingParameters : public testing::TestWithParam<int> {};
TEST_P(MisbehavingParameters, FailsForTwo) { EXPECT_NE(GetParam(), 2); }
INSTANTIATE_TEST_SUITE_P(Numbers, MisbehavingParameters, testing::Values(1, 2));

// Each of these tests passes only if it is the first test in its process.
int tests_in_this_process = 0;
TEST(MisbehavingOwnProcess, First) { EXPECT_EQ(++tests_in_this_process, 1); }
TEST(MisbehavingOwnProcess, Second) { EXPECT_EQ(++tests_in_this_process, 1); }

}  // namespace
