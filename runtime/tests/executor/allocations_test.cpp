// SPDX-License-Identifier: MIT
// Operations that do not allocate after a warm-up. A separate executable, since it replaces operator new.
// runs: asan, own operator new
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <expected>
#include <functional>
#include <latch>
#include <new>
#include <optional>
#include <span>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/bytes/bytes.hpp>
#include <eddy/bytes/bytes_mut.hpp>
#include <eddy/detail/frame_pool.hpp>
#include <eddy/future/join.hpp>
#include <eddy/future/poll_fn.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/future/retry.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/io.hpp>
#include <eddy/io/registration.hpp>
#include <eddy/net/udp_socket.hpp>
#include <eddy/proto.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/reactor.hpp>
#include <eddy/runtime/runtime.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/stream/select_loop.hpp>
#include <eddy/sync/cancellation_token.hpp>
#include <eddy/sync/mpsc.hpp>
#include <eddy/sync/mutex.hpp>
#include <eddy/sync/task_tracker.hpp>
#include <eddy/task/join_handle.hpp>
#include <eddy/task/join_set.hpp>
#include <eddy/task/local_set.hpp>
#include <eddy/task/scope.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/time/backoff.hpp>
#include <eddy/time/sleep.hpp>
#include <eddy/time/try_timeout.hpp>

#include "support/emulated.hpp"
#include "support/net.hpp"
#include "support/system.hpp"

#ifndef EDDY_POOL_IS_MALLOC  // else each block of the frame pool is a heap allocation

namespace {

thread_local std::size_t allocations = 0;  // of this thread
thread_local std::ptrdiff_t live = 0;      // blocks allocated by this thread, minus blocks freed by it
std::atomic<std::size_t> all_allocations = 0;
std::atomic<std::ptrdiff_t> all_live = 0;

void* allocate(std::size_t size, std::size_t alignment) {
    ++allocations;
    ++live;
    // relaxed: counters; they publish no other data.
    all_allocations.fetch_add(1, std::memory_order_relaxed);
    all_live.fetch_add(1, std::memory_order_relaxed);
    void* const block = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
    if (block == nullptr) throw std::bad_alloc();
    return block;
}

void release(void* block) noexcept {
    if (block != nullptr) {
        --live;
        all_live.fetch_sub(1, std::memory_order_relaxed);
    }
    std::free(block);
}

}  // namespace

[[gnu::noinline]] void* operator new(std::size_t size) { return allocate(size, 16); }
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment) {
    return allocate(size, static_cast<std::size_t>(alignment));
}
[[gnu::noinline]] void operator delete(void* block) noexcept { release(block); }
[[gnu::noinline]] void operator delete(void* block, std::size_t) noexcept { release(block); }
[[gnu::noinline]] void operator delete(void* block, std::align_val_t) noexcept { release(block); }
[[gnu::noinline]] void operator delete(void* block, std::size_t, std::align_val_t) noexcept { release(block); }

namespace {

using eddy::task;

task<int> gives(int value) {
    co_await eddy::yield_now();
    co_return value;
}

/// Runs `round` three times and counts the allocations of the last run. Needs two warm-up runs: tasks that the first
/// run aborted may still be alive in the second, which then needs more memory.
template <class Fn>
task<std::size_t> when_warm(Fn round) {
    for (int i = 0; i < 2; ++i) co_await round();
    const std::size_t before = allocations;
    co_await round();
    co_return allocations - before;
}

// covers: S89
TEST(Allocations, SplittingBytesDoesNotAllocate) {
    eddy::bytes_mut row(1 << 20);
    const std::size_t after_one = allocations;
    row.put_bytes(std::byte{7}, 1 << 20);
    std::size_t sum = 0;
    while (!row.empty()) {
        const eddy::bytes one = row.split_to(1).freeze();
        const eddy::bytes part = one.slice(0, 1);
        sum += static_cast<std::size_t>(part[0]);
    }
    EXPECT_EQ(sum, 7u << 20);
    row.reserve(1 << 20);
    EXPECT_EQ(allocations, after_one) << "reserve() must reuse the block";
    const std::string large(1000, 'x');
    const std::size_t before = allocations;
    const eddy::bytes block = eddy::bytes::copy_of(large);
    EXPECT_EQ(allocations, before + 1) << "header and data are one block";
}

TEST(Allocations, CopyOfShortBytesIsOneBlockOfThePool) {
    const eddy::bytes first = eddy::bytes::copy_of("short");  // may allocate memory for the pool
    const std::size_t before = allocations;
    const eddy::bytes second = eddy::bytes::copy_of("short");
#ifdef EDDY_POOL_IS_MALLOC
    EXPECT_EQ(allocations, before + 1);
#else
    EXPECT_EQ(allocations, before);
#endif
    EXPECT_EQ(first, second);
}

template <class F>
eddy::output_t<F> at_once(F future) {
    const eddy::waker noop;
    eddy::context cx(noop);
    return *future.poll(cx);
}

// covers: P041 P043
TEST(Allocations, ReadsAndWritesInMemoryDoNotAllocate) {
    namespace io = eddy::io;
    auto [near, far] = io::duplex(64);
    std::array<std::byte, 40> row{};
    std::array<std::byte, 40> got{};
    const std::size_t before = allocations;
    EXPECT_TRUE(at_once(io::write_all(near, row)));
    EXPECT_TRUE(at_once(io::read_exact(far, got)));
    EXPECT_TRUE(at_once(io::write_u64(near, 7)));
    EXPECT_EQ(at_once(io::read_u64(far)), 7u);
    std::array<std::span<const std::byte>, 2> parts{std::span(row).first(20), std::span(row).last(20)};
    EXPECT_TRUE(at_once(io::write_all_vectored(near, parts)));
    EXPECT_EQ(allocations, before);
    // The chunks of a reader_stream share one block, which is reused.
    io::reader_stream pieces(io::take(io::repeat(std::byte{1}), 1 << 20), 4096);
    EXPECT_TRUE(at_once(pieces.next()));
    const std::size_t with_block = allocations;
    while (at_once(pieces.next())) {
    }
    EXPECT_EQ(allocations, with_block);
}

// covers: P019
TEST(Allocations, JoinSetDoesNotAllocate) {
    eddy::core core;
    const auto made = core.run(when_warm([]() -> task<> {
        eddy::join_set<int> set;
        for (int i = 0; i < 1000; ++i) set.spawn(gives(i));
        while (auto output = co_await set.join_next()) EXPECT_TRUE(output->has_value());
        for (int i = 0; i < 1000; ++i) set.spawn(gives(i));
    }));
    EXPECT_EQ(made, 0u);
}

/// Two UDP sockets of an event loop.
struct two_sockets {
    eddy::core core;
    eddy::net::udp_socket one = bound();
    eddy::net::udp_socket other = bound();
    eddy::net::socket_addr to = other.local_addr().value();

private:
    eddy::net::udp_socket bound() const {
        const eddy::net::socket_addr any(eddy::net::ip_addr::v4_loopback(), 0);
        return eddy::net::udp_socket::bind(any, core.handle()).value();
    }
};

// covers: P058
TEST(Allocations, DatagramsDoNotAllocate) {
    two_sockets sockets;
    const auto made = sockets.core.run(when_warm([&]() -> task<> {
        std::array<std::byte, 100> room{};
        const std::array<std::byte, 5> bytes{};
        for (int i = 0; i < 100; ++i) {
            auto both = eddy::join(sockets.other.recv_from(room), sockets.one.send_to(bytes, sockets.to));
            EXPECT_TRUE((co_await std::move(both)).first);
        }
    }));
    EXPECT_EQ(made, 0u);
}

// covers: P058
TEST(Allocations, BatchesOfDatagramsDoNotAllocate) {
    if (support::is_emulated()) GTEST_SKIP() << "qemu-user does not translate the size in UDP_SEGMENT";
    two_sockets sockets;
    const auto made = sockets.core.run(when_warm([&]() -> task<> {
        std::array<std::byte, 100> room{};
        const std::array<std::byte, 5> bytes{};
        for (int i = 0; i < 100; ++i) {
            std::array outgoing{eddy::net::outgoing_datagram(bytes, sockets.to),
                                eddy::net::outgoing_datagram(bytes, sockets.to)};
            std::array incoming{eddy::net::incoming_datagram(std::span(room).first(50)),
                                eddy::net::incoming_datagram(std::span(room).last(50))};
            const auto sent = co_await sockets.one.send_many(outgoing);
            EXPECT_EQ(sent, 2u);
            const auto received = co_await sockets.other.recv_many(incoming);
            EXPECT_EQ(received, 2u);
        }
    }));
    EXPECT_EQ(made, 0u);
}

// covers: P003
TEST(Allocations, TasksOfALocalSetDoNotAllocate) {
    eddy::local_set set;
    const auto made = eddy::wait(when_warm([&set]() -> task<> {
        for (int i = 0; i < 1000; ++i) set.spawn_local(gives(i));
        co_await set;
    }));
    EXPECT_EQ(made, 0u);
}

// covers: P084
TEST(Allocations, WaitingForAMutexDoesNotAllocate) {
    eddy::core core;
    const auto made = core.run(when_warm([]() -> task<> {
        eddy::sync::mutex<int> m;
        auto work = [](eddy::sync::mutex<int>& shared) -> task<> {
            for (int i = 0; i < 100; ++i) {
                auto guard = co_await shared.lock();
                ++*guard;
                co_await eddy::yield_now();
            }
        };
        const auto four = [&] { return eddy::join(work(m), work(m), work(m), work(m)); };
        co_await four();
        EXPECT_EQ(m.get_mut(), 400);
    }));
    EXPECT_EQ(made, 0u);
}

// covers: P079
TEST(Allocations, WaitingForAChannelDoesNotAllocate) {
    eddy::core core;
    auto [tx, rx] = eddy::sync::mpsc<int>::channel(2);
    const auto send = [&tx]() -> task<> {
        for (int i = 0; i < 100; ++i) {
            const auto sent = co_await tx.send(i);
            EXPECT_TRUE(sent.has_value());
        }
    };
    const auto receive = [&rx]() -> task<> {
        for (int i = 0; i < 200; ++i) {
            const auto value = co_await rx.recv();
            EXPECT_TRUE(value.has_value());
        }
    };
    EXPECT_EQ(core.run(when_warm([&] { return eddy::join(send(), send(), receive()); })), 0u);
}

TEST(Allocations, SelectLoopDoesNotAllocate) {
    eddy::core core;
    auto [tx, rx] = eddy::sync::mpsc<int>::channel(2);
    const auto send = [&tx]() -> task<> {
        for (int i = 0; i < 100; ++i) static_cast<void>(co_await tx.send(i));
    };
    const auto receive = [&rx]() -> task<> {
        int left = 100;
        auto done = [&left](int) { return --left == 0 ? eddy::flow::stop : eddy::flow::next; };
        co_await eddy::select_loop(eddy::on(std::ref(rx), done),
                                   eddy::on([] { return eddy::time::sleep(std::chrono::hours(1)); }, [] {}),
                                   eddy::until(eddy::pending<void>()));
    };
    EXPECT_EQ(core.run(when_warm([&] { return eddy::join(send(), receive()); })), 0u);
}

TEST(Allocations, TryTimeoutDoesNotAllocate) {
    using namespace std::chrono_literals;
    eddy::core core;
    const auto made = core.run(when_warm([]() -> task<> {
        for (int i = 0; i < 100; ++i) {
            const auto in_time = co_await eddy::time::try_timeout(1h, gives(i));
            EXPECT_EQ(in_time, i);
            const auto late = co_await eddy::time::try_timeout(0s, eddy::pending<int>());
            EXPECT_EQ(late.error(), eddy::errc::timed_out);
        }
    }));
    EXPECT_EQ(made, 0u);
}

TEST(Allocations, RetryDoesNotAllocate) {
    using namespace std::chrono_literals;
    eddy::core core;
    const auto made = core.run(when_warm([]() -> task<> {
        for (int i = 0; i < 100; ++i) {
            int failures = 3;
            const auto attempt = [&failures]() -> task<eddy::result<int>> {
                co_await eddy::yield_now();
                if (failures-- > 0) co_return std::unexpected(std::make_error_code(std::errc::connection_refused));
                co_return 7;
            };
            const auto got = co_await eddy::retry(eddy::time::backoff(0ms), attempt);
            EXPECT_EQ(got, 7);
        }
    }));
    EXPECT_EQ(made, 0u);
}

TEST(Allocations, LayersOfServicesDoNotAllocate) {
    namespace proto = eddy::proto;
    eddy::core loop;
    const auto main = []() -> task<std::size_t> {
        const auto service = [](int n) -> task<eddy::result<int>> {
            co_await eddy::yield_now();
            co_return n;
        };
        const auto handler = service | proto::timeout(std::chrono::hours(1)) | proto::concurrency_limit(2) |
                             proto::rate_limit(100, std::chrono::nanoseconds(1)) | proto::circuit_breaker() |
                             proto::retry(proto::retry_policy()) | proto::trace([](const proto::call_report&) {}) |
                             proto::map_response([](int n) { return n; }) | proto::buffer(4) | proto::load_shed();
        const proto::boxed_service<int, int> boxed = handler;
        const auto round = [&]() -> task<void> {
            for (int i = 0; i < 10; ++i) {
                const auto answer = co_await boxed(i);
                EXPECT_EQ(answer, i);
            }
        };
        co_return co_await when_warm(round);
    };
    EXPECT_EQ(loop.run(main()), 0u);
}

TEST(Allocations, DroppedRegistrationsAreReleasedInNextTick) {
    eddy::reactor reactor;
    const support::counter first;
    const support::counter second;
    const auto attach = [&](const support::counter& source) {
        return eddy::io::registration::attach(source, eddy::io::interest::readable, reactor.handle()).value();
    };
    const auto rounds = [&](int count) {
        for (int i = 0; i < count; ++i) {
            {
                const auto one = attach(first);
                const auto two = attach(second);
            }
            reactor.turn(std::chrono::nanoseconds(0)).value();
        }
    };
    rounds(100);
    const std::size_t before = allocations;
    rounds(20'000);
    EXPECT_EQ(allocations, before) << "the memory of sources removed in the same tick was not reused";
}

// A thread without an event loop receives into buffers of its own pool.
TEST(Allocations, EndedThreadLeavesNoReceiveBuffers) {
    const auto receive_in_threads = [](int count) {
        for (int i = 0; i < count; ++i) {
            support::connection pair;
            pair.peer.send("some bytes");
            std::thread([&] {
                const auto received = eddy::wait(pair.stream.receive());
                EXPECT_EQ(received.value().size(), 10u);
            }).join();
        }
    };
    receive_in_threads(2);
    const std::ptrdiff_t before = all_live;
    receive_in_threads(10);
    EXPECT_LT(all_live - before, 10) << "each ended thread has left memory";
}

TEST(Allocations, ClosedRuntimeFreesTasksThatNeverRan) {
    struct large {  // too large for the frame pool, so each task is a heap allocation
        std::array<std::byte, eddy::detail::largest_pooled> bytes{};
    };
    const auto close_with_tasks = [](int count) {
        std::latch is_busy(1);
        std::latch is_closing(1);
        auto rt = eddy::runtime::builder().worker_threads(1).build().value();
        rt.spawn([&] {
            is_busy.count_down();
            is_closing.wait();
        });
        is_busy.wait();
        for (int i = 0; i < count; ++i)
            rt.spawn(eddy::poll_fn([kept = large()](eddy::context&) -> eddy::poll_result<void> {
                static_cast<void>(kept);
                return eddy::not_ready;
            }));
        auto ended = std::move(rt).shutdown_now();
        is_closing.count_down();
        ended.wait();
    };
    close_with_tasks(1);
    const std::ptrdiff_t before = all_live;
    close_with_tasks(1000);  // more than the run queue of the worker has room for
    EXPECT_LT(all_live - before, 50);
}

// covers: P090
TEST(Allocations, DroppedChildTokensLeaveNoMemoryWithTheParent) {
    const eddy::sync::cancellation_token parent;
    const std::ptrdiff_t before = live;
    for (int i = 0; i < 1'000'000; ++i) {
        const auto child = parent.child_token();
        if (i % 1000 != 0) continue;
        ASSERT_EQ(live - before, 1);
        eddy::test::by_hand waits(child.cancelled());
        eddy::test::assert_pending(waits.poll());
    }
    EXPECT_EQ(live, before);
    parent.cancel();
    EXPECT_TRUE(parent.child_token().is_cancelled());
    EXPECT_EQ(live, before) << "a child of a cancelled token must leave no memory";
}

// Memory use depends on the number of live tokens, not on the order in which tokens are dropped. A dropped token hands
// its children to its parent.
// covers: P090
TEST(Allocations, TokenTreeUsesMemoryOnlyForLiveTokens) {
    using eddy::sync::cancellation_token;
    const cancellation_token root;
    const std::ptrdiff_t before = live;
    {
        std::array<std::optional<cancellation_token>, 64> window;
        for (std::size_t i = 0; i < 1'000'000; ++i) {
            auto& place = window.at(i * 37 % window.size());  // drops tokens in an order unrelated to the tree
            const auto& above = window.at(i * 11 % window.size());
            place = above ? above->child_token() : root.child_token();
            ASSERT_LE(live - before, static_cast<std::ptrdiff_t>(window.size()) + 1);
        }
        root.cancel();
        for (const auto& token : window) EXPECT_TRUE(token->is_cancelled());
    }
    EXPECT_EQ(live, before);
}

// covers: P020
TEST(Allocations, TaskTrackerDoesNotAllocate) {
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

/// Runs `round` four times on a runtime with one worker and counts the allocations of the last run. Counts only on the
/// worker's thread: the thread that calls block_on() allocates once when it starts to wait, at an unpredictable time.
template <class Fn>
std::size_t when_warm_on(const eddy::runtime& rt, Fn round) {
    const auto counted = [](Fn again) -> task<std::size_t> {
        for (int i = 0; i < 3; ++i) co_await again();
        const auto thread = std::this_thread::get_id();
        const std::size_t before = allocations;
        co_await again();
        EXPECT_EQ(std::this_thread::get_id(), thread);
        co_return allocations - before;
    };
    return rt.block_on(counted(round));
}

task<void> spawn_and_join() {
    for (int i = 0; i < 1000; ++i) {
        auto handle = eddy::spawn(gives(i));
        EXPECT_EQ((co_await handle).value(), i);
        eddy::spawn(gives(i));  // detached
        auto called = eddy::spawn([i] { return i; });
        EXPECT_EQ((co_await called).value(), i);
        auto aborted = eddy::spawn(gives(i));
        aborted.abort();
        static_cast<void>(co_await aborted);
    }
}

task<void> scopes() {
    for (int i = 0; i < 100; ++i) {
        co_await eddy::scope([&](auto& s) -> task<void> {
            for (int n = 0; n < 10; ++n) s.spawn(gives(n));
            co_return;
        });
    }
}

TEST(Allocations, SpawnOnALoopDoesNotAllocate) {
    eddy::core core;
    EXPECT_EQ(core.run(when_warm(spawn_and_join)), 0u);
}

// covers: I20.4.10
TEST(Allocations, SpawnOnAWorkerDoesNotAllocate) {
    const auto rt = eddy::runtime::builder().worker_threads(1).build().value();
    EXPECT_EQ(when_warm_on(rt, spawn_and_join), 0u);
}

/// Creates twice as many tasks as spawn_and_join(), all alive at the same time: the worker blocks until all are
/// spawned.
task<void> fill_the_pool() {
    std::latch is_full(1);
    std::vector<eddy::join_handle<int>> all;
    all.push_back(eddy::spawn([&is_full] {
        is_full.wait();
        return 0;
    }));
    for (int i = 0; i < 2000; ++i) {
        for (int kind = 0; kind < 3; ++kind) all.push_back(eddy::spawn(gives(i)));
        all.push_back(eddy::spawn([i] { return i; }));
    }
    is_full.count_down();
    for (auto& handle : all) static_cast<void>(co_await handle);
}

// Blocks that the worker frees return to the frame pool of the thread that spawned the tasks.
// covers: I20.4.10
TEST(Allocations, SpawnFromOutsideDoesNotAllocate) {
    const auto rt = eddy::runtime::builder().worker_threads(1).build().value();
    const auto entered = rt.enter();
    const auto counted = []() -> task<std::size_t> {
        co_await fill_the_pool();
        const std::size_t before = all_allocations;
        co_await spawn_and_join();
        co_return all_allocations - before;
    };
    EXPECT_EQ(eddy::wait(counted()), 0u);
}

TEST(Allocations, ScopeChildrenDoNotAllocate) {
    eddy::core core;
    EXPECT_EQ(core.run(when_warm(scopes)), 0u);
    const auto rt = eddy::runtime::builder().worker_threads(1).build().value();
    EXPECT_EQ(when_warm_on(rt, scopes), 0u);
}

// A task takes at most two memory blocks, including its coroutine frame, even if the blocks are too large for the frame
// pool.
TEST(Allocations, SpawnTakesTwoBlocks) {
    struct large {  // too large for the frame pool, so each block is a heap allocation
        std::array<std::byte, eddy::detail::largest_pooled> bytes{};
    };
    eddy::core core;
    const auto keeps = [](large kept) -> task<large> {
        co_await eddy::yield_now();
        co_return kept;
    };
    const auto count = [&]() -> task<std::size_t> {
        const std::size_t before = allocations;
        auto handle = eddy::spawn(keeps(large()));
        const std::size_t made = allocations - before;
        static_cast<void>(co_await handle);
        EXPECT_EQ(allocations - before, made) << "the task must not allocate after its spawn";
        co_return made;
    };
    EXPECT_EQ(core.run(count()), 2u);
    const auto rt = eddy::runtime::builder().worker_threads(1).build().value();
    EXPECT_EQ(rt.block_on(count()), 2u);
}

}  // namespace

#endif
