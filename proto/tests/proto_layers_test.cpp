// SPDX-License-Identifier: MIT
// Services and layers: polled by hand, and on an event loop with a paused clock.
#include <eddy/proto.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <expected>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/future/deadline.hpp>
#include <eddy/future/join.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/sync/semaphore.hpp>
#include <eddy/task/join_set.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/test/advance.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/test/run_paused.hpp>
#include <eddy/time/sleep.hpp>

#include "support/scripted.hpp"

namespace {

using namespace std::chrono_literals;
namespace proto = eddy::proto;
using eddy::errc;
using eddy::make_error_code;
using eddy::result;
using eddy::task;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::assert_ready_error;
using eddy::test::assert_ready_ok;
using eddy::test::by_hand;
using eddy::test::run_paused;
using eddy::time::backoff;
using eddy::time::clock;
using eddy::time::sleep;
using support::numbered_scripts;
using support::plan;
using support::script;
using support::scripted;

const auto io_error = std::make_error_code(std::errc::io_error);

/// A service whose call with the request `n` follows the script `n`.
auto following(std::vector<script>& scripts) {
    return [&scripts](int n) { return scripted(scripts[static_cast<std::size_t>(n)]); };
}

// ---- Services ----

task<result<int>> twice(int n) { co_return 2 * n; }

TEST(ProtoService, TypesAreThoseOfTheCallOperator) {
    const auto lambda = [](const std::string&) -> task<result<std::size_t>> { co_return std::size_t{0}; };
    static_assert(std::is_same_v<proto::request_t<decltype(lambda)>, std::string>);
    static_assert(std::is_same_v<proto::response_t<decltype(lambda)>, std::size_t>);
    static_assert(proto::service<decltype(&twice)>);
    static_assert(proto::service<std::function<task<int>(int)>>);
    const auto plain = [](int) { return 1; };
    const auto generic = [](auto) -> task<int> { co_return 1; };
    auto changing = [n = 0](int) mutable -> task<int> { co_return ++n; };
    static_assert(!proto::service<decltype(plain)> && !proto::service<decltype(generic)>);
    static_assert(!proto::service<decltype(changing)>);
}

TEST(ProtoService, OutputsBecomeResults) {
    enum class why { no };
    struct no_answer {
        std::error_code to_error_code() const { return io_error; }
    };
    run_paused([]() -> task<> {
        const auto plain = [](int n) -> task<int> { co_return n; };
        const auto nothing = [](int) -> task<> { co_return; };
        const auto other = [](int) -> task<std::expected<int, no_answer>> { co_return std::unexpected(no_answer()); };
        const auto made = [](int n) { return eddy::ready(result<int>(n)); };
        const auto a = co_await (plain | proto::timeout(1s))(1);
        const auto b = co_await (nothing | proto::timeout(1s))(1);
        const auto c = co_await (other | proto::timeout(1s))(1);
        const auto d = co_await (made | proto::timeout(1s))(4);
        EXPECT_EQ(a, 1);
        EXPECT_TRUE(b);
        EXPECT_EQ(c.error(), io_error);
        EXPECT_EQ(d, 4);
    });
}

// covers: S92
TEST(ProtoService, LastLayerIsOutermost) {
    run_paused([]() -> task<> {
        const auto echo = [](std::string text) -> task<result<std::string>> { co_return text; };
        const auto add = [](const char* what) {
            return proto::map_request([what](std::string text) { return text + what; }) |
                   proto::map_response([what](std::string text) { return text + what; });
        };
        // The request passes 2 and then 1; the response passes 1 and then 2.
        const auto handler = echo | add("1") | add("2");
        const auto answer = co_await handler("x");
        EXPECT_EQ(answer, "x2112");
        const auto both = add("1") | add("2");
        const auto same = co_await (echo | both)("x");
        EXPECT_EQ(same, "x2112");
    });
}

TEST(ProtoService, LayerIsMadeFromFunction) {
    run_paused([]() -> task<> {
        std::string seen;
        const auto noted = proto::layer([&seen](auto inner) {
            return [&seen, inner](int n) -> task<result<int>> {
                seen += std::to_string(n);
                co_return co_await inner(n + 1);
            };
        });
        const auto answer = co_await (&twice | noted | proto::timeout(1s) | noted)(1);
        EXPECT_EQ(answer, 6);
        EXPECT_EQ(seen, "12");
    });
}

TEST(ProtoService, BoxedServicePassesOnLoadShed) {
    auto scripts = numbered_scripts(2);
    const auto limited = following(scripts) | proto::concurrency_limit(1);
    const proto::boxed_service<int, int> boxed = limited;
    const proto::boxed_service<int, int> copy = boxed;
    const auto shedding = copy | proto::load_shed();
    by_hand first(boxed(0));
    by_hand second(shedding(1));
    assert_pending(first.poll());
    EXPECT_EQ(assert_ready_error(second.poll()), errc::overloaded);
    scripts[0].change(plan::ready);
    EXPECT_EQ(assert_ready_ok(first.poll()), 0);
}

TEST(ProtoService, BoxedServiceOwnsRequestUntilCallEnds) {
    const auto length = [](const std::string& text) -> task<result<std::size_t>> {
        co_await eddy::yield_now();
        co_return text.size();
    };
    const proto::boxed_service<std::string, std::size_t> boxed = length;
    by_hand call(boxed(std::string(100, 'x')));
    assert_pending(call.poll());
    EXPECT_EQ(assert_ready_ok(call.poll()), 100u);
}

TEST(ProtoService, MappedResponseMayBeError) {
    auto scripts = numbered_scripts(2);
    for (auto& each : scripts) each.now = plan::ready;
    const auto positive = following(scripts) | proto::map_response([](int n) -> result<std::string> {
                              if (n == 0) return std::unexpected(io_error);
                              return std::to_string(n);
                          });
    static_assert(std::is_same_v<proto::response_t<decltype(positive)>, std::string>);
    by_hand a(positive(0)), b(positive(1));
    EXPECT_EQ(assert_ready_error(a.poll()), io_error);
    EXPECT_EQ(assert_ready_ok(b.poll()), "1");
}

// ---- timeout ----

TEST(ProtoTimeout, EndsCallAtDeadline) {
    run_paused([]() -> task<> {
        bool is_dropped = false;
        const auto slow = [&](int n) -> task<result<int>> {
            const struct note {
                bool& at_end;
                ~note() { at_end = true; }
            } dropped{is_dropped};
            EXPECT_TRUE(eddy::current_deadline().has_value());
            co_await sleep(std::chrono::milliseconds(n));
            co_return n;
        };
        const auto limited = slow | proto::timeout(10ms);
        const auto start = clock::now();
        const auto quick = co_await limited(9);
        EXPECT_EQ(quick, 9);
        is_dropped = false;
        const auto late = co_await limited(1000);
        EXPECT_EQ(late.error(), errc::timed_out);
        EXPECT_TRUE(is_dropped);
        EXPECT_EQ(clock::now() - start, 19ms);
    });
}

// ---- concurrency_limit and load_shed ----

TEST(ProtoConcurrencyLimit, WaitingCallsStartInOrder) {
    auto scripts = numbered_scripts(4);
    const auto limited = following(scripts) | proto::concurrency_limit(2);
    by_hand a(limited(0)), b(limited(1)), c(limited(2)), d(limited(3));
    for (auto* each : {&a, &b, &c, &d}) assert_pending(each->poll());
    EXPECT_TRUE(scripts[0].alive && scripts[1].alive && !scripts[2].alive && !scripts[3].alive);
    scripts[1].change(plan::fails);  // an error returns the permit, too
    EXPECT_EQ(assert_ready_error(b.poll()), io_error);
    EXPECT_TRUE(c.is_woken() && !d.is_woken());
    assert_pending(c.poll());
    EXPECT_TRUE(scripts[2].alive);
    scripts[0].change(plan::throws);  // an exception returns the permit, too
    EXPECT_THROW(static_cast<void>(a.poll()), std::runtime_error);
    assert_pending(d.poll());
    EXPECT_TRUE(scripts[3].alive);
}

TEST(ProtoConcurrencyLimit, DroppedCallsReturnTheirPermits) {
    auto scripts = numbered_scripts(3);
    const auto limited = following(scripts) | proto::concurrency_limit(1);
    const auto copy = limited;  // NOLINT(performance-unnecessary-copy-initialization): shares the limit
    by_hand a(limited(0)), b(copy(1)), c(limited(2));
    for (auto* each : {&a, &b, &c}) assert_pending(each->poll());
    b.drop();  // while it waits
    a.drop();  // while it runs
    assert_pending(c.poll());
    EXPECT_TRUE(scripts[2].alive && !scripts[0].alive && scripts[1].polls == 0);
}

TEST(ProtoLoadShed, RejectsCallThatWouldWait) {
    run_paused([]() -> task<> {
        auto scripts = numbered_scripts(3);
        // load_shed() reaches the limit through other layers.
        const auto limited = following(scripts) | proto::concurrency_limit(1) | proto::timeout(1h) |
                             proto::map_response([](int n) { return n; }) | proto::load_shed();
        by_hand a(limited(0)), b(limited(1)), c(limited(2));
        assert_pending(a.poll());
        EXPECT_EQ(assert_ready_error(b.poll()), errc::overloaded);
        EXPECT_EQ(scripts[1].polls, 0);
        a.drop();
        assert_pending(c.poll(0));  // a used-up coop budget does not reject a call
        EXPECT_TRUE(scripts[2].alive);
        co_return;
    });
}

TEST(ProtoConcurrencyLimit, ZeroIsMisuse) {
    EXPECT_THROW(static_cast<void>(proto::concurrency_limit(0)), eddy::misuse);
    EXPECT_THROW(static_cast<void>(proto::rate_limit(0, 1s)), eddy::misuse);
    EXPECT_THROW(static_cast<void>(proto::buffer(0)), eddy::misuse);
}

// ---- rate_limit ----

TEST(ProtoRateLimit, LimitHoldsInAnyInterval) {
    run_paused([]() -> task<> {
        const auto start = clock::now();
        std::vector<std::chrono::milliseconds> starts;
        const auto noted = [&](int) -> task<result<int>> {
            starts.push_back(std::chrono::duration_cast<std::chrono::milliseconds>(clock::now() - start));
            co_return 0;
        };
        const auto limited = noted | proto::rate_limit(2, 100ms);
        const auto a = co_await limited(0);
        co_await sleep(90ms);
        eddy::join_set<result<int>> all;  // 2 calls per 100 ms: these start at 90, 100, 190 and 200 ms
        for (int i = 0; i < 4; ++i) all.spawn(limited(i));
        while (auto ended = co_await all.join_next()) EXPECT_TRUE(ended->has_value());
        EXPECT_TRUE(a);
        EXPECT_EQ(starts, (std::vector{0ms, 90ms, 100ms, 190ms, 200ms}));
        const auto shed = co_await (limited | proto::load_shed())(0);
        EXPECT_EQ(shed.error(), errc::overloaded);
        co_await sleep(90ms);
        const auto late = co_await (limited | proto::load_shed())(0);
        EXPECT_TRUE(late);
    });
}

TEST(ProtoRateLimit, CallDroppedWhileItWaitsDoesNotCount) {
    run_paused([]() -> task<> {
        const auto start = clock::now();
        const auto limited = twice | proto::rate_limit(1, 100ms);
        const auto first = co_await limited(1);
        {
            by_hand waiting(limited(1));
            assert_pending(waiting.poll());
        }
        const auto second = co_await limited(2);
        EXPECT_EQ(clock::now() - start, 100ms);
        EXPECT_TRUE(first && second);
    });
}

TEST(ProtoRateLimit, LongestIntervalNeverEnds) {
    run_paused([]() -> task<> {
        const auto limited = twice | proto::rate_limit(1, std::chrono::nanoseconds::max());
        const auto first = co_await limited(1);
        EXPECT_EQ(first, 2);
        by_hand waiting(limited(2));
        assert_pending(waiting.poll());
        EXPECT_FALSE(waiting.is_woken());
        co_await sleep(24h * 365);
        EXPECT_FALSE(waiting.is_woken());
    });
}

// ---- retry ----

auto delays(std::size_t count) { return backoff(10ms).jitter(0).max_retries(count); }

TEST(ProtoRetry, RepeatsUntilSuccess) {
    run_paused([]() -> task<> {
        int calls = 0;
        const auto failing = [&](std::string text) -> task<result<std::string>> {
            if (++calls < 4) co_return std::unexpected(io_error);
            co_return std::move(text);
        };
        const auto start = clock::now();
        const auto answer = co_await (failing | proto::retry(proto::retry_policy(delays(3))))("copied each time");
        EXPECT_EQ(answer, "copied each time");
        EXPECT_EQ(calls, 4);
        EXPECT_EQ(clock::now() - start, 70ms);
        calls = -100;
        const auto given_up = co_await (failing | proto::retry(proto::retry_policy(delays(2))))("x");
        EXPECT_EQ(given_up.error(), io_error);
        EXPECT_EQ(calls, -97);
    });
}

TEST(ProtoRetry, PredicateOrExceptionEndsRetries) {
    run_paused([]() -> task<> {
        auto scripts = numbered_scripts(2);
        scripts[0].now = plan::fails;
        scripts[1].now = plan::throws;
        const auto policy =
            proto::retry_policy(delays(5)).when([](const std::error_code& error) { return error != io_error; });
        const auto retried = following(scripts) | proto::retry(policy);
        const auto answer = co_await retried(0);
        EXPECT_EQ(answer.error(), io_error);
        by_hand second(retried(1));
        EXPECT_THROW(static_cast<void>(second.poll()), std::runtime_error);
        EXPECT_TRUE(scripts[0].polls == 1 && scripts[1].polls == 1);
    });
}

TEST(ProtoRetry, BudgetMayBeUnlimited) {
    constexpr double unlimited = std::numeric_limits<double>::infinity();
    proto::retry_budget any(0, unlimited);
    proto::retry_budget each(unlimited, 0);
    for (int i = 0; i < 1000; ++i) {
        EXPECT_TRUE(any.withdraw());
        each.deposit();
        EXPECT_TRUE(each.withdraw());
    }
}

TEST(ProtoRetry, DropDuringDelayEndsRetries) {
    run_paused([]() -> task<> {
        auto scripts = numbered_scripts(1);
        scripts[0].now = plan::fails;
        const auto retried = following(scripts) | proto::retry(proto::retry_policy(delays(5)));
        by_hand call(retried(0));
        assert_pending(call.poll());
        EXPECT_FALSE(scripts[0].alive);
        call.drop();
        co_await sleep(1s);
        EXPECT_EQ(scripts[0].polls, 1);
    });
}

TEST(ProtoRetry, BudgetLimitsRetriesToPartOfCalls) {
    run_paused([]() -> task<> {
        int calls = 0;
        const auto failing = [&](int) -> task<result<int>> {
            ++calls;
            co_return std::unexpected(io_error);
        };
        const auto policy =
            proto::retry_policy(backoff(0ms).jitter(0).max_retries(100)).budget(proto::retry_budget(0.2, 0));
        const auto retried = failing | proto::retry(policy);
        for (int i = 0; i < 50; ++i) static_cast<void>(co_await retried(0));
        EXPECT_EQ(calls, 50 + 10);
        co_await sleep(10s);  // unused retries expire
        for (int i = 0; i < 4; ++i) static_cast<void>(co_await retried(0));
        EXPECT_EQ(calls, 60 + 4);
        static_cast<void>(co_await retried(0));
        EXPECT_EQ(calls, 64 + 2);
    });
}

int withdraw_all(proto::retry_budget& budget) {
    int count = 0;
    while (count < 100 && budget.withdraw()) ++count;
    return count;
}

// The window of 10 seconds has ten slots. Each of them is used and cleared, all around the ring.
TEST(ProtoRetry, BudgetExpiresSlotBySlot) {
    run_paused([]() -> task<> {
        for (int seconds = 1; seconds <= 25; ++seconds) {
            proto::retry_budget budget(1, 0, 10s);
            for (int i = 0; i < seconds; ++i) {
                if (i != 0) co_await sleep(1s);
                budget.deposit();
            }
            EXPECT_EQ(withdraw_all(budget), std::min(seconds, 10)) << seconds;
        }
        for (int pause = 1; pause <= 12; ++pause) {
            proto::retry_budget budget(1, 0, 10s);
            for (int i = 0; i < 10; ++i) {
                if (i != 0) co_await sleep(1s);
                budget.deposit();
            }
            co_await sleep(std::chrono::seconds(pause));
            EXPECT_EQ(withdraw_all(budget), std::max(10 - pause, 0)) << pause;
        }
    });
}

TEST(ProtoRetry, BudgetHasReserveForFewCalls) {
    run_paused([]() -> task<> {
        proto::retry_budget budget(0, 2, 10s);
        proto::retry_budget same = budget;
        int count = 0;
        while (count < 100 && budget.withdraw()) ++count;
        EXPECT_EQ(count, 20);
        EXPECT_FALSE(same.withdraw());
        co_await sleep(10s);
        while (count < 100 && same.withdraw()) ++count;
        EXPECT_EQ(count, 40);
    });
    EXPECT_THROW(proto::retry_budget(-1), eddy::misuse);
    EXPECT_THROW(proto::retry_budget(1, 1, 0ms), eddy::misuse);
}

// ---- circuit_breaker ----

TEST(ProtoCircuitBreaker, OpensAfterFailuresAndClosesAfterProbe) {
    run_paused([]() -> task<> {
        auto scripts = numbered_scripts(2);
        scripts[0].now = plan::fails;
        scripts[1].now = plan::ready;
        const auto guarded =
            following(scripts) | proto::circuit_breaker(proto::circuit_options().failures(3).open_for(100ms));
        std::string seen;
        const auto call = [&](int n) -> task<> {
            const auto answer = co_await guarded(n);
            seen += answer ? 'y' : answer.error() == io_error ? 'n' : answer.error() == errc::circuit_open ? 'o' : '?';
        };
        for (const int n : {0, 0, 1, 0, 0, 0, 1}) co_await call(n);  // a success resets the count
        EXPECT_EQ(seen, "nnynnno");
        co_await sleep(99ms);
        co_await call(1);
        co_await sleep(1ms);
        co_await call(0);  // the probe fails
        co_await call(1);
        co_await sleep(100ms);
        for (const int n : {1, 0, 0, 1}) co_await call(n);  // the probe succeeds
        EXPECT_EQ(seen, "nnynnnoonoynny");
    });
}

TEST(ProtoCircuitBreaker, HalfOpenCircuitRunsOneProbeAtATime) {
    run_paused([]() -> task<> {
        auto scripts = numbered_scripts(4);
        scripts[0].now = plan::throws;
        const auto guarded =
            following(scripts) | proto::circuit_breaker(proto::circuit_options().failures(1).open_for(100ms));
        by_hand slow(guarded(1));
        assert_pending(slow.poll());
        by_hand first(guarded(0));
        EXPECT_THROW(static_cast<void>(first.poll()), std::runtime_error);  // an exception is a failure
        scripts[1].change(plan::ready);
        EXPECT_TRUE(assert_ready(slow.poll()));  // began before the circuit opened: does not close the circuit
        co_await sleep(100ms);
        by_hand probe(guarded(2)), other(guarded(3)), next(guarded(3));
        assert_pending(probe.poll());
        EXPECT_EQ(assert_ready_error(other.poll()), errc::circuit_open);
        probe.drop();  // the next call is then the probe
        assert_pending(next.poll());
        scripts[3].change(plan::ready);
        EXPECT_EQ(assert_ready_ok(next.poll()), 3);
        by_hand last(guarded(3));
        EXPECT_EQ(assert_ready_ok(last.poll()), 3);
    });
}

TEST(ProtoCircuitBreaker, ErrorsOutsidePredicateDoNotCount) {
    run_paused([]() -> task<> {
        auto scripts = numbered_scripts(1);
        scripts[0].now = plan::fails;
        auto options = proto::circuit_options().failures(1);
        options.when([](const std::error_code& error) { return error != io_error; });
        const auto guarded = following(scripts) | proto::circuit_breaker(options);
        for (int i = 0; i < 3; ++i) {
            const auto answer = co_await guarded(0);
            EXPECT_EQ(answer.error(), io_error);
        }
    });
}

TEST(ProtoCircuitBreaker, CallFromBeforeProbeDoesNotOpenCircuit) {
    run_paused([]() -> task<> {
        auto scripts = numbered_scripts(4);
        const auto guarded =
            following(scripts) | proto::circuit_breaker(proto::circuit_options().failures(1).open_for(100ms));
        by_hand before(guarded(0)), opens(guarded(1));
        assert_pending(before.poll());
        assert_pending(opens.poll());
        scripts[1].change(plan::fails);
        EXPECT_EQ(assert_ready_error(opens.poll()), io_error);
        co_await sleep(100ms);
        scripts[2].now = plan::ready;
        by_hand probe(guarded(2));
        EXPECT_EQ(assert_ready_ok(probe.poll()), 2);  // closes the circuit
        scripts[0].change(plan::fails);
        EXPECT_EQ(assert_ready_error(before.poll()), io_error);
        scripts[3].now = plan::ready;
        by_hand after(guarded(3));
        EXPECT_EQ(assert_ready_ok(after.poll()), 3);
    });
}

TEST(ProtoCircuitBreaker, CallFromBeforeOpeningDoesNotEndProbe) {
    run_paused([]() -> task<> {
        auto scripts = numbered_scripts(4);
        const auto guarded =
            following(scripts) | proto::circuit_breaker(proto::circuit_options().failures(1).open_for(100ms));
        by_hand before(guarded(0)), opens(guarded(1));
        assert_pending(before.poll());
        assert_pending(opens.poll());
        scripts[1].change(plan::fails);
        EXPECT_EQ(assert_ready_error(opens.poll()), io_error);
        co_await sleep(100ms);
        by_hand probe(guarded(2));
        assert_pending(probe.poll());
        before.drop();  // a call without a verdict: not that of the probe
        by_hand other(guarded(3));
        EXPECT_EQ(assert_ready_error(other.poll()), errc::circuit_open);
    });
}

// ---- offer ----

/// A request that cannot be copied. It is empty after it was moved from.
using owned_request = std::unique_ptr<int>;

const auto take = [](owned_request request) -> task<result<int>> { co_return *request; };

/// Offers a request that is refused, and then the same request to another service.
template <class S>
task<> check_refused(const S& refusing, errc expected) {
    auto request = std::make_unique<int>(7);
    const auto refused = co_await proto::offer(refusing, request);
    EXPECT_EQ(refused.error(), expected);
    EXPECT_TRUE(request);
    if (!request) co_return;
    const auto taken = co_await proto::offer(take, request);
    EXPECT_EQ(*taken, 7);
    EXPECT_FALSE(request);
}

TEST(ProtoOffer, RefusedRequestStaysWithCaller) {
    run_paused([]() -> task<> {
        const auto waiting = [](owned_request) -> task<result<int>> {
            co_await sleep(1h);
            co_return 1;
        };
        const auto failing = [](owned_request) -> task<result<int>> { co_return std::unexpected(io_error); };

        const auto guarded = failing | proto::circuit_breaker(proto::circuit_options().failures(1));
        const auto failed = co_await guarded(std::make_unique<int>(1));
        EXPECT_EQ(failed.error(), io_error);
        co_await check_refused(guarded, errc::circuit_open);
        co_await check_refused(guarded | proto::timeout(1s) | proto::trace([](const auto&) {}), errc::circuit_open);
        co_await check_refused(proto::boxed_service<owned_request, int>(guarded), errc::circuit_open);
        co_await check_refused(proto::balance(std::vector(2, guarded)), errc::circuit_open);

        const auto limited = waiting | proto::concurrency_limit(1);
        auto running = eddy::spawn(limited(std::make_unique<int>(1)));
        co_await sleep(1ms);
        co_await check_refused(limited | proto::load_shed(), errc::overloaded);
        co_await check_refused(limited | proto::map_response([](int n) { return n; }) | proto::recover([](auto e) {
                                   return result<int>(std::unexpect, e);
                               }) | proto::load_shed(),
                               errc::overloaded);
        running.abort();
        static_cast<void>(co_await running);

        const auto slow = take | proto::rate_limit(1, 1h);
        const auto first = co_await slow(std::make_unique<int>(3));
        EXPECT_EQ(*first, 3);
        co_await check_refused(slow | proto::load_shed(), errc::overloaded);

        const auto queued = waiting | proto::buffer(1);
        auto a = eddy::spawn(queued(std::make_unique<int>(1)));
        co_await sleep(1ms);
        auto b = eddy::spawn(queued(std::make_unique<int>(1)));
        co_await sleep(1ms);
        co_await check_refused(queued | proto::load_shed(), errc::overloaded);
        a.abort();
        b.abort();
        static_cast<void>(co_await a);
        static_cast<void>(co_await b);
    });
}

TEST(ProtoOffer, RequestIsTakenOnlyWithPermit) {
    run_paused([]() -> task<> {
        const auto limited = take | proto::concurrency_limit(1) | proto::timeout(1s);
        const auto waiting = [](owned_request) -> task<result<int>> {
            co_await sleep(1h);
            co_return 1;
        };
        const auto one = waiting | proto::concurrency_limit(1);
        auto running = eddy::spawn(one(std::make_unique<int>(1)));
        co_await sleep(1ms);
        auto request = std::make_unique<int>(7);
        const auto late = co_await proto::offer(one | proto::timeout(1s), request);
        EXPECT_EQ(late.error(), errc::timed_out);
        EXPECT_TRUE(request);
        const auto answer = co_await proto::offer(limited, request);
        EXPECT_EQ(*answer, 7);
        running.abort();
        static_cast<void>(co_await running);
    });
}

// ---- buffer ----

TEST(ProtoBuffer, RunsCallsInOneTaskAndQueuesOthers) {
    run_paused([]() -> task<> {
        auto scripts = numbered_scripts(5);
        const auto queued = following(scripts) | proto::buffer(2);
        const auto shedding = queued | proto::load_shed();
        std::vector<eddy::join_handle<result<int>>> calls;
        for (int i = 0; i < 4; ++i) calls.push_back(eddy::spawn(queued(i)));
        co_await sleep(1ms);
        EXPECT_TRUE(scripts[0].alive && !scripts[1].alive);  // 1 and 2 are in the queue, 3 waits for space in it
        const auto shed = co_await shedding(4);
        EXPECT_EQ(shed.error(), errc::overloaded);
        calls[1].abort();                // this call never starts
        scripts[0].change(plan::fails);  // an error affects only its caller
        co_await sleep(1ms);
        EXPECT_TRUE(!scripts[1].polls && scripts[2].alive);
        scripts[2].change(plan::ready);
        scripts[3].now = plan::ready;
        const auto a = co_await calls[0];
        const auto c = co_await calls[2];
        const auto d = co_await calls[3];
        EXPECT_EQ(a->error(), io_error);
        EXPECT_EQ(*c, 2);
        EXPECT_EQ(*d, 3);
    });
}

TEST(ProtoBuffer, DroppedCallIsCancelled) {
    run_paused([]() -> task<> {
        auto scripts = numbered_scripts(2);
        const auto queued = following(scripts) | proto::buffer(1);
        auto running = eddy::spawn(queued(0));
        co_await sleep(1ms);
        EXPECT_TRUE(scripts[0].alive);
        running.abort();
        co_await sleep(1ms);
        EXPECT_FALSE(scripts[0].alive);
        scripts[1].now = plan::throws;
        bool threw = false;
        try {
            static_cast<void>(co_await queued(1));
        } catch (const std::runtime_error&) {
            threw = true;
        }
        EXPECT_TRUE(threw);  // the task of the buffer continues after the exception
        scripts[1].now = plan::ready;
        const auto after = co_await queued(1);
        EXPECT_EQ(after, 1);
    });
}

TEST(ProtoBuffer, ServiceMayBeDestroyedWhileCallsWait) {
    run_paused([]() -> task<> {
        auto scripts = numbered_scripts(3);
        const auto alive = std::make_shared<int>(0);
        std::vector<eddy::join_handle<result<int>>> calls;
        {
            const auto service = [alive, inner = following(scripts)](int n) { return inner(n); };
            const auto queued = service | proto::buffer(1, 2);
            for (int i = 0; i < 3; ++i) calls.push_back(eddy::spawn(queued(i)));
            co_await sleep(1ms);
        }
        EXPECT_TRUE(scripts[0].alive && scripts[1].alive && !scripts[2].alive);
        for (auto& each : scripts) each.change(plan::ready);
        int sum = 0;
        for (auto& each : calls) sum += (co_await each)->value();
        EXPECT_EQ(sum, 3);
        co_await sleep(1ms);
        EXPECT_EQ(alive.use_count(), 1);  // the task has ended
    });
}

// ---- recover and trace ----

TEST(ProtoRecover, TurnsErrorsIntoResponses) {
    auto scripts = numbered_scripts(2);
    scripts[0].now = plan::fails;
    scripts[1].now = plan::ready;
    const auto safe = following(scripts) | proto::recover([](const std::error_code& e) { return -e.value(); });
    by_hand a(safe(0)), b(safe(1));
    EXPECT_EQ(assert_ready_ok(a.poll()), -io_error.value());
    EXPECT_EQ(assert_ready_ok(b.poll()), 1);
    const auto other = following(scripts) | proto::recover([](const std::error_code&) -> result<int> {
                           return std::unexpected(make_error_code(errc::timed_out));
                       });
    by_hand c(other(0));
    EXPECT_EQ(assert_ready_error(c.poll()), errc::timed_out);
}

TEST(ProtoTrace, ReportsHowEachCallEnded) {
    run_paused([]() -> task<> {
        auto scripts = numbered_scripts(1);
        std::vector<proto::call_report> reports;
        const auto traced =
            following(scripts) | proto::trace([&](const proto::call_report& one) { reports.push_back(one); });
        for (const plan each : {plan::ready, plan::fails, plan::throws, plan::pending}) {
            scripts[0].now = plan::pending;
            by_hand call(traced(0));
            assert_pending(call.poll());
            co_await sleep(5ms);
            scripts[0].now = each;
            if (each == plan::throws) {
                EXPECT_THROW(static_cast<void>(call.poll()), std::runtime_error);
            } else {
                static_cast<void>(call.poll());
            }
        }
        using enum proto::call_outcome;
        EXPECT_EQ(reports.size(), 4u);
        if (reports.size() != 4) co_return;
        EXPECT_TRUE(reports[0].outcome == answered && reports[1].outcome == failed);
        EXPECT_TRUE(reports[2].outcome == threw && reports[3].outcome == dropped);
        EXPECT_EQ(reports[1].error, io_error);
        for (const auto& each : reports) EXPECT_EQ(each.elapsed, 5ms);
    });
}

}  // namespace
