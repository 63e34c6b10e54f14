// SPDX-License-Identifier: MIT
// What a process waits for, as the system tells it.
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include <eddy/eddy.hpp>
#include <eddy/process.hpp>

#include <support/executors.hpp>
#include <support/gate.hpp>
#include <support/net.hpp>
#include <support/process/children.hpp>

#include "sys/processes.hpp"

namespace {

using eddy::process::command;
using eddy::process::stdio;

TEST(ProcessStatus, StreamThatAProcessWaitsForIsKnown) {
    support::executor runs(0);
    struct {
        const char* code;
        const char* call;  // the descriptor, as /proc/PID/syscall has it
        int stream;
    } const cases[] = {
        {"os.read(0, 1)", " 0x0 ", 0},
        {"os.write(1, bytes(1000000))", " 0x1 ", 1},
        {"os.writev(2, [bytes(1000000)])", " 0x2 ", 2},
        {"os.read(3, 1)", " 0x3 ", -1},
        {"os.write(4, bytes(1000000))", " 0x4 ", -1},
    };
    for (const auto& each : cases) {
        const auto what = command("python3", "-c",
                                  "import os; r, w = os.pipe(); kept = os.dup(w); r2, w2 = os.pipe(); "
                                  "os.dup2(r, 3); os.dup2(w2, 4); " +
                                      std::string(each.code));
        auto child = runs.run(command(what).in(stdio::pipe()).out(stdio::pipe()).error(stdio::pipe()).spawn()).value();
        eddy::sys::started_process process;
        process.id = child.id();
        const std::string path = "/proc/" + std::to_string(child.id()) + "/syscall";
        EXPECT_TRUE(support::comes_true([&] {
            std::string line;
            std::getline(std::ifstream(path), line);
            return line.contains(each.call) && support::state_of(process.id) == 'S' &&
                   eddy::sys::stream_waited_for(process) == each.stream;
        })) << each.code;
        EXPECT_EQ(eddy::sys::stream_waited_for(process), each.stream);
    }
    EXPECT_TRUE(support::all_are_reaped());
    eddy::sys::started_process none;
    none.id = 2'000'000'000;
    EXPECT_EQ(eddy::sys::stream_waited_for(none), -1);
}

}  // namespace
