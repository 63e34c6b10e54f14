// SPDX-License-Identifier: MIT
// runs: asan, plain
#include <eddy/future/join.hpp>
#include <eddy/future/join_all.hpp>
#include <eddy/future/select.hpp>
#include <eddy/task/boxed_future.hpp>

#include <eddy/future/poll_fn.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/future/shielded.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/sync/mutex.hpp>
#include <eddy/sync/notify.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/convertible_error.hpp"
#include "support/scripted.hpp"

namespace {

using eddy::ok;
using eddy::ready;
using eddy::result;
using eddy::task;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::cancellable_scripted;
using support::convertible_error;
using support::plan;
using support::script;
using support::scripted;

const auto io_error = std::make_error_code(std::errc::io_error);

// ---- join ----

template <class T>
concept has_tuple_protocol = requires { std::tuple_size<T>::value; };

// covers: P030
TEST(Join, OutputSupportsStructuredBinding) {
    static_assert(!has_tuple_protocol<eddy::joined<int, std::string>>);
    auto work = []() -> task<std::string> {
        auto [number, text, nothing] = co_await eddy::join(ready(1), ready(std::string("x")), ready());
        static_assert(std::is_same_v<decltype(nothing), std::monostate>);
        co_return text + std::to_string(number);
    };
    EXPECT_EQ(eddy::wait(work()), "x1");
}

/// A move-only object. `count` is the number of existing objects.
class held {
public:
    explicit held(int& count) : count_(&count) { ++count; }
    held(held&& other) noexcept : count_(std::exchange(other.count_, nullptr)) {}
    held& operator=(held&&) = delete;
    ~held() {
        if (count_ != nullptr) --*count_;
    }

private:
    int* count_;
};

/// An object that can be moved `moves` times. The next move throws.
class limited_moves {
public:
    explicit limited_moves(int moves) : left_(moves) {}
    // NOLINTNEXTLINE(performance-noexcept-move-constructor): it throws
    limited_moves(limited_moves&& other) : left_(other.left_ - 1) {
        if (left_ < 0) throw std::runtime_error("one move too many");
    }

private:
    int left_;
};

template <class Join>
void keeps_nothing_when_a_move_throws(Join join) {
    int count = 0;
    int threw = 0;
    const auto hold = [](int& counted) -> task<result<held>> { co_return held(counted); };
    const auto limit = [](int moves) -> task<result<limited_moves>> {
        co_return result<limited_moves>(std::in_place, moves);
    };
    for (int moves = 0;; ++moves, ++threw) {
        ASSERT_LT(moves, 100);
        auto all = join(hold(count), limit(moves), hold(count));
        const eddy::waker noop;
        eddy::context cx(noop);
        try {
            ASSERT_TRUE(all.poll(cx).is_ready());
            break;
        } catch (const std::runtime_error&) {
            EXPECT_EQ(count, 0) << "the group still holds outputs; moves allowed: " << moves;
        }
    }
    EXPECT_GT(threw, 2);
}

TEST(Join, ThrowingMoveOfAnOutputDestroysTheOthers) {
    keeps_nothing_when_a_move_throws([](auto... work) { return eddy::join(std::move(work)...); });
    keeps_nothing_when_a_move_throws([](auto... work) { return eddy::try_join(std::move(work)...); });
}

// covers: P030
TEST(Join, AcceptsUpToEightFutures) {
    auto all = eddy::wait(eddy::join(ready(1), ready(2), ready(3), ready(4), ready(5), ready(6), ready(7), ready(8)));
    auto& [a, b, c, d, e, f, g, h] = all;
    EXPECT_EQ((std::array{a, b, c, d, e, f, g, h}), (std::array{1, 2, 3, 4, 5, 6, 7, 8}));
    EXPECT_EQ(all.first + all.eighth, 9);
    EXPECT_EQ(all.get<0>() + all.get<7>(), 9);
}

// covers: P030 I20.5.24
TEST(Join, AcceptsUpToSixteenFutures) {
    auto work = []() -> task<int> {
        auto [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] =
            co_await eddy::join(ready(1), ready(2), ready(3), ready(4), ready(5), ready(6), ready(7), ready(8),
                                ready(9), ready(10), ready(11), ready(12), ready(13), ready(14), ready(15), ready(16));
        co_return a + b + c + d + e + f + g + h + i + j + k + l + m + n + o + p;
    };
    EXPECT_EQ(eddy::wait(work()), 136);
    auto nine = eddy::wait(eddy::try_join(ready(ok(1)), ready(ok(2)), ready(ok(3)), ready(ok(4)), ready(ok(5)),
                                          ready(ok(6)), ready(ok(7)), ready(ok(8)), ready(ok(std::string("nine")))));
    EXPECT_EQ(nine->ninth, "nine");
    EXPECT_EQ(nine->get<8>(), "nine");
}

// covers: P030
TEST(Join, PollsUnfinishedFuturesOncePerPoll) {
    script a, b;
    by_hand hand(eddy::join(scripted(a), scripted(b)));
    assert_pending(hand.poll());
    EXPECT_TRUE(a.polls == 1 && b.polls == 1);
    a.change(plan::ready);
    EXPECT_TRUE(hand.is_woken());
    assert_pending(hand.poll());
    EXPECT_TRUE(a.polls == 2 && b.polls == 2);
    EXPECT_FALSE(a.alive);  // destroyed when it ends
    assert_pending(hand.poll());
    EXPECT_TRUE(a.polls == 2 && b.polls == 3);
    b.change(plan::ready);
    assert_ready(hand.poll());
}

// covers: R045
TEST(Join, EndlessChildDoesNotStarveTheOthers) {
    auto endless = [](eddy::context& cx) -> eddy::poll_result<void> {
        while (cx.consume_budget()) {
        }
        return eddy::not_ready;
    };
    int done = 0;
    auto finite = [&](eddy::context& cx) -> eddy::poll_result<void> {
        if (!cx.consume_budget()) return eddy::not_ready;
        ++done;
        return eddy::poll_result<void>::ready();
    };
    by_hand hand(eddy::join(eddy::poll_fn(endless), eddy::poll_fn(finite), eddy::poll_fn(finite)));
    for (int i = 0; i < 3; ++i) {
        assert_pending(hand.poll());
        EXPECT_TRUE(hand.is_woken());
    }
    EXPECT_EQ(done, 2);
}

TEST(Join, ExceptionCancelsTheOthersFirst) {
    script a, b{.may_end = false};
    by_hand hand(eddy::join(scripted(a), cancellable_scripted(b)));
    assert_pending(hand.poll());
    a.change(plan::throws);
    assert_pending(hand.poll());
    EXPECT_TRUE(b.alive);
    EXPECT_EQ(b.cancel_polls, 1);
    b.may_end = true;
    EXPECT_THROW(assert_ready(hand.poll()), std::runtime_error);
    EXPECT_FALSE(b.alive);
    EXPECT_THROW(assert_ready(hand.poll()), eddy::misuse);
}

TEST(TryJoin, ReturnsAllValues) {
    auto all = eddy::wait(eddy::try_join(ready(ok(1)), ready(ok()), ready(ok(std::string("x")))));
    static_assert(std::is_same_v<decltype(all), result<eddy::joined<int, std::monostate, std::string>>>);
    EXPECT_EQ(all->first, 1);
    EXPECT_EQ(all->third, "x");
}

TEST(TryJoin, FirstErrorWinsAndCancelsTheOthers) {
    script a, b{.may_end = false}, c;
    by_hand hand(eddy::try_join(scripted(a), cancellable_scripted(b), scripted(c)));
    assert_pending(hand.poll());
    a.change(plan::ready);
    assert_pending(hand.poll());
    c.change(plan::fails);
    assert_pending(hand.poll());
    EXPECT_EQ(b.cancel_polls, 1);
    const int polls = b.polls;
    b.may_end = true;
    EXPECT_EQ(assert_ready(hand.poll()).error(), io_error);
    EXPECT_FALSE(b.alive);
    EXPECT_EQ(b.polls, polls);
}

TEST(TryJoin, ErrorsConvertToOneType) {
    auto first = eddy::wait(eddy::try_join(ready(std::expected<int, convertible_error>(std::unexpect)), ready(ok(1))));
    static_assert(std::is_same_v<decltype(first)::error_type, std::error_code>);
    EXPECT_EQ(first.error(), eddy::errc::timed_out);
    auto second = eddy::wait(eddy::try_join(ready(ok(1)), ready(std::expected<int, convertible_error>(std::unexpect))));
    EXPECT_EQ(second.error(), eddy::errc::timed_out);
}

// ---- select and race ----

// covers: P029 I20.3.5
TEST(Select, IndexNamesTheFirstReadyFuture) {
    auto which = eddy::wait(eddy::select(eddy::pending<int>(), ready(std::string("x")), eddy::pending()));
    static_assert(std::is_same_v<decltype(which), eddy::selected<int, std::string, std::monostate>>);
    EXPECT_EQ(std::get<1>(which), "x");
    const std::variant<int, std::string, std::monostate> as_variant = std::move(which);
    EXPECT_EQ(std::visit([](const auto& output) { return sizeof(output); }, as_variant), sizeof(std::string));
}

// covers: P029
TEST(Select, BiasedSelectPollsInTheGivenOrder) {
    for (int i = 0; i < 10; ++i) EXPECT_EQ(eddy::wait(eddy::select_biased(ready(1), ready(1))).index(), 0u);
    script a, b, c;
    by_hand hand(eddy::select_biased(scripted(a), scripted(b), scripted(c)));
    assert_pending(hand.poll());
    c.change(plan::ready);
    b.change(plan::ready);
    EXPECT_EQ(assert_ready(hand.poll()).index(), 1u);
    EXPECT_EQ(c.polls, 1);  // no future is polled after the winner
}

// covers: P029
TEST(Select, StartsAtARandomFutureWithEqualChance) {
    std::array<int, 3> wins{};
    for (int i = 0; i < 3000; ++i) ++wins.at(eddy::wait(eddy::select(ready(1), ready(1), ready(1))).index());
    // A binomial distribution: 1,000 each, and a standard deviation of 26.
    for (const int each : wins) EXPECT_NEAR(each, 1000, 260);
}

// covers: P029
TEST(Select, PollsEachFutureOncePerPoll) {
    script a, b;
    by_hand hand(eddy::select(scripted(a), scripted(b)));
    for (int i = 1; i <= 20; ++i) {
        assert_pending(hand.poll());
        EXPECT_EQ(a.polls, i);
        EXPECT_EQ(b.polls, i);
    }
    b.change(plan::ready);
    EXPECT_EQ(assert_ready(hand.poll()).index(), 1u);
}

// covers: P029
TEST(Select, LosersAreCancelledBeforeTheOutputIsReturned) {
    script a, b{.may_end = false}, c{.may_end = false};
    by_hand hand(eddy::select_biased(scripted(a), cancellable_scripted(b), cancellable_scripted(c)));
    assert_pending(hand.poll());
    a.value = 3;
    a.change(plan::ready);
    assert_pending(hand.poll());
    EXPECT_TRUE(b.cancel_polls == 1 && c.cancel_polls == 1);
    b.may_end = true;
    b.change(plan::ready);  // too late to win
    EXPECT_TRUE(hand.is_woken());
    assert_pending(hand.poll());
    c.may_end = true;
    EXPECT_EQ(std::get<0>(assert_ready(hand.poll())), 3);
    EXPECT_FALSE(b.alive || c.alive);
    EXPECT_EQ(b.polls, 1);
}

TEST(Select, StdRefBorrowsAFutureThatContinues) {
    script s;
    scripted borrowed(s);
    EXPECT_EQ(eddy::wait(eddy::select_biased(std::ref(borrowed), ready())).index(), 1u);
    EXPECT_TRUE(s.alive);
    EXPECT_EQ(s.polls, 1);
    s.now = plan::ready;
    EXPECT_EQ(eddy::wait(eddy::select_biased(std::ref(borrowed), ready())).index(), 0u);
}

TEST(Select, ExceptionCancelsTheOthersFirst) {
    script a{.now = plan::throws}, b;
    by_hand hand(eddy::select(cancellable_scripted(b), scripted(a)));
    EXPECT_THROW(assert_ready(hand.poll()), std::runtime_error);
    EXPECT_EQ(b.cancel_polls, 1);
    EXPECT_FALSE(b.alive);
}

TEST(Race, ReturnsTheOutputOfTheFirstReadyFuture) {
    EXPECT_EQ(eddy::wait(eddy::race(eddy::pending<int>(), ready(2), eddy::pending<int>())), 2);
    eddy::wait(eddy::race(ready(), eddy::pending()));
    static_assert(std::is_void_v<eddy::output_t<decltype(eddy::race(ready(), eddy::pending()))>>);
}

// ---- All combinations of children ----

enum class kind { ready, pending, fails, cancelled };  // cancelled: the group is cancelled before this child has ended

template <class Group, std::size_t... I>
auto make_group(Group group, std::array<script, 4>& scripts, std::index_sequence<I...>) {
    return group(scripted(scripts[I])...);
}

const auto join_all = [](auto... f) { return eddy::join(std::move(f)...); };
const auto try_join_all = [](auto... f) { return eddy::try_join(std::move(f)...); };
const auto select_all = [](auto... f) { return eddy::select_biased(std::move(f)...); };
const auto race_all = [](auto... f) { return eddy::race(std::move(f)...); };

/// Calls `check(kinds, scripts, hand)` with a group of N children for each of the 4^N combinations.
template <std::size_t N, class Group, class Check>
void for_each_mix(Group group, Check check) {
    for (std::size_t mix = 0; mix < (std::size_t{1} << (2 * N)); ++mix) {
        std::array<kind, N> kinds;
        std::array<script, 4> scripts;
        for (std::size_t i = 0; i < N; ++i) {
            kinds[i] = static_cast<kind>((mix >> (2 * i)) & 3);
            scripts[i].value = static_cast<int>(i);
            if (kinds[i] == kind::ready) scripts[i].now = plan::ready;
            if (kinds[i] == kind::fails) scripts[i].now = plan::fails;
        }
        by_hand hand(make_group(group, scripts, std::make_index_sequence<N>()));
        SCOPED_TRACE("mix " + std::to_string(mix) + " of " + std::to_string(N));
        check(kinds, scripts, hand);
        hand.drop();
        for (const script& s : scripts) EXPECT_FALSE(s.alive);
    }
}

template <class Check>
void for_each_count(auto group, Check check) {
    for_each_mix<1>(group, check);
    for_each_mix<2>(group, check);
    for_each_mix<3>(group, check);
    for_each_mix<4>(group, check);
}

bool ends(kind k) { return k == kind::ready || k == kind::fails; }

/// Returns the index of the first child for which `wanted` is true, or N if there is none.
template <std::size_t N>
std::size_t first(const std::array<kind, N>& kinds, auto wanted) {
    for (std::size_t i = 0; i < N; ++i) {
        if (wanted(kinds[i])) return i;
    }
    return N;
}

template <class Kinds>
void expect_outcome(const Kinds& kinds, std::size_t i, const result<int>& outcome) {
    if (kinds[i] == kind::fails) {
        EXPECT_EQ(outcome.error(), io_error);
    } else {
        EXPECT_EQ(outcome, static_cast<int>(i));
    }
}

/// Ends the pending children. Returns false if the group is to be cancelled instead.
template <std::size_t N>
bool release(const std::array<kind, N>& kinds, std::array<script, 4>& scripts) {
    for (std::size_t i = 0; i < N; ++i) {
        if (kinds[i] == kind::cancelled) return false;
    }
    for (std::size_t i = 0; i < N; ++i) {
        if (kinds[i] == kind::pending) scripts[i].change(plan::ready);
    }
    return true;
}

template <class T, std::size_t... I>
std::array<result<int>, sizeof...(I)> as_array(T& all, std::index_sequence<I...>) {
    return {all.template get<I>()...};
}

// covers: R138
TEST(Join, EveryMixOfChildrenHasTheExpectedOutcome) {
    for_each_count(join_all,
                   []<std::size_t N>(const std::array<kind, N>& kinds, std::array<script, 4>& scripts, auto& hand) {
                       auto answer = hand.poll();
                       for (std::size_t i = 0; i < N; ++i) {
                           EXPECT_EQ(scripts[i].polls, 1);
                           EXPECT_EQ(scripts[i].alive, !ends(kinds[i]));
                       }
                       if (first(kinds, [](kind k) { return !ends(k); }) != N) {
                           assert_pending(answer);
                           if (!release(kinds, scripts)) return;
                           EXPECT_TRUE(hand.is_woken());
                           auto after = assert_ready(hand.poll());
                           const auto all = as_array(after, std::make_index_sequence<N>());
                           for (std::size_t i = 0; i < N; ++i) expect_outcome(kinds, i, all[i]);
                           return;
                       }
                       auto output = assert_ready(std::move(answer));
                       const auto all = as_array(output, std::make_index_sequence<N>());
                       for (std::size_t i = 0; i < N; ++i) expect_outcome(kinds, i, all[i]);
                   });
}

// covers: R138
TEST(TryJoin, EveryMixOfChildrenHasTheExpectedOutcome) {
    for_each_count(try_join_all,
                   []<std::size_t N>(const std::array<kind, N>& kinds, std::array<script, 4>& scripts, auto& hand) {
                       auto answer = hand.poll();
                       if (first(kinds, [](kind k) { return k == kind::fails; }) != N) {
                           EXPECT_EQ(assert_ready(std::move(answer)).error(), io_error);
                           for (std::size_t i = 0; i < N; ++i) EXPECT_FALSE(scripts[i].alive);
                       } else if (first(kinds, [](kind k) { return k != kind::ready; }) == N) {
                           EXPECT_TRUE(assert_ready(std::move(answer)).has_value());
                       } else {
                           assert_pending(answer);
                           if (release(kinds, scripts)) {
                               EXPECT_EQ(assert_ready(hand.poll())->first, 0);
                           }
                       }
                   });
}

// covers: R138
TEST(Select, EveryMixOfChildrenHasTheExpectedOutcome) {
    for_each_count(select_all,
                   []<std::size_t N>(const std::array<kind, N>& kinds, std::array<script, 4>& scripts, auto& hand) {
                       auto answer = hand.poll();
                       std::size_t winner = first(kinds, ends);
                       if (winner == N) {
                           assert_pending(answer);
                           if (!release(kinds, scripts)) return;
                           winner = 0;
                           answer = hand.poll();
                       }
                       auto output = assert_ready(std::move(answer));
                       EXPECT_EQ(output.index(), winner);
                       std::visit([&](const result<int>& outcome) { expect_outcome(kinds, winner, outcome); }, output);
                       for (std::size_t i = 0; i < N; ++i) EXPECT_FALSE(scripts[i].alive);
                   });
}

// covers: R138
TEST(Race, EveryMixOfChildrenHasTheExpectedOutcome) {
    for_each_count(
        race_all, []<std::size_t N>(const std::array<kind, N>& kinds, std::array<script, 4>& scripts, auto& hand) {
            auto answer = hand.poll();
            const bool waits = first(kinds, ends) == N;
            if (waits) {
                assert_pending(answer);
                if (!release(kinds, scripts)) return;
                answer = hand.poll();
            }
            const result<int> outcome = assert_ready(std::move(answer));
            const std::size_t winner =
                outcome ? static_cast<std::size_t>(*outcome) : first(kinds, [](kind k) { return k == kind::fails; });
            ASSERT_LT(winner, N);
            EXPECT_TRUE(waits || ends(kinds[winner]));
            expect_outcome(kinds, winner, outcome);
            for (std::size_t i = 0; i < N; ++i) EXPECT_FALSE(scripts[i].alive);
        });
}

TEST(Join, PollCancelGoesToUnfinishedFutures) {
    static_assert(!eddy::cancellable_future<decltype(eddy::join(ready(1)))>);
    script a{.now = plan::ready}, b{.may_end = false}, c;
    by_hand hand(eddy::join(cancellable_scripted(a), cancellable_scripted(b), scripted(c)));
    assert_pending(hand.poll());
    assert_pending(hand.poll_cancel());
    EXPECT_EQ(a.cancel_polls, 0);
    EXPECT_EQ(b.cancel_polls, 1);
    b.may_end = true;
    assert_ready(hand.poll_cancel());
    EXPECT_FALSE(b.alive || c.alive);
}

TEST(Select, PollCancelContinuesTheCancelOfLosers) {
    script a{.now = plan::ready}, b{.may_end = false};
    by_hand hand(eddy::select(scripted(a), cancellable_scripted(b)));
    assert_pending(hand.poll());
    assert_pending(hand.poll_cancel());
    b.may_end = true;
    assert_ready(hand.poll_cancel());
    EXPECT_FALSE(b.alive);
    assert_ready(hand.poll_cancel());
}

// ---- Cancelled children next to shielded children ----

namespace sync = eddy::sync;

eddy::task<void> lock_once(sync::mutex<>& m) { const auto guard = co_await m.lock(); }

TEST(Select, LoserWaitingForALockDoesNotBlockAShieldedChild) {
    sync::mutex<> m;
    auto held = m.try_lock();
    script first;
    by_hand chosen(eddy::select(scripted(first), m.lock(), eddy::shielded(lock_once(m))));
    assert_pending(chosen.poll());
    first.change(plan::ready);
    assert_pending(chosen.poll());
    held->unlock();
    EXPECT_EQ(assert_ready(chosen.poll()).index(), 0u);
}

TEST(Join, FailureFreesLocksForAShieldedChild) {
    sync::mutex<> m;
    auto held = m.try_lock();
    script first;
    by_hand all(eddy::join(scripted(first), m.lock(), eddy::shielded(lock_once(m))));
    assert_pending(all.poll());
    first.change(plan::throws);
    assert_pending(all.poll());
    held->unlock();
    EXPECT_THROW(static_cast<void>(all.poll()), std::runtime_error);
}

TEST(Select, CancelledLockWaiterFreesShieldedChild) {
    sync::mutex<> m;
    auto held = m.try_lock();
    by_hand chosen(eddy::select(m.lock(), eddy::shielded(lock_once(m))));
    assert_pending(chosen.poll());
    assert_pending(chosen.poll_cancel());
    held->unlock();
    EXPECT_TRUE(chosen.poll_cancel().is_ready());
}

eddy::task<sync::mutex<>::guard> lock_it(sync::mutex<>& m) { co_return co_await m.lock(); }

eddy::task<sync::mutex<>::guard> lock_shielded(sync::mutex<>& m) {
    auto lock = eddy::shielded(m.lock());
    co_return co_await lock;
}

eddy::task<sync::mutex<>::guard> fails() {
    co_await eddy::ready();
    throw std::runtime_error("no lock");
}

TEST(JoinAll, FailureDropsOutputsBeforeShieldedChildrenEnd) {
    sync::mutex<> m;
    std::vector<eddy::task<sync::mutex<>::guard>> tasks;
    tasks.push_back(lock_it(m));
    tasks.push_back(lock_shielded(m));
    tasks.push_back(fails());
    by_hand all(eddy::join_all(std::move(tasks)));
    EXPECT_THROW(static_cast<void>(all.poll()), std::runtime_error);
    EXPECT_TRUE(m.try_lock());
}

TEST(Select, LoserForwardsItsNotificationImmediately) {
    sync::notify changed;
    script first;
    script slow;
    slow.may_end = false;
    by_hand chosen(eddy::select(scripted(first), changed.notified(), cancellable_scripted(slow)));
    assert_pending(chosen.poll());
    by_hand other(changed.notified());
    assert_pending(other.poll());
    first.change(plan::ready);
    assert_pending(chosen.poll());
    changed.notify_one();
    EXPECT_TRUE(other.poll().is_ready());
}

/// Two futures. The first one uses the whole coop budget in each poll until the second one is polled with a budget.
struct busy_first_and_second {
    bool is_over = false;

    auto first() {
        return eddy::shielded(eddy::poll_fn([this](eddy::context& cx) -> eddy::poll_result<int> {
            while (!is_over) {
                if (!cx.consume_budget()) return eddy::not_ready;
            }
            return 1;
        }));
    }
    auto second() {
        return eddy::shielded(
            eddy::poll_fn([this, has_begun = false](eddy::context& cx) mutable -> eddy::poll_result<int> {
                if (!std::exchange(has_begun, true) || !cx.consume_budget()) return eddy::not_ready;
                is_over = true;
                return 2;
            }));
    }
};

template <class F>
bool cancel_completes(F group) {
    by_hand all(std::move(group));
    assert_pending(all.poll());
    for (int i = 0; i < 100; ++i) {
        if (all.poll_cancel()) return true;
    }
    return false;
}

TEST(Select, ShieldedChildrenShareTheBudgetOfACancel) {
    busy_first_and_second pair;
    EXPECT_TRUE(cancel_completes(eddy::select(pair.first(), pair.second(), eddy::pending<int>())));
    pair.is_over = false;
    std::vector<eddy::boxed_future<int>> both;
    both.emplace_back(pair.first());
    both.emplace_back(pair.second());
    EXPECT_TRUE(cancel_completes(eddy::join_all(std::move(both))));
}

}  // namespace
