// SPDX-License-Identifier: MIT
// Several tasks log to one file, which is rotated: when it has 4 KiB, server.log becomes server.log.1, that becomes
// server.log.2, and the oldest one of three is replaced.
//     $ ./log_file server.log
//     10 tasks wrote 200 lines
#include <eddy/fs.hpp>
#include <eddy/prelude.hpp>

#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace {

namespace fs = eddy::fs;
using eddy::task;
using eddy::try_;

// docs: rotate a log
using log_lines = eddy::sync::mpsc<std::string>;

constexpr std::uint64_t most_bytes = 4096;
constexpr int old_files = 3;

std::string old_path(const std::filesystem::path& log, int age) {
    return log.native() + (age == 0 ? "" : "." + std::to_string(age));
}

task<fs::result<void>> rotate(std::filesystem::path log) {
    for (int age = old_files; age > 0; --age) {
        const auto moved = co_await fs::rename(old_path(log, age - 1), old_path(log, age));
        if (!moved && moved.error() != std::errc::no_such_file_or_directory) co_return std::unexpected(moved.error());
    }
    co_return {};
}

/// Only this task writes the file: the others send it their lines. It writes all that have arrived at once.
task<fs::result<void>> write_log(std::filesystem::path path, log_lines::receiver from) {
    const auto before = co_await fs::metadata(path);
    std::uint64_t size = before ? before->size : 0;
    std::vector<std::string> arrived;
    while (co_await from.recv_many(arrived, 100) != 0) {
        std::string text;
        for (const auto& line : std::exchange(arrived, {})) text += line;
        if (size > 0 && size + text.size() > most_bytes) {
            co_await try_(rotate(path));
            size = 0;
        }
        co_await try_(fs::append(path, text));
        size += text.size();
    }
    co_return {};
}

task<void> work(int number, log_lines::sender log) {
    for (int step = 1; step <= 20; ++step) {
        const auto line = "task " + std::to_string(number) + " has done step " + std::to_string(step) + "\n";
        const auto sent = co_await log.send(line);
        if (!sent) co_return;  // the writer has failed
    }
}

task<fs::result<void>> run(std::filesystem::path path) {
    auto [log, lines] = log_lines::channel(100);  // a task that logs faster than the disk waits
    auto written = eddy::spawn(write_log(std::move(path), std::move(lines)));
    for (int number = 1; number <= 10; ++number) eddy::spawn(work(number, log)).detach();
    eddy::drop(std::move(log));  // the writer ends when the last task has ended
    const auto done = co_await written;
    co_await try_(done.value());
    std::puts("10 tasks wrote 200 lines");
    co_return {};
}
// docs: end

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: log_file FILE\n");
        return 2;
    }
    return eddy::run(run(argv[1]));
}
