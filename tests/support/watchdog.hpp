// SPDX-License-Identifier: MIT
#pragma once

namespace support {

/// The exit code of a test executable whose test exceeded its time limit.
inline constexpr int time_limit_exit_code = 124;

/// Watches the tests of this process from now on. Call it once, after testing::InitGoogleTest().
///
/// - A test that exceeds its time limit ends the process: its name and the stacks of all threads are printed, and the
///   exit code is time_limit_exit_code. The limit is 60 s (180 s with a sanitizer), or EDDY_TEST_LIMIT in seconds; 0
///   means no limit.
/// - A signal that ends the process, such as that of std::abort(), also prints the name of the running test.
///
/// There is no additional thread: a timer sends a signal. Processes that a test forks are not watched.
void watch_tests();

}  // namespace support
