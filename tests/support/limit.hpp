// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>

#include "stress.hpp"

namespace support {

/// The time limit of one operation of a test: a third of the limit of the test, see watchdog.hpp.
inline std::chrono::seconds operation_limit() {
    return std::chrono::seconds(env_number("EDDY_TEST_LIMIT").value_or(60) / 3);
}

/// The same in seconds, for the alarm(2) of a child process.
inline unsigned operation_seconds() { return static_cast<unsigned>(operation_limit().count()); }

}  // namespace support
