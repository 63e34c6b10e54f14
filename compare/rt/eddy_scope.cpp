// SPDX-License-Identifier: MIT
#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>

#include <eddy/task/scope.hpp>

#include "bodies.hpp"
#include "eddy_cases.hpp"
#include "executor.hpp"
#include "tree.hpp"

namespace bench::rt {

eddy::task<std::uint64_t> scoped_skynet(std::uint64_t first, std::uint64_t size) {
    if (size == 1) co_return opaque(first);
    const std::uint64_t part = size / 10;
    const auto make_children = [&]<std::size_t... I>(std::index_sequence<I...>) {
        return std::array{scoped_skynet(first + I * part, part)...};
    };
    const auto sums = co_await eddy::scope_all(make_children(std::make_index_sequence<10>()));
    co_return std::accumulate(sums.begin(), sums.end(), std::uint64_t{0});
}

eddy::task<std::uint64_t> scoped_fib(std::uint64_t n) {
    if (n < 2) co_return opaque(n);
    const auto [first, second] = co_await eddy::scope(scoped_fib(n - 1), scoped_fib(n - 2));
    co_return first + second;
}

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

eddy::task<std::uint64_t> skynet_of_bodies(std::uint64_t first, std::uint64_t size) {
    std::uint64_t sum = 0;
    co_await skynet_node(sum, first, size);
    co_return sum;
}

void skynet_scope(flavour where) { measure_skynet<executor>("skynet_scope", where, &scoped_skynet); }

void fib30_scope(flavour where) { measure_fib30<executor>("fib30_scope", where, &scoped_fib); }

}  // namespace bench::rt
