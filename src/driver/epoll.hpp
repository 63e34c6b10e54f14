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

#include "driver/driver.hpp"
#include "sys/fd.hpp"

namespace eddy::detail {

/// Linux's epoll(7), edge-triggered, over sys::poll.
///
/// Traps: the kernel knows open file descriptions, not descriptors, so a source is taken out before it is closed (a
/// duplicate in a child would keep it reporting); events that were fetched already are still handed out after
/// unwatch(), so a key stays valid until the end of the turn; a regular file is refused with EPERM.
class epoll {
public:
    /// Events fetched by one call. What does not fit waits in the kernel: sources that are always ready take turns,
    /// since the kernel puts a reported source at the end of its list.
    static constexpr std::size_t events_per_turn = 1024;

    [[nodiscard]] static result<epoll> make() noexcept;

    [[nodiscard]] result<void> watch(int fd, source_key key, io::interest wanted) const noexcept {
        return poll_.registry().add(fd, token_of(key), wanted);
    }
    /// Changes what a watched descriptor is watched for; what is the case already is reported again.
    [[nodiscard]] result<void> watch_again(int fd, source_key key, io::interest wanted) const noexcept {
        return poll_.registry().modify(fd, token_of(key), wanted);
    }
    result<void> unwatch(int fd) const noexcept { return poll_.registry().remove(fd); }

    /// (Defined here so that the handing out is inlined.)
    template <class OnEvent>
    result<driver_turn> turn(max_wait timeout, OnEvent on_event) {
        const auto fetched = poll_.wait(events_, timeout);
        if (!fetched) return std::unexpected(fetched.error());
        driver_turn done{*fetched, false};
        for (const auto& event : events_) {
            if (event.token() == wake_token) {
                take_wake();
                --done.events;
                done.was_woken = true;
                continue;
            }
            if (event.token() == alarm_token) {  // it has ended the sleep, which is all that was wanted
                --done.events;
                continue;
            }
            on_event(key_of(event.token()), event.readiness());
        }
        return done;
    }

    /// Whether a wake-up ends this epoll's turns: not while a ring watches waker_handle(). By who is about to turn.
    void hear_wakes(bool here) const noexcept {
        // An eventfd has no priority data. (Refused it would be heard twice, which does no harm.)
        static_cast<void>(poll_.registry().modify(waker_.native_handle(), wake_token,
                                                  here ? io::interest::readable : io::interest::priority));
    }
    [[nodiscard]] int waker_handle() const noexcept { return waker_.native_handle(); }

    /// A wake-up was heard: the next wake() is another.
    void take_wake() const noexcept {
        // acq_rel: pairs with the exchange in wake(). After this, a wake() writes again; and what was published before
        // a wake() that did not write is seen by whoever runs after this turn.
        wake_->is_due.exchange(false, std::memory_order_acq_rel);
    }
    void wake() const noexcept {
        // acq_rel: pairs with the exchange in take_wake().
        if (wake_->is_due.exchange(true, std::memory_order_acq_rel)) return;
        std::lock_guard guard(wake_->lock);
        if (!wake_->is_closed) static_cast<void>(waker_.wake());
    }

    /// Makes what set_alarm() needs. Before the first turn.
    [[nodiscard]] result<void> make_alarm() noexcept;

    /// Ends the next turn, or a later one, once `delay` is over, or earlier if an alarm is set already that has not
    /// gone off. In contrast to a turn's timeout it stays set when turns end for other reasons: the timeout is set and
    /// taken back at each sleep, and on a virtual machine that costs as much as a system call. For who is about to
    /// turn, and is the only one who may: an alarm that goes off in another's turn is lost.
    void set_alarm(std::chrono::nanoseconds delay) noexcept;

    void close() noexcept;

    /// -1 once it is closed.
    [[nodiscard]] int native_handle() const noexcept { return poll_.native_handle(); }

private:
    static constexpr sys::token wake_token{0};  // no keys: keys are addresses
    static constexpr sys::token alarm_token{1};

    static sys::token token_of(source_key key) noexcept { return {reinterpret_cast<std::uintptr_t>(key)}; }
    static source_key key_of(sys::token token) noexcept { return reinterpret_cast<source_key>(token.value); }

    epoll(sys::poll&& poll, sys::waker&& waker);

    struct wake_state {
        atomic<bool> is_due{false};
        // Beside the system call that a wake-up makes, it costs next to nothing, and mostly one thread at a time comes
        // here: the one that has set `is_due`.
        mutex lock;
        bool is_closed = false;
    };

    sys::poll poll_;
    sys::waker waker_;
    sys::unique_fd alarm_;  // a timerfd(2), if make_alarm() was called
    std::chrono::steady_clock::time_point alarm_at_{};
    sys::events events_;
    std::unique_ptr<wake_state> wake_;
};

static_assert(driver_like<epoll>);

}  // namespace eddy::detail
