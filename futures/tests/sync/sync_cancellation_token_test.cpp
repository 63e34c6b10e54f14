// SPDX-License-Identifier: MIT
// runs: tsan
#include <eddy/sync/cancellation_token.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <thread>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include <eddy/future/ready.hpp>
#include <eddy/future/select.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>

#include "support/comes_back.hpp"
#include "support/futures/first_wake.hpp"
#include "support/futures/reentrant_waker.hpp"
#include "support/runtime.hpp"
#include "support/scripted.hpp"
#include "support/small_stack.hpp"
#include "support/stress.hpp"

namespace {

using eddy::sync::cancellation_guard;
using eddy::sync::cancellation_token;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;

// covers: P090
TEST(SyncCancellationToken, CancelCompletesAllWaiters) {
    const cancellation_token token;
    EXPECT_FALSE(token.is_cancelled());
    by_hand first(token.cancelled());
    by_hand second(token.cancelled_owned());
    by_hand fresh(token.cancelled());
    assert_pending(first.poll());
    assert_pending(second.poll());
    const auto copy = token;
    copy.cancel();
    copy.cancel();
    EXPECT_TRUE(token.is_cancelled());
    EXPECT_EQ(first.wakes(), 1u);
    EXPECT_EQ(second.wakes(), 1u);
    assert_ready(first.poll());
    assert_ready(first.poll());
    assert_ready(second.poll());
    assert_ready(fresh.poll());
    assert_ready(by_hand(token.cancelled()).poll());
    EXPECT_EQ(first.wakers() + second.wakers() + fresh.wakers(), 0u);
}

// covers: R016
TEST(SyncCancellationToken, DroppedWaiterIsNotWoken) {
    const cancellation_token token;
    by_hand waits(token.cancelled());
    assert_pending(waits.poll());
    waits.drop();
    EXPECT_EQ(waits.wakers(), 0u);
    token.cancel();
    EXPECT_EQ(waits.wakes(), 0u);
}

// covers: P090
TEST(SyncCancellationToken, OwnedFutureOutlivesItsToken) {
    std::optional<cancellation_token> token(std::in_place);
    const auto parent = *token;
    token.emplace(parent.child_token());
    by_hand waits(token->cancelled_owned());
    assert_pending(waits.poll());
    token.reset();
    parent.cancel();
    EXPECT_TRUE(waits.is_woken());
    assert_ready(waits.poll());
}

// covers: P090
TEST(SyncCancellationToken, CancelOfTheParentCancelsTheChild) {
    const cancellation_token parent;
    const auto child = parent.child_token();
    by_hand waits(child.cancelled());
    assert_pending(waits.poll());
    parent.cancel();
    EXPECT_TRUE(child.is_cancelled());
    EXPECT_TRUE(waits.is_woken());
    assert_ready(waits.poll());
}

// covers: P090
TEST(SyncCancellationToken, ChildDoesNotCancelParentOrSiblings) {
    const cancellation_token parent;
    const auto child = parent.child_token();
    const auto sibling = parent.child_token();
    by_hand waits(parent.cancelled());
    assert_pending(waits.poll());
    child.cancel();
    EXPECT_TRUE(child.is_cancelled());
    EXPECT_FALSE(parent.is_cancelled() || sibling.is_cancelled());
    EXPECT_FALSE(waits.is_woken());
    parent.cancel();
    EXPECT_TRUE(sibling.is_cancelled());
}

// covers: P090
TEST(SyncCancellationToken, ChildOfACancelledTokenIsCancelled) {
    const cancellation_token parent;
    parent.cancel();
    const auto child = parent.child_token();
    EXPECT_TRUE(child.is_cancelled());
    child.cancel();
    EXPECT_TRUE(child.child_token().is_cancelled());
    assert_ready(by_hand(child.cancelled()).poll());
}

// covers: P090
TEST(SyncCancellationToken, CancelReachesChildrenOfADroppedToken) {
    const cancellation_token root;
    std::optional middle(root.child_token());
    const auto first = middle->child_token();
    std::optional second(middle->child_token());
    const auto third = middle->child_token();
    const auto uncle = root.child_token();
    middle.reset();
    second.reset();
    EXPECT_FALSE(first.is_cancelled());
    root.cancel();
    EXPECT_TRUE(first.is_cancelled() && third.is_cancelled() && uncle.is_cancelled());
}

// covers: P090
TEST(SyncCancellationToken, DroppedRootDoesNotCancelItsChildren) {
    std::optional<cancellation_token> root(std::in_place);
    std::optional first(root->child_token());
    std::optional second(root->child_token());
    const auto below = second->child_token();
    root.reset();
    EXPECT_FALSE(first->is_cancelled() || second->is_cancelled());
    first->cancel();
    EXPECT_FALSE(second->is_cancelled());
    first.reset();
    second->cancel();
    EXPECT_TRUE(below.is_cancelled());
}

// covers: P090
TEST(SyncCancellationToken, CancelReachesOnlyDescendants) {
    const cancellation_token root;
    const auto a = root.child_token();
    const auto b = root.child_token();
    const auto a1 = a.child_token();
    const auto a2 = a.child_token();
    const auto a11 = a1.child_token();
    const auto a111 = a11.child_token();
    const auto b1 = b.child_token();
    a1.cancel();
    EXPECT_TRUE(a1.is_cancelled() && a11.is_cancelled() && a111.is_cancelled());
    EXPECT_FALSE(root.is_cancelled() || a.is_cancelled() || a2.is_cancelled() || b.is_cancelled() || b1.is_cancelled());
    a.cancel();
    EXPECT_TRUE(a2.is_cancelled());
    EXPECT_FALSE(b1.is_cancelled());
    root.cancel();
    EXPECT_TRUE(b1.is_cancelled());
}

// covers: P090
TEST(SyncCancellationToken, CopiesCompareEqualAndChildrenDoNot) {
    cancellation_token token;
    const auto copy = token;
    auto moved = std::move(token);
    EXPECT_TRUE(token == copy && moved == copy);  // a moved-from token still refers to the same state
    EXPECT_FALSE(token == token.child_token());
    EXPECT_FALSE(token == cancellation_token());
    EXPECT_EQ(std::unordered_set<cancellation_token>({token, copy, moved, cancellation_token()}).size(), 2u);
    const auto other = token.child_token();
    token = other;
    EXPECT_TRUE(token == other);
    token = *&token;
    EXPECT_TRUE(token == other);
}

// covers: P090
TEST(SyncCancellationToken, DropGuardCancelsUnlessDisarmed) {
    const cancellation_token token;
    {
        const auto guard = token.drop_guard();
        EXPECT_FALSE(token.is_cancelled());
    }
    EXPECT_TRUE(token.is_cancelled());

    const cancellation_token other;
    {
        auto guard = other.drop_guard();
        EXPECT_TRUE(guard.disarm() == other);
        EXPECT_THROW(guard.disarm(), eddy::misuse);
    }
    EXPECT_FALSE(other.is_cancelled());
    {
        auto guard = other.drop_guard();
        auto moved = std::move(guard);
        EXPECT_THROW(guard.disarm(), eddy::misuse);
        EXPECT_FALSE(other.is_cancelled());
        moved = cancellation_token().drop_guard();
        EXPECT_TRUE(other.is_cancelled());
    }
}

// covers: P090
TEST(SyncCancellationToken, RunUntilCancelledEndsOnReadyOrCancel) {
    const cancellation_token token;
    support::script s;
    by_hand runs(token.run_until_cancelled(support::scripted(s)));
    assert_pending(runs.poll());
    s.now = support::plan::ready;
    EXPECT_TRUE(assert_ready(runs.poll()).has_value());
    EXPECT_FALSE(s.alive);
    s.waker = {};
    EXPECT_EQ(runs.wakers(), 0u);
    EXPECT_THROW(static_cast<void>(runs.poll()), eddy::misuse);

    s = {};
    by_hand ends(token.run_until_cancelled_owned(support::scripted(s)));
    assert_pending(ends.poll());
    token.cancel();
    EXPECT_TRUE(ends.is_woken());
    EXPECT_FALSE(assert_ready(ends.poll()).has_value());
    EXPECT_FALSE(s.alive);  // destroyed by the last poll, not with `ends`
}

// covers: R078
TEST(SyncCancellationToken, CancelledTokenWinsOverAReadyFuture) {
    const cancellation_token token;
    EXPECT_EQ(assert_ready(by_hand(token.run_until_cancelled(eddy::ready(5))).poll()), 5);
    EXPECT_EQ(assert_ready(by_hand(token.run_until_cancelled(eddy::ready())).poll()), std::monostate());
    by_hand waits(token.run_until_cancelled(eddy::ready(5)));
    token.cancel();
    EXPECT_EQ(assert_ready(waits.poll()), std::nullopt);
}

// covers: P090
TEST(SyncCancellationToken, FutureThatCancelsItsOwnTokenIsEnded) {
    const cancellation_token token;
    auto cancels = [](cancellation_token own) -> eddy::task<> {
        own.cancel();
        co_await eddy::pending<void>();
    };
    by_hand runs(token.run_until_cancelled(cancels(token)));
    EXPECT_EQ(assert_ready(runs.poll()), std::nullopt);
}

// covers: P090
TEST(SyncCancellationToken, ExceptionOfTheFutureIsPropagated) {
    const cancellation_token token;
    support::script s;
    s.now = support::plan::throws;
    by_hand runs(token.run_until_cancelled(support::scripted(s)));
    EXPECT_THROW(static_cast<void>(runs.poll()), std::runtime_error);
    EXPECT_FALSE(s.alive);
}

// covers: P090
TEST(SyncCancellationToken, CancelWaitsForGracefulShutdown) {
    const cancellation_token token;
    support::script s;
    s.may_end = false;
    by_hand runs(token.run_until_cancelled(support::cancellable_scripted(s)));
    assert_pending(runs.poll());
    token.cancel();
    assert_pending(runs.poll());
    EXPECT_TRUE(s.alive);
    s.may_end = true;
    EXPECT_FALSE(assert_ready(runs.poll()).has_value());
    EXPECT_FALSE(s.alive);
    EXPECT_THROW(static_cast<void>(runs.poll()), eddy::misuse);
}

// covers: P090
TEST(SyncCancellationToken, CancelledWinsASelect) {
    const cancellation_token token;
    by_hand both(eddy::select(token.cancelled(), eddy::pending<int>()));
    assert_pending(both.poll());
    token.cancel();
    EXPECT_EQ(assert_ready(both.poll()).index(), 0u);
}

// covers: P090
TEST(SyncCancellationToken, PollChargesCoopBudgetOnlyWhenReady) {
    const cancellation_token token;
    const auto noop = eddy::waker::noop();
    eddy::context cx(noop, 1);
    by_hand waits(token.cancelled());
    assert_pending(waits.future().poll(cx));
    EXPECT_EQ(cx.budget(), 1u);
    token.cancel();
    assert_pending(waits.poll(0));
    EXPECT_TRUE(waits.is_woken());
    assert_ready(waits.poll(1));
}

// covers: R069 R078
TEST(SyncCancellationToken, WakerOfTheLastPollIsWoken) {
    const cancellation_token token;
    auto waits = token.cancelled();
    eddy::test::wake_counter former;
    eddy::test::wake_counter latter;
    const auto a = former.waker();
    const auto b = latter.waker();
    eddy::context with_a(a);
    eddy::context with_b(b);
    assert_pending(waits.poll(with_a));
    assert_pending(waits.poll(with_b));
    token.cancel();
    EXPECT_EQ(former.wakes(), 0u);
    EXPECT_EQ(latter.wakes(), 1u);
}

// covers: R068
TEST(SyncCancellationToken, WakerCallbacksMayUseTheToken) {
    const cancellation_token token;
    support::reentrant_waker reentrant([&] {
        const auto child = token.child_token();
        child.cancel();
        by_hand inner(token.cancelled_owned());
        static_cast<void>(inner.poll());
        token.cancel();
    });
    const auto child = token.child_token();
    const auto waker = reentrant.waker();
    eddy::context cx(waker);
    {
        auto waits = child.cancelled();
        static_cast<void>(waits.poll(cx));
        assert_ready(waits.poll(cx));
    }
    EXPECT_TRUE(child.is_cancelled());
    EXPECT_GE(reentrant.calls(), 2);
}

// covers: P090
TEST(SyncCancellationTokenDeathTest, MisuseTerminatesWithMessage) {
    EXPECT_DEATH(
        {
            std::optional<cancellation_token> token(std::in_place);
            by_hand waits(token->cancelled());
            static_cast<void>(waits.poll());
            token.reset();
        },
        "destroyed while a task waits");
    EXPECT_DEATH(
        {
            const cancellation_token token;
            by_hand waits(token.cancelled());
            static_cast<void>(waits.poll());
            auto moved = std::move(waits.future());
        },
        "moved after its first poll");
}

TEST(SyncCancellationTokenDeathTest, FirstWokenTaskMayDestroyToken) {
    EXPECT_COMES_BACK([] {
        const cancellation_token parent;
        std::optional<cancellation_token> child = parent.child_token();
        const support::destroyed_at_first_wake<cancellation_token::cancelled_future> waiting(
            [&] { return child->cancelled(); }, [&] { child.reset(); });
        parent.cancel();
    });
}

// covers: P090 P092
TEST(SyncCancellationToken, ThreadsCanWaitWithoutRuntime) {
    const cancellation_token token;
    std::thread waiting([child = token.child_token()] { eddy::wait(child.cancelled()); });
    std::thread running([child = token.child_token()] {
        EXPECT_EQ(eddy::wait(child.run_until_cancelled(eddy::pending<int>())), std::nullopt);
    });
    token.cancel();
    waiting.join();
    running.join();
}

// ---- Large trees ----

// covers: P090
TEST(SyncCancellationToken, CancelOfAMillionTokensDoesNotRecurse) {
    support::run_on_small_stack([] {
        constexpr std::size_t count = support::is_sanitized ? 50'000 : 1'000'000;
        const cancellation_token root;
        std::vector<cancellation_token> deep{root};
        deep.reserve(count);
        while (deep.size() < count / 2) deep.push_back(deep.back().child_token());
        while (deep.size() < count) deep.push_back(root.child_token());
        by_hand deepest(deep[count / 2 - 1].cancelled_owned());
        assert_pending(deepest.poll());
        root.cancel();
        EXPECT_TRUE(deepest.is_woken());
        std::size_t cancelled = 0;
        for (const auto& one : deep) cancelled += one.is_cancelled() ? 1 : 0;
        EXPECT_EQ(cancelled, count);
    });
}

// covers: P090
TEST(SyncCancellationToken, LongChainIsCancelledWithoutRecursion) {
    support::run_on_small_stack([] {
        constexpr std::size_t depth = 100'000;
        for (const int order : {0, 1, 2}) {
            cancellation_token root;
            std::vector<cancellation_token> chain{root.child_token()};
            chain.reserve(depth);
            while (chain.size() < depth) chain.push_back(chain.back().child_token());
            by_hand last(chain.back().cancelled_owned());
            assert_pending(last.poll());
            if (order == 1) chain.clear();                          // from the root on
            while (order == 2 && !chain.empty()) chain.pop_back();  // from the last descendant on
            root.cancel();
            EXPECT_TRUE(last.is_woken());
            EXPECT_TRUE(last.poll().is_ready());
        }
    });
}

// ---- Against a model ----

class tree_model {
public:
    std::size_t add_root() { return add(none); }
    std::size_t add_child(std::size_t parent) {
        const auto made = add(nodes_[parent].cancelled ? none : parent);
        nodes_[made].cancelled = nodes_[parent].cancelled;
        return made;
    }
    void cancel(std::size_t which) {
        for (std::size_t i = 0; i < nodes_.size(); ++i) {
            if (is_below(i, which)) nodes_[i].cancelled = true;
        }
    }
    // A dropped node stays in the model: it passes on a cancellation of its ancestors, but cannot be cancelled itself.
    [[nodiscard]] bool is_cancelled(std::size_t which) const { return nodes_[which].cancelled; }

private:
    static constexpr auto none = static_cast<std::size_t>(-1);
    struct entry {
        std::size_t parent;
        bool cancelled = false;
    };
    std::size_t add(std::size_t parent) {
        nodes_.push_back({parent});
        return nodes_.size() - 1;
    }
    [[nodiscard]] bool is_below(std::size_t which, std::size_t above) const {
        for (; which != none; which = nodes_[which].parent) {
            if (which == above) return true;
        }
        return false;
    }
    std::vector<entry> nodes_;
};

// covers: P090
TEST(SyncCancellationTokenStress, RandomOperationsMatchAModel) {
    std::mt19937_64 random(support::seed());
    const auto rounds = support::rounds(20'000);
    using future = by_hand<cancellation_token::owned_cancelled_future>;
    struct one {
        cancellation_token token;
        std::size_t in_model;
        std::unique_ptr<future> waits;
    };
    for (std::uint64_t round = 0; round < rounds; ++round) {
        tree_model model;
        std::vector<one> all;
        all.push_back({cancellation_token(), model.add_root(), nullptr});
        for (int step = 0; step < 60 && !all.empty(); ++step) {
            const auto i = random() % all.size();
            switch (random() % 8) {
            case 0:
            case 1:
            case 2: all.push_back({all[i].token.child_token(), model.add_child(all[i].in_model), nullptr}); break;
            case 3: all.push_back({all[i].token, all[i].in_model, nullptr}); break;
            case 4: all.erase(all.begin() + static_cast<std::ptrdiff_t>(i)); break;
            case 5:
                if (random() % 4 == 0) all[i].token.cancel(), model.cancel(all[i].in_model);
                break;
            default:
                all[i].waits = std::make_unique<future>(all[i].token.cancelled_owned());
                ASSERT_EQ(all[i].waits->poll().is_ready(), model.is_cancelled(all[i].in_model));
                if (all[i].token.is_cancelled()) all[i].waits.reset();
            }
            for (const auto& each : all) {
                const bool expected = model.is_cancelled(each.in_model);
                ASSERT_EQ(each.token.is_cancelled(), expected) << "round " << round;
                if (!each.waits) continue;
                ASSERT_EQ(each.waits->is_woken(), expected) << "round " << round;
            }
        }
    }
}

// ---- Several threads ----

// covers: R078
TEST(SyncCancellationTokenStress, TreeChangesWhileItIsCancelled) {
    const auto seed = support::seed();
    support::handover_rounds rounds(100'000);
    std::uint64_t round = 0;
    while (rounds.next()) {
        ++round;
        const cancellation_token root;
        const auto shared = root.child_token();
        std::thread grows([&, own_seed = seed + round] {
            std::mt19937_64 random(own_seed);
            std::vector<cancellation_token> mine{shared};
            for (int i = 0; i < 40; ++i) {
                const auto which = random() % mine.size();
                if (random() % 3 != 0) {
                    mine.push_back(mine[which].child_token());
                } else if (mine.size() > 1) {
                    mine.erase(mine.begin() + static_cast<std::ptrdiff_t>(which));
                }
                if (random() % 16 == 0) mine.back().cancel();
            }
            for (auto& one : mine) eddy::wait(one.cancelled());
        });
        std::thread waits([&] {
            const auto child = shared.child_token();
            eddy::wait(child.run_until_cancelled_owned(eddy::pending<void>()));
            EXPECT_TRUE(child.is_cancelled());
        });
        if (round % 2 == 0) std::this_thread::yield();
        if (round % 3 == 0) shared.cancel();
        root.cancel();
        EXPECT_TRUE(shared.is_cancelled());
        grows.join();
        waits.join();
    }
}

// covers: P090
TEST(SyncCancellationTokenStress, ChildrenAreCancelledWithParent) {
    support::handover_rounds rounds(200'000);
    while (rounds.next()) {
        const cancellation_token root;
        const auto child = root.child_token();
        const auto grandchild = child.child_token();
        std::thread looks([&] {
            while (!root.is_cancelled()) std::this_thread::yield();
            EXPECT_TRUE(child.is_cancelled() && grandchild.is_cancelled());
        });
        root.cancel();
        looks.join();
    }
}

}  // namespace
