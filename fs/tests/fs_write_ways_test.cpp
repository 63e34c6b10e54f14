// SPDX-License-Identifier: MIT
// The ways of a write: on the thread of the task, or by a job.
// covers: P068
#ifdef __linux__
#include <gtest/gtest.h>

#include <fcntl.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>

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

/// How many of a number of writes were made on the thread of the task, and how many by jobs.
struct ways {
    std::uint64_t cached;
    std::uint64_t jobs;
    bool operator==(const ways&) const = default;
};
ways ways_since(const fs::file_metrics& before) {
    const auto now = fs::metrics();
    return {now.cached_writes - before.cached_writes, now.jobs - before.jobs};
}

/// Runs a coroutine, whose errors fail the test, on a worker. The tests write to tmpfs, where a write only copies.
template <class F>
void on_a_worker(eddy::driver_kind driver, F test) {
    auto pool = eddy::runtime::builder().worker_threads(2).driver(driver).build();
    ASSERT_TRUE(pool) << pool.error().message();
    const auto done = pool->block_on(test());
    EXPECT_TRUE(done) << done.error().message();
}

TEST(FsMetrics, SmallWritesOfAWorkerNeedNoJob) {
    const support::temp_dir dir("/dev/shm");
    on_a_worker(eddy::driver_kind::epoll, [&]() -> checked {
        auto file = co_await eddy::try_(fs::file::create(dir / "a"));
        auto log = co_await eddy::try_(fs::open_options().append(true).create(true).open(dir / "log"));
        const std::string most(256 * 1024, 'm');
        const auto before = fs::metrics();
        // Each write is in a poll of its own: after one that has lasted, its thread runs the worker no more.
        auto count = co_await eddy::try_(file.write(most));
        EXPECT_EQ(count, most.size());
        EXPECT_EQ(file.position(), most.size());
        co_await eddy::yield_now();
        count = co_await eddy::try_(file.write_at("two", 1));
        EXPECT_EQ(count, 3U);
        const std::array<std::span<const std::byte>, 2> parts = {std::as_bytes(std::span("one ", 4)),
                                                                 std::as_bytes(std::span("line\n", 5))};
        co_await eddy::yield_now();
        count = co_await eddy::try_(file.write_vectored(parts));
        EXPECT_EQ(count, 9U);
        co_await eddy::yield_now();
        count = co_await eddy::try_(log.write("line\n"));
        EXPECT_EQ(log.position(), 5U);
        EXPECT_EQ(ways_since(before), (ways{4, 0}));
        EXPECT_EQ(contents_of(dir / "a"), "mtwo" + most.substr(4) + "one line\n");
        EXPECT_EQ(contents_of(dir / "log"), "line\n");
        co_return {};
    });
}

TEST(FsMetrics, WritesThatMayWaitAreJobs) {
    const support::temp_dir dir("/dev/shm");
    on_a_worker(eddy::driver_kind::epoll, [&]() -> checked {
        auto file = co_await eddy::try_(fs::file::create(dir / "a"));
        const auto synced_by = fs::open_options().write(true).custom_flags(O_DSYNC);
        auto synced = co_await eddy::try_(synced_by.open(dir / "a"));
        const std::string too_long(256 * 1024 + 1, 'm');
        const auto before = fs::metrics();
        auto count = co_await eddy::try_(file.write(too_long));
        EXPECT_EQ(count, too_long.size());
        count = co_await eddy::try_(synced.write_at("two", 1));
        EXPECT_EQ(ways_since(before), (ways{0, 2}));
        EXPECT_EQ(contents_of(dir / "a"), "mtwo" + too_long.substr(4));
        co_return {};
    });
}

TEST(FsMetrics, WritesOfALoopAreJobs) {
    const support::temp_dir dir("/dev/shm");
    support::executor runs(0);
    const auto done = runs.run([&]() -> checked {
        auto file = co_await eddy::try_(fs::file::create(dir / "a"));
        const auto before = fs::metrics();
        const auto count = co_await eddy::try_(file.write("one"));
        EXPECT_EQ(count, 3U);
        EXPECT_EQ(ways_since(before), (ways{0, 1}));
        co_return {};
    });
    EXPECT_TRUE(done);
}

// The hand-over of a worker whose sockets are in a ring moves them to another ring.
TEST(FsMetrics, WritesOfAWorkerWithARingAreJobs) {
    const support::temp_dir dir("/dev/shm");
    on_a_worker(eddy::driver_kind::io_uring, [&]() -> checked {
        auto file = co_await eddy::try_(fs::file::create(dir / "a"));
        const auto before = fs::metrics();
        const auto count = co_await eddy::try_(file.write("one"));
        EXPECT_EQ(count, 3U);
        EXPECT_EQ(ways_since(before), (ways{0, 1}));
        co_return {};
    });
}

TEST(FsFile, WriteOnAWorkerReportsItsError) {
    const support::temp_dir dir("/dev/shm");
    set_contents(dir / "a", "old");
    on_a_worker(eddy::driver_kind::epoll, [&]() -> checked {
        auto file = co_await eddy::try_(fs::file::open(dir / "a"));
        const auto before = fs::metrics();
        const auto count = co_await file.write_at("x", 0);
        EXPECT_EQ(ways_since(before), (ways{1, 0}));
        EXPECT_EQ(count.error(), std::errc::bad_file_descriptor);
        EXPECT_EQ(count.error().path(), dir / "a");
        EXPECT_STREQ(count.error().operation(), "write");
        co_return {};
    });
}

TEST(FsFile, WritesOnAWorkerTakeTheCoopBudget) {
    const support::temp_dir dir("/dev/shm");
    on_a_worker(eddy::driver_kind::epoll, [&]() -> checked {
        auto file = co_await eddy::try_(fs::file::create(dir / "a"));
        bool has_ended = false;
        const std::string piece(64 * 1024, 'x');
        std::uint64_t writes = 0;
        auto writer = [&]() -> checked {
            while (!has_ended) {
                co_await eddy::try_(file.write_at(piece, 0));
                ++writes;
            }
            co_return {};
        };
        auto ender = [&]() -> eddy::task<void> {
            co_await eddy::yield_now();
            has_ended = true;
        };
        const auto both = co_await eddy::join(writer(), ender());
        EXPECT_TRUE(both.first);
        // 5 of 128 units for each, so at most 26 in a poll.
        EXPECT_LE(writes, 60U);
        co_return {};
    });
}

}  // namespace
#endif
