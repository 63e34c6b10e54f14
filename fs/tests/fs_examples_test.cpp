// SPDX-License-Identifier: MIT
#ifdef EDDY_TEST_FS_EXAMPLES
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

#include <support/process.hpp>
#include <support/temp_dir.hpp>

// The examples of eddy::fs.

namespace {

TEST(FsExamples, ChecksumsAreWrittenInOrder) {
    const support::temp_dir dir;
    std::ofstream(dir / "a") << "a";
    std::ofstream(dir / "b") << "foobar";
    const auto done = support::run({"checksums", dir / "sums", dir / "a", dir / "b"});
    EXPECT_EQ(done.code, 0);
    EXPECT_EQ(done.out, (dir / "sums") + " has the checksums of 2 files\n");
    std::ostringstream sums;
    sums << std::ifstream(dir / "sums").rdbuf();
    // From the authors' list of test vectors of FNV-1a.
    EXPECT_EQ(sums.str(), "af63dc4c8601ec8c  " + (dir / "a") + "\n85944171f73967e8  " + (dir / "b") + "\n");
    const auto failed = support::run({"checksums", dir / "sums", dir / "missing"});
    EXPECT_EQ(failed.code, 1);
    EXPECT_TRUE(failed.err.starts_with("Error: open " + (dir / "missing") + ": No such file or directory\n"))
        << failed.err;
}

TEST(FsExamples, JoinFilesReplacesTheTargetOrLeavesNothing) {
    const support::temp_dir dir;
    std::ofstream(dir / "a.txt") << "a";
    std::ofstream(dir / "b.txt") << "b";
    std::ofstream(dir / "all") << "old";
    const auto contents = [&] { return (std::ostringstream() << std::ifstream(dir / "all").rdbuf()).str(); };
    EXPECT_EQ(support::run({"join_files", dir / "all", dir / "*.txt"}).out, dir / "all" + " has 2 files\n");
    EXPECT_EQ(contents(), "ab");
    std::filesystem::create_directory(dir / "c.txt");
    const auto failed = support::run({"join_files", dir / "all", dir / "*.txt"});
    EXPECT_TRUE(failed.err.starts_with("Error: open " + dir / "c.txt" + ": this is a directory")) << failed.err;
    EXPECT_EQ(contents(), "ab");
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir / ""), {}), 4);
}

}  // namespace
#endif
