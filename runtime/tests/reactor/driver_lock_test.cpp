// SPDX-License-Identifier: MIT
// The driver lock of an io_handle: one thread at a time runs a driver tick, and another thread may run one for a busy
// owner.
#include "reactor/io_handle.hpp"

#include <gtest/gtest.h>

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <thread>
#include <vector>

#include <eddy/error.hpp>
#include <eddy/io/registration.hpp>
#include <eddy/runtime/reactor.hpp>
#include <eddy/test/by_hand.hpp>

#include "support/polling.hpp"
#include "support/stress.hpp"
#include "support/system.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::io::interest;
using eddy::io::registration;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::counter;

eddy::detail::io_handle& io_of(const eddy::reactor& reactor) {
    return *eddy::detail::reactor_access::get(reactor.handle());
}

registration attach(const eddy::reactor& to, const counter& source) {
    return registration::attach(source, interest::readable, to.handle()).value();
}

void wait_until_owner_turns(const eddy::reactor& reactor) {
    while (io_of(reactor).tick_for_busy_owner()) std::this_thread::yield();
}

/// Runs `f` on another thread and waits for it.
template <class F>
void elsewhere(F f) {
    std::thread(f).join();
}

// covers: R026
TEST(DriverLock, AnotherThreadProcessesEventsOfABusyOwner) {
    eddy::reactor reactor;
    const counter source;
    const auto tied = attach(reactor, source);
    by_hand reader(tied.readiness(interest::readable));
    assert_pending(reader.poll());
    source.add();
    elsewhere([&] { EXPECT_EQ(io_of(reactor).tick_for_busy_owner().value(), 1u); });
    EXPECT_EQ(reader.wakes(), 1u);
    EXPECT_TRUE(assert_ready(reader.poll()).has_value());
    EXPECT_EQ(reactor.metrics().ready_events, 1u);
    EXPECT_EQ(reactor.turn(0ms).value().events, 0u);
}

// covers: R026
TEST(DriverLock, IsHeldWhileTheOwnerSleeps) {
    eddy::reactor reactor;
    std::thread other([&] {
        wait_until_owner_turns(reactor);
        EXPECT_FALSE(io_of(reactor).tick_for_busy_owner().has_value());
        EXPECT_FALSE(io_of(reactor).try_lock_driver());
        reactor.handle().wake();
    });
    EXPECT_EQ(reactor.turn(std::nullopt).value().events, 0u);
    other.join();
}

// covers: R026
TEST(DriverLock, WakeSeenByAnotherThreadStillEndsTheNextTick) {
    eddy::reactor reactor;
    reactor.handle().wake();
    elsewhere([&] {
        EXPECT_EQ(io_of(reactor).tick_for_busy_owner().value(), 0u);
        EXPECT_EQ(io_of(reactor).tick_for_busy_owner().value(), 0u);
    });
    EXPECT_EQ(reactor.turn(std::nullopt).value().events, 0u);
    const auto before = std::chrono::steady_clock::now();
    EXPECT_EQ(reactor.turn(5ms).value().events, 0u);  // the wake-up ends only one tick
    EXPECT_GE(std::chrono::steady_clock::now() - before, 5ms);
}

// covers: R026
TEST(DriverLock, OwnerWaitsForTheTickOfAnotherThread) {
    eddy::reactor reactor;
    std::atomic<bool> is_inside = false;
    std::atomic<bool> has_left = false;
    std::thread other([&] {
        auto& io = io_of(reactor);
        EXPECT_TRUE(io.try_lock_driver());
        is_inside = true;
        for (int i = 0; i < 100; ++i) std::this_thread::yield();
        EXPECT_EQ(io.poll_events(0ms).value(), 0u);
        has_left = true;
        io.unlock_driver();
    });
    while (!is_inside) std::this_thread::yield();
    EXPECT_EQ(reactor.turn(0ms).value().events, 0u);
    EXPECT_TRUE(has_left);
    other.join();
}

TEST(DriverLock, ConcurrentTurnCallGetsBusyError) {
    eddy::reactor reactor;
    std::thread other([&] {
        wait_until_owner_turns(reactor);
        EXPECT_EQ(reactor.turn(0ms).error(), std::errc::device_or_resource_busy);
        reactor.handle().wake();
    });
    EXPECT_TRUE(reactor.turn(std::nullopt).has_value());
    other.join();
}

// covers: R026
TEST(DriverLock, NestedTurnCallGetsDeadlockError) {
    eddy::reactor reactor;
    const counter source;
    const auto tied = attach(reactor, source);
    int refused = 0;
    support::calling_waker nested([&] {
        EXPECT_TRUE(io_of(reactor).holds_driver_lock());
        EXPECT_EQ(reactor.turn(0ms).error(), std::errc::resource_deadlock_would_occur);
        EXPECT_FALSE(io_of(reactor).tick_for_busy_owner().has_value());
        ++refused;
    });
    const auto waker = nested.waker();
    const auto wait_for_it = [&] {
        eddy::context cx(waker);
        assert_pending(tied.poll_read_ready(cx));
        source.add();
    };
    wait_for_it();
    EXPECT_EQ(reactor.turn(1s).value().events, 1u);
    EXPECT_EQ(refused, 1);
    by_hand drain(tied.readiness(interest::readable));
    tied.clear_readiness(assert_ready(drain.poll()).value());
    wait_for_it();
    elsewhere([&] { EXPECT_EQ(io_of(reactor).tick_for_busy_owner().value(), 1u); });
    EXPECT_EQ(refused, 2);
    EXPECT_FALSE(io_of(reactor).holds_driver_lock());
}

TEST(DriverLock, SourcesDroppedOnTheOwnerThreadCauseNoWake) {
    eddy::reactor reactor;
    std::deque<counter> sources(40);
    std::deque<registration> all;
    for (const auto& source : sources) all.push_back(attach(reactor, source));
    reactor.turn(0ms).value();
    elsewhere([&] { EXPECT_TRUE(io_of(reactor).tick_for_busy_owner().has_value()); });
    all.clear();
    const auto before = std::chrono::steady_clock::now();
    EXPECT_EQ(reactor.turn(2ms).value().events, 0u);
    EXPECT_GE(std::chrono::steady_clock::now() - before, 2ms);
}

TEST(DriverLock, LoadCountsRegisteredSources) {
    eddy::reactor reactor;
    std::deque<counter> sources(10);
    std::deque<registration> all;
    EXPECT_EQ(io_of(reactor).load(), 0u);
    for (const auto& source : sources) all.push_back(attach(reactor, source));
    EXPECT_EQ(io_of(reactor).load(), 10u);
    EXPECT_FALSE(registration::attach(sources[0], interest::readable, reactor.handle()).has_value());
    EXPECT_EQ(io_of(reactor).load(), 10u);
    all.pop_back();
    EXPECT_EQ(io_of(reactor).load(), 9u);
    all.clear();
    EXPECT_EQ(io_of(reactor).load(), 0u);
}

// covers: S21
TEST(DriverLock, ShutDownEndsTheCurrentTickAndAllLaterTicks) {
    eddy::reactor reactor;
    const counter source;
    const auto tied = attach(reactor, source);
    by_hand reader(tied.readiness(interest::readable));
    assert_pending(reader.poll());
    std::atomic<pid_t> turning = 0;
    std::thread owner([&] {
        turning = ::gettid();
        for (;;) {
            const auto turned = reactor.turn(std::nullopt);
            if (turned) continue;
            EXPECT_EQ(turned.error(), eddy::errc::runtime_shutdown);
            return;
        }
    });
    while (turning == 0) std::this_thread::yield();
    support::wait_until_asleep(turning);
    io_of(reactor).shut_down();
    owner.join();
    EXPECT_EQ(reader.wakes(), 1u);
    EXPECT_EQ(assert_ready(reader.poll()).error(), eddy::errc::runtime_shutdown);
    EXPECT_FALSE(io_of(reactor).tick_for_busy_owner().has_value());
    io_of(reactor).shut_down();
}

// covers: R026
TEST(DriverLockStress, TwoThreadsTickWhileSourcesChange) {
    constexpr int users = 2;
    eddy::reactor reactor;
    std::atomic<bool> is_over = false;
    std::thread owner([&] {
        for (std::uint64_t i = 0; !is_over; ++i) {
            reactor.turn(i % 2 == 0 ? std::optional<std::chrono::nanoseconds>() : 0ns).value();
            for (std::uint64_t busy = i % 8; busy != 0; --busy) std::this_thread::yield();
        }
    });
    std::thread other([&] {
        while (!is_over) {
            const auto ticked = io_of(reactor).tick_for_busy_owner();
            EXPECT_TRUE(!ticked || ticked->has_value());
            std::this_thread::yield();
        }
    });
    std::vector<std::thread> all;
    all.reserve(users);
    for (int user = 0; user < users; ++user) {
        all.emplace_back([&] {
            const counter source;
            std::optional<registration> kept;
            support::handover_rounds rounds(100'000 / users);
            for (std::uint64_t i = 0; rounds.next(); ++i) {
                const counter short_lived;  // sometimes destroyed while its event is reported
                const auto passing = attach(reactor, short_lived);
                short_lived.add();
                if (!kept) kept.emplace(attach(reactor, source));
                by_hand reader(kept->readiness(interest::readable));
                source.add();
                // The wake-up may belong to the event of an earlier round: the driver sets the readiness before it
                // wakes, and this thread may have cleared it in between.
                while (!reader.poll()) {
                    while (!reader.is_woken()) std::this_thread::yield();
                }
                const auto seen = assert_ready(reader.poll()).value();
                EXPECT_TRUE(source.take().has_value());
                kept->clear_readiness(seen);
                if (i % 3 == 0) kept.reset();
            }
        });
    }
    for (auto& user : all) user.join();
    is_over = true;
    reactor.handle().wake();
    owner.join();
    other.join();
    EXPECT_TRUE(reactor.is_idle());
    EXPECT_EQ(io_of(reactor).load(), 0u);
}

// covers: R026
TEST(DriverLockStress, WakeIsNotLostToTheTickOfAnotherThread) {
    support::handover_rounds rounds(200'000);
    eddy::reactor reactor;
    std::atomic<bool> is_over = false;
    std::atomic<bool> all_asked = false;
    std::atomic<std::uint64_t> asked = 0;
    std::atomic<std::uint64_t> seen = 0;
    std::thread other([&] {
        while (!is_over) static_cast<void>(io_of(reactor).tick_for_busy_owner());
    });
    std::thread waking([&, handle = reactor.handle()] {
        while (rounds.next()) {
            const auto mine = ++asked;
            handle.wake();
            while (seen < mine) std::this_thread::yield();  // a lost wake-up would hang
        }
        all_asked = true;
        handle.wake();
    });
    while (!all_asked) {
        reactor.turn(std::nullopt).value();
        seen = asked.load();
    }
    waking.join();
    is_over = true;
    other.join();
    EXPECT_GT(seen.load(), 0u);
    EXPECT_EQ(seen.load(), asked.load());
}

// covers: S21
TEST(DriverLockStress, ShutDownEndsTicksOfTwoThreads) {
    const auto rounds = support::rounds(20'000);
    for (std::uint64_t i = 0; i < rounds; ++i) {
        eddy::reactor reactor;
        const counter source;
        const auto tied = attach(reactor, source);
        std::atomic<bool> is_over = false;
        std::thread owner([&] {
            while (reactor.turn(std::nullopt)) {
            }
        });
        std::thread other([&] {
            while (!is_over) {
                static_cast<void>(io_of(reactor).tick_for_busy_owner());
                std::this_thread::yield();
            }
        });
        source.add();
        io_of(reactor).shut_down();
        owner.join();
        is_over = true;
        other.join();
        EXPECT_EQ(reactor.turn(0ms).error(), eddy::errc::runtime_shutdown);
        by_hand reader(tied.readiness(interest::readable));
        EXPECT_EQ(assert_ready(reader.poll()).error(), eddy::errc::runtime_shutdown);
    }
}

}  // namespace
