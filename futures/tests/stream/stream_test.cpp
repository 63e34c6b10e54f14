// SPDX-License-Identifier: MIT
// covers: P093
#include <eddy/future/ready.hpp>
#include <eddy/future/select.hpp>
#include <eddy/prelude.hpp>
#include <eddy/stream.hpp>
#include <eddy/sync/recv_error.hpp>
#include <eddy/test/by_hand.hpp>

#include <gtest/gtest.h>

#include <cstddef>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include "support/items.hpp"
#include "support/polling.hpp"
#include "support/scripted.hpp"

namespace {

namespace streams = eddy::streams;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::items_of;
using support::one_to;
using support::plan;
using support::source;
using support::stream_by_hand;

using ints = std::vector<int>;
using fallible = eddy::result<int>;
const std::error_code broken = std::make_error_code(std::errc::io_error);

constexpr auto is_even = [](const int& i) { return i % 2 == 0; };

TEST(Stream, NextYieldsItemsThenNullopt) {
    source<int> from;
    items_of<int> items(from);
    {
        by_hand next{items.next()};
        assert_pending(next.poll());
        from.give(1);
        EXPECT_TRUE(next.is_woken());
        EXPECT_EQ(assert_ready(next.poll()), 1);
    }
    from.give(2);
    from.end();
    EXPECT_EQ(assert_ready(by_hand{items.next()}.poll()), 2);
    EXPECT_EQ(assert_ready(by_hand{items.next()}.poll()), std::nullopt);
    EXPECT_EQ(assert_ready(by_hand{items.next()}.poll()), std::nullopt);
}

TEST(Stream, ForEachCallsItsFunctionForEachItem) {
    source<int> from;
    std::string seen;
    by_hand each{items_of<int>(from).for_each([&](int item) { seen += std::to_string(item); })};
    assert_pending(each.poll());
    EXPECT_EQ(seen, "");
    from.give(1);
    from.give(2);
    assert_pending(each.poll());
    EXPECT_EQ(seen, "12");
    from.give(3);
    from.end();
    EXPECT_TRUE(assert_ready(each.poll()));
    EXPECT_EQ(seen, "123");
    EXPECT_FALSE(from.alive) << "for_each destroys its stream when it ends";
    EXPECT_THROW(static_cast<void>(each.poll()), eddy::misuse);
}

TEST(Stream, ForEachIsLazyAndDropsItsStream) {
    source<int> from;
    const auto counted = std::make_shared<int>();
    {
        by_hand each{items_of<int>(from).for_each([counted](int) {})};
        EXPECT_EQ(from.polls, 0);
        EXPECT_TRUE(from.alive);
        EXPECT_EQ(counted.use_count(), 2);
        assert_pending(each.poll());
        each.drop();
        EXPECT_FALSE(from.alive);
        EXPECT_EQ(counted.use_count(), 1);
    }
}

// covers: S65
TEST(Stream, ForEachUnwrapsItemsAndStopsAtFirstError) {
    source<fallible> from;
    int sum = 0;
    by_hand each{items_of<fallible>(from).for_each([&](int item) { sum += item; })};
    from.give(1);
    from.give(std::unexpected(broken));
    from.give(10);
    const auto ended = assert_ready(each.poll());
    EXPECT_EQ(ended.error(), broken);
    EXPECT_EQ(sum, 1);
    EXPECT_EQ(from.items.size(), 1u);
}

// covers: S65
TEST(Stream, ForEachStopsWhenItsFunctionReturnsAnError) {
    source<int> from;
    by_hand each{items_of<int>(from).for_each([&](int item) -> eddy::result<void> {
        if (item == 2) return std::unexpected(broken);
        return eddy::ok();
    })};
    from.give(1);
    assert_pending(each.poll());
    from.give(2);
    from.give(3);
    EXPECT_EQ(assert_ready(each.poll()).error(), broken);
    EXPECT_EQ(from.items.size(), 1u);
}

// covers: S65
TEST(Stream, ForEachPollsTheNextItemAfterTheBodyEnds) {
    source<int> from;
    support::script body;
    std::string order;
    by_hand each{items_of<int>(from).for_each([&](int item) {
        order += std::to_string(item);
        return support::scripted(body);
    })};
    from.give(1);
    from.give(2);
    assert_pending(each.poll());
    EXPECT_EQ(order, "1");
    EXPECT_EQ(from.polls, 1);
    assert_pending(each.poll());
    EXPECT_EQ(from.polls, 1) << "the body still runs";
    body.change(plan::ready);
    EXPECT_TRUE(each.is_woken());
    from.end();
    EXPECT_TRUE(assert_ready(each.poll()));
    EXPECT_EQ(order, "12");
    EXPECT_FALSE(body.alive);
}

// covers: S65
TEST(Stream, ForEachStopsWhenItsBodyFails) {
    source<int> from;
    support::script body;
    body.now = plan::fails;
    by_hand each{items_of<int>(from).for_each([&](int) { return support::scripted(body); })};
    from.give(1);
    from.give(2);
    EXPECT_EQ(assert_ready(each.poll()).error(), std::errc::io_error);
    EXPECT_FALSE(body.alive);
    EXPECT_FALSE(from.alive);
}

TEST(Stream, ForEachPropagatesExceptionOfFunctionOrItsFuture) {
    source<int> from;
    support::script body;
    body.now = plan::throws;
    by_hand each{items_of<int>(from).for_each([&](int) { return support::scripted(body); })};
    from.give(1);
    EXPECT_THROW(static_cast<void>(each.poll()), std::runtime_error);
    each.drop();
    EXPECT_FALSE(body.alive);
    EXPECT_FALSE(from.alive);

    source<int> other;
    by_hand thrower{items_of<int>(other).for_each([](int) { throw std::logic_error("no"); })};
    other.give(1);
    EXPECT_THROW(static_cast<void>(thrower.poll()), std::logic_error);
}

TEST(Stream, ForEachKeepsTheClosureOfACoroutineBody) {
    source<int> from;
    std::string seen;
    const auto counted = std::make_shared<std::string>("item ");
    by_hand each{items_of<int>(from).for_each([&seen, counted](int item) -> eddy::task<void> {
        co_await eddy::yield_now();
        seen += *counted + std::to_string(item) + " ";  // the closure must still exist
    })};
    from.give(1);
    from.give(2);
    from.end();
    for (int i = 0; i < 10; ++i) {
        if (each.poll().is_ready()) break;
    }
    EXPECT_EQ(seen, "item 1 item 2 ");
    EXPECT_EQ(counted.use_count(), 1);
}

/// An item whose parts (into_parts()) are passed to a function as separate arguments.
struct pair_item {
    std::unique_ptr<int> first;
    std::string second;
    pair_item(int a, std::string b) : first(std::make_unique<int>(a)), second(std::move(b)) {}
    std::tuple<std::unique_ptr<int>, std::string> into_parts() && { return {std::move(first), std::move(second)}; }
};

TEST(Stream, ForEachUnpacksAnItemWithParts) {
    source<pair_item> from;
    std::string seen;
    by_hand each{items_of<pair_item>(from).for_each(
        [&](std::unique_ptr<int> first, const std::string& second) { seen += std::to_string(*first) + second; })};
    from.give({1, "a"});
    from.end();
    EXPECT_TRUE(assert_ready(each.poll()));
    EXPECT_EQ(seen, "1a");

    source<eddy::result<pair_item>> wrapped;
    by_hand whole{items_of<eddy::result<pair_item>>(wrapped).for_each([&](pair_item item) { seen += item.second; })};
    wrapped.give(pair_item(2, "b"));
    wrapped.end();
    EXPECT_TRUE(assert_ready(whole.poll()));
    EXPECT_EQ(seen, "1ab");
}

struct own_error {
    int code;
};

TEST(Stream, ForEachKeepsACustomErrorType) {
    source<std::expected<int, own_error>> from;
    by_hand each{items_of<std::expected<int, own_error>>(from).for_each([](int) {})};
    from.give(std::unexpected(own_error{42}));
    EXPECT_EQ(assert_ready(each.poll()).error().code, 42);
}

/// Builds an adaptor from local objects and returns it. The adaptor owns its arguments.
auto built_elsewhere(source<int>& from, std::string& seen) {
    const std::string prefix = "a longer prefix that does not fit into the string itself ";
    return items_of<int>(from).for_each([prefix, &seen](int item) { seen = prefix + std::to_string(item); });
}

// covers: R129
TEST(Stream, AdaptorOwnsItsArguments) {
    source<int> from;
    std::string seen;
    by_hand each{built_elsewhere(from, seen)};
    from.give(7);
    from.end();
    EXPECT_TRUE(assert_ready(each.poll()));
    EXPECT_TRUE(seen.ends_with(" 7"));
}

eddy::task<eddy::result<int>> sum_by_next(source<fallible>& from) {
    items_of<fallible> items(from);
    int sum = 0;
    while (auto item = co_await items.next()) sum += co_await eddy::try_(std::move(*item));
    co_return sum;
}

// covers: S64
TEST(Stream, LoopOverNextCanContinueAfterAnError) {
    source<fallible> from;
    from.give(1);
    from.give(std::unexpected(broken));
    from.give(2);
    from.end();
    by_hand first{sum_by_next(from)};
    EXPECT_EQ(assert_ready(first.poll()).error(), broken);
    by_hand rest{sum_by_next(from)};
    EXPECT_EQ(assert_ready(rest.poll()).value(), 2);
}

/// Yields 1, and then waits for `work`. `cleanup` runs after `work`, also if the stream is cancelled.
eddy::async_generator<int> one_and_then(support::script& work, support::script& cleanup) {
    co_yield 1;
    const auto clean_up = [&cleanup] { return support::scripted(cleanup); };
    static_cast<void>(co_await eddy::finally(support::scripted(work), clean_up));
    co_yield 2;
}

TEST(Stream, CancelRunsTheCleanupOfTheStream) {
    support::script work;
    support::script cleanup;
    auto items = one_and_then(work, cleanup);
    EXPECT_EQ(assert_ready(by_hand{items.next()}.poll()), 1);
    assert_pending(by_hand{items.next()}.poll());
    EXPECT_TRUE(work.alive);

    by_hand end{items.cancel()};
    assert_pending(end.poll());
    EXPECT_FALSE(work.alive);
    EXPECT_TRUE(cleanup.alive);
    cleanup.change(plan::ready);
    EXPECT_TRUE(end.is_woken());
    assert_ready(end.poll());
    EXPECT_FALSE(cleanup.alive);
}

TEST(Stream, CancelContinuesWhenItsTaskIsCancelled) {
    support::script work;
    support::script cleanup;
    auto items = one_and_then(work, cleanup);
    EXPECT_EQ(assert_ready(by_hand{items.next()}.poll()), 1);
    assert_pending(by_hand{items.next()}.poll());
    by_hand end{items.cancel()};
    assert_pending(end.poll());
    assert_pending(end.poll_cancel());
    cleanup.change(plan::ready);
    EXPECT_TRUE(end.poll_cancel().is_ready());
    EXPECT_FALSE(cleanup.alive);
}

TEST(Stream, CancelWithoutPollCancelIsReadyImmediately) {
    source<int> from;
    items_of<int> items(from);
    assert_ready(by_hand{items.cancel()}.poll());
    EXPECT_EQ(from.polls, 0);
}

TEST(Stream, CancelInFinallyRunsWhenTheLoopIsCancelled) {
    support::script work;
    support::script cleanup;
    int seen = 0;
    const auto read = [&seen](auto& items) -> eddy::task<> {
        while (auto item = co_await items.next()) seen += *item;
    };
    const auto loop = [&]() -> eddy::task<> {
        auto items = one_and_then(work, cleanup);
        const auto end = [&items] { return items.cancel(); };
        co_await eddy::finally(read(items), end);
    };
    by_hand all{loop()};
    assert_pending(all.poll());
    EXPECT_EQ(seen, 1);
    assert_pending(all.poll_cancel());
    EXPECT_FALSE(work.alive);
    EXPECT_TRUE(cleanup.alive) << "the cleanup is not cut off";
    cleanup.change(plan::ready);
    EXPECT_TRUE(all.poll_cancel().is_ready());
    EXPECT_FALSE(cleanup.alive);
}

// ---- Futures that read a stream to its end ----

// covers: P095
TEST(Stream, FoldAccumulatesOneValue) {
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

TEST(Stream, FoldAwaitsAnAsyncFunction) {
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

// covers: P095
TEST(Stream, TryFoldUnwrapsItemsAndStopsAtFirstError) {
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

// covers: P095
TEST(Stream, TryFoldStopsWhenItsFunctionFails) {
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

TEST(Stream, TryFoldAwaitsItsFunctionAndConvertsErrors) {
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

TEST(Stream, TryFoldAcceptsMoveOnlyState) {
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

TEST(Stream, TryFoldForwardsPollCancel) {
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

// covers: P095
TEST(Stream, CollectFillsAnyContainer) {
    EXPECT_EQ(assert_ready(by_hand{one_to(3).collect()}.poll()), (ints{1, 2, 3}));
    EXPECT_EQ((assert_ready(by_hand{streams::of(2, 1, 2).collect<std::set<int>>()}.poll())), (std::set<int>{1, 2}));
    EXPECT_EQ((assert_ready(by_hand{streams::of('a', 'b').collect<std::string>()}.poll())), "ab");
    EXPECT_EQ((assert_ready(by_hand{streams::of(std::string("ab"), std::string("c")).collect<std::string>()}.poll())),
              "abc");
    using numbers = std::map<int, char>;
    auto pairs = streams::of(1, 2).map([](int i) { return std::pair<const int, char>(i, 'x'); });
    EXPECT_EQ((assert_ready(by_hand{std::move(pairs).collect<numbers>()}.poll())), (numbers{{1, 'x'}, {2, 'x'}}));
}

// covers: P095
TEST(Stream, CollectOfExpectedStopsAtFirstError) {
    const std::vector<fallible> good{1, 2};
    const std::vector<fallible> bad{1, std::unexpected(broken), 2};
    const eddy::result<ints> both = assert_ready(by_hand{streams::iter(good).collect()}.poll());
    EXPECT_EQ(both, (ints{1, 2}));
    auto items = streams::iter(bad);
    EXPECT_EQ(assert_ready(by_hand{items.by_ref().collect()}.poll()).error(), broken);
    EXPECT_EQ(**assert_ready(by_hand{items.next()}.poll()), 2) << "nothing was read after the error";
    EXPECT_EQ((assert_ready(by_hand{streams::iter(bad).collect<std::vector<fallible>>()}.poll())), bad);
}

TEST(Stream, CollectDoesNotReserveAHugeSizeHint) {
    by_hand all{streams::repeat_with([] { return 1; }).take(std::size_t(1) << 60).collect()};
    assert_pending(all.poll());
}

// covers: P095
TEST(Stream, AllAndAnyStopOnceTheAnswerIsKnown) {
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

TEST(Stream, CountReturnsTheNumberOfItems) {
    EXPECT_EQ(assert_ready(by_hand{one_to(5).filter(is_even).count()}.poll()), 2u);
}

eddy::task<eddy::result<int>> sum_of(std::vector<fallible> items) {
    auto from = streams::iter(std::move(items));
    int sum = 0;
    while (auto value = co_await eddy::try_(from.try_next())) sum += *value;
    co_return sum;
}

// covers: S91
TEST(Stream, LoopOverTryNextStopsAtFirstError) {
    EXPECT_EQ(assert_ready(by_hand{sum_of({1, 2})}.poll()), 3);
    EXPECT_EQ(assert_ready(by_hand{sum_of({1, std::unexpected(broken), 2})}.poll()).error(), broken);
}

TEST(Stream, ThrowingFoldReleasesStreamAndFunction) {
    source<int> from;
    const auto held = std::make_shared<int>();
    by_hand sum{items_of<int>(from).fold(
        held, [held](std::shared_ptr<int>, int) -> std::shared_ptr<int> { throw std::runtime_error("fold"); })};
    from.give(1);
    EXPECT_THROW(static_cast<void>(sum.poll()), std::runtime_error);
    EXPECT_FALSE(from.alive);
    EXPECT_EQ(held.use_count(), 1);
}

TEST(Stream, ForEachStopsWhenItsTaskFails) {
    by_hand each{one_to(3).for_each([](int i) -> eddy::task<eddy::result<void>> {
        if (i == 2) co_return std::unexpected(broken);
        co_return eddy::ok();
    })};
    EXPECT_EQ(assert_ready(each.poll()).error(), broken);
}

// ---- Cancellation ----

TEST(Stream, PollCancelReachesTheRunningFuture) {
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

TEST(Stream, PollCancelReachesBothMergedStreamsConcurrently) {
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

TEST(Stream, PollCancelReachesTheItemFutureThenTheStream) {
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

TEST(Stream, CancelledStreamIsDestroyed) {
    source<int> from;
    support::script work;
    stream_by_hand items{items_of<int>(from).then([&](int) { return support::cancellable_scripted(work); })};
    from.give(1);
    assert_pending(items.poll());
    EXPECT_TRUE(items.poll_cancel().is_ready());
    EXPECT_FALSE(work.alive || from.alive);
    EXPECT_FALSE(assert_ready(items.poll()).has_value());
}

TEST(Stream, CancellableConceptsFollowTheInnerFuture) {
    EXPECT_FALSE(eddy::cancellable_future<decltype(one_to(1).filter(is_even).count())>);
    EXPECT_TRUE(eddy::cancellable_stream<decltype(one_to(1).then([](int i) -> eddy::task<int> { co_return i; }))>);
    EXPECT_FALSE(eddy::cancellable_stream<decltype(one_to(1).then([](int i) { return eddy::ready(i); }))>);
}

// ---- for_each ----

TEST(Stream, ForEachThatThrewHoldsNothing) {
    struct items : eddy::stream_ops<items> {
        using item_type = int;
        std::shared_ptr<int> held;
        explicit items(std::shared_ptr<int> h) : held(std::move(h)) {}
        eddy::poll_result<std::optional<int>> poll_next(eddy::context&) { return std::optional<int>(1); }
    };
    auto held = std::make_shared<int>(0);
    by_hand each(items(held).for_each([](int) { throw std::runtime_error("body"); }));
    EXPECT_THROW(static_cast<void>(each.poll()), std::runtime_error);
    EXPECT_EQ(held.use_count(), 1);
    EXPECT_THROW(static_cast<void>(each.poll()), eddy::misuse) << "polled after it had ended";
}

TEST(Stream, ForEachForwardsPollCancelToItsBody) {
    struct items : eddy::stream_ops<items> {
        using item_type = int;
        items() {}
        eddy::poll_result<std::optional<int>> poll_next(eddy::context&) { return std::optional<int>(1); }
    };
    support::script s;
    auto each = items().for_each([&](int) { return support::cancellable_scripted(s); });
    static_cast<void>(eddy::wait(eddy::select_biased(std::move(each), eddy::ready())));
    EXPECT_EQ(s.cancel_polls, 1);
}

}  // namespace
