// SPDX-License-Identifier: MIT
#include <eddy/net/serve.hpp>
#include <eddy/prelude.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <support/executors.hpp>
#include <support/limit.hpp>

namespace {

using namespace std::chrono_literals;
using eddy::net::ip_addr;
using eddy::net::serve;
using eddy::net::socket_addr;
using eddy::net::tcp_listener;
using eddy::net::tcp_stream;

const socket_addr any(ip_addr::v4_loopback(), 0);

/// An object that handlers use until they have ended.
class served_object {
public:
    static constexpr int clients = 3;

    /// Serves a connection until the task is cancelled. The cleanup then needs several more polls.
    eddy::task<void> serve_one(tcp_stream stream) {
        const auto own = std::move(stream);
        ++alive_;
        co_await eddy::finally(use(), [this] { return end(); });
    }
    eddy::task<eddy::result<void>> wait_until_all_run() {
        while (alive_ < clients) co_await eddy::yield_now();
        co_return std::unexpected(make_error_code(std::errc::io_error));
    }
    [[nodiscard]] int alive() const noexcept { return alive_; }

private:
    eddy::task<void> use() {
        for (;;) {
            length_ += std::string(name_).size();
            co_await eddy::yield_now();
        }
    }
    eddy::task<void> end() {
        for (int i = 0; i < 3; ++i) co_await eddy::time::sleep(1ms);
        length_ += std::string(name_).size();
        --alive_;
    }

    std::string name_ = "a name that is allocated";
    std::atomic<std::size_t> length_ = 0;
    std::atomic<int> alive_ = 0;
};

/// Runs on an event loop and on a runtime with 4 workers.
class NetServeCancel : public testing::TestWithParam<unsigned> {
protected:
    /// Calls `cancel(server, object)`, where the handlers of the server use the object. `cancel` returns a task that
    /// cancels the server after all handlers have started. Expects that no handler runs when this task has ended.
    template <class Cancel>
    void check(Cancel cancel) {
        const auto rounds = [&]() -> eddy::task<void> {
            for (int round = 0; round < 3; ++round) {
                auto object = std::make_unique<served_object>();
                auto bound = co_await tcp_listener::bind(any);
                auto listener = std::move(bound).value();
                std::vector<tcp_stream> clients;
                for (int i = 0; i < served_object::clients; ++i) {
                    auto client = co_await tcp_stream::connect(listener.local_addr().value());
                    clients.push_back(std::move(client).value());
                }
                const auto handler = [&used = *object](tcp_stream stream) { return used.serve_one(std::move(stream)); };
                auto server = serve(std::move(listener), handler);
                co_await cancel(std::move(server), *object);
                EXPECT_EQ(object->alive(), 0);
            }
        };
        auto limited = eddy::time::timeout(support::operation_limit(), rounds());
        EXPECT_TRUE(on.run(std::move(limited)).has_value());
    }

    support::executor on{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Executors, NetServeCancel, testing::Values(0u, 4u), support::name_of_executor);

// covers: P066
TEST_P(NetServeCancel, FailedScopeWaitsForHandlers) {
    check([](auto server, served_object& object) -> eddy::task<void> {
        const auto body = [&](auto& children) -> eddy::task<eddy::result<void>> {
            children.spawn(std::move(server));
            children.spawn(object.wait_until_all_run());
            co_return eddy::ok();
        };
        const auto ended = co_await eddy::scope(body);
        EXPECT_EQ(ended.error(), std::errc::io_error);
    });
}

// covers: P066
TEST_P(NetServeCancel, ClosedTaskOwnerWaitsForHandlers) {
    check([](auto server, served_object& object) -> eddy::task<void> {
        eddy::task_owner owner;
        owner.spawn(std::move(server));
        static_cast<void>(co_await object.wait_until_all_run());
        co_await owner.close();
    });
}

TEST_P(NetServeCancel, TaskOwnerWaitsForHandlersOfItsCoroutine) {
    check([](auto server, served_object& object) -> eddy::task<void> {
        eddy::task_owner owner;
        owner.spawn([&]() -> eddy::task<eddy::result<void>> {
            co_await eddy::try_(std::move(server));
            co_return eddy::ok();
        });
        static_cast<void>(co_await object.wait_until_all_run());
        co_await owner.close();
    });
}

// covers: P066
TEST_P(NetServeCancel, SelectWaitsForHandlers) {
    check([](auto server, served_object& object) -> eddy::task<void> {
        const auto first = co_await eddy::select(std::move(server), object.wait_until_all_run());
        EXPECT_EQ(first.index(), 1u);
    });
}

// covers: P066
TEST_P(NetServeCancel, AbortedTaskWaitsForHandlers) {
    check([](auto server, served_object& object) -> eddy::task<void> {
        auto serving = eddy::spawn(std::move(server));
        static_cast<void>(co_await object.wait_until_all_run());
        serving.abort();
        const auto ended = co_await serving;
        EXPECT_TRUE(ended.error().is_cancelled());
    });
}

// ---- A handler that runs before serve() knows its task ----

using eddy::detail::idle_connections;
using eddy::detail::served_state;

/// Passes a task that never ends to `state`. Returns whether the task is aborted.
bool aborts_late_task(served_state& state) {
    return eddy::core().run([&]() -> eddy::task<bool> {
        const auto late = eddy::spawn_background(eddy::pending<void>());
        state.set_task(late.abort_handle());
        co_await eddy::yield_now();
        co_return late.is_finished();
    }());
}

TEST(NetServeState, ConnectionThatBecomesIdleInDrainIsAborted) {
    const auto all = std::make_shared<idle_connections>(std::nullopt);
    served_state state(all);
    EXPECT_FALSE(aborts_late_task(state));
    all->begin_drain();
    EXPECT_FALSE(aborts_late_task(state)) << "the connection has a request";
    served_state idle(all);
    idle.begin_idle();
    EXPECT_TRUE(aborts_late_task(idle));
}

TEST(NetServeState, ConnectionIdleBeforeDrainIsAborted) {
    const auto all = std::make_shared<idle_connections>(std::nullopt);
    served_state state(all);
    state.begin_idle();
    all->begin_drain();
    EXPECT_TRUE(aborts_late_task(state));
}

TEST(NetServeState, OnlyConnectionsBeyondTheIdleLimitAreAborted) {
    const auto all = std::make_shared<idle_connections>(1h);
    served_state first(all);
    served_state second(all);
    served_state third(all);
    for (auto* const each : {&first, &second, &third}) each->begin_idle();
    EXPECT_TRUE(second.end_idle());
    const auto now = eddy::time::clock::now();
    EXPECT_GT(all->abort_late(now), now);
    EXPECT_FALSE(aborts_late_task(first));
    EXPECT_EQ(all->abort_late(now + 2h), now + 3h) << "the next look is at the second connection";
    EXPECT_TRUE(aborts_late_task(first));
    EXPECT_FALSE(aborts_late_task(second));
    EXPECT_TRUE(aborts_late_task(third));
}

TEST(NetServeState, IdleTimeBeginsAfterTheLastRequest) {
    const auto all = std::make_shared<idle_connections>(1h);
    served_state state(all);
    EXPECT_FALSE(aborts_late_task(state));
    state.begin_idle();
    const auto now = eddy::time::clock::now();
    EXPECT_TRUE(state.end_idle());
    EXPECT_EQ(all->abort_late(now + 2h), now + 3h) << "it is busy";
    state.begin_idle();  // at about `now`
    state.begin_idle();  // it stays idle since then
    EXPECT_EQ(all->abort_late(now + 30min), now + 3h) << "too early for a look";
    EXPECT_FALSE(aborts_late_task(state));
    EXPECT_EQ(all->abort_late(now + 3h), std::nullopt);
    EXPECT_FALSE(state.end_idle());
    EXPECT_TRUE(aborts_late_task(state));
}

TEST(NetServeState, FailedWorkOfAnUnknownTaskIsDropped) {
    const auto all = std::make_shared<idle_connections>(std::nullopt);
    served_state state(all);
    state.set_failed_work("GET /early");
    eddy::core().run([&]() -> eddy::task<void> {
        const auto running = eddy::spawn_background(eddy::pending<void>());
        EXPECT_EQ(all->take_failed_work(running.id()), "");
        state.set_task(running.abort_handle());
        state.set_failed_work("GET /late");
        EXPECT_EQ(all->take_failed_work(running.id()), "GET /late");
        EXPECT_EQ(all->take_failed_work(running.id()), "");
        co_return;
    }());
}

}  // namespace
