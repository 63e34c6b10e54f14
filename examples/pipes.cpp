// SPDX-License-Identifier: MIT
// Pipes: lines from an unnamed pipe, from a FIFO, and from standard input, read by the same code.
//     $ printf 'four\nfive\n' | ./pipes
//     a pipe: one two three
//     a FIFO: one two three
//     standard input: four five
#include <eddy/prelude.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <string>
#include <utility>

namespace {

namespace io = eddy::io;
namespace pipe = eddy::net::pipe;
using eddy::result;
using eddy::task;
using eddy::try_;

// Prints all lines. Works for the lines of any reader.
task<result<void>> show(std::string name, auto lines) {
    std::string all;
    while (auto line = co_await lines.next()) all += " " + co_await try_(std::move(*line));
    std::printf("%s:%s\n", name.c_str(), all.c_str());
    co_return eddy::ok();
}

// This task owns the sender. The sender is destroyed with the task, and the reader then sees the end of the stream.
task<result<void>> count_to_three(pipe::sender to) {
    co_await try_(io::write_all(to, "one\n"));
    co_await try_(io::write_all(to, "two\n"));
    co_await try_(io::write_all(to, "three\n"));
    co_return eddy::ok();
}

// Writes and reads at the same time: a pipe holds 64 KiB, and a writer that sends more waits for the reader.
task<result<void>> carry(std::string name, pipe::sender tx, pipe::receiver rx) {
    auto lines = io::lines(io::buf_reader(std::move(rx)));
    co_await try_(eddy::try_join(count_to_three(std::move(tx)), show(std::move(name), std::move(lines))));
    co_return eddy::ok();
}

task<result<void>> show_pipe() {
    auto [tx, rx] = co_await try_(pipe::make());
    co_return co_await carry("a pipe", std::move(tx), std::move(rx));
}

// A FIFO is a pipe with a path: its ends may be in two programs, as with `cat > PATH`.
task<result<void>> show_fifo() {
    const auto path = std::filesystem::temp_directory_path() / ("eddy_pipes." + std::to_string(::getpid()));
    if (::mkfifo(path.c_str(), 0600) != 0) co_return std::unexpected(std::error_code(errno, std::generic_category()));
    // Open the receiver first: a non-blocking open(2) of a sender fails with ENXIO if there is no receiver.
    auto rx = pipe::open_receiver(path.native());
    auto tx = pipe::open_sender(path.native());
    ::unlink(path.c_str());  // the open ends remain valid
    co_return co_await carry("a FIFO", co_await try_(std::move(tx)), co_await try_(std::move(rx)));
}

task<result<void>> show_all() {
    co_await try_(show_pipe());
    co_await try_(show_fifo());
    // Not every standard input can be registered with epoll (a file cannot), so it is read on a thread for blocking
    // work.
    co_return co_await show("standard input", io::lines(io::standard_input()));
}

}  // namespace

int main() { return eddy::run(show_all()); }
