// SPDX-License-Identifier: MIT
// runs: once
#include "reactor/drivers/driver_ticks.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <system_error>

#include <eddy/error.hpp>
#include <eddy/runtime/reactor.hpp>

namespace {

using eddy::driver_kind;
using eddy::detail::tick_failed;

TEST(DriverTickError, TextNamesTheSystemCall) {
    const std::error_code error(EBADF, std::system_category());
    const auto text = [&](driver_kind kind) { return std::string(tick_failed(kind, error)); };
    EXPECT_TRUE(text(driver_kind::io_uring).starts_with("io_uring_enter(2) or epoll_wait(2) failed"));
    EXPECT_TRUE(text(driver_kind::epoll).starts_with("epoll_wait(2) failed"));
    EXPECT_TRUE(text(driver_kind::poll).starts_with("poll(2) failed"));
    EXPECT_TRUE(text(driver_kind::kqueue).starts_with("kevent(2) failed"));
}

TEST(DriverTickError, ClosedQueueIsExplainedByFork) {
    const std::string text = tick_failed(driver_kind::epoll, eddy::errc::runtime_shutdown);
    EXPECT_NE(text.find("forked child"), std::string::npos);
}

using DriverTickErrorDeathTest = testing::Test;

TEST(DriverTickErrorDeathTest, EndsTheProgramWithTheError) {
    const std::error_code error(EBADF, std::system_category());
    EXPECT_DEATH(eddy::detail::end_without_events(driver_kind::poll, error), "poll.2. failed.*Bad file descriptor");
}

}  // namespace
