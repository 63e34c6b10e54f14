// SPDX-License-Identifier: MIT
#pragma once

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <eddy/future/waker.hpp>

#include <support/net.hpp>
#include <support/repeated.hpp>

#include "reactor/io_handle.hpp"
#include "reactor/ring/ring_connection.hpp"
#include "reactor/ring/ring_reactor.hpp"

// The parts of an event loop with a ring, for tests that run its steps one by one.

namespace support {

struct shuts_down {
    void operator()(eddy::detail::io_handle* io) const noexcept {
        io->shut_down();
        io->release();
    }
};
using owned_io = std::unique_ptr<eddy::detail::io_handle, shuts_down>;

/// Adds a stream to `owner`, with a duplicate of the descriptor of `of`.
inline eddy::detail::ring_connection& add_to(eddy::detail::io_handle& owner, const connection& of) {
    return **owner.ring()->add(::dup(of.stream.native_handle()), eddy::detail::ring_connection::brings::bytes);
}

/// Writes until the socket accepts not a single byte. It accepts bytes again after the peer has read nearly everything.
///
/// The kernel moves some of the bytes to the peer later, by acknowledgments and by the timer of the window probe (200
/// ms). So the send buffer is made smaller than its content afterwards, and its content exceeds all that the peer's
/// kernel can still receive.
inline void fill_socket(int fd) {
    constexpr int content = 256 * 1024;
    const auto set_send_buffer = [fd](int size) {
        EXPECT_EQ(::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
    };
    set_send_buffer(content);
    const std::vector<std::byte> bytes(64 * 1024);
    while (::send(fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
    }
    set_send_buffer(1);  // the kernel sets its minimum
    int unsent = 0;
    EXPECT_EQ(::ioctl(fd, SIOCOUTQNSD, &unsent), 0);
    EXPECT_GT(unsent, content / 2) << "the peer's kernel can receive the bytes";
}

/// Appends to `got` what the peer of `from` can receive without waiting.
inline void drain(const connection& from, std::string& got) {
    std::array<char, 65536> some{};
    for (;;) {
        const auto count = repeated([&] { return ::recv(from.peer.fd(), some.data(), some.size(), MSG_DONTWAIT); });
        if (count <= 0) return;
        got.append(some.data(), static_cast<std::size_t>(count));
    }
}

/// Makes the stream call `calls` when it becomes ready from now on.
inline void call_when_ready(eddy::detail::ring_connection& stream, calling_waker& calls) {
    const eddy::waker waker = calls.waker();
    eddy::context cx(waker);
    stream.clear_blocked(stream.look(eddy::io::ready::all));
    EXPECT_FALSE(stream.wait(eddy::detail::direction::read, cx, nullptr).is_ready());
}

/// A driver with a ring on this thread, and two connected sockets. Tests are skipped where there is no io_uring.
class ring_test : public testing::Test {
protected:
    void SetUp() override {
        auto made = eddy::detail::io_handle::make(eddy::driver_kind::io_uring);
        if (!made) GTEST_SKIP() << "there is no io_uring: " << made.error().message();
        io.reset(*made);
        tick();
        ASSERT_NE(io->ring()->own_ring(), nullptr);
    }

    void tick() const { ASSERT_TRUE(io->tick(std::chrono::nanoseconds::zero()).has_value()); }

    connection pair;
    owned_io io;
};

}  // namespace support
