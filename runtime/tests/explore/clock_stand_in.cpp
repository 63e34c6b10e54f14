// SPDX-License-Identifier: MIT
// In models, a second passes between two looks at the clock: executions must not depend on the time that they take.
//
// Replaces the time driver in models of event loops: a clock that does not advance, without timers. The real one has so
// many lists that its construction would take most of the time of an execution; timers_test.cpp explores it.
#include <ctime>

#include <chrono>
#include <cstddef>

#include <eddy/time/clock.hpp>

#include "explore/operations.hpp"
#include "time/time_driver.hpp"

// Found before the one of the standard library, which is in a shared object.
std::chrono::steady_clock::time_point std::chrono::steady_clock::now() noexcept {
    static constinit seconds of_models{0};
    if (explore::detail::is_exploring()) {
        const explore::detail::pause_exploring guard;
        return time_point(++of_models);
    }
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return time_point(seconds(time.tv_sec) + nanoseconds(time.tv_nsec));
}

namespace eddy::detail {
namespace {

alignas(time_driver) constinit std::byte no_driver[sizeof(time_driver)]{};

}  // namespace

// SAFETY: the functions below are all that an event loop or a worker calls on the object, and none of them accesses its
// bytes.
time_driver* time_driver::make(waker, owner) { return reinterpret_cast<time_driver*>(no_driver); }
void time_driver::release() noexcept {}
void time_driver::shutdown() noexcept {}
void time_driver::synchronize() noexcept {}
void time_driver::pause() noexcept {}
bool time_driver::is_paused() const noexcept { return false; }
bool time_driver::auto_advance() noexcept { return false; }
time_driver::time_point time_driver::now() const noexcept { return {}; }
time_driver::time_point time_driver::coarse_now() const noexcept { return {}; }
std::optional<time_driver::time_point> time_driver::next_deadline() noexcept { return std::nullopt; }
std::size_t time_driver::fire() noexcept { return 0; }

}  // namespace eddy::detail

namespace eddy::time {

time_point clock::now() noexcept { return {}; }

}  // namespace eddy::time
