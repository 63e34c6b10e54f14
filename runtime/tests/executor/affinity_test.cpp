// SPDX-License-Identifier: MIT
#include <eddy/runtime.hpp>

#include <gtest/gtest.h>

#include <pthread.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/future/ready.hpp>
#include <eddy/signal.hpp>
#include <eddy/task.hpp>

#include "support/net.hpp"
#include "support/polling.hpp"
#include "support/runtime.hpp"
#include "support/system.hpp"
#include "sys/affinity.hpp"
#include "sys/thread.hpp"

#ifdef __linux__
#include "support/deny_io_uring.hpp"
#endif

namespace {

namespace sys = eddy::sys;
using eddy::core_thread;
using eddy::runtime;
using support::text_of_misuse;
using processors = std::vector<unsigned>;

processors here() { return sys::processors_of_this_thread().value(); }

/// Processors that this process may use.
processors first() { return {here().front()}; }
processors last() { return {here().back()}; }

constexpr unsigned missing = 1'000'000;  // no machine has this processor

TEST(Affinity, EventLoopRunsOnItsProcessors) {
    for (const auto& wanted : {first(), last(), here()}) {
        const auto loop = core_thread::builder().affinity(wanted).build().value();
        EXPECT_EQ(loop.remote().call([] { return here(); }).get(), wanted);
    }
}

TEST(Affinity, BlockingWorkOfABoundLoopIsNotBound) {
    const auto before = here();
    const auto loop = core_thread::builder().affinity(last()).build().value();
    const auto work = []() -> eddy::task<processors> {
        auto there = co_await eddy::spawn_blocking([] { return here(); });
        co_return *std::move(there);
    };
    EXPECT_EQ(loop.remote().call(work).get(), before);
}

TEST(Affinity, BindingEndsWithItsObject) {
    const auto before = here();
    {
        const auto wanted = last();
        const sys::thread_binding bound(wanted);
        EXPECT_EQ(here(), wanted);
        processors of_new;
        auto thread = sys::start_thread({}, 0, [&of_new]() noexcept { of_new = here(); });
        thread->join();
        EXPECT_EQ(of_new, before);
    }
    EXPECT_EQ(here(), before);
    const std::vector refused{missing};
    const sys::thread_binding none(refused);
    EXPECT_EQ(here(), before);
}

/// Runs one task on each worker at the same time. Returns where they run, in the order of worker_index().
std::vector<processors> of_workers(const runtime& pool, std::size_t count) {
    std::vector<processors> all(count);
    std::atomic<std::size_t> arrived{0};
    const auto look = [count](std::vector<processors>& into, std::atomic<std::size_t>& gate) -> eddy::task<void> {
        // Blocks its worker, so that the other tasks go to the other workers.
        for (++gate; gate < count;) std::this_thread::yield();
        into.at(eddy::worker_index().value()) = here();
        co_return;
    };
    std::vector<eddy::join_handle<void>> tasks;
    for (std::size_t i = 0; i < count; ++i) tasks.push_back(pool.spawn(look(all, arrived)));
    for (auto& each : tasks) EXPECT_TRUE(eddy::wait(std::move(each)).has_value());
    return all;
}

TEST(Affinity, WorkersShareTheProcessors) {
    const auto pool = runtime::builder().worker_threads(3).affinity(last()).build().value();
    EXPECT_EQ(of_workers(pool, 3), (std::vector<processors>{last(), last(), last()}));
    EXPECT_EQ(eddy::wait(pool.spawn_blocking([] { return here(); })).value(), here());
}

TEST(Affinity, PinnedWorkersHaveOneProcessorEach) {
    const processors list{here().back(), here().front()};
    const auto pool = runtime::builder().worker_threads(3).pin_workers(list).build().value();
    EXPECT_EQ(of_workers(pool, 3), (std::vector<processors>{last(), first(), last()}));
    EXPECT_EQ(eddy::wait(pool.spawn_blocking([] { return here(); })).value(), here());
}

TEST(Affinity, WorkersArePinnedToAllProcessorsByDefault) {
    const auto all = here();
    const auto pool = runtime::builder().worker_threads(static_cast<unsigned>(all.size())).pin_workers().build();
    const auto found = of_workers(*pool, all.size());
    for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(found[i], processors{all[i]});
}

#ifdef __linux__
TEST(Affinity, UnknownProcessorsAreAnErrorOfBuild) {
    std::error_code error;
    const bool is_denied = support::run_without({SYS_sched_getaffinity}, EPERM, [&error] {
        const auto made = runtime::builder().worker_threads(1).pin_workers().build();
        if (!made) error = made.error();
    });
    if (!is_denied) GTEST_SKIP() << "this process may not filter system calls";
    EXPECT_EQ(error, std::errc::operation_not_permitted);
}
#endif

TEST(Affinity, LastSetterCounts) {
    const auto pool = runtime::builder().worker_threads(1).pin_workers(first()).affinity(here()).build().value();
    EXPECT_EQ(of_workers(pool, 1), std::vector<processors>(1, here()));
}

TEST(Affinity, ProcessorsThatCannotBeUsedAreNamed) {
    const auto before = here();
    const processors some{before.front(), missing, missing + 1};
    const std::string names = "these processors do not exist, or this process may not use them: 1000000 1000001";
    EXPECT_TRUE(text_of_misuse([&] { runtime::builder().affinity(some); }).contains("affinity(): " + names));
    EXPECT_TRUE(text_of_misuse([&] { core_thread::builder().affinity(some); }).contains(names));
    EXPECT_TRUE(text_of_misuse([&] { runtime::builder().pin_workers(some); }).contains("pin_workers(): " + names));
    EXPECT_TRUE(text_of_misuse([] { runtime::builder().affinity({}); }).contains("affinity() needs at least one"));
    EXPECT_EQ(here(), before) << "the check has changed the thread";
}

TEST(WorkerIndex, IsThatOfTheWorkerAndNoneElsewhere) {
    EXPECT_EQ(eddy::worker_index(), std::nullopt);
    const auto pool = runtime::builder().worker_threads(1).build().value();
    const auto work = []() -> eddy::task<bool> {
        const auto of_blocking = co_await eddy::spawn_blocking([] { return eddy::worker_index(); });
        const auto in_place = eddy::block_in_place([] { return eddy::worker_index(); });
        co_return of_blocking.value() == std::nullopt&& in_place == std::nullopt;
    };
    EXPECT_EQ(eddy::wait(pool.spawn([] { return eddy::worker_index(); })).value(), 0u);
    EXPECT_TRUE(eddy::wait(pool.spawn(work())).value());
    const auto loop = core_thread::make().value();
    EXPECT_EQ(loop.remote().call([] { return eddy::worker_index(); }).get(), std::nullopt);
}

TEST(CoreThread, HooksRunOnItsThread) {
    std::atomic<std::thread::id> started{};
    std::atomic<std::thread::id> stopped{};
    std::atomic<bool> is_destroyed{false};
    {
        const auto loop = core_thread::builder()
                              .on_thread_start([&] { started = std::this_thread::get_id(); })
                              .on_thread_stop([&] {
                                  EXPECT_TRUE(is_destroyed) << "tasks are destroyed before the thread stops";
                                  stopped = std::this_thread::get_id();
                              })
                              .build()
                              .value();
        const auto thread = loop.remote().call([] { return std::this_thread::get_id(); }).get();
        EXPECT_EQ(started.load(), thread);
        EXPECT_EQ(stopped.load(), std::thread::id());
        struct at_end {
            std::atomic<bool>* flag;
            explicit at_end(std::atomic<bool>& its) noexcept : flag(&its) {}
            at_end(at_end&& other) noexcept : flag(std::exchange(other.flag, nullptr)) {}
            ~at_end() {
                if (flag != nullptr) *flag = true;
            }
        };
        const auto wait_for_ever = [](at_end) -> eddy::task<void> { co_await eddy::pending<void>(); };
        EXPECT_TRUE(loop.remote().spawn(wait_for_ever(at_end(is_destroyed))));
    }
    EXPECT_EQ(stopped.load(), started.load());
}

TEST(CoreThreadDeathTest, HookThatThrowsEndsTheProcess) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");  // ThreadSanitizer allows no new threads after a fork
    const auto start = [] {
        static_cast<void>(core_thread::builder().on_thread_start([] { throw std::runtime_error("no log"); }).build());
    };
    EXPECT_DEATH(start(), "eddy: the function given to on_thread_start.. threw an exception.*: no log");
}

TEST(CoreThread, BuilderSetsNameAndSettingsOfTheLoop) {
    const auto loop =
        core_thread::builder().thread_name("loop-thread").thread_stack_size(1 << 20).enable_io(false).build().value();
    const auto name = [] {
        std::array<char, 32> text{};
        ::pthread_getname_np(::pthread_self(), text.data(), text.size());
        return std::string(text.data());
    };
    EXPECT_EQ(loop.remote().call(name).get(), "loop-thread");
    const auto refused = [] { return eddy::signal::stream(eddy::signal::kind::interrupt()).error(); };
    EXPECT_EQ(loop.remote().call(refused).get(), eddy::errc::io_disabled);
}

TEST(CoreThread, ErrorOfTheLoopIsReturned) {
    int stopped = 0;
    const support::descriptor_limit none(0);
    const auto made = core_thread::builder().on_thread_stop([&] { ++stopped; }).build();
    EXPECT_EQ(made.error(), std::errc::too_many_files_open);
    EXPECT_EQ(stopped, 1);
}

}  // namespace
