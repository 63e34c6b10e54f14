// SPDX-License-Identifier: MIT
// The reactor, driven by turn(): events, wake-ups, sources dropped during a tick, destruction and fork(2).
// covers: S51
#include <eddy/runtime/reactor.hpp>

#include <gtest/gtest.h>

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/error.hpp>
#include <eddy/future/poll_fn.hpp>
#include <eddy/io/poll_evented.hpp>
#include <eddy/io/registration.hpp>
#include <eddy/test/by_hand.hpp>

#include "support/driver.hpp"
#include "support/runtime/watched.hpp"
#include "support/stress.hpp"
#include "support/system.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::io::interest;
using eddy::io::readiness_future;
using eddy::io::registration;
using eddy::io::source_fd;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::counter;

registration attach(const eddy::reactor& to, int fd, interest wanted = interest::readable) {
    return registration::attach(source_fd(fd), wanted, to.handle()).value();
}

/// A waker that calls functions when it is woken and dropped, as a user-provided executor may do.
class calling_waker {
public:
    std::function<void()> on_wake;
    std::function<void()> on_drop;

    [[nodiscard]] eddy::waker waker() noexcept { return {&vtable, this}; }
    [[nodiscard]] eddy::detail::borrowed_waker borrowed() noexcept { return {&vtable, this}; }

private:
    static void* clone(void* self) noexcept { return self; }
    static void wake(void* self) noexcept {
        wake_by_ref(self);
        drop(self);
    }
    // SAFETY (both casts): waker() and borrowed() pass `this`. The test keeps the object alive while its wakers exist.
    static void wake_by_ref(void* self) noexcept {
        if (const auto& f = static_cast<calling_waker*>(self)->on_wake) f();
    }
    static void drop(void* self) noexcept {
        if (const auto& f = static_cast<calling_waker*>(self)->on_drop) f();
    }
    static constexpr eddy::waker_vtable vtable{clone, wake, wake_by_ref, drop};
};

auto poll_read(const registration& tied, const eddy::waker& waker) {
    eddy::context cx(waker);
    return tied.poll_read_ready(cx);
}

// ---- turn ----

// covers: S01
TEST(Reactor, TurnWakesOnlyTheWaiterOfTheReadySource) {
    eddy::reactor reactor;
    const auto ends = support::make_pipe();
    const auto others = support::make_pipe();
    const auto tied = attach(reactor, ends.reader.native_handle());
    const auto other = attach(reactor, others.reader.native_handle());
    by_hand reader(tied.readiness(interest::readable));
    by_hand bystander(other.readiness(interest::readable));
    assert_pending(reader.poll());
    assert_pending(bystander.poll());
    EXPECT_EQ(reactor.turn(0ms).value().events, 0u);
    ends.writer.write();
    EXPECT_EQ(reactor.turn(1s).value().events, 1u);
    EXPECT_EQ(reader.wakes(), 1u);
    EXPECT_EQ(bystander.wakes(), 0u);
    EXPECT_EQ(reactor.turn(0ms).value().events, 0u);  // edge-triggered: reported once
    EXPECT_EQ(reader.wakes(), 1u);
    EXPECT_TRUE(assert_ready(reader.poll()).has_value());
}

// covers: S01
TEST(Reactor, TurnWithoutEventsReturnsAfterTheTimeout) {
    eddy::reactor reactor;
    const auto before = std::chrono::steady_clock::now();
    EXPECT_EQ(reactor.turn(0ms).value().events, 0u);
    EXPECT_EQ(reactor.turn(2ms).value().events, 0u);
    EXPECT_GE(std::chrono::steady_clock::now() - before, 2ms);
}

// covers: R021
TEST(Reactor, TurnAcceptsEveryDuration) {
    eddy::reactor reactor;
    const auto before = std::chrono::steady_clock::now();
    for (const auto past : {0ns, -1ns, std::chrono::nanoseconds::min()}) {
        EXPECT_EQ(reactor.turn(past).value().events, 0u);
    }
    EXPECT_LT(std::chrono::steady_clock::now() - before, 10s);
    for (const auto shortly : {1ns, std::chrono::nanoseconds(999us)}) {
        const auto begin = std::chrono::steady_clock::now();
        EXPECT_EQ(reactor.turn(shortly).value().events, 0u);
        EXPECT_GE(std::chrono::steady_clock::now() - begin, shortly);
    }
    for (const std::chrono::nanoseconds wait : {std::chrono::nanoseconds(25 * 24h), std::chrono::nanoseconds::max()}) {
        std::atomic<bool> is_woken = false;
        std::atomic<bool> has_returned = false;
        std::thread other([&, handle = reactor.handle(), turning = ::gettid()] {
            while (!support::is_asleep(turning) && !has_returned) std::this_thread::yield();
            is_woken = true;
            handle.wake();
        });
        EXPECT_EQ(reactor.turn(wait).value().events, 0u);
        EXPECT_TRUE(is_woken) << "the tick ended before its limit, and before it was woken";
        has_returned = true;
        other.join();
    }
}

// covers: S20
TEST(Reactor, IsIdleOnlyWithoutRegistrations) {
    eddy::reactor reactor;
    EXPECT_TRUE(reactor.is_idle());
    const counter first;
    const counter second;
    {
        const auto one = attach(reactor, first.native_handle());
        EXPECT_FALSE(reactor.is_idle());
        {
            const auto two = attach(reactor, second.native_handle());
        }
        EXPECT_FALSE(reactor.is_idle());
    }
    EXPECT_TRUE(reactor.is_idle());
}

// covers: S20
TEST(Reactor, NativeHandleIsTheEpollDescriptor) {
    if (!support::has_epoll()) GTEST_SKIP() << "this test needs an epoll";
    const eddy::reactor reactor;
    const counter source;
    const auto tied = attach(reactor, source.native_handle());
    EXPECT_TRUE(support::is_watched(reactor.native_handle(), source.native_handle()));
}

// covers: S49
TEST(Reactor, MetricsCountRegistrationsAndEvents) {
    eddy::reactor reactor;
    {
        std::deque<counter> sources(100);
        std::deque<registration> all;
        for (const auto& source : sources) {
            all.push_back(attach(reactor, source.native_handle()));
            source.add();
        }
        while (reactor.metrics().ready_events < 100) reactor.turn(1s).value();
        EXPECT_EQ(reactor.metrics().fds_registered, 100u);
        EXPECT_EQ(reactor.metrics().fds_deregistered, 0u);
    }
    EXPECT_EQ(reactor.handle().metrics().fds_deregistered, 100u);
    EXPECT_EQ(reactor.metrics().ready_events, 100u);
}

TEST(Reactor, MoreEventsThanFitInOneTickAreAllReported) {
    eddy::reactor reactor;
    std::deque<counter> sources;
    std::deque<registration> all;
    for (int i = 0; i < 1500; ++i) {
        try {
            sources.emplace_back();
        } catch (const std::system_error&) {
            GTEST_SKIP() << "the limit of open files is too low for this test";
        }
        all.push_back(attach(reactor, sources.back().native_handle()));
        sources.back().add();
    }
    std::size_t events = 0;
    for (std::size_t more = 1; more != 0; events += more) more = reactor.turn(0ms).value().events;
    EXPECT_EQ(events, 1500u);
}

// ---- wake ----

// covers: S48
TEST(Reactor, ManyWakesBeforeATickEndOnlyThatTick) {
    eddy::reactor reactor;
    for (int i = 0; i < 100; ++i) reactor.handle().wake();
    const auto before = std::chrono::steady_clock::now();
    EXPECT_EQ(reactor.turn(std::nullopt).value().events, 0u);
    EXPECT_EQ(reactor.turn(5ms).value().events, 0u);
    EXPECT_GE(std::chrono::steady_clock::now() - before, 5ms);  // the second turn() was not woken
    EXPECT_EQ(reactor.metrics().ready_events, 0u);
}

// covers: R018
TEST(Reactor, EachWakeBetweenTicksEndsOneTick) {
    eddy::reactor reactor;
    const auto handle = reactor.handle();
    for (int i = 0; i < 5; ++i) {
        std::thread([&] { handle.wake(); }).join();
        EXPECT_EQ(reactor.turn(std::nullopt).value().events, 0u);
    }
}

// covers: S48
TEST(Reactor, WakeEndsATickInProgress) {
    eddy::reactor reactor;
    const pid_t turning = ::gettid();
    std::thread other([&, handle = reactor.handle()] {
        support::wait_until_asleep(turning);
        handle.wake();
    });
    EXPECT_EQ(reactor.turn(std::nullopt).value().events, 0u);
    other.join();
}

// covers: S48
TEST(ReactorStress, WakesOfManyThreadsAreNotLost) {
    constexpr int threads = 8;
    const auto rounds = support::rounds(1'000'000) / threads;
    eddy::reactor reactor;
    std::atomic<std::uint64_t> asked = 0;
    std::atomic<std::uint64_t> seen = 0;
    std::atomic<std::uint64_t> turns = 0;
    std::vector<std::thread> wakers;
    for (int t = 0; t < threads; ++t) {
        wakers.emplace_back([&, handle = reactor.handle()] {
            for (std::uint64_t i = 0; i < rounds; ++i) {
                const auto mine = asked.fetch_add(1) + 1;
                handle.wake();
                // Sometimes waits for the tick that this wake must end. A lost wake-up would hang.
                if (i % 64 == 0) {
                    while (seen.load() < mine) std::this_thread::yield();
                }
            }
        });
    }
    while (seen < threads * rounds) {
        EXPECT_EQ(reactor.turn(std::nullopt).value().events, 0u);
        ++turns;
        seen = asked.load();
    }
    for (auto& waker : wakers) waker.join();
    EXPECT_LE(turns, threads * rounds + 1);
}

// ---- Sources dropped during a tick ----

// covers: S46
TEST(Reactor, SixteenthDroppedSourceEndsATickInProgress) {
    eddy::reactor reactor;
    const counter source;
    std::deque<registration> all;
    std::deque<counter> sources(16);
    for (const auto& one : sources) all.push_back(attach(reactor, one.native_handle()));
    const pid_t turning = ::gettid();
    std::atomic<bool> has_ended = false;
    bool ended_before_the_last = true;
    std::thread other([&] {
        support::wait_until_asleep(turning);
        for (int i = 0; i < 15; ++i) all.pop_back();
        support::wait_until_asleep(turning);
        ended_before_the_last = has_ended;
        all.pop_back();
    });
    EXPECT_EQ(reactor.turn(std::nullopt).value().events, 0u);
    has_ended = true;
    other.join();
    EXPECT_FALSE(ended_before_the_last);
    EXPECT_TRUE(reactor.is_idle());
}

// covers: S46
TEST(Reactor, SourceOfAClosedDescriptorIsFreedUnderSanitizers) {
    auto reactor = std::make_unique<eddy::reactor>();
    auto ends = support::make_pipe();
    auto tied = attach(*reactor, ends.reader.native_handle());
    ends.reader.close();
    EXPECT_FALSE(tied.deregister().has_value());
    reactor->turn(0ms).value();  // frees the source; if not, AddressSanitizer reports a leak
}

// covers: S46
TEST(ReactorStress, SourcesAreDroppedWhileAnotherThreadTicks) {
    const auto rounds = support::rounds(100'000);
    eddy::reactor reactor;
    std::atomic<bool> is_over = false;
    std::thread turns([&] {
        while (!is_over) reactor.turn(std::nullopt).value();
    });
    const counter ready;
    ready.add();
    for (std::uint64_t i = 0; i < rounds; ++i) {
        auto tied = attach(reactor, ready.native_handle());
        by_hand reader(tied.readiness(interest::readable));
        if (i % 3 != 0 && !reader.poll()) {
            while (!reader.is_woken()) std::this_thread::yield();
        }
    }
    is_over = true;
    reactor.handle().wake();
    turns.join();
    EXPECT_TRUE(reactor.is_idle());
}

// covers: S23 R006
TEST(Reactor, EventsOfAClosedDescriptorDoNotReachAReusedNumber) {
    eddy::reactor reactor;
    auto first = std::optional(support::make_pipe());
    auto second = std::optional(support::make_pipe());
    const int numbers[2] = {first->reader.native_handle(), second->reader.native_handle()};
    std::optional<registration> old[2] = {attach(reactor, numbers[0]), attach(reactor, numbers[1])};
    std::deque<support::fd_pair> news;
    std::deque<registration> tied;
    std::deque<by_hand<readiness_future>> readers;
    // The first waker closes both descriptors and opens new ones with the same numbers, during the tick.
    calling_waker replaces;
    replaces.on_wake = [&] {
        if (!first) return;
        for (auto& one : old) one.reset();
        first.reset();
        second.reset();
        for (const int number : numbers) {
            auto fresh = support::make_pipe();
            const int reader = fresh.reader.native_handle();
            if (reader != number) {
                ASSERT_EQ(::dup3(reader, number, O_CLOEXEC), number);
                fresh.reader = support::owned_fd(number);
            }
            news.push_back(std::move(fresh));
            tied.push_back(attach(reactor, number));
            readers.emplace_back(tied.back().readiness(interest::readable));
            assert_pending(readers.back().poll());
        }
    };
    const auto waker = replaces.waker();
    for (const auto& one : old) assert_pending(poll_read(*one, waker));
    first->writer.write();
    second->writer.write();
    EXPECT_EQ(reactor.turn(1s).value().events, 2u);
    ASSERT_EQ(readers.size(), 2u);
    for (auto& reader : readers) EXPECT_EQ(reader.wakes(), 0u);
    EXPECT_EQ(reactor.turn(0ms).value().events, 0u);
    news[1].writer.write();
    EXPECT_EQ(reactor.turn(1s).value().events, 1u);
    EXPECT_EQ(readers[0].wakes(), 0u);
    EXPECT_EQ(readers[1].wakes(), 1u);
}

// covers: S23
TEST(ReactorStress, EventsNeverReachAReusedDescriptorNumber) {
    const auto rounds = support::rounds(1'000'000);
    eddy::reactor reactor;
    std::uint64_t wrong = 0;
    int last_number = -1;
    std::uint64_t reused = 0;
    for (std::uint64_t i = 0; i < rounds; ++i) {
        const auto ends = support::make_pipe();
        const auto tied = attach(reactor, ends.reader.native_handle());
        reused += ends.reader.native_handle() == last_number ? 1 : 0;
        last_number = ends.reader.native_handle();
        by_hand reader(tied.readiness(interest::readable));
        if (reader.poll()) ++wrong;
        static_cast<void>(reactor.turn(0ms));
        if (reader.is_woken()) ++wrong;
        ends.writer.write();  // the event is pending when the descriptors are closed
    }
    EXPECT_EQ(wrong, 0u);
    EXPECT_GE(reused + 1, rounds);
}

// covers: R009
TEST(Reactor, WakerMayDropTheSourceWhileBothDirectionsAreReady) {
    eddy::reactor reactor;
    const auto ends = support::make_socket_pair();
    auto tied = std::optional(attach(reactor, ends.reader.native_handle(), interest::readable | interest::writable));
    reactor.turn(0ms).value();
    by_hand drain(tied->readiness(interest::writable));
    tied->clear_readiness(assert_ready(drain.poll()).value());
    calling_waker drops;
    drops.on_wake = [&] { tied.reset(); };
    calling_waker writer;
    int told = 0;
    writer.on_wake = [&] { ++told; };
    const auto reader_waker = drops.waker();
    const auto writer_waker = writer.waker();
    assert_pending(poll_read(*tied, reader_waker));
    eddy::context cx(writer_waker);
    assert_pending(tied->poll_write_ready(cx));
    drain.drop();
    ends.writer.write();  // one event reports the readiness of both directions
    EXPECT_EQ(reactor.turn(1s).value().events, 1u);
    EXPECT_FALSE(tied.has_value());
    EXPECT_LE(told, 1);
    reactor.turn(0ms).value();
    EXPECT_TRUE(reactor.is_idle());
}

// covers: S22
TEST(ReactorStress, WakerMayDropTheWakingSource) {  // based on test_drop_on_notify in tokio's io_driver.rs
    support::handover_rounds rounds(100'000);
    eddy::reactor reactor;
    std::atomic<bool> is_over = false;
    std::thread turns([&] {
        while (!is_over) reactor.turn(std::nullopt).value();
    });
    for (std::uint64_t i = 0; rounds.next(); ++i) {
        const counter source;
        auto tied = std::make_unique<registration>(attach(reactor, source.native_handle()));
        std::atomic<bool> is_gone = false;
        calling_waker drops;
        const auto drop_source = [&] { std::exchange(tied, nullptr).reset(); };
        if (i % 2 == 0) drops.on_wake = drop_source;
        drops.on_drop = [&] {
            if (tied != nullptr) drop_source();
            is_gone = true;  // the last access to `drops`, which the test may then destroy
        };
        const auto waker = drops.borrowed();  // borrowed: only the copy in the waker slot calls on_drop
        assert_pending(poll_read(*tied, waker.get()));
        source.add();
        while (!is_gone) std::this_thread::yield();
    }
    is_over = true;
    reactor.handle().wake();
    turns.join();
    EXPECT_TRUE(reactor.is_idle());
}

// ---- Destruction ----

// covers: S21 R019
TEST(Reactor, DestructionEndsPendingReadsWithShutdownError) {
    constexpr int reads = 1000;
    auto reactor = std::make_unique<eddy::reactor>();
    const auto handle = reactor->handle();
    std::deque<counter> sources;
    std::deque<registration> all;
    std::deque<by_hand<readiness_future>> pending;
    try {
        for (int i = 0; i < reads; ++i) sources.emplace_back();
    } catch (const std::system_error&) {
        GTEST_SKIP() << "the limit of open files is too low for this test";
    }
    for (const auto& source : sources) {
        all.push_back(attach(*reactor, source.native_handle()));
        pending.emplace_back(all.back().readiness(interest::readable));
        assert_pending(pending.back().poll());
    }
    reactor.reset();
    for (auto& one : pending) {
        EXPECT_EQ(one.wakes(), 1u);
        EXPECT_EQ(assert_ready(one.poll()).error(), eddy::errc::runtime_shutdown);
    }
    // Later operations return the same error immediately, on any thread.
    std::thread([&] {
        for (const auto& one : all) {
            by_hand again(one.readiness(interest::readable));
            EXPECT_EQ(assert_ready(again.poll()).error(), eddy::errc::runtime_shutdown);
            one.clear_readiness(eddy::io::ready_event(eddy::io::ready::all, 0, true));
            EXPECT_EQ(one.try_io(interest::readable, [] { return eddy::result<int>(1); }).error(),
                      eddy::errc::runtime_shutdown);
        }
        all.clear();
    }).join();
    EXPECT_EQ(handle.metrics().fds_deregistered, std::uint64_t{reads});
}

// covers: S47
TEST(Reactor, SourcesMayBeDestroyedBeforeOrAfterTheReactor) {
    const auto fds = support::count_fds();
    {
        const counter source;
        const eddy::reactor reactor;
        const auto tied = attach(reactor, source.native_handle());
    }
    {
        const counter source;
        std::optional<registration> tied;
        {
            const eddy::reactor reactor;
            tied.emplace(attach(reactor, source.native_handle()));
        }
        tied.reset();
    }
    {
        const counter source;
        std::optional<eddy::reactor_handle> handle;
        {
            const eddy::reactor reactor;
            handle.emplace(reactor.handle());
        }
        handle->wake();  // has no effect
    }
    EXPECT_EQ(support::count_fds(), fds);
}

// covers: S47
TEST(Reactor, HandlesThatOutliveTheReactorKeepNoDescriptorOpen) {
    const counter source;
    const auto fds = support::count_fds();
    auto reactor = std::make_unique<eddy::reactor>();
    const auto handle = reactor->handle();
    auto tied = attach(*reactor, source.native_handle());
    by_hand reader(tied.readiness(interest::readable));
    assert_pending(reader.poll());
    reactor.reset();
    EXPECT_EQ(support::count_fds(), fds);
    EXPECT_EQ(assert_ready(reader.poll()).error(), eddy::errc::runtime_shutdown);
    handle.wake();
    EXPECT_EQ(registration::attach(source, interest::readable, handle).error(), eddy::errc::runtime_shutdown);
    EXPECT_TRUE(tied.deregister().has_value());
}

// covers: S47
TEST(ReactorStress, LateWakesDoNotReachReusedDescriptors) {
    for (support::handover_rounds rounds(50'000); rounds.next();) {
        auto reactor = std::make_unique<eddy::reactor>();
        std::barrier start(2);
        std::thread waking([&, handle = reactor->handle()] {
            start.arrive_and_wait();
            for (int i = 0; i < 20; ++i) handle.wake();
        });
        start.arrive_and_wait();
        reactor->turn(0ms).value();
        reactor.reset();
        std::deque<counter> news(3);
        waking.join();
        for (const auto& one : news) EXPECT_EQ(one.take().error(), std::errc::operation_would_block);
    }
}

// covers: S47
TEST(Reactor, WakerMayDropOtherSourcesDuringDestruction) {
    auto reactor = std::make_unique<eddy::reactor>();
    std::deque<counter> sources(20);
    std::deque<registration> all;
    for (const auto& source : sources) all.push_back(attach(*reactor, source.native_handle()));
    calling_waker drops;
    drops.on_wake = [&] { all.clear(); };
    const auto waker = drops.waker();
    assert_pending(poll_read(all[10], waker));
    reactor.reset();
    EXPECT_TRUE(all.empty());
}

// covers: S47
TEST(ReactorStress, AttachRacesWithDestruction) {
    const auto rounds = support::rounds(10'000);
    for (std::uint64_t round = 0; round < rounds; ++round) {
        auto reactor = std::make_unique<eddy::reactor>();
        std::barrier start(2);
        std::thread user([&, handle = reactor->handle()] {
            const counter source;
            start.arrive_and_wait();
            for (;;) {
                const auto tied = registration::attach(source, interest::readable, handle);
                if (!tied) {
                    EXPECT_EQ(tied.error(), eddy::errc::runtime_shutdown);
                    return;
                }
                by_hand reader(tied->readiness(interest::readable));
                if (const auto seen = reader.poll()) {
                    EXPECT_EQ(seen->error(), eddy::errc::runtime_shutdown);
                }
            }
        });
        start.arrive_and_wait();
        reactor.reset();
        user.join();
    }
}

TEST(Reactor, MakeReportsTooManyOpenFiles) {
    const support::few_descriptors none(0);
    EXPECT_EQ(eddy::reactor::make().error(), std::errc::too_many_files_open);
    EXPECT_THROW(eddy::reactor(), std::system_error);
}

TEST(Reactor, CanBeMoved) {
    eddy::reactor first;
    const counter source;
    const auto tied = attach(first, source.native_handle());
    eddy::reactor second(std::move(first));
    eddy::reactor third;
    third = std::move(second);
    EXPECT_FALSE(third.is_idle());
    source.add();
    EXPECT_EQ(third.turn(1s).value().events, 1u);
}

// covers: R020
TEST(Reactor, TurnAndAttachFailInAForkedChild) {
    eddy::reactor reactor;
    const counter source;
    auto tied = std::optional(attach(reactor, source.native_handle()));
    EXPECT_TRUE(support::is_true_in_child([&] {
        const counter mine;
        const auto turned = reactor.turn(0ms);
        const auto attached = registration::attach(mine, interest::readable, reactor.handle());
        tied.reset();  // must not remove the parent's registration
        return !turned && turned.error() == eddy::errc::runtime_shutdown && !attached &&
               attached.error() == eddy::errc::runtime_shutdown;
    }));
    EXPECT_TRUE(support::is_watched(reactor, source.native_handle()));
    source.add();
    EXPECT_EQ(reactor.turn(1s).value().events, 1u);
}

// ---- Wakers that use the reactor during its tick ----

TEST(Reactor, NestedTurnCallFails) {
    eddy::reactor reactor;
    std::vector<std::optional<eddy::io::poll_evented<support::owned_fd>>> sources;
    for (int i = 0; i < 8; ++i) {
        support::owned_fd fd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
        sources.emplace_back(
            eddy::io::poll_evented<support::owned_fd>::make(std::move(fd), interest::readable, reactor.handle())
                .value());
    }
    std::string said;
    bool is_first = true;
    calling_waker caller;
    caller.on_wake = [&] {
        if (!std::exchange(is_first, false)) return;
        sources.clear();
        auto turned = reactor.turn(0ns);
        said = turned ? "turned" : turned.error().message();
    };
    const eddy::waker waker = caller.waker();
    eddy::context cx(waker);
    for (auto& each : sources) EXPECT_FALSE(each->registration().poll_read_ready(cx));
    for (auto& each : sources) {
        const std::uint64_t one = 1;
        ASSERT_EQ(::write(each->source().native_handle(), &one, sizeof one), 8);
    }
    EXPECT_TRUE(reactor.turn(1s));
    EXPECT_FALSE(is_first);
    EXPECT_NE(said, "turned");
}

TEST(ReactorDeathTest, DestroyedDuringItsTickAborts) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(
        {
            std::optional<eddy::reactor> reactor(std::in_place);
            support::owned_fd first(::eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC));
            support::owned_fd second(::eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC));
            auto a = registration::attach(first, interest::readable, reactor->handle()).value();
            auto b = registration::attach(second, interest::readable, reactor->handle()).value();
            calling_waker caller;
            caller.on_wake = [&] {
                reactor.reset();
                static_cast<void>(a.deregister());
                static_cast<void>(b.deregister());
            };
            const eddy::waker waker = caller.waker();
            eddy::context cx(waker);
            static_cast<void>(a.poll_read_ready(cx));
            static_cast<void>(b.poll_read_ready(cx));
            static_cast<void>(reactor->turn(1s));
        },
        "eddy: a reactor");
}

}  // namespace
