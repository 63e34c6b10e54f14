// SPDX-License-Identifier: MIT
// runs: asan, plain
#include <eddy/future/combinators.hpp>

#include <eddy/future/finally.hpp>
#include <eddy/future/join.hpp>
#include <eddy/future/maybe_done.hpp>
#include <eddy/future/poll_fn.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/future/select.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>

#include "support/convertible_error.hpp"
#include "support/polling.hpp"
#include "support/scripted.hpp"
#include "support/throwing_cancel.hpp"

namespace {

using eddy::ok;
using eddy::ready;
using eddy::result;
using eddy::task;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::cancellable_scripted;
using support::convertible_error;
using support::plan;
using support::script;
using support::scripted;

const auto io_error = std::make_error_code(std::errc::io_error);
const result<int> failed = std::unexpected(io_error);

template <class F>
auto output_of(F f) {
    by_hand hand(std::move(f));
    return assert_ready(hand.poll());
}

template <class F, class Output>
constexpr bool gives = std::is_same_v<eddy::output_t<F>, Output>;

// ---- and_then ----

TEST(Combinators, AndThenAcceptsAnyReturnTypeOfItsFunction) {
    auto plain = ready(ok(1)).and_then([](int i) { return i + 0.5; });
    static_assert(gives<decltype(plain), result<double>>);
    EXPECT_EQ(output_of(std::move(plain)), 1.5);

    auto expected = ready(ok(1)).and_then([](int i) { return ok(i + 1); });
    static_assert(gives<decltype(expected), result<int>>);
    EXPECT_EQ(output_of(std::move(expected)), 2);

    auto future = ready(ok(1)).and_then([](int i) { return ready(i + 2); });
    static_assert(gives<decltype(future), result<int>>);
    EXPECT_EQ(output_of(std::move(future)), 3);

    auto of_expected = ready(ok(1)).and_then([](int i) -> task<result<int>> { co_return i + 3; });
    static_assert(gives<decltype(of_expected), result<int>>);
    EXPECT_EQ(output_of(std::move(of_expected)), 4);

    auto nothing = ready(ok(1)).and_then([](int) {});
    static_assert(gives<decltype(nothing), result<void>>);
    EXPECT_TRUE(output_of(std::move(nothing)).has_value());

    auto of_nothing = ready(ok()).and_then([] { return ready(); });
    static_assert(gives<decltype(of_nothing), result<void>>);
    EXPECT_TRUE(output_of(std::move(of_nothing)).has_value());
}

TEST(Combinators, AndThenIsSkippedOnAnError) {
    bool ran = false;
    auto f = ready(failed).and_then([&](int) { ran = true; });
    EXPECT_EQ(output_of(std::move(f)).error(), io_error);
    EXPECT_FALSE(ran);
}

TEST(Combinators, AndThenReturnsTheErrorOfItsFunction) {
    auto f = ready(ok(1)).and_then([](int) { return failed; });
    EXPECT_EQ(output_of(std::move(f)).error(), io_error);
}

TEST(Combinators, AndThenConvertsErrorsInBothDirections) {
    auto before = ready(std::expected<int, convertible_error>(std::unexpect)).and_then([](int i) { return ok(i); });
    static_assert(gives<decltype(before), result<int>>);
    EXPECT_EQ(output_of(std::move(before)).error(), eddy::errc::timed_out);

    auto after = ready(ok(1)).and_then([](int) { return std::expected<int, convertible_error>(std::unexpect); });
    static_assert(gives<decltype(after), result<int>>);
    EXPECT_EQ(output_of(std::move(after)).error(), eddy::errc::timed_out);
}

/// A type with parts, like net::accepted.
struct with_parts {
    explicit with_parts(int n) : number(std::make_unique<int>(n)) {}
    std::tuple<std::unique_ptr<int>, std::string> into_parts() && { return {std::move(number), "part"}; }
    std::unique_ptr<int> number;
};

TEST(Combinators, ValueWithPartsIsUnpackedIntoArguments) {
    auto f = ready(result<with_parts>(std::in_place, 3)).and_then([](std::unique_ptr<int> n, std::string s) {
        return s + std::to_string(*n);
    });
    EXPECT_EQ(output_of(std::move(f)), "part3");
    auto whole = ready(with_parts(4)).map([](with_parts p) { return *p.number; });
    EXPECT_EQ(output_of(std::move(whole)), 4);
    auto parts = ready(with_parts(5)).then([](std::unique_ptr<int> n, std::string) { return ready(*n); });
    EXPECT_EQ(output_of(std::move(parts)), 5);
}

// ---- map, map_err, or_else, then ----

TEST(Combinators, MapTakesTheValueOfAnExpectedOrTheWholeOutput) {
    auto value = ready(ok(1)).map([](int i) { return std::to_string(i); });
    static_assert(gives<decltype(value), result<std::string>>);
    EXPECT_EQ(output_of(std::move(value)), "1");
    EXPECT_EQ(output_of(ready(failed).map([](int i) { return i; })).error(), io_error);

    auto whole = ready(1).map([](int i) { return std::to_string(i); });
    static_assert(gives<decltype(whole), std::string>);
    EXPECT_EQ(output_of(std::move(whole)), "1");

    auto nothing = ready().map([] {});
    static_assert(gives<decltype(nothing), void>);
    output_of(std::move(nothing));

    auto nested = ready(ok(1)).map([](int) { return failed; });
    static_assert(gives<decltype(nested), result<result<int>>>);
    EXPECT_EQ(output_of(std::move(nested))->error(), io_error);
}

TEST(Combinators, MapErrConvertsTheErrorAndVoidBecomesMonostate) {
    auto text = ready(failed).map_err([](std::error_code e) { return e.value(); });
    static_assert(gives<decltype(text), std::expected<int, int>>);
    EXPECT_EQ(output_of(std::move(text)).error(), io_error.value());

    bool ran = false;
    auto nothing = ready(ok()).map_err([&](std::error_code) { ran = true; });
    static_assert(gives<decltype(nothing), std::expected<void, std::monostate>>);
    EXPECT_TRUE(output_of(std::move(nothing)).has_value());
    EXPECT_FALSE(ran);
    EXPECT_FALSE(output_of(ready(failed).map_err([&](std::error_code) { ran = true; })).has_value());
    EXPECT_TRUE(ran);
}

TEST(Combinators, OrElseReplacesAnError) {
    auto plain = ready(failed).or_else([](std::error_code) { return 7; });
    static_assert(gives<decltype(plain), result<int>>);
    EXPECT_EQ(output_of(std::move(plain)), 7);

    auto another =
        ready(failed).or_else([](std::error_code e) { return std::expected<int, int>(std::unexpect, e.value()); });
    static_assert(gives<decltype(another), std::expected<int, int>>);
    EXPECT_EQ(output_of(std::move(another)).error(), io_error.value());

    auto future = ready(failed).or_else([](std::error_code) -> task<result<int>> { co_return 8; });
    EXPECT_EQ(output_of(std::move(future)), 8);

    EXPECT_EQ(output_of(ready(ok(1)).or_else([](std::error_code) { return 9; })), 1);
    EXPECT_TRUE(output_of(ready(ok()).or_else([](std::error_code) {})).has_value());
}

TEST(Combinators, ThenTakesTheWholeOutputAndRunsAFuture) {
    auto whole = ready(failed).then([](result<int> r) { return r.has_value(); });
    static_assert(gives<decltype(whole), bool>);
    EXPECT_FALSE(output_of(std::move(whole)));
    auto future = ready().then([] { return ready(3); });
    static_assert(gives<decltype(future), int>);
    EXPECT_EQ(output_of(std::move(future)), 3);
    output_of(ready(1).then([](int) {}));
}

// ---- All combinators ----

struct plain_future {  // without the mixin
    using output_type = int;
    eddy::poll_result<int> poll(eddy::context&) { return 5; }
};

TEST(Combinators, FreeFunctionsAcceptAnyFuture) {
    EXPECT_EQ(output_of(eddy::map(plain_future(), [](int i) { return i + 1; })), 6);
    EXPECT_EQ(output_of(eddy::then(plain_future(), [](int i) { return ready(i + 2); })), 7);
    EXPECT_EQ(
        output_of(eddy::and_then(eddy::map(plain_future(), [](int i) { return ok(i); }), [](int i) { return i; })), 5);
    EXPECT_EQ(output_of(eddy::map_err(ready(failed), [](std::error_code) {})).has_value(), false);
    EXPECT_EQ(output_of(eddy::or_else(ready(failed), [](std::error_code) { return 1; })), 1);
}

TEST(Combinators, AndThenWaitsForBothFutures) {
    script first, second;
    by_hand hand(scripted(first).and_then([&](int i) {
        second.value = i + 1;
        return scripted(second);
    }));
    EXPECT_EQ(first.polls, 0);
    assert_pending(hand.poll());
    EXPECT_FALSE(second.alive);
    first.value = 10;
    first.change(plan::ready);
    EXPECT_TRUE(hand.is_woken());
    assert_pending(hand.poll());
    EXPECT_FALSE(first.alive);
    EXPECT_TRUE(second.alive);
    second.change(plan::ready);
    EXPECT_TRUE(hand.is_woken());
    EXPECT_EQ(assert_ready(hand.poll()), 11);
    EXPECT_FALSE(second.alive);
}

TEST(Combinators, InnerFutureIsDestroyedBeforeTheFunctionRuns) {
    script s{.now = plan::ready};
    bool alive = true;
    by_hand hand(scripted(s).map([&](int) { alive = s.alive; }));
    EXPECT_TRUE(assert_ready(hand.poll()).has_value());
    EXPECT_FALSE(alive);
}

TEST(Combinators, FunctionIsDestroyedWhenTheAdaptorEnds) {
    auto held = std::make_shared<int>(1);
    script s;
    by_hand hand(scripted(s).map([held](int) {}));
    assert_pending(hand.poll());
    EXPECT_EQ(held.use_count(), 2);
    s.change(plan::ready);
    EXPECT_TRUE(assert_ready(hand.poll()).has_value());
    EXPECT_EQ(held.use_count(), 1);
}

TEST(Combinators, FunctionOutlivesTheCoroutineThatItStarts) {
    script s;
    by_hand hand(ready(ok(1)).and_then(
        [text = std::string("captured, and longer than a small string"), &s](int) -> task<std::size_t> {
            static_cast<void>(co_await scripted(s));
            co_return text.size();
        }));
    assert_pending(hand.poll());
    s.change(plan::ready);
    EXPECT_EQ(assert_ready(hand.poll()), 40u);
}

/// Counts the objects of this class that are alive. A coroutine's local object reads it through a capture.
struct counted {
    explicit counted(int& alive) : alive_(alive) { ++alive_; }
    counted(const counted& other) noexcept : alive_(other.alive_) { ++alive_; }
    counted& operator=(const counted&) = delete;
    ~counted() { --alive_; }

private:
    int& alive_;
};

TEST(Combinators, CapturesOutliveTheDroppedCoroutineThatUsesThem) {
    int alive = 0;
    int alive_at_end_of_coroutine = -1;
    {
        by_hand hand(
            ready(ok(1)).and_then([capture = counted(alive), &alive, &alive_at_end_of_coroutine](int) -> task<void> {
                struct at_end {
                    const int& alive;
                    int& seen;
                    ~at_end() { seen = alive; }
                } const end{alive, alive_at_end_of_coroutine};
                co_await eddy::pending<void>();
            }));
        assert_pending(hand.poll());
        EXPECT_EQ(alive, 1);
    }
    EXPECT_EQ(alive_at_end_of_coroutine, 1);
    EXPECT_EQ(alive, 0);
}

TEST(Combinators, ExceptionOfFutureOrFunctionEndsTheAdaptor) {
    auto held = std::make_shared<int>(1);
    script s{.now = plan::throws};
    by_hand future(scripted(s).map([held](int) {}));
    EXPECT_THROW(static_cast<void>(assert_ready(future.poll())), std::runtime_error);
    EXPECT_FALSE(s.alive);
    EXPECT_EQ(held.use_count(), 1);
    EXPECT_THROW(static_cast<void>(assert_ready(future.poll())), eddy::misuse);

    by_hand function(ready(ok(1)).and_then([held](int) -> int { throw std::logic_error("function"); }));
    EXPECT_THROW(static_cast<void>(assert_ready(function.poll())), std::logic_error);
    EXPECT_EQ(held.use_count(), 1);
}

template <class F>
std::string told_after_the_end(F f) {
    by_hand hand(std::move(f));
    static_cast<void>(assert_ready(hand.poll()));
    return support::text_of_misuse([&] { static_cast<void>(hand.poll()); });
}

// covers: R039
TEST(Combinators, PollAfterTheEndIsMisuseThatNamesTheFuture) {
    const auto f = [](auto) { return 1; };
    EXPECT_NE(told_after_the_end(ready(ok(1)).and_then(f)).find("and_then was awaited after"), std::string::npos);
    EXPECT_NE(told_after_the_end(ready(ok(1)).map(f)).find("map was awaited after"), std::string::npos);
    EXPECT_NE(told_after_the_end(ready(1).map(f)).find("map was awaited after"), std::string::npos);
    EXPECT_NE(told_after_the_end(ready(ok(1)).map_err(f)).find("map_err was awaited after"), std::string::npos);
    EXPECT_NE(told_after_the_end(ready(ok(1)).or_else(f)).find("or_else was awaited after"), std::string::npos);
    EXPECT_NE(told_after_the_end(ready(1).then(f)).find("then was awaited after"), std::string::npos);
    EXPECT_NE(told_after_the_end(ready(1)).find("ready was awaited after"), std::string::npos);
    EXPECT_NE(told_after_the_end(eddy::maybe_done(ready(1))).find("maybe_done was awaited after"), std::string::npos);
    EXPECT_NE(told_after_the_end(eddy::join(ready(1))).find("join was awaited after"), std::string::npos);
    EXPECT_NE(told_after_the_end(eddy::try_join(ready(ok()))).find("try_join was awaited after"), std::string::npos);
    EXPECT_NE(told_after_the_end(eddy::select(ready(1))).find("select was awaited after"), std::string::npos);
    EXPECT_NE(told_after_the_end(eddy::race(ready(1))).find("race was awaited after"), std::string::npos);
    auto answers = eddy::poll_fn([](eddy::context&) { return eddy::poll_result<int>(1); });
    EXPECT_NE(told_after_the_end(std::move(answers)).find("poll_fn was awaited after"), std::string::npos);
}

TEST(Combinators, PollCancelGoesToTheRunningFuture) {
    static_assert(!eddy::cancellable_future<decltype(ready(ok(1)).map([](int) {}))>);
    script first{.may_end = false}, second{.may_end = false};
    const auto make = [&] {
        return cancellable_scripted(first).and_then([&](int) { return cancellable_scripted(second); });
    };
    by_hand in_first(make());
    assert_pending(in_first.poll());
    assert_pending(in_first.poll_cancel());
    first.may_end = true;
    assert_ready(in_first.poll_cancel());
    EXPECT_EQ(first.cancel_polls, 2);
    EXPECT_FALSE(first.alive);

    first.now = plan::ready;
    by_hand in_second(make());
    assert_pending(in_second.poll());
    assert_pending(in_second.poll_cancel());
    EXPECT_EQ(first.cancel_polls, 2);
    EXPECT_EQ(second.cancel_polls, 1);
    second.may_end = true;
    assert_ready(in_second.poll_cancel());
    EXPECT_FALSE(second.alive);
}

TEST(Combinators, StdRefBorrowsFutureAndFunction) {
    script s;
    scripted borrowed(s);
    int calls = 0;
    auto count = [&, only_once = std::make_unique<int>(0)](int) { return ++calls; };
    {
        by_hand hand(eddy::map(std::ref(borrowed), std::ref(count)));
        assert_pending(hand.poll());
    }
    EXPECT_TRUE(s.alive);
    s.now = plan::ready;
    EXPECT_EQ(output_of(eddy::map(std::ref(borrowed), std::ref(count))), 1);
    EXPECT_EQ(calls, 1);
    EXPECT_TRUE(s.alive);
}

TEST(Combinators, AdaptorsNestInATask) {
    auto work = []() -> task<result<int>> {
        const int i =
            co_await eddy::try_(ready(ok(1)).map([](int n) { return n + 1; }).and_then([](int n) { return n * 2; }));
        co_return i + co_await ready(1).then([](int n) { return ready(n); });
    };
    EXPECT_EQ(output_of(work()), 5);
}

// ---- Futures built from temporaries, awaited after the function has returned ----

std::string long_text() { return "longer than what a small string holds inside"; }

auto chain_of_temporaries() {
    const std::string captured = long_text();
    const auto check = [captured](std::string s) { return s == captured; };
    return ready(ok(long_text()))
        .and_then([captured](std::string s) { return ready(s == captured ? s : std::string()); })
        .map([captured](std::string s) { return s == captured ? s : std::string(); })
        .map_err([captured](std::error_code) { return captured; })
        .or_else([captured](std::string) { return captured; })
        .then([check](std::expected<std::string, std::string> s) { return check(*s); });
}

auto group_of_temporaries() {
    const std::string captured = long_text();
    const auto text = [captured](eddy::context&) { return eddy::poll_result<std::string>(captured); };
    return eddy::join(eddy::poll_fn(text), eddy::race(ready(long_text()), ready(long_text())),
                      eddy::select(eddy::pending(), ready(long_text())), eddy::try_join(ready(ok(long_text()))),
                      eddy::maybe_done(ready(long_text())));
}

// covers: R129
TEST(Combinators, AdaptorsOwnTheirArguments) {
    EXPECT_TRUE(output_of(chain_of_temporaries()));
    auto awaits = []() -> task<bool> {
        auto chain = chain_of_temporaries();
        co_return co_await chain;
    };
    EXPECT_TRUE(output_of(awaits()));

    const auto all = output_of(group_of_temporaries());
    EXPECT_EQ(all.first, long_text());
    EXPECT_EQ(all.second, long_text());
    EXPECT_EQ(std::get<1>(all.third), long_text());
    EXPECT_EQ(all.fourth.value().first, long_text());
}

// ---- poll_fn, ready, maybe_done, finally ----

TEST(PollFn, CallsItsFunctionAtEachPollUntilReady) {
    int calls = 0;
    auto held = std::make_shared<int>(1);
    by_hand hand(eddy::poll_fn([&calls, held](eddy::context& cx) -> eddy::poll_result<int> {
        if (++calls < 3) {
            cx.waker().wake_by_ref();
            return eddy::not_ready;
        }
        return calls;
    }));
    assert_pending(hand.poll());
    EXPECT_TRUE(hand.is_woken());
    assert_pending(hand.poll());
    EXPECT_EQ(held.use_count(), 2);
    EXPECT_EQ(assert_ready(hand.poll()), 3);
    EXPECT_EQ(held.use_count(), 1);
}

TEST(PollFn, CopiesAnLvalueAndBorrowsAReference) {
    int calls = 0;
    auto f = [&calls, own = 0](eddy::context&) mutable {
        ++calls;
        return eddy::poll_result<int>(++own);
    };
    EXPECT_EQ(output_of(eddy::poll_fn(f)), 1);
    EXPECT_EQ(output_of(eddy::poll_fn(f)), 1);
    EXPECT_EQ(output_of(eddy::poll_fn(std::ref(f))), 1);
    EXPECT_EQ(output_of(eddy::poll_fn(std::ref(f))), 2);
    EXPECT_EQ(calls, 4);
}

TEST(Ready, ReadyCompletesImmediatelyAndPendingNever) {
    EXPECT_EQ(*output_of(ready(std::make_unique<int>(1))), 1);
    output_of(ready());
    by_hand never(eddy::pending<int>());
    assert_pending(never.poll());
    EXPECT_EQ(never.wakers(), 0u);
}

TEST(MaybeDone, KeepsItsOutputUntilTaken) {
    script s;
    by_hand hand(eddy::maybe_done(scripted(s)));
    assert_pending(hand.poll());
    EXPECT_FALSE(hand.future().is_done());
    support::expect_misuse_here([&] { static_cast<void>(hand.future().output()); });
    s.value = 3;
    s.change(plan::ready);
    assert_ready(hand.poll());
    EXPECT_FALSE(s.alive);
    EXPECT_EQ(hand.future().output(), 3);
    EXPECT_EQ(hand.future().take_output(), 3);
    EXPECT_FALSE(hand.future().is_done());
    EXPECT_THROW(static_cast<void>(hand.future().take_output()), eddy::misuse);
}

TEST(MaybeDone, MoveTakesTheFutureOrTheOutput) {
    script s{.now = plan::ready, .value = 3};
    auto running = eddy::maybe_done(scripted(s));
    by_hand hand(std::move(running));
    assert_ready(hand.poll());
    auto done = std::move(hand.future());
    EXPECT_FALSE(s.alive);
    EXPECT_EQ(done.take_output(), 3);
    const auto taken = std::move(done);
    EXPECT_FALSE(taken.is_done());
}

TEST(Finally, CleanupRunsWhenPollCancelOfTheWorkThrows) {
    int asked = 0;
    bool cleaned = false;
    by_hand all(eddy::finally(support::throws_when_cancelled(asked), [&] {
        cleaned = true;
        return eddy::ready(0);
    }));
    assert_pending(all.poll());
    EXPECT_TRUE(all.poll_cancel().is_ready());
    EXPECT_TRUE(cleaned);
}

}  // namespace
