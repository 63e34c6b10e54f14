// SPDX-License-Identifier: MIT
// close_gracefully: replies are not lost although the peer is still sending.
// covers: I20.4.5
#include <eddy/net/close_gracefully.hpp>

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include <eddy/future/join.hpp>
#include <eddy/future/try.hpp>
#include <eddy/io.hpp>
#include <eddy/net/serve.hpp>
#include <eddy/net/tcp_listener.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/sync/cancellation_token.hpp>
#include <eddy/task/task.hpp>

#include "support/net.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::net::close_gracefully;
using eddy::net::tcp_stream;
using eddy::net::unix_stream;
using support::bytes_of;
using support::within;

/// More than both sockets of a connection buffer.
constexpr std::size_t large = 8U << 20;

/// Sends `large` bytes, and only then reads. Returns everything that arrives before the end of the stream, or the text
/// of the error.
std::string send_much_and_read_all(const support::raw_socket& peer) try {
    const std::string bytes(64 * 1024, 'x');
    for (std::size_t sent = 0; sent < large; sent += bytes.size()) peer.send(bytes);
    return peer.receive(large);
} catch (const std::system_error& error) {
    return error.what();
}

/// Reads a byte and writes a reply, like a server that refuses the rest of its input.
template <class Reader, class Writer>
eddy::task<eddy::result<void>> refuse(Reader& reader, Writer& writer) {
    std::array<std::byte, 1> first{};
    co_await eddy::try_(reader.read_exact(first));
    co_return co_await writer.write_all(bytes_of("refused"));
}

TEST(CloseGracefully, PeerThatSendsMuchReceivesTheReply) {
    support::connection pair;
    eddy::core core;
    std::string received;
    std::thread peer([&] {
        received = send_much_and_read_all(pair.peer);
        pair.peer.close();
    });
    const auto serve = [](tcp_stream stream) -> eddy::task<eddy::result<void>> {
        co_await eddy::try_(refuse(stream, stream));
        co_return co_await close_gracefully(std::move(stream), support::operation_limit());
    };
    const auto ended = within(core, serve(std::move(pair.stream)));
    peer.join();
    EXPECT_TRUE(ended) << ended.error().message();
    EXPECT_EQ(received, "refused");
}

TEST(CloseGracefully, OwnedHalvesAreClosedLikeTheirStream) {
    support::connection pair;
    eddy::core core;
    std::string received;
    std::thread peer([&] {
        received = send_much_and_read_all(pair.peer);
        pair.peer.close();
    });
    const auto serve = [](tcp_stream stream) -> eddy::task<eddy::result<void>> {
        auto [reader, writer] = std::move(stream).into_split();
        co_await eddy::try_(refuse(reader, writer));
        co_return co_await close_gracefully(std::move(reader), std::move(writer), support::operation_limit());
    };
    const auto ended = within(core, serve(std::move(pair.stream)));
    peer.join();
    EXPECT_TRUE(ended) << ended.error().message();
    EXPECT_EQ(received, "refused");
}

/// Sends `large` bytes, reads the reply and the end of the stream, and closes the stream.
eddy::task<std::string> send_much(unix_stream stream) {
    const std::string bytes(large, 'x');
    const auto sent = co_await stream.write_all(bytes_of(bytes));
    EXPECT_TRUE(sent);
    std::array<std::byte, 64> into{};
    const auto reply = co_await stream.read(into);
    const auto end = co_await stream.read(into);
    EXPECT_EQ(end, 0u);
    co_return support::text_of(std::span(into).first(reply.value_or(0)));
}

TEST(CloseGracefully, UnixStreamIsClosedLikeATcpStream) {
    for (const bool in_halves : {false, true}) {
        eddy::core core;
        const auto serve = [=](unix_stream stream) -> eddy::task<eddy::result<void>> {
            co_await eddy::try_(refuse(stream, stream));
            if (!in_halves) co_return co_await close_gracefully(std::move(stream), support::operation_limit());
            auto [reader, writer] = std::move(stream).into_split();
            co_return co_await close_gracefully(std::move(reader), std::move(writer), support::operation_limit());
        };
        auto pair = unix_stream::pair().value();
        auto both = eddy::join(serve(std::move(pair.first)), send_much(std::move(pair.second)));
        const auto [ended, received] = within(core, std::move(both));
        EXPECT_TRUE(ended) << ended.error().message();
        EXPECT_EQ(received, "refused");
    }
}

TEST(CloseGracefully, PeerThatHasClosedNeedsNoWait) {
    support::connection pair;
    pair.peer.send("hello");
    pair.peer.close();
    eddy::core core;
    EXPECT_TRUE(within(core, close_gracefully(std::move(pair.stream), 1h)));
}

TEST(CloseGracefully, PeerThatStaysIsClosedAtTheLimit) {
    support::connection pair;
    eddy::core core;
    const auto ended = within(core, close_gracefully(std::move(pair.stream), 5ms));
    ASSERT_FALSE(ended);
    EXPECT_EQ(ended.error(), std::errc::timed_out);
    EXPECT_EQ(pair.peer.receive(1), "");
}

TEST(CloseGracefully, ResetByThePeerIsAnError) {
    support::connection pair;
    pair.peer.reset();
    eddy::core core;
    const auto ended = within(core, close_gracefully(std::move(pair.stream), support::operation_limit()));
    ASSERT_FALSE(ended);
    EXPECT_EQ(ended.error(), std::errc::connection_reset);
}

TEST(CloseGracefully, AnyStreamAndAnyTwoHalvesAreAccepted) {
    for (const bool in_halves : {false, true}) {
        eddy::core core;
        auto [near, far] = eddy::io::duplex(1000);
        const auto serve = [=](eddy::io::duplex_stream end) -> eddy::task<eddy::result<void>> {
            eddy::io::boxed_stream stream(std::move(end));
            if (!in_halves) co_return co_await close_gracefully(std::move(stream), support::operation_limit());
            auto [reader, writer] = eddy::io::split(std::move(stream));
            co_return co_await close_gracefully(std::move(reader), std::move(writer), support::operation_limit());
        };
        const auto send = [](eddy::io::duplex_stream peer) -> eddy::task<eddy::result<std::size_t>> {
            co_await eddy::try_(eddy::io::write_all(peer, std::string(100'000, 'x')));
            std::array<std::byte, 1> end{};
            co_return co_await eddy::io::read(peer, end);
        };
        auto both = eddy::join(serve(std::move(near)), send(std::move(far)));
        const auto [ended, read] = within(core, std::move(both));
        EXPECT_TRUE(ended) << ended.error().message();
        EXPECT_EQ(read, 0U);
    }
}

/// A connection whose peer sends without an end.
struct endless_input : eddy::io::empty {
    static eddy::poll_result<eddy::result<std::size_t>> poll_read(eddy::context&, std::span<std::byte> into) {
        return eddy::ok(into.size());
    }
};

TEST(CloseGracefully, PeerThatSendsWithoutAnEndIsCutOff) {
    eddy::core core;
    const auto ended = within(core, close_gracefully(endless_input(), 1h));
    ASSERT_FALSE(ended);
    EXPECT_EQ(ended.error(), std::errc::message_size);
}

TEST(CloseGracefully, HandlerOfServeMayCloseGracefully) {
    eddy::core core;
    const eddy::sync::cancellation_token end;
    auto listener =
        eddy::net::tcp_listener::bind(eddy::net::socket_addr::parse("127.0.0.1:0").value(), core.handle()).value();
    const auto where = listener.local_addr().value();
    constexpr int clients = 4;
    std::array<std::string, clients> received;
    std::thread peers([&] {
        for (auto& each : received) each = send_much_and_read_all(support::raw_socket::connected(where));
        end.cancel();
    });
    const auto handler = [](tcp_stream stream) -> eddy::task<eddy::result<void>> {
        co_await eddy::try_(refuse(stream, stream));
        co_return co_await close_gracefully(std::move(stream), support::operation_limit());
    };
    auto served = eddy::net::serve(std::move(listener), handler, eddy::net::serve_options().shutdown(end));
    const auto report = within(core, std::move(served));
    peers.join();
    ASSERT_TRUE(report);
    EXPECT_EQ(report->failed, 0u);
    for (const auto& each : received) EXPECT_EQ(each, "refused");
}

}  // namespace
