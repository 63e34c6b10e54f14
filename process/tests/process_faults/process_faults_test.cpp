// SPDX-License-Identifier: MIT
// System calls that fail while a process starts or ends.
#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <string>
#include <utility>

#include <eddy/eddy.hpp>
#include <eddy/process.hpp>

#include <support/children.hpp>
#include <support/executors.hpp>
#include <support/net.hpp>
#include <support/process_faults.hpp>

namespace {

namespace process = eddy::process;
using namespace std::chrono_literals;
using process::command;
using process::stdio;
using support::all_are_reaped;
using support::refused_process_call;

class ProcessFaults : public testing::Test {
protected:
    ProcessFaults() {
        static_cast<void>(runs.run(command("true").spawn()));  // what is made once
        EXPECT_TRUE(all_are_reaped());
    }

    std::string error_of(const command& what) {
        const auto started = runs.run(what.spawn());
        return started ? "it started" : started.error().message();
    }

    support::executor runs{0};
};

const command with_pipes = [] {
    return command("sh", "-c", "exit 3").in(stdio::pipe()).out(stdio::pipe()).error(stdio::pipe());
}();

TEST_F(ProcessFaults, BusyProgramIsTriedAgain) {
    {
        const refused_process_call busy("posix_spawn", ETXTBSY, 3);
        EXPECT_EQ(runs.run(runs.run(with_pipes.spawn())->wait())->code(), 3);
        EXPECT_EQ(busy.calls(), 4);
    }
    const refused_process_call busy("posix_spawn", ETXTBSY, 4);
    EXPECT_EQ(error_of(command("/bin/true")), "/bin/true: Text file busy");
}

TEST_F(ProcessFaults, ErrorsOfStartLeaveNoDescriptor) {
    const support::leaves_no_descriptor unchanged;
    {
        const refused_process_call none("posix_spawn", EAGAIN);
        EXPECT_EQ(error_of(command("/bin/true").in(stdio::pipe())), "/bin/true: Resource temporarily unavailable");
    }
    for (int skipped = 0; skipped < 3; ++skipped) {
        const refused_process_call none("pipe2", EMFILE, 1, skipped);
        const char* const names[] = {"input", "output", "error"};
        EXPECT_EQ(error_of(with_pipes), "sh: Too many open files (standard " + std::string(names[skipped]) + ")");
    }
}

TEST_F(ProcessFaults, PipeThatStaysBlockingIsAnError) {
    const support::leaves_no_descriptor unchanged;
    const refused_process_call second("fcntl", EPERM, 1, 1);
    EXPECT_EQ(error_of(with_pipes), "sh: Operation not permitted (standard output)");
}

void check_life_without_pidfd(support::executor& runs) {
    EXPECT_EQ(runs.run(runs.run(with_pipes.spawn())->wait())->code(), 3);
    const auto sleeps = [] { return command("sleep", "1000"); };
    EXPECT_EQ(runs.run(runs.run(sleeps().spawn())->stop(1h))->signal(), SIGTERM);
    EXPECT_EQ(runs.run(runs.run(sleeps().group().spawn())->stop(1h))->signal(), SIGTERM);
    {
        const auto dropped = runs.run(sleeps().spawn());
        EXPECT_TRUE(dropped);
        EXPECT_EQ(dropped->try_wait().value(), std::nullopt);
    }
    auto detached = runs.run(command("true").group().spawn());
    std::move(*detached).detach();
    EXPECT_TRUE(all_are_reaped());
}

TEST_F(ProcessFaults, WithoutPidfdsEachProcessHasAThread) {
    for (const int error : {ENOSYS, EMFILE, EPERM}) {
        const refused_process_call none("pidfd_open", error);
        check_life_without_pidfd(runs);
        EXPECT_EQ(none.calls(), 5);
    }
}

TEST_F(ProcessFaults, WithoutRoomInTheEpollEachProcessHasAThread) {
    const refused_process_call full("epoll_ctl", ENOSPC);
    check_life_without_pidfd(runs);
}

TEST(ProcessFaultsOwnProcess, WithoutAnEpollEachProcessHasAThread) {
    support::executor runs(0);
    const refused_process_call none("epoll_create1", EMFILE);
    check_life_without_pidfd(runs);
}

TEST_F(ProcessFaults, IgnoredSigchldWithoutPidfdLosesStatus) {
    const auto before = std::signal(SIGCHLD, SIG_IGN);
    {
        const refused_process_call none("pidfd_open", ENOSYS);
        const auto started = runs.run(command("true").spawn());
        const auto status = runs.run(started->wait());
        ASSERT_FALSE(status);
        EXPECT_EQ(status.error().code(), process::errc::status_lost);
    }
    std::signal(SIGCHLD, before);
}

// covers: R115
TEST_F(ProcessFaults, WakeUpWithoutStatusIsNoEnd) {
    const refused_process_call early("waitid", 0, 3);
    EXPECT_EQ(runs.run(runs.run(with_pipes.spawn())->wait())->code(), 3);
    EXPECT_EQ(early.calls(), 4);
}

}  // namespace
