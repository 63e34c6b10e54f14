// SPDX-License-Identifier: MIT
// runs: once, asan, faults
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <eddy/eddy.hpp>
#include <eddy/fs.hpp>

#include <support/executors.hpp>
#include <support/file_contents.hpp>
#include <support/fs/file_faults.hpp>
#include <support/poll_once.hpp>
#include <support/temp_dir.hpp>

// Two operations that use one fs::file at the same time: the second one is misuse, and the first one is not disturbed.

namespace {

namespace fs = eddy::fs;
namespace io = eddy::io;
using support::contents_of;
using support::set_contents;
using checked = eddy::task<fs::result<void>>;

fs::open_options read_and_write() { return fs::open_options().read(true).write(true).create(true); }

/// Runs a coroutine, whose errors fail the test, on an event loop and on a runtime.
template <class F>
void on_each_executor(F test) {
    for (const unsigned workers : {0U, 2U}) {
        support::executor runs(workers);
        const auto done = runs.run(test());
        EXPECT_TRUE(done) << (workers == 0 ? "event loop: " : "runtime: ") << done.error().message();
    }
}

/// Awaits an operation, and returns the text of its misuse; empty if there was none.
template <class F>
eddy::task<std::string> misuse_of(F operation) {
    try {
        static_cast<void>(co_await std::move(operation));
    } catch (const eddy::misuse& thrown) {
        co_return thrown.what();
    }
    co_return "";
}

/// Calls `with(name, start)` for each operation of a file; `start(file)` returns its future.
template <class With>
eddy::task<void> for_each_operation(With with) {
    std::array<char, 4> bytes{};
    const std::array parts{std::span<std::byte>(std::as_writable_bytes(std::span(bytes)))};
    const std::string more = "more";
    const std::array written{std::span<const std::byte>(std::as_bytes(std::span(more)))};
    co_await with("read", [&](fs::file& file) { return file.read(std::span(bytes)); });
    co_await with("read_vectored", [&](fs::file& file) { return file.read_vectored(parts); });
    co_await with("write", [](fs::file& file) { return file.write("more"); });
    co_await with("write_vectored", [&](fs::file& file) { return file.write_vectored(written); });
    co_await with("seek", [](fs::file& file) { return file.seek(io::seek_from::start(1)); });
    co_await with("size", [](fs::file& file) { return file.size(); });
    co_await with("truncate", [](fs::file& file) { return file.truncate(2); });
    co_await with("allocate", [](fs::file& file) { return file.allocate(0, 1); });
    co_await with("advise", [](fs::file& file) { return file.advise(fs::access_pattern::normal); });
    co_await with("sync_data", [](fs::file& file) { return file.sync_data(); });
    co_await with("sync_all", [](fs::file& file) { return file.sync_all(); });
    co_await with("metadata", [](fs::file& file) { return file.metadata(); });
    co_await with("set_permissions",
                  [](fs::file& file) { return file.set_permissions(std::filesystem::perms::owner_all); });
    co_await with("set_times", [](fs::file& file) { return file.set_times(std::nullopt, std::nullopt); });
    co_await with("try_clone", [](fs::file& file) { return file.try_clone(); });
    co_await with("close", [](fs::file& file) { return file.close(); });
    co_await with("io::read", [&](fs::file& file) { return io::read(file, bytes); });
    co_await with("io::read_exact", [&](fs::file& file) { return io::read_exact(file, bytes); });
    co_await with("io::write", [](fs::file& file) { return io::write(file, "more"); });
    co_await with("io::write_all", [](fs::file& file) { return io::write_all(file, "more"); });
    co_await with("io::flush", [](fs::file& file) { return io::flush(file); });
    co_await with("io::shutdown", [](fs::file& file) { return io::shutdown(file); });
    co_await with("io::seek", [](fs::file& file) { return io::seek(file, io::seek_from::start(1)); });
}

TEST(FsTwoOperations, SecondOneIsMisuseWhileAWriteIsInFlight) {
    const support::temp_dir dir;
    std::vector<std::string> reported;
    on_each_executor([&]() -> checked {
        reported.clear();
        co_await for_each_operation([&](const char* name, auto start) -> eddy::task<void> {
            auto opened = co_await read_and_write().truncate(true).open(dir / "a");
            auto& file = opened.value();
            auto first = file.write("first");
            {
                support::held_file_call held("pwrite");
                const auto is_ready = co_await support::poll_once(first);
                EXPECT_FALSE(is_ready) << name;
                held.wait_until_held();
                const auto text = co_await misuse_of(start(file));
                EXPECT_NE(text.find("two operations use one fs::file at the same time: use read_at() or write_at()"),
                          std::string::npos)
                    << name << ": " << text;
                reported.emplace_back(name);
            }
            const auto count = co_await first;
            EXPECT_EQ(count.value(), 5U) << name;
            EXPECT_EQ(file.position(), 5U) << name;
            EXPECT_EQ(contents_of(dir / "a"), "first") << name;
        });
        co_return {};
    });
    EXPECT_EQ(reported.size(), 23U);
}

/// A runtime whose only thread for blocking work waits until release(), so that no job begins.
class stopped_jobs {
public:
    stopped_jobs() : runs_(eddy::runtime::builder().worker_threads(1).max_blocking_threads(1).build().value()) {}

    void run(auto test) {
        const auto done = runs_.block_on(test());
        EXPECT_TRUE(done) << done.error().message();
    }
    /// Call both in a task.
    void stop() {
        open_ = std::make_shared<std::promise<void>>();
        static_cast<void>(eddy::spawn_blocking([open = open_] { open->get_future().wait(); }));
    }
    void release() { open_->set_value(); }

private:
    std::shared_ptr<std::promise<void>> open_;
    eddy::runtime runs_;
};

TEST(FsTwoOperations, WriteIsMisuseWhileAnyOtherOneIsInFlight) {
    const support::temp_dir dir;
    stopped_jobs jobs;
    std::vector<std::string> passed;
    int refused = 0;
    jobs.run([&]() -> checked {
        co_await for_each_operation([&](const char* name, auto start) -> eddy::task<void> {
            set_contents(dir / "a", "");
            auto opened = co_await read_and_write().open(dir / "a");
            auto& file = opened.value();
            auto first = start(file);
            jobs.stop();
            const auto is_ready = co_await support::poll_once(first);
            std::string text;
            if (!is_ready && std::string_view(name) != "try_clone") text = co_await misuse_of(file.write("second"));
            jobs.release();
            if (text.empty()) {
                passed.emplace_back(name);
                co_return;
            }
            EXPECT_NE(text.find("two operations use one fs::file"), std::string::npos) << name << ": " << text;
            ++refused;
            const auto done = co_await std::move(first);
            EXPECT_TRUE(done || std::string_view(name) == "io::read_exact") << name;
            EXPECT_LE(contents_of(dir / "a").size(), 4U) << name;
        });
        co_return {};
    });
    EXPECT_EQ(refused, 18);
    // Those that need no job, and a clone, which has read the position.
    EXPECT_EQ(passed, (std::vector<std::string>{"seek", "try_clone", "io::flush", "io::shutdown", "io::seek"}));
}

TEST(FsTwoOperations, MisuseNamesBothPlaces) {
    const support::temp_dir dir;
    on_each_executor([&]() -> checked {
        auto file = co_await eddy::try_(fs::file::create(dir / "a"));
        unsigned first_line = 0;
        const auto write_first = [&]() -> eddy::task<std::size_t> {
            first_line = __LINE__ + 1;
            const auto count = co_await file.write("first");
            co_return count.value();
        };
        unsigned second_line = 0;
        std::string text;
        {
            support::held_file_call held("pwrite");
            auto first = eddy::spawn(std::ref(write_first));
            co_await eddy::yield_now();
            held.wait_until_held();
            try {
                second_line = __LINE__ + 1;
                static_cast<void>(co_await file.write("second"));
            } catch (const eddy::misuse& thrown) {
                text = thrown.what();
                EXPECT_EQ(thrown.where().line(), second_line);
            }
            held.release();
            const auto count = co_await first;
            EXPECT_EQ(count.value(), 5U);
        }
        const auto place = [](unsigned line) { return "fs_two_operations_test.cpp:" + std::to_string(line) + ")"; };
        const auto at_first = text.find(place(first_line));
        const auto at_second = text.find(place(second_line));
        EXPECT_NE(at_first, std::string::npos) << text;
        EXPECT_NE(at_second, std::string::npos) << text;
        EXPECT_LT(at_first, at_second) << text;
        co_return {};
    });
}

TEST(FsTwoOperations, JoinedWritesAreMisuseAndNothingIsRepeated) {
    const support::temp_dir dir;
    on_each_executor([&]() -> checked {
        auto file = co_await eddy::try_(fs::file::create(dir / "a"));
        std::string text;
        {
            const support::held_file_call held("pwrite");  // so that the first write is not ready at once
            text = co_await misuse_of(eddy::join(file.write("aaaaa"), file.write("bbbbb")));
        }
        EXPECT_NE(text.find("two operations use one fs::file"), std::string::npos) << text;
        const auto synced = co_await file.sync_data();  // after the dropped write
        EXPECT_TRUE(synced);
        const auto contents = contents_of(dir / "a");
        EXPECT_TRUE(contents.empty() || contents == "aaaaa") << contents.size();
        co_return {};
    });
}

TEST(FsTwoOperations, OneOfTwoWritingTasksIsRefusedAndTheOtherWritesAll) {
    const support::temp_dir dir;
    on_each_executor([&]() -> checked {
        auto file = co_await eddy::try_(fs::file::create(dir / "a"));
        const auto write_lines = [&file](std::string_view line) -> eddy::task<int> {
            int written = 0;
            try {
                for (; written < 100; ++written) {
                    const auto done = co_await io::write_all(file, line);
                    EXPECT_TRUE(done);
                }
            } catch (const eddy::misuse&) {
                co_return written;
            }
            co_return written;
        };
        auto one = eddy::spawn(write_lines("one\n"));
        auto two = eddy::spawn(write_lines("two\n"));
        const auto first = (co_await one).value();
        const auto second = (co_await two).value();
        EXPECT_TRUE(first == 100 || second == 100) << first << " and " << second;
        EXPECT_LT(first + second, 200);
        const auto contents = contents_of(dir / "a");
        EXPECT_EQ(contents.size(), 4U * static_cast<unsigned>(first + second));
        int ones = 0;
        for (std::size_t at = 0; at < contents.size(); at += 4) ones += contents.compare(at, 4, "one\n") == 0 ? 1 : 0;
        EXPECT_EQ(ones, first);
        co_return {};
    });
}

TEST(FsTwoOperations, AdaptersOfAFileAreGuarded) {
    const support::temp_dir dir;
    set_contents(dir / "a", "line\n");
    stopped_jobs jobs;
    jobs.run([&]() -> checked {
        auto file = co_await eddy::try_(read_and_write().open(dir / "a"));
        auto lines = io::lines(io::buf_reader(std::ref(file)));
        io::buf_writer writer(std::ref(file));
        eddy::codec::framed frames(std::ref(file), eddy::codec::lines_codec());
        auto [near, far] = io::duplex(16);
        io::buf_reader buffered(std::ref(near));
        const auto prepared = co_await io::write_all(far, "x");
        EXPECT_TRUE(prepared);
        auto first = file.size();
        jobs.stop();
        const auto is_ready = co_await support::poll_once(first);
        EXPECT_FALSE(is_ready);
        std::vector<std::string> texts;
        const auto expect_misuse = [&texts](auto operation) -> eddy::task<void> {
            auto text = co_await misuse_of(std::move(operation));
            texts.push_back(std::move(text));
        };
        co_await expect_misuse(lines.next());
        co_await expect_misuse(lines.try_next());
        co_await expect_misuse(io::flush(writer));
        co_await expect_misuse(frames.next());
        co_await expect_misuse(frames.feed("more"));
        co_await expect_misuse(frames.send("more"));
        co_await expect_misuse(frames.flush());
        co_await expect_misuse(io::copy(file, far));
        co_await expect_misuse(io::copy_buf(buffered, file));
        jobs.release();
        for (const auto& text : texts)
            EXPECT_NE(text.find("two operations use one fs::file"), std::string::npos) << text;
        const auto size = co_await eddy::try_(std::move(first));
        EXPECT_EQ(size, 5U);
        const auto line = co_await lines.next();
        EXPECT_EQ(line->value(), "line");
        const auto sent = co_await frames.send("more");
        EXPECT_TRUE(sent);
        EXPECT_EQ(contents_of(dir / "a"), "line\nmore\n");
        co_return {};
    });
}

TEST(FsTwoOperations, OperationsAtOffsetsAndLocksMayBeInFlightTogether) {
    const support::temp_dir dir;
    on_each_executor([&]() -> checked {
        auto file = co_await eddy::try_(read_and_write().truncate(true).open(dir / "a"));
        std::array<char, 2> bytes{};
        auto [first, second, third, fourth, lock] = co_await eddy::join(
            file.write("__"), file.write_at("cd", 2), file.write_at("ef", 4), file.read_at(bytes, 0), file.try_lock());
        EXPECT_TRUE(first && second && third && fourth && lock);
        EXPECT_TRUE(lock->has_value());
        EXPECT_EQ(contents_of(dir / "a"), "__cdef");
        auto [again, sum] = co_await eddy::join(file.lock(), file.size());
        EXPECT_TRUE(again);
        EXPECT_EQ(sum.value(), 6U);
        co_return {};
    });
}

TEST(FsTwoOperations, DroppedOperationsAccuseNoLaterOne) {
    const support::temp_dir dir;
    on_each_executor([&]() -> checked {
        co_await for_each_operation([&](const char* name, auto start) -> eddy::task<void> {
            set_contents(dir / "a", "0123456789");
            auto opened = co_await read_and_write().open(dir / "a");
            auto& file = opened.value();
            auto never_polled = start(file);
            auto moved = std::move(never_polled);
            static_cast<void>(co_await support::once(std::move(moved)));
            static_cast<void>(co_await eddy::time::timeout(std::chrono::nanoseconds(0), start(file)));
            auto text = co_await misuse_of(file.seek(io::seek_from::end(0)));
            EXPECT_EQ(text, "") << name;
            text = co_await misuse_of(file.close());
            EXPECT_EQ(text, "") << name;
        });
        co_return {};
    });
}

TEST(FsTwoOperations, WriteWhoseJobRunsAfterADropAccusesNoLaterOne) {
    const support::temp_dir dir;
    on_each_executor([&]() -> checked {
        auto file = co_await eddy::try_(fs::file::create(dir / "a"));
        std::optional<eddy::join_handle<std::string>> second;
        const auto write_second = [&]() -> eddy::task<std::string> { return misuse_of(file.write("second")); };
        {
            support::held_file_call held("pwrite");
            std::optional<fs::file_write> first(file.write("first "));
            const auto is_ready = co_await support::poll_once(*first);
            EXPECT_FALSE(is_ready);
            held.wait_until_held();
            first.reset();
            second.emplace(eddy::spawn(std::ref(write_second)));
            co_await eddy::yield_now();
        }
        const auto text = co_await *second;
        EXPECT_EQ(text.value(), "");
        EXPECT_EQ(contents_of(dir / "a"), "first second");
        co_return {};
    });
}

TEST(FsTwoOperations, OperationOfAnAbortedTaskAccusesNoLaterOne) {
    const support::temp_dir dir;
    support::executor runs(0);
    const auto test = [&]() -> checked {
        co_await for_each_operation([&](const char* name, auto start) -> eddy::task<void> {
            set_contents(dir / "a", "0123456789");
            auto opened = co_await read_and_write().open(dir / "a");
            auto& file = opened.value();
            const auto first = [&]() -> eddy::task<void> {
                auto future = start(file);
                static_cast<void>(co_await std::move(future));
            };
            auto handle = eddy::spawn(std::ref(first));
            co_await eddy::yield_now();
            handle.abort();
            // Its future is destroyed when the task runs next.
            std::array<char, 10> bytes{};
            const auto text = co_await misuse_of(file.seek(io::seek_from::start(0)));
            EXPECT_EQ(text, "") << name;
            static_cast<void>(co_await handle);
            if (std::string_view(name) == "close") co_return;
            const auto count = co_await file.read(std::span(bytes));
            EXPECT_TRUE(count) << name;
        });
        co_return {};
    };
    EXPECT_TRUE(runs.run(test()));
}

TEST(FsTwoOperations, AbortedReadDoesNotDropTheJobOfTheNextOne) {
    const support::temp_dir dir;
    set_contents(dir / "a", "");
    support::executor runs(0);
    const auto test = [&]() -> checked {
        auto file = co_await eddy::try_(read_and_write().open(dir / "a"));
        std::array<char, 4> bytes{};
        const auto read = [&]() -> eddy::task<std::size_t> {
            const auto count = co_await file.read(std::span(bytes));  // at the end: needs a job
            co_return count.value();
        };
        {
            support::held_file_call held("pread");
            auto aborted = eddy::spawn(std::ref(read));
            co_await eddy::yield_now();
            held.wait_until_held();
            aborted.abort();
            auto mine = file.read(std::span(bytes));
            const auto is_ready = co_await support::poll_once(mine);
            EXPECT_FALSE(is_ready);
            static_cast<void>(co_await aborted);
            held.release();
            const auto count = co_await mine;
            EXPECT_EQ(count.value(), 0U);
        }
        co_return {};
    };
    EXPECT_TRUE(runs.run(test()));
}

TEST(FsTwoOperations, ThreadsMayUseAFileInTurn) {
    const support::temp_dir dir;
    support::executor runs(2);
    const auto test = [&]() -> checked {
        auto file = co_await eddy::try_(fs::file::create(dir / "a"));
        eddy::sync::mutex<int> turn(0);
        const auto write_lines = [&](std::string_view line) -> eddy::task<void> {
            for (int i = 0; i < 50; ++i) {
                const auto guard = co_await turn.lock();
                const auto done = co_await io::write_all(file, line);
                EXPECT_TRUE(done);
            }
        };
        auto one = eddy::spawn(write_lines("one\n"));
        auto two = eddy::spawn(write_lines("two\n"));
        const auto first = co_await one;
        const auto second = co_await two;
        EXPECT_TRUE(first && second);
        EXPECT_EQ(contents_of(dir / "a").size(), 400U);
        co_return {};
    };
    EXPECT_TRUE(runs.run(test()));
}

}  // namespace
