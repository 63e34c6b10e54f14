// SPDX-License-Identifier: MIT
// Lambdas in co_await expressions: what compiles with every compiler, and is right. What GCC 12 miscompiles is in
// must_not_compile (closure_in_await*.cpp).
// runs: asan, plain
#include <eddy/prelude.hpp>
#include <eddy/runtime.hpp>
#include <eddy/sink.hpp>
#include <eddy/stream.hpp>
#include <eddy/sync.hpp>
#include <eddy/task.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using eddy::task;
using eddy::detail::holds_closure;

/// A value whose destructor is counted: each must be destroyed once.
struct counted {
    explicit counted(std::atomic<int>& balance) : alive(&balance) { ++*alive; }
    counted(const counted& other) : alive(other.alive) { ++*alive; }
    counted(counted&& other) noexcept : alive(other.alive) { ++*alive; }
    counted& operator=(const counted&) = delete;
    ~counted() { --*alive; }

    std::atomic<int>* alive;
};

[[maybe_unused]] auto owning(std::string text) {
    return [text = std::move(text)] { return text.size(); };
}
[[maybe_unused]] auto mapping(std::string text) {
    return [text = std::move(text)](int n) { return text.size() + static_cast<std::size_t>(n); };
}

// ---- The trait ----

using closure = decltype(owning(""));
using reference = decltype([](int& n) { return [&n] { return n; }; }(std::declval<int&>()));
using eddy::detail::dies_twice;
using eddy::detail::kept_fn_t;
using eddy::detail::temporary_closure;

TEST(HoldsClosure, OnlyTemporaryLambdaThatOwnsIsKeptAsOne) {
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
    EXPECT_TRUE((std::is_same_v<kept_fn_t<closure>, temporary_closure<closure>>));
#else
    EXPECT_TRUE((std::is_same_v<kept_fn_t<closure>, closure>));
    EXPECT_FALSE(dies_twice<closure>);
#endif
    EXPECT_TRUE((std::is_same_v<kept_fn_t<closure&>, closure>)) << "the lambda has a name";
    EXPECT_TRUE((std::is_same_v<kept_fn_t<const closure&>, closure>));
    EXPECT_TRUE((std::is_same_v<kept_fn_t<reference>, reference>)) << "nothing is destroyed";
    EXPECT_TRUE((std::is_same_v<kept_fn_t<std::function<int()>>, std::function<int()>>));
    EXPECT_TRUE((std::is_same_v<kept_fn_t<int (&)(int)>, int (*)(int)>));
}

using map_closure = temporary_closure<decltype(mapping(""))>;
using mapped = decltype(eddy::ready(1).map(std::declval<map_closure>()));
using items = decltype(eddy::streams::of(1).map(std::declval<map_closure>()));

TEST(HoldsClosure, IsInheritedByFuturesOfFutures) {
    EXPECT_TRUE(holds_closure<map_closure>::value);
    EXPECT_TRUE(holds_closure<mapped>::value);
    EXPECT_TRUE(holds_closure<decltype(eddy::time::timeout(1s, std::declval<mapped>()))>::value);
    EXPECT_TRUE(holds_closure<decltype(eddy::join(eddy::ready(1), std::declval<mapped>()))>::value);
    EXPECT_TRUE(holds_closure<eddy::detail::try_expression<mapped>>::value);
    EXPECT_TRUE(holds_closure<decltype(eddy::on(eddy::ready(1), std::declval<map_closure>()))>::value);
    EXPECT_TRUE(holds_closure<items>::value);
    EXPECT_TRUE(holds_closure<decltype(std::declval<items>().count())>::value);
    EXPECT_TRUE(holds_closure<eddy::detail::of_closure<eddy::join_handle<int>>>::value);
}
TEST(HoldsClosure, IsFalseOfFuturesThatOnlyReferToOne) {
    EXPECT_FALSE(holds_closure<mapped&>::value);
    EXPECT_FALSE(holds_closure<eddy::detail::try_expression<mapped&>>::value);
    EXPECT_FALSE(holds_closure<decltype(std::ref(std::declval<mapped&>()))>::value);
    EXPECT_FALSE(holds_closure<decltype(std::declval<items&>().next())>::value);
    EXPECT_FALSE(holds_closure<decltype(eddy::time::timeout(1s, std::declval<items&>().next()))>::value);
    EXPECT_FALSE(holds_closure<task<map_closure>>::value) << "the output of a task is not in it";
    EXPECT_FALSE(holds_closure<eddy::boxed_future<map_closure>>::value);
    EXPECT_FALSE(holds_closure<decltype(eddy::ready(1).map([](int n) { return n; }))>::value);
    EXPECT_FALSE(holds_closure<int>::value);
}

// ---- What compiles, and destroys each capture once ----

task<int> number(int n) { co_return n; }

TEST(ClosureInAwait, NamedFutureDestroysCapturesOnce) {
    std::atomic<int> alive = 0;
    const auto work = [](std::atomic<int>& balance) -> task<int> {
        auto spawned = eddy::spawn([c = counted(balance)]() -> task<int> { co_return 1; });
        const auto inside = co_await spawned;
        auto blocking = eddy::spawn_blocking([c = counted(balance)] { return 1; });
        const auto both = co_await eddy::join(std::ref(blocking), number(3));
        auto sum = eddy::spawn([c = counted(balance)] { return 1; }).map([c = counted(balance)](int n) { return n; });
        const auto one = co_await sum;
        co_return inside.value() + both.first.value() + both.second + one.value();
    };
    EXPECT_EQ(eddy::run(work(alive)), 6);
    EXPECT_EQ(alive.load(), 0);
}
TEST(ClosureInAwait, TemporaryThatOwnsNothingIsAccepted) {
    std::atomic<int> alive = 0;
    const auto work = [](std::atomic<int>& balance) -> task<int> {
        int n = 1;
        const auto one = co_await eddy::spawn([&n]() -> task<int> { co_return n; });
        const auto two = co_await eddy::spawn(number(2));
        const auto named = [c = counted(balance)] { return 3; };
        const auto three = co_await eddy::spawn(named);
        const auto add = [c = counted(balance)](int more) { return more; };
        const int six = co_await eddy::ready(6).map(add);
        auto function = std::function<int()>(named);
        const auto again = co_await eddy::spawn(std::move(function));
        co_return one.value() + two.value() + three.value() + six + again.value();
    };
    EXPECT_EQ(eddy::run(work(alive)), 15);
    EXPECT_EQ(alive.load(), 0);
}
TEST(ClosureInAwait, HandleOfClosureConvertsToJoinHandle) {
    std::atomic<int> alive = 0;
    const auto work = [](std::atomic<int>& balance) -> task<int> {
        auto handle = eddy::spawn([c = counted(balance)] { return 100; });
        handle = eddy::spawn([c = counted(balance)] { return 1; });
        const auto one = co_await handle;
        handle = eddy::spawn(number(2));
        const auto two = co_await handle;
        std::vector<eddy::join_handle<int>> handles;
        handles.push_back(eddy::spawn([c = counted(balance)] { return 3; }));
        handles.push_back(eddy::spawn(number(4)));
        const auto more = co_await eddy::join_all(std::move(handles));
        eddy::join_handle<int> plain = eddy::spawn([c = counted(balance)] { return 5; });
        const auto five = co_await std::move(plain);
        eddy::join_set<int> set;
        set.insert(eddy::spawn([c = counted(balance)] { return 6; }));
        const auto six = co_await set.join_next();
        co_return one.value() + two.value() + more.at(0).value() + more.at(1).value() + five.value() + six->value();
    };
    EXPECT_EQ(eddy::run(work(alive)), 21);
    EXPECT_EQ(alive.load(), 0);
}
TEST(ClosureInAwait, FutureThatRefersToClosureIsAccepted) {
    std::atomic<int> alive = 0;
    const auto work = [](std::atomic<int>& balance) -> task<int> {
        auto numbers = eddy::streams::of(1, 2).map([c = counted(balance)](int n) { return n * 10; });
        const auto ten = co_await numbers.next();
        const auto twenty = co_await eddy::time::timeout(1min, numbers.next());
        auto [sender, receiver] = eddy::sync::mpsc<std::string>::channel(4);
        auto texts = eddy::sync::poll_sender(std::move(sender)).with<int>([c = counted(balance)](int n) {
            return std::string(static_cast<std::size_t>(n), 'x');
        });
        const auto sent = co_await texts.send(3);
        const auto got = co_await receiver.recv();
        co_return sent ? *ten + **twenty + static_cast<int>(got->size()) : 0;
    };
    EXPECT_EQ(eddy::run(work(alive)), 33);
    EXPECT_EQ(alive.load(), 0);
}

}  // namespace
