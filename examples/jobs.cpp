// SPDX-License-Identifier: MIT
// A pool of workers: jobs arrive by mpsc, results are sent by oneshot, progress by watch.
// A cancellation_token stops the workers, and a task_tracker waits until all tasks have ended.
//     $ ./jobs
//     half of the jobs are done
//     100 jobs: 100 done, 0 cancelled; the sum of the results is 328350
//     $ ./jobs 10000 2000          (stops after 2000 us)
//     10000 jobs: 2164 done, 7836 cancelled; the sum of the results is 3375587894
#include <eddy/prelude.hpp>

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <vector>

namespace {

namespace sync = eddy::sync;
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
    if (reached) std::printf("half of the jobs are done\n");
}

eddy::task<void> stop_after(std::chrono::microseconds delay, sync::cancellation_token stop) {
    co_await eddy::time::sleep(delay);
    stop.cancel();
}

eddy::task<int> run_jobs(int jobs, std::optional<std::chrono::microseconds> limit) {
    const sync::cancellation_token stop;
    sync::task_tracker running;
    auto done = progress::channel(0);
    auto ends = job_queue::channel(8);
    std::optional<sync::mutex<job_queue::receiver>> queue(std::in_place, std::move(ends.receiver));

    for (int i = 0; i < 4; ++i) running.spawn(work(*queue, done.sender, stop.child_token()));
    running.spawn(say_when_half_is_done(done.receiver, jobs / 2));
    // A background task, since the sleep must not keep the program running.
    if (limit) eddy::spawn_background(stop_after(*limit, stop));

    auto results = co_await hand_out(jobs, std::move(ends.sender), stop);
    // The queue has no senders left, so the workers end when it is empty.
    eddy::drop(std::move(done.sender));  // ends say_when_half_is_done(), if the workers were stopped before
    running.close();
    co_await running.wait();
    queue.reset();  // destroys the jobs that no worker has started

    int finished = 0;
    long sum = 0;
    for (auto& each : results) {
        const auto result = co_await each;
        if (!result) continue;
        ++finished;
        sum += *result;
    }
    std::printf("%d jobs: %d done, %d cancelled; the sum of the results is %ld\n", jobs, finished, jobs - finished,
                sum);
    co_return *done.receiver.borrow() == finished ? 0 : 1;  // the progress agrees with the results
}

}  // namespace

int main(int argc, char** argv) {
    const int jobs = argc > 1 ? std::atoi(argv[1]) : 100;
    std::optional<std::chrono::microseconds> limit;
    if (argc > 2) limit = std::chrono::microseconds(std::atoll(argv[2]));
    return eddy::run(run_jobs(jobs, limit));
}
