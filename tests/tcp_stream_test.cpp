// SPDX-License-Identifier: MIT
#include <eddy/prelude.hpp>
#include <eddy/test/by_hand.hpp>

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <support/net.hpp>
#include <support/polling.hpp>
#include <support/resolver.hpp>
#include <support/runtime.hpp>
#include <support/stress.hpp>

// TCP connections: connecting, closing, options, and the event loop of each stream. tcp_read_test.cpp and
// tcp_write_test.cpp test the transfer of bytes.

namespace {

using namespace std::chrono_literals;
using eddy::net::socket_addr;
using eddy::net::tcp_stream;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::connection;
using support::raw_socket;
using support::within;

eddy::task<eddy::result<tcp_stream>> connect_any(std::vector<socket_addr> to) {
    co_return co_await tcp_stream::connect(std::span<const socket_addr>(to));
}

// ---- Connecting ----

TEST(TcpStream, ConnectsAndCarriesBytesBothWays) {
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

TEST(TcpStream, ConnectAcceptsEachFormOfAddress) {
    const support::leaves_no_descriptor guard;
    eddy::core core;
    const auto listener = raw_socket::listening();
    const auto addr = listener.addr();
    const auto reaches = [&](eddy::task<eddy::result<tcp_stream>> connecting) {
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

TEST(TcpStream, ConnectReachesIpv6) {
    eddy::core core;
    auto listener = within(core, eddy::net::tcp_listener::bind("::1", 0));
    if (!listener) GTEST_SKIP() << "no IPv6 here: " << listener.error().message();
    const auto addr = listener->local_addr().value();
    const auto reaches = [&](eddy::task<eddy::result<tcp_stream>> connecting) {
        auto both = eddy::join(std::move(connecting), listener->accept());
        const auto ends = within(core, std::move(both));
        return ends.first && ends.second && ends.first->peer_addr() == addr;
    };
    EXPECT_TRUE(reaches(tcp_stream::connect(addr)));
    EXPECT_TRUE(reaches(tcp_stream::connect(addr.to_string())));
    EXPECT_TRUE(reaches(tcp_stream::connect("::1", addr.port())));
}

TEST(TcpStream, ConnectRefusesTextThatIsNoAddress) {
    eddy::core core;
    EXPECT_EQ(within(core, tcp_stream::connect("nonsense")).error(), eddy::errc::bad_address);
    EXPECT_EQ(within(core, tcp_stream::connect("127.0.0.1")).error(), std::errc::invalid_argument);
    EXPECT_EQ(within(core, tcp_stream::connect("not an ip", 80)).error(), eddy::errc::bad_address);
}

TEST(TcpStream, PendingConnectDoesNotBlockTicker) {
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
TEST(TcpStream, TickerTicksEveryMillisecondDuringPendingConnect) {
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
    // In a separate task, which no tick wakes.
    core->handle().spawn([&]() -> eddy::task<void> { static_cast<void>(co_await connecting); }).value();
    core->run(tick());
    core.reset();  // before the objects that the task refers to
    EXPECT_EQ(gaps, std::vector<eddy::time::duration>(100, 1ms));
    EXPECT_EQ(polls, 1) << "the connect is polled at its start, and then only for an event";
}

TEST(TcpStream, ConnectCanBeBuiltBeforeLoop) {
    const auto listener = raw_socket::listening();
    auto connect = tcp_stream::connect(listener.addr());
    const auto fds = support::fd_count();
    eddy::core core;
    EXPECT_TRUE(within(core, std::move(connect)));
    EXPECT_GE(support::fd_count(), fds);
}

TEST(TcpStream, ConnectPolledWithoutLoopThrowsMisuse) {
    const auto fds = support::fd_count();
    const int line = __LINE__ + 1;
    by_hand connect{tcp_stream::connect(support::closed_addr())};
    const auto text = support::text_of_misuse([&] { static_cast<void>(connect.poll()); });
    EXPECT_NE(text.find("needs an event loop on this thread"), text.npos) << text;
    EXPECT_NE(text.find("tcp_stream_test.cpp:" + std::to_string(line)), text.npos) << text;
    EXPECT_EQ(support::fd_count(), fds);
}

TEST(TcpStream, ReadThatMustWaitWithoutLoopThrowsMisuse) {
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
    EXPECT_NE(text.find("tcp_stream_test.cpp:" + std::to_string(line)), text.npos) << text;
    by_hand receive{pair.stream.receive()};
    EXPECT_THROW(static_cast<void>(receive.poll()), eddy::misuse);
    by_hand readable{pair.stream.readable()};
    EXPECT_THROW(static_cast<void>(readable.poll()), eddy::misuse);
}

TEST(TcpStream, LoopWithoutIoRefusesConnectAndRead) {
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

TEST(TcpStream, AndThenRunsOnSuccessAndMapErrOnFailure) {
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
        static_cast<void>(within(core, std::move(connecting), 1s));
        return said;
    };
    EXPECT_EQ(run_to(listener.addr()), "connected");
    EXPECT_EQ(run_to(support::closed_addr()), "Connection refused");
}

TEST(TcpStream, ConnectTriesAddressesUntilOneAnswers) {
    eddy::core core;
    const auto listener = raw_socket::listening();
    const auto stream = within(core, connect_any({support::closed_addr(), listener.addr()}));
    ASSERT_TRUE(stream) << stream.error().message();
    EXPECT_EQ(stream->peer_addr().value(), listener.addr());
}

TEST(TcpStream, ConnectToSeveralAddressesReportsLastError) {
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

TEST(TcpStream, ConnectToEmptyListFails) {
    eddy::core core;
    const auto error = within(core, connect_any({})).error();
    EXPECT_EQ(error, eddy::errc::no_address);
    EXPECT_EQ(error, std::errc::invalid_argument);
    EXPECT_NE(error.message().find("could not resolve to any address"), std::string::npos) << error.message();
}

TEST(TcpStream, ConnectTriesEachAddressOfName) {
    const support::leaves_no_descriptor guard;
    eddy::core core;
    const auto listener = raw_socket::listening();
    const support::stub_resolver stub({support::closed_addr(), listener.addr()});
    const auto stream = within(core, tcp_stream::connect("name:1"));
    ASSERT_TRUE(stream) << stream.error().message();
    EXPECT_EQ(stream->peer_addr().value(), listener.addr());
}

TEST(TcpStream, ConnectToNameReportsLastError) {
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

TEST(TcpStream, ConnectToNameWithoutLoopSkipsResolver) {
    const support::stub_resolver stub([](const std::string& host, std::uint16_t) -> support::stub_resolver::answer {
        ADD_FAILURE() << "the resolver was called for" << host;
        return {};
    });
    by_hand connect{tcp_stream::connect("name:1")};
    EXPECT_THROW(static_cast<void>(connect.poll()), eddy::misuse);
    auto core = eddy::core::builder().enable_io(false).build().value();
    EXPECT_EQ(within(core, tcp_stream::connect("name:1")).error(), eddy::errc::io_disabled);
}

TEST(TcpStream, SocketIsNonBlockingAndCloseOnExec) {
    eddy::core core;
    const auto listener = raw_socket::listening();
    const auto stream = within(core, tcp_stream::connect(listener.addr())).value();
    EXPECT_NE(::fcntl(stream.native_handle(), F_GETFL) & O_NONBLOCK, 0);
    EXPECT_NE(::fcntl(stream.native_handle(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST(TcpStream, RefusedConnectFailsAndClosesDescriptor) {
    eddy::core core;
    const auto fds = support::fd_count();
    const auto stream = within(core, tcp_stream::connect(support::closed_addr()));
    EXPECT_EQ(stream.error(), std::errc::connection_refused);
    EXPECT_EQ(support::fd_count(), fds);
}

TEST(TcpStream, DroppedConnectClosesAndDeregistersSocket) {
    eddy::core core;
    support::full_listener listener;
    const auto fds = support::fd_count();
    auto limited = eddy::time::timeout(20ms, tcp_stream::connect(listener.addr()));
    EXPECT_FALSE(core.run(std::move(limited)));
    EXPECT_EQ(support::fd_count(), fds);
    const auto io = core.metrics().io();
    EXPECT_EQ(io.fds_registered, io.fds_deregistered);
}

TEST(TcpStream, EventBeforeConnectDoesNotCompleteConnect) {
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

TEST(TcpStream, ConnectWithoutDescriptorsFails) {
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

TEST(TcpStreamStress, BuildingAndDroppingConnectsOpensNoSocket) {
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

TEST(TcpStreamStress, ConnectsDroppedAtAnyPollLeakNothing) {
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

// ---- The socket ----

TEST(TcpStream, OptionsReadBack) {
    connection pair;
    auto& stream = pair.stream;
    EXPECT_FALSE(stream.nodelay().value());
    stream.set_nodelay(true).value();
    EXPECT_TRUE(stream.nodelay().value());
    EXPECT_FALSE(stream.linger().value());
    stream.set_linger(3s).value();
    EXPECT_EQ(stream.linger().value(), 3s);
    stream.set_linger(std::nullopt).value();
    EXPECT_FALSE(stream.linger().value());
    EXPECT_EQ(stream.set_linger(-1s).error(), std::errc::invalid_argument);
    EXPECT_EQ(stream.set_linger(std::chrono::hours(24)).error(), std::errc::invalid_argument);
    stream.set_ttl(42).value();
    EXPECT_EQ(stream.ttl().value(), 42u);
    EXPECT_EQ(stream.set_ttl(256).error(), std::errc::invalid_argument);
    EXPECT_EQ(stream.set_ttl(0xffff'ffffu).error(), std::errc::invalid_argument);
    EXPECT_EQ(stream.peer_addr().value(), pair.peer.addr());
}

TEST(TcpStream, TakeErrorReturnsEachErrorOnce) {
    connection pair;
    EXPECT_FALSE(pair.stream.take_error().value());
    pair.peer.reset();
    raw_socket(::dup(pair.stream.native_handle())).wait_for(POLLERR);
    EXPECT_EQ(pair.stream.take_error().value().value(), std::errc::connection_reset);
    EXPECT_FALSE(pair.stream.take_error().value());
}

TEST(TcpStream, IntoNativeDeregistersAndFromNativeAdopts) {
    eddy::core core;
    connection pair;
    const int fd = pair.stream.native_handle();
    const auto fds = support::fd_count();
    std::array<std::byte, 4> buffer{};
    by_hand read{pair.stream.read(buffer)};
    auto pending = eddy::poll_fn([&](eddy::context&) {
        assert_pending(read.poll());  // registers the stream
        return eddy::poll_result<void>::ready();
    });
    within(core, std::move(pending));
    read.drop();
    auto given_up = within(core, std::move(pair.stream).into_native()).value();
    EXPECT_EQ(given_up.native_handle, fd);
    EXPECT_TRUE(given_up.bytes.empty());
    EXPECT_EQ(support::fd_count(), fds) << "the descriptor was closed";
    EXPECT_EQ(core.metrics().io().fds_deregistered, core.metrics().io().fds_registered);

    auto again = tcp_stream::from_native(fd).value();
    pair.peer.send("back");
    within(core, again.read_exact(buffer)).value();
    EXPECT_EQ(support::text_of(buffer), "back");
}

// The system reports a reset once, and may have reported it to the driver.
TEST(TcpStream, IntoNativeReportsReset) {
    eddy::core core;
    connection pair;
    std::array<std::byte, 4> buffer{};
    pair.peer.send("back");
    within(core, pair.stream.read_exact(buffer)).value();
    pair.peer.send("late");
    pair.peer.reset();
    raw_socket(::dup(pair.stream.native_handle())).wait_for(POLLERR);
    for (int i = 0; i < 4; ++i) core.turn(0ms);  // lets the driver receive ahead
    auto given_up = within(core, std::move(pair.stream).into_native()).value();
    const raw_socket owned(given_up.native_handle);
    if (!given_up.error) {
        while (::recv(owned.fd(), buffer.data(), buffer.size(), MSG_DONTWAIT) > 0) {
        }
        given_up.error = {errno, std::generic_category()};
    }
    EXPECT_EQ(given_up.error, std::errc::connection_reset) << "the reset looks like the end of the stream";
}

TEST(TcpStream, IntoNativeReportsLostWrites) {
    eddy::core core;
    connection pair;
    std::array<std::byte, 4> buffer{};
    pair.peer.send("back");
    within(core, pair.stream.read_exact(buffer)).value();
    auto told = std::error_code();
    const auto write_and_give_up = [&]() -> eddy::task<raw_socket> {
        pair.peer.reset();
        raw_socket(::dup(pair.stream.native_handle())).wait_for(POLLERR);
        const auto written = co_await pair.stream.write(support::bytes_of("question"));
        if (!written) told = written.error();
        auto giving_up = std::move(pair.stream).into_native();
        const auto given_up = co_await std::move(giving_up);
        EXPECT_TRUE(given_up.has_value()) << "the descriptor and its received data are lost";
        if (!given_up) co_return raw_socket();
        if (!told) told = given_up->error;
        co_return raw_socket(given_up->native_handle);
    };
    const raw_socket owned = within(core, write_and_give_up());
    EXPECT_EQ(told, std::errc::connection_reset);
}

TEST(TcpStream, IntoNativeAfterOrderlyUseReportsNoError) {
    eddy::core core;
    connection pair;
    std::array<std::byte, 4> buffer{};
    pair.peer.send("back and more");
    within(core, pair.stream.read_exact(buffer)).value();
    pair.peer.shutdown();
    for (int i = 0; i < 4; ++i) core.turn(0ms);
    within(core, pair.stream.write_all(support::bytes_of("end"))).value();
    const auto given_up = within(core, std::move(pair.stream).into_native()).value();
    const raw_socket owned(given_up.native_handle);
    EXPECT_FALSE(given_up.error) << given_up.error.message();
    EXPECT_EQ(support::text_of(given_up.bytes) + owned.receive(64), " and more");
    EXPECT_EQ(pair.peer.receive(3), "end");
}

TEST(TcpStream, FromNativeRefusesBlockingSocket) {
    raw_socket blocking;
    const int fd = blocking.release();
    const auto refused = tcp_stream::from_native(fd);
    EXPECT_EQ(refused.error(), eddy::errc::blocking_descriptor);
    EXPECT_EQ(refused.error(), std::errc::invalid_argument);
    EXPECT_EQ(::fcntl(fd, F_GETFD), -1) << "from_native() owns the descriptor, and closes it";
    EXPECT_EQ(tcp_stream::from_native(-1).error(), std::errc::bad_file_descriptor);
    EXPECT_EQ(tcp_stream::from_native(100'000).error(), std::errc::bad_file_descriptor);
}

TEST(TcpStream, RegularFileIsNoStream) {
    eddy::core core;
    const int file = ::open("/proc/self/exe", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    auto stream = tcp_stream::from_native(file);
    if (!stream) return;  // an immediate refusal is also correct
    std::array<std::byte, 4> buffer{};
    EXPECT_EQ(within(core, stream->read(buffer)).error(), std::errc::not_a_socket);
    EXPECT_EQ(within(core, stream->readable()).error(), std::errc::operation_not_permitted);
}

// ---- Streams and loops ----

/// Polls `future` on the event loop `polling`. Returns nothing while the future waits.
template <class F>
std::optional<eddy::output_t<F>> poll_on(eddy::core& polling, by_hand<F>& future) {
    std::optional<eddy::output_t<F>> output;
    auto poll_once = eddy::poll_fn([&](eddy::context&) {
        if (auto answer = future.poll()) output.emplace(*std::move(answer));
        return eddy::poll_result<void>::ready();
    });
    within(polling, std::move(poll_once));
    return output;
}

/// Polls `future` on the event loop `polling` until it is ready. Only `owner` processes events meanwhile.
template <class F>
eddy::output_t<F> complete_on(eddy::core& polling, eddy::core& owner, by_hand<F>& future) {
    for (int i = 0; i < 1000; ++i) {
        if (auto output = poll_on(polling, future)) return *std::move(output);
        owner.turn(10ms);
    }
    throw std::runtime_error("the events of the owner do not complete the operation");
}

TEST(TcpStream, ConnectThroughHandleUsesLoopOfHandle) {
    eddy::core owner;
    eddy::core other;
    support::full_listener full;
    {
        by_hand waiting{tcp_stream::connect(full.addr(), owner.handle())};
        EXPECT_FALSE(poll_on(other, waiting));
        EXPECT_EQ(owner.metrics().io().fds_registered, 1u);
        EXPECT_EQ(other.metrics().io().fds_registered, 0u);
    }
    const auto listener = raw_socket::listening();
    by_hand connect{tcp_stream::connect(listener.addr(), owner.handle())};
    auto stream = complete_on(other, owner, connect).value();
    std::array<std::byte, 4> buffer{};
    by_hand read{stream.read(buffer)};
    EXPECT_FALSE(poll_on(other, read));
    listener.accept().send("yes");
    EXPECT_EQ(complete_on(other, owner, read).value(), 3u);
    EXPECT_EQ(owner.metrics().io().fds_registered, 2u);
    EXPECT_EQ(other.metrics().io().fds_registered, 0u);
}

TEST(TcpStream, ConnectThroughHandleOfEndedLoopFails) {
    eddy::core core;
    const auto gone = eddy::core().handle();
    const auto listener = raw_socket::listening();
    EXPECT_EQ(within(core, tcp_stream::connect(listener.addr(), gone)).error(), eddy::errc::runtime_shutdown);
}

TEST(TcpStream, StreamThatOutlivesLoopReportsShutdown) {
    connection pair;
    std::array<std::byte, 4> buffer{};
    by_hand waiting{pair.stream.read(buffer)};
    {
        eddy::core core;
        auto register_it = eddy::poll_fn([&](eddy::context&) {
            assert_pending(waiting.poll());
            return eddy::poll_result<void>::ready();
        });
        within(core, std::move(register_it));
    }
    EXPECT_TRUE(waiting.is_woken());
    EXPECT_EQ(assert_ready(waiting.poll()).error(), eddy::errc::runtime_shutdown);

    eddy::core other;
    EXPECT_EQ(within(other, pair.stream.read(buffer)).error(), eddy::errc::runtime_shutdown);
    EXPECT_EQ(within(other, pair.stream.receive()).error(), eddy::errc::runtime_shutdown);
    EXPECT_EQ(within(other, pair.stream.write_all(support::bytes_of("x"))).error(), eddy::errc::runtime_shutdown);
    EXPECT_EQ(within(other, pair.stream.readable()).error(), eddy::errc::runtime_shutdown);
    EXPECT_EQ(pair.stream.try_read(buffer).error(), eddy::errc::runtime_shutdown);
    EXPECT_EQ(pair.stream.try_write(support::bytes_of("x")).error(), eddy::errc::runtime_shutdown);
    const raw_socket given_up(within(other, std::move(pair.stream).into_native()).value().native_handle);
}

TEST(TcpStream, MovedStreamKeepsRegistration) {
    eddy::core core;
    const auto fds = support::fd_count();
    {
        connection first;
        connection second;
        std::array<std::byte, 4> buffer{};
        for (auto* pair : {&first, &second}) {
            auto limited = eddy::time::timeout(1ms, pair->stream.readable());
            EXPECT_FALSE(core.run(std::move(limited)));
        }
        first.stream = std::move(second.stream);  // closes the first stream
        EXPECT_EQ(first.peer.receive(1), "");
        second.peer.send("moved");
        EXPECT_EQ(within(core, first.stream.read(buffer)).value(), 4u);
        second.stream = std::move(first.stream);
        EXPECT_EQ(within(core, second.stream.read(buffer)).value(), 1u);
    }
    EXPECT_EQ(support::fd_count(), fds);
    EXPECT_EQ(core.metrics().io().fds_registered, 2u);
    EXPECT_EQ(core.metrics().io().fds_deregistered, 2u);
}

TEST(TcpStream, TasksDroppedWithLoopCloseDescriptors) {
    const auto fds = support::fd_count();
    {
        eddy::core core;
        const auto listener = raw_socket::listening();
        support::full_listener full;
        const auto talk = [](socket_addr to, bool reads) -> eddy::task<void> {
            auto stream = co_await tcp_stream::connect(to);
            if (!stream) co_return;
            std::array<std::byte, 4> buffer{};
            while (reads) static_cast<void>(co_await stream->read(buffer));
            const std::vector<std::byte> much(1 << 20);
            for (;;) static_cast<void>(co_await stream->write_all(much));
        };
        core.handle().spawn(talk(listener.addr(), true)).value();
        core.handle().spawn(talk(listener.addr(), false)).value();
        core.handle().spawn(talk(full.addr(), true)).value();
        for (int i = 0; i < 20; ++i) core.turn(1ms);
        core.handle().spawn(talk(listener.addr(), true)).value();  // never polled
    }
    EXPECT_EQ(support::fd_count(), fds);
}

// ---- Urgent data, late shutdown, Unix sockets ----

TEST(TcpStream, PriorityReadinessEndsAfterUrgentByteIsRead) {
    support::connection pair;
    eddy::core loop;
    auto main = [](support::connection& c) -> eddy::task<bool> {
        c.peer.send_urgent('u');
        static_cast<void>(co_await c.stream.ready(eddy::io::interest::priority));
        char byte = 0;
        EXPECT_EQ(::recv(c.stream.native_handle(), &byte, 1, MSG_OOB), 1);
        c.peer.send("x");
        std::array<std::byte, 64> buffer;
        static_cast<void>(co_await c.stream.read(buffer));
        auto again = co_await eddy::time::timeout(20ms, c.stream.read(buffer));  // up to EAGAIN
        EXPECT_FALSE(again);
        auto more = co_await eddy::time::timeout(20ms, c.stream.ready(eddy::io::interest::priority));
        co_return more.has_value();
    };
    EXPECT_FALSE(loop.run(main(pair))) << "a loop that waits for urgent data would spin";
}

TEST(TcpStream, ShutdownFutureMayOutliveStream) {
    eddy::core loop;
    std::optional<eddy::net::tcp_stream> victim;
    std::optional<support::connection> first(std::in_place);
    const int number = first->stream.native_handle();
    auto late = first->stream.shutdown();
    first.reset();
    support::connection second;
    ASSERT_EQ(::dup2(second.peer.fd(), number), number);
    EXPECT_TRUE(support::misuse_of([&] { static_cast<void>(loop.run(std::move(late))); }));
    EXPECT_EQ(::send(number, "x", 1, MSG_NOSIGNAL), 1)
        << "the shutdown reached another connection with the same descriptor";
    ::close(number);
}

TEST(TcpStream, UnixSocketFromNativeIsReadUntilItWouldBlock) {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    support::raw_socket peer(ends[1]);
    auto stream = eddy::net::tcp_stream::from_native(ends[0]);
    if (!stream) return;  // a refusal is also correct
    const auto send_with_fd = [&](char c) {
        iovec bytes{&c, 1};
        alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))]{};
        msghdr message{};
        message.msg_iov = &bytes;
        message.msg_iovlen = 1;
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        cmsghdr* const header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        // SAFETY: `control` is aligned as a cmsghdr, and has space for one int after the header.
        *reinterpret_cast<int*>(CMSG_DATA(header)) = 0;
        ASSERT_EQ(::sendmsg(peer.fd(), &message, 0), 1);
    };
    eddy::core loop;
    std::array<std::byte, 64> buffer;
    auto one = [](eddy::net::tcp_stream& from, std::span<std::byte> into) -> eddy::task<std::size_t> {
        auto count = co_await eddy::time::timeout(200ms, from.read(into));
        co_return count && *count ? **count : 0;
    };
    EXPECT_EQ(loop.run(one(*stream, buffer)), 0u);  // registers
    send_with_fd('a');
    send_with_fd('b');
    EXPECT_EQ(loop.run(one(*stream, buffer)), 1u);
    EXPECT_EQ(loop.run(one(*stream, buffer)), 1u) << "a byte is available, but its wake-up was lost";
}

}  // namespace
