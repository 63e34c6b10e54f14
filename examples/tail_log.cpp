// SPDX-License-Identifier: MIT
// Prints what is appended to a file, as `tail -F` does. It continues with a new file of that name after the file was
// renamed or removed, and from the start after it was truncated.
//     $ ./tail_log server.log
//     following server.log
#include <eddy/fs.hpp>
#include <eddy/prelude.hpp>

#include <cstdio>
#include <optional>

namespace {

namespace fs = eddy::fs;
using eddy::task;
using eddy::try_;

/// Prints all bytes from the position of the file on.
task<fs::result<void>> print_rest(fs::file& log) {
    const auto size = co_await try_(log.size());
    if (size < log.position()) co_await try_(log.seek(eddy::io::seek_from::start(0)));  // it was truncated
    std::array<std::byte, 16 * 1024> buffer;
    for (;;) {
        const auto count = co_await try_(log.read(buffer));
        if (count == 0) break;
        std::fwrite(buffer.data(), 1, count, stdout);
    }
    std::fflush(stdout);
    co_return {};
}

/// Opens the file, unless it does not exist now.
task<fs::result<std::optional<fs::file>>> open_log(std::filesystem::path path) {
    auto opened = co_await fs::file::open(std::move(path));
    if (opened) co_return std::optional<fs::file>(std::move(*opened));
    if (opened.error() == std::errc::no_such_file_or_directory) co_return std::optional<fs::file>();
    co_return std::unexpected(opened.error());
}

// docs: watch a file
task<fs::result<void>> follow(std::filesystem::path path) {
    auto changes = co_await try_(fs::watch(path));  // first, so that no change is missed
    auto log = co_await try_(open_log(path));
    if (log) co_await try_(log->seek(eddy::io::seek_from::end(0)));
    std::printf("following %s\n", path.c_str());
    std::fflush(stdout);
    while (auto change = co_await try_(changes.try_next())) {
        if (log) co_await try_(print_rest(*log));
        if (change->kind != fs::change_kind::created && change->kind != fs::change_kind::rescan) continue;
        log = co_await try_(open_log(path));  // a new file has the name
        if (log) co_await try_(print_rest(*log));
    }
    co_return {};
}
// docs: end

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: %s FILE\n", argv[0]);
        return 2;
    }
    return eddy::run(follow(argv[1]));
}
