// SPDX-License-Identifier: MIT
#include <string>

#include <eddy/task/spawn.hpp>

#include "allocations.hpp"
#include "bodies.hpp"
#include "eddy_cases.hpp"
#include "executor.hpp"
#include "never.hpp"

namespace bench::rt {

namespace {

using namespace std::chrono_literals;

struct per_task {
    double calls;
    double bytes;
};

eddy::task<per_task> count_allocations() {
    constexpr std::uint64_t tasks = 100'000;
    co_await join_one_at_a_time(tasks);
    const allocation_count counted;
    co_await join_one_at_a_time(tasks);
    co_return per_task{static_cast<double>(counted.calls()) / tasks, static_cast<double>(counted.bytes()) / tasks};
}

eddy::task<double> bytes_per_parked_task(std::uint64_t tasks) {
    const std::uint64_t before = resident_bytes();
    const std::uint64_t expected = parked() + tasks;
    for (std::uint64_t i = 0; i < tasks; ++i) eddy::spawn(park());
    while (parked() != expected) co_await eddy::time::sleep(10ms);
    co_await eddy::time::sleep(50ms);
    co_return static_cast<double>(resident_bytes() - before) / static_cast<double>(tasks);
}

eddy::task<double> bytes_per_task_of_many() {
    co_await join_in_batches(100);
    co_return co_await bytes_per_parked_task(1'000'000);
}

/// Parks one task first, to exclude the cost of the first task. More tasks would leave so much memory behind that a
/// small number of measured tasks would need no new memory.
eddy::task<double> bytes_per_task_of(std::uint64_t tasks) {
    static_cast<void>(co_await bytes_per_parked_task(1));
    co_return co_await bytes_per_parked_task(tasks);
}

}  // namespace

// Number and bytes of allocations per task that is spawned and joined.
void mem_spawn(flavour where) {
    const auto counted = run_root(where, count_allocations());
    report("mem_allocs_per_spawn", where, "count", counted.calls);
    report("mem_alloc_bytes_per_spawn", where, "bytes", counted.bytes);
}

// Resident bytes per detached task that waits forever.
void mem_parked(flavour where) {
    report("mem_rss_parked_task", where, "bytes", run_root(where, bytes_per_task_of_many()));
}

// Resident bytes per detached task that waits forever, with `tasks` tasks.
void scale_parked(std::uint64_t tasks, flavour where) {
    report("scale_parked_" + std::to_string(tasks), where, "bytes", run_root(where, bytes_per_task_of(tasks)));
}

}  // namespace bench::rt
