// SPDX-License-Identifier: MIT
#include <eddy/sync/oneshot.hpp>

#include "eddy_cases.hpp"
#include "executor.hpp"

namespace bench::rt {

namespace {

using channel = eddy::sync::oneshot<std::uint64_t>;

eddy::task<void> send_to_self(std::uint64_t count) {
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
        channel::ends ends = channel::channel();
        check(ends.sender.send(opaque(i)).has_value(), "there is a receiver");
        const auto received = co_await ends.receiver;
        sum += received.value();
    }
    check(sum == count * (count - 1) / 2, "each value arrives");
}

}  // namespace

// ns per channel that one task makes, sends on, receives from and drops.
void oneshot(flavour where) {
    report("oneshot", where, "ns", run_root(where, warm_up_and_measure(&send_to_self, 5'000'000, 5'000'000)));
}

}  // namespace bench::rt
