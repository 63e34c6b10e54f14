// SPDX-License-Identifier: MIT
// remove_all(): against find, in deep trees, against a process that replaces directories, and dropped.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <system_error>
#include <utility>

#include <eddy/eddy.hpp>
#include <eddy/fs.hpp>
#include <support/fs/link_swapper.hpp>
#include <support/fs/on_loop.hpp>
#ifdef __linux__
#include <support/fs/other_user.hpp>
#endif
#include <support/process_state.hpp>
#include <support/random_tree.hpp>
#include <support/stress.hpp>
#include <support/temp_dir.hpp>

namespace {

namespace fs = eddy::fs;
using support::on_loop;

std::uint64_t count_below(const std::string& path) {
    return std::stoull(support::output_of("find " + path + " -printf x | wc -c"));
}

TEST(FsRemoveAllStress, RemovesAndCountsARandomTree) {
    const support::temp_dir temp;
    for (auto round = support::rounds(300); round > 0; --round) {
        support::random_tree(support::seed() + round).make(temp / "tree", 600);
        const auto expected = count_below(temp / "tree");
        EXPECT_EQ(on_loop(fs::remove_all(temp / "tree")).value(), expected);
        EXPECT_EQ(support::output_of("ls " + (temp / ".")), "");
    }
}

TEST(FsRemoveAll, RemovesOneFileOrLink) {
    const support::temp_dir temp;
    std::filesystem::create_directory(temp / "kept");
    support::put_file(temp / "kept/file", "");
    support::put_file(temp / "file", "");
    std::filesystem::create_directory_symlink("kept", temp / "link");
    EXPECT_EQ(on_loop(fs::remove_all(temp / "file")).value(), 1U);
    EXPECT_EQ(on_loop(fs::remove_all(temp / "link")).value(), 1U);
    EXPECT_EQ(on_loop(fs::remove_all(temp / "nothing")).value(), 0U);
    EXPECT_EQ(on_loop(fs::remove_all(temp / "no/thing")).value(), 0U);
    EXPECT_EQ(support::output_of("find " + (temp / "kept") + " -type f | wc -l"), "1\n");
    EXPECT_EQ(on_loop(fs::remove_all(temp / "kept/")).value(), 2U);
    EXPECT_EQ(on_loop(fs::remove_all(temp / ".")).error(), std::errc::invalid_argument);
    EXPECT_EQ(on_loop(fs::remove_all("/")).error(), std::errc::invalid_argument);
}

TEST(FsRemoveAll, DeepTreeNeedsFewDescriptors) {
    const support::temp_dir temp;
    constexpr int levels = 500;
    int at = ::open((temp / ".").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < levels; ++i) {
        ::mkdirat(at, "directory", 0700);
        const int next = ::openat(at, "directory", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ::close(::openat(next, "zfile", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        ::close(std::exchange(at, next));
    }
    ::close(at);
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    const rlimit lower{150, before.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &lower);
    EXPECT_EQ(on_loop(fs::remove_all(temp / "directory")).value(), std::uint64_t{2} * levels);
    ::setrlimit(RLIMIT_NOFILE, &before);
    EXPECT_EQ(support::output_of("ls " + (temp / ".")), "");
}

#ifdef __linux__
std::set<std::string> names_below(const std::string& path) {
    std::set<std::string> names;
    std::istringstream text(support::output_of("find " + path + " -mindepth 1 -printf '%P\\0' 2>&1"));
    for (std::string name; std::getline(text, name, '\0');) names.insert(name);
    return names;
}

// The owner may not read or change some of the directories. rm goes on after an error, remove_all() ends.
TEST(FsRemoveAllStress, RemovesWhatRmRemoves) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become another user";
    for (auto round = support::rounds(1000); round > 0; --round) {
        const support::temp_dir temp;
        for (const auto* folder : {"eddy", "rm"}) {
            std::filesystem::create_directory(temp / folder);
            support::random_tree(support::seed() + round)
                .make(temp / (std::string(folder) + "/tree"), static_cast<int>(1 + round % 30));
        }
        support::output_of("chmod 755 " + (temp / ".") + " && chown -hR 65534:65534 " + (temp / "eddy") + " " +
                           (temp / "rm"));
        support::as_other_user([&] {
            support::output_of("rm -rf " + (temp / "rm/tree") + " 2>&1");
            eddy::runtime runs;
            const auto removed = runs.block_on(fs::remove_all(temp / "eddy/tree"));
            const auto left = names_below(temp / "eddy");
            EXPECT_EQ(removed.has_value(), left.empty());
            if (!removed) {
                EXPECT_EQ(removed.error(), std::errc::permission_denied);
                EXPECT_TRUE(removed.error().path().native().starts_with(temp / "eddy/tree"));
            }
        });
        const auto left_by_rm = names_below(temp / "rm"), left = names_below(temp / "eddy");
        EXPECT_TRUE(std::ranges::includes(left, left_by_rm));
        ASSERT_EQ(left.empty(), left_by_rm.empty()) << support::output_of("find " + (temp / "eddy") + " -ls");
    }
}

TEST(FsRemoveAllStress, DirectoriesSwappedForLinksLeadNowhere) {
    for (auto round = support::rounds(300); round > 0; --round) {
        const support::link_swapper swapper;
        const auto removed =
            on_loop(fs::remove_all(swapper.tree()));  // an error is possible: names change all the time
        static_cast<void>(removed.has_value());
        ASSERT_TRUE(swapper.outside_is_whole());
    }
}
#endif

TEST(FsRemoveAllStress, DropStopsAfterAStep) {
    const support::temp_dir temp;
    std::mt19937_64 dice(support::seed());
    for (auto round = support::rounds(300); round > 0; --round) {
        support::random_tree(dice()).make(temp / "tree", 600);
        const auto before = support::count_fds();
        {
            eddy::runtime runs;
            runs.block_on([](std::string path, std::chrono::microseconds limit) -> eddy::task<void> {
                auto removed = co_await eddy::time::timeout(limit, fs::remove_all(path));
                static_cast<void>(removed.has_value());
            }(temp / "tree", std::chrono::microseconds(dice() % 5000)));
            std::move(runs).shutdown_timeout(std::chrono::seconds(30));
        }
        EXPECT_EQ(support::count_fds(), before);
        EXPECT_TRUE(on_loop(fs::remove_all(temp / "tree")));
    }
}

}  // namespace
