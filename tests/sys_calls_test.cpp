// SPDX-License-Identifier: MIT
// The wrappers of system calls, and what they make of values that sockets of the library do not have.
#include "sys/socket_option.hpp"

#include <gtest/gtest.h>

#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <limits>
#include <optional>
#include <system_error>

#include <eddy/io/async_fd.hpp>
#include <eddy/io/interest.hpp>
#include <eddy/io/readiness.hpp>
#include <eddy/net/socket_addr.hpp>

#include "support/closed_input.hpp"
#include "support/selector.hpp"
#include "sys/accept_error.hpp"
#include "sys/bound_device.hpp"
#include "sys/linger.hpp"
#include "sys/multicast.hpp"
#include "sys/peer_credentials.hpp"
#include "sys/sockaddr.hpp"
#include "sys/socket_kind.hpp"
#include "sys/syscall.hpp"

namespace {

namespace net = eddy::net;
namespace sys = eddy::sys;
using eddy::detail::ready_now;
using eddy::io::interest;
using eddy::io::ready;

support::descriptor udp_socket() { return support::descriptor(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)); }

TEST(SysSocketOption, ByteOptionIsWrittenAndRead) {
    constexpr sys::socket_option hops{IPPROTO_IP, IP_MULTICAST_TTL, true};
    const auto socket = udp_socket();
    EXPECT_TRUE(sys::set_number(socket, hops, 5));
    EXPECT_EQ(sys::get_number(socket, hops).value(), 5u);
    EXPECT_EQ(sys::set_number(socket, hops, 256).error(), std::errc::invalid_argument);
    EXPECT_EQ(sys::get_number(socket, hops).value(), 5u);
}

TEST(SysSocketOption, OptionThatTheSystemLacksIsNotSupported) {
    constexpr sys::socket_option none{-1, 0};
    const auto socket = udp_socket();
    EXPECT_EQ(sys::get_flag(socket, none).error(), std::errc::not_supported);
    EXPECT_EQ(sys::set_flag(socket, none, true).error(), std::errc::not_supported);
    EXPECT_EQ(sys::get_number(socket, none).error(), std::errc::not_supported);
}

TEST(SysDescriptor, CallsOnAnInvalidDescriptorFail) {
    EXPECT_EQ(sys::access_mode(-1).error(), std::errc::bad_file_descriptor);
    EXPECT_EQ(sys::is_nonblocking(-1).error(), std::errc::bad_file_descriptor);
    EXPECT_EQ(sys::is_fifo(-1).error(), std::errc::bad_file_descriptor);
    EXPECT_EQ(sys::check_pollable(-1).error(), std::errc::bad_file_descriptor);
    EXPECT_EQ(sys::check_open(-1).error(), std::errc::bad_file_descriptor);
    EXPECT_EQ(sys::take_error(-1).error(), std::errc::bad_file_descriptor);
    EXPECT_EQ(sys::local_addr(-1).error(), std::errc::bad_file_descriptor);
    EXPECT_EQ(sys::kind_of_socket(-1).error(), std::errc::bad_file_descriptor);
    EXPECT_EQ(sys::is_listener(-1).error(), std::errc::bad_file_descriptor);
    EXPECT_EQ(sys::is_ipv6(-1).error(), std::errc::bad_file_descriptor);
    EXPECT_EQ(sys::peer_credentials(-1).error(), std::errc::bad_file_descriptor);
    EXPECT_EQ(sys::bound_device(-1).error(), std::errc::bad_file_descriptor);
    EXPECT_EQ(sys::multicast_interface(-1).error(), std::errc::bad_file_descriptor);
    EXPECT_EQ(sys::get_linger(-1).error(), std::errc::bad_file_descriptor);
    EXPECT_FALSE(sys::is_reset_at_close(-1));
}

TEST(SysDescriptor, PairsReportShortageOfDescriptors) {
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const rlimit none{0, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    const auto pipe = sys::make_pipe();
    const auto sockets = sys::unix_stream_pair();
    ::setrlimit(RLIMIT_NOFILE, &before);
    EXPECT_EQ(pipe.error(), std::errc::too_many_files_open);
    EXPECT_EQ(sockets.error(), std::errc::too_many_files_open);
}

// The first end gets the number of standard input, and there is no descriptor left that could replace it.
TEST(SysDescriptor, EndThatCannotChangeItsNumberIsClosed) {
    const support::closed_input no_input(1);
    for (int i = 0; i < 3; ++i) {
        const auto pipe = sys::make_pipe();
        ASSERT_FALSE(pipe);
        EXPECT_EQ(pipe.error(), std::errc::too_many_files_open);
        EXPECT_TRUE(no_input.is_free());
    }
}

TEST(SysDescriptor, EndsAboveTheStandardStreamsAreUsed) {
    const support::closed_input no_input(3);
    const auto pipe = sys::make_pipe();
    ASSERT_TRUE(pipe);
    EXPECT_GT(pipe->first.get(), STDERR_FILENO);
    EXPECT_GT(pipe->second.get(), STDERR_FILENO);
    EXPECT_TRUE(no_input.is_free());
}

TEST(SysSocketKind, SocketsOfOtherProtocolsAreOther) {
    EXPECT_EQ(sys::kind_of_socket(udp_socket()).value(), sys::socket_kind::udp);
    const support::descriptor packets(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    EXPECT_EQ(sys::kind_of_socket(packets).value(), sys::socket_kind::other);
    const support::descriptor netlink(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0));
    EXPECT_EQ(sys::kind_of_socket(netlink).value(), sys::socket_kind::other);
}

TEST(SysLinger, OnlyALimitOfZeroResetsAtClose) {
    const support::descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_FALSE(sys::is_reset_at_close(socket));
    EXPECT_TRUE(sys::set_linger(socket, std::chrono::seconds(5)));
    EXPECT_FALSE(sys::is_reset_at_close(socket));
    sys::reset_at_close(socket);
    EXPECT_TRUE(sys::is_reset_at_close(socket));
    EXPECT_TRUE(sys::set_linger(socket, std::nullopt));
    EXPECT_EQ(sys::get_linger(socket).value(), std::nullopt);
}

TEST(SysAddress, TruncatedAddressIsInvalid) {
    for (const auto& ip : {net::ip_addr(net::ipv4_addr::loopback()), net::ip_addr(net::ipv6_addr::loopback())}) {
        const auto native = sys::to_native(net::socket_addr(ip, 80));
        EXPECT_EQ(sys::from_native(native.get(), native.size).value(), net::socket_addr(ip, 80));
        EXPECT_EQ(sys::from_native(native.get(), native.size - 1).error(), std::errc::invalid_argument);
        EXPECT_EQ(sys::from_native(native.get(), 1).error(), std::errc::address_family_not_supported);
    }
}

TEST(SysAddress, AddressOfAnotherFamilyIsNotSupported) {
    const auto ip = sys::to_native(net::socket_addr(net::ipv4_addr::loopback(), 80));
    EXPECT_EQ(sys::unix_from_native(ip).error(), std::errc::address_family_not_supported);
    const auto path = sys::to_native(net::unix_addr());
    EXPECT_EQ(sys::from_native(path.get(), path.size).error(), std::errc::address_family_not_supported);
}

TEST(SysAccept, ErrorsOfOneConnectionAreKnown) {
    for (const int code :
         {ECONNABORTED, EPROTO, EPERM, ENETDOWN, ENOPROTOOPT, EHOSTDOWN, ENONET, EHOSTUNREACH, ENETUNREACH}) {
        EXPECT_TRUE(sys::is_of_lost_connection(std::error_code(code, std::generic_category()))) << code;
    }
    for (const int code : {EMFILE, ENFILE, ENOMEM, EBADF, EINVAL}) {
        EXPECT_FALSE(sys::is_of_lost_connection(std::error_code(code, std::generic_category()))) << code;
    }
}

TEST(SysReadyNow, ClosedDescriptorIsAnError) {
    constexpr int never_open = std::numeric_limits<int>::max();
    EXPECT_EQ(ready_now(never_open, interest::readable).error(), std::errc::bad_file_descriptor);
}

TEST(SysReadyNow, PipeWithoutReaderHasAnError) {
    auto pipe = support::pipe_pair();
    EXPECT_EQ(ready_now(pipe.theirs, interest::writable).value(), ready(ready::writable));
    pipe.ours.close();
    const auto now = ready_now(pipe.theirs, interest::writable).value();
    EXPECT_TRUE(now.is_error());
    EXPECT_TRUE(now.is_write_closed());
}

TEST(SysReadyNow, UrgentByteIsPriority) {
    const auto sockets = support::tcp_pair();
    EXPECT_TRUE(ready_now(sockets.ours, interest::priority).value().is_empty());
    support::send_text(sockets.theirs, "!", MSG_OOB);
    pollfd one{sockets.ours, POLLPRI, 0};
    ASSERT_EQ(::poll(&one, 1, 20'000), 1);
    EXPECT_TRUE(ready_now(sockets.ours, interest::priority).value().is_priority());
}

}  // namespace
