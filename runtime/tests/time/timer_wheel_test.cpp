// SPDX-License-Identifier: MIT
// The wheel alone: no clock and no lock. The test supplies the ticks.
// runs: asan
#include "time/timer_wheel.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "support/stress.hpp"

namespace {

using eddy::detail::entry_list;
using eddy::detail::timer_wheel;
using eddy::detail::wheel_entry;

constexpr std::uint64_t range = std::uint64_t{1} << (timer_wheel::digit_bits * timer_wheel::levels);
constexpr std::uint64_t slots = timer_wheel::slots;

/// Removes all due entries.
std::vector<wheel_entry*> take_due(timer_wheel& wheel) {
    std::vector<wheel_entry*> taken;
    while (wheel_entry* const entry = wheel.due().pop_front()) taken.push_back(entry);
    return taken;
}

std::vector<wheel_entry*> advance(timer_wheel& wheel, std::uint64_t now) {
    wheel.advance(now);
    return take_due(wheel);
}

using entries = std::vector<wheel_entry*>;

// covers: R053
TEST(TimerWheel, EntryIsDueExactlyAtTheTick) {
    timer_wheel wheel;
    wheel_entry entry;
    wheel.insert(entry, 5);
    EXPECT_EQ(wheel.next_expiration(), 5u);
    EXPECT_EQ(advance(wheel, 4), entries{});
    EXPECT_EQ(advance(wheel, 5), entries{&entry});
    EXPECT_EQ(wheel.next_expiration(), std::nullopt);
}

// covers: R053
TEST(TimerWheel, EntriesAtLevelEdgesFireOnceAndInOrder) {
    for (unsigned level = 1; level <= timer_wheel::levels; ++level) {
        const std::uint64_t edge = std::uint64_t{1} << (timer_wheel::digit_bits * level);
        for (const std::uint64_t start : {std::uint64_t{0}, edge - 2, edge - 1, edge}) {
            SCOPED_TRACE(testing::Message() << "edge of level " << level << ", from " << start);
            timer_wheel wheel(start);
            std::array<wheel_entry, 3> timers;
            wheel.insert(timers[2], edge + 1);
            wheel.insert(timers[0], edge - 1);
            wheel.insert(timers[1], edge);
            for (std::uint64_t now = std::max(start, edge - 2); now <= edge + 2; ++now) {
                entries expected;
                for (auto& timer : timers) {
                    const bool first_look = now == std::max(start, edge - 2);
                    if (timer.tick == now || (first_look && timer.tick < now)) expected.push_back(&timer);
                }
                EXPECT_EQ(advance(wheel, now), expected) << "at " << now;
            }
            EXPECT_EQ(wheel.next_expiration(), std::nullopt);
        }
    }
}

// covers: R053
TEST(TimerWheel, OneLongStepReturnsAllEntriesInOrder) {
    timer_wheel wheel(1'000'003);
    std::vector<wheel_entry> timers(7 * 3);
    std::uint64_t distance = 1;
    for (auto& timer : timers) {
        wheel.insert(timer, 1'000'003 + distance);
        distance = distance * 4 - 1;
    }
    const entries due = advance(wheel, range);
    ASSERT_EQ(due.size(), timers.size());
    for (std::size_t i = 0; i < timers.size(); ++i) EXPECT_EQ(due[i], &timers[i]);
}

// covers: R053
TEST(TimerWheel, EqualDeadlinesKeepTheOrderOfInsertion) {
    timer_wheel wheel;
    std::array<wheel_entry, 4> timers;
    for (auto& timer : timers) wheel.insert(timer, 70'000);
    wheel.advance(69'000);  // moves the entries down from level 2
    EXPECT_EQ(advance(wheel, 70'000), (entries{&timers[0], &timers[1], &timers[2], &timers[3]}));
}

TEST(TimerWheel, NextExpirationIsNeverLate) {
    timer_wheel wheel(123);
    wheel_entry entry;
    const std::uint64_t deadline = 123 + 98'765'432;
    wheel.insert(entry, deadline);
    unsigned steps = 0;
    while (wheel.due().is_empty()) {
        const auto next = wheel.next_expiration();
        ASSERT_TRUE(next.has_value());
        ASSERT_LE(*next, deadline);
        ASSERT_GT(*next, wheel.elapsed());
        wheel.advance(*next);
        ++steps;
    }
    EXPECT_EQ(wheel.elapsed(), deadline);
    EXPECT_LE(steps, timer_wheel::levels);  // at most levels - 1 moves to a lower level, and the deadline
    take_due(wheel);
}

TEST(TimerWheel, SingleEntryNeedsNoStepBeforeItsDeadline) {
    timer_wheel wheel(123);
    wheel_entry entry, neighbor;
    wheel.insert(entry, 70'000);
    EXPECT_EQ(wheel.next_expiration(), 70'000u);
    wheel.insert(neighbor, 70'001);  // in the same slot
    const auto slot_begins = wheel.next_expiration();
    ASSERT_TRUE(slot_begins.has_value());
    EXPECT_LT(*slot_begins, 70'000u);
    wheel.remove(neighbor);
    EXPECT_EQ(advance(wheel, 69'999), entries{});
    EXPECT_EQ(wheel.next_expiration(), 70'000u);
    EXPECT_EQ(advance(wheel, 70'000), entries{&entry});
}

TEST(TimerWheel, RemovingTheLastEntryEmptiesTheWheel) {
    timer_wheel wheel;
    wheel_entry first, second;
    wheel.insert(first, 1'000);
    wheel.insert(second, 1'001);
    wheel.remove(first);
    EXPECT_TRUE(wheel.next_expiration().has_value());
    wheel.remove(second);
    EXPECT_EQ(wheel.next_expiration(), std::nullopt);
}

// covers: R049
TEST(TimerWheel, DueEntryCanBeRemoved) {
    for (const std::uint64_t deadline : {99u, 100u, 101u}) {
        timer_wheel wheel;
        std::array<wheel_entry, 3> timers;
        for (auto& timer : timers) wheel.insert(timer, 100);
        auto dropped = std::make_unique<wheel_entry>();  // on the heap, so that ASan detects a dangling pointer
        wheel.insert(*dropped, deadline);
        wheel.advance(100);
        EXPECT_EQ(wheel.due().pop_front(), deadline == 99 ? dropped.get() : &timers[0]);
        if (dropped->is_linked()) wheel.remove(*dropped);
        dropped.reset();
        EXPECT_EQ(advance(wheel, 200).size(), deadline == 99 ? 3u : 2u);
        EXPECT_EQ(wheel.next_expiration(), std::nullopt);
    }
}

// covers: R049
TEST(TimerWheel, EntryCanBeRemovedFromABatchOfDueEntries) {
    timer_wheel wheel;
    std::array<wheel_entry, 3> timers;
    wheel_entry neighbour;
    for (auto& timer : timers) wheel.insert(timer, slots);
    wheel.insert(neighbour, slots + slots * slots);  // the number of its slot equals that of the timers' first slot
    wheel.advance(slots);
    entry_list batch;
    batch.take_all(wheel.due());
    wheel.remove(timers[1]);
    EXPECT_EQ(batch.pop_front(), &timers[0]);
    EXPECT_EQ(batch.pop_front(), &timers[2]);
    EXPECT_TRUE(batch.is_empty());
    EXPECT_EQ(advance(wheel, slots + slots * slots), entries{&neighbour});
}

// covers: R052
TEST(TimerWheel, DeadlinesBeyondTheRangeDoNotFireEarly) {
    for (const std::uint64_t start : {std::uint64_t{0}, std::uint64_t{777}, range - 1, range + 12'345}) {
        for (const std::uint64_t deadline :
             {range, range + 1, 3 * range - 1, 40 * range + 7, 40 * range + (range >> timer_wheel::digit_bits)}) {
            if (deadline <= start + 100) continue;
            SCOPED_TRACE(testing::Message() << "from " << start << " to " << deadline);
            timer_wheel wheel(start);
            wheel_entry far, near;
            wheel.insert(far, deadline);
            wheel.insert(near, start + 100);
            EXPECT_EQ(advance(wheel, start + 100), entries{&near});
            EXPECT_EQ(advance(wheel, deadline - 1), entries{});
            EXPECT_EQ(advance(wheel, deadline), entries{&far});
            EXPECT_EQ(wheel.next_expiration(), std::nullopt);
        }
    }
}

// covers: R052
TEST(TimerWheel, EntryAtTheLargestTickFires) {
    timer_wheel wheel;
    wheel_entry entry;
    wheel.insert(entry, (std::uint64_t{1} << 48) - 1);
    EXPECT_EQ(advance(wheel, (std::uint64_t{1} << 48) - 2), entries{});
    EXPECT_EQ(advance(wheel, std::numeric_limits<std::uint64_t>::max()), entries{&entry});
}

// covers: R054
TEST(TimerWheel, EntryInsertedWhenDueIsInTheDueList) {
    timer_wheel wheel;
    wheel.advance(10);
    wheel_entry entry;
    for (const std::uint64_t deadline : {0u, 9u, 10u}) {
        wheel.insert(entry, deadline);
        EXPECT_EQ(wheel.next_expiration(), 10u);
        EXPECT_EQ(take_due(wheel), entries{&entry});
    }
}

// covers: R055
TEST(TimerWheel, PoppedEntriesAreUnlinked) {
    timer_wheel wheel;
    std::vector<wheel_entry> timers(10);
    for (auto& timer : timers) wheel.insert(timer, 50);
    wheel.advance(50);
    EXPECT_EQ(wheel.due().pop_front(), &timers[0]);
    while (wheel.due().pop_front() != nullptr) {
    }
    for (const auto& timer : timers) EXPECT_FALSE(timer.is_linked());
    EXPECT_EQ(advance(wheel, 1'000'000), entries{});
}

/// Compares the wheel with a sorted set.
class with_oracle {
public:
    explicit with_oracle(std::uint64_t seed) : random_(seed), timers_(512) {}

    void step() {
        const auto dice = random_() % 16;
        wheel_entry& timer = timers_[random_() % timers_.size()];
        if (dice == 0) {
            advance_by(random_() % (std::uint64_t{1} << (random_() % 20)));
        } else if (dice == 1) {
            if (const auto next = wheel_.next_expiration()) advance_by(*next - wheel_.elapsed());
        } else if (timer.is_linked()) {
            expected_.erase({timer.tick, &timer});
            wheel_.remove(timer);
        } else {
            const std::uint64_t tick = now_ + 1 + (random_() >> (16 + random_() % 48));
            wheel_.insert(timer, tick);
            expected_.insert({tick, &timer});
        }
        check_next();
    }

    void finish() {
        while (!expected_.empty() && !testing::Test::HasFailure()) advance_by(expected_.begin()->first - now_);
        EXPECT_EQ(wheel_.next_expiration(), std::nullopt);
    }

private:
    void advance_by(std::uint64_t ticks) {
        now_ += ticks;
        wheel_.advance(now_);
        std::uint64_t last = 0;
        while (wheel_entry* const due = wheel_.due().pop_front()) {
            ASSERT_GE(due->tick, last) << "out of order";
            ASSERT_LE(due->tick, now_) << "early";
            ASSERT_EQ(expected_.erase({due->tick, due}), 1u) << "twice, or after it was removed";
            last = due->tick;
        }
        ASSERT_TRUE(expected_.empty() || expected_.begin()->first > now_) << "late";
    }

    void check_next() {
        const auto next = wheel_.next_expiration();
        ASSERT_EQ(next.has_value(), !expected_.empty());
        if (!next) return;
        ASSERT_LE(*next, expected_.begin()->first);
        ASSERT_GT(*next, now_);
    }

    std::mt19937_64 random_;
    std::vector<wheel_entry> timers_;
    std::set<std::pair<std::uint64_t, wheel_entry*>> expected_;
    timer_wheel wheel_;
    std::uint64_t now_ = 0;
};

// covers: R053
TEST(TimerWheelStress, MatchesASortedSet) {
    with_oracle both(support::seed());
    const auto steps = support::rounds(1'000'000);
    for (std::uint64_t i = 0; i < steps && !HasFailure(); ++i) both.step();
    both.finish();
}

}  // namespace
