// SPDX-License-Identifier: MIT
// Examples with files and directories, run as processes.
// covers: S17
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <support/process.hpp>
#include <support/random_tree.hpp>
#include <support/temp_dir.hpp>

namespace {

using support::output_of;
using support::process;
using support::put_file;
using support::run;

void append_to(const std::string& path, const std::string& text) {
    std::ofstream file(path, std::ios::app);
    file << text;
}

/// The lines of a text, sorted.
std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    std::ranges::sort(lines);
    return lines;
}

TEST(Programs, GrepTreeFindsWhatGrepFinds) {
    const support::temp_dir temp;
    const auto tree = temp / "tree";
    std::filesystem::create_directories(tree + "/sub/below");
    std::filesystem::create_directories(tree + "/.hidden");
    for (const std::string folder : {"/", "/sub/", "/sub/below/", "/.hidden/"}) {
        put_file(tree + folder + "one", "needle\nhay\n\nhay needle hay");
        put_file(tree + folder + "none", "hay\n");
    }
    std::filesystem::create_symlink("one", tree + "/link");
    const auto expected = output_of("cd " + tree + " && grep -rn --exclude-dir=.hidden needle " + tree +
                                    " | sed 's/:needle/: needle/; s/:hay/: hay/'");
    const auto found = run({"grep_tree", "needle", tree});
    EXPECT_EQ(lines_of(found.out), lines_of(expected));
    EXPECT_EQ(found.err, "6 files, 6 lines found\n");
    EXPECT_EQ(found.code, 0);
    EXPECT_EQ(run({"grep_tree", "straw", tree}).code, 1);
    const auto failed = run({"grep_tree", "needle", temp / "none"});
    EXPECT_EQ(failed.err, "read " + (temp / "none") + ": No such file or directory\n0 files, 0 lines found\n");
    EXPECT_EQ(failed.code, 2);
}

#ifdef __linux__  // the only system where fs::watch() works
TEST(Programs, TailLogFollowsNamesAndTruncation) {
    const support::temp_dir temp;
    const auto log = temp / "log";
    put_file(log, "old\n");
    process tail({"tail_log", log});
    EXPECT_EQ(tail.line(), "following " + log);
    append_to(log, "appended\n");
    EXPECT_EQ(tail.line(), "appended");
    std::filesystem::rename(log, temp / "log.1");
    append_to(temp / "log.1", "last\n");
    put_file(log, "first\n");
    EXPECT_EQ(tail.line(), "last");
    EXPECT_EQ(tail.line(), "first");
    put_file(log, "new\n");  // fewer bytes than before
    EXPECT_EQ(tail.line(), "new");
}
#endif

TEST(Programs, LogFileIsRotated) {
    const support::temp_dir temp;
    const auto done = run({"log_file", temp / "log"});
    EXPECT_EQ(done.out, "10 tasks wrote 200 lines\n");
    EXPECT_EQ(done.err, "");
    // 200 lines of 23 to 25 bytes: one old file. Each step of each task is in one of them, in its order.
    EXPECT_LE(std::filesystem::file_size(temp / "log.1"), 4096u);
    EXPECT_FALSE(std::filesystem::exists(temp / "log.2"));
    std::map<int, int> steps;
    std::istringstream lines(output_of("cat " + (temp / "log.1") + " " + (temp / "log")));
    int count = 0;
    for (std::string line; std::getline(lines, line); ++count) {
        int task = 0;
        int step = 0;
        ASSERT_EQ(std::sscanf(line.c_str(), "task %d has done step %d", &task, &step), 2) << line;
        EXPECT_EQ(step, ++steps[task]) << line;
    }
    EXPECT_EQ(count, 200);
    // A second run continues the file, and keeps three old ones.
    for (int i = 0; i < 4; ++i) EXPECT_EQ(run({"log_file", temp / "log"}).code, 0);
    EXPECT_TRUE(std::filesystem::exists(temp / "log.3"));
    EXPECT_FALSE(std::filesystem::exists(temp / "log.4"));
}

TEST(Programs, BackupHasListOfItsFiles) {
    const support::temp_dir temp;
    std::filesystem::create_directories(temp / "from/sub");
    put_file(temp / "from/sub/file", "text");
    put_file(temp / "from/empty", "");
    const auto done = run({"backup", temp / "from", temp / "to"});
    EXPECT_EQ(done.out, "3 copied\n");
    EXPECT_EQ(done.err, "");
    EXPECT_EQ(output_of("diff -r " + (temp / "from") + " " + (temp / "to") + " && cat " + (temp / "to.list")),
              "0 empty\n4 sub/file\n");
    const auto again = run({"backup", temp / "from", temp / "to"});
    EXPECT_TRUE(again.err.contains(": " + (temp / "to") + ": the target exists: use fs::copy_options()")) << again.err;
    EXPECT_EQ(again.code, 1);
}

}  // namespace
