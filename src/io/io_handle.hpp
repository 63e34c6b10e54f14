// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/scheduled_io.hpp>
#include <eddy/io/interest.hpp>
#include <eddy/reactor.hpp>
#include <eddy/result.hpp>

#include "core/this_thread.hpp"
#include "driver/epoll.hpp"

namespace eddy::detail {

/// A driver and the set of what is registered with it, shared by the loop that turns it and by all registrations and
/// handles, on any thread. Counted: it lives as long as any of them.
///
///     who                     may
///     the owner               turn(), shut_down()
///     any thread              add_source(), remove_source(), wake(), metrics(), load(), turn_for_other()
///     whoever has the turn    poll_events()
///
/// The turn is a try-lock, in one word:
///
///     turn_         meaning                                                  left by
///     nobody        -                                                        whoever begins a turn; shut_down(): to closed
///     mark          the thread of that mark is in turn(), perhaps asleep     its end: to nobody
///     mark | visit  that thread looks in for the owner, and never sleeps     its end: to nobody
///     closed        shut down                                                -
///
/// So another thread can hand out the events of an owner that is busy, and an owner that sleeps is not disturbed.
///
/// A source that is removed while its events are being handed out stays allocated until the turn has ended: it goes to
/// `pending_release_`, which only whoever has the turn empties, before it polls.
class io_handle {
public:
    [[nodiscard]] static result<io_handle*> make(driver_kind kind) noexcept;
    io_handle(const io_handle&) = delete;
    io_handle& operator=(const io_handle&) = delete;

    void retain() noexcept;
    void release() noexcept;

    /// Registers `fd`. On an error nothing is left behind.
    [[nodiscard]] result<scheduled_io*> add_source(int fd, io::interest wanted) noexcept;

    /// Takes `fd` out of the driver, and gives up the caller's reference. `fd` is still open.
    result<void> remove_source(scheduled_io& source, int fd) noexcept;

    /// The owner: one call of the selector: hands each event to its source, and wakes who waits. The number of events.
    /// Waits, briefly, for the end of a visit. An `alarm` is set first, see epoll::set_alarm().
    /// Errors: runtime_shutdown; resource_deadlock_would_occur from inside a turn of this thread; device_or_resource_busy
    /// while another thread is in turn().
    /// Cost: one uncontended compare-exchange beside the system call.
    result<std::size_t> turn(max_wait timeout, max_wait alarm = std::nullopt) noexcept;

    /// Any thread, for an owner that is busy: the same without waiting for anything. Nothing if somebody has the turn:
    /// then it is not needed. A wake-up that is found here still ends the owner's next turn.
    [[nodiscard]] std::optional<result<std::size_t>> turn_for_other() noexcept;

    /// The parts of turn_for_other(), for whoever has more to do for the owner meanwhile.
    [[nodiscard]] bool try_begin_turn() noexcept { return begin_turn(this_mark() | visit) == nobody; }
    result<std::size_t> poll_events(max_wait timeout) noexcept;
    void end_turn() noexcept {
        // release: pairs with begin_turn(); whoever turns next sees what this turn did.
        turn_.store(nobody, std::memory_order_release);
    }

    /// See epoll::make_alarm(). Before the first turn.
    [[nodiscard]] result<void> make_alarm() noexcept { return driver_.make_alarm(); }

    /// Nothing in a forked child: the epoll there is the parent's.
    void wake() noexcept {
        if (!is_in_child()) driver_.wake();
    }

    /// Ends every wait, pending or later, with runtime_shutdown, and closes the driver's descriptors: also if handles and
    /// registrations are left, which outlive it. A second call does nothing.
    /// A turn that another thread is in is waited for, after a wake-up. Preconditions: not inside a turn of this thread.
    void shut_down() noexcept;

    /// Whether this process is a fork of the one that made the driver: then it is refused, since the epoll is shared.
    [[nodiscard]] bool is_in_child() const noexcept;
    /// Whether this is called from inside a turn of this thread: by a waker that runs user code.
    [[nodiscard]] bool is_in_turn() const noexcept {
        // relaxed: compared to this thread's own mark, which only this thread stores.
        return (turn_.load(std::memory_order_relaxed) & ~visit) == this_mark();
    }
    [[nodiscard]] bool is_idle() const noexcept;
    /// From now on, whoever takes the last source out wakes the driver.
    void wake_when_idle() noexcept;
    [[nodiscard]] bool is_shut_down() const noexcept {
        // relaxed: whoever is told "no" may be too late all the same, which add_source() finds out under the lock.
        return is_shut_down_.load(std::memory_order_relaxed);
    }
    [[nodiscard]] int native_handle() const noexcept { return driver_.native_handle(); }
    [[nodiscard]] driver_kind kind() const noexcept { return driver_kind::epoll; }
    [[nodiscard]] io_metrics metrics() const noexcept;

    /// How many sources are registered now.
    /// Cost: two loads.
    [[nodiscard]] std::size_t load() const noexcept;

private:
    using turn_word = std::uintptr_t;
    static constexpr turn_word nobody = 0;
    static constexpr turn_word visit = 1;
    static constexpr turn_word closed = ~turn_word{0};

    explicit io_handle(epoll&& driver);
    ~io_handle();

    [[nodiscard]] static turn_word this_mark() noexcept { return reinterpret_cast<turn_word>(this_thread_mark()); }

    /// Who had the turn before: it is the caller's if that was nobody.
    [[nodiscard]] turn_word begin_turn(turn_word mine) noexcept {
        turn_word before = nobody;
        // acquire: pairs with end_turn(). relaxed on failure: only the value is used.
        turn_.compare_exchange_strong(before, mine, std::memory_order_acquire, std::memory_order_relaxed);
        return before;
    }
    void close_turns() noexcept;
    void release_pending() noexcept;

    epoll driver_;
    const std::uint64_t fork_generation_;
    atomic<std::uint32_t> references_{1};

    // ---- The turn ----
    atomic<turn_word> turn_{nobody};
    bool wake_is_owed_ = false;  // a visit has found a wake-up that was meant for the owner
    // The thread that was in turn() last: its own removals need no wake-up, since it turns again before it sleeps.
    atomic<const void*> owner_{nullptr};

    // ---- What is registered ----
    mutable mutex lock_;
    // Written under the lock.
    atomic<bool> is_shut_down_{false};
    bool wakes_when_idle_ = false;
    source_link set_;                         // a ring through this sentinel; holds a reference to each
    source_link* pending_release_ = nullptr;  // taken out of the set, with its reference; linked by `next`
    // How long that list is. Written under the lock; read without it, so that a turn without removals takes no lock.
    atomic<std::size_t> pending_count_{0};

    // Statistics, each with one writer at a time: the first two are counted under the lock, the last in a turn.
    atomic<std::uint64_t> registered_{0};
    atomic<std::uint64_t> deregistered_{0};
    atomic<std::uint64_t> ready_events_{0};
};

}  // namespace eddy::detail
