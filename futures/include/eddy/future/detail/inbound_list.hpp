// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/detail/atomic.hpp>

namespace eddy::detail {

/// A lock-free list with many producers, which its owner takes as a whole: of the tasks that other threads send to
/// an event loop, or of the woken futures of a set. The list and the state of the owner are in one word, so
/// neither a fence nor a second flag is needed. It is Treiber's stack (IBM RJ 5118, 1986), reversed when it is taken.
///
///     head     meaning                                   a push makes it           the owner makes it
///     null     empty, the owner is awake                 node                      parked, closed
///     parked   empty, the owner waits or is about to     node, and wakes the owner null, closed
///     node     a list, newest first                      node                      null, closed
///     closed   the owner is gone                         -                         -
///
/// So a batch of pushes costs one wake-up, and a push while the owner is awake costs none. The mark of a parked owner
/// stays until its next take(), so a push before that wakes it, too.
///
/// `Next` is the member of a node that links it.
/// Thread safety: push() and has_nodes() on any thread, other functions on the owner's thread.
/// Lifetime: the list does not own its nodes. A node that was pushed must stay alive until the owner has taken it.
template <class Node, Node* Node::* Next>
class inbound_list {
public:
    /// The result of a push. On `owner_is_parked` the caller must wake the owner. On `refused` the list is closed.
    enum class pushed { quietly, owner_is_parked, refused };

    /// Adds a node at the front.
    [[nodiscard]] pushed push(Node& node) noexcept {
        // relaxed: only a guess; the exchange validates it.
        Node* head = head_.load(std::memory_order_relaxed);
        do {
            if (head == closed()) return pushed::refused;
            node.*Next = head == parked() ? nullptr : head;
            // release: pairs with the acquire in take() and close(). The owner sees the node and all that was done
            // before the push. acquire: pairs with the release in mark_parked(), before the caller wakes the owner.
        } while (!head_.compare_exchange_weak(head, &node, std::memory_order_acq_rel, std::memory_order_relaxed));
        return head == parked() ? pushed::owner_is_parked : pushed::quietly;
    }

    /// Removes all nodes and returns them, oldest first. Returns null if there are none.
    [[nodiscard]] Node* take() noexcept {
        // relaxed: saves the read-modify-write if the list is empty. A node that is missed makes mark_parked() fail.
        if (head_.load(std::memory_order_relaxed) == nullptr) return nullptr;
        // acquire: pairs with the release in push().
        return oldest_first(head_.exchange(nullptr, std::memory_order_acquire));
    }

    /// Returns whether there are nodes. May miss one that is being pushed, which makes mark_parked() fail.
    [[nodiscard]] bool has_nodes() noexcept {
        Node* const head = head_.load(std::memory_order_relaxed);  // relaxed: no node is read
        return head != nullptr && head != parked() && head != closed();
    }

    /// Marks the owner as parked: from now on a push asks its caller to wake the owner. Returns false if the list is
    /// not empty; the owner must not wait then.
    [[nodiscard]] bool mark_parked() noexcept {
        Node* expected = nullptr;
        // release: pairs with the acquire in push(). relaxed on failure: take() follows, or the mark is there already.
        return head_.compare_exchange_strong(expected, parked(), std::memory_order_release,
                                             std::memory_order_relaxed) ||
               expected == parked();
    }

    /// Refuses later pushes. Removes all nodes and returns them, oldest first.
    [[nodiscard]] Node* close() noexcept {
        // acquire: pairs with the release in push(). The release half has no partner: a refused push only reads it.
        return oldest_first(head_.exchange(closed(), std::memory_order_acq_rel));
    }

private:
    // Marks: addresses that no pushed node has. SAFETY: they are only compared.
    [[nodiscard]] Node* parked() noexcept { return reinterpret_cast<Node*>(&marks_[0]); }
    [[nodiscard]] Node* closed() noexcept { return reinterpret_cast<Node*>(&marks_[1]); }

    [[nodiscard]] Node* oldest_first(Node* newest) noexcept {
        if (newest == parked() || newest == closed()) return nullptr;
        Node* reversed = nullptr;
        while (newest != nullptr) {
            Node* const next = newest->*Next;
            newest->*Next = reversed;
            reversed = newest;
            newest = next;
        }
        return reversed;
    }

    atomic<Node*> head_{nullptr};
    struct alignas(Node) mark {};
    mark marks_[2];
};

}  // namespace eddy::detail
