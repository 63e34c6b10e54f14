// SPDX-License-Identifier: MIT
// covers: P094
#include <eddy/stream.hpp>
#include <eddy/stream/select_all_stream.hpp>
#include <eddy/stream/stream_map.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
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
using eddy::stream_map;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::items_of;
using support::source;
using support::stream_by_hand;

using int_map = stream_map<std::string, items_of<int>>;

/// Returns the next item as text: "key value", "wait" or "end".
std::string next_of(int_map& map) {
    by_hand next{map.next()};
    auto answer = next.poll();
    if (!answer) return "wait";
    if (!answer->has_value()) return "end";
    return (**answer).key + " " + std::to_string((**answer).value);
}

TEST(StreamMap, YieldsItemsWithTheirKeys) {
    source<int> a;
    source<int> b;
    int_map map;
    EXPECT_EQ(next_of(map), "end") << "an empty map has ended";
    EXPECT_TRUE(map.insert("a", items_of<int>(a)));
    EXPECT_TRUE(map.insert("b", items_of<int>(b)));
    EXPECT_EQ(map.size(), 2u);
    EXPECT_TRUE(map.contains("a") && !map.contains("c"));
    by_hand next{map.next()};
    assert_pending(next.poll());
    b.give(1);
    EXPECT_TRUE(next.is_woken());
    const auto item = assert_ready(next.poll());
    EXPECT_TRUE(item->key == "b" && item->value == 1);
    a.give(2);
    EXPECT_EQ(next_of(map), "a 2");
    EXPECT_EQ(next_of(map), "wait");
}

TEST(StreamMap, EndedStreamIsRemovedAndMapEndsWithLastStream) {
    source<int> a;
    source<int> b;
    source<int> c;
    int_map map;
    map.insert("a", items_of<int>(a));
    map.insert("b", items_of<int>(b));
    a.end();
    EXPECT_EQ(next_of(map), "wait");
    EXPECT_FALSE(map.contains("a"));
    EXPECT_FALSE(a.alive);
    b.give(7);
    b.end();
    EXPECT_EQ(next_of(map), "b 7");
    EXPECT_EQ(next_of(map), "end");
    EXPECT_TRUE(map.is_empty());
    map.insert("c", items_of<int>(c));
    c.give(1);
    EXPECT_EQ(next_of(map), "c 1") << "the map continues after its end";
}

TEST(StreamMap, InsertReplacesTheStreamOfAnExistingKey) {
    source<int> old_one;
    source<int> new_one;
    int_map map;
    map.insert("a", items_of<int>(old_one));
    EXPECT_EQ(next_of(map), "wait");
    EXPECT_FALSE(map.insert("a", items_of<int>(new_one)));
    EXPECT_FALSE(old_one.alive);
    EXPECT_EQ(map.size(), 1u);
    new_one.give(5);
    EXPECT_EQ(next_of(map), "a 5");
}

/// A stream whose move constructor throws if `fails` is set.
class fails_to_move : public eddy::stream_ops<fails_to_move> {
public:
    using item_type = int;

    explicit fails_to_move(const bool& fails) noexcept : fails_(&fails) {}
    fails_to_move(fails_to_move&& other) : fails_(other.fails_) {
        if (*fails_) throw std::runtime_error("on purpose");
    }
    fails_to_move& operator=(fails_to_move&&) = delete;
    ~fails_to_move() = default;

    static eddy::poll_result<std::optional<int>> poll_next(eddy::context&) { return std::optional(1); }

private:
    const bool* fails_;
};

TEST(StreamMap, FailedInsertLeavesNoKey) {
    bool fails = true;
    stream_map<std::string, fails_to_move> map;
    EXPECT_THROW(map.insert("a", fails_to_move(fails)), std::runtime_error);
    EXPECT_FALSE(map.contains("a"));
    EXPECT_EQ(map.size(), 0u);
    fails = false;
    EXPECT_TRUE(map.insert("a", fails_to_move(fails)));
    by_hand next{map.next()};
    EXPECT_EQ(assert_ready(next.poll())->key, "a");
}

// The map stores a clone of the waker after it has found no item. Then it must look again.
TEST(StreamMap, ItemThatArrivesDuringCloneOfTheWakerIsReturned) {
    source<int> a;
    int calls = 0;
    support::calling_waker gives([&] {
        if (calls++ == 0) a.give(7);
    });
    int_map map;  // keeps a clone of the waker
    map.insert("a", items_of<int>(a));
    const eddy::waker waker = gives.waker_that_always_calls();
    eddy::context cx(waker);
    const auto item = assert_ready(map.poll_next(cx));
    EXPECT_EQ(item->value, 7);
}

TEST(StreamMap, RemoveDestroysAStreamThatWasWoken) {
    source<int> a;
    source<int> b;
    int_map map;
    map.insert("a", items_of<int>(a));
    map.insert("b", items_of<int>(b));
    EXPECT_EQ(next_of(map), "wait");
    EXPECT_NE(map.find("a"), nullptr);
    a.give(1);
    EXPECT_TRUE(map.remove("a"));
    EXPECT_FALSE(map.remove("a"));
    EXPECT_EQ(map.find("a"), nullptr);
    EXPECT_FALSE(a.alive);
    EXPECT_EQ(next_of(map), "wait");
    b.give(2);
    map.clear();
    EXPECT_FALSE(b.alive);
    EXPECT_EQ(next_of(map), "end");
}

TEST(StreamMap, PollsOnlyWokenStreams) {
    std::deque<source<int>> sources(1000);
    stream_map<std::size_t, items_of<int>> map;
    for (std::size_t i = 0; i < sources.size(); ++i) map.insert(i, items_of<int>(sources[i]));
    stream_by_hand items{std::move(map)};
    while (!items.poll().is_ready() && items.is_woken()) {
    }
    sources[700].give(1);
    EXPECT_EQ(assert_ready(items.poll())->key, 700u);
    assert_pending(items.poll());
    for (std::size_t i = 0; i < sources.size(); ++i) EXPECT_EQ(sources[i].polls, i == 700 ? 3 : 1);
}

TEST(StreamMap, AlwaysReadyStreamsTakeTurns) {
    const auto ready = [] { return streams::repeat_with([] { return 1; }); };
    stream_map<int, decltype(ready())> map;
    for (int i = 0; i < 3; ++i) map.insert(i, ready());
    std::string order;
    for (int i = 0; i < 9; ++i) order += std::to_string(assert_ready(by_hand{map.next()}.poll())->key);
    EXPECT_EQ(order, "012012012");
}

TEST(StreamMap, AlwaysReadyStreamYieldsWhenTheBudgetIsUsedUp) {
    const auto ready = [] { return streams::repeat_with([] { return 1; }); };
    stream_map<int, decltype(ready())> map;
    map.insert(0, ready());
    by_hand count{std::move(map).take(1000).count()};
    int polls = 1;
    for (; !count.poll(); ++polls) ASSERT_TRUE(count.is_woken());
    EXPECT_EQ(polls, 8);
}

TEST(StreamMap, ExceptionPropagatesAndTheStreamStays) {
    int asked = 0;
    auto throws_once = [&] {
        return streams::repeat_with([&] {
            if (++asked == 1) throw std::runtime_error("first");
            return asked;
        });
    };
    stream_map<int, decltype(throws_once())> map;
    map.insert(0, throws_once());
    EXPECT_THROW(static_cast<void>(by_hand{map.next()}.poll()), std::runtime_error);
    EXPECT_EQ(assert_ready(by_hand{map.next()}.poll())->value, 2);
}

TEST(StreamMap, CanBeMovedWhileItsStreamsWait) {
    source<int> a;
    int_map first;
    first.insert("a", items_of<int>(a));
    EXPECT_EQ(next_of(first), "wait");
    int_map second = std::move(first);
    a.give(1);
    EXPECT_EQ(next_of(second), "a 1");
    a.end();
    EXPECT_EQ(next_of(second), "end");
}

TEST(StreamMap, ItemUnpacksIntoKeyAndValue) {
    stream_map<char, streams::once_stream<int>> map;
    map.insert('x', streams::once(1));
    std::string seen;
    by_hand each{std::move(map).for_each([&](char key, int value) { (seen += key) += std::to_string(value); })};
    EXPECT_TRUE(assert_ready(each.poll()));
    EXPECT_EQ(seen, "x1");
}

TEST(StreamMap, SizeHintIsTheSumOfAllStreams) {
    stream_map<int, streams::once_stream<int>> map;
    EXPECT_EQ(map.size_hint(), size_bounds(0, 0));
    for (int i = 0; i < 3; ++i) map.insert(i, streams::once(i));
    EXPECT_EQ(map.size_hint(), size_bounds(3, 3));
}

TEST(StreamMap, ForwardsPollCancelToAllStreams) {
    std::deque<support::script> scripts(3);
    using one = decltype(streams::from_future(support::cancellable_scripted(scripts[0])));
    stream_map<int, one> map;
    for (int i = 0; i < 3; ++i) {
        scripts[static_cast<std::size_t>(i)].may_end = i != 1;
        map.insert(i, streams::from_future(support::cancellable_scripted(scripts[static_cast<std::size_t>(i)])));
    }
    stream_by_hand items{std::move(map)};
    assert_pending(items.poll());
    EXPECT_FALSE(items.poll_cancel().is_ready());
    EXPECT_TRUE(!scripts[0].alive && scripts[1].alive && !scripts[2].alive);
    scripts[1].may_end = true;
    scripts[1].change(support::plan::pending);
    EXPECT_TRUE(items.is_woken());
    EXPECT_TRUE(items.poll_cancel().is_ready());
    EXPECT_FALSE(scripts[1].alive);
    EXPECT_FALSE(assert_ready(items.poll()).has_value());
}

TEST(StreamSelectAll, YieldsItemsInTheOrderOfTheWakes) {
    source<int> a;
    source<int> b;
    source<int> c;
    std::vector<items_of<int>> both;
    both.emplace_back(a);
    both.emplace_back(b);
    auto all = streams::select_all(std::move(both));
    stream_by_hand items{std::move(all)};
    assert_pending(items.poll());
    b.give(1);
    a.give(2);
    EXPECT_TRUE(items.is_woken());
    EXPECT_EQ(items.take_ready(), (std::vector<int>{1, 2})) << "in the order of the wakes";
    items.stream().push(items_of<int>(c));
    EXPECT_EQ(items.stream().size(), 3u);
    c.give(3);
    EXPECT_EQ(assert_ready(items.poll()), 3);
    for (source<int>* each : {&a, &b, &c}) each->end();
    EXPECT_EQ(assert_ready(items.poll()), std::nullopt);
    EXPECT_TRUE(items.stream().is_empty());
}

/// Compares a stream_map with a model that has one queue of items for each key.
TEST(StreamMapStress, MatchesAModelOfQueuesByKey) {
    std::mt19937_64 random(support::seed());
    for (std::uint64_t round = support::rounds(5'000); round > 0; --round) {
        std::deque<source<int>> sources;  // outlive the map
        std::map<int, source<int>*> live;
        stream_map<int, items_of<int>> map;
        eddy::test::wake_counter counter;
        const eddy::waker waker = counter.waker();
        std::uint64_t seen_wakes = 0;
        bool waits = false;
        int given = 0;
        for (int step = 0; step < 60; ++step) {
            const int key = static_cast<int>(random() % 5);
            const auto at = live.find(key);
            switch (random() % 8) {
            case 0:
                sources.emplace_back();
                EXPECT_EQ(map.insert(key, items_of<int>(sources.back())), at == live.end());
                live[key] = &sources.back();
                waits = false;
                break;
            case 1:
                EXPECT_EQ(map.remove(key), at != live.end());
                if (at != live.end()) live.erase(at);
                break;
            case 2:
                if (at != live.end() && !at->second->ended) at->second->end();
                break;
            case 3:
            case 4:
                if (at != live.end() && !at->second->ended) at->second->give(++given);
                break;
            default: {
                bool has_item = false;
                for (const auto& [k, s] : live) has_item |= !s->items.empty();
                for (const auto& [k, s] : live)
                    if (waits && (!s->items.empty() || s->ended)) {
                        EXPECT_NE(counter.wakes(), seen_wakes);
                    }
                seen_wakes = counter.wakes();
                eddy::context cx(waker);
                std::map<int, int> fronts;
                for (const auto& [k, s] : live)
                    if (!s->items.empty()) fronts[k] = s->items.front();
                auto next = map.poll_next(cx);
                for (auto it = live.begin(); it != live.end();) {
                    it = it->second->ended && it->second->items.empty() && !it->second->alive ? live.erase(it)
                                                                                              : std::next(it);
                }
                waits = !next;
                if (!next) {
                    EXPECT_FALSE(has_item);
                } else if (next->has_value()) {
                    ASSERT_TRUE(fronts.contains((**next).key));
                    EXPECT_EQ((**next).value, fronts[(**next).key]);
                } else {
                    EXPECT_TRUE(live.empty());
                }
                break;
            }
            }
            ASSERT_EQ(map.size(), live.size());
        }
    }
}

TEST(StreamMap, ItemCostsABudgetUnitIfItsStreamTookNone) {
    source<int> from;
    stream_map<int, items_of<int>> map;
    map.insert(1, items_of<int>(from));
    for (const int i : {1, 2}) from.give(i);
    eddy::test::wake_counter counter;
    const eddy::waker waker = counter.waker();
    eddy::context none(waker, 0);
    assert_pending(map.poll_next(none));
    EXPECT_EQ(counter.wakes(), 1u);
    EXPECT_EQ(from.items.size(), 2u);
    eddy::context some(waker, 5);
    EXPECT_EQ(assert_ready(map.poll_next(some))->value, 1);
    EXPECT_EQ(some.budget(), 4u);
}

// ---- Streams that throw, and destructors that call back ----

eddy::task<int> throws_at_once() {
    throw std::runtime_error("on purpose");
    co_return 0;
}

TEST(StreamMap, StreamWhoseFutureThrewEnds) {
    eddy::stream_map<int, decltype(streams::from_future(throws_at_once()))> all;
    all.insert(1, streams::from_future(throws_at_once()));
    stream_by_hand items(std::move(all));
    int thrown = 0;
    for (int i = 0; i < 5; ++i) {
        try {
            const auto next = items.poll();
            if (next && !next->has_value()) break;
        } catch (const std::exception&) {
            ++thrown;
        }
    }
    EXPECT_EQ(thrown, 1) << "the stream lost its only item and then ended";
}

/// A stream that is pending forever, with a poll_cancel that follows a script.
class cancellable_pending_stream : public eddy::stream_ops<cancellable_pending_stream> {
public:
    using item_type = int;

    explicit cancellable_pending_stream(support::script& s) noexcept : script_(&s) { s.alive = true; }
    cancellable_pending_stream(cancellable_pending_stream&& other) noexcept
        : script_(std::exchange(other.script_, nullptr)) {}
    cancellable_pending_stream& operator=(cancellable_pending_stream&&) = delete;
    ~cancellable_pending_stream() {
        if (script_ != nullptr) script_->alive = false;
    }

    eddy::poll_result<std::optional<int>> poll_next(eddy::context& cx) {
        script_->waker = cx.waker();
        return eddy::not_ready;
    }
    eddy::poll_result<void> poll_cancel(eddy::context& cx) {
        ++script_->cancel_polls;
        if (script_->now == support::plan::throws) throw std::runtime_error("on purpose");
        if (script_->may_end) return eddy::poll_result<void>::ready();
        script_->waker = cx.waker();
        return eddy::not_ready;
    }

private:
    support::script* script_;
};

TEST(StreamMap, AbandonedCancelKeepsOnlyUnfinishedStreams) {
    support::script a;
    support::script b;
    b.may_end = false;
    eddy::stream_map<std::string, cancellable_pending_stream> all;
    all.insert("a", cancellable_pending_stream(a));
    all.insert("b", cancellable_pending_stream(b));
    const eddy::waker none;
    eddy::context cx(none);
    assert_pending(all.poll_cancel(cx));
    ASSERT_FALSE(a.alive);
    EXPECT_FALSE(all.contains("a")) << "the stream was destroyed: find() would return a dangling pointer";
    EXPECT_EQ(all.size(), 1u);
    b.may_end = true;
}

TEST(StreamMap, PollCancelRetriesAStreamThatThrew) {
    support::script a;
    support::script b;
    a.now = support::plan::throws;
    eddy::stream_map<int, cancellable_pending_stream> all;
    all.insert(1, cancellable_pending_stream(a));
    all.insert(2, cancellable_pending_stream(b));
    stream_by_hand items(std::move(all));
    EXPECT_THROW(static_cast<void>(items.poll_cancel()), std::runtime_error);
    a.now = support::plan::pending;
    EXPECT_TRUE(items.poll_cancel().is_ready()) << "poll_cancel() was not called again for the first stream";
}

/// A stream whose destructor calls a function.
class calls_back_stream : public eddy::stream_ops<calls_back_stream> {
public:
    using item_type = int;

    explicit calls_back_stream(std::function<void()> call) : call_(std::move(call)) {}
    calls_back_stream(calls_back_stream&& other) noexcept : call_(std::exchange(other.call_, {})) {}
    calls_back_stream& operator=(calls_back_stream&&) = delete;
    ~calls_back_stream() {
        if (call_) call_();
    }

    static eddy::poll_result<std::optional<int>> poll_next(eddy::context&) { return eddy::not_ready; }

private:
    std::function<void()> call_;
};

TEST(StreamMap, RemovedStreamIsGoneWhenItsDestructorRuns) {
    eddy::stream_map<int, calls_back_stream> all;
    bool was_there = true;
    all.insert(1, calls_back_stream([&] { was_there = all.contains(1) || all.remove(1); }));
    EXPECT_TRUE(all.remove(1));
    EXPECT_FALSE(was_there);
}

using map_of_streams = eddy::stream_map<int, calls_back_stream>;

TEST(StreamMap, ReplacedStreamMayChangeTheMapInItsDestructor) {
    map_of_streams all;
    bool was_there = true;
    const auto look = [&] {
        was_there = all.find(1) != nullptr || all.remove(1);
        static_cast<void>(all.size_hint());
        for (int key = 2; key < 200; ++key) all.insert(key, calls_back_stream({}));  // reallocates the map
    };
    all.insert(1, calls_back_stream(look));
    EXPECT_FALSE(all.insert(1, calls_back_stream({})));
    EXPECT_FALSE(was_there);
    EXPECT_TRUE(all.contains(1));
    EXPECT_EQ(all.size(), 199u);
}

TEST(StreamMap, ReplacedStreamMayInsertItsKeyInItsDestructor) {
    map_of_streams all;
    all.insert(1, calls_back_stream([&] { all.insert(1, calls_back_stream({})); }));
    EXPECT_FALSE(all.insert(1, calls_back_stream({})));
    EXPECT_EQ(all.size(), 1u);
}

TEST(StreamMap, ClearedStreamsMayChangeTheMapInDestructors) {
    map_of_streams all;
    bool was_there = false;
    const auto look = [&] {
        was_there |= all.find(1) != nullptr || all.find(2) != nullptr || all.remove(1) || all.remove(2);
        all.insert(3, calls_back_stream({}));
    };
    all.insert(1, calls_back_stream(look));
    all.insert(2, calls_back_stream(look));
    all.clear();
    EXPECT_FALSE(was_there);
    EXPECT_EQ(all.size(), 1u) << "the stream that a destructor inserted";
    EXPECT_TRUE(all.remove(3));
    EXPECT_TRUE(all.is_empty());
}

// ---- After a cancel that was not completed ----

/// A stream whose poll_cancel follows a script.
class ending_stream : public eddy::stream_ops<ending_stream> {
public:
    using item_type = int;
    explicit ending_stream(support::script& of) noexcept : of_(&of) {}

    eddy::poll_result<std::optional<int>> poll_next(eddy::context& cx) {
        ++of_->polls;
        of_->waker = cx.waker();
        return eddy::not_ready;
    }
    eddy::poll_result<void> poll_cancel(eddy::context& cx) {
        ++of_->cancel_polls;
        if (of_->may_end) return eddy::poll_result<void>::ready();
        of_->waker = cx.waker();
        return eddy::not_ready;
    }

private:
    support::script* of_;
};

TEST(StreamMap, ClearDuringACancelAllowsANewCancel) {
    support::script former;
    former.may_end = false;
    support::script later;
    eddy::stream_map<int, ending_stream> all;
    all.insert(1, ending_stream(former));
    {
        by_hand ends(all.cancel());
        assert_pending(ends.poll());
    }
    all.clear();
    all.insert(2, ending_stream(later));
    assert_pending(by_hand(all.next()).poll());
    by_hand ends(all.cancel());
    EXPECT_TRUE(ends.poll().is_ready());
    EXPECT_EQ(later.cancel_polls, 1);
}

TEST(StreamMap, RemoveDuringACancelAllowsANewCancel) {
    support::script former;
    former.may_end = false;
    support::script later;
    eddy::stream_map<int, ending_stream> all;
    all.insert(1, ending_stream(former));
    {
        by_hand ends(all.cancel());
        assert_pending(ends.poll());
    }
    EXPECT_TRUE(all.remove(1));
    all.insert(2, ending_stream(later));
    assert_pending(by_hand(all.next()).poll());
    by_hand ends(all.cancel());
    EXPECT_TRUE(ends.poll().is_ready());
}

TEST(StreamMap, KeptStreamsArePolledAfterManyWereRemoved) {
    std::vector<support::script> scripts(10);
    support::script others;
    for (auto& mine : scripts) {
        mine.now = support::plan::ready;
        mine.value = static_cast<int>(&mine - scripts.data());
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
}

}  // namespace
