// SPDX-License-Identifier: MIT
// What dump_tasks() and EDDY_DUMP print. How tasks are read and written as text: inspect/tests.
#include <eddy/task/dump_tasks.hpp>

#include <gtest/gtest.h>

#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <future>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/future/yield_now.hpp>
#include <eddy/net/unix_stream.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/core_thread.hpp>
#include <eddy/runtime/runtime.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/sync/mutex.hpp>
#include <eddy/task/local_set.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/task.hpp>
#include <eddy/task/task_builder.hpp>
#include <eddy/time/sleep.hpp>

#include "support/limit.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::task;

task<void> wait_for_lock(eddy::sync::mutex<int>& lock) { static_cast<void>(co_await lock.lock()); }
task<void> read_head(eddy::net::unix_stream& from) {
    std::array<std::byte, 8> head;
    static_cast<void>(co_await from.read(head));
}
task<void> serve(eddy::net::unix_stream& client) { co_await read_head(client); }

/// Returns what dump_tasks() returns while two tasks wait for a lock and one for data.
task<std::string> dump_with_waiting_tasks(eddy::dump_format as) {
    eddy::sync::mutex<int> lock;
    auto held = co_await lock.lock();
    auto ends = eddy::net::unix_stream::pair().value();
    std::vector<eddy::join_handle<void>> tasks;
    for (int i = 0; i < 2; ++i) tasks.push_back(eddy::spawn(wait_for_lock(lock)));
    tasks.push_back(eddy::task_builder().name("client 7").spawn(serve(ends.first)));
    co_await eddy::yield_now();
    std::string text = eddy::dump_tasks(as);
    for (auto& one : tasks) one.abort();
    for (auto& one : tasks) static_cast<void>(co_await one);
    co_return text;
}

// covers: P106
TEST(DumpTasks, TextHasCoroutinesAndWhatTheyWaitFor) {
    const std::string text = eddy::core().run(dump_with_waiting_tasks(eddy::dump_format::text));
    EXPECT_TRUE(text.contains("\n  2 tasks, waits: ")) << text;
    EXPECT_TRUE(text.contains("wait_for_lock  ")) << text;
    EXPECT_TRUE(text.contains("waits for a mutex")) << text;
    EXPECT_TRUE(text.contains(" \"client 7\", waits, spawned at ")) << text;
    EXPECT_LT(text.find("serve  "), text.find("read_head  ")) << text;
    EXPECT_TRUE(text.contains("waits for data from descriptor ")) << text;
    EXPECT_TRUE(text.contains("unix (unnamed) -> (unnamed)")) << text;
    // The caller.
    EXPECT_TRUE(text.contains(", running, spawned at ")) << text;
    EXPECT_FALSE(text.contains("note: ")) << text;
}

// covers: P106
TEST(DumpTasks, JsonHasTheSame) {
    const std::string text = eddy::core().run(dump_with_waiting_tasks(eddy::dump_format::json));
    EXPECT_TRUE(text.starts_with("{")) << text;
    EXPECT_TRUE(text.contains("\"client 7\"")) << text;
    EXPECT_TRUE(text.contains("\"mutex\"")) << text;
}

TEST(DumpTasks, ThreadOutsideOfAnExecutorMayCallIt) {
    eddy::core loop;
    eddy::sync::mutex<int> lock;
    auto held = lock.try_lock().value();
    loop.handle().spawn(wait_for_lock(lock));
    loop.turn();
    EXPECT_TRUE(eddy::dump_tasks().contains("waits for a mutex")) << eddy::dump_tasks();
    held.unlock();
    loop.turn();
}

// ---- Ages ----

std::uint64_t now_ns() {
    const std::chrono::nanoseconds now = std::chrono::steady_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(now.count());
}

/// Returns what dump_tasks() says about one task, from the begin of `key`.
std::string about_task(const std::string& key) {
    const std::string text = eddy::dump_tasks(eddy::dump_format::json);
    const std::size_t begin = text.find(key);
    EXPECT_NE(begin, std::string::npos) << key << " is not in " << text;
    return begin == std::string::npos ? "" : text.substr(begin, text.find('\n', begin) - begin);
}
std::string about_task(std::uint64_t id) { return about_task("\"id\":" + std::to_string(id) + ",\"address\""); }

/// Expects that a task was spawned after `before`, by what is known about it.
void expect_spawned_since(std::uint64_t before, const std::string& about) {
    const std::string field = "\"started_ns\":";
    ASSERT_TRUE(about.contains(field)) << about;
    const std::uint64_t started = std::stoull(about.substr(about.find(field) + field.size()));
    EXPECT_GT(started + (1 << 20), before) << about;  // the unit of the time, which is rounded down
    EXPECT_LE(started, now_ns());
}

task<void> never() { co_await eddy::time::sleep(1h); }

/// Spawns tasks before and after waits, for which the clock must be read again. `spawn` returns a join handle.
task<void> expect_ages(auto spawn) {
    for (int i = 0; i < 3; ++i) {
        co_await eddy::time::sleep(5ms);
        const std::uint64_t before = now_ns();
        auto first = spawn(never());
        auto second = spawn(never());
        expect_spawned_since(before, about_task(first.id()));
        expect_spawned_since(before, about_task(second.id()));
        first.abort();
        second.abort();
    }
}

// covers: P106
TEST(DumpTasks, AgeIsThatOfTheTaskOnALoop) {
    eddy::core loop;
    loop.run(expect_ages([](task<void> work) { return eddy::spawn(std::move(work)); }));
    const std::uint64_t before = now_ns();
    loop.handle().spawn(never());  // the loop does not run
    expect_spawned_since(before, about_task(0));
}

TEST(DumpTasks, AgeIsThatOfTheTaskThatAnotherThreadSends) {
    const eddy::core_thread loop;
    for (int i = 0; i < 3; ++i) {
        std::this_thread::sleep_for(5ms);  // a time from before would be wrong
        const std::uint64_t before = now_ns();
        const auto sent = [&]() -> task<void> {
            expect_spawned_since(before, about_task(0));  // itself
            eddy::spawn(never()).abort();                 // for this, the loop has read the clock before it sleeps
            co_return;
        };
        loop.remote().call(sent).get();
    }
}

TEST(DumpTasks, AgeIsThatOfTheTaskOnAPool) {
    const auto pool = eddy::runtime::builder().worker_threads(1).build().value();
    pool.block_on(pool.spawn(expect_ages([](task<void> work) { return eddy::spawn(std::move(work)); })));
    const std::uint64_t before = now_ns();
    auto outside = pool.spawn(never());
    expect_spawned_since(before, about_task(outside.id()));
    outside.abort();
    std::promise<void> go_on;
    auto blocking = pool.spawn_blocking([until = go_on.get_future()] { until.wait(); });
    expect_spawned_since(before, about_task(blocking.id()));
    go_on.set_value();
    EXPECT_TRUE(eddy::wait(blocking).has_value());
}

TEST(DumpTasks, AgeIsThatOfTheTaskInALocalSet) {
    eddy::core loop;
    eddy::local_set set;
    const std::uint64_t before = now_ns();
    auto outside = set.spawn_local(never());
    loop.run(set.run_until(eddy::time::sleep(1ms)));
    expect_spawned_since(before, about_task(outside.id()));
    auto inside = set.spawn_local(expect_ages([](task<void> work) { return eddy::spawn_local(std::move(work)); }));
    outside.abort();
    loop.run(set.run_until(std::move(inside)));
}

#if GTEST_HAS_DEATH_TEST
/// Sends the process a signal, and blocks its event loop until `printed` was read from `from`.
task<void> block_until_printed(int number, int from, std::string_view printed) {
    ::kill(::getpid(), number);
    std::string text;
    std::array<char, 4096> part;
    while (!text.contains(printed)) {
        const auto count = ::read(from, part.data(), part.size());
        if (count <= 0) std::abort();
        text.append(part.data(), static_cast<std::size_t>(count));
    }
    co_return;
}

/// Sends itself the signal while the only event loop is blocked, and ends when the tasks are printed.
[[noreturn]] void be_dumped(const char* chosen, int number) {
    ::alarm(support::operation_seconds());
    ::setenv("EDDY_DUMP", chosen, 1);
    std::array<int, 2> ends{};
    if (::pipe(ends.data()) != 0 || ::dup2(ends[1], STDERR_FILENO) < 0) std::abort();
    eddy::core loop;
    loop.run(block_until_printed(number, ends[0], "running, spawned at "));
    std::_Exit(0);
}

// covers: P106
TEST(DumpOnSignalDeathTest, TasksArePrintedWhileTheLoopIsBlocked) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_EXIT(be_dumped("SIGQUIT", SIGQUIT), testing::ExitedWithCode(0), "");
    EXPECT_EXIT(be_dumped("USR2", SIGUSR2), testing::ExitedWithCode(0), "");
    EXPECT_EXIT(be_dumped(std::to_string(SIGHUP).c_str(), SIGHUP), testing::ExitedWithCode(0), "");
}

/// Blocks all signals, before or after the event loop is made. Then the signal of EDDY_DUMP prints the tasks, and
/// another one is received where the program waits for it.
[[noreturn]] void be_dumped_while_signals_are_blocked(bool before) {
    ::alarm(support::operation_seconds());
    ::setenv("EDDY_DUMP", "SIGUSR1", 1);
    std::array<int, 2> ends{};
    if (::pipe(ends.data()) != 0 || ::dup2(ends[1], STDERR_FILENO) < 0) std::abort();
    sigset_t most;
    ::sigfillset(&most);
    ::sigdelset(&most, SIGALRM);
    if (before) ::pthread_sigmask(SIG_SETMASK, &most, nullptr);
    eddy::core loop;
    ::pthread_sigmask(SIG_SETMASK, &most, nullptr);
    ::kill(::getpid(), SIGTERM);
    loop.run(block_until_printed(SIGUSR1, ends[0], "running, spawned at "));
    int number = 0;
    ::sigdelset(&most, SIGUSR1);
    ::sigwait(&most, &number);
    std::_Exit(number == SIGTERM ? 0 : 1);
}

TEST(DumpOnSignalDeathTest, ThreadTakesNoSignalButItsOwn) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_EXIT(be_dumped_while_signals_are_blocked(true), testing::ExitedWithCode(0), "");
    EXPECT_EXIT(be_dumped_while_signals_are_blocked(false), testing::ExitedWithCode(0), "");
}

TEST(DumpOnSignalDeathTest, WrongNameIsReportedOnce) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    const auto start = [](const char* chosen) {
        ::setenv("EDDY_DUMP", chosen, 1);
        for (int i = 0; i < 2; ++i) eddy::core().turn(std::chrono::seconds(0));
        std::_Exit(0);
    };
    EXPECT_EXIT(start("SIGNAL"), testing::ExitedWithCode(0),
                "^eddy: EDDY_DUMP=SIGNAL is no signal: write SIGQUIT, SIGUSR1, SIGUSR2, SIGHUP, or a number\n$");
    EXPECT_EXIT(start("9"), testing::ExitedWithCode(0), "^eddy: EDDY_DUMP=9 prints nothing: .*\n$");
    EXPECT_EXIT(start(""), testing::ExitedWithCode(0), "^$");
}
#endif

}  // namespace
