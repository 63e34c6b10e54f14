// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/frame_pool.hpp>
#include <eddy/detail/ref_count.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/sync/detail/mpsc_state.hpp>

// The bounded and the unbounded channel, with their values. Both have the same interface for the receiver: peek()
// returns the next value, drop_front() destroys it.

namespace eddy::detail {

/// Destroys received values. A value's destructor may call into the channel again. Until it returns, the channel looks
/// empty to the receiver, so that the same value is not delivered twice.
template <class T>
class value_dropper {
public:
    void drop(T& value) noexcept {
        if constexpr (std::is_trivially_destructible_v<T>) {
            std::destroy_at(&value);
        } else {
            is_dropping_ = true;
            std::destroy_at(&value);
            is_dropping_ = false;
        }
    }
    [[nodiscard]] bool is_dropping() const noexcept {
        if constexpr (std::is_trivially_destructible_v<T>) return false;
        return is_dropping_;
    }

private:
    bool is_dropping_ = false;
};

/// A ring of slots. The number of slots is the capacity rounded up to a power of two. The state's tail assigns slots to
/// senders. The receiver frees a slot before it releases the slot's permit. A slot is `empty`, `has_value`, or is a
/// `hole`: the move of its value threw.
template <class T>
class bounded_channel : public bounded_state {
public:
    using value_type = T;

    explicit bounded_channel(std::size_t capacity)
        : bounded_state(capacity), mask_(std::bit_ceil(capacity) - 1), slots_(new slot[mask_ + 1]) {}
    /// Destroys the values that were sent after the receiver was closed.
    ~bounded_channel() { clear(); }

    // ---- The senders' side ----

    /// Moves the value into the claimed slot and wakes the receiver. If the move throws, the slot becomes a hole, which
    /// the receiver skips.
    void put(const claim& mine, T&& value) noexcept(std::is_nothrow_move_constructible_v<T>) {
        if (mine.is_to_wake) [[unlikely]] {
            wake_at_end wakes{take_receiver()};
            write(mine, std::move(value));
        } else {
            write(mine, std::move(value));
        }
    }

    // ---- The receiver's side ----

    /// Returns the next value, or null if none is published. Frees the holes before it.
    [[nodiscard]] T* peek() noexcept {
        if (dropper_.is_dropping()) [[unlikely]]
            return nullptr;
        for (;;) {
            slot& front = slots_[head_ & mask_];
            // acquire: pairs with the release in write(). The value is visible.
            const std::uint8_t holds = front.holds.load(std::memory_order_acquire);
            if (holds == has_value) [[likely]]
                return &front.value;
            // Only a move that throws leaves a hole.
            if (std::is_nothrow_move_constructible_v<T> || holds == empty) return nullptr;
            free_slot(front);
            static_cast<void>(release(1));
        }
    }
    /// Destroys the next value, which peek() has returned, and releases its permit. To release several permits
    /// together, call drop_value() for each value and then release_permits().
    void drop_front(T& value) noexcept {
        drop_value(value);
        static_cast<void>(release(1));
    }
    /// Destroys the next value, and keeps its permit.
    void drop_value(T& value) noexcept {
        dropper_.drop(value);
        // SAFETY: a value is the first member of its slot.
        free_slot(reinterpret_cast<slot&>(value));
    }
    /// Releases the permits of `count` dropped values.
    void release_permits(std::size_t count) noexcept {
        if (count != 0) static_cast<void>(release(count));
    }

    /// See bounded_state::wait().
    [[nodiscard]] nothing wait_for_more(const waker& wake) noexcept { return wait(head_, wake); }
    [[nodiscard]] nothing look_for_more() const noexcept {
        return dropper_.is_dropping() ? nothing::waits : look(head_);
    }
    [[nodiscard]] std::size_t len() const noexcept { return claimed_after(head_); }
    [[nodiscard]] bool is_empty() const noexcept { return len() == 0; }

    void clear() noexcept {
        while (T* const front = peek()) drop_front(*front);
    }

    // ---- Memory ----

    static bounded_channel* make(std::size_t capacity) { return pool_new<bounded_channel>(capacity); }
    static void destroy(bounded_channel* channel) noexcept { pool_delete(channel); }

private:
    static constexpr std::uint8_t empty = 0;
    static constexpr std::uint8_t has_value = 1;
    static constexpr std::uint8_t hole = 2;

    struct slot : detail::immovable {
        slot() noexcept {}  // NOLINT(modernize-use-equals-default): `value` is constructed when it is sent
        ~slot() {}          // NOLINT(modernize-use-equals-default): `value` is destroyed when it is received

        union {
            T value;
        };
        atomic<std::uint8_t> holds{empty};
    };

    struct wake_at_end {
        waker receiver;
        ~wake_at_end() { std::move(receiver).wake(); }
    };

    void write(const claim& mine, T&& value) noexcept(std::is_nothrow_move_constructible_v<T>) {
        slot& target = slots_[mine.place & mask_];
        // release, in both stores: pairs with the acquire in peek().
        if constexpr (std::is_nothrow_move_constructible_v<T>) {
            std::construct_at(&target.value, std::move(value));
        } else {
            try {
                std::construct_at(&target.value, std::move(value));
            } catch (...) {
                target.holds.store(hole, std::memory_order_release);
                throw;
            }
        }
        // release: see above.
        target.holds.store(has_value, std::memory_order_release);
    }
    void free_slot(slot& front) noexcept {
        // relaxed: the release of the slot's permit follows, and publishes this store to the next sender.
        front.holds.store(empty, std::memory_order_relaxed);
        head_ = (head_ + 1) & head_mask;
    }

    static constexpr std::size_t head_mask = (std::size_t{1} << 31) - 1;  // wraps around at 2^31, as the tail does

    const std::size_t mask_;
    const std::unique_ptr<slot[]> slots_;
    // Accessed by the receiver only:
    std::size_t head_ = 0;
    value_dropper<T> dropper_;
};

/// A linked list of nodes from the frame pool. Each node holds one value, except the first, whose value was received.
template <class T>
class unbounded_channel : public unbounded_state {
public:
    using value_type = T;

    unbounded_channel() : unbounded_channel(pool_new<node>()) {}
    ~unbounded_channel() {
        clear();
        pool_delete(first_);
    }

    // ---- The senders' side ----

    /// Sends the value. Returns nullopt if it was sent, and the value if the channel is closed.
    [[nodiscard]] std::optional<T> put(T&& value) {
        if (is_closed()) return std::optional<T>(std::in_place, std::move(value));
        const auto fresh = make_with(std::move(value));
        if (push(*fresh)) [[likely]]
            return std::nullopt;
        // The channel was closed after the check above.
        const unsent back{fresh};
        return std::optional<T>(std::in_place, std::move(fresh->value));
    }

    // ---- The receiver's side ----

    /// Returns the next value, or null if none is published.
    [[nodiscard]] T* peek() noexcept {
        if (dropper_.is_dropping()) [[unlikely]]
            return nullptr;
        // SAFETY: the constructor and make_with() made every node of this list, so each is a `node`. The receiver owns
        // the nodes that are linked, and only the receiver calls this.
        auto* const next = static_cast<node*>(next_of(*first_));
        return next != nullptr ? &next->value : nullptr;
    }
    /// Destroys the next value, which peek() has returned. Its node becomes the first node.
    void drop_front(T& value) noexcept {
        dropper_.drop(value);
        // SAFETY: as in peek(). The successor of the first node is the node of `value`.
        pool_delete(std::exchange(first_, static_cast<node*>(next_of(*first_))));
    }
    void drop_value(T& value) noexcept { drop_front(value); }
    void release_permits(std::size_t) noexcept {}

    [[nodiscard]] nothing wait_for_more(const waker& wake) noexcept { return wait(*first_, wake); }
    [[nodiscard]] nothing look_for_more() const noexcept {
        return dropper_.is_dropping() ? nothing::waits : look(*first_);
    }
    [[nodiscard]] std::size_t len() const noexcept {
        std::size_t count = 0;
        for (const mpsc_node* at = next_of(*first_); at != nullptr; at = next_of(*at)) ++count;
        return count;
    }
    [[nodiscard]] bool is_empty() const noexcept {
        return next_of(*first_) == nullptr && look_for_more() != nothing::claimed;
    }

    void clear() noexcept {
        while (T* const front = peek()) drop_front(*front);
    }

    // ---- Memory ----

    static unbounded_channel* make() { return pool_new<unbounded_channel>(); }
    static void destroy(unbounded_channel* channel) noexcept { pool_delete(channel); }

private:
    struct node : mpsc_node, detail::immovable {
        node() noexcept {}  // NOLINT(modernize-use-equals-default): `value` is constructed when it is sent
        ~node() {}          // NOLINT(modernize-use-equals-default): `value` is destroyed when it is received

        union {
            T value;
        };
    };

    explicit unbounded_channel(node* first) noexcept : unbounded_state(*first), first_(first) {}

    static node* make_with(T&& value) {
        pool_box<node> fresh(pool_new<node>());
        std::construct_at(&fresh->value, std::move(value));
        return fresh.release();
    }
    /// Destroys the value and the node that push() rejected.
    struct unsent {
        node* one;
        ~unsent() {
            std::destroy_at(&one->value);
            pool_delete(one);
        }
    };

    // Accessed by the receiver only:
    node* first_;
    value_dropper<T> dropper_;
};

/// Destroys the front value of a channel at the end of the scope, also if moving the value out throws.
template <class Channel>
class front_value : immovable {
public:
    front_value(Channel& channel, typename Channel::value_type& value) noexcept : channel_(channel), value_(value) {}
    ~front_value() { channel_.drop_front(value_); }

private:
    Channel& channel_;
    typename Channel::value_type& value_;
};

/// Counts the senders of a channel. The last sender closes the channel.
struct counts_senders {
    static void add(auto& channel) noexcept { channel.add_sender(); }
    template <class Channel>
    static void drop(Channel& channel) noexcept {
        if (!channel.drop_sender()) return;
        channel.end_senders();
        if (channel.leave()) Channel::destroy(&channel);
    }
};
template <class Channel>
using sender_share = ref_ptr<Channel, counts_senders>;

/// Counts the weak senders, which share the channel's memory and do not keep it open.
struct counts_weak_senders {
    static void add(auto& channel) noexcept { channel.add_weak(); }
    template <class Channel>
    static void drop(Channel& channel) noexcept {
        if (channel.drop_weak()) Channel::destroy(&channel);
    }
};
template <class Channel>
using weak_share = ref_ptr<Channel, counts_weak_senders>;

/// The deleter of the receiver's pointer: closes the channel and destroys the values in it.
template <class Channel>
struct leave_channel {
    void operator()(Channel* channel) const noexcept {
        channel->close_receiver();
        channel->clear();
        if (channel->leave()) Channel::destroy(channel);
    }
};

}  // namespace eddy::detail
