// SPDX-License-Identifier: MIT
// The life of a connection, seen from outside: prints each poll of the futures that connect and read.
//     $ ./connection_steps
//     connect: created
//     connect: poll 1 is not ready
//     connect: poll 2 is ready
//     read: created
//     read: poll 1 is not ready
//     the peer writes
//     read: poll 2 is ready
//     read 5 bytes: hello
//     read: created
//     read: poll 1 is not ready
//     read: poll 2 is ready
//     end of stream
#include <eddy/prelude.hpp>

#include <array>
#include <cstdio>
#include <string_view>

namespace {

// docs: reported
// A future that forwards each poll to another future, and prints the result of the poll.
template <class F>
class reported {
public:
    using output_type = typename F::output_type;

    reported(const char* name, F future) : name_(name), future_(std::move(future)) {
        std::printf("%s: created\n", name);
    }

    eddy::poll_result<output_type> poll(eddy::context& cx) {
        auto polled = future_.poll(cx);
        std::printf("%s: poll %d is %s\n", name_, ++polls_, polled.is_ready() ? "ready" : "not ready");
        return polled;
    }

private:
    const char* name_;
    F future_;
    int polls_ = 0;
};
// docs: end

eddy::task<eddy::result<void>> async_main() {
    auto listener = co_await eddy::try_(eddy::net::tcp_listener::bind("127.0.0.1:0"));
    const auto address = co_await eddy::try_(listener.local_addr());

    // docs: steps
    auto stream = co_await eddy::try_(reported("connect", eddy::net::tcp_stream::connect(address)));
    auto [peer, peer_address] = co_await eddy::try_(listener.accept());

    std::array<char, 64> buffer;
    const auto bytes = std::as_writable_bytes(std::span(buffer));
    const auto write = [&]() -> eddy::task<eddy::result<void>> {
        std::puts("the peer writes");
        co_return co_await peer.write_all("hello");
    };
    // join polls the read first: it waits for the reactor, because nothing has arrived. Then it polls the write.
    auto [received, written] = co_await eddy::join(reported("read", stream.read(bytes)), write());
    const auto size = co_await eddy::try_(std::move(received));
    std::printf("read %zu bytes: %.*s\n", size, static_cast<int>(size), buffer.data());

    // The last read has emptied the socket, so the next one waits for the reactor before it calls read(2).
    {
        auto closed = std::move(peer);
    }  // closes the peer's socket
    const auto end = co_await eddy::try_(reported("read", stream.read(bytes)));
    std::puts(end == 0 ? "end of stream" : "more bytes");
    // docs: end
    co_return {};
}

}  // namespace

int main() {
    eddy::core core;  // one thread: the order of the polls is always the same
    const auto outcome = core.run(async_main());
    if (!outcome) std::fprintf(stderr, "connection_steps: %s\n", outcome.error().message().c_str());
    return outcome ? 0 : 1;
}
