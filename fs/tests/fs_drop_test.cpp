// SPDX-License-Identifier: MIT
// runs: once, asan, faults
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <eddy/eddy.hpp>
#include <eddy/fs.hpp>

#include <support/file_contents.hpp>
#include <support/fs/file_faults.hpp>
#include <support/gate.hpp>
#include <support/net.hpp>
#include <support/poll_once.hpp>
#include <support/temp_dir.hpp>

// What dropped operations do, before and after their jobs have begun.

namespace {

namespace fs = eddy::fs;
using support::contents_of;
using checked = eddy::task<fs::result<void>>;

/// A runtime with one thread for blocking work.
class one_thread {
public:
    one_thread() : runs_(eddy::runtime::builder().worker_threads(1).max_blocking_threads(1).build().value()) {}

    void run(auto test) {
        const auto done = runs_.block_on(test());
        EXPECT_TRUE(done) << done.error().message();
    }
    /// Waits for all jobs.
    void end() { std::move(runs_).shutdown_timeout(std::chrono::seconds(60)); }
    eddy::runtime& runtime() noexcept { return runs_; }

private:
    eddy::runtime runs_;
};

/// Occupies the only thread for blocking work until it is destroyed.
class busy_thread {
public:
    busy_thread() : job_(eddy::spawn_blocking([open = open_] { open->get_future().wait(); })) {}
    ~busy_thread() { open_->set_value(); }

private:
    std::shared_ptr<std::promise<void>> open_ = std::make_shared<std::promise<void>>();
    eddy::join_handle<void> job_;
};

TEST(FsDrop, WriteThatHasNotBegunIsNotMade) {
    const support::temp_dir dir;
    one_thread runs;
    runs.run([&]() -> checked {
        auto file = co_await eddy::try_(fs::file::create(dir / "a"));
        {
            const busy_thread busy;
            const auto dropped = co_await support::once(file.write("dropped"));
            EXPECT_FALSE(dropped);
            const auto positional = co_await support::once(file.write_at("dropped", 0));
            EXPECT_FALSE(positional);
        }
        const auto count = co_await eddy::try_(file.write("made"));
        EXPECT_EQ(count, 4U);
        EXPECT_EQ(contents_of(dir / "a"), "made");
        {
            const busy_thread busy;
            const auto dropped = co_await support::once(file.write("dropped"));
            EXPECT_FALSE(dropped);
        }
        const auto all = co_await eddy::io::write_all(file, " too");
        EXPECT_TRUE(all);
        EXPECT_EQ(contents_of(dir / "a"), "made too");
        co_return {};
    });
}

// A poll_write() that is not ready has taken the bytes. A later call with other ones writes those, too.
TEST(FsDrop, PollWithOtherBytesWritesThemAsWell) {
    const support::temp_dir dir;
    one_thread runs;
    runs.run([&]() -> checked {
        auto file = co_await eddy::try_(fs::file::create(dir / "a"));
        const auto write = [&file](std::string_view text) {
            return eddy::poll_fn(
                [&file, text](eddy::context& cx) { return file.poll_write(cx, std::as_bytes(std::span(text))); });
        };
        {
            support::held_file_call held("pwrite");
            auto first = write("one");
            const auto is_ready = co_await support::poll_once(first);
            EXPECT_FALSE(is_ready);
            held.wait_until_held();
        }
        const auto count = co_await write("other");
        EXPECT_EQ(count, 5U);
        EXPECT_EQ(contents_of(dir / "a"), "oneother");
        co_return {};
    });
}

TEST(FsDrop, WriteThatHasBegunIsMadeBeforeTheNextOne) {
    const support::temp_dir dir;
    one_thread runs;
    runs.run([&]() -> checked {
        auto file = co_await eddy::try_(fs::file::create(dir / "a"));
        {
            support::held_file_call held("pwrite");
            auto bytes = std::make_unique<std::string>("first ");
            std::optional<fs::file_write> write(file.write(*bytes));
            auto is_ready = co_await support::poll_once(*write);
            EXPECT_FALSE(is_ready);
            held.wait_until_held();
            write.reset();
            bytes.reset();  // the job has a copy
        }
        const auto count = co_await eddy::try_(file.write("second"));
        EXPECT_EQ(count, 6U);
        EXPECT_EQ(contents_of(dir / "a"), "first second");
        EXPECT_EQ(file.position(), 12U);
        co_return {};
    });
}

/// Drops a write whose job has begun, and then fails with ENOSPC.
eddy::task<void> drop_failing_write(fs::file& to) {
    support::held_file_call held("pwrite", ENOSPC);
    std::optional<fs::file_write> write(to.write("lost"));
    const auto is_ready = co_await support::poll_once(*write);
    EXPECT_FALSE(is_ready);
    held.wait_until_held();
    write.reset();
}

TEST(FsDrop, ErrorOfADroppedWriteIsThatOfTheNextOperation) {
    const support::temp_dir dir;
    one_thread runs;
    runs.run([&]() -> checked {
        auto file = co_await eddy::try_(fs::file::create(dir / "a"));
        for (int i = 0; i < 5; ++i) {
            co_await drop_failing_write(file);
            fs::result<void> reported;
            if (i == 0) reported = co_await file.sync_all();
            if (i == 1) {
                const auto count = co_await file.write("next");
                if (!count) reported = std::unexpected(count.error());
            }
            if (i == 2) {
                const auto position = co_await file.seek(eddy::io::seek_from::start(5));
                if (!position) reported = std::unexpected(position.error());
            }
            if (i == 3) {
                std::array<char, 4> buffer{};
                const auto count = co_await file.read(std::span(buffer));
                if (!count) reported = std::unexpected(count.error());
            }
            if (i == 4) reported = co_await file.close();
            EXPECT_FALSE(reported);
            if (!reported) {
                EXPECT_EQ(reported.error(), std::errc::no_space_on_device);
                EXPECT_EQ(reported.error().message(), "write " + (dir / "a") + ": No space left on device");
            }
        }
        EXPECT_EQ(contents_of(dir / "a"), "");
        EXPECT_EQ(file.position(), 0U);
        const auto closed = co_await file.size();
        EXPECT_EQ(closed.error(), fs::errc::closed);
        co_return {};
    });
}

// covers: B22
TEST(FsDrop, RestOfADroppedShortWriteIsReported) {
    const support::temp_dir dir;
    one_thread runs;
    runs.run([&]() -> checked {
        for (const bool appends : {false, true}) {
            auto options = fs::open_options().write(true).append(appends).create(true).truncate(!appends);
            auto file = co_await eddy::try_(options.open(dir / (appends ? "b" : "a")));
            {
                const support::almost_full_disk disk(3);
                // The caller learns it from the count.
                auto count = co_await eddy::try_(file.write("abcdef"));
                EXPECT_EQ(count, 3U);
                co_await eddy::try_(file.sync_data());
            }
            const support::almost_full_disk disk(2);
            {
                support::held_file_call held(appends ? "write" : "pwrite");
                std::optional<fs::file_write> write(file.write("defghi"));
                const auto is_ready = co_await support::poll_once(*write);
                EXPECT_FALSE(is_ready);
                held.wait_until_held();
                write.reset();
            }
            const auto reported = co_await file.sync_data();
            EXPECT_FALSE(reported);
            if (!reported) {
                EXPECT_EQ(reported.error().message(), "write " + file.path().native() + ": No space left on device");
            }
            EXPECT_EQ(file.position(), 5U);
            EXPECT_EQ(contents_of(file.path()), "abcde");
            co_await eddy::try_(file.sync_data());  // reported once
        }
        co_return {};
    });
}

TEST(FsDrop, CloneHasThePositionAfterADroppedWrite) {
    const support::temp_dir dir;
    one_thread runs;
    runs.run([&]() -> checked {
        auto file = co_await eddy::try_(fs::file::create(dir / "a"));
        {
            support::held_file_call held("pwrite");
            std::optional<fs::file_write> write(file.write("first"));
            const auto is_ready = co_await support::poll_once(*write);
            EXPECT_FALSE(is_ready);
            held.wait_until_held();
            write.reset();
        }
        const auto clone = co_await eddy::try_(file.try_clone());
        EXPECT_EQ(clone.position(), 5U);
        co_return {};
    });
}

eddy::task<eddy::result<std::uint64_t>> complete_seek(fs::file& of) {
    co_return co_await eddy::poll_fn([&](eddy::context& cx) { return of.poll_seek_complete(cx); });
}

TEST(FsDrop, NewSeekReplacesTheOneBefore) {
    const support::temp_dir dir;
    std::ofstream(dir / "a") << "0123456789";
    one_thread runs;
    runs.run([&]() -> checked {
        auto file = co_await eddy::try_(fs::open_options().read(true).write(true).open(dir / "a"));
        {
            support::held_file_call held("fstat");
            EXPECT_TRUE(file.start_seek(eddy::io::seek_from::end(0)));
            const auto waits = co_await support::once(complete_seek(file));
            EXPECT_FALSE(waits);
            held.wait_until_held();
            EXPECT_TRUE(file.start_seek(eddy::io::seek_from::start(1)));
            const auto position = co_await complete_seek(file);
            EXPECT_EQ(position.value(), 1U);
        }
        std::filesystem::resize_file(dir / "a", 4);
        const auto end = co_await eddy::try_(file.seek(eddy::io::seek_from::end(0)));
        EXPECT_EQ(end, 4U);
        // The error of a write is also that of the seek.
        co_await drop_failing_write(file);
        EXPECT_TRUE(file.start_seek(eddy::io::seek_from::start(2)));
        const auto failed = co_await complete_seek(file);
        EXPECT_EQ(failed.error(), std::errc::no_space_on_device);
        const auto position = co_await complete_seek(file);
        EXPECT_EQ(position.value(), 4U);
        co_return {};
    });
}

// Through the concepts, a file cannot see that a future is dropped.
TEST(FsDrop, RepeatedWriteOfTheSameBytesIsMadeOnce) {
    const support::temp_dir dir;
    one_thread runs;
    runs.run([&]() -> checked {
        auto file = co_await eddy::try_(fs::file::create(dir / "a"));
        {
            support::held_file_call held("pwrite");
            const auto dropped = co_await support::once(eddy::io::write(file, "abc"));
            EXPECT_FALSE(dropped);
            held.wait_until_held();
        }
        const auto again = co_await eddy::io::write(file, "abc");
        EXPECT_EQ(again.value(), 3U);
        EXPECT_EQ(contents_of(dir / "a"), "abc");
        {
            support::held_file_call held("pwrite");
            const auto dropped = co_await support::once(eddy::io::write(file, "def"));
            EXPECT_FALSE(dropped);
            held.wait_until_held();
        }
        const auto other = co_await eddy::io::write(file, "xyz");
        EXPECT_EQ(other.value(), 3U);
        EXPECT_EQ(contents_of(dir / "a"), "abcdefxyz");
        co_return {};
    });
}

TEST(FsDrop, DroppedReadDoesNotTouchTheBuffer) {
    const support::temp_dir dir;
    std::ofstream(dir / "a") << std::string(600'000, 'x');
    one_thread runs;
    runs.run([&]() -> checked {
        auto file = co_await eddy::try_(fs::file::open(dir / "a"));
        std::vector<char> kept(600'000, '-');
        {
            const support::refused_file_call cold("preadv2", EAGAIN);
            support::held_file_call held("pread");
            auto buffer = std::make_unique<std::vector<char>>(600'000);
            std::optional<fs::file_read> read(file.read(std::span(*buffer)));
            std::optional<fs::file_read_at> read_at(file.read_at(std::span(kept), 0));
            auto is_ready = co_await support::poll_once(*read);
            EXPECT_FALSE(is_ready);
            is_ready = co_await support::poll_once(*read_at);
            EXPECT_FALSE(is_ready);
            held.wait_until_held();
            read.reset();
            read_at.reset();
            buffer.reset();
        }
        EXPECT_EQ(file.position(), 0U);
        std::vector<char> buffer(100'000);
        const auto count = co_await eddy::try_(file.read(std::span(buffer)));
        EXPECT_EQ(count, buffer.size());
        EXPECT_EQ(buffer.back(), 'x');
        EXPECT_EQ(kept.front(), '-');
        co_return {};
    });
}

TEST(FsDrop, ColdReadReturnsAtMostOneMegabyte) {
    const support::temp_dir dir;
    std::ofstream(dir / "a") << std::string(3'000'000, 'x');
    one_thread runs;
    runs.run([&]() -> checked {
        auto file = co_await eddy::try_(fs::file::open(dir / "a"));
        std::vector<char> buffer(3'000'000);
        const auto cached = co_await eddy::try_(file.read(std::span(buffer)));
        EXPECT_LE(cached, 1024U * 1024U);
        const support::refused_file_call cold("preadv2", EAGAIN);
        const auto count = co_await eddy::try_(file.read(std::span(buffer)));
        EXPECT_EQ(count, 1024U * 1024U);
        EXPECT_EQ(buffer[count - 1], 'x');
        co_return {};
    });
}

TEST(FsDrop, CopyOfASecretIsNeverReadableByOthers) {
    const support::temp_dir dir;
    one_thread runs;
    const auto permissions_of = [&](const char* name) { return std::filesystem::status(dir / name).permissions(); };
    const auto secret = std::filesystem::perms(04600);
    for (const auto* name : {"a", "b"}) std::ofstream(dir / name) << name;
    std::filesystem::permissions(dir / "a", secret);
    std::filesystem::permissions(dir / "b", std::filesystem::perms(0644));
    runs.run([&]() -> checked {
        auto copy = fs::copy(dir / "a", dir / "b");
        {
            support::held_file_call held("copy_file_range");
            const auto is_ready = co_await support::poll_once(copy);
            EXPECT_FALSE(is_ready);
            held.wait_until_held();
            EXPECT_EQ(permissions_of("b"), std::filesystem::perms(0600));
        }
        const auto count = co_await eddy::try_(std::move(copy));
        EXPECT_EQ(count, 1U);
        EXPECT_EQ(contents_of(dir / "b"), "a");
        EXPECT_EQ(permissions_of("b"), secret);
        co_return {};
    });
}

// covers: R099
TEST(FsDrop, DescriptorOfADroppedOpenIsClosed) {
    const support::temp_dir dir;
    const auto before = support::fd_count();
    one_thread runs;
    const auto running = support::fd_count();
    runs.run([&]() -> checked {
        for (int i = 0; i < 20; ++i) {
            support::held_file_call held("openat");
            std::optional<fs::operation<fs::file>> open(fs::file::create(dir / "a"));
            const auto is_ready = co_await support::poll_once(*open);
            EXPECT_FALSE(is_ready);
            held.wait_until_held();
            open.reset();
        }
        // The only thread has ended all jobs before this one.
        const auto found = co_await eddy::try_(fs::exists(dir / "a"));
        EXPECT_TRUE(found);
        EXPECT_EQ(support::fd_count(), running);
        co_return {};
    });
    runs.end();
    EXPECT_EQ(support::fd_count(), before);
}

// covers: R106 R112
TEST(FsDrop, CloseWaitsForJobsThatHaveBegun) {
    const support::temp_dir dir;
    eddy::runtime runs;
    const auto done = runs.block_on([&]() -> checked {
        auto file = co_await eddy::try_(fs::file::create(dir / "a"));
        auto close = file.close();
        {
            support::held_file_call held("pwrite");
            std::optional<fs::file_write_at> write(file.write_at("begun", 0));
            auto is_ready = co_await support::poll_once(*write);
            EXPECT_FALSE(is_ready);
            held.wait_until_held();
            write.reset();
            is_ready = co_await support::poll_once(close);
            EXPECT_FALSE(is_ready);
        }
        co_await eddy::try_(std::move(close));
        EXPECT_EQ(contents_of(dir / "a"), "begun");
        co_return {};
    }());
    EXPECT_TRUE(done);
}

TEST(FsDrop, FileDestroyedDuringAJobIsClosedAfterIt) {
    const support::temp_dir dir;
    one_thread runs;
    runs.run([&]() -> checked {
        const auto before = support::fd_count();
        {
            auto file = co_await eddy::try_(fs::file::create(dir / "a"));
            support::held_file_call held("pwrite");
            std::optional<fs::file_write_at> write(file.write_at("begun", 0));
            const auto is_ready = co_await support::poll_once(*write);
            EXPECT_FALSE(is_ready);
            held.wait_until_held();
            write.reset();
            const auto gone = std::optional(std::move(file));
            EXPECT_EQ(support::fd_count(), before + 1);
        }
        const auto text = co_await eddy::try_(fs::read_to_string(dir / "a"));
        EXPECT_EQ(text, "begun");
        EXPECT_EQ(support::fd_count(), before);
        co_return {};
    });
}

TEST(FsDrop, CloseReportsTheErrorOnce) {
    const support::temp_dir dir;
    one_thread runs;
    runs.run([&]() -> checked {
        for (const int error : {EIO, EDQUOT, EINTR}) {
            const auto before = support::fd_count();
            auto file = co_await eddy::try_(fs::file::create(dir / "a"));
            fs::result<void> closed;
            {
                support::fail_file_call(0, error);
                closed = co_await file.close();
                support::pass_file_calls();
            }
            EXPECT_EQ(closed.has_value(), error == EINTR) << "after EINTR, the descriptor is closed";
            if (!closed) {
                EXPECT_EQ(closed.error().code().value(), error);
            }
            const auto again = co_await file.close();
            EXPECT_EQ(again.error(), fs::errc::closed);
            EXPECT_EQ(support::fd_count(), before);
        }
        co_return {};
    });
}

/// Reads a file of a file system that cannot tell what is in the page cache. Ends the process: its result is 0 if the
/// file system was asked once.
[[noreturn]] void read_without_nowait(const std::string& path) {
    one_thread runs;
    runs.run([&]() -> checked {
        auto file = co_await eddy::try_(fs::file::open(path));
        std::array<char, 4> buffer{};
        const auto before = fs::metrics();
        std::optional<support::refused_file_call> refused(std::in_place, "preadv2", EOPNOTSUPP);
        auto count = co_await eddy::try_(file.read_at(std::span(buffer), 0));
        EXPECT_EQ(count, 4U);
        refused.reset();
        // Remembered for the file system: another file of it does not ask again.
        auto other = co_await eddy::try_(fs::file::open(path));
        count = co_await eddy::try_(file.read_at(std::span(buffer), 4));
        EXPECT_EQ(std::string_view(buffer.data(), count), "4567");
        count = co_await eddy::try_(other.read_at(std::span(buffer), 4));
        const auto after = fs::metrics();
        EXPECT_EQ(after.cached_reads, before.cached_reads);
        EXPECT_EQ(after.cold_reads - before.cold_reads, 1U);
        co_return {};
    });
    std::_Exit(testing::Test::HasFailure() ? 1 : 0);
}

// In a child, because it is remembered: sendfile(2) is not used for that file system either.
TEST(FsCache, FileSystemWithoutNowaitIsNotAskedAgain) {
    const support::temp_dir dir;
    std::ofstream(dir / "a") << "0123456789";
    EXPECT_EXIT(read_without_nowait(dir / "a"), testing::ExitedWithCode(0), "");
}

}  // namespace
