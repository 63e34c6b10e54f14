// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/test/by_hand.hpp>

#include "support/stress.hpp"

namespace support {

/// Three threads create futures with `make`, poll them, pass them to each other, and drop them in every state. Calls
/// `end(output, random)` for each output. At the end, all remaining futures must complete within 10 s.
template <class Make, class End>
void pass_around(Make make, End end) {
    using future = decltype(make());
    struct passed {
        explicit passed(future f) : by(std::move(f)) {}
        eddy::test::by_hand<future> by;
    };
    std::mutex lock;
    std::vector<std::unique_ptr<passed>> table;
    const std::uint64_t seed = support::seed();
    const std::uint64_t rounds = support::rounds(1'000'000);
    const auto run = [&](std::uint64_t number) {
        std::mt19937_64 random(seed + number);
        for (std::uint64_t i = 0; i < rounds; ++i) {
            std::unique_ptr<passed> mine;
            {
                const std::lock_guard guard(lock);
                if (!table.empty() && random() % 4 != 0) {
                    std::swap(table[random() % table.size()], table.back());
                    mine = std::move(table.back());
                    table.pop_back();
                }
            }
            if (mine == nullptr) mine = std::make_unique<passed>(make());
            if (random() % 8 == 0) continue;  // drops the future, which may have been polled
            if (auto answer = mine->by.poll()) {
                end(*std::move(answer), random);
                continue;
            }
            const std::lock_guard guard(lock);
            if (table.size() < 64) table.push_back(std::move(mine));
        }
    };
    std::vector<std::thread> threads;
    threads.reserve(3);
    for (std::uint64_t t = 0; t < 3; ++t) threads.emplace_back(run, t);
    for (auto& one : threads) one.join();
    // Every future in the table was polled, so each one must be woken before it is polled again.
    std::mt19937_64 random(seed);
    const auto has_ended = [&](std::unique_ptr<passed>& one) {
        if (!one->by.is_woken()) return false;
        auto answer = one->by.poll();
        const bool is_ready = answer.is_ready();
        if (is_ready) end(*std::move(answer), random);
        return is_ready;
    };
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!table.empty() && std::chrono::steady_clock::now() < give_up) {
        if (std::erase_if(table, has_ended) == 0) std::this_thread::yield();
    }
    EXPECT_TRUE(table.empty()) << table.size() << " futures wait, but were not woken";
}

}  // namespace support
