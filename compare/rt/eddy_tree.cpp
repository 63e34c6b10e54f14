// SPDX-License-Identifier: MIT
#include <optional>

#include <eddy/task/spawn.hpp>

#include "bodies.hpp"
#include "eddy_cases.hpp"
#include "executor.hpp"
#include "tree.hpp"

namespace bench::rt {

eddy::task<std::uint64_t> spawned_skynet(std::uint64_t first, std::uint64_t size) {
    if (size == 1) co_return opaque(first);
    const std::uint64_t part = size / 10;
    std::array<std::optional<eddy::join_handle<std::uint64_t>>, 10> children;
    for (std::uint64_t i = 0; i < children.size(); ++i) {
        children[i].emplace(eddy::spawn(spawned_skynet(first + i * part, part)));
    }
    std::uint64_t sum = 0;
    for (auto& child : children) {
        auto joined = co_await *child;
        sum += joined.value();
    }
    co_return sum;
}

eddy::task<std::uint64_t> spawned_fib(std::uint64_t n) {
    if (n < 2) co_return opaque(n);
    auto first = eddy::spawn(spawned_fib(n - 1));
    const std::uint64_t second = co_await spawned_fib(n - 2);
    auto joined = co_await first;
    co_return joined.value() + second;
}

void skynet(flavour where) { measure_skynet<executor>("skynet", where, &spawned_skynet); }

void fib30(flavour where) { measure_fib30<executor>("fib30", where, &spawned_fib); }

}  // namespace bench::rt
