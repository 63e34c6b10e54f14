// SPDX-License-Identifier: MIT
#include "tree.hpp"

#include <array>
#include <numeric>

#include <boost/asio/this_coro.hpp>

#include "cases.hpp"
#include "latch.hpp"

namespace bench::peer {

namespace {

task<std::uint64_t> skynet_node(executor on, std::uint64_t first, std::uint64_t size) {
    if (size == 1) co_return opaque(first);
    const std::uint64_t part = size / 10;
    std::array<std::uint64_t, 10> sums{};
    latch all(sums.size());
    for (std::uint64_t i = 0; i < sums.size(); ++i) {
        asio::co_spawn(on, skynet_node(on, first + i * part, part),
                       [&all, &into = sums[i]](std::exception_ptr, std::uint64_t sum) {
                           into = sum;
                           all.count_down();
                       });
    }
    co_await all.wait();
    co_return std::accumulate(sums.begin(), sums.end(), std::uint64_t{0});
}

task<std::uint64_t> skynet_root(std::uint64_t first, std::uint64_t size) {
    const executor on = co_await asio::this_coro::executor;
    co_return co_await skynet_node(on, first, size);
}

task<std::uint64_t> fib(executor on, std::uint64_t n) {
    if (n < 2) co_return opaque(n);
    std::uint64_t first = 0;
    latch joined(1);
    asio::co_spawn(on, fib(on, n - 1), [&first, &joined](std::exception_ptr, std::uint64_t number) {
        first = number;
        joined.count_down();
    });
    const std::uint64_t second = co_await fib(on, n - 2);
    if (!joined.is_over()) co_await joined.wait();
    co_return first + second;
}

task<std::uint64_t> fib_root(std::uint64_t n) {
    const executor on = co_await asio::this_coro::executor;
    co_return co_await fib(on, n);
}

}  // namespace

void skynet(flavour where) { rt::measure_skynet<runtime>("skynet", where, &skynet_root); }

void fib30(flavour where) { rt::measure_fib30<runtime>("fib30", where, &fib_root); }

}  // namespace bench::peer
