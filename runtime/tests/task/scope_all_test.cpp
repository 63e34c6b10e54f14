// SPDX-License-Identifier: MIT
// Scopes whose children are passed as arguments: scope(a, b, ...) and scope_all().
#include <eddy/task/scope_all.hpp>

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
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

#include <eddy/future/deadline.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/future/select.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/task/scope.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/spawn_blocking.hpp>
#include <eddy/task/task.hpp>
#include <eddy/task/task_local.hpp>
#include <eddy/time/timeout.hpp>

#include "support/executors.hpp"
#include "support/gate.hpp"
#include "support/poll_once.hpp"
#include "support/polling.hpp"
#include "support/runtime.hpp"
#include "support/runtime/on_executor.hpp"
#include "support/stress.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::task;
using support::async_gate;
using support::census;
using support::ends_slowly;
using support::executor;
using support::poll_once;
using support::wait_for_ever;

/// Runs on an event loop, and on runtimes with 1, 2 and 4 workers.
class ScopeAll : public support::on_executor {};
INSTANTIATE_TEST_SUITE_P(, ScopeAll, testing::Values(0u, 1u, 2u, 4u), support::name_of_executor);

/// For tests that need several workers.
class ScopeAllOnWorkers : public support::on_executor {};
INSTANTIATE_TEST_SUITE_P(, ScopeAllOnWorkers, testing::Values(2u, 4u), support::name_of_executor);

/// Yields `yields` times, then returns `value`.
template <class T>
task<T> later(T value, int yields = 3) {
    for (int i = 0; i < yields; ++i) co_await eddy::yield_now();
    co_return value;
}

/// Throws when `living` has counted `others` tasks.
task<void> fail_after(census& living, int others) {
    while (living.total() < others) co_await eddy::yield_now();
    throw std::runtime_error("broken");
}

/// Awaits `scope`. Returns the text of the exception that it throws.
template <class S>
task<std::string> text_of_failure(S scope) {
    try {
        static_cast<void>(co_await std::move(scope));
    } catch (const std::runtime_error& e) {
        co_return e.what();
    }
    co_return "(nothing was thrown)";
}

task<std::uint64_t> fib(std::uint64_t n) {
    if (n < 2) co_return n;
    const auto [first, second] = co_await eddy::scope(fib(n - 1), fib(n - 2));
    co_return first + second;
}

// ---- Outputs ----

TEST_P(ScopeAll, OutputsAreInOrderOfChildren) {
    const auto main = []() -> task<void> {
        for (const int yields : {0, 3}) {
            const auto nothing = [yields]() -> task<void> {
                for (int i = 0; i < yields; ++i) co_await eddy::yield_now();
            };
            auto all = co_await eddy::scope(later(1, yields), nothing(), later(std::string("two"), yields),
                                            later(std::make_unique<int>(3), yields));
            static_assert(std::is_same_v<decltype(all.second), std::monostate>);
            EXPECT_EQ(all.first, 1);
            EXPECT_EQ(all.third, "two");
            EXPECT_EQ(*all.fourth, 3);
        }
    };
    on.run(main());
}

TEST_P(ScopeAll, ChildrenMayBeAnyFutures) {
    const auto main = []() -> task<void> {
        auto kept = later(5);
        const auto [one, two] = co_await eddy::scope(eddy::ready(1), std::ref(kept));
        EXPECT_EQ(one, 1);
        EXPECT_EQ(two, 5);
        const auto both = co_await eddy::scope(eddy::time::timeout(1h, later(2)), eddy::time::timeout(1h, later(3)));
        EXPECT_EQ(both.value().second, 3);
    };
    on.run(main());
}

TEST_P(ScopeAll, RangeReturnsVector) {
    const auto main = []() -> task<void> {
        for (const int size : {0, 1, 2, 1000}) {
            std::vector<task<int>> children;
            for (int i = 0; i < size; ++i) children.push_back(later(i, i % 7 == 6 ? 2 : 0));
            const std::vector<int> outputs = co_await eddy::scope_all(std::move(children));
            EXPECT_EQ(outputs.size(), static_cast<std::size_t>(size));
            for (int i = 0; i < size; ++i) EXPECT_EQ(outputs[static_cast<std::size_t>(i)], i);
        }
    };
    on.run(main());
}

TEST_P(ScopeAll, ArrayReturnsArray) {
    const auto main = []() -> task<void> {
        // Not in one expression: GCC 12 destroys the elements of a braced list twice if a co_await is in it.
        std::array children{later(1, 0), later(2), later(3, 0)};
        const std::array<int, 3> outputs = co_await eddy::scope_all(std::move(children));
        EXPECT_EQ(outputs, (std::array{1, 2, 3}));
        const std::array<std::monostate, 0> none = co_await eddy::scope_all(std::array<task<void>, 0>());
        EXPECT_TRUE(none.empty());
    };
    on.run(main());
}

TEST_P(ScopeAll, TreeOfScopesReturnsItsSum) { EXPECT_EQ(on.run(fib(18)), 2584u); }

TEST_P(ScopeAll, ChildrenMayReferToLocalsOfParent) {
    const auto main = []() -> task<void> {
        std::array<std::atomic<int>, 2> parts{};
        const auto add = [](std::atomic<int>& to, int yields) -> task<void> {
            for (int i = 0; i < yields; ++i) co_await eddy::yield_now();
            ++to;
        };
        static_cast<void>(co_await eddy::scope(add(parts[0], 0), add(parts[1], 3)));
        EXPECT_EQ(parts[0], 1);
        EXPECT_EQ(parts[1], 1);
    };
    on.run(main());
}

TEST_P(ScopeAll, WorksAsMainFutureAndInsideOtherFutures) {
    EXPECT_EQ(on.run(eddy::scope(later(1), later(2))).second, 2);
    const auto main = []() -> task<void> {
        auto handle = eddy::spawn(eddy::scope(later(1), later(2)));
        const auto joined = co_await handle;
        EXPECT_EQ(joined.value().first, 1);
        const auto first = co_await eddy::select(eddy::scope(later(1), later(2)), eddy::pending());
        EXPECT_EQ(first.index(), 0u);
        const auto both = co_await eddy::join(eddy::scope(later(1), fib(5)), eddy::scope(fib(6), later(2)));
        EXPECT_EQ(both.first.second, 5u);
        EXPECT_EQ(both.second.first, 8u);
    };
    on.run(main());
}

// ---- Execution of the children ----

TEST_P(ScopeAllOnWorkers, ChildrenRunInParallel) {
    const auto main = [&]() -> task<void> {
        for (int round = 0; round < 100; ++round) {
            support::tally arrived;
            const auto meet = [&]() -> task<bool> {
                arrived.add();
                co_return arrived.wait_for(2);
            };
            const auto [first, second] = co_await eddy::scope(meet(), meet());
            EXPECT_TRUE(first);
            EXPECT_TRUE(second);
        }
    };
    on.run(main());
}

TEST_P(ScopeAllOnWorkers, ManyChildrenOfOneRangeRunInParallel) {
    const unsigned workers = GetParam();
    support::tally arrived;
    const auto meet = [&](bool waits) -> task<bool> {
        if (!waits) co_return true;
        arrived.add();
        co_return arrived.wait_for(workers);
    };
    const auto main = [&]() -> task<void> {
        std::vector<task<bool>> children;
        // More children than a worker offers at a time. Those that wait for each other are far apart.
        for (unsigned i = 0; i < 40 * workers; ++i) children.push_back(meet(i % 40 == 20));
        for (const bool met : co_await eddy::scope_all(std::move(children))) EXPECT_TRUE(met);
    };
    on.run(main());
}

TEST_P(ScopeAllOnWorkers, ChildrenAreOfferedOnceOuterOffersAreTaken) {
    support::tally begun;
    support::tally taken;
    support::tally arrived;
    const auto first = [&]() -> task<void> {
        begun.add();
        EXPECT_TRUE(taken.wait_for(8));
        co_return;
    };
    const auto meet = [&]() -> task<void> {
        arrived.add();
        EXPECT_TRUE(arrived.wait_for(2));
        co_return;
    };
    // Begins while its worker has enough offers: each of the other workers has taken at most one.
    const auto inner = [&]() -> task<void> { co_await eddy::scope(first(), meet(), meet()); };
    const auto outer = [&]() -> task<void> {
        EXPECT_TRUE(begun.wait_for(1));
        taken.add();
        co_return;
    };
    const auto main = [&]() -> task<void> {
        co_await eddy::scope(inner(), outer(), outer(), outer(), outer(), outer(), outer(), outer(), outer());
    };
    on.run(main());
}

TEST_P(ScopeAllOnWorkers, BlockingCallInChildLetsOthersRun) {
    support::tally arrived;
    const auto meet = [&]() -> task<bool> {
        co_return eddy::block_in_place([&] {
            arrived.add();
            return arrived.wait_for(8);
        });
    };
    const auto main = [&]() -> task<void> {
        std::vector<task<bool>> children;
        for (int i = 0; i < 8; ++i) children.push_back(meet());
        for (const bool met : co_await eddy::scope_all(std::move(children))) EXPECT_TRUE(met);
    };
    on.run(main());
}

TEST_P(ScopeAll, ChildMayWaitAfterBlockingCall) {
    if (on.is_core()) GTEST_SKIP() << "an event loop has no other thread";
    const auto child = []() -> task<int> {
        eddy::block_in_place([] {});
        co_await eddy::yield_now();
        co_return 1;
    };
    const auto main = [&]() -> task<void> {
        const auto [a, b, c] = co_await eddy::scope(child(), later(1), child());
        EXPECT_EQ(a + b + c, 3);
    };
    on.run(main());
}

TEST(ScopeAllOnTwoWorkers, OtherChildRunsWhileOneBlocks) {
    const auto rt = support::make_runtime(2);
    support::gate is_busy;
    support::gate may_end;
    support::gate has_run;
    // One worker is busy and takes no child. So only the thread that takes over the other worker can run it.
    const auto busy = [&]() -> task<bool> {
        is_busy.open();
        co_return may_end.wait();
    };
    const auto block = [&]() -> task<bool> { co_return eddy::block_in_place([&] { return has_run.wait(); }); };
    const auto open = [&]() -> task<void> {
        has_run.open();
        co_return;
    };
    const auto parent = [&]() -> task<void> {
        const auto [was_opened, nothing] = co_await eddy::scope(block(), open());
        EXPECT_TRUE(was_opened) << "the other child was offered, and nothing has taken it";
    };
    auto other = rt.spawn(busy());
    ASSERT_TRUE(is_busy.wait());
    rt.block_on(rt.spawn(parent())).value();
    may_end.open();
    EXPECT_TRUE(rt.block_on(std::move(other)).value());
}

TEST_P(ScopeAllOnWorkers, ManyChildrenFollowBlockingCall) {
    const unsigned workers = GetParam();
    const auto main = [&]() -> task<void> {
        support::tally arrived;
        const auto meet = [&]() -> task<void> {
            arrived.add();
            EXPECT_TRUE(arrived.wait_for(workers));
            co_return;
        };
        std::vector<eddy::join_handle<void>> others;
        for (unsigned i = 0; i < workers; ++i) others.push_back(eddy::spawn(meet()));
        // The others occupy all workers. So this thread has lost its worker when the call returns.
        const auto block = [&]() -> task<int> {
            EXPECT_TRUE(eddy::block_in_place([&] { return arrived.wait_for(workers); }));
            co_return 0;
        };
        std::vector<task<int>> children;  // more than a worker offers at a time
        children.push_back(block());
        for (int i = 1; i < 300; ++i) children.push_back(later(i, i % 2));
        const std::vector<int> outputs = co_await eddy::scope_all(std::move(children));
        EXPECT_EQ(outputs.back(), 299);
        for (auto& other : others) static_cast<void>(co_await other);
    };
    on.run(main());
}

TEST_P(ScopeAll, ChildrenThatWaitRunConcurrently) {
    async_gate first;
    async_gate second;
    const auto left = [&]() -> task<int> {
        first.open();
        co_await second.wait();
        co_return 1;
    };
    const auto right = [&]() -> task<int> {
        co_await first.wait();
        second.open();
        co_return 2;
    };
    const auto main = [&]() -> task<void> {
        const auto [a, b] = co_await eddy::scope(left(), right());
        EXPECT_EQ(a + b, 3);
        async_gate third;
        const auto waits = [&]() -> task<int> {
            co_await third.wait();
            co_return 3;
        };
        const auto opens = [&]() -> task<int> {
            third.open();
            co_return 4;
        };
        const auto [c, d] = co_await eddy::scope(waits(), opens());
        EXPECT_EQ(c + d, 7);
    };
    on.run(main());
}

task<int> nested(int depth) {
    if (depth == 0) co_return 0;
    const auto [below, one] = co_await eddy::scope(nested(depth - 1), eddy::ready(1));
    co_return below + one;
}

TEST_P(ScopeAll, DeepTreeDoesNotFillNativeStack) { EXPECT_EQ(on.run(nested(20'000)), 20'000); }

TEST(ScopeAllOutside, ChildrenAreTasksOfEnteredRuntime) {
    auto runtime = support::make_runtime(2);
    const auto entered = runtime.enter();
    const auto here = std::this_thread::get_id();
    const auto other_thread = [here]() -> task<bool> { co_return std::this_thread::get_id() != here; };
    const auto both = eddy::wait(eddy::scope(other_thread(), other_thread()));
    EXPECT_TRUE(both.first && both.second);
}

TEST_P(ScopeAll, ChildrenSeeDeadlineAndNoTaskLocals) {
    static eddy::task_local<int> number;
    const auto look = [](int yields) -> task<void> {
        for (int i = 0; i <= yields; ++i) {
            EXPECT_EQ(number.try_with([](int) {}), false);
            EXPECT_TRUE(eddy::current_deadline().has_value());
            co_await eddy::yield_now();
        }
    };
    const auto both = [&]() -> task<void> {
        static_cast<void>(co_await eddy::scope(look(0), look(3), look(0)));
        EXPECT_EQ(number.get(), 7);
    };
    const auto main = [&]() -> task<void> {
        EXPECT_TRUE(co_await eddy::with_deadline(eddy::time::clock::now() + 1h, number.scope(7, both())));
    };
    on.run(main());
}

// ---- Failure ----

TEST_P(ScopeAll, ExceptionCancelsOthersAndIsThrown) {
    const auto main = []() -> task<void> {
        for (int place = 0; place < 3; ++place) {
            census living;
            std::vector<task<void>> children;
            for (int i = 0; i < 3; ++i) children.push_back(i == place ? fail_after(living, 2) : wait_for_ever(living));
            EXPECT_EQ(co_await text_of_failure(eddy::scope_all(std::move(children))), "broken");
            EXPECT_EQ(living.alive(), 0);
        }
    };
    on.run(main());
    EXPECT_TRUE(on.reports().empty());
}

TEST_P(ScopeAll, ImmediateExceptionPreventsLaterChildren) {
    const auto main = []() -> task<void> {
        census living;
        EXPECT_EQ(co_await text_of_failure(eddy::scope(fail_after(living, 0), wait_for_ever(living))), "broken");
        EXPECT_EQ(living.alive(), 0);
        EXPECT_EQ(co_await text_of_failure(eddy::scope(wait_for_ever(living), fail_after(living, 0))), "broken");
        EXPECT_EQ(living.alive(), 0);
    };
    on.run(main());
}

TEST_P(ScopeAll, FailureAwaitsPollCancelOfOthers) {
    async_gate may_end;
    std::atomic<int> cancels = 0;
    census living;
    const auto slow = [&]() -> task<void> {
        const auto mine = living.begin_life();
        co_await ends_slowly(may_end, &cancels);
    };
    const auto main = [&]() -> task<void> {
        auto opener = eddy::spawn([&]() -> task<void> {
            while (cancels < 2) co_await eddy::yield_now();
            EXPECT_EQ(living.alive(), 2);
            may_end.open();
        });
        EXPECT_EQ(co_await text_of_failure(eddy::scope(slow(), fail_after(living, 2), slow())), "broken");
        EXPECT_EQ(living.alive(), 0);
        static_cast<void>(co_await opener);
    };
    on.run(main());
}

task<eddy::result<int>> number_or(std::errc error, int value, int yields) {
    for (int i = 0; i < yields; ++i) co_await eddy::yield_now();
    if (error != std::errc()) co_return std::unexpected(std::make_error_code(error));
    co_return value;
}

TEST_P(ScopeAll, ErrorIsTheErrorOfTheOutput) {
    const auto main = []() -> task<void> {
        for (const int yields : {0, 2}) {
            const auto fine = co_await eddy::scope(number_or({}, 1, yields), number_or({}, 2, yields));
            EXPECT_EQ(fine.value().second, 2);
            const auto of_first = co_await eddy::scope(number_or(std::errc::io_error, 1, yields), number_or({}, 2, 0));
            EXPECT_EQ(of_first.error(), std::errc::io_error);
            const auto of_last = co_await eddy::scope(number_or({}, 2, 0), number_or(std::errc::io_error, 1, yields));
            EXPECT_EQ(of_last.error(), std::errc::io_error);

            std::vector<task<eddy::result<int>>> children;
            for (int i = 0; i < 5; ++i) children.push_back(number_or({}, i, yields));
            const auto of_vector = co_await eddy::scope_all(std::move(children));
            EXPECT_EQ(of_vector.value().back(), 4);
            std::array both{number_or({}, 1, 0), number_or(std::errc::io_error, 1, yields)};
            const auto of_array = co_await eddy::scope_all(std::move(both));
            EXPECT_EQ(of_array.error(), std::errc::io_error);
        }
    };
    on.run(main());
}

TEST_P(ScopeAll, ErrorsConvertToOneType) {
    using elapsed = eddy::time::elapsed;
    const auto main = []() -> task<void> {
        const auto late = []() -> task<std::expected<int, elapsed>> { co_return std::unexpected(elapsed()); };
        const auto mixed = co_await eddy::scope(number_or({}, 1, 0), late());
        static_assert(std::is_same_v<decltype(mixed)::error_type, std::error_code>);
        EXPECT_EQ(mixed.error(), eddy::errc::timed_out);
        const auto text = []() -> task<std::expected<void, std::string>> { co_return std::unexpected("no"); };
        const auto same = co_await eddy::scope(text(), text());
        EXPECT_EQ(same.error(), "no");
    };
    on.run(main());
}

// ---- Ended early ----

TEST_P(ScopeAll, AbortAwaitsPollCancelOfChildren) {
    async_gate may_end;
    std::atomic<int> cancels = 0;
    census living;
    const auto slow = [&]() -> task<void> {
        const auto mine = living.begin_life();
        co_await ends_slowly(may_end, &cancels);
    };
    const auto main = [&]() -> task<void> {
        auto handle = eddy::spawn(eddy::scope(slow(), slow(), slow()));
        while (living.total() < 3) co_await eddy::yield_now();
        handle.abort();
        while (cancels < 3) co_await eddy::yield_now();
        EXPECT_FALSE(handle.is_finished());
        may_end.open();
        const auto ended = co_await handle;
        EXPECT_TRUE(!ended && ended.error().is_cancelled());
        EXPECT_EQ(living.alive(), 0);
    };
    on.run(main());
}

TEST_P(ScopeAll, DestructorDestroysWaitingChildren) {
    census living;
    const auto main = [&]() -> task<void> {
        {
            auto scope = eddy::scope(wait_for_ever(living), wait_for_ever(living), later(1));
            EXPECT_FALSE(co_await poll_once(scope));
        }
        EXPECT_EQ(living.alive(), 0);
        const auto outcome =
            co_await eddy::time::timeout(1ms, eddy::scope(wait_for_ever(living), wait_for_ever(living)));
        EXPECT_FALSE(outcome.has_value());
        EXPECT_EQ(living.alive(), 0);
    };
    on.run(main());
}

TEST_P(ScopeAllOnWorkers, DestructorWaitsForChildThatIsBeingPolled) {
    const auto main = []() -> task<void> {
        std::atomic<bool> has_begun = false;
        std::atomic<bool> may_end = false;
        std::atomic<bool> has_ended = false;
        const auto busy = [&]() -> task<void> {
            co_await eddy::yield_now();
            has_begun = true;
            while (!may_end) std::this_thread::yield();
            has_ended = true;
        };
        {
            auto scope = eddy::scope(eddy::pending(), busy());
            EXPECT_FALSE(co_await poll_once(scope));
            while (!has_begun) std::this_thread::yield();  // this worker's queued task is taken by another worker
            may_end = true;
        }
        EXPECT_TRUE(has_ended);
    };
    on.run(main());
}

TEST_P(ScopeAll, NeverPolledScopeRunsNothing) {
    bool has_begun = false;
    const auto begin = [&]() -> task<void> {
        has_begun = true;
        co_return;
    };
    const auto main = [&]() -> task<void> {
        static_cast<void>(eddy::scope(begin(), begin()));
        const auto first = co_await eddy::select_biased(eddy::ready(1), eddy::scope(begin(), begin()));
        EXPECT_EQ(first.index(), 0u);
    };
    on.run(main());
    EXPECT_FALSE(has_begun);
}

TEST_P(ScopeAll, EndOfRuntimeDestroysChildren) {
    census living;
    {
        executor ends{GetParam()};
        const auto main = [&]() -> task<void> {
            static_cast<void>(eddy::spawn(eddy::scope(wait_for_ever(living), wait_for_ever(living))));
            while (living.total() < 2) co_await eddy::yield_now();
        };
        ends.run(main());
    }
    EXPECT_EQ(living.alive(), 0);
}

TEST(ScopeAllOutside, ShutdownOfRuntimeIsAnError) {
    auto runtime = support::make_runtime(2);
    const auto entered = runtime.enter();
    std::move(runtime).shutdown_background();
    try {
        static_cast<void>(eddy::wait(eddy::scope(later(1), later(2))));
        ADD_FAILURE() << "nothing was thrown";
    } catch (const std::system_error& e) {
        EXPECT_EQ(e.code(), eddy::errc::runtime_shutdown);
    }
    const auto outcome = eddy::wait(eddy::scope(number_or({}, 1, 0), number_or({}, 2, 0)));
    EXPECT_EQ(outcome.error(), eddy::errc::runtime_shutdown);
}

// ---- Misuse ----

TEST_P(ScopeAll, SecondAwaitIsMisuse) {
    const auto main = []() -> task<void> {
        auto scope = eddy::scope(later(1), later(2));
        static_cast<void>(co_await scope);
        std::string text;
        try {
            static_cast<void>(co_await scope);
        } catch (const eddy::misuse& e) {
            text = e.what();
        }
        EXPECT_NE(text.find("a scope was awaited after it had ended"), std::string::npos) << text;
    };
    on.run(main());
}

TEST(ScopeAllOutside, ScopeWithoutRuntimeIsMisuse) {
    auto scope = eddy::scope(later(1), later(2));
    const std::string text =
        support::text_of_misuse([&] { static_cast<void>(support::poll_with(scope, eddy::waker())); });
    EXPECT_NE(text.find("scope"), std::string::npos) << text;
}

// ---- Stress ----

/// A tree of scopes whose nodes wait, fail and are dropped at random.
class random_tree {
public:
    explicit random_tree(census& living) : living_(living) {}

    /// Returns the number of leaves below, or throws.
    task<int> grow(std::uint64_t seed, int depth) {
        const auto mine = living_.begin_life();
        std::minstd_rand random(static_cast<unsigned>(seed % 2'147'483'629 + 1));
        const auto draw = [&](unsigned below) { return static_cast<unsigned>(random()) % below; };
        draw(2);
        for (unsigned i = draw(8) == 0 ? draw(3) : 0; i > 0; --i) co_await eddy::yield_now();
        if (draw(400) == 0) throw std::runtime_error("broken");
        if (depth == 0) co_return 1;
        const auto below = [&] { return grow(random(), depth - 1); };
        if (draw(50) == 0) {  // dropped after its first poll
            auto dropped = eddy::scope(below(), below());
            try {
                static_cast<void>(co_await poll_once(dropped));
            } catch (const std::runtime_error&) {  // NOLINT(bugprone-empty-catch): the scope has ended
            }
        }
        if (draw(2) == 0) {
            const auto [a, b] = co_await eddy::scope(below(), below());
            co_return a + b;
        }
        std::vector<task<int>> children;
        for (unsigned i = 0; i < 3; ++i) children.push_back(below());
        int sum = 0;
        for (const int leaves : co_await eddy::scope_all(std::move(children))) sum += leaves;
        co_return sum;
    }

private:
    census& living_;
};

TEST_P(ScopeAll, RandomTreesEnd) {
    const auto rounds = support::rounds(2000);
    census living;
    random_tree tree(living);
    const auto main = [&]() -> task<void> {
        std::minstd_rand random(7);
        int whole = 0;
        for (std::uint64_t round = 0; round < rounds; ++round) {
            bool has_failed = false;
            try {
                EXPECT_GE(co_await tree.grow(random(), 6), 64);
                ++whole;
            } catch (const std::runtime_error&) {
                has_failed = true;
            }
            EXPECT_EQ(living.alive(), 0) << "round " << round << (has_failed ? ", which failed" : "");
        }
        EXPECT_GT(whole, 0);
    };
    on.run(main());
}

TEST_P(ScopeAll, ManySmallScopes) {
    const auto rounds = support::rounds(100'000);
    const auto main = [&]() -> task<void> {
        for (std::uint64_t round = 0; round < rounds; ++round) {
            const auto [a, b] = co_await eddy::scope(eddy::ready(1), later(2, round % 64 == 0 ? 1 : 0));
            EXPECT_EQ(a + b, 3);
        }
    };
    on.run(main());
}

}  // namespace
