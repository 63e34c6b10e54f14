// SPDX-License-Identifier: MIT
// A library for stall_test.cpp. Its constructor waits for a byte of a pipe.
#include <unistd.h>

#include <cstdlib>

extern "C" [[gnu::noinline]] void wait_for_report(int pipe) {
    char byte = 0;
    if (::read(pipe, &byte, 1) != 1) std::abort();  // restarts after the signal
}

namespace {

[[gnu::constructor]] void begin() { wait_for_report(std::atoi(std::getenv("EDDY_TEST_SLOW_CONSTRUCTOR"))); }

}  // namespace
