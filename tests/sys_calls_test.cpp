// SPDX-License-Identifier: MIT
// The wrappers of system calls, and what they make of values that sockets of the library do not have.
#include "sys/socket_option.hpp"

#include <gtest/gtest.h>

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <limits>
#include <system_error>

#include <eddy/io/async_fd.hpp>
#include <eddy/io/interest.hpp>
#include <eddy/io/readiness.hpp>
#include <eddy/net/socket_addr.hpp>

#include "support/selector.hpp"
#include "sys/accept_error.hpp"
#include "sys/sockaddr.hpp"
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
