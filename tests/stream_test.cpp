// SPDX-License-Identifier: MIT
#include <eddy/prelude.hpp>
#include <eddy/test/by_hand.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>

#include <support/items.hpp>
#include <support/scripted.hpp>

namespace {

using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::items_of;
using support::plan;
using support::source;

using fallible = eddy::result<int>;
const std::error_code broken = std::make_error_code(std::errc::io_error);

TEST(Stream, NextGivesTheItemsAndThenNothing) {
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

TEST(Stream, ForEachCallsForEachItemAndEnds) {
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
    EXPECT_FALSE(from.alive) << "an adaptor destroys what it ran when it ends";
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

TEST(Stream, ForEachUnwrapsAndEndsAtTheFirstErrorItem) {
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

TEST(Stream, AnErrorOfTheFunctionEndsIt) {
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

TEST(Stream, TheNextItemIsAskedForWhenTheBodyHasEnded) {
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

TEST(Stream, AnErrorOfTheBodyEndsIt) {
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

TEST(Stream, AnExceptionOfTheBodyOrTheFunctionComesOut) {
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

TEST(Stream, ABodyMayBeACoroutineThatUsesItsClosure) {
    source<int> from;
    std::string seen;
    const auto counted = std::make_shared<std::string>("item ");
    by_hand each{items_of<int>(from).for_each([&seen, counted](int item) -> eddy::task<void> {
        co_await eddy::yield_now();
        seen += *counted + std::to_string(item) + " ";  // the closure must still be there
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

/// An item with parts.
struct pair_item {
    std::unique_ptr<int> first;
    std::string second;
    pair_item(int a, std::string b) : first(std::make_unique<int>(a)), second(std::move(b)) {}
    std::tuple<std::unique_ptr<int>, std::string> into_parts() && { return {std::move(first), std::move(second)}; }
};

TEST(Stream, AnItemWithPartsIsGivenAsSeveralArgumentsOrAsOne) {
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

TEST(Stream, AnErrorTypeOfOnesOwnIsKept) {
    source<std::expected<int, own_error>> from;
    by_hand each{items_of<std::expected<int, own_error>>(from).for_each([](int) {})};
    from.give(std::unexpected(own_error{42}));
    EXPECT_EQ(assert_ready(each.poll()).error().code, 42);
}

/// R129: an adaptor that is built in a plain function from temporaries owns what it was given.
auto built_elsewhere(source<int>& from, std::string& seen) {
    const std::string prefix = "a longer prefix that does not fit into the string itself ";
    return items_of<int>(from).for_each([prefix, &seen](int item) { seen = prefix + std::to_string(item); });
}

TEST(Stream, AnAdaptorOwnsWhatItIsGiven) {
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

TEST(Stream, ALoopOverNextMayGoOnAfterAnError) {
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

/// Gives 1, and then waits for what the script says; with a cleanup.
eddy::async_generator<int> one_and_then(support::script& work, support::script& cleanup) {
    co_yield 1;
    const auto clean_up = [&cleanup] { return support::scripted(cleanup); };
    static_cast<void>(co_await eddy::finally(support::scripted(work), clean_up));
    co_yield 2;
}

TEST(Stream, CancelEndsAStreamInAnOrderlyWay) {
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

TEST(Stream, CancelGoesOnWhenItsTaskIsCancelled) {
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

TEST(Stream, CancelOfAStreamWithoutPollCancelIsReadyAtOnce) {
    source<int> from;
    items_of<int> items(from);
    assert_ready(by_hand{items.cancel()}.poll());
    EXPECT_EQ(from.polls, 0);
}

TEST(Stream, CancelIsTheCleanupOfALoopThatIsCancelled) {
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
    EXPECT_TRUE(cleanup.alive) << "it was not cut off";
    cleanup.change(plan::ready);
    EXPECT_TRUE(all.poll_cancel().is_ready());
    EXPECT_FALSE(cleanup.alive);
}

}  // namespace
