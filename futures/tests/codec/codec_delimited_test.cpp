// SPDX-License-Identifier: MIT
#include <eddy/codec.hpp>

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <eddy/error.hpp>
#include <eddy/io/read_until.hpp>

#include "support/dice.hpp"
#include "support/futures/frames.hpp"
#include "support/stress.hpp"

// Codecs whose frames end with a delimiter, and bytes_codec, which has no frames.

namespace {

namespace codec = eddy::codec;
namespace io = eddy::io;
using eddy::bytes_mut;
using eddy::errc;
using support::decode_all;
using support::dice;
using support::expect_frames;
using support::shown_error;
using texts = std::vector<std::string>;

const std::string too_long = "<the line is longer than its limit>";
const std::string no_text = "<the bytes are not UTF-8>";

// covers: P100
TEST(LinesCodec, DecodesBothLineEndsAndUnterminatedLastLine) {
    const std::string text = "one\ntwo\r\n\n\r\nthe rest";
    for (std::size_t step = 1; step <= text.size(); ++step) {
        EXPECT_EQ(decode_all(codec::lines_codec(), text, step), (texts{"one", "two", "", "", "the rest"})) << step;
    }
    EXPECT_EQ(decode_all(codec::lines_codec(), "", 1), texts());
    EXPECT_EQ(decode_all(codec::lines_codec(), "a\n", 1), texts{"a"});
    EXPECT_EQ(decode_all(codec::lines_codec(), "a\rb\n", 1), texts{"a\rb"})
        << "a carriage return inside a line is kept";
}

// covers: P100 R090
TEST(LinesCodec, LineTooLongIsOneErrorAndTheNextLineIsRead) {
    const std::string text = "1234\n12345\n1234\r\n12345\r\n123456\n1234567890\nok\n12345678";
    for (std::size_t step = 1; step <= text.size(); ++step) {
        EXPECT_EQ(decode_all(codec::lines_codec(4), text, step),
                  (texts{"1234", too_long, "1234", too_long, too_long, too_long, "ok", too_long}))
            << step;
    }
    EXPECT_EQ(decode_all(codec::lines_codec(0), "\n\n\r\nx\n\n", 2), (texts{"", "", "", too_long, ""}));
    EXPECT_EQ(decode_all(codec::lines_codec(4), "12345", 1), texts{too_long})
        << "a last line without an end is checked too";
}

// covers: R090
TEST(LinesCodec, EndlessLineUsesBoundedMemory) {
    codec::lines_codec lines(1024);
    bytes_mut buffer;
    const std::string block(64 * 1024, 'x');
    int errors = 0;
    for (int i = 0; i < 160; ++i) {  // 10 MiB
        buffer.put(block);
        for (auto line = lines.decode(buffer); !line; line = lines.decode(buffer)) ++errors;
        ASSERT_TRUE(buffer.empty());
        ASSERT_LE(buffer.capacity(), 4 * block.size());
    }
    EXPECT_EQ(errors, 1) << "a line must cause one error";
    buffer.put("\ngood\n");
    EXPECT_EQ(lines.decode(buffer).value(), "good");
}

// covers: R089
TEST(LinesCodec, SplitCharactersAreJoinedAndInvalidOnesAreErrors) {
    const std::string text = "\xc3\xa9\r\n\xe2\x82\xac\n\xff\n\xf0\x9f\x98\x80\r\nab\xc3";
    for (std::size_t step = 1; step <= text.size(); ++step) {
        EXPECT_EQ(decode_all(codec::lines_codec(), text, step),
                  (texts{"\xc3\xa9", "\xe2\x82\xac", no_text, "\xf0\x9f\x98\x80", no_text}))
            << step;
    }
}

// covers: P100
TEST(LinesCodec, DecodingContinuesAfterTheEndOfTheInput) {
    codec::lines_codec lines(8);
    bytes_mut file;
    const auto grown_by = [&](std::string_view more) {
        texts all;
        file.put(more);
        for (;;) {
            const auto line = lines.decode_eof(file);
            if (line && !*line) return all;
            all.push_back(line ? **line : "<" + line.error().message() + ">");
        }
    };
    EXPECT_EQ(grown_by("one\ntw"), (texts{"one", "tw"}));
    EXPECT_EQ(grown_by("o\n"), texts{"o"});
    EXPECT_EQ(grown_by("three\r"), texts{"three"});
    EXPECT_EQ(grown_by(""), texts());
    EXPECT_EQ(grown_by("\nfour\n"), texts{"four"}) << "the line feed completes the line end";
    EXPECT_EQ(grown_by("five\r"), texts{"five"});
    EXPECT_EQ(grown_by("six\n\n"), (texts{"six", ""}));
    EXPECT_EQ(grown_by("\r"), texts());
    EXPECT_EQ(grown_by("\n"), texts{""});
    EXPECT_EQ(grown_by("much too long"), texts{too_long});
    EXPECT_EQ(grown_by("seven\n"), texts{"seven"});
    EXPECT_EQ(grown_by("\xff\r"), texts{no_text});
    EXPECT_EQ(grown_by("\neight"), texts{"eight"});
}

// covers: P100
TEST(LinesCodec, EncodeAppendsLineFeed) {
    codec::lines_codec lines;
    bytes_mut into;
    ASSERT_TRUE(lines.encode("one", into));
    ASSERT_TRUE(lines.encode("", into));
    EXPECT_EQ(into, "one\n\n");
}

TEST(LinesCodec, LoneCarriageReturnAtTheEndIsNoLine) {
    for (const std::size_t step : {1u, 2u, 100u}) {
        EXPECT_EQ(support::decode_all(codec::lines_codec(), "a\r\n\r", step), std::vector<std::string>{"a"});
    }
    codec::lines_codec lines;
    auto buffer = bytes_mut::copy_of("\r");
    EXPECT_FALSE(lines.decode_eof(buffer).value());
    buffer.put("k");
    EXPECT_EQ(lines.decode_eof(buffer).value(), "\rk") << "a carriage return without a line feed is kept";
}

TEST(LinesCodec, LineTooLongIsReportedBeforeItEnds) {
    for (const std::string_view end : {"", "\n", "\r\n"}) {
        codec::lines_codec lines(3);
        auto buffer = bytes_mut::copy_of("abcd");
        const auto early = lines.decode(buffer);
        ASSERT_FALSE(early) << "the error must not wait for another byte";
        EXPECT_EQ(early.error(), eddy::errc::line_too_long);
        buffer.put(end);
        EXPECT_FALSE(lines.decode(buffer).value());
    }
    codec::lines_codec lines(3);
    auto buffer = bytes_mut::copy_of("abc\r");
    EXPECT_FALSE(lines.decode(buffer).value()) << "the first half of a line end does not count";
    buffer.put("\n");
    EXPECT_EQ(lines.decode(buffer).value(), "abc");
}

// covers: P100
TEST(AnyDelimiterCodec, EndsFramesAtEachDelimiter) {
    const std::string text = "one,two;three\n,rest";
    for (std::size_t step = 1; step <= text.size(); ++step) {
        EXPECT_EQ(decode_all(codec::any_delimiter_codec(), text, step), (texts{"one", "two", "three", "", "rest"}));
        EXPECT_EQ(decode_all(codec::any_delimiter_codec(";"), text, step), (texts{"one,two", "three\n,rest"}));
    }
    EXPECT_EQ(decode_all(codec::any_delimiter_codec("\xff"),
                         "a\xff"
                         "b",
                         1),
              (texts{"a", "b"}))
        << "any byte may be a delimiter";
    EXPECT_EQ(decode_all(codec::any_delimiter_codec(""), "a,b", 1), texts{"a,b"});
}

// covers: P100 R090
TEST(AnyDelimiterCodec, FrameTooLongIsOneError) {
    const std::string text = "1234;12345;1234567;ok;123456";
    for (std::size_t step = 1; step <= text.size(); ++step) {
        EXPECT_EQ(decode_all(codec::any_delimiter_codec(";", ";", 4), text, step),
                  (texts{"1234", too_long, too_long, "ok", too_long}))
            << step;
    }
}

// covers: P100
TEST(AnyDelimiterCodec, EncodeAppendsConfiguredSequence) {
    codec::any_delimiter_codec parts(",;", "--");
    bytes_mut into;
    ASSERT_TRUE(parts.encode("one", into));
    ASSERT_TRUE(parts.encode(bytes_mut::copy_of("two"), into));
    EXPECT_EQ(into, "one--two--");
}

// covers: P100
TEST(BytesCodec, DecodesBytesAsTheyArrive) {
    EXPECT_EQ(decode_all(codec::bytes_codec(), "abcde", 2), (texts{"ab", "cd", "e"}));
    codec::bytes_codec bytes;
    bytes_mut into;
    ASSERT_TRUE(bytes.encode("one", into));
    ASSERT_TRUE(bytes.encode(bytes_mut::copy_of("two"), into));
    EXPECT_EQ(into, "onetwo");
}

// ---- Random texts, compared with models ----

/// Returns whether a text is UTF-8. Its only character beyond ASCII must be U+00E9.
bool is_utf8(std::string text) {
    for (auto at = text.find("\xc3\xa9"); at != text.npos; at = text.find("\xc3\xa9")) text.replace(at, 2, "e");
    return text.find_first_of("\xc3\xa9") == text.npos;
}

/// Returns the lines of `text`. A second implementation of lines_codec.
texts lines_of(std::string text, std::size_t most) {
    texts all;
    const auto add = [&](std::string line) {
        if (line.ends_with('\r')) line.pop_back();
        if (line.size() > most) {
            all.push_back(shown_error(eddy::errc::line_too_long));
        } else {
            all.push_back(is_utf8(line) ? line : shown_error(eddy::errc::invalid_utf8));
        }
    };
    for (auto end = text.find('\n'); end != text.npos; end = text.find('\n')) {
        add(text.substr(0, end));
        text.erase(0, end + 1);
    }
    if (!text.empty() && text != "\r") add(text);
    return all;
}

std::string some_text(dice& random, const texts& alphabet) {
    std::string text;
    for (std::size_t count = random.below(25); count > 0; --count) text += random.one_of(alphabet);
    return text;
}

// covers: P100
TEST(LinesCodecStress, RandomTextMatchesAModel) {
    for (std::uint64_t seed = support::rounds(100'000); seed != 0; --seed) {
        dice random(seed);
        const auto text = some_text(random, {"\n", "\n", "\r", "\r\n", "a", "b", "cde", "\xc3\xa9", "\xc3", "\xa9"});
        const auto most = random.one_of<std::size_t>({0, 1, 2, 3, 5, io::no_limit});
        expect_frames(codec::lines_codec(most), text, lines_of(text, most), "seed " + std::to_string(seed));
        if (HasFatalFailure()) return;
    }
}

TEST(AnyDelimiterCodecStress, RandomFramesMatchAModel) {
    for (std::uint64_t seed = support::rounds(100'000); seed != 0; --seed) {
        dice random(seed);
        const auto text = some_text(random, {";", ";", ",", "\xff", "a", "bc", "def"});
        const auto delimiters = random.one_of<std::string>({";", ";,", ";,\xff", ""});
        const auto most = random.one_of<std::size_t>({0, 1, 2, 3, 5, io::no_limit});
        texts expected(1);
        for (const char c : text) {
            if (delimiters.find(c) == delimiters.npos) {
                expected.back() += c;
            } else {
                expected.emplace_back();
            }
        }
        if (expected.back().empty()) expected.pop_back();
        for (auto& frame : expected) {
            if (frame.size() > most) frame = shown_error(eddy::errc::line_too_long);
        }
        expect_frames(codec::any_delimiter_codec(delimiters, ";", most), text, expected,
                      "seed " + std::to_string(seed));
        if (HasFatalFailure()) return;
    }
}

}  // namespace
