// SPDX-License-Identifier: MIT
#include <poll.h>

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <eddy/future/ready.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/net/socket_addr.hpp>
#include <eddy/net/tcp_stream.hpp>
#include <eddy/task/task.hpp>
#include <support/net.hpp>

#ifndef EDDY_NO_THREADS
#include <support/runtime.hpp>
#endif

namespace support {
namespace {

// A socket that is bound but does not listen. It stays bound until the process ends, so that no other socket can use
// its port. Otherwise even the connecting socket could be assigned this port, and would then connect to itself.
const raw_socket port_without_listener = [] {
    raw_socket made;
    made.bind(0);
    return made;
}();

}  // namespace

// ---- net.hpp ----

eddy::net::socket_addr closed_addr() { return port_without_listener.addr(); }

eddy::task<std::string> read_some(eddy::net::tcp_stream& stream) {
    std::array<std::byte, 64> into{};
    const auto count = co_await stream.read(into);
    if (!count) co_return "error: " + count.error().message();
    co_return text_of(std::span(into).first(*count));
}

eddy::task<std::size_t> fill(eddy::net::tcp_stream& stream) {
    const std::vector<std::byte> large(256 * 1024, std::byte{'l'});
    const std::vector<std::byte> small(100, std::byte{'s'});
    std::size_t accepted = 0;
    pollfd room{stream.native_handle(), POLLOUT, 0};
    do {
        co_await eddy::yield_now();
        while (const auto count = stream.try_write(large)) accepted += *count;
    } while (::poll(&room, 1, 20) == 1);  // sent data that reaches the peer frees capacity
    while (const auto count = stream.try_write(small)) accepted += *count;
    co_return accepted;
}

eddy::task<std::size_t> read_and_fill(eddy::net::tcp_stream& stream) {
    static_cast<void>(co_await read_some(stream));
    co_return co_await fill(stream);
}

// ---- runtime.hpp ----

#ifndef EDDY_NO_THREADS

eddy::task<void> nothing() { co_return; }

eddy::task<int> number(int value) {
    co_await eddy::yield_now();
    co_return value;
}

eddy::task<void> begin_and_hold(tally& begun, last_words words) {
    begun.add();
    co_await eddy::pending<void>();
    static_cast<void>(words);
}

void wait_until_closing(const eddy::handle& handle) {
    EXPECT_TRUE(comes_true([&] { return handle.spawn(hold(0)).is_finished(); }));
}

#endif

}  // namespace support
