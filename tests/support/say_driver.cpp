// SPDX-License-Identifier: MIT
// Says what `auto` means on this machine, and why: on_both_drivers.cmake asks it before the tests are listed, and a test asks
// it behind a filter.
#include <eddy/core.hpp>

#include <cstdio>
#include <string>

int main() {
    const auto loop = eddy::core::builder().driver(eddy::driver_kind::automatic).build();
    if (!loop) {
        std::fprintf(stderr, "say_driver: %s\n", loop.error().message().c_str());
        return 1;
    }
    std::puts(std::string(loop->why_driver()).c_str());
}
