// SPDX-License-Identifier: MIT
// runtime::builder: numbers of workers, drivers, limits, and what happens if a resource is missing.
#include <eddy/runtime/runtime.hpp>

#include <gtest/gtest.h>

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <eddy/runtime/core.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/task/join_handle.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/sleep.hpp>

#include "support/driver_fds.hpp"
#include "support/emulated.hpp"
#include "support/environment.hpp"
#include "support/polling.hpp"
#include "support/runtime.hpp"
#include "support/system.hpp"
#ifdef __linux__
#include "sys/linux/cpu_quota.hpp"
#endif

namespace {

using namespace std::chrono_literals;
using support::environment;
using support::number;

// ---- The builder ----

TEST(RuntimeBuilder, WorkerThreadsSetsNumberOfWorkers) {
    for (const unsigned count : {1u, 2u, 3u, 16u}) {
        const auto rt = support::make_runtime(count);
        EXPECT_EQ(rt.metrics().workers(), count);
        EXPECT_EQ(rt.block_on(number(1)), 1);
    }
}

// covers: R048
TEST(RuntimeBuilder, ZeroOrTooManyWorkersThrow) {
    const auto line = __LINE__ + 1;
    const auto text = support::text_of_misuse([] { eddy::runtime::builder().worker_threads(0); });
    EXPECT_NE(text.find("worker_threads(0): a runtime has from 1 to 32,767 workers"), text.npos) << text;
    EXPECT_NE(text.find("runtime_builder_test.cpp:" + std::to_string(line)), text.npos) << text;
    EXPECT_TRUE(support::misuse_of([] { eddy::runtime::builder().worker_threads(32'768); }));
    EXPECT_TRUE(support::misuse_of([] { eddy::runtime::builder().worker_threads(~0u); }));
    EXPECT_FALSE(support::misuse_of([] { eddy::runtime::builder().worker_threads(32'767); }));
}

TEST(RuntimeBuilder, ImpossibleSettingsThrow) {
    const auto message = [](auto call) { return support::text_of_misuse([&] { call(eddy::runtime::builder()); }); };
    using builder = eddy::runtime_builder;
    EXPECT_EQ(message([](builder b) { b.max_blocking_threads(0); }).find("max_blocking_threads(0) would run no"), 0u);
    EXPECT_EQ(message([](builder b) { b.global_queue_interval(0); }).find("global_queue_interval(0): pass 1"), 0u);
    EXPECT_EQ(message([](builder b) { b.event_interval(0); }).find("event_interval(0): pass 1"), 0u);
    EXPECT_EQ(message([](builder b) { b.max_io_events_per_tick(0); }).find("max_io_events_per_tick(0) would"), 0u);
    EXPECT_EQ(message([](builder b) { b.thread_keep_alive(-1ns); }).find("thread_keep_alive() takes no negative"), 0u);
    EXPECT_FALSE(support::misuse_of([] { eddy::runtime::builder().thread_keep_alive(0ns); }));
}

TEST(RuntimeBuilder, EnvironmentVariableSetsDefaultWorkerCount) {
    {
        const environment three("EDDY_WORKER_THREADS", "3");
        EXPECT_EQ(eddy::runtime().metrics().workers(), 3u);
        EXPECT_EQ(eddy::runtime::make().value().metrics().workers(), 3u);
        EXPECT_EQ(support::make_runtime(2).metrics().workers(), 2u) << "the builder overrides the environment";
    }
    {
        const environment empty("EDDY_WORKER_THREADS", "");
#if defined(__linux__) || defined(__FreeBSD__) || defined(_WIN32)
        cpu_set_t usable;
        ASSERT_EQ(::sched_getaffinity(0, sizeof usable, &usable), 0);
        auto processors = static_cast<unsigned>(CPU_COUNT(&usable));
#ifdef __linux__
        if (const unsigned quota = eddy::sys::cpu_quota(); quota != 0) processors = std::min(processors, quota);
#endif
        EXPECT_EQ(eddy::runtime().metrics().workers(), processors);
#else
        EXPECT_EQ(eddy::runtime().metrics().workers(), std::thread::hardware_concurrency());
#endif
    }
    for (const char* wrong : {"0", "-1", "two", "3x", "32768", "99999999999999999999999"}) {
        const environment it("EDDY_WORKER_THREADS", wrong);
        const auto made = eddy::runtime::make();
        ASSERT_FALSE(made.has_value()) << wrong;
        EXPECT_EQ(made.error(), std::errc::invalid_argument) << wrong;
        EXPECT_EQ(made.error(), eddy::errc::bad_worker_count) << wrong;
        try {
            const eddy::runtime none;
            ADD_FAILURE() << wrong;
        } catch (const std::system_error& e) {
            EXPECT_NE(std::string(e.what()).find("EDDY_WORKER_THREADS is not a number from 1 to 32767"),
                      std::string::npos);
        }
        EXPECT_EQ(support::make_runtime(2).metrics().workers(), 2u) << "the builder overrides the environment";
    }
}

TEST(RuntimeBuilder, EnvironmentVariableSelectsDriver) {
    {
        const environment it("EDDY_DRIVER", "epoll");
        EXPECT_EQ(support::make_runtime(2).block_on(number(1)), 1);
    }
    const environment unknown("EDDY_DRIVER", "abacus");
    EXPECT_EQ(eddy::runtime::make().error(), eddy::errc::unknown_driver);
    EXPECT_TRUE(eddy::runtime::builder().worker_threads(1).driver(eddy::driver_kind::epoll).build().has_value());
    EXPECT_TRUE(eddy::runtime::builder().worker_threads(1).enable_io(false).build().has_value());
}

TEST(RuntimeBuilder, OneBuilderBuildsManyRuntimes) {
    std::atomic<int> started = 0;
    auto builder = eddy::runtime::builder().worker_threads(2).on_thread_start([&] { ++started; });
    {
        const auto first = builder.build().value();
        const auto second = builder.build().value();
        EXPECT_EQ(first.block_on(number(1)), 1);
        EXPECT_EQ(second.block_on(number(2)), 2);
    }
    EXPECT_EQ(started, 4);
}

TEST(RuntimeBuilderDeathTest, MessageNamesThrowingHookAndItsException) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    const auto hook = [](auto...) -> std::string { throw std::runtime_error("cannot log"); };
    const auto run = [](eddy::runtime_builder builder) {
        const auto rt = builder.worker_threads(1).build().value();
        rt.block_on(rt.spawn(number(1))).value();
    };
    EXPECT_DEATH(run(eddy::runtime::builder().thread_name(hook)),
                 "eddy: the function given to thread_name.. threw an exception.*: cannot log");
    EXPECT_DEATH(run(eddy::runtime::builder().on_thread_start(hook)),
                 "eddy: the function given to on_thread_start.. threw an exception.*: cannot log");
    EXPECT_DEATH(run(eddy::runtime::builder().on_after_task_poll(hook)),
                 "eddy: the function given to on_after_task_poll.. threw an exception.*: cannot log");
    const auto spawn_one = []() -> eddy::task<void> { static_cast<void>(co_await eddy::spawn(number(1))); };
    EXPECT_DEATH(eddy::core::builder().on_task_terminate(hook).build().value().run(spawn_one()),
                 "eddy: the function given to on_task_terminate.. threw an exception.*: cannot log");
}

TEST(RuntimeBuilder, ExtremeIntervalsAndSeedsWork) {
    for (const unsigned interval : {1u, 2u, ~0u}) {
        const auto rt = eddy::runtime::builder()
                            .worker_threads(2)
                            .global_queue_interval(interval)
                            .event_interval(interval)
                            .rng_seed(interval)
                            .build()
                            .value();
        std::vector<eddy::join_handle<int>> all;
        for (int i = 0; i < 500; ++i) all.push_back(rt.spawn(number(i)));
        for (int i = 0; i < 500; ++i) EXPECT_EQ(eddy::wait(all[i]).value(), i);
        rt.block_on([]() -> eddy::task<void> { co_await eddy::time::sleep(1ms); }());
    }
}

// covers: S50
TEST(RuntimeBuilder, BuildWithoutDescriptorsFailsAndLeaksNothing) {
    {
        const auto warm_up = support::make_runtime(4);
    }
    const auto fds = support::count_fds();
    // The build must fail with fewer free descriptors than four workers require.
    const std::size_t enough = support::fds_of_workers(4);
    for (std::size_t spare = 0; spare < enough; ++spare) {
        std::optional<std::error_code> error;
        {
            const support::few_descriptors few(spare);
            const auto made = eddy::runtime::builder().worker_threads(4).build();
            if (!made) error = made.error();
        }
        ASSERT_TRUE(error) << spare;
        EXPECT_EQ(*error, std::errc::too_many_files_open) << spare;
        EXPECT_LE(support::count_fds(), fds) << spare;
    }
    {
        const support::few_descriptors just_enough(enough);
        const auto made = eddy::runtime::builder().worker_threads(4).build();
        ASSERT_TRUE(made.has_value());
        EXPECT_EQ(made->block_on(number(1)), 1);
    }
    {
        const support::few_descriptors none(0);
        EXPECT_THROW(eddy::runtime(), std::system_error);
        EXPECT_EQ(eddy::runtime::builder().worker_threads(4).enable_io(false).build().value().block_on(number(2)), 2);
    }
    EXPECT_LE(support::count_fds(), fds);
}

TEST(RuntimeBuilder, BuildWithoutThreadsFailsAndLeaksNothing) {
    if (support::is_sanitized) GTEST_SKIP() << "a sanitizer ends the program if a thread cannot be started";
    if (support::is_emulated()) GTEST_SKIP() << "qemu-user needs too much memory for this stack";
    const auto fds = support::count_fds();
    // No address space is large enough for this stack, so the thread cannot be created. (A limit on threads would apply
    // to the whole user.)
    std::atomic<int> started = 0;
    std::atomic<int> stopped = 0;
    const auto kept = std::make_shared<int>();
    const auto made = eddy::runtime::builder()
                          .worker_threads(3)
                          .thread_stack_size(std::size_t{1} << 46)
                          .on_thread_start([&started, kept] { ++started; })
                          .on_thread_stop([&] { ++stopped; })
                          .build();
    ASSERT_FALSE(made.has_value());
    EXPECT_EQ(started, stopped);
    EXPECT_LE(support::count_fds(), fds);
    EXPECT_EQ(kept.use_count(), 1) << "the hook still exists";
}

}  // namespace
