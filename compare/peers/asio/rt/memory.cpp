// SPDX-License-Identifier: MIT
#include <boost/asio/detached.hpp>
#include <boost/asio/this_coro.hpp>

#include "allocations.hpp"
#include "cases.hpp"
#include "join.hpp"
#include "park.hpp"
#include "timer.hpp"

namespace bench::peer {

namespace {

using namespace std::chrono_literals;

struct per_task {
    double calls = 0;
    double bytes = 0;
};

task<per_task> count_allocations() {
    constexpr std::uint64_t tasks = 100'000;
    co_await join_one_at_a_time(tasks);
    const rt::allocation_count counted;
    co_await join_one_at_a_time(tasks);
    per_task found{static_cast<double>(counted.calls()) / tasks, static_cast<double>(counted.bytes()) / tasks};
    co_return found;
}

task<void> sleep(nanoseconds time) {
    timer sleeping(co_await asio::this_coro::executor, time);
    co_await sleeping.async_wait(use_task);
}

task<double> bytes_per_parked_task() {
    constexpr std::uint64_t tasks = 1'000'000;
    const executor on = co_await asio::this_coro::executor;
    co_await join_in_batches(100);
    // The channel is never destroyed, because the tasks wait on it until the process ends.
    static never& nothing = *new never(on);
    const std::uint64_t before = resident_bytes();
    const std::uint64_t expected = parked() + tasks;
    for (std::uint64_t i = 0; i < tasks; ++i) asio::co_spawn(on, park(nothing), asio::detached);
    while (parked() != expected) co_await sleep(10ms);
    co_await sleep(50ms);
    co_return static_cast<double>(resident_bytes() - before) / tasks;
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
    report("mem_rss_parked_task", where, "bytes", run_root(where, bytes_per_parked_task()));
}

}  // namespace bench::peer
