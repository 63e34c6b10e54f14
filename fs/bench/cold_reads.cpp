// SPDX-License-Identifier: MIT
// Random reads of 4 KiB, 64 at a time, of a file that is not in the page cache: eddy::fs beside fio with 64 threads, in
// turn.
//     $ bench_cold_reads [FOLDER [GIB]]
// Prints the reads in a second of each run, and the ratio of the medians. Needs fio, and a folder on a disk.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include <eddy/eddy.hpp>
#include <eddy/fs.hpp>

namespace {

namespace fs = eddy::fs;
using bench_clock = std::chrono::steady_clock;
using eddy::try_;

constexpr std::size_t piece = 4096, at_a_time = 64, runs_of_each = 7;
constexpr auto duration = std::chrono::seconds(3);

void check(bool is_right, const char* what) {
    if (is_right) return;
    std::perror(what);
    std::exit(1);
}

void make_file(const std::string& path, std::size_t size) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    check(fd >= 0, "open");
    const std::vector<std::byte> bytes(1 << 20, std::byte{'a'});
    for (std::size_t written = 0; written < size; written += bytes.size())
        check(::write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()), "write");
    check(::fsync(fd) == 0, "fsync");
    ::close(fd);
}

void drop_cache(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    check(fd >= 0 && ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0, "posix_fadvise");
    ::close(fd);
}

/// Runs fio. Returns the reads in a second.
double fio(const std::string& path, std::size_t size) {
    const auto command =
        "fio --name=cold --filename=" + path + " --size=" + std::to_string(size) +
        " --rw=randread --norandommap --bs=4k --ioengine=psync --thread --numjobs=" + std::to_string(at_a_time) +
        " --group_reporting --time_based --runtime=" + std::to_string(duration.count()) + " --invalidate=0 --minimal";
    std::FILE* const output = ::popen(command.c_str(), "r");
    check(output != nullptr, "fio");
    std::string line(4096, '\0');
    check(std::fgets(line.data(), static_cast<int>(line.size()), output) != nullptr, "fio");
    check(::pclose(output) == 0, "fio");
    std::size_t begin = 0;
    for (int field = 0; field != 7; ++field) begin = line.find(';', begin) + 1;  // the 8th is read_iops
    return std::strtod(line.c_str() + begin, nullptr);
}

eddy::task<fs::result<std::uint64_t>> read_some(fs::file& file, std::size_t size, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::vector<std::byte> buffer(piece);
    std::uint64_t count = 0;
    for (const auto end = bench_clock::now() + duration; bench_clock::now() < end; ++count) {
        const auto got = co_await try_(file.read_at(buffer, random() % (size / piece) * piece));
        check(got == piece, "read_at");
    }
    co_return count;
}

eddy::task<fs::result<double>> reads(std::string path, std::size_t size) {
    auto file = co_await try_(fs::file::open(path));
    co_await try_(file.advise(fs::access_pattern::random));  // as fio does
    std::vector<eddy::join_handle<fs::result<std::uint64_t>>> readers;
    std::random_device seeds;
    for (std::size_t i = 0; i != at_a_time; ++i) readers.push_back(eddy::spawn(read_some(file, size, seeds())));
    std::uint64_t count = 0;
    for (auto& reader : readers) {
        auto read = co_await reader;
        count += co_await try_(std::move(read).value());
    }
    co_return static_cast<double>(count) / static_cast<double>(duration.count());
}

void compare(const char* name, const std::string& path, std::size_t size, auto run) {
    std::vector<double> theirs, ours;
    for (std::size_t i = 0; i != runs_of_each; ++i) {
        drop_cache(path);
        theirs.push_back(fio(path, size));
        drop_cache(path);
        const auto before = fs::metrics();
        const fs::result<double> result = run();
        const auto after = fs::metrics();
        check(result.has_value(), "eddy");
        ours.push_back(*result);
        std::printf("  fio %8.0f/s  eddy %8.0f/s  of these cached %llu\n", theirs.back(), ours.back(),
                    static_cast<unsigned long long>(after.cached_reads - before.cached_reads));
    }
    const auto median = [](std::vector<double>& of) {
        std::ranges::sort(of);
        return of[of.size() / 2];
    };
    std::printf("%-12s fio %8.0f/s  eddy %8.0f/s  ratio %.2f\n", name, median(theirs), median(ours),
                median(ours) / median(theirs));
}

}  // namespace

int main(int argc, char** argv) {
    const auto path = std::string(argc > 1 ? argv[1] : ".") + "/bench_cold_reads.data";
    const auto size = std::size_t{argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 4} << 30;
    make_file(path, size);
    {
        eddy::core loop;
        compare("event loop", path, size, [&] { return loop.run(reads(path, size)); });
    }
    eddy::runtime pool;
    compare("runtime", path, size, [&] { return pool.block_on(pool.spawn(reads(path, size))).value(); });
    ::unlink(path.c_str());
}
