// SPDX-License-Identifier: MIT
// What breaks streams, sinks, and many futures of one task: functions, moves and destructors that throw or come back, orderly
// ends that are broken off, numbers that are too large.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <expected>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <ranges>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/deadline.hpp>
#include <eddy/error.hpp>
#include <eddy/finally.hpp>
#include <eddy/futures_ordered.hpp>
#include <eddy/futures_unordered.hpp>
#include <eddy/join_all.hpp>
#include <eddy/poll_fn.hpp>
#include <eddy/ready.hpp>
#include <eddy/select_all.hpp>
#include <eddy/shielded.hpp>
#include <eddy/sink.hpp>
#include <eddy/stream.hpp>
#include <eddy/stream/split.hpp>
#include <eddy/stream_map.hpp>
#include <eddy/task.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/time/delay_queue.hpp>

#include "support/comes_back.hpp"
#include "support/fragile.hpp"
#include "support/items.hpp"
#include "support/polling.hpp"
#include "support/scripted.hpp"
#include "support/small_stack.hpp"
#include "support/stress.hpp"
#include "support/time_loop.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::async_generator;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::failing_move;
using support::fragile;
using support::plan;
using support::stream_by_hand;
namespace streams = eddy::streams;
using ints = std::vector<int>;

// ---- Streams whose sources throw ----

eddy::task<int> throws_at_once() {
    throw std::runtime_error("on purpose");
    co_return 0;
}

TEST(BreakerStream, AStreamOfAFutureThatThrewHasEnded) {
    stream_by_hand items(streams::from_future(throws_at_once()));
    EXPECT_THROW(static_cast<void>(items.poll()), std::runtime_error);
    EXPECT_EQ(items.stream().size_hint(), eddy::size_bounds(0, 0)) << "its only item is lost";
    EXPECT_NO_THROW(EXPECT_FALSE(assert_ready(items.poll()).has_value())) << "there is no other";
}

TEST(BreakerStream, AMapOfStreamsGoesOnWhenAFutureOfOneHasThrown) {
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
    EXPECT_EQ(thrown, 1) << "the stream has lost its only item, and then it has ended";
}

TEST(BreakerStream, ARangeWhoseElementsThrowLosesThatElementOnly) {
    const auto number = [](int i) {
        if (i == 1) throw std::runtime_error("on purpose");
        return i;
    };
    stream_by_hand items(streams::iter(std::views::iota(0, 3) | std::views::transform(number)));
    ints got;
    int thrown = 0;
    for (int i = 0; i < 10; ++i) {
        try {
            auto next = assert_ready(items.poll());
            if (!next) break;
            got.push_back(*next);
        } catch (const std::runtime_error&) {
            ++thrown;
        }
    }
    EXPECT_EQ(got, (ints{0, 2})) << "the stream goes on with the next";
    EXPECT_EQ(thrown, 1);
}

/// Reads all of `items`, whatever it throws, and gives how often that was.
template <class S>
int read_all(S items, ints& got) {
    stream_by_hand by(std::move(items));
    int thrown = 0;
    for (int i = 0; i < 100; ++i) {
        try {
            auto next = by.poll();
            if (!next) {
                if (by.is_woken()) continue;
                ADD_FAILURE() << "it waits, and nobody will wake it";
                break;
            }
            if (!next->has_value()) return thrown;
            got.push_back(**next);
        } catch (const std::runtime_error&) {
            ++thrown;
        }
    }
    ADD_FAILURE() << "it does not end";
    return thrown;
}

int odd_throws(int i) {
    if (i % 2 != 0) throw std::runtime_error("odd");
    return i;
}
bool odd_throws_of(const int& i) { return odd_throws(i) >= 0; }

TEST(BreakerStream, EachAdaptorGoesOnWithTheNextWhenItsFunctionThrows) {
    const auto items = [] { return streams::of(1, 2, 3, 4); };
    const ints even{2, 4};
    const auto check = [&](const char* which, auto adapted) {
        ints got;
        EXPECT_EQ(read_all(std::move(adapted), got), 2) << which;
        EXPECT_EQ(got, even) << which;
    };
    const auto in_time = [](const int& i) -> eddy::task<bool> { co_return odd_throws_of(i); };
    const auto in_time_value = [](int i) -> eddy::task<int> { co_return odd_throws(i); };
    const auto maybe = [](int i) { return std::optional<int>(odd_throws(i)); };
    check("map", items().map(odd_throws));
    check("inspect", items().inspect(odd_throws_of));
    check("filter", items().filter(odd_throws_of));
    check("filter, a future", items().filter(in_time));
    check("take_while", items().take_while(odd_throws_of));
    check("take_while, a future", items().take_while(in_time));
    check("filter_map", items().filter_map(maybe));
    check("map_while", items().map_while(maybe));
    check("then", items().then(in_time_value));
    check("scan", items().scan(0, [&](int&, int i) { return maybe(i); }));
    check("buffered", items().map(in_time_value).buffered(3));
    check("buffer_unordered", items().map(in_time_value).buffer_unordered(3));
    check("fuse", items().map(odd_throws).fuse().skip(0).take(4));
    check("chain", items().map(odd_throws).chain(streams::empty<int>()));
    check("merge", items().map(odd_throws).merge(streams::empty<int>()));
}

TEST(BreakerStream, AnAdaptorLosesTheItemWhoseMoveThrew) {
    for (int nth = 0; nth < 12; ++nth) {
        auto numbers = streams::unfold(0, [](int& i) { return i < 3 ? std::optional<int>(++i) : std::nullopt; });
        stream_by_hand items(std::move(numbers).map([](int i) { return fragile(i); }).filter_map([](fragile f) {
            return std::optional<fragile>(std::move(f));
        }));
        ints got;
        const failing_move fails(nth);
        for (int i = 0; i < 10; ++i) {
            try {
                auto next = items.poll();
                if (!next || !next->has_value()) break;
                got.push_back((*next)->number);
            } catch (const std::runtime_error&) {  // NOLINT(bugprone-empty-catch): an item less
            }
        }
        for (const int one : got) EXPECT_GT(one, 0) << "an item came out that was moved from; move " << nth << " threw";
        EXPECT_LE(got.size(), 3u);
    }
}

// ---- Orderly ends that are broken off ----

/// A stream with a poll_cancel, that waits for ever.
class ends_when_told : public eddy::stream_ops<ends_when_told> {
public:
    using item_type = int;

    explicit ends_when_told(support::script& s) noexcept : script_(&s) { s.alive = true; }
    ends_when_told(ends_when_told&& other) noexcept : script_(std::exchange(other.script_, nullptr)) {}
    ends_when_told& operator=(ends_when_told&&) = delete;
    ~ends_when_told() {
        if (script_ != nullptr) script_->alive = false;
    }

    eddy::poll_result<std::optional<int>> poll_next(eddy::context& cx) {
        script_->waker = cx.waker();
        return eddy::not_ready;
    }
    eddy::poll_result<void> poll_cancel(eddy::context& cx) {
        ++script_->cancel_polls;
        if (script_->now == plan::throws) throw std::runtime_error("on purpose");
        if (script_->may_end) return eddy::poll_result<void>::ready();
        script_->waker = cx.waker();
        return eddy::not_ready;
    }

private:
    support::script* script_;
};

TEST(BreakerStream, AMapWhoseEndIsBrokenOffKnowsWhichStreamsAreLeft) {
    support::script a;
    support::script b;
    b.may_end = false;
    eddy::stream_map<std::string, ends_when_told> all;
    all.insert("a", ends_when_told(a));
    all.insert("b", ends_when_told(b));
    const eddy::waker none;
    eddy::context cx(none);
    assert_pending(all.poll_cancel(cx));
    ASSERT_FALSE(a.alive);
    EXPECT_FALSE(all.contains("a")) << "that stream is gone: find() gives a pointer to what was freed";
    EXPECT_EQ(all.size(), 1u);
    b.may_end = true;
}

TEST(BreakerStream, AnEndThatThrewIsAskedAgain) {
    support::script a;
    support::script b;
    a.now = plan::throws;
    eddy::stream_map<int, ends_when_told> all;
    all.insert(1, ends_when_told(a));
    all.insert(2, ends_when_told(b));
    stream_by_hand items(std::move(all));
    EXPECT_THROW(static_cast<void>(items.poll_cancel()), std::runtime_error);
    a.now = plan::pending;
    EXPECT_TRUE(items.poll_cancel().is_ready()) << "nobody asks the first one again, and this waits for it for ever";
}

/// A future whose poll_cancel throws the first time.
class throws_when_told : public eddy::future_ops<throws_when_told> {
public:
    using output_type = int;

    explicit throws_when_told(int& asked) noexcept : asked_(&asked) {}
    eddy::poll_result<int> poll(eddy::context&) { return eddy::not_ready; }
    eddy::poll_result<void> poll_cancel(eddy::context&) {
        if (++*asked_ == 1) throw std::runtime_error("on purpose");
        return eddy::poll_result<void>::ready();
    }

private:
    int* asked_;
};

TEST(BreakerStream, AnEndOfManyFuturesThatThrewIsAskedAgain) {
    int asked = 0;
    eddy::futures_unordered<throws_when_told> jobs;
    for (int i = 0; i < 3; ++i) jobs.push(throws_when_told(asked));
    stream_by_hand items(std::move(jobs));
    EXPECT_THROW(static_cast<void>(items.poll_cancel()), std::runtime_error);
    EXPECT_TRUE(items.poll_cancel().is_ready()) << "nobody asks the first one again, and this waits for it for ever";
    EXPECT_EQ(asked, 4);
}

TEST(BreakerStream, AnEndOfAJoinOfManyThatThrewIsAskedAgain) {
    int asked = 0;
    std::vector<throws_when_told> futures(40, throws_when_told(asked));
    by_hand all(eddy::join_all(std::move(futures)));
    assert_pending(all.poll());
    EXPECT_THROW(static_cast<void>(all.poll_cancel()), std::runtime_error);
    EXPECT_TRUE(all.poll_cancel().is_ready()) << "nobody asks the first one again, and this waits for it for ever";
    EXPECT_EQ(asked, 41);
}

TEST(BreakerStream, ACleanupRunsThoughTheWorkThrowsInItsEnd) {
    int asked = 0;
    bool cleaned = false;
    by_hand all(eddy::finally(throws_when_told(asked), [&] {
        cleaned = true;
        return eddy::ready(0);
    }));
    assert_pending(all.poll());
    EXPECT_TRUE(all.poll_cancel().is_ready());
    EXPECT_TRUE(cleaned);
}

// ---- Destructors that come back ----

/// A future that calls back when it is destroyed.
class calls_at_its_end : public eddy::future_ops<calls_at_its_end> {
public:
    using output_type = int;

    calls_at_its_end(bool is_ready, std::function<void()> call, int& alive)
        : call_(std::move(call)), alive_(&alive), is_ready_(is_ready) {
        ++*alive_;
    }
    calls_at_its_end(calls_at_its_end&& other) noexcept
        : call_(std::exchange(other.call_, {})),
          alive_(std::exchange(other.alive_, nullptr)),
          is_ready_(other.is_ready_) {}
    calls_at_its_end& operator=(calls_at_its_end&&) = delete;
    ~calls_at_its_end() {
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

TEST(BreakerStream, AFutureThatPushesAnotherInItsDestructor) {
    int alive = 0;
    eddy::futures_unordered<calls_at_its_end> jobs;
    jobs.push(calls_at_its_end(true, [&] { jobs.push(calls_at_its_end(true, {}, alive)); }, alive));
    jobs.push(calls_at_its_end(false, [&] { jobs.push(calls_at_its_end(false, {}, alive)); }, alive));
    by_hand first(jobs.next());
    EXPECT_EQ(assert_ready(first.poll()), 1);
    EXPECT_EQ(jobs.size(), 2u);
    by_hand second(jobs.next());
    EXPECT_EQ(assert_ready(second.poll()), 1);
    jobs.clear();
    EXPECT_EQ(jobs.size(), 0u);
    EXPECT_EQ(alive, 0);
}

TEST(BreakerStreamDeathTest, AFutureThatClearsItsSetInItsDestructorIsDestroyedOnce) {
    EXPECT_COMES_BACK([] {
        int alive = 0;
        eddy::futures_unordered<calls_at_its_end> jobs;
        int calls = 0;
        const auto clear = [&] {
            if (++calls == 1) jobs.clear();
        };
        jobs.push(calls_at_its_end(true, clear, alive));
        jobs.push(calls_at_its_end(false, {}, alive));
        by_hand first(jobs.next());
        EXPECT_EQ(assert_ready(first.poll()), 1);
        EXPECT_EQ(alive, 0);
        EXPECT_EQ(calls, 1);
        EXPECT_TRUE(jobs.is_empty());
    });
}

TEST(BreakerStream, AFutureThatPollsItsSetInItsDestructorDoesNotMeetItself) {
    int alive = 0;
    int got = 0;
    eddy::futures_unordered<calls_at_its_end> jobs;
    const auto poll = [&] {
        by_hand next(jobs.next());
        got = assert_ready(next.poll()).value_or(0);
    };
    jobs.push(calls_at_its_end(true, poll, alive));
    jobs.push(calls_at_its_end(true, {}, alive));
    jobs.clear();
    EXPECT_EQ(got, 1) << "the other one was still there";
    EXPECT_EQ(alive, 0);
}

/// A stream that calls back when it is destroyed.
class calls_when_removed : public eddy::stream_ops<calls_when_removed> {
public:
    using item_type = int;

    explicit calls_when_removed(std::function<void()> call) : call_(std::move(call)) {}
    calls_when_removed(calls_when_removed&& other) noexcept : call_(std::exchange(other.call_, {})) {}
    calls_when_removed& operator=(calls_when_removed&&) = delete;
    ~calls_when_removed() {
        if (call_) call_();
    }

    static eddy::poll_result<std::optional<int>> poll_next(eddy::context&) { return eddy::not_ready; }

private:
    std::function<void()> call_;
};

TEST(BreakerStream, AStreamIsNotFoundAnyMoreByItsDestructor) {
    eddy::stream_map<int, calls_when_removed> all;
    bool was_there = true;
    all.insert(1, calls_when_removed([&] { was_there = all.contains(1) || all.remove(1); }));
    EXPECT_TRUE(all.remove(1));
    EXPECT_FALSE(was_there);
}

/// A value of a queue that calls back when it is destroyed; its move is a copy.
struct session {
    std::function<void()> at_end;

    explicit session(std::function<void()> f) : at_end(std::move(f)) {}
    session(const session& other) = default;
    session& operator=(const session&) = delete;
    ~session() {
        if (at_end) at_end();
    }
};

using sessions = eddy::time::delay_queue<session>;

/// What a session does at its end: it inserts a hundred others, when it is told that it may, and once. (Not before, since some end
/// while they are inserted.)
std::function<void()> inserts_others(sessions& queue, bool& may) {
    return [&] {
        if (!std::exchange(may, false)) return;
        for (int i = 0; i < 100; ++i) queue.insert(session({}), 1h);
    };
}

/// Takes all out, of 200 at most, and says how many.
std::size_t empty(sessions& queue) {
    std::size_t out = 0;
    for (; out < 200 && !queue.is_empty(); ++out) static_cast<void>(queue.remove(*queue.peek()));
    return out;
}

TEST(BreakerStreamDeathTest, AValueThatInsertsAnotherWhenItIsTakenOut) {
    EXPECT_COMES_BACK([] {
        support::time_loop loop;
        sessions queue;
        bool may_insert = false;
        const auto key = queue.insert(session(inserts_others(queue, may_insert)), 1s);
        may_insert = true;
        EXPECT_TRUE(queue.try_remove(key).has_value());
        EXPECT_EQ(queue.size(), 100u);
        EXPECT_FALSE(queue.contains(key));
        EXPECT_EQ(empty(queue), 100u);
    });
}

TEST(BreakerStreamDeathTest, AValueThatInsertsAnotherWhenAllAreCleared) {
    EXPECT_COMES_BACK([] {
        support::time_loop loop;
        sessions queue;
        bool may_insert = false;
        queue.insert(session(inserts_others(queue, may_insert)), 1s);
        queue.insert(session({}), 1s);
        may_insert = true;
        queue.clear();
        const std::size_t left = queue.size();
        EXPECT_TRUE(left == 0 || left == 100) << "those of the destructor are gone, or there";
        EXPECT_EQ(empty(queue), left);
    });
}

// ---- A queue of delays ----

TEST(BreakerStream, ADelayQueueRefusesMoreRoomThanThereIs) {
    support::time_loop loop;
    eddy::time::delay_queue<int> queue;
    queue.insert(1, 1s);
    EXPECT_ANY_THROW(queue.reserve(std::numeric_limits<std::size_t>::max()))
        << "it has room for " << queue.capacity() << " now";
}

/// Does `change` to a queue of six, of which two are gone, and lets each of its moves throw: what is said to be there comes out.
void let_moves_throw(
    const std::function<void(eddy::time::delay_queue<fragile>&, const std::vector<eddy::time::delay_key>&)>& change) {
    for (int nth = 0; nth < 20 && !::testing::Test::HasFailure(); ++nth) {
        SCOPED_TRACE("move " + std::to_string(nth));
        support::time_loop loop;
        eddy::time::delay_queue<fragile> queue;
        std::vector<eddy::time::delay_key> keys;
        keys.reserve(6);
        for (int i = 0; i < 6; ++i) keys.push_back(queue.insert(fragile(i), std::chrono::seconds(10 - i)));
        static_cast<void>(queue.remove(keys[0]));
        static_cast<void>(queue.remove(keys[3]));
        try {
            const failing_move fails(nth);
            change(queue, keys);
        } catch (const std::runtime_error&) {  // NOLINT(bugprone-empty-catch): what is left is the question
        }
        const auto found = std::ranges::count_if(keys, [&](const auto& key) { return queue.contains(key); });
        const auto size = static_cast<std::ptrdiff_t>(queue.size());
        EXPECT_GE(size, found);
        loop.advance(2h);
        stream_by_hand items(std::move(queue));
        std::ptrdiff_t out = 0;
        for (auto& one : items.take_ready()) {
            EXPECT_GE(one.value.number, 0) << "a value that was moved from";
            ++out;
        }
        EXPECT_EQ(out, size);
    }
}

TEST(BreakerStreamDeathTest, ADelayQueueThatCompactsStaysInOrderWhicheverMoveThrows) {
    EXPECT_COMES_BACK([] { let_moves_throw([](auto& queue, const auto&) { queue.compact(); }); });
}

TEST(BreakerStreamDeathTest, ADelayQueueThatGrowsStaysInOrderWhicheverMoveThrows) {
    EXPECT_COMES_BACK([] {
        let_moves_throw([](auto& queue, const auto&) {
            for (int i = 0; i < 5; ++i) queue.insert(fragile(7), 1h);
        });
    });
}

TEST(BreakerStreamDeathTest, ADelayQueueThatIsTakenFromStaysInOrderWhicheverMoveThrows) {
    EXPECT_COMES_BACK(
        [] { let_moves_throw([](auto& queue, const auto& keys) { static_cast<void>(queue.try_remove(keys[4])); }); });
}

TEST(BreakerStream, ADelayQueueOfManyDoesWhatAMapDoes) {
    support::time_loop loop;
    eddy::time::delay_queue<std::uint64_t> queue;
    std::map<std::pair<std::int64_t, std::uint64_t>, std::pair<eddy::time::delay_key, std::uint64_t>> model;
    std::mt19937_64 random(support::seed());
    std::uint64_t order = 0;
    const auto start = eddy::time::clock::now();
    const auto any = [&] {
        auto at = model.lower_bound({static_cast<std::int64_t>(random() % 1000), 0});
        return at == model.end() ? model.begin() : at;
    };
    const std::uint64_t rounds = support::rounds(5'000'000);
    for (std::uint64_t i = 0; i < rounds; ++i) {
        const auto due = static_cast<std::int64_t>(random() % 1000);
        const auto choice = random() % 16;
        if (choice < 9 || model.empty()) {
            const auto key = queue.insert_at(i, start + std::chrono::seconds(due));
            model.insert({{due, order++}, {key, i}});
        } else if (choice < 12) {
            auto at = any();
            queue.reset_at(at->second.first, start + std::chrono::seconds(due));
            model.insert({{due, order++}, at->second});
            model.erase(at);
        } else if (choice < 15) {
            auto at = any();
            EXPECT_EQ(queue.remove(at->second.first).value, at->second.second);
            model.erase(at);
        } else if (random() % 200 == 0) {
            queue.compact();
        }
    }
    ASSERT_EQ(queue.size(), model.size());
    loop.advance(1h);
    stream_by_hand items(std::move(queue));
    for (const auto& [when, what] : model) {
        auto next = assert_ready(items.poll());
        ASSERT_TRUE(next.has_value());
        ASSERT_EQ(next->value, what.second);
        ASSERT_EQ(next->deadline, start + std::chrono::seconds(when.first));
    }
    EXPECT_FALSE(assert_ready(items.poll()).has_value());
}

TEST(BreakerStream, DeadlinesAtTheEndsOfTime) {
    support::time_loop loop;
    eddy::time::delay_queue<int> queue;
    queue.insert(4, std::chrono::hours::max());
    queue.insert(3, std::chrono::duration<double>(std::numeric_limits<double>::quiet_NaN()));
    queue.insert(1, std::chrono::hours::min());
    queue.insert_at(2, eddy::time::time_point::min());
    stream_by_hand items(std::move(queue));
    EXPECT_EQ(assert_ready(items.poll())->value, 2);
    EXPECT_EQ(assert_ready(items.poll())->value, 1);
    assert_pending(items.poll());
    items.stream().insert(5, -1s);
    loop.fire();
    EXPECT_TRUE(items.is_woken());
    EXPECT_EQ(assert_ready(items.poll())->value, 5);

    support::script s;
    by_hand past(eddy::with_deadline(eddy::time::time_point::min(), support::scripted(s)));
    EXPECT_FALSE(assert_ready(past.poll()).has_value());
    by_hand never(eddy::with_deadline(std::chrono::hours::max(), support::scripted(s)));
    assert_pending(never.poll());
    loop.advance(std::chrono::hours(24 * 365 * 100));
    assert_pending(never.poll());
}

// ---- Generators ----

TEST(BreakerStream, AGeneratorThatCatchesWhatItsItemThrewGoesOn) {
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
                } catch (const std::runtime_error&) {  // NOLINT(bugprone-empty-catch): lost on its way out
                }
            }
        }
        ASSERT_GE(got.size(), 3u) << nth;
        for (const int one : got) EXPECT_NE(one, -1) << "moved from";
        EXPECT_FALSE(assert_ready(items.poll()).has_value());
    }
}

async_generator<int> nested(int depth) {
    if (depth > 0) co_yield eddy::elements_of(nested(depth - 1));
    co_yield depth;
    if (depth == 50'000) throw std::runtime_error("at the top");
}

TEST(BreakerStream, DeepGeneratorsEndOnASmallStack) {
    support::run_on_small_stack([] {
        {
            stream_by_hand items(nested(50'000));
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
            stream_by_hand dropped(nested(40'000));
            EXPECT_EQ(assert_ready(dropped.poll()), 0);
        }
        stream_by_hand cancelled(nested(40'000));
        EXPECT_EQ(assert_ready(cancelled.poll()), 0);
        EXPECT_TRUE(cancelled.poll_cancel().is_ready());
    });
}

// ---- Sinks that fail at each step ----

/// What a sink of the test is to do.
struct sink_script {
    int fail_at = -1;  ///< the step after so many gives an error
    int throw_at = -1;
    int steps = 0;
    ints taken = {};
    bool closed = false;
};

class scripted_sink : public eddy::sink_ops<scripted_sink> {
public:
    using error_type = std::error_code;
    using outcome = std::expected<void, std::error_code>;

    explicit scripted_sink(sink_script& s) noexcept : script_(&s) {}

    eddy::poll_result<outcome> poll_ready(eddy::context&) { return step(); }
    outcome start_send(int item) {
        auto done = step();
        if (done) script_->taken.push_back(item);
        return done;
    }
    eddy::poll_result<outcome> poll_flush(eddy::context&) { return step(); }
    eddy::poll_result<outcome> poll_close(eddy::context&) {
        auto done = step();
        if (done) script_->closed = true;
        return done;
    }

private:
    outcome step() {
        const int number = script_->steps++;
        if (number == script_->throw_at) throw std::runtime_error("on purpose");
        if (number == script_->fail_at) return std::unexpected(std::make_error_code(std::errc::io_error));
        return {};
    }

    sink_script* script_;
};

TEST(BreakerStream, ForwardGivesTheErrorOfWhicheverStepFails) {
    sink_script good;
    by_hand all(streams::of(1, 2, 3).forward(scripted_sink(good)));
    EXPECT_TRUE(assert_ready(all.poll()).has_value());
    ASSERT_EQ(good.taken, (ints{1, 2, 3}));
    for (int nth = 0; nth < good.steps; ++nth) {
        sink_script fails;
        fails.fail_at = nth;
        by_hand failing(streams::of(1, 2, 3).forward(scripted_sink(fails)));
        EXPECT_EQ(assert_ready(failing.poll()).error(), std::make_error_code(std::errc::io_error)) << nth;
        EXPECT_THROW(static_cast<void>(failing.poll()), eddy::misuse);
        sink_script throws;
        throws.throw_at = nth;
        by_hand throwing(streams::of(1, 2, 3).forward(scripted_sink(throws)));
        EXPECT_THROW(static_cast<void>(throwing.poll()), std::runtime_error) << nth;
        EXPECT_THROW(static_cast<void>(throwing.poll()), eddy::misuse);
    }
}

/// Sends 1, 2 and 3 and closes; each step again if the sink threw.
template <class S>
[[gnu::noinline]] void drive(S& into) {  // GCC 12 would warn of what a sink that it sees made has not got
    const eddy::waker none;
    eddy::context cx(none);
    const auto again_if_it_throws = [](auto f) {
        try {
            return f();
        } catch (const std::runtime_error&) {
            return f();
        }
    };
    for (int i = 1; i <= 3; ++i) {
        auto is_ready = again_if_it_throws([&] { return into.poll_ready(cx); });
        if (!is_ready || !*is_ready) return;
        try {
            if (!into.start_send(int{i})) return;
        } catch (const std::runtime_error&) {  // NOLINT(bugprone-empty-catch): that item is lost
        }
    }
    auto flushed = again_if_it_throws([&] { return into.poll_flush(cx); });
    if (!flushed || !*flushed) return;
    static_cast<void>(again_if_it_throws([&] { return into.poll_close(cx); }));
}

TEST(BreakerStream, NoSinkLosesMoreThanOneItemByAnException) {
    const auto check = [](const char* what, auto make) {
        for (int nth = 0; nth < 14; ++nth) {
            sink_script s;
            s.throw_at = nth;
            auto into = make(scripted_sink(s));
            drive(into);
            EXPECT_GE(s.taken.size(), 2u) << what << ", step " << nth;
            EXPECT_TRUE(s.closed) << what << ", step " << nth;
            for (std::size_t i = 1; i < s.taken.size(); ++i) EXPECT_LT(s.taken[i - 1], s.taken[i]) << what << nth;
        }
    };
    check("buffer", [](scripted_sink inner) { return std::move(inner).buffer<int>(2); });
    check("with", [](scripted_sink inner) { return std::move(inner).with<int>([](int i) { return i; }); });
    check("with, a future", [](scripted_sink inner) {
        return std::move(inner).with<int>([](int i) -> eddy::task<int> { co_return i; });
    });
}

/// A stream and a sink whose poll throws under the lock of its halves.
class throwing_both : public eddy::stream_ops<throwing_both> {
public:
    using item_type = int;
    using error_type = std::error_code;
    using outcome = std::expected<void, std::error_code>;

    explicit throwing_both(int& polls) noexcept : polls_(&polls) {}
    eddy::poll_result<std::optional<int>> poll_next(eddy::context&) {
        if (++*polls_ == 1) throw std::runtime_error("on purpose");
        return std::optional<int>(*polls_);
    }
    eddy::poll_result<outcome> poll_ready(eddy::context&) { return outcome(); }
    outcome start_send(int) { throw std::runtime_error("on purpose"); }
    eddy::poll_result<outcome> poll_flush(eddy::context&) { return outcome(); }
    eddy::poll_result<outcome> poll_close(eddy::context&) { return outcome(); }

private:
    int* polls_;
};

TEST(BreakerStream, TheLockOfASplitObjectIsLeftWhenItThrows) {
    int polls = 0;
    auto halves = streams::split<int>(throwing_both(polls));
    by_hand first(halves.reader.next());
    EXPECT_THROW(static_cast<void>(first.poll()), std::runtime_error);
    by_hand sending(halves.writer.send(1));
    EXPECT_THROW(static_cast<void>(sending.poll()), std::runtime_error);
    by_hand second(halves.reader.next());
    EXPECT_EQ(assert_ready(second.poll()), 2);
    by_hand closing(halves.writer.close());
    EXPECT_TRUE(assert_ready(closing.poll()).has_value());
}

// ---- Wakes, with budgets of any size ----

/// Leaves that wait now and then, and are woken by the test alone.
class hub {
public:
    explicit hub(std::uint64_t seed) noexcept : random_(seed) {}

    class leaf {
    public:
        explicit leaf(hub& of) noexcept : of_(&of) {}
        leaf(leaf&& other) noexcept : of_(other.of_) { EXPECT_FALSE(other.waits_) << "moved while it waits"; }
        leaf& operator=(leaf&&) = delete;
        ~leaf() {
            if (waits_) std::erase(of_->waiting_, this);
        }

        /// Whether it goes on.
        [[nodiscard]] bool poll(eddy::context& cx) {
            if (!waits_ && !cx.consume_budget()) return false;
            if (!waits_ && of_->random_() % 2 == 0) return true;
            if (!waits_) {
                cx.refund_budget();
                of_->waiting_.push_back(this);
            }
            waits_ = true;
            waker_ = cx.waker();
            return false;
        }

    private:
        friend hub;
        hub* of_;
        bool waits_ = false;
        eddy::waker waker_;
    };

    /// Wakes one of those that wait. False if none does.
    bool wake_any() {
        if (waiting_.empty()) return false;
        std::swap(waiting_[random_() % waiting_.size()], waiting_.back());
        leaf& one = *waiting_.back();
        waiting_.pop_back();
        one.waits_ = false;
        std::exchange(one.waker_, eddy::waker()).wake();
        return true;
    }

    [[nodiscard]] std::uint64_t draw(std::uint64_t below) { return random_() % below; }

private:
    std::mt19937_64 random_;
    std::vector<leaf*> waiting_;
};

/// The numbers from `first` to before `last`, with waits.
class hub_stream : public eddy::stream_ops<hub_stream> {
public:
    using item_type = int;

    hub_stream(hub& of, int first, int last) noexcept : leaf_(of), next_(first), last_(last) {}
    eddy::poll_result<std::optional<int>> poll_next(eddy::context& cx) {
        if (!leaf_.poll(cx)) return eddy::not_ready;
        if (next_ == last_) return std::nullopt;
        return std::optional<int>(next_++);
    }

private:
    hub::leaf leaf_;
    int next_;
    int last_;
};

/// Its number, after some waits.
class hub_future : public eddy::future_ops<hub_future> {
public:
    using output_type = int;

    hub_future(hub& of, int number) noexcept : leaf_(of), number_(number) {}
    eddy::poll_result<int> poll(eddy::context& cx) {
        if (!leaf_.poll(cx)) return eddy::not_ready;
        return number_;
    }

private:
    hub::leaf leaf_;
    int number_;
};

/// A sink that waits now and then.
class hub_sink : public eddy::sink_ops<hub_sink> {
public:
    using error_type = std::error_code;
    using outcome = std::expected<void, std::error_code>;

    hub_sink(hub& of, ints& taken) noexcept : leaf_(of), taken_(&taken) {}
    eddy::poll_result<outcome> poll_ready(eddy::context& cx) {
        if (!is_ready_ && !leaf_.poll(cx)) return eddy::not_ready;
        is_ready_ = true;
        return outcome();
    }
    outcome start_send(int item) {
        EXPECT_TRUE(std::exchange(is_ready_, false)) << "start_send without a poll_ready that said yes";
        taken_->push_back(item);
        return {};
    }
    eddy::poll_result<outcome> poll_flush(eddy::context& cx) {
        if (!leaf_.poll(cx)) return eddy::not_ready;
        return outcome();
    }
    eddy::poll_result<outcome> poll_close(eddy::context& cx) { return poll_flush(cx); }

private:
    hub::leaf leaf_;
    ints* taken_;
    bool is_ready_ = false;
};

/// Polls until it is ready, whenever it is woken and not else; nothing if it waits for a wake that does not come.
template <class Poll>
auto follow(hub& wakes, Poll poll) -> decltype(poll(std::declval<eddy::context&>())) {
    const eddy::test::wake_counter counter;
    const eddy::waker waker = counter.waker();
    for (int i = 0; i < 100'000; ++i) {
        const auto seen = counter.wakes();
        {
            eddy::context cx(waker, static_cast<std::uint32_t>(wakes.draw(4) == 0 ? wakes.draw(3) : 128));
            if (auto answer = poll(cx)) return answer;
        }
        while (counter.wakes() == seen) {
            if (!wakes.wake_any()) {
                ADD_FAILURE() << "all have been woken, and it has not";
                return eddy::not_ready;
            }
        }
    }
    ADD_FAILURE() << "it comes to no end";
    return eddy::not_ready;
}

template <class S>
auto all_of(hub& wakes, S items) {
    std::vector<typename S::item_type> got;
    for (;;) {
        auto next = follow(wakes, [&](eddy::context& cx) { return items.poll_next(cx); });
        if (!next || !next->has_value()) return got;
        got.push_back(**std::move(next));
    }
}

ints up_to(int last, const std::function<bool(int)>& keep = [](int) { return true; }) {
    ints all;
    for (int i = 0; i < last; ++i) {
        if (keep(i)) all.push_back(i);
    }
    return all;
}

ints sorted(ints all) {
    std::ranges::sort(all);
    return all;
}

TEST(BreakerStreamStress, NoAdaptorLosesAWakeOrAnItem) {
    const std::uint64_t seed = support::seed();
    const std::uint64_t rounds = support::rounds(20'000);
    for (std::uint64_t round = 0; round < rounds && !HasFailure(); ++round) {
        hub h(seed + round);
        const int n = static_cast<int>(h.draw(12));
        const auto items = [&] { return hub_stream(h, 0, n); };
        const auto run = [&](int i) { return hub_future(h, i); };
        const auto is_even = [](int i) { return i % 2 == 0; };
        const auto is_even_later = [&](const int& i) -> eddy::task<bool> {
            const int got = co_await hub_future(h, i);
            co_return got % 2 == 0;
        };
        const std::size_t limit = 1 + h.draw(40);
        EXPECT_EQ(all_of(h, items().filter(is_even_later)), up_to(n, is_even));
        EXPECT_EQ(all_of(h, items().then(run).peekable().skip(0)), up_to(n));
        EXPECT_EQ(all_of(h, items().map(run).buffered(limit)), up_to(n));
        EXPECT_EQ(sorted(all_of(h, items().map(run).buffer_unordered(limit))), up_to(n));
        EXPECT_EQ(all_of(h, items().chain(hub_stream(h, n, 2 * n))), up_to(2 * n));
        EXPECT_EQ(sorted(all_of(h, items().merge(hub_stream(h, n, 2 * n)))), up_to(2 * n));
        EXPECT_EQ(all_of(h, items().zip(hub_stream(h, 0, n + 1)).map([](int a, int b) {
                      EXPECT_EQ(a, b);
                      return a;
                  })),
                  up_to(n));
        EXPECT_EQ(all_of(h, items().chunks(limit)).size(), (static_cast<std::size_t>(n) + limit - 1) / limit);
        EXPECT_EQ(all_of(h, items().skip_while([](int i) { return i < 3; }).take(4)).size(),
                  static_cast<std::size_t>(std::clamp(n - 3, 0, 4)));

        eddy::stream_map<int, hub_stream> map;
        for (int k = 0; k < n; ++k) map.insert(k, hub_stream(h, 0, k));
        EXPECT_EQ(all_of(h, std::move(map)).size(), static_cast<std::size_t>(n * (n - 1) / 2));

        ints each;
        auto concurrently = items().for_each_concurrent(
            limit, [&](int i) -> eddy::task<> { each.push_back(co_await hub_future(h, i)); });
        EXPECT_TRUE(follow(h, [&](eddy::context& cx) { return concurrently.poll(cx); }).is_ready());
        EXPECT_EQ(sorted(each), up_to(n));

        const std::size_t many = h.draw(70);
        std::vector<hub_future> futures;
        futures.reserve(many);
        for (std::size_t i = 0; i < many; ++i) futures.emplace_back(h, static_cast<int>(i));
        auto joined = eddy::join_all(std::move(futures));
        const auto outputs = follow(h, [&](eddy::context& cx) { return joined.poll(cx); });
        ASSERT_TRUE(outputs.is_ready());
        EXPECT_EQ(*outputs, up_to(static_cast<int>(many)));

        ints taken;
        ints copies;
        auto sent = items().forward(hub_sink(h, taken)
                                        .fanout(hub_sink(h, copies))
                                        .with<int>([&](int i) { return hub_future(h, i); })
                                        .template buffer<int>(h.draw(4)));
        EXPECT_TRUE(follow(h, [&](eddy::context& cx) { return sent.poll(cx); }).is_ready());
        EXPECT_EQ(taken, up_to(n));
        EXPECT_EQ(copies, up_to(n));
    }
}

TEST(BreakerStreamStress, ASelectAllGoesOnWithWhatRemains) {
    const std::uint64_t seed = support::seed();
    const std::uint64_t rounds = support::rounds(10'000);
    for (std::uint64_t round = 0; round < rounds && !HasFailure(); ++round) {
        hub h(seed + round);
        const std::size_t many = 1 + h.draw(60);
        std::vector<hub_future> futures;
        futures.reserve(many);
        for (std::size_t i = 0; i < many; ++i) futures.emplace_back(h, static_cast<int>(i));
        auto first = eddy::select_all(std::move(futures));
        auto some = follow(h, [&](eddy::context& cx) { return first.poll(cx); });
        ASSERT_TRUE(some.is_ready());
        ints got{some->output};
        auto remaining = std::move(some->remaining);
        while (!remaining.empty()) {
            auto next = eddy::select_all(std::move(remaining));
            auto one = follow(h, [&](eddy::context& cx) { return next.poll(cx); });
            ASSERT_TRUE(one.is_ready());
            got.push_back(one->output);
            remaining = std::move(one->remaining);
        }
        EXPECT_EQ(sorted(got), up_to(static_cast<int>(many)));
    }
}

}  // namespace
