// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/notify_state.hpp>

// The tree behind sync::cancellation_token. Its idea is that of tokio-util's TreeNode: a token is a handle of a node; a
// node without handles can be cancelled by nobody but its parent, so it leaves the tree, and its children become its
// parent's.
//
//     alive ── cancel() of it, or of one above it ──> cancelled: out of the tree, and so are all below it
//       └── its last handle goes ──> gone: its children stand in its place
//
// Departure: one lock for a tree, and rings without a way up. The children of a node are a ring that goes through the
// node itself (`children`), so that a node leaves it, or is replaced by its own ring of children, in O(1) and without a
// look at its parent. If a root goes, its children are left as a ring that goes through no node: nobody can reach it
// from above. A cancel takes the whole subtree out under the lock, without recursion, and wakes after it. That is long,
// which is why the lock is one that threads sleep on. Nodes own nothing of each other. So destroying a tree is what
// destroying its handles is.

namespace eddy::detail {

class EDDY_API token_node {
public:
    /// A root, with one handle.
    [[nodiscard]] static token_node* make_root();
    /// A child of `parent`, with one handle; a root that is cancelled, if the parent is.
    [[nodiscard]] static token_node* make_child(token_node& parent);

    token_node(const token_node&) = delete;
    token_node& operator=(const token_node&) = delete;
    ~token_node() = default;

    void add_handle() noexcept {
        // relaxed: who makes a handle has one already.
        handles_.fetch_add(1, std::memory_order_relaxed);
    }
    void drop_handle() noexcept;

    /// Cancels it and all below it. When this returns, all of them are cancelled, and who waited has been woken, but
    /// for what another cancel() is about to wake.
    void cancel() noexcept;

    [[nodiscard]] bool is_cancelled() const noexcept {
        // acquire: pairs with the release in cancel(): who sees it sees what was done before.
        return is_cancelled_.load(std::memory_order_acquire);
    }

    void begin(notify_waiter& one) const noexcept { cancelled_.begin(one); }
    /// Whether it is cancelled; if not, `wake` will be woken when it is. `one` has begun.
    [[nodiscard]] bool poll_cancelled(notify_waiter& one, const waker& wake) noexcept {
        return is_cancelled() || cancelled_.poll(one, &wake);
    }
    void leave(notify_waiter& one) noexcept { cancelled_.leave(one); }

private:
    /// What all nodes of a tree share.
    struct tree {
        mutex lock;
        std::size_t nodes = 0;  ///< that have handles
    };
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

    atomic<std::uint32_t> handles_{1};
    atomic<std::uint32_t> references_{
        1};  ///< of the memory: one for all handles, and one for a cancel() that is to wake it
    atomic<bool> is_cancelled_{false};
    tree* tree_ = nullptr;  ///< null if it was made as a child of a cancelled one

    // Under the tree's lock.
    link children_;
    sibling_link as_sibling_;
    token_node* next_taken_ = nullptr;  ///< the cancel's own, once it is out of the tree

    notify_state cancelled_;
};

/// A handle.
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
    token_node* node_;  // never null: a token that was moved from is the same token
};

}  // namespace eddy::detail
