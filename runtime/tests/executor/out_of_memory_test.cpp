// SPDX-License-Identifier: MIT
// Allocations that fail with bad_alloc. A separate executable, since it replaces operator new.
// runs: asan, memory
#include <gtest/gtest.h>

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <functional>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/bytes/bytes_mut.hpp>
#include <eddy/codec.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/future/select.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/io.hpp>
#include <eddy/net/lookup_host.hpp>
#include <eddy/net/tcp_listener.hpp>
#include <eddy/net/unix_stream.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/core_thread.hpp>
#include <eddy/runtime/handle.hpp>
#include <eddy/runtime/runtime.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/task/join_handle.hpp>
#include <eddy/task/join_set.hpp>
#include <eddy/task/local_pool.hpp>
#include <eddy/task/local_set.hpp>
#include <eddy/task/scope.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/spawn_blocking.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/time/sleep.hpp>
#include <eddy/time/timeout.hpp>

#include "support/driver.hpp"
#include "support/failing_allocations.hpp"
#include "support/limit.hpp"
#include "support/net.hpp"
#include "support/runtime.hpp"
#include "support/runtime/no_memory.hpp"

namespace {

using support::allocations_left;
using support::no_limit;
using support::one_has_failed;

/// Calls `f` in one forked child per allocation: the n-th allocation of this thread fails in the n-th child.
void fail_each(const char* what, const std::function<void()>& f) {
    for (long nth = 0; nth < 60; ++nth) {
        const pid_t child = ::fork();
        if (child == 0) {
            ::alarm(support::operation_seconds());
            allocations_left = nth;
            int code = 0;
            try {
                f();
            } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): expected
            } catch (const std::exception& e) {
                code = allocations_left == one_has_failed ? 0 : 3;
                if (code != 0) std::fprintf(stderr, "%s\n", e.what());
            }
            if (allocations_left >= 0) code = 7;  // no allocation failed
            allocations_left = no_limit;
            ::_exit(code);
        }
        int status = 0;
        support::repeated([&] { return ::waitpid(child, &status, 0); });
        if (WIFEXITED(status) && WEXITSTATUS(status) == 7) return;
        EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0)
            << what << ": allocation " << nth << (WIFSIGNALED(status) ? ": signal " : ": code ")
            << (WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    }
}

TEST(OutOfMemory, FailedRuntimeBuildLeavesNoDescriptorOpen) {
    {
        const auto warm = support::make_runtime(2);
    }
    const auto before = support::fd_count();
    for (long nth = 0; nth < 100; ++nth) {
        allocations_left = nth;
        const bool built = eddy::runtime::builder().worker_threads(2).build().has_value();
        const bool failed = allocations_left == one_has_failed;
        allocations_left = no_limit;
        EXPECT_EQ(support::fd_count(), before) << "allocation " << nth << " failed";
        if (built && !failed) break;
    }
}

TEST(OutOfMemory, FailedCoreMakeLeavesNoDescriptorOpen) {
    {
        const eddy::core warm;
    }
    const auto before = support::fd_count();
    support::memory_stays_short = true;
    for (long nth = 0; nth < 20; ++nth) {
        allocations_left = nth;
        const bool built = eddy::core::make().has_value();
        allocations_left = no_limit;
        EXPECT_EQ(support::fd_count(), before) << "allocation " << nth << " failed";
        if (built) break;
    }
    support::memory_stays_short = false;
}

TEST(OutOfMemory, ReceivedDescriptorsWithoutMemoryAreClosed) {
    for (long nth = 0; nth < 100; ++nth) {
        eddy::core loop;
        auto ends = eddy::net::unix_stream::pair().value();
        std::array<char, 8> buffer{};
        const std::vector<int> sent(3, STDERR_FILENO);
        ASSERT_TRUE(loop.run(ends.first.send_fds(std::string_view("text"), sent)));
        const auto before = support::fd_count();
        bool has_received = false;
        allocations_left = nth;
        try {
            has_received = loop.run(ends.second.recv_fds(std::span(buffer))).has_value();
        } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): expected
        }
        const bool has_failed = allocations_left == one_has_failed;
        allocations_left = no_limit;
        // The event loop may open its own descriptors, and close them with it.
        EXPECT_EQ(support::fd_count(), before) << "allocation " << nth;
        if (has_received && !has_failed) return;
    }
    FAIL() << "more allocations than expected";
}

// covers: P100
TEST(OutOfMemory, LinesCodecKeepsTheFrameAfterBadAlloc) {
    const std::string first(40, 'a');
    eddy::codec::lines_codec lines;
    eddy::bytes_mut buffer = eddy::bytes_mut::copy_of(first + "\nb\n");
    allocations_left = 0;
    EXPECT_THROW(static_cast<void>(lines.decode(buffer)), std::bad_alloc);
    EXPECT_EQ(lines.decode(buffer).value(), first);
    EXPECT_EQ(lines.decode(buffer).value(), "b");

    auto nothing = eddy::io::empty();
    eddy::codec::framed_read frames(std::move(nothing), eddy::codec::lines_codec());
    frames.read_buffer().put(first + "\nb\n");
    auto decoding = std::move(frames).map_codec([](eddy::codec::lines_codec&& same) { return std::move(same); });
    {
        eddy::test::by_hand next(decoding.next());
        allocations_left = 0;
        EXPECT_THROW(static_cast<void>(next.poll()), std::bad_alloc);
    }
    for (const auto& expected : {first, std::string("b")}) {
        eddy::test::by_hand next(decoding.next());
        EXPECT_EQ(eddy::test::assert_ready(next.poll())->value(), expected);
    }
    allocations_left = no_limit;
}

TEST(OutOfMemory, FailedConstructionAndShutdownEndGracefully) {
    fail_each("core_thread::make", [] { static_cast<void>(eddy::core_thread::make()); });
    fail_each("local_pool::make", [] { static_cast<void>(eddy::local_pool::make(2)); });
    fail_each("shutdown_timeout", [] {
        const long nth = std::exchange(allocations_left, no_limit);
        auto rt = support::make_runtime(2);
        for (int i = 0; i < 20; ++i) rt.spawn(eddy::time::sleep(std::chrono::hours(1))).detach();
        allocations_left = nth;
        std::move(rt).shutdown_timeout(std::chrono::seconds(10));
    });
    fail_each("runtime and block_on", [] {
        auto rt = eddy::runtime::builder().worker_threads(1).build();
        if (rt) rt->block_on(eddy::ready());
    });
}

template <class Fn>
void on_loop(const char* what, Fn f) {
    fail_each(what, [f] {
        const long nth = std::exchange(allocations_left, no_limit);
        eddy::core loop;
        loop.run([](long after, Fn run) -> eddy::task<> {
            co_await eddy::yield_now();
            allocations_left = after;
            co_await run();
        }(nth, f));
    });
}

TEST(OutOfMemory, LoopSurvivesEachFailedAllocation) {
    on_loop("spawn", []() -> eddy::task<> { static_cast<void>(co_await eddy::spawn(eddy::ready())); });
    on_loop("spawn of a callable", []() -> eddy::task<> {
        auto work = eddy::spawn([]() -> eddy::task<int> { co_return 1; });
        static_cast<void>(co_await work);
    });
    on_loop("scope of known children", []() -> eddy::task<> {
        const auto yield = []() -> eddy::task<> { co_await eddy::yield_now(); };
        static_cast<void>(co_await eddy::scope(yield(), eddy::ready(), yield()));
    });
    on_loop("scope", []() -> eddy::task<> {
        co_await eddy::scope([](auto& s) -> eddy::task<> {
            s.spawn(eddy::ready());
            s.spawn([]() -> eddy::task<> { co_return; });
            co_return;
        });
    });
    on_loop("join_set", []() -> eddy::task<> {
        eddy::join_set<> set;
        set.spawn(eddy::ready());
        set.spawn([]() -> eddy::task<> { co_return; });
        while (co_await set.join_next()) continue;
    });
    on_loop("spawn_blocking", []() -> eddy::task<> { static_cast<void>(co_await eddy::spawn_blocking([] {})); });
    on_loop("lookup_host",
            []() -> eddy::task<> { static_cast<void>(co_await eddy::net::lookup_host("localhost:80")); });
    on_loop("local_set", []() -> eddy::task<> {
        eddy::local_set set;
        auto first = set.spawn_local([]() -> eddy::task<> { co_await eddy::yield_now(); });
        static_cast<void>(co_await set.run_until(std::move(first)));
    });
}

template <class Fn>
void on_pool(const char* what, Fn f) {
    fail_each(what, [f] {
        const long nth = std::exchange(allocations_left, no_limit);
        long left = 0;
        {
            const auto rt = support::make_runtime(1);
            rt.block_on([](long after, Fn run, long& behind) -> eddy::task<> {
                co_await eddy::yield_now();
                allocations_left = after;
                try {
                    co_await run();
                } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): a failed allocation may end it
                }
                behind = std::exchange(allocations_left, no_limit);
            }(nth, f, left));
        }
        allocations_left = left;
    });
}

TEST(OutOfMemory, RuntimeSurvivesEachFailedAllocation) {
    on_pool("spawn", []() -> eddy::task<> { static_cast<void>(co_await eddy::spawn(eddy::ready())); });
    on_pool("scope", []() -> eddy::task<> {
        co_await eddy::scope([](auto& s) -> eddy::task<> {
            s.spawn(eddy::ready());
            s.spawn([]() -> eddy::task<> { co_return; });
            co_return;
        });
    });
    on_pool("scope of known children", []() -> eddy::task<> {
        const auto yield = []() -> eddy::task<> { co_await eddy::yield_now(); };
        static_cast<void>(co_await eddy::scope(yield(), eddy::ready(), yield()));
    });
    on_pool("scope that is cancelled", []() -> eddy::task<> {
        co_await eddy::scope([](auto& s) -> eddy::task<> {
            s.spawn([]() -> eddy::task<> { co_await eddy::time::sleep(std::chrono::hours(1)); });
            s.cancel();
            co_return;
        });
    });
    on_pool("scope that is destroyed", []() -> eddy::task<> {
        auto first = eddy::select(eddy::scope([](auto& s) -> eddy::task<> {
                                      for (int i = 0; i < 3; ++i) s.spawn(eddy::time::sleep(std::chrono::hours(1)));
                                      co_return;
                                  }),
                                  eddy::yield_now());
        static_cast<void>(co_await first);
    });
    on_pool("spawn_blocking", []() -> eddy::task<> { static_cast<void>(co_await eddy::spawn_blocking([] {})); });
    on_pool("block_in_place", []() -> eddy::task<> {
        eddy::block_in_place([] {});
        co_return;
    });
}

// A worker takes a child of a scope from another worker, and has no memory to make it a task.
TEST(OutOfMemory, ScopeFailsIfTheWorkerThatTookAChildHasNoMemory) {
    thread_local std::optional<support::no_memory> shortage;
    std::atomic<bool> is_short = false;  // from now on, the next worker that wakes up has no memory until it parks
    std::atomic<bool> has_parked = false;
    std::atomic<bool> has_run = false;
    const auto rt = eddy::runtime::builder()
                        .worker_threads(2)
                        .enable_io(false)
                        .on_thread_unpark([&] {
                            if (is_short.exchange(false)) shortage.emplace();
                        })
                        .on_thread_park([&] {
                            if (shortage) shortage.reset();
                            has_parked = true;
                        })
                        .on_thread_stop([&] { shortage.reset(); })
                        .build()
                        .value();
    const auto first = [&]() -> eddy::task<int> {
        // The scope's own worker, which must not take the second child before the other worker has seen it.
        EXPECT_TRUE(support::comes_true([&] { return has_parked || has_run; }));
        co_return 1;
    };
    const auto second = [&]() -> eddy::task<int> {
        has_run = true;
        co_return 2;
    };
    const auto fails = [&]() -> eddy::task<bool> {
        EXPECT_TRUE(support::comes_true([&] { return has_parked.load(); }));  // the other worker
        has_run = false;
        has_parked = false;
        is_short = true;
        try {
            const auto both = co_await eddy::scope(first(), second());
            EXPECT_EQ(both.second, 2);
        } catch (const std::bad_alloc&) {
            co_return true;
        }
        co_return false;
    };
    // If the other worker was awake, it has memory, and the child runs.
    auto has_failed = rt.spawn([&]() -> eddy::task<bool> {
        for (int round = 0; round < 1000; ++round) {
            const bool failed = co_await fails();
            if (failed) co_return true;
        }
        co_return false;
    });
    const auto outcome = rt.block_on(eddy::time::timeout(support::operation_limit(), std::move(has_failed)));
    ASSERT_TRUE(outcome.has_value()) << "the scope waits for a child that was never made a task";
    EXPECT_TRUE(outcome->value()) << "the tested situation did not occur";
}

// A child of a scope blocks, so that its worker makes the other children tasks, and there is no memory for them.
TEST(OutOfMemory, ScopeFailsIfABlockingChildHasNoMemoryForTheOthers) {
    const auto rt = support::make_runtime(2);
    support::gate is_busy;
    support::gate is_over;
    auto other_worker = rt.spawn([&]() -> eddy::task<> {
        is_busy.open();
        EXPECT_TRUE(is_over.wait());
        co_return;
    });
    EXPECT_TRUE(is_busy.wait());
    const auto first = []() -> eddy::task<> {
        const support::no_memory here;
        eddy::block_in_place([] {});
        co_return;
    };
    const auto second = []() -> eddy::task<> { co_return; };
    auto has_failed = rt.spawn([&]() -> eddy::task<bool> {
        try {
            static_cast<void>(co_await eddy::scope(first(), second()));
        } catch (const std::bad_alloc&) {
            co_return true;
        }
        co_return false;
    });
    EXPECT_TRUE(rt.block_on(std::move(has_failed)).value());
    is_over.open();
    EXPECT_TRUE(rt.block_on(std::move(other_worker)).has_value());
}

// The ring accepts a connection, and the loop has no memory for it.
TEST(OutOfMemory, ConnectionThatTheLoopCannotKeepIsReset) {
    if (!support::has_ring()) GTEST_SKIP() << "only a ring accepts connections before a task takes them";
    eddy::core loop;
    auto listener = loop.run(eddy::net::tcp_listener::bind("127.0.0.1:0")).value();
    const auto at = listener.local_addr().value();
    const auto accepts = [](eddy::net::tcp_listener from) -> eddy::task<> {
        for (;;) static_cast<void>(co_await from.accept());
    };
    loop.handle().spawn(accepts(std::move(listener))).value();
    for (int i = 0; i < 3; ++i) loop.turn(std::chrono::milliseconds(1));  // the ring waits for a connection
    const auto before = support::fd_count();
    const auto peer = support::raw_socket::connected(at);
    {
        const support::no_memory here;
        loop.turn(std::chrono::seconds(10));
    }
    char byte = 0;
    EXPECT_EQ(::recv(peer.fd(), &byte, 1, 0), -1);
    EXPECT_EQ(errno, ECONNRESET);
    EXPECT_EQ(support::fd_count(), before + 1) << "the connection's descriptor is still open";
}

}  // namespace
