// SPDX-License-Identifier: MIT
// Owners, times, sizes, attributes and the space of a file system; the oracles are stat(1) and Python.
#ifdef __linux__
#include <gtest/gtest.h>

#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <eddy/eddy.hpp>
#include <eddy/fs.hpp>

#include <support/executors.hpp>
#include <support/file_contents.hpp>
#include <support/fs/other_user.hpp>
#include <support/net.hpp>
#include <support/random_tree.hpp>
#include <support/temp_dir.hpp>

namespace {

namespace fs = eddy::fs;
using support::contents_of;
using support::set_contents;
using support::text_of;
using checked = eddy::task<fs::result<void>>;

template <class F>
void on_a_loop(F test) {
    support::executor runs(0);
    const auto done = runs.run(test());
    EXPECT_TRUE(done) << done.error().message();
}

std::string stat_of(const std::string& format, const std::string& path) {
    auto text = support::output_of("stat " + format + " '" + path + "'");
    if (text.ends_with('\n')) text.pop_back();
    return text;
}

// ---- Owners ----

// covers: P116
TEST(FsAttributes, OwnerOfAFileALinkAndAnOpenFile) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root gives files to other users";
    const support::temp_dir dir;
    set_contents(dir / "a", "x");
    std::filesystem::create_symlink("a", dir / "link");
    on_a_loop([&]() -> checked {
        const auto owners = [&] { return stat_of("-c %u:%g", dir / "a") + " " + stat_of("-c %u:%g", dir / "link"); };
        co_await eddy::try_(fs::set_owner(dir / "link", 1234, 5678));
        EXPECT_EQ(owners(), "1234:5678 0:0");
        co_await eddy::try_(fs::set_owner(dir / "a", std::nullopt, 99));
        EXPECT_EQ(owners(), "1234:99 0:0");
        co_await eddy::try_(fs::set_owner(dir / "a", 7, std::nullopt));
        EXPECT_EQ(owners(), "7:99 0:0");
        co_await eddy::try_(fs::set_symlink_owner(dir / "link", 11, 12));
        EXPECT_EQ(owners(), "7:99 11:12");
        auto file = co_await eddy::try_(fs::file::open(dir / "a"));
        co_await eddy::try_(file.set_owner(21, std::nullopt));
        EXPECT_EQ(owners(), "21:99 11:12");
        co_await eddy::try_(file.set_owner(std::nullopt, 22));
        EXPECT_EQ(owners(), "21:22 11:12");
        co_return {};
    });
}

TEST(FsAttributes, OtherUserMayNotGiveAFileAway) {
    const support::temp_dir dir;
    set_contents(dir / "a", "x");
    const auto refused = [&] {
        eddy::runtime runs;
        const auto given = runs.block_on(fs::set_owner(dir / "a", 0, std::nullopt));
        EXPECT_EQ(given.error(), std::errc::operation_not_permitted);
        EXPECT_EQ(given.error().message(), "chown " + dir / "a" + ": Operation not permitted");
    };
    if (::geteuid() == 0) {
        ::chown((dir / "a").c_str(), support::other_user, support::other_user);
        std::filesystem::permissions(dir / "", std::filesystem::perms(0755));
        support::as_other_user(refused);
    } else {
        refused();
    }
}

TEST(FsAttributes, OwnGroupMayBeSet) {
    const support::temp_dir dir;
    set_contents(dir / "a", "x");
    on_a_loop([&]() -> checked {
        co_await eddy::try_(fs::set_owner(dir / "a", ::geteuid(), ::getegid()));
        co_await eddy::try_(fs::set_symlink_owner(dir / "a", std::nullopt, std::nullopt));
        const auto missing = co_await fs::set_owner(dir / "none", std::nullopt, ::getegid());
        EXPECT_EQ(missing.error(), std::errc::no_such_file_or_directory);
        co_return {};
    });
}

// ---- Times and sizes ----

TEST(FsAttributes, TimesOfAPath) {
    const support::temp_dir dir;
    set_contents(dir / "a", "x");
    std::filesystem::create_symlink("a", dir / "link");
    const fs::file_time accessed(std::chrono::seconds(1'000'000'000) + std::chrono::nanoseconds(5));
    const fs::file_time modified(-std::chrono::nanoseconds(1));
    on_a_loop([&]() -> checked {
        co_await eddy::try_(fs::set_times(dir / "link", accessed, modified));
        EXPECT_EQ(stat_of("-c %.9X,%.9Y", dir / "a"), "1000000000.000000005,-0.000000001");
        co_await eddy::try_(fs::set_times(dir / "a", std::nullopt, accessed));
        const auto now = co_await eddy::try_(fs::metadata(dir / "a"));
        EXPECT_EQ(now.accessed, accessed);
        EXPECT_EQ(now.modified, accessed);
        co_await eddy::try_(fs::set_times(dir / "", modified, std::nullopt));
        const auto of_dir = co_await eddy::try_(fs::metadata(dir / ""));
        EXPECT_EQ(of_dir.accessed, modified);
        EXPECT_FALSE(co_await fs::set_times(dir / "none", accessed, modified));
        co_return {};
    });
}

TEST(FsAttributes, TruncateByPath) {
    const support::temp_dir dir;
    set_contents(dir / "a", "hello");
    on_a_loop([&]() -> checked {
        co_await eddy::try_(fs::truncate(dir / "a", 2));
        EXPECT_EQ(contents_of(dir / "a"), "he");
        co_await eddy::try_(fs::truncate(dir / "a", 4));
        EXPECT_EQ(contents_of(dir / "a"), std::string_view("he\0\0", 4));
        const auto large = co_await fs::truncate(dir / "a", std::uint64_t{1} << 63U);
        EXPECT_EQ(large.error(), std::errc::file_too_large);
        const auto directory = co_await fs::truncate(dir / "", 0);
        EXPECT_EQ(directory.error(), std::errc::is_a_directory);
        const auto missing = co_await fs::truncate(dir / "none", 0);
        EXPECT_EQ(missing.error().message(), "truncate " + dir / "none" + ": No such file or directory");
        co_return {};
    });
}

// ---- The file system ----

TEST(FsAttributes, SpaceIsThatOfStat) {
    const support::temp_dir dir;
    on_a_loop([&]() -> checked {
        // What is free changes meanwhile.
        std::string expected;
        std::string found;
        for (int i = 0; i < 20 && (i == 0 || expected != found); ++i) {
            expected = stat_of("-f -c '%S %b %f %a %c %d %l'", dir / "");
            const auto space = co_await eddy::try_(fs::file_system(dir / ""));
            const auto in_blocks = [&](std::uint64_t bytes) { return std::to_string(bytes / space.block_size) + " "; };
            found = std::to_string(space.block_size) + " " + in_blocks(space.total) + in_blocks(space.free) +
                    in_blocks(space.available) + std::to_string(space.files) + " " + std::to_string(space.free_files) +
                    " " + std::to_string(space.longest_name);
            EXPECT_FALSE(space.is_read_only);
        }
        EXPECT_EQ(found, expected);
        const auto sys = co_await fs::file_system("/sys");
        const bool expects_read_only = support::output_of("findmnt -no OPTIONS /sys").starts_with("ro");
        EXPECT_EQ(sys && sys->is_read_only, expects_read_only);
        const auto missing = co_await fs::file_system(dir / "none");
        EXPECT_EQ(missing.error(), std::errc::no_such_file_or_directory);
        co_return {};
    });
}

// ---- Extended attributes ----

std::string attributes_by_python(const std::string& path) {
    return support::output_of(
        "python3 -c 'import os, sys; p = sys.argv[1]; print(sorted((a, os.getxattr(p, a)) for a in "
        "os.listxattr(p) if a.startswith(\"user.\")))' '" +
        path + "'");
}

TEST(FsAttributes, ExtendedAttributesAreThoseOfTheSystem) {
    const support::temp_dir dir;
    set_contents(dir / "a", "x");
    std::filesystem::create_symlink("a", dir / "link");
    support::executor runs(0);
    if (const auto set = runs.run(fs::set_xattr(dir / "a", "user.probe", "")); !set) {
        ASSERT_EQ(set.error(), std::errc::operation_not_supported);
        GTEST_SKIP() << "the file system has no extended attributes";
    }
    on_a_loop([&]() -> checked {
        co_await eddy::try_(fs::remove_xattr(dir / "a", "user.probe"));
        EXPECT_EQ(attributes_by_python(dir / "a"), "[]\n");
        co_await eddy::try_(fs::set_xattr(dir / "link", "user.one", std::string_view("1\0\xff", 3)));
        co_await eddy::try_(fs::set_xattr(dir / "a", "user.empty", ""));
        EXPECT_EQ(attributes_by_python(dir / "a"), "[('user.empty', b''), ('user.one', b'1\\x00\\xff')]\n");
        const auto value = co_await eddy::try_(fs::xattr(dir / "link", "user.one"));
        EXPECT_EQ(text_of(value), std::string_view("1\0\xff", 3));
        const auto empty = co_await eddy::try_(fs::xattr(dir / "a", "user.empty"));
        EXPECT_TRUE(empty.empty());
        auto names = co_await eddy::try_(fs::xattrs(dir / "a"));
        std::erase_if(names, [](const std::string& name) { return !name.starts_with("user."); });
        std::ranges::sort(names);
        EXPECT_EQ(names, (std::vector<std::string>{"user.empty", "user.one"}));
        co_await eddy::try_(fs::set_xattr(dir / "a", "user.one", "2"));
        co_await eddy::try_(fs::remove_xattr(dir / "a", "user.empty"));
        EXPECT_EQ(attributes_by_python(dir / "a"), "[('user.one', b'2')]\n");
        co_return {};
    });
    for (const auto& failed : {runs.run(fs::xattr(dir / "a", "user.none")).error(),
                               runs.run(fs::remove_xattr(dir / "a", "user.none")).error()}) {
        EXPECT_EQ(failed, fs::errc::no_attribute);
        EXPECT_EQ(failed, std::errc::no_message_available);
        EXPECT_TRUE(failed.message().ends_with("a: the file has no extended attribute with this name"));
    }
}

TEST(FsAttributes, BadNamesAndPathsAreErrors) {
    const support::temp_dir dir;
    set_contents(dir / "a", "x");
    support::executor runs(0);
    EXPECT_EQ(runs.run(fs::xattr(dir / "a", "")).error(), std::errc::invalid_argument);
    EXPECT_EQ(runs.run(fs::set_xattr(dir / "a", std::string("user.a\0b", 8), "")).error(), std::errc::invalid_argument);
    EXPECT_EQ(runs.run(fs::xattr("", "user.a")).error(), eddy::errc::bad_path);
    EXPECT_EQ(runs.run(fs::xattrs(dir / "none")).error(), std::errc::no_such_file_or_directory);
    EXPECT_EQ(runs.run(fs::set_xattr(dir / "none", "user.a", "")).error(), std::errc::no_such_file_or_directory);
    EXPECT_EQ(runs.run(fs::set_owner("", 0, 0)).error(), eddy::errc::bad_path);
}

}  // namespace
#endif
