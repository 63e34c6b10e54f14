// SPDX-License-Identifier: MIT
#include <algorithm>
#include <string>
#include <vector>

#include <eddy/task/spawn.hpp>

#include "bodies.hpp"
#include "eddy_cases.hpp"
#include "executor.hpp"

namespace bench::rt {

eddy::task<void> yield_often(std::uint64_t times) {
    for (std::uint64_t i = 0; i < times; ++i) co_await eddy::yield_now();
}

eddy::task<void> yield_together(std::uint64_t times) {
    std::vector<eddy::join_handle<void>> handles;
    handles.reserve(yielding_tasks);
    for (std::uint64_t i = 0; i < yielding_tasks; ++i) handles.push_back(eddy::spawn(yield_often(times)));
    for (auto& handle : handles) {
        const auto joined = co_await handle;
        check(joined.has_value(), "a yielding task succeeds");
    }
}

namespace {

/// The shared state of the tasks of scale_yield(), which all run on one thread.
struct crowd {
    explicit crowd(std::uint64_t tasks) noexcept : not_begun(tasks), not_ended(tasks) {}

    std::uint64_t not_begun;
    std::uint64_t not_ended;
    clock::time_point all_begun;
    clock::time_point all_ended;
};

eddy::task<void> yield_among(crowd& others, std::uint64_t times) {
    if (--others.not_begun == 0) others.all_begun = clock::now();
    for (std::uint64_t i = 0; i < times; ++i) co_await eddy::yield_now();
    if (--others.not_ended == 0) others.all_ended = clock::now();
}

eddy::task<double> ns_per_yield_among(std::uint64_t tasks) {
    // The total number of yields is constant, with a minimum per task so that the cost of starting and ending the task
    // is negligible.
    const std::uint64_t times = std::max<std::uint64_t>(3'000'000 / tasks, 30);
    crowd all(tasks);
    std::vector<eddy::join_handle<void>> handles;
    handles.reserve(tasks);
    for (std::uint64_t i = 0; i < tasks; ++i) handles.push_back(eddy::spawn(yield_among(all, times)));
    for (auto& handle : handles) {
        const auto joined = co_await handle;
        check(joined.has_value(), "a yielding task succeeds");
    }
    co_return per_operation(all.all_ended - all.all_begun, tasks * times);
}

}  // namespace

// ns per yield of a single task.
void yield_1(flavour where) {
    report("yield_1", where, "ns", run_root(where, warm_up_and_measure(&yield_often, 10'000'000, 10'000'000)));
}

// ns per yield with 1,000 tasks that yield, including spawning and joining.
void yield_1000(flavour where) {
    report("yield_1000", where, "ns",
           run_root(where, warm_up_and_measure(&yield_together, 3000, 3000 * yielding_tasks)));
}

// ns per yield with `tasks` tasks that yield, from the moment when all tasks have begun until all tasks have ended.
void scale_yield(std::uint64_t tasks, flavour where) {
    report("scale_yield_" + std::to_string(tasks), where, "ns", run_root(where, ns_per_yield_among(tasks)));
}

}  // namespace bench::rt
