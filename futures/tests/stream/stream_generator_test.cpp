// SPDX-License-Identifier: MIT
// covers: P093
#include <eddy/future/yield_now.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/stream.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/fragile.hpp"
#include "support/items.hpp"
#include "support/polling.hpp"
#include "support/scripted.hpp"
#include "support/small_stack.hpp"

namespace {

using eddy::async_generator;
using eddy::elements_of;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::failing_move;
using support::fragile;
using support::plan;
using support::stream_by_hand;

using ints = std::vector<int>;
const std::error_code broken = std::make_error_code(std::errc::io_error);

/// Appends `name` to `log` in its destructor.
struct local {
    std::string& log;
    char name;
    local(std::string& l, char n) noexcept : log(l), name(n) {}
    local(const local&) = delete;
    local& operator=(const local&) = delete;
    ~local() { log += name; }
};

async_generator<int> count_to(int last) {
    for (int i = 1; i <= last; ++i) co_yield i;
}

TEST(AsyncGenerator, YieldsItemsInOrderAndStaysEnded) {
    stream_by_hand items{count_to(3)};
    EXPECT_EQ(items.take_ready(), (ints{1, 2, 3}));
    EXPECT_EQ(assert_ready(items.poll()), std::nullopt) << "the generator stays ended";
}

async_generator<int> note(std::string& log) {
    const local here(log, 'x');
    log += 'a';
    co_yield 1;
    log += 'b';
    co_yield 2;
    log += 'c';
}

TEST(AsyncGenerator, RunsOnlyWhenAnItemIsPolled) {
    std::string log;
    stream_by_hand items{note(log)};
    EXPECT_EQ(log, "");
    EXPECT_EQ(assert_ready(items.poll()), 1);
    EXPECT_EQ(log, "a");
    EXPECT_EQ(assert_ready(items.poll()), 2);
    EXPECT_EQ(log, "ab");
    EXPECT_EQ(assert_ready(items.poll()), std::nullopt);
    EXPECT_EQ(log, "abcx");
}

TEST(AsyncGenerator, CanBeDestroyedBeforeAndAfterItStarts) {
    std::string log;
    {
        stream_by_hand never_begun{note(log)};
    }
    EXPECT_EQ(log, "");
    {
        stream_by_hand items{note(log)};
        static_cast<void>(items.poll());
    }
    EXPECT_EQ(log, "ax");
}

TEST(AsyncGenerator, CanBeMovedBetweenItems) {
    std::string log;
    auto first = note(log);
    EXPECT_EQ(assert_ready(by_hand{first.next()}.poll()), 1);
    auto second = std::move(first);
    EXPECT_EQ(assert_ready(by_hand{first.next()}.poll()), std::nullopt)
        << "a moved-from generator has ended";  // NOLINT
    EXPECT_EQ(assert_ready(by_hand{second.next()}.poll()), 2);
    second = count_to(1);
    EXPECT_EQ(log, "abx") << "the former generator is destroyed";
    auto& same = second;
    second = std::move(same);
    EXPECT_EQ(assert_ready(by_hand{second.next()}.poll()), 1);
    first = count_to(1);
    EXPECT_EQ(assert_ready(by_hand{first.next()}.poll()), 1) << "a moved-from generator can be replaced";
}

async_generator<int> doubled(support::script& work, int times) {
    for (int i = 0; i < times; ++i) {
        const auto value = co_await support::scripted(work);
        co_yield *value * 2;
    }
}

TEST(AsyncGenerator, AwaitsFuturesBetweenItems) {
    support::script work;
    stream_by_hand items{doubled(work, 2)};
    assert_pending(items.poll());
    EXPECT_EQ(items.wakers(), 1u);
    assert_pending(items.poll());
    EXPECT_EQ(work.polls, 2);
    work.value = 4;
    work.change(plan::ready);
    EXPECT_TRUE(items.is_woken());
    EXPECT_EQ(assert_ready(items.poll()), 8);
    work.value = 5;
    EXPECT_EQ(assert_ready(items.poll()), 10);
    EXPECT_EQ(assert_ready(items.poll()), std::nullopt);
}

TEST(AsyncGenerator, DroppedNextLosesNoItem) {
    support::script work;
    auto items = doubled(work, 1);
    {
        by_hand next{items.next()};
        assert_pending(next.poll());
        work.value = 1;
        work.change(plan::ready);
    }
    EXPECT_EQ(assert_ready(by_hand{items.next()}.poll()), 2);
}

async_generator<int> fails_after_one() {
    co_yield 1;
    throw std::runtime_error("after one");
}

TEST(AsyncGenerator, ExceptionPropagatesAndEndsTheGenerator) {
    stream_by_hand items{fails_after_one()};
    EXPECT_EQ(assert_ready(items.poll()), 1);
    EXPECT_THROW(static_cast<void>(items.poll()), std::runtime_error);
    EXPECT_EQ(assert_ready(items.poll()), std::nullopt);
}

async_generator<eddy::result<int>> fallible(support::script& work, std::string& log) {
    const local here(log, 'x');
    for (;;) {
        const int value = co_await eddy::try_(support::scripted(work));
        if (value == 0) co_yield std::unexpected(broken);
        if (value == 9) co_await eddy::try_(eddy::result<int>(std::unexpect, broken));
        co_yield value;
    }
}

TEST(AsyncGenerator, ErrorFromTryIsTheLastItem) {
    for (const bool at_once : {true, false}) {
        support::script work;
        std::string log;
        stream_by_hand items{fallible(work, log)};
        work.now = plan::ready;
        work.value = 3;
        EXPECT_EQ(**assert_ready(items.poll()), 3);
        if (!at_once) {
            work.now = plan::pending;
            assert_pending(items.poll());
            work.change(plan::fails);
        } else {
            work.now = plan::fails;
        }
        EXPECT_EQ(assert_ready(items.poll())->error(), std::errc::io_error);
        EXPECT_EQ(log, "x") << "the coroutine frame is destroyed with the last item";
        EXPECT_FALSE(work.alive);
        EXPECT_FALSE(assert_ready(items.poll()).has_value());
    }
}

TEST(AsyncGenerator, YieldedErrorDoesNotEndTheGenerator) {
    support::script work;
    std::string log;
    stream_by_hand items{fallible(work, log)};
    work.now = plan::ready;
    EXPECT_FALSE(assert_ready(items.poll())->has_value());
    EXPECT_EQ(**assert_ready(items.poll()), 0);
    work.value = 9;
    EXPECT_FALSE(assert_ready(items.poll())->has_value()) << "a plain result under try_";
    EXPECT_FALSE(assert_ready(items.poll()).has_value());
}

eddy::task<int> deep(int depth, support::script& work) {
    if (depth == 0) co_return *co_await support::scripted(work);
    const int below = co_await deep(depth - 1, work);
    co_return below + 1;
}

async_generator<int> over_deep(int depth, support::script& work) {
    for (;;) {
        const int value = co_await deep(depth, work);
        co_yield value;
    }
}

TEST(AsyncGenerator, DeepAwaitChainDoesNotOverflowStack) {
    support::script work;
    stream_by_hand items{over_deep(100'000, work)};
    assert_pending(items.poll());
    work.change(plan::ready);
    EXPECT_EQ(assert_ready(items.poll()), 100'000);
    work.now = plan::pending;
    assert_pending(items.poll());
    items.drop();
    EXPECT_FALSE(work.alive);
}

async_generator<int> tree(int depth, std::string* log = nullptr) {
    std::optional<local> here;
    if (log != nullptr) here.emplace(*log, static_cast<char>('0' + depth));
    if (depth > 0) co_yield elements_of(tree(depth - 1, log));
    co_yield depth;
    if (depth > 0) co_yield elements_of(tree(depth - 1, log));
}

TEST(AsyncGenerator, ElementsOfYieldsAllItemsOfInnerGenerator) {
    EXPECT_EQ((stream_by_hand{tree(2)}.take_ready()), (ints{0, 1, 0, 2, 0, 1, 0}));
    std::string log;
    {
        stream_by_hand items{tree(3, &log)};
        EXPECT_EQ(assert_ready(items.poll()), 0);
        EXPECT_EQ(log, "");
        EXPECT_EQ(assert_ready(items.poll()), 1);
        EXPECT_EQ(log, "0");
    }
    EXPECT_EQ(log, "0123") << "destroyed innermost first";
}

async_generator<int> nested(int depth, int items) {
    if (depth == 0) {
        for (int i = 0; i < items; ++i) co_yield i;
    } else {
        co_yield elements_of(nested(depth - 1, items));
    }
}

TEST(AsyncGenerator, DeepNestingUsesNoNativeStack) {
    stream_by_hand items{nested(100'000, 1000)};
    int sum = 0;
    for (auto next = items.poll(); next->has_value(); next = items.poll()) sum += **next;
    EXPECT_EQ(sum, 1000 * 999 / 2);
}

async_generator<int> waits_inside(support::script& work) {
    co_yield 1;
    co_yield elements_of(doubled(work, 1));
    co_yield 3;
}

TEST(AsyncGenerator, InnerGeneratorCanWait) {
    support::script work;
    stream_by_hand items{waits_inside(work)};
    EXPECT_EQ(assert_ready(items.poll()), 1);
    assert_pending(items.poll());
    work.value = 1;
    work.change(plan::ready);
    EXPECT_EQ(items.take_ready(), (ints{2, 3}));
}

async_generator<int> catches(int which) {
    try {
        co_yield elements_of(fails_after_one());
    } catch (const std::runtime_error&) {
        which += 100;
    }
    co_yield which;
    co_yield elements_of(count_to(0));
    co_yield which + 1;
}

TEST(AsyncGenerator, InnerExceptionIsThrownFromElementsOf) {
    EXPECT_EQ((stream_by_hand{catches(7)}.take_ready()), (ints{1, 107, 108}));
}

async_generator<eddy::result<int>> over_fallible(support::script& work, std::string& log) {
    const local here(log, 'y');
    co_yield elements_of(fallible(work, log));
    co_yield 1000;
}

TEST(AsyncGenerator, InnerErrorIsTheLastItemOfBothGenerators) {
    for (const int good : {0, 1}) {
        support::script work;
        std::string log;
        stream_by_hand items{over_fallible(work, log)};
        if (good != 0) {
            work.now = plan::ready;
            work.value = 5;
            EXPECT_EQ(**assert_ready(items.poll()), 5);
        }
        work.now = plan::fails;
        EXPECT_EQ(assert_ready(items.poll())->error(), std::errc::io_error);
        EXPECT_EQ(log, "xy");
        EXPECT_FALSE(assert_ready(items.poll()).has_value());
    }
}

async_generator<int> yields_one_that_has_begun(async_generator<int>& begun) { co_yield elements_of(std::move(begun)); }

TEST(AsyncGenerator, ElementsOfStartedGeneratorIsMisuse) {
    auto begun = count_to(3);
    EXPECT_EQ(assert_ready(by_hand{begun.next()}.poll()), 1);
    stream_by_hand items{yields_one_that_has_begun(begun)};
    EXPECT_TRUE(support::text_of_misuse([&] { static_cast<void>(items.poll()); }).contains("loop over the rest"));
    auto ended = count_to(0);
    EXPECT_EQ(assert_ready(by_hand{ended.next()}.poll()), std::nullopt);
    EXPECT_EQ((stream_by_hand{yields_one_that_has_begun(ended)}.take_ready()), ints());
}

async_generator<int> loops_over(async_generator<int> inner) {
    while (auto item = co_await inner.next()) co_yield *item * 10;
}

TEST(AsyncGenerator, CanLoopOverAnotherGenerator) {
    EXPECT_EQ((stream_by_hand{loops_over(loops_over(count_to(2)))}.take_ready()), (ints{100, 200}));
}

async_generator<std::unique_ptr<int>> pointers() {
    auto one = std::make_unique<int>(1);
    co_yield std::move(one);
    co_yield nullptr;
}

TEST(AsyncGenerator, ItemsCanBeMoveOnly) {
    stream_by_hand items{pointers()};
    EXPECT_EQ(**assert_ready(items.poll()), 1);
    EXPECT_EQ(*assert_ready(items.poll()), nullptr);
    EXPECT_FALSE(assert_ready(items.poll()).has_value());
}

struct throws_when_copied {
    throws_when_copied() {}
    throws_when_copied(const throws_when_copied&) { throw std::runtime_error("copied"); }
    throws_when_copied(throws_when_copied&&) noexcept = default;
};

async_generator<throws_when_copied> yields_a_copy(int& caught) {
    const throws_when_copied original;
    try {
        co_yield original;
    } catch (const std::runtime_error&) {
        ++caught;
    }
    co_yield throws_when_copied();
}

TEST(AsyncGenerator, ExceptionOfACopyIsThrownFromCoYield) {
    int caught = 0;
    stream_by_hand items{yields_a_copy(caught)};
    EXPECT_TRUE(assert_ready(items.poll()).has_value());
    EXPECT_EQ(caught, 1);
    EXPECT_FALSE(assert_ready(items.poll()).has_value());
}

TEST(AsyncGenerator, EachItemCostsOneBudgetUnit) {
    stream_by_hand items{count_to(3)};
    assert_pending(items.poll(0));
    EXPECT_TRUE(items.is_woken());
    by_hand sum{count_to(1000).fold(0, [](int a, int b) { return a + b; })};
    int polls = 1;
    for (auto answer = sum.poll(); !answer; answer = sum.poll()) ++polls;
    EXPECT_EQ(polls, 1000 / 128 + 1);
}

TEST(AsyncGenerator, ForwardsPollCancelToTheAwaitedFuture) {
    support::script work;
    work.may_end = false;
    const auto waits = [](support::script& s) -> async_generator<int> {
        const auto value = co_await support::cancellable_scripted(s);
        co_yield *value;
    };
    stream_by_hand items{waits(work)};
    assert_pending(items.poll());
    EXPECT_FALSE(items.poll_cancel().is_ready());
    work.may_end = true;
    EXPECT_TRUE(items.poll_cancel().is_ready());
    EXPECT_FALSE(work.alive);
    EXPECT_EQ(assert_ready(items.poll()), std::nullopt);
    EXPECT_TRUE(items.poll_cancel().is_ready()) << "it has ended";
}

TEST(AsyncGenerator, WorksWithoutARuntime) {
    const auto sums = [](int last) -> async_generator<int> {
        int sum = 0;
        for (int i = 0; i <= last; ++i) {
            co_await eddy::yield_now();
            co_yield sum += i;
        }
    };
    EXPECT_EQ(eddy::wait(sums(4).collect()), (ints{0, 1, 3, 6, 10}));
}

async_generator<int> polls_itself(async_generator<int>*& self, std::string& text) {
    co_yield 1;
    text = support::text_of_misuse([&] { static_cast<void>(by_hand{self->next()}.poll()); });
    co_yield 2;
}

TEST(AsyncGenerator, PollInsideItsOwnPollIsMisuse) {
    async_generator<int>* self = nullptr;
    std::string text;
    auto items = polls_itself(self, text);
    self = &items;
    EXPECT_EQ(assert_ready(by_hand{items.next()}.poll()), 1);
    EXPECT_EQ(assert_ready(by_hand{items.next()}.poll()), 2);
    EXPECT_TRUE(text.contains("inside its own poll")) << text;
}

TEST(AsyncGenerator, ContinuesAfterCatchingAThrowingItemMove) {
    auto make = []() -> async_generator<fragile> {
        for (int i = 1; i <= 4; ++i) {
            bool has_thrown = false;
            try {
                co_yield fragile(i);
            } catch (const std::runtime_error&) {
                has_thrown = true;
            }
            if (has_thrown) co_yield fragile(-7);
        }
    };
    for (int nth = 0; nth < 12; ++nth) {
        stream_by_hand items(make());
        ints got;
        {
            const failing_move fails(nth);
            for (int i = 0; i < 10; ++i) {
                try {
                    auto next = items.poll();
                    if (!next || !next->has_value()) break;
                    got.push_back((*next)->number);
                } catch (const std::runtime_error&) {  // NOLINT(bugprone-empty-catch): the item is lost
                }
            }
        }
        ASSERT_GE(got.size(), 3u) << nth;
        for (const int one : got) EXPECT_NE(one, -1) << "the item was moved from";
        EXPECT_FALSE(assert_ready(items.poll()).has_value());
    }
}

async_generator<int> levels(int depth) {
    if (depth > 0) co_yield elements_of(levels(depth - 1));
    co_yield depth;
    if (depth == 50'000) throw std::runtime_error("at the top");
}

TEST(AsyncGenerator, DeepNestingEndsOnASmallStack) {
    support::run_on_small_stack([] {
        {
            stream_by_hand items(levels(50'000));
            int thrown = 0;
            int got = 0;
            for (int i = 0; i < 100'000; ++i) {
                try {
                    auto next = assert_ready(items.poll());
                    if (!next) break;
                    EXPECT_EQ(*next, got++);
                } catch (const std::runtime_error&) {
                    ++thrown;
                }
            }
            EXPECT_EQ(got, 50'001);
            EXPECT_EQ(thrown, 1);
        }
        {
            stream_by_hand dropped(levels(40'000));
            EXPECT_EQ(assert_ready(dropped.poll()), 0);
        }
        stream_by_hand cancelled(levels(40'000));
        EXPECT_EQ(assert_ready(cancelled.poll()), 0);
        EXPECT_TRUE(cancelled.poll_cancel().is_ready());
    });
}

}  // namespace
