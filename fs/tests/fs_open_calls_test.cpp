// SPDX-License-Identifier: MIT
// The descriptors of files and directories: their flags, and the calls that open them.
// runs: once, asan, faults
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/eddy.hpp>
#include <eddy/fs.hpp>

#include <support/file_contents.hpp>
#include <support/fs/file_faults.hpp>
#include <support/fs/on_loop.hpp>
#include <support/net.hpp>
#include <support/temp_dir.hpp>

namespace {

namespace fs = eddy::fs;
using support::contents_of;
using support::on_loop;
using support::set_contents;
using checked = eddy::task<fs::result<void>>;

/// All operations, one after the other, on a file `a` and a tree `tree` in a directory.
checked use_all(std::string dir) {
    auto file = co_await eddy::try_(fs::open_options().read(true).write(true).open(dir + "/a"));
    auto clone = co_await eddy::try_(file.try_clone());
    co_await eddy::try_(clone.sync_all());
    co_await eddy::try_(fs::write(dir + "/b", "b"));
    co_await eddy::try_(fs::append(dir + "/b", "b"));
    co_await eddy::try_(fs::write_atomically(dir + "/b", "b"));
    const auto text = co_await eddy::try_(fs::read_to_string(dir + "/b"));
    EXPECT_EQ(text, "b");
    const auto copied = co_await eddy::try_(fs::copy(dir + "/a", dir + "/c"));
    EXPECT_EQ(copied, 1U);
    auto temporary = co_await eddy::try_(fs::temp_file(dir));
    co_await eddy::try_(temporary.truncate(1));
    const auto all = co_await eddy::try_(fs::copy_tree(dir + "/tree", dir + "/copy"));
    EXPECT_EQ(all, 4U);
    auto found = fs::walk(dir + "/copy", fs::walk_options().metadata(true));
    while (auto batch = co_await eddy::try_(found.try_next())) EXPECT_FALSE(batch->entries.empty());
    auto top = co_await eddy::try_(fs::open_dir(dir));
    auto below = co_await eddy::try_(top.open("copy/sub/file"));
    co_await eddy::try_(below.close());
    auto sub = co_await eddy::try_(top.open_dir("copy/sub"));
    co_await eddy::try_(top.create_dir("copy/new"));
    co_await eddy::try_(top.rename("copy/new", "copy/newer"));
    co_await eddy::try_(top.remove("copy/newer"));
    const auto about = co_await eddy::try_(top.metadata("copy/sub"));
    EXPECT_TRUE(about.is_directory());
    auto entries = sub.entries();
    while (auto entry = co_await eddy::try_(entries.try_next())) EXPECT_FALSE(entry->name.empty());
    auto changes = co_await eddy::try_(fs::watch(dir + "/copy"));
    co_await eddy::try_(fs::write(dir + "/copy/sub/end", ""));
    const auto change = co_await eddy::try_(changes.try_next());
    EXPECT_TRUE(change);
    const auto removed = co_await eddy::try_(top.remove_all("copy"));
    EXPECT_GT(removed, 4U);
    co_return {};
}

/// A directory for use_all().
class FsOpenCalls : public testing::Test {
protected:
    void SetUp() override {
        set_contents(dir / "a", "a");
        std::filesystem::create_directories(dir / "tree/sub");
        set_contents(dir / "tree/sub/file", "text");
        std::filesystem::create_symlink("file", dir / "tree/sub/link");
        ASSERT_EQ(::mkfifo((dir / "tree/fifo").c_str(), 0600), 0);
    }
    void run_all() {
        const auto done = on_loop(use_all(dir / "."));
        EXPECT_TRUE(done) << done.error().message();
    }

    support::temp_dir dir;
};

/// The first function is refused with an error that makes eddy take another way.
struct refusal {
    const char* function;
    int error;
};
constexpr std::array other_ways{refusal{"", 0}, refusal{"openat2", ENOSYS}, refusal{"fchmodat", EOPNOTSUPP},
                                refusal{"copy_file_range", ENOSYS}};

// Otherwise a process that another thread starts would have them.
TEST_F(FsOpenCalls, AllDescriptorsAreCloseOnExec) {
    const auto has = [](const std::vector<int>& all, int fd) { return std::ranges::find(all, fd) != all.end(); };
    const auto before = support::open_fds();
    for (const auto& way : other_ways) {
        const support::refused_file_call refused(way.function, way.error);
        std::size_t most = 0;
        {
            const support::observed_file_calls observed([&](std::string_view function) {
                const auto now = support::open_fds();
                most = std::max(most, now.size());
                for (const int fd : now) {
                    const int flags = ::fcntl(fd, F_GETFD);  // -1: another thread has closed it
                    if (flags == -1 || (flags & FD_CLOEXEC) != 0 || has(before, fd)) continue;
                    ADD_FAILURE() << function << " sees descriptor " << fd << ", "
                                  << std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd));
                }
            });
            run_all();
        }
        EXPECT_GT(most, before.size() + 4);
        if (HasFailure()) return;
        for (const auto* made : {"b", "c", "copy"}) std::filesystem::remove_all(dir / made);
    }
}

// A read of /proc/kmsg would end with EAGAIN, for example.
TEST_F(FsOpenCalls, FilesAreBlockingUnlessTheProgramAsksOtherwise) {
    const auto is_nonblocking = [](const fs::file& file) {
        return (::fcntl(file.native_handle(), F_GETFL) & O_NONBLOCK) != 0;
    };
    const auto open = [&](const fs::open_options& options) {
        return on_loop(fs::open_options(options).open(dir / "a")).value();
    };
    EXPECT_FALSE(is_nonblocking(open(fs::open_options().read(true))));
    EXPECT_TRUE(is_nonblocking(open(fs::open_options().read(true).custom_flags(O_NONBLOCK))));
    const auto appends = open(fs::open_options().append(true));
    EXPECT_FALSE(is_nonblocking(appends));
    EXPECT_TRUE((::fcntl(appends.native_handle(), F_GETFL) & O_APPEND) != 0);
    EXPECT_FALSE(is_nonblocking(on_loop(fs::temp_file(dir / ".")).value()));
    const auto top = on_loop(fs::open_dir(dir / ".")).value();
    EXPECT_FALSE(is_nonblocking(on_loop(top.open("a")).value()));
    EXPECT_FALSE(is_nonblocking(on_loop(top.create("new")).value()));
}

// ---- openat2(2) ----

/// Returns how often openat2(2) is called by an open below a directory, and the error of that.
std::pair<std::size_t, std::error_code> tries_to_open(const fs::dir& in) {
    std::size_t tries = 0;
    const support::observed_file_calls observed([&](std::string_view function) { tries += function == "openat2"; });
    const auto opened = on_loop(in.open("a"));
    return {tries, opened ? std::error_code() : opened.error().code()};
}

TEST_F(FsOpenCalls, RenamesMeanwhileAreTriedAgain) {
    const auto top = on_loop(fs::open_dir(dir / ".")).value();
    for (const int error : {EAGAIN, EINTR}) {
        support::fail_file_call(0, error);
        const auto [tries, why] = tries_to_open(top);
        EXPECT_EQ(support::failed_file_call(), "openat2");
        support::pass_file_calls();
        EXPECT_EQ(tries, 2U);
        EXPECT_FALSE(why) << why.message();
    }
    const support::refused_file_call refused("openat2", EAGAIN);
    const auto [tries, why] = tries_to_open(top);
    EXPECT_EQ(why, std::errc::resource_unavailable_try_again);
    EXPECT_GE(tries, 100U);
    EXPECT_LE(tries, 200U) << "not for ever: 100 times, and once more in case that it is leased";
}

// ---- Space, advice and syncs ----

TEST_F(FsOpenCalls, AdviceIsThatOfTheProgram) {
    auto file = on_loop(fs::file::open(dir / "a")).value();
    constexpr std::array expected{
        std::pair(fs::access_pattern::normal, POSIX_FADV_NORMAL),
        std::pair(fs::access_pattern::sequential, POSIX_FADV_SEQUENTIAL),
        std::pair(fs::access_pattern::random, POSIX_FADV_RANDOM),
        std::pair(fs::access_pattern::will_need, POSIX_FADV_WILLNEED),
        std::pair(fs::access_pattern::will_not_need, POSIX_FADV_DONTNEED),
    };
    for (const auto& [pattern, advice] : expected) {
        EXPECT_TRUE(on_loop(file.advise(pattern, 4096, 8192)));
        const auto last = support::last_file_advice();
        EXPECT_EQ(last.advice, advice);
        EXPECT_EQ(last.offset, 4096);
        EXPECT_EQ(last.size, 8192);
    }
    const auto largest = std::uint64_t{1} << 63;
    EXPECT_EQ(on_loop(file.advise(fs::access_pattern::normal, largest, 1)).error(), std::errc::invalid_argument);
    EXPECT_EQ(on_loop(file.advise(fs::access_pattern::normal, 1, largest)).error(), std::errc::invalid_argument);
    EXPECT_TRUE(on_loop(file.advise(fs::access_pattern::normal, largest - 1, 0)));
    const support::refused_file_call refused("posix_fadvise", ENOSYS);
    EXPECT_EQ(on_loop(file.advise(fs::access_pattern::normal)).error(), std::errc::function_not_supported);
}

TEST_F(FsOpenCalls, AllocateKeepsTheContents) {
    auto file = on_loop(fs::open_options().read(true).write(true).open(dir / "a")).value();
    constexpr std::uint64_t part = 1 << 20;
    const auto allocated = on_loop(file.allocate(2 * part, part));
    if (!allocated && allocated.error() == std::errc::operation_not_supported)
        GTEST_SKIP() << "not on this file system";
    ASSERT_TRUE(allocated) << allocated.error().message();
    const auto about = on_loop(file.metadata()).value();
    EXPECT_EQ(about.size, 3 * part);
    EXPECT_GE(about.allocated, part);
    EXPECT_LT(about.allocated, 2 * part) << "what is before the part stays a hole";
    EXPECT_EQ(contents_of(dir / "a").substr(0, 2), std::string("a\0", 2));
    const auto largest = std::uint64_t{1} << 63;
    EXPECT_EQ(on_loop(file.allocate(largest, 1)).error(), std::errc::file_too_large);
    EXPECT_EQ(on_loop(file.allocate(0, largest)).error(), std::errc::file_too_large);
    EXPECT_EQ(on_loop(file.truncate(largest)).error(), std::errc::file_too_large);
    const support::refused_file_call refused("fallocate", ENOSPC);
    EXPECT_EQ(on_loop(file.allocate(0, 1)).error(), std::errc::no_space_on_device);
}

TEST_F(FsOpenCalls, EachSyncIsItsSystemCall) {
    auto file = on_loop(fs::open_options().write(true).open(dir / "a")).value();
    const auto top = on_loop(fs::open_dir(dir / ".")).value();
    const auto calls_of = [](auto operation) {
        std::vector<std::string> calls;
        const support::observed_file_calls observed([&](std::string_view function) { calls.emplace_back(function); });
        EXPECT_TRUE(on_loop(std::move(operation)));
        return calls;
    };
    EXPECT_EQ(calls_of(file.sync_data()), std::vector<std::string>{"fdatasync"});
    EXPECT_EQ(calls_of(file.sync_all()), std::vector<std::string>{"fsync"});
    EXPECT_EQ(calls_of(top.sync_all()), std::vector<std::string>{"fsync"});
}

// ---- Locks ----

TEST_F(FsOpenCalls, LockOfAnotherFileIsNoError) {
    auto file = on_loop(fs::open_options().read(true).write(true).open(dir / "a")).value();
    for (const int error : {EAGAIN, EACCES}) {
        const support::refused_file_call refused("lock", error);
        EXPECT_FALSE(on_loop(file.try_lock()).value());
    }
    for (const int error : {ENOLCK, EIO}) {
        const support::refused_file_call refused("lock", error);
        const auto why = std::generic_category().message(error);
        EXPECT_EQ(on_loop(file.try_lock()).error().message(), "lock " + (dir / "a") + ": " + why);
        EXPECT_EQ(on_loop(file.lock()).error().message(), "lock " + (dir / "a") + ": " + why);
    }
    support::fail_file_call(0, EINTR);
    EXPECT_TRUE(on_loop(file.try_lock()).value());
    EXPECT_EQ(support::failed_file_call(), "lock");
    support::pass_file_calls();
    auto reader = on_loop(fs::file::open(dir / "a")).value();
    EXPECT_TRUE(on_loop(reader.try_lock(fs::lock_kind::shared)).value());
    EXPECT_EQ(on_loop(reader.try_lock()).error(), std::errc::bad_file_descriptor) << "it is not open for writing";
}

TEST_F(FsOpenCalls, OnlyTheLastGuardUnlocks) {
    auto file = on_loop(fs::open_options().read(true).write(true).open(dir / "a")).value();
    auto clone = on_loop(file.try_clone()).value();
    std::vector<std::string> calls;
    const support::observed_file_calls observed([&](std::string_view function) {
        if (function.ends_with("lock")) calls.emplace_back(function);
    });
    std::optional<fs::file_lock> first(on_loop(file.lock()).value());
    std::optional<fs::file_lock> second(on_loop(clone.lock()).value());
    first.reset();
    EXPECT_EQ(calls, (std::vector<std::string>{"lock", "lock"}));
    second.reset();
    EXPECT_EQ(calls, (std::vector<std::string>{"lock", "lock", "unlock"}));
    first.emplace(on_loop(file.lock()).value());
    EXPECT_TRUE(on_loop(clone.close()));
    EXPECT_TRUE(on_loop(file.close()));
    first.reset();
    EXPECT_EQ(calls.size(), 4U) << "the system has released it";
}

}  // namespace
