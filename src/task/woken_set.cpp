// SPDX-License-Identifier: MIT
#include <eddy/detail/woken_set.hpp>

#include <eddy/error.hpp>

#include <mutex>
#include <utility>

namespace eddy::detail {

// ---- The wakers ----

namespace {

// SAFETY: `data` is a woken_node of which the waker has a reference (or borrows the owner's, while its future is
// polled).
woken_node& node_of(void* data) noexcept { return *static_cast<woken_node*>(data); }

constexpr waker_vtable node_vtable{
    [](void* data) noexcept {
        woken_queue::add_reference(node_of(data));
        return data;
    },
    [](void* data) noexcept {
        woken_queue::wake(node_of(data));
        woken_queue::drop_reference(node_of(data));
    },
    [](void* data) noexcept { woken_queue::wake(node_of(data)); },
    [](void* data) noexcept { woken_queue::drop_reference(node_of(data)); },
};

}  // namespace

borrowed_waker woken_node::make_waker() noexcept { return {&node_vtable, this}; }

void woken_queue::wake(woken_node& node) noexcept {
    // release: pairs with the acquire in woken_set::next_to_poll(), also where the node is queued already: the future
    // sees what was done before it was woken. acquire: pairs with the release there; the owner is done with
    // `next_woken`.
    if ((node.word.fetch_or(woken_node::queued, std::memory_order_acq_rel) & woken_node::queued) != 0) return;
    woken_queue& queue = *node.queue;
    switch (queue.push(node)) {
    case pushed::quietly: return;
    // SAFETY: the caller's reference keeps the node, and that the queue, also if the owner goes away meanwhile.
    case pushed::owner_sleeps: return queue.wake_owner();
    // The owner has given up the node after `queued` was set, and has left its reference to whoever set it.
    case pushed::refused: return drop_reference(node);
    }
}

void woken_queue::add_reference(woken_node& node) noexcept {
    // relaxed: whoever adds a reference holds one.
    node.word.fetch_add(woken_node::one_reference, std::memory_order_relaxed);
}

void woken_queue::drop_reference(woken_node& node) noexcept {
    // release: each use comes before the block is freed; acquire, so that the last one sees them.
    if (node.word.fetch_sub(woken_node::one_reference, std::memory_order_acq_rel) >= 2 * woken_node::one_reference)
        return;
    woken_queue* const queue = node.queue;
    queue->free_(node);
    queue->release();
}

// ---- The queue ----

void woken_queue::add_reference() noexcept {
    // relaxed: whoever adds a reference holds one.
    references_.fetch_add(1, std::memory_order_relaxed);
}

void woken_queue::release() noexcept {
    // release, acquire: as for a node.
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

woken_queue::pushed woken_queue::push(woken_node& node) noexcept {
    woken_node* head = head_.load(std::memory_order_relaxed);
    do {
        if (head == closed()) return pushed::refused;
        node.next_woken = head == asleep() ? nullptr : head;
        // release: pairs with the acquire in take() and close(), which read `next_woken`.
    } while (!head_.compare_exchange_weak(head, &node, std::memory_order_release, std::memory_order_relaxed));
    return head == asleep() ? pushed::owner_sleeps : pushed::quietly;
}

void woken_queue::wake_owner() noexcept {
    // That the waker is seen which the owner left before it fell asleep is the lock's doing: if this came first, then
    // so did the push, and the owner has seen that instead of falling asleep. It may be one that the owner has left
    // since. Then this wakes the owner for nothing; and who finds no waker comes after somebody who has taken it, and
    // whose push the same poll of the owner finds.
    waker taken;
    {
        const std::lock_guard guard(lock_);
        taken = std::move(owner_);
    }
    std::move(taken).wake();
}

woken_node* woken_queue::take() noexcept {
    // relaxed: a look, so that a poll with nothing to do costs no read-modify-write. What is missed is seen by
    // fall_asleep(), or is the push that wakes the owner.
    woken_node* const seen = head_.load(std::memory_order_relaxed);
    if (seen == nullptr || seen == asleep()) return nullptr;
    // acquire: pairs with the release in push().
    return oldest_first(head_.exchange(nullptr, std::memory_order_acquire));
}

bool woken_queue::fall_asleep(const waker& wake) noexcept {
    bool is_kept = false;
    {
        const std::lock_guard guard(lock_);
        is_kept = owner_.will_wake(wake);
    }
    if (!is_kept) {
        waker replaced = wake;  // cloned here, and the former one dropped at the end: both may run a stranger's code
        const std::lock_guard guard(lock_);
        owner_.swap(replaced);
    }
    woken_node* expected = nullptr;
    // relaxed: the lock orders the waker for wake_owner(), and nothing else is read by who finds this mark; take()
    // follows if it fails. It is asleep already if it was polled for nothing.
    return head_.compare_exchange_strong(expected, asleep(), std::memory_order_relaxed) || expected == asleep();
}

woken_node* woken_queue::close() noexcept {
    // acquire: pairs with the release in push(). Not release: who is refused reads only what the node's word has
    // ordered.
    woken_node* const newest = head_.exchange(closed(), std::memory_order_acquire);
    waker dropped;
    {
        const std::lock_guard guard(lock_);
        dropped = std::move(owner_);
    }
    return oldest_first(newest);
}

woken_node* woken_queue::oldest_first(woken_node* newest) noexcept {
    if (newest == asleep() || newest == closed()) return nullptr;
    woken_node* reversed = nullptr;
    while (newest != nullptr) {
        woken_node* const next = newest->next_woken;
        newest->next_woken = reversed;
        reversed = newest;
        newest = next;
    }
    return reversed;
}

// ---- The owner's side ----

void woken_set::swap(woken_set& other) noexcept {
    std::swap(queue_, other.queue_);
    std::swap(first_, other.first_);
    std::swap(last_, other.last_);
    std::swap(to_poll_, other.to_poll_);
    std::swap(last_to_poll_, other.last_to_poll_);
    std::swap(size_, other.size_);
    std::swap(given_up_, other.given_up_);
}

void woken_set::hold(woken_node& node, bool at_front) noexcept {
    node.queue = queue_;
    queue_->add_reference();
    node.is_held = true;
    node.previous = at_front ? nullptr : last_;
    node.next = at_front ? first_ : nullptr;
    (node.previous != nullptr ? node.previous->next : first_) = &node;
    (node.next != nullptr ? node.next->previous : last_) = &node;
    ++size_;
    append_to_poll(node);
}

void woken_set::take_out(woken_node& node) noexcept {
    (node.previous != nullptr ? node.previous->next : first_) = node.next;
    (node.next != nullptr ? node.next->previous : last_) = node.previous;
    node.is_held = false;
    --size_;
    // Set, so that nobody queues it from now on. If it was set, the reference is the queue's, which gives it up where
    // the node comes out: in next_to_poll(), close() or a push that is refused. The future's destructor may get there,
    // so the caller has another one. acquire: pairs with wake(). Not release: the drop_reference() that follows says
    // that the future is gone.
    if ((node.word.fetch_or(woken_node::queued, std::memory_order_acquire) & woken_node::queued) == 0) return;
    woken_queue::add_reference(node);
    // Not only in next_to_poll(), or who pushes and releases many without a poll would pile up their blocks. By this
    // rule it costs as much as the releases before it.
    if (++given_up_ > size_ + 64) forget_given_up();
}

/// Gives up what is to be polled and is not held any more.
void woken_set::forget_given_up() noexcept {
    given_up_ = 0;
    for (woken_node* rest = std::exchange(to_poll_, nullptr); rest != nullptr;) {
        woken_node& node = *std::exchange(rest, rest->next_woken);
        if (node.is_held) {
            append_to_poll(node);
        } else {
            woken_queue::drop_reference(node);
        }
    }
}

woken_node* woken_set::next_to_poll() noexcept {
    while (woken_node* const node = to_poll_) {
        to_poll_ = node->next_woken;
        if (!node->is_held) {
            woken_queue::drop_reference(*node);
            continue;
        }
        // acquire: pairs with the release in wake(), of each wake so far. release: pairs with the acquire of the next.
        node->word.fetch_and(~woken_node::queued, std::memory_order_acq_rel);
        return node;
    }
    return nullptr;
}

bool woken_set::fetch(const waker& wake) noexcept {
    if (queue_ == nullptr) return false;
    woken_node* oldest = queue_->take();
    while (oldest == nullptr) {
        if (queue_->fall_asleep(wake)) return false;
        oldest = queue_->take();
    }
    append_all(oldest);
    return true;
}

void woken_set::queue_all() noexcept {
    for (woken_node* node = first_; node != nullptr; node = node->next) {
        // Nothing is read through it: next_to_poll() looks again. If it is set, the node is to be polled anyway.
        if ((node->word.fetch_or(woken_node::queued, std::memory_order_acq_rel) & woken_node::queued) == 0)
            append_to_poll(*node);
    }
}

void woken_set::append_to_poll(woken_node& node) noexcept {
    node.next_woken = nullptr;
    append_all(&node);
}

void woken_set::append_all(woken_node* oldest) noexcept {
    (to_poll_ != nullptr ? last_to_poll_->next_woken : to_poll_) = oldest;
    while (oldest->next_woken != nullptr) oldest = oldest->next_woken;
    last_to_poll_ = oldest;
}

void woken_set::close() noexcept {
    if (queue_ == nullptr) return;
    EDDY_ASSERT(size_ == 0, "woken_set: futures are left at its end");
    // All were released before: so who finds the queue closed has its node's reference.
    while (next_to_poll() != nullptr) {
    }
    if (woken_node* const rest = queue_->close()) append_all(rest);
    while (next_to_poll() != nullptr) {
    }
    std::exchange(queue_, nullptr)->release();
}

}  // namespace eddy::detail
