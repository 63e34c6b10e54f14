// SPDX-License-Identifier: MIT
// The attempts to connect to the addresses of a host, on a paused clock.
// runs: asan
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/future.hpp>
#include <eddy/net.hpp>
#include <eddy/task.hpp>
#include <eddy/test.hpp>
#include <eddy/time.hpp>

#include "net/connect_to_any.hpp"

namespace {

using eddy::result;
using eddy::task;

/// Connects to one of the addresses. The port tells how an address answers: 1 never, 2 with a refusal, 3 after 400 ms,
/// and others at once. Returns the times of the attempts in milliseconds, and the outcome.
std::string attempts_of(std::vector<std::string> addresses) {
    return eddy::test::run_paused([&]() -> task<std::string> {
        using namespace std::chrono_literals;
        std::string log;
        const auto begin = eddy::time::clock::now();
        const auto elapsed = [begin] {
            const auto passed = std::chrono::round<std::chrono::milliseconds>(eddy::time::clock::now() - begin);
            return std::to_string(passed.count()) + " ";
        };
        const auto connect = [&](eddy::net::socket_addr to) -> task<result<std::string>> {
            log += elapsed() + to.to_string() + ", ";
            if (to.port() == 1) co_await eddy::pending<void>();
            if (to.port() == 2) co_return std::unexpected(std::make_error_code(std::errc::connection_refused));
            if (to.port() == 3) co_await eddy::time::sleep(400ms);
            co_return "connected";
        };
        std::vector<eddy::net::socket_addr> all;
        for (const auto& each : addresses) all.push_back(eddy::net::socket_addr::parse(each).value());
        std::string where = "none";
        const auto note = [&where](const eddy::net::socket_addr& to) { where = to.to_string(); };
        auto racing = eddy::detail::connect_to_any<std::string>(eddy::detail::in_turns(std::move(all)),
                                                                eddy::detail::connect_stagger, connect, note);
        const auto connected = co_await racing;
        const std::string outcome = connected ? *connected : connected.error().message();
        co_return log + elapsed() + where + " " + outcome;
    });
}

TEST(ConnectToAny, NextAddressIsTriedAfterFailureOrQuarterSecond) {
    EXPECT_EQ(attempts_of({"[::1]:80", "127.0.0.1:80"}), "0 [::1]:80, 0 [::1]:80 connected");
    EXPECT_EQ(attempts_of({"[::1]:1", "127.0.0.1:80"}), "0 [::1]:1, 250 127.0.0.1:80, 250 127.0.0.1:80 connected");
    EXPECT_EQ(attempts_of({"[::1]:2", "127.0.0.1:80"}), "0 [::1]:2, 0 127.0.0.1:80, 0 127.0.0.1:80 connected");
    EXPECT_EQ(attempts_of({"[::1]:3", "127.0.0.1:1"}), "0 [::1]:3, 250 127.0.0.1:1, 400 [::1]:3 connected");
    EXPECT_EQ(attempts_of({"[::1]:1", "127.0.0.1:2", "127.0.0.2:80"}),
              "0 [::1]:1, 250 127.0.0.1:2, 250 127.0.0.2:80, 250 127.0.0.2:80 connected");
    const std::string refused = std::make_error_code(std::errc::connection_refused).message();
    EXPECT_EQ(attempts_of({"[::1]:2", "127.0.0.1:2"}), "0 [::1]:2, 0 127.0.0.1:2, 0 127.0.0.1:2 " + refused);
    EXPECT_EQ(attempts_of({}), "0 none " + make_error_code(eddy::errc::no_address).message());
}

TEST(ConnectToAny, FamiliesTakeTurns) {
    EXPECT_EQ(attempts_of({"[::1]:1", "[::2]:1", "[::3]:1", "127.0.0.1:1", "127.0.0.2:80"}),
              "0 [::1]:1, 250 127.0.0.1:1, 500 [::2]:1, 750 127.0.0.2:80, 750 127.0.0.2:80 connected");
}

}  // namespace
