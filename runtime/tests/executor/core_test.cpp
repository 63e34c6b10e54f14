// SPDX-License-Identifier: MIT
// The event loop: construction, run(), turn(), tasks between two runs, and fork(2).
// covers: S51 P002
#include <eddy/runtime/core.hpp>

#include <gtest/gtest.h>

#include <unistd.h>
#include <ctime>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/future/poll_fn.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/io/async_fd.hpp>
#include <eddy/net/tcp_listener.hpp>
#include <eddy/net/tcp_stream.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/time/sleep.hpp>

#include "support/polling.hpp"
#include "support/sanitizers.hpp"
#include "support/stress.hpp"
#include "support/system.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::sync::oneshot;

eddy::task<void> count_up(int& count) {
    ++count;
    co_return;
}

/// Counts its polls in `ticks`. Never completes.
eddy::task<void> tick(int& ticks) {
    for (;;) {
        ++ticks;
        co_await eddy::yield_now();
    }
}

eddy::task<int> yields(int times) {
    for (int i = 0; i < times; ++i) co_await eddy::yield_now();
    co_return times;
}

eddy::task<eddy::result<int>> fails() { co_return std::unexpected(std::make_error_code(std::errc::io_error)); }

eddy::task<void> throws() {
    co_await eddy::yield_now();
    throw std::runtime_error("from the main future");
}

std::chrono::nanoseconds thread_cpu_time() {
    timespec used{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

// ---- Construction and destruction ----

// covers: S55
TEST(Core, MakeReportsTooManyOpenFiles) {
    const support::few_descriptors none(0);
    const auto made = eddy::core::make();
    ASSERT_FALSE(made.has_value());
    EXPECT_EQ(made.error(), std::errc::too_many_files_open);
    EXPECT_THROW(eddy::core(), std::system_error);
}

// covers: S55
TEST(Core, FailedMakeLeavesNoDescriptorOpen) {
    const auto before = support::count_fds();
    {
        const support::few_descriptors one(1);  // enough for the epoll instance, not for the eventfd
        EXPECT_FALSE(eddy::core::make().has_value());
    }
    EXPECT_EQ(support::count_fds(), before);
}

// covers: S55 R041
TEST(Core, ThousandLoopsLeaveNoDescriptorOpen) {
    {
        const eddy::core warm_up;
    }
    const auto before = support::count_fds();
    for (int i = 0; i < 1000; ++i) {
        eddy::core loop;
        loop.run(yields(1));
    }
    EXPECT_EQ(support::count_fds(), before);
}

// covers: S47
TEST(Core, RemoteThatOutlivesTheLoopKeepsNoDescriptorOpen) {
    const auto before = support::count_fds();
    auto loop = std::make_unique<eddy::core>();
    const auto remote = loop->remote();
    loop.reset();
    EXPECT_EQ(support::count_fds(), before);
    EXPECT_EQ(remote.spawn([] {}).error(), eddy::errc::runtime_shutdown);
}

TEST(Core, ReportsTheDriverAndTheReason) {
#if defined(_WIN32)
    constexpr auto driver = eddy::driver_kind::afd;
    constexpr std::string_view why = "afd: asked for by the builder";
#else
    constexpr auto driver = eddy::driver_kind::poll;
    constexpr std::string_view why = "poll: asked for by the builder";
#endif
    const auto loop = eddy::core::builder().driver(driver).build().value();
    EXPECT_EQ(loop.driver(), driver);
    EXPECT_EQ(loop.why_driver(), why);
}

// ---- run ----

// covers: S56
TEST(Core, RunReturnsTheOutputOrRethrows) {
    eddy::core loop;
    EXPECT_EQ(loop.run(yields(3)), 3);
    EXPECT_EQ(loop.run(fails()).error(), std::errc::io_error);
    EXPECT_THROW(loop.run(throws()), std::runtime_error);
    EXPECT_EQ(loop.run(yields(3)), 3);
    EXPECT_EQ(loop.metrics().alive_tasks(), 0u);
}

// covers: S56
TEST(Core, RunAcceptsFuturesThatAreNotTasks) {
    eddy::core loop;
    int polls = 0;
    auto third = eddy::poll_fn([&](eddy::context& cx) -> eddy::poll_result<std::unique_ptr<int>> {
        cx.waker().wake_by_ref();
        if (++polls < 3) return eddy::not_ready;
        return std::make_unique<int>(polls);
    });
    EXPECT_EQ(*loop.run(third), 3);
}

// covers: S56
TEST(Core, SpawnedTasksRunBesideTheMainFutureOnOneThread) {
    eddy::core loop;
    int ticks = 0;
    std::vector<std::thread::id> threads;
    loop.handle().spawn(tick(ticks));
    loop.handle().spawn([&] { threads.push_back(std::this_thread::get_id()); });
    loop.run(yields(10));
    EXPECT_GE(ticks, 9);
    EXPECT_LE(ticks, 12);
    EXPECT_EQ(threads, std::vector{std::this_thread::get_id()});
}

// covers: S57
TEST(Core, MainFutureMayReferToLocals) {
    eddy::core loop;
    int n = 0;
    const auto add = [&]() -> eddy::task<void> {
        co_await eddy::yield_now();
        ++n;
    };
    loop.run(add());
    auto again = add();
    loop.run(again);
    EXPECT_EQ(n, 2);
}

// covers: S58
TEST(Core, WaitDoesNotRunTasksOfTheLoop) {
    eddy::core loop;
    int ticks = 0;
    loop.handle().spawn(tick(ticks));
    EXPECT_EQ(eddy::wait(yields(10)), 10);
    EXPECT_EQ(ticks, 0);
    loop.run(yields(10));
    EXPECT_GT(ticks, 0);
}

// covers: S59
TEST(Core, TasksMakeProgressOnlyDuringRun) {
    struct my_context {
        eddy::core loop;
    } mine;
    int progress = 0;
    const auto slow = [&]() -> eddy::task<void> {
        for (; progress < 100; ++progress) co_await eddy::yield_now();
    };
    mine.loop.handle().spawn(slow());
    for (int last = 0; last < 100;) {
        mine.loop.run(yields(3));
        EXPECT_GT(progress, last);
        last = progress;
        eddy::wait(yields(10));
        EXPECT_EQ(progress, last);
    }
    EXPECT_EQ(mine.loop.run(yields(2)), 2);
    EXPECT_EQ(mine.loop.metrics().alive_tasks(), 0u);
}

// covers: S59
TEST(Core, WakeUpBetweenRunsIsNotLost) {
    eddy::core loop;
    auto [tx, rx] = oneshot<int>::channel();
    int got = 0;
    const auto receives = [&]() -> eddy::task<void> { got = (co_await rx).value(); };
    loop.handle().spawn(receives());
    loop.run(yields(2));
    std::thread([&] { static_cast<void>(tx.send(5)); }).join();
    EXPECT_EQ(got, 0);
    loop.run(yields(2));
    EXPECT_EQ(got, 5);
}

// covers: S60
TEST(Core, NestedRunThrowsAndTheOuterRunContinues) {
    eddy::core loop;
    int inner = 0;
    const auto outer = [&]() -> eddy::task<std::string> {
        auto text = support::text_of_misuse([&] { loop.run(count_up(inner)); });
        EXPECT_THROW(loop.turn(), eddy::nested_runtime);
        EXPECT_THROW(loop.run_until_idle(), eddy::nested_runtime);
        // The rejected future is destroyed by now. The loop must not poll it.
        co_await yields(10);
        co_return text;
    };
    const auto text = loop.run(outer());
    EXPECT_NE(text.find("cannot recursively call into core"), std::string::npos) << text;
    EXPECT_EQ(inner, 0);
    EXPECT_EQ(loop.metrics().alive_tasks(), 0u);
}

// covers: S60
TEST(Core, RunInsideAnotherLoopThrows) {
    eddy::core loop;
    eddy::core other;
    int inner = 0;
    const auto outer = [&]() -> eddy::task<void> {
        EXPECT_THROW(other.run(count_up(inner)), eddy::nested_runtime);
        co_return;
    };
    loop.run(outer());
    other.run(yields(3));
    EXPECT_EQ(inner, 0);
}

TEST(Core, RunOnAnotherThreadThrowsAndPollsNothing) {
    eddy::core loop;
    int polled = 0;
    std::thread([&] {
        EXPECT_THROW(loop.run(count_up(polled)), eddy::wrong_thread);
        EXPECT_THROW(loop.turn(), eddy::wrong_thread);
        EXPECT_THROW(static_cast<void>(loop.metrics()), eddy::wrong_thread);
    }).join();
    EXPECT_EQ(loop.metrics().alive_tasks(), 0u);
    loop.run(yields(3));
    EXPECT_EQ(polled, 0);
}

TEST(Core, RunUntilIdleRunsWorkSentByTheLastTask) {
    eddy::core loop;
    bool has_run = false;
    loop.handle().spawn([&](eddy::core_handle& handle) { handle.remote().spawn([&] { has_run = true; }); });
    loop.run_until_idle();
    EXPECT_TRUE(has_run);
}

TEST(Core, CanBeMovedBetweenRuns) {
    eddy::core loop;
    const auto remote = loop.remote();
    const auto id = loop.id();
    std::vector<int> seen;
    loop.handle().spawn([&] { seen.push_back(1); });
    eddy::core moved(std::move(loop));
    remote.spawn([&] { seen.push_back(2); });
    eddy::core other;
    other = std::move(moved);
    EXPECT_EQ(other.id(), id);
    other.run_until_idle();
    other.run(yields(2));
    EXPECT_EQ(seen, (std::vector{1, 2}));
}

// ---- turn ----

// covers: S61
TEST(Core, TurnRunsSpawnedTasksInOrder) {  // based on simple_core_poll of tokio-core
    eddy::core loop;
    std::vector<int> seen;
    loop.turn(0ms);
    loop.handle().spawn([&] { seen.push_back(1); });
    EXPECT_EQ(seen, std::vector<int>());
    loop.turn(0ms);
    EXPECT_EQ(seen, std::vector{1});
    loop.handle().spawn([&] { seen.push_back(2); });
    loop.handle().spawn([&] { seen.push_back(3); });
    EXPECT_EQ(seen, std::vector{1});
    loop.turn();  // does not block: work is queued
    EXPECT_EQ(seen, (std::vector{1, 2, 3}));
    loop.turn(0ms);
    EXPECT_EQ(seen, (std::vector{1, 2, 3}));
}

// covers: S61
TEST(Core, TurnRunsEachQueuedTaskOnce) {
    eddy::core loop;
    int first = 0;
    int second = 0;
    loop.handle().spawn(tick(first));
    loop.handle().spawn(tick(second));
    for (int i = 1; i <= 5; ++i) {
        loop.turn();
        EXPECT_EQ(first, i);
        EXPECT_EQ(second, i);
    }
}

// covers: S02 S52
TEST(Core, RepeatedTurnsBehaveLikeRun) {
    eddy::core loop;
    support::counter events;
    std::vector<std::string> seen;
    bool done = false;
    const auto main = [&]() -> eddy::task<void> {
        const eddy::io::async_fd<eddy::io::source_fd> fd(eddy::io::source_fd(events.native_handle()),
                                                         eddy::io::interest::readable);
        auto [tx, rx] = oneshot<void>::channel();
        std::thread writer([&] { events.add(); });
        static_cast<void>(co_await fd.registration().readiness(eddy::io::interest::readable));
        writer.join();
        seen.emplace_back("event");
        std::thread other([&] { static_cast<void>(tx.send()); });
        static_cast<void>(co_await rx);
        other.join();
        seen.emplace_back("thread");
        co_await eddy::time::sleep(2ms);
        seen.emplace_back("timer");
        done = true;
    };
    loop.handle().spawn(main());
    while (!done) loop.turn();
    EXPECT_EQ(seen, (std::vector<std::string>{"event", "thread", "timer"}));
}

// covers: S54
TEST(Core, OneTurnDispatchesIoAndTimersInOrder) {
    eddy::core loop;
    const auto ends = support::make_socket_pair();
    const auto tied = eddy::io::registration::attach(eddy::io::source_fd(ends.reader.native_handle()),
                                                     eddy::io::interest::readable, loop.handle().reactor().value())
                          .value();
    std::vector<std::string> seen;
    const auto echo = [&]() -> eddy::task<void> {
        static_cast<void>(co_await tied.readiness(eddy::io::interest::readable));
        ends.reader.write(ends.reader.read(8).value());
        seen.emplace_back("write after read");
    };
    const auto machine = [&]() -> eddy::task<void> {
        co_await echo();
        seen.emplace_back("state machine");
    };
    const auto timeout = [&]() -> eddy::task<void> {
        co_await eddy::time::sleep(1ms);
        seen.emplace_back("timeout");
    };
    loop.handle().spawn(timeout());
    loop.handle().spawn(machine());
    loop.turn(0ms);
    ends.writer.write(5);
    const auto due = std::chrono::steady_clock::now() + 2ms;
    while (std::chrono::steady_clock::now() < due) std::this_thread::yield();
    EXPECT_TRUE(seen.empty());
    loop.turn();
    EXPECT_EQ(seen, (std::vector<std::string>{"write after read", "state machine", "timeout"}));
    EXPECT_EQ(ends.writer.read(8).value(), 5u);
}

// covers: S02 S52
TEST(Core, WaitingLoopUsesNoCpuTime) {
    eddy::core loop;
    loop.run(yields(1));
    const auto turns = loop.metrics().turns();
    const auto used = thread_cpu_time();
    const auto main = []() -> eddy::task<void> { co_await eddy::time::sleep(100ms); };
    loop.run(main());
    EXPECT_LE(loop.metrics().turns() - turns, 5u);
    EXPECT_LT(thread_cpu_time() - used, 20ms);
}

// ---- Spinning ----

TEST(Core, SpinningChecksTheDriverSeveralTimes) {
    auto sleepy = eddy::core();
    sleepy.turn(1ms);
    EXPECT_EQ(sleepy.metrics().turns(), 1u);
    auto lively = eddy::core::builder().spin_before_sleep(100us).build().value();
    const auto begin = std::chrono::steady_clock::now();
    lively.turn(1ms);
    EXPECT_GE(std::chrono::steady_clock::now() - begin, 1ms);
    EXPECT_GT(lively.metrics().turns(), 1u);
    lively.turn(-1ms);
    lively.turn(0ms);
}

// A thread that sleeps switches voluntarily, a thread that spins does not. macOS and NetBSD do not count the switches
// of a thread.
#if !defined(__APPLE__) && !defined(__NetBSD__)
TEST(Core, SpinningIsPartOfTheLimitOfATurn) {
    auto loop = eddy::core::builder().spin_before_sleep(1h).build().value();
    loop.turn(1ms);
    const auto sleeps = [] {
        rusage used{};
        EXPECT_EQ(::getrusage(RUSAGE_THREAD, &used), 0);
        return used.ru_nvcsw;
    };
    const auto before = sleeps();
    loop.turn(10ms);
    EXPECT_EQ(sleeps(), before);
}

#endif

// These loops would spin for an hour. Timers, other threads and received bytes must end the spinning.
TEST(Core, TimersThreadsAndSocketsEndSpinning) {
    for (const bool has_io : {true, false}) {
        auto loop = eddy::core::builder().enable_io(has_io).spin_before_sleep(1h).build().value();
        loop.run(eddy::time::sleep(1ms));
        auto [tx, rx] = oneshot<int>::channel();
        std::thread other([sender = std::move(tx)]() mutable { EXPECT_TRUE(sender.send(7).has_value()); });
        EXPECT_EQ(loop.run(std::move(rx)).value(), 7);
        other.join();
    }
    auto loop = eddy::core::builder().spin_before_sleep(1h).build().value();
    const auto echo = []() -> eddy::task<std::size_t> {
        auto listener = (co_await eddy::net::tcp_listener::bind("127.0.0.1:0")).value();
        auto client = (co_await eddy::net::tcp_stream::connect(listener.local_addr().value())).value();
        auto served = (co_await listener.accept()).value();
        const std::array<std::byte, 3> bytes{};
        (co_await client.write_all(bytes)).value();
        std::array<std::byte, 8> into{};
        co_return (co_await served.stream.read(into)).value();
    };
    EXPECT_EQ(loop.run(echo()), 3u);
}

TEST(Core, SpinningDoesNotDelayAPausedClock) {
    auto loop = eddy::core::builder().start_paused(true).spin_before_sleep(1h).build().value();
    const auto before = std::chrono::steady_clock::now();
    const auto main = []() -> eddy::task<eddy::time::clock::duration> {
        const auto start = eddy::time::clock::now();
        co_await eddy::time::sleep(24h);
        co_return eddy::time::clock::now() - start;
    };
    EXPECT_EQ(loop.run(main()), 24h);
    EXPECT_LT(std::chrono::steady_clock::now() - before, 1h);
}

// covers: S07
TEST(Core, TaskIsPolledAtTheStartAndOncePerWakeUp) {
    eddy::core loop;
    const pid_t loop_thread = ::gettid();
    support::counter events;
    const auto main = [&]() -> eddy::task<void> {
        const eddy::io::async_fd<eddy::io::source_fd> fd(eddy::io::source_fd(events.native_handle()),
                                                         eddy::io::interest::readable);
        static_cast<void>(co_await fd.registration().readiness(eddy::io::interest::readable));
    };
    std::thread other([&] {
        support::wait_until_asleep(loop_thread);
        events.add();
    });
    loop.run(main());
    other.join();
    EXPECT_EQ(loop.metrics().polls(), 2u);
}

// covers: S79
TEST(Core, OneshotSentOnAnotherThreadWakesTheSleepingLoop) {
    eddy::core loop;
    const pid_t loop_thread = ::gettid();
    auto [tx, rx] = oneshot<int>::channel();
    std::thread other([&] {
        support::wait_until_asleep(loop_thread);
        static_cast<void>(tx.send(6));
    });
    EXPECT_EQ(loop.run(rx).value(), 6);
    other.join();
}

// covers: R021
TEST(Core, TurnAcceptsEveryDuration) {
    for (const bool with_io : {true, false}) {
        auto loop = eddy::core::builder().enable_io(with_io).build().value();
        const auto before = std::chrono::steady_clock::now();
        for (const auto past : {0ns, -1ns, std::chrono::nanoseconds::min()}) loop.turn(past);
        EXPECT_LT(std::chrono::steady_clock::now() - before, 10s);
        for (const auto shortly : {1ns, std::chrono::nanoseconds(999us)}) {
            const auto begin = std::chrono::steady_clock::now();
            loop.turn(shortly);
            EXPECT_GE(std::chrono::steady_clock::now() - begin, shortly);
        }
        for (const std::chrono::nanoseconds long_time :
             {std::chrono::nanoseconds(25 * 24h), std::chrono::nanoseconds::max()}) {
            int ticks = 0;
            std::atomic<bool> has_returned = false;
            std::thread other([&, remote = loop.remote(), loop_thread = ::gettid()] {
                while (!support::is_asleep(loop_thread) && !has_returned) std::this_thread::yield();
                remote.spawn(count_up(ticks));
            });
            loop.turn(long_time);
            has_returned = true;
            other.join();
            EXPECT_EQ(ticks, 1) << "the loop did not sleep until the other thread has woken it";
        }
    }
}

// ---- Operations are lazy, and need a loop only when polled ----

// covers: S06
TEST(Core, UnpolledOperationsOpenNoDescriptor) {
    const auto before = support::count_fds();
    const auto rounds = support::rounds(1'000'000);
    for (std::uint64_t i = 0; i < rounds; ++i) static_cast<void>(eddy::net::tcp_stream::connect("127.0.0.1:1"));
    EXPECT_EQ(support::count_fds(), before);
}

// covers: S11
TEST(Core, OperationCreatedBeforeTheLoopRunsInTheLoop) {
    auto listening = eddy::net::tcp_listener::bind(eddy::net::socket_addr::parse("127.0.0.1:0").value());
    eddy::core loop;
    auto listener = loop.run(listening).value();
    EXPECT_TRUE(loop.run(eddy::net::tcp_stream::connect(listener.local_addr().value())).has_value());
}

// covers: S11
TEST(Core, OperationPolledWithoutALoopThrows) {
    const auto text =
        support::text_of_misuse([] { static_cast<void>(eddy::wait(eddy::net::tcp_stream::connect("127.0.0.1:1"))); });
    EXPECT_NE(text.find("event loop"), std::string::npos) << text;
}

// ---- Without I/O ----

// covers: S42
TEST(Core, LoopWithoutIoRunsTimersAndRemoteWork) {
    const auto epolls = support::count_fds("eventpoll");
    const auto all = support::count_fds();
    auto loop = eddy::core::builder().enable_io(false).build().value();
    EXPECT_EQ(support::count_fds("eventpoll"), epolls);
    EXPECT_EQ(support::count_fds(), all);
    EXPECT_EQ(loop.driver(), std::nullopt);

    const auto before = std::chrono::steady_clock::now();
    const auto naps = []() -> eddy::task<void> { co_await eddy::time::sleep(5ms); };
    loop.run(naps());
    EXPECT_GE(std::chrono::steady_clock::now() - before, 5ms);

    const pid_t loop_thread = ::gettid();
    auto [tx, rx] = oneshot<int>::channel();
    std::thread other([&] {
        support::wait_until_asleep(loop_thread);
        static_cast<void>(tx.send(6));
    });
    EXPECT_EQ(loop.run(rx).value(), 6);
    other.join();
    EXPECT_EQ(support::count_fds(), all);
}

// covers: S42
TEST(Core, IoOnALoopWithoutIoReturnsIoDisabled) {
    auto loop = eddy::core::builder().enable_io(false).build().value();
    const auto any = eddy::net::socket_addr::parse("127.0.0.1:0").value();
    EXPECT_EQ(eddy::net::tcp_listener::bind(any, loop.handle()).error(), eddy::errc::io_disabled);
    const auto bound = loop.run(eddy::net::tcp_listener::bind(any));
    ASSERT_FALSE(bound.has_value());
    EXPECT_EQ(bound.error(), eddy::errc::io_disabled);
    EXPECT_NE(bound.error().message().find("enable_io"), std::string::npos) << bound.error().message();
    EXPECT_EQ(loop.handle().reactor().error(), eddy::errc::io_disabled);
}

// ---- fork ----

bool echoes_over_a_new_loop() {
    eddy::core loop;
    auto ends = support::make_socket_pair();
    const auto echo = [&]() -> eddy::task<std::size_t> {
        const eddy::io::async_fd<eddy::io::source_fd> fd(eddy::io::source_fd(ends.reader.native_handle()));
        loop.handle().spawn([&] { ends.writer.write(3); });
        static_cast<void>(co_await fd.registration().readiness(eddy::io::interest::readable));
        co_return ends.reader.read(8).value();
    };
    return loop.run(echo()) == 3;
}

// covers: R020
TEST(Core, ForkedChildCannotRunTheLoopButCanMakeANewLoop) {
    eddy::core loop;
    loop.run(yields(1));
    int polled = 0;
    EXPECT_TRUE(support::is_true_in_child([&] {
        const auto text = support::text_of_misuse([&] { loop.run(count_up(polled)); });
        return polled == 0 && text.find("fork") != std::string::npos && echoes_over_a_new_loop();
    }));
    EXPECT_TRUE(echoes_over_a_new_loop());
}

// covers: R020
TEST(Core, AttachFailsInAChildForkedInsideRun) {
    eddy::core loop;
    support::counter events;
    const auto main = [&]() -> eddy::task<bool> {
        co_return support::is_true_in_child([&] {
            const eddy::io::source_fd source(events.native_handle());
            const auto attached = eddy::io::registration::attach(source, eddy::io::interest::readable);
            return !attached.has_value();
        });
    };
    EXPECT_TRUE(loop.run(main()));
}

// covers: R020
TEST(Core, SpawnOnTheParentsLoopFailsInAForkedChild) {
    eddy::core loop;
    const auto is_refused = [&] {
        const auto spawned = loop.handle().spawn([] {});
        const auto sent = loop.handle().remote().spawn([] {});
        return !spawned && spawned.error() == eddy::errc::runtime_shutdown && !sent;
    };
    EXPECT_TRUE(support::is_true_in_child(is_refused));
    EXPECT_TRUE(
        loop.run([](auto refused) -> eddy::task<bool> { co_return support::is_true_in_child(refused); }(is_refused)));
    EXPECT_TRUE(loop.handle().spawn([] {}).has_value());
}

// covers: R020
TEST(Core, LoopWithoutIoWorksInAForkedChild) {
    auto loop = eddy::core::builder().enable_io(false).build().value();
    EXPECT_TRUE(support::is_true_in_child([&] {
        bool has_run = false;
        const auto spawned = loop.handle().spawn([&] { has_run = true; });
        loop.turn(0ms);
        return spawned.has_value() && has_run;
    }));
}

/// Returns whether a task of a loop is woken between two turns by what `sender_runs` calls.
template <class Runs>
bool is_woken_between_turns(eddy::core& loop, Runs sender_runs) {
    auto [tx, rx] = oneshot<int>::channel();
    std::optional<int> received;
    const auto receives = [](oneshot<int>::receiver from, std::optional<int>& to) -> eddy::task<void> {
        const auto value = co_await from;
        to = value.value();
    };
    if (!loop.handle().spawn(receives(std::move(rx), received))) return false;
    loop.turn(0ms);
    sender_runs([&] { static_cast<void>(tx.send(6)); });
    loop.turn(0ms);
    return received == 6;
}

// covers: R020
TEST(Core, LoopWithoutIoIsWokenBetweenTurnsInAForkedChild) {
    auto loop = eddy::core::builder().enable_io(false).build().value();
    EXPECT_TRUE(support::is_true_in_child([&] { return is_woken_between_turns(loop, [](auto send) { send(); }); }));
}

// covers: R020
TEST(Core, LoopWithoutIoIsWokenByAThreadOfAForkedChild) {
    if (support::is_sanitized) GTEST_SKIP() << "ThreadSanitizer allows no new threads after this fork(2)";
    auto loop = eddy::core::builder().enable_io(false).build().value();
    EXPECT_TRUE(support::is_true_in_child(
        [&] { return is_woken_between_turns(loop, [](auto send) { std::thread(send).join(); }); }));
}

// covers: R020
TEST(Core, LoopDestroyedInAForkedChildStillWorksInTheParent) {
    auto loop = std::make_unique<eddy::core>();
    support::counter events;
    auto attached =
        std::optional(eddy::io::registration::attach(eddy::io::source_fd(events.native_handle()),
                                                     eddy::io::interest::readable, loop->handle().reactor().value())
                          .value());
    EXPECT_TRUE(support::is_true_in_child([&] {
        attached.reset();
        loop.reset();  // the parent shares this epoll instance
        return true;
    }));

    // The parent's registration still reports, and its loop can still be woken.
    std::thread([&] { events.add(); }).join();
    static_cast<void>(loop->run(attached->readiness(eddy::io::interest::readable)).value());
    const pid_t loop_thread = ::gettid();
    auto [tx, rx] = oneshot<int>::channel();
    std::thread other([&] {
        support::wait_until_asleep(loop_thread);
        static_cast<void>(tx.send(6));
    });
    EXPECT_EQ(loop->run(rx).value(), 6);
    other.join();
}

}  // namespace
