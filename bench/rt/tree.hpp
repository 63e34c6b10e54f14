// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string_view>

#include "measure.hpp"
#include "protocol.hpp"

// Trees of tasks that join their children, in milliseconds for the whole by main's clock. `Executor` is made for a
// flavour and has a run() that takes a task and returns its output. eddy has two of each tree: with a spawn and a join
// handle for each child (eddy_tree.cpp), and with scopes, whose children write into their parent's locals
// (eddy_scope.cpp).

namespace bench::rt {

inline constexpr std::uint64_t skynet_leaves = 1'000'000;
inline constexpr std::uint64_t skynet_warm_up = 10'000;

/// A tree of 1,111,111 tasks: one of size s spawns ten of size s / 10, one of size 1 is its number. Their sum is
/// checked.
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

/// 1,346,268 spawns: fib(n) spawns fib(n - 1), and awaits fib(n - 2) as a child.
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
