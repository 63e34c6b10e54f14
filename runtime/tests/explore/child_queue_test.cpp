// SPDX-License-Identifier: MIT
// A worker's child queue: each child of a scope is taken exactly once. The owner takes the newest child, and stealing
// workers take the oldest one. The taker sees all writes before the push. The capacity is 2, so that the queue gets
// full and reuses its slots.
#include "executor/pool/child_queue.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "explore/explore.hpp"
#include "explore/queued_item.hpp"

namespace {

using eddy::detail::child_queue;
using explore::check;
using explore::fails;
using explore::holds;
using item = explore::queued_item;

constexpr std::size_t capacity = 2;

template <template <class, std::size_t> class Queue>
struct forks {
    bool push() {
        item& next = items[pushed];
        next.is_written = true;
        if (!queue.push(&next)) {
            next.is_written = false;
            return false;
        }
        ++pushed;
        return true;
    }
    bool pop() {
        item* const found = queue.pop();
        if (found != nullptr) found->take();
        return found != nullptr;
    }
    void steal() {
        if (item* const found = queue.steal()) found->take();
    }

    /// Pops the remaining items, and checks that each item was taken. Call it when all threads have ended.
    void check_all() {
        while (pop()) {
        }
        for (std::size_t i = 0; i < pushed; ++i) check(items[i].is_taken, "no item is lost");
    }

    Queue<item, capacity> queue;
    std::array<item, 6> items;
    std::size_t pushed = 0;
};

/// The owner pops both items while two threads steal, so all three compete for the last item.
template <template <class, std::size_t> class Queue>
void pop_while_two_steal() {
    const auto all = std::make_unique<forks<Queue>>();
    check(all->push() && all->push(), "the queue has spare capacity");
    {
        explore::thread first([&] { all->steal(); });
        explore::thread second([&] { all->steal(); });
        static_cast<void>(all->pop());
        static_cast<void>(all->pop());
    }
    all->check_all();
}

/// The owner pushes and pops while one thread steals twice, so that slots are reused.
template <template <class, std::size_t> class Queue>
void push_and_pop_while_one_steals() {
    const auto all = std::make_unique<forks<Queue>>();
    check(all->push() && all->push(), "the queue has spare capacity");
    {
        explore::thread thief([&] {
            all->steal();
            all->steal();
        });
        static_cast<void>(all->push());
        static_cast<void>(all->pop());
        static_cast<void>(all->push());
        static_cast<void>(all->pop());
    }
    all->check_all();
}

/// A thread steals while the owner pushes and pops, so the queue may be empty or may contain an item pushed just now.
template <template <class, std::size_t> class Queue>
void steal_what_is_pushed_now() {
    const auto all = std::make_unique<forks<Queue>>();
    {
        explore::thread thief([&] {
            all->steal();
            all->steal();
        });
        check(all->push(), "the queue has spare capacity");
        static_cast<void>(all->pop());
        check(all->push(), "the queue has spare capacity");
    }
    all->check_all();
}

/// The owner takes back its items by their addresses, the newest first. An item that is not the newest is stolen.
void take_back_while_one_steals() {
    const auto all = std::make_unique<forks<child_queue>>();
    check(all->push() && all->push(), "the queue has spare capacity");
    {
        explore::thread thief([&] {
            all->steal();
            all->steal();
        });
        for (item* const mine : {&all->items[1], &all->items[0]}) {
            if (!all->queue.is_newest(mine)) continue;
            if (item* const found = all->queue.pop()) {
                check(found == mine, "the newest item is popped");
                found->take();
            }
        }
    }
    check(all->items[0].is_taken && all->items[1].is_taken, "no item stays in the queue");
}

TEST(ExploreChildQueue, EachTaskIsTakenOnce) {
    const explore::options chosen{.preemptions = 3, .stale_reads = 2, .early_reads = 1};
    EXPECT_TRUE(holds(chosen, pop_while_two_steal<child_queue>));
    EXPECT_TRUE(holds(chosen, push_and_pop_while_one_steals<child_queue>));
    EXPECT_TRUE(holds(chosen, steal_what_is_pushed_now<child_queue>));
    EXPECT_TRUE(holds(chosen, take_back_while_one_steals));
}

// ---- Copies of the queue with one mistake each fail ----

struct as_it_is {
    static constexpr std::memory_order publish = std::memory_order_release;
    static constexpr std::memory_order see_free = std::memory_order_acquire;
    static constexpr std::memory_order announce = std::memory_order_seq_cst;
    static constexpr std::memory_order look = std::memory_order_seq_cst;
    static constexpr std::memory_order find = std::memory_order_seq_cst;
    static constexpr std::memory_order take = std::memory_order_seq_cst;
};

template <class Choice>
struct with {
    template <class T, std::size_t Capacity>
    class changed_queue {
    public:
        bool push(T* item) noexcept {
            const std::int64_t bottom = bottom_.load(std::memory_order_relaxed);
            if (bottom - top_.load(Choice::see_free) >= static_cast<std::int64_t>(Capacity)) return false;
            slot(bottom).store(item, std::memory_order_relaxed);
            bottom_.store(bottom + 1, Choice::publish);
            return true;
        }
        T* pop() noexcept {
            const std::int64_t bottom = bottom_.load(std::memory_order_relaxed) - 1;
            if (top_.load(std::memory_order_relaxed) > bottom) return nullptr;
            if constexpr (Choice::announce == std::memory_order_seq_cst) {
                bottom_.exchange(bottom, std::memory_order_seq_cst);
            } else {
                bottom_.store(bottom, Choice::announce);
            }
            std::int64_t top = top_.load(Choice::look);
            T* item = nullptr;
            if (top <= bottom) item = slot(bottom).load(std::memory_order_relaxed);
            if (top < bottom) return item;
            if (item != nullptr && !top_.compare_exchange_strong(top, top + 1, Choice::take)) item = nullptr;
            bottom_.store(bottom + 1, std::memory_order_relaxed);
            return item;
        }
        T* steal() noexcept {
            std::int64_t top = top_.load(Choice::look);
            if (top >= bottom_.load(Choice::find)) return nullptr;
            T* const item = slot(top).load(std::memory_order_relaxed);
            return top_.compare_exchange_strong(top, top + 1, Choice::take) ? item : nullptr;
        }

    private:
        using place = eddy::detail::atomic<T*>;
        place& slot(std::int64_t index) noexcept { return slots_[static_cast<std::size_t>(index) & (Capacity - 1)]; }

        eddy::detail::atomic<std::int64_t> top_{0};
        eddy::detail::atomic<std::int64_t> bottom_{0};
        std::array<place, Capacity> slots_{};
    };
};

struct relaxed_publish : as_it_is {
    static constexpr std::memory_order publish = std::memory_order_relaxed;
};
struct relaxed_see_free : as_it_is {
    static constexpr std::memory_order see_free = std::memory_order_relaxed;
};
struct released_announcement : as_it_is {
    static constexpr std::memory_order announce = std::memory_order_release;
};
struct acquiring_look : as_it_is {
    static constexpr std::memory_order look = std::memory_order_acquire;
    static constexpr std::memory_order find = std::memory_order_acquire;
};
struct relaxed_take : as_it_is {
    static constexpr std::memory_order take = std::memory_order_relaxed;
};

TEST(ExploreChildQueue, CorrectCopyPasses) {
    EXPECT_TRUE(holds(pop_while_two_steal<with<as_it_is>::changed_queue>));
    EXPECT_TRUE(holds({.early_reads = 1}, push_and_pop_while_one_steals<with<as_it_is>::changed_queue>));
    EXPECT_TRUE(holds(steal_what_is_pushed_now<with<as_it_is>::changed_queue>));
}

TEST(ExploreChildQueue, WeakerMemoryOrdersFail) {
    EXPECT_TRUE(fails(steal_what_is_pushed_now<with<relaxed_publish>::changed_queue>, "a data race"));
    EXPECT_TRUE(fails(pop_while_two_steal<with<released_announcement>::changed_queue>, ""));
    EXPECT_TRUE(fails(pop_while_two_steal<with<acquiring_look>::changed_queue>, ""));
    EXPECT_TRUE(fails({.early_reads = 1}, push_and_pop_while_one_steals<with<relaxed_see_free>::changed_queue>, ""));
    EXPECT_TRUE(fails({.early_reads = 1}, push_and_pop_while_one_steals<with<relaxed_take>::changed_queue>, ""));
}

}  // namespace
