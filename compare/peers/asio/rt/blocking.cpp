// SPDX-License-Identifier: MIT
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>

#include "cases.hpp"
#include "runtime.hpp"

namespace bench::peer {

namespace {

task<void> call(asio::thread_pool& pool, std::uint64_t times) {
    const executor on = co_await asio::this_coro::executor;
    for (std::uint64_t i = 0; i < times; ++i) {
        co_await asio::post(asio::bind_executor(pool.get_executor(), use_task));
        const std::uint64_t answer = i + 1;  // runs on the pool's thread
        co_await asio::post(on, use_task);
        check(opaque(answer) == i + 1, "the pool adds one");
    }
}

task<double> measure(asio::thread_pool& pool) {
    co_await call(pool, 1000);
    co_return co_await ns_per_operation(20'000, call(pool, 20'000));
}

}  // namespace

// us per round trip to a thread for blocking calls, one at a time.
void spawn_blocking(flavour where) {
    asio::thread_pool pool(1);
    report("spawn_blocking", where, "us", run_root(where, measure(pool)) / 1e3);
}

}  // namespace bench::peer
