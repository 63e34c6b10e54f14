// SPDX-License-Identifier: MIT
// The ring itself: full queues, entries that the kernel does not accept, its watches of descriptors, its creation and
// its end.
// runs: once, asan, tsan, ring
#include <gtest/gtest.h>

#include <liburing.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/future/poll_fn.hpp>
#include <eddy/io/async_fd.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/time/timeout.hpp>

#include <support/executors.hpp>
#include <support/limit.hpp>
#include <support/net.hpp>
#include <support/poll_once.hpp>
#include <support/polling.hpp>
#include <support/runtime.hpp>
#include <support/runtime/conversation.hpp>
#include <support/runtime/ring_faults.hpp>
#include <support/runtime/ring_parts.hpp>
#include <support/runtime/uring_test.hpp>
#include <support/stress.hpp>
#include <support/system.hpp>

#include "reactor/ring/send_buffer.hpp"
#include "reactor/ring/uring_abi.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::net::tcp_stream;
using support::byte_pattern;
using support::connection;
using support::fault_chances;
using support::once;
using support::ring_fault;
using support::within;

class UringQueue : public support::uring_test {};
class UringRing : public support::uring_test {};

// ---- Full queues and entries that the kernel does not accept ----

// covers: R100
TEST_F(UringQueue, ThousandReadyReadsOverflowWithoutLoss) {
    begin({}, 4, 8);
    std::vector<connection> pairs(1000);
    auto loop = make_core();
    const auto read_all = [&]() -> eddy::task<std::chrono::nanoseconds> {
        std::vector<eddy::join_handle<std::byte>> reads;
        for (auto& each : pairs) {
            reads.push_back(eddy::spawn([](tcp_stream& from) -> eddy::task<std::byte> {
                std::array<std::byte, 1> into{};
                const auto count = co_await from.read(into);
                EXPECT_EQ(count, 1u);
                co_return into[0];
            }(each.stream)));
        }
        // The loop only submits all reads to the ring.
        co_await eddy::time::sleep(1ms);
        for (std::size_t i = 0; i < pairs.size(); ++i) pairs[i].peer.send(std::string(1, static_cast<char>(i)));
        const auto begin = std::chrono::steady_clock::now();
        for (std::size_t i = 0; i < reads.size(); ++i) {
            const auto got = co_await reads[i];
            EXPECT_EQ(got.value(), static_cast<std::byte>(i));
        }
        co_return std::chrono::steady_clock::now() - begin;
    };
    const auto time = within(loop, read_all());
    EXPECT_LT(time, support::is_sanitized ? 10s : 1s);
    EXPECT_GT(faults().overflows(), 0u) << "the tested situation did not occur";
    pairs.clear();
}

// covers: R100
TEST_F(UringQueue, OverflowedShortSendLosesNoBytes) {
    begin(fault_chances().set(ring_fault::short_send, 1000), 4, 8);
    std::vector<connection> pairs(200);
    auto loop = make_core();
    const byte_pattern pattern(3);
    const auto sent = pattern.make(0, 1000);
    const auto write_all = [&]() -> eddy::task<void> {
        for (auto& each : pairs) {
            const auto count = co_await each.stream.write(sent);
            EXPECT_EQ(count, sent.size());
        }
        for (auto& each : pairs) {
            const auto flushed = co_await each.stream.flush();
            EXPECT_TRUE(flushed.has_value());
        }
    };
    const auto write_in_one_turn = [&]() -> eddy::task<void> {
        std::vector<eddy::join_handle<void>> writes;
        for (auto& each : pairs) {
            writes.push_back(eddy::spawn([](tcp_stream& to, std::span<const std::byte> all) -> eddy::task<void> {
                const auto count = co_await to.write(all);
                EXPECT_EQ(count, all.size());
            }(each.stream, sent)));
        }
        for (auto& each : writes) static_cast<void>(co_await each);
        co_await write_all();
    };
    within(loop, write_in_one_turn());
    for (auto& each : pairs) {
        const auto got = each.peer.receive(2 * sent.size());
        ASSERT_TRUE(pattern.matches(0, support::bytes_of(got).first(sent.size())));
        ASSERT_TRUE(pattern.matches(0, support::bytes_of(got).last(sent.size())));
    }
    EXPECT_GT(faults().overflows(), 0u) << "the tested situation did not occur";
    EXPECT_GT(faults().happened(ring_fault::short_send), 0u);
    pairs.clear();
}

// The kernel has accepted one of two entries. The completion of this entry calls a waker that submits the second entry.
// The send of the second entry fails after the driver tick has processed its completions.
// covers: R100
TEST_F(UringQueue, FailedSendThatAWakerSubmittedIsRetried) {
    using eddy::detail::io_handle;
    using eddy::detail::ring_connection;
    begin(fault_chances().set(ring_fault::some_taken, 1000));
    const connection first_pair;
    const connection full_pair;
    const connection spare_pair;
    const support::owned_io io(io_handle::make(eddy::driver_kind::io_uring).value());
    const auto tick = [&] { EXPECT_TRUE(io->tick(0ms).has_value()); };
    const auto write = [&](ring_connection& to, std::string_view text) {
        const auto bytes = support::bytes_of(text);
        return to.write(*io->ring(), io->ring()->own_ring(), std::span(&bytes, 1));
    };
    tick();
    ring_connection& first = support::add_to(*io, first_pair);
    ring_connection& full = support::add_to(*io, full_pair);
    ring_connection& spare = support::add_to(*io, spare_pair);
    ASSERT_EQ(spare.take(*io->ring(), 0).what, ring_connection::received::nothing);
    for (int i = 0; i < 8; ++i) tick();  // all submissions have been accepted
    support::fill_socket(full.fd());

    // A write has to wait for the send buffer of `first`, because the socket was full. The buffer is free again after
    // its data is sent.
    support::fill_socket(first.fd());
    const std::string whole_slot(eddy::detail::send_buffer::most, 'x');
    ASSERT_EQ(write(first, whole_slot), whole_slot.size());
    ASSERT_EQ(write(full, "rest"), 4u);
    ASSERT_EQ(write(first, "more").error(), std::errc::operation_would_block);
    std::string of_first;
    pollfd room{first.fd(), POLLOUT, 0};
    ASSERT_TRUE(support::comes_true([&] {
        support::drain(first_pair, of_first);
        return ::poll(&room, 1, 0) == 1;
    }));
    int calls = 0;
    support::calling_waker enters([&] {
        if (calls++ == 0) io->ring()->close(spare);
    });
    const eddy::waker waker = enters.waker();
    eddy::context cx(waker);
    first.clear_blocked(first.look(eddy::io::ready::all));
    ASSERT_FALSE(first.wait(eddy::detail::direction::write, cx, nullptr).is_ready());
    tick();
    ASSERT_EQ(calls, 1) << "the tested situation did not occur";
    tick();

    std::string of_full;
    EXPECT_TRUE(support::comes_true([&] {
        tick();
        support::drain(full_pair, of_full);
        return of_full.ends_with("rest");
    })) << "the written data is lost";
    io->ring()->close(first);
    io->ring()->close(full);
}

// covers: R101
TEST_F(UringQueue, TenThousandOperationsPassARingOfFourEntries) {
    begin({}, 4, 8);
    const byte_pattern pattern(4);
    std::vector<connection> pairs(5'000);
    for (std::size_t i = 0; i < pairs.size(); ++i) pairs[i].peer.send(pattern.make(i, 8));
    auto loop = make_core();
    const auto move_all = [&]() -> eddy::task<void> {
        std::vector<eddy::join_handle<void>> all;
        for (std::size_t i = 0; i < pairs.size(); ++i) {
            all.push_back(eddy::spawn([](tcp_stream& at, byte_pattern bytes, std::size_t place) -> eddy::task<void> {
                const auto sent = bytes.make(place, 8);
                std::array<std::byte, 8> got{};
                auto both = eddy::join(at.read_exact(got), at.write_all(sent));
                const auto done = co_await both;
                const auto& [read, written] = done;
                EXPECT_TRUE(read.has_value() && written.has_value());
                EXPECT_TRUE(bytes.matches(place, got));
            }(pairs[i].stream, pattern, i)));
        }
        for (auto& each : all) {
            const auto done = co_await each;
            EXPECT_TRUE(done.has_value());
        }
    };
    within(loop, move_all());
    for (std::size_t i = 0; i < pairs.size(); ++i) {
        ASSERT_TRUE(pattern.matches(i, support::bytes_of(pairs[i].peer.receive(8))));
    }
    EXPECT_GT(faults().full_submissions(), 0u) << "the tested situation did not occur";
    pairs.clear();
}

// covers: R102
TEST_F(UringQueue, ReusedEntriesKeepNoOldFields) {
    // Accepted entries keep the user_data of their operation. With two entries, each one is reused immediately.
    begin({}, 2, 64);
    auto loop = make_core();
    const auto cancel_in_vain = [&]() -> eddy::task<void> {
        for (int round = 0; round < 50; ++round) {
            connection stays;
            std::vector<connection> pairs(20);
            std::array<std::byte, 4> into{};
            for (auto& each : pairs) static_cast<void>(co_await once(each.stream.read(into)));
            static_cast<void>(co_await once(stays.stream.read(into)));
            for (int i = 0; i < 3; ++i) co_await eddy::yield_now();
            for (auto& each : pairs) each.peer.close();
            // When the first stream is destroyed, the kernel processes the end of all connections. So the receives of
            // the other streams end before they are cancelled, and each of these cancellations fails with a completion.
            for (auto& each : pairs) auto gone = std::move(each.stream);
            stays.peer.send("ping");
            const auto read = co_await stays.stream.read_exact(into);
            EXPECT_TRUE(read.has_value());
            const auto written = co_await stays.stream.write_all(support::bytes_of("pong"));
            EXPECT_TRUE(written.has_value());
            const auto flushed = co_await stays.stream.flush();
            EXPECT_TRUE(flushed.has_value());
            EXPECT_EQ(stays.peer.receive(4), "pong");
        }
    };
    within(loop, cancel_in_vain());
}

// A cancellation finds a full queue, and the kernel accepts nothing at that moment. The stream of the operation is
// destroyed. With two rejections, the next driver tick finds the queue full, too.
TEST_F(UringQueue, CancelWithFullQueueIsRetried) {
    begin({}, 4, 8);
    for (const unsigned rejections : {1u, 2u}) {
        SCOPED_TRACE(rejections);
        connection pair;
        std::vector<connection> others(4);
        auto loop = make_core();
        const auto given_up = [&] { return loop.metrics().io().operations_given_up; };
        const auto drop_while_the_queue_is_full = [&]() -> eddy::task<void> {
            std::array<std::byte, 1> into{};
            static_cast<void>(co_await once(pair.stream.read(into)));
            co_await eddy::time::sleep(1ms);
            for (auto& each : others) {
                eddy::test::by_hand begun(each.stream.read(into));
                EXPECT_FALSE(begun.poll().is_ready());
            }
            faults().reject_next_enters(rejections);
            {
                const auto dropped = std::move(pair.stream);
            }
            EXPECT_EQ(faults().enters_to_reject(), rejections - 1);
            EXPECT_EQ(given_up(), 0u) << "the queue was not full: the tested situation did not occur";
        };
        loop.run(drop_while_the_queue_is_full());
        pair.peer.set_nonblocking();
        char byte = 0;
        EXPECT_TRUE(support::comes_true([&] {
            loop.turn(0ms);
            return ::recv(pair.peer.fd(), &byte, 1, 0) == 0;
        })) << "the peer has not seen the end of the connection";
        EXPECT_EQ(faults().enters_to_reject(), 0u);
        others.clear();
    }
}

// The kernel has no memory to accept a send that a task waits for, and nothing else happens. The next enter sends the
// data, but brings no completion that would end its wait.
TEST_F(UringQueue, LoopDoesNotWaitForARejectedSend) {
    for (const int error : {EAGAIN, ENOMEM}) {
        SCOPED_TRACE(error);
        connection pair;
        auto loop = make_core();
        const auto make_room = [&] {
            std::vector<char> some(64 * 1024);
            pollfd room{pair.stream.native_handle(), POLLOUT, 0};
            return support::comes_true([&] {
                static_cast<void>(::recv(pair.peer.fd(), some.data(), some.size(), MSG_DONTWAIT));
                return ::poll(&room, 1, 0) == 1;
            });
        };
        const auto begin_to_receive = [&]() -> eddy::task<void> {
            std::array<std::byte, 1> into{};
            static_cast<void>(co_await once(pair.stream.read(into)));
            co_await eddy::time::sleep(1ms);
        };
        const auto write_and_flush = [&]() -> eddy::task<void> {
            const auto written = co_await pair.stream.write(support::bytes_of("rest"));
            EXPECT_EQ(written, 4u);
            auto flushed = pair.stream.flush();
            bool is_first = true;
            auto flushed_after_a_rejection = eddy::poll_fn([&](eddy::context& cx) {
                auto answer = flushed.poll(cx);
                if (std::exchange(is_first, false)) {
                    EXPECT_FALSE(answer.is_ready());
                    EXPECT_TRUE(make_room());
                    faults().reject_next_enters(1, error);
                }
                return answer;
            });
            const auto done = co_await flushed_after_a_rejection;
            EXPECT_TRUE(done.has_value());
        };
        loop.run(begin_to_receive());
        support::fill_socket(pair.stream.native_handle());
        // No timeout limits this wait, because the timer wheel would wake the loop from time to time.
        support::gate is_flushed;
        std::atomic<bool> is_late = false;
        std::jthread ends_the_sleep([&] {
            if (is_flushed.wait()) return;
            is_late = true;
            pair.peer.send("x");
        });
        loop.run(write_and_flush());
        is_flushed.open();
        ends_the_sleep.join();
        EXPECT_FALSE(is_late) << "the loop waited until other data arrived";
        EXPECT_EQ(faults().enters_to_reject(), 0u) << "the tested situation did not occur";
        const auto dropped = std::move(pair.stream);
    }
}

// The kernel answers EBUSY until completions are consumed. If there are none, this would never end.
TEST_F(UringQueue, LoopFailsIfTheKernelStaysBusyWithoutCompletions) {
    begin(fault_chances().set(ring_fault::busy, 1000));
    connection pair;
    {
        auto loop = make_core();
        std::error_code error;
        try {
            loop.run(eddy::time::timeout(support::operation_limit(), support::read_some(pair.stream)));
        } catch (const std::system_error& failed) {
            error = failed.code();
        }
        EXPECT_EQ(error, std::errc::device_or_resource_busy);
    }
    const auto dropped = std::move(pair.stream);
}

// ---- Watches ----

// One call of epoll_wait returns at most 1,024 events. For the remaining events, the ring does not report the epoll
// instance again until new events arrive.
TEST_F(UringRing, AllOf3000ReadyDescriptorsWakeTheirTasks) {
    constexpr std::size_t count = 3000;
    std::list<eddy::io::async_fd<support::counter>> sources;
    std::size_t woken = 0;
    auto loop = make_core();
    const auto wake_all = [&]() -> eddy::task<void> {
        std::vector<eddy::join_handle<void>> tasks;
        for (std::size_t i = 0; i < count; ++i) {
            auto& source = sources.emplace_back(support::counter(), eddy::io::interest::readable);
            tasks.push_back(eddy::spawn([](auto& from, std::size_t& counted) -> eddy::task<void> {
                const auto guard = co_await from.readable();
                EXPECT_TRUE(guard.has_value());
                ++counted;
            }(source, woken)));
        }
        co_await eddy::time::sleep(1ms);
        EXPECT_EQ(woken, 0u);
        for (auto& each : sources) each.get().add();
        for (auto& each : tasks) static_cast<void>(co_await each);
    };
    const auto done = loop.run(eddy::time::timeout(20s, wake_all()));
    EXPECT_TRUE(done.has_value());
    EXPECT_EQ(woken, count);
    sources.clear();
}

// covers: R103
TEST_F(UringRing, WatchEndedByTheKernelRestarts) {
    begin(fault_chances().set(ring_fault::ended_poll, 1000));
    auto loop = make_core();
    const auto remote = loop.remote();
    const auto be_woken = [&]() -> eddy::task<void> {
        connection pair;  // ensures that the loop uses a ring
        std::array<std::byte, 1> into{};
        static_cast<void>(co_await once(pair.stream.read(into)));
        // Adds rounds until the fault has happened. The fault cannot happen in a round whose gate opens before the loop
        // waits.
        for (int i = 0; i < 50 || (faults().happened(ring_fault::ended_poll) == 0 && i < 5'000); ++i) {
            support::async_gate gate;
            std::jthread other([&] { gate.open(); });
            co_await gate.wait();
        }
    };
    within(loop, be_woken());
    EXPECT_GT(faults().happened(ring_fault::ended_poll), 0u);
}

// ---- Creation and end ----

/// Waits for operations of all kinds, forever. Increments `waits` when it waits.
eddy::task<void> wait_for_all(connection pair, std::atomic<int>& waits) {
    auto listener = (co_await eddy::net::tcp_listener::bind("127.0.0.1:0")).value();
    pair.peer.send(std::string(100'000, 'x'));
    std::array<std::byte, 10> some{};
    const auto read = co_await pair.stream.read_exact(some);
    EXPECT_TRUE(read.has_value());
    connection quiet;
    std::array<std::byte, 1> into{};
    const std::vector<std::byte> much(1'000'000);
    const auto write_for_ever = [&]() -> eddy::task<void> {
        for (;;) {
            const auto written = co_await pair.stream.write_all(std::span(much).first(700));
            if (!written) co_return;
        }
    };
    auto all = eddy::join(listener.accept(), quiet.stream.read(into), quiet.stream.write_all(much), write_for_ever(),
                          eddy::time::sleep(1h));
    ++waits;
    static_cast<void>(co_await all);
}

// covers: R106
TEST_F(UringRing, LoopAndRuntimeEndWithOperationsInFlight) {
    for (const unsigned workers : {0u, 1u, 2u}) {
        SCOPED_TRACE(workers);
        std::optional<eddy::core> loop;
        std::optional<eddy::runtime> pool;
        std::atomic<int> waits = 0;
        const auto begin_all = [&]() -> eddy::task<void> {
            for (int i = 0; i < 50; ++i) eddy::spawn(wait_for_all(connection(), waits)).detach();
            while (waits < 50) co_await eddy::yield_now();
            co_await eddy::time::sleep(5ms);
        };
        if (workers == 0) {
            loop.emplace(make_core());
            loop->run(begin_all());
        } else {
            pool.emplace(make_runtime(workers));
            pool->block_on(begin_all());
        }
        const auto begin = std::chrono::steady_clock::now();
        loop.reset();
        pool.reset();
        EXPECT_LT(std::chrono::steady_clock::now() - begin, support::is_sanitized ? 10s : 1s);
        EXPECT_EQ(faults().rings_alive(), 0u);
    }
}

// covers: R106
TEST_F(UringRing, DataWrittenBeforeTheLoopEndsIsSent) {
    connection pair;
    {
        auto loop = make_core();
        const auto write = [&]() -> eddy::task<void> {
            std::array<std::byte, 1> into{};
            static_cast<void>(co_await once(pair.stream.read(into)));
            const auto written = co_await pair.stream.write(support::bytes_of("last words"));
            EXPECT_EQ(written, 10u);
        };
        loop.run(write());
    }
    EXPECT_EQ(pair.peer.receive(10), "last words");
    auto gone = std::move(pair.stream);
}

// covers: R107
TEST_F(UringRing, FailedRingCreationIsReportedAndLeaksNothing) {
    struct refusal {
        std::size_t rings_before;
        int error;
        std::errc reported;
        std::string_view why;
    };
    // With ENOMEM the library retries for 0.2 s.
    for (const auto& [rings_before, error, reported, why] : {
             refusal{0, EMFILE, std::errc::too_many_files_open,
                     "epoll: there was no descriptor left for a ring (EMFILE or ENFILE)"},
             refusal{1, EMFILE, std::errc::too_many_files_open,
                     "epoll: there was no descriptor left for a ring (EMFILE or ENFILE)"},
             refusal{3, ENOMEM, std::errc::not_enough_memory,
                     "epoll: no memory may be locked for a ring (ENOMEM: RLIMIT_MEMLOCK)"},
         }) {
        SCOPED_TRACE(rings_before);
        const auto build = [&](eddy::driver_kind kind) {
            begin({});
            faults().fail_to_make(error, rings_before);
            return eddy::runtime::builder().worker_threads(4).driver(kind).build();
        };
        const auto by_name = build(eddy::driver_kind::io_uring);
        EXPECT_EQ(by_name.error(), reported);
        EXPECT_EQ(faults().rings_alive(), 0u);
        const auto automatic = build(eddy::driver_kind::automatic);
        ASSERT_TRUE(automatic.has_value());
        EXPECT_EQ(automatic->driver(), eddy::driver_kind::epoll);
        EXPECT_EQ(automatic->why_driver(), why);
        EXPECT_EQ(faults().rings_alive(), 0u);
        automatic->block_on(support::converse_all(4, 10'000, support::seed()));
    }
    begin({});
    faults().fail_to_make_buffers(ENOMEM);
    EXPECT_EQ(eddy::core::builder().driver(eddy::driver_kind::io_uring).build().error(), std::errc::not_enough_memory);
}

// covers: R109
TEST_F(UringRing, IdleLoopUsesNoCpuTime) {
    support::tally idle;
    support::async_gate is_over;
    const auto wait = [&]() -> eddy::task<void> {
        std::vector<connection> connections(20);
        std::array<std::byte, 1> into{};
        for (auto& each : connections) static_cast<void>(co_await once(each.stream.read(into)));
        co_await eddy::time::sleep(10ms);
        idle.add();
        co_await is_over.wait();
    };
    const auto pool = make_runtime(2);
    auto in_the_pool = pool.spawn(wait());
    std::jthread on_a_loop([&] {
        auto loop = make_core();
        loop.run(wait());
    });
    ASSERT_TRUE(idle.wait_for(2));
    const auto before = support::cpu_time();
    std::this_thread::sleep_for(500ms);  // Nothing happens meanwhile.
    EXPECT_LT(support::cpu_time() - before, 25ms);
    is_over.open();
    EXPECT_TRUE(eddy::wait(in_the_pool).has_value());
    on_a_loop.join();
    EXPECT_EQ(faults().setup_flags() & IORING_SETUP_SQPOLL, 0u);
    EXPECT_NE(faults().setup_flags() & IORING_SETUP_DEFER_TASKRUN, 0u);
}

TEST_F(UringRing, EachWakeUpOfTheSleepingLoopArrives) {
    support::tally sleeps;
    auto loop =
        eddy::core::builder().driver(eddy::driver_kind::io_uring).on_thread_park([&] { sleeps.add(); }).build().value();
    const auto main = [&]() -> eddy::task<void> {
        connection pair;  // the loop sleeps in the ring from now on
        std::array<std::byte, 1> into{};
        static_cast<void>(co_await once(pair.stream.read(into)));
        for (int round = 0; round < 20; ++round) {
            eddy::sync::oneshot<int>::ends channel;
            const std::jthread other([&, before = sleeps.count()] {
                EXPECT_TRUE(sleeps.wait_for(before + 1));
                static_cast<void>(channel.sender.send(round));
            });
            auto limited = eddy::time::timeout(5s, std::move(channel.receiver));
            const auto got = co_await limited;
            EXPECT_TRUE(got.has_value()) << "wake-up " << round << " did not arrive";
            if (!got) co_return;
        }
    };
    loop.run(main());
}

// A tick fetches a limited number of events from the epoll. The ring reports the epoll once for all of them, so the
// next tick must look at it again.
TEST_F(UringRing, EventsThatDidNotFitAreReportedByTheNextTicks) {
    constexpr std::size_t events_per_tick = 4;
    begin({});
    const support::owned_io io(eddy::detail::io_handle::make(eddy::driver_kind::io_uring, events_per_tick).value());
    const auto tick = [&] { return io->tick(0ms).value(); };
    EXPECT_EQ(tick(), 0u);
    const std::vector<support::counter> sources(10);
    std::vector<eddy::detail::scheduled_io*> added;
    for (const auto& each : sources) {
        each.add();
        added.push_back(io->add_source(each.native_handle(), eddy::io::interest::readable).value());
    }
    EXPECT_EQ(tick(), events_per_tick);
    EXPECT_EQ(tick(), events_per_tick) << "the tick has not looked at the epoll again";
    EXPECT_EQ(tick(), sources.size() - 2 * events_per_tick) << "the tick has not looked at the epoll again";
    for (auto* const each : added) EXPECT_TRUE(io->remove_source(*each).has_value());
}

/// Returns the lowest number of threads that the system has reported as waiting for a disk, in several samples.
unsigned fewest_waiting_for_disk() {
    auto fewest = ~0u;
    for (int i = 0; i < 50; ++i) {
        std::this_thread::sleep_for(2ms);
        std::ifstream stat("/proc/stat");
        for (std::string line; std::getline(stat, line);) {
            if (line.starts_with("procs_blocked "))
                fewest = std::min(fewest, static_cast<unsigned>(std::stoul(line.substr(14))));
        }
    }
    return fewest;
}

/// Returns fewest_waiting_for_disk() while `loops` event loops, each on a thread of its own, wait for data.
unsigned fewest_waiting_for_disk_with(std::size_t loops) {
    std::vector<connection> pairs(loops);
    std::atomic<std::size_t> begun{0};
    std::vector<std::jthread> threads;
    for (auto& pair : pairs) {
        threads.emplace_back([&] {
            auto loop = eddy::core::builder().driver(eddy::driver_kind::io_uring).build().value();
            const auto wait = [&]() -> eddy::task<void> {
                std::array<std::byte, 1> into{};
                ++begun;
                const auto count = co_await pair.stream.read(into);
                EXPECT_EQ(count, 1u);
            };
            loop.run(wait());
            const auto gone = std::move(pair.stream);  // the stream must end before its loop
        });
    }
    EXPECT_TRUE(support::comes_true([&] { return begun == loops; }));
    const auto fewest = fewest_waiting_for_disk();
    for (const auto& pair : pairs) pair.peer.send("x");
    return fewest;
}

// The hidden feature shows that the test would see the fault. Many loops, since other programs may wait for a disk.
TEST_F(UringRing, IdleLoopDoesNotCountAsWaitingForDisk) {
    constexpr std::size_t loops = 16;
    faults().hide_features(IORING_FEAT_NO_IOWAIT);
    if (fewest_waiting_for_disk_with(loops) < loops) GTEST_SKIP() << "the kernel does not count the waits of rings";
    begin({});
    EXPECT_LT(fewest_waiting_for_disk_with(loops), loops);
}

// covers: R113
TEST_F(UringRing, ForkedChildLeavesTheRingToItsParent) {
    auto loop = make_core();
    const auto talk = [&]() -> eddy::task<void> {
        std::vector<connection> pairs(20);
        std::array<std::byte, 4> into{};
        for (auto& each : pairs) static_cast<void>(co_await once(each.stream.read(into)));
        co_await eddy::time::sleep(1ms);
        // Some bytes are on their way to the reader, and others are not sent yet.
        for (auto& each : pairs) each.peer.send("ping");
        for (auto& each : pairs) {
            const auto written = co_await each.stream.write(support::bytes_of("pong"));
            EXPECT_EQ(written, 4u);
        }
        EXPECT_TRUE(support::is_true_in_child([&] {
            ::alarm(support::operation_seconds());
            for (std::size_t i = 0; i < pairs.size(); i += 2) auto gone = std::move(pairs[i].stream);
            return true;
        }));
        for (auto& each : pairs) {
            const auto read = co_await each.stream.read_exact(into);
            EXPECT_TRUE(read.has_value());
            EXPECT_EQ(support::text_of(into), "ping");
            const auto ended = co_await each.stream.shutdown();
            EXPECT_TRUE(ended.has_value());
            EXPECT_EQ(each.peer.receive(100), "pong");
        }
    };
    within(loop, talk());
}

}  // namespace
