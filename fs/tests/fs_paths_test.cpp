// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/eddy.hpp>
#include <eddy/fs.hpp>

#include <support/executors.hpp>
#include <support/file_contents.hpp>
#include <support/fs/on_loop.hpp>
#include <support/random_tree.hpp>
#include <support/stress.hpp>
#include <support/temp_dir.hpp>

// Operations on paths.

namespace {

namespace fs = eddy::fs;
using support::contents_of;
using support::on_loop;
using support::output_of;
using support::set_contents;
using checked = eddy::task<fs::result<void>>;

/// Runs a coroutine whose errors fail the test.
template <class F>
void on_a_loop(F test) {
    support::executor runs(0);
    const auto done = runs.run(test());
    EXPECT_TRUE(done) << done.error().message();
}

std::size_t entries_of(const std::string& dir) {
    const std::filesystem::directory_iterator all(dir);
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

// ---- Contents ----

// covers: P072
TEST(FsPaths, ReadAndWriteWholeFiles) {
    const support::temp_dir dir;
    on_a_loop([&]() -> checked {
        co_await eddy::try_(fs::write(dir / "a", "hello"));
        co_await eddy::try_(fs::append(dir / "a", ", world"));
        co_await eddy::try_(fs::append(dir / "b", "new"));
        const auto text = co_await eddy::try_(fs::read_to_string(dir / "a"));
        EXPECT_EQ(text, "hello, world");
        const auto bytes = co_await eddy::try_(fs::read(dir / "b"));
        EXPECT_EQ(bytes, (std::vector{std::byte{'n'}, std::byte{'e'}, std::byte{'w'}}));
        co_await eddy::try_(fs::write(dir / "a", "x"));
        EXPECT_EQ(contents_of(dir / "a"), "x");
        co_await eddy::try_(fs::write(dir / "empty", ""));
        const auto nothing = co_await eddy::try_(fs::read(dir / "empty"));
        EXPECT_TRUE(nothing.empty());
        co_return {};
    });
}

TEST(FsPaths, LinesThatTasksAppendAtOnceStayWhole) {
    const support::temp_dir dir;
    std::vector<std::string> lines;
    for (int i = 0; i < 26; ++i) lines.emplace_back(10'000, static_cast<char>('a' + i));
    on_a_loop([&]() -> checked {
        std::vector<eddy::join_handle<fs::result<void>>> appending;
        for (const auto& line : lines) appending.push_back(eddy::spawn(fs::append(dir / "log", line + '\n')));
        for (auto& each : appending) {
            auto joined = co_await each;
            co_await eddy::try_(joined.value());
        }
        co_return {};
    });
    std::istringstream written(contents_of(dir / "log"));
    std::vector<std::string> found;
    for (std::string line; std::getline(written, line);) found.push_back(line);
    std::ranges::sort(found);
    EXPECT_EQ(found, lines);
}

TEST(FsPaths, ReadRefusesMoreThanTheLimit) {
    const support::temp_dir dir;
    set_contents(dir / "a", "12345");
    on_a_loop([&]() -> checked {
        const auto fits = co_await eddy::try_(fs::read(dir / "a", 5));
        EXPECT_EQ(fits.size(), 5U);
        const auto larger = co_await fs::read(dir / "a", 4);
        EXPECT_EQ(larger.error(), fs::errc::file_too_large);
        EXPECT_EQ(larger.error(), std::errc::file_too_large);
        const auto proc = co_await fs::read("/proc/self/status", 10);  // its size is 0
        EXPECT_EQ(proc.error(), fs::errc::file_too_large);
        co_return {};
    });
}

TEST(FsPaths, ReadToStringRefusesBytesThatAreNotUtf8) {
    const support::temp_dir dir;
    set_contents(dir / "a", "\xff");
    on_a_loop([&]() -> checked {
        const auto text = co_await fs::read_to_string(dir / "a");
        EXPECT_EQ(text.error(), eddy::errc::invalid_utf8);
        const auto missing = co_await fs::read(dir / "b");
        EXPECT_EQ(missing.error().message(), "read " + (dir / "b") + ": No such file or directory");
        const auto folder = co_await fs::read(dir / ".");
        EXPECT_EQ(folder.error(), fs::errc::directory);
        const auto device = co_await fs::read("/dev/zero");
        EXPECT_EQ(device.error(), fs::errc::device);
        co_return {};
    });
}

TEST(FsPaths, CopyKeepsContentsAndPermissions) {
    const support::temp_dir dir;
    const std::string text(3'000'000, 'c');
    set_contents(dir / "a", text);
    ASSERT_EQ(::chmod((dir / "a").c_str(), 0640), 0);
    set_contents(dir / "b", text + "longer");
    on_a_loop([&]() -> checked {
        for (const auto* to : {"b", "c"}) {
            const auto count = co_await eddy::try_(fs::copy(dir / "a", dir / to));
            EXPECT_EQ(count, text.size());
            EXPECT_EQ(contents_of(dir / to), text);
            EXPECT_EQ(std::filesystem::status(dir / to).permissions(), std::filesystem::perms(0640));
        }
        const auto same = co_await fs::copy(dir / "a", dir / "./a");
        EXPECT_EQ(same.error(), fs::errc::same_file);
        EXPECT_EQ(contents_of(dir / "a"), text);
        const auto directory = co_await fs::copy(dir / ".", dir / "a");
        EXPECT_EQ(directory.error(), fs::errc::directory);
        EXPECT_EQ(contents_of(dir / "a"), text);
        const auto missing = co_await fs::copy(dir / "x", dir / "y");
        EXPECT_EQ(missing.error().message(),
                  "copy " + (dir / "x") + " to " + (dir / "y") + ": " + (dir / "x") + ": No such file or directory");
        const auto nowhere = co_await fs::copy(dir / "a", dir / "no/y");
        EXPECT_EQ(nowhere.error().failed(), fs::side::second);
        EXPECT_EQ(nowhere.error().message(), "copy " + (dir / "a") + " to " + (dir / "no/y") + ": " + (dir / "no/y") +
                                                 ": No such file or directory");
        EXPECT_FALSE(std::filesystem::exists(dir / "y"));
        co_return {};
    });
}

#ifdef __linux__
// copy_file_range(2) returns 0 for it.
TEST(FsPaths, CopyReadsFilesOfProc) {
    const support::temp_dir dir;
    on_a_loop([&]() -> checked {
        const auto count = co_await eddy::try_(fs::copy("/proc/self/cmdline", dir / "a"));
        const auto expected = contents_of("/proc/self/cmdline");
        EXPECT_EQ(count, expected.size());
        EXPECT_EQ(contents_of(dir / "a"), expected);
        co_return {};
    });
}

TEST(FsPaths, CopyBetweenFileSystems) {
    if (!std::filesystem::is_directory("/dev/shm")) GTEST_SKIP() << "there is no second file system";
    const support::temp_dir dir;
    set_contents(dir / "a", std::string(1'000'000, 's'));
    const std::string there = "/dev/shm/eddy-copy-" + std::to_string(::getpid());
    on_a_loop([&]() -> checked {
        const auto count = co_await eddy::try_(fs::copy(dir / "a", there));
        EXPECT_EQ(count, 1'000'000U);
        EXPECT_EQ(contents_of(there), contents_of(dir / "a"));
        co_return {};
    });
    std::filesystem::remove(there);
}
#endif

#ifdef __linux__
std::string time_text(fs::file_time time) {
    const auto count = time.time_since_epoch().count();
    const auto nanoseconds = std::to_string(1'000'000'000 + count % 1'000'000'000).substr(1);
    return std::to_string(count / 1'000'000'000) + "." + nanoseconds + "0";
}

/// Returns the same line as `find -printf '%i %m %n %U %G %s %b %A@ %T@ %C@'`.
std::string line_of(const fs::file_metadata& its) {
    std::ostringstream text;
    text << its.inode << ' ' << std::oct << static_cast<unsigned>(its.permissions) << std::dec << ' ' << its.links
         << ' ' << its.user << ' ' << its.group << ' ' << its.size << ' ' << its.allocated / 512 << ' '
         << time_text(its.accessed) << ' ' << time_text(its.modified) << ' ' << time_text(its.changed);
    return text.str();
}

TEST(FsPathsStress, MetadataAndContentsAreThoseOfFindAndSha256sum) {
    for (auto round = support::rounds(300); round > 0; --round) {
        const support::temp_dir dir;
        support::random_tree(support::seed() + round).make(dir / "tree", 100);
        std::filesystem::create_directory(dir / "read");
        const auto sums = support::output_of("cd " + (dir / "tree") +
                                             " && find . -type f -exec sha256sum -z {} + | cut -z -c1-64 | sort -zu");
        std::istringstream found(support::output_of("cd " + (dir / "tree") +
                                                    " && find . -printf '%p\\0%i %m %n %U %G %s %b %A@ %T@ %C@\\0'"));
        for (std::string name, line; std::getline(found, name, '\0') && std::getline(found, line, '\0');) {
            const auto its = on_loop(fs::symlink_metadata(dir / ("tree/" + name))).value();
            EXPECT_EQ(line_of(its), line) << name;
            if (!its.is_regular()) continue;
            const auto bytes = on_loop(fs::read(dir / ("tree/" + name))).value();
            EXPECT_TRUE(on_loop(fs::write(dir / ("read/" + std::to_string(its.inode)), bytes)));
        }
        EXPECT_EQ(support::output_of("find " + (dir / "read") +
                                     " -type f -exec sha256sum -z {} + | cut -z -c1-64 | sort -zu"),
                  sums);
    }
}
#endif

// ---- write_atomically ----

TEST(FsWriteAtomically, ReplacesContentsAndKeepsPermissions) {
    const support::temp_dir dir;
    on_a_loop([&]() -> checked {
        co_await eddy::try_(fs::write_atomically(dir / "a", "first"));
        EXPECT_EQ(contents_of(dir / "a"), "first");
        const auto mask = ::umask(0);
        ::umask(mask);
        EXPECT_EQ(std::filesystem::status(dir / "a").permissions(), std::filesystem::perms(0666 & ~mask));
        EXPECT_EQ(::chmod((dir / "a").c_str(), 04751), 0);
        EXPECT_EQ(::symlink("a", (dir / "link").c_str()), 0);
        co_await eddy::try_(fs::write_atomically(dir / "link", "second"));
        EXPECT_EQ(contents_of(dir / "a"), "second");
        EXPECT_TRUE(std::filesystem::is_symlink(dir / "link"));
        EXPECT_EQ(std::filesystem::status(dir / "a").permissions(), std::filesystem::perms(04751));
        EXPECT_EQ(entries_of(dir / "."), 2U);
        co_return {};
    });
}

TEST(FsWriteAtomically, NameMayHaveTheGreatestLength) {
    const support::temp_dir dir;
    const auto path = dir / std::string(255, 'x');
    on_a_loop([&]() -> checked {
        co_await eddy::try_(fs::write_atomically(path, "first"));
        co_await eddy::try_(fs::write_atomically(path, "second"));
        EXPECT_EQ(contents_of(path), "second");
        co_return {};
    });
}

TEST(FsWriteAtomically, KeepsTheOwner) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can give files away";
    const support::temp_dir dir;
    set_contents(dir / "a", "old");
    ASSERT_EQ(::chown((dir / "a").c_str(), 12345, 54321), 0);
    on_a_loop([&]() -> checked {
        co_await eddy::try_(fs::write_atomically(dir / "a", "new"));
        const auto found = co_await eddy::try_(fs::metadata(dir / "a"));
        EXPECT_EQ(found.user, 12345U);
        EXPECT_EQ(found.group, 54321U);
        co_return {};
    });
}

TEST(FsWriteAtomically, RefusesWhatIsNotARegularFile) {
    const support::temp_dir dir;
    ASSERT_EQ(::mkfifo((dir / "fifo").c_str(), 0600), 0);
    ASSERT_EQ(::symlink("fifo", (dir / "link").c_str()), 0);
    on_a_loop([&]() -> checked {
        const auto fifo = co_await fs::write_atomically(dir / "fifo", "x");
        EXPECT_EQ(fifo.error(), fs::errc::fifo);
        const auto folder = co_await fs::write_atomically(dir / ".", "x");
        EXPECT_EQ(folder.error(), fs::errc::directory);
        const auto link = co_await fs::write_atomically(dir / "link", "x");
        EXPECT_EQ(link.error(), fs::errc::fifo);
        EXPECT_EQ(entries_of(dir / "."), 2U);
        co_return {};
    });
}

// Each path is written by write() and by write_atomically(), in two equal directories.
TEST(FsWriteAtomically, FollowsLinksAsWriteDoes) {
    const support::temp_dir temp;
    const auto make = [&](const std::string& dir) {
        std::filesystem::create_directories(dir + "/sub");
        set_contents(dir + "/file", "old");
        for (const auto& [target, link] : {std::pair("file", "link"),
                                           {"nothing", "dangling"},
                                           {"sub/nothing", "dangling_below"},
                                           {"../first", "sub/first"},
                                           {"sub/first", "second"},
                                           {"none/nothing", "nowhere"},
                                           {"endless", "endless"},
                                           {"sub", "folder"},
                                           {"file/", "no_folder"},
                                           {"new/", "no_name"}})
            std::filesystem::create_symlink(target, dir + "/" + link);
        std::filesystem::create_symlink(dir + "/absolute_target", dir + "/absolute");
        // As many links as the system follows, and one more.
        for (int i = 0; i <= 41; ++i)
            std::filesystem::create_symlink(i == 0 ? "end" : "l" + std::to_string(i - 1),
                                            dir + "/l" + std::to_string(i));
    };
    const auto tree_of = [](const std::string& dir) {
        return output_of("cd " + dir +
                         " && find . -printf '%P %y %l\\n' | sort; find . -type f | sort | xargs tail -n +1");
    };
    for (const std::string path : {"file",    "link",    "dangling", "dangling_below", "second",   "absolute",
                                   "nowhere", "endless", "folder",   "no_folder",      "no_name",  "l38",
                                   "l39",     "l40",     "new",      "new/",           "file/",    "sub",
                                   "sub/",    "sub/.",   "sub/..",   "sub/new",        "none/new", "folder/new",
                                   "link/",   "file/new"}) {
        for (const auto* dir : {"a", "b"}) make(temp / dir);
        const auto written = on_loop(fs::write(temp / ("a/" + path), "text"));
        const auto replaced = on_loop(fs::write_atomically(temp / ("b/" + path), "text"));
        EXPECT_EQ(replaced.has_value(), written.has_value()) << path;
        // With a slash behind the name of a file, open(2) says that it is a directory.
        if (!written && !replaced && replaced.error() != std::errc::not_a_directory) {
            EXPECT_EQ(replaced.error().code().default_error_condition(),
                      written.error().code().default_error_condition())
                << path << ": " << replaced.error().message();
        }
        auto expected = tree_of(temp / "a");
        for (auto at = expected.find(temp / "a/"); at != std::string::npos; at = expected.find(temp / "a/"))
            expected.replace(at, (temp / "a/").size(), temp / "b/");
        EXPECT_EQ(tree_of(temp / "b"), expected) << path;
        for (const auto* dir : {"a", "b"}) std::filesystem::remove_all(temp / dir);
    }
}

TEST(FsWriteAtomically, RelativePathsAreThoseOfTheCurrentDirectory) {
    const support::temp_dir temp;
    const auto before = std::filesystem::current_path();
    std::filesystem::current_path(temp / ".");
    const auto done = on_loop(fs::write_atomically("new", "text"));
    std::filesystem::current_path(before);
    EXPECT_TRUE(done);
    EXPECT_EQ(contents_of(temp / "new"), "text");
}

// ---- Names ----

// covers: P070
TEST(FsPaths, RenameRemoveAndDirectories) {
    const support::temp_dir dir;
    on_a_loop([&]() -> checked {
        co_await eddy::try_(fs::create_dirs(dir / "x/y/z"));
        co_await eddy::try_(fs::create_dirs(dir / "x/y/z"));
        co_await eddy::try_(fs::create_dir(dir / "d", std::filesystem::perms(0700)));
        const auto twice = co_await fs::create_dir(dir / "d");
        EXPECT_EQ(twice.error(), std::errc::file_exists);
        co_await eddy::try_(fs::write(dir / "a", "a"));
        co_await eddy::try_(fs::rename(dir / "a", dir / "x/b"));
        EXPECT_EQ(contents_of(dir / "x/b"), "a");
        const auto missing = co_await fs::rename(dir / "a", dir / "c");
        EXPECT_EQ(missing.error().message(),
                  "rename " + (dir / "a") + " to " + (dir / "c") + ": " + (dir / "a") + ": No such file or directory");
        set_contents(dir / "there", "");
        const auto nowhere = co_await fs::rename(dir / "there", dir / "no/y");
        EXPECT_EQ(nowhere.error().message(), "rename " + (dir / "there") + " to " + (dir / "no/y") + ": " +
                                                 (dir / "no/y") + ": No such file or directory");
        const auto linked = co_await fs::symlink("none", dir / "no/y");
        EXPECT_EQ(linked.error().failed(), fs::side::second);
        co_await eddy::try_(fs::remove(dir / "there"));
        const auto full = co_await fs::remove(dir / "x");
        EXPECT_EQ(full.error(), std::errc::directory_not_empty);
        co_await eddy::try_(fs::remove(dir / "x/b"));
        co_await eddy::try_(fs::remove(dir / "x/y/z"));
        const auto gone = co_await fs::remove(dir / "x/b");
        EXPECT_EQ(gone.error(), std::errc::no_such_file_or_directory);
        co_return {};
    });
}

TEST(FsPaths, LinksAndCanonicalPaths) {
    const support::temp_dir dir;
    on_a_loop([&]() -> checked {
        co_await eddy::try_(fs::write(dir / "a", "a"));
        co_await eddy::try_(fs::symlink("a", dir / "s"));
        co_await eddy::try_(fs::hard_link(dir / "a", dir / "h"));
        const auto target = co_await eddy::try_(fs::read_link(dir / "s"));
        EXPECT_EQ(target, "a");
        const auto whole = co_await eddy::try_(fs::canonical(dir / "./s"));
        EXPECT_EQ(whole, std::filesystem::canonical(dir / "a"));
        const auto found = co_await eddy::try_(fs::metadata(dir / "s"));
        EXPECT_TRUE(found.is_regular());
        EXPECT_EQ(found.links, 2U);
        const auto link = co_await eddy::try_(fs::symlink_metadata(dir / "s"));
        EXPECT_TRUE(link.is_symlink());
        co_await eddy::try_(fs::set_permissions(dir / "s", std::filesystem::perms(0600)));
        EXPECT_EQ(std::filesystem::status(dir / "a").permissions(), std::filesystem::perms(0600));
        const auto none = co_await fs::read_link(dir / "a");
        EXPECT_EQ(none.error(), std::errc::invalid_argument);
        co_await eddy::try_(fs::remove(dir / "s"));
        EXPECT_TRUE(std::filesystem::exists(dir / "a")) << "the link itself is removed";
        co_return {};
    });
}

TEST(FsPaths, ExistsSaysFalseOnlyIfItIsKnown) {
    const support::temp_dir dir;
    set_contents(dir / "a", "a");
    ASSERT_EQ(::symlink("nowhere", (dir / "s").c_str()), 0);
    on_a_loop([&]() -> checked {
        auto found = co_await eddy::try_(fs::exists(dir / "a"));
        EXPECT_TRUE(found);
        found = co_await eddy::try_(fs::exists(dir / "a/b"));
        EXPECT_FALSE(found);
        found = co_await eddy::try_(fs::exists(dir / "s"));
        EXPECT_FALSE(found);
        const auto unknown = co_await fs::exists(dir / std::string(5000, 'x'));
        EXPECT_EQ(unknown.error(), std::errc::filename_too_long);
        co_return {};
    });
}

TEST(FsPaths, TemporaryFilesAndDirectories) {
    const support::temp_dir dir;
    on_a_loop([&]() -> checked {
        auto file = co_await eddy::try_(fs::temp_file(dir / "."));
        EXPECT_EQ(entries_of(dir / "."), 0U);
        const auto written = co_await eddy::try_(file.write("x"));
        EXPECT_EQ(written, 1U);
        const auto found = co_await eddy::try_(file.metadata());
        EXPECT_EQ(found.links, 0U);
        EXPECT_EQ(found.permissions & std::filesystem::perms(077), std::filesystem::perms::none);
        const auto first = co_await eddy::try_(fs::temp_dir(dir / "."));
        const auto second = co_await eddy::try_(fs::temp_dir(dir / "."));
        EXPECT_NE(first, second);
        EXPECT_EQ(std::filesystem::status(first).permissions(), std::filesystem::perms(0700));
        const auto missing = co_await fs::temp_file(dir / "missing");
        EXPECT_EQ(missing.error(), std::errc::no_such_file_or_directory);
        const auto elsewhere = co_await eddy::try_(fs::temp_file());
        EXPECT_TRUE(elsewhere.native_handle() > 2);
        co_return {};
    });
}

// A NUL would cut the path off.
TEST(FsPaths, PathsWithoutAMeaningAreRefusedByAllOperations) {
    const support::temp_dir dir;
    set_contents(dir / "a", "a");
    std::filesystem::create_directory(dir / "d");
    for (const std::string& path : {std::string(), (dir / "a") + '\0' + "b"}) {
        const auto is_refused = [&](const char* name, auto operation, fs::side failed = fs::side::unknown) {
            const auto done = on_loop(std::move(operation));
            ASSERT_FALSE(done) << name;
            EXPECT_EQ(done.error(), eddy::errc::bad_path) << name << ": " << done.error().message();
            EXPECT_EQ(done.error().failed(), failed) << name;
        };
        is_refused("open", fs::file::open(path));
        is_refused("read", fs::read(path));
        is_refused("write", fs::write(path, "x"));
        is_refused("append", fs::append(path, "x"));
        is_refused("write_atomically", fs::write_atomically(path, "x"));
        is_refused("remove", fs::remove(path));
        is_refused("create_dir", fs::create_dir(path));
        is_refused("create_dirs", fs::create_dirs(path));
        is_refused("canonical", fs::canonical(path));
        is_refused("read_link", fs::read_link(path));
        is_refused("exists", fs::exists(path));
        is_refused("metadata", fs::metadata(path));
        is_refused("symlink_metadata", fs::symlink_metadata(path));
        is_refused("set_permissions", fs::set_permissions(path, std::filesystem::perms(0600)));
        is_refused("open_dir", fs::open_dir(path));
        is_refused("remove_all", fs::remove_all(path));
        is_refused("watch", fs::watch(path));
        is_refused("copy from", fs::copy(path, dir / "b"), fs::side::first);
        is_refused("copy to", fs::copy(dir / "a", path), fs::side::second);
        is_refused("rename from", fs::rename(path, dir / "b"), fs::side::first);
        is_refused("rename to", fs::rename(dir / "a", path), fs::side::second);
        is_refused("hard_link from", fs::hard_link(path, dir / "b"), fs::side::first);
        is_refused("hard_link to", fs::hard_link(dir / "a", path), fs::side::second);
        is_refused("symlink from", fs::symlink(path, dir / "b"), fs::side::first);
        is_refused("symlink to", fs::symlink("a", path), fs::side::second);
        is_refused("copy_tree from", fs::copy_tree(path, dir / "b"), fs::side::first);
        is_refused("copy_tree to", fs::copy_tree(dir / "d", path), fs::side::second);
        if (!path.empty()) {  // stands for the directory for temporary files
            is_refused("temp_file", fs::temp_file(path));
            is_refused("temp_dir", fs::temp_dir(path));
        }
        eddy::core loop;
        auto found = fs::walk(path);
        EXPECT_EQ(loop.run(found.next()).value().error(), eddy::errc::bad_path);
    }
    EXPECT_EQ(entries_of(dir / "."), 2U);
    EXPECT_EQ(contents_of(dir / "a"), "a");
}

#ifdef __linux__
TEST(FsPaths, TimeOfCreationIsThatOfStat) {
    const support::temp_dir dir;
    set_contents(dir / "a", "a");
    const auto found = on_loop(fs::metadata(dir / "a")).value();
    const auto seconds =
        found.created ? std::chrono::floor<std::chrono::seconds>(*found.created).time_since_epoch().count() : 0;
    EXPECT_EQ(std::to_string(seconds) + "\n", output_of("stat -c %W " + (dir / "a"))) << "0 if it is not known";
}
#endif

}  // namespace
