// SPDX-License-Identifier: MIT
// watch() on kqueue(2): scripts of changes, and what the stream says about them. It reports differences, so a change
// that another one has undone before the directory was read again is not reported.
#if defined(EDDY_KQUEUE_EMULATION) || !defined(__linux__)
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

#include <eddy/eddy.hpp>
#include <eddy/fs.hpp>
#include <support/fs/on_loop.hpp>
#include <support/fs/watched_folder.hpp>
#include <support/process_state.hpp>
#include <support/random_tree.hpp>
#include <support/temp_dir.hpp>

namespace {

namespace fs = eddy::fs;
using std::filesystem::create_directory;
using std::filesystem::remove_all;
using std::filesystem::rename;
using support::on_loop;
using support::put_file;
using support::watched_folder;

using texts = std::vector<std::string>;

void append_to(const std::string& path, const std::string& text) { std::ofstream(path, std::ios::app) << text; }

TEST(FsWatchKqueue, ReportsChangesOfFiles) {
    watched_folder all;
    put_file(all / "before", "");
    all.watch();
    append_to(all / "before", "text");
    EXPECT_EQ(all.until("modified before"), (texts{"modified before"}));
    put_file(all / "file", "");
    EXPECT_EQ(all.until("created file"), (texts{"created file"}));
    append_to(all / "file", "text");
    EXPECT_EQ(all.until("modified file"), (texts{"modified file"}));
    rename(all / "file", all / "other");
    EXPECT_EQ(all.until("renamed file to other"), (texts{"renamed file to other"}));
    ::chmod((all / "other").c_str(), 0600);
    EXPECT_EQ(all.until("metadata other"), (texts{"metadata other"}));
    std::filesystem::remove(all / "other");
    EXPECT_EQ(all.until("removed other"), (texts{"removed other"}));
}

TEST(FsWatchKqueue, ReportsChangesBelowDirectoriesThatAppear) {
    watched_folder all({"old"});
    all.watch();
    create_directory(all / "old/new");
    put_file(all / "old/new/first", "");
    EXPECT_EQ(all.until("created old/new/first"), (texts{"created old/new/", "created old/new/first"}));
    put_file(all / "old/new/second", "");
    EXPECT_EQ(all.until("created old/new/second"), (texts{"created old/new/second"}));
    append_to(all / "old/new/first", "text");
    EXPECT_EQ(all.until("modified old/new/first"), (texts{"modified old/new/first"}));
}

TEST(FsWatchKqueue, FollowsDirectoriesThatMove) {
    watched_folder all({"a", "a/b", "a/b/c"});
    all.watch();
    rename(all / "a/b", all / "moved");
    EXPECT_EQ(all.until("renamed a/b to moved/"), (texts{"renamed a/b to moved/"}));
    put_file(all / "moved/c/file", "");
    EXPECT_EQ(all.until("created moved/c/file"), (texts{"created moved/c/file"}));
    rename(all / "moved/c", all / "a/c");
    EXPECT_EQ(all.until("renamed moved/c to a/c/"), (texts{"renamed moved/c to a/c/"}));
    put_file(all / "a/c/file2", "");
    EXPECT_EQ(all.until("created a/c/file2"), (texts{"created a/c/file2"}));
}

TEST(FsWatchKqueue, ExchangedNamesKeepTheirFiles) {
    watched_folder all({"a", "b"});
    put_file(all / "a/in_a", "");
    put_file(all / "b/in_b", "");
    all.watch();
    rename(all / "a", all / "c");
    rename(all / "b", all / "a");
    rename(all / "c", all / "b");
    // No order of two moves leaves both directories, so one of them is removed and created.
    EXPECT_EQ(all.until("created b/in_a"), (texts{"removed a/", "renamed b to a/", "created b/", "created b/in_a"}));
    append_to(all / "a/in_b", "text");
    EXPECT_EQ(all.until("modified a/in_b").back(), "modified a/in_b");
    append_to(all / "b/in_a", "text");
    EXPECT_EQ(all.until("modified b/in_a").back(), "modified b/in_a");
}

TEST(FsWatchKqueue, ChainOfMovesReplacesNothing) {
    watched_folder all;
    for (const std::string name : {"1", "2", "3"}) put_file(all / name, name);
    all.watch();
    rename(all / "3", all / "4");
    rename(all / "2", all / "3");
    rename(all / "1", all / "2");
    EXPECT_EQ(all.until("renamed 1 to 2"), (texts{"renamed 3 to 4", "renamed 2 to 3", "renamed 1 to 2"}));
}

TEST(FsWatchKqueue, ForgetsDirectoriesThatMoveAway) {
    const support::temp_dir elsewhere;
    watched_folder all({"a", "a/b"});
    all.watch();
    rename(all / "a", elsewhere / "a");
    EXPECT_EQ(all.until("removed a/"), (texts{"removed a/"}));
    put_file(elsewhere / "a/b/file", "");
    rename(elsewhere / "a", all / "back");
    EXPECT_EQ(all.until("created back/b/file"), (texts{"created back/", "created back/b/", "created back/b/file"}));
    put_file(all / "back/b/file2", "");
    EXPECT_EQ(all.until("created back/b/file2"), (texts{"created back/b/file2"}));
}

TEST(FsWatchKqueue, FollowsNoSymbolicLink) {
    const support::temp_dir elsewhere;
    watched_folder all;
    std::filesystem::create_directory_symlink(elsewhere / ".", all / "before");
    all.watch();
    std::filesystem::create_directory_symlink(elsewhere / ".", all / "after");
    EXPECT_EQ(all.until("created after"), (texts{"created after"}));
    put_file(elsewhere / "file", "");
    put_file(all / "end", "");
    EXPECT_EQ(all.until("created end"), (texts{"created end"}));
}

TEST(FsWatchKqueue, WithoutRecursionOnlyEntriesAreReported) {
    watched_folder all({"a"});
    all.watch({"."}, fs::watch_options().recursive(false));
    put_file(all / "a/file", "");
    create_directory(all / "b");
    EXPECT_EQ(all.until("created b/"), (texts{"created b/"}));
    put_file(all / "b/file", "");
    rename(all / "b", all / "c");
    EXPECT_EQ(all.until("renamed b to c/"), (texts{"renamed b to c/"}));
}

TEST(FsWatchKqueue, FileStaysWatchedAfterItWasReplaced) {
    watched_folder all;
    put_file(all / "file", "");
    all.watch({"file"});
    put_file(all / "other", "text");
    rename(all / "other", all / "file");
    EXPECT_EQ(all.until("created file").back(), "created file");
    append_to(all / "file", "text");
    EXPECT_EQ(all.until("modified file").back(), "modified file");
    rename(all / "file", all / "file.1");
    EXPECT_EQ(all.until("removed file"), (texts{"removed file"}));
}

TEST(FsWatchKqueue, EndsWithTheLastDirectory) {
    watched_folder all({"a", "b"});
    all.watch({"a", "b"});
    remove_all(all / "a");
    EXPECT_EQ(all.until("removed a/").back(), "removed a/");
    rename(all / "b", all / "c");
    EXPECT_EQ(all.until("removed b/").back(), "removed b/");
    EXPECT_TRUE(all.has_ended());
}

TEST(FsWatchKqueue, MetadataOfDirectoriesIsReported) {
    watched_folder all({"a"});
    all.watch();
    ::chmod((all / "a").c_str(), 0700);
    EXPECT_EQ(all.until("metadata a/"), (texts{"metadata a/"}));
    ::chmod(all.base().c_str(), 0700);
    EXPECT_EQ(all.until("metadata ./"), (texts{"metadata ./"}));
}

/// Limits the descriptors of the process, for the lifetime of this object.
class descriptor_limit {
public:
    explicit descriptor_limit(rlim_t most) {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        rlimit less = before_;
        less.rlim_cur = most;
        ::setrlimit(RLIMIT_NOFILE, &less);
    }
    descriptor_limit(const descriptor_limit&) = delete;
    descriptor_limit& operator=(const descriptor_limit&) = delete;
    ~descriptor_limit() { ::setrlimit(RLIMIT_NOFILE, &before_); }

private:
    rlimit before_{};
};

TEST(FsWatchKqueue, TooManyFilesAreAnErrorThatSaysSo) {
    watched_folder all;
    for (int i = 0; i < 100; ++i) put_file(all / std::to_string(i), "");
    const descriptor_limit few(64);
    const auto made = on_loop(fs::watch(all.base()));
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error(), std::errc::too_many_files_open);
}

TEST(FsWatchKqueue, TooManyNewFilesAreARescan) {
    watched_folder all;
    all.watch();
    const descriptor_limit few(64);
    for (int i = 0; i < 100; ++i) std::ofstream(all / std::to_string(i)).put('x');
    for (;;) {
        const auto change = all.next();
        if (change.kind != fs::change_kind::rescan) continue;
        EXPECT_EQ(change.path, all.base());
        EXPECT_EQ(change.reason, std::errc::too_many_files_open);
        break;
    }
}

TEST(FsWatchKqueue, ErrorsNameThePath) {
    EXPECT_EQ(on_loop(fs::watch("/no/such/file")).error().message(), "watch /no/such/file: No such file or directory");
}

TEST(FsWatchKqueue, DropClosesAllDescriptors) {
    watched_folder all({"a"});
    put_file(all / "a/before", "");
    const auto before = support::count_fds();
    for (int i = 0; i < 3; ++i) {
        const auto name = "a/file" + std::to_string(i);
        eddy::core loop;
        auto changes = loop.run(fs::watch(all.base())).value();
        put_file(all / name, "");
        EXPECT_EQ(loop.run(changes.next()).value()->path, all / name);
    }
    EXPECT_EQ(support::count_fds(), before);
}

}  // namespace
#endif
