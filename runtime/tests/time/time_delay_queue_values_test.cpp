// SPDX-License-Identifier: MIT
// Delay queues with unusual values and deadlines: moves that throw, destructors that call the queue, extreme times, and
// many values.
// runs: asan
#include <eddy/time/delay_queue.hpp>

#include <eddy/future/deadline.hpp>
#include <eddy/test/by_hand.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/comes_back.hpp"
#include "support/fragile.hpp"
#include "support/items.hpp"
#include "support/scripted.hpp"
#include "support/stress.hpp"
#include "support/time_loop.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::failing_move;
using support::fragile;
using support::stream_by_hand;

/// A value whose destructor calls a function. A move copies it.
struct calls_back_value {
    std::function<void()> at_end;

    explicit calls_back_value(std::function<void()> f) : at_end(std::move(f)) {}
    calls_back_value(const calls_back_value& other) = default;
    calls_back_value& operator=(const calls_back_value&) = delete;
    ~calls_back_value() {
        if (at_end) at_end();
    }
};

using reentrant_queue = eddy::time::delay_queue<calls_back_value>;

/// Returns a function that inserts a hundred other values, once, if `may` is true. (`may` is false at first, because
/// some values are destroyed while the test inserts them.)
std::function<void()> inserts_others(reentrant_queue& queue, bool& may) {
    return [&] {
        if (!std::exchange(may, false)) return;
        for (int i = 0; i < 100; ++i) queue.insert(calls_back_value({}), 1h);
    };
}

/// Removes all values, at most 200, and returns their number.
std::size_t remove_all(reentrant_queue& queue) {
    std::size_t out = 0;
    for (; out < 200 && !queue.is_empty(); ++out) static_cast<void>(queue.remove(*queue.peek()));
    return out;
}

TEST(DelayQueueDeathTest, RemovedValueCanInsertInItsDestructor) {
    EXPECT_COMES_BACK([] {
        support::time_loop loop;
        reentrant_queue queue;
        bool may_insert = false;
        const auto key = queue.insert(calls_back_value(inserts_others(queue, may_insert)), 1s);
        may_insert = true;
        EXPECT_TRUE(queue.try_remove(key).has_value());
        EXPECT_EQ(queue.size(), 100u);
        EXPECT_FALSE(queue.contains(key));
        EXPECT_EQ(remove_all(queue), 100u);
    });
}

TEST(DelayQueueDeathTest, ClearedValueCanInsertInItsDestructor) {
    EXPECT_COMES_BACK([] {
        support::time_loop loop;
        reentrant_queue queue;
        bool may_insert = false;
        queue.insert(calls_back_value(inserts_others(queue, may_insert)), 1s);
        queue.insert(calls_back_value({}), 1s);
        may_insert = true;
        queue.clear();
        const std::size_t left = queue.size();
        EXPECT_TRUE(left == 0 || left == 100)
            << "the queue keeps either all or none of the values that the destructor inserted";
        EXPECT_EQ(remove_all(queue), left);
    });
}

TEST(DelayQueue, RemovedValueLeavesNothingInTheQueue) {
    support::time_loop loop;
    reentrant_queue queue;
    const auto held = std::make_shared<int>(1);
    static_cast<void>(queue.remove(queue.insert(calls_back_value([held] {}), 1s)));
    EXPECT_EQ(held.use_count(), 1);
}

TEST(DelayQueue, ReserveBeyondTheMaximumThrows) {
    support::time_loop loop;
    eddy::time::delay_queue<int> queue;
    queue.insert(1, 1s);
    EXPECT_ANY_THROW(queue.reserve(std::numeric_limits<std::size_t>::max()))
        << "the capacity is " << queue.capacity() << " now";
}

/// Calls `change` on a queue of six values, of which two were removed, and makes each move of a value throw in turn.
/// Afterwards the queue must return exactly as many values as it counts.
void expect_consistent_when_moves_throw(
    const std::function<void(eddy::time::delay_queue<fragile>&, const std::vector<eddy::time::delay_key>&)>& change) {
    for (int nth = 0; nth < 20 && !::testing::Test::HasFailure(); ++nth) {
        SCOPED_TRACE("move " + std::to_string(nth));
        support::time_loop loop;
        eddy::time::delay_queue<fragile> queue;
        std::vector<eddy::time::delay_key> keys;
        keys.reserve(6);
        for (int i = 0; i < 6; ++i) keys.push_back(queue.insert(fragile(i), std::chrono::seconds(10 - i)));
        static_cast<void>(queue.remove(keys[0]));
        static_cast<void>(queue.remove(keys[3]));
        try {
            const failing_move fails(nth);
            change(queue, keys);
        } catch (const std::runtime_error&) {  // NOLINT(bugprone-empty-catch): the test checks the remaining values
        }
        const auto found = std::ranges::count_if(keys, [&](const auto& key) { return queue.contains(key); });
        const auto size = static_cast<std::ptrdiff_t>(queue.size());
        EXPECT_GE(size, found);
        loop.advance(2h);
        stream_by_hand items(std::move(queue));
        std::ptrdiff_t out = 0;
        for (auto& one : items.take_ready()) {
            EXPECT_GE(one.value.number, 0) << "the value was moved from";
            ++out;
        }
        EXPECT_EQ(out, size);
    }
}

TEST(DelayQueueDeathTest, CompactStaysConsistentWhenAMoveThrows) {
    EXPECT_COMES_BACK([] { expect_consistent_when_moves_throw([](auto& queue, const auto&) { queue.compact(); }); });
}

TEST(DelayQueueDeathTest, InsertStaysConsistentWhenAMoveThrows) {
    EXPECT_COMES_BACK([] {
        expect_consistent_when_moves_throw([](auto& queue, const auto&) {
            for (int i = 0; i < 5; ++i) queue.insert(fragile(7), 1h);
        });
    });
}

TEST(DelayQueueDeathTest, RemoveStaysConsistentWhenAMoveThrows) {
    EXPECT_COMES_BACK([] {
        expect_consistent_when_moves_throw(
            [](auto& queue, const auto& keys) { static_cast<void>(queue.try_remove(keys[4])); });
    });
}

TEST(DelayQueueStress, MatchesAMapOrderedByDeadline) {
    support::time_loop loop;
    eddy::time::delay_queue<std::uint64_t> queue;
    std::map<std::pair<std::int64_t, std::uint64_t>, std::pair<eddy::time::delay_key, std::uint64_t>> model;
    std::mt19937_64 random(support::seed());
    std::uint64_t order = 0;
    const auto start = eddy::time::clock::now();
    const auto any = [&] {
        auto at = model.lower_bound({static_cast<std::int64_t>(random() % 1000), 0});
        return at == model.end() ? model.begin() : at;
    };
    const std::uint64_t rounds = support::rounds(5'000'000);
    for (std::uint64_t i = 0; i < rounds; ++i) {
        const auto due = static_cast<std::int64_t>(random() % 1000);
        const auto choice = random() % 16;
        const bool is_full = model.size() >= 20'000;  // otherwise compact() takes most of a soak's time
        if ((choice < 9 && !is_full) || model.empty()) {
            const auto key = queue.insert_at(i, start + std::chrono::seconds(due));
            model.insert({{due, order++}, {key, i}});
        } else if (choice < 12) {
            auto at = any();
            queue.reset_at(at->second.first, start + std::chrono::seconds(due));
            model.insert({{due, order++}, at->second});
            model.erase(at);
        } else if (choice < 15) {
            auto at = any();
            EXPECT_EQ(queue.remove(at->second.first).value, at->second.second);
            model.erase(at);
        } else if (random() % 200 == 0) {
            queue.compact();
        }
    }
    ASSERT_EQ(queue.size(), model.size());
    loop.advance(1h);
    stream_by_hand items(std::move(queue));
    for (const auto& [when, what] : model) {
        auto next = assert_ready(items.poll());
        ASSERT_TRUE(next.has_value());
        ASSERT_EQ(next->value, what.second);
        ASSERT_EQ(next->deadline, start + std::chrono::seconds(when.first));
    }
    EXPECT_FALSE(assert_ready(items.poll()).has_value());
}

TEST(DelayQueue, ExtremeDeadlinesExpireImmediatelyOrNever) {
    support::time_loop loop;
    eddy::time::delay_queue<int> queue;
    queue.insert(4, std::chrono::hours::max());
    queue.insert(3, std::chrono::duration<double>(std::numeric_limits<double>::quiet_NaN()));
    queue.insert(1, std::chrono::hours::min());
    queue.insert_at(2, eddy::time::time_point::min());
    stream_by_hand items(std::move(queue));
    EXPECT_EQ(assert_ready(items.poll())->value, 2);
    EXPECT_EQ(assert_ready(items.poll())->value, 1);
    assert_pending(items.poll());
    items.stream().insert(5, -1s);
    loop.fire();
    EXPECT_TRUE(items.is_woken());
    EXPECT_EQ(assert_ready(items.poll())->value, 5);
}

TEST(WithDeadline, ExtremeDeadlinesExpireImmediatelyOrNever) {
    support::time_loop loop;
    support::script s;
    by_hand past(eddy::with_deadline(eddy::time::time_point::min(), support::scripted(s)));
    EXPECT_FALSE(assert_ready(past.poll()).has_value());
    by_hand never(eddy::with_deadline(std::chrono::hours::max(), support::scripted(s)));
    assert_pending(never.poll());
    loop.advance(std::chrono::hours(24 * 365 * 100));
    assert_pending(never.poll());
}

}  // namespace
