// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/ref_count.hpp>
#include <eddy/detail/runtime_context.hpp>
#include <eddy/io/interest.hpp>
#include <eddy/result.hpp>
#include <eddy/runtime/reactor.hpp>

#include "reactor/driver_lock.hpp"
#include "reactor/drivers/readiness_driver.hpp"
#include "reactor/ring/posted_streams.hpp"
#include "reactor/ring/ring_connection.hpp"
#include "reactor/ring/ring_owner.hpp"
#include "reactor/source/composite_io.hpp"
#include "reactor/source/scheduled_io.hpp"

namespace eddy::detail {

/// A driver and the set of sources that are registered with it. Shared by the event loop that runs its ticks and by all
/// registrations and handles, on any thread.
///
/// Lifetime: reference-counted.
/// Thread safety:
///
///     caller                     may call
///     the owner                  tick(), shut_down()
///     any thread                 add_source(), add_stream(), remove_source(), close_stream(), request_service(),
///                                wake(), wake_within(), metrics(), load(), tick_for_busy_owner()
///     holder of the driver lock  poll_events(), set_alarm()
///
/// The driver lock (driver_lock.hpp) is the right to run a tick. Workers that share a driver have no owner: each of
/// them locks the driver for its own ticks (shared_wait.hpp).
///
/// With io_uring there is a ring beside the epoll. It belongs to one thread: the first one that calls tick() while the
/// ring has no owner (ring_host.hpp).
///
/// A source that is removed while its events are being dispatched stays allocated until the end of the tick. It is
/// moved to `pending_release_`, which only the holder of the driver lock empties, before it polls.
class io_handle final : public ring_owner {
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
        // Usually a loop waits for its own sources, and a worker for those of a pool.
        if (loop_ != this_thread.running_loop) [[unlikely]]
            check_other_loop(cx);
    }

    /// Adds or releases a reference. The last release() destroys the object.
    void retain() noexcept override;
    void release() noexcept override;

    /// Registers `fd`. The caller gets a reference to the source.
    /// Errors: runtime_shutdown; not_enough_memory; what epoll_ctl(2) reports. After an error nothing is registered.
    [[nodiscard]] result<scheduled_io*> add_source(int fd, io::interest wanted) noexcept;

    /// Deregisters `fd`, which must still be open, and releases the caller's reference. Drops the wakers of the
    /// source.
    result<void> remove_source(scheduled_io& source, int fd) noexcept;

    /// Changes what a registered descriptor is watched for.
    /// Errors: runtime_shutdown; what epoll_ctl(2) reports.
    result<void> watch_again(scheduled_io& source, int fd, io::interest wanted) noexcept;

    // ---- Sources that add their descriptors themselves ----

    /// Registers a source without descriptors. The caller gets a reference. remove_source() removes all descriptors;
    /// its `fd` is then not used.
    /// Errors: runtime_shutdown; not_enough_memory.
    [[nodiscard]] result<composite_io*> add_composite() noexcept;
    /// Add, change and remove a descriptor of the source.
    /// Errors: those of add_source() and remove_source(); no_such_file_or_directory if it was not added.
    result<void> add_part(composite_io& source, int fd, io::interest wanted) noexcept;
    result<void> change_part(composite_io& source, int fd, io::interest wanted) noexcept;
    result<void> remove_part(composite_io& source, int fd) noexcept;

    // ---- Ring connections ----

    /// Returns whether TCP sockets are registered by add_stream().
    [[nodiscard]] bool has_streams() const noexcept { return kind_ == driver_kind::io_uring; }
    /// Like add_source(), for a TCP connection or listener. Makes no system call before the first operation.
    [[nodiscard]] result<ring_connection*> add_stream(int fd, ring_connection::brings what) noexcept;
    /// Releases the caller's reference and closes the descriptor: immediately, or when its operations have ended
    /// and the written data was sent.
    void close_stream(ring_connection& stream) noexcept;
    void finish_closing(ring_connection& stream) noexcept override;
    result<bool> watch_stream(ring_connection& stream, std::uint8_t what) noexcept override;
    /// Adds writability to the events that the driver reports for a stream, or for a source that was registered without
    /// it. Returns whether that changed anything.
    /// Errors: those of watch_stream().
    /// Preconditions: the source is registered.
    result<bool> watch_writing(scheduled_io& source, int fd) noexcept;
    void unwatch_reading(ring_connection& stream) noexcept override;
    void request_service(ring_connection& stream) noexcept override;
    /// Submits the queued sends if this thread owns the ring. Call it before the thread does something other than a
    /// tick.
    void flush_ring() noexcept;
    /// Submits the queued sends and destroys the ring, if this thread owns it. Call it before the thread ends, or
    /// before another thread runs the ticks.
    void retire_ring() noexcept;

    /// Runs one tick, on the owner: polls once, passes each event to its source, and wakes the waiters. Returns the
    /// number of events. Sets `alarm` first if it has a value, see epoll::set_alarm(). Waits briefly if another thread
    /// runs a tick for the owner.
    /// Errors: runtime_shutdown; resource_deadlock_would_occur inside a tick of this thread; device_or_resource_busy
    /// while another thread is in tick().
    /// Cost: one uncontended compare-exchange in addition to the system call.
    result<std::size_t> tick(max_wait timeout, max_wait alarm = std::nullopt) noexcept;

    /// Runs one tick for an owner that is busy, without waiting for anything. Callable on any thread. Returns nothing
    /// if another thread has the driver lock, since the tick is then not needed. A wake-up that is found here still
    /// ends the owner's next tick. Workers that share the driver call it while they are busy.
    [[nodiscard]] std::optional<result<std::size_t>> tick_for_busy_owner() noexcept;

    /// The parts of a tick, for a thread that does other work under the driver lock, and for workers that share the
    /// driver.
    [[nodiscard]] bool try_lock_driver() noexcept { return !is_in_child() && driver_lock_.try_lock_for_owner(); }
    result<std::size_t> poll_events(max_wait timeout) noexcept;
    void dispatch(source_key key, io::ready what) noexcept;
    void set_alarm(std::chrono::nanoseconds delay) noexcept;
    void unlock_driver() noexcept { driver_lock_.unlock(); }

    /// See epoll::make_alarm(). Call it before the first tick.
    [[nodiscard]] result<void> make_alarm() noexcept { return driver_.make_alarm(); }

    /// Ends the tick in progress, or the next one. Does nothing in a forked child: there the epoll is shared with
    /// the parent.
    void wake() noexcept override {
        if (!is_in_child()) driver_.wake();
    }
    /// Like wake(), but the tick may last for `delay` longer.
    /// Preconditions: make_alarm() has succeeded.
    void wake_within(std::chrono::nanoseconds delay) noexcept {
        if (!is_in_child()) driver_.wake_within(delay);
    }

    /// Ends every present and later wait with runtime_shutdown and closes the driver's descriptors, even if handles
    /// and registrations remain. Wakes a tick on another thread and waits for its end. A second call does nothing.
    /// Preconditions: not called inside a tick of this thread.
    void shut_down() noexcept;

    /// Returns whether this thread is inside a tick, that is, called by a waker.
    [[nodiscard]] bool holds_driver_lock() const noexcept { return driver_lock_.is_held_here(); }
    /// Returns whether no source is registered.
    [[nodiscard]] bool is_idle() const noexcept;
    /// Makes the removal of the last source wake the driver.
    void wake_when_idle() noexcept;
    /// Returns whether shut_down() has been called.
    [[nodiscard]] bool is_shut_down() const noexcept {
        // relaxed: the answer may be outdated anyway. add_source() checks again under the lock.
        return is_shut_down_.load(std::memory_order_relaxed);
    }
    /// Returns the descriptor of the epoll or kqueue; -1 after shut_down(), and with poll(2).
    [[nodiscard]] int native_handle() const noexcept { return driver_.native_handle(); }
    // ---- For an owner that waits elsewhere ----
    /// Returns whether the owner may wait on native_handle() without missing work. Otherwise the owner must call tick()
    /// first. The first call retires the ring, if there is one. From then on, this object uses no ring.
    [[nodiscard]] bool may_wait_outside() noexcept;
    /// Returns the time at which tick() must give up unsent data, if there is any.
    [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> linger_deadline() const noexcept;
    /// Returns the counters of this driver.
    [[nodiscard]] io_metrics metrics() const noexcept;

    /// Returns the number of registered sources.
    /// Cost: two loads.
    [[nodiscard]] std::size_t load() const noexcept;

private:
    using time_point = std::chrono::steady_clock::time_point;

    void check_other_loop(const context& cx) const;
    io_handle(readiness_driver&& driver, driver_kind kind);
    ~io_handle();

    void close_driver_lock() noexcept;
    void release_pending() noexcept;
    result<void> take_out(scheduled_io& source, int fd) noexcept;
    [[nodiscard]] bool may_use_driver() const noexcept { return !is_in_child() && !driver_is_closed_; }
    result<void> unwatch_all(composite_io& source) noexcept;
    void close_gone(ring_connection& stream) noexcept;
    void prepare_ring() noexcept;
    void give_up_ring() noexcept;
    void route_wake_ups(bool by_ring) noexcept;
    result<std::size_t> turn_ring(uring& ring, max_wait timeout) noexcept;
    [[nodiscard]] bool serve_requested() noexcept;
    [[nodiscard]] bool serve(ring_connection& stream) noexcept;
    void wake_if_driven_elsewhere() noexcept;
    void linger(ring_connection& stream) noexcept;
    void wait_for_lingering(max_wait& timeout) const noexcept;
    void give_up_lingering() noexcept;

    readiness_driver driver_;
    const driver_kind kind_;
    const core_shared* loop_ = nullptr;  // the event loop that runs the ticks: compared, never dereferenced
    const void* loop_thread_ = nullptr;  // the mark of its thread
    ref_count<> references_;

    // ---- Driver lock ----
    driver_lock driver_lock_;
    bool has_pending_wake_ = false;  // tick_for_busy_owner() has found a wake-up for the owner
    // The thread that was in tick() last. Its own removals need no wake-up, since it runs a tick before it sleeps.
    atomic<const void*> owner_{nullptr};

    // ---- The ring ----
    bool wakes_by_ring_ = false;  // guarded by the driver lock
    posted_streams posted_;

    // The time at which the first destroyed stream with unsent data is given up. Written under lock_.
    atomic<time_point> linger_until_{time_point::max()};

    // ---- Registered sources ----
    mutable mutex lock_;
    // Written under lock_.
    atomic<bool> is_shut_down_{false};
    bool wakes_when_idle_ = false;
    bool driver_is_closed_ = false;           // guarded by lock_
    source_link set_;                         // the sentinel of a circular list; has a reference to each source
    source_link* pending_release_ = nullptr;  // removed sources, with the set's references; linked by `next`
    // The length of that list. Written under lock_, and read without it, so that a tick without removals takes no
    // lock.
    atomic<std::size_t> pending_count_{0};

    // Statistics with one writer at a time: the first two are written under lock_, the third under the driver lock.
    atomic<std::uint64_t> registered_{0};
    atomic<std::uint64_t> deregistered_{0};
    atomic<std::uint64_t> ready_events_{0};
};

}  // namespace eddy::detail
