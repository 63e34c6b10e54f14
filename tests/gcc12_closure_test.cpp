// SPDX-License-Identifier: MIT
//
// R125: GCC 12 destroys some temporaries of a co_await expression twice. These are the forms that must be right on every
// compiler, since the library or its guide tells people to write them. What must be refused is in must_not_compile/.
#include <eddy/combinators.hpp>
#include <eddy/join.hpp>
#include <eddy/maybe_done.hpp>
#include <eddy/poll_fn.hpp>
#include <eddy/ready.hpp>
#include <eddy/select.hpp>
#include <eddy/task.hpp>
#include <eddy/wait.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

namespace {

using eddy::ok;
using eddy::ready;
using eddy::result;
using eddy::task;
using eddy::wait;

int alive = 0;

/// Counts itself, and holds memory that ASan sees freed twice.
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

class R125 : public testing::Test {
protected:
    void SetUp() override { alive = 0; }
    void TearDown() override { EXPECT_EQ(alive, 0); }
};

const std::string long_text(100, 'x');

TEST_F(R125, TemporariesOfClassesWithAConstructor) {
    auto work = []() -> task<int> {
        co_return co_await length_of(std::string(100, 'x')) + co_await number_of(counted{3}) +
            co_await number_of(counted(4));
    };
    EXPECT_EQ(wait(work()), 107);
}

TEST_F(R125, ClosureWithANameMovedIntoACoroutine) {
    auto work = []() -> task<int> {
        auto f = [c = counted(5)] { return c.number(); };
        co_return co_await call(std::move(f));
    };
    EXPECT_EQ(wait(work()), 5);
}

TEST_F(R125, ClosureMadeOutsideOfTheAwait) {
    auto work = []() -> task<int> {
        auto named = call([c = counted(6)] { return c.number(); });
        co_return co_await std::move(named);
    };
    EXPECT_EQ(wait(work()), 6);
}

TEST_F(R125, ConditionalExpressionWithAName) {
    // Written inside the co_await, GCC 12 destroys the chosen future once too often, whatever its class.
    auto work = [](bool which) -> task<int> {
        auto chosen = which ? number_of(counted(7)) : length_of(long_text);
        co_return co_await std::move(chosen);
    };
    EXPECT_EQ(wait(work(true)), 7);
    EXPECT_EQ(wait(work(false)), 100);
}

TEST_F(R125, AwaitInACondition) {
    auto work = []() -> task<int> {
        if (const int n = co_await number_of(counted(8))) co_return n;
        co_return 0;
    };
    EXPECT_EQ(wait(work()), 8);
}

TEST_F(R125, BindingToAStructWithMembers) {
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

TEST_F(R125, BindingThatLivesWhenTheFrameIsDestroyed) {
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

TEST_F(R125, EveryFutureOfTheLibraryMadeInsideTheAwait) {
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

TEST_F(R125, AdaptorsWithCapturesThatHaveANameAreAwaited) {
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

TEST_F(R125, FunctionWithANameIsCopiedIntoTheAdaptorOfTheAwait) {
    auto work = []() -> task<int> {
        const auto shared = std::make_shared<counted>(5);
        const auto f = [shared](int i) { return shared->number() + i; };
        co_return co_await ready(1).map(f) + co_await ready(2).map(f);
    };
    EXPECT_EQ(wait(work()), 13);
}

TEST_F(R125, CapturesThatAreTrivialNeedNoName) {
    auto work = [](int n) -> task<int> {
        co_return co_await ready(1).map(
            [n, &text = long_text](int i) { return n + i + static_cast<int>(text.size()); });
    };
    EXPECT_EQ(wait(work(9)), 110);
}

}  // namespace
