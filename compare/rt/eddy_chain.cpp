// SPDX-License-Identifier: MIT
#include <eddy/sync/notify.hpp>
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

eddy::task<void> link_by_reference(std::uint64_t left, eddy::sync::notify& end) {
    if (left == 1) {
        end.notify_one();
    } else {
        eddy::spawn(link_by_reference(left - 1, end));
    }
    co_return;
}

eddy::task<void> chains_by_reference(std::uint64_t count) {
    eddy::sync::notify end;
    for (std::uint64_t i = 0; i < count; ++i) {
        eddy::spawn(link_by_reference(chain_length, end));  // eddy-check: ignore: the next line waits for it
        co_await end.notified();
    }
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

// The same with a reference to an event instead of the sender of a channel, because TooManyCooks has no such channel.
void chained_spawn_ref(flavour where) {
    report("chained_spawn_ref", where, "ns",
           run_root(where, warm_up_and_measure(&chains_by_reference, 1000, 1000 * chain_length)));
}

}  // namespace bench::rt
