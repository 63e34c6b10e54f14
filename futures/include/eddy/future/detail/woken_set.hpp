// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/frame_pool.hpp>
#include <eddy/detail/ref_count.hpp>
#include <eddy/detail/spin_lock.hpp>
#include <eddy/detail/wait_shape.hpp>
#include <eddy/future/detail/inbound_list.hpp>
#include <eddy/future/waker.hpp>

// A set of futures of one owner, each with its own waker, so that only woken futures are polled. It is the untyped part
// of futures_unordered and similar classes, and follows FuturesUnordered of futures-rs.
//
//     owner ──> woken_set ──> node <─> node <─> node          all nodes in the set, in order
//                  │            ^ wakers of the node's future
//                  └──> woken_queue: the woken nodes, and the waker of the task that polls the owner
//
// A node is one reference-counted memory block. The owner has a reference from hold() to take_out(), and each waker has
// one. The future in the node belongs to the owner and is destroyed soon after take_out(). A waker that is used later
// can only free memory.
//
//     bit  name    set by                   cleared by          meaning
//     0    queued  the waker that queues    the owner, before   the node is in the queue, about to be pushed, or
//                  the node; take_out()     it polls            taken to be polled; after take_out(): the queue has
//                                                               the owner's reference
//     1..  refs    add_reference()          -                   the references to the block
//
// The queue is an inbound_list, whose owner is parked while the task that polls the set waits. So a wake-up costs two
// read-modify-writes for any number of futures, and a batch of wake-ups wakes the owner once. Departures from
// futures-rs: the queue is an inbound_list, instead of Vyukov's queue. So the owner never finds a half-finished push,
// and one exchange closes the queue. A later push is rejected, so a wake-up does not have to count references to the
// queue. Also, a node that is queued while the owner polls wakes no task.

namespace eddy::detail {

class woken_queue;

/// The untyped part of a future's node.
struct EDDY_API woken_node : immovable {
    static constexpr std::size_t queued = 1;
    static constexpr std::size_t one_reference = 2;

    /// Makes a node with the owner's reference, and queued, because a new future must be polled once.
    woken_node() noexcept = default;

    /// Returns a waker of the node's future for the duration of a poll. It uses the owner's reference.
    [[nodiscard]] borrowed_waker make_waker() noexcept;

    /// Returns whether the node was woken since the owner took it from the queue.
    [[nodiscard]] bool is_woken() const noexcept {
        // relaxed: only a hint; it publishes no other data.
        return (word.load(std::memory_order_relaxed) & queued) != 0;
    }

    atomic<std::size_t> word{one_reference | queued};
    woken_queue* queue = nullptr;      ///< the block has a reference to it
    woken_node* next_woken = nullptr;  ///< owned by the thread that set `queued`; after the push, by the queue's list
    // Accessed by the owner only:
    woken_node* previous = nullptr;
    woken_node* next = nullptr;
    bool is_held = false;
};

/// The queue that the wakers of all futures of a set share.
/// Lifetime: reference counted. The set has a reference, and each node's block.
class EDDY_API woken_queue : immovable {
public:
    using free_node = void (*)(woken_node& node) noexcept;

    /// `free` frees the block of a node.
    explicit woken_queue(free_node free) noexcept : free_(free) {}

    // ---- The owner ----

    /// Takes all queued nodes. Returns them oldest first, linked by `next_woken`; null if there are none.
    [[nodiscard]] woken_node* take() noexcept;

    /// Stores `wake` and marks the queue, so that the next push wakes it. Returns false if a node was pushed before.
    [[nodiscard]] bool fall_asleep(const waker& wake) noexcept;

    /// Closes the queue: later pushes are rejected. Returns the queued nodes as take() does.
    [[nodiscard]] woken_node* close() noexcept;

    // ---- Any thread ----

    /// Queues `node`, and wakes the owner if necessary.
    /// Preconditions: the caller has a reference to the node.
    static void wake(woken_node& node) noexcept;

    /// Wakes the waker that fall_asleep() has stored, if there is one.
    void wake_owner() noexcept;

    /// Add or give up a reference to a node. The last one frees its block.
    static void add_reference(woken_node& node) noexcept;
    static void drop_reference(woken_node& node) noexcept;

    /// Add or give up a reference to the queue. The last one frees it.
    void add_reference() noexcept { references_.add(); }
    void release() noexcept {
        if (references_.drop()) pool_delete(this);
    }

private:
    using list = inbound_list<woken_node, &woken_node::next_woken>;

    list woken_;
    ref_count<std::size_t> references_;
    spin_lock lock_;  // guards `owner_`
    waker owner_;
    const free_node free_;
};

/// The owner's side. The set can be moved; its nodes cannot.
/// Thread safety: one thread at a time. The wakers may be used on any thread.
class EDDY_API woken_set {
public:
    woken_set() noexcept = default;
    woken_set(woken_set&& other) noexcept
        : queue_(std::exchange(other.queue_, nullptr)),
          first_(std::exchange(other.first_, nullptr)),
          last_(std::exchange(other.last_, nullptr)),
          to_poll_(std::exchange(other.to_poll_, nullptr)),
          last_to_poll_(std::exchange(other.last_to_poll_, nullptr)),
          size_(std::exchange(other.size_, 0)),
          given_up_(std::exchange(other.given_up_, 0)) {}
    woken_set& operator=(woken_set&&) = delete;
    /// Preconditions: the set is empty.
    ~woken_set() { close(); }

    void swap(woken_set& other) noexcept;

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] woken_node* first() const noexcept { return first_; }

    /// Makes the queue. Call it before hold().
    void open(woken_queue::free_node free) {
        if (queue_ == nullptr) queue_ = pool_new<woken_queue>(free);
    }

    /// Adds a new node at the end or the beginning of the set, and queues it to be polled.
    void hold(woken_node& node, bool at_front = false) noexcept;
    /// Adds a new node at the end of the set. Only a waker queues it.
    void hold_unqueued(woken_node& node) noexcept;

    /// Removes a node from the set. Destroy its future afterwards, and then give up its reference.
    void take_out(woken_node& node) noexcept;

    /// Returns the next node to be polled and clears its `queued` bit; null if fetch() must be called for more.
    [[nodiscard]] woken_node* next_to_poll() noexcept;

    /// Takes the nodes that were woken since the last call. False if there are none: then the next push wakes `wake`.
    [[nodiscard]] bool fetch(const waker& wake) noexcept;
    /// Same as above, but stores no waker.
    [[nodiscard]] bool fetch() noexcept;
    /// Wakes the waker that fetch() has stored, if there is one.
    void wake_owner() noexcept {
        if (queue_ != nullptr) queue_->wake_owner();
    }

    /// Queues all nodes, so that each is polled once.
    void queue_all() noexcept;

    /// The nodes of the set in a member, each with a child that is relative to the node.
    template <class Class>
    static constexpr child_record children_in(woken_set Class::* member, child_record child) noexcept {
        child.in_node = child.offset;
        child.offset = offset_of(member) + offset_of(&woken_set::first_);
        child.stride = offset_of(&woken_node::next);
        child.is_at = child_record::list;
        return child;
    }

private:
    void link(woken_node& node, bool at_front) noexcept;
    void append_to_poll(woken_node& node) noexcept;
    void append_all(woken_node* oldest) noexcept;
    void forget_given_up() noexcept;
    void close() noexcept;

    woken_queue* queue_ = nullptr;
    woken_node* first_ = nullptr;
    woken_node* last_ = nullptr;
    woken_node* to_poll_ = nullptr;  // nodes taken from the queue
    woken_node* last_to_poll_ = nullptr;
    std::size_t size_ = 0;
    std::size_t given_up_ = 0;  // upper bound of the removed nodes that may still be queued
};

}  // namespace eddy::detail
