// SPDX-License-Identifier: MIT
#include "timer.hpp"

#include <vector>

#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>

#include "cases.hpp"

namespace bench::peer {

namespace {

constexpr std::uint64_t many = 100'000;

void arm(timer& armed) {
    armed.async_wait([](boost::system::error_code outcome) {
        check(outcome == asio::error::operation_aborted, "a long sleep does not end in this case");
    });
}

timer long_sleep(const executor& on, std::uint64_t i) {
    timer made(on, std::chrono::milliseconds(30'000 + i % 1000));
    arm(made);
    return made;
}

task<void> arm_and_drop(std::uint64_t count) {
    const executor on = co_await asio::this_coro::executor;
    for (std::uint64_t i = 0; i < count; ++i) {
        static_cast<void>(long_sleep(on, i));
        // Runs the queued handlers of canceled timers. They are part of the cost, and would otherwise fill the memory.
        if (i % 1000 == 999) co_await asio::post(on, use_task);
    }
}

std::vector<timer> arm_many(const executor& on) {
    std::vector<timer> all;
    all.reserve(many);
    for (std::uint64_t i = 0; i < many; ++i) all.push_back(long_sleep(on, i));
    return all;
}

task<void> arm_many_and_drop(std::uint64_t times) {
    const executor on = co_await asio::this_coro::executor;
    for (std::uint64_t i = 0; i < times; ++i) {
        arm_many(on).clear();
        co_await asio::post(on, use_task);  // runs the handlers, see arm_and_drop()
    }
}

task<double> measure_beside_others() {
    const std::vector<timer> others = arm_many(co_await asio::this_coro::executor);
    co_return co_await warm_up_and_measure(&arm_and_drop, 1'000'000, 1'000'000);
}

}  // namespace

// ns per sleep that is armed and dropped, without other timers.
void timer_arm_cancel(flavour where) {
    const double ns = run_root(where, warm_up_and_measure(&arm_and_drop, 1'000'000, 1'000'000));
    report("timer_arm_cancel", where, "ns", ns);
}

// ns per sleep that is armed and dropped, while 100,000 other timers stay armed.
void timer_arm_cancel_live(flavour where) {
    report("timer_arm_cancel_live", where, "ns", run_root(where, measure_beside_others()));
}

// ns per sleep if 100,000 sleeps are armed, and then all of them are dropped in the order of arming.
void timer_arm_cancel_100k(flavour where) {
    const double ns = run_root(where, warm_up_and_measure(&arm_many_and_drop, 10, 10 * many));
    report("timer_arm_cancel_100k", where, "ns", ns);
}

}  // namespace bench::peer
