// SPDX-License-Identifier: MIT
#include <eddy/sys/poll.hpp>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <iterator>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/error.hpp>
#include <eddy/io/interest.hpp>
#include <eddy/io/readiness.hpp>

#include "support/emulated.hpp"
#include "support/polling.hpp"
#include "support/runtime/selector.hpp"
#ifdef __linux__
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#endif

// The selector alone: registrations, events, timeouts and its waker. The executable kqueue_poll_tests contains the
// selector of the BSDs, over an emulation of kqueue(2).

namespace {

using namespace std::chrono_literals;
using eddy::io::interest;
using eddy::io::ready;
using eddy::sys::event;
using eddy::sys::events;
using eddy::sys::poll;
using eddy::sys::token;
using eddy::sys::waker;
using std::chrono::nanoseconds;
using clock_type = std::chrono::steady_clock;
using support::deadline;
using support::descriptor;
using support::pair;
using support::pipe_pair;
using support::send_text;
using support::tcp_pair;
using support::unix_pair;
using support::waiting_thread;

constexpr auto both = interest::readable | interest::writable;

#if defined(EDDY_TEST_KQUEUE_POLL) || !defined(__linux__)
constexpr bool is_kqueue = true;
#else
constexpr bool is_kqueue = false;
#endif

// ---- Waiting ----

/// Checks that readiness() agrees with the queries of the single flags.
void expect_consistent(const event& one) {
    ready expected;
    if (one.is_readable()) expected |= ready::readable;
    if (one.is_writable()) expected |= ready::writable;
    if (one.is_read_closed()) expected |= ready::read_closed;
    if (one.is_write_closed()) expected |= ready::write_closed;
    if (one.is_error()) expected |= ready::error;
    if (one.is_priority()) expected |= ready::priority;
    EXPECT_EQ(one.readiness().bits(), expected.bits());
}

/// Waits for one event, and checks that it is the only one.
event next_event(poll& queue) {
    events buffer(8);
    EXPECT_EQ(queue.wait(buffer, deadline), 1u);
    if (buffer.empty()) return {};
    expect_consistent(buffer[0]);
    return buffer[0];
}

/// Waits for the events of the only source, and returns what they report. A kqueue has one event per direction.
ready next_readiness(poll& queue) {
    events buffer(8);
    EXPECT_TRUE(queue.wait(buffer, deadline));
    ready seen;
    for (const auto& one : buffer) seen |= one.readiness();
    return seen;
}

/// Waits until the source with the token `name` has reported all of `wanted`.
void expect_ready(poll& queue, token name, ready wanted) {
    events buffer(8);
    ready seen;
    while (!seen.contains(wanted)) {
        const auto count = queue.wait(buffer, deadline);
        ASSERT_TRUE(count && *count > 0) << "wanted " << +wanted.bits() << ", seen only " << +seen.bits();
        for (const auto& one : buffer) {
            expect_consistent(one);
            EXPECT_EQ(one.token(), name);
            seen |= one.readiness();
        }
    }
}

void expect_nothing(poll& queue) {
    events buffer(8);
    EXPECT_EQ(queue.wait(buffer, 0ns), 0u);
    EXPECT_TRUE(buffer.empty());
}

nanoseconds time_of_empty_wait(poll& queue, nanoseconds timeout) {
    events buffer(1);
    const auto start = clock_type::now();
    EXPECT_EQ(queue.wait(buffer, timeout), 0u);
    return clock_type::now() - start;
}

nanoseconds processor_time() {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return std::chrono::seconds(now.tv_sec) + nanoseconds(now.tv_nsec);
}

/// Waits repeatedly, for 1 ns to 1.5 ms. A wait must neither end early nor spin.
void expect_short_waits_to_sleep(poll& queue) {
    const auto start = clock_type::now();
    const auto processor_start = processor_time();
    for (int i = 0; i < 20; ++i) {
        for (const nanoseconds timeout : {1ns, 300'000ns, 999'000ns, 1'500'000ns}) {
            EXPECT_GE(time_of_empty_wait(queue, timeout), timeout);
        }
    }
    EXPECT_LT(2 * (processor_time() - processor_start), clock_type::now() - start);
}

// ---- Registering ----

// covers: S80
TEST(SysPoll, ReportsTokenOfReadySource) {
    poll queue;
    const auto idle = unix_pair(), busy = unix_pair();
    ASSERT_TRUE(queue.registry().add(idle.ours, token{1}, interest::readable));
    ASSERT_TRUE(queue.registry().add(busy.ours, token{~0ull}, interest::readable));
    expect_nothing(queue);

    send_text(busy.theirs, "x");
    const auto one = next_event(queue);
    EXPECT_EQ(one.token(), token{~0ull});
    EXPECT_TRUE(one.is_readable());
    EXPECT_FALSE(one.is_writable() || one.is_error() || one.is_read_closed() || one.is_write_closed());
}

TEST(SysPoll, AddReportsCurrentReadiness) {
    poll queue;
    const auto stream = unix_pair();
    send_text(stream.theirs, "x");
    ASSERT_TRUE(queue.registry().add(stream.ours, token{1}, both));
    EXPECT_EQ(next_readiness(queue), ready::readable | ready::writable);
}

TEST(SysPoll, ReportsEachEdgeOnce) {
    poll queue;
    const auto stream = unix_pair();
    ASSERT_TRUE(queue.registry().add(stream.ours, token{1}, interest::readable));
    send_text(stream.theirs, "x");
    EXPECT_TRUE(next_event(queue).is_readable());
    expect_nothing(queue);  // the byte is still unread

    send_text(stream.theirs, "y");
    EXPECT_TRUE(next_event(queue).is_readable());
}

// covers: S80 R011
TEST(SysPoll, AddingTheSameDescriptorTwiceFails) {
    poll queue;
    const auto stream = unix_pair();
    ASSERT_TRUE(queue.registry().add(stream.ours, token{1}, interest::readable));
    EXPECT_EQ(queue.registry().add(stream.ours, token{2}, both).error(), std::errc::file_exists);

    send_text(stream.theirs, "x");
    const auto one = next_event(queue);
    EXPECT_TRUE(one.token() == token{1} && !one.is_writable()) << "the second add() changed the first";
}

// covers: R010
TEST(SysPoll, FilesAndDirectoriesAreRefused) {
    poll queue;
    const descriptor file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    const descriptor directory(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (int i = 0; i < 10'000; ++i) {
        ASSERT_EQ(queue.registry().add(file, token{1}, both).error(), std::errc::operation_not_permitted);
        ASSERT_EQ(queue.registry().add(directory, token{1}, both).error(), std::errc::operation_not_permitted);
    }
    expect_nothing(queue);
}

TEST(SysPoll, UnknownDescriptorsAreErrors) {
    poll queue;
    const auto stream = unix_pair();
    const auto registry = queue.registry();
    EXPECT_EQ(registry.modify(stream.ours, token{1}, both).error(), std::errc::no_such_file_or_directory);
    EXPECT_EQ(registry.remove(stream.ours).error(), std::errc::no_such_file_or_directory);
    EXPECT_EQ(registry.add(-1, token{1}, both).error(), std::errc::bad_file_descriptor);
}

TEST(SysPoll, ModifyReplacesTokenAndInterest) {
    poll queue;
    const auto stream = unix_pair();
    ASSERT_TRUE(queue.registry().add(stream.ours, token{1}, interest::readable));
    ASSERT_TRUE(queue.registry().modify(stream.ours, token{1}, interest::readable));
    ASSERT_TRUE(queue.registry().modify(stream.ours, token{2}, interest::writable));
    send_text(stream.theirs, "x");
    const auto one = next_event(queue);
    EXPECT_EQ(one.token(), token{2});
    EXPECT_EQ(one.readiness(), ready::writable);
}

TEST(SysPoll, ModifyWithdrawsUnfetchedEvent) {
    poll queue;
    const auto pipe = pipe_pair();
    ASSERT_TRUE(queue.registry().add(pipe.ours, token{1}, interest::readable));
    ASSERT_EQ(::write(pipe.theirs, "x", 1), 1);
    ASSERT_TRUE(queue.registry().modify(pipe.ours, token{1}, interest::writable));
    expect_nothing(queue);
}

TEST(SysPoll, ModifyReportsCurrentReadinessAgain) {
    poll queue;
    const auto stream = unix_pair();
    ASSERT_TRUE(queue.registry().add(stream.ours, token{1}, interest::readable));
    send_text(stream.theirs, "x");
    EXPECT_EQ(next_event(queue).token(), token{1});
    ASSERT_TRUE(queue.registry().modify(stream.ours, token{2}, interest::readable));
    EXPECT_EQ(next_event(queue).token(), token{2});
}

TEST(SysPoll, RemovedSourceIsSilentAndMayBeAddedAgain) {
    poll queue;
    const auto stream = unix_pair();
    ASSERT_TRUE(queue.registry().add(stream.ours, token{1}, both));
    ASSERT_TRUE(queue.registry().remove(stream.ours));
    send_text(stream.theirs, "x");
    expect_nothing(queue);

    ASSERT_TRUE(queue.registry().add(stream.ours, token{2}, interest::readable));
    EXPECT_EQ(next_event(queue).token(), token{2});
}

TEST(SysPoll, ClosedSourceReportsNothing) {
    poll queue;
    auto stream = unix_pair();
    ASSERT_TRUE(queue.registry().add(stream.ours, token{1}, both));
    stream.ours.close();
    expect_nothing(queue);
}

// covers: R007
TEST(SysPoll, RemoveBeforeCloseSilencesDuplicate) {
    poll queue;
    auto pipe = pipe_pair();
    const descriptor duplicate(::dup(pipe.ours));
    ASSERT_TRUE(queue.registry().add(pipe.ours, token{1}, interest::readable));
    ASSERT_TRUE(queue.registry().remove(pipe.ours));
    pipe.ours.close();
    ASSERT_EQ(::write(pipe.theirs, "x", 1), 1);
    expect_nothing(queue);
}

TEST(SysPoll, SourcesMayBeAddedOnAnyThread) {
    poll queue;
    const auto registry = queue.registry();
    const std::array<pair, 3> streams = {unix_pair(), unix_pair(), unix_pair()};
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < streams.size(); ++i) {
        threads.emplace_back([&, i] {
            const int fd = streams[i].ours;
            EXPECT_TRUE(registry.add(fd, token{99}, interest::readable));
            EXPECT_TRUE(registry.remove(fd));
            EXPECT_TRUE(registry.add(fd, token{99}, interest::readable));
            EXPECT_TRUE(registry.modify(fd, token{i}, interest::writable));
        });
    }
    for (auto& thread : threads) thread.join();

    std::array<int, 3> seen{};
    events buffer(8);
    EXPECT_EQ(queue.wait(buffer, deadline), 3u);
    for (const auto& one : buffer) ++seen.at(one.token().value);
    EXPECT_EQ(seen, (std::array{1, 1, 1}));
}

TEST(SysPoll, SourceAddedDuringWaitEndsWait) {
    poll queue;
    const auto stream = unix_pair();
    waiting_thread waiting(queue, std::nullopt);
    ASSERT_TRUE(queue.registry().add(stream.ours, token{1}, interest::writable));
    EXPECT_EQ(waiting.join(), 1u);
}

// ---- Closing, errors, urgent data ----

// covers: R005
TEST(SysPoll, HalfCloseReportsReadClosedOnly) {
    for (const auto& make : {unix_pair, tcp_pair}) {
        poll queue;
        const auto stream = make();
        ASSERT_TRUE(queue.registry().add(stream.ours, token{1}, both));
        ASSERT_EQ(::shutdown(stream.theirs, SHUT_WR), 0);
        expect_ready(queue, token{1}, ready::readable | ready::read_closed);

        ASSERT_TRUE(queue.registry().modify(stream.ours, token{2}, both));
        const ready now = next_readiness(queue);
        EXPECT_TRUE(now.contains(ready::read_closed | ready::writable));
        EXPECT_FALSE(now.intersects(ready::write_closed | ready::error));
        send_text(stream.ours, "still there");
    }
}

TEST(SysPoll, OwnShutdownDoesNotReportReadClosed) {
    poll queue;
    const auto stream = tcp_pair();
    ASSERT_EQ(::shutdown(stream.ours, SHUT_WR), 0);
    send_text(stream.theirs, "x");
    ASSERT_TRUE(queue.registry().add(stream.ours, token{1}, both));
    expect_ready(queue, token{1}, ready::readable);
    ASSERT_TRUE(queue.registry().modify(stream.ours, token{2}, both));
    EXPECT_FALSE(next_readiness(queue).intersects(ready::read_closed));
}

// covers: R004
TEST(SysPoll, HangUpReportsBothDirectionsClosed) {
    for (const auto& make : {unix_pair, tcp_pair}) {
        for (const auto wanted : {interest::readable, interest::writable}) {
            poll queue;
            auto stream = make();
            ASSERT_TRUE(queue.registry().add(stream.ours, token{1}, wanted));
            if (wanted == interest::writable) expect_ready(queue, token{1}, ready::writable);
            // A reset: the peer closes with a byte unread.
            send_text(stream.ours, "unread");
            stream.theirs.close();
            // A kqueue reports a direction only to those that wait for it.
            const auto closed = wanted == interest::readable ? ready::read_closed : ready::write_closed;
            expect_ready(queue, token{1}, is_kqueue ? closed : ready::read_closed | ready::write_closed);
        }
    }
}

// covers: R004
TEST(SysPoll, PipeReaderSeesWriterClose) {
    poll queue;
    auto pipe = pipe_pair();
    ASSERT_TRUE(queue.registry().add(pipe.ours, token{1}, interest::readable));
    pipe.theirs.close();
    const auto one = next_event(queue);
    EXPECT_TRUE(one.is_read_closed() && one.readiness().satisfies(interest::readable));
}

// covers: R004
TEST(SysPoll, PipeWriterSeesReaderClose) {
    poll queue;
    auto pipe = pipe_pair();
    ASSERT_TRUE(queue.registry().add(pipe.theirs, token{1}, interest::writable));
    expect_ready(queue, token{1}, ready::writable);
    pipe.ours.close();
    const auto one = next_event(queue);
    EXPECT_TRUE(one.is_error() && one.is_write_closed() && !one.is_read_closed());
    EXPECT_TRUE(one.readiness().satisfies(interest::writable));
}

// covers: R004
TEST(SysPoll, FullPipeReportsReaderClose) {
    poll queue;
    auto pipe = pipe_pair();
    const std::array<char, 4096> page{};
    while (::write(pipe.theirs, page.data(), page.size()) > 0) continue;
    ASSERT_TRUE(queue.registry().add(pipe.theirs, token{1}, interest::writable));
    expect_nothing(queue);
    pipe.ours.close();
    EXPECT_TRUE(next_event(queue).is_write_closed());
}

TEST(SysPoll, UrgentDataIsReportedOnlyForPriorityInterest) {
    poll queue, other_queue;
    const auto stream = tcp_pair();
    ASSERT_TRUE(queue.registry().add(stream.ours, token{1}, interest::priority));
    ASSERT_TRUE(other_queue.registry().add(stream.ours, token{1}, interest::readable));
    send_text(stream.theirs, "!", MSG_OOB);
    expect_ready(queue, token{1}, ready::priority);
    // An urgent byte alone is not readable data. But Linux calls a socket readable while TCP is short of memory, which
    // other programs can cause (tcp_rmem_pressure()).
    events seen(8);
    EXPECT_TRUE(other_queue.wait(seen, 0ns));
    for (const auto& one : seen) EXPECT_EQ(one.readiness().bits(), ready(ready::readable).bits());
}

// ---- Events ----

TEST(SysPoll, EventsBeyondCapacityAreReturnedByNextWait) {
    poll queue;
    const std::array<pair, 3> streams = {unix_pair(), unix_pair(), unix_pair()};
    for (std::size_t i = 0; i < streams.size(); ++i) {
        ASSERT_TRUE(queue.registry().add(streams[i].ours, token{i}, interest::writable));
    }
    std::array<int, 3> seen{};
    events buffer(1);
    for (std::size_t i = 0; i < streams.size(); ++i) {
        ASSERT_EQ(queue.wait(buffer, deadline), 1u);
        ++seen.at(buffer[0].token().value);
    }
    EXPECT_EQ(seen, (std::array{1, 1, 1}));
    EXPECT_EQ(queue.wait(buffer, 0ns), 0u);
}

TEST(SysPoll, WaitClearsPreviousEvents) {
    poll queue;
    const auto stream = unix_pair();
    ASSERT_TRUE(queue.registry().add(stream.ours, token{1}, interest::writable));
    events buffer(4);
    EXPECT_EQ(queue.wait(buffer, deadline), 1u);
    EXPECT_EQ(queue.wait(buffer, 0ns), 0u);
    EXPECT_TRUE(buffer.empty() && buffer.begin() == buffer.end() && buffer.capacity() == 4);
}

TEST(SysPoll, EventsWithoutCapacityThrowsMisuse) {
    support::expect_misuse_here([] { static_cast<void>(events(0)); });
}

// ---- Timeouts ----

// covers: R021
TEST(SysPoll, ZeroTimeoutDoesNotWait) {
    poll queue;
    const auto start = clock_type::now();
    for (int i = 0; i < 100; ++i) expect_nothing(queue);
    for (const auto past : {-1ns, -1'000'000'000ns, nanoseconds::min()}) time_of_empty_wait(queue, past);
    EXPECT_LT(clock_type::now() - start, 1s);
}

TEST(SysPoll, ZeroTimeoutReportsPendingEvents) {
    poll queue;
    const auto stream = unix_pair();
    ASSERT_TRUE(queue.registry().add(stream.ours, token{1}, interest::writable));
    events buffer(4);
    EXPECT_EQ(queue.wait(buffer, 0ns), 1u);
}

// covers: R021
TEST(SysPoll, ShortTimeoutSleepsFullTime) {
    poll queue;
    expect_short_waits_to_sleep(queue);
}

// covers: R021
TEST(SysPoll, HugeTimeoutWaitsUntilWoken) {
    poll queue;
    const auto wake_up = waker::make(queue.registry(), token{1});
    ASSERT_TRUE(wake_up);
    const std::optional<nanoseconds> huge[] = {24 * 25h, 24h * 365 * 100, nanoseconds::max(), std::nullopt};
    for (const auto timeout : huge) {
        waiting_thread waiting(queue, timeout);
        EXPECT_FALSE(waiting.ended());
        EXPECT_TRUE(wake_up->wake());
        EXPECT_EQ(waiting.join(), 1u);
    }
}

TEST(SysPoll, SignalDoesNotEndWait) {
    struct sigaction quiet{}, before{};
    quiet.sa_handler = [](int) {};  // without SA_RESTART, which epoll ignores in any case
    ASSERT_EQ(::sigaction(SIGUSR1, &quiet, &before), 0);
    poll queue;
    const auto wake_up = waker::make(queue.registry(), token{1});
    const std::optional<nanoseconds> timeouts[] = {deadline, nanoseconds::max(), std::nullopt};
    for (const auto timeout : timeouts) {
        waiting_thread waiting(queue, timeout);
        for (int i = 0; i < 10; ++i) {
            waiting.signal(SIGUSR1);
            waiting.wait_until_blocked();
        }
        EXPECT_FALSE(waiting.ended());
        EXPECT_TRUE(wake_up->wake());
        EXPECT_EQ(waiting.join(), 1u);
    }
    ::sigaction(SIGUSR1, &before, nullptr);
}

#ifdef __linux__

/// Makes epoll_pwait2 fail in this process from now on, as on an old kernel (ENOSYS) or in an old container (EPERM).
bool forbid_epoll_pwait2(int error) {
    constexpr std::uint32_t epoll_pwait2 = 441;
    sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, epoll_pwait2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog filter{std::size(program), program};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

/// Exits with 0 if waiting works when epoll_pwait2 fails with `error`.
[[noreturn]] void wait_without_epoll_pwait2(int error) {
    if (!forbid_epoll_pwait2(error)) std::_Exit(2);
    poll queue;
    expect_short_waits_to_sleep(queue);
    const auto wake_up = waker::make(queue.registry(), token{7});
    {
        waiting_thread waiting(queue, nanoseconds::max());
        EXPECT_TRUE(wake_up->wake());
        EXPECT_EQ(waiting.join(), 1u);
    }
    std::_Exit(testing::Test::HasFailure() ? 1 : 0);
}

// covers: R021
TEST(SysPollDeathTest, WithoutEpollPwait2TimeoutsAreRoundedUp) {
    if (support::is_emulated()) GTEST_SKIP() << "qemu-user has no seccomp filters";
    if (is_kqueue) GTEST_SKIP() << "a kqueue needs no epoll_pwait2(2)";
    EXPECT_EXIT(wait_without_epoll_pwait2(ENOSYS), testing::ExitedWithCode(0), "");
    EXPECT_EXIT(wait_without_epoll_pwait2(EPERM), testing::ExitedWithCode(0), "");
}

#endif

// ---- The waker ----

// covers: S80
TEST(SysPollWaker, WakeBeforeWaitIsNotLost) {
    poll queue;
    const auto wake_up = waker::make(queue.registry(), token{10});
    ASSERT_TRUE(wake_up && wake_up->wake());
    const auto one = next_event(queue);
    EXPECT_EQ(one.token(), token{10});
    EXPECT_TRUE(one.is_readable());
}

TEST(SysPollWaker, ManyWakesAreOneEvent) {
    poll queue;
    const auto wake_up = waker::make(queue.registry(), token{10});
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(wake_up->wake());
    EXPECT_EQ(next_event(queue).token(), token{10});
    expect_nothing(queue);
}

// covers: R018
TEST(SysPollWaker, SecondWakeNeedsNoDrain) {
    poll queue;
    const auto wake_up = waker::make(queue.registry(), token{10});
    std::atomic<int> turn = 1;
    std::thread other([&] {
        EXPECT_TRUE(wake_up->wake());
        turn.wait(1);
        EXPECT_TRUE(wake_up->wake());
    });
    EXPECT_EQ(next_event(queue).token(), token{10});
    expect_nothing(queue);
    turn = 2;
    turn.notify_one();
    EXPECT_EQ(next_event(queue).token(), token{10});
    other.join();
    expect_nothing(queue);
}

TEST(SysPollWaker, WakeEndsRunningWait) {
    poll queue;
    const auto wake_up = waker::make(queue.registry(), token{10});
    for (int i = 0; i < 20; ++i) {
        waiting_thread waiting(queue, std::nullopt);
        ASSERT_TRUE(wake_up->wake());
        EXPECT_EQ(waiting.join(), 1u);
    }
}

// covers: R018
TEST(SysPollWaker, WakeWorksWhenCounterIsFull) {
    if (is_kqueue) GTEST_SKIP() << "the waker of a kqueue has no counter";
    poll queue;
    // the descriptor number that the waker will get
    const int next_free = descriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const auto wake_up = waker::make(queue.registry(), token{10});
    constexpr std::uint64_t full = std::numeric_limits<std::uint64_t>::max() - 1;
    ASSERT_EQ(::write(next_free, &full, sizeof full), static_cast<ssize_t>(sizeof full));
    EXPECT_EQ(next_event(queue).token(), token{10});

    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(wake_up->wake());
        EXPECT_EQ(next_event(queue).token(), token{10});
    }
}

TEST(SysPollWaker, DestroyedWakerReportsNothing) {
    poll queue;
    {
        const auto wake_up = waker::make(queue.registry(), token{10});
        ASSERT_TRUE(wake_up->wake());
    }
    expect_nothing(queue);
}

TEST(SysPollWaker, MayBeMovedAndOutlivePoll) {
    std::optional<poll> queue(std::in_place);
    auto first = *waker::make(queue->registry(), token{1});
    auto second = *waker::make(queue->registry(), token{2});
    first = std::move(second);  // closes and removes the first waker
    ASSERT_TRUE(first.wake());
    EXPECT_EQ(next_event(*queue).token(), token{2});
    queue.reset();
    EXPECT_TRUE(first.wake());
}

// ---- The poll object ----

TEST(SysPoll, MovedPollKeepsSources) {
    poll first;
    const auto stream = unix_pair();
    ASSERT_TRUE(first.registry().add(stream.ours, token{1}, interest::writable));
    poll second(std::move(first));
    EXPECT_EQ(next_event(second).token(), token{1});
}

TEST(SysPoll, DescriptorIsReadableWhileEventsArePending) {
    poll inner, outer;
    const auto stream = unix_pair();
    ASSERT_TRUE(outer.registry().add(inner.native_handle(), token{1}, interest::readable));
    expect_nothing(outer);
    ASSERT_TRUE(inner.registry().add(stream.ours, token{2}, interest::writable));
    EXPECT_EQ(next_event(outer).token(), token{1});
    EXPECT_EQ(next_event(inner).token(), token{2});
}

TEST(SysPoll, DestructorClosesDescriptor) {
    const int before = poll().native_handle();
    for (int i = 0; i < 2000; ++i) {
        auto queue = poll::make();
        ASSERT_TRUE(queue);
        expect_nothing(*queue);
    }
    EXPECT_EQ(poll().native_handle(), before);
}

// A forked child has no kqueue, so its number is free there. (It has a duplicate of an epoll.)
TEST(SysPoll, DestructorInForkedChildClosesNoOtherFile) {
    if (!is_kqueue) GTEST_SKIP() << "the child of a process with an epoll has a descriptor of it";
    std::optional<poll> queue(std::in_place);
    const int number = queue->native_handle();
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        const bool was_free = ::fcntl(number, F_GETFD) < 0 && ::dup2(STDERR_FILENO, number) == number;
        queue.reset();
        ::_exit(was_free && ::fcntl(number, F_GETFD) >= 0 ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0) << "the destructor has closed a file of the child";
}

TEST(SysPoll, DescriptorShortageIsReported) {
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const rlimit none{0, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    const auto made = poll::make();
    EXPECT_THROW(poll(), std::system_error);
    ::setrlimit(RLIMIT_NOFILE, &before);
    EXPECT_EQ(made.error(), std::errc::too_many_files_open);
}

}  // namespace
