// SPDX-License-Identifier: MIT
#include <eddy/sync/cancellation_token.hpp>

#include <memory>
#include <mutex>
#include <utility>

#include <eddy/error.hpp>

namespace eddy::detail {

void token_node::link::take_out() noexcept {
    // Removes this link from its ring.
    previous->next = next;
    next->previous = previous;
    previous = next = this;
}

void token_node::link::put_before(link& place) noexcept {
    // Inserts this link before `place`.
    previous = place.previous;
    next = &place;
    previous->next = this;
    place.previous = this;
}

// Moves the other links of this ring before `place`. This link is alone afterwards.
void token_node::link::put_ring_before(link& place) noexcept {
    if (is_alone()) return;
    link* const first = next;
    link* const last = previous;
    previous = next = this;
    first->previous = place.previous;
    place.previous->next = first;
    last->next = &place;
    place.previous = last;
}

token_node* token_node::make_root() {
    auto of = std::make_unique<tree>();
    auto* const root = new token_node;
    of->nodes = 1;
    root->tree_ = of.release();
    return root;
}

token_node* token_node::make_child(token_node& parent) {
    auto* const child = new token_node;
    if (parent.tree_ != nullptr) {
        const std::lock_guard guard(parent.tree_->lock);
        // relaxed: the flag of a node in a tree is written under the lock, which this thread holds.
        if (!parent.is_cancelled_.load(std::memory_order_relaxed)) {
            child->tree_ = parent.tree_;
            ++child->tree_->nodes;
            child->as_sibling_.put_before(parent.children_);
            return child;
        }
    }
    // A cancelled node stays cancelled and needs no tree. relaxed: no other thread has access to the child yet.
    child->is_cancelled_.store(true, std::memory_order_relaxed);
    return child;
}

void token_node::drop_handle() noexcept {
    if (!handles_.drop()) return;
    if (!cancelled_.may_be_destroyed())
        cancelled_.destroyed_too_early(
            "a cancellation_token was destroyed while a task waits for it: keep it until its cancelled() "
            "futures are gone, or use cancelled_owned()");
    if (tree_ != nullptr) {
        std::unique_ptr<tree> last;  // destroyed after the lock is released
        const std::lock_guard guard(tree_->lock);
        // relaxed: the flag is written under the lock.
        if (!is_cancelled_.load(std::memory_order_relaxed)) {
            children_.put_ring_before(as_sibling_);
            as_sibling_.take_out();
        }
        if (--tree_->nodes == 0) last.reset(tree_);
    }
    release();
}

bool token_node::is_awaited() noexcept {
    if (cancelled_.has_waiters()) return true;
    if (tree_ == nullptr) return false;
    const std::lock_guard guard(tree_->lock);
    return !children_.is_alone();
}

void token_node::release() noexcept {
    if (references_.drop()) delete this;
}

/// Removes this node and all of its descendants from the tree and marks them as cancelled. The caller holds the lock.
/// Returns the nodes as a chain, each with a reference. In the chain a descendant precedes its ancestors.
token_node* token_node::take_subtree() noexcept {
    token_node* taken = nullptr;
    const auto take = [&](token_node& one) {
        one.as_sibling_.take_out();
        // The node already has a reference, of a handle or of a thread that dropped the last handle and waits for the
        // lock.
        one.references_.add();
        one.next_taken_ = std::exchange(taken, &one);
    };
    take(*this);
    while (!children_.is_alone()) {
        // SAFETY: each link of this ring except `children_` is the `as_sibling_` of a node. That node is alive: a node
        // that is gone was removed from its ring under the lock.
        token_node& child = *static_cast<sibling_link*>(children_.next)->node;
        take(child);
        child.children_.put_ring_before(children_);  // replaces recursion: the loop processes the grandchildren later
    }
    // Descendants first: a thread that sees a cancelled token must also see its descendants as cancelled.
    for (token_node* one = taken; one != nullptr; one = one->next_taken_) {
        // release: pairs with the acquire in is_cancelled().
        one->is_cancelled_.store(true, std::memory_order_release);
    }
    return taken;
}

void token_node::cancel() noexcept {
    if (is_cancelled()) return;
    token_node* taken = nullptr;
    {
        const std::lock_guard guard(tree_->lock);
        // relaxed: the flag is written under the lock.
        if (is_cancelled_.load(std::memory_order_relaxed)) return;
        taken = take_subtree();
    }
    while (taken != nullptr) {
        token_node& one = *std::exchange(taken, taken->next_taken_);
        one.cancelled_.notify_waiters();
        one.release();
    }
}

}  // namespace eddy::detail
