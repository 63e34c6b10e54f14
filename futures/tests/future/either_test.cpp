// SPDX-License-Identifier: MIT
// covers: I20.5.27
// runs: asan, plain
#include <eddy/io/either.hpp>

#include <eddy/future/join.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/io.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/stream.hpp>
#include <eddy/task/boxed_future.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "support/scripted.hpp"

namespace {

using eddy::either;
using eddy::ready;
using eddy::task;
using support::cancellable_scripted;
using support::plan;
using support::script;
using support::scripted;

// covers: P031
TEST(Either, ReturnsOutputOfEitherFuture) {
    using work = either<eddy::ready_future<int>, task<int>>;
    const auto make = [](bool is_known) {
        return is_known ? work(ready(1)) : work([]() -> task<int> { co_return 2; }());
    };
    EXPECT_TRUE(make(true).is_left());
    EXPECT_EQ(eddy::wait(make(true)), 1);
    EXPECT_EQ(eddy::wait(make(false)), 2);
    EXPECT_EQ(eddy::wait(make(false).map([](int n) { return n * 10; })), 20);
}

TEST(Either, CancellationReachesTheObjectInside) {
    script s{.may_end = false};
    using work = either<cancellable_scripted, scripted>;
    eddy::test::by_hand<work> first{work(cancellable_scripted(s))};
    eddy::test::assert_pending(first.poll());
    eddy::test::assert_pending(first.poll_cancel());
    s.may_end = true;
    EXPECT_TRUE(first.poll_cancel().is_ready());
    eddy::test::by_hand<work> second{work(scripted(s))};
    EXPECT_TRUE(second.poll_cancel().is_ready()) << "it has no poll_cancel";
    static_assert(!eddy::cancellable_future<either<eddy::ready_future<int>, eddy::pending_future<int>>>);
}

TEST(Either, YieldsItemsOfEitherStream) {
    auto some = eddy::streams::of(1, 2, 3);
    auto one = eddy::streams::once(4);
    using items = either<decltype(some), decltype(one)>;
    static_assert(eddy::stream<items> && !eddy::future<items>);
    EXPECT_EQ(eddy::wait(items(std::move(some)).collect()), (std::vector{1, 2, 3}));
    items single(std::move(one));
    EXPECT_EQ(single.size_hint(), eddy::size_bounds(1, 1));
    EXPECT_EQ(items(eddy::streams::of(1, 2, 3)).size_hint(), eddy::size_bounds(3, 3));
    EXPECT_EQ(eddy::wait(single.next()), 4);
    EXPECT_EQ(eddy::wait(single.next()), std::nullopt);
}

// covers: P031
TEST(Either, ReadsAndWritesEitherStream) {
    auto [near, far] = eddy::io::duplex(64);
    using peer = either<decltype(near), eddy::io::boxed_stream>;
    static_assert(eddy::io::async_read<peer> && eddy::io::async_write<peer>);
    peer left(std::move(near)), right(eddy::io::boxed_stream(std::move(far)));
    EXPECT_NE(left.left(), nullptr);
    EXPECT_EQ(left.right(), nullptr);
    std::array<std::byte, 5> got{};
    const auto talk = [&]() -> task<eddy::result<void>> {
        co_await eddy::try_(eddy::io::write_all(left, "hello"));
        co_await eddy::try_(eddy::io::flush(left));
        co_await eddy::try_(eddy::io::shutdown(left));
        co_await eddy::try_(eddy::io::read_exact(right, got));
        co_return eddy::ok();
    };
    EXPECT_TRUE(eddy::wait(talk()).has_value());
    EXPECT_EQ(static_cast<char>(got[4]), 'o');
}

}  // namespace
