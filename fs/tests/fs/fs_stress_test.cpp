// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <span>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <eddy/eddy.hpp>
#include <eddy/fs.hpp>

#include <support/dice.hpp>
#include <support/executors.hpp>
#include <support/net.hpp>
#include <support/sanitizers.hpp>
#include <support/stress.hpp>
#include <support/temp_dir.hpp>

// Operations that are dropped at random moments leave neither descriptors nor memory.

namespace {

namespace fs = eddy::fs;

/// Polls an operation until it is ready, or `most` times with other tasks in between, and drops it.
template <class F>
eddy::task<bool> drop_after(F work, std::size_t most) {
    for (std::size_t i = 0; i < most; ++i) {
        const auto is_ready = co_await eddy::poll_fn(
            [&](eddy::context& cx) -> eddy::poll_result<bool> { return work.poll(cx).is_ready(); });
        if (is_ready) co_return true;
        co_await eddy::yield_now();
    }
    co_return false;
}

std::size_t allocated_bytes() {
#if defined(__GLIBC__)
    return mallinfo2().uordblks;
#else
    return 0;
#endif
}

class dropping {
public:
    dropping(const support::temp_dir& dir, std::uint64_t seed) : dir_(dir), dice_(seed) {}

    eddy::task<void> run(std::size_t rounds) {
        for (std::size_t i = 0; i < rounds; ++i) co_await one();
    }

private:
    eddy::task<void> one() {
        const auto name = dir_ / std::to_string(dice_.below(4));
        const auto polls = dice_.below(30);
        switch (dice_.below(10)) {
        case 0: co_await drop_after(fs::file::create(name), polls); break;
        case 1: co_await drop_after(fs::read(name), polls); break;
        case 2: co_await drop_after(fs::write_atomically(name, std::string(dice_.below(50'000), 'w')), polls); break;
        case 3: co_await drop_after(fs::copy(name, dir_ / "copy"), polls); break;
        case 4: co_await drop_after(fs::temp_file(dir_ / "."), polls); break;
        default: co_await with_a_file(name, polls);
        }
    }
    eddy::task<void> with_a_file(std::string name, std::size_t polls) {
        auto opened = co_await fs::open_options().read(true).write(true).create(true).open(name);
        EXPECT_TRUE(opened);
        if (!opened) co_return;
        auto& file = *opened;
        // On the heap, so that AddressSanitizer sees an access after the drop.
        auto buffer = std::make_unique<std::vector<std::byte>>(dice_.between(1, 400'000), std::byte{'b'});
        for (auto left = dice_.between(1, 6); left != 0; --left) {
            switch (dice_.below(9)) {
            case 0: co_await drop_after(file.write(*buffer), polls); break;
            case 1: co_await drop_after(file.write_at(*buffer, dice_.below(1000)), polls); break;
            case 2: co_await drop_after(file.read(*buffer), polls); break;
            case 3: co_await drop_after(file.read_at(*buffer, dice_.below(1000)), polls); break;
            case 4: co_await drop_after(file.seek(eddy::io::seek_from::end(0)), polls); break;
            case 5: co_await drop_after(file.try_clone(), polls); break;
            case 6: co_await drop_after(file.lock(), polls); break;
            case 7: co_await drop_after(eddy::io::write_all(file, *buffer), polls); break;
            default: co_await drop_after(file.close(), polls); break;
            }
        }
    }

    const support::temp_dir& dir_;
    support::dice dice_;
};

void run_episode(const support::temp_dir& dir, std::uint64_t seed, std::size_t rounds) {
    eddy::runtime runs(eddy::runtime::builder().worker_threads(2).max_blocking_threads(4).build().value());
    runs.block_on([&]() -> eddy::task<void> {
        eddy::join_set<> tasks;
        for (std::uint64_t i = 0; i < 8; ++i) {
            tasks.spawn(
                [](const support::temp_dir& in, std::uint64_t own_seed, std::size_t own_rounds) -> eddy::task<void> {
                    dropping drops(in, own_seed);
                    co_await drops.run(own_rounds);
                }(dir, seed + i, rounds));
        }
        while (auto ended = co_await tasks.join_next()) EXPECT_TRUE(*ended);
    }());
    std::move(runs).shutdown_timeout(std::chrono::seconds(60));
}

TEST(FsStress, DropsLeaveNeitherDescriptorsNorMemory) {
    const support::temp_dir dir;
    run_episode(dir, support::seed(), 20);  // what is allocated once
    const auto fds = support::fd_count();
    const auto memory = allocated_bytes();
    const auto episodes = support::rounds(500);
    for (std::uint64_t i = 1; i <= episodes; ++i) {
        run_episode(dir, support::seed() + 100 * i, 100);
        ASSERT_EQ(support::fd_count(), fds);
    }
    if (!support::is_sanitized) {
        // The frames of coroutines are in regions of 1 MiB, then 2 MiB, which are kept; see frame_pool.cpp.
        EXPECT_LT(allocated_bytes(), memory + 4 * 1024 * 1024);
    }
    for (const auto& entry : std::filesystem::directory_iterator(dir / "."))
        EXPECT_NE(entry.path().filename().native().front(), '.') << entry.path();
}

// Writers append to one file through descriptors of their own, and drop some of the appends. Each append is there as a
// whole, or not at all, and those that were reported are there.
TEST(FsStress, AppendsAreWholeAndReportedOnesAreThere) {
    const support::temp_dir dir;
    const auto rounds = support::rounds(20'000);
    std::array<std::uint64_t, 4> reported{};
    support::executor runs(2);
    runs.run([&]() -> eddy::task<void> {
        eddy::join_set<> tasks;
        for (std::size_t writer = 0; writer < reported.size(); ++writer) {
            tasks.spawn(
                [](std::string path, std::size_t id, std::uint64_t count, std::uint64_t& made) -> eddy::task<void> {
                    support::dice dice(support::seed() + id);
                    auto file = co_await fs::open_options().append(true).create(true).open(path);
                    EXPECT_TRUE(file);
                    const std::string line = std::to_string(id) + std::string(99, 'a') + "\n";
                    for (std::uint64_t i = 0; i < count; ++i) {
                        const auto is_made = co_await drop_after(file->write(line), dice.between(1, 200));
                        if (is_made) ++made;
                    }
                    const auto closed = co_await file->close();
                    EXPECT_TRUE(closed);
                }(dir / "log", writer, rounds, reported[writer]));
        }
        while (auto ended = co_await tasks.join_next()) EXPECT_TRUE(*ended);
    }());
    std::array<std::uint64_t, 4> found{};
    std::ifstream log(dir / "log");
    for (std::string line; std::getline(log, line);) {
        ASSERT_EQ(line.size(), 100U);
        ASSERT_EQ(line.find_first_not_of('a', 1), std::string::npos);
        ++found.at(static_cast<std::size_t>(line[0] - '0'));
    }
    for (std::size_t i = 0; i < found.size(); ++i) {
        EXPECT_GE(found[i], reported[i]);
        EXPECT_LE(found[i], rounds);
    }
}

}  // namespace
