// SPDX-License-Identifier: MIT
// A listener of the ring, whose wakers destroy sources of the same ring. The test drives the parts of an event loop
// step by step.
// runs: once, asan, tsan, ring
#include <gtest/gtest.h>

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <string>
#include <system_error>
#include <utility>

#include "reactor/io_handle.hpp"
#include "reactor/ring/chunk_queue.hpp"
#include "reactor/ring/ring_connection.hpp"
#include "support/net.hpp"
#include "support/polling.hpp"
#include "support/runtime/ring_parts.hpp"

namespace {

using eddy::detail::ring_connection;
using support::add_to;
using support::raw_socket;

/// With a listener, whose accept is in flight.
class UringListenerSource : public support::ring_test {
protected:
    void SetUp() override {
        ring_test::SetUp();
        if (IsSkipped()) return;
        listener = *io->ring()->add(::dup(listening.fd()), ring_connection::brings::connections);
        ASSERT_EQ(listener->take(*io->ring(), 0).what, ring_connection::received::nothing);
        tick();
    }
    void TearDown() override { close_listener(); }

    void close_listener() {
        if (listener != nullptr) io->ring()->close(*std::exchange(listener, nullptr));
    }

    const raw_socket listening = raw_socket::listening();
    ring_connection* listener = nullptr;
};

// An accept reports that neither the ring nor the epoll can watch the listener. The next accept tries again.
TEST_F(UringListenerSource, AnErrorIsReportedOnceAndIsNoEnd) {
    listener->fail(std::make_error_code(std::errc::operation_not_permitted));
    const auto failed = listener->take(*io->ring(), 0);
    EXPECT_EQ(failed.what, ring_connection::received::error);
    EXPECT_EQ(failed.error, EPERM);
    EXPECT_EQ(listener->take(*io->ring(), 0).what, ring_connection::received::nothing);
}

// The last bytes of a stream, and the end behind them, arrive in the same driver tick. The bytes call a waker, which
// destroys a listener and then the stream. The destruction of the listener delivers the end of the stream.
TEST_F(UringListenerSource, ReadWakerMayDestroyStreamAndListener) {
    ring_connection& stream = add_to(*io, pair);
    ASSERT_EQ(stream.take(*io->ring(), 0).what, ring_connection::received::nothing);
    tick();
    const std::string large(16 * 1024, 'x');
    const auto send_large = [&] {
        pair.peer.send(large);
        EXPECT_TRUE(support::comes_true([&] {
            int count = 0;
            return ::ioctl(stream.fd(), FIONREAD, &count) == 0 && count == static_cast<int>(large.size());
        }));
    };
    std::size_t pieces = 0;
    for (; pieces < 7; ++pieces) {  // one less than enters large-transfer mode
        send_large();
        tick();
        auto* const chunk = stream.take_chunk();
        ASSERT_NE(chunk, nullptr);
        ASSERT_EQ(chunk->size(), large.size()) << "in more than one piece";
        chunk->give_back();
    }
    send_large();
    pair.peer.shutdown();
    raw_socket(::dup(stream.fd())).wait_for(POLLRDHUP);
    bool is_destroyed = false;
    support::calling_waker ends([&] {
        close_listener();
        io->ring()->close(stream);
        is_destroyed = true;
    });
    support::call_when_ready(stream, ends);
    tick();
    EXPECT_TRUE(is_destroyed);
}

}  // namespace
