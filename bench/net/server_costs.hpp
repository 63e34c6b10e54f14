// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <ctime>
#include <string>
#include <vector>

#include "clock.hpp"

namespace bench {

/// What the kernel says of the server's process, all its threads. Only the load generator knows exactly when an
/// interval begins and ends, so it is the one to read.
class server_costs {
public:
    struct reading {
        nanoseconds cpu = 0;
        // Of the same time, in ticks of 10 ms: where it was spent, which the kernel only samples.
        std::uint64_t user_ticks = 0;
        std::uint64_t system_ticks = 0;
        std::uint64_t calls = 0;
    };

    /// Without a process (0) everything is 0. Counting system calls makes each of them a little slower.
    server_costs(pid_t pid, bool count_calls);

    [[nodiscard]] reading read() const;

private:
    void open_counter(pid_t thread, std::uint64_t tracepoint);

    std::string stat_;  // /proc/PID/stat
    clockid_t clock_{};
    std::vector<int> counters_;  // one for each thread that was there
};

}  // namespace bench
