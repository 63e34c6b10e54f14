// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <mutex>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/io_waiter.hpp>
#include <eddy/detail/ref_count.hpp>
#include <eddy/detail/spin_lock.hpp>
#include <eddy/detail/wait_record.hpp>
#include <eddy/detail/waiter_list.hpp>
#include <eddy/future/future.hpp>
#include <eddy/io/ready_event.hpp>

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

/// Returns whether the event reported something that cuts a read short without a further edge: a hang-up, an error, or
/// urgent data.
[[nodiscard]] constexpr bool may_cut_short(io::ready seen) noexcept {
    return !(seen - (io::ready::readable | io::ready::writable)).is_empty();
}

/// A link of the driver's registration set. `next` is null while the source is not in a list.
struct source_link {
    source_link* previous = nullptr;
    source_link* next = nullptr;
};

/// The state that a registration shares with its driver.
///
///     field                   access                                         guarded by
///     word_                   driver: sets readiness, tick + 1, shutdown     lock_ for changes;
///                             tasks: clear the readiness that they saw       look() needs no lock
///     waker slots,            tasks: store and remove their waker            lock_
///     waiters_                driver: takes wakers out, wakes them unlocked
///     list links              the driver's registration set                  the set's lock
///     is_watched_for_writing  io_handle::watch_writing()                     the set's lock
///     references_             registration: 1; registration set: 1           itself
///
/// No wake-up is lost: a task checks the word again and stores its waker, both under the lock. The driver changes the
/// word and takes the wakers, both under the lock. The second one to lock sees what the other one did.
///
/// Aligned to 128 bytes, which is two cache lines on x86-64, where adjacent lines are prefetched in pairs. Some
/// other processors have cache lines of 128 bytes.
///
/// Thread safety: the driver's side and the tasks' side may be used on any thread.
/// Lifetime: reference counted.
class alignas(128) scheduled_io : public source_link, immovable {
public:
    scheduled_io() noexcept = default;
    /// Creates the base of a ring_connection, with two references: that of its socket and that of the registration set.
    explicit scheduled_io(int fd) noexcept : references_(2), is_stream_(true), fd_(fd) {}

    /// Adds a reference.
    void retain() noexcept { references_.add(); }
    /// Gives up `count` references. Frees the object with the last one.
    void release(std::uint32_t count = 1) noexcept;

    /// Returns whether this is a ring_connection: a connection or listener that is registered with io_uring.
    [[nodiscard]] bool is_stream() const noexcept { return is_stream_; }
    /// Returns whether this is a composite_io: a source with descriptors of its own choice.
    [[nodiscard]] bool is_composite() const noexcept { return form_ == form::composite; }

    // ---- The driver's side ----

    /// Adds `what` to the readiness, increments the tick, and wakes the tasks that wait for any of it. It may run
    /// user-provided wakers, so the caller must not hold a lock.
    void report(io::ready what) noexcept;
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
    [[nodiscard]] poll_result<io::ready_event> wait(direction way, context& cx, const wait_record* owner);

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
    waker_slot& slot_of(direction way) noexcept { return way == direction::read ? reader_ : writer_; }

    atomic<std::uint32_t> word_{0};
    ref_count<> references_;

protected:
    struct wakers {
        eddy::waker reader;
        eddy::waker writer;
    };
    [[nodiscard]] wakers take_wakers() noexcept;
    // For both, the caller holds the lock.
    /// The first half of report(): changes the word.
    void set_readiness(io::ready what) noexcept;
    /// Clears `readable`, unless something else was reported that ends or shortens a read without a further event.
    void clear_readable() noexcept;
    /// The second half of report(). Releases `held`, the lock of this object, before it wakes anything.
    void wake_unlocked(std::unique_lock<spin_lock>&& held, io::ready what) noexcept;

    spin_lock lock_;

private:
    const bool is_stream_ = false;

protected:
    /// The class of this object, if it is not a ring_connection.
    enum class form : std::uint8_t { plain, rearmed, composite };
    form form_ = form::plain;

public:
    bool is_watched_for_writing = false;  // a datagram socket is also watched for writing

protected:
    const int fd_ = -1;  // for a ring_connection

private:
    waker_slot reader_;
    // The fields up to here are in one cache line: those that a reader uses to begin to wait. To wake it, the driver
    // also accesses the fields below.
    waker_slot writer_;
    waiter_list<io_waiter> waiters_;
};

/// Frees a ring_connection when its last reference is released.
void free_stream(scheduled_io& stream) noexcept;

static_assert(alignof(scheduled_io) == 128 && sizeof(scheduled_io) % 128 == 0);

}  // namespace eddy::detail
