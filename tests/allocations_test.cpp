// SPDX-License-Identifier: MIT
// What costs no allocation once it is warm. An executable by itself, since it replaces operator new.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdlib>
#include <new>

#include <eddy/core.hpp>
#include <eddy/detail/frame_pool.hpp>
#include <eddy/join_set.hpp>
#include <eddy/local_set.hpp>
#include <eddy/sync/task_tracker.hpp>
#include <eddy/task.hpp>
#include <eddy/wait.hpp>
#include <eddy/yield_now.hpp>

#ifndef EDDY_POOL_IS_MALLOC  // else each block of the pool is one

namespace {

thread_local std::size_t allocations = 0;

void* allocate(std::size_t size, std::size_t alignment) {
    ++allocations;
    void* const block = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
    if (block == nullptr) throw std::bad_alloc();
    return block;
}

}  // namespace

[[gnu::noinline]] void* operator new(std::size_t size) { return allocate(size, 16); }
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment) {
    return allocate(size, static_cast<std::size_t>(alignment));
}
[[gnu::noinline]] void operator delete(void* block) noexcept { std::free(block); }
[[gnu::noinline]] void operator delete(void* block, std::size_t) noexcept { std::free(block); }
[[gnu::noinline]] void operator delete(void* block, std::align_val_t) noexcept { std::free(block); }
[[gnu::noinline]] void operator delete(void* block, std::size_t, std::align_val_t) noexcept { std::free(block); }

namespace {

using eddy::task;

task<int> gives(int value) {
    co_await eddy::yield_now();
    co_return value;
}

/// Runs `round` twice, and counts in the second.
template <class Fn>
task<std::size_t> when_warm(Fn round) {
    co_await round();
    const std::size_t before = allocations;
    co_await round();
    co_return allocations - before;
}

TEST(Allocations, P019_AJoinSetMakesNone) {
    eddy::core core;
    const auto made = core.run(when_warm([]() -> task<> {
        eddy::join_set<int> set;
        for (int i = 0; i < 1000; ++i) set.spawn(gives(i));
        while (auto output = co_await set.join_next()) EXPECT_TRUE(output->has_value());
        for (int i = 0; i < 1000; ++i) set.spawn(gives(i));
    }));
    EXPECT_EQ(made, 0u);
}

TEST(Allocations, P003_ALocalSetMakesNoneForItsTasks) {
    eddy::local_set set;
    const auto made = eddy::wait(when_warm([&set]() -> task<> {
        for (int i = 0; i < 1000; ++i) set.spawn_local(gives(i));
        co_await set;
    }));
    EXPECT_EQ(made, 0u);
}

TEST(Allocations, P020_ATaskTrackerMakesNoneForItsTasks) {
    eddy::core core;
    eddy::sync::task_tracker tracker;
    const auto made = core.run(when_warm([&tracker]() -> task<> {
        tracker.reopen();
        for (int i = 0; i < 1000; ++i) tracker.spawn(gives(i));
        tracker.close();
        co_await tracker.wait();
    }));
    EXPECT_EQ(made, 0u);
}

}  // namespace

#endif
