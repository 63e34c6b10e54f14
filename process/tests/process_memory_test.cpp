// SPDX-License-Identifier: MIT
// Starts of processes without memory.
// runs: once, asan, memory
#include <gtest/gtest.h>

#include <spawn.h>

#include <atomic>
#include <system_error>

#include <eddy/eddy.hpp>
#include <eddy/process.hpp>

#include <support/executors.hpp>
#include <support/failing_allocations.hpp>
#include <support/net.hpp>
#include <support/process/children.hpp>

// The linker redirects posix_spawn(3). The labels are the names that `--wrap` of ld(1) defines.
extern "C" {
int posix_spawn_for_real(pid_t* id, const char* path, const posix_spawn_file_actions_t* actions,
                         const posix_spawnattr_t* attributes, char* const* arguments,
                         char* const* environment) __asm__("__real_posix_spawn");
int wrapped_posix_spawn(pid_t* id, const char* path, const posix_spawn_file_actions_t* actions,
                        const posix_spawnattr_t* attributes, char* const* arguments,
                        char* const* environment) __asm__("__wrap_posix_spawn");
}

namespace {

std::atomic<long> allocations_after_start = support::no_limit;

}  // namespace

int wrapped_posix_spawn(pid_t* id, const char* path, const posix_spawn_file_actions_t* actions,
                        const posix_spawnattr_t* attributes, char* const* arguments, char* const* environment) {
    const int error = posix_spawn_for_real(id, path, actions, attributes, arguments, environment);
    support::allocations_left = allocations_after_start;  // of the thread that starts processes
    return error;
}

namespace {

namespace process = eddy::process;
using process::stdio;

TEST(ProcessMemory, StartThatLacksMemoryLeavesNoProcess) {
    support::executor runs(0);
    const auto start = [&] {
        return runs.run(process::command("sleep", "1000").in(stdio::pipe()).out(stdio::pipe()).group().spawn());
    };
    EXPECT_TRUE(start());  // what is made once
    ASSERT_TRUE(support::all_are_reaped());
    const support::leaves_no_descriptor unchanged;
    for (long count = 0; count < 20; ++count) {
        allocations_after_start = count;
        const auto started = start();
        EXPECT_TRUE(started || started.error() == std::errc::not_enough_memory);
    }
    EXPECT_TRUE(support::all_are_reaped());
    allocations_after_start = support::no_limit;
    // A thread that has started a process has no limit any more. There is more than one if a start lasts long.
    for (int i = 0; i < 64 && !start(); ++i) continue;
    EXPECT_TRUE(start());
    EXPECT_TRUE(support::all_are_reaped());
}

}  // namespace
