// SPDX-License-Identifier: MIT
// The state that a registration shares with its driver: the readiness word and the waiters. No driver is involved.
#include "reactor/source/scheduled_io.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <cstdint>
#include <deque>
#include <memory>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/detail/frame_pool.hpp>
#include <eddy/error.hpp>
#include <eddy/io/registration.hpp>
#include <eddy/runtime/reactor.hpp>
#include <eddy/test/by_hand.hpp>

#include "support/gate.hpp"
#include "support/stress.hpp"

namespace {

using eddy::detail::direction;
using eddy::detail::readiness_word;
using eddy::detail::scheduled_io;
using eddy::detail::wait_record;
using eddy::io::interest;
using eddy::io::readiness_future;
using eddy::io::ready;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using eddy::test::wake_counter;

// ---- Layout ----

static_assert(alignof(scheduled_io) == 128);
static_assert(sizeof(scheduled_io) % 128 == 0, "adjacent objects must not share a pair of cache lines");

struct release_source {
    void operator()(scheduled_io* source) const noexcept { source->release(); }
};
using shared_source = std::unique_ptr<scheduled_io, release_source>;

/// Returns a future of a source that is registered nowhere.
readiness_future readiness_of(scheduled_io& source, interest wanted) {
    static const eddy::reactor driver;  // only asked whether its event loop runs
    return {*eddy::detail::reactor_access::get(driver.handle()), source, wanted};
}

shared_source make_source() { return shared_source(eddy::detail::pool_new<scheduled_io>()); }

eddy::poll_result<eddy::io::ready_event> poll_slot(scheduled_io& source, direction way, const wake_counter& reader,
                                                   const wait_record* owner = nullptr) {
    const eddy::waker waker = reader.waker();
    eddy::context cx(waker);
    return source.poll_ready(way, cx, owner);
}

// ---- The readiness word ----

// covers: S37
TEST(ScheduledIo, IsAlignedToPairsOfCacheLines) {
    const auto first = make_source();
    const auto second = make_source();
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(first.get()) % 128, 0u);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(second.get()) % 128, 0u);
}

// covers: S38
TEST(ScheduledIo, ReadinessWordRoundTrips) {
    std::mt19937_64 random(support::seed());
    for (int i = 0; i < 100'000; ++i) {
        const bool shutdown = random() % 2 == 0;
        const auto tick = static_cast<std::uint16_t>(random() & readiness_word::tick_mask);
        const auto what = ready::from_bits(static_cast<std::uint8_t>(random()));
        const auto word = readiness_word::pack(shutdown, tick, what);
        const auto seen = readiness_word::unpack(word);
        ASSERT_EQ(seen.is_shutdown, shutdown);
        ASSERT_EQ(seen.tick, tick);
        ASSERT_EQ(seen.ready, what);
        // The fields do not touch each other.
        ASSERT_EQ(word, readiness_word::pack(shutdown, 0, ready::none) |
                            readiness_word::pack(false, tick, ready::none) | readiness_word::pack(false, 0, what));
    }
}

// covers: S38
TEST(ScheduledIo, TickOverflowKeepsTheShutdownBit) {
    EXPECT_EQ(readiness_word::pack(false, readiness_word::tick_mask + 1, ready::all),
              readiness_word::pack(false, 0, ready::all));
    const auto source = make_source();
    for (int i = 0; i < 0x8000 + 5; ++i) source->report(ready::readable);
    const auto seen = source->look(ready::all);
    EXPECT_FALSE(seen.is_shutdown);
    EXPECT_EQ(seen.tick, 5);
    EXPECT_EQ(seen.ready, ready::readable);
}

// ---- Clearing ----

// covers: S39
TEST(ScheduledIo, ClearRemovesTheSeenReadiness) {
    const auto source = make_source();
    source->report(ready::readable | ready::writable);
    source->clear_readiness(source->look(ready::readable));
    EXPECT_EQ(source->look(ready::all).ready, ready::writable);
}

// covers: S39 R002
TEST(ScheduledIo, EventAfterTheCallPreventsClear) {
    const auto source = make_source();
    source->report(ready::readable);
    const auto seen = source->look(ready::readable);
    source->report(ready::readable);  // after the call that would have blocked
    source->clear_readiness(seen);
    EXPECT_EQ(source->look(ready::readable).ready, ready::readable);
    source->clear_readiness(source->look(ready::readable));
    EXPECT_TRUE(source->look(ready::readable).ready.is_empty());
}

// covers: S39 R002
TEST(ScheduledIo, EventOfTheOtherDirectionPreventsClear) {
    const auto source = make_source();
    source->report(ready::readable);
    const auto seen = source->look(ready::readable);
    source->report(ready::writable);
    source->clear_readiness(seen);
    EXPECT_EQ(source->look(ready::all).ready, ready::readable | ready::writable);
}

// covers: R002
TEST(ScheduledIo, TicksOfTwoSourcesAreIndependent) {
    const auto quiet = make_source();
    const auto busy = make_source();
    quiet->report(ready::readable);
    const auto old = quiet->look(ready::readable);
    quiet->report(ready::readable);
    // A tick that both sources shared would now have wrapped around to the value in `old`.
    for (int i = 0; i < 0x8000 - 1; ++i) busy->report(ready::readable);
    quiet->clear_readiness(old);
    EXPECT_EQ(quiet->look(ready::readable).ready, ready::readable);
}

// covers: S36
TEST(ScheduledIo, ClearReadinessKeepsClosedStates) {
    const auto source = make_source();
    source->report(ready::all);
    source->clear_readiness(source->look(ready::all));
    EXPECT_EQ(source->look(ready::all).ready, ready::read_closed | ready::write_closed);
}

// ---- Waiters ----

// covers: S40
TEST(ScheduledIo, LastPollOwnsTheWakerSlot) {
    const auto source = make_source();
    const wake_counter first;
    const wake_counter second;
    assert_pending(poll_slot(*source, direction::read, first));
    assert_pending(poll_slot(*source, direction::read, second));
    EXPECT_EQ(first.wakers(), 0u);
    source->report(ready::readable);
    EXPECT_EQ(first.wakes(), 0u);
    EXPECT_EQ(second.wakes(), 1u);
    EXPECT_EQ(second.wakers(), 0u);
    source->report(ready::readable);
    EXPECT_EQ(second.wakes(), 1u);
}

// covers: S40
TEST(ScheduledIo, DirectionsHaveSeparateWakerSlots) {
    const auto source = make_source();
    const wake_counter reader;
    const wake_counter writer;
    assert_pending(poll_slot(*source, direction::read, reader));
    assert_pending(poll_slot(*source, direction::write, writer));
    source->report(ready::writable);
    EXPECT_EQ(reader.wakes(), 0u);
    EXPECT_EQ(writer.wakes(), 1u);
    source->report(ready::readable);
    EXPECT_EQ(reader.wakes(), 1u);
}

// covers: R004
TEST(ScheduledIo, ErrorsAndHangUpsWakeBothDirections) {
    for (const ready what : {ready::error, ready::read_closed | ready::write_closed}) {
        const auto source = make_source();
        const wake_counter reader;
        const wake_counter writer;
        assert_pending(poll_slot(*source, direction::read, reader));
        assert_pending(poll_slot(*source, direction::write, writer));
        source->report(what);
        EXPECT_EQ(reader.wakes(), 1u);
        EXPECT_EQ(writer.wakes(), 1u);
    }
}

// covers: R005
TEST(ScheduledIo, ReadClosedWakesOnlyReaders) {
    const auto source = make_source();
    const wake_counter reader;
    const wake_counter writer;
    assert_pending(poll_slot(*source, direction::read, reader));
    assert_pending(poll_slot(*source, direction::write, writer));
    source->report(ready::read_closed);
    EXPECT_EQ(reader.wakes(), 1u);
    EXPECT_EQ(writer.wakes(), 0u);
}

TEST(ScheduledIo, LeaveSlotRemovesOnlyTheWakerOfTheOwner) {
    const auto source = make_source();
    const wake_counter reader;
    const wait_record owners[2];
    assert_pending(poll_slot(*source, direction::read, reader, &owners[0]));
    assert_pending(poll_slot(*source, direction::read, reader, &owners[1]));
    source->leave_slot(direction::read, &owners[0]);  // a later poll has taken this slot
    EXPECT_EQ(reader.wakers(), 1u);
    source->leave_slot(direction::write, &owners[1]);  // this owner does not use the write slot
    EXPECT_EQ(reader.wakers(), 1u);
    source->leave_slot(direction::read, &owners[1]);
    EXPECT_EQ(reader.wakers(), 0u);
}

// covers: P142
TEST(ScheduledIo, SlotOfAnotherTaskThatWaitsIsNotTaken) {
    const auto source = make_source();
    const wake_counter first;
    const wake_counter second;
    const wait_record owners[2];
    assert_pending(poll_slot(*source, direction::read, first, &owners[0]));
    EXPECT_THROW(static_cast<void>(poll_slot(*source, direction::read, second, &owners[1])), eddy::misuse);
    EXPECT_THROW(static_cast<void>(poll_slot(*source, direction::read, second)), eddy::misuse);
    EXPECT_EQ(first.wakers(), 1u);
    EXPECT_EQ(second.wakers(), 0u);
    assert_pending(poll_slot(*source, direction::write, second, &owners[1]));
    assert_pending(poll_slot(*source, direction::read, first, &owners[0]));  // its own next poll
    source->leave_slot(direction::read, &owners[0]);
    assert_pending(poll_slot(*source, direction::read, second, &owners[1]));
    source->report(ready::readable);
    EXPECT_EQ(first.wakes(), 0u);
    EXPECT_EQ(second.wakes(), 1u);
}

TEST(ScheduledIo, WakerWithoutAnOwnerGetsOne) {
    const auto source = make_source();
    const wake_counter first;
    const wake_counter second;
    const wait_record owner;
    source->own_slot(direction::read, first.waker(), &owner);  // nothing to own
    EXPECT_EQ(source->owner(), nullptr);
    assert_pending(poll_slot(*source, direction::read, first));
    source->own_slot(direction::read, second.waker(), &owner);  // another task's waker
    EXPECT_EQ(source->owner(), nullptr);
    source->own_slot(direction::read, first.waker(), &owner);
    EXPECT_EQ(source->owner(), &owner);
    const wait_record later;
    source->own_slot(direction::read, first.waker(), &later);
    EXPECT_EQ(source->owner(), &owner);
}

// covers: S40
TEST(ScheduledIo, AllWaitersAreWoken) {
    const auto source = make_source();
    std::deque<by_hand<readiness_future>> waiters;
    for (int i = 0; i < 50; ++i) {
        waiters.emplace_back(readiness_of(*source, interest::readable));
        assert_pending(waiters.back().poll());
    }
    source->report(ready::readable);
    for (auto& one : waiters) {
        EXPECT_EQ(one.wakes(), 1u);
        EXPECT_EQ(one.wakers(), 0u);
        EXPECT_EQ(assert_ready(one.poll()).value().ready, ready::readable);
    }
}

// covers: S40
TEST(ScheduledIo, OnlyWaitersWithMatchingInterestAreWoken) {
    const auto source = make_source();
    std::deque<by_hand<readiness_future>> waiters;
    for (int i = 0; i < 100; ++i) {
        waiters.emplace_back(readiness_of(*source, i % 2 == 0 ? interest::readable : interest::writable));
        assert_pending(waiters.back().poll());
    }
    source->report(ready::writable);
    for (int i = 0; i < 100; ++i) EXPECT_EQ(waiters[i].wakes(), i % 2 == 0 ? 0u : 1u) << i;
    source->report(ready::readable);
    for (int i = 0; i < 100; ++i) EXPECT_EQ(waiters[i].wakes(), 1u) << i;
}

// covers: S40
TEST(ScheduledIo, DroppedWaitersAreUnlinkedAtAnyPosition) {
    const auto source = make_source();
    std::deque<by_hand<readiness_future>> waiters;
    for (int i = 0; i < 7; ++i) {
        waiters.emplace_back(readiness_of(*source, interest::readable));
        assert_pending(waiters.back().poll());
    }
    for (const int gone : {0, 3, 6}) {
        waiters[gone].drop();
        EXPECT_EQ(waiters[gone].wakers(), 0u);
    }
    source->report(ready::readable);
    for (const int there : {1, 2, 4, 5}) EXPECT_EQ(waiters[there].wakes(), 1u);
    for (const int gone : {0, 3, 6}) EXPECT_EQ(waiters[gone].wakes(), 0u);
}

// covers: S40
TEST(ScheduledIo, RepolledWaiterIsListedOnceWithTheLastWaker) {
    const auto source = make_source();
    const wake_counter first;
    const wake_counter second;
    readiness_future future = readiness_of(*source, interest::readable);
    for (const auto* reader : {&first, &second, &second}) {
        const eddy::waker waker = reader->waker();
        eddy::context cx(waker);
        assert_pending(future.poll(cx));
    }
    source->report(ready::readable);
    EXPECT_EQ(first.wakes(), 0u);
    EXPECT_EQ(second.wakes(), 1u);
}

// covers: R135
TEST(ScheduledIo, ReadinessRemainsIfTheWokenWaiterIsDropped) {
    const auto source = make_source();
    by_hand first(readiness_of(*source, interest::readable));
    assert_pending(first.poll());
    source->report(ready::readable);
    first.drop();  // woken, not polled
    EXPECT_EQ(assert_ready(by_hand(readiness_of(*source, interest::readable)).poll()).value().ready, ready::readable);
}

// covers: R045
TEST(ScheduledIo, ReadinessConsumesCoopBudget) {
    const auto source = make_source();
    source->report(ready::readable);
    by_hand one(readiness_of(*source, interest::readable));
    assert_pending(one.poll(0));
    EXPECT_EQ(one.wakes(), 1u);
    assert_ready(one.poll(1)).value();
}

TEST(ScheduledIo, ClearWakersDropsTheStoredWakers) {
    const auto source = make_source();
    const wake_counter reader;
    const wake_counter writer;
    assert_pending(poll_slot(*source, direction::read, reader));
    assert_pending(poll_slot(*source, direction::write, writer));
    source->clear_wakers();
    EXPECT_EQ(reader.wakers() + writer.wakers(), 0u);
    EXPECT_EQ(reader.wakes() + writer.wakes(), 0u);
}

// ---- Shutdown ----

// covers: S41
TEST(ScheduledIo, ShutdownWakesAllWaitersPermanently) {
    const auto source = make_source();
    source->report(ready::readable);
    const auto old = source->look(ready::readable);
    source->clear_readiness(old);
    by_hand reader(readiness_of(*source, interest::readable));
    by_hand urgent(readiness_of(*source, interest::priority));
    const wake_counter writer;
    assert_pending(reader.poll());
    assert_pending(urgent.poll());
    assert_pending(poll_slot(*source, direction::write, writer));
    source->shut_down();
    EXPECT_EQ(reader.wakes(), 1u);
    EXPECT_EQ(urgent.wakes(), 1u);
    EXPECT_EQ(writer.wakes(), 1u);
    source->clear_readiness(old);
    source->clear_readiness(source->look(ready::all));
    source->report(ready::writable);
    source->clear_readiness(source->look(ready::all));
    EXPECT_EQ(assert_ready(reader.poll()).error(), eddy::errc::runtime_shutdown);
    EXPECT_TRUE(assert_ready(poll_slot(*source, direction::write, writer)).is_shutdown);
    source->shut_down();  // does nothing
    EXPECT_EQ(reader.wakes(), 1u);
    EXPECT_EQ(assert_ready(by_hand(readiness_of(*source, interest::writable)).poll()).error(),
              eddy::errc::runtime_shutdown);
}

// ---- Stress ----

// covers: S38 S39
TEST(ScheduledIoStress, EventBetweenSetAndClearIsNotLost) {
    // `there` stands for the data of a socket. The reader clears the readiness when it finds no data, while the driver
    // adds data and reports it. The driver waits until each addition is taken, so a lost event causes a hang.
    const auto source = make_source();
    std::atomic<std::uint64_t> there = 0;
    std::atomic<std::uint64_t> taken = 0;
    std::atomic<bool> is_over = false;
    std::thread driver([&] {
        support::handover_rounds rounds(200'000);
        for (std::uint64_t i = 1; rounds.next(); ++i) {
            there.fetch_add(1);
            source->report(ready::readable);
            while (taken.load() != i) std::this_thread::yield();
        }
        is_over = true;
    });
    by_hand next(readiness_of(*source, interest::readable));
    while (!is_over.load()) {
        const auto seen = next.poll();
        if (!seen) {
            while (!next.is_woken() && !is_over.load()) std::this_thread::yield();
            continue;
        }
        const auto got = there.exchange(0);
        if (got == 0) source->clear_readiness(**seen);
        taken.fetch_add(got);
    }
    driver.join();
    EXPECT_EQ(there.load(), 0u);
}

// covers: S40
TEST(ScheduledIoStress, WaitersAreAddedAndDroppedDuringEvents) {
    constexpr int threads = 4;
    const auto rounds = support::rounds(50'000);
    const auto source = make_source();
    std::barrier start(threads + 1);
    std::atomic<int> running = threads;
    std::vector<std::thread> waiters;
    for (int t = 0; t < threads; ++t) {
        waiters.emplace_back([&, random = std::mt19937_64(support::seed() + t)]() mutable {
            start.arrive_and_wait();
            for (std::uint64_t i = 0; i < rounds; ++i) {
                by_hand one(readiness_of(*source, random() % 2 == 0 ? interest::readable : interest::writable));
                if (const auto seen = one.poll()) {
                    source->clear_readiness(**seen);
                } else if (random() % 4 == 0) {
                    while (!one.is_woken()) std::this_thread::yield();
                }
                one.drop();
                // The notifier may still hold a waker that it has removed from the list.
                EXPECT_TRUE(support::comes_true([&] { return one.wakers() == 0u; }));
            }
            --running;
        });
    }
    start.arrive_and_wait();
    while (running != 0) {
        source->report(ready::readable | ready::writable);
        std::this_thread::yield();  // the waiters may need this processor
    }
    for (auto& thread : waiters) thread.join();
}

}  // namespace
