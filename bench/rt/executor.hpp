// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <thread>
#include <utility>

#include <eddy/prelude.hpp>
#include <eddy/runtime/runtime.hpp>
#include <eddy/task/spawn.hpp>

#include "measure.hpp"
#include "protocol.hpp"

namespace bench::rt {

/// The work-stealing runtime of the flavour w2.
[[nodiscard]] inline eddy::runtime make_pool() { return eddy::runtime::builder().worker_threads(2).build().value(); }

/// What ct and w2 stand for: a loop on this thread, or a pool with two workers.
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

/// Spawns both, and joins both. The output is that of `asking`.
inline eddy::task<double> join_two(eddy::task<double> asking, eddy::task<void> answering) {
    auto answerer = eddy::spawn(std::move(answering));
    auto asker = eddy::spawn(std::move(asking));
    const auto asked = co_await asker;
    const auto answered = co_await answerer;
    check(answered.has_value(), "who answers ends well");
    co_return asked.value();
}

/// Runs two tasks that talk to each other, where the flavour says, and returns the output of `asking`.
inline double talk(flavour where, eddy::task<double> asking, eddy::task<void> answering) {
    if (where != flavour::cross) return run_root(where, join_two(std::move(asking), std::move(answering)));
    std::jthread other([&answering] { eddy::core().run(std::move(answering)); });
    return eddy::core().run(std::move(asking));
}

}  // namespace bench::rt
