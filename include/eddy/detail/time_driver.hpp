// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/spin_lock.hpp>
#include <eddy/detail/timer_wheel.hpp>
#include <eddy/waker.hpp>

namespace eddy::detail {

class time_driver;

/// The part of a sleep that a time driver knows. It stands inside the future and is linked into the driver's wheel.
///
///             arm()              fire()
///     idle ----------> armed ----------------> fired         the deadline was reached: ready
///      ^                |  \     shutdown()
///      |                |   +----------------> gone          the loop is gone: to be armed on another one
///      +----------------+-------------------------+
///       disarm(), by the owner, from any state
///
///     state   who may leave it                            what else belongs to it
///     armed   the owner or the driver, under its lock     links and waker belong to the lock
///     others  the owner alone                             links are null, the waker is empty
///
/// An entry keeps its driver's memory until it is disarmed or destroyed. Once fired or gone it has a reference of its
/// own. While it is armed the owner's reference stands for it, since shutdown() comes before that is given up: so
/// arming and dropping a sleep that does not fire, which is what most timeouts come to, does not touch the count.
/// Thread safety: its owner may be on another thread in each call, as a future is; the driver may fire meanwhile.
class EDDY_API timer_entry : wheel_entry {
public:
    using time_point = std::chrono::steady_clock::time_point;

    timer_entry() noexcept = default;
    timer_entry(const timer_entry&) = delete;
    timer_entry& operator=(const timer_entry&) = delete;
    ~timer_entry() {
        if (driver_ != nullptr) disarm();
    }

    /// Whether a driver points at this entry.
    [[nodiscard]] bool is_armed() const noexcept { return state_of() == state::armed; }
    /// Whether the deadline was reached while it was armed.
    [[nodiscard]] bool is_fired() const noexcept { return state_of() == state::fired; }
    /// Whether the driver was shut down before the deadline.
    [[nodiscard]] bool is_gone() const noexcept { return state_of() == state::gone; }

    /// The driver in which it was armed last, until it is disarmed; or null.
    [[nodiscard]] time_driver* driver() const noexcept { return driver_; }

    /// Back to idle. The waker that was to be woken, if it is still here.
    waker disarm() noexcept;

private:
    friend class time_driver;
    enum class state : std::uint8_t { idle, armed, fired, gone };

    [[nodiscard]] state state_of() const noexcept {
        // acquire: pairs with the release in time_driver::settle(): on anything but `armed`, the driver is done with
        // this entry, and its links and waker are the owner's again.
        return state_.load(std::memory_order_acquire);
    }

    atomic<state> state_{state::idle};
    time_point deadline_;
    waker waker_;
    time_driver* driver_ = nullptr;  // null exactly when idle
};

/// The timers of one event loop: a wheel, the lock around it, and the clock, which can be paused.
///
/// Tasks migrate and entries do not: an entry is armed in the wheel of the loop that polls it first, and stays there;
/// it can be polled and dropped on any thread. Wakers are cloned before the lock is taken and woken and dropped after
/// it. Nothing fires early: deadlines are rounded up to the next tick. While the clock is paused they are exact.
/// Lifetime: counted. Its owner, the loop, calls shutdown() before it gives up its reference (see `owned_time_driver`);
/// entries keep the memory after that.
/// Thread safety: any thread, if nothing else is said.
class EDDY_API time_driver {
public:
    using time_point = timer_entry::time_point;
    using duration = time_point::duration;

    static constexpr duration tick = std::chrono::nanoseconds(62'500);

    /// A driver with one reference. `unpark` is woken when a deadline is armed that is earlier than all others: for a
    /// loop that may be parked while another thread arms. It is called on every such occasion, also on the loop's own
    /// thread, so it should be cheap when the loop is not parked. It must not point back at what owns the driver by
    /// reference count.
    [[nodiscard]] static time_driver* make(waker unpark = {});

    /// The clock: steady_clock, or the paused instant. After resume() it goes on from there, so it never jumps back.
    /// Cost: that of reading steady_clock; while paused one load.
    [[nodiscard]] time_point now() const noexcept;

    /// Links `entry` in: `wake` is woken once `deadline` has been reached. A deadline in the past fires at the next
    /// fire(), time_point::max() never. On a driver that has shut down the entry is `gone`, and `wake` woken, at once.
    /// Preconditions: the entry is not armed. Its owner's call.
    void arm(timer_entry& entry, time_point deadline, waker wake) noexcept;

    /// Whether `entry`, which was armed, has left that state: fired or gone. If not, the waker of this poll replaces
    /// the former one. Its owner's call.
    [[nodiscard]] static bool poll(timer_entry& entry, const waker& wake) noexcept;

    /// When to call fire() next; nothing without timers. The first deadline rounded up to the tick, or, where many
    /// timers fire one after the other, up to 400 us later, so that they are fired together. For a deadline far ahead
    /// it may be earlier: then fire() finds nothing, and the next answer is closer. Cost: one load without timers.
    [[nodiscard]] std::optional<time_point> next_deadline() noexcept;

    /// Wakes what is due at `now`, and returns how much that was. Entries armed meanwhile wait for the next call, even
    /// if their deadline has passed.
    /// Cost: one load if nothing is due.
    std::size_t fire(time_point now) noexcept;
    /// The same at this instant.
    /// Cost: one load if nothing is armed: then the clock is not read.
    std::size_t fire() noexcept;

    /// Wakes all that is armed: those entries are `gone`. Later ones are so at once. The clock goes on.
    void shutdown() noexcept;

    /// Stops the clock at this instant. Nothing happens if it stands already.
    void pause() noexcept;
    /// Lets the clock go on from where it stands. Nothing happens if it goes already.
    void resume() noexcept;
    [[nodiscard]] bool is_paused() const noexcept;

    /// Moves the paused clock forward; fire() is still the caller's to call. Durations below zero count as zero.
    /// Preconditions: paused.
    void advance(duration by) noexcept;

    /// Moves the paused clock to the first deadline, for the loop to fire. False if it is not paused, or if there is
    /// none.
    [[nodiscard]] bool auto_advance() noexcept;

    /// Orders the caller after all that was armed before, and before all that is armed later.
    void synchronise() noexcept;

    void add_reference() noexcept;
    void release() noexcept;

private:
    friend class timer_entry;

    // Outside what a steady_clock shows: the clock is not paused.
    static constexpr duration::rep running = std::numeric_limits<duration::rep>::min();
    // Outside what a tick can be (they are below 2^48).
    static constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();

    explicit time_driver(waker unpark) noexcept;
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

    atomic<std::uint32_t> references_{1};
    atomic<duration::rep> paused_at_{running};
    atomic<duration::rep> offset_{0};  // how far the clock is from steady_clock, since it was paused
    // No entry is due before this tick; `never` without entries, 0 while some lie in the wheel's list of what is due.
    // Changed under the lock. It may be too early, since taking an entry out does not change it.
    atomic<std::uint64_t> next_{never};
    spin_lock lock_;  // held for a few instructions, or for a batch of what fires
    bool shut_ = false;
    time_point calm_until_{};  // before this next_deadline() wants no wake-up
    timer_wheel wheel_;
    entry_list firing_;        // taken from the wheel by fire(), not yet handed out
    entry_list endless_;       // the deadline is time_point::max(): never due, and no reason to move a paused clock
    const time_point origin_;  // tick 0
    const waker unpark_;
};

/// Shuts the driver down and gives up the owner's reference.
struct time_driver_owner {
    void operator()(time_driver* driver) const noexcept {
        driver->shutdown();
        driver->release();
    }
};

/// How a loop holds its driver: `owned_time_driver timers(time_driver::make());`
using owned_time_driver = std::unique_ptr<time_driver, time_driver_owner>;

/// The driver of the event loop that this thread is in, or null.
[[nodiscard]] EDDY_API time_driver* current_time_driver() noexcept;

/// Makes `driver` the one of this thread, as a loop does that begins or ends to run here. The former one.
EDDY_API time_driver* exchange_current_time_driver(time_driver* driver) noexcept;

}  // namespace eddy::detail
