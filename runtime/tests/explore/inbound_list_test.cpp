// SPDX-License-Identifier: MIT
// Tasks that other threads send to an event loop: none is lost, each sender's order is kept, and the loop is always
// woken.
#include <eddy/future/detail/inbound_list.hpp>

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdint>

#include "explore/explore.hpp"

namespace {

using explore::check;
using explore::fails;
using explore::holds;

constexpr unsigned senders = 2;
constexpr unsigned per_sender = 2;

struct inbound_node {
    inbound_node* next_inbound = nullptr;
};

struct item : inbound_node {
    unsigned sender = 0;
    unsigned number = 0;
};

/// An event loop's inbound list, and the event on which the loop waits.
template <class List>
struct loop {
    List inbound;
    explore::event wake_up{false};  // does not order memory: the list's own memory orders must suffice
    explore::cell<bool> is_set_up;  // written by the loop before it first waits, read by the thread that wakes it

    loop() { explore::name(this, "head"); }

    bool send(item& sent) {
        const auto pushed = inbound.push(sent);
        if (pushed == List::pushed::owner_is_parked) {
            check(is_set_up.read(), "the loop's writes before its wait are visible to the waking thread");
            wake_up.set();
        }
        return pushed != List::pushed::refused;
    }

    /// Calls `use` with all items that have arrived.
    template <class Use>
    void turn(Use use) {
        for (inbound_node* node = inbound.take(); node != nullptr;) {
            // SAFETY: send() pushes only items. The model keeps them until its threads have ended.
            auto& arrived = static_cast<item&>(*node);
            node = node->next_inbound;
            use(arrived);
        }
    }

    void sleep() {
        if (!is_set_up.read()) is_set_up.write(true);
        if (inbound.mark_parked()) wake_up.wait();
    }
};

/// Checks that each item arrives once, and each sender's items in order.
class checklist {
public:
    void add(const item& arrived) {
        check(arrived.number == next_[arrived.sender], "each item arrives once, in the order of its sender");
        ++next_[arrived.sender];
        ++count_;
    }
    [[nodiscard]] unsigned count() const { return count_; }

private:
    std::array<unsigned, senders> next_{};
    unsigned count_ = 0;
};

template <class List>
void senders_and_a_loop() {
    loop<List> owner;
    item items[senders][per_sender];
    const auto send_all = [&](unsigned sender) {
        for (unsigned i = 0; i < per_sender; ++i) {
            items[sender][i].sender = sender;
            items[sender][i].number = i;
            check(owner.send(items[sender][i]), "an open loop refuses no item");
        }
    };
    explore::thread first([&] { send_all(0); });
    explore::thread second([&] { send_all(1); });
    checklist seen;
    for (;;) {
        owner.turn([&](const item& arrived) { seen.add(arrived); });
        if (seen.count() == senders * per_sender) return;
        owner.sleep();
    }
}

/// The event loop closes while other threads send. Each item is either refused, so that its sender keeps it, or handed
/// to the loop.
template <class List>
void senders_and_a_loop_that_closes() {
    loop<List> owner;
    item items[senders];
    bool is_taken[senders] = {};
    bool is_handed_over[senders] = {};
    {
        const auto send = [&](unsigned sender) {
            items[sender].sender = sender;
            is_taken[sender] = owner.send(items[sender]);
        };
        explore::thread first([&] { send(0); });
        explore::thread second([&] { send(1); });
        const auto note = [&](const item& arrived) { is_handed_over[arrived.sender] = true; };
        owner.turn(note);
        owner.turn(note);
        for (inbound_node* node = owner.inbound.close(); node != nullptr; node = node->next_inbound) {
            note(static_cast<item&>(*node));
        }
    }
    for (unsigned i = 0; i < senders; ++i)
        check(is_taken[i] == is_handed_over[i], "an item is handed over if it was not refused");
}

using inbound_list = eddy::detail::inbound_list<inbound_node, &inbound_node::next_inbound>;

TEST(ExploreInboundList, PushedTasksArriveAndWakeLoop) {
    EXPECT_TRUE(holds({.preemptions = 3, .stale_reads = 1}, senders_and_a_loop<inbound_list>));
    EXPECT_TRUE(holds({.preemptions = 2, .stale_reads = 1, .spurious_failures = 1}, senders_and_a_loop<inbound_list>));
}

TEST(ExploreInboundList, CloseTakesOrRefusesEachTask) {
    EXPECT_TRUE(holds({.preemptions = 4}, senders_and_a_loop_that_closes<inbound_list>));
}

TEST(ExploreInboundListStress, RandomExecutionsPass) {
    EXPECT_TRUE(holds(explore::by_chance(), senders_and_a_loop<inbound_list>));
    EXPECT_TRUE(holds(explore::by_chance(), senders_and_a_loop_that_closes<inbound_list>));
}

// ---- Copies of the list with one mistake each fail ----

struct as_it_is {
    static constexpr std::memory_order push = std::memory_order_acq_rel;
    static constexpr std::memory_order take = std::memory_order_acquire;
    static constexpr std::memory_order mark_parked = std::memory_order_release;
    static constexpr bool tells_of_parking = true;
    static constexpr bool parks_by_compare_exchange = true;
    static constexpr bool closes_by_exchange = true;
    static constexpr bool keeps_order = true;
};

template <class Choice>
class changed_list {
public:
    using pushed = inbound_list::pushed;

    pushed push(inbound_node& node) noexcept {
        inbound_node* head = head_.load(std::memory_order_relaxed);
        do {
            if (head == &closed_mark_) return pushed::refused;
            node.next_inbound = head == &parked_mark_ ? nullptr : head;
        } while (!head_.compare_exchange_weak(head, &node, Choice::push, std::memory_order_relaxed));
        return Choice::tells_of_parking && head == &parked_mark_ ? pushed::owner_is_parked : pushed::quietly;
    }

    inbound_node* take() noexcept {
        if (head_.load(std::memory_order_relaxed) == nullptr) return nullptr;
        return oldest_first(head_.exchange(nullptr, Choice::take));
    }

    bool mark_parked() noexcept {
        inbound_node* expected = nullptr;
        if constexpr (Choice::parks_by_compare_exchange) {
            return head_.compare_exchange_strong(expected, &parked_mark_, Choice::mark_parked,
                                                 std::memory_order_relaxed) ||
                   expected == &parked_mark_;
        } else {
            if (head_.load(std::memory_order_acquire) != nullptr) return false;
            head_.store(&parked_mark_, Choice::mark_parked);
            return true;
        }
    }

    inbound_node* close() noexcept {
        if constexpr (Choice::closes_by_exchange) {
            return oldest_first(head_.exchange(&closed_mark_, std::memory_order_acq_rel));
        } else {
            inbound_node* const last = head_.load(std::memory_order_acquire);
            head_.store(&closed_mark_, std::memory_order_release);
            return oldest_first(last);
        }
    }

private:
    inbound_node* oldest_first(inbound_node* newest) noexcept {
        if (newest == &parked_mark_ || newest == &closed_mark_) return nullptr;
        if (!Choice::keeps_order) return newest;
        inbound_node* reversed = nullptr;
        while (newest != nullptr) {
            inbound_node* const next = newest->next_inbound;
            newest->next_inbound = reversed;
            reversed = newest;
            newest = next;
        }
        return reversed;
    }

    eddy::detail::atomic<inbound_node*> head_{nullptr};
    inbound_node parked_mark_;
    inbound_node closed_mark_;
};

struct relaxed_push : as_it_is {
    static constexpr std::memory_order push = std::memory_order_relaxed;
};
struct push_that_only_acquires : as_it_is {
    static constexpr std::memory_order push = std::memory_order_acquire;
};
struct push_that_only_releases : as_it_is {
    static constexpr std::memory_order push = std::memory_order_release;
};
struct relaxed_take : as_it_is {
    static constexpr std::memory_order take = std::memory_order_relaxed;
};
struct relaxed_sleep : as_it_is {
    static constexpr std::memory_order mark_parked = std::memory_order_relaxed;
};
struct silent_about_sleep : as_it_is {
    static constexpr bool tells_of_parking = false;
};
struct sleep_by_store : as_it_is {
    static constexpr bool parks_by_compare_exchange = false;
};
struct close_by_store : as_it_is {
    static constexpr bool closes_by_exchange = false;
};
struct newest_first : as_it_is {
    static constexpr bool keeps_order = false;
};

TEST(ExploreInboundList, CorrectCopyPasses) {
    EXPECT_TRUE(holds({.stale_reads = 1}, senders_and_a_loop<changed_list<as_it_is>>));
    EXPECT_TRUE(holds({.stale_reads = 1}, senders_and_a_loop_that_closes<changed_list<as_it_is>>));
}

TEST(ExploreInboundList, WeakerMemoryOrdersFail) {
    EXPECT_TRUE(fails(senders_and_a_loop<changed_list<relaxed_push>>, "a data race"));
    EXPECT_TRUE(fails(senders_and_a_loop<changed_list<push_that_only_acquires>>, "a data race"));
    EXPECT_TRUE(fails(senders_and_a_loop<changed_list<push_that_only_releases>>, "a data race"));
    EXPECT_TRUE(fails(senders_and_a_loop<changed_list<relaxed_take>>, "a data race"));
    EXPECT_TRUE(fails(senders_and_a_loop<changed_list<relaxed_sleep>>, "a data race"));
}

TEST(ExploreInboundList, BrokenTransitionsFail) {
    EXPECT_TRUE(fails(senders_and_a_loop<changed_list<silent_about_sleep>>, "a lost wake-up"));
    EXPECT_TRUE(fails(senders_and_a_loop<changed_list<sleep_by_store>>, "a lost wake-up"));
    EXPECT_TRUE(fails(senders_and_a_loop<changed_list<newest_first>>, "in the order of its sender"));
    EXPECT_TRUE(fails(senders_and_a_loop_that_closes<changed_list<close_by_store>>, "an item is handed over"));
}

}  // namespace
