// SPDX-License-Identifier: MIT
// copy_tree(): random trees against cp, special cases, a process that replaces directories, and drops.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <random>
#include <string>
#include <system_error>
#include <utility>

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
using support::output_of;

/// Returns all that cp -a keeps, with some of the times. File systems set the time of access when a file or link is
/// read for the first time.
std::string description_of(const std::string& tree, const std::string& times = "%T@") {
    return output_of("cd " + tree + " && find . -printf '%P %y %m %n %U %G " + times +
                     "\\n' | sort; find . -type l -printf '%P %l\\n' | sort; "
                     "find . -type f -print0 | sort -z | xargs -0r sha256sum");
}

/// Returns the first lines in which two texts differ.
std::string first_difference(const std::string& a, const std::string& b) {
    const auto [in_a, in_b] = std::ranges::mismatch(a, b);
    const auto line_at = [](const std::string& text, auto at) {
        const auto begin = std::find(std::make_reverse_iterator(at), text.rend(), '\n').base();
        return std::string(begin, std::find(at, text.end(), '\n'));
    };
    return a == b ? "" : line_at(a, in_a) + " instead of " + line_at(b, in_b);
}

TEST(FsCopyTreeStress, CopyIsThatOfCp) {
    for (auto round = support::rounds(300); round > 0; --round) {
        const support::temp_dir temp;
        support::random_tree(support::seed() + round).make(temp / "tree", 200);
        output_of("cp -a " + (temp / "tree") + " " + (temp / "expected"));
        const auto copied = on_loop(fs::copy_tree(temp / "tree", temp / "copy"));
        ASSERT_TRUE(copied) << copied.error().message();
        const auto found = description_of(temp / "copy", "%A@ %T@");
        ASSERT_EQ(first_difference(found, description_of(temp / "expected", "%A@ %T@")), "");
        EXPECT_EQ(std::to_string(*copied) + "\n",
                  output_of("find " + (temp / "tree") + " -mindepth 1 -printf x | wc -c"));
    }
}

TEST(FsCopyTree, ExistingEntriesAreErrorsOrReplaced) {
    const support::temp_dir temp;
    std::filesystem::create_directories(temp / "from/sub");
    support::put_file(temp / "from/sub/file", "new");
    std::filesystem::create_directories(temp / "to/sub");
    support::put_file(temp / "to/sub/file", "old");
    support::put_file(temp / "to/sub/other", "other");
    support::put_file(temp / "outside", "outside");
    EXPECT_EQ(on_loop(fs::copy_tree(temp / "from", temp / "to")).error().message(),
              "copy " + (temp / "from") + " to " + (temp / "to") + ": " + (temp / "to") +
                  ": the target exists: use fs::copy_options().overwrite(true) to replace it");
    const auto into = on_loop(
        fs::copy_tree(on_loop(fs::open_dir(temp / "from")).value(), on_loop(fs::open_dir(temp / "to")).value()));
    EXPECT_EQ(into.error(), fs::errc::target_exists);
    EXPECT_EQ(into.error(), std::errc::file_exists);
    EXPECT_EQ(into.error().path(), temp / "from/sub");
    EXPECT_EQ(into.error().failed(), fs::side::second);
    const auto overwriting = fs::copy_options().overwrite(true);
    EXPECT_EQ(on_loop(fs::copy_tree(temp / "from", temp / "to", overwriting)).value(), 2U);
    EXPECT_EQ(output_of("cat " + (temp / "to/sub/file") + " " + (temp / "to/sub/other")), "newother");
    std::filesystem::remove(temp / "to/sub/file");
    std::filesystem::create_symlink(temp / "outside", temp / "to/sub/file");
    EXPECT_EQ(on_loop(fs::copy_tree(temp / "from", temp / "to", overwriting)).value(), 2U);
    EXPECT_EQ(output_of("cat " + (temp / "outside") + " " + (temp / "to/sub/file")), "outsidenew");
}

TEST(FsCopyTree, DirectoryIsNotCopiedToItself) {
    const support::temp_dir temp;
    std::filesystem::create_directory(temp / "a");
    std::filesystem::create_directory_symlink("a", temp / "link");
    support::put_file(temp / "a/file", "text");
    const auto overwriting = fs::copy_options().overwrite(true);
    EXPECT_EQ(on_loop(fs::copy_tree(temp / "a", temp / "a", overwriting)).error(), fs::errc::same_file);
    EXPECT_EQ(on_loop(fs::copy_tree(temp / "link", temp / "a", overwriting)).error(), fs::errc::same_file);
    const auto opened = on_loop(fs::open_dir(temp / "a")).value();
    EXPECT_EQ(on_loop(fs::copy_tree(opened, opened)).error(), fs::errc::same_file);
    EXPECT_EQ(output_of("cat " + (temp / "a/file")), "text");
}

TEST(FsCopyTree, OverwriteReplacesEachKindExceptDirectories) {
    const support::temp_dir temp;
    std::filesystem::create_directory(temp / "from");
    std::filesystem::create_directory(temp / "to");
    const auto overwriting = fs::copy_options().overwrite(true);
    for (const std::string tree : {"from", "to"}) {
        support::put_file(temp / (tree + "/file"), tree);
        std::filesystem::create_hard_link(temp / (tree + "/file"), temp / (tree + "/second"));
        std::filesystem::create_symlink(tree, temp / (tree + "/link"));
        ::mkfifo((temp / (tree + "/fifo")).c_str(), tree == "from" ? 0600 : 0640);
        support::put_file(temp / (tree + "/" + std::string(255, 'x')), tree);  // the longest name
    }
    EXPECT_EQ(on_loop(fs::copy_tree(temp / "from", temp / "to", overwriting)).value(), 5U);
    EXPECT_EQ(description_of(temp / "to"), description_of(temp / "from"));
    for (const auto* name : {"file", "link", "fifo"}) {
        std::filesystem::remove_all(temp / "to");
        std::filesystem::create_directories(temp / ("to/" + std::string(name)));
        const auto copied = on_loop(fs::copy_tree(temp / "from", temp / "to", overwriting));
        EXPECT_EQ(copied.error(), std::errc::is_a_directory) << name;
        EXPECT_EQ(output_of("find " + (temp / "to") + " -name '.copy.*'"), "");
        EXPECT_TRUE(std::filesystem::is_directory(temp / ("to/" + std::string(name))));
    }
}

TEST(FsCopyTree, ErrorsNameBothPaths) {
    const support::temp_dir temp;
    support::put_file(temp / "file", "");
    EXPECT_EQ(
        on_loop(fs::copy_tree(temp / "none", temp / "to")).error().message(),
        "copy " + (temp / "none") + " to " + (temp / "to") + ": " + (temp / "none") + ": No such file or directory");
    EXPECT_EQ(on_loop(fs::copy_tree(temp / "file", temp / "to")).error(), std::errc::not_a_directory);
    std::filesystem::create_directory(temp / "from");
    const auto nowhere = temp / "none/to";
    EXPECT_EQ(on_loop(fs::copy_tree(temp / "from", nowhere)).error().message(),
              "copy " + (temp / "from") + " to " + nowhere + ": " + nowhere + ": No such file or directory");
    EXPECT_FALSE(std::filesystem::exists(temp / "to"));
}

TEST(FsCopyTree, TargetInTheSourceIsLeftOut) {
    const support::temp_dir temp;
    std::filesystem::create_directories(temp / "a/a");
    support::put_file(temp / "a/file", "");
    EXPECT_EQ(on_loop(fs::copy_tree(temp / "a", temp / "a/a/a")).value(), 2U);
    EXPECT_EQ(output_of("cd " + (temp / "a/a/a") + " && find . | sort"), ".\n./a\n./file\n");
}

TEST(FsCopyTree, HolesStayHoles) {
    const support::temp_dir temp;
    std::filesystem::create_directory(temp / "from");
    output_of("cd " + (temp / "from") +
              " && truncate -s 50M holes && printf x | dd of=holes bs=1 seek=20000000 conv=notrunc 2>&1");
    ASSERT_TRUE(on_loop(fs::copy_tree(temp / "from", temp / "to")));
    EXPECT_EQ(output_of("cmp " + (temp / "from/holes") + " " + (temp / "to/holes")), "");
    const auto copy = on_loop(fs::metadata(temp / "to/holes")).value();
    EXPECT_EQ(copy.size, 50U * 1024 * 1024);
    EXPECT_LT(copy.allocated, 1024U * 1024);
}

TEST(FsCopyTree, DeepTreeNeedsFewDescriptors) {
    const support::temp_dir temp;
    std::string path = temp / "from";
    for (int i = 0; i < 300; ++i) {
        std::filesystem::create_directory(path);
        support::put_file(path + "/file", "text");
        path += "/d";
    }
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    const rlimit lower{220, before.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &lower);
    EXPECT_EQ(on_loop(fs::copy_tree(temp / "from", temp / "to")).value(), 599U);
    ::setrlimit(RLIMIT_NOFILE, &before);
    EXPECT_EQ(description_of(temp / "to"), description_of(temp / "from"));
}

#ifdef __linux__
TEST(FsCopyTreeStress, DirectoriesSwappedForLinksLeadNowhere) {
    for (auto round = support::rounds(300); round > 0; --round) {
        const support::link_swapper swapper;
        const auto copied = on_loop(fs::copy_tree(swapper.tree(), swapper / "copy"));  // an error is possible
        static_cast<void>(copied.has_value());
        ASSERT_EQ(output_of("grep -rl outside " + (swapper / "copy") + " || true"), "");
        ASSERT_TRUE(swapper.outside_is_whole());
    }
}

TEST(FsCopyTreeStress, TargetsSwappedForLinksAreNotWritten) {
    for (auto round = support::rounds(300); round > 0; --round) {
        const support::link_swapper swapper;
        output_of("mkdir -p " + (swapper / "from") + " && cd " + (swapper / "from") +
                  " && for i in $(seq 0 29); do mkdir -p $i/below; "
                  "echo stolen > $i/stolen; echo stolen > $i/below/stolen; done");
        const auto copied =
            on_loop(fs::copy_tree(swapper / "from", swapper.tree(), fs::copy_options().overwrite(true)));
        static_cast<void>(copied.has_value());
        ASSERT_TRUE(swapper.outside_is_whole());
    }
}
#endif

TEST(FsCopyTreeStress, DropLeavesNoPartOfAFile) {
    std::mt19937_64 dice(support::seed());
    const support::temp_dir temp;
    support::random_tree(dice()).make(temp / "from", 300);
    support::put_file(temp / "from/large", std::string(100'000'000, 'x'));
    const auto before = support::count_fds();
    for (auto round = support::rounds(500); round > 0; --round) {
        {
            eddy::runtime runs;
            runs.block_on([](std::string from, std::string to, std::chrono::microseconds limit) -> eddy::task<void> {
                auto copied = co_await eddy::time::timeout(limit, fs::copy_tree(from, to));
                static_cast<void>(copied.has_value());
            }(temp / "from", temp / "to", std::chrono::microseconds(dice() % 100'000)));
            std::move(runs).shutdown_timeout(std::chrono::seconds(30));
        }
        EXPECT_EQ(support::count_fds(), before);
        const auto compare = "find . -type f -exec cmp {} " + (temp / "from") + "/{} \\; 2>&1";
        EXPECT_EQ(output_of("mkdir -p " + (temp / "to") + " && cd " + (temp / "to") + " && " + compare), "");
        on_loop(fs::remove_all(temp / "to")).value();
    }
}

}  // namespace
