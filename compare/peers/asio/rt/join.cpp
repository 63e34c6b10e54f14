// SPDX-License-Identifier: MIT
#include "join.hpp"

#include <numeric>
#include <vector>

#include <boost/asio/this_coro.hpp>

#include "cases.hpp"
#include "latch.hpp"

namespace bench::peer {

namespace {

task<std::uint64_t> number(std::uint64_t i) { co_return opaque(i); }

}  // namespace

task<void> join_one_at_a_time(std::uint64_t tasks) {
    const executor on = co_await asio::this_coro::executor;
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < tasks; ++i) sum += co_await asio::co_spawn(on, number(i), use_task);
    check(sum == tasks * (tasks - 1) / 2, "each task returns its number");
}

task<void> join_in_batches(std::uint64_t batches) {
    const executor on = co_await asio::this_coro::executor;
    std::uint64_t sum = 0;
    std::vector<std::uint64_t> results(join_batch);
    for (std::uint64_t round = 0; round < batches; ++round) {
        latch all(join_batch);
        for (std::uint64_t i = 0; i < join_batch; ++i) {
            asio::co_spawn(on, number(i), [&all, &into = results[i]](std::exception_ptr, std::uint64_t result) {
                into = result;
                all.count_down();
            });
        }
        co_await all.wait();
        sum = std::accumulate(results.begin(), results.end(), sum);
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

}  // namespace bench::peer
