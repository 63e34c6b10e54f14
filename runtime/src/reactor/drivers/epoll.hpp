// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/sys/poll.hpp>

#include "reactor/drivers/driver.hpp"
#include "sys/fd.hpp"

namespace eddy::detail {

/// The readiness driver for Linux: epoll(7), edge-triggered, on top of sys::poll.
///
/// Kernel behavior that callers must know:
///  - epoll tracks open file descriptions, not descriptors. Remove a source before closing it: a duplicate in a child
///    process would keep reporting it.
///  - Events that were already fetched are still delivered after unwatch(). A key stays valid until the tick has ended.
///  - A regular file is refused with EPERM.
///
/// Thread safety: see readiness_driver.
class epoll final : public readiness_driver, public ring_partner {
public:
    /// Creates an epoll of which one tick fetches at most `events_per_tick` events. Further events stay in the kernel.
    /// Sources that are always ready are served in rotation, since the kernel moves a reported source to the end of its
    /// list.
    /// Errors: what epoll_create1(2), eventfd(2) and epoll_ctl(2) report; std::errc::not_enough_memory.
    /// Preconditions: `events_per_tick` is not 0.
    [[nodiscard]] static result<std::unique_ptr<epoll>> make(std::size_t events_per_tick) noexcept;

    /// Watches `fd`.
    /// Errors: what epoll_ctl(2) reports.
    [[nodiscard]] result<void> watch(int fd, source_key key, io::interest wanted) noexcept override {
        return poll_.registry().add(fd, token_of(key), wanted);
    }
    /// Changes what a watched descriptor is watched for. If a condition already holds, reports it once more.
    [[nodiscard]] result<void> watch_again(int fd, source_key key, io::interest wanted) noexcept override {
        return poll_.registry().modify(fd, token_of(key), wanted);
    }
    /// Stops watching `fd`.
    /// Errors: what epoll_ctl(2) reports.
    result<void> unwatch(int fd) noexcept override { return poll_.registry().remove(fd); }

    result<driver_tick> tick(max_wait timeout) override;
    /// Returns whether the last tick fetched as many events as it may, so that there may be more.
    [[nodiscard]] bool was_full() const noexcept override { return was_full_; }

    /// Sets whether a wake-up ends the ticks of this epoll. Pass false while a ring watches waker_handle(). Call this
    /// only on the thread that is about to run a tick.
    void enable_wake_ups(bool enabled) const noexcept override {
        // An eventfd never has priority data, so this interest disables its events. (If the call fails, both the ring
        // and the epoll report a wake-up, which is harmless.)
        static_cast<void>(poll_.registry().modify(waker_.native_handle(), wake_token,
                                                  enabled ? io::interest::readable : io::interest::priority));
    }
    /// The eventfd that wake() writes to.
    [[nodiscard]] int waker_handle() const noexcept override { return waker_.native_handle(); }

    /// Records that a wake-up was received: the next wake() writes to the eventfd again.
    void take_wake() noexcept override {
        // acq_rel: pairs with the exchange in wake(). A wake() that finds the flag set writes nothing. The exchange
        // nevertheless makes visible what its thread has published before.
        wake_is_due_.exchange(false, std::memory_order_acq_rel);
    }
    /// Ends the tick in progress, or the next one. Any thread, also after close().
    void wake() noexcept override {
        // acq_rel: pairs with the exchange in take_wake().
        if (wake_is_due_.exchange(true, std::memory_order_acq_rel)) return;
        std::lock_guard guard(lock_);
        if (!is_closed_) static_cast<void>(waker_.wake());
    }

    /// Creates the timer of set_alarm(). Call it before the first tick.
    /// Errors: what timerfd_create(2) and epoll_ctl(2) report.
    [[nodiscard]] result<void> make_alarm() noexcept override;

    /// Ends a tick once `delay` is over, or earlier if an alarm is already set. Unlike the timeout of a tick, the alarm
    /// stays set when ticks end for other reasons. The kernel arms and cancels a timeout in each wait, which on a
    /// virtual machine costs as much as a system call.
    /// Preconditions: make_alarm() has succeeded. The caller is about to run a tick, and is the only thread that does:
    /// an alarm that expires during another thread's tick is lost.
    void set_alarm(std::chrono::nanoseconds delay) noexcept override;
    /// Ends the tick that runs once `delay` is over, or an earlier one, or the next one.
    /// Thread safety: any thread, also after close().
    /// Preconditions: make_alarm() has succeeded.
    void wake_within(std::chrono::nanoseconds delay) noexcept override;

    /// Closes all descriptors. See readiness_driver.
    void close() noexcept override;

    /// Returns the epoll's descriptor; -1 after close().
    [[nodiscard]] int native_handle() const noexcept override { return poll_.native_handle(); }
    [[nodiscard]] ring_partner* beside_ring() noexcept override { return this; }

private:
    static constexpr sys::token wake_token{0};  // no key has these values: keys are addresses
    static constexpr sys::token alarm_token{1};

    // SAFETY: the driver only stores the address and returns it. The source_set that watches the source keeps it
    // allocated until the end of the tick in which it may still be reported.
    static sys::token token_of(source_key key) noexcept { return {reinterpret_cast<std::uintptr_t>(key)}; }
    static source_key key_of(sys::token token) noexcept { return reinterpret_cast<source_key>(token.value); }

    using time_point = std::chrono::steady_clock::time_point;

    epoll(sys::poll&& poll, sys::waker&& waker, std::size_t events_per_tick);
    void start_alarm(time_point now, std::chrono::nanoseconds delay) noexcept;

    sys::poll poll_;
    sys::waker waker_;
    sys::unique_fd alarm_;  // a timerfd(2), if make_alarm() was called
    sys::events events_;
    bool was_full_ = false;

    // ---- The state of wake(), wake_within(), set_alarm() and close() ----
    atomic<bool> wake_is_due_{false};
    // When the alarm expires, or has expired. Changes under the lock.
    atomic<std::chrono::nanoseconds::rep> alarm_at_{0};
    // The lock costs little compared to the system call of a wake-up, and is rarely contended: apart from close(),
    // only the thread that has set `wake_is_due_`, or that is about to start the alarm, takes it.
    mutex lock_;
    bool is_closed_ = false;
};

}  // namespace eddy::detail
