// SPDX-License-Identifier: MIT
// The word that is a scope's lock and the head of its list of children: the scope is destroyed as soon as the list is
// empty.
#include <eddy/task/detail/locked_head.hpp>

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/spin_lock.hpp>

#include "explore/explore.hpp"
#include "explore/sleeping_task.hpp"

namespace {

using eddy::detail::atomic;
using eddy::detail::locked_head;
using eddy::detail::spin_lock;
using explore::check;
using explore::fails;
using explore::holds;
using explore::sleeping_task;

struct child {
    child* previous = nullptr;
    child* next = nullptr;
};

/// A scope with the parts of scope_base that concern the end of its children.
template <class Head>
struct scope {
    Head children;
    eddy::waker parent;
    int results = 0;

    void add(child& one) {
        one.next = children.lock();
        if (one.next != nullptr) one.next->previous = &one;
        children.unlock(&one);
    }
    /// Returns whether there are no children. Otherwise stores the waker.
    bool poll_empty(const eddy::waker& wake) {
        if (children.is_empty()) return true;
        eddy::waker copy = wake;
        child* const first = children.lock();
        if (first != nullptr) parent.swap(copy);
        children.unlock(first);
        return first == nullptr;
    }
    void end(child& one) {
        eddy::waker woken;
        child* first = children.lock();
        ++results;
        (one.previous != nullptr ? one.previous->next : first) = one.next;
        if (one.next != nullptr) one.next->previous = one.previous;
        if (first == nullptr) woken = std::move(parent);
        children.unlock(first);
        // From here on the scope may be gone.
        std::move(woken).wake();
    }
};

/// One child ends on another thread, and `Here` children on the thread that then frees the scope.
template <class Head, int Here>
void scope_ends() {
    sleeping_task here(false);
    auto parent = std::make_unique<scope<Head>>();
    const auto children = std::make_unique<std::array<child, 1 + Here>>();
    for (child& one : *children) parent->add(one);
    explore::thread other([it = parent.get(), one = &children->back()] { it->end(*one); });
    for (int i = 0; i < Here; ++i) parent->end((*children)[static_cast<std::size_t>(i)]);
    for (;;) {
        const eddy::waker wake = here.waker();
        if (parent->poll_empty(wake)) break;
        here.sleep();
    }
    check(parent->results == 1 + Here, "the results of the children are visible");
    parent.reset();
}

TEST(ExploreLockedHead, ScopeIsFreedAfterItsChild) {
    EXPECT_TRUE(holds([] { scope_ends<locked_head<child>, 0>(); }));
}

TEST(ExploreLockedHead, ScopeIsFreedAfterTwoChildren) {
    EXPECT_TRUE(holds([] { scope_ends<locked_head<child>, 1>(); }));
}

/// A locked_head with one memory order replaced.
template <std::memory_order Locks, std::memory_order Unlocks, std::memory_order Looks>
class weak_head {
public:
    child* lock() {
        for (;;) {
            const auto before = word_.exchange(1, Locks);
            if (before != 1) return reinterpret_cast<child*>(before);  // NOLINT(performance-no-int-to-ptr)
            eddy::detail::yield_thread();
        }
    }
    void unlock(child* head) { word_.store(reinterpret_cast<std::uintptr_t>(head), Unlocks); }
    [[nodiscard]] bool is_empty() const { return word_.load(Looks) == 0; }

private:
    atomic<std::uintptr_t> word_{0};
};

/// A lock and a head in two words: the head is null before the unlock.
class two_words {
public:
    child* lock() {
        lock_.lock();
        return head_.load(std::memory_order_relaxed);
    }
    void unlock(child* head) {
        head_.store(head, std::memory_order_release);
        lock_.unlock();
    }
    [[nodiscard]] bool is_empty() const { return head_.load(std::memory_order_acquire) == nullptr; }

private:
    spin_lock lock_;
    atomic<child*> head_{nullptr};
};

TEST(ExploreLockedHead, EachMemoryOrderIsNeeded) {
    constexpr auto acquire = std::memory_order_acquire;
    constexpr auto release = std::memory_order_release;
    constexpr auto relaxed = std::memory_order_relaxed;
    EXPECT_TRUE(holds([] { scope_ends<weak_head<acquire, release, acquire>, 0>(); }));
    EXPECT_TRUE(fails([] { scope_ends<weak_head<relaxed, release, acquire>, 1>(); }, "data race"));
    EXPECT_TRUE(fails([] { scope_ends<weak_head<acquire, relaxed, acquire>, 0>(); }, "data race"));
    EXPECT_TRUE(fails([] { scope_ends<weak_head<acquire, release, relaxed>, 0>(); }, "data race"));
}

TEST(ExploreLockedHead, HeadBesideItsLockIsFreedTooEarly) {
    EXPECT_TRUE(fails([] { scope_ends<two_words, 0>(); }, "destroyed without synchronization"));
}

}  // namespace
