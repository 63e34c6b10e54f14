// SPDX-License-Identifier: MIT
// covers: I20.5.23
// runs: asan
#include <eddy/prelude.hpp>

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/socket.h>

#include <array>
#include <string>
#include <utility>

#include <support/net.hpp>
#include <support/temp_dir.hpp>

namespace {

using eddy::net::unix_addr;
using eddy::net::unix_socket;
using support::bytes_of;
using support::text_of;
using support::within;

// covers: P060
TEST(UnixSocket, ListensAndConnectsWithNames) {
    const support::leaves_no_descriptor guard;
    const support::temp_dir dir;
    eddy::core core;
    auto socket = unix_socket::stream().value();
    EXPECT_NE(::fcntl(socket.native_handle(), F_GETFL) & O_NONBLOCK, 0);
    EXPECT_NE(::fcntl(socket.native_handle(), F_GETFD) & FD_CLOEXEC, 0);
    socket.bind(dir / "server").value();
    EXPECT_EQ(socket.local_addr().value().as_path(), dir / "server");
    auto listener = std::move(socket).listen(16).value();
    auto client = unix_socket::stream().value();
    client.bind(dir / "client").value();
    auto stream = within(core, std::move(client).connect(listener.local_addr().value())).value();
    EXPECT_EQ(listener.take_error().value(), std::nullopt);
    auto accepted = within(core, listener.accept()).value();
    EXPECT_EQ(accepted.peer.as_path(), dir / "client");
    within(core, stream.write_all(bytes_of("hello"))).value();
    std::array<std::byte, 8> into{};
    EXPECT_EQ(within(core, accepted.stream.read(into)).value(), 5u);
    EXPECT_EQ(text_of(std::span(into).first(5)), "hello");
}

// covers: P060
TEST(UnixSocket, DatagramSocketsAnswerEachOther) {
    const support::temp_dir dir;
    eddy::core core;
    auto server = unix_socket::datagram().value();
    server.bind(dir / "server").value();
    auto receiver = std::move(server).into_datagram().value();
    auto socket = unix_socket::datagram().value();
    socket.bind(unix_addr()).value();  // a name that the system selects
    EXPECT_TRUE(socket.local_addr().value().as_abstract());
    auto client = std::move(socket).into_datagram().value();
    client.connect(dir / "server").value();
    within(core, client.send(bytes_of("ECHO"))).value();
    std::string text;
    const auto info = within(core, receiver.recv_buf_from(text)).value();
    within(core, receiver.send_to(bytes_of(text), info.from)).value();
    text.clear();
    EXPECT_EQ(within(core, client.recv_buf(text)).value(), 4u);
    EXPECT_EQ(text, "ECHO");
}

// covers: P060
TEST(UnixSocket, WrongKindIsRefused) {
    const support::leaves_no_descriptor guard;
    const support::temp_dir dir;
    eddy::core core;
    EXPECT_EQ(unix_socket::datagram().value().listen(16).error(), std::errc::wrong_protocol_type);
    EXPECT_EQ(within(core, unix_socket::datagram().value().connect(dir / "none")).error(),
              std::errc::wrong_protocol_type);
    EXPECT_EQ(unix_socket::stream().value().into_datagram().error(), std::errc::wrong_protocol_type);
}

// covers: P060
TEST(UnixSocket, ErrorsAreReportedAndCloseTheDescriptor) {
    const support::leaves_no_descriptor guard;
    const support::temp_dir dir;
    eddy::core core;
    auto first = unix_socket::stream().value();
    first.bind(dir / "one").value();
    auto second = unix_socket::stream().value();
    EXPECT_EQ(second.bind(dir / "one").error(), std::errc::address_in_use);
    EXPECT_EQ(second.bind("").error(), eddy::errc::bad_path);
    EXPECT_EQ(unix_socket::stream().value().listen(16).error(), std::errc::invalid_argument) << "it has no name";
    EXPECT_EQ(within(core, unix_socket::stream().value().connect(dir / "none")).error(),
              std::errc::no_such_file_or_directory);
    EXPECT_EQ(within(core, unix_socket::stream().value().connect("")).error(), eddy::errc::bad_path);
    EXPECT_EQ(within(core, std::move(second).connect(dir / "one")).error(), std::errc::connection_refused);
}

// covers: P060
TEST(UnixSocket, SendBufferSizeReadsBack) {
    const auto socket = unix_socket::datagram().value();
    socket.set_send_buffer_size(32'768).value();
    EXPECT_EQ(socket.send_buffer_size().value(), 65'536u);
    EXPECT_EQ(socket.set_send_buffer_size(0xffff'ffff).error(), std::errc::invalid_argument);
    EXPECT_EQ(socket.take_error().value(), std::nullopt);
}

// covers: P060
TEST(UnixSocket, FromNativeTakesUnixSocketsOnly) {
    const support::leaves_no_descriptor guard;
    for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
        const int fd = ::socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        EXPECT_EQ(unix_socket::from_native(fd).value().native_handle(), fd);
    }
    EXPECT_EQ(unix_socket::from_native(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)).error(),
              std::errc::wrong_protocol_type);
    EXPECT_EQ(unix_socket::from_native(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)).error(),
              std::errc::wrong_protocol_type);
    EXPECT_EQ(unix_socket::from_native(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)).error(),
              eddy::errc::blocking_descriptor);
    EXPECT_EQ(unix_socket::from_native(-1).error(), std::errc::bad_file_descriptor);
}

// covers: P060
TEST(UnixSocket, ConnectWithoutLoopThrowsMisuse) {
    auto connecting = unix_socket::stream().value().connect("/nowhere");
    EXPECT_THROW(static_cast<void>(eddy::wait(std::move(connecting))), eddy::misuse);
}

}  // namespace
