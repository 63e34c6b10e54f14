// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include <tmc/ex_cpu.hpp>
#include <tmc/ex_cpu_st.hpp>
#include <tmc/spawn.hpp>
#include <tmc/sync.hpp>
#include <tmc/task.hpp>

#include "measure.hpp"
#include "protocol.hpp"

namespace bench::peer {

/// The executor of a flavor: `ex_cpu_st` for ct, which has one thread and no synchronization between workers, or
/// `ex_cpu` with two threads.
class runtime {
public:
    explicit runtime(flavour where) {
        if (where == flavour::ct) {
            one_.emplace().init();
        } else {
            two_.emplace().set_thread_count(2).init();
        }
    }

    /// Runs `root` as a task. Blocks for its output.
    template <class T>
    T run(tmc::task<T> root) {
        return one_ ? tmc::post_waitable(*one_, std::move(root)).get()
                    : tmc::post_waitable(*two_, std::move(root)).get();
    }

    /// Starts a task that nothing waits for.
    void post(tmc::task<void> work) { one_ ? tmc::post(*one_, std::move(work)) : tmc::post(*two_, std::move(work)); }

private:
    std::optional<tmc::ex_cpu_st> one_;
    std::optional<tmc::ex_cpu> two_;
};

/// Runs `root` on a new runtime.
template <class T>
T run_root(flavour where, tmc::task<T> root) {
    return runtime(where).run(std::move(root));
}

/// Awaits `body(times / 10)` to warm up, then measures `body(times)`. Returns the nanoseconds per operation.
inline tmc::task<double> warm_up_and_measure(tmc::task<void> (*body)(std::uint64_t), std::uint64_t times,
                                             std::uint64_t operations) {
    co_await body(times / 10);
    const auto start = clock::now();
    co_await body(times);
    co_return per_operation(clock::now() - start, operations);
}

}  // namespace bench::peer
