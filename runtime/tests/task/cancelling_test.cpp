// SPDX-License-Identifier: MIT
// Asynchronous cancellation: shielded work, cleanups and inherited deadlines.
// covers: B18
#include <eddy/future/deadline.hpp>
#include <eddy/future/finally.hpp>
#include <eddy/future/shielded.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <eddy/future/poll_fn.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/future/select.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/task/scope.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/advance.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/time/timeout.hpp>

#include "support/executors.hpp"
#include "support/gate.hpp"
#include "support/polling.hpp"
#include "support/runtime/on_executor.hpp"
#include "support/scripted.hpp"
#include "support/stress.hpp"
#include "support/time_loop.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::current_deadline;
using eddy::finally;
using eddy::ready;
using eddy::shielded;
using eddy::task;
using eddy::with_deadline;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using eddy::time::clock;
using support::async_gate;
using support::cancellable_scripted;
using support::census;
using support::executor;
using support::plan;
using support::script;
using support::scripted;
using support::time_loop;

// ---- shielded ----

TEST(Shielded, BehavesLikeTheInnerFutureIfNotCancelled) {
    script s;
    by_hand hand(shielded(scripted(s)));
    assert_pending(hand.poll());
    s.value = 3;
    s.change(plan::ready);
    EXPECT_TRUE(hand.is_woken());
    EXPECT_EQ(assert_ready(hand.poll()), 3);
    EXPECT_FALSE(s.alive);
    EXPECT_THROW(static_cast<void>(hand.poll()), eddy::misuse);
    assert_ready(hand.poll_cancel());
    script thrower{.now = plan::throws};
    by_hand throwing(shielded(scripted(thrower)));
    EXPECT_THROW(static_cast<void>(throwing.poll()), std::runtime_error);
    EXPECT_FALSE(thrower.alive);
}

TEST(Shielded, CancelWaitsForTheInnerFuture) {
    script s;
    by_hand hand(shielded(cancellable_scripted(s)));
    assert_pending(hand.poll());
    assert_pending(hand.poll_cancel());
    assert_pending(hand.poll_cancel());
    EXPECT_EQ(s.polls, 3);
    EXPECT_EQ(s.cancel_polls, 0);
    EXPECT_TRUE(s.alive);
    s.change(plan::ready);
    EXPECT_TRUE(hand.is_woken());
    assert_ready(hand.poll_cancel());
    EXPECT_FALSE(s.alive);
    assert_ready(hand.poll_cancel());
}

TEST(Shielded, ExceptionAfterTheCancellationIsDropped) {
    script s;
    by_hand hand(shielded(scripted(s)));
    assert_pending(hand.poll());
    s.change(plan::throws);
    assert_ready(hand.poll_cancel());
    EXPECT_FALSE(s.alive);
}

TEST(Shielded, CancelBeforeTheFirstPollEndsImmediately) {
    script s;
    by_hand hand(shielded(scripted(s)));
    assert_ready(hand.poll_cancel());
    EXPECT_EQ(s.polls, 0);
    EXPECT_FALSE(s.alive);
}

TEST(Shielded, DestructionDestroysTheInnerFuture) {
    script s;
    by_hand hand(shielded(scripted(s)));
    assert_pending(hand.poll());
    hand.drop();
    EXPECT_FALSE(s.alive);
}

TEST(Shielded, SelectWaitsForAShieldedLosingBranch) {
    script s, winner;
    by_hand hand(eddy::select(scripted(winner), shielded(scripted(s))));
    assert_pending(hand.poll());
    winner.change(plan::ready);
    assert_pending(hand.poll());
    s.change(plan::ready);
    EXPECT_EQ(assert_ready(hand.poll()).index(), 0u);
}

// ---- finally ----

/// A cleanup that follows a script. Counts its calls.
auto cleanup_by(script& s, int& calls) {
    return [&s, &calls] {
        ++calls;
        return scripted(s);
    };
}

TEST(Finally, CleanupRunsAfterTheWorkAndBeforeTheOutput) {
    script work, end;
    int calls = 0;
    by_hand hand(finally(scripted(work), cleanup_by(end, calls)));
    assert_pending(hand.poll());
    EXPECT_EQ(calls, 0);
    work.value = 5;
    work.change(plan::ready);
    assert_pending(hand.poll());
    EXPECT_EQ(calls, 1);
    EXPECT_FALSE(work.alive);
    EXPECT_TRUE(end.alive);
    end.change(plan::ready);
    EXPECT_TRUE(hand.is_woken());
    EXPECT_EQ(assert_ready(hand.poll()), 5);
    EXPECT_FALSE(end.alive);
    EXPECT_EQ(calls, 1);
    EXPECT_THROW(static_cast<void>(hand.poll()), eddy::misuse);
}

TEST(Finally, CleanupRunsAfterErrorsAndExceptions) {
    for (const plan how : {plan::fails, plan::throws}) {
        script work{.now = how}, end;
        int calls = 0;
        by_hand hand(finally(scripted(work), cleanup_by(end, calls)));
        assert_pending(hand.poll());
        EXPECT_EQ(calls, 1);
        end.change(plan::ready);
        if (how == plan::fails) {
            EXPECT_FALSE(assert_ready(hand.poll()).has_value());
        } else {
            EXPECT_THROW(static_cast<void>(hand.poll()), std::runtime_error);
        }
        EXPECT_FALSE(end.alive || work.alive);
    }
}

TEST(Finally, ExceptionOfWorkOverridesThatOfCleanup) {
    script work{.now = plan::ready}, end{.now = plan::throws};
    int calls = 0;
    by_hand hand(finally(scripted(work), cleanup_by(end, calls)));
    EXPECT_THROW(static_cast<void>(hand.poll()), std::runtime_error);
    auto throws = eddy::poll_fn([](eddy::context&) -> eddy::poll_result<void> { throw std::logic_error("first"); });
    by_hand both(finally(std::move(throws), cleanup_by(end, calls)));
    EXPECT_THROW(static_cast<void>(both.poll()), std::logic_error);
    auto cannot = []() -> eddy::ready_future<void> { throw std::logic_error("no cleanup"); };
    by_hand refused(finally(ready(1), cannot));
    EXPECT_THROW(static_cast<void>(refused.poll()), std::logic_error);
}

TEST(Finally, CancelEndsTheWorkAndThenRunsTheCleanup) {
    script work{.may_end = false}, end;
    int calls = 0;
    by_hand hand(finally(cancellable_scripted(work), cleanup_by(end, calls)));
    assert_pending(hand.poll());
    assert_pending(hand.poll_cancel());
    EXPECT_EQ(work.cancel_polls, 1);
    EXPECT_EQ(calls, 0);
    work.may_end = true;
    assert_pending(hand.poll_cancel());
    EXPECT_FALSE(work.alive);
    EXPECT_EQ(calls, 1);
    assert_pending(hand.poll_cancel());
    EXPECT_EQ(calls, 1);
    end.change(plan::ready);
    EXPECT_TRUE(hand.is_woken());
    assert_ready(hand.poll_cancel());
    EXPECT_FALSE(end.alive);
    assert_ready(hand.poll_cancel());
}

TEST(Finally, CancelFinishesAStartedCleanup) {
    script work{.now = plan::throws}, end;
    int calls = 0;
    by_hand hand(finally(scripted(work), cleanup_by(end, calls)));
    assert_pending(hand.poll());
    assert_pending(hand.poll_cancel());
    EXPECT_EQ(calls, 1);
    end.change(plan::throws);
    assert_ready(hand.poll_cancel());
    EXPECT_FALSE(end.alive);
}

TEST(Finally, CleanupDoesNotRunBeforeFirstPollOrOnDestruction) {
    script work, end;
    int calls = 0;
    by_hand fresh(finally(scripted(work), cleanup_by(end, calls)));
    assert_ready(fresh.poll_cancel());
    EXPECT_FALSE(work.alive);
    by_hand begun(finally(scripted(work), cleanup_by(end, calls)));
    assert_pending(begun.poll());
    begun.drop();
    EXPECT_FALSE(work.alive);
    EXPECT_EQ(calls, 0);
    script late, last;
    by_hand cleaning(finally(scripted(late), cleanup_by(last, calls)));
    late.now = plan::ready;
    assert_pending(cleaning.poll());
    cleaning.drop();
    EXPECT_FALSE(last.alive);
}

TEST(Finally, NestedCleanupsRunInnermostFirst) {
    std::string order;
    const auto note = [&order](char what) {
        return [&order, what] {
            order += what;
            return ready();
        };
    };
    by_hand hand(finally(finally(finally(eddy::pending(), note('a')), note('b')), note('c')));
    assert_pending(hand.poll());
    assert_ready(hand.poll_cancel());
    EXPECT_EQ(order, "abc");
}

TEST(Finally, CapturesLiveUntilTheCleanupHasEnded) {
    auto alive = std::make_shared<int>(1);
    script end;
    auto cleanup = [alive, &end]() -> task<> {
        static_cast<void>(co_await scripted(end));
        EXPECT_EQ(*alive, 1);
    };
    by_hand hand(finally(ready(), std::move(cleanup)));
    assert_pending(hand.poll());
    EXPECT_EQ(alive.use_count(), 2);
    end.change(plan::ready);
    assert_ready(hand.poll());
    EXPECT_EQ(alive.use_count(), 1);
}

// ---- with_deadline ----

/// Completes with the current deadline.
auto deadline_seen() {
    return eddy::poll_fn([](eddy::context&) -> eddy::poll_result<std::optional<eddy::time::time_point>> {
        return eddy::poll_result<std::optional<eddy::time::time_point>>(current_deadline());
    });
}

TEST(WithDeadline, DeadlineIsVisibleOnlyInsideTheWork) {
    time_loop loop;
    EXPECT_FALSE(current_deadline().has_value());
    const auto at = clock::now() + 10ms;
    by_hand hand(with_deadline(at, deadline_seen()));
    EXPECT_EQ(assert_ready(hand.poll()), at);
    EXPECT_FALSE(current_deadline().has_value());
    EXPECT_THROW(static_cast<void>(hand.poll()), eddy::misuse);
}

TEST(WithDeadline, ElapsedIsReturnedAfterTheWorkHasEnded) {
    time_loop loop;
    script s{.may_end = false};
    by_hand hand(with_deadline(10ms, cancellable_scripted(s)));
    assert_pending(hand.poll());
    loop.advance(10ms);
    EXPECT_TRUE(hand.is_woken());
    assert_pending(hand.poll());
    EXPECT_EQ(s.cancel_polls, 1);
    s.may_end = true;
    EXPECT_EQ(assert_ready(hand.poll()).error(), eddy::time::elapsed());
    EXPECT_FALSE(s.alive);
}

TEST(WithDeadline, InnerDeadlineCanOnlyBeEarlier) {
    time_loop loop;
    const auto at = clock::now() + 10ms;
    by_hand later(with_deadline(at, with_deadline(at + 1s, deadline_seen())));
    EXPECT_EQ(assert_ready(later.poll()), at);
    by_hand earlier(with_deadline(at, with_deadline(at - 1ms, deadline_seen())));
    EXPECT_EQ(assert_ready(earlier.poll()), at - 1ms);
    by_hand none(with_deadline(eddy::time::time_point::max(), deadline_seen()));
    EXPECT_FALSE(assert_ready(none.poll())->has_value());
    by_hand kept(with_deadline(at, with_deadline(std::chrono::hours::max(), deadline_seen())));
    EXPECT_EQ(assert_ready(kept.poll()), at);
}

TEST(WithDeadline, InnerDeadlineElapsesWithTheOuterDeadline) {
    time_loop loop;
    auto work = []() -> task<std::string> {
        const auto ended = co_await with_deadline(1h, eddy::pending());
        co_return ended ? "value" : "elapsed";
    };
    by_hand hand(with_deadline(10ms, work()));
    assert_pending(hand.poll());
    loop.advance(10ms);
    // The inner deadline is polled first, so the work can still return.
    EXPECT_EQ(assert_ready(hand.poll()), "elapsed");
}

TEST(WithDeadline, PastDeadlineAllowsOnePoll) {
    time_loop loop;
    by_hand value(with_deadline(-1ms, ready(1)));
    EXPECT_EQ(assert_ready(value.poll()), 1);
    script s;
    by_hand hand(with_deadline(0ms, scripted(s)));
    EXPECT_FALSE(assert_ready(hand.poll()).has_value());
    EXPECT_EQ(s.polls, 1);
    EXPECT_FALSE(s.alive);
}

TEST(WithDeadline, PollCancelEndsTheWork) {
    time_loop loop;
    script s{.may_end = false};
    by_hand hand(with_deadline(10ms, cancellable_scripted(s)));
    assert_pending(hand.poll());
    assert_pending(hand.poll_cancel());
    s.may_end = true;
    assert_ready(hand.poll_cancel());
    EXPECT_FALSE(s.alive);
    script fresh;
    by_hand never(with_deadline(10ms, cancellable_scripted(fresh)));
    assert_ready(never.poll_cancel());
    EXPECT_FALSE(fresh.alive);
}

/// Never completes. Its poll_cancel() stores the current deadline.
class stores_deadline_when_cancelled : public eddy::future_ops<stores_deadline_when_cancelled> {
public:
    using output_type = int;

    explicit stores_deadline_when_cancelled(std::optional<eddy::time::time_point>& seen) noexcept : seen_(&seen) {}
    eddy::poll_result<int> poll(eddy::context&) { return eddy::not_ready; }
    eddy::poll_result<void> poll_cancel(eddy::context&) {
        *seen_ = current_deadline();
        return eddy::poll_result<void>::ready();
    }

private:
    std::optional<eddy::time::time_point>* seen_;
};

TEST(WithDeadline, DeadlineIsVisibleWhileTheWorkIsCancelled) {
    time_loop loop;
    const auto at = clock::now() + 10ms;
    std::optional<eddy::time::time_point> seen;
    by_hand cancelled(with_deadline(at, stores_deadline_when_cancelled(seen)));
    assert_pending(cancelled.poll());
    assert_ready(cancelled.poll_cancel());
    EXPECT_EQ(seen, at);
    EXPECT_FALSE(current_deadline().has_value());

    seen.reset();
    by_hand elapsed(with_deadline(at, stores_deadline_when_cancelled(seen)));
    assert_pending(elapsed.poll());
    loop.advance(10ms);
    EXPECT_FALSE(assert_ready(elapsed.poll()).has_value());
    EXPECT_EQ(seen, at);
}

TEST(WithDeadline, ShieldedWorkAndCleanupsContinueAfterTheDeadline) {
    time_loop loop;
    by_hand hidden(with_deadline(10ms, shielded(deadline_seen())));
    EXPECT_FALSE(assert_ready(hidden.poll())->has_value());
    bool is_hidden = false;
    by_hand cleaned(with_deadline(10ms, finally(ready(), [&is_hidden] {
                                      is_hidden = !current_deadline().has_value();
                                      return ready();
                                  })));
    assert_ready(cleaned.poll()).value();
    EXPECT_TRUE(is_hidden);
    script s;
    by_hand hand(with_deadline(10ms, shielded(scripted(s))));
    assert_pending(hand.poll());
    loop.advance(10ms);
    assert_pending(hand.poll());
    s.change(plan::ready);
    EXPECT_FALSE(assert_ready(hand.poll()).has_value());  // the deadline elapsed first, so the output is lost
}

// ---- On event loops and runtimes ----

class Cancelling : public support::on_executor {};
INSTANTIATE_TEST_SUITE_P(, Cancelling, testing::Values(0u, 1u, 2u, 4u), support::name_of_executor);

TEST_P(Cancelling, AbortedTaskCleansUpWhileLocalsAreAlive) {
    async_gate may_end;
    std::atomic<int> cleaning = 0;
    census living;
    const auto work = [&]() -> task<> {
        const auto mine = living.begin_life();
        auto cleanup = [&]() -> task<> {
            EXPECT_EQ(living.alive(), 1);
            ++cleaning;
            co_await may_end.wait();
            EXPECT_EQ(living.alive(), 1);
            ++cleaning;
        };
        auto cleaned = finally(eddy::pending(), cleanup);
        co_await cleaned;
        ADD_FAILURE() << "the task continued after an abort";
    };
    const auto main = [&]() -> task<> {
        auto handle = eddy::spawn(work());
        while (living.total() == 0) co_await eddy::yield_now();
        handle.abort();
        while (cleaning == 0) co_await eddy::yield_now();
        EXPECT_FALSE(handle.is_finished());
        may_end.open();
        const auto ended = co_await handle;
        EXPECT_TRUE(!ended && ended.error().is_cancelled());
        EXPECT_EQ(cleaning, 2);
        EXPECT_EQ(living.alive(), 0);
    };
    on.run(main());
}

/// Increments a counter at its first poll_cancel().
template <class F>
class counts_cancel : public eddy::future_ops<counts_cancel<F>> {
public:
    using output_type = eddy::output_t<F>;

    counts_cancel(F&& inner, std::atomic<int>& asked) : inner_(std::move(inner)), asked_(&asked) {}

    eddy::poll_result<output_type> poll(eddy::context& cx) { return inner_.poll(cx); }
    eddy::poll_result<void> poll_cancel(eddy::context& cx) {
        if (!std::exchange(is_counted_, true)) ++*asked_;
        return inner_.poll_cancel(cx);
    }

private:
    F inner_;
    std::atomic<int>* asked_;
    bool is_counted_ = false;
};

TEST_P(Cancelling, FailingScopeWaitsForShieldedChildren) {
    async_gate may_end;
    std::atomic<int> begun = 0;
    std::atomic<int> asked = 0;
    std::atomic<int> done = 0;
    const auto commit = [&]() -> task<> {
        ++begun;
        co_await may_end.wait();
        ++done;
    };
    const auto child = [&]() -> task<> {
        co_await counts_cancel(shielded(commit()), asked);
        ADD_FAILURE() << "the child continued after it was cancelled";
    };
    const auto main = [&]() -> task<> {
        bool has_thrown = false;
        try {
            co_await eddy::scope([&](auto& s) -> task<> {
                for (int i = 0; i < 5; ++i) s.spawn(child());
                s.spawn([&]() -> task<> {
                    while (begun < 5) co_await eddy::yield_now();
                    eddy::spawn([&]() -> task<> {
                        while (asked < 5) co_await eddy::yield_now();
                        may_end.open();
                    });
                    throw std::runtime_error("the scope fails");
                });
                co_return;
            });
        } catch (const std::runtime_error&) {
            has_thrown = true;
        }
        EXPECT_TRUE(has_thrown);
        EXPECT_EQ(done, 5);
    };
    on.run(main());
}

TEST_P(Cancelling, ElapsedTimeoutWaitsForTheCleanup) {
    const auto main = [&]() -> task<> {
        int cleaned = 0;
        auto cleanup = [&]() -> task<> {
            co_await eddy::time::sleep(2ms);
            ++cleaned;
        };
        auto work = finally(eddy::pending(), cleanup);
        const auto outcome = co_await eddy::time::timeout(1ms, std::move(work));
        EXPECT_FALSE(outcome.has_value());
        EXPECT_EQ(cleaned, 1);
    };
    on.run(main());
}

TEST_P(Cancelling, OnlyScopeChildrenInheritTheDeadline) {
    const auto main = [&]() -> task<> {
        const auto at = clock::now() + 1h;
        std::atomic<int> seen = 0;
        const auto look = [&]() -> task<> {
            for (int i = 0; i < 5; ++i) {
                EXPECT_EQ(current_deadline(), at);
                co_await eddy::yield_now();
            }
            ++seen;
        };
        const auto nested = [&]() -> task<> {
            co_await eddy::scope([&](auto& s) -> task<> {
                s.spawn(look());
                s.spawn(look);
                static_cast<void>(co_await with_deadline(2h, look()));
            });
        };
        const auto work = [&]() -> task<> {
            co_await eddy::scope([&](auto& s) -> task<> {
                for (int i = 0; i < 5; ++i) s.spawn(nested());
                auto plain = [&] {
                    EXPECT_EQ(current_deadline(), at);
                    ++seen;
                };
                s.spawn(plain);
                s.spawn(shielded(deadline_seen()).then([&](auto found) {
                    EXPECT_FALSE(found.has_value());
                    ++seen;
                }));
                static_cast<void>(co_await eddy::spawn([&]() -> task<> {
                    EXPECT_FALSE(current_deadline().has_value());
                    ++seen;
                    co_return;
                }));
            });
        };
        EXPECT_TRUE((co_await with_deadline(at, work())).has_value());
        EXPECT_EQ(seen, 5 * 3 + 3);
        EXPECT_FALSE(current_deadline().has_value());
    };
    on.run(main());
}

TEST_P(Cancelling, DeadlineCancelsScopeChildrenGracefully) {
    const auto main = [&]() -> task<> {
        std::atomic<int> cleaned = 0;
        census living;
        const auto child = [&]() -> task<> {
            const auto mine = living.begin_life();
            auto cleanup = [&]() -> task<> {
                co_await eddy::yield_now();
                EXPECT_FALSE(current_deadline().has_value());
                ++cleaned;
            };
            auto work = finally(eddy::pending(), cleanup);
            co_await work;
        };
        const auto work = [&]() -> task<> {
            co_await eddy::scope([&](auto& s) -> task<> {
                for (int i = 0; i < 4; ++i) s.spawn(child());
                co_await child();
            });
        };
        const auto outcome = co_await with_deadline(5ms, work());
        EXPECT_FALSE(outcome.has_value());
        EXPECT_EQ(cleaned, living.total());
        EXPECT_EQ(living.alive(), 0);
    };
    on.run(main());
}

// A child that inherits a deadline is wrapped, so the worker does not poll its coroutine directly. Each way in which
// the child can end must destroy the coroutine.
TEST_P(Cancelling, DestroyedScopeDestroysChildrenWithADeadline) {
    const auto main = [&]() -> task<> {
        census living;
        const auto child = [&]() -> task<> {
            const auto mine = living.begin_life();
            co_await eddy::pending();
        };
        const auto scoped = [&]() -> task<> {
            co_await eddy::scope([&](auto& s) -> task<> {
                for (int i = 0; i < 4; ++i) s.spawn(child());
                s.spawn(child);
                s.spawn([]() -> task<> { co_return; });
                s.spawn(ready(1));
                co_await eddy::pending();
            });
        };
        {
            auto work = with_deadline(1h, scoped());
            const auto wait_for_children = [&]() -> task<> {
                while (living.total() < 5) co_await eddy::yield_now();
            };
            const auto both = co_await eddy::select(std::ref(work), wait_for_children());
            EXPECT_EQ(both.index(), 1u);
            EXPECT_EQ(living.alive(), 5);
        }  // the destructor of `work` destroys the children
        EXPECT_EQ(living.alive(), 0);
    };
    on.run(main());
}

TEST_P(Cancelling, ExceptionOfAChildWithADeadlineFailsTheScope) {
    const auto main = [&]() -> task<> {
        const auto throws = []() -> task<> {
            co_await eddy::yield_now();
            throw std::runtime_error("child");
        };
        const auto scoped = [&]() -> task<> {
            co_await eddy::scope([&](auto& s) -> task<> {
                s.spawn(throws());
                co_await eddy::pending();
            });
        };
        bool has_thrown = false;
        auto work = with_deadline(1h, scoped());
        try {
            static_cast<void>(co_await work);
        } catch (const std::runtime_error&) {
            has_thrown = true;
        }
        EXPECT_TRUE(has_thrown);
    };
    on.run(main());
}

TEST(CancellingStress, CleanupsRunWheneverTheScopeIsCancelled) {
    executor on(4);
    const auto main = [&]() -> task<> {
        for (std::uint64_t round = 0, rounds = support::rounds(10'000); round < rounds; ++round) {
            std::atomic<int> begun = 0;
            std::atomic<int> cleaned = 0;
            const auto work = [&]() -> task<> {
                auto body = [](std::atomic<int>& count) -> task<> {
                    ++count;
                    for (;;) co_await eddy::yield_now();
                };
                auto cleanup = [&]() -> task<> {
                    co_await eddy::yield_now();
                    ++cleaned;
                };
                auto cleaned_up = finally(body(begun), cleanup);
                co_await cleaned_up;
            };
            const auto scoped = [&]() -> task<> {
                co_await eddy::scope([&](auto& s) -> task<> {
                    for (int i = 0; i < 4; ++i) s.spawn(work());
                    for (std::uint64_t i = 0; i < round % 7; ++i) co_await eddy::yield_now();
                    s.cancel();
                });
            };
            if (round % 2 == 0) {
                co_await scoped();
            } else {
                static_cast<void>(co_await with_deadline(1h, scoped()));
            }
            EXPECT_EQ(begun, cleaned);
        }
    };
    on.run(main());
}

}  // namespace
