// SPDX-License-Identifier: MIT
// The program that tests start. Its first argument says what it does.
#include <cstdio>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include <eddy/eddy.hpp>
#include <eddy/process.hpp>

namespace {

namespace process = eddy::process;
using eddy::result;
using eddy::task;
using eddy::try_;

void print(const std::string& line) {
    std::puts(line.c_str());
    std::fflush(stdout);
}

/// Waits for a process without reading what it writes, or without ending its input.
task<result<void>> wait_for_child(std::string how) {
    using process::stdio;
    const auto writes = [](int fd) {
        return process::command("python3", "-c", "import os; os.write(" + std::to_string(fd) + ", bytes(1000000))")
            .in(stdio::null());
    };
    auto command = process::command("sleep", "2.5").out(stdio::pipe()).in(stdio::null());  // how == "alive"
    if (how == "out") command = writes(1).out(stdio::pipe());
    if (how == "error") command = writes(2).error(stdio::pipe());
    if (how == "both") command = writes(2).out(stdio::pipe()).error(stdio::same_as_out());
    if (how == "in") command = process::command("cat").in(stdio::pipe()).out(stdio::null());
    auto child = co_await try_(command.spawn());
    print(std::to_string(child.id()));
    // Another one, for which nothing waits, goes on by itself.
    std::optional<process::child> other;
    if (how == "alive") other = co_await try_(process::command("cat").in(stdio::pipe()).spawn());
    const auto status = co_await try_(child.wait());
    co_await try_(status.check());
    co_return eddy::ok();
}

task<result<void>> run(std::vector<std::string> arguments) {
    const auto& what = arguments.at(1);
    if (what == "wait") co_return co_await wait_for_child(arguments.at(2));
    co_return std::unexpected(std::make_error_code(std::errc::invalid_argument));
}

}  // namespace

int main(int count, char** arguments) {
    auto loop = eddy::core::builder()
                    .report_deadlocks(true)
                    .build()
                    .value();  // its descriptors are open before the first look at those that were inherited
    const auto ended = loop.run(run({arguments, arguments + count}));
    if (!ended) print("failed: " + ended.error().message());
    return ended ? 0 : 1;
}
