// SPDX-License-Identifier: MIT
// runs: asan
#include <eddy/prelude.hpp>
#include <eddy/test/by_hand.hpp>

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <support/net.hpp>
#include <support/runtime/receiving.hpp>
#include <support/self_assignment.hpp>
#include <support/temp_dir.hpp>

// Unix listeners and streams.

namespace {

using namespace std::chrono_literals;
using eddy::net::unix_addr;
using eddy::net::unix_listener;
using eddy::net::unix_stream;
using eddy::test::assert_pending;
using eddy::test::by_hand;
using support::bytes_of;
using support::read_some;
using support::text_of;
using support::within;

/// Counts all bytes up to the end of the stream.
template <class Reader>
eddy::task<std::size_t> count_all(Reader& reader) {
    std::vector<std::byte> into(64 * 1024);
    for (std::size_t total = 0;;) {
        const auto count = co_await reader.read(into);
        if (!count || *count == 0) co_return total;
        total += *count;
    }
}

template <class Writer>
eddy::task<bool> write_many(Writer& writer, std::size_t total) {
    const std::vector<std::byte> bytes(total, std::byte{'b'});
    const auto written = co_await writer.write_all(bytes);
    const auto ended = co_await writer.shutdown();
    co_return written&& ended;
}

unix_addr abstract_name(std::string_view of) {
    return unix_addr::abstract("eddy." + std::string(of) + "." + std::to_string(::getpid())).value();
}

// ---- Connections ----

// covers: P060 R095
TEST(UnixStream, ConnectsByPathAndCarriesBytesBothWays) {
    const support::leaves_no_descriptor guard;
    const support::temp_dir dir;
    eddy::core core;
    auto listener = within(core, unix_listener::bind(dir / "socket")).value();
    EXPECT_EQ(listener.local_addr().value().as_path(), dir / "socket");
    auto both = eddy::join(unix_stream::connect(dir / "socket"), listener.accept());
    auto ends = within(core, std::move(both));
    auto client = std::move(ends.first).value();
    auto [server, peer] = std::move(ends.second).value();
    EXPECT_TRUE(peer.is_unnamed());
    EXPECT_EQ(client.peer_addr().value(), listener.local_addr().value());
    EXPECT_TRUE(client.local_addr().value().is_unnamed());
    EXPECT_NE(::fcntl(server.native_handle(), F_GETFL) & O_NONBLOCK, 0);
    EXPECT_NE(::fcntl(server.native_handle(), F_GETFD) & FD_CLOEXEC, 0);
    within(core, client.write_all(bytes_of("ping"))).value();
    EXPECT_EQ(within(core, read_some(server)), "ping");
    within(core, server.write_all(bytes_of("pong"))).value();
    EXPECT_EQ(within(core, read_some(client)), "pong");
    EXPECT_FALSE(client.take_error().value());
}

// covers: P060
TEST(UnixStream, ConnectsByAbstractName) {
    eddy::core core;
    const auto name = abstract_name("stream");
    auto listener = unix_listener::bind(name, core.handle()).value();
    EXPECT_EQ(listener.local_addr().value(), name);
    auto both = eddy::join(unix_stream::connect(name), listener.accept());
    auto ends = within(core, std::move(both));
    EXPECT_EQ(ends.first.value().peer_addr().value(), name);
    EXPECT_TRUE(ends.second);
}

// covers: R095
TEST(UnixStream, AbstractNameMayBeginWithNul) {
    eddy::core core;
    const auto name = unix_addr::abstract(std::string(1, '\0') + *abstract_name("nul").as_abstract()).value();
    auto listener = unix_listener::bind(name, core.handle()).value();
    EXPECT_EQ(listener.local_addr().value(), name);
    auto both = eddy::join(unix_stream::connect(name), listener.accept());
    auto ends = within(core, std::move(both));
    EXPECT_EQ(ends.first.value().peer_addr().value(), name);
    EXPECT_TRUE(ends.second.value().peer.is_unnamed());
}

TEST(UnixStream, ConnectReportsErrors) {
    const support::leaves_no_descriptor guard;
    const support::temp_dir dir;
    eddy::core core;
    EXPECT_EQ(within(core, unix_stream::connect(dir / "missing")).error(), std::errc::no_such_file_or_directory);
    {
        const auto gone = within(core, unix_listener::bind(dir / "gone"));
    }
    EXPECT_EQ(within(core, unix_stream::connect(dir / "gone")).error(), std::errc::connection_refused);
    EXPECT_EQ(within(core, unix_stream::connect("")).error(), eddy::errc::bad_path);
    const std::string large(200, 'x');
    EXPECT_EQ(within(core, unix_stream::connect(large)).error(), eddy::errc::unix_name_too_long);
    auto without = eddy::core::builder().enable_io(false).build().value();
    EXPECT_EQ(within(without, unix_stream::connect(dir / "gone")).error(), eddy::errc::io_disabled);
    by_hand nowhere{unix_stream::connect(dir / "gone")};
    EXPECT_THROW(static_cast<void>(nowhere.poll()), eddy::misuse);
}

// covers: R015
TEST(UnixStream, ConnectWaitsWhileListenerQueueIsFull) {
    const support::temp_dir dir;
    eddy::core core;
    // A listener whose queue holds two connections.
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    const auto path = dir / "full";
    path.copy(at.sun_path, sizeof at.sun_path - 1);
    ASSERT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
    ASSERT_EQ(::listen(fd, 1), 0);
    auto listener = unix_listener::from_native(fd).value();
    const auto work = [&]() -> eddy::task<int> {
        eddy::join_set<bool> connecting;
        const auto one = [&]() -> eddy::task<bool> {
            auto made = co_await unix_stream::connect(path);
            co_return made.has_value();
        };
        for (int i = 0; i < 50; ++i) connecting.spawn(one());  // eddy-check: ignore: all are joined
        for (int i = 0; i < 50; ++i) static_cast<void>(co_await listener.accept());
        int connected = 0;
        for (const bool each : co_await std::move(connecting).join_all()) connected += each ? 1 : 0;
        co_return connected;
    };
    EXPECT_EQ(within(core, work()), 50);
}

// covers: P061
TEST(UnixStream, PeerCredOfPairIsThisProcess) {
    const auto pair = unix_stream::pair().value();
    const auto cred = pair.first.peer_cred().value();
    EXPECT_EQ(cred.pid, ::getpid());
    EXPECT_EQ(cred.uid, ::getuid());
    EXPECT_EQ(cred.gid, ::getgid());
}

// covers: P061
TEST(UnixStream, PeerCredOfAcceptedConnectionIsClient) {
    eddy::core core;
    auto listener = unix_listener::bind(abstract_name("cred"), core.handle()).value();
    auto both = eddy::join(unix_stream::connect(listener.local_addr().value()), listener.accept());
    auto ends = within(core, std::move(both));
    EXPECT_EQ(ends.first.value().peer_cred().value().pid, ::getpid());
    EXPECT_EQ(ends.second.value().stream.peer_cred().value().uid, ::getuid());
}

// covers: P060
TEST(UnixStream, PairIsConnected) {
    eddy::core core;
    auto [one, other] = unix_stream::pair().value();
    EXPECT_TRUE(one.local_addr().value().is_unnamed());
    EXPECT_TRUE(one.peer_addr().value().is_unnamed());
    within(core, one.write_all(bytes_of("hello"))).value();
    std::array<std::byte, 8> into{};
    EXPECT_EQ(within(core, other.peek(into)).value(), 5u);
    EXPECT_EQ(within(core, other.receive()).value().size(), 5u);
    EXPECT_EQ(other.try_read(into).error(), std::errc::operation_would_block);
    within(core, one.shutdown()).value();
    EXPECT_EQ(within(core, read_some(other)), "");
    within(core, other.write_all(bytes_of("still"))).value();
    EXPECT_EQ(within(core, read_some(one)), "still");
}

TEST(UnixStream, WriteToClosedPeerFailsWithoutSignal) {
    eddy::core core;
    auto [one, other] = unix_stream::pair().value();
    {
        const auto closed = std::move(other);
    }
    EXPECT_EQ(within(core, one.write(bytes_of("x"))).error(), std::errc::broken_pipe);
    EXPECT_EQ(within(core, read_some(one)), "");
    EXPECT_TRUE(within(core, one.readable()).value().is_read_closed());
}

// covers: R003
TEST(UnixStream, ReaderIsWokenAfterShortReads) {
    eddy::core core;
    auto [one, other] = unix_stream::pair().value();
    const auto talk = [&]() -> eddy::task<void> {
        for (int i = 0; i < 100; ++i) {
            static_cast<void>(co_await one.write_all(bytes_of(std::string(static_cast<std::size_t>(i % 7 + 1), 'x'))));
            co_await eddy::yield_now();
        }
        static_cast<void>(co_await one.shutdown());
    };
    auto both = eddy::join(talk(), count_all(other));
    std::size_t wanted = 0;
    for (std::size_t i = 0; i < 100; ++i) wanted += i % 7 + 1;
    EXPECT_EQ(within(core, std::move(both)).second, wanted);
}

// covers: R003
TEST(UnixStream, ReceivedDescriptorDoesNotHideLaterBytes) {
    eddy::core core;
    auto [one, other] = unix_stream::pair().value();
    const auto talk = [&]() -> eddy::task<void> {
        co_await eddy::yield_now();  // the reader waits by now
        char bytes[] = "with";
        iovec buffer{bytes, 4};
        const int sent = 0;
        alignas(cmsghdr) char control[CMSG_SPACE(sizeof sent)] = {};
        msghdr message{};
        message.msg_iov = &buffer;
        message.msg_iovlen = 1;
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        cmsghdr* const header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof sent);
        std::memcpy(CMSG_DATA(header), &sent, sizeof sent);
        // The kernel ends a read after data that arrived with a descriptor, and reports no further event.
        EXPECT_EQ(::sendmsg(one.native_handle(), &message, 0), 4);
        EXPECT_EQ(one.try_write(bytes_of("behind")).value(), 6u);
    };
    std::array<std::byte, 10> into{};
    auto both = eddy::join(other.read_exact(into), talk());
    EXPECT_TRUE(within(core, std::move(both)).first);
    EXPECT_EQ(text_of(into), "withbehind");
}

// covers: R004
TEST(UnixStream, PeerCloseEndsPendingReadAndWrite) {
    eddy::core core;
    auto [one, other] = unix_stream::pair().value();
    const std::vector<std::byte> large(64 * 1024);
    while (one.try_write(large)) {
    }
    const auto leave = [&]() -> eddy::task<void> {
        for (int i = 0; i < 3; ++i) co_await eddy::yield_now();
        const auto closed = std::move(other);
    };
    auto all = eddy::join(read_some(one), one.write_all(large), leave());
    const auto done = within(core, std::move(all));
    EXPECT_EQ(done.second.error(), std::errc::broken_pipe);
    // If the peer has left bytes unread, Linux reports an error to the reader. Otherwise it reports the end of the
    // stream.
    EXPECT_EQ(done.first, "error: " + std::make_error_code(std::errc::connection_reset).message());
}

TEST(UnixStream, DroppedReadLosesNoByte) {
    eddy::core core;
    auto [one, other] = unix_stream::pair().value();
    for (int i = 0; i < 50; ++i) {
        auto limited = eddy::select(read_some(other), eddy::yield_now());
        EXPECT_EQ(within(core, std::move(limited)).index(), 1u);
        within(core, one.write_all(bytes_of("x"))).value();
        EXPECT_EQ(within(core, read_some(other)), "x");
    }
}

// covers: P056 R092
TEST(UnixStream, BorrowedAndOwnedHalvesCarryBytes) {
    eddy::core core;
    auto [one, other] = unix_stream::pair().value();
    constexpr std::size_t size = 3'000'000;
    {
        auto [reader, writer] = one.split();
        auto [other_reader, other_writer] = other.split();
        auto all = eddy::join(count_all(reader), write_many(writer, size), count_all(other_reader),
                              write_many(other_writer, size));
        const auto done = within(core, std::move(all));
        EXPECT_EQ(done.first, size);
        EXPECT_EQ(done.third, size);
    }
    auto [first, second] = unix_stream::pair().value();
    auto halves = std::move(first).into_split();
    {
        const auto dropped = std::move(halves.writer);
    }
    EXPECT_EQ(within(core, read_some(second)), "");
    within(core, second.write_all(bytes_of("heard"))).value();
    EXPECT_EQ(within(core, read_some(halves.reader)), "heard");
}

TEST(UnixStream, FromNativeAndIntoNativeKeepDescriptor) {
    const support::leaves_no_descriptor guard;
    eddy::core core;
    std::array<int, 2> fds{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()), 0);
    EXPECT_EQ(unix_stream::from_native(fds[0]).error(), eddy::errc::blocking_descriptor);
    ::close(fds[1]);
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()), 0);
    auto one = unix_stream::from_native(fds[0]).value();
    auto other = unix_stream::from_native(fds[1]).value();
    within(core, one.write_all(bytes_of("x"))).value();
    EXPECT_EQ(within(core, read_some(other)), "x");
    const auto parts = within(core, std::move(one).into_native()).value();
    EXPECT_EQ(parts.native_handle, fds[0]);
    ::close(fds[0]);
    auto tcp = support::raw_socket::listening();
    tcp.set_nonblocking();
    EXPECT_EQ(unix_stream::from_native(tcp.release()).error(), std::errc::wrong_protocol_type);
    EXPECT_EQ(unix_listener::from_native(-1).error(), std::errc::bad_file_descriptor);
}

TEST(UnixStream, SelfAssignmentKeepsStreamAndHalves) {
    auto [first, second] = unix_stream::pair().value();
    support::assign_to_itself(first);
    EXPECT_GE(first.native_handle(), 0);
    EXPECT_EQ(first.try_write(bytes_of("x")).value(), 1u);
    auto [reader, writer] = std::move(first).into_split();
    support::assign_to_itself(reader);
    support::assign_to_itself(writer);
    EXPECT_EQ(writer.try_write(bytes_of("y")).value(), 1u);
    std::array<std::byte, 4> into{};
    EXPECT_EQ(second.try_read(into).value(), 2u);
    EXPECT_EQ(second.try_write(bytes_of("z")).value(), 1u);
    EXPECT_EQ(reader.try_read(into).value(), 1u);
}

TEST(UnixStream, LoopShutdownEndsPendingRead) {
    auto [one, other] = unix_stream::pair().value();
    {
        eddy::core core;
        auto limited = eddy::select(read_some(one), eddy::yield_now());
        EXPECT_EQ(within(core, std::move(limited)).index(), 1u);
    }
    eddy::core core;
    std::array<std::byte, 4> into{};
    EXPECT_EQ(within(core, one.read(into)).error(), eddy::errc::runtime_shutdown);
}

TEST(UnixStreamStress, ManyPairsPlayPingPongOnRuntime) {
    eddy::runtime pool;
    const auto play = [](unix_stream stream, bool begins) -> eddy::task<int> {
        std::array<std::byte, 1> ball{};
        if (begins && !co_await stream.write_all(ball)) co_return -1;
        for (int i = 0; i < 500; ++i) {
            if (!co_await stream.read_exact(ball)) co_return i;
            if (!co_await stream.write_all(ball)) co_return i;
        }
        co_return 500;
    };
    const auto all = [&]() -> eddy::task<int> {
        eddy::join_set<int> players;
        for (int i = 0; i < 8; ++i) {
            auto [one, other] = unix_stream::pair().value();
            players.spawn(play(std::move(one), true));
            players.spawn(play(std::move(other), false));
        }
        int least = 500;
        for (const int each : co_await std::move(players).join_all()) least = std::min(least, each);
        co_return least;
    };
    auto limited = eddy::time::timeout(20s, all());
    EXPECT_GE(pool.block_on(std::move(limited)).value(), 499);
}

// ---- Listeners ----

// covers: P060
TEST(UnixListener, BindToExistingPathFails) {
    const support::leaves_no_descriptor guard;
    const support::temp_dir dir;
    eddy::core core;
    const auto path = dir / "socket";
    {
        const auto first = unix_listener::bind(path, core.handle()).value();
    }
    EXPECT_TRUE(std::filesystem::exists(path)) << "the socket file remains";
    EXPECT_EQ(unix_listener::bind(path, core.handle()).error(), std::errc::address_in_use);
    EXPECT_EQ(within(core, unix_listener::bind(path)).error(), std::errc::address_in_use);
    std::filesystem::remove(path);
    EXPECT_TRUE(unix_listener::bind(path, core.handle()));
}

TEST(UnixListener, BindReportsErrors) {
    eddy::core core;
    EXPECT_EQ(unix_listener::bind("", core.handle()).error(), eddy::errc::bad_path);
    EXPECT_EQ(within(core, unix_listener::bind(std::string(108, 'x'))).error(), eddy::errc::unix_name_too_long);
    EXPECT_EQ(unix_listener::bind(unix_addr(), core.handle()).error(), std::errc::invalid_argument);
    EXPECT_EQ(unix_listener::bind("/no/such/folder/socket", core.handle()).error(),
              std::errc::no_such_file_or_directory);
    const auto gone = eddy::core().handle();
    EXPECT_EQ(unix_listener::bind(abstract_name("gone"), gone).error(), eddy::errc::runtime_shutdown);
    auto without = eddy::core::builder().enable_io(false).build().value();
    EXPECT_EQ(within(without, unix_listener::bind(abstract_name("gone"))).error(), eddy::errc::io_disabled);
}

// covers: P060
TEST(UnixListener, IncomingYieldsEachConnection) {
    eddy::core core;
    auto listener = unix_listener::bind(abstract_name("incoming"), core.handle()).value();
    const auto serve = [&]() -> eddy::task<int> {
        auto incoming = listener.incoming();
        int served = 0;
        while (auto client = co_await incoming.next()) {
            if (!*client || !co_await (*client)->stream.write_all(bytes_of("hello"))) break;
            if (++served == 10) break;
        }
        co_return served;
    };
    const auto ask = [&]() -> eddy::task<int> {
        int answers = 0;
        for (int i = 0; i < 10; ++i) {
            auto stream = co_await unix_stream::connect(listener.local_addr().value());
            if (!stream) break;
            std::array<std::byte, 5> into{};
            answers += co_await stream->read_exact(into) ? 1 : 0;
        }
        co_return answers;
    };
    auto both = eddy::join(serve(), ask());
    const auto done = within(core, std::move(both));
    EXPECT_EQ(done.first, 10);
    EXPECT_EQ(done.second, 10);
}

TEST(UnixListener, DroppedAcceptReleasesWaker) {
    eddy::core core;
    auto listener = unix_listener::bind(abstract_name("dropped"), core.handle()).value();
    by_hand accept{listener.accept()};
    auto poll_once = eddy::poll_fn([&](eddy::context&) {
        assert_pending(accept.poll());
        return eddy::poll_result<void>::ready();
    });
    within(core, std::move(poll_once));
    EXPECT_EQ(accept.wakers(), 1u);
    accept.drop();
    EXPECT_EQ(accept.wakers(), 0u);
}

// covers: R012
TEST(UnixListener, DescriptorShortageIsReportedOnceAndEnds) {
    eddy::core core;
    auto listener = unix_listener::bind(abstract_name("full"), core.handle()).value();
    auto waiting = within(core, unix_stream::connect(listener.local_addr().value())).value();
    const support::descriptor_limit none(0);
    EXPECT_EQ(within(core, listener.accept()).error(), std::errc::too_many_files_open);
    int polls = 0;
    const auto counted = [&]() -> eddy::task<bool> {
        auto accepting = eddy::poll_fn([&](eddy::context& cx) {
            ++polls;
            return listener.poll_accept(cx);
        });
        auto answer = co_await accepting;
        co_return answer.has_value();
    };
    none.lift();
    EXPECT_TRUE(within(core, counted()));
    EXPECT_LE(polls, 3);
}

TEST(UnixListener, FromNativeNeedsListeningSocket) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    EXPECT_EQ(unix_listener::from_native(fd).error(), std::errc::invalid_argument);
    eddy::core core;
    auto made = unix_listener::bind(abstract_name("by hand"), core.handle()).value();
    const auto parts = within(core, std::move(made).into_native()).value();
    auto again = unix_listener::from_native(parts.native_handle);
    EXPECT_TRUE(again);
}

}  // namespace
