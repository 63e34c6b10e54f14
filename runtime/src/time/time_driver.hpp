// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/ref_count.hpp>
#include <eddy/detail/spin_lock.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/time/detail/timer_entry.hpp>

#include "time/timer_wheel.hpp"

namespace eddy::detail {

/// The timers of one event loop: a timing wheel, its lock, and a clock that can be paused.
///
/// Tasks migrate between threads, but entries do not migrate between wheels by themselves. An entry is armed in the
/// wheel of the event loop on which it is first polled, and stays there until it is disarmed. It may be polled and
/// dropped on any thread. Wakers are cloned before the lock is taken, and woken and dropped after it is released.
/// Timers never fire early: deadlines are rounded up to the next tick. While the clock is paused they are exact.
/// Lifetime: reference counted. The event loop, which is the owner, calls shutdown() before it gives up its reference.
/// Entries may keep the memory alive after that.
/// Thread safety: any thread, unless stated otherwise.
class time_driver {
public:
    using time_point = timer_entry::time_point;
    using duration = time_point::duration;

    /// The resolution of timers: 1/16 ms.
    static constexpr duration tick = std::chrono::nanoseconds(62'500);

    enum class owner : bool { worker, core };

    /// Makes a driver with one reference. `unpark` is woken each time a deadline is armed that is earlier than all
    /// others, so that a parked event loop can shorten its wait. This includes calls on the loop's own thread, so it
    /// should be cheap if the loop is not parked. It must not own a reference to the driver's owner.
    [[nodiscard]] static time_driver* make(waker unpark = {}, owner by = owner::worker);

    /// Returns whether the driver belongs to a core, whose timers fire only while it runs. A worker's timers are fired
    /// by other workers, too.
    [[nodiscard]] bool is_of_core() const noexcept { return is_of_core_; }

    /// Returns the time: steady_clock's, or the paused time. After resume() the clock continues from the paused
    /// time, so it never goes backwards.
    /// Cost: same as steady_clock::now(); one load while paused.
    [[nodiscard]] time_point now() const noexcept;
    /// Same as now(), but the result is up to 10 ms in the future, unless the clock is paused. For long deadlines.
    /// Cost: same as sys::coarse_now(); one load while paused.
    [[nodiscard]] time_point coarse_now() const noexcept;

    /// Links `entry`. `wake` is woken once `deadline` has been reached. A deadline in the past fires at the next
    /// fire(); time_point::max() never fires. After shutdown(), `entry` becomes `gone` and `wake` is woken immediately.
    /// Preconditions: `entry` is not armed. Called by the entry's owner.
    void arm(timer_entry& entry, time_point deadline, waker wake) noexcept;

    /// Returns whether `entry` is fired or gone. If not, `wake` replaces the previous waker.
    /// Preconditions: `entry` was armed. Called by the entry's owner.
    [[nodiscard]] static bool poll(timer_entry& entry, const waker& wake) noexcept;

    /// Returns when to call fire() next; nullopt without timers. The result is the first deadline rounded up to the
    /// tick. If many timers fire in succession, it is up to 400 us later, so that they fire together. For a distant
    /// deadline it may be earlier: then fire() finds nothing due, and the next result is closer to the deadline.
    /// Cost: one load without timers.
    [[nodiscard]] std::optional<time_point> next_deadline() noexcept;

    /// Wakes the timers that are due at `now`, and returns their number. Entries that are armed meanwhile wait for the
    /// next call, even if their deadlines have passed.
    /// Cost: one load if nothing is due.
    std::size_t fire(time_point now) noexcept;
    /// Same as fire(now()).
    /// Cost: one load if nothing is armed; the clock is not read then.
    std::size_t fire() noexcept;

    /// Wakes all armed entries, which become `gone`. Entries that are armed later become `gone` immediately. The clock
    /// continues.
    void shutdown() noexcept;

    /// Stops the clock at the present time. Does nothing if it is paused.
    void pause() noexcept;
    /// Continues the clock from its paused time. Does nothing if it is not paused.
    void resume() noexcept;
    [[nodiscard]] bool is_paused() const noexcept;

    /// Advances the paused clock. Call fire() afterwards. Durations below zero are treated as zero.
    /// Preconditions: the clock is paused.
    void advance(duration by) noexcept;

    /// Advances the paused clock to the first deadline. Call fire() afterwards. Returns false if the clock is not
    /// paused or there is no timer.
    [[nodiscard]] bool auto_advance() noexcept;

    /// Locks and unlocks: orders the caller after all earlier calls of arm(), and before all later ones. For a thread
    /// that takes over the event loop.
    void synchronize() noexcept;

    /// Adds a reference.
    /// Preconditions: the caller has one.
    void add_reference() noexcept;
    /// Gives up a reference. Frees the driver with the last one.
    void release() noexcept;

private:
    friend class timer_entry;

    // A value of paused_at_ that steady_clock cannot have: the clock is not paused.
    static constexpr duration::rep running = std::numeric_limits<duration::rep>::min();
    // A value that a tick cannot have: ticks are below 2^48.
    static constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();

    time_driver(waker unpark, owner by) noexcept;
    ~time_driver();

    [[nodiscard]] std::uint64_t deadline_tick(time_point deadline) const noexcept;
    [[nodiscard]] std::uint64_t due_tick(time_point now) const noexcept;
    [[nodiscard]] time_point instant_of(std::uint64_t at) const noexcept;

    // With the lock held:
    [[nodiscard]] bool link(timer_entry& entry) noexcept;
    [[nodiscard]] waker settle(timer_entry& entry, timer_entry::state outcome) noexcept;
    [[nodiscard]] timer_entry* take_due(time_point now) noexcept;
    [[nodiscard]] time_point first_due() const noexcept;
    void publish_next() noexcept;

    [[nodiscard]] bool unlink(timer_entry& entry, waker& kept) noexcept;

    ref_count<> references_;
    atomic<duration::rep> paused_at_{running};
    atomic<duration::rep> offset_{0};  // added to steady_clock::now(); not 0 after a pause
    // No entry is due before this tick. `never` without entries; 0 while the wheel's list of due entries is not empty.
    // Changed under the lock. It may be too early, because unlinking an entry does not change it.
    atomic<std::uint64_t> next_{never};
    spin_lock lock_;               // held for a few instructions, or to fire a batch of timers
    bool is_next_current_ = true;  // false: an entry was unlinked since next_ was computed
    bool shut_ = false;
    time_point calm_until_{};  // next_deadline() returns no earlier time
    timer_wheel wheel_;
    entry_list firing_;        // entries that fire() has taken from the wheel and not yet woken
    entry_list endless_;       // entries with the deadline time_point::max(): never due, and ignored by auto_advance()
    const time_point origin_;  // tick 0
    const waker unpark_;
    const bool is_of_core_;
};

}  // namespace eddy::detail
