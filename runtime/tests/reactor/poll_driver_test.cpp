// SPDX-License-Identifier: MIT
// The readiness driver on poll(2). EDDY_DRIVER=poll ./dev test runs the other tests on it.
// runs: once
#include "reactor/drivers/poll_driver.hpp"

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <deque>
#include <future>
#include <map>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/runtime/recorder.hpp"
#include "support/system.hpp"
#include "sys/syscall.hpp"

using namespace std::chrono_literals;
using eddy::detail::poll_driver;
using eddy::io::interest;
using eddy::io::ready;
using eddy::sys::unique_fd;
using support::recorder;
using support::reports;

namespace {

/// Creates a driver for each test, and keeps the result of its last tick in `last`.
struct PollDriver : testing::Test {
    /// Runs a tick. Returns what it has reported.
    reports tick(eddy::detail::max_wait timeout = 0ns) {
        last = driver->tick(timeout).value();
        return std::exchange(reported, {});
    }

    static std::pair<unique_fd, unique_fd> make_pipe() { return eddy::sys::make_pipe().value(); }
    static std::pair<unique_fd, unique_fd> make_connection() {
        const unique_fd listener(::socket(AF_INET, SOCK_STREAM, 0));
        unique_fd client(::socket(AF_INET, SOCK_STREAM, 0));
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof(address);
        auto* const any = reinterpret_cast<sockaddr*>(&address);
        EXPECT_EQ(::bind(listener.get(), any, size), 0);
        EXPECT_EQ(::listen(listener.get(), 1), 0);
        EXPECT_EQ(::getsockname(listener.get(), any, &size), 0);
        EXPECT_EQ(::connect(client.get(), any, size), 0);
        return {unique_fd(::accept(listener.get(), nullptr, nullptr)), std::move(client)};
    }
    static void write_to(const unique_fd& fd) { ASSERT_EQ(::write(fd.get(), "x", 1), 1); }
    static void read_from(const unique_fd& fd) {
        char taken = 0;
        ASSERT_EQ(::read(fd.get(), &taken, 1), 1);
    }

    std::unique_ptr<poll_driver> driver = poll_driver::make(1024).value();
    eddy::detail::driver_tick last;
    reports reported;
    recorder key{reported};
    recorder other_key{reported};
};

// covers: S05
TEST_F(PollDriver, ReportsConditionOnceUntilRearmed) {
    auto [from, to] = make_pipe();
    ASSERT_TRUE(driver->watch(from.get(), &key, interest::readable));
    EXPECT_TRUE(tick().empty());
    write_to(to);
    EXPECT_EQ(tick(), (reports{{&key, ready::readable}}));
    EXPECT_TRUE(tick().empty());
    driver->rearm(from.get(), &key, ready::readable);
    EXPECT_EQ(tick().size(), 1u) << "the byte is still there";
    read_from(from);
    driver->rearm(from.get(), &key, ready::readable);
    EXPECT_TRUE(tick().empty());
}

TEST_F(PollDriver, ReportsBothDirectionsSeparately) {
    auto pair = eddy::sys::make_pipe().value();
    auto [from, to] = std::move(pair);
    ASSERT_TRUE(driver->watch(to.get(), &key, interest::readable | interest::writable));
    EXPECT_TRUE(tick()[&key].is_writable());
    driver->rearm(to.get(), &key, ready::readable);  // the pipe was reported as writable, so this changes nothing
    EXPECT_TRUE(tick().empty());
    driver->rearm(to.get(), &key, ready::writable);
    EXPECT_TRUE(tick()[&key].is_writable());
}

TEST_F(PollDriver, ReportsPriorityDataOnlyIfWatchedForIt) {
    auto [from, to] = make_connection();
    ASSERT_TRUE(driver->watch(from.get(), &key, interest::priority));
    write_to(to);
    EXPECT_TRUE(tick().empty());
    ASSERT_EQ(::send(to.get(), "x", 1, MSG_OOB), 1);
    EXPECT_TRUE(tick(10s)[&key].is_priority());
    ASSERT_TRUE(driver->watch_again(from.get(), &key, interest::readable));
    EXPECT_FALSE(tick()[&key].is_priority());
}

// covers: S05
TEST_F(PollDriver, HangUpIsReportedOnceAndAgainAfterRearm) {
    auto [from, to] = make_pipe();
    ASSERT_TRUE(driver->watch(from.get(), &key, interest::readable));
    to.reset();
    EXPECT_TRUE(tick()[&key].is_read_closed());
    EXPECT_TRUE(tick().empty()) << "poll(2) itself would report it in each tick";
    driver->rearm(from.get(), &key, ready::read_closed);
    EXPECT_TRUE(tick()[&key].is_read_closed());
}

TEST_F(PollDriver, WatchAgainReportsPresentConditions) {
    auto [from, to] = make_pipe();
    ASSERT_TRUE(driver->watch(to.get(), &key, interest::readable));
    EXPECT_TRUE(tick().empty());
    ASSERT_TRUE(driver->watch_again(to.get(), &other_key, interest::writable));
    EXPECT_TRUE(tick()[&other_key].is_writable());
    ASSERT_TRUE(driver->watch_again(to.get(), &other_key, interest::writable));
    EXPECT_TRUE(tick()[&other_key].is_writable());
}

TEST_F(PollDriver, WatchAgainForLessAsksForNoMore) {
    auto [from, to] = make_connection();
    ASSERT_TRUE(driver->watch(from.get(), &key, interest::readable | interest::writable));
    ASSERT_TRUE(driver->watch_again(from.get(), &key, interest::readable));
    EXPECT_TRUE(tick().empty()) << "it is writable, which nobody asks for any more";
    driver->rearm(from.get(), &key, ready::writable);
    EXPECT_TRUE(tick().empty());
    write_to(to);
    EXPECT_EQ(tick(10s), (reports{{&key, ready::readable}}));
    ASSERT_TRUE(driver->watch_again(from.get(), &key, interest::writable));
    EXPECT_EQ(tick(), (reports{{&key, ready::writable}})) << "the byte is still there";
}

TEST_F(PollDriver, RefusesInvalidWatchesLikeEpoll) {
    auto [from, to] = make_pipe();
    ASSERT_TRUE(driver->watch(from.get(), &key, interest::readable));
    EXPECT_EQ(driver->watch(from.get(), &key, interest::readable).error(), std::errc::file_exists);
    EXPECT_EQ(driver->watch(-1, &key, interest::readable).error(), std::errc::bad_file_descriptor);
    EXPECT_EQ(driver->unwatch(to.get()).error(), std::errc::no_such_file_or_directory);
    EXPECT_EQ(driver->watch_again(to.get(), &key, interest::readable).error(), std::errc::no_such_file_or_directory);
    std::FILE* const file = std::tmpfile();
    EXPECT_EQ(driver->watch(::fileno(file), &key, interest::readable).error(), std::errc::operation_not_permitted);
    std::fclose(file);
}

TEST_F(PollDriver, DescriptorsOutsideOfTheTableAreNotWatched) {
    for (const int fd : {-1, 1'000'000}) {
        EXPECT_EQ(driver->unwatch(fd).error(), std::errc::no_such_file_or_directory);
        driver->rearm(fd, &key, ready::readable);  // does nothing
    }
    EXPECT_TRUE(tick().empty());
}

TEST_F(PollDriver, TickReportsAtMostTheLimit) {
    driver = poll_driver::make(1).value();
    auto first = make_pipe();
    auto second = make_pipe();
    ASSERT_TRUE(driver->watch(first.first.get(), &key, interest::readable));
    ASSERT_TRUE(driver->watch(second.first.get(), &other_key, interest::readable));
    write_to(first.second);
    write_to(second.second);
    reports both = tick();
    EXPECT_EQ(both.size(), 1u);
    both.merge(tick());
    EXPECT_EQ(both.size(), 2u) << "the next tick begins after the source that was reported";
}

TEST_F(PollDriver, ErrorOfAPipeWithoutReaderIsReported) {
    auto ends = make_pipe();
    ASSERT_TRUE(driver->watch(ends.second.get(), &key, interest::readable));
    ends.first.reset();
    EXPECT_TRUE(tick()[&key].is_error());
    driver->rearm(ends.second.get(), &key, ready::read_closed);
    EXPECT_TRUE(tick()[&key].is_write_closed());
    ASSERT_TRUE(driver->watch_again(ends.second.get(), &key, interest::writable));
    EXPECT_TRUE(tick()[&key].is_write_closed());
}

TEST_F(PollDriver, FailedSystemCallIsTheErrorOfTheTick) {
    std::vector<std::pair<unique_fd, unique_fd>> pipes;
    std::deque<recorder> keys;
    for (int i = 0; i < 10; ++i) {
        pipes.push_back(make_pipe());
        ASSERT_TRUE(driver->watch(pipes.back().first.get(), &keys.emplace_back(reported), interest::readable));
    }
    write_to(pipes[0].second);
    rlimit former{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &former), 0);
    const rlimit less{.rlim_cur = 3, .rlim_max = former.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &less), 0);  // poll(2) refuses more descriptors than the process may open
    const auto failed = driver->tick(0ns);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &former), 0);
    EXPECT_EQ(failed.error(), std::errc::invalid_argument);
    EXPECT_TRUE(reported.empty());
    EXPECT_EQ(tick(), (reports{{&keys[0], ready::readable}}));
}

int written_by_signal = -1;

TEST_F(PollDriver, SignalDoesNotEndTheWait) {
    auto [from, to] = make_pipe();
    ASSERT_TRUE(driver->watch(from.get(), &key, interest::readable));
    written_by_signal = to.get();
    struct sigaction act{};
    struct sigaction former{};
    act.sa_handler = [](int) { static_cast<void>(::write(written_by_signal, "x", 1)); };
    ASSERT_EQ(::sigaction(SIGALRM, &act, &former), 0);
    const itimerval soon{.it_interval = {}, .it_value = {.tv_sec = 0, .tv_usec = 5000}};
    ASSERT_EQ(::setitimer(ITIMER_REAL, &soon, nullptr), 0);
    EXPECT_TRUE(tick(60s)[&key].is_readable());
    ASSERT_EQ(::sigaction(SIGALRM, &former, nullptr), 0);
}

TEST_F(PollDriver, AlarmBeyondTheClockNeverEndsTick) {
    driver->set_alarm(std::chrono::nanoseconds::max());
    EXPECT_TRUE(tick().empty());
    EXPECT_FALSE(last.was_woken);
}

TEST_F(PollDriver, ForkedChildDoesNotUseTheSet) {
    auto [from, to] = make_pipe();
    ASSERT_TRUE(driver->watch(from.get(), &key, interest::readable));
    const pid_t child = ::fork();
    if (child == 0) {
        driver->rearm(from.get(), &key, ready::readable);
        ::_exit(0);
    }
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
}

TEST_F(PollDriver, UnwatchKeepsOtherDescriptors) {
    std::vector<std::pair<unique_fd, unique_fd>> pipes;
    std::deque<recorder> keys;
    for (int i = 0; i < 20; ++i) {
        pipes.push_back(make_pipe());
        ASSERT_TRUE(driver->watch(pipes.back().first.get(), &keys.emplace_back(reported), interest::readable));
        write_to(pipes.back().second);
    }
    reports expected;
    for (std::size_t i = 0; i != pipes.size(); ++i) {
        if (i % 3 == 0) {
            ASSERT_TRUE(driver->unwatch(pipes[i].first.get()));
        } else {
            expected[&keys[i]] = ready::readable;
        }
    }
    EXPECT_EQ(tick(), expected);
}

TEST_F(PollDriver, RearmOfReusedDescriptorDoesNothing) {
    auto [from, to] = make_pipe();
    ASSERT_TRUE(driver->watch(from.get(), &key, interest::readable));
    write_to(to);
    EXPECT_EQ(tick().size(), 1u);
    driver->rearm(from.get(), &other_key, ready::readable);
    EXPECT_TRUE(tick().empty());
    driver->rearm(1'000'000, &key, ready::readable);
    EXPECT_TRUE(tick().empty());
}

// covers: S05
TEST_F(PollDriver, LimitOfEventsServesAllSourcesInTurn) {
    driver = poll_driver::make(2).value();
    std::vector<std::pair<unique_fd, unique_fd>> pipes;
    std::deque<recorder> sources;
    std::map<eddy::detail::scheduled_io*, int> fds;
    for (int i = 0; i < 5; ++i) {
        pipes.push_back(make_pipe());
        recorder& added = sources.emplace_back(reported);
        fds[&added] = pipes.back().first.get();
        ASSERT_TRUE(driver->watch(fds[&added], &added, interest::readable));
        write_to(pipes.back().second);
    }
    std::map<eddy::detail::scheduled_io*, int> counts;
    for (int i = 0; i != 10; ++i) {
        const reports both = tick();
        EXPECT_EQ(both.size(), 2u);
        for (const auto& [source, what] : both) {
            ++counts[source];
            driver->rearm(fds[source], source, ready::readable);
        }
    }
    for (auto& each : sources) EXPECT_EQ(counts[&each], 4);
}

// covers: S05
TEST_F(PollDriver, WakeEndsTickOnceForSeveralCalls) {
    driver->wake();
    driver->wake();
    EXPECT_TRUE(tick(1h).empty());
    EXPECT_TRUE(last.was_woken);
    EXPECT_TRUE(tick().empty());
    EXPECT_FALSE(last.was_woken);
}

// covers: S05
TEST_F(PollDriver, WatchOnAnotherThreadInterruptsSleepingTick) {
    auto [from, to] = make_pipe();
    write_to(to);
    const int fd = from.get();
    std::thread other([&] { EXPECT_TRUE(driver->watch(fd, &key, interest::readable)); });
    EXPECT_EQ(tick(1h).size(), 1u);
    EXPECT_FALSE(last.was_woken);
    other.join();
}

// covers: S05
TEST_F(PollDriver, RearmOnAnotherThreadInterruptsSleepingTick) {
    auto [from, to] = make_pipe();
    ASSERT_TRUE(driver->watch(from.get(), &key, interest::readable));
    write_to(to);
    EXPECT_EQ(tick().size(), 1u);
    const int fd = from.get();
    std::thread other([&] { driver->rearm(fd, &key, ready::readable); });
    EXPECT_EQ(tick(1h).size(), 1u);
    other.join();
}

// covers: S05
TEST_F(PollDriver, PeerNoticesCloseDuringSleepingTick) {
    auto [ours, peer] = make_connection();
    ASSERT_TRUE(driver->watch(ours.get(), &key, interest::readable));
    std::promise<pid_t> id;
    std::thread ticking([&] {
        id.set_value(::gettid());
        EXPECT_TRUE(tick(1h).empty());
    });
    support::wait_until_asleep(id.get_future().get());
    ASSERT_TRUE(driver->unwatch(ours.get()));
    ours.reset();
    char received = 0;
    EXPECT_EQ(::read(peer.get(), &received, 1), 0);
    driver->wake();
    ticking.join();
}

TEST_F(PollDriver, AlarmEndsTickAndStaysSetUntilThen) {
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

// covers: S05
TEST_F(PollDriver, ClosedDescriptorIsReportedAtMostOnce) {
    auto [from, to] = make_pipe();
    ASSERT_TRUE(driver->watch(from.get(), &key, interest::readable));
    from.reset();  // a mistake of the caller: unwatch() must come first
    tick();
    EXPECT_TRUE(tick().empty());
}

TEST_F(PollDriver, UnwatchReportsAClosedDescriptor) {
    auto [from, to] = make_pipe();
    const int fd = from.get();
    ASSERT_TRUE(driver->watch(fd, &key, interest::readable));
    from.reset();
    EXPECT_EQ(driver->unwatch(fd).error(), std::errc::bad_file_descriptor);
    EXPECT_EQ(driver->unwatch(fd).error(), std::errc::no_such_file_or_directory);
}

TEST_F(PollDriver, WakeAfterCloseDoesNothing) {
    driver->close();
    driver->wake();
    driver->wake();
}

}  // namespace
