// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/notify_state.hpp>
#include <eddy/detail/ref_count.hpp>

// The tree of sync::cancellation_token. A token is a handle of a node. A node without handles can only be cancelled by
// its parent, so it leaves the tree, and its children become children of its parent. This follows TreeNode of
// tokio-util.
//
//     alive ── cancel() of it or of an ancestor ──> cancelled: out of the tree, with all its descendants
//       └── its last handle is dropped ──> gone: replaced in the tree by its children
//
// Departures: a tree has one lock, and nodes have no pointer to the parent. The children of a node form a ring through
// the node's own link `children_`. So a node can leave the ring, or be replaced by its own ring of children, in O(1)
// and without access to its parent. If a root is gone, its children remain as a ring without a parent's link, and
// cannot be reached from above.
//
// cancel() takes the whole subtree out under the lock, without recursion, and wakes the waiters afterwards. This can
// take long, so the lock is a mutex and not a spin lock. Nodes do not own each other: a tree is destroyed by
// destroying its handles.

namespace eddy::detail {

/// A node of the tree.
/// Thread safety: any thread.
/// Lifetime: the handles and an active cancel() keep the node alive.
class EDDY_API token_node {
public:
    /// Makes a root with one handle.
    [[nodiscard]] static token_node* make_root();
    /// Makes a child of `parent` with one handle. If `parent` is cancelled, makes a cancelled root.
    [[nodiscard]] static token_node* make_child(token_node& parent);

    token_node(const token_node&) = delete;
    token_node& operator=(const token_node&) = delete;
    ~token_node() = default;

    void add_handle() noexcept { handles_.add(); }
    /// Drops a handle. Aborts with a message if it is the last one and there are waiters.
    void drop_handle() noexcept;

    /// Cancels the node and its descendants. When it returns, all of them are cancelled, and their waiters have been
    /// woken, except for waiters that a concurrent cancel() is about to wake.
    void cancel() noexcept;

    [[nodiscard]] bool is_cancelled() const noexcept {
        // acquire: pairs with the release in take_subtree(). The caller sees what was done before cancel().
        return is_cancelled_.load(std::memory_order_acquire);
    }

    /// Starts `one`. See notify_state::begin().
    void begin(notify_waiter& one) const noexcept { cancelled_.begin(one); }
    /// Returns whether the node is cancelled. Otherwise `wake` will be woken when it is.
    /// Preconditions: begin() was called for `one`.
    [[nodiscard]] bool poll_cancelled(notify_waiter& one, const waker& wake) noexcept {
        return is_cancelled() || cancelled_.poll(one, &wake);
    }
    /// Stops waiting.
    void leave(notify_waiter& one) noexcept { cancelled_.leave(one); }

private:
    /// The part that all nodes of a tree share.
    struct tree {
        mutex lock;
        std::size_t nodes = 0;  ///< the number of nodes that have handles; the last one frees the tree
    };
    /// A link of a ring.
    struct link {
        link* previous = this;
        link* next = this;

        link() noexcept = default;
        link(const link&) = delete;
        link& operator=(const link&) = delete;

        [[nodiscard]] bool is_alone() const noexcept { return next == this; }
        void take_out() noexcept;
        void put_before(link& place) noexcept;
        void put_ring_before(link& place) noexcept;
    };
    struct sibling_link : link {
        token_node* node = nullptr;
    };

    token_node() noexcept { as_sibling_.node = this; }

    void release() noexcept;
    token_node* take_subtree() noexcept;

    ref_count<> handles_;
    /// References to the memory: one of all handles together, and one of an active cancel().
    ref_count<> references_;
    atomic<bool> is_cancelled_{false};
    tree* tree_ = nullptr;  ///< null if the node was made as a child of a cancelled node

    // Guarded by the tree's lock:
    link children_;
    sibling_link as_sibling_;
    token_node* next_taken_ = nullptr;  ///< used by cancel() after it has taken the node out

    notify_state cancelled_;
};

/// Owns a handle of a node.
class token_share {
public:
    token_share() : node_(token_node::make_root()) {}
    explicit token_share(token_node* taken_over) noexcept : node_(taken_over) {}
    token_share(const token_share& other) noexcept : node_(other.node_) { node_->add_handle(); }
    token_share& operator=(const token_share& other) noexcept {
        token_share copy(other);
        std::swap(node_, copy.node_);
        return *this;
    }
    ~token_share() { node_->drop_handle(); }

    [[nodiscard]] token_node* get() const noexcept { return node_; }
    token_node* operator->() const noexcept { return node_; }

private:
    token_node* node_;  // never null: a moved-from token still refers to its node, because there is no move constructor
};

}  // namespace eddy::detail
