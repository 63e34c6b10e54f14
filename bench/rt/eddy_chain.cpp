// SPDX-License-Identifier: MIT
#include <eddy/spawn.hpp>

#include "eddy_cases.hpp"
#include "executor.hpp"

namespace bench::rt {

namespace {

constexpr std::uint64_t length = 1000;

using oneshot = eddy::sync::oneshot<>;

eddy::task<void> link(std::uint64_t left, oneshot::sender done) {
    if (left == 1) {
        check(done.send().has_value(), "the root waits for the end of the chain");
    } else {
        eddy::spawn(link(left - 1, std::move(done)));
    }
    co_return;
}

eddy::task<void> chains(std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
        oneshot::ends ends = oneshot::channel();
        eddy::spawn(link(length, std::move(ends.sender)));
        const auto end = co_await ends.receiver;
        check(end.has_value(), "each chain has an end");
    }
}

}  // namespace

// ns per task that spawns its successor and ends.
void chained_spawn(flavour where) {
    report("chained_spawn", where, "ns", run_root(where, warm_up_and_measure(&chains, 1000, 1000 * length)));
}

}  // namespace bench::rt
