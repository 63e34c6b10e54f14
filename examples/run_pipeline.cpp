// SPDX-License-Identifier: MIT
// Runs commands that are connected by pipes, prints the output of the last one, and how each of them has ended.
//     $ ./run_pipeline sort names.txt '|' uniq -c '|' sort -rn
//     sort: exit code 0
//     uniq: exit code 0
//     sort: exit code 0
#include <eddy/prelude.hpp>
#include <eddy/process.hpp>

#include <cstdio>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

namespace process = eddy::process;
using eddy::task;
using eddy::try_;

/// Splits the words at those that are "|".
std::vector<process::command> parse(std::span<char* const> words) {
    std::vector<process::command> commands;
    bool is_begin = true;
    for (const std::string_view word : words) {
        if (word == "|") {
            is_begin = true;
        } else if (is_begin) {
            commands.emplace_back(std::string(word));
            is_begin = false;
        } else {
            commands.back().arg(std::string(word));
        }
    }
    return commands;
}

// docs: run
task<process::result<bool>> run_all(std::vector<process::command> commands) {
    process::pipeline all(commands.front().in(process::stdio::inherit()));
    for (std::size_t i = 1; i < commands.size(); ++i) all.add(commands[i]);
    const auto done = co_await try_(process::run(all));
    std::fwrite(done.out.data(), 1, done.out.size(), stdout);
    std::fwrite(done.error.data(), 1, done.error.size(), stderr);
    for (std::size_t i = 0; i < commands.size(); ++i) {
        std::fprintf(stderr, "%s: %s\n", commands[i].program().c_str(), done.statuses[i].to_string().c_str());
    }
    co_return done.is_success();
}
// docs: end

}  // namespace

int main(int argc, char** argv) {
    auto commands = parse(std::span(argv, static_cast<std::size_t>(argc)).subspan(1));
    if (commands.empty()) {
        std::fprintf(stderr, "usage: %s PROGRAM [ARGUMENT...] ['|' PROGRAM [ARGUMENT...]]...\n", argv[0]);
        return 2;
    }
    eddy::runtime runs;
    const auto success = runs.block_on(run_all(std::move(commands)));
    if (!success) std::fprintf(stderr, "%s\n", success.error().message().c_str());
    return success && *success ? 0 : 1;
}
