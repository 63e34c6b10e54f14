// SPDX-License-Identifier: MIT
#include <eddy/prelude.hpp>
#include <eddy/test/by_hand.hpp>

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <support/net.hpp>
#include <support/polling.hpp>
#include <support/resolver.hpp>
#include <support/runtime.hpp>
#include <support/stress.hpp>

// tcp_stream::connect(): all forms of address, failures, dropped and early connects.

namespace {

using namespace std::chrono_literals;
using eddy::net::socket_addr;
using eddy::net::tcp_stream;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::connection;
using support::raw_socket;
using support::within;

eddy::task<eddy::result<tcp_stream>> connect_any(std::vector<socket_addr> to) {
    co_return co_await tcp_stream::connect(std::span<const socket_addr>(to));
}

// ---- Connecting ----

// covers: P054
TEST(TcpConnect, ConnectsAndCarriesBytesBothWays) {
    eddy::core core;
    const auto listener = raw_socket::listening();
    auto stream = within(core, tcp_stream::connect(listener.addr())).value();
    const auto peer = listener.accept();

    within(core, stream.write_all(support::bytes_of("ping"))).value();
    EXPECT_EQ(peer.receive(4), "ping");
    peer.send("pong");
    std::array<std::byte, 16> buffer{};
    const auto count = within(core, stream.read(buffer)).value();
    EXPECT_EQ(support::text_of(std::span(buffer).first(count)), "pong");
    EXPECT_EQ(stream.peer_addr().value(), listener.addr());
}

// covers: S27 P064
TEST(TcpConnect, ConnectAcceptsEachFormOfAddress) {
    const support::leaves_no_descriptor guard;
    eddy::core core;
    const auto listener = raw_socket::listening();
    const auto addr = listener.addr();
    const auto reaches = [&](eddy::task<eddy::any_result<tcp_stream>> connecting) {
        auto stream = within(core, std::move(connecting));
        if (!stream) return testing::AssertionFailure() << stream.error().message();
        const auto peer = listener.accept();
        within(core, stream->write_all(support::bytes_of("x"))).value();
        if (peer.receive(1) != "x") return testing::AssertionFailure() << "the stream has reached another listener";
        return testing::AssertionSuccess();
    };
    const auto host = "localhost:" + std::to_string(addr.port());
    const std::vector<socket_addr> several{addr, support::closed_addr()};
    EXPECT_TRUE(reaches(tcp_stream::connect(addr)));
    EXPECT_TRUE(reaches(tcp_stream::connect(addr.to_string())));
    EXPECT_TRUE(reaches(tcp_stream::connect(addr.to_string().c_str())));
    EXPECT_TRUE(reaches(tcp_stream::connect(host)));
    EXPECT_TRUE(reaches(tcp_stream::connect(addr.ip(), addr.port())));
    EXPECT_TRUE(reaches(tcp_stream::connect("127.0.0.1", addr.port())));
    EXPECT_TRUE(reaches(tcp_stream::connect("localhost", addr.port())));
    EXPECT_TRUE(reaches(tcp_stream::connect(several)));
    EXPECT_TRUE(reaches(tcp_stream::connect(std::span(several))));
    EXPECT_TRUE(reaches(tcp_stream::connect(host, core.handle())));
}

// covers: S27
TEST(TcpConnect, ConnectReachesIpv6) {
    eddy::core core;
    auto listener = within(core, eddy::net::tcp_listener::bind("::1", 0));
    if (!listener) GTEST_SKIP() << "no IPv6 here: " << listener.error().message();
    const auto addr = listener->local_addr().value();
    const auto reaches = [&](eddy::task<eddy::any_result<tcp_stream>> connecting) {
        auto both = eddy::join(std::move(connecting), listener->accept());
        const auto ends = within(core, std::move(both));
        return ends.first && ends.second && ends.first->peer_addr() == addr;
    };
    EXPECT_TRUE(reaches(tcp_stream::connect(addr)));
    EXPECT_TRUE(reaches(tcp_stream::connect(addr.to_string())));
    EXPECT_TRUE(reaches(tcp_stream::connect("::1", addr.port())));
}

TEST(TcpConnect, ConnectRefusesTextThatIsNoAddress) {
    eddy::core core;
    EXPECT_EQ(within(core, tcp_stream::connect("nonsense")).error(), eddy::errc::bad_address);
    EXPECT_EQ(within(core, tcp_stream::connect("127.0.0.1")).error(), std::errc::invalid_argument);
    EXPECT_EQ(within(core, tcp_stream::connect("not an ip", 80)).error(), eddy::errc::bad_address);
}

// covers: S10
TEST(TcpConnect, PendingConnectDoesNotBlockTicker) {
    const support::watchdog limit("a pending connect next to a ticker");
    eddy::core core;
    support::full_listener listener;
    auto last = std::chrono::steady_clock::now();
    std::chrono::nanoseconds worst{};
    int ticks = 0;
    const auto see_gap = [&] {
        const auto now = std::chrono::steady_clock::now();
        worst = std::max<std::chrono::nanoseconds>(worst, now - std::exchange(last, now));
    };
    const auto tick = [&]() -> eddy::task<void> {
        auto every = eddy::time::interval(1ms);
        for (;;) {
            co_await every.tick();
            see_gap();
            if (++ticks == 100) listener.drain();
        }
    };
    auto either = eddy::select(tcp_stream::connect(listener.addr()), tick());
    const auto first = within(core, std::move(either));
    see_gap();  // the ticks continue until the connection is established
    ASSERT_EQ(first.index(), 0u);
    EXPECT_TRUE(std::get<0>(first)) << std::get<0>(first).error().message();
    EXPECT_GE(ticks, 100);
    // A blocking connect would take a second, until its SYN is repeated.
    EXPECT_LT(worst, 500ms) << "the other task was delayed by" << worst.count() << " ns";
}

// On a paused clock, a delay of the machine is not visible, but each delay by the event loop is.
// covers: S10
TEST(TcpConnect, TickerTicksEveryMillisecondDuringPendingConnect) {
    const support::watchdog limit("a pending connect next to a ticker on the paused clock");
    std::optional<eddy::core> core(eddy::core::builder().start_paused(true).build().value());
    support::full_listener listener;
    auto connect = tcp_stream::connect(listener.addr());
    int polls = 0;
    auto connecting = eddy::poll_fn([&](eddy::context& cx) {
        ++polls;
        return connect.poll(cx);
    });
    std::vector<eddy::time::duration> gaps;
    const auto tick = [&]() -> eddy::task<void> {
        auto every = eddy::time::interval(1ms);
        auto last = co_await every.tick();
        while (gaps.size() < 100) {
            const auto now = co_await every.tick();
            gaps.push_back(now - std::exchange(last, now));
        }
    };
    // Connects in a separate task, which no tick wakes.
    core->handle().spawn([&]() -> eddy::task<void> { static_cast<void>(co_await connecting); }).value();
    core->run(tick());
    core.reset();  // the loop must end before the objects that the task refers to
    EXPECT_EQ(gaps, std::vector<eddy::time::duration>(100, 1ms));
    EXPECT_EQ(polls, 1) << "the connect is polled at its start, and then only for an event";
}

// covers: S11
TEST(TcpConnect, ConnectCanBeBuiltBeforeLoop) {
    const auto listener = raw_socket::listening();
    auto connect = tcp_stream::connect(listener.addr());
    const auto fds = support::fd_count();
    eddy::core core;
    EXPECT_TRUE(within(core, std::move(connect)));
    EXPECT_GE(support::fd_count(), fds);
}

// covers: S11 P107
TEST(TcpConnect, ConnectPolledWithoutLoopThrowsMisuse) {
    const auto fds = support::fd_count();
    const int line = __LINE__ + 1;
    by_hand connect{tcp_stream::connect(support::closed_addr())};
    const auto text = support::text_of_misuse([&] { static_cast<void>(connect.poll()); });
    EXPECT_NE(text.find("needs an event loop on this thread"), text.npos) << text;
    EXPECT_NE(text.find("tcp_connect_test.cpp:" + std::to_string(line)), text.npos) << text;
    EXPECT_EQ(support::fd_count(), fds);
}

// covers: P107
TEST(TcpConnect, ReadThatMustWaitWithoutLoopThrowsMisuse) {
    connection pair;
    std::array<std::byte, 8> buffer{};
    pair.peer.send("now");
    {  // Available bytes need no event loop.
        pair.peer.wait_for(POLLOUT);
        raw_socket(::dup(pair.stream.native_handle())).wait_for(POLLIN);
        by_hand read{pair.stream.read(buffer)};
        EXPECT_EQ(assert_ready(read.poll()).value(), 3u);
    }
    const int line = __LINE__ + 1;
    const auto reads = [&]() -> eddy::task<void> { static_cast<void>(co_await pair.stream.read(buffer)); };
    by_hand read{reads()};
    const auto text = support::text_of_misuse([&] { static_cast<void>(read.poll()); });
    EXPECT_NE(text.find("tcp_connect_test.cpp:" + std::to_string(line)), text.npos) << text;
    by_hand receive{pair.stream.receive()};
    EXPECT_THROW(static_cast<void>(receive.poll()), eddy::misuse);
    by_hand readable{pair.stream.readable()};
    EXPECT_THROW(static_cast<void>(readable.poll()), eddy::misuse);
}

TEST(TcpConnect, LoopWithoutIoRefusesConnectAndRead) {
    auto core = eddy::core::builder().enable_io(false).build().value();
    const auto listener = raw_socket::listening();
    EXPECT_EQ(within(core, tcp_stream::connect(listener.addr())).error(), eddy::errc::io_disabled);
    EXPECT_EQ(within(core, tcp_stream::connect(listener.addr(), core.handle())).error(), eddy::errc::io_disabled);
    connection pair;
    std::array<std::byte, 8> buffer{};
    EXPECT_EQ(within(core, pair.stream.read(buffer)).error(), eddy::errc::io_disabled);
    EXPECT_EQ(within(core, pair.stream.receive()).error(), eddy::errc::io_disabled);
    EXPECT_EQ(within(core, pair.stream.readable()).error(), eddy::errc::io_disabled);
}

// covers: S12 S13
TEST(TcpConnect, AndThenRunsOnSuccessAndMapErrOnFailure) {
    eddy::core core;
    const auto listener = raw_socket::listening();
    const auto run_to = [&](const socket_addr& addr) {
        std::string said;
        auto connecting = tcp_stream::connect(addr)
                              .and_then([&](tcp_stream) {
                                  said += "connected";
                                  return eddy::ok();
                              })
                              .map_err([&](std::error_code error) { said += error.message(); });
        static_cast<void>(within(core, std::move(connecting)));
        return said;
    };
    EXPECT_EQ(run_to(listener.addr()), "connected");
    EXPECT_EQ(run_to(support::closed_addr()), support::message_of(std::errc::connection_refused));
}

// covers: S28
TEST(TcpConnect, ConnectTriesAddressesUntilOneAnswers) {
    eddy::core core;
    const auto listener = raw_socket::listening();
    const auto stream = within(core, connect_any({support::closed_addr(), listener.addr()}));
    ASSERT_TRUE(stream) << stream.error().message();
    EXPECT_EQ(stream->peer_addr().value(), listener.addr());
}

// covers: S28
TEST(TcpConnect, ConnectToSeveralAddressesReportsLastError) {
    eddy::core core;
    const auto fds = support::fd_count();
    const auto closed = support::closed_addr();
    const socket_addr multicast(eddy::net::ipv4_addr(224, 0, 0, 1), 9);  // TCP cannot reach it: refused immediately
    const auto no_way = within(core, tcp_stream::connect(multicast)).error();
    ASSERT_NE(no_way, std::errc::connection_refused);
    EXPECT_EQ(within(core, connect_any({multicast, closed})).error(), std::errc::connection_refused);
    EXPECT_EQ(within(core, connect_any({closed, multicast})).error(), no_way);
    EXPECT_EQ(support::fd_count(), fds);
}

// covers: S28
TEST(TcpConnect, ConnectToEmptyListFails) {
    eddy::core core;
    const auto error = within(core, connect_any({})).error();
    EXPECT_EQ(error, eddy::errc::no_address);
    EXPECT_EQ(error, std::errc::invalid_argument);
    EXPECT_NE(error.message().find("could not resolve to any address"), std::string::npos) << error.message();
}

// covers: S28 R124
TEST(TcpConnect, ConnectTriesEachAddressOfName) {
    const support::leaves_no_descriptor guard;
    eddy::core core;
    const auto listener = raw_socket::listening();
    const support::stub_resolver stub({support::closed_addr(), listener.addr()});
    const auto stream = within(core, tcp_stream::connect("name:1"));
    ASSERT_TRUE(stream) << stream.error().message();
    EXPECT_EQ(stream->peer_addr().value(), listener.addr());
}

// covers: S28 R124
TEST(TcpConnect, ConnectToNameReportsLastError) {
    const support::leaves_no_descriptor guard;
    eddy::core core;
    const auto fds = support::fd_count();
    const auto closed = support::closed_addr();
    const socket_addr multicast(eddy::net::ipv4_addr(224, 0, 0, 1), 9);
    const auto error_of = [&](std::vector<socket_addr> addrs) {
        const support::stub_resolver stub(std::move(addrs));
        return within(core, tcp_stream::connect("name", 1)).error();
    };
    EXPECT_EQ(error_of({multicast, closed}), std::errc::connection_refused);
    EXPECT_EQ(error_of({closed, multicast}), error_of({multicast}));
    EXPECT_NE(error_of({closed, multicast}), std::errc::connection_refused);
    EXPECT_EQ(error_of({}), eddy::errc::no_address);
    EXPECT_EQ(support::fd_count(), fds);
}

// covers: P064
TEST(TcpConnect, AddressesOfANameCompete) {
    const support::watchdog limit("a connect to a name whose first address does not answer");
    eddy::core core;
    const support::full_listener silent;
    const auto listener = raw_socket::listening();
    const support::stub_resolver stub({silent.addr(), listener.addr()});
    const auto fds = support::fd_count();
    {
        const auto stream = within(core, tcp_stream::connect("name", 1)).value();
        EXPECT_EQ(stream.peer_addr().value(), listener.addr());
        EXPECT_EQ(support::fd_count(), fds + 1) << "the other attempt is abandoned";
    }
    // Dropped while both attempts wait.
    const support::stub_resolver both({silent.addr(), silent.addr()});
    auto dropped = eddy::time::timeout(300ms, tcp_stream::connect("name", 1));
    EXPECT_FALSE(core.run(std::move(dropped)));
    EXPECT_EQ(support::fd_count(), fds);
}

TEST(TcpConnect, GivenAddressesAreTriedOnlyAfterAFailure) {
    const support::watchdog limit("a connect whose first address answers late");
    eddy::core core;
    support::full_listener late;
    const auto listener = raw_socket::listening();
    auto connecting = connect_any({support::closed_addr(), late.addr(), listener.addr()});
    auto limited = eddy::time::timeout(400ms, std::ref(connecting));
    EXPECT_FALSE(core.run(std::move(limited))) << "the address that does not answer was skipped";
    late.drain();
    EXPECT_EQ(within(core, std::move(connecting)).value().peer_addr().value(), late.addr());
}

TEST(TcpConnect, ConnectToNameWithoutLoopSkipsResolver) {
    const support::stub_resolver stub([](const std::string& host, std::uint16_t) -> support::stub_resolver::answer {
        ADD_FAILURE() << "the resolver was called for" << host;
        return {};
    });
    by_hand connect{tcp_stream::connect("name:1")};
    EXPECT_THROW(static_cast<void>(connect.poll()), eddy::misuse);
    auto core = eddy::core::builder().enable_io(false).build().value();
    EXPECT_EQ(within(core, tcp_stream::connect("name:1")).error(), eddy::errc::io_disabled);
}

// covers: S29
TEST(TcpConnect, SocketIsNonBlockingAndCloseOnExec) {
    eddy::core core;
    const auto listener = raw_socket::listening();
    const auto stream = within(core, tcp_stream::connect(listener.addr())).value();
    EXPECT_NE(::fcntl(stream.native_handle(), F_GETFL) & O_NONBLOCK, 0);
    EXPECT_NE(::fcntl(stream.native_handle(), F_GETFD) & FD_CLOEXEC, 0);
}

// covers: S30 R014
TEST(TcpConnect, RefusedConnectFailsAndClosesDescriptor) {
    eddy::core core;
    const auto fds = support::fd_count();
    const auto stream = within(core, tcp_stream::connect(support::closed_addr()));
    EXPECT_EQ(stream.error(), std::errc::connection_refused);
    EXPECT_EQ(support::fd_count(), fds);
}

// covers: S30
TEST(TcpConnect, ConnectionResetAtOnceEndsConnect) {
    eddy::core core;
    const auto listener = raw_socket::listening();
    const auto fds = support::fd_count();
    const auto reset_first = [&]() -> eddy::task<bool> {
        listener.accept().reset();
        co_return true;
    };
    {
        auto both = eddy::join(tcp_stream::connect(listener.addr()), reset_first());
        auto ended = within(core, std::move(both));
        std::error_code error;
        if (!ended.first) error = ended.first.error();
        if (ended.first) {  // the connection was established before the reset
            std::array<std::byte, 1> into{};
            const auto count = within(core, ended.first->read(into));
            if (!count) error = count.error();
        }
        EXPECT_EQ(error, std::errc::connection_reset);
    }
    EXPECT_EQ(support::fd_count(), fds);
}

// covers: S49
TEST(TcpConnect, MetricsCountHundredConnections) {
    eddy::core core;
    const auto listener = raw_socket::listening(100);
    const auto before = core.metrics().io();
    {
        std::vector<tcp_stream> streams;
        for (int i = 0; i < 100; ++i) streams.push_back(within(core, tcp_stream::connect(listener.addr())).value());
        const auto now = core.metrics().io();
        EXPECT_EQ(now.fds_registered - before.fds_registered, 100u);
        EXPECT_EQ(now.fds_deregistered, before.fds_deregistered);
        EXPECT_GE(now.ready_events - before.ready_events, 100u);
    }
    EXPECT_EQ(core.metrics().io().fds_deregistered - before.fds_deregistered, 100u);
}

// covers: R014
TEST(TcpConnect, DroppedConnectClosesAndDeregistersSocket) {
    eddy::core core;
    support::full_listener listener;
    const auto fds = support::fd_count();
    auto limited = eddy::time::timeout(20ms, tcp_stream::connect(listener.addr()));
    EXPECT_FALSE(core.run(std::move(limited)));
    EXPECT_EQ(support::fd_count(), fds);
    const auto io = core.metrics().io();
    EXPECT_EQ(io.fds_registered, io.fds_deregistered);
}

// covers: R014
TEST(TcpConnect, EventBeforeConnectDoesNotCompleteConnect) {
    eddy::core core;
    const auto listener = raw_socket::listening();
    raw_socket unconnected;
    unconnected.set_nonblocking();
    const int fd = unconnected.fd();
    eddy::detail::io_socket socket(unconnected.release());

    // epoll reports an unconnected socket immediately as writable and hung up.
    int polls = 0;
    auto connected = eddy::poll_fn([&](eddy::context& cx) {
        const auto answer = socket.poll_connected(cx, nullptr);
        if (answer.is_ready()) {
            EXPECT_GE(polls, 1) << "an unconnected socket was treated as connected";
        } else if (++polls == 1) {
            raw_socket same(::dup(fd));
            same.connect(listener.addr());
        }
        return answer;
    });
    EXPECT_TRUE(within(core, std::move(connected)));
}

TEST(TcpConnect, ConnectWithoutDescriptorsFails) {
    eddy::core core;
    const auto listener = raw_socket::listening();
    eddy::result<tcp_stream> stream = std::unexpected(std::error_code());
    {
        const support::descriptor_limit none(0);
        stream = within(core, tcp_stream::connect(listener.addr()));
    }
    EXPECT_EQ(stream.error(), std::errc::too_many_files_open);
    EXPECT_TRUE(within(core, tcp_stream::connect(listener.addr())));
}

// covers: S06
TEST(TcpConnectStress, BuildingAndDroppingConnectsOpensNoSocket) {
    const auto fds = support::fd_count();
    const socket_addr addr(eddy::net::ip_addr::v4_loopback(), 9);
    for (auto left = support::rounds(1'000'000); left > 0; --left) {
        [[maybe_unused]] const auto dropped = tcp_stream::connect(addr);
        if (left % 10'000 == 0) {
            EXPECT_EQ(support::fd_count(), fds);
        }
    }
    EXPECT_EQ(support::fd_count(), fds);
}

TEST(TcpConnectStress, ConnectsDroppedAtAnyPollLeakNothing) {
    eddy::core core;
    const auto listener = raw_socket::listening(1024);
    const auto fds = support::fd_count();
    for (auto left = support::rounds(5'000); left > 0; --left) {
        auto some = eddy::select(tcp_stream::connect(listener.addr()), eddy::yield_now());
        static_cast<void>(within(core, std::move(some)));
        ::close(::accept4(listener.fd(), nullptr, nullptr, SOCK_NONBLOCK));
    }
    EXPECT_EQ(support::fd_count(), fds);
    const auto io = core.metrics().io();
    EXPECT_EQ(io.fds_registered, io.fds_deregistered);
}

}  // namespace
