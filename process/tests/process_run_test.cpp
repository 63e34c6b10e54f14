// SPDX-License-Identifier: MIT
// Processes with their whole input and output.
// covers: P075 R117
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstddef>
#include <functional>
#include <string>
#include <utility>

#include <eddy/eddy.hpp>
#include <eddy/process.hpp>

#include <support/executors.hpp>
#include <support/net.hpp>
#include <support/process/children.hpp>
#include <support/sanitizers.hpp>

namespace {

namespace process = eddy::process;
using namespace std::chrono_literals;
using process::command;
using process::run_options;
using process::stdio;

command shell(std::string script) { return command("sh", "-c", std::move(script)); }

class ProcessRun : public testing::TestWithParam<unsigned> {
protected:
    process::run_result run(command what, run_options options = {}) {
        auto done = runs.run(process::run(std::move(what), std::move(options)));
        EXPECT_TRUE(done) << done.error().message();
        return std::move(done).value();
    }

    support::executor runs{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Executors, ProcessRun, testing::Values(0, 2), support::name_of_executor);

TEST_P(ProcessRun, ResultHasStatusOutputAndError) {
    const auto done = run(shell("echo out; echo error >&2; exit 3"));
    EXPECT_EQ(done.status.code(), 3);
    EXPECT_EQ(done.out, "out\n");
    EXPECT_EQ(done.error, "error\n");
    EXPECT_FALSE(done.is_out_cut || done.is_error_cut || done.has_timed_out || done.has_open_output);
}

TEST_P(ProcessRun, InputIsWrittenAndEnds) {
    EXPECT_EQ(run(command("cat"), run_options().input("text")).out, "text");
    EXPECT_EQ(run(command("cat"), run_options().input("")).out, "");
    EXPECT_EQ(run(command("cat")).out, "");  // not the input of this program
}

TEST_P(ProcessRun, InputThatIsNotReadIsNoError) {
    const auto done = run(command("true"), run_options().input(std::string(10'000'000, 'x')));
    EXPECT_TRUE(done.status.is_success());
    EXPECT_EQ(run(shell("head -c 3; exec <&-; echo more"), run_options().input(std::string(10'000'000, 'x'))).out,
              "xxxmore\n");
}

TEST_P(ProcessRun, StreamsOfTheCommandAreKept) {
    const auto done = run(shell("echo out; echo error >&2").error(stdio::same_as_out()));
    EXPECT_EQ(done.out, "out\nerror\n");
    EXPECT_EQ(done.error, "");
    EXPECT_EQ(run(shell("echo x").out(stdio::null())).out, "");
}

TEST_P(ProcessRun, LargeDataPassInBothDirectionsAtTheSameTime) {
    std::string data(support::is_sanitized ? 20'000'000 : 200'000'000, '\0');
    const auto size = data.size();
    for (std::size_t i = 0; i < data.size(); i += 97) data[i] = static_cast<char>(i * 7919 >> 8);
    const auto hash = std::hash<std::string>()(data);
    const auto done = run(command("cat"), run_options().input(std::move(data)));
    EXPECT_EQ(done.out.size(), size);
    EXPECT_EQ(std::hash<std::string>()(done.out), hash);
}

TEST_P(ProcessRun, ErrorOutputIsReadWhileOutputIs) {
    const auto done =
        run(shell("head -c 3000000 /dev/zero >&2; head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2"));
    EXPECT_EQ(done.out.size(), 3'000'000U);
    EXPECT_EQ(done.error.size(), 6'000'000U);
}

TEST_P(ProcessRun, OutputIsCutAtItsLimitAndTheProcessGoesOn) {
    const auto done = run(shell("head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2; exit 4"),
                          run_options().max_output(100).max_error(1'000'000));
    EXPECT_EQ(done.status.code(), 4);
    EXPECT_EQ(done.out.size(), 100U);
    EXPECT_TRUE(done.is_out_cut);
    EXPECT_EQ(done.error.size(), 1'000'000U);
    EXPECT_FALSE(done.is_error_cut);
}

TEST_P(ProcessRun, TimeoutKillsProcess) {
    const auto done = run(command("sleep", "1000"), run_options().timeout(10ms));
    EXPECT_TRUE(done.has_timed_out);
    EXPECT_EQ(done.status.signal(), SIGKILL);
    EXPECT_FALSE(done.has_open_output);
}

TEST_P(ProcessRun, TimeoutKillsWholeGroup) {
    const auto done = run(shell("sleep 1000 & sleep 1000").group(), run_options().timeout(50ms).wait_delay(1h));
    EXPECT_TRUE(done.has_timed_out);
    EXPECT_FALSE(done.has_open_output);  // the other process was killed, too
}

TEST_P(ProcessRun, ProcessThatEndsInTimeHasNotTimedOut) {
    const auto done = run(command("true"), run_options().timeout(1h));
    EXPECT_FALSE(done.has_timed_out);
    EXPECT_TRUE(done.status.is_success());
}

TEST_P(ProcessRun, GrandchildWithOpenOutputIsNotWaitedFor) {
    const auto done = run(shell("echo begun; sleep 1000 & exit 5").group(), run_options().wait_delay(1ms));
    EXPECT_TRUE(done.has_open_output);
    EXPECT_EQ(done.status.code(), 5);
    EXPECT_EQ(done.out, "begun\n");
}

TEST_P(ProcessRun, OutputThatHasEndedIsNotOpen) {
    // Another process has the input open, and does not read it. The shell closes its output before it starts that.
    const auto done = run(shell("echo begun; exec 3<&0 >/dev/null 2>&1; sleep 1000 <&3 3<&- &").group(),
                          run_options().input(std::string(10'000'000, 'x')).wait_delay(1ms));
    EXPECT_FALSE(done.has_open_output);
    EXPECT_EQ(done.out, "begun\n");
}

// The time for the rest passes at once: what was written is in the pipes, and is read.
TEST_P(ProcessRun, OutputBeforeTheEndIsNeverLost) {
    for (int round = 0; round < 20; ++round) {
        const auto done = run(shell("head -c 60000 /dev/zero; sleep 1000 &").group(), run_options().wait_delay(0ns));
        EXPECT_EQ(done.out.size(), 60'000U);
    }
}

TEST_P(ProcessRun, ErrorsOfStartAreReturned) {
    const auto failed = runs.run(process::run(command("no-such-program"), run_options().input("x")));
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().message(), "no-such-program: No such file or directory");
}

TEST_P(ProcessRun, DropKillsProcess) {
    ASSERT_TRUE(support::all_are_reaped());
    {
        auto dropped = process::run(command("sleep", "1000"));
        runs.run([](auto& future) -> eddy::task<void> {
            static_cast<void>(co_await eddy::time::timeout(50ms, std::ref(future)));
        }(dropped));
    }
    EXPECT_TRUE(support::all_are_reaped());
}

TEST_P(ProcessRun, LeavesNoDescriptor) {
    ASSERT_TRUE(support::has_warmed_up());
    const support::leaves_no_descriptor unchanged;
    for (int round = 0; round < 10; ++round) {
        run(command("cat"), run_options().input("text"));
        run(shell("sleep 1000 &").group(), run_options().wait_delay(0ns));
    }
    EXPECT_TRUE(support::all_are_reaped());
}

// ---- Pipelines ----

TEST_P(ProcessRun, PipelinePassesDataThroughAllCommands) {
    const auto done = runs.run(process::run(process::pipeline(command("cat"), command("sort"), command("uniq", "-c")),
                                            run_options().input("b\na\nb\n")));
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_EQ(done->out, "      1 a\n      2 b\n");
    EXPECT_TRUE(done->is_success());
    EXPECT_EQ(done->statuses.size(), 3U);
}

TEST_P(ProcessRun, PipelineHasAllStatusesAndErrors) {
    const auto done = runs.run(process::run(
        process::pipeline(shell("echo one >&2; exit 1"), shell("cat; echo two >&2; exit 2"), shell("cat"))));
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_FALSE(done->is_success());
    ASSERT_EQ(done->statuses.size(), 3U);
    EXPECT_EQ(done->statuses[0].code(), 1);
    EXPECT_EQ(done->statuses[1].code(), 2);
    EXPECT_EQ(done->statuses[2].code(), 0);
    EXPECT_EQ(done->error.size(), 8U);
    EXPECT_EQ(done->check().error().message(), "sh: the process has failed (exit code 1)");
    const auto second = runs.run(process::run(process::pipeline(command("cat"), shell("cat; exit 2"))));
    EXPECT_EQ(second->check().error().message(), "sh: the process has failed (exit code 2)");
    EXPECT_TRUE(runs.run(process::run(process::pipeline(command("cat"), command("cat"))))->check());
}

TEST_P(ProcessRun, PipelineReadsErrorsOfCommandsWithPipes) {
    const auto writes = shell("cat; head -c 200000 /dev/zero >&2").error(stdio::pipe());
    const auto done = runs.run(process::run(process::pipeline(writes, writes)));
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_EQ(done->error.size(), 400'000U);
}

TEST_P(ProcessRun, PipelineWhoseReaderEndsStopsTheWriter) {
    const auto done = runs.run(process::run(process::pipeline(command("yes"), command("head", "-n", "2"))));
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_EQ(done->out, "y\ny\n");
    EXPECT_EQ(done->statuses[0].signal(), SIGPIPE);
    EXPECT_EQ(done->statuses[1].code(), 0);
}

TEST_P(ProcessRun, PipelineOfOneCommandIsThatCommand) {
    const auto done = runs.run(process::run(process::pipeline(command("echo", "x"))));
    EXPECT_EQ(done->out, "x\n");
}

TEST_P(ProcessRun, PipelineThatDoesNotStartLeavesNothing) {
    ASSERT_TRUE(support::has_warmed_up());
    const support::leaves_no_descriptor unchanged;
    const auto failed = runs.run(process::run(process::pipeline(command("sleep", "1000"), command("no-such-program"))));
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().message(), "no-such-program: No such file or directory");
    EXPECT_TRUE(support::all_are_reaped());
}

TEST_P(ProcessRun, PipelineTimeoutKillsAll) {
    const auto done = runs.run(
        process::run(process::pipeline(command("sleep", "1000"), command("cat")), run_options().timeout(50ms)));
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_TRUE(done->has_timed_out);
    EXPECT_EQ(done->statuses[0].signal(), SIGKILL);
}

TEST_P(ProcessRun, PipelineMayBeStartedByItself) {
    auto started = runs.run(
        process::pipeline(command("cat").in(stdio::pipe()), command("tr", "a-z", "A-Z").out(stdio::pipe())).spawn());
    ASSERT_TRUE(started) << started.error().message();
    ASSERT_EQ(started->size(), 2U);
    runs.run([](process::child& first, process::child& last) -> eddy::task<void> {
        EXPECT_TRUE(co_await eddy::io::write_all(*first.in(), std::string_view("text")));
        first.in().reset();
        EXPECT_EQ(co_await support::contents_of(*last.out()), "TEXT");
    }(started->front(), started->back()));
}

}  // namespace
