// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "support/process.hpp"

namespace support {

/// Runs curl with `arguments`. Ignores the proxy settings of the environment.
inline process::outcome curl(std::vector<std::string> arguments) {
    std::vector<std::string> command{"/usr/bin/curl", "-sS", "--noproxy", "*", "--max-time", "20"};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return run(std::move(command));
}

}  // namespace support
