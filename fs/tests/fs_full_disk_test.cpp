// SPDX-License-Identifier: MIT
// Operations for which there is no room: on a small tmpfs, and with a limit of the size of files.
#ifdef __linux__
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/eddy.hpp>
#include <eddy/fs.hpp>
#include <support/file_contents.hpp>
#include <support/fs/small_disk.hpp>
#include <support/process_state.hpp>
#include <support/temp_dir.hpp>

namespace {

namespace fs = eddy::fs;
using names = std::vector<std::string>;
using support::contents_of;
using support::set_contents;

constexpr std::size_t room = 1024 * 1024;

names names_in(const std::string& dir) {
    names all;
    for (const auto& entry : std::filesystem::directory_iterator(dir)) all.push_back(entry.path().filename());
    std::ranges::sort(all);
    return all;
}

/// Makes all operations that need more than `room` in a directory.
class full_disk {
public:
    full_disk(std::string source, std::string dir, std::errc error)
        : source_(std::move(source)), dir_(std::move(dir)), file_(dir_ + "/file"), error_(error) {
        fails(fs::file::open(dir_ + "/none"), "open " + dir_ + "/none", std::errc::no_such_file_or_directory);
        fds_ = support::count_fds();
    }

    void whole_files() {
        fails(fs::write(file_, large_), "write " + file_);
        std::filesystem::remove(file_);
        fails(fs::append(file_, large_), "append to " + file_);
        std::filesystem::remove(file_);
        fails(fs::copy(source_ + "/large", file_), "copy " + source_ + "/large to " + file_);
        std::filesystem::remove(file_);
        EXPECT_EQ(support::count_fds(), fds_);
    }

    void write_atomically() {
        set_contents(file_, "old");
        std::filesystem::permissions(file_, std::filesystem::perms(0640));
        fails(fs::write_atomically(file_, large_), "write " + file_);
        EXPECT_EQ(contents_of(file_), "old");
        EXPECT_EQ(std::filesystem::status(file_).permissions(), std::filesystem::perms(0640));
        fails(fs::write_atomically(dir_ + "/new", large_), "write " + dir_ + "/new");
        EXPECT_EQ(names_in(dir_), names{"file"});
        std::filesystem::remove(file_);
        EXPECT_EQ(support::count_fds(), fds_);
    }

    // The bytes that were reported are there, and no others.
    void open_file() {
        runs_.block_on([](full_disk& on) -> eddy::task<void> {
            auto file = co_await fs::file::create(on.file_);
            std::size_t written = 0;
            for (;;) {
                const auto count = co_await file->write(std::string_view(on.large_).substr(written));
                if (!count) {
                    on.is_full(count.error(), "write " + on.file_);
                    break;
                }
                written += *count;
            }
            EXPECT_GT(written, room / 2);
            EXPECT_TRUE(contents_of(on.file_) == on.large_.substr(0, written));
            const auto at = co_await file->write_at("x", 2 * room);
            EXPECT_FALSE(at);
            if (!at) on.is_full(at.error(), "write " + on.file_);
            const auto allocated = co_await file->allocate(0, 2 * room);
            EXPECT_FALSE(allocated);
            if (!allocated) on.is_full(allocated.error(), "allocate " + on.file_);
            EXPECT_EQ(std::filesystem::file_size(on.file_), written);
            const auto closed = co_await file->close();
            EXPECT_TRUE(closed);
        }(*this));
        std::filesystem::remove(file_);
        EXPECT_EQ(support::count_fds(), fds_);
    }

    void copy_tree() {
        const auto copy = dir_ + "/copy";
        const auto text = "copy " + source_ + "/large to " + copy + "/large";
        fails(fs::copy_tree(source_, copy), text);
        EXPECT_EQ(std::ranges::count(names_in(copy), "large"), 0);
        set_contents(copy + "/large", "old");
        fails(fs::copy_tree(source_, copy, fs::copy_options().overwrite(true)), text);
        EXPECT_EQ(contents_of(copy + "/large"), "old");
        for (const auto& name : names_in(copy)) EXPECT_TRUE(name == "large" || name == "small") << name;
        std::filesystem::remove_all(copy);
        EXPECT_EQ(support::count_fds(), fds_);
    }

    /// Runs an operation that must fail.
    template <class F>
    void fails(F operation, const std::string& text) {
        fails(std::move(operation), text, error_);
    }

private:
    template <class F>
    void fails(F operation, const std::string& text, std::errc error) {
        const auto done = runs_.block_on(std::move(operation));
        ASSERT_FALSE(done) << text;
        EXPECT_EQ(done.error(), error);
        EXPECT_EQ(done.error().message(), text + ": " + std::make_error_code(error).message());
    }
    void is_full(const fs::error& found, const std::string& text) const {
        EXPECT_EQ(found.message(), text + ": " + std::make_error_code(error_).message());
    }

    std::string source_;
    std::string dir_;
    std::string file_;
    std::errc error_;
    const std::string large_ = std::string(3 * room, 'l');
    eddy::runtime runs_;
    std::size_t fds_ = 0;
};

class FsFullDiskOwnProcess : public testing::Test {
protected:
    FsFullDiskOwnProcess() {
        for (const auto* name : {"source", "disk"}) std::filesystem::create_directory(temp / name);
        set_contents(temp / "source/large", std::string(3 * room, 'l'));
        set_contents(temp / "source/small", "small");
    }

    support::temp_dir temp;
};

TEST_F(FsFullDiskOwnProcess, FileSystemIsFull) {
    const auto why = support::on_small_disk(temp / "disk", "size=1m", [&] {
        full_disk disk(temp / "source", temp / "disk", std::errc::no_space_on_device);
        disk.whole_files();
        disk.write_atomically();
        disk.open_file();
        disk.copy_tree();
    });
    if (!why.empty()) GTEST_SKIP() << "cannot mount a small disk: " << why;
}

TEST_F(FsFullDiskOwnProcess, HolesOfACopyNeedNoRoom) {
    set_contents(temp / "source/large", "start");
    std::filesystem::resize_file(temp / "source/large", 100 * room);
    const auto why = support::on_small_disk(temp / "disk", "size=1m", [&] {
        eddy::runtime runs;
        const auto copied = runs.block_on(fs::copy(temp / "source/large", temp / "disk/a"));
        ASSERT_TRUE(copied) << copied.error().message();
        EXPECT_EQ(*copied, 100 * room);
        EXPECT_TRUE(runs.block_on(fs::copy_tree(temp / "source", temp / "disk/tree")));
    });
    if (!why.empty()) GTEST_SKIP() << "cannot mount a small disk: " << why;
}

TEST_F(FsFullDiskOwnProcess, FileSystemHasNoMoreFiles) {
    const auto why = support::on_small_disk(temp / "disk", "size=1m,nr_inodes=2", [&] {
        const auto path = temp / "disk/new";
        set_contents(temp / "disk/old", "old");
        full_disk disk(temp / "source", temp / "disk", std::errc::no_space_on_device);
        disk.fails(fs::write(path, "x"), "write " + path);
        disk.fails(fs::write_atomically(temp / "disk/old", "new"), "write " + (temp / "disk/old"));
        disk.fails(fs::file::create(path), "open " + path);
        disk.fails(fs::create_dir(path), "create " + path);
        disk.fails(fs::create_dirs(path), "create " + path);
        disk.fails(fs::symlink("old", path), "link old to " + path + ": " + path);
        disk.fails(fs::temp_file(temp / "disk"), "create a temporary file in " + (temp / "disk"));
        disk.fails(fs::temp_dir(temp / "disk"), "create a temporary directory in " + (temp / "disk"));
        disk.fails(fs::copy_tree(temp / "source", path), "copy " + (temp / "source") + " to " + path + ": " + path);
        EXPECT_EQ(names_in(temp / "disk"), names{"old"});
        EXPECT_EQ(contents_of(temp / "disk/old"), "old");
    });
    if (!why.empty()) GTEST_SKIP() << "cannot mount a small disk: " << why;
}

TEST_F(FsFullDiskOwnProcess, FilesHaveALimit) {
    std::signal(SIGXFSZ, SIG_IGN);  // otherwise it ends the process
    rlimit before{};
    ::getrlimit(RLIMIT_FSIZE, &before);
    const rlimit lower{room, before.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &lower);
    {
        full_disk disk(temp / "source", temp / "disk", std::errc::file_too_large);
        disk.whole_files();
        disk.write_atomically();
        disk.open_file();
        disk.copy_tree();
    }
    ::setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, SIG_DFL);
}

}  // namespace
#endif
