// SPDX-License-Identifier: MIT
#include <eddy/futures_ordered.hpp>
#include <eddy/futures_unordered.hpp>

#include <eddy/poll_fn.hpp>
#include <eddy/ready.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/task.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/wait.hpp>
#include <eddy/yield_now.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/scripted.hpp"
#include "support/stress.hpp"

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
using support::plan;
using support::script;
using support::scripted;

/// Scripts of which each is ready with its number.
std::vector<script> numbered(std::size_t count) {
    std::vector<script> made(count);
    for (std::size_t i = 0; i < count; ++i) made[i].value = static_cast<int>(i);
    return made;
}

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

// ---- What holds for both ----

TYPED_TEST(FuturesGroup, AnEmptyOneIsAtItsEndAndCanGoOn) {
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

TYPED_TEST(FuturesGroup, IsAwaitedInALoopAndFilledFromARange) {
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

TYPED_TEST(FuturesGroup, TakesAViewThatMakesTheFutures) {
    auto made = std::views::iota(0, 5) | std::views::transform([](int i) { return ready(i); });
    typename TypeParam::template of<eddy::ready_future<int>> jobs(std::move(made));
    int sum = 0;
    polled hand(jobs);
    while (auto item = hand.item()) sum += *item;
    EXPECT_EQ(sum, 10);
}

TYPED_TEST(FuturesGroup, PollsOnlyWhatWasWoken) {
    auto scripts = numbered(1000);
    typename TypeParam::template of<scripted> jobs;
    for (auto& s : scripts) jobs.push(scripted(s));
    polled hand(jobs);
    while (std::ranges::any_of(scripts, [](const script& s) { return s.polls == 0; })) assert_pending(hand.poll());
    const auto before = hand.wakes();
    assert_pending(hand.poll());  // for nothing
    for (auto& s : scripts) EXPECT_EQ(s.polls, 1);
    scripts[0].change(plan::ready);
    EXPECT_EQ(hand.wakes(), before + 1);
    EXPECT_EQ(hand.item().value(), 0);
    for (auto& s : scripts) EXPECT_EQ(s.polls, s.alive ? 1 : 2);
    EXPECT_EQ(std::ranges::count_if(scripts, [](const script& s) { return !s.alive; }), 1);
}

TYPED_TEST(FuturesGroup, ManyWakesBetweenTwoPollsWakeTheTaskOnce) {
    auto scripts = numbered(50);
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

TYPED_TEST(FuturesGroup, WakesTheTaskThatPolledItLast) {
    script s;
    typename TypeParam::template of<scripted> jobs;
    jobs.push(scripted(s));
    polled first(jobs);
    polled second(jobs);
    assert_pending(first.poll());
    assert_pending(second.poll());
    EXPECT_EQ(first.counter.wakers(), 1u);  // its own: the former one was dropped
    EXPECT_EQ(second.counter.wakers(), 2u);
    assert_pending(second.poll());
    EXPECT_EQ(second.counter.wakers(), 2u);
    s.change(plan::ready);
    EXPECT_EQ(first.wakes(), 0u);
    EXPECT_EQ(second.wakes(), 1u);
    EXPECT_EQ(second.item().value(), 0);
}

TYPED_TEST(FuturesGroup, AFutureIsGoneBeforeItsOutputComes) {
    script s{.now = plan::ready, .value = 7};
    typename TypeParam::template of<scripted> jobs;
    jobs.push(scripted(s));
    EXPECT_TRUE(s.alive);
    polled hand(jobs);
    EXPECT_EQ(hand.item().value(), 7);
    EXPECT_FALSE(s.alive);
    EXPECT_TRUE(jobs.is_empty());
}

TYPED_TEST(FuturesGroup, WhatAFutureThrowsComesOutAndTheOthersGoOn) {
    auto scripts = numbered(3);
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
    auto scripts = numbered(3);
    typename TypeParam::template of<scripted> jobs;
    for (auto& s : scripts) jobs.push(scripted(s));
    polled hand(jobs);
    assert_pending(hand.poll());
    scripts[0].waker.wake_by_ref();  // queued when it is destroyed
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

TYPED_TEST(FuturesGroup, ClearInALoopKeepsNoMemoryOfWhatIsGone) {
    typename TypeParam::template of<scripted> jobs;
    polled hand(jobs);
    for (int i = 0; i < 1000; ++i) {
        auto scripts = numbered(3);
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
        s.waker.wake_by_ref();  // in the queue when the group ends
    }
    EXPECT_EQ(counter.wakers(), 0u);
    EXPECT_EQ(counter.wakes(), 1u);
    EXPECT_FALSE(s.alive);
    const eddy::waker copy = s.waker;
    s.change(plan::ready);
    copy.wake_by_ref();
    EXPECT_EQ(counter.wakes(), 1u);
}

TYPED_TEST(FuturesGroup, IsMovedWhileItsFuturesStayWhereTheyAre) {
    script lost;  // outlives what follows it
    auto scripts = numbered(2);
    typename TypeParam::template of<scripted> jobs;
    for (auto& s : scripts) jobs.push(scripted(s));
    {
        polled hand(jobs);
        assert_pending(hand.poll());
    }
    auto moved = std::move(jobs);
    EXPECT_TRUE(jobs.is_empty());  // NOLINT(bugprone-use-after-move): it is empty
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

/// Notes where it was polled.
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

TYPED_TEST(FuturesGroup, AFutureDoesNotMoveOnceItIsPolled) {
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

TYPED_TEST(FuturesGroup, AFutureThatWakesItselfIsPolledOncePerPoll) {
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

TYPED_TEST(FuturesGroup, PollsSoManyAndLetsOthersHaveATurn) {
    auto scripts = numbered(1000);
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

TYPED_TEST(FuturesGroup, OutputsThatAreAllReadyUseUpTheBudget) {
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

TYPED_TEST(FuturesGroup, AnOutputTakesOneUnitOfTheBudgetAndAWaitNone) {
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

TYPED_TEST(FuturesGroup, AFutureThatUsesUpTheBudgetEndsThePoll) {
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
    EXPECT_EQ(others, 1);  // it comes first now: the greedy one queued behind it
}

TYPED_TEST(FuturesGroup, PollCancelEndsAllInAnOrderlyWay) {
    auto scripts = numbered(3);
    scripts[1].may_end = false;
    typename TypeParam::template of<cancellable_scripted> jobs;
    for (auto& s : scripts) jobs.push(cancellable_scripted(s));
    polled hand(jobs);
    assert_pending(hand.poll());
    assert_pending(hand.poll_cancel());
    EXPECT_FALSE(scripts[0].alive || scripts[2].alive);
    EXPECT_TRUE(scripts[1].alive);
    assert_pending(hand.poll_cancel());  // woken by nobody: not asked
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

TYPED_TEST(FuturesGroup, AFuturePushesAnotherIntoItsOwnGroup) {
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

TYPED_TEST(FuturesGroup, AMillionAreDestroyedOneAfterTheOther) {
    typename TypeParam::template of<eddy::ready_future<int>> jobs;
    for (int i = 0; i < 1'000'000; ++i) jobs.push(ready(i));
    polled hand(jobs);
    EXPECT_EQ(hand.item(), 0);
    EXPECT_EQ(jobs.size(), 999'999u);
}

// ---- What sets them apart ----

TEST(FuturesUnordered, OutputsComeInTheOrderInWhichTheyAreReady) {
    auto scripts = numbered(4);
    futures_unordered<scripted> jobs;
    for (auto& s : scripts) jobs.push(scripted(s));
    polled hand(jobs);
    assert_pending(hand.poll());
    for (const std::size_t i : {2u, 0u, 3u, 1u}) scripts[i].change(plan::ready);
    for (const int i : {2, 0, 3, 1}) EXPECT_EQ(hand.item().value(), i);
}

TEST(FuturesOrdered, OutputsComeInTheOrderOfThePushes) {
    auto scripts = numbered(4);
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

TEST(FuturesOrdered, PushFrontComesBeforeAllOthers) {
    auto scripts = numbered(3);
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

TEST(FuturesOrdered, ALateWakeOfWhatHasEndedIsHarmless) {
    auto scripts = numbered(2);
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

// ---- Against a model ----

/// Random pushes, wakes, ends, drops and polls. The model: a deque of what was pushed, and the order of the wakes.
template <template <class> class Group, bool in_order>
void agrees_with_a_model(std::uint64_t rounds) {
    std::mt19937_64 random(support::seed());
    for (std::uint64_t round = 0; round < rounds; ++round) {
        std::deque<script> scripts;  // stable addresses
        std::deque<std::size_t> pushed;
        std::optional<Group<scripted>> jobs(std::in_place);
        wake_counter counter;
        const eddy::waker waker = counter.waker();
        bool is_woken = false;  // the model: a poll is owed
        std::uint64_t seen = 0;
        for (int step = 0; step < 200; ++step) {
            switch (random() % 8) {
            case 0:
            case 1:
                pushed.push_back(scripts.size());
                scripts.emplace_back();
                scripts.back().value = static_cast<int>(scripts.size() - 1);
                jobs->push(scripted(scripts.back()));
                is_woken = true;
                break;
            case 2:
            case 3:
                if (!scripts.empty()) {
                    script& s = scripts[random() % scripts.size()];
                    if (s.alive && s.now == plan::pending) {
                        s.change(plan::ready);
                        is_woken = true;
                    }
                }
                break;
            case 4:
                if (!scripts.empty()) {
                    script& s = scripts[random() % scripts.size()];
                    if (!s.waker.is_noop()) s.waker.wake_by_ref();  // for nothing, also of what is gone
                }
                break;
            case 5:
                if (random() % 20 == 0) {
                    jobs->clear();
                    pushed.clear();
                }
                break;
            default:
                eddy::context cx(waker);
                seen = counter.wakes();
                auto answer = jobs->poll_next(cx);
                if (!answer.is_ready()) {
                    is_woken = counter.wakes() != seen;
                    for (const std::size_t i : pushed) {
                        const bool could_come = scripts[i].now == plan::ready && (!in_order || i == pushed.front());
                        if (!is_woken) {
                            EXPECT_FALSE(could_come) << "round " << round << ", step " << step;
                        }
                    }
                } else if (!answer->has_value()) {
                    EXPECT_TRUE(pushed.empty());
                } else {
                    const auto number = static_cast<std::size_t>((*answer)->value());
                    const auto at = std::ranges::find(pushed, number);
                    ASSERT_NE(at, pushed.end());
                    if (in_order) {
                        EXPECT_EQ(number, pushed.front());
                    }
                    EXPECT_EQ(scripts[number].now, plan::ready);
                    EXPECT_FALSE(scripts[number].alive);
                    pushed.erase(at);
                    is_woken = true;
                }
            }
            EXPECT_EQ(jobs->size(), pushed.size());
        }
        jobs.reset();
        for (auto& s : scripts) EXPECT_FALSE(s.alive);
        EXPECT_EQ(counter.wakers(), 1u);
    }
}

TEST(FuturesUnordered, AgreesWithAModel) { agrees_with_a_model<futures_unordered, false>(300); }
TEST(FuturesOrdered, AgreesWithAModel) { agrees_with_a_model<futures_ordered, true>(300); }

// ---- Stress ----

TEST(FuturesUnorderedStress, WokenFromManyThreadsWhileItIsPolledAndDropped) {
    using channel = eddy::sync::oneshot<int>;
    const auto rounds = support::rounds(20'000);
    std::mt19937_64 random(support::seed());
    for (std::uint64_t round = 0; round < rounds; ++round) {
        constexpr int threads = 3;
        constexpr int each = 8;
        futures_unordered<channel::receiver> jobs;
        std::vector<std::vector<channel::sender>> senders(threads);
        for (int i = 0; i < threads * each; ++i) {
            auto ends = channel::channel();
            jobs.push(std::move(ends.receiver));
            senders[static_cast<std::size_t>(i % threads)].push_back(std::move(ends.sender));
        }
        std::atomic<int> line{0};
        std::vector<std::thread> running;
        for (auto& mine : senders) {
            running.emplace_back([&line, &mine] {
                line.fetch_add(1);
                while (line.load() < threads + 1) std::this_thread::yield();
                for (auto& tx : mine) static_cast<void>(tx.send(1));
            });
        }
        while (line.load() < threads) std::this_thread::yield();
        const auto wanted = random() % 2 == 0 ? threads * each : static_cast<int>(random() % (threads * each));
        auto take = [](futures_unordered<channel::receiver>& from, int count) -> task<int> {
            int sum = 0;
            for (int i = 0; i < count; ++i) {
                auto item = co_await from.next();
                sum += item->value();
            }
            co_return sum;
        };
        line.fetch_add(1);
        EXPECT_EQ(eddy::wait(take(jobs, wanted)), wanted);
        if (wanted == threads * each) {
            EXPECT_TRUE(jobs.is_empty());
        }
        {
            const auto dropped = std::move(jobs);
        }
        for (auto& thread : running) thread.join();
    }
}

}  // namespace
