// SPDX-License-Identifier: MIT
// The life of a process after its start: its end, signals, drops.
// covers: P075 P076
#include <gtest/gtest.h>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <eddy/eddy.hpp>
#include <eddy/process.hpp>

#include <support/executors.hpp>
#include <support/gate.hpp>
#include <support/net.hpp>
#include <support/poll_once.hpp>
#include <support/polling.hpp>
#include <support/process/children.hpp>
#include <support/self_assignment.hpp>
#include <support/system.hpp>
#include <support/temp_dir.hpp>

namespace {

namespace process = eddy::process;
using namespace std::chrono_literals;
using process::child;
using process::command;
using process::stdio;
using support::all_are_reaped;
using support::comes_true;
using support::state_of;

bool is_gone(int id) {
    return comes_true([id] { return state_of(id) == '-'; });
}

/// Of a grandchild, for which another process has to wait.
bool is_dead(int id) {
    return comes_true([id] { return state_of(id) == '-' || state_of(id) == 'Z'; });
}

class ProcessChild : public testing::TestWithParam<unsigned> {
protected:
    child start(const command& what) { return runs.run(what.spawn()).value(); }
    process::exit_status end_of(const child& of) { return runs.run(of.wait()).value(); }
    std::string text_of_end(const command& what) { return end_of(start(what)).to_string(); }
    /// Reads the first line that the process prints.
    std::string line_of(child& of) {
        return runs.run([](child& from) -> eddy::task<std::string> {
            std::string line;
            for (std::byte next{}; line.empty() || line.back() != '\n';) {
                const auto count = co_await from.out()->read(std::span(&next, 1));
                if (!count || *count == 0) co_return "no line";
                line += static_cast<char>(next);
            }
            line.pop_back();
            co_return line;
        }(of));
    }

    support::executor runs{GetParam()};
    const support::temp_dir folder;
};

INSTANTIATE_TEST_SUITE_P(Executors, ProcessChild, testing::Values(0, 1, 3), support::name_of_executor);

TEST_P(ProcessChild, PipeThatWasNotMadeIsMisuse) {
    auto without = start(command("true"));
    const auto expect_misuse = [](const std::string& program, const std::string& function, auto access) {
        const auto text = support::text_of_misuse(access);
        EXPECT_TRUE(text.starts_with("the child object of \"" + program + "\" has no pipe " + function +
                                     "(): its command needs " + function + "(stdio::pipe()), "))
            << text;
    };
    EXPECT_FALSE(without.in() || without.out() || without.error());
    expect_misuse("true", "in", [&] { static_cast<void>(*without.in()); });
    expect_misuse("true", "out", [&] { static_cast<void>(*without.out()); });
    expect_misuse("true", "error", [&] { static_cast<void>(std::move(*without.error())); });
    expect_misuse("true", "out", [&] { static_cast<void>(without.out()->native_handle()); });
    EXPECT_TRUE(end_of(without).is_success());
    auto with = start(command("cat").in(stdio::pipe()).out(stdio::pipe()));
    EXPECT_GE(with.in()->native_handle(), 0);
    EXPECT_GE((*with.out()).native_handle(), 0);
    EXPECT_FALSE(with.error());
    with.in().reset();
    expect_misuse("cat", "in", [&] { static_cast<void>(*with.in()); });
    EXPECT_EQ(end_of(with).to_string(), "exit code 0");
    process::optional_pipe<process::pipe_sender> other;
    const auto text = support::text_of_misuse([&] { static_cast<void>(*other); });
    EXPECT_TRUE(text.starts_with("the child object has no pipe in(), out() or error(): ")) << text;
}

TEST_P(ProcessChild, ShutdownOfInputEndsIt) {
    EXPECT_TRUE(end_of(start(command("true"))).is_success());  // what is made once
    EXPECT_TRUE(all_are_reaped());
    const support::leaves_no_descriptor unchanged;
    for (const bool is_full : {false, true}) {
        auto cat = start(command("cat").in(stdio::pipe()).out(stdio::pipe()));
        const std::string text(is_full ? 1'000'000 : 1, 'x');
        const auto write = [](child& to, std::string from) -> eddy::task<bool> {
            const auto written = co_await to.in()->write_all(from);
            const auto ended = co_await eddy::io::shutdown(*to.in());
            co_return written.has_value() && ended.has_value();
        };
        auto both = eddy::join(write(cat, text), support::contents_of(*cat.out()));
        const auto [is_written, read] = runs.run(std::move(both));
        EXPECT_TRUE(is_written);
        EXPECT_EQ(read, text);
        EXPECT_TRUE(end_of(cat).is_success());
    }
    EXPECT_TRUE(all_are_reaped());
}

// covers: P142
TEST(ProcessPipes, SecondTaskThatReadsIsMisuse) {
    support::executor runs(0);
    const auto test = []() -> eddy::task<void> {
        auto started = co_await command("cat").in(stdio::pipe()).out(stdio::pipe()).spawn();
        auto& echo = started.value();
        const auto read = [&]() -> eddy::task<std::string> {
            std::string line(5, ' ');
            const auto done = co_await eddy::io::read_exact(*echo.out(), line);
            EXPECT_TRUE(done);
            co_return line;
        };
        auto first = eddy::spawn(std::ref(read));
        for (int i = 0; i < 5; ++i) co_await eddy::yield_now();
        std::string text;
        std::array<char, 5> bytes{};
        try {
            static_cast<void>(co_await echo.out()->read(std::span(bytes)));
        } catch (const eddy::misuse& thrown) {
            text = thrown.what();
        }
        EXPECT_NE(text.find("two tasks read from one socket or pipe"), std::string::npos) << text;
        static_cast<void>(co_await echo.in()->write_all("line\n"));
        const auto line = co_await first;
        EXPECT_EQ(line.value(), "line\n");
    };
    runs.run(test());
}

TEST_P(ProcessChild, StatusHasCodeOrSignal) {
    EXPECT_EQ(text_of_end(command("true")), "exit code 0");
    EXPECT_EQ(text_of_end(command("sh", "-c", "exit 255")), "exit code 255");
    EXPECT_EQ(text_of_end(command("sh", "-c", "kill -TERM $$")), "signal 15 (SIGTERM)");
    const auto failed = end_of(start(command("false")));
    EXPECT_FALSE(failed.is_success());
    EXPECT_EQ(failed.code(), 1);
    EXPECT_EQ(failed.signal(), std::nullopt);
    const auto killed = end_of(start(command("sh", "-c", "ulimit -c 0; kill -SEGV $$")));
    EXPECT_FALSE(killed.is_success());
    EXPECT_EQ(killed.code(), std::nullopt);
    EXPECT_EQ(killed.signal(), SIGSEGV);
    EXPECT_FALSE(killed.dumped_core());
}

TEST_P(ProcessChild, StatusSaysWhetherThereIsACore) {
    // Whether the system writes one depends on its settings. CPython asks it in the same way.
    const command dumps("sh", "-c", "ulimit -c unlimited 2>/dev/null; kill -SEGV $$");
    const auto wanted =
        runs.run(support::output_of(command("python3", "-c",
                                            "import os; id = os.posix_spawn('/bin/sh', ['sh', '-c', "
                                            "'ulimit -c unlimited 2>/dev/null; kill -SEGV $$'], os.environ); "
                                            "print(os.WCOREDUMP(os.waitpid(id, 0)[1]))")
                                        .directory(folder / ".")));
    const auto status = end_of(start(command(dumps).directory(folder / ".")));
    EXPECT_EQ(status.signal(), SIGSEGV);
    EXPECT_EQ(status.dumped_core() ? "True\n" : "False\n", wanted);
    EXPECT_EQ(status.to_string(), status.dumped_core() ? "signal 11 (SIGSEGV), core dumped" : "signal 11 (SIGSEGV)");
}

TEST_P(ProcessChild, StoppedProcessHasNotEnded) {
    auto started = start(command("cat").in(stdio::pipe()));
    EXPECT_TRUE(started.signal(SIGSTOP));
    EXPECT_TRUE(comes_true([&] { return state_of(started.id()) == 'T'; }));
    EXPECT_FALSE(runs.run(eddy::time::timeout(1ms, started.wait())));
    EXPECT_EQ(started.try_wait().value(), std::nullopt);
    EXPECT_TRUE(started.signal(SIGCONT));
    started.in().reset();
    EXPECT_EQ(end_of(started).code(), 0);
    // SIGTERM waits until the process goes on; SIGKILL does not.
    auto other = start(command("sleep", "1000"));
    EXPECT_TRUE(other.signal(SIGSTOP));
    EXPECT_TRUE(comes_true([&] { return state_of(other.id()) == 'T'; }));
    EXPECT_EQ(runs.run(other.stop(10ms))->signal(), SIGKILL);
}

TEST_P(ProcessChild, StatusHasWhatWasUsed) {
    const auto used = end_of(start(command("sh", "-c", "i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done"))).used();
    EXPECT_GT(used.user_time + used.system_time, 1ms);
    EXPECT_LT(used.user_time + used.system_time, 60s);
    EXPECT_GT(used.max_memory, 100'000U);
    EXPECT_LT(used.max_memory, 1'000'000'000U);
}

TEST_P(ProcessChild, AllWaitsReturnTheSameStatus) {
    const auto started = start(command("sh", "-c", "exit 7"));
    const auto [first, second] = runs.run(eddy::join(started.wait(), started.wait()));
    EXPECT_EQ(first->code(), 7);
    EXPECT_EQ(second->code(), 7);
    EXPECT_EQ(end_of(started).code(), 7);
    EXPECT_EQ(started.try_wait().value()->code(), 7);
}

TEST_P(ProcessChild, DroppedWaitChangesNothing) {
    auto started = start(command("cat").in(stdio::pipe()));
    EXPECT_FALSE(runs.run(support::once(started.wait())));
    EXPECT_EQ(started.try_wait().value(), std::nullopt);
    started.in().reset();
    EXPECT_EQ(end_of(started).code(), 0);
}

TEST_P(ProcessChild, WaitEndsWhenTheChildObjectIsDestroyed) {
    auto started = std::optional(start(command("sleep", "1000")));
    auto wait = started->wait();
    started.reset();
    EXPECT_EQ(runs.run(std::move(wait))->signal(), SIGKILL);
}

TEST_P(ProcessChild, SignalReachesProcessUntilItsEnd) {
    auto started =
        start(command("sh", "-c", "trap 'exit 5' USR1; echo ready; while :; do sleep 0.01; done").out(stdio::pipe()));
    ASSERT_EQ(line_of(started), "ready");
    EXPECT_TRUE(started.signal(SIGUSR1));
    EXPECT_EQ(end_of(started).code(), 5);
    const auto late = started.signal(SIGUSR1);
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().message(), "sh: the process has ended");
    EXPECT_EQ(late.error(), std::errc::no_such_process);
    EXPECT_EQ(start(command("sleep", "1000")).signal(999).error(), std::errc::invalid_argument);
}

TEST_P(ProcessChild, SignalOfGroupNeedsGroup) {
    const auto without = start(command("sleep", "1000"));
    EXPECT_EQ(without.signal_group(SIGTERM).error().message(),
              "sleep: the process has no group of its own: call command::group()");
    const auto with = start(command("sleep", "1000").group());
    EXPECT_TRUE(with.signal_group(SIGTERM));
    EXPECT_EQ(end_of(with).signal(), SIGTERM);
}

TEST_P(ProcessChild, StopEndsProcessGently) {
    auto started =
        start(command("sh", "-c", "trap 'exit 3' TERM; echo ready; while :; do sleep 0.01; done").out(stdio::pipe()));
    ASSERT_EQ(line_of(started), "ready");
    EXPECT_EQ(runs.run(started.stop(1h))->code(), 3);
    EXPECT_EQ(runs.run(started.stop(1h))->code(), 3);
}

TEST_P(ProcessChild, StopKillsAfterGrace) {
    auto started =
        start(command("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.01; done").out(stdio::pipe()));
    ASSERT_EQ(line_of(started), "ready");
    EXPECT_EQ(runs.run(started.stop(10ms))->signal(), SIGKILL);
}

TEST_P(ProcessChild, StopOfGroupKillsWhatIgnoresIt) {
    auto started = start(command("sh", "-c", "sh -c \"trap '' TERM; echo \\$\\$; while :; do sleep 0.01; done\" & wait")
                             .group()
                             .out(stdio::pipe()));
    const int grandchild = std::stoi(line_of(started));
    EXPECT_EQ(runs.run(started.stop(1h))->signal(), SIGTERM);
    EXPECT_TRUE(is_dead(grandchild));
    EXPECT_TRUE(is_gone(started.id()));
}

TEST_P(ProcessChild, StopReachesProcessThatHasLeftItsGroup) {
    auto started =
        start(command("python3", "-c",
                      "import os, time; os.setpgid(0, os.getpgid(os.getppid())); print('ready', flush=True); "
                      "time.sleep(1000)")
                  .group()
                  .out(stdio::pipe()));
    ASSERT_EQ(line_of(started), "ready");
    EXPECT_EQ(runs.run(started.stop(1h))->signal(), SIGTERM);
}

TEST_P(ProcessChild, DropKillsAndReapsProcess) {
    const int id = start(command("sleep", "1000")).id();
    EXPECT_TRUE(is_gone(id));
}

TEST_P(ProcessChild, DropKillsWholeGroup) {
    int id = 0;
    int grandchild = 0;
    {
        auto started = start(command("sh", "-c", "sleep 1000 & echo $!; wait").group().out(stdio::pipe()));
        grandchild = std::stoi(line_of(started));
        id = started.id();
    }
    EXPECT_TRUE(is_gone(id));
    EXPECT_TRUE(is_dead(grandchild));
}

TEST_P(ProcessChild, DropKillsGroupOfProcessThatHasEnded) {
    int grandchild = 0;
    int id = 0;
    {
        auto started = start(command("sh", "-c", "sleep 1000 & echo $!").group().out(stdio::pipe()));
        grandchild = std::stoi(line_of(started));
        EXPECT_EQ(end_of(started).code(), 0);
        id = started.id();
        EXPECT_EQ(state_of(id), 'Z');  // keeps the number of the group
        EXPECT_NE(state_of(grandchild), '-');
        EXPECT_TRUE(started.signal_group(0));
        EXPECT_EQ(started.signal(0).error(), process::errc::has_ended);
    }
    EXPECT_TRUE(is_dead(grandchild));
    EXPECT_TRUE(is_gone(id));
}

TEST_P(ProcessChild, DetachedProcessGoesOnAndIsReaped) {
    auto started = start(command("cat").in(stdio::pipe()).group());
    const int id = started.id();
    auto in = std::move(*started.in());
    std::move(started).detach();
    EXPECT_NE(support::text_of_misuse([&] { static_cast<void>(started.id()); }).find("detached"), std::string::npos);
    EXPECT_NE(state_of(id), '-');
    eddy::drop(std::move(in));
    EXPECT_TRUE(is_gone(id));
    auto ended = start(command("true").group());
    const int ended_id = ended.id();
    EXPECT_EQ(end_of(ended).code(), 0);
    std::move(ended).detach();
    EXPECT_TRUE(is_gone(ended_id));
}

TEST_P(ProcessChild, AssignmentKillsTheProcessBefore) {
    auto started = start(command("sleep", "1000"));
    const int first = started.id();
    started = start(command("sleep", "1001"));
    EXPECT_TRUE(is_gone(first));
    EXPECT_NE(state_of(started.id()), '-');
}

TEST_P(ProcessChild, AssignmentToItselfKeepsTheProcess) {
    auto started = start(command("cat").in(stdio::pipe()));
    support::assign_to_itself(started);
    ASSERT_TRUE(started.in());
    started.in().reset();
    EXPECT_EQ(end_of(started).code(), 0);
}

// covers: R118
TEST_P(ProcessChild, DroppedSpawnLeavesNoProcess) {
    ASSERT_TRUE(all_are_reaped());
    for (int round = 0; round < 20; ++round) {
        auto spawning = command("sleep", "1000").spawn();
        runs.run(support::poll_once(spawning));
    }
    EXPECT_EQ(text_of_end(command("true")), "exit code 0");  // the spawn thread is done with the others
    EXPECT_TRUE(all_are_reaped());
}

TEST_P(ProcessChild, SpawnThatIsNeverPolledStartsNothing) {
    ASSERT_TRUE(all_are_reaped());
    eddy::drop(command("sleep", "1000").spawn());
    EXPECT_EQ(support::count_children(), 0U);
}

TEST_P(ProcessChild, EndOfExecutorLeavesNoProcess) {
    ASSERT_TRUE(all_are_reaped());
    runs.run([]() -> eddy::task<void> {
        for (int i = 0; i < 5; ++i) {
            eddy::spawn([]() -> eddy::task<void> {
                auto started = co_await command("sleep", "1000").spawn();
                if (started) static_cast<void>(co_await started->wait());
            }());
        }
        auto one = co_await command("true").spawn();
        static_cast<void>(co_await one->wait());
    }());
    runs.end();
    EXPECT_TRUE(all_are_reaped());
}

TEST_P(ProcessChild, ChildMayMoveToAnotherExecutor) {
    const auto started = start(command("sh", "-c", "exit 4"));
    support::executor other(0);
    EXPECT_EQ(other.run(started.wait())->code(), 4);
}

// covers: R114 R116
TEST_P(ProcessChild, ManyChildrenThatEndTogetherAreAllReported) {
    for (int round = 0; round < 5; ++round) {
        runs.run([]() -> eddy::task<void> {
            auto gate = eddy::net::pipe::make();
            std::vector<child> all;
            for (int i = 0; i < 30; ++i) {
                auto one = co_await command("sh", "-c", "read x; exit " + std::to_string(i))
                               .in(stdio::copy_of(gate->rx))
                               .error(stdio::null())
                               .spawn();
                if (one) all.push_back(*std::move(one));
            }
            EXPECT_EQ(all.size(), 30U);
            eddy::drop(std::move(gate));
            for (int i = 0; i < 30; ++i) {
                auto status = co_await all[static_cast<std::size_t>(i)].wait();
                EXPECT_EQ(status->code(), i);
            }
        }());
    }
}

TEST_P(ProcessChild, PipesCarryBothDirectionsAndError) {
    runs.run([]() -> eddy::task<void> {
        auto cat = co_await command("sh", "-c", "cat; echo done >&2")
                       .in(stdio::pipe())
                       .out(stdio::pipe())
                       .error(stdio::pipe())
                       .spawn();
        EXPECT_TRUE(cat);
        if (!cat) co_return;
        EXPECT_TRUE(co_await eddy::io::write_all(*cat->in(), std::string_view("hello")));
        cat->in().reset();
        EXPECT_EQ(co_await support::contents_of(*cat->out()), "hello");
        EXPECT_EQ(co_await support::contents_of(*cat->error()), "done\n");
    }());
}

TEST_P(ProcessChild, CheckOfStatusIsAnErrorThatNamesTheProgram) {
    const auto error_of = [&](const command& what) {
        const auto checked = end_of(start(what)).check();
        return checked ? "success" : checked.error().message();
    };
    EXPECT_EQ(error_of(command("true")), "success");
    EXPECT_EQ(error_of(command("sh", "-c", "exit 3")), "sh: the process has failed (exit code 3)");
    EXPECT_EQ(error_of(command("sh", "-c", "kill -TERM $$").group()),
              "sh: the process has failed (signal 15 (SIGTERM))");
    const auto failed = end_of(start(command("false"))).check();
    EXPECT_EQ(failed.error(), process::errc::failed);
    EXPECT_NE(failed.error(), std::errc::invalid_argument);
    EXPECT_EQ(process::exit_status::of_code(1, {}).check().error().message(),
              "a program: the process has failed (exit code 1)");
}

TEST_P(ProcessChild, TasksThatWaitShowTheNumber) {
    auto started = start(command("cat").in(stdio::pipe()));
    const auto line = "waits for child process " + std::to_string(started.id()) + "\n";
    runs.run([](eddy::task<process::result<process::exit_status>> waits, std::string shown) -> eddy::task<void> {
        const auto waiting = eddy::spawn(std::move(waits));
        std::string tree;
        for (int i = 0; i < 1'000'000 && !tree.contains(shown); ++i) {  // it may be polled by another worker
            co_await eddy::yield_now();
            tree = eddy::dump_tasks();
        }
        EXPECT_TRUE(tree.contains(shown)) << tree;
        waiting.abort();
    }(started.wait(), line));
}

// ---- Programs that wait for ever ----

/// Runs the child program, which waits for a child process. Returns what it has printed until `is_over`, or its end.
class waiting_program {
public:
    waiting_program(support::executor& runs, const std::string& how)
        : runs_(runs),
          child_(runs.run(command(EDDY_CHILD_PROGRAM, "wait", how).out(stdio::pipe()).error(stdio::pipe()).spawn())
                     .value()) {}
    std::string text_until(const std::string& last) {
        return runs_.run([](child& of, std::string end) -> eddy::task<std::string> {
            std::string text;
            std::array<char, 4096> buffer;
            while (!text.contains(end)) {
                const auto count = co_await eddy::io::read(*of.error(), std::as_writable_bytes(std::span(buffer)));
                if (!count || *count == 0) break;
                text.append(buffer.data(), *count);
            }
            co_return text;
        }(child_, last));
    }
    std::string number_of_child() {
        std::string line;
        for (char next = 0; next != '\n';) {
            const auto count = runs_.run(eddy::io::read(*child_.out(), std::as_writable_bytes(std::span(&next, 1))));
            if (!count || *count == 0) break;
            if (next != '\n') line += next;
        }
        return line;
    }
    std::size_t rest_of_output() {
        static_cast<void>(number_of_child());
        return runs_.run(support::contents_of(*child_.out())).size();
    }
    process::exit_status end() { return runs_.run(child_.wait()).value(); }

private:
    support::executor& runs_;
    child child_;
};

TEST(ProcessEndlessWait, OfAChildThatWaitsForThisProgramIsReported) {
    if (support::under_thread_sanitizer) GTEST_SKIP() << "ThreadSanitizer has a thread of its own, which never sleeps";
    support::executor runs(0);
    waiting_program alive(runs, "alive");
    waiting_program inherited(runs, "inherited");
    for (const std::string how : {"out", "error", "both", "in"}) {
        waiting_program stuck(runs, how);
        const auto number = stuck.number_of_child();
        const std::string remedy = "in().reset().\n";
        const auto report = stuck.text_until(remedy);
        const std::string action = how == "in" ? "the end of its input" : "its output to be read";
        EXPECT_TRUE(report.starts_with("eddy: this program waits for ever: ")) << report;
        EXPECT_TRUE(report.contains("\nChild process " + number + " waits for " + action + ".\n")) << report;
        EXPECT_TRUE(report.contains("waits for child process " + number + "\n")) << report;
        EXPECT_TRUE(
            report.ends_with("call process::run(). A process that reads its input waits for its end: " + remedy));
    }
    EXPECT_EQ(inherited.rest_of_output(), 1'000'000U);
    EXPECT_EQ(inherited.text_until("\n"), "");
    EXPECT_TRUE(inherited.end().is_success());
    EXPECT_EQ(alive.text_until("\n"), "");
    EXPECT_TRUE(alive.end().is_success());
}

// ---- Programs that use SIGCHLD ----

std::atomic<int> handled = 0;

TEST(ProcessSignals, HandlerOfProgramIsKeptAndCalled) {
    struct sigaction with{};
    struct sigaction before{};
    with.sa_handler = [](int) { ++handled; };
    with.sa_flags = SA_RESTART;
    ::sigaction(SIGCHLD, &with, &before);
    {
        support::executor runs(0);
        for (int i = 1; i <= 3; ++i) {
            const auto started = runs.run(command("sh", "-c", "exit 9").spawn());
            EXPECT_EQ(runs.run(started->wait())->code(), 9);
            EXPECT_TRUE(comes_true([&] { return handled.load() >= i; }));
        }
    }
    struct sigaction after{};
    ::sigaction(SIGCHLD, &before, &after);
    EXPECT_EQ(after.sa_handler, with.sa_handler);
}

TEST(ProcessSignals, IgnoredSigchldLosesStatusWithAClearError) {
    const auto before = std::signal(SIGCHLD, SIG_IGN);
    {
        support::executor runs(0);
        for (const bool has_group : {false, true}) {
            command what("sh", "-c", "exit 9");
            if (has_group) what.group();
            const auto started = runs.run(what.spawn());
            ASSERT_TRUE(started);
            const auto status = runs.run(started->wait());
            ASSERT_FALSE(status);
            EXPECT_EQ(status.error().message(),
                      "sh: the exit status is lost: the program ignores SIGCHLD, other code waits for all child "
                      "processes, or this process was forked from the parent");
            EXPECT_EQ(status.error(), std::errc::no_child_process);
            EXPECT_EQ(started->signal(SIGTERM).error(), process::errc::has_ended);
        }
    }
    std::signal(SIGCHLD, before);
}

TEST(ProcessThreadsOwnProcess, EndWhenThereIsNothingToDo) {
    const auto threads = [] {
        int count = 0;
        for (const auto& each : std::filesystem::directory_iterator("/proc/self/task")) {
            std::string name;
            std::getline(std::ifstream(each.path() / "comm"), name);
            if (name == "eddy-process") ++count;
        }
        return count;
    };
    support::executor runs(0);
    for (int round = 0; round < 2; ++round) {  // the second time with new threads
        {
            const auto started = runs.run(command("sleep", "1000").spawn());
            ASSERT_TRUE(started);
            EXPECT_GT(threads(), 0);
        }
        EXPECT_TRUE(comes_true([&] { return threads() == 0; }));
    }
}

// A child object in a process that was forked: its destructor must not kill the process of the parent.
TEST(ProcessForkOwnProcess, CopyOfChildObjectKillsNothing) {
    if (support::under_thread_sanitizer) GTEST_SKIP() << "ThreadSanitizer cannot start threads after fork";
    support::executor runs(0);
    auto started = std::optional(runs.run(command("cat").in(stdio::pipe()).spawn()).value());
    const auto forked = ::fork();
    if (forked == 0) {
        const auto signaled = started->signal(SIGKILL);
        eddy::core own;
        const auto waited = own.run(started->wait());
        const auto stopped = own.run(started->stop(1h));
        const bool is_lost = !waited && waited.error() == process::errc::status_lost && !stopped &&
                             stopped.error() == process::errc::status_lost && !started->try_wait();
        started.reset();
        const auto again = own.run(command("sh", "-c", "exit 6").spawn());
        const bool works = again && own.run(again->wait())->code() == 6;
        ::_exit(!signaled && is_lost && works ? 0 : 1);
    }
    int status = 0;
    ::waitpid(forked, &status, 0);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
    started->in().reset();
    EXPECT_EQ(runs.run(started->wait())->code(), 0);
}

}  // namespace
