// SPDX-License-Identifier: MIT
// The wrappers of system calls, and what they make of values that sockets of the library do not have.
#include "sys/socket_option.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/error.hpp>
#include <eddy/io/async_fd.hpp>
#include <eddy/io/interest.hpp>
#include <eddy/io/readiness.hpp>
#include <eddy/net/socket_addr.hpp>
#include <eddy/sys/poll.hpp>

#include "support/emulated.hpp"
#include "support/runtime/closed_input.hpp"
#include "support/runtime/selector.hpp"
#include "support/self_assignment.hpp"
#include "sys/accept_error.hpp"
#include "sys/bound_device.hpp"
#include "sys/linger.hpp"
#include "sys/multicast.hpp"
#include "sys/peer_credentials.hpp"
#include "sys/signals.hpp"
#include "sys/sockaddr.hpp"
#include "sys/socket_kind.hpp"
#include "sys/stack.hpp"
#include "sys/syscall.hpp"
#include "sys/thread.hpp"
#ifdef __linux__
#include <sys/syscall.h>

#include "support/deny_io_uring.hpp"
#endif

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
    if (!support::is_emulated()) {  // qemu-user lacks the option
        EXPECT_EQ(sys::multicast_interface(-1).error(), std::errc::bad_file_descriptor);
    }
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
TEST(SysDescriptor, EndThatCannotLeaveStandardRangeIsClosed) {
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

TEST(SysSocketKind, SocketsOfUnknownProtocolsHaveKindOther) {
    EXPECT_EQ(sys::kind_of_socket(udp_socket()).value(), sys::socket_kind::udp);
    const support::descriptor packets(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    EXPECT_EQ(sys::kind_of_socket(packets).value(), sys::socket_kind::other);
#ifdef __linux__
    const support::descriptor netlink(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0));
    EXPECT_EQ(sys::kind_of_socket(netlink).value(), sys::socket_kind::other);
#endif
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

TEST(SysAccept, ErrorsOfLostConnectionsAreRecognized) {
    std::vector<int> all{ECONNABORTED, EPROTO};
#ifdef __linux__
    all.insert(all.end(), {EPERM, ENETDOWN, ENOPROTOOPT, EHOSTDOWN, ENONET, EHOSTUNREACH, ENETUNREACH});
#endif
    for (const int code : all) {
        EXPECT_TRUE(sys::is_of_lost_connection(std::error_code(code, std::generic_category()))) << code;
    }
    for (const int code : {EMFILE, ENFILE, ENOMEM, EBADF, EINVAL}) {
        EXPECT_FALSE(sys::is_of_lost_connection(std::error_code(code, std::generic_category()))) << code;
    }
}

TEST(SysPoll, AssignmentClosesTheFormerQueue) {
    sys::poll kept;
    const int former = kept.native_handle();
    sys::poll other;
    const int number = other.native_handle();
    const auto pipe = support::pipe_pair();
    ASSERT_TRUE(other.registry().add(pipe.theirs, sys::token{7}, interest::writable));
    kept = std::move(other);
    EXPECT_EQ(kept.native_handle(), number);
    EXPECT_EQ(::fcntl(former, F_GETFD), -1);
    support::assign_to_itself(kept);
    EXPECT_EQ(kept.native_handle(), number);
    sys::events buffer(1);
    ASSERT_EQ(kept.wait(buffer, support::deadline).value(), 1u);
    EXPECT_EQ(buffer[0].token(), sys::token{7});
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

// ---- System calls that a seccomp filter denies ----

#ifdef __linux__

/// The tests expect that qemu-user does not emulate the processor, because it has no seccomp filters.
class SysDenied : public testing::Test {
protected:
    void SetUp() override {
        if (support::is_emulated()) GTEST_SKIP() << "qemu-user has no seccomp filters";
    }
    /// Runs `work` on a thread on which `calls` fail with `error`.
    template <class Work>
    static void without(std::initializer_list<unsigned> calls, int error, Work work) {
        ASSERT_TRUE(support::run_without(calls, error, work));
    }
};

TEST_F(SysDenied, ReadinessReportsErrorOfPoll) {
    const auto pipe = support::pipe_pair();
#if defined(SYS_poll)
    constexpr unsigned plain_poll = SYS_poll;
#else
    constexpr unsigned plain_poll = SYS_ppoll;
#endif
    without({plain_poll, SYS_ppoll}, ENOMEM,
            [&] { EXPECT_EQ(ready_now(pipe.ours, interest::readable).error(), std::errc::not_enough_memory); });
}

TEST_F(SysDenied, SignalWhoseHandlerIsRefusedIsNotCounted) {
    without({SYS_rt_sigaction}, EPERM, [] {
        for (int i = 0; i < 2; ++i) EXPECT_EQ(sys::count_signal(SIGURG).error(), std::errc::operation_not_permitted);
    });
    // The C library reserves a few signals, for which sigaction(2) returns this error.
    without({SYS_rt_sigaction}, EINVAL,
            [] { EXPECT_EQ(sys::count_signal(SIGURG).error(), eddy::errc::forbidden_signal); });
    EXPECT_EQ(sys::signals_counted(SIGURG), 0u);
}

TEST_F(SysDenied, OpenBellReportsDescriptorShortage) {
    without({SYS_eventfd2}, EMFILE, [] {
        for (int i = 0; i < 2; ++i) EXPECT_EQ(sys::open_bell(SIGURG).error(), std::errc::too_many_files_open);
    });
    auto* const bell = sys::open_bell(SIGURG).value();
    EXPECT_GE(sys::descriptor_of(*bell), 0);
    sys::close_bell(*bell);
}

TEST_F(SysDenied, ProcessorCountIsPositiveIfAffinityIsUnknown) {
    without({SYS_sched_getaffinity}, EINVAL, [] { EXPECT_GE(sys::processor_count(), 1u); });
}

TEST_F(SysDenied, WakerReportsThatItCannotBeAdded) {
    const sys::poll queue;
    without({SYS_epoll_ctl}, ENOSPC, [&] {
        EXPECT_EQ(sys::waker::make(queue.registry(), sys::token{1}).error(), std::errc::no_space_on_device);
    });
}

TEST_F(SysDenied, WakerReportsThatItCannotResetItsFullCounter) {
    const sys::poll queue;
    const auto waker = sys::waker::make(queue.registry(), sys::token{1}).value();
    const std::uint64_t largest = std::numeric_limits<std::uint64_t>::max() - 1;
    ASSERT_EQ(::write(waker.native_handle(), &largest, sizeof largest), ssize_t{sizeof largest});
    without({SYS_read}, EPERM, [&] { EXPECT_EQ(waker.wake().error(), std::errc::operation_not_permitted); });
    EXPECT_TRUE(waker.wake());
}

TEST_F(SysDenied, ConnectThatASignalInterruptsIsInProgress) {
    const auto socket = udp_socket();
    without({SYS_connect}, EINTR, [&] {
        EXPECT_EQ(sys::connect(socket, net::socket_addr(net::ipv4_addr::loopback(), 9)),
                  std::errc::operation_in_progress);
    });
}

TEST_F(SysDenied, StackIsUnknownIfItsAttributesCannotBeRead) {
    // Not the main thread, whose stack may have no limit.
    std::thread([] { EXPECT_GT(sys::stack_of_this_thread().size, 0u); }).join();
    without({SYS_sched_getaffinity}, EPERM, [] { EXPECT_EQ(sys::stack_of_this_thread().size, 0u); });
}

TEST_F(SysDenied, SocketKindReportsErrorOfGetsockopt) {
    // The filter cannot tell the options apart, so only the first one is denied here.
    const auto socket = udp_socket();
    without({SYS_getsockopt}, EACCES, [&] {
        EXPECT_EQ(sys::kind_of_socket(socket).error(), std::errc::permission_denied);
        EXPECT_EQ(sys::is_ipv6(socket).error(), std::errc::permission_denied);
    });
}

TEST_F(SysDenied, DescriptorWhoseStatusFailsIsNotAFile) {
    const support::descriptor file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    EXPECT_TRUE(sys::is_file(file));
    without({SYS_fstat, SYS_newfstatat}, EIO, [&] {
        EXPECT_FALSE(sys::is_file(file));
        EXPECT_EQ(sys::check_pollable(file).error(), std::errc::io_error);
    });
}

#endif

}  // namespace
