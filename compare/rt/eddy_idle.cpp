// SPDX-License-Identifier: MIT
#include "eddy_cases.hpp"
#include "executor.hpp"
#include "never.hpp"

namespace bench::rt {

namespace {

using namespace std::chrono_literals;

eddy::task<void> sleep_an_hour() { co_await eddy::time::sleep(1h); }

}  // namespace

// Processor time and context switches while 10,000 tasks wait forever, one sleeps for an hour, and main sleeps for 2 s.
void idle(flavour where) {
    constexpr std::uint64_t tasks = 10'000;
    auto pool = make_pool();
    const std::uint64_t expected = parked() + tasks;
    static_cast<void>(pool.spawn(sleep_an_hour()));
    for (std::uint64_t i = 0; i < tasks; ++i) static_cast<void>(pool.spawn(park()));
    std::this_thread::sleep_for(200ms);
    check(parked() == expected, "all tasks wait");

    const auto cpu = cpu_time();
    const long switches = context_switches();
    std::this_thread::sleep_for(2s);
    report("idle_cpu_2s", where, "ms", in_milliseconds(cpu_time() - cpu));
    report("idle_switches_2s", where, "count", static_cast<double>(context_switches() - switches));
}

}  // namespace bench::rt
