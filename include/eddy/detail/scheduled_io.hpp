// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/spin_lock.hpp>
#include <eddy/detail/waiter_list.hpp>
#include <eddy/future.hpp>
#include <eddy/io/interest.hpp>
#include <eddy/io/ready_event.hpp>

namespace eddy::detail {

/// The readiness word: what a source is ready for, and when that was last said.
///
///     bit 31     30 .......... 16   15 ........... 0
///     shutdown   tick               readiness (io::ready)
///
/// The tick counts this source's own events, and wraps. A tick shared by all sources can wrap to the same value while
/// this one was quiet, and then an old look at the word passes for a new one (tokio#6133).
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

enum class direction : unsigned char { read, write };

/// One entry of the list of waiters: stands in the future that waits.
struct io_waiter : waiter {
    io::interest wanted;

    explicit io_waiter(io::interest what) noexcept : wanted(what) {}
};

/// A link of the driver's registration set; `next` is null when in no list.
struct source_link {
    source_link* previous = nullptr;
    source_link* next = nullptr;
};

/// The state that one registration shares with its driver.
///
///     field       who writes                                  guarded by
///     word_       driver: sets, tick + 1, shutdown            itself; one history, each change a read-modify-write
///                 tasks: clear what they saw
///     slots,      tasks: put their waker in, take it out      lock_
///     waiters_    driver: takes wakers out, wakes them after the lock
///     the links,  the driver's registration set; whoever      the set's lock (io_handle)
///     is_told_..  has room watched
///     references_ registration: 1; registration set: 1        itself
///
/// No wake-up is lost: a task stores its waker and then looks at the word again, both under the lock; the driver
/// changes the word and then takes the lock to look for wakers. Whoever locks second sees what the other did.
///
/// Aligned to 128: two cache lines, since adjacent ones are fetched in pairs on x86-64, and lines are 128 wide
/// elsewhere.
class alignas(128) EDDY_API scheduled_io : public source_link {
public:
    scheduled_io() noexcept = default;
    /// The base of a stream_source. Its socket has a reference, and the registration set.
    explicit scheduled_io(int fd) noexcept : references_(2), is_stream_(true), fd_(fd) {}
    scheduled_io(const scheduled_io&) = delete;
    scheduled_io& operator=(const scheduled_io&) = delete;

    void retain() noexcept;
    void release(std::uint32_t count = 1) noexcept;

    /// Whether this is a stream_source, whose bytes come from a ring.
    [[nodiscard]] bool is_stream() const noexcept { return is_stream_; }

    // ---- The driver's side ----

    /// Adds to the readiness and counts an event.
    void set_readiness(io::ready what) noexcept;
    /// Wakes whoever waits for any of `what`; runs strangers' wakers, so the caller holds no lock.
    void wake(io::ready what) noexcept;
    /// For good: every wait, pending or later, ends at once.
    void shut_down() noexcept;

    // ---- The tasks' side ----

    /// What is ready of `mask` now; empty and not shut down if there is nothing.
    [[nodiscard]] io::ready_event look(io::ready mask) const noexcept {
        // acquire: pairs with the release in set_readiness() and shut_down().
        io::ready_event seen = readiness_word::unpack(word_.load(std::memory_order_acquire));
        seen.ready &= mask;
        return seen;
    }

    /// As look(), but if there is nothing, keeps the waker in the direction's slot: the last to poll wins it.
    /// `owner` names the future that polls, for leave_slot(); null if nobody will call that.
    [[nodiscard]] poll_result<io::ready_event> poll_ready(direction way, context& cx, const void* owner);
    /// The same for whoever has just looked and seen nothing.
    [[nodiscard]] poll_result<io::ready_event> wait(direction way, context& cx, const void* owner);

    /// Takes the waker that `owner` left in the slot out again, if it is still there.
    void leave_slot(direction way, const void* owner) noexcept;

    /// Whether a future that will call leave_slot() has its waker in a slot.
    [[nodiscard]] bool has_owner() const noexcept;

    /// As poll_ready(), with an entry of the list in place of a slot: any number may wait.
    [[nodiscard]] poll_result<io::ready_event> poll_waiter(io_waiter& waiter, context& cx);
    void unlink(io_waiter& waiter) noexcept;

    /// Forgets the readiness that `seen` shows, unless an event has come since. What is closed stays closed.
    void clear_readiness(io::ready_event seen) noexcept;
    /// The same after a call has said that it would block: which also disproves that its side is closed.
    void clear_blocked(io::ready_event seen) noexcept;

    /// Drops all wakers: the registration is gone.
    void clear_wakers() noexcept;

private:
    struct waker_slot {
        eddy::waker waker;
        // Relaxed throughout: it is written under the lock, and read without it only by leave_slot(), which compares it
        // to its own address. Nobody but that owner stores that address, so it sees its own store or a later one.
        atomic<const void*> owner{nullptr};
    };
    void clear(io::ready_event seen, io::ready over) noexcept;
    eddy::waker take_slot(direction way, io::ready what) noexcept;
    void wake_waiters(io::ready what) noexcept;
    waker_slot& slot_of(direction way) noexcept { return way == direction::read ? reader_ : writer_; }

    atomic<std::uint32_t> word_{0};
    atomic<std::uint32_t> references_{1};

protected:
    struct wakers {
        eddy::waker reader;
        eddy::waker writer;
    };
    [[nodiscard]] wakers take_wakers() noexcept;
    /// The end of wake(), whose lock is held; it is left here, before anything is woken.
    void wake_unlocked(std::unique_lock<spin_lock>&& held, io::ready what) noexcept;

    spin_lock lock_;

private:
    const bool is_stream_ = false;

public:
    bool is_told_of_room = false;  // of a datagram socket: under the io_handle's lock

protected:
    const int fd_ = -1;  // of a stream_source

private:
    waker_slot reader_;
    // Up to here one cache line: what a reader touches that begins to wait. Its wake-up looks at the rest, too.
    waker_slot writer_;
    waiter_list<io_waiter> waiters_;
};

/// Frees what release() has found to be a stream_source.
EDDY_API void free_stream(scheduled_io& stream) noexcept;

static_assert(alignof(scheduled_io) == 128 && sizeof(scheduled_io) % 128 == 0);

}  // namespace eddy::detail
