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
#include <support/environment.hpp>
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

TEST_F(ProcessFaults, SystemWithoutWaitForPidfdsWaitsForNumbers) {
    const refused_process_call no_p_pidfd("waitid", EINVAL, 1);
    EXPECT_EQ(runs.run(runs.run(with_pipes.spawn())->wait())->code(), 3);
    EXPECT_EQ(no_p_pidfd.calls(), 2);
}

TEST_F(ProcessFaults, TimeoutThatCannotKillIsAnError) {
    const refused_process_call other_user("pidfd_send_signal", EPERM, 1);
    const auto done = runs.run(process::run(command("sleep", "1000"), process::run_options().timeout(1ms)));
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().message(), "sleep: Operation not permitted");
    EXPECT_TRUE(all_are_reaped());  // by the second try, when the child object was destroyed
}

TEST_F(ProcessFaults, StopThatCannotSignalIsAnError) {
    for (const bool has_group : {false, true}) {
        command what("sleep", "1000");
        if (has_group) what.group();
        auto started = runs.run(what.spawn());
        const refused_process_call other_user("pidfd_send_signal", EPERM, 1);
        const auto stopped = runs.run(started->stop(1h));
        ASSERT_FALSE(stopped);
        EXPECT_EQ(stopped.error(), std::errc::operation_not_permitted);
    }
    EXPECT_TRUE(all_are_reaped());
}

TEST_F(ProcessFaults, ErrorsOfStreamsAreReturned) {
    const support::environment driver("EDDY_DRIVER", "epoll");
    support::executor on_epoll(0);
    const auto error_of_run = [&](const command& what, process::run_options options) {
        const refused_process_call full("epoll_ctl_of_driver", ENOSPC, 1);
        const auto done = on_epoll.run(process::run(what, std::move(options)));
        return done ? "no error" : done.error().message();
    };
    const support::leaves_no_descriptor unchanged;
    const command sleeps("sleep", "1000");
    EXPECT_EQ(error_of_run(command(sleeps).error(stdio::null()), {}),
              "sleep: No space left on device (standard output)");
    EXPECT_EQ(error_of_run(command(sleeps).out(stdio::null()), {}), "sleep: No space left on device (standard error)");
    EXPECT_EQ(error_of_run(command(sleeps).out(stdio::null()).error(stdio::null()),
                           process::run_options().input(std::string(10'000'000, 'x'))),
              "sleep: No space left on device (standard input)");
    EXPECT_TRUE(all_are_reaped());
}

}  // namespace
