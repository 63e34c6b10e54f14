// SPDX-License-Identifier: MIT
// Prints the driver that `automatic` selects on this machine, and why. The tests labeled io_uring_denied run it behind
// a system call filter.
#include <eddy/runtime/core.hpp>

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
