// SPDX-License-Identifier: MIT
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <thread>

#include <tmc/manual_reset_event.hpp>

#include "cases.hpp"
#include "runtime.hpp"

namespace bench::peer {

namespace {

using namespace std::chrono_literals;

constinit std::atomic<std::uint64_t> parked = 0;

tmc::task<void> park(tmc::manual_reset_event& never) {
    parked.fetch_add(1, std::memory_order_release);  // pairs with the acquire in spawn_parked()
    co_await never;
}

tmc::task<void> spawn_tasks(tmc::manual_reset_event& never, std::uint64_t tasks) {
    for (std::uint64_t i = 0; i < tasks; ++i) tmc::spawn(park(never)).detach();
    co_return;
}

void spawn_parked(runtime& on, tmc::manual_reset_event& never, std::uint64_t tasks) {
    const std::uint64_t expected = parked.load(std::memory_order_relaxed) + tasks;
    on.run(spawn_tasks(never, tasks));
    while (parked.load(std::memory_order_acquire) != expected) std::this_thread::sleep_for(10ms);
    std::this_thread::sleep_for(50ms);
}

}  // namespace

// Resident bytes per detached task that waits forever.
void mem_parked(flavour where) {
    constexpr std::uint64_t tasks = 1'000'000;
    // Never destroyed, because the tasks wait until the process ends.
    auto& on = *new runtime(where);
    auto& never = *new tmc::manual_reset_event;
    spawn_parked(on, never, 1000);
    const std::uint64_t before = resident_bytes();
    spawn_parked(on, never, tasks);
    report("mem_rss_parked_task", where, "bytes", static_cast<double>(resident_bytes() - before) / tasks);
    std::_Exit(0);  // the workers would wait for the tasks
}

}  // namespace bench::peer
