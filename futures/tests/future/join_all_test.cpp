// SPDX-License-Identifier: MIT
// runs: asan, plain
#include <eddy/future/join_all.hpp>
#include <eddy/future/pinned_future.hpp>
#include <eddy/future/select_all.hpp>

#include <eddy/future/poll_fn.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <ranges>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

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
using support::numbered_scripts;
using support::plan;
using support::script;
using support::scripted;

const auto io_error = std::make_error_code(std::errc::io_error);

template <class F = scripted>
std::vector<F> following(std::vector<script>& scripts) {
    std::vector<F> made;
    for (auto& s : scripts) made.emplace_back(s);
    return made;
}

/// With up to 30 futures, each poll polls all unfinished futures. With more than 30 futures, it polls only the woken
/// futures. These tests run with both numbers.
class JoinAllOf : public testing::TestWithParam<std::size_t> {};
class TryJoinAllOf : public JoinAllOf {};
class SelectAllOf : public JoinAllOf {};
const auto few_and_many = testing::Values(3u, 30u, 31u, 100u);
INSTANTIATE_TEST_SUITE_P(Futures, JoinAllOf, few_and_many);
INSTANTIATE_TEST_SUITE_P(Futures, TryJoinAllOf, few_and_many);
INSTANTIATE_TEST_SUITE_P(Futures, SelectAllOf, few_and_many);

// ---- join_all ----

// covers: P030
TEST_P(JoinAllOf, ReturnsOutputsInTheOrderOfTheRange) {
    auto scripts = numbered_scripts(GetParam());
    by_hand hand(eddy::join_all(following(scripts)));
    assert_pending(hand.poll());
    for (std::size_t i = GetParam(); i-- > 1;) scripts[i].change(plan::ready);
    assert_pending(hand.poll());
    // A future is destroyed when it completes.
    for (std::size_t i = 0; i < GetParam(); ++i) EXPECT_EQ(scripts[i].alive, i == 0);
    scripts[0].change(plan::ready);
    EXPECT_TRUE(hand.is_woken());
    const std::vector<result<int>> all = assert_ready(hand.poll());
    ASSERT_EQ(all.size(), GetParam());
    for (std::size_t i = 0; i < GetParam(); ++i) EXPECT_EQ(all[i], static_cast<int>(i));
    EXPECT_THROW(assert_ready(hand.poll()), eddy::misuse);
}

TEST_P(JoinAllOf, ExceptionCancelsTheOthersFirst) {
    auto scripts = numbered_scripts(GetParam());
    for (auto& s : scripts) s.may_end = false;
    by_hand hand(eddy::join_all(following<cancellable_scripted>(scripts)));
    assert_pending(hand.poll());
    scripts[1].change(plan::throws);
    assert_pending(hand.poll());
    for (auto& s : scripts) EXPECT_EQ(s.cancel_polls, &s == &scripts[1] ? 0 : 1);
    for (auto& s : scripts) {
        s.may_end = true;
        s.waker.wake_by_ref();
    }
    EXPECT_THROW(assert_ready(hand.poll()), std::runtime_error);
    for (auto& s : scripts) EXPECT_FALSE(s.alive);
}

TEST_P(JoinAllOf, PollCancelGoesToUnfinishedFutures) {
    auto scripts = numbered_scripts(GetParam());
    scripts[0].now = plan::ready;
    scripts[1].may_end = false;
    by_hand hand(eddy::join_all(following<cancellable_scripted>(scripts)));
    assert_pending(hand.poll());
    assert_pending(hand.poll_cancel());
    for (auto& s : scripts) EXPECT_EQ(s.cancel_polls, &s == &scripts[0] ? 0 : 1);
    scripts[1].may_end = true;
    scripts[1].waker.wake_by_ref();
    EXPECT_TRUE(hand.is_woken());
    assert_ready(hand.poll_cancel());
    for (auto& s : scripts) EXPECT_FALSE(s.alive);
    assert_ready(hand.poll_cancel());
}

// covers: P030
TEST(JoinAll, AcceptsAnyRange) {
    auto work = [](int value) -> task<std::string> {
        for (int i = 0; i < value; ++i) co_await eddy::yield_now();
        co_return std::to_string(value);
    };
    auto view = std::views::iota(0, 40) | std::views::transform(work);
    const auto all = eddy::wait(eddy::join_all(std::move(view)));
    for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i], std::to_string(i));
    const auto of_array = eddy::wait(eddy::join_all(std::array{ready(1), ready(2)}));
    EXPECT_EQ(of_array, (std::vector{1, 2}));
    const auto of_void = eddy::wait(eddy::join_all(std::array{ready(), ready()}));
    static_assert(std::is_same_v<decltype(of_void), const std::vector<std::monostate>>);
    EXPECT_EQ(of_void.size(), 2u);
}

TEST(JoinAll, IsReadyImmediatelyWithoutFutures) {
    EXPECT_TRUE(eddy::wait(eddy::join_all(std::vector<task<int>>())).empty());
    EXPECT_TRUE(eddy::wait(eddy::try_join_all(std::vector<task<result<int>>>()))->empty());
}

TEST(JoinAll, BorrowsFuturesGivenByReference) {
    script s;
    scripted borrowed(s);
    {
        by_hand hand(eddy::join_all(std::vector{std::ref(borrowed)}));
        assert_pending(hand.poll());
    }
    EXPECT_TRUE(s.alive);
    s.now = plan::ready;
    s.value = 5;
    EXPECT_EQ(eddy::wait(eddy::join_all(std::vector{std::ref(borrowed)})).at(0), 5);
}

TEST(JoinAll, OverThirtyFuturesArePolledOnlyWhenWoken) {
    auto scripts = numbered_scripts(31);
    by_hand hand(eddy::join_all(following(scripts)));
    assert_pending(hand.poll());
    scripts[7].waker.wake_by_ref();
    assert_pending(hand.poll());
    assert_pending(hand.poll());
    for (auto& s : scripts) EXPECT_EQ(s.polls, &s == &scripts[7] ? 2 : 1);
}

// covers: R045
TEST(JoinAll, EndlessChildDoesNotStarveTheOthers) {
    for (const std::size_t count : {3u, 40u}) {
        std::size_t done = 0;
        auto make = [&done](bool is_endless) {
            return eddy::poll_fn([&done, is_endless](eddy::context& cx) -> eddy::poll_result<void> {
                if (is_endless) {
                    while (cx.consume_budget()) {
                    }
                    return eddy::not_ready;
                }
                if (!cx.consume_budget()) return eddy::not_ready;
                ++done;
                return eddy::poll_result<void>::ready();
            });
        };
        std::vector<decltype(make(true))> children;
        for (std::size_t i = 0; i < count; ++i) children.push_back(make(i == 0));
        by_hand hand(eddy::join_all(std::move(children)));
        for (int i = 0; i < 3; ++i) {
            assert_pending(hand.poll());
            EXPECT_TRUE(hand.is_woken());
        }
        EXPECT_EQ(done, count - 1);
    }
}

TEST(JoinAll, PollCancelRetriesAFutureThatThrew) {
    int asked = 0;
    std::vector<support::throws_when_cancelled> futures(40, support::throws_when_cancelled(asked));
    by_hand all(eddy::join_all(std::move(futures)));
    assert_pending(all.poll());
    EXPECT_THROW(static_cast<void>(all.poll_cancel()), std::runtime_error);
    EXPECT_TRUE(all.poll_cancel().is_ready()) << "poll_cancel() was not called again for the first future";
    EXPECT_EQ(asked, 41);
}

// ---- try_join_all ----

// covers: P030
TEST_P(TryJoinAllOf, ReturnsAllValues) {
    auto scripts = numbered_scripts(GetParam());
    for (auto& s : scripts) s.now = plan::ready;
    const result<std::vector<int>> all = eddy::wait(eddy::try_join_all(following(scripts)));
    for (std::size_t i = 0; i < GetParam(); ++i) EXPECT_EQ(all->at(i), static_cast<int>(i));
}

// covers: P030
TEST_P(TryJoinAllOf, FirstErrorWinsAndCancelsTheOthers) {
    auto scripts = numbered_scripts(GetParam());
    scripts[0].may_end = false;
    by_hand hand(eddy::try_join_all(following<cancellable_scripted>(scripts)));
    assert_pending(hand.poll());
    scripts[2].change(plan::ready);
    assert_pending(hand.poll());
    scripts[1].change(plan::fails);
    assert_pending(hand.poll());
    EXPECT_EQ(scripts[0].cancel_polls, 1);
    const int polls = scripts[0].polls;
    scripts[0].may_end = true;
    scripts[0].waker.wake_by_ref();
    EXPECT_EQ(assert_ready(hand.poll()).error(), io_error);
    EXPECT_EQ(scripts[0].polls, polls);
    for (auto& s : scripts) EXPECT_FALSE(s.alive);
}

TEST(TryJoinAll, OutputsOfVoidAreMonostates) {
    const auto all = eddy::wait(eddy::try_join_all(std::array{ready(ok()), ready(ok())}));
    static_assert(std::is_same_v<decltype(all), const result<std::vector<std::monostate>>>);
    EXPECT_EQ(all->size(), 2u);
}

// ---- select_all ----

// covers: P029
TEST_P(SelectAllOf, ReturnsTheFirstAndTheOthersContinue) {
    auto scripts = numbered_scripts(GetParam());
    by_hand hand(eddy::select_all(following(scripts)));
    assert_pending(hand.poll());
    scripts[2].change(plan::ready);
    EXPECT_TRUE(hand.is_woken());
    auto first = assert_ready(hand.poll());
    EXPECT_EQ(first.output.value(), 2);
    EXPECT_EQ(first.index, 2u);
    ASSERT_EQ(first.remaining.size(), GetParam() - 1);
    for (std::size_t i = 0; i < GetParam(); ++i) EXPECT_EQ(scripts[i].alive, i != 2);
    EXPECT_THROW(assert_ready(hand.poll()), eddy::misuse);
    by_hand again(eddy::select_all(std::move(first.remaining)));
    assert_pending(again.poll());
    scripts[0].change(plan::ready);
    auto second = assert_ready(again.poll());
    EXPECT_EQ(second.output.value(), 0);
    EXPECT_EQ(second.index, 0u);
    static_assert(std::is_same_v<decltype(second.remaining), std::vector<eddy::pinned_future<scripted>>>);
    static_assert(std::is_same_v<decltype(first.remaining), decltype(second.remaining)>);
    second.remaining.clear();
    for (auto& s : scripts) EXPECT_FALSE(s.alive);
}

TEST_P(SelectAllOf, ExceptionCancelsTheOthersFirst) {
    auto scripts = numbered_scripts(GetParam());
    for (auto& s : scripts) s.may_end = false;
    by_hand hand(eddy::select_all(following<cancellable_scripted>(scripts)));
    assert_pending(hand.poll());
    scripts[1].change(plan::throws);
    assert_pending(hand.poll());
    for (auto& s : scripts) EXPECT_EQ(s.cancel_polls, &s == &scripts[1] ? 0 : 1);
    for (auto& s : scripts) {
        s.may_end = true;
        s.waker.wake_by_ref();
    }
    EXPECT_THROW(assert_ready(hand.poll()), std::runtime_error);
    for (auto& s : scripts) EXPECT_FALSE(s.alive);
}

TEST_P(SelectAllOf, PollCancelWaitsForAllFutures) {
    auto scripts = numbered_scripts(GetParam());
    scripts[1].may_end = false;
    by_hand hand(eddy::select_all(following<cancellable_scripted>(scripts)));
    assert_pending(hand.poll());
    assert_pending(hand.poll_cancel());
    scripts[1].may_end = true;
    scripts[1].waker.wake_by_ref();
    assert_ready(hand.poll_cancel());
    for (auto& s : scripts) EXPECT_FALSE(s.alive);
}

TEST_P(SelectAllOf, PollCancelAfterTheEndIsReady) {
    auto scripts = numbered_scripts(GetParam());
    by_hand hand(eddy::select_all(following<cancellable_scripted>(scripts)));
    scripts[1].now = plan::ready;
    auto first = assert_ready(hand.poll());
    EXPECT_TRUE(hand.poll_cancel().is_ready());
    for (auto& s : scripts) {
        EXPECT_EQ(s.alive, &s != &scripts[1]) << "the remaining futures are in the output";
        EXPECT_EQ(s.cancel_polls, 0);
    }
}

TEST_P(SelectAllOf, ExceptionDestroysFuturesWithoutPollCancel) {
    auto scripts = numbered_scripts(GetParam());
    scripts[1].now = plan::throws;
    by_hand hand(eddy::select_all(following(scripts)));
    EXPECT_THROW(assert_ready(hand.poll()), std::runtime_error);
    for (auto& s : scripts) EXPECT_FALSE(s.alive);
}

// covers: P029
TEST(SelectAll, RemainingTasksCanBeSelectedAgain) {
    auto work = []() -> task<int> {
        std::vector<task<int>> all;
        for (int i = 0; i < 5; ++i) {
            all.push_back([](int turns) -> task<int> {
                for (int turn = 0; turn < turns; ++turn) co_await eddy::yield_now();
                co_return turns;
            }(5 - i));
        }
        int in_order = 0;
        while (!all.empty()) {
            auto first = co_await eddy::select_all(std::move(all));
            in_order = in_order * 10 + first.output;
            all = std::move(first.remaining);
        }
        co_return in_order;
    };
    EXPECT_EQ(eddy::wait(work()), 12345);
}

TEST(SelectAll, FirstOfSeveralReadyFuturesWins) {
    auto first = eddy::wait(eddy::select_all(std::vector{ready(1), ready(2)}));
    EXPECT_EQ(first.index, 0u);
    auto second = eddy::wait(eddy::select_all(std::move(first.remaining)));
    EXPECT_EQ(second.output, 2);
    EXPECT_TRUE(second.remaining.empty());
}

TEST(SelectAll, EmptyRangeIsMisuse) {
    EXPECT_NE(support::text_of_misuse([] {
                  static_cast<void>(eddy::select_all(std::vector<task<int>>()));
              }).find("select_all needs at least one future"),
              std::string::npos);
}

// ---- pin ----

// covers: P031
TEST(Pin, PinnedFutureCanBeMovedAfterItStarted) {
    script s;
    auto pinned = eddy::pin(cancellable_scripted(s));
    eddy::test::wake_counter counter;
    const eddy::waker waker = counter.waker();
    eddy::context cx(waker);
    assert_pending(pinned.poll(cx));
    auto moved = std::move(pinned);
    s.change(plan::ready);
    EXPECT_EQ(counter.wakes(), 1u);
    EXPECT_TRUE(assert_ready(moved.poll(cx)).has_value());
    EXPECT_THROW(static_cast<void>(pinned.poll(cx)), eddy::misuse);  // NOLINT(bugprone-use-after-move): tested
    s.may_end = false;
    assert_pending(moved.poll_cancel(cx));
    s.may_end = true;
    assert_ready(moved.poll_cancel(cx));
    EXPECT_FALSE(s.alive);
}

struct alignas(64) wide {
    using output_type = bool;
    wide() noexcept {}  // NOLINT(modernize-use-equals-default)
    eddy::poll_result<bool> poll(eddy::context&) { return reinterpret_cast<std::uintptr_t>(this) % 64 == 0; }
};

TEST(Pin, OverAlignedFuturesKeepTheirAlignment) {
    EXPECT_TRUE(eddy::wait(eddy::pin(wide())));
    std::vector<wide> many(40);
    const auto all = eddy::wait(eddy::join_all(std::move(many)));
    EXPECT_TRUE(std::ranges::all_of(all, [](bool is_aligned) { return is_aligned; }));
}

}  // namespace
