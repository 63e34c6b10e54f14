// SPDX-License-Identifier: MIT
// Stops the process whose number is in a file, as an init script does, and waits until it has ended.
//     $ sleep 100 & echo $! > sleep.pid
//     $ ./stop_by_pid sleep.pid
//     process 1234 has ended
#include <eddy/fs.hpp>
#include <eddy/prelude.hpp>
#include <eddy/process.hpp>

#include <CLI/CLI.hpp>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace {

namespace fs = eddy::fs;
namespace process = eddy::process;
using eddy::result;
using eddy::task;
using eddy::try_;
using namespace std::chrono_literals;

// docs: stop by pid
task<result<int>> stop_by_pid(std::filesystem::path file) {
    const auto number = co_await try_(fs::read_to_string(file, 20));
    const auto server = co_await try_(process::open(std::atoi(number.c_str())));
    co_await try_(server.signal(SIGTERM));
    const auto ended = co_await eddy::time::timeout(10s, server.wait());
    if (!ended) co_await try_(server.signal(SIGKILL));  // still the same process
    co_await try_(server.wait());
    co_return server.id();
}
// docs: end

}  // namespace

int main(int argc, char** argv) {
    std::filesystem::path file;
    CLI::App app{"Stops the process whose number is in a file."};
    app.add_option("file", file)->required();
    CLI11_PARSE(app, argc, argv);
    return eddy::run([&]() -> task<result<void>> {
        const int number = co_await try_(stop_by_pid(file));
        std::printf("process %d has ended\n", number);
        co_return eddy::ok();
    });
}
