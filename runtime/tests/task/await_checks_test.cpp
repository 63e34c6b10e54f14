// SPDX-License-Identifier: MIT
// Mistakes of a program, and of its compiler, that the library detects when a coroutine runs.
// covers: B20
// runs: asan, plain
#include <eddy/prelude.hpp>
#include <eddy/runtime.hpp>
#include <eddy/stream.hpp>
#include <eddy/task.hpp>
#include <eddy/test/by_hand.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <exception>
#include <expected>
#include <optional>
#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <support/sanitizers.hpp>

namespace {

using namespace std::chrono_literals;
using eddy::result;
using eddy::task;

// ---- Reports of mistakes that only GCC lets a program make ----

/// Expects that `f` throws a misuse at `where` whose text contains `remedy`.
template <class F>
void expect_report(F f, std::string_view remedy, const std::source_location& where) {
    try {
        f();
        ADD_FAILURE() << "nothing was thrown";
    } catch (const eddy::misuse& thrown) {
        EXPECT_NE(std::string_view(thrown.what()).find(remedy), std::string_view::npos) << thrown.what();
        EXPECT_EQ(thrown.where().line(), where.line());
    }
}

TEST(AwaitReports, ContainRemedyAndLocation) {
    namespace detail = eddy::detail;
    const auto here = std::source_location::current();
    const auto site = detail::call_site_of(here);
    expect_report([&] { std::rethrow_exception(detail::missing_co_return(site)); },
                  "end every path of it with a co_return", here);
    expect_report([&] { detail::throw_resumed_too_early(here); }, "before its co_await was ready", here);
    expect_report([&] { detail::throw_lambda_is_gone(here); }, "pass the lambda without calling it", here);
}

TEST(AwaitReportsDeathTest, OnlyAwaitsThatTheCompilerDiscardsAreReported) {
    namespace detail = eddy::detail;
    const auto site = detail::call_site_of(std::source_location::current());
    const auto nothing = eddy::waker::noop();
    eddy::context polls(nothing);
    detail::slot_base outcome;
    detail::frame root;
    root.outcome = &outcome;
    root.at = detail::stack_position::resumes(root);
    detail::check_abandoned_await(root, site, 0);  // the task is cancelled
    root.at = detail::stack_position::polled(polls);
    outcome.frame_is = detail::slot_base::fate::ended;
    detail::check_abandoned_await(root, site, 0);  // `try_` ends the coroutine
    outcome.frame_is = detail::slot_base::fate::running;
    detail::check_abandoned_await(root, site, -1);  // an exception leaves the await
    EXPECT_DEATH(detail::check_abandoned_await(root, site, 0),
                 "evaluated both branches of a conditional expression.*await_checks_test.cpp:");
}

// ---- An await whose output is not used ----

#if EDDY_CHECKS && defined(__GNUC__) && !defined(__clang__)

task<int> value(int n) { co_return n; }
task<int> later(int n) {
    co_await eddy::yield_now();
    co_return n;
}
// These coroutines contain the mistake that docs/compilers.md describes: co_await in both branches of `?:`.
task<int> both_branches(bool first) {
    co_return first ? co_await value(1) : co_await value(2);  // eddy-check: ignore
}
task<int> both_branches_that_wait(bool first) {
    co_return first ? co_await later(1) : co_await later(2);  // eddy-check: ignore
}

constexpr const char* discards = "evaluated both branches of a conditional expression.*await_checks_test.cpp:";

// covers: P130 I20.1.5
TEST(AwaitChecksDeathTest, AwaitInUnchosenSecondBranchIsReported) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(static_cast<void>(eddy::wait(both_branches(true))), discards);
}
// covers: I20.1.5
TEST(AwaitChecksDeathTest, AwaitInUnchosenFirstBranchIsReported) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(static_cast<void>(eddy::wait(both_branches(false))), discards);
}
// covers: P130 I20.1.5
TEST(AwaitChecksDeathTest, WaitInUnchosenBranchIsReported) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(static_cast<void>(eddy::wait(both_branches_that_wait(true))), discards);
}
#endif

// ---- A coroutine that GCC 12 miscompiles ----

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ == 12 && __GNUC_MINOR__ < 4

task<bool> yes() { co_return true; }
task<bool> throws_bool() {
    throw std::runtime_error("thrown");
    co_return true;
}
// These coroutines contain the mistake that docs/compilers.md describes: co_await in the condition of `if`, `while` or
// `switch`, or as an operand of `||`, and no local variable.
task<int> with_if() {
    if (!co_await yes()) co_return 1;  // eddy-check: ignore
    co_return 2;
}
task<int> with_exception() {
    if (co_await throws_bool()) co_return 1;  // eddy-check: ignore
    co_return 2;
}
task<int> with_while(int n) {
    while (!co_await yes()) ++n;  // eddy-check: ignore
    co_return n;
}
task<int> with_switch() {
    switch (co_await yes() ? 1 : 2) {  // eddy-check: ignore
    case 1: co_return 1;
    default: co_return 2;
    }
}
task<int> with_or(bool b) {
    if (b || co_await yes()) co_return 3;  // eddy-check: ignore
    co_return 4;
}
eddy::async_generator<int> with_if_in_generator() {
    if (co_await yes()) co_yield 1;  // eddy-check: ignore
}

constexpr const char* miscompiled = "GCC 12 has miscompiled a coroutine.*The coroutine is .at .*await_checks_test.cpp:";

TEST(MiscompiledDeathTest, CallOfCoroutineIsReportedWithLocation) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(static_cast<void>(with_if()), miscompiled);
    EXPECT_DEATH(static_cast<void>(with_exception()), miscompiled);
    EXPECT_DEATH(static_cast<void>(with_while(1)), miscompiled);
    EXPECT_DEATH(static_cast<void>(with_switch()), miscompiled);
    EXPECT_DEATH(static_cast<void>(with_or(true)), miscompiled);
    EXPECT_DEATH(static_cast<void>(with_if_in_generator()), miscompiled);
}
#endif

TEST(AwaitReportsDeathTest, MiscompiledCoroutineIsNamed) {
    const auto site = eddy::detail::call_site_of(std::source_location::current());
    EXPECT_DEATH(eddy::detail::end_miscompiled(site), "Store the awaited value in a variable.*await_checks_test.cpp:");
}

task<int> one() { co_return 1; }
task<result<int>> fails() { co_return std::unexpected(make_error_code(std::errc::broken_pipe)); }
task<int> throws() {
    throw std::runtime_error("thrown");
    co_return 1;
}

// covers: P130 I20.1.5
TEST(AwaitChecks, CancelledCoroutineIsNotReported) {
    // GCC uses the outputs of all awaits at the end of their expression. The cancelled coroutine does not reach that
    // end.
    const auto waits = []() -> task<int> {
        const int sum = co_await one() + co_await eddy::pending<int>();
        co_return sum;
    };
    std::optional<eddy::test::by_hand<task<int>>> work(std::in_place, waits());
    EXPECT_FALSE(work->poll().is_ready());
    work.reset();
}
TEST(AwaitChecks, ErrorThatEndsTheCoroutineIsNotReported) {
    const auto work = []() -> task<result<int>> {
        const int sum = co_await one() + co_await eddy::try_(fails());
        co_return sum;
    };
    EXPECT_EQ(eddy::wait(work()).error(), std::errc::broken_pipe);
}
TEST(AwaitChecks, ExceptionThatEndsTheCoroutineIsNotReported) {
    const auto work = []() -> task<int> {
        const int sum = co_await one() + co_await throws();
        co_return sum;
    };
    EXPECT_THROW(static_cast<void>(eddy::wait(work())), std::runtime_error);
}
TEST(AwaitChecks, ExceptionCaughtAroundAnAwaitIsNotReported) {
    const auto work = []() -> task<int> {
        try {
            const int got = co_await throws();
            co_return got;
        } catch (const std::runtime_error&) {
        }
        const int got = co_await one();
        co_return got + 1;
    };
    EXPECT_EQ(eddy::wait(work()), 2);
}
TEST(AwaitChecks, AwaitsDuringStackUnwindingAreNotReported) {
    // An await completes during stack unwinding.
    struct runs_a_loop {
        int& got;
        ~runs_a_loop() {
            eddy::core core;
            got = core.run(one());
        }
    };
    int got = 0;
    try {
        const runs_a_loop guard{got};
        throw std::runtime_error("thrown");
    } catch (const std::runtime_error&) {
    }
    EXPECT_EQ(got, 1);
}

// ---- Recursion that needs native stack ----

#if EDDY_CHECKS
task<long> through_lvalues(long n) {
    if (n == 0) co_return 0;
    auto next = through_lvalues(n - 1);
    const long sum = co_await next;
    co_return sum + 1;
}
task<long> through_boxes(long n) {
    if (n == 0) co_return 0;
    auto next = eddy::boxed_future<long>(through_boxes(n - 1));
    const long sum = co_await next;
    co_return sum + 1;
}
task<long> through_joins(long n) {
    if (n == 0) co_return 0;
    const auto both = co_await eddy::join(through_joins(n - 1), eddy::ready(1L));
    co_return both.first + both.second;
}
task<long> through_timeouts(long n) {
    if (n == 0) co_await eddy::yield_now();
    if (n == 0) co_return 0;
    const auto sum = co_await eddy::time::timeout(1min, through_timeouts(n - 1));
    co_return *sum + 1;
}

constexpr const char* uses_up = "the native stack of this thread is used up.*co_await is .at .*await_checks_test.cpp:";

// covers: P143
TEST(NativeStackDeathTest, TooDeepRecursionIsReported) {
    if (support::is_sanitized) GTEST_SKIP() << "sanitizers change the native stack";
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    constexpr long many = 1'000'000;
    EXPECT_DEATH(static_cast<void>(eddy::wait(through_lvalues(many))), uses_up);
    EXPECT_DEATH(static_cast<void>(eddy::wait(through_boxes(many))), uses_up);
    EXPECT_DEATH(static_cast<void>(eddy::run(through_joins(many))), uses_up);
    EXPECT_DEATH(
        {
            auto pool = eddy::runtime::builder().worker_threads(1).build().value();
            static_cast<void>(pool.block_on([]() -> task<void> {
                auto handle = eddy::spawn(through_timeouts(many));
                static_cast<void>(co_await handle);
            }()));
        },
        uses_up);
}

// covers: P143
TEST(NativeStack, RecursionThatFitsIsNotReported) {
    EXPECT_EQ(eddy::wait(through_lvalues(100)), 100);
    eddy::core core;
    EXPECT_EQ(core.run(through_timeouts(100)), 100);
}
#endif

TEST(NativeStack, RecursionThroughRvaluesNeedsNoNativeStack) {
    constexpr long many = 100'000;
    struct deep {
        static task<long> sum(long n) {
            if (n == 0) co_return 0;
            const long rest = co_await sum(n - 1);
            co_return rest + 1;
        }
    };
    EXPECT_EQ(eddy::wait(deep::sum(many)), many);
}

// ---- A destructor that throws ----

/// Throws in its destructor.
struct throws_at_end {
    throws_at_end() noexcept {}
    throws_at_end(const throws_at_end&) = delete;
    throws_at_end& operator=(const throws_at_end&) = delete;
    ~throws_at_end() noexcept(false) { throw std::runtime_error("cannot close"); }
};
task<void> waits_with_throwing_local() {
    const throws_at_end local;
    co_await eddy::pending<void>();
}

constexpr const char* throws_in_destructor =
    "the destructor of a local variable has thrown .cannot close..*await_checks_test.cpp:";

// covers: P144
TEST(ThrowingDestructorDeathTest, ExceptionInAbortedTaskIsReported) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(
        {
            eddy::core core;
            core.run([]() -> task<void> {
                auto handle = eddy::spawn(waits_with_throwing_local());
                co_await eddy::yield_now();
                handle.abort();
                static_cast<void>(co_await handle);
            }());
        },
        throws_in_destructor);
}

// covers: P144
TEST(ThrowingDestructorDeathTest, ExceptionInDroppedTaskIsReported) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(eddy::run([]() -> task<void> {
                     const auto outer = []() -> task<void> { co_await waits_with_throwing_local(); };
                     static_cast<void>(co_await eddy::select_biased(outer(), eddy::ready()));
                 }()),
                 throws_in_destructor);
}

// covers: P144
TEST(ThrowingDestructorDeathTest, ExceptionOfAnyTypeIsReported) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    struct throws_number {
        throws_number() noexcept {}
        throws_number(const throws_number&) = delete;
        throws_number& operator=(const throws_number&) = delete;
        ~throws_number() noexcept(false) { throw 7; }
    };
    const auto waits = []() -> task<void> {
        const throws_number local;
        co_await eddy::pending<void>();
    };
    EXPECT_DEATH(eddy::run([](auto& work) -> task<void> {
                     static_cast<void>(co_await eddy::select_biased(work(), eddy::ready()));
                 }(waits)),
                 "has thrown .an exception that is not a std::exception.*await_checks_test.cpp:");
}

// ---- The coroutine of a lambda that is destroyed before it runs ----

/// Sets `ran` to true if `text` still has its value. The lambda that captured `text` may have been destroyed.
task<void> use(const std::string& text, bool& ran) {
    ran = text == "a text that is too long for the buffer inside of a string";
    co_return;
}
const std::string long_text = "a text that is too long for the buffer inside of a string";

// These tests call a temporary lambda and use its coroutine after the lambda is destroyed. The library compares the
// address of the lambda with the native stack. Clang does not pass the lambda to the coroutine's promise, so it has no
// such check. AddressSanitizer stores the lambda on a stack of its own.
#if !defined(__clang__)
// covers: P135 I20.2.6
TEST(LambdaCoroutine, SpawnOfCalledTemporaryIsMisuse) {
    if (support::is_sanitized) GTEST_SKIP() << "AddressSanitizer moves locals to its own stack";
    eddy::core core;
    unsigned line = 0;
    std::optional<eddy::misuse> thrown;
    core.run([](unsigned& at, std::optional<eddy::misuse>& got) -> task<void> {
        const std::string text = long_text;
        bool ran = false;
        try {
            at = std::source_location::current().line() + 1;
            eddy::spawn([text, &ran]() -> task<void> { return use(text, ran); });
            at = std::source_location::current().line() + 1;
            eddy::spawn([text, &ran]() -> task<void> { co_await use(text, ran); }());
        } catch (const eddy::misuse& e) {
            got = e;
        }
        co_await eddy::yield_now();
    }(line, thrown));
    ASSERT_TRUE(thrown.has_value());
    EXPECT_NE(std::string(thrown->what()).find("pass the lambda without calling it"), std::string::npos);
    EXPECT_EQ(thrown->where().line(), line);
}

// covers: P135
TEST(LambdaCoroutine, AwaitOfTaskOfDestroyedLambdaIsMisuse) {
    if (support::is_sanitized) GTEST_SKIP() << "AddressSanitizer moves locals to its own stack";
    eddy::core core;
    bool refused = false;
    core.run([](bool& got) -> task<void> {
        const std::string text = long_text;
        bool ran = false;
        auto work = [text, &ran]() -> task<void> { co_await use(text, ran); }();
        try {
            co_await std::move(work);
        } catch (const eddy::misuse&) {
            got = true;
        }
    }(refused));
    EXPECT_TRUE(refused);
}

/// Creates a coroutine whose lambda is destroyed at the end of the expression, before the coroutine starts.
#define EDDY_TEST_DEAD_LAMBDA()                  \
    [text = long_text]() -> task<int> {          \
        co_await eddy::yield_now();              \
        co_return static_cast<int>(text.size()); \
    }()

// covers: P135
TEST(LambdaCoroutine, CombinatorOverTaskOfDestroyedLambdaIsMisuse) {
    if (support::is_sanitized) GTEST_SKIP() << "AddressSanitizer moves locals to its own stack";
    eddy::core core;
    const auto expect_misuse = [&](const char* what, auto make) {
        const auto call = [](auto& get) -> task<void> {
            auto work = get();
            static_cast<void>(co_await work);
        };
        try {
            core.run(call(make));
            ADD_FAILURE() << what;
        } catch (const eddy::misuse& e) {
            EXPECT_NE(std::string(e.what()).find("pass the lambda without calling it"), std::string::npos) << what;
        }
    };
    expect_misuse("an lvalue", [] { return EDDY_TEST_DEAD_LAMBDA(); });
    expect_misuse("join", [] { return eddy::join(EDDY_TEST_DEAD_LAMBDA(), eddy::ready(1)); });
    expect_misuse("select", [] { return eddy::select(EDDY_TEST_DEAD_LAMBDA(), eddy::pending<int>()); });
    expect_misuse("race", [] { return eddy::race(EDDY_TEST_DEAD_LAMBDA(), eddy::pending<int>()); });
    expect_misuse("timeout", [] { return eddy::time::timeout(1s, EDDY_TEST_DEAD_LAMBDA()); });
    expect_misuse("boxed_future", [] { return eddy::boxed_future<int>(EDDY_TEST_DEAD_LAMBDA()); });
    expect_misuse("map", [] { return EDDY_TEST_DEAD_LAMBDA().map([](int n) { return n; }); });
    const auto several = [] {
        std::vector<task<int>> made;
        for (int i = 0; i < 3; ++i) made.push_back(EDDY_TEST_DEAD_LAMBDA());
        return made;
    };
    expect_misuse("join_all", [&] { return eddy::join_all(several()); });
    expect_misuse("select_all", [&] { return eddy::select_all(several()); });
}

// covers: P135 I20.2.6
TEST(LambdaCoroutine, SpawnOfFutureOfDestroyedLambdaIsMisuse) {
    if (support::is_sanitized) GTEST_SKIP() << "AddressSanitizer moves locals to its own stack";
    eddy::core core;
    core.run([]() -> task<void> {
        auto handle = eddy::spawn(eddy::time::timeout(1s, EDDY_TEST_DEAD_LAMBDA()));
        const auto ended = co_await handle;
        EXPECT_NE(ended.error().what().find("pass the lambda without calling it"), std::string::npos);
    }());
}

// covers: P135 I20.2.7
TEST(LambdaCoroutine, TaskOwnerReportsTaskOfDestroyedLambda) {
    if (support::is_sanitized) GTEST_SKIP() << "AddressSanitizer moves locals to its own stack";
    int reports = 0;
    auto core = eddy::core::builder().on_uncaught([&](const auto&...) { ++reports; }).build().value();
    core.run([]() -> task<void> {
        eddy::task_owner owner;
        owner.spawn(EDDY_TEST_DEAD_LAMBDA());
        co_await eddy::yield_now();
        co_await owner.close();
    }());
    EXPECT_EQ(reports, 1);
}
#undef EDDY_TEST_DEAD_LAMBDA
#endif

TEST(LambdaCoroutine, ExistingLambdaMayStartInsideAnotherFuture) {
    eddy::core core;
    const auto sum = core.run([]() -> task<int> {
        const auto work = [text = long_text](int n) -> task<int> {
            co_await eddy::yield_now();
            co_return static_cast<int>(text.size()) + n;
        };
        const int size = static_cast<int>(long_text.size());
        auto both = co_await eddy::join(work(1), eddy::time::timeout(1s, work(2)));
        auto boxed = eddy::boxed_future<int>(work(3));
        const int third = co_await boxed;
        auto handle = eddy::spawn(eddy::time::timeout(1s, work(4)));
        const auto fourth = co_await handle;
        co_return both.first + *both.second + third + **fourth - 4 * size;
    }());
    EXPECT_EQ(sum, 10);
}

TEST(LambdaCoroutine, SpawnKeepsLambdaUntilItsTaskEnds) {
    eddy::core core;
    bool ran = false;
    core.run([](bool& done) -> task<void> {
        const std::string text = long_text;
        auto work = eddy::spawn([text, &done]() -> task<void> { co_await use(text, done); });
        static_cast<void>(co_await work);
    }(ran));
    EXPECT_TRUE(ran);
}

// covers: P135
TEST(LambdaCoroutine, CoroutineOfLocalLambdaCanBeSpawned) {
    eddy::core core;
    int ran = 0;
    core.run([](int& done) -> task<void> {
        const auto work = [&done](int n) -> task<void> {
            co_await eddy::yield_now();
            done += n;
        };
        eddy::join_set<void> set;
        for (int i = 1; i <= 3; ++i) set.spawn(work(i));  // eddy-check: ignore: all are joined
        while (auto each = co_await set.join_next()) EXPECT_TRUE(each->has_value());
    }(ran));
    EXPECT_EQ(ran, 6);
}

TEST(LambdaCoroutine, CoroutineOfLambdaOutsideLoopCanBeSpawned) {
    eddy::core core;
    int ran = 0;
    const auto work = [&ran]() -> task<void> {
        ++ran;
        co_return;
    };
    core.run([](const auto& lambda) -> task<void> {
        auto handle = eddy::spawn(lambda());
        static_cast<void>(co_await handle);
        co_await lambda();
    }(work));
    EXPECT_EQ(ran, 2);
}

TEST(LambdaCoroutine, LambdaCalledInAwaitExpressionLivesLongEnough) {
    bool ran = false;
    eddy::wait([](bool& done) -> task<void> {
        const std::string* text = &long_text;
        co_await [text, &done]() -> task<void> { co_await use(*text, done); }();
    }(ran));
    EXPECT_TRUE(ran);
}

TEST(LambdaCoroutine, UnstartedCoroutineCanBeDroppedAndMoved) {
    const auto work = [n = 3]() -> task<int> { co_return n; };
    {
        [[maybe_unused]] const auto dropped = work();
    }
    auto moved = work();
    moved = work();
    auto last = std::move(moved);
    EXPECT_EQ(eddy::wait(last), 3);
    auto cancelled = work();
    const auto noop = eddy::waker::noop();
    eddy::context cx(noop);
    EXPECT_TRUE(cancelled.poll_cancel(cx).is_ready());
}

// ---- try_ of an rvalue ----

/// Fails the test if it is moved.
class counts_moves {
public:
    using output_type = result<int>;
    explicit counts_moves(int& moves) : moves_(&moves) {}
    counts_moves(counts_moves&& other) noexcept : moves_(other.moves_) { ++*moves_; }
    counts_moves& operator=(counts_moves&&) = delete;
    ~counts_moves() = default;
    eddy::poll_result<output_type> poll(eddy::context&) { return output_type(7); }

private:
    int* moves_;
};

// covers: I20.2.8
TEST(TryOfRvalue, DoesNotMoveTheFuture) {
    int moves = 0;
    const auto work = [&]() -> task<result<int>> {
        counts_moves named(moves);
        const int first = co_await eddy::try_(std::move(named));
        const int second = co_await eddy::try_(counts_moves(moves));
        co_return first + second;
    };
    EXPECT_EQ(eddy::wait(work()), 14);
    EXPECT_EQ(moves, 0);
}

// covers: I20.2.8
TEST(TryOfRvalue, PlainAwaitDoesNotMoveTheFutureEither) {
    int moves = 0;
    const auto work = [&]() -> task<int> {
        counts_moves named(moves);
        const auto first = co_await std::move(named);
        const auto second = co_await counts_moves(moves);
        co_return first.value() + second.value();
    };
    EXPECT_EQ(eddy::wait(work()), 14);
    EXPECT_EQ(moves, 0);
}

// ---- The value of a failed result ----

#if defined(_GLIBCXX_ASSERTIONS)
// covers: I20.2.5
TEST(FailedResultDeathTest, AccessToTheValueIsReported) {
    const result<std::string> failed = std::unexpected(make_error_code(std::errc::broken_pipe));
    const result<void> failed_void = std::unexpected(make_error_code(std::errc::broken_pipe));
    EXPECT_DEATH(static_cast<void>(*failed), "Assertion '.*_M_has_value.*' failed");
    EXPECT_DEATH(static_cast<void>(failed->size()), "Assertion '.*_M_has_value.*' failed");
    EXPECT_DEATH(*failed_void, "Assertion '.*_M_has_value.*' failed");
}
#endif

// ---- Futures that were moved after their first poll ----

// covers: P107 I20.2.9
TEST(MovedFutureDeathTest, SleepNamesTheCallSite) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(
        {
            eddy::core core;
            core.run([]() -> task<void> {
                auto nap = eddy::time::sleep(1h);
                const auto got = co_await eddy::select_biased(std::ref(nap), eddy::ready());
                auto moved = std::move(nap);
                static_cast<void>(got);
                co_await moved;
            }());
        },
        "a sleep was moved while it waits.*await_checks_test.cpp:");
}
// covers: P107 I20.2.9
TEST(MovedFutureDeathTest, CancelledNamesTheCallSite) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(
        {
            const eddy::sync::cancellation_token token;
            eddy::test::by_hand waits{eddy::poll_fn([of = token.cancelled(), moved = std::vector<int>()](
                                                        eddy::context& cx) mutable -> eddy::poll_result<void> {
                static_cast<void>(of.poll(cx));
                auto taken = std::move(of);
                return taken.poll(cx);
            })};
            static_cast<void>(waits.poll());
        },
        "cancelled.. was moved after its first poll.*await_checks_test.cpp:");
}

}  // namespace
