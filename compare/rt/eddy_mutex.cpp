// SPDX-License-Identifier: MIT
#include <array>
#include <memory>

#include <eddy/sync/mutex.hpp>
#include <eddy/task/spawn.hpp>

#include "eddy_cases.hpp"
#include "executor.hpp"

namespace bench::rt {

namespace {

using counter = eddy::sync::mutex<std::uint64_t>;

eddy::task<void> count_up(std::shared_ptr<counter> shared, std::uint64_t times) {
    for (std::uint64_t i = 0; i < times; ++i) {
        auto guard = co_await shared->lock();
        ++*guard;
    }
}

eddy::task<void> count_up_and_yield(std::shared_ptr<counter> shared, std::uint64_t times) {
    for (std::uint64_t i = 0; i < times; ++i) {
        auto guard = co_await shared->lock();
        ++*guard;
        co_await eddy::yield_now();
    }
}

eddy::task<void> count_alone(std::uint64_t times) {
    const auto shared = std::make_shared<counter>(0);
    co_await count_up(shared, times);
    check(*shared->try_lock().value() == times, "each increment is counted");
}

/// Runs four tasks that count to `times` together.
template <auto CountUp>
eddy::task<void> count_by_four(std::uint64_t times) {
    const auto shared = std::make_shared<counter>(0);
    std::array handles{eddy::spawn(CountUp(shared, times / 4)), eddy::spawn(CountUp(shared, times / 4)),
                       eddy::spawn(CountUp(shared, times / 4)), eddy::spawn(CountUp(shared, times / 4))};
    for (auto& handle : handles) {
        const auto joined = co_await handle;
        check(joined.has_value(), "all tasks succeed");
    }
    check(*shared->try_lock().value() == times, "each increment is counted");
}

}  // namespace

// ns per lock and unlock by one task.
void mutex_uncontended(flavour where) {
    report("mutex_uncontended", where, "ns", run_root(where, warm_up_and_measure(&count_alone, 5'000'000, 5'000'000)));
}

// ns per lock and unlock by four tasks that await nothing while they hold the lock.
void mutex_4(flavour where) {
    report("mutex_4", where, "ns",
           run_root(where, warm_up_and_measure(&count_by_four<&count_up>, 1'000'000, 1'000'000)));
}

// ns per lock and unlock by four tasks that yield while they hold the lock, so that the other tasks wait for the lock.
void mutex_4_yield(flavour where) {
    report("mutex_4_yield", where, "ns",
           run_root(where, warm_up_and_measure(&count_by_four<&count_up_and_yield>, 400'000, 400'000)));
}

}  // namespace bench::rt
