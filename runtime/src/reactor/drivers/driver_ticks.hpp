// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/runtime_context.hpp>
#include <eddy/result.hpp>
#include <eddy/runtime/reactor.hpp>

#include "reactor/drivers/driver.hpp"
#include "reactor/drivers/io_counters.hpp"
#include "reactor/drivers/pending_release_list.hpp"
#include "sys/fork.hpp"

namespace eddy::detail {

/// The right to run a driver tick. A try-lock, because its holder may sleep in the driver. Another thread can run a
/// tick for an owner that is busy, and does not disturb an owner that sleeps.
///
///                     lock(), by the owner
///               +--------------------------------> mark ---------------+
///               |                                                      |
///     unlocked -+     try_lock_for_owner()                             +- unlock() --> unlocked
///               +--------------------------------> mark | for_owner ---+
///               |     try_close()
///               +--------------------------------> closed, for good
///
///     state              meaning
///     mark               the thread with that mark is in tick() and may sleep
///     mark | for_owner   that thread runs a tick for the owner, without sleeping, or it is one of several workers that
///                        share the driver, and may sleep (shared_wait)
///     closed             the driver is shut down
///
/// It also knows the owner: the thread that was in io_handle::tick() last.
class driver_lock {
public:
    enum class outcome { locked, is_closed, is_held_here, is_busy };

    /// Locks for the owner. Waits briefly if another thread runs a tick for the owner. `is_busy`: another thread is in
    /// tick().
    [[nodiscard]] outcome lock() noexcept {
        for (;;) {
            const word holder = store_if_unlocked(this_mark());
            if (holder == unlocked) return outcome::locked;
            if (holder == closed) return outcome::is_closed;
            if ((holder & ~for_owner) == this_mark()) return outcome::is_held_here;
            if ((holder & for_owner) == 0) return outcome::is_busy;
            yield_thread();  // the other thread runs a single tick
        }
    }
    /// Locks for a tick that is run for the owner. Callable on any thread.
    [[nodiscard]] bool try_lock_for_owner() noexcept { return store_if_unlocked(this_mark() | for_owner) == unlocked; }
    void unlock() noexcept {
        // release: pairs with the acquire in store_if_unlocked(), so that the next tick sees what this tick did.
        word_.store(unlocked, std::memory_order_release);
    }

    /// Locks permanently. Returns false while another thread has the lock, or if it is closed.
    [[nodiscard]] bool try_close() noexcept { return store_if_unlocked(closed) == unlocked; }
    /// Locks permanently in a forked child: the thread that had the lock has stayed in the parent.
    void close_in_child() noexcept {
        word_.store(closed, std::memory_order_relaxed);  // relaxed: only the value is used
    }

    /// Returns whether this thread has the lock.
    [[nodiscard]] bool is_held_here() const noexcept {
        // relaxed: compared with this thread's own mark, which only this thread stores.
        return (word_.load(std::memory_order_relaxed) & ~for_owner) == this_mark();
    }

    // ---- The owner ----

    /// Makes this thread the owner.
    /// Preconditions: lock() has succeeded.
    void become_owner() noexcept {
        // seq_cst: see is_driven_elsewhere(). Usually the mark is already there. relaxed: compared with the own mark.
        if (owner_.load(std::memory_order_relaxed) != this_thread_mark()) {
            owner_.store(this_thread_mark(), std::memory_order_seq_cst);
        }
    }
    /// Returns whether this thread is in a tick, or is the owner, which runs a tick before it sleeps.
    [[nodiscard]] bool is_driven_here() const noexcept {
        // relaxed: compared with this thread's own mark, which only this thread stores.
        return is_held_here() || owner_.load(std::memory_order_relaxed) == this_thread_mark();
    }
    /// Returns whether another thread may be the owner, after work was left for the owner by a seq_cst store.
    [[nodiscard]] bool is_driven_elsewhere() const noexcept {
        // seq_cst, like the store before this call, and like the store in become_owner() and the loads after it
        // (ring_reactor::serve_posted(), ring_reactor::wait_for_lingering()). Each thread stores its word and then
        // loads the other's. With weaker orders, this thread could still see itself as the owner, while the thread
        // that has taken over the ticks misses the work and sleeps.
        return owner_.load(std::memory_order_seq_cst) != this_thread_mark();
    }

private:
    using word = std::uintptr_t;
    static constexpr word unlocked = 0;
    static constexpr word for_owner = 1;  // marks are addresses of aligned objects
    static constexpr word closed = ~word{0};

    /// SAFETY: the address is only compared.
    [[nodiscard]] static word this_mark() noexcept { return reinterpret_cast<word>(this_thread_mark()); }

    /// Stores `mine` if the lock is unlocked. Returns the former value.
    [[nodiscard]] word store_if_unlocked(word mine) noexcept {
        word before = unlocked;
        // acquire: pairs with the release in unlock(). relaxed on failure: only the value is used.
        word_.compare_exchange_strong(before, mine, std::memory_order_acquire, std::memory_order_relaxed);
        return before;
    }

    atomic<word> word_{unlocked};
    atomic<const void*> owner_{nullptr};
};

/// A readiness driver and its ticks: which thread may run one, what a tick does, and how other threads end it.
///
///     guarded by         what
///     lock()             what the driver watches, the removed sources, and the links of all sources (source_set)
///     the driver lock    poll_events(), release_pending(), the pending wake-up
///
/// A source that is removed while its events are being dispatched stays allocated until the end of the tick: see
/// pending_release_list, which only the holder of the driver lock empties, before it polls.
///
/// Thread safety: any thread, except poll_events() and release_pending().
class driver_ticks : immovable {
public:
    // ---- The parts of a tick, for the io_handle and for workers that share the driver ----

    [[nodiscard]] bool try_lock_driver() noexcept { return !is_in_child() && driver_lock_.try_lock_for_owner(); }
    void unlock_driver() noexcept { driver_lock_.unlock(); }
    /// Returns whether this thread is inside a tick, that is, called by a waker.
    [[nodiscard]] bool holds_driver_lock() const noexcept { return driver_lock_.is_held_here(); }
    void set_alarm(std::chrono::nanoseconds delay) noexcept { driver_->set_alarm(delay); }
    /// Polls the driver once and passes each event to its source. Returns the number of events.
    /// Errors: runtime_shutdown; what the driver reports.
    result<std::size_t> poll_events(max_wait timeout) noexcept;
    /// Frees the removed sources.
    void release_pending() noexcept { pending_release_.release_all(lock_); }

    /// Runs one tick for an owner that is busy, without waiting for anything. Callable on any thread. Returns nothing
    /// if another thread has the driver lock, since the tick is then not needed. A wake-up that is found here still
    /// ends the owner's next tick. Workers that share the driver call it while they are busy.
    [[nodiscard]] std::optional<result<std::size_t>> tick_for_busy_owner() noexcept;

    // ---- Wake-ups ----

    /// Ends the tick in progress, or the next one. Does nothing in a forked child: there the epoll is shared with
    /// the parent.
    void wake() noexcept {
        if (!is_in_child()) driver_->wake();
    }
    /// Wakes the thread that runs the ticks, after work was left for it. If that is this thread, it does the work
    /// before it sleeps.
    void wake_if_driven_elsewhere() noexcept {
        if (driver_lock_.is_driven_elsewhere()) wake();
    }
    /// See readiness_driver::make_alarm(). Call it before the first tick.
    [[nodiscard]] result<void> make_alarm() noexcept { return driver_->make_alarm(); }
    /// Like wake(), but the tick may last for `delay` longer.
    /// Preconditions: make_alarm() has succeeded.
    void wake_within(std::chrono::nanoseconds delay) noexcept {
        if (!is_in_child()) driver_->wake_within(delay);
    }

    /// Returns whether later registrations are refused.
    [[nodiscard]] bool is_shut_down() const noexcept {
        // relaxed: the answer may be outdated anyway. source_set::add_source() checks again under the lock.
        return is_shut_down_.load(std::memory_order_relaxed);
    }
    /// Returns whether this process is a fork of the one that created the driver. The epoll is then shared with the
    /// parent, and most operations are refused.
    [[nodiscard]] bool is_in_child() const noexcept { return process_.is_from_parent(); }
    [[nodiscard]] mutex& lock() const noexcept { return lock_; }
    [[nodiscard]] readiness_driver& driver() const noexcept { return *driver_; }
    [[nodiscard]] io_counters& counters() noexcept { return counters_; }
    [[nodiscard]] const io_counters& counters() const noexcept { return counters_; }

protected:
    explicit driver_ticks(std::unique_ptr<readiness_driver> driver) noexcept : driver_(std::move(driver)) {}
    ~driver_ticks() { release_pending(); }

    /// Makes later ticks and registrations fail with runtime_shutdown. Returns false after an earlier call.
    [[nodiscard]] bool mark_shut_down() noexcept;
    /// Takes the driver lock permanently, and closes the driver. Wakes a tick on another thread and waits for its end.
    /// Preconditions: mark_shut_down() has returned true, and no tick of this thread is in progress.
    void close_driver() noexcept;
    /// Returns whether the driver can still be told to unwatch a descriptor. The caller holds the lock.
    [[nodiscard]] bool may_use_driver() const noexcept { return !is_in_child() && !driver_is_closed_; }

    driver_lock driver_lock_;
    bool has_pending_wake_ = false;  // a tick has found a wake-up for the owner; guarded by the driver lock
    pending_release_list pending_release_;

private:
    const std::unique_ptr<readiness_driver> driver_;
    const sys::process_mark process_;
    mutable mutex lock_;
    atomic<bool> is_shut_down_{false};  // written under lock_
    bool driver_is_closed_ = false;     // guarded by lock_
    io_counters counters_;
};

/// Returns the message for a thread that can no longer wait for events: the failed call and a remedy. The text of
/// `error` follows it.
[[nodiscard]] const char* tick_failed(std::optional<driver_kind> kind, const std::error_code& error) noexcept;

/// Prints the message of tick_failed() to standard error and ends the program. Called on threads that cannot report an
/// error to a caller.
[[noreturn, gnu::cold]] void end_without_events(std::optional<driver_kind> kind, const std::error_code& error) noexcept;

}  // namespace eddy::detail
