// SPDX-License-Identifier: MIT
#pragma once

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include <support/net.hpp>

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
    return **owner.transport()->add(::dup(of.stream.native_handle()), eddy::detail::ring_connection::brings::bytes);
}

/// Returns whether the peer's kernel has not acknowledged all sent bytes.
inline bool is_on_its_way(int fd) {
    int unacknowledged = 0;
    int unsent = 0;
    EXPECT_EQ(::ioctl(fd, SIOCOUTQ, &unacknowledged), 0);
    EXPECT_EQ(::ioctl(fd, SIOCOUTQNSD, &unsent), 0);
    return unacknowledged != unsent;
}

/// Writes until the socket accepts not a single byte. Data that reaches the peer frees some capacity. On a busy machine
/// this happens late, and possibly with too little capacity for poll(2) to report it. So the function repeats the
/// writes until several rounds have changed nothing.
inline void fill_socket(int fd) {
    const std::vector<std::byte> bytes(64 * 1024);
    pollfd room{fd, POLLOUT, 0};
    int quiet = 0;
    for (int round = 0; round < 400 && quiet < 4; ++round) {
        ++quiet;
        while (::send(fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) quiet = 0;
        if (is_on_its_way(fd)) quiet = 0;
        ::poll(&room, 1, 5);
    }
    EXPECT_EQ(quiet, 4) << "the socket keeps accepting bytes";
}

}  // namespace support
