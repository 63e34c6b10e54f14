// SPDX-License-Identifier: MIT
// Scopes: children that borrow, the first failure, and cancellation.
// covers: B05
#include <eddy/task/scope.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/future/poll_fn.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/future/select.hpp>
#include <eddy/future/try.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/timeout.hpp>

#include "support/executors.hpp"
#include "support/gate.hpp"
#include "support/polling.hpp"
#include "support/runtime/on_executor.hpp"
#include "support/stress.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::scope_handle;
using eddy::task;
using support::add_one_later;
using support::async_gate;
using support::census;
using support::ends_slowly;
using support::wait_for_ever;

/// Runs on an event loop, and on runtimes with 1, 2 and 4 workers.
class Scope : public support::on_executor {};
INSTANTIATE_TEST_SUITE_P(, Scope, testing::Values(0u, 1u, 2u, 4u), support::name_of_executor);

/// For tests that need several workers.
class ScopeOnWorkers : public support::on_executor {};
INSTANTIATE_TEST_SUITE_P(, ScopeOnWorkers, testing::Values(2u, 4u), support::name_of_executor);

/// For tests in which one thread runs all tasks.
class ScopeOnOneThread : public support::on_executor {};
INSTANTIATE_TEST_SUITE_P(, ScopeOnOneThread, testing::Values(0u, 1u), support::name_of_executor);

// ---- Outputs and lifetimes ----

TEST_P(Scope, ChildrenMayReferToLocalsOfParent) {
    const auto main = []() -> task<int> {
        std::vector<std::atomic<int>> parts(20);
        co_await eddy::scope([&](auto& s) -> task<void> {
            for (auto& part : parts) s.spawn(add_one_later(part));
            co_return;
        });
        int sum = 0;
        for (const auto& part : parts) sum += part;
        co_return sum;
    };
    EXPECT_EQ(on.run(main()), 20);
}

TEST(ScopeOnALoop, EachTurnRunsQueuedChildren) {
    eddy::core loop;
    int runs = 0;
    loop.handle().spawn([&]() -> task<void> {
        co_await eddy::scope([&](auto& children) -> task<void> {
            for (int i = 0; i < 3; ++i) {
                children.spawn([&]() -> task<void> {
                    ++runs;
                    co_return;
                });
            }
            co_return;
        });
    });
    for (int i = 0; i < 3; ++i) loop.turn(0ms);
    EXPECT_EQ(runs, 3);
}

TEST_P(Scope, AwaitReturnsOutputOfBody) {
    const auto main = []() -> task<void> {
        EXPECT_EQ(co_await eddy::scope([](scope_handle&) -> task<int> { co_return 7; }), 7);
        const auto moved = co_await eddy::scope(
            [](scope_handle&) -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(8); });
        EXPECT_EQ(*moved, 8);
        const auto fine =
            co_await eddy::scope([](scope_handle&) -> task<eddy::result<std::string>> { co_return "nine"; });
        EXPECT_EQ(fine.value(), "nine");
        EXPECT_TRUE((co_await eddy::scope([](scope_handle&) { return eddy::ready(eddy::ok()); })).has_value());
        EXPECT_EQ(co_await eddy::scope([](scope_handle&) { return eddy::ready(10); }), 10);
    };
    on.run(main());
}

TEST_P(Scope, WorksAsMainFuture) {
    std::atomic<int> count = 0;
    auto scope = eddy::scope([&](auto& s) -> task<int> {
        for (int i = 0; i < 5; ++i) s.spawn(add_one_later(count));
        co_return 1;
    });
    EXPECT_EQ(on.run(std::move(scope)), 1);
    EXPECT_EQ(count, 5);
}

TEST_P(Scope, EndsAfterLastChild) {
    async_gate gate;
    census living;
    std::atomic<bool> body_has_ended = false;
    const auto child = [&]() -> task<void> {
        const auto mine = living.begin_life();
        co_await gate.wait();
        co_await eddy::yield_now();
    };
    const auto opener = [&]() -> task<void> {
        while (!body_has_ended || living.total() < 3) co_await eddy::yield_now();
        gate.open();
    };
    const auto main = [&]() -> task<void> {
        co_await eddy::scope([&](auto& s) -> task<void> {
            for (int i = 0; i < 3; ++i) s.spawn(child());
            s.spawn(opener());
            body_has_ended = true;
            co_return;
        });
        EXPECT_EQ(living.alive(), 0);
    };
    on.run(main());
    EXPECT_EQ(living.total(), 3);
}

// covers: R130
TEST_P(Scope, CallablesLiveAsLongAsTheirFutures) {
    const auto main = []() -> task<int> {
        std::atomic<int> sum = 0;
        co_await eddy::scope([&](auto& s) -> task<void> {
            s.spawn([&sum, text = std::string("a text that does not fit into the string itself")]() -> task<void> {
                co_await eddy::yield_now();
                sum += static_cast<int>(text.size());
            });
            s.spawn([&sum, one = std::make_unique<int>(1)] { sum += *one; });
            const auto copied = [&sum, kept = std::make_shared<int>(2)]() -> task<void> {
                co_await eddy::yield_now();
                sum += *kept;
            };
            s.spawn(copied);
            s.spawn(eddy::ready(5));
            co_return;
        });
        co_return sum;
    };
    EXPECT_EQ(on.run(main()), 47 + 1 + 2);
}

TEST_P(ScopeOnWorkers, ChildrenRunInParallel) {
    support::tally arrived;
    const auto meet = [&]() -> task<bool> {
        arrived.add();
        co_return arrived.wait_for(2);
    };
    const auto main = [&]() -> task<void> {
        co_await eddy::scope([&](auto& s) -> task<void> {
            s.spawn([&]() -> task<void> { EXPECT_TRUE(co_await meet()); });
            s.spawn([&]() -> task<void> { EXPECT_TRUE(co_await meet()); });
            co_return;
        });
    };
    on.run(main());
}

TEST_P(Scope, ChildrenMaySpawnChildren) {
    struct tree {
        std::atomic<int>& count;
        task<void> grow(scope_handle& s, int depth) {
            ++count;
            if (depth == 0) co_return;
            s.spawn(grow(s, depth - 1));
            co_await eddy::yield_now();
            s.spawn(grow(s, depth - 1));
        }
    };
    std::atomic<int> count = 0;
    tree planted{count};
    const auto main = [&]() -> task<void> {
        co_await eddy::scope([&](auto& s) -> task<void> {
            s.spawn(planted.grow(s, 9));
            co_return;
        });
    };
    on.run(main());
    EXPECT_EQ(count, 1023);
}

task<void> one_after_the_other(scope_handle& s, std::atomic<int>& count, int left) {
    ++count;
    if (left > 0) s.spawn(one_after_the_other(s, count, left - 1));
    co_return;
}

// covers: R044
TEST_P(Scope, LongChainOfChildrenEnds) {
    std::atomic<int> count = 0;
    const auto main = [&]() -> task<void> {
        co_await eddy::scope([&](auto& s) -> task<void> {
            s.spawn(one_after_the_other(s, count, 9'999));
            co_return;
        });
    };
    on.run(main());
    EXPECT_EQ(count, 10'000);
}

task<int> nested_in_bodies(int depth) {
    if (depth == 0) {
        co_await eddy::yield_now();
        co_return 0;
    }
    co_return co_await eddy::scope([&](auto&) -> task<int> { co_return 1 + co_await nested_in_bodies(depth - 1); });
}

task<void> nested_in_children(std::atomic<int>& count, int depth) {
    ++count;
    if (depth == 0) co_return;
    co_await eddy::scope([&](auto& s) -> task<void> {
        s.spawn(nested_in_children(count, depth - 1));
        co_return;
    });
}

TEST_P(Scope, NestsThousandDeepInBody) { EXPECT_EQ(on.run(nested_in_bodies(1000)), 1000); }

TEST_P(Scope, NestsThousandDeepInChildren) {
    std::atomic<int> count = 0;
    on.run(nested_in_children(count, 1000));
    EXPECT_EQ(count, 1001);
}

TEST_P(ScopeOnOneThread, NestedChildrenDoNotStarveQueuedTasks) {
    std::atomic<int> count = 0;
    int begun = 0;
    const auto other = [&]() -> task<void> {
        for (int i = 0; i < 2; ++i) co_await eddy::yield_now();
        begun = count;
    };
    const auto main = [&]() -> task<void> {
        auto beside = eddy::spawn(other());
        auto nested = eddy::spawn(nested_in_children(count, 1000));
        static_cast<void>(co_await nested);
        static_cast<void>(co_await beside);
    };
    on.run(main());
    EXPECT_EQ(count, 1001);
    EXPECT_LT(begun, 100) << "children of scopes have overtaken a queued task";
}

TEST_P(Scope, AbortEndsThousandNestedScopes) {
    census living;
    std::atomic<int> count = 0;
    struct nest {
        census& living;
        std::atomic<int>& count;
        task<void> down(int depth) {
            const auto mine = living.begin_life();
            ++count;
            if (depth == 0) co_await eddy::pending();
            co_await eddy::scope([&](auto& s) -> task<void> {
                s.spawn(down(depth - 1));
                co_return;
            });
        }
    } nested{living, count};
    const auto main = [&]() -> task<void> {
        auto handle = eddy::spawn(nested.down(1000));
        while (count < 1001) co_await eddy::yield_now();
        handle.abort();
        const auto ended = co_await handle;
        EXPECT_TRUE(!ended && ended.error().is_cancelled());
        EXPECT_EQ(living.alive(), 0);
    };
    on.run(main());
}

// ---- Failure ----

TEST_P(Scope, ChildExceptionCancelsSiblingsAndIsThrown) {
    census living;
    const auto fail = [&]() -> task<void> {
        while (living.total() < 4) co_await eddy::yield_now();
        throw std::runtime_error("broken");
    };
    const auto main = [&]() -> task<void> {
        std::string text;
        try {
            co_await eddy::scope([&](auto& s) -> task<void> {
                for (int i = 0; i < 3; ++i) s.spawn(wait_for_ever(living));
                s.spawn(fail());
                co_await wait_for_ever(living);
            });
        } catch (const std::runtime_error& e) {
            text = e.what();
        }
        EXPECT_EQ(text, "broken");
        EXPECT_EQ(living.alive(), 0);
    };
    on.run(main());
    EXPECT_EQ(living.total(), 4);
    EXPECT_TRUE(on.reports().empty());
}

TEST_P(Scope, ChildFailureAwaitsPollCancelOfSiblings) {
    async_gate may_end;
    std::atomic<int> cancels = 0;
    std::atomic<bool> is_over = false;
    const auto slow = [&](census& living) -> task<void> {
        const auto mine = living.begin_life();
        co_await ends_slowly(may_end, &cancels);
    };
    const auto main = [&]() -> task<void> {
        census living;
        auto watch = eddy::spawn([&]() -> task<void> {
            while (cancels < 2) co_await eddy::yield_now();
            EXPECT_FALSE(is_over);
            may_end.open();
        });
        std::string text;
        try {
            co_await eddy::scope([&](auto& s) -> task<void> {
                s.spawn(slow(living));
                s.spawn([&]() -> task<void> {
                    while (living.total() < 2) co_await eddy::yield_now();
                    throw std::runtime_error("broken");
                });
                co_await slow(living);
            });
        } catch (const std::runtime_error& e) {
            text = e.what();
        }
        is_over = true;
        EXPECT_EQ(text, "broken");
        EXPECT_EQ(living.alive(), 0);
        static_cast<void>(co_await watch);
    };
    on.run(main());
}

TEST_P(Scope, ChildErrorBecomesErrorOfExpectedOutput) {
    const auto main = []() -> task<void> {
        const auto outcome = co_await eddy::scope([](auto& s) -> task<eddy::result<int>> {
            s.spawn([]() -> task<eddy::result<void>> {
                co_return std::unexpected(std::make_error_code(std::errc::connection_reset));
            });
            co_await eddy::pending();
            co_return 1;
        });
        EXPECT_EQ(outcome.error(), std::errc::connection_reset);
    };
    on.run(main());
}

TEST_P(Scope, ChildErrorIsThrownIfBodyHasNoErrorType) {
    const auto main = []() -> task<void> {
        std::error_code code;
        try {
            co_await eddy::scope([](auto& s) -> task<void> {
                s.spawn([]() -> task<eddy::result<int>> {
                    co_return std::unexpected(std::make_error_code(std::errc::connection_reset));
                });
                co_return;
            });
        } catch (const std::system_error& e) {
            code = e.code();
        }
        EXPECT_EQ(code, std::errc::connection_reset);
    };
    on.run(main());
}

enum class fault { one = 1, two };

TEST_P(Scope, NonErrorCodeErrorsKeepTheirType) {
    const auto main = []() -> task<void> {
        const auto same = co_await eddy::scope([](auto& s) -> task<std::expected<int, fault>> {
            s.spawn([]() -> task<std::expected<void, fault>> { co_return std::unexpected(fault::two); });
            co_await eddy::pending();
            co_return 1;
        });
        EXPECT_EQ(same.error(), fault::two);

        std::string text;
        try {
            static_cast<void>(co_await eddy::scope([](auto& s) -> task<eddy::result<void>> {
                s.spawn([]() -> task<std::expected<void, std::string>> { co_return std::unexpected("late"); });
                co_await eddy::pending();
                co_return eddy::ok();
            }));
        } catch (const std::bad_expected_access<std::string>& e) {
            text = e.error();
        }
        EXPECT_EQ(text, "late");
    };
    on.run(main());
}

TEST_P(Scope, ConvertibleErrorsKeepTheirTypeWherePossible) {
    using elapsed = eddy::time::elapsed;
    const auto main = []() -> task<void> {
        // The error is converted to an error code if that is the error type of the scope's output.
        const auto as_code = co_await eddy::scope([](auto& s) -> task<eddy::result<void>> {
            s.spawn([]() -> task<std::expected<void, elapsed>> { co_return std::unexpected(elapsed()); });
            co_await eddy::pending();
            co_return eddy::ok();
        });
        EXPECT_EQ(as_code.error(), eddy::errc::timed_out);
        // The error is unchanged if it has the error type of the scope's output. This applies to a child and to the
        // body.
        const auto of_child = co_await eddy::scope([](auto& s) -> task<std::expected<void, elapsed>> {
            s.spawn([]() -> task<std::expected<void, elapsed>> { co_return std::unexpected(elapsed()); });
            co_await eddy::pending();
            co_return {};
        });
        EXPECT_EQ(of_child.error(), elapsed());
        const auto of_body = co_await eddy::scope(
            [](auto&) -> task<std::expected<void, eddy::errc>> { co_return std::unexpected(eddy::errc::write_zero); });
        EXPECT_EQ(of_body.error(), eddy::errc::write_zero);
    };
    on.run(main());
}

TEST_P(Scope, BodyFailureCancelsChildren) {
    census living;
    const auto main = [&]() -> task<void> {
        const auto outcome = co_await eddy::scope([&](auto& s) -> task<eddy::result<void>> {
            s.spawn(wait_for_ever(living));
            s.spawn(wait_for_ever(living));
            while (living.total() < 2) co_await eddy::yield_now();
            co_return std::unexpected(std::make_error_code(std::errc::broken_pipe));
        });
        EXPECT_EQ(outcome.error(), std::errc::broken_pipe);
        EXPECT_EQ(living.alive(), 0);

        std::string text;
        try {
            co_await eddy::scope([&](auto& s) -> task<void> {
                s.spawn(wait_for_ever(living));
                throw std::runtime_error("the body");
                co_return;
            });
        } catch (const std::runtime_error& e) {
            text = e.what();
        }
        EXPECT_EQ(text, "the body");
        EXPECT_EQ(living.alive(), 0);
    };
    on.run(main());
}

TEST_P(Scope, BodyThrowingBeforeItsTaskCancelsChildren) {
    census living;
    std::atomic<bool> has_run = false;
    const auto main = [&]() -> task<void> {
        auto broken = eddy::scope([&](auto& s) -> task<void> {
            s.spawn([&]() -> task<void> {
                const auto mine = living.begin_life();
                has_run = true;
                co_await eddy::pending();
            });
            throw std::runtime_error("in place");
        });
        std::string text;
        try {
            co_await broken;
        } catch (const std::runtime_error& e) {
            text = e.what();
        }
        EXPECT_EQ(text, "in place");
        // The scope still exists, but its children do not.
        EXPECT_EQ(living.alive(), 0);
    };
    on.run(main());
}

TEST_P(Scope, FirstFailureIsReported) {
    struct fails_when_it_dies {
        scope_handle& s;
        ~fails_when_it_dies() {
            s.spawn([]() -> task<void> { throw std::runtime_error("second"); });
        }
    };
    const auto main = [&]() -> task<void> {
        std::string text;
        try {
            co_await eddy::scope([&](auto& s) -> task<void> {
                s.spawn([&s]() -> task<void> {
                    const fails_when_it_dies local{s};
                    co_await eddy::pending();
                });
                s.spawn([]() -> task<void> { throw std::runtime_error("first"); });
                try {
                    co_await eddy::pending();
                } catch (...) {
                    ADD_FAILURE() << "a cancelled await must not throw";
                }
            });
        } catch (const std::runtime_error& e) {
            text = e.what();
        }
        EXPECT_EQ(text, "first");
    };
    on.run(main());
}

TEST_P(Scope, FailureAfterEndOfBodyIsReported) {
    const auto main = [&]() -> task<void> {
        std::atomic<bool> body_has_ended = false;
        const auto outcome = co_await eddy::scope([&](auto& s) -> task<eddy::result<int>> {
            s.spawn([&]() -> task<eddy::result<void>> {
                while (!body_has_ended) co_await eddy::yield_now();
                co_await eddy::yield_now();
                co_return std::unexpected(std::make_error_code(std::errc::io_error));
            });
            body_has_ended = true;
            co_return 5;
        });
        EXPECT_EQ(outcome.error(), std::errc::io_error);
    };
    on.run(main());
}

TEST_P(Scope, TryWorksInsideBodyAndAroundScope) {
    census living;
    const auto inner = [&]() -> task<eddy::result<int>> {
        const int value = co_await eddy::try_(eddy::scope([&](auto& s) -> task<eddy::result<int>> {
            s.spawn(wait_for_ever(living));
            while (living.total() == 0) co_await eddy::yield_now();
            const int got = co_await eddy::try_(
                eddy::ready(eddy::result<int>(std::unexpect, std::make_error_code(std::errc::timed_out))));
            co_return got;
        }));
        ADD_FAILURE() << "the body continued after an error";
        co_return value;
    };
    EXPECT_EQ(on.run(inner()).error(), std::errc::timed_out);
    EXPECT_EQ(living.alive(), 0);
}

TEST_P(Scope, TryInChildFailsScope) {
    const auto main = []() -> task<eddy::result<void>> {
        co_await eddy::try_(eddy::scope([](auto& s) -> task<eddy::result<void>> {
            s.spawn([]() -> task<eddy::result<void>> {
                co_await eddy::yield_now();
                const int got = co_await eddy::try_(
                    eddy::ready(eddy::result<int>(std::unexpect, std::make_error_code(std::errc::no_link))));
                static_cast<void>(got);
                co_return eddy::ok();
            });
            co_return eddy::ok();
        }));
        co_return eddy::ok();
    };
    EXPECT_EQ(on.run(main()).error(), std::errc::no_link);
}

TEST_P(Scope, ChildFailureAwaitsPollCancelOfBody) {
    async_gate may_end;
    std::atomic<int> cancels = 0;
    const auto main = [&]() -> task<void> {
        auto watch = eddy::spawn([&]() -> task<void> {
            while (cancels == 0) co_await eddy::yield_now();
            may_end.open();
        });
        std::string text;
        try {
            co_await eddy::scope([&](auto& s) -> task<void> {
                s.spawn([]() -> task<void> { throw std::runtime_error("child"); });
                co_await ends_slowly(may_end, &cancels);
            });
        } catch (const std::runtime_error& e) {
            text = e.what();
        }
        EXPECT_EQ(text, "child");
        EXPECT_TRUE(may_end.is_open());
        static_cast<void>(co_await watch);
    };
    on.run(main());
}

// A failure wakes the parent even if the child is spawned from outside while the scope has no other children.
TEST_P(Scope, FailingChildSpawnedFromOutsideFailsScope) {
    const auto main = []() -> task<void> {
        async_gate is_waiting;
        scope_handle* children = nullptr;
        auto other = eddy::spawn([&]() -> task<void> {
            co_await is_waiting.wait();
            children->spawn([]() -> task<void> { throw std::runtime_error("from elsewhere"); });
        });
        std::string text;
        try {
            co_await eddy::scope([&](auto& s) -> task<void> {
                children = &s;
                co_await eddy::yield_now();
                co_await eddy::poll_fn([&](eddy::context&) -> eddy::poll_result<void> {
                    is_waiting.open();
                    return eddy::not_ready;
                });
            });
        } catch (const std::runtime_error& e) {
            text = e.what();
        }
        EXPECT_EQ(text, "from elsewhere");
        static_cast<void>(co_await other);
    };
    on.run(main());
}

// ---- s.cancel() ----

TEST_P(Scope, CancelEndsChildrenAndBodyContinues) {
    census living;
    const auto main = [&]() -> task<int> {
        co_return co_await eddy::scope([&](auto& s) -> task<int> {
            for (int i = 0; i < 5; ++i) s.spawn(wait_for_ever(living));
            while (living.total() < 5) co_await eddy::yield_now();
            EXPECT_FALSE(s.is_cancelled());
            s.cancel();
            s.cancel();
            EXPECT_TRUE(s.is_cancelled());
            while (living.alive() > 0) co_await eddy::yield_now();
            co_return 3;
        });
    };
    EXPECT_EQ(on.run(main()), 3);
}

// covers: R137
TEST_P(Scope, SpawnIntoCancelledScopeNeverRuns) {
    census living;
    std::atomic<int> runs = 0;
    const auto never = [&](census::life) -> task<void> {
        ++runs;
        co_return;
    };
    const auto main = [&]() -> task<void> {
        co_await eddy::scope([&](auto& s) -> task<void> {
            s.cancel();
            s.spawn(never(living.begin_life()));
            s.spawn([&, mine = living.begin_life()] { ++runs; });
            s.spawn([&, mine = living.begin_life()]() -> task<void> { return never(mine); });
            co_return;
        });
        EXPECT_EQ(living.alive(), 0);
    };
    on.run(main());
    EXPECT_EQ(runs, 0);
}

// covers: R137
TEST_P(Scope, ChildCancellingItsScopeRunsToNextAwait) {
    std::atomic<int> steps = 0;
    const auto main = [&]() -> task<void> {
        co_await eddy::scope([&](auto& s) -> task<void> {
            s.spawn([&]() -> task<void> {
                s.cancel();
                ++steps;
                s.spawn([&] { ++steps; });  // cancelled immediately
                co_await eddy::yield_now();
                ++steps;
            });
            co_return;
        });
    };
    on.run(main());
    EXPECT_EQ(steps, 1);
}

// covers: R135
TEST_P(Scope, CancelPreventsPollOfWokenChild) {
    if (GetParam() > 1) GTEST_SKIP() << "another worker would run the child immediately";
    async_gate gate;
    census living;
    bool went_on = false;
    const auto main = [&]() -> task<void> {
        co_await eddy::scope([&](auto& s) -> task<void> {
            s.spawn([&]() -> task<void> {
                const auto mine = living.begin_life();
                co_await gate.wait();
                went_on = true;
            });
            while (gate.waiting() == 0) co_await eddy::yield_now();
            gate.open();
            s.cancel();
            co_return;
        });
    };
    on.run(main());
    EXPECT_FALSE(went_on);
    EXPECT_EQ(living.alive(), 0);
}

}  // namespace
