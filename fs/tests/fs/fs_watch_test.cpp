// SPDX-License-Identifier: MIT
// watch(): scripts of changes, in known and in random order, and what the stream says about them.
#ifdef __linux__
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/eddy.hpp>
#include <eddy/fs.hpp>
#include <support/on_loop.hpp>
#include <support/process_state.hpp>
#include <support/random_tree.hpp>
#include <support/stress.hpp>
#include <support/temp_dir.hpp>

#include "sys/changes.hpp"

namespace {

namespace fs = eddy::fs;
using std::filesystem::create_directory;
using std::filesystem::remove_all;
using std::filesystem::rename;
using support::on_loop;
using support::put_file;

/// Says what a change is, relative to `base`: "renamed a/x to a/y".
std::string text_of(const fs::change& change, const std::string& base) {
    static const std::map<fs::change_kind, std::string> names = {
        {fs::change_kind::created, "created"}, {fs::change_kind::modified, "modified"},
        {fs::change_kind::closed, "closed"},   {fs::change_kind::metadata, "metadata"},
        {fs::change_kind::removed, "removed"}, {fs::change_kind::renamed, "renamed"},
        {fs::change_kind::rescan, "rescan"},
    };
    const auto below = [&](const std::filesystem::path& path) {
        return path == base ? "." : path.lexically_relative(base).string();
    };
    std::string text = names.at(change.kind) + " ";
    if (change.kind == fs::change_kind::renamed) text += below(change.old_path) + " to ";
    return text + below(change.path) + (change.is_directory ? "/" : "");
}

/// A folder, and a stream of its changes.
class watched_folder {
public:
    explicit watched_folder(std::vector<std::string> before = {}) {
        for (const auto& name : before) create_directory(temp_ / name);
    }

    /// Begins to watch some names in the folder; "." is the folder.
    void watch(const std::vector<std::string>& names = {"."}, fs::watch_options options = {}) {
        std::vector<std::filesystem::path> paths;
        for (const auto& name : names) paths.emplace_back(name == "." ? base() : temp_ / name);
        changes_.emplace(loop_.run(fs::watch(std::move(paths), options)).value());
    }

    /// Returns the next changes, until one of `last`, which is included.
    std::vector<std::string> until(const std::string& last) {
        std::vector<std::string> all;
        while (all.empty() || all.back() != last) {
            auto next = loop_.run(changes_->next());
            if (!next) {
                all.emplace_back("end");
                break;
            }
            all.push_back(text_of(next->value(), base()));
        }
        return all;
    }
    fs::change next() { return loop_.run(changes_->next()).value().value(); }
    bool has_ended() { return !loop_.run(changes_->next()); }

    [[nodiscard]] std::string operator/(const std::string& name) const { return temp_ / name; }
    [[nodiscard]] std::string base() const {
        auto path = temp_ / "";
        path.pop_back();
        return path;
    }

private:
    support::temp_dir temp_;
    eddy::core loop_;
    std::optional<fs::change_stream> changes_;
};

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

/// The names below a folder, as a program sees them that knows only the changes.
class replica {
public:
    void apply(const fs::change& change) {
        switch (change.kind) {
        case fs::change_kind::created: names_.insert(change.path); return;
        case fs::change_kind::removed: extract(change.path); return;
        case fs::change_kind::renamed: {
            const auto moved = extract(change.old_path);
            extract(change.path);
            names_.insert(change.path);
            for (const auto& name : moved) names_.insert(change.path / name.lexically_relative(change.old_path));
            names_.erase(change.path / ".");
            return;
        }
        case fs::change_kind::rescan: ADD_FAILURE() << "rescan: " << change.reason.message(); return;
        default: return;
        }
    }
    [[nodiscard]] const std::set<std::filesystem::path>& names() const { return names_; }

private:
    /// Removes a name and all below it, and returns them.
    std::vector<std::filesystem::path> extract(const std::filesystem::path& name) {
        std::vector<std::filesystem::path> taken;
        for (auto at = names_.begin(); at != names_.end();) {
            const bool is_below = *at == name || at->native().starts_with(name.native() + "/");
            if (is_below) taken.push_back(*at);
            at = is_below ? names_.erase(at) : std::next(at);
        }
        return taken;
    }

    std::set<std::filesystem::path> names_;
};

/// Makes random changes in a folder.
void make_changes(const std::string& base, std::uint64_t seed, int count) {
    std::mt19937_64 dice(seed);
    const auto name = [&] {
        std::string path = base;
        for (auto levels = 1 + dice() % 3; levels > 0; --levels)
            path += "/" + std::string(1, static_cast<char>('a' + dice() % 3));
        return path;
    };
    std::error_code ignored;  // most names do not exist
    for (; count > 0; --count) {
        const auto path = name();
        switch (dice() % 6) {
        case 0:
        case 1: std::filesystem::create_directory(path, ignored); break;
        case 2: std::ofstream(path).put('x'); break;
        case 3: std::filesystem::rename(path, name(), ignored); break;
        case 4: std::filesystem::remove(path, ignored); break;
        case 5:
            if (dice() % 4 == 0) std::filesystem::remove_all(path, ignored);
            break;
        }
    }
}

std::set<std::filesystem::path> names_below(const std::string& base) {
    std::set<std::filesystem::path> names;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(base)) names.insert(entry.path());
    return names;
}

texts differences(const std::set<std::filesystem::path>& seen, const std::set<std::filesystem::path>& expected) {
    texts all;
    for (const auto& name : seen)
        if (!expected.contains(name)) all.push_back("not there: " + name.string());
    for (const auto& name : expected)
        if (!seen.contains(name)) all.push_back("not seen: " + name.string());
    return all;
}

/// Reads the changes until the file `last` has appeared.
eddy::task<void> follow(fs::change_stream& changes, replica& of, std::filesystem::path last) {
    while (auto change = co_await changes.next()) {
        of.apply(change->value());
        if ((*change)->kind == fs::change_kind::created && (*change)->path == last) co_return;
    }
}

/// A change that was read before a file has appeared may cause a scan after it. There are at most as many scans as
/// names of directories, and one of them before the next file.
void follow_to_the_end(eddy::core& loop, fs::change_stream& changes, replica& of, const std::string& base) {
    for (int i = 0; i < 40; ++i) {
        const auto last = base + "/last" + std::to_string(i);
        put_file(last, "");
        loop.run(follow(changes, of, last));
    }
}

TEST(FsWatchStress, ReplicaIsEqualAfterBurstsOfChanges) {
    for (auto round = support::rounds(1000); round > 0; --round) {
        const support::temp_dir temp;
        create_directory(temp / "base");
        eddy::core loop;
        auto changes = loop.run(fs::watch(temp / "base")).value();
        replica seen;
        make_changes(temp / "base", support::seed() + round, 300);
        follow_to_the_end(loop, changes, seen, temp / "base");
        ASSERT_EQ(differences(seen.names(), names_below(temp / "base")), texts()) << "round " << round;
    }
}

// The replica may differ: watch() says that a directory that is renamed while it is added may be missed.
TEST(FsWatchStress, ChangesOfAnotherThreadDoNotEndTheStream) {
    for (auto round = support::rounds(1000); round > 0; --round) {
        const support::temp_dir temp;
        create_directory(temp / "base");
        eddy::core loop;
        auto changes = loop.run(fs::watch(temp / "base")).value();
        replica seen;
        std::thread other([&] {
            make_changes(temp / "base", support::seed() + round, 1000);
            put_file(temp / "base/end", "");
        });
        loop.run(follow(changes, seen, temp / "base/end"));
        other.join();
        follow_to_the_end(loop, changes, seen, temp / "base");
        ASSERT_TRUE(seen.names().contains(temp / "base/end"));
    }
}

}  // namespace
#endif
