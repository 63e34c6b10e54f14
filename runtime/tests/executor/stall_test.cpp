// SPDX-License-Identifier: MIT
// Stalls: a poll that computes or blocks for too long is reported with the task, its coroutines and the place; what
// only looks like one is not. How the report is printed: inspect/docs/hangs.md.
// runs: once
#include <eddy/runtime/stall_report.hpp>

#include <gtest/gtest.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/error.hpp>
#include <eddy/future/join.hpp>
#include <eddy/future/poll_fn.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/runtime.hpp>
#include <eddy/task/local_set.hpp>
#include <eddy/task/scope.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/spawn_blocking.hpp>
#include <eddy/task/task.hpp>
#include <eddy/task/task_builder.hpp>
#include <eddy/time/sleep.hpp>

#include "support/environment.hpp"
#include "support/limit.hpp"
#include "support/sanitizers.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::task;
using std::chrono::steady_clock;

constexpr auto limit = 10ms;

/// The stalls of a test end when they have been reported.
class stalls {
public:
    stalls() { EXPECT_EQ(::pipe(pipe_.data()), 0); }
    stalls(const stalls&) = delete;
    stalls& operator=(const stalls&) = delete;
    ~stalls() {
        for (const int fd : pipe_) ::close(fd);
    }

    eddy::stall_handler handler() {
        return [this](const eddy::stall_report& made) {
            const std::lock_guard guard(lock_);
            reports_.push_back(made);
            is_reported_ = true;
            changed_.notify_all();
            EXPECT_EQ(::write(pipe_[1], "x", 1), 1);
        };
    }
    std::vector<eddy::stall_report> reports() {
        const std::lock_guard guard(lock_);
        return reports_;
    }

    // Ways to stall.
    void compute() const {
        while (!is_reported_) continue;
    }
    void sleep() const {
        while (!is_reported_) std::this_thread::sleep_for(1ms);
    }
    void read() const {
        char byte = 0;
        EXPECT_EQ(::read(pipe_[0], &byte, 1), 1);  // restarts after the signal
    }
    void load_library() const {
        const support::environment pipe("EDDY_TEST_SLOW_CONSTRUCTOR", std::to_string(pipe_[0]).c_str());
        void* const library = ::dlopen(EDDY_SLOW_CONSTRUCTOR, RTLD_NOW);  // its constructor reads the pipe
        EXPECT_NE(library, nullptr) << ::dlerror();
        EXPECT_TRUE(library != nullptr && ::dlclose(library) == 0);
    }
    void wait_for_condition() {
        std::unique_lock guard(lock_);
        changed_.wait(guard, [&] { return is_reported_.load(); });
    }
    void lock_mutex() {
        std::mutex mutex;
        std::atomic<bool> is_locked = false;
        std::thread holder([&] {
            const std::lock_guard guard(mutex);
            is_locked = true;
            wait_for_condition();
        });
        while (!is_locked) std::this_thread::yield();
        {
            const std::lock_guard guard(mutex);
        }
        holder.join();
    }
    void join_thread() {
        std::thread([this] { wait_for_condition(); }).join();
    }

private:
    std::array<int, 2> pipe_{};
    std::mutex lock_;
    std::condition_variable changed_;
    std::vector<eddy::stall_report> reports_;
    std::atomic<bool> is_reported_ = false;
};

task<void> compute(stalls& with) {
    with.compute();
    co_return;
}
task<void> compute_after_await(stalls& with) {
    co_await eddy::yield_now();
    co_await eddy::time::sleep(1ms);
    with.compute();
}
task<void> sleep_a_while(stalls& with) {
    with.sleep();
    co_return;
}
task<void> read_pipe(stalls& with) {
    with.read();
    co_return;
}
task<void> load_library(stalls& with) {
    with.load_library();
    co_return;
}
task<void> wait_for_condition(stalls& with) {
    with.wait_for_condition();
    co_return;
}
task<void> lock_mutex(stalls& with) {
    with.lock_mutex();
    co_return;
}
task<void> join_thread(stalls& with) {
    with.join_thread();
    co_return;
}
constexpr unsigned descend_line = __LINE__ + 4;
task<void> descend(stalls& with, unsigned depth) {
    co_await eddy::yield_now();
    if (depth == 0) co_return with.compute();
    co_await descend(with, depth - 1);
}
task<void> in_destructor_of_local(stalls& with) {
    struct slow {
        stalls& with;
        ~slow() { with.sleep(); }
    };
    const slow local{with};
    co_await eddy::yield_now();
}
task<void> in_callback(stalls& with) {
    const std::function<void()> callback = [&] { with.read(); };
    co_await eddy::yield_now();
    callback();
}
auto slow_future(stalls& with) {
    return eddy::poll_fn([&with](eddy::context&) -> eddy::poll_result<int> {
        with.compute();
        return 1;
    });
}
task<void> await_slow_future(stalls& with) { static_cast<void>(co_await slow_future(with)); }
task<void> wait_with_slow_destructor(stalls& with, std::atomic<bool>& waits) {
    struct slow {
        stalls& with;
        ~slow() { with.sleep(); }
    };
    const slow local{with};
    waits = true;
    co_await eddy::time::sleep(1h);
}
task<void> join_two(stalls& with) {
    auto nothing = []() -> task<void> { co_return; };
    co_await eddy::join(nothing(), compute_after_await(with));
}

/// A planted stall. `plant` spawns, in the given line, and waits.
struct planted {
    const char* name;
    unsigned line;
    task<void> (*plant)(stalls& with);
};

#define EDDY_PLANTED(name, call)                                                               \
    planted {                                                                                  \
        name, __LINE__, [](stalls& with) -> task<void> { static_cast<void>(co_await (call)); } \
    }

const planted all_planted[] = {
    EDDY_PLANTED("Compute", eddy::spawn(compute(with))),
    EDDY_PLANTED("ComputeAfterAwait", eddy::spawn(compute_after_await(with))),
    EDDY_PLANTED("Sleep", eddy::spawn(sleep_a_while(with))),
    EDDY_PLANTED("Read", eddy::spawn(read_pipe(with))),
    EDDY_PLANTED("Condition", eddy::spawn(wait_for_condition(with))),
    EDDY_PLANTED("Mutex", eddy::spawn(lock_mutex(with))),
    EDDY_PLANTED("Thread", eddy::spawn(join_thread(with))),
    EDDY_PLANTED("Destructor", eddy::spawn(in_destructor_of_local(with))),
    EDDY_PLANTED("Callback", eddy::spawn(in_callback(with))),
    EDDY_PLANTED("Future", eddy::spawn(slow_future(with))),
    EDDY_PLANTED("AwaitedFuture", eddy::spawn(await_slow_future(with))),
    EDDY_PLANTED("Join", eddy::spawn(join_two(with))),
    EDDY_PLANTED("Named", eddy::task_builder().name("slow one").spawn(compute(with))),
    EDDY_PLANTED("Function", eddy::spawn([&with] { return slow_future(with); })),
    planted{"Detached", __LINE__ + 2,
            [](stalls& with) -> task<void> {
                eddy::spawn(sleep_a_while(with)).detach();
                while (with.reports().empty()) co_await eddy::time::sleep(1ms);
            }},
    planted{"ScopeChild", __LINE__ + 3,
            [](stalls& with) -> task<void> {
                co_await eddy::scope([&](auto& s) -> task<void> {
                    s.spawn(compute(with));
                    co_return;
                });
            }},
    planted{"LocalSet", __LINE__ + 3,
            [](stalls& with) -> task<void> {
                eddy::local_set set;
                set.spawn_local(compute_after_await(with)).detach();
                co_await set;
            }},
    planted{"DestructorOfAborted", __LINE__ + 3,
            [](stalls& with) -> task<void> {
                std::atomic<bool> waits = false;
                auto aborted = eddy::spawn(wait_with_slow_destructor(with, waits));
                while (!waits) co_await eddy::time::sleep(1ms);
                aborted.abort();
                static_cast<void>(co_await aborted);
            }},
    planted{"Depth", __LINE__ + 1,
            [](stalls& with) -> task<void> { static_cast<void>(co_await eddy::spawn(descend(with, 3))); }},
    planted{"InMiddle", __LINE__ + 3,
            [](stalls& with) -> task<void> {
                // Many tasks; one of them stalls.
                auto slow = eddy::spawn(compute_after_await(with));
                for (int i = 0; i < 20; ++i)
                    static_cast<void>(co_await eddy::spawn([]() -> task<void> { co_await eddy::yield_now(); }));
                static_cast<void>(co_await slow);
            }},
};

/// Runs a future on an event loop if `workers` is 0, else on a runtime. Returns the number of stalls that are counted.
template <class F>
std::uint64_t run_on(unsigned workers, eddy::stall_handler handler, std::chrono::nanoseconds most, F&& main) {
    if (workers == 0) {
        auto loop = eddy::core::builder().stall_limit(most).on_stall(std::move(handler)).build().value();
        loop.run(std::forward<F>(main));
        return loop.metrics().stalls();
    }
    const auto pool =
        eddy::runtime::builder().worker_threads(workers).stall_limit(most).on_stall(std::move(handler)).build().value();
    pool.block_on(std::forward<F>(main));
    return pool.metrics().stalls();
}

struct case_of_stall {
    planted what;
    unsigned workers;
};
std::vector<case_of_stall> all_cases() {
    std::vector<case_of_stall> all;
    for (const planted& one : all_planted)
        for (const unsigned workers : {0u, 1u, 2u}) all.push_back({one, workers});
    return all;
}
std::string name_of(const testing::TestParamInfo<case_of_stall>& its) {
    return std::string(its.param.what.name) + (its.param.workers == 0 ? "Core" : "Pool") +
           (its.param.workers == 0 ? "" : std::to_string(its.param.workers));
}

class Stalls : public testing::TestWithParam<case_of_stall> {};
INSTANTIATE_TEST_SUITE_P(Planted, Stalls, testing::ValuesIn(all_cases()), name_of);

// covers: B06
TEST_P(Stalls, ReportNamesFileAndLine) {
    const auto& [what, workers] = GetParam();
    stalls with;
    EXPECT_GE(run_on(workers, with.handler(), limit, what.plant(with)), 1u);
    const auto reports = with.reports();
    ASSERT_FALSE(reports.empty());
    const eddy::stall_report& made = reports.front();
    EXPECT_EQ(made.spawned_at.line(), what.line) << made.text;
    EXPECT_TRUE(std::string(made.spawned_at.file_name()).ends_with("stall_test.cpp")) << made.text;
    EXPECT_TRUE(made.text.contains("stall_test.cpp:" + std::to_string(what.line))) << made.text;
    EXPECT_GE(made.lasted, limit);
}

/// Returns the number of coroutines of a report at a line of this file.
unsigned count_at(const eddy::stall_report& made, unsigned line) {
    const std::string end = "stall_test.cpp:" + std::to_string(line);
    return static_cast<unsigned>(
        std::ranges::count_if(made.awaits, [&](const std::string& one) { return one.ends_with(end); }));
}

TEST(Stalls, ReportHasAwaitChain) {
    if (support::is_sanitized) GTEST_SKIP() << "signals arrive late, and stacks differ";
    for (unsigned depth = 1; depth <= 10; ++depth) {
        stalls with;
        run_on(depth % 3, with.handler(), limit,
               [&]() -> task<void> { static_cast<void>(co_await eddy::spawn(descend(with, depth))); });
        const auto reports = with.reports();
        ASSERT_EQ(reports.size(), 1u);
        EXPECT_EQ(count_at(reports[0], descend_line), depth) << reports[0].text;
        EXPECT_EQ(reports[0].awaits.size(), depth + 1) << reports[0].text;
    }
}

TEST(Stalls, MainFutureIsReported) {
    stalls with;
    auto loop = eddy::core::builder().stall_limit(limit).on_stall(with.handler()).build().value();
    const unsigned line = __LINE__ + 1;
    loop.run(compute(with));
    const auto reports = with.reports();
    ASSERT_EQ(reports.size(), 1u);
    EXPECT_EQ(reports[0].spawned_at.line(), line) << reports[0].text;
    EXPECT_TRUE(reports[0].text.contains("eddy: a task has occupied its thread for ")) << reports[0].text;
}

TEST(Stalls, ReportSaysWhetherThreadComputesOrBlocks) {
    for (const bool blocks : {false, true}) {
        stalls with;
        run_on(0, with.handler(), limit, blocks ? read_pipe(with) : compute(with));
        const auto reports = with.reports();
        ASSERT_EQ(reports.size(), 1u);
        EXPECT_EQ(reports[0].is_blocked, blocks) << reports[0].text;
        EXPECT_TRUE(support::is_sanitized || !reports[0].native.empty()) << reports[0].text;
    }
}

// The thread has the lock of the dynamic linker, which dladdr(3) takes.
TEST(Stalls, ConstructorOfLibraryIsReported) {
    stalls with;
    // The linker itself may take longer than the other tests' limit on a busy machine: it reads the library from the
    // disk.
    run_on(0, with.handler(), 250ms, load_library(with));
    const auto reports = with.reports();
    ASSERT_EQ(reports.size(), 1u);
    EXPECT_TRUE(reports[0].is_blocked) << reports[0].text;
    if (support::is_sanitized) GTEST_SKIP() << "signals arrive late, and stacks differ";
    const auto is_constructor = [](const std::string& one) {
        return one.starts_with("wait_for_report+") && one.ends_with(" (slow_constructor.so)");
    };
    EXPECT_EQ(std::ranges::count_if(reports[0].native, is_constructor), 1) << reports[0].text;
}

/// Waits until the watchdog has seen something.
template <class F>
bool becomes_true(F is_true) {
    const auto end = steady_clock::now() + support::operation_limit();
    while (!is_true() && steady_clock::now() < end) std::this_thread::yield();
    return is_true();
}

TEST(Stalls, PlaceIsReportedOnceAndAllAreCounted) {
    std::atomic<int> handled = 0;
    auto loop = eddy::core::builder().stall_limit(limit).on_stall([&](const auto&) { ++handled; }).build().value();
    std::uint64_t stalled = 0;
    loop.run([&]() -> task<void> {
        for (int i = 0; i < 3; ++i) {
            static_cast<void>(co_await eddy::spawn([&]() -> task<void> {
                const auto before = stalled;
                while (stalled == before) stalled = loop.metrics().stalls();
                co_return;
            }));
        }
    });
    EXPECT_EQ(stalled, 3u);
    EXPECT_LE(handled, 1);  // it is called after the stall was counted
    EXPECT_TRUE(becomes_true([&] { return loop.metrics().stall_times().total() == 3; }));
    EXPECT_GE(loop.metrics().stall_times().quantile(1), limit);
}

TEST(Stalls, WorkerMetricsCountThem) {
    stalls with;
    const auto pool =
        eddy::runtime::builder().worker_threads(1).stall_limit(limit).on_stall(with.handler()).build().value();
    pool.block_on(compute(with));
    EXPECT_EQ(pool.metrics().worker(0).stalls, 1u);
    EXPECT_TRUE(becomes_true([&] { return pool.metrics().stall_times().total() == 1; }));
}

TEST(Stalls, EndOfLoopWaitsForHandler) {
    std::atomic<bool> has_begun = false;
    bool has_ended = false;
    {
        auto loop = eddy::core::builder()
                        .stall_limit(limit)
                        .on_stall([&](const eddy::stall_report&) {
                            has_begun = true;
                            for (int i = 0; i < 100; ++i) std::this_thread::yield();
                            has_ended = true;
                        })
                        .build()
                        .value();
        loop.run([&]() -> task<void> {
            while (!has_begun) continue;
            co_return;
        });
    }
    EXPECT_TRUE(has_ended);
}

// ---- No stalls ----

/// Runs a future that must not be reported.
template <class F>
void expect_no_stall(std::chrono::nanoseconds most, F main) {
    for (const unsigned workers : {0u, 2u}) {
        const auto fail = [](const eddy::stall_report& made) { ADD_FAILURE() << made.text; };
        EXPECT_EQ(run_on(workers, fail, most, main()), 0u);
    }
}

/// Uses the processor for some time.
void burn(std::chrono::nanoseconds time) {
    const auto used = [] {
        timespec now{};
        ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
        return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
    };
    const auto end = used() + time;
    while (used() < end) continue;
}

TEST(NoStall, ShortPollsThatFollowEachOther) {
    expect_no_stall(100ms, []() -> task<void> {
        for (int i = 0; i < 60; ++i) {
            burn(2ms);
            co_await eddy::yield_now();
        }
    });
}

TEST(NoStall, LongWait) {
    expect_no_stall(5ms, []() -> task<void> { co_await eddy::time::sleep(50ms); });
}

TEST(NoStall, BlockingWork) {
    const auto fail = [](const eddy::stall_report& made) { ADD_FAILURE() << made.text; };
    const auto work = [] { std::this_thread::sleep_for(100ms); };
    const auto main = [](auto block) -> task<void> {
        static_cast<void>(co_await eddy::spawn_blocking(block));
        static_cast<void>(co_await eddy::spawn([](auto inner) -> task<void> {
            eddy::block_in_place(inner);
            co_return;
        }(block)));
    };
    EXPECT_EQ(run_on(2, fail, 40ms, main(work)), 0u);
}

/// Stops this process until a child continues it.
void stop_for(std::chrono::milliseconds time) {
    const pid_t child = ::fork();
    if (child == 0) {
        ::poll(nullptr, 0, static_cast<int>(time.count()));
        ::kill(::getppid(), SIGCONT);
        ::_exit(0);
    }
    ASSERT_GT(child, 0);
    ::kill(::getpid(), SIGSTOP);
    ::waitpid(child, nullptr, 0);
}

TEST(NoStall, ProcessIsStopped) {
    expect_no_stall(100ms, []() -> task<void> {
        stop_for(300ms);
        co_return;
    });
}

/// Reads a byte that a child process sends after it has stopped this process for some time.
void read_across_stop(std::chrono::milliseconds before, std::chrono::milliseconds stopped) {
    std::array<int, 2> pipe{};
    ASSERT_EQ(::pipe(pipe.data()), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        ::poll(nullptr, 0, static_cast<int>(before.count()));
        ::kill(::getppid(), SIGSTOP);
        ::poll(nullptr, 0, static_cast<int>(stopped.count()));
        ::kill(::getppid(), SIGCONT);
        ::poll(nullptr, 0, static_cast<int>(before.count()));
        ::_exit(::write(pipe[1], "x", 1) == 1 ? 0 : 1);
    }
    ASSERT_GT(child, 0);
    char byte = 0;
    EXPECT_EQ(::read(pipe[0], &byte, 1), 1);
    ::waitpid(child, nullptr, 0);
    for (const int fd : pipe) ::close(fd);
}

// The thread is blocked before and after the stop, and most of the time it is neither.
TEST(NoStall, ProcessIsStoppedWhileItsThreadIsBlocked) {
    expect_no_stall(400ms, []() -> task<void> {
        read_across_stop(60ms, 1200ms);
        co_return;
    });
}

/// While it exists, new threads share one processor with eight threads that compute.
class busy_processor {
public:
    busy_processor() {
        EXPECT_EQ(::sched_getaffinity(0, sizeof before_, &before_), 0);
        cpu_set_t one;
        CPU_ZERO(&one);
        for (std::size_t i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++i)
            if (CPU_ISSET(i, &before_)) CPU_SET(i, &one);
        EXPECT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);  // threads that start now inherit it
        for (int i = 0; i < 8; ++i)
            others_.emplace_back([this] {
                while (!is_over_) continue;
            });
    }
    busy_processor(const busy_processor&) = delete;
    busy_processor& operator=(const busy_processor&) = delete;
    ~busy_processor() {
        is_over_ = true;
        for (auto& other : others_) other.join();
        EXPECT_EQ(::sched_setaffinity(0, sizeof before_, &before_), 0);
    }

private:
    cpu_set_t before_{};
    std::atomic<bool> is_over_ = false;
    std::vector<std::thread> others_;
};

TEST(NoStall, ThreadWaitsForProcessor) {
    const busy_processor here;
    expect_no_stall(100ms, []() -> task<void> {
        burn(20ms);  // takes about 180 ms
        co_return;
    });
}

TEST(NoStall, HolderOfMutexWaitsForProcessor) {
    const busy_processor here;
    expect_no_stall(100ms, []() -> task<void> {
        std::mutex mutex;
        std::atomic<bool> is_locked = false;
        std::thread holder([&] {
            const std::lock_guard guard(mutex);
            is_locked = true;
            burn(30ms);  // takes about 270 ms
        });
        while (!is_locked) std::this_thread::yield();
        {
            const std::lock_guard guard(mutex);
        }
        holder.join();
        co_return;
    });
}

/// Stops a thread of the parent for a while, as a debugger does, and then writes to `released`. Writes to `stopped`
/// when the thread has stopped: whether that was permitted.
[[noreturn]] void stop_thread(pid_t number, int stopped, int released) {
    const bool is_traced = ::ptrace(PTRACE_SEIZE, number, nullptr, nullptr) == 0 &&
                           ::ptrace(PTRACE_INTERRUPT, number, nullptr, nullptr) == 0 &&
                           ::waitpid(number, nullptr, __WALL) == number;
    static_cast<void>(!::write(stopped, is_traced ? "y" : "n", 1));
    const timespec pause{0, 400'000'000};
    if (is_traced) ::nanosleep(&pause, nullptr);
    static_cast<void>(!::write(released, "x", 1));
    ::_exit(0);  // the thread continues
}

TEST(NoStall, HolderOfMutexIsStoppedByDebugger) {
    std::array<int, 2> stopped{};
    std::array<int, 2> released{};
    ASSERT_EQ(::pipe(stopped.data()), 0);
    ASSERT_EQ(::pipe2(released.data(), O_NONBLOCK), 0);
    ::prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
    std::mutex mutex;
    std::atomic<pid_t> number = 0;
    char byte = 0;
    std::thread holder([&] {
        const std::lock_guard guard(mutex);
        number = ::gettid();
        char end = 0;
        while (::read(released[0], &end, 1) != 1) continue;
    });
    while (number == 0) std::this_thread::yield();
    const pid_t debugger = ::fork();
    if (debugger == 0) stop_thread(number, stopped[1], released[1]);
    ASSERT_EQ(::read(stopped[0], &byte, 1), 1);
    if (byte == 'y') {
        expect_no_stall(100ms, [&]() -> task<void> {
            const std::lock_guard guard(mutex);
            co_return;
        });
    }
    holder.join();
    ::waitpid(debugger, nullptr, 0);
    for (const int fd : {stopped[0], stopped[1], released[0], released[1]}) ::close(fd);
    if (byte != 'y') GTEST_SKIP() << "ptrace(2) is not permitted";
}

TEST(NoStall, LimitZeroSwitchesItOff) {
    expect_no_stall(0ns, []() -> task<void> {
        burn(50ms);
        co_return;
    });
}

// ---- Signals and settings ----

std::atomic<int> urgent_signals = 0;

TEST(StallSignal, HandlerOfProgramStays) {
    struct sigaction before{};
    struct sigaction ours{};
    ours.sa_handler = [](int) { ++urgent_signals; };
    ASSERT_EQ(::sigaction(SIGURG, &ours, &before), 0);
    stalls with;
    run_on(0, with.handler(), limit, compute(with));
    struct sigaction after{};
    ASSERT_EQ(::sigaction(SIGURG, &before, &after), 0);
    EXPECT_EQ(after.sa_handler, ours.sa_handler);
    EXPECT_EQ(urgent_signals, 0);
    const auto reports = with.reports();
    ASSERT_EQ(reports.size(), 1u);
    EXPECT_TRUE(reports[0].native.empty()) << reports[0].text;
}

TEST(StallSignal, ThreadThatBlocksItIsReportedWithoutFunctions) {
    stalls with;
    sigset_t urgent;
    sigset_t before;
    ::sigemptyset(&urgent);
    ::sigaddset(&urgent, SIGURG);
    ::pthread_sigmask(SIG_BLOCK, &urgent, &before);
    run_on(0, with.handler(), limit, compute(with));
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    const auto reports = with.reports();
    ASSERT_EQ(reports.size(), 1u);
    EXPECT_TRUE(reports[0].native.empty()) << reports[0].text;
}

TEST(StallSettings, NegativeLimitIsMisuse) {
    EXPECT_THROW(eddy::core::builder().stall_limit(-1ns), eddy::misuse);
    EXPECT_THROW(eddy::runtime::builder().stall_limit(-1ns), eddy::misuse);
}

TEST(StallSettings, VariableOverridesLimit) {
    for (const char* const text : {"10ms", "10000us"}) {
        const support::environment variable("EDDY_STALL", text);
        stalls with;
        EXPECT_EQ(run_on(0, with.handler(), 1h, compute(with)), 1u);
    }
    const support::environment off("EDDY_STALL", "0");
    expect_no_stall(5ms, []() -> task<void> {
        burn(50ms);
        co_return;
    });
}

/// Returns the number of threads of this process with a name.
std::size_t threads_named(const std::string& name) {
    std::size_t count = 0;
    for (const auto& one : std::filesystem::directory_iterator("/proc/self/task")) {
        std::ifstream in(one.path() / "comm");
        std::string found;
        count += std::getline(in, found) && found == name ? 1 : 0;
    }
    return count;
}

TEST(StallSettings, ManyLoopsShareOneThread) {
    for (int i = 0; i < 500; ++i)
        eddy::core::builder().enable_io(false).build().value().run([]() -> task<void> { co_return; });
    EXPECT_EQ(threads_named("eddy-stalls"), 1u);
    stalls with;
    EXPECT_EQ(run_on(0, with.handler(), limit, compute(with)), 1u);
}

}  // namespace
