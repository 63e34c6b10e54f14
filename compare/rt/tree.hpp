// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string_view>

#include "measure.hpp"
#include "protocol.hpp"

// Trees of tasks that join their children. The result is the time of the whole tree in milliseconds, measured by main.
// `Executor` is constructed from a flavor, and its run() takes a task and returns its output. eddy has two versions of
// each tree: with a spawn and a join handle per child (eddy_tree.cpp), and with scopes, whose children write into
// locals of their parent (eddy_scope.cpp).

namespace bench::rt {

inline constexpr std::uint64_t skynet_leaves = 1'000'000;
inline constexpr std::uint64_t skynet_warm_up = 10'000;

/// Measures a tree of 1,111,111 tasks. A node of size s > 1 spawns ten nodes of size s / 10; a node of size 1 returns
/// its number. Checks the sum.
template <class Executor, class Node>
void measure_skynet(std::string_view metric, flavour where, Node node) {
    const auto sum_below = [](std::uint64_t leaves) { return leaves * (leaves - 1) / 2; };
    Executor on(where);
    check(on.run(node(0, skynet_warm_up)) == sum_below(skynet_warm_up), "skynet's sum");
    const auto start = clock::now();
    const std::uint64_t sum = on.run(node(0, skynet_leaves));
    const auto taken = clock::now() - start;
    check(sum == sum_below(skynet_leaves), "skynet's sum");
    report(metric, where, "ms", in_milliseconds(taken));
}

/// Measures 1,346,268 spawns: fib(n) spawns fib(n - 1) and awaits fib(n - 2) as a child.
template <class Executor, class Fib>
void measure_fib30(std::string_view metric, flavour where, Fib fib) {
    Executor on(where);
    check(on.run(fib(15)) == 610, "the 15th Fibonacci number");
    const auto start = clock::now();
    const std::uint64_t number = on.run(fib(30));
    const auto taken = clock::now() - start;
    check(number == 832'040, "the 30th Fibonacci number");
    report(metric, where, "ms", in_milliseconds(taken));
}

}  // namespace bench::rt
