// SPDX-License-Identifier: MIT
// Threads and descriptors of runtimes: few are available, or many runtimes are created one after another.
#include <eddy/runtime/runtime.hpp>

#include <gtest/gtest.h>

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <exception>
#include <fstream>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/future/ready.hpp>
#include <eddy/future/try.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/handle.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/task/join_handle.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/spawn_blocking.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/sleep.hpp>

#include "support/driver_fds.hpp"
#include "support/emulated.hpp"
#include "support/net.hpp"
#include "support/runtime.hpp"
#include "support/sanitizers.hpp"
#include "support/system.hpp"

namespace {

using namespace std::chrono_literals;

TEST(RuntimeResourcesOwnProcess, WorksIfNoMoreThreadsCanStart) {
    if (support::is_sanitized) GTEST_SKIP() << "a sanitizer needs more memory";
    for (const unsigned workers : {1u, 4u, 64u}) {
        EXPECT_TRUE(support::is_true_in_child([workers] {
            const rlimit few{std::size_t{6} << 30, std::size_t{6} << 30};
            ::setrlimit(RLIMIT_AS, &few);
            auto rt = eddy::runtime::builder().worker_threads(workers).thread_stack_size(std::size_t{1} << 30).build();
            if (!rt) return true;
            rt->block_on([]() -> eddy::task<> {
                std::vector<eddy::join_handle<void>> all;
                for (int i = 0; i < 20; ++i) all.push_back(eddy::spawn_blocking([] {}));
                for (auto& each : all) static_cast<void>(co_await each);
                for (int i = 0; i < 20; ++i) eddy::block_in_place([] { std::this_thread::yield(); });
            }());
            return true;
        }));
    }
}

/// Leaves this process no stack for a new thread: no address space, and none that an ended thread has left to the C
/// library.
void forbid_new_threads() {
    std::size_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    const rlim_t limit = pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) + (std::size_t{1} << 20);
    const rlimit lower{limit, limit};
    ::setrlimit(RLIMIT_AS, &lower);
    try {
        for (;;) std::thread([] { ::pause(); }).detach();
    } catch (const std::system_error&) {
    }
}

// covers: P021 I20.4.9
TEST(RuntimeResourcesOwnProcess, BlockingWorkErrorNamesThreadLimit) {
    if (support::is_sanitized) GTEST_SKIP() << "a sanitizer needs more memory";
    if (support::is_emulated()) GTEST_SKIP() << "qemu-user ignores RLIMIT_AS";
    const auto main = []() -> eddy::task<std::string> {
        forbid_new_threads();
        const auto failed = co_await eddy::spawn_blocking([] {});
        if (failed || failed.error().is_cancelled()) co_return "the work has run or was cancelled";
        const auto tries = []() -> eddy::task<eddy::result<void>> {
            co_await eddy::try_(eddy::spawn_blocking([] {}));
            co_return eddy::ok();
        };
        const auto tried = co_await tries();
        if (tried || tried.error() != std::errc::resource_unavailable_try_again) co_return "try_ has another error";
        co_return failed.error().what();
    };
    const auto says_why = [](const std::string& text) {
        return text.find(" did not start: no thread could be created for blocking work; ") != text.npos &&
               text.find("RLIMIT_NPROC") != text.npos && text.find("Resource temporarily unavailable") != text.npos;
    };
    EXPECT_TRUE(support::is_true_in_child([&] { return says_why(eddy::core().run(main())); }));
    EXPECT_TRUE(support::is_true_in_child(
        [&] { return says_why(eddy::runtime::builder().worker_threads(1).build().value().block_on(main())); }));
}

// ---- Thread-local objects ----

/// Uses the runtime in the destructor of a thread-local object.
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
thread_local at_thread_exit thread_exit;

TEST(RuntimeResourcesOwnProcess, ThreadLocalDestructorsMayUseRuntime) {
    for (int round = 0; round < 20; ++round) {
        EXPECT_TRUE(support::is_true_in_child([round] {
            auto rt = support::make_runtime(2);
            for (int i = 0; i < 4; ++i) {
                rt.spawn([]() -> eddy::task<> {
                      thread_exit.handle = eddy::handle::current();
                      thread_exit.task.emplace(eddy::spawn(eddy::time::sleep(1h)));
                      co_await eddy::yield_now();
                  }).detach();
            }
            {
                const auto guard = rt.enter();
                eddy::spawn_blocking([h = rt.handle()] { thread_exit.handle = h; }).detach();
            }
            if (round % 2 == 0) rt.block_on(eddy::time::sleep(5ms));
            return true;
        }));
    }
}

TEST(RuntimeResources, TwoHundredRuntimesLeaveNoDescriptorOpen) {
    const support::leaves_no_descriptor check;
    for (int i = 0; i < 200; ++i) {
        const auto rt = support::make_runtime(2);
        rt.spawn(eddy::time::sleep(1h)).detach();
        rt.block_on([]() -> eddy::task<> {
            eddy::block_in_place([] {});
            auto done = eddy::spawn_blocking([] {});
            static_cast<void>(co_await done);
        }());
    }
}

TEST(RuntimeResources, BuildWithTooFewDescriptorsLeavesNoneOpen) {
    const rlim_t needed = support::fds_of_workers(2);
    for (rlim_t more = 0; more < needed + 2; ++more) {
        const support::leaves_no_descriptor check;
        const support::descriptor_limit limit(more);
        const auto rt = eddy::runtime::builder().worker_threads(2).build();
        EXPECT_EQ(rt.has_value(), more >= needed) << more;
    }
}

}  // namespace
