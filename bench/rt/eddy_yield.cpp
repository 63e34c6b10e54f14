// SPDX-License-Identifier: MIT
#include <vector>

#include <eddy/spawn.hpp>

#include "bodies.hpp"
#include "eddy_cases.hpp"
#include "executor.hpp"

namespace bench::rt {

eddy::task<void> yield_often(std::uint64_t times) {
    for (std::uint64_t i = 0; i < times; ++i) co_await eddy::yield_now();
}

eddy::task<void> yield_together(std::uint64_t times) {
    std::vector<eddy::join_handle<void>> handles;
    handles.reserve(yielding_tasks);
    for (std::uint64_t i = 0; i < yielding_tasks; ++i) handles.push_back(eddy::spawn(yield_often(times)));
    for (auto& handle : handles) {
        const auto joined = co_await handle;
        check(joined.has_value(), "a task that yields ends well");
    }
}

// ns per yield of a task that is alone.
void yield_1(flavour where) {
    report("yield_1", where, "ns", run_root(where, warm_up_and_measure(&yield_often, 10'000'000, 10'000'000)));
}

// ns per yield while a thousand tasks do so; spawning and joining them is included.
void yield_1000(flavour where) {
    report("yield_1000", where, "ns",
           run_root(where, warm_up_and_measure(&yield_together, 3000, 3000 * yielding_tasks)));
}

}  // namespace bench::rt
