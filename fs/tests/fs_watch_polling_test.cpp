// SPDX-License-Identifier: MIT
// watch() by polling. The oracles are the changes that were made, and find(1).
#ifdef __linux__
#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <eddy/eddy.hpp>
#include <eddy/fs.hpp>

#include <support/file_contents.hpp>
#include <support/fs/other_user.hpp>
#include <support/random_tree.hpp>
#include <support/temp_dir.hpp>

namespace {

namespace fs = eddy::fs;
using namespace std::chrono_literals;
using support::set_contents;
using texts = std::vector<std::string>;

/// A stream of changes of a folder, as texts with paths below it.
class polled_folder {
public:
    explicit polled_folder(const support::temp_dir& dir, fs::watch_options options = {}, const std::string& name = "")
        : top_(dir / "") {
        changes_.emplace(runs_.block_on(fs::watch(name.empty() ? top_ : top_ + name, options.poll_every(2ms))).value());
    }

    /// Returns the changes until one has this text.
    texts until(const std::string& last) {
        return runs_.block_on([](polled_folder& me, std::string end) -> eddy::task<texts> {
            texts all;
            while (all.empty() || all.back() != end) {
                auto next = co_await eddy::time::timeout(10s, me.changes_->next());
                if (!next || !*next) {
                    all.push_back("nothing");
                    break;
                }
                all.push_back(me.text_of(**next));
            }
            co_return all;
        }(*this, last));
    }

private:
    std::string text_of(const fs::result<fs::change>& of) const {
        if (!of) return "error: " + of.error().message();
        const char* const kinds[] = {"created", "modified", "closed", "metadata", "removed", "renamed", "rescan"};
        auto text = std::string(kinds[static_cast<int>(of->kind)]) + " ";
        const auto path = of->path.string();
        text += path.size() > top_.size() ? path.substr(top_.size()) : ".";
        if (of->is_directory) text += "/";
        if (of->reason) text += " " + of->reason.message();
        return text;
    }

    std::string top_;
    eddy::runtime runs_;
    std::optional<fs::change_stream> changes_;
};

// covers: P129
TEST(FsWatchPolling, ReportsChangesOfFilesAndDirectories) {
    const support::temp_dir dir;
    set_contents(dir / "old", "1");
    polled_folder all(dir);
    std::filesystem::create_directory(dir / "sub");
    EXPECT_EQ(all.until("created sub/"), (texts{"created sub/"}));
    set_contents(dir / "sub/a", "text");
    EXPECT_EQ(all.until("created sub/a").back(), "created sub/a");
    set_contents(dir / "old", "22");
    EXPECT_EQ(all.until("modified old").back(), "modified old");
    ::chmod((dir / "old").c_str(), 0600);
    EXPECT_EQ(all.until("metadata old").back(), "metadata old");
    ::chmod((dir / "sub").c_str(), 0700);
    EXPECT_EQ(all.until("metadata sub/"), (texts{"metadata sub/"}));
    std::filesystem::rename(dir / "old", dir / "new");
    std::filesystem::remove_all(dir / "sub");
    const auto seen = all.until("removed sub/");  // and not its entries
    EXPECT_EQ(std::ranges::count(seen, "removed sub/a"), 0) << "removed between two calls";
}

TEST(FsWatchPolling, RenameIsRemovedAndCreatedInOneScan) {
    const support::temp_dir dir;
    std::filesystem::create_directories(dir / "a/b");
    polled_folder all(dir);
    std::filesystem::rename(dir / "a", dir / "c");
    EXPECT_EQ(all.until("created c/b/"), (texts{"removed a/", "created c/", "created c/b/"}));
}

TEST(FsWatchPolling, ModificationWithTheSameSizeIsNoticedByItsTime) {
    const support::temp_dir dir;
    set_contents(dir / "a", "1");
    polled_folder all(dir);
    ASSERT_EQ(support::output_of("touch -d @1000 " + dir / "a"), "");
    EXPECT_EQ(all.until("modified a"), (texts{"modified a"}));
}

TEST(FsWatchPolling, FileThatBecomesADirectoryIsRemovedFirst) {
    const support::temp_dir dir;
    set_contents(dir / "a", "1");
    std::filesystem::create_directory(dir / "d");
    polled_folder all(dir);
    std::filesystem::rename(dir / "a", dir / "e");
    std::filesystem::rename(dir / "d", dir / "a");
    const auto seen = all.until("created e");
    EXPECT_TRUE(seen == (texts{"removed d/", "removed a", "created a/", "created e"}) || seen.size() > 4);
}

TEST(FsWatchPolling, WithoutRecursionOnlyTheDirectoryItself) {
    const support::temp_dir dir;
    std::filesystem::create_directory(dir / "sub");
    polled_folder all(dir, fs::watch_options().recursive(false));
    set_contents(dir / "sub/hidden", "");
    set_contents(dir / "seen", "");
    EXPECT_EQ(all.until("created seen"), (texts{"created seen"}));
}

TEST(FsWatchPolling, PathThatDoesNotExistMayAppearAndVanish) {
    const support::temp_dir dir;
    polled_folder all(dir, {}, "no/file");
    std::filesystem::create_directory(dir / "no");
    set_contents(dir / "no/file", "1");
    EXPECT_EQ(all.until("created no/file"), (texts{"created no/file"}));
    std::filesystem::remove_all(dir / "no");
    EXPECT_EQ(all.until("removed no/file"), (texts{"removed no/file"}));
    std::filesystem::create_directories(dir / "no/file/sub");
    const auto again = all.until("created no/file/sub/");
    EXPECT_EQ(again.front(), "created no/file/");
}

TEST(FsWatchPolling, DirectoryThatCannotBeReadKeepsItsEntries) {
    const support::temp_dir dir;
    std::filesystem::permissions(dir / "", std::filesystem::perms(0755));
    std::filesystem::create_directory(dir / "sub");
    set_contents(dir / "sub/a", "");
    const auto as_owner = [&] {
        polled_folder all(dir);
        ::chmod((dir / "sub").c_str(), 0);
        EXPECT_EQ(all.until("rescan sub/ Permission denied"),
                  (texts{"metadata sub/", "rescan sub/ Permission denied"}));
        set_contents(dir / "b", "");
        EXPECT_EQ(all.until("created b"), (texts{"created b"}));
        ::chmod((dir / "sub").c_str(), 0755);
        EXPECT_EQ(all.until("metadata sub/"), (texts{"metadata sub/"}));
    };
    if (::geteuid() != 0) return as_owner();
    for (const auto& path : {dir / "", dir / "sub", dir / "sub/a"})
        ASSERT_EQ(::chown(path.c_str(), support::other_user, support::other_user), 0);
    support::as_other_user(as_owner);
}

TEST(FsWatchPolling, PathThatCannotBeReadIsAnError) {
    eddy::runtime runs;
    const auto begun = runs.block_on(fs::watch("/tmp/" + std::string(300, 'x'), fs::watch_options().poll_every(1ms)));
    ASSERT_FALSE(begun);
    EXPECT_EQ(begun.error(), std::errc::filename_too_long);
}

TEST(FsWatchPolling, SetThatAppliesTheChangesIsWhatFindPrints) {
    const support::temp_dir dir;
    polled_folder all(dir);
    std::set<std::string> paths;
    std::minstd_rand dice(8212);
    const auto name = [&] { return dir / ("abc"[dice() % 3] + ("/" + std::string(1, "abc"[dice() % 3]))); };
    for (int round = 0; round < 30; ++round) {
        for (int i = 0; i < 5; ++i) {
            std::error_code ignored;
            switch (dice() % 4) {
            case 0: std::filesystem::create_directories(name(), ignored); break;
            case 1: std::filesystem::remove_all(name(), ignored); break;
            case 2: std::filesystem::rename(name(), name(), ignored); break;
            default:
                std::filesystem::create_directory(std::filesystem::path(name()).parent_path(), ignored);
                if (!std::filesystem::is_directory(name(), ignored)) set_contents(dir / "x", std::to_string(round));
            }
        }
        const auto mark = "mark" + std::to_string(round);
        set_contents(dir / mark, "");
        auto changes = all.until("created " + mark);
        // The mark may have come with an earlier part of the scan than other changes.
        set_contents(dir / (mark + "z"), "");
        for (auto& each : all.until("created " + mark + "z")) changes.push_back(std::move(each));
        for (const auto& each : changes) {
            const auto path = each.substr(each.find(' ') + 1);
            const auto plain = path.ends_with('/') ? path.substr(0, path.size() - 1) : path;
            if (each.starts_with("created ")) paths.insert(plain);
            if (each.starts_with("removed "))
                std::erase_if(paths, [&](const std::string& p) { return p == plain || p.starts_with(plain + "/"); });
        }
    }
    std::set<std::string> expected;
    const auto listed = support::output_of("cd " + dir / "" + " && find . -mindepth 1 -printf '%P\\n'");
    for (std::size_t at = 0; at < listed.size(); at = listed.find('\n', at) + 1)
        expected.insert(listed.substr(at, listed.find('\n', at) - at));
    EXPECT_EQ(paths, expected);
}

}  // namespace
#endif
