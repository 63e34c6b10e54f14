// SPDX-License-Identifier: MIT
// A future that was moved after its first poll ends the program. The message names the await that polled the future.
// covers: P107 I20.2.9
// runs: asan, plain
#include <eddy/prelude.hpp>
#include <eddy/runtime.hpp>
#include <eddy/task.hpp>

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include <support/system.hpp>

namespace {

using eddy::task;
namespace sync = eddy::sync;

/// Polls a future in a select that another future wins. Then moves the polled future, and awaits it.
template <class F>
task<void> move_after_poll(F waits) {
    const auto first = co_await eddy::select_biased(std::ref(waits), eddy::ready());
    EXPECT_EQ(first.index(), 1u);
    auto moved = std::move(waits);
    if constexpr (std::is_void_v<eddy::output_t<F>>) {
        co_await moved;
    } else {
        static_cast<void>(co_await moved);
    }
}

void run(task<void> main) {
    eddy::core core;
    core.run(std::move(main));
}

/// Returns a regular expression for the message about a future that was moved.
std::string moved(const std::string& what) {
    return what + " was moved after its first poll: keep it where it is.*It was polled .at .*moved_future_test.cpp:";
}

class MovedFutureOfFamilyDeathTest : public testing::Test {
protected:
    MovedFutureOfFamilyDeathTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(MovedFutureOfFamilyDeathTest, SocketOperationNamesTheAwait) {
    const auto read = []() -> task<void> {
        auto socket = (co_await eddy::net::udp_socket::bind("127.0.0.1:0")).value();
        std::array<char, 8> room{};
        co_await move_after_poll(socket.recv(room));
    };
    EXPECT_DEATH(run(read()), moved("a read or receive operation of a socket or pipe"));
}

TEST_F(MovedFutureOfFamilyDeathTest, ReadinessNamesTheAwait) {
    const auto wait = []() -> task<void> {
        const support::counter source;
        eddy::io::async_fd<eddy::io::fd_view> watched(eddy::io::fd_view(source.native_handle()),
                                                      eddy::io::interest::readable);
        co_await move_after_poll(watched.wait_readable());
    };
    EXPECT_DEATH(run(wait()), moved("a wait for the readiness of a descriptor"));
}

TEST_F(MovedFutureOfFamilyDeathTest, LockNamesTheAwait) {
    const auto lock = []() -> task<void> {
        sync::mutex<int> m;
        const auto guard = co_await m.lock();
        co_await move_after_poll(m.lock());
    };
    EXPECT_DEATH(run(lock()), moved("a mutex, an rwlock, a semaphore or channel capacity"));
}

TEST_F(MovedFutureOfFamilyDeathTest, NotificationNamesTheAwait) {
    sync::notify changed;
    EXPECT_DEATH(run(move_after_poll(changed.notified())), moved("a notify's notified.."));
    sync::set_once<int> value;
    EXPECT_DEATH(run(move_after_poll(value.wait())), moved("a set_once's wait.."));
    sync::barrier two(2);
    EXPECT_DEATH(run(move_after_poll(two.wait())), moved("a barrier's wait.."));
    const sync::task_tracker tracker;
    EXPECT_DEATH(run(move_after_poll(tracker.wait())), moved("task_tracker::wait.."));
    const sync::cancellation_token token;
    EXPECT_DEATH(run(move_after_poll(token.run_until_cancelled(eddy::pending<void>()))),
                 moved("a run_until_cancelled.."));
    sync::once_cell<int> cell;
    const auto never = []() -> task<int> {
        co_await eddy::pending<void>();
        co_return 1;
    };
    EXPECT_DEATH(run(move_after_poll(cell.get_or_init(never))), moved("a once_cell's get_or_init.."));
}

TEST_F(MovedFutureOfFamilyDeathTest, ChannelNamesTheAwait) {
    auto [to, from] = sync::mpsc<int>::channel(1);
    EXPECT_DEATH(run(move_after_poll(to.closed())), moved("a sender's closed.."));
    auto [announce, listen] = sync::broadcast<int>::channel(1);
    EXPECT_DEATH(run(move_after_poll(listen.recv())), moved("a broadcast's recv.."));
    EXPECT_DEATH(run(move_after_poll(announce.closed())), moved("a broadcast's closed.."));
    auto [set, get] = sync::watch<int>::channel(1);
    EXPECT_DEATH(run(move_after_poll(get.changed())), moved("a watch's changed.."));
    EXPECT_DEATH(run(move_after_poll(get.wait_for([](int value) { return value == 2; }))),
                 moved("a watch's wait_for.."));
    EXPECT_DEATH(run(move_after_poll(set.closed())), moved("a watch's closed.."));
}

TEST_F(MovedFutureOfFamilyDeathTest, LocalSetNamesTheAwait) {
    eddy::local_set tasks;
    EXPECT_DEATH(run(move_after_poll(tasks.run_until(eddy::pending<void>()))), moved("a run_until.."));
}

TEST_F(MovedFutureOfFamilyDeathTest, ScopeNamesItsCallSite) {
    const auto body = [](auto&) -> task<void> { co_await eddy::pending<void>(); };
    EXPECT_DEATH(run(move_after_poll(eddy::scope(body))),
                 "a scope was moved after its first poll. It was made .*moved_future_test.cpp:");
}

TEST_F(MovedFutureOfFamilyDeathTest, TaskThatAwaitsItselfByValueNamesTheAwait) {
    std::optional<task<void>> self;
    const auto awaits_itself = [&]() -> task<void> {
        co_await eddy::yield_now();
        co_await *std::move(self);
    };
    EXPECT_DEATH(
        {
            self.emplace(awaits_itself());
            eddy::core core;
            core.run(*self);
        },
        "a task was moved while it runs: its own poll cannot move it.*moved_future_test.cpp:");
}

TEST_F(MovedFutureOfFamilyDeathTest, GeneratorThatIsMovedByItselfNamesTheAwait) {
    std::optional<eddy::async_generator<int>> self;
    const auto moves_itself = [&]() -> eddy::async_generator<int> {
        co_yield 1;
        const auto moved = *std::move(self);
    };
    const auto use = [&]() -> task<void> {
        EXPECT_EQ(co_await self->next(), 1);
        static_cast<void>(co_await self->next());
    };
    EXPECT_DEATH(
        {
            self.emplace(moves_itself());
            run(use());
        },
        "a generator was moved while it runs: its own poll cannot move it.*moved_future_test.cpp:");
}

TEST_F(MovedFutureOfFamilyDeathTest, RunningTaskNamesItsLastAwait) {
    std::optional<task<void>> self;
    const auto destroys_itself = [&]() -> task<void> {
        co_await eddy::yield_now();
        co_await eddy::ready();
        self.reset();
    };
    EXPECT_DEATH(
        {
            self.emplace(destroys_itself());
            eddy::core core;
            core.run(*self);
        },
        "a task was destroyed while it runs.*moved_future_test.cpp:");
}

}  // namespace
