// SPDX-License-Identifier: MIT
// runs: asan, plain
#include <eddy/task/task.hpp>

#include <eddy/future/poll_fn.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/task/boxed_future.hpp>
#include <eddy/test/by_hand.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/polling.hpp"
#include "support/scripted.hpp"
#include "support/small_stack.hpp"

namespace {

using eddy::result;
using eddy::task;
using eddy::try_;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::cancellable_scripted;
using support::plan;
using support::script;
using support::scripted;

const auto io_error = std::make_error_code(std::errc::io_error);

static_assert(eddy::cancellable_future<task<int>> && eddy::cancellable_future<task<>>);
static_assert(std::is_nothrow_move_constructible_v<task<int>> && std::is_nothrow_move_assignable_v<task<int>>);
static_assert(!std::is_copy_constructible_v<task<int>> && !std::is_copy_assignable_v<task<int>>);

/// Returns the output of a task that never waits.
template <class F>
auto output_of(F f) {
    by_hand hand(std::move(f));
    return assert_ready(hand.poll());
}

/// Counts its objects.
struct local {
    explicit local(int& count) noexcept : count_(count) { ++count_; }
    local(const local&) = delete;
    local& operator=(const local&) = delete;
    ~local() { --count_; }
    int& count_;
};

task<int> returns(int value) { co_return value; }
task<int> throws() {
    throw std::runtime_error("thrown");
    co_return 0;
}

// ---- Basic behavior ----

task<result<std::string>> fails_with(std::errc error) { co_return std::unexpected(error); }

TEST(Task, UnexpectedErrcBecomesErrorCode) {
    EXPECT_EQ(output_of(fails_with(std::errc::timed_out)).error(), std::make_error_code(std::errc::timed_out));
}

TEST(Task, DoesNothingBeforeItIsPolled) {
    bool began = false;
    auto begin = [](bool& flag) -> task<> {
        flag = true;
        co_return;
    };
    {
        [[maybe_unused]] auto never_polled = begin(began);
        EXPECT_FALSE(began);
    }
    EXPECT_FALSE(began);
    output_of(begin(began));
    EXPECT_TRUE(began);
}

TEST(Task, ParametersOfAnUnstartedTaskAreDestroyed) {
    auto shared = std::make_shared<int>(1);
    auto keep = [](std::shared_ptr<int>) -> task<> { co_return; };
    {
        [[maybe_unused]] auto never_polled = keep(shared);
        EXPECT_EQ(shared.use_count(), 2);
    }
    EXPECT_EQ(shared.use_count(), 1);
}

TEST(Task, AwaitReturnsOutputOfChild) {
    auto sum = []() -> task<int> { co_return co_await returns(1) + co_await returns(2); };
    EXPECT_EQ(output_of(sum()), 3);
}

TEST(Task, OutputCanBeMoveOnly) {
    auto inner = []() -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(7); };
    auto outer = [&]() -> task<std::unique_ptr<int>> { co_return co_await inner(); };
    EXPECT_EQ(*output_of(outer()), 7);
}

TEST(Task, ChildFrameIsDestroyedWhenTheChildEnds) {
    int alive = 0;
    auto child = [](int& count) -> task<int> {
        local l(count);
        co_return 1;
    };
    auto parent = [&]() -> task<int> {
        auto named = child(alive);
        const int got = co_await std::move(named);
        EXPECT_EQ(alive, 0);
        co_return got;
    };
    EXPECT_EQ(output_of(parent()), 1);
}

TEST(Task, AwaitOfAnLvalueFutureBorrowsIt) {
    script s;
    auto waits = [](scripted& f) -> task<int> { co_return *co_await f; };
    scripted f(s);
    {
        by_hand hand(waits(f));
        assert_pending(hand.poll());
    }
    EXPECT_TRUE(s.alive);
    s.now = plan::ready;
    s.value = 4;
    EXPECT_EQ(output_of(waits(f)), 4);
}

TEST(Task, AwaitedRvalueFutureIsDestroyedWithTheTask) {
    script s;
    auto waits = [](script& steps) -> task<int> { co_return *co_await scripted(steps); };
    by_hand hand(waits(s));
    EXPECT_FALSE(s.alive);
    assert_pending(hand.poll());
    EXPECT_TRUE(s.alive);
    hand.drop();
    EXPECT_FALSE(s.alive);
}

TEST(Task, LvalueTaskIsPolledInPlace) {
    script s;
    auto inner = [](script& steps) -> task<int> { co_return *co_await scripted(steps); };
    auto borrow = [](task<int>& borrowed) -> task<int> { co_return co_await borrowed; };
    auto borrowed = inner(s);
    {
        by_hand hand(borrow(borrowed));
        assert_pending(hand.poll());
    }
    EXPECT_TRUE(s.alive);
    s.now = plan::ready;
    EXPECT_EQ(output_of(borrow(borrowed)), 0);
}

TEST(Task, StartedTaskCanBeAwaited) {
    script s;
    auto inner = [](script& steps) -> task<int> { co_return *co_await scripted(steps) + 1; };
    auto begun = inner(s);
    const auto noop = eddy::waker::noop();
    eddy::context cx(noop);
    assert_pending(begun.poll(cx));

    auto outer = [](task<int> t) -> task<int> { co_return co_await std::move(t) + 1; };
    by_hand hand(outer(std::move(begun)));
    assert_pending(hand.poll());
    s.value = 40;
    s.change(plan::ready);
    EXPECT_TRUE(hand.is_woken());
    EXPECT_EQ(assert_ready(hand.poll()), 42);
    EXPECT_EQ(s.polls, 3);
}

/// Polls `work` once, so that it waits for the script, and returns it.
template <class F>
auto started(F work) {
    const auto noop = eddy::waker::noop();
    eddy::context cx(noop);
    assert_pending(work.poll(cx));
    return work;
}

template <class T>
task<T> awaits(task<T> inner) {
    co_return co_await std::move(inner);
}

TEST(Task, StartedTaskThrowsInItsAwaiter) {
    script s;
    auto inner = [](script& steps) -> task<std::string> { co_return std::to_string(*co_await scripted(steps)); };
    by_hand hand(awaits(started(inner(s))));
    assert_pending(hand.poll());
    s.change(plan::throws);
    EXPECT_TRUE(hand.is_woken());
    EXPECT_THROW(static_cast<void>(hand.poll()), std::runtime_error);
    EXPECT_FALSE(s.alive);
}

TEST(Task, StartedTaskEndsItsAwaiterWithAnError) {
    // One inner task returns the error, another is ended by try_.
    auto returns_it = [](script& steps) -> task<result<int>> { co_return co_await scripted(steps); };
    auto ends = [](script& steps) -> task<result<int>> { co_return co_await try_(scripted(steps)); };
    auto outer = [](task<result<int>> inner, int& resumed) -> task<result<void>> {
        static_cast<void>(co_await try_(std::move(inner)));
        ++resumed;
        co_return {};
    };
    int resumed = 0;
    for (const bool is_ended : {false, true}) {
        script s;
        by_hand hand(outer(started(is_ended ? ends(s) : returns_it(s)), resumed));
        assert_pending(hand.poll());
        s.change(plan::fails);
        EXPECT_TRUE(hand.is_woken());
        EXPECT_EQ(assert_ready(hand.poll()), std::unexpected(io_error));
        EXPECT_FALSE(s.alive);
    }
    EXPECT_EQ(resumed, 0);
}

TEST(Task, StartedTaskIsDestroyedWithItsAwaiter) {
    for (const int polls : {0, 1}) {
        script s;
        auto inner = [](script& steps) -> task<> { static_cast<void>(co_await scripted(steps)); };
        {
            by_hand hand(awaits(started(inner(s))));
            for (int i = 0; i < polls; ++i) assert_pending(hand.poll());
            EXPECT_TRUE(s.alive);
        }
        EXPECT_FALSE(s.alive);
    }
}

TEST(Task, StartedTaskIsCancelledWithItsAwaiter) {
    script s;
    s.may_end = false;
    auto inner = [](script& steps) -> task<> { static_cast<void>(co_await cancellable_scripted(steps)); };
    by_hand hand(awaits(started(inner(s))));
    assert_pending(hand.poll());
    assert_pending(hand.poll_cancel());
    EXPECT_TRUE(s.alive);
    s.may_end = true;
    assert_ready(hand.poll_cancel());
    EXPECT_EQ(s.cancel_polls, 2);
    EXPECT_FALSE(s.alive);
}

TEST(Task, TaskStartedTwiceIsAwaited) {
    script s;
    auto inner = [](script& steps) -> task<int> { co_return *co_await scripted(steps); };
    by_hand hand(awaits(started(awaits(started(inner(s))))));
    assert_pending(hand.poll());
    s.value = 7;
    s.change(plan::ready);
    EXPECT_EQ(assert_ready(hand.poll()), 7);
    EXPECT_FALSE(s.alive);
}

TEST(Task, BoxedFutureHoldsATaskOrAnyFuture) {
    auto sum = []() -> task<int> {
        eddy::boxed_future<int> of_task = returns(1);
        eddy::boxed_future<int> of_other = eddy::ready(2);
        co_return co_await std::move(of_task) + co_await std::move(of_other);
    };
    EXPECT_EQ(output_of(sum()), 3);
}

// ---- Polling ----

TEST(Task, SpuriousPollDoesNotResumeTheCoroutine) {
    script s;
    int resumed = 0;
    auto waits = [](script& steps, int& count) -> task<> {
        ++count;
        static_cast<void>(co_await scripted(steps));
        ++count;
    };
    by_hand hand(waits(s, resumed));
    for (int i = 1; i <= 10; ++i) {
        assert_pending(hand.poll());
        EXPECT_EQ(s.polls, i);
        EXPECT_EQ(resumed, 1);
    }
    s.change(plan::ready);
    assert_ready(hand.poll());
    EXPECT_EQ(s.polls, 11);
    EXPECT_EQ(resumed, 2);
}

TEST(Task, ReadyLeafDoesNotSuspend) {
    auto waits = []() -> task<int> {
        int sum = 0;
        for (int i = 0; i < 1000; ++i) sum += co_await eddy::ready(1);
        co_return sum;
    };
    by_hand hand(waits());
    EXPECT_EQ(assert_ready(hand.poll()), 1000);
    EXPECT_EQ(hand.wakes(), 0u);
}

task<int> deep(int depth, script& s) {
    if (depth == 0) co_return *co_await scripted(s);
    co_return co_await deep(depth - 1, s);
}

TEST(Task, PollCostDoesNotGrowWithDepth) {
    // 10,000 polls of 100,000 frames: a poll that walks the chain would take minutes.
    script s;
    by_hand hand(deep(100'000, s));
    for (int i = 0; i < 10'000; ++i) assert_pending(hand.poll());
    EXPECT_EQ(s.polls, 10'000);
    s.value = 5;
    s.now = plan::ready;
    EXPECT_EQ(assert_ready(hand.poll()), 5);
}

// ---- Constant native stack ----

task<int> recurse(int depth) {
    if (depth == 0) co_return 0;
    co_return co_await recurse(depth - 1) + 1;
}

TEST(Task, MillionLevelsOfRecursionFitASmallStack) {
    support::run_on_small_stack([] { EXPECT_EQ(output_of(recurse(1'000'000)), 1'000'000); });
}

// covers: R128
TEST(Task, MillionAwaitsOfAReadyChildFitASmallStack) {
    auto loop = []() -> task<long> {
        long sum = 0;
        for (int i = 0; i < 1'000'000; ++i) sum += co_await returns(1);
        co_return sum;
    };
    support::run_on_small_stack([&] { EXPECT_EQ(output_of(loop()), 1'000'000); });
}

// covers: R128
TEST(Task, AwaitsUnderTryAndBoxedFitASmallStack) {
    auto child = [](int& alive) -> task<result<int>> {
        local l(alive);
        co_return 1;
    };
    auto loop = [&](int& alive) -> task<result<long>> {
        local l(alive);
        long sum = 0;
        for (int i = 0; i < 1'000'000; ++i) {
            local inner(alive);
            sum += co_await try_(child(alive));
            sum += *co_await eddy::boxed_future<result<int>>(child(alive));
        }
        co_return sum;
    };
    support::run_on_small_stack([&] {
        int alive = 0;
        EXPECT_EQ(output_of(loop(alive)).value(), 2'000'000);
        EXPECT_EQ(alive, 0);
    });
}

/// Decrements `next` only if it is destroyed after all frames that it awaits.
struct in_order {
    explicit in_order(int& next, int index) noexcept : next_(next), index_(index) { next_ = index; }
    in_order(const in_order&) = delete;
    in_order& operator=(const in_order&) = delete;
    ~in_order() {
        if (next_ == index_) --next_;
    }
    int& next_;
    int index_;
};

task<> deep_in_order(int index, int depth, int& next, script& s) {
    in_order mark(next, index);
    if (index == depth) {
        static_cast<void>(co_await scripted(s));
    } else {
        co_await deep_in_order(index + 1, depth, next, s);
    }
}

TEST(Task, MillionFramesAreDestroyedInnermostFirst) {
    support::run_on_small_stack([] {
        script s;
        int next = 0;
        by_hand hand(deep_in_order(1, 1'000'000, next, s));
        assert_pending(hand.poll());
        ASSERT_EQ(next, 1'000'000);
        hand.drop();
        EXPECT_EQ(next, 0);
        EXPECT_FALSE(s.alive);
    });
}

// ---- Exceptions ----

// covers: R141
TEST(Task, ExceptionIsThrownFromAwaitAndPoll) {
    auto parent = [](bool handle) -> task<std::string> {
        if (!handle) co_return std::to_string(co_await throws());
        std::string text;
        try {
            static_cast<void>(co_await throws());
        } catch (const std::runtime_error& e) {
            text = e.what();
        }
        co_return text;
    };
    EXPECT_EQ(output_of(parent(true)), "thrown");
    EXPECT_THROW(output_of(parent(false)), std::runtime_error);
}

// covers: R141
TEST(Task, ExceptionAfterTheFirstAwaitPropagates) {
    script s;
    auto child = [](script& steps) -> task<int> {
        static_cast<void>(co_await scripted(steps));
        throw std::logic_error("after");
    };
    auto parent = [&]() -> task<int> { co_return co_await child(s); };
    by_hand after(parent());
    assert_pending(after.poll());
    s.change(plan::ready);
    EXPECT_THROW(assert_ready(after.poll()), std::logic_error);

    s.now = plan::pending;
    by_hand leaf(parent());
    assert_pending(leaf.poll());
    s.change(plan::throws);
    EXPECT_THROW(assert_ready(leaf.poll()), std::runtime_error);
    EXPECT_FALSE(s.alive);

    EXPECT_THROW(output_of(parent()), std::runtime_error);  // in the first poll
}

/// Follows a script, has no output, and can be cancelled. If the script says so, throws an exception that owns `kept`.
class scripted_end {
public:
    using output_type = void;

    explicit scripted_end(script& steps, std::shared_ptr<int> kept = nullptr) noexcept
        : steps_(steps), kept_(std::move(kept)) {}

    eddy::poll_result<void> poll(eddy::context& cx) {
        if (steps_.now == plan::throws) throw std::move(kept_);
        if (steps_.now == plan::ready) return eddy::poll_result<void>::ready();
        steps_.waker = cx.waker();
        return eddy::not_ready;
    }
    eddy::poll_result<void> poll_cancel(eddy::context&) {
        ++steps_.cancel_polls;
        return eddy::poll_result<void>::ready();
    }

private:
    script& steps_;
    std::shared_ptr<int> kept_;
};

TEST(Task, ExceptionOfFutureWithoutOutputIsThrownOnce) {
    enum class end : unsigned char { continues, is_cancelled, is_dropped };
    const auto exception = std::make_shared<int>(0);
    const auto body = [&](script& first, script& second, int& caught) -> task<> {
        {
            scripted_end throwing(first, exception);
            try {
                co_await throwing;
            } catch (const std::shared_ptr<int>&) {
                ++caught;
            }
        }
        co_await scripted_end(second);
    };
    for (const bool waits_first : {false, true}) {
        for (const end how : {end::continues, end::is_cancelled, end::is_dropped}) {
            script first;
            script second;
            int caught = 0;
            by_hand hand(body(first, second, caught));
            if (waits_first) assert_pending(hand.poll());
            first.change(plan::throws);
            assert_pending(hand.poll());
            EXPECT_EQ(caught, 1);
            EXPECT_EQ(exception.use_count(), 1) << "the awaiter still has the exception";
            if (how == end::is_cancelled) assert_ready(hand.poll_cancel());
            second.change(plan::ready);
            if (how == end::continues) assert_ready(hand.poll());
            EXPECT_EQ(first.cancel_polls, 0);
            EXPECT_EQ(second.cancel_polls, how == end::is_cancelled ? 1 : 0);
        }
    }
    EXPECT_EQ(exception.use_count(), 1);
}

TEST(Task, ExceptionOfFutureWithoutOutputPropagates) {
    const auto exception = std::make_shared<int>(0);
    const auto child = [&](script& steps) -> task<> { co_await scripted_end(steps, exception); };
    const auto parent = [&](script& steps) -> task<> { co_await child(steps); };
    for (const bool waits_first : {false, true}) {
        script steps;
        by_hand hand(parent(steps));
        if (waits_first) assert_pending(hand.poll());
        steps.change(plan::throws);
        EXPECT_THROW(assert_ready(hand.poll()), std::shared_ptr<int>);
    }
    EXPECT_EQ(exception.use_count(), 1);
}

// Each await of a task that waits uses this memory.
static_assert(sizeof(eddy::detail::leaf_awaiter<scripted_end, void, false>) == 3 * sizeof(void*));

struct throws_when_destroyed {
    throws_when_destroyed() {}
    ~throws_when_destroyed() noexcept(false) { throw std::runtime_error("destructor"); }
};

// covers: R141
TEST(Task, DestructorThatThrowsAfterReturnReplacesTheValue) {
    auto child = []() -> task<std::string> {
        throws_when_destroyed t;
        co_return "a value that must not be leaked, and is longer than a small string";
    };
    EXPECT_THROW(output_of(child()), std::runtime_error);
}

// covers: R141
TEST(Task, ExceptionObjectIsDestroyedAfterDelivery) {
    auto alive = std::make_shared<int>(1);
    auto child = [](std::shared_ptr<int> p) -> task<> {
        throw p;
        co_return;
    };
    {
        by_hand hand(child(alive));
        EXPECT_THROW(assert_ready(hand.poll()), std::shared_ptr<int>);
    }
    EXPECT_EQ(alive.use_count(), 1);
}

// covers: R136
TEST(Task, HandledExceptionIsNotThrownAgain) {
    script s;
    int alive = 0;
    auto handles = [&](script& steps) -> task<int> {
        local l(alive);
        try {
            static_cast<void>(co_await throws());
        } catch (const std::runtime_error&) {
            ++alive;
        }
        --alive;
        co_return *co_await scripted(steps);
    };
    auto outer = [&]() -> task<int> { co_return co_await handles(s); };
    by_hand dropped(outer());
    assert_pending(dropped.poll());
    EXPECT_EQ(alive, 1);
    dropped.drop();
    EXPECT_EQ(alive, 0);

    by_hand ended(outer());
    assert_pending(ended.poll());
    s.change(plan::ready);
    EXPECT_EQ(assert_ready(ended.poll()), 0);
}

// covers: R136
TEST(Task, ExceptionIsDeliveredOnce) {
    by_hand hand(throws());
    EXPECT_THROW(assert_ready(hand.poll()), std::runtime_error);
    EXPECT_THROW(assert_ready(hand.poll()), eddy::misuse);
}

// ---- Cancelling ----

TEST(Task, PollCancelGoesToTheInnermostLeaf) {
    script s{.may_end = false};
    int alive = 0;
    auto inner = [&]() -> task<> {
        local l(alive);
        static_cast<void>(co_await cancellable_scripted(s));
    };
    auto outer = [&]() -> task<> {
        local l(alive);
        co_await inner();
    };
    by_hand hand(outer());
    assert_pending(hand.poll());
    assert_pending(hand.poll_cancel());
    EXPECT_EQ(s.cancel_polls, 1);
    EXPECT_EQ(alive, 2);
    EXPECT_TRUE(s.alive);
    s.may_end = true;
    s.change(plan::pending);
    EXPECT_TRUE(hand.is_woken());
    assert_ready(hand.poll_cancel());
    EXPECT_EQ(s.cancel_polls, 2);
    EXPECT_EQ(alive, 0);
    EXPECT_FALSE(s.alive);
    assert_ready(hand.poll_cancel());  // nothing is left to cancel
    EXPECT_EQ(s.cancel_polls, 2);
}

TEST(Task, PollCancelOfAnUnstartedTaskDestroysIt) {
    auto shared = std::make_shared<int>(1);
    auto keep = [](std::shared_ptr<int>) -> task<> { co_return; };
    by_hand hand(keep(shared));
    assert_ready(hand.poll_cancel());
    EXPECT_EQ(shared.use_count(), 1);
}

// ---- Where a task waits ----

/// A chain of `depth` coroutines below this one. The innermost one awaits the script, or if there is none, any wake-up.
task<int> chain(int depth, script* steps, int& alive) {
    local l(alive);
    if (depth > 0) {
        const int below = co_await chain(depth - 1, steps, alive);
        co_return below + 1;
    }
    if (steps == nullptr) {
        co_await eddy::yield_now();
    } else {
        static_cast<void>(co_await cancellable_scripted(*steps));
    }
    co_return 0;
}

/// The depth of the chain, and whether it awaits a script. A poll starts 16 nested coroutines natively. The loop at the
/// root starts those below.
class WaitingTask : public testing::TestWithParam<std::tuple<int, bool>> {
protected:
    task<int> make() { return chain(depth, awaits_script ? &steps : nullptr, alive); }

    const int depth = std::get<0>(GetParam());
    const bool awaits_script = std::get<1>(GetParam());
    script steps;
    int alive = 0;
};
INSTANTIATE_TEST_SUITE_P(Depths, WaitingTask, testing::Combine(testing::Values(0, 1, 16, 17, 40), testing::Bool()));

TEST_P(WaitingTask, ContinuesInItsInnermostCoroutine) {
    by_hand hand(make());
    assert_pending(hand.poll());
    EXPECT_EQ(alive, depth + 1);
    steps.change(plan::ready);
    EXPECT_EQ(assert_ready(hand.poll()), depth);
    EXPECT_EQ(alive, 0);
}

TEST_P(WaitingTask, DestroysAllItsCoroutines) {
    {
        by_hand hand(make());
        assert_pending(hand.poll());
        EXPECT_EQ(alive, depth + 1);
    }
    EXPECT_EQ(alive, 0);
}

TEST_P(WaitingTask, IsCancelledBeforeItIsDestroyed) {
    by_hand hand(make());
    assert_pending(hand.poll());
    if (awaits_script) {
        steps.may_end = false;
        assert_pending(hand.poll_cancel());
        EXPECT_EQ(alive, depth + 1);
        steps.may_end = true;
    }
    assert_ready(hand.poll_cancel());
    EXPECT_EQ(steps.cancel_polls, awaits_script ? 2 : 0);
    EXPECT_EQ(alive, 0);
}

TEST_P(WaitingTask, IsAwaitedByAnotherTask) {
    by_hand hand(awaits(started(make())));
    if (awaits_script) {
        assert_pending(hand.poll());
        EXPECT_EQ(alive, depth + 1);
        steps.change(plan::ready);
        EXPECT_TRUE(hand.is_woken());
    }
    EXPECT_EQ(assert_ready(hand.poll()), depth);
    EXPECT_EQ(alive, 0);
}

// ---- Moving ----

// covers: R131
TEST(Task, MoveAssignmentDestroysTheFormerTask) {
    const auto noop = eddy::waker::noop();
    eddy::context cx(noop);
    script s;
    int alive = 0;
    auto make = [&]() -> task<int> {
        local l(alive);
        co_return co_await scripted(s) ? 1 : 0;
    };
    auto with_parameter = [](std::shared_ptr<int>) -> task<int> { co_return 2; };

    auto never_begun = std::make_shared<int>(1);
    task<int> target = with_parameter(never_begun);
    target = make();
    EXPECT_EQ(never_begun.use_count(), 1);

    assert_pending(target.poll(cx));  // assignment over a pending task
    EXPECT_EQ(alive, 1);
    target = returns(3);
    EXPECT_EQ(alive, 0);
    EXPECT_FALSE(s.alive);

    EXPECT_EQ(assert_ready(target.poll(cx)), 3);  // over an ended task
    target = throws();
    EXPECT_THROW(assert_ready(target.poll(cx)), std::runtime_error);  // over a failed task
    target = returns(4);
    task<int> moved = std::move(target);
    target = returns(5);  // over an empty task
    EXPECT_EQ(assert_ready(moved.poll(cx)), 4);
    EXPECT_EQ(assert_ready(target.poll(cx)), 5);
}

// covers: R131
TEST(Task, MoveAssignmentToItselfChangesNothing) {
    task<int> t = returns(1);
    auto& alias = t;
    t = std::move(alias);
    EXPECT_EQ(output_of(std::move(t)), 1);
}

// ---- Misuse ----

// covers: R039
TEST(Task, PollAfterTheEndIsMisuse) {
    by_hand hand(returns(1));
    assert_ready(hand.poll());
    const int line = __LINE__ + 1;
    const auto text = support::text_of_misuse([&] { static_cast<void>(hand.poll()); });
    EXPECT_NE(text.find("a task was awaited, spawned or run after it had ended"), std::string::npos) << text;
    EXPECT_NE(text.find("await a task once and keep its output"), std::string::npos) << text;
    EXPECT_NE(text.find("task_test.cpp:" + std::to_string(line)), std::string::npos) << text;
}

// covers: R039
TEST(Task, AwaitAfterTheEndIsMisuse) {
    auto outer = [](task<int> t) -> task<int> {
        static_cast<void>(co_await std::move(t));
        co_return co_await std::move(t);
    };
    EXPECT_THROW(output_of(outer(returns(1))), eddy::misuse);
}

// covers: R039
TEST(Task, WakersCanOutliveTheTaskUnderSanitizers) {
    script s;
    auto waits = [](script& steps) -> task<> { static_cast<void>(co_await scripted(steps)); };
    auto hand = std::make_unique<by_hand<task<>>>(waits(s));
    assert_pending(hand->poll());
    const eddy::waker kept = s.waker;
    s.change(plan::ready);
    assert_ready(hand->poll());
    hand.reset();
    const auto wake = [kept] {
        for (int i = 0; i < 1000; ++i) kept.wake_by_ref();
    };
    std::thread first(wake), second(wake);
    first.join(), second.join();
}

TEST(Task, PollInsideItsOwnPollIsMisuse) {
    std::optional<task<int>> self;
    auto recursive = [&]() -> task<int> {
        auto again = eddy::poll_fn([&](eddy::context& cx) { return self->poll(cx); });
        co_return co_await again;
    };
    self.emplace(recursive());
    const auto noop = eddy::waker::noop();
    eddy::context cx(noop);
    EXPECT_THROW(assert_ready(self->poll(cx)), eddy::misuse);
}

}  // namespace
