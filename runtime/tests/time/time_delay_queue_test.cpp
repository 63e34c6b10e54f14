// SPDX-License-Identifier: MIT
// Delay queues on a time driver without an event loop, polled by hand.
// runs: asan
#include <eddy/time/delay_queue.hpp>

#include <eddy/future/select.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/run.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/advance.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/time/sleep.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "support/polling.hpp"
#include "support/stress.hpp"
#include "support/time_loop.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using eddy::test::wake_counter;
using eddy::time::clock;
using eddy::time::delay_key;
using eddy::time::delay_queue;
using eddy::time::time_point;
using support::text_of_misuse;
using support::time_loop;

/// Polls a queue as one task would.
template <class T>
struct polled {
    delay_queue<T>& queue;
    wake_counter counter{};
    eddy::waker waker = counter.waker();

    explicit polled(delay_queue<T>& of) : queue(of) {}

    auto poll(std::uint32_t budget = eddy::context::default_budget) {
        eddy::context cx(waker, budget);
        return queue.poll_next(cx);
    }
    T value() { return assert_ready(poll()).value().value; }
    std::uint64_t wakes() { return counter.wakes(); }
};

// covers: P039
TEST(DelayQueue, EmptyQueueEndsAndAcceptsNewValues) {
    time_loop loop;
    delay_queue<int> queue;
    polled hand(queue);
    EXPECT_FALSE(assert_ready(hand.poll()).has_value());
    queue.insert(1, 0ms);
    EXPECT_EQ(hand.value(), 1);
    EXPECT_FALSE(assert_ready(hand.poll()).has_value());
}

// covers: P039
TEST(DelayQueue, ValueIsReturnedAtTheDeadline) {
    time_loop loop;
    delay_queue<std::string> queue;
    const auto start = clock::now();
    const auto key = queue.insert("x", 5ms);
    EXPECT_EQ(queue.deadline(key), start + 5ms);
    polled hand(queue);
    assert_pending(hand.poll());
    loop.advance(4999us);
    EXPECT_EQ(hand.wakes(), 0u);
    assert_pending(hand.poll());
    loop.advance(1us);
    EXPECT_EQ(hand.wakes(), 1u);
    auto out = assert_ready(hand.poll());
    EXPECT_EQ(out->value, "x");
    EXPECT_EQ(out->deadline, start + 5ms);
    EXPECT_EQ(out->key, key);
    EXPECT_FALSE(queue.contains(key));
}

// covers: P039
TEST(DelayQueue, ValuesAreOrderedByDeadlineAndThenByInsertion) {
    time_loop loop;
    delay_queue<int> queue;
    const auto start = clock::now();
    queue.insert_at(3, start + 30us);  // within one tick of the wheel
    queue.insert_at(1, start + 10us);
    queue.insert_at(2, start + 20us);
    queue.insert_at(4, start + 30us);
    queue.insert_at(0, start - 1s);
    polled hand(queue);
    EXPECT_EQ(hand.value(), 0);
    assert_pending(hand.poll());
    loop.advance(1ms);
    for (int i = 1; i <= 4; ++i) EXPECT_EQ(hand.value(), i);
    EXPECT_EQ(hand.wakes(), 1u);
}

// covers: P039
TEST(DelayQueue, OneTimerMovesFromDeadlineToDeadline) {
    time_loop loop;
    delay_queue<int> queue;
    for (int i = 3; i >= 1; --i) queue.insert(i, i * 10ms);
    polled hand(queue);
    for (int i = 1; i <= 3; ++i) {
        assert_pending(hand.poll());
        loop.advance(9ms);
        EXPECT_EQ(hand.wakes(), static_cast<std::uint64_t>(i - 1));
        loop.advance(1ms);
        EXPECT_EQ(hand.wakes(), static_cast<std::uint64_t>(i));
        EXPECT_EQ(hand.value(), i);
    }
    EXPECT_FALSE(assert_ready(hand.poll()).has_value());
}

// covers: P039
TEST(DelayQueue, EarlierInsertMovesTheTimerOfTheWaiter) {
    time_loop loop;
    delay_queue<int> queue;
    queue.insert(1, 1000s);
    polled hand(queue);
    assert_pending(hand.poll());
    queue.insert(2, 10ms);
    loop.advance(10ms);
    EXPECT_EQ(hand.wakes(), 1u);
    EXPECT_EQ(hand.value(), 2);
}

// covers: P039
TEST(DelayQueue, ResetMovesADeadlineBothWays) {
    time_loop loop;
    delay_queue<int> queue;
    const auto one = queue.insert(1, 10ms);
    const auto two = queue.insert(2, 20ms);
    polled hand(queue);
    assert_pending(hand.poll());
    queue.reset(one, 30ms);
    loop.advance(10ms);
    EXPECT_EQ(hand.wakes(), 0u);
    queue.reset_at(two, clock::now() + 1ms);
    loop.advance(1ms);
    EXPECT_EQ(hand.wakes(), 1u);
    EXPECT_EQ(hand.value(), 2);
    assert_pending(hand.poll());
    queue.reset(one, 0ms);
    loop.advance(0ms);
    EXPECT_EQ(hand.wakes(), 2u);
    EXPECT_EQ(hand.value(), 1);
}

// covers: P039 R058
TEST(DelayQueue, ResetPostponesADueValue) {
    time_loop loop;
    delay_queue<int> queue;
    const auto key = queue.insert(1, 10ms);
    polled hand(queue);
    assert_pending(hand.poll());
    loop.advance(10ms);
    queue.reset(key, 10ms);
    assert_pending(hand.poll());
    loop.advance(9ms);
    assert_pending(hand.poll());
    loop.advance(1ms);
    EXPECT_EQ(hand.value(), 1);
}

// covers: P039
TEST(DelayQueue, RemoveReturnsAValueBeforeTheDeadline) {
    time_loop loop;
    delay_queue<std::unique_ptr<int>> queue;
    const auto one = queue.insert(std::make_unique<int>(1), 10ms);
    queue.insert(std::make_unique<int>(2), 20ms);
    polled hand(queue);
    assert_pending(hand.poll());
    auto out = queue.remove(one);
    EXPECT_EQ(*out.value, 1);
    EXPECT_EQ(queue.size(), 1u);
    loop.advance(10ms);
    assert_pending(hand.poll());
    EXPECT_FALSE(queue.try_remove(one).has_value());
    loop.advance(10ms);
    EXPECT_EQ(*hand.value(), 2);
}

// covers: P039
TEST(DelayQueue, RemovingTheLastValueWakesTheWaiter) {
    for (const bool clears : {false, true}) {
        time_loop loop;
        delay_queue<int> queue;
        const auto key = queue.insert(1, 10s);
        polled hand(queue);
        assert_pending(hand.poll());
        if (clears) {
            queue.clear();
        } else {
            static_cast<void>(queue.remove(key));
        }
        loop.advance(0ms);
        EXPECT_EQ(hand.wakes(), 1u);
        EXPECT_FALSE(assert_ready(hand.poll()).has_value());
    }
}

// covers: P039
TEST(DelayQueue, StaleKeyThrowsEvenIfTheSlotIsReused) {
    time_loop loop;
    delay_queue<int> queue;
    const auto stale = queue.insert(1, 1ms);
    static_cast<void>(queue.remove(stale));
    for (int i = 0; i < 2; ++i) {
        EXPECT_FALSE(queue.contains(stale));
        EXPECT_FALSE(queue.try_remove(stale).has_value());
        for (const std::string& text : {text_of_misuse([&] { static_cast<void>(queue.remove(stale)); }),
                                        text_of_misuse([&] { queue.reset(stale, 1ms); }),
                                        text_of_misuse([&] { queue.reset_at(stale, clock::now()); }),
                                        text_of_misuse([&] { static_cast<void>(queue.deadline(stale)); })}) {
            EXPECT_NE(text.find("the key of a delay_queue is stale"), std::string::npos);
            EXPECT_NE(text.find("time_delay_queue_test.cpp"), std::string::npos) << text;
        }
        const auto again = queue.insert(2, 1ms);  // in the slot of the first value
        EXPECT_NE(again, stale);
        EXPECT_NE(std::hash<delay_key>()(again), std::hash<delay_key>()(stale));
    }
    EXPECT_EQ(queue.size(), 2u);
}

// covers: P039
TEST(DelayQueue, PeekReturnsTheNextKey) {
    time_loop loop;
    delay_queue<int> queue;
    EXPECT_FALSE(queue.peek().has_value());
    const auto later = queue.insert(1, 20ms);
    const auto sooner = queue.insert(2, 10ms);
    EXPECT_EQ(queue.peek(), sooner);
    queue.reset(sooner, 30ms);
    EXPECT_EQ(queue.peek(), later);
    loop.advance(1s);
    EXPECT_EQ(queue.peek(), later);
}

// covers: P039
TEST(DelayQueue, CompactKeepsKeysValid) {
    time_loop loop;
    delay_queue<int> queue;
    std::vector<delay_key> keys;
    for (int i = 0; i < 1000; ++i) keys.push_back(queue.insert(i, std::chrono::milliseconds(1 + i)));
    for (int i = 0; i < 1000; ++i) {
        if (i % 10 != 3) static_cast<void>(queue.remove(keys[static_cast<std::size_t>(i)]));
    }
    EXPECT_GE(queue.capacity(), 1000u);
    queue.compact();
    EXPECT_LT(queue.capacity(), 200u);
    EXPECT_EQ(queue.size(), 100u);
    for (int i = 0; i < 1000; ++i) EXPECT_EQ(queue.contains(keys[static_cast<std::size_t>(i)]), i % 10 == 3);
    for (int i = 0; i < 1000; ++i) keys.push_back(queue.insert(1000 + i, 5s));  // into reused slots
    EXPECT_EQ(queue.remove(keys[13]).value, 13);
    EXPECT_FALSE(queue.contains(keys[13]));
    queue.reset(keys[3], 10s);
    queue.compact();
    EXPECT_EQ(queue.peek(), keys[23]);
    EXPECT_EQ(queue.remove(keys[3]).value, 3);
    loop.advance(1s);
    polled hand(queue);
    for (int i = 23; i < 1000; i += 10) EXPECT_EQ(hand.value(), i);
    assert_pending(hand.poll());
    queue.clear();
    queue.compact();
    EXPECT_EQ(queue.capacity(), 0u);
}

// covers: P039
TEST(DelayQueue, ReserveGrowsTheCapacity) {
    delay_queue<int> queue(10);
    EXPECT_GE(queue.capacity(), 10u);
    queue.reserve(100);
    EXPECT_GE(queue.capacity(), 100u);
    EXPECT_TRUE(queue.is_empty());
}

// covers: P037
TEST(DelayQueue, FarFutureDeadlinesDoNotOverflow) {
    time_loop loop;
    delay_queue<int> queue;
    queue.insert(1, std::chrono::hours::max());
    queue.insert(2, std::chrono::nanoseconds::max());
    queue.insert(3, std::chrono::duration<double>(1e300));
    queue.insert_at(4, time_point::max());
    queue.insert(5, std::chrono::hours(24 * 365 * 100));
    queue.insert(0, std::chrono::hours::min());
    polled hand(queue);
    EXPECT_EQ(hand.value(), 0);
    assert_pending(hand.poll());
    loop.advance(std::chrono::hours(24 * 365 * 100));
    EXPECT_EQ(hand.value(), 5);
    assert_pending(hand.poll());
    EXPECT_EQ(queue.size(), 4u);
}

// covers: R045
TEST(DelayQueue, DueValuesConsumeCoopBudget) {
    time_loop loop;
    delay_queue<int> queue;
    for (int i = 0; i < 20; ++i) queue.insert(i, 0ms);
    wake_counter counter;
    const eddy::waker waker = counter.waker();
    eddy::context cx(waker, 10);
    for (int i = 0; i < 10; ++i) EXPECT_EQ(assert_ready(queue.poll_next(cx))->value, i);
    assert_pending(queue.poll_next(cx));
    EXPECT_EQ(counter.wakes(), 1u);
    queue.clear();
    queue.insert(1, 1s);
    eddy::context idle(waker, 10);
    assert_pending(queue.poll_next(idle));
    EXPECT_EQ(idle.budget(), 10u);
}

TEST(DelayQueue, CanBeMovedAfterAPoll) {
    time_loop loop;
    delay_queue<int> queue;
    const auto key = queue.insert(1, 10ms);
    {
        polled hand(queue);
        assert_pending(hand.poll());
    }
    auto moved = std::move(queue);
    EXPECT_TRUE(queue.is_empty());  // NOLINT(bugprone-use-after-move): the moved-from queue is tested
    EXPECT_TRUE(moved.contains(key));
    polled hand(moved);
    assert_pending(hand.poll());
    loop.advance(10ms);
    EXPECT_EQ(hand.wakes(), 1u);
    EXPECT_EQ(hand.value(), 1);
    queue.insert(2, 0ms);
    moved = std::move(queue);
    EXPECT_EQ(hand.value(), 2);
}

TEST(DelayQueue, OnlyValuesThatAreNotDueNeedALoop) {
    delay_queue<int> queue;
    queue.insert(1, 0ms);
    queue.insert(2, 1h);
    polled hand(queue);
    EXPECT_EQ(hand.value(), 1);
    const std::string text = text_of_misuse([&] { static_cast<void>(hand.poll()); });
    EXPECT_NE(text.find("a sleep needs an event loop"), std::string::npos);
    EXPECT_NE(text.find("time_delay_queue_test.cpp"), std::string::npos) << text;
}

struct refuses_to_move {
    explicit refuses_to_move(int* moves) : left(moves) {}
    refuses_to_move(refuses_to_move&& other) : left(other.left) {
        if (*left == 0) throw std::runtime_error("moved");
        --*left;
    }
    refuses_to_move& operator=(refuses_to_move&&) = delete;
    ~refuses_to_move() = default;
    int* left;
};

TEST(DelayQueue, ThrowingInsertLeavesTheQueueUnchanged) {
    time_loop loop;
    delay_queue<refuses_to_move> queue(4);
    int moves = 100;
    queue.insert(refuses_to_move(&moves), 1ms);
    int none = 1;  // one move: into insert_at(), but no further
    EXPECT_THROW(queue.insert(refuses_to_move(&none), 0ms), std::runtime_error);
    EXPECT_EQ(queue.size(), 1u);
    polled hand(queue);
    loop.advance(1ms);
    EXPECT_TRUE(assert_ready(hand.poll()).has_value());
    EXPECT_FALSE(assert_ready(hand.poll()).has_value());
}

// covers: P039
TEST(DelayQueue, WorksNextToAnotherBranchOfSelect) {
    struct user {
        static eddy::task<int> run() {
            eddy::test::pause();
            delay_queue<int> expiring;
            const auto start = clock::now();
            auto key = expiring.insert(1, 10ms);
            expiring.insert(2, 25ms);
            int extended = 0;
            int came = 0;
            while (!expiring.is_empty()) {
                auto got = co_await eddy::select(expiring.next(), eddy::time::sleep(4ms));
                if (got.index() == 1) {
                    if (extended++ < 5) expiring.reset(key, 10ms);  // the entry was used
                    continue;
                }
                auto& out = std::get<0>(got);
                came = came * 10 + out->value;
                EXPECT_EQ(clock::now(), out->deadline);
            }
            EXPECT_EQ(clock::now() - start, 30ms);
            co_return came;
        }
    };
    eddy::core loop;
    EXPECT_EQ(loop.run(user::run()), 21);
}

// ---- Against a model ----

// covers: P039 R058
TEST(DelayQueue, MatchesASortedMap) {
    std::mt19937_64 random(support::seed());
    for (std::uint64_t round = 0, rounds = support::rounds(2'000); round < rounds; ++round) {
        time_loop loop;
        delay_queue<int> queue;
        struct entry {
            delay_key key;
            time_point deadline;
            std::uint64_t order;
        };
        std::map<int, entry> model;
        std::uint64_t order = 0;
        int next_value = 0;
        polled hand(queue);
        const auto any = [&] { return std::next(model.begin(), static_cast<std::ptrdiff_t>(random() % model.size())); };
        const auto first = [&] {
            return std::ranges::min_element(model, [](const auto& a, const auto& b) {
                return std::pair(a.second.deadline, a.second.order) < std::pair(b.second.deadline, b.second.order);
            });
        };
        const auto draw = [&] {
            const std::uint64_t span[] = {10, 1'000, 1'000'000, 1'000'000'000, 100'000'000'000};
            return std::chrono::nanoseconds(random() % span[random() % std::size(span)]);
        };
        for (int step = 0; step < 400; ++step) {
            switch (random() % 8) {
            case 0:
            case 1: {
                const auto deadline = clock::now() + draw();
                model.emplace(next_value, entry{queue.insert_at(next_value, deadline), deadline, order++});
                ++next_value;
                break;
            }
            case 2:
                if (!model.empty()) {
                    const auto at = any();
                    EXPECT_EQ(queue.remove(at->second.key).value, at->first);
                    EXPECT_FALSE(queue.contains(at->second.key));
                    model.erase(at);
                }
                break;
            case 3:
                if (!model.empty()) {
                    const auto at = any();
                    at->second.deadline = clock::now() + draw();
                    at->second.order = order++;
                    queue.reset_at(at->second.key, at->second.deadline);
                }
                break;
            case 4:
                if (random() % 20 == 0) queue.compact();
                break;
            case 5: loop.advance(draw()); break;
            default: {
                auto answer = hand.poll();
                if (model.empty()) {
                    EXPECT_FALSE(assert_ready(std::move(answer)).has_value());
                } else if (const auto at = first(); at->second.deadline <= clock::now()) {
                    const auto out = assert_ready(std::move(answer));
                    ASSERT_TRUE(out.has_value());
                    EXPECT_EQ(out->value, at->first);
                    EXPECT_EQ(out->deadline, at->second.deadline);
                    EXPECT_EQ(out->key, at->second.key);
                    model.erase(at);
                } else {
                    assert_pending(answer);
                    const auto before = hand.wakes();
                    loop.advance(at->second.deadline - clock::now());
                    EXPECT_GT(hand.wakes(), before);
                }
            }
            }
            ASSERT_EQ(queue.size(), model.size());
            ASSERT_EQ(queue.peek().has_value(), !model.empty());
            if (!model.empty()) {
                ASSERT_EQ(queue.peek(), first()->second.key);
            }
        }
    }
}

// covers: P039
TEST(DelayQueueStress, MillionsOfValuesAreReturnedInOrder) {
    time_loop loop;
    delay_queue<std::uint32_t> queue;
    std::mt19937_64 random(support::seed());
    const auto count = static_cast<std::uint32_t>(support::rounds(5'000'000));
    std::vector<delay_key> keys;
    for (std::uint32_t i = 0; i < count; ++i)
        keys.push_back(queue.insert(i, std::chrono::microseconds(random() % 10'000'000)));
    for (std::uint32_t i = 0; i < count; i += 2) queue.reset(keys[i], std::chrono::microseconds(random() % 10'000'000));
    for (std::uint32_t i = 0; i < count; i += 3) static_cast<void>(queue.remove(keys[i]));
    polled hand(queue);
    auto last = time_point::min();
    std::size_t came = 0;
    while (!queue.is_empty()) {
        auto answer = hand.poll();
        if (!answer.is_ready()) {
            loop.advance(10ms);
            continue;
        }
        EXPECT_LE(last, (*answer)->deadline);
        EXPECT_LE((*answer)->deadline, clock::now());
        last = (*answer)->deadline;
        ++came;
    }
    EXPECT_EQ(came, count - (count + 2) / 3);
}

}  // namespace
