// SPDX-License-Identifier: MIT
#include <boost/asio/this_coro.hpp>

#include "cases.hpp"
#include "latch.hpp"

namespace bench::peer {

namespace {

constexpr std::uint64_t tasks = 1000;

task<void> yield_often(std::uint64_t times) {
    const executor on = co_await asio::this_coro::executor;
    for (std::uint64_t i = 0; i < times; ++i) co_await asio::post(on, use_task);
}

task<void> yield_together(std::uint64_t times) {
    const executor on = co_await asio::this_coro::executor;
    latch all(tasks);
    for (std::uint64_t i = 0; i < tasks; ++i) {
        asio::co_spawn(on, yield_often(times), [&all](std::exception_ptr) { all.count_down(); });
    }
    co_await all.wait();
}

}  // namespace

// ns per yield of a single task.
void yield_1(flavour where) {
    report("yield_1", where, "ns", run_root(where, warm_up_and_measure(&yield_often, 10'000'000, 10'000'000)));
}

// ns per yield with 1,000 tasks that yield, including spawning and joining.
void yield_1000(flavour where) {
    report("yield_1000", where, "ns", run_root(where, warm_up_and_measure(&yield_together, 3000, 3000 * tasks)));
}

}  // namespace bench::peer
