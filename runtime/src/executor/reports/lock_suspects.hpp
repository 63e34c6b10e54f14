// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "inspect/task_tree.hpp"

namespace eddy::detail {

/// The tasks that wait for one lock.
struct lock_queue {
    /// A task without an id is identified by its address and its time of spawn, since another task may reuse the
    /// memory.
    struct waiter {
        std::uint64_t id = 0;
        inspect::address at = 0;
        std::uint64_t started = 0;

        std::strong_ordering operator<=>(const waiter&) const = default;
    };

    const char* lock = "";
    std::map<waiter, std::string> tasks;  ///< with their places
};
using lock_queues = std::map<inspect::address, lock_queue>;  ///< by the address of the lock

/// Finds locks whose waiting tasks are the same in successive looks: none of them gets the lock.
/// Thread safety: one thread.
class lock_suspects {
public:
    /// Two looks at a busy lock may find the same tasks by chance, eight do not.
    static constexpr int looks = 8;

    /// Adds a look. Returns the locks for which at least `at_least` tasks have waited since `looks` earlier ones, with
    /// these tasks. A lock is returned once. It is a new one after a look that does not find one of its tasks any more.
    [[nodiscard]] lock_queues update(lock_queues now, std::size_t at_least) {
        std::erase_if(all_, [&](const auto& one) { return !now.contains(one.first); });
        lock_queues suspected;
        for (auto& [lock, queue] : now)
            if (is_suspected(all_[lock], queue, at_least)) suspected.emplace(lock, std::move(queue));
        return suspected;
    }

private:
    struct suspect {
        std::map<lock_queue::waiter, int> looks_of;  // earlier looks that have found the task
        bool is_reported = false;
    };

    /// Removes the tasks that have not waited for long.
    [[nodiscard]] static bool is_suspected(suspect& before, lock_queue& now, std::size_t at_least) {
        const auto waits_on = [&](const auto& one) { return now.tasks.contains(one.first); };
        if (!std::ranges::all_of(before.looks_of, waits_on)) before = {};
        for (auto& [task, count] : before.looks_of) ++count;
        for (const auto& [task, place] : now.tasks) before.looks_of.try_emplace(task, 0);
        if (before.is_reported) return false;
        std::erase_if(now.tasks, [&](const auto& one) { return before.looks_of.at(one.first) < looks; });
        before.is_reported = now.tasks.size() >= at_least;
        return before.is_reported;
    }

    std::map<inspect::address, suspect> all_;
};

}  // namespace eddy::detail
