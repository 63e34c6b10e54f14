// SPDX-License-Identifier: MIT
// The readiness driver on kqueue(2). On Linux it runs on the emulation in tests/support/kqueue (EDDY_TEST_KQUEUE).
// runs: once, asan, kqueue
#include "reactor/drivers/kqueue.hpp"

#include <fcntl.h>
#include <sys/event.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <deque>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/runtime/recorder.hpp"
#include "sys/syscall.hpp"

#if defined(EDDY_KQUEUE_EMULATION)
#include "support/kqueue/faults.hpp"
#endif

using namespace std::chrono_literals;
using eddy::detail::kqueue_driver;
using eddy::io::interest;
using eddy::io::ready;
using eddy::sys::unique_fd;
using support::recorder;
using support::reports;

namespace {

using ends = std::pair<unique_fd, unique_fd>;

/// A driver, and the outcome of its last tick.
struct KqueueDriver : testing::Test {
    /// Runs a tick. Returns what it has reported.
    reports tick(eddy::detail::max_wait timeout = 0ns) {
        last = driver->tick(timeout).value();
        return std::exchange(reported, {});
    }

    static ends make_pipe() { return eddy::sys::make_pipe().value(); }
    static ends make_sockets() { return eddy::sys::unix_stream_pair().value(); }
    /// Returns a TCP connection.
    static ends make_connection() {
        const auto listener = eddy::sys::tcp_socket(eddy::sys::ip_version::v4).value();
        EXPECT_TRUE(eddy::sys::bind(listener.get(), eddy::net::socket_addr::parse("127.0.0.1:0").value()));
        EXPECT_TRUE(eddy::sys::listen(listener.get(), 1));
        auto client = eddy::sys::tcp_socket(eddy::sys::ip_version::v4).value();
        static_cast<void>(eddy::sys::connect(client.get(), eddy::sys::local_addr(listener.get()).value()));
        return {std::move(client), std::move(eddy::sys::accept(listener.get()).value().fd)};
    }
    static void write_to(const unique_fd& fd) { ASSERT_EQ(::write(fd.get(), "x", 1), 1); }
    static void read_from(const unique_fd& fd) {
        char taken = 0;
        ASSERT_EQ(::read(fd.get(), &taken, 1), 1);
    }
    /// Writes until the descriptor is full.
    static void fill(const unique_fd& fd) {
        const std::array<char, 4096> zeros{};
        while (::write(fd.get(), zeros.data(), zeros.size()) > 0) {
        }
    }

    std::unique_ptr<kqueue_driver> driver = kqueue_driver::make(1024).value();
    eddy::detail::driver_tick last;
    reports reported;
    recorder key{reported};
    recorder other_key{reported};
};

constexpr auto both = interest::readable | interest::writable;

// covers: S03 P112
TEST_F(KqueueDriver, ReportsEachArrivalOnce) {
    auto [from, to] = make_pipe();
    ASSERT_TRUE(driver->watch(from.get(), &key, interest::readable));
    EXPECT_TRUE(tick().empty());
    write_to(to);
    EXPECT_EQ(tick(), (reports{{&key, ready::readable}}));
    EXPECT_TRUE(tick().empty()) << "the byte is still there, but it was reported";
    write_to(to);
    EXPECT_EQ(tick(), (reports{{&key, ready::readable}}));
}

TEST_F(KqueueDriver, ReportsConditionsThatHoldAlready) {
    auto [from, to] = make_pipe();
    write_to(to);
    ASSERT_TRUE(driver->watch(from.get(), &key, interest::readable));
    ASSERT_TRUE(driver->watch(to.get(), &other_key, interest::writable));
    EXPECT_EQ(tick(), (reports{{&key, ready::readable}, {&other_key, ready::writable}}));
    EXPECT_EQ(last.events, 2u);
}

TEST_F(KqueueDriver, DirectionsAreReportedSeparately) {
    auto [near, far] = make_sockets();
    ASSERT_TRUE(driver->watch(near.get(), &key, both));
    EXPECT_EQ(tick()[&key], ready::writable);
    write_to(far);
    EXPECT_EQ(tick()[&key], ready::readable);
    fill(near);
    EXPECT_TRUE(tick().empty());
    std::array<char, 65536> into;
    while (::read(far.get(), into.data(), into.size()) > 0) {
    }
    EXPECT_EQ(tick()[&key], ready::writable);
}

TEST_F(KqueueDriver, BothDirectionsOfASourceAreOneReport) {
    auto [near, far] = make_sockets();
    write_to(far);
    ASSERT_TRUE(driver->watch(near.get(), &key, both));
    EXPECT_EQ(tick()[&key], ready::readable | ready::writable);
    EXPECT_EQ(last.events, 1u);
}

// covers: S03 P112
TEST_F(KqueueDriver, HalfCloseReportsReadClosedOnly) {
    auto [near, far] = make_connection();
    ASSERT_TRUE(driver->watch(near.get(), &key, both));
    EXPECT_EQ(tick(1s)[&key], ready::writable);
    ASSERT_EQ(::shutdown(far.get(), SHUT_WR), 0);
    const auto seen = tick(1h)[&key];
    EXPECT_TRUE(seen.is_read_closed());
    EXPECT_FALSE(seen.is_write_closed() || seen.is_error());
    EXPECT_TRUE(tick().empty());
}

// covers: S03 P112
TEST_F(KqueueDriver, ResetReportsBothDirectionsAndTheError) {
    auto [near, far] = make_connection();
    ASSERT_TRUE(driver->watch(near.get(), &key, both));
    EXPECT_EQ(tick(1s)[&key], ready::writable);
    const linger none{1, 0};
    ASSERT_EQ(::setsockopt(far.get(), SOL_SOCKET, SO_LINGER, &none, sizeof none), 0);
    far.reset();
    const auto seen = tick(1h)[&key];
    EXPECT_TRUE(seen.is_read_closed() && seen.is_write_closed() && seen.is_error());
}

TEST_F(KqueueDriver, PipeReaderSeesWriterClose) {
    auto [from, to] = make_pipe();
    ASSERT_TRUE(driver->watch(from.get(), &key, interest::readable));
    to.reset();
    const auto seen = tick()[&key];
    EXPECT_TRUE(seen.is_read_closed());
    EXPECT_FALSE(seen.is_error());
    EXPECT_TRUE(tick().empty());
}

TEST_F(KqueueDriver, PipeWriterSeesReaderClose) {
    auto [from, to] = make_pipe();
    fill(to);
    ASSERT_TRUE(driver->watch(to.get(), &key, interest::writable));
    EXPECT_TRUE(tick().empty());
    from.reset();
    EXPECT_TRUE(tick()[&key].is_write_closed());
}

// If the read end of a pipe is closed, the kernel refuses the write filter of the write end with EPIPE.
// covers: S03 P112
TEST_F(KqueueDriver, BrokenPipeWithoutFilterIsReported) {
    auto [from, to] = make_pipe();
    from.reset();
    ASSERT_TRUE(driver->watch(to.get(), &key, both));
    EXPECT_TRUE(tick(1h)[&key].is_write_closed());
    EXPECT_FALSE(last.was_woken);
    EXPECT_TRUE(tick().empty());
    ASSERT_TRUE(driver->watch_again(to.get(), &other_key, interest::writable));
    EXPECT_TRUE(tick(1h)[&other_key].is_write_closed());
    EXPECT_TRUE(driver->unwatch(to.get()));
}

TEST_F(KqueueDriver, UnwatchedBrokenPipeIsNotReported) {
    auto [from, to] = make_pipe();
    from.reset();
    ASSERT_TRUE(driver->watch(to.get(), &key, interest::writable));
    ASSERT_TRUE(driver->unwatch(to.get()));
    EXPECT_TRUE(tick().empty());
}

TEST_F(KqueueDriver, BrokenPipesBeyondTheLimitFollowInLaterTicks) {
    driver = kqueue_driver::make(2).value();
    std::vector<ends> pipes;
    std::deque<recorder> keys;
    for (int i = 0; i < 5; ++i) {
        pipes.push_back(make_pipe());
        pipes.back().first.reset();
        ASSERT_TRUE(driver->watch(pipes.back().second.get(), &keys.emplace_back(reported), interest::writable));
    }
    reports all;
    for (int i = 0; i != 5; ++i) all.merge(tick());
    EXPECT_EQ(all.size(), 5u);
}

TEST_F(KqueueDriver, WatchAgainReplacesKeyAndInterest) {
    auto [near, far] = make_sockets();
    write_to(far);
    ASSERT_TRUE(driver->watch(near.get(), &key, interest::writable));
    EXPECT_EQ(tick()[&key], ready::writable);
    ASSERT_TRUE(driver->watch_again(near.get(), &other_key, interest::readable));
    EXPECT_EQ(tick(), (reports{{&other_key, ready::readable}}));
    ASSERT_TRUE(driver->watch_again(near.get(), &other_key, interest::readable));
    EXPECT_EQ(tick(), (reports{{&other_key, ready::readable}})) << "it is reported again";
    ASSERT_TRUE(driver->watch_again(near.get(), &key, both));
    EXPECT_EQ(tick(), (reports{{&key, ready::readable | ready::writable}}));
}

TEST_F(KqueueDriver, RefusesInvalidWatchesLikeEpoll) {
    auto [from, to] = make_pipe();
    ASSERT_TRUE(driver->watch(from.get(), &key, interest::readable));
    EXPECT_EQ(driver->watch(from.get(), &key, interest::readable).error(), std::errc::file_exists);
    EXPECT_EQ(driver->watch(-1, &key, interest::readable).error(), std::errc::bad_file_descriptor);
    EXPECT_EQ(driver->unwatch(-1).error(), std::errc::no_such_file_or_directory);
    EXPECT_EQ(driver->unwatch(1 << 20).error(), std::errc::no_such_file_or_directory);
    EXPECT_EQ(driver->unwatch(to.get()).error(), std::errc::no_such_file_or_directory);
    EXPECT_EQ(driver->watch_again(to.get(), &key, interest::readable).error(), std::errc::no_such_file_or_directory);
    std::FILE* const file = std::tmpfile();
    EXPECT_EQ(driver->watch(::fileno(file), &key, interest::readable).error(), std::errc::operation_not_permitted);
    std::fclose(file);
}

TEST_F(KqueueDriver, UnwatchReportsAClosedDescriptor) {
    auto [from, to] = make_pipe();
    const int fd = from.get();
    ASSERT_TRUE(driver->watch(fd, &key, interest::readable));
    from.reset();
    EXPECT_EQ(driver->unwatch(fd).error(), std::errc::bad_file_descriptor);
    EXPECT_EQ(driver->unwatch(fd).error(), std::errc::no_such_file_or_directory);
}

TEST_F(KqueueDriver, UnwatchDropsEventsThatWereNotFetched) {
    auto [near, far] = make_sockets();
    write_to(far);
    ASSERT_TRUE(driver->watch(near.get(), &key, both));
    ASSERT_TRUE(driver->unwatch(near.get()));
    EXPECT_TRUE(tick().empty());
    ASSERT_TRUE(driver->watch(near.get(), &other_key, interest::readable));
    EXPECT_EQ(tick(), (reports{{&other_key, ready::readable}}));
}

TEST_F(KqueueDriver, EventsBeyondTheLimitFollowInLaterTicks) {
    driver = kqueue_driver::make(2).value();
    std::vector<ends> pipes;
    std::deque<recorder> keys;
    for (int i = 0; i < 5; ++i) {
        pipes.push_back(make_pipe());
        ASSERT_TRUE(driver->watch(pipes.back().first.get(), &keys.emplace_back(reported), interest::readable));
        write_to(pipes.back().second);
    }
    reports all;
    for (int i = 0; i != 3; ++i) {
        reports some = tick();
        EXPECT_LE(some.size(), 2u);
        all.merge(some);
    }
    EXPECT_EQ(all.size(), 5u);
    EXPECT_TRUE(tick().empty());
}

#if defined(EVFILT_EXCEPT)
TEST_F(KqueueDriver, UrgentByteReportsPriority) {
    auto [near, far] = make_connection();
    ASSERT_TRUE(driver->watch(near.get(), &key, interest::priority));
    ASSERT_EQ(::send(far.get(), "!", 1, MSG_OOB), 1);
    EXPECT_TRUE(tick(1h)[&key].is_priority());
    EXPECT_TRUE(driver->unwatch(near.get()));
}
#endif

TEST_F(KqueueDriver, WakeEndsTickOnceForSeveralCalls) {
    driver->wake();
    driver->wake();
    EXPECT_TRUE(tick(1h).empty());
    EXPECT_TRUE(last.was_woken);
    EXPECT_TRUE(tick().empty());
    EXPECT_FALSE(last.was_woken);
    driver->wake();
    EXPECT_TRUE(tick(1h).empty());
    EXPECT_TRUE(last.was_woken);
}

// covers: S03 P112
TEST_F(KqueueDriver, WakeOnAnotherThreadEndsSleepingTick) {
    std::thread other([&] { driver->wake(); });
    EXPECT_TRUE(tick(1h).empty());
    EXPECT_TRUE(last.was_woken);
    other.join();
}

#if defined(EDDY_KQUEUE_EMULATION)
// covers: S03 P112
TEST_F(KqueueDriver, PipeWakesIfKernelHasNoUserFilter) {
    kqueue_has_user_filter = false;
    driver = kqueue_driver::make(8).value();
    kqueue_has_user_filter = true;
    for (int i = 0; i != 3; ++i) {
        driver->wake();
        driver->wake();
        EXPECT_TRUE(tick(1h).empty());
        EXPECT_TRUE(last.was_woken);
        EXPECT_TRUE(tick().empty());
        EXPECT_FALSE(last.was_woken);
    }
    std::thread other([&] { driver->wake(); });
    EXPECT_TRUE(tick(1h).empty());
    EXPECT_TRUE(last.was_woken);
    other.join();
}
#endif

TEST_F(KqueueDriver, SourceAddedDuringATickEndsIt) {
    auto [from, to] = make_pipe();
    write_to(to);
    const int fd = from.get();
    std::thread other([&] { EXPECT_TRUE(driver->watch(fd, &key, interest::readable)); });
    EXPECT_EQ(tick(1h).size(), 1u);
    EXPECT_FALSE(last.was_woken);
    other.join();
}

TEST_F(KqueueDriver, AlarmEndsTickAndStaysSetUntilThen) {
    driver->set_alarm(20ms);
    driver->set_alarm(1h);  // the earlier alarm stays
    driver->wake();
    tick(1h);
    EXPECT_TRUE(last.was_woken);
    const auto before = std::chrono::steady_clock::now();
    tick(1h);
    EXPECT_FALSE(last.was_woken);
    EXPECT_LT(std::chrono::steady_clock::now() - before, 30min);
}

TEST_F(KqueueDriver, NativeHandleIsReadableWhileEventsArePending) {
    auto outer = kqueue_driver::make(8).value();
    reports of_outer;
    recorder inner(of_outer);
    ASSERT_TRUE(outer->watch(driver->native_handle(), &inner, interest::readable));
    const auto is_ready = [&] { return outer->tick(0ns).value().events != 0; };
    EXPECT_FALSE(is_ready());
    auto [from, to] = make_pipe();
    ASSERT_TRUE(driver->watch(from.get(), &key, interest::readable));
    write_to(to);
    EXPECT_TRUE(is_ready());
    EXPECT_EQ(tick().size(), 1u);
    EXPECT_FALSE(is_ready());
}

TEST_F(KqueueDriver, WakeAfterCloseDoesNothing) {
    driver->close();
    EXPECT_EQ(driver->native_handle(), -1);
    driver->wake();
    driver->wake();
}

// A forked child does not inherit the kqueue, so its descriptor number may belong to another file there.
// covers: S03 P112
TEST_F(KqueueDriver, ForkedChildDoesNotCloseReusedDescriptorNumber) {
    const int fd = driver->native_handle();
    const pid_t child = ::fork();
    if (child == 0) {
        if (::fcntl(fd, F_GETFD) >= 0 || ::dup2(0, fd) != fd) ::_exit(1);
        driver.reset();
        ::_exit(::fcntl(fd, F_GETFD) >= 0 ? 0 : 2);
    }
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    driver->wake();
    EXPECT_TRUE(tick(1h).empty());
    EXPECT_TRUE(last.was_woken);
}

#if defined(EDDY_KQUEUE_EMULATION)
// ---- Failures ----

using support::next_kqueue_faults;

constexpr unsigned added = EV_ADD;
constexpr unsigned removed = EV_DELETE;

/// Expects that make() fails with `error`, because of the failures that the test has prepared.
void expect_make_fails(std::errc error) {
    const auto made = kqueue_driver::make(8);
    EXPECT_TRUE(next_kqueue_faults.have_happened());
    next_kqueue_faults = {};
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error(), error);
}

TEST_F(KqueueDriver, MakeReportsFailedCalls) {
    next_kqueue_faults.creation = ENOMEM;
    expect_make_fails(std::errc::not_enough_memory);
    next_kqueue_faults.descriptor_flags = EBADF;
    expect_make_fails(std::errc::bad_file_descriptor);
    // Without EVFILT_USER, the wake-ups need a filter for reading.
    next_kqueue_faults.changes = {{EVFILT_USER, added, EINVAL}, {EVFILT_READ, added, ENOMEM}};
    expect_make_fails(std::errc::not_enough_memory);
    next_kqueue_faults.changes = {{EVFILT_USER, added, EINVAL, true}, {EVFILT_READ, added, EACCES, true}};
    expect_make_fails(std::errc::permission_denied);
}

// Without EVFILT_USER, make() creates a pipe after the kqueue.
TEST_F(KqueueDriver, MakeReportsShortageOfDescriptors) {
    const auto next_descriptor = [] { return unique_fd(::dup(0)).get(); };
    const int first = next_descriptor();
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    kqueue_has_user_filter = false;
    int failures = 0;
    bool is_made = false;
    for (rlim_t limit = 3; limit != 1024 && !is_made; ++limit) {
        const rlimit few{limit, before.rlim_max};
        ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
        const auto made = kqueue_driver::make(8);
        ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
        is_made = made.has_value();
        if (is_made) continue;
        ++failures;
        EXPECT_EQ(made.error(), std::errc::too_many_files_open);
    }
    kqueue_has_user_filter = true;
    EXPECT_TRUE(is_made);
    EXPECT_EQ(next_descriptor(), first) << "a descriptor has leaked";
    EXPECT_GE(failures, 7) << "the kqueue has five descriptors, and the pipe two";
}

TEST_F(KqueueDriver, FailedWatchLeavesNothingWatched) {
    auto [near, far] = make_sockets();
    write_to(far);
    for (const bool fails_call : {false, true}) {
        next_kqueue_faults.changes = {{EVFILT_WRITE, added, ENOMEM, fails_call}};
        EXPECT_EQ(driver->watch(near.get(), &key, both).error(), std::errc::not_enough_memory);
        EXPECT_TRUE(next_kqueue_faults.have_happened());
        EXPECT_TRUE(tick().empty()) << "the filter for reading remains";
        EXPECT_EQ(driver->unwatch(near.get()).error(), std::errc::no_such_file_or_directory);
    }
    ASSERT_TRUE(driver->watch(near.get(), &key, both));
    EXPECT_EQ(tick()[&key], ready::readable | ready::writable);
}

TEST_F(KqueueDriver, FirstOfTwoErrorsIsReported) {
    auto [near, far] = make_sockets();
    next_kqueue_faults.changes = {{EVFILT_WRITE, added, EACCES}, {EVFILT_READ, added, ENOMEM}};
    EXPECT_EQ(driver->watch(near.get(), &key, both).error(), std::errc::not_enough_memory);
    EXPECT_TRUE(next_kqueue_faults.have_happened());
}

TEST_F(KqueueDriver, OnlyPriorityInterestNeedsPriorityFilter) {
    auto [near, far] = make_connection();
    const auto refused = [] { next_kqueue_faults.changes = {{EVFILT_EXCEPT, added, EINVAL}}; };
    refused();
    ASSERT_TRUE(driver->watch(near.get(), &key, interest::readable | interest::priority));
    write_to(far);
    EXPECT_EQ(tick(1h)[&key], ready::readable);
    ASSERT_TRUE(driver->unwatch(near.get()));
    refused();
    EXPECT_EQ(driver->watch(near.get(), &key, interest::priority).error(), std::errc::invalid_argument);
    EXPECT_TRUE(next_kqueue_faults.have_happened());
    EXPECT_EQ(driver->unwatch(near.get()).error(), std::errc::no_such_file_or_directory);
}

TEST_F(KqueueDriver, PriorityFilterWithoutUrgentByteReportsReadable) {
    auto [near, far] = make_connection();
    ASSERT_TRUE(driver->watch(near.get(), &key, interest::priority));
    next_kqueue_faults.hides_urgent = true;
    ASSERT_EQ(::send(far.get(), "!", 1, MSG_OOB), 1);
    EXPECT_EQ(tick(1h)[&key], ready::readable);
}

TEST_F(KqueueDriver, UnwatchRemovesOtherFiltersAfterAnError) {
    auto [near, far] = make_sockets();
    ASSERT_TRUE(driver->watch(near.get(), &key, both));
    EXPECT_EQ(tick()[&key], ready::writable);
    next_kqueue_faults.changes = {{EVFILT_WRITE, removed, EPERM}};
    EXPECT_EQ(driver->unwatch(near.get()).error(), std::errc::operation_not_permitted);
    write_to(far);
    EXPECT_TRUE(tick().empty());
}

// After the failure, the descriptor may still have the filters of the former interest. unwatch() removes all of them.
TEST_F(KqueueDriver, UnwatchAfterFailedWatchAgainRemovesAllFilters) {
    auto [near, far] = make_sockets();
    ASSERT_TRUE(driver->watch(near.get(), &key, interest::readable));
    next_kqueue_faults.changes = {{EVFILT_READ, removed, ENOMEM}, {EVFILT_WRITE, added, ENOMEM}};
    EXPECT_EQ(driver->watch_again(near.get(), &key, interest::writable).error(), std::errc::not_enough_memory);
    EXPECT_TRUE(next_kqueue_faults.have_happened());
    write_to(far);
    EXPECT_EQ(tick()[&key], ready::readable) << "the former filter is in place";
    ASSERT_TRUE(driver->unwatch(near.get()));
    write_to(far);
    EXPECT_TRUE(tick().empty());
}

TEST_F(KqueueDriver, InterruptedChangeIsRepeated) {
    auto [from, to] = make_pipe();
    next_kqueue_faults.changes = {{EVFILT_READ, added, EINTR, true}};
    ASSERT_TRUE(driver->watch(from.get(), &key, interest::readable));
    EXPECT_TRUE(next_kqueue_faults.have_happened());
    write_to(to);
    EXPECT_EQ(tick()[&key], ready::readable);
}

TEST_F(KqueueDriver, TickReportsFailedWait) {
    next_kqueue_faults.wait = ENOMEM;
    const auto failed = driver->tick(1h);
    ASSERT_FALSE(failed);
    EXPECT_TRUE(reported.empty());
    EXPECT_EQ(failed.error(), std::errc::not_enough_memory);
    driver->wake();
    EXPECT_TRUE(tick(1h).empty());
    EXPECT_TRUE(last.was_woken) << "the next tick works";
}

TEST_F(KqueueDriver, InterruptedTickWaitsForRemainingTime) {
    auto [from, to] = make_pipe();
    write_to(to);
    ASSERT_TRUE(driver->watch(from.get(), &key, interest::readable));
    next_kqueue_faults.wait = EINTR;
    EXPECT_EQ(tick(1h)[&key], ready::readable);
    next_kqueue_faults.wait = EINTR;
    EXPECT_TRUE(tick(0ns).empty()) << "the time is over";
    EXPECT_TRUE(next_kqueue_faults.have_happened());
}
#endif

}  // namespace
