// SPDX-License-Identifier: MIT
// The program `eddy`, and a script that knows only docs/format.md.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <regex>
#include <string>

#include "output_of.hpp"
#include "running_target.hpp"

namespace {

using namespace std::chrono_literals;

std::string eddy(const std::string& arguments) { return output_of(EDDY_PROGRAM " " + arguments); }

TEST(InspectProgram, TreeIsPrinted) {
    running_target target(EDDY_HAND_MADE);
    const std::string id = std::to_string(target.id());
    EXPECT_TRUE(eddy("tree " + id).starts_with("pool 7, 8 tasks\n  3 tasks, waits: 4, 2, 3, spawned at "));
    EXPECT_TRUE(eddy("tree --json " + id).starts_with("{\"eddy\":\"0.1.0\",\"executors\":["));
    const std::string list = eddy("ps " + id);
    EXPECT_TRUE(list.starts_with("      ID STATUS       AGE NAME             PLACE\n")) << list;
    EXPECT_EQ(std::ranges::count(list, '\n'), 9);
    EXPECT_TRUE(std::regex_search(
        list, std::regex("\n       5 waits +[0-9.]+ (ms|s|min|h) a locked one     hand_made::example::in_serve  ")))
        << list;
}

// covers: B21
TEST(InspectProgram, ScriptOfFormatPagePrintsTheSame) {
    running_target target(EDDY_HAND_MADE);
    const std::string id = std::to_string(target.id());
    const auto expected = [&] {
        // What the script does not print: deadlines, and what a descriptor refers to.
        const std::string text = std::regex_replace(eddy("tree " + id), std::regex("a timer.*"), "a timer");
        return std::regex_replace(text, std::regex("(descriptor [0-9]+) \\(.*\\)"), "$1");
    };
    const auto limit = std::chrono::steady_clock::now() + 30s;
    std::string before;
    std::string printed;
    do {  // until no age has changed; all of them are about as long as the machine runs
        before = expected();
        printed = output_of("python3 " EDDY_SCRIPT " " + id);
    } while (expected() != before && std::chrono::steady_clock::now() < limit);
    EXPECT_EQ(printed, before);
    EXPECT_TRUE(std::regex_search(printed, std::regex(", the first [0-9.]+ (ms|s|min|h) ago\n"))) << printed;
}

TEST(InspectProgram, GdbHasCommandsForTasks) {
    const std::string gdb = "gdb -nx -q -batch -x " EDDY_GDB_SCRIPT " ";
    for (const char* const kind : {"", "_stripped", "_static", "_static_pie"}) {
        running_target target(std::string(EDDY_HAND_MADE) + kind);
        const std::string text =
            output_of(gdb + "-ex 'info eddy tasks' -ex 'eddy bt 5' -ex 'eddy bt 7' -ex 'eddy bt 99' -p " +
                      std::to_string(target.id()));
        if (text.find("ptrace: Operation not permitted") != std::string::npos)
            GTEST_SKIP() << "gdb may not attach here";
        const std::size_t begin = text.find("\n       8 running ");
        ASSERT_NE(begin, std::string::npos) << text;
        std::string found = std::regex_replace(text.substr(begin), std::regex(" at [^ ]*/hand_made.hpp:[0-9]+"), "");
        found = std::regex_replace(found, std::regex("waits +[0-9.]+ (ms|s|min|h) "), "waits AGE ");
        EXPECT_NE(found.find("\n       5 waits AGE a locked one     hand_made::example::in_serve\n"), std::string::npos)
            << found;
        EXPECT_NE(found.find("\n#0   hand_made::example::in_serve\n#1   spawned\n"
                             "waits for a mutex  (sync::lock_future)\n"),
                  std::string::npos)
            << found;
        EXPECT_NE(found.find("waits for the first of  (timeout_future)\n"
                             "    timer:\n"
                             "    a timer  (time::sleep_future)\n"
                             "    future:\n"
                             "    a coroutine  (task)\n"
                             "      hand_made::example::in_read_head\n"
                             "      data from descriptor 1  (net::read_future)\n"),
                  std::string::npos)
            << found;
        EXPECT_NE(found.find("There is no task 99."), std::string::npos);
    }
}

TEST(InspectProgram, GdbEndsWalksOverDamagedMemory) {
    running_target target(EDDY_HAND_MADE, ".", "damaged");
    const std::string text = output_of("gdb -nx -q -batch -x " EDDY_GDB_SCRIPT
                                       " -ex 'info eddy tasks' -ex 'eddy bt 10' -ex 'eddy bt 11' "
                                       "-ex 'eddy bt 12' -ex 'eddy bt 13' -ex 'eddy bt 99' -p " +
                                       std::to_string(target.id()));
    if (text.find("ptrace: Operation not permitted") != std::string::npos) GTEST_SKIP() << "gdb may not attach here";
    EXPECT_NE(text.find(" \\x1b[31mred "), std::string::npos) << text;
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
    EXPECT_NE(text.find("waits for all of  (join_all_future)\n    a timer"), std::string::npos) << text;
    EXPECT_NE(text.find("Cannot access memory"), std::string::npos) << text;  // behind the end of the array
    EXPECT_NE(text.find("waits for the first of  (futures_unordered)\n    a timer  (time::sleep_future)\n"),
              std::string::npos)
        << text;
    EXPECT_NE(text.find("waits for a coroutine  (task)\n"), std::string::npos) << text;
    EXPECT_NE(text.find("There is no task 99."), std::string::npos) << text;
}

TEST(InspectProgram, NothingIsAskedOfTheTarget) {
    running_target target(EDDY_HAND_MADE);
    const std::string calls = output_of("strace -f " EDDY_PROGRAM " tree " + std::to_string(target.id()));
    if (calls.find("Operation not permitted") != std::string::npos) GTEST_SKIP() << "strace(1) may not trace here";
    EXPECT_NE(calls.find("process_vm_readv("), std::string::npos);
    EXPECT_FALSE(std::regex_search(calls, std::regex("(^|\n)[^\"\n]*\\b(ptrace|kill|tgkill|process_vm_writev)\\(")));
}

TEST(InspectProgram, ErrorsSayWhatToDo) {
    EXPECT_EQ(eddy("tree 4194305"), "eddy: there is no process 4194305\n");
    EXPECT_EQ(eddy("tree /etc/passwd"), "eddy: /etc/passwd is neither the number of a process nor a core file\n");
    EXPECT_EQ(eddy("tree server"),
              "eddy: server is neither the number of a process nor a file; pidof(1) prints the number of a program\n");
    EXPECT_TRUE(eddy("--version").starts_with("eddy 0."));
    EXPECT_EQ(eddy("trace /nowhere"), "eddy: /nowhere: No such file or directory\n");
    EXPECT_EQ(eddy("trace /etc/passwd"), "eddy: /etc/passwd: this is not a trace in Perfetto's format\n");
    EXPECT_NE(eddy("tree $$").find("contains no eddy, or one that is too old"), std::string::npos);
}

}  // namespace
