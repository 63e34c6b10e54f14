// SPDX-License-Identifier: MIT
// Handles of a runtime, and the current runtime of a thread.
#include <eddy/runtime/handle.hpp>

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <eddy/error.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/net/tcp_stream.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/runtime.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/spawn_blocking.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/interval.hpp>
#include <eddy/time/sleep.hpp>

#include "support/gate.hpp"
#include "support/net.hpp"
#include "support/polling.hpp"
#include "support/runtime.hpp"

namespace {

using namespace std::chrono_literals;
using support::hold;
using support::last_words;
using support::nothing;
using support::number;
using support::text_of_misuse;

class RuntimeHandle : public support::on_workers {};
EDDY_ON_1_2_AND_4_WORKERS(RuntimeHandle);

static_assert(std::is_nothrow_copy_constructible_v<eddy::handle>);
static_assert(!std::is_move_constructible_v<eddy::enter_guard>, "an enter_guard must stay in its scope");

/// Returns the runtime that is current inside a task.
eddy::task<std::optional<eddy::handle>> where_am_i() {
    co_await eddy::yield_now();
    co_return eddy::handle::try_current();
}

// ---- current() ----

// covers: P005
TEST_P(RuntimeHandle, CurrentInsideTaskIsItsRuntime) {
    const auto rt = make();
    EXPECT_EQ(rt.block_on(where_am_i()), rt.handle());
    EXPECT_EQ(eddy::wait(rt.spawn([] { return eddy::handle::current(); })).value(), rt.handle());
}

// covers: P005
TEST_P(RuntimeHandle, CurrentOutsideRuntimeThrowsMisuse) {
    const auto rt = make();
    EXPECT_EQ(eddy::handle::try_current(), std::nullopt);
    const auto said = text_of_misuse([] { static_cast<void>(eddy::handle::current()); });
    EXPECT_NE(said.find("no runtime is current on this thread"), said.npos) << said;
    EXPECT_NE(said.find("runtime_handle_test.cpp:"), said.npos) << said;
    rt.block_on(nothing());
    EXPECT_EQ(eddy::handle::try_current(), std::nullopt) << "block_on does not enter";
}

// covers: P005 P022
TEST_P(RuntimeHandle, CurrentWorksOnBlockingThreadAndInBlockInPlace) {
    const auto rt = make();
    const auto entered = rt.enter();
    EXPECT_EQ(eddy::wait(eddy::spawn_blocking([] { return eddy::handle::current(); })).value(), rt.handle());
    EXPECT_EQ(eddy::wait(rt.spawn([] { return eddy::block_in_place([] { return eddy::handle::current(); }); })).value(),
              rt.handle());
}

TEST_P(RuntimeHandle, SpawnAndSleepOutsideRuntimeThrowMisuse) {
    const auto spawned = text_of_misuse([] { eddy::spawn(nothing()).detach(); });
    EXPECT_NE(spawned.find("spawn needs a runtime on this thread"), spawned.npos) << spawned;
    EXPECT_NE(spawned.find("runtime_handle_test.cpp:"), spawned.npos) << spawned;
    const auto blocking = text_of_misuse([] { eddy::spawn_blocking([] {}).detach(); });
    EXPECT_NE(blocking.find("spawn_blocking needs a runtime"), blocking.npos) << blocking;
    EXPECT_NE(blocking.find("runtime_handle_test.cpp:"), blocking.npos) << blocking;
    const auto slept = text_of_misuse([] { eddy::wait(eddy::time::sleep(1ms)); });
    EXPECT_NE(slept.find("a sleep needs an event loop on this thread"), slept.npos) << slept;
}

TEST_P(RuntimeHandle, RefusedSpawnDestroysFuture) {
    const auto alive = std::make_shared<int>(1);
    EXPECT_THROW(eddy::spawn(hold(alive)), eddy::misuse);
    EXPECT_THROW(eddy::spawn([alive] {}), eddy::misuse);
    EXPECT_EQ(alive.use_count(), 1);
}

// ---- enter() ----

// covers: P005
TEST_P(RuntimeHandle, EnterGuardRestoresPreviousRuntime) {
    const auto first = make();
    const auto second = make();
    {
        const auto outer = first.enter();
        EXPECT_EQ(eddy::handle::current(), first.handle());
        EXPECT_EQ(eddy::wait(eddy::spawn(where_am_i())).value(), first.handle());
        {
            const auto inner = second.enter();
            EXPECT_EQ(eddy::handle::current(), second.handle());
            EXPECT_EQ(eddy::wait(eddy::spawn(where_am_i())).value(), second.handle());
            {
                const auto again = first.enter();
                EXPECT_EQ(eddy::wait(eddy::spawn(where_am_i())).value(), first.handle());
            }
            EXPECT_EQ(eddy::wait(eddy::spawn(where_am_i())).value(), second.handle());
        }
        EXPECT_EQ(eddy::wait(eddy::spawn(where_am_i())).value(), first.handle());
    }
    EXPECT_EQ(eddy::handle::try_current(), std::nullopt);
}

// covers: P005
TEST_P(RuntimeHandle, TimersAndSocketsUseEnteredRuntime) {
    const auto rt = make();
    const auto entered = rt.enter();
    const auto began = std::chrono::steady_clock::now();
    eddy::wait(eddy::time::sleep(5ms));
    EXPECT_GE(std::chrono::steady_clock::now() - began, 5ms);
    eddy::wait([]() -> eddy::task<void> {
        auto every = eddy::time::interval(1ms);
        for (int i = 0; i < 3; ++i) co_await every.tick();
    }());
    support::connection pair;
    std::array<std::byte, 4> into{};
    std::thread sender([&] {
        EXPECT_TRUE(support::comes_true([&] { return rt.metrics().io().fds_registered > 0; }));
        pair.peer.send("four");
    });
    EXPECT_EQ(eddy::wait(pair.stream.read_exact(into)).has_value(), true);
    sender.join();
    EXPECT_EQ(support::text_of(into), "four");
}

TEST_P(RuntimeHandle, EventLoopInsideEnteredRuntimeIsCurrent) {
    const auto rt = make();
    const auto entered = rt.enter();
    eddy::core loop;
    const auto mine = std::this_thread::get_id();
    loop.run([&]() -> eddy::task<void> {
        auto child = eddy::spawn([] { return std::this_thread::get_id(); });
        EXPECT_EQ((co_await child).value(), mine);
        // A runtime that is entered inside the event loop becomes the current one.
        {
            const auto again = rt.enter();
            auto away = eddy::spawn([] { return std::this_thread::get_id(); });
            while (!away.is_finished()) std::this_thread::yield();
            EXPECT_NE((co_await away).value(), mine);
        }
        auto back = eddy::spawn([] { return std::this_thread::get_id(); });
        EXPECT_EQ((co_await back).value(), mine);
        co_await eddy::time::sleep(1ms);
    }());
    EXPECT_EQ(eddy::handle::current(), rt.handle());
    EXPECT_NE(eddy::wait(eddy::spawn([] { return std::this_thread::get_id(); })).value(), mine);
}

TEST_P(RuntimeHandle, EnterInsideTaskOfAnotherRuntimeIsTemporary) {
    const auto outer = make();
    const auto inner = make();
    outer.block_on([&]() -> eddy::task<void> {
        std::optional<eddy::join_handle<std::optional<eddy::handle>>> away;
        {
            const auto entered = inner.enter();
            EXPECT_EQ(eddy::handle::current(), inner.handle());
            away = eddy::spawn(where_am_i());
        }
        EXPECT_EQ((co_await *away).value(), inner.handle());
        EXPECT_EQ(eddy::handle::current(), outer.handle());
        auto here = eddy::spawn(where_am_i());
        EXPECT_EQ((co_await here).value(), outer.handle());
        co_await eddy::time::sleep(1ms);
    }());
}

TEST_P(RuntimeHandle, EnterGuardMayOutliveRuntime) {
    std::optional<eddy::runtime> rt(make());
    const auto entered = rt->enter();
    rt.reset();
    EXPECT_TRUE(eddy::handle::try_current().has_value());
    EXPECT_TRUE(eddy::wait(eddy::spawn(nothing())).error().is_cancelled());
    support::connection pair;
    std::array<std::byte, 1> into{};
    EXPECT_EQ(eddy::wait(pair.stream.read(into)).error(), eddy::errc::runtime_shutdown);
    EXPECT_NE(text_of_misuse([] { eddy::wait(eddy::time::sleep(1h)); }).find("shut down"), std::string::npos);
}

// covers: R043
TEST(RuntimeHandleDeathTest, EnterGuardsDestroyedOutOfOrderAbort) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(
        {
            const auto first = support::make_runtime(1);
            const auto second = support::make_runtime(1);
            struct entered {
                eddy::enter_guard guard;
                explicit entered(const eddy::runtime& rt) : guard(rt.enter()) {}
            };
            auto outer = std::make_unique<entered>(first);
            auto inner = std::make_unique<entered>(second);
            outer.reset();
            inner.reset();
        },
        "enter guards were not destroyed in the reverse order of their creation.*"
        "too early .at .*runtime_handle_test.cpp:");
}

// covers: R043
TEST(RuntimeHandleDeathTest, EnterGuardDroppedOnOtherThreadAborts) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(
        {
            const auto rt = support::make_runtime(1);
            struct entered {
                eddy::enter_guard guard;
                explicit entered(const eddy::runtime& of) : guard(of.enter()) {}
            };
            auto mine = std::make_unique<entered>(rt);
            std::thread([&] { mine.reset(); }).join();
        },
        "enter guards were not destroyed");
}

// ---- Handles ----

// covers: P005
TEST_P(RuntimeHandle, ForeignThreadsSpawnThroughHandle) {
    const auto rt = make();
    std::atomic<int> sum = 0;
    {
        const support::threads all(8, [&, handle = rt.handle()](unsigned) {
            for (int i = 1; i <= 100; ++i) {
                const auto copy = handle;
                copy.spawn([&, i] { sum += i; }).detach();
            }
        });
    }
    rt.wait_until_idle();
    EXPECT_EQ(sum, 8 * 5050);
}

TEST_P(RuntimeHandle, HandlesOfSameRuntimeAreEqual) {
    const auto first = make();
    const auto second = make();
    auto a = first.handle();
    auto b = second.handle();
    EXPECT_EQ(a, first.handle());
    EXPECT_NE(a, b);
    auto moved = std::move(a);
    EXPECT_EQ(moved, first.handle());
    EXPECT_EQ(a, first.handle()) << "a handle is never empty";  // NOLINT(bugprone-use-after-move)
    b = moved;
    EXPECT_EQ(b, first.handle());
    auto& same = b;
    b = same;
    EXPECT_EQ(b.block_on(number(1)), 1);
    b = second.handle();
    EXPECT_EQ(b.block_on(where_am_i()), second.handle());
}

TEST_P(RuntimeHandle, HandleMayOutliveRuntime) {
    std::optional<eddy::handle> handle;
    std::atomic<int> destroyed = 0;
    {
        const auto rt = make();
        handle = rt.handle();
        EXPECT_EQ(handle->block_on(number(1)), 1);
    }
    auto task = handle->spawn(hold(last_words([&] { ++destroyed; })));
    EXPECT_EQ(destroyed, 1);
    EXPECT_TRUE(eddy::wait(std::move(task)).error().is_cancelled());
    try {
        handle->block_on(nothing());
        ADD_FAILURE() << "nothing was thrown";
    } catch (const std::system_error& thrown) {
        const std::string text = thrown.what();
        EXPECT_EQ(thrown.code(), eddy::errc::task_cancelled);
        EXPECT_TRUE(text.contains("block_on() did not run its future to the end")) << text;
        EXPECT_TRUE(text.contains("keep the runtime until")) << text;
        EXPECT_TRUE(text.contains("runtime_handle_test.cpp:")) << text;
    }
    EXPECT_EQ(handle->metrics().alive_tasks, 0u);
    EXPECT_EQ(handle->metrics().workers(), workers());
    const auto copy = *handle;
    handle.reset();
    EXPECT_TRUE(eddy::wait(copy.spawn(nothing())).error().is_cancelled());
}

TEST_P(RuntimeHandle, HandlesDoNotKeepRuntimeAlive) {
    std::atomic<int> destroyed = 0;
    std::vector<eddy::handle> handles;
    {
        const auto rt = make();
        handles.assign(100, rt.handle());
        rt.spawn(hold(last_words([&] { ++destroyed; }))).detach();
    }
    EXPECT_EQ(destroyed, 1);
}

TEST_P(RuntimeHandle, LastHandleMayBeDroppedOnWorkerOfAnotherRuntime) {
    const auto stays = make();
    std::optional<eddy::runtime> goes(make());
    auto last = stays.spawn([handle = goes->handle()]() -> eddy::task<bool> {
        // Loops until the other runtime has ended.
        for (;;) {
            auto task = handle.spawn(hold(0));
            if (task.is_finished()) co_return true;
            task.abort();
            co_await eddy::yield_now();
        }
    });
    goes.reset();
    EXPECT_TRUE(eddy::wait(std::move(last)).value());
}

TEST_P(RuntimeHandle, TasksSpawnOnAnotherRuntime) {
    const auto first = make();
    const auto second = make();
    std::atomic<int> ended = 0;
    const auto a = first.handle();
    const auto b = second.handle();
    struct bounce {
        eddy::handle here;
        eddy::handle there;
        int left;
        std::atomic<int>* ended;
        bounce(eddy::handle from, eddy::handle to, int count, std::atomic<int>& at_end)
            : here(std::move(from)), there(std::move(to)), left(count), ended(&at_end) {}
        void operator()() const {
            EXPECT_EQ(eddy::handle::current(), here);
            if (left == 0) {
                ++*ended;
            } else {
                there.spawn(bounce(there, here, left - 1, *ended)).detach();
            }
        }
    };
    for (int i = 0; i < 10; ++i) a.spawn(bounce(a, b, 200, ended)).detach();
    EXPECT_TRUE(support::comes_true([&] { return ended == 10; }));
}

}  // namespace
