// SPDX-License-Identifier: MIT
// Reading from TCP streams: all bytes arrive once and in order, waiting readers are woken, and readiness is reported.
#include <eddy/prelude.hpp>
#include <eddy/test/by_hand.hpp>

#include <gtest/gtest.h>

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/driver.hpp"
#include "support/emulated.hpp"
#include "support/net.hpp"
#include "support/runtime/tcp_bytes.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::net::tcp_stream;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::bytes_of;
using support::connection;
using support::pattern;
using support::raw_socket;
using support::read_some;
using support::read_to_end;
using support::text_of;
using support::within;

/// Waits without reading until the stream has bytes.
void wait_readable(const tcp_stream& stream) { raw_socket(::dup(stream.native_handle())).wait_for(POLLIN); }

// ---- Reading ----

// covers: R001
TEST(TcpRead, OneByteReadsReceiveAllBytes) {
    eddy::core core;
    connection pair;
    const auto sent = pattern(support::fewer_on_windows(64 * 1024));
    pair.stream.set_nodelay(true).value();
    std::jthread writer([&] {
        pair.peer.send(sent);
        pair.peer.shutdown();
    });
    EXPECT_EQ(within(core, read_to_end(pair.stream, 1)), sent);
}

/// Reads a stream with two urgent bytes. An urgent byte ends a read early, although more data follows and no further
/// event arrives.
void read_past_urgent_bytes() {
    eddy::core core;
    for (int round = 0; round < 20; ++round) {
        connection pair;
        std::array<std::byte, 1> none{};
        auto registered = eddy::time::timeout(1ms, pair.stream.read(none));
        EXPECT_FALSE(core.run(std::move(registered)));
        pair.peer.send("before");
        pair.peer.send_urgent('!');
        pair.peer.send("behind");
        pair.peer.send_urgent('?');
        pair.peer.send("the end");
        raw_socket(::dup(pair.stream.native_handle())).wait_for(POLLPRI);
        std::string got;
        const auto read_all = [&]() -> eddy::task<void> {
            std::array<std::byte, 4096> buffer{};
            // A later urgent byte replaces the first one, which then becomes ordinary data.
            while (got.find("the end") == got.npos) {
                const auto count = co_await pair.stream.read(buffer);
                if (!count || *count == 0) co_return;
                got += text_of(std::span(buffer).first(*count));
            }
        };
        within(core, read_all());
        EXPECT_EQ(got, "before!behindthe end");
    }
}

// covers: R003
TEST(TcpRead, UrgentByteDoesNotHideLaterBytes) {
    // Runs in a new thread, which has had no ring. The kernel may still be closing an earlier ring of this thread, and
    // that interrupts receives: see "EINTR" in runtime/docs/io_uring.md.
    std::async(std::launch::async, read_past_urgent_bytes).get();
}

// covers: R004
TEST(TcpRead, ResetWakesReaderAndWriter) {
    eddy::core core;
    connection pair;
    std::error_code read_error;
    std::error_code write_error;
    const auto read = [&]() -> eddy::task<void> {
        std::array<std::byte, 16> buffer{};
        if (const auto count = co_await pair.stream.read(buffer); !count) read_error = count.error();
    };
    const auto write = [&]() -> eddy::task<void> {
        const std::vector<std::byte> much(64 * 1024);
        for (;;) {
            if (const auto done = co_await pair.stream.write_all(much); !done) {
                write_error = done.error();
                co_return;
            }
        }
    };
    core.handle().spawn(read()).value();
    core.handle().spawn(write()).value();
    for (int i = 0; i < 50; ++i) core.turn(1ms);
    EXPECT_EQ(core.metrics().alive_tasks(), 2u) << "both should wait";
    pair.peer.reset();
    for (int i = 0; i < 100 && core.metrics().alive_tasks() > 0; ++i) core.turn(10ms);
    EXPECT_EQ(core.metrics().alive_tasks(), 0u);
    // The kernel reports the error once: the second operation finds a closed connection.
    EXPECT_TRUE(read_error == std::errc::connection_reset || write_error == std::errc::connection_reset);
    EXPECT_TRUE(write_error);
}

// If only one task waits, it gets the error.
// covers: R004
TEST(TcpRead, ResetReachesTheOnlyWaitingTask) {
    for (const bool reads : {true, false}) {
        SCOPED_TRACE(reads ? "reader" : "writer");
        eddy::core core;
        connection pair;
        std::error_code error;
        const auto wait = [&]() -> eddy::task<void> {
            std::vector<std::byte> bytes(reads ? 16 : 64 * 1024);
            while (!error) {
                eddy::result<std::size_t> count;
                if (reads) {
                    count = co_await pair.stream.read(bytes);
                } else {
                    count = co_await pair.stream.write(bytes);
                }
                if (!count) error = count.error();
            }
        };
        core.handle().spawn(wait()).value();
        for (int i = 0; i < 50; ++i) core.turn(1ms);
        EXPECT_EQ(core.metrics().alive_tasks(), 1u) << "the task should wait";
        pair.peer.reset();
        for (int i = 0; i < 100 && !error; ++i) core.turn(10ms);
        EXPECT_EQ(error, std::errc::connection_reset);
        if (!error) return;  // the task still waits, with a reference to the locals
    }
}

// covers: R005
TEST(TcpRead, PeerThatEndedWriteSideStillReceives) {
    eddy::core core;
    connection pair;
    pair.peer.send("the rest");
    pair.peer.shutdown();
    wait_readable(pair.stream);
    EXPECT_EQ(within(core, read_to_end(pair.stream, 3)), "the rest");
    EXPECT_EQ(within(core, read_to_end(pair.stream)), "") << "the end of the stream is permanent";
    const auto sent = pattern(1 << 20);
    std::string got;
    std::jthread reader([&] { got = pair.peer.receive(sent.size()); });
    EXPECT_TRUE(within(core, pair.stream.write_all(bytes_of(sent))));
    EXPECT_TRUE(within(core, pair.stream.flush()));  // no loop runs while this thread joins
    reader.join();
    EXPECT_EQ(got, sent);
}

// covers: R005
TEST(TcpRead, HalfCloseEndsPendingReadButNotWrites) {
    eddy::core core;
    connection pair;
    bool ended = false;
    const auto read = [&]() -> eddy::task<void> {
        EXPECT_EQ(co_await read_to_end(pair.stream), "");
        ended = true;
    };
    core.handle().spawn(read()).value();
    for (int i = 0; i < 5; ++i) core.turn(0ms);
    EXPECT_FALSE(ended);
    pair.peer.shutdown();
    for (int i = 0; i < 100 && !ended; ++i) core.turn(10ms);
    EXPECT_TRUE(ended);
    EXPECT_TRUE(within(core, pair.stream.write_all(bytes_of("still"))));
    EXPECT_EQ(pair.peer.receive(5), "still");
}

// covers: R017
TEST(TcpRead, UnawaitedSocketCausesNoEvents) {
    eddy::core core;
    const auto listener = raw_socket::listening();
    auto stream = within(core, tcp_stream::connect(listener.addr())).value();  // connected through the loop
    connection pair;
    const auto before = core.metrics();
    std::array<std::byte, 16> buffer{};
    for (int i = 0; i < 1000; ++i) {
        pair.peer.send("x");
        wait_readable(pair.stream);
        EXPECT_EQ(pair.stream.try_read(buffer).value(), 1u);
    }
    core.turn(0ms);
    const auto after = core.metrics();
    EXPECT_EQ(after.io().ready_events, before.io().ready_events);
    EXPECT_EQ(after.io().fds_registered, before.io().fds_registered);
    EXPECT_EQ(after.turns(), before.turns() + 1);
}

// covers: S85
TEST(TcpRead, ReaderIsWokenAfterTryReadWouldBlock) {
    eddy::core core;
    connection pair;
    std::array<std::byte, 16> buffer{};
    EXPECT_EQ(pair.stream.try_read(buffer).error(), std::errc::operation_would_block);
    by_hand read{pair.stream.read(buffer)};
    auto poll_once = eddy::poll_fn([&](eddy::context&) {
        assert_pending(read.poll());
        return eddy::poll_result<void>::ready();
    });
    within(core, std::move(poll_once));
    EXPECT_EQ(pair.stream.try_read(buffer).error(), std::errc::operation_would_block);
    core.turn(0ms);
    EXPECT_FALSE(read.is_woken()) << "no data has arrived";
    pair.peer.send("!");
    for (int i = 0; i < 100 && !read.is_woken(); ++i) core.turn(10ms);
    ASSERT_TRUE(read.is_woken());
    EXPECT_EQ(assert_ready(read.poll()).value(), 1u);
    EXPECT_EQ(read.wakers(), 0u) << "the waker was not released";
    EXPECT_THROW(static_cast<void>(read.poll()), eddy::misuse) << "polled after it had ended";
}

// covers: P057 R096
TEST(TcpRead, PeekWaitsForBytes) {
    eddy::core core;
    connection pair;
    std::array<std::byte, 16> buffer{};
    std::string seen;
    const auto peek = [&]() -> eddy::task<void> {
        const auto count = co_await pair.stream.peek(buffer);
        seen = text_of(std::span(buffer).first(count.value()));
    };
    for (int round = 0; round < 3; ++round) {
        core.handle().spawn(peek()).value();
        core.turn(0ms);
        core.turn(0ms);
        EXPECT_EQ(seen, "");
        pair.peer.send("data");
        for (int i = 0; i < 100 && seen.empty(); ++i) core.turn(10ms);
        EXPECT_EQ(seen, "data");
        seen.clear();
        within(core, peek());
        EXPECT_EQ(seen, "data") << "peeked data stays";
        EXPECT_EQ(within(core, pair.stream.read(buffer)).value(), 4u);
        EXPECT_EQ(pair.stream.try_read(buffer).error(), std::errc::operation_would_block);
        seen.clear();
    }
}

TEST(TcpRead, EmptyBuffersCompleteImmediately) {
    connection pair;  // no event loop is needed
    by_hand read{pair.stream.read({})};
    EXPECT_EQ(assert_ready(read.poll()).value(), 0u);
    by_hand write{pair.stream.write({})};
    EXPECT_EQ(assert_ready(write.poll()).value(), 0u);
    by_hand exact{pair.stream.read_exact({})};
    EXPECT_TRUE(assert_ready(exact.poll()));
    by_hand all{pair.stream.write_all({})};
    EXPECT_TRUE(assert_ready(all.poll()));
    const std::array<std::span<std::byte>, 2> into{};
    by_hand vectored{pair.stream.read_vectored(into)};
    EXPECT_EQ(assert_ready(vectored.poll()).value(), 0u);
    const std::array<std::span<const std::byte>, 2> from{};
    by_hand written{pair.stream.write_vectored(from)};
    EXPECT_EQ(assert_ready(written.poll()).value(), 0u);
}

TEST(TcpRead, ReadExactReportsEarlyEnd) {
    eddy::core core;
    connection pair;
    pair.peer.send("abc");
    pair.peer.shutdown();
    std::array<std::byte, 4> buffer{};
    EXPECT_EQ(within(core, pair.stream.read_exact(buffer)).error(), eddy::errc::unexpected_eof);
}

TEST(TcpRead, ReadVectoredFillsBuffersInOrder) {
    eddy::core core;
    connection pair;
    pair.peer.send("abcdefg");
    wait_readable(pair.stream);
    std::array<std::byte, 2> first{};
    std::array<std::byte, 3> second{};
    std::array<std::byte, 9> third{};
    const std::array<std::span<std::byte>, 4> into{first, std::span<std::byte>(), second, third};
    EXPECT_EQ(within(core, pair.stream.read_vectored(into)).value(), 7u);
    EXPECT_EQ(text_of(first) + text_of(second) + text_of(std::span(third).first(2)), "abcdefg");
}

// covers: R087
TEST(TcpRead, ReadDroppedBySelectLosesNoByte) {
    eddy::core core;
    connection pair;
    const auto sent = pattern(20'000);
    std::jthread writer([&] {
        for (std::size_t at = 0; at < sent.size(); at += 10) pair.peer.send(std::string_view(sent).substr(at, 10));
        pair.peer.shutdown();
    });
    const auto read_all = [&]() -> eddy::task<std::string> {
        std::string got;
        std::array<std::byte, 64> buffer{};
        for (bool ended = false; !ended;) {
            auto either = eddy::select(pair.stream.read(buffer), eddy::yield_now());
            const auto first = co_await either;
            if (first.index() == 1) continue;
            const auto count = std::get<0>(first);
            ended = !count || *count == 0;
            if (!ended) got += text_of(std::span(buffer).first(*count));
        }
        co_return got;
    };
    EXPECT_EQ(within(core, read_all()), sent);
}

// ---- Fairness ----

// covers: R022
TEST(TcpRead, FloodDoesNotStarveTimer) {
    eddy::core core;
    connection pair;
    std::atomic<bool> over = false;
    std::jthread flood([&] {
        const std::string much(256 * 1024, 'x');
        try {
            while (!over) pair.peer.send(much);
        } catch (const std::system_error&) {
        }
    });
    std::size_t received = 0;
    // How often the reader received something after the timer was due: a count does not depend on how busy the machine
    // is.
    std::size_t late = 0;
    auto due = eddy::time::time_point::max();
    const auto drain = [&]() -> eddy::task<void> {
        while (auto data = co_await pair.stream.receive()) {
            if (data->empty()) co_return;
            received += data->size();
            if (eddy::time::clock::now() > due) ++late;
        }
    };
    core.handle().spawn(drain()).value();
    std::size_t worst = 0;
    const auto tick = [&]() -> eddy::task<void> {
        for (int i = 0; i < 50; ++i) {
            due = eddy::time::clock::now() + 12ms;  // deadlines have a resolution of 1 ms
            co_await eddy::time::sleep(10ms);
            worst = std::max(worst, std::exchange(late, 0));
        }
    };
    within(core, tick());
    over = true;
    ::shutdown(pair.stream.native_handle(), SHUT_RDWR);  // ends the flood if it waits for buffer space
    pair.peer.shutdown(SHUT_RDWR);
    core.run_until_idle();  // the reader borrows objects that are destroyed before the loop
    EXPECT_GT(received, 1u << 20);
    // The loop fires its timers after at most 64 polls, and the coop budget ends each poll of the reader. Twice,
    // because the timer may become due just after the loop has fired the timers.
    EXPECT_LE(worst, 2u * 64 * eddy::context::default_budget);
}

// ---- Readiness ----

// covers: P049
TEST(TcpRead, ManyTasksWaitForReadiness) {
    eddy::core core;
    connection pair;
    int woken = 0;
    const auto wait = [&]() -> eddy::task<void> {
        const auto seen = co_await pair.stream.readable();
        EXPECT_TRUE(seen && seen->is_readable());
        ++woken;
    };
    for (int i = 0; i < 100; ++i) core.handle().spawn(wait()).value();
    for (int i = 0; i < 5; ++i) core.turn(0ms);
    EXPECT_EQ(woken, 0);
    pair.peer.send("x");
    core.run_until_idle();
    EXPECT_EQ(woken, 100);
    EXPECT_TRUE(within(core, pair.stream.writable()));
}

// covers: P049
TEST(TcpRead, ReadableAndTryReadReceiveAllBytes) {
    eddy::core core;
    connection pair;
    const auto sent = pattern(300'000);
    std::jthread writer([&] {
        pair.peer.send(sent);
        pair.peer.shutdown();
    });
    const auto read_all = [&]() -> eddy::task<std::string> {
        std::string got;
        std::array<std::byte, 1000> buffer{};
        for (;;) {
            if (!co_await pair.stream.readable()) co_return got;
            const auto count = pair.stream.try_read(buffer);
            if (!count && count.error() == std::errc::operation_would_block) continue;
            if (!count || *count == 0) co_return got;
            got += text_of(std::span(buffer).first(*count));
        }
    };
    EXPECT_EQ(within(core, read_all()), sent);
}

// covers: P049
TEST(TcpRead, AsyncIoIsNotSupportedWhileRingReceives) {
    using eddy::io::interest;
    eddy::core core;
    connection pair;
    std::array<std::byte, 8> into{};
    const auto receive = [&]() -> eddy::result<std::size_t> {
        const auto count = ::recv(pair.stream.native_handle(), into.data(), into.size(), 0);
        if (count < 0) return std::unexpected(std::error_code(errno, std::generic_category()));
        return static_cast<std::size_t>(count);
    };
    EXPECT_EQ(pair.stream.try_io(interest::readable, receive).error(), std::errc::operation_would_block);
    auto sends = eddy::poll_fn([&](eddy::context&) {
        pair.peer.send("hello");
        return eddy::poll_result<int>(0);
    });
    auto both = eddy::join(pair.stream.async_io(interest::readable, receive), std::move(sends));
    const auto got = within(core, std::move(both)).first;
    if (support::has_ring()) {
        EXPECT_EQ(got.error(), std::errc::operation_not_supported);
        EXPECT_EQ(within(core, pair.stream.read(into)), 5u) << "no byte is lost";
    } else {
        EXPECT_EQ(got, 5u);
    }
    EXPECT_EQ(text_of(std::span(into).first(5)), "hello");
}

TEST(TcpRead, DroppedOperationReleasesWaker) {
    eddy::core core;
    connection pair;
    std::array<std::byte, 4> buffer{};
    by_hand read{pair.stream.read(buffer)};
    by_hand readable{pair.stream.readable()};
    auto poll_both = eddy::poll_fn([&](eddy::context&) {
        assert_pending(read.poll());
        assert_pending(readable.poll());
        return eddy::poll_result<void>::ready();
    });
    within(core, std::move(poll_both));
    EXPECT_EQ(read.wakers(), 1u);
    EXPECT_EQ(readable.wakers(), 1u);
    read.drop();
    readable.drop();
    EXPECT_EQ(read.wakers(), 0u);
    EXPECT_EQ(readable.wakers(), 0u);
}

// ---- Leases ----

TEST(TcpRead, LeaseOutlivesStreamAndLoop) {
    eddy::io::leased_buffer kept;
    {
        eddy::core core;
        connection pair;
        pair.peer.send("kept");
        kept = within(core, pair.stream.receive()).value();
    }
    ASSERT_EQ(kept.size(), 4u);
    EXPECT_EQ(text_of(kept), "kept");
    const auto elsewhere = std::move(kept);
    EXPECT_EQ(text_of(elsewhere), "kept");
}

TEST(TcpRead, ReceiveAtEndOfStreamIsEmpty) {
    eddy::core core;
    connection pair;
    pair.peer.send("x");
    pair.peer.shutdown();
    EXPECT_EQ(within(core, pair.stream.receive()).value().size(), 1u);
    EXPECT_TRUE(within(core, pair.stream.receive()).value().empty());
    EXPECT_TRUE(within(core, pair.stream.receive()).value().empty());
}

// ---- Misuse ----

void destroy_stream_during_read() {
    eddy::core core;
    auto pair = std::make_unique<connection>();
    std::byte byte{};
    const auto reads = [&]() -> eddy::task<void> {
        static_cast<void>(co_await pair->stream.read(std::span(&byte, 1)));
    };
    static_cast<void>(core.handle().spawn(reads()));
    core.turn(0ns);
    pair.reset();
}

// covers: R139
TEST(TcpReadDeathTest, DestroyingStreamDuringOperationAborts) {
    EXPECT_DEATH(
        destroy_stream_during_read(),
        "destroyed or moved while one of its operations waits: .*was awaited \\(at .*tcp_read_test.cpp:[0-9]+");
}

// ---- Before and after the registration, without I/O and without an event loop ----

// A read waits only if no data is available. Otherwise it needs no registration.
TEST(TcpRead, SecondReadWithoutIoReturnsAvailableData) {
    support::connection pair;
    const auto rt = eddy::runtime::builder().worker_threads(1).enable_io(false).build().value();
    pair.peer.send("first");
    EXPECT_EQ(rt.block_on(read_some(pair.stream)), "first");
    pair.peer.send("second");
    EXPECT_EQ(rt.block_on(read_some(pair.stream)), "second");
}

TEST(TcpRead, EndOfStreamRepeatsWithoutIo) {
    support::connection pair;
    const auto rt = eddy::runtime::builder().worker_threads(1).enable_io(false).build().value();
    pair.peer.shutdown();
    EXPECT_EQ(rt.block_on(read_some(pair.stream)), "");
    EXPECT_EQ(rt.block_on(read_some(pair.stream)), "") << "each further read returns the end of the stream";
}

TEST(TcpRead, UrgentDataBeforeRegistrationLosesNoBytes) {
    for (const bool ends : {false, true}) {
        support::connection pair;
        pair.peer.send("abc");
        pair.peer.send_urgent('!');
        if (ends) {
            pair.peer.shutdown();
        } else {
            pair.peer.send("def");
        }
        eddy::core loop;
        EXPECT_EQ(loop.run(read_some(pair.stream)), "abc");
        auto next = loop.run(eddy::time::timeout(20s, read_some(pair.stream)));
        ASSERT_TRUE(next.has_value());
        EXPECT_EQ(*next, ends ? "" : "def");
    }
}

TEST(TcpRead, StreamMayBeMovedBetweenReads) {
    support::connection pair;
    eddy::core loop;
    pair.peer.send("x");
    EXPECT_EQ(loop.run(read_some(pair.stream)), "x");
    eddy::net::tcp_stream other(std::move(pair.stream));
    pair.peer.send("y");
    auto next = loop.run(eddy::time::timeout(20s, read_some(other)));
    EXPECT_EQ(next.has_value() ? *next : "late", "y");
}

TEST(TcpRead, SecondReadWithoutALoopReturnsAvailableData) {
    support::connection pair;
    pair.peer.send("first");
    EXPECT_EQ(eddy::wait(read_some(pair.stream)), "first");
    pair.peer.send("second");
    EXPECT_EQ(eddy::wait(read_some(pair.stream)), "second");
}

TEST(TcpRead, PendingReadConsumesNoCoopBudget) {
    support::connection pair;
    eddy::core loop;
    loop.run([](eddy::net::tcp_stream& stream) -> eddy::task<> {
        std::array<std::byte, 8> room{};
        auto read = stream.read(room);
        const auto waker = eddy::waker::noop();
        // The first polls call recv(2) and register the socket.
        for (int i = 0; i < 3; ++i) {
            eddy::context cx(waker);
            EXPECT_FALSE(read.poll(cx).is_ready());
        }
        eddy::context cx(waker, 5);
        for (int i = 0; i < 3; ++i) EXPECT_FALSE(read.poll(cx).is_ready());
        EXPECT_EQ(cx.budget(), 5u) << "a pending poll was charged to the coop budget";
        for (int i = 0; i < 3; ++i) EXPECT_FALSE(stream.poll_read_ready(cx).is_ready());
        EXPECT_EQ(cx.budget(), 5u) << "a pending poll_read_ready() was charged to the coop budget";
        co_return;
    }(pair.stream));
}

}  // namespace
