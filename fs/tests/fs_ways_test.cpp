// SPDX-License-Identifier: MIT
// Which way the reads of a program took, as strace(1) shows it.
#if defined(EDDY_TEST_FS_EXAMPLES) && defined(__linux__)
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <support/emulated.hpp>
#include <support/file_contents.hpp>
#include <support/process.hpp>
#include <support/sanitizers.hpp>
#include <support/temp_dir.hpp>

namespace {

constexpr std::size_t file_size = 1024 * 1024;

/// A system call in the output of strace.
struct traced_call {
    std::string thread;
    std::string text;
};

/// Returns the calls of the example `checksums` while it reads a file.
std::vector<traced_call> calls_of_checksums(const support::temp_dir& dir) {
    const std::vector<std::string> command = {"/usr/bin/strace",
                                              "-f",
                                              "-o",
                                              dir / "calls",
                                              "-e",
                                              "trace=preadv2,pread64,futex",
                                              support::path_of("checksums"),
                                              dir / "sums",
                                              dir / "file"};
    const auto done = support::run(command);
    EXPECT_EQ(done.code, 0) << done.err;
    EXPECT_NE(support::contents_of(dir / "calls").find("RWF_NOWAIT"), std::string::npos);
    std::vector<traced_call> calls;
    std::istringstream lines(support::contents_of(dir / "calls"));
    for (std::string thread, text; lines >> thread && std::getline(lines >> std::ws, text);) {
        // Earlier calls load the program.
        if (calls.empty() && !text.starts_with("preadv2(")) continue;
        if (!text.starts_with("<...")) calls.push_back({thread, text});
    }
    return calls;
}

bool is_cached_read(const traced_call& call) { return call.text.starts_with("preadv2("); }
bool is_read_of_job(const traced_call& call) { return call.text.starts_with("pread64("); }

/// Returns whether the file system can tell what is in the page cache, by a read that asks the cache only.
bool tells_what_is_cached(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    std::array<char, 1> byte{};
    const iovec into{byte.data(), byte.size()};
    const auto count = ::preadv2(fd, &into, 1, 0, RWF_NOWAIT);
    ::close(fd);
    return count == 1;
}

/// Drops a file from the page cache. Returns whether its first page is gone. Not by a read, which would load it again.
bool drop_from_cache(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    ::fsync(fd);
    ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    void* const mapped = ::mmap(nullptr, file_size, PROT_READ, MAP_SHARED, fd, 0);
    unsigned char is_cached = 1;
    ::mincore(mapped, 1, &is_cached);
    ::munmap(mapped, file_size);
    ::close(fd);
    return (is_cached & 1U) == 0;
}

class FsWays : public testing::Test {
protected:
    void SetUp() override {
        if (support::is_emulated()) GTEST_SKIP() << "strace(1) cannot trace an emulated program";
        if (support::is_sanitized) GTEST_SKIP() << "a sanitizer makes system calls of its own";
        support::set_contents(dir / "file", std::string(file_size, 'x'));
        if (!tells_what_is_cached(dir / "file"))
            GTEST_SKIP() << "this file system cannot tell what is in the page cache";
    }

    support::temp_dir dir;
};

// Only the end of the file needs a job.
TEST_F(FsWays, CachedReadsAreMadeByTheWorkerWithoutAWakeUp) {
    const auto calls = calls_of_checksums(dir);
    ASSERT_FALSE(calls.empty());
    const auto& worker = calls.front().thread;
    const auto end = std::ranges::find_if(calls, is_read_of_job);
    ASSERT_NE(end, calls.end());
    EXPECT_NE(end->thread, worker);
    EXPECT_EQ(std::ranges::count_if(calls, is_read_of_job), 1);
    EXPECT_EQ(std::ranges::count_if(calls, is_cached_read), file_size / (64 * 1024) + 1);
    const auto last = std::find_if(std::make_reverse_iterator(end), calls.rend(), is_cached_read).base();
    for (auto at = calls.begin(); at != last; ++at)
        EXPECT_TRUE(at->thread != worker || is_cached_read(*at)) << at->text;
}

TEST_F(FsWays, ColdReadsAreMadeByAnotherThread) {
    if (!drop_from_cache(dir / "file")) GTEST_SKIP() << "this file system keeps its files in memory";
    const auto calls = calls_of_checksums(dir);
    ASSERT_FALSE(calls.empty());
    // After a wait, the task may go on on another worker.
    std::set<std::string> workers;
    for (const auto& call : calls)
        if (is_cached_read(call)) workers.insert(call.thread);
    for (const auto& call : calls) EXPECT_FALSE(is_read_of_job(call) && workers.contains(call.thread)) << call.text;
    EXPECT_GE(std::ranges::count_if(calls, is_read_of_job), 2);  // the first one, and that of the end
}

}  // namespace
#endif
