// SPDX-License-Identifier: MIT
#include <vector>

#include "bodies.hpp"
#include "eddy_cases.hpp"
#include "executor.hpp"

namespace bench::rt {

namespace {

eddy::time::sleep_future long_sleep(std::uint64_t i) {
    return eddy::time::sleep(std::chrono::milliseconds(30'000 + i % 1000));
}

/// Polls a sleep once, which inserts it into the timer wheel, and is then ready.
class armed {
public:
    using output_type = void;

    explicit armed(eddy::time::sleep_future& sleep) noexcept : sleep_(&sleep) {}

    eddy::poll_result<void> poll(eddy::context& cx) {
        check(!sleep_->poll(cx).is_ready(), "a long sleep does not end in this case");
        return eddy::poll_result<void>::ready();
    }

private:
    eddy::time::sleep_future* sleep_;
};

}  // namespace

eddy::task<void> arm_many(std::vector<eddy::time::sleep_future>& into) {
    into.reserve(many_timers);
    for (std::uint64_t i = 0; i < many_timers; ++i) {
        auto& sleep = into.emplace_back(long_sleep(i));
        co_await armed(sleep);
    }
}

eddy::task<void> arm_and_drop(std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
        auto sleep = long_sleep(i);
        co_await armed(sleep);
    }
}

eddy::task<void> arm_many_and_drop(std::uint64_t times) {
    for (std::uint64_t i = 0; i < times; ++i) {
        std::vector<eddy::time::sleep_future> all;
        co_await arm_many(all);
    }
}

namespace {

eddy::task<double> measure_beside_others() {
    std::vector<eddy::time::sleep_future> others;
    co_await arm_many(others);
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
    const double ns = run_root(where, warm_up_and_measure(&arm_many_and_drop, 10, 10 * many_timers));
    report("timer_arm_cancel_100k", where, "ns", ns);
}

}  // namespace bench::rt
