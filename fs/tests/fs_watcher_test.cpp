// SPDX-License-Identifier: MIT
// The part of watch() that says what the system's changes mean: scripts of changes, in each order that a queue has, and
// directories that are scanned between them.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/fs.hpp>
#include <support/fs/watched_folder.hpp>
#include <support/random_tree.hpp>
#include <support/temp_dir.hpp>

#include "sys/beneath.hpp"
#include "sys/changes.hpp"
#include "sys/dir_entry_calls.hpp"
#include "watch/watcher.hpp"

namespace {

namespace fs = eddy::fs;
namespace sys = eddy::sys;
using kind = sys::change_kind;
using std::filesystem::create_directory;
using std::filesystem::rename;
using texts = std::vector<std::string>;

/// A queue whose changes are those of the script. Each directory or file has one number.
class scripted_queue final : public sys::change_queue {
public:
    int native_handle() const noexcept override { return -1; }
    eddy::result<int> add_watch(int fd, sys::watched) override {
        if (refusal) return std::unexpected(refusal);
        return number_of(fd);
    }
    int number_of(int fd) {
        const auto [at, is_new] = numbers.emplace(sys::identity_of(fd).value(), 0);
        if (is_new) at->second = ++last;
        return at->second;
    }
    void remove_watch(int watch) noexcept override { removed.push_back(watch); }
    eddy::result<sys::taken_changes> take() override {
        return std::unexpected(std::make_error_code(std::errc::operation_would_block));
    }
    void complete(sys::taken_changes&) override {}

    std::map<sys::file_identity, int> numbers;
    std::vector<int> removed;
    std::error_code refusal;
    int last = 0;
};

/// A folder, and a watcher that is told what happens in it.
class scripted {
public:
    explicit scripted(const texts& before = {}) {
        create_directory(temp_ / "base");
        for (const auto& name : before) create_directory(*this / name);
    }

    /// Watches a directory of the folder, or a file: `only` is its name.
    void watch(const std::string& name = ".", bool is_recursive = true, const std::string& only = "") {
        auto root = std::make_unique<fs::detail::watched_root>();
        root->path = name == "." ? base() : *this / name;
        root->place = root->path;
        root->is_recursive = is_recursive;
        if (!only.empty()) {
            root->file.emplace();
            root->file->name = only;
        }
        root->identity = sys::identity_of(sys::open_folder(root->path).value().get()).value();
        watcher_.add_root(std::move(root));
        scan();
        take({});  // what the queue has after a scan
    }

    /// Returns the number of a directory or file.
    int number(const std::string& name) {
        const auto path = name == "." ? base() : *this / name;
        return queue_->number_of(sys::open_for_watch(AT_FDCWD, path).value().get());
    }

    /// A change of `name` in the directory `in`, or of a directory if the name ends with a slash.
    sys::change at(kind what, const std::string& in, std::string name, std::uint32_t cookie = 0) {
        return of(what, number(in), std::move(name), cookie);
    }
    static sys::change of(kind what, int watch, std::string name, std::uint32_t cookie = 0) {
        const bool is_directory = name.ends_with('/');
        if (is_directory) name.pop_back();
        return sys::change(what, is_directory, watch, cookie, std::move(name));
    }
    static sys::change overflow() { return of(kind::overflow, -1, ""); }

    /// Takes the changes of one read.
    void take(std::vector<sys::change> changes, bool is_all = true) {
        sys::taken_changes taken;
        taken.changes = std::move(changes);
        taken.is_all = is_all;
        watcher_.take(taken);
    }
    /// Makes the scans and lookups that are asked for. Returns their number.
    int scan() {
        int count = 0;
        for (; const auto asked = watcher_.next_scan(); ++count) {
            const auto run = [&](auto work) {
                while (!work->step().value()) {
                }
                watcher_.add(*asked, *work);
            };
            if (asked->is_lookup()) run(watcher_.lookup_of(*asked));
            if (!asked->is_lookup()) run(watcher_.scan_of(*asked));
        }
        return count;
    }
    /// Returns what was reported since the last call.
    texts reports() {
        texts all;
        for (const auto& each : watcher_.reports()) {
            all.push_back(support::text_of(each, base()));
            if (each.reason) all.back() += ": " + each.reason.message();
        }
        watcher_.reports().clear();
        return all;
    }

    std::string operator/(const std::string& name) const { return temp_ / ("base/" + name); }
    std::string base() const { return temp_ / "base"; }
    fs::detail::watcher& watcher() { return watcher_; }
    scripted_queue& queue() { return *queue_; }

private:
    support::temp_dir temp_;
    std::shared_ptr<scripted_queue> queue_ = std::make_shared<scripted_queue>();
    fs::detail::watcher watcher_{queue_};
};

TEST(FsWatcher, EachKindIsReported) {
    scripted all;
    all.watch();
    all.take({all.at(kind::created, ".", "f"), all.at(kind::modified, ".", "f"), all.at(kind::closed, ".", "f"),
              all.at(kind::metadata, ".", "f"), all.at(kind::removed, ".", "f"), all.at(kind::created, ".", "d/"),
              all.at(kind::metadata, ".", ""), all.at(kind::own_metadata, ".", "")});
    EXPECT_EQ(all.reports(), (texts{"created f", "modified f", "closed f", "metadata f", "removed f", "created d/",
                                    "metadata ./", "metadata ./"}));
}

// A directory that is watched, and the one above it, both report its metadata.
TEST(FsWatcher, MetadataOfASubdirectoryIsReportedOnce) {
    scripted all({"d"});
    all.watch();
    all.take({all.at(kind::metadata, ".", "d/"), all.at(kind::metadata, "d", "")});
    EXPECT_EQ(all.reports(), (texts{"metadata d/"}));
    all.take({all.at(kind::own_metadata, "d", "")});
    EXPECT_EQ(all.reports(), (texts{"metadata d/"}));
}

TEST(FsWatcher, HalvesOfAMoveAreARename) {
    scripted all({"a", "b"});
    all.watch();
    all.take({all.at(kind::moved_from, "a", "f", 7), all.at(kind::moved_to, "b", "g", 7)});
    EXPECT_EQ(all.reports(), (texts{"renamed a/f to b/g"}));
    // The second half is in the next read.
    all.take({all.at(kind::moved_from, "a", "f", 8)});
    EXPECT_TRUE(all.watcher().has_half_moves());
    EXPECT_EQ(all.reports(), texts());
    all.take({all.at(kind::moved_to, "b", "g", 8)});
    EXPECT_EQ(all.reports(), (texts{"renamed a/f to b/g"}));
    EXPECT_FALSE(all.watcher().has_half_moves());
}

TEST(FsWatcher, HalfMoveWithoutASecondHalfIsARemoval) {
    scripted all({"a", "b"});
    all.watch();
    all.take({all.at(kind::moved_from, "a", "f", 7)});
    all.take({});  // the next read has no second half
    EXPECT_EQ(all.reports(), (texts{"removed a/f"}));
    EXPECT_FALSE(all.watcher().has_half_moves());
    // Another change of names in the same directory comes after both halves. One of contents says nothing.
    for (const auto other : {kind::created, kind::removed, kind::closed}) {
        all.take({all.at(kind::moved_from, "a", "f", 8), all.at(kind::modified, "a", "g"),
                  all.at(kind::metadata, "a", "g"), all.at(other, "b", "g"), all.at(other, "a", "g")});
        const auto seen = all.reports();
        ASSERT_EQ(seen.size(), 5U);
        EXPECT_EQ(seen[0], "modified a/g");
        EXPECT_EQ(seen[3], "removed a/f");
    }
    // The second half itself does not settle the first one.
    all.take({all.at(kind::moved_from, "a", "f", 9), all.at(kind::moved_to, "a", "g", 9)});
    EXPECT_EQ(all.reports(), (texts{"renamed a/f to a/g"}));
    // The removal of a directory is that of all below it.
    create_directory(all / "c");
    all.take({all.at(kind::created, ".", "c/")});
    all.scan();
    EXPECT_EQ(all.reports(), (texts{"created c/"}));
    all.take({});
    all.take({all.at(kind::moved_from, "c", "f", 12), all.at(kind::removed, ".", "c/"),
              all.at(kind::moved_to, "b", "g", 12)});
    all.take({});
    EXPECT_EQ(all.reports(), (texts{"removed c/", "created b/g"}));
    // Another move has another cookie.
    all.take({all.at(kind::moved_from, "a", "f", 10), all.at(kind::moved_to, "b", "g", 11)});
    EXPECT_EQ(all.reports(), (texts{"created b/g"}));
    all.take({});
    EXPECT_EQ(all.reports(), (texts{"removed a/f"}));
}

TEST(FsWatcher, HalfMovesEndWithAnOverflow) {
    scripted all({"a"});
    all.watch();
    all.take({all.at(kind::moved_from, "a", "f", 7), scripted::overflow()});
    EXPECT_FALSE(all.watcher().has_half_moves());
    EXPECT_EQ(all.scan(), 1);
    EXPECT_EQ(all.reports(), (texts{"rescan ./: No buffer space available"}));
    all.take({all.at(kind::created, "a", "f"), all.at(kind::moved_to, "a", "g", 7)});
    all.take({});
    EXPECT_EQ(all.reports(), (texts{"created a/f", "created a/g"}));
}

TEST(FsWatcher, ScansThatWereAskedForEndWithAnOverflow) {
    scripted all({"a"});
    all.watch();
    for (const std::string name : {"new/", "a/new/"}) {
        create_directory(all / name);
        all.take({all.at(kind::created, name == "new/" ? "." : "a", "new/"), scripted::overflow()});
        EXPECT_EQ(all.scan(), 1);  // of the root
        EXPECT_EQ(all.reports(), (texts{"created " + name, "rescan ./: No buffer space available"}));
        all.take({all.at(kind::created, name, "f")});
        EXPECT_EQ(all.reports(), (texts{"created " + name + "f"}));
    }
}

TEST(FsWatcher, DirectoryWithAllBelowItIsFoundAfterAnOverflow) {
    scripted all({"a", "a/old", "old"});
    all.watch();
    const std::array old{all.number("a/old"), all.number("old")};
    create_directory(all / "a/new");
    for (const auto* name : {"a/old", "old"}) std::filesystem::remove(all / name);
    all.take({scripted::overflow()});
    all.scan();
    EXPECT_EQ(all.reports(), (texts{"rescan ./: No buffer space available"}));
    all.take({scripted::of(kind::created, old[0], "f"), scripted::of(kind::created, old[1], "f"),
              all.at(kind::created, "a/new", "f")});
    EXPECT_EQ(all.reports(), (texts{"created a/new/f"}));
    for (const int each : old)  // as it is unknown, and as it was released
        EXPECT_EQ(std::ranges::count(all.queue().removed, each), 2);
}

TEST(FsWatcher, RootThatIsGoneAfterAnOverflowIsRemoved) {
    scripted all({"a", "b"});
    all.watch("a");
    all.watch("b");
    create_directory(all / "c");
    rename(all / "c", all / "a");  // another directory
    all.take({scripted::overflow()});
    EXPECT_EQ(all.scan(), 2);
    EXPECT_EQ(all.reports(), (texts{"removed a/", "rescan b/: No buffer space available"}));
    EXPECT_FALSE(all.watcher().is_empty());
    all.take({all.at(kind::gone, "b", "")});
    EXPECT_EQ(all.reports(), (texts{"removed b/"}));
    EXPECT_TRUE(all.watcher().is_empty());
}

TEST(FsWatcher, RootThatCannotBeWatchedAfterAnOverflowStays) {
    scripted all({"a"});
    all.watch("a");
    all.queue().refusal = std::make_error_code(std::errc::no_space_on_device);
    all.take({scripted::overflow()});
    all.scan();
    EXPECT_EQ(all.reports(), (texts{"rescan a/: No buffer space available", "rescan a/: No space left on device"}));
    EXPECT_FALSE(all.watcher().is_empty());
}

TEST(FsWatcher, DirectoryThatIsReplacedByARenameIsForgotten) {
    scripted all({"a", "b", "c"});
    all.watch();
    const int a = all.number("a"), b = all.number("b");
    rename(all / "a", all / "b");
    all.take({all.at(kind::moved_from, ".", "a/", 7), all.at(kind::moved_to, ".", "b/", 7)});
    EXPECT_EQ(all.reports(), (texts{"renamed a to b/"}));
    all.take({scripted::of(kind::created, a, "f"), scripted::of(kind::removed, b, "g")});
    EXPECT_EQ(all.reports(), (texts{"created b/f"}));  // what has the name, and not what was replaced
    EXPECT_TRUE(std::ranges::count(all.queue().removed, b) > 0);
    EXPECT_EQ(std::ranges::count(all.queue().removed, a), 0);
    // A directory that comes from elsewhere replaces one, too.
    const int c = all.number("c");
    create_directory(all / "d");
    rename(all / "d", all / "c");
    all.take({all.at(kind::moved_to, ".", "c/", 8)});
    EXPECT_EQ(all.scan(), 1);
    EXPECT_EQ(all.reports(), (texts{"removed c/", "created c/"}));
    all.take({all.at(kind::created, "c", "f"), scripted::of(kind::created, c, "g")});
    EXPECT_EQ(all.reports(), (texts{"created c/f"}));
}

TEST(FsWatcher, RemovedDirectoryIsForgotten) {
    scripted all({"a", "a/b"});
    all.watch();
    const int a = all.number("a"), b = all.number("a/b");
    all.take({all.at(kind::removed, ".", "a/")});
    all.take({scripted::of(kind::created, a, "f"), scripted::of(kind::created, b, "f")});
    EXPECT_EQ(all.reports(), (texts{"removed a/"}));
    for (const int each : {a, b}) EXPECT_TRUE(std::ranges::count(all.queue().removed, each) > 0);
}

TEST(FsWatcher, RenamedDirectoryTakesAllBelowItAlong) {
    scripted all({"a", "a/b", "c"});
    all.watch();
    rename(all / "a", all / "c/a");
    all.take({all.at(kind::moved_from, ".", "a/", 7), all.at(kind::moved_to, "c", "a/", 7),
              all.at(kind::created, "c/a/b", "f")});
    EXPECT_EQ(all.scan(), 0);
    EXPECT_EQ(all.reports(), (texts{"renamed a to c/a/", "created c/a/b/f"}));
    EXPECT_EQ(all.queue().removed, std::vector<int>());
}

TEST(FsWatcher, RenameBetweenRootsMovesTheDirectory) {
    scripted all({"a", "a/d", "b"});
    all.watch("a");
    all.watch("b");
    rename(all / "a/d", all / "b/d");
    all.take({all.at(kind::moved_from, "a", "d/", 7), all.at(kind::moved_to, "b", "d/", 7),
              all.at(kind::created, "b/d", "f")});
    EXPECT_EQ(all.reports(), (texts{"renamed a/d to b/d/", "created b/d/f"}));
    // A root that is not recursive has no directories below.
    scripted flat({"a", "a/d", "b"});
    flat.watch("a");
    flat.watch("b", false);
    const int d = flat.number("a/d");
    flat.take({flat.at(kind::moved_from, "a", "d/", 7), flat.at(kind::moved_to, "b", "d/", 7),
               scripted::of(kind::created, d, "f")});
    EXPECT_EQ(flat.scan(), 0);
    EXPECT_EQ(flat.reports(), (texts{"renamed a/d to b/d/"}));
}

// Each of two roots that contain a directory reports a rename in it by itself.
void expect_halves_of_roots(const texts& roots) {
    scripted all({"a"});
    std::filesystem::create_directory_symlink("a", all / "link");
    for (const auto& each : roots) all.watch(each);
    const auto sorted_reports = [&] {
        auto seen = all.reports();
        std::ranges::sort(seen);
        return seen;
    };
    for (int i = 0; i < 2; ++i) {
        all.take({all.at(kind::moved_from, "a", "f", 7), all.at(kind::moved_to, "a", "g", 7)});
        EXPECT_EQ(sorted_reports(), (texts{"renamed a/f to a/g", "renamed link/f to link/g"}));
    }
    EXPECT_FALSE(all.watcher().has_half_moves());
    // Between two directories of one root, the other root sees a removal only.
    all.take({all.at(kind::moved_from, "a", "f", 8), all.at(kind::moved_to, ".", "g", 8)});
    all.take({});
    EXPECT_EQ(sorted_reports(), (texts{"removed link/f", "renamed a/f to g"}));
}

TEST(FsWatcher, HalvesOfTheSameRootBelongTogether) {
    expect_halves_of_roots({".", "link"});
    expect_halves_of_roots({"link", "."});
}

TEST(FsWatcher, UnknownDirectoryReplacesAKnownOne) {
    scripted all({"flat", "flat/d", "b", "b/d"});
    all.watch("flat", false);
    all.watch("b");
    const int d = all.number("b/d");
    rename(all / "flat/d", all / "b/d");
    all.take({all.at(kind::moved_from, "flat", "d/", 7), all.at(kind::moved_to, "b", "d/", 7),
              scripted::of(kind::created, d, "f")});
    EXPECT_EQ(all.scan(), 1);
    EXPECT_EQ(all.reports(), (texts{"renamed flat/d to b/d/"}));
    all.take({all.at(kind::created, "b/d", "f")});
    EXPECT_EQ(all.reports(), (texts{"created b/d/f"}));
}

TEST(FsWatcher, DirectoryThatAppearsIsScannedOnce) {
    scripted all;
    all.watch();
    create_directory(all / "d");
    support::put_file(all / "d/f", "");
    all.take({all.at(kind::created, ".", "d/"), all.at(kind::created, ".", "d/")});
    EXPECT_EQ(all.scan(), 1);
    EXPECT_EQ(all.reports(), (texts{"created d/", "created d/", "created d/f"}));
    all.take({all.at(kind::created, ".", "f")});
    EXPECT_EQ(all.scan(), 0);
}

TEST(FsWatcher, RootThatIsNotRecursiveIsNotScanned) {
    scripted all({"d"});
    all.watch(".", false);
    EXPECT_EQ(all.queue().last, 1);
    all.take({all.at(kind::created, ".", "e/"), all.at(kind::moved_from, ".", "e/", 7),
              all.at(kind::moved_to, ".", "f/", 7)});
    EXPECT_EQ(all.scan(), 0);
    EXPECT_EQ(all.reports(), (texts{"created e/", "renamed e to f/"}));
    all.take({scripted::overflow()});
    EXPECT_EQ(all.scan(), 1);
    EXPECT_EQ(all.reports(), (texts{"rescan ./: No buffer space available"}));
    EXPECT_EQ(all.queue().last, 1);
}

// A scan may find more than the queue has said so far: what was renamed since, or created again.
TEST(FsWatcher, RenameOfWhatWasJustScannedIsNotBelieved) {
    scripted all;
    all.watch();
    create_directory(all / "d");
    all.take({all.at(kind::created, ".", "d/")}, false);
    EXPECT_EQ(all.scan(), 1);
    rename(all / "d", all / "e");
    all.take({all.at(kind::moved_from, ".", "d/", 7), all.at(kind::moved_to, ".", "e/", 7)});
    EXPECT_EQ(all.reports(), (texts{"created d/", "removed d/", "created e/"}));
    EXPECT_EQ(all.scan(), 1);
    all.take({all.at(kind::created, "e", "f")});
    EXPECT_EQ(all.reports(), (texts{"created e/f"}));
    // In the next epoch it is.
    rename(all / "e", all / "d");
    all.take({all.at(kind::moved_from, ".", "e/", 8), all.at(kind::moved_to, ".", "d/", 8)});
    EXPECT_EQ(all.reports(), (texts{"renamed e to d/"}));
}

// A scan below a directory that was renamed meanwhile has used the old path.
TEST(FsWatcher, ScanBelowARenamedDirectoryIsRepeated) {
    scripted all({"d"});
    all.watch();
    create_directory(all / "d/sub");
    all.take({all.at(kind::created, "d", "sub/")}, false);
    rename(all / "d", all / "e");
    EXPECT_EQ(all.scan(), 1);  // finds nothing
    all.take({all.at(kind::moved_from, ".", "d/", 7), all.at(kind::moved_to, ".", "e/", 7)});
    EXPECT_EQ(all.scan(), 1);
    EXPECT_EQ(all.reports(), (texts{"created d/sub/", "renamed d to e/"}));
    all.take({all.at(kind::created, "e/sub", "f")});
    EXPECT_EQ(all.reports(), (texts{"created e/sub/f"}));
    // It may also have found something.
    create_directory(all / "e/more");
    all.take({all.at(kind::created, "e", "more/")}, false);
    EXPECT_EQ(all.scan(), 1);
    rename(all / "e", all / "d");
    all.take({all.at(kind::moved_from, ".", "e/", 8), all.at(kind::moved_to, ".", "d/", 8)});
    EXPECT_EQ(all.scan(), 1);
    EXPECT_EQ(all.reports(), (texts{"created e/more/", "renamed e to d/", "removed d/more/", "created d/more/"}));
}

TEST(FsWatcher, DirectoryThatMovesBelowItselfWasAnother) {
    scripted all({"a", "a/b"});
    all.watch();
    // Not possible for one directory: the name is that of another one, which the queue reports later.
    all.take({all.at(kind::moved_from, ".", "a/", 7), all.at(kind::moved_to, "a/b", "a/", 7)});
    EXPECT_EQ(all.reports(), (texts{"removed a/"}));
    all.take({all.at(kind::created, ".", "f")});
    EXPECT_EQ(all.reports(), (texts{"created f"}));
}

TEST(FsWatcher, DirectoriesBelowARootMayBeGone) {
    scripted all({"a"});
    all.watch();
    all.take({all.at(kind::gone, "a", ""), all.at(kind::removed, ".", "a/")});
    EXPECT_EQ(all.reports(), (texts{"removed a/"}));
    const int root = all.number(".");
    all.take({scripted::of(kind::gone, root, ""), scripted::of(kind::created, root, "f")});
    EXPECT_EQ(all.reports(), (texts{"removed ./"}));
    EXPECT_TRUE(all.watcher().is_empty());
}

TEST(FsWatcher, WatchThatHasEndedIsForgotten) {
    scripted all({"a"});
    all.watch();
    const int a = all.number("a");
    all.take({scripted::of(kind::ignored, a, ""), scripted::of(kind::created, a, "f")});
    EXPECT_EQ(all.reports(), texts());
    EXPECT_EQ(all.queue().removed, (std::vector<int>{a}));  // because of the change
}

TEST(FsWatcher, LostChangesAreARescan) {
    scripted all({"a"});
    support::put_file(all / "f", "");
    all.watch();
    all.take({all.at(kind::unwatched, "a", "")});
    EXPECT_EQ(all.reports(), (texts{"rescan a/: Too many open files"}));
    scripted file({"a"});
    file.watch("a", false, "f");
    file.take({file.at(kind::unwatched, "a", "")});
    EXPECT_EQ(file.reports(), (texts{"rescan a/f: Too many open files"}));
}

/// A file, by a symbolic link: cfg/c leads to real/c.
class linked : public scripted {
public:
    linked() : scripted({"cfg", "real"}) {
        support::put_file(*this / "real/c", "");
        std::filesystem::create_symlink("../real/c", *this / "cfg/c");
        watch("cfg", false, "c");
        EXPECT_EQ(reports(), texts());
        inode = number("real/c");
        dir = number("real");
    }
    /// Replaces the target. Nothing is taken yet.
    void replace() {
        support::put_file(*this / "real/new", "");
        rename(*this / "real/new", *this / "real/c");
    }

    int inode = 0, dir = 0;
};

TEST(FsWatcher, ChangesOfAFileAreReportedOnceInARead) {
    linked all;
    for (int i = 0; i < 2; ++i) {
        for (const auto& [what, text] :
             {std::pair(kind::modified, "modified cfg/c"), std::pair(kind::closed, "closed cfg/c"),
              std::pair(kind::metadata, "metadata cfg/c")}) {
            all.take({scripted::of(what, all.dir, "c"), scripted::of(what, all.inode, ""),
                      scripted::of(what, all.dir, "c"), scripted::of(what, all.dir, "other")});
            EXPECT_EQ(all.reports(), (texts{text}));
            all.take({scripted::of(what, all.inode, "")});
            EXPECT_EQ(all.reports(), (texts{text}));
        }
    }
    all.take({scripted::of(kind::modified, all.dir, "c"), scripted::of(kind::closed, all.dir, "c"),
              scripted::of(kind::modified, all.inode, "")});
    EXPECT_EQ(all.reports(), (texts{"modified cfg/c", "closed cfg/c", "modified cfg/c"}));
    // The directories on the way report names only, and not those of other files.
    all.take({all.at(kind::modified, "cfg", "c"), all.at(kind::closed, "cfg", "c"), all.at(kind::metadata, "cfg", "c"),
              all.at(kind::created, "cfg", "d"), all.at(kind::removed, "real", "d"),
              all.at(kind::moved_to, ".", "x/", 7), all.at(kind::own_metadata, "real", "")});
    EXPECT_EQ(all.watcher().lookups(), 0U);
    EXPECT_EQ(all.reports(), texts());
}

TEST(FsWatcher, NewNameOfAFileIsReportedAndLookedUp) {
    for (const auto& [what, text] :
         {std::pair(kind::created, "created cfg/c"), std::pair(kind::moved_to, "created cfg/c"),
          std::pair(kind::removed, "removed cfg/c"), std::pair(kind::moved_from, "removed cfg/c")}) {
        linked all;
        const bool exists = what == kind::created || what == kind::moved_to;
        if (exists) all.replace();
        if (!exists) std::filesystem::remove(all / "real/c");
        // What happens to the old inode does not happen to the file any more.
        all.take({scripted::of(what, all.dir, "c", 7), scripted::of(kind::metadata, all.inode, "")});
        EXPECT_EQ(all.reports(), (texts{text}));
        EXPECT_FALSE(all.watcher().has_half_moves());
        EXPECT_EQ(all.watcher().lookups(), 1U);
        EXPECT_EQ(all.scan(), 1);
        EXPECT_EQ(all.reports(), texts());  // it was reported
        all.take({scripted::of(kind::modified, all.inode, "")});
        EXPECT_EQ(all.reports(), texts());
        if (exists) {
            all.take({all.at(kind::modified, "real/c", "")});
            EXPECT_EQ(all.reports(), (texts{"modified cfg/c"}));
        }
        EXPECT_GE(std::ranges::count(all.queue().removed, all.inode), 1);
    }
}

TEST(FsWatcher, ChangeOfTheRouteIsReportedIfTheFileIsAnother) {
    linked all;
    // The link is replaced by another one to the same file, and the directory is moved away and back.
    all.take({all.at(kind::moved_to, "cfg", "c", 7), all.at(kind::moved_from, ".", "real/", 8),
              all.at(kind::moved_to, ".", "real/", 8), all.at(kind::gone, "real", ""),
              scripted::of(kind::gone, all.inode, "")});
    EXPECT_EQ(all.scan(), 1);  // once for all of them
    EXPECT_EQ(all.reports(), texts());
    EXPECT_EQ(std::ranges::count(all.queue().removed, all.inode), 0);
    // The route leads to another file.
    create_directory(all / "other");
    support::put_file(all / "other/c", "");
    std::filesystem::remove(all / "cfg/c");
    std::filesystem::create_symlink("../other/c", all / "cfg/c");
    all.take({all.at(kind::moved_to, "cfg", "c", 9), scripted::of(kind::removed, all.dir, "c")});
    EXPECT_EQ(all.reports(), texts());  // the removal may be one of the old file only
    EXPECT_EQ(all.scan(), 1);
    EXPECT_EQ(all.reports(), (texts{"created cfg/c"}));
    all.take({scripted::of(kind::modified, all.dir, "c"), scripted::of(kind::modified, all.inode, ""),
              all.at(kind::closed, "other", "c")});
    EXPECT_EQ(all.reports(), (texts{"closed cfg/c"}));
    for (const int each : {all.dir, all.inode}) EXPECT_GE(std::ranges::count(all.queue().removed, each), 1);
    // It leads nowhere.
    std::filesystem::remove_all(all / "other");
    all.take({all.at(kind::removed, ".", "other/")});
    EXPECT_EQ(all.scan(), 1);
    EXPECT_EQ(all.reports(), (texts{"removed cfg/c"}));
}

// What is new may have been replaced again, which the queue has not said yet.
TEST(FsWatcher, FileThatWasReplacedTwiceIsReportedTwice) {
    linked all;
    all.replace();
    all.replace();
    all.take({scripted::of(kind::moved_to, all.dir, "c", 7)});
    EXPECT_EQ(all.scan(), 1);
    EXPECT_EQ(all.reports(), (texts{"created cfg/c"}));
    all.take({scripted::of(kind::moved_to, all.dir, "c", 8)});
    EXPECT_EQ(all.scan(), 1);
    EXPECT_EQ(all.reports(), (texts{"created cfg/c"}));
    // A new name, and then another route: the name that was reported is not the one that was found.
    all.replace();
    create_directory(all / "other");
    support::put_file(all / "other/c", "");
    std::filesystem::remove(all / "cfg/c");
    std::filesystem::create_symlink("../other/c", all / "cfg/c");
    all.take({scripted::of(kind::moved_to, all.dir, "c", 9)});
    EXPECT_EQ(all.scan(), 1);
    EXPECT_EQ(all.reports(), (texts{"created cfg/c", "created cfg/c"}));
}

TEST(FsWatcher, FileWithoutItsInodeIsLookedUp) {
    linked all;
    all.replace();
    all.take({scripted::of(kind::gone, all.inode, "")});  // and no change of a name, as under a mount
    EXPECT_EQ(all.reports(), texts());
    EXPECT_EQ(all.scan(), 1);
    EXPECT_EQ(all.reports(), (texts{"created cfg/c"}));
    // After a change of the name that was reported, this is no news.
    const int inode = all.number("real/c");
    all.replace();
    all.take({scripted::of(kind::moved_to, all.dir, "c", 7), scripted::of(kind::gone, inode, "")});
    EXPECT_EQ(all.scan(), 1);
    EXPECT_EQ(all.reports(), (texts{"created cfg/c"}));
}

TEST(FsWatcher, FileEndsWithItsDirectory) {
    linked all;
    all.take({all.at(kind::gone, "real", "")});  // that of the target: it is looked up
    EXPECT_EQ(all.scan(), 1);
    EXPECT_EQ(all.reports(), texts());
    all.take({all.at(kind::gone, "cfg", ""), scripted::of(kind::modified, all.inode, "")});
    EXPECT_EQ(all.reports(), (texts{"removed cfg/c"}));
    EXPECT_TRUE(all.watcher().is_empty());
    all.take({});
    for (const auto* name : {"cfg", ".", "real", "real/c"})
        EXPECT_GE(std::ranges::count(all.queue().removed, all.number(name)), 1) << name;
}

// After a lookup, the next new names are reported one by one again.
TEST(FsWatcher, LookupEndsWhatWasUnknown) {
    linked all;
    all.take({all.at(kind::moved_to, "cfg", "c", 7)});
    EXPECT_EQ(all.scan(), 1);
    all.take({scripted::of(kind::removed, all.dir, "c"), scripted::of(kind::created, all.dir, "c")});
    EXPECT_EQ(all.reports(), (texts{"removed cfg/c", "created cfg/c"}));
    EXPECT_EQ(all.scan(), 1);
    EXPECT_EQ(all.reports(), texts());
}

TEST(FsWatcher, RouteMayHaveADirectorySeveralTimes) {
    scripted all({"vol", "vol/1"});
    support::put_file(all / "vol/1/c", "");
    std::filesystem::create_symlink("1", all / "vol/data");
    std::filesystem::create_symlink("data/c", all / "vol/c");
    all.watch("vol", false, "c");
    all.take({all.at(kind::gone, "vol", ""), all.at(kind::moved_to, "vol", "data", 7)});
    EXPECT_EQ(all.reports(), (texts{"removed vol/c"}));
    EXPECT_TRUE(all.watcher().is_empty());
    EXPECT_EQ(all.scan(), 0);
}

TEST(FsWatcher, DirectoryAtTheEndOfALinkIsNotWatched) {
    scripted all({"cfg", "real"});
    std::filesystem::create_symlink("../real", all / "cfg/c");
    all.watch("cfg", false, "c");
    EXPECT_EQ(all.queue().last, 2);  // cfg, and the folder
}

TEST(FsWatcher, LookupThatFailsKeepsTheRoute) {
    linked all;
    all.queue().refusal = std::make_error_code(std::errc::no_space_on_device);
    all.take({scripted::of(kind::moved_to, all.dir, "c", 7)});
    EXPECT_EQ(all.scan(), 1);
    EXPECT_EQ(all.reports(), (texts{"created cfg/c", "rescan cfg/c: No space left on device"}));
    all.take({scripted::overflow()});
    EXPECT_EQ(all.scan(), 1);
    EXPECT_EQ(all.reports(),
              (texts{"rescan cfg/c: No buffer space available", "rescan cfg/c: No space left on device"}));
    all.queue().refusal = {};
    all.take({scripted::of(kind::moved_to, all.dir, "c", 8)});
    EXPECT_EQ(all.scan(), 1);
    EXPECT_EQ(all.reports(), (texts{"created cfg/c"}));
    all.take({scripted::of(kind::modified, all.inode, "")});
    EXPECT_EQ(all.reports(), (texts{"modified cfg/c"}));
    // Its directory has become another one.
    rename(all / "cfg", all / "old");
    create_directory(all / "cfg");
    support::put_file(all / "cfg/c", "");
    const int last = all.queue().last;
    all.take({scripted::overflow()});
    EXPECT_EQ(all.scan(), 1);
    EXPECT_EQ(all.reports(), (texts{"removed cfg/c"}));
    EXPECT_TRUE(all.watcher().is_empty());
    EXPECT_EQ(all.queue().last, last);  // nothing of the other directory is watched
}

TEST(FsWatcher, LookupsAreBeforeScans) {
    linked all;
    all.watch("real");
    create_directory(all / "real/d");
    all.take({all.at(kind::created, "real", "d/"), scripted::of(kind::moved_to, all.dir, "c", 7),
              scripted::of(kind::moved_to, all.dir, "c", 8)});
    EXPECT_EQ(all.watcher().lookups(), 1U);
    EXPECT_TRUE(all.watcher().next_scan()->is_lookup());
    EXPECT_EQ(all.watcher().lookups(), 0U);
    EXPECT_FALSE(all.watcher().next_scan()->is_lookup());
    EXPECT_FALSE(all.watcher().next_scan());
}

// A directory that is a root has the halves of its own moves. A file that is moved is removed, and created.
TEST(FsWatcher, MovesOfAFileDoNotDisturbItsDirectory) {
    linked all;
    all.watch("real");
    all.take({scripted::of(kind::moved_from, all.dir, "x", 7), scripted::of(kind::moved_to, all.dir, "c", 7)});
    auto seen = all.reports();
    std::ranges::sort(seen);
    EXPECT_EQ(seen, (texts{"created cfg/c", "renamed real/x to real/c"}));
    all.scan();
    all.take({scripted::of(kind::moved_from, all.dir, "c", 8), scripted::of(kind::moved_to, all.dir, "x", 8)});
    seen = all.reports();
    std::ranges::sort(seen);
    EXPECT_EQ(seen, (texts{"removed cfg/c", "renamed real/c to real/x"}));
}

TEST(FsWatcher, ScanThatIsIncompleteIsARescan) {
    scripted all;
    all.watch();
    create_directory(all / "d");
    all.queue().refusal = std::make_error_code(std::errc::no_space_on_device);
    all.take({all.at(kind::created, ".", "d/")});
    all.scan();
    EXPECT_EQ(all.reports(), (texts{"created d/", "rescan d/: No space left on device"}));
}

}  // namespace
