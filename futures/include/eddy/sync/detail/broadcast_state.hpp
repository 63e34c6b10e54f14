// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/ref_count.hpp>
#include <eddy/detail/spin_lock.hpp>
#include <eddy/future/detail/waiter_list.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/sync/detail/notify_state.hpp>

// The state of a broadcast channel without the values. After Tokio's broadcast: a ring of slots. Each value has a
// position; a receiver stores the position that it reads next. A slot counts the receivers that have yet to read it.
//
//     lock         guards
//     tail lock    the next position, the number of receivers, the list of waiters, whether the channel is closed
//     slot lock    one slot. A sender takes it while it holds the tail lock; never the other way round.
//
// Departure from Tokio: each value is in an allocation outside of the slots (broadcast_item), with one share for each
// receiver. A receiver takes its share under the slot lock and copies the value after it has released the lock. A
// sender that overwrites a slot drops the shares that were not taken. So no user code runs under a lock, no thread
// waits for a copy, and the last reader may move the value out.
//
// A trivially copyable value of a few bytes is copied under the slot lock instead, which saves a read-modify-write.
// Then no share exists outside of the slots, and the item is freed by the thread that empties its slot.
//
// A waiter waits for the position that was the tail when it was listed. So once the tail has moved, the waiters to wake
// are at the front of the list. They are found again after the lock was released between two batches of wake-ups, even
// if other receivers start or stop waiting in the meantime.

namespace eddy::detail {

/// The header of a value in a broadcast channel: a reference count of shares, one for each receiver.
/// Lifetime: the holder of the last share destroys the item.
struct broadcast_item {
    explicit broadcast_item(std::uint32_t receivers) noexcept : shares(receivers) {}

    /// Returns whether the caller's share is the last one. Then the caller may modify the value.
    [[nodiscard]] bool is_alone() const noexcept { return shares.count() == 1; }
    /// Drops `count` shares. Returns true if they were the last: the caller must destroy the item.
    [[nodiscard]] bool drop(std::uint32_t count) noexcept { return shares.drop(count); }

    ref_count<> shares;
};

/// The part of a broadcast channel that lives in a recv() future.
/// Lifetime: must not move while it waits.
struct broadcast_waiter : waiter {
    std::uint64_t position = 0;
    /// Equals is_listed, but may be read without the lock. False means that no other thread accesses the waiter.
    atomic<bool> is_shared{false};
};

/// The part of a broadcast channel that does not depend on the value type.
/// Thread safety: any thread.
/// Lifetime: counted; the caller that drops the last reference destroys it.
class EDDY_API broadcast_state : immovable {
public:
    using position = std::uint64_t;
    static constexpr std::size_t max_capacity = std::size_t{1} << 31;

    enum class kinds : std::uint8_t { item, empty, lagged, closed };
    struct taken {
        kinds kind;
        bool is_last = false;            ///< no other receiver reads the item: the slot is empty now
        broadcast_item* item = nullptr;  ///< the caller owns one share of it
        std::uint64_t missed = 0;        ///< for kinds::lagged: the number of overwritten values
    };
    struct sent {
        std::uint32_t receivers;  ///< 0: the item was not sent, and still belongs to the caller
        broadcast_item* overwritten = nullptr;
        std::uint32_t shares = 0;  ///< the untaken shares of `overwritten`; the caller must drop them
    };

    /// Creates a channel with one sender and one receiver.
    /// Preconditions: `capacity` is a power of two.
    explicit broadcast_state(std::size_t capacity);

    /// Sends `item` to all receivers and sets its share count. Never waits.
    [[nodiscard]] sent send(broadcast_item& item) noexcept;
    /// Takes the item at position `next` and advances `next`, or returns why there is none. After kinds::lagged `next`
    /// is the position of the oldest item. `read(item)` runs under the slot lock, so it must be a few instructions.
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
                    if (is_last) from.item = nullptr;  // the caller gets the last share
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
    /// Same as take(), but if the channel is empty, wakes `wake` when it may have a value or is closed.
    template <class Read>
    [[nodiscard]] taken poll(position& next, broadcast_waiter& one, const waker& wake, Read& read) noexcept {
        // Returned by name, so that it is constructed in the caller's object: a block copy would stall (by_parts.hpp).
        taken found = take(next, read);
        while (found.kind == kinds::empty && !wait(next, one, wake)) found = take(next, read);
        if (found.kind != kinds::empty) stop_waiting(one);
        return found;
    }
    [[nodiscard]] taken poll(position& next, broadcast_waiter& one, const waker& wake) noexcept {
        read_later later;
        return poll(next, one, wake, later);
    }
    /// Removes the waiter from the list, if it is there.
    void stop_waiting(broadcast_waiter& one) noexcept {
        // acquire: pairs with the release in wake_due(), the last access of the notifier to the waiter.
        if (one.is_shared.load(std::memory_order_acquire)) unlist(one);
    }

    /// Adds a receiver. Returns the first position that it reads.
    [[nodiscard]] position add_receiver() noexcept;
    /// Removes a receiver. The caller must still take() all items before the returned position.
    [[nodiscard]] position drop_receiver() noexcept;
    /// Returns the number of receivers.
    // acquire: pairs with the release in drop_receiver(), so that a caller that reads 0 sees what the receivers did.
    [[nodiscard]] std::uint32_t receivers() const noexcept { return receivers_.load(std::memory_order_acquire); }
    /// The name of the future of closed(), for messages.
    static constexpr const char* name_of_closed = "a broadcast's closed()";
    /// Returns true if there are no receivers. Otherwise wakes `wake` when the last one leaves.
    [[nodiscard]] bool poll_receivers_gone(notify_waiter& one, const waker& wake) noexcept;
    void stop_waiting_for_receivers_gone(notify_waiter& one) noexcept { receivers_gone_.leave(one); }

    /// Returns the number of values that at least one receiver has yet to read.
    /// Cost: a binary search over the slots, under the tail lock.
    [[nodiscard]] std::size_t unread() noexcept;
    /// Returns the number of values sent since position `next`, including those that were overwritten.
    [[nodiscard]] std::uint64_t sent_since(position next) noexcept;

    /// Returns the number of senders.
    [[nodiscard]] std::size_t senders() const noexcept { return senders_.count(); }
    void add_sender() noexcept { senders_.add(); }
    /// Adds a sender, unless the last one is gone. Returns whether it did.
    [[nodiscard]] bool try_add_sender() noexcept { return senders_.try_add(); }
    /// Removes a sender. The last one closes the channel.
    void drop_sender() noexcept;

    // ---- References to the memory ----
    void add_reference() noexcept { references_.add(); }
    /// Drops a reference. Returns true if it was the last: the caller must destroy the channel.
    [[nodiscard]] bool drop_reference() noexcept { return references_.drop(); }

private:
    struct slot {
        spin_lock lock;
        std::uint32_t unread = 0;  ///< the number of receivers that have yet to read the item
        position at = 0;
        broadcast_item* item = nullptr;  ///< null once all receivers have read it
    };

    [[nodiscard]] slot& slot_of(position which) noexcept { return slots_[which & (capacity_ - 1)]; }
    /// Returns whether the waiter is to be woken: the tail has moved, or the channel is closed. Under the tail lock.
    [[nodiscard]] bool is_due(const broadcast_waiter& one) const noexcept {
        return is_closed_ || one.position != tail_;
    }
    struct read_later {
        void operator()(const broadcast_item&) const noexcept {}
    };
    /// Returns why there is no item at `next`; kinds::item if one was sent in the meantime: try again.
    [[nodiscard]] taken look_at_tail(position& next) noexcept;
    /// Lists the waiter. Returns false, without an effect, if an item may be at `next` by now.
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
    atomic<std::uint32_t> receivers_{1};  ///< written under the tail lock, read without it
    ref_count<std::size_t> senders_;
    ref_count<std::size_t> references_{2};
    notify_state receivers_gone_;
};

}  // namespace eddy::detail
