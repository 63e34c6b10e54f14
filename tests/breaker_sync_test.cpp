// SPDX-License-Identifier: MIT
// What breaks what tasks wait for each other with: code of users that runs in the middle of an operation (a waker that destroys
// what it was told of, a value whose moves throw or come back), futures that are dropped half way on another thread, far ends
// of numbers.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/error.hpp>
#include <eddy/sync/barrier.hpp>
#include <eddy/sync/broadcast.hpp>
#include <eddy/sync/cancellation_token.hpp>
#include <eddy/sync/mpsc.hpp>
#include <eddy/sync/mutex.hpp>
#include <eddy/sync/notify.hpp>
#include <eddy/sync/once_cell.hpp>
#include <eddy/sync/poll_semaphore.hpp>
#include <eddy/sync/poll_sender.hpp>
#include <eddy/sync/rwlock.hpp>
#include <eddy/sync/semaphore.hpp>
#include <eddy/sync/set_once.hpp>
#include <eddy/sync/task_tracker.hpp>
#include <eddy/sync/watch.hpp>
#include <eddy/task.hpp>
#include <eddy/test/by_hand.hpp>

#include "support/comes_back.hpp"
#include "support/executors.hpp"
#include "support/fragile.hpp"
#include "support/polling.hpp"
#include "support/scripted.hpp"
#include "support/small_stack.hpp"
#include "support/stress.hpp"

namespace {

using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::failing_move;
using support::fragile;
namespace sync = eddy::sync;

// ---- Wakers that destroy what they were told of ----

/// More than are woken in one batch.
constexpr std::size_t many = 100;

/// Futures that wait, of which the first to be woken destroys all, and then calls `destroy_state`: as a task does whose last
/// reference is its waker's.
template <class F>
class all_end_at_the_first_wake {
public:
    template <class Make>
    all_end_at_the_first_wake(Make make, std::function<void()> destroy_state)
        : destroy_state_(std::move(destroy_state)), waker_([this] { end(); }) {
        for (std::size_t i = 0; i < many; ++i) {
            futures_.push_back(std::make_unique<F>(make()));
            assert_pending(support::poll_with(*futures_.back(), waker_.waker()));
        }
    }

private:
    void end() {
        if (futures_.empty()) return;
        std::exchange(futures_, {}).clear();
        destroy_state_();
    }

    std::function<void()> destroy_state_;
    support::calling_waker waker_;
    std::vector<std::unique_ptr<F>> futures_;
};

TEST(BreakerSyncDeathTest, ANotifyIsDestroyedByTheFirstOfManyThatItWakes) {
    EXPECT_COMES_BACK([] {
        auto bell = std::make_unique<sync::notify>();
        const all_end_at_the_first_wake<sync::notify::notified_future> waiting([&] { return bell->notified(); },
                                                                               [&] { bell.reset(); });
        bell->notify_waiters();
    });
}

TEST(BreakerSyncDeathTest, ABarrierIsDestroyedByTheFirstOfManyThatItWakes) {
    EXPECT_COMES_BACK([] {
        auto gate = std::make_unique<sync::barrier>(many + 1);
        const all_end_at_the_first_wake<sync::barrier::wait_future> waiting([&] { return gate->wait(); }, [] {});
        by_hand last(gate->wait());
        static_cast<void>(assert_ready(last.poll()));
        last.drop();
        gate.reset();
    });
}

TEST(BreakerSyncDeathTest, AChildTokenIsDestroyedByTheFirstOfManyThatItsCancelWakes) {
    EXPECT_COMES_BACK([] {
        const sync::cancellation_token parent;
        std::optional<sync::cancellation_token> child = parent.child_token();
        const all_end_at_the_first_wake<sync::cancellation_token::cancelled_future> waiting(
            [&] { return child->cancelled(); }, [&] { child.reset(); });
        parent.cancel();
    });
}

TEST(BreakerSyncDeathTest, ASetOnceIsDestroyedByTheFirstOfManyThatItWakes) {
    EXPECT_COMES_BACK([] {
        auto value = std::make_unique<sync::set_once<int>>();
        const all_end_at_the_first_wake<sync::set_once<int>::wait_future> waiting([&] { return value->wait(); }, [] {});
        EXPECT_TRUE(value->set(1).has_value());
    });
}

TEST(BreakerSyncDeathTest, ATrackerIsDestroyedByTheFirstOfManyThatItWakes) {
    EXPECT_COMES_BACK([] {
        auto tracker = std::make_unique<sync::task_tracker>();
        const all_end_at_the_first_wake<sync::task_tracker::wait_future> waiting([&] { return tracker->wait(); },
                                                                                 [&] { tracker.reset(); });
        EXPECT_TRUE(tracker->close());
    });
}

TEST(BreakerSync, ManyReadersGoInTheFirstWake) {
    sync::rwlock<int> lock(1);
    std::vector<std::unique_ptr<sync::lock_future<sync::rwlock<int>::read_guard>>> readers;
    support::calling_waker waker([&] { std::exchange(readers, {}).clear(); });
    auto writer = lock.try_write();
    for (std::size_t i = 0; i < many; ++i) {
        readers.push_back(std::make_unique<sync::lock_future<sync::rwlock<int>::read_guard>>(lock.read()));
        assert_pending(support::poll_with(*readers.back(), waker.waker()));
    }
    writer.reset();
    EXPECT_TRUE(readers.empty());
    EXPECT_TRUE(lock.try_write().has_value()) << "those that went have given back what they were given";
}

TEST(BreakerSync, ManyBroadcastReceiversGoInTheFirstWake) {
    auto [tx, rx] = sync::broadcast<int>::channel(4);
    std::vector<sync::broadcast<int>::receiver> receivers;
    std::vector<std::unique_ptr<sync::broadcast<int>::recv_future>> futures;
    receivers.reserve(many);
    support::calling_waker waker([&] {
        std::exchange(futures, {}).clear();
        std::exchange(receivers, {}).clear();
    });
    for (std::size_t i = 0; i < many; ++i) {
        receivers.push_back(tx.subscribe());
        futures.push_back(std::make_unique<sync::broadcast<int>::recv_future>(receivers.back().recv()));
        assert_pending(support::poll_with(*futures.back(), waker.waker()));
    }
    EXPECT_EQ(tx.send(1), many + 1);
    EXPECT_EQ(tx.receiver_count(), 1u);
    EXPECT_EQ(rx.try_recv(), 1);
    EXPECT_TRUE(tx.is_empty());
}

// ---- Values whose moves and ends are code ----

TEST(BreakerSync, APollSenderThatWasClosedStaysSoWhenItsLastSendThrows) {
    for (int nth = 0; nth < 6; ++nth) {
        auto [tx, rx] = sync::mpsc<fragile>::channel(2);
        sync::poll_sender<fragile> out(std::move(tx));
        {
            const eddy::waker none;
            eddy::context cx(none);
            EXPECT_TRUE(out.poll_reserve(cx).is_ready());
        }
        out.disconnect();
        try {
            fragile value(1);
            const failing_move fails(nth);
            static_cast<void>(out.send_item(std::move(value)));
        } catch (const std::runtime_error&) {  // NOLINT(bugprone-empty-catch): the value is gone
        }
        // A throw while the argument was made has not reached it: the room is kept still.
        static_cast<void>(out.abort_send());
        EXPECT_TRUE(out.is_closed()) << "disconnect() was to let the sender go after this item; move " << nth
                                     << " threw";
        EXPECT_EQ(rx.sender_strong_count(), 0u) << nth;
    }
}

/// The same without abort_send(): what was promised is that nothing more is sent.
TEST(BreakerSync, APollSenderThatWasClosedReservesNothingAfterASendThatThrew) {
    auto [tx, rx] = sync::mpsc<fragile>::channel(2);
    sync::poll_sender<fragile> out(std::move(tx));
    const eddy::waker none;
    eddy::context cx(none);
    EXPECT_TRUE(out.poll_reserve(cx).is_ready());
    out.disconnect();
    fragile value(1);
    {
        const failing_move fails(1);  // the first makes the argument
        EXPECT_THROW(static_cast<void>(out.send_item(std::move(value))), std::runtime_error);
    }
    const auto again = out.poll_reserve(cx);
    EXPECT_TRUE(again.is_ready() && !again->has_value()) << "it was closed, and sends nothing any more";
    EXPECT_TRUE(out.is_closed());
}

TEST(BreakerSync, AChannelGoesOnWhicheverMoveThrows) {
    for (int nth = 0; nth < 12; ++nth) {
        auto [tx, rx] = sync::mpsc<fragile>::channel(2);
        std::vector<int> got;
        by_hand receiving(rx.recv());
        assert_pending(receiving.poll());
        for (int n = 1; n <= 3; ++n) {
            try {
                fragile value(n);
                const failing_move fails(n == 2 ? nth : -1);
                auto sending = tx.send(std::move(value));
                if (auto sent = support::poll_with(sending, eddy::waker::noop())) {
                    EXPECT_TRUE(sent->has_value());
                }
                while (auto one = rx.try_recv()) got.push_back(one->number);
            } catch (const std::runtime_error&) {  // NOLINT(bugprone-empty-catch): a value less
            }
        }
        EXPECT_TRUE(receiving.is_woken());
        while (auto one = rx.try_recv()) got.push_back(one->number);
        ASSERT_FALSE(got.empty());
        EXPECT_EQ(got.front(), 1) << nth;
        EXPECT_EQ(got.back(), 3) << nth;
        EXPECT_EQ(tx.capacity(), 2u) << "all room is free again; move " << nth << " threw";
        rx.close();
        EXPECT_EQ(rx.try_recv().error(), sync::try_recv_error::closed) << nth;
    }
}

TEST(BreakerSync, RecvManyKeepsCountWhicheverMoveThrows) {
    for (int nth = 0; nth < 8; ++nth) {
        auto [tx, rx] = sync::mpsc<fragile>::channel(4);
        for (int n = 1; n <= 4; ++n) EXPECT_TRUE(tx.try_send(fragile(n)).has_value());
        std::vector<fragile> into;
        into.reserve(8);
        for (int round = 0; round < 3; ++round) {
            const failing_move fails(round == 0 ? nth : -1);
            try {
                by_hand receiving(rx.recv_many(into, 4));
                static_cast<void>(receiving.poll());
            } catch (const std::runtime_error&) {  // NOLINT(bugprone-empty-catch): the rest comes next time
            }
        }
        EXPECT_EQ(into.size(), 4u) << "no value is lost; move " << nth << " threw";
        EXPECT_EQ(tx.capacity(), 4u) << nth;
    }
}

TEST(BreakerSync, AWatchIsUnlockedWhicheverMoveThrows) {
    for (int nth = 0; nth < 8; ++nth) {
        auto [tx, rx] = sync::watch<fragile>::channel(fragile(1));
        by_hand changed(rx.changed());
        assert_pending(changed.poll());
        {
            fragile value(2);
            const failing_move fails(nth);
            try {
                static_cast<void>(tx.send(std::move(value)));
            } catch (const std::runtime_error&) {  // NOLINT(bugprone-empty-catch): nobody is told, then
            }
        }
        tx.send_modify([](fragile& f) { f.number = 3; });
        EXPECT_TRUE(assert_ready(changed.poll()).has_value());
        EXPECT_EQ(rx.borrow()->number, 3);
    }
}

TEST(BreakerSync, AOnceCellIsMadeBySomebodyElseWhicheverMoveThrows) {
    for (int nth = 0; nth < 12; ++nth) {
        sync::once_cell<fragile> cell;
        support::script first_made;
        auto make = [&]() -> eddy::task<fragile> {
            static_cast<void>(co_await support::scripted(first_made));
            co_return fragile(1);
        };
        auto make_other = []() -> eddy::task<fragile> { co_return fragile(2); };
        by_hand first(cell.get_or_init(make));
        by_hand second(cell.get_or_init(make_other));
        assert_pending(first.poll());
        assert_pending(second.poll());
        first_made.change(support::plan::ready);
        {
            const failing_move fails(nth);
            try {
                EXPECT_EQ(assert_ready(first.poll())->number, 1);
            } catch (const std::runtime_error&) {
                EXPECT_TRUE(second.is_woken()) << nth;
            }
        }
        if (!cell.is_set()) {
            EXPECT_EQ(assert_ready(second.poll())->number, 2);
        }
        EXPECT_TRUE(cell.is_set());
    }
}

/// A value that is moved by a copy, so that the end of what it was moved from is an end like any other: it calls back.
class calls_at_its_end {
public:
    calls_at_its_end(int number, const std::function<void()>* call, int* alive) noexcept
        : number_(number), call_(call), alive_(alive) {
        ++*alive_;
    }
    calls_at_its_end(const calls_at_its_end& other) noexcept
        : calls_at_its_end(other.number_, other.call_, other.alive_) {}
    calls_at_its_end& operator=(const calls_at_its_end&) noexcept = default;
    ~calls_at_its_end() {
        --*alive_;
        if (call_ != nullptr && *call_) (*call_)();
    }

    [[nodiscard]] int number() const noexcept { return number_; }

private:
    int number_;
    const std::function<void()>* call_;
    int* alive_;
};

/// Receives one value more in the destructor of the first that is received.
template <class Ends>
void receive_in_a_destructor(Ends ends) {
    int alive = 0;
    std::vector<int> got;
    bool is_inside = true;
    std::function<void()> call = [&] {
        if (std::exchange(is_inside, true)) return;
        while (auto next = ends.receiver.try_recv()) got.push_back(next->number());
    };
    for (int n = 1; n <= 3; ++n) EXPECT_TRUE(ends.sender.send_now(calls_at_its_end(n, &call, &alive)));
    is_inside = false;
    {
        auto first = ends.receiver.try_recv();
        ASSERT_TRUE(first.has_value());
        got.insert(got.begin(), first->number());
        is_inside = true;
    }
    while (auto next = ends.receiver.try_recv()) got.push_back(next->number());
    EXPECT_EQ(got, (std::vector<int>{1, 2, 3})) << "each value comes out once";
    EXPECT_EQ(alive, 0) << "each is destroyed once";
}

struct bounded_ends {
    sync::mpsc<calls_at_its_end>::receiver receiver;
    struct {
        sync::mpsc<calls_at_its_end>::sender tx;
        bool send_now(const calls_at_its_end& value) { return tx.try_send(value).has_value(); }
    } sender;
};
struct unbounded_ends {
    sync::mpsc<calls_at_its_end>::unbounded_receiver receiver;
    struct {
        sync::mpsc<calls_at_its_end>::unbounded_sender tx;
        bool send_now(const calls_at_its_end& value) { return tx.send(value).has_value(); }
    } sender;
};

TEST(BreakerSyncDeathTest, AValueThatReceivesInItsDestructorLosesNone) {
    EXPECT_COMES_BACK([] {
        auto [tx, rx] = sync::mpsc<calls_at_its_end>::channel(4);
        receive_in_a_destructor(bounded_ends{std::move(rx), {std::move(tx)}});
    });
}

TEST(BreakerSyncDeathTest, AValueThatReceivesInItsDestructorLosesNoneOfAnUnboundedChannel) {
    EXPECT_COMES_BACK([] {
        auto [tx, rx] = sync::mpsc<calls_at_its_end>::unbounded_channel();
        receive_in_a_destructor(unbounded_ends{std::move(rx), {std::move(tx)}});
    });
}

TEST(BreakerSync, AValueThatSendsInItsDestructorIsFollowedByWhatItSent) {
    int alive = 0;
    auto [tx, rx] = sync::mpsc<calls_at_its_end>::channel(1);
    int sent = 0;
    std::function<void()> none;
    std::function<void()> call = [&, &to = tx] {
        if (sent == 0 && to.try_send(calls_at_its_end(2, &none, &alive)).has_value()) ++sent;
    };
    EXPECT_TRUE(tx.try_send(calls_at_its_end(1, &none, &alive)).has_value());
    EXPECT_EQ(rx.try_recv()->number(), 1);
    EXPECT_TRUE(tx.try_send(calls_at_its_end(1, &call, &alive)).has_value()) << "its own argument has sent before it";
    EXPECT_EQ(sent, 0) << "while it is there, there is no room";
    {
        auto first = rx.try_recv();
        EXPECT_EQ(first->number(), 1);
    }
    EXPECT_EQ(sent, 1);
    EXPECT_EQ(rx.try_recv()->number(), 2);
    EXPECT_EQ(alive, 0);
}

TEST(BreakerSyncDeathTest, AWatchedValueMayLookAtItsChannelInItsDestructor) {
    EXPECT_COMES_BACK([] {
        int alive = 0;
        int seen = 0;
        std::function<void()> look;
        const std::function<void()> none;
        auto [tx, rx] = sync::watch<calls_at_its_end>::channel(calls_at_its_end(1, &look, &alive));
        look = [&, &from = rx] { seen = from.borrow()->number(); };
        static_cast<void>(tx.send(calls_at_its_end(2, &none, &alive)));
        look = nullptr;
        EXPECT_EQ(seen, 2);
    });
}

// ---- Moved from ----

TEST(BreakerSyncDeathTest, AWaitOfATrackerThatWasMovedFromIsNoCrash) {
    EXPECT_COMES_BACK([] {
        const sync::task_tracker tracker;
        auto from = tracker.wait();
        const auto to = std::move(from);
        // NOLINTNEXTLINE(bugprone-use-after-move): what it says then is the question
        static_cast<void>(support::poll_with(from, eddy::waker::noop()));
    });
}

TEST(BreakerSyncDeathTest, APollSemaphoreThatWasMovedFromIsNoCrash) {
    EXPECT_COMES_BACK([] {
        sync::poll_semaphore from(std::make_shared<sync::semaphore>(1));
        const auto to = std::move(from);
        // NOLINTBEGIN(bugprone-use-after-move): what it says then is the question
        EXPECT_NE(support::text_of_misuse([&] {
                      static_cast<void>(support::poll_with(
                          *std::make_unique<eddy::next_future<sync::poll_semaphore>>(from), eddy::waker::noop()));
                  }),
                  "(nothing was thrown)");
        static_cast<void>(from.is_closed());
        from.close();
        // NOLINTEND(bugprone-use-after-move)
    });
}

TEST(BreakerSync, GuardsAndPermitsSurviveASelfMove) {
    sync::mutex<int> lock(1);
    auto guard = lock.try_lock();
    auto& same = *guard;
    *guard = std::move(same);
    EXPECT_TRUE(guard->owns_lock());
    EXPECT_FALSE(lock.try_lock().has_value());
    guard.reset();
    EXPECT_TRUE(lock.try_lock().has_value());

    sync::semaphore permits(3);
    auto permit = permits.try_acquire(2);
    auto& same_permit = *permit;
    *permit = std::move(same_permit);
    EXPECT_EQ(permit->num_permits(), 2u);
    auto parts = permit->split(1);
    permit->merge(std::move(*parts));
    EXPECT_EQ(permit->num_permits(), 2u);
    permit = std::unexpected(sync::try_acquire_error::no_permits);
    EXPECT_EQ(permits.available_permits(), 3u);
}

// ---- Far ends ----

TEST(BreakerSync, TheMostPermitsThereAre) {
    constexpr auto most = sync::semaphore::max_permits;
    sync::semaphore all(most);
    EXPECT_THROW(all.add_permits(1), eddy::misuse);
    EXPECT_THROW(all.add_permits(std::numeric_limits<std::size_t>::max()), eddy::misuse);
    EXPECT_THROW(static_cast<void>(all.acquire(std::size_t{1} << 61)), eddy::misuse);
    EXPECT_THROW(static_cast<void>(all.try_acquire(most + 1)), eddy::misuse);
    auto whole = all.try_acquire(most);
    ASSERT_TRUE(whole.has_value());
    by_hand waits(all.acquire(most));
    assert_pending(waits.poll());
    EXPECT_THROW(all.add_permits(most + 1), eddy::misuse);
    auto one = whole->split(1);
    *whole = std::move(*one);
    EXPECT_EQ(all.available_permits(), most - 1);
    EXPECT_EQ(all.forget_permits(std::numeric_limits<std::size_t>::max()), most - 1);
    assert_pending(waits.poll());
    whole = std::unexpected(sync::try_acquire_error::closed);
    EXPECT_THROW(all.add_permits(most), eddy::misuse);
    all.add_permits(most - 1);
    EXPECT_TRUE(assert_ready(waits.poll()).has_value());
}

TEST(BreakerSync, ACancelReachesTheEndOfALongChainOnASmallStack) {
    support::run_on_small_stack([] {
        constexpr std::size_t depth = 100'000;
        for (const int order : {0, 1, 2}) {
            sync::cancellation_token root;
            std::vector<sync::cancellation_token> chain{root.child_token()};
            chain.reserve(depth);
            while (chain.size() < depth) chain.push_back(chain.back().child_token());
            by_hand last(chain.back().cancelled_owned());
            assert_pending(last.poll());
            if (order == 1) chain.clear();                          // from the root on
            while (order == 2 && !chain.empty()) chain.pop_back();  // from the end on
            root.cancel();
            EXPECT_TRUE(last.is_woken());
            EXPECT_TRUE(last.poll().is_ready());
        }
    });
}

// ---- Dropped half way, on another thread ----

/// Threads that make futures of `make`, poll them, hand them to each other, and drop them wherever they are. Each `end(output)`
/// is what becomes of an output.
template <class Make, class End>
void pass_around(Make make, End end) {
    using future = decltype(make());
    struct passed {
        explicit passed(future f) : by(std::move(f)) {}
        by_hand<future> by;
    };
    std::mutex lock;
    std::vector<std::unique_ptr<passed>> table;
    const std::uint64_t seed = support::seed();
    const std::uint64_t rounds = support::rounds(1'000'000);
    const auto run = [&](std::uint64_t number) {
        std::mt19937_64 random(seed + number);
        for (std::uint64_t i = 0; i < rounds; ++i) {
            std::unique_ptr<passed> mine;
            {
                const std::lock_guard guard(lock);
                if (!table.empty() && random() % 4 != 0) {
                    std::swap(table[random() % table.size()], table.back());
                    mine = std::move(table.back());
                    table.pop_back();
                }
            }
            if (mine == nullptr) mine = std::make_unique<passed>(make());
            if (random() % 8 == 0) continue;  // drops it, polled or not
            if (auto answer = mine->by.poll()) {
                end(*std::move(answer), random);
                continue;
            }
            const std::lock_guard guard(lock);
            if (table.size() < 64) table.push_back(std::move(mine));
        }
    };
    std::vector<std::thread> threads;
    threads.reserve(3);
    for (std::uint64_t t = 0; t < 3; ++t) threads.emplace_back(run, t);
    for (auto& one : threads) one.join();
    // Whoever is the next is told: those that are left come to their end by wakes alone.
    std::mt19937_64 random(seed);
    const auto has_ended = [&](std::unique_ptr<passed>& one) {
        if (one->by.wakes() != 0 && !one->by.is_woken()) return false;
        auto answer = one->by.poll();
        const bool is_ready = answer.is_ready();
        if (is_ready) end(*std::move(answer), random);
        return is_ready;
    };
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!table.empty() && std::chrono::steady_clock::now() < give_up) {
        if (std::erase_if(table, has_ended) == 0) std::this_thread::yield();
    }
    EXPECT_TRUE(table.empty()) << table.size() << " wait, and nobody will wake them";
}

TEST(BreakerSyncStress, PermitsThatArePassedAroundAllComeBack) {
    sync::semaphore permits(7);
    std::atomic<std::uint64_t> made = 0;
    std::atomic<int> taken = 0;
    pass_around([&] { return permits.acquire(1 + made.fetch_add(1, std::memory_order_relaxed) % 7); },
                [&](auto permit, auto& random) {
                    const int count = static_cast<int>(permit->num_permits());
                    EXPECT_LE(taken += count, 7);
                    if (random() % 4 == 0) std::this_thread::yield();
                    taken -= count;
                });
    EXPECT_EQ(permits.available_permits(), 7u);
}

TEST(BreakerSyncStress, AnRwlockThatIsPassedAroundIsFreeInTheEnd) {
    sync::rwlock<int> lock(0);
    std::atomic<int> inside = 0;
    std::atomic<std::uint64_t> made = 0;
    pass_around(
        [&]() -> eddy::task<int> {
            if (made.fetch_add(1, std::memory_order_relaxed) % 3 == 0) {
                auto guard = co_await lock.write();
                EXPECT_EQ(inside.exchange(1), 0);
                ++*guard;
                inside.store(0);
            } else {
                auto guard = co_await lock.read();
                EXPECT_EQ(inside.load(), 0);
            }
            co_return 0;
        },
        [](auto&&...) {});
    EXPECT_TRUE(lock.try_write().has_value());
}

TEST(BreakerSyncStress, RoomThatIsPassedAroundAllComesBack) {
    auto [tx, rx] = sync::mpsc<std::unique_ptr<int>>::channel(3);
    std::atomic<std::uint64_t> sent = 0;
    std::atomic<bool> over = false;
    std::uint64_t received = 0;
    std::thread receiver([&, &from = rx] {
        while (true) {
            const bool was_over = over.load(std::memory_order_acquire);
            bool is_any = false;
            while (from.try_recv()) ++received, is_any = true;
            if (was_over && !is_any) return;
            std::this_thread::yield();
        }
    });
    pass_around([&to = tx] { return to.reserve(); },
                [&](auto permit, auto& random) {
                    if (random() % 2 == 0) return;
                    permit->send(std::make_unique<int>(1));
                    ++sent;
                });
    over.store(true, std::memory_order_release);
    receiver.join();
    EXPECT_EQ(received, sent.load());
    EXPECT_EQ(tx.capacity(), 3u);
}

TEST(BreakerSyncStress, BroadcastValuesAreFreedWhoeverGoes) {
    support::census values;
    struct value {
        support::census::life life;
        std::uint64_t number;
    };
    {
        auto [tx, rx] = sync::broadcast<value>::channel(4);
        const std::uint64_t rounds = support::rounds(400'000);
        std::atomic<bool> over = false;
        const auto receive = [&, &to = tx](std::uint64_t seed) {
            std::mt19937_64 random(seed);
            while (!over.load(std::memory_order_acquire)) {
                auto mine = to.subscribe();
                std::uint64_t last = 0;
                by_hand waiting(mine.recv());
                for (std::uint64_t i = random() % 20; i > 0; --i) {
                    auto got = waiting.poll();
                    if (!got) break;
                    if (!got->has_value()) continue;
                    EXPECT_GT((*got)->number, last);
                    last = (*got)->number;
                }
            }
        };
        std::thread one(receive, support::seed());
        std::thread two(receive, support::seed() + 1);
        for (std::uint64_t i = 1; i <= rounds; ++i) {
            EXPECT_TRUE(tx.send(value{values.begin_life(), i}).has_value());
            if (i % 64 == 0) std::this_thread::yield();
        }
        over.store(true, std::memory_order_release);
        one.join();
        two.join();
        EXPECT_LE(values.alive(), 4);
        EXPECT_EQ(rx.len(), rounds);
    }
    EXPECT_EQ(values.alive(), 0);
}

}  // namespace
