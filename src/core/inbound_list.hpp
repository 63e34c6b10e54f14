// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/core_task.hpp>

namespace eddy::detail {

/// What other threads send to a loop: a lock-free list with many producers, which the loop takes over as a whole.
/// One word says all, so no fence and no second flag is needed:
///
///     head     meaning                                    left by
///     null     nothing waits, the loop is awake           push: to node      the loop: to asleep, closed
///     asleep   nothing waits, the loop may be blocked     push: to node, and the pusher wakes the loop
///     node     a list, newest first                       push: to node      the loop: takes it all, to null or closed
///     closed   for good                                   -
///
/// So a batch of pushes costs one wake-up, and a push to a loop that is awake none.
class inbound_list {
public:
    enum class pushed { quietly, loop_sleeps, refused };

    /// Any thread.
    [[nodiscard]] pushed push(inbound_node& node) noexcept {
        inbound_node* head = head_.load(std::memory_order_relaxed);
        do {
            if (head == closed()) return pushed::refused;
            node.next_inbound = head == asleep() ? nullptr : head;
            // release: pairs with the acquire in take(); the loop sees the node, and what was done before the push.
            // acquire, too: a waker that finds an earlier node of its own task is ordered after it.
        } while (!head_.compare_exchange_weak(head, &node, std::memory_order_acq_rel, std::memory_order_relaxed));
        return head == asleep() ? pushed::loop_sleeps : pushed::quietly;
    }

    /// The loop: everything that was sent, oldest first; null if nothing.
    [[nodiscard]] inbound_node* take() noexcept {
        // relaxed: a look, so that an idle list costs no read-modify-write. What is missed now is seen before sleeping.
        if (head_.load(std::memory_order_relaxed) == nullptr) return nullptr;
        // acquire: pairs with the release in push().
        return oldest_first(head_.exchange(nullptr, std::memory_order_acquire));
    }

    /// The loop is about to block: from now on a push wakes it. False if something has been sent: do not block.
    [[nodiscard]] bool fall_asleep() noexcept {
        inbound_node* expected = nullptr;
        // release: pairs with the acq_rel in push(), whose wake-up comes after. relaxed on failure: take() follows.
        return head_.compare_exchange_strong(expected, asleep(), std::memory_order_release, std::memory_order_relaxed);
    }

    /// The loop: refuses all that comes later; what was sent, oldest first.
    [[nodiscard]] inbound_node* close() noexcept {
        return oldest_first(head_.exchange(closed(), std::memory_order_acq_rel));
    }

private:
    // Addresses that no node has.
    [[nodiscard]] inbound_node* asleep() noexcept { return &asleep_mark_; }
    [[nodiscard]] inbound_node* closed() noexcept { return &closed_mark_; }

    [[nodiscard]] inbound_node* oldest_first(inbound_node* newest) noexcept {
        if (newest == asleep() || newest == closed()) return nullptr;
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
    inbound_node asleep_mark_;
    inbound_node closed_mark_;
};

}  // namespace eddy::detail
