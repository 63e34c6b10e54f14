// SPDX-License-Identifier: MIT
// The PROXY protocol, versions 1 and 2: the headers, and the listener that reads them.
// runs: asan
#include <gtest/gtest.h>

#include <poll.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/net.hpp>
#include <eddy/runtime.hpp>
#include <eddy/sync.hpp>
#include <eddy/task.hpp>
#include <eddy/time.hpp>

#include "net/proxy_header.hpp"
#include "support/net.hpp"
#include "support/polling.hpp"

namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
namespace net = eddy::net;
using eddy::result;
using eddy::task;
using support::bytes_of;
using support::raw_socket;
using support::within;

const std::string signature = "\r\n\r\n\0\r\nQUIT\n"s;

/// A header of version 2, with any bytes after the length.
std::string v2(unsigned version_and_command, unsigned family, const std::string& rest) {
    std::string made = signature;
    made += static_cast<char>(version_and_command);
    made += static_cast<char>(family);
    made += static_cast<char>(rest.size() >> 8);
    made += static_cast<char>(rest.size() & 0xff);
    return made + rest;
}

const std::string v4_addrs = "\xc0\x00\x02\x01\xc6\x33\x64\x01\xdc\x04\x01\xbb"s;
const std::string v6_addrs =
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"s + std::string(16, '\x01') + "\x10\x00\x01\xbb"s;

/// Reads a header as the listener does, which must take exactly the bytes of `header` although more follow. Returns the
/// source, "none", or the error.
std::string read(const std::string& header) {
    const std::string input = header + "GET / HTTP/1.1\r\n\r\n";
    for (std::size_t got = 0;;) {
        const auto begin = bytes_of(input).first(got);
        const auto missing = eddy::detail::missing_of_proxy_header(begin);
        if (!missing) return missing.error().message();
        if (*missing == 0) {
            if (got != header.size()) return "took " + std::to_string(got) + " bytes";
            const auto parsed = eddy::detail::parse_proxy_header(begin);
            if (!parsed) return parsed.error().message();
            return parsed->source ? parsed->source->to_string() : "none";
        }
        got += *missing;
        if (got > input.size()) return "wants more";
    }
}

const std::string bad = support::message_of(std::errc::bad_message);

TEST(ProxyHeader, Version1) {
    EXPECT_EQ(read("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n"), "192.0.2.1:56324");
    EXPECT_EQ(read("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n"), "0.0.0.0:0");
    EXPECT_EQ(read("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"), "255.255.255.255:65535");
    EXPECT_EQ(read("PROXY TCP6 2001:db8::7 ::1 4096 443\r\n"), "[2001:db8::7]:4096");
    EXPECT_EQ(read("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 "
                   "65535\r\n"),
              "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
    EXPECT_EQ(read("PROXY UNKNOWN\r\n"), "none");
    EXPECT_EQ(read("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n"), "none");
}

// covers: B23
TEST(ProxyHeader, IsWritten) {
    const auto addr = [](const char* text) { return net::socket_addr::parse(text).value(); };
    const auto client = addr("192.0.2.1:56324");
    const auto reached = addr("198.51.100.1:443");
    EXPECT_EQ(net::proxy_header_v1(client, reached), "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n");
    EXPECT_EQ(net::proxy_header_v2(client, reached), v2(0x21, 0x11, v4_addrs));
    const auto other = addr("[2001:db8::7]:4096");
    const auto here = addr("[101:101:101:101:101:101:101:101]:443");
    EXPECT_EQ(net::proxy_header_v1(other, here), "PROXY TCP6 2001:db8::7 101:101:101:101:101:101:101:101 4096 443\r\n");
    EXPECT_EQ(net::proxy_header_v2(other, here), v2(0x21, 0x21, v6_addrs));
    // Of two families: both are IPv6, and the reader finds the IPv4 address again.
    EXPECT_EQ(net::proxy_header_v1(client, here),
              "PROXY TCP6 ::ffff:192.0.2.1 101:101:101:101:101:101:101:101 56324 443\r\n");
    for (const auto& [from, to] :
         {std::pair(client, reached), std::pair(other, here), std::pair(client, here), std::pair(other, reached)}) {
        EXPECT_EQ(read(net::proxy_header_v1(from, to)), from.to_string());
        EXPECT_EQ(read(net::proxy_header_v2(from, to)), from.to_string());
    }
    EXPECT_EQ(net::proxy_header_v1(addr("[fe80::1%1]:1"), addr("[fe80::2%1]:2")), "PROXY TCP6 fe80::1 fe80::2 1 2\r\n");
}

TEST(ProxyHeader, WrongTextOfVersion1IsRefused) {
    for (const char* wrong :
         {"PROXY TCP4 192.0.2.1 198.51.100.1 56324\r\n", "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443 \r\n",
          "PROXY TCP4 192.0.2.1  198.51.100.1 56324 443\r\n", "PROXY TCP4 2001:db8::7 ::1 1 2\r\n",
          "PROXY TCP6 192.0.2.1 198.51.100.1 1 2\r\n", "PROXY TCP4 192.0.2.1 198.51.100.1 65536 443\r\n",
          "PROXY TCP4 192.0.2.1 198.51.100.1 056 443\r\n", "PROXY TCP4 192.0.2.1 198.51.100.1 +1 443\r\n",
          "PROXY TCP4 192.0.2.256 198.51.100.1 1 443\r\n", "PROXY UDP4 192.0.2.1 198.51.100.1 1 443\r\n",
          "PROXY UNKNOWN?\r\n", "PROXY TCP4\n\n\n\n\n\r\n", "proxy TCP4 192.0.2.1 198.51.100.1 1 443\r\n",
          "GET / HTTP/1.1\r\n", "\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03.......",
          "PROXY TCP4 1.2.3.4\n5.6.7.8 1 2\r\n"})
        EXPECT_EQ(read(wrong), bad) << wrong;
    EXPECT_EQ(read("PROXY UNKNOWN " + std::string(94, 'x') + "\r\n"), bad) << "longer than 107 bytes";
    EXPECT_EQ(read("PROXY UNKNOWN " + std::string(91, 'x') + "\r\n"), "none") << "107 bytes";
}

TEST(ProxyHeader, Version2) {
    EXPECT_EQ(read(v2(0x21, 0x11, v4_addrs)), "192.0.2.1:56324");
    EXPECT_EQ(read(v2(0x21, 0x11, v4_addrs + "\x03\0\x04\x01\x02\x03\x04"s)), "192.0.2.1:56324") << "with a field";
    EXPECT_EQ(read(v2(0x21, 0x21, v6_addrs)), "[2001:db8::7]:4096");
    EXPECT_EQ(read(v2(0x21, 0x31, std::string(216, 'u'))), "none") << "a Unix socket";
    EXPECT_EQ(read(v2(0x21, 0x00, "")), "none") << "unknown";
    EXPECT_EQ(read(v2(0x20, 0x00, "")), "none") << "LOCAL";
    EXPECT_EQ(read(v2(0x20, 0x11, v4_addrs)), "none") << "LOCAL: addresses are to be ignored";
    EXPECT_EQ(read(v2(0x21, 0x00, std::string(65'535, 'x'))), "none") << "the largest one";
}

TEST(ProxyHeader, MappedAddressIsThatOfIpv4) {
    EXPECT_EQ(read("PROXY TCP6 ::ffff:192.0.2.1 ::1 56324 443\r\n"), "192.0.2.1:56324");
    EXPECT_EQ(read("PROXY TCP6 ::192.0.2.1 ::1 56324 443\r\n"), "[::c000:201]:56324") << "not mapped";
    const std::string mapped = std::string(10, '\0') + "\xff\xff\xc0\x00\x02\x01"s + v6_addrs.substr(16);
    EXPECT_EQ(read(v2(0x21, 0x21, mapped)), "192.0.2.1:4096");
}

TEST(ProxyHeader, WrongBytesOfVersion2AreRefused) {
    EXPECT_EQ(read(v2(0x11, 0x11, v4_addrs)), bad) << "version 1";
    EXPECT_EQ(read(v2(0x22, 0x11, v4_addrs)), bad) << "a command of the future";
    EXPECT_EQ(read(v2(0x21, 0x12, v4_addrs)), bad) << "UDP";
    EXPECT_EQ(read(v2(0x21, 0x41, v4_addrs)), bad) << "a family of the future";
    EXPECT_EQ(read(v2(0x21, 0x11, v4_addrs.substr(1))), bad) << "short addresses";
    EXPECT_EQ(read(v2(0x21, 0x21, v4_addrs)), bad) << "short addresses";
    EXPECT_EQ(read("\r\n\r\n\0\r\nQUIX\n"s + v2(0x21, 0x11, v4_addrs).substr(12)), bad) << "the signature";
}

// ---- The listener ----

/// A proxy_listener on a free port.
struct behind_proxy {
    explicit behind_proxy(net::proxy_listener_options options = net::proxy_listener_options())
        : listener(within(core, net::tcp_listener::bind("127.0.0.1:0")).value(), std::move(options)),
          addr(listener.local_addr().value()) {}

    eddy::core core;
    net::proxy_listener listener;
    net::socket_addr addr;
};

/// Runs the listener, which accepts nothing meanwhile, until `done` returns true.
template <class Done>
void run_until(behind_proxy& server, Done done) {
    const auto limit = std::chrono::steady_clock::now() + support::operation_limit();
    while (!done() && std::chrono::steady_clock::now() < limit) {
        auto accepting = eddy::time::timeout(10ms, server.listener.accept());
        EXPECT_FALSE(server.core.run(std::move(accepting)));
    }
}

/// Returns whether the peer has closed the connection; it resets it if it has not read all bytes.
bool is_closed(const raw_socket& one) {
    pollfd wanted{one.fd(), POLLIN, 0};
    if (::poll(&wanted, 1, 0) != 1) return false;
    try {
        return one.receive(1).empty();
    } catch (const std::system_error& error) {
        return error.code() == std::errc::connection_reset;
    }
}

TEST(ProxyListener, PeerIsTheClientAndTheStreamBeginsAfterTheHeader) {
    behind_proxy server;
    for (const std::string& header : {"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n"s, v2(0x21, 0x11, v4_addrs)}) {
        const auto proxy = raw_socket::connected(server.addr);
        proxy.send(header + "hello");
        auto [stream, peer] = within(server.core, server.listener.accept()).value();
        EXPECT_EQ(peer.to_string(), "192.0.2.1:56324");
        std::array<std::byte, 16> buffer;
        const auto count = within(server.core, stream.read(buffer)).value();
        EXPECT_EQ(support::text_of(std::span(buffer).first(count)), "hello");
        within(server.core, stream.write_all(bytes_of("you too"))).value();
        EXPECT_EQ(proxy.receive(7), "you too");
    }
}

TEST(ProxyListener, ConnectionOfTheProxyItselfKeepsItsAddress) {
    behind_proxy server;
    const auto proxy = raw_socket::connected(server.addr);
    proxy.send(v2(0x20, 0x00, ""));
    EXPECT_EQ(within(server.core, server.listener.accept()).value().peer, proxy.addr());
}

TEST(ProxyListener, LargestHeaderIsRead) {
    behind_proxy server;
    const auto proxy = raw_socket::connected(server.addr);
    const std::string header = v2(0x21, 0x11, v4_addrs + std::string(65'535 - v4_addrs.size(), 'x'));
    std::size_t sent = 0;
    for (; sent + 10'000 < header.size(); sent += 10'000) {
        proxy.send(header.substr(sent, 10'000));
        auto accepting = eddy::time::timeout(1ms, server.listener.accept());
        EXPECT_FALSE(server.core.run(std::move(accepting)));
    }
    proxy.send(header.substr(sent) + "hello");
    auto [stream, peer] = within(server.core, server.listener.accept()).value();
    EXPECT_EQ(peer.to_string(), "192.0.2.1:56324");
    std::array<std::byte, 16> buffer;
    const auto count = within(server.core, stream.read(buffer)).value();
    EXPECT_EQ(support::text_of(std::span(buffer).first(count)), "hello");
}

TEST(ProxyListener, SlowHeaderDoesNotDelayOthers) {
    behind_proxy server;
    const auto slow = raw_socket::connected(server.addr);
    const std::string header = v2(0x21, 0x21, v6_addrs);
    slow.send(header.substr(0, 20));
    const auto fast = raw_socket::connected(server.addr);
    fast.send("PROXY TCP4 192.0.2.1 198.51.100.1 1 443\r\n");
    EXPECT_EQ(within(server.core, server.listener.accept()).value().peer.port(), 1);
    // A dropped accept() loses no connection, and no byte of a header.
    {
        auto dropped = eddy::time::timeout(20ms, server.listener.accept());
        EXPECT_FALSE(server.core.run(std::move(dropped)));
    }
    slow.send(header.substr(20, 5));
    {
        auto dropped = eddy::time::timeout(20ms, server.listener.accept());
        EXPECT_FALSE(server.core.run(std::move(dropped)));
    }
    slow.send(header.substr(25));
    EXPECT_EQ(within(server.core, server.listener.accept()).value().peer.to_string(), "[2001:db8::7]:4096");
}

TEST(ProxyListener, RefusedConnectionsAreClosedAndReported) {
    std::vector<std::pair<net::socket_addr, std::error_code>> refused;
    behind_proxy server(net::proxy_listener_options().header_timeout(50ms).on_refused(
        [&](const net::socket_addr& proxy, const std::error_code& error) { refused.emplace_back(proxy, error); }));
    const auto fds = support::fd_count();
    const auto direct = raw_socket::connected(server.addr);
    direct.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    const auto silent = raw_socket::connected(server.addr);
    auto ended = raw_socket::connected(server.addr);
    ended.send("PROXY TCP4");
    const auto ended_addr = ended.addr();
    ended.close();
    raw_socket::connected(server.addr).close();  // a health check that only connects is not reported
    run_until(server, [&] { return refused.size() == 3; });
    ASSERT_EQ(refused.size(), 3u);
    EXPECT_TRUE(is_closed(direct));
    EXPECT_TRUE(is_closed(silent));
    EXPECT_EQ(refused[0].first, direct.addr());
    EXPECT_EQ(refused[0].second, std::errc::bad_message);
    EXPECT_EQ(refused[1].first, ended_addr);
    EXPECT_EQ(refused[1].second, eddy::errc::unexpected_eof);
    EXPECT_EQ(refused[2].first, silent.addr());
    EXPECT_EQ(refused[2].second, std::errc::timed_out);
    EXPECT_EQ(support::fd_count(), fds + 2) << "the two clients' own descriptors";
}

TEST(ProxyListener, FirstRefusalIsPrinted) {
    behind_proxy server;
    testing::internal::CaptureStderr();
    for (int i = 0; i < 2; ++i) {
        const auto direct = raw_socket::connected(server.addr);
        direct.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        run_until(server, [&] { return is_closed(direct); });
    }
    const std::string printed = testing::internal::GetCapturedStderr();
    EXPECT_NE(printed.find("does the load balancer send it (HAProxy: send-proxy-v2)?"), std::string::npos) << printed;
    EXPECT_EQ(printed.find("eddy:"), printed.rfind("eddy:")) << printed;
}

TEST(ProxyListener, PendingConnectionsAreLimited) {
    behind_proxy server(net::proxy_listener_options().max_pending(2));
    std::vector<raw_socket> silent;
    for (int i = 0; i < 2; ++i) silent.push_back(raw_socket::connected(server.addr));
    const auto third = raw_socket::connected(server.addr);
    third.send("PROXY UNKNOWN\r\n");
    auto waiting = eddy::time::timeout(50ms, server.listener.accept());
    EXPECT_FALSE(server.core.run(std::move(waiting))) << "the third connection must wait";
    silent.pop_back();
    EXPECT_EQ(within(server.core, server.listener.accept()).value().peer, third.addr());
}

TEST(ProxyListener, DroppedListenerClosesWhatWaits) {
    const auto fds = support::fd_count();
    std::optional<raw_socket> silent;
    {
        behind_proxy server;
        silent = raw_socket::connected(server.addr);
        auto accepting = eddy::time::timeout(20ms, server.listener.accept());
        EXPECT_FALSE(server.core.run(std::move(accepting)));
    }
    EXPECT_TRUE(is_closed(*silent));
    EXPECT_EQ(support::fd_count(), fds + 1);
}

TEST(ProxyListener, ServesOnARuntime) {
    auto runtime = eddy::runtime::builder().worker_threads(2).build().value();
    net::proxy_listener listener(runtime.block_on(net::tcp_listener::bind("127.0.0.1:0")).value());
    const auto addr = listener.local_addr().value();
    const auto echo = [](net::tcp_stream stream, net::socket_addr peer) -> task<result<void>> {
        const std::string said = peer.to_string() + "\n";
        co_await eddy::try_(stream.write_all(said));
        co_return eddy::ok();
    };
    eddy::sync::cancellation_token stop;
    auto serving = runtime.handle().spawn(net::serve(std::move(listener), echo, net::serve_options().shutdown(stop)));
    for (int i = 1; i <= 20; ++i) {
        const auto client = raw_socket::connected(addr);
        client.send("PROXY TCP4 192.0.2.1 198.51.100.1 " + std::to_string(i) + " 443\r\n");
        const std::string expected = "192.0.2.1:" + std::to_string(i) + "\n";
        EXPECT_EQ(client.receive(expected.size()), expected);
    }
    stop.cancel();
    EXPECT_TRUE(runtime.block_on(std::move(serving)).has_value());
}

}  // namespace
