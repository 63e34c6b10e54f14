// SPDX-License-Identifier: MIT
// The list of the threads that sleep without an end. What it proves: ../../../inspect/docs/hangs.md and
// process_child_test.cpp.
// runs: asan, plain
#include "executor/reports/endless_wait.hpp"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace {

using eddy::detail::endless_wait;

/// A sleep that something always seems to have ended. It counts how often the list asks.
class counted_sleeper {
public:
    endless_wait::state sleep_state() noexcept { return ++questions_; }
    [[nodiscard]] std::uint64_t questions() const noexcept { return questions_; }
    endless_wait& wait() noexcept { return wait_; }

private:
    std::uint64_t questions_ = 0;
    endless_wait wait_{*this};
};

/// More than the threads of this program: at one of them, as many sleep as there are threads, and the list asks all.
using many_sleepers = std::array<counted_sleeper, 64>;

/// Adds all to the list. It takes a sleep only after the time that the first call of begin() returns.
void enter(many_sleepers& all) {
    endless_wait::limit first;
    for (auto& each : all) first = each.wait().begin(0);
    std::this_thread::sleep_for(first.value());
    for (auto& each : all) static_cast<void>(each.wait().begin(0));
}

std::uint64_t questions_of(const many_sleepers& all) {
    std::uint64_t sum = 0;
    for (const auto& each : all) sum += each.questions();
    return sum;
}

/// As a gtest failure, in a child process.
void require(bool is_right, const char* what) {
    if (is_right) return;
    std::fprintf(stderr, "%s\n", what);
    std::_Exit(1);
}

// endless_wait does not ask its sleepers if the program handles signals, because a handler may end a sleep. The program
// of the tests has handlers, so the child process resets them.
[[noreturn]] void leave_in_any_order() {
    for (int number = 1; number < NSIG; ++number) std::signal(number, SIG_DFL);
    many_sleepers leaving;
    enter(leaving);
    require(questions_of(leaving) > leaving.size(), "the list does not ask those in it");
    // The last one that came is the first of the list.
    for (const std::size_t one : {leaving.size() - 1, std::size_t{0}, leaving.size() / 2}) leaving.at(one).wait().end();
    for (std::size_t i = 0; i < leaving.size(); ++i) leaving.at((i * 7 + 3) % leaving.size()).wait().end();
    const auto before = questions_of(leaving);

    many_sleepers others;
    enter(others);
    require(questions_of(leaving) == before, "one that has left is still in the list");
    require(questions_of(others) > others.size(), "the list has lost one, or its number is wrong");
    for (auto& each : others) each.wait().end();
    std::_Exit(0);
}

TEST(EndlessWaitDeathTest, SleepersLeaveInAnyOrder) {
    EXPECT_EXIT(leave_in_any_order(), testing::ExitedWithCode(0), "");
}

}  // namespace
