// SPDX-License-Identifier: MIT
// The offers of a worker (child_offers): most offers that no other worker takes wake no worker, and the first
// one after another worker has taken one does. A model of one thread, because the workers of a runtime take offers at
// times that a test cannot choose.
#include "executor/pool/worker.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <memory>
#include <new>

#include <eddy/task/scope_all.hpp>

#include "executor/pool/pool.hpp"
#include "explore/core_stand_ins.hpp"
#include "explore/explore.hpp"
#include "reactor/io_handle.hpp"

namespace {

using eddy::detail::idle_workers;
using eddy::detail::offered_child;
using eddy::detail::pool;
using eddy::detail::spawned_task;
using eddy::detail::stall_settings;
using eddy::detail::worker;
using explore::check;

// A private member that the model uses. An explicit instantiation may name private members.
spawned_task* call_steal_child(worker& thief, worker& victim);
template <auto StealChild>
struct opened {
    friend spawned_task* call_steal_child(worker& thief, worker& victim) {
        return (thief.search().*StealChild)(victim.tasks());
    }
};
template struct opened<&eddy::detail::task_search::steal_child>;

/// The memory of a pool in which only the set of parked workers has a value: two workers, the second one parked.
class two_workers {
public:
    two_workers() {
        auto* const idle = ::new (&get().workers().idle()) idle_workers(2);
        static_cast<void>(idle->transition_to_parked(1, false));
    }
    two_workers(const two_workers&) = delete;
    two_workers& operator=(const two_workers&) = delete;
    ~two_workers() { get().workers().idle().~idle_workers(); }

    // SAFETY: the worker of the model uses nothing else of its pool, except functions that stand-ins replace.
    pool& get() { return reinterpret_cast<pool&>(memory_); }

private:
    alignas(pool) std::byte memory_[sizeof(pool)]{};
};

/// Makes an offer and returns how many workers it wakes.
unsigned wakes_of_offer(worker& by, offered_child& child) {
    const unsigned before = explore::notifications;
    check(by.tasks().offer(child), "there is room for an offer");
    return explore::notifications - before;
}

TEST(ExploreWorkerOffers, OfferWakesAgainAfterOneWasTaken) {
    EXPECT_TRUE(explore::holds([] {
        const auto of = std::make_unique<two_workers>();
        const auto own = std::make_unique<worker>(of->get(), 0, nullptr, false, 1, stall_settings());
        const auto other = std::make_unique<worker>(of->get(), 1, nullptr, false, 1, stall_settings());
        offered_child child{[](offered_child&) noexcept {}};
        unsigned wakes = 0;
        for (int i = 0; i < 100; ++i) {
            wakes += wakes_of_offer(*own, child);
            check(own->tasks().take_back(child), "no worker has taken the child");
        }
        check(wakes >= 1 && wakes < 10, "few of the offers that were taken back wake a worker");
        check(wakes_of_offer(*own, child) == 0, "the tested situation");
        static_cast<void>(call_steal_child(*other, *own));
        check(!own->tasks().take_back(child), "the other worker has taken the child");
        check(wakes_of_offer(*own, child) == 1, "the next offer wakes a worker");
        check(own->tasks().take_back(child), "no worker has taken the child");
    }));
}

}  // namespace
