// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <thread>

#include <support/stress.hpp>
#include <support/watchdog.hpp>
#include <support/windows/skipped.hpp>

// Windows has no timer signals, so a thread watches the time. It prints the name of the test, and no stacks.

namespace support {
namespace {

class watchdog : public testing::EmptyTestEventListener {
public:
    explicit watchdog(std::chrono::seconds limit) : limit_(limit) {
        std::thread([this] { watch(); }).detach();
    }

private:
    using clock = std::chrono::steady_clock;

    void OnTestStart(const testing::TestInfo& test) override {
        begin(std::string(test.test_suite_name()) + "." + test.name());
    }
    void OnTestEnd(const testing::TestInfo& test) override {
        begin(std::string("the part after ") + test.test_suite_name() + "." + test.name());
    }

    void begin(std::string running) {
        const std::scoped_lock guard(lock_);
        running_ = std::move(running);
        end_ = clock::now() + limit_;
        changed_.notify_one();
    }

    void watch() {
        std::unique_lock guard(lock_);
        while (clock::now() < end_) changed_.wait_until(guard, end_);
        std::fprintf(stderr, "\nwatchdog: %s has run for more than %lld s\n", running_.c_str(),
                     static_cast<long long>(limit_.count()));
        std::fflush(stderr);
        std::_Exit(time_limit_exit_code);
    }

    const std::chrono::seconds limit_;
    std::mutex lock_;
    std::condition_variable changed_;
    std::string running_{"(no test has started)"};
    clock::time_point end_ = clock::now() + limit_;
};

}  // namespace

void watch_tests() {
    skip_tests_of_other_systems();
    const std::chrono::seconds limit(env_number("EDDY_TEST_LIMIT").value_or(60));
    if (limit == std::chrono::seconds::zero()) return;
    // GoogleTest owns the listener, and destroys it after the last test. The thread may outlive it, so it never ends.
    static auto* const never_destroyed = new watchdog(limit);
    class forwards : public testing::EmptyTestEventListener {
        void OnTestStart(const testing::TestInfo& test) override { as_listener().OnTestStart(test); }
        void OnTestEnd(const testing::TestInfo& test) override { as_listener().OnTestEnd(test); }
        static testing::TestEventListener& as_listener() { return *never_destroyed; }
    };
    testing::UnitTest::GetInstance()->listeners().Append(new forwards);
}

}  // namespace support
