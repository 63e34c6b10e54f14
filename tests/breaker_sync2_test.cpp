// SPDX-License-Identifier: MIT
// What breaks what tasks wait for each other with, the second time: what takes the whole budget of its task in each poll, and by
// that starves what stands beside it; streams that are moved while something inside waits; destructors of streams that change
// the map that they are in; memory of what was given up.
#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <expected>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/boxed_future.hpp>
#include <eddy/futures_unordered.hpp>
#include <eddy/join_all.hpp>
#include <eddy/poll_fn.hpp>
#include <eddy/ready.hpp>
#include <eddy/select.hpp>
#include <eddy/shielded.hpp>
#include <eddy/sink.hpp>
#include <eddy/stream.hpp>
#include <eddy/stream_map.hpp>
#include <eddy/sync/broadcast.hpp>
#include <eddy/sync/watch.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/time/interval.hpp>

#include "support/items.hpp"
#include "support/runtime.hpp"
#include "support/scripted.hpp"
#include "support/time_loop.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::test::assert_pending;
using eddy::test::by_hand;
using support::stream_by_hand;
namespace streams = eddy::streams;
namespace sync = eddy::sync;

// ---- What takes the whole budget of each poll ----

/// More polls than anything here needs.
constexpr int enough_polls = 100;

/// 1, and then for ever what nobody wants: a busy channel, behind a filter that lets next to nothing through.
auto one_and_then_noise() {
    return streams::repeat_with([next = 1]() mutable { return std::exchange(next, 0); }).filter([](const int& item) {
        return item != 0;
    });
}

TEST(BreakerStarving, AStreamThatGivesNothingLetsTheFuturesOfForEachConcurrentRun) {
    support::script job;
    by_hand all(one_and_then_noise().for_each_concurrent(4, [&](int) { return support::scripted(job); }));
    assert_pending(all.poll());
    job.change(support::plan::ready);
    for (int i = 0; i < enough_polls && job.alive; ++i) assert_pending(all.poll());
    EXPECT_FALSE(job.alive);
}

TEST(BreakerStarving, AStreamThatGivesNothingLetsBufferedFuturesRun) {
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
    EXPECT_TRUE(comes(one_and_then_noise().map(start).buffer_unordered(4), job));
    job = support::script();
    EXPECT_TRUE(comes(one_and_then_noise().map(start).buffered(4), job));
}

/// The other way round: a future that takes the whole budget leaves some to the stream.
TEST(BreakerStarving, AFutureThatNeverEndsLetsTheStreamOfForEachConcurrentGoOn) {
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

/// Counts what was flushed, for a unit of the budget.
class counting_sink : public eddy::sink_ops<counting_sink> {
public:
    using error_type = std::error_code;
    using outcome = std::expected<void, std::error_code>;

    explicit counting_sink(int& flushed) noexcept : flushed_(&flushed) {}

    static eddy::poll_result<outcome> poll_ready(eddy::context&) { return outcome(); }
    outcome start_send(int) {
        ++taken_;
        return {};
    }
    eddy::poll_result<outcome> poll_flush(eddy::context& cx) {
        if (!cx.consume_budget()) return eddy::not_ready;
        *flushed_ = taken_;
        return outcome();
    }
    eddy::poll_result<outcome> poll_close(eddy::context& cx) { return poll_flush(cx); }

private:
    int* flushed_;
    int taken_ = 0;
};

TEST(BreakerStarving, WhatIsInTheSinkIsFlushedWhileTheStreamGivesNothing) {
    int flushed = 0;
    by_hand all(one_and_then_noise().forward(counting_sink(flushed)));
    for (int i = 0; i < enough_polls && flushed == 0; ++i) assert_pending(all.poll());
    EXPECT_EQ(flushed, 1);
}

/// Two futures, the first of which goes on, at the cost of the whole budget, until the second has had its turn.
struct two_that_end_together {
    bool is_over = false;

    auto first() {
        return eddy::shielded(eddy::poll_fn([this](eddy::context& cx) -> eddy::poll_result<int> {
            while (!is_over) {
                if (!cx.consume_budget()) return eddy::not_ready;
            }
            return 1;
        }));
    }
    auto second() {
        return eddy::shielded(
            eddy::poll_fn([this, has_begun = false](eddy::context& cx) mutable -> eddy::poll_result<int> {
                if (!std::exchange(has_begun, true) || !cx.consume_budget()) return eddy::not_ready;
                is_over = true;
                return 2;
            }));
    }
};

template <class F>
bool ends_its_children(F group) {
    by_hand all(std::move(group));
    assert_pending(all.poll());
    for (int i = 0; i < enough_polls; ++i) {
        if (all.poll_cancel()) return true;
    }
    return false;
}

TEST(BreakerStarving, ChildrenThatAreShieldedTakeTurnsInTheirEnd) {
    two_that_end_together pair;
    EXPECT_TRUE(ends_its_children(eddy::select(pair.first(), pair.second(), eddy::pending<int>())));
    pair.is_over = false;
    std::vector<eddy::boxed_future<int>> both;
    both.emplace_back(pair.first());
    both.emplace_back(pair.second());
    EXPECT_TRUE(ends_its_children(eddy::join_all(std::move(both))));
}

// ---- Streams that are moved between two items, while something inside waits ----

/// The next item of a stream that is moved after it has given one, with `more` before the second.
template <class S>
bool goes_on_after_a_move(S items, const std::function<void()>& more) {
    const eddy::test::wake_counter counter;
    const eddy::waker waker = counter.waker();
    eddy::context cx(waker, 1000);
    if (auto first = items.poll_next(cx); !first || !first->has_value()) return false;
    auto rest = std::move(items).take(10);
    more();
    if (auto second = rest.poll_next(cx)) return second->has_value();
    const auto seen = counter.wakes();
    more();
    if (counter.wakes() == seen) return false;
    auto third = rest.poll_next(cx);
    return third && third->has_value();
}

TEST(BreakerMoving, AStreamOfABroadcastWaitsInsideOfWhatIsMoved) {
    const auto stream_of = [](sync::broadcast<int>::sender& tx) {
        sync::broadcast_stream<int> items(tx.subscribe());
        static_cast<void>(tx.send(1));
        return items;
    };
    auto ends = sync::broadcast<int>::channel(8);
    auto& tx = ends.sender;
    const auto send = [&] { static_cast<void>(tx.send(2)); };
    EXPECT_TRUE(goes_on_after_a_move(stream_of(tx).ready_chunks(4), send));
    const auto run = [](auto item) { return eddy::ready(item.value()); };
    EXPECT_TRUE(goes_on_after_a_move(stream_of(tx).map(run).buffer_unordered(4), send));
    EXPECT_TRUE(goes_on_after_a_move(stream_of(tx).map(run).buffered(4), send));
}

TEST(BreakerMoving, AStreamOfAWatchWaitsInsideOfWhatIsMoved) {
    auto [tx, rx] = sync::watch<int>::channel(1);
    const auto send = [&to = tx] { static_cast<void>(to.send(2)); };
    EXPECT_TRUE(goes_on_after_a_move(sync::watch_stream<int>(rx).ready_chunks(4), send));
    auto others = streams::once(5).chain(streams::pending<int>());
    EXPECT_TRUE(goes_on_after_a_move(sync::watch_stream<int>::from_changes(rx).merge(std::move(others)), send));
}

TEST(BreakerMoving, ATimerWaitsInsideOfWhatIsMoved) {
    support::time_loop loop;
    const auto later = [&] { loop.advance(1s); };
    const auto one = [] { return streams::once(1).chain(streams::pending<int>()); };
    const auto ticks = [] {
        return eddy::time::interval_at(eddy::time::clock::now() + 10ms, 10ms).map([](auto) { return 0; });
    };
    EXPECT_TRUE(goes_on_after_a_move(ticks().merge(one()), later));
    EXPECT_TRUE(goes_on_after_a_move(one().merge(ticks()), later));
    const auto seldom = [] { return streams::of(1, 2, 3).throttle(10ms); };
    EXPECT_TRUE(goes_on_after_a_move(seldom().merge(one()), later));
    const auto times_out = [] { return streams::pending<int>().timeout(10ms).map([](auto) { return 0; }); };
    EXPECT_TRUE(goes_on_after_a_move(one().merge(times_out()), later));
}

// ---- Destructors of streams that change the map that they are in ----

/// A stream that calls back when it is destroyed.
class calls_at_its_end : public eddy::stream_ops<calls_at_its_end> {
public:
    using item_type = int;

    explicit calls_at_its_end(std::function<void()> call) : call_(std::move(call)) {}
    calls_at_its_end(calls_at_its_end&& other) noexcept : call_(std::exchange(other.call_, {})) {}
    calls_at_its_end& operator=(calls_at_its_end&&) = delete;
    ~calls_at_its_end() {
        if (call_) call_();
    }

    static eddy::poll_result<std::optional<int>> poll_next(eddy::context&) { return eddy::not_ready; }

private:
    std::function<void()> call_;
};

using map_of_streams = eddy::stream_map<int, calls_at_its_end>;

TEST(BreakerStreamMap, AStreamThatIsReplacedMayChangeTheMap) {
    map_of_streams all;
    bool was_there = true;
    const auto look = [&] {
        was_there = all.find(1) != nullptr || all.remove(1);
        static_cast<void>(all.size_hint());
        for (int key = 2; key < 200; ++key) all.insert(key, calls_at_its_end({}));  // and by that moves its places
    };
    all.insert(1, calls_at_its_end(look));
    EXPECT_FALSE(all.insert(1, calls_at_its_end({})));
    EXPECT_FALSE(was_there);
    EXPECT_TRUE(all.contains(1));
    EXPECT_EQ(all.size(), 199u);
}

TEST(BreakerStreamMap, AStreamThatIsReplacedMayPutAnotherInItsPlace) {
    map_of_streams all;
    all.insert(1, calls_at_its_end([&] { all.insert(1, calls_at_its_end({})); }));
    EXPECT_FALSE(all.insert(1, calls_at_its_end({})));
    EXPECT_EQ(all.size(), 1u);
}

TEST(BreakerStreamMap, StreamsThatAreClearedMayChangeTheMap) {
    map_of_streams all;
    bool was_there = false;
    const auto look = [&] {
        was_there |= all.find(1) != nullptr || all.find(2) != nullptr || all.remove(1) || all.remove(2);
        all.insert(3, calls_at_its_end({}));
    };
    all.insert(1, calls_at_its_end(look));
    all.insert(2, calls_at_its_end(look));
    all.clear();
    EXPECT_FALSE(was_there);
    EXPECT_EQ(all.size(), 1u) << "what a destructor has put there";
    EXPECT_TRUE(all.remove(3));
    EXPECT_TRUE(all.is_empty());
}

// ---- Memory that is kept too long ----

/// A future that notes where it has been.
class noted_future : public eddy::future_ops<noted_future> {
public:
    using output_type = void;

    explicit noted_future(std::set<const void*>& places) : places_(&places) {}
    noted_future(noted_future&& other) noexcept : places_(other.places_) { places_->insert(this); }
    noted_future& operator=(noted_future&&) = delete;
    ~noted_future() = default;

    static eddy::poll_result<void> poll(eddy::context&) { return eddy::not_ready; }

private:
    std::set<const void*>* places_;
};

TEST(BreakerMemory, FuturesThatAreGivenUpBeforeTheyWerePolledLeaveNoMemoryBehind) {
    if (support::is_sanitized) GTEST_SKIP() << "blocks are not used again at once";
    std::set<const void*> places;
    eddy::futures_unordered<noted_future> jobs;
    for (int i = 0; i < 10'000; ++i) {
        jobs.push(noted_future(places));
        jobs.clear();
    }
    EXPECT_LT(places.size(), 1000u);
}

TEST(BreakerMemory, WhatIsHeldIsPolledThoughManyOthersWereGivenUp) {
    std::vector<support::script> scripts(10);
    eddy::futures_unordered<support::scripted> jobs;
    support::script others;
    for (auto& mine : scripts) {
        mine.now = support::plan::ready;
        mine.value = static_cast<int>(&mine - scripts.data());
        jobs.push(support::scripted(mine));
    }
    eddy::stream_map<int, streams::future_stream<support::scripted>> map;
    for (int i = 0; i < 10; ++i)
        map.insert(i, streams::from_future(support::scripted(scripts[static_cast<std::size_t>(i)])));
    for (int i = 10; i < 1000; ++i) {
        map.insert(i, streams::from_future(support::scripted(others)));
        if (i % 3 != 0) map.remove(i);
    }
    for (int i = 12; i < 1000; i += 3) map.remove(i);
    stream_by_hand items(std::move(map));
    std::vector<int> keys;
    for (auto& item : items.take_ready()) keys.push_back(item.key);
    EXPECT_EQ(keys, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
    EXPECT_EQ(others.polls, 0);
    stream_by_hand outputs(std::move(jobs));
    EXPECT_EQ(outputs.take_ready().size(), 10u);
}

}  // namespace
