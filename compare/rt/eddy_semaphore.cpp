// SPDX-License-Identifier: MIT
#include <eddy/sync/semaphore.hpp>

#include "eddy_cases.hpp"
#include "executor.hpp"

namespace bench::rt {

namespace {

eddy::task<void> acquire_often(std::uint64_t times) {
    eddy::sync::semaphore own(1);
    for (std::uint64_t i = 0; i < times; ++i) {
        const auto permit = co_await own.acquire();
        check(permit.has_value(), "the semaphore is open");
    }
    check(own.available_permits() == 1, "all permits are returned");
}

}  // namespace

// ns per permit that one task acquires and releases.
void semaphore_uncontended(flavour where) {
    report("semaphore_uncontended", where, "ns",
           run_root(where, warm_up_and_measure(&acquire_often, 5'000'000, 5'000'000)));
}

}  // namespace bench::rt
