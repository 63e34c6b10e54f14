// SPDX-License-Identifier: MIT
// The branches of select that have handlers.
// runs: asan, plain
#include <eddy/future/on.hpp>
#include <eddy/stream/select_loop.hpp>

#include <eddy/future/ready.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/stream.hpp>
#include <eddy/stream/futures_ordered.hpp>
#include <eddy/stream/futures_unordered.hpp>
#include <eddy/sync/mpsc.hpp>
#include <eddy/sync/mutex.hpp>
#include <eddy/sync/notify.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/task/join_map.hpp>
#include <eddy/task/join_queue.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/time/delay_queue.hpp>

#include <gtest/gtest.h>

#include <array>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/polling.hpp"
#include "support/scripted.hpp"

namespace {

using eddy::flow;
using eddy::on;
using eddy::ready;
using eddy::result;
using eddy::select;
using eddy::select_biased;
using eddy::select_loop;
using eddy::select_loop_biased;
using eddy::task;
using eddy::until;
using eddy::when;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::cancellable_scripted;
using support::plan;
using support::script;
using support::scripted;

const auto io_error = std::make_error_code(std::errc::io_error);

// ---- select with handlers ----

// covers: I20.3.3
TEST(SelectHandlers, HandlerOfTheWinnerTakesTheOutput) {
    std::string seen;
    eddy::wait(select(on(eddy::pending<int>(), [&](int) { seen = "number"; }),
                      on(ready(std::string("text")), [&](std::string text) { seen = std::move(text); })));
    EXPECT_EQ(seen, "text");
}

TEST(SelectHandlers, OutputIsTheCommonTypeOfTheHandlers) {
    auto one = select(on(ready(1), [](int n) { return n + 1; }), on(eddy::pending(), [] { return 0L; }));
    static_assert(std::is_same_v<eddy::output_t<decltype(one)>, long>);
    EXPECT_EQ(eddy::wait(std::move(one)), 2);
    auto none = select(on(ready(), [] {}), on(eddy::pending(), []() -> task<void> { co_return; }));
    static_assert(std::is_void_v<eddy::output_t<decltype(none)>>);
    eddy::wait(std::move(none));
}

TEST(SelectHandlers, HandlerMayIgnoreAPlainOutput) {
    EXPECT_EQ(eddy::wait(select(on(ready(1), [] { return 7; }))), 7);
}

// covers: P029 I20.3.3
TEST(SelectHandlers, CoroutineHandlerIsAwaited) {
    auto [tx, rx] = eddy::sync::oneshot<int>::channel();
    bool has_ended = false;
    int factor = 10;
    auto handler = [&, factor](int n) -> task<int> {  // the captures must live as long as the coroutine
        const auto more = co_await rx;
        has_ended = true;
        co_return n* factor + more.value_or(0);
    };
    by_hand hand(select(on(ready(4), std::move(handler)), on(eddy::pending<int>(), [](int n) { return n; })));
    assert_pending(hand.poll());
    EXPECT_FALSE(has_ended);
    static_cast<void>(std::move(tx).send(2));
    EXPECT_TRUE(hand.is_woken());
    EXPECT_EQ(assert_ready(hand.poll()), 42);
    EXPECT_NE(support::text_of_misuse([&] { static_cast<void>(hand.poll()); }).find("select"), std::string::npos);
}

// covers: P029
TEST(SelectHandlers, LosersAreDestroyedBeforeTheHandlerRuns) {
    script a{.now = plan::ready}, b, c{.may_end = false};
    bool ran = false;
    const auto handler = [&](result<int>) {
        ran = true;
        EXPECT_FALSE(a.alive || b.alive || c.alive);
    };
    const auto never = [](result<int>) { ADD_FAILURE(); };
    by_hand hand(select_biased(on(scripted(a), handler), on(scripted(b), never), on(cancellable_scripted(c), never)));
    assert_pending(hand.poll());  // waits for the graceful end of `c`
    EXPECT_FALSE(ran);
    c.may_end = true;
    assert_ready(hand.poll());
    EXPECT_TRUE(ran);
}

TEST(SelectHandlers, HandlerMayLockWhatALoserHeld) {
    eddy::sync::mutex<int> numbers(1);
    const auto work = [&]() -> task<int> {
        auto held = co_await numbers.lock();
        auto selecting = select_biased(on(numbers.lock(), [](auto) { return 0; }), on(ready(), [&]() -> task<int> {
                                           held.unlock();
                                           auto again = co_await numbers.lock();
                                           co_return *again + 1;
                                       }));
        co_return co_await selecting;
    };
    EXPECT_EQ(eddy::wait(work()), 2);
}

TEST(SelectHandlers, CancellationReachesTheHandlersFuture) {
    script inner{.may_end = false};
    by_hand hand(select(on(ready(), [&] { return cancellable_scripted(inner); })));
    assert_pending(hand.poll());
    EXPECT_TRUE(inner.alive);
    assert_pending(hand.poll_cancel());
    inner.may_end = true;
    EXPECT_TRUE(hand.poll_cancel().is_ready());
    EXPECT_FALSE(inner.alive);
    EXPECT_EQ(inner.cancel_polls, 2);
}

TEST(SelectHandlers, DroppedSelectDestroysTheHandlersFuture) {
    script inner;
    by_hand hand(select(on(ready(), [&] { return scripted(inner); })));
    assert_pending(hand.poll());
    EXPECT_TRUE(inner.alive);
    hand.drop();
    EXPECT_FALSE(inner.alive);
}

// covers: P029
TEST(SelectHandlers, OtherwiseRunsIfTheConditionIsFalse) {
    const auto pick = [](bool first) {
        return eddy::wait(
            select(on(when(first, ready(1)), [](int n) { return n; }), on(eddy::otherwise(), [] { return -1; })));
    };
    EXPECT_EQ(pick(true), 1);
    EXPECT_EQ(pick(false), -1);
}

TEST(SelectHandlers, BranchMayBeAFunctionThatReturnsAFuture) {
    EXPECT_EQ(eddy::wait(select(on([] { return ready(3); }, [](int n) { return n; }))), 3);
}

TEST(SelectHandlers, BiasedTakesTheFirstAndFairTakesAny) {
    std::array<int, 2> wins{};
    for (int i = 0; i < 2000; ++i) {
        ++wins.at(eddy::wait(
            select(on(ready(0u), [](unsigned n) { return n; }), on(ready(1u), [](unsigned n) { return n; }))));
        ASSERT_EQ(
            eddy::wait(select_biased(on(ready(0), [](int n) { return n; }), on(ready(1), [](int n) { return n; }))), 0);
    }
    EXPECT_NEAR(wins[0], 1000, 225);  // a binomial distribution with a standard deviation of 22
}

TEST(SelectHandlers, ExceptionOfAHandlerIsThrownAgain) {
    by_hand hand(select(on(ready(), [] { throw std::runtime_error("from the handler"); })));
    EXPECT_THROW(assert_ready(hand.poll()), std::runtime_error);
    EXPECT_THROW(assert_ready(hand.poll()), eddy::misuse);
}

TEST(SelectHandlers, OutputWithPartsIsUnpackedForTheHandler) {
    struct two {
        int a = 1, b = 2;
        std::tuple<int, int> into_parts() && { return {a, b}; }
    };
    EXPECT_EQ(eddy::wait(select(on(ready(two()), [](int a, int b) { return 10 * a + b; }))), 12);
}

// ---- select_loop ----

// covers: P029
TEST(SelectLoop, FunctionMakesANewFutureInEachRound) {
    auto [tx, rx] = eddy::sync::mpsc<int>::channel(8);
    for (int i = 1; i <= 3; ++i) ASSERT_TRUE(tx.try_send(i).has_value());
    std::vector<int> seen;
    by_hand hand(select_loop(on([&] { return rx.recv(); },
                                [&](std::optional<int> m) -> task<flow> {
                                    if (!m) co_return flow::stop;
                                    seen.push_back(*m);
                                    co_return flow::next;
                                })));
    static_assert(std::is_void_v<eddy::output_t<decltype(hand.future())>>);
    assert_pending(hand.poll());
    EXPECT_EQ(seen, (std::vector{1, 2, 3}));
    ASSERT_TRUE(tx.try_send(4).has_value());
    EXPECT_TRUE(hand.is_woken());
    assert_pending(hand.poll());
    {
        const auto gone = std::move(tx);
    }
    assert_ready(hand.poll());
    EXPECT_EQ(seen, (std::vector{1, 2, 3, 4}));
}

// covers: P029
TEST(SelectLoop, StreamsDeliverItemsUntilAllHaveEnded) {
    int sum = 0;
    std::string text;
    eddy::wait(
        select_loop(on(eddy::streams::of(1, 2, 3), [&](int n) { sum += n; }),
                    on(eddy::streams::of(std::string("a"), std::string("b")), [&](std::string s) { text += s; })));
    EXPECT_EQ(sum, 6);
    EXPECT_EQ(text, "ab");
}

TEST(SelectLoop, BorrowedStreamKeepsItsItems) {
    auto [tx, rx] = eddy::sync::mpsc<int>::channel(8);
    for (int i = 1; i <= 4; ++i) ASSERT_TRUE(tx.try_send(i).has_value());
    const auto until_two = [](int n) { return n == 2 ? std::optional(n) : std::nullopt; };
    auto first = eddy::wait(select_loop(on(std::ref(rx), until_two)));
    static_assert(std::is_same_v<decltype(first), int>);
    EXPECT_EQ(first, 2);
    EXPECT_EQ(rx.try_recv(), 3);
}

// covers: I20.3.4
TEST(SelectLoop, UntilEndsTheLoop) {
    auto [tx, rx] = eddy::sync::oneshot<int>::channel();
    int rounds = 0;
    auto [items, source] = eddy::sync::mpsc<int>::channel(8);
    by_hand hand(select_loop(on(std::ref(source), [&](int) { ++rounds; }), until(std::move(rx))));
    static_assert(std::is_same_v<eddy::output_t<decltype(hand.future())>, std::expected<void, eddy::sync::recv_error>>);
    assert_pending(hand.poll());
    ASSERT_TRUE(items.try_send(1).has_value());
    assert_pending(hand.poll());
    static_cast<void>(std::move(tx).send(1));
    EXPECT_TRUE(assert_ready(hand.poll()).has_value());
    EXPECT_EQ(rounds, 1);
}

TEST(SelectLoop, ErrorOfUntilEndsTheLoop) {
    script stop{.now = plan::fails};
    const auto ended = eddy::wait(select_loop(until(scripted(stop))));
    static_assert(std::is_same_v<decltype(ended), const result<void>>);
    EXPECT_EQ(ended.error(), io_error);
    EXPECT_FALSE(stop.alive);
}

// covers: I20.3.4
TEST(SelectLoop, ErrorOfAHandlerEndsTheLoop) {
    int rounds = 0;
    auto ended = eddy::wait(select_loop(on([] { return ready(); },
                                           [&]() -> task<result<void>> {
                                               if (++rounds == 3) co_return std::unexpected(io_error);
                                               co_return eddy::ok();
                                           })));
    static_assert(std::is_same_v<decltype(ended), result<void>>);
    EXPECT_EQ(ended.error(), io_error);
    EXPECT_EQ(rounds, 3);
}

TEST(SelectLoop, OutputIsOptionalIfTheLoopMayEndWithoutAValue) {
    const auto find = [](int wanted) {
        return eddy::wait(select_loop_biased(on(eddy::streams::of(1, 2, 3),
                                                [wanted](int n) -> result<std::optional<std::string>> {
                                                    if (n == wanted) return std::optional(std::to_string(n));
                                                    return std::nullopt;
                                                }),
                                             until(ready())));
    };
    static_assert(std::is_same_v<decltype(find(1)), result<std::optional<std::string>>>);
    EXPECT_EQ(find(2).value(), "2");
    EXPECT_EQ(find(9).value(), std::nullopt);
}

// covers: P029 I20.3.4
TEST(SelectLoop, ValueEndsTheLoop) {
    int rounds = 0;
    const auto handler = [&]() -> std::optional<int> {
        if (++rounds == 5) return rounds;
        return std::nullopt;
    };
    EXPECT_EQ(eddy::wait(select_loop(on([] { return ready(); }, handler))), 5);
}

TEST(SelectLoop, LoopWithoutBranchesNeedsNoValue) {
    const auto nothing = [] { return eddy::streams::of(1); };
    auto ended = eddy::wait(select_loop(on(nothing(), [](int) -> result<void> { return eddy::ok(); })));
    EXPECT_TRUE(ended.has_value());
    EXPECT_NE(support::text_of_misuse([&] {
                  eddy::wait(select_loop(on(nothing(), [](int) -> std::optional<int> { return std::nullopt; })));
              }).find("nothing to wait for"),
              std::string::npos);
}

TEST(SelectLoop, BorrowedFutureContinuesAndIsAwaitedOnce) {
    script s;
    scripted work(s);
    auto [tx, rx] = eddy::sync::mpsc<int>::channel(8);
    int ended = 0, items = 0;
    by_hand hand(
        select_loop(on(std::ref(work), [&](result<int>) { ++ended; }), on(std::ref(rx), [&](int) { ++items; })));
    assert_pending(hand.poll());
    ASSERT_TRUE(tx.try_send(1).has_value());
    assert_pending(hand.poll());
    EXPECT_TRUE(s.alive);
    s.change(plan::ready);
    assert_pending(hand.poll());
    EXPECT_EQ(ended, 1);
    const int polls = s.polls;
    ASSERT_TRUE(tx.try_send(2).has_value());
    assert_pending(hand.poll());
    EXPECT_EQ(s.polls, polls);
    {
        const auto gone = std::move(tx);
    }
    assert_ready(hand.poll());
    EXPECT_EQ(items, 2);
}

TEST(SelectLoop, ConditionIsEvaluatedInEachRound) {
    int left = 3, ticks = 0;
    eddy::wait(select_loop_biased(on([&] { return when(left > 0, ready()); }, [&] { --left; }),
                                  on([] { return ready(); }, [&] { return ++ticks == 2 ? flow::stop : flow::next; })));
    EXPECT_EQ(left, 0);
    EXPECT_EQ(ticks, 2);
}

TEST(SelectLoop, BranchesAreNotPolledWhileAHandlerRuns) {
    script branch, inside;
    by_hand hand(select_loop_biased(on([] { return ready(); }, [&](auto...) { return scripted(inside); }),
                                    on([&] { return scripted(branch); }, [](result<int>) {})));
    assert_pending(hand.poll());
    EXPECT_TRUE(inside.alive);
    EXPECT_FALSE(branch.alive);
    EXPECT_EQ(branch.polls, 0);
}

TEST(SelectLoop, EndlessLoopYieldsToOtherTasks) {
    int rounds = 0;
    by_hand hand(select_loop(on([] { return ready(); }, [&] { ++rounds; })));
    assert_pending(hand.poll(10));
    EXPECT_EQ(rounds, 10);
    EXPECT_TRUE(hand.is_woken());
}

TEST(SelectLoop, ExceptionCancelsKeptFuturesFirst) {
    script kept{.may_end = false};
    by_hand hand(select_loop(on([] { return ready(); }, [] { throw std::runtime_error("from the handler"); }),
                             until(cancellable_scripted(kept))));
    assert_pending(hand.poll());
    EXPECT_EQ(kept.cancel_polls, 1);
    kept.may_end = true;
    EXPECT_THROW(static_cast<void>(assert_ready(hand.poll())), std::runtime_error);
    EXPECT_FALSE(kept.alive);
    EXPECT_THROW(static_cast<void>(assert_ready(hand.poll())), eddy::misuse);
}

TEST(SelectLoop, CancellationReachesAllBranches) {
    script kept{.may_end = false}, made{.may_end = false};
    by_hand hand(select_loop(on([&] { return cancellable_scripted(made); }, [](result<int>) {}),
                             until(cancellable_scripted(kept))));
    assert_pending(hand.poll());
    assert_pending(hand.poll_cancel());
    made.may_end = true;
    assert_pending(hand.poll_cancel());
    EXPECT_FALSE(made.alive);
    kept.may_end = true;
    EXPECT_TRUE(hand.poll_cancel().is_ready());
    EXPECT_FALSE(kept.alive);
}

TEST(SelectLoop, CancellationReachesTheHandlersFuture) {
    script inner{.may_end = false}, kept{.may_end = false};
    const auto handler = [](script& s) -> task<void> { static_cast<void>(co_await cancellable_scripted(s)); };
    by_hand hand(select_loop_biased(on([] { return ready(); }, [&] { return handler(inner); }),
                                    until(cancellable_scripted(kept))));
    assert_pending(hand.poll());
    EXPECT_TRUE(inner.alive);
    assert_pending(hand.poll_cancel());
    EXPECT_EQ(kept.cancel_polls, 0) << "the handler runs before the branches end";
    inner.may_end = true;
    assert_pending(hand.poll_cancel());
    EXPECT_FALSE(inner.alive);
    EXPECT_EQ(inner.cancel_polls, 2);
    kept.may_end = true;
    EXPECT_TRUE(hand.poll_cancel().is_ready());
    EXPECT_FALSE(kept.alive);
    EXPECT_THROW(static_cast<void>(hand.poll()), eddy::misuse);
}

// covers: P029
TEST(SelectLoop, DroppedLoopLosesNoMessage) {
    auto [tx, rx] = eddy::sync::mpsc<int>::channel(8);
    {
        by_hand hand(select_loop(on(std::ref(rx), [](int) {}), until(eddy::pending())));
        assert_pending(hand.poll());
        ASSERT_TRUE(tx.try_send(5).has_value());
    }
    EXPECT_EQ(rx.try_recv(), 5);
}

using jobs = eddy::futures_unordered<eddy::ready_future<int>>;

static_assert(eddy::detail::continues_after_end<jobs>);
static_assert(eddy::detail::continues_after_end<eddy::futures_ordered<eddy::ready_future<int>>>);
static_assert(eddy::detail::continues_after_end<decltype(std::declval<jobs&>().by_ref())>);
static_assert(eddy::detail::continues_after_end<eddy::join_map<int, int>>);
static_assert(eddy::detail::continues_after_end<eddy::join_queue<>>);
static_assert(eddy::detail::continues_after_end<eddy::stream_map<int, eddy::sync::mpsc<int>::receiver>>);
static_assert(eddy::detail::continues_after_end<eddy::time::delay_queue<int>>);
static_assert(!eddy::detail::continues_after_end<eddy::sync::mpsc<int>::receiver>);

/// Adds each message of `orders` to a set, and returns the future of the loop. `source` is the branch of the set.
template <class Source>
auto loop_with_orders(jobs& set, eddy::sync::mpsc<int>::receiver& orders, Source source) {
    return select_loop(std::move(source), on(std::ref(orders), [&set](int n) { set.push(ready(std::move(n))); }));
}

// covers: P029
TEST(SelectLoop, SetContinuesAfterItWasEmpty) {
    auto [tx, rx] = eddy::sync::mpsc<int>::channel(8);
    jobs set;
    std::vector<int> seen;
    by_hand hand(loop_with_orders(set, rx, on(std::ref(set), [&](int n) { seen.push_back(n); })));
    for (int n = 1; n <= 3; ++n) {
        assert_pending(hand.poll());  // the set is empty
        EXPECT_FALSE(hand.is_woken());
        ASSERT_TRUE(tx.try_send(n).has_value());
        EXPECT_TRUE(hand.is_woken());
    }
    {
        const auto gone = std::move(tx);
    }
    assert_ready(hand.poll());  // the channel has ended, and the set is empty
    EXPECT_EQ(seen, (std::vector{1, 2, 3}));
}

TEST(SelectLoop, EmptySetIsPolledAgainAfterItIsFilled) {
    jobs set;
    std::vector<int> seen;
    by_hand hand(select_loop(on(set.by_ref(), [&](int n) { seen.push_back(n); }), until(eddy::pending())));
    assert_pending(hand.poll());
    set.push(ready(1));
    assert_pending(hand.poll());
    EXPECT_EQ(seen, (std::vector{1}));
}

// covers: P029
TEST(SelectLoop, EmptyOutputsInARowDoNotSpin) {
    auto [tx, rx] = eddy::sync::mpsc<int>::channel(8);
    jobs set;
    std::vector<int> seen;
    by_hand hand(loop_with_orders(
        set, rx, on([&] { return set.next(); }, [&](std::optional<int> n) { seen.push_back(n.value_or(-1)); })));
    assert_pending(hand.poll());
    EXPECT_FALSE(hand.is_woken());
    EXPECT_EQ(seen, (std::vector{-1}));
    for (int n = 1; n <= 2; ++n) {
        ASSERT_TRUE(tx.try_send(n).has_value());
        assert_pending(hand.poll());
        EXPECT_FALSE(hand.is_woken());
    }
    EXPECT_EQ(seen, (std::vector{-1, 1, -1, 2, -1}));
    {
        const auto gone = std::move(tx);
    }
    assert_ready(hand.poll());
}

TEST(SelectLoop, EmptyOutputAfterAWaitIsDelivered) {
    int empty = 0;
    eddy::sync::notify wake;
    const auto wait_for_nothing = [&]() -> task<std::optional<int>> {
        co_await wake.notified();
        co_return std::nullopt;
    };
    by_hand hand(select_loop(on(wait_for_nothing, [&](std::optional<int>) { ++empty; })));
    for (int n = 0; n < 3; ++n) {
        assert_pending(hand.poll());
        EXPECT_EQ(empty, n);
        wake.notify_waiters();
    }
}

TEST(SelectLoop, HandlerOfTheEmptyOutputMayFillTheSet) {
    jobs set;
    std::vector<int> seen;
    eddy::wait(select_loop(on([&] { return when(true, set.next()); },
                              [&](std::optional<int> n) {
                                  if (n) seen.push_back(*n);
                                  if (!n && seen.size() < 3) set.push(ready(1));
                              })));
    EXPECT_EQ(seen, (std::vector{1, 1, 1}));
}

TEST(SelectLoop, EmptySetThatNeedsAValueIsMisuse) {
    jobs set;
    by_hand hand(select_loop(on(std::ref(set), [](int) -> std::optional<int> { return std::nullopt; })));
    EXPECT_NE(support::text_of_misuse([&] { static_cast<void>(hand.poll()); }).find("nothing to wait for"),
              std::string::npos);
}

TEST(SelectLoop, MoveOnlyOutputsAndHandlersWork) {
    auto count = std::make_unique<int>(0);
    int* const seen = count.get();
    auto loop = select_loop(
        on(eddy::streams::once(std::make_unique<int>(3)), [count = std::move(count)](std::unique_ptr<int> n) {
            *count += *n;
            return flow::stop;
        }));
    by_hand hand(std::move(loop));
    const int* const value = seen;
    assert_ready(hand.poll());
    EXPECT_EQ(*value, 3);
}

}  // namespace
