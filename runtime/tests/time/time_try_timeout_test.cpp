// SPDX-License-Identifier: MIT
// Timeouts with one result, on a time driver without an event loop, polled by hand.
// runs: asan
#include <eddy/stream/stream_item.hpp>
#include <eddy/time/try_timeout.hpp>

#include <eddy/future/ready.hpp>
#include <eddy/result.hpp>
#include <eddy/stream.hpp>
#include <eddy/sync/mpsc.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/time/sleep.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

#include "support/convertible_error.hpp"
#include "support/polling.hpp"
#include "support/scripted.hpp"
#include "support/time_loop.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::ready;
using eddy::result;
using eddy::stream_item;
using eddy::task;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using eddy::time::try_timeout;
using support::cancellable_scripted;
using support::convertible_error;
using support::plan;
using support::script;
using support::scripted;
using support::time_loop;

const auto io_error = std::make_error_code(std::errc::io_error);

template <class F>
auto now(F future) {
    return assert_ready(by_hand(try_timeout(1s, std::move(future))).poll());
}

// covers: I20.3.1
TEST(TryTimeout, PlainOutputBecomesAResult) {
    time_loop loop;
    auto number = now(ready(1));
    static_assert(std::is_same_v<decltype(number), result<int>>);
    EXPECT_EQ(number, 1);
    auto nothing = now(ready());
    static_assert(std::is_same_v<decltype(nothing), result<void>>);
    EXPECT_TRUE(nothing.has_value());
}

// covers: I20.3.1
TEST(TryTimeout, ResultOutputIsNotNested) {
    time_loop loop;
    script s{.now = plan::ready, .value = 3};
    auto value = now(scripted(s));
    static_assert(std::is_same_v<decltype(value), result<int>>);
    EXPECT_EQ(value, 3);
    s.now = plan::fails;
    EXPECT_EQ(now(scripted(s)).error(), io_error);
    EXPECT_TRUE(now(ready(eddy::ok())).has_value());
}

// covers: P035 I20.3.1
TEST(TryTimeout, ElapsedDeadlineReturnsTimedOut) {
    time_loop loop;
    script s;
    by_hand after(try_timeout(10ms, scripted(s)));
    by_hand at(eddy::time::try_timeout_at(eddy::time::clock::now() + 20ms, eddy::time::sleep(1s)));
    assert_pending(after.poll());
    assert_pending(at.poll());
    loop.advance(10ms);
    EXPECT_EQ(assert_ready(after.poll()).error(), eddy::errc::timed_out);
    EXPECT_FALSE(s.alive);
    assert_pending(at.poll());
    loop.advance(10ms);
    EXPECT_EQ(assert_ready(at.poll()).error(), std::errc::timed_out);
    EXPECT_THROW(static_cast<void>(at.poll()), eddy::misuse);
}

// covers: P035 I20.3.1
TEST(TryTimeout, ErrorsOfNestedExpectedsConvert) {
    time_loop loop;
    using inner = std::expected<std::string, convertible_error>;
    using outer = std::expected<inner, eddy::errc>;
    auto value = now(ready(outer(inner("text"))));
    static_assert(std::is_same_v<decltype(value), result<std::string>>);
    EXPECT_EQ(value, "text");
    EXPECT_EQ(now(ready(outer(inner(std::unexpect)))).error(), eddy::errc::timed_out);
    EXPECT_EQ(now(ready(outer(std::unexpect, eddy::errc::write_zero))).error(), eddy::errc::write_zero);
    EXPECT_TRUE(now(ready(std::expected<result<void>, eddy::errc>())).has_value());
}

// covers: I20.3.2
TEST(TryTimeout, OptionalBecomesAStreamItem) {
    time_loop loop;
    auto item = now(ready(std::optional(std::make_unique<int>(4))));
    static_assert(std::is_same_v<decltype(item), stream_item<std::unique_ptr<int>>>);
    ASSERT_TRUE(item.is_item());
    EXPECT_EQ(*item.item(), 4);
    EXPECT_EQ(*std::move(item).item(), 4);
    auto end = now(ready(std::optional<int>()));
    EXPECT_TRUE(end.is_end());
    EXPECT_FALSE(end.is_item() || end.is_error());
}

// covers: I20.3.2
TEST(TryTimeout, OptionalOfAResultBecomesAStreamItem) {
    time_loop loop;
    using next = std::optional<result<int>>;
    auto item = now(ready(next(result<int>(4))));
    static_assert(std::is_same_v<decltype(item), stream_item<int>>);
    EXPECT_EQ(item.item(), 4);
    auto error = now(ready(next(result<int>(std::unexpect, io_error))));
    EXPECT_TRUE(error.is_error());
    EXPECT_EQ(error.error(), io_error);
    EXPECT_TRUE(now(ready(next())).is_end());
    auto tried = now(ready(result<std::optional<int>>(std::optional(5))));
    static_assert(std::is_same_v<decltype(tried), stream_item<int>>);
    EXPECT_EQ(tried.item(), 5);
    EXPECT_TRUE(now(ready(result<std::optional<int>>(std::optional<int>()))).is_end());
}

// covers: I20.3.2
TEST(TryTimeout, ItemThrowsMisuseAtTheEndOrOnError) {
    const auto text = [](stream_item<int> item) {
        return support::text_of_misuse([&] { static_cast<void>(item.item()); });
    };
    EXPECT_NE(text(stream_item<int>()).find("end of a stream"), std::string::npos);
    EXPECT_NE(text(stream_item<int>(std::unexpect, io_error)).find(io_error.message()), std::string::npos);
    const stream_item<int> full(std::in_place, 3);
    EXPECT_EQ(full.item(), 3);
}

// covers: P035
TEST(TryTimeout, TryUnwrapsStreamItemToOptional) {
    time_loop loop;
    auto [tx, rx] = eddy::sync::mpsc<int>::channel(8);
    int sum = 0;
    const auto body = [&]() -> task<result<void>> {
        while (auto item = co_await eddy::try_(try_timeout(1s, rx.recv()))) sum += *item;
        sum += 100;
        co_return eddy::ok();
    };
    by_hand ends(body());
    ASSERT_TRUE(tx.try_send(1).has_value());
    assert_pending(ends.poll());
    ASSERT_TRUE(tx.try_send(2).has_value());
    assert_pending(ends.poll());
    {
        const auto gone = std::move(tx);
    }
    EXPECT_TRUE(assert_ready(ends.poll()).has_value());
    EXPECT_EQ(sum, 103);

    auto [other, silent] = eddy::sync::mpsc<int>::channel(8);
    rx = std::move(silent);
    by_hand waits(body());
    assert_pending(waits.poll());
    loop.advance(1s);
    EXPECT_EQ(assert_ready(waits.poll()).error(), eddy::errc::timed_out);
}

TEST(TryTimeout, CancellationReachesTheWork) {
    time_loop loop;
    script s{.may_end = false};
    by_hand work(try_timeout(10ms, cancellable_scripted(s)));
    assert_pending(work.poll());
    assert_pending(work.poll_cancel());
    s.may_end = true;
    EXPECT_TRUE(work.poll_cancel().is_ready());
    EXPECT_FALSE(s.alive);
    static_assert(!eddy::cancellable_future<eddy::time::try_timeout_future<scripted>>);
}

TEST(TryTimeout, BorrowedFutureContinuesAfterTimeout) {
    time_loop loop;
    script s;
    scripted work(s);
    by_hand first(try_timeout(1ms, std::ref(work)));
    assert_pending(first.poll());
    loop.advance(1ms);
    EXPECT_EQ(assert_ready(first.poll()).error(), eddy::errc::timed_out);
    EXPECT_TRUE(s.alive);
    s.now = plan::ready;
    EXPECT_EQ(now(std::ref(work)), 0);
}

}  // namespace
