// SPDX-License-Identifier: MIT
#include <cstddef>
#include <numeric>
#include <vector>

#include <tmc/spawn_many.hpp>
#include <tmc/utils.hpp>

#include "cases.hpp"
#include "runtime.hpp"

namespace bench::peer {

namespace {

tmc::task<std::uint64_t> number(std::uint64_t i) { co_return opaque(i); }

// fork() queues the child. A plain co_await of the task would only call it.
tmc::task<void> join_one_at_a_time(std::uint64_t tasks) {
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < tasks; ++i) {
        auto forked = tmc::spawn(number(i)).fork();
        sum += co_await std::move(forked);
    }
    check(sum == tasks * (tasks - 1) / 2, "each task returns its number");
}

constexpr std::uint64_t join_batch = 1000;

tmc::task<void> join_in_batches(std::uint64_t batches) {
    std::uint64_t sum = 0;
    for (std::uint64_t round = 0; round < batches; ++round) {
        const auto results = co_await tmc::spawn_many<join_batch>(tmc::iter_adapter(std::uint64_t{0}, &number));
        sum = std::accumulate(results.begin(), results.end(), sum);
    }
    check(sum == batches * (join_batch * (join_batch - 1) / 2), "each task returns its number");
}

}  // namespace

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

}  // namespace bench::peer
