// SPDX-License-Identifier: MIT
#include <support/watchdog.hpp>

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <support/stress.hpp>

// alarm(2) sends the signal. The report has the name of the test, and no stacks.

namespace support {
namespace {

// ---- Called by signal handlers: no allocation, no lock ----

// The main thread writes these variables before it sets the alarm. Handlers read them.
std::array<char, 512> running{"(no test has started)"};
pid_t watched = 0;
std::uint64_t limit_seconds = 0;

void print(std::string_view text) noexcept {
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
}

void print(std::uint64_t number) noexcept {
    std::array<char, 24> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    print(std::string_view(digits.data(), static_cast<std::size_t>(end - digits.data())));
}

void on_time_limit(int) noexcept {
    if (::getpid() != watched) return;
    print("\nwatchdog: ");
    print(running.data());
    print(" has run for more than ");
    print(limit_seconds);
    print(" s\n");
    ::_exit(time_limit_exit_code);
}

void on_crash(int signal) noexcept {
    if (::getpid() == watched) {
        print("\nwatchdog: the process ended while running ");
        print(running.data());
        print("\n");
    }
    // SA_RESETHAND has restored the default action, which ends the process once this handler returns.
    ::raise(signal);
}

// ---- Installation ----

void handle(int signal, void (*handler)(int) noexcept, int flags) {
    struct sigaction action{};
    action.sa_handler = handler;
    action.sa_flags = flags;
    ::sigaction(signal, &action, nullptr);
}

/// Stores the name of the running test, and sets the alarm for each test.
class watchdog : public testing::EmptyTestEventListener {
    void OnTestStart(const testing::TestInfo& test) override { begin("", test.test_suite_name(), test.name()); }
    void OnTestEnd(const testing::TestInfo& test) override {
        begin("the part after ", test.test_suite_name(), test.name());
    }

    static void begin(std::string_view part, std::string_view suite, std::string_view name) {
        char* to = running.data();
        for (const auto text : {part, suite, std::string_view("."), name}) {
            to += text.copy(to, static_cast<std::size_t>(running.data() + running.size() - 1 - to));
        }
        *to = '\0';
        ::alarm(static_cast<unsigned>(limit_seconds));  // 0 cancels the alarm
    }
};

}  // namespace

void watch_tests() {
    watched = ::getpid();
    limit_seconds = env_number("EDDY_TEST_LIMIT").value_or(60);
    handle(SIGALRM, on_time_limit, SA_RESTART);
    for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) {
        handle(signal, on_crash, static_cast<int>(SA_RESETHAND));
    }
    // GoogleTest owns the listener.
    testing::UnitTest::GetInstance()->listeners().Append(new watchdog);
}

}  // namespace support
