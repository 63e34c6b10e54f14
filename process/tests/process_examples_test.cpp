// SPDX-License-Identifier: MIT
#ifdef EDDY_TEST_PROCESS_EXAMPLES
#include <gtest/gtest.h>

#include <sys/types.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <support/emulated.hpp>
#include <support/file_contents.hpp>
#include <support/process.hpp>
#include <support/process/children.hpp>
#include <support/sanitizers.hpp>
#include <support/temp_dir.hpp>

// The examples of eddy::process.

namespace {

TEST(ProcessExamples, PipelinePrintsOutputAndStatuses) {
    const support::temp_dir dir;
    std::ofstream(dir / "lines") << "b\na\nb\n";
    const auto done = support::run({"run_pipeline", "sort", dir / "lines", "|", "uniq", "-c", "|", "sort", "-rn"});
    EXPECT_EQ(done.out, "      2 b\n      1 a\n");
    EXPECT_EQ(done.err, "sort: exit code 0\nuniq: exit code 0\nsort: exit code 0\n");
    EXPECT_EQ(done.code, 0);
    const auto failed = support::run({"run_pipeline", "sh", "-c", "echo why >&2; exit 4", "|", "cat"});
    EXPECT_EQ(failed.err, "why\nsh: exit code 4\ncat: exit code 0\n");
    EXPECT_EQ(failed.code, 1);
    const auto missing = support::run({"run_pipeline", "true", "|", "no-such-program"});
    EXPECT_EQ(missing.err, "no-such-program: No such file or directory\n");
    EXPECT_EQ(missing.code, 1);
}

/// A system call in the output of strace.
struct traced_call {
    std::string process;
    std::string text;
};

/// Returns the system calls of a pipeline of two programs.
std::vector<traced_call> calls_of_pipeline(const support::temp_dir& dir) {
    const auto done = support::run({"/usr/bin/strace", "-f", "-o", dir / "calls", "-e",
                                    "trace=clone,clone3,fork,vfork,execve,close_range,rt_sigaction,waitid,wait4",
                                    support::path_of("run_pipeline"), "echo", "text", "|", "cat"});
    EXPECT_EQ(done.out, "text\n");
    EXPECT_EQ(done.code, 0) << done.err;
    std::vector<traced_call> calls;
    std::istringstream lines(support::contents_of(dir / "calls"));
    for (std::string process, text; lines >> process && std::getline(lines >> std::ws, text);) {
        calls.push_back({process, text});
    }
    return calls;
}

TEST(ProcessExamples, StartsNeedNoForkAndNoHandler) {
    if (support::is_emulated()) GTEST_SKIP() << "strace(1) cannot trace an emulated program";
    if (support::is_sanitized) GTEST_SKIP() << "a sanitizer makes system calls of its own";
    const support::temp_dir dir;
    const auto calls = calls_of_pipeline(dir);
    int starts = 0;
    int programs = 0;
    std::set<std::string> without_descriptors;
    for (const auto& [process, text] : calls) {
        EXPECT_FALSE(text.starts_with("fork(") || text.starts_with("vfork(")) << text;
        if (text.starts_with("clone") && !text.contains("CLONE_THREAD")) {
            EXPECT_TRUE(text.contains("CLONE_VM") && text.contains("CLONE_VFORK")) << text;
            ++starts;
        }
        if (text.starts_with("close_range(3, ")) without_descriptors.insert(process);
        if (text.starts_with("execve(") && !text.contains("run_pipeline")) {
            EXPECT_TRUE(without_descriptors.contains(process)) << text;
            ++programs;
        }
        if (text.starts_with("rt_sigaction(SIGCHLD, ")) {
            EXPECT_TRUE(text.contains("SIG_DFL") || text.contains("NULL")) << text;
        }
        EXPECT_FALSE(text.starts_with("wait4(")) << text;
        if (text.starts_with("waitid(")) {
            EXPECT_TRUE(text.starts_with("waitid(P_PIDFD, ")) << text;
        }
    }
    EXPECT_EQ(starts, 2);
    EXPECT_EQ(programs, 2);
}

/// Returns the number of the process in a line of the supervisor.
pid_t started_in(const std::string& line, int service) {
    const auto begin = std::to_string(service) + ": started, process ";
    EXPECT_TRUE(line.starts_with(begin)) << line;
    return line.starts_with(begin) ? std::stoi(line.substr(begin.size())) : 0;
}

TEST(ProcessExamples, SupervisorRestartsAndStopsInOrder) {
    support::process supervisor({"supervisor", "exec sleep 1000", "exec sleep 1001", "exec sleep 1002"});
    pid_t ids[3] = {};
    for (int i = 0; i < 3; ++i) {
        const auto line = supervisor.line();
        const int service = line.empty() ? 0 : line.front() - '0';
        ASSERT_TRUE(service >= 1 && service <= 3) << line;
        ids[service - 1] = started_in(line, service);
    }
    ASSERT_EQ(::kill(ids[1], SIGKILL), 0);
    EXPECT_TRUE(supervisor.line().starts_with("2: signal 9 (SIGKILL), again in "));
    const auto again = started_in(supervisor.line(), 2);
    EXPECT_NE(again, ids[1]);
    supervisor.signal(SIGTERM);
    EXPECT_EQ(supervisor.line(), "3: stopped, signal 15 (SIGTERM)");
    EXPECT_EQ(supervisor.line(), "2: stopped, signal 15 (SIGTERM)");
    EXPECT_EQ(supervisor.line(), "1: stopped, signal 15 (SIGTERM)");
    EXPECT_EQ(supervisor.wait().code, 0);
    for (const auto id : {ids[0], again, ids[2]}) EXPECT_EQ(support::state_of(id), '-');
}

TEST(ProcessExamples, StopByPidEndsTheProcess) {
    const support::temp_dir dir;
    const auto start = "sleep 100 >/dev/null & echo $! > " + dir / "pid";
    ASSERT_EQ(std::system(start.c_str()), 0);  // NOLINT(cert-env33-c)
    int id = 0;
    std::ifstream(dir / "pid") >> id;
    const auto done = support::run({"stop_by_pid", dir / "pid"});
    EXPECT_EQ(done.out, "process " + std::to_string(id) + " has ended\n") << done.err;
    EXPECT_TRUE(support::state_of(id) == '-' || support::state_of(id) == 'Z');
}

}  // namespace
#endif
