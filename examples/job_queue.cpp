// SPDX-License-Identifier: MIT
// A job system: a queue with workers, in one class that owns its tasks.
// Jobs that fail are repeated with growing delays, each attempt has a time limit, and the end waits for running jobs.
//     $ ./job_queue
//     resize: done, attempts: 1
//     mail: done, attempts: 3
//     import: the operation timed out, attempts: 1
//     3 jobs have run
#include <eddy/prelude.hpp>

#include <cstdio>
#include <functional>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

namespace {

using namespace std::chrono_literals;
namespace sync = eddy::sync;
namespace time = eddy::time;
using eddy::result;
using eddy::task;

struct job {
    std::string name;
    std::function<task<result<void>>()> work;  // called for each attempt

    job(std::string called, std::function<task<result<void>>()> does)
        : name(std::move(called)), work(std::move(does)) {}
};

class job_queue {
public:
    explicit job_queue(std::size_t workers) : workers_(workers), queue_(jobs::channel(100)) {
        tasks_.spawn([this, alive = unfinished_.token()] { return start_jobs(); });
    }

    /// Adds a job. Waits while the queue is full.
    task<void> add(job next) { static_cast<void>(co_await queue_.sender.send(std::move(next))); }

    /// Waits for the running jobs, and drops the queued jobs. Returns how many jobs have run.
    task<int> close() {
        stop_.cancel();
        unfinished_.close();
        co_await unfinished_.wait();
        co_await tasks_.close();
        co_return ended_;
    }

private:
    using jobs = sync::mpsc<job>;

    using start = std::pair<sync::semaphore::permit, job>;

    task<std::optional<start>> next_start() {
        auto worker = co_await workers_.acquire();
        auto next = co_await queue_.receiver.recv();
        if (!worker || !next) co_return std::nullopt;
        co_return start(std::move(*worker), std::move(*next));
    }

    task<void> start_jobs() {
        const auto run_it = [this](std::optional<start> begun) {
            if (!begun) return eddy::flow::stop;
            tasks_.spawn([this, begun = std::move(*begun), alive = unfinished_.token()] { return run(begun.second); });
            return eddy::flow::next;
        };
        co_await eddy::select_loop(eddy::on([this] { return next_start(); }, run_it),  // in each round
                                   eddy::until(stop_.cancelled()));                    // ends the loop
    }

    /// Runs a job. `next` belongs to the closure of the spawned task.
    task<void> run(const job& next) {
        int attempts = 0;
        const auto attempt = [&] {
            ++attempts;
            return time::try_timeout(200ms, next.work());
        };
        const auto is_worth_it = [](const std::error_code& error) { return error != eddy::errc::timed_out; };
        const auto done = co_await eddy::retry(time::backoff(1ms).max_retries(4), attempt, is_worth_it);
        ++ended_;
        std::printf("%s: %s, attempts: %d\n", next.name.c_str(), done ? "done" : done.error().message().c_str(),
                    attempts);
    }

    int ended_ = 0;
    sync::semaphore workers_;
    sync::cancellation_token stop_;
    sync::task_tracker unfinished_;
    jobs::ends queue_;
    eddy::task_owner tasks_;  // declared last, so that no task uses the other members while they are destroyed
};

task<result<void>> succeed() { co_return eddy::ok(); }

task<void> run_jobs() {
    job_queue queue(1);  // one worker, so that the jobs run in order
    co_await queue.add(job("resize", succeed));
    int failures = 2;
    co_await queue.add(job("mail", [&failures]() -> task<result<void>> {
        if (failures-- > 0) co_return std::unexpected(std::make_error_code(std::errc::connection_refused));
        co_return eddy::ok();
    }));
    sync::notify import_runs;
    co_await queue.add(job("import", [&import_runs]() -> task<result<void>> {
        import_runs.notify_one();
        co_await eddy::pending<void>();
        co_return eddy::ok();
    }));
    co_await queue.add(job("report", succeed));
    co_await import_runs.notified();
    const int ended = co_await queue.close();
    std::printf("%d jobs have run\n", ended);
}

}  // namespace

int main() {
    eddy::core core;
    core.run(run_jobs());
}
