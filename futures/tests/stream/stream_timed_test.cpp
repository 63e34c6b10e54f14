// SPDX-License-Identifier: MIT
// Streams and time. The time driver has no event loop, and the streams are polled by hand.
#include <eddy/stream.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/time/interval.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <vector>

#include "support/futures/moved_stream.hpp"
#include "support/items.hpp"
#include "support/polling.hpp"
#include "support/time_loop.hpp"

namespace {

namespace streams = eddy::streams;
using namespace std::chrono_literals;
using eddy::size_bounds;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::always_ready;
using support::items_of;
using support::source;
using support::stream_by_hand;
using support::time_loop;

using ints = std::vector<int>;

// covers: P096
TEST(StreamTimed, TimeoutYieldsItemsThatArriveInTime) {
    const time_loop loop;
    source<int> from;
    stream_by_hand items{items_of<int>(from).timeout(100ms)};
    from.give(1);
    EXPECT_EQ(**assert_ready(items.poll()), 1);
    assert_pending(items.poll());
    from.give(2);
    EXPECT_TRUE(items.is_woken());
    EXPECT_EQ(**assert_ready(items.poll()), 2);
    from.end();
    EXPECT_FALSE(assert_ready(items.poll()).has_value());
}

// covers: P096
TEST(StreamTimed, TimeoutReportsElapsedOnceAndContinues) {
    time_loop loop;
    source<int> from;
    stream_by_hand items{items_of<int>(from).timeout(100ms)};
    assert_pending(items.poll());
    loop.advance(99ms);
    EXPECT_FALSE(items.is_woken());
    assert_pending(items.poll());
    loop.advance(1ms);
    EXPECT_TRUE(items.is_woken());
    EXPECT_EQ(assert_ready(items.poll())->error(), eddy::time::elapsed());
    assert_pending(items.poll());
    loop.advance(10s);
    EXPECT_FALSE(items.is_woken()) << "the timeout is reported only once";
    from.give(1);
    EXPECT_EQ(**assert_ready(items.poll()), 1);
    assert_pending(items.poll());
    loop.advance(100ms);
    EXPECT_EQ(assert_ready(items.poll())->error(), eddy::time::elapsed()) << "the timeout starts again at the item";
}

TEST(StreamTimed, TimeoutCountsFromTheLastItem) {
    time_loop loop;
    source<int> from;
    stream_by_hand items{items_of<int>(from).timeout(100ms)};
    loop.advance(60ms);
    from.give(1);
    static_cast<void>(items.poll());
    loop.advance(60ms);
    assert_pending(items.poll());
    loop.advance(40ms);
    EXPECT_FALSE(assert_ready(items.poll())->has_value());
}

TEST(StreamTimed, TimeoutCanBeMovedBetweenItems) {
    time_loop loop;
    source<int> from;
    eddy::test::wake_counter counter;
    const eddy::waker waker = counter.waker();
    eddy::context cx(waker);
    auto first = items_of<int>(from).timeout(100ms);
    assert_pending(first.poll_next(cx));
    from.give(1);
    EXPECT_EQ(**assert_ready(first.poll_next(cx)), 1);
    auto second = std::move(first);
    assert_pending(second.poll_next(cx));
    loop.advance(100ms);
    EXPECT_FALSE(assert_ready(second.poll_next(cx))->has_value());
}

TEST(StreamTimed, TimeoutFiresWhenItemsUseUpTheBudget) {
    time_loop loop;
    stream_by_hand items{streams::repeat_with([] { return 1; }).filter([](int) { return false; }).timeout(100ms)};
    assert_pending(items.poll());
    EXPECT_TRUE(items.is_woken());
    loop.advance(100ms);
    EXPECT_FALSE(assert_ready(items.poll())->has_value());
}

// covers: P096 I20.5.26
TEST(StreamTimed, TimeoutRepeatingReportsEachTick) {
    time_loop loop;
    source<int> from;
    const auto first = eddy::time::clock::now() + 100ms;
    stream_by_hand items{items_of<int>(from).timeout_repeating(eddy::time::interval_at(first, 100ms))};
    assert_pending(items.poll());
    for (int i = 0; i < 3; ++i) {
        loop.advance(99ms);
        EXPECT_FALSE(items.is_woken());
        assert_pending(items.poll());
        loop.advance(1ms);
        EXPECT_TRUE(items.is_woken());
        EXPECT_EQ(assert_ready(items.poll())->error(), eddy::time::elapsed());
        assert_pending(items.poll());
    }
    loop.advance(60ms);
    from.give(1);
    EXPECT_EQ(**assert_ready(items.poll()), 1);
    assert_pending(items.poll());
    loop.advance(60ms);
    assert_pending(items.poll());  // the item has reset the interval
    loop.advance(40ms);
    EXPECT_FALSE(assert_ready(items.poll())->has_value());
    from.end();
    EXPECT_FALSE(assert_ready(items.poll()).has_value());
}

// covers: P096 I20.5.26
TEST(StreamTimed, TimeoutRepeatingOfIntervalTicksImmediately) {
    const time_loop loop;
    source<int> from;
    stream_by_hand items{items_of<int>(from).timeout_repeating(eddy::time::interval(100ms))};
    EXPECT_FALSE(assert_ready(items.poll())->has_value());
    assert_pending(items.poll());
    from.give(1);
    EXPECT_EQ(**assert_ready(items.poll()), 1);
}

// covers: P096
TEST(StreamTimed, TimeoutRepeatingFiresWhenItemsUseUpTheBudget) {
    time_loop loop;
    const auto first = eddy::time::clock::now() + 100ms;
    stream_by_hand items{streams::repeat_with([] {
                             return 1;
                         }).filter([](int) {
                               return false;
                           }).timeout_repeating(eddy::time::interval_at(first, 100ms))};
    assert_pending(items.poll());
    EXPECT_TRUE(items.is_woken());
    loop.advance(100ms);
    EXPECT_FALSE(assert_ready(items.poll())->has_value());
}

// covers: P096
TEST(StreamTimed, ThrottleSpacesItemsOut) {
    time_loop loop;
    stream_by_hand items{streams::iter(ints{1, 2, 3}).throttle(100ms)};
    EXPECT_EQ(assert_ready(items.poll()), 1) << "the first item is not delayed";
    assert_pending(items.poll());
    loop.advance(99ms);
    assert_pending(items.poll());
    loop.advance(1ms);
    EXPECT_TRUE(items.is_woken());
    EXPECT_EQ(assert_ready(items.poll()), 2);
    loop.advance(1s);
    EXPECT_EQ(assert_ready(items.poll()), 3) << "a late item does not shorten the next delay";
    assert_pending(items.poll());
    loop.advance(100ms);
    EXPECT_EQ(assert_ready(items.poll()), std::nullopt);
}

TEST(StreamTimed, ThrottleOfZeroDoesNotDelay) {
    stream_by_hand items{streams::iter(ints{1, 2}).throttle(0ms)};  // works without an event loop
    EXPECT_EQ(items.take_ready(), (ints{1, 2}));
}

// covers: P096
TEST(StreamTimed, ChunksTimeoutYieldsAFullChunkImmediately) {
    const time_loop loop;
    source<int> from;
    stream_by_hand items{items_of<int>(from).chunks_timeout(2, 100ms)};
    for (const int i : {1, 2, 3}) from.give(i);
    EXPECT_EQ(assert_ready(items.poll()), (ints{1, 2}));
    assert_pending(items.poll());
    from.end();
    EXPECT_EQ(assert_ready(items.poll()), (ints{3}));
    EXPECT_FALSE(assert_ready(items.poll()).has_value());
}

// covers: P096
TEST(StreamTimed, ChunksTimeoutYieldsAPartialChunkAtItsDeadline) {
    time_loop loop;
    source<int> from;
    stream_by_hand items{items_of<int>(from).chunks_timeout(4, 100ms)};
    assert_pending(items.poll());
    loop.advance(1s);
    EXPECT_FALSE(items.is_woken()) << "an empty chunk waits for its first item";
    from.give(1);
    assert_pending(items.poll());
    loop.advance(60ms);
    from.give(2);
    assert_pending(items.poll());
    loop.advance(40ms);
    EXPECT_TRUE(items.is_woken());
    EXPECT_EQ(assert_ready(items.poll()), (ints{1, 2})) << "the time limit starts at the first item";
    assert_pending(items.poll());
    for (const int i : {3, 4, 5, 6}) from.give(i);
    EXPECT_EQ(assert_ready(items.poll()), (ints{3, 4, 5, 6}));
    assert_pending(items.poll());
    loop.advance(1s);
    EXPECT_FALSE(items.is_woken()) << "a full chunk disarms the timer";
}

TEST(StreamTimed, ChunksTimeoutOfSizeZeroIsMisuse) {
    EXPECT_TRUE(support::text_of_misuse([] {
                    static_cast<void>(streams::of(1).chunks_timeout(0, 1s));
                }).contains("size above zero"));
}

TEST(StreamTimed, ChunksTimeoutFiresWhenItemsUseUpTheBudget) {
    time_loop loop;
    stream_by_hand items{streams::repeat_with([] { return 1; }).chunks_timeout(100'000, 100ms)};
    assert_pending(items.poll());
    EXPECT_TRUE(items.is_woken());
    loop.advance(100ms);
    EXPECT_EQ(assert_ready(items.poll())->size(), 256u);
}

TEST(StreamTimed, IntervalIsAStream) {
    time_loop loop;
    stream_by_hand ticks{eddy::time::interval(100ms).enumerate().map([](std::size_t i, auto) { return i; }).take(3)};
    EXPECT_EQ(assert_ready(ticks.poll()), 0u);
    assert_pending(ticks.poll());
    loop.advance(100ms);
    EXPECT_EQ(assert_ready(ticks.poll()), 1u);
    EXPECT_EQ(ticks.stream().size_hint(), size_bounds(0, 1));
}

TEST(StreamTimed, ChunksTimeoutYieldsIfSourceIgnoresBudget) {
    time_loop loop;
    int given = 0;
    stream_by_hand items{always_ready(given).chunks_timeout(1'000'000, 100ms)};
    assert_pending(items.poll());
    EXPECT_TRUE(items.is_woken());
    EXPECT_LE(given, 129);
}

TEST(StreamTimed, ChunksTimeoutCanBeMovedBetweenItems) {
    time_loop loop;
    source<int> from;
    auto items = items_of<int>(from).chunks_timeout(2, 100ms);
    from.give(1);
    assert_pending(by_hand{items.next()}.poll());
    from.give(2);
    EXPECT_EQ(assert_ready(by_hand{items.next()}.poll()), (ints{1, 2}));
    EXPECT_EQ(loop.driver().next_deadline(), std::nullopt) << "the timer of the yielded chunk is disarmed";
    stream_by_hand moved{std::move(items)};
    from.give(3);
    assert_pending(moved.poll());
    loop.advance(100ms);
    EXPECT_EQ(assert_ready(moved.poll()), ints{3});
    EXPECT_EQ(loop.driver().next_deadline(), std::nullopt);
}

TEST(StreamTimed, ThrottleDoesNotDelayTheEnd) {
    time_loop loop;
    source<int> from;
    stream_by_hand items{items_of<int>(from).throttle(100ms)};
    from.end();
    EXPECT_FALSE(assert_ready(items.poll()).has_value());
    EXPECT_FALSE(assert_ready(items.poll()).has_value()) << "the end is not delayed either";
}

TEST(StreamTimed, TimersFireAfterTheirAdaptorWasMoved) {
    support::time_loop loop;
    const auto later = [&] { loop.advance(1s); };
    const auto one = [] { return streams::once(1).chain(streams::pending<int>()); };
    const auto ticks = [] {
        return eddy::time::interval_at(eddy::time::clock::now() + 10ms, 10ms).map([](auto) { return 0; });
    };
    EXPECT_TRUE(support::continues_after_a_move(ticks().merge(one()), later));
    EXPECT_TRUE(support::continues_after_a_move(one().merge(ticks()), later));
    const auto seldom = [] { return streams::of(1, 2, 3).throttle(10ms); };
    EXPECT_TRUE(support::continues_after_a_move(seldom().merge(one()), later));
    const auto times_out = [] { return streams::pending<int>().timeout(10ms).map([](auto) { return 0; }); };
    EXPECT_TRUE(support::continues_after_a_move(one().merge(times_out()), later));
}

}  // namespace
