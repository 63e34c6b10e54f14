// SPDX-License-Identifier: MIT
// Which locks are suspected, by what successive looks find.
// covers: B07
// runs: asan, plain
#include "executor/reports/lock_suspects.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace {

using eddy::detail::lock_queue;
using eddy::detail::lock_queues;
using eddy::detail::lock_suspects;
using lock_waiters = std::vector<lock_queue::waiter>;

constexpr std::uint64_t address_of_lock = 4096;

/// The looks at one lock.
class looks_at_lock {
public:
    /// Makes looks that find the same tasks. Returns the numbers of tasks that were suspected.
    std::vector<std::size_t> find(const lock_waiters& tasks, int looks = 1) {
        std::vector<std::size_t> suspected;
        for (int i = 0; i < looks; ++i) {
            lock_queues now;
            for (const auto& one : tasks) now[address_of_lock].tasks.emplace(one, "place");
            for (const auto& [at, queue] : suspects_.update(std::move(now), 3)) {
                EXPECT_EQ(at, address_of_lock);
                suspected.push_back(queue.tasks.size());
            }
        }
        return suspected;
    }

private:
    lock_suspects suspects_;
};

using suspected_sizes = std::vector<std::size_t>;

TEST(LockSuspects, TasksThatWaitInAllLooksAreSuspectedOnce) {
    looks_at_lock seen;
    EXPECT_EQ(seen.find({{1}, {2}, {3}}, lock_suspects::looks), suspected_sizes());
    EXPECT_EQ(seen.find({{1}, {2}, {3}}), suspected_sizes{3});
    EXPECT_EQ(seen.find({{1}, {2}, {3}}, 100), suspected_sizes());
}

TEST(LockSuspects, TasksMayArriveOneByOne) {
    looks_at_lock seen;
    EXPECT_EQ(seen.find({{1}}, 100), suspected_sizes());
    EXPECT_EQ(seen.find({{1}, {2}}, 100), suspected_sizes());
    EXPECT_EQ(seen.find({{1}, {2}, {3}}, lock_suspects::looks), suspected_sizes())
        << "the third has not waited for long";
    EXPECT_EQ(seen.find({{1}, {2}, {3}, {4}}), suspected_sizes{3});
}

TEST(LockSuspects, LockThatOneTaskGetsIsNotSuspected) {
    looks_at_lock seen;
    EXPECT_EQ(seen.find({{1}, {2}, {3}, {4}}, lock_suspects::looks), suspected_sizes());
    EXPECT_EQ(seen.find({{2}, {3}, {4}}, lock_suspects::looks), suspected_sizes());
    EXPECT_EQ(seen.find({{2}, {3}, {4}}), suspected_sizes{3});
    EXPECT_EQ(seen.find({}), suspected_sizes());
    EXPECT_EQ(seen.find({{2}, {3}, {4}}, lock_suspects::looks), suspected_sizes());
    EXPECT_EQ(seen.find({{2}, {3}, {4}}), suspected_sizes{3}) << "the lock went on in between";
}

TEST(LockSuspects, TaskInReusedMemoryIsAnotherOne) {
    looks_at_lock seen;
    for (std::uint64_t started = 1; started < 100; ++started)
        EXPECT_EQ(seen.find({{0, 64, started}, {0, 128, 1}, {0, 192, 1}}), suspected_sizes());
}

}  // namespace
