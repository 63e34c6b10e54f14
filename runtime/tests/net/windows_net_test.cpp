// SPDX-License-Identifier: MIT
// Sockets on Windows. Both ends are the library's.
// covers: P113
// runs: once, asan, windows
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/error.hpp>
#include <eddy/future/join.hpp>
#include <eddy/io/async_fd.hpp>
#include <eddy/io/read.hpp>
#include <eddy/io/standard.hpp>
#include <eddy/io/write.hpp>
#include <eddy/io/write_all.hpp>
#include <eddy/net.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/signal.hpp>
#include <eddy/sys/poll.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/timeout.hpp>

#include "sys/socket_api.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::net::socket_addr;
using eddy::net::tcp_listener;
using eddy::net::tcp_socket;
using eddy::net::tcp_stream;
using eddy::net::udp_socket;

const socket_addr any_port(eddy::net::ipv4_addr::loopback(), 0);

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }
std::string text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Runs a test on an event loop, for at most 20 s.
void on_loop(eddy::task<void> test) {
    eddy::core core;
    EXPECT_TRUE(core.run(eddy::time::timeout(20s, std::move(test))).has_value()) << "the time limit is exceeded";
}

struct connection {
    tcp_stream client;
    tcp_stream server;
};

eddy::task<connection> connect() {
    auto listener = (co_await tcp_listener::bind(any_port)).value();
    auto client = (co_await tcp_stream::connect(listener.local_addr().value())).value();
    auto accepted = (co_await listener.accept()).value();
    EXPECT_EQ(accepted.peer, client.local_addr().value());
    co_return connection{std::move(client), std::move(accepted.stream)};
}

eddy::task<std::string> read_some(tcp_stream& stream) {
    std::array<std::byte, 64> into;
    const auto count = co_await stream.read(into);
    if (!count) co_return "error: " + count.error().message();
    co_return text_of(std::span(into).first(*count));
}

// ---- TCP ----

TEST(WindowsTcp, AddressesOfBothEndsMatch) {
    on_loop([]() -> eddy::task<void> {
        auto pair = co_await connect();
        EXPECT_EQ(pair.client.peer_addr().value(), pair.server.local_addr().value());
        EXPECT_EQ(pair.server.peer_addr().value(), pair.client.local_addr().value());
    }());
}

TEST(WindowsTcp, RefusedConnectReportsConnectionRefused) {
    on_loop([]() -> eddy::task<void> {
        auto listener = std::optional((co_await tcp_listener::bind(any_port)).value());
        const auto addr = listener->local_addr().value();
        listener.reset();
        const auto made = co_await tcp_stream::connect(addr);
        EXPECT_EQ(made.error(), std::errc::connection_refused);
    }());
}

TEST(WindowsTcp, SecondListenerOnAPortIsRefused) {
    on_loop([]() -> eddy::task<void> {
        auto first = (co_await tcp_listener::bind(any_port)).value();
        const auto second = co_await tcp_listener::bind(first.local_addr().value());
        EXPECT_EQ(second.error(), std::errc::address_in_use);
    }());
}

TEST(WindowsTcp, UnboundSocketHasAnAddressOfZeros) {
    const auto v4 = tcp_socket::v4().value();
    EXPECT_EQ(v4.local_addr().value(), socket_addr(eddy::net::ipv4_addr::any(), 0));
    const auto v6 = tcp_socket::v6().value();
    EXPECT_EQ(v6.local_addr().value(), socket_addr(eddy::net::ipv6_addr::any(), 0));
}

TEST(WindowsTcp, MegabytesArriveUnchangedInBothDirections) {
    on_loop([]() -> eddy::task<void> {
        auto pair = co_await connect();
        std::vector<std::byte> sent(3'000'000);
        for (std::size_t i = 0; i != sent.size(); ++i) sent[i] = static_cast<std::byte>(i * 31 + i / 251);
        auto send = [&sent](tcp_stream& to) -> eddy::task<void> {
            const auto written = co_await to.write_all(sent);
            EXPECT_TRUE(written.has_value());
        };
        auto receive = [&sent](tcp_stream& from) -> eddy::task<void> {
            std::vector<std::byte> got(sent.size());
            for (std::size_t size = 0; size != got.size();) {
                const auto count = co_await from.read(std::span(got).subspan(size));
                if (!count || *count == 0) break;
                size += *count;
            }
            EXPECT_TRUE(got == sent);
        };
        co_await eddy::join(send(pair.client), receive(pair.server), send(pair.server), receive(pair.client));
    }());
}

TEST(WindowsTcp, VectoredCallsGatherAndScatter) {
    on_loop([]() -> eddy::task<void> {
        auto pair = co_await connect();
        const std::array<std::span<const std::byte>, 3> from{bytes_of("ab"), bytes_of(""), bytes_of("cdef")};
        const auto written = co_await pair.client.write_vectored(from);
        EXPECT_EQ(written.value_or(0), 6U);
        std::array<std::byte, 2> first{};
        std::array<std::byte, 8> second{};
        const std::array<std::span<std::byte>, 2> into{std::span<std::byte>(first), std::span<std::byte>(second)};
        const auto count = co_await pair.server.read_vectored(into);
        EXPECT_EQ(count.value_or(0), 6U);
        EXPECT_EQ(text_of(first), "ab");
        EXPECT_EQ(text_of(std::span(second).first(4)), "cdef");
    }());
}

TEST(WindowsTcp, PeekLeavesTheBytes) {
    on_loop([]() -> eddy::task<void> {
        auto pair = co_await connect();
        const auto written = co_await pair.client.write_all(bytes_of("peek"));
        EXPECT_TRUE(written.has_value());
        std::array<std::byte, 8> into{};
        const auto peeked = co_await pair.server.peek(into);
        EXPECT_EQ(peeked.value_or(0), 4U);
        EXPECT_EQ(co_await read_some(pair.server), "peek");
    }());
}

TEST(WindowsTcp, ShutdownEndsTheStreamOfThePeerAndLaterWrites) {
    on_loop([]() -> eddy::task<void> {
        auto pair = co_await connect();
        const auto done = co_await pair.client.shutdown();
        EXPECT_TRUE(done.has_value());
        EXPECT_EQ(co_await read_some(pair.server), "");
        const auto late = co_await pair.client.write(bytes_of("late"));
        EXPECT_EQ(late.error(), std::errc::broken_pipe);
        const auto answer = co_await pair.server.write_all(bytes_of("answer"));
        EXPECT_TRUE(answer.has_value());
        EXPECT_EQ(co_await read_some(pair.client), "answer");
    }());
}

TEST(WindowsTcp, ResetOfThePeerWakesAWaitingRead) {
    on_loop([]() -> eddy::task<void> {
        auto pair = co_await connect();
        auto reset = [](tcp_stream closed) -> eddy::task<void> {
            EXPECT_TRUE(closed.set_zero_linger().has_value());
            co_return;
        };
        std::array<std::byte, 8> into;
        auto [count, nothing] = co_await eddy::join(pair.server.read(into), reset(std::move(pair.client)));
        // wine's server takes the error from the socket. Then the stream ends.
        EXPECT_TRUE(count ? *count == 0 : count.error() == std::errc::connection_reset);
    }());
}

TEST(WindowsTcp, OptionsAreStored) {
    on_loop([]() -> eddy::task<void> {
        auto pair = co_await connect();
        EXPECT_TRUE(pair.client.set_nodelay(true).has_value());
        EXPECT_TRUE(pair.client.nodelay().value());
        EXPECT_TRUE(pair.client.set_linger(7s).has_value());
        EXPECT_EQ(pair.client.linger().value(), std::optional(7s));
        EXPECT_TRUE(pair.client.set_ttl(33).has_value());
        EXPECT_EQ(pair.client.ttl().value(), 33U);
        EXPECT_EQ(pair.client.set_quickack(true).error(), std::errc::not_supported);
        const auto socket = tcp_socket::v4().value();
        EXPECT_EQ(socket.set_reuse_port(true).error(), std::errc::not_supported);
        EXPECT_EQ(socket.bind_device("eth0").error(), std::errc::not_supported);
        EXPECT_TRUE(socket.set_send_buffer_size(32 * 1024).has_value());
        EXPECT_TRUE(socket.send_buffer_size().has_value());
    }());
}

TEST(WindowsTcp, NativeSocketsAreAdopted) {
    on_loop([]() -> eddy::task<void> {
        auto bound = (co_await tcp_listener::bind(any_port)).value();
        auto native = (co_await std::move(bound).into_native()).value();
        auto listener = tcp_listener::from_native(native.native_handle).value();
        auto made = (co_await tcp_stream::connect(listener.local_addr().value())).value();
        native = (co_await std::move(made).into_native()).value();
        auto client = tcp_stream::from_native(native.native_handle).value();
        auto accepted = (co_await listener.accept()).value();
        const auto written = co_await client.write_all(bytes_of("adopted"));
        EXPECT_TRUE(written.has_value());
        EXPECT_EQ(co_await read_some(accepted.stream), "adopted");
        native = (co_await std::move(client).into_native()).value();
        EXPECT_EQ(udp_socket::from_native(native.native_handle).error(), std::errc::wrong_protocol_type);
        EXPECT_EQ(tcp_stream::from_native(12'345'678).error(), std::errc::not_a_socket);
    }());
}

// ---- UDP ----

TEST(WindowsUdp, DatagramsArriveWithTheirAddress) {
    on_loop([]() -> eddy::task<void> {
        auto first = (co_await udp_socket::bind(any_port)).value();
        auto second = (co_await udp_socket::bind(any_port)).value();
        const auto sent = co_await first.send_to(bytes_of("hello"), second.local_addr().value());
        EXPECT_EQ(sent.value_or(0), 5U);
        std::array<std::byte, 16> into;
        const auto peeked = co_await second.peek_from(into);
        EXPECT_EQ(peeked.value().size, 5U);
        const auto got = co_await second.recv_from(into);
        EXPECT_EQ(got.value().from, first.local_addr().value());
        EXPECT_EQ(text_of(std::span(into).first(got.value().size)), "hello");
    }());
}

TEST(WindowsUdp, ConnectedSocketsExchangeDatagrams) {
    on_loop([]() -> eddy::task<void> {
        auto first = (co_await udp_socket::bind(any_port)).value();
        auto second = (co_await udp_socket::bind(any_port)).value();
        const auto one = co_await first.connect(second.local_addr().value());
        EXPECT_TRUE(one.has_value());
        const auto two = co_await second.connect(first.local_addr().value());
        EXPECT_TRUE(two.has_value());
        const auto sent = co_await first.send(bytes_of("abc"));
        EXPECT_EQ(sent.value_or(0), 3U);
        std::array<std::byte, 2> small;
        const auto got = co_await second.recv(small);  // the rest of the datagram is lost, as on other systems
        EXPECT_EQ(got.value_or(0), 2U);
    }());
}

TEST(WindowsUdp, TruncatedDatagramIsReportedAsTruncated) {
    on_loop([]() -> eddy::task<void> {
        auto first = (co_await udp_socket::bind(any_port)).value();
        auto second = (co_await udp_socket::bind(any_port)).value();
        const auto sent = co_await first.send_to(bytes_of("12345678"), second.local_addr().value());
        EXPECT_EQ(sent.value_or(0), 8U);
        std::array<std::byte, 4> small;
        const auto got = co_await second.recv_from(small);
        EXPECT_EQ(got.value().size, 4U);
        EXPECT_TRUE(got.value().is_truncated);
    }());
}

TEST(WindowsUdp, BatchesOfDatagramsArrive) {
    on_loop([]() -> eddy::task<void> {
        auto first = (co_await udp_socket::bind(any_port)).value();
        auto second = (co_await udp_socket::bind(any_port)).value();
        const auto to = second.local_addr().value();
        std::vector<eddy::net::outgoing_datagram> out;
        for (const auto* text : {"a", "bb", "ccc"}) out.emplace_back(bytes_of(text), to);
        const auto sent = co_await first.send_many(out);
        EXPECT_EQ(sent.value_or(0), 3U);
        std::array<std::array<std::byte, 8>, 3> buffers;
        std::size_t bytes = 0;
        for (std::size_t arrived = 0; arrived != 3;) {
            std::vector<eddy::net::incoming_datagram> in;
            for (auto& each : buffers) in.emplace_back(each);
            const auto count = co_await second.recv_many(in);
            if (!count) break;
            for (std::size_t i = 0; i != *count; ++i) bytes += in[i].size;
            arrived += *count;
        }
        EXPECT_EQ(bytes, 6U);
    }());
}

TEST(WindowsUdp, RefusedDatagramDoesNotFailTheNextReceive) {
    on_loop([]() -> eddy::task<void> {
        auto gone = std::optional((co_await udp_socket::bind(any_port)).value());
        auto first = (co_await udp_socket::bind(any_port)).value();
        auto second = (co_await udp_socket::bind(any_port)).value();
        const auto nowhere = gone->local_addr().value();
        gone.reset();
        const auto lost = co_await first.send_to(bytes_of("lost"), nowhere);
        EXPECT_TRUE(lost.has_value());
        const auto sent = co_await second.send_to(bytes_of("seen"), first.local_addr().value());
        EXPECT_TRUE(sent.has_value());
        std::array<std::byte, 8> into;
        const auto got = co_await first.recv_from(into);
        EXPECT_EQ(got.value().size, 4U);
    }());
}

// ---- Names ----

TEST(WindowsNames, UnknownInterfaceOfAnAddressIsRefused) {
    EXPECT_TRUE(socket_addr::parse("[fe80::1%1]:80").has_value());
    EXPECT_FALSE(socket_addr::parse("[fe80::1%no_such_interface]:80").has_value());
}

TEST(WindowsNames, LocalhostIsLookedUp) {
    on_loop([]() -> eddy::task<void> {
        const auto found = co_await eddy::net::lookup_host("localhost", 80);
        EXPECT_TRUE(found.has_value() && !found->empty());
    }());
}

// ---- Descriptors, and what Windows does not have ----

TEST(WindowsAsyncFd, SocketOfAnotherLibraryCanBeWaitedFor) {
    on_loop([]() -> eddy::task<void> {
        auto pair = co_await connect();
        auto raw = (co_await udp_socket::bind(any_port)).value();
        const auto sent = co_await raw.send_to(bytes_of("x"), raw.local_addr().value());
        EXPECT_TRUE(sent.has_value());
        eddy::io::async_fd<eddy::io::fd_view> watched(eddy::io::fd_view(raw.native_handle()),
                                                      eddy::io::interest::readable);
        const auto ready = co_await watched.readable();
        EXPECT_TRUE(ready.has_value());
    }());
}

TEST(WindowsUnsupported, PipesUnixSocketsAndPollReportNotSupported) {
    on_loop([]() -> eddy::task<void> {
        EXPECT_EQ(eddy::net::pipe::make().error(), std::errc::not_supported);
        const auto path = eddy::net::unix_addr::path("eddy.sock").value();
        const auto stream = co_await eddy::net::unix_stream::connect(path);
        EXPECT_EQ(stream.error(), std::errc::not_supported);
        EXPECT_EQ(eddy::sys::poll::make().error(), std::errc::not_supported);
        EXPECT_EQ(eddy::signal::stream(eddy::signal::kind::hangup()).error(), std::errc::not_supported);
    }());
}

TEST(WindowsStandard, InputEndsWithItsPipe) {
    HANDLE reader = nullptr;
    HANDLE writer = nullptr;
    ASSERT_NE(::CreatePipe(&reader, &writer, nullptr, 0), 0);
    const HANDLE before = ::GetStdHandle(STD_INPUT_HANDLE);
    ::SetStdHandle(STD_INPUT_HANDLE, reader);
    DWORD written = 0;
    EXPECT_NE(::WriteFile(writer, "abc", 3, &written, nullptr), 0);
    ::CloseHandle(writer);
    on_loop([]() -> eddy::task<void> {
        eddy::io::standard_input in;
        std::array<std::byte, 8> into;
        const auto count = co_await eddy::io::read(in, into);
        EXPECT_EQ(count.value_or(0), 3U);
        const auto end = co_await eddy::io::read(in, into);
        EXPECT_EQ(end.value_or(1), 0U);
    }());
    ::SetStdHandle(STD_INPUT_HANDLE, before);
    ::CloseHandle(reader);
}

TEST(WindowsStandard, OutputOfThisProcessIsWritten) {
    on_loop([]() -> eddy::task<void> {
        eddy::io::standard_output out;
        const auto written = co_await eddy::io::write_all(out, bytes_of("written by eddy\n"));
        EXPECT_TRUE(written.has_value());
        const auto flushed = co_await eddy::io::flush(out);
        EXPECT_TRUE(flushed.has_value());
    }());
}

}  // namespace
