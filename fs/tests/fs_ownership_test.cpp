// SPDX-License-Identifier: MIT
// The owner and the permissions of copies, for root and for another user.
#ifdef __linux__
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <eddy/eddy.hpp>
#include <eddy/fs.hpp>
#include <support/file_contents.hpp>
#include <support/fs/other_user.hpp>
#include <support/fs/small_disk.hpp>
#include <support/random_tree.hpp>
#include <support/temp_dir.hpp>

namespace {

namespace fs = eddy::fs;
using support::contents_of;
using support::other_user;
using support::output_of;
using support::set_contents;

/// Runs an operation. Its threads have the rights of this one.
template <class F>
auto on_runtime(F operation) {
    eddy::runtime runs;
    return runs.block_on(std::move(operation));
}

/// The bits of a file that has an owner.
struct identity {
    unsigned user;
    unsigned group;
    friend bool operator==(const identity&, const identity&) = default;
};

identity owner_of(const std::string& path) {
    struct stat found{};
    EXPECT_EQ(::stat(path.c_str(), &found), 0) << path;
    return {found.st_uid, found.st_gid};
}
unsigned mode_of(const std::string& path) {
    struct stat found{};
    EXPECT_EQ(::stat(path.c_str(), &found), 0) << path;
    return found.st_mode & 07777U;
}

/// The permissions of the originals: all combinations of set-user-ID, set-group-ID and the sticky bit.
constexpr std::array<unsigned, 8> all_modes{00755, 01755, 02755, 03755, 04755, 05755, 06755, 07755};

/// Owners of originals. The first one is root.
constexpr std::array owners{identity(0, 0), identity(other_user, other_user), identity(0, other_user),
                            identity(other_user, 0), identity(12345, 54321)};

class FsOwnership : public testing::Test {
protected:
    void SetUp() override {
        if (::geteuid() != 0) GTEST_SKIP() << "only root can make files of other users";
        ::chmod((dir / ".").c_str(), 0777);
    }

    /// Makes a file. The owner first: a change of it clears bits.
    void make(const std::string& path, const identity& owner, unsigned mode) const {
        set_contents(path, "text");
        ASSERT_EQ(::chown(path.c_str(), owner.user, owner.group), 0);
        ASSERT_EQ(::chmod(path.c_str(), mode), 0);
    }

    /// Calls `run(owner, mode)` for each original `a`, as root and as another user.
    void for_each_original(const auto& run) const {
        for (const bool is_root : {true, false}) {
            for (const auto& owner : owners) {
                for (const auto mode : all_modes) {
                    SCOPED_TRACE(testing::Message() << (is_root ? "root" : "another user") << " copies a file of "
                                                    << owner.user << ":" << owner.group << ", " << std::oct << mode);
                    make(dir / "a", owner, mode);
                    const auto work = [&] { run(owner, mode); };
                    if (is_root) {
                        work();
                    } else {
                        support::as_other_user(work);
                    }
                    if (HasFailure()) return;
                }
            }
        }
    }

    support::temp_dir dir;
};

TEST_F(FsOwnership, CopyOfAFileHasSetIdBitsOnlyWithItsOwner) {
    for_each_original([&](const identity& owner, unsigned mode) {
        ASSERT_TRUE(on_runtime(fs::copy(dir / "a", dir / "b")));
        EXPECT_EQ(owner_of(dir / "b"), identity(::geteuid(), ::getegid()));
        const bool is_own = owner_of(dir / "b") == owner;
        EXPECT_EQ(mode_of(dir / "b"), is_own ? mode : mode & 0777U);
        if (!is_own) {
            output_of("cd " + (dir / ".") + " && cp a expected");
            EXPECT_EQ(mode_of(dir / "b"), mode_of(dir / "expected"));
            std::filesystem::remove(dir / "expected");
        }
        std::filesystem::remove(dir / "b");
    });
}

TEST_F(FsOwnership, CopyOverAFileTakesItsOwnerIntoAccount) {
    for (const auto& owner : owners) {
        for (const auto& replaced : owners) {
            for (const auto mode : all_modes) {
                for (const unsigned old_mode : {0600U, 06755U}) {
                    make(dir / "a", owner, mode);
                    make(dir / "b", replaced, old_mode);
                    ASSERT_TRUE(on_runtime(fs::copy(dir / "a", dir / "b")));
                    EXPECT_EQ(owner_of(dir / "b"), replaced);
                    ASSERT_EQ(mode_of(dir / "b"), owner == replaced ? mode : mode & 0777U);
                }
            }
        }
    }
}

TEST_F(FsOwnership, CopyIgnoresTheUmask) {
    const auto before = ::umask(0077);
    make(dir / "a", owners[0], 0666);
    const auto copied = on_runtime(fs::copy(dir / "a", dir / "b"));
    ::umask(before);
    ASSERT_TRUE(copied);
    EXPECT_EQ(mode_of(dir / "b"), 0666U);
}

TEST_F(FsOwnership, CopyTreeGivesOwnersAndModesAsCpDoes) {
    std::filesystem::create_directory(dir / "tree");
    ::chmod((dir / "tree").c_str(), 0777);
    const auto description_of = [&](const char* tree) {
        return output_of("cd " + (dir / tree) + " && find . -type f -printf '%P %m %U %G\\n' | sort");
    };
    for_each_original([&](const identity&, unsigned) {
        output_of("cd " + (dir / ".") + " && cp -a a tree/ && cp -a tree expected");
        ASSERT_TRUE(on_runtime(fs::copy_tree(dir / "tree", dir / "copy")));
        EXPECT_EQ(description_of("copy"), description_of("expected"));
        for (const auto* made : {"copy", "expected", "tree/a"}) std::filesystem::remove_all(dir / made);
    });
}

// cp(1) also removes the sticky bit of a directory: then all users may remove the entries of others in the copy.
TEST_F(FsOwnership, CopyTreeKeepsTheStickyBitOfDirectories) {
    for (const auto& owner : owners) {
        for (const unsigned mode : {01777U, 07777U}) {
            std::filesystem::create_directory(dir / "tree");
            ASSERT_EQ(::chown((dir / "tree").c_str(), owner.user, owner.group), 0);
            ASSERT_EQ(::chmod((dir / "tree").c_str(), mode), 0);
            support::as_other_user([&] {
                ASSERT_TRUE(on_runtime(fs::copy_tree(dir / "tree", dir / "copy")));
                const bool is_own = owner == identity(other_user, other_user);
                EXPECT_EQ(mode_of(dir / "copy"), is_own ? mode : 01777U);
                std::filesystem::remove_all(dir / "copy");
            });
            std::filesystem::remove(dir / "tree");
        }
    }
}

TEST_F(FsOwnership, WriteAtomicallyKeepsOwnerAndModeOrTheOldFile) {
    for_each_original([&](const identity& owner, unsigned mode) {
        const auto done = on_runtime(fs::write_atomically(dir / "a", "new"));
        EXPECT_EQ(owner_of(dir / "a"), owner);
        EXPECT_EQ(mode_of(dir / "a"), mode);
        const bool may = ::geteuid() == 0 || owner == identity(other_user, other_user);
        EXPECT_EQ(contents_of(dir / "a"), may ? "new" : "text");
        if (!may) {
            EXPECT_EQ(done.error(), std::errc::operation_not_permitted);
        }
        EXPECT_EQ(output_of("ls -A " + (dir / ".")), "a\n");
    });
}

// Nothing is copied, so there is no second rule.
TEST_F(FsOwnership, RenameToAnotherFileSystemIsAnError) {
    std::filesystem::create_directory(dir / "disk");
    const auto why = support::on_small_disk(dir / "disk", "size=1m", [&] {
        make(dir / "a", identity(other_user, other_user), 06755);
        const auto renamed = on_runtime(fs::rename(dir / "a", dir / "disk/b"));
        EXPECT_EQ(renamed.error(), std::errc::cross_device_link);
        EXPECT_EQ(output_of("ls -A " + (dir / "disk")), "");
        EXPECT_EQ(mode_of(dir / "a"), 06755U);
    });
    if (!why.empty()) GTEST_SKIP() << "cannot mount a small disk: " << why;
}

// ---- write_atomically() where permissions are missing ----

TEST_F(FsOwnership, WriteAtomicallyNeedsNoRightToReadTheDirectory) {
    std::filesystem::create_directory(dir / "in");
    ASSERT_EQ(::chown((dir / "in").c_str(), other_user, other_user), 0);
    ASSERT_EQ(::chmod((dir / "in").c_str(), 0300), 0);
    support::as_other_user([&] {
        for (const std::string_view text : {"first", "second"}) {
            const auto done = on_runtime(fs::write_atomically(dir / "in/a", text));
            EXPECT_TRUE(done) << done.error().message();
            EXPECT_EQ(contents_of(dir / "in/a"), text);
        }
    });
    EXPECT_EQ(output_of("ls -A " + (dir / "in")), "a\n");
    ASSERT_EQ(::chmod((dir / "in").c_str(), 0500), 0);
    support::as_other_user([&] {
        EXPECT_EQ(on_runtime(fs::write_atomically(dir / "in/a", "third")).error(), std::errc::permission_denied);
        EXPECT_EQ(on_runtime(fs::write_atomically(dir / "in/b", "third")).error(), std::errc::permission_denied);
    });
    EXPECT_EQ(contents_of(dir / "in/a"), "second");
}

// fs.protected_symlinks: in a directory like /tmp, the kernel does not follow the links of other users.
TEST_F(FsOwnership, WriteAtomicallyFollowsNoLinkThatTheSystemForbids) {
    ASSERT_EQ(::chmod((dir / ".").c_str(), 01777), 0);
    for (const auto* target : {"there", "nothing"}) {
        set_contents(dir / "there", "old");
        std::filesystem::create_symlink(target, dir / "link");
        ASSERT_EQ(::lchown((dir / "link").c_str(), other_user, other_user), 0);
        const auto written = on_runtime(fs::write(dir / "link", "old"));
        const auto replaced = on_runtime(fs::write_atomically(dir / "link", written ? "old" : "new"));
        EXPECT_EQ(replaced.has_value(), written.has_value());
        if (!written && !replaced) {
            EXPECT_EQ(replaced.error().code(), written.error().code());
            EXPECT_EQ(contents_of(dir / "there"), "old");
            EXPECT_FALSE(std::filesystem::exists(dir / "nothing"));
        }
        for (const auto* made : {"link", "nothing", "there"}) std::filesystem::remove(dir / made);
    }
}

}  // namespace
#endif
