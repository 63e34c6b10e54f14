// SPDX-License-Identifier: MIT
// A datagram socket assumes that its send buffer has space. The driver reports writability only after a send found the
// buffer full.
// runs: asan
#include <eddy/prelude.hpp>
#include <eddy/runtime/background_reactor.hpp>
#include <eddy/test/by_hand.hpp>

#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <support/driver.hpp>
#include <support/net.hpp>
#include <support/poll_once.hpp>
#include <support/runtime/receiving.hpp>
#include <support/system.hpp>
#include <support/temp_dir.hpp>
#ifdef __linux__
#include <sys/epoll.h>
#endif

namespace {

using eddy::io::interest;
using eddy::net::ip_addr;
using eddy::net::socket_addr;
using eddy::net::udp_socket;
using eddy::net::unix_datagram;
using eddy::test::by_hand;
using support::bytes_of;
using support::recv_some;
using support::within;

/// Starts a receive that must wait, and drops it. Afterwards the socket is registered for reading.
template <class Socket>
eddy::task<void> begin_to_receive(Socket& socket) {
    const auto got = co_await support::once(recv_some(socket));
    EXPECT_FALSE(got.has_value());
}

/// Sends until the buffer is full. Returns the number of datagrams sent.
int fill(unix_datagram& socket) {
    int count = 0;
    while (socket.try_send(bytes_of(std::to_string(count)))) ++count;
    return count;
}
/// Fills the buffer with direct system calls, which the socket object does not notice. Returns the number of datagrams
/// sent.
int fill_directly(const unix_datagram& socket) {
    int count = 0;
    while (::send(socket.native_handle(), "x", 1, MSG_DONTWAIT) == 1) ++count;
    return count;
}

eddy::task<int> receive_many(unix_datagram& socket, int count) {
    for (int i = 0; i < count; ++i) {
        const std::string got = co_await recv_some(socket);
        if (got.starts_with("error")) co_return i;
    }
    co_return count;
}

/// Sends and receives `count` datagrams, one after the other. Returns the number of readiness events.
template <class Socket>
std::uint64_t events_of(eddy::core& core, Socket& from, Socket& to, int count) {
    const auto work = [&]() -> eddy::task<std::uint64_t> {
        co_await begin_to_receive(from);
        co_await begin_to_receive(to);
        const auto before = core.metrics().io().ready_events;
        for (int i = 0; i < count; ++i) {
            auto both = eddy::join(recv_some(to), from.send(bytes_of("x")));
            const auto done = co_await std::move(both);
            EXPECT_EQ(done.first, "x");
        }
        co_return core.metrics().io().ready_events - before;
    };
    return within(core, work());
}

TEST(DatagramSend, SendCausesNoReadinessEvent) {
    eddy::core core;
    const socket_addr any(ip_addr::v4_loopback(), 0);
    auto one = udp_socket::bind(any, core.handle()).value();
    auto other = udp_socket::bind(any, core.handle()).value();
    within(core, one.connect(other.local_addr().value())).value();
    EXPECT_LE(events_of(core, one, other, 50), 55u) << "one event per received datagram";
    auto pair = unix_datagram::pair().value();
    EXPECT_LE(events_of(core, pair.first, pair.second, 50), 55u);
}

// covers: P058
TEST(DatagramSend, SendWaitsForBufferSpace) {
    for (const bool is_registered : {false, true}) {
        for (const bool was_seen : {false, true}) {
            eddy::core core;
            auto [one, other] = unix_datagram::pair().value();
            if (is_registered) within(core, begin_to_receive(one));
            const int count = was_seen ? fill(one) : fill_directly(one);
            auto both = eddy::join(one.send(bytes_of("last")), receive_many(other, count));
            EXPECT_EQ(within(core, std::move(both)).first, 4u);
            EXPECT_EQ(within(core, recv_some(other)), "last");
            // The socket is registered for writing now. A send that finds the buffer full must wait again.
            const int again = fill(one);
            auto next = eddy::join(one.send(bytes_of("next")), receive_many(other, again));
            EXPECT_EQ(within(core, std::move(next)).first, 4u);
        }
    }
}

TEST(DatagramSend, WritableIsReadyAfterPendingReceive) {
    eddy::core core;
    auto [one, other] = unix_datagram::pair().value();
    const auto work = [&]() -> eddy::task<void> {
        co_await begin_to_receive(one);
        const auto seen = co_await one.writable();
        EXPECT_TRUE(seen.value().is_writable());
    };
    within(core, work());
}

TEST(DatagramSend, WritableWaitsForBufferSpace) {
    for (const bool was_seen : {false, true}) {
        eddy::core core;
        auto [one, other] = unix_datagram::pair().value();
        const auto work = [&]() -> eddy::task<void> {
            co_await begin_to_receive(one);
            const int count = was_seen ? fill(one) : fill_directly(one);
            by_hand waiting{one.writable()};
            by_hand either{one.ready(interest::readable | interest::writable)};
            EXPECT_FALSE(waiting.poll().is_ready());
            EXPECT_FALSE(either.poll().is_ready());
            co_await receive_many(other, count);
            const auto seen = co_await one.writable();
            EXPECT_TRUE(seen.value().is_writable());
            EXPECT_TRUE(waiting.is_woken() && either.is_woken());
            EXPECT_TRUE(waiting.poll().is_ready() && either.poll().is_ready());
        };
        within(core, work());
    }
}

TEST(DatagramSend, AsyncIoWaitsForBufferSpace) {
    eddy::core core;
    auto [one, other] = unix_datagram::pair().value();
    within(core, begin_to_receive(one));
    const int count = fill_directly(one);
    const auto send = [fd = one.native_handle()]() -> eddy::result<std::size_t> {
        const auto sent = ::send(fd, "last", 4, MSG_DONTWAIT);
        if (sent < 0) return std::unexpected(std::error_code(errno, std::generic_category()));
        return static_cast<std::size_t>(sent);
    };
    EXPECT_EQ(one.try_io(interest::writable, send).error(), std::errc::operation_would_block);
    auto both = eddy::join(one.async_io(interest::writable, send), receive_many(other, count));
    EXPECT_EQ(within(core, std::move(both)).first, 4u);
    EXPECT_EQ(within(core, recv_some(other)), "last");
}

TEST(DatagramSend, BackgroundReactorWakesWaitingSend) {
    EXPECT_TRUE(support::is_true_in_child([] {
        auto events = eddy::reactor::make().value().background().value();
        if (!eddy::reactor_handle::set_fallback(events.handle())) return false;
        auto [one, other] = unix_datagram::pair().value();
        eddy::wait(begin_to_receive(one));
        const int count = fill(one);
        auto both = eddy::join(one.send(bytes_of("last")), receive_many(other, count));
        return eddy::wait(std::move(both)).first == 4u;
    }));
}

TEST(DatagramSend, LoopShutdownEndsWaitingSend) {
    auto [one, other] = unix_datagram::pair().value();
    std::optional<eddy::core> core(std::in_place);
    within(*core, begin_to_receive(one));
    fill_directly(one);
    by_hand waiting{one.send(bytes_of("x"))};
    EXPECT_FALSE(waiting.poll().is_ready());
    core.reset();
    EXPECT_TRUE(waiting.is_woken());
    EXPECT_EQ(waiting.poll()->error(), eddy::errc::runtime_shutdown);
}

TEST(DatagramSend, WaitingSendInForkedChildReportsShutdown) {
    eddy::core core;
    auto [one, other] = unix_datagram::pair().value();
    within(core, begin_to_receive(one));
    const int count = fill_directly(one);
    EXPECT_TRUE(support::is_true_in_child([&] {
        by_hand waiting{one.send(bytes_of("x"))};
        const auto answer = waiting.poll();
        return answer.is_ready() && answer->error() == eddy::errc::runtime_shutdown;
    }));
    auto both = eddy::join(one.send(bytes_of("last")), receive_many(other, count));
    EXPECT_EQ(within(core, std::move(both)).first, 4u) << "the parent must continue";
}

#ifdef __linux__

/// Removes a descriptor from each epoll instance of this process, so that a later change of its interest
/// fails.
void take_out_of_epolls(int fd) {
    for (const int each : support::open_fds()) {
        std::error_code none;
        const auto what = std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(each), none);
        if (what == "anon_inode:[eventpoll]") ::epoll_ctl(each, EPOLL_CTL_DEL, fd, nullptr);
    }
}

TEST(DatagramSend, WaitingSendReportsFailedEpollRegistration) {
    if (!support::has_epoll()) GTEST_SKIP() << "this test needs an epoll";
    eddy::core core;
    auto [one, other] = unix_datagram::pair().value();
    within(core, begin_to_receive(one));
    const int count = fill_directly(one);
    take_out_of_epolls(one.native_handle());
    EXPECT_EQ(one.try_send(bytes_of("x")).error(), std::errc::operation_would_block)
        << "try_send() does not use the registration";
    EXPECT_EQ(within(core, one.send(bytes_of("x"))).error(), std::errc::no_such_file_or_directory);
    EXPECT_EQ(within(core, one.writable()).error(), std::errc::no_such_file_or_directory);
    EXPECT_EQ(within(core, receive_many(other, count)), count);
    EXPECT_EQ(within(core, one.send(bytes_of("last"))), 4u) << "there is space again";
}

#endif

/// Awaits a send whose text was a temporary of an earlier statement, after the future was moved.
template <class Send>
eddy::task<void> await_later(Send send) {
    auto moved = std::move(send);
    const auto sent = co_await moved;
    EXPECT_EQ(sent, 5u);
}

TEST(DatagramSend, TemporaryStringIsMovedIntoTheFuture) {
    eddy::core core;
    const auto udp = [&]() -> eddy::task<void> {
        auto one = (co_await udp_socket::bind("127.0.0.1:0")).value();
        auto other = (co_await udp_socket::bind("127.0.0.1:0")).value();
        const auto to = other.local_addr().value();
        const auto connected = co_await one.connect(to);
        EXPECT_TRUE(connected.has_value());
        auto to_peer = one.send(std::string("peer."));
        auto to_address = one.send_to(std::string("addr."), to);
        auto to_name = one.send_to(std::string("name."), to.to_string());
        co_await await_later(std::move(to_peer));
        const std::string first = co_await recv_some(other);
        co_await await_later(std::move(to_address));
        const std::string second = co_await recv_some(other);
        co_await await_later(std::move(to_name));
        const std::string third = co_await recv_some(other);
        EXPECT_EQ(first + second + third, "peer.addr.name.");
    };
    within(core, udp());
    const support::temp_dir dir;
    const auto path = [&]() -> eddy::task<void> {
        auto one = unix_datagram::unbound().value();
        auto other = (co_await unix_datagram::bind(dir / "socket")).value();
        auto to_path = one.send_to(std::string("path."), dir / "socket");
        auto to_address = one.send_to(std::string("addr."), other.local_addr().value());
        co_await await_later(std::move(to_path));
        const std::string first = co_await recv_some(other);
        co_await await_later(std::move(to_address));
        const std::string second = co_await recv_some(other);
        EXPECT_EQ(first + second, "path.addr.");
    };
    within(core, path());
}

/// Sends `count` datagrams, more than fit into the buffer.
eddy::task<bool> send_many(unix_datagram& socket, int count) {
    for (int i = 0; i < count; ++i) {
        const std::string text = std::to_string(i);
        const auto sent = co_await socket.send(bytes_of(text));
        if (!sent) co_return false;
    }
    co_return true;
}

// covers: P058
TEST(DatagramSendStress, BothDirectionsOnRuntime) {
    eddy::runtime pool;
    constexpr int count = 3000;
    const auto work = [&]() -> eddy::task<int> {
        auto [one, other] = unix_datagram::pair().value();
        eddy::join_set<int> receiving;
        eddy::join_set<bool> sending;
        receiving.spawn(receive_many(one, count));
        sending.spawn(send_many(one, count));
        receiving.spawn(receive_many(other, count));
        sending.spawn(send_many(other, count));
        int received = 0;
        for (const int each : co_await std::move(receiving).join_all()) received += each;
        for (const bool each : co_await std::move(sending).join_all()) EXPECT_TRUE(each);
        co_return received;
    };
    auto limited = eddy::time::timeout(std::chrono::seconds(20), work());
    EXPECT_EQ(pool.block_on(std::move(limited)), 2 * count);
}

}  // namespace
