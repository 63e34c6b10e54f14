// SPDX-License-Identifier: MIT
// Pools of connections, and load balancing.
#include <eddy/proto/balance.hpp>
#include <eddy/proto/pool.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/proto/limits.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/test/run_paused.hpp>
#include <eddy/time/sleep.hpp>

#include "support/scripted.hpp"

namespace {

using namespace std::chrono_literals;
namespace proto = eddy::proto;
using eddy::result;
using eddy::task;
using eddy::test::assert_pending;
using eddy::test::assert_ready_error;
using eddy::test::assert_ready_ok;
using eddy::test::by_hand;
using eddy::test::run_paused;
using eddy::time::sleep;
using support::plan;
using support::script;
using support::scripted;

const auto io_error = std::make_error_code(std::errc::io_error);

/// A connection that counts how many of its kind are open.
class connection {
public:
    connection(int id, int& open) : id_(id), open_(&open) { ++open; }
    connection(connection&& other) noexcept : id_(other.id_), open_(std::exchange(other.open_, nullptr)) {}
    connection& operator=(connection&& other) noexcept {
        std::swap(id_, other.id_);
        std::swap(open_, other.open_);
        return *this;
    }
    ~connection() {
        if (open_ != nullptr) --*open_;
    }

    [[nodiscard]] int id() const noexcept { return id_; }

private:
    int id_;
    int* open_;
};

/// Makes connections with the numbers 1, 2, ...
struct factory {
    int made = 0;
    int open = 0;

    auto pool(const proto::pool_options& options = proto::pool_options()) {
        return proto::pool([this]() -> task<result<connection>> { co_return connection(++made, open); }, options);
    }
};

TEST(ProtoPool, ReusesConnectionThatWasUsedLast) {
    run_paused([]() -> task<> {
        factory from;
        const auto pool = from.pool();
        auto a = co_await pool.get();
        auto b = co_await pool.get();
        EXPECT_TRUE((*a)->id() == 1 && (**b).id() == 2);
        b->give_back();
        a->give_back();
        a->give_back();  // does nothing
        EXPECT_EQ(pool.idle(), 2u);
        auto c = co_await pool.get();
        EXPECT_EQ((*c)->id(), 1);
        EXPECT_EQ(from.made, 2);
    });
}

TEST(ProtoPool, ConnectionThatIsNotGivenBackIsClosed) {
    run_paused([]() -> task<> {
        factory from;
        const auto pool = from.pool(proto::pool_options().max(1));
        {
            const auto a = co_await pool.get();
            EXPECT_TRUE(a);
        }
        EXPECT_TRUE(from.open == 0 && pool.idle() == 0);
        const auto b = co_await pool.get();  // closing `a` has returned its permit
        EXPECT_TRUE(b && from.made == 2);
    });
}

TEST(ProtoPool, LimitsConnectionsInUseAndUnused) {
    run_paused([]() -> task<> {
        factory from;
        const auto pool = from.pool(proto::pool_options().max(2).max_idle(1));
        auto a = co_await pool.get();
        auto b = co_await pool.get();
        by_hand c(pool.get()), d(pool.get());
        assert_pending(c.poll());
        assert_pending(d.poll());
        c.drop();  // while it waits
        a->give_back();
        EXPECT_EQ(assert_ready_ok(d.poll())->id(), 1);
        b->give_back();
        EXPECT_TRUE(from.open == 1 && pool.idle() == 1);
    });
}

TEST(ProtoPool, OldConnectionsAreClosed) {
    run_paused([]() -> task<> {
        factory from;
        const auto pool = from.pool(proto::pool_options().idle_timeout(10s));
        auto a = co_await pool.get();
        auto b = co_await pool.get();
        a->give_back();
        co_await sleep(6s);
        b->give_back();
        co_await sleep(6s);
        auto c = co_await pool.get();
        EXPECT_EQ((*c)->id(), 2);
        EXPECT_TRUE(from.open == 1 && pool.idle() == 0);
    });
}

TEST(ProtoPool, LimitsOfUnusedConnectionsAreExact) {
    run_paused([]() -> task<> {
        factory from;
        const auto pool = from.pool(proto::pool_options().max_idle(1).idle_timeout(10s));
        auto a = co_await pool.get();
        auto b = co_await pool.get();
        a->give_back();
        b->give_back();
        EXPECT_TRUE(from.open == 1 && pool.idle() == 1);
        co_await sleep(10s - 1ms);
        auto c = co_await pool.get();
        EXPECT_EQ((*c)->id(), 1);
        c->give_back();
        co_await sleep(10s);  // too old from now on
        auto d = co_await pool.get();
        EXPECT_EQ((*d)->id(), 3);
    });
}

TEST(ProtoPool, FailedConnectReturnsItsPermit) {
    script attempt;
    attempt.now = plan::fails;
    const proto::pool pool([&attempt] { return scripted(attempt); }, proto::pool_options().max(1));
    for (int i = 0; i < 2; ++i) {
        by_hand failed(pool.get());
        EXPECT_EQ(assert_ready_error(failed.poll()), io_error);
    }
    attempt.now = plan::pending;
    {
        by_hand dropped(pool.get());
        assert_pending(dropped.poll());
        EXPECT_TRUE(attempt.alive);
    }
    EXPECT_FALSE(attempt.alive);
    attempt.now = plan::ready;
    by_hand made(pool.get());
    EXPECT_EQ(*assert_ready_ok(made.poll()), 0);
}

TEST(ProtoPool, CopyKeepsAWaitingGetAlive) {
    factory from, other;
    std::optional pool(from.pool());
    const auto copy = *pool;  // NOLINT(performance-unnecessary-copy-initialization): shares the connections
    by_hand get(pool->get());
    pool.emplace(other.pool());
    EXPECT_EQ(assert_ready_ok(get.poll())->id(), 1);
    EXPECT_TRUE(from.made == 1 && other.made == 0);
}

// ---- balance ----

/// Services that never answer, and count their calls.
struct counted_services {
    explicit counted_services(std::size_t count) : calls(count), scripts(count) {}

    auto all() {
        std::vector<std::function<scripted(int)>> made;
        for (std::size_t i = 0; i < calls.size(); ++i) {
            made.emplace_back([this, i](int) {
                ++calls[i];
                return scripted(scripts[i]);
            });
        }
        return made;
    }

    std::vector<int> calls;
    std::vector<script> scripts;
};

TEST(ProtoBalance, RoundRobinCallsServicesInTurn) {
    counted_services of(3);
    for (auto& each : of.scripts) each.now = plan::ready;
    const auto balanced = proto::balance(of.all(), proto::balance_policy::round_robin);
    for (int i = 0; i < 7; ++i) {
        by_hand call(balanced(i));
        EXPECT_TRUE(call.poll());
    }
    EXPECT_EQ(of.calls, (std::vector{3, 2, 2}));
}

TEST(ProtoBalance, LeastLoadedAvoidsServicesWithCalls) {
    counted_services of(3);
    const auto balanced = proto::balance(of.all(), proto::balance_policy::least_loaded);
    const auto copy = balanced;  // NOLINT(performance-unnecessary-copy-initialization): shares the counts
    std::optional<by_hand<task<result<int>>>> a(balanced(0)), b(copy(0)), c(balanced(0));
    for (auto* each : {&a, &b, &c}) assert_pending((*each)->poll());
    EXPECT_EQ(of.calls, (std::vector{1, 1, 1}));
    b.reset();  // a dropped call does not count as load
    by_hand d(balanced(0));
    assert_pending(d.poll());
    EXPECT_EQ(of.calls, (std::vector{1, 2, 1}));
}

TEST(ProtoBalance, TwoChoicesSpreadCallsThatDoNotEnd) {
    counted_services of(4);
    const auto balanced = proto::balance(of.all());
    std::vector<std::unique_ptr<by_hand<task<result<int>>>>> calls;
    for (int i = 0; i < 400; ++i) {
        calls.push_back(std::make_unique<by_hand<task<result<int>>>>(balanced(i)));
        assert_pending(calls.back()->poll());
    }
    // With one random choice, the largest difference would be about 20.
    const auto [least, most] = std::ranges::minmax(of.calls);
    EXPECT_LE(most - least, 10);
}

TEST(ProtoBalance, CopyKeepsCallsAlive) {
    counted_services of(1), other(1);
    std::optional balanced(proto::balance(of.all()));
    const auto copy = *balanced;  // NOLINT(performance-unnecessary-copy-initialization): shares the services
    by_hand call((*balanced)(0));
    balanced.emplace(proto::balance(other.all()));
    assert_pending(call.poll());
    EXPECT_TRUE(of.calls[0] == 1 && other.calls[0] == 0);
}

TEST(ProtoBalance, EmptyListIsMisuse) {
    counted_services of(0);
    EXPECT_THROW(static_cast<void>(proto::balance(of.all())), eddy::misuse);
}

TEST(ProtoBalance, PassesOnLoadShed) {
    counted_services of(1);
    auto services = of.all();
    const auto limited = services[0] | proto::concurrency_limit(1);
    const auto balanced = proto::balance(std::vector(2, limited)) | proto::load_shed();
    by_hand a(balanced(0)), b(balanced(0));
    assert_pending(a.poll());
    EXPECT_EQ(assert_ready_error(b.poll()), eddy::errc::overloaded);
}

}  // namespace
