// SPDX-License-Identifier: MIT
// Operations on directories and trees: each of their system calls fails once, and a kernel without openat2(2).
// runs: once, asan, faults
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/eddy.hpp>
#include <eddy/fs.hpp>
#include <support/file_contents.hpp>
#include <support/fs/deep_tree.hpp>
#include <support/fs/file_faults.hpp>
#include <support/fs/on_loop.hpp>
#include <support/net.hpp>
#include <support/random_tree.hpp>
#include <support/temp_dir.hpp>

namespace {

namespace fs = eddy::fs;
using support::on_loop;
using outcome = eddy::task<fs::result<void>>;

/// A tree with an entry of each kind.
void make_tree(const std::string& path) {
    std::filesystem::create_directories(path + "/sub/below");
    support::put_file(path + "/sub/file", "text");
    support::put_file(path + "/sub/below/file", std::string(100'000, 'x'));
    std::filesystem::create_symlink("file", path + "/sub/link");
    std::filesystem::create_hard_link(path + "/sub/file", path + "/sub/second");
    ::mkfifo((path + "/fifo").c_str(), 0600);
}

/// Runs `work` again and again. In run n, system call n fails. Ends when a run makes fewer calls. Checks that an error
/// is the one of the call and names `path`, and that no descriptor is left. Calls `check` after each run.
void fail_each_call(const std::string& path, const std::function<outcome()>& work, const std::function<void()>& check) {
    for (const int error : {ENOSPC, EIO, EINTR, EMFILE}) {
        for (std::size_t n = 0;; ++n) {
            SCOPED_TRACE("call " + std::to_string(n) + ", error " + std::to_string(error));
            eddy::core loop;
            loop.run([]() -> eddy::task<void> { static_cast<void>(co_await fs::exists("/")); }());  // starts a thread
            const auto before = support::fd_count();
            support::fail_file_call(n, error);
            const auto done = loop.run(work());
            const bool has_failed = support::has_file_call_failed();
            support::pass_file_calls();
            if (!done) {
                EXPECT_TRUE(has_failed);
                EXPECT_EQ(done.error(), std::error_code(error, std::generic_category()));
                EXPECT_TRUE(done.error().message().contains(path)) << done.error().message();
                EXPECT_NE(error, EINTR) << done.error().message();
            }
            EXPECT_EQ(support::fd_count(), before);
            check();
            if (!has_failed || testing::Test::HasFailure()) break;
        }
    }
}

template <class T>
fs::result<void> without_value(const fs::result<T>& from) {
    if (!from) return std::unexpected(from.error());
    return {};
}

TEST(FsTreeFaults, RemoveAllCanBeRepeated) {
    const support::temp_dir temp;
    make_tree(temp / "tree");
    fail_each_call(
        temp / "tree",
        [&]() -> outcome {
            const auto removed = co_await fs::remove_all(temp / "tree");
            co_return without_value(removed);
        },
        [&] {
            EXPECT_TRUE(on_loop(fs::remove_all(temp / "tree")));
            EXPECT_FALSE(std::filesystem::exists(temp / "tree"));
            make_tree(temp / "tree");
        });
}

// Some file systems do not return all entries while they are removed.
TEST(FsTreeFaults, EachDirectoryMayNeedToBeReadAgain) {
    const support::temp_dir temp;
    for (int i = 0; i < 150; ++i) std::filesystem::create_directories(temp / ("tree/" + std::to_string(i)));
    const support::refused_file_call refused("unlinkat", ENOTEMPTY, 2);
    EXPECT_EQ(on_loop(fs::remove_all(temp / "tree")).value(), 151U);
}

TEST(FsTreeFaults, DirectoryThatIsNeverEmptyIsAnError) {
    const support::temp_dir temp;
    std::filesystem::create_directories(temp / "tree/sub");
    const support::refused_file_call refused("unlinkat", ENOTEMPTY);
    const auto removed = on_loop(fs::remove_all(temp / "tree/"));
    ASSERT_FALSE(removed);
    EXPECT_EQ(removed.error().message(), "remove " + (temp / "tree/sub") + ": Directory not empty");
}

/// Checks that all files of a copy are whole. (No programs: there are hundreds of runs.)
void expect_whole_files(const std::filesystem::path& copy, const std::filesystem::path& tree) {
    if (!std::filesystem::exists(copy)) return;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(copy)) {
        if (!entry.is_regular_file() || entry.is_symlink()) continue;
        const auto original = tree / entry.path().lexically_relative(copy);
        EXPECT_TRUE(support::contents_of(entry.path()) == support::contents_of(original)) << entry.path();
    }
}

TEST(FsTreeFaults, CopyTreeLeavesNoPartOfAFile) {
    const support::temp_dir temp;
    make_tree(temp / "tree");
    fail_each_call(
        temp / "tree",
        [&]() -> outcome {
            const auto copied = co_await fs::copy_tree(temp / "tree", temp / "copy");
            co_return without_value(copied);
        },
        [&] {
            expect_whole_files(temp / "copy", temp / "tree");
            std::filesystem::remove_all(temp / "copy");
        });
}

TEST(FsTreeFaults, OverwriteLeavesTheOldOrTheNewEntry) {
    const support::temp_dir temp;
    make_tree(temp / "tree");
    const auto prepare = [&] {
        std::filesystem::remove_all(temp / "copy");
        std::filesystem::create_directories(temp / "copy/sub");
        support::put_file(temp / "copy/sub/file", "old");
        support::put_file(temp / "copy/sub/second", "old");
        std::filesystem::create_symlink("old", temp / "copy/sub/link");
        ::mkfifo((temp / "copy/fifo").c_str(), 0600);
    };
    prepare();
    fail_each_call(
        temp / "tree",
        [&]() -> outcome {
            const auto copied =
                co_await fs::copy_tree(temp / "tree", temp / "copy", fs::copy_options().overwrite(true));
            co_return without_value(copied);
        },
        [&] {
            for (const auto* name : {"file", "second"}) {
                const auto text = support::contents_of((temp / "copy/sub/") + name);
                EXPECT_TRUE(text == "old" || text == "text") << name << ": " << text;
            }
            const auto link = std::filesystem::read_symlink(temp / "copy/sub/link");
            EXPECT_TRUE(link == "old" || link == "file") << link;
            EXPECT_TRUE(std::filesystem::is_fifo(temp / "copy/fifo"));
            for (const auto& entry : std::filesystem::recursive_directory_iterator(temp / "copy"))
                EXPECT_FALSE(entry.path().filename().native().starts_with(".copy.")) << entry.path();
            prepare();
        });
}

/// Runs `work`. Calls `meanwhile` while a call of `function` waits, which then fails with `error` if it is not 0.
template <class Work>
auto run_with(const char* function, int error, Work work, const std::function<void()>& meanwhile) {
    support::held_file_call held(function, error);
    std::thread other([&] {
        held.wait_until_held();
        meanwhile();
        held.release();
    });
    auto done = on_loop(std::move(work));
    other.join();
    return done;
}

TEST(FsTreeFaults, SubdirectoryMovedToTheTargetIsNotCopiedToItself) {
    const support::temp_dir temp;
    make_tree(temp / "tree");
    std::filesystem::create_directory(temp / "copy");
    const auto from = on_loop(fs::open_dir(temp / "tree")).value();
    const auto to = on_loop(fs::open_dir(temp / "copy")).value();
    const auto copied = run_with("mkdirat", 0, fs::copy_tree(from, to, fs::copy_options().overwrite(true)),
                                 [&] { std::filesystem::rename(temp / "tree/sub", temp / "copy/sub"); });
    EXPECT_EQ(copied.error(), fs::errc::same_file);
    EXPECT_EQ(support::output_of("cat " + (temp / "copy/sub/file")), "text");
}

// Near the top, the directory above was closed on the way down, and is opened by "..". Near the bottom it is open.
TEST(FsTreeFaults, WayOutOfAMovedDirectoryIsTheOldOneOrNone) {
    for (const std::size_t level : {20, 110}) {
        const support::temp_dir temp;
        support::make_fork(temp / "tree", 130, 0);
        std::filesystem::create_directory(temp / "outside");
        for (const std::string name : {"d", "x", "y"}) support::put_file((temp / "outside/") + name, "");
        std::string moved = temp / "tree";
        for (std::size_t i = 0; i < level; ++i) moved += "/d";
        const auto removed = run_with("unlinkat", 0, fs::remove_all(temp / "tree"),
                                      [&] { std::filesystem::rename(moved, temp / "outside/moved"); });
        if (level == 20) {
            ASSERT_FALSE(removed);
            EXPECT_EQ(removed.error(), std::errc::resource_unavailable_try_again);
            EXPECT_TRUE(on_loop(fs::remove_all(temp / "tree")));
        } else {
            EXPECT_EQ(removed.value(), 134U);  // all except the directory that was moved
        }
        EXPECT_FALSE(std::filesystem::exists(temp / "tree"));
        EXPECT_EQ(support::output_of("ls " + (temp / "outside")), "d\nmoved\nx\ny\n");
    }
}

// Each directory that is closed on the way down, or opened on the way back, is asked for its identity.
TEST(FsTreeFaults, DirectoryOfUnknownIdentityEndsADeepVisit) {
    const support::temp_dir temp;
    for (std::size_t every = 1; every <= 6; ++every) {
        support::make_fork(temp / "tree", 1, 66);
        const auto removed = [&] {
            const support::refused_file_call refused("fstat", EIO, every);
            return on_loop(fs::remove_all(temp / "tree"));
        }();
        ASSERT_FALSE(removed) << every;
        EXPECT_EQ(removed.error(), std::errc::io_error);
        EXPECT_TRUE(removed.error().path().native().starts_with(temp / "tree/d"));
        EXPECT_TRUE(on_loop(fs::remove_all(temp / "tree")));
    }
}

// With the flag that refuses symbolic links, and without it as in old versions of glibc.
TEST(FsTreeFaults, PermissionsOfASpecialFileAreNotThoseOfALinkTarget) {
    const support::temp_dir temp;
    std::filesystem::create_directory(temp / "tree");
    ::mkfifo((temp / "tree/fifo").c_str(), 0600);
    ::chmod((temp / "tree/fifo").c_str(), 0666);
    support::put_file(temp / "outside", "");
    ::chmod((temp / "outside").c_str(), 0600);
    for (const int error : {0, EOPNOTSUPP}) {
        const auto copied = run_with("fchmodat", error, fs::copy_tree(temp / "tree", temp / "copy"), [&] {
            std::filesystem::remove(temp / "copy/fifo");
            std::filesystem::create_symlink(temp / "outside", temp / "copy/fifo");
        });
        EXPECT_EQ(copied.error(), std::errc::operation_not_supported);
        EXPECT_EQ(support::output_of("stat -c %a " + (temp / "outside")), "600\n");
        std::filesystem::remove_all(temp / "copy");
    }
    const support::refused_file_call refused("fchmodat", EOPNOTSUPP);
    EXPECT_TRUE(on_loop(fs::copy_tree(temp / "tree", temp / "copy")));
    EXPECT_EQ(support::output_of("stat -c %a " + (temp / "copy/fifo")), "666\n");
}

// EINVAL: the owner has no number in this user namespace.
TEST(FsTreeFaults, CopyWithAnotherOwnerHasNoSetIdBits) {
    const support::temp_dir temp;
    std::filesystem::create_directory(temp / "tree");
    support::put_file(temp / "tree/program", "");
    ::chmod((temp / "tree/program").c_str(), 06755);
    ::mkfifo((temp / "tree/fifo").c_str(), 0600);
    for (const int error : {EPERM, EINVAL}) {
        for (const auto* call : {"fchown", "fchownat"}) {
            const support::refused_file_call refused(call, error);
            ASSERT_TRUE(on_loop(fs::copy_tree(temp / "tree", temp / "copy")));
            const auto* const expected = call == std::string_view("fchown") ? "755\n" : "6755\n";
            EXPECT_EQ(support::output_of("stat -c %a " + (temp / "copy/program")), expected);
            std::filesystem::remove_all(temp / "copy");
        }
    }
}

TEST(FsTreeFaults, OperationsBelowADirectory) {
    const support::temp_dir temp;
    make_tree(temp / "tree");
    fail_each_call(
        temp / "tree",
        [&]() -> outcome {
            auto top = co_await fs::open_dir(temp / "tree");
            if (!top) co_return without_value(top);
            const auto created = co_await top->create_dir("sub/new");
            if (!created) co_return created;
            const auto opened = co_await top->open("sub/file");
            if (!opened) co_return without_value(opened);
            const auto found = co_await top->metadata("sub/link");
            if (!found) co_return without_value(found);
            auto entries = top->entries();
            while (auto entry = co_await entries.next()) {
                if (!*entry) co_return without_value(*entry);
            }
            const auto renamed = co_await top->rename("sub/new", "sub/newer");
            if (!renamed) co_return renamed;
            co_return co_await top->remove("sub/newer");
        },
        [&] {
            std::filesystem::remove(temp / "tree/sub/new");
            std::filesystem::remove(temp / "tree/sub/newer");
        });
}

TEST(FsTreeFaults, WalkReturnsErrorsAndContinues) {
    const support::temp_dir temp;
    make_tree(temp / "tree");
    fail_each_call(
        temp / "tree",
        [&]() -> outcome {
            fs::result<void> last;
            auto found = fs::walk(temp / "tree", fs::walk_options().metadata(true));
            while (auto batch = co_await found.next()) {
                if (!*batch) last = without_value(*batch);
            }
            co_return last;
        },
        [] {});
}

TEST(FsTreeFaults, EntriesReadBeforeAnErrorAreReturned) {
    const support::temp_dir temp;
    for (const std::string name : {"a", "b", "c", "d"}) support::put_file(temp / name, "");
    const auto top = on_loop(fs::open_dir(temp / ".")).value();
    eddy::core loop;
    // The first three names may include "." and "..".
    std::optional<support::refused_file_call> refused(std::in_place, "readdir", EIO, 4);
    auto entries = top.entries();
    std::size_t count = 0;
    for (;; ++count) {
        const auto entry = loop.run(entries.next()).value();
        if (entry) continue;
        EXPECT_EQ(entry.error(), std::errc::io_error);
        break;
    }
    EXPECT_GE(count, 1U);
    EXPECT_FALSE(loop.run(entries.next()));
    refused.emplace("readdir", EIO, 4);
    auto found = fs::walk(top);
    const auto batch = loop.run(found.next()).value();
    ASSERT_TRUE(batch);
    EXPECT_EQ(batch->entries.size(), count);
    EXPECT_EQ(loop.run(found.next()).value().error(), std::errc::io_error);
    EXPECT_FALSE(loop.run(found.next()));
}

TEST(FsTreeFaults, WatchReportsWhatItCannotWatch) {
    const support::temp_dir temp;
    make_tree(temp / "tree");
    fail_each_call(
        temp / "tree",
        [&]() -> outcome {
            auto changes = co_await fs::watch(temp / "tree");
            if (!changes) co_return without_value(changes);
            std::filesystem::create_directories(temp / "tree/new/below");
            support::put_file(temp / "tree/end", "");
            bool is_incomplete = false;
            while (auto change = co_await changes->next()) {
                if (!*change) co_return without_value(*change);
                if ((*change)->kind == fs::change_kind::rescan) is_incomplete = true;
                if ((*change)->path == temp / "tree/end") break;
            }
            EXPECT_TRUE(!is_incomplete || support::has_file_call_failed());
            co_return {};
        },
        [&] {
            std::filesystem::remove_all(temp / "tree/new");
            std::filesystem::remove(temp / "tree/end");
        });
}

TEST(FsTreeFaults, ScanThatEndsEarlyIsARescan) {
    const support::temp_dir temp;
    make_tree(temp / "tree");
    eddy::core loop;
    auto changes = [&] {
        const support::refused_file_call refused("fdopendir", EIO);
        return loop.run(fs::watch(temp / "tree")).value();
    }();
    const auto rescan = loop.run(changes.next()).value().value();
    EXPECT_EQ(rescan.kind, fs::change_kind::rescan);
    EXPECT_EQ(rescan.path, temp / "tree");
    EXPECT_EQ(rescan.reason, std::errc::io_error);
}

TEST(FsTreeFaults, AllPathsAreWatchedWhenWatchReturns) {
    const support::temp_dir temp;
    std::filesystem::create_directory(temp / "a");
    std::filesystem::create_directory(temp / "b");
    eddy::core loop;
    // The first directory is watched and not read yet: the new one in it is reported while watch() runs.
    support::held_file_call held("fdopendir");
    std::thread other([&] {
        held.wait_until_held();
        std::filesystem::create_directory(temp / "a/new");
        held.release();
    });
    auto changes = loop.run(fs::watch(std::vector<std::filesystem::path>{temp / "a", temp / "b"})).value();
    other.join();
    support::put_file(temp / "b/file", "");
    support::put_file(temp / "a/end", "");
    bool is_file_reported = false;
    for (;;) {
        const auto change = loop.run(changes.next()).value().value();
        if (change.path == temp / "b/file") is_file_reported = true;
        if (change.path == temp / "a/end") break;
    }
    EXPECT_TRUE(is_file_reported);
}

TEST(FsTreeFaults, DirectoryRemovedDuringWatchIsAnError) {
    const support::temp_dir temp;
    std::filesystem::create_directory(temp / "tree");
    const auto changes =
        run_with("fstat", 0, fs::watch(temp / "tree/"), [&] { std::filesystem::remove(temp / "tree"); });
    ASSERT_FALSE(changes);
    EXPECT_EQ(changes.error().message(), "watch " + (temp / "tree") + ": No such file or directory");
}

TEST(FsTreeFaults, LimitOfWatchesIsRescan) {
    const support::temp_dir temp;
    std::filesystem::create_directory(temp / "tree");
    eddy::core loop;
    auto changes = loop.run(fs::watch(temp / "tree")).value();
    const support::refused_file_call refused("inotify_add_watch", ENOSPC);
    std::filesystem::create_directory(temp / "tree/new");
    EXPECT_EQ(loop.run(changes.next()).value()->kind, fs::change_kind::created);
    const auto rescan = loop.run(changes.next()).value().value();
    EXPECT_EQ(rescan.kind, fs::change_kind::rescan);
    EXPECT_EQ(rescan.path, temp / "tree/new");
    EXPECT_EQ(rescan.reason, std::errc::no_space_on_device);
    EXPECT_EQ(loop.run(fs::watch(temp / "tree")).error().message(),
              "watch " + (temp / "tree") + ": No space left on device");
}

TEST(FsTreeFaults, SyncOfADirectoryCallsFsync) {
    const support::temp_dir temp;
    const auto top = on_loop(fs::open_dir(temp / ".")).value();
    EXPECT_TRUE(on_loop(top.sync_all()));
    const support::refused_file_call refused("fsync", EIO);
    EXPECT_EQ(on_loop(top.sync_all()).error().message(), "sync " + (temp / ".") + ": Input/output error");
}

// EAGAIN: another process has renamed a directory meanwhile.
TEST(FsTreeFaults, PathIsResolvedAgainAfterARename) {
    const support::temp_dir temp;
    make_tree(temp / "tree");
    const auto top = on_loop(fs::open_dir(temp / "tree")).value();
    {
        const support::refused_file_call refused("openat2", EAGAIN, 2);  // each second call
        for (int i = 0; i < 3; ++i) EXPECT_TRUE(on_loop(top.open("sub/file")));
    }
    const support::refused_file_call refused("openat2", EAGAIN);
    EXPECT_EQ(on_loop(top.open("sub/file")).error(), std::errc::resource_unavailable_try_again);
}

TEST(FsTreeFaults, WatchOfAFileReportsWhatItCannotWatch) {
    const support::temp_dir temp;
    std::filesystem::create_directories(temp / "tree/cfg");
    std::filesystem::create_directories(temp / "tree/real");
    support::put_file(temp / "tree/real/c", "");
    std::filesystem::create_symlink("../real/c", temp / "tree/cfg/c");
    fail_each_call(
        temp / "tree",
        [&]() -> outcome {
            auto changes = co_await fs::watch(temp / "tree/cfg/c");
            if (!changes) co_return without_value(changes);
            support::put_file(temp / "tree/real/new", "");
            std::filesystem::rename(temp / "tree/real/new", temp / "tree/real/c");
            bool is_incomplete = false;
            for (bool is_replaced = false; !is_replaced;) {
                const auto change = co_await changes->next();
                if (!*change) co_return without_value(*change);
                is_incomplete |= (*change)->kind == fs::change_kind::rescan;
                is_replaced = is_incomplete || (*change)->kind == fs::change_kind::created;
            }
            EXPECT_TRUE(!is_incomplete || support::has_file_call_failed());
            co_return {};
        },
        [] {});
}

// The watches are those of cfg, of the folder, of real (twice: its names, and the files with them) and of the file.
TEST(FsTreeFaults, LimitOfWatchesOnTheRouteIsRescan) {
    const support::temp_dir temp;
    for (const auto* name : {"cfg", "real"}) std::filesystem::create_directory(temp / name);
    support::put_file(temp / "real/c", "");
    std::filesystem::create_symlink("../real/c", temp / "cfg/c");
    for (std::size_t nth = 1; nth <= 6; ++nth) {
        eddy::core loop;
        auto changes = [&] {
            const support::refused_file_call refused("inotify_add_watch", ENOSPC, nth);
            return loop.run(fs::watch(temp / "cfg/c"));
        }();
        ASSERT_EQ(changes.has_value(), nth != 1);
        if (nth == 1) {
            EXPECT_EQ(changes.error(), std::errc::no_space_on_device);
            continue;
        }
        if (nth < 6) {
            const auto rescan = loop.run(changes->next()).value().value();
            EXPECT_EQ(rescan.kind, fs::change_kind::rescan);
            EXPECT_EQ(rescan.path, temp / "cfg/c");
            EXPECT_EQ(rescan.reason, std::errc::no_space_on_device);
        }
        // The name of the file, or the file itself, is watched nevertheless.
        support::put_file(temp / "cfg/c", "text");
        EXPECT_EQ(loop.run(changes->next()).value()->kind, fs::change_kind::modified) << nth;
    }
}

// The errors of a kernel before 5.6, and of a seccomp filter.
TEST(FsTreeFaults, WithoutOpenat2NoLinkIsFollowed) {
    const support::temp_dir temp;
    make_tree(temp / "tree");
    support::put_file(temp / "outside", "outside");
    std::filesystem::create_symlink("../outside", temp / "tree/out");
    for (const int error : {ENOSYS, EPERM}) {
        const support::refused_file_call refused("openat2", error);
        const auto top = on_loop(fs::open_dir(temp / "tree")).value();
        EXPECT_TRUE(on_loop(top.open("sub/file")));
        EXPECT_TRUE(on_loop(top.metadata("sub/below")).value().is_directory());
        EXPECT_EQ(on_loop(top.open("sub/link")).error(), std::errc::too_many_symbolic_link_levels);
        EXPECT_EQ(on_loop(top.open("out")).error(), std::errc::too_many_symbolic_link_levels);
        EXPECT_EQ(on_loop(top.metadata("out")).error(), std::errc::too_many_symbolic_link_levels);
        EXPECT_TRUE(on_loop(top.symlink_metadata("out")).value().is_symlink());
        EXPECT_EQ(on_loop(top.open("sub/../sub/file")).error(), std::errc::cross_device_link);
        EXPECT_EQ(on_loop(top.create_dir("../new")).error(), std::errc::cross_device_link);
        EXPECT_TRUE(on_loop(top.create_dir("sub/new")));
        EXPECT_EQ(on_loop(top.remove_all("sub/new")).value(), 1U);
        EXPECT_TRUE(on_loop(fs::watch(temp / "tree")));
    }
}

}  // namespace
