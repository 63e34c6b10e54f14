// SPDX-License-Identifier: MIT
// What breaks mini_redis: numbers at their limits, messages that do not fit, and clients that leave a channel.
#include <gtest/gtest.h>

#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <eddy/prelude.hpp>

#include <support/net.hpp>
#include <support/redis_server.hpp>

#include "mini_redis/server.hpp"
#include "mini_redis/split_words.hpp"

namespace {

using eddy::task;
using eddy::sync::cancellation_token;
using support::expect_answer;
using support::raw_socket;
using support::redis_server;
using support::within;

// ---- Commands ----

TEST(BreakerMiniRedis, ARangeOfAnyNumbersIsWithinTheList) {
    redis_server server;
    const auto one = server.connect();
    expect_answer(one, "RPUSH l a b c\r\n", ":3\r\n");
    for (const std::string_view list : {"l", "none"}) {
        for (const std::string_view first : {"9223372036854775807", "9223372036854775806", "100", "3"}) {
            for (const std::string_view last : {"-9223372036854775808", "-9223372036854775807", "-100", "-4"}) {
                expect_answer(
                    one,
                    "LRANGE " + std::string(list) + " " + std::string(first) + " " + std::string(last) + "\r\nPING\r\n",
                    "*0\r\n+PONG\r\n");
            }
        }
    }
    expect_answer(one, "LRANGE l -9223372036854775808 9223372036854775807\r\n",
                  "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n");
    EXPECT_EQ(server.end().code, 0);
}

TEST(BreakerMiniRedis, OfALifetimeThatIsGivenTwiceTheLastHolds) {
    redis_server server;
    const auto one = server.connect();
    expect_answer(one, "SET k 1 EX 100 ex 200\r\nTTL k\r\n", "+OK\r\n:200\r\n");
    expect_answer(one, "SET k 1 PX 1 NX PX 300000\r\nSET k 1 PX 1 XX PX 300000\r\nTTL k\r\n", "$-1\r\n+OK\r\n:300\r\n");
    expect_answer(one, "SET k 1 EX 1 PX 1\r\nSET k 1 PX 1 EX 1\r\nSET k 1 EX 1 EX\r\n",
                  "-ERR syntax error\r\n-ERR syntax error\r\n-ERR syntax error\r\n");
    expect_answer(one, "SET k 1 EX x EX 0\r\nSET k 1 EX 0 EX x\r\n",
                  "-ERR invalid expire time in 'set' command\r\n-ERR value is not an integer or out of range\r\n");
}

TEST(BreakerMiniRedis, AWordThatIsNotQuotedMayHaveRareBlanksInIt) {
    using words = std::vector<std::string>;
    EXPECT_EQ(mini_redis::split_words("a\vb c\f"), (words{"a\vb", "c\f"}));
    EXPECT_EQ(mini_redis::split_words("\v\fa \"b\"\vc"), (words{"a", "b", "c"}));
}

// ---- Messages ----

const std::string has_subscribed = "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n";
const std::string has_left = "*3\r\n$11\r\nunsubscribe\r\n$4\r\nnews\r\n:0\r\n";

TEST(BreakerMiniRedis, ASubscriberThatCannotGetAMessageIsDisconnectedThoughItWaits) {
    redis_server server({"--subscriber-limit", "1000"});
    const auto subscriber = server.connect();
    expect_answer(subscriber, "SUBSCRIBE news\r\n", has_subscribed);
    const auto publisher = server.connect();
    expect_answer(publisher, "PUBLISH news " + std::string(1000, 'x') + "\r\n", ":0\r\n");
    EXPECT_EQ(subscriber.receive(1), "") << "the end, and no wait for a message that it will never get";
}

/// What was published before a client leaves a channel, it gets before it is told that it has left: after that it expects answers.
TEST(BreakerMiniRedis, NoMessageComesAfterItsChannelWasLeft) {
    eddy::core core;
    mini_redis::server_state state{mini_redis::server_limits()};
    auto listener =
        eddy::net::tcp_listener::bind(eddy::net::socket_addr(eddy::net::ip_addr::v4_loopback(), 0), core.handle())
            .value();
    const auto client = raw_socket::connected(listener.local_addr().value());
    client.set_nonblocking();
    const auto read = [&](std::size_t least) -> task<std::string> {
        std::string all;
        std::array<char, 4096> some{};
        while (all.size() < least) {
            const auto count = ::recv(client.fd(), some.data(), some.size(), 0);
            if (count == 0) break;
            if (count > 0) all.append(some.data(), static_cast<std::size_t>(count));
            co_await eddy::yield_now();
        }
        co_return all;
    };
    const auto talk = [&](const cancellation_token& end) -> task<void> {
        for (int round = 0; round < 210; ++round) {
            client.send("SUBSCRIBE news\r\n");
            const auto confirmed = co_await read(has_subscribed.size());
            EXPECT_EQ(confirmed, has_subscribed);
            client.send("UNSUBSCRIBE news\r\nPING\r\n");
            // After some turns of the loop: in one of the rounds just when the request has been seen, and nobody has read it.
            for (int turns = round % 70; turns > 0; --turns) co_await eddy::yield_now();
            const auto reached = state.topics.publish("news", "late");
            const std::string message = "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$4\r\nlate\r\n";
            const auto expected = (reached == 1 ? message : std::string()) + has_left + "+PONG\r\n";
            const auto got = co_await read(expected.size());
            EXPECT_EQ(got, expected) << round;
        }
        end.cancel();
    };
    const cancellation_token end;
    auto both = eddy::join(mini_redis::serve(state, std::move(listener), end), talk(end));
    EXPECT_TRUE(within(core, std::move(both)).first);
}

}  // namespace
