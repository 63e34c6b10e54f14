// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/wait_record.hpp>
#include <eddy/future/detail/waiter_list.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/sync/detail/active_notifiers.hpp>

namespace eddy::detail {

/// An atomic word whose lowest bit is a spin lock. The lock guards the word and data next to it. While the lock is
/// free, any thread changes the word with replace(). While it is held, only the holder changes the word, with set() or
/// unlock_as(). So a thread that takes the lock and changes the word needs one read-modify-write instead of two.
/// Satisfies BasicLockable.
/// Thread safety: any thread.
class lock_word {
public:
    using value_type = std::uint64_t;
    /// Values are multiples of this: the lower bit is the lock.
    static constexpr value_type unit = 2;

    constexpr explicit lock_word(value_type start) noexcept : word_(start) {}

    /// Returns the value without the lock bit. If another thread holds the lock, the value may be about to change.
    [[nodiscard]] value_type load(std::memory_order order) const noexcept { return word_.load(order) & ~held; }
    /// Returns the word with the lock bit, for replace().
    [[nodiscard]] value_type snapshot(std::memory_order order) const noexcept { return word_.load(order); }
    [[nodiscard]] static bool is_held(value_type snapshot) noexcept { return (snapshot & held) != 0; }

    /// Replaces `expected` with `next`. Returns false, and stores the present word in `expected`, if the word differs;
    /// may fail spuriously. `order` applies to success.
    /// Preconditions: `expected` is a snapshot in which the lock is free.
    bool replace(value_type& expected, value_type next, std::memory_order order) noexcept {
        // relaxed on failure: only the word is used, for the next attempt.
        return word_.compare_exchange_weak(expected, next, order, std::memory_order_relaxed);
    }

    void lock() noexcept {
#ifdef EDDY_EXPLORE
        instead_of_spinning_.lock();
#endif
        // acquire: pairs with the release in unlock_as(), for the data that the lock guards; and with the release in
        // replace(), for what its callers wrote before they changed the word. A fetch_or of the bit that is set already
        // changes nothing, so the holder may still use plain stores.
        while (is_held(word_.fetch_or(held, std::memory_order_acquire))) yield_thread();
    }
    void unlock() noexcept {
        // relaxed: only the holder changes the value, and this thread is the holder.
        unlock_as(load(std::memory_order_relaxed));
    }
    /// Sets the value and releases the lock with one store.
    /// Preconditions: the caller holds the lock.
    void unlock_as(value_type next) noexcept {
        // release: pairs with the acquire in lock(), and in load() and snapshot() if the caller chose it.
        word_.store(next, std::memory_order_release);
#ifdef EDDY_EXPLORE
        instead_of_spinning_.unlock();
#endif
    }
    /// Sets the value and keeps the lock.
    /// Preconditions: the caller holds the lock.
    void set(value_type next) noexcept {
        // release: pairs with an acquire in load() or snapshot(); a thread that reads the value without the lock sees
        // what the caller wrote before.
        word_.store(next | held, std::memory_order_release);
    }

private:
    static constexpr value_type held = 1;

    atomic<value_type> word_;
#ifdef EDDY_EXPLORE
    mutex instead_of_spinning_;  // a spinning thread has infinitely many interleavings, which are all equivalent
#endif
};

// The state of sync::notify, and of the types that wake all their waiters: watch, set_once, cancellation_token.
//
//     word   bit 0          the lock: see lock_word
//            bits 1 and 2   idle, waiting or permit: see below
//            the rest       the number of calls of notify_waiters()
//     rest   under the lock
//
//              a future waits                     notify_one(), without waiters
//     waiting <────────────── idle ───────────────────────────────────────────────> permit
//        └── the last waiter is notified or leaves ─^ ^────────── a future takes it ───┘
//
// A notifier takes the lock only if there are waiters, or if another thread holds the lock. In the state `waiting`, the
// word is changed under the lock only.
//
// `waiting_` lists the waiters whose `calls` equals the word's count. notify_waiters() increments the count and moves
// all of them to `leaving_` in one step. From then on they are ready, even before their wakers are woken. The notifier
// wakes them in batches, so that it does not wake under the lock. A waiter that arrives meanwhile has the new count and
// is added to `waiting_`.

/// A future's entry in a notify_state. Must not be moved while it waits.
struct notify_waiter : waiter {
    /// fresh: begun, and in no list. waiting: in a list, or just notified. ended: notified, or not begun.
    enum class stages : std::uint8_t { fresh, waiting, ended };
    /// The kind of notification: by notify_one(), notify_last() or notify_waiters().
    enum class notification_kind : std::uint8_t { none, to_first, to_last, to_all };

    /// The notification that this waiter received. After the notifier has stored it, under the lock, no other thread
    /// accesses this object.
    atomic<notification_kind> notification{notification_kind::none};
    /// Accessed by the future only.
    stages stage = stages::ended;
    /// The number of notify_waiters() calls when this waiter began.
    std::uint64_t calls = 0;
    /// The await that polled the future, for the message if it is moved while it waits.
    call_site polled_at = nullptr;

    notify_waiter() noexcept = default;
    explicit notify_waiter(std::uint64_t calls_before) noexcept : stage(stages::fresh), calls(calls_before) {}
    /// For the move constructor of a future; `what` is the future's name. Aborts with a message if `other` waits.
    notify_waiter(const notify_waiter& other, const char* what) noexcept : stage(other.stage), calls(other.calls) {
        if (other.stage == stages::waiting) fatal_moved(what, other.polled_at);
    }
    /// Same as above. The message has the text `misuse` and the location `made_at`, at which the future was created.
    notify_waiter(const notify_waiter& other, const char* misuse, const std::source_location& made_at) noexcept
        : stage(other.stage), calls(other.calls) {
        if (other.stage == stages::waiting) fatal_misuse(misuse, made_at);
    }
};

/// A list of waiters that can be notified one by one or all together.
/// Thread safety: any thread. Calls for the same notify_waiter must not overlap.
/// Cost: one atomic read-modify-write to notify without waiters; otherwise a lock.
class EDDY_API notify_state : immovable {
public:
    /// Waits until active notifiers on other threads are done. Returns false if there are waiters: a misuse.
    [[nodiscard]] bool may_be_destroyed() noexcept;
    /// Returns whether a task waits.
    [[nodiscard]] bool has_waiters() noexcept;
    /// Ends the program with `text` and the location of an await, after may_be_destroyed() has returned false.
    [[noreturn]] void destroyed_too_early(const char* text) const noexcept;

    /// Notifies the waiter that has waited longest, or stores a permit if there are no waiters.
    void notify_one() noexcept {
        if (!leave_permit()) notify_waiting(notify_waiter::notification_kind::to_first);
    }
    /// Notifies the waiter that began to wait last, or stores a permit if there are no waiters.
    void notify_last() noexcept {
        if (!leave_permit()) notify_waiting(notify_waiter::notification_kind::to_last);
    }
    /// Notifies all present waiters. Stores no permit.
    void notify_waiters() noexcept {
        if (!count_call()) notify_all_waiting();
    }

    /// Starts `one`: it receives the notifications from now on. To miss no update, read the notifier's data between
    /// begin() and poll().
    /// Preconditions: `one` does not wait.
    void begin(notify_waiter& one) const noexcept {
        one.calls = calls_until_now();
        // relaxed: `one` is in no list, so no other thread accesses it.
        one.notification.store(notify_waiter::notification_kind::none, std::memory_order_relaxed);
        one.stage = notify_waiter::stages::fresh;
    }

    /// Returns a new waiter that is started, as by begin(one).
    [[nodiscard]] notify_waiter begin() const noexcept { return notify_waiter(calls_until_now()); }

    /// Returns whether `one` was notified. If not, adds it to the waiters, with a clone of `*wake` if that exists.
    [[nodiscard]] bool poll(notify_waiter& one, const waker* wake) noexcept {
        switch (one.stage) {
        case notify_waiter::stages::ended: return true;
        case notify_waiter::stages::waiting: return poll_waiting(one, wake);
        case notify_waiter::stages::fresh: break;
        }
        // acquire, here and below: pairs with the release in count_call(), leave_permit() and the lock's release. The
        // caller sees what the notifier wrote.
        word now = word_.snapshot(std::memory_order_acquire);
        if (calls_in(now) != one.calls) return end(one);  // by notify_waiters(): a permit is left to another waiter
        if (state_in(now) == permit && !lock_word::is_held(now) &&
            word_.replace(now, now - permit, std::memory_order_acquire))
            return end(one);
        return poll_fresh(one, wake);
    }

    /// Removes `one` from the waiters. A notification from notify_one() or notify_last() that `one` has received and
    /// not consumed is passed to the next waiter.
    void leave(notify_waiter& one) noexcept {
        if (one.stage == notify_waiter::stages::waiting) leave_waiting(one);
    }

    /// Returns true if `is_so()` returns true. Otherwise the next notification will wake `wake`. The notifier must
    /// notify after each change of the condition.
    template <class Fn>
    [[nodiscard]] bool poll_until(notify_waiter& one, const waker& wake, const Fn& is_so) noexcept {
        for (;;) {
            // Register before checking: a change between the two steps is then notified.
            if (one.stage != notify_waiter::stages::waiting) begin(one);
            if (is_so()) {
                leave(one);
                return true;
            }
            if (!poll(one, &wake)) return false;
            // The condition may have changed back since the notification: check again.
        }
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
        // acquire: pairs with the release in count_call() and notify_all_waiting(). The caller sees what was written
        // before the calls that it counts.
        return calls_in(word_.load(std::memory_order_acquire));
    }

    /// Returns whether the word can only be changed under the lock: there are waiters, or the lock is held.
    static bool is_engaged(word snapshot) noexcept {
        return state_in(snapshot) == waiting || lock_word::is_held(snapshot);
    }

    /// Stores a permit. Returns false, without a change, if that requires the lock.
    bool leave_permit() noexcept {
        word now = word_.snapshot(std::memory_order_relaxed);  // relaxed: it publishes no other data
        do {
            if (is_engaged(now)) return false;
            // release: pairs with the acquire of the future that takes the permit. Stored even if there is a permit
            // already: that future must also see what this caller wrote.
        } while (!word_.replace(now, with_permit(now), std::memory_order_release));
        return true;
    }

    /// Counts a notify_waiters() call. Returns false, without a change, if that requires the lock.
    bool count_call() noexcept {
        word now = word_.snapshot(std::memory_order_relaxed);  // relaxed: it publishes no other data
        do {
            if (is_engaged(now)) return false;
            // release: pairs with the acquire in calls_until_now(), poll() and lock().
        } while (!word_.replace(now, now + one_call, std::memory_order_release));
        return true;
    }

    void notify_waiting(notify_waiter::notification_kind notification) noexcept;
    void notify_all_waiting() noexcept;
    bool poll_fresh(notify_waiter& one, const waker* wake) noexcept;
    bool poll_waiting(notify_waiter& one, const waker* wake) noexcept;
    void leave_waiting(notify_waiter& one) noexcept;

    // With the lock held:
    [[nodiscard]] word current() const noexcept;
    [[nodiscard]] bool is_waiting(const notify_waiter& one) const noexcept;
    waker deliver(notify_waiter& one, notify_waiter::notification_kind notification) noexcept;
    waker deliver_next(notify_waiter::notification_kind notification) noexcept;
    void unlist(notify_waiter& one) noexcept;
    [[nodiscard]] word without_waiter() const noexcept;

    lock_word word_{idle};
    waiter_list<notify_waiter> waiting_;
    waiter_list<notify_waiter> leaving_;
    active_notifiers active_notifiers_;
};

}  // namespace eddy::detail
