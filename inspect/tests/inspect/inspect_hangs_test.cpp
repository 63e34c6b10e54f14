// SPDX-License-Identifier: MIT
// docs/hangs.md: the commands of the page print what the page shows.
#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <fstream>
#include <iterator>
#include <regex>
#include <string>
#include <vector>

#include "captured_program.hpp"
#include "output_of.hpp"
#include "running_target.hpp"

namespace {

using namespace std::chrono_literals;

/// A command, such as "$ eddy tree" or "(gdb) info eddy tasks", and the lines that follow it.
struct shown {
    std::string command;
    std::string output;
};

/// Returns the commands of the page while `stuck KIND` runs.
std::vector<shown> commands_of(const std::string& kind) {
    std::ifstream page(EDDY_HANGS_PAGE);
    std::vector<shown> found;
    std::string fence;  // of the block of the line; a block of output has no language
    bool is_of_kind = false;
    for (std::string line; std::getline(page, line);) {
        if (line.starts_with("```"))
            fence = fence.empty() ? line : "";
        else if (fence == "```" && line == "$ ./stuck " + kind) {
            is_of_kind = true;
            found.push_back({line, {}});
        } else if (fence == "```" && line.starts_with("$ ./stuck "))
            is_of_kind = line == "$ ./stuck " + kind + " --forever &";
        else if (fence == "```" && line == "$ EDDY_LEAKS=1 ./stuck " + kind)
            found.push_back({line, {}});
        else if (fence == "```" && is_of_kind && (line.starts_with("$ ") || line.starts_with("(gdb) ")))
            found.push_back({line, {}});
        else if (fence == "```" && is_of_kind)
            found.back().output += line + '\n';
    }
    return found;
}

/// Removes what differs between two runs, but not the lines of the source.
std::string normalized(std::string text) {
    for (const auto& [pattern, replacement] : {
             std::pair("[^ ]*/stuck.cpp", "stuck.cpp"),
             std::pair("0x[0-9a-f]+", "0x"),
             std::pair("in [0-9.]+ min", "in N min"),
             std::pair("thread for [0-9]+ ms", "thread for N ms"),
             std::pair("due [0-9.]+ (us|ms|s|min) ago", "due N ago"),
             std::pair("(, (the first )?)[0-9.]+ (us|ms|s|min) ago", "$1N ago"),
             std::pair("(waits|running) +[0-9.]+ (us|ms|s|min) ", "$1 AGE "),
         })
        text = std::regex_replace(text, std::regex(pattern), replacement);
    return text;
}

std::string text_between(const std::string& text, const std::string& begin, const std::string& end) {
    const std::size_t first = text.find(begin);
    if (first == std::string::npos) return text;
    const std::size_t from = first + begin.size();
    return text.substr(from, text.find(end, from) - from);
}

/// Runs a command of the page. gdb prints more around the output of its commands, which is removed.
std::string run(const std::string& command, pid_t id) {
    const std::string number = std::to_string(id);
    if (command.starts_with("(gdb) "))
        return text_between(output_of("gdb -nx -q -batch -x " EDDY_GDB_SCRIPT " -p " + number +
                                      " -ex 'echo begin\\n' -ex '" + command.substr(6) + "' -ex 'echo end\\n'"),
                            "begin\n", "end\n");
    if (command.starts_with("$ EDDY_LEAKS=1 "))
        return output_of(std::regex_replace(command.substr(2), std::regex("[.]/stuck"), EDDY_STUCK));
    if (command.starts_with("$ ./stuck ")) return output_of(EDDY_STUCK + command.substr(9));
    return output_of("pidof() { echo " + number + "; }; eddy() { " EDDY_PROGRAM " \"$@\"; }; " + command.substr(2));
}

/// The page shows a part of the native stacks, and not all compilers print them alike: only the coroutine is compared.
void expect_coroutine(const std::string& stacks, const std::string& part) {
    std::smatch found;
    ASSERT_TRUE(std::regex_search(part, found, std::regex("in (\\w+) \\(\\) at stuck.cpp:[0-9]+\n"))) << part;
    EXPECT_NE(stacks.find(found.str(1)), std::string::npos) << stacks;
}

/// Whether a program has printed a report of the page. Its functions differ between libraries.
bool has_report(const std::string& printed, const std::string& report) {
    const std::string functions = "  the thread waits in\n";
    return normalized(printed).contains(normalized(report.substr(0, report.find(functions) + functions.size()))) &&
           printed.contains(report.substr(report.find("  Move ")));
}

class InspectHangs : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Kinds, InspectHangs, testing::Values("deadlock", "stall", "leak", "wait"),
                         [](const auto& its) { return std::string(its.param); });

TEST_P(InspectHangs, PageShowsWhatIsPrinted) {
    running_target target(EDDY_STUCK, ".", GetParam(), "--forever");
    const std::vector<shown> commands = commands_of(GetParam());
    ASSERT_FALSE(commands.empty());
    const auto limit = std::chrono::steady_clock::now() + 30s;
    for (const auto& [command, output] : commands) {
        const bool is_of_stuck = command.starts_with("$ ./stuck ");
        const bool is_of_eddy = command.starts_with("$ eddy ");
        std::string printed;
        bool is_shown = false;
        do {  // until all tasks wait, and until a busy machine lets the program report in the second that it runs
            printed = run(command, target.id());
            is_shown = is_of_stuck ? has_report(printed, output) : normalized(printed) == normalized(output);
        } while ((is_of_eddy || is_of_stuck) && !is_shown && std::chrono::steady_clock::now() < limit);
        if (printed.find("ptrace: Operation not permitted") != std::string::npos)
            GTEST_SKIP() << "gdb may not attach here";
        if (is_of_stuck)
            EXPECT_TRUE(is_shown) << printed;
        else if (command.starts_with("$ gdb "))
            expect_coroutine(printed, output);
        else
            EXPECT_EQ(normalized(printed), normalized(output)) << command;
    }
}

/// Returns what the page shows below `$ ./stuck KIND --forever`, in the foreground.
std::string report_of_page(const std::string& kind) {
    std::ifstream in(EDDY_HANGS_PAGE);
    const std::string page{std::istreambuf_iterator<char>(in), {}};
    return text_between(page, "$ ./stuck " + kind + " --forever\n", "```");
}

class InspectReport : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Kinds, InspectReport, testing::Values("deadlock", "wait"),
                         [](const auto& its) { return std::string(its.param); });

TEST_P(InspectReport, PageShowsWhatTheProgramPrints) {
    captured_program stuck(EDDY_STUCK, GetParam(), "--forever");
    std::string expected = normalized(report_of_page(GetParam()));
    ASSERT_LT(expected.size(), 2000u) << "the page has no such command";
#ifndef EDDY_CHECKS
    expected = std::regex_replace(expected, std::regex(", last locked [^\n]*"), "");
#endif
    while (stuck.errors().size() < expected.size() && !stuck.has_ended()) stuck.read_some(1);
    EXPECT_EQ(normalized(stuck.errors()), expected);
}

TEST(InspectHangsPage, ReadmeHasPartOfIt) {
    std::ifstream in(EDDY_README);
    const std::string readme{std::istreambuf_iterator<char>(in), {}};
    const std::vector<shown> commands = commands_of("deadlock");
    ASSERT_FALSE(commands.empty());
    const std::string part = text_between(readme, commands.front().command + '\n', "```");
    EXPECT_TRUE(commands.front().output.starts_with(part)) << part;
}

}  // namespace
