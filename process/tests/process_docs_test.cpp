// SPDX-License-Identifier: MIT
// The code of process/docs/processes.md.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <string>
#include <utility>

#include <eddy/prelude.hpp>
#include <eddy/process.hpp>

#include <support/temp_dir.hpp>

namespace {

namespace io = eddy::io;
namespace process = eddy::process;
using namespace std::chrono_literals;
using eddy::task;
using eddy::try_;

// docs: run
/// Returns the names of the branches of a repository.
task<process::result<std::string>> branches(std::string repository) {
    auto git = process::command("git", "branch", "--format=%(refname:short)").directory(repository);
    auto done = co_await try_(process::run(git, process::run_options().timeout(10s).max_output(1'000'000)));
    if (!done.status.is_success())
        std::fprintf(stderr, "git: %s\n%s", done.status.to_string().c_str(), done.error.c_str());
    co_return std::move(done.out);
}
// docs: end

// docs: pipeline
/// Returns the most frequent lines of a file, with their numbers.
task<process::result<std::string>> most_frequent(std::string path) {
    const auto sorted = process::pipeline(process::command("sort", path), process::command("uniq", "-c"),
                                          process::command("sort", "-rn"), process::command("head", "-n", "3"));
    auto done = co_await try_(process::run(sorted));
    co_return std::move(done.out);
}
// docs: end

// docs: start
/// Returns the names in a directory, one a line.
task<eddy::result<std::string>> list(std::string directory) {
    auto ls = co_await try_(process::command("ls", "-A").directory(directory).out(process::stdio::pipe()).spawn());
    auto names = co_await try_(io::read_to_string(*ls.out()));
    const auto status = co_await try_(ls.wait());
    co_await try_(status.check());  // an exit code other than 0 is an error
    co_return names;
}
// docs: end

// docs: write input
/// Returns the lines of a text that have this word, with their numbers.
task<eddy::result<std::string>> lines_with(std::string word, std::string text) {
    auto grep = co_await try_(process::command("grep", "-n", "-e", std::move(word))
                                  .in(process::stdio::pipe())
                                  .out(process::stdio::pipe())
                                  .spawn());
    const auto write = [&]() -> task<eddy::result<void>> {
        co_await try_(io::write_all(*grep.in(), text));
        grep.in().reset();  // the end of the input, without which grep waits for more
        co_return eddy::ok();
    };
    // At the same time: grep does not read on while its output is not read.
    auto both = eddy::join(write(), io::read_to_string(*grep.out()));
    auto [written, found] = co_await both;
    co_await try_(std::move(written));
    const auto status = co_await try_(grep.wait());
    if (status.code() != 1) co_await try_(status.check());  // 1: no line has the word
    co_return std::move(found);
}
// docs: end

// docs: stop
task<process::result<process::exit_status>> run_for(process::command service, std::chrono::seconds time) {
    auto child = co_await try_(service.group().spawn());
    co_await eddy::time::sleep(time);
    co_return co_await child.stop(10s);  // SIGTERM, and SIGKILL after 10 s
}
// docs: end

// docs: shell
/// Runs a command of the shell, and returns its output.
task<process::result<std::string>> run_command(std::string command) {
    auto done = co_await try_(process::run(process::command("sh", "-c", std::move(command))));
    if (!done.status.is_success()) std::fprintf(stderr, "%s\n%s", done.status.to_string().c_str(), done.error.c_str());
    co_return std::move(done.out);
}
// docs: end

// docs: terminal
/// Returns what a program prints if it writes to a terminal, for example with colors, in lines of this length.
task<eddy::result<std::string>> shown_by(process::command program, unsigned short columns) {
    const auto options = process::terminal_options().size({24, columns});
    auto screen = co_await try_(process::terminal::open(options));
    const auto child = co_await try_(screen.spawn(program.env("TERM", "xterm-256color")));
    auto shown = co_await try_(io::read_to_string(screen));
    const auto status = co_await try_(child.wait());
    co_await try_(status.check());
    co_return shown;
}
// docs: end

TEST(ProcessDocs, RunReturnsOutput) {
    eddy::core loop;
    const auto none = loop.run(branches("/no/where"));
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().note(), "directory /no/where");
}

TEST(ProcessDocs, PipelineCountsLines) {
    const support::temp_dir dir;
    std::ofstream(dir / "lines") << "a\nb\na\n";
    eddy::core loop;
    EXPECT_EQ(loop.run(most_frequent(dir / "lines")).value(), "      2 a\n      1 b\n");
}

TEST(ProcessDocs, StartListsDirectory) {
    eddy::core loop;
    EXPECT_NE(loop.run(list("/proc/self")).value().find("\nfd\n"), std::string::npos);
    EXPECT_EQ(loop.run(list("/no/where")).error(), std::errc::no_such_file_or_directory);
}

TEST(ProcessDocs, WritesInputAndEndsIt) {
    eddy::core loop;
    EXPECT_EQ(loop.run(lines_with("a", "a\nb\nac\n")).value(), "1:a\n3:ac\n");
    std::string large;
    for (int i = 0; i < 200'000; ++i) large += "a\n";
    EXPECT_GT(loop.run(lines_with("a", large)).value().size(), large.size());
}

TEST(ProcessDocs, ShellReturnsOutput) {
    eddy::core loop;
    EXPECT_EQ(loop.run(run_command("seq 30000 | tail -1; exit 3")).value(), "30000\n");
}

TEST(ProcessDocs, TerminalHasSizeAndType) {
    eddy::core loop;
    EXPECT_EQ(loop.run(shown_by(process::command("sh", "-c", "stty size; echo $TERM"), 100)).value(),
              "24 100\r\nxterm-256color\r\n");
}

TEST(ProcessDocs, StopEndsService) {
    eddy::core loop;
    EXPECT_EQ(loop.run(run_for(process::command("sleep", "1000"), 0s))->to_string(), "signal 15 (SIGTERM)");
}

}  // namespace
