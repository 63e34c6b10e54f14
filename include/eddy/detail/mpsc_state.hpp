// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/semaphore_state.hpp>
#include <eddy/detail/spin_lock.hpp>
#include <eddy/detail/waiter_list.hpp>
#include <eddy/waker.hpp>

// The states of channels with many senders and one receiver: all but the values.
//
// Both kinds have a word in which a sender *claims* the place of its value by one compare-exchange, writes the value
// there, and then *publishes* it by a store. The receiver owns its waker's cell while the word's `mark` is clear. It
// fills the cell and sets the mark only where nothing is claimed that it has not received, in one step. From then on
// the cell belongs to whoever clears the mark: a sender with its claim, which moves the waker out before it publishes,
// and wakes after it. So when the receiver finds nothing claimed again, it has seen that sender's value, and by that
// the cell is free.
//
//     receiver: cell = waker; word: nothing claimed -> mark      sender: word: mark -> claimed; take cell; publish;
//     wake
//
// In the bounded channel a claim tells the claims after it, too, what its permit said. For the place that a sender
// claims may have become free by a permit that went to another one, and from the receiver's hand into theirs under the
// lock, past the word:
//
//     receiver: leaves place; permit -> B (lock)    B: claims    A, with a permit of old: claims that place
//
// Between claim and publish lies the move of one value. Who receives meanwhile knows that something is there, and looks
// again.

namespace eddy::detail {

/// What a receiver finds where no value is published.
enum class nothing : std::uint8_t {
    claimed,  ///< but about to be: look again
    ended,    ///< and nothing will come any more
    waits,    ///< the waker was stored
};

/// Who holds a channel: the receiver, all senders together, and each weak sender have a share of the memory.
class mpsc_shares {
public:
    mpsc_shares() noexcept = default;
    mpsc_shares(const mpsc_shares&) = delete;
    mpsc_shares& operator=(const mpsc_shares&) = delete;

    // relaxed: whoever copies a sender has one.
    void add_sender() noexcept { senders_.fetch_add(1, std::memory_order_relaxed); }
    /// False if there is none any more.
    [[nodiscard]] bool upgrade() noexcept {
        // relaxed: nothing is read through it; the channel's memory is the caller's already.
        std::size_t now = senders_.load(std::memory_order_relaxed);
        do {
            if (now == 0) return false;
        } while (!senders_.compare_exchange_weak(now, now + 1, std::memory_order_relaxed, std::memory_order_relaxed));
        return true;
    }
    /// True for the last one, who closes the channel and then gives up their share.
    [[nodiscard]] bool drop_sender() noexcept {
        // release, acquire: what each sender did comes before what the last one does for all of them.
        return senders_.fetch_sub(1, std::memory_order_acq_rel) == 1;
    }

    void add_weak() noexcept {
        weak_.fetch_add(1, std::memory_order_relaxed);
        shares_.fetch_add(1, std::memory_order_relaxed);
    }
    [[nodiscard]] bool drop_weak() noexcept {
        weak_.fetch_sub(1, std::memory_order_relaxed);
        return leave();
    }

    /// Gives up a share of the memory. True for the last, who frees it.
    [[nodiscard]] bool leave() noexcept {
        // release, acquire: what each did with the channel comes before its destruction.
        return shares_.fetch_sub(1, std::memory_order_acq_rel) == 1;
    }

    /// relaxed: numbers that may have changed already.
    [[nodiscard]] std::size_t senders() const noexcept { return senders_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::size_t weak() const noexcept { return weak_.load(std::memory_order_relaxed); }

private:
    atomic<std::size_t> senders_{1};
    atomic<std::size_t> weak_{0};
    atomic<std::size_t> shares_{2};
};

/// Senders that wait for the receiver to go.
class EDDY_API close_waiters {
public:
    /// True if it has gone; else `who` is listed, and will be woken.
    [[nodiscard]] bool poll(waiter& who, const waker& wake) noexcept;
    void leave(waiter& who) noexcept;
    void close() noexcept;

private:
    spin_lock lock_;
    bool is_closed_ = false;
    waiter_list<> waiters_;
};

/// The bounded channel's. Its word is that of a semaphore: a permit is room for a value, `mark` says that the receiver
/// waits, and the extra bits are the tail: how many values were claimed so far, modulo 2^31.
class EDDY_API bounded_state : public semaphore_state<30>, public mpsc_shares {
    using base = semaphore_state<30>;

public:
    static constexpr std::size_t max_capacity = max_permits;

    explicit bounded_state(std::size_t capacity) noexcept : base(capacity), capacity_(capacity) {}

    /// A place for a value, which is then to be written there.
    struct claim {
        std::size_t place = 0;
        bool is_to_wake = false;  ///< take_receiver() before it is published, and wake that then
    };

    // ---- The senders' side ----

    /// Takes a permit and uses it, in one step.
    [[nodiscard]] acquired try_claim(claim& mine) noexcept {
        // relaxed: as in try_acquire().
        word now = word_.load(std::memory_order_relaxed);
        do {
            if ((now & closed) != 0) return saw_closed();
            if (!fits(now, 1)) return acquired::not_yet;
            // acquire: pairs with release(): the place was left by the receiver; and with wait(): the waker is seen.
            // release, acquire: pairs with itself and use_permit(); the claims before this one knew that their places
            // were left.
        } while (!word_.compare_exchange_weak(now, ((now & ~mark) - one) + tail_one, std::memory_order_acq_rel,
                                              std::memory_order_relaxed));
        mine = {tail_of(now), (now & mark) != 0};
        return acquired::yes;
    }
    /// Uses a permit.
    void use_permit(claim& mine) noexcept {
        // relaxed, acquire, release: as above.
        word now = word_.load(std::memory_order_relaxed);
        while (!word_.compare_exchange_weak(now, (now & ~mark) + tail_one, std::memory_order_acq_rel,
                                            std::memory_order_relaxed)) {
        }
        mine = {tail_of(now), (now & mark) != 0};
    }
    [[nodiscard]] waker take_receiver() noexcept { return std::move(rx_waker_); }
    /// Gives back permits that were not used. The receiver may have waited for that.
    void give_back(std::size_t count) noexcept {
        static_cast<void>(release(count));
        wake_if_ended();
    }
    void leave(permit_waiter& who) noexcept {
        if (base::leave(who)) wake_if_ended();
    }
    using mpsc_shares::leave;

    /// The last sender has gone.
    void end_senders() noexcept {
        base::close();
        wake_if_ended();
    }

    // ---- The receiver's side ----

    /// For one that has received all but what was claimed after `head`. After `waits` the waker will be woken.
    [[nodiscard]] nothing wait(std::size_t head, const waker& wake) noexcept;
    /// The same, without waiting.
    [[nodiscard]] nothing look(std::size_t head) const noexcept;

    /// Lets nothing in any more, but for permits that are out.
    void close_receiver() noexcept {
        base::close();
        closing_.close();
        wake_if_ended();  // another part of the receiver's own task, say
    }

    /// How many were claimed and not received.
    [[nodiscard]] std::size_t claimed_after(std::size_t head) const noexcept {
        // relaxed: a number that may have changed already.
        return (tail_of(word_.load(std::memory_order_relaxed)) - head) & tail_mask;
    }

    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
    close_waiters& closing() noexcept { return closing_; }

private:
    static constexpr word tail_one = word{1} << extra_shift;
    static constexpr std::size_t tail_mask = ~word{0} >> extra_shift;

    [[nodiscard]] static constexpr std::size_t tail_of(word now) noexcept { return now >> extra_shift; }
    /// Closed, and no permit is out: none that was used for a value that is still there, either.
    [[nodiscard]] bool has_ended(word now) const noexcept { return (now & closed) != 0 && permits(now) == capacity_; }

    void wake_if_ended() noexcept;

    const std::size_t capacity_;
    waker rx_waker_;
    close_waiters closing_;
};

/// A link of the unbounded channel's list; the value is in what derives from it.
struct mpsc_node {
    atomic<mpsc_node*> next{nullptr};
};

/// The unbounded channel's: a list (Vyukov's queue of many producers and one consumer), to whose end a sender brings
/// its node by a compare-exchange, and links it then. The word is the address of the last node, with two bits in it.
/// Departure: an exchange would do in place of the compare-exchange, but for the bits.
class EDDY_API unbounded_state : public mpsc_shares {
public:
    using word = std::uintptr_t;

    static constexpr word mark = 1;
    static constexpr word closed = 2;

    /// `first` has no value, and counts as received.
    explicit unbounded_state(mpsc_node& first) noexcept : last_(reinterpret_cast<word>(&first)) {}

    // ---- The senders' side ----

    /// False if closed: the node is still the caller's. Else the receiver frees it.
    [[nodiscard]] bool push(mpsc_node& node) noexcept {
        // relaxed, also where it fails: nothing is read through it.
        word now = last_.load(std::memory_order_relaxed);
        do {
            if ((now & closed) != 0) {
                static_cast<void>(is_closed());  // for its acquire
                return false;
            }
            // acquire: pairs with this of the sender before, whose node is written to here; and with wait(): the waker
            // is seen. release: for the sender after.
        } while (!last_.compare_exchange_weak(now, reinterpret_cast<word>(&node), std::memory_order_acq_rel,
                                              std::memory_order_relaxed));
        waker receiver;
        if ((now & mark) != 0) receiver = std::move(rx_waker_);
        // SAFETY: the receiver frees a node when it has seen its successor, which this store shows it.
        // release: pairs with next_of(): the value is seen, and that the waker was taken out.
        node_of(now)->next.store(&node, std::memory_order_release);
        std::move(receiver).wake();
        return true;
    }

    void end_senders() noexcept {
        close();
        wake_if_ended();
    }

    [[nodiscard]] bool is_closed() const noexcept {
        // acquire: pairs with close(); who sees it closed sees what the receiver did before.
        return (last_.load(std::memory_order_acquire) & closed) != 0;
    }

    // ---- The receiver's side ----

    [[nodiscard]] static mpsc_node* next_of(const mpsc_node& node) noexcept {
        // acquire: pairs with push().
        return node.next.load(std::memory_order_acquire);
    }
    /// For one that has received all up to `received`. After `waits` the waker will be woken.
    [[nodiscard]] nothing wait(const mpsc_node& received, const waker& wake) noexcept;
    [[nodiscard]] nothing look(const mpsc_node& received) const noexcept;

    void close_receiver() noexcept {
        close();
        closing_.close();
        wake_if_ended();
    }

    close_waiters& closing() noexcept { return closing_; }

private:
    static mpsc_node* node_of(word now) noexcept { return reinterpret_cast<mpsc_node*>(now & ~(mark | closed)); }
    static bool is_last(word now, const mpsc_node& received) noexcept { return node_of(now) == &received; }

    void close() noexcept {
        // release: pairs with is_closed(). acquire: pairs with push(): whoever closes sees what went before.
        last_.fetch_or(closed, std::memory_order_acq_rel);
    }
    void wake_if_ended() noexcept;

    atomic<word> last_;
    waker rx_waker_;
    close_waiters closing_;
};

}  // namespace eddy::detail
