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

#include "executor/park/parker.hpp"
#include "executor/park/shared_wait.hpp"
#include "executor/task/counted_waker.hpp"
#include "reactor/io_handle.hpp"

namespace eddy::detail {

/// The number of blocking jobs that the tasks of an event loop have started and that have not ended. A paused clock
/// does not advance by itself while there are any.
///
///     bit  name       set and cleared by        meaning
///     0    is_waited  the loop                  the loop parks until the number is 0
///     1..  jobs       begin() and end()         the number
///
/// Both fields are in one word, so that the last end() cannot miss that the loop parks.
/// Thread safety: end() on any thread, other functions on the loop's thread.
class blocking_jobs {
public:
    void begin() noexcept {
        // relaxed: begin() and any() run on the same thread.
        word_.fetch_add(one_job, std::memory_order_relaxed);
    }

    /// Ends a job. Call this after the job has woken its waiters. Returns whether the caller must unpark the loop.
    [[nodiscard]] bool end() noexcept {
        // release: pairs with the acquire in any() and wait(), so that the loop sees the wake-ups of the job.
        // acquire: pairs with the release of earlier calls, which makes the last call publish their wake-ups too.
        return word_.fetch_sub(one_job, std::memory_order_acq_rel) == (one_job | is_waited);
    }

    /// Returns whether jobs are pending. If not, all wake-ups of the ended jobs are visible to the loop.
    [[nodiscard]] bool any() const noexcept {
        // acquire: pairs with the release in end().
        return word_.load(std::memory_order_acquire) >= one_job;
    }

    /// Requests that the last end() makes its caller unpark the loop. Returns false if no jobs are pending.
    [[nodiscard]] bool wait() noexcept {
        // acquire: pairs with the release in end().
        return word_.fetch_or(is_waited, std::memory_order_acquire) >= one_job;
    }
    void wait_ended() noexcept {
        // relaxed: an end() that still sees the bit unparks the loop once too often.
        word_.fetch_and(~is_waited, std::memory_order_relaxed);
    }

private:
    static constexpr std::uint32_t is_waited = 1;
    static constexpr std::uint32_t one_job = 2;

    atomic<std::uint32_t> word_{0};
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
    explicit sleeping_place(io_handle* io, bool shares_driver = false) noexcept
        : io_(io), shares_driver_(shares_driver), owner_(this_thread_mark()) {
        if (io != nullptr) io->retain();
    }

    void retain() noexcept { references_.add(); }
    void release() noexcept {
        if (references_.drop()) delete this;
    }

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
    result<std::size_t> wait(max_wait limit, max_wait alarm) { return shared_wait_.wait(*io_, parker_, limit, alarm); }

    /// Ends the wait in progress, or the next one.
    void unpark() noexcept {
        if (shares_driver_) {
            shared_wait_.unpark(*io_, parker_);
        } else if (io_.get() != nullptr) {
            io_->wake();
        } else {
            parker_.unpark();
        }
    }

    /// Ends the wait in progress, or the next one, now or at the latest after `delay`. With a driver that has timers
    /// for it, no thread runs if the wait ends earlier for another reason.
    /// Preconditions: io_handle::make_alarm() has succeeded.
    void unpark_within(std::chrono::nanoseconds delay) noexcept {
        const bool waits_in_driver = !shares_driver_ || shared_wait_.is_in_driver();
        if (io_.get() != nullptr && waits_in_driver) {
            io_->wake_within(delay);
        } else {
            unpark();
        }
    }

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
    ~sleeping_place() = default;

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
