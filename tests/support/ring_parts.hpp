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

#include "io/io_handle.hpp"
#include "io/stream_source.hpp"

// The parts of a loop with a ring, for tests that take its steps one by one.

namespace support {

struct shuts_down {
    void operator()(eddy::detail::io_handle* io) const noexcept {
        io->shut_down();
        io->release();
    }
};
using owned_io = std::unique_ptr<eddy::detail::io_handle, shuts_down>;

/// A stream of `home`, with a descriptor of its own.
inline eddy::detail::stream_source& add_to(eddy::detail::io_handle& home, const connection& of) {
    return **home.add_stream(::dup(of.stream.native_handle()), eddy::detail::stream_source::brings::bytes);
}

/// Whether bytes were sent that the peer's system has not acknowledged.
inline bool is_on_its_way(int fd) {
    int unacknowledged = 0;
    int unsent = 0;
    EXPECT_EQ(::ioctl(fd, SIOCOUTQ, &unacknowledged), 0);
    EXPECT_EQ(::ioctl(fd, SIOCOUTQNSD, &unsent), 0);
    return unacknowledged != unsent;
}

/// Until the socket takes nothing more, not a byte: what is on its way to the peer makes some room once more, later
/// where the machine is busy, and not enough for poll(2) to tell.
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
    EXPECT_EQ(quiet, 4) << "it takes more and more";
}

}  // namespace support
