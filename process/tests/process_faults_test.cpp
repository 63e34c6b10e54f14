// SPDX-License-Identifier: MIT
// System calls that fail while a process starts or ends.
// runs: once, faults
#include <gtest/gtest.h>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <eddy/eddy.hpp>
#include <eddy/process.hpp>

#include <support/environment.hpp>
#include <support/executors.hpp>
#include <support/gate.hpp>
#include <support/net.hpp>
#include <support/poll_once.hpp>
#include <support/polling.hpp>
#include <support/process/children.hpp>
#include <support/process/process_faults.hpp>
#include <support/temp_dir.hpp>

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

TEST_F(ProcessFaults, ErrorsOfADirectoryOfPathMeanTheNextOne) {
    const support::temp_dir dir;
    for (const char* const each : {"one", "two"}) {
        std::filesystem::create_directory(dir / each);
        std::filesystem::create_symlink("/bin/true", (dir / each) + "/program");
    }
    const auto program = command("program").env("PATH", (dir / "one") + ":" + (dir / "two"));
    for (const int error : {ENOENT, ENOTDIR, EACCES, ESTALE, ENODEV, ETIMEDOUT}) {
        const refused_process_call first("posix_spawn", error, 1);
        EXPECT_EQ(error_of(program), "it started") << error;
        EXPECT_EQ(first.calls(), 2);
    }
    const refused_process_call broken("posix_spawn", EIO, 1);
    EXPECT_EQ(error_of(program), "program: Input/output error");
    EXPECT_EQ(broken.calls(), 1);
}

int count_threads() {
    int count = 0;
    for (const auto& each : std::filesystem::directory_iterator("/proc/self/task"))
        count += each.is_directory() ? 1 : 0;
    return count;
}

/// Returns whether one of several rounds lasts for less than `limit`. On a busy machine, others may last longer.
template <class Round>
bool is_fast_once(int rounds, std::chrono::nanoseconds limit, const Round& round) {
    for (int i = 0; i < rounds; ++i) {
        if (round() < limit) return true;
    }
    return false;
}

/// Returns whether all threads of this program but this one sleep.
bool all_others_sleep() {
    const std::filesystem::directory_iterator threads("/proc/self/task");
    return std::ranges::all_of(threads, [](const auto& each) {
        const int id = std::stoi(each.path().filename());
        return id == ::gettid() || support::state_of(id) == 'S';
    });
}

TEST_F(ProcessFaults, OneStartAfterAnotherUntilOneIsSlow) {
    const auto begin = std::chrono::steady_clock::now();
    support::held_starts held("/bin/sleep");
    auto slow = command("/bin/sleep", "0").spawn();
    runs.run(support::poll_once(slow));
    ASSERT_TRUE(support::comes_true([&] { return held.waiting() == 1; }));
    EXPECT_EQ(error_of(command("/bin/true")), "it started");
    EXPECT_GE(std::chrono::steady_clock::now() - begin, 50ms);
    EXPECT_EQ(held.waiting(), 1);
    held.open();
    EXPECT_TRUE(runs.run(std::move(slow)));
}

TEST_F(ProcessFaults, SlowStartThatReturnsDoesNotEndTheTurnOfAnother) {
    const auto begin = std::chrono::steady_clock::now();
    support::held_starts held("/bin/sleep", "/bin/false");
    auto first = command("/bin/sleep", "0").spawn();
    runs.run(support::poll_once(first));
    ASSERT_TRUE(support::comes_true([&] { return held.waiting() == 1; }));
    auto second = command("/bin/false").spawn();
    runs.run(support::poll_once(second));
    ASSERT_TRUE(support::comes_true([&] { return held.waiting() == 2; }));  // its turn begins after 50 ms
    held.open_first();
    EXPECT_TRUE(runs.run(std::move(first)));
    EXPECT_EQ(error_of(command("/bin/true")), "it started");
    EXPECT_GE(std::chrono::steady_clock::now() - begin, 100ms);
    held.open();
    EXPECT_TRUE(runs.run(std::move(second)));
}

TEST_F(ProcessFaults, StartsDoNotWaitForTheEndOfATurn) {
    constexpr int count = 200;
    const auto begin = std::chrono::steady_clock::now();
    const refused_process_call none("posix_spawn", EAGAIN);
    for (int i = 0; i < count; ++i) EXPECT_NE(error_of(command("/bin/true")), "it started");
    EXPECT_LT(std::chrono::steady_clock::now() - begin, (count - 1) * 50ms);
}

TEST_F(ProcessFaults, DroppedStartsDoNotTakeATurn) {
    support::held_starts held("/bin/sleep");
    auto slow = command("/bin/sleep", "0").spawn();
    runs.run(support::poll_once(slow));
    ASSERT_TRUE(support::comes_true([&] { return held.waiting() == 1; }));
    const auto begin = std::chrono::steady_clock::now();
    constexpr int count = 200;
    for (int i = 0; i < count; ++i) {
        // One that is dropped when its turn has begun waits, too.
        auto dropped = command("/bin/sleep", "0").spawn();
        runs.run(support::poll_once(dropped));
    }
    EXPECT_EQ(error_of(command("/bin/true")), "it started");
    EXPECT_LT(std::chrono::steady_clock::now() - begin, count * 50ms);
    held.open();
    EXPECT_TRUE(runs.run(std::move(slow)));
}

TEST_F(ProcessFaults, DroppedStartClosesItsDescriptorsAtOnce) {
    const auto end_of_dropped = [&]() -> std::chrono::nanoseconds {
        support::held_starts held("/bin/sleep");
        auto slow = command("/bin/sleep", "0").spawn();
        runs.run(support::poll_once(slow));
        EXPECT_TRUE(support::comes_true([&] { return held.waiting() == 1; }));
        std::array<int, 2> ends{};
        EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
        {
            auto dropped = command("/bin/true").out(stdio::from_native(ends[1])).spawn();
            runs.run(support::poll_once(dropped));
        }
        held.open();
        const auto begin = std::chrono::steady_clock::now();
        std::byte none{};
        EXPECT_EQ(::read(ends[0], &none, 1), 0);
        const auto lasted = std::chrono::steady_clock::now() - begin;
        ::close(ends[0]);
        EXPECT_TRUE(runs.run(std::move(slow)));
        return lasted;
    };
    EXPECT_TRUE(is_fast_once(5, 900ms, end_of_dropped));
}

/// A waker whose wake lasts until the gate is open.
struct slow_wake {
    support::gate ends;
    support::calling_waker waker{[this] { EXPECT_TRUE(ends.wait()); }};

    /// They are never destroyed: the thread that wakes may use them after its task has ended.
    static slow_wake& make() {
        static auto& all = *new std::vector<std::unique_ptr<slow_wake>>;
        return *all.emplace_back(std::make_unique<slow_wake>());
    }
};

TEST_F(ProcessFaults, NextStartDoesNotWaitForTheWakeOfTheFirst) {
    const auto start_of_next = [&]() -> std::chrono::nanoseconds {
        const auto begin = std::chrono::steady_clock::now();
        support::held_starts held("/bin/sleep");
        auto& slow = slow_wake::make();
        auto first = command("/bin/sleep", "0").spawn();
        EXPECT_FALSE(support::poll_with(first, slow.waker.waker()).is_ready());
        EXPECT_TRUE(support::comes_true([&] { return held.waiting() == 1; }));
        auto next = command("/bin/true").spawn();
        runs.run(support::poll_once(next));
        EXPECT_TRUE(support::comes_true(all_others_sleep));  // its thread waits for the turn
        held.open();
        EXPECT_TRUE(runs.run(std::move(next)));
        const auto lasted = std::chrono::steady_clock::now() - begin;
        slow.ends.open();
        EXPECT_TRUE(runs.run(std::move(first)));
        return lasted;
    };
    EXPECT_TRUE(is_fast_once(100, 50ms, start_of_next));
}

TEST_F(ProcessFaults, DroppedStartIsNoMistake) {
    testing::internal::CaptureStderr();
    support::held_starts held("/bin/sleep");
    {
        auto slow = command("/bin/sleep", "1000").spawn();
        runs.run(support::poll_once(slow));
        EXPECT_TRUE(support::comes_true([&] { return held.waiting() == 1; }));
    }
    held.open();
    EXPECT_TRUE(support::comes_true([&] { return held.waiting() == 0; }));
    EXPECT_EQ(error_of(command("/no/where")), "/no/where: No such file or directory");  // the thread is done
    EXPECT_TRUE(all_are_reaped());
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(ProcessFaultsOwnProcess, SlowStartsAreLimited) {
    support::executor runs(0);
    constexpr int most = 32;
    runs.run(eddy::yield_now());  // the event loop has its threads
    const int before = count_threads();
    support::held_starts held("/bin/sleep");
    std::vector<eddy::task<process::result<process::child>>> all;
    for (int i = 0; i < most + 2; ++i) {
        all.push_back(command("/bin/sleep", "0").spawn());
        runs.run(support::poll_once(all.back()));
    }
    ASSERT_TRUE(support::comes_true([&] { return held.waiting() == most; }));
    EXPECT_EQ(count_threads(), before + most);
    auto next = command("/bin/true").spawn();
    runs.run(support::poll_once(next));
    EXPECT_EQ(count_threads(), before + most);
    held.open();
    EXPECT_TRUE(runs.run(std::move(next)));
    for (auto& each : all) EXPECT_TRUE(runs.run(std::move(each)));
    EXPECT_TRUE(all_are_reaped());
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
