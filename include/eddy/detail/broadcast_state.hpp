// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/notify_state.hpp>
#include <eddy/detail/spin_lock.hpp>
#include <eddy/detail/waiter_list.hpp>
#include <eddy/waker.hpp>

// All of a broadcast channel but the values. The idea is Tokio's: a ring of slots, a position for each value, and a
// receiver is the position that it reads next. A slot knows how many receivers have yet to read what it holds.
//
//     tail lock   the next position, how many receivers there are, who waits, whether the senders are gone
//     slot lock   a slot; taken by who sends inside of the tail lock
//
// Departure: the values do not lie in the slots, but by themselves (broadcast_item), with as many shares as there are
// receivers. Who reads takes its share under the slot's lock, and copies the value after it; who overwrites a slot
// gives back the shares that nobody will take any more. So no user's code runs under a lock, nobody waits for a copy,
// and the last to read may move the value out. A value whose copy is that of a few bytes is copied under the slot's
// lock instead, which saves a read-modify-write: then nobody has a share outside of the slots, and an item goes with
// the one who leaves its slot empty.
//
// Who waits does so for a position that is the tail. So when the tail has moved on, those to be woken are the first of
// the list, as long as they wait for another position than it; they can be told in batches, whoever comes or leaves
// meanwhile.

namespace eddy::detail {

struct broadcast_item {
    explicit broadcast_item(std::uint32_t receivers) noexcept : shares(receivers) {}

    // acquire: pairs with the release in drop(): who is alone with it may change it.
    [[nodiscard]] bool is_alone() const noexcept { return shares.load(std::memory_order_acquire) == 1; }
    /// True for whoever gives back the last.
    [[nodiscard]] bool drop(std::uint32_t count) noexcept {
        // release, acquire: whoever destroys it comes after all who have read it.
        return shares.fetch_sub(count, std::memory_order_acq_rel) == count;
    }

    atomic<std::uint32_t> shares;
};

/// A future's part. Not moved while it waits.
struct broadcast_waiter : waiter {
    std::uint64_t position = 0;
    /// As is_listed, to be read without the lock: false means that nobody else touches this any more.
    atomic<bool> is_shared{false};
};

class EDDY_API broadcast_state {
public:
    using position = std::uint64_t;
    static constexpr std::size_t max_capacity = std::size_t{1} << 31;

    enum class kinds : std::uint8_t { item, empty, lagged, closed };
    struct taken {
        kinds kind;
        bool is_last = false;            ///< nobody else has to read the item, or will find it
        broadcast_item* item = nullptr;  ///< a share of it
        std::uint64_t missed = 0;
    };
    struct sent {
        std::uint32_t receivers;  ///< 0: nothing was done, and the item is the caller's
        broadcast_item* overwritten = nullptr;
        std::uint32_t shares = 0;  ///< of what was overwritten: the caller's now
    };

    /// With a sender and a receiver. `capacity` is a power of two.
    explicit broadcast_state(std::size_t capacity);
    broadcast_state(const broadcast_state&) = delete;
    broadcast_state& operator=(const broadcast_state&) = delete;

    /// Sends what `item` points to; its shares are set here.
    [[nodiscard]] sent send(broadcast_item& item) noexcept;
    /// What is at `next`; if that is an item, `next` moves on. `read(item)` looks at it under the slot's lock: a few
    /// instructions.
    template <class Read>
    [[nodiscard]] taken take(position& next, Read& read) noexcept {
        for (;;) {
            {
                slot& from = slot_of(next);
                const std::lock_guard guard(from.lock);
                if (from.at == next) [[likely]] {
                    broadcast_item* const item = from.item;
                    read(*item);
                    ++next;
                    const bool is_last = --from.unread == 0;
                    if (is_last) from.item = nullptr;  // its last share is the caller's
                    return {kinds::item, is_last, item};
                }
            }
            if (const taken found = look_at_tail(next); found.kind != kinds::item) return found;
        }
    }
    [[nodiscard]] taken take(position& next) noexcept {
        read_later later;
        return take(next, later);
    }
    /// take(); if there is nothing, `wake` will be woken when there may be.
    template <class Read>
    [[nodiscard]] taken poll(position& next, broadcast_waiter& one, const waker& wake, Read& read) noexcept {
        taken found = take(
            next, read);  // made where the caller wants it: as a block, its parts would be copied late (by_parts.hpp)
        while (found.kind == kinds::empty && !wait(next, one, wake)) found = take(next, read);
        if (found.kind != kinds::empty) stop_waiting(one);
        return found;
    }
    [[nodiscard]] taken poll(position& next, broadcast_waiter& one, const waker& wake) noexcept {
        read_later later;
        return poll(next, one, wake, later);
    }
    void stop_waiting(broadcast_waiter& one) noexcept {
        // acquire: pairs with the release in wake_due(), after which nobody touches it.
        if (one.is_shared.load(std::memory_order_acquire)) unlist(one);
    }

    /// One more receiver, who reads first what is returned.
    [[nodiscard]] position add_receiver() noexcept;
    /// One receiver less. What is before the returned position it has still to take().
    [[nodiscard]] position drop_receiver() noexcept;
    // acquire: pairs with drop_receiver(): who finds none sees what they did.
    [[nodiscard]] std::uint32_t receivers() const noexcept { return receivers_.load(std::memory_order_acquire); }
    static constexpr const char* closed_was_moved = "a broadcast's closed() was moved after its first poll";
    [[nodiscard]] bool poll_left(notify_waiter& one, const waker& wake) noexcept;
    void stop_waiting_for_leaving(notify_waiter& one) noexcept { leavings_.leave(one); }

    /// How many values there are that some receiver has yet to read.
    [[nodiscard]] std::size_t unread() noexcept;
    /// How many values were sent since `next`, those included that have been overwritten.
    [[nodiscard]] std::uint64_t sent_since(position next) noexcept;

    // acquire: pairs with drop_sender().
    [[nodiscard]] std::size_t senders() const noexcept { return senders_.load(std::memory_order_acquire); }
    void add_sender() noexcept {
        // relaxed: who makes one has one.
        senders_.fetch_add(1, std::memory_order_relaxed);
    }
    /// False if there is none any more.
    [[nodiscard]] bool try_add_sender() noexcept;
    void drop_sender() noexcept;

    // Of the memory.
    void add_reference() noexcept {
        // relaxed: who makes one has one.
        references_.fetch_add(1, std::memory_order_relaxed);
    }
    /// True for the last.
    [[nodiscard]] bool drop_reference() noexcept {
        // acq_rel: whoever destroys it comes after all that the others have done with it.
        return references_.fetch_sub(1, std::memory_order_acq_rel) == 1;
    }

private:
    struct slot {
        spin_lock lock;
        std::uint32_t unread = 0;  ///< by how many receivers
        position at = 0;
        broadcast_item* item = nullptr;  ///< null if nobody has to read it any more
    };

    [[nodiscard]] slot& slot_of(position which) noexcept { return slots_[which & (capacity_ - 1)]; }
    [[nodiscard]] bool is_due(const broadcast_waiter& one) const noexcept {
        return is_closed_ || one.position != tail_;
    }
    struct read_later {
        void operator()(const broadcast_item&) const noexcept {}
    };
    /// Why there is nothing at `next`. kinds::item: it has come meanwhile.
    [[nodiscard]] taken look_at_tail(position& next) noexcept;
    /// False, and nothing is done, if there may be something at `next` by now.
    [[nodiscard]] bool wait(position next, broadcast_waiter& one, const waker& wake) noexcept;
    void enlist(broadcast_waiter& one) noexcept;
    void unlist(broadcast_waiter& one) noexcept;
    template <class Guard>
    void wake_due(Guard& guard) noexcept;

    const std::size_t capacity_;
    const std::unique_ptr<slot[]> slots_;
    spin_lock tail_lock_;
    position tail_ = 0;
    bool is_closed_ = false;
    waiter_list<broadcast_waiter> waiting_;
    atomic<std::uint32_t> receivers_{1};  ///< changes under the tail lock
    atomic<std::size_t> senders_{1};
    atomic<std::size_t> references_{2};
    notify_state leavings_;
};

}  // namespace eddy::detail
