// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include <eddy/detail/atomic.hpp>
#include <eddy/result.hpp>

#include "executor/park/parker.hpp"
#include "reactor/drivers/driver.hpp"

namespace eddy::detail {

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

}  // namespace eddy::detail
