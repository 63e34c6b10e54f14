// SPDX-License-Identifier: MIT
// Files on Windows: names in UTF-16, names below a directory, what is removed while it is open, what is refused.
#ifdef _WIN32
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <eddy/eddy.hpp>
#include <eddy/fs.hpp>
#include <support/file_contents.hpp>
#include <support/fs/on_loop.hpp>
#include <support/temp_dir.hpp>
#include <support/windows/posix.hpp>

namespace {

namespace fs = eddy::fs;
using eddy::task;
using eddy::try_;
using support::contents_of;
using support::on_loop;
using support::set_contents;

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

/// Returns the error of a result; none if it has a value.
template <class T>
std::error_code error_of(const fs::result<T>& of) {
    return of ? std::error_code() : of.error().code();
}

task<fs::result<void>> use_a_file(std::filesystem::path path) {
    auto file = co_await try_(fs::open_options().read(true).write(true).create_new(true).open(path));
    co_await try_(file.write_at(bytes_of("0123456789"), 0));
    co_await try_(file.write_at(bytes_of("end"), 20));
    std::array<std::byte, 4> four{};
    const auto count = co_await try_(file.read_at(four, 6));
    EXPECT_EQ(count, 4U);
    EXPECT_EQ(four[0], std::byte{'6'});
    const auto at_the_end = co_await try_(file.read_at(four, 23));
    EXPECT_EQ(at_the_end, 0U);
    const auto size = co_await try_(file.size());
    EXPECT_EQ(size, 23U);
    co_await try_(file.truncate(3));
    const fs::file_time time(std::chrono::nanoseconds(1'000'000'000'000'000'100));
    co_await try_(file.set_times(std::nullopt, time));
    const auto found = co_await try_(file.metadata());
    EXPECT_TRUE(found.is_regular());
    EXPECT_EQ(found.size, 3U);
    EXPECT_EQ(found.links, 1U);
    EXPECT_EQ(found.modified, time);
    co_await try_(file.sync_all());
    auto clone = co_await try_(file.try_clone());
    co_await try_(file.close());
    const auto left = co_await try_(clone.read_at(four, 0));
    EXPECT_EQ(left, 3U);
    co_await try_(clone.close());
    co_return {};
}

TEST(FsWindows, FileIsReadAndWrittenAtPositions) {
    const support::temp_dir temp;
    const auto done = on_loop(use_a_file(temp / "file"));
    EXPECT_TRUE(done) << done.error().message();
    EXPECT_EQ(contents_of(temp / "file"), "012");
}

task<fs::result<void>> append_twice(std::filesystem::path path) {
    auto one = co_await try_(fs::open_options().append(true).create(true).open(path));
    auto other = co_await try_(fs::open_options().append(true).open(path));
    co_await try_(one.write(bytes_of("1")));
    co_await try_(other.write(bytes_of("2")));
    co_await try_(one.write(bytes_of("3")));
    const auto refused = co_await one.write_at(bytes_of("x"), 0);
    EXPECT_EQ(error_of(refused), fs::errc::append_only);
    co_return {};
}

TEST(FsWindows, AppendsAtTheEnd) {
    const support::temp_dir temp;
    const auto done = on_loop(append_twice(temp / "file"));
    EXPECT_TRUE(done) << done.error().message();
    EXPECT_EQ(contents_of(temp / "file"), "123");
}

task<fs::result<void>> use_paths(std::filesystem::path in) {
    co_await try_(fs::create_dirs(in / "a" / "b"));
    co_await try_(fs::write(in / "a" / "file", "text"));
    co_await try_(fs::append(in / "a" / "file", " more"));
    const auto copied = co_await try_(fs::copy(in / "a" / "file", in / "copy"));
    EXPECT_EQ(copied, 9U);
    co_await try_(fs::write_atomically(in / "copy", "new"));
    co_await try_(fs::write_atomically(in / "other", "first"));
    co_await try_(fs::rename(in / "other", in / "copy"));
    const auto text = co_await try_(fs::read_to_string(in / "copy"));
    EXPECT_EQ(text, "first");
    co_await try_(fs::hard_link(in / "copy", in / "link"));
    const auto found = co_await try_(fs::metadata(in / "link"));
    EXPECT_EQ(found.links, 2U);
    const auto is_there = co_await try_(fs::exists(in / "link"));
    const auto is_missing = co_await try_(fs::exists(in / "missing"));
    EXPECT_TRUE(is_there && !is_missing);
    co_await try_(fs::remove(in / "link"));
    auto temporary = co_await try_(fs::temp_file(in / "a"));
    co_await try_(temporary.write(bytes_of("x")));
    co_await try_(temporary.close());
    const auto dir = co_await try_(fs::temp_dir(in / "a"));
    EXPECT_TRUE(std::filesystem::is_directory(dir));
    const auto removed = co_await try_(fs::remove_all(in / "a"));
    EXPECT_EQ(removed, 4U);  // a, b, file, and the temporary directory
    co_return {};
}

TEST(FsWindows, OperationsOnPaths) {
    const support::temp_dir temp;
    const auto done = on_loop(use_paths(temp / "."));
    EXPECT_TRUE(done) << done.error().message();
}

task<fs::result<std::uint64_t>> count_files(std::filesystem::path in) {
    std::uint64_t files = 0;
    auto batches = fs::walk(in, fs::walk_options().metadata(true));
    while (auto batch = co_await try_(batches.try_next())) {
        for (const auto& entry : batch->entries) {
            EXPECT_TRUE(entry.metadata.has_value());
            if (entry.type != std::filesystem::file_type::regular) continue;
            ++files;
        }
    }
    co_return files;
}

task<fs::result<void>> use_names_of_all_kinds(std::filesystem::path in) {
    const std::filesystem::path name(L"\u00e4 \u6f22\U0001F600");
    co_await try_(fs::write(in / name, "text"));
    EXPECT_TRUE(std::filesystem::exists(in / name));
    auto dir = co_await try_(fs::open_dir(in));
    auto entries = dir.entries();
    const auto entry = co_await try_(entries.try_next());
    EXPECT_EQ(entry ? entry->name : "", "\xc3\xa4 \xe6\xbc\xa2\xf0\x9f\x98\x80");
    co_await try_(fs::create_dirs(in / "from" / name));
    co_await try_(fs::write(in / "from" / name / name, "text"));
    const auto copied = co_await try_(fs::copy_tree(in / "from", in / "to"));
    EXPECT_EQ(copied, 2U);
    const auto removed = co_await try_(fs::remove_all(in / "to"));
    EXPECT_EQ(removed, 3U);
    const auto files = co_await try_(count_files(in / "from"));
    EXPECT_EQ(files, 1U);
    const auto missing = co_await fs::read(in / L"\u6f22");
    EXPECT_TRUE(missing.error().message().contains("\xe6\xbc\xa2: No such file or directory"));
    co_return {};
}

TEST(FsWindows, NamesAreUnicode) {
    const support::temp_dir temp;
    const auto done = on_loop(use_names_of_all_kinds(temp / "."));
    EXPECT_TRUE(done) << done.error().message();
}

task<fs::result<void>> use_a_directory(std::filesystem::path in) {
    auto dir = co_await try_(fs::open_dir(in));
    co_await try_(dir.create_dir("a"));
    co_await try_(dir.create_dir("a\\b"));
    auto made = co_await try_(dir.create("a/b/file"));
    co_await try_(made.write(bytes_of("text")));
    co_await try_(made.close());
    auto below = co_await try_(dir.open_dir("a/./b\\"));
    auto file = co_await try_(below.open("file", fs::open_options().read(true)));
    const auto size = co_await try_(file.size());
    EXPECT_EQ(size, 4U);
    co_await try_(dir.rename("a/b/file", "moved"));
    const auto found = co_await try_(dir.metadata("moved"));
    EXPECT_EQ(found.size, 4U);
    co_await try_(dir.remove("moved"));
    co_await try_(dir.sync_all());
    for (const auto* path : {"..", "a/../..", "/a", "\\a", "C:a", "C:\\a", "a:stream"}) {
        const auto refused = co_await dir.open(path, fs::open_options().read(true));
        EXPECT_EQ(error_of(refused), fs::errc::outside) << path;
    }
    const auto is_directory = co_await dir.open("a", fs::open_options().read(true));
    EXPECT_EQ(error_of(is_directory), fs::errc::directory);
    const auto is_full = co_await dir.remove("a");
    EXPECT_EQ(error_of(is_full), std::errc::directory_not_empty);
    const auto is_missing = co_await dir.metadata("no/file");
    EXPECT_EQ(error_of(is_missing), std::errc::no_such_file_or_directory);
    co_return {};
}

TEST(FsWindows, NamesStayBelowTheDirectory) {
    const support::temp_dir temp;
    const auto done = on_loop(use_a_directory(temp / "."));
    EXPECT_TRUE(done) << done.error().message();
}

TEST(FsWindows, TreesAreWalkedCopiedAndRemoved) {
    const support::temp_dir temp;
    for (int i = 0; i < 20; ++i) {
        const auto folder = temp / ("from/" + std::to_string(i));
        std::filesystem::create_directories(folder);
        for (int j = 0; j < 30; ++j) {
            const auto name = "file " + std::to_string(j);
            set_contents(folder + "/" + name, name);
        }
    }
    const auto copied = on_loop(fs::copy_tree(temp / "from", temp / "to"));
    ASSERT_TRUE(copied) << copied.error().message();
    EXPECT_EQ(*copied, 20U * 31);
    for (const auto* folder : {"from", "to"}) {
        const auto files = on_loop(count_files(temp / folder));
        ASSERT_TRUE(files) << files.error().message();
        EXPECT_EQ(*files, 600U);
    }
    EXPECT_EQ(contents_of(temp / "to/7/file 12"), "file 12");
    EXPECT_EQ(std::filesystem::last_write_time(temp / "to/7/file 12"),
              std::filesystem::last_write_time(temp / "from/7/file 12"));
    const auto again = on_loop(fs::copy_tree(temp / "from", temp / "to"));
    EXPECT_EQ(error_of(again), fs::errc::target_exists);
    const auto removed = on_loop(fs::remove_all(temp / "to"));
    ASSERT_TRUE(removed) << removed.error().message();
    EXPECT_EQ(*removed, 20U * 31 + 1);
    EXPECT_FALSE(std::filesystem::exists(temp / "to"));
}

TEST(FsWindows, DeepTreeIsRemoved) {
    const support::temp_dir temp;
    std::filesystem::path deep = temp / "deep";
    for (int i = 0; i < 80; ++i) deep /= "a";  // more directories than are kept open
    std::filesystem::create_directories(deep);
    const auto removed = on_loop(fs::remove_all(temp / "deep"));
    ASSERT_TRUE(removed) << removed.error().message();
    EXPECT_EQ(*removed, 81U);
}

task<fs::result<void>> use_locks(std::filesystem::path path) {
    auto one = co_await try_(fs::file::create_new(path));
    auto other = co_await try_(fs::open_options().read(true).write(true).open(path));
    {
        const auto lock = co_await try_(one.try_lock());
        EXPECT_TRUE(lock.has_value());
        const auto excluded = co_await try_(other.try_lock(fs::lock_kind::shared));
        EXPECT_FALSE(excluded.has_value());
        co_await try_(other.write(bytes_of("a lock does not forbid writes")));
    }
    const auto shared = co_await try_(one.try_lock(fs::lock_kind::shared));
    const auto also = co_await try_(other.try_lock(fs::lock_kind::shared));
    EXPECT_TRUE(shared.has_value() && also.has_value());
    co_return {};
}

TEST(FsWindows, LocksExcludeOtherOpenFiles) {
    const support::temp_dir temp;
    const auto done = on_loop(use_locks(temp / "file"));
    EXPECT_TRUE(done) << done.error().message();
}

task<fs::result<void>> use_permissions(std::filesystem::path path) {
    co_await try_(fs::write(path, "text"));
    auto file = co_await try_(fs::file::open(path));
    co_await try_(file.set_permissions(std::filesystem::perms(0444)));
    const auto found = co_await try_(file.metadata());
    EXPECT_EQ(found.permissions, std::filesystem::perms(0555));
    EXPECT_NE(::GetFileAttributesW(path.c_str()) & FILE_ATTRIBUTE_READONLY, 0U);
    co_await try_(file.set_permissions(std::filesystem::perms(0644)));
    EXPECT_EQ(::GetFileAttributesW(path.c_str()) & FILE_ATTRIBUTE_READONLY, 0U);
    co_return {};
}

TEST(FsWindows, PermissionToWriteIsTheReadOnlyAttribute) {
    const support::temp_dir temp;
    const auto done = on_loop(use_permissions(temp / "file"));
    EXPECT_TRUE(done) << done.error().message();
}

TEST(FsWindows, ErrorsNameWhatHasFailed) {
    const support::temp_dir temp;
    EXPECT_EQ(error_of(on_loop(fs::file::open(temp / "missing"))), std::errc::no_such_file_or_directory);
    EXPECT_EQ(error_of(on_loop(fs::file::open(temp / "no/file"))), std::errc::no_such_file_or_directory);
    EXPECT_EQ(error_of(on_loop(fs::file::open(temp / "."))), fs::errc::directory);
    EXPECT_EQ(error_of(on_loop(fs::file::open("NUL"))), fs::errc::device);
    EXPECT_EQ(error_of(on_loop(fs::file::open(""))), eddy::errc::bad_path);
    set_contents(temp / "file", "");
    EXPECT_EQ(error_of(on_loop(fs::file::create_new(temp / "file"))), std::errc::file_exists);
    EXPECT_EQ(error_of(on_loop(fs::create_dir(temp / "file"))), std::errc::file_exists);
    EXPECT_EQ(error_of(on_loop(fs::open_dir(temp / "file"))), std::errc::not_a_directory);
}

TEST(FsWindows, WhatWindowsDoesNotHaveIsRefused) {
    const support::temp_dir temp;
    const auto options = fs::open_options().read(true).write(true).create(true);
    const std::array refused{fs::open_options(options).direct(true), fs::open_options(options).temporary(true),
                             fs::open_options(options).custom_flags(1)};
    for (const auto& each : refused) EXPECT_EQ(error_of(on_loop(each.open(temp / "file"))), std::errc::not_supported);
    EXPECT_EQ(error_of(on_loop(fs::symlink("file", temp / "link"))), std::errc::function_not_supported);
    EXPECT_EQ(error_of(on_loop(fs::read_link(temp / "."))), std::errc::function_not_supported);
    EXPECT_EQ(error_of(on_loop(fs::watch(temp / "."))), fs::errc::unwatchable);
}

TEST(FsWindows, DroppedOperationsCloseTheirHandles) {
    const support::temp_dir temp;
    set_contents(temp / "file", "text");
    eddy::core loop;
    for (int i = 0; i < 50; ++i) {
        auto opening = fs::file::open(temp / "file");
        loop.run(eddy::poll_fn([&](eddy::context& cx) -> eddy::poll_result<bool> {
            static_cast<void>(opening.poll(cx));
            return true;
        }));
    }
    // A file that is open elsewhere cannot lose its directory.
    loop.run([](std::filesystem::path dir) -> task<void> {
        for (;;) {
            const auto removed = co_await fs::remove_all(dir / "file");
            const auto is_there = co_await fs::exists(dir / "file");
            if (removed && is_there && !*is_there) co_return;
            co_await eddy::yield_now();
        }
    }(temp / "."));
}

}  // namespace
#endif
