// SPDX-License-Identifier: MIT
#include <variant>

#include <eddy/future/select.hpp>
#include <eddy/sync/notify.hpp>

#include "eddy_cases.hpp"
#include "executor.hpp"

namespace bench::rt {

namespace {

eddy::task<std::uint64_t> child(std::uint64_t x) { co_return opaque(x) + 1; }

eddy::task<void> select_children(std::uint64_t times) {
    eddy::sync::notify never;
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < times; ++i) {
        const auto won = co_await eddy::select(never.notified(), child(i));
        sum += std::get<1>(won);
    }
    check(sum == times * (times + 1) / 2, "a child adds one");
}

eddy::task<void> select_yields(std::uint64_t times) {
    eddy::sync::notify never;
    std::uint64_t yields = 0;
    for (std::uint64_t i = 0; i < times; ++i) {
        const auto won = co_await eddy::select(never.notified(), eddy::yield_now());
        yields += won.index();
    }
    check(yields == times, "the yield wins");
}

}  // namespace

// ns per select of a wait that never ends and a child that is ready. The wait is started and canceled.
void select_ready(flavour where) {
    report("select_ready", where, "ns", run_root(where, warm_up_and_measure(&select_children, 1'000'000, 1'000'000)));
}

// ns per select of a wait that never ends and a yield, so that both futures are pending at first.
void select_pending(flavour where) {
    report("select_pending", where, "ns", run_root(where, warm_up_and_measure(&select_yields, 1'000'000, 1'000'000)));
}

}  // namespace bench::rt
