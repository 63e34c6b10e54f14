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
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <eddy/eddy.hpp>
#include <eddy/fs.hpp>

#include <support/dice.hpp>
#include <support/executors.hpp>
#include <support/file_contents.hpp>
#include <support/gate.hpp>
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

/// Contents that tell whether they are whole.
std::string whole_text(std::size_t size) { return std::string(size, static_cast<char>('a' + size % 26)); }
bool is_whole(std::string_view text) { return text.empty() || text == whole_text(text.size()); }

/// Makes all operations of eddy::fs in a directory, and drops them.
class dropping {
public:
    dropping(const support::temp_dir& dir, std::uint64_t seed) : dir_(dir), dice_(seed) {}

    /// Creates what the operations need.
    static void prepare(const support::temp_dir& dir) {
        for (const auto* name : {"files", "names", "whole", "temporary", "copies", "tree/a/b/c", "tree/d"})
            std::filesystem::create_directories(dir / name);
        for (const auto* name : {"tree/1", "tree/a/2", "tree/a/b/3", "tree/a/b/c/4"})
            support::set_contents(dir / name, whole_text(70'000));
    }

    eddy::task<void> run(std::size_t rounds) {
        for (std::size_t i = 0; i < rounds; ++i) {
            polls_ = dice_.below(30);
            switch (dice_.below(6)) {
            case 0: co_await whole_files(); break;
            case 1: co_await names(); break;
            case 2: co_await trees(); break;
            case 3: co_await below_a_directory(); break;
            default: co_await an_open_file(); break;
            }
        }
    }

private:
    template <class F>
    eddy::task<bool> drop(F work) {
        return drop_after(std::move(work), polls_);
    }
    std::string one_of(const std::string& folder) { return dir_ / (folder + "/" + std::to_string(dice_.below(4))); }

    eddy::task<void> whole_files() {
        const auto name = one_of("whole"), other = one_of("files");
        switch (dice_.below(8)) {
        case 0:
        case 1: co_await drop(fs::write_atomically(name, whole_text(dice_.below(50'000)))); break;
        case 2: {
            const auto text = co_await fs::read_to_string(name);
            EXPECT_TRUE(!text || is_whole(*text)) << name;
            break;
        }
        case 3: co_await drop(fs::read(name)); break;
        case 4: co_await drop(fs::write(other, "text")); break;
        case 5: co_await drop(fs::append(other, "text")); break;
        case 6: co_await drop(fs::copy(other, one_of("files"))); break;
        default: co_await drop(fs::temp_file(dir_ / "temporary")); break;
        }
    }

    eddy::task<void> names() {
        const auto name = one_of("names"), other = one_of("names");
        switch (dice_.below(14)) {
        case 0: co_await drop(fs::rename(name, other)); break;
        case 1: co_await drop(fs::remove(name)); break;
        case 2: co_await drop(fs::create_dir(name)); break;
        case 3: co_await drop(fs::create_dirs(name + "/below/it")); break;
        case 4: co_await drop(fs::hard_link(name, other)); break;
        case 5: co_await drop(fs::symlink(name, other)); break;
        case 6: co_await drop(fs::canonical(name)); break;
        case 7: co_await drop(fs::read_link(name)); break;
        case 8: co_await drop(fs::exists(name)); break;
        case 9: co_await drop(fs::metadata(name)); break;
        case 10: co_await drop(fs::symlink_metadata(name)); break;
        case 11: co_await drop(fs::set_permissions(dir_ / "names", std::filesystem::perms(0755))); break;
        case 12: co_await drop(fs::file::create(name)); break;
        default: co_await drop(fs::temp_dir(dir_ / "temporary")); break;
        }
    }

    eddy::task<void> trees() {
        const auto copy = one_of("copies");
        switch (dice_.below(5)) {
        case 0:
        case 1: {
            const auto options = fs::copy_options().overwrite(dice_.one_in(2));
            co_await drop(fs::copy_tree(dir_ / "tree", copy, options));
            break;
        }
        case 2: co_await drop(fs::remove_all(copy)); break;
        case 3: {
            auto found = fs::walk(dir_ / ".", fs::walk_options().metadata(dice_.one_in(2)));
            for (auto left = dice_.between(1, 5); left > 0; --left) co_await drop(found.next());
            break;
        }
        default: {
            auto changes = co_await fs::watch(dir_ / "names");
            for (auto left = dice_.between(1, 3); changes && left > 0; --left) {
                co_await names();
                co_await drop(changes->next());
            }
        }
        }
    }

    eddy::task<void> below_a_directory() {
        const auto opened = co_await fs::open_dir(dir_ / "names");
        EXPECT_TRUE(opened);
        if (!opened) co_return;
        const auto& dir = *opened;
        const auto name = std::to_string(dice_.below(4)), other = std::to_string(dice_.below(4));
        switch (dice_.below(10)) {
        case 0: co_await drop(dir.open(name)); break;
        case 1: co_await drop(dir.create(name)); break;
        case 2: co_await drop(dir.open_dir(name)); break;
        case 3: co_await drop(dir.create_dir(name)); break;
        case 4: co_await drop(dir.rename(name, other)); break;
        case 5: co_await drop(dir.remove(name)); break;
        case 6: co_await drop(dir.remove_all(name)); break;
        case 7: co_await drop(dir.metadata(name)); break;
        case 8: co_await drop(dir.symlink_metadata(name)); break;
        default: {
            auto entries = dir.entries();
            for (auto left = dice_.between(1, 5); left > 0; --left) co_await drop(entries.next());
        }
        }
    }

    eddy::task<void> an_open_file() {
        auto opened = co_await fs::open_options().read(true).write(true).create(true).open(one_of("files"));
        EXPECT_TRUE(opened);
        if (!opened) co_return;
        auto& file = *opened;
        // On the heap, so that AddressSanitizer sees an access after the drop.
        auto buffer = std::make_unique<std::vector<std::byte>>(dice_.between(1, 400'000), std::byte{'b'});
        const auto offset = dice_.below(1000);
        for (auto left = dice_.between(1, 6); left != 0; --left) {
            switch (dice_.below(18)) {
            case 0: co_await drop(file.write(*buffer)); break;
            case 1: co_await drop(file.write_at(*buffer, offset)); break;
            case 2: co_await drop(file.read(*buffer)); break;
            case 3: co_await drop(file.read_at(*buffer, offset)); break;
            case 4: co_await drop(file.seek(eddy::io::seek_from::end(0))); break;
            case 5: co_await drop(file.try_clone()); break;
            case 6: co_await drop(file.lock()); break;
            case 7: co_await drop(file.try_lock(fs::lock_kind::shared)); break;
            case 8: co_await drop(eddy::io::write_all(file, *buffer)); break;
            case 9: co_await drop(file.size()); break;
            case 10: co_await drop(file.truncate(offset)); break;
            case 11: co_await drop(file.allocate(offset, 4096)); break;
            case 12: co_await drop(file.advise(fs::access_pattern::will_not_need)); break;
            case 13: co_await drop(file.sync_data()); break;
            case 14: co_await drop(file.metadata()); break;
            case 15: co_await drop(file.set_permissions(std::filesystem::perms(0600))); break;
            case 16: co_await drop(file.set_times(fs::file_time(), std::nullopt)); break;
            default: co_await drop(file.close()); break;
            }
        }
    }

    const support::temp_dir& dir_;
    support::dice dice_;
    std::size_t polls_ = 0;
};

eddy::task<void> run_all(const support::temp_dir& dir, std::uint64_t seed, std::size_t rounds) {
    eddy::join_set<> tasks;
    for (std::uint64_t i = 0; i < 8; ++i) {
        tasks.spawn(
            [](const support::temp_dir& in, std::uint64_t own_seed, std::size_t own_rounds) -> eddy::task<void> {
                dropping drops(in, own_seed);
                co_await drops.run(own_rounds);
            }(dir, seed + i, rounds));
    }
    while (auto ended = co_await tasks.join_next()) EXPECT_TRUE(*ended);
}

/// On an event loop and on a runtime. The jobs of the loop may continue after it.
void run_episode(const support::temp_dir& dir, std::uint64_t seed, std::size_t rounds) {
    {
        eddy::core loop;
        loop.run(run_all(dir, seed, rounds));
    }
    eddy::runtime runs(eddy::runtime::builder().worker_threads(2).max_blocking_threads(4).build().value());
    runs.block_on(run_all(dir, seed + 50, rounds));
    std::move(runs).shutdown_timeout(std::chrono::seconds(60));
}

TEST(FsStress, DropsLeaveNeitherDescriptorsNorMemory) {
    const support::temp_dir dir;
    dropping::prepare(dir);
    const auto fds = support::fd_count();
    run_episode(dir, support::seed(), 20);  // what is allocated once
    const auto memory = allocated_bytes();
    const auto episodes = support::rounds(300);
    for (std::uint64_t i = 1; i <= episodes; ++i) {
        run_episode(dir, support::seed() + 100 * i, 60);
        ASSERT_TRUE(support::comes_true([fds] { return support::fd_count() == fds; }));
        std::filesystem::remove_all(dir / "temporary");
        dropping::prepare(dir);
    }
    if (!support::is_sanitized) {
        // The frames of coroutines are in regions of 1 MiB, then 2 MiB, which are kept; see frame_pool.cpp. On a busy
        // machine, a write lasts, another thread takes the worker over, and more threads have regions than in the first
        // episode. Jobs of the loops may not have ended yet.
        const auto is_freed = [memory] { return allocated_bytes() < memory + 16 * 1024 * 1024; };
        EXPECT_TRUE(support::comes_true(is_freed)) << allocated_bytes() << " bytes, after " << memory;
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator(dir / ".")) {
        const auto path = entry.path().generic_string();
        EXPECT_NE(entry.path().filename().string().front(), '.') << path;
        const bool is_complete = path.contains("/whole/") || path.contains("/copies/");
        if (is_complete && entry.is_regular_file()) {
            EXPECT_TRUE(is_whole(support::contents_of(path))) << path;
        }
    }
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
