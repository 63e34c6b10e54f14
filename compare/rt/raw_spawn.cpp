// SPDX-License-Identifier: MIT
#include <array>

#include "measure.hpp"
#include "raw_cases.hpp"
#include "raw_job.hpp"

namespace bench::raw {

namespace {

constexpr std::uint64_t batch = 1000;

void look_at_value(job& self) { self.value = opaque(self.value); }

void one_at_a_time(job_queue& queue, std::uint64_t tasks) {
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < tasks; ++i) {
        job& spawned = make_job(&look_at_value, nullptr, i);
        queue.push(spawned);
        queue.run_all();
        sum += spawned.value;
        free_job(spawned);
    }
    check(sum == tasks * (tasks - 1) / 2, "each task returns its number");
}

void in_batches(job_queue& queue, std::uint64_t batches) {
    std::uint64_t sum = 0;
    std::array<job*, batch> handles{};
    for (std::uint64_t round = 0; round < batches; ++round) {
        for (std::uint64_t i = 0; i < batch; ++i) {
            handles[i] = &make_job(&look_at_value, nullptr, i);
            queue.push(*handles[i]);
        }
        queue.run_all();
        for (job* const handle : handles) {
            sum += handle->value;
            free_job(*handle);
        }
    }
    check(sum == batches * (batch * (batch - 1) / 2), "each task returns its number");
}

/// The shared state of the links of a chain.
struct chain {
    job_queue& queue;
    std::uint64_t ended = 0;
};

void run_link(job& self) {
    // SAFETY: chains() passes its chain as the context, and runs all jobs before the chain ends.
    auto& shared = *static_cast<chain*>(self.context);
    if (self.value == 1) {
        ++shared.ended;
    } else {
        shared.queue.push(make_job(&run_link, &shared, self.value - 1));
    }
    free_job(self);
}

void chains(job_queue& queue, std::uint64_t count) {
    chain shared{queue};
    for (std::uint64_t i = 0; i < count; ++i) {
        queue.push(make_job(&run_link, &shared, batch));
        queue.run_all();
    }
    check(shared.ended == count, "each chain has an end");
}

void measure(void (*body)(job_queue&, std::uint64_t), std::uint64_t times, std::uint64_t operations,
             std::string_view metric, flavour where) {
    job_queue queue;
    body(*opaque(&queue), times / 10);
    const auto start = clock::now();
    body(*opaque(&queue), times);
    report(metric, where, "ns", per_operation(clock::now() - start, operations));
}

}  // namespace

void spawn_join_one(flavour where) { measure(&one_at_a_time, 1'000'000, 1'000'000, "spawn_join_one", where); }

void spawn_join_batch(flavour where) { measure(&in_batches, 1000, 1000 * batch, "spawn_join_batch", where); }

void chained_spawn(flavour where) { measure(&chains, 1000, 1000 * batch, "chained_spawn", where); }

}  // namespace bench::raw
