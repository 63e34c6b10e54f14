// SPDX-License-Identifier: MIT
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include <sys/types.h>

#include "plan.hpp"
#include "server.hpp"

// The servers of an episode in another process, which this program starts again with the option --server. Commands and
// answers are lines on its standard input and output.

namespace soak {

/// The side of the parent.
/// Thread safety: one thread at a time, except ask_for_dump().
class server_process {
public:
    /// Starts the program with these arguments, and waits until its servers run.
    explicit server_process(const std::vector<std::string>& arguments);
    server_process(const server_process&) = delete;
    server_process& operator=(const server_process&) = delete;
    ~server_process();

    [[nodiscard]] const service_addresses& addresses() const noexcept { return addresses_; }
    void restart(restart_kind how);
    /// Ends the servers, and the process, which must have no failures.
    void stop();
    void ask_for_dump();

private:
    [[nodiscard]] std::string read_line();
    void send(const std::string& line);

    pid_t id_ = -1;
    std::FILE* to_ = nullptr;
    std::FILE* from_ = nullptr;
    service_addresses addresses_;
};

/// The side of the child: runs the servers of an episode until it is told to stop. Returns the exit code.
[[nodiscard]] int run_server_process(const episode& plan);

}  // namespace soak
