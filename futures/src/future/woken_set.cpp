// SPDX-License-Identifier: MIT
#include <eddy/future/detail/woken_set.hpp>

#include <eddy/error.hpp>

#include <mutex>
#include <utility>

namespace eddy::detail {

// ---- The wakers ----

namespace {

// SAFETY: `data` is the woken_node of a waker with the vtable below. The waker holds a reference, or borrows the
// owner's reference while the future is polled.
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
    // release: pairs with the acquire in woken_set::next_to_poll(). The future sees what was done before each wake-up,
    // so this is a read-modify-write even if the node is queued. acquire: pairs with the release there. The owner no
    // longer uses `next_woken`.
    if ((node.word.fetch_or(woken_node::queued, std::memory_order_acq_rel) & woken_node::queued) != 0) return;
    woken_queue& queue = *node.queue;
    switch (queue.woken_.push(node)) {
    case list::pushed::quietly: return;
    // SAFETY: the caller's reference keeps the node alive, and the node keeps the queue alive, even if the owner is
    // destroyed meanwhile.
    case list::pushed::owner_is_parked: return queue.wake_owner();
    // The owner has removed the node after `queued` was set, and so has left its reference to this thread.
    case list::pushed::refused: return drop_reference(node);
    }
}

void woken_queue::add_reference(woken_node& node) noexcept {
    // relaxed: the caller holds a reference already, so nothing is published.
    node.word.fetch_add(woken_node::one_reference, std::memory_order_relaxed);
}

void woken_queue::drop_reference(woken_node& node) noexcept {
    // acq_rel: pairs with itself. The thread that frees sees all that other threads did before their release.
    if (node.word.fetch_sub(woken_node::one_reference, std::memory_order_acq_rel) >= 2 * woken_node::one_reference)
        return;
    woken_queue* const queue = node.queue;
    queue->free_(node);
    queue->release();
}

// ---- The queue ----

void woken_queue::wake_owner() noexcept {
    // The lock makes the waker visible that the owner stored before it parked. If this thread took the lock
    // first, then its push would have happened before mark_parked(), which would have failed.
    // The waker may be a newer one. Then the owner gets a spurious wake-up. If there is no waker, another pusher has
    // taken it, and the poll that it causes also finds this push.
    waker taken;
    {
        const std::lock_guard guard(lock_);
        taken = std::move(owner_);
    }
    std::move(taken).wake();
}

woken_node* woken_queue::take() noexcept { return woken_.has_nodes() ? woken_.take() : nullptr; }

bool woken_queue::fall_asleep(const waker& wake) noexcept {
    bool is_kept = false;
    {
        const std::lock_guard guard(lock_);
        is_kept = owner_.will_wake(wake);
    }
    if (!is_kept) {
        waker replaced = wake;  // cloned before the lock, the previous one dropped after it: both may run user code
        const std::lock_guard guard(lock_);
        owner_.swap(replaced);
    }
    return woken_.mark_parked();
}

woken_node* woken_queue::close() noexcept {
    woken_node* const oldest = woken_.close();
    waker dropped;
    const std::lock_guard guard(lock_);
    dropped = std::move(owner_);
    return oldest;
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
    link(node, at_front);
    append_to_poll(node);
}

void woken_set::hold_unqueued(woken_node& node) noexcept {
    // relaxed: no other thread has access to the node yet.
    node.word.store(woken_node::one_reference, std::memory_order_relaxed);
    link(node, false);
}

void woken_set::link(woken_node& node, bool at_front) noexcept {
    node.queue = queue_;
    queue_->add_reference();
    node.is_held = true;
    node.previous = at_front ? nullptr : last_;
    node.next = at_front ? first_ : nullptr;
    (node.previous != nullptr ? node.previous->next : first_) = &node;
    (node.next != nullptr ? node.next->previous : last_) = &node;
    ++size_;
}

void woken_set::take_out(woken_node& node) noexcept {
    (node.previous != nullptr ? node.previous->next : first_) = node.next;
    (node.next != nullptr ? node.next->previous : last_) = node.previous;
    node.is_held = false;
    --size_;
    // Sets the bit, so that no thread queues the node from now on. If the bit was set, the owner's reference passes to
    // the queue, which releases it when it removes the node: in next_to_poll(), close() or a refused push. The
    // destructor of the future may cause such a removal, so the caller gets another reference.
    // acquire: pairs with the release in wake(). Not release: the caller's drop_reference() publishes the end of the
    // future.
    if ((node.word.fetch_or(woken_node::queued, std::memory_order_acquire) & woken_node::queued) == 0) return;
    woken_queue::add_reference(node);
    // Removed nodes are released here as well as in next_to_poll(). Otherwise an owner that adds and removes many
    // futures without a poll would accumulate their blocks. The limit makes the cost proportional to the removals.
    if (++given_up_ > size_ + 64) forget_given_up();
}

/// Drops the references to nodes that were removed from the set but are still in the poll list (to_poll_).
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
        // acquire: pairs with the release in wake(), for each wake-up so far. release: pairs with the acquire of the
        // next wake().
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

bool woken_set::fetch() noexcept {
    woken_node* const oldest = queue_ == nullptr ? nullptr : queue_->take();
    if (oldest != nullptr) append_all(oldest);
    return oldest != nullptr;
}

void woken_set::queue_all() noexcept {
    for (woken_node* node = first_; node != nullptr; node = node->next) {
        // If the bit is set, the node is queued already. acq_rel has no partner here: this function neither publishes
        // nor reads data through the word. next_to_poll() acquires it.
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
    // All nodes were removed before. So a push that finds the queue closed owns the reference of its node, and a call
    // of forget_given_up() leaves none.
    forget_given_up();
    if (woken_node* const rest = queue_->close()) append_all(rest);
    forget_given_up();
    std::exchange(queue_, nullptr)->release();
}

}  // namespace eddy::detail
