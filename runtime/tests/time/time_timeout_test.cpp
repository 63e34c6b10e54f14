// SPDX-License-Identifier: MIT
// Timeouts on a time driver without an event loop, polled by hand.
// runs: asan
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/time/clock.hpp>
#include <eddy/time/sleep.hpp>
#include <eddy/time/timeout.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <expected>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "support/polling.hpp"
#include "support/time_loop.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using eddy::time::clock;
using eddy::time::sleep;
using eddy::time::timeout;
using support::text_of_misuse;
using support::time_loop;

/// Controls a `probed` future, counts its polls, and records whether it exists.
struct probe {
    bool is_ready = false;
    bool cancel_is_ready = true;
    bool uses_up_budget = false;
    int polls = 0;
    int cancels = 0;
    bool is_alive = false;
};

template <bool Cancellable>
class probed {
public:
    using output_type = int;

    explicit probed(probe& p) : probe_(&p) { p.is_alive = true; }
    probed(probed&& other) noexcept : probe_(std::exchange(other.probe_, nullptr)) {}
    probed& operator=(probed&&) = delete;
    ~probed() {
        if (probe_ != nullptr) probe_->is_alive = false;
    }

    eddy::poll_result<int> poll(eddy::context& cx) {
        ++probe_->polls;
        while (probe_->uses_up_budget && cx.consume_budget()) {
        }
        if (probe_->is_ready) return 7;
        return eddy::not_ready;
    }
    eddy::poll_result<void> poll_cancel(eddy::context&)
        requires Cancellable
    {
        ++probe_->cancels;
        if (probe_->cancel_is_ready) return eddy::poll_result<void>::ready();
        return eddy::not_ready;
    }

private:
    probe* probe_;
};

// covers: P035
TEST(Timeout, ReturnsTheValueBeforeTheDeadline) {
    time_loop loop;
    probe inner;
    by_hand work(timeout(10ms, probed<false>(inner)));
    assert_pending(work.poll());
    loop.advance(9ms);
    inner.is_ready = true;
    const auto outcome = assert_ready(work.poll());
    EXPECT_EQ(outcome, 7);
    EXPECT_FALSE(inner.is_alive);
    EXPECT_EQ(work.wakers(), 0u);
    EXPECT_EQ(loop.driver().next_deadline(), std::nullopt);
}

// covers: P035
TEST(Timeout, DestroysTheWorkBeforeElapsedIsReturned) {
    time_loop loop;
    probe inner;
    by_hand work(eddy::time::timeout_at(clock::now() + 10ms, probed<false>(inner)));
    assert_pending(work.poll());
    EXPECT_EQ(loop.advance(10ms), 1u);
    const auto outcome = assert_ready(work.poll());
    ASSERT_FALSE(outcome.has_value());
    EXPECT_EQ(outcome.error().to_error_code(), std::errc::timed_out);
    EXPECT_EQ(outcome.error().message(), "deadline has elapsed");
    EXPECT_FALSE(inner.is_alive) << "although the timeout still exists";
    EXPECT_NE(text_of_misuse([&] { static_cast<void>(work.poll()); }).find("after it had ended"), std::string::npos);
}

// covers: P035
TEST(Timeout, AcceptsVoidFuturesAndReferences) {
    time_loop loop;
    static_assert(
        std::is_same_v<eddy::output_t<decltype(timeout(1s, sleep(1s)))>, std::expected<void, eddy::time::elapsed>>);
    by_hand inside(timeout(2ms, sleep(1ms))), outside(timeout(1ms, sleep(2ms)));
    assert_pending(inside.poll());
    assert_pending(outside.poll());
    loop.advance(1ms);
    EXPECT_TRUE(assert_ready(inside.poll()).has_value());
    EXPECT_FALSE(assert_ready(outside.poll()).has_value());

    auto referenced = sleep(10ms);
    {
        by_hand work(timeout(1ms, std::ref(referenced)));
        assert_pending(work.poll());
        loop.advance(1ms);
        EXPECT_FALSE(assert_ready(work.poll()).has_value());
    }
    EXPECT_EQ(loop.advance(9ms), 1u);
    EXPECT_TRUE(referenced.is_elapsed());
}

// covers: P035
TEST(Timeout, ZeroTimeoutAllowsOnePoll) {
    time_loop loop(time_loop::clock::running);
    probe in_time{.is_ready = true}, late;
    EXPECT_EQ(assert_ready(by_hand(timeout(0s, probed<false>(in_time))).poll()), 7);
    EXPECT_FALSE(assert_ready(by_hand(timeout(0s, probed<false>(late))).poll()).has_value());
    EXPECT_EQ(late.polls, 1);
}

// covers: R052
TEST(Timeout, MaximalDurationNeverElapses) {
    time_loop loop;
    probe inner;
    by_hand work(timeout(std::chrono::hours::max(), probed<false>(inner)));
    assert_pending(work.poll());
    EXPECT_FALSE(loop.driver().auto_advance());
    inner.is_ready = true;
    EXPECT_TRUE(assert_ready(work.poll()).has_value());
}

// covers: R062
TEST(Timeout, ValueWinsIfBothAreReady) {
    for (int round = 0; round < 1000; ++round) {
        time_loop loop;
        by_hand work(timeout(5ms, sleep(5ms)));
        assert_pending(work.poll());
        EXPECT_EQ(loop.advance(5ms), 2u);
        ASSERT_TRUE(assert_ready(work.poll()).has_value());
    }
}

// covers: R045
TEST(Timeout, ElapsesEvenIfTheWorkConsumesTheCoopBudget) {
    time_loop loop;
    probe inner{.uses_up_budget = true};
    by_hand work(timeout(10ms, probed<false>(inner)));
    assert_pending(work.poll());
    loop.advance(10ms);
    EXPECT_FALSE(assert_ready(work.poll()).has_value());
}

// covers: P035
TEST(Timeout, CancelsTheWorkGracefully) {
    time_loop loop;
    probe inner{.cancel_is_ready = false};
    by_hand work(timeout(10ms, probed<true>(inner)));
    assert_pending(work.poll());
    loop.advance(10ms);
    assert_pending(work.poll());
    assert_pending(work.poll());
    EXPECT_EQ(inner.polls, 2) << "work that is being cancelled is not polled";
    EXPECT_EQ(inner.cancels, 2);
    inner.cancel_is_ready = true;
    EXPECT_FALSE(assert_ready(work.poll()).has_value());
    EXPECT_FALSE(inner.is_alive);
}

// covers: P035
TEST(Timeout, ForwardsCancellationToTheWork) {
    time_loop loop;
    static_assert(eddy::cancellable_future<eddy::time::timeout_future<probed<true>>>);
    static_assert(!eddy::cancellable_future<eddy::time::timeout_future<probed<false>>>);
    probe inner{.cancel_is_ready = false};
    by_hand work(timeout(10ms, probed<true>(inner)));
    assert_pending(work.poll());
    assert_pending(work.poll_cancel());
    inner.cancel_is_ready = true;
    EXPECT_TRUE(work.poll_cancel().is_ready());
    EXPECT_FALSE(inner.is_alive);
    EXPECT_EQ(loop.driver().next_deadline(), std::nullopt);
}

// covers: P035
TEST(Timeout, ExceptionOfTheWorkEndsTheTimeout) {
    time_loop loop;
    by_hand work(timeout(10ms, [](std::shared_ptr<int>) -> eddy::task<int> {
        throw std::runtime_error("from inside");
        co_return 1;
    }(nullptr)));
    EXPECT_THROW(static_cast<void>(work.poll()), std::runtime_error);
    EXPECT_THROW(static_cast<void>(work.poll()), eddy::misuse);
}

// covers: P035
TEST(Timeout, TryTurnsElapsedIntoTimedOut) {
    time_loop loop;
    const auto body = []() -> eddy::task<eddy::result<int>> {
        co_await eddy::try_(timeout(1ms, sleep(1s)));
        co_return 1;
    };
    by_hand work(body());
    assert_pending(work.poll());
    loop.advance(1ms);
    const auto outcome = assert_ready(work.poll());
    ASSERT_FALSE(outcome.has_value());
    EXPECT_EQ(outcome.error(), eddy::errc::timed_out);
}

}  // namespace
