// SPDX-License-Identifier: MIT
#include <optional>

#include <eddy/spawn.hpp>

#include "eddy_cases.hpp"
#include "tree.hpp"

namespace bench::rt {

namespace {

eddy::task<std::uint64_t> skynet_node(std::uint64_t first, std::uint64_t size) {
    if (size == 1) co_return opaque(first);
    const std::uint64_t part = size / 10;
    std::array<std::optional<eddy::join_handle<std::uint64_t>>, 10> children;
    for (std::uint64_t i = 0; i < children.size(); ++i) {
        children[i].emplace(eddy::spawn(skynet_node(first + i * part, part)));
    }
    std::uint64_t sum = 0;
    for (auto& child : children) {
        auto joined = co_await *child;
        sum += joined.value();
    }
    co_return sum;
}

eddy::task<std::uint64_t> fib(std::uint64_t n) {
    if (n < 2) co_return opaque(n);
    auto first = eddy::spawn(fib(n - 1));
    const std::uint64_t second = co_await fib(n - 2);
    auto joined = co_await first;
    co_return joined.value() + second;
}

}  // namespace

void skynet(flavour where) { measure_skynet("skynet", where, &skynet_node); }

void fib30(flavour where) { measure_fib30("fib30", where, &fib); }

}  // namespace bench::rt
