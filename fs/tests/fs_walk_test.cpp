// SPDX-License-Identifier: MIT
// walk(): random trees against find, filters and depths, errors, and drops.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <expected>
#include <filesystem>
#include <random>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/eddy.hpp>
#include <eddy/fs.hpp>
#include <support/fs/link_swapper.hpp>
#include <support/fs/on_loop.hpp>
#include <support/process_state.hpp>
#include <support/random_tree.hpp>
#include <support/stress.hpp>
#include <support/temp_dir.hpp>

namespace {

namespace fs = eddy::fs;
using support::on_loop;

char letter_of(std::filesystem::file_type type) {
    switch (type) {
    case std::filesystem::file_type::regular: return 'f';
    case std::filesystem::file_type::directory: return 'd';
    case std::filesystem::file_type::symlink: return 'l';
    case std::filesystem::file_type::fifo: return 'p';
    case std::filesystem::file_type::socket: return 's';
    default: return '?';
    }
}

/// A line as that of `find -printf '%y %d %P\0'`, or with the metadata '%y %d %P %s %m %n %U %G %i %T@\0'.
std::string line_of(const fs::walk_batch& batch, const fs::walk_entry& entry, const std::string& base) {
    const auto path = (batch.directory.path() / entry.name).lexically_relative(base).string();
    std::string line = std::string(1, letter_of(entry.type)) + " " + std::to_string(batch.depth) + " " + path;
    if (!entry.metadata) return line;
    const auto& its = *entry.metadata;
    EXPECT_EQ(its.type, entry.type);
    std::array<char, 200> text{};
    const auto seconds = its.modified.time_since_epoch().count();
    std::snprintf(text.data(), text.size(), " %llu %o %llu %u %u %llu %lld.%09lld0",
                  static_cast<unsigned long long>(its.size), static_cast<unsigned>(its.permissions),
                  static_cast<unsigned long long>(its.links), its.user, its.group,
                  static_cast<unsigned long long>(its.inode), static_cast<long long>(seconds / 1'000'000'000),
                  static_cast<long long>(seconds % 1'000'000'000));
    return line + text.data();
}

using lines = std::vector<std::string>;

eddy::task<lines> collect(eddy::async_generator<fs::result<fs::walk_batch>> found, std::string base) {
    lines all;
    while (auto batch = co_await found.next()) {
        if (!*batch) {
            all.push_back(batch->error().message());
            continue;
        }
        EXPECT_FALSE((*batch)->entries.empty());
        for (const auto& entry : (*batch)->entries) all.push_back(line_of(**batch, entry, base));
    }
    std::ranges::sort(all);
    co_return all;
}

lines walked(const std::string& base, fs::walk_options options = {}) {
    return on_loop(collect(fs::walk(base, std::move(options)), base));
}

lines found(const std::string& base, const std::string& options) {
    const auto text = support::output_of("find " + base + " -mindepth 1 " + options);
    lines all;
    for (std::size_t at = 0; at < text.size();) {
        const auto end = text.find('\0', at);
        all.push_back(text.substr(at, end - at));
        at = end + 1;
    }
    std::ranges::sort(all);
    return all;
}

TEST(FsWalkStress, FindsWhatFindFinds) {
    for (auto round = support::rounds(300); round > 0; --round) {
        const support::temp_dir temp;
        support::random_tree(support::seed() + round).make(temp / "tree", 600);
        for (const std::size_t concurrency : {0, 1, 3, 100}) {
            const auto options = fs::walk_options().concurrency(concurrency);
            EXPECT_EQ(walked(temp / "tree", options), found(temp / "tree", "-printf '%y %d %P\\0'"));
        }
        EXPECT_EQ(walked(temp / "tree", fs::walk_options().metadata(true)),
                  found(temp / "tree", "-printf '%y %d %P %s %m %n %U %G %i %T@\\0'"));
        EXPECT_EQ(walked(temp / "tree", fs::walk_options().min_depth(2).max_depth(3)),
                  found(temp / "tree", "-mindepth 2 -maxdepth 3 -printf '%y %d %P\\0'"));
    }
}

TEST(FsWalk, FiltersSelectEntriesAndDirectories) {
    const support::temp_dir temp;
    support::random_tree(support::seed()).make(temp / "tree", 600);
    const auto is_file = [](const std::filesystem::path&, const fs::walk_entry& entry) {
        return entry.type == std::filesystem::file_type::regular;
    };
    const auto is_shown = [](const std::filesystem::path&, const fs::walk_entry& entry) {
        return entry.name[0] != '.';
    };
    EXPECT_EQ(walked(temp / "tree", fs::walk_options().only(is_file)),
              found(temp / "tree", "-type f -printf '%y %d %P\\0'"));
    EXPECT_EQ(walked(temp / "tree", fs::walk_options().only(is_shown).enter(is_shown)),
              found(temp / "tree", "-name '.*' -prune -o -printf '%y %d %P\\0'"));
}

TEST(FsWalk, LargeDirectoryIsReturnedInBatches) {
    const support::temp_dir temp;
    for (int i = 0; i < 1300; ++i) support::put_file(temp / ("f" + std::to_string(i)), "");
    std::filesystem::create_directory(temp / "sub");
    support::put_file(temp / "sub/file", "");
    EXPECT_EQ(walked(temp / ".").size(), 1302U);
    EXPECT_EQ(walked(temp / ".", fs::walk_options().max_depth(1)).size(), 1301U);
    EXPECT_EQ(walked(temp / ".", fs::walk_options().max_depth(0)).size(), 0U);
}

TEST(FsWalk, MissingDirectoryIsAnItem) {
    EXPECT_EQ(walked("/no/such"), (lines{"read /no/such: No such file or directory"}));
}

TEST(FsWalk, ValueOfAMissingDirectoryNamesIt) {
    const support::temp_dir dir;
    const auto test = [&]() -> eddy::task<std::string> {
        auto found = fs::walk(dir / "missing");
        auto batch = co_await found.next();
        try {
            static_cast<void>(batch->value());
        } catch (const std::bad_expected_access<fs::error>& thrown) {
            co_return thrown.what();
        }
        co_return "";
    };
    const auto text = on_loop(test());
    EXPECT_NE(text.find(dir / "missing"), std::string::npos) << text;
    EXPECT_NE(text.find("co_await try_"), std::string::npos) << text;
}

TEST(FsWalk, OneFileSystemEntersNoOther) {
    if (!std::filesystem::exists("/proc/self")) GTEST_SKIP() << "/proc is not mounted";
    const auto below = walked("/", fs::walk_options().one_file_system(true).max_depth(2));
    EXPECT_EQ(std::ranges::count(below, "d 1 proc"), 1);
    EXPECT_EQ(std::ranges::count_if(below, [](const auto& line) { return line.contains(" proc/"); }), 0);
}

TEST(FsWalk, BatchOpensWhatIsInIt) {
    const support::temp_dir temp;
    std::filesystem::create_directories(temp / "a/b/c");
    const auto names = on_loop([](std::string base) -> eddy::task<std::string> {
        std::string all;
        auto from = co_await fs::open_dir(base);
        auto found = fs::walk(from.value());
        while (auto batch = co_await found.next()) {
            for (const auto& entry : (*batch)->entries) {
                auto opened = co_await (*batch)->directory.open_dir(entry.name);
                all += opened->path().lexically_relative(base).string() + " ";
            }
        }
        co_return all;
    }(temp / "."));
    EXPECT_EQ(names, "a a/b a/b/c ");
}

#ifdef __linux__
TEST(FsWalkStress, DirectoriesSwappedForLinksLeadNowhere) {
    const support::link_swapper swapper;
    for (auto round = support::rounds(1000); round > 0; --round) {
        for (const auto& line : walked(swapper.tree())) ASSERT_FALSE(line.contains("outside")) << line;
    }
}
#endif

TEST(FsWalkStress, DropClosesAllDirectories) {
    const support::temp_dir temp;
    std::mt19937_64 dice(support::seed());
    support::random_tree(dice()).make(temp / "tree", 600);
    const auto before = support::count_fds();
    for (auto round = support::rounds(2000); round > 0; --round) {
        eddy::runtime runs;
        runs.block_on([](std::string path, std::chrono::microseconds limit) -> eddy::task<void> {
            auto all = co_await eddy::time::timeout(limit, collect(fs::walk(path), path));
            static_cast<void>(all.has_value());
        }(temp / "tree", std::chrono::microseconds(dice() % 3000)));
        std::move(runs).shutdown_timeout(std::chrono::seconds(30));
        ASSERT_EQ(support::count_fds(), before);
    }
}

}  // namespace
