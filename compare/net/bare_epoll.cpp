// SPDX-License-Identifier: MIT

// The baseline for echo servers on epoll: a bare epoll loop per thread, without eddy.
//
//     $ bench_bare_epoll --port 7000 --threads 1

#include "bare_epoll.hpp"

#include <cstddef>
#include <span>

namespace {

/// Answers with the received bytes.
struct echo {
    static std::span<const std::byte> answer(int, std::span<const std::byte> received) noexcept { return received; }
    static void forget(int) noexcept {}
};

}  // namespace

int main(int argc, char** argv) { return bench::run_servers<bench::bare_epoll<echo>>(argc, argv); }
