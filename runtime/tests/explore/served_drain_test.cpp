// SPDX-License-Identifier: MIT
// The idle connections of a server that drains: each is aborted, whether it becomes idle before the drain begins or
// afterwards, and also if its task is not known yet.
#include <eddy/net/detail/served_state.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <source_location>
#include <utility>

#include <eddy/detail/frame_pool.hpp>
#include <eddy/detail/runtime_context.hpp>
#include <eddy/future/future.hpp>
#include <eddy/task/detail/spawned_task.hpp>
#include <eddy/task/join_handle.hpp>
#include <eddy/time/clock.hpp>

#include "explore/explore.hpp"
#include "explore/small_executor.hpp"
#include "explore/task_output.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::detail::idle_connections;
using eddy::detail::served_state;
using explore::check;
using explore::holds;

std::shared_ptr<idle_connections> make_connections() { return std::make_shared<idle_connections>(1h); }

/// Returns whether there is a connection that was not aborted.
bool has_connections(idle_connections& all) { return all.abort_late(eddy::time::time_point::min()).has_value(); }

TEST(ExploreServedDrain, ConnectionThatBecomesIdleIsAborted) {
    EXPECT_TRUE(holds([] {
        const auto all = make_connections();
        served_state connection(all);
        {
            explore::thread handler([&] { connection.begin_idle(); });
            all->begin_drain();
        }
        check(!has_connections(*all), "the idle connection was aborted");
    }));
}

TEST(ExploreServedDrain, ConnectionThatIsBusyIsAbortedLater) {
    EXPECT_TRUE(holds([] {
        const auto all = make_connections();
        served_state connection(all);
        {
            explore::thread handler([&] {
                connection.begin_idle();
                static_cast<void>(connection.end_idle());
                connection.begin_idle();
            });
            all->begin_drain();
        }
        check(!has_connections(*all), "the idle connection was aborted");
    }));
}

TEST(ExploreServedDrain, RequestBeginsOrItsConnectionIsAborted) {
    EXPECT_TRUE(holds([] {
        const auto all = make_connections();
        served_state connection(all);
        bool begins = false;
        {
            explore::thread handler([&] {
                connection.begin_idle();
                begins = connection.end_idle();
            });
            all->begin_drain();
        }
        check(begins == has_connections(*all), "the connection has a request, or was aborted");
    }));
}

TEST(ExploreServedDrain, ConnectionMayEndMeanwhile) {
    EXPECT_TRUE(holds([] {
        const auto all = make_connections();
        explore::thread handler([all] {
            served_state connection(all);
            connection.begin_idle();
        });
        all->begin_drain();
    }));
}

/// The task of a connection, which waits for the next request.
struct endless {
    using output_type = explore::output;
    eddy::poll_result<output_type> poll(eddy::context&) { return eddy::not_ready; }
};

class ExploreServedDrainTask : public testing::Test {
protected:
    static void SetUpTestSuite() { explore::separate(&eddy::detail::this_thread.polled); }
};

/// The task already runs while the server gets its handle.
TEST_F(ExploreServedDrainTask, IsAbortedWhenItBecomesKnown) {
    EXPECT_TRUE(holds([] {
        explore::small_executor executor;
        const explore::all_inside inside(executor);
        const auto all = make_connections();
        served_state connection(all);
        auto* const task = eddy::detail::pool_new<eddy::detail::task_cell<endless>>(
            executor, std::source_location::current(), endless());
        executor.schedule(*task);
        eddy::join_handle<explore::output> handle(*task);
        {
            explore::thread server(
                [&, known = handle.abort_handle()]() mutable { connection.set_task(std::move(known)); });
            explore::thread handler([&] { connection.begin_idle(); });
            all->begin_drain();
        }
        handle.detach();
        executor.run();
    }));
}

}  // namespace
