// SPDX-License-Identifier: MIT
// runs: asan, plain
#include <eddy/future/when.hpp>

#include <eddy/future/poll_fn.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/future/select.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/stream.hpp>
#include <eddy/stream/futures_unordered.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "support/polling.hpp"
#include "support/scripted.hpp"

namespace {

using eddy::otherwise;
using eddy::ready;
using eddy::task;
using eddy::when;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::cancellable_scripted;
using support::plan;
using support::script;
using support::scripted;

// covers: P029
TEST(SelectBranches, EnabledBranchBehavesLikeItsFuture) {
    script s;
    by_hand hand(eddy::select(when(true, cancellable_scripted(s)), eddy::pending()));
    assert_pending(hand.poll());
    s.change(plan::ready);
    auto output = assert_ready(hand.poll());
    static_assert(std::is_same_v<decltype(output), eddy::selected<eddy::result<int>, std::monostate>>);
    EXPECT_EQ(output.index(), 0u);
    EXPECT_FALSE(s.alive);
}

// covers: P029
TEST(SelectBranches, DisabledBranchIsDestroyedWithoutAPoll) {
    script s{.now = plan::ready};
    {
        by_hand hand(eddy::select(when(false, scripted(s)), ready(1)));
        EXPECT_FALSE(s.alive);
        EXPECT_EQ(assert_ready(hand.poll()).index(), 1u);
    }
    EXPECT_EQ(s.polls, 0);
}

// covers: P029
TEST(SelectBranches, BorrowedDisabledBranchStaysAlive) {
    script s;
    scripted borrowed(s);
    EXPECT_EQ(eddy::wait(eddy::select(when(false, std::ref(borrowed)), ready(1))).index(), 1u);
    EXPECT_TRUE(s.alive);
    EXPECT_EQ(s.polls, 0);
}

// covers: P029
TEST(SelectBranches, FunctionIsCalledOnlyIfTheConditionHolds) {
    int calls = 0;
    auto makes = [&calls] {
        ++calls;
        return ready(7);
    };
    EXPECT_EQ(std::get<1>(eddy::wait(eddy::select(when(false, std::move(makes)), ready(1)))), 1);
    EXPECT_EQ(calls, 0);
    EXPECT_EQ(std::get<0>(eddy::wait(eddy::select(when(true, std::move(makes)), eddy::pending()))), 7);
    EXPECT_EQ(calls, 1);
}

// covers: P029
TEST(SelectBranches, OtherwiseIsTakenIfAllAreDisabled) {
    script a{.now = plan::ready}, b{.now = plan::ready};
    auto output =
        eddy::wait(eddy::select(when(false, scripted(a)), when(false, scripted(b)), otherwise(std::string("x"))));
    EXPECT_EQ(std::get<2>(output), "x");
    EXPECT_EQ(a.polls + b.polls, 0);
    EXPECT_EQ(eddy::wait(eddy::select(otherwise(), when(false, ready(1)))).index(), 0u);
    EXPECT_EQ(eddy::wait(eddy::select_biased(otherwise(), when(false, ready(1)))).index(), 0u);
    EXPECT_EQ(eddy::wait(eddy::race(when(false, ready(1)), otherwise(2))), 2);
    EXPECT_EQ(eddy::wait(eddy::select(otherwise(3))).index(), 0u);
}

// covers: P029
TEST(SelectBranches, OtherwiseIsIgnoredIfABranchIsEnabled) {
    script s;
    by_hand hand(eddy::select(otherwise(), when(true, scripted(s)), when(false, ready())));
    assert_pending(hand.poll());
    s.change(plan::ready);
    EXPECT_EQ(assert_ready(hand.poll()).index(), 1u);
    by_hand plain(eddy::select(otherwise(), eddy::pending()));
    assert_pending(plain.poll());
}

// covers: P029
TEST(SelectBranches, AllDisabledWithoutOtherwiseIsMisuse) {
    for (int i = 0; i < 2; ++i) {
        const std::string text = support::text_of_misuse([i] {
            if (i == 0) {
                by_hand hand(eddy::select(when(false, ready(1)), when(false, ready(2))));
                static_cast<void>(hand.poll());
            } else {
                by_hand hand(eddy::race(when(false, ready(1))));
                static_cast<void>(hand.poll());
            }
        });
        EXPECT_NE(text.find("a select has nothing to wait for"), std::string::npos);
        EXPECT_NE(text.find("select_branches_test.cpp"), std::string::npos) << text;
    }
}

TEST(SelectBranches, DisabledBranchOutsideSelectIsMisuse) {
    by_hand alone(when(false, ready(1)));
    EXPECT_THROW(static_cast<void>(alone.poll()), eddy::misuse);
    by_hand last(otherwise(1));
    EXPECT_THROW(static_cast<void>(last.poll()), eddy::misuse);
    EXPECT_EQ(eddy::wait(when(true, ready(1))), 1);
}

TEST(SelectBranches, EnabledBranchThatLosesIsCancelled) {
    script s{.may_end = false}, absent;
    bool is_over = false;
    auto over = eddy::poll_fn([&](eddy::context&) -> eddy::poll_result<void> {
        if (!is_over) return eddy::not_ready;
        return eddy::poll_result<void>::ready();
    });
    by_hand hand(
        eddy::select(when(true, cancellable_scripted(s)), when(false, cancellable_scripted(absent)), std::move(over)));
    assert_pending(hand.poll());
    is_over = true;
    assert_pending(hand.poll());
    EXPECT_EQ(s.cancel_polls, 1);
    s.may_end = true;
    EXPECT_EQ(assert_ready(hand.poll()).index(), 2u);
}

// ---- Streams in loops ----

/// Yields numbers, each after one pending poll. Dropping next() loses no number.
class counting : public eddy::stream_ops<counting> {
public:
    using item_type = int;

    explicit counting(int end) : end_(end) {}

    eddy::poll_result<std::optional<int>> poll_next(eddy::context& cx) {
        if (next_ == end_) return eddy::poll_result<std::optional<int>>(std::nullopt);
        if (!std::exchange(has_waited_, !has_waited_)) {
            cx.waker().wake_by_ref();
            return eddy::not_ready;
        }
        return std::optional(next_++);
    }

private:
    int next_ = 0;
    int end_;
    bool has_waited_ = false;
};

// covers: P029
TEST(SelectBranches, LoopOverStreamAndBorrowedFutureLosesNoItem) {
    struct turns {
        static task<> of(int count) {
            for (int i = 0; i < count; ++i) co_await eddy::yield_now();
        }
        static task<int> loop() {
            counting numbers(100);
            task<> slow = of(50);
            bool is_done = false;
            int expected = 0;
            for (;;) {
                auto got = co_await eddy::select_biased(numbers.next(), when(!is_done, std::ref(slow)));
                if (got.index() == 1) {
                    is_done = true;
                    continue;
                }
                const auto& item = std::get<0>(got);
                if (!item) break;
                EXPECT_EQ(*item, expected);
                ++expected;
            }
            EXPECT_TRUE(is_done);
            co_return expected;
        }
    };
    EXPECT_EQ(eddy::wait(turns::loop()), 100);
}

// covers: P029
TEST(SelectBranches, LoopReadsTwoStreamsUntilBothEnd) {
    struct both {
        static task<int> loop() {
            counting a(10);
            counting b(20);
            bool has_a = true;
            bool has_b = true;
            int items = 0;
            for (;;) {
                auto got = co_await eddy::select(when(has_a, a.next()), when(has_b, b.next()), otherwise());
                if (got.index() == 2) break;
                if (auto* const first = std::get_if<0>(&got)) has_a = first->has_value();
                if (auto* const second = std::get_if<1>(&got)) has_b = second->has_value();
                if (got.index() == 0 ? has_a : has_b) ++items;
            }
            co_return items;
        }
    };
    EXPECT_EQ(eddy::wait(both::loop()), 30);
}

// covers: P029
TEST(SelectBranches, LoopFillsAndDrainsAGroupOfFutures) {
    struct server {
        static task<int> work(int turns) {
            for (int i = 0; i < turns; ++i) co_await eddy::yield_now();
            co_return turns;
        }
        static task<int> loop() {
            counting arrivals(50);
            eddy::futures_unordered<task<int>> running;
            bool is_open = true;
            int sum = 0;
            for (;;) {
                auto got = co_await eddy::select(when(is_open, arrivals.next()),
                                                 when(!running.is_empty(), running.next()), otherwise());
                if (got.index() == 2) break;
                if (auto* const arrived = std::get_if<0>(&got)) {
                    is_open = arrived->has_value();
                    if (is_open) running.push(work(**arrived));
                } else {
                    sum += std::get<1>(got).value();
                }
            }
            co_return sum;
        }
    };
    EXPECT_EQ(eddy::wait(server::loop()), 49 * 50 / 2);
}

}  // namespace
