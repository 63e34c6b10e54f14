// SPDX-License-Identifier: MIT
// The alarm of each readiness driver: it ends a tick at a time that was set before the tick, also by another thread.
// runs: once
#include <gtest/gtest.h>

#include <chrono>
#include <memory>

#include "reactor/drivers/driver.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::driver_kind;
using eddy::detail::readiness_driver;
using std::chrono::steady_clock;

class DriverAlarm : public testing::TestWithParam<driver_kind> {
protected:
    void SetUp() override { ASSERT_TRUE(driver->make_alarm()); }

    /// Runs a tick without events, and returns how long it took.
    steady_clock::duration wait() {
        const auto begin = steady_clock::now();
        EXPECT_EQ(driver->tick(10s).value().events, 0U);
        return steady_clock::now() - begin;
    }

    std::unique_ptr<readiness_driver> driver = readiness_driver::make(GetParam(), 16).value();
};

// The tolerance of 5 s lets a busy machine delay the tick. Without an alarm, it lasts for 10 s.
TEST_P(DriverAlarm, EndsTick) {
    driver->set_alarm(10ms);
    const auto waited = wait();
    EXPECT_GE(waited, 9ms);
    EXPECT_LT(waited, 5s);
}

TEST_P(DriverAlarm, WakeWithinMovesAlarmToEarlierTime) {
    driver->set_alarm(1h);
    driver->wake_within(1ms);
    EXPECT_LT(wait(), 5s);
}

TEST_P(DriverAlarm, WakeWithinKeepsEarlierAlarm) {
    driver->wake_within(1ms);
    driver->wake_within(1h);
    EXPECT_LT(wait(), 5s);
}

INSTANTIATE_TEST_SUITE_P(Drivers, DriverAlarm, testing::Values(driver_kind::epoll, driver_kind::poll),
                         [](const auto& made) { return made.param == driver_kind::epoll ? "epoll" : "poll"; });

}  // namespace
