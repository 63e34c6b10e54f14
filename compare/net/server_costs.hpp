// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <ctime>
#include <string>
#include <vector>

#include "clock.hpp"

namespace bench {

/// The processor time and the system calls of the server process, from the kernel. The load generator reads them,
/// because only it knows when the interval begins and ends.
class server_costs {
public:
    struct reading {
        nanoseconds cpu = 0;
        // The user and system parts of the processor time in ticks of 10 ms, as sampled by the kernel.
        std::uint64_t user_ticks = 0;
        std::uint64_t system_ticks = 0;
        std::uint64_t calls = 0;
    };

    /// If `pid` is 0, all readings are 0. Counting system calls makes each system call slightly slower.
    server_costs(pid_t pid, bool count_calls);

    [[nodiscard]] reading read() const;

private:
    void open_counter(pid_t thread, std::uint64_t tracepoint);

    std::string stat_;  // /proc/PID/stat
    clockid_t clock_{};
    std::vector<int> counters_;  // one per existing thread
};

}  // namespace bench
