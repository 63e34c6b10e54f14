// SPDX-License-Identifier: MIT
#include <atomic>

#include <boost/asio/detached.hpp>

#include "cases.hpp"
#include "runtime.hpp"
#include "signal.hpp"

namespace bench::peer {

namespace {

constinit std::atomic<std::uint64_t> left = 0;
constinit signal all_have_run;

task<void> count_down() {
    // acq_rel: release publishes the writes of this task. acquire makes the writes of all tasks visible to the last
    // task, which sets the signal.
    if (left.fetch_sub(1, std::memory_order_acq_rel) == 1) all_have_run.set();
    co_return;
}

/// Spawns and detaches `tasks` tasks from this thread, and blocks until the last one has run.
void spawn_all(const executor& on, std::uint64_t tasks) {
    left.store(tasks, std::memory_order_relaxed);  // relaxed: the first spawn publishes it
    for (std::uint64_t i = 0; i < tasks; ++i) asio::co_spawn(on, count_down(), asio::detached);
    all_have_run.wait();
}

}  // namespace

// ns per task that main spawns on a runtime from outside, until the last task has run.
void spawn_remote(flavour where) {
    constexpr std::uint64_t tasks = 1'000'000;
    runtime host(where, where == flavour::ct ? 1 : 2);
    spawn_all(host.get_executor(), tasks / 10);
    const auto start = clock::now();
    spawn_all(host.get_executor(), tasks);
    report("spawn_remote", where, "ns", per_operation(clock::now() - start, tasks));
}

}  // namespace bench::peer
