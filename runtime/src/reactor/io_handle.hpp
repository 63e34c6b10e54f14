// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/runtime_context.hpp>
#include <eddy/result.hpp>
#include <eddy/runtime/reactor.hpp>

#include "reactor/drivers/source_set.hpp"

namespace eddy::detail {

class ring_reactor;

/// A source_set whose driver ticks this object runs, maybe with a ring. Shared by the event loop that runs its ticks
/// and by all registrations and handles, on any thread.
///
/// Thread safety:
///
///     caller                     may call
///     the owner                  tick(), shut_down(), may_wait_outside(), flush_ring(), retire_ring()
///     any thread                 wake(), wake_within(), metrics(), load(), tick_for_busy_owner()
///     holder of the driver lock  poll_events(), set_alarm()
///
/// The driver lock is the right to run a tick. Workers that share a driver have no owner: each of them locks the driver
/// for its own ticks (shared_wait).
class io_handle final : public source_set {
public:
    /// Creates a driver, and for io_uring also a ring. The caller gets a reference. A tick fetches at most `max_events`
    /// events from the readiness driver.
    /// Errors: what readiness_driver::make() and uring::make() report; not_enough_memory.
    [[nodiscard]] static result<io_handle*> make(driver_kind kind,
                                                 std::size_t max_events = default_events_per_tick) noexcept;

    /// Sets the event loop of this thread that runs the ticks. Call it before the first tick.
    void belong_to(const core_shared& loop) noexcept {
        loop_ = &loop;
        loop_thread_ = this_thread_mark();
    }
    /// Throws `misuse` if a wait for a source would never end, because the event loop that runs the ticks is on this
    /// thread and cannot run before the wait has ended.
    void check_may_wait(const context& cx) const {
        // Usually a loop waits for its own sources, and a worker for the sources of a pool.
        if (loop_ != this_thread.running_loop) [[unlikely]]
            check_other_loop(cx);
    }

    // ---- Ticks ----

    /// Runs one tick, on the owner: polls once, passes each event to its source, and wakes the waiters. Returns the
    /// number of events. Sets `alarm` first if it has a value, see readiness_driver::set_alarm(). Waits briefly if
    /// another thread runs a tick for the owner.
    /// Errors: runtime_shutdown; resource_deadlock_would_occur inside a tick of this thread; device_or_resource_busy
    /// while another thread is in tick().
    /// Cost: one uncontended compare-exchange in addition to the system call.
    result<std::size_t> tick(max_wait timeout, max_wait alarm = std::nullopt) noexcept;
    /// Ends every present and later wait with runtime_shutdown and closes the driver's descriptors, even if handles
    /// and registrations remain. Wakes a tick on another thread and waits for its end. A second call does nothing.
    /// Preconditions: not called inside a tick of this thread.
    void shut_down() noexcept;

    [[nodiscard]] std::size_t load() const noexcept { return counters().registered_now(); }
    /// Returns how many sources were registered until now, if none of them is left. Then no event ends a tick.
    [[nodiscard]] std::optional<std::uint64_t> sleep_state() const noexcept {
        return load() == 0 ? std::optional(counters().metrics().fds_registered) : std::nullopt;
    }
    [[nodiscard]] io_metrics metrics() const noexcept { return counters().metrics(); }

    // ---- The ring ----

    /// Returns the ring that registers the TCP sockets; null if the driver does, as every other descriptor.
    [[nodiscard]] ring_reactor* ring() const noexcept { return ring_.get(); }
    /// Submits the queued sends if this thread owns the ring. Call it before the thread does something other than a
    /// tick.
    void flush_ring() noexcept;
    /// Submits the queued sends and destroys the ring, if this thread owns it. Call it before the thread ends, or
    /// before another thread runs the ticks.
    void retire_ring() noexcept;

    // ---- For an owner that waits elsewhere ----

    /// Returns the descriptor of the epoll or kqueue; -1 after shut_down(), and with poll(2).
    [[nodiscard]] int native_handle() const noexcept { return driver().native_handle(); }
    /// Returns whether the owner may wait on native_handle() without missing work. Otherwise the owner must call tick()
    /// first. The first call retires the ring, if there is one. From then on, this object uses no ring.
    [[nodiscard]] bool may_wait_outside() noexcept;
    /// Returns the time at which tick() must give up unsent data, if there is any.
    [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> linger_deadline() const noexcept;

private:
    using source_set::source_set;
    ~io_handle() override;

    void check_other_loop(const context& cx) const;

    const core_shared* loop_ = nullptr;  // the event loop that runs the ticks: compared, never dereferenced
    const void* loop_thread_ = nullptr;  // the mark of its thread
    std::unique_ptr<ring_reactor> ring_;
};

}  // namespace eddy::detail
