// SPDX-License-Identifier: MIT
#include <eddy/codec.hpp>

#include <gtest/gtest.h>

#include <cstddef>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <eddy/error.hpp>

#include "support/frames.hpp"
#include "support/stress.hpp"

// Codecs whose frames end with a delimiter, and the one that has no frames.

namespace {

namespace codec = eddy::codec;
using eddy::bytes_mut;
using eddy::errc;
using support::decode_all;
using texts = std::vector<std::string>;

const std::string too_long = "<the line is longer than its limit>";
const std::string no_text = "<the bytes are not UTF-8>";

TEST(LinesCodec, LinesWithEitherEndAndTheRest) {
    const std::string text = "one\ntwo\r\n\n\r\nthe rest";
    for (std::size_t step = 1; step <= text.size(); ++step) {
        EXPECT_EQ(decode_all(codec::lines_codec(), text, step), (texts{"one", "two", "", "", "the rest"})) << step;
    }
    EXPECT_EQ(decode_all(codec::lines_codec(), "", 1), texts());
    EXPECT_EQ(decode_all(codec::lines_codec(), "a\n", 1), texts{"a"});
    EXPECT_EQ(decode_all(codec::lines_codec(), "a\rb\n", 1), texts{"a\rb"}) << "a return inside is a character";
}

TEST(LinesCodec, ALineThatIsTooLongIsOneErrorAndTheNextIsRead) {
    const std::string text = "1234\n12345\n1234\r\n12345\r\n123456\n1234567890\nok\n12345678";
    for (std::size_t step = 1; step <= text.size(); ++step) {
        EXPECT_EQ(decode_all(codec::lines_codec(4), text, step),
                  (texts{"1234", too_long, "1234", too_long, too_long, too_long, "ok", too_long}))
            << step;
    }
    EXPECT_EQ(decode_all(codec::lines_codec(0), "\n\n\r\nx\n\n", 2), (texts{"", "", "", too_long, ""}));
    EXPECT_EQ(decode_all(codec::lines_codec(4), "12345", 1), texts{too_long}) << "also of the rest";
}

TEST(LinesCodec, ALineWithoutEndKeepsNoMemory) {
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
    EXPECT_EQ(errors, 1) << "one line, one error";
    buffer.put("\ngood\n");
    EXPECT_EQ(lines.decode(buffer).value(), "good");
}

TEST(LinesCodec, CharactersAreCutAnywhereAndABadOneIsAnErrorAlsoAtTheEnd) {
    const std::string text = "\xc3\xa9\r\n\xe2\x82\xac\n\xff\n\xf0\x9f\x98\x80\r\nab\xc3";
    for (std::size_t step = 1; step <= text.size(); ++step) {
        EXPECT_EQ(decode_all(codec::lines_codec(), text, step),
                  (texts{"\xc3\xa9", "\xe2\x82\xac", no_text, "\xf0\x9f\x98\x80", no_text}))
            << step;
    }
}

TEST(LinesCodec, WhatComesAfterTheEndIsTheNextLine) {
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
    EXPECT_EQ(grown_by("\nfour\n"), texts{"four"}) << "the other half of the end";
    EXPECT_EQ(grown_by("five\r"), texts{"five"});
    EXPECT_EQ(grown_by("six\n\n"), (texts{"six", ""}));
    EXPECT_EQ(grown_by("\r"), texts());
    EXPECT_EQ(grown_by("\n"), texts{""});
    EXPECT_EQ(grown_by("much too long"), texts{too_long});
    EXPECT_EQ(grown_by("seven\n"), texts{"seven"});
    EXPECT_EQ(grown_by("\xff\r"), texts{no_text});
    EXPECT_EQ(grown_by("\neight"), texts{"eight"});
}

TEST(LinesCodec, WritesLinesWithTheirEnds) {
    codec::lines_codec lines;
    bytes_mut into;
    ASSERT_TRUE(lines.encode("one", into));
    ASSERT_TRUE(lines.encode("", into));
    EXPECT_EQ(into, "one\n\n");
}

TEST(LinesCodecStress, AreLikeAStringCutByHand) {
    std::mt19937_64 random(1);
    const auto rounds = support::rounds(50'000);
    for (std::uint64_t i = 0; i < rounds; ++i) {
        std::string text;
        texts expected;
        const std::size_t limit = random() % 12;
        for (std::size_t n = random() % 8; n != 0; --n) {
            const std::string line(random() % 16, static_cast<char>('a' + random() % 26));
            expected.push_back(line.size() > limit ? too_long : line);
            text += line + (random() % 2 == 0 ? "\n" : "\r\n");
        }
        ASSERT_EQ(decode_all(codec::lines_codec(limit), text, 1 + random() % 9), expected) << i;
    }
}

TEST(AnyDelimiterCodec, EndsFramesAtEachOfThem) {
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
        << "any byte may be one";
    EXPECT_EQ(decode_all(codec::any_delimiter_codec(""), "a,b", 1), texts{"a,b"});
}

TEST(AnyDelimiterCodec, AFrameThatIsTooLongIsOneError) {
    const std::string text = "1234;12345;1234567;ok;123456";
    for (std::size_t step = 1; step <= text.size(); ++step) {
        EXPECT_EQ(decode_all(codec::any_delimiter_codec(";", ";", 4), text, step),
                  (texts{"1234", too_long, too_long, "ok", too_long}))
            << step;
    }
}

TEST(AnyDelimiterCodec, WritesItsOwnSequence) {
    codec::any_delimiter_codec parts(",;", "--");
    bytes_mut into;
    ASSERT_TRUE(parts.encode("one", into));
    ASSERT_TRUE(parts.encode(bytes_mut::copy_of("two"), into));
    EXPECT_EQ(into, "one--two--");
}

TEST(BytesCodec, BytesAsTheyCome) {
    EXPECT_EQ(decode_all(codec::bytes_codec(), "abcde", 2), (texts{"ab", "cd", "e"}));
    codec::bytes_codec bytes;
    bytes_mut into;
    ASSERT_TRUE(bytes.encode("one", into));
    ASSERT_TRUE(bytes.encode(bytes_mut::copy_of("two"), into));
    EXPECT_EQ(into, "onetwo");
}

}  // namespace
