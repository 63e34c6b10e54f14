// SPDX-License-Identifier: MIT
// covers: P093
#include <eddy/future/poll_fn.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/stream.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <ranges>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/items.hpp"
#include "support/polling.hpp"
#include "support/scripted.hpp"
#include "support/stress.hpp"

namespace {

namespace streams = eddy::streams;
using eddy::size_bounds;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::always_ready;
using support::cancellable_scripted;
using support::items_of;
using support::plan;
using support::script;
using support::scripted;
using support::source;
using support::stream_by_hand;

const std::error_code broken = std::make_error_code(std::errc::io_error);

/// A stream with one item for each script.
auto all_of(std::deque<script>& scripts) {
    return streams::iter(std::ref(scripts)).map([](auto&&) { return 0; });
}

/// The futures of all scripts, in order.
auto futures_of(std::deque<script>& scripts) {
    return streams::unfold(std::size_t(0),
                           [&](std::size_t& next) -> std::optional<std::size_t> {
                               if (next == scripts.size()) return std::nullopt;
                               return next++;
                           })
        .map([&](std::size_t i) { return scripted(scripts[i]); });
}

void finish(script& one, int value) {
    one.value = value;
    one.change(plan::ready);
}

TEST(StreamBuffered, BufferedRunsUpToLimitAndKeepsOrder) {
    std::deque<script> scripts(4);
    stream_by_hand items{futures_of(scripts).buffered(2)};
    assert_pending(items.poll());
    EXPECT_TRUE(scripts[0].alive && scripts[1].alive);
    EXPECT_FALSE(scripts[2].alive);
    finish(scripts[1], 1);
    EXPECT_TRUE(items.is_woken());
    assert_pending(items.poll());
    EXPECT_FALSE(scripts[2].alive) << "a finished output counts against the limit until it is yielded";
    finish(scripts[0], 0);
    EXPECT_EQ(**assert_ready(items.poll()), 0);
    EXPECT_EQ(**assert_ready(items.poll()), 1);
    assert_pending(items.poll());
    EXPECT_TRUE(scripts[2].alive && scripts[3].alive);
    finish(scripts[2], 2);
    finish(scripts[3], 3);
    EXPECT_EQ(items.take_ready().size(), 2u);
    EXPECT_FALSE(assert_ready(items.poll()).has_value());
}

TEST(StreamBuffered, BufferUnorderedYieldsOutputsAsTheyAreReady) {
    std::deque<script> scripts(3);
    stream_by_hand items{futures_of(scripts).buffer_unordered(2)};
    assert_pending(items.poll());
    finish(scripts[1], 1);
    EXPECT_EQ(**assert_ready(items.poll()), 1);
    assert_pending(items.poll());
    EXPECT_TRUE(scripts[2].alive) << "the next future starts";
    finish(scripts[2], 2);
    EXPECT_EQ(**assert_ready(items.poll()), 2);
    const int polls = scripts[0].polls;
    assert_pending(items.poll());
    EXPECT_EQ(scripts[0].polls, polls) << "only woken futures are polled";
    finish(scripts[0], 0);
    EXPECT_EQ(**assert_ready(items.poll()), 0);
    EXPECT_FALSE(assert_ready(items.poll()).has_value());
}

TEST(StreamBuffered, BufferedWaitsForTheStreamWhenNothingRuns) {
    source<int> from;
    stream_by_hand items{items_of<int>(from).map([](int i) -> eddy::task<int> { co_return i; }).buffered(3)};
    assert_pending(items.poll());
    from.give(1);
    EXPECT_TRUE(items.is_woken());
    EXPECT_EQ(assert_ready(items.poll()), 1);
    from.end();
    EXPECT_EQ(assert_ready(items.poll()), std::nullopt);
}

TEST(StreamBuffered, LimitOfZeroIsMisuse) {
    std::deque<script> none;
    EXPECT_TRUE(
        support::text_of_misuse([&] { static_cast<void>(futures_of(none).buffered(0)); }).contains("limit of zero"));
    EXPECT_THROW(static_cast<void>(futures_of(none).buffer_unordered(0)), eddy::misuse);
    EXPECT_THROW(static_cast<void>(all_of(none).for_each_concurrent(0, [](int) -> eddy::task<void> { co_return; })),
                 eddy::misuse);
}

TEST(StreamBuffered, DropDestroysRunningFutures) {
    std::deque<script> scripts(3);
    stream_by_hand items{futures_of(scripts).buffer_unordered(2)};
    assert_pending(items.poll());
    items.drop();
    for (const script& each : scripts) EXPECT_FALSE(each.alive);
}

TEST(StreamBuffered, ExceptionPropagatesAndOtherFuturesContinue) {
    std::deque<script> scripts(2);
    stream_by_hand items{futures_of(scripts).buffer_unordered(2)};
    scripts[0].now = plan::throws;
    EXPECT_THROW(static_cast<void>(items.poll()), std::runtime_error);
    assert_pending(items.poll());
    finish(scripts[1], 1);
    EXPECT_EQ(**assert_ready(items.poll()), 1);
    EXPECT_FALSE(assert_ready(items.poll()).has_value());
}

// ---- for_each_concurrent ----

auto run_all(std::deque<script>& scripts, std::size_t limit) {
    return streams::iter(std::views::iota(std::size_t(0), scripts.size()))
        .for_each_concurrent(limit, [&](std::size_t i) { return scripted(scripts[i]).map([](int) {}); });
}

TEST(StreamBuffered, ForEachConcurrentRunsUpToLimit) {
    std::deque<script> scripts(4);
    by_hand each{run_all(scripts, 2)};
    assert_pending(each.poll());
    EXPECT_TRUE(scripts[0].alive && scripts[1].alive && !scripts[2].alive);
    finish(scripts[1], 0);
    EXPECT_TRUE(each.is_woken());
    assert_pending(each.poll());
    EXPECT_TRUE(scripts[2].alive && !scripts[1].alive && !scripts[3].alive);
    for (const std::size_t i : {0, 2, 3}) {
        finish(scripts[i], 0);
        scripts[i].now = plan::ready;
    }
    EXPECT_TRUE(assert_ready(each.poll()).has_value());
    EXPECT_TRUE(support::text_of_misuse([&] {
                    static_cast<void>(each.poll());
                }).starts_with("for_each_concurrent was awaited"));
}

TEST(StreamBuffered, ForEachConcurrentDropsOthersAtFirstError) {
    std::deque<script> scripts(3);
    by_hand each{run_all(scripts, 2)};
    assert_pending(each.poll());
    scripts[1].change(plan::fails);
    EXPECT_EQ(assert_ready(each.poll()).error(), std::errc::io_error);
    for (const script& one : scripts) EXPECT_FALSE(one.alive);
}

TEST(StreamBuffered, ForEachConcurrentStopsAtStreamError) {
    source<eddy::result<int>> from;
    script work;
    by_hand each{
        items_of<eddy::result<int>>(from).for_each_concurrent(5, [&](int) { return scripted(work).map([](int) {}); })};
    from.give(1);
    assert_pending(each.poll());
    EXPECT_TRUE(work.alive);
    from.give(std::unexpected(broken));
    EXPECT_EQ(assert_ready(each.poll()).error(), broken);
    EXPECT_FALSE(work.alive || from.alive);
}

TEST(StreamBuffered, ForEachConcurrentCancelsOthersBeforeItThrows) {
    std::deque<script> scripts(2);
    scripts[0].may_end = false;
    by_hand each{streams::of(0, 1).for_each_concurrent(2, [&](int i) -> eddy::task<void> {
        const auto outcome = co_await cancellable_scripted(scripts[static_cast<std::size_t>(i)]);
        if (!outcome) throw std::runtime_error("failed");
    })};
    assert_pending(each.poll());
    scripts[1].change(plan::fails);
    assert_pending(each.poll());
    EXPECT_TRUE(scripts[0].alive);
    EXPECT_EQ(scripts[0].cancel_polls, 1);
    scripts[0].may_end = true;
    scripts[0].change(plan::pending);
    EXPECT_TRUE(each.is_woken());
    EXPECT_THROW(static_cast<void>(each.poll()), std::runtime_error);
    EXPECT_FALSE(scripts[0].alive);
}

TEST(StreamBuffered, ForEachConcurrentKeepsFunctionWhileFuturesRun) {
    auto text = std::make_shared<std::string>("item");
    std::size_t sum = 0;
    by_hand each{streams::of(1, 2, 3).for_each_concurrent(2, [text, &sum](int i) -> eddy::task<void> {
        co_await eddy::yield_now();
        sum += text->size() * static_cast<std::size_t>(i);
    })};
    while (!each.poll()) EXPECT_TRUE(each.is_woken());
    EXPECT_EQ(sum, 24u);
    EXPECT_EQ(text.use_count(), 1);
}

TEST(StreamBuffered, ForEachConcurrentYieldsWhenTheBudgetIsUsedUp) {
    std::size_t run = 0;
    by_hand each{
        streams::repeat_with([] { return 1; }).take(1000).for_each_concurrent(10, [&](int) -> eddy::task<void> {
            ++run;
            co_return;
        })};
    int polls = 1;
    for (; !each.poll(); ++polls) ASSERT_TRUE(each.is_woken());
    EXPECT_EQ(run, 1000u);
    EXPECT_GE(polls, 8);
    EXPECT_LE(polls, 40);
}

TEST(StreamBufferedStress, EveryOutputArrivesWithinTheLimit) {
    std::mt19937_64 random(support::seed());
    for (std::uint64_t round = support::rounds(5'000); round > 0; --round) {
        const std::size_t count = random() % 40;
        const std::size_t limit = 1 + random() % 8;
        const bool ordered = random() % 2 == 0;
        std::deque<script> scripts(count);
        std::vector<int> seen;
        const auto read = [&](auto stream) {
            stream_by_hand items{std::move(stream)};
            for (;;) {
                if (random() % 2 == 0 && count != 0) {
                    const std::size_t which = random() % count;
                    if (scripts[which].alive && scripts[which].now == plan::pending)
                        finish(scripts[which], static_cast<int>(which));
                }
                auto next = items.poll(static_cast<std::uint32_t>(random() % 5));
                std::size_t alive = 0;
                for (const script& each : scripts) alive += each.alive ? 1 : 0;
                ASSERT_LE(alive, limit);
                if (!next) continue;
                if (!next->has_value()) break;
                seen.push_back(***next);
            }
        };
        if (ordered) {
            read(futures_of(scripts).buffered(limit));
        } else {
            read(futures_of(scripts).buffer_unordered(limit));
            std::ranges::sort(seen);
        }
        ASSERT_EQ(seen.size(), count);
        for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(seen[i], static_cast<int>(i));
    }
}

TEST(StreamBuffered, YieldsWhenStartedFuturesUseUpTheBudget) {
    script never;
    int begun = 0;
    stream_by_hand items{always_ready(begun).map([&](int) { return scripted(never); }).buffer_unordered(1'000'000)};
    assert_pending(items.poll());
    EXPECT_TRUE(items.is_woken());
    EXPECT_LE(begun, 300);
    int called = 0;
    by_hand each{always_ready(called).for_each_concurrent(1'000'000, [&](int) { return scripted(never); })};
    assert_pending(each.poll());
    EXPECT_TRUE(each.is_woken());
    EXPECT_LE(called, 300);
}

TEST(StreamBuffered, SizeHintIncludesRunningFutures) {
    std::deque<script> scripts(3);
    auto futures =
        streams::iter(std::vector<std::size_t>{0, 1, 2}).map([&](std::size_t i) { return scripted(scripts[i]); });
    stream_by_hand items{std::move(futures).buffered(2)};
    EXPECT_EQ(items.stream().size_hint(), size_bounds(3, 3));
    assert_pending(items.poll());
    EXPECT_EQ(items.stream().size_hint(), size_bounds(3, 3));
    finish(scripts[0], 0);
    EXPECT_TRUE(assert_ready(items.poll()).has_value());
    EXPECT_EQ(items.stream().size_hint(), size_bounds(2, 2));
}

TEST(StreamBuffered, PollCancelReachesStreamAndFuturesConcurrently) {
    script from{.may_end = false};
    script work{.may_end = false};
    const auto item_of = [&](support::script& s) { return streams::from_future(cancellable_scripted(s)); };
    script first{.now = plan::ready};
    stream_by_hand items{
        item_of(first).chain(item_of(from)).map([&](auto&&) { return cancellable_scripted(work); }).buffered(2)};
    assert_pending(items.poll());
    EXPECT_TRUE(work.alive && from.alive);
    assert_pending(items.poll_cancel());
    EXPECT_TRUE(from.cancel_polls == 1 && work.cancel_polls == 1);
    work.may_end = true;
    work.change(plan::pending);
    EXPECT_TRUE(items.is_woken());
    assert_pending(items.poll_cancel());
    EXPECT_FALSE(work.alive);
    from.may_end = true;
    EXPECT_TRUE(items.poll_cancel().is_ready());
    EXPECT_FALSE(from.alive);
    EXPECT_FALSE(assert_ready(items.poll()).has_value());
}

TEST(StreamBuffered, PollCancelDropsFuturesThatCannotBeCancelled) {
    script from{.now = plan::ready};
    script work;
    auto first = streams::from_future(cancellable_scripted(from));
    stream_by_hand items{std::move(first).map([&](auto&&) { return scripted(work); }).buffer_unordered(2)};
    assert_pending(items.poll());
    EXPECT_TRUE(work.alive);
    EXPECT_TRUE(items.poll_cancel().is_ready());
    EXPECT_FALSE(work.alive);
}

/// Polls the stream only after a wake, while a source gives items at random. A lost wake would leave items unread.
TEST(StreamBufferedStress, NoWakeIsLost) {
    std::mt19937_64 random(support::seed());
    for (std::uint64_t round = support::rounds(20'000); round > 0; --round) {
        const std::size_t count = random() % 20;
        const std::size_t limit = 1 + random() % 5;
        std::deque<script> scripts(count);
        source<std::size_t> from;
        std::size_t given = 0;
        std::vector<int> seen;
        const auto read = [&](auto stream) {
            stream_by_hand items{std::move(stream)};
            bool has_ended = false;
            const auto poll = [&] {
                for (;;) {
                    auto next = items.poll(1 + static_cast<std::uint32_t>(random() % 4));
                    if (!next && items.is_woken()) continue;
                    if (!next) return;
                    has_ended = !next->has_value();
                    if (has_ended) return;
                    seen.push_back(***next);
                }
            };
            poll();
            for (int steps = 0; !has_ended; ++steps) {
                ASSERT_LT(steps, 10'000) << "a wake is missing";
                if (random() % 2 == 0 && !from.ended) {
                    if (given == count) {
                        from.end();
                    } else {
                        from.give(given++);
                    }
                } else if (given != 0) {
                    const std::size_t which = random() % given;
                    if (scripts[which].alive && scripts[which].now == plan::pending)
                        finish(scripts[which], static_cast<int>(which));
                }
                if (items.is_woken()) poll();
            }
        };
        auto futures = items_of<std::size_t>(from).map([&](std::size_t i) { return scripted(scripts[i]); });
        if (random() % 2 == 0) {
            read(std::move(futures).buffered(limit));
        } else {
            read(std::move(futures).buffer_unordered(limit));
            std::ranges::sort(seen);
        }
        ASSERT_EQ(seen.size(), count);
        for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(seen[i], static_cast<int>(i));
    }
}

// ---- Sharing the coop budget between a stream and its futures ----

/// More polls than any of these tests needs.
constexpr int enough_polls = 100;

/// Yields 1 and then searches forever, like a busy channel behind a filter that rejects all later items.
auto one_then_rejected_items() {
    return streams::repeat_with([next = 1]() mutable { return std::exchange(next, 0); }).filter([](const int& item) {
        return item != 0;
    });
}

TEST(StreamBuffered, ForEachConcurrentRunsDespiteABusyStream) {
    support::script job;
    by_hand all(one_then_rejected_items().for_each_concurrent(4, [&](int) { return support::scripted(job); }));
    assert_pending(all.poll());
    job.change(support::plan::ready);
    for (int i = 0; i < enough_polls && job.alive; ++i) assert_pending(all.poll());
    EXPECT_FALSE(job.alive);
}

TEST(StreamBuffered, BufferedRunsFuturesDespiteABusyStream) {
    const auto comes = [](auto items, support::script& job) {
        stream_by_hand all(std::move(items));
        assert_pending(all.poll());
        job.change(support::plan::ready);
        for (int i = 0; i < enough_polls; ++i) {
            if (auto got = all.poll()) return got->has_value();
        }
        return false;
    };
    support::script job;
    const auto start = [&](int) { return support::scripted(job); };
    EXPECT_TRUE(comes(one_then_rejected_items().map(start).buffer_unordered(4), job));
    job = support::script();
    EXPECT_TRUE(comes(one_then_rejected_items().map(start).buffered(4), job));
}

TEST(StreamBuffered, ForEachConcurrentReadsDespiteABusyFuture) {
    support::source<int> from;
    const auto burn = [](int) {
        return eddy::poll_fn([](eddy::context& cx) -> eddy::poll_result<void> {
            while (cx.consume_budget()) {
            }
            return eddy::not_ready;
        });
    };
    by_hand all(support::items_of<int>(from).for_each_concurrent(100, burn));
    for (int i = 0; i < 20; ++i) {
        from.give(i);
        for (int polls = 0; polls < enough_polls && !from.items.empty(); ++polls) assert_pending(all.poll());
        ASSERT_TRUE(from.items.empty()) << i;
    }
}

}  // namespace
