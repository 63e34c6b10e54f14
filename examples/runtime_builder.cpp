// SPDX-License-Identifier: MIT
// A runtime with its own settings: names, hooks, a handle for other threads, and metrics.
//     $ ./runtime_builder
//     a task named "greeter" runs on a thread named demo-...
//     sent from another thread: 42
//     uncaught exception: the cat is out
//     2 workers, 4 tasks spawned, 0 alive
//     2 threads started, 2 ended
#include <eddy/prelude.hpp>

#include <pthread.h>

#include <atomic>
#include <cstdio>
#include <stdexcept>
#include <string>

namespace {

eddy::task<void> greet() {
    std::array<char, 16> thread{};
    pthread_getname_np(pthread_self(), thread.data(), thread.size());
    const std::string task(eddy::current_task_name());
    std::printf("a task named \"%s\" runs on a thread named %.5s...\n", task.c_str(), thread.data());
    co_return;
}

eddy::task<int> answer() { co_return 42; }

eddy::task<void> fail() {
    co_await eddy::yield_now();
    throw std::runtime_error("the cat is out");
}

eddy::task<void> lose_an_exception() {
    eddy::spawn(fail());  // the handle is dropped, so no code can receive the exception
    co_return;
}

void tell_uncaught(const std::exception_ptr& thrown, const std::source_location& /*where the task was spawned*/) {
    try {
        std::rethrow_exception(thrown);
    } catch (const std::exception& error) {
        std::printf("uncaught exception: %s\n", error.what());
    }
}

}  // namespace

int main() {
    std::atomic<int> begun = 0;
    std::atomic<int> ended = 0;

    auto made = eddy::runtime::builder()
                    .worker_threads(2)                  // default: EDDY_WORKER_THREADS, or one per processor
                    .thread_name("demo-")               // shown by top -H and debuggers: demo-0, demo-1
                    .on_thread_start([&] { ++begun; })  // hooks must be quick, and must not throw
                    .on_thread_stop([&] { ++ended; })
                    .on_uncaught(tell_uncaught)  // default: prints one line on standard error
                    .build();
    if (!made) {  // too few descriptors or threads
        std::fprintf(stderr, "runtime_builder: %s\n", made.error().message().c_str());
        return 1;
    }

    {
        eddy::runtime runtime = std::move(*made);

        // A task with a name. This thread is not a worker, so spawn_on() gets the runtime's handle.
        eddy::task_builder().name("greeter").spawn_on(runtime.handle(), greet());
        runtime.wait_until_idle();

        // Any thread can spawn through a handle. A handle is cheap to copy and does not keep the runtime alive.
        // eddy::wait blocks the thread until a future is ready.
        std::thread other([handle = runtime.handle()] {
            auto sent = handle.spawn(answer());
            std::printf("sent from another thread: %d\n", eddy::wait(sent).value_or(0));
        });
        other.join();

        runtime.block_on(lose_an_exception());
        runtime.wait_until_idle();

        const eddy::runtime_metrics metrics = runtime.metrics();
        std::printf("%zu workers, %llu tasks spawned, %zu alive\n", metrics.workers(),
                    static_cast<unsigned long long>(metrics.spawned_tasks), metrics.alive_tasks);
    }  // the destructor joins the workers
    std::printf("%d threads started, %d ended\n", begun.load(), ended.load());
}
