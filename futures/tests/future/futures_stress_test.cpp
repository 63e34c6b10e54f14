// SPDX-License-Identifier: MIT
// Groups of futures: random operations compared with a model, and futures that are woken from other threads.
// runs: asan, plain
#include <eddy/stream/futures_ordered.hpp>
#include <eddy/stream/futures_unordered.hpp>

#include <eddy/future/join.hpp>
#include <eddy/future/join_all.hpp>
#include <eddy/future/select.hpp>
#include <eddy/future/select_all.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <random>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "support/futures/starting_line.hpp"
#include "support/scripted.hpp"
#include "support/stress.hpp"

namespace {

using eddy::futures_ordered;
using eddy::futures_unordered;
using eddy::task;
using eddy::test::wake_counter;
using support::plan;
using support::script;
using support::scripted;
using support::starting_line;
using channel = eddy::sync::oneshot<int>;

// ---- Compared with a model ----

/// Performs random pushes, wakes, completions, drops and polls. The model: the indexes of the pushed futures, in order,
/// and whether a wake-up is due.
template <template <class> class Group, bool in_order>
void compare_with_a_model(std::uint64_t rounds) {
    std::mt19937_64 random(support::seed());
    for (std::uint64_t round = 0; round < rounds; ++round) {
        std::deque<script> scripts;  // stable addresses
        std::deque<std::size_t> pushed;
        std::optional<Group<scripted>> jobs(std::in_place);
        wake_counter counter;
        const eddy::waker waker = counter.waker();
        bool is_woken = false;  // the model: a wake-up is due
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
                    if (!s.waker.is_noop()) s.waker.wake_by_ref();  // a spurious wake-up; the future may be destroyed
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

TEST(FuturesUnordered, RandomOperationsMatchAModel) { compare_with_a_model<futures_unordered, false>(300); }
TEST(FuturesOrdered, RandomOperationsMatchAModel) { compare_with_a_model<futures_ordered, true>(300); }

// ---- Wakes from other threads ----

// covers: R140
TEST(FuturesUnorderedStress, WakesFromThreadsRaceWithPollAndDrop) {
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
        starting_line line(threads + 1);
        std::vector<std::thread> running;
        for (auto& mine : senders) {
            running.emplace_back([&line, &mine] {
                line.arrive_and_wait();
                for (auto& tx : mine) static_cast<void>(tx.send(1));
            });
        }
        const auto wanted = random() % 2 == 0 ? threads * each : static_cast<int>(random() % (threads * each));
        auto take = [](futures_unordered<channel::receiver>& from, int count) -> task<int> {
            int sum = 0;
            for (int i = 0; i < count; ++i) {
                auto item = co_await from.next();
                sum += item->value();
            }
            co_return sum;
        };
        line.arrive_and_wait();
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

// covers: R140
TEST(JoinAllStress, FuturesWokenFromOtherThreadsAllComplete) {
    const auto rounds = support::rounds(5'000);
    for (std::uint64_t round = 0; round < rounds; ++round) {
        for (const std::size_t count : {8u, 64u}) {
            std::vector<channel::receiver> receivers;
            std::vector<channel::sender> senders;
            for (std::size_t i = 0; i < count; ++i) {
                auto ends = channel::channel();
                receivers.push_back(std::move(ends.receiver));
                senders.push_back(std::move(ends.sender));
            }
            std::vector<std::thread> threads;
            for (std::size_t of = 0; of < 2; ++of) {
                threads.emplace_back([&senders, of] {
                    for (std::size_t i = of; i < senders.size(); i += 2)
                        static_cast<void>(senders[i].send(static_cast<int>(i)));
                });
            }
            if (round % 2 == 0) {
                const auto all = eddy::wait(eddy::join_all(std::move(receivers)));
                for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(all[i], static_cast<int>(i));
            } else {
                const auto first = eddy::wait(eddy::select_all(std::move(receivers)));
                EXPECT_EQ(first.output, static_cast<int>(first.index));
            }
            for (auto& thread : threads) thread.join();
        }
    }
}

// covers: R140
TEST(SelectStress, FuturesWokenFromFourThreadsComplete) {
    const auto rounds = support::rounds(20'000);
    for (std::uint64_t round = 0; round < rounds; ++round) {
        std::array<channel::ends, 4> ends;
        starting_line line(5);
        std::vector<std::thread> senders;
        for (int i = 0; i < 4; ++i) {
            senders.emplace_back([&line, i, tx = std::move(ends[static_cast<std::size_t>(i)].sender)]() mutable {
                line.arrive_and_wait();
                static_cast<void>(tx.send(i));
            });
        }
        line.arrive_and_wait();
        if (round % 2 == 0) {
            auto won = eddy::wait(eddy::select(std::move(ends[0].receiver), std::move(ends[1].receiver),
                                               std::move(ends[2].receiver), std::move(ends[3].receiver)));
            const auto index = static_cast<int>(won.index());
            std::visit([&](auto& value) { EXPECT_EQ(value.value(), index); }, won);
        } else {
            auto all = eddy::wait(eddy::join(std::move(ends[0].receiver), std::move(ends[1].receiver),
                                             std::move(ends[2].receiver), std::move(ends[3].receiver)));
            EXPECT_EQ(*all.first + *all.second + *all.third + *all.fourth, 6);
        }
        for (auto& sender : senders) sender.join();
    }
}

}  // namespace
