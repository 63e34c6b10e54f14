// SPDX-License-Identifier: MIT
// Shutting down: when all work is done, and on a signal.
//     $ ./shutdown
//     a job is done
//     idle: only the heartbeat was left, and it is cancelled
//     writing; Ctrl-C ends it
//     ^C
//     the task is destroyed, and notifies the writer
//     the writer has written the rest
//     shut down
#include <eddy/prelude.hpp>

#include <atomic>
#include <cstdio>
#include <memory>

namespace {

using namespace std::chrono_literals;
namespace signal = eddy::signal;

// ---- When all work is done: eddy::run ----

eddy::task<void> job() {
    co_await eddy::time::sleep(10ms);
    std::puts("a job is done");
}

eddy::task<void> beat() {
    auto every = eddy::time::interval(1s);
    for (;;) co_await every.tick();
}

/// eddy::run waits for tasks that were started with spawn(). If the heartbeat were one of them, run would never return.
eddy::task<void> start_jobs() {
    eddy::spawn(job());
    eddy::spawn_background(beat());
    co_return;
}

// ---- On a signal: shutdown_timeout ----

using flag = std::shared_ptr<std::atomic<bool>>;

/// Blocking work cannot be cancelled, so it checks a flag. It may outlive the runtime, so it shares the flag.
void write_until(const flag& is_ending) {
    std::puts("writing; Ctrl-C ends it");
    std::fflush(stdout);
    while (!*is_ending) std::this_thread::sleep_for(1ms);
    std::puts("the writer has written the rest");
}

/// Sets the flag in its destructor. The destructor runs when the task is destroyed, wherever the task waits at that
/// moment.
class stops_writer {
public:
    explicit stops_writer(flag is_ending) : is_ending_(std::move(is_ending)) {}
    stops_writer(const stops_writer&) = delete;
    stops_writer& operator=(const stops_writer&) = delete;
    ~stops_writer() {
        std::puts("the task is destroyed, and notifies the writer");
        *is_ending_ = true;
    }

private:
    flag is_ending_;
};

eddy::task<void> own_a_writer() {
    auto is_ending = std::make_shared<std::atomic<bool>>(false);
    const stops_writer tells_writer(is_ending);
    eddy::spawn_blocking([is_ending] { write_until(is_ending); });
    co_await eddy::pending<void>();  // a server would accept clients here, forever
}

/// Returns when SIGINT or SIGTERM arrives. Installs the handlers before the program prints that Ctrl-C ends it.
eddy::task<eddy::result<void>> write_until_signal() {
    auto interrupts = co_await eddy::try_(signal::stream(signal::kind::interrupt()));
    auto terminations = co_await eddy::try_(signal::stream(signal::kind::terminate()));
    eddy::spawn(own_a_writer());
    co_await eddy::race(interrupts.next(), terminations.next());
    co_return eddy::ok();
}

}  // namespace

int main() {
    // eddy::run creates a runtime, calls block_on and wait_until_idle, and destroys it, which cancels remaining tasks.
    if (const int code = eddy::run(start_jobs()); code != 0) return code;
    std::puts("idle: only the heartbeat was left, and it is cancelled");

    // docs: shutdown
    eddy::runtime runtime;
    if (const auto ended = runtime.block_on(write_until_signal()); !ended) {
        std::fprintf(stderr, "shutdown: %s\n", ended.error().message().c_str());
        return 1;
    }

    // Cancels the tasks, then waits for blocking work, for at most 5 s in total. The destructor would not wait for
    // blocking work. Alternatives: shutdown_background() does not wait and may be called by a task;
    // shutdown_on_idle().wait() cancels background tasks only.
    std::move(runtime).shutdown_timeout(5s);
    // docs: end
    std::puts("shut down");
}
