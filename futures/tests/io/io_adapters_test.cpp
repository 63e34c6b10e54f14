// SPDX-License-Identifier: MIT
#include <eddy/io.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include <eddy/bytes/bytes.hpp>
#include <eddy/error.hpp>
#include <eddy/future/join.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/stream.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>

#include "support/choppy_io.hpp"
#include "support/items.hpp"
#include "support/polling.hpp"
#include "support/stress.hpp"

namespace {

namespace io = eddy::io;
using eddy::bytes;
using eddy::result;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::all_chops;
using support::as_bytes;
using support::as_text;
using support::chop;
using support::choppy_reader;
using support::choppy_writer;
using support::finish;

const std::string some_text = "From the ashes a fire shall be woken, a light from the shadows shall spring.";

chop large_pieces() {
    chop how;
    how.most = 1000;
    how.waits_between = false;
    return how;
}

// ---- Buffers ----

// covers: P044
TEST(IoBufReader, SmallReadsAreServedByFewLargeReads) {
    io::buf_reader from(choppy_reader(some_text, large_pieces()), 64);
    std::string got;
    std::array<std::byte, 3> some{};
    for (;;) {
        const std::size_t count = finish(io::read(from, some)).value();
        if (count == 0) break;
        got += as_text(std::span(some).first(count));
    }
    EXPECT_EQ(got, some_text);
    EXPECT_EQ(from.inner().polls(), 3u) << "64 bytes, the rest, the end";
}

// covers: P044
TEST(IoBufReader, LargeReadBypassesTheBuffer) {
    io::buf_reader from(choppy_reader(some_text, large_pieces()), 8);
    std::array<std::byte, 70> large{};
    EXPECT_EQ(finish(io::read(from, large)), 70u);
    EXPECT_TRUE(from.buffered().empty());
    EXPECT_EQ(finish(io::read_u8(from)), 'p');
    EXPECT_EQ(as_text(from.buffered()), "ring.");
    EXPECT_EQ(finish(io::read(from, large)), 5u) << "buffered bytes are returned first";
}

// covers: P044
TEST(IoBufReader, SeekIsRelativeToTheUsersPosition) {
    io::buf_reader from(io::cursor(std::string("0123456789")), 4);
    EXPECT_EQ(finish(io::read_u8(from)), '0');
    EXPECT_EQ(finish(io::stream_position(from)), 1u);
    EXPECT_EQ(finish(io::seek(from, io::seek_from::current(2))), 3u);
    EXPECT_EQ(finish(io::read_u8(from)), '3');
    EXPECT_EQ(finish(io::seek(from, io::seek_from::end(-1))), 9u);
    EXPECT_EQ(finish(io::read_to_string(from)).value(), "9");
}

// covers: P044
TEST(IoBufWriter, SmallWritesBecomeFewLargeWrites) {
    choppy_writer kept(large_pieces());
    io::buf_writer to(std::ref(kept), 16);
    for (const char c : some_text) EXPECT_TRUE(finish(io::write_all(to, std::string_view(&c, 1))));
    EXPECT_EQ(kept.polls(), some_text.size() / 16);
    EXPECT_EQ(to.buffered().size(), some_text.size() % 16);
    EXPECT_TRUE(finish(io::flush(to)));
    EXPECT_EQ(kept.got(), some_text);
    EXPECT_EQ(kept.flushed(), some_text.size());
    EXPECT_TRUE(finish(io::write_all(to, "tail")));
    EXPECT_TRUE(finish(io::shutdown(to)));
    EXPECT_EQ(kept.got(), some_text + "tail");
    EXPECT_TRUE(kept.is_shut_down());
}

// covers: P044
TEST(IoBufWriter, WritesPiecesOfAnySizeInOrder) {
    for (const chop& how : all_chops()) {
        for (const std::size_t capacity : {1u, 2u, 7u, 64u, 1000u}) {
            choppy_writer kept(how);
            io::buf_writer to(std::ref(kept), capacity);
            std::string_view left = some_text;
            for (std::size_t piece = 1; !left.empty(); ++piece) {
                const auto some = left.substr(0, piece);
                EXPECT_TRUE(finish(io::write_all(to, some)));
                left.remove_prefix(some.size());
            }
            EXPECT_TRUE(finish(io::flush(to)));
            EXPECT_EQ(kept.got(), some_text);
        }
    }
}

// covers: P044
TEST(IoBufWriter, FailedFlushKeepsUnwrittenBytes) {
    chop bad = large_pieces();
    bad.fails_at = 3;
    io::buf_writer to(choppy_writer(bad), 16);
    EXPECT_TRUE(finish(io::write_all(to, "12345")));
    EXPECT_EQ(finish(io::flush(to)).error(), std::errc::io_error);
    EXPECT_EQ(as_text(to.buffered()), "45");
    EXPECT_THROW(io::buf_writer(choppy_writer(), 0), eddy::misuse);
    EXPECT_THROW(io::buf_reader(choppy_reader(""), 0), eddy::misuse);
}

// covers: P044
TEST(IoBufWriter, SeekWritesTheBufferFirst) {
    io::buf_writer to(io::cursor(std::string("..........")), 8);
    EXPECT_TRUE(finish(io::write_all(to, "ab")));
    EXPECT_EQ(finish(io::seek(to, io::seek_from::start(5))), 5u);
    EXPECT_TRUE(finish(io::write_all(to, "cd")));
    EXPECT_TRUE(finish(io::flush(to)));
    EXPECT_EQ(to.inner().inner(), "ab...cd...");
}

// covers: P044
TEST(IoBufStream, BuffersBothDirections) {
    auto [near, far] = io::duplex(64);
    io::buf_stream buffered(std::move(near));
    EXPECT_TRUE(finish(io::write_all(buffered, "hello\n")));
    std::array<std::byte, 8> some{};
    assert_pending(by_hand(io::read(far, some)).poll());
    EXPECT_TRUE(finish(io::flush(buffered)));
    EXPECT_EQ(finish(io::read(far, some)), 6u);
    EXPECT_TRUE(finish(io::write_all(far, "one\ntwo\n")));
    std::string line;
    EXPECT_EQ(finish(io::read_line(buffered, line)), 4u);
    EXPECT_EQ(line, "one\n");
}

/// A buf_reader of ten bytes. The first byte has been read, and the other bytes are in its buffer.
io::buf_reader<io::cursor<std::string>> reader_after_one_byte() {
    io::buf_reader from(io::cursor(std::string("0123456789")));
    std::array<std::byte, 1> first{};
    EXPECT_EQ(finish(io::read(from, first)), 1u);
    return from;
}

TEST(IoBufReader, RefusedSeekKeepsBufferedBytes) {
    for (const auto refused : {io::seek_from::current(-2), io::seek_from::end(-11),
                               io::seek_from::start(std::numeric_limits<std::uint64_t>::max())}) {
        auto from = reader_after_one_byte();
        EXPECT_EQ(finish(io::seek(from, refused)).error(), std::errc::invalid_argument);
        EXPECT_EQ(finish(io::stream_position(from)), 1u);
        EXPECT_EQ(finish(io::read_to_string(from)), "123456789");
    }
}

TEST(IoBufReader, ExtremeSeekOffsetsAreRefused) {
    for (const auto offset : {std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::min() + 8,
                              std::numeric_limits<std::int64_t>::max()}) {
        auto from = reader_after_one_byte();
        EXPECT_EQ(finish(io::seek(from, io::seek_from::current(offset))).error(), std::errc::invalid_argument)
            << offset;
        EXPECT_EQ(finish(io::read_to_string(from)), "123456789");
    }
}

TEST(IoBufStream, SeekThatFailsAfterFlushKeepsBufferedBytes) {
    // A buf_writer starts its seek after it has flushed, so poll_seek_complete() returns the error.
    io::buf_stream both(io::cursor(std::string("0123456789")));
    std::array<std::byte, 1> first{};
    EXPECT_EQ(finish(io::read(both, first)), 1u);
    EXPECT_EQ(finish(io::seek(both, io::seek_from::current(-2))).error(), std::errc::invalid_argument);
    EXPECT_EQ(finish(io::read_to_string(both)), "123456789");
    EXPECT_EQ(finish(io::seek(both, io::seek_from::end(-3))), 7u);
    EXPECT_EQ(finish(io::read_to_string(both)), "789");
}

TEST(IoBufReader, SeekTakesEffectWithoutCompletionCall) {
    auto from = reader_after_one_byte();
    EXPECT_TRUE(from.start_seek(io::seek_from::start(5)));  // poll_seek_complete() is never called
    EXPECT_EQ(finish(io::read_to_string(from)), "56789");
}

/// A writer that takes three bytes at a time. Only the second call throws.
class throwing_writer {
public:
    eddy::poll_result<eddy::result<std::size_t>> poll_write(eddy::context&, std::span<const std::byte> from) {
        if (++calls_ == 2) throw std::runtime_error("the second write");
        const std::size_t count = std::min<std::size_t>(from.size(), 3);
        got += support::as_text(from.first(count));
        return eddy::ok(count);
    }
    eddy::poll_result<eddy::result<void>> poll_flush(eddy::context&) { return eddy::ok(); }
    eddy::poll_result<eddy::result<void>> poll_shutdown(eddy::context&) { return eddy::ok(); }

    std::string got;

private:
    int calls_ = 0;
};

TEST(IoBufWriter, WriterThatThrowsGetsNoByteTwice) {
    throwing_writer to;
    io::buf_writer buffered(std::ref(to));
    EXPECT_TRUE(finish(io::write_all(buffered, "123456789")));
    EXPECT_THROW(static_cast<void>(finish(io::flush(buffered))), std::runtime_error);
    EXPECT_EQ(support::as_text(buffered.buffered()), "456789");
    EXPECT_TRUE(finish(io::flush(buffered)));
    EXPECT_EQ(to.got, "123456789");
}

// ---- take, chain ----

// covers: P047
TEST(IoTake, EndsAtItsLimitAndLeavesTheRest) {
    for (const chop& how : all_chops()) {
        choppy_reader from(some_text, how);
        auto head = io::take(std::ref(from), 10);
        EXPECT_EQ(finish(io::read_to_string(head)).value(), some_text.substr(0, 10));
        EXPECT_EQ(head.limit(), 0u);
        EXPECT_EQ(from.position(), 10u);
        head.set_limit(5);
        EXPECT_EQ(finish(io::read_to_string(head)).value(), some_text.substr(10, 5));
    }
    io::buf_reader lines(choppy_reader("one\ntwo\nthree"));
    auto head = io::take(std::ref(lines), 6);
    std::string line;
    EXPECT_EQ(finish(io::read_line(head, line)), 4u);
    EXPECT_EQ(finish(io::read_line(head, line)), 2u);
    EXPECT_EQ(line, "one\ntw");
    auto more = io::take(choppy_reader("abc"), 100);
    EXPECT_EQ(finish(io::read_to_string(more)).value(), "abc");
}

// covers: R086
TEST(IoTake, LimitCanBeMaximalAndChangedLater) {
    auto all = io::take(io::buf_reader(choppy_reader("abc")), std::numeric_limits<std::uint64_t>::max());
    EXPECT_EQ(finish(io::read_u8(all)), 'a');
    EXPECT_EQ(all.limit(), std::numeric_limits<std::uint64_t>::max() - 1);
    all.set_limit(1);
    EXPECT_EQ(as_text(finish(io::fill_buf(all)).value()), "b");
    EXPECT_THROW(all.consume(2), std::out_of_range);
    all.consume(1);
    EXPECT_TRUE(finish(io::fill_buf(all))->empty());
    all.set_limit(std::numeric_limits<std::uint64_t>::max());
    EXPECT_EQ(finish(io::read_to_string(all)).value(), "c");
}

// covers: R085
TEST(IoChain, ReadIntoEmptyBufferIsNotEndOfStream) {
    auto both = io::chain(choppy_reader("a"), choppy_reader("b"));
    EXPECT_EQ(finish(io::read(both, {})), 0u);
    EXPECT_EQ(finish(io::read_to_string(both)).value(), "ab");
    io::buf_reader buffered(choppy_reader("abc", large_pieces()));
    EXPECT_EQ(finish(io::read(buffered, {})), 0u);
    EXPECT_EQ(buffered.inner().polls(), 0u);
    EXPECT_EQ(finish(io::fill_buf(buffered))->size(), 3u);
    EXPECT_EQ(finish(io::fill_buf(buffered))->size(), 3u);
    EXPECT_EQ(buffered.inner().polls(), 1u) << "buffered bytes must not cause another read";
    auto nothing = io::take(choppy_reader("abc"), 0);
    EXPECT_EQ(finish(io::read_to_string(nothing)).value(), "");
    EXPECT_EQ(nothing.inner().polls(), 0u);
}

// covers: P047
TEST(IoChain, ReadsTheSecondReaderAfterTheFirst) {
    for (const chop& how : all_chops()) {
        auto both = io::chain(choppy_reader("first, ", how), choppy_reader("second", how));
        EXPECT_EQ(finish(io::read_to_string(both)).value(), "first, second");
        auto lines = io::chain(io::buf_reader(choppy_reader("a\nb", how)), io::buf_reader(choppy_reader("c\nd", how)));
        std::string line;
        EXPECT_EQ(finish(io::read_line(lines, line)), 2u);
        EXPECT_EQ(finish(io::read_line(lines, line)), 3u) << "a line may span both readers";
        EXPECT_EQ(line, "a\nbc\n");
    }
}

// ---- empty, repeat, sink ----

// covers: P047
TEST(IoEmpty, EmptyEndsImmediatelyAndSinkTakesAll) {
    io::empty nothing;
    EXPECT_EQ(finish(io::read_to_string(nothing)).value(), "");
    EXPECT_TRUE(finish(io::write_all(nothing, "gone")));
    std::string line;
    EXPECT_EQ(finish(io::read_line(nothing, line)), 0u);
    auto ten = io::take(io::repeat(std::byte{'x'}), 10);
    EXPECT_EQ(finish(io::read_to_string(ten)).value(), "xxxxxxxxxx");
    io::sink sink;
    const std::array<std::span<const std::byte>, 2> parts{as_bytes("12"), as_bytes("345")};
    EXPECT_EQ(finish(io::write_vectored(sink, parts)), 5u);
}

// ---- duplex, simplex ----

// covers: P047
TEST(IoDuplex, WriteWakesTheReaderOfTheOtherEnd) {
    auto [near, far] = io::duplex(8);
    std::array<std::byte, 16> some{};
    by_hand reading(io::read(far, some));
    assert_pending(reading.poll());
    EXPECT_TRUE(finish(io::write_all(near, "abc")));
    EXPECT_TRUE(reading.is_woken());
    EXPECT_EQ(assert_ready(reading.poll()), 3u);
    EXPECT_EQ(as_text(std::span(some).first(3)), "abc");
    EXPECT_TRUE(finish(io::write_all(far, "back")));
    EXPECT_EQ(finish(io::read(near, some)), 4u);
}

// covers: P047
TEST(IoDuplex, WriterWaitsWhileThePipeIsFull) {
    auto [near, far] = io::duplex(4);
    by_hand writing(io::write_all(near, "123456"));
    assert_pending(writing.poll());
    EXPECT_EQ(writing.future().count(), 4u);
    std::array<std::byte, 3> some{};
    EXPECT_EQ(finish(io::read(far, some)), 3u);
    EXPECT_TRUE(writing.is_woken());
    EXPECT_TRUE(assert_ready(writing.poll()));
    EXPECT_EQ(finish(io::read_exact(far, some)), result<void>());
    EXPECT_EQ(as_text(some), "456");
}

// covers: P047
TEST(IoDuplex, ShutdownEndsOnlyOneDirection) {
    auto [near, far] = io::duplex(8);
    EXPECT_TRUE(finish(io::write_all(near, "last")));
    by_hand reading(io::read_to_string(far));
    assert_pending(reading.poll());
    EXPECT_TRUE(finish(io::shutdown(near)));
    EXPECT_TRUE(reading.is_woken());
    EXPECT_EQ(assert_ready(reading.poll()).value(), "last");
    EXPECT_EQ(finish(io::write_all(near, "x")).error(), std::errc::broken_pipe);
    EXPECT_TRUE(finish(io::shutdown(near)));
    EXPECT_TRUE(finish(io::write_all(far, "still")));
    std::array<std::byte, 5> some{};
    EXPECT_TRUE(finish(io::read_exact(near, some)));
}

// covers: P047 R082
TEST(IoDuplex, DroppedEndWakesTheOtherEnd) {
    std::optional ends(io::duplex(2));
    auto far = std::move(ends->second);
    std::array<std::byte, 1> some{};
    by_hand reading(io::read(far, some));
    by_hand writing(io::write_all(far, "123"));
    assert_pending(reading.poll());
    assert_pending(writing.poll());
    ends.reset();
    EXPECT_TRUE(reading.is_woken());
    EXPECT_EQ(assert_ready(reading.poll()), 0u);
    EXPECT_TRUE(writing.is_woken());
    EXPECT_EQ(assert_ready(writing.poll()).error(), std::errc::broken_pipe);
}

// covers: P047 R082
TEST(IoSimplex, DroppedEndIsReportedToTheOtherEnd) {
    auto [reader, writer] = io::simplex(4);
    EXPECT_TRUE(finish(io::write_all(writer, "abc")));
    {
        const auto gone = std::move(writer);
    }
    EXPECT_EQ(finish(io::read_to_string(reader)).value(), "abc");
    EXPECT_THROW(static_cast<void>(finish(io::write_all(writer, "x"))), eddy::misuse);
    auto other = io::simplex(4);
    {
        const auto gone = std::move(other.reader);
    }
    EXPECT_EQ(finish(io::write_all(other.writer, "x")).error(), std::errc::broken_pipe);
    EXPECT_THROW(static_cast<void>(io::duplex(0)), eddy::misuse);
}

// covers: P047
TEST(IoDuplex, DestroyedPipeDropsItsWakers) {
    auto ends = std::make_optional(io::duplex(2));
    std::array<std::byte, 1> some{};
    by_hand reading(io::read(ends->first, some));
    assert_pending(reading.poll());
    EXPECT_EQ(reading.wakers(), 2u) << "that of the pipe, and that of the operation in flight";
    reading.drop();
    ends.reset();
    EXPECT_EQ(reading.wakers(), 0u);
}

// covers: P047
TEST(IoDuplexStress, TwoThreadsKeepTheByteOrder) {
    const auto rounds = support::rounds(5'000'000);
    auto ends = io::duplex(13);
    std::jthread writer([&, to = std::move(ends.first)]() mutable {
        std::mt19937_64 random(1);
        std::string text;
        for (std::uint64_t at = 0; at < rounds;) {
            text.clear();
            for (std::size_t n = 1 + random() % 40; n != 0 && at < rounds; --n, ++at)
                text += static_cast<char>(at % 251);
            EXPECT_TRUE(eddy::wait(io::write_all(to, text)));
        }
    });
    std::array<std::byte, 17> some{};
    std::uint64_t at = 0;
    for (;;) {
        const std::size_t count = eddy::wait(io::read(ends.second, some)).value();
        if (count == 0) break;
        for (const std::byte b : std::span(some).first(count)) {
            ASSERT_EQ(static_cast<std::uint64_t>(b), at % 251) << at;
            ++at;
        }
    }
    EXPECT_EQ(at, rounds);
}

// ---- split, unsplit, join ----

// covers: S86 P046
TEST(IoSplit, HalvesWorkInTwoTasks) {
    auto [near, far] = io::duplex(8);
    auto [reader, writer] = io::split(std::move(near));
    std::array<std::byte, 4> some{};
    by_hand reading(io::read(reader, some));
    assert_pending(reading.poll());
    EXPECT_TRUE(finish(io::write_all(writer, "out")));
    EXPECT_EQ(finish(io::read(far, some)), 3u);
    EXPECT_TRUE(finish(io::write_all(far, "in")));
    EXPECT_TRUE(reading.is_woken());
    EXPECT_EQ(assert_ready(reading.poll()), 2u);
}

// covers: S86 P046 R092
TEST(IoSplit, UnsplitAcceptsOnlyTwoHalvesOfOneObject) {
    auto one = io::split(io::cursor(std::string("one")));
    auto other = io::split(io::cursor(std::string("other")));
    EXPECT_TRUE(one.reader.is_pair_of(one.writer));
    EXPECT_FALSE(one.reader.is_pair_of(other.writer));
    EXPECT_EQ(finish(io::read_u8(one.reader)), 'o');
    auto whole = io::unsplit(std::move(one.reader), std::move(one.writer));
    EXPECT_EQ(whole.position(), 1u);
    auto third = io::split(io::cursor(std::string("third")));
    const auto text = support::text_of_misuse(
        [&] { static_cast<void>(io::unsplit(std::move(third.reader), std::move(other.writer))); });
    EXPECT_NE(text.find("two halves of one split object"), std::string::npos) << text;
    EXPECT_THROW(static_cast<void>(finish(io::read_u8(third.reader))), eddy::misuse);
}

// covers: S86 P046
TEST(IoSplit, HalfWorksAfterTheOtherHalfIsDropped) {
    auto [near, far] = io::duplex(8);
    {
        auto halves = std::make_optional(io::split(std::move(near)));
        auto reader = std::move(halves->reader);
        halves.reset();
        EXPECT_TRUE(finish(io::write_all(far, "x")));
        EXPECT_EQ(finish(io::read_u8(reader)), 'x');
    }
    EXPECT_EQ(finish(io::write_all(far, "x")).error(), std::errc::broken_pipe)
        << "the last half must destroy the object";
}

// covers: S86 P046
TEST(IoSplitStress, HalvesOnTwoThreadsCarryAllBytes) {
    const std::size_t size = support::rounds(20'000'000);
    auto [near, far] = io::duplex(1000);
    auto halves = io::split(std::move(near));
    std::jthread echo([other = std::move(far)]() mutable {
        auto own = io::split(std::move(other));
        EXPECT_TRUE(eddy::wait(io::copy(own.reader, own.writer, 64)));
        EXPECT_TRUE(eddy::wait(io::shutdown(own.writer)));
    });
    std::jthread writer([size, to = std::move(halves.writer)]() mutable {
        auto all = io::take(io::repeat(std::byte{'x'}), size);
        EXPECT_EQ(eddy::wait(io::copy(all, to, 777)), size);
        EXPECT_TRUE(eddy::wait(io::shutdown(to)));
    });
    io::sink sink;
    EXPECT_EQ(eddy::wait(io::copy(halves.reader, sink)), size);
}

// covers: P046
TEST(IoJoin, ReaderAndWriterBecomeOneStream) {
    choppy_writer kept;
    auto both = io::join(io::buf_reader(choppy_reader("in\n")), std::ref(kept));
    static_assert(io::async_buf_read<decltype(both)> && io::async_write<decltype(both)>);
    std::string line;
    EXPECT_EQ(finish(io::read_line(both, line)), 3u);
    EXPECT_TRUE(finish(io::write_all(both, "out")));
    EXPECT_TRUE(finish(io::shutdown(both)));
    EXPECT_TRUE(kept.is_shut_down());
}

TEST(IoJoin, UnqualifiedJoinOfFuturesIsEddyJoin) {
    using namespace eddy;
    io::cursor source(std::string("inin"));
    std::array<char, 2> one{};
    std::array<char, 2> other{};
    const auto [a, b] = finish(join(io::read(source, one), io::read(source, other)));
    EXPECT_EQ(a, 2u);
    EXPECT_EQ(b, 2u);
    auto first = io::read(source, one);
    auto second = io::read(source, other);
    const auto [c, d] = finish(join(std::ref(first), std::ref(second)));
    EXPECT_EQ(c, 0u);
    EXPECT_EQ(d, 0u);
}

// ---- Streams and sinks ----

// covers: P051
TEST(IoReaderStream, YieldsPiecesAsTheyArrive) {
    for (const chop& how : all_chops()) {
        io::reader_stream pieces(choppy_reader(some_text, how), 16);
        std::string got;
        std::vector<bytes> kept;
        while (auto piece = finish(pieces.next())) {
            EXPECT_LE(piece->value().size(), 64u);
            got += piece->value().text();
            kept.push_back(std::move(*piece).value());
        }
        EXPECT_EQ(got, some_text);
        std::string again;
        for (const auto& piece : kept) again += piece.text();
        EXPECT_EQ(again, some_text) << "later reads must not change a piece";
    }
    chop bad;
    bad.fails_at = 1;
    io::reader_stream fails(choppy_reader(some_text, bad));
    EXPECT_EQ(finish(fails.next())->value(), "F");
    EXPECT_EQ(finish(fails.next())->error(), std::errc::io_error);
    EXPECT_FALSE(finish(fails.next()));
}

// covers: P051
TEST(IoStreamReader, ReadsTheItemsOfAStream) {
    std::vector<std::string> texts{"one", "", " two", " three\nfour"};
    io::stream_reader from(eddy::streams::iter(texts));
    std::string line;
    EXPECT_EQ(finish(io::read_line(from, line)), 14u);
    EXPECT_EQ(line, "one two three\n");
    EXPECT_EQ(finish(io::read_to_string(from)).value(), "four");

    std::vector<result<bytes>> items{bytes::from_static("abc"),
                                     std::unexpected(std::make_error_code(std::errc::io_error)),
                                     bytes::from_static("def")};
    io::stream_reader fails(eddy::streams::iter(std::move(items)));
    std::vector<std::byte> into;
    EXPECT_EQ(finish(io::read_to_end(fails, into)).error(), std::errc::io_error);
    EXPECT_EQ(as_text(into), "abc");
    EXPECT_EQ(finish(io::read_to_string(fails)).value(), "def")
        << "the stream decides whether it continues after an error";
    EXPECT_EQ(finish(io::read_to_string(fails)).value(), "");

    io::stream_reader back{io::reader_stream(choppy_reader(some_text))};
    EXPECT_EQ(finish(io::read_to_string(back)).value(), some_text);
}

// covers: P051
TEST(IoStreamReader, WaitsForTheStream) {
    support::source<bytes> source;
    io::stream_reader from{support::items_of<bytes>(source)};
    by_hand reading(io::read_u16(from));
    assert_pending(reading.poll());
    source.give(bytes::from_static("\x01"));
    EXPECT_TRUE(reading.is_woken());
    assert_pending(reading.poll());
    source.give(bytes::from_static("\x02\x03"));
    EXPECT_EQ(assert_ready(reading.poll()), 0x0102);
}

/// A sink of bytes. Every other call of poll_ready() is not ready.
class slow_sink : public eddy::sink_ops<slow_sink> {
public:
    using error_type = std::error_code;

    explicit slow_sink(std::vector<std::string>& into) : into_(&into) {}

    eddy::poll_result<result<void>> poll_ready(eddy::context& cx) {
        if (std::exchange(has_waited_, !has_waited_)) return eddy::ok();
        cx.waker().wake_by_ref();
        return eddy::not_ready;
    }
    result<void> start_send(bytes item) {
        if (item == std::string_view("bad")) return std::unexpected(std::make_error_code(std::errc::io_error));
        into_->emplace_back(item.text());
        return {};
    }
    eddy::poll_result<result<void>> poll_flush(eddy::context&) { return eddy::ok(); }
    eddy::poll_result<result<void>> poll_close(eddy::context&) {
        into_->emplace_back("closed");
        return eddy::ok();
    }

private:
    std::vector<std::string>* into_;
    bool has_waited_ = false;
};

// covers: P051
TEST(IoSinkWriter, EachWriteIsOneItem) {
    std::vector<std::string> items;
    io::sink_writer to(io::copy_to_bytes(slow_sink{items}));
    EXPECT_TRUE(finish(io::write_all(to, "one")));
    EXPECT_TRUE(finish(io::write_all(to, "two")));
    EXPECT_EQ(finish(io::write(to, {})), 0u);
    EXPECT_EQ(finish(io::write_all(to, "bad")).error(), std::errc::io_error);
    EXPECT_TRUE(finish(io::flush(to)));
    EXPECT_TRUE(finish(io::shutdown(to)));
    EXPECT_EQ(items, (std::vector<std::string>{"one", "two", "closed"}));
}

// ---- inspect ----

// covers: P051
TEST(IoInspect, SeesTheBytesReadAndWritten) {
    std::string seen;
    const auto note = [&](std::span<const std::byte> bytes) { seen += as_text(bytes) + "|"; };
    chop twos;
    twos.most = 2;
    auto from = io::inspect_read(choppy_reader("abcde", twos), note);
    EXPECT_EQ(finish(io::read_to_string(from)).value(), "abcde");
    EXPECT_EQ(seen, "ab|cd|e|");
    seen.clear();
    auto to = io::inspect_write(choppy_writer(twos), note);
    EXPECT_TRUE(finish(io::write_all(to, "xyz")));
    EXPECT_TRUE(finish(io::shutdown(to)));
    EXPECT_EQ(seen, "xy|z|") << "only the written bytes, not the offered ones";
    EXPECT_TRUE(to.inner().is_shut_down());
}

// ---- Misuse ----

TEST(IoAdapters, ZeroCapacityMisuseNamesTheCallSite) {
    using support::expect_misuse_here;
    io::empty nothing;
    io::sink all;
    expect_misuse_here([&] { static_cast<void>(io::buf_reader(io::empty(), 0)); });
    expect_misuse_here([&] { static_cast<void>(io::buf_writer(io::sink(), 0)); });
    expect_misuse_here([&] { static_cast<void>(io::buf_stream(io::join(io::empty(), io::sink()), 0)); });
    expect_misuse_here([&] { static_cast<void>(io::buf_stream(io::join(io::empty(), io::sink()), 1, 0)); });
    expect_misuse_here([&] { static_cast<void>(io::reader_stream(io::empty(), 0)); });
    expect_misuse_here([&] { static_cast<void>(io::duplex(0)); });
    expect_misuse_here([&] { static_cast<void>(io::simplex(0)); });
    expect_misuse_here([&] { static_cast<void>(io::copy(nothing, all, 0)); });
    auto one = io::join(io::empty(), io::sink());
    auto other = io::join(io::empty(), io::sink());
    expect_misuse_here([&] { static_cast<void>(io::copy_bidirectional(one, other, 0)); });
}

// ---- Blocking code ----

// covers: P051
TEST(IoSyncIoBridge, BlockingCodeExchangesBytesWithATask) {
    auto [near, far] = io::duplex(4);
    std::jthread blocking([bridge = io::sync_io_bridge(io::buf_stream(std::move(near)))]() mutable {
        std::string line;
        EXPECT_EQ(bridge.read_line(line), 9u);
        EXPECT_EQ(line, "question\n");
        std::array<std::byte, 2> some{};
        EXPECT_TRUE(bridge.read_exact(some));
        EXPECT_TRUE(bridge.write_all("the answer"));
        EXPECT_TRUE(bridge.flush());
        EXPECT_EQ(bridge.read_to_string().value(), "rest");
        EXPECT_TRUE(bridge.shutdown());
    });
    EXPECT_TRUE(eddy::wait(io::write_all(far, "question\n42")));
    std::array<std::byte, 10> answer{};
    EXPECT_TRUE(eddy::wait(io::read_exact(far, answer)));
    EXPECT_EQ(as_text(answer), "the answer");
    EXPECT_TRUE(eddy::wait(io::write_all(far, "rest")));
    EXPECT_TRUE(eddy::wait(io::shutdown(far)));
    EXPECT_EQ(eddy::wait(io::read_to_string(far)).value(), "");
}

}  // namespace
