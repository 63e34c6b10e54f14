// SPDX-License-Identifier: MIT
// Writing to TCP streams: all bytes arrive once and in order, also from leases and through full sockets.
#include <eddy/prelude.hpp>
#include <eddy/test/by_hand.hpp>

#include <gtest/gtest.h>

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <latch>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "support/net.hpp"
#include "support/runtime/tcp_bytes.hpp"
#include "support/stress.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::net::tcp_stream;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::bytes_of;
using support::connection;
using support::pattern;
using support::raw_socket;
using support::read_to_end;
using support::text_of;
using support::within;

// ---- Writing ----

TEST(TcpWrite, WriteToClosedPeerFailsWithoutSignal) {
    // By default, SIGPIPE would end the process.
#if defined(_WIN32)
    constexpr auto is_closed = std::errc::connection_reset;  // reported by each write
#else
    constexpr auto is_closed = std::errc::broken_pipe;
#endif
    eddy::core core;
    connection pair;
    pair.peer.close();
    std::error_code error;
    const auto write = [&]() -> eddy::task<void> {
        for (;;) {
            const auto count = co_await pair.stream.write(bytes_of("hello?"));
            if (count) continue;
            // The first write may fail with a reset, which is reported once. Later writes fail with a broken pipe.
            if (std::exchange(error, count.error()) == is_closed) co_return;
            if (error == is_closed) co_return;
        }
    };
    within(core, write());
    EXPECT_EQ(error, is_closed);
    const std::array<std::span<const std::byte>, 1> from{bytes_of("x")};
    EXPECT_EQ(within(core, pair.stream.write_vectored(from)).error(), is_closed);
    EXPECT_EQ(pair.stream.try_write(bytes_of("x")).error(), is_closed);
}

// covers: P054
TEST(TcpWrite, ShutdownEndsOnlyWriteSide) {
    eddy::core core;
    connection pair;
    within(core, pair.stream.write_all(bytes_of("last words"))).value();
    within(core, pair.stream.shutdown()).value();
    EXPECT_EQ(pair.peer.receive(100), "last words");
    pair.peer.send("answer");
    pair.peer.close();
    EXPECT_EQ(within(core, read_to_end(pair.stream)), "answer");
    EXPECT_TRUE(within(core, pair.stream.shutdown())) << "a second shutdown has no effect";
}

TEST(TcpWrite, WriteAfterShutdownIsBrokenPipe) {
    eddy::core core;
    connection used;
    connection fresh;
    const auto write_after_end = [](tcp_stream& stream) -> eddy::task<void> {
        const auto ended = co_await stream.shutdown();
        EXPECT_TRUE(ended.has_value());
        for (const std::size_t size : {5, 3000, 5}) {
            const auto lost = co_await stream.write_all(std::vector<std::byte>(size));
            EXPECT_EQ(lost.error(), std::errc::broken_pipe) << size;
        }
        EXPECT_EQ(stream.try_write(bytes_of("x")).error(), std::errc::broken_pipe);
        const auto flushed = co_await stream.flush();
        EXPECT_TRUE(flushed.has_value()) << "no data was accepted";
    };
    within(core, used.stream.write_all(bytes_of("last words"))).value();
    within(core, write_after_end(used.stream));
    within(core, write_after_end(fresh.stream));
    EXPECT_EQ(used.peer.receive(100), "last words");
    EXPECT_FALSE(within(core, std::move(used.stream).into_native()).value().error);
}

// covers: R093
TEST(TcpWrite, ShutdownAfterResetSucceeds) {
    eddy::core core;
    connection pair;
    pair.peer.reset();
    raw_socket(::dup(pair.stream.native_handle())).wait_for(POLLERR);
    EXPECT_TRUE(within(core, pair.stream.shutdown()));
}

// covers: R083
TEST(TcpWriteStress, VectoredWritesContinueAfterShortWrites) {
    eddy::core core;
    std::mt19937_64 random(support::seed());
    for (auto left = support::rounds(200); left > 0; --left) {
        connection pair;
        const int small = 4096;
        ::setsockopt(pair.stream.native_handle(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
        // 5,000 buffers, more than IOV_MAX, many of them empty.
        const auto sent = pattern(200'000, static_cast<unsigned>(random()) | 1u);
        std::vector<std::span<const std::byte>> buffers;
        std::size_t at = 0;
        while (buffers.size() < 4'999) {
            const auto size = std::min<std::size_t>(random() % 3 == 0 ? 0 : random() % 60, sent.size() - at);
            buffers.push_back(bytes_of(std::string_view(sent).substr(at, size)));
            at += size;
        }
        buffers.push_back(bytes_of(std::string_view(sent).substr(at)));

        std::string got;
        std::jthread reader([&] { got = pair.peer.receive(sent.size()); });
        const auto write = [&]() -> eddy::task<eddy::result<void>> {
            std::span<std::span<const std::byte>> rest(buffers);
            for (;;) {
                while (!rest.empty() && rest.front().empty()) rest = rest.subspan(1);
                if (rest.empty()) co_return eddy::ok();
                auto count = co_await eddy::try_(pair.stream.write_vectored(rest));
                EXPECT_GT(count, 0u);
                while (count > 0) {
                    const auto taken = std::min(count, rest.front().size());
                    rest.front() = rest.front().subspan(taken);
                    count -= taken;
                    if (rest.front().empty()) rest = rest.subspan(1);
                }
            }
        };
        EXPECT_TRUE(within(core, write()));
        // With io_uring, the last bytes are sent later if the socket was full. No loop runs while this thread joins.
        EXPECT_TRUE(within(core, pair.stream.flush()));
        reader.join();
        ASSERT_EQ(got, sent);
    }
}

TEST(TcpWriteStress, LargeTransfersInBothDirectionsArriveUnchanged) {
    eddy::core core;
    connection pair;
    const auto size = std::size_t{1} << 20;
    const auto megabytes = std::max<std::size_t>(4, support::rounds(400));
    const auto there = pattern(size, 3);
    const auto back = pattern(size, 5);
    std::jthread writer([&] {
        for (std::size_t i = 0; i < megabytes; ++i) pair.peer.send(back);
        pair.peer.shutdown();
    });
    bool peer_right = true;
    std::jthread reader([&] {
        for (std::size_t i = 0; i < megabytes; ++i) peer_right = peer_right && pair.peer.receive(size) == there;
    });
    const auto send = [&]() -> eddy::task<eddy::result<void>> {
        for (std::size_t i = 0; i < megabytes; ++i) {
            for (auto rest = bytes_of(there); !rest.empty();) {
                rest = rest.subspan(co_await eddy::try_(pair.stream.write(rest)));
            }
        }
        co_return co_await pair.stream.shutdown();
    };
    const auto receive = [&]() -> eddy::task<eddy::result<std::size_t>> {
        std::size_t at = 0;
        for (;;) {
            const auto data = co_await eddy::try_(pair.stream.receive());
            if (data.empty()) co_return at;
            for (const std::byte byte : data) {
                if (byte != static_cast<std::byte>(back[at++ % size])) co_return std::unexpected(std::error_code());
            }
        }
    };
    auto both = eddy::try_join(send(), receive());
    const auto done = within(core, std::move(both), 120s);
    writer.join();
    reader.join();
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_TRUE(peer_right);
}

// covers: P049
TEST(TcpWrite, AsyncIoWriteFollowsQueuedBytesAndMayWait) {
    using eddy::io::interest;
    eddy::core core;
    connection pair;
    const auto sends = [&](std::string_view text) {
        return [&pair, text]() -> eddy::result<std::size_t> {
            const auto count = ::send(pair.stream.native_handle(), text.data(), text.size(), MSG_NOSIGNAL);
            if (count < 0) return std::unexpected(std::error_code(errno, std::generic_category()));
            return static_cast<std::size_t>(count);
        };
    };
    const std::string block(64UL * 1024, 'x');
    std::size_t filled = 0;
    const auto fill = [&]() -> eddy::task<void> {
        const auto first = co_await eddy::io::write_all(pair.stream, "first, ");
        EXPECT_TRUE(first.has_value());
        const auto second = sends("second");
        const auto behind = co_await pair.stream.async_io(interest::writable, second);
        EXPECT_EQ(behind, 6u);
        pollfd room{pair.stream.native_handle(), POLLOUT, 0};
        do {
            co_await eddy::yield_now();
            for (;;) {
                const auto count = pair.stream.try_io(interest::writable, sends(block));
                if (!count) {
                    EXPECT_EQ(count.error(), std::errc::operation_would_block);
                    break;
                }
                filled += *count;
            }
        } while (::poll(&room, 1, 20) == 1);  // bytes that reach the peer free buffer space
    };
    const auto wait_for_room = [&]() -> eddy::task<void> {
        const auto last = sends("the end");
        auto waits = pair.stream.async_io(interest::writable, last);
        auto reads = eddy::poll_fn(
            [&](eddy::context&) -> eddy::poll_result<std::string> { return pair.peer.receive(13 + filled); });
        const auto both = co_await eddy::join(std::move(waits), std::move(reads));
        EXPECT_EQ(both.first, 7u);
        EXPECT_EQ(both.second, "first, second" + std::string(filled, 'x'));
    };
    within(core, fill());
    within(core, wait_for_room());
    EXPECT_EQ(pair.peer.receive(7), "the end");
}

// ---- Leases ----

/// Receives `size` bytes, and writes each lease back unchanged.
eddy::task<void> return_leases(tcp_stream& stream, std::size_t size) {
    for (std::size_t done = 0; done < size;) {
        auto lease = co_await stream.receive();
        EXPECT_TRUE(lease.has_value());
        if (!lease || lease->empty()) co_return;
        done += lease->size();
        const auto written = co_await stream.write_owned(*std::move(lease));
        EXPECT_TRUE(written.has_value());
    }
}

TEST(TcpWrite, WriteOwnedSendsWholeLease) {
    eddy::core core;
    connection pair;
    for (const std::size_t size : {1, 511, 512, 513, 4096, 8192, 8193, 16'384, 32'768, 200'000}) {
        const auto sent = pattern(size);
        std::string got;
        std::jthread peer([&] {
            pair.peer.send(sent);
            got = pair.peer.receive(size);
        });
        within(core, return_leases(pair.stream, size));
        within(core, pair.stream.flush()).value();
        peer.join();
        EXPECT_EQ(got, sent);
    }
}

TEST(TcpWrite, WritesAroundLeaseKeepOrder) {
    eddy::core core;
    connection pair;
    const auto sent = pattern(1000);
    pair.peer.send(sent);
    const auto write_around = [&]() -> eddy::task<void> {
        auto lease = co_await pair.stream.receive();
        EXPECT_EQ(lease->size(), 1000u);
        const auto head = co_await pair.stream.write_all(bytes_of("head "));
        EXPECT_TRUE(head.has_value());
        const auto body = co_await pair.stream.write_owned(*std::move(lease));
        EXPECT_TRUE(body.has_value());
        const auto tail = co_await pair.stream.write_all(bytes_of(" tail"));
        EXPECT_TRUE(tail.has_value());
    };
    within(core, write_around());
    within(core, pair.stream.flush()).value();
    EXPECT_EQ(pair.peer.receive(1010), "head " + sent + " tail");

    // Here the lease is the first write, so that the lease itself is queued.
    pair.peer.send(sent);
    const auto write_behind = [&]() -> eddy::task<void> {
        auto lease = co_await pair.stream.receive();
        const auto body = co_await pair.stream.write_owned(*std::move(lease));
        EXPECT_TRUE(body.has_value());
        const auto tail = co_await pair.stream.write_all(bytes_of(" tail"));
        EXPECT_TRUE(tail.has_value());
    };
    within(core, write_behind());
    within(core, pair.stream.flush()).value();
    EXPECT_EQ(pair.peer.receive(1005), sent + " tail");
}

// try_write() accepts pieces of all sizes, although a loop with a ring submits them only at the end of the driver tick.
TEST(TcpWrite, TryWriteAcceptsAllWhileSocketHasSpace) {
    eddy::core core;
    connection pair;
    constexpr std::array<std::size_t, 13> sizes{200, 1000, 3, 1888, 1, 5000, 10, 0, 10, 4000, 500, 1500, 300};
    const auto sent = pattern(std::accumulate(sizes.begin(), sizes.end(), std::size_t{1000}));
    pair.peer.send(sent.substr(0, 1000));
    const auto write_in_one_turn = [&]() -> eddy::task<void> {
        auto lease = co_await pair.stream.receive();
        EXPECT_EQ(lease->size(), 1000u);
        const auto first = co_await pair.stream.write_owned(*std::move(lease));
        EXPECT_TRUE(first.has_value());
        auto rest = bytes_of(sent).subspan(1000);
        for (const std::size_t size : sizes) {
            EXPECT_EQ(pair.stream.try_write(rest.first(size)), size);
            rest = rest.subspan(size);
        }
        const auto flushed = co_await pair.stream.flush();
        EXPECT_TRUE(flushed.has_value());
        EXPECT_EQ(pair.stream.try_write(bytes_of(std::string(1000, 'x'))), 1000u);
    };
    within(core, write_in_one_turn());
    within(core, pair.stream.flush()).value();
    EXPECT_EQ(pair.peer.receive(sent.size()), sent);
    EXPECT_EQ(pair.peer.receive(1000), std::string(1000, 'x'));
}

TEST(TcpWriteStress, PiecesOfAllSizesArriveInOrder) {
    std::mt19937_64 random(support::seed());
    for (auto left = support::rounds(500); left > 0; --left) {
        eddy::core core;
        connection pair;
        const int small = 4096;
        ::setsockopt(pair.stream.native_handle(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
        const auto sent = pattern(1 << 19);
        std::string got;
        std::jthread peer([&] { got = pair.peer.receive(sent.size()); });
        const auto write_pieces = [&]() -> eddy::task<void> {
            for (auto rest = bytes_of(sent); !rest.empty();) {
                const auto piece = rest.first(std::min<std::size_t>(rest.size(), random() % (1 << (random() % 13))));
                rest = rest.subspan(piece.size());
                const auto written = co_await pair.stream.write_all(piece);
                EXPECT_TRUE(written.has_value());
                if (random() % 16 == 0) co_await eddy::yield_now();
            }
            const auto flushed = co_await pair.stream.flush();
            EXPECT_TRUE(flushed.has_value());
        };
        within(core, write_pieces(), 60s);
        peer.join();
        EXPECT_EQ(got, sent);
    }
}

TEST(TcpWrite, EmptyLeaseIsWrittenImmediately) {
    connection pair;
    by_hand write{pair.stream.write_owned(eddy::io::leased_buffer())};
    EXPECT_TRUE(assert_ready(write.poll()).has_value());
}

TEST(TcpWrite, LeaseIsSentWhenFullSocketHasSpaceAgain) {
    eddy::core core;
    connection from;
    connection to;
    const auto sent = pattern(1000);
    to.peer.send("x");
    const auto filled = within(core, support::read_and_fill(to.stream), 30s);
    from.peer.send(sent);
    const auto hand_over = [&]() -> eddy::task<void> {
        auto lease = co_await from.stream.receive();
        EXPECT_EQ(lease->size(), 1000u);
        const auto written = co_await to.stream.write_owned(*std::move(lease));
        EXPECT_TRUE(written.has_value());
        const auto flushed = co_await to.stream.flush();
        EXPECT_TRUE(flushed.has_value());
    };
    std::string got;
    std::jthread peer([&] { got = to.peer.receive(filled + 1000); });
    within(core, hand_over(), 30s);
    peer.join();
    ASSERT_EQ(got.size(), filled + 1000);
    EXPECT_EQ(got.substr(filled), sent);
}

TEST(TcpWrite, DroppedStreamSendsPendingLease) {
    eddy::core core;
    connection pair;
    const auto sent = pattern(2000);
    pair.peer.send(sent);
    const auto write_and_drop = [&]() -> eddy::task<void> {
        auto stream = std::move(pair.stream);
        auto lease = co_await stream.receive();
        EXPECT_EQ(lease->size(), 2000u);
        const auto written = co_await stream.write_owned(*std::move(lease));
        EXPECT_TRUE(written.has_value());
    };
    within(core, write_and_drop());
    EXPECT_EQ(pair.peer.receive(2001), sent);
}

TEST(TcpWriteStress, LeasesMayEndOnOtherThreads) {
    for (auto left = support::rounds(500); left > 0; --left) {
        std::vector<eddy::io::leased_buffer> leases;
        std::jthread elsewhere;
        {
            eddy::core core;
            connection pair;
            for (int i = 0; i < 100; ++i) {
                pair.peer.send("some bytes");
                leases.push_back(within(core, pair.stream.receive()).value());
                if (i == 50) {
                    elsewhere = std::jthread([early = std::move(leases)]() mutable {
                        for (auto& lease : early) {
                            EXPECT_EQ(text_of(lease).substr(0, 4), "some");
                            eddy::io::leased_buffer ended = std::move(lease);
                        }
                    });
                    leases.clear();
                }
            }
        }
        std::jthread last([late = std::move(leases)]() mutable { late.clear(); });
    }
}

// ---- Two threads ----

TEST(TcpWriteStress, OneThreadReadsWhileAnotherWrites) {
    // A read and a write may be pending at the same time, on two event loops. The stream belongs to the loop that waits
    // first. Here both loops register the stream at the same time.
    for (auto left = support::rounds(500); left > 0; --left) {
        eddy::core core;
        connection pair;
        const auto sent = pattern(1 << 20);
        std::jthread echo([&] {
            for (std::size_t at = 0; at < sent.size(); at += 1 << 16) pair.peer.send(pair.peer.receive(1 << 16));
            pair.peer.shutdown();
        });
        const int small = 4096;
        ::setsockopt(pair.stream.native_handle(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
        std::latch both(2);
        std::atomic<bool> has_read = false;
        std::jthread writer([&] {
            eddy::core own;
            both.arrive_and_wait();
            EXPECT_TRUE(within(own, pair.stream.write_all(bytes_of(sent))));
            while (!has_read) own.turn(1ms);  // the stream may belong to this loop, which then wakes the reader
        });
        both.arrive_and_wait();
        const auto got = within(core, read_to_end(pair.stream));
        has_read = true;
        EXPECT_EQ(got, sent);
        writer.join();
    }
}

}  // namespace
