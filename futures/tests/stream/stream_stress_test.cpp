// SPDX-License-Identifier: MIT
// Streams and sinks under random schedules: sources that wait at random, leaf futures that are woken one at a time,
// budgets of any size, and wakes from other threads (for ThreadSanitizer). runtime/tests/explore/woken_set_test.cpp
// explores the lock-free part separately.
#include <eddy/future/join_all.hpp>
#include <eddy/future/select_all.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/sink.hpp>
#include <eddy/stream.hpp>
#include <eddy/stream/stream_map.hpp>
#include <eddy/sync/mpsc.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/sync/poll_sender.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <iterator>
#include <numeric>
#include <optional>
#include <random>
#include <ranges>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "support/futures/starting_line.hpp"
#include "support/stress.hpp"

namespace {

namespace streams = eddy::streams;
using eddy::size_bounds;
using eddy::task;
using eddy::sync::mpsc;
using eddy::sync::oneshot;
using eddy::test::by_hand;
using support::starting_line;
using ints = std::vector<int>;

// ---- Wakes from other threads ----

/// A message: its sender and its number. Senders number their messages, so that a lost or repeated message is noticed.
struct numbered {
    int sender;
    int number;

    numbered(int s, int n) : sender(s), number(n) {}
};

/// Starts a thread for each channel, which sends the numbers from 0 up to `count` and drops its sender.
std::vector<std::thread> counting(std::vector<mpsc<numbered>::sender> senders, int count, starting_line& line) {
    std::vector<std::thread> threads;
    threads.reserve(senders.size());
    for (std::size_t i = 0; i < senders.size(); ++i) {
        threads.emplace_back([count, &line, id = static_cast<int>(i), tx = std::move(senders[i])]() mutable {
            line.arrive_and_wait();
            for (int n = 0; n < count; ++n) {
                if (!tx.blocking_send(numbered(id, n))) return;
            }
        });
    }
    return threads;
}

// covers: P094
TEST(StreamMapStress, ItemsFromOtherThreadsArriveOnceAndInOrder) {
    constexpr int senders = 3;
    std::mt19937_64 random(support::seed());
    for (std::uint64_t round = support::rounds(2'000); round > 0; --round) {
        const int count = 1 + static_cast<int>(random() % 40);
        std::vector<mpsc<numbered>::sender> txs;
        eddy::stream_map<int, mpsc<numbered>::receiver> map;
        for (int i = 0; i < senders; ++i) {
            auto ends = mpsc<numbered>::channel(1 + random() % 4);
            txs.push_back(std::move(ends.sender));
            map.insert(i, std::move(ends.receiver));
        }
        starting_line line(senders + 1);
        auto threads = counting(std::move(txs), count, line);
        line.arrive_and_wait();
        std::vector<int> next(senders, 0);
        auto read = [&]() -> task<> {
            while (auto item = co_await map.next()) {
                EXPECT_EQ(item->key, item->value.sender);
                EXPECT_EQ(item->value.number, next.at(static_cast<std::size_t>(item->key))++);
            }
        };
        eddy::wait(read());
        for (auto& thread : threads) thread.join();
        EXPECT_EQ(next, std::vector<int>(senders, count));
        EXPECT_TRUE(map.is_empty());
        if (HasFailure()) return;
    }
}

// covers: P094
TEST(StreamMapStress, RemoveRacesWithWakesFromOtherThreads) {
    constexpr int senders = 3;
    std::mt19937_64 random(support::seed());
    for (std::uint64_t round = support::rounds(2'000); round > 0; --round) {
        const int wanted = static_cast<int>(random() % 30);
        const int removed = static_cast<int>(random() % senders);
        std::vector<mpsc<numbered>::sender> txs;
        eddy::stream_map<int, mpsc<numbered>::receiver> map;
        for (int i = 0; i < senders; ++i) {
            auto ends = mpsc<numbered>::channel(2);
            txs.push_back(std::move(ends.sender));
            map.insert(i, std::move(ends.receiver));
        }
        starting_line line(senders + 1);
        auto threads = counting(std::move(txs), 50, line);
        line.arrive_and_wait();
        auto read = [&]() -> task<> {
            for (int i = 0; i < wanted; ++i) static_cast<void>(co_await map.next());
            map.remove(removed);
            while (auto item = co_await map.next()) EXPECT_NE(item->key, removed);
        };
        eddy::wait(read());
        for (auto& thread : threads) thread.join();
        if (HasFailure()) return;
    }
}

// covers: P093
TEST(StreamBufferedStress, FuturesWokenFromOtherThreadsAllComplete) {
    std::mt19937_64 random(support::seed());
    for (std::uint64_t round = support::rounds(2'000); round > 0; --round) {
        constexpr int threads = 2;
        constexpr int each = 16;
        const bool ordered = random() % 2 == 0;
        const std::size_t limit = 1 + random() % 12;
        std::vector<oneshot<int>::receiver> receivers;
        std::vector<std::vector<std::pair<int, oneshot<int>::sender>>> senders(threads);
        for (int i = 0; i < threads * each; ++i) {
            auto ends = oneshot<int>::channel();
            receivers.push_back(std::move(ends.receiver));
            senders.at(static_cast<std::size_t>(random() % threads)).emplace_back(i, std::move(ends.sender));
        }
        starting_line line(threads + 1);
        std::vector<std::thread> running;
        running.reserve(threads);
        for (auto& mine : senders) {
            running.emplace_back([&line, &mine] {
                line.arrive_and_wait();
                for (auto& [number, tx] : mine) static_cast<void>(tx.send(number));
            });
        }
        line.arrive_and_wait();
        std::vector<int> seen;
        auto read = [&](auto outputs) -> task<> {
            while (auto output = co_await outputs.next()) seen.push_back(output->value());
        };
        auto futures = eddy::streams::iter(std::move(receivers));
        if (ordered) {
            eddy::wait(read(std::move(futures).buffered(limit)));
        } else {
            eddy::wait(read(std::move(futures).buffer_unordered(limit)));
            std::ranges::sort(seen);
        }
        for (auto& thread : running) thread.join();
        ASSERT_EQ(seen.size(), std::size_t{threads * each});
        for (int i = 0; i < threads * each; ++i) EXPECT_EQ(seen.at(static_cast<std::size_t>(i)), i);
        if (HasFailure()) return;
    }
}

// covers: P094
TEST(StreamMergeStress, MergedStreamsFromOtherThreadsLoseNoItem) {
    std::mt19937_64 random(support::seed());
    for (std::uint64_t round = support::rounds(2'000); round > 0; --round) {
        const int count = static_cast<int>(random() % 40);
        auto first = mpsc<numbered>::channel(1 + random() % 4);
        auto second = mpsc<numbered>::channel(1 + random() % 4);
        std::vector<mpsc<numbered>::sender> txs;
        txs.push_back(std::move(first.sender));
        txs.push_back(std::move(second.sender));
        starting_line line(3);
        auto threads = counting(std::move(txs), count, line);
        line.arrive_and_wait();
        std::vector<int> next(2, 0);
        auto both = std::move(first.receiver).merge(std::move(second.receiver)).ready_chunks(3);
        auto read = [&]() -> task<> {
            while (auto chunk = co_await both.next()) {
                for (const numbered& item : *chunk)
                    EXPECT_EQ(item.number, next.at(static_cast<std::size_t>(item.sender))++);
            }
        };
        eddy::wait(read());
        for (auto& thread : threads) thread.join();
        EXPECT_EQ(next, std::vector<int>(2, count));
        if (HasFailure()) return;
    }
}

// covers: P098
TEST(SinkStress, ForwardThroughChannelsKeepsAllItems) {
    const int count = static_cast<int>(support::rounds(20'000));
    auto first = mpsc<int>::channel(3);
    auto second = mpsc<int>::unbounded_channel();
    std::thread feeds([count, tx = std::move(first.sender)] {
        auto numbers = eddy::streams::iter(std::views::iota(0, count));
        EXPECT_TRUE(eddy::wait(std::move(numbers).forward(eddy::sync::poll_sender(tx))).has_value());
    });
    std::thread passes([rx = std::move(first.receiver), tx = std::move(second.sender)]() mutable {
        auto doubled = std::move(rx).map([](int i) { return 2 * i; });
        EXPECT_TRUE(eddy::wait(std::move(doubled).forward(std::move(tx))).has_value());
    });
    int next = 0;
    auto ended = eddy::wait(std::move(second.receiver).for_each([&next](int i) {
        EXPECT_EQ(i, next);
        next += 2;
    }));
    EXPECT_TRUE(ended.has_value());
    feeds.join();
    passes.join();
    EXPECT_EQ(next, 2 * count);
}

// ---- Adaptors, compared with the same operation on vectors ----

/// A stream of `items` that is pending at random.
class hesitant : public eddy::stream_ops<hesitant> {
public:
    using item_type = int;
    hesitant(ints items, std::uint64_t seed) : items_(std::move(items)), random_(static_cast<unsigned>(seed)) {}
    eddy::poll_result<std::optional<int>> poll_next(eddy::context& cx) {
        EXPECT_FALSE(has_ended_) << "a stream that has ended must not be polled again";
        if (random_() % 3 == 0) {
            cx.waker().wake_by_ref();
            return eddy::not_ready;
        }
        if (next_ == items_.size()) {
            has_ended_ = true;
            return std::nullopt;
        }
        return std::optional(items_[next_++]);
    }
    [[nodiscard]] size_bounds size_hint() const noexcept { return {items_.size() - next_, items_.size() - next_}; }

private:
    ints items_;
    std::minstd_rand random_;
    std::size_t next_ = 0;
    bool has_ended_ = false;
};

/// Returns all items, and checks the size hints on the way. Some next() futures are dropped while they wait.
template <class S>
std::vector<typename S::item_type> read_all(S stream) {
    std::vector<typename S::item_type> all;
    std::vector<std::pair<std::size_t, size_bounds>> hints;
    for (;;) {
        if constexpr (requires { stream.size_hint(); }) hints.emplace_back(all.size(), stream.size_hint());
        by_hand next{stream.next()};
        auto answer = next.poll();
        if (!answer) {
            EXPECT_TRUE(next.is_woken());
            continue;
        }
        if (!answer->has_value()) break;
        all.push_back(**answer);
    }
    for (const auto& [before, hint] : hints) {
        EXPECT_LE(hint.at_least, all.size() - before);
        EXPECT_GE(hint.at_most.value_or(all.size()), all.size() - before);
    }
    return all;
}

// covers: P093 P095
TEST(StreamAdaptorsStress, AdaptorsMatchTheSameOperationOnVectors) {
    std::mt19937_64 random(support::seed());
    for (std::uint64_t round = support::rounds(20'000); round > 0; --round) {
        ints items(random() % 12);
        for (int& item : items) item = static_cast<int>(random() % 10);
        ints others(random() % 12);
        for (int& item : others) item = static_cast<int>(random() % 10);
        const std::size_t n = random() % 12;
        const int bound = static_cast<int>(random() % 10);
        const auto from = [&] { return hesitant(items, random()); };
        const auto small = [bound](const int& i) { return i < bound; };
        const auto small_later = [bound](const int& i) -> eddy::task<bool> {
            const bool answer = i < bound;
            co_await eddy::yield_now();
            co_return answer;
        };
        const auto split = std::ranges::find_if_not(items, small);

        ints model;
        std::ranges::copy_if(items, std::back_inserter(model), small);
        EXPECT_EQ(read_all(from().filter(small)), model);
        EXPECT_EQ(read_all(from().filter(small_later)), model);
        EXPECT_EQ(read_all(from().filter_map([&](int i) { return small(i) ? std::optional(i) : std::nullopt; })),
                  model);
        EXPECT_EQ(read_all(from().filter_map([&](int i) -> eddy::task<std::optional<int>> {
                      co_await eddy::yield_now();
                      if (i < bound) co_return i;
                      co_return std::nullopt;
                  })),
                  model);
        const auto while_small = [&](int i) { return small(i) ? std::optional(i) : std::nullopt; };
        EXPECT_EQ(read_all(from().map_while(while_small)), ints(items.begin(), split));
        EXPECT_EQ(read_all(from().scan(0, [&](int&, int i) { return while_small(i); })), ints(items.begin(), split));
        EXPECT_EQ(read_all(from().take_while(small)), ints(items.begin(), split));
        EXPECT_EQ(read_all(from().take_while(small_later)), ints(items.begin(), split));
        EXPECT_EQ(read_all(from().skip_while(small)), ints(split, items.end()));
        EXPECT_EQ(read_all(from().skip_while(small_later)), ints(split, items.end()));
        const auto cut = items.begin() + static_cast<std::ptrdiff_t>(std::min(n, items.size()));
        EXPECT_EQ(read_all(from().take(n)), ints(items.begin(), cut));
        EXPECT_EQ(read_all(from().skip(n)), ints(cut, items.end()));
        EXPECT_EQ(read_all(from().peekable()), items);
        EXPECT_EQ(read_all(from().then([](int i) -> eddy::task<int> {
                      co_await eddy::yield_now();
                      co_return i;
                  })),
                  items);
        model = items;
        model.insert(model.end(), others.begin(), others.end());
        EXPECT_EQ(read_all(from().chain(hesitant(others, random()))), model);
        ints merged = read_all(from().merge(hesitant(others, random())));
        std::ranges::sort(merged);
        std::ranges::sort(model);
        EXPECT_EQ(merged, model);
        model.clear();
        for (std::size_t i = 0; i < std::min(items.size(), others.size()); ++i)
            model.push_back(items[i] * 10 + others[i]);
        EXPECT_EQ(read_all(from().zip(hesitant(others, random())).map([](int a, int b) { return a * 10 + b; })), model);
        model.clear();
        for (std::size_t i = 0; i < items.size(); i += n + 1) {
            const auto end = std::min(items.size(), i + n + 1);
            model.push_back(std::accumulate(items.begin() + static_cast<std::ptrdiff_t>(i),
                                            items.begin() + static_cast<std::ptrdiff_t>(end), 0));
        }
        EXPECT_EQ(
            read_all(from().chunks(n + 1).map([](const ints& c) { return std::accumulate(c.begin(), c.end(), 0); })),
            model);
        model.clear();
        for (const ints& chunk : read_all(from().ready_chunks(n + 1))) {
            EXPECT_TRUE(!chunk.empty() && chunk.size() <= n + 1);
            model.insert(model.end(), chunk.begin(), chunk.end());
        }
        EXPECT_EQ(model, items);
        if (HasFailure()) return;
    }
}

// ---- Leaf futures that only the test wakes ----

/// Creates leaf futures that wait at random, and wakes them when the test calls wake_any().
class hub {
public:
    explicit hub(std::uint64_t seed) noexcept : random_(static_cast<unsigned>(seed)) {}

    class leaf {
    public:
        explicit leaf(hub& of) noexcept : of_(&of) {}
        leaf(leaf&& other) noexcept : of_(other.of_) {
            EXPECT_FALSE(other.waits_) << "a leaf was moved while it waits";
        }
        leaf& operator=(leaf&&) = delete;
        ~leaf() {
            if (waits_) std::erase(of_->waiting_, this);
        }

        /// Returns whether the leaf is ready.
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

    /// Wakes one waiting leaf. Returns false if there is none.
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

/// A stream of the numbers from `first` up to `last`, which waits at random.
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

/// A future of a number, which waits at random.
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

/// A sink that waits at random.
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
        EXPECT_TRUE(std::exchange(is_ready_, false)) << "start_send() without a poll_ready() that was ready";
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

/// Polls until the future is ready, but only after wakes. Returns not_ready if the future waits and no leaf is left to
/// be woken.
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
                ADD_FAILURE() << "every leaf was woken, but the task was not";
                return eddy::not_ready;
            }
        }
    }
    ADD_FAILURE() << "the future does not become ready";
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

TEST(StreamStress, NoAdaptorLosesAWakeOrAnItem) {
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

TEST(SelectAllStress, RemainingFuturesAllComplete) {
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
