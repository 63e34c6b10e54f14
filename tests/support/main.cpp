// SPDX-License-Identifier: MIT
// The main function of all test executables: GoogleTest's, with a watchdog. Exits with 77 (CTest's code for "skipped")
// if EDDY_DRIVER or EDDY_TEST_NEEDS_IO_URING requires io_uring and the system refuses it.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include <support/watchdog.hpp>

#ifndef EDDY_EXPLORE  // the explorer's executable has no drivers
#ifdef EDDY_TEST_EXPORTS
#include <eddy/runtime/core.hpp>

// Returns the reason for which there is no io_uring, or an empty text. Uses only exported functions.
static std::string why_no_ring() {
    const auto loop = eddy::core::builder().driver(eddy::driver_kind::io_uring).build();
    return loop ? std::string() : loop.error().message();
}
#else
#include "reactor/ring/ring_support.hpp"

static std::string why_no_ring() {
    const auto answer = eddy::detail::probe_ring();
    return answer ? std::string() : std::string(answer.error().why);
}
#endif

static bool can_run() {
    const char* const driver = std::getenv("EDDY_DRIVER");
    const bool asks = driver != nullptr && std::string_view(driver) == "io_uring";
    if (!asks && std::getenv("EDDY_TEST_NEEDS_IO_URING") == nullptr) return true;
    const std::string why = why_no_ring();
    if (!why.empty()) std::printf("skipped: no io_uring here (%s)\n", why.c_str());
    return why.empty();
}
#else
static bool can_run() { return true; }
#endif

// Tests and the programs that they start must not use the proxies of this machine.
static void unset_proxies() {
    for (const char* const name : {"http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY",
                                   "ALL_PROXY", "NO_PROXY", "REQUEST_METHOD"})
        ::unsetenv(name);
}

int main(int argc, char** argv) {
    unset_proxies();
    testing::InitGoogleTest(&argc, argv);
    // The child of a death test is watched by its parent, which has also found that the test can run.
    if (GTEST_FLAG_GET(internal_run_death_test).empty()) {
        if (!GTEST_FLAG_GET(list_tests) && !can_run()) return 77;
        support::watch_tests();
    }
    return RUN_ALL_TESTS();
}
