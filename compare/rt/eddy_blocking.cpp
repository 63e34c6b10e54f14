// SPDX-License-Identifier: MIT
#include <eddy/task/spawn_blocking.hpp>

#include "eddy_cases.hpp"
#include "executor.hpp"

namespace bench::rt {

namespace {

eddy::task<void> call(std::uint64_t times) {
    for (std::uint64_t i = 0; i < times; ++i) {
        const auto add_one = [i] { return i + 1; };
        auto handle = eddy::spawn_blocking(add_one);
        const auto answer = co_await handle;
        check(answer.value() == i + 1, "the pool adds one");
    }
}

eddy::task<double> measure() {
    co_await call(1000);
    co_return co_await ns_per_operation(20'000, call(20'000));
}

}  // namespace

// Microseconds per round trip to the blocking pool, with one call at a time.
void spawn_blocking(flavour where) { report("spawn_blocking", where, "us", run_root(where, measure()) / 1e3); }

}  // namespace bench::rt
