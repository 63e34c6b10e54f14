// SPDX-License-Identifier: MIT
#include <eddy/signal.hpp>

#include <gtest/gtest.h>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <source_location>
#include <stop_token>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/error.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/join_all.hpp>
#include <eddy/future/poll_fn.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/future/select.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/runtime.hpp>
#include <eddy/sync/cancellation_token.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/time/clock.hpp>
#include <eddy/time/sleep.hpp>

#include "signal/shutdown_request.hpp"
#include "support/net.hpp"
#include "support/runtime.hpp"
#include "support/stress.hpp"
#include "support/system.hpp"
#include "sys/signals.hpp"

namespace {

namespace signal = eddy::signal;
using eddy::errc;
using eddy::test::assert_pending;
using eddy::test::by_hand;
using signal::kind;
using support::within;

/// Returns the number of a signal that no other test uses.
int unused_signal(std::size_t number) {
#ifdef SIGRTMIN
    return SIGRTMIN + 3 + static_cast<int>(number);
#else
    constexpr std::array all{SIGINFO, SIGIO, SIGPROF};
    return all.at(number);
#endif
}

/// Creates a stream of signals, calls `send`, and returns the number of the first signal that the stream receives.
template <class Send>
eddy::task<int> next_of(kind of, Send send) {
    auto signals = signal::stream(of);
    if (!signals) co_return -1;
    send();
    auto next = co_await signals->next();
    co_return next ? next->number() : 0;
}

// covers: P077 P097
TEST(Signal, StreamReceivesRaisedSignal) {
    eddy::core core;
    EXPECT_EQ(within(core, next_of(kind::user_defined1(), [] { std::raise(SIGUSR1); })), SIGUSR1);
    const int number = unused_signal(0);
    EXPECT_EQ(within(core, next_of(kind::from_number(number), [number] { std::raise(number); })), number);
    EXPECT_EQ(within(core, next_of(kind(SIGUSR2), [] { std::raise(SIGUSR2); })), SIGUSR2);
}

TEST(Signal, RecvReturnsNextSignal) {
    eddy::core core;
    const auto receive = []() -> eddy::task<int> {
        auto signals = signal::stream(kind(SIGUSR1)).value();
        std::raise(SIGUSR1);
        const auto received = co_await signals.recv();
        co_return received ? received->number() : 0;
    };
    EXPECT_EQ(within(core, receive()), SIGUSR1);
}

// covers: P077
TEST(Signal, SignalFromAnotherProcessWakesSleepingLoop) {
    eddy::core core;
    const pid_t parent = ::getpid();
    pid_t child = 0;
    const auto send = [&child, parent] {
        child = ::fork();
        if (child != 0) return;
        ::kill(parent, SIGHUP);  // only async-signal-safe calls are allowed here
        ::_exit(0);
    };
    EXPECT_EQ(within(core, next_of(kind::hangup(), send)), SIGHUP);
    ::waitpid(child, nullptr, 0);
}

TEST(Signal, SignalOfForkedChildDoesNotRingBellOfParent) {
    ASSERT_TRUE(eddy::sys::count_signal(SIGUSR1).has_value());
    auto* const bell = eddy::sys::open_bell(SIGUSR1).value();
    pollfd rung{eddy::sys::descriptor_of(*bell), POLLIN, 0};
    EXPECT_TRUE(support::is_true_in_child([] { return std::raise(SIGUSR1) == 0; }));
    EXPECT_EQ(::poll(&rung, 1, 0), 0);
    std::raise(SIGUSR1);
    EXPECT_EQ(::poll(&rung, 1, 0), 1);
    eddy::sys::close_bell(*bell);
}

// covers: P077
TEST(Signal, NewStreamReceivesOnlyLaterSignals) {
    eddy::core core;
    const auto work = []() -> eddy::task<bool> {
        auto early = signal::stream(kind::user_defined1());
        std::raise(SIGUSR1);
        auto late = signal::stream(kind::user_defined1());
        EXPECT_EQ(*co_await early->next(), kind::user_defined1());
        by_hand none(late->next());
        assert_pending(none.poll());
        by_hand no_more(early->next());
        assert_pending(no_more.poll());
        co_return true;
    };
    EXPECT_TRUE(within(core, work()));
}

// covers: P077
TEST(Signal, KindsAreSeparateAndPendingSignalsMerge) {
    eddy::core core;
    const auto work = []() -> eddy::task<bool> {
        auto ones = signal::stream(kind::user_defined1());
        auto twos = signal::stream(kind::user_defined2());
        for (int i = 0; i < 3; ++i) std::raise(SIGUSR1);
        EXPECT_TRUE((co_await ones->next()).has_value());
        by_hand no_more(ones->next());
        assert_pending(no_more.poll());
        by_hand none(twos->next());
        assert_pending(none.poll());
        std::raise(SIGUSR2);
        EXPECT_EQ(*co_await twos->next(), kind::user_defined2());
        co_return true;
    };
    EXPECT_TRUE(within(core, work()));
}

// A descriptor that stays readable would keep a loop on poll(2) busy.
TEST(Signal, ReceivedSignalCausesNoFurtherEvents) {
    eddy::core core;
    const auto work = [&core]() -> eddy::task<std::uint64_t> {
        auto signals = signal::stream(kind::user_defined1());
        std::raise(SIGUSR1);
        EXPECT_TRUE((co_await signals->next()).has_value());
        const auto before = core.metrics().io().ready_events;
        auto first = co_await eddy::select(eddy::time::sleep(std::chrono::milliseconds(20)), signals->next());
        EXPECT_EQ(first.index(), 0u);
        co_return core.metrics().io().ready_events - before;
    };
    EXPECT_LE(within(core, work()), 1u);
}

// The object that the signal handler uses for a stream (signal_bell) is kept when the stream is dropped. A later stream
// reuses the object, also for another signal.
// covers: R120
TEST(Signal, StreamCreatedAfterADroppedStreamReceivesSignals) {
    eddy::core core;
    const auto fds = support::count_fds();
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(within(core, next_of(kind::user_defined1(), [] { std::raise(SIGUSR1); })), SIGUSR1);
        EXPECT_EQ(within(core, next_of(kind::user_defined2(), [] { std::raise(SIGUSR2); })), SIGUSR2);
    }
    EXPECT_EQ(support::count_fds(), fds);
}

// covers: P077
TEST(Signal, SignalReachesAllStreamsOfAllLoops) {
    eddy::core core;
    auto pool = eddy::runtime::builder().worker_threads(2).build().value();
    std::atomic<int> ready{0};
    std::atomic<int> heard{0};
    const auto wait_for_it = [](std::atomic<int>& begun, std::atomic<int>& ended) -> eddy::task<void> {
        auto signals = signal::stream(kind::user_defined2());
        ++begun;
        auto next = co_await signals->next();
        if (next) ++ended;
    };
    std::vector<eddy::join_handle<void>> others;
    for (int i = 0; i < 10; ++i) others.push_back(pool.spawn(wait_for_it(ready, heard)));
    const auto work = [&](std::atomic<int>& begun, std::atomic<int>& ended) -> eddy::task<void> {
        auto mine = signal::stream(kind::user_defined2());
        while (begun.load() != 10) co_await eddy::yield_now();
        std::raise(SIGUSR2);
        auto next = co_await mine->next();
        if (next) ++ended;
    };
    within(core, work(ready, heard));
    for (auto& other : others) EXPECT_TRUE(within(core, std::move(other)).has_value());
    EXPECT_EQ(heard.load(), 11);
}

// covers: P077
TEST(Signal, CtrlCWakesAllWaitersAndDoesNotEndProgram) {
    eddy::core core;
    const auto work = []() -> eddy::task<bool> {
        by_hand first(signal::ctrl_c());
        by_hand second(signal::ctrl_c());
        assert_pending(first.poll());
        assert_pending(second.poll());
        by_hand dropped(signal::ctrl_c());
        assert_pending(dropped.poll());
        dropped.drop();
        auto third = signal::ctrl_c();
        const auto send = []() -> eddy::task<void> {
            std::raise(SIGINT);
            co_return;
        };
        auto sent = eddy::spawn(send());
        EXPECT_TRUE((co_await third).has_value());
        static_cast<void>(co_await std::move(sent));
        EXPECT_TRUE(eddy::test::assert_ready(first.poll()).has_value());
        EXPECT_TRUE(eddy::test::assert_ready(second.poll()).has_value());
        co_return true;
    };
    EXPECT_TRUE(within(core, work()));
    std::raise(SIGINT);  // no future waits, and the handler is still installed
}

// covers: P077
TEST(Signal, FirstSignalCancelsShutdownToken) {
    for (const int number : {SIGINT, SIGTERM}) {
        eddy::core core;
        const auto work = [number]() -> eddy::task<bool> {
            const auto stop = signal::shutdown_token();
            EXPECT_TRUE(stop.has_value());
            EXPECT_FALSE(stop.value().is_cancelled());
            std::raise(number);
            co_await stop.value().cancelled();
            co_return stop.value().is_cancelled();
        };
        EXPECT_TRUE(within(core, work())) << number;
    }
}

// covers: P077
TEST(Signal, DelayedShutdownFollowsItsTokenByTheDelay) {
    using namespace std::chrono_literals;
    auto core = eddy::core::builder().start_paused(true).build().value();
    const auto work = []() -> eddy::task<eddy::time::duration> {
        const eddy::sync::cancellation_token ending;
        const auto end = signal::shutdown_delayed(ending, 5s);
        co_await eddy::time::sleep(1s);
        EXPECT_FALSE(end.is_cancelled());
        const auto begin = eddy::time::clock::now();
        ending.cancel();
        co_await end.cancelled();
        co_return eddy::time::clock::now() - begin;
    };
    EXPECT_EQ(within(core, work()), 5s);
}

void exit_at_second_signal() {
    eddy::core core;
    const auto work = []() -> eddy::task<bool> {
        const auto stop = signal::shutdown_token();
        std::raise(SIGTERM);
        co_await stop.value().cancelled();
        std::raise(SIGINT);
        co_await eddy::pending<void>();
        co_return true;
    };
    within(core, work());
}

// covers: P077
TEST(Signal, SecondSignalEndsProgramThatAwaitsShutdown) {
    EXPECT_EXIT(exit_at_second_signal(), testing::ExitedWithCode(128 + SIGINT), "^$");
}

/// Sends the second signal when the token is cancelled. If `has_child`, a child of the token is a wait for it, too.
void exit_with_ignored_token(bool has_child) {
    eddy::core core;
    const auto work = [has_child]() -> eddy::task<bool> {
        const auto stop = signal::shutdown_token();
        std::optional<eddy::sync::cancellation_token> child;
        if (has_child) child = stop.value().child_token();
        std::raise(SIGTERM);
        while (!stop.value().is_cancelled()) co_await eddy::yield_now();
        std::raise(SIGTERM);
        co_await eddy::pending<void>();
        co_return true;
    };
    within(core, work());
}

TEST(Signal, SecondSignalNamesTokenThatNoTaskAwaits) {
    EXPECT_EXIT(exit_with_ignored_token(false), testing::ExitedWithCode(128 + SIGTERM),
                "eddy: a second signal ends the program, because no task waited for the token of shutdown_token.*"
                "signal_test.cpp:");
    EXPECT_EXIT(exit_with_ignored_token(true), testing::ExitedWithCode(128 + SIGTERM), "^$");
}

TEST(ShutdownRequest, SecondOfTwoCancelsDoesNotSayThatNoTaskWaited) {
    for (const bool has_waiter : {true, false}) {
        eddy::detail::shutdown_request request(std::source_location::current());
        by_hand waiter(request.token().cancelled());
        if (has_waiter) assert_pending(waiter.poll());
        request.cancel();
        request.cancel();  // by a task that has seen is_cancelled() before the first one
        EXPECT_EQ(request.was_ignored(), !has_waiter);
    }
}

std::atomic<int> former{0};
void count_former(int) {
    ++former;
    errno = EPERM;  // the interrupted code must not see this value
}

// covers: P077 R121
TEST(Signal, FormerHandlerRunsAndErrnoIsRestored) {
    struct sigaction old{};
    old.sa_handler = count_former;
    // Installs the former handler only once, because the library's handler stays installed.
    static const int installed = ::sigaction(SIGWINCH, &old, nullptr);
    ASSERT_EQ(installed, 0);
    former = 0;
    eddy::core core;
    const auto raise = [] {
        errno = 77;
        std::raise(SIGWINCH);
        EXPECT_EQ(errno, 77);
    };
    EXPECT_EQ(within(core, next_of(kind::window_change(), raise)), SIGWINCH);
    EXPECT_EQ(former.load(), 1);
}

#ifdef __linux__  // pthread_sigqueue(3)
std::atomic<int> former_value{0};
void keep_value(int, siginfo_t* info, void*) { former_value = info->si_value.sival_int; }

TEST(Signal, FormerHandlerGetsTheSignalsValue) {
    const int number = unused_signal(3);
    struct sigaction old{};
    old.sa_sigaction = keep_value;
    old.sa_flags = SA_SIGINFO;
    static const int installed = ::sigaction(number, &old, nullptr);
    ASSERT_EQ(installed, 0);
    former_value = 0;
    eddy::core core;
    const auto send = [number] {
        sigval value{};
        value.sival_int = 42;
        EXPECT_EQ(::pthread_sigqueue(::pthread_self(), number, value), 0);
    };
    EXPECT_EQ(within(core, next_of(kind::from_number(number), send)), number);
    EXPECT_EQ(former_value, 42);
}
#endif

TEST(Signal, HandlerRestartsSystemCallsAndUsesAlternateStack) {
    eddy::core core;
    const int number = unused_signal(1);
    EXPECT_EQ(within(core, next_of(kind::from_number(number), [number] { std::raise(number); })), number);
    struct sigaction installed{};
    ASSERT_EQ(::sigaction(number, nullptr, &installed), 0);
    EXPECT_NE(installed.sa_flags & SA_RESTART, 0) << "a signal would end blocking calls of the program with EINTR";
    EXPECT_NE(installed.sa_flags & SA_ONSTACK, 0) << "the handler would run on a stack that may be too small for it";
}

/// Reads one byte while signals arrive. Returns what read(2) returns, without repeating it.
ssize_t read_during_signals(int number) {
    const auto pipe = support::make_pipe();
    ::fcntl(pipe.reader.native_handle(), F_SETFL, 0);  // blocking
    std::atomic<pid_t> reader{0};
    std::atomic<bool> has_ended{false};
    ssize_t count = -1;
    std::thread reading([&] {
        reader = ::gettid();
        char byte = 0;
        count = ::read(pipe.reader.native_handle(), &byte, 1);
        has_ended = true;
    });
    for (int i = 0; i < 10; ++i) {
        while (!has_ended && (reader == 0 || !support::is_asleep(reader))) std::this_thread::yield();
        ::pthread_kill(reading.native_handle(), number);
    }
    pipe.writer.write(1);
    reading.join();
    return count;
}

TEST(Signal, ReceivedSignalDoesNotInterruptBlockingRead) {
    const support::watchdog limit("a read that signals interrupt");
    eddy::core core;
    EXPECT_EQ(within(core, next_of(kind::user_defined1(), [] { std::raise(SIGUSR1); })), SIGUSR1);  // sets the handler
    EXPECT_EQ(read_during_signals(SIGUSR1), 1);
}

// covers: R120
TEST(Signal, HandlerDoesNotWriteToDescriptorOfClosedBell) {
    ASSERT_TRUE(eddy::sys::count_signal(SIGUSR2));
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const support::owned_fd from(ends[0]);
    const support::owned_fd to(ends[1]);
    ASSERT_EQ(::fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);

    eddy::sys::signal_bell* const bell = eddy::sys::open_bell(SIGUSR2).value();
    const int number = eddy::sys::descriptor_of(*bell);
    eddy::sys::close_bell(*bell);
    const support::owned_fd with_its_number(::dup2(ends[1], number));
    ASSERT_EQ(with_its_number.native_handle(), number);
    std::raise(SIGUSR2);
    char got = 0;
    EXPECT_EQ(::read(ends[0], &got, 1), -1);

    eddy::sys::signal_bell* const next = eddy::sys::open_bell(SIGUSR2).value();
    EXPECT_EQ(next, bell) << "a closed bell is used again, so that many streams need no more memory than one";
    eddy::sys::close_bell(*next);
}

// covers: P077
TEST(Signal, ForbiddenSignalsAreRefused) {
    eddy::core core;
    const auto work = []() -> eddy::task<bool> {
        for (const int number : {SIGKILL, SIGSTOP, SIGSEGV, SIGFPE, SIGILL, SIGBUS, 0, -1, 65, 32})
            EXPECT_EQ(signal::stream(kind::from_number(number)).error(), errc::forbidden_signal) << number;
        co_return true;
    };
    EXPECT_TRUE(within(core, work()));
    EXPECT_THROW(static_cast<void>(signal::stream(kind::hangup())), eddy::misuse) << "no event loop is current here";
    by_hand nowhere(signal::ctrl_c());
    EXPECT_THROW(static_cast<void>(nowhere.poll()), eddy::misuse);
}

// covers: P077
TEST(Signal, StreamEndsWithLoop) {
    std::optional<signal::signal_stream> left;
    {
        eddy::core core;
        const auto work = [](std::optional<signal::signal_stream>& out) -> eddy::task<void> {
            out.emplace(signal::stream(kind::user_defined1()).value());
            co_return;
        };
        within(core, work(left));
    }
    by_hand next(left->next());
    EXPECT_FALSE(eddy::test::assert_ready(next.poll()).has_value());
}

TEST(Signal, CtrlCEndsWithLoop) {
    by_hand stop(signal::ctrl_c());
    {
        eddy::core core;
        core.run(eddy::poll_fn([&](eddy::context&) {
            assert_pending(stop.poll());
            return eddy::poll_result<void>::ready();
        }));
    }
    EXPECT_EQ(eddy::test::assert_ready(stop.poll()).error(), errc::runtime_shutdown);
}

TEST(Signal, StreamsNeedDescriptors) {
    eddy::core core;
    const auto listen = []() -> eddy::task<bool> {
        constexpr auto shortage = std::errc::too_many_files_open;
        {
            const support::descriptor_limit none(0);
            EXPECT_EQ(signal::stream(kind(SIGUSR1)).error(), shortage);
            EXPECT_EQ(signal::shutdown_token().error(), shortage);
            const auto stopped = co_await signal::ctrl_c();
            EXPECT_EQ(stopped.error(), shortage);
        }
        const support::descriptor_limit one(1);
        EXPECT_EQ(signal::shutdown_token().error(), shortage);
        co_return signal::stream(kind(SIGUSR1)).has_value();
    };
    EXPECT_TRUE(within(core, listen()));
}

TEST(Signal, LoopWithoutIoRefusesStreams) {
    auto core = eddy::core::builder().enable_io(false).build().value();
    core.run(eddy::poll_fn([](eddy::context&) {
        EXPECT_EQ(signal::stream(kind(SIGUSR1)).error(), errc::io_disabled);
        return eddy::poll_result<void>::ready();
    }));
}

TEST(Signal, AssignedStreamReceivesTheSignalsOfTheOther) {
    eddy::core core;
    const auto receive = []() -> eddy::task<int> {
        auto signals = signal::stream(kind(SIGUSR1)).value();
        signals = signal::stream(kind(SIGUSR2)).value();
        std::raise(SIGUSR1);
        std::raise(SIGUSR2);
        const auto received = co_await signals.next();
        co_return received ? received->number() : 0;
    };
    EXPECT_EQ(within(core, receive()), SIGUSR2);
}

std::atomic<std::uint64_t> storm_signals{0};
std::atomic<std::uint64_t> storm_signals_elsewhere{0};
std::atomic<pid_t> storm_thread{0};
void count_storm(int) {
    ++(::gettid() == storm_thread.load() ? storm_signals : storm_signals_elsewhere);
    errno = EPERM;
}

/// Allocates and frees blocks of many sizes until `is_over` is true. Returns how often errno has changed.
std::uint64_t allocate_until(const std::atomic<bool>& is_over) {
    std::uint64_t changes = 0;
    std::vector<std::unique_ptr<char[]>> blocks(64);
    for (std::size_t i = 0; !is_over; ++i) {
        errno = EDOM;
        blocks[i % blocks.size()].reset(new char[1 + i * 7919 % 40'000]);
        changes += errno != EDOM;
    }
    return changes;
}

// malloc(3) takes locks. A handler that allocates would deadlock if it interrupted malloc(3) on its own thread.
// covers: R121
TEST(SignalStress, SignalStormDoesNotDisturbThreadThatAllocates) {
    const support::watchdog limit("a thread that allocates in a storm of signals", std::chrono::seconds(60));
    const int number = unused_signal(2);
    struct sigaction counting{};
    counting.sa_handler = count_storm;
    static const int installed = ::sigaction(number, &counting, nullptr);
    ASSERT_EQ(installed, 0);
    storm_signals = 0;
    storm_signals_elsewhere = 0;
    storm_thread = 0;
    eddy::core core;
    const auto work = [number]() -> eddy::task<std::uint64_t> {
        auto signals = signal::stream(kind::from_number(number)).value();
        std::atomic<bool> is_over{false};
        std::uint64_t changes = 0;
        std::thread allocating([&] {
            storm_thread = ::gettid();
            changes = allocate_until(is_over);
        });
        while (storm_thread == 0) co_await eddy::yield_now();
        std::uint64_t sent = 0;
        std::uint64_t received = 0;
        const std::uint64_t wanted = support::rounds(10'000);
        // On a busy machine, the storm ends after 10 s with fewer signals.
        const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        while (sent < wanted && std::chrono::steady_clock::now() < until) {
            ::pthread_kill(allocating.native_handle(), number);
            ++sent;
            while (storm_signals + storm_signals_elsewhere != sent) std::this_thread::yield();
            const auto next = co_await signals.next();
            received += next.has_value();
        }
        is_over = true;
        allocating.join();
        EXPECT_EQ(received, sent);
        co_return changes;
    };
    EXPECT_EQ(core.run(work()), 0u) << "the handler changes errno";
    EXPECT_EQ(storm_signals_elsewhere, 0u);
}

// covers: P077
TEST(SignalStress, StreamReceivesSignalsSentByAnotherThread) {
    eddy::core core;
    ASSERT_EQ(within(core, next_of(kind::user_defined1(), [] { std::raise(SIGUSR1); })), SIGUSR1);  // sets the handler
    const std::jthread sender([](const std::stop_token& end) {
        while (!end.stop_requested()) {
            ::kill(::getpid(), SIGUSR1);
            std::this_thread::yield();
        }
    });
    const auto work = []() -> eddy::task<bool> {
        auto signals = signal::stream(kind::user_defined1()).value();
        for (support::handover_rounds rounds(50'000); rounds.next();) {
            const auto next = co_await signals.next();
            if (!next) co_return false;
        }
        co_return true;
    };
    EXPECT_TRUE(core.run(work())) << "the stream has ended";
}

}  // namespace
