// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <string>
#include <string_view>
#include <vector>

#include <eddy/prelude.hpp>

#include <support/net.hpp>
#include <support/process.hpp>

#include "mini_redis/client.hpp"

// mini_redis as a process: its client, its end, and what bad clients do to it and to others.

namespace {

using namespace std::chrono_literals;
using eddy::task;
using mini_redis::client;
using mini_redis::reply;
using support::process;
using support::raw_socket;
using support::within;

/// A server on a free port.
class redis_server {
public:
    explicit redis_server(const std::vector<std::string>& options = {})
        : process_(command(options)), addr_(support::addr_in(process_.line())) {}

    [[nodiscard]] const eddy::net::socket_addr& addr() const noexcept { return addr_; }
    [[nodiscard]] raw_socket connect() const { return raw_socket::connected(addr_); }
    /// Tells it to end, and gives how it did.
    [[nodiscard]] process::outcome end(int signal = SIGTERM) {
        process_.signal(signal);
        return process_.wait();
    }
    void signal(int number) const { process_.signal(number); }

private:
    static std::vector<std::string> command(const std::vector<std::string>& options) {
        std::vector<std::string> all{"mini_redis_server", "127.0.0.1:0"};
        all.insert(all.end(), options.begin(), options.end());
        return all;
    }

    process process_;
    eddy::net::socket_addr addr_;
};

void expect_answer(const raw_socket& to, std::string_view request, std::string_view answer) {
    to.send(request);
    EXPECT_EQ(to.receive(answer.size()), answer) << request;
}

/// The line of INFO that begins with `name`.
std::string info(const redis_server& server, const std::string& name) {
    const auto asking = server.connect();
    asking.send("INFO\r\nQUIT\r\n");
    const auto text = asking.receive(100'000);
    const auto at = text.find("\n" + name + ":");
    if (at == text.npos) return "none";
    const auto begin = at + name.size() + 2;
    return text.substr(begin, text.find('\r', begin) - begin);
}

bool comes_to_have(const redis_server& server, const std::string& name, const std::string& value) {
    return support::comes_true([&] { return info(server, name) == value; });
}

// ---- The client ----

TEST(MiniRedis, ItsClientCallsPipelinesAndSubscribes) {
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

TEST(MiniRedis, ItsCommandLineClientShowsAnswers) {
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

// ---- The end ----

TEST(MiniRedis, EndsOnASignalAndAnswersWhatHasCome) {
    for (const int signal : {SIGINT, SIGTERM}) {
        redis_server server;
        const auto idle = server.connect();
        const auto half = server.connect();
        expect_answer(idle, "PING\r\n", "+PONG\r\n");
        expect_answer(half, "PING\r\n*2\r\n$3\r\nGET\r\n", "+PONG\r\n");
        const auto ended = server.end(signal);
        EXPECT_EQ(ended.code, 0);
        EXPECT_EQ(ended.err, "");
        EXPECT_EQ(ended.out, "2 clients served\n");
        EXPECT_EQ(idle.receive(1), "");
    }
}

TEST(MiniRedis, SaysWhyItDoesNotStart) {
    const auto taken = raw_socket::listening();
    const auto ended = support::run({"mini_redis_server", taken.addr().to_string()});
    EXPECT_EQ(ended.code, 1);
    EXPECT_NE(ended.err.find("Address already in use"), ended.err.npos) << ended.err;
    EXPECT_EQ(support::run({"mini_redis_server", "127.0.0.1:0", "--driver", "abacus"}).code, 1);
}

// ---- Bad clients ----

TEST(MiniRedis, AClientThatIsCutOffAtAnyByteDisturbsNobody) {
    redis_server server;
    const auto other = server.connect();
    const std::string frame = "*3\r\n$3\r\nSET\r\n$3\r\ncut\r\n$5\r\nvalue\r\n";
    for (std::size_t cut = 0; cut < frame.size(); ++cut) {
        auto orderly = server.connect();
        orderly.send(frame.substr(0, cut));
        orderly.close();
        auto rude = server.connect();
        rude.send(frame.substr(0, cut));
        rude.reset();
        expect_answer(other, "GET cut\r\n", "$-1\r\n");
    }
    auto whole = server.connect();
    whole.send(frame);
    whole.close();
    EXPECT_TRUE(support::comes_true([&] {
        other.send("EXISTS cut\r\n");
        return other.receive(4) == ":1\r\n";
    })) << "all of it had come";
    EXPECT_TRUE(comes_to_have(server, "connected_clients", "2"));
    EXPECT_EQ(server.end().code, 0);
}

TEST(MiniRedis, AnswersThatComeInPiecesOfAnySize) {
    redis_server server;
    const auto slow = server.connect();
    const std::string frame = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nvalue\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
    for (std::size_t cut = 1; cut < frame.size(); ++cut) {
        slow.send(frame.substr(0, cut));
        slow.send(frame.substr(cut));
        EXPECT_EQ(slow.receive(16), "+OK\r\n$5\r\nvalue\r\n");
    }
}

TEST(MiniRedis, ClientsThatVanishLeaveNothing) {
    redis_server server;
    for (int round = 0; round < 20; ++round) {
        std::vector<raw_socket> crowd;
        for (int i = 0; i < 50; ++i) {
            crowd.push_back(server.connect());
            crowd.back().send(i % 2 == 0 ? "SUBSCRIBE news\r\n" : "GET k\r\nGET k\r\nGET");
        }
        for (auto& each : crowd) each.reset();
    }
    EXPECT_TRUE(comes_to_have(server, "connected_clients", "1"));
    EXPECT_TRUE(comes_to_have(server, "pubsub_channels", "0"));
    expect_answer(server.connect(), "PUBLISH news x\r\n", ":0\r\n");
    EXPECT_EQ(server.end().code, 0);
}

TEST(MiniRedis, ABrokenFrameIsAnsweredAndEndsItsConnectionOnly) {
    redis_server server;
    const auto other = server.connect();
    for (const std::string_view bad : {"*x\r\n", "*1\r\n$-1\r\n", "*1\r\n$536870913\r\n", "set \"a\r\n"}) {
        const auto broken = server.connect();
        broken.send("SET k 1\r\n" + std::string(bad));
        const auto answer = broken.receive(1000);
        EXPECT_TRUE(answer.starts_with("+OK\r\n-ERR Protocol error: ")) << answer;
        expect_answer(other, "PING\r\n", "+PONG\r\n");
    }
}

TEST(MiniRedis, AClientThatReadsNothingIsNotReadEither) {
    redis_server server({"--drain", "0"});
    const auto other = server.connect();
    expect_answer(other, "SET big " + std::string(60'000, 'x') + "\r\n", "+OK\r\n");
    const auto greedy = server.connect();
    greedy.set_nonblocking();
    // 60 KB each: the answers do not fit into any buffer, so after a while no request is taken either.
    std::string requests;
    for (int i = 0; i < 1000; ++i) requests += "GET big\r\n";
    std::size_t sent = 0;
    const auto pour = [&] {
        for (;;) {
            const auto count = ::send(greedy.fd(), requests.data(), requests.size(), MSG_NOSIGNAL);
            if (count <= 0) return;
            sent += static_cast<std::size_t>(count);
            if (sent > 100'000'000) return;
        }
    };
    pour();
    EXPECT_LT(sent, 100'000'000u);
    expect_answer(other, "PING\r\n", "+PONG\r\n");
    EXPECT_EQ(server.end().code, 0) << "it is cut off when the time to drain is over";
}

TEST(MiniRedis, ASubscriberThatReadsNothingIsDisconnectedAndOthersGetAll) {
    redis_server server({"--subscriber-limit", "1000000"});
    const auto slow = server.connect();
    const auto fast = server.connect();
    const auto publisher = server.connect();
    const std::string answer = "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n";
    expect_answer(slow, "SUBSCRIBE news\r\n", answer);
    expect_answer(fast, "SUBSCRIBE news\r\n", answer);

    const std::string text(100'000, 'x');
    const std::string message = "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$100000\r\n" + text + "\r\n";
    bool is_alone = false;
    for (int i = 0; i < 1000 && !is_alone; ++i) {
        publisher.send("*3\r\n$7\r\nPUBLISH\r\n$4\r\nnews\r\n$100000\r\n" + text + "\r\n");
        const auto reached = publisher.receive(4);
        ASSERT_TRUE(reached == ":2\r\n" || reached == ":1\r\n") << reached;
        is_alone = reached == ":1\r\n";
        EXPECT_EQ(fast.receive(message.size()), message);
    }
    EXPECT_TRUE(is_alone) << "100 MB were published";
    EXPECT_TRUE(comes_to_have(server, "connected_clients", "3"));
    expect_answer(publisher, "PUBLISH news x\r\n", ":1\r\n");
}

// ---- Limits ----

TEST(MiniRedis, KeepsItsLimits) {
    redis_server server({"--max-keys", "2", "--max-word", "10", "--max-words", "5", "--max-request", "60"});
    const auto one = server.connect();
    expect_answer(one, "MSET a 1 b 2\r\n", "+OK\r\n");
    expect_answer(one, "SET c 3\r\n", "-OOM command not allowed when used memory > 'maxmemory'.\r\n");
    expect_answer(one, "DEL a\r\n", ":1\r\n");
    expect_answer(one, "SET c 12345\r\n", "+OK\r\n");
    expect_answer(one, "DEL b\r\n", ":1\r\n");
    expect_answer(one, "APPEND c 678901\r\n", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n");
    expect_answer(one, "APPEND c 67890\r\n", ":10\r\n");
    expect_answer(server.connect(), "*1\r\n$11\r\n", "-ERR Protocol error: invalid bulk length\r\n");
    expect_answer(server.connect(), "*6\r\n", "-ERR Protocol error: invalid multibulk length\r\n");
    expect_answer(server.connect(), "*5\r\n$10\r\n0123456789\r\n$10\r\n0123456789\r\n$10\r\n0123456789\r\n$10\r\n",
                  "-ERR Protocol error: too big request\r\n");
}

TEST(MiniRedis, FurtherClientsWaitUntilOneLeaves) {
    redis_server server({"--max-clients", "1"});
    auto first = server.connect();
    expect_answer(first, "PING\r\n", "+PONG\r\n");
    const auto second = server.connect();
    second.send("PING\r\n");
    first.close();
    EXPECT_EQ(second.receive(7), "+PONG\r\n");
}

TEST(MiniRedis, BigValuesGoBothWays) {
    redis_server server;
    const auto one = server.connect();
    const std::string big(5'000'000, 'b');
    expect_answer(one, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5000000\r\n" + big + "\r\n", "+OK\r\n");
    expect_answer(one, "GET k\r\n", "$5000000\r\n" + big + "\r\n");
}

}  // namespace
