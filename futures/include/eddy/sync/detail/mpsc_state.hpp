// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <source_location>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/ref_count.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/sync/detail/notify_state.hpp>
#include <eddy/sync/detail/semaphore_state.hpp>

// The states of the channels with many senders and one receiver, without the values.
//
// Both channels have one atomic word and follow this protocol:
//   - A sender claims the position of its value by a compare-exchange on the word, writes the value, and publishes it
//     by a store.
//   - The receiver owns its waker slot while the `mark` bit of the word is clear.
//   - The receiver fills the waker slot and then sets `mark`. The compare-exchange succeeds only if every claimed value
//     has been received.
//   - The thread that clears `mark` owns the waker slot. A sender clears `mark` with its claim, moves the waker out
//     before it publishes the value, and wakes the receiver afterwards.
//   - When the receiver has received all claimed values again, it has seen that sender's publication. The waker slot is
//     free then.
//
//     receiver: waker slot = waker; word: all received -> mark
//     sender:   word: mark -> claimed; take the waker; publish; wake
//
// In the bounded channel, a claim also synchronizes with all later claims. This is necessary because the receiver may
// pass the permit of a freed position to a waiting sender, and another sender, with an older permit, may claim that
// position. The receiver hands the permit over under the lock, without a change of the word:
//
//     receiver: frees position, permit -> B (lock)    B: claims    A, with an older permit: claims that position
//
// Only the move of one value happens between claim and publication. A receiver that looks during this time gets
// nothing::claimed and must look again.

namespace eddy::detail {

/// The state of a channel in which no value is published at the receiver's position.
enum class nothing : std::uint8_t {
    claimed,  ///< a sender is about to publish a value: look again
    ended,    ///< no value will follow
    waits,    ///< the channel is open and empty; wait() has stored the waker
};

/// Throws misuse for a permit that was used, released or moved from.
[[noreturn, gnu::cold]] EDDY_API void throw_used_permit(std::source_location where);

/// Counts the owners of a channel's memory: the receiver, all senders together, and each weak sender have one share.
/// Also tells the senders that the receiver is closed or gone.
/// Thread safety: any thread.
class mpsc_shares : immovable {
public:
    /// Adds a sender for a caller that owns one.
    void add_sender() noexcept { senders_.add(); }
    /// Adds a sender, unless there are none. Returns false in that case.
    [[nodiscard]] bool upgrade() noexcept { return senders_.try_add(); }
    /// Returns true for the last sender. It must close the channel and then give up the senders' share with leave().
    [[nodiscard]] bool drop_sender() noexcept { return senders_.drop(); }

    /// Adds or removes a weak sender. drop_weak() returns true for the last share, as leave() does.
    // relaxed: `weak_` is only a reported count.
    void add_weak() noexcept {
        weak_.fetch_add(1, std::memory_order_relaxed);
        shares_.add();
    }
    [[nodiscard]] bool drop_weak() noexcept {
        weak_.fetch_sub(1, std::memory_order_relaxed);
        return leave();
    }

    /// Gives up a share of the memory. Returns true for the last share: the caller must free the channel.
    [[nodiscard]] bool leave() noexcept { return shares_.drop(); }

    /// Return the number of senders and of weak senders, for information.
    [[nodiscard]] std::size_t senders() const noexcept { return senders_.count(); }
    // relaxed: the count may be stale. It publishes no other data.
    [[nodiscard]] std::size_t weak() const noexcept { return weak_.load(std::memory_order_relaxed); }

    /// The name of the future of closed(), for messages.
    static constexpr const char* name_of_closed = "a sender's closed()";
    /// Returns whether the receiver is gone. Otherwise `wake` will be woken when it is.
    [[nodiscard]] bool poll_receivers_gone(notify_waiter& one, const waker& wake) noexcept {
        // acquire: pairs with the release in end_receiver().
        return receiver_gone_.poll_until(one, wake, [&] { return is_gone_.load(std::memory_order_acquire); });
    }
    void stop_waiting_for_receivers_gone(notify_waiter& one) noexcept { receiver_gone_.leave(one); }

protected:
    /// Wakes the futures of closed().
    void end_receiver() noexcept {
        // release: pairs with the acquire in poll_receivers_gone().
        is_gone_.store(true, std::memory_order_release);
        receiver_gone_.notify_waiters();
    }

private:
    ref_count<std::size_t> senders_;
    atomic<std::size_t> weak_{0};
    ref_count<std::size_t> shares_{2};
    atomic<bool> is_gone_{false};
    notify_state receiver_gone_;
};

/// The state of the bounded channel: the word of a semaphore. A permit is the right to send one value. `mark` says that
/// the receiver waits. The extra bits are the tail: the number of values claimed so far, modulo 2^31.
class EDDY_API bounded_state : public semaphore_state<30>, public mpsc_shares {
    using base = semaphore_state<30>;

public:
    static constexpr std::size_t max_capacity = max_permits;

    explicit bounded_state(std::size_t capacity) noexcept : base(capacity), capacity_(capacity) {}

    /// A claimed position. The sender must write its value there and publish it.
    struct claim {
        std::size_t place = 0;
        bool is_to_wake = false;  ///< call take_receiver() before publication, and wake that waker after it
    };

    // ---- The senders' side ----

    /// Takes a permit and claims a position in one step.
    [[nodiscard]] acquired try_claim(claim& mine) noexcept {
        // relaxed: as in try_acquire().
        word now = word_.load(std::memory_order_relaxed);
        do {
            if ((now & closed) != 0) return saw_closed();
            if (!fits(now, 1)) return acquired::not_yet;
            // acquire: pairs with release() (the receiver has freed the position), with wait() (the waker is visible),
            // and with earlier claims (their positions were free). release: pairs with the acquire of later claims,
            // here and in use_permit().
        } while (!word_.compare_exchange_weak(now, ((now & ~mark) - one) + tail_one, std::memory_order_acq_rel,
                                              std::memory_order_relaxed));
        mine = {tail_of(now), (now & mark) != 0};
        return acquired::yes;
    }
    /// Claims a position for a permit that the caller already has.
    void use_permit(claim& mine) noexcept {
        // relaxed, and acquire and release below: as in try_claim().
        word now = word_.load(std::memory_order_relaxed);
        while (!word_.compare_exchange_weak(now, (now & ~mark) + tail_one, std::memory_order_acq_rel,
                                            std::memory_order_relaxed)) {
        }
        mine = {tail_of(now), (now & mark) != 0};
    }
    /// Takes the receiver's waker.
    /// Preconditions: the caller's claim has `is_to_wake`.
    [[nodiscard]] waker take_receiver() noexcept { return std::move(rx_waker_); }
    /// Gives back unused permits. Wakes the receiver if they were the last permits of a closed channel.
    void give_back(std::size_t count) noexcept {
        static_cast<void>(release(count));
        wake_if_ended();
    }
    /// Stops waiting for a permit. A permit that `entry` has already received is given back.
    void leave(permit_waiter& entry) noexcept {
        if (base::leave(entry)) wake_if_ended();
    }
    using mpsc_shares::leave;

    /// Closes the channel after the last sender is gone.
    void end_senders() noexcept {
        base::close();
        wake_if_ended();
    }

    // ---- The receiver's side ----

    /// Stores `wake` if no value was claimed after position `head`. Returns `waits` if the waker was stored.
    [[nodiscard]] nothing wait(std::size_t head, const waker& wake) noexcept {
        // acquire, here and below: as in look().
        word now = word_.load(std::memory_order_acquire);
        // Take the waker slot back. If another thread has cleared the mark, it has claimed a position or ended the
        // channel, and the checks below see that.
        if ((now & mark) != 0) [[unlikely]]
            now = word_.fetch_and(~mark, std::memory_order_acquire) & ~mark;
        if (tail_of(now) != head) return nothing::claimed;
        if (has_ended(now)) return nothing::ended;
        rx_waker_ = wake;
        // release: pairs with the acquire in try_claim(), use_permit() and wake_if_ended(), which take the waker.
        while (!word_.compare_exchange_weak(now, now | mark, std::memory_order_acq_rel, std::memory_order_acquire)) {
            if (tail_of(now) != head) return nothing::claimed;
            if (has_ended(now)) return nothing::ended;
        }
        return nothing::waits;
    }
    /// Same as wait(), but stores nothing.
    [[nodiscard]] nothing look(std::size_t head) const noexcept;

    /// Closes the channel. Permits that were already handed out can still be used.
    void close_receiver() noexcept {
        base::close();
        end_receiver();
        wake_if_ended();  // the waiting task may be the caller's own, in another future
    }

    /// Returns the number of values that are claimed and not received. `head` is the receiver's position.
    [[nodiscard]] std::size_t claimed_after(std::size_t head) const noexcept {
        // relaxed: a reported count, which may be stale.
        return (tail_of(word_.load(std::memory_order_relaxed)) - head) & tail_mask;
    }

    /// Returns the capacity of the channel.
    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }

private:
    static constexpr word tail_one = word{1} << extra_shift;
    static constexpr std::size_t tail_mask = ~word{0} >> extra_shift;

    [[nodiscard]] static constexpr std::size_t tail_of(word now) noexcept { return now >> extra_shift; }
    /// Returns whether the channel is closed and has all its permits back. A claimed value keeps its permit until it is
    /// received, so no value is left then.
    [[nodiscard]] bool has_ended(word now) const noexcept { return (now & closed) != 0 && permits(now) == capacity_; }

    void wake_if_ended() noexcept;

    const std::size_t capacity_;
    waker rx_waker_;
};

/// A link of the unbounded channel's list. The derived class has the value.
struct mpsc_node {
    atomic<mpsc_node*> next{nullptr};
};

/// The state of the unbounded channel: Vyukov's multi-producer single-consumer queue. A sender appends its node by a
/// compare-exchange on the last node, and links it afterwards. The word is the address of the last node, with `mark`
/// and `closed` in the low bits.
/// Departure: Vyukov's queue uses an exchange. The two bits require a compare-exchange.
class EDDY_API unbounded_state : public mpsc_shares {
public:
    using word = std::uintptr_t;

    static constexpr word mark = 1;
    static constexpr word closed = 2;

    /// Creates a channel with one node, `first`. The node has no value and counts as received.
    // SAFETY: a node's address has its two low bits clear (it contains a pointer), so they can store the flags. The
    // channel owns all nodes; node_of() casts back only while the node is in the list.
    explicit unbounded_state(mpsc_node& first) noexcept : last_(reinterpret_cast<word>(&first)) {}

    // ---- The senders' side ----

    /// Appends `node`. Returns false if the channel is closed: then the caller still owns the node. Otherwise the
    /// receiver owns it.
    [[nodiscard]] bool push(mpsc_node& node) noexcept {
        // relaxed, also on failure: the value publishes no other data.
        word now = last_.load(std::memory_order_relaxed);
        do {
            if ((now & closed) != 0) {
                static_cast<void>(is_closed());  // its acquire pairs with close()
                return false;
            }
            // acquire: pairs with the release of the previous sender, whose node is written below, and of wait(), whose
            // waker is read below. release: pairs with the acquire of the next sender.
            // SAFETY: see node_of().
        } while (!last_.compare_exchange_weak(now, reinterpret_cast<word>(&node), std::memory_order_acq_rel,
                                              std::memory_order_relaxed));
        waker receiver;
        if ((now & mark) != 0) receiver = std::move(rx_waker_);
        // SAFETY: the previous last node still exists: the receiver frees a node only after it has seen the node's
        // successor, which this store publishes.
        // release: pairs with next_of(). The receiver sees the value, and sees that the waker was taken out.
        node_of(now)->next.store(&node, std::memory_order_release);
        std::move(receiver).wake();
        return true;
    }

    void end_senders() noexcept {
        close();
        wake_if_ended();
    }

    [[nodiscard]] bool is_closed() const noexcept {
        // acquire: pairs with close(). A sender that sees the channel closed sees what the receiver did before.
        return (last_.load(std::memory_order_acquire) & closed) != 0;
    }

    // ---- The receiver's side ----

    [[nodiscard]] static mpsc_node* next_of(const mpsc_node& node) noexcept {
        // acquire: pairs with the release in push(). The value is visible.
        return node.next.load(std::memory_order_acquire);
    }
    /// Stores `wake` if `received` is still the last node. Returns `waits` if the waker was stored.
    [[nodiscard]] nothing wait(const mpsc_node& received, const waker& wake) noexcept;
    /// Same as wait(), but stores nothing.
    [[nodiscard]] nothing look(const mpsc_node& received) const noexcept;

    void close_receiver() noexcept {
        close();
        end_receiver();
        wake_if_ended();
    }

private:
    // SAFETY: the word is made in push() from the address of a node, whose alignment keeps the bits `mark` and `closed`
    // free. The receiver keeps the last node alive.
    static mpsc_node* node_of(word now) noexcept { return reinterpret_cast<mpsc_node*>(now & ~(mark | closed)); }
    static bool is_last(word now, const mpsc_node& received) noexcept { return node_of(now) == &received; }

    void close() noexcept {
        // release: pairs with is_closed(). acquire: pairs with push(): the caller sees what the senders did before.
        last_.fetch_or(closed, std::memory_order_acq_rel);
    }
    void wake_if_ended() noexcept;

    atomic<word> last_;
    waker rx_waker_;
};

}  // namespace eddy::detail
