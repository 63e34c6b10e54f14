// SPDX-License-Identifier: MIT
// TCP connections with both drivers that are used on threads other than their driver's: by workers that block in place,
// by other event loops, and at random.
#include <gtest/gtest.h>

#include <poll.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/future/yield_now.hpp>
#include <eddy/io/leased_buffer.hpp>
#include <eddy/net/tcp_listener.hpp>
#include <eddy/net/tcp_stream.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/runtime.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/spawn_blocking.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/timeout.hpp>

#include "support/net.hpp"
#include "support/runtime.hpp"
#include "support/stress.hpp"

namespace {

using namespace std::chrono_literals;
using support::read_some;

eddy::task<void> count_bytes(eddy::net::tcp_stream& stream, support::tally& bytes) {
    for (;;) {
        const std::string some = co_await read_some(stream);
        if (some.empty() || some.starts_with("error")) co_return;
        for (std::size_t i = 0; i < some.size(); ++i) bytes.add();
    }
}

// block_in_place() must not delay other tasks of the same worker that wait for a stream.
TEST(TcpThreads, BlockInPlaceDoesNotDelayOtherReaders) {
    support::connection pair;
    support::tally bytes;
    const auto rt = support::make_runtime(1);
    auto reader = rt.spawn(count_bytes(pair.stream, bytes));
    pair.peer.send("x");
    ASSERT_TRUE(bytes.wait_for(1));
    bool came = false;
    auto blocker = rt.spawn([&]() -> eddy::task<void> {
        eddy::block_in_place([&] {
            pair.peer.send("y");
            came = bytes.wait_for(2);
        });
        co_return;
    });
    static_cast<void>(rt.block_on(std::move(blocker)));
    EXPECT_TRUE(came) << "no task has received the byte within 20 s";
    pair.peer.close();
    static_cast<void>(rt.block_on(std::move(reader)));
}

TEST(TcpThreads, StreamDroppedInBlockInPlaceIsClosedImmediately) {
    auto pair = std::make_unique<support::connection>();
    const auto rt = support::make_runtime(1);
    auto stream = std::make_unique<eddy::net::tcp_stream>(std::move(pair->stream));
    bool has_ended = false;
    auto blocker = rt.spawn([&]() -> eddy::task<void> {
        pair->peer.send("x");
        EXPECT_EQ(co_await read_some(*stream), "x");
        eddy::block_in_place([&] {
            stream.reset();
            pollfd wanted{pair->peer.fd(), POLLIN, 0};
            has_ended = support::repeated([&] { return ::poll(&wanted, 1, 5'000); }) == 1;
        });
    });
    static_cast<void>(rt.block_on(std::move(blocker)));
    EXPECT_TRUE(has_ended) << "the peer has not seen the end within 5 s";
}

TEST(TcpThreads, DataWrittenInBlockInPlaceIsSent) {
    support::connection pair;
    const auto rt = support::make_runtime(1);
    std::string got;
    auto blocker = rt.spawn([&]() -> eddy::task<void> {
        EXPECT_TRUE((co_await pair.stream.write_all(support::bytes_of("a"))).has_value());
        eddy::block_in_place([&] {
            static_cast<void>(pair.stream.try_write(support::bytes_of("b")));
            got = pair.peer.receive(2);
        });
    });
    static_cast<void>(rt.block_on(std::move(blocker)));
    EXPECT_EQ(got, "ab");
}

// The stream becomes writable while a small write waits for the end of another loop's driver tick.
TEST(TcpThreads, WritableIsReportedDespiteAQueuedSmallWrite) {
    support::connection pair;
    support::gate is_registered;
    std::atomic<bool> is_over = false;
    std::atomic<std::uint64_t> events = 0;
    std::atomic<std::uint64_t> turns = 0;
    std::thread other([&] {
        eddy::core owner;
        // Registers the stream with this loop.
        static_cast<void>(owner.run(eddy::time::timeout(0ms, read_some(pair.stream))));
        pair.peer.send("x");
        EXPECT_EQ(owner.run(read_some(pair.stream)), "x");
        is_registered.open();
        while (!is_over) {
            owner.turn(1ms);
            events = owner.metrics().io().ready_events;
            ++turns;
        }
    });
    ASSERT_TRUE(is_registered.wait());
    bool came = false;
    {
        eddy::core here;
        here.turn(0ms);  // the first driver tick creates the ring, if there is one
        auto work = [&]() -> eddy::task<void> {
            const std::vector<std::byte> large(256 * 1024, std::byte{'l'});
            while (pair.stream.try_write(large)) continue;
            static_cast<void>(pair.stream.try_write(support::bytes_of("small")));
            // The peer reads all data before the next driver tick of this loop. Meanwhile the stream's loop processes
            // the event that the stream is writable.
            pollfd room{pair.stream.native_handle(), POLLOUT, 0};
            const std::uint64_t before = events;
            do {
                static_cast<void>(pair.peer.receive(65536));
            } while (::poll(&room, 1, 0) == 0);
            EXPECT_TRUE(support::comes_true([&] { return events != before; }));
            // Events that have arrived by now are processed by the end of the driver tick after the current one.
            const std::uint64_t now = turns;
            EXPECT_TRUE(support::comes_true([&] { return turns >= now + 2; }));
            auto limited = eddy::time::timeout(5s, pair.stream.writable());
            came = (co_await limited).has_value();
        };
        here.run(work());
    }
    is_over = true;
    other.join();
    EXPECT_TRUE(came);
}

// ---- Random operations ----

using draw = std::mt19937_64;

/// Returns the byte at `offset` in the data that connection `id` sends.
std::byte byte_at(std::uint64_t id, std::size_t offset) {
    return static_cast<std::byte>((offset * 31 + offset / 251 + id * 7) & 0xff);
}

struct outcome {
    std::atomic<std::size_t> bytes{0};
    std::atomic<int> wrong{0};
    std::atomic<int> errors{0};
};

/// Writes `size` bytes in pieces of random sizes, and ends the stream.
eddy::task<void> send_all(std::shared_ptr<eddy::net::tcp_stream> to, std::uint64_t id, std::size_t size, draw random,
                          outcome& told) {
    std::vector<std::byte> piece;
    for (std::size_t sent = 0; sent < size;) {
        piece.resize(
            std::min<std::size_t>(size - sent, random() % 16 == 0 ? random() % 60'000 + 1 : random() % 700 + 1));
        for (std::size_t i = 0; i < piece.size(); ++i) piece[i] = byte_at(id, sent + i);
        switch (random() % 8) {
        case 0: {  // dropped if it is not ready immediately
            auto limited = eddy::time::timeout(0ms, to->write(piece));
            const auto count = co_await limited;
            if (count && !*count) ++told.errors;
            if (count && *count) sent += **count;
            break;
        }
        case 1: {
            const auto count = to->try_write(piece);
            if (count) sent += *count;
            break;
        }
        case 2: static_cast<void>(co_await to->flush()); break;
        case 3: co_await eddy::yield_now(); break;
        default: {
            const auto count = co_await to->write(piece);
            if (!count) {
                ++told.errors;
                co_return;
            }
            sent += *count;
        }
        }
        if (random() % 512 == 0) eddy::block_in_place([] { std::this_thread::yield(); });
    }
    if (!co_await to->shutdown()) ++told.errors;
}

eddy::task<void> receive_all(std::shared_ptr<eddy::net::tcp_stream> from, std::uint64_t id, draw random,
                             outcome& told) {
    std::array<std::byte, 9000> into{};
    std::size_t offset = 0;
    const auto compare = [&](std::span<const std::byte> bytes) {
        for (const std::byte each : bytes) told.wrong += each == byte_at(id, offset++) ? 0 : 1;
    };
    std::vector<eddy::io::leased_buffer> kept;
    for (;;) {
        const auto room = std::span(into).first(random() % into.size() + 1);
        switch (random() % 8) {
        case 0: {
            auto limited = eddy::time::timeout(0ms, from->read(room));
            const auto count = co_await limited;
            if (!count) break;
            if (!*count) co_return static_cast<void>(++told.errors);
            if (**count == 0) co_return static_cast<void>(told.bytes += offset);
            compare(room.first(**count));
            break;
        }
        case 1: {
            auto lease = co_await from->receive();
            if (!lease) co_return static_cast<void>(++told.errors);
            if (lease->empty()) co_return static_cast<void>(told.bytes += offset);
            compare(*lease);
            if (kept.size() == 4) kept.clear();
            kept.push_back(std::move(*lease));
            break;
        }
        case 2: {
            const auto count = from->try_read(room);
            if (count && *count == 0) co_return static_cast<void>(told.bytes += offset);
            if (count) compare(room.first(*count));
            break;
        }
        case 3: {
            auto limited = eddy::time::timeout(1ms, from->readable());
            static_cast<void>(co_await limited);
            break;
        }
        case 4: {
            const auto count = co_await from->peek(room);
            const std::size_t before = offset;
            if (count) compare(room.first(*count));
            offset = before;
            break;
        }
        case 5: {
            const std::array<std::span<std::byte>, 2> halves{room.first(room.size() / 2),
                                                             room.subspan(room.size() / 2)};
            const auto count = co_await from->read_vectored(halves);
            if (!count) co_return static_cast<void>(++told.errors);
            if (*count == 0) co_return static_cast<void>(told.bytes += offset);
            compare(room.first(*count));
            break;
        }
        default: {
            const auto count = co_await from->read(room);
            if (!count) co_return static_cast<void>(++told.errors);
            if (*count == 0) co_return static_cast<void>(told.bytes += offset);
            compare(room.first(*count));
        }
        }
        if (random() % 512 == 0) eddy::block_in_place([] { std::this_thread::yield(); });
    }
}

TEST(TcpThreadsStress, DroppedOperationsLoseAndReorderNoBytes) {
    const support::watchdog guard("bytes in both directions", 300s);
    const support::leaves_no_descriptor check;
    constexpr std::uint64_t connections = 12;
    const std::uint64_t rounds = support::rounds(200);
    draw seeds(support::seed());
    for (std::uint64_t round = 0; round < rounds; ++round) {
        const std::size_t size = 300'000;
        outcome told;
        const auto rt = support::make_runtime(round % 4 + 1);
        rt.block_on([](outcome& result, draw& random) -> eddy::task<void> {
            auto bound = co_await eddy::net::tcp_listener::bind("127.0.0.1:0");
            auto listener = std::move(bound.value());
            const auto addr = listener.local_addr().value();
            std::vector<eddy::join_handle<void>> all;
            for (std::uint64_t id = 0; id < connections; ++id) {
                auto connected = co_await eddy::net::tcp_stream::connect(addr);
                auto accepted = co_await listener.accept();
                auto a = std::make_shared<eddy::net::tcp_stream>(std::move(connected.value()));
                auto b = std::make_shared<eddy::net::tcp_stream>(std::move(accepted.value().stream));
                all.push_back(eddy::spawn(send_all(a, id, size, draw(random()), result)));
                all.push_back(eddy::spawn(send_all(b, id + 100, size, draw(random()), result)));
                all.push_back(eddy::spawn(receive_all(a, id + 100, draw(random()), result)));
                all.push_back(eddy::spawn(receive_all(b, id, draw(random()), result)));
            }
            for (auto& each : all) static_cast<void>(co_await each);
        }(told, seeds));
        ASSERT_EQ(told.wrong, 0) << "round " << round;
        ASSERT_EQ(told.errors, 0) << "round " << round;
        ASSERT_EQ(told.bytes, 2 * connections * size) << "round " << round;
    }
}

}  // namespace
