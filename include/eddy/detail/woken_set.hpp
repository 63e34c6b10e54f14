// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/spin_lock.hpp>
#include <eddy/waker.hpp>

// Many futures of one owner, each with a waker of its own, so that only those are polled that were woken: what
// futures_unordered and its like stand on, without the type of the futures. After FuturesUnordered of futures-rs.
//
//     owner ──> woken_set ──> node <─> node <─> node          all that it holds, in order
//                  │            ^ wakers of the future in it
//                  └──> woken_queue: the nodes that were woken, and the waker of whoever polls the owner
//
// A node is one reference-counted block: the owner has a reference from hold() to take_out(), each waker has one. The
// future in it is the owner's, and gone soon after take_out(); so a waker that comes later frees memory, at most.
//
//     bit  name    set by                            cleared by          what it means
//     0    queued  the waker that queues the node,   the owner, before   it is in the queue, or on its way there, or to
//     be polled;
//                  take_out()                        it polls            after take_out(): the queue has the owner's
//                  reference
//     1..  refs    whoever makes a waker             -                   the block
//
// The queue's head is one word, as in core/inbound_list.hpp:
//
//     head     meaning                                    left by
//     null     nothing was woken, the owner is awake      push: to node      the owner: to asleep, closed
//     asleep   nothing was woken, the owner has left      push: to node, and the pusher wakes the owner
//     node     a list, newest first                       push: to node      the owner: takes it all, to null or closed
//     closed   for good: the owner is gone                -
//
// So a wake costs two read-modify-writes, however many futures there are, and a batch of them wakes the owner once.
// Departures from futures-rs: the queue is taken as a whole (Treiber's stack, IBM RJ 5118, 1986, turned round), and is
// not Vyukov's. So there is no moment at which the owner finds a push half done, and to close it is one exchange: who
// comes later is told so, and no wake has to count the queue's references. And a node that is queued while the owner
// polls wakes nobody.

namespace eddy::detail {

class woken_queue;

/// The part of a future's node that knows no type.
struct EDDY_API woken_node {
    static constexpr std::size_t queued = 1;
    static constexpr std::size_t one_reference = 2;

    /// With the owner's reference, and as if it had been woken: it is polled for the first time.
    woken_node() noexcept = default;
    woken_node(const woken_node&) = delete;
    woken_node& operator=(const woken_node&) = delete;

    /// The waker of its future, for the length of a poll: a borrowed one.
    [[nodiscard]] borrowed_waker make_waker() noexcept;

    /// Whether it was woken since the owner took it from the queue.
    [[nodiscard]] bool is_woken() const noexcept {
        // relaxed: nothing is read through it.
        return (word.load(std::memory_order_relaxed) & queued) != 0;
    }

    atomic<std::size_t> word{one_reference | queued};
    woken_queue* queue = nullptr;      ///< the block has a reference of it
    woken_node* next_woken = nullptr;  ///< belongs to whoever set `queued`, and after the push to the queue's list
    // The owner's:
    woken_node* previous = nullptr;
    woken_node* next = nullptr;
    bool is_held = false;
};

/// What the wakers of all futures of a set share with it. Counted: the set has a reference, and each node's block.
class EDDY_API woken_queue {
public:
    using free_node = void (*)(woken_node& node) noexcept;

    /// `free` gives back the block of a node.
    explicit woken_queue(free_node free) noexcept : free_(free) {}
    woken_queue(const woken_queue&) = delete;
    woken_queue& operator=(const woken_queue&) = delete;
    ~woken_queue() = default;

    // ---- The owner ----

    /// What was woken, oldest first; null if nothing was.
    [[nodiscard]] woken_node* take() noexcept;

    /// The owner is about to answer "not yet" to `wake`, which is woken by the next push. False if something has been
    /// pushed.
    [[nodiscard]] bool fall_asleep(const waker& wake) noexcept;

    /// Refuses all that comes later; what was pushed, oldest first.
    [[nodiscard]] woken_node* close() noexcept;

    // ---- Any thread ----

    /// A wake of `node`'s future. The caller has a reference of the node.
    static void wake(woken_node& node) noexcept;

    static void add_reference(woken_node& node) noexcept;
    static void drop_reference(woken_node& node) noexcept;

    void add_reference() noexcept;
    void release() noexcept;

private:
    enum class pushed : std::uint8_t { quietly, owner_sleeps, refused };

    [[nodiscard]] pushed push(woken_node& node) noexcept;
    void wake_owner() noexcept;
    [[nodiscard]] woken_node* oldest_first(woken_node* newest) noexcept;

    // Addresses that no node has.
    [[nodiscard]] woken_node* asleep() noexcept { return &asleep_mark_; }
    [[nodiscard]] woken_node* closed() noexcept { return &closed_mark_; }

    atomic<woken_node*> head_{nullptr};
    atomic<std::size_t> references_{1};
    spin_lock lock_;  // of the waker
    waker owner_;
    const free_node free_;
    woken_node asleep_mark_;
    woken_node closed_mark_;
};

/// The owner's side. Movable: only the nodes stay where they are.
/// Thread safety: one thread at a time. Wakers on any.
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
    /// Preconditions: nothing is held.
    ~woken_set() { close(); }

    void swap(woken_set& other) noexcept;

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] woken_node* first() const noexcept { return first_; }

    /// Before the first node: makes the queue.
    void open(woken_queue::free_node free) {
        if (queue_ == nullptr) queue_ = new woken_queue(free);
    }

    /// Takes over a new node, at the end (or the beginning) of all, to be polled.
    void hold(woken_node& node, bool at_front = false) noexcept;

    /// Gives up a node: nothing here finds it any more. Its future is destroyed after that, and then its reference
    /// dropped.
    void take_out(woken_node& node) noexcept;

    /// The next one to be polled, and is not queued any more; null if all that was woken has been.
    [[nodiscard]] woken_node* next_to_poll() noexcept;

    /// Fetches what was woken meanwhile. False if nothing was, and `wake` will be woken by the next that is.
    [[nodiscard]] bool fetch(const waker& wake) noexcept;

    /// All that is held is to be polled once, though it was not woken.
    void queue_all() noexcept;

private:
    void append_to_poll(woken_node& node) noexcept;
    void append_all(woken_node* oldest) noexcept;
    void forget_given_up() noexcept;
    void close() noexcept;

    woken_queue* queue_ = nullptr;
    woken_node* first_ = nullptr;
    woken_node* last_ = nullptr;
    woken_node* to_poll_ = nullptr;  // taken from the queue
    woken_node* last_to_poll_ = nullptr;
    std::size_t size_ = 0;
    std::size_t given_up_ = 0;  // so many, at most, may still be queued
};

}  // namespace eddy::detail
