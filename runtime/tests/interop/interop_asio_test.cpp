// SPDX-License-Identifier: MIT
// covers: P108
// runs: asan, Asio
#ifdef EDDY_BOOST_ASIO
#include <boost/asio.hpp>
namespace asio = boost::asio;
#else
#include <asio.hpp>
#endif

#include <eddy/interop/asio.hpp>

#include <eddy/future.hpp>
#include <eddy/runtime.hpp>
#include <eddy/task.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/time.hpp>

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <utility>

// Asio 1.22 does not recognize the coroutines of Clang 17 and later.
#if defined(ASIO_HAS_CO_AWAIT) || defined(BOOST_ASIO_HAS_CO_AWAIT)
#define EDDY_ASIO_HAS_COROUTINES
#endif

namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;
using eddy::result;
using eddy::task;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;

/// An io_context that runs on a thread of its own.
class asio_thread {
public:
    asio_thread() : work_(asio::make_work_guard(context)), thread_([this] { context.run(); }) {}
    ~asio_thread() {
        work_.reset();
        thread_.join();
    }

    asio::io_context context{1};

private:
    asio::executor_work_guard<asio::io_context::executor_type> work_;
    std::thread thread_;
};

TEST(UseEddy, OutputTypeFollowsHandlerSignature) {
    asio::io_context context;
    tcp::socket socket(context);
    std::array<char, 1> data{};
    static_assert(std::is_same_v<eddy::output_t<decltype(socket.async_read_some(asio::buffer(data), eddy::use_eddy))>,
                                 result<std::size_t>>);
    asio::steady_timer timer(context);
    static_assert(std::is_same_v<eddy::output_t<decltype(timer.async_wait(eddy::use_eddy))>, result<void>>);
    static_assert(std::is_same_v<eddy::output_t<decltype(asio::post(context, eddy::use_eddy))>, void>);
    static_assert(std::is_same_v<eddy::output_t<decltype(asio::async_initiate<const eddy::use_eddy_t&, void(int, long)>(
                                     [](auto&&) {}, eddy::use_eddy))>,
                                 std::tuple<int, long>>);
}

TEST(UseEddy, OperationStartsAtTheFirstPoll) {
    asio::io_context context;
    asio::steady_timer timer(context, 0ms);
    by_hand hand(timer.async_wait(eddy::use_eddy));
    EXPECT_EQ(context.run(), 0u);
    context.restart();
    assert_pending(hand.poll());
    EXPECT_EQ(context.run(), 1u);
    EXPECT_EQ(hand.wakes(), 1u);
    EXPECT_TRUE(assert_ready(hand.poll()).has_value());
    EXPECT_THROW(static_cast<void>(hand.poll()), eddy::misuse);
}

TEST(UseEddy, OperationOnAStoppedContextWaitsForItsRestart) {
    asio::io_context context;
    EXPECT_EQ(context.run(), 0u);  // the context has no work, so it stops
    ASSERT_TRUE(context.stopped());
    asio::steady_timer timer(context, 0ms);
    by_hand hand(timer.async_wait(eddy::use_eddy));
    assert_pending(hand.poll());
    EXPECT_EQ(context.run(), 0u);
    assert_pending(hand.poll());
    context.restart();
    EXPECT_EQ(context.run(), 1u);
    EXPECT_TRUE(assert_ready(hand.poll()).has_value());
}

TEST(UseEddy, WorkGuardKeepsAnIdleContextRunning) {
    asio_thread other;  // it has a work guard
    asio::steady_timer timer(other.context, 1ms);
    for (int i = 0; i < 3; ++i) {
        timer.expires_after(1ms);
        EXPECT_TRUE(eddy::wait(timer.async_wait(eddy::use_eddy)).has_value());
    }
}

TEST(UseEddy, ErrorBecomesResult) {
    asio::io_context context;
    tcp::socket socket(context);
    std::array<char, 1> data{};
    by_hand hand(socket.async_read_some(asio::buffer(data), eddy::use_eddy));  // not connected
    assert_pending(hand.poll());
    context.run();
    EXPECT_EQ(assert_ready(hand.poll()).error(), std::errc::bad_file_descriptor);
}

TEST(UseEddy, ExceptionOfTheInitiationIsThrown) {
    by_hand hand(asio::async_initiate<const eddy::use_eddy_t&, void(int)>(
        [](auto&&) { throw std::runtime_error("cannot start"); }, eddy::use_eddy));
    EXPECT_THROW(static_cast<void>(hand.poll()), std::runtime_error);
}

TEST(UseEddy, ImmediateCompletionIsReadyInTheFirstPoll) {
    by_hand hand(asio::async_initiate<const eddy::use_eddy_t&, void(int, std::string)>(
        [](auto&& handler) { std::move(handler)(1, "one"); }, eddy::use_eddy));
    EXPECT_EQ(assert_ready(hand.poll()), std::tuple(1, std::string("one")));
}

TEST(UseEddy, ExceptionPointerIsThrown) {
    by_hand hand(asio::async_initiate<const eddy::use_eddy_t&, void(std::exception_ptr, int)>(
        [](auto&& handler) { std::move(handler)(std::make_exception_ptr(std::runtime_error("failed")), 0); },
        eddy::use_eddy));
    EXPECT_THROW(static_cast<void>(hand.poll()), std::runtime_error);
}

TEST(UseEddy, DroppedHandlerEndsTheFuture) {
    auto context = std::make_unique<asio::io_context>();
    auto timer = std::make_unique<asio::steady_timer>(*context, 1h);
    by_hand hand(timer->async_wait(eddy::use_eddy));
    assert_pending(hand.poll());
    timer.reset();
    context.reset();  // destroys the handler without calling it
    EXPECT_EQ(hand.wakes(), 1u);
    EXPECT_EQ(assert_ready(hand.poll()).error(), std::errc::operation_canceled);
}

TEST(UseEddy, GracefulCancellationWaitsForTheCompletion) {
    asio::io_context context;
    asio::steady_timer timer(context, 1h);
    by_hand hand(timer.async_wait(eddy::use_eddy));
    assert_pending(hand.poll());
    assert_pending(hand.poll_cancel());
    context.run();  // runs the cancellation, and then the completion
    assert_ready(hand.poll_cancel());
}

TEST(UseEddy, DestructorWaitsForTheCompletion) {
    asio_thread other;
    asio::steady_timer timer(other.context, 1h);
    {
        by_hand hand(timer.async_wait(eddy::use_eddy));
        assert_pending(hand.poll());
    }
    // The timer has no waiter left, so there is nothing to cancel.
    std::promise<std::size_t> cancelled;
    asio::post(other.context, [&] { cancelled.set_value(timer.cancel()); });
    EXPECT_EQ(cancelled.get_future().get(), 0u);
}

TEST(UseEddy, DestructorWaitsForAnOperationWithoutExecutor) {
    std::thread other;
    std::atomic<bool> has_completed = false;
    {
        by_hand hand(asio::async_initiate<const eddy::use_eddy_t&, void(int)>(
            [&](auto&& handler) {
                auto cancelled = std::make_shared<std::promise<void>>();
                handler.get_cancellation_slot().assign([=](asio::cancellation_type) { cancelled->set_value(); });
                other = std::thread([&has_completed, cancelled, handler = std::move(handler)]() mutable {
                    cancelled->get_future().wait();
                    std::this_thread::sleep_for(10ms);  // the cancellation of this operation takes a while
                    has_completed = true;
                    std::move(handler)(1);
                });
            },
            eddy::use_eddy));
        assert_pending(hand.poll());
    }
    EXPECT_TRUE(has_completed);
    other.join();
}

TEST(UseEddy, EddyTasksEchoOverAsioSockets) {
    asio_thread other;
    tcp::acceptor acceptor(other.context, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    tcp::socket client(other.context);
    auto serve = [](tcp::acceptor& from) -> task<result<std::size_t>> {
        auto peer = co_await eddy::try_(from.async_accept(eddy::use_eddy));
        std::array<char, 1000> data{};
        std::size_t total = 0;
        for (;;) {
            auto n = co_await peer.async_read_some(asio::buffer(data), eddy::use_eddy);
            if (!n) co_return total;
            total += *n;
            co_await eddy::try_(asio::async_write(peer, asio::buffer(data, *n), eddy::use_eddy));
        }
    };
    auto talk = [](tcp::socket& socket, tcp::endpoint to) -> task<result<std::size_t>> {
        co_await eddy::try_(socket.async_connect(to, eddy::use_eddy));
        const std::string sent(1000, 'x');
        std::string received(1000, ' ');
        std::size_t same = 0;
        for (int round = 0; round < 100; ++round) {
            co_await eddy::try_(asio::async_write(socket, asio::buffer(sent), eddy::use_eddy));
            co_await eddy::try_(asio::async_read(socket, asio::buffer(received), eddy::use_eddy));
            same += received == sent ? 1 : 0;
        }
        socket.shutdown(tcp::socket::shutdown_both);
        co_return same;
    };
    eddy::core loop;
    auto [received, same] = loop.run(eddy::join(serve(acceptor), talk(client, acceptor.local_endpoint())));
    EXPECT_EQ(*received, 100'000u);
    EXPECT_EQ(*same, 100u);
}

TEST(UseEddy, TimeoutCancelsARead) {
    asio_thread other;
    tcp::acceptor acceptor(other.context, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    tcp::socket client(other.context);
    client.connect(acceptor.local_endpoint());
    eddy::core loop;
    std::array<char, 16> data{};
    for (int round = 0; round < 20; ++round) {
        const auto outcome =
            loop.run(eddy::time::timeout(1ms, client.async_read_some(asio::buffer(data), eddy::use_eddy)));
        EXPECT_FALSE(outcome.has_value());
    }
}

TEST(UseEddy, CancellationRacesWithCompletion) {
    asio_thread other;
    eddy::core loop;
    int completed = 0;
    for (int round = 0; round < 2000; ++round) {
        asio::steady_timer timer(other.context, std::chrono::microseconds(round % 100));
        const auto outcome = loop.run(eddy::time::timeout(50us, timer.async_wait(eddy::use_eddy)));
        completed += outcome.has_value() ? 1 : 0;
    }
    EXPECT_GT(completed, 0);
}

// ---- asio_spawn ----

task<int> sleep_and_add(int number) {
    co_await eddy::time::sleep(1ms);
    co_return number + 1;
}

#ifdef EDDY_ASIO_HAS_COROUTINES
TEST(AsioSpawn, AsioCoroutineAwaitsAnEddyFuture) {
    eddy::runtime runtime = *eddy::runtime_builder().worker_threads(1).build();
    asio::io_context context;
    auto sum = asio::co_spawn(
        context,
        [](eddy::handle executor) -> asio::awaitable<int> {
            int total = 0;
            for (int i = 0; i < 10; ++i) {
                const auto there = std::this_thread::get_id();
                total += co_await eddy::asio_spawn(executor, sleep_and_add(i), asio::use_awaitable);
                EXPECT_EQ(std::this_thread::get_id(), there);
            }
            co_return total;
        }(runtime.handle()),
        asio::use_future);
    context.run();  // ends when the coroutine has ended: pending operations count as work
    EXPECT_EQ(sum.get(), 55);
}
#endif

TEST(AsioSpawn, ExceptionReachesTheHandler) {
    eddy::core loop;
    asio::io_context context;
    auto fail = []() -> task<void> {
        throw std::runtime_error("failed");
        co_return;
    };
    std::string text;
    eddy::asio_spawn(loop.handle(), fail(), asio::bind_executor(context, [&](std::exception_ptr error) {
                         try {
                             std::rethrow_exception(error);
                         } catch (const std::runtime_error& thrown) {
                             text = thrown.what();
                         }
                     }));
    loop.run_until_idle();
    EXPECT_EQ(text, "");
    context.run();
    EXPECT_EQ(text, "failed");
}

TEST(AsioSpawn, CancellationSlotCancelsTheFuture) {
    eddy::core loop;
    asio::io_context context;
    asio::cancellation_signal signal;
    bool was_cancelled = false;
    auto forever = []() -> task<int> {
        co_await eddy::time::sleep(1h);
        co_return 0;
    };
    eddy::asio_spawn(
        loop.handle(), forever(),
        asio::bind_executor(context, asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr error, int) {
                                was_cancelled = error != nullptr;
                            })));
    loop.run(eddy::yield_now());
    signal.emit(asio::cancellation_type::terminal);
    loop.run_until_idle();
    context.run();
    EXPECT_TRUE(was_cancelled);
}

TEST(AsioSpawn, ExecutorThatEndsCallsTheHandlerWithAnError) {
    std::optional<eddy::core> loop(std::in_place);
    asio::io_context context;
    std::exception_ptr seen;
    eddy::asio_spawn(loop->handle(), sleep_and_add(1),
                     asio::bind_executor(context, [&](std::exception_ptr error, int) { seen = error; }));
    loop.reset();
    context.run();
    EXPECT_TRUE(seen != nullptr);
}

// ---- asio_executor ----

#ifdef EDDY_ASIO_HAS_COROUTINES
TEST(AsioExecutor, RunsAsioCoroutinesOnWorkers) {
    eddy::runtime runtime = *eddy::runtime_builder().worker_threads(2).build();
    const eddy::asio_executor executor(runtime.handle());
    auto done = asio::co_spawn(
        executor,
        [](eddy::handle expected) -> asio::awaitable<bool> {
            bool here = eddy::handle::try_current() == expected;
            const auto ex = co_await asio::this_coro::executor;
            co_await asio::post(ex, asio::use_awaitable);
            here = here && eddy::handle::try_current() == expected;
            co_return here;
        }(runtime.handle()),
        asio::use_future);
    EXPECT_TRUE(done.get());
}
#endif

TEST(AsioExecutor, StrandRunsOneHandlerAtATime) {
    eddy::runtime runtime = *eddy::runtime_builder().worker_threads(2).build();
    const auto strand = asio::make_strand(eddy::asio_executor(runtime.handle()));
    constexpr int count = 1000;
    int plain = 0;  // a data race without the strand
    std::atomic<int> left = count;
    std::promise<void> done;
    for (int i = 0; i < count; ++i) {
        asio::post(strand, [&] {
            ++plain;
            if (--left == 0) done.set_value();
        });
    }
    done.get_future().wait();
    EXPECT_EQ(plain, count);
}

/// A service that sets `is_gone` when its context is destroyed.
class end_of_context : public asio::execution_context::service {
public:
    static inline asio::execution_context::id id;
    end_of_context(asio::execution_context& owner, bool& is_gone) : service(owner), is_gone_(is_gone) {}
    ~end_of_context() override { is_gone_ = true; }

private:
    void shutdown() noexcept override {}
    bool& is_gone_;
};

TEST(AsioExecutor, ContextOutlivesHandlerThatOwnsLastExecutor) {
    // The invoker of a strand first destroys its executor, and then frees memory that belongs to the context.
    struct handler {
        std::unique_ptr<int, std::function<void(int*)>> freed_last;
        eddy::asio_executor<eddy::core_handle> executor;
        void operator()() {}
    };
    eddy::core loop;
    bool is_gone = false;
    bool was_gone_too_early = false;
    int value = 0;
    {
        const eddy::asio_executor executor(loop.handle());
        auto& context = asio::query(executor, asio::execution::context);
        asio::make_service<end_of_context>(context, is_gone);
        executor.execute(handler{{&value, [&](int*) { was_gone_too_early = is_gone; }}, executor});
    }
    EXPECT_FALSE(is_gone);
    loop.run_until_idle();
    EXPECT_TRUE(is_gone);
    EXPECT_FALSE(was_gone_too_early);
}

TEST(AsioExecutor, ExecutorOfAnEndedLoopDestroysHandlers) {
    std::optional<eddy::core> loop(std::in_place);
    const eddy::asio_executor executor(loop->handle().remote());
    loop.reset();
    auto held = std::make_shared<int>(0);
    const std::weak_ptr<int> seen = held;
    asio::post(executor, [held = std::move(held)] { FAIL() << "the loop has ended"; });
    EXPECT_TRUE(seen.expired());
}

// ---- The programs of docs/coming-from-asio.md ----

// docs: use_eddy
// An operation of Asio in a task: a lazy future with a result. Dropping it cancels the operation.
eddy::task<eddy::result<std::size_t>> read(asio::ip::tcp::socket& socket, std::span<char> into) {
    co_return co_await socket.async_read_some(asio::buffer(into.data(), into.size()), eddy::use_eddy);
}
// docs: end

TEST(AsioDocs, TaskReadsFromAsioSocket) {
    asio_thread asio;
    tcp::acceptor acceptor(asio.context, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    tcp::socket client(asio.context);
    client.connect(acceptor.local_endpoint());
    tcp::socket server = acceptor.accept();
    asio::write(client, asio::buffer("hello", 5));
    std::array<char, 16> into{};
    const auto count = eddy::wait(read(server, into));
    ASSERT_TRUE(count.has_value());
    EXPECT_EQ(std::string_view(into.data(), *count), "hello");
}

#ifdef EDDY_ASIO_HAS_COROUTINES
eddy::task<int> expensive() {
    co_await eddy::yield_now();
    co_return 42;
}

// docs: asio_spawn
// An eddy future as an operation of Asio, with any completion token.
asio::awaitable<int> compute(eddy::handle runtime) {
    co_return co_await eddy::asio_spawn(runtime, expensive(), asio::use_awaitable);
}
// docs: end

TEST(AsioDocs, AsioCoroutineAwaitsFutureOnWorkers) {
    eddy::runtime runtime = *eddy::runtime_builder().worker_threads(1).build();
    std::promise<int> done;
    const auto finish = [&](std::exception_ptr error, int value) {
        if (error) return done.set_exception(error);
        done.set_value(value);
    };
    // docs: asio_executor
    // Coroutines and handlers of Asio on the workers of a runtime.
    asio::co_spawn(eddy::asio_executor(runtime.handle()), compute(runtime.handle()), finish);
    // docs: end
    EXPECT_EQ(done.get_future().get(), 42);
}
#endif

}  // namespace
