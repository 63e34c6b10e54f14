// SPDX-License-Identifier: MIT
// The timers of an event loop or a worker, used by two threads: the clock that another thread resumes, and a worker
// that another thread takes over while its former thread arms a timer.
#include "time/time_driver.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>

#include <eddy/detail/ref_count.hpp>
#include <eddy/detail/runtime_context.hpp>

#include "executor/park/sleeping_place.hpp"
#include "executor/pool/pool.hpp"
#include "executor/pool/worker.hpp"
#include "explore/explore.hpp"
#include "reactor/io_handle.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::detail::pool;
using eddy::detail::releasing;
using eddy::detail::sleeping_place;
using eddy::detail::time_driver;
using eddy::detail::timer_entry;
using eddy::detail::worker;
using explore::check;
using explore::holds;

// ---- The clock ----

TEST(ExploreTimers, ResumedClockDoesNotGoBackwards) {
    EXPECT_TRUE(holds([] {
        const std::unique_ptr<time_driver, releasing> timers(time_driver::make());
        timers->pause();
        timers->advance(1000h);
        const auto paused_at = timers->now();
        const explore::thread other([&] { timers->resume(); });
        check(timers->now() >= paused_at, "the clock continues from its paused time");
    }));
}

// ---- A worker that another thread takes over ----

// A private member that the model uses. An explicit instantiation may name private members.
sleeping_place& place_of(worker& of);
template <auto Place>
struct opened {
    friend sleeping_place& place_of(worker& of) { return *(of.events().*Place); }
};
template struct opened<&eddy::detail::worker_events::place_>;

class ExploreWorkerTimers : public testing::Test {
protected:
    static void SetUpTestSuite() { eddy::detail::explored_threads_differ = true; }
    static void TearDownTestSuite() { eddy::detail::explored_threads_differ = false; }
};

/// A worker without I/O. Its pool is memory without a value, of which it reads only settings.
struct lone_worker {
    alignas(pool) std::byte memory[sizeof(pool)]{};
    // SAFETY: as the comment of the class says.
    worker its{reinterpret_cast<pool&>(memory), 0, nullptr, false, 1, {}};
};

/// The next thread of the worker finds no timer and parks. The former thread is still in its poll and arms one.
TEST_F(ExploreWorkerTimers, TimerOfFormerThreadWakesTheNextThread) {
    EXPECT_TRUE(holds({.preemptions = 3}, [] {
        const auto lone = std::make_unique<lone_worker>();
        worker& its = lone->its;
        timer_entry timer;
        its.enter_thread();
        check(!its.offer(), "no thread is expected");
        {
            const explore::thread next([&] {
                check(its.arrive(), "the worker is offered");
                its.enter_thread();
                while (!its.events().time().next_deadline()) place_of(its).park(std::nullopt);
            });
            its.events().time().arm(timer, time_driver::time_point::min(), {});
        }
        static_cast<void>(timer.disarm());
        worker::leave_thread();
    }));
}

}  // namespace
