// SPDX-License-Identifier: MIT
#include <eddy/io.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include <eddy/bytes/bytes.hpp>
#include <eddy/bytes/bytes_mut.hpp>
#include <eddy/error.hpp>
#include <eddy/future/join.hpp>
#include <eddy/future/try.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>

#include "support/choppy_io.hpp"

namespace {

namespace io = eddy::io;
using eddy::bytes;
using eddy::bytes_mut;
using eddy::errc;
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
using namespace std::string_view_literals;

const std::string some_text = "All that is gold does not glitter, not all those who wander are lost.";

chop in_pieces_of(std::size_t most) {
    chop how;
    how.most = most;
    return how;
}
chop that_fails_at(std::size_t at) {
    chop how;
    how.fails_at = at;
    return how;
}
chop that_is_full_at(std::size_t at) {
    chop how;
    how.full_at = at;
    return how;
}
chop that_overstates(std::size_t by) {
    chop how;
    how.waits_between = false;
    how.most = 1000;
    how.overstates_by = by;
    return how;
}

// ---- Concepts ----

static_assert(io::async_read<choppy_reader> && !io::async_write<choppy_reader>);
static_assert(io::async_write<choppy_writer> && !io::vectored_write<choppy_writer>);
static_assert(io::async_buf_read<io::buf_reader<choppy_reader>> && !io::async_buf_read<choppy_reader>);
static_assert(io::async_seek<io::cursor<std::string>> && !io::async_seek<choppy_reader>);
static_assert(io::async_read<io::boxed_stream> && io::async_write<io::boxed_stream>);
static_assert(io::buf<bytes> && io::buf<bytes_mut> && io::buf_mut<bytes_mut> && !io::buf_mut<bytes>);

// covers: P040
TEST(IoBoxed, BoxedTypesHoldAnyReaderOrWriter) {
    io::boxed_reader reader(choppy_reader("read", in_pieces_of(2)));
    EXPECT_EQ(finish(io::read_to_string(reader)).value(), "read");
    reader = choppy_reader("another");
    EXPECT_EQ(finish(io::read_to_string(reader)).value(), "another");

    choppy_writer kept;
    io::boxed_writer writer(io::borrowed<choppy_writer>{std::ref(kept)});
    EXPECT_TRUE(finish(io::write_all(writer, "written")));
    EXPECT_TRUE(finish(io::flush(writer)));
    EXPECT_EQ(kept.flushed(), 7u);

    io::boxed_buf_reader lines(io::buf_reader(choppy_reader("one\ntwo\n")));
    std::string line;
    EXPECT_EQ(finish(io::read_line(lines, line)), 4u);

    io::boxed_seeker file(io::cursor(std::string("0123456789")));
    EXPECT_EQ(finish(io::seek(file, io::seek_from::start(7))), 7u);
    EXPECT_EQ(finish(io::read_to_string(file)).value(), "789");

    auto [near, far] = io::duplex(16);
    std::vector<io::boxed_stream> connections;
    connections.emplace_back(std::move(near));
    EXPECT_TRUE(finish(io::write_all(connections[0], "hello")));
    EXPECT_TRUE(finish(io::shutdown(connections[0])));
    EXPECT_EQ(finish(io::read_to_string(far)).value(), "hello");
    const io::boxed_stream gone = std::move(connections[0]);
    EXPECT_THROW(static_cast<void>(finish(io::flush(connections[0]))), eddy::misuse);
}

// ---- read, read_exact ----

// covers: S90
TEST(IoRead, ReturnsWhatIsAvailable) {
    choppy_reader from("abc", in_pieces_of(2));
    std::array<std::byte, 8> into{};
    by_hand first(io::read(from, into));
    assert_pending(first.poll());
    EXPECT_TRUE(first.is_woken());
    EXPECT_EQ(assert_ready(first.poll()), 2u);
    EXPECT_EQ(finish(io::read(from, into)), 1u);
    EXPECT_EQ(finish(io::read(from, into)), 0u);
    EXPECT_THROW(static_cast<void>(first.poll()), eddy::misuse) << "a completed operation must not be polled";
}

// covers: S90
TEST(IoReadExact, FillsItsBufferFromPiecesOfAnySize) {
    for (const chop& how : all_chops()) {
        choppy_reader from(some_text, how);
        std::array<std::byte, 40> into{};
        EXPECT_TRUE(finish(io::read_exact(from, into)));
        EXPECT_EQ(as_text(into), some_text.substr(0, 40));
        EXPECT_EQ(from.position(), 40u) << "read_exact() must not read further";
    }
    choppy_reader nothing("");
    EXPECT_TRUE(finish(io::read_exact(nothing, {}))) << "an empty buffer needs no read";
    EXPECT_EQ(nothing.polls(), 0u);
}

// covers: S90
TEST(IoReadExact, EarlyEndIsAnErrorWithACount) {
    choppy_reader from("12345");
    std::array<std::byte, 8> into{};
    auto all = io::read_exact(from, into);
    EXPECT_EQ(finish(all).error(), errc::unexpected_eof);
    EXPECT_EQ(all.count(), 5u);
    EXPECT_EQ(as_text(std::span(into).first(5)), "12345");
}

// covers: P041
TEST(IoReadExact, ErrorKeepsTheCountOfBytesRead) {
    choppy_reader from(some_text, that_fails_at(3));
    std::array<std::byte, 8> into{};
    auto all = io::read_exact(from, into);
    EXPECT_EQ(finish(all).error(), std::errc::io_error);
    EXPECT_EQ(all.count(), 3u);
}

// covers: P041
TEST(IoRead, ReadVectoredFillsTheFirstNonEmptyBuffer) {
    std::array<std::byte, 3> one{};
    std::array<std::byte, 4> other{};
    const std::array<std::span<std::byte>, 3> parts{std::span<std::byte>(), one, other};
    choppy_reader plain("0123456789", in_pieces_of(100));
    EXPECT_EQ(finish(io::read_vectored(plain, parts)), 3u);
    EXPECT_EQ(as_text(one), "012");
    EXPECT_EQ(finish(io::read_vectored(plain, std::span<const std::span<std::byte>>())), 0u);
}

// covers: P040 R086
TEST(IoRead, ReaderThatReturnsTooLargeACountIsAnError) {
    std::array<std::byte, 4> into{};
    choppy_reader from(some_text, that_overstates(3));
    EXPECT_EQ(finish(io::read(from, into)).error(), errc::count_too_large);
    EXPECT_EQ(finish(io::read_exact(from, into)).error(), errc::count_too_large);
    const std::array<std::span<std::byte>, 1> parts{into};
    EXPECT_EQ(finish(io::read_vectored(from, parts)).error(), errc::count_too_large);
    bytes_mut window(4);
    EXPECT_EQ(finish(io::read_buf(from, window)).error(), errc::count_too_large);
    EXPECT_EQ(window.size(), 0u);
    choppy_reader endless(std::string(100'000, 'x'), that_overstates(100'000));
    EXPECT_EQ(finish(io::read_to_end(endless)).error(), errc::count_too_large);
    std::string text;
    EXPECT_EQ(finish(io::read_to_string(endless, text)).error(), errc::count_too_large);
    io::buf_reader buffered(choppy_reader(some_text, that_overstates(9000)));
    EXPECT_EQ(finish(io::fill_buf(buffered)).error(), errc::count_too_large);
    EXPECT_EQ(finish(io::read_u64(from)).error(), errc::count_too_large);
    auto limited = io::take(choppy_reader(some_text, that_overstates(3)), 2);
    EXPECT_EQ(finish(io::read(limited, into)).error(), errc::count_too_large);
    io::sink sink;
    EXPECT_EQ(finish(io::copy(from, sink, 4)).error(), errc::count_too_large);
    io::reader_stream pieces(choppy_reader(some_text, that_overstates(9000)));
    EXPECT_EQ(finish(pieces.next())->error(), errc::count_too_large);
    EXPECT_FALSE(finish(pieces.next()));
}

// covers: P040
TEST(IoWrite, WriterThatReturnsTooLargeACountIsAnError) {
    choppy_writer to(that_overstates(1));
    EXPECT_EQ(finish(io::write(to, as_bytes("abc"))).error(), errc::count_too_large);
    EXPECT_EQ(finish(io::write_all(to, "abc")).error(), errc::count_too_large);
    bytes from = bytes::from_static("abc");
    EXPECT_EQ(finish(io::write_buf(to, from)).error(), errc::count_too_large);
    EXPECT_EQ(finish(io::write_all_buf(to, from)).error(), errc::count_too_large);
    EXPECT_EQ(from.size(), 3u);
    EXPECT_EQ(finish(io::write_u16(to, 1)).error(), errc::count_too_large);
    std::array<std::span<const std::byte>, 1> parts{as_bytes("abc")};
    EXPECT_EQ(finish(io::write_all_vectored(to, parts)).error(), errc::count_too_large);
    choppy_reader reader("abc");
    EXPECT_EQ(finish(io::copy(reader, to)).error(), errc::count_too_large);
    io::buf_writer buffered(choppy_writer(that_overstates(1)));
    EXPECT_TRUE(finish(io::write_all(buffered, "abc")));
    EXPECT_EQ(finish(io::flush(buffered)).error(), errc::count_too_large);
}

// ---- read_to_end ----

// covers: S90
TEST(IoReadToEnd, ReadsAllFromPiecesOfAnySize) {
    std::string large;
    while (large.size() < 5000) large += some_text;
    for (const chop& how : all_chops()) {
        choppy_reader to_vector(large, how);
        EXPECT_EQ(as_text(finish(io::read_to_end(to_vector)).value()), large);
        choppy_reader to_window(large, how);
        bytes_mut window = bytes_mut::copy_of(">");
        EXPECT_EQ(finish(io::read_to_end(to_window, window)), large.size());
        EXPECT_EQ(window, std::string_view(">" + large));
        choppy_reader to_string(large, how);
        std::string text = ">";
        EXPECT_EQ(finish(io::read_to_string(to_string, text)), large.size());
        EXPECT_EQ(text, ">" + large);
    }
    io::cursor huge(std::string(3'000'000, 'x'));
    EXPECT_EQ(finish(io::read_to_end(huge))->size(), 3'000'000u);
}

// covers: P041 R087
TEST(IoReadToEnd, DroppedOrFailedReadKeepsTheBytesRead) {
    choppy_reader from("abc");
    std::vector<std::byte> into;
    {
        by_hand begun(io::read_to_end(from, into));
        assert_pending(begun.poll());
        EXPECT_TRUE(into.empty()) << "unused space must be removed from the vector";
        assert_pending(begun.poll());
        EXPECT_EQ(begun.future().count(), 1u);
    }
    EXPECT_EQ(finish(io::read_to_end(from, into)), 2u);
    EXPECT_EQ(as_text(into), "abc");
    choppy_reader fails("abcdef", that_fails_at(4));
    EXPECT_EQ(finish(io::read_to_end(fails, into)).error(), std::errc::io_error);
    EXPECT_EQ(as_text(into), "abcabcd");
}

// covers: P041
TEST(IoReadToEnd, EndlessReaderYields) {
    io::repeat endless(std::byte{1});
    std::vector<std::byte> into;
    by_hand reading(io::read_to_end(endless, into));
    assert_pending(reading.poll());
    EXPECT_TRUE(reading.is_woken());
    EXPECT_FALSE(into.empty());
    EXPECT_LT(into.size(), 9'000'000u) << "the budget limits the reads of a poll";
}

// covers: P041
TEST(IoReadToString, InvalidUtf8LeavesTheStringUnchanged) {
    for (const auto good : {"", "ascii", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xef\xbf\xbf",
                            "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "eight by\xc3\xa9te"}) {
        choppy_reader from(good);
        EXPECT_EQ(finish(io::read_to_string(from)).value(), good);
    }
    for (const auto bad :
         {"\x80", "\xc2", "\xc0\xaf", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xe2\x82", "\xf0\x8f\xbf\xbf",
          "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "abcdefgh\x80", "\xc3("}) {
        choppy_reader from(bad);
        EXPECT_EQ(finish(io::read_to_string(from)).error(), std::errc::illegal_byte_sequence) << bad;
        choppy_reader again(bad);
        std::string text = "kept";
        EXPECT_EQ(finish(io::read_to_string(again, text)).error(), errc::invalid_utf8);
        EXPECT_EQ(text, "kept");
    }
}

// ---- write_all ----

// covers: S90
TEST(IoWriteAll, WritesAllInPiecesOfAnySize) {
    for (const chop& how : all_chops()) {
        choppy_writer to(how);
        EXPECT_TRUE(finish(io::write_all(to, some_text)));
        EXPECT_EQ(to.got(), some_text);
        choppy_writer from_buf(how);
        bytes window = bytes::copy_of(some_text);
        EXPECT_TRUE(finish(io::write_all_buf(from_buf, window)));
        EXPECT_EQ(from_buf.got(), some_text);
        EXPECT_TRUE(window.empty());
        choppy_writer parts_to(how);
        const std::string_view text = some_text;
        std::array<std::span<const std::byte>, 5> parts{as_bytes(text.substr(0, 3)), as_bytes(""),
                                                        as_bytes(text.substr(3, 1)), as_bytes(text.substr(4)),
                                                        as_bytes("")};
        auto all = io::write_all_vectored(parts_to, parts);
        EXPECT_TRUE(finish(all));
        EXPECT_EQ(all.count(), some_text.size());
        EXPECT_EQ(parts_to.got(), some_text);
    }
}

// covers: S90 R084
TEST(IoWriteAll, WriteOfZeroBytesIsAnErrorWithACount) {
    choppy_writer to(that_is_full_at(4));
    auto all = io::write_all(to, "123456");
    EXPECT_EQ(finish(all).error(), errc::write_zero);
    EXPECT_EQ(all.count(), 4u);
    bytes window = bytes::from_static("123456");
    choppy_writer other(that_is_full_at(4));
    EXPECT_EQ(finish(io::write_all_buf(other, window)).error(), errc::write_zero);
    EXPECT_EQ(window, "56"sv);
    EXPECT_EQ(finish(io::write(other, as_bytes("x"))), 0u);
    choppy_writer third(that_is_full_at(4));
    std::array<std::span<const std::byte>, 2> parts{as_bytes("123"), as_bytes("456")};
    EXPECT_EQ(finish(io::write_all_vectored(third, parts)).error(), errc::write_zero);
    EXPECT_EQ(as_text(parts[1]), "56") << "the spans must show the unwritten rest";
}

/// A writer that takes a random number of bytes from the front of its buffers.
class random_writer : public choppy_writer {
public:
    eddy::poll_result<result<std::size_t>> poll_write_vectored(eddy::context& cx,
                                                               std::span<const std::span<const std::byte>> from) {
        if (random_() % 4 == 0) {
            cx.waker().wake_by_ref();
            return eddy::not_ready;
        }
        std::size_t left = 1 + random_() % 50;
        std::size_t taken = 0;
        for (const auto& part : from) {
            const auto some = part.first(std::min(part.size(), left));
            all += as_text(some);
            taken += some.size();
            left -= some.size();
            if (left == 0) break;
        }
        return eddy::ok(taken);
    }
    std::string all;

private:
    std::mt19937_64 random_{1};
};

// covers: R083
TEST(IoWriteAll, VectoredResumesWithinThousandsOfBuffers) {
    std::mt19937_64 random(2);
    std::string expected;
    std::vector<std::string> texts;
    for (int i = 0; i < 5000; ++i) {
        texts.emplace_back(random() % 12, static_cast<char>('a' + i % 26));
        expected += texts.back();
    }
    std::vector<std::span<const std::byte>> parts;
    parts.reserve(texts.size());
    for (const auto& text : texts) parts.push_back(as_bytes(text));
    random_writer to;
    EXPECT_TRUE(finish(io::write_all_vectored(to, parts)));
    EXPECT_EQ(to.all, expected);
}

// covers: P041
TEST(IoWriteAll, ErrorKeepsTheCountOfBytesWritten) {
    choppy_writer to(that_fails_at(2));
    auto all = io::write_all(to, "123456");
    EXPECT_EQ(finish(all).error(), std::errc::io_error);
    EXPECT_EQ(all.count(), 2u);
}

/// A writer that takes up to five bytes per call, from several buffers.
class vectored_writer : public choppy_writer {
public:
    eddy::poll_result<result<std::size_t>> poll_write_vectored(eddy::context&,
                                                               std::span<const std::span<const std::byte>> from) {
        ++calls;
        std::size_t taken = 0;
        for (const auto& part : from) {
            const auto some = part.first(std::min(part.size(), 5 - taken));
            all += as_text(some);
            taken += some.size();
        }
        return eddy::ok(taken);
    }
    std::string all;
    int calls = 0;
};

// covers: P051
TEST(IoWriteAll, VectoredWritesManyPartsInOneCall) {
    vectored_writer to;
    std::array<std::span<const std::byte>, 4> parts{as_bytes("ab"), as_bytes("cde"), as_bytes("f"), as_bytes("gh")};
    EXPECT_TRUE(finish(io::write_all_vectored(to, parts)));
    EXPECT_EQ(to.all, "abcdefgh");
    EXPECT_EQ(to.calls, 2);
    EXPECT_EQ(finish(io::write_vectored(to, std::array{as_bytes("xy"), as_bytes("z")})), 3u);
}

/// A writer that takes five bytes, then waits.
class stalling_writer : public vectored_writer {
public:
    eddy::poll_result<result<std::size_t>> poll_write_vectored(eddy::context& cx,
                                                               std::span<const std::span<const std::byte>> from) {
        if (calls == 1) return eddy::not_ready;
        return vectored_writer::poll_write_vectored(cx, from);
    }
};

TEST(IoWriteAll, VectoredLeavesTheRestInItsArgument) {
    stalling_writer to;
    std::array<std::span<const std::byte>, 5> parts{as_bytes("ab"), as_bytes(""), as_bytes("cd"), as_bytes("efg"),
                                                    as_bytes("h")};
    {
        eddy::test::by_hand all(io::write_all_vectored(to, parts));
        EXPECT_FALSE(all.poll());
    }
    EXPECT_TRUE(parts[0].empty() && parts[2].empty());
    EXPECT_EQ(as_text(parts[3]), "fg");
    vectored_writer rest;
    EXPECT_TRUE(finish(io::write_all_vectored(rest, parts)));
    EXPECT_EQ(to.all + rest.all, "abcdefgh");
}

// ---- Windows of bytes ----

// covers: P042
TEST(IoBuf, ReadsAndWritesAdvanceTheWindow) {
    choppy_reader from("0123456789", in_pieces_of(4));
    bytes_mut window(16);
    EXPECT_EQ(finish(io::read_buf(from, window)), 4u);
    EXPECT_EQ(finish(io::read_buf(from, window)), 4u);
    EXPECT_EQ(window, "01234567"sv);
    choppy_writer to(in_pieces_of(3));
    EXPECT_EQ(finish(io::write_buf(to, window)), 3u);
    EXPECT_EQ(window, "34567"sv);
    EXPECT_TRUE(finish(io::write_all_buf(to, window)));
    EXPECT_EQ(to.got(), "01234567");
    EXPECT_EQ(finish(io::write_buf(to, window)), 0u);
}

// covers: P042 R087
TEST(IoBuf, WriteAllBufResumesAfterADrop) {
    choppy_writer to;
    bytes window = bytes::from_static("abc");
    {
        by_hand begun(io::write_all_buf(to, window));
        assert_pending(begun.poll());
        assert_pending(begun.poll());
    }
    EXPECT_TRUE(finish(io::write_all_buf(to, window)));
    EXPECT_EQ(to.got(), "abc") << "no byte may be lost or written twice";
}

// ---- Numbers ----

eddy::task<result<void>> write_numbers(choppy_writer& to) {
    co_await eddy::try_(io::write_u8(to, 0xfe));
    co_await eddy::try_(io::write_i8(to, -2));
    co_await eddy::try_(io::write_u16(to, 0x0102));
    co_await eddy::try_(io::write_u16_le(to, 0x0102));
    co_await eddy::try_(io::write_i16(to, -300));
    co_await eddy::try_(io::write_i16_le(to, -300));
    co_await eddy::try_(io::write_u32(to, 0x01020304));
    co_await eddy::try_(io::write_u32_le(to, 0x01020304));
    co_await eddy::try_(io::write_i32(to, std::numeric_limits<std::int32_t>::min()));
    co_await eddy::try_(io::write_i32_le(to, -3));
    co_await eddy::try_(io::write_u64(to, 0x0102030405060708));
    co_await eddy::try_(io::write_u64_le(to, 0x0102030405060708));
    co_await eddy::try_(io::write_i64(to, std::numeric_limits<std::int64_t>::min()));
    co_await eddy::try_(io::write_i64_le(to, -4));
    co_await eddy::try_(io::write_f32(to, 1.5F));
    co_await eddy::try_(io::write_f32_le(to, -1.5F));
    co_await eddy::try_(io::write_f64(to, 0.1));
    co_await eddy::try_(io::write_f64_le(to, -0.1));
    co_return eddy::ok();
}

eddy::task<result<void>> read_numbers(choppy_reader& from) {
    EXPECT_EQ(co_await eddy::try_(io::read_u8(from)), 0xfe);
    EXPECT_EQ(co_await eddy::try_(io::read_i8(from)), -2);
    EXPECT_EQ(co_await eddy::try_(io::read_u16(from)), 0x0102);
    EXPECT_EQ(co_await eddy::try_(io::read_u16_le(from)), 0x0102);
    EXPECT_EQ(co_await eddy::try_(io::read_i16(from)), -300);
    EXPECT_EQ(co_await eddy::try_(io::read_i16_le(from)), -300);
    EXPECT_EQ(co_await eddy::try_(io::read_u32(from)), 0x01020304u);
    EXPECT_EQ(co_await eddy::try_(io::read_u32_le(from)), 0x01020304u);
    EXPECT_EQ(co_await eddy::try_(io::read_i32(from)), std::numeric_limits<std::int32_t>::min());
    EXPECT_EQ(co_await eddy::try_(io::read_i32_le(from)), -3);
    EXPECT_EQ(co_await eddy::try_(io::read_u64(from)), 0x0102030405060708u);
    EXPECT_EQ(co_await eddy::try_(io::read_u64_le(from)), 0x0102030405060708u);
    EXPECT_EQ(co_await eddy::try_(io::read_i64(from)), std::numeric_limits<std::int64_t>::min());
    EXPECT_EQ(co_await eddy::try_(io::read_i64_le(from)), -4);
    EXPECT_EQ(co_await eddy::try_(io::read_f32(from)), 1.5F);
    EXPECT_EQ(co_await eddy::try_(io::read_f32_le(from)), -1.5F);
    EXPECT_EQ(co_await eddy::try_(io::read_f64(from)), 0.1);
    EXPECT_EQ(co_await eddy::try_(io::read_f64_le(from)), -0.1);
    co_return eddy::ok();
}

// covers: P043
TEST(IoNumbers, NumbersAreReadBackInBothByteOrders) {
    for (const chop& how : all_chops()) {
        choppy_writer to(how);
        ASSERT_TRUE(finish(write_numbers(to)));
        EXPECT_EQ(to.got().substr(0, 6), "\xfe\xfe\x01\x02\x02\x01"sv);
        EXPECT_EQ(to.got().substr(10, 8), "\x01\x02\x03\x04\x04\x03\x02\x01"sv);
        choppy_reader from(to.got(), how);
        ASSERT_TRUE(finish(read_numbers(from)));
        EXPECT_EQ(finish(io::read_u8(from)).error(), errc::unexpected_eof);
    }
    choppy_reader half("\x01\x02\x03");
    auto number = io::read_u32(half);
    EXPECT_EQ(finish(number).error(), errc::unexpected_eof);
    EXPECT_EQ(number.count(), 3u);
}

#ifdef EDDY_HAS_INT128
// covers: P043
TEST(IoNumbers, Written128BitNumbersAreReadBack) {
    constexpr auto large = eddy::uint128_t{0x0102030405060708} << 64 | 0x090a0b0c0d0e0f10;
    choppy_writer to;
    ASSERT_TRUE(finish(io::write_u128(to, large)));
    ASSERT_TRUE(finish(io::write_u128_le(to, large)));
    ASSERT_TRUE(finish(io::write_i128(to, -2)));
    ASSERT_TRUE(finish(io::write_i128_le(to, -2)));
    EXPECT_EQ(to.got().substr(0, 17), "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x10"sv);
    choppy_reader from(to.got());
    EXPECT_TRUE(finish(io::read_u128(from)) == large);
    EXPECT_TRUE(finish(io::read_u128_le(from)) == large);
    EXPECT_TRUE(finish(io::read_i128(from)) == -2);
    EXPECT_TRUE(finish(io::read_i128_le(from)) == -2);
}
#endif

// ---- Seeking ----

// covers: P040
TEST(IoSeek, CursorSeeksWithinMemory) {
    io::cursor file(std::string("0123456789"));
    EXPECT_EQ(finish(io::seek(file, io::seek_from::end(-3))), 7u);
    EXPECT_EQ(finish(io::read_u8(file)), '7');
    EXPECT_EQ(finish(io::seek(file, io::seek_from::current(-2))), 6u);
    EXPECT_EQ(finish(io::stream_position(file)), 6u);
    EXPECT_EQ(finish(io::seek(file, io::seek_from::end(-11))).error(), std::errc::invalid_argument);
    EXPECT_EQ(finish(io::seek(file, io::seek_from::current(std::numeric_limits<std::int64_t>::max()))).error(),
              std::errc::invalid_argument);
    EXPECT_EQ(finish(io::stream_position(file)), 6u) << "a refused seek must not change the position";
    EXPECT_TRUE(finish(io::write_all(file, "six...over")));
    EXPECT_EQ(finish(io::rewind(file)), 0u);
    EXPECT_EQ(finish(io::read_to_string(file)).value(), "012345six...over");
    EXPECT_EQ(finish(io::seek(file, io::seek_from::start(100))), 100u);
    EXPECT_EQ(finish(io::read_to_string(file)).value(), "") << "a read beyond the end returns no bytes";
    EXPECT_EQ(finish(io::write_all(file, "far")), eddy::ok());
    EXPECT_EQ(file.inner().size(), 103u) << "the gap is filled with zeros";
    std::array<std::byte, 3> room{};
    io::cursor full(std::span<std::byte>{room});
    EXPECT_EQ(finish(io::write_all(full, "1234")).error(), errc::write_zero);
    EXPECT_EQ(as_text(room), "123");
}

template <class T>
void expect_too_large() {
    io::cursor file{T()};
    EXPECT_TRUE(finish(io::seek(file, io::seek_from::start(std::numeric_limits<std::int64_t>::max()))));
    EXPECT_EQ(finish(io::write_all(file, "x")).error(), std::errc::file_too_large);
    EXPECT_EQ(file.inner().size(), 0u);
}

// covers: P040
TEST(IoSeek, WriteBeyondAddressableMemoryFails) {
    expect_too_large<std::string>();
    expect_too_large<std::vector<std::byte>>();
    expect_too_large<eddy::bytes_mut>();
}

// ---- In coroutines ----

eddy::task<result<std::string>> ask(io::duplex_stream& peer) {
    co_await eddy::try_(io::write_all(peer, "question\n"));
    co_await eddy::try_(io::shutdown(peer));
    co_return co_await io::read_to_string(peer);
}

eddy::task<result<std::string>> echo(io::duplex_stream& peer) {
    const auto all = co_await eddy::try_(io::read_to_end(peer));
    co_await eddy::try_(io::write_all(peer, all));
    co_await eddy::try_(io::shutdown(peer));
    co_return as_text(all);
}

// covers: S90
TEST(IoRead, TwoCoroutinesTalkThroughASmallPipe) {
    auto [client, server] = io::duplex(3);
    auto both = eddy::join(ask(client), echo(server));
    const auto done = eddy::wait(std::move(both));
    const auto& [asked, answered] = done;
    EXPECT_EQ(asked.value(), "question\n");
    EXPECT_EQ(answered.value(), "question\n");
}

}  // namespace
