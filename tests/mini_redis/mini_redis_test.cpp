// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <sys/socket.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <eddy/prelude.hpp>

#include <support/mini_redis/redis_server.hpp>
#include <support/net.hpp>
#include <support/process.hpp>

#include "mini_redis/client.hpp"
#include "mini_redis/server.hpp"

// mini_redis as a process: its client, its commands and its shutdown. One test of messages runs the server in the test
// process instead.

namespace {

using namespace std::chrono_literals;
using eddy::task;
using eddy::sync::cancellation_token;
using mini_redis::client;
using mini_redis::reply;
using support::expect_answer;
using support::raw_socket;
using support::redis_server;
using support::within;

// ---- The client ----

TEST(MiniRedis, ClientCallsPipelinesAndSubscribes) {
    redis_server server;
    eddy::core core;
    const auto talk = [](std::string where) -> task<eddy::result<void>> {
        auto redis = co_await eddy::try_(client::connect(where));
        co_await eddy::try_(redis.set("greeting", "hello"));
        const auto greeting = co_await eddy::try_(redis.get("greeting"));
        EXPECT_EQ(greeting, "hello");
        const auto missing = co_await eddy::try_(redis.get("missing"));
        EXPECT_FALSE(missing);
        const auto refused = co_await redis.incr("greeting");
        EXPECT_EQ(refused.error(), std::errc::invalid_argument);
        const auto answer = co_await eddy::try_(redis.call("INCR", "greeting"));
        EXPECT_EQ(answer, reply::error("ERR value is not an integer or out of range"));

        for (int i = 0; i < 1000; ++i) redis.queue("INCR", "counter");
        const auto counted = co_await eddy::try_(redis.run_queued());
        EXPECT_EQ(counted.size(), 1000u);
        EXPECT_EQ(counted.back(), reply(std::int64_t{1000}));

        auto second = co_await eddy::try_(client::connect(where));
        std::vector<std::string> channels{"news", "weather"};
        auto messages = co_await eddy::try_(std::move(second).subscribe(std::move(channels)));
        for (int i = 0; i < 100; ++i) {
            const auto reached = co_await eddy::try_(redis.publish("weather", std::to_string(i)));
            EXPECT_EQ(reached, 1);
        }
        for (int i = 0; i < 100; ++i) {
            const auto next = co_await eddy::try_(messages.next());
            EXPECT_EQ(next.channel, "weather");
            EXPECT_EQ(next.text, std::to_string(i));
        }
        co_return eddy::ok();
    };
    const auto ended = within(core, talk(server.addr().to_string()));
    EXPECT_TRUE(ended) << ended.error().message();
}

TEST(MiniRedis, MessageBetweenTwoConfirmationsIsNotLost) {
    eddy::core core;
    const auto serve = [](eddy::net::tcp_listener listener) -> task<eddy::result<void>> {
        auto accepted = co_await eddy::try_(listener.accept());
        const std::string_view answers =
            "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"
            "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$5\r\nearly\r\n"
            "*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n"
            "*3\r\n$7\r\nmessage\r\n$1\r\nb\r\n$4\r\nlate\r\n";
        co_await eddy::try_(accepted.stream.write_all(support::bytes_of(answers)));
        co_return eddy::ok();
    };
    const auto listen = [](std::string where) -> task<eddy::result<std::string>> {
        auto redis = co_await eddy::try_(client::connect(where));
        std::vector<std::string> channels{"a", "b"};
        auto messages = co_await eddy::try_(std::move(redis).subscribe(std::move(channels)));
        const auto first = co_await eddy::try_(messages.next());
        const auto second = co_await eddy::try_(messages.next());
        co_return first.text + " " + second.text;
    };
    const auto any = eddy::net::socket_addr::parse("127.0.0.1:0").value();
    auto listener = eddy::net::tcp_listener::bind(any, core.handle()).value();
    const auto where = listener.local_addr().value().to_string();
    auto both = eddy::join(serve(std::move(listener)), listen(where));
    EXPECT_EQ(within(core, std::move(both)).second, "early late");
}

TEST(MiniRedis, CommandLineClientPrintsAnswers) {
    redis_server server;
    const auto ask = [&](std::vector<std::string> words) {
        std::vector<std::string> command{"mini_redis_cli", "--server", server.addr().to_string()};
        command.insert(command.end(), words.begin(), words.end());
        return support::run(command);
    };
    EXPECT_EQ(ask({"SET", "k", "a\"b"}).out, "OK\n");
    EXPECT_EQ(ask({"GET", "k"}).out, "\"a\\\"b\"\n");
    EXPECT_EQ(ask({"GET", "none"}).out, "(nil)\n");
    EXPECT_EQ(ask({"RPUSH", "l", "1", "2"}).out, "(integer) 2\n");
    EXPECT_EQ(ask({"LRANGE", "l", "0", "9"}).out, "1) \"1\"\n2) \"2\"\n");
    const auto refused = ask({"INCR", "k"});
    EXPECT_EQ(refused.out, "(error) ERR value is not an integer or out of range\n");
    EXPECT_EQ(refused.code, 1);
    EXPECT_EQ(support::run({"mini_redis_cli", "--server", support::closed_addr().to_string(), "PING"}).code, 1);
}

// ---- Commands ----

TEST(MiniRedis, ListRangeAcceptsExtremeIndexes) {
    redis_server server;
    auto one = server.connect();
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
    one.close();  // the server waits for its clients when it ends
    EXPECT_EQ(server.end().code, 0);
}

TEST(MiniRedis, LastOfTwoExpiryOptionsApplies) {
    redis_server server;
    const auto one = server.connect();
    expect_answer(one, "SET k 1 EX 100 ex 200\r\nTTL k\r\n", "+OK\r\n:200\r\n");
    expect_answer(one, "SET k 1 PX 1 NX PX 300000\r\nSET k 1 PX 1 XX PX 300000\r\nTTL k\r\n", "$-1\r\n+OK\r\n:300\r\n");
    expect_answer(one, "SET k 1 EX 1 PX 1\r\nSET k 1 PX 1 EX 1\r\nSET k 1 EX 1 EX\r\n",
                  "-ERR syntax error\r\n-ERR syntax error\r\n-ERR syntax error\r\n");
    expect_answer(one, "SET k 1 EX x EX 0\r\nSET k 1 EX 0 EX x\r\n",
                  "-ERR invalid expire time in 'set' command\r\n-ERR value is not an integer or out of range\r\n");
}

// ---- Messages ----

const std::string has_subscribed = "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n";
const std::string has_unsubscribed = "*3\r\n$11\r\nunsubscribe\r\n$4\r\nnews\r\n:0\r\n";

/// Messages that were published before an unsubscription arrive before its confirmation.
TEST(MiniRedis, NoMessageArrivesAfterUnsubscribeConfirmation) {
    eddy::core core;
    mini_redis::server_state state{mini_redis::server_limits()};
    auto listener =
        eddy::net::tcp_listener::bind(eddy::net::socket_addr(eddy::net::ip_addr::v4_loopback(), 0), core.handle())
            .value();
    auto client = raw_socket::connected(listener.local_addr().value());
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
            // Publishes after a varying number of yields. In some rounds the server has seen the readiness event of the
            // request, but has not read the request.
            for (int turns = round % 70; turns > 0; --turns) co_await eddy::yield_now();
            const auto reached = state.topics.publish("news", "late");
            const std::string message = "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$4\r\nlate\r\n";
            const auto expected = (reached == 1 ? message : std::string()) + has_unsubscribed + "+PONG\r\n";
            const auto got = co_await read(expected.size());
            EXPECT_EQ(got, expected) << round;
        }
        end.cancel();
        client.close();  // the server waits for it
    };
    const cancellation_token end;
    auto both = eddy::join(mini_redis::serve(state, std::move(listener), end), talk(end));
    EXPECT_TRUE(within(core, std::move(both)).first);
}

// ---- Shutdown ----

TEST(MiniRedis, SignalEndsServerAfterAnsweringRequests) {
    for (const int signal : {SIGINT, SIGTERM}) {
        redis_server server;
        auto idle = server.connect();
        auto half = server.connect();
        expect_answer(idle, "PING\r\n", "+PONG\r\n");
        expect_answer(half, "PING\r\n*2\r\n$3\r\nGET\r\n", "+PONG\r\n");
        server.signal(signal);
        EXPECT_EQ(idle.receive(1), "");
        EXPECT_EQ(half.receive(1), "");
        // The server also waits until both clients have closed their connections.
        idle.close(), half.close();
        const auto ended = server.wait();
        EXPECT_EQ(ended.code, 0);
        EXPECT_EQ(ended.err, "");
        EXPECT_EQ(ended.out, "2 clients served\n");
    }
}

/// Clients send requests as fast as possible when the signal arrives. Each client receives complete answers to its
/// first requests, and then the end of the stream.
TEST(MiniRedis, SignalEndsServerWithBusyClients) {
    redis_server server;
    eddy::core core;
    const auto ask = [](std::string where, eddy::sync::notify& is_busy) -> task<int> {
        auto redis = (co_await client::connect(where)).value();
        int answered = 0;
        for (;; ++answered) {
            for (int i = 0; i < 16; ++i) redis.queue("ECHO", std::to_string(answered * 16 + i));
            const auto replies = co_await redis.run_queued();
            if (!replies) co_return answered;
            for (std::size_t i = 0; i < 16; ++i) {
                EXPECT_EQ((*replies)[i], reply(std::to_string(answered * 16 + static_cast<int>(i))));
            }
            is_busy.notify_one();
        }
    };
    const auto all = [&](std::string where) -> task<void> {
        eddy::sync::notify is_busy;
        std::vector<eddy::join_handle<int>> clients;
        for (int i = 0; i < 50; ++i) clients.push_back(eddy::spawn(ask(where, is_busy)));
        for (int i = 0; i < 200; ++i) co_await is_busy.notified();
        server.signal(SIGTERM);
        for (auto& each : clients) {
            const auto answered = co_await each;
            EXPECT_TRUE(answered.has_value());
        }
    };
    within(core, all(server.addr().to_string()));
    const auto ended = server.wait();
    EXPECT_EQ(ended.code, 0);
    EXPECT_EQ(ended.out, "50 clients served\n");
}

/// Sends requests without pause until the server ends the stream. Returns the number of replies.
task<std::size_t> flood(std::string where, eddy::sync::notify& has_replies) {
    auto stream = (co_await eddy::net::tcp_stream::connect(where)).value();
    const std::string text(1000, 'x');
    const std::size_t reply_size = ("$1000\r\n" + text + "\r\n").size();
    bool is_over = false;
    const auto send = [&]() -> task<void> {
        std::string requests;
        for (int i = 0; i < 100; ++i) requests += "ECHO " + text + "\r\n";
        while (!is_over) {
            const auto sent = co_await stream.write_all(support::bytes_of(requests));
            if (!sent) co_return;
        }
    };
    const auto receive = [&]() -> task<std::size_t> {
        std::vector<std::byte> into(64 * 1024);
        for (std::size_t received = 0;;) {
            const auto count = co_await stream.read(into);
            EXPECT_TRUE(count) << "replies are lost: " << count.error().message();
            if (count.value_or(0) == 0) {
                is_over = true;
                EXPECT_EQ(received % reply_size, 0u) << "the last reply is incomplete";
                co_return received / reply_size;
            }
            received += *count;
            has_replies.notify_one();
        }
    };
    auto both = eddy::join(send(), receive());
    const auto ended = co_await both;
    co_return ended.second;
}

// covers: I20.4.3
TEST(MiniRedis, SignalLosesNoReplyUnderPipelinedLoad) {
    redis_server server({"--drain", "30"});
    eddy::core core;
    const auto all = [&](std::string where) -> task<void> {
        constexpr std::size_t count = 20;
        std::vector<eddy::sync::notify> has_replies(count);
        std::vector<eddy::join_handle<std::size_t>> clients;
        for (auto& each : has_replies) clients.push_back(eddy::spawn(flood(where, each)));
        for (auto& each : has_replies) co_await each.notified();
        server.signal(SIGTERM);
        for (auto& each : clients) {
            const auto replies = co_await each;
            EXPECT_TRUE(replies.has_value());
            EXPECT_GT(replies.value_or(0), 0u);
        }
    };
    within(core, all(server.addr().to_string()));
    EXPECT_EQ(server.wait().out, "20 clients served\n");
}

/// The client sends 8 MiB of requests after the request that ends the connection. The server does not read them.
// covers: I20.4.4
TEST(MiniRedis, RepliesBeforeTheEndOfAConnectionAreNotLost) {
    const redis_server server;
    std::string many;
    while (many.size() < (8U << 20)) many += "ECHO more\r\n";
    for (const auto& [last, reply] : {std::pair<std::string, std::string>{"QUIT\r\n", "+OK\r\n"},
                                      {"*1\r\n!\r\n", "-ERR Protocol error: expected '$', got '!'\r\n"}}) {
        const auto client = server.connect();
        client.send("PING\r\n" + last + many);
        EXPECT_EQ(client.receive(1000), "+PONG\r\n" + reply);
    }
}

TEST(MiniRedis, PrintsDriverAndReason) {
    const auto loop = eddy::core::builder().driver(eddy::driver_kind::automatic).build().value();
    const redis_server automatic({"--driver", "auto"});
    EXPECT_EQ(automatic.driver(), "driver " + std::string(loop.why_driver()));
    const redis_server named({"--driver", "epoll"});
    EXPECT_EQ(named.driver(), "driver epoll: asked for by EDDY_DRIVER");
}

TEST(MiniRedis, PrintsWhyStartFails) {
    const auto taken = raw_socket::listening();
    const auto ended = support::run({"mini_redis_server", taken.addr().to_string()});
    EXPECT_EQ(ended.code, 1);
    EXPECT_NE(ended.err.find("Address already in use"), ended.err.npos) << ended.err;
    const auto unknown = support::run({"mini_redis_server", "127.0.0.1:0", "--driver", "abacus"});
    EXPECT_NE(unknown.code, 0);
    EXPECT_NE(unknown.err.find("--driver: abacus not in {epoll,io_uring,poll,auto}"), unknown.err.npos) << unknown.err;
}

}  // namespace
