// SPDX-License-Identifier: MIT
// Idle connections keep no memory of their largest message. A separate executable, since it counts all allocations.
// runs: counted memory
#include <eddy/codec.hpp>
#include <eddy/future.hpp>
#include <eddy/http.hpp>
#include <eddy/io.hpp>
#include <eddy/net.hpp>
#include <eddy/runtime.hpp>
#include <eddy/sync.hpp>
#include <eddy/task.hpp>
#include <eddy/ws.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/ws/counted_memory.hpp"
#include "support/ws/ws_frames.hpp"

#ifdef EDDY_TEST_TLS
#include <eddy/tls.hpp>

#include "support/tls_pair.hpp"
#endif

namespace {

using namespace std::chrono_literals;
using eddy::result;
using eddy::task;
using eddy::try_;
using support::allocated_bytes;
namespace codec = eddy::codec;
namespace http = eddy::http;
namespace io = eddy::io;
namespace net = eddy::net;
namespace ws = eddy::ws;

/// Returns text that compression makes by a quarter smaller.
std::string noise(std::size_t size) {
    std::string text(size, ' ');
    std::uint32_t state = 1;
    for (char& letter : text) {
        state = state * 1664525 + 1013904223;
        letter = static_cast<char>('0' + (state >> 26));
    }
    return text;
}

/// One connection: sends a text to a server, and returns the answer, which is the same text.
using conversation = std::function<task<std::string>(std::string)>;

// ---- Plain connections, and TLS ----

/// How streams are made: of TCP alone here.
struct plain {
    static constexpr const char* scheme = "";

    static task<result<net::tcp_stream>> accept(net::tcp_stream tcp) { co_return std::move(tcp); }
    static task<result<net::tcp_stream>> connect(std::string port) {
        co_return co_await net::tcp_stream::connect("127.0.0.1:" + port);
    }
    static http::client_options client_options() { return http::client_options(); }
};

#ifdef EDDY_TEST_TLS
struct encrypted {
    static constexpr const char* scheme = "s";

    static eddy::tls::client_config client_config() {
        static const auto config = *world().client().build();
        return config;
    }
    static eddy::tls::server_config server_config() {
        static const auto config = *world().server().alpn(http::alpn_protocols()).build();
        return config;
    }
    static task<result<eddy::tls::stream<net::tcp_stream>>> accept(net::tcp_stream tcp) {
        auto config = server_config();
        co_return co_await eddy::tls::accept(std::move(tcp), config);
    }
    static task<result<eddy::tls::stream<net::tcp_stream>>> connect(std::string port) {
        auto tcp = co_await try_(net::tcp_stream::connect("127.0.0.1:" + port));
        auto config = client_config();
        co_return co_await eddy::tls::connect(std::move(tcp), config, "localhost");
    }
    static http::client_options client_options() { return http::client_options().tls(client_config()); }

private:
    static const support::tls_world& world() {
        static const support::tls_world made;
        return made;
    }
};
#endif

// ---- Protocols ----

/// Frames with their length.
struct frames {
    template <class S>
    static task<result<void>> serve(S stream) {
        codec::framed all(std::move(stream), codec::length_delimited_codec());
        for (;;) {
            auto next = co_await all.next();
            if (!next) co_return eddy::ok();
            auto frame = co_await try_(std::move(*next));
            co_await try_(all.send(std::move(frame).freeze()));
        }
    }
    template <class Way>
    static task<conversation> open(std::string port) {
        auto connected = co_await Way::connect(port);
        auto stream = std::move(connected).value();
        using framed = codec::framed<decltype(stream), codec::length_delimited_codec>;
        auto all = std::make_shared<framed>(std::move(stream), codec::length_delimited_codec());
        co_return [all](std::string text) -> task<std::string> { return say(all, std::move(text)); };
    }

private:
    template <class Framed>
    static task<std::string> say(std::shared_ptr<Framed> all, std::string text) {
        const auto sent = co_await all->send(eddy::bytes(std::move(text)));
        EXPECT_TRUE(sent.has_value());
        auto next = co_await all->next();
        co_return std::string(next.value().value().text());
    }
};

task<http::response> echo_body(http::request asked) {
    auto text = co_await asked.body.read_text();
    co_return http::response::text(std::move(text).value());
}

/// HTTP/1.1, or HTTP/2 for which the body of the answer is received in parts.
template <bool IsHttp2>
struct web {
    template <class S>
    static task<result<void>> serve(S stream) {
        const http::service app = echo_body;
        co_return co_await http::serve_connection(std::move(stream), app);
    }
    template <class Way>
    static task<conversation> open(std::string port) {
        const http::client client(Way::client_options().http2(IsHttp2).prior_knowledge(IsHttp2));
        const std::string url = std::string("http") + Way::scheme + "://localhost:" + port + "/";
        co_return [client, url](std::string text) -> task<std::string> { return say(client, url, std::move(text)); };
    }

private:
    static task<std::string> say(http::client client, std::string url, std::string text) {
        auto answer = co_await client.post(url, "text/plain", std::move(text));
        EXPECT_TRUE(answer.has_value()) << answer.error().message();
        if (!answer) co_return std::string();
        auto whole = co_await answer->body.read_text();
        co_return std::move(whole).value();
    }
};

task<result<void>> echo_messages(ws::connection socket) {
    for (;;) {
        auto message = co_await try_(socket.receive());
        co_await try_(socket.send(std::move(message)));
    }
}

template <bool IsCompressed>
struct web_socket {
    template <class S>
    static task<result<void>> serve(S stream) {
        const http::service app = ws::service(echo_messages, ws::options().compression(IsCompressed));
        co_return co_await http::serve_connection(std::move(stream), app);
    }
    template <class Way>
    static task<conversation> open(std::string port) {
        const auto with = ws::options().compression(IsCompressed).client(Way::client_options());
        auto connected = co_await ws::connect(std::string("ws") + Way::scheme + "://localhost:" + port + "/", with);
        EXPECT_TRUE(connected.has_value()) << connected.error().message();
        auto socket = std::make_shared<ws::connection>(std::move(connected).value());
        EXPECT_EQ(socket->is_compressed(), IsCompressed);
        co_return [socket](std::string text) -> task<std::string> { return say(socket, std::move(text)); };
    }

private:
    static task<std::string> say(std::shared_ptr<ws::connection> socket, std::string text) {
        const auto sent = co_await socket->send(std::move(text));
        EXPECT_TRUE(sent.has_value());
        auto answer = co_await socket->receive();
        co_return std::string(answer.value().text());
    }
};

/// A protocol to which HTTP/1.1 switches: lines.
struct upgraded {
    static task<result<void>> echo_lines(http::upgraded_connection connection) {
        codec::framed lines(std::move(connection.stream), codec::lines_codec(1 << 20));
        for (;;) {
            auto next = co_await lines.next();
            if (!next) co_return eddy::ok();
            auto line = co_await try_(std::move(*next));
            co_await try_(lines.send(std::move(line)));
        }
    }
    static task<http::response> switch_to_lines(http::request) {
        co_return http::switch_protocols("lines", echo_lines);
    }

    template <class S>
    static task<result<void>> serve(S stream) {
        const http::service app = switch_to_lines;
        co_return co_await http::serve_connection(std::move(stream), app);
    }
    template <class Way>
    static task<conversation> open(std::string port) {
        http::request asked(http::method::get, "/");
        asked.headers.add("Upgrade", "lines");
        auto outcome = co_await http::upgrade(std::string("http") + Way::scheme + "://localhost:" + port + "/",
                                              std::move(asked), Way::client_options());
        EXPECT_TRUE(outcome.has_value()) << outcome.error().message();
        using framed = codec::framed<io::boxed_stream, codec::lines_codec>;
        auto lines = std::make_shared<framed>(std::move(outcome->stream).value(), codec::lines_codec(1 << 20));
        co_return [lines](std::string text) -> task<std::string> { return say(lines, std::move(text)); };
    }

private:
    template <class Framed>
    static task<std::string> say(std::shared_ptr<Framed> lines, std::string text) {
        const auto sent = co_await lines->send(std::move(text));
        EXPECT_TRUE(sent.has_value());
        auto next = co_await lines->next();
        co_return std::string(next.value().value());
    }
};

// ---- Measuring ----

// A spare buffer of the thread, 16 KiB for TLS, may be larger afterwards; it must weigh less than most_kept.
constexpr int connections = 16;
constexpr std::ptrdiff_t most_kept = 2048;  // by both ends of a connection

/// Lets other tasks run until no more than `most` bytes are allocated, or ten seconds have passed.
task<std::ptrdiff_t> settled(std::ptrdiff_t most) {
    const auto limit = std::chrono::steady_clock::now() + 10s;
    for (int turn = 0; turn < 1000 || (allocated_bytes() > most && std::chrono::steady_clock::now() < limit); ++turn)
        co_await eddy::yield_now();
    co_return allocated_bytes();
}

/// Returns how many bytes a connection has in addition after one exchange of 500 kB.
template <class Protocol, class Way>
task<std::ptrdiff_t> growth(std::string port) {
    const std::string large = noise(500'000);
    const std::string small = large.substr(0, 200);
    const auto talks = [](conversation& with, const std::string& text) -> task<bool> {
        const auto answer = co_await with(text);
        co_return answer == text;
    };
    // Each thread keeps some spare buffers. They are not those of a connection.
    auto first = co_await Protocol::template open<Way>(port);
    const bool has_talked = co_await talks(first, small);
    EXPECT_TRUE(has_talked);
    const bool has_grown = co_await talks(first, large);
    EXPECT_TRUE(has_grown);

    std::vector<conversation> all;
    for (int i = 0; i < connections; ++i) {
        all.push_back(co_await Protocol::template open<Way>(port));
        const bool talked = co_await talks(all.back(), small);
        EXPECT_TRUE(talked);
    }
    const auto before = co_await settled(0x7fffffff);
    for (auto& each : all) {
        const bool talked = co_await talks(each, large);
        EXPECT_TRUE(talked);
    }
    const auto after = co_await settled(before + connections * most_kept);
    co_return (after - before) / connections;
}

/// Serves, measures growth(), and ends the server.
template <class Protocol, class Way>
task<std::ptrdiff_t> measure() {
    auto bound = co_await net::tcp_listener::bind("127.0.0.1:0");
    auto listener = std::move(bound).value();
    const auto port = std::to_string(listener.local_addr().value().port());
    const eddy::sync::cancellation_token end;
    const auto handler = [](net::tcp_stream tcp) -> task<result<void>> {
        auto stream = co_await try_(Way::accept(std::move(tcp)));
        static_cast<void>(co_await Protocol::serve(std::move(stream)));  // the client ends without close_notify
        co_return eddy::ok();
    };
    const auto play = [&]() -> task<std::ptrdiff_t> {
        const auto kept = co_await growth<Protocol, Way>(port);
        end.cancel();
        co_return kept;
    };
    auto both = eddy::join(net::serve(std::move(listener), handler, net::serve_options().shutdown(end)), play());
    auto [report, kept] = co_await both;
    co_return kept;
}

template <class Protocol>
void expect_no_growth() {
    eddy::core loop;
    EXPECT_LE(loop.run(measure<Protocol, plain>()), most_kept) << "plain";
#ifdef EDDY_TEST_TLS
    EXPECT_LE(loop.run(measure<Protocol, encrypted>()), most_kept) << "TLS";
#endif
}

TEST(IdleMemory, FramedConnectionsFreeTheirLargestFrame) { expect_no_growth<frames>(); }

TEST(IdleMemory, Http1ConnectionsFreeTheirLargestBody) { expect_no_growth<web<false>>(); }

#ifdef EDDY_TEST_HTTP2
TEST(IdleMemory, Http2ConnectionsFreeTheirLargestBody) { expect_no_growth<web<true>>(); }
#endif

TEST(IdleMemory, WebSocketsFreeTheirLargestMessage) { expect_no_growth<web_socket<false>>(); }

TEST(IdleMemory, CompressedWebSocketsFreeTheirLargestMessage) { expect_no_growth<web_socket<true>>(); }

TEST(IdleMemory, UpgradedConnectionsFreeTheirLargestLine) { expect_no_growth<upgraded>(); }

/// Sends all bytes back.
task<result<void>> echo_bytes(http::upgraded_connection connection) {
    std::array<char, 1000> some{};
    for (;;) {
        const auto count = co_await try_(io::read(connection.stream, some));
        if (count == 0) co_return eddy::ok();
        co_await try_(io::write_all(connection.stream, std::string(some.data(), count)));
    }
}

task<http::response> switch_to_bytes(http::request) { co_return http::switch_protocols("bytes", echo_bytes); }

/// Opens connections whose request for an upgrade is sent together with some bytes of the new protocol. Returns how
/// many bytes a server has then for each of them.
task<std::ptrdiff_t> memory_with_early_bytes(std::size_t size) {
    auto bound = co_await net::tcp_listener::bind("127.0.0.1:0");
    auto listener = std::move(bound).value();
    const auto address = listener.local_addr().value();
    const eddy::sync::cancellation_token end;
    const auto handler = [](net::tcp_stream tcp) -> task<result<void>> {
        const http::service app = switch_to_bytes;
        co_return co_await http::serve_connection(std::move(tcp), app);
    };
    const auto play = [&]() -> task<std::ptrdiff_t> {
        const std::string early = noise(size);
        const std::string request =
            "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: bytes\r\nConnection: Upgrade\r\n\r\n" + early;
        std::vector<net::tcp_stream> all;
        std::ptrdiff_t before = 0;
        for (int i = 0; i <= connections; ++i) {  // the first one fills the spare buffers of this thread
            auto client = (co_await net::tcp_stream::connect(address)).value();
            (co_await client.write_all(request)).value();
            std::string got;
            while (!got.ends_with(early)) {
                std::string some(1000, ' ');
                some.resize((co_await client.read(some)).value());
                got += some;
            }
            all.push_back(std::move(client));
            if (i == 0) before = co_await settled(0x7fffffff);
        }
        const auto after = co_await settled(before + connections * 100'000);
        end.cancel();
        co_return (after - before) / connections;
    };
    auto both = eddy::join(net::serve(std::move(listener), handler, net::serve_options().shutdown(end)), play());
    auto [report, kept] = co_await both;
    co_return kept;
}

TEST(IdleMemory, UpgradedConnectionsFreeWhatArrivedEarly) {
    eddy::core loop;
    const auto usual = loop.run(memory_with_early_bytes(10));
    EXPECT_LE(loop.run(memory_with_early_bytes(10'000)), usual + most_kept);
}

// ---- Peaks ----

/// A connection whose client is written by hand.
task<net::tcp_stream> open_compressed(net::socket_addr to) {
    auto client = (co_await net::tcp_stream::connect(to)).value();
    const std::string request =
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    (co_await client.write_all(request)).value();
    std::string answer;
    while (!answer.ends_with("\r\n\r\n")) {
        std::array<char, 1> one{};
        const auto count = co_await client.read(one);
        if (count.value_or(0) == 0) break;
        answer += one[0];
    }
    co_return std::move(client);
}

/// What a server of WebSockets has done while clients sent it messages of 8 MiB in 8 KB each.
struct attack {
    std::ptrdiff_t peak = 0;  // bytes that it has allocated in addition
    bool has_served = false;  // another client's message meanwhile
    bool has_ended = false;   // all connections, after the clients have gone
};

task<attack> under_attack() {
    constexpr std::size_t size = 8 << 20;
    constexpr int attackers = 20;
    attack seen;
    auto bound = co_await net::tcp_listener::bind("127.0.0.1:0");
    auto listener = std::move(bound).value();
    const auto address = listener.local_addr().value();
    const eddy::sync::cancellation_token end;
    int open = 0;
    const auto handler = [&open](net::tcp_stream tcp) -> task<result<void>> {
        ++open;
        const http::service app = ws::service(echo_messages, ws::options().compression(true).message_limit(size));
        static_cast<void>(co_await http::serve_connection(std::move(tcp), app));
        --open;
        co_return eddy::ok();
    };
    const auto play = [&]() -> task<attack> {
        eddy::detail::ws_deflater deflater(false, 15);
        const auto bomb = support::ws_frame(support::ws_binary | support::ws_rsv1,
                                            support::ws_compress(deflater, std::string(size, '\0')));
        auto other = co_await web_socket<true>::open<plain>(std::to_string(address.port()));
        const auto before = allocated_bytes();
        std::vector<net::tcp_stream> clients;
        for (int i = 0; i < attackers; ++i) {
            clients.push_back(co_await open_compressed(address));
            const auto sent = co_await clients.back().write_all(bomb + bomb + bomb);
            EXPECT_TRUE(sent.has_value());
        }
        for (int turn = 0; turn < 300; ++turn) {
            co_await eddy::yield_now();
            seen.peak = std::max(seen.peak, allocated_bytes() - before);
        }
        const auto answer = co_await other("hello");
        seen.has_served = answer == "hello";
        clients.clear();
        const auto limit = std::chrono::steady_clock::now() + 20s;
        while (open > 1 && std::chrono::steady_clock::now() < limit) {
            co_await eddy::yield_now();
            seen.peak = std::max(seen.peak, allocated_bytes() - before);
        }
        seen.has_ended = open == 1;
        end.cancel();
        co_return seen;
    };
    auto both = eddy::join(net::serve(std::move(listener), handler, net::serve_options().shutdown(end)), play());
    auto [report, outcome] = co_await both;
    co_return outcome;
}

TEST(IdleMemory, LargeCompressedMessagesAreDecompressedInTurn) {
    eddy::core loop;
    const auto seen = loop.run(under_attack());
    EXPECT_GE(seen.peak, 8 << 20);
    EXPECT_LE(seen.peak, 80 << 20);  // all at once, they would take 160 MiB
    EXPECT_TRUE(seen.has_served);
    EXPECT_TRUE(seen.has_ended);
}

}  // namespace
