// SPDX-License-Identifier: MIT
// Streams of many parts whose parts are woken from other threads, while they are polled, added and dropped. The core of them is
// tests/explore/woken_set_test.cpp's; these show the whole, and are for ThreadSanitizer.
#include <eddy/stream.hpp>
#include <eddy/stream_map.hpp>
#include <eddy/sync/mpsc.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/sync/poll_sender.hpp>
#include <eddy/task.hpp>
#include <eddy/wait.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <random>
#include <ranges>
#include <thread>
#include <utility>
#include <vector>

#include "support/stress.hpp"

namespace {

using eddy::task;
using eddy::sync::mpsc;
using eddy::sync::oneshot;

/// A number of a sender: the senders count, so that a number that is missing, or comes twice, is seen.
struct numbered {
    int sender;
    int number;

    numbered(int s, int n) : sender(s), number(n) {}
};

/// Lets threads begin at the same time.
class starting_line {
public:
    explicit starting_line(int runners) noexcept : missing_(runners) {}

    void arrive_and_wait() noexcept {
        missing_.fetch_sub(1);
        while (missing_.load() > 0) std::this_thread::yield();
    }

private:
    std::atomic<int> missing_;
};

/// A thread for each channel, that sends the numbers from 0 to `count` and lets go of it.
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

TEST(StreamMapStress, EachItemOfStreamsOnOtherThreadsComesOnceAndInItsOrder) {
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

TEST(StreamMapStress, StreamsAreRemovedWhileOtherThreadsWakeThem) {
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

TEST(StreamBufferedStress, OutputsOfFuturesThatOtherThreadsWakeAllCome) {
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

TEST(StreamMergeStress, TwoStreamsOnOtherThreadsLoseNothing) {
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

TEST(SinkStress, AChainOfChannelsCarriesAllOfIt) {
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

}  // namespace
