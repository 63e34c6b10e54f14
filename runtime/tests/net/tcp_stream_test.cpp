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
#include <optional>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include <support/driver.hpp>
#include <support/net.hpp>
#include <support/polling.hpp>
#include <support/runtime.hpp>

#include "sys/urgent_data.hpp"

// TCP streams: options, closing, native descriptors, and the event loop of each stream. tcp_connect_test.cpp tests
// connect(); tcp_read_test.cpp and tcp_write_test.cpp test the transfer of bytes.

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

// ---- The socket ----

// covers: P054
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

// covers: S32
TEST(TcpStream, TakeErrorReturnsEachErrorOnce) {
    connection pair;
    EXPECT_FALSE(pair.stream.take_error().value());
    pair.peer.reset();
    raw_socket(::dup(pair.stream.native_handle())).wait_for(POLLERR);
    EXPECT_EQ(pair.stream.take_error().value().value(), std::errc::connection_reset);
    EXPECT_FALSE(pair.stream.take_error().value());
}

// covers: S81 P065
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
// covers: S81
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

// covers: S81
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

// covers: S81
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

// covers: S81 P065
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

// covers: S81
TEST(TcpStream, RegularFileIsRejected) {
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
    static_cast<void>(polling.handle().spawn(std::move(poll_once)));
    polling.turn(0ms);
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

// covers: S72
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
    const auto one = [] { return eddy::result<int>(1); };
    EXPECT_EQ(pair.stream.try_io(eddy::io::interest::writable, one).error(), eddy::errc::runtime_shutdown);
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
    if (support::has_kqueue() && !eddy::sys::reports_urgent_data)
        GTEST_SKIP() << "kqueue has no filter for urgent bytes here";
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

// covers: R003
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
