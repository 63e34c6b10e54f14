// SPDX-License-Identifier: MIT
// Scopes that end too early: cancelled, destroyed outright, with their runtime; and whatever goes on in them at the time.
#include <eddy/scope.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/poll_fn.hpp>
#include <eddy/ready.hpp>
#include <eddy/select.hpp>
#include <eddy/spawn.hpp>
#include <eddy/task.hpp>
#include <eddy/time/timeout.hpp>
#include <eddy/wait.hpp>
#include <eddy/yield_now.hpp>

#include "support/executors.hpp"
#include "support/gate.hpp"
#include "support/polling.hpp"
#include "support/stress.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::scope_handle;
using eddy::task;
using support::async_gate;
using support::census;
using support::ends_slowly;
using support::executor;

/// On a loop, and on runtimes of 1, 2 and 4 workers.
class ScopeEnd : public testing::TestWithParam<unsigned> {
protected:
    executor on{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(, ScopeEnd, testing::Values(0u, 1u, 2u, 4u), support::name_of_executor);

/// What needs several workers.
class ScopeEndOnWorkers : public testing::TestWithParam<unsigned> {
protected:
    executor on{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(, ScopeEndOnWorkers, testing::Values(2u, 4u), support::name_of_executor);

/// Waits for ever; counted while it lives.
task<void> wait_for_ever(census& living) {
    const auto mine = living.begin_life();
    co_await eddy::pending();
}

// ---- Cancelled from outside, in an orderly way ----

/// A scope with `children` that are slow to end, and a body like them. `living` counts them all.
task<void> slow_scope(async_gate& may_end, std::atomic<int>& cancels, census& living, int children) {
    const auto child = [&]() -> task<void> {
        const auto mine = living.begin_life();
        co_await ends_slowly(may_end, &cancels);
    };
    co_await eddy::scope([&](auto& s) -> task<void> {
        for (int i = 0; i < children; ++i) s.spawn(child());
        co_await child();
    });
}

TEST_P(ScopeEnd, AbortOfTheParentAwaitsTheChildren) {
    async_gate may_end;
    std::atomic<int> cancels = 0;
    census living;
    const auto work = [&]() -> task<void> {
        struct checks_at_end {
            census& living;
            ~checks_at_end() { EXPECT_EQ(living.alive(), 0) << "a child has outlived its parent's locals"; }
        };
        const checks_at_end borrowed{living};
        co_await slow_scope(may_end, cancels, living, 3);
        ADD_FAILURE() << "went on after an abort";
    };
    const auto main = [&]() -> task<void> {
        auto handle = eddy::spawn(work());
        while (living.total() < 4) co_await eddy::yield_now();
        handle.abort();
        while (cancels < 4) co_await eddy::yield_now();
        EXPECT_FALSE(handle.is_finished());
        EXPECT_EQ(living.alive(), 4);
        may_end.open();
        const auto ended = co_await handle;
        EXPECT_TRUE(!ended && ended.error().is_cancelled());
        EXPECT_EQ(living.alive(), 0);
    };
    on.run(main());
}

TEST_P(ScopeEnd, AbortOfAParentWhoseBodyHasEndedAwaitsTheChildren) {
    async_gate may_end;
    std::atomic<int> cancels = 0;
    census living;
    const auto main = [&]() -> task<void> {
        auto handle = eddy::spawn([&]() -> task<void> {
            co_await eddy::scope([&](auto& s) -> task<void> {
                s.spawn([&]() -> task<void> {
                    const auto mine = living.begin_life();
                    co_await ends_slowly(may_end, &cancels);
                });
                co_return;
            });
        });
        while (living.total() < 1) co_await eddy::yield_now();
        handle.abort();
        while (cancels < 1) co_await eddy::yield_now();
        EXPECT_FALSE(handle.is_finished());
        may_end.open();
        EXPECT_FALSE((co_await handle).has_value());
        EXPECT_EQ(living.alive(), 0);
    };
    on.run(main());
}

TEST_P(ScopeEnd, TimeoutAwaitsTheChildren) {
    async_gate may_end;
    std::atomic<int> cancels = 0;
    census living;
    const auto main = [&]() -> task<void> {
        auto opener = eddy::spawn([&]() -> task<void> {
            while (cancels < 3) co_await eddy::yield_now();
            may_end.open();
        });
        const auto outcome = co_await eddy::time::timeout(1ms, slow_scope(may_end, cancels, living, 2));
        EXPECT_FALSE(outcome.has_value());
        EXPECT_EQ(living.alive(), 0);
        static_cast<void>(co_await opener);
    };
    on.run(main());
}

TEST_P(ScopeEnd, AnElapsedTimeoutThatHasANameKeepsNoChildrenAlive) {
    census living;
    const auto main = [&]() -> task<void> {
        auto limited = eddy::time::timeout(1ms, eddy::scope([&](auto& s) -> task<void> {
                                               s.spawn(wait_for_ever(living));
                                               s.spawn(wait_for_ever(living));
                                               co_await wait_for_ever(living);
                                           }));
        const auto outcome = co_await limited;
        EXPECT_FALSE(outcome.has_value());
        EXPECT_EQ(living.alive(), 0);
        co_await eddy::yield_now();  // and `limited` is still there
    };
    on.run(main());
}

TEST_P(ScopeEnd, LoserOfASelectAwaitsItsChildren) {
    async_gate may_end;
    std::atomic<int> cancels = 0;
    census living;
    const auto main = [&]() -> task<void> {
        auto opener = eddy::spawn([&]() -> task<void> {
            while (cancels < 3) co_await eddy::yield_now();
            EXPECT_EQ(living.alive(), 3);
            may_end.open();
        });
        const auto wins = [&]() -> task<int> {
            while (living.total() < 3) co_await eddy::yield_now();
            co_return 4;
        };
        const auto first = co_await eddy::select(slow_scope(may_end, cancels, living, 2), wins());
        EXPECT_EQ(first.index(), 1u);
        EXPECT_EQ(living.alive(), 0);
        static_cast<void>(co_await opener);
    };
    on.run(main());
}

TEST_P(ScopeEnd, CancelledBeforeItsFirstPollItNeverBegins) {
    bool has_begun = false;
    const auto main = [&]() -> task<void> {
        auto first = co_await eddy::select_biased(eddy::ready(1), eddy::scope([&](auto&) -> task<void> {
                                                      has_begun = true;
                                                      co_return;
                                                  }));
        EXPECT_EQ(first.index(), 0u);
        static_cast<void>(eddy::scope([&](auto&) -> task<void> {
            has_begun = true;
            co_return;
        }));
    };
    on.run(main());
    EXPECT_FALSE(has_begun);
}

// ---- Destroyed outright ----

/// Polls `future` once, and says whether it was ready.
template <class F>
auto poll_once(F& future) {
    return eddy::poll_fn(
        [&future](eddy::context& cx) -> eddy::poll_result<bool> { return future.poll(cx).is_ready(); });
}

TEST_P(ScopeEnd, DestroyedOutrightItDestroysTheChildrenThatWait) {
    census living;
    async_gate never;
    std::atomic<int> cancels = 0;
    const auto child = [&]() -> task<void> {
        const auto mine = living.begin_life();
        co_await ends_slowly(never, &cancels);
    };
    const auto main = [&]() -> task<void> {
        {
            auto scope = eddy::scope([&](auto& s) -> task<void> {
                for (int i = 0; i < 10; ++i) s.spawn(child());
                co_await child();
            });
            EXPECT_FALSE(co_await poll_once(scope));
            while (living.total() < 11) co_await eddy::yield_now();
        }
        EXPECT_EQ(living.alive(), 0);
    };
    on.run(main());
    EXPECT_EQ(cancels, 0) << "it is destroyed and not asked";
}

TEST_P(ScopeEnd, DestroyedOutrightItDestroysTheChildrenThatAreQueued) {
    census living;
    const auto child = [&](census::life) -> task<void> { co_await eddy::pending(); };
    const auto main = [&]() -> task<void> {
        for (int round = 0; round < 100; ++round) {
            {
                auto scope = eddy::scope([&](auto& s) -> task<void> {
                    for (int i = 0; i < 10; ++i) s.spawn(child(living.begin_life()));
                    co_await eddy::pending();
                });
                EXPECT_FALSE(co_await poll_once(scope));
            }
            EXPECT_EQ(living.alive(), 0);
        }
    };
    on.run(main());
    EXPECT_EQ(living.total(), 1000);
}

TEST_P(ScopeEndOnWorkers, DestroyedOutrightItWaitsForAChildThatIsBeingPolled) {
    census living;
    std::atomic<bool> is_polled = false;
    std::atomic<bool> is_dropped = false;
    const auto child = [&]() -> task<void> {
        const auto mine = living.begin_life();
        is_polled = true;
        while (!is_dropped) std::this_thread::yield();
        for (int i = 0; i < 1000; ++i) std::this_thread::yield();
        co_await eddy::pending();
        ADD_FAILURE() << "went on after it was cancelled";
    };
    const auto main = [&]() -> task<void> {
        {
            auto scope = eddy::scope([&](auto& s) -> task<void> {
                s.spawn(child());
                co_await eddy::pending();
            });
            EXPECT_FALSE(co_await poll_once(scope));
            while (!is_polled) co_await eddy::yield_now();
            is_dropped = true;
        }
        EXPECT_EQ(living.alive(), 0);
    };
    on.run(main());
}

// Destroyed means destroyed: a child that is being polled is not asked to end in an orderly way either, which could take
// for ever.
TEST_P(ScopeEndOnWorkers, DestroyedOutrightItDoesNotAskAChildThatIsBeingPolled) {
    census living;
    async_gate never;
    std::atomic<bool> is_polled = false;
    std::atomic<bool> is_dropped = false;
    const auto child = [&]() -> task<void> {
        const auto mine = living.begin_life();
        is_polled = true;
        while (!is_dropped) std::this_thread::yield();
        for (int i = 0; i < 1000; ++i) std::this_thread::yield();
        co_await ends_slowly(never);
    };
    const auto main = [&]() -> task<void> {
        {
            auto scope = eddy::scope([&](auto& s) -> task<void> {
                s.spawn(child());
                co_await eddy::pending();
            });
            EXPECT_FALSE(co_await poll_once(scope));
            while (!is_polled) co_await eddy::yield_now();
            is_dropped = true;
        }
        EXPECT_EQ(living.alive(), 0);
    };
    on.run(main());
}

TEST_P(ScopeEnd, ChildrenThatAreBeingCancelledSlowlyAreDestroyedOutrightToo) {
    census living;
    async_gate never;
    std::atomic<int> cancels = 0;
    const auto child = [&]() -> task<void> {
        const auto mine = living.begin_life();
        co_await ends_slowly(never, &cancels);
    };
    const auto main = [&]() -> task<void> {
        {
            auto scope = eddy::scope([&](auto& s) -> task<void> {
                for (int i = 0; i < 4; ++i) s.spawn(child());
                while (living.total() < 4) co_await eddy::yield_now();
                s.cancel();
                co_await eddy::pending();
            });
            while (cancels < 4) {
                EXPECT_FALSE(co_await poll_once(scope));
                co_await eddy::yield_now();
            }
        }
        EXPECT_EQ(living.alive(), 0);
    };
    on.run(main());
}

TEST_P(ScopeEnd, ADestructorThatSpawnsWhileTheScopeIsDestroyedDoesNotHoldItUp) {
    struct spawns_at_end {
        scope_handle& s;
        census& living;
        int left;
        ~spawns_at_end() {
            if (left == 0) return;
            s.spawn([&to = s, &count = living, next = left - 1, mine = living.begin_life()]() -> task<void> {
                const spawns_at_end local{to, count, next};
                co_await eddy::pending();
            });
        }
    };
    census living;
    const auto main = [&]() -> task<void> {
        {
            auto scope = eddy::scope([&](auto& s) -> task<void> {
                s.spawn([&]() -> task<void> {
                    const auto mine = living.begin_life();
                    const spawns_at_end local{s, living, 3};
                    co_await eddy::pending();
                });
                co_await eddy::pending();
            });
            EXPECT_FALSE(co_await poll_once(scope));
            while (living.total() < 1) co_await eddy::yield_now();
        }
        EXPECT_EQ(living.alive(), 0);
    };
    on.run(main());
    EXPECT_EQ(living.total(), 2) << "the one that comes late is destroyed before it runs";
}

TEST_P(ScopeEnd, NestedScopesAreDestroyedOutrightTogether) {
    census living;
    struct nest {
        census& living;
        task<void> down(int depth) {
            const auto mine = living.begin_life();
            if (depth == 0) co_await eddy::pending();
            co_await eddy::scope([&](auto& s) -> task<void> {
                s.spawn(down(depth - 1));
                s.spawn(down(depth - 1));
                co_await eddy::pending();
            });
        }
    } nested{living};
    const auto main = [&]() -> task<void> {
        {
            auto scope = eddy::scope([&](auto& s) -> task<void> {
                s.spawn(nested.down(6));
                co_await eddy::pending();
            });
            EXPECT_FALSE(co_await poll_once(scope));
            while (living.total() < 127) co_await eddy::yield_now();
        }
        EXPECT_EQ(living.alive(), 0);
    };
    on.run(main());
}

TEST_P(ScopeEnd, ThePolledEndIsTheSameAfterSpuriousPolls) {
    async_gate gate;
    const auto main = [&]() -> task<void> {
        auto scope = eddy::scope([&](auto& s) -> task<int> {
            s.spawn([&]() -> task<void> { co_await gate.wait(); });
            co_return 2;
        });
        for (int i = 0; i < 10; ++i) EXPECT_FALSE(co_await poll_once(scope));
        gate.open();
        EXPECT_EQ(co_await scope, 2);
    };
    on.run(main());
}

// ---- What a child leaves behind ----

// The output of a child may borrow what the child borrowed, so it goes with the child, and not with the last waker.
TEST_P(ScopeEnd, OutputsOfChildrenAreGoneWhenTheScopeEnds) {
    eddy::waker kept;
    census living;
    const auto main = [&]() -> task<void> {
        co_await eddy::scope([&](auto& s) -> task<void> {
            s.spawn([&]() -> task<census::life> {
                co_await eddy::poll_fn([&](eddy::context& cx) {
                    kept = cx.waker();
                    return eddy::poll_result<void>::ready();
                });
                co_return living.begin_life();
            });
            s.spawn([&] { return living.begin_life(); });
            co_return;
        });
        EXPECT_EQ(living.alive(), 0);
    };
    on.run(main());
    EXPECT_EQ(living.total(), 2);
    on.end();
    kept.wake_by_ref();
}

TEST_P(ScopeEnd, WakersOfChildrenOutliveThemAndTheRuntime) {
    std::vector<eddy::waker> kept(4);
    const auto main = [&]() -> task<void> {
        co_await eddy::scope([&](auto& s) -> task<void> {
            for (auto& each : kept) {
                s.spawn([&each]() -> task<void> {
                    co_await eddy::poll_fn([&](eddy::context& cx) {
                        each = cx.waker();
                        return eddy::poll_result<void>::ready();
                    });
                });
            }
            co_return;
        });
        for (const auto& each : kept) each.wake_by_ref();
    };
    on.run(main());
    kept.push_back(kept.front());
    std::thread([&] {
        for (const auto& each : kept) each.wake_by_ref();
        kept.resize(2);
    }).join();
    on.end();
    for (auto& each : kept) std::move(each).wake();
}

// ---- The runtime ends ----

TEST_P(ScopeEnd, EndsWithItsRuntime) {
    census living;
    std::atomic<int> cancels = 0;
    async_gate never;
    const auto parent = [&]() -> task<void> {
        const auto mine = living.begin_life();
        co_await slow_scope(never, cancels, living, 3);
    };
    const auto main = [&]() -> task<void> {
        for (int i = 0; i < 5; ++i) eddy::spawn(parent());
        while (living.total() < 25) co_await eddy::yield_now();
    };
    on.run(main());
    EXPECT_EQ(living.alive(), 25);
    on.end();
    EXPECT_EQ(living.alive(), 0);
}

TEST_P(ScopeEndOnWorkers, ShutdownTimeoutAwaitsTheChildren) {
    census living;
    std::atomic<int> cancels = 0;
    async_gate may_end;
    const auto main = [&]() -> task<void> {
        eddy::spawn(slow_scope(may_end, cancels, living, 3));
        while (living.total() < 4) co_await eddy::yield_now();
    };
    on.run(main());
    std::thread opener([&] {
        EXPECT_TRUE(support::comes_true([&] { return cancels >= 4; }));
        EXPECT_EQ(living.alive(), 4);
        may_end.open();
    });
    std::move(on.pool()).shutdown_timeout(20s);
    EXPECT_EQ(living.alive(), 0);
    opener.join();
}

// ---- Misuse ----

TEST(ScopeMisuse, NeedsARuntime) {
    const auto text =
        support::text_of_misuse([] { eddy::wait(eddy::scope([](scope_handle&) -> task<void> { co_return; })); });
    EXPECT_NE(text.find("scope needs a runtime on this thread"), std::string::npos) << text;
    EXPECT_NE(text.find("or enter a runtime before"), std::string::npos) << text;
    EXPECT_NE(text.find("scope_end_test.cpp"), std::string::npos) << text;
}

TEST_P(ScopeEnd, PolledAfterItsEndItSaysSo) {
    const auto main = []() -> task<void> {
        auto scope = eddy::scope([](scope_handle&) -> task<void> { co_return; });
        co_await scope;
        std::string text;
        try {
            co_await scope;
        } catch (const eddy::misuse& e) {
            text = e.what();
        }
        EXPECT_NE(text.find("a scope was awaited after it had ended: await it once"), std::string::npos) << text;
    };
    on.run(main());
}

using scope_body = std::function<task<void>(scope_handle&)>;
using scope_of_body = decltype(eddy::scope(scope_body()));

/// Starts a child that calls `end`.
using child_maker = std::function<void(scope_handle& s, std::function<void()> end)>;

task<void> await_scope_that_a_child_destroys(child_maker make_child) {
    std::unique_ptr<scope_of_body> scope;
    support::gate was_polled;  // on another worker the child would destroy what is being polled
    scope_body starts = [&](scope_handle& s) -> task<void> {
        make_child(s, [&] {
            if (was_polled.wait()) scope.reset();
        });
        co_await eddy::pending();
    };
    scope = std::make_unique<scope_of_body>(eddy::scope(std::move(starts)));
    static_cast<void>(co_await poll_once(*scope));
    was_polled.open();
    co_await eddy::pending();
}

/// A scope in a place where its own child can end it.
void destroy_scope_in_its_child(unsigned workers, const child_maker& make_child) {
    executor on(workers);
    on.run(await_scope_that_a_child_destroys(make_child));
}

const auto coroutine_child = [](scope_handle& s, std::function<void()> end) {
    s.spawn([end = std::move(end)]() -> task<void> {
        co_await eddy::yield_now();
        end();
    });
};
const auto plain_child = [](scope_handle& s, std::function<void()> end) {
    s.spawn(eddy::poll_fn([end = std::move(end)](eddy::context&) {
        end();
        return eddy::poll_result<void>::ready();
    }));
};
const auto grandchild = [](scope_handle& s, std::function<void()> end) {
    s.spawn([end = std::move(end)]() -> task<void> {
        co_await eddy::scope([&](auto& inner) -> task<void> {
            inner.spawn([&]() -> task<void> {
                co_await eddy::yield_now();
                end();
            });
            co_return;
        });
    });
};

TEST(ScopeDeathTest, DestroyedByItsOwnChildEndsTheProgramWithASentence) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    for (const unsigned workers : {0u, 1u, 2u}) {
        EXPECT_DEATH(destroy_scope_in_its_child(workers, coroutine_child), "destroyed by one of its own children");
        EXPECT_DEATH(destroy_scope_in_its_child(workers, plain_child), "destroyed by one of its own children");
        EXPECT_DEATH(destroy_scope_in_its_child(workers, grandchild), "destroyed by one of its own children");
    }
}

// ---- Stress ----

class ScopeStress : public testing::TestWithParam<unsigned> {
protected:
    executor on{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(, ScopeStress, testing::Values(0u, 1u, 2u, 4u), support::name_of_executor);

task<void> add_one_later(std::atomic<int>& to, int yields = 3) {
    for (int i = 0; i < yields; ++i) co_await eddy::yield_now();
    ++to;
}

TEST_P(ScopeStress, ManySmallChildren) {
    const auto rounds = support::rounds(20'000);
    const auto main = [&]() -> task<void> {
        for (std::uint64_t round = 0; round < rounds; ++round) {
            std::atomic<int> sum = 0;
            co_await eddy::scope([&](auto& s) -> task<void> {
                for (int i = 0; i < 10; ++i) s.spawn(add_one_later(sum, i % 3));
                co_return;
            });
            EXPECT_EQ(sum, 10);
        }
    };
    on.run(main());
}

TEST_P(ScopeStress, ChildrenThatSpawnWhileTheirScopeIsDestroyed) {
    const auto rounds = support::rounds(50'000);
    census living;
    struct spawner {
        census& living;
        task<void> run(scope_handle& s, int depth) {
            const auto mine = living.begin_life();
            for (int i = 0; i < 3 && depth > 0; ++i) {
                s.spawn(run(s, depth - 1));
                co_await eddy::yield_now();
            }
        }
    } tree{living};
    const auto main = [&]() -> task<void> {
        for (std::uint64_t round = 0; round < rounds; ++round) {
            {
                auto scope = eddy::scope([&](auto& s) -> task<void> {
                    s.spawn(tree.run(s, 3));
                    co_await eddy::pending();
                });
                EXPECT_FALSE(co_await poll_once(scope));
                for (std::uint64_t i = 0; i < round % 4; ++i) co_await eddy::yield_now();
            }
            EXPECT_EQ(living.alive(), 0);
        }
    };
    on.run(main());
    on.run_until_idle();
}

/// Children of all kinds, and an end of each kind, drawn at random.
class mix {
    template <class S>
    static auto guarded(S& scope) {
        return eddy::poll_fn([&scope](eddy::context& cx) -> eddy::poll_result<bool> {
            try {
                return scope.poll(cx).is_ready();
            } catch (const std::runtime_error&) {
                return true;
            }
        });
    }

public:
    explicit mix(std::uint64_t seed) : random_(seed) {}

    task<void> round() {
        census here;
        const unsigned children = draw(8);
        const unsigned end = draw(6);
        auto scope = eddy::scope([&](auto& s) -> task<eddy::result<int>> {
            const auto mine = here.begin_life();
            for (unsigned i = 0; i < children; ++i) s.spawn(child(s, here, draw(7), draw(4)));
            for (unsigned i = draw(3); i > 0; --i) co_await eddy::yield_now();
            if (end == 1) s.cancel();
            if (end == 2) co_return std::unexpected(std::make_error_code(std::errc::io_error));
            if (end == 3) throw std::runtime_error("body");
            if (children == 0) co_return 1;
            s.spawn(child(s, here, 1, 2));  // some failure, so that those that wait come to an end
            co_return 1;
        });
        if (end == 4) {  // outright
            for (unsigned i = draw(4); i > 0; --i) {
                if (co_await guarded(scope)) break;
                co_await eddy::yield_now();
            }
        } else if (end == 5) {
            static_cast<void>(co_await eddy::select(ticks(draw(4)), ended(std::move(scope))));
            EXPECT_EQ(here.alive(), 0);
        } else {
            co_await ended(std::move(scope));
            EXPECT_EQ(here.alive(), 0);
        }
        total_ += here.total();
        // What `scope` still holds is destroyed here, before `here`.
    }

    [[nodiscard]] int total() const noexcept { return total_; }

private:
    unsigned draw(unsigned below) { return static_cast<unsigned>(random_() % below); }

    static task<void> child(scope_handle& s, census& here, unsigned kind, unsigned yields) {
        const auto mine = here.begin_life();
        for (unsigned i = 0; i < yields; ++i) co_await eddy::yield_now();
        switch (kind) {
        case 0: co_await eddy::pending(); break;
        case 1: throw std::runtime_error("child");
        case 2: s.cancel(); break;
        case 3: s.spawn(child(s, here, 4, 1)); break;
        case 4: s.spawn([mine] {}); break;
        case 5:
            co_await eddy::scope([&](auto& inner) -> task<void> {
                inner.spawn(child(inner, here, 6, 2));
                inner.spawn(child(inner, here, 3, 0));
                co_return;
            });
            break;
        default: break;
        }
    }

    static task<void> ticks(unsigned count) {
        for (unsigned i = 0; i < count; ++i) co_await eddy::yield_now();
    }

    template <class S>
    static task<void> ended(S scope) {
        try {
            static_cast<void>(co_await scope);
        } catch (const std::runtime_error&) {  // NOLINT(bugprone-empty-catch): one of the ends
        }
    }

    std::mt19937_64 random_;
    int total_ = 0;
};

TEST_P(ScopeStress, EveryKindOfEndAtEveryTime) {
    const auto rounds = support::rounds(20'000);
    census living;
    const auto main = [&]() -> task<void> {
        // Several at a time, so that the workers have each others' tasks to take.
        std::vector<eddy::join_handle<void>> running;
        for (unsigned i = 0; i < 4; ++i) {
            running.push_back(eddy::spawn([&, i]() -> task<void> {
                const auto mine = living.begin_life();
                mix rounds_of(support::seed() + i);
                for (std::uint64_t round = 0; round < rounds; ++round) co_await rounds_of.round();
            }));
        }
        for (auto& each : running) {
            const auto ended = co_await each;
            EXPECT_TRUE(ended.has_value()) << ended.error().what();
        }
    };
    on.run(main());
    EXPECT_EQ(living.alive(), 0);
}

TEST_P(ScopeStress, ParentsThatAreAbortedAtAnyTime) {
    const auto rounds = support::rounds(20'000);
    census living;
    const auto parent = [&]() -> task<void> {
        const auto mine = living.begin_life();
        co_await eddy::scope([&](auto& s) -> task<void> {
            for (int i = 0; i < 4; ++i) {
                s.spawn([&, i]() -> task<void> {
                    const auto own = living.begin_life();
                    for (int n = 0; n < i; ++n) co_await eddy::yield_now();
                    if (i == 3) co_await eddy::pending();
                });
            }
            co_await eddy::yield_now();
        });
    };
    const auto main = [&]() -> task<void> {
        for (std::uint64_t round = 0; round < rounds; ++round) {
            auto handle = eddy::spawn(parent());
            for (std::uint64_t i = 0; i < round % 5; ++i) co_await eddy::yield_now();
            handle.abort();
            const auto ended = co_await handle;
            EXPECT_TRUE(!ended && ended.error().is_cancelled());
            EXPECT_EQ(living.alive(), 0);
        }
    };
    on.run(main());
}

task<void> nested(census& living, int depth) {
    const auto mine = living.begin_life();
    if (depth == 0) {
        co_await eddy::pending();
        co_return;
    }
    co_await eddy::scope([&](auto& s) -> task<void> {
        s.spawn(nested(living, depth - 1));
        s.spawn(nested(living, depth - 1));
        co_await eddy::yield_now();
    });
}

TEST_P(ScopeStress, RuntimesThatEndWithScopesInThem) {
    const auto rounds = support::rounds(2'000);
    census living;
    for (std::uint64_t round = 0; round < rounds; ++round) {
        executor one(GetParam());
        const auto main = [&]() -> task<void> {
            for (int i = 0; i < 4; ++i) {
                eddy::spawn([&]() -> task<void> {
                    const auto mine = living.begin_life();
                    co_await nested(living, 3);
                });
            }
            for (std::uint64_t i = 0; i < round % 7; ++i) co_await eddy::yield_now();
        };
        one.run(main());
        one.end();
        ASSERT_EQ(living.alive(), 0);
    }
}

}  // namespace
