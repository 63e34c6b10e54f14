// SPDX-License-Identifier: MIT
// runs: asan, plain
#include <eddy/stream/futures_ordered.hpp>
#include <eddy/stream/futures_unordered.hpp>

#include <eddy/future/poll_fn.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <ranges>
#include <set>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/comes_back.hpp"
#include "support/runtime.hpp"
#include "support/scripted.hpp"
#include "support/throwing_cancel.hpp"

namespace {

using eddy::futures_ordered;
using eddy::futures_unordered;
using eddy::ready;
using eddy::task;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using eddy::test::wake_counter;
using support::cancellable_scripted;
using support::numbered_scripts;
using support::plan;
using support::script;
using support::scripted;

/// Polls a stream, and counts its wakes.
template <class S>
struct polled {
    S& stream;
    wake_counter counter{};
    eddy::waker waker = counter.waker();

    explicit polled(S& polled_stream) : stream(polled_stream) {}

    auto poll(std::uint32_t budget = eddy::context::default_budget) {
        eddy::context cx(waker, budget);
        return stream.poll_next(cx);
    }
    auto poll_cancel() {
        eddy::context cx(waker);
        return stream.poll_cancel(cx);
    }
    auto item() { return assert_ready(poll()); }
    std::uint64_t wakes() { return counter.wakes(); }
};

template <class Group>
class FuturesGroup : public testing::Test {};

struct unordered {
    template <class F>
    using of = futures_unordered<F>;
};
struct ordered {
    template <class F>
    using of = futures_ordered<F>;
};

struct names_of_groups {
    template <class T>
    static std::string GetName(int) {
        return std::is_same_v<T, unordered> ? "Unordered" : "Ordered";
    }
};
using groups = testing::Types<unordered, ordered>;
TYPED_TEST_SUITE(FuturesGroup, groups, names_of_groups);

// ---- Both groups ----

TYPED_TEST(FuturesGroup, EmptyGroupHasEndedAndCanContinue) {
    typename TypeParam::template of<eddy::ready_future<int>> jobs;
    polled hand(jobs);
    EXPECT_TRUE(jobs.is_empty());
    EXPECT_FALSE(hand.item().has_value());
    jobs.push(ready(1));
    EXPECT_EQ(jobs.size(), 1u);
    EXPECT_EQ(hand.item(), 1);
    EXPECT_FALSE(hand.item().has_value());
    jobs.push(ready(2));
    EXPECT_EQ(hand.item(), 2);
    EXPECT_TRUE(jobs.is_empty());
}

TYPED_TEST(FuturesGroup, OutputsOfVoidAreMonostate) {
    typename TypeParam::template of<task<>> jobs;
    jobs.push([]() -> task<> { co_return; }());
    polled hand(jobs);
    std::optional<std::monostate> item = hand.item();
    EXPECT_TRUE(item.has_value());
}

TYPED_TEST(FuturesGroup, LoopAwaitsAllFuturesOfARange) {
    auto work = []() -> task<int> {
        std::vector<task<int>> made;
        for (int i = 0; i < 100; ++i) {
            made.push_back([](int value) -> task<int> {
                for (int turn = 0; turn < value % 7; ++turn) co_await eddy::yield_now();
                co_return value;
            }(i));
        }
        typename TypeParam::template of<task<int>> jobs(std::move(made));
        int sum = 0;
        while (auto item = co_await jobs.next()) sum += *item;
        co_return sum;
    };
    EXPECT_EQ(eddy::wait(work()), 4950);
}

TYPED_TEST(FuturesGroup, AcceptsRangeViewThatCreatesTheFutures) {
    auto made = std::views::iota(0, 5) | std::views::transform([](int i) { return ready(i); });
    typename TypeParam::template of<eddy::ready_future<int>> jobs(std::move(made));
    int sum = 0;
    polled hand(jobs);
    while (auto item = hand.item()) sum += *item;
    EXPECT_EQ(sum, 10);
}

TYPED_TEST(FuturesGroup, PollsOnlyWokenFutures) {
    auto scripts = numbered_scripts(1000);
    typename TypeParam::template of<scripted> jobs;
    for (auto& s : scripts) jobs.push(scripted(s));
    polled hand(jobs);
    while (std::ranges::any_of(scripts, [](const script& s) { return s.polls == 0; })) assert_pending(hand.poll());
    const auto before = hand.wakes();
    assert_pending(hand.poll());  // no future was woken
    for (auto& s : scripts) EXPECT_EQ(s.polls, 1);
    scripts[0].change(plan::ready);
    EXPECT_EQ(hand.wakes(), before + 1);
    EXPECT_EQ(hand.item().value(), 0);
    for (auto& s : scripts) EXPECT_EQ(s.polls, s.alive ? 1 : 2);
    EXPECT_EQ(std::ranges::count_if(scripts, [](const script& s) { return !s.alive; }), 1);
}

TYPED_TEST(FuturesGroup, ManyWakesBetweenPollsWakeTheTaskOnce) {
    auto scripts = numbered_scripts(50);
    typename TypeParam::template of<scripted> jobs;
    for (auto& s : scripts) jobs.push(scripted(s));
    polled hand(jobs);
    assert_pending(hand.poll());
    for (auto& s : scripts) s.change(plan::ready);
    EXPECT_EQ(hand.wakes(), 1u);
    for (int i = 0; i < 50; ++i) EXPECT_EQ(hand.item().value(), i);
    EXPECT_FALSE(hand.item().has_value());
    EXPECT_EQ(hand.wakes(), 1u);
}

TYPED_TEST(FuturesGroup, WakesTheTaskThatPolledLast) {
    script s;
    typename TypeParam::template of<scripted> jobs;
    jobs.push(scripted(s));
    polled first(jobs);
    polled second(jobs);
    assert_pending(first.poll());
    assert_pending(second.poll());
    EXPECT_EQ(first.counter.wakers(), 1u);  // only its own waker: the group dropped the copy
    EXPECT_EQ(second.counter.wakers(), 2u);
    assert_pending(second.poll());
    EXPECT_EQ(second.counter.wakers(), 2u);
    s.change(plan::ready);
    EXPECT_EQ(first.wakes(), 0u);
    EXPECT_EQ(second.wakes(), 1u);
    EXPECT_EQ(second.item().value(), 0);
}

TYPED_TEST(FuturesGroup, FutureIsDestroyedBeforeItsOutputIsReturned) {
    script s{.now = plan::ready, .value = 7};
    typename TypeParam::template of<scripted> jobs;
    jobs.push(scripted(s));
    EXPECT_TRUE(s.alive);
    polled hand(jobs);
    EXPECT_EQ(hand.item().value(), 7);
    EXPECT_FALSE(s.alive);
    EXPECT_TRUE(jobs.is_empty());
}

TYPED_TEST(FuturesGroup, ExceptionPropagatesAndOtherFuturesContinue) {
    auto scripts = numbered_scripts(3);
    scripts[1].now = plan::throws;
    typename TypeParam::template of<scripted> jobs;
    for (auto& s : scripts) jobs.push(scripted(s));
    polled hand(jobs);
    EXPECT_THROW(static_cast<void>(hand.poll()), std::runtime_error);
    EXPECT_FALSE(scripts[1].alive);
    EXPECT_EQ(jobs.size(), 2u);
    assert_pending(hand.poll());
    scripts[0].change(plan::ready);
    scripts[2].change(plan::ready);
    EXPECT_EQ(hand.item().value(), 0);
    EXPECT_EQ(hand.item().value(), 2);
    EXPECT_FALSE(hand.item().has_value());
}

TYPED_TEST(FuturesGroup, ClearDestroysAllAndLateWakesDoNothing) {
    auto scripts = numbered_scripts(3);
    typename TypeParam::template of<scripted> jobs;
    for (auto& s : scripts) jobs.push(scripted(s));
    polled hand(jobs);
    assert_pending(hand.poll());
    scripts[0].waker.wake_by_ref();  // in the queue when the future is destroyed
    const auto before = hand.wakes();
    jobs.clear();
    EXPECT_TRUE(jobs.is_empty());
    for (auto& s : scripts) {
        EXPECT_FALSE(s.alive);
        s.change(plan::ready);
    }
    EXPECT_EQ(hand.wakes(), before);
    EXPECT_FALSE(hand.item().has_value());
    script again{.now = plan::ready, .value = 9};
    jobs.push(scripted(again));
    EXPECT_EQ(hand.item().value(), 9);
}

TYPED_TEST(FuturesGroup, ClearInALoopLeaksNothingUnderSanitizers) {
    typename TypeParam::template of<scripted> jobs;
    polled hand(jobs);
    for (int i = 0; i < 1000; ++i) {
        auto scripts = numbered_scripts(3);
        for (auto& s : scripts) jobs.push(scripted(s));
        if (i % 2 == 0) assert_pending(hand.poll());
        jobs.clear();
    }
    EXPECT_TRUE(jobs.is_empty());
}

TYPED_TEST(FuturesGroup, WakersOutliveTheGroup) {
    script s;
    wake_counter counter;
    {
        typename TypeParam::template of<scripted> jobs;
        jobs.push(scripted(s));
        const eddy::waker waker = counter.waker();
        eddy::context cx(waker);
        assert_pending(jobs.poll_next(cx));
        s.waker.wake_by_ref();  // in the queue when the group is destroyed
    }
    EXPECT_EQ(counter.wakers(), 0u);
    EXPECT_EQ(counter.wakes(), 1u);
    EXPECT_FALSE(s.alive);
    const eddy::waker copy = s.waker;
    s.change(plan::ready);
    copy.wake_by_ref();
    EXPECT_EQ(counter.wakes(), 1u);
}

TYPED_TEST(FuturesGroup, MovedGroupKeepsItsFutures) {
    script lost;  // outlives the groups below
    auto scripts = numbered_scripts(2);
    typename TypeParam::template of<scripted> jobs;
    for (auto& s : scripts) jobs.push(scripted(s));
    {
        polled hand(jobs);
        assert_pending(hand.poll());
    }
    auto moved = std::move(jobs);
    EXPECT_TRUE(jobs.is_empty());  // NOLINT(bugprone-use-after-move): a moved-from group is empty
    polled hand(moved);
    scripts[0].change(plan::ready);
    EXPECT_EQ(hand.item().value(), 0);
    typename TypeParam::template of<scripted> other;
    other.push(scripted(lost));
    other = std::move(moved);
    EXPECT_FALSE(lost.alive);
    EXPECT_EQ(other.size(), 1u);
    jobs.push(scripted(lost));
    EXPECT_TRUE(lost.alive);
}

/// A future that counts its moves after the first poll.
struct immobile {
    using output_type = int;
    explicit immobile(int* moves) : moves_(moves) {}
    immobile(immobile&& other) noexcept : moves_(other.moves_), at_(nullptr) {
        if (other.at_ != nullptr) ++*moves_;
    }
    eddy::poll_result<int> poll(eddy::context& cx) {
        if (at_ != nullptr && at_ != this) ++*moves_;
        if (at_ != nullptr) return 1;
        at_ = this;
        cx.waker().wake_by_ref();
        return eddy::not_ready;
    }

private:
    int* moves_;
    void* at_ = nullptr;
};

TYPED_TEST(FuturesGroup, PolledFutureIsNeverMoved) {
    int moves = 0;
    typename TypeParam::template of<immobile> jobs;
    for (int i = 0; i < 10; ++i) jobs.push(immobile(&moves));
    polled hand(jobs);
    assert_pending(hand.poll());
    auto moved = std::move(jobs);
    polled again(moved);
    for (int i = 0; i < 10; ++i) EXPECT_EQ(again.item(), 1);
    EXPECT_EQ(moves, 0);
}

TYPED_TEST(FuturesGroup, SelfWakingFutureIsPolledOncePerPoll) {
    int polls = 0;
    auto endless = eddy::poll_fn([&polls](eddy::context& cx) -> eddy::poll_result<int> {
        ++polls;
        cx.waker().wake_by_ref();
        return eddy::not_ready;
    });
    typename TypeParam::template of<decltype(endless)> jobs;
    jobs.push(std::move(endless));
    polled hand(jobs);
    for (int i = 1; i <= 10; ++i) {
        const auto before = hand.wakes();
        assert_pending(hand.poll());
        EXPECT_EQ(polls, i);
        EXPECT_GT(hand.wakes(), before);
    }
}

// covers: R045
TYPED_TEST(FuturesGroup, PollYieldsAfterItsBudgetOfFutures) {
    auto scripts = numbered_scripts(1000);
    typename TypeParam::template of<scripted> jobs;
    for (auto& s : scripts) jobs.push(scripted(s));
    polled hand(jobs);
    const auto begun = [&] { return std::ranges::count_if(scripts, [](const script& s) { return s.polls > 0; }); };
    assert_pending(hand.poll());
    EXPECT_EQ(begun(), 128);
    EXPECT_EQ(hand.wakes(), 1u);
    assert_pending(hand.poll());
    EXPECT_EQ(begun(), 256);
}

// covers: R045
TYPED_TEST(FuturesGroup, ReadyOutputsUseUpTheBudget) {
    typename TypeParam::template of<eddy::ready_future<int>> jobs;
    for (int i = 0; i < 20; ++i) jobs.push(ready(i));
    wake_counter counter;
    const eddy::waker waker = counter.waker();
    eddy::context cx(waker, 10);
    for (int i = 0; i < 10; ++i) EXPECT_EQ(assert_ready(jobs.poll_next(cx)), i);
    assert_pending(jobs.poll_next(cx));
    EXPECT_EQ(counter.wakes(), 1u);
    eddy::context next(waker, 10);
    EXPECT_EQ(assert_ready(jobs.poll_next(next)), 10);
}

// covers: R045
TYPED_TEST(FuturesGroup, OutputCostsOneBudgetUnitAndWaitingNone) {
    using channel = eddy::sync::oneshot<int>;
    auto first = channel::channel();
    auto second = channel::channel();
    typename TypeParam::template of<channel::receiver> jobs;
    jobs.push(std::move(first.receiver));
    jobs.push(std::move(second.receiver));
    wake_counter counter;
    const eddy::waker waker = counter.waker();
    eddy::context cx(waker, 10);
    assert_pending(jobs.poll_next(cx));
    EXPECT_EQ(cx.budget(), 10u);
    EXPECT_TRUE(first.sender.send(1));
    EXPECT_EQ(assert_ready(jobs.poll_next(cx)).value(), 1);
    EXPECT_EQ(cx.budget(), 9u);
}

// covers: R045
TYPED_TEST(FuturesGroup, FutureThatUsesUpTheBudgetEndsThePoll) {
    int others = 0;
    auto make = [&others](bool greedy) {
        return eddy::poll_fn([&others, greedy](eddy::context& cx) -> eddy::poll_result<int> {
            if (!greedy) {
                ++others;
                return eddy::not_ready;
            }
            while (cx.consume_budget()) {
            }
            return eddy::not_ready;
        });
    };
    typename TypeParam::template of<decltype(make(true))> jobs;
    jobs.push(make(true));
    jobs.push(make(false));
    polled hand(jobs);
    assert_pending(hand.poll());
    EXPECT_EQ(others, 0);
    EXPECT_GE(hand.wakes(), 1u);
    assert_pending(hand.poll());
    EXPECT_EQ(others, 1);  // polled first now: the greedy future is queued behind it
}

TYPED_TEST(FuturesGroup, PollCancelWaitsForAllFutures) {
    auto scripts = numbered_scripts(3);
    scripts[1].may_end = false;
    typename TypeParam::template of<cancellable_scripted> jobs;
    for (auto& s : scripts) jobs.push(cancellable_scripted(s));
    polled hand(jobs);
    assert_pending(hand.poll());
    assert_pending(hand.poll_cancel());
    EXPECT_FALSE(scripts[0].alive || scripts[2].alive);
    EXPECT_TRUE(scripts[1].alive);
    assert_pending(hand.poll_cancel());  // the future was not woken, so its poll_cancel() is not called
    EXPECT_EQ(scripts[1].cancel_polls, 1);
    scripts[1].may_end = true;
    const auto before = hand.wakes();
    scripts[1].waker.wake_by_ref();
    EXPECT_EQ(hand.wakes(), before + 1);
    assert_ready(hand.poll_cancel());
    EXPECT_FALSE(scripts[1].alive);
    EXPECT_TRUE(jobs.is_empty());
    assert_ready(hand.poll_cancel());
    script again;
    jobs.push(cancellable_scripted(again));
    assert_ready(hand.poll_cancel());
    EXPECT_FALSE(again.alive);
}

TYPED_TEST(FuturesGroup, FutureCanPushAnotherIntoItsGroup) {
    auto work = []() -> task<int> {
        typename TypeParam::template of<task<int>> jobs;
        struct maker {
            static task<int> count(typename TypeParam::template of<task<int>>* in, int left) {
                if (left > 0) in->push(count(in, left - 1));
                co_return left;
            }
        };
        jobs.push(maker::count(&jobs, 50));
        int items = 0;
        while (co_await jobs.next()) ++items;
        co_return items;
    };
    EXPECT_EQ(eddy::wait(work()), 51);
}

TYPED_TEST(FuturesGroup, MillionFuturesAreDestroyedWithoutRecursion) {
    typename TypeParam::template of<eddy::ready_future<int>> jobs;
    for (int i = 0; i < 1'000'000; ++i) jobs.push(ready(i));
    polled hand(jobs);
    EXPECT_EQ(hand.item(), 0);
    EXPECT_EQ(jobs.size(), 999'999u);
}

// ---- Differences between the groups ----

TEST(FuturesUnordered, OutputsArriveInTheOrderOfCompletion) {
    auto scripts = numbered_scripts(4);
    futures_unordered<scripted> jobs;
    for (auto& s : scripts) jobs.push(scripted(s));
    polled hand(jobs);
    assert_pending(hand.poll());
    for (const std::size_t i : {2u, 0u, 3u, 1u}) scripts[i].change(plan::ready);
    for (const int i : {2, 0, 3, 1}) EXPECT_EQ(hand.item().value(), i);
}

TEST(FuturesOrdered, OutputsArriveInTheOrderOfPushes) {
    auto scripts = numbered_scripts(4);
    futures_ordered<scripted> jobs;
    for (auto& s : scripts) jobs.push(scripted(s));
    polled hand(jobs);
    assert_pending(hand.poll());
    for (const std::size_t i : {2u, 3u, 1u}) {
        scripts[i].change(plan::ready);
        assert_pending(hand.poll());
        EXPECT_FALSE(scripts[i].alive);
        EXPECT_EQ(jobs.size(), 4u);
    }
    scripts[0].change(plan::ready);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(hand.item().value(), i);
    EXPECT_FALSE(hand.item().has_value());
}

TEST(FuturesOrdered, FuturePushedToFrontIsReturnedFirst) {
    auto scripts = numbered_scripts(3);
    futures_ordered<scripted> jobs;
    jobs.push(scripted(scripts[1]));
    polled hand(jobs);
    scripts[1].now = plan::ready;
    jobs.push(scripted(scripts[2]));
    jobs.push_front(scripted(scripts[0]));
    assert_pending(hand.poll());
    scripts[0].change(plan::ready);
    EXPECT_EQ(hand.item().value(), 0);
    EXPECT_EQ(hand.item().value(), 1);
    scripts[2].change(plan::ready);
    EXPECT_EQ(hand.item().value(), 2);
}

TEST(FuturesOrdered, LateWakeOfACompletedFutureIsHarmless) {
    auto scripts = numbered_scripts(2);
    futures_ordered<scripted> jobs;
    for (auto& s : scripts) jobs.push(scripted(s));
    polled hand(jobs);
    assert_pending(hand.poll());
    const eddy::waker late = scripts[1].waker;
    scripts[1].change(plan::ready);
    assert_pending(hand.poll());
    late.wake_by_ref();
    assert_pending(hand.poll());
    EXPECT_EQ(scripts[1].polls, 2);
    scripts[0].change(plan::ready);
    EXPECT_EQ(hand.item().value(), 0);
    EXPECT_EQ(hand.item().value(), 1);
}

// ---- Cancellation that throws, and destructors that call the group ----

TEST(FuturesUnordered, PollCancelRetriesAFutureThatThrew) {
    int asked = 0;
    eddy::futures_unordered<support::throws_when_cancelled> jobs;
    for (int i = 0; i < 3; ++i) jobs.push(support::throws_when_cancelled(asked));
    polled items(jobs);
    EXPECT_THROW(static_cast<void>(items.poll_cancel()), std::runtime_error);
    EXPECT_TRUE(items.poll_cancel().is_ready()) << "poll_cancel() was not called again for the first future";
    EXPECT_EQ(asked, 4);
}

/// A future whose destructor calls a function. `alive` counts the futures that exist.
class calls_back_future : public eddy::future_ops<calls_back_future> {
public:
    using output_type = int;

    calls_back_future(bool is_ready, std::function<void()> call, int& alive)
        : call_(std::move(call)), alive_(&alive), is_ready_(is_ready) {
        ++*alive_;
    }
    calls_back_future(calls_back_future&& other) noexcept
        : call_(std::exchange(other.call_, {})),
          alive_(std::exchange(other.alive_, nullptr)),
          is_ready_(other.is_ready_) {}
    calls_back_future& operator=(calls_back_future&&) = delete;
    ~calls_back_future() {
        if (alive_ == nullptr) return;
        --*alive_;
        if (call_) call_();
    }

    eddy::poll_result<int> poll(eddy::context&) {
        if (is_ready_) return 1;
        return eddy::not_ready;
    }

private:
    std::function<void()> call_;
    int* alive_;
    bool is_ready_;
};

TEST(FuturesUnordered, FutureCanPushAnotherInItsDestructor) {
    int alive = 0;
    eddy::futures_unordered<calls_back_future> jobs;
    jobs.push(calls_back_future(true, [&] { jobs.push(calls_back_future(true, {}, alive)); }, alive));
    jobs.push(calls_back_future(false, [&] { jobs.push(calls_back_future(false, {}, alive)); }, alive));
    by_hand first(jobs.next());
    EXPECT_EQ(assert_ready(first.poll()), 1);
    EXPECT_EQ(jobs.size(), 2u);
    by_hand second(jobs.next());
    EXPECT_EQ(assert_ready(second.poll()), 1);
    jobs.clear();
    EXPECT_EQ(jobs.size(), 0u);
    EXPECT_EQ(alive, 0);
}

TEST(FuturesUnorderedDeathTest, ClearInDestructorDestroysEachOnce) {
    EXPECT_COMES_BACK([] {
        int alive = 0;
        eddy::futures_unordered<calls_back_future> jobs;
        int calls = 0;
        const auto clear = [&] {
            if (++calls == 1) jobs.clear();
        };
        jobs.push(calls_back_future(true, clear, alive));
        jobs.push(calls_back_future(false, {}, alive));
        by_hand first(jobs.next());
        EXPECT_EQ(assert_ready(first.poll()), 1);
        EXPECT_EQ(alive, 0);
        EXPECT_EQ(calls, 1);
        EXPECT_TRUE(jobs.is_empty());
    });
}

TEST(FuturesUnordered, PollInAFuturesDestructorSkipsThatFuture) {
    int alive = 0;
    int got = 0;
    eddy::futures_unordered<calls_back_future> jobs;
    const auto poll = [&] {
        by_hand next(jobs.next());
        got = assert_ready(next.poll()).value_or(0);
    };
    jobs.push(calls_back_future(true, poll, alive));
    jobs.push(calls_back_future(true, {}, alive));
    jobs.clear();
    EXPECT_EQ(got, 1) << "the other future must still be in the group";
    EXPECT_EQ(alive, 0);
}

// ---- After clear() ----

TEST(FuturesUnordered, ClearDuringACancelAllowsANewCancel) {
    support::script former;
    former.may_end = false;
    support::script later;
    futures_unordered<support::cancellable_scripted> jobs;
    jobs.push(support::cancellable_scripted(former));
    {
        by_hand ends(jobs.cancel());
        assert_pending(ends.poll());
    }
    jobs.clear();
    jobs.push(support::cancellable_scripted(later));
    assert_pending(by_hand(jobs.next()).poll());
    by_hand ends(jobs.cancel());
    EXPECT_TRUE(ends.poll().is_ready());
    EXPECT_EQ(later.cancel_polls, 1);
}

/// A future that records each address to which it is moved.
class records_its_addresses : public eddy::future_ops<records_its_addresses> {
public:
    using output_type = void;

    explicit records_its_addresses(std::set<const void*>& addresses) : addresses_(&addresses) {}
    records_its_addresses(records_its_addresses&& other) noexcept : addresses_(other.addresses_) {
        addresses_->insert(this);
    }
    records_its_addresses& operator=(records_its_addresses&&) = delete;
    ~records_its_addresses() = default;

    static eddy::poll_result<void> poll(eddy::context&) { return eddy::not_ready; }

private:
    std::set<const void*>* addresses_;
};

TEST(FuturesUnordered, ClearFreesFuturesThatWereNotPolled) {
    if (support::is_sanitized) GTEST_SKIP() << "a sanitizer does not reuse freed memory immediately";
    std::set<const void*> addresses;
    futures_unordered<records_its_addresses> jobs;
    for (int i = 0; i < 10'000; ++i) {
        jobs.push(records_its_addresses(addresses));
        jobs.clear();
    }
    EXPECT_LT(addresses.size(), 1000u);
}

}  // namespace
