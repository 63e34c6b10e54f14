// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/lock_word.hpp>
#include <eddy/detail/tellers.hpp>
#include <eddy/detail/waiter_list.hpp>
#include <eddy/error.hpp>
#include <eddy/waker.hpp>

// What is behind sync::notify, and behind all that wakes everybody who waits: watch, set_once, cancellation_token.
//
//     word   bit 0          the lock (lock_word.hpp)
//            bits 1 and 2   idle, waiting or permit: see below
//            the rest       how often all were notified ("calls")
//     rest   under the lock
//
//              a future waits                     notify_one(), while nobody waits
//     waiting <────────────── idle ───────────────────────────────────────────────> permit
//        └── the last one is notified, or leaves ──^ ^────────── a future takes it ───┘
//
// Without waiters nothing takes the lock, but those who begin to wait; while it says `waiting`, the word is changed
// under the lock only. `waiting_` holds those whose `calls` are the word's. When all are notified, the word counts one
// more, and they are moved to `leaving_`, as one: they are ready from then on, whether they have been told or not, and
// are told in batches, so that wakers are not woken under the lock. Who comes meanwhile has the new number, and is in
// the other list.

namespace eddy::detail {

/// A future's part. Not moved once it waits.
struct notify_waiter : waiter {
    enum class stages : std::uint8_t { fresh, waiting, ended };
    enum class gifts : std::uint8_t { none, to_first, to_last, to_all };

    /// How often all had been notified when this began.
    std::uint64_t calls = 0;
    /// What it was handed: written under the lock, after which nobody else touches this any more.
    atomic<gifts> gift{gifts::none};
    /// The future's own.
    stages stage = stages::ended;

    notify_waiter() noexcept = default;
    explicit notify_waiter(std::uint64_t calls_before) noexcept : calls(calls_before), stage(stages::fresh) {}
    /// For the future's move constructor: `other` must not wait yet, and `misuse` says what was moved if it does.
    notify_waiter(const notify_waiter& other, const char* misuse) noexcept : calls(other.calls), stage(other.stage) {
        if (other.stage == stages::waiting) fatal_misuse(misuse);
    }
};

class EDDY_API notify_state {
public:
    notify_state() noexcept = default;
    notify_state(const notify_state&) = delete;
    notify_state& operator=(const notify_state&) = delete;
    /// Waits for notifiers that are about to leave, on other threads. True if nobody waits; else it is misuse, and the
    /// caller says so.
    [[nodiscard]] bool may_be_destroyed() noexcept;

    void notify_one() noexcept {
        if (!leave_permit()) notify_waiting(notify_waiter::gifts::to_first);
    }
    void notify_last() noexcept {
        if (!leave_permit()) notify_waiting(notify_waiter::gifts::to_last);
    }
    void notify_waiters() noexcept {
        if (!count_call()) notify_all_waiting();
    }

    /// What `one` waits for is what is notified from now on. It must not be waiting.
    /// Who reads after this, and before poll(), what a notifier writes before it notifies, misses nothing.
    void begin(notify_waiter& one) const noexcept {
        one.calls = calls_until_now();
        one.gift.store(notify_waiter::gifts::none, std::memory_order_relaxed);  // nobody else looks at it
        one.stage = notify_waiter::stages::fresh;
    }

    /// A waiter that has begun.
    [[nodiscard]] notify_waiter begin() const noexcept { return notify_waiter(calls_until_now()); }

    /// Whether `one` was notified. If not, it waits; and if there is a `wake`, that will be woken.
    [[nodiscard]] bool poll(notify_waiter& one, const waker* wake) noexcept {
        switch (one.stage) {
        case notify_waiter::stages::ended: return true;
        case notify_waiter::stages::waiting: return poll_waiting(one, wake);
        case notify_waiter::stages::fresh: break;
        }
        // acquire, here and below: pairs with the release of who notified.
        word now = word_.snapshot(std::memory_order_acquire);
        if (calls_in(now) != one.calls) return end(one);  // a permit is not its own, then
        if (state_in(now) == permit && !lock_word::is_held(now) &&
            word_.replace(now, now - permit, std::memory_order_acquire))
            return end(one);
        return poll_fresh(one, wake);
    }

    /// `one` waits no more. What it was handed by notify_one() or notify_last() goes to the next.
    void leave(notify_waiter& one) noexcept {
        if (one.stage == notify_waiter::stages::waiting) leave_waiting(one);
    }

private:
    using word = lock_word::value_type;
    static constexpr word idle = 0;
    static constexpr word waiting = lock_word::unit;
    static constexpr word permit = 2 * lock_word::unit;
    static constexpr word state_bits = waiting | permit;
    static constexpr word one_call = 4 * lock_word::unit;

    static word state_in(word w) noexcept { return w & state_bits; }
    static word with_permit(word w) noexcept { return (w & ~state_bits) | permit; }
    static word calls_in(word w) noexcept { return w / one_call; }
    static bool end(notify_waiter& one) noexcept {
        one.stage = notify_waiter::stages::ended;
        return true;
    }

    [[nodiscard]] word calls_until_now() const noexcept {
        // acquire: pairs with the release in count_call() and notify_all_waiting(). A call that counts as former has
        // published what it tells of.
        return calls_in(word_.load(std::memory_order_acquire));
    }

    /// Whether it takes the lock to change it: somebody waits, or is about to.
    static bool is_engaged(word snapshot) noexcept {
        return state_in(snapshot) == waiting || lock_word::is_held(snapshot);
    }

    /// False, and nothing is done, if that takes the lock.
    bool leave_permit() noexcept {
        word now = word_.snapshot(std::memory_order_relaxed);  // nothing is read through it
        do {
            if (is_engaged(now)) return false;
            // release: pairs with the acquire of who takes the permit. Done even if there is one already: who takes it
            // is to see what this caller wrote, too.
        } while (!word_.replace(now, with_permit(now), std::memory_order_release));
        return true;
    }

    /// False, and nothing is done, if that takes the lock.
    bool count_call() noexcept {
        word now = word_.snapshot(std::memory_order_relaxed);  // nothing is read through it
        do {
            if (is_engaged(now)) return false;
            // release: pairs with the acquire in begin(), poll() and lock().
        } while (!word_.replace(now, now + one_call, std::memory_order_release));
        return true;
    }

    void notify_waiting(notify_waiter::gifts gift) noexcept;
    void notify_all_waiting() noexcept;
    bool poll_fresh(notify_waiter& one, const waker* wake) noexcept;
    bool poll_waiting(notify_waiter& one, const waker* wake) noexcept;
    void leave_waiting(notify_waiter& one) noexcept;

    // Under the lock.
    [[nodiscard]] word current() const noexcept;
    [[nodiscard]] bool is_waiting(const notify_waiter& one) const noexcept;
    waker hand(notify_waiter& one, notify_waiter::gifts gift) noexcept;
    waker hand_to_next(notify_waiter::gifts gift) noexcept;
    void unlist(notify_waiter& one) noexcept;
    [[nodiscard]] word without_waiter() const noexcept;

    lock_word word_{idle};
    waiter_list<notify_waiter> waiting_;
    waiter_list<notify_waiter> leaving_;
    tellers tellers_;
};

}  // namespace eddy::detail
