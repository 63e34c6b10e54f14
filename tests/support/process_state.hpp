// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>

// What the system knows about this process: its descriptors and its threads. The version for Windows is in
// support/windows/include.

namespace support {

/// Returns the number of descriptors of this process that refer to an object whose name contains `what`. "" counts all.
inline std::size_t count_fds(std::string_view what = "") {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        std::error_code gone;  // a descriptor may be closed while the loop runs
        const auto target = std::filesystem::read_symlink(entry.path(), gone).string();
        if (target.find(what) != std::string::npos) ++count;
    }
    return count;
}

/// Returns whether the thread sleeps in the kernel.
inline bool is_asleep(pid_t thread) {
    std::ifstream stat("/proc/self/task/" + std::to_string(thread) + "/stat");
    std::string line;
    std::getline(stat, line);
    const auto name_ends = line.rfind(')');
    return name_ends != std::string::npos && line.substr(name_ends + 2, 1) == "S";
}

}  // namespace support
