// SPDX-License-Identifier: MIT
// watch() of files: by their name, through symbolic links, by other names, and mounted elsewhere.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <vector>
#ifdef __linux__
#include <sched.h>
#include <sys/mount.h>
#endif

#include <eddy/eddy.hpp>
#include <eddy/fs.hpp>
#include <support/dice.hpp>
#include <support/file_contents.hpp>
#include <support/fs/on_loop.hpp>
#ifdef __linux__
#include <support/fs/other_user.hpp>
#include <support/fs/small_disk.hpp>
#endif
#include <support/fs/watched_folder.hpp>
#include <support/random_tree.hpp>
#include <support/stress.hpp>
#include <support/temp_dir.hpp>

namespace {

namespace fs = eddy::fs;
using std::filesystem::create_directory;
using std::filesystem::create_symlink;
using std::filesystem::rename;
using support::on_loop;
using support::put_file;
using support::watched_folder;

using texts = std::vector<std::string>;

void append_to(const std::string& path) { std::ofstream(path, std::ios::app) << "text"; }

/// Makes `link` a symbolic link to `target` by a rename, as `ln -sfn` does.
void replace_link(const std::string& target, const std::string& link) {
    create_symlink(target, link + ".new");
    rename(link + ".new", link);
}
void replace_file(const std::string& path) {
    put_file(path + ".new", "new");
    rename(path + ".new", path);
}

/// Checks that a write to `path` is reported as one of `name`, and nothing else.
void expect_write(watched_folder& all, const std::string& path, const std::string& name) {
    append_to(path);
#if defined(__linux__) && !defined(EDDY_KQUEUE_EMULATION)
    EXPECT_EQ(all.until("closed " + name), (texts{"modified " + name, "closed " + name})) << path;
#else
    EXPECT_EQ(all.until("modified " + name).back(), "modified " + name) << path;
#endif
}

/// A file real/c, and a symbolic link cfg/c that leads there, by the texts of one or more links.
struct linked {
    const char* text;              // of cfg/c
    std::vector<texts> more = {};  // other links: text and name
};
const std::vector<linked>& ways_to_link() {
    static const std::vector<linked> all = {
        {"../real/c"},
        {"./..///cfg/./../real/c"},
        {"d/c", {{"../real", "cfg/d"}}},
        {"d/./c", {{"../real/", "cfg/d"}}},
        {"2", {{"../3", "cfg/2"}, {"real/c", "3"}}},
        {"d/up/real/c", {{"../real", "cfg/d"}, {"..", "real/up"}}},
    };
    return all;
}

void make_links(watched_folder& all, const linked& way) {
    put_file(all / "real/c", "");
    create_symlink(way.text, all / "cfg/c");
    for (const auto& each : way.more) create_symlink(each[0], all / each[1]);
}

TEST(FsWatchFile, WritesThroughLinksAndToTheirTargetAreReported) {
    for (const auto& way : ways_to_link()) {
        SCOPED_TRACE(way.text);
        watched_folder all({"cfg", "real"});
        make_links(all, way);
        all.watch({"cfg/c"});
        expect_write(all, all / "real/c", "cfg/c");
        expect_write(all, all / "cfg/c", "cfg/c");
    }
}

TEST(FsWatchFile, DirectoriesOfThePathMayBeLinks) {
    watched_folder all({"real", "other", "dir"});
    for (const auto* name : {"real/c", "other/c"}) put_file(all / name, "");
    create_symlink("../real", all / "dir/now");
    create_symlink("dir", all / "link");
    for (const std::string name : {"dir/now/c", "dir/../link/./now/c", "link/now/c"}) {
        SCOPED_TRACE(name);
        all.watch({name});
        expect_write(all, all / "real/c", name);
        replace_link("../other", all / "dir/now");
        EXPECT_EQ(all.until("created " + name), (texts{"created " + name}));
        append_to(all / "real/c");  // it is no longer the file
        expect_write(all, all / "other/c", name);
        std::filesystem::remove(all / "dir/now");
        EXPECT_EQ(all.until("removed " + name), (texts{"removed " + name}));
        create_symlink("../real", all / "dir/now");
        EXPECT_EQ(all.until("created " + name), (texts{"created " + name}));
        expect_write(all, all / "real/c", name);
    }
    // Its directory is reached by links, so it may go and come back.
    rename(all / "real", all / "elsewhere");
    EXPECT_EQ(all.until("removed link/now/c"), (texts{"removed link/now/c"}));
    rename(all / "elsewhere", all / "real");
    EXPECT_EQ(all.until("created link/now/c"), (texts{"created link/now/c"}));
    // The directory of a link may go and come back, too, and the link may become a directory.
    all.watch({"dir/now/c"});
    rename(all / "dir", all / "elsewhere");
    EXPECT_EQ(all.until("removed dir/now/c"), (texts{"removed dir/now/c"}));
    rename(all / "elsewhere", all / "dir");
    EXPECT_EQ(all.until("created dir/now/c"), (texts{"created dir/now/c"}));
    std::filesystem::remove(all / "dir/now");
    EXPECT_EQ(all.until("removed dir/now/c"), (texts{"removed dir/now/c"}));
    create_directory(all / "dir/now");
    put_file(all / "dir/now/c", "");
    EXPECT_EQ(all.until("created dir/now/c").back(), "created dir/now/c");
    std::filesystem::remove_all(all / "dir/now");
    create_symlink("../real", all / "dir/now");
    all.watch({"link/now/c"});
    std::filesystem::remove(all / "dir/now");
    create_directory(all / "dir/now");
    EXPECT_EQ(all.until("removed link/now/c"), (texts{"removed link/now/c"}));
    put_file(all / "dir/now/c", "");
    EXPECT_EQ(all.until("created link/now/c").back(), "created link/now/c");
    std::filesystem::remove_all(all / "dir");
    EXPECT_EQ(all.until("removed link/now/c").back(), "removed link/now/c");
    std::filesystem::create_directories(all / "dir/now");
    put_file(all / "dir/now/c", "");
    EXPECT_EQ(all.until("created link/now/c").back(), "created link/now/c");
}

TEST(FsWatchFile, RelativePathIsThatOfTheProcess) {
    watched_folder all({"real"});
    put_file(all / "real/c", "");
    create_symlink("real/c", all / "link");
    const auto before = std::filesystem::current_path();
    std::filesystem::current_path(all.base());
    eddy::core loop;
    for (const std::string path : {"link", "real/c", "./real/../link"}) {
        auto changes = loop.run(fs::watch(path)).value();
        append_to("real/c");
        const auto change = loop.run(changes.next()).value().value();
        EXPECT_EQ(change.kind, fs::change_kind::modified);
        EXPECT_EQ(change.path, path);
        replace_file("real/c");
        const auto until_created = [&] {
            while (loop.run(changes.next()).value()->kind != fs::change_kind::created) {
            }
        };
        until_created();
        std::filesystem::current_path("/");  // as a daemon does: the path stays that of the file
        replace_file(all / "real/c");
        until_created();
        append_to(all / "real/c");
        while (loop.run(changes.next()).value()->kind != fs::change_kind::modified) {
        }
        std::filesystem::current_path(all.base());
    }
    std::filesystem::current_path(before);
}

TEST(FsWatchFile, AbsoluteLinkIsFollowed) {
    watched_folder all({"cfg", "real"});
    put_file(all / "real/c", "");
    create_symlink(all / "real/c", all / "cfg/c");
    all.watch({"cfg/c"});
    expect_write(all, all / "real/c", "cfg/c");
    replace_file(all / "real/c");
    EXPECT_EQ(all.until("created cfg/c"), (texts{"created cfg/c"}));
    expect_write(all, all / "real/c", "cfg/c");
}

TEST(FsWatchFile, TargetOfALinkMayBeReplaced) {
    for (const auto& way : ways_to_link()) {
        SCOPED_TRACE(way.text);
        watched_folder all({"cfg", "real"});
        make_links(all, way);
        all.watch({"cfg/c"});
        for (int i = 0; i < 3; ++i) {
            replace_file(all / "real/c");
            EXPECT_EQ(all.until("created cfg/c"), (texts{"created cfg/c"}));
            expect_write(all, all / "real/c", "cfg/c");
        }
        rename(all / "real/c", all / "real/old");
        EXPECT_EQ(all.until("removed cfg/c"), (texts{"removed cfg/c"}));
        append_to(all / "real/old");  // it is no longer the file
        replace_file(all / "real/c");
        EXPECT_EQ(all.until("created cfg/c"), (texts{"created cfg/c"}));
        expect_write(all, all / "real/c", "cfg/c");
    }
}

TEST(FsWatchFile, LinkMayLeadToAnotherFile) {
    watched_folder all({"cfg", "real", "other"});
    put_file(all / "real/c", "");
    put_file(all / "other/c", "");
    create_symlink("../real/c", all / "cfg/c");
    all.watch({"cfg/c"});
    replace_link("../other/c", all / "cfg/c");
    EXPECT_EQ(all.until("created cfg/c"), (texts{"created cfg/c"}));
    append_to(all / "real/c");  // it is no longer the file
    expect_write(all, all / "other/c", "cfg/c");
    replace_link("../other/../other/c", all / "cfg/c");  // the same file: nothing to report
    expect_write(all, all / "other/c", "cfg/c");
    std::filesystem::remove(all / "cfg/c");
    EXPECT_EQ(all.until("removed cfg/c"), (texts{"removed cfg/c"}));
    create_symlink("../real/c", all / "cfg/c");
    EXPECT_EQ(all.until("created cfg/c").back(), "created cfg/c");  // the link, and perhaps its target by itself
    append_to(all / "real/c");
    EXPECT_EQ(all.until("modified cfg/c").back(), "modified cfg/c");
}

TEST(FsWatchFile, LinkMayBecomeAFileAndBack) {
    watched_folder all({"cfg", "real"});
    put_file(all / "real/c", "");
    create_symlink("../real/c", all / "cfg/c");
    all.watch({"cfg/c"});
    replace_file(all / "cfg/c");
    EXPECT_EQ(all.until("created cfg/c").back(), "created cfg/c");
    expect_write(all, all / "cfg/c", "cfg/c");
    EXPECT_EQ(std::filesystem::file_size(all / "real/c"), 0U);
    replace_link("../real/c", all / "cfg/c");
    EXPECT_EQ(all.until("created cfg/c").back(), "created cfg/c");
    append_to(all / "real/c");
    EXPECT_EQ(all.until("modified cfg/c").back(), "modified cfg/c");
}

TEST(FsWatchFile, RouteThatDoesNotExistIsWatched) {
    watched_folder all({"cfg"});
    create_symlink("../real/deep/c", all / "cfg/c");
    all.watch({"cfg/c"});
    std::filesystem::create_directories(all / "real/deep");
    put_file(all / "real/deep/c", "");
    EXPECT_EQ(all.until("created cfg/c").back(), "created cfg/c");
    append_to(all / "real/deep/c");
    EXPECT_EQ(all.until("modified cfg/c").back(), "modified cfg/c");
}

TEST(FsWatchFile, DirectoriesOfTheRouteMayMove) {
    watched_folder all({"cfg", "real"});
    create_directory(all / "real/deep");
    put_file(all / "real/deep/c", "");
    create_symlink("../real/deep/c", all / "cfg/c");
    all.watch({"cfg/c"});
    for (const std::string name : {"real/deep", "real"}) {
        rename(all / name, all / "elsewhere");
        EXPECT_EQ(all.until("removed cfg/c"), (texts{"removed cfg/c"})) << name;
        rename(all / "elsewhere", all / name);
        EXPECT_EQ(all.until("created cfg/c"), (texts{"created cfg/c"})) << name;
        expect_write(all, all / "real/deep/c", "cfg/c");
    }
    std::filesystem::remove_all(all / "real");
    EXPECT_EQ(all.until("removed cfg/c").back(), "removed cfg/c");
}

// A volume of Kubernetes: `..data` is exchanged by a rename, and the old directory is removed after that.
TEST(FsWatchFile, ExchangedVolumeIsANewFile) {
    watched_folder all({"vol", "vol/..1"});
    put_file(all / "vol/..1/c.yml", "1");
    create_symlink("..1", all / "vol/..data");
    create_symlink("..data/c.yml", all / "vol/c.yml");
    all.watch({"vol/c.yml"});
    for (int i = 2; i < 6; ++i) {
        const auto now = "vol/.." + std::to_string(i);
        create_directory(all / now);
        put_file(all / (now + "/c.yml"), std::to_string(i));
        replace_link(".." + std::to_string(i), all / "vol/..data");
        std::filesystem::remove_all(all / ("vol/.." + std::to_string(i - 1)));
        const auto seen = all.until("created vol/c.yml");
        EXPECT_EQ(seen.back(), "created vol/c.yml");
        EXPECT_EQ(std::ranges::count(seen, "removed vol/c.yml"), 0);  // it was there all the time
        expect_write(all, all / (now + "/c.yml"), "vol/c.yml");
    }
}

TEST(FsWatchFile, WritesByAnotherNameAreReported) {
    watched_folder all({"a", "b"});
    put_file(all / "a/file", "");
    std::filesystem::create_hard_link(all / "a/file", all / "b/second");
    all.watch({"a/file"});
    expect_write(all, all / "b/second", "a/file");
    expect_write(all, all / "a/file", "a/file");
    ::chmod((all / "b/second").c_str(), 0600);
    EXPECT_EQ(all.until("metadata a/file"), (texts{"metadata a/file"}));
    rename(all / "b/second", all / "b/third");  // the name in `a` is the same
    expect_write(all, all / "b/third", "a/file");
    replace_file(all / "a/file");
    EXPECT_EQ(all.until("created a/file").back(), "created a/file");
    append_to(all / "b/third");  // it is no longer the file
    append_to(all / "a/file");
    EXPECT_EQ(all.until("modified a/file").back(), "modified a/file");
    EXPECT_EQ(std::filesystem::file_size(all / "a/file"), 7U);
}

TEST(FsWatchFile, LoopOfLinksIsNoFile) {
    watched_folder all({"cfg"});
    create_symlink("c", all / "cfg/c");
    EXPECT_EQ(on_loop(fs::watch(all / "cfg/c")).error(), std::errc::too_many_symbolic_link_levels);
    replace_link("d", all / "cfg/c");
    all.watch({"cfg/c"});
    put_file(all / "cfg/d", "");
    EXPECT_EQ(all.until("created cfg/c").back(), "created cfg/c");
    replace_link("c", all / "cfg/c");
    EXPECT_EQ(all.until("removed cfg/c").back(), "removed cfg/c");
    replace_link("d", all / "cfg/c");
    EXPECT_EQ(all.until("created cfg/c").back(), "created cfg/c");
    expect_write(all, all / "cfg/d", "cfg/c");
}

TEST(FsWatchFile, DirectoryAtTheEndOfALinkIsReportedAsOne) {
    watched_folder all({"cfg", "real"});
    create_symlink("../real/c", all / "cfg/c");
    all.watch({"cfg/c"});
    create_directory(all / "real/c");
    EXPECT_EQ(all.until("created cfg/c/"), (texts{"created cfg/c/"}));
    put_file(all / "real/c/file", "");  // nothing below it is watched
    replace_link("../real/c/file", all / "cfg/c");
    EXPECT_EQ(all.until("created cfg/c"), (texts{"created cfg/c"}));
    create_directory(all / "other");
    replace_link("../other", all / "cfg/c");
    EXPECT_EQ(all.until("created cfg/c/"), (texts{"created cfg/c/"}));
}

TEST(FsWatchFile, EndsWithItsDirectory) {
    for (const bool is_moved : {false, true}) {
        watched_folder all({"cfg", "real"});
        put_file(all / "real/c", "");
        create_symlink("../real/c", all / "cfg/c");
        all.watch({"cfg/c", "real/c"});
        if (is_moved) rename(all / "cfg", all / "moved");
        if (!is_moved) std::filesystem::remove_all(all / "cfg");
        EXPECT_EQ(all.until("removed cfg/c").back(), "removed cfg/c");
        expect_write(all, all / "real/c", "real/c");
        if (is_moved) rename(all / "real", all / "moved.real");
        if (!is_moved) std::filesystem::remove_all(all / "real");
        EXPECT_EQ(all.until("removed real/c").back(), "removed real/c");
        while (!all.has_ended()) {
        }  // the removal of a name may be reported before that of its directory
    }
}

#if defined(__linux__) && !defined(EDDY_KQUEUE_EMULATION)
TEST(FsWatchFile, SeveralRootsMayHaveTheSameFile) {
    watched_folder all({"cfg", "real"});
    put_file(all / "real/c", "");
    create_symlink("../real/c", all / "cfg/c");
    all.watch({".", "cfg/c", "real/c"});
    append_to(all / "real/c");
    std::multiset<std::string> seen;
    for (int i = 0; i < 6; ++i) seen.insert(support::text_of(all.next(), all.base()));
    EXPECT_EQ(seen, (std::multiset<std::string>{"modified cfg/c", "closed cfg/c", "modified real/c", "closed real/c",
                                                "modified real/c", "closed real/c"}));
    // The directory has the old name of what replaces the file; the two files have not.
    put_file(all / "real/new", "");
    EXPECT_EQ(all.until("closed real/new"), (texts{"created real/new", "closed real/new"}));
    rename(all / "real/new", all / "real/c");
    seen.clear();
    for (int i = 0; i < 3; ++i) seen.insert(support::text_of(all.next(), all.base()));
    EXPECT_EQ(seen, (std::multiset<std::string>{"renamed real/new to real/c", "created cfg/c", "created real/c"}));
}

/// Returns the number of watches of this process.
std::size_t count_watches() {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fdinfo")) {
        std::ifstream lines(entry.path());
        for (std::string line; std::getline(lines, line);) count += line.starts_with("inotify ") ? 1 : 0;
    }
    return count;
}

TEST(FsWatchFile, WatchesOfOldRoutesAndFilesAreReleased) {
    watched_folder all({"cfg", "real", "other"});
    put_file(all / "real/c", "");
    put_file(all / "other/c", "");
    create_symlink("../real/c", all / "cfg/c");
    all.watch({"cfg/c"});
    const auto watches = count_watches();
    EXPECT_EQ(watches, 4U);  // the folder, cfg, real, and the file
    for (const auto* target : {"../other/c", "../real/c", "../other/c"}) {
        replace_link(target, all / "cfg/c");
        EXPECT_EQ(all.until("created cfg/c"), (texts{"created cfg/c"}));
        expect_write(all, all / "cfg/c", "cfg/c");
        EXPECT_EQ(count_watches(), watches) << target;
    }
    std::filesystem::remove_all(all / "cfg");
    EXPECT_EQ(all.until("removed cfg/c").back(), "removed cfg/c");
    EXPECT_TRUE(all.has_ended());
    EXPECT_EQ(count_watches(), 0U);
}

TEST(FsWatchFile, ChangesByNameAndByFileAreOne) {
    watched_folder all;
    put_file(all / "file", "");
    all.watch({"file"});
    for (int i = 0; i < 3; ++i) {
        append_to(all / "file");
        ::chmod((all / "file").c_str(), 0600);
    }
    texts expected;
    for (int i = 0; i < 3; ++i) expected.insert(expected.end(), {"modified file", "closed file", "metadata file"});
    texts seen;
    for (std::size_t i = 0; i < expected.size(); ++i) seen.push_back(support::text_of(all.next(), all.base()));
    EXPECT_EQ(seen, expected);
    put_file(all / "file.2", "");
    rename(all / "file.2", all / "file");
    std::filesystem::remove(all / "file");
    put_file(all / "file", "text");
    EXPECT_EQ(all.until("closed file"),
              (texts{"created file", "removed file", "created file", "modified file", "closed file"}));
}

TEST(FsWatchFile, MountedFileIsThatOfTheMount) {
    const support::temp_dir temp;
    for (const auto* name : {"host", "app"}) {
        create_directory(temp / name);
        put_file((temp / name) + "/c", "");
    }
    std::filesystem::create_directory(temp / "disk");
    const auto why = support::on_small_disk(temp / "disk", "size=1m", [&] {
        ASSERT_EQ(::mount((temp / "host/c").c_str(), (temp / "app/c").c_str(), nullptr, MS_BIND, nullptr), 0);
        eddy::runtime runs;  // its threads see the mounts
        auto changes = runs.block_on(fs::watch(temp / "app/c")).value();
        for (const auto* name : {"host/c", "app/c"}) {
            append_to(temp / name);
            for (const auto kind : {fs::change_kind::modified, fs::change_kind::closed}) {
                const auto change = runs.block_on(changes.next()).value().value();
                EXPECT_EQ(change.kind, kind) << name;
                EXPECT_EQ(change.path, temp / "app/c");
            }
        }
        // The directory that is mounted is on the route, too.
        create_directory(temp / "volume");
        ASSERT_EQ(::mount((temp / "host").c_str(), (temp / "volume").c_str(), nullptr, MS_BIND, nullptr), 0);
        auto others = runs.block_on(fs::watch(temp / "volume/c")).value();
        replace_file(temp / "host/c");
        const auto change = runs.block_on(others.next()).value().value();
        EXPECT_EQ(change.kind, fs::change_kind::created);
        EXPECT_EQ(change.path, temp / "volume/c");
    });
    if (!why.empty()) GTEST_SKIP() << "cannot mount: " << why;
}

TEST(FsWatchFile, WhatMayNotBeReadIsARescan) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become another user";
    watched_folder all({"cfg", "shut", "shut/open"});
    put_file(all / "cfg/unreadable", "");
    put_file(all / "shut/open/c", "");
    create_symlink("../shut/open/c", all / "cfg/c");
    ::chmod(all.base().c_str(), 0755);
    ::chmod((all / "cfg").c_str(), 0755);
    ::chmod((all / "cfg/unreadable").c_str(), 0200);
    ASSERT_EQ(::chown((all / "cfg/unreadable").c_str(), support::other_user, support::other_user), 0);
    ::chmod((all / "shut").c_str(), 0711);
    ::chmod((all / "shut/open").c_str(), 0755);
    ::chmod((all / "shut/open/c").c_str(), 0666);
    support::as_other_user([&] {
        for (const std::string name : {"cfg/unreadable", "cfg/c"}) {
            eddy::runtime runs;  // its threads have the rights of this one
            auto changes = runs.block_on(fs::watch(all / name)).value();
            const auto rescan = runs.block_on(changes.next()).value().value();
            EXPECT_EQ(rescan.kind, fs::change_kind::rescan);
            EXPECT_EQ(rescan.path, all / name);
            EXPECT_EQ(rescan.reason, std::errc::permission_denied);
            EXPECT_FALSE(rescan.is_directory);
            append_to(all / name);  // what may be watched is: the name of the first one, and the second one itself
            EXPECT_EQ(runs.block_on(changes.next()).value()->kind, fs::change_kind::modified) << name;
            EXPECT_EQ(runs.block_on(changes.next()).value()->kind, fs::change_kind::closed) << name;
        }
    });
}

/// Makes random changes of the files, links and directories that may decide what cfg/x is.
void change_route(const watched_folder& all, support::dice& random, int count) {
    std::error_code ignored;  // some names do not exist
    const auto file = [&] { return all / random.one_of<std::string>({"a/f", "b/f", "cfg/f"}); };
    for (; count > 0; --count) {
        switch (random.below(8)) {
        case 0:
        case 1: append_to(file()); break;
        case 2:
            put_file(all / "new", std::to_string(random.below(1'000'000)));
            std::filesystem::rename(all / "new", file(), ignored);
            break;
        case 3: std::filesystem::remove(file(), ignored); break;
        case 4:
            replace_link(random.one_of<std::string>({"d/f", "../a/f", "../b/f", "f", "no/f", "x"}), all / "cfg/x");
            break;
        case 5: replace_link(random.one_of<std::string>({"../a", "../b", "no"}), all / "cfg/d"); break;
        case 6:
            std::filesystem::remove(all / "b/f", ignored);
            std::filesystem::create_hard_link(all / "a/f", all / "b/f", ignored);
            break;
        default:
            std::filesystem::rename(all / "a", all / "elsewhere", ignored);
            std::filesystem::rename(all / "elsewhere", all / "a", ignored);
        }
    }
}

// A program that reads the file after each change has the last contents, whatever happens while a change is looked up.
TEST(FsWatchFileStress, ReaderHasTheLastContents) {
    support::dice random(support::seed());
    for (auto round = support::rounds(2000); round > 0; --round) {
        watched_folder all({"a", "b", "cfg"});
        put_file(all / "end", "");
        create_symlink("../a", all / "cfg/d");
        create_symlink("d/f", all / "cfg/x");
        all.watch({"cfg/x", "end"});
        auto seen = support::contents_of(all / "cfg/x");
        std::thread other([&] {
            change_route(all, random, static_cast<int>(random.between(1, 6)));
            append_to(all / "end");
        });
        for (bool is_over = false; !is_over;) {
            is_over = all.next().path == all / "end";
            seen = support::contents_of(all / "cfg/x");
        }
        other.join();
        while (seen != support::contents_of(all / "cfg/x")) {  // waits for ever if a change is missing
            all.next();
            seen = support::contents_of(all / "cfg/x");
        }
    }
}

TEST(FsWatchFile, OverflowIsRescanAndTheFileIsLookedUpAgain) {
    const auto limit = std::stoul(support::output_of("cat /proc/sys/fs/inotify/max_queued_events"));
    watched_folder all({"cfg", "real"});
    for (const auto* name : {"real/c", "real/d", "real/e"}) put_file(all / name, "");
    create_symlink("../real/c", all / "cfg/c");
    all.watch({"cfg/c"});
    for (unsigned long i = 0; i <= limit; ++i) ::chmod((all / (i % 2 == 0 ? "real/d" : "real/e")).c_str(), 0600);
    replace_file(all / "real/c");  // lost
    const auto rescan = all.next();
    EXPECT_EQ(rescan.kind, fs::change_kind::rescan);
    EXPECT_EQ(rescan.path, all / "cfg/c");
    EXPECT_EQ(rescan.reason, std::errc::no_buffer_space);
    expect_write(all, all / "real/c", "cfg/c");
}
#endif

}  // namespace
