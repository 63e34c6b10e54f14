// SPDX-License-Identifier: MIT
// Reads and writes of a file in the page cache: eddy::fs beside the plain system calls, in one process, in turn.
//     $ bench_files [FOLDER]
// Prints a line for each case: the best one of several runs each, and the ratio of the times.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include <eddy/eddy.hpp>
#include <eddy/fs.hpp>

namespace {

namespace fs = eddy::fs;
using bench_clock = std::chrono::steady_clock;
using eddy::try_;

constexpr std::size_t kib = 1024, mib = 1024 * kib, gib = 1024 * mib;

[[noreturn]] void fail(const char* what) {
    std::perror(what);
    std::exit(1);
}

double seconds_of(const std::function<void()>& work) {
    const auto begin = bench_clock::now();
    work();
    return std::chrono::duration<double>(bench_clock::now() - begin).count();
}

/// Prints the best times of both, which run in turn.
void compare(const char* name, std::size_t operations, std::size_t bytes, const std::function<void()>& plain,
             const std::function<void()>& eddy) {
    double best_plain = 1e9, best_eddy = 1e9;
    // The shorter they are, the more runs: one without an interruption is among them.
    for (int i = 0; i < (bytes < gib ? 40 : 8); ++i) {
        best_plain = std::min(best_plain, seconds_of(plain));
        best_eddy = std::min(best_eddy, seconds_of(eddy));
    }
    const auto each = [&](double seconds) { return seconds * 1e9 / static_cast<double>(operations); };
    std::printf("%-34s plain %9.0f ns  eddy %9.0f ns  time x %.2f  throughput %.2f  (%.2f GiB/s)\n", name,
                each(best_plain), each(best_eddy), best_eddy / best_plain, best_plain / best_eddy,
                static_cast<double>(bytes) / best_eddy / static_cast<double>(gib));
}

/// The same random offsets for both.
std::vector<std::uint64_t> offsets_of(std::size_t count, std::size_t piece, std::size_t size) {
    std::mt19937_64 random(1);
    std::vector<std::uint64_t> offsets(count);
    for (auto& offset : offsets) offset = random() % (size / piece) * piece;
    return offsets;
}

void random_reads(auto& runs, const char* name, const std::string& path, std::size_t piece, std::size_t count) {
    const auto offsets = offsets_of(count, piece, 64 * mib);
    std::vector<std::byte> buffer(piece);
    const auto plain = [&] {
        const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        for (const auto offset : offsets) {
            if (::pread(fd, buffer.data(), piece, static_cast<off_t>(offset)) != static_cast<ssize_t>(piece))
                fail("pread");
        }
        ::close(fd);
    };
    const auto with_eddy = [&] {
        const auto done = runs([&]() -> eddy::task<fs::result<void>> {
            auto file = co_await try_(fs::file::open(path));
            for (const auto offset : offsets) {
                const auto size = co_await try_(file.read_at(buffer, offset));
                if (size != piece) fail("read_at");
            }
            co_return {};
        });
        if (!done) fail(done.error().message().c_str());
    };
    compare(name, count, count * piece, plain, with_eddy);
}

void sequential_read(auto& runs, const char* name, const std::string& path, std::size_t piece) {
    std::vector<std::byte> buffer(piece);
    const auto plain = [&] {
        const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        while (::read(fd, buffer.data(), piece) > 0) {
        }
        ::close(fd);
    };
    const auto with_eddy = [&] {
        const auto done = runs([&]() -> eddy::task<fs::result<void>> {
            auto file = co_await try_(fs::file::open(path));
            for (;;) {
                const auto size = co_await try_(file.read(buffer));
                if (size == 0) co_return {};
            }
        });
        if (!done) fail(done.error().message().c_str());
    };
    compare(name, gib / piece, gib, plain, with_eddy);
}

void sequential_write(auto& runs, const char* name, const std::string& path, std::size_t piece) {
    const std::vector<std::byte> buffer(piece, std::byte{'x'});
    // The file keeps its pages, so that the disk has no part in it.
    const auto plain = [&] {
        const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
        for (std::size_t i = 0; i < gib / piece; ++i) {
            if (::write(fd, buffer.data(), piece) != static_cast<ssize_t>(piece)) fail("write");
        }
        ::close(fd);
    };
    const auto with_eddy = [&] {
        const auto done = runs([&]() -> eddy::task<fs::result<void>> {
            auto file = co_await try_(fs::open_options().write(true).open(path));
            for (std::size_t i = 0; i < gib / piece; ++i) {
                const auto size = co_await try_(file.write(buffer));
                if (size != piece) fail("write");
            }
            co_return {};
        });
        if (!done) fail(done.error().message().c_str());
    };
    compare(name, gib / piece, gib, plain, with_eddy);
}

void all_cases(auto& runs, const std::string& folder) {
    const std::string path = folder + "/bench_files.data";
    {
        const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        const std::vector<std::byte> piece(mib, std::byte{'a'});
        for (std::size_t i = 0; i < 1024; ++i) {
            if (::write(fd, piece.data(), mib) != static_cast<ssize_t>(mib)) fail("write");
        }
        ::close(fd);
    }
    random_reads(runs, "read_at, 4 KiB, cached", path, 4 * kib, 20'000);
    random_reads(runs, "read_at, 64 KiB, cached", path, 64 * kib, 2'000);
    sequential_read(runs, "read 1 GiB, 64 KiB pieces", path, 64 * kib);
    sequential_read(runs, "read 1 GiB, 1 MiB pieces", path, mib);
    sequential_write(runs, "write 1 GiB, 64 KiB pieces", path, 64 * kib);
    sequential_write(runs, "write 1 GiB, 1 MiB pieces", path, mib);
    ::unlink(path.c_str());
}

}  // namespace

int main(int argc, char** argv) {
    const std::string folder = argc > 1 ? argv[1] : ".";
    {
        std::puts("event loop");
        eddy::core loop;
        const auto runs = [&](auto work) { return loop.run(work()); };
        all_cases(runs, folder);
    }
    std::puts("runtime");
    eddy::runtime pool;
    // On a worker: block_on() itself polls on this thread.
    const auto runs = [&](auto work) { return pool.block_on(pool.spawn(work())).value(); };
    all_cases(runs, folder);
}
