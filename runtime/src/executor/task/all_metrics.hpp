// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include <eddy/runtime/core_handle.hpp>
#include <eddy/runtime/runtime_metrics.hpp>
#include <eddy/task/detail/executor.hpp>

namespace eddy::detail {

/// The counters of all executors of this process, with their ids.
struct all_metrics {
    std::vector<std::pair<std::uint64_t, runtime_metrics>> pools;
    std::vector<std::pair<std::uint64_t, core_metrics>> loops;
};

/// Calls `visit` with each executor that has called listed_executor::show_metrics_of(). None is destroyed meanwhile.
/// `visit` must not make or destroy executors.
void visit_executors(void (*visit)(executor& one, void* argument), void* argument);

template <class Visit>
void visit_executors(Visit visit) {
    visit_executors([](executor& one, void* argument) { (*static_cast<Visit*>(argument))(one); }, &visit);
}

}  // namespace eddy::detail
