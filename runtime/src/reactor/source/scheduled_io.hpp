// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <mutex>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/ref_count.hpp>
#include <eddy/detail/spin_lock.hpp>
#include <eddy/future/detail/wait_record.hpp>
#include <eddy/future/future.hpp>
#include <eddy/io/detail/io_waiter.hpp>
#include <eddy/io/ready_event.hpp>

#include "reactor/source/waiter_ring.hpp"

namespace eddy::detail {

/// The readiness word of a source: its readiness, and the number of the last event.
///
///     bit 31     30 .......... 16   15 ........... 0
///     shutdown   tick               readiness (io::ready)
///
/// Each source counts its own events in the tick, which wraps around. A tick shared by all sources could wrap around to
/// the same value while one source had no events. An outdated event of that source would then be taken for the current
/// one.
struct readiness_word {
    static constexpr std::uint32_t shutdown_bit = 1u << 31;
    static constexpr std::uint32_t tick_mask = 0x7fff;

    [[nodiscard]] static constexpr std::uint32_t pack(bool shutdown, std::uint16_t tick, io::ready ready) noexcept {
        return (shutdown ? shutdown_bit : 0) | ((tick & tick_mask) << 16) | ready.bits();
    }
    [[nodiscard]] static constexpr io::ready ready(std::uint32_t word) noexcept {
        return io::ready::from_bits(static_cast<std::uint8_t>(word));
    }
    [[nodiscard]] static constexpr std::uint16_t tick(std::uint32_t word) noexcept {
        return static_cast<std::uint16_t>((word >> 16) & tick_mask);
    }
    [[nodiscard]] static constexpr bool is_shutdown(std::uint32_t word) noexcept { return (word & shutdown_bit) != 0; }
    [[nodiscard]] static io::ready_event unpack(std::uint32_t word) noexcept {
        return {ready(word), tick(word), is_shutdown(word)};
    }
};

/// Returns the readiness for which a task waits that reads, or that writes.
[[nodiscard]] constexpr io::ready side_of(direction way) noexcept {
    return io::ready::mask_of(way == direction::read ? io::interest::readable : io::interest::writable);
}

/// Returns whether the event reported something that cuts a read short without a further edge: a hang-up, an error, or
/// urgent data.
[[nodiscard]] constexpr bool may_cut_short(io::ready seen) noexcept {
    return !(seen - (io::ready::readable | io::ready::writable)).is_empty();
}

/// A link of a list of registered sources. `previous` is null while the source is in no such list.
struct source_link {
    source_link* previous = nullptr;
    source_link* next = nullptr;
};

/// A circular list of registered sources. This object is its sentinel.
struct source_list : source_link, immovable {
    source_list() noexcept : source_link{this, this} {}
    [[nodiscard]] bool is_empty() const noexcept { return next == this; }
    void push_back(source_link& added) noexcept {
        added.next = this;
        added.previous = std::exchange(previous, &added);
        added.previous->next = &added;
    }
    /// Moves all sources of `other` to the end of this list.
    void take_all(source_list& other) noexcept {
        if (other.is_empty()) return;
        other.next->previous = std::exchange(previous, other.previous);
        other.next->previous->next = other.next;
        previous->next = this;
        other.previous = other.next = &other;
    }
    /// Removes a source from the list that it is in.
    static void remove(source_link& source) noexcept {
        source.previous->next = source.next;
        source.next->previous = source.previous;
        source.previous = nullptr;
    }
};

/// The state that a registration shares with its driver.
///
///     field                   access                                         guarded by
///     word_                   driver: sets readiness, tick + 1, shutdown     lock_ for changes;
///                             tasks: clear the readiness that they saw       look() needs no lock
///     waker slots,            tasks: store and remove their waker            lock_
///     waiters_                driver: takes wakers out, wakes them unlocked
///     list links              source_set, ring_reactor                       the set's lock
///     watched                 source_set: what the driver watches it for     the set's lock
///     references_             registration: 1; list: 1                       itself
///
/// No wake-up is lost: a task checks the word again and stores its waker, both under the lock. The driver changes the
/// word and takes the wakers, both under the lock. The second one to lock sees what the other one did.
///
/// A subclass has another reaction to an event (ring_connection), or to the end of a condition (rearmed_io,
/// composite_io). It also defines destroy().
///
/// Aligned to 128 bytes, which is two cache lines on x86-64, where adjacent lines are prefetched in pairs. Some
/// other processors have cache lines of 128 bytes.
///
/// Thread safety: the driver's side and the tasks' side may be used on any thread.
/// Lifetime: reference counted.
class alignas(128) scheduled_io : public source_link, immovable {
public:
    /// Creates the state with one reference. `fd` is the descriptor that the driver watches, if it is one.
    explicit scheduled_io(int fd = -1) noexcept : fd_(fd) {}
    virtual ~scheduled_io() = default;

    /// Adds a reference.
    void retain() noexcept { references_.add(); }
    /// Gives up `count` references. Frees the object with the last one.
    void release(std::uint32_t count = 1) noexcept;

    /// The descriptor that the driver watches; -1 if there are several.
    [[nodiscard]] int fd() const noexcept { return fd_; }

    // ---- The driver's side ----

    /// Adds `what` to the readiness, increments the tick, and wakes the tasks that wait for any of it. It may run
    /// user-provided wakers, so the caller must not hold a lock.
    virtual void report(io::ready what) noexcept;
    /// Shuts the source down permanently. Pending and later waits end immediately.
    void shut_down() noexcept;

    // ---- The tasks' side ----

    /// Returns the present readiness, limited to `mask`. The result is empty and not shut down if nothing is ready.
    [[nodiscard]] io::ready_event look(io::ready mask) const noexcept {
        // acquire: pairs with the release in store().
        io::ready_event seen = readiness_word::unpack(word_.load(std::memory_order_acquire));
        seen.ready &= mask;
        return seen;
    }

    /// Same as look(). If nothing is ready, also stores the waker in the waker slot of the direction, where it replaces
    /// the previous one. `owner` is the record of the polling future, for leave_slot(); null if leave_slot() will not
    /// be called.
    [[nodiscard]] poll_result<io::ready_event> poll_ready(direction way, context& cx, const wait_record* owner);
    /// Same as poll_ready(), for a caller whose look() has just found nothing ready.
    /// Errors: throws `misuse` if the slot has the waker of another task, whose future still waits.
    [[nodiscard]] poll_result<io::ready_event> wait(direction way, context& cx, const wait_record* owner);

    /// Makes `owner` the owner of the waker in the waker slot, if it is `mine` and has none.
    void own_slot(direction way, const waker& mine, const wait_record* owner) noexcept;
    /// Removes the waker that `owner` stored in the waker slot, if it is still there.
    void leave_slot(direction way, const wait_record* owner) noexcept;

    /// Returns the record of a future whose waker is in a waker slot and that will call leave_slot(); null if there is
    /// none.
    [[nodiscard]] const wait_record* owner() const noexcept;

    /// Same as poll_ready(), but stores the waker in an entry of the list of waiters. Any number of futures may wait
    /// this way.
    [[nodiscard]] poll_result<io::ready_event> poll_waiter(io_waiter& waiter, context& cx);
    /// Removes `waiter` from the list, if it is in it.
    void unlink(io_waiter& waiter) noexcept;

    /// Clears the readiness that `seen` shows, unless there was an event since. Keeps read_closed and write_closed.
    void clear_readiness(io::ready_event seen) noexcept;
    /// Clears the readiness that `seen` shows, including read_closed and write_closed, unless there was an event since.
    /// Call it after a system call that failed with EAGAIN.
    void clear_blocked(io::ready_event seen) noexcept;

    /// Drops the wakers of both slots when the registration is gone. Entries of the list of waiters keep theirs.
    void clear_wakers() noexcept;

protected:
    struct wakers {
        eddy::waker reader;
        eddy::waker writer;
    };
    [[nodiscard]] wakers take_wakers() noexcept;
    // In the following two, the caller holds the lock.
    /// The first half of report(): changes the word.
    void set_readiness(io::ready what) noexcept;
    /// Clears `readable`, unless something else was reported that ends or shortens a read without a further event.
    void clear_readable() noexcept;
    /// The second half of report(). Releases `held`, the lock of this object, before it wakes anything.
    void wake_unlocked(std::unique_lock<spin_lock>&& held, io::ready what) noexcept;

    /// Frees the object, which pool_new() has created. Called with the last reference.
    virtual void destroy() noexcept;
    /// Called after a task has cleared `over`. For a driver that reports a condition only once.
    virtual void rearm(io::ready over) noexcept;

private:
    struct waker_slot {
        eddy::waker waker;
        // relaxed, all accesses: written under the lock, and read without it only by leave_slot(), which compares the
        // value with its caller's address. Only that caller stores this address, so it sees its own store or a later
        // one. Nothing is read through the pointer.
        atomic<const wait_record*> owner{nullptr};
    };
    void store(bool is_shutdown, std::uint16_t tick, io::ready now) noexcept;
    void clear(io::ready_event seen, io::ready over) noexcept;
    eddy::waker take_slot(direction way, io::ready what) noexcept;
    void wake_waiters(io::ready what) noexcept;
    void note_cleanup(direction way, const eddy::waker& task) noexcept;
    waker_slot& slot_of(direction way) noexcept { return way == direction::read ? reader_ : writer_; }

    atomic<std::uint32_t> word_{0};
    ref_count<> references_;

protected:
    spin_lock lock_;

public:
    /// The conditions (io::interest) for which the driver watches the descriptor; 0 for none. Guarded by the lock of
    /// the source_set.
    std::uint8_t watched = 0;
    /// A bit of `watched`: source_set::watch_writing_only() has no effect.
    static constexpr std::uint8_t is_lasting = 128;

private:
    /// The bits of the directions whose slot has the waker of a task that was aborted before it began to wait: that is
    /// its cleanup, which must end. Guarded by lock_.
    std::uint8_t of_cleanup_ = 0;
    const int fd_;
    waker_slot reader_;
    // The fields up to here are in one cache line: those that a reader uses to begin to wait. To wake it, the driver
    // also accesses the fields below.
    waker_slot writer_;
    waiter_ring waiters_;
};

static_assert(alignof(scheduled_io) == 128 && sizeof(scheduled_io) % 128 == 0);

}  // namespace eddy::detail
