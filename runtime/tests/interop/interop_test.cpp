// SPDX-License-Identifier: MIT
// covers: P108
// runs: asan
#include <eddy/interop.hpp>

#include <eddy/future.hpp>
#include <eddy/runtime.hpp>
#include <eddy/task.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/time.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <coroutine>
#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using eddy::completion;
using eddy::result;
using eddy::task;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;

// ---- completion ----

TEST(Completion, CallBeforeTheFirstPollCompletesTheFuture) {
    auto [done, future] = completion<std::string>::make();
    EXPECT_TRUE(done("ready"));
    by_hand hand(std::move(future));
    EXPECT_EQ(*assert_ready(hand.poll()), "ready");
}

TEST(Completion, CallWakesTheTask) {
    auto [done, future] = completion<int>::make();
    by_hand hand(std::move(future));
    assert_pending(hand.poll());
    EXPECT_TRUE(done(7));
    EXPECT_EQ(hand.wakes(), 1u);
    EXPECT_EQ(*assert_ready(hand.poll()), 7);
}

TEST(Completion, OfVoidTakesNoArgument) {
    auto [done, future] = completion<>::make();
    EXPECT_TRUE(done());
    by_hand hand(std::move(future));
    EXPECT_TRUE(assert_ready(hand.poll()).has_value());
}

TEST(Completion, OfResultIsNotWrappedTwice) {
    auto [done, future] = completion<result<int>>::make();
    static_assert(std::is_same_v<decltype(future)::output_type, result<int>>);
    EXPECT_TRUE(done(std::unexpected(std::make_error_code(std::errc::broken_pipe))));
    by_hand hand(std::move(future));
    EXPECT_EQ(assert_ready(hand.poll()).error(), std::errc::broken_pipe);
}

TEST(Completion, OnlyTheFirstCallCounts) {
    auto [done, future] = completion<int>::make();
    const auto copy = done;
    EXPECT_TRUE(done(1));
    EXPECT_FALSE(copy(2));
    by_hand hand(std::move(future));
    EXPECT_EQ(*assert_ready(hand.poll()), 1);
}

TEST(Completion, LastCopyDestroyedWithoutCallCancelsTheFuture) {
    auto [done, future] = completion<int>::make();
    by_hand hand(std::move(future));
    {
        const auto first = std::move(done);
        const auto second = first;
        assert_pending(hand.poll());
    }
    EXPECT_EQ(hand.wakes(), 1u);
    EXPECT_EQ(assert_ready(hand.poll()).error(), std::errc::operation_canceled);
}

TEST(Completion, CallAfterTheFutureIsGoneReturnsFalse) {
    auto [done, future] = completion<int>::make();
    EXPECT_FALSE(done.is_cancelled());
    {
        const auto gone = std::move(future);
    }
    EXPECT_TRUE(done.is_cancelled());
    EXPECT_FALSE(done(1));
}

TEST(Completion, MovedFromHandlerDoesNothing) {
    auto [done, future] = completion<int>::make();
    const auto taken = std::move(done);
    EXPECT_FALSE(done(1));  // NOLINT(bugprone-use-after-move)
    EXPECT_TRUE(taken(2));
    by_hand hand(std::move(future));
    EXPECT_EQ(*assert_ready(hand.poll()), 2);
}

// A C library that stores a callback, and a pointer that it passes to the callback.
struct c_library {
    void (*callback)(void* user, int value) = nullptr;
    void* user = nullptr;
};

TEST(Completion, PassesThroughTheVoidPointerOfACLibrary) {
    auto [done, future] = completion<int>::make();
    const c_library library{[](void* user, int value) { completion<int>::handler::from_raw(user)(value); },
                            std::move(done).into_raw()};
    std::thread other([&] { library.callback(library.user, 5); });
    EXPECT_EQ(*eddy::wait(future), 5);
    other.join();
}

TEST(CompletionDeathTest, PointerThatIsTakenBackTwiceIsReported) {
    auto [done, future] = completion<int>::make();
    // volatile, so that GCC does not warn about the use of a freed pointer, which is the subject of this test.
    void* volatile raw = std::move(done).into_raw();
    EXPECT_TRUE(completion<int>::handler::from_raw(raw)(1));
    // AddressSanitizer reports the same mistake with a message of its own.
    EXPECT_DEATH(static_cast<void>(completion<int>::handler::from_raw(raw)),
                 "from_raw\\(\\) was called twice with the same pointer.*interop_test.cpp:|heap-use-after-free");
}

TEST(CompletionDeathTest, NullPointerIsReported) {
    EXPECT_DEATH(static_cast<void>(completion<int>::handler::from_raw(nullptr)),
                 "pointer that into_raw\\(\\) did not return.*interop_test.cpp:");
}

TEST(Completion, OneOfManyThreadsCompletesTheFuture) {
    for (int round = 0; round < 50; ++round) {
        auto [done, future] = completion<int>::make();
        std::atomic<int> winners = 0;
        {
            std::vector<std::jthread> threads;
            for (int i = 0; i < 4; ++i) {
                threads.emplace_back([&winners, done, i] { winners += done(i) ? 1 : 0; });
            }
            const auto moved = std::move(done);
            EXPECT_TRUE(eddy::wait(future).has_value());
        }
        EXPECT_EQ(winners, 1);
    }
}

// ---- from_awaitable ----

/// An awaitable that is resumed by hand.
struct by_signal {
    struct state {
        std::coroutine_handle<> waiting;
        int value = 0;
        std::exception_ptr error;
    };
    std::shared_ptr<state> shared = std::make_shared<state>();

    [[nodiscard]] bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> h) const noexcept { shared->waiting = h; }
    [[nodiscard]] int await_resume() const {
        if (shared->error) std::rethrow_exception(shared->error);
        return shared->value;
    }
};

// covers: P031
TEST(FromAwaitable, ReadyAwaitableCompletesInTheFirstPoll) {
    by_hand hand(eddy::from_awaitable(std::suspend_never()));
    assert_ready(hand.poll());
    EXPECT_THROW(static_cast<void>(hand.poll()), eddy::misuse);
}

TEST(FromAwaitable, NothingBeginsBeforeTheFirstPoll) {
    by_signal source;
    const auto shared = source.shared;
    by_hand hand(eddy::from_awaitable(std::move(source)));
    EXPECT_FALSE(shared->waiting);
    assert_pending(hand.poll());
    ASSERT_TRUE(shared->waiting);
    shared->value = 4;
    shared->waiting.resume();
    EXPECT_EQ(hand.wakes(), 1u);
    EXPECT_EQ(assert_ready(hand.poll()), 4);
}

// covers: P031
TEST(FromAwaitable, ExceptionIsThrownByTheFuture) {
    by_signal source;
    const auto shared = source.shared;
    by_hand hand(eddy::from_awaitable(std::move(source)));
    assert_pending(hand.poll());
    shared->error = std::make_exception_ptr(std::runtime_error("no answer"));
    shared->waiting.resume();
    EXPECT_THROW(static_cast<void>(hand.poll()), std::runtime_error);
}

TEST(FromAwaitable, BorrowedAwaitableIsAwaitedByReference) {
    by_signal source;
    by_hand hand(eddy::from_awaitable(std::ref(source)));
    assert_pending(hand.poll());
    source.shared->value = 6;
    source.shared->waiting.resume();
    EXPECT_EQ(assert_ready(hand.poll()), 6);
}

TEST(FromAwaitable, DroppedFutureLeavesTheOperationRunning) {
    by_signal source;
    const auto shared = source.shared;
    {
        by_hand hand(eddy::from_awaitable(std::move(source)));
        assert_pending(hand.poll());
    }
    EXPECT_EQ(shared.use_count(), 2);  // the suspended coroutine has the other reference
    shared->waiting.resume();
    EXPECT_EQ(shared.use_count(), 1);
}

TEST(FromAwaitable, GracefulCancellationWaitsForTheOperation) {
    by_signal source;
    const auto shared = source.shared;
    by_hand hand(eddy::from_awaitable(std::move(source)));
    assert_pending(hand.poll());
    assert_pending(hand.poll_cancel());
    shared->waiting.resume();
    EXPECT_EQ(hand.wakes(), 1u);
    assert_ready(hand.poll_cancel());
}

TEST(FromAwaitable, CancellationBeforeTheFirstPollIsImmediate) {
    by_signal source;
    const auto shared = source.shared;
    by_hand hand(eddy::from_awaitable(std::move(source)));
    assert_ready(hand.poll_cancel());
    EXPECT_FALSE(shared->waiting);
}

TEST(FromAwaitable, DestroyedCoroutineIsReported) {
    by_signal source;
    const auto shared = source.shared;
    by_hand hand(eddy::from_awaitable(std::move(source)));
    assert_pending(hand.poll());
    std::exchange(shared->waiting, nullptr).destroy();
    EXPECT_EQ(hand.wakes(), 1u);
    EXPECT_THROW(static_cast<void>(hand.poll()), std::system_error);
}

/// An awaitable that resumes its coroutine on a new thread.
struct on_new_thread {
    std::vector<std::jthread>& threads;
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> h) const {
        threads.emplace_back([h] { h.resume(); });
    }
    [[nodiscard]] std::thread::id await_resume() const noexcept { return std::this_thread::get_id(); }
};

TEST(FromAwaitable, TaskContinuesOnItsOwnExecutor) {
    std::vector<std::jthread> threads;
    eddy::core loop;
    loop.run([](std::vector<std::jthread>& others) -> task<void> {
        const auto here = std::this_thread::get_id();
        for (int round = 0; round < 100; ++round) {
            others.clear();
            auto operation = eddy::from_awaitable(on_new_thread(others));
            const auto there = co_await operation;
            EXPECT_NE(there, here);
            EXPECT_EQ(std::this_thread::get_id(), here);
        }
    }(threads));
}

/// A value without a default constructor, whose move constructor may throw.
struct plain_number {
    explicit plain_number(int number) : value(number) {}
    plain_number(plain_number&& other) noexcept(false) : value(other.value) {}
    int value;
};
struct number_awaitable {
    [[nodiscard]] bool await_ready() const noexcept { return true; }
    void await_suspend(std::coroutine_handle<>) const noexcept {}
    [[nodiscard]] plain_number await_resume() const { return plain_number(3); }
};

TEST(FromAwaitable, OutputNeedsNoDefaultConstructor) {
    by_hand hand(eddy::from_awaitable(number_awaitable()));
    EXPECT_EQ(assert_ready(hand.poll()).value, 3);
}

// ---- as_awaitable ----

/// A coroutine type of another library. The coroutine starts immediately and stores its result.
template <class T>
struct plain_coroutine {
    struct promise_type {
        std::optional<T> value;
        std::exception_ptr error;
        plain_coroutine get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
        std::suspend_never initial_suspend() const noexcept { return {}; }
        std::suspend_always final_suspend() const noexcept { return {}; }
        void return_value(T result) { value.emplace(std::move(result)); }
        void unhandled_exception() { error = std::current_exception(); }
    };

    plain_coroutine(std::coroutine_handle<promise_type> h) noexcept : handle(h) {}
    plain_coroutine(plain_coroutine&& other) noexcept : handle(std::exchange(other.handle, nullptr)) {}
    plain_coroutine& operator=(plain_coroutine&&) = delete;
    ~plain_coroutine() {
        if (handle) handle.destroy();
    }
    T take() {
        if (handle.promise().error) std::rethrow_exception(handle.promise().error);
        return *std::move(handle.promise().value);
    }

    std::coroutine_handle<promise_type> handle;
};

template <class E>
plain_coroutine<int> sleep_and_add(E executor, int number) {
    auto work = eddy::as_awaitable(executor, [](int n) -> task<int> {
        co_await eddy::time::sleep(1ms);
        co_return n + 1;
    }(number));
    const int sum = co_await work;
    co_return sum;
}

TEST(AsAwaitable, ForeignCoroutineGetsTheOutput) {
    eddy::core loop;
    auto foreign = sleep_and_add(loop.handle(), 1);
    EXPECT_FALSE(foreign.handle.done());
    loop.run_until_idle();
    ASSERT_TRUE(foreign.handle.done());
    EXPECT_EQ(foreign.take(), 2);
}

TEST(AsAwaitable, RunsOnARuntime) {
    auto runtime = eddy::runtime_builder().worker_threads(2).build();
    ASSERT_TRUE(runtime.has_value());
    auto [done, future] = completion<int>::make();
    auto foreign = [](eddy::handle executor, completion<int>::handler finished) -> plain_coroutine<int> {
        auto work = eddy::as_awaitable(executor, eddy::ready(20));
        const int value = co_await work;
        finished(value);
        co_return value;
    }(runtime->handle(), done);
    EXPECT_EQ(*eddy::wait(future), 20);
    std::move(*runtime).shutdown_timeout(10s);  // the coroutine has been resumed, and may not have returned yet
    EXPECT_EQ(foreign.take(), 20);
}

/// An executor that runs each task to its end inside spawn().
struct runs_inside_spawn {
    static void spawn(task<void> work, std::source_location) { eddy::wait(std::move(work)); }
};

TEST(AsAwaitable, TaskThatEndsInsideSpawnResumesOnce) {
    int resumed = 0;
    auto foreign = [](int& count) -> plain_coroutine<int> {
        auto first = eddy::as_awaitable(runs_inside_spawn(), eddy::ready(20));
        const int value = co_await first;
        ++count;
        auto second = eddy::as_awaitable(runs_inside_spawn(), eddy::ready(3));
        const int more = co_await second;
        ++count;
        co_return value + more;
    }(resumed);
    EXPECT_EQ(resumed, 2);
    ASSERT_TRUE(foreign.handle.done());
    EXPECT_EQ(foreign.take(), 23);
}

TEST(AsAwaitable, ExceptionInsideSpawnIsThrownInTheCoroutine) {
    auto foreign = []() -> plain_coroutine<int> {
        auto work = eddy::as_awaitable(runs_inside_spawn(), []() -> task<int> {
            throw std::runtime_error("no answer");
            co_return 0;
        }());
        co_return co_await work;
    }();
    ASSERT_TRUE(foreign.handle.done());
    EXPECT_THROW(static_cast<void>(foreign.take()), std::runtime_error);
}

TEST(AsAwaitable, ExceptionIsThrownInTheCoroutine) {
    eddy::core loop;
    auto foreign = [](eddy::core_handle executor) -> plain_coroutine<int> {
        auto work = eddy::as_awaitable(executor, []() -> task<int> {
            throw std::runtime_error("no answer");
            co_return 0;
        }());
        co_return co_await work;
    }(loop.handle());
    loop.run_until_idle();
    ASSERT_TRUE(foreign.handle.done());
    EXPECT_THROW(static_cast<void>(foreign.take()), std::runtime_error);
}

TEST(AsAwaitable, DestroyedCoroutineCancelsTheFuture) {
    eddy::core loop;
    const auto alive = std::make_shared<int>(0);
    {
        auto foreign = [](eddy::core_handle executor, std::shared_ptr<int> held) -> plain_coroutine<int> {
            auto work = eddy::as_awaitable(executor, [](std::shared_ptr<int>) -> task<int> {
                co_await eddy::time::sleep(1h);
                co_return 0;
            }(std::move(held)));
            co_return co_await work;
        }(loop.handle(), alive);
        loop.run(eddy::yield_now());
        EXPECT_GT(alive.use_count(), 1);
    }
    loop.run_until_idle();
    EXPECT_EQ(alive.use_count(), 1);
}

TEST(AsAwaitable, ExceptionOfSpawnIsThrownInTheCoroutine) {
    eddy::core loop;
    const auto executor = loop.handle();
    std::jthread([&executor] {
        auto foreign = sleep_and_add(executor, 1);
        ASSERT_TRUE(foreign.handle.done());
        EXPECT_THROW(static_cast<void>(foreign.take()), eddy::wrong_thread);
    }).join();
}

TEST(AsAwaitable, ExecutorThatHasEndedEndsTheAwait) {
    auto runtime = eddy::runtime_builder().worker_threads(1).build();
    ASSERT_TRUE(runtime.has_value());
    const auto executor = runtime->handle();
    std::move(*runtime).shutdown_timeout(10s);
    auto foreign = sleep_and_add(executor, 1);
    ASSERT_TRUE(foreign.handle.done());
    EXPECT_THROW(static_cast<void>(foreign.take()), std::system_error);
}

TEST(AsAwaitable, ExecutorThatEndsEndsTheAwait) {
    std::optional<eddy::core> loop(std::in_place);
    auto foreign = sleep_and_add(loop->handle(), 1);
    EXPECT_FALSE(foreign.handle.done());
    loop.reset();
    ASSERT_TRUE(foreign.handle.done());
    try {
        static_cast<void>(foreign.take());
        FAIL() << "the await should have thrown";
    } catch (const std::system_error& error) {
        EXPECT_EQ(error.code(), eddy::errc::task_cancelled);
    }
}

TEST(AsAwaitable, ExecutorThatHasEndedEndsTheAwaitAtOnce) {
    std::optional<eddy::core> loop(std::in_place);
    const auto remote = loop->handle().remote();
    loop.reset();
    auto foreign = sleep_and_add(remote, 1);
    ASSERT_TRUE(foreign.handle.done());
    EXPECT_THROW(static_cast<void>(foreign.take()), std::system_error);
}

}  // namespace
