// SPDX-License-Identifier: MIT
// What breaks the runtime.
#include <eddy/runtime.hpp>

#include <gtest/gtest.h>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/core.hpp>
#include <eddy/handle.hpp>
#include <eddy/join_handle.hpp>
#include <eddy/ready.hpp>
#include <eddy/scope.hpp>
#include <eddy/spawn.hpp>
#include <eddy/spawn_blocking.hpp>
#include <eddy/task.hpp>
#include <eddy/time/sleep.hpp>
#include <eddy/wait.hpp>
#include <eddy/yield_now.hpp>

#include "support/gate.hpp"
#include "support/net.hpp"
#include "support/runtime.hpp"

namespace {

using namespace std::chrono_literals;

enum class how { returned, ended_by_signal, hung };

std::ostream& operator<<(std::ostream& out, how ended) {
    return out << (ended == how::returned ? "returned" : ended == how::hung ? "hung" : "was ended by a signal");
}

/// Runs `f` in a forked child, for at most 8 s.
template <class Fn>
how in_child(Fn f) {
    const pid_t child = ::fork();
    if (child == 0) {
        f();
        ::_exit(0);
    }
    const auto limit = std::chrono::steady_clock::now() + 8s;
    int status = 0;
    while (::waitpid(child, &status, WNOHANG) == 0) {
        if (std::chrono::steady_clock::now() > limit) {
            ::kill(child, SIGKILL);
            ::waitpid(child, &status, 0);
            return how::hung;
        }
        std::this_thread::yield();
    }
    return WIFEXITED(status) ? how::returned : how::ended_by_signal;
}

// ---- block_in_place ----

TEST(BreakerRuntime, BlockInPlaceKeepsTheRuntimeThatWasEntered) {
    const auto outer = support::make_runtime(2);
    const auto inner = support::make_runtime(1);
    bool inside = false;
    bool after = false;
    outer.block_on([](auto& other, bool& in, bool& behind) -> eddy::task<> {
        const auto guard = other.enter();
        eddy::block_in_place([&] { in = eddy::handle::current() == other.handle(); });
        behind = eddy::handle::current() == other.handle();
        co_return;
    }(inner, inside, after));
    EXPECT_TRUE(inside);
    EXPECT_TRUE(after);
}

TEST(BreakerRuntime, AThreadThatHasTakenAWorkerOverIsStillOwedToBlockingWork) {
    const how ended = in_child([] {
        const auto rt = eddy::runtime::builder().worker_threads(1).max_blocking_threads(1).build().value();
        rt.block_on([]() -> eddy::task<> {
            support::gate other;
            auto opens = eddy::spawn([&] { other.open(); });
            // Until another thread runs the worker.
            eddy::block_in_place([&] { static_cast<void>(other.wait()); });
            static_cast<void>(co_await opens);
            auto done = eddy::spawn_blocking([] {});
            static_cast<void>(co_await done);
        }());
    });
    EXPECT_EQ(ended, how::returned);
}

// ---- What has been moved from ----

TEST(BreakerRuntime, ARuntimeThatWasMovedFromSaysSo) {
    const how ended = in_child([] {
        auto rt = support::make_runtime(1);
        std::move(rt).shutdown_background();
        try {
            rt.block_on(eddy::ready());
        } catch (const eddy::misuse&) {
        }
    });
    EXPECT_EQ(ended, how::returned);
}

// ---- Threads that cannot be had ----

TEST(BreakerRuntime, NoMoreThreads) {
    for (const unsigned workers : {1u, 4u, 64u}) {
        EXPECT_EQ(
            in_child([workers] {
                const rlimit few{std::size_t{6} << 30, std::size_t{6} << 30};
                ::setrlimit(RLIMIT_AS, &few);
                auto rt =
                    eddy::runtime::builder().worker_threads(workers).thread_stack_size(std::size_t{1} << 30).build();
                if (!rt) return;
                rt->block_on([]() -> eddy::task<> {
                    std::vector<eddy::join_handle<void>> all;
                    for (int i = 0; i < 20; ++i) all.push_back(eddy::spawn_blocking([] {}));
                    for (auto& each : all) static_cast<void>(co_await each);
                    for (int i = 0; i < 20; ++i) eddy::block_in_place([] { std::this_thread::yield(); });
                }());
            }),
            how::returned);
    }
}

// ---- Thread-local things ----

struct at_thread_exit {
    std::optional<eddy::handle> handle;
    std::optional<eddy::abort_handle> aborts;
    std::optional<eddy::join_handle<void>> task;
    ~at_thread_exit() {
        if (!handle) return;
        handle->spawn([] {}).detach();
        const auto guard = handle->enter();
        eddy::spawn_blocking([] {}).detach();
        eddy::spawn(eddy::yield_now()).detach();
        try {
            handle->block_on(eddy::ready());
        } catch (const std::exception&) {
        }
        if (task) task->abort();
        if (task) static_cast<void>(eddy::wait(*task));
        static_cast<void>(handle->metrics());
    }
};
thread_local at_thread_exit last_thing;

TEST(BreakerRuntime, DestructorsOfThreadLocalsUseTheRuntime) {
    for (int round = 0; round < 20; ++round) {
        EXPECT_EQ(in_child([round] {
                      auto rt = support::make_runtime(2);
                      for (int i = 0; i < 4; ++i) {
                          rt.spawn([]() -> eddy::task<> {
                                last_thing.handle = eddy::handle::current();
                                last_thing.task.emplace(eddy::spawn(eddy::time::sleep(1h)));
                                co_await eddy::yield_now();
                            }).detach();
                      }
                      {
                          const auto guard = rt.enter();
                          eddy::spawn_blocking([h = rt.handle()] { last_thing.handle = h; }).detach();
                      }
                      if (round % 2 == 0) rt.block_on(eddy::time::sleep(5ms));
                  }),
                  how::returned);
    }
}

TEST(BreakerRuntime, AnUncaughtHandlerWhoseEndSpawnsOnItsLoop) {
    auto words = std::make_shared<int>(1);
    const std::weak_ptr<int> left = words;
    struct spawns_at_end {
        std::shared_ptr<int> words;
        ~spawns_at_end() {
            eddy::spawn([w = std::move(words)] {}).detach();
        }
    };
    {
        auto held = std::make_shared<spawns_at_end>(std::move(words));
        auto loop = eddy::core::builder()
                        .on_uncaught([h = std::move(held)](const std::exception_ptr&, const std::source_location&) {})
                        .build()
                        .value();
    }
    EXPECT_TRUE(left.expired());
}

TEST(BreakerRuntime, ManyRuntimesOneAfterTheOther) {
    const auto before = support::fd_count();
    for (int i = 0; i < 2000; ++i) {
        const auto rt = support::make_runtime(2);
        rt.spawn(eddy::time::sleep(1h)).detach();
        rt.block_on([]() -> eddy::task<> {
            eddy::block_in_place([] {});
            auto done = eddy::spawn_blocking([] {});
            static_cast<void>(co_await done);
        }());
    }
    EXPECT_EQ(support::fd_count(), before);
}

}  // namespace
