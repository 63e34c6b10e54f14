// SPDX-License-Identifier: MIT
#include <boost/asio/detached.hpp>
#include <boost/asio/this_coro.hpp>

#include "cases.hpp"
#include "park.hpp"
#include "timer.hpp"

namespace bench::peer {

namespace {

using namespace std::chrono_literals;

task<void> sleep_an_hour() {
    timer sleeping(co_await asio::this_coro::executor, 1h);
    co_await sleeping.async_wait(use_task);
}

}  // namespace

// Processor time and context switches while 10,000 tasks wait forever, one sleeps for an hour, and main sleeps for 2 s.
void idle(flavour where) {
    constexpr std::uint64_t tasks = 10'000;
    runtime host(where);
    // The channel is never destroyed, because the tasks wait on it until the process ends.
    static never& nothing = *new never(host.get_executor());
    const std::uint64_t expected = parked() + tasks;
    asio::co_spawn(host.get_executor(), sleep_an_hour(), asio::detached);
    for (std::uint64_t i = 0; i < tasks; ++i) asio::co_spawn(host.get_executor(), park(nothing), asio::detached);
    std::this_thread::sleep_for(200ms);
    check(parked() == expected, "all tasks wait");

    const auto cpu = cpu_time();
    const long switches = context_switches();
    std::this_thread::sleep_for(2s);
    report("idle_cpu_2s", where, "ms", in_milliseconds(cpu_time() - cpu));
    report("idle_switches_2s", where, "count", static_cast<double>(context_switches() - switches));
}

}  // namespace bench::peer
