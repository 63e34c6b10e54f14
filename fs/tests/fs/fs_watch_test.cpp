// SPDX-License-Identifier: MIT
// watch() on inotify: scripts of changes, and what the stream says about them.
#if defined(__linux__) && !defined(EDDY_KQUEUE_EMULATION)
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include <eddy/eddy.hpp>
#include <eddy/fs.hpp>
#include <support/on_loop.hpp>
#include <support/process_state.hpp>
#include <support/random_tree.hpp>
#include <support/temp_dir.hpp>
#include <support/watched_folder.hpp>

namespace {

namespace fs = eddy::fs;
using std::filesystem::create_directory;
using std::filesystem::remove_all;
using std::filesystem::rename;
using support::on_loop;
using support::put_file;

using support::watched_folder;
using texts = std::vector<std::string>;

TEST(FsWatch, ReportsChangesOfFiles) {
    watched_folder all;
    all.watch();
    put_file(all / "file", "text");
    EXPECT_EQ(all.until("closed file"), (texts{"created file", "modified file", "closed file"}));
    rename(all / "file", all / "other");
    ::chmod((all / "other").c_str(), 0600);
    std::filesystem::remove(all / "other");
    EXPECT_EQ(all.until("removed other"), (texts{"renamed file to other", "metadata other", "removed other"}));
}

TEST(FsWatch, ReportsChangesBelowDirectoriesThatAppear) {
    watched_folder all({"old"});
    all.watch();
    create_directory(all / "old/new");
    put_file(all / "old/new/first", "");
    EXPECT_EQ(all.until("created old/new/first"), (texts{"created old/new/", "created old/new/first"}));
    put_file(all / "old/new/second", "");
    EXPECT_EQ(all.until("closed old/new/second"), (texts{"created old/new/second", "closed old/new/second"}));
}

TEST(FsWatch, FollowsDirectoriesThatMove) {
    watched_folder all({"a", "a/b", "a/b/c"});
    all.watch();
    rename(all / "a/b", all / "moved");
    EXPECT_EQ(all.until("renamed a/b to moved/"), (texts{"renamed a/b to moved/"}));
    put_file(all / "moved/c/file", "");
    EXPECT_EQ(all.until("closed moved/c/file"), (texts{"created moved/c/file", "closed moved/c/file"}));
    rename(all / "moved/c", all / "a/c");
    put_file(all / "a/c/file2", "");
    EXPECT_EQ(all.until("closed a/c/file2"),
              (texts{"renamed moved/c to a/c/", "created a/c/file2", "closed a/c/file2"}));
}

TEST(FsWatch, ForgetsDirectoriesThatMoveAway) {
    const support::temp_dir elsewhere;
    watched_folder all({"a", "a/b"});
    all.watch();
    rename(all / "a", elsewhere / "a");
    put_file(elsewhere / "a/b/file", "");
    put_file(all / "end", "");
    const auto seen = all.until("closed end");
    EXPECT_EQ(seen.back(), "closed end");
    EXPECT_EQ(std::ranges::count(seen, "removed a/"), 1);
    rename(elsewhere / "a", all / "back");
    EXPECT_EQ(all.until("created back/b/file"), (texts{"created back/", "created back/b/", "created back/b/file"}));
    put_file(all / "back/b/file2", "");
    EXPECT_EQ(all.until("closed back/b/file2"), (texts{"created back/b/file2", "closed back/b/file2"}));
}

TEST(FsWatch, FollowsNoSymbolicLink) {
    const support::temp_dir elsewhere;
    watched_folder all;
    std::filesystem::create_directory_symlink(elsewhere / ".", all / "before");
    all.watch();
    std::filesystem::create_directory_symlink(elsewhere / ".", all / "after");
    EXPECT_EQ(all.until("created after"), (texts{"created after"}));
    put_file(elsewhere / "file", "");
    put_file(all / "end", "");
    EXPECT_EQ(all.until("closed end"), (texts{"created end", "closed end"}));
}

TEST(FsWatch, WithoutRecursionOnlyEntriesAreReported) {
    watched_folder all({"a"});
    all.watch({"."}, fs::watch_options().recursive(false));
    put_file(all / "a/file", "");
    create_directory(all / "b");
    put_file(all / "b/file", "");
    rename(all / "b", all / "c");
    put_file(all / "end", "");
    EXPECT_EQ(all.until("closed end"), (texts{"created b/", "renamed b to c/", "created end", "closed end"}));
}

TEST(FsWatch, FileStaysWatchedAfterItWasReplaced) {
    watched_folder all;
    put_file(all / "file", "");
    all.watch({"file"});
    put_file(all / "other", "");
    rename(all / "other", all / "file");
    EXPECT_EQ(all.until("created file"), (texts{"created file"}));
    put_file(all / "file", "text");
    EXPECT_EQ(all.until("closed file"), (texts{"modified file", "closed file"}));
    rename(all / "file", all / "file.1");
    EXPECT_EQ(all.until("removed file"), (texts{"removed file"}));
}

TEST(FsWatch, TwoPathsMayContainTheSameDirectory) {
    watched_folder all({"a"});
    put_file(all / "a/one", "");
    put_file(all / "a/two", "");
    all.watch({".", "a", "a/one", "a/two"});
    ::chmod((all / "a/two").c_str(), 0600);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(all.until("metadata a/two"), (texts{"metadata a/two"}));
    std::filesystem::remove(all / "a/one");
    EXPECT_EQ(all.until("removed a/one"), (texts{"removed a/one"}));
}

TEST(FsWatch, EndsWithTheLastDirectory) {
    watched_folder all({"a", "b"});
    all.watch({"a", "b"});
    remove_all(all / "a");
    EXPECT_EQ(all.until("removed a/").back(), "removed a/");
    rename(all / "b", all / "c");
    EXPECT_EQ(all.until("removed b/").back(), "removed b/");
    EXPECT_TRUE(all.has_ended());
}

TEST(FsWatch, OverflowIsRescanAndWatchingContinues) {
    const auto limit = std::stoul(support::output_of("cat /proc/sys/fs/inotify/max_queued_events"));
    watched_folder all({"a"});
    all.watch();
    create_directory(all / "a/early");
    for (unsigned long i = 0; i <= limit; ++i) ::chmod((all / (i % 2 == 0 ? "a" : "a/early")).c_str(), 0700);
    create_directory(all / "a/lost");
    for (;;) {
        const auto change = all.next();
        if (change.kind != fs::change_kind::rescan) continue;
        EXPECT_EQ(change.path, all.base());
        EXPECT_EQ(change.reason, std::errc::no_buffer_space);
        break;
    }
    put_file(all / "a/lost/file", "");
    const auto after = all.until("closed a/lost/file");
    EXPECT_EQ(std::ranges::count(after, "created a/lost/file"), 1);
}

TEST(FsWatch, DirectoryRemovedDuringAnOverflowIsForgotten) {
    const auto limit = std::stoul(support::output_of("cat /proc/sys/fs/inotify/max_queued_events"));
    for (const bool is_moved : {false, true}) {
        watched_folder all({"a", "a/early", "b"});
        put_file(all / "b/file", "");
        all.watch({"a", "b/file"});
        for (unsigned long i = 0; i <= limit; ++i) ::chmod((all / (i % 2 == 0 ? "a" : "a/early")).c_str(), 0700);
        for (const std::string name : {"a", "b"}) {
            if (is_moved) rename(all / name, all / ("moved." + name));
            if (!is_moved) remove_all(all / name);
        }
        EXPECT_EQ(all.until("removed a/").back(), "removed a/");
        EXPECT_EQ(all.until("removed b/file").back(), "removed b/file");
        EXPECT_TRUE(all.has_ended());
    }
}

TEST(FsWatch, SlashesAtTheEndAreIgnored) {
    watched_folder all({"a"});
    put_file(all / "file", "");
    all.watch({"a//", "file/"});
    put_file(all / "file", "text");
    EXPECT_EQ(all.until("closed file"), (texts{"modified file", "closed file"}));
    create_directory(all / "a/new");
    EXPECT_EQ(all.next().path, all / "a/new");
    std::filesystem::remove(all / "a/new");
    std::filesystem::remove(all / "a");
    const auto seen = all.until("removed a/");
    EXPECT_EQ(seen.back(), "removed a/");
}

TEST(FsWatch, ErrorsNameThePath) {
    EXPECT_EQ(on_loop(fs::watch("/no/such/file")).error().message(), "watch /no/such/file: No such file or directory");
}

TEST(FsWatch, DropReleasesTheQueue) {
    watched_folder all({"a"});
    const auto before = support::count_fds();
    for (int i = 0; i < 3; ++i) {
        eddy::core loop;
        auto changes = loop.run(fs::watch(all.base())).value();
        put_file(all / "a/file", "");
        EXPECT_EQ(loop.run(changes.next()).value()->path, all / "a/file");
    }
    EXPECT_EQ(support::count_fds(), before);
}

}  // namespace
#endif
