// SPDX-License-Identifier: MIT
// The states of the mpsc channels: each value arrives as it was written, the receiver's waker has one owner at a time,
// and a waiting task is woken by its event: a value, the drop of the last sender, or the return of the last permit.
// covers: P110
#include <eddy/sync/detail/mpsc_state.hpp>

#include <gtest/gtest.h>

#include <cstddef>
#include <memory>

#include "explore/explore.hpp"
#include "explore/sleeping_task.hpp"

namespace {

using eddy::detail::acquired;
using eddy::detail::bounded_state;
using eddy::detail::mpsc_node;
using eddy::detail::nothing;
using eddy::detail::permit_waiter;
using eddy::detail::unbounded_state;
using explore::check;
using explore::fails;
using explore::holds;
using explore::sleeping_task;

/// Like bounded_channel, with values of type int.
template <class State, std::size_t Capacity>
struct ring : State {
    ring() : State(Capacity) {}

    void put(const bounded_state::claim& mine, int value) {
        eddy::waker receiver;
        if (mine.is_to_wake) receiver = this->take_receiver();
        slot& target = slots[mine.place % Capacity];
        target.value.write(value);
        target.is_there.store(true, std::memory_order_release);
        std::move(receiver).wake();
    }
    /// Sends `value`. While the channel is full, blocks this thread until `task` is woken. Returns false if the channel
    /// is closed.
    bool send(int value, sleeping_task& task) {
        bounded_state::claim mine;
        acquired answer = this->try_claim(mine);
        if (answer == acquired::not_yet) {
            permit_waiter entry;
            {
                const eddy::waker waker = task.waker();
                answer = this->acquire_or_wait(1, entry, waker);
            }
            while (answer == acquired::not_yet) {
                task.sleep();
                const eddy::waker waker = task.waker();
                answer = this->poll_again(entry, waker);
            }
            if (answer == acquired::yes) this->use_permit(mine);
        }
        if (answer == acquired::closed) return false;
        put(mine, value);
        return true;
    }
    void drop_sender() {
        if (State::drop_sender()) this->end_senders();
    }

    /// Receives a value. While the channel is empty, blocks this thread until `task` is woken. Returns 0 if the channel
    /// has ended.
    int receive(sleeping_task& task) {
        for (;;) {
            slot& front = slots[head % Capacity];
            if (front.is_there.load(std::memory_order_acquire)) {
                const int value = front.value.read();
                front.is_there.store(false, std::memory_order_relaxed);
                ++head;
                static_cast<void>(this->release(1));
                return value;
            }
            const eddy::waker waker = task.waker();
            switch (this->wait(head, waker)) {
            case nothing::ended: return 0;
            case nothing::waits: task.sleep(); break;
            case nothing::claimed: explore::yield(); break;
            }
        }
    }

    struct slot {
        explore::cell<int> value{0};
        eddy::detail::atomic<bool> is_there{false};
    };
    slot slots[Capacity];
    std::size_t head = 0;
    // The wake-ups of these tasks do not order memory: the channel must do this.
    sleeping_task tasks[3]{sleeping_task(false), sleeping_task(false), sleeping_task(false)};
};

template <class State, std::size_t Capacity>
void two_senders() {
    const auto shared = std::make_unique<ring<State, Capacity>>();
    shared->add_sender();
    {
        const explore::thread first([&] {
            check(shared->send(1, shared->tasks[1]), "the channel is open");
            shared->drop_sender();
        });
        const explore::thread second([&] {
            check(shared->send(2, shared->tasks[2]), "the channel is open");
            shared->drop_sender();
        });
        int sum = 0;
        while (const int value = shared->receive(shared->tasks[0])) sum += value;
        check(sum == 3, "each value arrives once");
    }
}

// covers: P079
TEST(ExploreMpsc, TwoSendersWithCapacityForBothLoseNoValue) {
    EXPECT_TRUE(holds({.preemptions = 2}, two_senders<bounded_state, 2>));
}

// covers: P079
TEST(ExploreMpsc, TwoSendersWithCapacityForOneLoseNoValue) {
    EXPECT_TRUE(holds({.preemptions = 2}, two_senders<bounded_state, 1>));
}

// covers: P079
TEST(ExploreMpsc, OneSenderRefillsFullRing) {
    EXPECT_TRUE(holds({.preemptions = 3}, [] {
        const auto shared = std::make_unique<ring<bounded_state, 1>>();
        const explore::thread sender([&] {
            for (int value = 1; value <= 3; ++value)
                check(shared->send(value, shared->tasks[1]), "the channel is open");
            shared->drop_sender();
        });
        for (int value = 1; value <= 3; ++value)
            check(shared->receive(shared->tasks[0]) == value, "values arrive in order");
        check(shared->receive(shared->tasks[0]) == 0, "then the channel ends");
    }));
}

/// The receiver frees a slot and hands the permit directly to a waiter, without a change of the word. The freed slot is
/// claimed by an older permit.
template <class State>
void old_permit_gets_the_place() {
    const auto shared = std::make_unique<ring<State, 2>>();
    check(shared->try_acquire(1) == acquired::yes, "a permit is available");
    check(shared->send(1, shared->tasks[0]), "a permit is available");
    permit_waiter next;
    permit_waiter last;  // keeps the waiter list nonempty, so that the word does not change
    {
        const eddy::waker waker = shared->tasks[1].waker();
        check(shared->acquire_or_wait(1, next, waker) == acquired::not_yet, "the channel is full");
        check(shared->acquire_or_wait(1, last, waker) == acquired::not_yet, "the channel is full");
    }
    {
        const explore::thread newer([&] {
            const eddy::waker waker = shared->tasks[1].waker();
            while (shared->poll_again(next, waker) == acquired::not_yet) shared->tasks[1].sleep();
            bounded_state::claim mine;
            shared->use_permit(mine);
            shared->put(mine, 2);
        });
        const explore::thread older([&] {
            bounded_state::claim mine;
            shared->use_permit(mine);
            shared->put(mine, 3);
        });
        check(shared->receive(shared->tasks[0]) == 1, "values arrive in order");
    }
    const int sum = shared->receive(shared->tasks[0]) + shared->receive(shared->tasks[0]);
    check(sum == 5, "each value arrives once");
    static_cast<void>(shared->leave(last));
}

/// Broken: a claim publishes nothing to the next claim.
struct claims_silently : bounded_state {
    using bounded_state::bounded_state;
    void use_permit(claim& mine) noexcept {
        constexpr unsigned tail_shift = extra_shift;
        word now = word_.load(std::memory_order_relaxed);
        while (!word_.compare_exchange_weak(now, (now & ~mark) + (word{1} << tail_shift), std::memory_order_acquire,
                                            std::memory_order_relaxed)) {
        }
        mine = {static_cast<std::size_t>(now >> tail_shift), (now & mark) != 0};
    }
};

// covers: P079
TEST(ExploreMpsc, OldPermitAndWokenWaiterTakeDifferentSlots) {
    EXPECT_TRUE(holds({.preemptions = 3}, old_permit_gets_the_place<bounded_state>));
    EXPECT_TRUE(fails({.preemptions = 3}, old_permit_gets_the_place<claims_silently>, "race"));
}

// covers: P079
TEST(ExploreMpsc, SenderOfClosedBoundedChannelSeesWrites) {
    EXPECT_TRUE(holds({.preemptions = 3}, [] {
        const auto shared = std::make_unique<ring<bounded_state, 1>>();
        explore::cell<int> told{0};
        const explore::thread receiver([&] {
            told.write(1);
            shared->close_receiver();
        });
        bounded_state::claim mine;
        if (shared->try_claim(mine) == acquired::closed) check(told.read() == 1, "writes before the close are visible");
    }));
}

// covers: P080
TEST(ExploreMpsc, SenderOfClosedUnboundedChannelSeesWrites) {
    EXPECT_TRUE(holds({.preemptions = 3}, [] {
        mpsc_node first;
        mpsc_node second;
        unbounded_state shared(first);
        explore::cell<int> told{0};
        const explore::thread receiver([&] {
            told.write(1);
            shared.close_receiver();
        });
        if (!shared.push(second)) check(told.read() == 1, "writes before the close are visible");
    }));
}

/// Broken: treats a claimed slot without a value as empty, and relies on a wake-up for it.
struct sleeps_on_a_claim : bounded_state {
    using bounded_state::bounded_state;
    nothing wait(std::size_t after, const eddy::waker& waker) noexcept {
        const nothing found = bounded_state::wait(after, waker);
        return found == nothing::claimed ? nothing::waits : found;
    }
};

// covers: P079
TEST(ExploreMpsc, ReceiverParkingOnClaimFails) {
    EXPECT_TRUE(fails({.preemptions = 2}, two_senders<sleeps_on_a_claim, 2>, "deadlock"));
}

/// Broken: the receiver does not publish that it has left the slot.
struct leaves_without_a_word : bounded_state {
    using bounded_state::bounded_state;
    bool release(std::size_t count) noexcept {
        word now = word_.load(std::memory_order_relaxed);
        do {
            if ((now & bounded_state::waiting) != 0) return bounded_state::release(count);
        } while (!word_.compare_exchange_weak(now, now + count * one, std::memory_order_relaxed));
        return true;
    }
};

// covers: P079
TEST(ExploreMpsc, ReceiverNotPublishingSlotFails) {
    EXPECT_TRUE(fails({.preemptions = 2}, two_senders<leaves_without_a_word, 1>, "race"));
}

// covers: R071
TEST(ExploreMpsc, LastPermitOfClosedChannelEndsReceiver) {
    EXPECT_TRUE(holds({.preemptions = 3}, [] {
        const auto shared = std::make_unique<ring<bounded_state, 2>>();
        check(shared->try_acquire(2) == acquired::yes, "the permits are available");
        const explore::thread first([&] { shared->give_back(1); });
        const explore::thread second([&] {
            bounded_state::claim mine;
            shared->use_permit(mine);
            shared->put(mine, 1);
        });
        shared->close_receiver();
        check(shared->receive(shared->tasks[0]) == 1, "the value arrives");
        check(shared->receive(shared->tasks[0]) == 0, "then the channel ends");
    }));
}

// covers: R071
TEST(ExploreMpsc, DropOfPermitRacesWithClose) {
    EXPECT_TRUE(holds({.preemptions = 3}, [] {
        const auto shared = std::make_unique<ring<bounded_state, 1>>();
        check(shared->try_acquire(1) == acquired::yes, "a permit is available");
        const explore::thread first([&] { shared->give_back(1); });
        const explore::thread second([&] {
            permit_waiter entry;
            const eddy::waker waker = shared->tasks[1].waker();
            switch (shared->acquire_or_wait(1, entry, waker)) {
            case acquired::yes: shared->give_back(1); break;
            case acquired::not_yet: shared->leave(entry); break;
            case acquired::closed: break;
            }
        });
        shared->close_receiver();
        check(shared->receive(shared->tasks[0]) == 0, "no value was sent");
    }));
}

// covers: P079
TEST(ExploreMpsc, CloseRacesWithWaitingSender) {
    EXPECT_TRUE(holds({.preemptions = 3}, [] {
        const auto shared = std::make_unique<ring<bounded_state, 1>>();
        bool was_sent = false;
        {
            const explore::thread sender([&] {
                check(shared->send(1, shared->tasks[1]), "the channel is open");
                was_sent = shared->send(2, shared->tasks[1]);
                shared->drop_sender();
            });
            check(shared->receive(shared->tasks[0]) == 1, "the first value arrives");
            shared->close_receiver();
            const int last = shared->receive(shared->tasks[0]);
            check(last == 0 || last == 2, "the second value arrives or the channel is closed");
            if (last == 2) check(shared->receive(shared->tasks[0]) == 0, "then the channel ends");
        }
    }));
}

// ---- Unbounded ----

struct node : mpsc_node {
    explicit node(int holds) : value(holds) {}
    int value;
};

struct list : unbounded_state {
    list() : list(new node(0)) {}
    list(const list&) = delete;
    list& operator=(const list&) = delete;
    ~list() { delete received; }

    void send(int value) {
        auto* const fresh = new node(value);
        if (!push(*fresh)) delete fresh;
    }
    void drop_sender() {
        if (unbounded_state::drop_sender()) end_senders();
    }
    int receive(sleeping_task& task) {
        for (;;) {
            // SAFETY: send() pushes only nodes, and the list owns them.
            if (auto* const next = static_cast<node*>(next_of(*received))) {
                delete received;
                received = next;
                return next->value;
            }
            const eddy::waker waker = task.waker();
            switch (wait(*received, waker)) {
            case nothing::ended: return 0;
            case nothing::waits: task.sleep(); break;
            case nothing::claimed: explore::yield(); break;
            }
        }
    }

    node* received;
    sleeping_task receiver{false};

private:
    explicit list(node* first) : unbounded_state(*first), received(first) {}
};

// covers: P080
TEST(ExploreMpsc, TwoSendersOfUnboundedChannelLoseNoValue) {
    EXPECT_TRUE(holds({.preemptions = 3}, [] {
        const auto shared = std::make_unique<list>();
        shared->add_sender();
        const explore::thread first([&] {
            shared->send(1);
            shared->drop_sender();
        });
        const explore::thread second([&] {
            shared->send(2);
            shared->drop_sender();
        });
        int sum = 0;
        while (const int value = shared->receive(shared->receiver)) sum += value;
        check(sum == 3, "each value arrives once");
    }));
}

// covers: P080
TEST(ExploreMpsc, SenderOfUnboundedChannelRacesWithClose) {
    EXPECT_TRUE(holds({.preemptions = 4}, [] {
        const auto shared = std::make_unique<list>();
        const explore::thread sender([&] {
            shared->send(1);
            shared->send(2);
            shared->drop_sender();
        });
        check(shared->receive(shared->receiver) == 1, "values arrive in order");
        shared->close_receiver();
        const int last = shared->receive(shared->receiver);
        check(last == 0 || last == 2, "the second value arrives or the channel is closed");
        if (last == 2) check(shared->receive(shared->receiver) == 0, "then the channel ends");
    }));
}

TEST(ExploreMpsc, DropOfReceiverWakesSenderWaitingForIt) {
    EXPECT_TRUE(holds([] {
        struct shares : eddy::detail::mpsc_shares {
            using mpsc_shares::end_receiver;
        };
        auto* const shared = new shares;
        sleeping_task task(false);
        const explore::thread receiving([=] {
            shared->end_receiver();
            if (shared->leave()) delete shared;
        });
        {
            eddy::detail::notify_waiter one;
            const eddy::waker waker = task.waker();
            while (!shared->poll_receivers_gone(one, waker)) task.sleep();
        }
        if (shared->drop_sender() && shared->leave()) delete shared;
    }));
}

// covers: P079
TEST(ExploreMpsc, LastReferenceFreesMemory) {
    EXPECT_TRUE(holds({.preemptions = 4}, [] {
        struct shares : eddy::detail::mpsc_shares {
            int value = 0;
        };
        auto* const shared = new shares;
        shared->add_weak();
        const explore::thread weak([=] {
            if (shared->upgrade()) {
                if (shared->drop_sender() && shared->leave()) delete shared;
            }
            if (shared->drop_weak()) delete shared;
        });
        const explore::thread sender([=] {
            shared->value = 1;
            if (shared->drop_sender() && shared->leave()) delete shared;
        });
        if (shared->leave()) delete shared;
    }));
}

}  // namespace
