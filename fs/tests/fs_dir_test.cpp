// SPDX-License-Identifier: MIT
// Open directories: what their names reach, and what they refuse.
// covers: P071 P097
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <system_error>
#include <vector>

#include <eddy/eddy.hpp>
#include <eddy/fs.hpp>
#include <support/fs/on_loop.hpp>
#include <support/process_state.hpp>
#include <support/random_tree.hpp>
#include <support/temp_dir.hpp>

#include "sys/beneath.hpp"
#include "sys/dir_entry_calls.hpp"
#include "sys/dir_reader.hpp"

namespace {

namespace fs = eddy::fs;
using std::filesystem::file_type;
using support::on_loop;

fs::dir opened(const std::string& path) { return on_loop(fs::open_dir(path)).value(); }

std::map<std::string, file_type> entries_of(const fs::dir& of) {
    return on_loop([](fs::dir its) -> eddy::task<std::map<std::string, file_type>> {
        std::map<std::string, file_type> all;
        auto entries = its.entries();
        while (auto entry = co_await entries.next()) {
            const auto& each = entry->value();
            EXPECT_TRUE(all.emplace(each.name, each.type).second) << each.name;
        }
        co_return all;
    }(of));
}

/// A folder `inside`, and a folder `outside` beside it.
struct fenced {
    support::temp_dir temp;
    std::string inside = temp / "inside";
    std::string outside = temp / "outside";

    fenced() {
        for (const auto& path : {inside, outside, inside + "/sub"}) std::filesystem::create_directory(path);
        support::put_file(outside + "/secret", "secret");
        support::put_file(inside + "/sub/file", "file");
        std::filesystem::create_directory_symlink(outside, inside + "/absolute");
        std::filesystem::create_directory_symlink("../outside", inside + "/relative");
        std::filesystem::create_directory_symlink("sub", inside + "/stays");
    }
};

TEST(FsDir, OpenDirectoriesAreNotInherited) {
    const support::temp_dir temp;
    std::filesystem::create_directory(temp / "sub");
    const auto top = eddy::sys::open_folder(temp / ".");
    const int dir = top->get();
    const int next = ::dup(dir);
    ::close(next);
    const auto reader = eddy::sys::dir_reader::open(dir);
    EXPECT_EQ(::fcntl(next, F_GETFD), FD_CLOEXEC);
    const std::array opened = {
        eddy::sys::open_folder_beneath(dir, "sub"), eddy::sys::open_for_search(dir, "sub"),
        eddy::sys::open_subdirectory(dir, "sub"),   eddy::sys::open_parent(dir),
        eddy::sys::open_for_watch(dir, "sub"),      eddy::sys::open_step_by_step(dir, "sub", O_RDONLY, 0)};
    for (const auto& each : opened) EXPECT_EQ(::fcntl(each.value().get(), F_GETFD), FD_CLOEXEC);
}

TEST(FsDir, OpenErrorNamesThePath) {
    const auto missing = on_loop(fs::open_dir("/nothing/here"));
    EXPECT_EQ(missing.error().message(), "open /nothing/here: No such file or directory");
    const fenced all;
    EXPECT_EQ(on_loop(fs::open_dir(all.outside + "/secret")).error(), std::errc::not_a_directory);
    EXPECT_EQ(on_loop(opened(all.inside).open_dir("x")).error().message(),
              "open " + all.inside + "/x: No such file or directory");
}

TEST(FsDir, EntriesHaveNamesAndTypes) {
    const fenced all;
    ::mkfifo((all.inside + "/fifo").c_str(), 0600);
    support::put_file(all.inside + "/file", "");
    const std::map<std::string, file_type> expected = {
        {"absolute", file_type::symlink}, {"relative", file_type::symlink}, {"stays", file_type::symlink},
        {"sub", file_type::directory},    {"fifo", file_type::fifo},        {"file", file_type::regular}};
    EXPECT_EQ(entries_of(opened(all.inside)), expected);
}

TEST(FsDir, EntriesOfManyBatchesAreComplete) {
    const support::temp_dir temp;
    for (int i = 0; i < 1300; ++i) support::put_file(temp / std::to_string(i), "");
    EXPECT_EQ(entries_of(opened(temp / ".")).size(), 1300U);
    EXPECT_TRUE(entries_of(opened(temp / ".")).contains("1299"));
}

TEST(FsDir, TwoStreamsOfOneDirectoryAreIndependent) {
    const fenced all;
    const auto both = on_loop([](fs::dir its) -> eddy::task<std::size_t> {
        auto first = its.entries();
        auto second = its.entries();
        std::size_t count = 0;
        while (co_await first.next()) ++count;
        while (co_await second.next()) ++count;
        co_return count;
    }(opened(all.inside)));
    EXPECT_EQ(both, 8U);
}

// covers: B22
TEST(FsDir, NamesDoNotLeaveTheDirectory) {
    const fenced all;
    const auto dir = opened(all.inside);
    for (const std::string path :
         {"..", "../outside", "sub/../../outside", "absolute", "relative", all.outside.c_str()})
        EXPECT_EQ(on_loop(dir.open_dir(path)).error(), fs::errc::outside) << path;
    for (const std::string path : {"../outside/secret", "absolute/secret", "relative/secret"}) {
        EXPECT_EQ(on_loop(dir.remove(path)).error(), fs::errc::outside) << path;
        EXPECT_EQ(on_loop(dir.remove_all(path)).error(), fs::errc::outside) << path;
        EXPECT_EQ(on_loop(dir.rename(path, "stolen")).error(), fs::errc::outside) << path;
        EXPECT_EQ(on_loop(dir.rename("sub/file", path)).error(), fs::errc::outside) << path;
        EXPECT_EQ(on_loop(dir.create_dir(path + "2")).error(), fs::errc::outside) << path;
    }
    EXPECT_EQ(support::output_of("ls " + all.outside), "secret\n");
}

TEST(FsDir, EntriesNeedAName) {
    const fenced all;
    const auto dir = opened(all.inside);
    for (const std::string path : {".", "..", "sub/.."}) {
        const auto refused = on_loop(dir.remove(path));
        EXPECT_EQ(refused.error(), fs::errc::no_name) << path;
        EXPECT_EQ(refused.error(), std::errc::invalid_argument) << path;
        EXPECT_EQ(on_loop(dir.create_dir(path)).error(), fs::errc::no_name) << path;
    }
}

TEST(FsDir, LinksThatStayBelowAreFollowed) {
    const fenced all;
    const auto dir = opened(all.inside);
    EXPECT_TRUE(entries_of(on_loop(dir.open_dir("stays")).value()).contains("file"));
    EXPECT_TRUE(on_loop(dir.open_dir("sub/../sub/.")));
    EXPECT_TRUE(on_loop(dir.remove("stays/file")));
    EXPECT_TRUE(entries_of(on_loop(dir.open_dir("sub")).value()).empty());
}

TEST(FsDir, StepByStepFollowsNoLink) {
    const fenced all;
    const auto dir = opened(all.inside);
    const auto open = [&](const std::string& path) {
        return eddy::sys::open_step_by_step(dir.native_handle(), path, O_RDONLY, 0);
    };
    EXPECT_TRUE(open("sub/file"));
    EXPECT_TRUE(open("./sub//file"));
    EXPECT_TRUE(open("sub/"));
    EXPECT_TRUE(open("."));
    EXPECT_EQ(open("sub/file/").error(), std::errc::not_a_directory);
    EXPECT_EQ(open("stays/file").error(), std::errc::not_a_directory);
    EXPECT_EQ(open("absolute").error(), std::errc::too_many_symbolic_link_levels);
    EXPECT_EQ(open("sub/..").error(), fs::errc::outside);
    EXPECT_EQ(open("/etc").error(), fs::errc::outside);
    EXPECT_EQ(open("").error(), eddy::errc::bad_path);
    EXPECT_EQ(open(std::string("sub\0/..", 7)).error(), eddy::errc::bad_path);
}

TEST(FsDir, NamesThatCannotBeCreatedAreRefused) {
    const fenced all;
    const auto dir = opened(all.inside);
    for (const std::string path : {".", "sub/.", "sub/.."}) {
        EXPECT_EQ(on_loop(dir.remove(path)).error(), std::errc::invalid_argument) << path;
        EXPECT_EQ(on_loop(dir.remove_all(path)).error(), std::errc::invalid_argument) << path;
        EXPECT_EQ(on_loop(dir.create_dir(path)).error(), std::errc::invalid_argument) << path;
    }
    EXPECT_EQ(on_loop(dir.remove("")).error(), eddy::errc::bad_path);
    EXPECT_EQ(on_loop(dir.create_dir(std::string("a\0b", 3))).error(), eddy::errc::bad_path);
}

TEST(FsDir, CreateRenameAndRemove) {
    const fenced all;
    const auto dir = opened(all.inside);
    EXPECT_TRUE(on_loop(dir.create_dir("sub/new/")));
    EXPECT_EQ(on_loop(dir.create_dir("sub/new")).error(), std::errc::file_exists);
    EXPECT_EQ(on_loop(dir.remove("sub")).error(), std::errc::directory_not_empty);
    EXPECT_TRUE(on_loop(dir.rename("sub/file", "sub/new/file")));
    const auto target = opened(all.outside);
    EXPECT_TRUE(on_loop(dir.rename("sub/new", target, "moved")));
    EXPECT_EQ(support::output_of("cat " + all.outside + "/moved/file"), "file");
    EXPECT_TRUE(on_loop(dir.remove("sub")));
    EXPECT_TRUE(on_loop(dir.remove("absolute")));  // the link itself
    EXPECT_EQ(
        on_loop(dir.rename("sub", target, "x")).error().message(),
        "rename " + all.inside + "/sub to " + all.outside + "/x: " + all.inside + "/sub: No such file or directory");
}

TEST(FsDir, OpensAndCreatesFiles) {
    const fenced all;
    const auto dir = opened(all.inside);
    const auto text = on_loop([](fs::dir in) -> eddy::task<eddy::result<std::string>> {
        auto created = co_await eddy::try_(in.create("sub/new"));
        co_await eddy::try_(eddy::io::write_all(created, "text"));
        auto again = co_await eddy::try_(in.open("stays/new"));
        std::string all_text;
        co_await eddy::try_(eddy::io::read_to_end(again, all_text));
        co_return all_text;
    }(dir));
    EXPECT_EQ(text.value(), "text");
    for (const std::string path : {"../outside/secret", "absolute/secret", "relative/secret"}) {
        const auto refused = on_loop(dir.open(path));
        EXPECT_EQ(refused.error(), fs::errc::outside) << path;
        EXPECT_EQ(refused.error(), std::errc::cross_device_link) << path;
        EXPECT_EQ(refused.error().message(),
                  "open " + all.inside + "/" + path + ": the path leads out of the directory");
        EXPECT_EQ(on_loop(dir.create(path)).error(), fs::errc::outside) << path;
        EXPECT_EQ(on_loop(dir.metadata(path)).error(), fs::errc::outside) << path;
    }
    ::mkfifo((all.inside + "/fifo").c_str(), 0600);
    EXPECT_EQ(on_loop(dir.open("fifo")).error(), fs::errc::fifo);
    EXPECT_EQ(on_loop(dir.open("fifo", fs::open_options().write(true))).error(), fs::errc::fifo);
    EXPECT_EQ(on_loop(dir.open("x")).error().message(), "open " + all.inside + "/x: No such file or directory");
    EXPECT_EQ(support::output_of("cat " + all.outside + "/secret"), "secret");
}

TEST(FsDir, MetadataIsThatOfStat) {
    const fenced all;
    const auto dir = opened(all.inside);
    const auto inode = [&](const std::string& options) {
        return std::stoull(support::output_of("cd " + all.inside + " && stat -c %i " + options));
    };
    EXPECT_EQ(on_loop(dir.metadata()).value().inode, inode("."));
    EXPECT_EQ(on_loop(dir.metadata(".")).value().inode, inode("."));
    EXPECT_EQ(on_loop(dir.metadata("stays")).value().inode, inode("-L stays"));
    EXPECT_EQ(on_loop(dir.symlink_metadata("stays")).value().inode, inode("stays"));
    EXPECT_TRUE(on_loop(dir.symlink_metadata("stays")).value().is_symlink());
    EXPECT_EQ(on_loop(dir.metadata("sub/file")).value().size, 4U);
    EXPECT_EQ(on_loop(dir.metadata("x")).error().message(), "stat " + all.inside + "/x: No such file or directory");
}

TEST(FsDir, StaysTheSameDirectoryAfterARename) {
    const fenced all;
    const auto dir = opened(all.inside);
    std::filesystem::rename(all.inside, all.inside + "2");
    std::filesystem::create_directory_symlink(all.outside, all.inside);
    EXPECT_TRUE(entries_of(dir).contains("sub"));
    EXPECT_TRUE(on_loop(dir.remove("sub/file")));
}

TEST(FsDir, LastCopyClosesTheDescriptor) {
    const fenced all;
    const auto before = support::count_fds();
    {
        const auto first = opened(all.inside);
        auto second = opened(all.outside);
        second = first;
        EXPECT_EQ(support::count_fds(all.inside), 1U);
        EXPECT_EQ(second.native_handle(), first.native_handle());
    }
    EXPECT_EQ(support::count_fds(), before);
}

}  // namespace
