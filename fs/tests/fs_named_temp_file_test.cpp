// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <sys/stat.h>

#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include <eddy/eddy.hpp>
#include <eddy/fs.hpp>

#include <support/executors.hpp>
#include <support/file_contents.hpp>
#include <support/temp_dir.hpp>

namespace {

namespace fs = eddy::fs;
using support::contents_of;
using support::set_contents;
using checked = eddy::task<fs::result<void>>;

template <class F>
void on_a_loop(F test) {
    support::executor runs(0);
    const auto done = runs.run(test());
    EXPECT_TRUE(done) << done.error().message();
}

bool is_there(const std::filesystem::path& path) { return exists(symlink_status(path)); }

// covers: P116
TEST(FsNamedTempFile, IsRemovedWhenItIsDestroyed) {
    const support::temp_dir dir;
    on_a_loop([&]() -> checked {
        std::filesystem::path path;
        {
            auto temp = co_await eddy::try_(fs::named_temp_file::create(dir / "", "pre.", ".txt"));
            path = temp.path();
            EXPECT_EQ(path.parent_path(), std::filesystem::path(dir / "").parent_path());
            EXPECT_TRUE(path.filename().string().starts_with("pre."));
            EXPECT_EQ(path.extension(), ".txt");
            struct stat found{};
            EXPECT_EQ(::stat(path.c_str(), &found), 0);
            EXPECT_EQ(found.st_mode & 0777, 0600U);
            static_cast<void>(co_await temp.opened().write("hello"));
            EXPECT_EQ(contents_of(path), "hello");
        }
        EXPECT_FALSE(is_there(path));
        co_return {};
    });
}

TEST(FsNamedTempFile, EmptyDirectoryIsTheOneForTemporaryFiles) {
    on_a_loop([]() -> checked {
        const auto temp = co_await eddy::try_(fs::named_temp_file::create());
        EXPECT_EQ(temp.path().parent_path(), std::filesystem::temp_directory_path());
        co_return {};
    });
}

TEST(FsNamedTempFile, RelativeDirectoryIsRemovedAfterAChangeOfTheWorkingDirectory) {
    const support::temp_dir dir;
    const auto before = std::filesystem::current_path();
    on_a_loop([&]() -> checked {
        std::filesystem::current_path(dir / "");
        auto temp = std::optional(co_await eddy::try_(fs::named_temp_file::create(".")));
        std::filesystem::current_path(before);
        const auto path = temp->path();
        EXPECT_TRUE(is_there(path));
        temp.reset();
        EXPECT_FALSE(is_there(path));
        co_return {};
    });
}

TEST(FsNamedTempFile, PersistReplacesAndPersistNewDoesNot) {
    const support::temp_dir dir;
    on_a_loop([&]() -> checked {
        std::filesystem::path path;
        set_contents(dir / "old", "old");
        {
            auto temp = co_await eddy::try_(fs::named_temp_file::create(dir / ""));
            path = temp.path();
            static_cast<void>(co_await temp.opened().write("new"));
            const auto refused = co_await temp.persist_new(dir / "old");
            EXPECT_EQ(refused.error(), std::errc::file_exists);
            EXPECT_EQ(refused.error().message(),
                      "persist " + path.string() + " to " + dir / "old" + ": " + dir / "old" + ": File exists");
            const auto missing = co_await temp.persist(dir / "no/dir");
            EXPECT_EQ(missing.error(), std::errc::no_such_file_or_directory);
            EXPECT_EQ(missing.error().failed(), fs::side::second);
            const auto bad = co_await temp.persist("");
            EXPECT_EQ(bad.error(), eddy::errc::bad_path);
            EXPECT_TRUE(is_there(path));
            EXPECT_EQ(contents_of(dir / "old"), "old");
            co_await eddy::try_(temp.persist(dir / "old"));
            EXPECT_FALSE(is_there(path));
            set_contents(path, "of another program");
        }
        EXPECT_EQ(contents_of(dir / "old"), "new");
        EXPECT_EQ(contents_of(path), "of another program");
        {
            auto temp = co_await eddy::try_(fs::named_temp_file::create(dir / ""));
            path = temp.path();
            co_await eddy::try_(temp.persist_new(dir / "other"));
            EXPECT_FALSE(is_there(path));
        }
        EXPECT_TRUE(is_there(dir / "other"));
        co_return {};
    });
}

TEST(FsNamedTempFile, FileThatCannotBePersistedIsRemoved) {
    const support::temp_dir dir;
    on_a_loop([&]() -> checked {
        {
            const auto temp = co_await eddy::try_(fs::named_temp_file::create(dir / ""));
            EXPECT_FALSE(co_await temp.persist(dir / "no/dir"));
        }
        EXPECT_TRUE(std::filesystem::is_empty(dir / ""));
        co_return {};
    });
}

TEST(FsNamedTempFile, KeepAndRemove) {
    const support::temp_dir dir;
    on_a_loop([&]() -> checked {
        auto kept = co_await eddy::try_(fs::named_temp_file::create(dir / ""));
        const auto path = kept.path();
        {
            auto file = std::move(kept).keep();
            static_cast<void>(co_await file.write("kept"));
        }
        EXPECT_EQ(contents_of(path), "kept");
        auto temp = std::optional(co_await eddy::try_(fs::named_temp_file::create(dir / "")));
        const auto removed = temp->path();
        co_await eddy::try_(temp->remove());
        EXPECT_FALSE(is_there(removed));
        static_cast<void>(co_await temp->opened().write("still open"));
        const auto again = co_await temp->remove();
        EXPECT_EQ(again.error(), std::errc::no_such_file_or_directory);
        set_contents(removed, "of another program");
        temp.reset();
        EXPECT_TRUE(is_there(removed));
        co_return {};
    });
}

TEST(FsNamedTempFile, AssignmentRemovesTheFileBefore) {
    const support::temp_dir dir;
    on_a_loop([&]() -> checked {
        auto temp = co_await eddy::try_(fs::named_temp_file::create(dir / ""));
        const auto first = temp.path();
        temp = co_await eddy::try_(fs::named_temp_file::create(dir / ""));
        EXPECT_FALSE(is_there(first));
        EXPECT_TRUE(is_there(temp.path()));
        co_return {};
    });
}

TEST(FsNamedTempFile, MissingDirectoryIsAnError) {
    const support::temp_dir dir;
    support::executor runs(0);
    const auto made = runs.run(fs::named_temp_file::create(dir / "none"));
    EXPECT_EQ(made.error(), std::errc::no_such_file_or_directory);
    const auto bad = runs.run(fs::named_temp_file::create(dir / "", std::string("a\0b", 3)));
    EXPECT_EQ(bad.error(), eddy::errc::bad_path);
}

}  // namespace
