// SPDX-License-Identifier: MIT
// The programs of docs/tutorial.md, as processes. The end of this file has the tests of the tutorial's last chapter: a
// session without sockets.
// covers: S93
#include <eddy/prelude.hpp>
#include <eddy/test.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tutorial/session.hpp>

#include "support/first_line.hpp"
#include "support/net.hpp"
#include "support/process.hpp"

namespace {

using namespace std::chrono_literals;
using support::addr_in;
using support::process;
using support::raw_socket;
using support::run;

/// Sends a text, and compares what the server returns.
void expect_reply(raw_socket& client, const std::string& request, const std::string& reply) {
    client.send(request);
    EXPECT_EQ(client.receive(reply.size()), reply);
}

TEST(Tutorial, PingIsAnswered) {
    process server({"tutorial_1_ping", "127.0.0.1:0"});
    const auto addr = addr_in(server.line());
    for (int i = 0; i < 2; ++i) {
        auto client = raw_socket::connected(addr);
        expect_reply(client, "PING\r\n", "+PONG\n");
        expect_reply(client, "HELLO\n", "-ERR unknown command\n");
    }
}

TEST(Tutorial, ClientsShareTheMap) {
    process server({"tutorial_2_share", "127.0.0.1:0"});
    const auto addr = addr_in(server.line());
    auto first = raw_socket::connected(addr);
    auto second = raw_socket::connected(addr);
    expect_reply(first, "GET tea\n", "+(nothing)\n");
    expect_reply(first, "SET tea hot\n", "+OK\n");
    expect_reply(second, "GET tea\n", "+hot\n");
}

TEST(Tutorial, ProtocolOfRedisIsUnderstood) {
    for (const std::string name : {"tutorial_3_protocol", "tutorial_4_expire", "tutorial_5_serve"}) {
        process server({name, "127.0.0.1:0"});
        auto client = raw_socket::connected(addr_in(server.line()));
        expect_reply(client, "*1\r\n$4\r\nPING\r\n", "+PONG\r\n");
        expect_reply(client, "GET tea\r\n", "$-1\r\n");
        expect_reply(client, "*3\r\n$3\r\nSET\r\n$3\r\ntea\r\n$3\r\nhot\r\n*2\r\n$3\r\nGET\r\n$3\r\ntea\r\n",
                     "+OK\r\n$3\r\nhot\r\n");
        expect_reply(client, "NONSENSE\r\n", "-ERR unknown command\r\n");
    }
}

TEST(Tutorial, DamagedRequestEndsTheConnection) {
    process server({"tutorial_3_protocol", "127.0.0.1:0"});
    auto client = raw_socket::connected(addr_in(server.line()));
    client.send("*1\r\n$x\r\n");
    EXPECT_EQ(client.receive(1), "");
}

TEST(Tutorial, ClientPrintsReplies) {
    process server({"tutorial_5_serve", "127.0.0.1:0"});
    const std::string where = addr_in(server.line()).to_string();
    EXPECT_EQ(run({"tutorial_6_client", where, "SET", "tea", "hot"}).out, "OK\n");
    EXPECT_EQ(run({"tutorial_6_client", where, "GET", "tea"}).out, "hot\n");
    EXPECT_EQ(run({"tutorial_6_client", where, "GET", "milk"}).out, "(nil)\n");
    EXPECT_EQ(run({"tutorial_6_client", where, "PUBLISH", "news", "hello"}).out, "0\n");
    EXPECT_EQ(run({"tutorial_6_client"}).code, 2);
    const auto refused = run({"tutorial_6_client", support::closed_addr().to_string(), "PING"});
    EXPECT_EQ(support::first_line(refused.err), "Error: Connection refused\n");
}

TEST(Tutorial, ServerEndsAfterInterrupt) {
    process server({"tutorial_5_serve", "127.0.0.1:0"});
    {
        auto client = raw_socket::connected(addr_in(server.line()));
        expect_reply(client, "PING\r\n", "+PONG\r\n");
    }
    server.signal(SIGINT);
    const auto ended = server.wait();
    EXPECT_EQ(ended.code, 0);
    EXPECT_EQ(ended.out, "served 1 clients\n");
}

// ---- The last chapter: a session without sockets, on a paused clock ----

// docs: test
TEST(TutorialSession, KeyExpires) {
    auto client = eddy::test::io_builder()
                      .read("SET tea hot EX 10\r\n")
                      .write("+OK\r\n")
                      .wait(9s)
                      .read("GET tea\r\n")
                      .write("$3\r\nhot\r\n")
                      .wait(2s)
                      .read("GET tea\r\n")
                      .write("$-1\r\n")
                      .build();
    eddy::test::run_paused([&]() -> eddy::task<void> {
        const auto server = std::make_shared<tutorial::server_state>();
        auto purging = eddy::spawn(tutorial::store::purge(server->data));
        const auto ended = co_await tutorial::talk(std::ref(client), server);
        EXPECT_TRUE(ended.has_value());
        purging.abort();
    });
    client.assert_done();
}
// docs: end

TEST(TutorialSession, SubscriberReceivesMessages) {
    auto subscriber = eddy::test::io_builder()
                          .read("SUBSCRIBE news\r\n")
                          .write("*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n$1\r\n1\r\n")
                          .write("*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$5\r\nhello\r\n")
                          .read("QUIT\r\n")
                          .build();
    auto publisher = eddy::test::io_builder().wait(1s).read("PUBLISH news hello\r\n").write(":1\r\n").build();
    eddy::test::run_paused([&]() -> eddy::task<void> {
        const auto server = std::make_shared<tutorial::server_state>();
        auto [first, second] = co_await eddy::join(tutorial::talk(std::ref(subscriber), server),
                                                   tutorial::talk(std::ref(publisher), server));
        EXPECT_TRUE(first.has_value());
        EXPECT_TRUE(second.has_value());
    });
    subscriber.assert_done();
    publisher.assert_done();
}

}  // namespace
