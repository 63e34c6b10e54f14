// SPDX-License-Identifier: MIT
// A reactor that runs on its own thread: events, shutdown, destruction and fork(2).
#include <eddy/runtime/background_reactor.hpp>

#include <gtest/gtest.h>

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/io/registration.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/core_thread.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>

#include "support/gate.hpp"
#include "support/polling.hpp"
#include "support/stress.hpp"
#include "support/system.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::background_reactor;
using eddy::io::interest;
using eddy::io::readiness_future;
using eddy::io::registration;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::counter;

background_reactor make_background() { return eddy::reactor().background().value(); }

registration attach(const background_reactor& to, const counter& source) {
    return registration::attach(source, interest::readable, to.handle()).value();
}

/// Waits until the future is woken. Does not call turn().
template <class F>
void wait_until_woken(const by_hand<F>& future) {
    while (!future.is_woken()) std::this_thread::yield();
}

bool has_ended(const background_reactor& events) {
    const counter source;
    const auto tied = registration::attach(source, interest::readable, events.handle());
    return !tied && tied.error() == eddy::errc::runtime_shutdown;
}

// covers: S19
TEST(BackgroundReactor, DeliversEventsOnItsOwnThread) {
    const auto events = make_background();
    const counter source;
    const auto tied = attach(events, source);
    for (int i = 0; i < 3; ++i) {
        by_hand reader(tied.readiness(interest::readable));
        assert_pending(reader.poll());
        source.add();
        wait_until_woken(reader);
        const auto seen = assert_ready(reader.poll()).value();
        EXPECT_EQ(source.take().value(), 1u);
        tied.clear_readiness(seen);
    }
}

// covers: S19
TEST(BackgroundReactor, KeepsExistingRegistrations) {
    eddy::reactor reactor;
    const counter source;
    const auto tied = registration::attach(source, interest::readable, reactor.handle()).value();
    by_hand reader(tied.readiness(interest::readable));
    assert_pending(reader.poll());
    source.add();
    const auto events = std::move(reactor).background().value();
    wait_until_woken(reader);
    EXPECT_TRUE(assert_ready(reader.poll()).has_value());
}

// covers: S19
TEST(BackgroundReactor, BusyLoopDoesNotDelayEvents) {
    const auto events = make_background();
    const counter source;
    const auto tied = attach(events, source);

    std::atomic<bool> is_busy = false;
    std::atomic<bool> may_end = false;
    std::atomic<bool> is_over = false;
    const eddy::core_thread loop;  // declared after the flags, which its work uses
    ASSERT_TRUE(loop.remote()
                    .spawn([&] {
                        is_busy = true;
                        EXPECT_TRUE(support::comes_true([&] { return may_end.load(); }));
                        is_over = true;
                    })
                    .has_value());
    while (!is_busy) std::this_thread::yield();

    // All events are reported although the loop does not return to its driver.
    for (int i = 0; i < 10; ++i) {
        by_hand reader(tied.readiness(interest::readable));
        assert_pending(reader.poll());
        source.add();
        EXPECT_TRUE(support::comes_true([&] { return reader.is_woken(); }));
        EXPECT_TRUE(source.take().has_value());
        tied.clear_readiness(assert_ready(reader.poll()).value());
    }
    EXPECT_FALSE(is_over);
    may_end = true;
}

// ---- Shutdown and destruction ----

// covers: S19
TEST(BackgroundReactor, ShutdownOnIdleWaitsForTheLastRegistration) {
    const auto fds = support::count_fds();
    auto events = make_background();
    {
        const counter source;
        auto tied = std::optional(attach(events, source));
        std::atomic<bool> is_gone = false;
        std::thread other([&, waiting = ::gettid()] {
            support::wait_until_asleep(waiting);
            by_hand reader(tied->readiness(interest::readable));
            assert_pending(reader.poll());
            source.add();
            wait_until_woken(reader);  // the reactor still runs
            reader.drop();
            is_gone = true;
            tied.reset();
        });
        eddy::wait(events.shutdown_on_idle());
        EXPECT_TRUE(is_gone);
        other.join();
    }
    EXPECT_EQ(support::count_fds(), fds);
    EXPECT_TRUE(has_ended(events));
}

// covers: S19
TEST(BackgroundReactor, ShutdownOnIdleEndsImmediatelyIfIdle) {
    auto events = make_background();
    eddy::wait(events.shutdown_on_idle());
    eddy::wait(events.shutdown_on_idle());
    eddy::wait(events.shutdown_now());
    EXPECT_TRUE(has_ended(events));
}

// covers: S19
TEST(BackgroundReactor, SeveralTasksOfALoopMayAwaitTheShutdown) {
    auto events = make_background();
    const counter source;
    auto tied = attach(events, source);
    int ended = 0;
    const auto waits = [&]() -> eddy::task<void> {
        co_await events.shutdown_on_idle();
        ++ended;
    };
    const auto shuts = [&]() -> eddy::task<void> {
        EXPECT_EQ(ended, 0);
        tied.deregister().value();
        co_return;
    };
    eddy::core loop;
    for (int i = 0; i < 3; ++i) loop.handle().spawn(waits()).value();
    loop.handle().spawn(shuts()).value();
    loop.run_until_idle();
    EXPECT_EQ(ended, 3);
}

// covers: S19 S21
TEST(BackgroundReactor, ShutdownNowEndsAllPendingOperations) {
    auto events = make_background();
    const counter source;
    const auto tied = attach(events, source);
    by_hand reader(tied.readiness(interest::readable));
    assert_pending(reader.poll());
    by_hand on_idle(events.shutdown_on_idle());
    assert_pending(on_idle.poll());
    eddy::wait(events.shutdown_now());
    EXPECT_EQ(reader.wakes(), 1u);
    EXPECT_EQ(assert_ready(reader.poll()).error(), eddy::errc::runtime_shutdown);
    EXPECT_EQ(on_idle.wakes(), 1u);
    EXPECT_TRUE(on_idle.poll().is_ready());
    EXPECT_TRUE(has_ended(events));
}

// covers: S19 S21
TEST(BackgroundReactor, DestructionEndsPendingReads) {
    constexpr int reads = 1000;
    auto events = std::optional(make_background());
    const auto handle = events->handle();
    std::deque<counter> sources;
    try {
        for (int i = 0; i < reads; ++i) sources.emplace_back();
    } catch (const std::system_error&) {
        GTEST_SKIP() << "the limit of open files is too low for this test";
    }
    std::deque<registration> all;
    std::deque<by_hand<readiness_future>> pending;
    for (const auto& source : sources) {
        all.push_back(attach(*events, source));
        pending.emplace_back(all.back().readiness(interest::readable));
        assert_pending(pending.back().poll());
    }
    by_hand end(events->shutdown_on_idle());
    assert_pending(end.poll());
    events.reset();
    for (auto& one : pending) {
        EXPECT_EQ(one.wakes(), 1u);
        EXPECT_EQ(assert_ready(one.poll()).error(), eddy::errc::runtime_shutdown);
    }
    EXPECT_TRUE(end.poll().is_ready());
    handle.wake();
}

// covers: S19
TEST(BackgroundReactor, ShutdownStartsAtTheFirstPoll) {
    auto events = make_background();
    static_cast<void>(events.shutdown_now());
    EXPECT_FALSE(has_ended(events));
    {
        by_hand dropped(events.shutdown_on_idle());
        static_cast<void>(dropped.poll());
    }
    while (!has_ended(events)) std::this_thread::yield();  // the shutdown continues after its future was dropped
}

// covers: S19
TEST(BackgroundReactor, ForgottenReactorRunsUntilTheProcessEnds) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");  // runs in a separate process, which ends
    EXPECT_EXIT(
        {
            auto events = make_background();
            const auto handle = events.handle();
            std::move(events).forget();
            const counter source;
            const auto tied = registration::attach(source, interest::readable, handle).value();
            by_hand reader(tied.readiness(interest::readable));
            assert_pending(reader.poll());
            source.add();
            wait_until_woken(reader);
            std::exit(0);
        },
        testing::ExitedWithCode(0), "");
}

// covers: S19
TEST(BackgroundReactor, ShutdownMayBePolledByWakerOnReactorThread) {
    auto events = make_background();
    auto end = events.shutdown_now();
    std::atomic<bool> is_ready = false;
    support::calling_waker polls([&] {
        const eddy::waker none;
        eddy::context cx(none);
        is_ready = end.poll(cx).is_ready();
    });
    const auto waker = polls.waker();
    // The first poll also runs on the reactor thread, so that it cannot overlap with the poll in the waker.
    const counter source;
    const auto tied = attach(events, source);
    support::calling_waker starts([&] {
        eddy::context cx(waker);
        assert_pending(end.poll(cx));
    });
    const auto starter = starts.waker();
    eddy::context cx(starter);
    assert_pending(tied.poll_read_ready(cx));
    source.add();
    while (!is_ready) std::this_thread::yield();
    eddy::wait(events.shutdown_now());  // afterwards the thread has ended and no longer uses the waker
    EXPECT_TRUE(has_ended(events));
}

TEST(BackgroundReactor, BackgroundFailsWhenCalledByAWaker) {
    eddy::reactor reactor;
    const counter source;
    const auto tied = registration::attach(source, interest::readable, reactor.handle()).value();
    std::error_code refused;
    support::calling_waker nested([&] { refused = std::move(reactor).background().error(); });
    const auto waker = nested.waker();
    eddy::context cx(waker);
    assert_pending(tied.poll_read_ready(cx));
    source.add();
    EXPECT_EQ(reactor.turn(1s).value().events, 1u);
    EXPECT_EQ(refused, std::errc::resource_deadlock_would_occur);
    EXPECT_EQ(reactor.turn(0ms).value().events, 0u);  // the reactor still works
}

// covers: R020
TEST(BackgroundReactor, DestroyedInForkedChildLeavesParentRunning) {
    auto events = std::optional(make_background());
    const counter source;
    const auto tied = attach(*events, source);
    EXPECT_TRUE(support::is_true_in_child([&] {
        const bool is_refused = has_ended(*events);
        eddy::wait(events->shutdown_on_idle());
        events.reset();
        return is_refused;
    }));
    by_hand reader(tied.readiness(interest::readable));
    assert_pending(reader.poll());
    source.add();
    wait_until_woken(reader);
}

// covers: S19
TEST(BackgroundReactorStress, AttachRacesWithShutdown) {
    const auto rounds = support::rounds(20'000);
    for (std::uint64_t round = 0; round < rounds; ++round) {
        auto events = make_background();
        std::thread user([&, handle = events.handle()] {
            const counter source;
            source.add();
            for (;;) {
                const auto tied = registration::attach(source, interest::readable, handle);
                if (!tied) {
                    EXPECT_EQ(tied.error(), eddy::errc::runtime_shutdown);
                    return;
                }
                by_hand reader(tied->readiness(interest::readable));
                static_cast<void>(reader.poll());
            }
        });
        switch (round % 3) {
        case 0: eddy::wait(events.shutdown_on_idle()); break;
        case 1: eddy::wait(events.shutdown_now()); break;
        default: static_cast<void>(background_reactor(std::move(events))); break;
        }
        user.join();
    }
}

}  // namespace
