// SPDX-License-Identifier: MIT
#include <eddy/detail/token_node.hpp>

#include <memory>
#include <mutex>
#include <utility>

#include <eddy/error.hpp>

namespace eddy::detail {

void token_node::link::take_out() noexcept {
    previous->next = next;
    next->previous = previous;
    previous = next = this;
}

void token_node::link::put_before(link& place) noexcept {
    previous = place.previous;
    next = &place;
    previous->next = this;
    place.previous = this;
}

/// The others of this ring, which it leaves, come to stand before `place`.
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
        // relaxed: it is written under the lock.
        if (!parent.is_cancelled_.load(std::memory_order_relaxed)) {
            child->tree_ = parent.tree_;
            ++child->tree_->nodes;
            child->as_sibling_.put_before(parent.children_);
            return child;
        }
    }
    // A cancelled tree is not alive again, so it needs no nodes. relaxed: nobody else knows the child yet.
    child->is_cancelled_.store(true, std::memory_order_relaxed);
    return child;
}

void token_node::drop_handle() noexcept {
    // acq_rel: what was done by way of the other handles comes before what the last one does.
    if (handles_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    if (!cancelled_.may_be_destroyed())
        fatal_misuse(
            "a cancellation_token was destroyed while a task waits for it: keep it until its cancelled() "
            "futures are gone, or use cancelled_owned()");
    if (tree_ != nullptr) {
        std::unique_ptr<tree> last;  // destroyed after the lock is left
        const std::lock_guard guard(tree_->lock);
        if (!is_cancelled_.load(std::memory_order_relaxed)) {
            children_.put_ring_before(as_sibling_);
            as_sibling_.take_out();
        }
        if (--tree_->nodes == 0) last.reset(tree_);
    }
    release();
}

void token_node::release() noexcept {
    // acq_rel: whoever frees it comes after what the other has done with it.
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

/// Takes it and all below it out of the tree and marks them, under the lock. They are a chain, with a reference each,
/// in which whoever is below another comes before it.
token_node* token_node::take_subtree() noexcept {
    token_node* taken = nullptr;
    const auto take = [&](token_node& one) {
        one.as_sibling_.take_out();
        // relaxed: a handle, or who drops the last one and waits for the lock, has a reference.
        one.references_.fetch_add(1, std::memory_order_relaxed);
        one.next_taken_ = std::exchange(taken, &one);
    };
    take(*this);
    while (!children_.is_alone()) {
        // SAFETY: all links of such a ring, but `children_` itself, are the `as_sibling_` of a node.
        token_node& child = *static_cast<sibling_link*>(children_.next)->node;
        take(child);
        child.children_.put_ring_before(children_);  // its children are looked at later, in place of recursion
    }
    // Those below first: who finds a token cancelled finds its children so.
    for (token_node* one = taken; one != nullptr; one = one->next_taken_) {
        // release: pairs with is_cancelled().
        one->is_cancelled_.store(true, std::memory_order_release);
    }
    return taken;
}

void token_node::cancel() noexcept {
    if (is_cancelled()) return;
    token_node* taken = nullptr;
    {
        const std::lock_guard guard(tree_->lock);
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
