// SPDX-License-Identifier: MIT
// Programs with tasks of eddy: what `eddy tree` shows of them, in a process and in a script's view.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <sstream>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "output_of.hpp"
#include "running_target.hpp"
#include "support/temp_dir.hpp"

namespace {

using namespace std::chrono_literals;

/// Removes what differs between two runs: numbers of tasks, descriptors and ports, addresses, times.
std::string normalized(std::string text) {
    for (const auto& [pattern, replacement] : {
             std::pair(", (the first )?[0-9.]+ (ms|s|min) ago", ""),
             std::pair(" at [^ ]*_target.cpp:[0-9]+", ""),
             std::pair("  [^ ]*_target.cpp:[0-9]+", ""),
             std::pair("descriptor [0-9]+( \\([^)]*\\))?", "descriptor N"),
             std::pair("child process [0-9]+", "child process N"),
             std::pair("task (at )?(0x[0-9a-f]+|[0-9]+)", "task N"),
             std::pair("waits: [0-9a-fx, ]+,", "waits: N,"),
             std::pair("tasks: [0-9a-fx, ]+", "tasks: N"),
             std::pair(" at 0x[0-9a-f]+", ""),
             std::pair("a timer, in .*", "a timer"),
         })
        text = std::regex_replace(text, std::regex(pattern), replacement);
    return text;
}

/// Reads the tree until all tasks wait where they stay.
std::string settled_tree(pid_t id) {
    const auto limit = std::chrono::steady_clock::now() + 30s;
    for (;;) {
        std::string text = output_of(EDDY_PROGRAM " tree " + std::to_string(id));
        const bool is_settled = text.find("queued") == std::string::npos && text.find("running") == std::string::npos &&
                                text.find("not polled yet") == std::string::npos &&
                                text.find("oneshot") != std::string::npos;
        if (is_settled || std::chrono::steady_clock::now() > limit) return text;
        std::this_thread::yield();
    }
}

class InspectEddy : public testing::TestWithParam<std::tuple<std::string, std::string>> {};

INSTANTIATE_TEST_SUITE_P(Programs, InspectEddy,
                         testing::Combine(testing::Values("", "_stripped"), testing::Values("pool", "loop")),
                         [](const auto& its) { return std::get<1>(its.param) + std::get<0>(its.param); });

// covers: B21
TEST_P(InspectEddy, EachTaskHasItsFramesAndReason) {
    const auto& [kind, executor] = GetParam();
    running_target target(EDDY_REAL + kind, ".", executor.c_str());
    const std::string tree = normalized(settled_tree(target.id()));
    const auto expect = [&](const std::string& part) {
        EXPECT_NE(tree.find(part), std::string::npos) << part << "\n" << tree;
    };
    expect((executor == "pool" ? "pool 1, 12 tasks\n" : "event loop 1, 12 tasks\n"));
    expect(
        "  3 tasks, waits: N, spawned\n"
        "    serve\n"
        "    read_head\n"
        "    waits for data from a descriptor\n");
    expect(
        "  task N, waits, spawned\n"
        "    serve_for_an_hour\n"
        "    waits for the first of 2:\n"
        "      read_head\n"
        "      waits for data from descriptor N\n"
        "      deadline:\n"
        "        a timer\n");
    expect(
        "    hold\n"
        "    sleep_for_an_hour\n"
        "    waits for a timer\n");
    expect(
        "    hold\n"
        "    waits for a mutex\n");
    expect(
        "    run_all::<lambda>\n"
        "    sleep_for_an_hour\n"
        "    waits for a timer\n");
    expect("  task N \"sleeper\", waits, spawned\n");
    expect(
        "    join\n"
        "    waits for the end of task N\n");
    expect(
        "    receive\n"
        "    waits for the value of a oneshot\n");
    expect(
        "  task N, waits, spawned\n"
        "    a timer\n");  // a future that is no coroutine
}

std::uint64_t monotonic_now() {
    return static_cast<std::uint64_t>(
        std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count());
}

TEST_P(InspectEddy, TimesOfSpawnsAreThoseOfTheProgram) {
    const auto& [kind, executor] = GetParam();
    const std::uint64_t before = monotonic_now();
    running_target target(EDDY_REAL + kind, ".", executor.c_str());  // all tasks exist when it is ready
    const std::uint64_t after = monotonic_now();
    const std::string json = output_of(EDDY_PROGRAM " ps --json " + std::to_string(target.id()));
    const std::regex time("\"started_ns\":([0-9]+)");
    int count = 0;
    for (auto at = std::sregex_iterator(json.begin(), json.end(), time); at != std::sregex_iterator(); ++at, ++count) {
        const std::uint64_t started = std::stoull((*at)[1]);
        EXPECT_GT(started + (1 << 20), before);  // rounded down
        EXPECT_LE(started, after);
    }
    EXPECT_EQ(count, 12) << json;
}

std::vector<std::string> programs_with_core_files() {
    return EDDY_HAS_STATIC ? std::vector<std::string>{"_stripped", "_static"} : std::vector<std::string>{"_stripped"};
}

class InspectEddyCore : public testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(Programs, InspectEddyCore, testing::ValuesIn(programs_with_core_files()),
                         [](const auto& its) { return its.param.substr(1); });

// covers: B21
TEST_P(InspectEddyCore, HasTheTreeOfTheProcess) {
    const support::temp_dir folder;
    const std::string program = EDDY_REAL + GetParam();
    running_target target(program, folder / "", "pool");
    const std::string tree = normalized(settled_tree(target.id()));
    target.end(SIGABRT);
    std::string core;
    for (const auto& each : std::filesystem::directory_iterator(folder / "")) core = each.path();
    if (core.empty()) GTEST_SKIP() << "this system writes no core files to the current folder";
    EXPECT_EQ(normalized(output_of(EDDY_PROGRAM " tree " + core)), tree);

    const std::string shown =
        output_of("gdb -nx -q -batch -x " EDDY_GDB_SCRIPT " -ex 'info eddy tasks' " + program + " " + core);
    EXPECT_TRUE(std::regex_search(shown, std::regex(" waits  .* read_head at [^ ]*:[0-9]+\n"))) << shown;
    EXPECT_TRUE(std::regex_search(shown, std::regex(" waits  .* sleeper .* sleep_for_an_hour at "))) << shown;
}

/// What is shown of a task, and what its name says must be shown of it.
struct shown_task {
    std::string shown;
    std::string expected;
};

std::vector<shown_task> named_tasks(const std::string& tree) {
    std::vector<shown_task> found;
    std::istringstream lines(tree);
    const std::regex title("  task N \"(.*)\", .*");
    const std::regex own_frame(" +eddy::[^ ]+  .*:[0-9]+");  // of a coroutine of the library
    bool is_named = false;
    for (std::string line; std::getline(lines, line);) {
        if (std::smatch parts; line.starts_with("    ")) {
            if (is_named && !std::regex_match(line, own_frame)) found.back().shown += line.substr(4) + '\n';
        } else if ((is_named = std::regex_match(line, parts, title))) {
            found.push_back({"", std::regex_replace(parts[1].str() + '\n', std::regex("\\|"), "\n")});
        }
    }
    return found;
}

/// Compares what the tasks of a program wait for with their names, of which there are `count`.
void compare_waits(const char* program, std::size_t count) {
    running_target target(program);
    const auto limit = std::chrono::steady_clock::now() + 30s;
    const auto is_right = [](const shown_task& one) { return one.shown == one.expected; };
    std::vector<shown_task> tasks;
    do {  // until all wait
        tasks = named_tasks(normalized(output_of(EDDY_PROGRAM " tree " + std::to_string(target.id()))));
    } while (!std::ranges::all_of(tasks, is_right) && std::chrono::steady_clock::now() < limit);
    EXPECT_EQ(tasks.size(), count);
    for (const shown_task& one : tasks) EXPECT_EQ(one.shown, one.expected);
}

// covers: B01
TEST(InspectWaits, EachFutureSaysForWhat) { compare_waits(EDDY_WAITS, 111); }

#ifdef EDDY_HTTP_WAITS
TEST(InspectWaits, HttpSaysForWhat) { compare_waits(EDDY_HTTP_WAITS, 19); }
#endif

// covers: R046
TEST(InspectBusyEddy, TreesAreWhole) {
    running_target target(EDDY_REAL, ".", "busy");
    const auto limit = std::chrono::steady_clock::now() + 60s;
    int whole = 0;
    while (whole < 5 && std::chrono::steady_clock::now() < limit) {
        const std::string tree = output_of(EDDY_PROGRAM " tree " + std::to_string(target.id()));
        ASSERT_TRUE(tree.starts_with("pool 1, ")) << tree;
        // On a busy machine, a list may change during each of the attempts to read it.
        if (tree.find("note: ") != std::string::npos) continue;
        ++whole;
        EXPECT_EQ(tree.find("cannot be read"), std::string::npos) << tree;
        EXPECT_EQ(tree.find("an unknown place"), std::string::npos) << tree;
    }
    EXPECT_GT(whole, 0);
}

TEST(InspectManyTasks, AreOneEntry) {
    running_target target(EDDY_REAL, ".", "many");
    const std::string tree = output_of(EDDY_PROGRAM " tree " + std::to_string(target.id()));
    EXPECT_TRUE(tree.starts_with("event loop 1, 100001 tasks\n  100000 tasks, waits: ")) << tree;
    EXPECT_TRUE(std::regex_search(tree, std::regex("    wait_inside .*\n    serve_until .*\n    wait_for_all .*\n"
                                                   "    waits for a notification at 0x[0-9a-f]+\n")))
        << tree;
}

TEST(InspectEddyScript, PrintsTheSame) {
    running_target target(EDDY_REAL, ".", "pool");
    const std::string tree = settled_tree(target.id());
    EXPECT_EQ(normalized(output_of("python3 " EDDY_SCRIPT " " + std::to_string(target.id()))), normalized(tree));
}

/// Compares what the script and `eddy tree` print.
void compare_with_script(const char* program) {
    running_target target(program);
    const std::string id = std::to_string(target.id());
    const auto limit = std::chrono::steady_clock::now() + 30s;
    std::string tree;
    do {  // until all wait
        tree = output_of(EDDY_PROGRAM " tree " + id);
    } while (std::regex_search(tree, std::regex("queued|running|not polled yet")) &&
             std::chrono::steady_clock::now() < limit);
    EXPECT_EQ(normalized(output_of("python3 " EDDY_SCRIPT " " + id)), normalized(tree));
}

TEST(InspectEddyScript, PrintsTheSameOfAllWaits) { compare_with_script(EDDY_WAITS); }

#ifdef EDDY_HTTP_WAITS
TEST(InspectEddyScript, PrintsTheSameOfHttp) { compare_with_script(EDDY_HTTP_WAITS); }
#endif

// ---- docs/inspect.md ----

/// Returns the block of output that follows a command in the page.
std::string block_of_page(const std::string& command) {
    std::ifstream in(EDDY_PAGE);
    const std::string page{std::istreambuf_iterator<char>(in), {}};
    const std::size_t begin = page.find("$ eddy " + command);
    const std::size_t first = page.find('\n', begin) + 1;
    return page.substr(first, page.find("```", first) - first);
}

/// Removes what differs between two runs of the page's program, but not the lines of its source.
std::string without_numbers(std::string text) {
    for (const auto& [pattern, replacement] : {
             std::pair("[^ ]*/bank.cpp", "bank.cpp"),
             std::pair("descriptor [0-9]+ \\(tcp [^)]*\\)", "descriptor N"),
             std::pair("0x[0-9a-f]+", "0x"),
             std::pair("(, (the first )?)[0-9.]+ (us|ms|s|min) ago", "$1N ago"),
             std::pair("(waits|queued|running) +[0-9.]+ (us|ms|s|min) ", "$1 AGE "),
         })
        text = std::regex_replace(text, std::regex(pattern), replacement);
    return text;
}

TEST(InspectPage, ShowsWhatTheProgramPrints) {
    running_target target(EDDY_BANK);
    const std::string id = std::to_string(target.id());
    const std::string expected = without_numbers(block_of_page("tree"));
    const auto limit = std::chrono::steady_clock::now() + 30s;
    std::string tree;
    do {  // until both transfers wait
        tree = without_numbers(output_of(EDDY_PROGRAM " tree " + id));
    } while (tree != expected && std::chrono::steady_clock::now() < limit);
    EXPECT_EQ(tree, expected);
    EXPECT_EQ(without_numbers(output_of(EDDY_PROGRAM " ps " + id)), without_numbers(block_of_page("ps")));
}

}  // namespace
