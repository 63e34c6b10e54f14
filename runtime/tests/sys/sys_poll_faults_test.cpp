// SPDX-License-Identifier: MIT
// runs: once, asan, kqueue
#include <eddy/sys/poll.hpp>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/event.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <system_error>
#include <utility>

#include <eddy/io/interest.hpp>
#include <eddy/io/readiness.hpp>

#include "support/kqueue/faults.hpp"
#include "support/runtime/selector.hpp"

// The selector of the BSDs when kqueue(2) and kevent(2) fail. The kqueue is the emulation in tests/support/kqueue.

namespace {

using namespace std::chrono_literals;
using eddy::io::interest;
using eddy::io::ready;
using eddy::sys::events;
using eddy::sys::poll;
using eddy::sys::token;
using eddy::sys::waker;
using support::deadline;
using support::next_kqueue_faults;
using support::pipe_pair;
using support::send_text;
using support::tcp_pair;
using support::unix_pair;

constexpr auto both = interest::readable | interest::writable;
constexpr unsigned added = EV_ADD;
constexpr unsigned removed = EV_DELETE;
constexpr unsigned looked_up = EV_ENABLE;  // registry asks with it whether a filter exists

struct SysPollFaults : testing::Test {
    ~SysPollFaults() override {
        EXPECT_TRUE(next_kqueue_faults.have_happened());
        next_kqueue_faults = {};
    }
    static void fail_change(int filter, unsigned flags, int error, bool fails_call = false) {
        next_kqueue_faults.changes.push_back({filter, flags, error, fails_call});
    }
    /// Returns the readiness that one wait reports.
    ready seen(std::optional<std::chrono::nanoseconds> timeout = 0ns) {
        events buffer(8);
        EXPECT_TRUE(queue.wait(buffer, timeout));
        ready all;
        for (const auto& one : buffer) all |= one.readiness();
        return all;
    }
    [[nodiscard]] auto add(int fd, interest wanted) const { return queue.registry().add(fd, token{1}, wanted); }
    [[nodiscard]] auto modify(int fd, interest wanted) const { return queue.registry().modify(fd, token{1}, wanted); }

    poll queue;
};

TEST_F(SysPollFaults, CreationErrorIsReported) {
    next_kqueue_faults.creation = ENOMEM;
    EXPECT_EQ(poll::make().error(), std::errc::not_enough_memory);
    next_kqueue_faults.creation = ENFILE;
    EXPECT_THROW(poll(), std::system_error);
}

TEST_F(SysPollFaults, FailedLookupChangesNothing) {
    const auto pipe = pipe_pair();
    for (const bool fails_call : {false, true}) {
        fail_change(EVFILT_READ, looked_up, ENOMEM, fails_call);
        EXPECT_EQ(add(pipe.ours, interest::readable).error(), std::errc::not_enough_memory);
        EXPECT_EQ(queue.registry().remove(pipe.ours).error(), std::errc::no_such_file_or_directory);
    }
    ASSERT_TRUE(add(pipe.ours, interest::readable));
    fail_change(EVFILT_READ, looked_up, ENOMEM);
    EXPECT_EQ(modify(pipe.ours, interest::writable).error(), std::errc::not_enough_memory);
    ASSERT_EQ(::write(pipe.theirs, "x", 1), 1);
    EXPECT_EQ(seen(), ready::readable);
}

TEST_F(SysPollFaults, FailedAddLeavesNoFilter) {
    const auto stream = unix_pair();
    send_text(stream.theirs, "x");
    for (const bool fails_call : {false, true}) {
        fail_change(EVFILT_WRITE, added, ENOMEM, fails_call);
        EXPECT_EQ(add(stream.ours, both).error(), std::errc::not_enough_memory);
        EXPECT_EQ(seen(), ready());
    }
    ASSERT_TRUE(add(stream.ours, both));
    EXPECT_EQ(seen(), ready::readable | ready::writable);
}

TEST_F(SysPollFaults, ModifyReportsFilterThatIsNotRemoved) {
    const auto stream = unix_pair();
    ASSERT_TRUE(add(stream.ours, both));
    fail_change(EVFILT_WRITE, removed, EACCES);
    EXPECT_EQ(modify(stream.ours, interest::readable).error(), std::errc::permission_denied);
    ASSERT_TRUE(modify(stream.ours, interest::readable));
    EXPECT_EQ(seen(), ready());
}

TEST_F(SysPollFaults, RemoveReportsFilterThatIsNotRemoved) {
    const auto stream = unix_pair();
    ASSERT_TRUE(add(stream.ours, both));
    fail_change(EVFILT_WRITE, removed, EACCES);
    EXPECT_EQ(queue.registry().remove(stream.ours).error(), std::errc::permission_denied);
    EXPECT_TRUE(queue.registry().remove(stream.ours));
    EXPECT_EQ(queue.registry().remove(stream.ours).error(), std::errc::no_such_file_or_directory);
}

TEST_F(SysPollFaults, OnlyPriorityInterestNeedsPriorityFilter) {
    const auto stream = tcp_pair();
    fail_change(EVFILT_EXCEPT, added, EINVAL);
    ASSERT_TRUE(add(stream.ours, interest::readable | interest::priority));
    send_text(stream.theirs, "x");
    EXPECT_EQ(seen(deadline), ready::readable);
    ASSERT_TRUE(queue.registry().remove(stream.ours));
    fail_change(EVFILT_EXCEPT, added, EINVAL);
    EXPECT_EQ(add(stream.ours, interest::priority).error(), std::errc::invalid_argument);
}

TEST_F(SysPollFaults, WaitReportsErrorAndWorksAfterwards) {
    const auto stream = unix_pair();
    ASSERT_TRUE(add(stream.ours, interest::writable));
    events buffer(8);
    next_kqueue_faults.wait = ENOMEM;
    EXPECT_EQ(queue.wait(buffer, deadline).error(), std::errc::not_enough_memory);
    EXPECT_TRUE(buffer.empty());
    EXPECT_EQ(seen(deadline), ready::writable);
}

TEST_F(SysPollFaults, InterruptedWaitContinues) {
    const auto stream = unix_pair();
    ASSERT_TRUE(add(stream.ours, interest::writable));
    next_kqueue_faults.wait = EINTR;
    EXPECT_EQ(seen(deadline), ready::writable);
    next_kqueue_faults.wait = EINTR;
    EXPECT_EQ(seen(0ns), ready());
}

TEST_F(SysPollFaults, WakerReportsMissingFilter) {
    for (const bool fails_call : {false, true}) {
        fail_change(EVFILT_USER, added, ENOMEM, fails_call);
        EXPECT_EQ(waker::make(queue.registry(), token{7}).error(), std::errc::not_enough_memory);
    }
}

TEST_F(SysPollFaults, WakerReportsShortageOfDescriptors) {
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const rlimit none{0, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    const auto made = waker::make(queue.registry(), token{7});
    ::setrlimit(RLIMIT_NOFILE, &before);
    // F_DUPFD refuses a lowest number that is not below the limit.
    EXPECT_EQ(made.error(), std::errc::invalid_argument);
}

TEST_F(SysPollFaults, MovedFromWakerReportsBadDescriptor) {
    auto first = waker::make(queue.registry(), token{7}).value();
    const auto second = std::move(first);
    EXPECT_EQ(first.wake().error(), std::errc::bad_file_descriptor);
    EXPECT_EQ(seen(), ready());
    EXPECT_TRUE(second.wake());
    EXPECT_EQ(seen(), ready::readable);
}

// A forked child has no kqueue, so the number of the waker's descriptor is free there.
TEST_F(SysPollFaults, WakerInForkedChildClosesNoOtherFile) {
    std::optional<waker> made = waker::make(queue.registry(), token{7}).value();
    const int number = ::fcntl(queue.native_handle(), F_DUPFD_CLOEXEC, 0) - 1;
    ASSERT_GE(::fcntl(number, F_GETFD), 0) << "the number of the waker's descriptor";
    ::close(number + 1);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        const bool was_free = ::fcntl(number, F_GETFD) < 0 && ::dup2(STDERR_FILENO, number) == number;
        made.reset();
        ::_exit(was_free && ::fcntl(number, F_GETFD) >= 0 ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0) << "the destructor has closed a file of the child";
    EXPECT_TRUE(made->wake());
    EXPECT_EQ(seen(), ready::readable);
}

}  // namespace
