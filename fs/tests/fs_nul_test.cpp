// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/eddy.hpp>
#include <eddy/fs.hpp>

#include <support/file_contents.hpp>
#include <support/fs/on_loop.hpp>
#include <support/temp_dir.hpp>

// Paths with a NUL: C functions would use what precedes it, which is the path of another file.

namespace {

namespace fs = eddy::fs;
using std::filesystem::path;
using support::on_loop;

/// A folder with a file, a folder with a file, and a link, whose names with a NUL and more are not names of files.
struct folder {
    support::temp_dir top;
    path root;

    folder() : root(top / "root") {
        std::filesystem::create_directories(root / "sub");
        support::set_contents(root / "a", "text");
        support::set_contents(root / "sub" / "b", "text");
        std::filesystem::create_symlink("a", root / "link");
    }
    [[nodiscard]] path with_nul(const std::string& name) const {
        return (root / name).native() + std::string("\0x", 2);
    }
    /// Returns the names of all files.
    [[nodiscard]] std::size_t count() const {
        std::size_t all = 0;
        for (const auto& each : std::filesystem::recursive_directory_iterator(root)) all += each.exists();
        return all;
    }
};

/// Expects that an operation fails with bad_path.
template <class Operation>
void expect_refused(const char* name, Operation operation) {
    const auto done = on_loop(std::move(operation));
    const bool is_refused = !done && done.error() == eddy::errc::bad_path;
    EXPECT_TRUE(is_refused) << name;
}

TEST(FsNul, PathsAreRefusedByEachFunction) {
    const folder in;
    const auto a = in.with_nul("a");
    const auto sub = in.with_nul("sub");
    const auto missing = in.with_nul("missing");
    const path good = in.root / "a";
    const path free = in.root / "free";
    const std::string text = "new";
    expect_refused("open", fs::file::open(a));
    expect_refused("create", fs::file::create(a));
    expect_refused("create_new", fs::file::create_new(missing));
    expect_refused("open_dir", fs::open_dir(sub));
    expect_refused("read", fs::read(a));
    expect_refused("read_to_string", fs::read_to_string(a));
    expect_refused("write", fs::write(a, text));
    expect_refused("append", fs::append(a, text));
    expect_refused("write_atomically", fs::write_atomically(a, text));
    expect_refused("copy from", fs::copy(a, free));
    expect_refused("copy to", fs::copy(good, missing));
    expect_refused("rename from", fs::rename(a, free));
    expect_refused("rename to", fs::rename(good, missing));
    expect_refused("remove", fs::remove(a));
    expect_refused("create_dir", fs::create_dir(missing));
    expect_refused("create_dirs", fs::create_dirs(missing));
    expect_refused("canonical", fs::canonical(a));
    expect_refused("read_link", fs::read_link(in.with_nul("link")));
    expect_refused("hard_link target", fs::hard_link(a, free));
    expect_refused("hard_link", fs::hard_link(good, missing));
    expect_refused("symlink target", fs::symlink(a, free));
    expect_refused("symlink", fs::symlink(good, missing));
    expect_refused("exists", fs::exists(a));
    expect_refused("metadata", fs::metadata(a));
    expect_refused("symlink_metadata", fs::symlink_metadata(a));
    expect_refused("set_permissions", fs::set_permissions(a, std::filesystem::perms::none));
    expect_refused("temp_file", fs::temp_file(sub));
    expect_refused("temp_dir", fs::temp_dir(sub));
    expect_refused("remove_all", fs::remove_all(sub));
    expect_refused("copy_tree from", fs::copy_tree(sub, free));
    expect_refused("copy_tree to", fs::copy_tree(in.root / "sub", missing));
    expect_refused("watch", fs::watch(sub));
    const auto walked = [](path from) -> eddy::task<fs::result<void>> {
        auto all = fs::walk(std::move(from));
        auto batch = co_await all.next();
        if (batch && !*batch) co_return std::unexpected(batch->error());
        co_return {};
    };
    expect_refused("walk", walked(sub));
    EXPECT_EQ(in.count(), 4U);
    EXPECT_EQ(support::contents_of(good), "text");
}

TEST(FsNul, PathsBelowFolderAreRefused) {
    const folder in;
    const auto dir = on_loop(fs::open_dir(in.root)).value();
    const path a(std::string("a\0x", 3));
    const path sub(std::string("sub\0x", 5));
    const path missing(std::string("missing\0x", 9));
    expect_refused("open", dir.open(a));
    expect_refused("create", dir.create(a));
    expect_refused("open_dir", dir.open_dir(sub));
    expect_refused("create_dir", dir.create_dir(missing));
    expect_refused("rename from", dir.rename(a, "free"));
    expect_refused("rename to", dir.rename("a", missing));
    expect_refused("rename to another", dir.rename("a", dir, missing));
    expect_refused("remove", dir.remove(a));
    expect_refused("remove_all", dir.remove_all(sub));
    expect_refused("metadata", dir.metadata(a));
    expect_refused("symlink_metadata", dir.symlink_metadata(a));
    EXPECT_EQ(in.count(), 4U);
    EXPECT_EQ(support::contents_of(in.root / "a"), "text");
}

}  // namespace
