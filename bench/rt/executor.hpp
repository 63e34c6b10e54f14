// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include <eddy/prelude.hpp>
#include <eddy/runtime.hpp>

#include "measure.hpp"
#include "protocol.hpp"

namespace bench::rt {

/// The work-stealing runtime of the flavour w2.
[[nodiscard]] inline eddy::runtime make_pool() { return eddy::runtime::builder().worker_threads(2).build().value(); }

/// What a flavour stands for: a loop on this thread, or a pool with two workers.
class executor {
public:
    explicit executor(flavour where) {
        if (where == flavour::ct) {
            core_.emplace();
        } else {
            pool_.emplace(make_pool());
        }
    }

    /// Runs `root` as a task, on a worker if there are any, and blocks for its output.
    template <class T>
    T run(eddy::task<T> root) {
        if (core_) return core_->run(std::move(root));
        return pool_->block_on(std::move(root));
    }

private:
    std::optional<eddy::core> core_;
    std::optional<eddy::runtime> pool_;
};

/// The same on a new executor.
template <class T>
T run_root(flavour where, eddy::task<T> root) {
    return executor(where).run(std::move(root));
}

/// Awaits `work`, and says how many nanoseconds each of its `operations` took.
inline eddy::task<double> ns_per_operation(std::uint64_t operations, eddy::task<void> work) {
    const auto start = clock::now();
    co_await std::move(work);
    co_return per_operation(clock::now() - start, operations);
}

/// The usual case: a root task does `body(times / 10)` to warm up, then `body(times)` by the clock.
inline eddy::task<double> warm_up_and_measure(eddy::task<void> (*body)(std::uint64_t), std::uint64_t times,
                                              std::uint64_t operations) {
    co_await body(times / 10);
    co_return co_await ns_per_operation(operations, body(times));
}

}  // namespace bench::rt
