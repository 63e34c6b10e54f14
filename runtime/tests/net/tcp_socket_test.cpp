// SPDX-License-Identifier: MIT
// runs: asan
#include <eddy/prelude.hpp>
#include <eddy/test/by_hand.hpp>

#include <gtest/gtest.h>

#include <fcntl.h>

#include <support/net.hpp>

#include "support/emulated.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::net::socket_addr;
using eddy::net::tcp_listener;
using eddy::net::tcp_socket;
using eddy::net::tcp_stream;
using support::raw_socket;
using support::within;

const socket_addr any(eddy::net::ip_addr::v4_loopback(), 0);

// covers: P055
TEST(TcpSocket, OptionsReadBack) {
    const auto socket = tcp_socket::v4().value();
    EXPECT_NE(::fcntl(socket.native_handle(), F_GETFL) & O_NONBLOCK, 0);
    EXPECT_NE(::fcntl(socket.native_handle(), F_GETFD) & FD_CLOEXEC, 0);
    for (const bool on : {true, false}) {
        socket.set_reuse_addr(on).value();
        EXPECT_EQ(socket.reuse_addr().value(), on);
        socket.set_reuse_port(on).value();
        EXPECT_EQ(socket.reuse_port().value(), on);
        socket.set_keepalive(on).value();
        EXPECT_EQ(socket.keepalive().value(), on);
        socket.set_nodelay(on).value();
        EXPECT_EQ(socket.nodelay().value(), on);
    }
    socket.set_send_buffer_size(32'768).value();
    EXPECT_EQ(socket.send_buffer_size().value(), 65'536u);
    socket.set_recv_buffer_size(32'768).value();
    EXPECT_EQ(socket.recv_buffer_size().value(), 65'536u);
    EXPECT_EQ(socket.set_recv_buffer_size(0xffff'ffff).error(), std::errc::invalid_argument);
}

// covers: P055
TEST(TcpSocket, LingerAndTypeOfServiceReadBack) {
    for (const bool is_v6 : {false, true}) {
        const auto made = is_v6 ? tcp_socket::v6() : tcp_socket::v4();
        if (!made) GTEST_SKIP() << "no IPv6 here: " << made.error().message();
        const auto& socket = *made;
        EXPECT_EQ(socket.linger().value(), std::nullopt);
        socket.set_linger(7s).value();
        EXPECT_EQ(socket.linger().value(), 7s);
        EXPECT_EQ(socket.set_linger(-1s).error(), std::errc::invalid_argument);
        socket.set_zero_linger().value();
        EXPECT_EQ(socket.linger().value(), 0s);
        socket.set_linger(std::nullopt).value();
        EXPECT_EQ(socket.linger().value(), std::nullopt);
#if defined(_WIN32)
        if (is_v6) {
            EXPECT_EQ(socket.set_tos(0x10).error(), std::errc::not_supported);
            continue;
        }
#endif
        socket.set_tos(0x10).value();
        EXPECT_EQ(socket.tos().value(), 0x10u);
        EXPECT_EQ(socket.set_tos(0x8000'0000).error(), std::errc::invalid_argument);
        EXPECT_EQ(socket.take_error().value(), std::nullopt);
    }
}

template <class S>
void expect_keepalive_options(const S& socket) {
    EXPECT_FALSE(socket.keepalive().value());
    socket.set_keepalive(true).value();
    EXPECT_TRUE(socket.keepalive().value());
    socket.set_keepalive_idle(60s).value();
    EXPECT_EQ(socket.keepalive_idle().value(), 60s);
    socket.set_keepalive_interval(10s).value();
    EXPECT_EQ(socket.keepalive_interval().value(), 10s);
    socket.set_keepalive_count(3).value();
    EXPECT_EQ(socket.keepalive_count().value(), 3u);
    EXPECT_EQ(socket.set_keepalive_idle(0s).error(), std::errc::invalid_argument);
    EXPECT_EQ(socket.set_keepalive_idle(40'000s).error(), std::errc::invalid_argument);
    EXPECT_EQ(socket.set_keepalive_interval(-1s).error(), std::errc::invalid_argument);
    EXPECT_EQ(socket.set_keepalive_count(0).error(), std::errc::invalid_argument);
    EXPECT_EQ(socket.set_keepalive_count(128).error(), std::errc::invalid_argument);
    EXPECT_EQ(socket.keepalive_idle().value(), 60s);

    EXPECT_EQ(socket.user_timeout().value(), std::nullopt);
    socket.set_user_timeout(2500ms).value();
    EXPECT_EQ(socket.user_timeout().value(), 2500ms);
    EXPECT_EQ(socket.set_user_timeout(0ms).error(), std::errc::invalid_argument);
    EXPECT_EQ(socket.set_user_timeout(-1ms).error(), std::errc::invalid_argument);
    EXPECT_EQ(socket.set_user_timeout(std::chrono::hours(10'000)).error(), std::errc::invalid_argument);
    EXPECT_EQ(socket.user_timeout().value(), 2500ms);
    socket.set_user_timeout(std::nullopt).value();
    EXPECT_EQ(socket.user_timeout().value(), std::nullopt);
}

// covers: P055 I20.5.19 I20.5.20
TEST(TcpSocket, KeepaliveTimesAndUserTimeoutReadBack) {
    expect_keepalive_options(tcp_socket::v4().value());
    const support::connection made;
    expect_keepalive_options(made.stream);
}

// covers: P055 I20.5.19
TEST(TcpSocket, AcceptedConnectionsInheritKeepalive) {
    eddy::core core;
    auto socket = tcp_socket::v4().value();
    socket.set_keepalive(true).value();
    socket.set_keepalive_idle(60s).value();
    socket.set_user_timeout(2s).value();
    socket.bind(any).value();
    auto listener = std::move(socket).listen(16).value();
    const auto client = raw_socket::connected(listener.local_addr().value());
    const auto accepted = within(core, listener.accept()).value();
    EXPECT_TRUE(accepted.stream.keepalive().value());
    EXPECT_EQ(accepted.stream.keepalive_idle().value(), 60s);
    EXPECT_EQ(accepted.stream.user_timeout().value(), 2s);
}

// covers: P055 I20.5.22
TEST(TcpSocket, OnlyV6ReadsBackAndLimitsTheListener) {
    const auto made = tcp_socket::v6();
    if (!made) GTEST_SKIP() << "no IPv6 here: " << made.error().message();
    for (const bool on : {true, false}) {
        auto socket = tcp_socket::v6().value();
        socket.set_only_v6(on).value();
        EXPECT_EQ(socket.only_v6().value(), on);
        const socket_addr all(eddy::net::ip_addr(eddy::net::ipv6_addr::any()), 0);
        if (const auto bound = socket.bind(all); !bound) GTEST_SKIP() << bound.error().message();
        const auto listener = std::move(socket).listen(16).value();
        const socket_addr as_v4(eddy::net::ip_addr::v4_loopback(), listener.local_addr().value().port());
        EXPECT_EQ(support::refuses(as_v4), on);
    }
}

// covers: P055 I20.5.21
TEST(TcpSocket, FastopenReadsBackAndCarriesBytes) {
    eddy::core core;
    auto socket = tcp_socket::v4().value();
    EXPECT_EQ(socket.fastopen().value(), 0u);
    socket.bind(any).value();
    if (const auto set = socket.set_fastopen(16); !set) GTEST_SKIP() << set.error().message();
    auto listener = std::move(socket).listen(16).value();
    const auto at = listener.local_addr().value();
    // The first connection gets a cookie where the system permits it, and the second one uses it.
    for (int i = 0; i < 2; ++i) {
        auto client = tcp_socket::v4().value();
        EXPECT_FALSE(client.fastopen_connect().value());
        client.set_fastopen_connect(true).value();
        EXPECT_TRUE(client.fastopen_connect().value());
        const auto exchange = [&]() -> eddy::task<std::string> {
            auto stream = (co_await std::move(client).connect(at)).value();
            (co_await stream.write_all(support::bytes_of("hello"))).value();
            auto accepted = (co_await listener.accept()).value();
            auto got = co_await support::read_some(accepted.stream);
            (co_await accepted.stream.write_all(support::bytes_of(got))).value();
            co_return co_await support::read_some(stream);
        };
        EXPECT_EQ(within(core, exchange()), "hello");
    }
}

// covers: P055
TEST(TcpSocket, BindDeviceReadsBackAndRefusesBadNames) {
    if (support::is_emulated()) GTEST_SKIP() << "qemu-user lacks socket options";
    const auto socket = tcp_socket::v4().value();
    EXPECT_EQ(socket.device().value(), std::nullopt);
    EXPECT_EQ(socket.bind_device("a name that is too long").error(), std::errc::invalid_argument);
    if (const auto done = socket.bind_device("lo"); !done) GTEST_SKIP() << done.error().message();
    EXPECT_EQ(socket.device().value(), "lo");
    EXPECT_EQ(socket.bind_device("no such one").error(), std::errc::no_such_device);
    if (!socket.bind_device(std::nullopt)) GTEST_SKIP() << "unbinding needs a privilege";
    EXPECT_EQ(socket.device().value(), std::nullopt);
}

// covers: P055
TEST(TcpSocket, OptionsCarryOverToConnectedStream) {
    eddy::core core;
    const auto listener = raw_socket::listening();
    auto socket = tcp_socket::v4().value();
    socket.set_zero_linger().value();
    const auto stream = within(core, std::move(socket).connect(listener.addr())).value();
    EXPECT_EQ(stream.linger().value(), 0s);
}

// covers: P053
TEST(TcpSocket, BindsAndListens) {
    eddy::core core;
    for (const bool through_handle : {false, true}) {
        auto socket = tcp_socket::v4().value();
        socket.bind(any).value();
        const auto addr = socket.local_addr().value();
        EXPECT_NE(addr.port(), 0);
        auto listener =
            through_handle ? std::move(socket).listen(16, core.handle()).value() : std::move(socket).listen(16).value();
        const auto client = raw_socket::connected(addr);
        EXPECT_TRUE(within(core, listener.accept()));
    }
}

TEST(TcpSocket, ListenWithHandleOfEndedLoopFails) {
    const auto gone = eddy::core().handle();
    auto socket = tcp_socket::v4().value();
    socket.bind(any).value();
    EXPECT_EQ(std::move(socket).listen(16, gone).error(), eddy::errc::runtime_shutdown);
}

TEST(TcpSocket, BindToUsedPortFails) {
    const auto first = raw_socket::listening();
    const auto socket = tcp_socket::v4().value();
    EXPECT_EQ(socket.bind(first.addr()).error(), std::errc::address_in_use);
}

// covers: P055
TEST(TcpSocket, ConnectUsesBoundLocalAddress) {
    eddy::core core;
    const auto listener = raw_socket::listening();
    auto socket = tcp_socket::v4().value();
    socket.bind({eddy::net::ipv4_addr(127, 0, 0, 5), 0}).value();
    const auto from = socket.local_addr().value();
    const auto stream = within(core, std::move(socket).connect(listener.addr())).value();
    EXPECT_EQ(stream.local_addr().value(), from);
}

TEST(TcpSocket, FailedConnectClosesDescriptor) {
    eddy::core core;
    const auto fds = support::fd_count();
    auto socket = tcp_socket::v4().value();
    EXPECT_EQ(within(core, std::move(socket).connect(support::closed_addr())).error(), std::errc::connection_refused);
    EXPECT_EQ(support::fd_count(), fds);
    {
        auto unused = tcp_socket::v4().value();
        [[maybe_unused]] const auto never_polled = std::move(unused).connect(any);
    }
    EXPECT_EQ(support::fd_count(), fds);
}

// covers: S81
TEST(TcpSocket, AdoptedReusePortSocketsShareOnePort) {
    eddy::core core;
    const auto made_by_hand = [] {
        raw_socket made;
        const int on = 1;
        ::setsockopt(made.fd(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
        made.set_nonblocking();
        return made;
    };
    auto first_raw = made_by_hand();
    first_raw.bind(0);
    const auto addr = first_raw.addr();
    auto second_raw = made_by_hand();
    second_raw.bind(addr.port());  // both on one port

    auto first = tcp_socket::from_native(first_raw.release()).value();
    auto second = tcp_socket::from_native(second_raw.release()).value();
    EXPECT_TRUE(first.reuse_port().value());
    auto one = std::move(first).listen(64).value();
    auto other = std::move(second).listen(64).value();
    std::vector<raw_socket> clients;
    for (int i = 0; i < 20; ++i) clients.push_back(raw_socket::connected(addr));
    int accepted = 0;
    const auto accept_all = [&]() -> eddy::task<void> {
        while (accepted < 20) {
            auto either = eddy::select(one.accept(), other.accept());
            static_cast<void>(co_await either);
            ++accepted;
        }
    };
    within(core, accept_all());
    EXPECT_EQ(accepted, 20);
}

// covers: S81 P065
TEST(TcpSocket, FromNativeRefusesBlockingAndInvalidDescriptors) {
    const auto fds = support::fd_count();
    EXPECT_EQ(tcp_socket::from_native(raw_socket().release()).error(), eddy::errc::blocking_descriptor);
    EXPECT_EQ(tcp_socket::from_native(-1).error(), std::errc::bad_file_descriptor);
    EXPECT_EQ(support::fd_count(), fds) << "refused descriptors are closed";

    const auto file = tcp_socket::from_native(::open("/proc/self/exe", O_RDONLY | O_NONBLOCK));
    if (file) {
        EXPECT_EQ(file->bind(any).error(), std::errc::not_a_socket);
    }
}

TEST(TcpSocket, CreationWithoutDescriptorsFails) {
    const support::descriptor_limit none(0);
    const auto v4 = tcp_socket::v4().error();
    const auto v6 = tcp_socket::v6().error();
    none.lift();
    EXPECT_EQ(v4, std::errc::too_many_files_open);
    EXPECT_EQ(v6, std::errc::too_many_files_open);
}

TEST(TcpSocket, Ipv6ListensConnectsAndSetsTtl) {
    eddy::core core;
    auto socket = tcp_socket::v6();
    if (!socket || !socket->bind({eddy::net::ip_addr::v6_loopback(), 0})) GTEST_SKIP() << "no IPv6 here";
    auto listener = std::move(*socket).listen(16).value();
    auto both = eddy::join(listener.accept(), tcp_stream::connect(listener.local_addr().value()));
    auto [accepted, connected] = within(core, std::move(both));
    ASSERT_TRUE(accepted && connected);
    EXPECT_TRUE(accepted->peer.is_ipv6());
    EXPECT_EQ(accepted->peer, connected->local_addr().value());
    accepted->stream.set_ttl(33).value();
    EXPECT_EQ(accepted->stream.ttl().value(), 33u);
    const auto through_handle = tcp_listener::bind({eddy::net::ip_addr::v6_loopback(), 0}, core.handle());
    EXPECT_TRUE(through_handle);
}

}  // namespace
