// SPDX-License-Identifier: MIT
// Trees that are deeper than the number of directories that a visit keeps open, in all shapes, against rm, cp and find.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/eddy.hpp>
#include <eddy/fs.hpp>
#include <support/dice.hpp>
#include <support/file_contents.hpp>
#include <support/fs/deep_tree.hpp>
#include <support/fs/on_loop.hpp>
#ifdef __linux__
#include <support/fs/other_user.hpp>
#include <support/fs/renaming_process.hpp>
#endif
#include <support/fs/watched_folder.hpp>
#include <support/random_tree.hpp>
#include <support/stress.hpp>
#include <support/temp_dir.hpp>

namespace {

namespace fs = eddy::fs;
using support::on_loop;
using support::output_of;

constexpr std::size_t most_levels = 300;

/// Calls `f` with the levels above and in the branches of a fork: below, at and above the number of open directories.
void for_each_fork(const auto& f) {
    constexpr std::array<std::array<std::size_t, 2>, 11> forks = {
        {{0, 0}, {0, 62}, {0, 64}, {2, 61}, {62, 1}, {63, 1}, {64, 1}, {65, 64}, {64, 130}, {130, 62}, {130, 70}}};
    for (const auto& [stem, branch] : forks) {
        SCOPED_TRACE(std::to_string(stem) + " levels, then two branches of " + std::to_string(branch));
        f(stem, branch);
    }
}

/// What is below a fork: its directories, and the two files.
std::uint64_t count_below_fork(std::size_t stem, std::size_t branch) { return stem + 2 * (branch + 2); }

/// Returns all names below a directory, with types, permissions, counts of links and targets of links.
std::string listing_of(const std::string& tree) {
    return output_of("cd " + tree + " && find . -printf '%P %y %m %n %l\\n' | sort");
}

std::string difference_of(const std::string& a, const std::string& b) {
    return output_of("diff -r --no-dereference " + a + " " + b + " 2>&1");
}

/// Returns the paths below a directory, as find prints them: '%P\n'.
std::string walked(const std::string& base) {
    std::set<std::string> lines;
    auto found = fs::walk(base);
    eddy::core loop;
    while (auto batch = loop.run(found.next())) {
        if (!*batch) return "error: " + batch->error().message();
        for (const auto& entry : (*batch)->entries)
            lines.insert(((*batch)->directory.path() / entry.name).lexically_relative(base).string());
    }
    std::string text;
    for (const auto& line : lines) text += line + "\n";
    return text;
}

std::string found_below(const std::string& base) {
    return output_of("find " + base + " -mindepth 1 -printf '%P\\n' | LC_ALL=C sort");
}

TEST(FsDeepTree, ForkIsRemoved) {
    const support::temp_dir temp;
    for_each_fork([&](std::size_t stem, std::size_t branch) {
        support::make_fork(temp / "tree", stem, branch);
        EXPECT_EQ(on_loop(fs::remove_all(temp / "tree")).value(), 1 + count_below_fork(stem, branch));
        ASSERT_FALSE(std::filesystem::exists(temp / "tree"));
    });
}

TEST(FsDeepTree, ForkIsCopied) {
    for_each_fork([&](std::size_t stem, std::size_t branch) {
        const support::temp_dir temp;
        const auto files = support::make_fork(temp / "tree", stem, branch);
        EXPECT_EQ(on_loop(fs::copy_tree(temp / "tree", temp / "copy")).value(), count_below_fork(stem, branch));
        EXPECT_EQ(on_loop(fs::copy_tree(temp / "tree", temp / "copy", fs::copy_options().overwrite(true))).value(),
                  count_below_fork(stem, branch));
        for (const auto& file : files) {
            const auto below = std::filesystem::path(file).lexically_relative(temp / "tree");
            EXPECT_EQ(support::contents_of(std::filesystem::path(temp / "copy") / below), support::contents_of(file));
        }
    });
}

TEST(FsDeepTree, ForkIsWalked) {
    for_each_fork([&](std::size_t stem, std::size_t branch) {
        const support::temp_dir temp;
        support::make_fork(temp / "tree", stem, branch);
        const auto text = walked(temp / "tree");
        EXPECT_EQ(static_cast<std::uint64_t>(std::ranges::count(text, '\n')), count_below_fork(stem, branch)) << text;
    });
}

TEST(FsDeepTree, WalkOfAChainNeedsFewDescriptors) {
    const support::temp_dir temp;
    std::filesystem::create_directory(temp / "tree");
    support::make_chain(temp / "tree", most_levels);
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    const rlimit lower{150, before.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &lower);
    const auto text = walked(temp / "tree");
    ::setrlimit(RLIMIT_NOFILE, &before);
    EXPECT_EQ(static_cast<std::size_t>(std::ranges::count(text, '\n')), most_levels) << text;
}

TEST(FsDeepTree, ForkIsWatched) {
    for_each_fork([&](std::size_t stem, std::size_t branch) {
        support::watched_folder all;
        const auto files = support::make_fork(all / "tree", stem, branch);
        all.watch();
        for (const auto& file : files) {
            support::put_file(file + "2", "");
            const auto created = "created " + std::filesystem::path(file + "2").lexically_relative(all.base()).string();
            for (;;) {
                const auto change = all.next();
                ASSERT_NE(change.kind, fs::change_kind::rescan) << change.reason.message();
                if (support::text_of(change, all.base()) == created) break;
            }
        }
    });
}

#ifdef __linux__
TEST(FsDeepTreeStress, RandomTreesAreThoseOfRmCpAndFind) {
    support::dice random(support::seed());
    for (auto round = support::rounds(300); round > 0; --round) {
        const support::temp_dir temp;
        support::make_deep_tree(temp / "tree", random, random.between(0, most_levels));
        EXPECT_EQ(walked(temp / "tree"), found_below(temp / "tree"));
        output_of("cp -a " + (temp / "tree") + " " + (temp / "expected"));
        const auto copied = on_loop(fs::copy_tree(temp / "tree", temp / "copy"));
        ASSERT_TRUE(copied) << copied.error().message();
        EXPECT_EQ(listing_of(temp / "copy"), listing_of(temp / "expected"));
        EXPECT_EQ(difference_of(temp / "copy", temp / "expected"), "");
        output_of("rm -rf " + (temp / "expected"));
        const auto removed = on_loop(fs::remove_all(temp / "copy"));
        ASSERT_TRUE(removed) << removed.error().message();
        EXPECT_EQ(*removed, *copied + 1);
        EXPECT_EQ(output_of("ls " + (temp / ".")), "tree\n");
    }
}

/// A fork, and a process that moves a directory of it to another place and back. There, the way back out of the
/// directory leads to what has the names of the fork, and does not belong to it.
class moving_fork {
public:
    moving_fork() {
        support::make_fork(temp_ / "tree", stem, branch);
        std::filesystem::create_directory(temp_ / "outside");
        for (const std::string folder : {"outside/x", "outside/y", "outside/d"}) {
            std::filesystem::create_directory(temp_ / folder);
            support::put_file(temp_ / (folder + "/file"), "outside");
        }
    }

    /// Moves the directory `level` levels below the tree while `f` runs.
    void move_while(std::size_t level, const auto& f) const {
        std::string moved = temp_ / "tree";
        for (; level > 0; --level) moved += "/d";
        const support::renaming_process moves({{moved, temp_ / "outside/moved"}},
                                              support::renaming_process::turn::to_and_fro);
        f();
    }
    [[nodiscard]] std::string operator/(std::string_view name) const { return temp_ / name; }
    [[nodiscard]] std::string outside() const {
        return output_of("cd " + (temp_ / "outside") + " && cat x/file y/file d/file");
    }

    static constexpr std::size_t stem = 80;
    static constexpr std::size_t branch = 80;

private:
    support::temp_dir temp_;
};

constexpr std::string_view text_outside = "outsideoutsideoutside";

TEST(FsDeepTreeStress, RemovalOfMovedDirectoriesLeadsNowhere) {
    support::dice random(support::seed());
    for (auto round = support::rounds(200); round > 0; --round) {
        const moving_fork fork;
        fork.move_while(random.between(1, moving_fork::stem), [&] {
            // An attempt fails if the way back was another one. What it has removed stays removed, so one succeeds.
            for (int attempts = 1000; std::filesystem::exists(fork / "tree"); --attempts) {
                ASSERT_GT(attempts, 0);
                const auto removed = on_loop(fs::remove_all(fork / "tree"));
                const bool is_moved = !removed && (removed.error() == std::errc::resource_unavailable_try_again ||
                                                   removed.error() == std::errc::directory_not_empty);
                ASSERT_TRUE(removed || is_moved) << removed.error().message();
            }
        });
        ASSERT_EQ(fork.outside(), text_outside);
    }
}

TEST(FsDeepTreeStress, CopyOfMovedDirectoriesHasNothingElse) {
    support::dice random(support::seed());
    for (auto round = support::rounds(200); round > 0; --round) {
        const moving_fork fork;
        fork.move_while(random.between(1, moving_fork::stem), [&] {
            const auto copied = on_loop(fs::copy_tree(fork / "tree", fork / "copy"));
            const bool is_moved = !copied && (copied.error() == std::errc::resource_unavailable_try_again ||
                                              copied.error() == std::errc::no_such_file_or_directory);
            ASSERT_TRUE(copied || is_moved) << copied.error().message();
        });
        EXPECT_EQ(output_of("grep -rl outside " + (fork / "copy") + " || true"), "");
        ASSERT_EQ(fork.outside(), text_outside);
    }
}

// As another user than root: the permissions of a directory forbid nothing to root.
TEST(FsDeepTree, CopyMayGetPermissionsThatForbidTheWayBack) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become another user";
    const support::temp_dir temp;
    support::make_fork(temp / "tree", 70, 2);
    std::filesystem::create_directory(temp / "to");
    output_of("chmod -R 0055 " + (temp / "tree") + " && chmod 0777 " + (temp / "to") + " && chmod 0755 " +
              (temp / "."));
    support::as_other_user([&] {
        eddy::runtime runs;  // its threads have the rights of this one
        const auto copied = runs.block_on(fs::copy_tree(temp / "tree", temp / "to/copy"));
        EXPECT_TRUE(copied) << copied.error().message();
    });
    EXPECT_EQ(listing_of(temp / "to/copy"), listing_of(temp / "tree"));
}

/// Creates directories with long names below `path`, so that the path of the last one is longer than PATH_MAX. Calls
/// `f` with its descriptor.
void with_long_path(const std::string& path, const auto& f) {
    int at = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (std::size_t size = path.size(); size <= PATH_MAX; size += NAME_MAX + 1) {
        const std::string name(NAME_MAX, 'l');
        ASSERT_EQ(::mkdirat(at, name.c_str(), 0700), 0);
        ::close(std::exchange(at, ::openat(at, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
    }
    f(at);
    ::close(at);
}

void put_file_at(int dir, const char* name) { ::close(::openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)); }

TEST(FsDeepTree, PathsLongerThanTheLimitAreCopied) {
    const support::temp_dir temp;
    std::filesystem::create_directory(temp / "tree");
    with_long_path(temp / "tree", [&](int last) {
        put_file_at(last, "file");
        ASSERT_EQ(::linkat(last, "file", last, "second", 0), 0);
    });
    const auto copied = on_loop(fs::copy_tree(temp / "tree", temp / "copy"));
    ASSERT_TRUE(copied) << copied.error().message();
    EXPECT_EQ(output_of("find " + (temp / "copy") + " -type f -links 2 -printf x"), "xx");
    EXPECT_EQ(on_loop(fs::remove_all(temp / "copy")).value(), *copied + 1);
    EXPECT_EQ(on_loop(fs::remove_all(temp / "tree")).value(), *copied + 1);
}

TEST(FsDeepTree, PathsLongerThanTheLimitAreWatched) {
    support::watched_folder all({"tree"});
    with_long_path(all / "tree", [&](int last) {
        all.watch();
        ASSERT_EQ(::mkdirat(last, "new", 0700), 0);
        put_file_at(last, "new/file");
        for (bool is_found = false; !is_found;) {
            const auto change = all.next();
            ASSERT_NE(change.kind, fs::change_kind::rescan) << change.reason.message();
            is_found = change.path.filename() == "file";
        }
    });
    EXPECT_TRUE(on_loop(fs::remove_all(all / "tree")));
}
#endif

}  // namespace
