// SPDX-License-Identifier: MIT
// Checksums of files: reads files, 16 at a time, and writes a list that is replaced as a whole. Says how files were
// read.
//     $ ./checksums sums.txt CMakeLists.txt README.md
//     sums.txt has the checksums of 2 files
//     $ ./checksums sums.txt nothing
//     Error: open nothing: No such file or directory
#include <eddy/fs.hpp>
#include <eddy/prelude.hpp>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace {

namespace fs = eddy::fs;
using eddy::task;
using eddy::try_;

// FNV-1a, 64 bits. (Not for secrets.)
class checksum {
public:
    void add(std::span<const std::byte> bytes) noexcept {
        for (const std::byte each : bytes) value_ = (value_ ^ std::to_integer<std::uint64_t>(each)) * 0x100000001b3;
    }
    [[nodiscard]] std::string text() const { return fmt::format("{:016x}", value_); }

private:
    std::uint64_t value_ = 0xcbf29ce484222325;
};

// docs: read a file
task<fs::result<std::string>> checksum_of(std::filesystem::path path) {
    auto file = co_await try_(fs::file::open(path));
    std::array<std::byte, 64 * 1024> buffer;
    checksum sum;
    for (;;) {
        const std::size_t count = co_await try_(file.read(buffer));
        if (count == 0) co_return sum.text() + "  " + path.string() + "\n";
        sum.add(std::span(buffer).first(count));
    }
}
// docs: end

// docs: write atomically
task<fs::result<void>> write_list(std::filesystem::path list, std::vector<std::filesystem::path> paths) {
    auto sums = eddy::streams::iter(std::move(paths)).map(checksum_of).buffered(16);
    std::string lines;
    while (auto line = co_await sums.next()) lines += co_await try_(std::move(*line));
    co_return co_await fs::write_atomically(list, lines);  // a reader sees the old list or this one
}
// docs: end

}  // namespace

int main(int argc, char** argv) {
    std::filesystem::path list;
    std::vector<std::filesystem::path> paths;
    CLI::App app{"Writes the checksums of files into a list."};
    app.add_option("list", list)->required();
    app.add_option("file", paths)->required();
    CLI11_PARSE(app, argc, argv);
    return eddy::run([&]() -> task<fs::result<void>> {
        const std::size_t count = paths.size();
        co_await try_(write_list(list, paths));
        fmt::print("{} has the checksums of {} files\n", list.string(), count);
        co_return {};
    });
}
