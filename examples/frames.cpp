// SPDX-License-Identifier: MIT
// Frames, datagrams, halves: lines over TCP, a codec of one's own over UDP, a connection for two tasks.
//     $ ./frames
//     lines: hello, world
//     datagrams: ping 0, ping 1, ping 2
//     halves: 100000 bytes went and came
//     handed over: 5 bytes, and the socket is back
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

// ---- Lines: a stream and a sink in one ----

task<result<void>> echo_lines(tcp_stream stream) {
    auto lines = codec::framed(std::move(stream), codec::lines_codec(1024));
    while (auto line = co_await lines.next()) co_await try_(lines.send(co_await try_(std::move(*line))));
    co_return eddy::ok();
}

task<result<void>> show_lines(tcp_stream stream) {
    auto lines = codec::framed(std::move(stream), codec::lines_codec(1024));
    co_await try_(lines.feed("hello"));
    co_await try_(lines.feed("world"));
    co_await try_(lines.close());  // flushes both, and says that no more will come
    std::string all;
    while (auto line = co_await lines.next()) all += (all.empty() ? "" : ", ") + co_await try_(std::move(*line));
    std::printf("lines: %s\n", all.c_str());
    co_return eddy::ok();
}

// ---- A codec of one's own: a class with decode and encode. In a datagram: a number of four bytes ----

struct number_codec {
    result<std::optional<std::uint32_t>> decode(eddy::bytes_mut& from) {
        if (from.size() < 4) return std::optional<std::uint32_t>();  // not yet; and at the end of a datagram, an error
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
        co_await try_(other.send(co_await try_(std::move(*ping))));  // with the address that it came from
        auto pong = co_await stream.next();
        auto [number, from] = co_await try_(std::move(*pong));
        all += (i == 0 ? "ping " : ", ping ") + std::to_string(number);
    }
    std::printf("datagrams: %s\n", all.c_str());
    co_return eddy::ok();
}

// ---- One connection, two tasks: what is written while something is read ----

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
    std::printf("halves: %zu bytes went and came\n", back.size());
    co_return eddy::ok();
}

// ---- A socket and a buffer handed over, and given back ----

task<result<void>> show_hand_over() {
    auto socket = co_await try_(udp_socket::bind("127.0.0.1:0"));
    const auto peer = co_await try_(socket.local_addr());  // itself
    std::string buffer = "hello";
    auto back = co_await std::move(socket).send_dgram(std::move(buffer), peer);
    co_await try_(std::move(back.sent));
    const bool is_same = co_await try_(back.sock.local_addr()) == peer;
    std::printf("handed over: %zu bytes, and the socket is %s\n", back.buf.size(), is_same ? "back" : "lost");
    co_return eddy::ok();
}

// A server of one connection on this machine, and its client.
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
