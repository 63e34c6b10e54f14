// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include <eddy/prelude.hpp>
#include <eddy/runtime/runtime.hpp>
#include <eddy/task/spawn.hpp>

#include "measure.hpp"
#include "protocol.hpp"

namespace bench::rt {

/// The work-stealing runtime of the flavor w2.
[[nodiscard]] inline eddy::runtime make_pool() { return eddy::runtime::builder().worker_threads(2).build().value(); }

/// The executor of a flavor: an event loop on this thread for ct, or a runtime with two workers.
class executor {
public:
    explicit executor(flavour where) {
        if (where == flavour::ct) {
            core_.emplace();
        } else {
            pool_.emplace(make_pool());
        }
    }

    /// Runs `root` as a task, on a worker if there are workers. Blocks for its output.
    template <class T>
    T run(eddy::task<T> root) {
        if (core_) return core_->run(std::move(root));
        return pool_->block_on(std::move(root));
    }

private:
    std::optional<eddy::core> core_;
    std::optional<eddy::runtime> pool_;
};

/// Runs `root` on a new executor.
template <class T>
T run_root(flavour where, eddy::task<T> root) {
    return executor(where).run(std::move(root));
}

/// Awaits `work` and returns the nanoseconds per operation.
inline eddy::task<double> ns_per_operation(std::uint64_t operations, eddy::task<void> work) {
    const auto start = clock::now();
    co_await std::move(work);
    co_return per_operation(clock::now() - start, operations);
}

/// Awaits `body(times / 10)` to warm up, then measures `body(times)`. Returns the nanoseconds per operation.
inline eddy::task<double> warm_up_and_measure(eddy::task<void> (*body)(std::uint64_t), std::uint64_t times,
                                              std::uint64_t operations) {
    co_await body(times / 10);
    co_return co_await ns_per_operation(operations, body(times));
}

/// Spawns and joins both tasks. Returns the output of `asking`.
inline eddy::task<double> join_two(eddy::task<double> asking, eddy::task<void> answering) {
    auto answerer = eddy::spawn(std::move(answering));
    auto asker = eddy::spawn(std::move(asking));
    const auto asked = co_await asker;
    const auto answered = co_await answerer;
    check(answered.has_value(), "the answering task succeeds");
    co_return asked.value();
}

/// Runs two tasks that communicate on a new executor. Returns the output of `asking`.
inline double talk(flavour where, eddy::task<double> asking, eddy::task<void> answering) {
    return run_root(where, join_two(std::move(asking), std::move(answering)));
}

}  // namespace bench::rt
