// SPDX-License-Identifier: MIT
// Which objects the library takes for parts of a poll's native stack. GCC passes the closure of a lambda to the promise
// of its coroutine. Clang does this only if the closure is a parameter of the coroutine, as in these tests.
// runs: asan, plain
#include "future/native_stack.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/detail/closure_coroutine.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/join.hpp>
#include <eddy/future/poll_fn.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/task/join_handle.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/task.hpp>

#include "support/polling.hpp"
#include "support/sanitizers.hpp"

namespace {

using eddy::task;
using eddy::detail::is_gone_from_stack;
using eddy::detail::is_on_stack_of_poll;
using eddy::detail::native_stack_pointer;

/// Calls `f` in a poll of an event loop.
template <class F>
void call_in_poll(F f) {
    eddy::core core;
    core.run(eddy::poll_fn([&f](eddy::context&) {
        f();
        return eddy::poll_result<void>::ready();
    }));
}

/// Returns an address that is `distance` bytes above this function's part of the native stack.
[[gnu::noinline]] const void* above_here(std::intptr_t distance) noexcept {
    // SAFETY: an address that is compared and never dereferenced.
    return reinterpret_cast<const void*>(native_stack_pointer() + static_cast<std::uintptr_t>(distance));
}

TEST(NativeStackRange, OnlyLocalsOfTheRunningPollAreOnItsStack) {
    if (support::is_sanitized) GTEST_SKIP() << "AddressSanitizer moves locals to its own stack";
    const int outside = 0;
    const auto on_heap = std::make_unique<int>();
    EXPECT_FALSE(is_on_stack_of_poll(&outside)) << "no poll runs";
    call_in_poll([&] {
        const int inside = 0;
        EXPECT_TRUE(is_on_stack_of_poll(&inside));
        EXPECT_FALSE(is_on_stack_of_poll(&outside));
        EXPECT_FALSE(is_on_stack_of_poll(on_heap.get()));
        EXPECT_FALSE(is_on_stack_of_poll(above_here(-100'000)));
    });
}

TEST(NativeStackRange, ObjectsBelowStackPointerCountAsDestroyed) {
    if (support::is_sanitized) GTEST_SKIP() << "AddressSanitizer moves locals to its own stack";
    const auto on_heap = std::make_unique<int>();
    // A new thread: the library has not determined the range of its stack.
    std::thread([&] {
        const int local = 0;
        EXPECT_FALSE(is_gone_from_stack(on_heap.get()));
        EXPECT_FALSE(is_gone_from_stack(&local));
        EXPECT_TRUE(is_gone_from_stack(above_here(-10'000)));
        call_in_poll([] {
            const int inside = 0;
            EXPECT_TRUE(is_gone_from_stack(&inside)) << "the poll ends before the coroutine starts";
        });
    }).join();
}

TEST(NativeStackRange, UnknownStackRangeHasNoDestroyedObjects) {
    if (support::is_sanitized) GTEST_SKIP() << "AddressSanitizer moves locals to its own stack";
    std::thread([] {
        EXPECT_TRUE(is_gone_from_stack(above_here(-10'000)));
        // As on the stack of a fiber, which is outside of the thread's range.
        eddy::detail::stack_here.low = native_stack_pointer() + 1'000'000;
        EXPECT_FALSE(is_gone_from_stack(above_here(-10'000)));
    }).join();
}

template <class Fn>
task<int> call_later(const Fn& f) {
    co_return f();
}

TEST(NativeStackRange, SpawnedTaskMustNotReferToALocalClosure) {
    if (support::is_sanitized) GTEST_SKIP() << "AddressSanitizer moves locals to its own stack";
    call_in_poll([] {
        const std::string text = "captured";
        const auto local = [text] { return static_cast<int>(text.size()); };
        auto later = call_later(local);
        EXPECT_TRUE(support::text_of_misuse([&] { eddy::spawn(std::move(later)); }).contains("destroyed at the end"));
    });
}

TEST(NativeStackRange, CoroutineOfDestroyedClosureDoesNotStart) {
    if (support::is_sanitized) GTEST_SKIP() << "AddressSanitizer moves locals to its own stack";
    eddy::core core;
    std::optional<task<int>> later;
    auto make_and_await = eddy::poll_fn([&](eddy::context& cx) {
        const std::string text = "captured";
        const auto local = [text] { return static_cast<int>(text.size()); };
        if (!later) later.emplace(call_later(local));
        EXPECT_TRUE(
            support::text_of_misuse([&] { static_cast<void>(later->poll(cx)); }).contains("destroyed at the end"));
        return eddy::poll_result<void>::ready();
    });
    core.run(std::move(make_and_await));
}

TEST(NativeStackRange, ClosureOfACallerOfTheLoopMayBeUsed) {
    const std::string text = "captured";
    const auto local = [text] { return static_cast<int>(text.size()); };
    eddy::core core;
    EXPECT_EQ(core.run(call_later(local)), 8);
    const auto both = [&]() -> task<int> {
        auto pair = co_await eddy::join(call_later(local), eddy::ready(1));
        co_return pair.first + pair.second;
    };
    EXPECT_EQ(core.run(both()), 9);
}

}  // namespace
