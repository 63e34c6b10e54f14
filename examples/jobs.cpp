// SPDX-License-Identifier: MIT
// A pool of workers: jobs arrive by mpsc, results are sent by oneshot, progress by watch.
// A cancellation_token stops the workers, and a task_tracker waits until all tasks have ended.
//     $ ./jobs
//     half of the jobs are done
//     100 jobs: 100 done, 0 cancelled; the sum of the results is 328350
//     $ ./jobs --jobs 10000 --stop-after-us 2000
//     10000 jobs: 2164 done, 7836 cancelled; the sum of the results is 3375587894
#include <eddy/prelude.hpp>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <optional>
#include <vector>

namespace {

using namespace std::chrono_literals;
namespace sync = eddy::sync;

struct options {
    int jobs = 100;
    int workers = 4;
    std::optional<std::int64_t> stop_after_us;
};

using answer = sync::oneshot<long>;
using progress = sync::watch<int>;

/// A job, and the sender for its result. A job that is destroyed without a result closes its channel.
struct job {
    job(int n, answer::sender to) noexcept : number(n), reply(std::move(to)) {}

    int number;
    answer::sender reply;
};

using job_queue = sync::mpsc<job>;

eddy::task<long> compute(int number) {
    for (int step = 0; step < 20; ++step) co_await eddy::yield_now();
    co_return long{number} * number;
}

/// Returns the next job. One worker waits for it; the other workers wait for the lock.
eddy::task<std::optional<job>> next_of(sync::mutex<job_queue::receiver>& queue) {
    auto receiver = co_await queue.lock();
    co_return co_await receiver->recv();
}

/// Executes jobs until the queue is closed or `stop` is cancelled. Finishes a job that it has started.
eddy::task<void> work(sync::mutex<job_queue::receiver>& queue, progress::sender done, sync::cancellation_token stop) {
    for (;;) {
        auto next = co_await stop.run_until_cancelled(next_of(queue));
        if (!next || !*next) co_return;
        job taken = **std::move(next);
        const long result = co_await compute(taken.number);
        static_cast<void>(taken.reply.send(result));
        done.send_modify([](int& count) { ++count; });
    }
}

/// Sends the jobs, and waits while the queue is full. Returns the receivers of the results.
eddy::task<std::vector<answer::receiver>> hand_out(int count, job_queue::sender queue, sync::cancellation_token stop) {
    std::vector<answer::receiver> results;
    for (int number = 0; number < count; ++number) {
        auto ends = answer::channel();
        results.push_back(std::move(ends.receiver));
        // After `stop` this sends nothing. The job is destroyed, which closes the channel of its receiver.
        static_cast<void>(co_await stop.run_until_cancelled(queue.send(job(number, std::move(ends.sender)))));
    }
    co_return results;
}

eddy::task<void> say_when_half_is_done(progress::receiver done, int half) {
    const auto reached = co_await done.wait_for([half](int count) { return count >= half; });
    if (reached) fmt::print("half of the jobs are done\n");
}

/// Stops the workers after a delay, or ends when all jobs were sent: otherwise the sleep would keep the program
/// running.
eddy::task<void> stop_after(std::chrono::microseconds delay, sync::cancellation_token stop,
                            sync::cancellation_token handed_out) {
    const auto slept = co_await handed_out.run_until_cancelled(eddy::time::sleep(delay));
    if (slept) stop.cancel();
}

eddy::task<int> run_jobs(options chosen) {
    const sync::cancellation_token stop;
    const sync::cancellation_token handed_out;
    sync::task_tracker running;
    auto done = progress::channel(0);
    auto ends = job_queue::channel(8);
    std::optional<sync::mutex<job_queue::receiver>> queue(std::in_place, std::move(ends.receiver));

    for (int i = 0; i < chosen.workers; ++i) running.spawn(work(*queue, done.sender, stop.child_token()));
    if (chosen.stop_after_us) {
        running.spawn(stop_after(std::chrono::microseconds(*chosen.stop_after_us), stop, handed_out));
    } else {
        running.spawn(say_when_half_is_done(std::move(done.receiver), chosen.jobs / 2));
    }

    auto results = co_await hand_out(chosen.jobs, std::move(ends.sender), stop);
    handed_out.cancel();
    // The queue has no senders left, so the workers end when it is empty.
    running.close();
    if (!co_await eddy::time::timeout(20s, running.wait())) {
        fmt::print(stderr, "the workers have not ended in 20 s\n");
        co_return 1;
    }
    queue.reset();  // destroys the jobs that no worker has started

    int finished = 0;
    long sum = 0;
    for (auto& each : results) {
        const auto result = co_await each;
        if (!result) continue;
        ++finished;
        sum += *result;
    }
    fmt::print("{} jobs: {} done, {} cancelled; the sum of the results is {}\n", chosen.jobs, finished,
               chosen.jobs - finished, sum);
    const int counted = *done.sender.borrow();
    if (counted != finished) {
        fmt::print(stderr, "{} results, but progress says {}\n", finished, counted);
        co_return 1;
    }
    co_return 0;
}

}  // namespace

int main(int argc, char** argv) {
    options chosen;
    CLI::App app("a pool of workers fed by a channel");
    app.add_option("--jobs", chosen.jobs, "the number of jobs")->check(CLI::NonNegativeNumber);
    app.add_option("--workers", chosen.workers, "the number of workers")->check(CLI::PositiveNumber);
    app.add_option("--stop-after-us", chosen.stop_after_us, "stop after this number of microseconds");
    CLI11_PARSE(app, argc, argv);
    return eddy::run(run_jobs(chosen));
}
