// SPDX-License-Identifier: MIT
// Await expressions: try_, and the temporaries of a co_await expression. GCC 12 destroys some of these temporaries
// twice. The forms in this file must work with every compiler, because the library or its guide recommends them.
// runtime/tests/must_not_compile/ has the forms that the library rejects.
// runs: asan, plain
#include <eddy/task/task.hpp>

#include <eddy/future/combinators.hpp>
#include <eddy/future/join.hpp>
#include <eddy/future/maybe_done.hpp>
#include <eddy/future/poll_fn.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/future/select.hpp>
#include <eddy/future/try.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/test/by_hand.hpp>

#include <gtest/gtest.h>

#include <expected>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <variant>

#include "support/convertible_error.hpp"
#include "support/scripted.hpp"

namespace {

using eddy::ok;
using eddy::ready;
using eddy::result;
using eddy::task;
using eddy::try_;
using eddy::wait;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::convertible_error;
using support::plan;
using support::script;
using support::scripted;

const auto io_error = std::make_error_code(std::errc::io_error);

/// Returns the output of a task that never waits.
template <class F>
auto output_of(F f) {
    by_hand hand(std::move(f));
    return assert_ready(hand.poll());
}

/// Counts its objects.
struct local {
    explicit local(int& count) noexcept : count_(count) { ++count_; }
    local(const local&) = delete;
    local& operator=(const local&) = delete;
    ~local() { --count_; }
    int& count_;
};

task<result<int>> returns_result(result<int> value) { co_return value; }

// ---- try_ ----

task<result<int>> add_one(result<int> value) {
    const int got = co_await try_(returns_result(value));
    co_return got + 1;
}

TEST(TaskTry, ReturnsTheValue) { EXPECT_EQ(output_of(add_one(1)), 2); }

TEST(TaskTry, EndsTheCoroutineWithTheError) {
    EXPECT_EQ(output_of(add_one(std::unexpected(io_error))).error(), io_error);
}

TEST(TaskTry, AcceptsAPlainResult) {
    auto half = [](int i) -> result<int> {
        if (i % 2 != 0) return std::unexpected(io_error);
        return i / 2;
    };
    auto both = [&](int i) -> task<result<int>> {
        auto first = half(i);
        const int once = co_await try_(first);
        co_return co_await try_(half(once));
    };
    EXPECT_EQ(output_of(both(8)), 2);
    EXPECT_EQ(output_of(both(2)).error(), io_error);
    EXPECT_EQ(output_of(both(1)).error(), io_error);
}

TEST(TaskTry, AcceptsAResultOfVoid) {
    bool went_on = false;
    auto inner = [](bool fail) -> task<result<void>> {
        if (fail) co_return std::unexpected(io_error);
        co_return {};
    };
    auto outer = [&](bool fail) -> task<result<void>> {
        co_await try_(inner(fail));
        went_on = true;
        co_return {};
    };
    EXPECT_EQ(output_of(outer(true)).error(), io_error);
    EXPECT_FALSE(went_on);
    EXPECT_TRUE(output_of(outer(false)).has_value());
    EXPECT_TRUE(went_on);
}

TEST(TaskTry, AcceptsAFutureThatIsNoTask) {
    script s;
    auto waits = [](script& steps) -> task<result<int>> { co_return co_await try_(scripted(steps)) + 1; };
    by_hand succeeds(waits(s));
    assert_pending(succeeds.poll());
    s.change(plan::ready);
    EXPECT_EQ(assert_ready(succeeds.poll()), 1);

    s.now = plan::pending;
    by_hand fails(waits(s));
    assert_pending(fails.poll());
    s.change(plan::fails);
    EXPECT_EQ(assert_ready(fails.poll()).error(), io_error);
    EXPECT_FALSE(s.alive);

    EXPECT_EQ(output_of(waits(s)).error(), io_error);  // without a pending poll
}

TEST(TaskTry, DestroysTheLocalsWithoutResuming) {
    script s;
    int alive = 0;
    bool resumed = false;
    auto waits = [&](script& steps) -> task<result<void>> {
        local l(alive);
        static_cast<void>(co_await try_(scripted(steps)));
        resumed = true;
        co_return {};
    };
    by_hand hand(waits(s));
    assert_pending(hand.poll());
    EXPECT_EQ(alive, 1);
    s.change(plan::fails);
    EXPECT_FALSE(assert_ready(hand.poll()).has_value());
    EXPECT_EQ(alive, 0);
    EXPECT_FALSE(resumed);
}

TEST(TaskTry, ConvertsErrors) {
    auto from = []<class E>(E error) -> task<result<int>> {
        co_return co_await try_(std::expected<int, E>(std::unexpect, std::move(error)));
    };
    EXPECT_EQ(output_of(from(convertible_error())).error(), std::errc::timed_out);
    EXPECT_EQ(output_of(from(eddy::errc::no_address)).error(), std::errc::invalid_argument);
    EXPECT_EQ(output_of(from(io_error)).error(), io_error);

    auto to_text = []() -> task<std::expected<int, std::string>> {
        co_return co_await try_(std::expected<int, const char*>(std::unexpect, "text"));
    };
    EXPECT_EQ(output_of(to_text()).error(), "text");
}

task<result<int>> fails_at_depth(int depth, script& s, int& alive) {
    local l(alive);
    if (depth == 0) co_return co_await try_(scripted(s));
    co_return co_await try_(fails_at_depth(depth - 1, s, alive)) + 1;
}

// covers: R126
TEST(TaskTry, EndsFramesAtAnyDepth) {
    for (const int depth : {1, 2, 1000}) {
        int alive = 0;
        script at_once{.now = plan::fails};
        EXPECT_EQ(output_of(fails_at_depth(depth, at_once, alive)).error(), io_error);
        EXPECT_EQ(alive, 0);

        script later;
        by_hand hand(fails_at_depth(depth, later, alive));
        assert_pending(hand.poll());
        EXPECT_EQ(alive, depth + 1);
        later.change(plan::fails);
        EXPECT_EQ(assert_ready(hand.poll()).error(), io_error);
        EXPECT_EQ(alive, 0);
        EXPECT_FALSE(later.alive);
    }
}

// covers: R126
TEST(TaskTry, PassesValuesUpFromAnyDepth) {
    for (const int depth : {1, 2, 1000}) {
        int alive = 0;
        script s;
        by_hand hand(fails_at_depth(depth, s, alive));
        assert_pending(hand.poll());
        s.change(plan::ready);
        EXPECT_EQ(assert_ready(hand.poll()), depth);
    }
}

// ---- Temporaries of a co_await ----

int alive = 0;

/// Counts its objects in `alive`, and owns memory, so that ASan finds a double destruction.
class counted {
public:
    explicit counted(int n = 0) : number_(std::make_unique<int>(n)) { ++alive; }
    counted(counted&& other) noexcept : number_(std::move(other.number_)) { ++alive; }
    counted& operator=(counted&&) = delete;
    ~counted() { --alive; }

    [[nodiscard]] int number() const { return number_ == nullptr ? -1 : *number_; }

private:
    std::unique_ptr<int> number_;
};

struct pair {
    pair(counted f, counted s) : first(std::move(f)), second(std::move(s)) {}
    counted first;
    counted second;
};

task<int> number_of(counted c) { co_return c.number(); }
task<int> length_of(std::string s) { co_return static_cast<int>(s.size()); }
task<pair> two() { co_return pair(counted(1), counted(2)); }
template <class Fn>
task<int> call(Fn f) {
    co_return f();
}

class Gcc12Temporaries : public testing::Test {
protected:
    void SetUp() override { alive = 0; }
    void TearDown() override { EXPECT_EQ(alive, 0); }
};

const std::string long_text(100, 'x');

// covers: R125
TEST_F(Gcc12Temporaries, ClassTemporariesAreDestroyedOnce) {
    auto work = []() -> task<int> {
        co_return co_await length_of(std::string(100, 'x')) + co_await number_of(counted{3}) +
            co_await number_of(counted(4));
    };
    EXPECT_EQ(wait(work()), 107);
}

// covers: R125
TEST_F(Gcc12Temporaries, NamedClosureMovedIntoTaskIsDestroyedOnce) {
    auto work = []() -> task<int> {
        auto f = [c = counted(5)] { return c.number(); };
        co_return co_await call(std::move(f));
    };
    EXPECT_EQ(wait(work()), 5);
}

// covers: R125
TEST_F(Gcc12Temporaries, ClosureOutsideTheAwaitIsDestroyedOnce) {
    auto work = []() -> task<int> {
        auto named = call([c = counted(6)] { return c.number(); });
        co_return co_await std::move(named);
    };
    EXPECT_EQ(wait(work()), 6);
}

// covers: R125
TEST_F(Gcc12Temporaries, NamedConditionalFutureIsDestroyedOnce) {
    // Inside the co_await expression, GCC 12 would destroy the chosen future twice, whatever its class.
    auto work = [](bool which) -> task<int> {
        auto chosen = which ? number_of(counted(7)) : length_of(long_text);
        co_return co_await std::move(chosen);
    };
    EXPECT_EQ(wait(work(true)), 7);
    EXPECT_EQ(wait(work(false)), 100);
}

// covers: R125
TEST_F(Gcc12Temporaries, AwaitInConditionDestroysTemporariesOnce) {
    auto work = []() -> task<int> {
        if (const int n = co_await number_of(counted(8))) co_return n;
        co_return 0;
    };
    EXPECT_EQ(wait(work()), 8);
}

// covers: R125
TEST_F(Gcc12Temporaries, StructuredBindingsAreDestroyedOnce) {
    auto work = []() -> task<int> {
        int sum = 0;
        for (int i = 0; i < 3; ++i) {
            auto [a, b] = co_await two();
            sum += a.number() + b.number();
        }
        auto [c, d] = co_await eddy::join(ready(counted(3)), ready(counted(4)));
        co_return sum + c.number() + d.number();
    };
    EXPECT_EQ(wait(work()), 16);
}

// covers: R125
TEST_F(Gcc12Temporaries, StructuredBindingIsDestroyedWithTheFrame) {
    auto work = []() -> task<> {
        auto [a, b] = co_await two();
        auto [c, d] = co_await eddy::join(ready(counted(3)), ready(counted(4)));
        co_await eddy::pending();
    };
    auto begun = work();
    const auto noop = eddy::waker::noop();
    eddy::context cx(noop);
    EXPECT_FALSE(begun.poll(cx).is_ready());
    EXPECT_EQ(alive, 4);
}

// covers: R125
TEST_F(Gcc12Temporaries, TemporariesOfLibraryFuturesAreDestroyedOnce) {
    auto work = []() -> task<result<int>> {
        const int a = (co_await ready(counted(1))).number();
        const int b = co_await ready(counted(2)).map([](counted c) { return c.number(); });
        const int c = co_await ready(counted(3)).then([](counted n) { return number_of(std::move(n)); });
        const int d = co_await eddy::try_(
            ready(result<counted>(std::in_place, 4)).and_then([](counted n) { return n.number(); }));
        auto e = co_await eddy::select(ready(counted(5)), eddy::pending());
        const int f = (co_await eddy::race(ready(counted(6)), ready(counted(6)))).number();
        auto g = co_await eddy::try_join(ready(result<counted>(std::in_place, 7)), ready(ok(counted(8))));
        const int h = co_await eddy::poll_fn([](eddy::context&) { return eddy::poll_result<int>(9); });
        co_await eddy::maybe_done(ready(counted(10)));
        co_return a + b + c + d + std::get<0>(e).number() + f + g->first.number() + g->second.number() + h;
    };
    EXPECT_EQ(wait(work()), 1 + 2 + 3 + 4 + 5 + 6 + 7 + 8 + 9);
}

// covers: R125
TEST_F(Gcc12Temporaries, CapturesOfNamedAdaptorsAreDestroyedOnce) {
    auto work = []() -> task<result<int>> {
        auto mapped = ready(1).map([c = counted(1)](int i) { return c.number() + i; });
        int sum = co_await mapped;
        auto chained = ready(ok(1)).and_then([c = counted(2)](int i) { return ready(c.number() + i); });
        sum += co_await eddy::try_(chained);
        auto polled = eddy::poll_fn([c = counted(3)](eddy::context&) { return eddy::poll_result<int>(c.number()); });
        sum += co_await polled;
        auto joined =
            eddy::join(eddy::poll_fn([c = counted(4)](eddy::context&) { return eddy::poll_result<int>(c.number()); }));
        sum += (co_await joined).first;
        co_return sum;
    };
    EXPECT_EQ(wait(work()), 2 + 3 + 3 + 4);
}

// covers: R125
TEST_F(Gcc12Temporaries, CopiedFunctionIsDestroyedOnce) {
    auto work = []() -> task<int> {
        const auto shared = std::make_shared<counted>(5);
        const auto f = [shared](int i) { return shared->number() + i; };
        co_return co_await ready(1).map(f) + co_await ready(2).map(f);
    };
    EXPECT_EQ(wait(work()), 13);
}

// covers: R125
TEST_F(Gcc12Temporaries, ClosureWithTrivialCapturesNeedsNoName) {
    auto work = [](int n) -> task<int> {
        co_return co_await ready(1).map(
            [n, &text = long_text](int i) { return n + i + static_cast<int>(text.size()); });
    };
    EXPECT_EQ(wait(work(9)), 110);
}

}  // namespace
