// SPDX-License-Identifier: MIT
// The flight recorder in real programs: what it writes, and when.
// covers: B17
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <utility>

#include <eddy/future/yield_now.hpp>
#include <eddy/runtime.hpp>
#include <eddy/task/task.hpp>

#include "output_of.hpp"
#include "support/file_contents.hpp"
#include "trace_file.hpp"

namespace {

using eddy::inspect::trace_file;

/// A folder for files of one test.
class folder {
public:
    folder() {
        std::string name = testing::TempDir() + "eddy-recorder-XXXXXX";
        path_ = mkdtemp(name.data());
    }
    folder(const folder&) = delete;
    folder& operator=(const folder&) = delete;
    ~folder() { std::filesystem::remove_all(path_); }

    [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }

private:
    std::string path_;
};

trace_file read(const std::string& path) {
    EXPECT_TRUE(std::filesystem::exists(path)) << path;
    auto trace = eddy::inspect::parse_trace(support::contents_of(path));
    EXPECT_TRUE(trace.has_value()) << trace.error();
    return trace ? std::move(*trace) : trace_file();
}

std::map<std::string, std::uint64_t> counts_of(const trace_file& trace) {
    std::map<std::string, std::uint64_t> counts;
    for (const trace_file::event& one : trace.events)
        if (one.is != trace_file::point::end) ++counts[one.category];
    return counts;
}

std::uint64_t number_behind(const std::string& text, const std::string& name) {
    return std::stoull(text.substr(text.find(name + "=") + name.size() + 1));
}

bool has_poll_of(const trace_file& trace, const std::string& name) {
    return std::ranges::any_of(
        trace.events, [&](const trace_file::event& one) { return one.category == "poll" && one.name == name; });
}

std::string run(const std::string& environment, const std::string& what) {
    return output_of(environment + " " EDDY_RECORDED " " + what);
}

TEST(InspectRecorder, CountsOfRuntimeAreThoseOfItsMetrics) {
    const folder files;
    const std::string said = run("EDDY_TRACE=" + files / "trace", "run");
    const trace_file trace = read(files / "trace");
    auto counts = counts_of(trace);
    EXPECT_EQ(counts["poll"], number_behind(said, "poll")) << said;
    EXPECT_EQ(counts["spawn"], number_behind(said, "spawn")) << said;
    EXPECT_GE(counts["park"], number_behind(said, "park")) << said;  // the workers park again before the end
    EXPECT_GT(counts["wake"], 0u);
    EXPECT_GT(counts["driver tick"], 0u);
    EXPECT_GT(counts["timers"], 0u);
    EXPECT_TRUE(has_poll_of(trace, "sleeps"));
    EXPECT_TRUE(std::ranges::any_of(trace.events, [](const trace_file::event& one) {
        return one.category == "poll" && one.name.starts_with("recorded_target.cpp:");
    }));
    EXPECT_TRUE(std::ranges::any_of(trace.tracks,
                                    [](const trace_file::track& one) { return one.name == "worker 1 of runtime 1"; }));
    const std::string summary = output_of(EDDY_PROGRAM " trace " + files / "trace");
    EXPECT_NE(summary.find("Schedule latency"), std::string::npos) << summary;
}

TEST(InspectRecorder, CountsOfLoopAreThoseOfItsMetrics) {
    const folder files;
    const std::string said = run("EDDY_TRACE=" + files / "trace", "loop");
    const trace_file trace = read(files / "trace");
    auto counts = counts_of(trace);
    EXPECT_EQ(counts["poll"], number_behind(said, "poll")) << said;
    EXPECT_EQ(counts["spawn"], 18u);  // the main future, eight pairs, and one that sleeps
    for (const trace_file::event& one : trace.events) {
        if (one.category == "timers" || one.category == "driver tick") {
            EXPECT_GT(one.detail, 0u) << one.category;
        }
    }
}

TEST(InspectRecorder, NothingIsWrittenWithoutARecording) {
    const folder files;
    run("cd " + files / "" + " &&", "run");
    EXPECT_TRUE(std::filesystem::is_empty(files / ""));
}

TEST(InspectRecorder, CrashWritesFileAndCallsFormerHandler) {
    const folder files;
    EXPECT_EQ(run("EDDY_TRACE=" + files / "trace", "crash"), "own handler\n");
    const trace_file trace = read(files / "trace");
    ASSERT_FALSE(trace.events.empty());
    EXPECT_TRUE(has_poll_of(trace, "culprit"));
}

TEST(InspectRecorder, AbortWritesFileAndEndsTheProcess) {
    const folder files;
    const std::string command = "EDDY_TRACE=" + files / "trace" + " " EDDY_RECORDED " abort 2>/dev/null";
    const int status = std::system(("ulimit -c 0; " + command + "; exit $?").c_str());
    EXPECT_EQ(WEXITSTATUS(status), 128 + SIGABRT);
    EXPECT_FALSE(read(files / "trace").events.empty());
}

TEST(InspectRecorder, SignalOfDumpWritesFile) {
    const folder files;
    // The shell waits for the file, which appears as a whole.
    output_of("EDDY_TRACE=" + files / "trace" + " EDDY_DUMP=SIGUSR1 " EDDY_RECORDED " wait >" + files / "out" +
              " 2>&1 & "
              "until grep -q ready " +
              files / "out" +
              "; do sleep 0.01; done; kill -USR1 $!; "
              "until test -e " +
              files / "trace" + "; do sleep 0.01; done; kill -KILL $!");
    EXPECT_GT(counts_of(read(files / "trace"))["poll"], 0u);
}

TEST(InspectRecorder, StallWritesFileWhileTheTaskIsPolled) {
    const folder files;
    const std::string stalled = files / "trace.stall";
    const auto said = run("EDDY_STALL=20ms EDDY_TRACE=" + files / "trace", "stall " + stalled);
    const auto reported_at = said.find(" in one poll");
    EXPECT_NE(reported_at, said.npos) << said;
    EXPECT_LT(reported_at, said.find("file exists")) << "the report does not wait for the disk: " << said;
    const trace_file trace = read(stalled);
    EXPECT_TRUE(has_poll_of(trace, "culprit"));
    EXPECT_EQ(counts_of(trace)["stall"], 1u);
    for (const trace_file::event& one : trace.events) {
        if (one.category != "stall") continue;
        const auto spawn = std::ranges::find(trace.events, one.task, &trace_file::event::task);
        ASSERT_NE(spawn, trace.events.end());
        EXPECT_EQ(spawn->task_name, "culprit");
        EXPECT_GE(one.detail, 20u);
    }
}

#if defined(__x86_64__) || defined(__aarch64__)
TEST(InspectRecorder, ProbesAreInTheNotesOfTheProgram) {
    const std::string notes = output_of("readelf --notes --wide " EDDY_RECORDED);
    for (const std::string name :
         {"spawn", "poll_begin", "poll_end", "wake", "steal", "park", "unpark", "io_event", "timer", "stall"}) {
        const std::size_t at = notes.find("Provider: eddy\n    Name: " + name + "\n");
        ASSERT_NE(at, std::string::npos) << name << " is not in\n" << notes;
        EXPECT_NE(notes.find("Arguments: 8@", at), std::string::npos) << name;
    }
}
#endif

TEST(InspectRecorder, ProcessNumberIsPartOfTheName) {
    const folder files;
    run("EDDY_TRACE=" + files / "%p.trace", "loop");
    const auto entries = std::filesystem::directory_iterator(files / "");
    EXPECT_EQ(std::distance(begin(entries), end(entries)), 1);
    EXPECT_FALSE(std::filesystem::exists(files / "%p.trace"));
}

TEST(InspectRecorder, FileThatCannotBeWrittenIsReported) {
    const std::string said = run("EDDY_TRACE=/nowhere/trace", "loop");
    EXPECT_NE(said.find("eddy: the recording was not written to /nowhere/trace: No such file or directory"),
              std::string::npos)
        << said;
}

TEST(InspectRecorder, CrashHandlerNeedsLittleOfTheSignalStack) {
    const folder files;
    EXPECT_EQ(run("EDDY_TRACE=" + files / "trace", "small_stack"), "enough\n");
    EXPECT_TRUE(has_poll_of(read(files / "trace"), "culprit"));
}

TEST(InspectRecorder, PlaceOfSpawnInClosedLibraryIsLeftOut) {
    const folder files;
    EXPECT_EQ(run("EDDY_TRACE=" + files / "trace", "closed_library"), "");
    EXPECT_EQ(counts_of(read(files / "trace"))["spawn"], 2u);
}

TEST(InspectRecorder, PipeIsNotReplacedByTheFile) {
    const folder files;
    const std::string said = run("mkfifo " + files / "pipe" + " && EDDY_TRACE=" + files / "pipe", "loop");
    EXPECT_NE(said.find("was not written"), std::string::npos) << said;
    EXPECT_TRUE(std::filesystem::is_fifo(files / "pipe"));
}

TEST(InspectRecorder, FullDiskLeavesNoPartOfTheFile) {
    const folder files;
    // A limit of the size of files is an error as a full disk is, if the signal is ignored.
    const std::string said = run("trap '' XFSZ; ulimit -f 1; EDDY_TRACE=" + files / "trace", "loop");
    EXPECT_NE(said.find("was not written"), std::string::npos) << said;
    EXPECT_TRUE(std::filesystem::is_empty(files / ""));
}

TEST(InspectRecorder, ForkedChildThatExitsDoesNotWriteTheFile) {
    const folder files;
    // LeakSanitizer looks for the parent's threads in the child, and says that it has not found them.
    EXPECT_EQ(run("ASAN_OPTIONS=detect_leaks=0 EDDY_TRACE=" + files / "trace", "fork"), "");
    EXPECT_TRUE(std::filesystem::is_empty(files / ""));
}

TEST(InspectRecorder, LoopsInSuccessionDoNotEachWriteTheFile) {
    const folder files;
    const std::string said = run("EDDY_TRACE=" + files / "trace", "many " + files / "trace");
    EXPECT_GT(number_behind(said, "written"), 0u);
    EXPECT_LT(number_behind(said, "written"), 300u);
}

TEST(InspectRecorder, SlowDiskDelaysNeitherLoopsNorForks) {
    const folder files;
    EXPECT_EQ(run("", "slow " + files / "trace"), "child=0\nwritten=1\n");
    EXPECT_TRUE(std::filesystem::exists(files / "trace"));
    EXPECT_TRUE(std::filesystem::exists(files / "trace.child"));
}

TEST(InspectRecorder, FileHasTheLastLoopAtTheEnd) {
    const folder files;
    EXPECT_EQ(run("EDDY_TRACE=" + files / "trace", "last " + files / "trace"), "");
    EXPECT_TRUE(has_poll_of(read(files / "trace"), "last"));
}

TEST(InspectRecorderOwnProcess, MemoryOfManyEndedLoopsIsReused) {
    const folder files;
    eddy::recording_options options;
    options.events = 64;
    eddy::start_recording(options);
    for (int i = 0; i < 100; ++i) eddy::core().run([]() -> eddy::task<void> { co_await eddy::yield_now(); }());
    ASSERT_TRUE(eddy::write_recording(files / "trace").has_value());
    EXPECT_LE(read(files / "trace").tracks.size(), 1u + 16u + 1u);
    EXPECT_FALSE(eddy::write_recording().has_value());  // no name is known
}

TEST(InspectRecorderOwnProcess, FileIsWrittenWhenTheLastLoopEnds) {
    const folder files;
    eddy::start_recording(eddy::recording_options(files / "trace"));
    {
        const eddy::core first;
        static_cast<void>(eddy::core());
        EXPECT_FALSE(std::filesystem::exists(files / "trace"));
    }
    EXPECT_TRUE(std::filesystem::exists(files / "trace"));
}

// They have no ids, but the same address.
TEST(InspectRecorderOwnProcess, MainFuturesOfALoopHaveTheirPlaces) {
    const folder files;
    eddy::start_recording(eddy::recording_options());
    eddy::core loop;
    const auto nothing = []() -> eddy::task<void> { co_return; };
    constexpr int rounds = 3;
    const unsigned line = __LINE__;
    for (int i = 0; i < rounds; ++i) {
        loop.run(nothing());
        loop.run(nothing());
    }
    ASSERT_TRUE(eddy::write_recording(files / "trace").has_value());
    std::map<std::string, int> polls;
    for (const trace_file::event& one : read(files / "trace").events)
        if (one.category == "poll") ++polls[one.name];
    const std::string file = "inspect_recorder_test.cpp:";
    EXPECT_EQ(polls[file + std::to_string(line + 2)], rounds);
    EXPECT_EQ(polls[file + std::to_string(line + 3)], rounds);
    // Each poll has its own, for readers that do not look for it at the spawn.
    EXPECT_EQ(support::contents_of(files / "trace").find("task "), std::string::npos);
}

TEST(InspectRecorderOwnProcess, LinkAtTheTemporaryNameIsNotFollowed) {
    const folder files;
    std::ofstream(files / "other") << "kept";
    std::filesystem::create_symlink(files / "other", files / "trace.part");
    eddy::start_recording(eddy::recording_options());
    ASSERT_TRUE(eddy::write_recording(files / "trace").has_value());
    std::string kept;
    std::ifstream(files / "other") >> kept;
    EXPECT_EQ(kept, "kept");
    EXPECT_FALSE(std::filesystem::is_symlink(files / "trace"));
}

TEST(InspectRecorderOwnProcess, RecordingIsWrittenWhileTasksRun) {
    const folder files;
    eddy::recording_options options;
    options.events = 64;
    eddy::start_recording(options);
    std::atomic<bool> ends = false;  // the tasks use it until the runtime has ended
    auto pool = eddy::runtime::builder().worker_threads(2).build();
    for (int i = 0; i < 4; ++i)
        pool->spawn([](std::atomic<bool>& ended) -> eddy::task<void> {
                while (!ended) co_await eddy::yield_now();
            }(ends))
            .detach();
    for (int i = 0; i < 5; ++i) {
        ASSERT_TRUE(eddy::write_recording(files / "trace").has_value());
        for (const trace_file::event& one : read(files / "trace").events)
            EXPECT_TRUE(one.is == trace_file::point::end || one.category != "poll" || one.task != 0);
    }
    ends = true;
}

}  // namespace
