// SPDX-License-Identifier: MIT
// An event loop driven by hand, and the four kinds of events that it waits for.
// The events are a readable socket, a finished write, work that another thread finished, and a timeout.
//     $ ./event_kinds
//     a socket is readable: 5 bytes
//     a write is finished
//     work is finished: 6 x 7 = 42
//     a thread has answered: 43
//     a timeout
#include <eddy/prelude.hpp>

#include <cstdio>

namespace {

using namespace std::chrono_literals;

eddy::task<void> say_hello(eddy::net::socket_addr to) {
    auto stream = co_await eddy::net::tcp_stream::connect(to);
    if (!stream) co_return;
    auto written = co_await stream->write_all("hello");
    std::array<std::byte, 16> answer;
    if (written) static_cast<void>(co_await stream->read(answer));
}

/// Waits for each kind of event in order. While it waits, the process uses no processor time.
eddy::task<eddy::result<void>> all_kinds() {
    auto listener = co_await eddy::try_(eddy::net::tcp_listener::bind("127.0.0.1:0"));
    const auto addr = co_await eddy::try_(listener.local_addr());
    eddy::spawn(say_hello(addr));
    auto client = co_await eddy::try_(listener.accept());

    std::array<std::byte, 16> buffer;
    const std::size_t count = co_await eddy::try_(client.stream.read(buffer));
    std::printf("a socket is readable: %zu bytes\n", count);

    co_await eddy::try_(client.stream.write_all("hello, too"));
    std::puts("a write is finished");

    const int product = co_await eddy::try_(eddy::spawn_blocking([] { return 6 * 7; }));
    std::printf("work is finished: 6 x 7 = %d\n", product);

    auto [sender, receiver] = eddy::sync::oneshot<int>::channel();
    std::thread other([sends = std::move(sender), product]() mutable { static_cast<void>(sends.send(product + 1)); });
    const auto answer = co_await receiver;
    other.join();
    std::printf("a thread has answered: %d\n", answer.value_or(0));

    co_await eddy::time::sleep(10ms);
    std::puts("a timeout");
    co_return eddy::ok();
}

}  // namespace

int main() {
    eddy::core core;
    bool is_done = false;
    int code = 0;
    const auto until_done = [&]() -> eddy::task<void> {
        const auto outcome = co_await all_kinds();
        if (!outcome) std::fprintf(stderr, "event_kinds: %s\n", outcome.error().message().c_str());
        code = outcome ? 0 : 1;
        is_done = true;
    };
    // docs: turn
    core.handle().spawn(until_done());
    while (!is_done) core.turn(std::nullopt);  // waits for events and dispatches them
    // docs: end
    return code;
}
