// SPDX-License-Identifier: MIT
#include "measure.hpp"
#include "raw_cases.hpp"
#include "raw_job.hpp"

namespace bench::raw {

namespace {

/// The function of a job that pushes itself to the end of the queue until its value, the number of remaining yields, is
/// 0.
void yield(job& self) {
    if (self.value-- == 0) return free_job(self);
    // SAFETY: yield_together() passes its queue as the context, and runs all jobs before the queue ends.
    static_cast<job_queue*>(self.context)->push(self);
}

void yield_together(job_queue& queue, std::uint64_t tasks, std::uint64_t times) {
    for (std::uint64_t i = 0; i < tasks; ++i) queue.push(make_job(&yield, &queue, times));
    queue.run_all();
}

void measure(std::uint64_t tasks, std::uint64_t warm_up, std::uint64_t times, std::string_view metric, flavour where) {
    job_queue queue;
    yield_together(*opaque(&queue), tasks, warm_up);
    const auto start = clock::now();
    yield_together(*opaque(&queue), tasks, times);
    report(metric, where, "ns", per_operation(clock::now() - start, tasks * times));
}

}  // namespace

void yield_1(flavour where) { measure(1, 100'000, 10'000'000, "yield_1", where); }

void yield_1000(flavour where) { measure(1000, 100, 3000, "yield_1000", where); }

}  // namespace bench::raw
