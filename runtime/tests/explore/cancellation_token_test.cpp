// SPDX-License-Identifier: MIT
// The tree of cancellation tokens: a cancel wakes all waiters of the token and of its descendants, even if the tree
// changes meanwhile. Nodes are freed once. A thread that finds a token cancelled finds its descendants cancelled.
// covers: P110
#include <eddy/sync/cancellation_token.hpp>

#include <gtest/gtest.h>

#include <optional>
#include <utility>

#include "explore/explore.hpp"
#include "explore/sleeping_task.hpp"

namespace {

using eddy::detail::notify_waiter;
using eddy::detail::token_node;
using eddy::detail::token_share;
using explore::cell;
using explore::check;
using explore::fails;
using explore::holds;
using explore::sleeping_task;

token_share child_of(const token_share& parent) { return token_share(token_node::make_child(*parent.get())); }

void wait_for_cancel(const token_share& token, sleeping_task& task) {
    notify_waiter one;
    token->begin(one);
    const eddy::waker waker = task.waker();
    while (!token->poll_cancelled(one, waker)) task.sleep();
    token->leave(one);
}

TEST(ExploreCancellationToken, CancelWakesWaiterAndPublishesWrites) {
    EXPECT_TRUE(holds({.preemptions = 3}, [] {
        const token_share token;
        sleeping_task task(false);
        cell<int> reason;
        explore::thread cancelling([&] {
            reason.write(7);
            token->cancel();
        });
        wait_for_cancel(token, task);
        check(reason.read() == 7, "writes before the cancel are visible");
    }));
}

TEST(ExploreCancellationToken, WokenWaiterMayDestroyToken) {
    EXPECT_TRUE(holds({.preemptions = 3}, [] {
        std::optional<token_share> token(std::in_place);
        sleeping_task task(false);
        explore::thread cancelling([&node = *token->get()] { node.cancel(); });
        wait_for_cancel(*token, task);
        token.reset();
    }));
}

TEST(ExploreCancellationToken, ChildMadeDuringCancelIsCancelled) {
    EXPECT_TRUE(holds([] {
        const token_share root;
        sleeping_task task(false);
        explore::thread cancelling([&] { root->cancel(); });
        const token_share child = child_of(root);
        wait_for_cancel(child, task);
    }));
}

// covers: P090
TEST(ExploreCancellationToken, CancelReachesChildOfDroppedParent) {
    EXPECT_TRUE(holds([] {
        std::optional<token_share> root(std::in_place);
        std::optional<token_share> middle(child_of(*root));
        const token_share grandchild = child_of(*middle);
        sleeping_task task(false);
        explore::thread cancelling([&] { (*root)->cancel(); });
        explore::thread leaving([&] { middle.reset(); });
        wait_for_cancel(grandchild, task);
    }));
}

TEST(ExploreCancellationToken, TwoCancelsReachAllDescendants) {
    EXPECT_TRUE(holds([] {
        const token_share root;
        const token_share middle = child_of(root);
        const token_share grandchild = child_of(middle);
        explore::thread above([&] {
            root->cancel();
            check(grandchild->is_cancelled(), "all descendants are cancelled when cancel() returns");
        });
        middle->cancel();
        check(grandchild->is_cancelled(), "all descendants are cancelled when cancel() returns");
    }));
}

TEST(ExploreCancellationToken, HandlesMayBeDroppedDuringCancel) {
    EXPECT_TRUE(holds([] {
        std::optional<token_share> root(std::in_place);
        std::optional<token_share> first(child_of(*root));
        std::optional<token_share> second(child_of(*first));
        explore::thread cancelling([&] {
            (*root)->cancel();
            root.reset();
        });
        explore::thread leaving([&] { first.reset(); });
        second.reset();
    }));
}

// ---- Copies with one mistake each fail ----

/// Two nodes are marked as cancelled: the child or its parent first, with a given memory order.
template <bool ChildFirst, std::memory_order Order>
void mark_and_look() {
    eddy::detail::atomic<bool> parent(false);
    eddy::detail::atomic<bool> child(false);
    cell<int> reason;
    explore::thread cancelling([&] {
        reason.write(7);
        (ChildFirst ? child : parent).store(true, Order);
        (ChildFirst ? parent : child).store(true, Order);
    });
    if (!parent.load(std::memory_order_acquire)) return;
    check(reason.read() == 7, "writes before the cancel are visible");
    check(child.load(std::memory_order_acquire), "the descendants of a cancelled token are cancelled");
}

TEST(ExploreCancellationToken, MarkingParentBeforeChildOrRelaxedFails) {
    EXPECT_TRUE(holds(mark_and_look<true, std::memory_order_release>));
    EXPECT_TRUE(fails(mark_and_look<false, std::memory_order_release>, "the descendants of a cancelled token"));
    EXPECT_TRUE(fails(mark_and_look<true, std::memory_order_relaxed>, "race"));
}

}  // namespace
