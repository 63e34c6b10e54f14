// SPDX-License-Identifier: MIT
// write_atomically(): the order of its system calls, and what others may see between them.
// runs: once, asan, faults
#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/eddy.hpp>
#include <eddy/fs.hpp>

#include <support/file_contents.hpp>
#include <support/fs/file_faults.hpp>
#include <support/fs/other_user.hpp>
#include <support/temp_dir.hpp>

namespace {

namespace fs = eddy::fs;
using support::contents_of;
using support::set_contents;
using calls = std::vector<std::string>;

/// Runs an operation. Its threads have the rights of this one.
template <class F>
auto on_runtime(F operation) {
    eddy::runtime runs;
    return runs.block_on(std::move(operation));
}

/// Writes a file, and returns the calls that change something.
calls calls_of_write(const std::string& path, std::string_view text) {
    constexpr std::array changing{"pwrite", "fchown", "fchmod", "fsync", "fdatasync", "syncfs", "renameat", "unlinkat"};
    calls made;
    const support::observed_file_calls observed([&](std::string_view function) {
        if (std::ranges::find(changing, function) != changing.end()) made.emplace_back(function);
    });
    const auto done = on_runtime(fs::write_atomically(path, text));
    EXPECT_TRUE(done) << done.error().message();
    return made;
}

// The contents are on the disk before the name, and the name when the operation is ready.
TEST(FsReplaceFile, SyncsTheFileThenItsDirectory) {
    const support::temp_dir dir;
    EXPECT_EQ(calls_of_write(dir / "a", "first"), (calls{"pwrite", "fsync", "renameat", "fsync"}));
    EXPECT_EQ(calls_of_write(dir / "a", "second"), (calls{"pwrite", "fchmod", "fsync", "renameat", "fsync"}));
    EXPECT_EQ(calls_of_write(dir / "a", ""), (calls{"fchmod", "fsync", "renameat", "fsync"}));
    if (::geteuid() != 0) return;
    ASSERT_EQ(::chown((dir / "a").c_str(), 12345, 54321), 0);
    EXPECT_EQ(calls_of_write(dir / "a", "third"), (calls{"pwrite", "fchown", "fchmod", "fsync", "renameat", "fsync"}));
}

TEST(FsReplaceFile, SyncsTheFileSystemOfADirectoryThatIsNotReadable) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
    const support::temp_dir dir;
    ASSERT_EQ(::chown((dir / ".").c_str(), support::other_user, support::other_user), 0);
    ASSERT_EQ(::chmod((dir / ".").c_str(), 0300), 0);
    support::as_other_user([&] {
        EXPECT_EQ(calls_of_write(dir / "a", "first"), (calls{"pwrite", "fsync", "renameat", "syncfs"}));
        const support::refused_file_call refused("syncfs", EIO);
        const auto failed = on_runtime(fs::write_atomically(dir / "a", "second"));
        EXPECT_EQ(failed.error().message(), "write " + (dir / "a") + ": Input/output error");
        EXPECT_EQ(contents_of(dir / "a"), "second");
    });
}

TEST(FsReplaceFile, ErrorOfEachSyncIsReported) {
    const support::temp_dir dir;
    for (const std::size_t n : {1U, 2U}) {
        set_contents(dir / "a", "old");
        const support::refused_file_call refused("fsync", EIO, n);
        const auto failed = on_runtime(fs::write_atomically(dir / "a", "new"));
        EXPECT_EQ(failed.error().message(), "write " + (dir / "a") + ": Input/output error");
        EXPECT_EQ(contents_of(dir / "a"), n == 1 ? "old" : "new");
        EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir / "."), {}), 1);
    }
}

// A temporary file has no other reader than its owner until it has the owner and the permissions of the old file.
TEST(FsReplaceFile, NewContentsAreNotReadableByOthersMeanwhile) {
    const support::temp_dir dir;
    const bool is_root = ::geteuid() == 0;
    for (const unsigned mode : {0640U, 0600U, 0444U, 04711U}) {
        set_contents(dir / "a", "old");
        if (is_root) {
            ASSERT_EQ(::chown((dir / "a").c_str(), 12345, 54321), 0);
        }
        ASSERT_EQ(::chmod((dir / "a").c_str(), mode), 0);
        unsigned seen = 0;
        bool is_done = false;
        {
            const support::observed_file_calls observed([&](std::string_view function) {
                for (const auto& entry : std::filesystem::directory_iterator(dir / ".")) {
                    if (!entry.path().filename().native().starts_with(".write.")) continue;
                    struct stat found{};
                    ASSERT_EQ(::stat(entry.path().c_str(), &found), 0);
                    ++seen;
                    if (function == "fsync") is_done = true;
                    EXPECT_EQ(found.st_mode & 07777U, is_done ? mode : 0600U) << function;
                    if (is_root && is_done) {
                        EXPECT_EQ(found.st_uid, 12345U);
                    }
                }
            });
            EXPECT_TRUE(on_runtime(fs::write_atomically(dir / "a", "new")));
        }
        EXPECT_GE(seen, 4U);
    }
}

TEST(FsReplaceFile, NewFileHasThePermissionsOfTheUmask) {
    const support::temp_dir dir;
    for (const unsigned mask : {0022U, 0077U}) {
        const auto before = ::umask(mask);
        const auto done = on_runtime(fs::write_atomically(dir / "a", "new"));
        ::umask(before);
        EXPECT_TRUE(done);
        struct stat found{};
        EXPECT_EQ(::stat((dir / "a").c_str(), &found), 0);
        EXPECT_EQ(found.st_mode & 07777U, 0666U & ~mask);
        std::filesystem::remove(dir / "a");
    }
}

// Of a file system without owners, for example.
TEST(FsReplaceFile, OwnerThatCannotBeGivenIsAnError) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can give files away";
    const support::temp_dir dir;
    set_contents(dir / "a", "old");
    ASSERT_EQ(::chown((dir / "a").c_str(), 12345, 54321), 0);
    for (const int error : {EPERM, EINVAL, EIO}) {
        const support::refused_file_call refused("fchown", error);
        const auto failed = on_runtime(fs::write_atomically(dir / "a", "new"));
        EXPECT_EQ(failed.error(), error == EIO ? std::errc::io_error : std::errc::operation_not_permitted);
        EXPECT_EQ(contents_of(dir / "a"), "old");
    }
    ASSERT_EQ(::chown((dir / "a").c_str(), 0, 0), 0);
    const support::refused_file_call refused("fchown", EPERM);
    EXPECT_TRUE(on_runtime(fs::write_atomically(dir / "a", "new"))) << "it has the owner already";
}

/// Directories are links in the way to the target, so that the system finds too many links only if it follows the link
/// itself, too.
TEST(FsReplaceFile, LinkThatAppearsMeanwhileIsFollowedOnlyIfTheSystemDoes) {
    constexpr int most_links = 40;
    for (std::size_t n = 0; n < 4; ++n) {
        const support::temp_dir dir;
        set_contents(dir / "there", "old");
        std::filesystem::create_symlink(".", dir / "1");
        for (int i = 2; i <= most_links; ++i)
            std::filesystem::create_symlink(std::to_string(i - 1), dir / std::to_string(i));
        const auto target = std::to_string(most_links) + "/there";
        {
            std::size_t count = 0;
            const support::observed_file_calls observed([&](std::string_view function) {
                if (function == "statx" && count++ == n) std::filesystem::create_symlink(target, dir / "link");
            });
            const auto done = on_runtime(fs::write_atomically(dir / "link", "new"));
            if (n == 0) {
                EXPECT_EQ(done.error(), std::errc::too_many_symbolic_link_levels);
            }
        }
        EXPECT_EQ(contents_of(dir / "there"), "old") << n;
    }
}

}  // namespace
