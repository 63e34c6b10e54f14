// SPDX-License-Identifier: MIT
// A worker's run queue: each task is taken exactly once, by its owner or by a stealing worker. The taker sees all
// writes before the push. The capacity is 4, so that the ring buffer gets full and wraps around.
#include "executor/pool/run_queue.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>

#include "explore/explore.hpp"
#include "explore/queued_item.hpp"

namespace {

using eddy::detail::run_queue;
using explore::check;
using explore::fails;
using explore::holds;
using item = explore::queued_item;

constexpr std::size_t capacity = 4;

/// The queues of an owner and two stealing workers, and the pushed items. Allocate the object on the heap, where the
/// explorer sees each access.
template <template <class, std::size_t> class Ring>
struct rings {
    using ring = Ring<item, capacity>;

    explicit rings(std::uint64_t first_index) : owned(first_index) {
        explore::name(&owned, "owner.head");
        // The address is only compared: the tail is in the cache line after the head.
        explore::name(reinterpret_cast<const char*>(&owned) + 64, "owner.tail");
    }

    /// The owner pushes the next item. Returns true if there was spare capacity.
    bool push() {
        item& next = items[pushed];
        next.is_written = true;
        if (!owned.push(&next)) {
            next.is_written = false;
            return false;
        }
        ++pushed;
        return true;
    }

    static bool pop_from(ring& own) {
        item* const found = own.pop();
        if (found != nullptr) found->take();
        return found != nullptr;
    }
    bool pop() { return pop_from(owned); }

    /// A stealing worker takes half of the items of `victim`, and then pops all items of its own queue.
    static void steal(ring& victim, ring& own) {
        item* const first = victim.steal_into(own);
        if (first == nullptr) return;
        first->take();
        while (pop_from(own)) {
        }
    }

    /// Pops the remaining items, and checks that each item was taken. Call it when all threads have ended.
    void check_all() {
        while (pop()) {
        }
        for (std::size_t i = 0; i < pushed; ++i) check(items[i].is_taken, "no item is lost");
    }

    ring owned;
    ring first_thief;
    ring second_thief;
    std::array<item, 8> items;
    std::size_t pushed = 0;
};

// The first indices of queues. The larger indices wrap around within the model, at 32 and at 64 bits.
constexpr std::uint64_t beginnings[] = {0, (std::uint64_t{1} << 32) - 3, std::numeric_limits<std::uint64_t>::max() - 2};

/// The queue is full at first: the owner pushes and pops while half of the items are stolen.
template <template <class, std::size_t> class Ring>
void push_and_pop_while_one_steals(std::uint64_t first_index) {
    const auto all = std::make_unique<rings<Ring>>(first_index);
    for (std::size_t i = 0; i < capacity; ++i) check(all->push(), "the queue has spare capacity");
    {
        explore::thread thief([&] { all->steal(all->owned, all->first_thief); });
        static_cast<void>(all->push());
        static_cast<void>(all->pop());
        static_cast<void>(all->push());
        static_cast<void>(all->pop());
    }
    all->check_all();
}

/// Two threads steal from the owner's queue. The second one also steals from the queue of the first one.
template <template <class, std::size_t> class Ring>
void two_steal(std::uint64_t first_index) {
    const auto all = std::make_unique<rings<Ring>>(first_index);
    for (int i = 0; i < 3; ++i) check(all->push(), "the queue has spare capacity");
    {
        explore::thread first([&] { all->steal(all->owned, all->first_thief); });
        explore::thread second([&] {
            all->steal(all->first_thief, all->second_thief);
            all->steal(all->owned, all->second_thief);
        });
        static_cast<void>(all->pop());
        static_cast<void>(all->push());
    }
    all->check_all();
}

/// A thread steals while the owner pushes and pops, so the queue may be empty or may contain items pushed just now.
template <template <class, std::size_t> class Ring>
void steal_what_is_pushed_now(std::uint64_t first_index) {
    const auto all = std::make_unique<rings<Ring>>(first_index);
    {
        explore::thread thief([&] {
            all->steal(all->owned, all->first_thief);
            all->steal(all->owned, all->first_thief);
        });
        check(all->push(), "the queue has spare capacity");
        check(all->push(), "the queue has spare capacity");
        static_cast<void>(all->pop());
        check(all->push(), "the queue has spare capacity");
    }
    all->check_all();
}

/// The owner's queue is empty because another worker has stolen from it. The owner reuses the slots for items that it
/// steals itself.
template <template <class, std::size_t> class Ring>
void steal_into_a_ring_that_was_stolen_from(std::uint64_t first_index) {
    const auto all = std::make_unique<rings<Ring>>(first_index);
    for (std::size_t i = 0; i < capacity; ++i) check(all->push(), "the queue has spare capacity");
    for (int i = 0; i < 3; ++i) {
        item& next = all->items[all->pushed++];
        next.is_written = true;
        check(all->second_thief.push(&next), "the queue has spare capacity");
    }
    {
        explore::thread thief([&] { all->steal(all->owned, all->first_thief); });
        while (all->pop()) {
        }
        all->steal(all->second_thief, all->owned);
    }
    while (all->pop_from(all->second_thief)) {
    }
    all->check_all();
}

TEST(ExploreRunQueue, StealCopiesBeforeOwnerReusesSlots) {
    for (const auto first : beginnings) {
        EXPECT_TRUE(holds({.preemptions = 3, .early_reads = 1},
                          [=] { steal_into_a_ring_that_was_stolen_from<run_queue>(first); }));
    }
}

// covers: R033
TEST(ExploreRunQueue, EachTaskIsTakenOnceDuringPushPopAndSteal) {
    for (const auto first : beginnings) {
        EXPECT_TRUE(
            holds({.preemptions = 3, .early_reads = 1}, [=] { push_and_pop_while_one_steals<run_queue>(first); }));
        EXPECT_TRUE(holds({.preemptions = 3, .early_reads = 1}, [=] { steal_what_is_pushed_now<run_queue>(first); }));
    }
}

// covers: R033
TEST(ExploreRunQueue, EachTaskIsTakenOnceByTwoStealingWorkers) {
    for (const auto first : beginnings) {
        EXPECT_TRUE(holds({.preemptions = 3, .stale_reads = 1}, [=] { two_steal<run_queue>(first); }));
    }
}

TEST(ExploreRunQueue, SpuriousFailuresChangeNothing) {
    const explore::options chosen{.preemptions = 2, .stale_reads = 1, .spurious_failures = 2};
    EXPECT_TRUE(holds(chosen, [] { push_and_pop_while_one_steals<run_queue>(0); }));
}

TEST(ExploreRunQueueStress, RandomExecutionsPass) {
    EXPECT_TRUE(holds(explore::by_chance(), [] { push_and_pop_while_one_steals<run_queue>(beginnings[2]); }));
    EXPECT_TRUE(holds(explore::by_chance(), [] { two_steal<run_queue>(beginnings[2]); }));
}

// ---- Copies of the queue with one mistake each fail ----

struct as_it_is {
    static constexpr std::memory_order publish = std::memory_order_release;
    static constexpr std::memory_order find = std::memory_order_acquire;
    static constexpr std::memory_order give_free = std::memory_order_acq_rel;
    static constexpr std::memory_order see_free = std::memory_order_acquire;
    static constexpr bool refuses_when_full = true;
    static constexpr bool pops_by_compare_exchange = true;
    static constexpr bool steals_by_compare_exchange = true;
    static constexpr bool compares_by_difference = true;
    static constexpr bool copies_before_it_takes = true;
    static constexpr std::memory_order see_own_free = std::memory_order_acquire;
};

template <class Choice>
struct with {
    template <class T, std::size_t Capacity>
    class changed_queue {
    public:
        explicit changed_queue(std::uint64_t first_index = 0) : head_(first_index), tail_(first_index) {}

        bool push(T* item) noexcept {
            const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
            if (Choice::refuses_when_full && tail - head_.load(Choice::see_free) >= Capacity) return false;
            slot(tail).store(item, std::memory_order_relaxed);
            tail_.store(tail + 1, Choice::publish);
            return true;
        }

        T* pop() noexcept {
            const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
            std::uint64_t head = head_.load(std::memory_order_relaxed);
            while (Choice::compares_by_difference ? head != tail : head < tail) {
                T* const item = slot(head).load(std::memory_order_relaxed);
                if (!Choice::pops_by_compare_exchange) {
                    head_.store(head + 1, std::memory_order_release);
                    return item;
                }
                if (head_.compare_exchange_weak(head, head + 1, std::memory_order_release, std::memory_order_relaxed))
                    return item;
            }
            return nullptr;
        }

        T* steal_into(changed_queue& own) noexcept {
            static_cast<void>(own.head_.load(Choice::see_own_free));
            std::uint64_t head = head_.load(std::memory_order_acquire);
            for (;;) {
                const std::uint64_t tail = tail_.load(Choice::find);
                const std::uint64_t available = tail - head;
                if (available == 0) return nullptr;
                if (available > Capacity) {
                    head = head_.load(std::memory_order_acquire);
                    continue;
                }
                const std::uint64_t count = available - available / 2;
                const std::uint64_t own_tail = own.tail_.load(std::memory_order_relaxed);
                if (Choice::copies_before_it_takes) copy(own, own_tail, head, count);
                T* first = slot(head).load(std::memory_order_relaxed);
                if (Choice::steals_by_compare_exchange) {
                    if (!head_.compare_exchange_weak(head, head + count, Choice::give_free, std::memory_order_acquire))
                        continue;
                } else {
                    head_.store(head + count, std::memory_order_release);
                }
                if (!Choice::copies_before_it_takes) {
                    copy(own, own_tail, head, count);
                    first = slot(head).load(std::memory_order_relaxed);
                }
                own.tail_.store(own_tail + count - 1, std::memory_order_release);
                return first;
            }
        }

    private:
        using place = eddy::detail::atomic<T*>;
        place& slot(std::uint64_t index) noexcept { return slots_[index & (Capacity - 1)]; }
        void copy(changed_queue& own, std::uint64_t own_tail, std::uint64_t head, std::uint64_t count) noexcept {
            for (std::uint64_t i = 1; i < count; ++i) {
                own.slot(own_tail + i - 1)
                    .store(slot(head + i).load(std::memory_order_relaxed), std::memory_order_relaxed);
            }
        }

        alignas(64) eddy::detail::atomic<std::uint64_t> head_;
        alignas(64) eddy::detail::atomic<std::uint64_t> tail_;
        std::array<place, Capacity> slots_{};
    };
};

struct relaxed_publish : as_it_is {
    static constexpr std::memory_order publish = std::memory_order_relaxed;
};
struct relaxed_find : as_it_is {
    static constexpr std::memory_order find = std::memory_order_relaxed;
};
struct relaxed_give_free : as_it_is {
    static constexpr std::memory_order give_free = std::memory_order_acquire;
};
struct relaxed_see_free : as_it_is {
    static constexpr std::memory_order see_free = std::memory_order_relaxed;
};
struct relaxed_see_own_free : as_it_is {
    static constexpr std::memory_order see_own_free = std::memory_order_relaxed;
};
struct never_full : as_it_is {
    static constexpr bool refuses_when_full = false;
};
struct pop_by_store : as_it_is {
    static constexpr bool pops_by_compare_exchange = false;
};
struct steal_by_store : as_it_is {
    static constexpr bool steals_by_compare_exchange = false;
};
struct less_than : as_it_is {
    static constexpr bool compares_by_difference = false;
};
struct copies_too_late : as_it_is {
    static constexpr bool copies_before_it_takes = false;
};

template <class Choice>
auto full_ring(std::uint64_t first = 0) {
    return [=] { push_and_pop_while_one_steals<with<Choice>::template changed_queue>(first); };
}
template <class Choice>
auto fresh_ring() {
    return [] { steal_what_is_pushed_now<with<Choice>::template changed_queue>(0); };
}

template <class Choice>
auto reused_ring() {
    return [] { steal_into_a_ring_that_was_stolen_from<with<Choice>::template changed_queue>(0); };
}

TEST(ExploreRunQueue, CorrectCopyPasses) {
    EXPECT_TRUE(holds(full_ring<as_it_is>()));
    EXPECT_TRUE(holds(full_ring<as_it_is>(beginnings[2])));
    EXPECT_TRUE(holds(fresh_ring<as_it_is>()));
}

TEST(ExploreRunQueue, WeakerMemoryOrdersFail) {
    EXPECT_TRUE(fails(fresh_ring<relaxed_publish>(), "a data race"));
    EXPECT_TRUE(fails(fresh_ring<relaxed_find>(), "a data race"));
    // The stealing worker must have copied an item before the owner reuses its slot.
    EXPECT_TRUE(fails({.early_reads = 1}, full_ring<relaxed_give_free>(), "a data race"));
    EXPECT_TRUE(fails({.early_reads = 1}, full_ring<relaxed_see_free>(), "a data race"));
    EXPECT_TRUE(holds({.early_reads = 1}, reused_ring<as_it_is>()));
    EXPECT_TRUE(fails({.early_reads = 1}, reused_ring<relaxed_see_own_free>(), "a data race"));
}

TEST(ExploreRunQueue, BrokenTransitionsFail) {
    EXPECT_TRUE(fails(full_ring<never_full>(), ""));
    EXPECT_TRUE(fails(full_ring<pop_by_store>(), ""));
    EXPECT_TRUE(fails(full_ring<steal_by_store>(), ""));
    EXPECT_TRUE(fails(full_ring<copies_too_late>(), ""));
    EXPECT_TRUE(fails(full_ring<less_than>(beginnings[2]), "no item is lost"));
}

}  // namespace
