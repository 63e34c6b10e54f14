// SPDX-License-Identifier: MIT
#include <vector>

#include <eddy/task/spawn.hpp>

#include "eddy_cases.hpp"
#include "executor.hpp"

namespace bench::rt {

namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t tasks = 100'000;

eddy::task<nanoseconds> lateness(clock::time_point deadline) {
    co_await eddy::time::sleep_until(deadline);
    const auto late = clock::now() - deadline;
    check(late >= 0ns, "a sleep does not end early");
    co_return late;
}

struct outcome {
    outcome(nanoseconds used, std::vector<nanoseconds> found) noexcept : cpu(used), late(std::move(found)) {}

    nanoseconds cpu;
    std::vector<nanoseconds> late;
};

eddy::task<outcome> sleep_all() {
    const auto cpu_before = cpu_time();
    const auto start = clock::now();
    std::vector<eddy::join_handle<nanoseconds>> handles;
    handles.reserve(tasks);
    for (std::uint64_t i = 0; i < tasks; ++i) {
        const auto offset = 200ms + i * 7919 % tasks * 10us;  // evenly distributed over a second, unordered
        handles.push_back(eddy::spawn(lateness(start + offset)));
    }
    std::vector<nanoseconds> late;
    late.reserve(tasks);
    for (auto& handle : handles) {
        auto joined = co_await handle;
        late.push_back(joined.value());
    }
    co_return outcome(cpu_time() - cpu_before, std::move(late));
}

}  // namespace

// The processor time of 100,000 sleeps that fire, in ms, and their lateness, in us.
void timer_fire(flavour where) {
    auto measured = run_root(where, sleep_all());
    report("timer_fire_cpu", where, "ms", in_milliseconds(measured.cpu));
    report_percentiles("timer_fire_late", where, std::move(measured.late));
}

}  // namespace bench::rt
