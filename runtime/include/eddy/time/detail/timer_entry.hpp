// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/future/waker.hpp>

namespace eddy::detail {

class time_driver;

/// The links of a list: a base of each entry, and the list's head.
struct wheel_links {
    wheel_links* prev = nullptr;
    wheel_links* next = nullptr;
};

/// An entry of the wheel: its links, its slot and its due tick.
/// Lifetime: must not be moved while it is linked.
struct wheel_entry : wheel_links {
    static constexpr std::uint16_t no_slot = 0xffff;

    std::uint64_t tick = 0;
    std::uint16_t slot = no_slot;  ///< level * 256 + number; no_slot in a list outside the levels

    [[nodiscard]] bool is_linked() const noexcept { return next != nullptr; }
};

/// The part of a sleep future that a time driver accesses: an entry of the driver's wheel.
///
///             arm()              fire()
///     idle ----------> armed ----------------> fired         the deadline was reached: ready
///      ^                |  \     shutdown()
///      |                |   +----------------> gone          the event loop is gone: must be armed on another one
///      +----------------+-------------------------+
///       disarm(), by the owner, from any state
///
///     state   left by                                     other members
///     armed   the owner or the driver, under its lock     links and waker are guarded by the lock
///     others  the owner                                   links are null, the waker is empty
///
/// Lifetime: must not be moved while it is armed. An entry keeps its driver's memory alive until it is disarmed or
/// destroyed. In the states `fired` and `gone` it has its own reference. While it is armed, it uses the reference of
/// the driver's owner, which is given up only after shutdown(). So a timeout that does not fire, the most frequent
/// case, does not change the reference count.
/// Thread safety: the owner may be on a different thread in each call. The driver may fire concurrently.
class EDDY_API timer_entry : wheel_entry, immovable {
public:
    using time_point = std::chrono::steady_clock::time_point;

    ~timer_entry() {
        if (driver_ != nullptr) disarm();
    }

    /// Returns whether the entry is linked in a driver.
    [[nodiscard]] bool is_armed() const noexcept { return state_of() == state::armed; }
    /// Returns whether the deadline was reached while the entry was armed.
    [[nodiscard]] bool is_fired() const noexcept { return state_of() == state::fired; }
    /// Returns whether the driver was shut down before the deadline.
    [[nodiscard]] bool is_gone() const noexcept { return state_of() == state::gone; }

    /// Returns the driver in which the entry was last armed, or null if the entry is idle.
    [[nodiscard]] time_driver* driver() const noexcept { return driver_; }

    /// Changes the state to `idle`. Returns the waker, if it was not woken; the caller should drop it outside of locks.
    waker disarm() noexcept;

private:
    friend class time_driver;
    enum class state : std::uint8_t { idle, armed, fired, gone };

    [[nodiscard]] state state_of() const noexcept {
        // acquire: pairs with the release in time_driver::settle(). In a state other than `armed`, the driver no longer
        // accesses this entry, and its links and waker belong to the owner.
        return state_.load(std::memory_order_acquire);
    }

    atomic<state> state_{state::idle};
    time_point deadline_;
    waker waker_;
    time_driver* driver_ = nullptr;  // null exactly when idle
};

}  // namespace eddy::detail
