// SPDX-License-Identifier: MIT
#include <vector>

#include <boost/asio/this_coro.hpp>

#include "cases.hpp"
#include "latch.hpp"
#include "timer.hpp"

namespace bench::peer {

namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t tasks = 100'000;

task<nanoseconds> lateness(executor on, clock::time_point deadline) {
    timer sleep(on, deadline);
    co_await sleep.async_wait(use_task);
    const auto late = clock::now() - deadline;
    check(late >= 0ns, "a sleep does not end early");
    co_return late;
}

struct outcome {
    nanoseconds cpu{};
    std::vector<nanoseconds> late;
};

task<outcome> sleep_all() {
    const executor on = co_await asio::this_coro::executor;
    const auto cpu_before = cpu_time();
    const auto start = clock::now();
    std::vector<nanoseconds> late(tasks);
    latch all(tasks);
    for (std::uint64_t i = 0; i < tasks; ++i) {
        const auto offset = 200ms + i * 7919 % tasks * 10us;  // evenly distributed over a second, unordered
        asio::co_spawn(on, lateness(on, start + offset),
                       [&all, &into = late[i]](std::exception_ptr, nanoseconds found) {
                           into = found;
                           all.count_down();
                       });
    }
    co_await all.wait();
    outcome measured{cpu_time() - cpu_before, std::move(late)};
    co_return measured;
}

}  // namespace

// The processor time of 100,000 sleeps that fire, in ms, and their lateness, in us.
void timer_fire(flavour where) {
    auto measured = run_root(where, sleep_all());
    report("timer_fire_cpu", where, "ms", in_milliseconds(measured.cpu));
    report_percentiles("timer_fire_late", where, std::move(measured.late));
}

}  // namespace bench::peer
