// SPDX-License-Identifier: MIT
// Delays between retries, and retries on a time driver without an event loop, polled by hand.
// runs: asan
#include <eddy/future/retry.hpp>
#include <eddy/time/backoff.hpp>

#include <eddy/future/ready.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/time/try_timeout.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <vector>

#include "support/polling.hpp"
#include "support/scripted.hpp"
#include "support/time_loop.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::result;
using eddy::retry;
using eddy::task;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using eddy::time::backoff;
using support::cancellable_scripted;
using support::plan;
using support::script;
using support::scripted;
using support::time_loop;

const auto io_error = std::make_error_code(std::errc::io_error);

std::vector<std::chrono::milliseconds> delays_of(backoff delays, std::size_t most = 20) {
    std::vector<std::chrono::milliseconds> all;
    while (all.size() < most) {
        const auto next = delays.next();
        if (!next) break;
        all.push_back(std::chrono::duration_cast<std::chrono::milliseconds>(*next));
    }
    return all;
}

// covers: I20.3.13
TEST(TimeBackoff, DelaysGrowByTheFactorUpToTheLimit) {
    EXPECT_EQ(delays_of(backoff(100ms).jitter(0).max_retries(4)), (std::vector{100ms, 200ms, 400ms, 800ms}));
    EXPECT_EQ(delays_of(backoff(1s).jitter(0).factor(10).max_delay(30s).max_retries(4)),
              (std::vector<std::chrono::milliseconds>{1s, 10s, 30s, 30s}));
    EXPECT_EQ(delays_of(backoff(50ms).jitter(0).factor(1).max_retries(3)), (std::vector{50ms, 50ms, 50ms}));
    EXPECT_EQ(delays_of(backoff(10s).jitter(0).max_delay(1s).max_retries(1)),
              (std::vector<std::chrono::milliseconds>{1s}));
    EXPECT_EQ(delays_of(backoff().jitter(0)).size(), 10u);
    EXPECT_TRUE(delays_of(backoff(1s).max_retries(0)).empty());
}

// covers: I20.3.13
TEST(TimeBackoff, JitterSubtractsARandomPart) {
    backoff delays(1s);
    delays.factor(1).jitter(0.25).max_retries(backoff::unlimited).seed(7);
    auto least = eddy::time::duration::max();
    auto most = eddy::time::duration::min();
    for (int i = 0; i < 10000; ++i) {
        const auto delay = delays.next().value();
        least = std::min(least, delay);
        most = std::max(most, delay);
    }
    EXPECT_GE(least, 750ms);
    EXPECT_LT(least, 760ms);
    EXPECT_GT(most, 990ms);
    EXPECT_LE(most, 1s);
}

// covers: I20.3.13
TEST(TimeBackoff, SeedRepeatsTheDelays) {
    const auto seeded = [](std::uint64_t seed) { return delays_of(backoff(1h).max_delay(1000h).seed(seed)); };
    EXPECT_EQ(seeded(1), seeded(1));
    EXPECT_NE(seeded(1), seeded(2));
}

// covers: I20.3.13
TEST(TimeBackoff, ElapsedTimeEndsTheRetries) {
    time_loop loop;
    backoff delays(100ms);
    delays.jitter(0).max_elapsed(350ms);
    EXPECT_EQ(delays.next(), 100ms);
    loop.advance(100ms);
    EXPECT_EQ(delays.next(), 200ms);
    loop.advance(200ms);
    EXPECT_EQ(delays.next(), std::nullopt) << "the next delay would end 700 ms after the start";
    EXPECT_EQ(delays.retries(), 2u);
    delays.reset();
    EXPECT_EQ(delays.retries(), 0u);
    EXPECT_EQ(delays.next(), 100ms);
}

// covers: I20.3.13
TEST(TimeBackoff, ExtremeValuesDoNotOverflow) {
    backoff huge(std::chrono::hours::max());
    huge.max_delay(std::chrono::hours::max()).factor(1e300).max_retries(backoff::unlimited).jitter(0);
    for (int i = 0; i < 5; ++i) EXPECT_EQ(huge.next(), eddy::time::duration::max());
    EXPECT_EQ(delays_of(backoff(-1s).max_retries(1)), std::vector{0ms});
    EXPECT_EQ(delays_of(backoff(1s).max_delay(-1s).max_retries(1)), std::vector{0ms});
}

// covers: I20.3.13
TEST(TimeBackoff, BadOptionsThrowMisuse) {
    const double not_a_number = std::numeric_limits<double>::quiet_NaN();
    backoff delays;
    support::expect_misuse_here([&] { delays.factor(0.5); });
    support::expect_misuse_here([&] { delays.factor(not_a_number); });
    support::expect_misuse_here([&] { delays.jitter(1.1); });
    support::expect_misuse_here([&] { delays.jitter(-0.1); });
    support::expect_misuse_here([&] { delays.jitter(not_a_number); });
}

// covers: I20.3.14
TEST(Retry, SuccessOfTheFirstAttemptNeedsNoLoop) {
    int calls = 0;
    by_hand work(retry(backoff(1s), [&] {
        ++calls;
        return eddy::ready(eddy::ok(5));
    }));
    EXPECT_EQ(assert_ready(work.poll()), 5);
    EXPECT_EQ(calls, 1);
    EXPECT_NE(support::text_of_misuse([&] { static_cast<void>(work.poll()); }).find("retry"), std::string::npos);
}

// covers: I20.3.14
TEST(Retry, WaitsBetweenTheAttempts) {
    time_loop loop;
    int calls = 0;
    by_hand work(retry(backoff(100ms).jitter(0), [&]() -> task<result<int>> {
        if (++calls < 3) co_return std::unexpected(io_error);
        co_return calls;
    }));
    EXPECT_EQ(calls, 0) << "nothing happens before the first poll";
    assert_pending(work.poll());
    EXPECT_EQ(calls, 1);
    loop.advance(99ms);
    EXPECT_FALSE(work.is_woken());
    loop.advance(1ms);
    EXPECT_TRUE(work.is_woken());
    assert_pending(work.poll());
    EXPECT_EQ(calls, 2);
    loop.advance(200ms);
    EXPECT_EQ(assert_ready(work.poll()), 3);
}

// covers: I20.3.14
TEST(Retry, ReturnsTheLastErrorAtTheLimit) {
    time_loop loop;
    int calls = 0;
    by_hand work(retry(backoff(0ms).max_retries(3), [&] {
        ++calls;
        return eddy::ready(result<int>(std::unexpect, std::error_code(calls, std::generic_category())));
    }));
    auto answer = work.poll();
    for (int i = 0; i < 10 && !answer.is_ready(); ++i) {
        loop.advance(1ms);
        answer = work.poll();
    }
    EXPECT_EQ(assert_ready(std::move(answer)).error().value(), 4);
    EXPECT_EQ(calls, 4);
}

// covers: I20.3.14
TEST(Retry, PredicateDecidesWhichErrorsAreRetried) {
    time_loop loop;
    script s{.now = plan::fails};
    int asked = 0;
    const auto attempt = [&] { return scripted(s); };
    by_hand given_up(retry(backoff(1s), attempt, [&](const std::error_code& error) {
        EXPECT_EQ(error, io_error);
        ++asked;
        return false;
    }));
    EXPECT_EQ(assert_ready(given_up.poll()).error(), io_error);
    EXPECT_EQ(asked, 1);
    by_hand retried(retry(backoff(1s), attempt, [](std::error_code) { return true; }));
    assert_pending(retried.poll());
}

// covers: I20.3.14
TEST(Retry, FailedAttemptIsDestroyedBeforeTheDelay) {
    time_loop loop;
    script s{.now = plan::fails};
    by_hand work(retry(backoff(1s), [&] { return scripted(s); }));
    assert_pending(work.poll());
    EXPECT_FALSE(s.alive);
    EXPECT_EQ(s.polls, 1);
    work.drop();
    EXPECT_EQ(loop.driver().next_deadline(), std::nullopt);
}

// covers: I20.3.14
TEST(Retry, CancellationReachesTheAttemptAndEndsTheDelay) {
    time_loop loop;
    script s{.may_end = false};
    by_hand work(retry(backoff(1s), [&] { return cancellable_scripted(s); }));
    assert_pending(work.poll());
    assert_pending(work.poll_cancel());
    s.may_end = true;
    EXPECT_TRUE(work.poll_cancel().is_ready());
    EXPECT_FALSE(s.alive);

    s.now = plan::fails;
    by_hand waiting(retry(backoff(1s), [&] { return cancellable_scripted(s); }));
    assert_pending(waiting.poll());
    EXPECT_TRUE(waiting.poll_cancel().is_ready());
    EXPECT_EQ(loop.driver().next_deadline(), std::nullopt);
}

// covers: I20.3.14
TEST(Retry, ExceptionIsNotRetried) {
    int calls = 0;
    by_hand work(retry(backoff(1s), [&]() -> task<result<void>> {
        ++calls;
        throw std::runtime_error("from the attempt");
        co_return eddy::ok();
    }));
    EXPECT_THROW(static_cast<void>(work.poll()), std::runtime_error);
    EXPECT_THROW(static_cast<void>(work.poll()), eddy::misuse);
    EXPECT_EQ(calls, 1);
}

// covers: I20.3.14
TEST(Retry, EndlessRetriesWithoutDelayYield) {
    time_loop loop;
    int calls = 0;
    by_hand work(retry(backoff(0ms).max_retries(backoff::unlimited), [&] {
        ++calls;
        return eddy::ready(result<int>(std::unexpect, io_error));
    }));
    assert_pending(work.poll(10));
    EXPECT_LE(calls, 10);
    EXPECT_GE(calls, 1);
}

// covers: P035 I20.3.14
TEST(Retry, LimitsEachAttemptWithTryTimeout) {
    time_loop loop;
    script s;
    int calls = 0;
    by_hand work(retry(backoff(100ms).jitter(0).max_retries(1), [&] {
        ++calls;
        return eddy::time::try_timeout(1s, scripted(s));
    }));
    assert_pending(work.poll());
    loop.advance(1s);
    assert_pending(work.poll());
    loop.advance(100ms);
    assert_pending(work.poll());
    EXPECT_EQ(calls, 2);
    loop.advance(1s);
    EXPECT_EQ(assert_ready(work.poll()).error(), eddy::errc::timed_out);
}

}  // namespace
