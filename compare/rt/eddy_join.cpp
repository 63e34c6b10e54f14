// SPDX-License-Identifier: MIT
#include "bodies.hpp"

#include <vector>

#include <eddy/task/spawn.hpp>

#include "eddy_cases.hpp"
#include "executor.hpp"

namespace bench::rt {

namespace {

eddy::task<std::uint64_t> number(std::uint64_t i) { co_return opaque(i); }

}  // namespace

eddy::task<void> join_one_at_a_time(std::uint64_t tasks) {
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < tasks; ++i) {
        auto handle = eddy::spawn(number(i));
        const auto joined = co_await handle;
        sum += joined.value();
    }
    check(sum == tasks * (tasks - 1) / 2, "each task returns its number");
}

eddy::task<void> join_in_batches(std::uint64_t batches) {
    std::uint64_t sum = 0;
    std::vector<eddy::join_handle<std::uint64_t>> handles;
    handles.reserve(join_batch);
    for (std::uint64_t round = 0; round < batches; ++round) {
        for (std::uint64_t i = 0; i < join_batch; ++i) handles.push_back(eddy::spawn(number(i)));
        for (auto& handle : handles) {
            auto joined = co_await handle;
            sum += joined.value();
        }
        handles.clear();
    }
    check(sum == batches * (join_batch * (join_batch - 1) / 2), "each task returns its number");
}

// ns per task that is spawned and joined, one at a time.
void spawn_join_one(flavour where) {
    const double ns = run_root(where, warm_up_and_measure(&join_one_at_a_time, 1'000'000, 1'000'000));
    report("spawn_join_one", where, "ns", ns);
}

// ns per task that is spawned and joined, 1,000 tasks at a time.
void spawn_join_batch(flavour where) {
    const double ns = run_root(where, warm_up_and_measure(&join_in_batches, 1000, 1000 * join_batch));
    report("spawn_join_batch", where, "ns", ns);
}

}  // namespace bench::rt
