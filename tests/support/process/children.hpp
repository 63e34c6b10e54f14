// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <eddy/io.hpp>
#include <eddy/net.hpp>
#include <eddy/process.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/task.hpp>

#include "support/gate.hpp"
#include "support/process_state.hpp"

// What the tests of child processes share.

namespace support {

/// Returns the state of a process: 'R', 'S', 'Z' and others of proc(5). '-' if it does not exist.
inline char state_of(int id) {
    std::ifstream stat("/proc/" + std::to_string(id) + "/stat");
    std::string line;
    std::getline(stat, line);
    const auto name_ends = line.rfind(')');
    return name_ends == std::string::npos ? '-' : line[name_ends + 2];
}

/// Returns the number of children of this process, with zombies.
inline std::size_t count_children() {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        if (entry.path().filename().native().find_first_not_of("0123456789") != std::string::npos) continue;
        std::ifstream stat(entry.path() / "stat");
        std::string line;
        std::getline(stat, line);
        const auto name_ends = line.rfind(')');
        if (name_ends == std::string::npos) continue;
        std::istringstream rest(line.substr(name_ends + 1));
        char state = 0;
        int parent = 0;
        rest >> state >> parent;
        if (parent == ::getpid()) ++count;
    }
    return count;
}

/// Waits until this process has no children, and no descriptors of them.
inline bool all_are_reaped() {
    return comes_true([] { return count_children() == 0 && count_fds("pidfd") == 0; });
}

/// Starts and reaps a process: afterwards, the library has the descriptors that it keeps.
inline bool has_warmed_up() {
    return eddy::core().run(eddy::process::run(eddy::process::command("true"))).has_value() && all_are_reaped();
}

/// Returns the value of a line of /proc/ID/status.
inline std::string status_line(int id, const std::string& name) {
    std::ifstream status("/proc/" + std::to_string(id) + "/status");
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with(name + ":\t")) return line.substr(name.size() + 2);
    }
    return {};
}

/// Reads a pipe, or a terminal, until its end.
template <eddy::io::async_read R>
eddy::task<std::string> contents_of(R& from) {
    std::string text;
    const auto count = co_await eddy::io::read_to_end(from, text);
    if (!count) text += "error: " + count.error().message();
    co_return text;
}

/// Runs a command and returns its standard output, or the error of the start.
inline eddy::task<std::string> output_of(eddy::process::command what) {
    auto child = co_await what.out(eddy::process::stdio::pipe()).spawn();
    if (!child) co_return child.error().message();
    std::string text = co_await contents_of(*child->out());
    static_cast<void>(co_await child->wait());
    co_return text;
}

}  // namespace support
