// SPDX-License-Identifier: MIT
// runs: once, asan, faults
#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/eddy.hpp>
#include <eddy/fs.hpp>

#include <support/file_contents.hpp>
#include <support/fs/each_file_call.hpp>
#include <support/fs/file_faults.hpp>
#include <support/temp_dir.hpp>

#include "replace_file.hpp"

// Each system call of each operation fails once, with each of several errors. And write_atomically() is killed at each
// system call.

namespace {

namespace fs = eddy::fs;
using support::contents_of;
using checked = eddy::task<fs::result<void>>;

std::size_t entries_of(const std::string& dir) {
    const std::filesystem::directory_iterator all(dir);
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

template <class T>
fs::result<void> without_value(const fs::result<T>& from) {
    if (!from) return std::unexpected(from.error());
    return {};
}

class FsEachCall : public testing::Test {
protected:
    void set_old() const { std::ofstream(dir / "a", std::ios::binary) << "old"; }

    support::temp_dir dir;
};

// covers: B22
TEST_F(FsEachCall, WriteAtomicallyLeavesTheOldFile) {
    const auto prepare = [&] { set_old(); };
    support::fail_each_call(
        dir / "a", {"close", "close", "fcntl"},
        [&]() -> checked {
            auto done = co_await fs::write_atomically(dir / "a", "new");
            co_return done;
        },
        prepare,
        [&](bool failed) {
            const auto now = contents_of(dir / "a");
            // The last calls are those of the directory, after the rename.
            EXPECT_TRUE(now == "new" || (failed && now == "old")) << now;
            EXPECT_EQ(entries_of(dir / "."), 1U);
        });
}

// covers: R110
TEST_F(FsEachCall, ReadAndWrite) {
    const auto prepare = [&] { set_old(); };
    support::fail_each_call(
        dir / "a", {"close", "close", "fcntl", "fcntl", "fcntl", "fcntl"},
        [&]() -> checked {
            const auto text = co_await fs::read_to_string(dir / "a");
            if (!text) co_return without_value(text);
            EXPECT_EQ(*text, "old");
            const auto bytes = co_await fs::read(dir / "a", 100);
            if (!bytes) co_return without_value(bytes);
            const auto appended = co_await fs::append(dir / "a", ", older");
            if (!appended) co_return appended;
            EXPECT_EQ(contents_of(dir / "a"), "old, older");
            co_return co_await fs::write(dir / "a", "new");
        },
        prepare,
        [&](bool failed) {
            if (!failed) {
                EXPECT_EQ(contents_of(dir / "a"), "new");
            }
        });
}

TEST_F(FsEachCall, CopyFallsBackOrFails) {
    const std::string text(700'000, 'c');
    std::ofstream(dir / "a", std::ios::binary) << text;
    const auto prepare = [&] { std::filesystem::remove(dir / "b"); };
    support::fail_each_call(
        dir / "a", {"close", "fcntl", "fcntl", "lseek", "lseek"},
        [&]() -> checked {
            const auto done = co_await fs::copy(dir / "a", dir / "b");
            co_return without_value(done);
        },
        prepare,
        [&](bool failed) {
            if (!failed) {
                EXPECT_TRUE(contents_of(dir / "b") == text);
            }
        });
}

TEST_F(FsEachCall, CopyContinuesWhereTheKernelStopped) {
    const std::string text(700'000, 'c');
    std::ofstream(dir / "a", std::ios::binary) << text;
    for (const int error : {EXDEV, ENOSYS, EPERM, EINVAL, EOPNOTSUPP}) {
        const support::refused_file_call refused("copy_file_range", error);
        std::filesystem::remove(dir / "b");
        eddy::core loop;
        const auto done = loop.run(fs::copy(dir / "a", dir / "b"));
        ASSERT_TRUE(done) << done.error().message();
        EXPECT_EQ(*done, text.size());
        EXPECT_TRUE(contents_of(dir / "b") == text);
    }
}

TEST_F(FsEachCall, OpenFile) {
    const auto prepare = [&] { set_old(); };
    support::fail_each_call(
        dir / "a", {"fcntl", "preadv2"},
        [&]() -> checked {
            auto file = co_await fs::open_options().read(true).write(true).open(dir / "a");
            if (!file) co_return without_value(file);
            std::array<char, 16> buffer{};
            const auto count = co_await file->read(std::span(buffer));
            if (!count) co_return without_value(count);
            EXPECT_EQ(std::string_view(buffer.data(), *count), "old");
            const auto written = co_await file->write(", new");
            if (!written) co_return without_value(written);
            const auto written_at = co_await file->write_at("OLD", 0);
            if (!written_at) co_return without_value(written_at);
            const auto end = co_await file->seek(eddy::io::seek_from::end(0));
            if (!end) co_return without_value(end);
            for (const auto step : {0, 1, 2, 3, 4, 5}) {
                fs::result<void> done;
                if (step == 0) done = co_await file->truncate(20);
                if (step == 1) done = co_await file->sync_data();
                if (step == 2) done = co_await file->sync_all();
                if (step == 3) done = co_await file->set_permissions(std::filesystem::perms(0600));
                if (step == 4) done = co_await file->set_times(fs::file_time(), std::nullopt);
                if (step == 5) {
                    const auto found = co_await file->metadata();
                    done = without_value(found);
                }
                if (!done) co_return done;
            }
            co_return co_await file->close();
        },
        prepare,
        [&](bool failed) {
            if (!failed) {
                EXPECT_EQ(contents_of(dir / "a"), std::string("OLD, new") + std::string(12, '\0'));
            }
        });
}

TEST_F(FsEachCall, TemporaryFile) {
    support::fail_each_call(
        dir / ".", {"close", "fcntl"},
        [&]() -> checked {
            const auto done = co_await fs::temp_file(dir / ".");
            co_return without_value(done);
        },
        [] {}, [&](bool) { EXPECT_EQ(entries_of(dir / "."), 0U); });
}

TEST_F(FsEachCall, TemporaryFileWithoutTheFlagHasNoName) {
    // EISDIR: a kernel that does not know the flag.
    for (const int error : {EOPNOTSUPP, EISDIR}) {
        eddy::core loop;
        support::fail_file_call(0, error);
        const auto file = loop.run(fs::temp_file(dir / "."));
        EXPECT_TRUE(support::has_file_call_failed());
        support::pass_file_calls();
        ASSERT_TRUE(file) << file.error().message();
        EXPECT_EQ(entries_of(dir / "."), 0U);
    }
}

TEST_F(FsEachCall, CopyTreeReportsAllFailures) {
    std::filesystem::create_directories(dir / "tree/sub");
    std::ofstream(dir / "tree/sub/file") << "text";
    support::fail_each_call(
        dir / "tree",
        // Of directories, and of the source.
        {"close", "close", "close", "close", "close", "close", "close", "close", "fcntl", "fcntl", "lseek", "lseek"},
        [&]() -> checked {
            const auto copied = co_await fs::copy_tree(dir / "tree", dir / "copy");
            co_return without_value(copied);
        },
        [&] { std::filesystem::remove_all(dir / "copy"); },
        [&](bool failed) {
            if (!failed) {
                EXPECT_EQ(contents_of(dir / "copy/sub/file"), "text");
            }
        });
}

// A child is killed at each system call. The file then has the old or the new contents, and the old permissions.
// covers: B22
TEST_F(FsEachCall, KilledWriteAtomicallyLeavesOldOrNewContents) {
    const std::string old_text(100'000, 'o'), new_text(150'000, 'n');
    bool was_old = false, was_new = false;
    for (std::size_t n = 0;; ++n) {
        std::ofstream(dir / "a", std::ios::binary) << old_text;
        std::filesystem::permissions(dir / "a", std::filesystem::perms(0640));
        const auto child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            support::kill_at_file_call(n);
            const auto done = fs::detail::replace_file(dir / "a", std::as_bytes(std::span(new_text)));
            ::_exit(done ? 0 : 1);
        }
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        const auto now = contents_of(dir / "a");
        EXPECT_TRUE(now == old_text || now == new_text) << "killed at call " << n;
        EXPECT_EQ(std::filesystem::status(dir / "a").permissions(), std::filesystem::perms(0640)) << n;
        (now == old_text ? was_old : was_new) = true;
        if (WIFEXITED(status)) {
            EXPECT_EQ(WEXITSTATUS(status), 0);
            EXPECT_TRUE(now == new_text);
            break;
        }
        ASSERT_EQ(WTERMSIG(status), SIGKILL);
    }
    EXPECT_TRUE(was_old && was_new);
}

}  // namespace
