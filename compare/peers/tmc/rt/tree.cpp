// SPDX-License-Identifier: MIT
#include "tree.hpp"

#include <numeric>

#include <tmc/spawn_many.hpp>
#include <tmc/spawn_tuple.hpp>
#include <tmc/utils.hpp>

#include "cases.hpp"
#include "runtime.hpp"

namespace bench::peer {

namespace {

tmc::task<std::uint64_t> skynet_node(std::uint64_t first, std::uint64_t size) {
    if (size == 1) co_return opaque(first);
    const std::uint64_t part = size / 10;
    const auto sums = co_await tmc::spawn_many<10>(
        tmc::iter_adapter(std::uint64_t{0}, [=](std::uint64_t i) { return skynet_node(first + i * part, part); }));
    co_return std::accumulate(sums.begin(), sums.end(), std::uint64_t{0});
}

// The form of TooManyCooks' README and of its own benchmark: the last task of a tuple runs on this thread.
tmc::task<std::uint64_t> fib(std::uint64_t n) {
    if (n < 2) co_return opaque(n);
    const auto [first, second] = co_await tmc::spawn_tuple(fib(n - 1), fib(n - 2));
    co_return first + second;
}

}  // namespace

void skynet(flavour where) { rt::measure_skynet<runtime>("skynet", where, &skynet_node); }

void fib30(flavour where) { rt::measure_fib30<runtime>("fib30", where, &fib); }

}  // namespace bench::peer
