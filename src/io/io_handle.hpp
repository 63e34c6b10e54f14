// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/scheduled_io.hpp>
#include <eddy/io/interest.hpp>
#include <eddy/reactor.hpp>
#include <eddy/result.hpp>

#include "core/this_thread.hpp"
#include "driver/epoll.hpp"
#include "driver/uring.hpp"
#include "io/stream_source.hpp"
#include "sys/fork.hpp"

namespace eddy::detail {

/// A driver and the set of what is registered with it, shared by the loop that turns it and by all registrations and
/// handles, on any thread. Counted: it lives as long as any of them.
///
///     who                     may
///     the owner               turn(), shut_down()
///     any thread              add_source(), add_stream(), remove_source(), close_stream(), post(), wake(), metrics(),
///                             load(), turn_for_other()
///     whoever has the turn    poll_events()
///
/// The turn is a try-lock, in one word:
///
///     turn_         meaning                                                  left by
///     nobody        -                                                        whoever begins a turn; shut_down(): to
///     closed mark          the thread of that mark is in turn(), perhaps asleep     its end: to nobody mark | visit
///     that thread looks in for the owner, and never sleeps     its end: to nobody closed        shut down -
///
/// So another thread can hand out the events of an owner that is busy, and an owner that sleeps is not disturbed.
///
/// With io_uring there is a ring beside the epoll (driver/uring.hpp). It belongs to one thread, the first that is in
/// turn() while there is none:
///
///     ring_owner_   ring_                                    changed by
///     null          none, or not enabled yet                 who is in turn(): makes it, if need be, and owns it
///     a thread      that thread's: no other looks at it      that thread: retire_ring(), before another one turns
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

    // ---- Connections whose bytes move through a ring ----

    /// Whether connections are added by add_stream().
    [[nodiscard]] bool has_streams() const noexcept { return kind_ == driver_kind::io_uring; }
    /// The ring, if it is this thread's.
    [[nodiscard]] uring* own_ring() const noexcept {
        // relaxed: compared to this thread's own mark, which only this thread stores.
        if (ring_owner_.load(std::memory_order_relaxed) != this_thread_mark() || is_in_child()) return nullptr;
        return ring_.get();
    }
    /// As add_source(). Nothing is asked of the system before the first operation.
    [[nodiscard]] result<stream_source*> add_stream(int fd, stream_source::brings what) noexcept;
    /// Gives up the caller's reference, and closes the descriptor: now, or when its operations have ended and what was
    /// written has been sent.
    void close_stream(stream_source& stream) noexcept;
    /// A stream whose descriptor was left to the driver has nothing in flight any more.
    void finish_closing(stream_source& stream) noexcept;
    /// Has the epoll tell of it, in addition to what it tells already. Whether that is new.
    result<bool> watch_stream(stream_source& stream, std::uint8_t what) noexcept;
    /// Has the epoll tell of room, too. Of a stream, or of a source that was added without; not of one that was
    /// removed. Whether that is new.
    result<bool> watch_writing(scheduled_io& source, int fd) noexcept;
    /// What a ring has begun to receive, the epoll need not tell any more.
    void unwatch_reading(stream_source& stream) noexcept;
    /// Has whoever turns look what the stream wants. Takes over a reference.
    void post(stream_source& stream) noexcept;
    /// Sends what is queued with the ring, if it is this thread's: before the thread does something else than turn.
    void flush_ring() noexcept;
    /// The ring: so many operations are cancelled, and still the kernel's.
    void set_given_up(std::size_t now) noexcept {
        given_up_.store(now, std::memory_order_relaxed);  // statistics only: nothing is read through it
    }
    /// Submits what is queued and retires the ring, if it is this thread's: before the thread ends, or the turns become
    /// another's.
    void retire_ring() noexcept;

    /// The owner: one call of the selector: hands each event to its source, and wakes who waits. The number of events.
    /// Waits, briefly, for the end of a visit. An `alarm` is set first, see epoll::set_alarm().
    /// Errors: runtime_shutdown; resource_deadlock_would_occur from inside a turn of this thread;
    /// device_or_resource_busy while another thread is in turn(). Cost: one uncontended compare-exchange beside the
    /// system call.
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

    /// Ends every wait, pending or later, with runtime_shutdown, and closes the driver's descriptors: also if handles
    /// and registrations are left, which outlive it. A second call does nothing. A turn that another thread is in is
    /// waited for, after a wake-up. Preconditions: not inside a turn of this thread.
    void shut_down() noexcept;

    /// Whether this process is a fork of the one that made the driver: then it is refused, since the epoll is shared.
    [[nodiscard]] bool is_in_child() const noexcept { return process_.is_parent(); }
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
    [[nodiscard]] io_metrics metrics() const noexcept;

    /// How many sources are registered now.
    /// Cost: two loads.
    [[nodiscard]] std::size_t load() const noexcept;

private:
    struct gives_up {
        void operator()(io_handle* shared) const noexcept { shared->release(); }
    };
    using time_point = std::chrono::steady_clock::time_point;
    using turn_word = std::uintptr_t;
    static constexpr turn_word nobody = 0;
    static constexpr turn_word visit = 1;
    static constexpr turn_word closed = ~turn_word{0};

    io_handle(epoll&& driver, driver_kind kind);
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
    result<void> take_out(scheduled_io& source, int fd) noexcept;
    void close_gone(stream_source& stream) noexcept;
    void prepare_ring() noexcept;
    void hear_wakes(bool by_ring) noexcept;
    result<std::size_t> turn_ring(uring& ring, max_wait timeout) noexcept;
    [[nodiscard]] bool serve_posted() noexcept;
    [[nodiscard]] bool serve(stream_source& stream) noexcept;
    void close_posted() noexcept;
    void wake_if_turned_elsewhere() noexcept;
    void linger(stream_source& stream) noexcept;
    void wait_for_lingering(max_wait& timeout) const noexcept;
    void give_up_lingering() noexcept;

    epoll driver_;
    const driver_kind kind_;
    const sys::process_mark process_;
    atomic<std::uint32_t> references_{1};

    // ---- The turn ----
    atomic<turn_word> turn_{nobody};
    bool wake_is_owed_ = false;  // a visit has found a wake-up that was meant for the owner
    // The thread that was in turn() last: its own removals need no wake-up, since it turns again before it sleeps.
    atomic<const void*> owner_{nullptr};

    // ---- The ring ----
    std::unique_ptr<uring> ring_;
    atomic<const void*> ring_owner_{nullptr};
    bool has_no_ring_ = false;    // none could be made: of who turns
    bool wakes_by_ring_ = false;  // of who turns
    bool ring_is_lost_ = false;   // it could not be retired; of who turns
    // What was posted, newest first; a mark once it is closed.
    atomic<stream_source*> posted_{nullptr};
    stream_source* waits_for_room_ = nullptr;  // posted, and the ring had no room for it; of who turns

    // When the first of the streams that were destroyed, and have something to send, is given up. Written under the
    // lock.
    atomic<time_point> linger_until_{time_point::max()};

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
    atomic<std::uint64_t> given_up_{0};  // a figure of now; of the ring's owner
};

}  // namespace eddy::detail
