// SPDX-License-Identifier: MIT
// Examples that are small servers and clients, or use a C library, run as processes.
// covers: S17
#include <gtest/gtest.h>

#include <sys/socket.h>

#include <csignal>
#include <string>
#include <vector>

#include <eddy/net/socket_addr.hpp>

#include <support/first_line.hpp>
#include <support/net.hpp>
#include <support/process.hpp>

namespace {

using support::addr_in;
using support::path_of;
using support::process;
using support::raw_socket;
using support::run;

/// Sends a request to the HTTP example, and returns the beginning of the reply, as long as `expected`.
std::string ask(const raw_socket& client, const std::string& request, const std::string& expected) {
    client.send(request);
    return client.receive(expected.size());
}

// covers: I20.6.2
TEST(Programs, HttpByHandStoresAndReturnsNotes) {
    process server({"http_by_hand", "127.0.0.1:0"});
    const auto at = addr_in(server.line());
    auto client = raw_socket::connected(at);
    const std::string stored = "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n";
    EXPECT_EQ(ask(client, "PUT /notes/monday HTTP/1.1\r\nContent-Length: 7\r\n\r\nbuy tea", stored), stored);
    const std::string found = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nbuy tea";
    EXPECT_EQ(ask(client, "GET /notes/monday HTTP/1.1\r\nHost: x\r\n\r\n", found), found);
    const std::string missing = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    EXPECT_EQ(ask(client, "GET /notes/sunday HTTP/1.1\r\n\r\n", missing), missing);

    // The body that the server does not read must not reset the connection before the reply has arrived.
    auto large = raw_socket::connected(at);
    const std::string refused = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n";
    const std::string head = "PUT /notes/monday HTTP/1.1\r\nContent-Length: 2000000\r\n\r\n";
    EXPECT_EQ(ask(large, head + std::string(50'000, 'x'), refused), refused);
    EXPECT_EQ(large.receive(1), "") << "the end of the stream";
    large.close();

    server.signal(SIGINT);  // `client` is idle, and does not keep the server from ending
    const auto ended = server.wait();
    EXPECT_EQ(ended.code, 0);
    EXPECT_EQ(ended.err, "");
}

// covers: I20.6.2
TEST(Programs, HttpByHandWorksWithCurl) {
    process server({"http_by_hand", "127.0.0.1:0"});
    const std::string url = "http://" + addr_in(server.line()).to_string() + "/notes/monday";
    const std::vector<std::string> curl{"/usr/bin/curl", "-sS", "--noproxy", "*", "--max-time", "20"};
    auto put = curl;
    put.insert(put.end(), {"-X", "PUT", "-d", "buy tea", url});
    EXPECT_EQ(run(put).code, 0);
    auto get = curl;
    get.insert(get.end(), {url, url});  // the second request uses the same connection
    const auto got = run(get);
    EXPECT_EQ(got.out, "buy teabuy tea") << got.err;
}

// covers: I20.6.1
TEST(Programs, TcpProxyForwardsToServerThatStartsLate) {
    const raw_socket server;
    server.bind(0);  // does not listen yet
    process proxy({"tcp_proxy", "127.0.0.1:0", server.addr().to_string()});
    const auto at = addr_in(proxy.line());
    const auto early = raw_socket::connected(at);
    EXPECT_EQ(early.receive(1), "") << "the proxy gives up after five attempts";
    EXPECT_NE(proxy.line().find("Connection refused"), std::string::npos);

    ASSERT_EQ(::listen(server.fd(), 8), 0);
    auto client = raw_socket::connected(at);
    auto upstream = server.accept();
    client.send("hello");
    EXPECT_EQ(upstream.receive(5), "hello");
    upstream.send("welcome");
    EXPECT_EQ(client.receive(7), "welcome");
    client.close();
    EXPECT_EQ(upstream.receive(1), "");
    upstream.close();
    EXPECT_EQ(proxy.line(), "5 bytes there, 7 bytes back");
    proxy.signal(SIGINT);
    EXPECT_EQ(proxy.wait().code, 0);
}

// covers: I20.6.3
TEST(Programs, PortScannerFindsOpenPort) {
    const auto listener = raw_socket::listening();
    const std::string port = std::to_string(listener.addr().port());
    const auto ended = run({"port_scanner", "127.0.0.1", port, port});
    EXPECT_EQ(ended.out, port + " open\n1 open, 0 closed, 0 without an answer\n");
    EXPECT_EQ(ended.code, 0);
    const std::string none = std::to_string(support::closed_addr().port());
    EXPECT_EQ(run({"port_scanner", "127.0.0.1", none, none}).out, "0 open, 1 closed, 0 without an answer\n");
    EXPECT_EQ(run({"port_scanner", "127.0.0.1", "1", "65536"}).code, 2);
}

// covers: I20.3.17 I20.6.6
TEST(Programs, ForeignLoopReadsLinesAndRunsTasks) {
    const auto ended = run({"/bin/sh", "-c", "echo hello | " + path_of("foreign_loop")});
    EXPECT_EQ(ended.out, "HELLO\n");
    EXPECT_EQ(ended.code, 0);
}

// covers: I20.3.17 I20.6.6
TEST(Programs, GlibLoopRunsTasksAndCallbacks) {
    const auto ended = run({"glib_loop"});
    for (const std::string number : {"1", "2", "3"}) {
        EXPECT_NE(ended.out.find("glib: click " + number + "\n"), std::string::npos) << ended.out;
        EXPECT_NE(ended.out.find("task: received click " + number + "\n"), std::string::npos) << ended.out;
    }
    EXPECT_TRUE(ended.out.ends_with("task: no more clicks\n")) << ended.out;
    EXPECT_EQ(ended.err, "");
    EXPECT_EQ(ended.code, 0);
}

// covers: I20.3.19
TEST(Programs, HiredisClientTalksToMiniRedis) {
    process server({"mini_redis_server", "127.0.0.1:0"});
    const auto ended = run({"hiredis_client", addr_in(server.line()).to_string()});
    EXPECT_EQ(ended.out,
              "SET greeting: OK\n"
              "three commands have counted to 3\n"
              "GET greeting: hello\n");
    EXPECT_EQ(ended.err, "");
    EXPECT_EQ(ended.code, 0);
    const auto refused = run({"hiredis_client", support::closed_addr().to_string()});
    EXPECT_EQ(support::first_line(refused.err), "Error: Software caused connection abort\n");
    EXPECT_EQ(refused.code, 1);
}

// covers: I20.3.19 I20.6.5
TEST(Programs, CurlClientFetchesAllUrls) {
    process server({"http_by_hand", "127.0.0.1:0"});
    const auto at = addr_in(server.line());
    auto client = raw_socket::connected(at);
    const std::string body(100'000, 'x');
    client.send("PUT /notes/long HTTP/1.1\r\nContent-Length: 100000\r\n\r\n" + body);
    EXPECT_EQ(client.receive(12), "HTTP/1.1 204");

    const std::string base = "http://" + at.to_string() + "/notes/";
    const std::string refused = "http://" + support::closed_addr().to_string() + "/";
    std::vector<std::string> command{"curl_client"};
    std::string expected;
    for (int i = 0; i < 10; ++i) {
        command.insert(command.end(), {base + "long", base + "none"});
        expected += base + "long: 200, 100000 bytes\n" + base + "none: 404, 0 bytes\n";
    }
    command.push_back(refused);
    expected += refused + ": Could";
    const auto ended = process(command, {}, {"no_proxy=*"}).wait();
    EXPECT_TRUE(ended.out.starts_with(expected)) << ended.out;
    EXPECT_TRUE(ended.out.ends_with(" connect to server\n")) << ended.out;  // older versions of curl: "Couldn't"
    EXPECT_EQ(ended.err, "");
    EXPECT_EQ(ended.code, 0);
}

}  // namespace
