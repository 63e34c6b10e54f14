// SPDX-License-Identifier: MIT
// covers: P093
#include <eddy/future/yield_now.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/stream.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>

#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/fragile.hpp"
#include "support/items.hpp"
#include "support/polling.hpp"
#include "support/scripted.hpp"

namespace {

namespace streams = eddy::streams;
using eddy::size_bounds;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::always_ready;
using support::failing_move;
using support::fragile;
using support::items_of;
using support::one_to;
using support::plan;
using support::source;
using support::stream_by_hand;

using ints = std::vector<int>;
using fallible = eddy::result<int>;
const std::error_code broken = std::make_error_code(std::errc::io_error);

constexpr auto is_even = [](const int& i) { return i % 2 == 0; };

// ---- Adaptors that transform items ----

TEST(StreamAdaptors, MapAppliesFunctionToEachItem) {
    source<int> from;
    stream_by_hand items{items_of<int>(from).map([](int i) { return std::to_string(i); })};
    assert_pending(items.poll());
    from.give(1);
    EXPECT_TRUE(items.is_woken());
    EXPECT_EQ(assert_ready(items.poll()), "1");
    from.end();
    EXPECT_FALSE(assert_ready(items.poll()).has_value());
    EXPECT_FALSE(from.alive) << "an adaptor destroys its stream when the stream has ended";
    EXPECT_FALSE(assert_ready(items.poll()).has_value());
    EXPECT_EQ(from.polls, 3) << "a stream that has ended is not polled again";
}

TEST(StreamAdaptors, MapKeepsSizeHintAndMovesItems) {
    auto items = one_to(4).map([](int i) { return std::make_unique<int>(i); });
    EXPECT_EQ(items.size_hint(), size_bounds(4, 4));
    stream_by_hand values{std::move(items).map([](std::unique_ptr<int> p) { return *p; })};
    EXPECT_EQ(values.take_ready(), (ints{1, 2, 3, 4}));
}

TEST(StreamAdaptors, ThenRunsFuturesOneAfterAnother) {
    source<int> from;
    support::script work;
    int begun = 0;
    stream_by_hand items{items_of<int>(from).then([&](int) {
        ++begun;
        return support::scripted(work);
    })};
    from.give(1);
    from.give(2);
    assert_pending(items.poll());
    assert_pending(items.poll());
    EXPECT_EQ(begun, 1);
    work.value = 5;
    work.change(plan::ready);
    EXPECT_TRUE(items.is_woken());
    EXPECT_EQ(**assert_ready(items.poll()), 5);
    EXPECT_EQ(**assert_ready(items.poll()), 5);
    EXPECT_EQ(begun, 2);
    EXPECT_FALSE(work.alive);
    from.end();
    EXPECT_FALSE(assert_ready(items.poll()).has_value());
}

TEST(StreamAdaptors, ThenKeepsFunctionAliveWhileFutureRuns) {
    auto text = std::make_shared<std::string>("item ");
    auto work = one_to(2)
                    .then([text](int i) -> eddy::task<std::string> {
                        co_await eddy::yield_now();
                        co_return *text + std::to_string(i);
                    })
                    .collect();
    EXPECT_EQ(eddy::wait(std::move(work)), (std::vector<std::string>{"item 1", "item 2"}));
    EXPECT_EQ(text.use_count(), 1);
}

TEST(StreamAdaptors, ThenLosesNoItemWhenNextIsDropped) {
    source<int> from;
    support::script work;
    auto items = items_of<int>(from).then([&](int) { return support::scripted(work); });
    from.give(1);
    {
        by_hand next{items.next()};
        assert_pending(next.poll());
    }
    EXPECT_TRUE(work.alive);
    EXPECT_EQ(items.size_hint(), size_bounds(1, std::nullopt));
    work.value = 3;
    work.change(plan::ready);
    EXPECT_EQ(**assert_ready(by_hand{items.next()}.poll()), 3);
}

TEST(StreamAdaptors, FilterMapSkipsEmptyResults) {
    EXPECT_EQ((stream_by_hand{one_to(5).filter_map([](int i) {
                   return i % 2 == 1 ? std::optional(i * 10) : std::nullopt;
               })}.take_ready()),
              (ints{10, 30, 50}));
    EXPECT_EQ((stream_by_hand{one_to(3).filter_map([](int i) -> eddy::task<std::optional<int>> {
                   if (i == 2) co_return std::nullopt;
                   co_return i;
               })}.take_ready()),
              (ints{1, 3}));
}

TEST(StreamAdaptors, InspectSeesEachItem) {
    int sum = 0;
    stream_by_hand items{one_to(3).inspect([&](const int& i) { sum += i; })};
    EXPECT_EQ(items.take_ready(), (ints{1, 2, 3}));
    EXPECT_EQ(sum, 6);
    EXPECT_EQ(assert_ready(items.poll()), std::nullopt);
    source<int> from;
    stream_by_hand later{items_of<int>(from).inspect([&](const int& i) { sum += i; })};
    assert_pending(later.poll());
    EXPECT_EQ(sum, 6);
}

TEST(StreamAdaptors, ScanCarriesStateAndStopsOnNullopt) {
    stream_by_hand sums{one_to(10).scan(0, [](int& sum, int i) -> std::optional<int> {
        sum += i;
        if (sum > 6) return std::nullopt;
        return sum;
    })};
    EXPECT_EQ(sums.take_ready(), (ints{1, 3, 6}));
    EXPECT_FALSE(assert_ready(sums.poll()).has_value());
}

TEST(StreamAdaptors, ScanStaysEndedAfterFunctionReturnsNullopt) {
    source<int> from;
    stream_by_hand items{items_of<int>(from).scan(0, [](int&, int i) -> std::optional<int> {
        if (i == 2) return std::nullopt;
        return i;
    })};
    for (const int i : {1, 2, 3}) from.give(i);
    EXPECT_EQ(items.take_ready(), ints{1});
    EXPECT_FALSE(from.alive);
    EXPECT_FALSE(assert_ready(items.poll()).has_value());
}

TEST(StreamAdaptors, EnumerateNumbersItemsAndZipPairsThem) {
    std::string seen;
    by_hand numbered{
        streams::of('a', 'b').enumerate().for_each([&](std::size_t i, char c) { (seen += std::to_string(i)) += c; })};
    static_cast<void>(assert_ready(numbered.poll()));
    EXPECT_EQ(seen, "0a1b");
    stream_by_hand pairs{one_to(3).zip(streams::of('x', 'y'))};
    EXPECT_EQ(pairs.stream().size_hint(), size_bounds(2, 2));
    const auto first = assert_ready(pairs.poll());
    EXPECT_TRUE(first->first == 1 && first->second == 'x');
    EXPECT_TRUE(assert_ready(pairs.poll()).has_value());
    EXPECT_FALSE(assert_ready(pairs.poll()).has_value());
    EXPECT_FALSE(assert_ready(pairs.poll()).has_value());
}

TEST(StreamAdaptors, ZipKeepsFirstItemUntilSecondArrives) {
    source<int> left;
    source<int> right;
    stream_by_hand pairs{items_of<int>(left).zip(items_of<int>(right)).map([](int a, int b) { return 10 * a + b; })};
    left.give(1);
    left.give(2);
    assert_pending(pairs.poll());
    EXPECT_EQ(left.items.size(), 1u);
    assert_pending(pairs.poll());
    EXPECT_EQ(left.items.size(), 1u) << "only one item is held";
    right.give(5);
    EXPECT_TRUE(pairs.is_woken());
    EXPECT_EQ(assert_ready(pairs.poll()), 15);
    right.end();
    EXPECT_EQ(assert_ready(pairs.poll()), std::nullopt);
    EXPECT_FALSE(left.alive || right.alive);
}

TEST(StreamAdaptors, ZipPollsBothStreamsConcurrently) {
    source<int> left;
    source<int> right;
    stream_by_hand pairs{items_of<int>(left).zip(items_of<int>(right))};
    assert_pending(pairs.poll());
    EXPECT_TRUE(left.polls == 1 && right.polls == 1) << "both streams are polled";
    right.give(1);
    EXPECT_TRUE(pairs.is_woken());
    assert_pending(pairs.poll());
    EXPECT_EQ(pairs.stream().size_hint(), size_bounds(0, std::nullopt));
    left.end();
    EXPECT_FALSE(assert_ready(pairs.poll()).has_value());
    EXPECT_FALSE(left.alive || right.alive) << "both streams are destroyed after one has ended";
    EXPECT_FALSE(assert_ready(pairs.poll()).has_value());
}

TEST(StreamAdaptors, ZipSizeHintIsThatOfTheShorterStream) {
    const auto endless = [] { return streams::repeat_with([] { return 1; }); };
    EXPECT_EQ(one_to(3).zip(endless()).size_hint(), size_bounds(3, 3));
    EXPECT_EQ(endless().zip(one_to(3)).size_hint(), size_bounds(3, 3));
    source<int> from;
    stream_by_hand pairs{one_to(2).zip(items_of<int>(from))};
    assert_pending(pairs.poll());
    EXPECT_EQ(pairs.stream().size_hint(), size_bounds(0, 2)) << "one item is held";
    stream_by_hand turned{items_of<int>(from).zip(one_to(2))};
    assert_pending(turned.poll());
    EXPECT_EQ(turned.stream().size_hint(), size_bounds(0, 2));
}

// ---- Adaptors that drop items ----

TEST(StreamAdaptors, FilterDropsItemsThatFailThePredicate) {
    source<int> from;
    stream_by_hand items{items_of<int>(from).filter(is_even)};
    from.give(1);
    assert_pending(items.poll());
    from.give(2);
    EXPECT_TRUE(items.is_woken());
    EXPECT_EQ(assert_ready(items.poll()), 2);
    from.end();
    EXPECT_EQ(assert_ready(items.poll()), std::nullopt);
    EXPECT_EQ(one_to(5).filter(is_even).size_hint(), size_bounds(0, 5));
}

TEST(StreamAdaptors, AsyncFilterKeepsItemAliveWhilePredicateRuns) {
    support::script work;
    stream_by_hand items{streams::of(std::string("a"), std::string("bb")).filter([&](const std::string& item) {
        return [](const std::string& judged, support::script& wait) -> eddy::task<bool> {
            static_cast<void>(co_await support::scripted(wait));
            co_return judged.size() == 2;  // the item must still exist
        }(item, work);
    })};
    assert_pending(items.poll());
    EXPECT_EQ(items.stream().size_hint(), size_bounds(0, 2)) << "includes the item that the predicate checks";
    work.change(plan::ready);
    EXPECT_EQ(*assert_ready(items.poll()), "bb");
    EXPECT_FALSE(assert_ready(items.poll()).has_value());
}

TEST(StreamAdaptors, WhileAdaptorsSwitchAtFirstRejectedItem) {
    const auto small = [](const int& i) { return i < 3; };
    const auto small_later = [](int i) -> eddy::task<bool> { co_return i < 3; };
    stream_by_hand taken{streams::of(1, 2, 3, 1).take_while(small)};
    EXPECT_EQ(taken.take_ready(), (ints{1, 2}));
    EXPECT_EQ(assert_ready(taken.poll()), std::nullopt);
    EXPECT_EQ((stream_by_hand{streams::of(1, 2, 3, 1).take_while(small_later)}.take_ready()), (ints{1, 2}));
    EXPECT_EQ((stream_by_hand{streams::of(1, 2, 3, 1).skip_while(small)}.take_ready()), (ints{3, 1}));
    EXPECT_EQ((stream_by_hand{streams::of(1, 2, 3, 1).skip_while(small_later)}.take_ready()), (ints{3, 1}));
    stream_by_hand mapped{
        streams::of(1, 2, 3, 1).map_while([&](int i) { return small(i) ? std::optional(-i) : std::nullopt; })};
    EXPECT_EQ(mapped.take_ready(), (ints{-1, -2}));
    EXPECT_EQ(assert_ready(mapped.poll()), std::nullopt);
}

TEST(StreamAdaptors, TakeDoesNotPollBeyondItsLimit) {
    source<int> from;
    stream_by_hand items{items_of<int>(from).take(2)};
    for (const int i : {1, 2, 3}) from.give(i);
    EXPECT_EQ(items.take_ready(), (ints{1, 2}));
    EXPECT_EQ(from.polls, 2);
    EXPECT_FALSE(from.alive);
    EXPECT_EQ(assert_ready(stream_by_hand{one_to(3).take(0)}.poll()), std::nullopt);
    EXPECT_EQ(one_to(5).take(2).size_hint(), size_bounds(2, 2));
    EXPECT_EQ(one_to(1).take(2).size_hint(), size_bounds(1, 1));
    EXPECT_EQ(streams::repeat_with([] { return 1; }).take(7).size_hint(), size_bounds(7, 7));
}

TEST(StreamAdaptors, SkipDropsTheFirstItems) {
    EXPECT_EQ((stream_by_hand{one_to(5).skip(3)}.take_ready()), (ints{4, 5}));
    EXPECT_EQ(assert_ready(stream_by_hand{one_to(3).skip(9)}.poll()), std::nullopt);
    EXPECT_EQ(one_to(5).skip(2).size_hint(), size_bounds(3, 3));
    EXPECT_EQ(one_to(5).skip(9).size_hint(), size_bounds(0, 0));
}

TEST(StreamAdaptors, FuseStaysEndedAfterFirstEnd) {
    int asked = 0;
    auto blinking = streams::poll_fn([&](eddy::context&) -> eddy::poll_result<std::optional<int>> {
        if (++asked % 2 == 0) return std::nullopt;
        return std::optional(asked);
    });
    stream_by_hand items{std::move(blinking).fuse()};
    EXPECT_EQ(assert_ready(items.poll()), 1);
    EXPECT_FALSE(items.stream().has_ended());
    EXPECT_EQ(assert_ready(items.poll()), std::nullopt);
    EXPECT_TRUE(items.stream().has_ended());
    EXPECT_EQ(assert_ready(items.poll()), std::nullopt);
    EXPECT_EQ(asked, 2);
}

TEST(StreamAdaptors, NextIfWaitsForTheItem) {
    source<int> from;
    auto items = items_of<int>(from).peekable();
    by_hand next{items.next_if(is_even)};
    assert_pending(next.poll());
    from.give(2);
    EXPECT_TRUE(next.is_woken());
    EXPECT_EQ(assert_ready(next.poll()), 2);
}

TEST(StreamAdaptors, PeekLeavesTheItemInTheStream) {
    source<int> from;
    auto items = items_of<int>(from).peekable();
    {
        by_hand peek{items.peek()};
        assert_pending(peek.poll());
        from.give(1);
        EXPECT_TRUE(peek.is_woken());
        EXPECT_EQ(*assert_ready(peek.poll()), 1);
        EXPECT_EQ(*assert_ready(peek.poll()), 1) << "the item stays in the stream";
        *assert_ready(peek.poll()) = 10;
    }
    EXPECT_EQ(items.size_hint(), size_bounds(1, std::nullopt));
    from.give(2);
    EXPECT_EQ(assert_ready(by_hand{items.next_if(is_even)}.poll()), 10);
    EXPECT_EQ(assert_ready(by_hand{items.next_if([](int i) { return i > 2; })}.poll()), std::nullopt);
    EXPECT_EQ(assert_ready(by_hand{items.next()}.poll()), 2) << "a refused item stays in the stream";
    from.end();
    EXPECT_EQ(assert_ready(by_hand{items.peek()}.poll()), nullptr);
    EXPECT_EQ(assert_ready(by_hand{items.next_if(is_even)}.poll()), std::nullopt);
    EXPECT_EQ(assert_ready(by_hand{items.next()}.poll()), std::nullopt);
}

// ---- Adaptors that combine streams or group items ----

TEST(StreamAdaptors, ChainContinuesWithSecondStream) {
    source<int> first;
    stream_by_hand items{items_of<int>(first).chain(one_to(2))};
    EXPECT_EQ(items.stream().size_hint(), size_bounds(2, std::nullopt));
    assert_pending(items.poll());
    first.give(9);
    EXPECT_EQ(assert_ready(items.poll()), 9);
    first.end();
    EXPECT_EQ(assert_ready(items.poll()), 1);
    EXPECT_FALSE(first.alive) << "destroyed before the second stream is polled";
    EXPECT_EQ(items.take_ready(), (ints{2}));
    EXPECT_EQ(one_to(2).chain(one_to(3)).size_hint(), size_bounds(5, 5));
}

// covers: P094
TEST(StreamAdaptors, MergeYieldsItemsAsEitherStreamProducesThem) {
    source<int> left;
    source<int> right;
    stream_by_hand items{items_of<int>(left).merge(items_of<int>(right))};
    assert_pending(items.poll());
    left.give(1);
    EXPECT_TRUE(items.is_woken());
    EXPECT_EQ(assert_ready(items.poll()), 1);
    assert_pending(items.poll());
    right.give(2);
    EXPECT_TRUE(items.is_woken());
    EXPECT_EQ(assert_ready(items.poll()), 2);
    left.end();
    assert_pending(items.poll());
    EXPECT_FALSE(left.alive);
    right.give(3);
    EXPECT_EQ(assert_ready(items.poll()), 3);
    right.end();
    EXPECT_EQ(assert_ready(items.poll()), std::nullopt);
}

// covers: P094
TEST(StreamAdaptors, MergeAlternatesBetweenReadyStreams) {
    int left = 0;
    int right = 0;
    auto items = always_ready(left).merge(always_ready(right));
    for (int i = 0; i < 100; ++i) EXPECT_TRUE(assert_ready(by_hand{items.next()}.poll()).has_value());
    EXPECT_EQ(left, 50);
    EXPECT_EQ(right, 50);
}

TEST(StreamAdaptors, ChunksAreFullExceptTheLast) {
    source<int> from;
    stream_by_hand items{items_of<int>(from).chunks(2)};
    from.give(1);
    assert_pending(items.poll());
    EXPECT_EQ(items.stream().size_hint(), size_bounds(1, std::nullopt));
    from.give(2);
    EXPECT_EQ(assert_ready(items.poll()), (ints{1, 2}));
    from.give(3);
    from.end();
    EXPECT_EQ(assert_ready(items.poll()), (ints{3}));
    EXPECT_FALSE(assert_ready(items.poll()).has_value());
    EXPECT_EQ(one_to(5).chunks(2).size_hint(), size_bounds(3, 3));
    EXPECT_TRUE(support::text_of_misuse([] { static_cast<void>(one_to(5).chunks(0)); }).contains("size above zero"));
}

TEST(StreamAdaptors, ReadyChunksWaitOnlyForTheFirstItem) {
    source<int> from;
    stream_by_hand chunks{items_of<int>(from).ready_chunks(3)};
    assert_pending(chunks.poll());
    from.give(1);
    EXPECT_TRUE(chunks.is_woken());
    EXPECT_EQ(assert_ready(chunks.poll()), ints{1});
    for (int i = 2; i <= 6; ++i) from.give(i);
    EXPECT_EQ(assert_ready(chunks.poll()), (ints{2, 3, 4}));
    EXPECT_EQ(assert_ready(chunks.poll()), (ints{5, 6}));
    assert_pending(chunks.poll());
    from.give(7);
    from.end();
    EXPECT_EQ(assert_ready(chunks.poll()), ints{7});
    EXPECT_FALSE(assert_ready(chunks.poll()).has_value());
    EXPECT_FALSE(from.alive);
    EXPECT_FALSE(assert_ready(chunks.poll()).has_value());
    EXPECT_THROW(static_cast<void>(one_to(3).ready_chunks(0)), eddy::misuse);
    constexpr auto all = std::numeric_limits<std::size_t>::max();
    EXPECT_EQ(assert_ready(stream_by_hand{one_to(3).ready_chunks(all)}.poll()), (ints{1, 2, 3}));
    EXPECT_EQ(assert_ready(stream_by_hand{one_to(3).chunks(all)}.poll()), (ints{1, 2, 3}));
}

TEST(StreamAdaptors, ReadyChunksLeaveTheirWakerInTheStream) {
    source<int> from;
    stream_by_hand chunks{items_of<int>(from).ready_chunks(3)};
    from.give(1);
    EXPECT_EQ(assert_ready(chunks.poll()), ints{1});
    from.give(2);
    EXPECT_TRUE(chunks.is_woken()) << "the poll left its waker when no more items were ready";
}

TEST(StreamAdaptors, ReadyChunksKeepItemsReadBeforeAnException) {
    const auto throws_at_two = [](int i) {
        if (i == 2) throw std::runtime_error("two");
        return i;
    };
    stream_by_hand chunks{one_to(3).map(throws_at_two).ready_chunks(5)};
    EXPECT_THROW(static_cast<void>(chunks.poll()), std::runtime_error);
    EXPECT_EQ(chunks.stream().size_hint(), size_bounds(1, 2));
    EXPECT_EQ(assert_ready(chunks.poll()), (ints{1, 3}));
    EXPECT_FALSE(assert_ready(chunks.poll()).has_value());
}

TEST(StreamAdaptors, ReadyChunksEndWhenTheBudgetIsUsedUp) {
    int given = 0;
    stream_by_hand chunks{always_ready(given).ready_chunks(1'000'000)};
    EXPECT_EQ(assert_ready(chunks.poll(10))->size(), 11u) << "includes the item that was ready when the budget ran out";
    EXPECT_TRUE(chunks.is_woken());
    stream_by_hand paying{streams::repeat_with([] { return 1; }).ready_chunks(1'000'000)};
    EXPECT_EQ(assert_ready(paying.poll(10))->size(), 10u);
    EXPECT_TRUE(paying.is_woken());
}

TEST(StreamAdaptors, ByRefBorrowsTheStream) {
    auto items = one_to(5);
    EXPECT_EQ(assert_ready(by_hand{items.by_ref().take(2).collect()}.poll()), (ints{1, 2}));
    EXPECT_EQ(assert_ready(by_hand{items.next()}.poll()), 3);
    EXPECT_EQ(items.by_ref().size_hint(), size_bounds(2, 2));
}

// ---- Functions and moves that throw ----

/// Reads all of `items` into `got`, with a 0 for each exception. Returns the number of exceptions.
template <class S>
int read_with_exceptions(S items, ints& got) {
    stream_by_hand by(std::move(items));
    int thrown = 0;
    for (int i = 0; i < 100; ++i) {
        try {
            auto next = by.poll();
            if (!next) {
                if (by.is_woken()) continue;
                ADD_FAILURE() << "the stream is pending and was not woken";
                break;
            }
            if (!next->has_value()) return thrown;
            got.push_back(**next);
        } catch (const std::runtime_error&) {
            got.push_back(0);
            ++thrown;
        }
    }
    ADD_FAILURE() << "the stream does not end";
    return thrown;
}

int odd_throws(int i) {
    if (i % 2 != 0) throw std::runtime_error("odd");
    return i;
}
bool odd_throws_of(const int& i) { return odd_throws(i) >= 0; }

TEST(StreamAdaptors, ThrowingFunctionLosesOnlyItsItem) {
    const auto items = [] { return streams::of(1, 2, 3, 4); };
    const ints expected{0, 2, 0, 4};
    const auto check = [&](const char* which, auto adapted) {
        ints got;
        EXPECT_EQ(read_with_exceptions(std::move(adapted), got), 2) << which;
        EXPECT_EQ(got, expected) << which;
    };
    const auto in_time = [](const int& i) -> eddy::task<bool> { co_return odd_throws_of(i); };
    const auto in_time_value = [](int i) -> eddy::task<int> { co_return odd_throws(i); };
    const auto maybe = [](int i) { return std::optional<int>(odd_throws(i)); };
    check("map", items().map(odd_throws));
    check("inspect", items().inspect(odd_throws_of));
    check("filter", items().filter(odd_throws_of));
    check("filter, a future", items().filter(in_time));
    check("take_while", items().take_while(odd_throws_of));
    check("take_while, a future", items().take_while(in_time));
    check("filter_map", items().filter_map(maybe));
    check("map_while", items().map_while(maybe));
    check("then", items().then(in_time_value));
    check("scan", items().scan(0, [&](int&, int i) { return maybe(i); }));
    check("buffered", items().map(in_time_value).buffered(3));
    check("buffer_unordered", items().map(in_time_value).buffer_unordered(3));
    check("fuse", items().map(odd_throws).fuse().skip(0).take(4));
    check("chain", items().map(odd_throws).chain(streams::empty<int>()));
    check("merge", items().map(odd_throws).merge(streams::empty<int>()));
}

TEST(StreamAdaptors, ThrowingMoveNeverYieldsAMovedFromItem) {
    for (int nth = 0; nth < 12; ++nth) {
        auto numbers = streams::unfold(0, [](int& i) { return i < 3 ? std::optional<int>(++i) : std::nullopt; });
        stream_by_hand items(std::move(numbers).map([](int i) { return fragile(i); }).filter_map([](fragile f) {
            return std::optional<fragile>(std::move(f));
        }));
        ints got;
        const failing_move fails(nth);
        for (int i = 0; i < 10; ++i) {
            try {
                auto next = items.poll();
                if (!next || !next->has_value()) break;
                got.push_back((*next)->number);
            } catch (const std::runtime_error&) {  // NOLINT(bugprone-empty-catch): the item is lost
            }
        }
        for (const int one : got) EXPECT_GT(one, 0) << "the item was moved from; throwing move " << nth;
        EXPECT_LE(got.size(), 3u);
    }
}

// ---- The coop budget ----

/// Polls `future` at most 20 times. Each pending poll must wake its task. Returns the number of polls, or 0 if the
/// future does not become ready.
template <class F>
int polls_until_ready(F future) {
    by_hand work{std::move(future)};
    for (int polls = 1; polls <= 20; ++polls) {
        if (work.poll().is_ready()) return polls;
        EXPECT_TRUE(work.is_woken());
    }
    return 0;
}

TEST(StreamAdaptors, LoopsYieldOverSourceThatIgnoresTheBudget) {
    int given = 0;
    const auto items = [&] {
        given = 0;
        return always_ready(given);
    };
    const auto late = [](int i) { return i > 1000; };
    EXPECT_EQ(polls_until_ready(items().filter(late).take(1).count()), 8);
    EXPECT_EQ(polls_until_ready(items().skip_while([](int i) { return i <= 1000; }).take(1).count()), 8);
    EXPECT_EQ(polls_until_ready(items().skip(1000).take(1).count()), 8);
    EXPECT_EQ(polls_until_ready(
                  items().filter_map([&](int i) { return late(i) ? std::optional(i) : std::nullopt; }).take(1).count()),
              8);
    EXPECT_EQ(polls_until_ready(items().any(late)), 8);
    EXPECT_EQ(polls_until_ready(items().all([&](int i) { return !late(i); })), 8);
    EXPECT_EQ(polls_until_ready(items().take(1000).count()), 8);
    EXPECT_EQ(polls_until_ready(items().take(1000).collect()), 8);
    EXPECT_EQ(polls_until_ready(items().take(1000).fold(0, [](int, int i) { return i; })), 8);
    EXPECT_EQ(polls_until_ready(items().take(1000).for_each([](int) {})), 8);
    EXPECT_EQ(polls_until_ready(items().chunks(1000).take(1).count()), 8);
    const auto next = [](int, int i) -> fallible { return i; };
    EXPECT_EQ(polls_until_ready(items().take(1000).try_fold(0, next)), 8);
}

TEST(StreamAdaptors, ItemCostsOneBudgetUnitThroughAllAdaptors) {
    EXPECT_EQ(polls_until_ready(one_to(1000).map([](int i) { return i; }).filter([](int) { return true; }).count()), 8);
    EXPECT_EQ(polls_until_ready(one_to(1000).filter([](int) { return false; }).count()), 8);
}

TEST(StreamAdaptors, LoopOverNextYieldsWhenTheBudgetIsUsedUp) {
    int given = 0;
    const auto loop = [](always_ready items) -> eddy::task<int> {
        int sum = 0;
        for (int i = 0; i < 1000; ++i) {
            const auto next = co_await items.next();
            sum += *next;
        }
        co_return sum;
    };
    EXPECT_EQ(polls_until_ready(loop(always_ready(given))), 8);
    EXPECT_EQ(given, 1000);
}

TEST(StreamAdaptors, NextWithoutBudgetIsPendingAndLosesNoItem) {
    int given = 0;
    auto items = always_ready(given);
    by_hand next{items.next()};
    assert_pending(next.poll(0));
    EXPECT_TRUE(next.is_woken());
    EXPECT_EQ(given, 0);
    EXPECT_EQ(assert_ready(next.poll(1)), 1);
}

}  // namespace
