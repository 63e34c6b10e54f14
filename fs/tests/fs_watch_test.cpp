// SPDX-License-Identifier: MIT
// watch() on inotify: scripts of changes, and what the stream says about them.
#if defined(__linux__) && !defined(EDDY_KQUEUE_EMULATION)
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

#include <eddy/eddy.hpp>
#include <eddy/fs.hpp>
#include <support/fs/on_loop.hpp>
#include <support/fs/small_disk.hpp>
#include <support/fs/watched_folder.hpp>
#include <support/process_state.hpp>
#include <support/random_tree.hpp>
#include <support/temp_dir.hpp>

#include "sys/beneath.hpp"
#include "sys/changes.hpp"

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

TEST(FsWatch, ReportsTheTemporaryFileOfWriteAtomically) {
    watched_folder all;
    all.watch();
    EXPECT_TRUE(on_loop(fs::write_atomically(all / "file", "text")));
    put_file(all / "end", "");
    auto seen = all.until("closed end");
    ASSERT_GE(seen.size(), 4U);
    const std::string temporary = seen.front().substr(std::string("created ").size());
    EXPECT_TRUE(temporary.starts_with(".write.")) << temporary;
    seen.resize(4);
    EXPECT_EQ(seen, (texts{"created " + temporary, "modified " + temporary, "closed " + temporary,
                           "renamed " + temporary + " to file"}));
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
    EXPECT_EQ(all.until("removed a/one"), (texts{"metadata a/one", "removed a/one"}));  // it has one name less
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

TEST(FsWatch, UnmountedFileSystemIsRemoved) {
    const support::temp_dir temp;
    create_directory(temp / "disk");
    const auto why = support::on_small_disk(temp / "disk", "size=1m", [&] {
        eddy::runtime runs;  // its threads see the mount
        auto changes = runs.block_on(fs::watch(temp / "disk")).value();
        ASSERT_EQ(::umount((temp / "disk").c_str()), 0);
        const auto change = runs.block_on(changes.next()).value().value();
        EXPECT_EQ(change.kind, fs::change_kind::removed);
        EXPECT_EQ(change.path, temp / "disk");
        EXPECT_FALSE(runs.block_on(changes.next()));
    });
    if (!why.empty()) GTEST_SKIP() << "cannot mount: " << why;
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

// A read that leaves no room for the longest event may have left one.
TEST(FsChanges, NearlyFullReadIsNotAll) {
    struct read {
        int long_names;   // 272 bytes each
        int short_names;  // 32 bytes each
        bool is_all;
    };
    for (const auto& [long_names, short_names, is_all] :
         {read{0, 1, true}, read{59, 2, true}, read{59, 3, false}, read{60, 0, false}, read{60, 2, false}}) {
        SCOPED_TRACE(std::to_string(long_names) + " long names, " + std::to_string(short_names) + " short names");
        const support::temp_dir temp;
        const auto queue = eddy::sys::make_change_queue().value();
        const auto dir = eddy::sys::open_folder(temp / ".").value();
        const int watch = queue->add_watch(dir.get(), eddy::sys::watched::names).value();
        for (int i = 0; i < long_names; ++i) put_file(temp / (std::string(253, 'l') + std::to_string(10 + i)), "");
        for (int i = 0; i < short_names; ++i) put_file(temp / ("s" + std::to_string(i)), "");
        const auto taken = queue->take().value();
        EXPECT_EQ(taken.changes.size(), static_cast<std::size_t>(long_names + short_names));
        EXPECT_EQ(taken.is_all, is_all);
        EXPECT_TRUE(taken.is_complete);
        EXPECT_EQ(queue->take().error(), std::errc::operation_would_block);
        for (const auto& each : taken.changes) {
            EXPECT_EQ(each.kind, eddy::sys::change_kind::created);
            EXPECT_EQ(each.watch, watch);
            EXPECT_FALSE(each.is_directory);
            EXPECT_TRUE(each.name.starts_with(each.name.size() < 16 ? "s" : "ll")) << each.name;
        }
        put_file(temp / "last", "");
        EXPECT_EQ(queue->take().value().changes.at(0).name, "last");
    }
}

TEST(FsChanges, QueueIsNotInheritedAndNeverWaits) {
    const auto queue = eddy::sys::make_change_queue().value();
    EXPECT_EQ(::fcntl(queue->native_handle(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    EXPECT_EQ(::fcntl(queue->native_handle(), F_GETFL) & O_NONBLOCK, O_NONBLOCK);
}

TEST(FsChanges, EachUseOfADirectoryGetsItsChanges) {
    using eddy::sys::change_kind;
    using eddy::sys::watched;
    const support::temp_dir temp;
    put_file(temp / "file", "");
    const auto queue = eddy::sys::make_change_queue().value();
    const auto dir = eddy::sys::open_folder(temp / ".").value();
    const auto kinds = [&] {
        std::vector<change_kind> all;
        const auto taken = queue->take();
        if (taken)
            for (const auto& each : taken->changes) all.push_back(each.kind);
        return all;
    };
    const auto change = [&] {
        put_file(temp / "file", "text");
        ::chmod((temp / "file").c_str(), 0600);
        create_directory(temp / "d");
        std::filesystem::remove(temp / "d");
        return kinds();
    };
    const int watch = queue->add_watch(dir.get(), watched::names).value();
    EXPECT_EQ(change(), (std::vector{change_kind::created, change_kind::removed}));
    EXPECT_EQ(queue->add_watch(dir.get(), watched::entries).value(), watch);
    const std::vector all{change_kind::modified, change_kind::closed, change_kind::metadata, change_kind::created,
                          change_kind::removed};
    EXPECT_EQ(change(), all);
    EXPECT_EQ(queue->add_watch(dir.get(), watched::names).value(), watch);  // it keeps the others
    EXPECT_EQ(change(), all);
    {  // a file that has no name in the directory any more
        std::ofstream removed(temp / "removed");
        std::filesystem::remove(temp / "removed");
        removed << "text" << std::flush;
        EXPECT_EQ(kinds(), (std::vector{change_kind::created, change_kind::removed}));
    }
    EXPECT_EQ(kinds(), std::vector<change_kind>());
    queue->remove_watch(watch);
    EXPECT_EQ(kinds(), (std::vector{change_kind::ignored}));
    const auto file = eddy::sys::open_for_watch(dir.get(), "file").value();
    EXPECT_NE(queue->add_watch(file.get(), watched::file).value(), watch);
    EXPECT_EQ(change(), (std::vector{change_kind::modified, change_kind::closed, change_kind::metadata}));
    rename(temp / "file", temp / "moved");
    EXPECT_EQ(kinds(), (std::vector{change_kind::gone}));
    EXPECT_EQ(queue->add_watch(file.get(), watched::names).error(), std::errc::not_a_directory);
}

}  // namespace
#endif
