// SPDX-License-Identifier: MIT
#include <string_view>

#include <tmc/auto_reset_event.hpp>

#include "cases.hpp"
#include "runtime.hpp"

namespace bench::peer {

namespace {

constexpr std::uint64_t length = 1000;

tmc::task<void> link(std::uint64_t left, tmc::auto_reset_event& end) {
    if (left == 1) {
        end.set();
    } else {
        tmc::spawn(link(left - 1, end)).detach();
    }
    co_return;
}

tmc::task<void> chains(std::uint64_t count) {
    tmc::auto_reset_event end;
    for (std::uint64_t i = 0; i < count; ++i) {
        tmc::spawn(link(length, end)).detach();
        co_await end;
    }
}

void measure(std::string_view metric, flavour where) {
    report(metric, where, "ns", run_root(where, warm_up_and_measure(&chains, 1000, 1000 * length)));
}

}  // namespace

// ns per task that spawns its successor and ends.
void chained_spawn(flavour where) { measure("chained_spawn", where); }

// The chain above has a reference to an event anyway. The two cases differ in the programs of eddy.
void chained_spawn_ref(flavour where) { measure("chained_spawn_ref", where); }

}  // namespace bench::peer
