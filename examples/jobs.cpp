// SPDX-License-Identifier: MIT
// A pool of workers, in a class that owns its tasks: jobs arrive by mpsc, results return by oneshot.
// A job that fails is repeated with growing delays, and each attempt has a time limit. The end waits for running jobs.
//     $ ./jobs
//     100 jobs: 100 done, 0 cancelled, 10 repeated; the sum of the results is 328350
//     $ ./jobs 10000 2000          (stops after 2000 us)
//     10000 jobs: 2164 done, 7836 cancelled, 217 repeated; the sum of the results is 3375587894
#include <eddy/prelude.hpp>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
namespace sync = eddy::sync;
namespace time = eddy::time;
using eddy::result;
using eddy::task;

class worker_pool {
public:
    using work = std::function<task<result<long>>()>;  // called for each attempt
    using answer = sync::oneshot<result<long>>;

    explicit worker_pool(int workers) {
        // A token keeps close() waiting until its worker has ended.
        for (int i = 0; i < workers; ++i) tasks_.spawn([this, alive = alive_.token()] { return run_jobs(); });
    }

    /// Queues a job, and returns the receiver of its result. Waits while the queue is full.
    task<answer::receiver> submit(work what) {
        auto [reply, outcome] = answer::channel();
        job made(std::move(what), std::move(reply));
        // After a stop this sends nothing. The job is destroyed, which closes the channel of its receiver.
        static_cast<void>(co_await stop_.run_until_cancelled(jobs_.sender.send(std::move(made))));
        co_return std::move(outcome);
    }

    /// Makes the workers stop after their current jobs, when `delay` has passed.
    void stop_after(std::chrono::microseconds delay) {
        tasks_.spawn(time::sleep(delay).map([this] { stop_.cancel(); }));
    }

    /// Waits until the queue is empty, or the workers have stopped. Then destroys the jobs that no worker has started.
    task<void> close() {
        eddy::drop(std::move(jobs_.sender));
        alive_.close();
        co_await alive_.wait();
        receiver_.reset();
    }

    [[nodiscard]] int ended() const { return ended_; }
    [[nodiscard]] int repeated() const { return repeated_; }

private:
    using job = std::pair<work, answer::sender>;
    using queue = sync::mpsc<job>;

    /// Returns the next job. One worker waits for it; the other workers wait for the lock.
    task<std::optional<job>> next_job() {
        auto receiver = co_await receiver_->lock();
        co_return co_await receiver->recv();
    }

    /// Runs jobs until the queue is closed and empty, or a stop. Finishes a job that it has started.
    task<void> run_jobs() {
        for (;;) {
            auto next = co_await stop_.run_until_cancelled(next_job());
            if (!next || !*next) co_return;
            auto& [what, reply] = **next;
            const auto attempt = [&what = what] { return time::try_timeout(1s, what()); };
            const auto is_worth_it = [&](const std::error_code& error) {
                ++repeated_;
                return error != eddy::errc::timed_out;
            };
            auto outcome = co_await eddy::retry(time::backoff(10us).max_retries(4), attempt, is_worth_it);
            ++ended_;
            static_cast<void>(reply.send(std::move(outcome)));
        }
    }

    queue::ends jobs_ = queue::channel(8);
    std::optional<sync::mutex<queue::receiver>> receiver_{std::in_place, std::move(jobs_.receiver)};
    sync::cancellation_token stop_;
    sync::task_tracker alive_;
    std::atomic<int> ended_ = 0;
    std::atomic<int> repeated_ = 0;
    eddy::task_owner tasks_;  // declared last, so that no task uses the other members while they are destroyed
};

/// The work of a job. Each tenth job fails the first time.
task<result<long>> square(int number, int earlier_attempts) {
    for (int step = 0; step < 20; ++step) co_await eddy::yield_now();
    if (number % 10 == 0 && earlier_attempts == 0) co_return std::unexpected(make_error_code(std::errc::io_error));
    co_return long{number} * number;
}

task<int> run_jobs(int count, std::chrono::microseconds limit) {
    worker_pool pool(4);
    pool.stop_after(limit);
    std::vector<worker_pool::answer::receiver> outcomes;
    for (int n = 0; n < count; ++n) {
        auto submitting = pool.submit([n, tries = 0]() mutable { return square(n, tries++); });
        outcomes.push_back(co_await std::move(submitting));
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
