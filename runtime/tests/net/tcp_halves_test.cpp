// SPDX-License-Identifier: MIT
// runs: asan
#include <eddy/prelude.hpp>
#include <eddy/test/by_hand.hpp>

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include <support/net.hpp>
#include <support/runtime/receiving.hpp>

// The halves of a TCP stream, borrowed and owned, and the options that control how a connection ends.

namespace {

using eddy::net::tcp_stream;
using support::bytes_of;
using support::connection;
using support::read_some;
using support::text_of;
using support::within;
using reader_half = eddy::net::owned_read_half<tcp_stream>;
using writer_half = eddy::net::owned_write_half<tcp_stream>;

/// Counts all bytes up to the end of the stream.
template <class Reader>
eddy::task<std::size_t> count_all(Reader reader) {
    std::vector<std::byte> into(64 * 1024);
    for (std::size_t total = 0;;) {
        const auto count = co_await reader.read(into);
        if (!count || *count == 0) co_return total;
        total += *count;
    }
}

template <class Writer>
eddy::task<bool> write_many(Writer writer, std::size_t total) {
    const std::vector<std::byte> bytes(total, std::byte{'b'});
    const auto written = co_await writer.write_all(bytes);
    const auto ended = co_await writer.shutdown();
    co_return written&& ended;
}

/// Both ends of a connection, as eddy's streams.
std::pair<tcp_stream, tcp_stream> both_ends() {
    connection c;
    c.peer.set_nonblocking();
    return {std::move(c.stream), tcp_stream::from_native(c.peer.release()).value()};
}

// covers: P056
TEST(TcpHalves, BorrowedHalvesWorkInTwoTasks) {
    eddy::core core;
    auto [one, other] = both_ends();
    constexpr std::size_t size = 3'000'000;
    auto [reader, writer] = one.split();
    auto [other_reader, other_writer] = other.split();
    EXPECT_EQ(&reader.stream(), &one);
    EXPECT_EQ(&writer.stream(), &one);
    auto all = eddy::join(count_all(reader), write_many(writer, size), count_all(other_reader),
                          write_many(other_writer, size));
    const auto done = within(core, std::move(all));
    EXPECT_EQ(done.first, size);
    EXPECT_TRUE(done.second);
    EXPECT_EQ(done.third, size);
    EXPECT_TRUE(done.fourth);
}

// covers: P056
TEST(TcpHalves, OwnedHalvesWorkInTasksOfRuntime) {
    eddy::runtime pool;
    auto [one, other] = both_ends();
    constexpr std::size_t size = 3'000'000;
    const auto work = [&]() -> eddy::task<bool> {
        auto halves = std::move(one).into_split();
        auto other_halves = std::move(other).into_split();
        auto writing = eddy::spawn(write_many(std::move(halves.writer), size));
        auto reading = eddy::spawn(count_all(std::move(halves.reader)));
        auto other_writing = eddy::spawn(write_many(std::move(other_halves.writer), size));
        auto other_reading = eddy::spawn(count_all(std::move(other_halves.reader)));
        const bool written = (co_await writing).value() && (co_await other_writing).value();
        const std::size_t read = (co_await reading).value() + (co_await other_reading).value();
        co_return written&& read == 2 * size;
    };
    auto limited = eddy::time::timeout(std::chrono::seconds(20), work());
    EXPECT_EQ(pool.block_on(std::move(limited)), true);
}

// covers: P056
TEST(TcpHalves, ReuniteRestoresStream) {
    eddy::core core;
    connection c;
    const int fd = c.stream.native_handle();
    auto [reader, writer] = std::move(c.stream).into_split();
    EXPECT_EQ(writer.stream().native_handle(), fd);
    within(core, writer.write_all(bytes_of("half"))).value();
    auto whole = std::move(reader).reunite(std::move(writer));
    ASSERT_TRUE(whole);
    EXPECT_EQ(whole->native_handle(), fd);
    within(core, whole->write_all(bytes_of("whole"))).value();
    EXPECT_EQ(c.peer.receive(9), "halfwhole");
    auto again = std::move(*whole).into_split();
    EXPECT_TRUE(std::move(again.writer).reunite(std::move(again.reader)));
}

// covers: P056 R092
TEST(TcpHalves, ReuniteReturnsHalvesOfDifferentStreams) {
    eddy::core core;
    connection c;
    connection d;
    auto [reader, writer] = std::move(c.stream).into_split();
    auto [wrong_reader, wrong_writer] = std::move(d.stream).into_split();
    auto refused = std::move(reader).reunite(std::move(wrong_writer));
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message().find("not of one stream"), std::string_view::npos);
    auto back = std::move(refused.error());
    c.peer.send("c");
    EXPECT_EQ(within(core, read_some(back.reader)), "c");
    within(core, back.writer.write_all(bytes_of("d"))).value();
    EXPECT_EQ(d.peer.receive(1), "d");
    EXPECT_TRUE(std::move(back.reader).reunite(std::move(writer)));
    EXPECT_TRUE(std::move(back.writer).reunite(std::move(wrong_reader)));
}

// covers: P056 R092
TEST(TcpHalves, DroppedWriterEndsOnlyWriteSide) {
    eddy::core core;
    connection c;
    auto [reader, writer] = std::move(c.stream).into_split();
    const auto work = [&](writer_half mine) -> eddy::task<void> {
        static_cast<void>(co_await mine.write_all(bytes_of("before the end")));
    };
    within(core, work(std::move(writer)));
    EXPECT_EQ(c.peer.receive(100), "before the end") << "then the end of the stream";
    c.peer.send("after the end");
    EXPECT_EQ(within(core, read_some(reader)), "after the end");
}

// covers: P056
TEST(TcpHalves, DroppedWriterSendsWrittenBytesBeforeEnd) {
    eddy::core core;
    connection c;
    c.peer.send("x");
    within(core, c.stream.readable()).value();  // registers the stream, with any driver
    auto filled = support::read_and_fill(c.stream);
    const std::size_t accepted = within(core, std::move(filled));
    auto [reader, writer] = std::move(c.stream).into_split();
    {
        const writer_half dropped(std::move(writer));
    }
    c.peer.set_nonblocking();
    auto peer = tcp_stream::from_native(c.peer.release()).value();
    EXPECT_EQ(within(core, count_all(std::move(peer))), accepted);
}

// covers: P056
TEST(TcpHalves, ForgottenWriterLeavesWriteSideOpen) {
    eddy::core core;
    connection c;
    c.peer.set_nonblocking();
    auto peer = tcp_stream::from_native(c.peer.release()).value();
    auto [reader, writer] = std::move(c.stream).into_split();
    std::move(writer).forget();
    std::array<std::byte, 4> into{};
    eddy::test::by_hand waiting{eddy::select(peer.readable(), eddy::yield_now())};
    EXPECT_EQ(peer.try_read(into).error(), std::errc::operation_would_block);
    {
        const reader_half dropped(std::move(reader));
    }
    EXPECT_EQ(within(core, read_some(peer)), "");
}

// covers: P056
TEST(TcpHalves, AssigningToWriterEndsPreviousStream) {
    eddy::core core;
    connection c;
    connection d;
    auto [reader, writer] = std::move(c.stream).into_split();
    auto [other_reader, other_writer] = std::move(d.stream).into_split();
    writer = std::move(other_writer);
    EXPECT_EQ(c.peer.receive(1), "");
    within(core, writer.write_all(bytes_of("d"))).value();
    EXPECT_EQ(d.peer.receive(1), "d");
}

// covers: P057
TEST(TcpHalves, HalvesOfferPeekTryAndPollForms) {
    eddy::core core;
    connection c;
    c.peer.send("seen");
    auto [reader, writer] = c.stream.split();
    std::array<std::byte, 8> into{};
    EXPECT_EQ(within(core, reader.peek(into)).value(), 4u);
    EXPECT_EQ(within(core, reader.receive()).value().size(), 4u);
    EXPECT_EQ(reader.try_read(into).error(), std::errc::operation_would_block);
    auto writing = eddy::poll_fn([&](eddy::context& cx) { return writer.poll_write(cx, bytes_of("polled")); });
    EXPECT_EQ(within(core, std::move(writing)).value(), 6u);
    auto flushing = eddy::poll_fn([&](eddy::context& cx) { return writer.poll_flush(cx); });
    EXPECT_TRUE(within(core, std::move(flushing)));
    auto ending = eddy::poll_fn([&](eddy::context& cx) { return writer.poll_shutdown(cx); });
    EXPECT_TRUE(within(core, std::move(ending)));
    EXPECT_EQ(c.peer.receive(100), "polled");
    EXPECT_TRUE(within(core, writer.writable()));
}

/// Waits for data and reads it into two buffers, of which the first is small.
template <class Reader>
std::string read_in_parts(eddy::core& core, Reader& reader) {
    std::array<std::byte, 3> first{};
    std::array<std::byte, 8> second{};
    const std::array<std::span<std::byte>, 2> parts{first, second};
    for (;;) {
        const auto count = reader.try_read_vectored(parts);
        if (count) {
            const std::string all = support::text_of(first) + support::text_of(second);
            return all.substr(0, *count);
        }
        EXPECT_EQ(count.error(), std::errc::operation_would_block);
        within(core, reader.readable()).value();
    }
}

// covers: P049
TEST(TcpHalves, TryVectoredUsesSeveralBuffers) {
    eddy::core core;
    connection c;
    auto [reader, writer] = c.stream.split();
    const std::array<std::span<const std::byte>, 2> parts{bytes_of("in "), bytes_of("parts")};
    EXPECT_EQ(writer.try_write_vectored(parts).value(), 8u);
    within(core, writer.flush()).value();
    EXPECT_EQ(c.peer.receive(8), "in parts");
    c.peer.send("answered");
    EXPECT_EQ(read_in_parts(core, reader), "answered");
    EXPECT_EQ(reader.try_read_vectored({}).value(), 0u);
    EXPECT_EQ(writer.try_write_vectored({}).value(), 0u);
    // Once more with a registered stream. The calls above may have found data and capacity without a registration.
    c.peer.send(".");
    EXPECT_EQ(within(core, read_some(reader)), ".");
    EXPECT_EQ(writer.try_write_vectored(parts).value(), 8u);
    within(core, writer.flush()).value();
    EXPECT_EQ(c.peer.receive(8), "in parts");
    c.peer.send("again");
    EXPECT_EQ(read_in_parts(core, reader), "again");

#if !defined(_WIN32)  // without pipes
    auto [tx, rx] = eddy::net::pipe::make().value();
    EXPECT_EQ(tx.try_write_vectored(parts).value(), 8u);
    EXPECT_EQ(read_in_parts(core, rx), "in parts");
#endif
}

// covers: P056
TEST(TcpHalvesDeathTest, ReunitedHalfReportsMisuse) {
    eddy::core core;
    connection c;
    auto [reader, writer] = std::move(c.stream).into_split();
    auto whole = std::move(reader).reunite(std::move(writer));
    ASSERT_TRUE(whole);
    EXPECT_DEATH(static_cast<void>(eddy::test::by_hand(read_some(reader)).poll()),
                 "was moved from, or reunited or forgotten");
    EXPECT_DEATH(static_cast<void>(writer.stream()), "was moved from, or reunited or forgotten");
}

// covers: P057
TEST(TcpHalves, ZeroLingerResetsConnection) {
    eddy::core core;
    connection c;
    c.stream.set_zero_linger().value();
    EXPECT_EQ(c.stream.linger().value(), std::chrono::seconds(0));
    {
        const auto closed = std::move(c.stream);
    }
    char byte = 0;
    EXPECT_EQ(::recv(c.peer.fd(), &byte, 1, 0), -1);
    EXPECT_EQ(errno, ECONNRESET);
}

// covers: P057
TEST(TcpHalves, QuickackReadsBack) {
    const connection c;
    c.stream.set_quickack(false).value();
    EXPECT_FALSE(c.stream.quickack().value());
    c.stream.set_quickack(true).value();
    EXPECT_TRUE(c.stream.quickack().value());
}

}  // namespace
