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
    std::size_t depth = 1;
    unsigned active = 0;  // 0: all
    double rate = 0;      // requests a second; 0: each as soon as the one before is answered
    bool churn = false;

    // How it ends, one of these:
    double seconds = 0;
    unsigned storm = 0;
    double idle = 0;

    double warmup = 0;
    pid_t server_pid = 0;
    bool count_calls = false;
    bool json = false;

    /// From the command line; ends the program if that makes no sense.
    static load_options parse(int argc, char** argv);
};

}  // namespace bench
