// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/core_task.hpp>

namespace eddy::inline v0_1::detail {

/// The inbound list of an event loop: a lock-free multi-producer list, which the loop takes as a whole. The list and
/// the state of the loop are in one word, so neither a fence nor a second flag is needed.
///
///     head     meaning                                  transitions
///     null     empty, the loop is awake                 push: to node                          loop: to parked, closed
///     parked   empty, the loop is parked or parks       push: to node, the pusher wakes it     loop: to null, closed
///     node     a list, newest first                     push: to node                          loop: to null, closed
///     closed   the loop has ended                       none
///
/// So a batch of pushes costs one wake-up, and a push to a loop that is awake costs none.
///
/// Thread safety: push() on any thread, other functions on the loop's thread.
/// Lifetime: the list does not own its nodes. A node that was pushed must stay alive until the loop has taken it.
class inbound_list {
public:
    /// The result of a push. On `loop_is_parked` the caller must wake the loop. On `refused` the list is closed.
    enum class pushed { quietly, loop_is_parked, refused };

    /// Adds a node at the front.
    [[nodiscard]] pushed push(inbound_node& node) noexcept {
        // relaxed: only a guess; the exchange validates it.
        inbound_node* head = head_.load(std::memory_order_relaxed);
        do {
            if (head == closed()) return pushed::refused;
            node.next_inbound = head == parked() ? nullptr : head;
            // release: pairs with the acquire in take() and close(). The loop sees the node and all that was done
            // before the push. acquire: pairs with the release in mark_parked(), before the caller wakes the loop.
        } while (!head_.compare_exchange_weak(head, &node, std::memory_order_acq_rel, std::memory_order_relaxed));
        return head == parked() ? pushed::loop_is_parked : pushed::quietly;
    }

    /// Removes all nodes and returns them, oldest first. Returns null if there are none.
    [[nodiscard]] inbound_node* take() noexcept {
        // relaxed: saves the read-modify-write if the list is empty. A node that is missed makes mark_parked() fail.
        if (head_.load(std::memory_order_relaxed) == nullptr) return nullptr;
        // acquire: pairs with the release in push().
        return oldest_first(head_.exchange(nullptr, std::memory_order_acquire));
    }

    /// Marks the loop as parked: from now on a push asks its caller to wake the loop. Returns false if the list is not
    /// empty; the loop must not park then.
    [[nodiscard]] bool mark_parked() noexcept {
        inbound_node* expected = nullptr;
        // release: pairs with the acquire in push(). relaxed on failure: take() follows, or the mark is there already.
        return head_.compare_exchange_strong(expected, parked(), std::memory_order_release,
                                             std::memory_order_relaxed) ||
               expected == parked();
    }

    /// Refuses later pushes. Removes all nodes and returns them, oldest first.
    [[nodiscard]] inbound_node* close() noexcept {
        // acquire: pairs with the release in push(). The release half has no partner: a refused push reads the mark
        // only.
        return oldest_first(head_.exchange(closed(), std::memory_order_acq_rel));
    }

private:
    // Marks: addresses that no pushed node has.
    [[nodiscard]] inbound_node* parked() noexcept { return &parked_mark_; }
    [[nodiscard]] inbound_node* closed() noexcept { return &closed_mark_; }

    [[nodiscard]] inbound_node* oldest_first(inbound_node* newest) noexcept {
        if (newest == parked() || newest == closed()) return nullptr;
        inbound_node* reversed = nullptr;
        while (newest != nullptr) {
            inbound_node* const next = newest->next_inbound;
            newest->next_inbound = reversed;
            reversed = newest;
            newest = next;
        }
        return reversed;
    }

    atomic<inbound_node*> head_{nullptr};
    inbound_node parked_mark_;
    inbound_node closed_mark_;
};

}  // namespace eddy::detail
