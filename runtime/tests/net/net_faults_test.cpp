// SPDX-License-Identifier: MIT
// Failures of system calls that a test cannot provoke through a peer: accept4(2) that fails for one connection or for
// the listener, and sendto(2) that sends only a part of a datagram. The executable is linked with --wrap, so that the
// tests can inject them.
// runs: asan, faults
#include <eddy/codec.hpp>
#include <eddy/prelude.hpp>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "support/net.hpp"
#include "support/runtime/socket_faults.hpp"

namespace {

using eddy::net::ip_addr;
using eddy::net::serve_options;
using eddy::net::socket_addr;
using eddy::net::tcp_listener;
using eddy::net::tcp_stream;
using eddy::net::udp_socket;
using support::raw_socket;
using support::within;

const socket_addr any(ip_addr::v4_loopback(), 0);

// accept(2): "... detect errors and treat them like EAGAIN by retrying". These errors concern one connection, not the
// listener.
constexpr std::array connection_errors{ECONNABORTED, EPROTO, ENETDOWN, EHOSTUNREACH, ENETUNREACH};

/// A listener with clients, one of which was accepted. With io_uring, the ring accepts the first client, and accept4(2)
/// accepts the other clients.
class busy_listener {
public:
    busy_listener(eddy::core& core, int more) : listener(tcp_listener::bind(any, core.handle()).value()) {
        for (int i = 0; i <= more; ++i) clients.push_back(raw_socket::connected(listener.local_addr().value()));
        EXPECT_TRUE(within(core, listener.accept()));
    }

    tcp_listener listener;
    std::vector<raw_socket> clients;
};

// covers: S29
TEST(NetFaults, ConnectMakesOneSocketAndOneCallPerAddress) {
    eddy::core core;
    const auto listener = raw_socket::listening();
    for (const bool is_refused : {false, true}) {
        const auto to = is_refused ? support::closed_addr() : listener.addr();
        const auto before = support::calls_so_far();
        const auto stream = within(core, tcp_stream::connect(to));
        EXPECT_EQ(stream.has_value(), !is_refused);
        const auto after = support::calls_so_far();
        EXPECT_EQ(after.sockets - before.sockets, 1u);
        EXPECT_EQ(after.plain_sockets - before.plain_sockets, 0u) << "blocking, or open in other programs";
        EXPECT_EQ(after.connects - before.connects, 1u) << "EINPROGRESS is no error, and needs no second call";
    }
}

TEST(NetFaults, InterfaceNamesAreTerminated) {
    for (std::size_t size = 1; size <= 2 * IF_NAMESIZE; ++size) {
        EXPECT_FALSE(socket_addr::parse("[fe80::1%" + std::string(size, 'x') + "]:80").has_value()) << size;
        ASSERT_EQ(support::unterminated_names(), 0u) << "a name of " << size << " bytes";
    }
}

// covers: R013
TEST(NetFaults, AcceptRetriesAfterAbortedConnections) {
    for (const int error : connection_errors) {
        eddy::core core;
        busy_listener busy(core, 1);
        support::fail_next_accepts(error, 3);
        const auto accepted = within(core, busy.listener.accept());
        EXPECT_EQ(support::accept_faults_left(), 0u) << error;
        ASSERT_TRUE(accepted) << accepted.error().message();
        EXPECT_EQ(accepted->peer, busy.clients.back().addr());
    }
}

TEST(NetFaults, AcceptWaitsForNextClientAfterAbortedConnection) {
    eddy::core core;
    busy_listener busy(core, 1);
    EXPECT_TRUE(within(core, busy.listener.accept()));
    support::fail_next_accepts(ECONNABORTED, 1);
    const raw_socket client;
    const auto connect = [&]() -> eddy::task<void> {
        client.connect(busy.listener.local_addr().value());
        co_return;
    };
    auto both = eddy::join(busy.listener.accept(), connect());
    const auto accepted = within(core, std::move(both)).first;
    EXPECT_EQ(support::accept_faults_left(), 0u);
    ASSERT_TRUE(accepted) << accepted.error().message();
    EXPECT_EQ(accepted->peer, client.addr());
}

TEST(NetFaults, ServeCountsNoErrorForAbortedConnections) {
    eddy::core core;
    busy_listener busy(core, 3);
    const eddy::sync::cancellation_token end;
    int handled = 0;
    const auto handler = [&](tcp_stream) {
        if (++handled == 3) end.cancel();
    };
    support::fail_next_accepts(ECONNABORTED, 2);
    const auto done = within(core, serve(std::move(busy.listener), handler, serve_options().shutdown(end)));
    EXPECT_EQ(support::accept_faults_left(), 0u);
    EXPECT_EQ(done.value().accepted, 3u);
    EXPECT_EQ(done.value().accept_errors, 0u);
}

TEST(NetFaults, ErrorOfListenerEndsAccept) {
    eddy::core core;
    busy_listener busy(core, 1);
    support::fail_next_accepts(EINVAL, 1);
    const auto refused = within(core, busy.listener.accept());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), std::errc::invalid_argument);
    EXPECT_TRUE(within(core, busy.listener.accept()));
}

// covers: S83
TEST(NetFaults, ShortSendDgramIsAnError) {
    eddy::core core;
    auto socket = udp_socket::bind(any, core.handle()).value();
    const auto from = socket.local_addr().value();
    auto receiver = udp_socket::bind(any, core.handle()).value();
    const auto to = receiver.local_addr().value();
    support::shorten_next_send();
    auto back = within(core, std::move(socket).send_dgram(std::string("datagram"), to));
    EXPECT_FALSE(support::has_send_fault_left());
    ASSERT_FALSE(back.sent) << "a partly sent datagram must be an error";
    EXPECT_EQ(back.sent.error(), std::errc::io_error);
    EXPECT_EQ(back.buf, "datagram");
    EXPECT_EQ(back.sock.local_addr().value(), from);
    EXPECT_TRUE(within(core, std::move(back.sock).send_dgram(std::move(back.buf), to)).sent);
}

TEST(NetFaults, ShortSendOfAUdpFramedIsAnError) {
    eddy::core core;
    auto receiver = udp_socket::bind(any, core.handle()).value();
    const auto to = receiver.local_addr().value();
    eddy::codec::udp_framed texts(udp_socket::bind(any, core.handle()).value(), eddy::codec::bytes_codec());
    const auto send = [&](std::string text) -> eddy::task<eddy::result<void>> {
        eddy::codec::udp_message message(std::move(text), to);
        const auto sent = co_await texts.send(std::move(message));
        co_return sent;
    };
    support::shorten_next_send();
    EXPECT_EQ(within(core, send("datagram")).error(), std::errc::message_size);
    EXPECT_FALSE(support::has_send_fault_left());
    EXPECT_TRUE(within(core, send("next")));
}

// Ownership is taken also on error. A number that is not open is not closed: another thread may get it.
TEST(NetFaults, FromNativeClosesTheDescriptorIfItsFlagsAreUnknown) {
    const auto is_closed_by = [](auto from_native) {
        for (const int error : {EIO, EPERM, EINVAL, EBADF}) {
            const int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
            support::fail_next_flags(error);
            const auto made = from_native(fd);
            EXPECT_EQ(made.error(), std::error_code(error, std::generic_category()));
            const bool is_open = ::fcntl(fd, F_GETFD) != -1;
            EXPECT_EQ(is_open, error == EBADF) << error;
            if (is_open) ::close(fd);
        }
    };
    namespace net = eddy::net;
    is_closed_by(&net::pipe::sender::from_native);
    is_closed_by(&net::pipe::receiver::from_native);
    is_closed_by(&net::tcp_listener::from_native);
    is_closed_by(&net::tcp_socket::from_native);
    is_closed_by(&net::tcp_stream::from_native);
    is_closed_by(&net::udp_socket::from_native);
    is_closed_by(&net::unix_datagram::from_native);
    is_closed_by(&net::unix_listener::from_native);
    is_closed_by(&net::unix_socket::from_native);
    is_closed_by(&net::unix_stream::from_native);
}

}  // namespace
