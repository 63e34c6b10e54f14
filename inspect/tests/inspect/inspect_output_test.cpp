// SPDX-License-Identifier: MIT
// The texts of a tree.
#include <gtest/gtest.h>

#include <iterator>
#include <string>
#include <vector>

#include "inspect/program_texts.hpp"
#include "inspect/tree_output.hpp"
#include "inspect/walker.hpp"

namespace {

using namespace eddy::inspect;

const place serve{"server.cpp", "serve", 40};
const place start{"server.cpp", "main", 12};

task reader(std::uint64_t id, int fd) {
    task made;
    made.id = id;
    made.spawned_at = &start;
    made.work.frames = {&serve};
    made.work.leaf.kind = wait_kind::readable;
    made.work.leaf.fd = fd;
    return made;
}

task_tree tree_of(std::vector<task> tasks) {
    task_tree tree;
    tree.version = "0.1.0";
    tree.executors.push_back({executor_kind::loop, 3, std::move(tasks)});
    return tree;
}

TEST(InspectOutput, SingleTaskHasDetails) {
    const std::string text = tree_text(tree_of({reader(9, 4)}), {{}, [](int fd) { return fd == 4 ? "a pipe" : "?"; }});
    EXPECT_EQ(text,
              "event loop 3, 1 task\n"
              "  task 9, waits, spawned at server.cpp:12\n"
              "    serve  server.cpp:40\n"
              "    waits for data from descriptor 4 (a pipe)\n");
}

TEST(InspectOutput, DescriptorHasTheNameOfItsWait) {
    task locks = reader(9, 4);
    locks.work.leaf.kind = wait_kind::named_fd;
    locks.work.leaf.type = "a file lock";
    const std::string text = tree_text(tree_of({locks}), {{}, [](int fd) { return fd == 4 ? "/tmp/a" : "?"; }});
    EXPECT_NE(text.find("    waits for a file lock of descriptor 4 (/tmp/a)\n"), std::string::npos) << text;
    EXPECT_NE(tree_json(tree_of({locks}), {}).find(R"("waits_for":{"kind":"named_fd","type":"a file lock","fd":4})"),
              std::string::npos)
        << tree_json(tree_of({locks}), {});
}

TEST(InspectOutput, KindOfANewerProgramIsNotAnError) {
    task waits = reader(9, 4);
    waits.work.leaf.kind = wait_kind::child_process;
    waits.work.leaf.object = 7;
    EXPECT_NE(tree_json(tree_of({waits}), {}).find(R"({"kind":"child_process","process":7)"), std::string::npos);
    EXPECT_NE(tree_text(tree_of({waits}), {}).find("    waits for child process 7\n"), std::string::npos);
    waits.work.leaf.kind = static_cast<wait_kind>(std::size(wait_kinds));
    EXPECT_NE(tree_json(tree_of({waits}), {}).find(R"({"kind":"other","object":"0x7")"), std::string::npos);
    EXPECT_NE(tree_text(tree_of({waits}), {}).find("    waits for a future of a kind that this reader does not know\n"),
              std::string::npos);
}

TEST(InspectOutput, EqualStacksAreCollapsed) {
    std::vector<task> tasks;
    for (int i = 1; i <= 7; ++i) tasks.push_back(reader(i, i));
    tasks.push_back(reader(8, 8));
    tasks.back().is = task_status::queued;
    EXPECT_EQ(tree_text(tree_of(std::move(tasks)), {}),
              "event loop 3, 8 tasks\n"
              "  7 tasks, waits: 1, 2, 3, 4, 5, ..., spawned at server.cpp:12\n"
              "    serve  server.cpp:40\n"
              "    waits for data from a descriptor\n"
              "  task 8, queued, spawned at server.cpp:12\n"
              "    serve  server.cpp:40\n"
              "    waits for data from descriptor 8\n");
}

TEST(InspectOutput, AgesAreThoseOfTheOldest) {
    std::vector<task> tasks{reader(1, 1), reader(2, 2), reader(3, 3)};
    tasks[0].started = 2'000'000'000;
    tasks[1].started = 1'000'000'000;
    tasks[2].started = 3'000'000'000;
    tasks[2].is = task_status::queued;
    const std::string text = tree_text(tree_of(tasks), {3'500'000'000, {}});
    EXPECT_NE(text.find("  2 tasks, waits: 1, 2, spawned at server.cpp:12, the first 2.5 s ago\n"), std::string::npos)
        << text;
    EXPECT_NE(text.find("  task 3, queued, spawned at server.cpp:12, 500 ms ago\n"), std::string::npos) << text;
    tasks[1].started = std::nullopt;
    EXPECT_EQ(tree_text(tree_of(tasks), {3'500'000'000, {}}).find("the first"), std::string::npos);
    EXPECT_EQ(tree_text(tree_of(tasks), {}).find("ago"), std::string::npos);  // a core file
    const std::string json = tree_json(tree_of(tasks), {3'500'000'000, {}});
    EXPECT_NE(json.find(",\"started_ns\":2000000000,"), std::string::npos) << json;
    EXPECT_NE(json.find(",\"now_ns\":3500000000,"), std::string::npos) << json;
}

TEST(InspectOutput, ObjectOfAllTasksIsShown) {
    std::vector<task> tasks;
    for (int i = 1; i <= 3; ++i) {
        tasks.push_back(reader(i, 0));
        tasks.back().work.leaf = {};
        tasks.back().work.leaf.kind = wait_kind::mutex;
        tasks.back().work.leaf.object = 0x4560;
    }
    EXPECT_NE(tree_text(tree_of(tasks), {}).find("    waits for a mutex at 0x4560\n"), std::string::npos);
    tasks[1].work.leaf.object = 0x1230;
    EXPECT_NE(tree_text(tree_of(tasks), {}).find("    waits for a mutex\n"), std::string::npos);
}

TEST(InspectOutput, BranchesAreIndented) {
    task made = reader(1, 2);
    const stack other = made.work;
    stack timer;
    timer.leaf.kind = wait_kind::timer;
    timer.leaf.object = 3'500'000'000;
    made.work.leaf = {};
    made.work.leaf.kind = wait_kind::any_of;
    made.work.leaf.branches = {branch{"timer", timer}, branch{"", other}};
    EXPECT_EQ(tree_text(tree_of({made}), {1'500'000'000, {}}),
              "event loop 3, 1 task\n"
              "  task 1, waits, spawned at server.cpp:12\n"
              "    serve  server.cpp:40\n"
              "    waits for the first of 2:\n"
              "      timer:\n"
              "        a timer, in 2.0 s\n"
              "      serve  server.cpp:40\n"
              "      waits for data from descriptor 2\n");
}

TEST(InspectOutput, RecursionIsCounted) {
    task made = reader(1, 2);
    made.work.frames = {&serve, &serve, &serve};
    EXPECT_NE(tree_text(tree_of({made}), {}).find("serve  server.cpp:40  (3 times)\n"), std::string::npos);
}

TEST(InspectOutput, ListHasOneLinePerTask) {
    task named = reader(9, 4);
    named.name = "acceptor";
    named.started = 1'000'000'000;
    EXPECT_EQ(list_text(tree_of({named}), {3'000'000'000, {}}),
              "      ID STATUS       AGE NAME             PLACE\n"
              "       9 waits      2.0 s acceptor         serve  server.cpp:40\n");
}

TEST(InspectOutput, JsonIsEscaped) {
    task named = reader(9, 4);
    named.name = "a \"b\"\n\\";
    EXPECT_EQ(tree_json(tree_of({named}), {}),
              "{\"eddy\":\"0.1.0\",\"executors\":[\n{\"kind\":\"event loop\",\"id\":3,\"tasks\":[\n"
              "{\"id\":9,\"address\":\"0x0\",\"name\":\"a \\\"b\\\"\\u000a\\\\\",\"status\":\"waits\","
              "\"spawned_at\":{\"file\":\"server.cpp\",\"line\":12,\"function\":\"main\"},"
              "\"stack\":{\"status\":\"waits\",\"frames\":[{\"file\":\"server.cpp\",\"line\":40,"
              "\"function\":\"serve\"}],"
              "\"waits_for\":{\"kind\":\"readable\",\"fd\":4}}}]}],\"problems\":[]}\n");
}

TEST(InspectOutput, ControlCharactersAndInvalidTextAreEscaped) {
    EXPECT_EQ(printable("a\x1b[31m\n\x7f"), "a\\x1b[31m\\x0a\\x7f");
    EXPECT_EQ(printable("\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80"), "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80");
    // A continuation alone, a cut one, too long a form, a surrogate, and a control character of two bytes.
    EXPECT_EQ(printable("\x80|\xe2\x82|\xc0\xaf|\xed\xa0\x80|\xc2\x9b"),
              "\\x80|\\xe2\\x82|\\xc0\\xaf|\\xed\\xa0\\x80|\\xc2\\x9b");

    task named = reader(9, 4);
    named.name = "\x1b]0;\xff";
    const output_options options{{}, [](int) { return std::string("/tmp/\x1b"); }};
    EXPECT_EQ(tree_text(tree_of({named}), options).find('\x1b'), std::string::npos);
    EXPECT_NE(tree_text(tree_of({named}), options).find("task 9 \"\\x1b]0;\\xff\""), std::string::npos);
    EXPECT_NE(list_text(tree_of({named}), options).find(" \\x1b]0;\\xff "), std::string::npos);
    EXPECT_NE(tree_json(tree_of({named}), options).find("\"name\":\"\\u001b]0;\\ufffd\""), std::string::npos);
}

TEST(InspectOutput, TaskWithoutNumberHasItsAddress) {
    task first = reader(0, 4);
    first.at = 0x1230;
    task second = reader(0, 4);
    second.at = 0x4560;
    EXPECT_TRUE(tree_text(tree_of({first}), {}).starts_with("event loop 3, 1 task\n  task at 0x1230, waits, "));
    EXPECT_NE(tree_text(tree_of({first, second}), {}).find("  2 tasks, waits: 0x1230, 0x4560, "), std::string::npos);
    EXPECT_NE(list_text(tree_of({first}), {}).find("\n  0x1230 waits "), std::string::npos);
}

TEST(InspectOutput, FunctionNamesAreShort) {
    EXPECT_EQ(function_name("int main()"), "main");
    EXPECT_EQ(function_name("eddy::task<std::pair<int, int> > a::b::serve(int, std::span<char>)"), "a::b::serve");
    EXPECT_EQ(function_name("main()::<lambda()>"), "main::<lambda>");
    EXPECT_EQ(function_name("auto main()::(anonymous class)::operator()() const"), "main::<lambda>");
    EXPECT_EQ(function_name("eddy::task<void> {anonymous}::serve({anonymous}::client)"), "serve");
    EXPECT_EQ(function_name("void (anonymous namespace)::serve(int)"), "serve");
    EXPECT_EQ(function_name("const char* name(int)"), "name");
    EXPECT_EQ(function_name("bool a::operator()(int)"), "a::operator()");
    EXPECT_EQ(function_name("main"), "main");
    EXPECT_EQ(function_name(""), "");
}

}  // namespace
