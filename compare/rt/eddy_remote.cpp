// SPDX-License-Identifier: MIT
#include <atomic>

#include "eddy_cases.hpp"
#include "executor.hpp"
#include "signal.hpp"

namespace bench::rt {

namespace {

constinit std::atomic<std::uint64_t> left = 0;
constinit signal all_have_run;

eddy::task<void> count_down() {
    // acq_rel: release publishes the writes of this task. acquire makes the writes of all tasks visible to the last
    // task, which sets the signal.
    if (left.fetch_sub(1, std::memory_order_acq_rel) == 1) all_have_run.set();
    co_return;
}

/// Spawns and detaches `tasks` tasks from this thread, and blocks until the last one has run.
template <class Spawn>
void spawn_all(const Spawn& spawn, std::uint64_t tasks) {
    left.store(tasks, std::memory_order_relaxed);  // relaxed: the first spawn publishes it
    for (std::uint64_t i = 0; i < tasks; ++i) spawn();
    all_have_run.wait();
}

template <class Spawn>
double measure(const Spawn& spawn) {
    constexpr std::uint64_t tasks = 1'000'000;
    spawn_all(spawn, tasks / 10);
    const auto start = clock::now();
    spawn_all(spawn, tasks);
    return per_operation(clock::now() - start, tasks);
}

double measure_on_core() {
    const eddy::core_thread thread;
    const auto remote = thread.remote();
    return measure([&remote] { check(remote.spawn(&count_down).has_value(), "the event loop runs"); });
}

double measure_on_pool() {
    auto pool = make_pool();
    return measure([&pool] { static_cast<void>(pool.spawn(count_down())); });
}

}  // namespace

// ns per task that main spawns on a runtime from outside, until the last task has run.
void spawn_remote(flavour where) {
    report("spawn_remote", where, "ns", where == flavour::ct ? measure_on_core() : measure_on_pool());
}

}  // namespace bench::rt
