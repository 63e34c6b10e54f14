// SPDX-License-Identifier: MIT
// covers: P093
#include <eddy/future/poll_fn.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/stream.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>

#include <gtest/gtest.h>

#include <array>
#include <list>
#include <memory>
#include <optional>
#include <ranges>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/items.hpp"
#include "support/scripted.hpp"

namespace {

namespace streams = eddy::streams;
using eddy::size_bounds;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using support::plan;
using support::stream_by_hand;

using ints = std::vector<int>;

TEST(StreamSources, IterYieldsTheElementsOfARange) {
    stream_by_hand items{streams::iter(ints{1, 2, 3})};
    EXPECT_EQ(items.stream().size_hint(), size_bounds(3, 3));
    EXPECT_EQ(assert_ready(items.poll()), 1);
    EXPECT_EQ(items.stream().size_hint(), size_bounds(2, 2));
    EXPECT_EQ(items.take_ready(), (ints{2, 3}));
    EXPECT_EQ(assert_ready(items.poll()), std::nullopt) << "the stream stays ended";
    EXPECT_EQ(items.stream().size_hint(), size_bounds(0, 0));
}

TEST(StreamSources, IterMovesTheElementsOfAnOwnedRange) {
    std::vector<std::unique_ptr<int>> pointers;
    pointers.push_back(std::make_unique<int>(7));
    stream_by_hand items{streams::iter(std::move(pointers))};
    EXPECT_EQ(**assert_ready(items.poll()), 7);
}

TEST(StreamSources, IterDoesNotModifyAnLvalueOrReferencedRange) {
    const std::vector<std::string> names{"a long name that does not fit into the string itself", "b"};
    stream_by_hand copied{streams::iter(names)};
    EXPECT_EQ(copied.take_ready(), names);
    std::vector<std::string> borrowed = names;
    stream_by_hand items{streams::iter(std::ref(borrowed))};
    EXPECT_EQ(items.take_ready(), names);
    EXPECT_EQ(borrowed, names);
}

TEST(StreamSources, IterAcceptsAnyInputRange) {
    EXPECT_EQ((stream_by_hand{streams::iter(std::list<int>{1, 2})}.take_ready()), (ints{1, 2}));
    EXPECT_EQ((stream_by_hand{streams::iter(std::set<int>{2, 1})}.take_ready()), (ints{1, 2}));
    EXPECT_EQ((stream_by_hand{streams::iter(std::array<int, 2>{1, 2})}.take_ready()), (ints{1, 2}));
    EXPECT_EQ((stream_by_hand{streams::iter(std::views::iota(0, 3))}.take_ready()), (ints{0, 1, 2}));
    const auto even = std::views::iota(0, 5) | std::views::filter([](int i) { return i % 2 == 0; });
    EXPECT_EQ((stream_by_hand{streams::iter(even)}.take_ready()), (ints{0, 2, 4}));
    std::istringstream text("3 4");
    EXPECT_EQ((stream_by_hand{streams::iter(std::views::istream<int>(text))}.take_ready()), (ints{3, 4}));
    EXPECT_EQ((stream_by_hand{streams::of(1, 2)}.take_ready()), (ints{1, 2}));
}

TEST(StreamSources, IterCanBeMovedBetweenItems) {
    eddy::test::wake_counter counter;
    const eddy::waker waker = counter.waker();
    eddy::context cx(waker);
    auto of_array = streams::of(std::string("x"), std::string("y"));
    auto of_list = streams::iter(std::list<std::string>{"x"});
    EXPECT_EQ(*assert_ready(of_array.poll_next(cx)), "x");
    EXPECT_EQ(*assert_ready(of_list.poll_next(cx)), "x");
    auto moved_array = std::move(of_array);
    auto moved_list = std::move(of_list);
    EXPECT_EQ(*assert_ready(moved_array.poll_next(cx)), "y");
    EXPECT_EQ(assert_ready(moved_list.poll_next(cx)), std::nullopt);
}

TEST(StreamSources, EachItemCostsOneBudgetUnit) {
    stream_by_hand items{streams::iter(std::views::iota(0, 1000))};
    assert_pending(items.poll(0));
    EXPECT_TRUE(items.is_woken());
    EXPECT_EQ(assert_ready(items.poll(1)), 0);
    stream_by_hand repeated{streams::repeat_with([] { return 1; })};
    assert_pending(repeated.poll(0));
    EXPECT_TRUE(repeated.is_woken());
    stream_by_hand one{streams::once(1)};
    assert_pending(one.poll(0));
    EXPECT_EQ(assert_ready(one.poll()), 1);
}

TEST(StreamSources, OnceYieldsOneItemAndEmptyAndPendingYieldNone) {
    stream_by_hand one{streams::once(std::make_unique<int>(5))};
    EXPECT_EQ(one.stream().size_hint(), size_bounds(1, 1));
    EXPECT_EQ(**assert_ready(one.poll()), 5);
    EXPECT_FALSE(assert_ready(one.poll()).has_value());
    EXPECT_EQ(one.stream().size_hint(), size_bounds(0, 0));
    EXPECT_EQ(assert_ready(stream_by_hand{streams::empty<int>()}.poll()), std::nullopt);
    stream_by_hand never{streams::pending<int>()};
    assert_pending(never.poll());
    EXPECT_FALSE(never.is_woken());
}

TEST(StreamSources, RepeatWithNeverEnds) {
    int count = 0;
    stream_by_hand items{streams::repeat_with([&] { return ++count; })};
    EXPECT_EQ(assert_ready(items.poll()), 1);
    EXPECT_EQ(assert_ready(items.poll()), 2);
    EXPECT_EQ(items.stream().size_hint().at_most, std::nullopt);
    EXPECT_EQ((stream_by_hand{streams::repeat_with([] { return 1; }).take(2)}.take_ready()), (ints{1, 1}));
}

TEST(StreamSources, UnfoldYieldsItemsFromItsState) {
    stream_by_hand powers{streams::unfold(1, [](int& state) -> std::optional<int> {
        if (state > 8) return std::nullopt;
        return std::exchange(state, state * 2);
    })};
    EXPECT_EQ(powers.take_ready(), (ints{1, 2, 4, 8}));
    EXPECT_EQ(assert_ready(powers.poll()), std::nullopt);
}

TEST(StreamSources, UnfoldAwaitsTheFuturesOfItsFunction) {
    support::script step;
    stream_by_hand items{streams::unfold(std::string("state"), [&](std::string& state) {
        return [](support::script& wait, std::string& s) -> eddy::task<std::optional<std::string>> {
            auto made = co_await support::scripted(wait);
            s += '.';
            if (!made) co_return std::nullopt;
            co_return s;  // the state has not moved
        }(step, state);
    })};
    assert_pending(items.poll());
    step.change(plan::ready);
    EXPECT_TRUE(items.is_woken());
    EXPECT_EQ(*assert_ready(items.poll()), "state.");
    EXPECT_EQ(*assert_ready(items.poll()), "state..");
    step.now = plan::fails;
    EXPECT_FALSE(assert_ready(items.poll()).has_value());
    EXPECT_FALSE(assert_ready(items.poll()).has_value());
    EXPECT_FALSE(step.alive);
}

TEST(StreamSources, UnfoldContinuesAfterAnException) {
    stream_by_hand items{streams::unfold(0, [](int& state) -> std::optional<int> {
        if (++state == 2) throw std::runtime_error("two");
        return state;
    })};
    EXPECT_EQ(assert_ready(items.poll()), 1);
    EXPECT_THROW(static_cast<void>(items.poll()), std::runtime_error);
    EXPECT_EQ(assert_ready(items.poll()), 3);
}

TEST(StreamSources, FromFutureYieldsItsOutputOnce) {
    support::script work;
    stream_by_hand items{streams::from_future(support::scripted(work))};
    assert_pending(items.poll());
    work.value = 4;
    work.change(plan::ready);
    EXPECT_TRUE(items.is_woken());
    EXPECT_EQ(**assert_ready(items.poll()), 4);
    EXPECT_FALSE(work.alive) << "the future is destroyed after it has returned its output";
    EXPECT_FALSE(assert_ready(items.poll()).has_value());
}

TEST(StreamSources, FromFutureForwardsPollCancel) {
    support::script work;
    work.may_end = false;
    stream_by_hand items{streams::from_future(support::cancellable_scripted(work)).map([](auto&&) { return 1; })};
    assert_pending(items.poll());
    EXPECT_FALSE(items.poll_cancel().is_ready());
    work.may_end = true;
    EXPECT_TRUE(items.poll_cancel().is_ready());
    EXPECT_FALSE(work.alive);
    EXPECT_EQ(assert_ready(items.poll()), std::nullopt);
}

TEST(StreamSources, PollFnCallsItsFunction) {
    int asked = 0;
    stream_by_hand items{streams::poll_fn([&](eddy::context&) -> eddy::poll_result<std::optional<int>> {
        if (++asked == 1) return eddy::not_ready;
        return std::optional(asked);
    })};
    assert_pending(items.poll());
    EXPECT_EQ(assert_ready(items.poll()), 2);
}

TEST(StreamSources, UnfoldDoesNotCallItsFunctionAfterTheEnd) {
    int calls = 0;
    stream_by_hand items{streams::unfold(0, [&](int&) -> std::optional<int> {
        if (++calls == 2) return std::nullopt;
        return calls;
    })};
    EXPECT_EQ(items.take_ready(), ints{1});
    EXPECT_FALSE(assert_ready(items.poll()).has_value());
    EXPECT_EQ(calls, 2);
}

TEST(StreamSources, UnfoldCallsItsFunctionOnlyWithBudget) {
    int calls = 0;
    auto items = streams::unfold(0, [&](int&) { return std::optional(++calls); });
    eddy::test::wake_counter counter;
    const eddy::waker waker = counter.waker();
    eddy::context none(waker, 0);
    assert_pending(items.poll_next(none));
    EXPECT_EQ(calls, 0);
    EXPECT_EQ(counter.wakes(), 1u);
    eddy::context two(waker, 2);
    EXPECT_EQ(assert_ready(items.poll_next(two)), 1);
    EXPECT_EQ(two.budget(), 1u);
}

TEST(StreamSources, EndCostsNoBudget) {
    stream_by_hand items{streams::iter(ints{1})};
    EXPECT_EQ(assert_ready(items.poll(1)), 1);
    EXPECT_FALSE(assert_ready(items.poll(0)).has_value());
}

// ---- Sources that throw ----

eddy::task<int> throws_at_once() {
    throw std::runtime_error("on purpose");
    co_return 0;
}

TEST(StreamSources, FromFutureEndsAfterItsFutureThrows) {
    stream_by_hand items(streams::from_future(throws_at_once()));
    EXPECT_THROW(static_cast<void>(items.poll()), std::runtime_error);
    EXPECT_EQ(items.stream().size_hint(), eddy::size_bounds(0, 0)) << "the only item is lost";
    EXPECT_NO_THROW(EXPECT_FALSE(assert_ready(items.poll()).has_value())) << "there is no other item";
}

TEST(StreamSources, IterSkipsAnElementThatThrows) {
    const auto number = [](int i) {
        if (i == 1) throw std::runtime_error("on purpose");
        return i;
    };
    stream_by_hand items(streams::iter(std::views::iota(0, 3) | std::views::transform(number)));
    ints got;
    int thrown = 0;
    for (int i = 0; i < 10; ++i) {
        try {
            auto next = assert_ready(items.poll());
            if (!next) break;
            got.push_back(*next);
        } catch (const std::runtime_error&) {
            ++thrown;
        }
    }
    EXPECT_EQ(got, (ints{0, 2})) << "the stream continues with the next element";
    EXPECT_EQ(thrown, 1);
}

}  // namespace
