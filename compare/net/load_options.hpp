// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

namespace bench {

struct load_options {
    std::uint16_t port = 0;
    unsigned connections = 1;
    std::size_t size = 64;
    bool http = false;
    std::size_t depth = 1;
    unsigned active = 0;  // 0: all
    double rate = 0;      // requests per second; 0: each request follows the previous answer
    bool churn = false;

    // One of the following three options is set and determines the end of the run.
    double seconds = 0;
    unsigned storm = 0;
    double idle = 0;

    double warmup = 0;
    pid_t server_pid = 0;
    bool count_calls = false;
    bool json = false;

    /// Parses the command line. Exits the program if it is invalid.
    static load_options parse(int argc, char** argv);
};

}  // namespace bench
