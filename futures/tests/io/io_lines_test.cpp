// SPDX-License-Identifier: MIT
#include <eddy/io.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <functional>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <eddy/error.hpp>
#include <eddy/test/by_hand.hpp>

#include "support/choppy_io.hpp"
#include "support/stress.hpp"

namespace {

namespace io = eddy::io;
using eddy::errc;
using eddy::test::assert_pending;
using eddy::test::by_hand;
using support::all_chops;
using support::as_text;
using support::chop;
using support::choppy_reader;
using support::finish;

constexpr std::byte comma{','};

io::buf_reader<choppy_reader> reader_of(std::string text, chop how = {}, std::size_t capacity = 8) {
    return io::buf_reader(choppy_reader(std::move(text), how), capacity);
}

/// Returns all items. An error is shown as "<message>".
template <class Lines>
std::vector<std::string> all_of(Lines lines) {
    std::vector<std::string> all;
    while (auto item = finish(lines.next())) {
        if (!*item) {
            all.push_back("<" + item->error().message() + ">");
        } else if constexpr (std::is_same_v<typename Lines::item_type, eddy::result<std::string>>) {
            all.push_back(**item);
        } else {
            all.push_back(as_text(**item));
        }
    }
    return all;
}

const std::string too_long = "<the line is longer than its limit>";
using texts = std::vector<std::string>;

// covers: P044
TEST(IoReadUntil, ReadsUpToAndIncludingTheDelimiter) {
    for (const chop& how : all_chops()) {
        auto from = reader_of("one,a longer one,,last", how);
        std::vector<std::byte> into;
        EXPECT_EQ(finish(io::read_until(from, comma, into)), 4u);
        EXPECT_EQ(finish(io::read_until(from, ',', into)), 13u);
        EXPECT_EQ(as_text(into), "one,a longer one,");
        EXPECT_EQ(finish(io::read_until(from, comma, into)), 1u);
        std::string last;
        EXPECT_EQ(finish(io::read_until(from, comma, last)), 4u);
        EXPECT_EQ(last, "last");
        EXPECT_EQ(finish(io::read_until(from, comma, last)), 0u);
    }
}

// covers: P044
TEST(IoReadUntil, StopsAtTheLimit) {
    auto from = reader_of("123456,78");
    std::string into;
    EXPECT_EQ(finish(io::read_until(from, comma, into, 4)).error(), errc::line_too_long);
    EXPECT_EQ(into, "1234");
    EXPECT_EQ(finish(io::read_until(from, comma, into, 3)), 3u) << "the delimiter counts";
    EXPECT_EQ(into, "123456,");
    EXPECT_EQ(finish(io::read_until(from, comma, into, 2)), 2u) << "the end of the input is not an error";
}

// covers: P044
TEST(IoReadUntil, DroppedReadUntilKeepsTheBytesRead) {
    auto from = reader_of("ab,c");
    std::string into;
    {
        by_hand begun(io::read_until(from, comma, into));
        for (int i = 0; i < 2; ++i) assert_pending(begun.poll());
        EXPECT_EQ(begun.future().count(), 1u);
    }
    EXPECT_EQ(finish(io::read_until(from, comma, into)), 2u);
    EXPECT_EQ(into, "ab,");
}

// covers: P044
TEST(IoReadLine, ReadsALineWithItsEndOrTheRest) {
    auto from = reader_of("first\r\nsecond\n\nrest");
    std::string line;
    EXPECT_EQ(finish(io::read_line(from, line)), 7u);
    EXPECT_EQ(line, "first\r\n");
    EXPECT_EQ(finish(io::read_line(from, line)), 7u);
    EXPECT_EQ(finish(io::read_line(from, line)), 1u);
    EXPECT_EQ(finish(io::read_line(from, line)), 4u);
    EXPECT_EQ(finish(io::read_line(from, line)), 0u);
    EXPECT_EQ(line, "first\r\nsecond\n\nrest");
    auto bad = reader_of("\xff\ngood\n");
    EXPECT_EQ(finish(io::read_line(bad, line)).error(), errc::invalid_utf8);
    EXPECT_EQ(line, "first\r\nsecond\n\nrest");
    EXPECT_EQ(finish(io::read_line(bad, line)), 5u);
}

// covers: P044 P097
TEST(IoLines, YieldsLinesWithoutTheirEnds) {
    for (const chop& how : all_chops()) {
        EXPECT_EQ(all_of(io::lines(reader_of("a\nbc\r\n\r\n\ndef", how))), (texts{"a", "bc", "", "", "def"}));
        EXPECT_EQ(all_of(io::lines(reader_of("", how))), texts());
        EXPECT_EQ(all_of(io::lines(reader_of("\n", how))), texts{""});
    }
}

TEST(IoLines, NextLineReturnsResultOfOptional) {
    auto lines = io::lines(reader_of("a\n\xff\nb\n"));
    EXPECT_EQ(finish(lines.next_line()).value(), "a");
    EXPECT_EQ(finish(lines.next_line()).error(), errc::invalid_utf8);
    EXPECT_EQ(finish(lines.next_line()).value(), "b");
    EXPECT_EQ(finish(lines.next_line()).value(), std::nullopt);
}

// covers: P044 R090
TEST(IoLines, LineTooLongIsOneErrorAndTheNextLineIsRead) {
    for (const chop& how : all_chops()) {
        EXPECT_EQ(
            all_of(io::lines(reader_of("1234\n12345\n1234\r\n12345\r\n123456\n1234567890\nok\n12345678", how), 4)),
            (texts{"1234", too_long, "1234", too_long, too_long, too_long, "ok", too_long}))
            << how.most;
        EXPECT_EQ(all_of(io::lines(reader_of("\n\n", how), 0)), (texts{"", ""}));
    }
}

// covers: P044 R090
TEST(IoLines, EndlessLineIsReportedEarly) {
    chop how;
    how.most = 100'000;
    auto lines = io::lines(reader_of(std::string(5'000'000, 'x') + "\nafter", how, 4096), 100);
    EXPECT_EQ(finish(lines.next())->error(), errc::line_too_long) << "the error must not wait for the end of the line";
    EXPECT_LT(lines.reader().inner().position(), 10'000u);
    EXPECT_EQ(finish(lines.next())->value(), "after");
}

TEST(IoLines, NothingIsReadAfterTheEnd) {
    struct terminal {  // its user may type on after an end
        int reads = 0;
        eddy::poll_result<eddy::result<std::size_t>> poll_read(eddy::context&, std::span<std::byte> into) {
            if (++reads % 2 == 0) return eddy::ok(std::size_t{0});
            into[0] = std::byte{'\n'};
            return eddy::ok(std::size_t{1});
        }
    };
    auto lines = io::lines(io::buf_reader(terminal()));
    EXPECT_EQ(finish(lines.next()).value(), "");
    EXPECT_FALSE(finish(lines.next()));
    EXPECT_FALSE(finish(lines.next()));
}

TEST(IoLines, CarriageReturnAtEndOfTextEndsNoLine) {
    auto lines = io::lines(io::buf_reader(support::choppy_reader("a\r\nb\r")));
    EXPECT_EQ(finish(lines.next()).value(), "a");
    EXPECT_EQ(finish(lines.next()).value(), "b\r");
    EXPECT_FALSE(finish(lines.next()));
}

// covers: P044
TEST(IoLines, InvalidUtf8IsOneError) {
    EXPECT_EQ(all_of(io::lines(reader_of("good\n\xc0\nalso good"))),
              (texts{"good", "<the bytes are not UTF-8>", "also good"}));
}

// covers: R089
TEST(IoLines, CharactersSplitAcrossReadsAreJoined) {
    const std::string text = "\xc3\xa9\r\n\xe2\x82\xac\n\xf0\x9f\x98\x80\r\nab\xc3";
    for (const chop& how : all_chops()) {
        for (std::size_t capacity = 1; capacity < 9; ++capacity) {
            EXPECT_EQ(all_of(io::lines(reader_of(text, how, capacity))),
                      (texts{"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "<the bytes are not UTF-8>"}));
        }
    }
}

// covers: P044
TEST(IoLines, ReadErrorIsTheLastItem) {
    chop how;
    how.fails_at = 6;
    const auto items = all_of(io::lines(reader_of("one\ntwo\n", how)));
    EXPECT_EQ(items, (texts{"one", "<" + std::make_error_code(std::errc::io_error).message() + ">"}));
}

// covers: P044 R087
TEST(IoLines, DroppedNextLosesNoBytes) {
    auto lines = io::lines(reader_of("hello\nworld\n"));
    std::string got;
    for (int i = 0; i < 200; ++i) {
        by_hand once(lines.next());
        auto item = once.poll();
        if (!item) continue;
        if (!*item) break;
        got += (*item)->value() + ";";
    }
    EXPECT_EQ(got, "hello;world;");
}

// covers: P044
TEST(IoSplitDelimiter, YieldsPartsBetweenDelimiters) {
    for (const chop& how : all_chops()) {
        EXPECT_EQ(all_of(io::split(reader_of("a,,bc,", how), comma)), (texts{"a", "", "bc"}));
        EXPECT_EQ(all_of(io::split(reader_of("ab,abc,abcd", how), comma, 2)), (texts{"ab", too_long, too_long}));
    }
}

// covers: P044
TEST(IoFillBuf, ReturnsUnconsumedBytesAgain) {
    chop how;
    how.most = 100;
    auto from = reader_of("0123456789", how);
    EXPECT_EQ(as_text(finish(io::fill_buf(from)).value()), "01234567");
    from.consume(3);
    EXPECT_EQ(as_text(finish(io::fill_buf(from)).value()), "34567");
    EXPECT_THROW(from.consume(6), std::out_of_range);
    from.consume(5);
    EXPECT_EQ(as_text(finish(io::fill_buf(from)).value()), "89");
    from.consume(2);
    EXPECT_TRUE(finish(io::fill_buf(from))->empty());
}

// covers: P044
TEST(IoLinesStress, LinesMatchTheText) {
    std::mt19937_64 random(1);
    const auto rounds = support::rounds(100'000);
    for (std::uint64_t i = 0; i < rounds; ++i) {
        std::string text;
        texts expected;
        const std::size_t limit = random() % 12;
        for (std::size_t n = random() % 8; n != 0; --n) {
            const std::string line(random() % 16, static_cast<char>('a' + random() % 26));
            expected.push_back(line.size() > limit ? too_long : line);
            text += line + (random() % 2 == 0 ? "\n" : "\r\n");
        }
        chop how;
        how.most = 1 + random() % 9;
        how.waits_between = random() % 2 == 0;
        ASSERT_EQ(all_of(io::lines(reader_of(text, how, 1 + random() % 9), limit)), expected) << i;
    }
}

}  // namespace
