// SPDX-License-Identifier: MIT
// Codecs, datagrams, halves: lines over TCP, a user-defined codec over UDP, one connection used by two tasks.
//     $ ./frames
//     lines: hello, world
//     datagrams: ping 0, ping 1, ping 2
//     halves: 100000 bytes sent and received
//     handed over: 5 bytes, and the socket was returned
#include <eddy/prelude.hpp>

#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

namespace {

namespace codec = eddy::codec;
using eddy::result;
using eddy::task;
using eddy::try_;
using eddy::net::tcp_listener;
using eddy::net::tcp_stream;
using eddy::net::udp_socket;

// ---- Lines: an object that is a stream and a sink ----

task<result<void>> echo_lines(tcp_stream stream) {
    auto lines = codec::framed(std::move(stream), codec::lines_codec(1024));
    while (auto line = co_await lines.next()) co_await try_(lines.send(co_await try_(std::move(*line))));
    co_return eddy::ok();
}

task<result<void>> show_lines(tcp_stream stream) {
    auto lines = codec::framed(std::move(stream), codec::lines_codec(1024));
    co_await try_(lines.feed("hello"));
    co_await try_(lines.feed("world"));
    co_await try_(lines.close());  // flushes both lines and shuts down the writing side
    std::string all;
    while (auto line = co_await lines.next()) all += (all.empty() ? "" : ", ") + co_await try_(std::move(*line));
    std::printf("lines: %s\n", all.c_str());
    co_return eddy::ok();
}

// ---- A user-defined codec: a class with decode and encode. Each datagram has a number of four bytes ----

struct number_codec {
    result<std::optional<std::uint32_t>> decode(eddy::bytes_mut& from) {
        if (from.size() < 4)
            return std::optional<std::uint32_t>();  // incomplete; at the end of a datagram this is an error
        return std::optional(from.get_u32());
    }
    result<void> encode(std::uint32_t number, eddy::bytes_mut& into) {
        into.put_u32(number);
        return {};
    }
};

task<result<void>> show_datagrams() {
    auto near = co_await try_(udp_socket::bind("127.0.0.1:0"));
    auto far = co_await try_(udp_socket::bind("127.0.0.1:0"));
    const auto peer = co_await try_(far.local_addr());
    auto [sink, stream] = codec::udp_framed(std::move(near), number_codec()).split();
    codec::udp_framed other(std::move(far), number_codec());
    std::string all;
    for (std::uint32_t i = 0; i < 3; ++i) {
        co_await try_(sink.send(codec::udp_message(i, peer)));
        auto ping = co_await other.next();
        co_await try_(other.send(co_await try_(std::move(*ping))));  // the message has the sender's address
        auto pong = co_await stream.next();
        auto [number, from] = co_await try_(std::move(*pong));
        all += (i == 0 ? "ping " : ", ping ") + std::to_string(number);
    }
    std::printf("datagrams: %s\n", all.c_str());
    co_return eddy::ok();
}

// ---- One connection, two tasks: writing and reading at the same time ----

task<result<void>> echo_bytes(tcp_stream tcp) {
    auto [reader, writer] = eddy::io::split(std::move(tcp));
    auto rest = co_await try_(eddy::io::read_to_end(reader));
    co_await try_(eddy::io::write_all(writer, rest));
    co_await try_(eddy::io::shutdown(writer));
    co_return eddy::ok();
}

template <class Writer>
task<result<void>> write_much(Writer& to) {
    const std::vector<std::byte> much(100'000);
    co_await try_(eddy::io::write_all(to, much));
    co_return co_await eddy::io::shutdown(to);
}

task<result<void>> show_halves(tcp_stream tcp) {
    auto [reader, writer] = eddy::io::split(std::move(tcp));
    auto [written, back] = co_await try_(eddy::try_join(write_much(writer), eddy::io::read_to_end(reader)));
    std::printf("halves: %zu bytes sent and received\n", back.size());
    co_return eddy::ok();
}

// ---- A socket and a buffer: handed over to an operation, which returns them ----

task<result<void>> show_hand_over() {
    auto socket = co_await try_(udp_socket::bind("127.0.0.1:0"));
    const auto peer = co_await try_(socket.local_addr());  // itself
    std::string buffer = "hello";
    auto back = co_await std::move(socket).send_dgram(std::move(buffer), peer);
    co_await try_(std::move(back.sent));
    const bool is_same = co_await try_(back.sock.local_addr()) == peer;
    std::printf("handed over: %zu bytes, and the socket was %s\n", back.buf.size(), is_same ? "returned" : "lost");
    co_return eddy::ok();
}

// Runs a server for one connection on this machine, and its client.
template <class Serve, class Use>
task<result<void>> between(Serve serve, Use use) {
    auto listener = co_await try_(tcp_listener::bind("127.0.0.1:0"));
    auto dialled = tcp_stream::connect(co_await try_(listener.local_addr()));
    auto [here, there] = co_await try_(eddy::try_join(listener.accept(), std::move(dialled)));
    co_await try_(eddy::try_join(serve(std::move(here.stream)), use(std::move(there))));
    co_return eddy::ok();
}

task<result<void>> show_all() {
    co_await try_(between(echo_lines, show_lines));
    co_await try_(show_datagrams());
    co_await try_(between(echo_bytes, show_halves));
    co_return co_await show_hand_over();
}

}  // namespace

int main() { return eddy::run(show_all()); }
