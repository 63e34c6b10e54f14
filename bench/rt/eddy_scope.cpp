// SPDX-License-Identifier: MIT
#include <numeric>

#include <eddy/task/scope.hpp>

#include "bodies.hpp"
#include "eddy_cases.hpp"
#include "executor.hpp"
#include "tree.hpp"

namespace bench::rt {

namespace {

eddy::task<void> skynet_node(std::uint64_t& sum, std::uint64_t first, std::uint64_t size) {
    if (size == 1) {
        sum = opaque(first);
        co_return;
    }
    std::array<std::uint64_t, 10> sums{};
    auto spawn_children = [&](auto& s) -> eddy::task<void> {
        const std::uint64_t part = size / 10;
        for (std::uint64_t i = 0; i < sums.size(); ++i) s.spawn(skynet_node(sums[i], first + i * part, part));
        co_return;
    };
    co_await eddy::scope(spawn_children);
    sum = std::accumulate(sums.begin(), sums.end(), std::uint64_t{0});
}

}  // namespace

eddy::task<std::uint64_t> scoped_skynet(std::uint64_t first, std::uint64_t size) {
    std::uint64_t sum = 0;
    co_await skynet_node(sum, first, size);
    co_return sum;
}

namespace {

eddy::task<void> fib(std::uint64_t& number, std::uint64_t n) {
    if (n < 2) {
        number = opaque(n);
        co_return;
    }
    std::uint64_t first = 0;
    std::uint64_t second = 0;
    auto spawn_child = [&](auto& s) -> eddy::task<void> {
        s.spawn(fib(first, n - 1));
        co_await fib(second, n - 2);
    };
    co_await eddy::scope(spawn_child);
    number = first + second;
}

}  // namespace

eddy::task<std::uint64_t> scoped_fib(std::uint64_t n) {
    std::uint64_t number = 0;
    co_await fib(number, n);
    co_return number;
}

void skynet_scope(flavour where) { measure_skynet<executor>("skynet_scope", where, &scoped_skynet); }

void fib30_scope(flavour where) { measure_fib30<executor>("fib30_scope", where, &scoped_fib); }

}  // namespace bench::rt
