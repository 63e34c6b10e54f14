// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include "measure.hpp"
#include "protocol.hpp"

namespace bench::peer {

namespace asio = boost::asio;

// A concrete executor type is faster than the default any_io_executor, which is type-erased.
using executor = asio::io_context::executor_type;

template <class T>
using task = asio::awaitable<T, executor>;
inline constexpr asio::use_awaitable_t<executor> use_task;

/// An io_context that main runs, or that has its own threads.
class runtime {
public:
    explicit runtime(flavour where) : runtime(where, where == flavour::ct ? 0 : 2) {}

    runtime(flavour where, int threads) : context_(where == flavour::ct ? 1 : 2) {
        for (int i = 0; i < threads; ++i) {
            threads_.emplace_back([this, work = asio::make_work_guard(context_)] { context_.run(); });
        }
    }

    runtime(const runtime&) = delete;
    runtime& operator=(const runtime&) = delete;
    ~runtime() { context_.stop(); }

    [[nodiscard]] executor get_executor() noexcept { return context_.get_executor(); }

    /// Runs `root` as a task, on one of the threads if there are any. Blocks for its output.
    template <class T>
    T run(task<T> root) {
        auto output = asio::co_spawn(context_, std::move(root), asio::use_future);
        if (threads_.empty()) {
            context_.restart();
            context_.run();  // until there is no more work
        }
        return output.get();
    }

private:
    asio::io_context context_;
    std::vector<std::jthread> threads_;  // the last member, so that the threads end first
};

/// Runs `root` on a new runtime.
template <class T>
T run_root(flavour where, task<T> root) {
    return runtime(where).run(std::move(root));
}

/// Awaits `work` and returns the nanoseconds per operation.
[[nodiscard]] task<double> ns_per_operation(std::uint64_t operations, task<void> work);

/// Awaits `body(times / 10)` to warm up, then measures `body(times)`. Returns the nanoseconds per operation.
[[nodiscard]] task<double> warm_up_and_measure(task<void> (*body)(std::uint64_t), std::uint64_t times,
                                               std::uint64_t operations);

}  // namespace bench::peer
