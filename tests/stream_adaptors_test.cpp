// SPDX-License-Identifier: MIT
#include <eddy/ready.hpp>
#include <eddy/select.hpp>
#include <eddy/stream.hpp>
#include <eddy/sync/recv_error.hpp>
#include <eddy/task.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/wait.hpp>
#include <eddy/yield_now.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <expected>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/items.hpp"
#include "support/polling.hpp"
#include "support/scripted.hpp"
#include "support/stress.hpp"

namespace {

namespace streams = eddy::streams;
using eddy::size_bounds;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::items_of;
using support::plan;
using support::source;
using support::stream_by_hand;

using ints = std::vector<int>;
using fallible = eddy::result<int>;
const std::error_code broken = std::make_error_code(std::errc::io_error);

auto one_to(int last) {
    ints all(static_cast<std::size_t>(last));
    std::iota(all.begin(), all.end(), 1);
    return streams::iter(std::move(all));
}

constexpr auto is_even = [](const int& i) { return i % 2 == 0; };

/// A stream that is always ready and knows no budget: what a user might write.
class ever_ready : public eddy::stream_ops<ever_ready> {
public:
    using item_type = int;
    explicit ever_ready(int& polls) noexcept : polls_(&polls) {}
    eddy::poll_result<std::optional<int>> poll_next(eddy::context&) { return std::optional(++*polls_); }

private:
    int* polls_;
};

// ---- Items become others ----

TEST(StreamAdaptors, MapGivesWhatItsFunctionReturns) {
    source<int> from;
    stream_by_hand items{items_of<int>(from).map([](int i) { return std::to_string(i); })};
    assert_pending(items.poll());
    from.give(1);
    EXPECT_TRUE(items.is_woken());
    EXPECT_EQ(assert_ready(items.poll()), "1");
    from.end();
    EXPECT_FALSE(assert_ready(items.poll()).has_value());
    EXPECT_FALSE(from.alive) << "an adaptor destroys its stream when that has ended";
    EXPECT_FALSE(assert_ready(items.poll()).has_value());
    EXPECT_EQ(from.polls, 3) << "what has ended is not asked again";
}

TEST(StreamAdaptors, MapKeepsTheCountAndMovesItems) {
    auto items = one_to(4).map([](int i) { return std::make_unique<int>(i); });
    EXPECT_EQ(items.size_hint(), size_bounds(4, 4));
    stream_by_hand values{std::move(items).map([](std::unique_ptr<int> p) { return *p; })};
    EXPECT_EQ(values.take_ready(), (ints{1, 2, 3, 4}));
}

TEST(StreamAdaptors, AnExceptionOfAFunctionLosesItsItemOnly) {
    const auto throws_at_two = [](int i) {
        if (i == 2) throw std::runtime_error("two");
        return i;
    };
    stream_by_hand items{one_to(3).map(throws_at_two)};
    EXPECT_EQ(assert_ready(items.poll()), 1);
    EXPECT_THROW(static_cast<void>(items.poll()), std::runtime_error);
    EXPECT_EQ(assert_ready(items.poll()), 3);
    stream_by_hand chosen{one_to(3).filter([&](const int& i) -> eddy::task<bool> {
        throws_at_two(i);
        co_return true;
    })};
    EXPECT_EQ(assert_ready(chosen.poll()), 1);
    EXPECT_THROW(static_cast<void>(chosen.poll()), std::runtime_error);
    EXPECT_EQ(assert_ready(chosen.poll()), 3);
}

TEST(StreamAdaptors, ThenRunsOneFutureAfterTheOther) {
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

TEST(StreamAdaptors, ThenKeepsItsFunctionWhileItsFutureRuns) {
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

TEST(StreamAdaptors, NoItemIsLostWhenNobodyWaitsAnyMore) {
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

TEST(StreamAdaptors, FilterMapGivesTheValuesThereAre) {
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
}

TEST(StreamAdaptors, ScanHasAStateAndMayEnd) {
    stream_by_hand sums{one_to(10).scan(0, [](int& sum, int i) -> std::optional<int> {
        sum += i;
        if (sum > 6) return std::nullopt;
        return sum;
    })};
    EXPECT_EQ(sums.take_ready(), (ints{1, 3, 6}));
    EXPECT_FALSE(assert_ready(sums.poll()).has_value());
}

TEST(StreamAdaptors, ScanStaysAtTheEndThatItsFunctionSays) {
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

TEST(StreamAdaptors, EnumerateCountsAndZipPairs) {
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

TEST(StreamAdaptors, ZipKeepsWhatOneHasGivenBeforeTheOther) {
    source<int> left;
    source<int> right;
    stream_by_hand pairs{items_of<int>(left).zip(items_of<int>(right)).map([](int a, int b) { return 10 * a + b; })};
    left.give(1);
    left.give(2);
    assert_pending(pairs.poll());
    EXPECT_EQ(left.items.size(), 1u);
    assert_pending(pairs.poll());
    EXPECT_EQ(left.items.size(), 1u) << "one is held, no more";
    right.give(5);
    EXPECT_TRUE(pairs.is_woken());
    EXPECT_EQ(assert_ready(pairs.poll()), 15);
    right.end();
    EXPECT_EQ(assert_ready(pairs.poll()), std::nullopt);
    EXPECT_FALSE(left.alive || right.alive);
}

TEST(StreamAdaptors, ZipAsksBothAtTheSameTime) {
    source<int> left;
    source<int> right;
    stream_by_hand pairs{items_of<int>(left).zip(items_of<int>(right))};
    assert_pending(pairs.poll());
    EXPECT_TRUE(left.polls == 1 && right.polls == 1) << "they work side by side";
    right.give(1);
    EXPECT_TRUE(pairs.is_woken());
    assert_pending(pairs.poll());
    EXPECT_EQ(pairs.stream().size_hint(), size_bounds(0, std::nullopt));
    left.end();
    EXPECT_FALSE(assert_ready(pairs.poll()).has_value());
    EXPECT_FALSE(left.alive || right.alive) << "neither is kept after the end of one";
    EXPECT_FALSE(assert_ready(pairs.poll()).has_value());
}

TEST(StreamAdaptors, ZipsHintIsThatOfTheShorterOne) {
    const auto endless = [] { return streams::repeat_with([] { return 1; }); };
    EXPECT_EQ(one_to(3).zip(endless()).size_hint(), size_bounds(3, 3));
    EXPECT_EQ(endless().zip(one_to(3)).size_hint(), size_bounds(3, 3));
    source<int> from;
    stream_by_hand pairs{one_to(2).zip(items_of<int>(from))};
    assert_pending(pairs.poll());
    EXPECT_EQ(pairs.stream().size_hint(), size_bounds(0, 2)) << "one is held";
    stream_by_hand turned{items_of<int>(from).zip(one_to(2))};
    assert_pending(turned.poll());
    EXPECT_EQ(turned.stream().size_hint(), size_bounds(0, 2));
}

// ---- Some of them ----

TEST(StreamAdaptors, FilterLeavesItemsOut) {
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

TEST(StreamAdaptors, FilterMayAwaitItsAnswerAboutAnItemThatStays) {
    support::script work;
    stream_by_hand items{streams::of(std::string("a"), std::string("bb")).filter([&](const std::string& item) {
        return [](const std::string& judged, support::script& wait) -> eddy::task<bool> {
            co_await support::scripted(wait);
            co_return judged.size() == 2;  // still there
        }(item, work);
    })};
    assert_pending(items.poll());
    EXPECT_EQ(items.stream().size_hint(), size_bounds(0, 2)) << "with the one that is being judged";
    work.change(plan::ready);
    EXPECT_EQ(*assert_ready(items.poll()), "bb");
    EXPECT_FALSE(assert_ready(items.poll()).has_value());
}

TEST(StreamAdaptors, TakeWhileSkipWhileAndMapWhile) {
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

TEST(StreamAdaptors, TakeAsksForNoMoreThanItGives) {
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

TEST(StreamAdaptors, SkipLeavesOutTheFirst) {
    EXPECT_EQ((stream_by_hand{one_to(5).skip(3)}.take_ready()), (ints{4, 5}));
    EXPECT_EQ(assert_ready(stream_by_hand{one_to(3).skip(9)}.poll()), std::nullopt);
    EXPECT_EQ(one_to(5).skip(2).size_hint(), size_bounds(3, 3));
    EXPECT_EQ(one_to(5).skip(9).size_hint(), size_bounds(0, 0));
}

TEST(StreamAdaptors, FuseStaysAtTheEnd) {
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

TEST(StreamAdaptors, PeekLooksAtAnItemBeforeItIsTaken) {
    source<int> from;
    auto items = items_of<int>(from).peekable();
    {
        by_hand peek{items.peek()};
        assert_pending(peek.poll());
        from.give(1);
        EXPECT_TRUE(peek.is_woken());
        EXPECT_EQ(*assert_ready(peek.poll()), 1);
        EXPECT_EQ(*assert_ready(peek.poll()), 1) << "it is still there";
        *assert_ready(peek.poll()) = 10;
    }
    EXPECT_EQ(items.size_hint(), size_bounds(1, std::nullopt));
    from.give(2);
    EXPECT_EQ(assert_ready(by_hand{items.next_if(is_even)}.poll()), 10);
    EXPECT_EQ(assert_ready(by_hand{items.next_if([](int i) { return i > 2; })}.poll()), std::nullopt);
    EXPECT_EQ(assert_ready(by_hand{items.next()}.poll()), 2) << "what was refused is still there";
    from.end();
    EXPECT_EQ(assert_ready(by_hand{items.peek()}.poll()), nullptr);
    EXPECT_EQ(assert_ready(by_hand{items.next_if(is_even)}.poll()), std::nullopt);
    EXPECT_EQ(assert_ready(by_hand{items.next()}.poll()), std::nullopt);
}

// ---- With others, and in groups ----

TEST(StreamAdaptors, ChainGoesOnWithTheSecond) {
    source<int> first;
    stream_by_hand items{items_of<int>(first).chain(one_to(2))};
    EXPECT_EQ(items.stream().size_hint(), size_bounds(2, std::nullopt));
    assert_pending(items.poll());
    first.give(9);
    EXPECT_EQ(assert_ready(items.poll()), 9);
    first.end();
    EXPECT_EQ(assert_ready(items.poll()), 1);
    EXPECT_FALSE(first.alive) << "gone before the second is asked";
    EXPECT_EQ(items.take_ready(), (ints{2}));
    EXPECT_EQ(one_to(2).chain(one_to(3)).size_hint(), size_bounds(5, 5));
}

TEST(StreamAdaptors, MergeGivesWhatComes) {
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

TEST(StreamAdaptors, MergeStarvesNeither) {
    int left = 0;
    int right = 0;
    auto items = ever_ready(left).merge(ever_ready(right));
    for (int i = 0; i < 100; ++i) EXPECT_TRUE(assert_ready(by_hand{items.next()}.poll()).has_value());
    EXPECT_EQ(left, 50);
    EXPECT_EQ(right, 50);
}

TEST(StreamAdaptors, ChunksAreFullButTheLast) {
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

TEST(StreamAdaptors, ReadyChunksWaitForTheirFirstItemOnly) {
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

TEST(StreamAdaptors, ReadyChunksLeaveTheirWakerWhereTheyLookedLast) {
    source<int> from;
    stream_by_hand chunks{items_of<int>(from).ready_chunks(3)};
    from.give(1);
    EXPECT_EQ(assert_ready(chunks.poll()), ints{1});
    from.give(2);
    EXPECT_TRUE(chunks.is_woken()) << "it has seen that nothing more was there";
}

TEST(StreamAdaptors, ReadyChunksKeepWhatCameBeforeAnException) {
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

TEST(StreamAdaptors, ReadyChunksGiveWhatABudgetBought) {
    int given = 0;
    stream_by_hand chunks{ever_ready(given).ready_chunks(1'000'000)};
    EXPECT_EQ(assert_ready(chunks.poll(10))->size(), 11u) << "the item that was there when it was used up, too";
    EXPECT_TRUE(chunks.is_woken());
    stream_by_hand paying{streams::repeat_with([] { return 1; }).ready_chunks(1'000'000)};
    EXPECT_EQ(assert_ready(paying.poll(10))->size(), 10u);
    EXPECT_TRUE(paying.is_woken());
}

TEST(StreamAdaptors, ByRefLendsAStream) {
    auto items = one_to(5);
    EXPECT_EQ(assert_ready(by_hand{items.by_ref().take(2).collect()}.poll()), (ints{1, 2}));
    EXPECT_EQ(assert_ready(by_hand{items.next()}.poll()), 3);
    EXPECT_EQ(items.by_ref().size_hint(), size_bounds(2, 2));
}

// ---- Futures that read it to its end ----

TEST(StreamAdaptors, FoldMakesOneValue) {
    source<int> from;
    by_hand sum{items_of<int>(from).fold(std::string("0"),
                                         [](std::string before, int i) { return before + "+" + std::to_string(i); })};
    from.give(1);
    assert_pending(sum.poll());
    from.give(2);
    from.end();
    EXPECT_EQ(assert_ready(sum.poll()), "0+1+2");
    EXPECT_FALSE(from.alive);
    EXPECT_TRUE(support::text_of_misuse([&] { static_cast<void>(sum.poll()); }).starts_with("fold was awaited after"));
}

TEST(StreamAdaptors, FoldMayAwait) {
    support::script work;
    by_hand sum{one_to(2).fold(0, [&](int before, int i) -> eddy::task<int> {
        const auto more = co_await support::scripted(work);
        co_return before + i + *more;
    })};
    assert_pending(sum.poll());
    work.value = 100;
    work.change(plan::ready);
    EXPECT_TRUE(sum.is_woken());
    EXPECT_EQ(assert_ready(sum.poll()), 203);
}

TEST(StreamAdaptors, TryFoldUnwrapsItemsAndStopsAtTheFirstError) {
    using numbers = std::vector<eddy::result<int>>;
    const auto add = [](int a, int b) { return a + b; };
    EXPECT_EQ(assert_ready(by_hand{streams::iter(numbers{1, 2, 3}).try_fold(0, add)}.poll()), 6);
    EXPECT_EQ(assert_ready(by_hand{streams::iter(numbers{}).try_fold(5, add)}.poll()), 5);
    source<eddy::result<int>> from;
    by_hand sum{items_of<eddy::result<int>>(from).try_fold(0, add)};
    from.give(1);
    assert_pending(sum.poll());
    from.give(std::unexpected(std::make_error_code(std::errc::io_error)));
    from.give(2);
    EXPECT_TRUE(sum.is_woken());
    EXPECT_EQ(assert_ready(sum.poll()).error(), std::errc::io_error);
    EXPECT_FALSE(from.alive);
    EXPECT_EQ(from.items.size(), 1u) << "nothing is read after the error";
    EXPECT_TRUE(support::text_of_misuse([&] { static_cast<void>(sum.poll()); }).starts_with("try_fold was awaited"));
}

TEST(StreamAdaptors, TryFoldStopsWhenItsFunctionFails) {
    const auto divide = [](int a, int b) -> std::expected<int, std::string> {
        if (b == 0) return std::unexpected("by zero");
        return a / b;
    };
    EXPECT_EQ(assert_ready(by_hand{streams::iter(ints{2, 5}).try_fold(100, divide)}.poll()), 10);
    source<int> from;
    by_hand quotient{items_of<int>(from).try_fold(100, divide)};
    for (const int by : {5, 0, 2}) from.give(by);
    EXPECT_EQ(assert_ready(quotient.poll()).error(), "by zero");
    EXPECT_EQ(from.items.size(), 1u);
}

TEST(StreamAdaptors, TryFoldMayAwaitAndConvertsErrors) {
    source<eddy::result<int>> from;
    support::script work;
    by_hand sum{items_of<eddy::result<int>>(from).try_fold(0, [&](int, int) { return support::scripted(work); })};
    from.give(1);
    assert_pending(sum.poll());
    EXPECT_TRUE(work.alive);
    work.value = 7;
    work.change(plan::ready);
    EXPECT_TRUE(sum.is_woken());
    assert_pending(sum.poll());
    EXPECT_FALSE(work.alive);
    work.change(plan::fails);
    from.give(2);
    EXPECT_EQ(assert_ready(sum.poll()).error(), std::errc::io_error);
    const auto closed = [](int, int) -> std::expected<int, eddy::sync::recv_error> {
        return std::unexpected(eddy::sync::recv_error());
    };
    using numbers = std::vector<eddy::result<int>>;
    EXPECT_EQ(assert_ready(by_hand{streams::iter(numbers{1}).try_fold(0, closed)}.poll()).error(),
              eddy::errc::channel_closed);
}

TEST(StreamAdaptors, TryFoldMovesItsState) {
    using numbers = std::vector<eddy::result<int>>;
    const auto push = [](std::unique_ptr<ints> all, int i) {
        all->push_back(i);
        return all;
    };
    by_hand all{streams::iter(numbers{1, 2}).try_fold(std::make_unique<ints>(), push)};
    EXPECT_EQ(**assert_ready(all.poll()), (ints{1, 2}));
    const std::vector<eddy::result<void>> steps(3);
    by_hand count{streams::iter(steps).try_fold(0, [](int done) { return done + 1; })};
    EXPECT_EQ(assert_ready(count.poll()), 3);
}

TEST(StreamAdaptors, TryFoldPassesPollCancelOn) {
    source<eddy::result<int>> from;
    support::script work{.may_end = false};
    by_hand sum{
        items_of<eddy::result<int>>(from).try_fold(0, [&](int, int) { return support::cancellable_scripted(work); })};
    from.give(1);
    assert_pending(sum.poll());
    assert_pending(sum.poll_cancel());
    EXPECT_TRUE(work.alive && from.alive);
    work.may_end = true;
    EXPECT_TRUE(sum.poll_cancel().is_ready());
    EXPECT_FALSE(work.alive || from.alive);
}

TEST(StreamAdaptors, CollectTakesEveryKindOfContainer) {
    EXPECT_EQ(assert_ready(by_hand{one_to(3).collect()}.poll()), (ints{1, 2, 3}));
    EXPECT_EQ((assert_ready(by_hand{streams::of(2, 1, 2).collect<std::set<int>>()}.poll())), (std::set<int>{1, 2}));
    EXPECT_EQ((assert_ready(by_hand{streams::of('a', 'b').collect<std::string>()}.poll())), "ab");
    EXPECT_EQ((assert_ready(by_hand{streams::of(std::string("ab"), std::string("c")).collect<std::string>()}.poll())),
              "abc");
    using numbers = std::map<int, char>;
    auto pairs = streams::of(1, 2).map([](int i) { return std::pair<const int, char>(i, 'x'); });
    EXPECT_EQ((assert_ready(by_hand{std::move(pairs).collect<numbers>()}.poll())), (numbers{{1, 'x'}, {2, 'x'}}));
}

TEST(StreamAdaptors, CollectOfExpectedStopsAtTheFirstError) {
    const std::vector<fallible> good{1, 2};
    const std::vector<fallible> bad{1, std::unexpected(broken), 2};
    const eddy::result<ints> both = assert_ready(by_hand{streams::iter(good).collect()}.poll());
    EXPECT_EQ(both, (ints{1, 2}));
    auto items = streams::iter(bad);
    EXPECT_EQ(assert_ready(by_hand{items.by_ref().collect()}.poll()).error(), broken);
    EXPECT_EQ(**assert_ready(by_hand{items.next()}.poll()), 2) << "no more was read";
    EXPECT_EQ((assert_ready(by_hand{streams::iter(bad).collect<std::vector<fallible>>()}.poll())), bad);
}

TEST(StreamAdaptors, CollectDoesNotBelieveEveryHint) {
    by_hand all{streams::repeat_with([] { return 1; }).take(std::size_t(1) << 60).collect()};
    assert_pending(all.poll());
}

TEST(StreamAdaptors, AllAndAnyEndWhenTheyKnow) {
    auto items = one_to(10);
    EXPECT_FALSE(assert_ready(by_hand{items.by_ref().all([](int i) { return i < 3; })}.poll()));
    EXPECT_EQ(assert_ready(by_hand{items.next()}.poll()), 4);
    EXPECT_TRUE(assert_ready(by_hand{items.by_ref().any([](int i) -> eddy::task<bool> { co_return i == 6; })}.poll()));
    EXPECT_EQ(assert_ready(by_hand{items.next()}.poll()), 7);
    EXPECT_TRUE(assert_ready(by_hand{items.by_ref().all([](int i) { return i > 7; })}.poll()));
    EXPECT_FALSE(assert_ready(by_hand{one_to(3).any([](int i) { return i > 3; })}.poll()));
    EXPECT_TRUE(assert_ready(by_hand{streams::empty<int>().all(is_even)}.poll()));
    EXPECT_FALSE(assert_ready(by_hand{streams::empty<int>().any(is_even)}.poll()));
    by_hand once{one_to(1).all(is_even)};
    static_cast<void>(once.poll());
    EXPECT_TRUE(support::text_of_misuse([&] { static_cast<void>(once.poll()); }).starts_with("all was awaited after"));
}

TEST(StreamAdaptors, CountCounts) { EXPECT_EQ(assert_ready(by_hand{one_to(5).filter(is_even).count()}.poll()), 2u); }

eddy::task<eddy::result<int>> sum_of(std::vector<fallible> items) {
    auto from = streams::iter(std::move(items));
    int sum = 0;
    while (auto value = co_await eddy::try_(from.try_next())) sum += *value;
    co_return sum;
}

TEST(StreamAdaptors, TryNextIsForLoopsThatEndAtAnError) {
    EXPECT_EQ(assert_ready(by_hand{sum_of({1, 2})}.poll()), 3);
    EXPECT_EQ(assert_ready(by_hand{sum_of({1, std::unexpected(broken), 2})}.poll()).error(), broken);
}

TEST(StreamAdaptors, AFutureThatReadsAStreamHoldsNothingAfterAnException) {
    source<int> from;
    const auto held = std::make_shared<int>();
    by_hand sum{items_of<int>(from).fold(
        held, [held](std::shared_ptr<int>, int) -> std::shared_ptr<int> { throw std::runtime_error("fold"); })};
    from.give(1);
    EXPECT_THROW(static_cast<void>(sum.poll()), std::runtime_error);
    EXPECT_FALSE(from.alive);
    EXPECT_EQ(held.use_count(), 1);
}

TEST(StreamAdaptors, ForEachMayAnswerWithATaskThatFails) {
    by_hand each{one_to(3).for_each([](int i) -> eddy::task<eddy::result<void>> {
        if (i == 2) co_return std::unexpected(broken);
        co_return eddy::ok();
    })};
    EXPECT_EQ(assert_ready(each.poll()).error(), broken);
}

// ---- Cancelled in an orderly way ----

TEST(StreamAdaptors, PollCancelReachesWhatRuns) {
    support::script inner;
    support::script body;
    inner.may_end = body.may_end = false;
    inner.now = plan::ready;
    const auto run = [](support::script& s) { return [&s](auto&&...) { return support::cancellable_scripted(s); }; };
    by_hand each{one_to(2).then(run(inner)).take(1).chain(streams::pending<fallible>()).for_each(run(body))};
    assert_pending(each.poll());
    assert_pending(each.poll_cancel());
    EXPECT_EQ(body.cancel_polls, 1);
    body.may_end = true;
    EXPECT_TRUE(each.poll_cancel().is_ready());
    EXPECT_FALSE(body.alive);

    inner.now = plan::pending;
    by_hand sum{one_to(2).then(run(inner)).enumerate().fold(0, [](int before, auto&&) { return before; })};
    assert_pending(sum.poll());
    assert_pending(sum.poll_cancel());
    EXPECT_EQ(inner.cancel_polls, 1);
    EXPECT_TRUE(inner.alive);
    inner.may_end = true;
    EXPECT_TRUE(sum.poll_cancel().is_ready());
    EXPECT_FALSE(inner.alive);
}

/// A stream of one item that can be cancelled.
auto one_of(support::script& s) { return streams::from_future(support::cancellable_scripted(s)); }

TEST(StreamAdaptors, PollCancelReachesBothOfTwoStreamsAtTheSameTime) {
    support::script first;
    support::script second;
    first.may_end = second.may_end = false;
    stream_by_hand both{one_of(first).merge(one_of(second))};
    assert_pending(both.poll());
    assert_pending(both.poll_cancel());
    EXPECT_TRUE(first.cancel_polls == 1 && second.cancel_polls == 1);
    first.may_end = true;
    assert_pending(both.poll_cancel());
    EXPECT_TRUE(!first.alive && second.alive);
    second.may_end = true;
    EXPECT_TRUE(both.poll_cancel().is_ready());
    EXPECT_FALSE(second.alive);
}

TEST(StreamAdaptors, PollCancelReachesTheStreamAfterWhatRunsForItsItem) {
    support::script from;
    support::script work;
    work.may_end = from.may_end = false;
    from.now = plan::ready;
    const auto run = [&](auto&&) { return support::cancellable_scripted(work); };
    stream_by_hand items{one_of(from).merge(streams::pending<fallible>()).then(run)};
    assert_pending(items.poll());
    work.may_end = true;
    EXPECT_TRUE(items.poll_cancel().is_ready());
    EXPECT_FALSE(work.alive);

    from.now = plan::pending;
    stream_by_hand waits{one_of(from).then(run)};
    assert_pending(waits.poll());
    assert_pending(waits.poll_cancel());
    EXPECT_TRUE(from.alive && from.cancel_polls == 1);
    from.may_end = true;
    EXPECT_TRUE(waits.poll_cancel().is_ready());
    EXPECT_FALSE(from.alive);
}

TEST(StreamAdaptors, AStreamThatWasCancelledIsGone) {
    source<int> from;
    support::script work;
    stream_by_hand items{items_of<int>(from).then([&](int) { return support::cancellable_scripted(work); })};
    from.give(1);
    assert_pending(items.poll());
    EXPECT_TRUE(items.poll_cancel().is_ready());
    EXPECT_FALSE(work.alive || from.alive);
    EXPECT_FALSE(assert_ready(items.poll()).has_value());
}

TEST(StreamAdaptors, WhatCannotBeCancelledIsNotCancellable) {
    static_assert(!eddy::cancellable_future<decltype(one_to(1).filter(is_even).count())>);
    static_assert(eddy::cancellable_stream<decltype(one_to(1).then([](int i) -> eddy::task<int> { co_return i; }))>);
    static_assert(!eddy::cancellable_stream<decltype(one_to(1).then([](int i) { return eddy::ready(i); }))>);
    SUCCEED();
}

// ---- The budget ----

/// Polls until `future` is ready or ten polls have gone; each must end, and wake.
template <class F>
int polls_until_ready(F future) {
    by_hand work{std::move(future)};
    for (int polls = 1; polls <= 20; ++polls) {
        if (work.poll().is_ready()) return polls;
        EXPECT_TRUE(work.is_woken());
    }
    return 0;
}

TEST(StreamAdaptors, ALoopOverASourceThatKnowsNoBudgetEndsItsPolls) {
    int given = 0;
    const auto items = [&] {
        given = 0;
        return ever_ready(given);
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

TEST(StreamAdaptors, AnItemCostsOneUnitThroughAllAdaptors) {
    EXPECT_EQ(polls_until_ready(one_to(1000).map([](int i) { return i; }).filter([](int) { return true; }).count()), 8);
    EXPECT_EQ(polls_until_ready(one_to(1000).filter([](int) { return false; }).count()), 8);
}

TEST(StreamAdaptors, ALoopOverNextEndsItsTurnToo) {
    int given = 0;
    const auto loop = [](ever_ready items) -> eddy::task<int> {
        int sum = 0;
        for (int i = 0; i < 1000; ++i) {
            const auto next = co_await items.next();
            sum += *next;
        }
        co_return sum;
    };
    EXPECT_EQ(polls_until_ready(loop(ever_ready(given))), 8);
    EXPECT_EQ(given, 1000);
}

TEST(StreamAdaptors, NextIsPendingWithoutBudgetAndLosesNothing) {
    int given = 0;
    auto items = ever_ready(given);
    by_hand next{items.next()};
    assert_pending(next.poll(0));
    EXPECT_TRUE(next.is_woken());
    EXPECT_EQ(given, 0);
    EXPECT_EQ(assert_ready(next.poll(1)), 1);
}

// ---- Against a model ----

/// A stream of `items` that is pending at random.
class hesitant : public eddy::stream_ops<hesitant> {
public:
    using item_type = int;
    hesitant(ints items, std::uint64_t seed) : items_(std::move(items)), random_(seed) {}
    eddy::poll_result<std::optional<int>> poll_next(eddy::context& cx) {
        EXPECT_FALSE(has_ended_) << "what has ended is not asked again";
        if (random_() % 3 == 0) {
            cx.waker().wake_by_ref();
            return eddy::not_ready;
        }
        if (next_ == items_.size()) {
            has_ended_ = true;
            return std::nullopt;
        }
        return std::optional(items_[next_++]);
    }
    [[nodiscard]] size_bounds size_hint() const noexcept { return {items_.size() - next_, items_.size() - next_}; }

private:
    ints items_;
    std::minstd_rand random_;
    std::size_t next_ = 0;
    bool has_ended_ = false;
};

/// All items, with the hints checked on the way. Now and then nobody waits any more.
template <class S>
std::vector<typename S::item_type> read_all(S stream) {
    std::vector<typename S::item_type> all;
    std::vector<std::pair<std::size_t, size_bounds>> hints;
    for (;;) {
        if constexpr (requires { stream.size_hint(); }) hints.emplace_back(all.size(), stream.size_hint());
        by_hand next{stream.next()};
        auto answer = next.poll();
        if (!answer) {
            EXPECT_TRUE(next.is_woken());
            continue;
        }
        if (!answer->has_value()) break;
        all.push_back(**answer);
    }
    for (const auto& [before, hint] : hints) {
        EXPECT_LE(hint.at_least, all.size() - before);
        EXPECT_GE(hint.at_most.value_or(all.size()), all.size() - before);
    }
    return all;
}

TEST(StreamAdaptorsStress, EachGivesWhatTheSameOnAVectorGives) {
    std::mt19937_64 random(support::seed());
    for (std::uint64_t round = support::rounds(20'000); round > 0; --round) {
        ints items(random() % 12);
        for (int& item : items) item = static_cast<int>(random() % 10);
        ints others(random() % 12);
        for (int& item : others) item = static_cast<int>(random() % 10);
        const std::size_t n = random() % 12;
        const int bound = static_cast<int>(random() % 10);
        const auto from = [&] { return hesitant(items, random()); };
        const auto small = [bound](const int& i) { return i < bound; };
        const auto small_later = [bound](const int& i) -> eddy::task<bool> {
            const bool answer = i < bound;
            co_await eddy::yield_now();
            co_return answer;
        };
        const auto split = std::ranges::find_if_not(items, small);

        ints model;
        std::ranges::copy_if(items, std::back_inserter(model), small);
        EXPECT_EQ(read_all(from().filter(small)), model);
        EXPECT_EQ(read_all(from().filter(small_later)), model);
        EXPECT_EQ(read_all(from().filter_map([&](int i) { return small(i) ? std::optional(i) : std::nullopt; })),
                  model);
        EXPECT_EQ(read_all(from().filter_map([&](int i) -> eddy::task<std::optional<int>> {
                      co_await eddy::yield_now();
                      if (i < bound) co_return i;
                      co_return std::nullopt;
                  })),
                  model);
        const auto while_small = [&](int i) { return small(i) ? std::optional(i) : std::nullopt; };
        EXPECT_EQ(read_all(from().map_while(while_small)), ints(items.begin(), split));
        EXPECT_EQ(read_all(from().scan(0, [&](int&, int i) { return while_small(i); })), ints(items.begin(), split));
        EXPECT_EQ(read_all(from().take_while(small)), ints(items.begin(), split));
        EXPECT_EQ(read_all(from().take_while(small_later)), ints(items.begin(), split));
        EXPECT_EQ(read_all(from().skip_while(small)), ints(split, items.end()));
        EXPECT_EQ(read_all(from().skip_while(small_later)), ints(split, items.end()));
        const auto cut = items.begin() + static_cast<std::ptrdiff_t>(std::min(n, items.size()));
        EXPECT_EQ(read_all(from().take(n)), ints(items.begin(), cut));
        EXPECT_EQ(read_all(from().skip(n)), ints(cut, items.end()));
        EXPECT_EQ(read_all(from().peekable()), items);
        EXPECT_EQ(read_all(from().then([](int i) -> eddy::task<int> {
                      co_await eddy::yield_now();
                      co_return i;
                  })),
                  items);
        model = items;
        model.insert(model.end(), others.begin(), others.end());
        EXPECT_EQ(read_all(from().chain(hesitant(others, random()))), model);
        ints merged = read_all(from().merge(hesitant(others, random())));
        std::ranges::sort(merged);
        std::ranges::sort(model);
        EXPECT_EQ(merged, model);
        model.clear();
        for (std::size_t i = 0; i < std::min(items.size(), others.size()); ++i)
            model.push_back(items[i] * 10 + others[i]);
        EXPECT_EQ(read_all(from().zip(hesitant(others, random())).map([](int a, int b) { return a * 10 + b; })), model);
        model.clear();
        for (std::size_t i = 0; i < items.size(); i += n + 1) {
            const auto end = std::min(items.size(), i + n + 1);
            model.push_back(std::accumulate(items.begin() + static_cast<std::ptrdiff_t>(i),
                                            items.begin() + static_cast<std::ptrdiff_t>(end), 0));
        }
        EXPECT_EQ(
            read_all(from().chunks(n + 1).map([](const ints& c) { return std::accumulate(c.begin(), c.end(), 0); })),
            model);
        model.clear();
        for (const ints& chunk : read_all(from().ready_chunks(n + 1))) {
            EXPECT_TRUE(!chunk.empty() && chunk.size() <= n + 1);
            model.insert(model.end(), chunk.begin(), chunk.end());
        }
        EXPECT_EQ(model, items);
        if (HasFailure()) return;
    }
}

}  // namespace
