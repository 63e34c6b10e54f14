// SPDX-License-Identifier: MIT
// Jobs that run concurrently, in a class that owns its tasks: jobs arrive by mpsc, results return by oneshot.
// A job that fails is repeated with growing delays, and each attempt has a time limit. The end waits for running jobs.
//     $ ./jobs
//     100 jobs: 100 done, 0 cancelled, 10 repeated; the sum of the results is 328350
//     $ ./jobs 10000 2000          (stops after 2000 us)
//     10000 jobs: 80 done, 9920 cancelled, 8 repeated; the sum of the results is 167480
#include <eddy/prelude.hpp>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <system_error>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
namespace sync = eddy::sync;
namespace time = eddy::time;
using eddy::result;
using eddy::task;
using eddy::try_;

class worker_pool {
public:
    using work = std::function<task<result<long>>()>;  // called for each attempt
    using answer = sync::oneshot<result<long>>;

    /// Runs up to `workers` jobs at a time. After the cancellation of `stop`, no further job starts.
    worker_pool(std::size_t workers, sync::cancellation_token stop) : stop_(std::move(stop)) {
        auto run_one = [this](job next) { return run_job(std::move(next)); };
        tasks_.spawn(std::move(jobs_.receiver).for_each_concurrent(workers, std::move(run_one)));
    }

    /// Queues a job, and returns the receiver of its result. Waits while the queue is full.
    task<result<answer::receiver>> submit(work what) {
        auto [reply, outcome] = answer::channel();
        job made(std::move(what), std::move(reply));
        co_await try_(jobs_.sender.send(std::move(made)));
        co_return std::move(outcome);
    }

    /// Waits until the queue is empty and all jobs have ended.
    task<void> close() {
        eddy::drop(std::move(jobs_.sender));
        co_await tasks_.wait();
    }

    [[nodiscard]] int ended() const { return ended_; }
    [[nodiscard]] int repeated() const { return repeated_; }

private:
    using job = std::pair<work, answer::sender>;
    using queue = sync::mpsc<job>;

    /// Runs a job, unless the pool was stopped. A job that is destroyed closes the channel of its receiver.
    task<void> run_job(job next) {
        if (stop_.is_cancelled()) co_return;
        auto& [what, reply] = next;
        const auto attempt = [&run = what] { return time::try_timeout(1s, run()); };
        const auto is_worth_it = [&](const std::error_code& error) {
            ++repeated_;
            return error != eddy::errc::timed_out;
        };
        auto outcome = co_await eddy::retry(time::backoff(10us).max_retries(4), attempt, is_worth_it);
        ++ended_;
        static_cast<void>(reply.send(std::move(outcome)));
    }

    queue::ends jobs_ = queue::channel(8);
    sync::cancellation_token stop_;
    int ended_ = 0;
    int repeated_ = 0;
    eddy::task_owner tasks_;  // declared last, so that no task uses the other members while they are destroyed
};

/// The work of a job. Each tenth job fails the first time.
task<result<long>> square(int number, int earlier_attempts) {
    for (int step = 0; step < 20; ++step) co_await eddy::yield_now();
    if (number % 10 == 0 && earlier_attempts == 0) co_return std::unexpected(make_error_code(std::errc::io_error));
    co_return long{number} * number;
}

task<result<int>> run_jobs(int count, std::chrono::microseconds limit) {
    const sync::cancellation_token stop;
    eddy::spawn_background(time::sleep(limit).map([stop] { stop.cancel(); }));
    worker_pool pool(4, stop);
    std::vector<worker_pool::answer::receiver> outcomes;
    for (int n = 0; n < count; ++n) {
        auto submitting = pool.submit([n, tries = 0]() mutable { return square(n, tries++); });
        outcomes.push_back(co_await try_(std::move(submitting)));
    }
    co_await pool.close();
    int done = 0;
    long sum = 0;
    for (auto& each : outcomes) {
        const auto outcome = co_await each;
        if (!outcome || !*outcome) continue;
        ++done;
        sum += **outcome;
    }
    std::printf("%d jobs: %d done, %d cancelled, %d repeated; the sum of the results is %ld\n", count, done,
                count - done, pool.repeated(), sum);
    co_return pool.ended() == done ? 0 : 1;  // no result is lost
}

}  // namespace

int main(int argc, char** argv) {
    const std::chrono::microseconds limit(argc > 2 ? std::atoll(argv[2]) : 60'000'000);
    return eddy::run(run_jobs(argc > 1 ? std::atoi(argv[1]) : 100, limit));
}
