// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/ref_count.hpp>
#include <eddy/detail/runtime_context.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/result.hpp>

#include "executor/park/blocking_jobs.hpp"
#include "executor/park/parker.hpp"
#include "executor/task/counted_waker.hpp"
#include "reactor/drivers/driver.hpp"

namespace eddy::detail {

class io_handle;

/// The wait of a worker that shares its driver with other workers. One of them waits in the driver, and the others wait
/// in their parkers. Source: Tokio's runtime::scheduler::multi_thread::park.
///
///     state       meaning                                   transitions
///     awake       the owner runs                            wait(): to in_driver or in_parker
///     in_driver   the owner has the driver lock             unpark(): to notified; the tick ends: to awake
///     in_parker   the owner waits, or is about to           unpark(): to notified; the wait ends: to awake
///     notified    unpark() was called                       wait() returns without sleeping, and stores awake
///
/// The owner locks the driver before it stores in_driver, and keeps the lock until its tick has ended. So the wake-up
/// that unpark() sends to the driver ends the tick of the owner. If that tick has already ended, the wake-up ends a
/// later tick, maybe one of another worker, which then looks for work and waits again.
///
/// Thread safety: wait() on the owner's thread, unpark() and is_in_driver() on any thread.
class shared_wait {
public:
    /// Waits for `limit` or `alarm` at most, whichever is shorter; see io_handle::tick(). Returns the number of events.
    /// Errors: what Driver::poll_events() reports.
    template <class Driver>
    result<std::size_t> wait(Driver& driver, parker& own, max_wait limit, max_wait alarm) {
        const bool has_driver = driver.try_lock_driver();
        auto before = state::awake;
        // acq_rel: pairs with the exchange in unpark(), so that the owner sees what the other thread did before.
        const bool sleeps = state_.compare_exchange_strong(before, has_driver ? state::in_driver : state::in_parker,
                                                           std::memory_order_acq_rel);
        result<std::size_t> events = std::size_t{0};
        if (has_driver) {
            if (sleeps && alarm) driver.set_alarm(*alarm);
            events = driver.poll_events(sleeps ? limit : std::chrono::nanoseconds::zero());
            driver.unlock_driver();
        } else if (sleeps) {
            own.park(shorter(limit, alarm));
        }
        // acquire: pairs with the exchange in unpark(). An exchange, because the state may have become notified.
        state_.exchange(state::awake, std::memory_order_acquire);
        return events;
    }

    /// Ends the wait in progress, or the next one.
    template <class Driver>
    void unpark(Driver& driver, parker& own) noexcept {
        // acq_rel: pairs with the accesses in wait().
        const auto before = state_.exchange(state::notified, std::memory_order_acq_rel);
        if (before == state::in_driver) driver.wake();
        if (before == state::in_parker) own.unpark();
    }

    /// Returns whether the owner waits in the driver. May be out of date.
    [[nodiscard]] bool is_in_driver() const noexcept {
        return state_.load(std::memory_order_relaxed) == state::in_driver;  // relaxed: a hint
    }

private:
    enum class state : std::uint8_t { awake, in_driver, in_parker, notified };

    atomic<state> state_{state::awake};
};

/// The place where an event loop or a worker parks: its driver, or a parker if it has no I/O.
/// Workers can share a driver: see shared_wait.
/// Thread safety: unpark(), unpark_within(), end_job() and wakers on any thread, other functions on the thread that
/// parks here.
/// Lifetime: reference-counted, independently of the loop. The time driver wakes the loop through this object, and
/// sleep futures can keep the time driver alive longer than the loop.
class sleeping_place : immovable {
public:
    /// Creates a place with one reference. Its owner is this thread. Retains `io`, which may be null.
    /// `shares_driver`: other places have the same driver.
    explicit sleeping_place(io_handle* io, bool shares_driver = false) noexcept;

    void retain() noexcept { references_.add(); }
    void release() noexcept;

    /// Makes this thread the one that parks here. Call time_driver::synchronize() afterwards. Otherwise the previous
    /// owner could arm a timer, still see itself as the owner, and not unpark this thread.
    void set_owner() noexcept {
        // relaxed: a thread only compares it to its own mark. The lock of the time driver orders store and load.
        owner_.store(this_thread_mark(), std::memory_order_relaxed);
    }

    /// Parks this thread.
    /// Preconditions: there is no I/O.
    void park(std::optional<std::chrono::nanoseconds> limit) { parker_.park(limit); }

    [[nodiscard]] bool shares_driver() const noexcept { return shares_driver_; }
    /// Parks this thread in the shared driver or in the parker. See shared_wait::wait().
    /// Preconditions: shares_driver().
    result<std::size_t> wait(max_wait limit, max_wait alarm);

    /// Ends the wait in progress, or the next one.
    void unpark() noexcept;

    /// Ends the wait in progress, or the next one, now or at the latest after `delay`. With a driver that has timers
    /// for it, no thread runs if the wait ends earlier for another reason.
    /// Preconditions: io_handle::make_alarm() has succeeded.
    void unpark_within(std::chrono::nanoseconds delay) noexcept;

    /// Returns a waker that calls unpark(), except on the owner's thread, which is awake when it calls a waker.
    [[nodiscard]] eddy::waker waker() noexcept {
        retain();
        return {&counted_waker<sleeping_place, &sleeping_place::unpark_other_thread>, this};
    }

    // ---- Blocking jobs, for a paused clock ----
    [[nodiscard]] blocking_jobs& jobs() noexcept { return jobs_; }
    /// Counts a job. Returns a reference to this place, which end_job() releases.
    [[nodiscard]] sleeping_place* begin_job() noexcept {
        retain();
        jobs_.begin();
        return this;
    }
    void end_job() noexcept {
        if (jobs_.end()) unpark();
        release();
    }

private:
    ~sleeping_place();

    void unpark_other_thread() noexcept {
        // relaxed: see set_owner().
        if (owner_.load(std::memory_order_relaxed) != this_thread_mark()) unpark();
    }

    const ref_ptr<io_handle> io_;
    const bool shares_driver_;
    atomic<const void*> owner_;
    parker parker_;
    shared_wait shared_wait_;
    blocking_jobs jobs_;
    ref_count<> references_;
};

}  // namespace eddy::detail
