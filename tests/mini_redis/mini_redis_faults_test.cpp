// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <sys/socket.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <support/mini_redis/redis_server.hpp>
#include <support/net.hpp>
#include <support/stress.hpp>

// mini_redis with clients that break the protocol, disconnect or do not read, and with too many clients.

namespace {

using support::comes_to_have;
using support::expect_answer;
using support::raw_socket;
using support::redis_server;

// ---- Bad clients ----

TEST(MiniRedisFaults, ClientCutOffAtAnyByteDoesNotDisturbOthers) {
    redis_server server;
    auto other = server.connect();
    const std::string frame = "*3\r\n$3\r\nSET\r\n$3\r\ncut\r\n$5\r\nvalue\r\n";
    for (std::size_t cut = 0; cut < frame.size(); ++cut) {
        auto closing = server.connect();
        closing.send(frame.substr(0, cut));
        closing.close();
        auto aborting = server.connect();
        aborting.send(frame.substr(0, cut));
        aborting.reset();
        expect_answer(other, "GET cut\r\n", "$-1\r\n");
    }
    auto whole = server.connect();
    whole.send(frame);
    whole.close();
    EXPECT_TRUE(support::comes_true([&] {
        other.send("EXISTS cut\r\n");
        return other.receive(4) == ":1\r\n";
    })) << "the server received the complete request";
    EXPECT_TRUE(comes_to_have(server, "connected_clients", "2"));
    other.close();  // the server waits for its clients when it ends
    EXPECT_EQ(server.end().code, 0);
}

TEST(MiniRedisFaults, RequestsCutAnywhereAreAnswered) {
    redis_server server;
    const auto slow = server.connect();
    const std::string frame = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nvalue\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
    for (std::size_t cut = 1; cut < frame.size(); ++cut) {
        slow.send(frame.substr(0, cut));
        slow.send(frame.substr(cut));
        EXPECT_EQ(slow.receive(16), "+OK\r\n$5\r\nvalue\r\n");
    }
}

TEST(MiniRedisFaults, VanishedClientsLeaveNoState) {
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

TEST(MiniRedisFaults, BrokenFrameEndsOnlyThatConnection) {
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

TEST(MiniRedisFaults, ServerStopsReadingClientThatDoesNotRead) {
    redis_server server({"--drain", "0"});
    const auto other = server.connect();
    expect_answer(other, "SET big " + std::string(60'000, 'x') + "\r\n", "+OK\r\n");
    const auto flooding = server.connect();
    flooding.set_nonblocking();
    // 60 KB per answer: the answers fill all buffers, and then the server stops reading requests.
    std::string requests;
    for (int i = 0; i < 1000; ++i) requests += "GET big\r\n";
    std::size_t sent = 0;
    const auto pour = [&] {
        for (;;) {
            const auto count = ::send(flooding.fd(), requests.data(), requests.size(), MSG_NOSIGNAL);
            if (count <= 0) return;
            sent += static_cast<std::size_t>(count);
            if (sent > 100'000'000) return;
        }
    };
    pour();
    EXPECT_LT(sent, 100'000'000u);
    expect_answer(other, "PING\r\n", "+PONG\r\n");
    EXPECT_EQ(server.end().code, 0) << "the client is disconnected when the drain time is over";
}

TEST(MiniRedisFaults, SecondSignalEndsServerImmediately) {
    redis_server server({"--drain", "3600"});
    const auto flooding = server.connect();
    expect_answer(flooding, "SET big " + std::string(60'000, 'x') + "\r\n", "+OK\r\n");
    std::string requests;
    for (int i = 0; i < 1000; ++i) requests += "GET big\r\n";
    flooding.send(requests);  // more than the buffers hold; the client reads no answer
    EXPECT_TRUE(comes_to_have(server, "connected_clients", "2"));
    server.signal(SIGINT);
    EXPECT_TRUE(support::comes_true([&] { return support::refuses(server.addr()); }));
    EXPECT_EQ(server.end(SIGTERM).code, 128 + SIGTERM);
}

TEST(MiniRedisFaults, SlowSubscriberIsDisconnectedAndOthersGetAll) {
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
    EXPECT_TRUE(is_alone) << "the slow subscriber is still connected after 100 MB";
    EXPECT_TRUE(comes_to_have(server, "connected_clients", "3"));
    expect_answer(publisher, "PUBLISH news x\r\n", ":1\r\n");
}

TEST(MiniRedisFaults, SubscriberIsDisconnectedByTooLargeMessage) {
    redis_server server({"--subscriber-limit", "1000"});
    const auto subscriber = server.connect();
    expect_answer(subscriber, "SUBSCRIBE news\r\n", "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n");
    const auto publisher = server.connect();
    expect_answer(publisher, "PUBLISH news " + std::string(1000, 'x') + "\r\n", ":0\r\n");
    EXPECT_EQ(subscriber.receive(1), "") << "the end of the stream, since the message cannot be delivered";
}

// ---- Many clients ----

/// Connects clients in waves of 50. Each client sends a request, reads the answer or not, and closes or resets the
/// connection.
TEST(MiniRedisFaultsStress, ManyConnectionsOpenAndClose) {
    redis_server server;
    auto other = server.connect();
    std::uint64_t came = 0;
    for (auto left = support::rounds(10'000); left > 0;) {
        std::vector<raw_socket> wave;
        for (; wave.size() < 50 && left > 0; --left) wave.push_back(server.connect());
        came += wave.size();
        for (std::size_t i = 0; i < wave.size(); ++i) {
            wave[i].send(i % 4 == 3 ? "SUBSCRIBE news\r\n" : "INCR count\r\n");
            if (i % 4 < 2) {
                EXPECT_EQ(wave[i].receive(1), ":");
            }
            if (i % 2 == 1) wave[i].reset();
        }
        expect_answer(other, "PING\r\n", "+PONG\r\n");
    }
    EXPECT_TRUE(comes_to_have(server, "connected_clients", "2"));
    EXPECT_TRUE(comes_to_have(server, "pubsub_channels", "0"));
    other.close();
    const auto ended = server.end();
    EXPECT_EQ(ended.code, 0);
    EXPECT_GE(std::stoull(ended.out), came) << ended.out;
}

TEST(MiniRedisFaults, ClientsAreServedAfterDescriptorShortage) {
    redis_server server({}, 40);
    auto first = server.connect();
    expect_answer(first, "SET k 1\r\n", "+OK\r\n");
    std::vector<raw_socket> crowd;
    for (int i = 0; i < 60; ++i) {
        crowd.push_back(server.connect());
        crowd.back().send("INCR k\r\n");
    }
    // Accepted clients are served. The other clients wait in the kernel's queue.
    EXPECT_EQ(crowd.front().receive(1), ":");
    expect_answer(first, "PING\r\n", "+PONG\r\n");
    // Each closed connection lets the server accept one waiting client.
    for (std::size_t i = 1; i < crowd.size(); ++i) {
        crowd[i - 1].close();
        EXPECT_EQ(crowd[i].receive(1), ":") << i;
    }
    crowd.back().close();
    expect_answer(first, "GET k\r\n", "$2\r\n61\r\n");
    EXPECT_TRUE(comes_to_have(server, "connected_clients", "2"));
    first.close();
    EXPECT_EQ(server.end().code, 0);
}

// ---- Limits ----

TEST(MiniRedisFaults, LimitsAreEnforced) {
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

TEST(MiniRedisFaults, ClientsBeyondLimitWaitUntilOneLeaves) {
    redis_server server({"--max-clients", "1"});
    auto first = server.connect();
    expect_answer(first, "PING\r\n", "+PONG\r\n");
    const auto second = server.connect();
    second.send("PING\r\n");
    first.close();
    EXPECT_EQ(second.receive(7), "+PONG\r\n");
}

TEST(MiniRedisFaults, LargeValuesAreStoredAndReturned) {
    redis_server server;
    const auto one = server.connect();
    const std::string big(5'000'000, 'b');
    expect_answer(one, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5000000\r\n" + big + "\r\n", "+OK\r\n");
    expect_answer(one, "GET k\r\n", "$5000000\r\n" + big + "\r\n");
}

/// The server refuses each invalid length, and does not reserve memory for it.
TEST(MiniRedisFaults, InvalidLengthsTakeNoMemory) {
    redis_server server;
    for (const std::string_view invalid :
         {"*1048576\r\n$536870912\r\nx", "*1048576\r\n", "*2\r\n$3\r\nGET\r\n$536870912\r\n"}) {
        std::vector<raw_socket> clients;
        for (int i = 0; i < 20; ++i) {
            clients.push_back(server.connect());
            clients.back().send("PING\r\n" + std::string(invalid));
            EXPECT_EQ(clients.back().receive(7), "+PONG\r\n");
        }
        EXPECT_LT(server.memory(), std::size_t{200} << 20) << invalid;
    }
    for (const std::string_view invalid :
         {"*99999999999999999999\r\n", "*9223372036854775807\r\n", "*1\r\n$9223372036854775807\r\n",
          "*1\r\n$18446744073709551615\r\n", "*1\r\n*1\r\n$4\r\nPING\r\n"}) {
        const auto client = server.connect();
        client.send(invalid);
        const auto answer = client.receive(1000);
        EXPECT_TRUE(answer.starts_with("-ERR Protocol error: ")) << invalid << answer;
    }
    EXPECT_EQ(server.end().code, 0);
}

}  // namespace
