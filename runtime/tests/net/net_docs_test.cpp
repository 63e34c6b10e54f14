// SPDX-License-Identifier: MIT
// The programs of docs/coming-from-sockets.md.
// covers: I20.6.8
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <string>
#include <utility>

// docs: names
#include <eddy/prelude.hpp>

namespace {  // here, since sync and time are also functions of the C library

using namespace std::chrono_literals;
namespace io = eddy::io;
namespace net = eddy::net;
namespace sync = eddy::sync;
namespace time = eddy::time;
using eddy::result;
using eddy::task;
using eddy::try_;
// docs: end

// docs: chat
struct message {
    int from;
    std::string text;
};
using room = sync::broadcast<message>;

/// Sends each line of the client to the room.
task<result<void>> receive_lines(net::read_half<net::tcp_stream> client, int id, room::sender to_all) {
    auto lines = io::lines(io::buf_reader(std::move(client)), 1024);
    while (auto line = co_await try_(lines.try_next())) static_cast<void>(to_all.send({id, *line + "\n"}));
    co_return eddy::ok();  // the client has closed its side
}

/// Sends the lines of the other clients to the client.
task<result<void>> send_lines(net::write_half<net::tcp_stream> client, int id, room::receiver from_all) {
    for (;;) {
        auto said = co_await from_all.recv();
        if (!said && !said.error().is_lagged()) co_return eddy::ok();  // the room is closed
        if (!said) continue;  // this client was too slow, and has missed some lines
        if (said->from != id) co_await try_(client.write_all(said->text));
    }
}

/// Serves one client: waits for its lines and for those of the others at the same time.
task<result<void>> talk(net::tcp_stream client, int id, room::sender to_all) {
    auto [reader, writer] = client.split();
    auto from_all = to_all.subscribe();
    co_await try_(eddy::race(receive_lines(reader, id, to_all), send_lines(writer, id, std::move(from_all))));
    co_return eddy::ok();  // closes the connection
}

task<result<void>> serve_chat(net::tcp_listener listener) {
    room::sender to_all(64);  // keeps up to 64 lines for slow clients
    for (int id = 0;; ++id) {
        auto client = co_await try_(listener.accept());
        eddy::spawn(talk(std::move(client.stream), id, to_all));
    }
}
// docs: end

// docs: ask
/// Sends a request, and receives the answer. Both are preceded by their length, four bytes in network byte order.
task<result<std::string>> ask(std::string server, std::string request) {
    auto peer = co_await try_(net::tcp_stream::connect(server));  // "example.com:4000": getaddrinfo, socket, connect
    co_await try_(io::write_u32(peer, static_cast<std::uint32_t>(request.size())));
    co_await try_(peer.write_all(request));
    const auto size = co_await try_(io::read_u32(peer));
    if (size > 1'000'000) co_return std::unexpected(std::errc::message_size);
    std::string answer(size, '\0');
    co_await try_(peer.read_exact(answer));  // the error at an early end is errc::unexpected_eof
    co_return answer;
}

/// Tries three times, two seconds each: that is the limit of all steps together.
task<result<std::string>> ask_patiently(std::string server, std::string request) {
    const auto attempt = [&] { return time::try_timeout(2s, ask(server, request)); };
    co_return co_await eddy::retry(time::backoff(100ms).max_retries(2), attempt);
}
// docs: end

// docs: datagrams
/// Sends a request, and waits for the answer with the same number. The number is in the first four bytes of both.
task<result<std::string>> exchange(net::udp_socket& socket, std::uint32_t number, std::string request) {
    eddy::bytes_mut datagram;
    datagram.put_u32(number);
    datagram.put(request);
    co_await try_(socket.send(datagram));
    for (;;) {
        eddy::bytes_mut answer;
        co_await try_(socket.recv_buf(answer));                         // appends a datagram of any size
        if (answer.size() < 4 || answer.get_u32() != number) continue;  // not the answer, or that to an earlier request
        co_return std::string(answer.text());
    }
}

/// Sends a request again if there is no answer after 200 ms, up to three times.
task<result<std::string>> ask_by_datagrams(net::socket_addr server, std::uint32_t number, std::string request) {
    const char* const any_port = server.is_ipv6() ? "[::]:0" : "0.0.0.0:0";
    auto socket = co_await try_(net::udp_socket::bind(any_port));
    co_await try_(socket.connect(server));  // from now on, the socket receives from this address only
    const auto attempt = [&] { return time::try_timeout(200ms, exchange(socket, number, request)); };
    co_return co_await eddy::retry(time::backoff(50ms).max_retries(3), attempt);
}

/// Answers each request with the same text. A request may arrive twice, if the answer was lost.
task<result<void>> serve_datagrams(net::udp_socket socket) {
    std::array<std::byte, 1500> buffer;
    for (;;) {
        const auto [size, from, is_truncated] = co_await try_(socket.recv_from(buffer));
        if (is_truncated || size < 4) continue;
        auto sent = co_await socket.send_to(std::span(buffer).first(size), from);
        if (!sent) std::fprintf(stderr, "%s: %s\n", from.to_string().c_str(), sent.error().message().c_str());
    }
}
// docs: end

// ---- Their tests ----

TEST(SocketsDocs, ChatSendsLinesToOtherClients) {
    const auto talk_to_server = []() -> task<result<void>> {
        auto listener = co_await try_(net::tcp_listener::bind("127.0.0.1:0"));
        const auto address = listener.local_addr().value();
        auto server = eddy::abort_on_drop_handle(eddy::spawn(serve_chat(std::move(listener))));
        auto first = co_await try_(net::tcp_stream::connect(address));
        auto second = co_await try_(net::tcp_stream::connect(address));
        // A line reaches only clients that are subscribed, so the second client sends until the first one hears it.
        auto lines = io::lines(io::buf_reader(std::ref(first)));
        const auto first_line = [&]() -> task<result<std::string>> {
            auto line = co_await try_(lines.try_next());
            co_return line.value();
        };
        const auto send_repeatedly = [&]() -> task<result<std::string>> {
            auto pause = time::interval(5ms);
            for (;;) {
                co_await pause.tick();
                co_await try_(second.write_all("hello\n"));
            }
        };
        const auto heard = co_await try_(eddy::race(first_line(), send_repeatedly()));
        EXPECT_EQ(heard, "hello");
        co_await try_(first.write_all("and you\n"));
        auto answer = io::lines(io::buf_reader(std::ref(second)));
        const auto line = co_await try_(answer.try_next());
        EXPECT_EQ(line, "and you");  // and none of its own lines
        co_return eddy::ok();
    };
    eddy::core loop;
    const auto ended = loop.run(talk_to_server());
    EXPECT_TRUE(ended.has_value()) << ended.error().message();
}

TEST(SocketsDocs, AskRepeatsAfterFirstConnectionFails) {
    const auto serve = [](net::tcp_listener listener) -> task<result<void>> {
        auto dropped = co_await try_(listener.accept());
        eddy::drop(std::move(dropped.stream));
        auto client = co_await try_(listener.accept());
        const auto size = co_await try_(io::read_u32(client.stream));
        std::string question(size, '\0');
        co_await try_(client.stream.read_exact(question));
        co_await try_(io::write_u32(client.stream, 6));
        co_return co_await client.stream.write_all("re: " + question);
    };
    const auto both = [&]() -> task<result<void>> {
        auto listener = co_await try_(net::tcp_listener::bind("127.0.0.1:0"));
        auto address = listener.local_addr().value().to_string();
        auto [served, answer] = co_await eddy::join(serve(std::move(listener)), ask_patiently(address, "hi"));
        EXPECT_TRUE(served.has_value());
        EXPECT_EQ(answer, "re: hi");
        co_return eddy::ok();
    };
    eddy::core loop;
    EXPECT_TRUE(loop.run(both()).has_value());
}

TEST(SocketsDocs, RequestIsSentAgainAfterLostDatagram) {
    const auto ask_twice = []() -> task<result<void>> {
        auto server = co_await try_(net::udp_socket::bind("127.0.0.1:0"));
        const auto address = server.local_addr().value();
        auto asking = eddy::abort_on_drop_handle(eddy::spawn(ask_by_datagrams(address, 7, "hello")));
        std::array<std::byte, 100> lost{};
        const auto first = co_await try_(server.recv_from(lost));
        EXPECT_EQ(first.size, 9U);
        auto serving = eddy::abort_on_drop_handle(eddy::spawn(serve_datagrams(std::move(server))));
        const auto answer = co_await asking;
        EXPECT_EQ(answer.value().value(), "hello");
        co_return eddy::ok();
    };
    eddy::core core;
    const auto ended = core.run(ask_twice());
    EXPECT_TRUE(ended.has_value()) << ended.error().message();
}

TEST(SocketsDocs, AnswerToEarlierRequestIsSkipped) {
    const auto answer_twice = []() -> task<result<void>> {
        auto server = co_await try_(net::udp_socket::bind("127.0.0.1:0"));
        const auto address = server.local_addr().value();
        auto asking = eddy::abort_on_drop_handle(eddy::spawn(ask_by_datagrams(address, 2, "hello")));
        std::array<std::byte, 100> request{};
        const auto received = co_await try_(server.recv_from(request));
        const std::array<std::string, 3> answers = {std::string("\0\0\0\1old", 7), "x", std::string("\0\0\0\2new", 7)};
        for (const auto& each : answers) co_await try_(server.send_to(each, received.from));
        const auto answer = co_await asking;
        EXPECT_EQ(answer.value().value(), "new");
        co_return eddy::ok();
    };
    eddy::core core;
    const auto ended = core.run(answer_twice());
    EXPECT_TRUE(ended.has_value()) << ended.error().message();
}

}  // namespace
