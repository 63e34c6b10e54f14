// SPDX-License-Identifier: MIT
#include <eddy/task/spawn.hpp>

#include "bodies.hpp"
#include "eddy_cases.hpp"
#include "executor.hpp"

namespace bench::rt {

namespace {

using oneshot = eddy::sync::oneshot<>;

eddy::task<void> link(std::uint64_t left, oneshot::sender done) {
    if (left == 1) {
        check(done.send().has_value(), "the root waits for the end of the chain");
    } else {
        eddy::spawn(link(left - 1, std::move(done)));
    }
    co_return;
}

}  // namespace

eddy::task<void> chains(std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
        oneshot::ends ends = oneshot::channel();
        eddy::spawn(link(chain_length, std::move(ends.sender)));
        const auto end = co_await ends.receiver;
        check(end.has_value(), "each chain has an end");
    }
}

// ns per task that spawns its successor and ends.
void chained_spawn(flavour where) {
    report("chained_spawn", where, "ns", run_root(where, warm_up_and_measure(&chains, 1000, 1000 * chain_length)));
}

}  // namespace bench::rt
